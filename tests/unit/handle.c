/* SPDX-License-Identifier: MIT */
/*
 * A handle of a file in a cache on the mock rig.
 */
#include "handle.h"

struct mpio_file handle;
unsigned char handle_bytes[HANDLE_BYTES];

void handle_open(struct cached *cached, uint32_t blocks, uint32_t frames,
		 const struct mpio_file_config *config)
{
	cached->rig->watch = WATCH_IO;
	cached_open(cached, blocks, frames);
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, config),
			 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_RANDOM),
			 0);
}

int64_t handle_read_to(unsigned char *memory, uint64_t pos, size_t length)
{
	memset(handle_bytes, 0xa5, sizeof(handle_bytes));
	return mpio_file_read(&handle, memory, length, pos);
}

int64_t handle_read(uint64_t pos, size_t length)
{
	return handle_read_to(handle_bytes, pos, length);
}

int64_t handle_write(uint64_t pos, size_t length, int byte)
{
	memset(handle_bytes, byte, length);
	return mpio_file_write(&handle, handle_bytes, length, pos);
}

void handle_assert_device(struct cached *cached, const unsigned char *memory,
			  uint64_t pos, size_t length)
{
	assert_memory_equal(memory, cached->rig->a.disk + 100 * BLOCK + pos,
			    length);
}

void handle_assert_all(const unsigned char *memory, size_t length, int byte)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(memory[i], byte);
}

void handle_assert_error(struct cached *cached, uint64_t block, int error)
{
	int64_t n = handle_read(BLOCK, 40 * BLOCK);

	assert_in_range(n, (block / 4 * 4 - 1) * BLOCK, (block - 1) * BLOCK);
	handle_assert_device(cached, handle_bytes, BLOCK, (size_t)n);
	assert_int_equal(handle_read(BLOCK + (uint64_t)n, 40 * BLOCK), error);
	assert_int_equal(handle_read((block + 4) / 4 * 4 * BLOCK, BLOCK),
			 BLOCK);
	cached->rig->a.fault_count = 0;
	assert_int_equal(handle_read(BLOCK, 40 * BLOCK), 40 * BLOCK);
	handle_assert_device(cached, handle_bytes, BLOCK, 40 * BLOCK);
}

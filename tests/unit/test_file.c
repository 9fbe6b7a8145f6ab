/* SPDX-License-Identifier: MIT */
/*
 * The file layer: bytes in and out, the end of file, sync, advice, and reads
 * that go straight. What is read ahead: test_file_readahead.c; who is told
 * which error: test_file_errors.c.
 */
#include "cached.h"

#include <mpio/file.h>

#include <inttypes.h>
#include <stdio.h>

static struct mpio_file handle;
static unsigned char buffer[400 * BLOCK + 64];

/* A handle that reads nothing ahead, on a file of so many blocks. */
static void open_file(struct cached *cached, uint32_t blocks, uint32_t frames,
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

static int64_t read_to(unsigned char *memory, uint64_t pos, size_t length)
{
	memset(buffer, 0xa5, sizeof(buffer));
	return mpio_file_read(&handle, memory, length, pos);
}

static int64_t read_at(uint64_t pos, size_t length)
{
	return read_to(buffer, pos, length);
}

static int64_t write_at(uint64_t pos, size_t length, int byte)
{
	memset(buffer, byte, length);
	return mpio_file_write(&handle, buffer, length, pos);
}

/* Bytes are those that the device has for this place. */
static void assert_device_bytes(struct cached *cached,
				const unsigned char *memory, uint64_t pos,
				size_t length)
{
	assert_memory_equal(memory, cached->rig->a.disk + 100 * BLOCK + pos,
			    length);
}

static void assert_all(const unsigned char *memory, size_t length, int byte)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(memory[i], byte);
}

static uint32_t cached_pages(struct cached *cached)
{
	struct mpio_cache_stats stats = mpio_cache_stats(cached->cache);

	return stats.frames - stats.free;
}

/* ---- Reading ------------------------------------------------------------ */

static void bytes_are_read_across_pages(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(read_at(3 * BLOCK + 100, 3 * PAGE), 3 * PAGE);
	assert_device_bytes(cached, buffer, 3 * BLOCK + 100, 3 * PAGE);
	assert_trace(cached->rig, "read 100+16");
	assert_int_equal(read_at(PAGE - 1, 2), 2);
	assert_device_bytes(cached, buffer, PAGE - 1, 2);
	assert_trace(cached->rig, "");
}

static void any_place_and_length_reads_the_same(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 48, 5, NULL);
	for (uint64_t pos = 0; pos < 48 * BLOCK; pos += 777) {
		for (size_t length = 1; length < 9000; length += 1021) {
			size_t left = (size_t)(48 * BLOCK - pos);
			size_t n = length < left ? length : left;

			assert_int_equal(read_to(buffer + pos % 7, pos, length),
					 n);
			assert_device_bytes(cached, buffer + pos % 7, pos, n);
			assert_int_equal(buffer[pos % 7 + n], 0xa5);
		}
	}
}

static void a_read_ends_at_the_end_of_file(void **state)
{
	struct cached *cached = *state;
	const uint64_t size = 10 * BLOCK + 100;

	open_file(cached, 400, 64, NULL);
	cached->file.mapping.size = size;
	assert_int_equal(mpio_file_size(&handle), size);
	assert_int_equal(read_at(size - 50, 100), 50);
	assert_device_bytes(cached, buffer, size - 50, 50);
	assert_all(buffer + 50, 100, 0xa5);
	assert_int_equal(read_at(size - 1, 1), 1);
	assert_int_equal(read_at(size, 1), 0);
	assert_int_equal(read_at(size + PAGE, PAGE), 0);
	assert_int_equal(read_at(UINT64_MAX, 10), 0);
	assert_int_equal(read_at(0, 0), 0);
	assert_int_equal(mpio_file_read(&handle, NULL, 0, 5), 0);
	assert_int_equal(mpio_file_read(&handle, buffer, SIZE_MAX, size - 1),
			 1);
	assert_all(buffer + 1, 100, 0xa5);
}

static void holes_read_as_zeros(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 2, 100);
	map_blocks(cached->rig, 5, 2, 105);
	open_file(cached, 0, 64, NULL);
	cached->file.mapping.size = 20 * BLOCK;
	assert_int_equal(read_at(0, 20 * BLOCK), 20 * BLOCK);
	assert_data(buffer, "a100 a101 0 0 0 a105 a106 0 0 0 0 0 0 0 0 0 0 0 0 "
			    "0");
	assert_trace(cached->rig, "read 100+2, read 105+2");
}

static void a_file_without_bytes_reads_nothing(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 0, 64, NULL);
	assert_int_equal(read_at(0, 10), 0);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(mpio_file_truncate(&handle, 0), 0);
	assert_trace(cached->rig, "flush");
}

/* What is before an error is given first; a read from there tells it. */
static void assert_error_at(struct cached *cached, uint64_t block, int error)
{
	int64_t n = read_at(BLOCK, 40 * BLOCK);

	assert_in_range(n, (block / 4 * 4 - 1) * BLOCK, (block - 1) * BLOCK);
	assert_device_bytes(cached, buffer, BLOCK, (size_t)n);
	assert_int_equal(read_at(BLOCK + (uint64_t)n, 40 * BLOCK), error);
	assert_int_equal(read_at((block + 4) / 4 * 4 * BLOCK, BLOCK), BLOCK);
	cached->rig->a.fault_count = 0;
	assert_int_equal(read_at(BLOCK, 40 * BLOCK), 40 * BLOCK);
	assert_device_bytes(cached, buffer, BLOCK, 40 * BLOCK);
}

static void an_error_comes_after_the_bytes_before_it(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 118, 1, -MPIO_EIO);
	open_file(cached, 400, 64, NULL);
	assert_error_at(cached, 18, -MPIO_EIO);
}

static void so_it_does_when_something_is_read_ahead(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 118, 1, -MPIO_EIO);
	open_file(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	assert_int_equal(read_at(0, 10), 10);
	assert_error_at(cached, 18, -MPIO_EIO);
}

static void and_when_the_map_fails(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 18, 100);
	map_blocks(cached->rig, 18, 1, 118)->error = -MPIO_EUCLEAN;
	map_blocks(cached->rig, 19, 100, 119);
	open_file(cached, 0, 64, NULL);
	cached->file.mapping.size = 100 * BLOCK;
	assert_in_range(read_at(0, 40 * BLOCK), 16 * BLOCK, 18 * BLOCK);
	assert_int_equal(read_at(18 * BLOCK, 40 * BLOCK), -MPIO_EUCLEAN);
	assert_int_equal(read_at(20 * BLOCK, 40 * BLOCK), 40 * BLOCK);
}

static void more_than_the_cache_holds_is_read(void **state)
{
	struct cached *cached = *state;
	struct mpio_file_config config = {.straight_min = UINT32_MAX};

	open_file(cached, 400, 4, &config);
	assert_int_equal(read_at(5, 399 * BLOCK), 399 * BLOCK);
	assert_device_bytes(cached, buffer, 5, 399 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
}

static void a_slow_device_is_waited_for(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->a.lifo = true;
	cached->rig->a.reap_max = 1;
	open_file(cached, 400, 16, NULL);
	assert_int_equal(read_at(5, 300 * BLOCK), 300 * BLOCK);
	assert_device_bytes(cached, buffer, 5, 300 * BLOCK);
	assert_int_equal(write_at(100, 5 * PAGE, 'x'), 5 * PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_all(cached->rig->a.disk + 100 * BLOCK + 100, 5 * PAGE, 'x');
}

/* ---- Writing ------------------------------------------------------------ */

static void whole_blocks_need_no_read(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(BLOCK, 11 * BLOCK, 'x'), 11 * BLOCK);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 101+11, flush");
	assert_disk(&cached->rig->a, 100, "a100");
	assert_disk(&cached->rig->a, 112, "a112");
	assert_all(cached->rig->a.disk + 101 * BLOCK, 11 * BLOCK, 'x');
}

static void parts_of_blocks_read_those_alone(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(9 * BLOCK + 10, 100, 'x'), 100);
	assert_trace(cached->rig, "read 109+1");
	assert_int_equal(write_at(9 * BLOCK + 200, 100, 'y'), 100);
	assert_trace(cached->rig, "");
	assert_int_equal(write_at(14 * BLOCK + 1, 7 * BLOCK, 'z'), 7 * BLOCK);
	assert_trace(cached->rig, "read 114+1, read 121+1");
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 109+1, write 114+8, flush");
}

static void what_was_written_is_read(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(PAGE - 10, 20, 'x'), 20);
	assert_int_equal(read_at(PAGE - 20, 40), 40);
	assert_device_bytes(cached, buffer, PAGE - 20, 10);
	assert_all(buffer + 10, 20, 'x');
	assert_device_bytes(cached, buffer + 30, PAGE + 10, 10);
	assert_int_equal(write_at(5, 0, 'x'), 0);
	assert_int_equal(mpio_file_write(&handle, NULL, 0, 5), 0);
	assert_int_equal(mpio_file_size(&handle), 400 * BLOCK);
}

static void more_than_the_cache_holds_is_written(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 4, NULL);
	assert_int_equal(write_at(5, 399 * BLOCK, 'x'), 399 * BLOCK);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_all(cached->rig->a.disk + 100 * BLOCK + 5, 399 * BLOCK, 'x');
	assert_device_bytes(cached, cached->rig->a.disk + 100 * BLOCK, 0, 5);
}

/* The device has other bytes behind the end, and in what is allocated. */
static void open_short(struct cached *cached)
{
	map_blocks(cached->rig, 0, 4, 100);
	map_blocks(cached->rig, 4, 96, 104)->flags |= MPIO_EXTENT_NEW;
	open_file(cached, 0, 64, NULL);
	cached->file.mapping.size = 3 * BLOCK + 100;
}

static void a_write_behind_the_end_leaves_zeros_between(void **state)
{
	struct cached *cached = *state;

	open_short(cached);
	assert_int_equal(write_at(9 * BLOCK + 10, 10, 'x'), 10);
	assert_int_equal(mpio_file_size(&handle), 9 * BLOCK + 20);
	assert_int_equal(read_at(0, 20 * BLOCK), 9 * BLOCK + 20);
	assert_data(buffer, "a100 a101 a102 a103/100 0 0 0 0 0");
	assert_all(buffer + 9 * BLOCK, 10, 0);
	assert_all(buffer + 9 * BLOCK + 10, 10, 'x');
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_disk(&cached->rig->a, 103, "a103/100 a104");
	assert_all(cached->rig->a.disk + 109 * BLOCK, 10, 0);
	assert_all(cached->rig->a.disk + 109 * BLOCK + 10, 10, 'x');
	assert_all(cached->rig->a.disk + 109 * BLOCK + 20, BLOCK - 20, 0);
}

static void a_write_across_the_end_moves_it(void **state)
{
	struct cached *cached = *state;

	open_short(cached);
	assert_int_equal(write_at(3 * BLOCK + 50, 2 * BLOCK, 'x'), 2 * BLOCK);
	assert_int_equal(mpio_file_size(&handle), 5 * BLOCK + 50);
	assert_trace(cached->rig, "read 103+1");
	assert_int_equal(write_at(5 * BLOCK + 50, 100, 'y'), 100);
	assert_int_equal(mpio_file_size(&handle), 5 * BLOCK + 150);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 103+3, flush");
	assert_int_equal(read_at(3 * BLOCK, 5000), 2 * BLOCK + 150);
	assert_device_bytes(cached, buffer, 3 * BLOCK, 2 * BLOCK + 150);
}

static void positions_end_somewhere(void **state)
{
	struct cached *cached = *state;
	const uint64_t limit = UINT64_MAX - PAGE + 1;

	open_file(cached, 0, 64, NULL);
	cached->rig->mapping.size = UINT64_MAX;
	assert_int_equal(write_at(UINT64_MAX, 1, 'x'), -MPIO_EFBIG);
	assert_int_equal(write_at(UINT64_MAX - 5, 100, 'x'), -MPIO_EFBIG);
	assert_int_equal(write_at(limit, 1, 'x'), -MPIO_EFBIG);
	assert_int_equal(mpio_file_size(&handle), 0);
	assert_int_equal(write_at(limit - 10, 100, 'x'), 10);
	assert_int_equal(mpio_file_size(&handle), limit);
	assert_int_equal(write_at(limit, 90, 'x'), -MPIO_EFBIG);
	assert_int_equal(read_at(limit - 20, 100), 20);
	assert_all(buffer, 10, 0);
	assert_all(buffer + 10, 10, 'x');
	assert_int_equal(read_at(limit, 100), 0);
	for (int i = 0; i < 5; i++) /* nothing is read ahead behind it */
		assert_int_equal(read_at(limit - 10 + (uint64_t)i, 1), 1);
	assert_int_equal(mpio_file_truncate(&handle, 100), 0);
	assert_int_equal(read_at(0, 200), 100);
	assert_all(buffer, 100, 0);
}

static void a_write_that_cannot_read_fails_there(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 109, 1, -MPIO_EIO);
	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(9 * BLOCK + 10, 10, 'x'), -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	/* The page before it was written. */
	assert_int_equal(write_at(4 * BLOCK, 5 * BLOCK + 10, 'x'), 4 * BLOCK);
	assert_int_equal(write_at(9 * BLOCK, BLOCK, 'x'), BLOCK);
}

/* ---- Truncate ----------------------------------------------------------- */

static void what_is_cut_off_is_zeros_when_the_end_comes_back(void **state)
{
	static const uint64_t ends[] = {
		0,    100,      BLOCK,    2 * BLOCK + 7,         PAGE - 1,
		PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + BLOCK + 512};
	struct cached *cached = *state;

	open_file(cached, 16, 64, NULL);
	for (size_t i = COUNT_OF(ends); i-- > 0;) {
		uint64_t end = ends[i];
		/* The blocks behind the end stay mapped, with other bytes. */
		uint64_t kept = (end + BLOCK - 1) / BLOCK * BLOCK;

		assert_int_equal(mpio_file_truncate(&handle, end), 0);
		assert_int_equal(mpio_file_size(&handle), end);
		assert_int_equal(read_at(0, 16 * BLOCK), end);
		assert_device_bytes(cached, buffer, 0, (size_t)end);
		assert_all(buffer + end, 100, 0xa5);
		assert_int_equal(mpio_file_truncate(&handle, end + 3000), 0);
		assert_int_equal(mpio_file_size(&handle), end + 3000);
		assert_int_equal(read_at(end, 4000), 3000);
		assert_all(buffer, (size_t)(kept - end), 0);
		assert_int_equal(mpio_file_sync(&handle), 0);
		assert_all(cached->rig->a.disk + 100 * BLOCK + end,
			   (size_t)(kept - end), 0);
	}
}

static void where_nothing_is_mapped_all_of_it_is_zeros(void **state)
{
	struct cached *cached = *state;

	open_short(cached);
	assert_int_equal(write_at(4 * BLOCK, 9 * BLOCK, 'x'), 9 * BLOCK);
	assert_int_equal(mpio_file_truncate(&handle, 2 * BLOCK + 10), 0);
	assert_int_equal(mpio_file_truncate(&handle, 50 * BLOCK), 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(read_at(2 * BLOCK, 90 * BLOCK), 48 * BLOCK);
	assert_device_bytes(cached, buffer, 2 * BLOCK, 10);
	assert_all(buffer + 10, BLOCK - 10, 0);
	assert_all(buffer + 2 * BLOCK, 46 * BLOCK, 0);
	assert_disk(&cached->rig->a, 104, "a104 a105 a106");
}

static void dirty_pages_behind_the_end_are_not_written(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(0, 12 * BLOCK, 'x'), 12 * BLOCK);
	assert_int_equal(mpio_file_truncate(&handle, 5 * BLOCK), 0);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 100+5, flush");
}

/* ---- Sync --------------------------------------------------------------- */

static void a_sync_writes_in_order_and_then_flushes(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(40 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	assert_int_equal(write_at(20 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	assert_int_equal(write_at(24 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	cached->rig->watch |= WATCH_FLAGS;
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig,
		     "write 120+8 sync, write 140+4 sync, flush sync");
	/* Others may have written something back. */
	cached->rig->watch = WATCH_IO;
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "flush");
}

static void on_a_slow_device_the_flush_comes_when_all_is_written(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->a.lifo = true;
	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(40 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	assert_int_equal(write_at(20 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	cached->rig->watch = WATCH_IO | WATCH_CALLS;
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 120+4, write 140+4, commit, wait, "
				  "flush, commit, wait");
}

static void a_sync_of_a_range_writes_its_pages(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(write_at(i * 2 * PAGE, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync_range(&handle, 2 * PAGE, 3 * PAGE), 0);
	assert_trace(cached->rig, "write 108+4, flush");
	assert_int_equal(mpio_file_sync_range(&handle, 0, 1), 0);
	assert_trace(cached->rig, "write 100+4, flush");
	assert_int_equal(mpio_file_sync_range(&handle, PAGE, 4 * PAGE), 0);
	assert_trace(cached->rig, "flush");
	/* From the last byte of one page to the first of another. */
	assert_int_equal(
		mpio_file_sync_range(&handle, 5 * PAGE - 1, 6 * PAGE + 1), 0);
	assert_trace(cached->rig, "write 116+4, write 124+4, flush");
	assert_int_equal(mpio_file_sync_range(&handle, 8 * PAGE + 5, 0), 0);
	assert_trace(cached->rig, "write 132+4, write 140+4, flush");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void a_range_without_bytes_writes_nothing(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(0, 3 * PAGE, 'x'), 3 * PAGE);
	assert_int_equal(mpio_file_sync_range(&handle, 5, 5), 0);
	assert_int_equal(mpio_file_sync_range(&handle, UINT64_MAX, UINT64_MAX),
			 0);
	assert_int_equal(mpio_file_sync_range(&handle, 300 * BLOCK, UINT64_MAX),
			 0);
	assert_trace(cached->rig, "flush, flush, flush");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 3);
	assert_int_equal(mpio_file_sync_range(&handle, 10, 5), -MPIO_EINVAL);
	assert_int_equal(mpio_file_sync_range(&handle, 1, UINT64_MAX), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

/* What the engine's flush saw. */
struct flushing {
	struct cached *cached;
	uint32_t calls;
	uint32_t dirty;
	int status;
};

/* Nothing is held: it may read and write. */
static int engine_flush(struct mpio_file *file)
{
	struct flushing *flushing = file->config.host;
	unsigned char byte = 0;

	assert_ptr_equal(file, &handle);
	flushing->calls++;
	flushing->dirty = mpio_cache_stats(flushing->cached->cache).dirty;
	assert_int_equal(mpio_file_read(file, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(mpio_file_write(file, &byte, 1, PAGE), 1);
	trace(flushing->cached->rig, WATCH_IO, "engine");
	return flushing->status;
}

static void the_engine_may_flush_in_its_own_way(void **state)
{
	struct flushing flushing = {.cached = *state};
	struct mpio_file_config config = {
		.flush = engine_flush,
		.host = &flushing,
	};
	struct cached *cached = *state;
	struct mpio_file other;

	open_file(cached, 400, 64, &config);
	assert_int_equal(write_at(0, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(flushing.calls, 1);
	assert_int_equal(flushing.dirty, 0);
	assert_trace(cached->rig, "write 100+4, read 104+1, engine");
	assert_int_equal(
		mpio_file_open(&other, &cached->file, cached->rig->queue, NULL),
		0);
	flushing.status = -MPIO_EROFS;
	assert_int_equal(mpio_file_sync(&handle), -MPIO_EROFS);
	flushing.status = 0;
	assert_int_equal(mpio_file_sync(&handle), 0);
	/* It is told to every handle; the other's own flush was fine. */
	assert_int_equal(mpio_file_sync(&other), -MPIO_EROFS);
	assert_int_equal(mpio_file_sync(&other), 0);
	assert_int_equal(mpio_file_sync_range(&handle, 0, PAGE), 0);
	assert_int_equal(flushing.calls, 4);
	mpio_file_close(&other);
}

/* ---- Memory ------------------------------------------------------------- */

static void only_if_all_pages_are_pinned_is_there_no_memory(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[16];

	open_file(cached, 400, 16, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue,
						(40 + i) * PAGE, &pages[i]),
				 0);
	assert_int_equal(read_at(0, 3 * PAGE), -MPIO_ENOMEM);
	assert_int_equal(write_at(0, 3 * PAGE, 'x'), -MPIO_ENOMEM);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_WILLNEED),
			 0);
	/* Pages that are there are read, and written, none the less. */
	assert_int_equal(read_at(41 * PAGE, PAGE), PAGE);
	assert_int_equal(write_at(41 * PAGE, PAGE, 'x'), PAGE);
	assert_int_equal(read_at(55 * PAGE, 2 * PAGE), PAGE);
	mpio_cache_put(pages[0]);
	assert_int_equal(read_at(0, 3 * PAGE), 3 * PAGE);
	assert_device_bytes(cached, buffer, 0, 3 * PAGE);
	assert_int_equal(write_at(0, 3 * PAGE, 'y'), 3 * PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_all(cached->rig->a.disk + 100 * BLOCK, 3 * PAGE, 'y');
	for (uint32_t i = 1; i < 16; i++)
		mpio_cache_put(pages[i]);
}

/* ---- Handles ------------------------------------------------------------ */

static void handles_see_the_same_bytes(void **state)
{
	struct cached *cached = *state;
	struct mpio_file other;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(
		mpio_file_open(&other, &cached->file, cached->rig->queue, NULL),
		0);
	assert_int_equal(mpio_file_write(&other, "seen", 4, 7 * BLOCK), 4);
	assert_int_equal(read_at(7 * BLOCK, 4), 4);
	assert_memory_equal(buffer, "seen", 4);
	assert_int_equal(mpio_file_truncate(&other, 7 * BLOCK + 2), 0);
	assert_int_equal(mpio_file_size(&handle), 7 * BLOCK + 2);
	mpio_file_close(&other);
	assert_int_equal(read_at(7 * BLOCK, 4), 2);
}

static void a_window_that_cannot_be_is_refused(void **state)
{
	struct mpio_file_config config = {
		.readahead_min = 2 * PAGE,
		.readahead_max = PAGE,
	};
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 -MPIO_EINVAL);
	config.readahead_max = 2 * PAGE;
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 0);
	/* The default of one is not more than the other. */
	config.readahead_min = 0;
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 0);
}

static void a_handle_can_go_to_another_queue(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue_config config = {.bios = 4};
	struct mpio_queue *queue;

	open_file(cached, 400, 64, NULL);
	config.memory_size = mpio_queue_size(&cached->rig->a.device, &config);
	config.memory = malloc(config.memory_size);
	assert_int_equal(
		mpio_queue_open(&cached->rig->a.device, &config, &queue), 0);
	mpio_file_set_queue(&handle, queue);
	assert_int_equal(read_at(0, PAGE), PAGE);
	assert_int_equal(write_at(0, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(mpio_queue_stats(queue)->pages_read, 1);
	assert_int_equal(mpio_queue_stats(queue)->pages_written, 1);
	assert_int_equal(mpio_queue_stats(cached->rig->queue)->pages_read, 0);
	mpio_queue_close(queue);
	free(config.memory);
}

/* ---- Advice ------------------------------------------------------------- */

static void random_reads_only_what_is_asked_for(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(read_at(i * PAGE, 10), 10);
	assert_trace(cached->rig,
		     "read 100+4, read 104+4, read 108+4, read 112+4");
	assert_int_equal(mpio_file_stats(&handle).ahead, 0);
	assert_int_equal(mpio_file_stats(&handle).windows, 0);
}

static void willneed_begins_to_read(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	open_file(cached, 400, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 5 * PAGE + 7, 8 * PAGE + 1,
					  MPIO_ADVICE_WILLNEED),
			 0);
	assert_trace(cached->rig, "read 120+16");
	assert_int_equal(cached->rig->a.pending_count, 1);
	assert_int_equal(read_at(5 * PAGE + 7, 3 * PAGE), 3 * PAGE);
	assert_device_bytes(cached, buffer, 5 * PAGE + 7, 3 * PAGE);
	assert_trace(cached->rig, "");
}

/* What is there may be needed, too. */
static void willneed_takes_a_quarter_of_the_cache(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(
		mpio_file_advise(&handle, PAGE, 0, MPIO_ADVICE_WILLNEED), 0);
	assert_int_equal(cached_pages(cached), 16);
}

static void willneed_ends_where_the_file_does(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 10, 64, NULL);
	assert_int_equal(
		mpio_file_advise(&handle, PAGE, 0, MPIO_ADVICE_WILLNEED), 0);
	assert_trace(cached->rig, "read 104+6");
	assert_int_equal(mpio_file_advise(&handle, 100 * BLOCK, UINT64_MAX,
					  MPIO_ADVICE_WILLNEED),
			 0);
	assert_int_equal(
		mpio_file_advise(&handle, 0, UINT64_MAX, MPIO_ADVICE_WILLNEED),
		0);
	assert_trace(cached->rig, "read 100+4");
	assert_int_equal(cached_pages(cached), 3);
}

static void dontneed_writes_back_and_forgets(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(read_at(0, 6 * PAGE), 6 * PAGE);
	assert_int_equal(write_at(2 * PAGE, PAGE, 'x'), PAGE);
	assert_int_equal(write_at(5 * PAGE, PAGE, 'x'), PAGE);
	assert_trace(cached->rig, "read 100+24");
	assert_int_equal(
		mpio_file_advise(&handle, PAGE, 4 * PAGE, MPIO_ADVICE_DONTNEED),
		0);
	assert_trace(cached->rig, "write 108+4");
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(is_cached(cached, i), i == 0 || i > 3);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_trace(cached->rig, "write 120+4");
	assert_int_equal(cached_pages(cached), 0);
	assert_int_equal(read_at(2 * PAGE, PAGE), PAGE);
	assert_all(buffer, PAGE, 'x');
}

/* No more of the last page is wanted than lies before the end of file. */
static void dontneed_to_the_end_forgets_a_page_that_it_cuts(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 22, 64, NULL);
	assert_int_equal(read_at(0, 22 * BLOCK), 22 * BLOCK);
	assert_int_equal(
		mpio_file_advise(&handle, 0, 22 * BLOCK, MPIO_ADVICE_DONTNEED),
		0);
	assert_int_equal(cached_pages(cached), 0);
}

/* What lies outside may be needed. */
static void dontneed_leaves_pages_that_lie_in_part_in_the_range(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(read_at(0, 6 * PAGE), 6 * PAGE);
	assert_int_equal(mpio_file_advise(&handle, PAGE + 1, 5 * PAGE - 1,
					  MPIO_ADVICE_DONTNEED),
			 0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(is_cached(cached, i), i < 2 || i > 3);
	assert_int_equal(mpio_file_advise(&handle, 5 * PAGE + 1, 6 * PAGE - 1,
					  MPIO_ADVICE_DONTNEED),
			 0);
	assert_true(is_cached(cached, 5));
}

static void dontneed_waits_for_what_it_writes(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	open_file(cached, 400, 64, NULL);
	assert_int_equal(write_at(0, 6 * PAGE, 'x'), 6 * PAGE);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(cached_pages(cached), 0);
	assert_all(cached->rig->a.disk + 100 * BLOCK, 6 * PAGE, 'x');
}

static void dontneed_leaves_pages_in_use(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(read_at(0, 4 * PAGE), 4 * PAGE);
	assert_int_equal(mpio_cache_find(&cached->file, PAGE, &page), 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 -MPIO_EBUSY);
	assert_int_equal(cached_pages(cached), 1);
	mpio_cache_put(page);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(cached_pages(cached), 0);
}

static void read_in_pieces(uint64_t from, uint64_t to, size_t length)
{
	for (uint64_t pos = from; pos < to; pos += length)
		assert_int_equal(read_at(pos, length), length);
}

static void noreuse_leaves_no_pages(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 96, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE),
			 0);
	read_in_pieces(0, 8 * PAGE, BLOCK);
	assert_int_equal(cached_pages(cached), 0);
	/* A page that was read in part stays. */
	assert_int_equal(read_at(8 * PAGE, BLOCK), BLOCK);
	assert_true(is_cached(cached, 8));
	/* The other advice still holds: each page was read for itself. */
	assert_int_equal(mpio_file_stats(&handle).ahead, 0);
	assert_int_equal(write_at(9 * PAGE, PAGE, 'x'), PAGE);
	read_in_pieces(8 * PAGE, 96 * BLOCK, BLOCK);
	assert_int_equal(cached_pages(cached), 1);
	assert_true(is_cached(cached, 9)); /* it is dirty */
}

static void noreuse_and_sequential_come_together(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	read_in_pieces(0, 40 * PAGE, BLOCK);
	assert_true(mpio_file_stats(&handle).windows != 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_false(is_cached(cached, i));
	read_in_pieces(40 * PAGE, 400 * BLOCK, BLOCK);
	assert_int_equal(cached_pages(cached), 0);
}

static void normal_forgets_advice(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NORMAL),
			 0);
	read_in_pieces(0, 20 * PAGE, PAGE);
	assert_true(is_cached(cached, 5));
	assert_true(mpio_file_stats(&handle).windows != 0);
}

static void advice_that_cannot_be_is_refused(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, (enum mpio_advice)6),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, (enum mpio_advice)99),
			 -MPIO_EINVAL);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
			mpio_file_advise(&handle, 10, 5, (enum mpio_advice)i),
			-MPIO_EINVAL);
}

/* ---- Reading straight --------------------------------------------------- */

static const struct mpio_file_config straight = {.straight_min = 8 * BLOCK};

static void a_large_read_leaves_no_page(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, &straight);
	assert_int_equal(read_at(0, 200 * BLOCK), 200 * BLOCK);
	assert_device_bytes(cached, buffer, 0, 200 * BLOCK);
	assert_trace(cached->rig, "read 100+200");
	assert_int_equal(cached_pages(cached), 0);
	assert_int_equal(mpio_file_stats(&handle).straight, 200 * BLOCK);
	/* A smaller one does. */
	assert_int_equal(read_at(0, 8 * BLOCK - 1), 8 * BLOCK - 1);
	assert_int_equal(cached_pages(cached), 2);
	assert_int_equal(mpio_file_stats(&handle).straight, 200 * BLOCK);
}

static void half_of_the_cache_is_large(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 16, NULL);
	assert_int_equal(read_at(0, 8 * PAGE), 8 * PAGE);
	assert_int_equal(cached_pages(cached), 0);
	assert_int_equal(read_at(0, 8 * PAGE - BLOCK), 8 * PAGE - BLOCK);
	assert_int_equal(cached_pages(cached), 8);
}

static void one_that_is_to_be_used_once_is_large_sooner(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	assert_int_equal(read_at(0, 64 * BLOCK), 64 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 64 * BLOCK);
	assert_device_bytes(cached, buffer, 0, 64 * BLOCK);
}

static void it_never_misses_what_was_written(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, &straight);
	assert_int_equal(write_at(50 * BLOCK + 7, 10, 'x'), 10);
	for (uint64_t from = 0; from <= 50; from += 10) {
		uint64_t at = 50 * BLOCK + 7 - from * BLOCK;

		assert_int_equal(read_at(from * BLOCK, 60 * BLOCK), 60 * BLOCK);
		assert_all(buffer + at, 10, 'x');
		assert_device_bytes(cached, buffer, from * BLOCK, (size_t)at);
		assert_device_bytes(cached, buffer + at + 10, 50 * BLOCK + 17,
				    100);
	}
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(read_at(0, 60 * BLOCK), 60 * BLOCK);
	assert_device_bytes(cached, buffer, 0, 60 * BLOCK);
	assert_int_equal(cached_pages(cached), 0);
}

/* Any place, length and memory, also where the device wants alignment. */
static void read_anywhere(struct cached *cached)
{
	const uint64_t size = 90 * BLOCK + 77;

	cached->file.mapping.size = size;
	for (uint64_t i = 0; i < 120; i++) {
		uint64_t pos = i * 997 % (80 * BLOCK);
		size_t length = 9 * BLOCK + (size_t)i * 331;
		size_t n;

		if (i % 3 == 0)
			pos -= pos % BLOCK;
		n = length < size - pos ? length : (size_t)(size - pos);
		assert_int_equal(read_to(buffer + i % 13, pos, length), n);
		assert_device_bytes(cached, buffer + i % 13, pos, n);
		assert_all(buffer + i % 13 + n, 20, 0xa5);
		if (i % 5 == 0)
			assert_int_equal(mpio_file_advise(&handle, 0, 0,
							  MPIO_ADVICE_DONTNEED),
					 0);
	}
	assert_true(mpio_file_stats(&handle).straight != 0);
}

static void it_goes_to_any_memory_from_any_place(void **state)
{
	struct cached *cached = *state;

	open_file(cached, 400, 64, &straight);
	read_anywhere(cached);
}

static void also_on_a_device_that_wants_it_aligned(void **state)
{
	struct cached *cached = *state;

	cached->rig->a.device.limits.memory_alignment = 512;
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->a.lifo = true;
	cached->rig->config.bounce_bytes = 4 * BLOCK;
	open_file(cached, 400, 64, &straight);
	read_anywhere(cached);
}

static void holes_are_zeros_in_it(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 2, 100);
	map_blocks(cached->rig, 5, 2, 105);
	open_file(cached, 0, 64, &straight);
	cached->file.mapping.size = 12 * BLOCK;
	assert_int_equal(read_at(0, 20 * BLOCK), 12 * BLOCK);
	assert_data(buffer, "a100 a101 0 0 0 a105 a106 0 0 0 0 0");
	assert_int_equal(cached_pages(cached), 0);
}

static void an_error_in_it_comes_after_the_bytes_before(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 118, 1, -MPIO_EIO);
	open_file(cached, 400, 64, &straight);
	assert_error_at(cached, 18, -MPIO_EIO);
}

/* Its pieces end in any order; the first bad one counts. */
static void of_two_errors_the_first_counts(void **state)
{
	struct cached *cached = *state;

	for (int lifo = 0; lifo < 2; lifo++) {
		if (lifo == 0) {
			mock_asynchronous(&cached->rig->a);
			cached->rig->a.slow = true;
			cached->rig->config.bytes_max = 4 * BLOCK;
			open_file(cached, 400, 64, &straight);
		}
		cached->rig->a.lifo = lifo != 0;
		mock_fail(&cached->rig->a, 118, 1, -MPIO_EROFS);
		mock_fail(&cached->rig->a, 130, 1, -MPIO_ENXIO);
		assert_error_at(cached, 18, -MPIO_EROFS);
		assert_int_equal(
			mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			0);
	}
}

/* The engine wants to see pages, or can tell them from a copy. */
static void an_engine_that_verifies_pages_sees_pages(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = rig_verify;
	open_file(cached, 400, 64, &straight);
	cached->rig->hook_error = -MPIO_EILSEQ;
	assert_int_equal(read_at(0, 40 * BLOCK), -MPIO_EILSEQ);
	cached->rig->hook_error = 0;
	assert_int_equal(read_at(0, 40 * BLOCK), 40 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(bytes_are_read_across_pages),
		CACHED_TEST(any_place_and_length_reads_the_same),
		CACHED_TEST(a_read_ends_at_the_end_of_file),
		CACHED_TEST(holes_read_as_zeros),
		CACHED_TEST(a_file_without_bytes_reads_nothing),
		CACHED_TEST(an_error_comes_after_the_bytes_before_it),
		CACHED_TEST(so_it_does_when_something_is_read_ahead),
		CACHED_TEST(and_when_the_map_fails),
		CACHED_TEST(more_than_the_cache_holds_is_read),
		CACHED_TEST(a_slow_device_is_waited_for),
		CACHED_TEST(whole_blocks_need_no_read),
		CACHED_TEST(parts_of_blocks_read_those_alone),
		CACHED_TEST(what_was_written_is_read),
		CACHED_TEST(more_than_the_cache_holds_is_written),
		CACHED_TEST(a_write_behind_the_end_leaves_zeros_between),
		CACHED_TEST(a_write_across_the_end_moves_it),
		CACHED_TEST(positions_end_somewhere),
		CACHED_TEST(a_write_that_cannot_read_fails_there),
		CACHED_TEST(what_is_cut_off_is_zeros_when_the_end_comes_back),
		CACHED_TEST(where_nothing_is_mapped_all_of_it_is_zeros),
		CACHED_TEST(dirty_pages_behind_the_end_are_not_written),
		CACHED_TEST(a_sync_writes_in_order_and_then_flushes),
		CACHED_TEST(
			on_a_slow_device_the_flush_comes_when_all_is_written),
		CACHED_TEST(a_sync_of_a_range_writes_its_pages),
		CACHED_TEST(a_range_without_bytes_writes_nothing),
		CACHED_TEST(the_engine_may_flush_in_its_own_way),
		CACHED_TEST(only_if_all_pages_are_pinned_is_there_no_memory),
		CACHED_TEST(handles_see_the_same_bytes),
		CACHED_TEST(a_window_that_cannot_be_is_refused),
		CACHED_TEST(a_handle_can_go_to_another_queue),
		CACHED_TEST(random_reads_only_what_is_asked_for),
		CACHED_TEST(willneed_begins_to_read),
		CACHED_TEST(willneed_takes_a_quarter_of_the_cache),
		CACHED_TEST(willneed_ends_where_the_file_does),
		CACHED_TEST(dontneed_writes_back_and_forgets),
		CACHED_TEST(dontneed_to_the_end_forgets_a_page_that_it_cuts),
		CACHED_TEST(
			dontneed_leaves_pages_that_lie_in_part_in_the_range),
		CACHED_TEST(dontneed_waits_for_what_it_writes),
		CACHED_TEST(dontneed_leaves_pages_in_use),
		CACHED_TEST(noreuse_leaves_no_pages),
		CACHED_TEST(noreuse_and_sequential_come_together),
		CACHED_TEST(normal_forgets_advice),
		CACHED_TEST(advice_that_cannot_be_is_refused),
		CACHED_TEST(a_large_read_leaves_no_page),
		CACHED_TEST(half_of_the_cache_is_large),
		CACHED_TEST(one_that_is_to_be_used_once_is_large_sooner),
		CACHED_TEST(it_never_misses_what_was_written),
		CACHED_TEST(it_goes_to_any_memory_from_any_place),
		CACHED_TEST(also_on_a_device_that_wants_it_aligned),
		CACHED_TEST(holes_are_zeros_in_it),
		CACHED_TEST(an_error_in_it_comes_after_the_bytes_before),
		CACHED_TEST(of_two_errors_the_first_counts),
		CACHED_TEST(an_engine_that_verifies_pages_sees_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

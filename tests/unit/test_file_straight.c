/* SPDX-License-Identifier: MIT */
/*
 * Reads that go straight into the caller's memory: hooks that engines set, and
 * what does not go straight, or does not come. Most of it is in
 * test_file_large.c; what others do meanwhile, in test_file_races.c.
 */
#include "cached.h"

#include <mpio/file.h>

static struct mpio_file handle;
static unsigned char buffer[32 * BLOCK];

/* Pieces of 4 blocks. */
static void open_file(struct cached *cached, uint32_t blocks)
{
	const struct mpio_file_config config = {.straight_min = BLOCK};

	cached->rig->config.bytes_max = 4 * BLOCK;
	cached_open(cached, blocks, 64);
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 0);
	cached->rig->trace[0] = '\0';
}

static int64_t read_blocks(uint64_t first, uint32_t n)
{
	memset(buffer, 0xa5, sizeof(buffer));
	return mpio_file_read(&handle, buffer, (size_t)n * BLOCK,
			      first * BLOCK);
}

static void boundaries_are_told_to_the_engine_only_by_writes(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 2, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(cached->rig, 2, 6, 102);
	cached->rig->ops.boundary = rig_boundary;
	cached->rig->watch = WATCH_HOOKS | WATCH_IO;
	open_file(cached, 0);
	cached->file.mapping.size = 8 * BLOCK;
	assert_int_equal(read_blocks(0, 8), 8 * BLOCK);
	assert_trace(cached->rig, "read 100+2, read 102+2, read 104+4");
}

/* Of what cannot be waited for, the memory is not the caller's yet. */
static void a_read_that_cannot_be_waited_for_fails(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = 0;
	open_file(cached, 32);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(read_blocks(0, 16), -MPIO_EREMOTEIO);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
	cached->rig->a.reap_error = 0;
	/* As long as its pieces are out, others go through the cache. */
	assert_int_equal(mpio_file_read(&handle, buffer + 16 * BLOCK, 4 * BLOCK,
					16 * BLOCK),
			 4 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
	assert_data(buffer + 16 * BLOCK, "a116 a117 a118 a119");
	assert_int_equal(mpio_queue_drain(cached->rig->queue), 0);
	assert_int_equal(read_blocks(0, 16), 16 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 16 * BLOCK);
}

static void a_lapse_of_the_device_is_waited_out(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = 0;
	open_file(cached, 32);
	cached->rig->a.lapses = 10;
	assert_int_equal(read_blocks(0, 4), 4 * BLOCK);
	assert_int_equal(cached->rig->a.lapses, 0);
	assert_data(buffer, "a100 a101 a102 a103 ?");
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	(void)mapping;
	(void)page;
	return 0;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)attempt;
	(void)extent;
	return -MPIO_ENODATA;
}

static void what_the_engine_looks_at_goes_through_the_cache(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = verify;
	cached->rig->watch = 0;
	open_file(cached, 32);
	assert_int_equal(read_blocks(0, 8), 8 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
}

static void so_does_what_the_engine_has_copies_of(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.reread = reread;
	cached->rig->watch = 0;
	open_file(cached, 32);
	assert_int_equal(read_blocks(0, 8), 8 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
}

static void blocks_smaller_than_any_device_has_are_not_read(void **state)
{
	const struct mpio_file_config config = {.straight_min = BLOCK};
	struct cached *cached = *state;
	struct mpio_cache_mapping file = {0};

	cached_open(cached, 16, 16);
	file.mapping = cached->file.mapping;
	file.mapping.block_size = 256;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), 0);
	assert_int_equal(
		mpio_file_open(&handle, &file, cached->rig->queue, &config), 0);
	assert_int_equal(read_blocks(0, 8), -MPIO_EINVAL);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
	assert_int_equal(mpio_cache_detach(&file, cached->rig->queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(boundaries_are_told_to_the_engine_only_by_writes),
		CACHED_TEST(a_read_that_cannot_be_waited_for_fails),
		CACHED_TEST(a_lapse_of_the_device_is_waited_out),
		CACHED_TEST(what_the_engine_looks_at_goes_through_the_cache),
		CACHED_TEST(so_does_what_the_engine_has_copies_of),
		CACHED_TEST(blocks_smaller_than_any_device_has_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

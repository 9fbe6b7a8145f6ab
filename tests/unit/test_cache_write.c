/* SPDX-License-Identifier: MIT */
/*
 * The cache: a write reads what it needs of the page, and no more. How far a
 * file goes then: test_cache_end.c; when it is written back:
 * test_cache_writeback.c.
 */
#include "cached.h"

static void whole_blocks_are_written_without_a_read(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 1, 2), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 101+2");
	assert_disk(&cached->rig->a, 100, "a100 f1 f2 a103");
}

static void part_of_a_block_reads_that_block_alone(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, BLOCK + 10, 100, 7), 0);
	assert_trace(cached->rig, "read 101+1");
	assert_int_equal(write_bytes(cached, BLOCK + 500, 100, 7), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 101+1");
	mpio_cache_get(&cached->file, cached->rig->queue, 0, &page);
	assert_trace(cached->rig, "read 100+1, read 102+2");
	assert_int_equal(((unsigned char *)page->data)[BLOCK + 10], 7);
	assert_int_equal(((unsigned char *)page->data)[BLOCK + 599], 7);
	mpio_cache_put(page);
}

static void both_edges_are_read_and_what_lies_between_is_not(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, 10, 4 * BLOCK - 20, 7), 0);
	assert_trace(cached->rig, "read 100+1, read 103+1");
}

static void a_write_that_fails_to_read_changes_nothing(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 101, 1, -MPIO_EIO);
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, BLOCK + 10, 100, 7), -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(write_blocks(cached, 1, 1), 0);
}

static void a_write_of_no_page_is_refused(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, 0, 0, 1), -MPIO_EINVAL);
	assert_int_equal(write_bytes(cached, PAGE - 1, 2, 1), -MPIO_EINVAL);
	assert_int_equal(write_bytes(cached, UINT64_MAX, 2, 1), -MPIO_EINVAL);
}

static void where_positions_end_nothing_is_written_or_read_ahead(void **state)
{
	const uint64_t last = UINT64_MAX - PAGE + 1;
	struct cached *cached = *state;
	struct mpio_queue *queue;

	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_bytes(cached, last, BLOCK, 7), -MPIO_EINVAL);
	assert_int_equal(mpio_cache_readahead(&cached->file, queue, last, 8, 0),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_cache_readahead(&cached->file, queue, last - PAGE,
					      8, MPIO_READ_AHEAD),
			 1);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 15);
	assert_int_equal(write_blocks(cached, 0, 1), 0);
	assert_int_equal(sync_file(cached), 0);
}

static void nothing_written_leaves_the_page_clean(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	assert_int_equal(mpio_cache_write_begin(&cached->file,
						cached->rig->queue, 0, BLOCK,
						&page),
			 0);
	mpio_cache_write_end(page, 0, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(read_byte(cached, 0) >= 0, 1);
}

static void nothing_written_makes_no_file_longer(void **state)
{
	const uint64_t pos = 21 * BLOCK;
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	assert_int_equal(mpio_cache_write_begin(&cached->file,
						cached->rig->queue, pos, BLOCK,
						&page),
			 0);
	mpio_cache_write_end(page, pos, 0);
	assert_int_equal(cached->file.mapping.size, 16 * BLOCK);
}

static void a_hole_is_allocated_when_it_is_written_back(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO | WATCH_MAP;
	map_blocks(cached->rig, 0, 4, 100)->flags |= MPIO_EXTENT_NEW;
	cached_open(cached, 0, 16);
	cached->file.mapping.size = PAGE;
	assert_int_equal(read_byte(cached, 0), 0);
	assert_int_equal(write_blocks(cached, 1, 1), 0);
	assert_trace(cached->rig, "map 0+4");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "alloc 1+1, write 101+1");
}

static void a_block_behind_the_end_is_not_read(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 4, 16);
	assert_int_equal(write_bytes(cached, 5 * BLOCK + 100, 10, 7), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_queue_stats(cached->rig->queue)->pages_read, 0);
	assert_int_equal(read_byte(cached, 5 * BLOCK + 99), 0);
	assert_int_equal(read_byte(cached, 5 * BLOCK + 100), 7);
}

static void
with_all_frames_dirty_the_first_page_of_a_file_finds_room(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.limit_percent = 100;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 2);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 2);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, 0, PAGE,
						&page),
			 0);
	assert_trace(cached->rig, "write 100+8");
	mpio_cache_write_end(page, 0, 0);
}

/* It is one that is not there, however far behind the others. */
static void with_all_frames_dirty_one_far_behind_is_no_dirty_page(void **state)
{
	const uint64_t near = (uint64_t)PAGE << 18;
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.limit_percent = 100;
	cached_open(cached, 16, 2);
	map_blocks(cached->rig, near / BLOCK, 1, 200);
	cached->rig->mapping.size = 2 * near;
	assert_int_equal(write_bytes(cached, 0, BLOCK, 7), 0);
	assert_int_equal(write_bytes(cached, near, BLOCK, 7), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 2);
	assert_int_equal(mpio_cache_write_begin(&cached->file,
						cached->rig->queue, near << 30,
						BLOCK, &page),
			 0);
	mpio_cache_write_end(page, near << 30, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(whole_blocks_are_written_without_a_read),
		CACHED_TEST(part_of_a_block_reads_that_block_alone),
		CACHED_TEST(both_edges_are_read_and_what_lies_between_is_not),
		CACHED_TEST(a_write_that_fails_to_read_changes_nothing),
		CACHED_TEST(a_write_of_no_page_is_refused),
		CACHED_TEST(
			where_positions_end_nothing_is_written_or_read_ahead),
		CACHED_TEST(nothing_written_leaves_the_page_clean),
		CACHED_TEST(nothing_written_makes_no_file_longer),
		CACHED_TEST(a_hole_is_allocated_when_it_is_written_back),
		CACHED_TEST(a_block_behind_the_end_is_not_read),
		CACHED_TEST(
			with_all_frames_dirty_the_first_page_of_a_file_finds_room),
		CACHED_TEST(
			with_all_frames_dirty_one_far_behind_is_no_dirty_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

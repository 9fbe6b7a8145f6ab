/* SPDX-License-Identifier: MIT */
/*
 * Write-back from the cache: sync and its errors, thresholds, background work,
 * and what a walk may not touch.
 */
#include "cached.h"

static int sync_since(struct cached *cached, struct mpio_errseq *since)
{
	return mpio_cache_sync(&cached->file, cached->rig->queue, since);
}

static void a_sync_writes_in_few_ios_and_in_order(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 64);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(write_blocks(cached, 4 * (i * 5 % 8), 4), 0);
	assert_int_equal(write_blocks(cached, 41, 1), 0);
	assert_int_equal(write_blocks(cached, 43, 1), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 100+32, write 141+1, write 143+1");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void a_sync_waits_for_a_slow_device(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 9, 2), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
	assert_disk(&cached->rig->a, 109, "f9 f10");
}

static void a_walk_is_not_given_up_while_its_pages_are_out(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	cached->rig->a.lapses = 10;
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
	/* One that never can is given up. */
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	cached->rig->a.lapses = UINT32_MAX;
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		-MPIO_EREMOTEIO);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 1);
	cached->rig->a.lapses = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

static void an_error_is_told_once_to_each_and_nothing_is_lost(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq one = {0};
	struct mpio_errseq two = {0};
	struct mpio_errseq late;

	mock_fail(&cached->rig->a, 101, 1, -MPIO_EIO);
	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(sync_since(cached, &one), -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_disk(&cached->rig->a, 102, "f2 f3 f4 f5 f6 f7");
	cached->rig->a.fault_count = 0;
	late = mpio_errseq_sample(&cached->file.mapping.errors);
	assert_int_equal(sync_since(cached, &two), -MPIO_EIO);
	assert_int_equal(sync_since(cached, &one), 0);
	assert_int_equal(sync_since(cached, &two), 0);
	assert_int_equal(sync_since(cached, &late), 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void blocks_beside_a_bad_one_are_written_once(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 101, 1, -MPIO_EIO);
	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 3), 0);
	assert_int_equal(sync_file(cached), -MPIO_EIO);
	cached->rig->a.fault_count = 0;
	cached->rig->watch = WATCH_IO;
	cached->rig->trace[0] = '\0';
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 101+1");
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 a103");
}

static void an_error_of_a_background_walk_is_told_by_sync(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since = {0};

	mock_fail(&cached->rig->a, 100, 1, -MPIO_EIO)->times = 1;
	cached->config.background_percent = 1;
	cached->rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	mpio_cache_work(cached->cache, cached->rig->queue);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(sync_since(cached, &since), -MPIO_EIO);
	assert_int_equal(sync_since(cached, &since), 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
}

static void an_error_that_was_told_is_not_told_by_sync_again(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since = {0};

	mock_fail(&cached->rig->a, 100, 1, -MPIO_EIO)->times = 1;
	cached->config.background_percent = 1;
	cached->rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	mpio_cache_work(cached->cache, cached->rig->queue);
	assert_int_equal(mpio_errseq_check_and_advance(
				 &cached->file.mapping.errors, &since),
			 -MPIO_EIO);
	assert_int_equal(sync_since(cached, &since), 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
}

static void without_room_pages_stay_and_a_later_sync_succeeds(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since = {0};
	struct mock_extent *extent;

	extent = map_blocks(cached->rig, 0, 4, 100);
	extent->error = -MPIO_ENOSPC;
	cached_open(cached, 0, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_since(cached, &since), -MPIO_ENOSPC);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	extent->error = 0;
	assert_int_equal(sync_since(cached, &since), 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
}

static void a_walk_keeps_the_controls(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {
		.nr_to_write = 2,
		.range_cyclic = true,
	};
	struct mpio_writeback_control range = {
		.nr_to_write = MPIO_WRITE_ALL,
		.range_start = PAGE,
		.range_end = 3 * PAGE - 1,
		.tagged = true,
	};

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 64);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "write 100+8");
	wbc.nr_to_write = 2;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "write 108+8");
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_writepages(&cached->file,
					       cached->rig->queue, &range),
			 0);
	assert_trace(cached->rig, "write 104+8");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 3);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

static void a_walk_that_stops_gives_back_what_it_did_not_reach(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 60};

	map_blocks(cached->rig, 4, 4, 104)->error = -MPIO_ENOSPC;
	cached_open(cached, 0, 64);
	map_blocks(cached->rig, 0, 4, 100);
	map_blocks(cached->rig, 8, 40, 108);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		-MPIO_ENOSPC);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 9);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

static void a_locked_page_is_skipped_or_told_of(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 60};
	struct mpio_page *page;

	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_int_equal(wbc.pages_skipped, 1);
	assert_int_equal(sync_file(cached), -MPIO_EDEADLK);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	mpio_cache_release(page);
	assert_int_equal(sync_file(cached), 0);
}

/* Whoever gave up on it: a range that it does not lie in is written. */
static void one_that_was_told_of_is_nothing_to_the_next_sync(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.range_start = PAGE,
		.range_end = 2 * PAGE - 1,
	};
	struct mpio_page *page;

	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page);
	assert_int_equal(sync_file(cached), -MPIO_EDEADLK);
	mpio_cache_release(page);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	cached->rig->watch = WATCH_IO;
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "write 104+4");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

static struct cached *growing;

static void grow(struct rig *rig, uint64_t block)
{
	rig->before_map = NULL;
	(void)block;
	assert_int_equal(write_blocks(growing, 8, 4), 0);
}

static void a_file_that_grows_under_a_walk_is_written_to_its_end(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 60};

	growing = cached;
	cached->rig->config.walk_pages = 1;
	cached->rig->before_map = grow;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 64);
	cached->file.mapping.size = 4 * BLOCK;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "write 100+4, write 108+4");
	assert_int_equal(mpio_cache_end(&cached->file), 12 * BLOCK);
}

/* ---- Thresholds --------------------------------------------------------- */

static void who_writes_too_much_helps(void **state)
{
	struct cached *cached = *state;

	cached->config.limit_percent = 25;
	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
		assert_true(mpio_cache_stats(cached->cache).dirty <= 16);
	}
	assert_true(mpio_cache_stats(cached->cache).helped >= 3);
}

static void write_other(struct cached *cached, uint64_t pos)
{
	struct mpio_page *page;

	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, pos, PAGE,
						&page),
			 0);
	memset(page->data, 'o', PAGE);
	mpio_cache_write_end(page, pos, PAGE);
}

/* Or it would pay for each page, and what others left would stay. */
static void who_has_few_dirty_pages_helps_with_those_of_others(void **state)
{
	struct cached *cached = *state;

	cached->config.limit_percent = 50;
	cached_open(cached, 256, 32);
	for (uint32_t i = 0; i < 15; i++)
		write_other(cached, (uint64_t)i * PAGE);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(write_blocks(cached, 4 * (40 + i), 4), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).helped, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 7);
}

static void work_is_done_from_the_threshold_on(void **state)
{
	struct cached *cached = *state;

	cached->config.background_percent = 10;
	cached->rig->watch = WATCH_IO | WATCH_FLAGS;
	cached_open(cached, 800, 100);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 0);
	assert_int_equal(write_blocks(cached, 36, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 10);
	assert_trace(cached->rig, "write 100+40 background");
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 0);
}

/* The last walk stopped half-way; what is dirty now lies before that. */
static void work_is_done_on_what_lies_before_the_last_stop(void **state)
{
	struct cached *cached = *state;

	cached->config.background_percent = 10;
	cached->config.limit_percent = 25;
	cached_open(cached, 800, 400);
	for (uint32_t i = 0; i < 101; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).helped, 1);
	assert_int_equal(sync_file(cached), 0);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 50);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void work_that_fails_says_so(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	mock_fail(&cached->rig->a, 100, 1, -MPIO_EIO);
	cached->config.background_percent = 1;
	cached_open(cached, 800, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_EIO);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_EIO);
	cached->rig->a.fault_count = 0;
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 1);
}

static void of_two_files_it_tells_the_first_error(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	map_blocks(cached->rig, 0, 4, 100)->error = -MPIO_ENOSPC;
	map_blocks(cached->rig, 4, 4, 104)->error = -MPIO_EIO;
	cached->config.background_percent = 1;
	cached_open(cached, 0, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, PAGE, PAGE,
						&page),
			 0);
	mpio_cache_write_end(page, PAGE, PAGE);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_ENOSPC);
	assert_int_equal(mpio_cache_drop(&cached->other, cached->rig->queue, 0,
					 UINT64_MAX),
			 0);
}

static void work_is_sorted_across_files(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.background_percent = 1;
	mock_asynchronous(&cached->rig->a);
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 800, 400);
	/* The other file's blocks lie before and behind. */
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(write_blocks(cached, 40 + 4 * i, 4), 0);
	for (uint64_t i = 0; i < 30; i++) {
		if (i >= 10 && i < 20)
			continue;
		assert_int_equal(mpio_cache_write_begin(&cached->other,
							cached->rig->queue,
							i * PAGE, PAGE, &page),
				 0);
		mpio_cache_write_end(page, i * PAGE, PAGE);
	}
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 30);
	assert_trace(cached->rig, "write 100+120");
}

/* Nobody walks any more, and nobody else would look at the device. */
static void what_a_walk_left_in_flight_is_waited_for(void **state)
{
	struct cached *cached = *state;

	cached->config.limit_percent = 100;
	mock_asynchronous(&cached->rig->a);
	cached_open(cached, 64, 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(sync_file(cached), -MPIO_EREMOTEIO);
	cached->rig->a.reap_error = 0;
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 8);
	use_page(cached, 9);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

static struct cached *meanwhile;
static uint32_t maps;
static int dropped;

/* The second file of a round gets blocks that the first one wrote to. */
static void drop_the_first(struct rig *rig, uint64_t block)
{
	(void)block;
	if (++maps == 2)
		dropped = mpio_cache_drop(&meanwhile->other, rig->queue, 0,
					  UINT64_MAX);
}

static void work_on_a_block_that_was_given_away(struct cached *cached)
{
	meanwhile = cached;
	maps = 0;
	dropped = 1;
	cached->config.background_percent = 1;
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.lifo = true;
	cached->rig->before_map = drop_the_first;
	cached_open(cached, 16, 16);
	write_other(cached, 0);
	write_other(cached, PAGE);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
}

/* What is in flight of the old owner may not end after the new one's. */
static void what_a_callback_drops_is_written_no_later_by_work(void **state)
{
	struct cached *cached = *state;

	work_on_a_block_that_was_given_away(cached);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 3);
	assert_int_equal(dropped, 0);
	assert_int_equal(maps, 2);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

static void an_error_of_what_a_callback_drops_is_told_by_work(void **state)
{
	struct cached *cached = *state;

	work_on_a_block_that_was_given_away(cached);
	mock_fail(&cached->rig->a, 104, 1, -MPIO_EIO);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_EIO);
	assert_int_equal(dropped, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
}

/* Marked or not, only a sync waits for it. */
static void a_tagged_walk_skips_a_locked_page_too(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {
		.nr_to_write = 60,
		.tagged = true,
	};
	struct mpio_page *page;

	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_int_equal(wbc.pages_skipped, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	mpio_cache_release(page);
}

/* What goes well after it does not hide an error. */
static void the_first_error_of_a_walk_is_told(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};

	cached->config.background_percent = 1;
	cached_open(cached, 400, 64);
	mock_fail(&cached->rig->a, 100, 4, -MPIO_ENOSPC)->times = 2;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 20, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		-MPIO_ENOSPC);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(write_blocks(cached, 20, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_ENOSPC);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 1);
}

static void a_sync_maps_what_it_writes_whatever_the_budget(void **state)
{
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
					     .nr_to_write = 1};
	struct cached *cached = *state;

	cached_open(cached, 400, 64);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "alloc 0+16, write 100+16");
}

static void a_range_that_ends_before_it_begins_is_empty(void **state)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.range_start = 100,
		.range_end = 50, /* in the same page */
	};
	struct cached *cached = *state;

	cached_open(cached, 400, 64);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

static struct mpio_cache_mapping files[4];

/* The last file of a round drops pages of the first one. */
static void drop_of_first(struct rig *rig, uint64_t block)
{
	(void)block;
	if (++maps == COUNT_OF(files))
		dropped = mpio_cache_drop(&files[0], rig->queue, 0, PAGE);
}

static void a_file_that_leaves_a_round_leaves_the_others_in_it(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	maps = 0;
	dropped = 1;
	cached->config.background_percent = 1;
	cached->rig->before_map = drop_of_first;
	cached_open(cached, 400, 64);
	queue = cached->rig->queue;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct mpio_page *page;

		files[i] = (struct mpio_cache_mapping){
			.mapping = cached->other.mapping};
		assert_int_equal(mpio_cache_attach(cached->cache, &files[i]),
				 0);
		assert_int_equal(mpio_cache_write_begin(&files[i], queue, 0,
							PAGE, &page),
				 0);
		mpio_cache_write_end(page, 0, PAGE);
	}
	assert_int_equal(mpio_cache_work(cached->cache, queue),
			 COUNT_OF(files));
	assert_int_equal(dropped, 0);
	for (size_t i = 0; i < COUNT_OF(files); i++)
		assert_int_equal(mpio_cache_detach(&files[i], queue), 0);
}

static struct cached *syncing;
static struct mpio_page *locked;

static void sync_other(struct mpio_bio *bio)
{
	assert_int_equal(
		mpio_cache_sync(&syncing->other, syncing->rig->queue, NULL), 0);
	mpio_cache_release(locked);
	mpio_bio_put(bio);
}

static void a_file_is_walked_while_a_page_of_another_is_waited_for(void **state)
{
	static unsigned char memory[BLOCK];
	struct cached *cached = *state;
	struct mpio_bio *bio;

	syncing = cached;
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 400, 64);
	write_other(cached, 0);
	mpio_cache_grab(&cached->file, cached->rig->queue, PAGE, &locked);
	mpio_cache_pin(locked);
	bio = mpio_bio_get(cached->rig->queue, MPIO_BIO_READ, 0);
	assert_non_null(bio);
	bio->end_io = sync_other;
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_cache_wait(locked, cached->rig->queue), 0);
	mpio_cache_put(locked);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_sync_writes_in_few_ios_and_in_order),
		CACHED_TEST(a_sync_waits_for_a_slow_device),
		CACHED_TEST(a_walk_is_not_given_up_while_its_pages_are_out),
		CACHED_TEST(an_error_is_told_once_to_each_and_nothing_is_lost),
		CACHED_TEST(an_error_of_a_background_walk_is_told_by_sync),
		CACHED_TEST(an_error_that_was_told_is_not_told_by_sync_again),
		CACHED_TEST(without_room_pages_stay_and_a_later_sync_succeeds),
		CACHED_TEST(a_walk_keeps_the_controls),
		CACHED_TEST(a_walk_that_stops_gives_back_what_it_did_not_reach),
		CACHED_TEST(a_locked_page_is_skipped_or_told_of),
		CACHED_TEST(
			a_file_that_grows_under_a_walk_is_written_to_its_end),
		CACHED_TEST(who_writes_too_much_helps),
		CACHED_TEST(who_has_few_dirty_pages_helps_with_those_of_others),
		CACHED_TEST(work_is_done_from_the_threshold_on),
		CACHED_TEST(work_is_done_on_what_lies_before_the_last_stop),
		CACHED_TEST(work_that_fails_says_so),
		CACHED_TEST(work_is_sorted_across_files),
		CACHED_TEST(what_a_walk_left_in_flight_is_waited_for),
		CACHED_TEST(what_a_callback_drops_is_written_no_later_by_work),
		CACHED_TEST(an_error_of_what_a_callback_drops_is_told_by_work),
		CACHED_TEST(a_tagged_walk_skips_a_locked_page_too),
		CACHED_TEST(the_first_error_of_a_walk_is_told),
		CACHED_TEST(a_sync_maps_what_it_writes_whatever_the_budget),
		CACHED_TEST(a_range_that_ends_before_it_begins_is_empty),
		CACHED_TEST(a_file_that_leaves_a_round_leaves_the_others_in_it),
		CACHED_TEST(
			a_file_is_walked_while_a_page_of_another_is_waited_for),
		CACHED_TEST(blocks_beside_a_bad_one_are_written_once),
		CACHED_TEST(one_that_was_told_of_is_nothing_to_the_next_sync),
		CACHED_TEST(of_two_files_it_tells_the_first_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

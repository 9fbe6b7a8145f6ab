/* SPDX-License-Identifier: MIT */
/*
 * Which frame is taken for a new page: what a scan leaves alone, what cannot
 * be taken, and runs of neighbouring frames.
 */
#include "cached.h"

#define RUN 16u /* pages of 4 KiB in a group */

static int read_ahead(struct cached *cached, uint32_t first, uint32_t n)
{
	return mpio_cache_readahead(&cached->file, cached->rig->queue,
				    (uint64_t)first * PAGE, n, 0);
}

/* How many pages from one on lie behind each other in memory. */
static uint32_t neighbours(struct cached *cached, uint32_t first, uint32_t max)
{
	unsigned char *end = NULL;
	uint32_t n;

	for (n = 0; n < max; n++) {
		struct mpio_page *page;

		assert_int_equal(
			mpio_cache_get(&cached->file, cached->rig->queue,
				       (uint64_t)(first + n) * PAGE, &page),
			0);
		mpio_cache_put(page);
		if (n != 0 && page->data != end)
			break;
		end = (unsigned char *)page->data + PAGE;
	}
	return n;
}

/* ---- A scan ------------------------------------------------------------- */

static void a_scan_leaves_the_hot_set_alone(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 32);
	for (uint32_t i = 0; i < 20; i++)
		use_page(cached, i % 10);
	for (uint32_t i = 10; i < 200; i++)
		use_page(cached, i);
	for (uint32_t i = 0; i < 10; i++)
		assert_true(is_cached(cached, i));
}

static void so_does_a_scan_that_reads_ahead(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 20; i++)
		use_page(cached, i % 10);
	for (uint32_t i = 10; i + RUN < 200; i += RUN) {
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
		for (uint32_t j = 0; j < RUN; j++)
			use_page(cached, i + j);
	}
	for (uint32_t i = 0; i < 10; i++)
		assert_true(is_cached(cached, i));
}

static void a_page_that_is_read_in_pieces_is_not_hot(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 32);
	for (uint32_t i = 0; i < 10; i++)
		use_page(cached, 5);
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 0);
	use_page(cached, 6);
	use_page(cached, 5);
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 1);
}

/* If he says so, also when others were used between. */
static void who_goes_on_in_a_page_uses_it_once(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 800, 32);
	assert_int_equal(mpio_cache_find_again(&cached->file, 5 * PAGE, &page),
			 -MPIO_ENOENT);
	for (uint32_t i = 0; i < 10; i++) {
		if (i == 0)
			use_page(cached, 5);
		assert_int_equal(mpio_cache_find_again(&cached->file,
						       5 * PAGE + 7, &page),
				 0);
		assert_int_equal(page->pos, 5 * PAGE);
		mpio_cache_put(page);
		use_page(cached, 10 + i);
	}
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 0);
	use_page(cached, 5);
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 1);
}

static void what_is_no_longer_used_gives_way_to_a_new_hot_set(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 32);
	for (uint32_t i = 0; i < 60; i++)
		use_page(cached, i % 20);
	for (uint32_t i = 0; i < 100; i++)
		use_page(cached, 100 + i % 10);
	for (uint32_t i = 120; i < 199; i++)
		use_page(cached, i);
	for (uint32_t i = 100; i < 110; i++)
		assert_true(is_cached(cached, i));
}

static void a_page_in_use_outlives_the_hot_set_it_came_with(void **state)
{
	struct cached *cached = *state;

	cached->config.protected_percent = 50;
	cached_open(cached, 800, 32);
	for (uint32_t i = 0; i < 64; i++)
		use_page(cached, i % 16);
	for (uint32_t set = 20; set < 150; set += 50) {
		for (uint32_t i = 0; i < 70; i++) {
			assert_true(is_cached(cached, 0));
			use_page(cached, 0);
			use_page(cached, set + (i < 30 ? i % 10 : i - 20));
		}
	}
	for (uint32_t i = 1; i < 16; i++)
		assert_false(is_cached(cached, i));
}

static void the_protected_pages_are_a_share_and_no_more(void **state)
{
	struct cached *cached = *state;

	cached->config.protected_percent = 25;
	cached_open(cached, 800, 32);
	for (uint32_t i = 0; i < 40; i++)
		use_page(cached, i % 20);
	for (uint32_t i = 100; i < 160; i++)
		use_page(cached, i);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(is_cached(cached, i), i >= 12);
}

/* ---- What cannot be taken ----------------------------------------------- */

static void a_pinned_page_stays(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 800, 16);
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page), 0);
	for (uint32_t i = 1; i < 100; i++)
		use_page(cached, i);
	assert_true(is_cached(cached, 0));
	mpio_cache_put(page);
}

static void with_all_pinned_there_is_no_memory(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[16];
	struct mpio_page *page;

	cached_open(cached, 800, 16);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue,
						(uint64_t)i * PAGE, &pages[i]),
				 0);
	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					20 * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(read_ahead(cached, 20, 4), 0);
	for (uint32_t i = 0; i < 16; i++)
		mpio_cache_put(pages[i]);
	use_page(cached, 20);
}

/* After all have been looked at in vain. */
static void the_first_that_is_no_longer_pinned_goes(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[16];

	cached_open(cached, 800, 16);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue,
						(uint64_t)i * PAGE, &pages[i]),
				 0);
	assert_int_equal(read_ahead(cached, 20, 1), 0);
	mpio_cache_put(pages[7]);
	assert_int_equal(read_ahead(cached, 20, 1), 1);
	assert_false(is_cached(cached, 7));
	for (uint32_t i = 0; i < 16; i++) {
		if (i != 7)
			mpio_cache_put(pages[i]);
	}
}

static void with_all_dirty_some_are_written_first(void **state)
{
	struct cached *cached = *state;

	cached->config.limit_percent = 100;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 800, 16);
	for (uint32_t i = 0; i < 15; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	use_page(cached, 20);
	assert_trace(cached->rig, "read 180+4");
	assert_int_equal(write_blocks(cached, 4 * 15, 4), 0);
	assert_trace(cached->rig, "");
	use_page(cached, 21);
	assert_trace(cached->rig, "write 100+64, read 184+4");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void so_they_are_on_a_slow_device(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 800, 16);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	for (uint32_t i = 0; i < 100; i++)
		use_page(cached, i);
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&cached->rig->a, 100 + 397, "f397");
}

static void what_cannot_be_written_is_no_room(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 100, 64, -MPIO_EIO);
	cached_open(cached, 800, 16);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					20 * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 16);
	cached->rig->a.fault_count = 0;
	use_page(cached, 20);
	assert_int_equal(sync_file(cached), -MPIO_EIO);
	assert_disk(&cached->rig->a, 100 + 63, "f63");
}

static uint32_t looks;

static void count_looks(struct rig *rig, uint64_t block)
{
	(void)rig;
	(void)block;
	looks++;
}

/* Twice a few pages of each that has dirty ones, and once all. */
static void what_cannot_be_written_is_not_tried_for_each_file(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping files[50];
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached->config.limit_percent = 100;
	map_blocks(cached->rig, 0, 64, 100)->error = -MPIO_ENOSPC;
	cached->rig->before_map = count_looks;
	cached_open(cached, 0, 16);
	queue = cached->rig->queue;
	for (uint32_t i = 0; i < COUNT_OF(files); i++) {
		files[i] = (struct mpio_cache_mapping){
			.mapping = cached->other.mapping};
		assert_int_equal(mpio_cache_attach(cached->cache, &files[i]),
				 0);
	}
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	looks = 0;
	assert_int_equal(mpio_cache_get(&cached->other, queue, 0, &page),
			 -MPIO_ENOMEM);
	assert_in_range(looks, 16, 3 * 16);
	for (uint32_t i = 0; i < COUNT_OF(files); i++)
		assert_int_equal(mpio_cache_detach(&files[i], queue), 0);
}

static void one_page_that_can_be_written_is_found(void **state)
{
	struct cached *cached = *state;

	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 100, 60, -MPIO_EIO);
	cached_open(cached, 800, 16);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	use_page(cached, 20);
	assert_disk(&cached->rig->a, 100 + 63, "f63");
}

static void when_nodes_run_out_pages_go(void **state)
{
	struct cached *cached = *state;

	cached->config.node_count = 16;
	cached_open(cached, 800, 128);
	for (uint64_t i = 0; i < 100; i++) {
		struct mpio_page *page;

		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, i << 30,
						&page),
				 0);
		mpio_cache_put(page);
	}
	assert_true(mpio_cache_stats(cached->cache).evicted > 80);
}

static void so_they_do_for_a_page_that_is_read_ahead(void **state)
{
	struct cached *cached = *state;

	cached->config.node_count = 16;
	cached_open(cached, 800, 128);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(mpio_cache_readahead(&cached->file,
						      cached->rig->queue,
						      i << 30, 1, 0),
				 1);
	assert_true(mpio_cache_stats(cached->cache).evicted > 80);
}

/* Each page is far from the others, and has nodes of its own. */
static void pages_that_lie_anywhere_leave_no_frame_unused(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 0, 512);
	cached->file.mapping.size = (uint64_t)512 << 24;
	cached->rig->mapping.size = (uint64_t)512 << 24;
	for (uint64_t i = 0; i < 512; i++) {
		struct mpio_page *page;

		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, i << 24,
						&page),
				 0);
		mpio_cache_put(page);
	}
	assert_int_equal(mpio_cache_stats(cached->cache).free, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).evicted, 0);
}

/* They are protected while it is looked for what can go. */
static void of_hot_pages_the_only_one_not_in_use_goes(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[8];

	cached_open(cached, 800, 8);
	for (uint32_t i = 0; i < 16; i++)
		use_page(cached, i % 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(mpio_cache_find(&cached->file,
						 (uint64_t)i * PAGE, &pages[i]),
				 0);
	mpio_cache_put(pages[5]);
	assert_int_equal(read_ahead(cached, 8, 1), 1);
	assert_false(is_cached(cached, 5));
	for (uint32_t i = 0; i < 8; i++) {
		if (i != 5)
			mpio_cache_put(pages[i]);
	}
}

/* ---- What it costs ------------------------------------------------------ */

/* Holes, which no device is asked for. */
static void use_blocks(struct cached *cached, uint64_t first, uint32_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		struct mpio_page *page;

		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, i * BLOCK,
						&page),
				 0);
		mpio_cache_put(page);
	}
}

static uint32_t blocks_cached(struct cached *cached, uint64_t first, uint32_t n)
{
	uint32_t found = 0;

	for (uint64_t i = first; i < first + n; i++) {
		struct mpio_page *page;

		if (mpio_cache_find(&cached->file, i * BLOCK, &page) == 0) {
			mpio_cache_put(page);
			found++;
		}
	}
	return found;
}

/* All protected pages are hot. */
static void open_hot(struct cached *cached, uint32_t frames, uint32_t hot)
{
	cached->config.page_size = BLOCK;
	cached->config.limit_percent = 100;
	cached_open(cached, 0, frames);
	use_blocks(cached, 0, hot);
	use_blocks(cached, 0, hot);
	use_blocks(cached, frames, frames);
	assert_int_equal(blocks_cached(cached, 0, hot), hot);
}

static uint64_t scanned_by_misses(struct cached *cached, uint64_t first,
				  uint32_t n)
{
	uint64_t scanned = mpio_cache_stats(cached->cache).scanned;

	use_blocks(cached, first, n);
	return mpio_cache_stats(cached->cache).scanned - scanned;
}

/* And the hot pages stay. */
static void with_probation_dirty_a_miss_looks_at_few_pages(void **state)
{
	const uint32_t frames = 4096;
	const uint32_t hot = frames / 4 * 3;
	struct cached *cached = *state;

	open_hot(cached, frames, hot);
	for (uint32_t i = 0; i < frames / 4 - 4; i++)
		assert_int_equal(write_blocks(cached, 2 * frames + i, 1), 0);
	/* One by one: the longest that the cache's lock is held. */
	for (uint64_t i = 0; i < 100; i++)
		assert_in_range(scanned_by_misses(cached, 4 * frames + i, 1), 1,
				600);
	assert_in_range(scanned_by_misses(cached, 5 * (uint64_t)frames, 5000),
			5000, 5000 * 16);
	assert_in_range(blocks_cached(cached, 0, hot), hot - 16, hot);
}

/* What was written back serves as room again, and the hot pages stay. */
static void what_is_no_longer_dirty_goes_before_hot_pages(void **state)
{
	const uint32_t frames = 1024;
	const uint32_t hot = frames / 4 * 3;
	struct cached *cached = *state;
	uint32_t left;

	open_hot(cached, frames, hot);
	cached->rig->mapping.size = 8 * frames * BLOCK;
	map_blocks(cached->rig, 2 * frames, frames / 4, 100);
	map_blocks(cached->rig, 0, hot / 4, 100 + frames / 4);
	for (uint32_t i = 0; i < hot / 4; i++)
		assert_int_equal(write_blocks(cached, i, 1), 0);
	for (uint32_t i = 0; i < frames / 4; i++)
		assert_int_equal(write_blocks(cached, 2 * frames + i, 1), 0);
	use_blocks(cached, 4 * (uint64_t)frames, 100);
	left = blocks_cached(cached, 0, hot);
	assert_int_equal(sync_file(cached), 0);
	use_blocks(cached, 5 * (uint64_t)frames, 5000);
	assert_int_equal(blocks_cached(cached, 2 * frames, frames / 4), 0);
	assert_in_range(blocks_cached(cached, 0, hot), left - 16, hot);
}

static void with_all_dirty_a_miss_looks_at_none(void **state)
{
	const uint32_t frames = 24; /* of more, some are kept clean */
	struct cached *cached = *state;
	struct mpio_page *page;
	uint64_t scanned;

	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 100, 4 * frames, -MPIO_EIO);
	cached_open(cached, 4 * frames, frames);
	for (uint32_t i = 0; i < frames; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	scanned = mpio_cache_stats(cached->cache).scanned;
	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					4 * frames * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).scanned, scanned);
	cached->rig->a.fault_count = 0;
	assert_int_equal(sync_file(cached), -MPIO_EIO);
}

/* Too many to keep: the first of them is looked at, and goes. */
static void with_all_read_ahead_a_miss_looks_at_few_pages(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_stats stats;

	cached_open(cached, 800, 64);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 64, MPIO_READ_AHEAD),
			 64);
	stats = mpio_cache_stats(cached->cache);
	assert_true(stats.ahead > stats.kept);
	use_page(cached, 80);
	assert_false(is_cached(cached, 0));
	assert_in_range(mpio_cache_stats(cached->cache).scanned, 1, 8);
}

/* ---- Runs --------------------------------------------------------------- */

static void a_row_in_an_empty_cache_gets_neighbours(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO | WATCH_PIECES;
	cached_open(cached, 800, 64);
	assert_int_equal(read_ahead(cached, 0, RUN), RUN);
	assert_trace(cached->rig, "read 100+64 in 1");
	assert_int_equal(read_ahead(cached, RUN, RUN), RUN);
	assert_int_equal(neighbours(cached, 0, 2 * RUN), 2 * RUN);
}

static void no_row_makes_no_page_go(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 64; i++)
		use_page(cached, i);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      80 * PAGE, 0, 0),
			 0);
	assert_int_equal(mpio_cache_stats(cached->cache).evicted, 0);
	assert_int_equal(cached_pages(cached), 64);
}

static void pages_one_by_one_get_neighbours_too(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(read_ahead(cached, i, 1), 1);
	assert_int_equal(neighbours(cached, 0, 64), 64);
}

static void after_reclaim_a_row_still_gets_neighbours(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i + RUN <= 192; i += RUN)
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
	for (uint32_t i = 128; i < 192; i += RUN)
		assert_int_equal(neighbours(cached, i, RUN), RUN);
}

static void a_hot_page_is_not_taken_for_a_run(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 64; i += RUN)
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
	use_page(cached, 3);
	use_page(cached, 4);
	use_page(cached, 3);
	for (uint32_t i = 64; i < 128; i += RUN) {
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
		assert_int_equal(neighbours(cached, i, RUN), RUN);
	}
	assert_true(is_cached(cached, 3));
}

/* One old page in a group must not take those along that came just now. */
static void what_was_just_read_ahead_stays_when_a_group_goes(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	use_page(cached, 100);
	for (uint32_t row = 0; row < 3; row++) {
		assert_int_equal(read_ahead(cached, row * 16, 16), 16);
		for (uint32_t i = 0; i < 16; i++)
			use_page(cached, row * 16 + i);
	}
	/* They get the frames behind page 100, the oldest. */
	assert_int_equal(read_ahead(cached, 101, 15), 15);
	assert_int_equal(read_ahead(cached, 150, 16), 16);
	for (uint32_t i = 101; i < 116; i++)
		assert_true(is_cached(cached, i));
}

static void a_row_goes_on_behind_the_page_before_it(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 64);
	assert_int_equal(read_ahead(cached, 0, 4), 4);
	assert_int_equal(read_ahead(cached, 4, 4), 4);
	assert_int_equal(neighbours(cached, 0, 8), 8);
}

static unsigned char *memory_of(struct cached *cached, uint32_t index)
{
	struct mpio_page *page;

	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					(uint64_t)index * PAGE, &page),
			 0);
	mpio_cache_put(page);
	return page->data;
}

/* Of two groups that are begun, the first is used up first. */
static void single_pages_use_up_a_group_that_is_begun(void **state)
{
	struct cached *cached = *state;
	unsigned char *first;

	cached_open(cached, 800, 64);
	assert_int_equal(read_ahead(cached, 0, 4), 4);
	assert_int_equal(read_ahead(cached, 50, 4), 4);
	first = memory_of(cached, 0);
	for (uint32_t i = 4; i < RUN; i++)
		assert_ptr_equal(memory_of(cached, 90 + 2 * i),
				 first + (size_t)i * PAGE);
	assert_ptr_equal(memory_of(cached, 150), memory_of(cached, 53) + PAGE);
}

static void a_pinned_page_is_not_taken_for_a_run(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;
	struct mpio_page *again;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 64; i += RUN)
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
	assert_int_equal(
		mpio_cache_find(&cached->file, (uint64_t)3 * PAGE, &page), 0);
	for (uint32_t i = 64; i < 128; i += RUN)
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
	assert_int_equal(
		mpio_cache_find(&cached->file, (uint64_t)3 * PAGE, &again), 0);
	assert_ptr_equal(page, again);
	mpio_cache_put(page);
	mpio_cache_put(again);
}

/* However many of its pages are old. */
static void a_group_that_cannot_go_is_looked_at_once(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 800, 64);
	for (uint32_t i = 0; i < 64; i += RUN)
		assert_int_equal(read_ahead(cached, i, RUN), RUN);
	assert_int_equal(
		mpio_cache_find(&cached->file, (uint64_t)15 * PAGE, &page), 0);
	assert_int_equal(read_ahead(cached, 100, RUN), RUN);
	assert_int_equal(neighbours(cached, 100, RUN), RUN);
	for (uint32_t i = 0; i < RUN; i++)
		assert_true(is_cached(cached, i));
	mpio_cache_put(page);
}

/* A page is dropped between two uses of another. */
static void what_goes_makes_no_other_page_hot(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 32);
	use_page(cached, 6);
	use_page(cached, 5);
	assert_int_equal(mpio_cache_drop(&cached->file, cached->rig->queue,
					 6 * PAGE, 7 * PAGE),
			 0);
	use_page(cached, 5);
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 0);
	/* But who gets the frame of the page used last is another page. */
	assert_int_equal(mpio_cache_drop(&cached->file, cached->rig->queue,
					 5 * PAGE, 6 * PAGE),
			 0);
	use_page(cached, 7);
	use_page(cached, 8);
	use_page(cached, 7);
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 1);
}

/* All of the protected pages are in use: one has to go back all the same. */
static void of_pages_in_use_no_more_than_a_share_is_protected(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 8); /* six of them are protected */
	for (uint32_t i = 0; i < 16; i++)
		use_page(cached, i % 8);
	use_page(cached, 8); /* 0 and 1 go back, and 0 goes */
	assert_false(is_cached(cached, 0));
	for (uint32_t i = 2; i < 8; i++)
		use_page(cached, i);
	use_page(cached, 1);
	use_page(cached, 8);
	use_page(cached, 1);
	use_page(cached, 8);
	use_page(cached, 9);
	assert_false(is_cached(cached, 1));
	for (uint32_t i = 2; i < 10; i++)
		assert_true(is_cached(cached, i));
}

static void a_page_that_is_not_all_there_is_not_found_when_hot(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 800, 32);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(write_blocks(cached, 4 * (i % 2), 1), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).promoted, 2);
	assert_false(is_cached(cached, 0));
	assert_false(is_cached(cached, 1));
	use_page(cached, 0);
	assert_true(is_cached(cached, 0));
}

static struct cached *using;

static void use_another(struct rig *rig, uint64_t block)
{
	struct mpio_page *page;

	(void)block;
	rig->before_map = NULL;
	assert_int_equal(
		mpio_cache_get(&using->other, using->rig->queue, 0, &page), 0);
	mpio_cache_put(page);
}

/* The frames of a row are taken before any of it is asked for. */
static void a_page_that_is_got_meanwhile_parts_no_row(void **state)
{
	struct cached *cached = *state;
	const unsigned char *first = NULL;

	using = cached;
	cached->config.page_size = BLOCK;
	cached->rig->before_map = use_another;
	cached_open(cached, 64, 128);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 40, 0),
			 40);
	for (uint64_t i = 0; i < 40; i++) {
		struct mpio_page *page;

		assert_int_equal(
			mpio_cache_find(&cached->file, i * BLOCK, &page), 0);
		if (i == 0)
			first = page->data;
		assert_ptr_equal(page->data, first + i * BLOCK);
		mpio_cache_put(page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_scan_leaves_the_hot_set_alone),
		CACHED_TEST(so_does_a_scan_that_reads_ahead),
		CACHED_TEST(a_page_that_is_read_in_pieces_is_not_hot),
		CACHED_TEST(who_goes_on_in_a_page_uses_it_once),
		CACHED_TEST(what_is_no_longer_used_gives_way_to_a_new_hot_set),
		CACHED_TEST(a_page_in_use_outlives_the_hot_set_it_came_with),
		CACHED_TEST(the_protected_pages_are_a_share_and_no_more),
		CACHED_TEST(a_pinned_page_stays),
		CACHED_TEST(with_all_pinned_there_is_no_memory),
		CACHED_TEST(the_first_that_is_no_longer_pinned_goes),
		CACHED_TEST(with_all_dirty_some_are_written_first),
		CACHED_TEST(so_they_are_on_a_slow_device),
		CACHED_TEST(what_cannot_be_written_is_no_room),
		CACHED_TEST(what_cannot_be_written_is_not_tried_for_each_file),
		CACHED_TEST(one_page_that_can_be_written_is_found),
		CACHED_TEST(when_nodes_run_out_pages_go),
		CACHED_TEST(pages_that_lie_anywhere_leave_no_frame_unused),
		CACHED_TEST(of_hot_pages_the_only_one_not_in_use_goes),
		CACHED_TEST(with_probation_dirty_a_miss_looks_at_few_pages),
		CACHED_TEST(what_is_no_longer_dirty_goes_before_hot_pages),
		CACHED_TEST(with_all_dirty_a_miss_looks_at_none),
		CACHED_TEST(a_row_in_an_empty_cache_gets_neighbours),
		CACHED_TEST(pages_one_by_one_get_neighbours_too),
		CACHED_TEST(after_reclaim_a_row_still_gets_neighbours),
		CACHED_TEST(a_hot_page_is_not_taken_for_a_run),
		CACHED_TEST(what_was_just_read_ahead_stays_when_a_group_goes),
		CACHED_TEST(a_row_goes_on_behind_the_page_before_it),
		CACHED_TEST(single_pages_use_up_a_group_that_is_begun),
		CACHED_TEST(a_pinned_page_is_not_taken_for_a_run),
		CACHED_TEST(a_group_that_cannot_go_is_looked_at_once),
		CACHED_TEST(what_goes_makes_no_other_page_hot),
		CACHED_TEST(of_pages_in_use_no_more_than_a_share_is_protected),
		CACHED_TEST(a_page_that_is_not_all_there_is_not_found_when_hot),
		CACHED_TEST(a_page_that_is_got_meanwhile_parts_no_row),
		CACHED_TEST(so_they_do_for_a_page_that_is_read_ahead),
		CACHED_TEST(no_row_makes_no_page_go),
		CACHED_TEST(with_all_read_ahead_a_miss_looks_at_few_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

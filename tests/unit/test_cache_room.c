/* SPDX-License-Identifier: MIT */
/*
 * The cache: which pages are written to make room, and how many; and what a
 * callback that needs room waits for.
 */
#include "cached.h"

/* A cyclic walk that begins behind all of them finds none the first time. */
static void pages_before_the_last_stop_are_written_a_few_at_a_time(void **state)
{
	struct mpio_writeback_control wbc = {
		.nr_to_write = 1,
		.range_cyclic = true,
	};
	struct cached *cached = *state;

	cached->config.limit_percent = 100;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 80);
	assert_int_equal(write_blocks(cached, 320, 4), 0);
	assert_int_equal(write_blocks(cached, 328, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "write 420+4");
	assert_int_equal(mpio_cache_drop(&cached->file, cached->rig->queue,
					 80 * PAGE, 90 * PAGE),
			 0);
	/* Eight frames are left to write-back. */
	for (uint32_t i = 0; i < 72; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(write_blocks(cached, 300, 4), 0);
	assert_trace(cached->rig, "write 100+256");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 9);
}

static struct cached *nesting;
static int result;

static void work(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	result = mpio_cache_work(nesting->cache, rig->queue);
}

static void a_file_that_is_walked_hides_no_other(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	nesting = cached;
	result = 0;
	cached->config.background_percent = 1;
	cached->rig->config.walk_pages = 2;
	cached->rig->before_map = work;
	cached_open(cached, 64, 16);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, 5 * PAGE,
						PAGE, &page),
			 0);
	mpio_cache_write_end(page, 5 * PAGE, PAGE);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(result, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void read_other(struct rig *rig, uint64_t block)
{
	struct mpio_page *page;

	(void)block;
	rig->before_map = NULL;
	result = mpio_cache_get(&nesting->other, rig->queue, 0, &page);
	if (result == 0)
		mpio_cache_put(page);
}

/* What it reads itself it cannot have; what was read before it, it can. */
static void a_callback_waits_for_pages_that_were_sent_before(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	nesting = cached;
	result = 1;
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 64, 8);
	queue = cached->rig->queue;
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(mpio_cache_readahead(&cached->file, queue,
						      i * 4 * PAGE, 4, 0),
				 4);
		cached->rig->before_map = read_other;
	}
	assert_int_equal(result, 0);
	assert_int_equal(mpio_queue_drain(queue), 0);
}

static struct mpio_page *put_inside;

static void put_a_page(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	mpio_cache_put(put_inside);
}

/* None of the dirty ones can be written, but there is room by then. */
static void a_page_that_is_put_meanwhile_is_room(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 100, 64, -MPIO_EIO)->op = 1u
							     << MPIO_BIO_WRITE;
	cached_open(cached, 64, 8);
	assert_int_equal(mpio_cache_get(&cached->other, cached->rig->queue,
					40 * BLOCK, &put_inside),
			 0);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	cached->rig->before_map = put_a_page;
	assert_int_equal(mpio_cache_get(&cached->other, cached->rig->queue,
					12 * PAGE, &page),
			 0);
	mpio_cache_put(page);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 7);
	cached->rig->a.fault_count = 0;
	(void)sync_file(cached); /* tells that it has failed */
	assert_int_equal(sync_file(cached), 0);
}

static void drop_other(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	assert_int_equal(
		mpio_cache_drop(&nesting->other, rig->other, 0, UINT64_MAX), 0);
}

/* So are pages that somebody drops, for who wants one more to be dirty. */
static void fewer_that_are_dirty_are_room(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	nesting = cached;
	cached->rig->two = true;
	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 100, 400, -MPIO_EIO)->op = 1u
							      << MPIO_BIO_WRITE;
	cached_open(cached, 200, 40);
	for (uint32_t i = 0; i < 16; i++) {
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
		assert_int_equal(mpio_cache_write_begin(
					 &cached->other, cached->rig->queue,
					 (20 + i) * PAGE, PAGE, &page),
				 0);
		mpio_cache_write_end(page, (20 + i) * PAGE, PAGE);
	}
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 32);
	cached->rig->before_map = drop_other;
	assert_int_equal(write_blocks(cached, 160, 4), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 17);
	cached->rig->a.fault_count = 0;
	(void)sync_file(cached); /* tells that it has failed */
	assert_int_equal(sync_file(cached), 0);
}

/* All are pinned, and nothing is read or written that it could wait for. */
static void a_callback_gets_no_room_where_there_will_be_none(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[4];

	nesting = cached;
	result = 1;
	cached_open(cached, 64, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, i * PAGE,
						&pages[i]),
				 0);
	cached->rig->before_map = read_other;
	assert_int_equal(mpio_cache_resize(&cached->file, cached->rig->queue,
					   PAGE + 100),
			 0);
	assert_int_equal(result, -MPIO_ENOMEM);
	for (uint32_t i = 0; i < 4; i++)
		mpio_cache_put(pages[i]);
	assert_int_equal(sync_file(cached), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(
			pages_before_the_last_stop_are_written_a_few_at_a_time),
		CACHED_TEST(a_file_that_is_walked_hides_no_other),
		CACHED_TEST(a_callback_waits_for_pages_that_were_sent_before),
		CACHED_TEST(a_page_that_is_put_meanwhile_is_room),
		CACHED_TEST(fewer_that_are_dirty_are_room),
		CACHED_TEST(a_callback_gets_no_room_where_there_will_be_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

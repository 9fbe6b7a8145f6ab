/* SPDX-License-Identifier: MIT */
/*
 * The cache: a page is read when it is wanted, or ahead, once; and by hand.
 * What is bad, or lies behind the end of file, is not shown.
 */
#include "cached.h"

/* ---- Pages --------------------------------------------------------------- */

static void a_page_is_read_once(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, PAGE + 5,
						&page),
				 0);
		assert_int_equal(page->pos, PAGE);
		assert_data(page->data, "a104 a105 a106 a107");
		mpio_cache_put(page);
	}
	assert_trace(cached->rig, "read 104+4");
	assert_int_equal(mpio_cache_stats(cached->cache).hits, 2);
	assert_int_equal(mpio_cache_stats(cached->cache).misses, 1);
}

static void a_row_is_read_in_one_io(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 100);
	use_page(cached, 50);
	assert_trace(cached->rig, "read 300+4");
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 45, MPIO_READ_AHEAD),
			 45);
	assert_trace(cached->rig, "read 100+180");
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      40 * PAGE, 20, 0),
			 20);
	assert_trace(cached->rig, "read 280+20, read 304+36");
}

static void readahead_is_waited_for(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 100);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 4, MPIO_READ_AHEAD),
			 4);
	assert_false(is_cached(cached, 0));
	use_page(cached, 0);
	assert_true(is_cached(cached, 3));
	assert_trace(cached->rig, "read 100+16");
}

static void a_read_that_fails_is_tried_again_by_the_next(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_fail(&cached->rig->a, 101, 1, -MPIO_EIO);
	cached_open(cached, 16, 16);
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page),
		-MPIO_EIO);
	use_page(cached, 1);
	cached->rig->a.fault_count = 0;
	use_page(cached, 0);
}

/* ---- What is not shown --------------------------------------------------- */

static int say_one_too_many(struct mpio_mapping *mapping,
			    struct mpio_page *page, uint64_t block,
			    uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping, (void)page, (void)block, (void)flags;
	extent->count++;
	return 0;
}

/* The core asks for whole pages, and is not told where the file ends. */
static void an_answer_that_goes_behind_the_end_is_a_lie(void **state)
{
	struct cached *cached = *state;
	struct mpio_mapping_ops ops;

	cached_open(cached, 6, 16);
	ops = *cached->file.mapping.ops;
	ops.get_block = say_one_too_many;
	cached->file.mapping.ops = &ops;
	assert_int_equal(read_byte(cached, PAGE), -MPIO_EUCLEAN);
	cached->file.mapping.ops = cached->rig->mapping.ops;
	assert_in_range(read_byte(cached, PAGE), 0, 255);
}

static void bytes_behind_the_end_are_zeros(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	cached->file.mapping.size = BLOCK + 512;
	mpio_cache_get(&cached->file, cached->rig->queue, 0, &page);
	assert_data(page->data, "a100 a101/512 0 0");
	mpio_cache_put(page);
}

/* Another copy of a page lies 100 blocks on. */
static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	if (attempt > 1)
		return -MPIO_ENODATA;
	extent->block = 200 + page->pos / BLOCK;
	return 0;
}

static int find_fault(struct mpio_mapping *mapping, struct mpio_page *page)
{
	(void)mapping;
	(void)page;
	return -MPIO_EILSEQ;
}

static void another_copy_shows_nothing_behind_the_end(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_fail(&cached->rig->a, 100, 2, -MPIO_EIO);
	cached->rig->ops.reread = reread;
	cached_open(cached, 16, 16);
	cached->file.mapping.size = BLOCK + 512;
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page), 0);
	assert_data(page->data, "a200 a201/512 0 0");
	mpio_cache_put(page);
}

static void a_copy_that_is_bad_spoils_no_block_that_was_good(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached->rig->ops.reread = reread;
	cached->rig->ops.verify = find_fault;
	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_blocks(cached, 1, 1), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_get(&cached->file, queue, 0, &page),
			 -MPIO_EILSEQ);
	assert_int_equal(mpio_cache_grab(&cached->file, queue, 0, &page), 0);
	assert_false(mpio_cache_is_uptodate(page, BLOCK, BLOCK));
	mpio_cache_release(page);
}

/* ---- By hand ------------------------------------------------------------- */

static void a_page_can_be_filled_by_hand(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page),
		0);
	assert_false(mpio_cache_is_uptodate(page, 0, BLOCK));
	assert_int_equal(
		mpio_cache_fill(page, cached->rig->queue, BLOCK, 2 * BLOCK), 0);
	assert_trace(cached->rig, "read 101+2");
	assert_true(mpio_cache_is_uptodate(page, BLOCK, 2 * BLOCK));
	assert_false(mpio_cache_is_uptodate(page, BLOCK, 2 * BLOCK + 1));
	mpio_cache_pin(page);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_wait(page, cached->rig->queue), 0);
	mpio_cache_put(page);
}

static void a_page_is_not_filled_twice_at_once(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_grab(&cached->file, queue, 0, &page), 0);
	cached->rig->a.reap_error = -MPIO_EIO;
	assert_int_equal(mpio_cache_fill(page, queue, 0, BLOCK), -MPIO_EIO);
	assert_int_equal(mpio_cache_fill(page, queue, 0, PAGE), -MPIO_EIO);
	cached->rig->a.reap_error = 0;
	assert_int_equal(mpio_cache_fill(page, queue, 0, PAGE), 0);
	assert_trace(cached->rig, "read 100+1, read 101+3");
	assert_data(page->data, "a100 a101 a102 a103");
	mpio_cache_release(page);
	assert_true(is_cached(cached, 0));
}

static void a_locked_page_is_a_deadlock_for_one_thread(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;
	struct mpio_page *again;

	cached_open(cached, 16, 16);
	mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &again),
		-MPIO_EDEADLK);
	mpio_cache_release(page);
}

static const void *frame_of(struct cached *cached, uint64_t index)
{
	const void *data;
	struct mpio_page *page;

	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					index * PAGE, &page),
			 0);
	data = page->data;
	mpio_cache_put(page);
	return data;
}

/* Where a page is read ahead that follows none, another that went left room. */
static void a_page_behind_none_takes_the_first_frame_that_is_free(void **state)
{
	const uint64_t far = ((uint64_t)1 << 18) + 5001;
	struct cached *cached = *state;
	struct mpio_queue *queue;
	const void *first_free;

	cached->rig->mapping.size = (far + 1) * PAGE;
	cached_open(cached, 16, 64);
	queue = cached->rig->queue;
	cached->file.mapping.size = cached->rig->mapping.size;
	(void)frame_of(cached, 1);
	first_free = frame_of(cached, 2);
	(void)frame_of(cached, 5000);
	assert_int_equal(
		mpio_cache_drop(&cached->file, queue, 2 * PAGE, 3 * PAGE), 0);
	assert_int_equal(
		mpio_cache_readahead(&cached->file, queue, far * PAGE, 1, 0),
		1);
	assert_ptr_equal(frame_of(cached, far), first_free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_page_is_read_once),
		CACHED_TEST(a_row_is_read_in_one_io),
		CACHED_TEST(readahead_is_waited_for),
		CACHED_TEST(a_read_that_fails_is_tried_again_by_the_next),
		CACHED_TEST(an_answer_that_goes_behind_the_end_is_a_lie),
		CACHED_TEST(bytes_behind_the_end_are_zeros),
		CACHED_TEST(another_copy_shows_nothing_behind_the_end),
		CACHED_TEST(a_copy_that_is_bad_spoils_no_block_that_was_good),
		CACHED_TEST(a_page_can_be_filled_by_hand),
		CACHED_TEST(a_page_is_not_filled_twice_at_once),
		CACHED_TEST(a_locked_page_is_a_deadlock_for_one_thread),
		CACHED_TEST(
			a_page_behind_none_takes_the_first_frame_that_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

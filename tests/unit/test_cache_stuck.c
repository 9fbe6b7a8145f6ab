/* SPDX-License-Identifier: MIT */
/*
 * The cache where no page can go: most are dirty and cannot be written, the
 * others are pinned. Each is looked at once, and a miss after that looks at
 * none; but as soon as one can go again it is found.
 */
#include "cached.h"

#define FRAMES 40u
#define PINNED 12u

static struct mpio_page *pinned[FRAMES]; /* the first, of another file */

static int get(struct cached *cached, uint32_t index)
{
	struct mpio_page *page;
	int error = mpio_cache_get(&cached->file, cached->rig->queue,
				   (uint64_t)index * PAGE, &page);

	if (error == 0)
		mpio_cache_put(page);
	return error;
}

/* A miss that fails; how many pages it has looked at. */
static uint64_t looks_of_a_miss(struct cached *cached, uint32_t index)
{
	uint64_t scanned = mpio_cache_stats(cached->cache).scanned;

	assert_int_equal(get(cached, index), -MPIO_ENOMEM);
	return mpio_cache_stats(cached->cache).scanned - scanned;
}

/* So many pages are pinned; of the others, some blocks at the end are dirty. */
static void open_stuck(struct cached *cached, uint32_t count, uint32_t blocks)
{
	memset(pinned, 0, sizeof(pinned));
	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 0, DISK_BLOCKS, -MPIO_EIO)->op =
		1u << MPIO_BIO_WRITE;
	cached_open(cached, 400, FRAMES);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(mpio_cache_get(&cached->other,
						cached->rig->queue, i * PAGE,
						&pinned[i]),
				 0);
	for (uint32_t i = count; i < FRAMES; i++)
		assert_int_equal(
			write_blocks(cached, 4 * i + 4 - blocks, blocks), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 0);
	assert_in_range(looks_of_a_miss(cached, 80), FRAMES, 8 * FRAMES);
}

static void let_go(struct cached *cached)
{
	for (uint32_t i = 0; i < FRAMES; i++) {
		if (pinned[i] != NULL)
			mpio_cache_put(pinned[i]);
	}
	cached->rig->a.fault_count = 0;
	(void)sync_file(cached); /* tells that it has failed */
	assert_int_equal(sync_file(cached), 0);
}

static void that_none_can_go_is_found_out_once(void **state)
{
	struct cached *cached = *state;

	open_stuck(cached, PINNED, 4);
	for (uint32_t i = 81; i < 90; i++)
		assert_int_equal(looks_of_a_miss(cached, i), 0);
	let_go(cached);
	assert_int_equal(get(cached, 90), 0);
}

static void a_page_that_is_put_goes(void **state)
{
	struct cached *cached = *state;

	open_stuck(cached, PINNED, 4);
	mpio_cache_put(pinned[3]);
	pinned[3] = NULL;
	assert_int_equal(get(cached, 81), 0);
	assert_int_equal(get(cached, 82), 0);
	let_go(cached);
}

/* Though the device could not be waited for meanwhile. */
static void so_it_does_after_a_wait_that_failed(void **state)
{
	struct cached *cached = *state;

	memset(pinned, 0, sizeof(pinned));
	mock_asynchronous(&cached->rig->a);
	cached_open(cached, 400, FRAMES);
	for (uint32_t i = 0; i < FRAMES - 1; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, i * PAGE,
						&pinned[i]),
				 0);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      FRAMES * PAGE, 1, 0),
			 1);
	cached->rig->a.reap_error = -MPIO_EIO;
	assert_int_equal(get(cached, 81), -MPIO_ENOMEM);
	mpio_cache_put(pinned[3]);
	pinned[3] = NULL;
	assert_int_equal(write_blocks(cached, 4 * 81, 4), 0);
	cached->rig->a.reap_error = 0;
	let_go(cached);
}

/* What can be written is: its frame is not needed before that. */
static void one_that_is_written_goes(void **state)
{
	struct cached *cached = *state;

	open_stuck(cached, PINNED, 4);
	cached->rig->a.fault_count = 0;
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 FRAMES - PINNED);
	assert_int_equal(get(cached, 81), 0);
	let_go(cached);
}

/* All of it that was dirty lay behind the new end. */
static void one_that_is_cut_goes(void **state)
{
	const uint64_t size = (FRAMES - 1) * PAGE + BLOCK;
	struct cached *cached = *state;
	struct mpio_page *page;

	open_stuck(cached, FRAMES - 1, 1);
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, size), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 0);
	assert_int_equal(mpio_cache_get(&cached->other, cached->rig->queue,
					200 * BLOCK, &page),
			 0);
	mpio_cache_put(page);
	let_go(cached);
}

/* Each of those that are read ahead is busy, and may go when it is there. */
static void one_that_was_read_goes(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 400, FRAMES);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, FRAMES, 0),
			 FRAMES);
	assert_int_equal(get(cached, 81), 0);
}

/* However many stand before it that cannot. */
static void one_behind_many_goes(void **state)
{
	enum { MANY = 600 };
	struct cached *cached = *state;
	struct mpio_page *pages[MANY];

	cached_open(cached, 400, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(mpio_cache_get(&cached->other,
						cached->rig->queue, i * PAGE,
						&pages[i]),
				 0);
	mpio_cache_put(pages[MANY - 1]);
	assert_int_equal(get(cached, 0), 0);
	for (uint32_t i = 0; i < MANY - 1; i++)
		mpio_cache_put(pages[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(that_none_can_go_is_found_out_once),
		CACHED_TEST(a_page_that_is_put_goes),
		CACHED_TEST(one_that_is_written_goes),
		CACHED_TEST(one_that_is_cut_goes),
		CACHED_TEST(one_that_was_read_goes),
		CACHED_TEST(one_behind_many_goes),
		CACHED_TEST(so_it_does_after_a_wait_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * A file that another program has changed: what is forgotten, and that no byte
 * of before is seen or written.
 */
#include "cached.h"

/* Another program writes to the file's blocks. */
static void change(struct cached *cached, uint32_t first, uint32_t n)
{
	memset(cached->rig->a.disk + (100 + first) * BLOCK, 's', n * BLOCK);
}

static void pages_from_a_place_on_are_read_again(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 8);
	for (uint32_t i = 0; i < 4; i++)
		use_page(cached, i);
	change(cached, 0, 16);
	assert_int_equal(mpio_cache_renew(&cached->file, cached->rig->queue,
					  2 * PAGE, 16 * BLOCK),
			 0);
	assert_true(is_cached(cached, 1));
	assert_false(is_cached(cached, 2));
	assert_false(is_cached(cached, 3));
	assert_int_equal(read_byte(cached, 2 * PAGE), 's');
}

/* Where the last page of all begins, that is. */
static void an_end_where_no_page_can_be_is_not_taken_over(void **state)
{
	const uint64_t limit = UINT64_MAX - PAGE + 1;
	struct cached *cached = *state;
	struct mpio_queue *queue;

	cached_open(cached, 16, 8);
	queue = cached->rig->queue;
	use_page(cached, 3);
	assert_int_equal(mpio_cache_renew(&cached->file, queue, 0, limit + 1),
			 -MPIO_EFBIG);
	assert_int_equal(mpio_cache_end(&cached->file), 16 * BLOCK);
	assert_true(is_cached(cached, 3));
	assert_int_equal(mpio_cache_renew(&cached->file, queue, 0, limit), 0);
	assert_int_equal(mpio_cache_end(&cached->file), limit);
	assert_false(is_cached(cached, 3));
}

/* The old end lies within a page, behind which there were zeros. */
static void what_lies_behind_an_end_that_has_moved_up_is_seen(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 8);
	assert_int_equal(mpio_cache_renew(&cached->file, cached->rig->queue,
					  UINT64_MAX, PAGE + BLOCK / 2),
			 0);
	use_page(cached, 0);
	use_page(cached, 1);
	change(cached, 4, 12);
	assert_int_equal(mpio_cache_renew(&cached->file, cached->rig->queue,
					  UINT64_MAX, 16 * BLOCK),
			 0);
	assert_true(is_cached(cached, 0));
	assert_int_equal(mpio_cache_end(&cached->file), 16 * BLOCK);
	assert_int_equal(read_byte(cached, PAGE + BLOCK / 2), 's');
	assert_int_equal(read_byte(cached, PAGE), 's');
	assert_int_equal(read_byte(cached, 3 * PAGE), 's');
}

static void an_end_that_has_moved_down_makes_nothing_dirty(void **state)
{
	struct cached *cached = *state;
	unsigned char kept[BLOCK];

	cached_open(cached, 16, 8);
	for (uint32_t i = 0; i < 4; i++)
		use_page(cached, i);
	memcpy(kept, cached->rig->a.disk + 105 * BLOCK, BLOCK);
	assert_int_equal(mpio_cache_renew(&cached->file, cached->rig->queue,
					  UINT64_MAX, 5 * BLOCK + 1),
			 0);
	assert_true(is_cached(cached, 0));
	for (uint32_t i = 1; i < 4; i++)
		assert_false(is_cached(cached, i));
	assert_int_equal(sync_file(cached), 0);
	assert_memory_equal(cached->rig->a.disk + 105 * BLOCK, kept, BLOCK);
	/* Nor is it seen. */
	assert_int_equal(read_byte(cached, 5 * BLOCK), kept[0]);
	assert_int_equal(mpio_cache_end(&cached->file), 5 * BLOCK + 1);
}

static void what_is_dirty_stays_and_so_does_the_end(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 8);
	use_page(cached, 1);
	assert_int_equal(write_bytes(cached, 8 * BLOCK, BLOCK, 'f'), 0);
	assert_int_equal(
		mpio_cache_renew(&cached->file, cached->rig->queue, 0, BLOCK),
		-MPIO_EBUSY);
	assert_int_equal(mpio_cache_end(&cached->file), 16 * BLOCK);
	assert_false(is_cached(cached, 1));
	assert_int_equal(read_byte(cached, 8 * BLOCK), 'f');
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(
		mpio_cache_renew(&cached->file, cached->rig->queue, 0, BLOCK),
		0);
	assert_int_equal(mpio_cache_end(&cached->file), BLOCK);
	assert_false(is_cached(cached, 2));
}

/* A read that goes straight to the caller's memory is told. */
static void who_watches_is_told(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_watch watch;

	cached_open(cached, 16, 8);
	assert_true(mpio_cache_watch(&cached->file, &watch, 0, PAGE));
	assert_int_equal(mpio_cache_renew(&cached->file, cached->rig->queue,
					  PAGE, 16 * BLOCK),
			 0);
	assert_true(mpio_cache_unwatch(&cached->file, &watch));
	assert_true(mpio_cache_watch(&cached->file, &watch, 0, PAGE));
	assert_int_equal(mpio_cache_renew(&cached->file, cached->rig->queue, 0,
					  16 * BLOCK),
			 0);
	assert_false(mpio_cache_unwatch(&cached->file, &watch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(pages_from_a_place_on_are_read_again),
		CACHED_TEST(an_end_where_no_page_can_be_is_not_taken_over),
		CACHED_TEST(what_lies_behind_an_end_that_has_moved_up_is_seen),
		CACHED_TEST(an_end_that_has_moved_down_makes_nothing_dirty),
		CACHED_TEST(what_is_dirty_stays_and_so_does_the_end),
		CACHED_TEST(who_watches_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The file layer: a large read goes straight into the caller's memory, and
 * reads the same as any other. What does not go straight: test_file_straight.c;
 * what others do meanwhile: test_file_races.c.
 */
#include "handle.h"

static const struct mpio_file_config straight = {.straight_min = 8 * BLOCK};

static void a_large_read_leaves_no_page(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, &straight);
	assert_int_equal(handle_read(0, 200 * BLOCK), 200 * BLOCK);
	handle_assert_device(cached, handle_bytes, 0, 200 * BLOCK);
	assert_trace(cached->rig, "read 100+200");
	assert_int_equal(cached_pages(cached), 0);
	assert_int_equal(mpio_file_stats(&handle).straight, 200 * BLOCK);
	/* A smaller one does. */
	assert_int_equal(handle_read(0, 8 * BLOCK - 1), 8 * BLOCK - 1);
	assert_int_equal(cached_pages(cached), 2);
	assert_int_equal(mpio_file_stats(&handle).straight, 200 * BLOCK);
}

static void half_of_the_cache_is_large(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 16, NULL);
	assert_int_equal(handle_read(0, 8 * PAGE), 8 * PAGE);
	assert_int_equal(cached_pages(cached), 0);
	assert_int_equal(handle_read(0, 8 * PAGE - BLOCK), 8 * PAGE - BLOCK);
	assert_int_equal(cached_pages(cached), 8);
}

static void one_that_is_to_be_used_once_is_large_sooner(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	assert_int_equal(handle_read(0, 64 * BLOCK), 64 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 64 * BLOCK);
	handle_assert_device(cached, handle_bytes, 0, 64 * BLOCK);
}

/* Of small reads more is in flight at once when what follows is read ahead. */
static void but_not_where_what_follows_is_read_ahead(void **state)
{
	struct cached *cached = *state;

	cached->rig->config.bytes_max = 64 * BLOCK;
	handle_open(cached, 400, 128, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	assert_int_equal(handle_read(0, 64 * BLOCK), 64 * BLOCK);
	assert_int_equal(handle_read(64 * BLOCK, 64 * BLOCK), 64 * BLOCK);
	handle_assert_device(cached, handle_bytes, 64 * BLOCK, 64 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
	assert_true(mpio_file_stats(&handle).windows != 0);
	/* Two pieces of 64 blocks keep the device busy by themselves. */
	assert_int_equal(handle_read(256 * BLOCK, 128 * BLOCK), 128 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 128 * BLOCK);
}

/* The page of its last bytes, which are less than a block, is no part of it. */
static void of_a_whole_file_it_goes_straight_each_time(void **state)
{
	const size_t size = 90 * BLOCK + 77;
	struct cached *cached = *state;

	handle_open(cached, 400, 64, &straight);
	cached->file.mapping.size = size;
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(handle_read(0, size), size);
		handle_assert_device(cached, handle_bytes, 0, size);
		assert_int_equal(mpio_file_stats(&handle).straight,
				 i * 88 * BLOCK);
		assert_int_equal(cached_pages(cached), 1);
	}
}

/* With a block for an end it needs no page at all. */
static void nor_is_one_left_by_a_read_of_whole_blocks(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, &straight);
	assert_int_equal(handle_read(0, 90 * BLOCK), 90 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 90 * BLOCK);
	assert_int_equal(cached_pages(cached), 0);
}

static void it_never_misses_what_was_written(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, &straight);
	assert_int_equal(handle_write(50 * BLOCK + 7, 10, 'x'), 10);
	for (uint64_t from = 0; from <= 50; from += 10) {
		uint64_t at = 50 * BLOCK + 7 - from * BLOCK;

		assert_int_equal(handle_read(from * BLOCK, 60 * BLOCK),
				 60 * BLOCK);
		handle_assert_all(handle_bytes + at, 10, 'x');
		handle_assert_device(cached, handle_bytes, from * BLOCK,
				     (size_t)at);
		handle_assert_device(cached, handle_bytes + at + 10,
				     50 * BLOCK + 17, 100);
	}
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(handle_read(0, 60 * BLOCK), 60 * BLOCK);
	handle_assert_device(cached, handle_bytes, 0, 60 * BLOCK);
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
		assert_int_equal(
			handle_read_to(handle_bytes + i % 13, pos, length), n);
		handle_assert_device(cached, handle_bytes + i % 13, pos, n);
		handle_assert_all(handle_bytes + i % 13 + n, 20, 0xa5);
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

	handle_open(cached, 400, 64, &straight);
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
	handle_open(cached, 400, 64, &straight);
	read_anywhere(cached);
}

static void holes_are_zeros_in_it(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 2, 100);
	map_blocks(cached->rig, 5, 2, 105);
	handle_open(cached, 0, 64, &straight);
	cached->file.mapping.size = 12 * BLOCK;
	assert_int_equal(handle_read(0, 20 * BLOCK), 12 * BLOCK);
	assert_data(handle_bytes, "a100 a101 0 0 0 a105 a106 0 0 0 0 0");
	assert_int_equal(cached_pages(cached), 0);
}

static void an_error_in_it_comes_after_the_bytes_before(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 118, 1, -MPIO_EIO);
	handle_open(cached, 400, 64, &straight);
	handle_assert_error(cached, 18, -MPIO_EIO);
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
			handle_open(cached, 400, 64, &straight);
		}
		cached->rig->a.lifo = lifo != 0;
		mock_fail(&cached->rig->a, 118, 1, -MPIO_EROFS);
		mock_fail(&cached->rig->a, 130, 1, -MPIO_ENXIO);
		handle_assert_error(cached, 18, -MPIO_EROFS);
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
	handle_open(cached, 400, 64, &straight);
	cached->rig->hook_error = -MPIO_EILSEQ;
	assert_int_equal(handle_read(0, 40 * BLOCK), -MPIO_EILSEQ);
	cached->rig->hook_error = 0;
	assert_int_equal(handle_read(0, 40 * BLOCK), 40 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_large_read_leaves_no_page),
		CACHED_TEST(half_of_the_cache_is_large),
		CACHED_TEST(one_that_is_to_be_used_once_is_large_sooner),
		CACHED_TEST(but_not_where_what_follows_is_read_ahead),
		CACHED_TEST(of_a_whole_file_it_goes_straight_each_time),
		CACHED_TEST(nor_is_one_left_by_a_read_of_whole_blocks),
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

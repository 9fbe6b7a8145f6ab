/* SPDX-License-Identifier: MIT */
/*
 * The file layer: a callback that a read has led to reads by the same handle.
 * It gets its bytes, and the read goes on as if there had been no other.
 */
#include "handle.h"

static unsigned char inner[8 * PAGE];
static size_t inner_length;
static int64_t inner_got;

static void read_the_beginning(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	inner_got = mpio_file_read(&handle, inner, inner_length, 0);
}

static void open_nested(struct cached *cached, uint32_t frames, size_t length,
			const struct mpio_file_config *config)
{
	handle_open(cached, 400, frames, config);
	inner_length = length;
	inner_got = 0;
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NORMAL);
	cached->rig->before_map = read_the_beginning;
}

/* Where the inner read ends the outer one begins: it is no one going back. */
static void what_is_read_ahead_is_the_outer_one_s(void **state)
{
	struct cached *cached = *state;

	open_nested(cached, 256, PAGE, NULL);
	assert_int_equal(
		mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL), 0);
	assert_int_equal(handle_read(PAGE, PAGE), PAGE);
	assert_int_equal(inner_got, PAGE);
	handle_assert_device(cached, inner, 0, PAGE);
	handle_assert_device(cached, handle_bytes, PAGE, PAGE);
	assert_true(is_cached(cached, 3));
	assert_int_equal(mpio_file_stats(&handle).windows, 1);
	assert_int_equal(handle_read(2 * PAGE, PAGE), PAGE);
	assert_int_equal(mpio_file_stats(&handle).wanted, PAGE);
}

/* Nor is it one that others go on from. */
static void it_is_part_of_no_pattern(void **state)
{
	struct cached *cached = *state;

	open_nested(cached, 256, PAGE, NULL);
	assert_int_equal(handle_read(40 * PAGE, PAGE), PAGE);
	assert_int_equal(inner_got, PAGE);
	assert_int_equal(handle_read(PAGE, PAGE), PAGE);
	assert_int_equal(handle_read(2 * PAGE, PAGE), PAGE);
	assert_int_equal(mpio_file_stats(&handle).windows, 0);
	assert_int_equal(handle_read(3 * PAGE, PAGE), PAGE);
	assert_int_equal(mpio_file_stats(&handle).windows, 1);
}

static void nor_does_it_go_straight_while_the_outer_one_does(void **state)
{
	const struct mpio_file_config config = {.straight_min = 4 * PAGE};
	struct cached *cached = *state;

	open_nested(cached, 256, 4 * PAGE, &config);
	assert_int_equal(handle_read(20 * PAGE, 8 * PAGE), 8 * PAGE);
	assert_int_equal(inner_got, 4 * PAGE);
	handle_assert_device(cached, inner, 0, 4 * PAGE);
	handle_assert_device(cached, handle_bytes, 20 * PAGE, 8 * PAGE);
	assert_int_equal(mpio_file_stats(&handle).straight, 8 * PAGE);
	assert_int_equal(cached_pages(cached), 4);
}

/* The error is the inner one's alone. */
static void an_error_is_told_to_whom_it_befell(void **state)
{
	struct cached *cached = *state;

	open_nested(cached, 256, 2 * PAGE, NULL);
	mock_fail(&cached->rig->a, 104, 1, -MPIO_EIO);
	assert_int_equal(handle_read(40 * PAGE, PAGE), PAGE);
	assert_int_equal(inner_got, PAGE);
	cached->rig->before_map = read_the_beginning;
	assert_int_equal(mpio_file_read(&handle, handle_bytes, PAGE, 50 * PAGE),
			 PAGE);
	assert_int_equal(inner_got, PAGE);
	assert_int_equal(handle_read(PAGE, PAGE), -MPIO_EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(what_is_read_ahead_is_the_outer_one_s),
		CACHED_TEST(it_is_part_of_no_pattern),
		CACHED_TEST(nor_does_it_go_straight_while_the_outer_one_does),
		CACHED_TEST(an_error_is_told_to_whom_it_befell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a file handle reads ahead for who reads in steps, up or down, or all of
 * the file backwards; and what looks like a pattern and is none.
 */
#include "ahead_rig.h"

/* ---- Patterns ------------------------------------------------------------ */

static void steps_are_read_ahead(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	for (uint64_t i = 0; i < 400; i++)
		ahead_read(rig, MIB + i * 64 * KIB, 4 * KIB);
	assert_in_range(rig->demands, 3, 5);
	assert_in_range(rig->bytes, 400 * PAGE, 400 * PAGE + 2 * 256 * KIB);
	ahead_rig_close(rig);
}

static void a_window_has_64_steps_at_most(void **state)
{
	const struct mpio_file_config config = {.readahead_max = 1024 * 1024};
	struct ahead_rig *rig = ahead_rig_open(8192, 0, &config);
	uint64_t most = 0;

	(void)state;
	for (uint64_t pos = MIB; pos < 129 * MIB; pos += 64 * KIB) {
		uint64_t bytes = ahead_read(rig, pos, 4 * KIB);

		most = bytes > most ? bytes : most;
	}
	assert_int_equal(most, 64 * PAGE);
	ahead_rig_close(rig);
}

static void and_so_are_steps_down(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	for (uint64_t i = 0; i < 400; i++)
		ahead_read(rig, 30 * MIB - i * 64 * KIB, 4 * KIB);
	assert_in_range(rig->demands, 3, 5);
	assert_in_range(rig->bytes, 400 * PAGE, 400 * PAGE + 2 * 256 * KIB);
	ahead_rig_close(rig);
}

/* Some of them are to the page before, as if it was a backward scan. */
static void also_if_they_are_small(void **state)
{
	static const uint64_t steps[] = {4 * KIB, 5000, 6 * KIB, 8 * KIB};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

		for (uint64_t j = 0; j < 400; j++)
			ahead_read(rig, 30 * MIB - j * steps[i], 100);
		assert_in_range(rig->demands, 3, 6);
		ahead_rig_close(rig);
	}
}

/* But for the last of all. */
static void steps_down_are_read_ahead_to_the_first_byte(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	for (uint64_t pos = 6 * MIB; pos != 0; pos -= 64 * KIB)
		ahead_read(rig, pos, 4 * KIB);
	assert_in_range(rig->demands, 3, 5);
	ahead_rig_close(rig);
}

static void read_down(uint64_t from, uint64_t length)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	for (uint64_t pos = from; pos >= length; pos -= length)
		ahead_read(rig, pos - length, length);
	assert_in_range(rig->demands, 1, 4);
	assert_in_range(rig->bytes, from / length * length, from);
	assert_in_range(rig->ios, from / (256 * KIB), from / (128 * KIB) + 8);
	ahead_rig_close(rig);
}

static void a_backward_scan_is_read_ahead(void **state)
{
	(void)state;
	read_down(8 * MIB, 4 * KIB);
	read_down(8 * MIB, 64 * KIB);
	read_down(8 * MIB + 3 * PAGE, 20 * KIB);
}

/* Several of them lie in a page. */
static void and_so_is_one_of_small_reads(void **state)
{
	(void)state;
	read_down(8 * MIB, KIB);
	read_down(8 * MIB + 3 * PAGE, 1000);
	read_down(2 * MIB + PAGE, 100);
}

/* ---- What is no pattern -------------------------------------------------- */

/* A place of which the double is read next is no step. */
static void two_reads_are_no_steps(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	assert_int_equal(ahead_read(rig, 4 * MIB, 4 * KIB), 0);
	assert_int_equal(ahead_read(rig, 8 * MIB, 4 * KIB), 0);
	assert_in_range(ahead_read(rig, 12 * MIB, 4 * KIB), 4 * KIB, MIB);
	ahead_rig_close(rig);
}

static void steps_larger_than_a_window_are_not_read_ahead(void **state)
{
	const struct mpio_file_config config = {
		.readahead_max = 16 * 1024,
		.straight_min = UINT32_MAX,
	};
	struct ahead_rig *rig = ahead_rig_open(2048, 0, &config);

	(void)state;
	for (uint64_t i = 1; i < 20; i++)
		assert_int_equal(ahead_read(rig, i * 256 * KIB, 32 * KIB), 0);
	ahead_rig_close(rig);
}

/* Who looks at a page again and again goes nowhere. */
static void the_same_bytes_again_are_no_sequence(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(ahead_read(rig, QUIET, 4 * KIB), 0);
		assert_int_equal(ahead_read(rig, QUIET + 100, 20), 0);
	}
	/* But it is still where the next one is expected. */
	assert_int_equal(ahead_read(rig, QUIET + 4 * KIB, 4 * KIB), 0);
	assert_int_equal(ahead_read(rig, QUIET + 8 * KIB, 4 * KIB), 32 * KIB);
	ahead_rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_read_ahead),
		cmocka_unit_test(a_window_has_64_steps_at_most),
		cmocka_unit_test(and_so_are_steps_down),
		cmocka_unit_test(also_if_they_are_small),
		cmocka_unit_test(steps_down_are_read_ahead_to_the_first_byte),
		cmocka_unit_test(a_backward_scan_is_read_ahead),
		cmocka_unit_test(and_so_is_one_of_small_reads),
		cmocka_unit_test(two_reads_are_no_steps),
		cmocka_unit_test(steps_larger_than_a_window_are_not_read_ahead),
		cmocka_unit_test(the_same_bytes_again_are_no_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Checked arithmetic: each function at its edges, against the same sum done in
 * other words, and against numbers where a careless one would wrap round.
 */
#include "mock.h"

#include "arith.h"

static void powers_of_two_are_known(void **state)
{
	(void)state;
	assert_false(mpio__is_power_of_two(0));
	for (uint32_t shift = 0; shift < 32; shift++) {
		uint32_t power = UINT32_C(1) << shift;

		assert_true(mpio__is_power_of_two(power));
		assert_int_equal(mpio__log2(power), shift);
		if (shift > 1) {
			assert_false(mpio__is_power_of_two(power - 1));
			assert_false(mpio__is_power_of_two(power + 1));
		}
	}
	assert_false(mpio__is_power_of_two(UINT32_MAX));
	assert_false(mpio__is_power_of_two(3));
	assert_false(mpio__is_power_of_two(UINT32_C(0xc0000000)));
}

static void the_less_and_the_more_are_told(void **state)
{
	(void)state;
	assert_int_equal(mpio__or_default(0, 7), 7);
	assert_int_equal(mpio__or_default(UINT32_MAX, 7), UINT32_MAX);
	assert_int_equal(mpio__min_u32(0, UINT32_MAX), 0);
	assert_int_equal(mpio__min_u32(UINT32_MAX, 7), 7);
	assert_int_equal(mpio__max_u32(0, UINT32_MAX), UINT32_MAX);
	assert_int_equal(mpio__max_u32(8, 7), 8);
	assert_int_equal(mpio__max_u32(8, 8), 8);
	assert_int_equal(mpio__min_u64(UINT64_MAX, UINT64_MAX - 1),
			 UINT64_MAX - 1);
	assert_int_equal(mpio__min_u64(UINT64_C(1) << 32, 5), 5);
	assert_int_equal(mpio__min_u64(5, UINT64_C(1) << 32), 5);
}

static void alignment_counts_all_64_bits(void **state)
{
	(void)state;
	assert_true(mpio__is_aligned(0, 1));
	assert_true(mpio__is_aligned(UINT64_MAX, 1));
	assert_true(mpio__is_aligned(0, 4096));
	assert_true(mpio__is_aligned(UINT64_MAX - 4095, 4096));
	assert_false(mpio__is_aligned(UINT64_MAX - 4094, 4096));
	assert_false(mpio__is_aligned(UINT64_C(0x100000001), 2));
	assert_true(mpio__is_aligned(UINT64_C(1) << 63, UINT32_C(1) << 31));
	assert_false(mpio__is_aligned(UINT64_C(1) << 30, UINT32_C(1) << 31));
}

static void aligning_down_takes_the_rest_away(void **state)
{
	(void)state;
	assert_int_equal(mpio__align_down(0, 1), 0);
	assert_int_equal(mpio__align_down(UINT32_MAX, 1), UINT32_MAX);
	assert_int_equal(mpio__align_down(4095, 4096), 0);
	assert_int_equal(mpio__align_down(4096, 4096), 4096);
	assert_int_equal(mpio__align_down(8191, 4096), 4096);
	assert_int_equal(mpio__align_down(UINT32_MAX, UINT32_C(1) << 31),
			 UINT32_C(1) << 31);
}

static void per_cents_are_compared_with_nothing_lost(void **state)
{
	const uint64_t most = UINT32_MAX;

	(void)state;
	assert_false(mpio__is_over_percent(0, 0, 0));
	assert_true(mpio__is_over_percent(1, 100, 0));
	assert_false(mpio__is_over_percent(50, 100, 50));
	assert_true(mpio__is_over_percent(51, 100, 50));
	assert_false(mpio__is_over_percent(most, most, 100));
	assert_true(mpio__is_over_percent(most, most, 99));
	assert_false(mpio__is_over_percent(2 * most, most, UINT32_MAX));
}

static void a_sum_that_does_not_fit_is_the_largest_number(void **state)
{
	(void)state;
	assert_int_equal(mpio__add_sat(0, 0), 0);
	assert_int_equal(mpio__add_sat(UINT64_MAX, 0), UINT64_MAX);
	assert_int_equal(mpio__add_sat(UINT64_MAX - 1, 1), UINT64_MAX);
	assert_int_equal(mpio__add_sat(UINT64_MAX, 1), UINT64_MAX);
	assert_int_equal(mpio__add_sat(1, UINT64_MAX), UINT64_MAX);
	assert_int_equal(mpio__add_sat(UINT64_MAX, UINT64_MAX), UINT64_MAX);
	assert_int_equal(mpio__add_sat(UINT64_C(1) << 63, UINT64_C(1) << 63),
			 UINT64_MAX);
	assert_int_equal(mpio__add_sat(UINT32_MAX, 1), UINT64_C(1) << 32);
}

static void a_range_fits_only_if_its_true_end_does(void **state)
{
	(void)state;
	assert_true(mpio__range_fits(0, 0, 0));
	assert_false(mpio__range_fits(0, 1, 0));
	assert_false(mpio__range_fits(1, 0, 0));
	assert_true(mpio__range_fits(10, 0, 10));
	assert_true(mpio__range_fits(9, 1, 10));
	assert_false(mpio__range_fits(9, 2, 10));
	assert_false(mpio__range_fits(11, 0, 10));
	assert_true(mpio__range_fits(0, UINT64_MAX, UINT64_MAX));
	assert_false(mpio__range_fits(1, UINT64_MAX, UINT64_MAX));
	assert_false(mpio__range_fits(UINT64_MAX, 2, 10));
	assert_false(mpio__range_fits(UINT64_MAX, 2, UINT64_MAX));
	assert_false(mpio__range_fits(UINT64_MAX - 1, UINT64_MAX, 4096));
}

static void blocks_that_have_no_bytes_are_known(void **state)
{
	(void)state;
	for (uint32_t shift = 9; shift < 32; shift++) {
		/* Whole blocks below 2^64. */
		uint64_t all = UINT64_MAX >> shift;

		assert_true(mpio__blocks_have_bytes(0, 0, shift));
		assert_true(mpio__blocks_have_bytes(0, all, shift));
		assert_true(mpio__blocks_have_bytes(all - 1, 1, shift));
		assert_true(mpio__blocks_have_bytes(all, 0, shift));
		assert_false(mpio__blocks_have_bytes(all, 1, shift));
		assert_false(mpio__blocks_have_bytes(all - 1, 2, shift));
		assert_false(mpio__blocks_have_bytes(UINT64_MAX, 1, shift));
		assert_false(mpio__blocks_have_bytes(1, UINT64_MAX, shift));
		assert_false(
			mpio__blocks_have_bytes(UINT64_MAX, UINT64_MAX, shift));
	}
}

static void bytes_are_rounded_up_to_blocks(void **state)
{
	(void)state;
	for (uint32_t shift = 0; shift < 32; shift++) {
		uint64_t block = UINT64_C(1) << shift;

		assert_int_equal(mpio__bytes_to_blocks_up(0, shift), 0);
		assert_int_equal(mpio__bytes_to_blocks_up(1, shift), 1);
		assert_int_equal(mpio__bytes_to_blocks_up(block, shift), 1);
		assert_int_equal(mpio__bytes_to_blocks_up(block + 1, shift), 2);
		assert_int_equal(mpio__bytes_to_blocks_up(7 * block, shift), 7);
	}
	assert_int_equal(mpio__bytes_to_blocks_up(UINT64_MAX, 0), UINT64_MAX);
	assert_int_equal(mpio__bytes_to_blocks_up(UINT64_MAX, 9),
			 UINT64_C(1) << 55);
	assert_int_equal(mpio__bytes_to_blocks_up(UINT64_MAX - 511, 9),
			 (UINT64_C(1) << 55) - 1);
}

static void blocks_on_a_device_begin_before_its_end(void **state)
{
	static const struct {
		uint64_t offset;
		uint64_t count;
		uint64_t size;
		uint64_t on_device;
	} cases[] = {
		{0, 4, 4096, 4},
		{0, 5, 4096, 4},
		{0, 5, 4097, 5},
		{0, 5, 4095, 4},
		{0, 5, 3073, 4},
		{0, 5, 3072, 3},
		{3072, 1, 4096, 1},
		{4096, 1, 4096, 0},
		{5120, 1, 4096, 0},
		{0, 1, 0, 0},
		{0, 0, 4096, 0},
		{0, UINT64_MAX, 1, 1},
		{UINT64_MAX - 1023, 9, UINT64_MAX, 1},
		{UINT64_MAX - 1023, 9, UINT64_MAX - 1022, 1},
		{UINT64_MAX - 1023, 9, UINT64_MAX - 1023, 0},
		{0, UINT64_MAX, UINT64_MAX, UINT64_C(1) << 54},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(mpio__blocks_on_device(cases[i].offset,
							cases[i].count, 10,
							cases[i].size),
				 cases[i].on_device);
}

static void a_size_is_added_only_if_it_stays_one(void **state)
{
	static const size_t half = SIZE_MAX / 2 + 1;
	size_t sum = 5;

	(void)state;
	assert_true(mpio__size_add(&sum, 3, 4));
	assert_int_equal(sum, 17);
	assert_true(mpio__size_add(&sum, 0, SIZE_MAX));
	assert_true(mpio__size_add(&sum, SIZE_MAX, 0));
	assert_int_equal(sum, 17);
	assert_true(mpio__size_add(&sum, 1, SIZE_MAX - 17));
	assert_int_equal(sum, SIZE_MAX);
	assert_false(mpio__size_add(&sum, 1, 1));

	sum = 0;
	assert_false(mpio__size_add(&sum, 2, half));
	sum = 0;
	assert_false(mpio__size_add(&sum, half, half));
	sum = 0;
	assert_false(mpio__size_add(&sum, SIZE_MAX, SIZE_MAX));
	sum = half;
	assert_false(mpio__size_add(&sum, 1, half));
	sum = half;
	assert_true(mpio__size_add(&sum, 1, half - 1));
	assert_int_equal(sum, SIZE_MAX);
}

/* What a 32-bit machine meets first: 2^16 bios of 2^16 pieces and more. */
static void a_product_of_two_halves_of_a_size_is_refused(void **state)
{
	size_t half_bits = sizeof(size_t) * 4;
	size_t root = (size_t)1 << half_bits;
	size_t sum = 0;

	(void)state;
	assert_false(mpio__size_add(&sum, root, root));
	sum = 0;
	assert_true(mpio__size_add(&sum, root, root - 1));
	assert_int_equal(sum, SIZE_MAX - root + 1);
	assert_true(mpio__size_add(&sum, root - 1, 1));
	assert_int_equal(sum, SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(powers_of_two_are_known),
		cmocka_unit_test(the_less_and_the_more_are_told),
		cmocka_unit_test(alignment_counts_all_64_bits),
		cmocka_unit_test(aligning_down_takes_the_rest_away),
		cmocka_unit_test(per_cents_are_compared_with_nothing_lost),
		cmocka_unit_test(a_sum_that_does_not_fit_is_the_largest_number),
		cmocka_unit_test(a_range_fits_only_if_its_true_end_does),
		cmocka_unit_test(blocks_that_have_no_bytes_are_known),
		cmocka_unit_test(bytes_are_rounded_up_to_blocks),
		cmocka_unit_test(blocks_on_a_device_begin_before_its_end),
		cmocka_unit_test(a_size_is_added_only_if_it_stays_one),
		cmocka_unit_test(a_product_of_two_halves_of_a_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

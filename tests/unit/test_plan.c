/* SPDX-License-Identifier: MIT */
/*
 * The plan: each reason for a cut, and how much of the run is taken before.
 *
 * The I/O being gathered is 8 blocks from device byte 65536 on, in 2 pieces of
 * memory and 2 parts of pages; the run goes on where it ends. Each case then
 * changes what it is about.
 */
#include "mock.h"

#include <mpio/plan.h>

#define SECTOR 512u

static char device[2];
static unsigned char memory[65536];

static struct mpio_plan_io an_io(void)
{
	return (struct mpio_plan_io){
		.queue = &device[0],
		.end = 65536 + 8 * SECTOR,
		.operation = MPIO_BIO_READ,
		.length = 8 * SECTOR,
		.pieces = 2,
		.segments = 2,
		.memory_end = memory + 8 * SECTOR,
	};
}

static struct mpio_plan_run a_run(void)
{
	return (struct mpio_plan_run){
		.queue = &device[0],
		.offset = 65536 + 8 * SECTOR,
		.operation = MPIO_BIO_READ,
		.length = 4 * SECTOR,
		.memory = memory + 32768,
	};
}

static struct mpio_plan_limits limits_of(uint32_t pieces, uint32_t segments,
					 uint32_t sectors)
{
	return (struct mpio_plan_limits){
		.pieces_max = pieces,
		.segments_max = segments,
		.bytes_max = sectors * SECTOR,
		.block = SECTOR,
	};
}

static void check(const struct mpio_plan_io *io,
		  const struct mpio_plan_run *run,
		  struct mpio_plan_limits limits, enum mpio_cut expected,
		  uint32_t expected_take)
{
	uint32_t take = 12345;

	assert_int_equal(mpio_plan(io, run, &limits, &take), expected);
	assert_int_equal(take, expected_take);
}

static void a_run_that_goes_on_is_taken_whole(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	check(&io, &run, limits_of(256, 512, 1000), MPIO_CUT_NONE, 4 * SECTOR);
}

static void a_run_that_just_fits_is_taken_whole(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	check(&io, &run, limits_of(3, 3, 12), MPIO_CUT_NONE, 4 * SECTOR);
	run.whole = true;
	check(&io, &run, limits_of(3, 3, 12), MPIO_CUT_NONE, 4 * SECTOR);
}

static void a_run_elsewhere_is_not_adjacent(void **state)
{
	static const int64_t away[] = {
		-65536, -4 * (int64_t)SECTOR, -1, 1, SECTOR, 1 << 30};
	struct mpio_plan_io io = an_io();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(away); i++) {
		struct mpio_plan_run run = a_run();

		run.offset += (uint64_t)away[i];
		check(&io, &run, limits_of(256, 512, 1000),
		      MPIO_CUT_NOT_ADJACENT, 0);
	}
}

static void neighbours_on_two_devices_never_join(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	run.queue = &device[1];
	check(&io, &run, limits_of(256, 512, 1000), MPIO_CUT_QUEUE, 0);
}

static void another_operation_or_flag_cuts(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	run.operation = MPIO_BIO_WRITE;
	check(&io, &run, limits_of(256, 512, 1000), MPIO_CUT_OPERATION, 0);
	run.operation = MPIO_BIO_READ | MPIO_BIO_READAHEAD << 8;
	check(&io, &run, limits_of(256, 512, 1000), MPIO_CUT_OPERATION, 0);
}

static void no_piece_of_memory_more_is_segments(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	check(&io, &run, limits_of(2, 512, 1000), MPIO_CUT_SEGMENTS, 0);
	check(&io, &run, limits_of(3, 512, 1000), MPIO_CUT_NONE, 4 * SECTOR);
}

static void memory_that_follows_needs_no_piece(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	run.memory = io.memory_end;
	check(&io, &run, limits_of(2, 512, 1000), MPIO_CUT_NONE, 4 * SECTOR);
	run.memory = memory + 8 * SECTOR + 1;
	check(&io, &run, limits_of(2, 512, 1000), MPIO_CUT_SEGMENTS, 0);
}

static void no_part_of_a_page_more_is_segments(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	check(&io, &run, limits_of(256, 2, 1000), MPIO_CUT_SEGMENTS, 0);
	run.memory = io.memory_end; /* another page, next to it in memory */
	check(&io, &run, limits_of(256, 2, 1000), MPIO_CUT_SEGMENTS, 0);
	run.same_segment = true;
	check(&io, &run, limits_of(256, 2, 1000), MPIO_CUT_NONE, 4 * SECTOR);
}

static void bytes_are_taken_as_far_as_they_go(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	check(&io, &run, limits_of(256, 512, 11), MPIO_CUT_BYTES, 3 * SECTOR);
	check(&io, &run, limits_of(256, 512, 9), MPIO_CUT_BYTES, SECTOR);
	check(&io, &run, limits_of(256, 512, 8), MPIO_CUT_BYTES, 0);
}

static void a_split_falls_on_a_block(void **state)
{
	struct mpio_plan_limits limits = limits_of(256, 512, 16);
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	limits.block = 4096;
	io.length = 4096;
	run.length = 65536;
	check(&io, &run, limits, MPIO_CUT_BYTES, 4096);
	/* Room that is no whole block is no room. */
	limits.bytes_max = 4096 + 4095;
	check(&io, &run, limits, MPIO_CUT_BYTES, 0);
}

static void a_whole_run_is_not_split(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	run.whole = true;
	check(&io, &run, limits_of(256, 512, 11), MPIO_CUT_ATOMIC, 0);
	check(&io, &run, limits_of(256, 512, 8), MPIO_CUT_ATOMIC, 0);
}

static void with_no_io_something_is_taken(void **state)
{
	struct mpio_plan_io none = {0};
	struct mpio_plan_run run = a_run();

	(void)state;
	check(&none, &run, limits_of(1, 1, 1000), MPIO_CUT_NONE, 4 * SECTOR);
	check(&none, &run, limits_of(1, 1, 4), MPIO_CUT_NONE, 4 * SECTOR);
	check(&none, &run, limits_of(1, 1, 3), MPIO_CUT_BYTES, 3 * SECTOR);
	check(&none, &run, limits_of(1, 1, 1), MPIO_CUT_BYTES, SECTOR);
	run.offset = 0;
	run.operation = MPIO_BIO_WRITE;
	check(&none, &run, limits_of(1, 1, 1000), MPIO_CUT_NONE, 4 * SECTOR);
}

static void a_whole_run_that_fits_in_no_io_is_not_taken(void **state)
{
	struct mpio_plan_io none = {0};
	struct mpio_plan_run run = a_run();

	(void)state;
	run.whole = true;
	check(&none, &run, limits_of(1, 1, 4), MPIO_CUT_NONE, 4 * SECTOR);
	check(&none, &run, limits_of(1, 1, 3), MPIO_CUT_ATOMIC, 0);
}

static void numbers_at_the_end_of_64_bits_are_compared(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	io.end = UINT64_MAX - 4 * SECTOR + 1;
	run.offset = io.end;
	check(&io, &run, limits_of(256, 512, 1000), MPIO_CUT_NONE, 4 * SECTOR);
	run.offset = io.end & UINT32_MAX;
	check(&io, &run, limits_of(256, 512, 1000), MPIO_CUT_NOT_ADJACENT, 0);
}

static void a_run_of_4_gib_less_a_block_is_split(void **state)
{
	struct mpio_plan_limits limits = limits_of(1, 1, 2);
	struct mpio_plan_io none = {0};
	struct mpio_plan_run run = a_run();

	(void)state;
	limits.bytes_max = UINT32_MAX & ~(SECTOR - 1);
	run.length = UINT32_MAX & ~(SECTOR - 1);
	check(&none, &run, limits, MPIO_CUT_NONE, run.length);
	limits.bytes_max = UINT32_C(1) << 30;
	check(&none, &run, limits, MPIO_CUT_BYTES, UINT32_C(1) << 30);
}

/* Nothing is changed but the answer, and asking again gives the same. */
static void the_plan_is_pure(void **state)
{
	const struct mpio_plan_io io = an_io();
	const struct mpio_plan_run run = a_run();
	struct mpio_plan_io io_after = an_io();
	struct mpio_plan_run run_after = a_run();

	(void)state;
	for (int i = 0; i < 3; i++)
		check(&io_after, &run_after, limits_of(256, 512, 11),
		      MPIO_CUT_BYTES, 3 * SECTOR);
	assert_memory_equal(&io_after, &io, sizeof(io));
	assert_int_equal(run_after.length, run.length);
	assert_int_equal(run_after.offset, run.offset);
}

static void each_reason_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < MPIO_CUT_COUNT; i++) {
		const char *name = mpio_cut_name((enum mpio_cut)i);

		assert_non_null(name);
		assert_true(name[0] != '\0');
		for (int j = 0; j < i; j++)
			assert_string_not_equal(mpio_cut_name((enum mpio_cut)j),
						name);
	}
	assert_string_equal(mpio_cut_name(MPIO_CUT_NOT_ADJACENT),
			    "not adjacent");
	assert_non_null(mpio_cut_name(MPIO_CUT_COUNT));
	assert_non_null(mpio_cut_name((enum mpio_cut)200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_that_goes_on_is_taken_whole),
		cmocka_unit_test(a_run_that_just_fits_is_taken_whole),
		cmocka_unit_test(a_run_elsewhere_is_not_adjacent),
		cmocka_unit_test(neighbours_on_two_devices_never_join),
		cmocka_unit_test(another_operation_or_flag_cuts),
		cmocka_unit_test(no_piece_of_memory_more_is_segments),
		cmocka_unit_test(memory_that_follows_needs_no_piece),
		cmocka_unit_test(no_part_of_a_page_more_is_segments),
		cmocka_unit_test(bytes_are_taken_as_far_as_they_go),
		cmocka_unit_test(a_split_falls_on_a_block),
		cmocka_unit_test(a_whole_run_is_not_split),
		cmocka_unit_test(with_no_io_something_is_taken),
		cmocka_unit_test(a_whole_run_that_fits_in_no_io_is_not_taken),
		cmocka_unit_test(numbers_at_the_end_of_64_bits_are_compared),
		cmocka_unit_test(a_run_of_4_gib_less_a_block_is_split),
		cmocka_unit_test(the_plan_is_pure),
		cmocka_unit_test(each_reason_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

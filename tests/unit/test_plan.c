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

/* ---- Gaps --------------------------------------------------------------- */

/* A read that begins so many sectors behind the I/O. */
static struct mpio_plan_run a_run_behind(uint32_t sectors)
{
	struct mpio_plan_run run = a_run();

	run.offset += (uint64_t)sectors * SECTOR;
	run.may_gap = true;
	return run;
}

static struct mpio_plan_limits gaps_of(uint32_t sectors)
{
	struct mpio_plan_limits limits = limits_of(256, 512, 1000);

	limits.gap_max = sectors * SECTOR;
	limits.gap_percent = 75;
	limits.gap_io_max = limits.bytes_max;
	return limits;
}

static void a_gap_is_crossed_up_to_its_limit(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run near = a_run_behind(1);
	struct mpio_plan_run far = a_run_behind(20);
	struct mpio_plan_run too_far = a_run_behind(21);

	(void)state;
	check(&io, &near, gaps_of(20), MPIO_CUT_GAP, 0);
	check(&io, &far, gaps_of(20), MPIO_CUT_GAP, 0);
	check(&io, &too_far, gaps_of(20), MPIO_CUT_NOT_ADJACENT, 0);
	check(&io, &near, gaps_of(0), MPIO_CUT_NOT_ADJACENT, 0);
}

/* As the answer asks: the gap, a piece and a part of its own. */
static void cross(struct mpio_plan_io *io, uint32_t sectors)
{
	io->end += (uint64_t)sectors * SECTOR;
	io->length += sectors * SECTOR;
	io->wasted += sectors * SECTOR;
	io->pieces++;
	io->segments++;
	io->memory_end = memory + 65536;
}

static void behind_a_gap_all_of_the_run_is_taken(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run_behind(6);
	struct mpio_plan_limits limits = gaps_of(6);

	(void)state;
	limits.pieces_max = 4;
	limits.segments_max = 4;
	limits.bytes_max = limits.gap_io_max = 18 * SECTOR;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
	cross(&io, 6);
	check(&io, &run, limits, MPIO_CUT_NONE, 4 * SECTOR);
}

static void only_what_lies_behind_is_behind_a_gap(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run();

	(void)state;
	run.may_gap = true;
	run.offset -= SECTOR;
	check(&io, &run, gaps_of(20), MPIO_CUT_NOT_ADJACENT, 0);
	run.offset = 0;
	check(&io, &run, gaps_of(20), MPIO_CUT_NOT_ADJACENT, 0);
}

static void only_a_read_on_the_same_device_crosses_a_gap(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run_behind(1);

	(void)state;
	run.may_gap = false;
	check(&io, &run, gaps_of(20), MPIO_CUT_NOT_ADJACENT, 0);
	run = a_run_behind(1);
	run.queue = &device[1];
	check(&io, &run, gaps_of(20), MPIO_CUT_QUEUE, 0);
	run = a_run_behind(1);
	run.operation = MPIO_BIO_READ | MPIO_BIO_META << 8;
	check(&io, &run, gaps_of(20), MPIO_CUT_OPERATION, 0);
	run = a_run_behind(0);
	check(&io, &run, gaps_of(20), MPIO_CUT_NONE, 4 * SECTOR);
}

static void a_gap_must_leave_room_for_all_of_the_run(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run_behind(6);
	struct mpio_plan_limits limits = gaps_of(6);

	(void)state;
	limits.bytes_max = 18 * SECTOR;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
	limits.bytes_max = 17 * SECTOR;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	limits.bytes_max = 1000 * SECTOR;
	limits.gap_io_max = 18 * SECTOR;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
	limits.gap_io_max = 17 * SECTOR;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	/* It is for gaps only. */
	limits.gap_io_max = 1;
	run.offset = io.end;
	check(&io, &run, limits, MPIO_CUT_NONE, 4 * SECTOR);
}

static void gaps_keep_their_share_of_the_io(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run_behind(12); /* of 24 */
	struct mpio_plan_limits limits = gaps_of(100);

	(void)state;
	limits.gap_percent = 50;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
	io.wasted = 1;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	io.wasted = 0;
	run.length--;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	limits.gap_percent = 0;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	limits.gap_percent = UINT32_MAX;
	io.wasted = io.length;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
}

static void a_gap_needs_two_pieces_and_two_parts(void **state)
{
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run_behind(1);
	struct mpio_plan_limits limits = gaps_of(1);

	(void)state;
	limits.pieces_max = 4;
	limits.segments_max = 4;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
	limits.pieces_max = 3;
	check(&io, &run, limits, MPIO_CUT_SEGMENTS, 0);
	limits.pieces_max = 1;
	check(&io, &run, limits, MPIO_CUT_SEGMENTS, 0);
	limits.pieces_max = 4;
	limits.segments_max = 3;
	check(&io, &run, limits, MPIO_CUT_SEGMENTS, 0);
	/* What a larger I/O would not mend comes first. */
	limits.gap_percent = 1;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
}

static void gaps_at_the_ends_of_numbers_do_not_wrap(void **state)
{
	struct mpio_plan_limits limits = gaps_of(0);
	struct mpio_plan_io io = an_io();
	struct mpio_plan_run run = a_run_behind(0);

	(void)state;
	limits.gap_max = UINT32_MAX;
	limits.gap_percent = UINT32_MAX;
	limits.bytes_max = UINT32_MAX;
	limits.gap_io_max = UINT32_MAX;
	io.end = UINT64_MAX - SECTOR + 1;
	run.offset = 0;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	run.offset = SECTOR;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	io.end = SECTOR;
	run.offset = SECTOR + (UINT64_C(1) << 32);
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	run.offset = SECTOR + (UINT64_C(1) << 32) - 1;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0); /* no room */
	run.offset = UINT64_MAX;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
	io.length = UINT32_MAX - 512;
	io.wasted = UINT32_MAX;
	run.offset = io.end + 256;
	run.length = 256;
	check(&io, &run, limits, MPIO_CUT_GAP, 0);
	run.length = 257;
	check(&io, &run, limits, MPIO_CUT_NOT_ADJACENT, 0);
}

/* ---- Any run ------------------------------------------------------------ */

/* Nothing is changed but the answer, and asking again gives the same. */
static void the_plan_is_pure(void **state)
{
	const struct mpio_plan_io io = an_io();
	const struct mpio_plan_run run = a_run();
	struct mpio_plan_io io_after;
	struct mpio_plan_run run_after = a_run();

	(void)state;
	memcpy(&io_after, &io, sizeof(io)); /* and what lies between members */
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
	assert_string_equal(mpio_cut_name(MPIO_CUT_COUNT), "unknown");
	assert_string_equal(mpio_cut_name((enum mpio_cut)200), "unknown");
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
		cmocka_unit_test(a_gap_is_crossed_up_to_its_limit),
		cmocka_unit_test(behind_a_gap_all_of_the_run_is_taken),
		cmocka_unit_test(only_what_lies_behind_is_behind_a_gap),
		cmocka_unit_test(only_a_read_on_the_same_device_crosses_a_gap),
		cmocka_unit_test(a_gap_must_leave_room_for_all_of_the_run),
		cmocka_unit_test(gaps_keep_their_share_of_the_io),
		cmocka_unit_test(a_gap_needs_two_pieces_and_two_parts),
		cmocka_unit_test(gaps_at_the_ends_of_numbers_do_not_wrap),
		cmocka_unit_test(the_plan_is_pure),
		cmocka_unit_test(each_reason_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

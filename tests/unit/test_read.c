/* SPDX-License-Identifier: MIT */
/*
 * Reading: which I/Os a batch of pages becomes, and what is then in the pages:
 * runs, limits, holes, the end of file and of the device. What is asked of
 * get_block is in test_map.c, what pages go through in test_read_page.c, bad
 * blocks in test_redrive.c.
 */
#include "mock.h"

static uint64_t cuts(const struct rig *rig, enum mpio_cut cut)
{
	return mpio_queue_stats(rig->queue)->cuts[cut];
}

/* ---- One run ------------------------------------------------------------ */

static void adjacent_pages_are_one_io(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 16);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 16);
	assert_trace(rig, "map 0+64, read 100+64");
	assert_page(rig, 0, "a100 a101 a102 a103");
	assert_page(rig, 15, "a160 a161 a162 a163");
	assert_flags(rig, 7, "uptodate mapped");
	assert_int_equal(cuts(rig, MPIO_CUT_BATCH_END), 1);
}

static void pages_of_any_size_are_one_io(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 22, 100);
	add_pages(rig, 0, 1, 1);
	add_pages(rig, 1, 8, 2);
	add_pages(rig, 17, 3, 1);
	add_pages(rig, 20, 1, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 6);
	assert_trace(rig, "map 0+22, read 100+22");
	assert_page(rig, 3, "a117 a118 a119");
	assert_page(rig, 5, "a121");
}

static void pages_with_gaps_between_read_only_what_they_hold(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 1);
	add_pages(rig, 8, 4, 1);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 108+4");
	assert_page(rig, 1, "a108 a109 a110 a111");
}

static void memory_that_lies_together_is_one_piece(void **state)
{
	struct rig *rig = *state;

	rig->together = true;
	rig->watch = WATCH_IO | WATCH_PIECES;
	map_blocks(rig, 0, 512, 100);
	add_pages(rig, 0, 1, 512);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 512);
	assert_trace(rig, "read 100+512 in 1");
	assert_int_equal(mpio_queue_stats(rig->queue)->segments, 1);
	assert_page(rig, 511, "a611");
}

static void memory_that_lies_apart_is_a_piece_each(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_PIECES;
	map_blocks(rig, 0, 40, 100);
	add_pages(rig, 0, 2, 20);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 20);
	assert_trace(rig, "read 100+40 in 20");
}

/* ---- Limits ------------------------------------------------------------- */

static void an_io_has_no_more_pieces_than_may_be(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 5;
	rig->config.pages_max = 5;
	rig->watch = WATCH_IO | WATCH_PIECES;
	map_blocks(rig, 0, 12, 100);
	add_pages(rig, 0, 1, 12);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 12);
	assert_trace(rig, "read 100+5 in 5, read 105+5 in 5, read 110+2 in 2");
	assert_int_equal(cuts(rig, MPIO_CUT_SEGMENTS), 2);
}

static void pieces_end_before_pages_do(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 10;
	rig->config.pages_max = 100;
	rig->watch = WATCH_IO | WATCH_PIECES;
	map_blocks(rig, 0, 25, 100);
	add_pages(rig, 0, 1, 25);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 25);
	assert_trace(rig, "read 100+10 in 10, read 110+10 in 10, "
			  "read 120+5 in 5");
	assert_page(rig, 10, "a110");
}

/* A page in extents that touch, in memory and on the device. */
static void parts_of_a_page_that_go_on_are_one_part(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 1;
	rig->config.pages_max = 1;
	rig->watch = WATCH_IO | WATCH_PIECES;
	for (uint64_t i = 0; i < 20; i++)
		map_blocks(rig, i, 1, 100 + i);
	add_pages(rig, 0, 20, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "read 100+20 in 1");
}

static void an_io_has_no_more_pages_than_may_be(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 1;
	rig->config.pages_max = 20;
	rig->together = true;
	rig->watch = WATCH_IO | WATCH_PIECES;
	map_blocks(rig, 0, 50, 100);
	add_pages(rig, 0, 1, 50);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 50);
	assert_trace(rig, "read 100+20 in 1, read 120+20 in 1, "
			  "read 140+10 in 1");
}

static void an_io_has_no_more_bytes_than_may_be(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 6 * BLOCK;
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 16, 100);
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+6, read 106+6, read 112+4");
	assert_int_equal(cuts(rig, MPIO_CUT_BYTES), 2);
	assert_page(rig, 1, "a104 a105 a106 a107");
}

static void a_page_larger_than_an_io_is_several(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 4 * BLOCK;
	rig->watch = WATCH_IO | WATCH_END;
	map_blocks(rig, 0, 11, 100);
	add_pages(rig, 0, 11, 1);
	mock_asynchronous(&rig->a);
	rig->a.lifo = true;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 100+4, read 104+4, read 108+3, read_end 0");
	assert_page(rig, 0,
		    "a100 a101 a102 a103 a104 a105 a106 a107 a108 "
		    "a109 a110");
}

static void the_devices_limits_hold_too(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.segments_max = 3;
	rig->a.device.limits.bytes_max = 5 * BLOCK;
	rig->a.device.limits.logical_block_size = BLOCK;
	rig->config.pages_max = 3;
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 12, 100);
	add_pages(rig, 0, 1, 6);
	add_pages(rig, 6, 6, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 7);
	assert_trace(rig, "read 100+3, read 103+3, read 106+5, read 111+1");
}

static void a_few_pages_take_a_small_bio_and_many_a_large_one(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 200, 100);
	add_pages(rig, 0, 1, 100);
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, 2, 0), 2);
	assert_int_equal(rig->a.small, 1);
	assert_int_equal(rig->a.large, 0);
	assert_int_equal(read_pages(rig, 2, 98, 0), 98);
	assert_int_equal(rig->a.small, 1);
	assert_int_equal(rig->a.large, 1);
	assert_page(rig, 99, "a199");
}

/* The device's limit is what ends them; the large ones are for others. */
static void where_a_large_bio_can_be_no_longer_small_ones_do(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 16, 100);
	add_pages(rig, 0, 1, 16);
	rig->config.bytes_max = 4 * BLOCK;
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 16);
	assert_trace(rig, "read 100+4, read 104+4, read 108+4, read 112+4");
	assert_int_equal(rig->a.small, 4);
	assert_int_equal(rig->a.large, 0);
}

/* ---- Runs that lie apart ------------------------------------------------ */

static void blocks_that_are_not_adjacent_are_two_ios(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 200);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4, read 100+4, read 200+4");
	assert_int_equal(cuts(rig, MPIO_CUT_NOT_ADJACENT), 1);
	assert_int_equal(cuts(rig, MPIO_CUT_BATCH_END), 1);
}

static void blocks_backwards_on_the_device_are_an_io_each(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 4; i++)
		map_blocks(rig, i, 1, 103 - i);
	add_pages(rig, 0, 4, 1);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "read 103+1, read 102+1, read 101+1, read 100+1");
	assert_page(rig, 0, "a103 a102 a101 a100");
}

/* Extents that happen to touch are one I/O, whoever told of them. */
static void extents_that_touch_are_one_io(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 8; i++)
		map_blocks(rig, i, 1, 100 + i);
	add_pages(rig, 0, 4, 2);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8");
}

static void a_scattered_page_ends_with_its_last_io(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 4; i++)
		map_blocks(rig, i, 1, 100 + 10 * i);
	add_pages(rig, 0, 4, 1);
	mock_asynchronous(&rig->a);
	rig->a.lifo = true;
	rig->a.reap_max = 1;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mpio_queue_wait(rig->queue), 1);
		assert_int_equal(rig->frames[0].reads, 0);
		assert_flags(rig, 0, "locked mapped");
	}
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(rig->frames[0].reads, 1);
	assert_flags(rig, 0, "uptodate mapped");
	assert_page(rig, 0, "a100 a110 a120 a130");
}

static void coalescing_goes_on_behind_a_scattered_page(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 300);
	map_blocks(rig, 1, 1, 200);
	map_blocks(rig, 2, 10, 100);
	add_pages(rig, 0, 4, 3);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 300+1, read 200+1, read 100+10");
}

/* ---- Holes -------------------------------------------------------------- */

static void a_page_that_is_all_hole_needs_no_io(void **state)
{
	struct rig *rig = *state;

	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	rig->watch |= WATCH_END;
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, read_end 0, read_end 1");
	assert_page(rig, 0, "0 0 0 0");
	assert_flags(rig, 0, "uptodate");
}

static void hole_after_data_splits_the_page(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 3, 1, 200);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, map 2+2, map 3+1, read 100+2, read 200+1");
	assert_page(rig, 0, "a100 a101 0 a200");
	assert_flags(rig, 0, "uptodate");
}

static void a_hole_in_the_file_is_no_gap_on_the_device(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 2, 1, 101);
	map_blocks(rig, 7, 1, 102);
	add_pages(rig, 0, 4, 2);
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+3 in 3");
	assert_page(rig, 0, "a100 0 a101 0");
	assert_page(rig, 1, "0 0 0 a102");
}

static void unwritten_blocks_read_as_zeros(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100)->flags |= MPIO_EXTENT_UNWRITTEN;
	map_blocks(rig, 2, 2, 102);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, map 2+2, read 102+2");
	assert_page(rig, 0, "0 0 a102 a103");
	assert_flags(rig, 0, "uptodate");
}

/* ---- The end of file ---------------------------------------------------- */

static void blocks_past_the_end_of_file_are_zeros_unasked(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 6 * BLOCK;
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "map 0+6, read 100+6");
	assert_page(rig, 1, "a104 a105 0 0");
	assert_page(rig, 2, "0 0 0 0");
	assert_flags(rig, 3, "uptodate");
}

static void the_block_that_the_end_of_file_cuts_is_read_whole(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 5 * BLOCK + 1;
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+6, read 100+6");
	assert_page(rig, 1, "a104 a105 0 0");
}

static void an_empty_file_is_zeros(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 0;
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "");
	assert_page(rig, 0, "0 0 0 0");
}

static void a_file_as_large_as_can_be_is_read_at_its_end(void **state)
{
	struct rig *rig = *state;
	uint64_t last = UINT64_MAX / BLOCK - 1; /* the last whole block */

	rig->mapping.size = UINT64_MAX;
	map_blocks(rig, last - 1, 2, 100);
	add_pages(rig, last - 1, 2, 1);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "read 100+2");
	assert_page(rig, 0, "a100 a101");
}

/* ---- The end of the device ---------------------------------------------- */

static void a_block_that_the_devices_end_cuts_is_cut_there(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 103 * BLOCK + 512;
	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read 100+3584B");
	assert_page(rig, 0, "a100 a101 a102 a103/512");
	assert_flags(rig, 0, "uptodate mapped");
}

static void what_follows_the_devices_end_lies_elsewhere(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 103 * BLOCK + 512;
	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 20);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4, read 100+3584B, read 20+4");
	assert_int_equal(cuts(rig, MPIO_CUT_DEVICE_END), 1);
	assert_int_equal(cuts(rig, MPIO_CUT_NOT_ADJACENT), 0);
}

static void a_device_may_end_anywhere(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 102 * BLOCK + 7;
	map_blocks(rig, 0, 3, 100);
	map_blocks(rig, 3, 1, 50);
	add_pages(rig, 0, 1, 4);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+2055B, read 50+1");
	assert_page(rig, 2, "a102/7");
	assert_page(rig, 3, "a50");
}

/* Where the page before it ended, in that page, is nothing to it. */
static void a_segment_goes_on_in_its_own_page_only(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 2;
	rig->config.pages_max = 2;
	rig->together = true;
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 6, 100);
	map_blocks(rig, 10, 2, 106);
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+6, read 106+2");
	assert_page(rig, 1, "a104 a105 0 0");
	assert_page(rig, 2, "0 0 a106 a107");
}

static void a_small_bio_is_enough_to_read_ahead(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *large[2];

	rig->config.bios = 2;
	open_with_pages(rig, 4, 1);
	for (int i = 0; i < 2; i++)
		large[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(read_all(rig, MPIO_READ_AHEAD), 1);
	assert_page(rig, 0, "a100 a101 a102 a103");
	for (int i = 0; i < 2; i++)
		mpio_bio_put(large[i]);
}

static struct mpio_bio *taken[4];

/* Large ones come first, and are given back. */
static void take_small_bios(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	for (int i = 0; i < 4; i++)
		taken[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	mpio_bio_put(taken[0]);
	mpio_bio_put(taken[1]);
}

static void get_block_may_take_the_last_small_bio(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	rig->before_map = take_small_bios;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8");
	assert_page(rig, 1, "a104 a105 a106 a107");
	mpio_bio_put(taken[2]);
	mpio_bio_put(taken[3]);
}

static void long_rows_that_lie_apart_are_ios_of_their_own(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 20, 100);
	map_blocks(rig, 20, 20, 300);
	add_pages(rig, 0, 1, 40);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 40);
	assert_trace(rig, "read 100+20, read 300+20");
	assert_int_equal(rig->a.large, 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_page(rig, 0, "a100");
	assert_page(rig, 20, "a300");
	assert_page(rig, 39, "a319");
}

static void in_a_row_what_failed_is_tried_again_behind_the_next_io(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	for (uint64_t i = 0; i < 3; i++)
		map_blocks(rig, i, 1, 100 + 100 * i);
	add_pages(rig, 0, 1, 3);
	mock_fail(&rig->a, 100, 1, -MPIO_EAGAIN)->times = 1;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+1, read 200+1, read 100+1, read 300+1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(adjacent_pages_are_one_io),
		RIG_TEST(pages_of_any_size_are_one_io),
		RIG_TEST(pages_with_gaps_between_read_only_what_they_hold),
		RIG_TEST(memory_that_lies_together_is_one_piece),
		RIG_TEST(memory_that_lies_apart_is_a_piece_each),
		RIG_TEST(an_io_has_no_more_pieces_than_may_be),
		RIG_TEST(pieces_end_before_pages_do),
		RIG_TEST(parts_of_a_page_that_go_on_are_one_part),
		RIG_TEST(an_io_has_no_more_pages_than_may_be),
		RIG_TEST(an_io_has_no_more_bytes_than_may_be),
		RIG_TEST(a_page_larger_than_an_io_is_several),
		RIG_TEST(the_devices_limits_hold_too),
		RIG_TEST(a_few_pages_take_a_small_bio_and_many_a_large_one),
		RIG_TEST(where_a_large_bio_can_be_no_longer_small_ones_do),
		RIG_TEST(blocks_that_are_not_adjacent_are_two_ios),
		RIG_TEST(blocks_backwards_on_the_device_are_an_io_each),
		RIG_TEST(extents_that_touch_are_one_io),
		RIG_TEST(a_scattered_page_ends_with_its_last_io),
		RIG_TEST(coalescing_goes_on_behind_a_scattered_page),
		RIG_TEST(a_page_that_is_all_hole_needs_no_io),
		RIG_TEST(hole_after_data_splits_the_page),
		RIG_TEST(a_hole_in_the_file_is_no_gap_on_the_device),
		RIG_TEST(unwritten_blocks_read_as_zeros),
		RIG_TEST(blocks_past_the_end_of_file_are_zeros_unasked),
		RIG_TEST(the_block_that_the_end_of_file_cuts_is_read_whole),
		RIG_TEST(an_empty_file_is_zeros),
		RIG_TEST(a_file_as_large_as_can_be_is_read_at_its_end),
		RIG_TEST(a_block_that_the_devices_end_cuts_is_cut_there),
		RIG_TEST(what_follows_the_devices_end_lies_elsewhere),
		RIG_TEST(a_device_may_end_anywhere),
		RIG_TEST(a_segment_goes_on_in_its_own_page_only),
		RIG_TEST(a_small_bio_is_enough_to_read_ahead),
		RIG_TEST(get_block_may_take_the_last_small_bio),
		RIG_TEST(long_rows_that_lie_apart_are_ios_of_their_own),
		RIG_TEST(
			in_a_row_what_failed_is_tried_again_behind_the_next_io),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

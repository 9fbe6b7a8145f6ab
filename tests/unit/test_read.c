/* SPDX-License-Identifier: MIT */
/*
 * Reading: which I/Os a batch of pages becomes, and what is in the pages.
 * Asking get_block is in test_map.c, bad blocks are in test_redrive.c.
 */
#include "mock.h"

#include <stdio.h>

static void assert_status(const struct rig *rig, uint32_t index, int status)
{
	assert_int_equal(rig->frames[index].status, status);
}

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
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	rig->watch = WATCH_IO;
	assert_trace(rig, "map 0+12, read 100+4, read 108+4");
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
	assert_page(rig, 0, "a100 a101 a102 a103 a104 a105 a106 a107 a108 "
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

/* ---- Bytes that are there already --------------------------------------- */

static void blocks_that_get_block_filled_are_not_read(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 0)->flags |= MPIO_EXTENT_UPTODATE;
	map_blocks(rig, 1, 3, 101);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, map 1+3, read 101+3");
	assert_page(rig, 0, "i a101 a102 a103");
	assert_flags(rig, 0, "uptodate");
}

static void what_get_block_filled_counts_only_in_its_page(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 0)->flags |= MPIO_EXTENT_UPTODATE;
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4");
	assert_page(rig, 0, "i i i i");
	assert_page(rig, 1, "i i i i");
}

static void only_missing_blocks_are_read(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 8, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 1);
	fill_blocks(rig, 0, 3, 2);
	fill_blocks(rig, 0, 7, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 1+7, read 101+2, read 105+2");
	assert_page(rig, 0, "f0 a101 a102 f3 f4 a105 a106 f7");
	assert_bits(rig, 0, "uuuuuuuu");
	assert_true(page_at(rig, 0)->flags & MPIO_PAGE_UPTODATE);
}

static void dirty_blocks_keep_their_bytes(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 2, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_page(rig, 0, "a100 a101 f2 a103");
	assert_bits(rig, 0, "uudu");
	assert_true(page_at(rig, 0)->flags & MPIO_PAGE_DIRTY);
}

static void holes_and_the_tail_become_uptodate_blocks(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 3 * BLOCK;
	map_blocks(rig, 0, 1, 100);
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_page(rig, 0, "a100 0 0 0");
	assert_bits(rig, 0, "uuuu");
}

static void a_page_with_all_blocks_there_needs_neither_call_nor_io(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "");
	assert_page(rig, 0, "f0 f1 f2 f3");
	assert_true(page_at(rig, 0)->flags & MPIO_PAGE_UPTODATE);
}

static void a_page_of_more_than_64_blocks_keeps_its_states(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 100, 200);
	add_pages(rig, 0, 100, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 63);
	fill_blocks(rig, 0, 65, 34);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 63+37, read 263+2, read 299+1");
	for (uint32_t i = 0; i < 100; i++)
		assert_true(mpio_page_block_uptodate(page_at(rig, 0), i));
}

static void an_uptodate_page_ends_at_once(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	fill_blocks(rig, 0, 0, 4);
	page_at(rig, 0)->flags = MPIO_PAGE_UPTODATE;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 4+4, read 104+4");
	assert_status(rig, 0, 0);
	assert_page(rig, 0, "f0 f1 f2 f3");
}

/* ---- May it be written in place? ---------------------------------------- */

static void a_page_read_in_part_is_not_mapped(void **state)
{
	struct rig *rig = *state;

	/* Where the block that was there lies, if at all, nobody knows. */
	map_blocks(rig, 1, 3, 101);
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 1+3, read 101+3");
	assert_flags(rig, 0, "uptodate");
}

static void a_page_that_failed_is_not_mapped(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_flags(rig, 0, "error");
}

static void a_page_read_anew_is_mapped_as_it_lies_now(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_flags(rig, 0, "uptodate mapped");
	rig->map[0].count = 3; /* the last block is a hole now */
	page_at(rig, 0)->flags &= ~MPIO_PAGE_UPTODATE;
	assert_int_equal(read_all(rig, 0), 1);
	assert_flags(rig, 0, "uptodate");
	assert_page(rig, 0, "a100 a101 a102 0");
}

/* ---- Failures ----------------------------------------------------------- */

static void a_page_that_cannot_be_mapped_leaves_its_neighbours_alone(
	void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 5, 100);
	map_blocks(rig, 5, 1, 0)->error = -MPIO_EIO;
	map_blocks(rig, 6, 6, 106);
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
	assert_status(rig, 2, 0);
	assert_page(rig, 0, "a100 a101 a102 a103");
	assert_page(rig, 2, "a108 a109 a110 a111");
	assert_flags(rig, 1, "error");
}

static void the_error_of_get_block_is_the_pages(void **state)
{
	static const int errors[] = {-MPIO_EIO, -MPIO_ENOMEM, -MPIO_ESTALE,
				     -MPIO_EUCLEAN};
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 0);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		rig->map[0].error = errors[i];
		assert_int_equal(read_all(rig, 0), 1);
		assert_status(rig, 0, errors[i]);
	}
	/* And then it is read after all. */
	rig->map[0].error = 0;
	rig->map[0].block = 100;
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, 0);
	assert_flags(rig, 0, "uptodate mapped");
}

static void a_page_in_flight_waits_for_the_end_though_its_map_failed(
	void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 1, 0)->error = -MPIO_EIO;
	map_blocks(rig, 4, 4, 104);
	add_pages(rig, 0, 4, 2);
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	if (rig->a.pending_count == 2)
		assert_int_equal(rig->frames[0].reads, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->frames[0].reads, 1);
	assert_status(rig, 0, -MPIO_EIO);
	assert_status(rig, 1, 0);
}

/* ---- Readahead is a guess ----------------------------------------------- */

static void readahead_takes_no_page_for_which_no_bio_is_free(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 10; i++)
		map_blocks(rig, i, 1, 100 + 2 * i);
	add_pages(rig, 0, 1, 10);
	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	/* Two of each size; the last page has none left. */
	assert_int_equal(read_all(rig, MPIO_READ_AHEAD), 4);
	assert_flags(rig, 4, "none");
	assert_page(rig, 4, "?");
	assert_int_equal(rig->frames[4].reads, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_page(rig, 3, "a106");
	assert_int_equal(read_pages(rig, 4, 6, MPIO_READ_AHEAD), 4);
}

static void another_read_waits_for_bios(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 10; i++)
		map_blocks(rig, i, 1, 100 + 2 * i);
	add_pages(rig, 0, 1, 10);
	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 10);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_page(rig, 9, "a118");
}

static void a_page_with_no_bio_to_be_had_at_all_ends_with_enomem(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *held[4];

	rig->config.bios = 2;
	map_blocks(rig, 0, 1, 100);
	add_pages(rig, 0, 1, 1);
	rig_open(rig);
	for (int i = 0; i < 4; i++)
		held[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(read_all(rig, MPIO_READ_AHEAD), 0);
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_ENOMEM);
	for (int i = 0; i < 4; i++)
		mpio_bio_put(held[i]);
}

static void flags_of_the_call_are_flags_of_the_bios(void **state)
{
	static const struct {
		uint32_t flags;
		const char *trace;
	} cases[] = {
		{0, "read 100+1"},
		{MPIO_READ_AHEAD, "read 100+1 readahead"},
		{MPIO_READ_SYNC, "read 100+1 sync"},
		{MPIO_READ_META | MPIO_READ_SYNC, "read 100+1 sync meta"},
	};
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_FLAGS;
	map_blocks(rig, 0, 1, 100);
	add_pages(rig, 0, 1, 1);
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		page_at(rig, 0)->flags = 0;
		assert_int_equal(read_all(rig, cases[i].flags), 1);
		assert_trace(rig, cases[i].trace);
	}
}

/* ---- Short ways --------------------------------------------------------- */

static void one_page_on_a_device_that_works_at_once_is_one_submit(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, MPIO_READ_SYNC), 1);
	assert_int_equal(rig->frames[0].reads, 1);
	assert_int_equal(mpio_queue_stats(rig->queue)->submits, 1);
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->reaps, 0);
}

static void the_ios_of_a_batch_are_pushed_together(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 8; i++)
		map_blocks(rig, i, 1, 100 + 2 * i);
	add_pages(rig, 0, 1, 8);
	mock_asynchronous(&rig->a);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 8);
	assert_int_equal(mpio_queue_stats(rig->queue)->submits, 8);
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 1);
	assert_int_equal(rig->a.pushed, 8);
}

/* It is read once more, by the one who is told that it was read. */
static void read_again(struct rig *rig, struct frame *frame)
{
	if (frame->reads == 3)
		return;
	frame->page.flags = 0;
	assert_int_equal(read_pages(rig, index_of(rig, &frame->page), 1, 0), 1);
}

static void a_page_may_be_handed_in_again_where_it_ends(void **state)
{
	struct rig *rig = *state;

	rig->after_end = read_again;
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->frames[0].reads, 3);
	assert_trace(rig, "read 100+4, read 100+4, read 100+4");
}

/* ---- What is refused ---------------------------------------------------- */

/* Two pages that fit, but for what the test then does to the second. */
static void two_pages(struct rig *rig)
{
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
}

/* The one before is read; alone, or as the first, it is refused. */
static void assert_unfit(struct rig *rig, uint32_t index)
{
	struct mpio_page *pages[2] = {page_at(rig, 0), page_at(rig, index)};
	struct mpio_page before = *pages[1];

	pages[0]->flags = MPIO_PAGE_LOCKED;
	rig->frames[0].handed++;
	assert_int_equal(mpio_readahead(rig->queue, &rig->mapping, pages, 2, 0),
			 1);
	assert_int_equal(rig->frames[0].status, 0);
	assert_memory_equal(pages[1], &before, sizeof(before));
	rig->trace[0] = '\0';
	assert_int_equal(
		mpio_readahead(rig->queue, &rig->mapping, pages + 1, 1, 0),
		-MPIO_EINVAL);
	assert_int_equal(
		mpio_read_page(rig->queue, &rig->mapping, pages[1]),
		-MPIO_EINVAL);
	assert_trace(rig, "");
	assert_memory_equal(pages[1], &before, sizeof(before));
	assert_int_equal(rig->frames[index].reads, 0);
}

static void a_page_that_is_not_locked_is_refused(void **state)
{
	struct rig *rig = *state;

	two_pages(rig);
	assert_unfit(rig, 1);
}

static void a_page_of_another_mapping_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_mapping other = rig->mapping;

	two_pages(rig);
	page_at(rig, 1)->flags = MPIO_PAGE_LOCKED;
	page_at(rig, 1)->mapping = &other;
	assert_unfit(rig, 1);
	page_at(rig, 1)->flags = 0;
}

static void a_page_off_the_blocks_is_refused(void **state)
{
	static const struct {
		uint64_t pos;
		uint32_t size;
	} cases[] = {
		{4 * BLOCK + 512, 4 * BLOCK}, {4 * BLOCK, 4 * BLOCK - 512},
		{4 * BLOCK + 1, 4 * BLOCK},   {4 * BLOCK, 512},
		{4 * BLOCK, 0},               {UINT64_MAX - 1023, BLOCK},
		{UINT64_MAX - 1023, 2 * BLOCK},
	};
	struct rig *rig = *state;

	two_pages(rig);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct mpio_page *page = page_at(rig, 1);

		page->flags = MPIO_PAGE_LOCKED;
		page->pos = cases[i].pos;
		page->size = cases[i].size;
		assert_unfit(rig, 1);
	}
	page_at(rig, 1)->flags = 0;
}

static void pages_that_overlap_or_go_backwards_are_not_taken(void **state)
{
	static const uint64_t positions[] = {0, 3 * BLOCK};
	struct rig *rig = *state;

	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 1);
	add_pages(rig, 4, 4, 1);
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(positions); i++) {
		page_at(rig, 0)->flags = 0;
		page_at(rig, 1)->pos = positions[i];
		assert_int_equal(read_all(rig, 0), 1);
		assert_flags(rig, 1, "none");
	}
	page_at(rig, 0)->pos = 8 * BLOCK;
	page_at(rig, 0)->flags = 0;
	assert_int_equal(read_all(rig, 0), 1);
	assert_page(rig, 0, "a108 a109 a110 a111");
}

/* What is not taken is not asked for. */
static void the_batch_is_wanted_only_as_far_as_it_is_taken(void **state)
{
	struct rig *rig = *state;

	two_pages(rig);
	page_at(rig, 1)->size = 3 * BLOCK + 1;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read 100+4");
}

static void no_pages_are_nothing_to_do(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(mpio_readahead(rig->queue, &rig->mapping, NULL, 0, 0),
			 0);
	assert_trace(rig, "");
}

static void block_sizes_that_cannot_be_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 1, 256, 768, 1536, 0x80000001};
	struct rig *rig = *state;

	two_pages(rig);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		rig->mapping.block_size = sizes[i];
		assert_int_equal(read_all(rig, 0), -MPIO_EINVAL);
	}
	/* Blocks smaller than the device's cannot be read either. */
	rig->mapping.block_size = BLOCK;
	mpio_queue_close(rig->queue);
	rig->is_open = false;
	rig->a.device.limits.logical_block_size = 4096;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), -MPIO_EINVAL);
	assert_trace(rig, "");
}

static void read_page_reads_one_page(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	two_pages(rig);
	page = page_at(rig, 1);
	page->flags = MPIO_PAGE_LOCKED;
	rig->frames[1].handed++;
	assert_int_equal(mpio_read_page(rig->queue, &rig->mapping, page), 0);
	assert_trace(rig, "map 4+4, read 104+4");
	assert_status(rig, 1, 0);
}

static void read_page_tells_the_pages_error_at_its_end_only(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	map_blocks(rig, 0, 4, 0)->error = -MPIO_EIO;
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	page = page_at(rig, 0);
	page->flags = MPIO_PAGE_LOCKED;
	rig->frames[0].handed++;
	assert_int_equal(mpio_read_page(rig->queue, &rig->mapping, page), 0);
	assert_status(rig, 0, -MPIO_EIO);
	assert_int_equal(page->error, -MPIO_EIO);
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
		RIG_TEST(an_io_has_no_more_pages_than_may_be),
		RIG_TEST(an_io_has_no_more_bytes_than_may_be),
		RIG_TEST(a_page_larger_than_an_io_is_several),
		RIG_TEST(the_devices_limits_hold_too),
		RIG_TEST(a_few_pages_take_a_small_bio_and_many_a_large_one),
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
		RIG_TEST(a_device_may_end_anywhere),
		RIG_TEST(blocks_that_get_block_filled_are_not_read),
		RIG_TEST(what_get_block_filled_counts_only_in_its_page),
		RIG_TEST(only_missing_blocks_are_read),
		RIG_TEST(dirty_blocks_keep_their_bytes),
		RIG_TEST(holes_and_the_tail_become_uptodate_blocks),
		RIG_TEST(a_page_with_all_blocks_there_needs_neither_call_nor_io),
		RIG_TEST(a_page_of_more_than_64_blocks_keeps_its_states),
		RIG_TEST(an_uptodate_page_ends_at_once),
		RIG_TEST(a_page_read_in_part_is_not_mapped),
		RIG_TEST(a_page_that_failed_is_not_mapped),
		RIG_TEST(a_page_read_anew_is_mapped_as_it_lies_now),
		RIG_TEST(
			a_page_that_cannot_be_mapped_leaves_its_neighbours_alone),
		RIG_TEST(the_error_of_get_block_is_the_pages),
		RIG_TEST(
			a_page_in_flight_waits_for_the_end_though_its_map_failed),
		RIG_TEST(readahead_takes_no_page_for_which_no_bio_is_free),
		RIG_TEST(another_read_waits_for_bios),
		RIG_TEST(a_page_with_no_bio_to_be_had_at_all_ends_with_enomem),
		RIG_TEST(flags_of_the_call_are_flags_of_the_bios),
		RIG_TEST(one_page_on_a_device_that_works_at_once_is_one_submit),
		RIG_TEST(the_ios_of_a_batch_are_pushed_together),
		RIG_TEST(a_page_may_be_handed_in_again_where_it_ends),
		RIG_TEST(a_page_that_is_not_locked_is_refused),
		RIG_TEST(a_page_of_another_mapping_is_refused),
		RIG_TEST(a_page_off_the_blocks_is_refused),
		RIG_TEST(pages_that_overlap_or_go_backwards_are_not_taken),
		RIG_TEST(the_batch_is_wanted_only_as_far_as_it_is_taken),
		RIG_TEST(no_pages_are_nothing_to_do),
		RIG_TEST(block_sizes_that_cannot_be_are_refused),
		RIG_TEST(read_page_reads_one_page),
		RIG_TEST(read_page_tells_the_pages_error_at_its_end_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

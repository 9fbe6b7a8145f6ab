/* SPDX-License-Identifier: MIT */
/*
 * Writing: which I/Os dirty pages become, and what get_block is asked for.
 * States and failures are in test_write_page.c, hooks in test_write_hooks.c,
 * the walk is in test_writeback.c.
 */
#include "mock.h"

/* ---- Which I/Os --------------------------------------------------------- */

static void dirty_pages_that_are_adjacent_are_one_io(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 16);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+64, write 100+64");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4");
	assert_disk(&rig->a, 163, "f63 a164");
	assert_flags(rig, 0, "uptodate");
	assert_int_equal(rig->frames[0].writes, 1);
	assert_int_equal(mpio_queue_stats(rig->queue)->pages_written, 16);
}

static void blocks_that_are_not_adjacent_are_several_ios(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 3, 100);
	map_blocks(rig, 3, 1, 50);
	map_blocks(rig, 4, 4, 103);
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, alloc 3+5, write 100+3, alloc 4+4, "
			  "write 50+1, write 103+4");
	assert_disk(&rig->a, 100, "f0 f1 f2 f4 f5 f6 f7 a107");
	assert_disk(&rig->a, 50, "f3 a51");
}

static void clean_pages_are_neither_mapped_nor_written(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 4);
	dirty_page(rig, 0);
	dirty_page(rig, 1);
	dirty_page(rig, 3);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, alloc 12+4, write 100+8, write 112+4");
	assert_int_equal(rig->frames[2].writes, 0);
	assert_disk(&rig->a, 108, "a108 a109 a110 a111 f12");
}

static void only_dirty_blocks_are_written(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 8, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 8);
	dirty_blocks(rig, 0, 1, 2);
	dirty_blocks(rig, 0, 5, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 1+2, alloc 5+1, write 101+2, write 105+1");
	assert_bits(rig, 0, "uuuuuuuu");
	assert_disk(&rig->a, 100, "a100 f1 f2 a103 a104 f5 a106");
	assert_flags(rig, 0, "none");
}

static void runs_of_dirty_blocks_join_across_pages(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 3);
	for (uint32_t i = 0; i < 3; i++)
		give_bits(rig, i);
	dirty_blocks(rig, 0, 2, 2);
	dirty_blocks(rig, 1, 0, 4);
	dirty_blocks(rig, 2, 0, 1);
	dirty_blocks(rig, 2, 3, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 2+7, alloc 11+1, write 102+7, write 111+1");
}

/* Blocks apart in the file, and next to each other on the device. */
static void a_clean_block_is_no_gap_on_the_device(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 1, 300);
	map_blocks(rig, 2, 1, 101);
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 1);
	dirty_blocks(rig, 0, 2, 1);
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+2 in 2");
	assert_disk(&rig->a, 100, "f0 f2 a102");
}

static void limits_hold_for_writes(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 6 * BLOCK;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 4);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+6, write 106+6, write 112+4");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12");
}

static void an_io_has_no_more_pieces_than_may_be(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 5;
	rig->config.pages_max = 5;
	rig->watch = WATCH_IO | WATCH_PIECES;
	open_with_pages(rig, 1, 12);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+5 in 5, write 105+5 in 5, "
			  "write 110+2 in 2");
	assert_disk(&rig->a, 104, "f4 f5 f6 f7 f8 f9 f10 f11 a112");
	for (uint32_t i = 0; i < 12; i++) {
		assert_flags(rig, i, "uptodate");
		assert_int_equal(rig->frames[i].writes, 1);
	}
}

static void a_page_with_nothing_dirty_in_it_ends_clean(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 4);
	page_at(rig, 0)->flags = MPIO_PAGE_DIRTY;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "");
	assert_flags(rig, 0, "none");
}

/* ---- How much is wanted ------------------------------------------------- */

static int write_some(struct rig *rig, int64_t nr_to_write)
{
	struct mpio_writeback_control wbc = {.nr_to_write = nr_to_write,
					     .reason = MPIO_REASON_RECLAIM};

	return mpio_writepages(rig->queue, &rig->mapping, &wbc);
}

static void nothing_is_allocated_for_pages_of_a_later_walk(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 6);
	dirty_all(rig);
	assert_int_equal(write_some(rig, 2), 0);
	assert_trace(rig, "alloc 0+8, write 100+8");
	assert_int_equal(write_some(rig, 0), 0);
	assert_trace(rig, "alloc 8+4, write 108+4");
	assert_int_equal(write_some(rig, 100), 0);
	assert_trace(rig, "alloc 12+12, write 112+12");
}

static void nothing_is_allocated_for_pages_that_will_be_skipped(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	page_at(rig, 1)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(write_some(rig, 100), 0);
	assert_trace(rig, "alloc 0+4, alloc 8+4, write 100+4, write 108+4");
	page_at(rig, 1)->flags &= ~MPIO_PAGE_LOCKED;
}

static void only_as_much_is_wanted_as_the_engine_has_named(void **state)
{
	struct rig *rig = *state;

	rig->names_max = 2;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, alloc 8+4, write 100+12");
}

static void answers_that_cover_less_are_asked_on(void **state)
{
	struct rig *rig = *state;

	rig->answer_max = 3;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, alloc 3+5, alloc 6+2, write 100+8");
}

/* ---- The end of file ---------------------------------------------------- */

static void bytes_past_the_end_of_file_are_zeros(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 5 * BLOCK + 512;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+6, write 100+6");
	assert_page(rig, 1, "f4 f5/512 0 0");
	assert_disk(&rig->a, 104, "f4 f5/512 a106 a107");
	assert_flags(rig, 1, "uptodate");
}

static void a_file_that_ends_with_a_block_has_no_tail(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 6 * BLOCK;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+6, write 100+6");
	assert_disk(&rig->a, 104, "f4 f5 a106 a107");
}

static void dirty_blocks_past_the_end_of_file_are_not_written(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = BLOCK + 1;
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 4);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+2, write 100+2");
	assert_disk(&rig->a, 100, "f0 f1/1 a102 a103");
	assert_bits(rig, 0, "uuuu");
	assert_flags(rig, 0, "none");
}

static void a_file_that_ends_with_a_block_keeps_its_last_block(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 0; i < 4; i++) {
		map_blocks(rig, 4 * i, 4, 100 + 4 * i);
		add_pages(rig, 4 * i, 4, 1);
		give_bits(rig, i);
		dirty_blocks(rig, i, 0, 4);
	}
	rig->mapping.size = 13 * BLOCK;
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+13");
	assert_bits(rig, 3, "uuuu");
	assert_flags(rig, 3, "none");
}

static void a_page_wholly_past_the_end_of_file_ends_clean(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
					     .nr_to_write = 10};

	rig->mapping.size = 4 * BLOCK;
	open_with_pages(rig, 4, 3);
	dirty_page(rig, 1);
	give_bits(rig, 2);
	dirty_blocks(rig, 2, 1, 2);
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc), 0);
	assert_trace(rig, "");
	assert_flags(rig, 1, "uptodate");
	assert_flags(rig, 2, "none");
	assert_bits(rig, 2, "-uu-");
	assert_int_equal(wbc.nr_to_write, 8);
	assert_int_equal(mpio_errseq_check(&rig->mapping.errors, NULL), 0);
}

static void an_empty_file_has_nothing_to_write(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 0;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate");
}

static void a_block_that_the_devices_end_cuts_is_written_up_to_it(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 103 * BLOCK + 512;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+4, write 100+3584B");
	assert_data(rig->a.disk + 102 * BLOCK, "f2");
	assert_memory_equal(rig->a.disk + 103 * BLOCK,
			    (char *)page_at(rig, 0)->data + 3 * BLOCK, 512);
}

/* ---- Flags -------------------------------------------------------------- */

static void bios_say_who_waits(void **state)
{
	static const struct {
		enum mpio_sync_mode mode;
		enum mpio_writeback_reason reason;
		const char *trace;
	} cases[] = {
		{MPIO_SYNC_ALL, MPIO_REASON_SYNC, "write 100+1 sync"},
		{MPIO_SYNC_ALL, MPIO_REASON_PERIODIC, "write 100+1 sync"},
		{MPIO_SYNC_NONE, MPIO_REASON_BACKGROUND,
		 "write 100+1 background"},
		{MPIO_SYNC_NONE, MPIO_REASON_PERIODIC,
		 "write 100+1 background"},
		{MPIO_SYNC_NONE, MPIO_REASON_RECLAIM, "write 100+1"},
		{MPIO_SYNC_NONE, MPIO_REASON_SYNC, "write 100+1"},
	};
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_FLAGS;
	open_with_pages(rig, 1, 1);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct mpio_writeback_control wbc = {
			.sync_mode = cases[i].mode,
			.reason = cases[i].reason,
			.nr_to_write = 1,
		};

		dirty_all(rig);
		assert_int_equal(
			mpio_writepages(rig->queue, &rig->mapping, &wbc), 0);
		assert_trace(rig, cases[i].trace);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(dirty_pages_that_are_adjacent_are_one_io),
		RIG_TEST(blocks_that_are_not_adjacent_are_several_ios),
		RIG_TEST(clean_pages_are_neither_mapped_nor_written),
		RIG_TEST(only_dirty_blocks_are_written),
		RIG_TEST(runs_of_dirty_blocks_join_across_pages),
		RIG_TEST(a_clean_block_is_no_gap_on_the_device),
		RIG_TEST(limits_hold_for_writes),
		RIG_TEST(an_io_has_no_more_pieces_than_may_be),
		RIG_TEST(a_page_with_nothing_dirty_in_it_ends_clean),
		RIG_TEST(nothing_is_allocated_for_pages_of_a_later_walk),
		RIG_TEST(nothing_is_allocated_for_pages_that_will_be_skipped),
		RIG_TEST(only_as_much_is_wanted_as_the_engine_has_named),
		RIG_TEST(answers_that_cover_less_are_asked_on),
		RIG_TEST(bytes_past_the_end_of_file_are_zeros),
		RIG_TEST(a_file_that_ends_with_a_block_has_no_tail),
		RIG_TEST(dirty_blocks_past_the_end_of_file_are_not_written),
		RIG_TEST(a_file_that_ends_with_a_block_keeps_its_last_block),
		RIG_TEST(a_page_wholly_past_the_end_of_file_ends_clean),
		RIG_TEST(an_empty_file_has_nothing_to_write),
		RIG_TEST(a_block_that_the_devices_end_cuts_is_written_up_to_it),
		RIG_TEST(bios_say_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

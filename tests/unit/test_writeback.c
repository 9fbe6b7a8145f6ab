/* SPDX-License-Identifier: MIT */
/*
 * The write-back walk: which dirty pages are written, in which order, how
 * many, and what is waited for. Errors are in test_writeback_errors.c.
 */
#include "mock.h"

#include <inttypes.h>

static int walk(struct rig *rig, struct mpio_writeback_control *wbc)
{
	return mpio_writepages(rig->queue, &rig->mapping, wbc);
}

/* ---- Range -------------------------------------------------------------- */

static void a_range_is_rounded_out_to_whole_pages(void **state)
{
	static const struct {
		uint64_t start;
		uint64_t end; /* inclusive */
		const char *trace;
	} cases[] = {
		{0, 0, "write 100+32"},
		{0, 1, "write 100+4"},
		{0, 4 * BLOCK - 1, "write 100+4"},
		{0, 4 * BLOCK, "write 100+8"},
		{4 * BLOCK - 1, 4 * BLOCK - 1, "write 100+4"},
		{4 * BLOCK, 4 * BLOCK, "write 104+4"},
		{9 * BLOCK, 13 * BLOCK, "write 108+8"},
		{31 * BLOCK, 0, "write 128+4"},
		{20 * BLOCK, UINT64_MAX, "write 120+12"},
		{20 * BLOCK, UINT64_MAX - 1, "write 120+12"},
		{32 * BLOCK, 0, ""},
		{UINT64_MAX, UINT64_MAX, ""},
		{12 * BLOCK, 3, ""},
		{2, 1, ""}, /* nothing lies in it: there is nothing to round */
	};
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 8);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct mpio_writeback_control wbc = {
			.nr_to_write = MPIO_WRITE_ALL,
			.range_start = cases[i].start,
			.range_end = cases[i].end,
			.sync_mode = i % 2 ? MPIO_SYNC_ALL : MPIO_SYNC_NONE,
		};

		dirty_all(rig);
		assert_int_equal(walk(rig, &wbc), 0);
		assert_trace(rig, cases[i].trace);
	}
}

static void pages_are_written_in_ascending_position(void **state)
{
	struct rig *rig = *state;

	rig->names_max = 3;
	rig->watch = WATCH_IO | WATCH_END;
	open_with_pages(rig, 1, 8);
	rig->map_count = 0;
	for (uint64_t i = 0; i < 8; i++)
		map_blocks(rig, i, 1, 100 + 2 * ((i * 3) % 8));
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+1, write_end 0, write 106+1, write_end 1, "
			  "write 112+1, write_end 2, write 102+1, write_end 3, "
			  "write 108+1, write_end 4, write 114+1, write_end 5, "
			  "write 104+1, write_end 6, write 110+1, write_end 7");
}

static void more_pages_than_are_looked_at_ahead_are_one_io(void **state)
{
	struct rig *rig = *state;

	rig->config.walk_pages = 2;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 9);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+36");
}

/* ---- Cyclic ------------------------------------------------------------- */

static void walk_cyclic(struct rig *rig, int64_t nr_to_write,
			const char *expected)
{
	struct mpio_writeback_control wbc = {
		.nr_to_write = nr_to_write,
		.range_cyclic = true,
		.range_start = 7 * BLOCK, /* does not count */
		.range_end = 9 * BLOCK,
	};

	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, expected);
}

static void a_cyclic_walk_goes_on_where_the_last_stopped(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 4);
	dirty_all(rig);
	walk_cyclic(rig, 2, "write 100+8");
	dirty_all(rig);
	walk_cyclic(rig, 1, "write 108+4");
	dirty_page(rig, 0);
	/* To the end, without wrapping; then it begins at 0. */
	walk_cyclic(rig, 10, "write 112+4");
	assert_int_equal(rig->mapping.writeback_pos, 0);
	walk_cyclic(rig, 10, "write 100+8");
}

static void a_cyclic_walk_that_finds_nothing_begins_at_0_again(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 4);
	rig->mapping.writeback_pos = 8 * BLOCK;
	dirty_page(rig, 0);
	walk_cyclic(rig, 10, "");
	assert_int_equal(rig->mapping.writeback_pos, 0);
	walk_cyclic(rig, 10, "write 100+4");
}

static void another_walk_leaves_the_cycle_alone(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 4);
	rig->mapping.writeback_pos = 8 * BLOCK;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_int_equal(rig->mapping.writeback_pos, 8 * BLOCK);
}

static void note_the_place(struct rig *rig, struct frame *frame)
{
	(void)frame;
	trace(rig, WATCH_END, "at %" PRIu64,
	      rig->mapping.writeback_pos / BLOCK);
}

/* Also of a walk that is begun there: it does not visit the same pages. */
static void a_page_that_ends_behind_the_walk_finds_the_cycle_moved(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.prompt = true;
	rig->after_end = note_the_place;
	rig->watch = WATCH_END;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	walk_cyclic(rig, 2, "write_end 0, at 8, write_end 1, at 8");
}

/* ---- How many ----------------------------------------------------------- */

static void walk_some(struct rig *rig, enum mpio_sync_mode mode, int64_t before,
		      int64_t after, const char *expected)
{
	struct mpio_writeback_control wbc = {.sync_mode = mode,
					     .nr_to_write = before};

	dirty_all(rig);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_int_equal(wbc.nr_to_write, after);
	assert_trace(rig, expected);
}

static void nr_to_write_is_looked_at_after_each_page(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 4);
	walk_some(rig, MPIO_SYNC_NONE, 2, 0, "write 100+8");
	walk_some(rig, MPIO_SYNC_NONE, 1, 0, "write 100+4");
	walk_some(rig, MPIO_SYNC_NONE, 0, -1, "write 100+4");
	walk_some(rig, MPIO_SYNC_NONE, -5, -6, "write 100+4");
	walk_some(rig, MPIO_SYNC_NONE, 9, 5, "write 100+16");
}

static void sync_all_is_not_stopped_by_nr_to_write(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 4);
	walk_some(rig, MPIO_SYNC_ALL, 2, -2, "write 100+16");
	walk_some(rig, MPIO_SYNC_ALL, 0, -4, "write 100+16");
}

static void pages_without_io_count_too(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 2};

	rig->mapping.size = 4 * BLOCK;
	open_with_pages(rig, 4, 4);
	dirty_all(rig);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_int_equal(wbc.nr_to_write, 0);
	assert_flags(rig, 1, "uptodate");
	assert_flags(rig, 2, "uptodate dirty");
}

/* ---- Busy pages --------------------------------------------------------- */

static void busy_pages_are_skipped_and_do_not_count(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 10};

	rig->watch = WATCH_IO;
	open_slow(rig, 4, 4);
	dirty_all(rig);
	page_at(rig, 1)->flags |= MPIO_PAGE_LOCKED;
	page_at(rig, 2)->flags |= MPIO_PAGE_WRITEBACK;
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "write 100+4, write 112+4");
	assert_int_equal(wbc.pages_skipped, 2);
	assert_int_equal(wbc.nr_to_write, 8);
	assert_flags(rig, 1, "locked uptodate dirty");
	page_at(rig, 1)->flags &= ~MPIO_PAGE_LOCKED;
	page_at(rig, 2)->flags &= ~MPIO_PAGE_WRITEBACK;
}

static void sync_all_waits_for_a_page_under_write_back(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 3);
	dirty_page(rig, 1);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	memset(page_at(rig, 1)->data, 0, 4 * BLOCK);
	dirty_page(rig, 0);
	page_at(rig, 1)->flags |= MPIO_PAGE_DIRTY;
	dirty_page(rig, 2);
	assert_int_equal(sync_all(rig), 0);
	assert_int_equal(rig->frames[1].writes, 2);
	assert_disk(&rig->a, 103, "f3 0 0 0 0 f8");
	assert_flags(rig, 1, "uptodate");
}

static void sync_all_waits_for_a_page_that_is_being_read(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 2);
	give_bits(rig, 1);
	dirty_blocks(rig, 1, 0, 1);
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "map 5+3, read 105+3, alloc 4+1, write 104+1");
	assert_int_equal(rig->frames[1].reads, 1);
	assert_int_equal(rig->frames[1].writes, 1);
	assert_false(page_at(rig, 1)->flags & MPIO_PAGE_DIRTY);
	assert_page(rig, 1, "f4 a105 a106 a107");
}

static void a_page_that_nothing_will_ever_unlock_is_told(void **state)
{
	static const uint32_t flags[] = {MPIO_PAGE_LOCKED, MPIO_PAGE_WRITEBACK};
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_slow(rig, 4, 3);
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
						     .nr_to_write = 10};

		dirty_all(rig);
		page_at(rig, 1)->flags |= flags[i];
		assert_int_equal(walk(rig, &wbc), -MPIO_EDEADLK);
		assert_trace(rig, "write 100+4, write 108+4");
		assert_int_equal(wbc.pages_skipped, 1);
		assert_int_equal(wbc.nr_to_write, 8);
		page_at(rig, 1)->flags &= ~flags[i];
		assert_flags(rig, 0, "uptodate");
		assert_true(page_at(rig, 1)->flags & MPIO_PAGE_DIRTY);
	}
}

/* ---- What changes meanwhile --------------------------------------------- */

static void dirty_the_last(struct rig *rig, uint64_t block)
{
	(void)block;
	dirty_page(rig, rig->frame_count - 1);
}

static void a_tagged_walk_leaves_what_got_dirty_meanwhile(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 10, .tagged = true};

	rig->before_map = dirty_the_last;
	rig->names_max = 1;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 3);
	dirty_page(rig, 0);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "write 100+4");
	assert_flags(rig, 2, "uptodate dirty");
	assert_flags(rig, 0, "uptodate");
	/* The same without tags goes on to it. */
	rig->before_map = NULL;
	dirty_page(rig, 0);
	wbc.tagged = false;
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "write 100+4, write 108+4");
}

static void sync_all_leaves_what_got_dirty_meanwhile(void **state)
{
	struct rig *rig = *state;

	rig->before_map = dirty_the_last;
	rig->names_max = 1;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 3);
	dirty_page(rig, 0);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4");
	assert_flags(rig, 2, "uptodate dirty");
}

/* Someone who dirties a page each time it was written holds up nobody. */
static void dirty_again(struct rig *rig, struct frame *frame)
{
	dirty_page(rig, index_of(rig, &frame->page));
}

static void a_busy_writer_does_not_hold_up_a_sync(void **state)
{
	struct rig *rig = *state;

	rig->after_end = dirty_again;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_int_equal(rig->frames[0].writes, 1);
	assert_int_equal(rig->frames[1].writes, 1);
	assert_flags(rig, 0, "uptodate dirty");
}

static void clean_page_1(struct rig *rig, uint64_t block)
{
	(void)block;
	page_at(rig, 1)->flags &= ~MPIO_PAGE_DIRTY;
}

static void a_page_that_got_clean_meanwhile_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 10};

	rig->before_map = clean_page_1;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "write 100+4, write 108+4");
	assert_int_equal(wbc.nr_to_write, 8);
	assert_int_equal(wbc.pages_skipped, 0);
	assert_int_equal(rig->frames[1].writes, 0);
}

static struct mpio_mapping another;

static uint32_t moving; /* a page, while get_block is asked */

static void move_page(struct rig *rig, uint64_t block)
{
	(void)block;
	page_at(rig, moving)->mapping = &another;
}

static void sync_while_one_moves(struct rig *rig, uint32_t page, uint32_t pages,
				 const char *trace)
{
	another = rig->mapping;
	moving = page;
	rig->before_map = move_page;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, pages);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, trace);
	assert_true(page_at(rig, page)->flags & MPIO_PAGE_DIRTY);
	page_at(rig, page)->flags = 0;
}

static void a_page_of_another_mapping_meanwhile_is_not_written(void **state)
{
	sync_while_one_moves(*state, 1, 3, "write 100+4, write 108+4");
}

static void nor_is_one_among_pages_that_go_on(void **state)
{
	sync_while_one_moves(*state, 2, 4, "write 100+8, write 112+4");
}

/* To allocate, an engine has to write some other pages first. */
static void write_pages_2_and_3(struct rig *rig, uint64_t block)
{
	struct mpio_writeback_control wbc = {
		.nr_to_write = 10,
		.range_start = 8 * BLOCK,
		.range_end = 12 * BLOCK,
	};

	if (block == 0)
		assert_int_equal(walk(rig, &wbc), 0);
}

static void a_walk_may_be_nested_in_a_callback(void **state)
{
	struct rig *rig = *state;

	rig->before_map = write_pages_2_and_3;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 5);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 108+8, write 100+8, write 116+4");
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(rig->frames[i].writes, 1);
}

/* Blocks of a page that may not be written are not asked for. */
static void with_no_budget_one_page_is_mapped(void **state)
{
	struct mpio_writeback_control wbc = {0};
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_MAP;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "alloc 0+4, write 100+4");
	assert_flags(rig, 1, "uptodate dirty");
}

static void unlock_page_1(struct rig *rig, struct frame *frame)
{
	if (index_of(rig, &frame->page) == 0)
		page_at(rig, 1)->flags &= ~MPIO_PAGE_LOCKED;
}

static void a_page_that_waits_for_the_one_before_it_is_written(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	rig->after_end = unlock_page_1;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	page_at(rig, 1)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 104+8");
	assert_flags(rig, 1, "uptodate");
}

static size_t names_in_a_range(struct mpio_mapping *mapping, uint64_t pos,
			       uint64_t end, uint32_t flags,
			       struct mpio_page **pages, size_t pages_max)
{
	(void)flags;
	assert_true(pos < end);
	pages[0] = page_at(mapping->host, (uint32_t)(pos / (4 * BLOCK)));
	return pages_max != 0;
}

static void no_page_is_asked_for_behind_the_range(void **state)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.range_end = 8 * BLOCK - 1,
	};
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	rig->ops.next_dirty = names_in_a_range;
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "write 100+8");
	wbc.range_start = 8 * BLOCK;
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "");
}

static void sync_all_maps_what_it_writes_whatever_the_budget(void **state)
{
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};
	struct rig *rig = *state;

	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_trace(rig, "alloc 0+12, write 100+12");
	assert_int_equal(wbc.nr_to_write, -3);
}

static struct mpio_writeback_control changing;

static void leave_two_pages(struct rig *rig, uint64_t block)
{
	(void)rig;
	(void)block;
	changing.nr_to_write = 2;
}

static void a_budget_that_is_lowered_meanwhile_counts_at_once(void **state)
{
	struct rig *rig = *state;

	rig->before_map = leave_two_pages;
	open_with_pages(rig, 4, 5);
	dirty_all(rig);
	changing = (struct mpio_writeback_control){.nr_to_write = 5};
	assert_int_equal(walk(rig, &changing), 0);
	assert_trace(rig, "alloc 0+20, write 100+8");
	assert_int_equal(changing.nr_to_write, 0);
	assert_flags(rig, 2, "uptodate dirty");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_range_is_rounded_out_to_whole_pages),
		RIG_TEST(pages_are_written_in_ascending_position),
		RIG_TEST(more_pages_than_are_looked_at_ahead_are_one_io),
		RIG_TEST(a_cyclic_walk_goes_on_where_the_last_stopped),
		RIG_TEST(a_cyclic_walk_that_finds_nothing_begins_at_0_again),
		RIG_TEST(another_walk_leaves_the_cycle_alone),
		RIG_TEST(nr_to_write_is_looked_at_after_each_page),
		RIG_TEST(sync_all_is_not_stopped_by_nr_to_write),
		RIG_TEST(pages_without_io_count_too),
		RIG_TEST(busy_pages_are_skipped_and_do_not_count),
		RIG_TEST(sync_all_waits_for_a_page_under_write_back),
		RIG_TEST(sync_all_waits_for_a_page_that_is_being_read),
		RIG_TEST(a_page_that_nothing_will_ever_unlock_is_told),
		RIG_TEST(a_tagged_walk_leaves_what_got_dirty_meanwhile),
		RIG_TEST(sync_all_leaves_what_got_dirty_meanwhile),
		RIG_TEST(a_busy_writer_does_not_hold_up_a_sync),
		RIG_TEST(a_page_that_got_clean_meanwhile_is_not_written),
		RIG_TEST(a_page_of_another_mapping_meanwhile_is_not_written),
		RIG_TEST(a_walk_may_be_nested_in_a_callback),
		RIG_TEST(with_no_budget_one_page_is_mapped),
		RIG_TEST(a_page_that_waits_for_the_one_before_it_is_written),
		RIG_TEST(no_page_is_asked_for_behind_the_range),
		RIG_TEST(sync_all_maps_what_it_writes_whatever_the_budget),
		RIG_TEST(a_budget_that_is_lowered_meanwhile_counts_at_once),
		RIG_TEST(
			a_page_that_ends_behind_the_walk_finds_the_cycle_moved),
		RIG_TEST(nor_is_one_among_pages_that_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

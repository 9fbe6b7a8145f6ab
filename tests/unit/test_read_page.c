/* SPDX-License-Identifier: MIT */
/*
 * Reading: what a page goes through, from the call that takes it to its end:
 * blocks that are there already, failures, readahead without bios, and pages
 * that are refused.
 */
#include "mock.h"

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

/* ... and all through it: blocks that were there do not end the answer. */
static void what_get_block_filled_is_not_asked_for_again(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 0)->flags |= MPIO_EXTENT_UPTODATE;
	add_pages(rig, 0, 4, 2);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 1, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4");
	assert_bits(rig, 0, "uuuu");
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

static void only_missing_blocks_are_read_in_each_page(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 4);
	give_bits(rig, 1);
	fill_blocks(rig, 1, 0, 1);
	give_bits(rig, 3);
	fill_blocks(rig, 3, 0, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "map 0+16, read 100+4, read 105+7, read 114+2");
	assert_page(rig, 1, "f4 a105 a106 a107");
	assert_page(rig, 2, "a108 a109 a110 a111");
	assert_page(rig, 3, "f12 f13 a114 a115");
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

static void a_page_without_a_map_leaves_its_neighbours_alone(void **state)
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

/* The first run was read before get_block was asked for the last. */
static void the_first_error_of_a_page_is_its_own(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 1, 300);
	map_blocks(rig, 3, 1, 0)->error = -MPIO_ENODATA;
	mock_fail(&rig->a, 100, 2, -MPIO_EIO);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_EIO);
}

static void nor_does_a_later_ios_error_take_its_place(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 2, 300);
	mock_fail(&rig->a, 100, 2, -MPIO_EIO);
	mock_fail(&rig->a, 300, 2, -MPIO_EILSEQ);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_EIO);
}

static void a_page_half_mapped_waits_for_its_ios(void **state)
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

/* However often get_block was asked: a bio has room for eight parts here. */
static void a_page_that_lies_in_one_piece_is_one_part_of_a_bio(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->config.bios = 2;
	rig->answer_max = 1;
	map_blocks(rig, 0, 16, 100);
	map_blocks(rig, 16, 16, 200);
	add_pages(rig, 0, 16, 2);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 100+16, read 200+16");
	assert_int_equal(rig->a.small, 2);
	assert_flags(rig, 0, "uptodate mapped");
	assert_flags(rig, 1, "uptodate mapped");
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

static void readahead_does_not_wait_for_a_large_bio(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 16, 100);
	add_pages(rig, 0, 1, 16);
	rig->config.bios = 3;
	rig->watch = WATCH_IO | WATCH_CALLS;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	for (uint64_t i = 0; i < 3; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 500 + i, 1);
	assert_trace(rig, "read 500+1, commit, read 501+1, commit, "
			  "read 502+1, commit");
	/* Small ones take eight pages each. */
	assert_int_equal(read_all(rig, MPIO_READ_AHEAD), 16);
	assert_trace(rig, "read 100+8, read 108+8, commit");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_page(rig, 15, "a115");
}

static void readahead_takes_a_large_bio_that_is_free(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	map_blocks(rig, 8, 8, 108);
	add_pages(rig, 0, 1, 16);
	rig_open(rig);
	assert_int_equal(read_all(rig, MPIO_READ_AHEAD), 16);
	assert_trace(rig, "map 0+16, map 8+8, read 100+16");
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

/* The first hands in two at its end, each of which hands in another. */
static void read_next(struct rig *rig, struct frame *frame)
{
	uint32_t index = index_of(rig, &frame->page);

	if (index == 0)
		assert_int_equal(read_pages(rig, 1, 2, 0), 2);
	else if (index <= 2)
		assert_int_equal(read_pages(rig, index + 2, 1, 0), 1);
}

static void holes_that_hand_in_holes_are_all_told(void **state)
{
	struct rig *rig = *state;

	rig->after_end = read_next;
	add_pages(rig, 0, 4, 5);
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(rig->frames[i].reads, 1);
}

static void memory_that_the_device_cannot_take_is_no_error(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 512;
	rig->together = true;
	rig->arena_used = 256;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, 0);
	assert_page(rig, 0, "a100 a101 a102 a103");
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
	assert_int_equal(mpio_read_page(rig->queue, &rig->mapping, pages[1]),
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
		{4 * BLOCK + 512, 4 * BLOCK},
		{4 * BLOCK, 4 * BLOCK - 512},
		{4 * BLOCK + 1, 4 * BLOCK},
		{4 * BLOCK, 512},
		{4 * BLOCK, 0},
		{UINT64_MAX - 1023, BLOCK},
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
	rig->watch |= WATCH_FLAGS;
	assert_int_equal(mpio_read_page(rig->queue, &rig->mapping, page), 0);
	assert_trace(rig, "map 4+4, read 104+4 sync");
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
		RIG_TEST(blocks_that_get_block_filled_are_not_read),
		RIG_TEST(what_get_block_filled_counts_only_in_its_page),
		RIG_TEST(what_get_block_filled_is_not_asked_for_again),
		RIG_TEST(only_missing_blocks_are_read),
		RIG_TEST(only_missing_blocks_are_read_in_each_page),
		RIG_TEST(dirty_blocks_keep_their_bytes),
		RIG_TEST(holes_and_the_tail_become_uptodate_blocks),
		RIG_TEST(
			a_page_with_all_blocks_there_needs_neither_call_nor_io),
		RIG_TEST(a_page_of_more_than_64_blocks_keeps_its_states),
		RIG_TEST(an_uptodate_page_ends_at_once),
		RIG_TEST(a_page_read_in_part_is_not_mapped),
		RIG_TEST(a_page_that_failed_is_not_mapped),
		RIG_TEST(a_page_read_anew_is_mapped_as_it_lies_now),
		RIG_TEST(a_page_without_a_map_leaves_its_neighbours_alone),
		RIG_TEST(the_error_of_get_block_is_the_pages),
		RIG_TEST(a_page_half_mapped_waits_for_its_ios),
		RIG_TEST(readahead_takes_no_page_for_which_no_bio_is_free),
		RIG_TEST(readahead_does_not_wait_for_a_large_bio),
		RIG_TEST(readahead_takes_a_large_bio_that_is_free),
		RIG_TEST(another_read_waits_for_bios),
		RIG_TEST(a_page_with_no_bio_to_be_had_at_all_ends_with_enomem),
		RIG_TEST(flags_of_the_call_are_flags_of_the_bios),
		RIG_TEST(one_page_on_a_device_that_works_at_once_is_one_submit),
		RIG_TEST(the_ios_of_a_batch_are_pushed_together),
		RIG_TEST(a_page_may_be_handed_in_again_where_it_ends),
		RIG_TEST(holes_that_hand_in_holes_are_all_told),
		RIG_TEST(memory_that_the_device_cannot_take_is_no_error),
		RIG_TEST(a_page_that_is_not_locked_is_refused),
		RIG_TEST(a_page_of_another_mapping_is_refused),
		RIG_TEST(a_page_off_the_blocks_is_refused),
		RIG_TEST(pages_that_overlap_or_go_backwards_are_not_taken),
		RIG_TEST(no_pages_are_nothing_to_do),
		RIG_TEST(block_sizes_that_cannot_be_are_refused),
		RIG_TEST(read_page_reads_one_page),
		RIG_TEST(read_page_tells_the_pages_error_at_its_end_only),
		RIG_TEST(the_first_error_of_a_page_is_its_own),
		RIG_TEST(nor_does_a_later_ios_error_take_its_place),
		RIG_TEST(a_page_that_lies_in_one_piece_is_one_part_of_a_bio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Answers of get_block that cannot be, as from damaged metadata: they end the
 * pages concerned with -MPIO_EUCLEAN, and are never an I/O.
 */
#include "mock.h"

/* ---- Lies --------------------------------------------------------------- */

static struct mpio_extent the_lie;
static int the_result;

/* Blocks 4 to 7 are lied about, others lie at 100 and on. */
static int lie(struct rig *rig, uint64_t block, uint32_t flags,
	       struct mpio_extent *extent)
{
	uint64_t end = block < 4 ? 4 : UINT64_MAX;

	(void)rig;
	(void)flags;
	if (block >= 4 && block < 8) {
		if (the_lie.count > UINT64_MAX / 2)
			the_lie.count = extent->count + 1;
		*extent = the_lie;
		return the_result;
	}
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = 100 + block;
	if (extent->count > end - block)
		extent->count = end - block;
	return 0;
}

static void check_lie(struct rig *rig, struct mpio_extent extent, int result)
{
	the_lie = extent;
	the_result = result;
	rig->trace[0] = '\0';
	for (uint32_t i = 0; i < 3; i++)
		page_at(rig, i)->flags = 0;
	assert_int_equal(read_all(rig, 0), 3);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EUCLEAN);
	assert_status(rig, 2, 0);
	assert_trace(rig, "map 0+12, map 4+8, map 8+4, read 100+4, "
			  "read 108+4");
}

#define MAPPED MPIO_EXTENT_MAPPED

static void a_lie_ends_its_page_and_no_other(void **state)
{
	static const struct mpio_extent lies[] = {
		{.flags = MAPPED, .block = 50, .count = 0},
		{.flags = 0, .count = 0},
		{.flags = MAPPED, .block = 50, .count = UINT64_MAX},
		{.flags = 0, .count = UINT64_MAX},
		{.flags = MAPPED | 1u << 5, .block = 50, .count = 1},
		{.flags = 1u << 31, .count = 1},
		{.flags = MAPPED, .block = UINT64_MAX, .count = 1},
		{.flags = MAPPED, .block = UINT64_MAX - 1, .count = 4},
		{.flags = MAPPED, .block = UINT64_MAX / BLOCK, .count = 1},
		{.flags = MAPPED, .block = UINT64_MAX / BLOCK + 51, .count = 1},
	};
	struct rig *rig = *state;

	rig->answer = lie;
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(lies); i++)
		check_lie(rig, lies[i], 0);
}

/* Though all else of the answer could be. */
static void a_positive_number_is_a_lie(void **state)
{
	static const struct mpio_extent good = {
		.flags = MAPPED, .block = 50, .count = 4};
	struct rig *rig = *state;

	rig->answer = lie;
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	check_lie(rig, good, 1);
	check_lie(rig, good, 4095);
}

/* Nor is it remembered for the page behind. */
static void an_error_counts_whatever_else_was_answered(void **state)
{
	struct rig *rig = *state;

	rig->answer = lie;
	the_lie =
		(struct mpio_extent){.flags = MAPPED, .block = 50, .count = 8};
	the_result = -MPIO_ENODATA;
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_status(rig, 1, -MPIO_ENODATA);
	assert_page(rig, 2, "a108 a109 a110 a111");
	dirty_page(rig, 1);
	dirty_page(rig, 2);
	assert_int_equal(sync_all(rig), -MPIO_ENODATA);
	assert_disk(&rig->a, 50, "a50 a51 a52 a53 a54 a55 a56 a57");
	assert_disk(&rig->a, 108, "f8 f9 f10 f11");
}

static void an_answer_past_the_devices_end_ends_its_page(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, DISK_BLOCKS);
	map_blocks(rig, 8, 4, 104);
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "map 0+12, map 4+8, map 8+4, read 100+8");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EUCLEAN);
	assert_status(rig, 2, 0);
}

static void an_answer_past_the_devices_end_is_good_before_it(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 12, DISK_BLOCKS - 4);
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	/* It stays remembered, what is a lie of it, too. */
	assert_trace(rig, "map 0+12, read 1020+4");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EUCLEAN);
	assert_status(rig, 2, -MPIO_EUCLEAN);
}

static void a_page_half_past_the_devices_end_ends_with_the_error(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, DISK_BLOCKS - 2);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_EUCLEAN);
	assert_flags(rig, 0, "error");
}

static int not_mapped(struct rig *rig, uint64_t block, uint32_t flags,
		      struct mpio_extent *extent)
{
	(void)rig;
	(void)block;
	(void)flags;
	extent->count = 1;
	return 0;
}

static void a_hole_is_no_answer_to_create(void **state)
{
	struct rig *rig = *state;

	rig->answer = not_mapped;
	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_EUCLEAN);
	assert_trace(rig, "alloc 0+4");
	assert_flags(rig, 0, "uptodate dirty error");
}

static void dirty_blocks_past_the_devices_end_stay_dirty(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, DISK_BLOCKS - 4);
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_EUCLEAN);
	assert_trace(rig, "alloc 0+8, write 1020+4");
	assert_flags(rig, 0, "uptodate");
	assert_flags(rig, 1, "uptodate dirty error");
}

static void blocks_past_the_devices_end_are_not_told_as_new(void **state)
{
	struct rig *rig = *state;

	rig->ops.new_blocks = rig_new_blocks;
	map_blocks(rig, 0, 4, DISK_BLOCKS)->flags |= MPIO_EXTENT_NEW;
	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_EUCLEAN);
	assert_trace(rig, "alloc 0+4");
}

/* ---- Blocks that are too small ------------------------------------------ */

static struct mpio_queue *there;

static int lies_there(struct mpio_mapping *mapping, struct mpio_page *page,
		      uint64_t block, uint32_t flags,
		      struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = block;
	extent->queue = there;
	return 0;
}

/* The queue of the call has slots for parts of blocks, the other has none. */
static void blocks_that_the_other_queue_cannot_cut_are_refused(void **state)
{
	static const struct mpio_mapping_ops ops = {.get_block = lies_there};
	struct mpio_mapping mapping = {
		.ops = &ops, .size = 1024, .block_size = 256};
	struct rig *rig = *state;
	unsigned char memory[1024];
	struct mpio_page page;

	rig->two = true;
	rig->a.device.limits.logical_block_size = 1024;
	rig->watch = WATCH_IO;
	rig_open(rig);
	for (int i = 0; i < 2; i++) {
		there = i == 0 ? rig->queue : rig->other;
		mpio_page_init(&page, &mapping, 0, memory, sizeof(memory));
		page.flags = MPIO_PAGE_LOCKED;
		assert_int_equal(mpio_read_page(rig->queue, &mapping, &page),
				 0);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
		assert_int_equal(page.error, i == 0 ? 0 : -MPIO_EINVAL);
		assert_trace(rig, i == 0 ? "read 0+1" : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_lie_ends_its_page_and_no_other),
		RIG_TEST(a_positive_number_is_a_lie),
		RIG_TEST(an_answer_past_the_devices_end_ends_its_page),
		RIG_TEST(an_answer_past_the_devices_end_is_good_before_it),
		RIG_TEST(a_page_half_past_the_devices_end_ends_with_the_error),
		RIG_TEST(a_hole_is_no_answer_to_create),
		RIG_TEST(dirty_blocks_past_the_devices_end_stay_dirty),
		RIG_TEST(blocks_that_the_other_queue_cannot_cut_are_refused),
		RIG_TEST(an_error_counts_whatever_else_was_answered),
		RIG_TEST(blocks_past_the_devices_end_are_not_told_as_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

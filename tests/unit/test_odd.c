/* SPDX-License-Identifier: MIT */
/*
 * Odd things that engines and devices do: pages read while they are written,
 * blocks cut in two, files that grow meanwhile, numbers at the end of their
 * range. Each stood for a fault once.
 */
#include "mock.h"

static void a_page_under_write_back_is_not_read_into(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	open_with_pages(rig, 4, 1);
	page = page_at(rig, 0);
	page->flags = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;
	assert_int_equal(mpio_read_page(rig->queue, &rig->mapping, page),
			 -MPIO_EINVAL);
	assert_trace(rig, "");
	page->flags = 0;
}

static void reading_an_uptodate_page_leaves_its_write_back_alone(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	dirty_all(rig);
	page_at(rig, 0)->flags |= MPIO_PAGE_UPTODATE;
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_flags(rig, 0, "uptodate writeback");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 0, "uptodate");
}

static void a_clean_page_that_is_locked_is_nothing_to_wait_for(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};

	open_with_pages(rig, 4, 1);
	page_at(rig, 0)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), &wbc),
			 0);
	page_at(rig, 0)->flags &= ~MPIO_PAGE_LOCKED;
}

/* Bios of a block and a half: the second block lies in two of them. */
static void a_block_of_which_half_came_is_not_uptodate(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = BLOCK + BLOCK / 2;
	map_blocks(rig, 0, 3, 100);
	add_pages(rig, 0, 3, 1);
	give_bits(rig, 0);
	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_true(mpio_page_block_uptodate(page_at(rig, 0), 0));
	assert_false(mpio_page_block_uptodate(page_at(rig, 0), 2));
	assert_true(page_at(rig, 0)->flags & MPIO_PAGE_ERROR);
}

static void a_block_that_came_in_halves_is_uptodate(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = BLOCK + BLOCK / 2;
	map_blocks(rig, 0, 3, 100);
	add_pages(rig, 0, 3, 1);
	give_bits(rig, 0);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	page_at(rig, 0)->flags &= ~MPIO_PAGE_UPTODATE;
	for (uint32_t i = 0; i < 3; i++)
		assert_true(mpio_page_block_uptodate(page_at(rig, 0), i));
	page_at(rig, 0)->flags |= MPIO_PAGE_UPTODATE;
}

static void grow(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->mapping.size = 12 * BLOCK;
}

static void a_file_that_grows_in_get_block_loses_no_page(void **state)
{
	struct rig *rig = *state;

	rig->before_map = grow;
	open_with_pages(rig, 4, 3);
	rig->mapping.size = 4 * BLOCK;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_flags(rig, i, "uptodate");
	assert_disk(&rig->a, 108, "f8 f9 f10 f11");
}

static int answer_nonsense(struct rig *rig, uint64_t block, uint32_t flags,
			   struct mpio_extent *extent)
{
	(void)rig;
	(void)block;
	(void)flags;
	(void)extent;
	return -5000;
}

static void an_error_that_is_no_errno_is_told_as_one(void **state)
{
	struct rig *rig = *state;

	rig->answer = answer_nonsense;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_int_equal(mpio_errseq_check(&rig->mapping.errors, NULL),
			 -MPIO_EIO);
	assert_flags(rig, 0, "uptodate dirty error");
}

static void bios_end_where_the_devices_memory_may(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = BLOCK;
	rig->config.bytes_max = BLOCK + BLOCK / 2;
	rig_open(rig);
	assert_int_equal(mpio_queue_limits(rig->queue)->bytes_max, BLOCK);
}

static int answer_low(struct rig *rig, uint64_t block, uint32_t flags,
		      struct mpio_extent *extent)
{
	(void)rig;
	(void)flags;
	extent->block = block & 0xff;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void pages_may_lie_at_the_end_of_all_numbers(void **state)
{
	struct rig *rig = *state;
	uint64_t first = (UINT64_MAX >> 10) - 15;

	rig->answer = answer_low;
	rig->config.segments_max = 5;
	rig->config.pages_max = 5;
	add_pages(rig, first, 4, 3);
	rig_open(rig);
	rig->mapping.size = UINT64_MAX;
	assert_int_equal(read_all(rig, 0), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(rig->frames[i].reads, 1);
}

/* Its end has no number. Nor does a row of pages go on behind it. */
static void but_not_the_very_last(void **state)
{
	struct rig *rig = *state;
	uint64_t first = (UINT64_MAX >> 10) - 7;

	rig->answer = answer_low;
	add_pages(rig, first, 4, 2);
	rig_open(rig);
	rig->mapping.size = UINT64_MAX;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(rig->frames[0].reads, 1);
	assert_int_equal(rig->frames[1].reads, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_page_under_write_back_is_not_read_into),
		RIG_TEST(reading_an_uptodate_page_leaves_its_write_back_alone),
		RIG_TEST(a_clean_page_that_is_locked_is_nothing_to_wait_for),
		RIG_TEST(a_block_of_which_half_came_is_not_uptodate),
		RIG_TEST(a_block_that_came_in_halves_is_uptodate),
		RIG_TEST(a_file_that_grows_in_get_block_loses_no_page),
		RIG_TEST(an_error_that_is_no_errno_is_told_as_one),
		RIG_TEST(bios_end_where_the_devices_memory_may),
		RIG_TEST(pages_may_lie_at_the_end_of_all_numbers),
		RIG_TEST(but_not_the_very_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

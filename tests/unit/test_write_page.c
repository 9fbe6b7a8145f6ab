/* SPDX-License-Identifier: MIT */
/*
 * Writing: the states that a dirty page goes through, what is left of it when
 * something fails, and mpio_write_page().
 */
#include "mock.h"

/* ---- States ------------------------------------------------------------- */

static void a_page_on_its_way_is_neither_dirty_nor_locked(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_flags(rig, 0, "uptodate writeback");
	assert_flags(rig, 1, "uptodate writeback");
	assert_int_equal(rig->frames[0].writes, 0);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_flags(rig, 0, "uptodate");
	assert_int_equal(rig->frames[0].writes, 1);
}

static void a_page_dirtied_on_its_way_is_written_again(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_int_equal(mpio_page_set_dirty(page_at(rig, 0), 0, 10), 0);
	assert_flags(rig, 0, "uptodate dirty writeback");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 0, "uptodate dirty");
	rig->trace[0] = '\0';
	memset(page_at(rig, 0)->data, 0, BLOCK);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+4, write 100+4");
	assert_disk(&rig->a, 100, "0 f1 f2 f3");
	assert_flags(rig, 0, "uptodate");
}

static void a_block_dirtied_on_its_way_is_written_again(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 3);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_bits(rig, 0, "uuu-");
	dirty_blocks(rig, 0, 1, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_bits(rig, 0, "udu-");
	assert_flags(rig, 0, "dirty");
	rig->trace[0] = '\0';
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 1+1, write 101+1");
	assert_bits(rig, 0, "uuu-");
}

static void a_scattered_page_ends_with_its_last_io(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig->a.lifo = true;
	for (uint64_t i = 0; i < 4; i++)
		map_blocks(rig, i, 1, 100 + 2 * i);
	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	for (int i = 0; i < 3; i++) {
		assert_flags(rig, 0, "uptodate writeback");
		assert_int_equal(mpio_queue_wait(rig->queue), 1);
	}
	assert_int_equal(rig->frames[0].writes, 0);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(rig->frames[0].writes, 1);
	assert_flags(rig, 0, "uptodate");
}

/* ---- Failures ----------------------------------------------------------- */

static void a_failed_write_leaves_the_page_dirty_and_is_recorded(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 3);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_flags(rig, 0, "uptodate");
	assert_flags(rig, 1, "uptodate dirty error");
	assert_flags(rig, 2, "uptodate");
	assert_status(rig, 1, -MPIO_EIO);
	assert_int_equal(mpio_errseq_check(&rig->mapping.errors, NULL),
			 -MPIO_EIO);
}

static void pages_of_other_ios_are_not_concerned(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = rig->config.pages_max = 3;
	mock_fail(&rig->a, 107, 1, -MPIO_EIO);
	open_slow(rig, 1, 12);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_int_equal(mpio_page_set_dirty(page_at(rig, 4), 0, 1), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < 12; i++) {
		if (i == 7)
			assert_flags(rig, i, "uptodate dirty error");
		else
			assert_flags(rig, i,
				     i == 4 ? "uptodate dirty" : "uptodate");
		assert_int_equal(rig->frames[i].writes, 1);
	}
}

static void the_error_goes_when_the_page_is_written_after_all(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO)->times = 1;
	open_with_pages(rig, 1, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "uptodate dirty error");
	/* It was told; it is not told again. */
	assert_int_equal(sync_all(rig), 0);
	assert_flags(rig, 0, "uptodate");
	assert_disk(&rig->a, 100, "f0");
	assert_int_equal(sync_all(rig), 0);
}

static void an_engine_may_choose_to_drop_what_failed(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_DROP_FAILED;
	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "uptodate error");
	assert_int_equal(sync_all(rig), 0);
	assert_int_equal(rig->frames[0].writes, 1);
}

static void or_to_note_by_itself_what_failed(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_OWN_ERRORS;
	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_int_equal(rig->frames[0].status, -MPIO_EIO);
	assert_flags(rig, 0, "uptodate dirty error");
	assert_int_equal(rig->mapping.errors.value, 0);
}

static void only_blocks_that_failed_are_dirty_again(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 4);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_bits(rig, 0, "uudu");
	assert_flags(rig, 0, "dirty error");
	rig->a.fault_count = 0;
	rig->trace[0] = '\0';
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 2+1, write 102+1");
	assert_bits(rig, 0, "uuuu");
}

static void dropped_blocks_are_not_dirty(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_DROP_FAILED;
	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 4);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "error");
	assert_bits(rig, 0, "uuuu");
}

static void dropped_blocks_that_found_no_room_are_not_dirty(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_DROP_FAILED;
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 1, 2);
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_flags(rig, 0, "error");
	assert_bits(rig, 0, "-uu-");
}

static void a_page_that_finds_no_room_stays_dirty(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 8, 4, 108);
	add_pages(rig, 0, 4, 3);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_flags(rig, 0, "uptodate");
	assert_flags(rig, 1, "uptodate dirty error");
	assert_flags(rig, 2, "uptodate");
	assert_disk(&rig->a, 108, "f8 f9 f10 f11");
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
}

static void blocks_that_find_no_room_stay_dirty(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 1, 2);
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_true(mpio_page_block_dirty(page_at(rig, 0), 2));
	assert_flags(rig, 0, "dirty error");
	/* Then there is room: nothing was lost. */
	map_blocks(rig, 2, 2, 300);
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 101, "f1 a102");
	assert_disk(&rig->a, 300, "f2 a301");
	assert_bits(rig, 0, "-uu-");
}

static void a_page_that_cannot_be_mapped_ends_with_its_last_io(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	map_blocks(rig, 0, 2, 100);
	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), -MPIO_ENOSPC);
	if (rig->a.pending_count != 0)
		assert_flags(rig, 0, "uptodate writeback");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 0, "uptodate dirty error");
	assert_int_equal(rig->frames[0].writes, 1);
	assert_status(rig, 0, -MPIO_ENOSPC);
}

static void a_device_that_may_not_be_written_fails_the_pages(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.features |= MPIO_DEVICE_READONLY;
	open_with_pages(rig, 4, 2);
	give_bits(rig, 1);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	assert_int_equal(sync_all(rig), -MPIO_EROFS);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty error");
	assert_bits(rig, 1, "dddd");
}

static void a_page_with_no_bio_to_be_had_stays_dirty(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *held[4];

	rig->config.bios = 2;
	open_with_pages(rig, 4, 2);
	give_bits(rig, 1);
	dirty_all(rig);
	for (int i = 0; i < 4; i++)
		held[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(sync_all(rig), -MPIO_ENOMEM);
	assert_flags(rig, 0, "uptodate dirty error");
	assert_bits(rig, 1, "dddd");
	for (int i = 0; i < 4; i++)
		mpio_bio_put(held[i]);
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7");
}

/* ---- One page ----------------------------------------------------------- */

static int write_one(struct rig *rig, uint32_t index, enum mpio_sync_mode mode)
{
	struct mpio_writeback_control wbc = {.sync_mode = mode,
					     .reason = MPIO_REASON_SYNC};

	return mpio_write_page(rig->queue, &rig->mapping, page_at(rig, index),
			       &wbc);
}

static void one_page_may_be_written_alone(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(write_one(rig, 1, MPIO_SYNC_ALL), 0);
	assert_trace(rig, "alloc 4+4, write 104+4");
	assert_flags(rig, 0, "uptodate dirty");
	assert_flags(rig, 1, "uptodate");
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 2), NULL),
			 0);
	assert_flags(rig, 2, "uptodate");
}

static void one_clean_page_is_nothing_to_do(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 1);
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_NONE), 0);
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_ALL), 0);
	assert_trace(rig, "");
	assert_int_equal(rig->frames[0].writes, 0);
}

static void one_page_that_is_busy_is_told(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	dirty_all(rig);
	page_at(rig, 0)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_NONE), -MPIO_EBUSY);
	page_at(rig, 0)->flags &= ~MPIO_PAGE_LOCKED;
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_NONE), 0);
	dirty_all(rig);
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_NONE), -MPIO_EBUSY);
	assert_flags(rig, 0, "uptodate dirty writeback");
	/* ALL waits for it, writes it, and waits again. */
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_ALL), 0);
	assert_flags(rig, 0, "uptodate");
	assert_int_equal(rig->frames[0].writes, 2);
}

static void one_page_that_fails_is_told(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_ALL), -MPIO_EIO);
	assert_int_equal(write_one(rig, 1, MPIO_SYNC_NONE), -MPIO_ENOSPC);
	assert_flags(rig, 1, "uptodate dirty error");
}

static void one_page_that_is_unfit_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	page = page_at(rig, 0);
	page->size = 100;
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_ALL), -MPIO_EINVAL);
	page->size = 4 * BLOCK;
	page->pos = 1;
	assert_int_equal(write_one(rig, 0, MPIO_SYNC_NONE), -MPIO_EINVAL);
	page->pos = 0;
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty");
}

static void one_page_that_cannot_be_mapped_does_not_count(void **state)
{
	struct mpio_writeback_control wbc = {.nr_to_write = 10};
	struct rig *rig = *state;

	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), &wbc),
			 -MPIO_ENOSPC);
	assert_int_equal(wbc.nr_to_write, 10);
	assert_int_equal(mpio_queue_stats(rig->queue)->pages_written, 0);
}

static void one_page_that_cannot_be_waited_for_is_not_written(void **state)
{
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	dirty_all(rig);
	rig->a.lapses = 1;
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), &wbc),
			 -MPIO_EREMOTEIO);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->frames[0].writes, 1);
	assert_flags(rig, 0, "uptodate dirty");
}

static void one_page_at_the_end_of_positions_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	page = page_at(rig, 0);
	page->pos = UINT64_MAX - 2 * BLOCK + 1;
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping, page, NULL),
			 -MPIO_EINVAL);
	assert_flags(rig, 0, "uptodate dirty");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_page_on_its_way_is_neither_dirty_nor_locked),
		RIG_TEST(a_page_dirtied_on_its_way_is_written_again),
		RIG_TEST(a_block_dirtied_on_its_way_is_written_again),
		RIG_TEST(a_scattered_page_ends_with_its_last_io),
		RIG_TEST(a_failed_write_leaves_the_page_dirty_and_is_recorded),
		RIG_TEST(pages_of_other_ios_are_not_concerned),
		RIG_TEST(the_error_goes_when_the_page_is_written_after_all),
		RIG_TEST(an_engine_may_choose_to_drop_what_failed),
		RIG_TEST(or_to_note_by_itself_what_failed),
		RIG_TEST(only_blocks_that_failed_are_dirty_again),
		RIG_TEST(dropped_blocks_are_not_dirty),
		RIG_TEST(dropped_blocks_that_found_no_room_are_not_dirty),
		RIG_TEST(a_page_that_finds_no_room_stays_dirty),
		RIG_TEST(blocks_that_find_no_room_stay_dirty),
		RIG_TEST(a_page_that_cannot_be_mapped_ends_with_its_last_io),
		RIG_TEST(a_device_that_may_not_be_written_fails_the_pages),
		RIG_TEST(a_page_with_no_bio_to_be_had_stays_dirty),
		RIG_TEST(one_page_may_be_written_alone),
		RIG_TEST(one_clean_page_is_nothing_to_do),
		RIG_TEST(one_page_that_is_busy_is_told),
		RIG_TEST(one_page_that_fails_is_told),
		RIG_TEST(one_page_that_is_unfit_is_refused),
		RIG_TEST(one_page_that_cannot_be_mapped_does_not_count),
		RIG_TEST(one_page_that_cannot_be_waited_for_is_not_written),
		RIG_TEST(one_page_at_the_end_of_positions_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

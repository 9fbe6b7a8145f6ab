/* SPDX-License-Identifier: MIT */
/*
 * Pages that must not tear: whether they can be written so, and that nothing
 * is tried again but whole atomic units of the device.
 */
#include "mock.h"

/* ---- What can be written ------------------------------------------------ */

/* Pages of 4 blocks, mapped before, on a device that writes so many at once. */
static void open_mapped(struct rig *rig, uint32_t unit_blocks, uint32_t pages)
{
	rig->a.device.limits.atomic_unit = unit_blocks * BLOCK;
	add_pages(rig, 0, 4, pages);
	for (uint32_t i = 0; i < pages; i++) {
		dirty_page(rig, i);
		page_at(rig, i)->flags |= MPIO_PAGE_ATOMIC;
	}
	rig_open(rig);
}

static void open_atomic(struct rig *rig, uint32_t unit_blocks, uint64_t block,
			uint32_t pages)
{
	map_blocks(rig, 0, 4 * (uint64_t)pages, block);
	open_mapped(rig, unit_blocks, pages);
}

static void a_page_inside_an_atomic_unit_is_written_by_one_bio(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_FLAGS;
	open_atomic(rig, 4, 100, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4 sync atomic");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3");
}

static void a_bio_never_ends_inside_an_atomic_page(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 10 * BLOCK;
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 5);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+8, write 108+8, write 116+4");
	assert_int_equal(mpio_queue_stats(rig->queue)->cuts[MPIO_CUT_ATOMIC],
			 2);
}

static void an_atomic_page_across_two_units_is_refused_unwritten(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 102, 1);
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty error atomic");
}

static void a_unit_may_hold_several_atomic_pages(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_atomic(rig, 16, 104, 2);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 104+8");
}

static void an_atomic_page_needs_a_device_that_can(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_atomic(rig, 0, 100, 1);
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_trace(rig, "");
}

static void a_scattered_atomic_page_is_refused_unwritten(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 96);
	map_blocks(rig, 2, 2, 100);
	rig->watch = WATCH_IO;
	open_mapped(rig, 16, 1);
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_trace(rig, "");
}

static void an_atomic_page_in_touching_extents_is_written(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 3, 101);
	rig->watch = WATCH_IO;
	open_mapped(rig, 4, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4");
}

static void an_atomic_page_may_end_at_a_boundary(void **state)
{
	struct rig *rig = *state;

	rig->ops.boundary = rig_boundary;
	open_atomic(rig, 4, 100, 2);
	rig->map[0].count = 4;
	rig->map[0].flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 4, 4, 108);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, write 100+4, boundary 104, alloc 4+4, "
			  "write 108+4");
}

/* What follows such a boundary is the page, and no metadata. */
static void a_boundary_inside_an_atomic_page_is_none(void **state)
{
	struct rig *rig = *state;

	rig->ops.boundary = rig_boundary;
	open_atomic(rig, 4, 100, 1);
	rig->map[0].count = 2;
	rig->map[0].flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 2, 2, 102);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+4, alloc 2+2, write 100+4");
	/* Nor if the page is refused. */
	rig->map[1].block = 200;
	dirty_page(rig, 0);
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_trace(rig, "alloc 0+4, alloc 2+2");
}

static void the_boundary_behind_a_refused_page_is_not_told(void **state)
{
	struct rig *rig = *state;

	rig->ops.boundary = rig_boundary;
	open_atomic(rig, 4, 102, 1);
	rig->map[0].flags |= MPIO_EXTENT_BOUNDARY;
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_trace(rig, "alloc 0+4");
}

static void an_atomic_page_larger_than_a_bio_is_refused_unwritten(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 2 * BLOCK;
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 1);
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_trace(rig, "");
}

static void an_atomic_page_for_which_no_bio_is_free_stays_dirty(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *held[4];

	rig->config.bios = 2;
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 4);
	for (size_t i = 0; i < COUNT_OF(held); i++)
		held[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(sync_all(rig), -MPIO_ENOMEM);
	assert_bits(rig, 0, "dddd");
	for (size_t i = 0; i < COUNT_OF(held); i++)
		mpio_bio_put(held[i]);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3");
}

/* Whatever is tried again: a part of the page alone would tear it. */
static void a_bad_block_does_not_tear_an_atomic_page(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	open_atomic(rig, 4, 100, 3);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_disk(&rig->a, 104, "a104 a105 a106 a107");
	assert_flags(rig, 1, "uptodate dirty error atomic");
}

static void a_short_transfer_does_not_tear_an_atomic_page(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 4, 0);

	fault->done = 2 * BLOCK;
	fault->times = 1;
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 100+4");
}

static void a_plain_page_next_to_an_atomic_one_may_be_cut(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 6 * BLOCK;
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 2);
	page_at(rig, 1)->flags &= ~MPIO_PAGE_ATOMIC;
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 a108");
	assert_int_equal(mpio_queue_stats(rig->queue)->writes, 2);
}

/* ---- Bios of several units ---------------------------------------------- */

static void of_atomic_pages_only_the_bad_one_fails(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 109, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 4);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 100+16, write 100+8, write 108+8, "
			  "write 108+4, write 112+4");
	assert_flags(rig, 1, "uptodate atomic");
	assert_flags(rig, 2, "uptodate dirty error atomic");
	assert_flags(rig, 3, "uptodate atomic");
	assert_disk(&rig->a, 107, "f7 a108 a109 a110 a111 f12");
}

static void one_atomic_page_does_not_fail_plain_ones(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_atomic(rig, 4, 100, 3);
	page_at(rig, 0)->flags &= ~MPIO_PAGE_ATOMIC;
	page_at(rig, 2)->flags &= ~MPIO_PAGE_ATOMIC;
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_status(rig, 0, -MPIO_EIO);
	assert_status(rig, 1, 0);
	assert_status(rig, 2, 0);
}

/* Units lie where the device has them, wherever the bio begins. */
static void a_bio_is_parted_where_units_of_the_device_begin(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_atomic(rig, 8, 100, 4);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 100+16, write 100+4, write 104+12");
	assert_status(rig, 0, -MPIO_EIO);
	assert_status(rig, 1, 0);
	/* Pages of one unit go together, or not at all. */
	rig->a.faults[0].block = 105;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 100+16, write 100+4, write 104+12, "
			  "write 104+8, write 112+4");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
	assert_status(rig, 2, -MPIO_EIO);
	assert_status(rig, 3, 0);
}

static void two_parts_of_units_are_two_units(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 104, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_atomic(rig, 8, 100, 2);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 100+8, write 100+4, write 104+4");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
}

static void a_unit_of_the_device_is_not_parted(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 104, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_atomic(rig, 16, 104, 2);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 104+8");
	assert_disk(&rig->a, 104, "a104 a105 a106 a107 a108 a109 a110 a111");
}

static void a_device_that_moves_one_unit_each_time_gets_there(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 16, 0)->done = 4 * BLOCK;
	rig->watch = WATCH_IO;
	open_atomic(rig, 4, 100, 4);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+16, write 104+12, write 108+8, "
			  "write 112+4");
	assert_disk(&rig->a, 112, "f12 f13 f14 f15 a116");
}

/* What was moved of a unit is moved again with the rest of it. */
static void a_short_transfer_goes_on_where_a_unit_begins(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 4, 0);

	fault->done = 6 * BLOCK;
	fault->times = 1;
	rig->watch = WATCH_IO;
	open_atomic(rig, 8, 100, 4);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+16, write 104+12");
	/* Of the first unit it has only the second half. */
	fault->is_over = false;
	fault->times = 1;
	fault->done = 3 * BLOCK;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+16, write 100+16");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7");
}

static void a_short_transfer_before_a_bad_unit_finds_it(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 4, 0);

	fault->done = 5 * BLOCK;
	fault->times = 1;
	mock_fail(&rig->a, 113, 1, -MPIO_EIO);
	open_atomic(rig, 8, 100, 6);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	for (uint32_t i = 0; i < 6; i++)
		assert_status(rig, i, i == 3 || i == 4 ? -MPIO_EIO : 0);
}

/* Through a slot, which holds more than a unit. */
static void bad_units_are_found_in_slots_too(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 512;
	rig->config.bounce_bytes = 64 * BLOCK;
	rig->together = true;
	rig->arena_used = 1;
	mock_fail(&rig->a, 117, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_atomic(rig, 8, 100, 6);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 100+12, write 112+12, write 112+8, "
			  "write 120+4");
	for (uint32_t i = 0; i < 6; i++)
		assert_status(rig, i, i == 3 || i == 4 ? -MPIO_EIO : 0);
}

/* Parts of a block of the device are units even so. */
static void units_of_cut_blocks_are_whole(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.logical_block_size = 4 * BLOCK;
	rig->config.bounce_bytes = 64 * BLOCK;
	mock_fail(&rig->a, 108, 1, -MPIO_EIO)->op = 1 << MPIO_BIO_WRITE;
	map_blocks(rig, 0, 12, 102);
	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	add_pages(rig, 0, 2, 6);
	rig->watch = WATCH_IO;
	rig_open(rig);
	for (uint32_t i = 0; i < 6; i++) {
		dirty_page(rig, i);
		page_at(rig, i)->flags |= MPIO_PAGE_ATOMIC;
	}
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	for (uint32_t i = 0; i < 6; i++)
		assert_status(rig, i, i == 3 || i == 4 ? -MPIO_EIO : 0);
	assert_disk(&rig->a, 102, "f0 f1 f2 f3 f4 f5 a108 a109 a110 a111 f10");
}

/* Where units begin, memory that is aligned in itself may not be. */
static void memory_is_aligned_where_units_begin(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 2 * BLOCK;
	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	rig->config.bounce_bytes = 64 * BLOCK;
	rig->together = true;
	map_blocks(rig, 0, 6, 101);
	add_pages(rig, 0, 2, 3);
	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	rig_open(rig);
	dirty_all(rig);
	page_at(rig, 0)->flags |= MPIO_PAGE_ATOMIC;
	page_at(rig, 2)->flags |= MPIO_PAGE_ATOMIC;
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 101+6, write 101+3, write 104+3");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
	assert_status(rig, 2, -MPIO_EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_page_inside_an_atomic_unit_is_written_by_one_bio),
		RIG_TEST(a_bio_never_ends_inside_an_atomic_page),
		RIG_TEST(an_atomic_page_across_two_units_is_refused_unwritten),
		RIG_TEST(a_unit_may_hold_several_atomic_pages),
		RIG_TEST(an_atomic_page_needs_a_device_that_can),
		RIG_TEST(a_scattered_atomic_page_is_refused_unwritten),
		RIG_TEST(an_atomic_page_in_touching_extents_is_written),
		RIG_TEST(an_atomic_page_may_end_at_a_boundary),
		RIG_TEST(a_boundary_inside_an_atomic_page_is_none),
		RIG_TEST(the_boundary_behind_a_refused_page_is_not_told),
		RIG_TEST(an_atomic_page_larger_than_a_bio_is_refused_unwritten),
		RIG_TEST(a_bad_block_does_not_tear_an_atomic_page),
		RIG_TEST(a_short_transfer_does_not_tear_an_atomic_page),
		RIG_TEST(a_plain_page_next_to_an_atomic_one_may_be_cut),
		RIG_TEST(of_atomic_pages_only_the_bad_one_fails),
		RIG_TEST(one_atomic_page_does_not_fail_plain_ones),
		RIG_TEST(a_bio_is_parted_where_units_of_the_device_begin),
		RIG_TEST(two_parts_of_units_are_two_units),
		RIG_TEST(a_unit_of_the_device_is_not_parted),
		RIG_TEST(a_device_that_moves_one_unit_each_time_gets_there),
		RIG_TEST(a_short_transfer_goes_on_where_a_unit_begins),
		RIG_TEST(a_short_transfer_before_a_bad_unit_finds_it),
		RIG_TEST(bad_units_are_found_in_slots_too),
		RIG_TEST(units_of_cut_blocks_are_whole),
		RIG_TEST(memory_is_aligned_where_units_begin),
		RIG_TEST(an_atomic_page_for_which_no_bio_is_free_stays_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

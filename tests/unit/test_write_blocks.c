/* SPDX-License-Identifier: MIT */
/*
 * Write-back of pages that keep a bit a block, where a block cannot be
 * written, and of pages next to each other that do not belong together.
 */
#include "mock.h"

/* One page of four blocks, of which some are dirty. */
static void open_blocks(struct rig *rig)
{
	rig->watch = WATCH_IO;
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	rig_open(rig);
}

static void what_failed_is_dropped_if_the_engine_so_wants(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_DROP_FAILED;
	map_blocks(rig, 0, 4, 100);
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_blocks(rig);
	dirty_blocks(rig, 0, 0, 3);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_bits(rig, 0, "uuu-");
	assert_flags(rig, 0, "error");
	assert_disk(&rig->a, 100, "f0 a101 f2 a103");
}

static void so_is_what_could_not_be_mapped(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_DROP_FAILED;
	map_blocks(rig, 0, 4, 100)->error = -MPIO_ENOSPC;
	open_blocks(rig);
	dirty_blocks(rig, 0, 1, 2);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_bits(rig, 0, "-uu-");
	assert_flags(rig, 0, "error");
	assert_trace(rig, "");
}

static void so_is_what_the_engine_refused_to_hear_of(void **state)
{
	struct rig *rig = *state;

	rig->mapping.flags = MPIO_MAPPING_DROP_FAILED;
	rig->ops.written = rig_written;
	rig->hook_error = -MPIO_EIO;
	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_UNWRITTEN;
	open_blocks(rig);
	dirty_blocks(rig, 0, 1, 2);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_bits(rig, 0, "-uu-");
	assert_flags(rig, 0, "error");
}

static void what_lies_on_two_devices_is_not_written_as_one(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	rig->b.device.limits.atomic_unit = 4 * BLOCK;
	map_blocks(rig, 0, 2, 100);
	open_blocks(rig);
	map_blocks(rig, 2, 2, 102)->queue = rig->other;
	dirty_blocks(rig, 0, 0, 4);
	page_at(rig, 0)->flags |= MPIO_PAGE_ATOMIC;
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_bits(rig, 0, "dddd");
	assert_trace(rig, "");
}

static void blocks_apart_are_not_written_as_one(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	map_blocks(rig, 0, 4, 100);
	open_blocks(rig);
	dirty_blocks(rig, 0, 0, 1);
	dirty_blocks(rig, 0, 3, 1);
	page_at(rig, 0)->flags |= MPIO_PAGE_ATOMIC;
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_bits(rig, 0, "d--d");
	assert_trace(rig, "");
}

/* ---- Neighbours --------------------------------------------------------- */

static size_t name_both(struct mpio_mapping *mapping, uint64_t pos,
			uint64_t end, uint32_t flags, struct mpio_page **pages,
			size_t pages_max)
{
	struct rig *rig = mapping->host;

	(void)end;
	(void)flags;
	assert_in_range(pages_max, 2, SIZE_MAX);
	if (pos != 0)
		return 0;
	pages[0] = page_at(rig, 0);
	pages[1] = page_at(rig, 1);
	return 2;
}

static void a_page_of_another_mapping_is_no_neighbour(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};
	struct mpio_mapping other;

	rig->ops.next_dirty = name_both;
	rig->watch = WATCH_IO | WATCH_MAP;
	open_with_pages(rig, 4, 2);
	other = rig->mapping;
	dirty_all(rig);
	page_at(rig, 1)->mapping = &other;
	rig->trace[0] = '\0';
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc), 0);
	assert_trace(rig, "alloc 0+4, write 100+4");
	assert_flags(rig, 1, "uptodate dirty");
	page_at(rig, 1)->mapping = &rig->mapping;
}

static void a_range_of_one_page_has_no_neighbour(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {
		.nr_to_write = MPIO_WRITE_ALL,
		.range_end = 4 * BLOCK - 1,
	};

	rig->ops.next_dirty = name_both;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	rig->trace[0] = '\0';
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EINVAL);
	assert_trace(rig, "write 100+4");
	/* A sync looks at all that is named before it writes any. */
	dirty_all(rig);
	wbc.sync_mode = MPIO_SYNC_ALL;
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EINVAL);
	assert_flags(rig, 1, "uptodate dirty");
}

static void a_page_that_does_not_fit_is_not_written(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	rig->trace[0] = '\0';
	page_at(rig, 0)->size = 4 * BLOCK - 1;
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), NULL),
			 -MPIO_EINVAL);
	page_at(rig, 0)->size = 4 * BLOCK;
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty");
}

static void what_is_being_written_is_not_read(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	map_blocks(rig, 0, 4, 100);
	open_blocks(rig);
	dirty_blocks(rig, 0, 1, 1);
	page = page_at(rig, 0);
	page->flags &= ~MPIO_PAGE_UPTODATE;
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	page->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_readahead(rig->queue, &rig->mapping, &page, 1, 0),
			 -MPIO_EINVAL);
	page->flags &= ~MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_disk(&rig->a, 100, "a100 f1 a102 a103");
}

static void periodic_writes_are_background(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.reason = MPIO_REASON_PERIODIC,
					     .nr_to_write = MPIO_WRITE_ALL};

	rig->watch = WATCH_IO | WATCH_FLAGS;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	rig->trace[0] = '\0';
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc), 0);
	assert_trace(rig, "write 100+4 background");
}

static void of_a_neighbour_only_dirty_blocks_are_written(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 2);
	dirty_page(rig, 0);
	give_bits(rig, 1);
	fill_blocks(rig, 1, 0, 4);
	dirty_blocks(rig, 1, 0, 1);
	rig->trace[0] = '\0';
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_trace(rig, "write 100+5");
	assert_bits(rig, 1, "uuuu");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 a105");
	/* If all of them are dirty, all are clean after it. */
	dirty_page(rig, 0);
	dirty_blocks(rig, 1, 0, 4);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_trace(rig, "write 100+8");
	assert_bits(rig, 1, "uuuu");
}

/* A page that must not tear has its blocks mapped by an answer that is kept. */
static void what_is_known_is_not_asked_for_again(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.atomic_unit = 8 * BLOCK;
	rig->watch = WATCH_IO | WATCH_MAP;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 1);
	dirty_blocks(rig, 0, 2, 2);
	page_at(rig, 1)->flags |= MPIO_PAGE_ATOMIC;
	rig->trace[0] = '\0';
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_trace(rig, "alloc 0+1, alloc 2+6, write 100+1, write 102+6");
}

/* Once its first block was taken. */
static void dirty_the_first(struct rig *rig, uint64_t block)
{
	if (block == 2)
		dirty_blocks(rig, 0, 0, 1);
}

/* Also where what cannot be written is dropped: this can. */
static void what_is_changed_meanwhile_stays_dirty(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 2, 300);
	rig->mapping.flags |= MPIO_MAPPING_DROP_FAILED;
	rig->before_map = dirty_the_first;
	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	rig_open(rig);
	dirty_blocks(rig, 0, 0, 4);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_bits(rig, 0, "duuu");
	assert_flags(rig, 0, "dirty");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_failed_is_dropped_if_the_engine_so_wants),
		RIG_TEST(so_is_what_could_not_be_mapped),
		RIG_TEST(so_is_what_the_engine_refused_to_hear_of),
		RIG_TEST(what_lies_on_two_devices_is_not_written_as_one),
		RIG_TEST(blocks_apart_are_not_written_as_one),
		RIG_TEST(a_page_of_another_mapping_is_no_neighbour),
		RIG_TEST(a_range_of_one_page_has_no_neighbour),
		RIG_TEST(a_page_that_does_not_fit_is_not_written),
		RIG_TEST(what_is_being_written_is_not_read),
		RIG_TEST(periodic_writes_are_background),
		RIG_TEST(of_a_neighbour_only_dirty_blocks_are_written),
		RIG_TEST(what_is_known_is_not_asked_for_again),
		RIG_TEST(what_is_changed_meanwhile_stays_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

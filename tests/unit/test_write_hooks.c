/* SPDX-License-Identifier: MIT */
/* Writing: the engine's hooks, when each is called and with what. */
#include "mock.h"

/* ---- New blocks --------------------------------------------------------- */

static void new_blocks_are_told_before_they_are_written(void **state)
{
	struct rig *rig = *state;

	rig->ops.new_blocks = rig_new_blocks;
	open_with_pages(rig, 4, 2);
	rig->map[0].flags |= MPIO_EXTENT_NEW;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, new 100+8, write 100+8");
	/* They are not new the next time. */
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, write 100+8");
}

static void each_new_block_is_told_once(void **state)
{
	struct rig *rig = *state;

	rig->ops.new_blocks = rig_new_blocks;
	rig->answer_max = 3;
	open_with_pages(rig, 4, 2);
	rig->map[0].flags |= MPIO_EXTENT_NEW;
	rig->allocated[4] = true;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, new 100+3, alloc 3+5, new 103+1, "
			  "alloc 4+4, alloc 5+3, new 105+3, write 100+8");
}

static void new_blocks_are_told_with_their_queue(void **state)
{
	struct rig *rig = *state;

	rig->ops.new_blocks = rig_new_blocks;
	rig->two = true;
	open_with_pages(rig, 4, 1);
	rig->map[0].flags |= MPIO_EXTENT_NEW;
	rig->map[0].queue = rig->other;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+4, b:new 100+4, b:write 100+4");
}

/* ---- Boundary ----------------------------------------------------------- */

static void the_block_behind_a_boundary_is_told_in_order(void **state)
{
	struct rig *rig = *state;

	rig->ops.boundary = rig_boundary;
	map_blocks(rig, 0, 6, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 6, 10, 107);
	add_pages(rig, 0, 4, 4);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+16, write 100+6, boundary 106, alloc 6+10, "
			  "write 107+10");
}

static void a_boundary_at_the_end_of_a_walk_is_told_too(void **state)
{
	struct rig *rig = *state;

	rig->ops.boundary = rig_boundary;
	open_with_pages(rig, 4, 1);
	rig->map[0].flags |= MPIO_EXTENT_BOUNDARY;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+4, write 100+4, boundary 104");
}

static void reading_tells_no_boundary(void **state)
{
	struct rig *rig = *state;

	rig->ops.boundary = rig_boundary;
	rig->ops.new_blocks = rig_new_blocks;
	rig->ops.account = rig_account;
	open_with_pages(rig, 4, 1);
	rig->map[0].flags |= MPIO_EXTENT_BOUNDARY;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read 100+4");
}

/* ---- Written ------------------------------------------------------------ */

static void what_is_on_the_device_is_told_before_the_pages_end(void **state)
{
	struct rig *rig = *state;

	rig->ops.written = rig_written;
	rig->watch |= WATCH_END;
	map_blocks(rig, 0, 6, 100);
	map_blocks(rig, 6, 2, 200);
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, alloc 6+2, write 100+6, "
			  "written 0+6@100, write_end 0, write 200+2, "
			  "written 6+2@200, write_end 1");
}

static void each_stretch_of_the_file_is_told_by_itself(void **state)
{
	struct rig *rig = *state;

	/* Blocks 0 and 1, then 4: one I/O, two stretches. */
	rig->ops.written = rig_written;
	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 4, 2, 102);
	add_pages(rig, 0, 2, 1);
	add_pages(rig, 4, 2, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+2, alloc 4+2, write 100+4, "
			  "written 0+2@100, written 4+2@102");
}

static void what_each_io_has_written_is_told(void **state)
{
	struct rig *rig = *state;

	rig->ops.written = rig_written;
	rig->config.segments_max = rig->config.pages_max = 3;
	rig->watch = WATCH_HOOKS;
	open_with_pages(rig, 1, 8);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "written 0+3@100, written 3+3@103, "
			  "written 6+2@106");
}

static void what_failed_is_not_told_as_written(void **state)
{
	struct rig *rig = *state;

	rig->ops.written = rig_written;
	rig->watch = WATCH_HOOKS;
	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 4);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "written 0+2@100, written 3+1@103");
}

static void an_error_of_written_is_the_pages(void **state)
{
	struct rig *rig = *state;

	rig->ops.written = rig_written;
	rig->hook_error = -MPIO_ENOSPC;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_flags(rig, 0, "uptodate dirty error");
	assert_flags(rig, 1, "uptodate dirty error");
	rig->hook_error = 0;
	assert_int_equal(sync_all(rig), 0);
	assert_flags(rig, 0, "uptodate");
}

/* Or the next walk would find nothing to do, and tell of no error. */
static void blocks_that_written_fails_for_are_dirty_again(void **state)
{
	struct rig *rig = *state;

	rig->ops.written = rig_written;
	rig->hook_error = -MPIO_EIO;
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 1, 2);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "dirty error");
	assert_bits(rig, 0, "-dd-");
	rig->hook_error = 0;
	rig->trace[0] = '\0';
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 1+2, write 101+2, written 1+2@101");
}

/* So are those beside a bad one, of which the engine was not told. */
static void blocks_that_are_not_told_of_are_dirty_again(void **state)
{
	struct rig *rig = *state;

	rig->ops.written = rig_written;
	rig->watch = WATCH_HOOKS;
	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 4);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "");
	assert_bits(rig, 0, "dddd");
	rig->a.fault_count = 0;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "written 0+4@100");
	assert_bits(rig, 0, "uuuu");
}

/* ---- Account ------------------------------------------------------------ */

static void each_page_is_paid_for_once(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 1, 0);

	fault->done = BLOCK;
	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	rig->ops.account = rig_account;
	rig->watch = WATCH_HOOKS;
	rig->mapping.size = 10 * BLOCK;
	open_with_pages(rig, 4, 4);
	dirty_page(rig, 0);
	give_bits(rig, 1);
	dirty_blocks(rig, 1, 0, 2);
	dirty_blocks(rig, 1, 3, 1);
	dirty_page(rig, 2);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "account 0:4, account 1:3, account 2:2");
}

static void each_of_many_pages_is_paid_for(void **state)
{
	struct rig *rig = *state;

	rig->ops.account = rig_account;
	rig->watch = WATCH_HOOKS;
	open_with_pages(rig, 2, 6);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "account 0:2, account 1:2, account 2:2, "
			  "account 3:2, account 4:2, account 5:2");
}

/* ---- Seal --------------------------------------------------------------- */

static unsigned char shadow[4 * BLOCK];
static bool tail_was_zero;

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct rig *rig = mapping->host;
	const unsigned char *bytes = page->data;

	trace(rig, WATCH_HOOKS, "seal %u", index_of(rig, page));
	if (*data != page->data)
		trouble(rig, "seal with other memory than the page's");
	if (!(page->flags & MPIO_PAGE_LOCKED))
		trouble(rig, "seal of a page that is not locked");
	tail_was_zero = bytes[page->size - 1] == 0;
	if (rig->hook_error != 0)
		return rig->hook_error;
	for (uint32_t i = 0; i < page->size; i++)
		shadow[i] = bytes[i] ^ 0xff;
	*data = shadow;
	return 0;
}

static void a_page_is_sealed_before_it_leaves(void **state)
{
	struct rig *rig = *state;

	rig->ops.seal = seal;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_memory_equal(rig->a.disk + 100 * BLOCK, shadow, 4 * BLOCK);
	assert_page(rig, 0, "f0 f1 f2 f3");
	assert_trace(rig, "seal 0, alloc 0+4, write 100+4");
}

static void the_tail_is_zeroed_before_the_page_is_sealed(void **state)
{
	struct rig *rig = *state;

	rig->ops.seal = seal;
	rig->mapping.size = 2 * BLOCK + 100;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	tail_was_zero = false;
	assert_int_equal(sync_all(rig), 0);
	assert_true(tail_was_zero);
	assert_memory_equal(rig->a.disk + 100 * BLOCK, shadow, 3 * BLOCK);
	assert_disk(&rig->a, 103, "a103");
}

/* In place, as a checksum is. */
static int seal_in_place(struct mpio_mapping *mapping, struct mpio_page *page,
			 void **data)
{
	trace(mapping->host, WATCH_HOOKS, "seal %u",
	      index_of(mapping->host, page));
	memset((char *)*data + page->size - BLOCK, 0, BLOCK);
	return 0;
}

static void each_of_many_pages_is_sealed(void **state)
{
	struct rig *rig = *state;

	rig->ops.seal = seal_in_place;
	rig->watch = WATCH_HOOKS;
	open_with_pages(rig, 2, 5);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, seal 1, seal 2, seal 3, seal 4");
	assert_disk(&rig->a, 100, "f0 0 f2 0 f4 0 f6 0 f8 0 a110");
}

static void dirty_blocks_come_from_the_shadow_too(void **state)
{
	struct rig *rig = *state;

	rig->ops.seal = seal;
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 2, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_memory_equal(rig->a.disk + 102 * BLOCK, shadow + 2 * BLOCK,
			    BLOCK);
	assert_disk(&rig->a, 103, "a103");
}

static void a_page_that_cannot_be_sealed_stays_dirty(void **state)
{
	struct rig *rig = *state;

	rig->ops.seal = seal;
	rig->hook_error = -MPIO_ENOMEM;
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 0, 4);
	assert_int_equal(sync_all(rig), -MPIO_ENOMEM);
	assert_disk(&rig->a, 100, "a100 a101");
	assert_flags(rig, 0, "dirty error");
	assert_bits(rig, 0, "dddd");
	assert_int_equal(rig->frames[0].writes, 1);
}

/* ---- Other --------------------------------------------------------------- */

/* Their pages follow each other in position, and on the device. */
static void of_two_mappings_in_one_io_each_is_told_its_own(void **state)
{
	struct rig *rig = *state;
	struct mpio_mapping other;

	rig->ops.written = rig_written;
	rig->watch = WATCH_IO | WATCH_HOOKS;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	other = rig->mapping;
	page_at(rig, 1)->mapping = &other;
	mpio_queue_plug(rig->queue);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), NULL),
			 0);
	assert_int_equal(
		mpio_write_page(rig->queue, &other, page_at(rig, 1), NULL), 0);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 100+8, written 0+4@100, written 4+4@104");
}

static void new_blocks_need_not_be_told(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 1);
	rig->map[0].flags |= MPIO_EXTENT_NEW;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+4, write 100+4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(new_blocks_are_told_before_they_are_written),
		RIG_TEST(each_new_block_is_told_once),
		RIG_TEST(new_blocks_are_told_with_their_queue),
		RIG_TEST(the_block_behind_a_boundary_is_told_in_order),
		RIG_TEST(a_boundary_at_the_end_of_a_walk_is_told_too),
		RIG_TEST(reading_tells_no_boundary),
		RIG_TEST(what_is_on_the_device_is_told_before_the_pages_end),
		RIG_TEST(each_stretch_of_the_file_is_told_by_itself),
		RIG_TEST(what_each_io_has_written_is_told),
		RIG_TEST(what_failed_is_not_told_as_written),
		RIG_TEST(an_error_of_written_is_the_pages),
		RIG_TEST(blocks_that_written_fails_for_are_dirty_again),
		RIG_TEST(each_page_is_paid_for_once),
		RIG_TEST(each_of_many_pages_is_paid_for),
		RIG_TEST(a_page_is_sealed_before_it_leaves),
		RIG_TEST(the_tail_is_zeroed_before_the_page_is_sealed),
		RIG_TEST(each_of_many_pages_is_sealed),
		RIG_TEST(dirty_blocks_come_from_the_shadow_too),
		RIG_TEST(a_page_that_cannot_be_sealed_stays_dirty),
		RIG_TEST(of_two_mappings_in_one_io_each_is_told_its_own),
		RIG_TEST(new_blocks_need_not_be_told),
		RIG_TEST(blocks_that_are_not_told_of_are_dirty_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

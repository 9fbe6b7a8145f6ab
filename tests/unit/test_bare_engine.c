/* SPDX-License-Identifier: MIT */
/*
 * Engines that have no more than get_block, or not even that, and engines that
 * name dirty pages where there can be none.
 */
#include "mock.h"

/* ---- Ends that nobody is told ------------------------------------------- */

/* Pages that are read, and end without the rig knowing. */
static void read_unseen(struct rig *rig)
{
	rig->ops.read_end = NULL;
	assert_int_equal(read_all(rig, 0), rig->frame_count);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < rig->frame_count; i++)
		rig->frames[i].handed = 0;
}

static void pages_are_read_though_nobody_is_told(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	map_blocks(rig, 12, 2, 200);
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	read_unseen(rig);
	assert_page(rig, 0, "a100 a101 a102 a103");
	assert_page(rig, 2, "0 0 0 0");
	assert_page(rig, 3, "a200 a201 0 0");
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(page_at(rig, i)->flags & MPIO_PAGE_UPTODATE,
				 MPIO_PAGE_UPTODATE);
}

static void a_page_that_is_there_already_ends_untold_too(void **state)
{
	struct rig *rig = *state;

	add_pages(rig, 0, 4, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 0, 4);
	page_at(rig, 0)->flags = 0;
	rig_open(rig);
	read_unseen(rig);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate");
}

static void a_read_that_fails_is_told_by_the_page(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	read_unseen(rig);
	assert_flags(rig, 0, "error");
	assert_int_equal(page_at(rig, 0)->error, -MPIO_EIO);
	assert_flags(rig, 1, "uptodate mapped");
}

static void pages_are_written_though_nobody_is_told(void **state)
{
	struct rig *rig = *state;

	rig->ops.write_end = NULL;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11");
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "uptodate dirty error");
	assert_flags(rig, 1, "uptodate");
}

static void without_get_block_nothing_is_read(void **state)
{
	struct rig *rig = *state;
	struct mpio_page *page;

	open_with_pages(rig, 4, 1);
	page = page_at(rig, 0);
	page->flags = MPIO_PAGE_LOCKED;
	rig->ops.get_block = NULL;
	assert_int_equal(mpio_readahead(rig->queue, &rig->mapping, &page, 1, 0),
			 -MPIO_EINVAL);
	rig->mapping.ops = NULL;
	assert_int_equal(mpio_readahead(rig->queue, &rig->mapping, &page, 1, 0),
			 -MPIO_EINVAL);
	page->flags = 0;
}

/* ---- Pages that are named wrongly --------------------------------------- */

static struct mpio_page *named[4];
static size_t named_count;

/* Whatever is asked for; once. */
static size_t name_all(struct mpio_mapping *mapping, uint64_t pos, uint64_t end,
		       uint32_t flags, struct mpio_page **pages,
		       size_t pages_max)
{
	size_t n = named_count;

	(void)mapping;
	(void)pos;
	(void)end;
	(void)flags;
	assert_in_range(n, 0, pages_max);
	for (size_t i = 0; i < n; i++)
		pages[i] = named[i];
	named_count = 0;
	return n;
}

static void open_naming(struct rig *rig, uint32_t count)
{
	rig->watch = WATCH_IO;
	rig->ops.next_dirty = name_all;
	open_with_pages(rig, 4, count);
	dirty_all(rig);
	for (uint32_t i = 0; i < count; i++)
		named[i] = page_at(rig, i);
	named_count = count;
	rig->trace[0] = '\0';
}

static void what_is_named_past_the_range_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {
		.nr_to_write = MPIO_WRITE_ALL,
		.range_end = 8 * BLOCK - 1,
	};

	open_naming(rig, 4);
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EINVAL);
	assert_trace(rig, "write 100+8");
	assert_flags(rig, 1, "uptodate");
	assert_flags(rig, 2, "uptodate dirty");
}

static void what_cannot_be_a_page_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};
	struct mpio_page good;
	struct mpio_page *page;

	open_naming(rig, 1);
	page = named[0];
	good = *page;
	for (int i = 0; i < 4; i++) {
		*page = good;
		if (i == 0)
			page->size = 0;
		else if (i == 1)
			page->pos = UINT64_MAX - BLOCK + 1;
		else if (i == 2)
			page->size = BLOCK + 1;
		else
			page->pos = 3;
		named_count = 1;
		assert_int_equal(
			mpio_writepages(rig->queue, &rig->mapping, &wbc),
			-MPIO_EINVAL);
	}
	*page = good;
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty");
}

/* A walk does not go back. */
static void what_is_named_behind_the_walk_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};

	open_naming(rig, 2);
	named[0] = page_at(rig, 1);
	named[1] = page_at(rig, 0);
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EINVAL);
	assert_trace(rig, "write 104+4");
	assert_flags(rig, 0, "uptodate dirty");
}

static void a_mapping_that_cannot_be_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};

	open_naming(rig, 1);
	rig->mapping.block_size = 1000;
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), NULL),
			 -MPIO_EINVAL);
	rig->mapping.block_size = BLOCK;
	rig->ops.next_dirty = NULL;
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EINVAL);
	assert_trace(rig, "");
}

/* ---- Devices that cannot say what has ended ----------------------------- */

static void a_sync_that_cannot_wait_says_so(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
					     .nr_to_write = MPIO_WRITE_ALL};

	open_slow(rig, 4, 2);
	rig->watch = 0;
	dirty_all(rig);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EREMOTEIO);
	/* The pages are still under write-back: they cannot be waited for. */
	dirty_page(rig, 0);
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EREMOTEIO);
	assert_int_equal(wbc.pages_skipped, 1);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), &wbc),
			 -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 1, "uptodate");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7");
}

/* ---- Pages that change while they are waited for ------------------------ */

static struct mpio_mapping elsewhere;

static void clean(struct rig *rig, struct frame *frame)
{
	(void)rig;
	frame->page.flags &= ~MPIO_PAGE_DIRTY;
}

static void take_away(struct rig *rig, struct frame *frame)
{
	elsewhere = rig->mapping;
	frame->page.mapping = &elsewhere;
}

static void what_was_waited_for_may_need_no_write(void **state)
{
	void (*const changes[])(struct rig *, struct frame *) = {clean,
								 take_away};
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	rig->watch = WATCH_IO;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		rig->trace[0] = '\0';
		dirty_page(rig, 0);
		assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
		page_at(rig, 0)->flags |= MPIO_PAGE_DIRTY;
		rig->after_end = changes[i];
		assert_int_equal(sync_all(rig), 0);
		assert_trace(rig, "write 100+4");
		rig->after_end = NULL;
		page_at(rig, 0)->mapping = &rig->mapping;
		page_at(rig, 0)->flags &= ~MPIO_PAGE_DIRTY;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(pages_are_read_though_nobody_is_told),
		RIG_TEST(a_page_that_is_there_already_ends_untold_too),
		RIG_TEST(a_read_that_fails_is_told_by_the_page),
		RIG_TEST(pages_are_written_though_nobody_is_told),
		RIG_TEST(without_get_block_nothing_is_read),
		RIG_TEST(what_is_named_past_the_range_is_not_written),
		RIG_TEST(what_cannot_be_a_page_is_not_written),
		RIG_TEST(what_is_named_behind_the_walk_is_refused),
		RIG_TEST(a_mapping_that_cannot_be_is_not_written),
		RIG_TEST(a_sync_that_cannot_wait_says_so),
		RIG_TEST(what_was_waited_for_may_need_no_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

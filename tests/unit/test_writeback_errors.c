/* SPDX-License-Identifier: MIT */
/*
 * The write-back walk: what is told when something failed, to whom, and how
 * often; and what is refused.
 */
#include "mock.h"

static int walk(struct rig *rig, struct mpio_writeback_control *wbc)
{
	return mpio_writepages(rig->queue, &rig->mapping, wbc);
}

/* ---- Errors ------------------------------------------------------------- */

static void sync_none_stops_at_a_page_that_cannot_be_mapped(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = 10};

	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 8, 4, 108);
	add_pages(rig, 0, 4, 3);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(walk(rig, &wbc), -MPIO_ENOSPC);
	assert_flags(rig, 0, "uptodate");
	assert_flags(rig, 1, "uptodate dirty error");
	assert_flags(rig, 2, "uptodate dirty");
	assert_int_equal(wbc.nr_to_write, 9);
	assert_disk(&rig->a, 100, "f0 f1 f2 f3");
	assert_int_equal(mpio_errseq_check(&rig->mapping.errors, NULL),
			 -MPIO_ENOSPC);
}

static void sync_all_goes_on_and_returns_the_first_error(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
					     .nr_to_write = 10};

	map_blocks(rig, 0, 4, 0)->error = -MPIO_EDQUOT;
	map_blocks(rig, 8, 4, 108);
	add_pages(rig, 0, 4, 3);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(walk(rig, &wbc), -MPIO_EDQUOT);
	assert_int_equal(wbc.nr_to_write, 7);
	assert_flags(rig, 0, "uptodate dirty error");
	assert_flags(rig, 1, "uptodate dirty error");
	assert_flags(rig, 2, "uptodate");
}

static void sync_all_returns_when_every_page_has_ended(void **state)
{
	struct rig *rig = *state;

	rig->a.reap_max = 1;
	open_slow(rig, 4, 1);
	rig->map_count = 0;
	for (uint64_t i = 0; i < 16; i++)
		map_blocks(rig, i, 1, 100 + 2 * i);
	add_pages(rig, 4, 4, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(rig->frames[i].writes, 1);
		assert_flags(rig, i, "uptodate");
	}
}

static void a_device_that_fails_is_told_to_sync_all_only(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_flags(rig, 0, "uptodate dirty error");
	rig->a.fault_count = 0;
	/* The page is written now; the error is still to be told, once. */
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "uptodate");
	assert_int_equal(sync_all(rig), 0);
}

static int sync_since(struct rig *rig, struct mpio_errseq *since)
{
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
					     .since = since};

	return walk(rig, &wbc);
}

static void each_holder_is_told_of_an_error_once(void **state)
{
	struct rig *rig = *state;
	struct mpio_errseq first;
	struct mpio_errseq second;
	struct mpio_errseq late;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	first = mpio_errseq_sample(&rig->mapping.errors);
	second = first;
	dirty_all(rig);
	assert_int_equal(sync_since(rig, &first), -MPIO_EIO);
	rig->a.fault_count = 0;
	late = mpio_errseq_sample(&rig->mapping.errors);
	assert_int_equal(sync_since(rig, &first), 0);
	assert_int_equal(sync_since(rig, &second), -MPIO_EIO);
	assert_int_equal(sync_since(rig, &second), 0);
	assert_int_equal(sync_since(rig, &late), 0);
	assert_int_equal(sync_since(rig, &first), 0);
}

static void an_error_of_the_walk_is_not_told_again(void **state)
{
	struct rig *rig = *state;
	struct mpio_errseq since = {0};

	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_since(rig, &since), -MPIO_ENOSPC);
	map_blocks(rig, 0, 4, 100);
	assert_int_equal(sync_since(rig, &since), 0);
	assert_flags(rig, 0, "uptodate");
}

static void sync_none_leaves_the_cursor_alone(void **state)
{
	struct rig *rig = *state;
	struct mpio_errseq since = {0};
	struct mpio_writeback_control wbc = {.nr_to_write = 10,
					     .since = &since};

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(walk(rig, &wbc), 0);
	assert_int_equal(mpio_errseq_check(&rig->mapping.errors, &since),
			 -MPIO_EIO);
}

static void a_device_that_cannot_be_waited_for_is_told(void **state)
{
	struct rig *rig = *state;

	open_slow(rig, 4, 1);
	dirty_all(rig);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(sync_all(rig), -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 0, "uptodate");
}

/* ---- What is refused ---------------------------------------------------- */

static void a_mapping_without_next_dirty_cannot_be_walked(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	rig->ops.next_dirty = NULL;
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), -MPIO_EINVAL);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty");
}

static void a_mapping_with_an_impossible_block_size_is_refused(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	rig->mapping.block_size = 1000;
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	rig->mapping.block_size = 0;
	assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	page_at(rig, 0)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(
		mpio_read_page(rig->queue, &rig->mapping, page_at(rig, 0)),
		-MPIO_EINVAL);
	page_at(rig, 0)->flags &= ~MPIO_PAGE_LOCKED;
	rig->mapping.block_size = BLOCK;
	assert_flags(rig, 0, "uptodate dirty");
}

static size_t names_max_and_one(struct mpio_mapping *mapping, uint64_t pos,
				uint64_t end, uint32_t flags,
				struct mpio_page **pages, size_t pages_max)
{
	struct rig *rig = mapping->host;

	(void)pos;
	(void)end;
	(void)flags;
	for (size_t i = 0; i < pages_max; i++)
		pages[i] = page_at(rig, 0);
	return pages_max + 1;
}

static size_t names_backwards(struct mpio_mapping *mapping, uint64_t pos,
			      uint64_t end, uint32_t flags,
			      struct mpio_page **pages, size_t pages_max)
{
	struct rig *rig = mapping->host;

	(void)pos;
	(void)end;
	(void)flags;
	(void)pages_max;
	pages[0] = page_at(rig, 1);
	pages[1] = page_at(rig, 0);
	return 2;
}

static size_t names_the_first(struct mpio_mapping *mapping, uint64_t pos,
			      uint64_t end, uint32_t flags,
			      struct mpio_page **pages, size_t pages_max)
{
	(void)pos;
	(void)end;
	(void)flags;
	(void)pages_max;
	pages[0] = page_at(mapping->host, 0);
	return 1;
}

static size_t names_an_overlapping_one(struct mpio_mapping *mapping,
				       uint64_t pos, uint64_t end,
				       uint32_t flags, struct mpio_page **pages,
				       size_t pages_max)
{
	(void)pos;
	(void)end;
	(void)flags;
	(void)pages_max;
	pages[0] = page_at(mapping->host, 0);
	pages[1] = page_at(mapping->host, 1);
	pages[1]->pos = 2 * BLOCK;
	return 2;
}

static size_t names_an_unfit_one(struct mpio_mapping *mapping, uint64_t pos,
				 uint64_t end, uint32_t flags,
				 struct mpio_page **pages, size_t pages_max)
{
	(void)pos;
	(void)end;
	(void)flags;
	(void)pages_max;
	pages[0] = page_at(mapping->host, 1);
	pages[0]->size = BLOCK + 1;
	return 1;
}

static size_t names_an_unfit_second(struct mpio_mapping *mapping, uint64_t pos,
				    uint64_t end, uint32_t flags,
				    struct mpio_page **pages, size_t pages_max)
{
	(void)pos;
	(void)end;
	(void)flags;
	(void)pages_max;
	pages[0] = page_at(mapping->host, 0);
	pages[1] = page_at(mapping->host, 1);
	pages[1]->size = BLOCK + 1;
	pages[1]->pos = 4 * BLOCK;
	return 2;
}

static void pages_that_are_named_wrongly_stop_the_walk(void **state)
{
	size_t (*const names[])(struct mpio_mapping *, uint64_t, uint64_t,
				uint32_t, struct mpio_page **, size_t) = {
		names_max_and_one,  names_backwards,
		names_the_first,    names_an_overlapping_one,
		names_an_unfit_one, names_an_unfit_second,
	};
	struct rig *rig = *state;

	open_with_pages(rig, 4, 2);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		dirty_all(rig);
		rig->ops.next_dirty = names[i];
		assert_int_equal(write_all(rig, MPIO_SYNC_NONE), -MPIO_EINVAL);
		assert_int_equal(sync_all(rig), -MPIO_EINVAL);
	}
	page_at(rig, 1)->size = 4 * BLOCK;
}

/* Two good ones, and a third where there is room for two. */
static size_t names_one_too_many(struct mpio_mapping *mapping, uint64_t pos,
				 uint64_t end, uint32_t flags,
				 struct mpio_page **pages, size_t pages_max)
{
	(void)pos;
	(void)end;
	(void)flags;
	assert_int_equal(pages_max, 2);
	pages[0] = page_at(mapping->host, 0);
	pages[1] = page_at(mapping->host, 1);
	return 3;
}

static void of_too_many_pages_none_is_written(void **state)
{
	struct rig *rig = *state;

	rig->config.walk_pages = 2;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	rig->ops.next_dirty = names_one_too_many;
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), -MPIO_EINVAL);
	assert_trace(rig, "");
}

/* The walk goes on behind the page that it began with. */
static size_t names_an_overlapping_one_once(struct mpio_mapping *mapping,
					    uint64_t pos, uint64_t end,
					    uint32_t flags,
					    struct mpio_page **pages,
					    size_t pages_max)
{
	(void)pages_max;
	if (pos != 0)
		return 0;
	return names_an_overlapping_one(mapping, pos, end, flags, pages, 2);
}

static void a_page_that_overlaps_the_one_before_is_not_written(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	rig->ops.next_dirty = names_an_overlapping_one_once;
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), -MPIO_EINVAL);
	assert_trace(rig, "write 100+4");
	page_at(rig, 1)->pos = 4 * BLOCK;
}

/* Be it that one page more is written than is left of the budget. */
static void nor_is_one_behind_the_range(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.range_end = BLOCK - 1};

	map_blocks(rig, 4, 4, 100);
	add_pages(rig, 4, 4, 1);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	rig_open(rig);
	rig->ops.next_dirty = names_the_first;
	for (wbc.nr_to_write = 0; wbc.nr_to_write < 3; wbc.nr_to_write++) {
		assert_int_equal(walk(rig, &wbc), -MPIO_EINVAL);
		assert_trace(rig, "");
	}
}

/* ---- The first of two errors --------------------------------------------- */

/* When the marked pages are written, not when they are marked. */
static size_t lies_at_last(struct mpio_mapping *mapping, uint64_t pos,
			   uint64_t end, uint32_t flags,
			   struct mpio_page **pages, size_t pages_max)
{
	struct rig *rig = mapping->host;

	(void)end;
	if (pos != 0)
		return flags & MPIO_PAGE_TOWRITE ? pages_max + 1 : 0;
	pages[0] = page_at(rig, 0);
	pages[1] = page_at(
		rig, flags & MPIO_PAGE_TOWRITE && rig->names_max == 2 ? 0 : 1);
	return 2;
}

/* The first page has no room, and then something else goes wrong. */
static struct rig *open_without_room(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 0)->error = -MPIO_EDQUOT;
	map_blocks(rig, 4, 4, 104);
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	return rig;
}

static void a_page_named_wrongly_is_not_the_first_error(void **state)
{
	struct rig *rig = open_without_room(state);

	rig->ops.next_dirty = lies_at_last;
	rig_open(rig);
	rig->names_max = 2; /* the first page again */
	assert_int_equal(sync_all(rig), -MPIO_EDQUOT);
	rig->names_max = 0; /* more pages than there is room for */
	assert_int_equal(sync_all(rig), -MPIO_EDQUOT);
}

static void a_page_that_stays_locked_is_not_the_first_error(void **state)
{
	struct rig *rig = open_without_room(state);

	rig_open(rig);
	page_at(rig, 1)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(sync_all(rig), -MPIO_EDQUOT);
	page_at(rig, 1)->flags &= ~MPIO_PAGE_LOCKED;
}

/* That the page was locked may pass; who looked at the sequence tells it. */
static void nor_does_one_hide_an_error_of_before(void **state)
{
	struct rig *rig = *state;
	struct mpio_errseq since;
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
		.since = &since,
	};

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	since = mpio_errseq_sample(&rig->mapping.errors);
	mpio_errseq_set(&rig->mapping.errors, -MPIO_EIO);
	page_at(rig, 0)->flags |= MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EIO);
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_EDEADLK);
	page_at(rig, 0)->flags &= ~MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc), 0);
}

static void
a_device_that_cannot_be_waited_for_is_not_the_first_error(void **state)
{
	struct rig *rig = open_without_room(state);

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(sync_all(rig), -MPIO_EDQUOT);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->frames[1].writes, 1);
}

static void a_page_of_another_mapping_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_mapping other;

	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	other = rig->mapping;
	assert_int_equal(
		mpio_write_page(rig->queue, &other, page_at(rig, 0), NULL),
		-MPIO_EINVAL);
	assert_flags(rig, 0, "uptodate dirty");
}

static void shrink_the_second(struct rig *rig, uint64_t block)
{
	(void)block;
	page_at(rig, 1)->size = BLOCK + 1;
}

/* It was looked at already, for how much is to be mapped. */
static void a_page_that_became_unfit_meanwhile_stops_the_walk(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_MAP;
	rig->before_map = shrink_the_second;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	rig->trace[0] = '\0';
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), -MPIO_EINVAL);
	assert_trace(rig, "alloc 0+8, write 100+4");
	page_at(rig, 1)->size = 4 * BLOCK;
	assert_flags(rig, 1, "uptodate dirty");
}

static size_t names_the_first_at_first(struct mpio_mapping *mapping,
				       uint64_t pos, uint64_t end,
				       uint32_t flags, struct mpio_page **pages,
				       size_t pages_max)
{
	struct rig *rig = mapping->host;

	(void)pos;
	(void)end;
	(void)flags;
	(void)pages_max;
	pages[0] = page_at(rig, 0);
	return rig->names_max++ == 0;
}

static void a_page_that_ends_before_the_range_is_refused(void **state)
{
	struct mpio_writeback_control wbc = {
		.nr_to_write = 10,
		.range_start = 4 * BLOCK,
	};
	struct rig *rig = *state;

	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	rig->ops.next_dirty = names_the_first_at_first;
	assert_int_equal(walk(rig, &wbc), -MPIO_EINVAL);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty");
}

static struct mpio_mapping another;

static void move_and_shrink_the_second(struct rig *rig, uint64_t block)
{
	page_at(rig, 1)->mapping = &another;
	shrink_the_second(rig, block);
}

static void a_page_of_another_mapping_need_not_fit(void **state)
{
	struct rig *rig = *state;

	another = rig->mapping;
	rig->watch = WATCH_IO;
	rig->before_map = move_and_shrink_the_second;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 108+4");
	page_at(rig, 1)->flags = 0;
}

static void a_walk_that_gives_up_leaves_the_bios_of_others_alone(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_slow(rig, 4, 1);
	dirty_all(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 500, 1);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(sync_all(rig), -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	assert_ptr_equal(io->bio->ctx, io);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(sync_none_stops_at_a_page_that_cannot_be_mapped),
		RIG_TEST(sync_all_goes_on_and_returns_the_first_error),
		RIG_TEST(sync_all_returns_when_every_page_has_ended),
		RIG_TEST(a_device_that_fails_is_told_to_sync_all_only),
		RIG_TEST(each_holder_is_told_of_an_error_once),
		RIG_TEST(an_error_of_the_walk_is_not_told_again),
		RIG_TEST(sync_none_leaves_the_cursor_alone),
		RIG_TEST(a_device_that_cannot_be_waited_for_is_told),
		RIG_TEST(a_mapping_without_next_dirty_cannot_be_walked),
		RIG_TEST(a_mapping_with_an_impossible_block_size_is_refused),
		RIG_TEST(a_page_named_wrongly_is_not_the_first_error),
		RIG_TEST(a_page_that_stays_locked_is_not_the_first_error),
		RIG_TEST(nor_does_one_hide_an_error_of_before),
		RIG_TEST(
			a_device_that_cannot_be_waited_for_is_not_the_first_error),
		RIG_TEST(a_page_of_another_mapping_is_refused),
		RIG_TEST(pages_that_are_named_wrongly_stop_the_walk),
		RIG_TEST(a_page_that_became_unfit_meanwhile_stops_the_walk),
		RIG_TEST(a_page_that_ends_before_the_range_is_refused),
		RIG_TEST(a_page_of_another_mapping_need_not_fit),
		RIG_TEST(a_walk_that_gives_up_leaves_the_bios_of_others_alone),
		RIG_TEST(a_page_that_overlaps_the_one_before_is_not_written),
		RIG_TEST(of_too_many_pages_none_is_written),
		RIG_TEST(nor_is_one_behind_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Errors of callbacks that pass: there was no room for them, or somebody was
 * in the way. What they failed is dirty still, and the next time may succeed.
 */
#include "cached.h"

static int (*rig_get_block)(struct mpio_mapping *mapping,
			    struct mpio_page *page, uint64_t block,
			    uint32_t flags, struct mpio_extent *extent);

/* Of which page, how often and with what get_block fails; and was called. */
static struct {
	uint64_t pos;
	uint32_t times;
	int error;
	uint32_t calls;
} failing;

static int fail_some(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	if ((flags & MPIO_MAP_CREATE) && page->pos == failing.pos) {
		failing.calls++;
		if (failing.times != 0) {
			failing.times--;
			return failing.error;
		}
	}
	extent->count = 4 - block % 4;
	return rig_get_block(mapping, page, block, flags, extent);
}

/* Four dirty pages, the second of which fails. */
static void open_failing(struct cached *cached, uint32_t times, int error)
{
	failing.pos = PAGE;
	failing.times = times;
	failing.error = error;
	failing.calls = 0;
	rig_get_block = cached->rig->ops.get_block;
	cached->rig->ops.get_block = fail_some;
	cached->config.background_percent = 1;
	cached_open(cached, 64, 16);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
}

/* Who holds a file open knows nothing of it, and has no need to. */
static void work_tells_them_and_the_file_does_not(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	open_failing(cached, 2, -MPIO_ENOMEM);
	since = mpio_cache_errors_sample(&cached->file);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_ENOMEM);
	assert_true(failing.calls != 0);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since), 0);
	failing.times = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 f8");
}

static void a_sync_tries_again(void **state)
{
	struct cached *cached = *state;

	open_failing(cached, 1, -MPIO_EDEADLK);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(failing.calls, 2);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 f8");
}

/* What does not pass is told to who syncs, and to nobody else. */
static void but_not_for_ever(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	open_failing(cached, 100, -MPIO_ENOMEM);
	since = mpio_cache_errors_sample(&cached->file);
	assert_int_equal(sync_file(cached), -MPIO_ENOMEM);
	assert_int_equal(failing.calls, 2);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since), 0);
	failing.times = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

/* Each time around one finds room, and all the others wait for that. */
static int find_room_for_one(struct mpio_mapping *mapping,
			     struct mpio_page *page, uint64_t block,
			     uint32_t flags, struct mpio_extent *extent)
{
	if ((flags & MPIO_MAP_CREATE) &&
	    page->pos + (uint64_t)failing.calls * PAGE != 3 * PAGE)
		return -MPIO_ENOMEM;
	if (flags & MPIO_MAP_CREATE)
		failing.calls++;
	extent->count = 4;
	return rig_get_block(mapping, page, block, flags, extent);
}

static void as_long_as_some_are_written(void **state)
{
	struct cached *cached = *state;

	open_failing(cached, 0, 0);
	cached->rig->ops.get_block = find_room_for_one;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(failing.calls, 4);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 f8");
}

/* One that stays counts, whatever passes beside it. */
static int fail_at_the_end(struct mpio_mapping *mapping, uint64_t pos,
			   uint32_t length, struct mpio_queue *queue,
			   uint64_t offset)
{
	(void)mapping, (void)queue, (void)offset;
	if (pos > failing.pos || pos + length <= failing.pos)
		return 0;
	failing.calls++;
	if (failing.times == 0)
		return 0;
	failing.times--;
	return failing.error;
}

/* When the page is on the device, and cannot be noted there. */
static void so_it_is_at_the_end_of_an_io(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	cached->rig->ops.written = fail_at_the_end;
	open_failing(cached, 0, 0);
	cached->rig->ops.get_block = rig_get_block;
	failing.calls = 0;
	failing.times = 1;
	failing.error = -MPIO_EDEADLK;
	since = mpio_cache_errors_sample(&cached->file);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(failing.calls, 2);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	failing.times = 100;
	assert_int_equal(sync_file(cached), -MPIO_EDEADLK);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since), 0);
	failing.times = 0;
	assert_int_equal(sync_file(cached), 0);
}

/* For want of room, too. */
static void whatever_it_failed_for_there(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = fail_at_the_end;
	open_failing(cached, 0, 0);
	cached->rig->ops.get_block = rig_get_block;
	failing.calls = 0;
	failing.times = 1;
	failing.error = -MPIO_ENOMEM;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(failing.calls, 2);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void another_error_is_told_all_the_same(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	open_failing(cached, 1, -MPIO_ENOMEM);
	since = mpio_cache_errors_sample(&cached->file);
	mock_fail(&cached->rig->a, 108, 4, -MPIO_EIO)->op = 1u
							    << MPIO_BIO_WRITE;
	assert_int_equal(sync_file(cached), -MPIO_EIO);
	cached->rig->a.fault_count = 0;
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since),
			 -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(sync_file(cached), 0);
}

/* So does the same error of a device. */
static void a_device_has_none_that_pass(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	open_failing(cached, 0, 0);
	since = mpio_cache_errors_sample(&cached->file);
	mock_fail(&cached->rig->a, 104, 4, -MPIO_ENOMEM)->op =
		1u << MPIO_BIO_WRITE;
	assert_int_equal(sync_file(cached), -MPIO_ENOMEM);
	cached->rig->a.fault_count = 0;
	assert_int_equal(failing.calls, 1);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since),
			 -MPIO_ENOMEM);
	assert_int_equal(sync_file(cached), 0);
}

/* Nor is what a mapping drops that drops what fails. */
static void what_is_put_off_is_not_dropped(void **state)
{
	struct cached *cached = *state;

	open_failing(cached, 1, -MPIO_EDEADLK);
	cached->file.writes.mapping.flags |= MPIO_MAPPING_DROP_FAILED;
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_EDEADLK);
	assert_true(mpio_cache_stats(cached->cache).dirty != 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3 f4 f5 f6 f7 f8");
}

/* Of two errors that which comes no more is told. */
static void what_passes_hides_no_error_of_before(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	open_failing(cached, 100, -MPIO_ENOMEM);
	since = mpio_cache_errors_sample(&cached->file);
	mpio_cache_errors_set(&cached->file, -MPIO_EIO);
	assert_int_equal(
		mpio_cache_sync(&cached->file, cached->rig->queue, &since),
		-MPIO_EIO);
	assert_int_equal(
		mpio_cache_sync(&cached->file, cached->rig->queue, &since),
		-MPIO_ENOMEM);
	failing.times = 0;
	assert_int_equal(
		mpio_cache_sync(&cached->file, cached->rig->queue, &since), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(work_tells_them_and_the_file_does_not),
		CACHED_TEST(a_sync_tries_again),
		CACHED_TEST(but_not_for_ever),
		CACHED_TEST(as_long_as_some_are_written),
		CACHED_TEST(so_it_is_at_the_end_of_an_io),
		CACHED_TEST(another_error_is_told_all_the_same),
		CACHED_TEST(a_device_has_none_that_pass),
		CACHED_TEST(what_is_put_off_is_not_dropped),
		CACHED_TEST(what_passes_hides_no_error_of_before),
		CACHED_TEST(whatever_it_failed_for_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

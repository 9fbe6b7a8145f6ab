/* SPDX-License-Identifier: MIT */
/*
 * A cache with files of several devices: who writes pages back that are not
 * those of the file in hand sends none to a disk that they do not lie on.
 */
#include "cached.h"

static void open_two(struct cached *cached, uint32_t frames)
{
	cached->rig->two = true;
	cached->rig->watch = WATCH_IO;
	cached->config.background_percent = 1;
	cached_open(cached, 32, frames);
}

/* ---- A queue to another device ------------------------------------------ */

static void work_leaves_out_files_of_another_device(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	open_two(cached, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, rig->other), 0);
	assert_trace(rig, "");
	assert_int_equal(mpio_cache_work(cached->cache, rig->queue), 1);
	assert_trace(rig, "write 100+4");
}

static void so_does_who_needs_room(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;
	struct mpio_page *page;

	cached->config.limit_percent = 100;
	open_two(cached, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_get(&cached->other, rig->other, 0, &page),
			 -MPIO_ENOMEM);
	assert_trace(rig, "");
	assert_int_equal(mpio_cache_get(&cached->other, rig->queue, 0, &page),
			 0);
	mpio_cache_put(page);
	assert_trace(rig, "write 100+16, read 100+4");
}

static void nothing(void *ctx)
{
	(void)ctx;
}

/* There is nobody who would wake it. */
static void sleep_for_ever(void *ctx)
{
	trouble(ctx, "sleeps");
	abort();
}

/* With lock hooks, too, it does not wait for those that nobody writes. */
static void so_does_who_must_help(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;
	const struct mpio_cache_lock hooks = {nothing, nothing, sleep_for_ever,
					      nothing, rig};
	struct mpio_page *page;

	cached->config.lock = &hooks;
	cached->config.limit_percent = 1;
	open_two(cached, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_write_begin(&cached->other, rig->other,
						4 * PAGE, PAGE, &page),
			 0);
	mpio_cache_write_end(page, 4 * PAGE, 0);
	assert_trace(rig, "");
	assert_int_equal(mpio_cache_stats(cached->cache).helped, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

/* What is written with a queue, or synced, is its device's from then on. */
static void the_users_own_calls_say_which_device(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	open_two(cached, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	mock_fail(&rig->b, 100, 4, -MPIO_ENOSPC);
	assert_int_equal(mpio_cache_sync(&cached->file, rig->other, NULL),
			 -MPIO_ENOSPC);
	assert_trace(rig, "b:write 100+4");
	rig->b.fault_count = 0;
	assert_int_equal(mpio_cache_work(cached->cache, rig->queue), 0);
	assert_int_equal(mpio_cache_work(cached->cache, rig->other), 1);
	assert_trace(rig, "b:write 100+4");
}

/* ---- Blocks whose queue is named ----------------------------------------- */

static void files_whose_queues_are_named_are_written_by_all(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	open_two(cached, 16);
	rig->map[0].queue = rig->queue;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	/* It is not known yet. */
	assert_int_equal(mpio_cache_work(cached->cache, rig->other), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(rig, "write 100+4");
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, rig->other), 1);
	assert_trace(rig, "write 104+4");
}

static void one_that_is_named_no_more_is_not_guessed(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	open_two(cached, 16);
	rig->map[0].queue = rig->queue;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(rig, "write 100+4");
	rig->map[0].queue = NULL;
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, rig->other),
			 -MPIO_EUCLEAN);
	assert_trace(rig, "");
	assert_int_equal(mpio_cache_work(cached->cache, rig->other), 0);
	assert_int_equal(mpio_cache_work(cached->cache, rig->queue), 1);
	assert_trace(rig, "write 104+4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(work_leaves_out_files_of_another_device),
		CACHED_TEST(so_does_who_needs_room),
		CACHED_TEST(so_does_who_must_help),
		CACHED_TEST(the_users_own_calls_say_which_device),
		CACHED_TEST(files_whose_queues_are_named_are_written_by_all),
		CACHED_TEST(one_that_is_named_no_more_is_not_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

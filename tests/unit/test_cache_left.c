/* SPDX-License-Identifier: MIT */
/*
 * The cache: a walk that had to be given up, since the device could not say
 * what had ended. What was sent is still in flight on the queue of the thread
 * that gave up; others wait until that polls it. There is one thread: what the
 * first one does then, is done inside the hook that waits.
 */
#include "cached.h"

#include "cache_private.h"

#include <mpio/open.h>

static struct cached *left;
static struct mpio_queue *another; /* thread's */
static uint32_t waits;

static void no_hook(void *ctx)
{
	(void)ctx;
}

static void poll_at_last(void *ctx)
{
	(void)ctx;
	waits++;
	left->rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(left->rig->queue), 0);
}

static const struct mpio_cache_lock hooks = {
	.lock = no_hook,
	.unlock = no_hook,
	.wait = poll_at_last,
	.wake = no_hook,
};

/* Another thread's queue; what it leads to does not matter. */
static void open_another(struct cached *cached)
{
	static struct mpio_allocator allocator;
	struct mpio_queue_config config = {.allocator = &allocator};

	allocator = mpio_allocator_libc();
	assert_int_equal(
		mpio_queue_open(&cached->rig->b.device, &config, &another), 0);
}

/* Page 1 is written by a thread that gives up. */
static void give_up(struct cached *cached, const struct mpio_cache_lock *lock)
{
	left = cached;
	waits = 0;
	mock_asynchronous(&cached->rig->a);
	cached->config.lock = lock;
	cached_open(cached, 16, 16);
	open_another(cached);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(sync_file(cached), -MPIO_EREMOTEIO);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 1);
}

static void another_thread_s_sync_waits_for_what_is_left(void **state)
{
	struct cached *cached = *state;

	give_up(cached, &hooks);
	assert_int_equal(mpio_cache_sync(&cached->file, another, NULL), 0);
	assert_int_equal(waits, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
	assert_disk(&cached->rig->a, 104, "f4 f5 f6 f7");
	mpio_queue_close(another);
}

static void it_tells_how_that_ended(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 104, 1, -MPIO_EIO);
	give_up(cached, &hooks);
	assert_int_equal(mpio_cache_sync(&cached->file, another, NULL),
			 -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	mpio_queue_close(another);
}

static void so_does_who_drops_the_page(void **state)
{
	struct cached *cached = *state;

	give_up(cached, &hooks);
	assert_int_equal(
		mpio_cache_drop(&cached->file, another, PAGE, 2 * PAGE), 0);
	assert_int_equal(waits, 1);
	assert_int_equal(cached_pages(cached), 0);
	mpio_queue_close(another);
}

static int synced;

static void sync_inside(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	synced = mpio_cache_sync(&left->file, another, NULL);
}

/* It may have a page locked that the one who is to poll waits for. */
static void a_callback_does_not_wait(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	give_up(cached, &hooks);
	cached->rig->before_map = sync_inside;
	assert_int_equal(mpio_cache_get(&cached->other, another, 0, &page), 0);
	mpio_cache_put(page);
	assert_int_equal(synced, -MPIO_EDEADLK);
	assert_int_equal(waits, 0);
	assert_int_equal(mpio_cache_sync(&cached->file, another, NULL), 0);
	assert_int_equal(waits, 1);

	mpio_queue_close(another);
}

/* 23 more pages are dirty, and 24 of 32 may be. */
static void give_up_at_the_limit(struct cached *cached)
{
	cached->config.limit_percent = 100;
	left = cached;
	waits = 0;
	mock_asynchronous(&cached->rig->a);
	cached->config.lock = &hooks;
	cached_open(cached, 128, 32);
	open_another(cached);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(sync_file(cached), -MPIO_EREMOTEIO);
	for (uint32_t i = 1; i < 24; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
}

static int write_with(struct cached *cached, struct mpio_queue *queue)
{
	struct mpio_page *page;
	int error = mpio_cache_write_begin(&cached->other, queue, 30 * PAGE,
					   PAGE, &page);

	if (error == 0)
		mpio_cache_write_end(page, 30 * PAGE, PAGE);
	return error;
}

/* He may not write the file himself: it is of another device. */
static void who_makes_another_page_dirty_waits_for_what_is_left(void **state)
{
	struct cached *cached = *state;

	give_up_at_the_limit(cached);
	assert_int_equal(write_with(cached, another), 0);
	assert_int_equal(waits, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 24);
	assert_int_equal(
		mpio_cache_drop(&cached->other, another, 0, UINT64_MAX), 0);
	mpio_queue_close(another);
}

static void and_gets_no_room_if_his_own_device_cannot_say(void **state)
{
	struct cached *cached = *state;

	give_up_at_the_limit(cached);
	assert_int_equal(write_with(cached, cached->rig->queue), -MPIO_ENOMEM);
	assert_int_equal(waits, 0);
	cached->rig->a.reap_error = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
	mpio_queue_close(another);
}

/* One page is read ahead, and the device cannot say that it is there. */
static void read_ahead_in_vain(struct cached *cached, uint32_t dirty)
{
	left = cached;
	waits = 0;
	mock_asynchronous(&cached->rig->a);
	cached->config.lock = &hooks;
	cached->config.limit_percent = 100;
	cached_open(cached, 128, 16);
	open_another(cached);
	for (uint32_t i = 0; i < dirty; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_readahead(&cached->other,
					      cached->rig->queue, 20 * PAGE, 1,
					      MPIO_READ_AHEAD),
			 1);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
}

static void who_waits_for_a_page_is_told_so(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page, *none;

	read_ahead_in_vain(cached, 0);
	assert_int_equal(mpio_cache_grab(&cached->file, another, 0, &page), 0);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &none),
		-MPIO_EREMOTEIO);
	assert_int_equal(waits, 0);
	mpio_cache_release(page);
	cached->rig->a.reap_error = 0;
	mpio_queue_close(another);
}

/* All others are dirty, and somebody else writes them. */
static void and_who_waits_for_room_gets_none(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *none;

	read_ahead_in_vain(cached, 15);
	assert_int_equal(mpio__walk_take(&cached->file, another), 0);
	assert_int_equal(
		mpio_cache_get(&cached->other, cached->rig->queue, 0, &none),
		-MPIO_ENOMEM);
	assert_int_equal(waits, 0);
	mpio__walk_give(&cached->file);
	cached->rig->a.reap_error = 0;
	mpio_queue_close(another);
}

static void without_hooks_nobody_can_wait(void **state)
{
	struct cached *cached = *state;

	give_up(cached, NULL);
	assert_int_equal(mpio_cache_sync(&cached->file, another, NULL),
			 -MPIO_EDEADLK);
	assert_int_equal(
		mpio_cache_drop(&cached->file, another, PAGE, 2 * PAGE),
		-MPIO_EDEADLK);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 1);
	cached->rig->a.reap_error = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&cached->rig->a, 104, "f4 f5 f6 f7");
	mpio_queue_close(another);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(another_thread_s_sync_waits_for_what_is_left),
		CACHED_TEST(it_tells_how_that_ended),
		CACHED_TEST(so_does_who_drops_the_page),
		CACHED_TEST(a_callback_does_not_wait),
		CACHED_TEST(
			who_makes_another_page_dirty_waits_for_what_is_left),
		CACHED_TEST(and_gets_no_room_if_his_own_device_cannot_say),
		CACHED_TEST(who_waits_for_a_page_is_told_so),
		CACHED_TEST(and_who_waits_for_room_gets_none),
		CACHED_TEST(without_hooks_nobody_can_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

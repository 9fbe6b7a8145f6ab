/* SPDX-License-Identifier: MIT */
/*
 * The hooks of a cache's lock: what is called when, and by whom nobody sleeps.
 * There is one thread; what others do, it does itself inside the hook that
 * waits. Real threads are in test_cache_threads.c.
 */
#include "cached.h"

#include "cache_private.h"

static bool held;
static uint32_t waits;
static uint32_t wakes;
static void (*meanwhile)(void); /* what another thread does */
static struct mpio_page *pages[2];

static void lock(void *ctx)
{
	(void)ctx;
	assert_false(held);
	held = true;
}

static void unlock(void *ctx)
{
	(void)ctx;
	assert_true(held);
	held = false;
}

static void wait(void *ctx)
{
	unlock(ctx);
	waits++;
	assert_non_null(meanwhile);
	meanwhile();
	lock(ctx);
}

static void wake(void *ctx)
{
	(void)ctx;
	wakes++;
}

static const struct mpio_cache_lock hooks = {
	.lock = lock,
	.unlock = unlock,
	.wait = wait,
	.wake = wake,
};

static void is_not_held(struct rig *rig, uint64_t block)
{
	(void)rig;
	(void)block;
	assert_false(held);
}

static void open_locked(struct cached *cached, uint32_t frames)
{
	held = false;
	waits = wakes = 0;
	meanwhile = NULL;
	cached->config.lock = &hooks;
	cached->rig->before_map = is_not_held;
	cached_open(cached, 64, frames);
	assert_false(held);
}

static struct mpio_page *grab(struct cached *cached, uint64_t index)
{
	struct mpio_page *page;

	assert_int_equal(mpio_cache_grab(&cached->file, cached->rig->queue,
					 index * PAGE, &page),
			 0);
	return page;
}

/* ---- Locking ------------------------------------------------------------- */

/* And whatever is called in between is called without it. */
static void each_call_gives_the_lock_up(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_errseq since;
	struct mpio_page *page;

	open_locked(cached, 8);
	queue = cached->rig->queue;
	since = mpio_cache_errors_sample(&cached->file);
	for (uint32_t i = 0; i < 16; i++) {
		use_page(cached, i);
		assert_int_equal(write_bytes(cached, i * PAGE + 7, 100, 1), 0);
		assert_false(held);
	}
	page = grab(cached, 15);
	assert_true(mpio_cache_is_uptodate(page, 0, PAGE));
	assert_int_equal(mpio_cache_fill(page, queue, 0, PAGE), 0);
	mpio_cache_pin(page);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_wait(page, queue), 0);
	mpio_cache_put(page);
	assert_true(is_cached(cached, 15));
	assert_false(is_cached(cached, 0));
	assert_int_equal(mpio_cache_readahead(&cached->file, queue, 0, 4, 0),
			 4);
	assert_int_equal(mpio_cache_work(cached->cache, queue), 1);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, 10 * PAGE + 1),
			 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, 12 * PAGE), 0);
	assert_int_equal(mpio_cache_drop(&cached->file, queue, 0, PAGE), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->file, queue, 0, PAGE),
			 0);
	assert_int_equal(
		mpio_cache_renew(&cached->file, queue, 12 * PAGE, 12 * PAGE),
		0);
	assert_int_equal(mpio_cache_end(&cached->file), 12 * PAGE);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since), 0);
	mpio_cache_errors_set(&cached->file, -MPIO_EIO);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since),
			 -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).frames, 8);
	assert_false(held);
	assert_int_equal(waits, 0);
}

/* A page that could not be noted as written is put off under it. */
static void so_does_the_end_of_an_io(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = rig_written;
	cached->rig->hook_error = -MPIO_ENOMEM;
	open_locked(cached, 8);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), -MPIO_ENOMEM);
	assert_false(held);
	cached->rig->hook_error = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_false(held);
}

static void a_range_is_watched_under_it(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_watch watch;

	open_locked(cached, 8);
	assert_true(mpio_cache_watch(&cached->file, &watch, 0, 4 * PAGE));
	assert_false(held);
	assert_true(mpio_cache_unwatch(&cached->file, &watch));
	use_page(cached, 1);
	assert_false(mpio_cache_watch(&cached->file, &watch, 0, 4 * PAGE));
	assert_false(
		mpio_cache_watch(&cached->file, &watch, 8 * PAGE, 17 * PAGE));
	assert_false(held);
}

static void a_file_in_use_is_not_detached(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	open_locked(cached, 8);
	queue = cached->rig->queue;
	page = grab(cached, 2);
	mpio_cache_pin(page);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_detach(&cached->file, queue), -MPIO_EBUSY);
	/* Nor if it is a page that was dropped. */
	assert_int_equal(mpio_cache_drop(&cached->file, queue, 0, UINT64_MAX),
			 0);
	assert_int_equal(mpio_cache_detach(&cached->file, queue), -MPIO_EBUSY);
	use_page(cached, 2);
	mpio_cache_put(page);
	assert_int_equal(mpio_cache_detach(&cached->file, queue), 0);
	assert_null(cached->file.cache);
	assert_int_equal(mpio_cache_attach(cached->cache, &cached->file), 0);
}

/* ---- Waiting ------------------------------------------------------------- */

/* Each of these may be what somebody waits for. */
static void let_go(void)
{
	mpio_cache_put(pages[1]);
	assert_int_equal(wakes, 1);
	mpio_cache_release(pages[0]);
	assert_int_equal(wakes, 2);
}

/* Both are pinned, the first one is locked. */
static void open_with_two(struct cached *cached)
{
	open_locked(cached, 8);
	for (uint32_t i = 0; i < 2; i++)
		pages[i] = grab(cached, i);
	mpio_cache_pin(pages[0]);
	mpio_cache_pin(pages[1]);
	mpio_cache_release(pages[1]);
}

static void who_waits_is_woken(void **state)
{
	struct cached *cached = *state;

	open_with_two(cached);
	assert_int_equal(wakes, 0); /* nobody waits */
	meanwhile = let_go;
	assert_int_equal(mpio_cache_wait(pages[0], cached->rig->queue), 0);
	assert_int_equal(waits, 1);
	assert_false(held);
	mpio_cache_put(pages[0]);
	assert_int_equal(wakes, 2);
}

static void put_dropped(void)
{
	mpio_cache_put(pages[1]);
	assert_int_equal(wakes, 1);
	mpio_cache_release(pages[0]);
}

/* The last one to put it may have been what others had no room for. */
static void who_waits_is_woken_when_a_dropped_page_goes(void **state)
{
	struct cached *cached = *state;

	open_with_two(cached);
	assert_int_equal(mpio_cache_drop(&cached->file, cached->rig->queue,
					 PAGE, 2 * PAGE),
			 0);
	assert_int_equal(cached->cache->careful, 1); /* the hooks, and always */
	meanwhile = put_dropped;
	assert_int_equal(mpio_cache_wait(pages[0], cached->rig->queue), 0);
	assert_int_equal(waits, 1);
	mpio_cache_put(pages[0]);
	assert_int_equal(cached->cache->careful, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 7);
}

/* By the thread that began to read it. */
static void who_waits_is_woken_when_a_page_was_read(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->b);
	cached->rig->b.slow = true;
	cached->rig->two = true;
	open_locked(cached, 8);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->other,
					      0, 1, MPIO_READ_AHEAD),
			 1);
	assert_int_equal(wakes, 0);
	pages[0] = grab(cached, 0);
	assert_int_equal(wakes, 1);
	assert_true(mpio_cache_is_uptodate(pages[0], 0, PAGE));
	mpio_cache_release(pages[0]);
}

static struct cached *dropping;

static void drop(void)
{
	mpio_cache_release(pages[0]);
	assert_int_equal(
		mpio_cache_drop(&dropping->file, dropping->rig->queue, 0, PAGE),
		0);
}

/* A page that was dropped meanwhile is none; those behind it are looked at. */
static void what_is_dropped_meanwhile_ends_no_walk(void **state)
{
	struct cached *cached = *state;

	open_locked(cached, 8);
	for (uint32_t i = 0; i < 4; i++)
		use_page(cached, i);
	pages[0] = grab(cached, 0);
	dropping = cached;
	meanwhile = drop;
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0,
					       UINT64_MAX),
			 0);
	assert_int_equal(waits, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 8);
}

/* None of them will be put by anything that one could wait for. */
static void where_all_is_pinned_nobody_sleeps(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *held_pages[4];
	struct mpio_page *page;

	open_locked(cached, 4);
	for (uint32_t i = 0; i < 4; i++) {
		held_pages[i] = grab(cached, i);
		mpio_cache_pin(held_pages[i]);
		mpio_cache_release(held_pages[i]);
	}
	assert_int_equal(mpio_cache_grab(&cached->file, cached->rig->queue,
					 5 * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(waits, 0);
	for (uint32_t i = 0; i < 4; i++)
		mpio_cache_put(held_pages[i]);
	assert_int_equal(mpio_cache_grab(&cached->file, cached->rig->queue,
					 5 * PAGE, &page),
			 0);
	mpio_cache_release(page);
}

static void release_next(void)
{
	mpio_cache_release(pages[waits - 1]);
}

/* Pages that get_block refuses, whatever it says, and then one that it does
 * not; all but the first are locked when the walk comes by. */
static void sync_with_locked_pages(struct cached *cached, const int *errors,
				   uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		map_blocks(cached->rig, 4 * i, 4, 100)->error = errors[i];
	open_locked(cached, 8);
	for (uint32_t i = 0; i <= n; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	for (uint32_t i = 0; i < n; i++)
		pages[i] = grab(cached, i + 1);
	meanwhile = release_next;
	assert_int_equal(sync_file(cached), errors[0]);
	assert_int_equal(waits, n);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, n);
}

static void a_page_that_is_refused_keeps_no_locked_one(void **state)
{
	static const int error = -MPIO_EINVAL;

	sync_with_locked_pages(*state, &error, 1);
}

static void nor_does_one_that_is_refused_behind_it(void **state)
{
	static const int errors[] = {-MPIO_EDQUOT, -MPIO_EINVAL};

	sync_with_locked_pages(*state, errors, 2);
}

static void nor_does_one_that_is_put_off_for_ever(void **state)
{
	static const int error = -MPIO_ENOMEM;

	sync_with_locked_pages(*state, &error, 1);
}

/* A device that fails to say what has ended was asked often by then. */
static void what_cannot_be_waited_for_ends_a_sync_before_it_waits(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	open_locked(cached, 8);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	pages[0] = grab(cached, 1);
	cached->rig->a.lapses = 1002; /* once by the walk, and then in vain */
	assert_int_equal(sync_file(cached), -MPIO_EREMOTEIO);
	assert_int_equal(waits, 0);
	mpio_cache_release(pages[0]);
	cached->rig->a.lapses = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

/* ---- Others that walk ---------------------------------------------------- */

static struct cached *walked;
static uint32_t waits_until; /* the other thread has done */

static void end_the_walk(void)
{
	if (waits < waits_until)
		return;
	lock(NULL);
	mpio__walk_give(&walked->file);
	unlock(NULL);
}

/* Some pages are dirty, and another thread begins to write them. */
static void open_walked(struct cached *cached, uint32_t dirty, uint32_t limit)
{
	cached->rig->two = true;
	cached->config.limit_percent = limit;
	open_locked(cached, 8);
	for (uint32_t i = 0; i < dirty; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	walked = cached;
	waits_until = 3;
	meanwhile = end_the_walk;
	lock(NULL);
	assert_int_equal(mpio__walk_take(&cached->file, cached->rig->other), 0);
	unlock(NULL);
}

/* It has claimed none yet; but it may, or leave them to this one. */
static void with_all_dirty_who_writes_them_is_waited_for(void **state)
{
	struct cached *cached = *state;

	open_walked(cached, 8, 100);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 8);
	use_page(cached, 9);
	assert_int_equal(waits, 3);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void so_is_he_by_who_makes_another_page_dirty(void **state)
{
	struct cached *cached = *state;

	open_walked(cached, 8, 100);
	assert_int_equal(write_blocks(cached, 36, 4), 0);
	assert_int_equal(waits, 3);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

static void what_then_cannot_be_written_is_no_room(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_walked(cached, 8, 100);
	mock_fail(&cached->rig->a, 100, 64, -MPIO_EIO)->op = 1u
							     << MPIO_BIO_WRITE;
	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					9 * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(waits, 3);
	cached->rig->a.fault_count = 0;
}

/* Whatever happens before that, as long as too many pages are dirty. */
static void a_writer_at_the_limit_waits_for_who_writes(void **state)
{
	struct cached *cached = *state;

	open_walked(cached, 4, 50);
	assert_int_equal(write_blocks(cached, 16, 4), 0);
	assert_int_equal(waits, 3);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).helped, 1);
}

/* As before: so a page that was dropped goes. */
static void after_that_a_put_takes_the_lock(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_walked(cached, 4, 50);
	waits_until = 1;
	assert_int_equal(write_blocks(cached, 16, 4), 0);
	assert_int_equal(waits, 1);
	page = grab(cached, 0);
	mpio_cache_pin(page);
	mpio_cache_release(page);
	assert_int_equal(
		mpio_cache_drop(&cached->file, cached->rig->queue, 0, PAGE), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 3);
	mpio_cache_put(page);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 4);
}

/* ---- Without ------------------------------------------------------------- */

/* What made puts slow is over. */
static void with_nobody_waiting_puts_are_short_again(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 64, 8);
	use_page(cached, 0); /* is waited for */
	assert_int_equal(cached->cache->careful, 0);
	page = grab(cached, 1);
	mpio_cache_pin(page);
	mpio_cache_release(page);
	assert_int_equal(
		mpio_cache_drop(&cached->file, cached->rig->queue, 0, 2 * PAGE),
		0);
	assert_int_equal(cached->cache->careful, 1);
	mpio_cache_put(page);
	assert_int_equal(cached->cache->careful, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 8);
	page = grab(cached, 2);
	assert_int_equal(mpio_cache_wait(page, cached->rig->queue),
			 -MPIO_EDEADLK);
	assert_int_equal(cached->cache->careful, 0);
	mpio_cache_release(page);
}

/* ---- Rounds of work ------------------------------------------------------ */

static struct cached *working;
static struct mpio_cache_mapping third; /* which another thread walks */
static struct mpio_cache_mapping fourth;
static uint32_t maps;
static uint32_t drop_at;
static int dropped;

/* The last file of a round drops pages of the third one. */
static void drop_of_third(struct rig *rig, uint64_t block)
{
	(void)block;
	if (++maps == drop_at)
		dropped = mpio_cache_drop(&third, rig->queue, 0, PAGE);
}

/* The other thread waits for a file of the round, and may have it. */
static void give_third(void)
{
	assert_null(working->other.walker);
	assert_null(fourth.walker);
	lock(NULL);
	mpio__walk_give(&third);
	unlock(NULL);
}

static void write_first(struct mpio_cache_mapping *file,
			struct mpio_queue *queue)
{
	struct mpio_page *page;

	assert_int_equal(mpio_cache_write_begin(file, queue, 0, PAGE, &page),
			 0);
	mpio_cache_write_end(page, 0, PAGE);
}

/* A page of the file and of one other or two is dirty, and of the third none. */
static void open_with_third(struct cached *cached, uint32_t others,
			    void (*before_map)(struct rig *rig, uint64_t block))
{
	struct mpio_queue *queue;

	working = cached;
	cached->config.background_percent = 1;
	open_locked(cached, 8);
	queue = cached->rig->queue;
	maps = 0;
	dropped = 1;
	cached->rig->before_map = before_map;
	third = fourth =
		(struct mpio_cache_mapping){.mapping = cached->other.mapping};
	assert_int_equal(mpio_cache_attach(cached->cache, &third), 0);
	assert_int_equal(mpio_cache_attach(cached->cache, &fourth), 0);
	write_first(&cached->other, queue);
	if (others == 2)
		write_first(&fourth, queue);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
}

static void detach_third(struct mpio_queue *queue)
{
	assert_int_equal(mpio_cache_detach(&third, queue), 0);
	assert_int_equal(mpio_cache_detach(&fourth, queue), 0);
}

static void work_and_drop(struct cached *cached, uint32_t others)
{
	struct mpio_queue *queue;

	drop_at = others + 1;
	open_with_third(cached, others, drop_of_third);
	queue = cached->rig->queue;
	meanwhile = give_third;
	lock(NULL);
	assert_int_equal(
		mpio__walk_take(&third, (struct mpio_queue *)(void *)&third),
		0);
	unlock(NULL);
	assert_int_equal(mpio_cache_work(cached->cache, queue), drop_at);
	assert_int_equal(dropped, 0);
	assert_int_equal(waits, 1);
	detach_third(queue);
}

static void who_waits_for_a_walk_keeps_no_other_of_a_round(void **state)
{
	work_and_drop(*state, 1);
}

static void nor_any_two_of_them(void **state)
{
	work_and_drop(*state, 2);
}

/* The second file of a round wants a page of the third one. */
static void wait_for_third(struct rig *rig, uint64_t block)
{
	(void)block;
	if (++maps == 2)
		dropped = mpio_cache_wait(pages[0], rig->queue);
}

static void end_third(void)
{
	assert_null(working->other.walker);
	mpio_cache_release(pages[0]);
}

static void nor_does_who_waits_for_a_page(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached->rig->two = true;
	open_with_third(cached, 1, wait_for_third);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_grab(&third, cached->rig->other, 0, &page),
			 0);
	pages[0] = page;
	mpio_cache_pin(page);
	meanwhile = end_third;
	assert_int_equal(mpio_cache_work(cached->cache, queue), 2);
	assert_int_equal(dropped, 0);
	assert_int_equal(waits, 1);
	mpio_cache_put(page);
	detach_third(queue);
}

/* ---- Room for a callback ------------------------------------------------- */

static int (*rig_get_block)(struct mpio_mapping *mapping,
			    struct mpio_page *page, uint64_t block,
			    uint32_t flags, struct mpio_extent *extent);

/* To read the first page of one file the second one is needed. */
static int use_before_map(struct mpio_mapping *mapping, struct mpio_page *page,
			  uint64_t block, uint32_t flags,
			  struct mpio_extent *extent)
{
	struct mpio_queue *queue = working->rig->queue;
	struct mpio_page *map;

	if (mapping == &working->other.mapping && block == 0) {
		assert_int_equal(
			mpio_cache_get(&working->other, queue, PAGE, &map), 0);
		mpio_cache_put(map);
	} else if (mapping == &working->file.mapping && maps++ == 0) {
		dropped = mpio_cache_wait(pages[0], queue);
	} else if (mapping == &working->file.mapping && maps == 2) {
		assert_int_equal(dropped, -MPIO_EDEADLK);
		dropped = mpio_cache_drop(&third, queue, 0, PAGE);
	}
	extent->count = 4 - block % 4;
	return rig_get_block(mapping, page, block, flags, extent);
}

/*
 * It walks a file that it knows nothing of, with a page locked; whoever has the
 * page of the third file may want that one.
 */
static void what_makes_room_for_a_callback_sleeps_for_nobody(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached->rig->two = true;
	cached->config.limit_percent = 100;
	open_with_third(cached, 1, is_not_held);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_sync(&cached->other, queue, NULL), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->other, queue, 0, PAGE),
			 0);
	assert_int_equal(mpio_cache_grab(&third, cached->rig->other, 0, &page),
			 0);
	pages[0] = page;
	lock(NULL);
	assert_int_equal(mpio__walk_take(&third, cached->rig->other), 0);
	unlock(NULL);
	for (uint32_t i = 1; i < 6; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 1);
	rig_get_block = cached->rig->ops.get_block;
	cached->rig->ops.get_block = use_before_map;
	assert_int_equal(mpio_cache_get(&cached->other, queue, 0, &page), 0);
	mpio_cache_put(page);
	assert_int_equal(dropped, -MPIO_EDEADLK);
	assert_true(maps >= 2);
	assert_int_equal(waits, 0);
	lock(NULL);
	mpio__walk_give(&third);
	unlock(NULL);
	mpio_cache_release(pages[0]);
	detach_third(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(each_call_gives_the_lock_up),
		CACHED_TEST(a_range_is_watched_under_it),
		CACHED_TEST(a_file_in_use_is_not_detached),
		CACHED_TEST(who_waits_is_woken),
		CACHED_TEST(who_waits_is_woken_when_a_dropped_page_goes),
		CACHED_TEST(who_waits_is_woken_when_a_page_was_read),
		CACHED_TEST(what_is_dropped_meanwhile_ends_no_walk),
		CACHED_TEST(where_all_is_pinned_nobody_sleeps),
		CACHED_TEST(with_all_dirty_who_writes_them_is_waited_for),
		CACHED_TEST(so_is_he_by_who_makes_another_page_dirty),
		CACHED_TEST(what_then_cannot_be_written_is_no_room),
		CACHED_TEST(a_writer_at_the_limit_waits_for_who_writes),
		CACHED_TEST(with_nobody_waiting_puts_are_short_again),
		CACHED_TEST(who_waits_for_a_walk_keeps_no_other_of_a_round),
		CACHED_TEST(nor_any_two_of_them),
		CACHED_TEST(nor_does_who_waits_for_a_page),
		CACHED_TEST(what_makes_room_for_a_callback_sleeps_for_nobody),
		CACHED_TEST(a_page_that_is_refused_keeps_no_locked_one),
		CACHED_TEST(nor_does_one_that_is_refused_behind_it),
		CACHED_TEST(nor_does_one_that_is_put_off_for_ever),
		CACHED_TEST(
			what_cannot_be_waited_for_ends_a_sync_before_it_waits),
		CACHED_TEST(so_does_the_end_of_an_io),
		CACHED_TEST(after_that_a_put_takes_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

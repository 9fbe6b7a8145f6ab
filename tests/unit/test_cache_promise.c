/* SPDX-License-Identifier: MIT */
/*
 * The cache: frames that are left to callbacks of write-back do not become
 * dirty, however many threads begin to write before the first one ends. There
 * is one thread; what another one does, is done inside the hook that waits.
 */
#include "cached.h"

#include <mpio/open.h>

#define FRAMES 32u
#define DIRTY_MAX 24u

static struct cached *written;
static struct mpio_queue *another; /* thread's */
static struct mpio_page *locked;   /* by it, to be written to */
static uint32_t length;            /* bytes that it has changed */
static uint32_t waits;
static void (*meanwhile)(void);

static void no_hook(void *ctx)
{
	(void)ctx;
}

static void wait(void *ctx)
{
	(void)ctx;
	waits++;
	meanwhile();
}

static const struct mpio_cache_lock hooks = {
	.lock = no_hook,
	.unlock = no_hook,
	.wait = wait,
	.wake = no_hook,
};

static void end_to_write(void)
{
	mpio_cache_write_end(locked, locked->pos, length);
}

static int begin(struct mpio_queue *queue, uint32_t index,
		 struct mpio_page **page)
{
	return mpio_cache_write_begin(&written->file, queue,
				      (uint64_t)index * PAGE, PAGE, page);
}

/* Pages [first, end). */
static void make_dirty(uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++)
		assert_int_equal(write_blocks(written, 4 * i, 4), 0);
}

static uint32_t dirty(void)
{
	return mpio_cache_stats(written->cache).dirty;
}

/* All are dirty that may be, but one; none can be written. */
static void open_full(struct cached *cached, const struct mpio_cache_lock *lock)
{
	static struct mpio_allocator allocator;
	struct mpio_queue_config config = {.allocator = &allocator};

	allocator = mpio_allocator_libc();
	written = cached;
	waits = 0;
	length = PAGE;
	meanwhile = end_to_write;
	cached->config.lock = lock;
	cached->config.limit_percent = 100;
	mock_fail(&cached->rig->a, 100, 200, -MPIO_EIO)->op = 1u
							      << MPIO_BIO_WRITE;
	cached_open(cached, 200, FRAMES);
	assert_int_equal(
		mpio_queue_open(&cached->rig->a.device, &config, &another), 0);
	make_dirty(0, DIRTY_MAX - 1);
}

static void who_begins_to_write_waits_for_who_has_begun(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, &hooks);
	assert_int_equal(begin(another, 30, &locked), 0);
	assert_int_equal(begin(cached->rig->queue, 31, &page), -MPIO_ENOMEM);
	assert_int_equal(waits, 1);
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_queue_close(another);
}

static void who_has_changed_nothing_leaves_the_frame(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, &hooks);
	assert_int_equal(begin(another, 30, &locked), 0);
	length = 0;
	assert_int_equal(begin(cached->rig->queue, 31, &page), 0);
	assert_int_equal(waits, 1);
	mpio_cache_write_end(page, 31 * PAGE, PAGE);
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_queue_close(another);
}

/* As much is written back as if nobody had waited. */
static void pages_are_written_back_when_all_are_dirty_that_may_be(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, &hooks);
	cached->rig->a.fault_count = 0;
	assert_int_equal(begin(another, 30, &locked), 0);
	assert_int_equal(begin(cached->rig->queue, 31, &page), 0);
	assert_int_equal(waits, 1);
	assert_int_equal(dirty(), 0);
	mpio_cache_write_end(page, 31 * PAGE, PAGE);
	assert_int_equal(dirty(), 1);
	mpio_queue_close(another);
}

static void a_page_that_is_dirty_needs_no_other_frame(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, &hooks);
	assert_int_equal(begin(another, 30, &locked), 0);
	assert_int_equal(begin(cached->rig->queue, 3, &page), 0);
	assert_int_equal(waits, 0);
	mpio_cache_write_end(page, 3 * PAGE, PAGE);
	end_to_write();
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_queue_close(another);
}

static void write_it_back(void)
{
	meanwhile = end_to_write;
	end_to_write();
	written->rig->a.fault_count = 0;
	assert_int_equal(mpio_cache_sync(&written->file, another, NULL), 0);
}

static void unless_it_is_written_back_meanwhile(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, &hooks);
	meanwhile = write_it_back;
	assert_int_equal(begin(another, 3, &locked), 0);
	assert_int_equal(begin(cached->rig->queue, 3, &page), 0);
	assert_int_equal(waits, 1);
	assert_int_equal(dirty(), 0);
	make_dirty(4, DIRTY_MAX + 3);
	locked = page; /* the threads change places */
	assert_int_equal(begin(another, 30, &page), 0);
	assert_int_equal(waits, 2);
	mpio_cache_write_end(page, 30 * PAGE, 0);
	mpio_queue_close(another);
}

static void write_it_back_and_take_all(void)
{
	write_it_back();
	written->rig->a.fault_count = 1;
	make_dirty(4, DIRTY_MAX + 3);
	assert_int_equal(begin(another, 30, &locked), 0);
	length = 0;
}

static void and_others_have_come_first(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, &hooks);
	meanwhile = write_it_back_and_take_all;
	assert_int_equal(begin(another, 3, &locked), 0);
	assert_int_equal(begin(cached->rig->queue, 3, &page), 0);
	assert_int_equal(waits, 2);
	mpio_cache_write_end(page, 3 * PAGE, PAGE);
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_queue_close(another);
}

static void write_page_35(struct rig *rig, uint64_t block)
{
	struct mpio_page *page;

	(void)block;
	rig->before_map = NULL;
	assert_int_equal(begin(rig->queue, 35, &page), 0);
	mpio_cache_write_end(page, 35 * PAGE, PAGE);
}

static void a_callback_waits_for_nobody(void **state)
{
	struct cached *cached = *state;

	open_full(cached, &hooks);
	assert_int_equal(begin(another, 30, &locked), 0);
	cached->rig->before_map = write_page_35;
	use_page(cached, 33);
	assert_int_equal(waits, 0);
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_cache_write_end(locked, 30 * PAGE, 0);
	mpio_queue_close(another);
}

/* Who is alone has begun himself what he would wait for. */
static void nobody_waits_without_hooks(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_full(cached, NULL);
	assert_int_equal(begin(another, 30, &locked), 0);
	assert_int_equal(begin(cached->rig->queue, 31, &page), 0);
	mpio_cache_write_end(locked, 30 * PAGE, 0);
	mpio_cache_write_end(page, 31 * PAGE, 0);
	mpio_queue_close(another);
}

static void a_write_that_failed_leaves_the_frame(void **state)
{
	struct cached *cached = *state;

	open_full(cached, &hooks);
	cached->rig->a.faults[0].op = 0;
	assert_int_equal(write_bytes(cached, 30 * PAGE + 1, 2, 7), -MPIO_EIO);
	make_dirty(31, 32);
	assert_int_equal(waits, 0);
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_queue_close(another);
}

static void so_does_one_that_found_none_for_its_page(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[FRAMES - DIRTY_MAX + 1];
	const uint32_t n = FRAMES - DIRTY_MAX + 1;
	struct mpio_page *page;

	open_full(cached, &hooks);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(
			mpio_cache_get(&cached->file, cached->rig->queue,
				       (DIRTY_MAX + i) * PAGE, &pages[i]),
			0);
	assert_int_equal(begin(cached->rig->queue, 40, &page), -MPIO_ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		mpio_cache_put(pages[i]);
	make_dirty(40, 41);
	assert_int_equal(waits, 0);
	assert_int_equal(dirty(), DIRTY_MAX);
	mpio_queue_close(another);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(who_begins_to_write_waits_for_who_has_begun),
		CACHED_TEST(who_has_changed_nothing_leaves_the_frame),
		CACHED_TEST(
			pages_are_written_back_when_all_are_dirty_that_may_be),
		CACHED_TEST(a_page_that_is_dirty_needs_no_other_frame),
		CACHED_TEST(unless_it_is_written_back_meanwhile),
		CACHED_TEST(and_others_have_come_first),
		CACHED_TEST(a_callback_waits_for_nobody),
		CACHED_TEST(nobody_waits_without_hooks),
		CACHED_TEST(a_write_that_failed_leaves_the_frame),
		CACHED_TEST(so_does_one_that_found_none_for_its_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The cache: I/Os that end while their thread waits in the midst of another
 * call. What the engine is told of them there comes out of its order of files,
 * so it waits for no other thread. There is one thread: what another one does
 * meanwhile, is done inside the hook that waits.
 */
#include "cached.h"

#include "cache_private.h"

#include <mpio/open.h>

#define LOOKED_UP (8 * PAGE)   /* what get_block, or the test, reads */
#define IN_THE_WAY (12 * PAGE) /* what the other thread has locked */

static struct cached *here;
static struct mpio_queue *another; /* thread's */
static struct mpio_page *locked;   /* by it */
static uint32_t waits;

static void no_hook(void *ctx)
{
	(void)ctx;
}

static uint32_t unlocks_left; /* until the other thread releases it, or 0 */

static void unlock(void *ctx)
{
	struct mpio_page *page = locked;

	(void)ctx;
	if (unlocks_left == 0 || --unlocks_left != 0 || page == NULL)
		return;
	locked = NULL;
	mpio_cache_release(page);
}

static void unlock_at_last(void *ctx)
{
	(void)ctx;
	waits++;
	assert_non_null(locked);
	mpio_cache_release(locked);
	locked = NULL;
}

static const struct mpio_cache_lock hooks = {
	.lock = no_hook,
	.unlock = unlock,
	.wait = unlock_at_last,
	.wake = no_hook,
};

static int look_up(uint64_t pos)
{
	struct mpio_page *page;
	int error = mpio_cache_get(&here->other, here->rig->queue, pos, &page);

	if (error == 0)
		mpio_cache_put(page);
	return error;
}

/* What the first look at what is in the way came to; and how many there were */
static int first_result;
static uint32_t looks;

static int look_up_in_the_way(void)
{
	int error = look_up(IN_THE_WAY);

	if (looks++ == 0)
		first_result = error;
	return error;
}

static void set_up(struct cached *cached)
{
	static struct mpio_allocator allocator;
	struct mpio_queue_config config = {.allocator = &allocator};

	here = cached;
	waits = 0;
	looks = 0;
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.reap_max = 1;
	/* Pieces, so that one is sent before the next is asked for. */
	map_blocks(cached->rig, 0, 4, 100);
	map_blocks(cached->rig, 4, 4, 200);
	map_blocks(cached->rig, 8, 4, 300);
	map_blocks(cached->rig, 12, 52, 400);
	cached->config.lock = &hooks;
	cached->config.background_percent = 1;
	cached_open(cached, 0, 16);
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, 16 * PAGE),
		0);
	assert_int_equal(mpio_cache_resize(&cached->other, cached->rig->queue,
					   16 * PAGE),
			 0);
	allocator = mpio_allocator_libc();
	assert_int_equal(
		mpio_queue_open(&cached->rig->b.device, &config, &another), 0);
	assert_int_equal(
		mpio_cache_grab(&cached->other, another, IN_THE_WAY, &locked),
		0);
}

static void look_up_for_the_third(struct rig *rig, uint64_t block)
{
	if (block != 8)
		return;
	rig->before_map = NULL;
	assert_int_equal(looks, 0);
	assert_int_equal(look_up(LOOKED_UP), 0);
	assert_int_equal(looks, 1); /* the first page ended meanwhile */
}

static int look_up_in_written(struct mpio_mapping *mapping, uint64_t pos,
			      uint32_t length, struct mpio_queue *queue,
			      uint64_t offset)
{
	(void)mapping, (void)length, (void)queue, (void)offset;
	return pos == 0 ? look_up_in_the_way() : 0;
}

static void written_does_not_wait_and_the_page_comes_again(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = look_up_in_written;
	set_up(cached);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	cached->rig->before_map = look_up_for_the_third;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(first_result, -MPIO_EDEADLK);
	/* The second time nothing else was going on. */
	assert_int_equal(looks, 2);
	assert_int_equal(waits, 1);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
	mpio_queue_close(another);
}

static int look_up_in_verify(struct mpio_mapping *mapping,
			     struct mpio_page *page)
{
	return mapping == &here->file.mapping && page->pos == 0
		       ? look_up_in_the_way()
		       : 0;
}

static void verify_does_not_wait_and_the_page_is_read_again(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = look_up_in_verify;
	set_up(cached);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 1, MPIO_READ_AHEAD),
			 1);
	assert_int_equal(look_up(LOOKED_UP), 0);
	assert_int_equal(looks, 1);
	assert_int_equal(first_result, -MPIO_EDEADLK);
	assert_int_equal(waits, 0);
	assert_false(is_cached(cached, 0));
	/* Whose own page it is may wait. */
	use_page(cached, 0);
	assert_int_equal(looks, 2);
	assert_int_equal(waits, 1);
	mpio_queue_close(another);
}

/* Its device could not say the first time that the page is there. */
static void nor_where_a_page_is_waited_for_again(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->ops.verify = look_up_in_verify;
	set_up(cached);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 1, MPIO_READ_AHEAD),
			 1);
	assert_int_equal(mpio_cache_grab(&cached->other, cached->rig->queue,
					 LOOKED_UP, &page),
			 0);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_cache_fill(page, cached->rig->queue, 0, PAGE),
			 -MPIO_EREMOTEIO);
	cached->rig->a.reap_error = 0;
	assert_int_equal(mpio_cache_fill(page, cached->rig->queue, 0, PAGE), 0);
	assert_int_equal(looks, 1);
	assert_int_equal(first_result, -MPIO_EDEADLK);
	assert_int_equal(waits, 0);
	mpio_cache_release(page);
	mpio_cache_release(locked);
	mpio_queue_close(another);
}

/* ---- In the midst of another file's walk --------------------------------- */

static struct mpio_cache_mapping walked; /* by the other thread */

static void sync_other_for_the_third(struct rig *rig, uint64_t block)
{
	if (block != 8)
		return;
	rig->before_map = NULL;
	assert_int_equal(looks, 0);
	assert_int_equal(mpio_cache_sync(&here->other, rig->queue, NULL), 0);
	assert_int_equal(looks, 1);
}

/* The first of three pages ends while one of the other file is written. */
static void sync_with_another_inside(struct cached *cached)
{
	struct mpio_page *page;

	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, LOOKED_UP,
						PAGE, &page),
			 0);
	mpio_cache_write_end(page, LOOKED_UP, PAGE);
	cached->rig->before_map = sync_other_for_the_third;
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

/* Who has it locked may wait for a page that this walk writes. */
static void a_page_is_not_waited_for(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = look_up_in_written;
	set_up(cached);
	sync_with_another_inside(cached);
	assert_int_equal(first_result, -MPIO_EDEADLK);
	assert_int_equal(looks, 2);
	assert_int_equal(waits, 1);
	mpio_queue_close(another);
}

static int sync_walked_in_written(struct mpio_mapping *mapping, uint64_t pos,
				  uint32_t length, struct mpio_queue *queue,
				  uint64_t offset)
{
	int error;

	(void)mapping, (void)length, (void)queue, (void)offset;
	if (pos != 0)
		return 0;
	error = mpio_cache_sync(&walked, here->rig->queue, NULL);
	if (looks++ == 0)
		first_result = error;
	if (walked.walker != NULL)
		mpio__walk_give(&walked);
	return error;
}

static void nor_is_a_walk(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = sync_walked_in_written;
	set_up(cached);
	walked = (struct mpio_cache_mapping){.mapping = cached->other.mapping};
	assert_int_equal(mpio_cache_attach(cached->cache, &walked), 0);
	assert_int_equal(mpio__walk_take(&walked, another), 0);
	sync_with_another_inside(cached);
	assert_int_equal(first_result, -MPIO_EDEADLK);
	assert_int_equal(looks, 2);
	assert_int_equal(waits, 0);
	mpio_cache_release(locked);
	assert_int_equal(mpio_cache_detach(&walked, cached->rig->queue), 0);
	mpio_queue_close(another);
}

/* ---- In the midst of a round of work ------------------------------------ */

static int look_up_when_it_is_released(struct mpio_mapping *mapping,
				       uint64_t pos, uint32_t length,
				       struct mpio_queue *queue,
				       uint64_t offset)
{
	(void)length, (void)queue, (void)offset;
	if (mapping != &here->file.mapping || pos != 0)
		return 0;
	unlocks_left = 2;
	return look_up_in_the_way();
}

/* A page of each file is dirty. */
static void make_dirty(struct cached *cached)
{
	struct mpio_page *page;

	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, LOOKED_UP,
						PAGE, &page),
			 0);
	mpio_cache_write_end(page, LOOKED_UP, PAGE);
}

static int look_up_of_the_file(struct mpio_mapping *mapping, uint64_t pos,
			       uint32_t length, struct mpio_queue *queue,
			       uint64_t offset)
{
	(void)pos, (void)length, (void)queue, (void)offset;
	return mapping == &here->file.mapping ? look_up_in_the_way() : 0;
}

/* Its page cannot end before this one has, for one bio has both. */
static void with_another_file_of_it_nobody_sleeps(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->ops.written = look_up_of_the_file;
	set_up(cached);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, 4 * PAGE,
						PAGE, &page),
			 0);
	mpio_cache_write_end(page, 4 * PAGE, PAGE);
	assert_int_equal(write_blocks(cached, 12, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_EDEADLK);
	assert_int_equal(first_result, -MPIO_EDEADLK);
	assert_int_equal(waits, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(waits, 1);
	mpio_queue_close(another);
}

/* When it has tried to leave the round, in vain, it looks again. */
static void what_happens_meanwhile_is_not_slept_through(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = look_up_when_it_is_released;
	set_up(cached);
	make_dirty(cached);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 2);
	assert_int_equal(looks, 1);
	assert_int_equal(first_result, 0);
	assert_int_equal(waits, 0);
	mpio_queue_close(another);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(written_does_not_wait_and_the_page_comes_again),
		CACHED_TEST(verify_does_not_wait_and_the_page_is_read_again),
		CACHED_TEST(nor_where_a_page_is_waited_for_again),
		CACHED_TEST(a_page_is_not_waited_for),
		CACHED_TEST(nor_is_a_walk),
		CACHED_TEST(with_another_file_of_it_nobody_sleeps),
		CACHED_TEST(what_happens_meanwhile_is_not_slept_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

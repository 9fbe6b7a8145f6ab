/* SPDX-License-Identifier: MIT */
/*
 * The cache: the end of a file moves down while other threads come to pages
 * behind it. Who was there is waited for; who comes later waits himself, or
 * else there would always be somebody. The test's own thread plays that which
 * has a page locked, and that which is in a callback, each with a queue of its
 * own.
 */
#include "shared_disk.h"

#include <mpio/error.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include "cache_private.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK_SIZE 4096u
#define PAGES 32u
#define CUT 8u /* pages that stay */

enum who { CUTTER, NEWCOMER, LOCKER, CALLED, QUEUES };

static struct {
	struct shared_disk disk;
	unsigned char bytes[PAGES * BLOCK_SIZE];
	struct mpio_cache *cache;
	struct mpio_cache_mapping file;
	struct mpio_cache_mapping nested; /* its get_block reads the file */
	struct mpio_queue *queues[QUEUES];
	struct mpio_page *locked;
	pthread_t cutter;
	int error; /* of the cut */
} rig;

static int get_page(enum who who, uint32_t index)
{
	struct mpio_page *page;
	int error = mpio_cache_get(&rig.file, rig.queues[who],
				   (uint64_t)index * BLOCK_SIZE, &page);

	if (error == 0)
		mpio_cache_put(page);
	return error;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)page;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = block;
	return mapping == &rig.file.mapping ? 0 : get_page(CALLED, CUT + 1);
}

static void attach(struct mpio_cache_mapping *file)
{
	static const struct mpio_mapping_ops ops = {.get_block = get_block};

	*file = (struct mpio_cache_mapping){
		.mapping = {.ops = &ops,
			    .block_size = BLOCK_SIZE,
			    .size = sizeof(rig.bytes)},
	};
	assert_int_equal(mpio_cache_attach(rig.cache, file), 0);
}

static int set_up(void **state)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config queue_config = {.allocator = &allocator};
	struct mpio_cache_config config = {
		.page_size = BLOCK_SIZE,
		.frame_count = PAGES,
		.lock = &rig.disk.hooks,
		.allocator = &allocator,
	};

	(void)state;
	shared_disk_init(&rig.disk, rig.bytes, sizeof(rig.bytes));
	assert_int_equal(mpio_cache_open(&config, &rig.cache), 0);
	attach(&rig.file);
	attach(&rig.nested);
	for (int i = 0; i < QUEUES; i++)
		assert_int_equal(mpio_queue_open(&rig.disk.device,
						 &queue_config, &rig.queues[i]),
				 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < QUEUES; i++)
		assert_int_equal(mpio_queue_drain(rig.queues[i]), 0);
	assert_int_equal(mpio_cache_detach(&rig.file, rig.queues[CUTTER]), 0);
	assert_int_equal(mpio_cache_detach(&rig.nested, rig.queues[CUTTER]), 0);
	for (int i = 0; i < QUEUES; i++)
		mpio_queue_close(rig.queues[i]);
	mpio_cache_close(rig.cache);
	shared_disk_destroy(&rig.disk);
	return 0;
}

static uint32_t waiters(void)
{
	uint32_t n;

	rig.disk.hooks.lock(&rig.disk);
	n = rig.cache->waiters;
	rig.disk.hooks.unlock(&rig.disk);
	return n;
}

static void *cut(void *ctx)
{
	(void)ctx;
	rig.error = mpio_cache_resize(&rig.file, rig.queues[CUTTER],
				      CUT * BLOCK_SIZE);
	return NULL;
}

/* Until it waits for the page that is locked. */
static void begin_to_cut(void)
{
	assert_int_equal(mpio_cache_grab(&rig.file, rig.queues[LOCKER],
					 (uint64_t)CUT * BLOCK_SIZE,
					 &rig.locked),
			 0);
	assert_int_equal(pthread_create(&rig.cutter, NULL, cut, NULL), 0);
	while (waiters() == 0)
		sched_yield();
}

static void end_to_cut(void)
{
	mpio_cache_release(rig.locked);
	pthread_join(rig.cutter, NULL);
	assert_int_equal(rig.error, 0);
	assert_int_equal(mpio_cache_end(&rig.file), CUT * BLOCK_SIZE);
}

/* ---- Cases --------------------------------------------------------------- */

/* Where the file ends when a page behind its new end was got hold of. */
static atomic_uint_fast64_t end_seen;

static void *lock_page_20(void *ctx)
{
	struct mpio_page *page;

	(void)ctx;
	if (mpio_cache_grab(&rig.file, rig.queues[NEWCOMER],
			    (uint64_t)20 * BLOCK_SIZE, &page) != 0)
		return NULL;
	atomic_store(&end_seen, mpio_cache_end(&rig.file));
	mpio_cache_release(page);
	return NULL;
}

static void who_comes_to_lock_a_page_waits(void **state)
{
	pthread_t newcomer;

	(void)state;
	atomic_store(&end_seen, 0);
	begin_to_cut();
	assert_int_equal(pthread_create(&newcomer, NULL, lock_page_20, NULL),
			 0);
	while (waiters() < 2 && atomic_load(&end_seen) == 0)
		sched_yield();
	end_to_cut();
	pthread_join(newcomer, NULL);
	assert_int_equal(atomic_load(&end_seen), CUT * BLOCK_SIZE);
}

static int read_ahead(void)
{
	int n = mpio_cache_readahead(&rig.file, rig.queues[NEWCOMER],
				     (uint64_t)(CUT - 2) * BLOCK_SIZE, 6, 0);

	assert_int_equal(mpio_queue_drain(rig.queues[NEWCOMER]), 0);
	return n;
}

static void nothing_is_read_ahead_there(void **state)
{
	int n;

	(void)state;
	begin_to_cut();
	n = read_ahead();
	end_to_cut();
	assert_int_equal(n, 3); /* the third is there, and locked */
	assert_int_equal(read_ahead(), 6);
}

static void before_the_new_end_nobody_waits(void **state)
{
	(void)state;
	begin_to_cut();
	assert_int_equal(get_page(NEWCOMER, CUT - 1), 0);
	assert_int_equal(waiters(), 1);
	end_to_cut();
}

/* Its thread has a page locked: others may wait for that. */
static void nor_does_a_callback(void **state)
{
	struct mpio_page *page;

	(void)state;
	begin_to_cut();
	assert_int_equal(
		mpio_cache_get(&rig.nested, rig.queues[CALLED], 0, &page), 0);
	mpio_cache_put(page);
	assert_int_equal(waiters(), 1);
	end_to_cut();
}

#define CUT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CUT_TEST(who_comes_to_lock_a_page_waits),
		CUT_TEST(nothing_is_read_ahead_there),
		CUT_TEST(before_the_new_end_nobody_waits),
		CUT_TEST(nor_does_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

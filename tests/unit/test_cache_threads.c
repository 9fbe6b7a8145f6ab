/* SPDX-License-Identifier: MIT */
/*
 * Threads that share a cache, each with a queue of its own: all write to the
 * same pages, each its own block of them, and read back what they wrote,
 * while pages are reclaimed, synced and invalidated. The device ends bios only
 * when their queue is polled, so threads wait for each other's reads. Best run
 * under a thread sanitizer.
 */
#include "shared_disk.h"

#include <mpio/cache.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 8u
#define BLOCK_SIZE 512u
#define PAGE_SIZE (THREADS * BLOCK_SIZE)
#define PAGES 60u
#define STEPS 3000u

struct shared {
	struct mpio_cache_mapping file; /* first */
	struct shared_disk disk;
	struct mpio_cache *cache;
	void *memory;
	unsigned char bytes[PAGES * PAGE_SIZE];
};

struct worker {
	struct shared *shared;
	uint32_t index;
	uint64_t seed;
	pthread_t thread;
	struct mpio_queue *queue;
	unsigned char bytes[PAGES]; /* what its block of each page holds */
	const char *trouble;
};

/* ---- The engine --------------------------------------------------------- */

/* The file lies on the device page by page, backwards. */
static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	uint64_t in_page = block % THREADS;

	(void)mapping;
	(void)page;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = (PAGES - 1 - block / THREADS) * THREADS + in_page;
	if (extent->count > THREADS - in_page)
		extent->count = THREADS - in_page;
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

static uint32_t next_random(struct worker *worker)
{
	worker->seed ^= worker->seed << 13;
	worker->seed ^= worker->seed >> 7;
	worker->seed ^= worker->seed << 17;
	return (uint32_t)(worker->seed >> 20);
}

static void note(struct worker *worker, int error, const char *what)
{
	/* All pages may be pinned for a moment. */
	if (error < 0 && error != -MPIO_ENOMEM && error != -MPIO_EBUSY)
		worker->trouble = what;
}

static void read_own(struct worker *worker, uint32_t index)
{
	struct mpio_page *page;
	const unsigned char *at;
	int error = mpio_cache_get(&worker->shared->file, worker->queue,
				   (uint64_t)index * PAGE_SIZE, &page);

	note(worker, error, "get");
	if (error != 0)
		return;
	at = (unsigned char *)page->data + worker->index * BLOCK_SIZE;
	for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
		if (at[i] != worker->bytes[index])
			worker->trouble = "a byte that is not what it was";
	}
	mpio_cache_put(page);
}

static void write_own(struct worker *worker, uint32_t index)
{
	uint64_t pos = (uint64_t)index * PAGE_SIZE + worker->index * BLOCK_SIZE;
	unsigned char byte = (unsigned char)next_random(worker);
	struct mpio_page *page;
	int error = mpio_cache_write_begin(&worker->shared->file, worker->queue,
					   pos, BLOCK_SIZE, &page);

	note(worker, error, "write_begin");
	if (error != 0)
		return;
	memset((unsigned char *)page->data + worker->index * BLOCK_SIZE, byte,
	       BLOCK_SIZE);
	mpio_cache_write_end(page, pos, BLOCK_SIZE);
	worker->bytes[index] = byte;
}

static void step(struct worker *worker)
{
	struct mpio_cache_mapping *file = &worker->shared->file;
	uint32_t index = next_random(worker) % PAGES;

	switch (next_random(worker) % 32) {
	case 0:
		note(worker, mpio_cache_sync(file, worker->queue, NULL),
		     "sync");
		break;
	case 1:
		note(worker,
		     mpio_cache_work(worker->shared->cache, worker->queue),
		     "work");
		break;
	case 2:
		note(worker,
		     mpio_cache_invalidate(file, worker->queue,
					   (uint64_t)index * PAGE_SIZE,
					   (uint64_t)index * PAGE_SIZE * 2),
		     "invalidate");
		break;
	case 3:
	case 4:
		note(worker,
		     mpio_cache_readahead(file, worker->queue,
					  (uint64_t)index * PAGE_SIZE, 8,
					  MPIO_READ_AHEAD),
		     "readahead");
		break;
	default:
		if (next_random(worker) % 2)
			read_own(worker, index);
		else
			write_own(worker, index);
	}
}

/* Others may wait for what this thread reads. */
static void step_and_poll(struct worker *worker)
{
	step(worker);
	mpio_queue_poll(worker->queue);
}

static void *work(void *ctx)
{
	struct worker *worker = ctx;

	for (uint32_t i = 0; i < STEPS && worker->trouble == NULL; i++)
		step_and_poll(worker);
	mpio_queue_drain(worker->queue);
	return NULL;
}

static void open_shared(struct shared *shared)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_cache_config config = {
		.page_size = PAGE_SIZE,
		.frame_count = 24,
		.lock = &shared->disk.hooks,
		.allocator = &allocator,
	};

	shared_disk_init(&shared->disk, shared->bytes, sizeof(shared->bytes));
	assert_int_equal(mpio_cache_open(&config, &shared->cache), 0);
	shared->file.mapping = (struct mpio_mapping){
		.ops = &ops,
		.block_size = BLOCK_SIZE,
		.size = sizeof(shared->bytes),
	};
	assert_int_equal(mpio_cache_attach(shared->cache, &shared->file), 0);
}

static void close_shared(struct shared *shared, struct mpio_queue *queue)
{
	assert_int_equal(mpio_cache_sync(&shared->file, queue, NULL), 0);
	assert_int_equal(mpio_cache_detach(&shared->file, queue), 0);
	mpio_cache_close(shared->cache);
	shared_disk_destroy(&shared->disk);
}

static void threads_share_pages_and_keep_their_blocks(void **state)
{
	static struct shared shared;
	static struct worker workers[THREADS];
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.bios = 8, .allocator = &allocator};

	(void)state;
	open_shared(&shared);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].shared = &shared;
		workers[i].index = i;
		workers[i].seed = i * 2654435761u + 88172645463325252u;
		assert_int_equal(mpio_queue_open(&shared.disk.device, &config,
						 &workers[i].queue),
				 0);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work,
						&workers[i]),
				 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		if (workers[i].trouble != NULL)
			fail_msg("thread %u: %s", (unsigned)i,
				 workers[i].trouble);
	}
	close_shared(&shared, workers[0].queue);
	for (uint32_t i = 0; i < PAGES * THREADS; i++)
		assert_int_equal(
			shared.bytes[(PAGES - 1 - i / THREADS) * PAGE_SIZE +
				     i % THREADS * BLOCK_SIZE],
			workers[i % THREADS].bytes[i / THREADS]);
	for (uint32_t i = 0; i < THREADS; i++)
		mpio_queue_close(workers[i].queue);
}

/* ---- One call ends inside another --------------------------------------- */

/* Steps that two threads take in turn. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	uint32_t done;
} steps = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void do_step(uint32_t step)
{
	pthread_mutex_lock(&steps.mutex);
	steps.done = step;
	pthread_cond_broadcast(&steps.condition);
	pthread_mutex_unlock(&steps.mutex);
}

static void await_step(uint32_t step)
{
	pthread_mutex_lock(&steps.mutex);
	while (steps.done < step)
		pthread_cond_wait(&steps.condition, &steps.mutex);
	pthread_mutex_unlock(&steps.mutex);
}

/* Page 0 is mapped when page 1 begins to be, and page 1 when 0 was read. */
static int get_block_in_turn(struct mpio_mapping *mapping,
			     struct mpio_page *page, uint64_t block,
			     uint32_t flags, struct mpio_extent *extent)
{
	if (block / THREADS == 0) {
		do_step(1);
		await_step(2);
	} else {
		do_step(2);
		await_step(3);
	}
	return get_block(mapping, page, block, flags, extent);
}

static void *read_page_1(void *ctx)
{
	struct worker *worker = ctx;

	await_step(1);
	read_own(worker, 1);
	return NULL;
}

static void a_read_may_end_while_one_that_began_later_goes_on(void **state)
{
	static const struct mpio_mapping_ops in_turn = {
		.get_block = get_block_in_turn};
	static struct shared shared;
	static struct worker workers[2];
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.bios = 8, .allocator = &allocator};

	(void)state;
	open_shared(&shared);
	for (uint32_t i = 0; i < 2; i++) {
		workers[i].shared = &shared;
		assert_int_equal(mpio_queue_open(&shared.disk.device, &config,
						 &workers[i].queue),
				 0);
	}
	assert_int_equal(mpio_cache_detach(&shared.file, workers[0].queue), 0);
	shared.file.mapping.ops = &in_turn;
	assert_int_equal(mpio_cache_attach(shared.cache, &shared.file), 0);
	assert_int_equal(pthread_create(&workers[1].thread, NULL, read_page_1,
					&workers[1]),
			 0);
	read_own(&workers[0], 0);
	do_step(3);
	pthread_join(workers[1].thread, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		if (workers[i].trouble != NULL)
			fail_msg("thread %u: %s", (unsigned)i,
				 workers[i].trouble);
	}
	assert_int_equal(mpio_cache_stats(shared.cache).misses, 2);
	close_shared(&shared, workers[0].queue);
	for (uint32_t i = 0; i < 2; i++)
		mpio_queue_close(workers[i].queue);
}

/* ---- A walk that was given up ------------------------------------------- */

/* A device that has one bio, and says that it failed when asked in earnest. */
static struct {
	struct mpio_device device; /* first */
	struct mpio_bio *bio;
	bool tells;
} mute;

static int mute_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	(void)device;
	(void)channel;
	mute.bio = bio;
	return 0;
}

static int mute_reap(struct mpio_device *device, void *channel, int wait)
{
	struct mpio_bio *bio = mute.bio;

	(void)device;
	(void)channel;
	(void)wait;
	if (bio == NULL)
		return 0;
	if (!mute.tells)
		return -MPIO_EREMOTEIO;
	mute.bio = NULL;
	mpio_bio_end(bio, -MPIO_EIO);
	return 1;
}

/* Nothing but time comes between what is done before and after it. */
static atomic_bool page_1_is_mapped;

static int get_block_and_tell(struct mpio_mapping *mapping,
			      struct mpio_page *page, uint64_t block,
			      uint32_t flags, struct mpio_extent *extent)
{
	if (block / THREADS == 1)
		atomic_store_explicit(&page_1_is_mapped, true,
				      memory_order_relaxed);
	return get_block(mapping, page, block, flags, extent);
}

static void *sync_and_be_told(void *ctx)
{
	struct worker *worker = ctx;

	if (mpio_cache_sync(&worker->shared->file, worker->queue, NULL) !=
	    -MPIO_EIO)
		worker->trouble = "sync";
	return NULL;
}

/* A thread sends page 0, and cannot wait for it. Page 1 is dirty, too. */
static void open_given_up(struct shared *shared, struct worker *workers)
{
	static const struct mpio_mapping_ops telling = {
		.get_block = get_block_and_tell};
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};

	mute.device = (struct mpio_device){
		.ops = {.submit = mute_submit, .reap = mute_reap},
		.size = sizeof(shared->bytes),
	};
	open_shared(shared);
	assert_int_equal(
		mpio_queue_open(&mute.device, &config, &workers[0].queue), 0);
	assert_int_equal(mpio_queue_open(&shared->disk.device, &config,
					 &workers[1].queue),
			 0);
	assert_int_equal(mpio_cache_detach(&shared->file, workers[1].queue), 0);
	shared->file.mapping.ops = &telling;
	assert_int_equal(mpio_cache_attach(shared->cache, &shared->file), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct mpio_page *page;

		workers[i].shared = shared;
		assert_int_equal(mpio_cache_write_begin(&shared->file,
							workers[0].queue,
							(uint64_t)i * PAGE_SIZE,
							PAGE_SIZE, &page),
				 0);
		mpio_cache_write_end(page, (uint64_t)i * PAGE_SIZE, PAGE_SIZE);
		if (i == 0)
			assert_int_equal(mpio_cache_sync(&shared->file,
							 workers[0].queue,
							 NULL),
					 -MPIO_EREMOTEIO);
	}
}

static void what_was_given_up_may_fail_while_others_walk(void **state)
{
	static struct shared shared;
	static struct worker workers[2];

	(void)state;
	open_given_up(&shared, workers);
	assert_int_equal(pthread_create(&workers[1].thread, NULL,
					sync_and_be_told, &workers[1]),
			 0);
	while (!atomic_load_explicit(&page_1_is_mapped, memory_order_relaxed))
		sched_yield();
	mute.tells = true;
	assert_int_equal(mpio_queue_drain(workers[0].queue), 0);
	pthread_join(workers[1].thread, NULL);
	if (workers[1].trouble != NULL)
		fail_msg("%s", workers[1].trouble);
	close_shared(&shared, workers[1].queue);
	for (uint32_t i = 0; i < 2; i++)
		mpio_queue_close(workers[i].queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_pages_and_keep_their_blocks),
		cmocka_unit_test(
			a_read_may_end_while_one_that_began_later_goes_on),
		cmocka_unit_test(what_was_given_up_may_fail_while_others_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

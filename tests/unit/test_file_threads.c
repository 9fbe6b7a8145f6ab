/* SPDX-License-Identifier: MIT */
/*
 * Threads that share a small cache, each with a queue and handles of its own.
 * Each has a file of its own, where it does everything, and keeps in step with
 * an array of bytes; and all have a file together, where each reads and writes
 * ranges of its own that begin and end within pages and blocks: many threads
 * change each page, and none a byte of another. Anybody's thread writes back
 * whatever is dirty. The device ends bios only when their queue is polled, so
 * threads wait for each other's I/O. Best run under a thread sanitizer.
 *
 * MPIO_SEED and MPIO_OPERATIONS as for the models; but threads never run the
 * same way twice.
 */
#include "model_disk.h"
#include "shared_disk.h"

#include <mpio/cache.h>
#include <mpio/file.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 8u
#define BLOCK_SIZE 512u
#define PAGE_SIZE 4096u
#define FRAMES 40u
#define FILE_BLOCKS 192u
#define FILE_BYTES (FILE_BLOCKS * BLOCK_SIZE)
#define RANGES 32u /* of the common file */

struct file {
	struct mpio_cache_mapping cached; /* first */
	uint64_t block;                   /* on the device; where it begins */
	pthread_mutex_t mutex;            /* of the map */
	bool mapped[FILE_BLOCKS];
	unsigned char bytes[FILE_BYTES]; /* each by its owner */
	uint64_t size;
};

struct shared {
	struct shared_disk disk;
	struct mpio_cache *cache;
	struct file common;
	struct file own[THREADS];
	unsigned char bytes[(THREADS + 1) * FILE_BYTES];
};

struct worker {
	struct shared *shared;
	uint32_t index;
	uint64_t steps;
	uint64_t seed;
	pthread_t thread;
	struct mpio_queue *queue;
	struct mpio_file own;
	struct mpio_file common;
	unsigned char buffer[32768];
	const char *trouble;
	int error;
};

/* ---- The engine --------------------------------------------------------- */

/* A block has its place, if it is mapped; at most a few in an answer. */
static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct file *file = (struct file *)mapping;
	uint64_t n = 0;
	bool mapped;

	(void)page;
	if (block + extent->count > FILE_BLOCKS)
		return -MPIO_EUCLEAN;
	if (extent->count > 12)
		extent->count = 12;
	pthread_mutex_lock(&file->mutex);
	for (uint64_t i = 0; i < extent->count && (flags & MPIO_MAP_CREATE);
	     i++)
		file->mapped[block + i] = true;
	mapped = file->mapped[block];
	while (n < extent->count && file->mapped[block + n] == mapped)
		n++;
	pthread_mutex_unlock(&file->mutex);
	extent->count = n;
	if (mapped) {
		extent->flags = MPIO_EXTENT_MAPPED;
		extent->block = file->block + block;
	}
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* What lies behind the end is given back. */
static void free_blocks(struct file *file)
{
	pthread_mutex_lock(&file->mutex);
	for (uint64_t i = (file->size + BLOCK_SIZE - 1) / BLOCK_SIZE;
	     i < FILE_BLOCKS; i++)
		file->mapped[i] = false;
	pthread_mutex_unlock(&file->mutex);
}

/* ---- What a thread does ------------------------------------------------- */

static uint64_t below(struct worker *worker, uint64_t limit)
{
	worker->seed ^= worker->seed << 13;
	worker->seed ^= worker->seed >> 7;
	worker->seed ^= worker->seed << 17;
	return limit != 0 ? (worker->seed >> 11) % limit : 0;
}

static void note(struct worker *worker, int64_t error, const char *what)
{
	/* All pages may be pinned for a moment. */
	if (error >= 0 || error == -MPIO_ENOMEM || error == -MPIO_EBUSY ||
	    worker->trouble != NULL)
		return;
	worker->trouble = what;
	worker->error = (int)error;
}

static void check(struct worker *worker, bool good, const char *what)
{
	if (!good && worker->trouble == NULL)
		worker->trouble = what;
}

static void read_and_compare(struct worker *worker, struct mpio_file *handle,
			     const struct file *file, uint64_t pos,
			     uint64_t length)
{
	int64_t n = mpio_file_read(handle, worker->buffer, (size_t)length, pos);

	note(worker, n, "read");
	check(worker, n <= (int64_t)length, "a read of too much");
	if (n > 0)
		check(worker,
		      memcmp(worker->buffer, file->bytes + pos, (size_t)n) == 0,
		      "bytes that are not what they were");
}

static uint64_t write_and_note(struct worker *worker, struct mpio_file *handle,
			       struct file *file, uint64_t pos, uint64_t length)
{
	uint64_t word = below(worker, UINT64_MAX);
	int64_t n;

	for (uint64_t i = 0; i < length; i++)
		worker->buffer[i] =
			(unsigned char)(word >> i % 7 * 8) ^ (unsigned char)i;
	n = mpio_file_write(handle, worker->buffer, (size_t)length, pos);
	note(worker, n, "write");
	if (n <= 0)
		return 0;
	memcpy(file->bytes + pos, worker->buffer, (size_t)n);
	return (uint64_t)n;
}

/* ---- In a file of its own ----------------------------------------------- */

static void read_own(struct worker *worker, struct file *file)
{
	uint64_t pos = below(worker, FILE_BYTES);
	uint64_t length = 1 + below(worker, below(worker, 4) ? 3000 : 30000);

	if (below(worker, 2))
		pos -= pos % BLOCK_SIZE;
	if (pos >= file->size) {
		check(worker,
		      mpio_file_read(&worker->own, worker->buffer, 1, pos) == 0,
		      "a byte behind the end");
		return;
	}
	if (length > file->size - pos)
		length = file->size - pos;
	read_and_compare(worker, &worker->own, file, pos, length);
}

static void write_own(struct worker *worker, struct file *file)
{
	uint64_t pos = below(worker, FILE_BYTES);
	uint64_t length = 1 + below(worker, below(worker, 4) ? 3000 : 30000);
	uint64_t n;

	if (length > FILE_BYTES - pos)
		length = FILE_BYTES - pos;
	n = write_and_note(worker, &worker->own, file, pos, length);
	if (n != 0 && file->size < pos + n)
		file->size = pos + n;
	check(worker, mpio_file_size(&worker->own) == file->size, "the end");
}

static void truncate_own(struct worker *worker, struct file *file)
{
	uint64_t size = below(worker, FILE_BYTES);
	int error = mpio_file_truncate(&worker->own, size);

	note(worker, error, "truncate");
	if (error == 0) {
		if (size < file->size)
			memset(file->bytes + size, 0,
			       (size_t)(file->size - size));
		file->size = size;
		free_blocks(file);
	}
	check(worker, mpio_file_size(&worker->own) == file->size, "the end");
}

/* What a file holds is on the device. */
static bool is_on_device(const struct shared *shared, const struct file *file)
{
	const unsigned char *at = shared->bytes + file->block * BLOCK_SIZE;

	for (uint64_t i = 0; i < file->size; i++) {
		unsigned char is = file->mapped[i / BLOCK_SIZE] ? at[i] : 0;

		if (is != file->bytes[i])
			return false;
	}
	return true;
}

static void sync_own(struct worker *worker, struct file *file)
{
	int error = mpio_file_sync(&worker->own);

	check(worker, error == 0, "sync");
	/* All is clean, and nobody else makes it dirty. */
	check(worker, is_on_device(worker->shared, file),
	      "bytes that a sync has not written");
}

static void step_own(struct worker *worker)
{
	struct file *file = &worker->shared->own[worker->index];
	uint64_t pos = below(worker, FILE_BYTES);

	switch (below(worker, 48)) {
	case 0:
		truncate_own(worker, file);
		break;
	case 1:
		sync_own(worker, file);
		break;
	case 2:
		note(worker,
		     mpio_file_advise(&worker->own, pos, 0,
				      (enum mpio_advice)below(worker, 6)),
		     "advise");
		break;
	case 3:
		mpio_file_close(&worker->own);
		note(worker,
		     mpio_file_open(&worker->own, &file->cached, worker->queue,
				    NULL),
		     "open");
		break;
	default:
		if (below(worker, 2))
			read_own(worker, file);
		else
			write_own(worker, file);
	}
}

/* ---- In the file of all ------------------------------------------------- */

/* Where a range begins: nowhere in particular. */
static uint64_t range_start(uint64_t index)
{
	uint64_t even = index * (FILE_BYTES / RANGES);

	return index != 0 && index != RANGES ? even + index * 397 % 700 : even;
}

static void step_common(struct worker *worker)
{
	struct file *file = &worker->shared->common;
	uint64_t index =
		below(worker, RANGES / THREADS) * THREADS + worker->index;
	uint64_t start = range_start(index);
	uint64_t end = range_start(index + 1);
	uint64_t pos = start + below(worker, end - start);
	uint64_t length = 1 + below(worker, end - pos);

	switch (below(worker, 48)) {
	case 0:
		check(worker, mpio_file_sync(&worker->common) == 0, "sync");
		break;
	case 1:
		check(worker,
		      mpio_file_sync_range(&worker->common, pos,
					   pos + length) == 0,
		      "sync of a range");
		break;
	case 2:
		note(worker,
		     mpio_file_advise(&worker->common, pos, pos + 20000,
				      (enum mpio_advice)below(worker, 6)),
		     "advise");
		break;
	default:
		if (below(worker, 2))
			read_and_compare(worker, &worker->common, file, pos,
					 length);
		else
			write_and_note(worker, &worker->common, file, pos,
				       length);
	}
}

static void *work(void *ctx)
{
	struct worker *worker = ctx;

	for (uint64_t i = 0; i < worker->steps && worker->trouble == NULL;
	     i++) {
		if (below(worker, 2))
			step_own(worker);
		else
			step_common(worker);
		if (below(worker, 16) == 0)
			note(worker,
			     mpio_cache_work(worker->shared->cache,
					     worker->queue),
			     "work");
		/* Others may wait for what this thread reads. */
		mpio_queue_poll(worker->queue);
	}
	mpio_queue_drain(worker->queue);
	return NULL;
}

/* ---- Around it ---------------------------------------------------------- */

static void open_file(struct shared *shared, struct file *file, uint64_t block,
		      uint64_t size)
{
	file->block = block;
	file->size = size;
	pthread_mutex_init(&file->mutex, NULL);
	file->cached.mapping = (struct mpio_mapping){
		.ops = &ops,
		.block_size = BLOCK_SIZE,
		.size = size,
	};
	assert_int_equal(mpio_cache_attach(shared->cache, &file->cached), 0);
}

static void open_shared(struct shared *shared)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_cache_config config = {
		.page_size = PAGE_SIZE,
		.frame_count = FRAMES,
		.lock = &shared->disk.hooks,
		.allocator = &allocator,
	};

	shared_disk_init(&shared->disk, shared->bytes, sizeof(shared->bytes));
	memset(shared->bytes, 0xee, sizeof(shared->bytes));
	assert_int_equal(mpio_cache_open(&config, &shared->cache), 0);
	open_file(shared, &shared->common, 0, FILE_BYTES);
	for (uint32_t i = 0; i < THREADS; i++)
		open_file(shared, &shared->own[i], (i + 1) * FILE_BLOCKS, 0);
}

static void open_worker(struct shared *shared, struct worker *worker,
			uint64_t seed)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.bios = 8, .allocator = &allocator};
	struct mpio_file_config straight = {.straight_min = 2048};

	worker->shared = shared;
	worker->seed = seed | 1;
	worker->steps = model_operations(5000);
	assert_int_equal(
		mpio_queue_open(&shared->disk.device, &config, &worker->queue),
		0);
	assert_int_equal(mpio_file_open(&worker->own,
					&shared->own[worker->index].cached,
					worker->queue, &straight),
			 0);
	assert_int_equal(mpio_file_open(&worker->common, &shared->common.cached,
					worker->queue, &straight),
			 0);
}

static void close_file(struct shared *shared, struct file *file,
		       struct mpio_file *handle)
{
	assert_int_equal(mpio_file_sync(handle), 0);
	assert_true(is_on_device(shared, file));
	assert_int_equal(mpio_cache_detach(&file->cached, handle->queue), 0);
	mpio_file_close(handle);
	pthread_mutex_destroy(&file->mutex);
}

static void close_shared(struct shared *shared, struct worker *workers)
{
	for (uint32_t i = 0; i < THREADS; i++) {
		if (i != 0)
			mpio_file_close(&workers[i].common);
		close_file(shared, &shared->own[i], &workers[i].own);
	}
	close_file(shared, &shared->common, &workers[0].common);
	mpio_cache_close(shared->cache);
	for (uint32_t i = 0; i < THREADS; i++)
		mpio_queue_close(workers[i].queue);
	shared_disk_destroy(&shared->disk);
}

static void threads_share_a_cache_and_a_file(void **state)
{
	static struct shared shared;
	static struct worker workers[THREADS];
	uint64_t seed = model_seed(0);

	(void)state;
	open_shared(&shared);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].index = i;
		open_worker(&shared, &workers[i],
			    seed + i * UINT64_C(0x9e3779b97f4a7c15));
	}
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work,
						&workers[i]),
				 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		if (workers[i].trouble != NULL)
			fail_msg("thread %u: %s (%d)", (unsigned)i,
				 workers[i].trouble, workers[i].error);
	}
	close_shared(&shared, workers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_a_cache_and_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * A cache that holds a whole file, and the loops that are measured. The device
 * does nothing and ends each bio at once. Where pages are only looked up, their
 * memory is reserved and never touched.
 */
#include "cache.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define FILE_NUMBER 7u
/* Pages in one call that reads ahead. */
#define ROW 512u

/* ---- The engine --------------------------------------------------------- */

static int null_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	struct cache_bench *bench = (struct cache_bench *)device;

	(void)channel;
	bench->ios++;
	mpio_bio_end(bio, 0);
	return 0;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->block = block;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* ---- Opening ------------------------------------------------------------ */

static bool open_queue(struct cache_bench *bench)
{
	struct mpio_queue_config config = {0};

	bench->device = (struct mpio_device){
		.ops = {.submit = null_submit},
		.size = (uint64_t)bench->pages * CACHE_PAGE,
	};
	config.memory_size = mpio_queue_size(&bench->device, &config);
	config.memory = bench->queue_memory = malloc(config.memory_size);
	return config.memory != NULL &&
	       mpio_queue_open(&bench->device, &config, &bench->queue) == 0;
}

static bool get_data(struct cache_bench *bench,
		     const struct cache_config *config)
{
	void *data;

	bench->data_size = config->pages * CACHE_PAGE;
	if (config->data) {
		if (!cache_memory_get(&bench->data_memory, bench->data_size,
				      config->memory))
			return false;
		bench->data = bench->data_memory.base;
		return true;
	}
	data = mmap(NULL, bench->data_size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return false;
	bench->data = data;
	return true;
}

static bool open_cache(struct cache_bench *bench, enum cache_memory kind)
{
	struct mpio_cache_config config = {
		.page_size = CACHE_PAGE,
		.frame_count = (uint32_t)bench->pages,
		.frame_memory = bench->data,
		/* Nobody but the walk that is measured writes. */
		.background_percent = 100,
		.limit_percent = 100,
	};

	config.memory_size = mpio_cache_size(&config);
	if (!cache_memory_get(&bench->memory, config.memory_size, kind))
		return false;
	config.memory = bench->memory.base;
	bench->file.mapping = (struct mpio_mapping){
		.ops = &ops,
		.size = (uint64_t)bench->pages * CACHE_PAGE,
		.block_size = CACHE_PAGE,
	};
	return mpio_cache_open(&config, &bench->cache) == 0 &&
	       mpio_cache_attach(bench->cache, &bench->file) == 0 &&
	       mpio_file_open(&bench->handle, &bench->file, bench->queue,
			      NULL) == 0;
}

static bool fill(struct cache_bench *bench)
{
	for (size_t page = 0; page < bench->pages; page += ROW) {
		size_t left = bench->pages - page;
		uint32_t count = left < ROW ? (uint32_t)left : ROW;

		if (mpio_cache_readahead(&bench->file, bench->queue,
					 (uint64_t)page * CACHE_PAGE, count,
					 0) != (int)count)
			return false;
	}
	for (size_t page = 0; page < bench->pages; page++)
		table_insert(&bench->table, FILE_NUMBER, (uint32_t)page,
			     bench->data + page * CACHE_PAGE);
	return true;
}

/* Both sides have each page, and no other. */
static bool check(struct cache_bench *bench)
{
	uint32_t pages = (uint32_t)bench->pages;
	struct mpio_page *page;

	for (uint32_t i = 0; i < pages; i++) {
		uint64_t pos = (uint64_t)i * CACHE_PAGE;
		struct table_frame *frame =
			table_find(&bench->table, FILE_NUMBER, i);

		if (frame == NULL || frame->pos != pos ||
		    mpio_cache_find(&bench->file, pos, &page) != 0 ||
		    page->pos != pos)
			return false;
		mpio_cache_put(page);
	}
	return table_find(&bench->table, FILE_NUMBER, pages) == NULL &&
	       table_find(&bench->table, FILE_NUMBER + 1, 0) == NULL;
}

bool cache_bench_open(struct cache_bench *bench,
		      const struct cache_config *config)
{
	*bench = (struct cache_bench){.pages = config->pages};
	if (!get_data(bench, config) || !open_queue(bench) ||
	    !open_cache(bench, config->memory) ||
	    !table_open(&bench->table, config->pages, config->memory)) {
		fprintf(stderr, "mpio-bench: no memory for %zu pages\n",
			config->pages);
		return false;
	}
	if (fill(bench) && check(bench))
		return true;
	fprintf(stderr, "mpio-bench: not all pages came in\n");
	return false;
}

void cache_bench_close(struct cache_bench *bench)
{
	if (bench->file.cache != NULL)
		(void)mpio_cache_detach(&bench->file, bench->queue);
	mpio_cache_close(bench->cache);
	mpio_queue_close(bench->queue);
	free(bench->queue_memory);
	table_close(&bench->table);
	mpio_frames_free(&bench->memory);
	if (bench->data != NULL && bench->data_memory.base == NULL)
		(void)munmap(bench->data, bench->data_size);
	mpio_frames_free(&bench->data_memory);
}

/* ---- What is measured --------------------------------------------------- */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The next page in an order that is the same for all. */
static inline uint32_t next_page(uint64_t *state, uint64_t pages)
{
	*state = *state * UINT64_C(6364136223846793005) +
		 UINT64_C(1442695040888963407);
	return (uint32_t)((*state >> 32) * pages >> 32);
}

static inline void copy(unsigned char *to, const void *from)
{
	if (to != NULL)
		memcpy(to, from, CACHE_PAGE);
}

/* Each loop returns how many pages it found. */

static inline size_t ask_cache(struct cache_bench *bench, size_t count,
			       uint64_t state, unsigned char *to)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		struct mpio_page *page;
		uint64_t pos =
			(uint64_t)next_page(&state, bench->pages) * CACHE_PAGE;

		if (mpio_cache_find(&bench->file, pos, &page) != 0)
			continue;
		found++;
		if (to != NULL)
			copy(to, page->data);
		mpio_cache_put(page);
	}
	return found;
}

static inline size_t ask_file(struct cache_bench *bench, size_t count,
			      uint64_t state, unsigned char *to)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t pos =
			(uint64_t)next_page(&state, bench->pages) * CACHE_PAGE;

		found += mpio_file_read(&bench->handle, to, CACHE_PAGE, pos) ==
			 CACHE_PAGE;
	}
	return found;
}

static inline size_t ask_table(struct cache_bench *bench, size_t count,
			       uint64_t state, unsigned char *to, bool pins)
{
	const struct table *table = &bench->table;
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		struct table_frame *frame = table_find(
			table, FILE_NUMBER, next_page(&state, bench->pages));

		if (frame == NULL)
			continue;
		found++;
		if (pins)
			frame->pins++;
		/* What stands before is done before. */
		atomic_signal_fence(memory_order_seq_cst);
		if (to != NULL)
			copy(to, frame->data);
		atomic_signal_fence(memory_order_seq_cst);
		if (pins)
			frame->pins--;
	}
	return found;
}

uint64_t cache_look_up(struct cache_bench *bench, enum cache_side side,
		       size_t count, uint64_t seed)
{
	uint64_t start = now();
	size_t found;

	if (side == SIDE_CACHE)
		found = ask_cache(bench, count, seed, NULL);
	else if (side == SIDE_PINNED)
		found = ask_table(bench, count, seed, NULL, true);
	else
		found = ask_table(bench, count, seed, NULL, false);
	return found == count ? now() - start : 0;
}

uint64_t cache_copy(struct cache_bench *bench, enum cache_side side,
		    size_t count, uint64_t seed)
{
	static _Alignas(64) unsigned char to[CACHE_PAGE];
	uint64_t start = now();
	size_t found;

	if (side == SIDE_CACHE)
		found = ask_cache(bench, count, seed, to);
	else if (side == SIDE_FILE)
		found = ask_file(bench, count, seed, to);
	else if (side == SIDE_PINNED)
		found = ask_table(bench, count, seed, to, true);
	else
		found = ask_table(bench, count, seed, to, false);
	return found == count ? now() - start : 0;
}

static bool make_dirty(struct cache_bench *bench, size_t dirty)
{
	size_t step = bench->pages / dirty;

	for (size_t i = 0; i < dirty; i++) {
		uint64_t pos = (uint64_t)(i * step) * CACHE_PAGE;
		struct mpio_page *page;

		if (mpio_cache_write_begin(&bench->file, bench->queue, pos,
					   CACHE_PAGE, &page) != 0)
			return false;
		mpio_cache_write_end(page, pos, CACHE_PAGE);
	}
	return mpio_cache_stats(bench->cache).dirty == dirty;
}

uint64_t cache_walk(struct cache_bench *bench, size_t dirty)
{
	uint64_t start, end;

	if (!make_dirty(bench, dirty))
		return 0;
	bench->ios = 0;
	start = now();
	if (mpio_cache_sync(&bench->file, bench->queue, NULL) != 0)
		return 0;
	end = now();
	return mpio_cache_stats(bench->cache).dirty == 0 && bench->ios != 0
		       ? end - start
		       : 0;
}

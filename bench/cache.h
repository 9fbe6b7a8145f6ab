/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `mpio-bench cache` share: a file of N pages of 4 KiB, all
 * in a cache and all in a hash table, and what can be done with either.
 */
#ifndef MPIO_BENCH_CACHE_H
#define MPIO_BENCH_CACHE_H

#include <mpio/cache.h>
#include <mpio/file.h>
#include <mpio/frames.h>
#include <mpio/mpio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_PAGE 4096u

/** Who is asked for pages. */
enum cache_side {
	SIDE_CACHE,  /* mpio_cache_find() and mpio_cache_put() */
	SIDE_PINNED, /* a table whose descriptors are pinned and unpinned */
	SIDE_TABLE,  /* a table alone */
	SIDE_FILE,   /* mpio_file_read(), of hits */
	SIDES
};

/** What a page's owner has of it where there is no cache: a line. */
struct table_frame {
	_Alignas(64) uint64_t pos;
	unsigned char *data;
	uint32_t pins;
};

struct table_entry {
	uint64_t key; /* file and page number; 0: empty */
	struct table_frame *frame;
};

/** Open addressing, linear probing, at most 5/8 full. */
struct table {
	struct table_entry *entries;
	struct table_frame *frames;
	struct mpio_frames entry_memory;
	struct mpio_frames frame_memory;
	uint32_t shift; /* of a hash: its highest bits are the place */
	uint64_t mask;  /* places, less one */
};

/** Memory as the cache, the table and the pages of it have it. */
enum cache_memory {
	MEMORY_HUGE, /* of mpio_frames_alloc() */
	MEMORY_SMALL /* pages that the system is asked to leave small */
};

struct cache_config {
	size_t pages;
	enum cache_memory memory;
	bool data; /* the pages have bytes; else only addresses */
};

struct cache_bench {
	struct mpio_device device;
	struct mpio_queue *queue;
	void *queue_memory;
	struct mpio_cache *cache;
	struct mpio_cache_mapping file;
	struct mpio_file handle;   /* of it */
	struct mpio_frames memory; /* of the cache */
	unsigned char *data;       /* of the pages */
	size_t data_size;
	struct mpio_frames data_memory; /* if they have bytes */
	struct table table;
	size_t pages;
	uint64_t ios;
};

/** Memory of a kind; false: there is none. */
bool cache_memory_get(struct mpio_frames *frames, size_t size,
		      enum cache_memory kind);

bool table_open(struct table *table, size_t pages, enum cache_memory kind);
void table_close(struct table *table);
/** A page that is not there yet; file numbers begin at 1. */
void table_insert(struct table *table, uint32_t file, uint32_t page,
		  unsigned char *data);

static inline uint64_t table_key(uint32_t file, uint32_t page)
{
	return (uint64_t)file << 32 | page;
}

static inline uint64_t table_hash(const struct table *table, uint64_t key)
{
	return key * UINT64_C(0x9e3779b97f4a7c15) >> table->shift;
}

/** Where a page is, or NULL. */
static inline struct table_frame *table_find(const struct table *table,
					     uint32_t file, uint32_t page)
{
	uint64_t key = table_key(file, page);
	uint64_t at = table_hash(table, key);

	while (table->entries[at].key != key) {
		if (table->entries[at].key == 0)
			return NULL;
		at = (at + 1) & table->mask;
	}
	return table->entries[at].frame;
}

/**
 * Fill cache and table with a file's pages and see that both have all.
 *
 * @return whether it went well; if not, the reason was printed. To be closed
 *         in any case.
 */
bool cache_bench_open(struct cache_bench *bench,
		      const struct cache_config *config);
void cache_bench_close(struct cache_bench *bench);

/** Ask for so many pages in random order; nanoseconds, 0: not all are there. */
uint64_t cache_look_up(struct cache_bench *bench, enum cache_side side,
		       size_t count, uint64_t seed);
/** The same, and copy the bytes of each. */
uint64_t cache_copy(struct cache_bench *bench, enum cache_side side,
		    size_t count, uint64_t seed);
/** Make pages dirty, equally far apart, and write them back: nanoseconds of
 * the second; 0: it failed. */
uint64_t cache_walk(struct cache_bench *bench, size_t dirty);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What `mpio-bench read`, `write` and `raw` share: their options, the frames
 * that pages lie in, where the pages of the file lie on the device, and what
 * came out.
 *
 *     transfer_options.c   command line in, result out
 *     transfer_pool.c      frames: which memory a page gets
 *     transfer_map.c       the file: where a page lies, and what it holds
 *     transfer.c           the engine: pages through the library
 *     raw.c, raw_*.c       the same I/Os, submitted by hand
 *     file.c               bytes through the file layer
 *     hand.c               the same with the system's own read and pwritev
 */
#ifndef MPIO_BENCH_TRANSFER_H
#define MPIO_BENCH_TRANSFER_H

#include "bench.h"

#include <mpio/frames.h>

#define PAGE_SIZE 4096u

/** In which order the frames of the pool are handed out. */
enum pool_order {
	POOL_RUNS16,   /* runs of 16 pages, none of which touches the next */
	POOL_RUNS64,   /* the same of 64 */
	POOL_SHUFFLED, /* single pages */
	POOL_HUGE      /* as they lie in memory */
};

struct transfer_options {
	const char *device;    /* URI */
	enum pool_order order; /* of frames */
	bool write;
	bool random;   /* extents lie on the device in any order */
	bool one;      /* one I/O a page */
	bool verify;   /* every byte: of reads checked, of writes made so that a
		      * later read can */
	bool announce; /* tell the queue of the memory */
	bool json;
	uint64_t size;   /* bytes of the file; 0: the device's */
	uint64_t extent; /* bytes */
	uint64_t io;     /* bytes of an I/O at most */
	uint64_t pool;   /* bytes of frames at least; 0: 8 MiB */
	uint64_t window; /* bytes read ahead at most; 0: the default */
	size_t depth;    /* I/Os in flight at most */
	size_t pieces;   /* of memory in an I/O at most; 0: as the device has */
	size_t seed;     /* of all that is in any order */
};

struct transfer_result {
	double seconds; /* wall clock */
	double cpu;     /* seconds, user and system, of the process */
	uint64_t bytes;
	uint64_t ios;
	uint64_t pieces;     /* of memory in them */
	uint64_t pieces_max; /* in one; the limit */
	uint64_t io_max;     /* bytes of one; the limit */
	enum mpio_frames_kind memory;
};

/**
 * Read the command line; `argv[0]` is the command.
 *
 * @param[in,out] options  in: the defaults of the command
 * @return -1 to go on, or enum bench_exit
 */
int transfer_options_parse(struct transfer_options *options, int argc,
			   char **argv);
/** Tell what came out, on a line for people or in JSON. */
void transfer_print(const char *command, const struct transfer_options *options,
		    const struct transfer_result *result);

/** Seconds; the first call of a pair starts, the second one ends. */
void transfer_clock(struct transfer_result *result, bool start);

/** The path of a device's URI; room for PATH_MAX. */
void transfer_path(const struct transfer_options *options, char *path,
		   size_t size);

/**
 * Pages of a file that are to be dirty, each with a chance of one half, in any
 * order.
 *
 * @param[out] count  how many
 * @return their numbers, for free(); NULL: no memory, which was printed
 */
uint32_t *transfer_dirty(const struct transfer_options *options, uint64_t pages,
			 size_t *count);

/** The file: extents of equal length, in order or in any. */
struct map {
	uint64_t size; /* bytes */
	uint64_t extent;
	uint32_t *places; /* of extents, in extents; NULL: in order */
};

bool map_open(struct map *map, const struct transfer_options *options);
void map_close(struct map *map);
/** Where a byte lies on the device, and how many go on from there. */
uint64_t map_find(const struct map *map, uint64_t pos, uint64_t *length);
/** What the page holds that lies there on the device. */
void map_fill(void *page, uint64_t offset);
bool map_check(const void *page, uint64_t offset);

/** Frames, handed out and taken back by runs. */
struct pool {
	struct mpio_frames frames;
	size_t run_pages;
	size_t run_count;
	uint32_t *free;    /* a ring of runs */
	uint32_t *pending; /* pages of a run that are not back yet */
	size_t head;
	size_t free_count;
};

bool pool_open(struct pool *pool, const struct transfer_options *options);
void pool_close(struct pool *pool);
/** Take a run for so many pages, or its length; the number of its first
 * frame. There must be a free one. */
size_t pool_take(struct pool *pool, size_t pages);
/** The first frame of a run that is soon to be taken: its descriptor can be
 * fetched meanwhile. A guess; nothing is changed. */
size_t pool_next(const struct pool *pool);
/** A page's frame is not used any more. */
void pool_put(struct pool *pool, size_t frame);
/** How many pages can be had. */
size_t pool_free_pages(const struct pool *pool);
unsigned char *pool_data(const struct pool *pool, size_t frame);

/** Numbers in no order; `*state` must not be 0. */
uint64_t transfer_random(uint64_t *state);
/** Put numbers from 0 on into any order. */
void transfer_shuffle(uint32_t *numbers, size_t count, uint64_t seed);

#endif

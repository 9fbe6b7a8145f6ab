/* SPDX-License-Identifier: MIT */
/*
 * The pool: which memory a page gets. That decides how many pieces an I/O has.
 *
 * Frames come in runs, as a cache would hand them out that keeps free memory
 * together. A run is used again when all of its pages are back, in the order
 * in which that happens, so an order that is mixed up at first stays so. All
 * memory is touched before anything is measured.
 */
#include "transfer.h"

#include <mpio/error.h>

#include <stdio.h>
#include <stdlib.h>

/** A small cache. */
#define POOL_DEFAULT (UINT64_C(8) << 20)
/** Runs, from the next on, until one is wanted whose descriptor is fetched now. */
#define AHEAD 8u

uint64_t transfer_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void transfer_shuffle(uint32_t *numbers, size_t count, uint64_t seed)
{
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;

	for (size_t i = 0; i < count; i++)
		numbers[i] = (uint32_t)i;
	for (size_t i = count; i > 1; i--) {
		size_t other = (size_t)(transfer_random(&state) % i);
		uint32_t last = numbers[i - 1];

		numbers[i - 1] = numbers[other];
		numbers[other] = last;
	}
}

static size_t run_pages(const struct transfer_options *options)
{
	switch (options->order) {
	case POOL_RUNS16:
		return 16;
	case POOL_RUNS64:
		return 64;
	case POOL_SHUFFLED:
		return 1;
	default:
		return (size_t)(options->io / PAGE_SIZE);
	}
}

/* Room for all that may be in flight, and as much again for what is next. */
static uint64_t pool_size(const struct transfer_options *options, uint64_t run)
{
	uint64_t io = options->io > run ? options->io : run;
	uint64_t size = 2 * io * options->depth;
	uint64_t wanted = options->pool == 0 ? POOL_DEFAULT : options->pool;

	return size > wanted ? size : wanted;
}

bool pool_open(struct pool *pool, const struct transfer_options *options)
{
	uint64_t run;

	*pool = (struct pool){.run_pages = run_pages(options)};
	run = (uint64_t)pool->run_pages * PAGE_SIZE;
	pool->run_count = (size_t)((pool_size(options, run) + run - 1) / run);
	pool->free_count = pool->run_count;
	pool->free = calloc(pool->run_count, sizeof(*pool->free));
	pool->pending = calloc(pool->run_count, sizeof(*pool->pending));
	if (pool->run_count * pool->run_pages > UINT32_MAX ||
	    pool->free == NULL || pool->pending == NULL ||
	    mpio_frames_alloc(&pool->frames, PAGE_SIZE,
			      pool->run_count * pool->run_pages) != 0) {
		fprintf(stderr, "mpio-bench: no memory for the frames\n");
		return false;
	}
	transfer_shuffle(pool->free, pool->run_count, options->seed);
	for (size_t i = 0; i < pool->run_count; i++) {
		if (options->order == POOL_HUGE)
			pool->free[i] = (uint32_t)i;
	}
	for (size_t i = 0; i < pool->frames.count; i++)
		map_fill(pool_data(pool, i), i * PAGE_SIZE);
	return true;
}

void pool_close(struct pool *pool)
{
	mpio_frames_free(&pool->frames);
	free(pool->pending);
	free(pool->free);
}

size_t pool_take(struct pool *pool, size_t pages)
{
	uint32_t run = pool->free[pool->head];

	if (++pool->head == pool->run_count)
		pool->head = 0;
	pool->free_count--;
	if (pages > pool->run_pages)
		pages = pool->run_pages;
	pool->pending[run] = (uint32_t)pages;
	return run * pool->run_pages;
}

size_t pool_next(const struct pool *pool)
{
	size_t ahead = pool->head + AHEAD;

	if (ahead >= pool->run_count)
		ahead = pool->head;
	return pool->free[ahead] * pool->run_pages;
}

void pool_put(struct pool *pool, size_t frame)
{
	/* 32 bits are divided in a third of the time that 64 take. */
	uint32_t run = (uint32_t)frame / (uint32_t)pool->run_pages;
	size_t tail;

	if (--pool->pending[run] != 0)
		return;
	tail = pool->head + pool->free_count++;
	if (tail >= pool->run_count)
		tail -= pool->run_count;
	pool->free[tail] = run;
}

size_t pool_free_pages(const struct pool *pool)
{
	return pool->free_count * pool->run_pages;
}

unsigned char *pool_data(const struct pool *pool, size_t frame)
{
	return pool->frames.base + frame * PAGE_SIZE;
}

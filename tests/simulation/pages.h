/* SPDX-License-Identifier: MIT */
/*
 * What the sources share that have to do with pages of the engine's own.
 *
 *     engine.c   what the library calls: where they lie, what has ended
 *     pages.c    reading, changing and writing them
 *     streams.c  a stream over them
 */
#ifndef PAGES_H
#define PAGES_H

#include "sim.h"

#define PAGES MAP_BLOCKS
#define HOLDERS 2u

struct own_page {
	struct mpio_page page; /* first */
	uint64_t words[MPIO_PAGE_BLOCK_WORDS(64, 1)];
	bool reading;
	bool writing;   /* it was accounted for, and has not ended */
	uint32_t ends;  /* since it was handed in */
	uint32_t held;  /* so often by the stream */
	uint64_t batch; /* that it was read in */
	unsigned char *shadow;
};

struct holder {
	struct mpio_errseq since;
	uint64_t faults; /* that it cannot be told of any more */
	bool is_owed;    /* a write has failed since it was told */
};

struct own {
	struct mpio_mapping mapping;
	struct mpio_mapping_ops ops;
	uint32_t page_count;
	uint32_t accounted; /* pages that went under write-back */
	struct place fence; /* what must be sent before the next answer */
	uint64_t fence_at;  /* block of the mapping behind it */
	uint64_t batch;     /* the last */
	bool is_reading;    /* one batch */
	bool seals;
	bool has_atomic; /* pages that may never be written */
	bool dirty_tail; /* bytes behind the end were changed */
	struct holder holders[HOLDERS];
	struct own_page pages[PAGES];
	struct map map;
};

extern struct own own;

static inline struct own_page *page_of(struct mpio_page *page)
{
	return (struct own_page *)page;
}

static inline uint64_t end_of_block(uint64_t pos)
{
	return (pos + world.block - 1) / world.block * world.block;
}

/* The operations of a mapping, some of which a seed does without. */
void engine_choose(void);
/* Bytes up to the end are as they must be. */
void pages_check(const struct mpio_page *page);
bool pages_can_be_read(const struct own_page *p);
void pages_lock(struct own_page *p);

void streams_begin(void);
void streams_use(void);
void streams_end(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The naive model of reading and writing: a file of a few blocks that lie on
 * two disks as the input says, and some pages of it. What must become of each
 * block follows from the map alone, without runs, bios or limits.
 */
#ifndef MODEL_H
#define MODEL_H

#include "fuzz.h"

#define MODEL_BLOCKS 32u
#define MODEL_PAGES 12u
#define MODEL_DISK (DISK_BYTES / 2)

enum model_kind {
	MODEL_MAPPED,
	MODEL_HOLE, /* `block` is what will be allocated for it */
	MODEL_UNWRITTEN,
	MODEL_FILLED, /* get_block fills the page itself */
	MODEL_FAILS   /* get_block does */
};

/* What a page's memory holds before anything was put there. */
#define MODEL_UNTOUCHED 0xee
/* What get_block fills blocks with. */
#define MODEL_FILL 0x5a
/* What a get_block that fails returns. */
#define MODEL_ERROR (-MPIO_ENODEV)

struct model_block {
	uint8_t kind;   /* enum model_kind */
	uint8_t queue;  /* on which disk */
	bool boundary;  /* the last before one */
	uint32_t until; /* where the run of alike and adjacent ones ends */
	uint64_t block; /* where, on the disk */
};

struct model_page {
	struct mpio_page page; /* first */
	uint64_t words[2];     /* its per-block state, if it has that */
	uint64_t before[2];    /* what that was when the page was handed in */
	uint32_t first;        /* block of the file */
	uint32_t count;        /* blocks */
	uint32_t flags;        /* when it was handed in */
	bool taken;
	uint32_t ends;
	int status;
};

struct model {
	struct fuzz_input in;
	unsigned shift; /* of the block size */
	uint32_t block_size;
	uint32_t blocks;     /* up to the end of file */
	uint32_t answer_max; /* blocks of an answer; 0: any */
	struct model_block map[MODEL_BLOCKS];
	uint64_t used[2]; /* sectors of each disk */
	struct disk *disk[2];
	struct mpio_queue *queue[2]; /* of one group */
	struct mpio_queue_config config;
	struct mpio_mapping_ops ops;
	struct mpio_mapping mapping; /* its host is the model */
	struct model_page pages[MODEL_PAGES];
	struct mpio_page *list[MODEL_PAGES];
	uint32_t page_count;
	uint32_t memory_used; /* bytes of the arena */
	uint32_t calls;       /* of get_block */
};

/* Choose sizes, disks and queues, and open them. False: none such can be. */
bool model_open(struct model *model, const uint8_t *data, size_t size);
/* Choose where blocks lie; no two at the same place if `apart`. */
void model_choose_map(struct model *model, bool apart);
/* Make pages, and their memory, which is untouched. */
void model_make_pages(struct model *model);
/* Let all end that is in flight, and close the queues. */
void model_close(struct model *model);

/* The answer for a block: what get_block is to say. */
int model_answer(const struct model *model, uint64_t block,
		 struct mpio_extent *extent);

/* Blocks of the file that a page is about: those before its end. */
uint32_t model_page_end(const struct model *model, const struct model_page *p);
/* Whether a block begins on its disk. */
bool model_is_on_disk(const struct model *model, const struct model_block *b);
/* Bytes of a block that the disk has. */
uint32_t model_length(const struct model *model, const struct model_block *b);
/* Whether a bad sector is in the way of a block. */
bool model_is_bad(const struct model *model, const struct model_block *b);
/*
 * Whether bad sectors fail no page but those that lie on them. Not if the
 * device asks for memory that is aligned to more than a block: an I/O of two
 * blocks is then as small as it gets.
 */
bool model_isolates(const struct model *model);
/* A bit of the state of blocks that a page was handed in with. */
bool model_bit(const uint64_t *words, uint32_t i);
/* Bytes that nobody had to touch are as they were. */
void model_check_guards(const struct model *model);
/*
 * The most I/Os that some bytes which lie together take, whatever came before
 * them; 0: as many as there are.
 */
uint32_t model_ios_max(const struct model *model, uint64_t length);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the sources of fuzz_api share: one disk, one queue, and what is done
 * with them.
 *
 *     fuzz_api.c   the disk, the queue, bios by hand
 *     api_pages.c  pages of a mapping without a cache, and streams over them
 *     api_files.c  files in a cache
 *
 * The disk is divided: blocks of files, the mapping's, regions of bios.
 */
#ifndef API_H
#define API_H

#include "fuzz.h"

#define API_BLOCK SECTOR
#define API_FILE_SECTORS 80u
#define API_PAGES_AT (API_FILE_SECTORS * SECTOR)
#define API_PAGES_SECTORS 24u
#define API_RAW_AT (API_PAGES_AT + API_PAGES_SECTORS * SECTOR)
#define API_RAW_SECTORS 6u
#define API_BIOS 4u

struct api_bio {
	struct mpio_bio *bio; /* NULL: it has ended */
	uint64_t from;        /* its region of the disk */
	uint64_t faults;      /* when it was submitted */
	uint32_t ends;
	bool cancelled;
	bool is_known; /* what the region holds is in `known` */
	unsigned char known[API_RAW_SECTORS * SECTOR];
	unsigned char memory[API_RAW_SECTORS * SECTOR];
};

struct api {
	struct fuzz_input in;
	bool faulty;       /* things may fail */
	uint64_t faults;   /* that there were */
	uint64_t before;   /* of them, before the call going on */
	uint32_t refusals; /* in a row */
	uint32_t plugs;
	struct mpio_queue *queue;
	struct api_bio bios[API_BIOS];
	/* Not zeroed. */
	struct disk disk; /* what is known of it is what is durable */
};

extern struct api api;

/* An error of a call that tells what it met itself. */
void api_allow(int error);
/* An error of get_block, now and then. */
int api_map_fault(uint32_t flags);

void pages_begin(void);
void pages_use(void);
void pages_end(void);

void files_begin(void);
void files_use(void);
void files_end(void);

#endif

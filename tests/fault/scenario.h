/* SPDX-License-Identifier: MIT */
/*
 * A scenario: a file on one or two devices, the pages over it, the queues, and
 * an operation. It is data; world.c makes a world of it, and operations.c has
 * what is run there. The tables stand in scenarios_*.c.
 */
#ifndef FAULT_SCENARIO_H
#define FAULT_SCENARIO_H

#include "mock.h"

#include <stddef.h>

struct world;

#define DEVICES 2u
#define RUNS_MAX 12u

/* What a run of the file's blocks is. */
enum run_kind {
	RUN_NONE,     /* ends the list */
	RUN_DATA,     /* on a device */
	RUN_BOUNDARY, /* the same, and its last block is a boundary */
	RUN_HOLE,     /* a hole; CREATE allocates it at `block` */
	RUN_INLINE,   /* get_block fills the bytes itself */
	RUN_UNWRITTEN /* on a device, but reads as zeros until `written` */
};

struct run {
	uint32_t count; /* blocks */
	enum run_kind kind;
	uint32_t block; /* on the device */
	uint32_t device;
};

/* Optional hooks of the mapping. */
#define HOOK_VERIFY (1u << 0)      /* of the bytes that a read brought */
#define HOOK_REREAD (1u << 1)      /* names the copy at `copy_block` */
#define HOOK_WRITTEN (1u << 2)     /* converts unwritten blocks */
#define HOOK_SEAL (1u << 3)        /* writes another form of the bytes */
#define HOOK_NEW_BLOCKS (1u << 4)  /* before a new block is written */
#define HOOK_BOUNDARY (1u << 5)    /* writes a block of metadata */
#define HOOK_ACCOUNT (1u << 6)     /* counts each page */
#define HOOK_STILL_VALID (1u << 7) /* drops every third answer */
#define HOOK_REDIRTY (1u << 8)     /* write_end: dirty again, once */
#define HOOK_METADATA (1u << 9)    /* get_block reads the device, and waits */

/* A bio that is no page's. */
struct raw_io {
	enum mpio_bio_op op;
	uint32_t flags;  /* MPIO_BIO_* flags */
	uint32_t offset; /* bytes */
	uint32_t length; /* bytes */
};

struct scenario {
	const char *name;
	/* Does it; 0 or the error that the caller was told. */
	int (*operation)(struct world *world);
	uint32_t flags; /* of mpio_readahead() */
	struct mpio_writeback_control wbc;
	bool plugged; /* all of it under a plug */
	bool limited; /* does not deal with all pages in one go */
	const struct raw_io *raws;
	size_t raw_count;

	/* The file and where it lies. */
	struct run runs[RUNS_MAX];
	uint32_t block_size; /* 0: 1024 */
	uint64_t file_size;  /* 0: all of the runs */
	uint32_t answer_max; /* blocks in an answer; 0: any */
	uint32_t mapping_flags;
	uint32_t hooks;      /* HOOK_* flags */
	uint32_t copy_block; /* of another copy of all pages */
	uint32_t copy_device;

	/* The pages over it. */
	uint8_t page_blocks
		[4]; /* their sizes, in turn; 0: 4 at first, or end */
	uint32_t pages_past_end; /* so many more, past the last run */
	bool writes;             /* pages are dirty, but for */
	uint32_t clean_pages;    /* those, a bit each */
	uint32_t uptodate_pages; /* of a read, a bit each */
	uint32_t page_flags;     /* more flags, of each */
	bool per_block;          /* pages have per-block state: */
	uint16_t uptodate;       /* a bit for each block of 16 */
	uint16_t dirty;          /* the same; these are uptodate too */
	bool adjacent;           /* pages follow each other in memory */
	uint32_t skew;           /* bytes; how far all memory is from aligned */

	/* The devices, all alike. */
	uint32_t devices;     /* 0: one */
	uint64_t device_size; /* bytes; 0: 96 KiB */
	enum mock_mode mode;
	bool ordered; /* wants a device that works in order */
	bool batches;
	uint32_t depth;
	struct mpio_limits limits;
	struct mpio_queue_config config;
};

/* All of them, one after the other; NULL past the end. */
const struct scenario *scenario_get(size_t index);

struct scenario_table {
	const struct scenario *scenarios;
	size_t count;
};

extern const struct scenario_table scenarios_read;
extern const struct scenario_table scenarios_read_hooks;
extern const struct scenario_table scenarios_write;
extern const struct scenario_table scenarios_write_hooks;
extern const struct scenario_table scenarios_raw;
extern const struct scenario_table scenarios_bounce;

#endif

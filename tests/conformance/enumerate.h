/* SPDX-License-Identifier: MIT */
/*
 * What the sources of test_enumerate share.
 *
 * A trial is one small world, fully told: a file of up to six blocks in one to
 * six pages, where each block lies, the limits of an I/O, and what is done
 * (read or write). Three parts look at it and share nothing but its
 * description:
 *
 *     enumerate_model.c  what must come out, one block at a time
 *     enumerate_least.c  the least number of I/Os, by trying every split
 *     enumerate_stage.c, enumerate_engine.c, enumerate_check.c
 *                        play it on the library and compare
 *
 * enumerate.c makes the trials, enumerate_plan.c those of the plan alone, and
 * enumerate_text.c writes one down so that it can be run again.
 */
#ifndef ENUMERATE_H
#define ENUMERATE_H

#include <mpio/mpio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BLOCKS_MAX = 6, /* of the file */
	PAGES_MAX = 6,
	QUEUES_MAX = 2,
	DEVICE_BLOCKS = 8, /* of each device */
	BLOCK_SIZE_MAX = 1024,
	UNIT = 512, /* the devices' logical block, bytes */
	UNITS_MAX = BLOCKS_MAX * BLOCK_SIZE_MAX / UNIT,
	ERRORS_MAX = 4,
	IOS_MAX = 160,
	WRITE_ALL_PAGES = 9 /* of `nr`: the walk is not to be stopped by it */
};

enum trial_op { TRIAL_READ, TRIAL_WRITE };

/** What the map says about a block. */
enum block_kind {
	KIND_HOLE = '-', /* CREATE: there is no room (-MPIO_ENOSPC) */
	KIND_MAPPED = 'm',
	KIND_NEW = 'n',       /* a hole that CREATE allocates */
	KIND_UNWRITTEN = 'w', /* mapped, reads as zeros */
	KIND_FILLED = 'u',    /* mapped, get_block fills the page itself */
	KIND_INLINE = 'i',    /* the same, and it lies on no device */
	KIND_FAIL = 'F'       /* get_block fails with -MPIO_EIO */
};

/** How get_block slices its answers. */
enum slices {
	SLICES_LONGEST,      /* runs and holes as long as they go */
	SLICES_SINGLE,       /* always one block */
	SLICES_HOLES_SINGLE, /* longest runs; a hole's length is not known */
	SLICES_STRADDLING,   /* an answer ends before each odd block, so that
			      * most straddle pages of two blocks */
	SLICES_COUNT
};

/** Which of its operations the engine has. */
enum engine {
	ENGINE_TOLD,  /* those that it is told things by */
	ENGINE_BARE,  /* those that there must be */
	ENGINE_SEALS, /* verify or seal (into shadow pages), still_valid */
	ENGINE_COUNT
};

/** How the pages lie in memory. */
enum layout {
	LAYOUT_APART,    /* guard bytes between them */
	LAYOUT_TOGETHER, /* each behind the one before: neighbours join */
	LAYOUT_REVERSED, /* each before the one before: they touch, but no
			  * two in file order follow each other */
	LAYOUT_COUNT
};

/** What a page is when the call begins. */
enum page_state {
	PAGE_WANTED = 'p', /* to be read; or dirty */
	PAGE_DONE = 'd',   /* uptodate already; or clean */
	PAGE_ABSENT = 'a', /* nobody has it */
	PAGE_BUSY = 'b'    /* dirty, and under a write-back of its own that
			    * does not end; not with `sync` */
};

struct trial_block {
	uint8_t kind;   /* enum block_kind */
	uint8_t device; /* where it lies, in blocks */
	uint8_t queue;  /* on which device */
	bool boundary;  /* an answer that gets here ends at a boundary */
	bool mark;      /* with per-block state: read: it is uptodate
			 * already; write: it is dirty */
};

struct trial {
	uint8_t op;
	uint8_t page_count;
	uint8_t page_blocks[PAGES_MAX];
	uint8_t page_state[PAGES_MAX];
	uint8_t block_count; /* of all pages */
	struct trial_block block[BLOCKS_MAX];
	uint8_t states;       /* a bit for each page: it has per-block state */
	uint32_t block_size;  /* bytes */
	uint32_t file_size;   /* bytes */
	uint32_t device_size; /* bytes, of each device */
	uint32_t pieces_max;  /* limits of an I/O; 0: none */
	uint32_t parts_max;
	uint32_t bytes_max;
	uint32_t bad; /* a bit for each block of the first device: any I/O
		       * that touches it fails */
	uint8_t slices;
	uint8_t layout;
	uint8_t engine;
	bool late;    /* the device ends I/Os only when it is asked to, the
		       * last first; and there are few bios */
	bool isolate; /* failed I/Os are taken apart */
	bool single;  /* by mpio_read_page(), mpio_write_page() */
	bool sync;    /* write: MPIO_SYNC_ALL */
	uint8_t nr;   /* write: nr_to_write, or WRITE_ALL_PAGES */
};

/** Whether a block's page has per-block state. */
static inline bool trial_has_state(const struct trial *t, unsigned b)
{
	unsigned p = 0;

	for (; b >= t->page_blocks[p]; p++)
		b -= t->page_blocks[p];
	return t->states >> p & 1;
}

/** Whether a block is there already (read) or dirty (write). */
static inline bool trial_is_marked(const struct trial *t, unsigned b)
{
	if (!trial_has_state(t, b))
		return t->op == TRIAL_WRITE;
	return t->block[b].mark;
}

/* enumerate_model.c */

enum fate {
	FATE_STAY, /* no I/O */
	FATE_MOVE, /* one I/O moves it */
	FATE_MAY   /* its page fails in any case: both are good */
};

/** Bytes of one block at the end; both NULL: anything. */
struct outcome_bytes {
	const unsigned char *bytes;
	const unsigned char *or_bytes; /* NULL: nothing else will do */
};

struct outcome_page {
	bool ends;   /* its end is told, exactly once; otherwise never */
	bool mapped; /* write: get_block failed for none of its blocks */
	uint32_t on; /* page flags */
	uint32_t off;
	int errors[ERRORS_MAX]; /* one of these is its status; none: 0 */
	unsigned error_count;
	uint32_t bytes_moved;
};

/** What must come out of a trial. */
struct outcome {
	enum fate fate[BLOCKS_MAX];
	bool needed[BLOCKS_MAX];     /* get_block may be asked about it */
	bool failing[BLOCKS_MAX];    /* it cannot be read or written */
	uint32_t length[BLOCKS_MAX]; /* bytes that are moved, if it is */
	struct outcome_bytes memory[BLOCKS_MAX];
	struct outcome_bytes disk[QUEUES_MAX][DEVICE_BLOCKS];
	struct outcome_page page[PAGES_MAX];
	unsigned page_of[BLOCKS_MAX];
	uint32_t written;           /* pages that count against nr_to_write */
	uint32_t skipped;           /* pages */
	int errors[ERRORS_MAX + 1]; /* what the call may return */
	unsigned error_count;       /* 0: it returns 0 */
	bool fails; /* an error of a write is remembered by the mapping */
};

/**
 * Work out what must come out, block by block.
 *
 * @param t     the trial
 * @param lost  a bit for each block of the file that a failed I/O took along;
 *              only without isolation
 * @param[out] out  valid until the next call
 */
void model_run(const struct trial *t, uint32_t lost, struct outcome *out);

extern unsigned char model_file[BLOCKS_MAX * BLOCK_SIZE_MAX];
extern unsigned char model_disk[QUEUES_MAX][DEVICE_BLOCKS * BLOCK_SIZE_MAX];

enum { MODEL_GARBAGE = 0xee, MODEL_FILL = 0xa5 };

/** Fill the patterns above. */
void model_init(void);

/* enumerate_least.c */

/** A sequence of pieces to be moved, each within one I/O. */
struct sequence {
	unsigned count;
	uint32_t length[UNITS_MAX];
	/* Bit i tells how piece i + 1 follows piece i. */
	uint32_t apart;     /* they cannot share an I/O */
	uint32_t new_piece; /* not behind it in memory */
	uint32_t new_part;  /* not behind it in the same page */
};

struct sequence_limits {
	uint32_t pieces_max;
	uint32_t parts_max;
	uint32_t bytes_max;
	uint8_t *known; /* answers for short sequences of equal pieces:
			 * SEQUENCE_KNOWN bytes, zero at first; or NULL */
};

enum { SEQUENCE_KNOWN = 1 << 18 };

/** Tell whether a split (bit i: a cut after piece i) keeps the limits. */
bool sequence_legal(const struct sequence *s, const struct sequence_limits *l,
		    uint32_t cuts);

/** Find the least number of I/Os, by trying every split. */
unsigned sequence_least(const struct sequence *s,
			const struct sequence_limits *l);

/* enumerate_stage.c */

struct io_record {
	uint64_t offset;
	uint32_t length;
	uint32_t vec_count;
	uint8_t queue;
	bool retry;
	bool failed;
	struct mpio_iovec vecs[UNITS_MAX];
};

/** Everything of one trial while it is played. */
struct stage {
	const struct trial *t;
	const struct outcome *out;
	struct mpio_queue *queue[QUEUES_MAX];
	struct sequence_limits *limits;
	struct mpio_mapping mapping;
	struct mpio_page page[PAGES_MAX];
	uint64_t words[PAGES_MAX][2];
	unsigned char *memory[PAGES_MAX];
	struct io_record io[IOS_MAX];
	unsigned io_count;
	uint32_t received[QUEUES_MAX]; /* units of the device, by I/Os */
	unsigned calls;
	uint64_t answered; /* blocks before this one were asked for */
	int boundary;      /* block that ends a run at a boundary, or -1 */
	bool boundary_noted;
	uint32_t noted;     /* blocks whose boundary was noted */
	uint32_t allocated; /* blocks, by CREATE */
	uint32_t announced; /* blocks, by new_blocks */
	uint32_t told;      /* units of the file, by written */
	uint32_t accounted[PAGES_MAX];
	unsigned accounts[PAGES_MAX];
	unsigned seals[PAGES_MAX]; /* verify or seal was called */
	unsigned ends[PAGES_MAX];
	int status[PAGES_MAX];
	int result; /* of the call */
	struct mpio_writeback_control wbc;
	uint64_t ios_before; /* the queues' own count */
	const char *wrong;   /* the first breach, or NULL */
	bool verbose;
};

extern unsigned char stage_disk[QUEUES_MAX][DEVICE_BLOCKS * BLOCK_SIZE_MAX];

/** Play a trial; breaches seen on the way are in `s->wrong`. */
void stage_play(struct stage *s, const struct trial *t,
		const struct outcome *out);

/** Note a breach of the contract; the first one stays. */
void stage_wrong(struct stage *s, const char *what);

/** Where the shadow of a piece of a page's memory lies. */
unsigned char *stage_shadow(unsigned char *memory);

/** Tell whether the guard bytes around the pages are whole. */
bool stage_guards_whole(void);

/** Close all queues. */
void stage_close(void);

/* enumerate_engine.c */

/** The engine's side: answers from the trial, and watches the library. */
extern const struct mpio_mapping_ops engine_ops[ENGINE_COUNT];

/** Tell how many calls of get_block the needed blocks take at most. */
unsigned engine_calls_max(const struct trial *t, const struct outcome *out);

/* enumerate_check.c */

/**
 * Play a trial and compare all of it.
 *
 * @return NULL, or what is wrong
 */
const char *check_trial(const struct trial *t, bool verbose);

/* enumerate_text.c */

/** Print a trial as the arguments that run it again. */
void trial_print(const struct trial *t);

/**
 * Read those arguments.
 *
 * @return 0, or -1: they make no sense
 */
int trial_parse(struct trial *t, int argc, char **argv);

/* enumerate_plan.c */

/**
 * Ask the plan about every state of a grid.
 *
 * @param stride  only each so-many-th
 * @param first   from this one on
 * @param[out] failed  how many answers were wrong
 * @return how many were right
 */
uint64_t plan_enumerate(uint64_t stride, uint64_t first, uint64_t *failed);

#endif

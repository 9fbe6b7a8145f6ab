/* SPDX-License-Identifier: MIT */
/*
 * A world: one or two simulated disks, perhaps filters over them, a queue, and
 * files that lie there. A scenario is data, and a function that works in the
 * world, at random by its seed, until it is done or the power goes. All that it
 * writes, and all that it is promised, the oracle is told.
 */
#ifndef POWER_WORLD_H
#define POWER_WORLD_H

#include "oracle.h"

#include <mpio/file.h>
#include <mpio/mpio.h>
#include <mpio/simdisk.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define DISKS 2u
#define FILES 2u
#define BLOCKS_MAX 128u
#define FILE_BYTES_MAX (BLOCKS_MAX * 1024u)
#define CHANGE_MAX 16384u

struct world;

/* What stands between the queue and the disks. */
enum stack {
	STACK_NONE,
	STACK_LINEAR,       /* two disks, one behind the other */
	STACK_VERIFY,       /* two disks with the same on them */
	STACK_DELAY,        /* I/Os end in an order of their own */
	STACK_FAULT,        /* the rules are the filter's, not the disk's */
	STACK_DELAY_LINEAR, /* both */
};

/* What a scenario does beside writing. Each layer knows some of it. */
#define DO_SYNC (1u << 0)     /* write back all of a file, and flush */
#define DO_RANGE (1u << 1)    /* the same for a range */
#define DO_PAGE (1u << 2)     /* write single pages back */
#define DO_WORK (1u << 3)     /* write-behind, or some pages, no flush */
#define DO_CYCLIC (1u << 4)   /* a cyclic walk, no flush */
#define DO_TAGGED (1u << 5)   /* a tagged walk, no flush */
#define DO_FLUSH (1u << 6)    /* flush what has been written back */
#define DO_PLUG (1u << 7)     /* several walks under one plug */
#define DO_READ (1u << 8)     /* what is not cached takes a frame */
#define DO_TRUNCATE (1u << 9) /* down and up */
#define DO_TRADE (1u << 10)   /* freed blocks become another file's */
#define DO_ROOM (1u << 11)    /* blocks run out, and come back */
#define DO_FORGET (1u << 12)  /* write pages back, and forget them */
#define DO_FUA (1u << 13)
#define DO_PREFLUSH (1u << 14)
#define DO_DISCARD (1u << 15)
#define DO_PARTS (1u << 16) /* I/Os begin and end inside sectors */

/* Ways to be wrong, for tests of the checker. */
enum lie {
	LIE_NONE,
	LIE_NO_FLUSH, /* what was written back is called durable */
	LIE_TOLD,     /* an error of a sync is overheard */
	LIE_ALL,      /* a range that was synced is called the whole file */
	LIE_FLAGS,    /* what is not FUA or PREFLUSH is called so */
	LIE_STRAY,    /* something is written to what is nobody's */
	LIE_AGAIN     /* a flush that follows one that failed is believed */
};

struct scenario {
	const char *name;
	void (*run)(struct world *world);
	uint32_t steps;       /* 0: 120 */
	uint32_t does;        /* DO_* */
	uint32_t sector;      /* bytes; 0: 512 */
	uint32_t block;       /* bytes; 0: 1024 */
	uint32_t page;        /* bytes; 0: 4096 */
	uint32_t blocks;      /* of a file; 0: 48 KiB of them */
	uint32_t files;       /* 0: one */
	uint32_t frames;      /* of the cache; 0: all pages fit */
	uint32_t sync_every;  /* so many steps, or sooner; 0: 8 */
	uint32_t sim_flags;   /* MPIO_SIM_* */
	uint32_t cache_bytes; /* of the disk's cache; 0: all fit */
	uint32_t alignment;   /* of memory, as the device wants it */
	bool skewed;          /* memory is not aligned at all */
	bool ordered;         /* blocks lie in order, and without holes */
	bool whole;           /* pages have no state of their blocks */
	enum stack stack;
	const char *rules; /* of what goes wrong; NULL: nothing */
	enum lie lie;
};

/* Where the power is to fail. */
enum cut_kind {
	CUT_NONE,    /* at the end */
	CUT_SUBMIT,  /* with the n-th I/O in flight */
	CUT_COMPLETE /* when the n-th was done, and nobody was told yet */
};

struct cut {
	uint32_t disk;
	enum cut_kind kind;
	uint32_t n; /* from 1 on */
};

struct disk {
	struct mpio_sim *sim;
	uint64_t offset;    /* bytes; of what the oracle has */
	uint32_t own_rules; /* before that which cuts */
};

/* What a file was before it was changed last. */
struct file_undo {
	uint64_t pos;
	uint32_t length;
	uint64_t size;
	unsigned char bytes[CHANGE_MAX];
	bool written[BLOCKS_MAX];
};

/* A file: what is in it, and where its blocks lie or would lie. */
struct file {
	struct mpio_cache_mapping cached; /* first; its mapping is the file's */
	struct world *world;
	uint32_t blocks;            /* the most */
	uint32_t place[BLOCKS_MAX]; /* block of the device */
	bool mapped[BLOCKS_MAX];    /* get_block has told so */
	bool written[BLOCKS_MAX];   /* must be mapped when it is durable */
	unsigned char bytes[FILE_BYTES_MAX];
	uint64_t size;
	struct file_undo undo;
};

struct world {
	const struct scenario *scenario;
	struct scenario as; /* with the defaults */
	uint64_t seed;
	uint64_t random;
	struct oracle oracle;
	uint64_t size; /* bytes, of what the oracle has */
	struct disk disks[DISKS];
	uint32_t disk_count;
	struct mpio_device *filters[DISKS]; /* the last is on top */
	uint32_t filter_count;
	struct mpio_queue *queue;
	struct file files[FILES];
	uint32_t steps;  /* since something was made durable */
	uint32_t room;   /* blocks that may still be allocated */
	uint64_t writes; /* I/Os that change a disk */
	uint64_t flushes;
	uint64_t promises;
	uint64_t told; /* errors */
	bool off;
	char trouble[256]; /* the first; empty: none */
};

/* Make a world, and say where its power is to fail. */
void world_open(struct world *world, const struct scenario *scenario,
		uint64_t seed, const struct cut *cut);
/* Close the queue; the disks stay, without power. */
void world_stop(struct world *world);
void world_close(struct world *world);
/* Whether the cut came. */
bool world_was_cut(struct world *world, const struct cut *cut);

/* Less than the limit, by the seed. */
uint32_t draw(struct world *world, uint32_t limit);
/* One of the flags in a mask, by the seed; 0: there is none. */
uint32_t draw_flag(struct world *world, uint32_t mask);
void draw_bytes(struct world *world, unsigned char *to, size_t length);

/* Whether it is time to make something durable. */
bool is_due(struct world *world);

/* Look whether there is still power. */
bool has_power(struct world *world);
/* Something is as it cannot be, and not only after a cut. */
void trouble(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Whether a call did what it should; that it did not needs a reason. */
bool succeeded(struct world *world, int64_t result, const char *what);
/* Flush, or tell a lie. Puts all in doubt if it fails. */
int flush_device(struct world *world);
/* A flush failed: what it was to cover may be lost. */
void note_failed_flush(struct world *world);

/* ---- Files -------------------------------------------------------------- */
void file_init(struct world *world, struct file *file);
int file_get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		   uint64_t block, uint32_t flags, struct mpio_extent *extent);
/* Some bytes of a file, at random: where, and how many. */
uint64_t draw_range(struct world *world, const struct file *file, uint32_t most,
		    uint32_t *length);
/* Blocks that have some of a range are to be written. */
void file_touch(struct file *file, uint64_t pos, uint64_t length);
/* Bytes are about to be changed, and the end to move behind them. */
void file_change(struct file *file, uint64_t pos, const unsigned char *bytes,
		 uint32_t length);
/* No more than the first bytes were. */
void file_take_back(struct file *file, uint32_t done);
/* The end is about to be moved; what lies behind it is given back by
 * file_free(). */
void file_move_end(struct file *file, uint64_t size);
void file_free(struct file *file);
/* A sync of these bytes returned 0. */
void file_promise(struct file *file, uint64_t start, uint64_t end);
/* Blocks that are free in both files change places. */
void file_trade(struct world *world);

/* ---- What scenarios run: run_*.c ---------------------------------------- */
void run_core(struct world *world);
void run_raw(struct world *world);
void run_cache(struct world *world);
void run_file(struct world *world);

extern const struct scenario scenarios[];
extern const size_t scenario_count;

#endif

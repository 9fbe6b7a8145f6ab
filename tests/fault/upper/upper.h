/* SPDX-License-Identifier: MIT */
/*
 * Sweeps of faults through stream, cache and file: the layers above the core.
 *
 *     scenarios_*.c   what is done, as tables of steps
 *     stack.c         files, handles, cache and queue on a ground; the engine
 *     steps.c         does the steps, and keeps a model of what must be there
 *     streams.c       a step of its own: a stream over one of the files
 *     check.c         what must hold after any fault
 *     sweep.c         each scenario with each mishap at each event
 *     ground_*.c      devices, and how they are made to fail
 *
 * A mishap is one kind of fault. Each says what must come of it:
 *
 *     CURED   nobody learns of it: it was tried again, or went on
 *     TOLD    a page could not be written, or a flush failed: each handle of
 *             the file is told by its next sync, once
 *     FREE    one or the other: a page that fails by itself may be read again,
 *             what is read ahead tells nobody, and an error of reading is told
 *             by the call that wanted the bytes
 */
#ifndef FAULT_UPPER_H
#define FAULT_UPPER_H

#include <mpio/file.h>
#include <mpio/mpio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK 512u
#define PAGE (4 * BLOCK)
#define KIB 1024u
#define FILES 2u
#define HANDLES 3u /* two of file 0, and one of file 1 */
#define FILE_BLOCKS 160u
#define FILE_BYTES (FILE_BLOCKS * BLOCK)
#define SMALL_BLOCKS 48u /* of file 1 */
#define UNIT 4u          /* blocks that lie together */
#define DISK_BLOCKS 288u
#define DISK_BYTES (DISK_BLOCKS * BLOCK)
#define PINS 4u

/* ---- Mishaps ------------------------------------------------------------ */

enum where { ON_ALLOC, ON_GET_BLOCK, ON_READ, ON_WRITE, ON_FLUSH, ON_REAP };

enum consequence { FREE, CURED, TOLD };

/* How many bytes are moved: so many, or one of these. */
#define MOVED_NONE 0u
#define MOVED_ALL_BUT_ONE (UINT32_MAX - 1)
#define MOVED_ALL UINT32_MAX

struct mishap {
	const char *name;
	enum where site;
	int status;     /* a negative errno; 0: it comes short */
	uint32_t moved; /* bytes, if it comes short */
	bool sticky;    /* from the n-th event on */
	enum consequence outcome;
};

/* ---- Grounds ------------------------------------------------------------ */

/* A device that fails where it is told to. One is open at a time. */
struct ground {
	const char *name;
	/* What it makes fail: of reads, writes and flushes. */
	bool (*can)(const struct mishap *mishap);
	/* The device, with what was loaded and armed; NULL: no memory. */
	struct mpio_device *(*open)(const struct mpio_allocator *allocator);
	void (*close)(void);
	/* Before it is opened: fail at the n-th event; NULL: at none. */
	void (*arm)(const struct mishap *mishap, uint64_t n);
	void (*lift)(void); /* from now on nothing fails */
	uint64_t (*fired)(void);
	void (*load)(const unsigned char *image);
	/* What is on the device now; good until the next call. */
	const unsigned char *(*image)(void);
	/* What a power cut would leave; NULL: it cannot tell. */
	const unsigned char *(*durable)(void);
	/* What comes of a mishap there; NULL: what the mishap says. */
	enum consequence (*outcome)(const struct mishap *mishap);
	bool stays; /* one queue for all runs: to open it takes long */
};

/* Those of a program; ends with NULL. */
extern const struct ground *const grounds[];

/* ---- Scenarios ---------------------------------------------------------- */

enum verb {
	END,
	READ,
	WRITE,
	SYNC,
	SYNC_RANGE, /* [pos, length); 0: to the end */
	TRUNCATE,   /* to pos */
	ADVISE,     /* [pos, length), how: enum mpio_advice */
	/* Of the cache; `who` is a file. */
	WORK,
	WALK,       /* write back as `how` says, `length` pages */
	INVALIDATE, /* [pos, length) */
	GET,        /* a page, and keep it pinned */
	PUT,        /* all that are pinned */
	FILL,       /* grab the page, and read only these bytes */
	CHANGE,     /* bytes of one page */
	AHEAD,      /* `length` pages */
	POLL,
	ROOM, /* from now on `length` blocks can be had */
	STREAM
};

/* Ways of WALK. */
#define WALK_CYCLIC (1u << 0)
#define WALK_TAGGED (1u << 1)
#define WALK_ALL (1u << 2)

/* Streams: an order, and what more happens. */
enum order { FORWARD, BACKWARD, SCATTERED, PAIRS, TWICE };
#define STREAM_RESET 8u /* after half of it, and at the end; then again */
#define STREAM_HOLD 16u /* the consumer keeps some pages for a while */

struct step {
	enum verb verb;
	uint32_t who; /* handle or file */
	uint32_t pos;
	uint32_t length;
	uint32_t how;
	uint32_t times; /* 0: once */
	int32_t stride; /* between positions, if several times */
};

enum layout { STRAIGHT, UNITS, REVERSED };

#define STEPS_MAX 32u

struct scenario {
	const char *name;
	struct step steps[STEPS_MAX];
	enum layout layout;
	uint32_t size;       /* bytes of file 0 at first; 0: all */
	uint32_t hole_every; /* each so many units are a hole; 0: none */
	bool boundary;       /* each unit ends at one */
	bool whole;          /* a bio fails whole: no isolation */
	uint32_t frames;     /* 0: 48 */
	uint32_t straight;   /* straight_min; 0: never */
	uint32_t ahead_max;  /* readahead_max; 0: 8 pages */
	uint32_t background; /* per cent; 0: the cache's */
	uint32_t limit;
	uint32_t bios;  /* 0: 6 */
	uint32_t bytes; /* of a bio, at most; 0: any */
};

extern const struct scenario scenarios_file[];
extern const struct scenario scenarios_cache[];
extern const struct scenario scenarios_stream[];

/* ---- The stack ---------------------------------------------------------- */

struct file {
	struct mpio_cache_mapping cached; /* first */
	struct stack *stack;
	uint32_t blocks; /* that there may be */
	bool mapped[FILE_BLOCKS];
	unsigned char model[FILE_BYTES];
	uint64_t size;
	/* Pages that could not be written, and flushes that failed. */
	uint64_t failures;
};

struct handle {
	struct mpio_file file; /* first */
	struct file *of;
	uint64_t failures; /* of the file, that it knows of */
	uint64_t faults;   /* of the stack, when it was told last */
};

/* What is made to fail by the test, and not by a device. */
struct blow {
	const struct mishap *mishap;
	uint64_t n;
	uint64_t seen;
	uint64_t fired;
};

struct stack {
	const struct scenario *scenario;
	const struct ground *ground;
	struct mpio_device *device;
	struct mpio_queue *queue;
	struct mpio_cache *cache;
	struct mpio_allocator allocator;
	struct file files[FILES];
	struct handle handles[HANDLES];
	struct mpio_page *pins[PINS];
	uint32_t room;    /* blocks that can be had; UINT32_MAX: any */
	struct blow blow; /* of the allocator and of get_block */
	uint64_t natural; /* faults of the scenario itself: no room */
	uint64_t told;    /* errors that a caller saw */
	long blocks;      /* of memory, allocated and not freed */
	bool owned[DISK_BLOCKS];
	unsigned char image[DISK_BYTES]; /* at first */
	unsigned char buffer[FILE_BYTES];
	/* Where the bytes of a write come from: of each step others. */
	unsigned char noise[FILE_BYTES + STEPS_MAX * 1021u];
};

/* stack.c */
void stack_init(struct stack *stack, const struct scenario *scenario,
		const struct ground *ground);
/* All as at first, with a mishap at the n-th event, or none. */
void stack_reset(struct stack *stack, const struct mishap *mishap, uint64_t n);
/* 0 or -MPIO_ENOMEM: nothing is open. */
int stack_open(struct stack *stack);
void stack_close(struct stack *stack);
/* What was left open for the next run is closed. */
void stack_free(struct stack *stack);
/* What is on its way comes to an end. */
void stack_settle(struct stack *stack);
/* From now on nothing fails. */
void stack_forgive(struct stack *stack);
/* Faults that there were so far, of any kind. */
uint64_t stack_faults(const struct stack *stack);
uint64_t stack_fired(const struct stack *stack);
uint32_t place_of(const struct stack *stack, const struct file *file,
		  uint32_t block);
/* The engine's answer for a file. */
int file_map(struct file *file, uint64_t block, uint32_t flags,
	     struct mpio_extent *extent);

/* steps.c */
void steps_do(struct stack *stack);
/* Each handle is told what it has not been told yet, and nothing more. */
void steps_tell(struct stack *stack);
/* An error that was seen during a call: has anything failed since? */
void allow(struct stack *stack, uint64_t before, int error);

/* streams.c */
void stream_do(struct stack *stack, const struct step *step);

/* check.c */
void stack_check(struct stack *stack);
/* When all is written and made durable. */
void stack_check_clean(struct stack *stack);
/* Whether the cache knows that a block is not yet on the device. */
bool file_is_dirty(const struct file *file, uint32_t block);

#endif

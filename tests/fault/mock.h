/* SPDX-License-Identifier: MIT */
/*
 * A device for tests: a disk in memory that works at once or, as asked, ends
 * bios only when it is reaped, in one order or another. Bytes are moved when
 * the bio ends. It fails as an injector says, and then leaves the worst mess
 * that it may: half of a write done, garbage in what was to be read.
 *
 * It checks all that the library promises to a backend. It also models a
 * volatile cache: `durable` holds what would be left after a power cut.
 */
#ifndef FAULT_MOCK_H
#define FAULT_MOCK_H

#include "inject.h"

#include <mpio/mpio.h>

#define MOCK_PENDING_MAX 256u

/* What a failed read leaves behind. */
#define MOCK_GARBAGE 0xee

enum mock_mode {
	MOCK_SYNC,     /* bios end inside submit */
	MOCK_IN_ORDER, /* one with each reap, in order of submission */
	MOCK_REVERSE,  /* all with each reap, the last first */
	MOCK_RANDOM,   /* some with each reap, any first */
	MOCK_MIXED,    /* every other one ends inside submit */
	MOCK_MODES
};

struct mock {
	struct mpio_device device;
	unsigned char *data;    /* what reads see */
	unsigned char *durable; /* what a power cut leaves, or NULL */
	struct injector *injector;
	enum mock_mode mode;
	uint32_t depth; /* takes so many at once, then refuses; 0: any */
	bool batches;   /* bios begin with commit, not with submit */
	uint32_t random;

	/* Called before bytes are written; NULL: nobody looks. */
	void (*on_write)(void *ctx, struct mock *mock, uint64_t offset,
			 uint32_t length);
	void *ctx;

	struct mpio_bio *pending[MOCK_PENDING_MAX];
	uint32_t pending_count;
	uint32_t committed;     /* of those */
	uint32_t channels;      /* open now */
	uint32_t channel_depth; /* at most so many bios in flight */
	uint64_t submits;       /* bios taken */
	uint64_t fresh_start;   /* between these lies all that is not durable */
	uint64_t fresh_end;
};

/*
 * Make a device of some memory. Limits may be changed, and the members up to
 * `ctx` filled in, before a queue is opened.
 */
void mock_init(struct mock *mock, enum mock_mode mode, void *data,
	       uint64_t size, struct injector *injector);

/*
 * Take the seed of MOCK_RANDOM from the environment's FAULT_SEED, if it is
 * there, and print it.
 */
void mock_seed(void);

/* Copy a range between a bio's memory and a disk. */
void mock_move(const struct mpio_bio *bio, unsigned char *disk,
	       uint32_t length);

#endif

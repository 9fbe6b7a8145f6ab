/* SPDX-License-Identifier: MIT */
/*
 * A device in memory that keeps the contract, or breaks it in one way.
 */
#ifndef MPIO_DEVICE_SUITE_BROKEN_H
#define MPIO_DEVICE_SUITE_BROKEN_H

#include <mpio/device.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum broken_how {
	HONEST,
	/* what is done with bytes */
	DROPS_WRITES,
	READS_NEXT,
	FORGETS_TAIL,
	LIES_ABOUT_SHORT,
	FORGETS_PIECE,
	ROUNDS_PIECES,
	SWAPS_PIECES,
	TRUNCATES_PIECES,
	SPOILS_WRITES,
	READS_TOO_FAR,
	FORGETS_LAST_BLOCK,
	FORGETS_ODD_END,
	DISCARDS_MORE,
	FLICKERS,
	SHARES_SCRATCH,
	FORGETS_ANNOUNCED,
	DROPS_WHEN_BUSY,
	/* order, and what is durable */
	REORDERS,
	LAST_COMES_FIRST,
	FLUSHES_NOTHING,
	IGNORES_FUA,
	IGNORES_PREFLUSH,
	FORGETS_BATCH,
	/* how bios end */
	ENDS_TWICE,
	NEVER_ENDS,
	ENDS_OUTSIDE,
	MISCOUNTS,
	WAITS_NOT,
	CHANGES_BIO,
	REFUSES,
	SHARES_CHANNEL,
	LOSES_CANCELLED,
	CANCELS_SILENTLY,
	LOSES_AT_THE_END,
	FAILS_TO_REAP,
	FAILS_LARGE,
	/* the rest */
	FD_IS_SILENT,
	FD_IS_LOUD,
	FD_MISSES_SOME,
	FD_TELLS_WHEN_ASKED,
	LEAKS_FILES,
	MINDS_THE_THREAD,
	REFUSES_ONE_ANNOUNCED,
	DESCRIBES_SHORT,
	DESCRIBES_BADLY,
	LIMITS_ODDLY
};

struct broken {
	struct mpio_device device; /* first: the device is the broken one */
	enum broken_how how;
	unsigned char *data;
	unsigned char *durable; /* what a power cut leaves; NULL: all of it */
	unsigned char *scratch;
	pthread_mutex_t lock; /* of all that is shared */
	uint64_t done;        /* bios */
	struct broken_channel *shared;
	/* REORDERS: a write that is held back */
	unsigned char *held;
	uint64_t held_offset;
	uint32_t held_length;
};

/* Bios end inside reap, not submit. */
#define BROKEN_ASYNC (1u << 0)
/* What is not flushed is lost with the power. */
#define BROKEN_VOLATILE (1u << 1)
/* Tight limits of all kinds. */
#define BROKEN_TIGHT (1u << 2)
/* A cache that does FUA and PREFLUSH itself. */
#define BROKEN_FUA (1u << 3)
/* Every third bio of a batch ends inside commit. */
#define BROKEN_COMMITS (1u << 4)
#define BROKEN_READONLY (1u << 5)
/* Nothing but single blocks, in one piece. */
#define BROKEN_TIGHTEST (1u << 6)

/* Make one; NULL: no memory. */
struct broken *broken_open(uint64_t size, enum broken_how how, uint32_t modes);
void broken_close(struct broken *broken);
void broken_cut(struct broken *broken);

/* How it does a bio: device_suite_broken_bytes.c. 0 or a negative errno. */
int broken_do(struct broken *broken, struct mpio_bio *bio);
/* Bytes of the bio that broken_do() says it did. */
uint32_t broken_done(const struct broken *broken, const struct mpio_bio *bio);

#endif

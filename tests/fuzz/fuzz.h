/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers share. Each is one source, fuzz_NAME.c, with the function
 * that libFuzzer calls; replay.c has a main() that calls it without libFuzzer.
 *
 *     input   bytes become choices. What is behind the end is 0, and 0 is
 *             always the plainest choice, so that every input means something
 *             and a short one is a simple case.
 *     check   what must hold; if it does not, the program aborts (check.h)
 *     disk    a device in memory that holds the library to its promises
 *     model   a block map and pages, and what must become of them (model.h)
 *
 * All memory is static, and each run begins from the same state.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "check.h"

#include <mpio/mpio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- Input -------------------------------------------------------------- */

struct fuzz_input {
	const uint8_t *at;
	const uint8_t *end;
};

static inline uint32_t fuzz_byte(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* A number of so many bytes. */
static inline uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | fuzz_byte(in);
	return value;
}

/* Less than `limit`, which is at most 65536; 0 if that is 0. */
static inline uint32_t fuzz_below(struct fuzz_input *in, uint32_t limit)
{
	if (limit <= 1)
		return 0;
	return (uint32_t)(fuzz_number(in, limit <= 256 ? 1 : 2) % limit);
}

/* True for some of 256 values of a byte, never for 0. */
static inline bool fuzz_chance(struct fuzz_input *in, uint32_t some)
{
	return fuzz_byte(in) > 255 - some;
}

static inline bool fuzz_flag(struct fuzz_input *in)
{
	return fuzz_chance(in, 128);
}

static inline bool fuzz_is_empty(const struct fuzz_input *in)
{
	return in->at == in->end;
}

/* ---- Disks -------------------------------------------------------------- */

#define SECTOR 512u
#define DISK_SECTORS 128u
#define DISK_BYTES (DISK_SECTORS * SECTOR)
#define DISK_PENDING 64u

struct disk;

/* How a bio is to end that could be done. */
enum disk_end { DISK_GOOD, DISK_FAILS, DISK_SHORT, DISK_AGAIN };

struct disk {
	struct mpio_device device; /* first; limits may be changed */
	unsigned char bytes[DISK_BYTES];
	/* What the fuzzer keeps beside it, of sectors that were written; what
	 * the disk holds at first. */
	unsigned char known[DISK_BYTES];
	const unsigned char *first;
	uint64_t bad[DISK_SECTORS / 64]; /* I/Os that touch these fail */
	uint64_t writer[DISK_SECTORS];   /* when it was written last */
	bool read_only;                  /* the fuzzer writes nothing */

	/* A late disk ends bios in reap, if they were pushed by commit, in an
	 * order of the input's. */
	bool late;
	struct fuzz_input *in;
	/* NULL: all is good. Asked before a bio is done. */
	enum disk_end (*fault)(struct disk *disk, const struct mpio_bio *bio);
	bool (*refuses)(struct disk *disk); /* NULL: never */
	/* Whatever was done to the bytes; NULL: nobody wants to know. */
	void (*done)(struct disk *disk, const struct mpio_bio *bio,
		     uint32_t length, uint64_t sent);
	uint64_t clock; /* I/Os that were done */
	struct mpio_bio *pending[DISK_PENDING];
	uint64_t sent[DISK_PENDING]; /* when */
	uint32_t pending_count;
	uint32_t pushed; /* the first of them, by commit */
};

/*
 * A disk of so many bytes, at most DISK_BYTES; each sector is filled with a
 * number of its own, and of the disk's.
 */
void disk_init(struct disk *disk, uint64_t size, unsigned char name);
/* Whether it holds what is known of it. */
bool disk_is_known(const struct disk *disk);
/* Have it end bios late. */
void disk_make_late(struct disk *disk, struct fuzz_input *in);
/* Limits of all kinds; 0 of the input is none. */
void disk_choose_limits(struct disk *disk, struct fuzz_input *in);
/* What a sector of a disk holds at first. */
const unsigned char *disk_first(unsigned char name, uint64_t sector);

/* ---- Queues ------------------------------------------------------------- */

/*
 * Open a queue in static memory, one of two. NULL: the configuration is
 * impossible, and the library says so each time it is asked.
 */
struct mpio_queue *fuzz_queue_open(unsigned which, struct mpio_device *device,
				   struct mpio_queue_config *config);
/* A configuration of all kinds. */
void fuzz_queue_choose(struct mpio_queue_config *config, struct fuzz_input *in);

#endif

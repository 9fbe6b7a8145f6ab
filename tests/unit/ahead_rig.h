/* SPDX-License-Identifier: MIT */
/*
 * A file on a device that notes which bytes it is asked for, and when. The file
 * lies on the device as it is, so that each I/O tells its place in the file. A
 * demand read is an I/O that is sent while the reader is at its bytes: he waits
 * for it. All others were sent before he came, ahead; and each page of those
 * that nobody comes to was read in vain.
 *
 *     rig = ahead_rig_open(2048, 0, NULL);
 *     ahead_read_run(rig, 0, 8 * MIB, 64 * KIB);
 *     assert_int_equal(rig->demands, 1);
 *     ahead_rig_close(rig);
 */
#ifndef AHEAD_RIG_H
#define AHEAD_RIG_H

#include <mpio/file.h>
#include <mpio/open.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define PAGE (4 * KIB)
#define FILE_BYTES (256 * MIB)
#define PAGES (FILE_BYTES / PAGE)
#define PENDING_MAX 64u
/* Random places are before this one, and what is read from there ends before
 * the next one: there nothing is cached. */
#define JUMPS (192 * MIB)
#define QUIET (225 * MIB)

/* What is in vain at most: a quarter, and so much once. */
#define ALLOWANCE (512 * KIB)

struct ahead_rig {
	struct mpio_device device; /* first */
	struct mpio_bio *pending[PENDING_MAX];
	uint32_t pending_count;
	bool slow;      /* ends one, the oldest, for who waits */
	uint32_t alone; /* so often it was the only one */
	struct mpio_cache_mapping mapping;
	struct mpio_cache *cache;
	struct mpio_queue *queue;
	struct mpio_file file;
	uint64_t seed;

	/* The read going on. */
	uint64_t pos;
	uint64_t end;

	/* What the device has seen. */
	uint32_t ios;
	uint32_t demands;
	uint64_t bytes;
	uint64_t ahead;             /* bytes, in pages */
	uint64_t wanted;            /* of them */
	uint64_t on_its_way;        /* of them, each page but once */
	uint64_t last;              /* byte that was read, and 1 */
	unsigned char early[PAGES]; /* was read ahead; nobody came yet */
};

/* A cache of so many frames; I/Os of so many bytes at most, 0: by default. */
struct ahead_rig *ahead_rig_open(uint32_t frames, uint32_t bytes_max,
				 const struct mpio_file_config *config);
void ahead_rig_close(struct ahead_rig *rig);

/* Read, and tell how much was read ahead meanwhile. */
uint64_t ahead_read(struct ahead_rig *rig, uint64_t pos, uint64_t length);
/* The same by another handle of the file. */
uint64_t ahead_read_by(struct ahead_rig *rig, struct mpio_file *file,
		       uint64_t pos, uint64_t length);
void ahead_read_run(struct ahead_rig *rig, uint64_t from, uint64_t to,
		    uint64_t length);
/* Let nobody know of what was before, but the handle. */
void ahead_forget_counts(struct ahead_rig *rig);
/* Bytes that were read ahead, and nobody has come to yet. */
uint64_t ahead_on_its_way(const struct ahead_rig *rig);

/* By MPIO_SEED, or the time. */
void ahead_seed(struct ahead_rig *rig);
uint64_t ahead_random(struct ahead_rig *rig);

#endif

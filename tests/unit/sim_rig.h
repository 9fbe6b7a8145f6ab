/* SPDX-License-Identifier: MIT */
/*
 * A simulated disk with a queue on it, for tests. I/Os are in sectors of 512
 * bytes; the bytes of a write are all its letter, so that a disk is a string of
 * letters, '.' for zeros:
 *
 *     sim_rig_open(&rig, "write:nth=2:errno=EIO");
 *     sim_put(&rig, 0, 2, 'a');
 *     assert_sim(&rig, "aa......");
 */
#ifndef SIM_RIG_H
#define SIM_RIG_H

#include "mock.h"

#include <mpio/simdisk.h>

#define SECTOR 512u
#define RIG_SECTORS 64u

struct sim_io {
	struct mpio_bio *bio; /* NULL: put back */
	unsigned char bytes[16 * SECTOR];
	int ends;
	int status;
	int order; /* the n-th to end */
};

struct sim_rig {
	struct mpio_sim_config config; /* may be changed before it is opened */
	struct mpio_sim *sim;
	struct mpio_device *device; /* a filter over it, or it */
	struct mpio_queue *queue;
	struct sim_io ios[64];
	int count;
	int ended;
	long blocks; /* allocated and not freed */
	struct mpio_allocator allocator;
	struct mpio_sim_lock lock; /* of the disk, and perhaps of a filter */
	struct mpio_sim_lock second;
	int held[2];
};

/* What a disk is by itself; then it may be changed and opened. */
void sim_rig_init(struct sim_rig *rig);
void sim_rig_make(struct sim_rig *rig, const char *rules);
void sim_rig_open(struct sim_rig *rig, const char *rules);
/* Close queue and disk; nothing is left. */
void sim_rig_close(struct sim_rig *rig);
void sim_rig_open_queue(struct sim_rig *rig);

/* Begin an I/O. */
struct sim_io *sim_start(struct sim_rig *rig, enum mpio_bio_op op,
			 uint32_t flags, uint64_t sector, uint32_t count,
			 char letter);
/* The same, and wait; its status. */
int sim_put(struct sim_rig *rig, uint64_t sector, uint32_t count, char letter);
int sim_put_flags(struct sim_rig *rig, uint64_t sector, uint32_t count,
		  char letter, uint32_t flags);
int sim_get(struct sim_rig *rig, uint64_t sector, uint32_t count,
	    char *letters);
int sim_flush(struct sim_rig *rig);

/* The first sectors of the disk, or of memory, as letters. */
void sim_letters_of(const unsigned char *bytes, uint32_t sectors,
		    char *letters);
void sim_letters(struct sim_rig *rig, uint32_t sectors, char *letters);
void assert_sim_at(struct sim_rig *rig, const char *letters, int line);
#define assert_sim(rig, letters) assert_sim_at(rig, letters, __LINE__)

/* How many different disks there are among so many states of a cut; each is
 * looked at, and they are sorted. The disk is not cut. */
uint32_t sim_count_disks(struct sim_rig *rig, enum mpio_sim_cut_kind kind,
			 uint64_t states, char disks[][RIG_SECTORS + 1]);

#endif

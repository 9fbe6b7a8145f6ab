/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the simulated disk share.
 *
 *     sim.c        the device: submit, reap, cancel, channels, time
 *     sim_io.c     one I/O: its bytes are moved, rightly or not
 *     sim_image.c  what a disk holds, in blocks that images share
 *     sim_cache.c  writes that are not durable, and how they become so
 *     sim_cut.c    power cuts and snapshots
 *     sim_log.c    what happened
 *     sim_use.c    opening, and the functions for tests
 */
#ifndef MPIO_BACKENDS_SIM_PRIVATE_H
#define MPIO_BACKENDS_SIM_PRIVATE_H

#include "fault_private.h"

#include <mpio/simdisk.h>

#define SIM_CHUNK 4096u
#define SIM_NEVER UINT64_MAX /* a time */

#pragma GCC visibility push(hidden)

/* ---- Images ------------------------------------------------------------- */
/* A piece of a disk, shared by images; copied when one of them writes. */
struct sim_chunk {
	uint32_t refs;
	unsigned char bytes[SIM_CHUNK];
};

/* A row of them, shared in the same way. */
#define SIM_LEAF 64u

struct sim_leaf {
	uint32_t refs;
	struct sim_chunk *chunks[SIM_LEAF]; /* NULL: zeros */
};

struct sim_image {
	struct sim_leaf **leaves; /* NULL: zeros */
	size_t count;
};

int mpio__sim_image_init(const struct mpio_allocator *allocator,
			 struct sim_image *image, uint64_t size);
void mpio__sim_image_free(const struct mpio_allocator *allocator,
			  struct sim_image *image);
/* Two images share all that the first one has; the second is made. */
int mpio__sim_image_share(const struct mpio_allocator *allocator,
			  const struct sim_image *image,
			  struct sim_image *copy);
void mpio__sim_image_read(const struct sim_image *image, uint64_t offset,
			  unsigned char *to, size_t length);
/* Make chunks this image's own, so that a write cannot fail. */
int mpio__sim_image_reserve(const struct mpio_allocator *allocator,
			    struct sim_image *image, uint64_t offset,
			    size_t length, bool zeros);
/* Write what was reserved; `from` NULL: zeros. */
void mpio__sim_image_write(struct sim_image *image, uint64_t offset,
			   const unsigned char *from, size_t length);

/* ---- Writes that are not durable ---------------------------------------- */
/* A write, in the order in which they were done. Snapshots share it. */
struct sim_write {
	uint32_t refs;
	uint32_t length;
	uint64_t offset;
	uint64_t id;
	uint32_t after; /* so many of the list, the first, were done before it
			 * was submitted; it was in flight when the power
			 * failed */
	bool zeros;     /* there are no bytes */
	bool durable;   /* it is there after any cut, over what was before it */
	bool preflush;  /* it is there only if all is that it comes after */
	unsigned char bytes[];
};

struct sim_cache {
	struct sim_write **writes; /* oldest first */
	uint32_t count;
	uint32_t stranded; /* the last of them: in flight when the power failed,
			    * in the order of their submission */
	uint32_t room;
	uint64_t bytes;
};

/* ---- The disk ----------------------------------------------------------- */
/* A lock that goes with the last that uses it: a disk, or a snapshot of it. */
struct sim_lock_end {
	uint32_t *users; /* counted under the lock; NULL: the lock stays */
	void (*free)(void *ctx); /* of the lock */
};

enum sim_stage { SIM_WAITING, SIM_DONE };

/* An I/O in flight. */
struct sim_request {
	struct mpio_bio *bio; /* NULL: none */
	uint64_t id;
	uint64_t finish; /* the time when it goes on; SIM_NEVER */
	uint64_t mark;   /* writes up to this one are covered by its flush */
	uint32_t moved;  /* bytes, when it is done */
	int32_t status;
	struct mpio__verdict verdict;
	uint8_t stage; /* enum sim_stage */
	bool held;
	bool asked; /* what is to happen at its completion is known */
};

struct sim_channel {
	struct sim_channel *next;
	uint32_t depth;
	uint32_t count; /* in flight */
	struct sim_request requests[];
};

/* The newest of what happened. */
struct sim_ring {
	struct mpio_sim_entry *entries;
	uint32_t room;
	uint64_t count;
};

struct mpio_sim {
	struct mpio_device device; /* first */
	struct mpio_allocator allocator;
	struct mpio_sim_lock lock;
	struct sim_lock_end lock_end;
	struct mpio_sim_config config; /* what was asked for, for the replay */
	uint64_t now;
	uint64_t ids;  /* of the last I/O */
	uint64_t done; /* the last write that was done, counted */
	uint64_t seed_time;
	uint64_t seed_faults;
	struct mpio_faults faults;
	struct sim_image current; /* what reads see */
	struct sim_image medium;  /* what is durable */
	struct sim_cache cache;
	struct sim_channel *channels;
	struct sim_ring journal;
	struct sim_ring logged;
	bool off;
	bool incomplete; /* a write was lost for want of memory at a cut */
};

void mpio__sim_lock(struct mpio_sim *sim);
void mpio__sim_unlock(struct mpio_sim *sim);
/* Unlock for the last time; what the lock was a part of is gone. */
void mpio__sim_leave(struct mpio_sim_lock lock, struct sim_lock_end end);
void *mpio__sim_alloc(const struct mpio_allocator *allocator, size_t size);
void mpio__sim_free(const struct mpio_allocator *allocator, void *memory,
		    size_t size);
uint32_t mpio__sim_sector(const struct mpio_sim *sim);

/* sim_io.c: do an I/O as its verdict says; its status and moved bytes. */
void mpio__sim_do(struct mpio_sim *sim, struct sim_request *request);
/* Remember a write of which nobody knows what the cut leaves of it. */
void mpio__sim_strand(struct mpio_sim *sim, struct sim_request *request);

/* sim_cache.c */
struct sim_write *mpio__sim_write_new(struct mpio_sim *sim, uint64_t offset,
				      uint32_t length, bool zeros);
void mpio__sim_write_put(const struct mpio_allocator *allocator,
			 struct sim_write *write);
void mpio__sim_cache_free(const struct mpio_allocator *allocator,
			  struct sim_cache *cache);
/* Put a write behind all others; it is the cache's then. */
int mpio__sim_cache_add(struct mpio_sim *sim, struct sim_write *write);
/* Do a write: it is seen, in the cache, and durable if it has to be. */
int mpio__sim_cache_write(struct mpio_sim *sim, struct sim_write *write,
			  bool durable);
/* Make the first writes of the cache durable, up to the one counted `mark`. */
int mpio__sim_cache_flush(struct mpio_sim *sim, uint64_t mark);
/* Forget them instead: what they were is not seen any more either. */
int mpio__sim_cache_lose(struct mpio_sim *sim, uint64_t mark);
/* Copy the list; the writes are shared. */
int mpio__sim_cache_share(const struct mpio_allocator *allocator,
			  const struct sim_cache *cache,
			  struct sim_cache *copy);

/* sim_log.c */
void mpio__sim_log(struct mpio_sim *sim, enum mpio_sim_what what,
		   const struct sim_request *request);
void mpio__sim_log_write(struct mpio_sim *sim, enum mpio_sim_what what,
			 const struct sim_write *write);
void mpio__sim_log_off(struct mpio_sim *sim);
int mpio__sim_describe(struct mpio_device *device, char *text, size_t size);

/* sim.c */
void mpio__sim_off(struct mpio_sim *sim);
void mpio__sim_init_device(struct mpio_sim *sim);
bool mpio__sim_is(const struct mpio_device *device);

#pragma GCC visibility pop

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the filters share. There is one filter, and what it does
 * is what its fields say.
 *
 *     filter.c       the device: submit, reap, cancel, channels, time
 *     filter_io.c    one I/O: what of it goes where, and what comes back
 *     filter_open.c  the filters that there are
 */
#ifndef MPIO_BACKENDS_FILTER_PRIVATE_H
#define MPIO_BACKENDS_FILTER_PRIVATE_H

#include "fault_private.h"

#include <mpio/filters.h>
#include <mpio/queue.h>

#define FILTER_NEVER UINT64_MAX /* a time */

#pragma GCC visibility push(hidden)

enum filter_stage {
	FILTER_WAITING, /* for its time */
	FILTER_SENT,    /* to the devices below */
	FILTER_DONE     /* and waits for its time again */
};

/* An I/O in flight. */
struct filter_request {
	struct mpio_bio *bio;        /* NULL: none */
	struct filter_request *next; /* that is free, if this one is */
	struct filter_channel *channel;
	struct mpio_bio *sent; /* one below, if it is the only one */
	uint64_t id;
	uint64_t finish;  /* the time when it goes on; FILTER_NEVER */
	uint64_t behind;  /* ends after all others up to this id; 0: any time */
	uint32_t pending; /* bios below, and 1 while they are sent */
	uint32_t moved;   /* bytes */
	int32_t status;
	struct mpio__verdict verdict;
	unsigned char *copy; /* of its bytes, or for them; NULL: none */
	uint8_t stage;       /* enum filter_stage */
	bool held;
	bool asked; /* what is to happen at its completion is known */
};

struct filter_channel {
	struct filter_channel *next;
	struct filter *filter;
	struct mpio_queue **queues; /* one for each part */
	struct filter_request *free;
	uint64_t now;
	uint64_t last; /* the id of the newest */
	uint32_t depth;
	uint32_t count; /* in flight */
	uint32_t sent;  /* of those, with the devices below */
	uint32_t ended; /* counted up */
	struct filter_request requests[];
};

struct filter {
	struct mpio_device device; /* first */
	const char *name;
	struct mpio_allocator allocator;
	struct mpio_sim_lock lock;
	uint32_t flags;
	mpio_sim_hook_fn *hook;
	void *hook_ctx;
	uint64_t entries; /* that the hook has seen */
	uint64_t ids;
	uint64_t seed;
	uint64_t mismatches;
	uint32_t delay;  /* ns */
	uint32_t jitter; /* ns */
	struct mpio_faults faults;
	struct filter_channel *channels;
	bool mirror; /* both parts hold the same; else one behind the other */
	uint32_t count;
	struct mpio_filter_part parts[];
};

static inline void *filter_alloc(const struct filter *filter, size_t size)
{
	return filter->allocator.resize(filter->allocator.ctx, NULL, 0, size);
}

static inline void filter_free(const struct filter *filter, void *memory,
			       size_t size)
{
	if (memory != NULL)
		(void)filter->allocator.resize(filter->allocator.ctx, memory,
					       size, 0);
}

/* Where memory is to begin that no device below goes around; a power of two. */
static inline size_t filter_alignment(const struct filter *filter)
{
	uint32_t alignment = filter->device.limits.memory_alignment;

	return alignment != 0 ? alignment : 1;
}

/* Of a read that is compared, there are two copies; so far apart. */
static inline size_t filter_copy_stride(const struct filter *filter,
					const struct mpio_bio *bio)
{
	size_t mask = filter_alignment(filter) - 1;

	return ((size_t)bio->length + mask) & ~mask;
}

static inline size_t filter_copy_size(const struct filter *filter,
				      const struct mpio_bio *bio)
{
	return filter->mirror ? 2 * filter_copy_stride(filter, bio) +
					filter_alignment(filter) - 1
			      : bio->length;
}

static inline void filter_lock(struct filter *filter)
{
	if (filter->lock.lock != NULL)
		filter->lock.lock(filter->lock.ctx);
}

static inline void filter_unlock(struct filter *filter)
{
	if (filter->lock.unlock != NULL)
		filter->lock.unlock(filter->lock.ctx);
}

/* filter.c */
void mpio__filter_init(struct filter *filter);
void mpio__filter_close(struct mpio_device *device);
/* The lock is held. */
void mpio__filter_log(struct filter *filter, enum mpio_sim_what what,
		      const struct filter_request *request);
/* All of an I/O is back from below, or was never to go there. */
void mpio__filter_done(struct filter_request *request);

/* filter_io.c: send an I/O down, as its verdict says. */
void mpio__filter_start(struct filter_request *request);
/* What came back is what it is to be: compared, or a bit inverted. */
void mpio__filter_look(struct filter_request *request);

#pragma GCC visibility pop

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Event hook: what a developer wants to see, as typed events.
 *
 * Off by default, and then as good as free. The hook may not call the library.
 */
#ifndef MPIO_EVENT_H
#define MPIO_EVENT_H

#include <mpio/plan.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_bio;
struct mpio_queue;
struct mpio_mapping;
struct mpio_extent;

enum mpio_event_type {
	MPIO_EVENT_MAP,    /* get_block answered: mapping, block, extent,
			    * status */
	MPIO_EVENT_CUT,    /* a bio of pages is complete: bio, cut */
	MPIO_EVENT_GAP,    /* a bio of pages goes on across a gap: bio (so
			    * far), gap */
	MPIO_EVENT_MERGE,  /* a plug joins a bio to another: bio (joined) */
	MPIO_EVENT_SUBMIT, /* a bio goes to the device: bio (as the device
			    * sees it: a write may be a read first), retry */
	MPIO_EVENT_END     /* the device has ended it: bio, status */
};

/** `type` and `queue` are always set; what the type does not name is 0. */
struct mpio_event {
	enum mpio_event_type type;
	struct mpio_queue *queue;
	const struct mpio_bio *bio;
	const struct mpio_mapping *mapping;
	const struct mpio_extent *extent;
	uint64_t block; /* in blocks of the mapping */
	enum mpio_cut cut;
	int status;
	int retry;    /* not the first try */
	uint32_t gap; /* bytes */
};

/**
 * An event happened.
 *
 * @param ctx    as given when the queue was opened
 * @param event  gone when this returns
 */
typedef void mpio_event_fn(void *ctx, const struct mpio_event *event);

#ifdef __cplusplus
}
#endif
#endif

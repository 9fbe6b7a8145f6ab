/* SPDX-License-Identifier: MIT */
/*
 * Drain: wait until nothing is in flight, on every queue of a group; and flush,
 * which drains before and after.
 */
#include "internal.h"

/* What a callback of one queue started on another counts too. */
int mpio_queue_drain(struct mpio_queue *queue)
{
	struct mpio_queue *other = queue;
	struct mpio_queue *last = queue; /* that was busy */
	int first = 0;

	do {
		if (first == 0 && mpio__queue_is_busy(other)) {
			first = mpio__queue_drain_here(other);
			last = other;
		}
		other = other->group;
	} while (other != last || mpio__settle_group(queue) != 0);
	return first;
}

bool mpio__group_has(const struct mpio_queue *queue,
		     const struct mpio_queue *other)
{
	const struct mpio_queue *member = queue;

	do {
		if (member == other)
			return true;
		member = member->group;
	} while (member != queue);
	return false;
}

/* The bio stays its submitter's, who looks at the status. */
static void keep(struct mpio_bio *bio)
{
	(void)bio;
}

int mpio_queue_flush(struct mpio_queue *queue)
{
	struct mpio_bio *bio;
	int result = mpio_queue_drain(queue);

	if (result < 0)
		return result;
	bio = mpio__bio_get_wait(queue, false);
	if (bio == NULL)
		return -MPIO_ENOMEM;
	mpio_bio_reset(bio, MPIO_BIO_FLUSH, MPIO_BIO_SYNC);
	bio->end_io = keep;
	mpio__queue_submit_any(queue, bio);
	result = mpio_queue_drain(queue);
	if (bio->state != MPIO__BIO_HELD) {
		bio->end_io = NULL; /* ends by itself, some time */
		return result;
	}
	result = bio->status;
	mpio_bio_put(bio);
	return result;
}

/* SPDX-License-Identifier: MIT */
/*
 * Barriers: flushes, and writes that one is to come before.
 *
 * A flush covers what has ended when it is sent. So it is parked until all that
 * was submitted before it has ended, and what is submitted meanwhile is parked
 * behind it:
 *
 *     the device's  [ 1 ] [ 2 ]     parked  flush [ 3 ] [ 4 ] flush [ 5 ]
 *
 * Its submitter does not wait, and no callback runs while he submits. When 1
 * and 2 have ended the flush is sent, and 3 and 4 at once behind it. Reads are
 * parked, too: one that passed might find what was on the device before 1.
 *
 * A barrier can be cancelled by those that it covers: the record that commits a
 * log is not to be written where one before it failed. So it is sent when their
 * callbacks have returned; but before, if one of them waits, and nothing else
 * is left that could end.
 */
#include "internal.h"

static bool is_barrier(const struct mpio_bio *bio)
{
	return bio->op == MPIO_BIO_FLUSH ||
	       (bio->flags & MPIO_BIO_PREFLUSH) != 0;
}

bool mpio__barrier_parks(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (queue->parked == NULL &&
	    (!is_barrier(bio) || mpio__queue_is_quiet(queue)))
		return false;
	bio->state = MPIO__BIO_PARKED;
	bio->next = NULL;
	*queue->parked_tail = bio;
	queue->parked_tail = &bio->next;
	queue->care |= MPIO__CARE_BARRED;
	return true;
}

void mpio__barrier_leave(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_bio **link = &queue->parked;

	while (*link != bio)
		link = &(*link)->next;
	*link = bio->next;
	if (bio->next == NULL)
		queue->parked_tail = link;
	if (queue->parked == NULL)
		queue->care &= ~MPIO__CARE_BARRED;
}

/* The next of those that may be sent now; or NULL. */
static struct mpio_bio *next(struct mpio_queue *queue, bool told)
{
	struct mpio_bio *bio = queue->parked;

	if (bio == NULL)
		return NULL;
	if (is_barrier(bio) ? !told || !mpio__queue_is_quiet(queue)
			    : queue->stats.in_flight >= queue->in_flight_max)
		return NULL;
	mpio__barrier_leave(queue, bio);
	return bio;
}

bool mpio__barrier_pass(struct mpio_queue *queue, bool told)
{
	struct mpio_bio *bio;
	bool any = false;

	while ((bio = next(queue, told)) != NULL) {
		uint32_t barred = queue->care & MPIO__CARE_BARRED;

		queue->care &= ~MPIO__CARE_BARRED;
		mpio__queue_start(queue, bio);
		queue->care |= barred;
		any = true;
	}
	return any;
}

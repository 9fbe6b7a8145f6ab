/* SPDX-License-Identifier: MIT */
/*
 * Bounce: memory that the device cannot take as it is.
 *
 * A queue on a device that asks for aligned memory has a few slots of it. A
 * bio whose own memory is not so is driven through one of them, window by
 * window (redrive.c):
 *
 *     in     its pieces of memory give way to one piece in the slot; what is
 *            to be written is copied there
 *     out    the pieces are back; what was read is copied to them
 *
 * So the device sees nothing but aligned memory, and redrive nothing but the
 * bio's own. If no slot is free, the bio waits in a list of the queue. It is
 * sent when a slot comes back, before the bio that had it is finished. Hence
 * whenever a bio waits, others of the queue are in flight or have ended, and
 * those who wait for these wait for all.
 */
#include "internal.h"

static struct mpio_bounce *take(struct mpio_queue *queue)
{
	struct mpio_bounce *slot = queue->free_bounces;

	if (slot != NULL)
		queue->free_bounces = slot->next;
	return slot;
}

static void wait(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bio->state = MPIO__BIO_WAITING;
	bio->next = NULL;
	*queue->waiting_tail = bio;
	queue->waiting_tail = &bio->next;
}

bool mpio__bounce_begin(struct mpio_queue *queue, struct mpio_bio *bio)
{
	queue->stats.bounces++;
	queue->stats.bytes_bounced += bio->length;
	bio->bounce = take(queue);
	if (bio->bounce == NULL)
		wait(queue, bio);
	return bio->bounce != NULL;
}

void mpio__bounce_end(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bio->bounce->next = queue->free_bounces;
	queue->free_bounces = bio->bounce;
	bio->bounce = NULL;
}

void mpio__bounce_leave(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_bio **link = &queue->waiting;

	while (*link != bio)
		link = &(*link)->next;
	*link = bio->next;
	if (bio->next == NULL)
		queue->waiting_tail = link;
}

struct mpio_bio *mpio__bounce_next(struct mpio_queue *queue)
{
	struct mpio_bio *bio = queue->waiting;

	if (bio == NULL || queue->free_bounces == NULL)
		return NULL;
	mpio__bounce_leave(queue, bio);
	bio->bounce = take(queue);
	return bio;
}

/* ---- Around a try ----------------------------------------------------- */

void mpio__bounce_in(struct mpio_bio *bio)
{
	struct mpio_bounce *slot = bio->bounce;
	char *memory = slot->piece.base;

	if (bio->op == MPIO_BIO_WRITE) {
		for (uint32_t i = 0; i < bio->vec_count; i++) {
			memcpy(memory, bio->vecs[i].base, bio->vecs[i].length);
			memory += bio->vecs[i].length;
		}
	}
	slot->vecs = bio->vecs;
	slot->vec_count = bio->vec_count;
	slot->piece.length = bio->length;
	bio->vecs = &slot->piece;
	bio->vec_count = 1;
}

void mpio__bounce_out(struct mpio_bio *bio)
{
	struct mpio_bounce *slot = bio->bounce;
	const char *memory = slot->piece.base;
	size_t left = 0;

	bio->vecs = slot->vecs;
	bio->vec_count = slot->vec_count;
	if (bio->op == MPIO_BIO_READ && bio->status == 0)
		left = bio->done;
	for (const struct mpio_iovec *vec = bio->vecs; left != 0; vec++) {
		size_t n = mpio__min_size(vec->length, left);

		memcpy(vec->base, memory, n);
		memory += n;
		left -= n;
	}
}

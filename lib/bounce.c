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
 * A read that begins or ends inside a block of the device goes the same way:
 * the slot takes those blocks whole.
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

/* The device's blocks that hold what a bio is to read; it moves no others. */
static void widen(struct mpio_bio *bio)
{
	uint64_t mask = bio->queue->limits.block - 1;
	uint64_t start = bio->offset & ~mask;
	uint64_t end = (bio->offset + bio->length + mask) & ~mask;

	end = mpio__min_u64(end, bio->queue->device->size);
	bio->offset = start;
	bio->length = (uint32_t)(end - start);
}

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
	slot->offset = bio->offset;
	slot->length = bio->length;
	if (mpio__bio_is_odd(bio))
		widen(bio);
	slot->piece.length = bio->length;
	bio->vecs = &slot->piece;
	bio->vec_count = 1;
}

void mpio__bounce_out(struct mpio_bio *bio)
{
	struct mpio_bounce *slot = bio->bounce;
	uint32_t before = (uint32_t)(slot->offset - bio->offset);
	const char *memory = (const char *)slot->piece.base + before;
	size_t left = 0;
	uint32_t moved;

	bio->vecs = slot->vecs;
	bio->vec_count = slot->vec_count;
	bio->offset = slot->offset;
	bio->length = slot->length;
	moved = bio->done - mpio__min_u32(bio->done, before);
	moved = mpio__min_u32(moved, bio->length);
	if (bio->op == MPIO_BIO_READ && bio->status == 0)
		left = moved;
	/* Nothing of it, but of what lies before: that is less than a block. */
	bio->done = moved == 0 && bio->done != 0 ? 1 : moved;
	for (const struct mpio_iovec *vec = bio->vecs; left != 0; vec++) {
		size_t n = mpio__min_size(vec->length, left);

		memcpy(vec->base, memory, n);
		memory += n;
		left -= n;
	}
}

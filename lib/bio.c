/* SPDX-License-Identifier: MIT */
/*
 * Bio: taken from the pool, filled with memory, submitted, ended, put back.
 *
 * The pool has bios of two sizes, so that a single page does not take the
 * memory of a large I/O. Ending a bio is cheap and runs no callback: the bio
 * goes to the queue's list of ended ones, and queue.c finishes them one after
 * the other. That is what keeps the stack constant however many bios end
 * inside submit and start the next from their end_io.
 */
#include "internal.h"

void mpio_bio_reset(struct mpio_bio *bio, enum mpio_bio_op op, uint32_t flags)
{
	bio->op = (uint8_t)op;
	bio->flags = (uint16_t)flags;
	bio->state = MPIO__BIO_HELD;
	bio->length = 0;
	bio->status = 0;
	bio->vecs = bio->vec_pool;
	bio->vec_count = 0;
	bio->segments_end = bio->segments;
	bio->plain = false;
	bio->gapped = false;
}

struct mpio_bio *mpio__bio_get(struct mpio_queue *queue, bool large)
{
	struct mpio_bio *bio = NULL;

	if (!large)
		bio = mpio__bio_take(&queue->free_small);
	if (bio == NULL)
		bio = mpio__bio_take(&queue->free_large);
	if (bio != NULL)
		mpio_bio_reset(bio, MPIO_BIO_READ, 0);
	return bio;
}

/*
 * While a callback waits, pages that end are told when it has returned: theirs
 * would hand in the next ones, and wait for a bio each inside the one before,
 * none of which is free until its callbacks have returned.
 */
static void crowd(struct mpio_queue *queue)
{
	if (queue->care & MPIO__CARE_FINISHING) {
		queue->crowds++;
		queue->care |= MPIO__CARE_CROWDED;
	}
}

static void uncrowd(struct mpio_queue *queue)
{
	if ((queue->care & MPIO__CARE_FINISHING) && --queue->crowds == 0)
		queue->care &= ~MPIO__CARE_CROWDED;
}

struct mpio_bio *mpio__bio_get_wait(struct mpio_queue *queue, bool large)
{
	struct mpio_bio *bio;

	crowd(queue);
	while ((bio = mpio__bio_get(queue, large)) == NULL) {
		if (!mpio__queue_is_busy(queue))
			break;
		if (mpio__group_wait(queue) <= 0)
			break;
	}
	uncrowd(queue);
	return bio;
}

struct mpio_bio *mpio_bio_get(struct mpio_queue *queue, enum mpio_bio_op op,
			      uint32_t flags)
{
	struct mpio_bio *bio = mpio__bio_get(queue, true);

	if (bio == NULL)
		bio = mpio__bio_get(queue, false);
	if (bio != NULL) {
		mpio_bio_reset(bio, op, flags);
		bio->end_io = NULL;
		bio->ctx = NULL;
		bio->offset = 0;
		bio->unit = queue->limits.block;
	}
	return bio;
}

void mpio_bio_put(struct mpio_bio *bio)
{
	mpio__bio_free(bio);
}

int mpio_bio_add(struct mpio_bio *bio, void *data, uint32_t length)
{
	const struct mpio_plan_limits *limits = &bio->queue->limits;
	struct mpio_iovec *last = bio->vecs + bio->vec_count;

	if (length == 0 || bio->op > MPIO_BIO_WRITE)
		return -MPIO_EINVAL;
	if (length > limits->bytes_max - bio->length)
		return -MPIO_ENOSPC;
	if (bio->vec_count > 0 &&
	    (char *)last[-1].base + last[-1].length == (char *)data) {
		last[-1].length += length;
	} else {
		if (bio->vec_count == bio->vecs_max)
			return -MPIO_ENOSPC;
		*last = (struct mpio_iovec){.base = data, .length = length};
		bio->vec_count++;
	}
	bio->length += length;
	return 0;
}

/* Whether a device can be asked for this at all. */
static bool is_valid(const struct mpio_bio *bio)
{
	uint64_t size = bio->queue->device->size;

	if (bio->op == MPIO_BIO_FLUSH)
		return bio->length == 0;
	if (bio->op > MPIO_BIO_DISCARD || bio->length == 0)
		return false;
	if (bio->op == MPIO_BIO_DISCARD && bio->vec_count != 0)
		return false;
	if (!mpio__range_fits(bio->offset, bio->length, size))
		return false;
	return !mpio__bio_is_odd(bio) ||
	       (bio->op != MPIO_BIO_DISCARD && bio->queue->bounce_size != 0);
}

int mpio_bio_submit(struct mpio_bio *bio)
{
	struct mpio_queue *queue = bio->queue;

	if (bio->state != MPIO__BIO_HELD || !is_valid(bio))
		return -MPIO_EINVAL;
	if (mpio__queue_is_late(queue)) /* or who begins again never ends */
		return -MPIO_ETIMEDOUT;
	mpio__queue_submit_any(queue, bio);
	mpio__queue_commit_last(queue);
	mpio__queue_finish(queue); /* commit may end bios, too */
	return 0;
}

/* Have the device end a bio, if it can, and make this try the last. */
static void stop(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_device *device = queue->device;

	bio->tries = MPIO__CANCELLED;
	if (device->ops.cancel == NULL)
		return;
	mpio__queue_commit(queue);
	if (bio->state == MPIO__BIO_FLYING)
		device->ops.cancel(device, queue->channel, bio);
}

void mpio_bio_cancel(struct mpio_bio *bio)
{
	struct mpio_queue *queue = bio->queue;

	if (mpio__segment_count(bio) != 0)
		return;
	switch ((enum mpio__bio_state)bio->state) {
	case MPIO__BIO_PLUGGED:
		mpio__plug_remove(queue, bio);
		mpio__queue_end(queue, bio, -MPIO_ECANCELED);
		break;
	case MPIO__BIO_PARKED:
		mpio__barrier_leave(queue, bio);
		mpio__queue_end(queue, bio, -MPIO_ECANCELED);
		break;
	case MPIO__BIO_WAITING:
		mpio__turn_leave(queue, bio);
		mpio__queue_end(queue, bio, -MPIO_ECANCELED);
		break;
	case MPIO__BIO_FLYING:
	case MPIO__BIO_DONE:
	case MPIO__BIO_ENDED:
		stop(queue, bio);
		break;
	case MPIO__BIO_FREE:
	case MPIO__BIO_HELD:
	case MPIO__BIO_OFFERED:
		break;
	}
	mpio__queue_finish(queue);
}

void mpio_bio_end(struct mpio_bio *bio, int status)
{
	struct mpio_queue *queue = bio->queue;
	uint8_t state = bio->state;

	if (state != MPIO__BIO_OFFERED) {
		if (state != MPIO__BIO_FLYING)
			return; /* a second end of the same bio */
		mpio__queue_ended(queue, bio);
	}
	bio->state = MPIO__BIO_DONE;
	bio->status = status;
	bio->done = bio->length;
	if (status != 0) {
		bio->state = MPIO__BIO_ENDED;
		bio->status = mpio__error(status);
	}
	queue->stats.in_flight--;
}

void mpio_bio_end_partial(struct mpio_bio *bio, uint32_t done)
{
	if (bio->state != MPIO__BIO_OFFERED && bio->state != MPIO__BIO_FLYING)
		return;
	mpio_bio_end(bio, 0);
	if (done >= bio->length)
		return;
	bio->state = MPIO__BIO_ENDED;
	bio->done = done;
}

void mpio__bio_move(struct mpio_bio *to, struct mpio_bio *from)
{
	memcpy(to->vecs, from->vecs, from->vec_count * sizeof(*to->vecs));
	memcpy(to->segments, from->segments,
	       mpio__segment_count(from) * sizeof(*to->segments));
	to->vec_count = from->vec_count;
	to->segments_end = to->segments + mpio__segment_count(from);
	to->offset = from->offset;
	to->length = from->length;
	to->op = from->op;
	to->flags = from->flags;
	to->unit = from->unit;
	to->plain = from->plain;
	to->gapped = from->gapped;
	to->end_io = from->end_io;
	to->ctx = from->ctx;
	mpio_bio_put(from);
}

/* ---- The parts of pages in a bio -------------------------------------- */

/* What lies of a segment in a range of the bio. */
struct piece {
	uint32_t offset; /* bytes, in the page */
	uint32_t length; /* bytes; 0: nothing */
};

static struct piece clip(const struct mpio_segment *segment, uint32_t at,
			 uint32_t start, uint32_t end)
{
	uint32_t from = mpio__max_u32(at, start);
	uint32_t to = mpio__min_u32(at + segment->length, end);
	struct piece piece = {0};

	if (from < to) {
		piece.offset = segment->offset + (from - at);
		piece.length = to - from;
	}
	return piece;
}

void mpio__segments_fail(struct mpio_bio *bio, uint32_t start, uint32_t length,
			 int status)
{
	const struct mpio_segment *segment;
	uint32_t at = 0;

	for (segment = bio->segments; segment < bio->segments_end; segment++) {
		struct piece piece = clip(segment, at, start, start + length);
		struct mpio_page *page = segment->page;

		at += segment->length;
		if (piece.length == 0)
			continue;
		if (page->error == 0)
			page->error = status;
		if (page->blocks != NULL && bio->op == MPIO_BIO_WRITE &&
		    !(page->mapping->flags & MPIO_MAPPING_DROP_FAILED))
			mpio__bytes_set(page, MPIO__DIRTY, piece.offset,
					piece.length, true);
	}
}

uint32_t mpio__segments_behind_gap(const struct mpio_bio *bio, uint32_t start)
{
	const struct mpio_segment *segment;
	uint32_t end = 0;

	for (segment = bio->segments; segment < bio->segments_end; segment++) {
		end += segment->length;
		if (end > start && segment->page == &bio->queue->scrap)
			return end;
		if (end > start)
			break;
	}
	return start;
}

void mpio__segments_good(struct mpio_bio *bio, uint32_t start, uint32_t length)
{
	const struct mpio_segment *segment;
	uint32_t at = 0;

	for (segment = bio->segments; segment < bio->segments_end; segment++) {
		struct piece piece = clip(segment, at, start, start + length);
		struct mpio_page *page = segment->page;

		at += segment->length;
		if (piece.length != 0 && page->blocks != NULL &&
		    page->mapping->ops->verify == NULL)
			mpio__whole_uptodate(page, piece.offset, piece.length);
	}
}

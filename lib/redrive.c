/* SPDX-License-Identifier: MIT */
/*
 * Redrive: what a bio needs beyond one try on the device.
 *
 * A bio is driven through a window, a range of its bytes, at first all of it.
 * The window is cut out of the bio in place: its first and last piece of
 * memory are trimmed and kept aside. So nothing is allocated and no second
 * bio is needed, whatever goes wrong:
 *
 *     comes short      the window moves on to what is left
 *     passing error    the same window again, a few times
 *     medium error     isolation: halve the window, down to one unit, and give
 *                      up only on those units that fail alone
 *
 * Where pages are not to tear, units are atomic ones of the device, and lie
 * where it has them.
 *
 * Isolation visits the nodes of a binary tree over the bio's units, depth
 * first. No stack is kept: the next window after one that is settled is the
 * largest node of the tree that begins where it ended, and after one that
 * failed, the largest one smaller that begins where it began. Where that
 * would be in a gap, which nobody needs, it begins behind it.
 *
 * A bio that bounces (bounce.c) has a window from the beginning: it is driven
 * in parts that a slot can hold, each with a tree of its own. A window of a
 * write that cuts blocks takes more than one try: first what they hold is read.
 *
 * A preflush or fua write on a device that knows neither, and such a discard on
 * any, is driven in stages, flush, data, flush, by the same bio.
 */
#include "internal.h"

#define TRIES_MAX 8u

/* ---- The window ------------------------------------------------------- */

/* The least that the device can move alone; a slot is always aligned. */
static uint32_t device_unit(const struct mpio_bio *bio)
{
	const struct mpio_queue *queue = bio->queue;

	return bio->bounce != NULL ? queue->limits.block
				   : mpio__max_u32(queue->limits.block,
						   queue->memory_alignment);
}

/*
 * What is not to tear, if anything is: it is only taken apart where atomic
 * units of the device begin. Memory is aligned there, or the bio bounces.
 */
static uint32_t atom(const struct mpio_bio *bio)
{
	uint32_t unit = bio->queue->device->limits.atomic_unit;

	return unit != 0 && bio->op == MPIO_BIO_WRITE &&
			       (bio->flags & MPIO_BIO_ATOMIC)
		       ? unit
		       : 1;
}

/*
 * Bytes that are not taken apart any further: a block of the mapping. But a
 * limit in bytes may have cut the bio out of the middle of a block; then such
 * units would straddle the blocks of two pages.
 */
static uint32_t smallest(const struct mpio_bio *bio)
{
	uint32_t unit = device_unit(bio);
	uint32_t wanted = bio->unit;

	if (bio->bounce != NULL)
		wanted = mpio__min_u32(wanted, bio->queue->bounce_size);
	if (bio->bounce != NULL && mpio__bio_is_odd(bio))
		unit = mpio__min_u32(wanted, unit);
	else if (mpio__is_aligned(bio->offset, wanted))
		unit = mpio__max_u32(wanted, unit);
	return mpio__max_u32(unit, atom(bio));
}

static bool is_windowed(const struct mpio_bio *bio)
{
	return bio->full_vec_count != 0;
}

static void window_open(struct mpio_bio *bio)
{
	bio->unit = smallest(bio);
	bio->full_offset = bio->offset;
	bio->full_length = bio->length;
	bio->full_vec_count = bio->vec_count;
	bio->window_start = 0;
	bio->window_end = bio->length;
	bio->saved[0] = bio->vec_pool[0];
	bio->saved[1] = bio->vec_pool[bio->vec_count - 1];
	bio->failure = 0;
}

/* Undo what the window trimmed; bio->vecs and vec_count still tell where. */
static void window_mend(struct mpio_bio *bio)
{
	bio->vecs[bio->vec_count - 1] = bio->saved[1];
	bio->vecs[0] = bio->saved[0];
	bio->vecs = bio->vec_pool;
	bio->vec_count = bio->full_vec_count;
}

static void window_close(struct mpio_bio *bio)
{
	window_mend(bio);
	bio->offset = bio->full_offset;
	bio->length = bio->full_length;
	bio->full_vec_count = 0;
}

/* Let the bio be [start, end) of itself. */
static void window_set(struct mpio_bio *bio, uint32_t start, uint32_t end)
{
	uint32_t first = 0;
	uint32_t last;
	size_t skip = start;
	size_t left = end - start;

	window_mend(bio);
	while (skip >= bio->vecs[first].length)
		skip -= bio->vecs[first++].length;
	bio->saved[0] = bio->vecs[first];
	bio->vecs[first].base = (char *)bio->vecs[first].base + skip;
	bio->vecs[first].length -= skip;
	for (last = first; left > bio->vecs[last].length; last++)
		left -= bio->vecs[last].length;
	bio->saved[1] = bio->vecs[last];
	bio->vecs[last].length = left;
	bio->vecs += first;
	bio->vec_count = last - first + 1;
	bio->offset = bio->full_offset + start;
	bio->length = end - start;
	bio->window_start = start;
	bio->window_end = end;
	if (bio->bounce != NULL)
		bio->bounce->filled = 0;
}

/* ---- Parts of a bio that bounces -------------------------------------- */

struct part {
	uint32_t start; /* bytes */
	uint32_t end;
};

/*
 * The part that a byte lies in. All parts but the first and the last are as
 * large as a slot, and so that they end where blocks and atomic units of the
 * device do. A bio that does not bounce is one part.
 */
static struct part part_of(const struct mpio_bio *bio, uint32_t byte)
{
	uint32_t unit = mpio__max_u32(bio->queue->device->limits.atomic_unit,
				      bio->queue->limits.block);
	uint64_t mask, skew, start, end;

	if (bio->bounce == NULL)
		return (struct part){.end = bio->full_length};
	mask = bio->queue->bounce_size - 1;
	skew = bio->full_offset & (unit - 1);
	start = (byte + skew) & ~mask;
	end = start + mask + 1 - skew;
	return (struct part){
		.start = start > skew ? (uint32_t)(start - skew) : 0,
		.end = (uint32_t)mpio__min_u64(end, bio->full_length),
	};
}

bool mpio__is_retry(const struct mpio_bio *bio)
{
	struct part part;

	if (bio->tries != 0 || !is_windowed(bio))
		return bio->tries != 0;
	part = part_of(bio, bio->window_start);
	return bio->window_start != part.start || bio->window_end != part.end;
}

void mpio__redrive_bounce(struct mpio_bio *bio)
{
	if (bio->stage != MPIO__STAGE_DATA)
		return;
	if (!is_windowed(bio)) {
		window_open(bio);
		window_set(bio, 0, part_of(bio, 0).end);
	}
	mpio__bounce_in(bio);
}

/* The bio is not over: it is to be sent as it now is. */
static bool try_again(struct mpio_queue *queue, const struct mpio_bio *bio)
{
	queue->stats.retries += mpio__is_retry(bio);
	return false;
}

/* ---- The tree of isolation -------------------------------------------- */

/* How much of what is not to tear lies before a byte of the device. */
static uint32_t skew_of(const struct mpio_bio *bio, uint64_t offset)
{
	return (uint32_t)(offset & (atom(bio) - 1));
}

/*
 * The largest node of the tree over a part that begins at `start` and is
 * smaller than `below`; its end, in bytes. A node ends at a multiple of the
 * unit, or where the part does. The first unit may have begun before the part,
 * which `skew` tells.
 */
static uint32_t node_end(const struct mpio_bio *bio, uint32_t start,
			 uint32_t below)
{
	struct part part = part_of(bio, start);
	uint32_t shift = mpio__log2(bio->unit);
	uint32_t skew = skew_of(bio, bio->full_offset + part.start);
	uint64_t at = ((uint64_t)start - part.start + skew) >> shift;
	uint64_t from = 0;
	uint64_t to = mpio__bytes_to_blocks_up(
		(uint64_t)part.end - part.start + skew, shift);

	for (;;) {
		uint64_t end = mpio__min_u64(part.start + (to << shift) - skew,
					     part.end);

		if ((from == at && end - start < below) || to - from <= 1)
			return (uint32_t)end;
		if (at < from + (to - from) / 2)
			to = from + (to - from) / 2;
		else
			from = from + (to - from) / 2;
	}
}

static bool is_medium_error(int status)
{
	return status == -MPIO_EIO || status == -MPIO_ENODATA ||
	       status == -MPIO_EILSEQ || status == -MPIO_EREMOTEIO;
}

/* Whether what failed tells nothing of the rest of the bio. */
static bool is_isolated(const struct mpio_queue *queue,
			const struct mpio_bio *bio)
{
	return !(queue->flags & MPIO_QUEUE_NO_ISOLATION) &&
	       mpio__segment_count(bio) != 0 && is_medium_error(bio->status);
}

/*
 * Where, from a byte on, there is something that somebody wants; but no finer
 * than the device can begin to move.
 */
static uint32_t behind_gap(const struct mpio_bio *bio, uint32_t start)
{
	uint32_t behind = mpio__segments_behind_gap(bio, start);

	if (bio->bounce == NULL)
		behind &= ~(device_unit(bio) - 1);
	return mpio__max_u32(start, behind);
}

/* ---- What a try came to ----------------------------------------------- */

/* Go on behind the window; true if there is nothing behind it. */
static bool advance(struct mpio_queue *queue, struct mpio_bio *bio)
{
	uint32_t start = bio->window_end;

	if (mpio__is_retry(bio))
		start = behind_gap(bio, start);
	if (start == bio->full_length) {
		int failure = bio->failure;

		window_close(bio);
		bio->status = failure;
		return true;
	}
	bio->tries = 0;
	window_set(bio, start, node_end(bio, start, UINT32_MAX));
	return try_again(queue, bio);
}

/* Whether there is more than one unit; behind a gap the first may be a part. */
static bool is_divisible(const struct mpio_bio *bio)
{
	if (!is_windowed(bio))
		return bio->length > smallest(bio) - skew_of(bio, bio->offset);
	return node_end(bio, bio->window_start, bio->length) < bio->window_end;
}

static bool failed(struct mpio_queue *queue, struct mpio_bio *bio)
{
	int status = bio->status;

	if ((status == -MPIO_EAGAIN || status == -MPIO_EINTR) &&
	    ++bio->tries < TRIES_MAX) {
		return try_again(queue, bio);
	}
	if (is_isolated(queue, bio) && is_divisible(bio)) {
		if (!is_windowed(bio))
			window_open(bio);
		bio->tries = 0;
		window_set(bio, bio->window_start,
			   node_end(bio, bio->window_start, bio->length));
		return try_again(queue, bio);
	}
	if (!is_windowed(bio)) {
		mpio__segments_fail(bio, 0, bio->length, status);
		return true;
	}
	/* Memory that is aligned would have been one try, and failed whole. */
	if (bio->bounce != NULL && !is_isolated(queue, bio))
		bio->window_end = bio->full_length;
	mpio__segments_fail(bio, bio->window_start,
			    bio->window_end - bio->window_start, status);
	if (bio->failure == 0)
		bio->failure = status;
	return advance(queue, bio);
}

/* Whether a device that came short is given up on. */
static bool is_stuck(struct mpio_bio *bio, uint32_t moved)
{
	uint32_t done = bio->bounce != NULL ? bio->bounce->moved : bio->done;

	return done == 0 || (moved == 0 && ++bio->tries >= TRIES_MAX);
}

static bool came_short(struct mpio_queue *queue, struct mpio_bio *bio)
{
	uint32_t unit = device_unit(bio);
	uint32_t moved = bio->done;

	if (bio->bounce == NULL || !mpio__bio_is_odd(bio))
		moved &= ~(unit - 1);
	moved -= mpio__min_u32(moved, skew_of(bio, bio->offset + moved));
	if (is_stuck(bio, moved)) {
		bio->status = -MPIO_EIO;
		return failed(queue, bio);
	}
	if (!is_windowed(bio))
		window_open(bio);
	if (moved != 0) {
		uint32_t start = bio->window_start + moved;

		bio->tries = 0;
		if (!mpio__is_aligned(moved, bio->unit)) /* then finer */
			bio->unit = mpio__max_u32(
				mpio__min_u32(bio->unit, unit), atom(bio));
		if (bio->op == MPIO_BIO_READ)
			mpio__segments_good(bio, bio->window_start, moved);
		start = behind_gap(bio, start);
		if (start >= bio->window_end)
			return advance(queue, bio);
		window_set(bio, start, bio->window_end);
	}
	return try_again(queue, bio);
}

/* What a write leaves of its blocks was read, or some of it. */
static bool fill_tried(struct mpio_queue *queue, struct mpio_bio *bio)
{
	const struct mpio_bounce *slot = bio->bounce;

	bio->stage = MPIO__STAGE_DATA;
	if (bio->status == 0 && slot->moved < slot->piece.length) {
		if (is_stuck(bio, bio->done))
			bio->status = -MPIO_EIO;
		else
			queue->stats.retries++;
	}
	if (bio->status != 0)
		return failed(queue, bio);
	if (bio->done != 0)
		bio->tries = 0;
	return false;
}

static bool data_tried(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (bio->status != 0)
		return failed(queue, bio);
	if (bio->done < bio->length)
		return came_short(queue, bio);
	if (!is_windowed(bio))
		return true;
	if (bio->op == MPIO_BIO_READ)
		mpio__segments_good(bio, bio->window_start, bio->length);
	return advance(queue, bio);
}

/* ---- Stages ----------------------------------------------------------- */

/* The features are of writes; no device does it with a discard. */
static bool needs(const struct mpio_queue *queue, const struct mpio_bio *bio,
		  uint32_t flag, uint32_t feature)
{
	uint32_t features = queue->device->limits.features;

	if (bio->op == MPIO_BIO_DISCARD)
		feature = 0;
	else if (bio->op != MPIO_BIO_WRITE)
		return false;
	return (bio->flags & flag) != 0 && !(features & feature) &&
	       (features & MPIO_DEVICE_FLUSH);
}

/* The same bio as a flush, without bytes; stage_end() makes it whole. */
static void stage_flush(struct mpio_bio *bio, enum mpio__bio_stage stage)
{
	bio->full_length = bio->length;
	bio->saved[0].length = bio->vec_count;
	bio->op = MPIO_BIO_FLUSH;
	bio->length = 0;
	bio->vec_count = 0;
	bio->stage = (uint8_t)stage;
}

/* A discard has no memory, a write has. */
static void stage_end(struct mpio_bio *bio)
{
	bio->length = bio->full_length;
	bio->vec_count = (uint32_t)bio->saved[0].length;
	bio->op = bio->vec_count == 0 ? MPIO_BIO_DISCARD : MPIO_BIO_WRITE;
	bio->stage = MPIO__STAGE_DATA;
}

void mpio__stage_begin(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (needs(queue, bio, MPIO_BIO_PREFLUSH, MPIO_DEVICE_PREFLUSH))
		stage_flush(bio, MPIO__STAGE_PREFLUSH);
}

static bool flush_tried(struct mpio_bio *bio)
{
	enum mpio__bio_stage stage = (enum mpio__bio_stage)bio->stage;

	stage_end(bio);
	if (bio->status != 0) {
		mpio__segments_fail(bio, 0, bio->length, bio->status);
		return true;
	}
	return stage == MPIO__STAGE_POSTFLUSH;
}

static bool is_over(struct mpio_queue *queue, struct mpio_bio *bio)
{
	/* Only what goes through a slot has blocks to be filled. */
	if (bio->bounce != NULL && bio->stage == MPIO__STAGE_FILL)
		return fill_tried(queue, bio);
	if (bio->stage != MPIO__STAGE_DATA)
		return flush_tried(bio);
	if (bio->op > MPIO_BIO_WRITE) {
		if (bio->status == 0 && bio->done < bio->length)
			bio->status = -MPIO_EIO; /* it is all or nothing */
	} else if (!data_tried(queue, bio)) {
		return false;
	}
	if (bio->status == 0 &&
	    needs(queue, bio, MPIO_BIO_FUA, MPIO_DEVICE_FUA)) {
		stage_flush(bio, MPIO__STAGE_POSTFLUSH);
		return false;
	}
	return true;
}

/* A bio that was cancelled is not over: now it is. It has no pages. */
static void break_off(struct mpio_bio *bio)
{
	if (bio->stage != MPIO__STAGE_DATA)
		stage_end(bio);
	if (is_windowed(bio))
		window_close(bio);
	bio->status = -MPIO_ECANCELED;
}

bool mpio__redrive(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bool is_cancelled = bio->tries == MPIO__CANCELLED;

	if (is_cancelled)
		bio->tries = 0;
	if (bio->bounce != NULL &&
	    (bio->stage == MPIO__STAGE_DATA || bio->stage == MPIO__STAGE_FILL))
		mpio__bounce_out(bio);
	if (!is_over(queue, bio)) {
		if (!is_cancelled)
			return false;
		break_off(bio);
	}
	bio->tries = 0; /* as a bio in the pool is: whole, and not tried */
	if (bio->bounce != NULL)
		mpio__bounce_end(queue, bio);
	return true;
}

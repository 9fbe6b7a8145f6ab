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
 * What begins or ends inside a block of the device goes the same way: the slot
 * takes those blocks whole. Of a read, what was wanted is copied out. Before a
 * write, what it leaves of its first and of its last block is read; for that
 * the same bio is a read for a while, or two:
 *
 *     device    |--- 7 ---|--- 8 ---|--- 9 ---|
 *     write          |===================|
 *     slot      | read    |         | read    |    then all of it is written
 *
 * That nothing else changes those blocks meanwhile is turn.c's business.
 *
 * So the device sees nothing but whole blocks and aligned memory, and redrive
 * nothing but the bio's own. If no slot is free, the bio waits for its turn.
 */
#include "internal.h"

bool mpio__bounce_take(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bio->bounce = queue->free_bounces;
	if (bio->bounce == NULL)
		return false;
	queue->free_bounces = bio->bounce->next;
	return true;
}

void mpio__bounce_end(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bio->bounce->next = queue->free_bounces;
	queue->free_bounces = bio->bounce;
	bio->bounce = NULL;
}

/* ---- Blocks that a write cuts ----------------------------------------- */

/* Bytes of a slot. */
struct range {
	uint32_t start;
	uint32_t end;
};

/* A read may begin there in a slot: a block, and memory that is aligned. */
static uint32_t fill_unit(const struct mpio_bio *bio)
{
	return mpio__max_u32(bio->queue->limits.block,
			     bio->queue->memory_alignment);
}

/*
 * What is to be read yet of the blocks that a write begins and ends in, while
 * the bio is these blocks whole; empty: nothing. Both in one go, if nothing
 * lies between them.
 */
static struct range missing(const struct mpio_bio *bio)
{
	const struct mpio_bounce *slot = bio->bounce;
	uint32_t unit = fill_unit(bio);
	uint32_t before = (uint32_t)(slot->offset - bio->offset);
	uint32_t end = before + slot->length;
	bool cuts_last = end != bio->length;
	uint32_t last = end & ~(unit - 1);

	if (before != 0 && slot->filled < unit)
		return (struct range){
			.start = slot->filled,
			.end = cuts_last && last <= unit
				       ? bio->length
				       : mpio__min_u32(unit, bio->length),
		};
	return (struct range){
		.start = cuts_last ? mpio__max_u32(slot->filled, last)
				   : bio->length,
		.end = bio->length,
	};
}

/* Be a read of them; what else the flags ask for is asked of the write. */
static void fill_in(struct mpio_bio *bio, struct range range)
{
	const uint32_t kept =
		MPIO_BIO_SYNC | MPIO_BIO_META | MPIO_BIO_BACKGROUND;
	struct mpio_bounce *slot = bio->bounce;
	bool goes_on = range.start != 0 && range.start == slot->filled;

	/* What goes on where one came short is no other. */
	bio->queue->stats.fills += bio->tries == 0 && !goes_on;
	slot->flags = bio->flags;
	slot->filled = range.start;
	slot->piece.base = (char *)slot->memory + range.start;
	slot->piece.length = range.end - range.start;
	bio->op = MPIO_BIO_READ;
	bio->flags = (uint16_t)(bio->flags & kept);
	bio->offset += range.start;
	bio->length = range.end - range.start;
	bio->stage = MPIO__STAGE_FILL;
}

/* Of what was read of them counts as much as another read can go on behind. */
static void fill_out(struct mpio_bio *bio)
{
	struct mpio_bounce *slot = bio->bounce;

	if (bio->done < bio->length)
		bio->done &= ~(fill_unit(bio) - 1);
	if (bio->status == 0)
		slot->filled += bio->done;
	bio->op = MPIO_BIO_WRITE;
	bio->flags = slot->flags;
}

/* ---- Around a try ----------------------------------------------------- */

/* The device's blocks that hold what a bio is to move; it moves no others. */
static void widen(struct mpio_bio *bio)
{
	uint64_t mask = bio->queue->limits.block - 1;
	uint64_t start = bio->offset & ~mask;
	uint64_t end = bio->offset + bio->length;

	/* To the end of the block, or of the device. */
	end += mpio__min_u64(mask - ((end - 1) & mask),
			     bio->queue->device->size - end);
	bio->offset = start;
	bio->length = (uint32_t)(end - start);
}

static void copy_in(const struct mpio_bounce *slot, uint32_t before)
{
	char *memory = (char *)slot->memory + before;

	for (uint32_t i = 0; i < slot->vec_count; i++) {
		memcpy(memory, slot->vecs[i].base, slot->vecs[i].length);
		memory += slot->vecs[i].length;
	}
}

static void copy_out(const struct mpio_bounce *slot, uint32_t before,
		     size_t left)
{
	const char *memory = (const char *)slot->memory + before;

	for (const struct mpio_iovec *vec = slot->vecs; left != 0; vec++) {
		size_t n = mpio__min_size(vec->length, left);

		memcpy(vec->base, memory, n);
		memory += n;
		left -= n;
	}
}

void mpio__bounce_in(struct mpio_bio *bio)
{
	struct mpio_bounce *slot = bio->bounce;
	struct range range = {0};

	slot->vecs = bio->vecs;
	slot->vec_count = bio->vec_count;
	slot->offset = bio->offset;
	slot->length = bio->length;
	if (mpio__bio_is_odd(bio)) {
		widen(bio);
		if (bio->op == MPIO_BIO_WRITE)
			range = missing(bio);
	}
	slot->piece.base = slot->memory;
	slot->piece.length = bio->length;
	bio->vecs = &slot->piece;
	bio->vec_count = 1;
	if (range.start < range.end)
		fill_in(bio, range);
	else if (bio->op == MPIO_BIO_WRITE)
		copy_in(slot, (uint32_t)(slot->offset - bio->offset));
}

/*
 * How much of its own a try has moved. Where the bio cuts blocks, whole ones
 * count, so that it goes on where one begins.
 */
static uint32_t own_bytes(const struct mpio_bio *bio, uint32_t before)
{
	const struct mpio_bounce *slot = bio->bounce;
	uint32_t done = bio->done;

	if (done < bio->length && bio->length != slot->length)
		done &= ~(bio->queue->limits.block - 1);
	return mpio__min_u32(done - mpio__min_u32(done, before), slot->length);
}

void mpio__bounce_out(struct mpio_bio *bio)
{
	struct mpio_bounce *slot = bio->bounce;

	slot->moved = bio->done;
	if (bio->stage == MPIO__STAGE_FILL) {
		fill_out(bio);
	} else {
		uint32_t before = (uint32_t)(slot->offset - bio->offset);

		bio->done = own_bytes(bio, before);
		if (bio->op == MPIO_BIO_READ && bio->status == 0)
			copy_out(slot, before, bio->done);
	}
	bio->vecs = slot->vecs;
	bio->vec_count = slot->vec_count;
	bio->offset = slot->offset;
	bio->length = slot->length;
}

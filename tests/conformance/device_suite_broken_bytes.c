/* SPDX-License-Identifier: MIT */
/*
 * How the broken device moves bytes: as it should, but for one thing.
 */
#include "device_suite_broken.h"

#include <mpio/error.h>
#include <sched.h>
#include <string.h>

enum { UNIT = 512 };

/* ---- Ranges -------------------------------------------------------------- */

/* Which bytes of the bio are really done; the others are only said to be. */
static uint32_t real_length(const struct broken *broken,
			    const struct mpio_bio *bio)
{
	uint64_t end = bio->offset + bio->length;
	bool last = end == broken->device.size;
	bool write = bio->op == MPIO_BIO_WRITE;

	switch (broken->how) {
	case DROPS_WRITES:
		return write && broken->done % 7 == 6 ? 0 : bio->length;
	case FORGETS_TAIL:
		return write && bio->length > 65536 ? bio->length - UNIT
						    : bio->length;
	case LIES_ABOUT_SHORT:
		return write && bio->length >= 16 * UNIT ? bio->length / 4
							 : bio->length;
	case FORGETS_LAST_BLOCK:
		return write && last
			       ? bio->length - (bio->length - 1) % UNIT - 1
			       : bio->length;
	case FORGETS_ODD_END:
		return bio->length - bio->length % UNIT;
	default:
		return bio->length;
	}
}

uint32_t broken_done(const struct broken *broken, const struct mpio_bio *bio)
{
	bool short_one = bio->length >= 16 * UNIT && bio->op <= MPIO_BIO_WRITE;

	if (broken->how == LIES_ABOUT_SHORT && short_one)
		return bio->length / 2 / UNIT * UNIT;
	return bio->length;
}

static unsigned char *place(const struct broken *broken,
			    const struct mpio_bio *bio)
{
	uint64_t offset = bio->offset;

	if (broken->how == READS_NEXT && bio->op == MPIO_BIO_READ &&
	    bio->length == UNIT && offset / UNIT % 5 == 4)
		offset += UNIT;
	return broken->data + offset;
}

/* ---- Pieces -------------------------------------------------------------- */

/* Which piece is moved as number `i`; UINT32_MAX: none. */
static uint32_t which_piece(const struct broken *broken,
			    const struct mpio_bio *bio, uint32_t i)
{
	if (broken->how == FORGETS_PIECE && bio->vec_count > 64 &&
	    i + 1 == bio->vec_count)
		return UINT32_MAX;
	if (broken->how == SWAPS_PIECES && bio->vec_count > 2 && i < 2 &&
	    bio->vecs[0].length == bio->vecs[1].length)
		return 1 - i;
	return i;
}

static void copy(struct broken *broken, void *to, const void *from, size_t n)
{
	if (broken->how == SHARES_SCRATCH && n <= UNIT) {
		/* Between the two copies it is anybody's. */
		memcpy(broken->scratch, from, n);
		pthread_mutex_unlock(&broken->lock);
		sched_yield();
		pthread_mutex_lock(&broken->lock);
		from = broken->scratch;
	}
	memcpy(to, from, n);
}

static void move_pieces(struct broken *broken, const struct mpio_bio *bio,
			uint32_t length)
{
	unsigned char *at = place(broken, bio);
	bool read = bio->op == MPIO_BIO_READ;

	for (uint32_t i = 0; i < bio->vec_count && length != 0; i++) {
		uint32_t piece = which_piece(broken, bio, i);
		bool none = piece == UINT32_MAX;
		const struct mpio_iovec *vec = &bio->vecs[none ? i : piece];
		size_t n = vec->length < length ? vec->length : length;
		size_t moved = n;

		if (broken->how == ROUNDS_PIECES && bio->vec_count > 1)
			moved &= ~(size_t)7;
		if (broken->how == TRUNCATES_PIECES)
			moved = (uint16_t)moved;
		if (!none)
			copy(broken, read ? vec->base : at,
			     read ? at : vec->base, moved);
		at += n;
		length -= (uint32_t)n;
		if (read && broken->how == READS_TOO_FAR)
			memset((char *)vec->base + vec->length, 0, 8);
		if (!read && broken->how == SPOILS_WRITES)
			((unsigned char *)vec->base)[0] ^= 1;
	}
}

/* ---- Operations ---------------------------------------------------------- */

static void make_durable(struct broken *broken, uint64_t offset,
			 uint64_t length)
{
	if (broken->durable != NULL)
		memcpy(broken->durable + offset, broken->data + offset,
		       (size_t)length);
}

static void flush_all(struct broken *broken)
{
	if (broken->how != FLUSHES_NOTHING)
		make_durable(broken, 0, broken->device.size);
}

static bool overlaps(const struct broken *broken, const struct mpio_bio *bio)
{
	return bio->offset < broken->held_offset + broken->held_length &&
	       broken->held_offset < bio->offset + bio->length;
}

static void release_held(struct broken *broken)
{
	memcpy(broken->data + broken->held_offset, broken->held,
	       broken->held_length);
	broken->held_length = 0;
}

/* A write is not done before the next bio is; of two, the first one wins. */
static void reorder(struct broken *broken, const struct mpio_bio *bio)
{
	bool held = broken->held_length != 0;
	bool first = held && bio->op == MPIO_BIO_WRITE && overlaps(broken, bio);
	unsigned char *at = broken->held;

	if (held && !first)
		release_held(broken);
	move_pieces(broken, bio, bio->length);
	if (held && first)
		release_held(broken);
	else if (bio->op == MPIO_BIO_WRITE && bio->length <= 65536) {
		memcpy(at, broken->data + bio->offset, bio->length);
		broken->held_offset = bio->offset;
		broken->held_length = bio->length;
	}
}

static void transfer(struct broken *broken, const struct mpio_bio *bio)
{
	if ((bio->flags & MPIO_BIO_PREFLUSH) && broken->how != IGNORES_PREFLUSH)
		flush_all(broken);
	if (broken->how == REORDERS)
		reorder(broken, bio);
	else
		move_pieces(broken, bio, real_length(broken, bio));
	if (broken->how == FLICKERS)
		((unsigned char *)bio->vecs[0].base)[0] =
			(unsigned char)broken->done;
	if ((bio->flags & MPIO_BIO_FUA) && bio->op == MPIO_BIO_WRITE &&
	    broken->how != IGNORES_FUA)
		make_durable(broken, bio->offset, bio->length);
}

int broken_do(struct broken *broken, struct mpio_bio *bio)
{
	uint32_t before =
		broken->how == DISCARDS_MORE && bio->offset != 0 ? UNIT : 0;

	pthread_mutex_lock(&broken->lock);
	if (bio->op == MPIO_BIO_FLUSH)
		flush_all(broken);
	else if (bio->op == MPIO_BIO_DISCARD)
		memset(broken->data + bio->offset - before, 0,
		       bio->length + before);
	else
		transfer(broken, bio);
	if (broken->how == CHANGES_BIO)
		bio->offset += bio->length;
	broken->done++;
	pthread_mutex_unlock(&broken->lock);
	return 0;
}

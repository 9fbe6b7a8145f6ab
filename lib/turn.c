/* SPDX-License-Identifier: MIT */
/*
 * Turns: bios that cannot be sent yet.
 *
 * Some wait for memory to bounce through. Others wait for each other: a write
 * of part of a block takes the rest of it from the device, and would undo what
 * another write makes of that meanwhile. So, of two changes that have a block
 * of the device in common and one of which cuts blocks, the later one waits
 * until the earlier has ended:
 *
 *     block     |-------- 7 --------|-------- 8 --------|
 *     first       |====|                                  is read and written
 *     second            |====|                            waits for first
 *     third                    |============|             waits for both
 *     fourth                        |=======|             waits for third
 *
 * A change that keeps its place (MPIO__TURN_KEEPS) is one that cuts blocks, or
 * that met one that keeps its place; so what follows those is not passed
 * either. How many a bio waits for is counted when it comes, and those that it
 * waits for are marked. All others see nothing of it, but for one look at the
 * queue's cares.
 *
 * A bio takes a slot only when its turn has come. Each waits for bios that came
 * before it, or for a slot of one that was sent: so, whenever one waits, others
 * of the queue are in flight or have ended, and those who wait for these wait
 * for all. What can be sent then is sent before the bio that ended is finished.
 */
#include "internal.h"

/* ---- The list --------------------------------------------------------- */

static void wait(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bio->state = MPIO__BIO_WAITING;
	bio->next = NULL;
	*queue->waiting_tail = bio;
	queue->waiting_tail = &bio->next;
}

static void leave(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_bio **link = &queue->waiting;

	while (*link != bio)
		link = &(*link)->next;
	*link = bio->next;
	if (bio->next == NULL)
		queue->waiting_tail = link;
}

/* ---- Who waits for whom ----------------------------------------------- */

/* A change is a flush in some of its stages, and a read in another. */
static bool is_change(const struct mpio_bio *bio)
{
	return bio->stage != MPIO__STAGE_DATA || bio->op == MPIO_BIO_WRITE ||
	       bio->op == MPIO_BIO_DISCARD;
}

/* The first block of a bio, whatever window of it is tried, and the last. */
static uint64_t first_block(const struct mpio_bio *bio)
{
	uint64_t offset =
		bio->full_vec_count != 0 ? bio->full_offset : bio->offset;

	return offset & ~(uint64_t)(bio->queue->limits.block - 1);
}

static uint64_t last_block(const struct mpio_bio *bio)
{
	bool is_whole =
		bio->full_vec_count == 0 && bio->stage == MPIO__STAGE_DATA;
	uint32_t length = is_whole ? bio->length : bio->full_length;
	uint64_t offset =
		bio->full_vec_count != 0 ? bio->full_offset : bio->offset;

	return (offset + length - 1) &
	       ~(uint64_t)(bio->queue->limits.block - 1);
}

/*
 * Whether a bio waits for the end of another that came before it. One that is
 * ended without having been sent changes nothing, and may have come after some
 * that still wait.
 */
static bool waits_for(const struct mpio_bio *bio, const struct mpio_bio *other)
{
	return ((bio->turn | other->turn) & MPIO__TURN_KEEPS) &&
	       !(other->turn & MPIO__TURN_NONE) && is_change(bio) &&
	       is_change(other) && first_block(bio) <= last_block(other) &&
	       first_block(other) <= last_block(bio);
}

/*
 * How many of those that have not ended a bio waits for; marks them. It is not
 * among them yet: it has no place so far.
 */
static uint32_t count_waits(struct mpio_queue *queue,
			    const struct mpio_bio *bio)
{
	struct mpio_bio *other = queue->bios;
	uint32_t n = 0;

	if (queue->stats.in_flight == 0 && queue->ended == NULL)
		return 0; /* then nobody waits, either */
	for (uint32_t i = 0; i < queue->bio_count; i++, other++) {
		if (other->state < MPIO__BIO_WAITING || !waits_for(bio, other))
			continue;
		other->turn |= MPIO__TURN_AWAITED;
		n++;
	}
	return n;
}

/* Of those in a list, let who waits for a bio wait for one less. */
static void release(struct mpio_bio *list, const struct mpio_bio *bio)
{
	if (!(bio->turn & MPIO__TURN_AWAITED))
		return;
	for (; list != NULL; list = list->next)
		list->waits -= waits_for(list, bio);
}

/* Find a bio's place; how many it waits for. */
static uint32_t take_place(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bio->waits = 0;
	if (!is_change(bio))
		return 0;
	if (!mpio__bio_is_odd(bio) &&
	    (!(queue->care & MPIO__CARE_TURNS) || count_waits(queue, bio) == 0))
		return 0;
	bio->turn = MPIO__TURN_KEEPS;
	queue->turns++;
	queue->care |= MPIO__CARE_TURNS;
	bio->waits = count_waits(queue, bio);
	queue->stats.turns += bio->waits != 0;
	return bio->waits;
}

/* ---- Beginning and ending --------------------------------------------- */

bool mpio__turn_begin(struct mpio_queue *queue, struct mpio_bio *bio,
		      bool bounces)
{
	bio->bounces = bounces;
	if (take_place(queue, bio) == 0 &&
	    (!bounces || mpio__bounce_take(queue, bio)))
		return true;
	wait(queue, bio);
	return false;
}

void mpio__turn_end(struct mpio_queue *queue, struct mpio_bio *bio)
{
	release(queue->waiting, bio);
	if ((bio->turn & MPIO__TURN_KEEPS) && --queue->turns == 0)
		queue->care &= ~MPIO__CARE_TURNS;
	bio->turn = 0;
}

void mpio__turn_leave(struct mpio_queue *queue, struct mpio_bio *bio)
{
	release(bio->next, bio); /* those that came before do not */
	leave(queue, bio);
}

struct mpio_bio *mpio__turn_next(struct mpio_queue *queue)
{
	struct mpio_bio *bio;

	if (queue->free_bounces == NULL && queue->turns == 0)
		return NULL; /* all of them need a slot */
	for (bio = queue->waiting; bio != NULL; bio = bio->next) {
		if (bio->waits == 0 &&
		    (!bio->bounces || mpio__bounce_take(queue, bio)))
			break;
	}
	if (bio != NULL)
		leave(queue, bio);
	return bio;
}

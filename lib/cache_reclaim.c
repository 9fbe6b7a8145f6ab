/* SPDX-License-Identifier: MIT */
/*
 * Reclaim: which frame is taken for a new page.
 *
 * Pages stand in two lists. A new page comes to the head of probation. When it
 * is the oldest there, and was used twice, it goes to the protected list, which
 * holds a fixed share of the frames and gives what was not used lately back to
 * probation; else it is taken:
 *
 *     new -> [ probation: newest ... oldest ] -> taken
 *                 ^                     |
 *         unused  |                     v  used twice
 *               [ oldest ... protected ]
 *
 * A page whose turn it is, and which cannot go, being dirty, pinned or busy, is
 * put aside, so that it is looked at once and not at each turn. Of those that
 * stand aside some are looked at for each page that goes; what can go by then
 * is the newest of probation again.
 *
 * A page that was read ahead, and that nobody came for yet, lets its turn pass
 * and is the newest again, so that what was used goes first: thrice, lest it
 * stay for ever when its reader has gone; and only while there are no more of
 * them than the cache can keep.
 *
 * A use only sets a bit: hits touch no list, and no other page's frame.
 *
 * So a scan, which uses each page once, moves through probation and leaves
 * the protected pages alone. Uses of one page in a row, with none of another
 * page of its file between, are one use: who reads a page in pieces does not
 * make it hot. Nor does a use that says it goes on with the last one.
 *
 * Frames that are neighbours in memory make one piece of an I/O. Frames are
 * counted in groups of 64 KiB, and a row of pages that is to be read gets
 *
 *     1. the frames behind that of the page before it, while they are free
 *     2. else a group that is free as a whole
 *     3. else, when few frames are free, a group out of which all pages can
 *        go, found at the old end of probation: what was read together gets
 *        old together
 *     4. else what single frames there are
 *
 * A single page takes a frame of a group that is in use already.
 */
#include "cache_private.h"

/* Groups of old pages that are looked at. */
#define GROUPS_LOOKED_AT 16u
/* Old protected pages that are looked at before one has to go back. */
#define SECOND_CHANCES 8u
/* Pages of a list that are put aside before one of the other goes. */
#define PUT_ASIDE 256u
/* Turns that a page lets pass that was read ahead. */
#define TURNS_TO_PASS 3u
/* Such pages before one goes in any case. */
#define PASS_MAX 256u
/* Pages that stand aside and are looked at again, for each that is to go. */
#define BROUGHT_BACK 2u

/* ---- Groups ------------------------------------------------------------- */

static struct mpio__group *group_at(struct mpio_cache *cache, uint32_t number)
{
	return &cache->groups[number - 1];
}

static uint32_t group_of(const struct mpio_cache *cache, uint32_t frame)
{
	return ((frame - 1) >> cache->group_shift) + 1;
}

/* The bit of a frame in its group. */
static uint64_t group_bit(const struct mpio_cache *cache, uint32_t frame)
{
	return (uint64_t)1 << ((frame - 1) &
			       (((uint32_t)1 << cache->group_shift) - 1));
}

/* All frames of a group; the last may be short. */
static uint64_t group_full(const struct mpio_cache *cache, uint32_t group)
{
	uint32_t size = (uint32_t)1 << cache->group_shift;
	uint32_t left =
		cache->frame_count - ((group - 1) << cache->group_shift);

	return mpio__blocks_mask(0, mpio__min_u32(size, left));
}

/* The list a group stands in, or NULL. */
static struct mpio__list *group_list(struct mpio_cache *cache, uint32_t group)
{
	uint64_t bits = group_at(cache, group)->free;

	if (bits == 0)
		return NULL;
	return bits == group_full(cache, group) ? &cache->whole
						: &cache->partial;
}

static void group_unlink(struct mpio_cache *cache, uint32_t group)
{
	struct mpio__list *list = group_list(cache, group);
	struct mpio__group *self = group_at(cache, group);

	if (list == NULL)
		return;
	if (self->prev != 0)
		group_at(cache, self->prev)->next = self->next;
	else
		list->head = self->next;
	if (self->next != 0)
		group_at(cache, self->next)->prev = self->prev;
	else
		list->tail = self->prev;
	list->count--;
}

/* At the end, so that groups are taken in the order they came free. */
static void group_link(struct mpio_cache *cache, uint32_t group)
{
	struct mpio__list *list = group_list(cache, group);
	struct mpio__group *self = group_at(cache, group);

	if (list == NULL)
		return;
	self->prev = list->tail;
	self->next = 0;
	if (list->tail != 0)
		group_at(cache, list->tail)->next = group;
	else
		list->head = group;
	list->tail = group;
	list->count++;
}

/* Frames of a group become free, or are taken. */
static void group_set(struct mpio_cache *cache, uint32_t group, uint64_t bits)
{
	struct mpio__group *self = group_at(cache, group);
	struct mpio__list *before = group_list(cache, group);
	bool stays = before == &cache->partial && bits != 0 &&
		     bits != group_full(cache, group);

	if (!stays)
		group_unlink(cache, group);
	self->free = bits;
	if (!stays)
		group_link(cache, group);
}

static bool is_free(struct mpio_cache *cache, uint32_t frame)
{
	return (group_at(cache, group_of(cache, frame))->free &
		group_bit(cache, frame)) != 0;
}

static void take(struct mpio_cache *cache, uint32_t frame)
{
	uint32_t group = group_of(cache, frame);

	group_set(cache, group,
		  group_at(cache, group)->free & ~group_bit(cache, frame));
	group_at(cache, group)->taken = ++cache->taken;
	cache->stats.free--;
}

void mpio__cache_give(struct mpio_cache *cache, uint32_t number)
{
	uint32_t group = group_of(cache, number);

	group_set(cache, group,
		  group_at(cache, group)->free | group_bit(cache, number));
	cache->stats.free++;
}

void mpio__reclaim_init(struct mpio_cache *cache)
{
	for (uint32_t group = 1; group <= cache->group_count; group++)
		group_set(cache, group, group_full(cache, group));
	cache->stats.free = cache->frame_count;
}

/* ---- Lists of pages ----------------------------------------------------- */

static struct mpio__list *list_of(struct mpio_cache *cache,
				  const struct mpio__frame *frame)
{
	if (frame->state & MPIO__FRAME_ASIDE)
		return &cache->aside;
	return frame->state & MPIO__FRAME_PROTECTED ? &cache->protect
						    : &cache->probation;
}

void mpio__reclaim_remove(struct mpio_cache *cache, struct mpio__frame *frame)
{
	struct mpio__list *list = list_of(cache, frame);
	const struct mpio__beside *self =
		mpio__beside_at(cache, mpio__frame_number(cache, frame));

	if (self->prev != 0)
		mpio__beside_at(cache, self->prev)->next = self->next;
	else
		list->head = self->next;
	if (self->next != 0)
		mpio__beside_at(cache, self->next)->prev = self->prev;
	else
		list->tail = self->prev;
	list->count--;
}

void mpio__reclaim_add(struct mpio_cache *cache, struct mpio__frame *frame)
{
	struct mpio__list *list = list_of(cache, frame);
	uint32_t number = mpio__frame_number(cache, frame);
	struct mpio__beside *self = mpio__beside_at(cache, number);

	self->prev = 0;
	self->next = list->head;
	if (list->head != 0)
		mpio__beside_at(cache, list->head)->prev = number;
	else
		list->tail = number;
	list->head = number;
	list->count++;
}

static void move(struct mpio_cache *cache, struct mpio__frame *frame,
		 bool protect)
{
	mpio__reclaim_remove(cache, frame);
	frame->state &= ~(MPIO__FRAME_USED | MPIO__FRAME_HOT |
			  MPIO__FRAME_PROTECTED | MPIO__FRAME_PLAIN);
	if (protect)
		frame->state |= MPIO__FRAME_PROTECTED | MPIO__FRAME_HOT;
	mpio__reclaim_add(cache, frame);
}

/* Send a protected page back: one that was not used lately, if it can be. */
static void demote(struct mpio_cache *cache)
{
	for (uint32_t i = 0;; i++) {
		struct mpio__frame *frame =
			mpio__frame_at(cache, cache->protect.tail);
		bool used = (frame->state & MPIO__FRAME_USED) != 0;

		move(cache, frame, used && i < SECOND_CHANCES);
		if (!used || i == SECOND_CHANCES)
			break;
	}
}

/* Protect a page of probation that was used twice; false: it was not. */
static bool promote(struct mpio_cache *cache, struct mpio__frame *frame)
{
	const uint32_t state = MPIO__FRAME_HOT | MPIO__FRAME_PROTECTED;

	if ((frame->state & state) != MPIO__FRAME_HOT)
		return false;
	move(cache, frame, true);
	if (cache->protect.count > cache->protected_max)
		demote(cache);
	return true;
}

/* The first and the second use are noted. */
static void mark(struct mpio_cache *cache, struct mpio__frame *frame)
{
	const uint32_t hot = MPIO__FRAME_USED | MPIO__FRAME_HOT;

	if ((frame->state & hot) == MPIO__FRAME_USED)
		cache->stats.promoted++;
	frame->state |=
		frame->state & MPIO__FRAME_USED ? hot : MPIO__FRAME_USED;
}

void mpio__reclaim_use(struct mpio__frame *frame, bool again)
{
	const uint32_t hot = MPIO__FRAME_USED | MPIO__FRAME_HOT;
	struct mpio_cache_mapping *file = frame->file;
	uint32_t number = mpio__frame_number(file->cache, frame);

	mpio__reclaim_keep_no_more(file->cache, frame);
	if (file->last != number &&
	    !(again && (frame->state & MPIO__FRAME_USED)))
		mark(file->cache, frame);
	file->last = number;
	if ((frame->state & hot) == hot && frame->uptodate == file->full)
		frame->state |= MPIO__FRAME_PLAIN;
}

/* ---- Pages that were read ahead ------------------------------------------ */

void mpio__reclaim_keep(struct mpio_cache *cache, struct mpio__frame *frame)
{
	frame->state |= MPIO__FRAME_EARLY + TURNS_TO_PASS * MPIO__FRAME_TURN;
	cache->stats.ahead++;
}

void mpio__reclaim_keep_no_more(struct mpio_cache *cache,
				struct mpio__frame *frame)
{
	if (!(frame->state & MPIO__FRAME_EARLY))
		return;
	frame->state &= MPIO__FRAME_STATES & ~MPIO__FRAME_EARLY;
	cache->stats.ahead--;
}

uint32_t mpio__reclaim_kept_max(const struct mpio_cache *cache)
{
	return mpio__min_u32(cache->kept_max, cache->frame_count -
						      cache->protect.count -
						      cache->aside.count);
}

/* Whether its turn may pass; if too many are kept, it comes for all of them. */
static bool is_kept(const struct mpio_cache *cache,
		    const struct mpio__frame *frame)
{
	return frame->state >= MPIO__FRAME_TURN &&
	       cache->stats.ahead <= mpio__reclaim_kept_max(cache);
}

/* Let the turn of a page pass that is kept; false: it is not. */
static bool pass(struct mpio_cache *cache, struct mpio__frame *frame)
{
	if (!is_kept(cache, frame))
		return false;
	frame->state -= MPIO__FRAME_TURN;
	move(cache, frame, false);
	return true;
}

/* ---- Making room -------------------------------------------------------- */

static bool can_go(const struct mpio__frame *frame)
{
	return frame->pins == 0 && frame->dirty == 0 &&
	       !(frame->state & MPIO__FRAME_BUSY);
}

/* Make a page go that can. */
static void evict(struct mpio_cache *cache, struct mpio__frame *frame)
{
	cache->stats.evicted++;
	cache->stats.lost += (frame->state & MPIO__FRAME_EARLY) != 0;
	mpio__frame_forget(frame);
}

/* Put some old pages that cannot go aside, until one goes. */
static bool evict_from(struct mpio_cache *cache, struct mpio__list *list)
{
	uint32_t n = 0;
	uint32_t passed = 0;

	while (n < PUT_ASIDE && list->count > 0) {
		struct mpio__frame *frame = mpio__frame_at(cache, list->tail);

		cache->stats.scanned++;
		if (promote(cache, frame) ||
		    (passed++ < PASS_MAX && pass(cache, frame)))
			continue;
		if (can_go(frame)) {
			evict(cache, frame);
			return true;
		}
		mpio__reclaim_remove(cache, frame);
		frame->state &= ~MPIO__FRAME_PROTECTED;
		frame->state |= MPIO__FRAME_ASIDE;
		mpio__reclaim_add(cache, frame);
		n++;
	}
	return false;
}

/* Look at some pages that stand aside: what can go now is new again. */
static uint32_t bring_back(struct mpio_cache *cache, uint32_t most)
{
	uint32_t n = mpio__min_u32(most, cache->aside.count);

	for (uint32_t i = 0; i < n; i++) {
		struct mpio__frame *frame =
			mpio__frame_at(cache, cache->aside.tail);

		cache->stats.scanned++;
		mpio__reclaim_remove(cache, frame);
		if (can_go(frame))
			frame->state &= ~MPIO__FRAME_ASIDE;
		mpio__reclaim_add(cache, frame);
	}
	return n;
}

/*
 * Pages that are pinned are not counted. That none can go is found out by
 * looking at each, and then it is known until it has changed for one of them;
 * meanwhile a put is more than a decrement.
 */
static void set_stuck(struct mpio_cache *cache, bool stuck)
{
	if (cache->stuck == stuck)
		return;
	cache->stuck = stuck;
	mpio__cache_careful(cache, stuck);
}

void mpio__reclaim_let_go(struct mpio__frame *frame)
{
	if (can_go(frame))
		set_stuck(frame->file->cache, false);
}

bool mpio__cache_evict(struct mpio_cache *cache)
{
	const struct mpio__list *probation = &cache->probation;
	const struct mpio__list *protect = &cache->protect;
	uint32_t left = cache->aside.count;

	if (cache->stuck || cache->stats.dirty + cache->stats.writing >=
				    probation->count + protect->count + left)
		return false;
	left -= bring_back(cache, BROUGHT_BACK);
	for (;;) {
		if (evict_from(cache, &cache->probation) ||
		    evict_from(cache, &cache->protect))
			return true;
		if (probation->count + protect->count != 0)
			continue;
		if (left == 0) {
			set_stuck(cache, true);
			return false;
		}
		left -= bring_back(cache, mpio__min_u32(left, PUT_ASIDE));
	}
}

/* The number of the lowest frame of a group that is free. */
static uint32_t first_free(struct mpio_cache *cache, uint32_t group)
{
	uint32_t frame = ((group - 1) << cache->group_shift) + 1;

	while (!is_free(cache, frame))
		frame++;
	return frame;
}

static uint32_t any_free(struct mpio_cache *cache)
{
	if (cache->partial.head != 0)
		return first_free(cache, cache->partial.head);
	if (cache->whole.head != 0)
		return first_free(cache, cache->whole.head);
	return 0;
}

uint32_t mpio__cache_take(struct mpio_cache *cache)
{
	uint32_t frame = any_free(cache);

	if (frame == 0 && mpio__cache_evict(cache))
		frame = any_free(cache);
	if (frame != 0)
		take(cache, frame);
	return frame;
}

/* ---- Runs --------------------------------------------------------------- */

/*
 * Whether all pages of a group may go, none of them protected, and none that
 * came lately: it was perhaps read ahead, and is still to be used.
 */
static bool group_can_go(struct mpio_cache *cache, uint32_t group)
{
	uint32_t first = (group - 1) << cache->group_shift;
	uint32_t end = mpio__min_u32(first + (1u << cache->group_shift),
				     cache->frame_count);

	if (cache->taken - group_at(cache, group)->taken <
	    cache->probation.count / 2)
		return false;
	for (uint32_t i = first + 1; i <= end; i++) {
		const struct mpio__frame *frame = mpio__frame_at(cache, i);

		if (is_free(cache, i))
			continue;
		if (frame->file == NULL || !can_go(frame) ||
		    is_kept(cache, frame) ||
		    (frame->state & (MPIO__FRAME_PROTECTED | MPIO__FRAME_HOT)))
			return false;
	}
	return true;
}

static void group_clear(struct mpio_cache *cache, uint32_t group)
{
	uint32_t first = (group - 1) << cache->group_shift;
	uint32_t end = mpio__min_u32(first + (1u << cache->group_shift),
				     cache->frame_count);

	for (uint32_t i = first + 1; i <= end; i++) {
		if (is_free(cache, i))
			continue;
		evict(cache, mpio__frame_at(cache, i));
	}
}

/* Make a group free out of which old pages can go. */
static void free_group(struct mpio_cache *cache)
{
	uint32_t number = cache->probation.tail;
	uint32_t looked_at = 0;
	uint32_t last = 0;

	while (looked_at < GROUPS_LOOKED_AT && number != 0) {
		struct mpio__frame *frame = mpio__frame_at(cache, number);
		uint32_t group = group_of(cache, number);
		bool passed;

		number = mpio__beside_at(cache, number)->prev;
		if (promote(cache, frame))
			continue;
		passed = pass(cache, frame);
		if (group == last)
			continue;
		if (!passed && group_can_go(cache, group)) {
			group_clear(cache, group);
			return;
		}
		last = group;
		looked_at++;
	}
}

/* Where a run begins best. */
static uint32_t run_start(struct mpio_cache *cache, uint32_t before,
			  uint32_t wanted)
{
	if (before != 0 && before < cache->frame_count &&
	    is_free(cache, before + 1))
		return before + 1;
	if (wanted > 1) {
		if (cache->whole.head == 0 &&
		    cache->stats.free <= cache->frame_count / 8)
			free_group(cache);
		if (cache->whole.head != 0) {
			cache->stats.runs++;
			return first_free(cache, cache->whole.head);
		}
	}
	if (any_free(cache) == 0)
		mpio__cache_evict(cache);
	return any_free(cache);
}

uint32_t mpio__cache_take_run(struct mpio_cache *cache, uint32_t before,
			      uint32_t wanted, uint32_t *count)
{
	uint32_t first = run_start(cache, before, wanted);
	uint32_t n = 0;

	while (first != 0 && n < wanted && first + n <= cache->frame_count &&
	       is_free(cache, first + n)) {
		take(cache, first + n);
		n++;
	}
	*count = n;
	return first;
}

/* SPDX-License-Identifier: MIT */
/*
 * Gather: the short way through reading and writing.
 *
 * Most pages of a large I/O are alike: they follow each other, lie whole in
 * what get_block answers, go on where the open bio ends, and have room there.
 * For such a row of pages the plan answers 'none', and the loop here gathers
 * them without asking it page by page, with all it needs in registers. It
 * decides nothing: the first page that is not so plain is left to the general
 * way (map.c, build.c, plan.c), which can do all that this can.
 *
 * It is written for few instructions. That is why it is inline, why a row is
 * looked at as a whole before its pages are, and why loops keep what they
 * change in locals of their own.
 */
#ifndef MPIO_GATHER_H
#define MPIO_GATHER_H

#include "internal.h"

/*
 * What a verb wants of pages that it gathers whole, and makes of them. Of the
 * page flags in `mask` just `state` must be set; those in `clear` go and `set`
 * come.
 */
struct mpio__gather {
	uint32_t mask;
	uint32_t state;
	uint32_t clear;
	uint32_t set;
};

/* ---- What get_block says ---------------------------------------------- */

/* Ask get_block; returns what it does. */
static inline int mpio__map_question(struct mpio__walk *walk,
				     struct mpio_page *page, uint64_t block,
				     uint64_t wanted)
{
	walk->map.extent = (struct mpio_extent){.count = wanted};
	walk->queue->stats.get_block_calls++;
	return walk->mapping->ops->get_block(
		walk->mapping, page, block, walk->map_flags, &walk->map.extent);
}

/* Mapped, whole on the queue's own device, and nothing else to be said. */
/*@ requires \valid_read(walk);
  @ assigns \nothing;
  @ ensures \result ==> 1 <= walk->map.extent.count <= wanted &&
  @	walk->map.extent.block + walk->map.extent.count <=
  @	walk->device_blocks && walk->map.extent.flags == MPIO_EXTENT_MAPPED &&
  @	walk->map.extent.queue == \null; */
static inline bool mpio__map_is_plain(const struct mpio__walk *walk,
				      uint64_t wanted)
{
	const struct mpio_extent *extent = &walk->map.extent;

	return extent->flags == MPIO_EXTENT_MAPPED && extent->queue == NULL &&
	       extent->count != 0 && extent->count <= wanted &&
	       mpio__range_fits(extent->block, extent->count,
				walk->device_blocks);
}

/*
 * The straight of an answer that begins at `pos`: its first blocks, whole on
 * the device.
 */
static inline void mpio__map_straighten(struct mpio__map *map, uint64_t pos,
					uint64_t whole, uint32_t shift)
{
	map->straight_end = pos + (whole << shift);
	map->delta = mpio__sub_modulo(map->extent.block << shift, pos);
}

/*
 * Ask get_block for the block that begins at `pos`, after an answer that was
 * not odd; 0 or a negative errno.
 */
static inline int mpio__map_ask_on(struct mpio__walk *walk,
				   struct mpio_page *page, uint64_t pos,
				   uint64_t wanted)
{
	struct mpio__map *map = &walk->map;
	uint64_t block = pos >> walk->shift;
	int status = mpio__map_question(walk, page, block, wanted);

	if (status != 0 || !mpio__map_is_plain(walk, wanted))
		return mpio__map_take_over(walk, block, wanted, status);
	map->first = block;
	map->count = map->extent.count;
	mpio__map_straighten(map, pos, map->count, walk->shift);
	return 0;
}

/* ---- The row ---------------------------------------------------------- */

/* Begin a bio; what is gathered into it is noted later. */
static inline void mpio__build_open(struct mpio__build *build,
				    struct mpio_bio *bio, uint64_t offset)
{
	bio->offset = offset;
	bio->flags = build->flags;
	bio->state = MPIO__BIO_HELD;
	bio->op = build->op;
	bio->length = 0;
	build->wasted = 0;
	bio->plain = true;
	bio->gapped = false;
	bio->unit = build->unit;
	bio->end_io = build->end_io;
	bio->ctx = build->sent;
}

/* Pages that follow each other, and look like the first of them. */
struct mpio__row {
	struct mpio_page *const *next;
	const struct mpio_mapping *mapping;
	uint64_t pos;       /* bytes; where the next one is to lie */
	uint64_t stop;      /* bytes; where they end if all of them do so */
	uint64_t limit;     /* bytes; as far as that is in the straight */
	uint64_t fresh;     /* bytes of them that a new bio takes */
	size_t step;        /* bytes; from one to the next: their size */
	uint32_t size;      /* bytes; of each */
	uint32_t flags;     /* of each, as they are found */
	uint32_t new_flags; /* and as they are left */
};

/* Of n pages; false if the first is none that can be gathered whole. */
bool mpio__row_begin(struct mpio__row *row, const struct mpio__walk *walk,
		     struct mpio_page *const *pages, size_t n,
		     const struct mpio__gather *how);

/* Whether a page is one of the row, and the one at a position. */
static inline bool mpio__row_has(const struct mpio__row *row,
				 const struct mpio_page *page, uint64_t pos)
{
	return page->pos == pos && page->size == row->size &&
	       page->flags == row->flags && page->mapping == row->mapping &&
	       page->blocks == NULL;
}

/* Whether the row goes on. */
static inline bool mpio__row_goes_on(const struct mpio__row *row)
{
	return row->pos < row->stop && mpio__row_has(row, *row->next, row->pos);
}

/* Where the next page goes. */
struct mpio__place {
	struct mpio_bio *bio;
	struct mpio_segment *segment;
	struct mpio_iovec *vec;
	unsigned char *memory_end; /* of the piece before, or no page's */
	uint64_t room;             /* bytes that the bio still takes */
};

/* In a bio that is begun with it. */
static inline struct mpio__place mpio__place_new(struct mpio__build *build,
						 const struct mpio__row *row,
						 struct mpio_bio *bio,
						 uint64_t offset)
{
	mpio__build_open(build, bio, offset);
	return (struct mpio__place){
		.bio = bio,
		.segment = bio->segments,
		.vec = bio->vecs,
		.memory_end = (unsigned char *)bio,
		.room = row->fresh,
	};
}

/* In the open bio. */
static inline struct mpio__place
mpio__place_open(const struct mpio__build *build, const struct mpio__row *row)
{
	struct mpio_bio *bio = build->bio;
	uint32_t n =
		mpio__min_u32(bio->vecs_max - bio->vec_count,
			      bio->segments_max - mpio__segment_count(bio));

	return (struct mpio__place){
		.bio = bio,
		.segment = bio->segments_end,
		.vec = bio->vecs + bio->vec_count,
		.memory_end = build->memory_end,
		.room = mpio__min_u64((uint64_t)n * row->size,
				      bio->queue->limits.bytes_max -
					      bio->length),
	};
}

/*
 * Gather the next page, which is one of the row, and those after it that are,
 * while there is room, and up to the limit. There is room for one.
 */
static inline void mpio__row_gather(struct mpio__row *row,
				    struct mpio__build *build,
				    struct mpio__place place)
{
	struct mpio_bio *bio = place.bio;
	uint64_t pos = row->pos;
	uint64_t last =
		mpio__min_u64(row->limit, mpio__add_sat(pos, place.room)) -
		row->step;
	struct mpio_page *const *next = row->next;
	struct mpio_page *page = *next;

	do {
		unsigned char *memory = page->data;

		if (memory != place.memory_end) {
			place.vec->base = memory;
			place.vec->length = row->step;
			place.vec++;
		} else {
			place.vec[-1].length += row->step;
		}
		place.memory_end = memory + row->step;
		place.segment->page = page;
		place.segment->offset = 0;
		place.segment->length = (uint32_t)row->step;
		place.segment++;
		page->pending = 1;
		page->error = 0;
		page->flags = row->new_flags;
		next++;
		pos += row->step;
		if (pos > last)
			break;
		page = *next;
	} while (mpio__row_has(row, page, pos));
	bio->length += (uint32_t)(pos - row->pos);
	bio->vec_count = (uint32_t)(place.vec - bio->vecs);
	bio->segments_end = place.segment;
	build->memory_end = place.memory_end;
	build->last_page = NULL; /* it is whole: nothing continues it */
	row->next = next;
	row->pos = pos;
}

/* ---- The end of a row ------------------------------------------------- */

typedef void mpio__page_end_fn(struct mpio_mapping *mapping,
			       struct mpio_page *page, int status);

/* So many pages on, the next to be fetched into the processor's cache. */
#define MPIO__PAGES_AHEAD 8

static inline void mpio__row_end_page(struct mpio_page *page,
				      mpio__page_end_fn *end, uint32_t flags)
{
	page->flags ^= flags;
	end(page->mapping, page, 0);
}

/*
 * Finish the pages of a long row, up to its last ones, which are returned. They
 * were on the way for long: their descriptors are out of the processor's cache.
 */
const struct mpio_segment *mpio__row_end_long(const struct mpio_bio *bio,
					      mpio__page_end_fn *end,
					      uint32_t flags);

/*
 * Finish the pages of a plain bio that went well. While they were on the way
 * these flags of theirs were the library's; they stand as they were set, so
 * turning them round is the end of the way.
 */
static inline void mpio__row_end(const struct mpio_bio *bio,
				 mpio__page_end_fn *end, uint32_t flags)
{
	const struct mpio_segment *segment = bio->segments;

	if (mpio__segment_count(bio) > MPIO__PAGES_AHEAD)
		segment = mpio__row_end_long(bio, end, flags);
	do {
		mpio__row_end_page(segment++->page, end, flags);
	} while (segment != bio->segments_end);
}

#endif

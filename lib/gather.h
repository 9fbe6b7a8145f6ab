/* SPDX-License-Identifier: MIT */
/*
 * Gather: the inner loop of reading and writing.
 *
 * Most pages of a large I/O are alike: they lie whole in the answer that
 * get_block gave last, go on where the open bio ends, and have room there. For
 * such pages the plan answers 'none', and this loop gathers them without
 * asking it page by page, with everything it needs in registers. It decides
 * nothing: the first page that is not so plain is left to the general way
 * (map.c, build.c, plan.c), which can do all that this can.
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

/*
 * Gather whole pages from position `pos` on: as many as follow each other in
 * the straight of the remembered answer, go on where the open bio ends, and
 * have room there. For those the plan's answer is 'none' without asking; this
 * is its loop, held in registers. Returns how many were gathered; the page
 * after them needs a closer look.
 */
static inline size_t mpio__gather(struct mpio__walk *walk,
				  struct mpio_page *const *pages, size_t n,
				  uint64_t pos, const struct mpio__gather how)
{
	struct mpio__build *build = &walk->build;
	const struct mpio__map *map = &walk->map;
	const struct mpio_mapping *mapping = walk->mapping;
	struct mpio_segment *segment, *first, *last;
	struct mpio_iovec *vec, *last_vec;
	const unsigned char *memory_end;
	uint64_t start = pos;
	uint64_t room;
	size_t i;

	if (build->bio == NULL || pos - map->straight_start !=
					  build->io.end - map->offset ||
	    pos >= map->straight_end || build->io.queue != map->queue)
		return 0;
	room = mpio__min_u64(map->straight_end - pos,
			     build->limits->bytes_max - build->io.length);
	first = build->bio->segments;
	last = first + build->limits->segments_max;
	segment = first + build->io.segments;
	vec = build->bio->vec_pool + build->io.pieces - 1;
	last_vec = build->bio->vec_pool + build->limits->pieces_max - 1;
	memory_end = build->io.memory_end;
	if (build->io.pieces == 0)
		memory_end = (const unsigned char *)walk; /* nobody's page */
	for (i = 0; i < n && segment < last; i++) {
		struct mpio_page *page = pages[i];
		uint32_t size = page->size;
		uint32_t flags = page->flags;

		if (page->pos != pos || (uint64_t)size - 1 >= room ||
		    (size & walk->mask) != 0 || (flags & how.mask) != how.state ||
		    page->mapping != mapping || page->blocks != NULL)
			break;
		if (page->data == memory_end) {
			vec->length += size;
		} else {
			if (vec == last_vec)
				break;
			vec++;
			vec->base = page->data;
			vec->length = size;
		}
		memory_end = (unsigned char *)page->data + size;
		segment->page = page;
		segment->offset = 0;
		segment->length = size;
		segment++;
		page->shadow = page->data;
		page->pending = 1;
		page->error = 0;
		page->flags = (flags & ~how.clear) | how.set;
		pos += size;
		room -= size;
	}
	build->io.memory_end = memory_end;
	build->io.segments = (uint32_t)(segment - first);
	build->io.pieces = (uint32_t)(vec - build->bio->vec_pool) + 1;
	build->io.length += (uint32_t)(pos - start);
	build->io.end += pos - start;
	return i;
}

#endif

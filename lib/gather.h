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
 * Gather whole pages: as many as follow each other in the straight of the
 * remembered answer, go on where the open bio ends, and have room there.
 * Returns how many; the page after them needs a closer look.
 */
static inline size_t mpio__gather(struct mpio__walk *walk,
				  struct mpio_page *const *pages, size_t n,
				  const struct mpio__gather how)
{
	struct mpio__build *build = &walk->build;
	const struct mpio__map *map = &walk->map;
	const struct mpio_mapping *mapping = walk->mapping;
	const unsigned char *memory_end = build->memory_end;
	struct mpio_page *const *page_at = pages;
	struct mpio_segment *segment = build->segment;
	struct mpio_iovec *vec = build->vec;
	uint64_t pos = pages[0]->pos;
	uint64_t start = pos;
	uint64_t room = build->room;
	uint32_t size = pages[0]->size;

	if (build->bio == NULL || build->bio->queue != map->queue ||
	    pos + map->delta != build->end || pos >= map->straight_end ||
	    size == 0 || (size & walk->mask) != 0)
		return 0;
	room = mpio__min_u64(room, map->straight_end - pos);
	n = mpio__min_size(n, (size_t)(build->segments_end - segment));
	n = mpio__min_size(n, (size_t)(build->last_vec - vec));
	for (; n != 0; n--) {
		struct mpio_page *page = *page_at;
		unsigned char *memory = page->data;
		uint32_t flags = page->flags;

		if (page->pos != pos || page->size != size || room < size ||
		    (flags & how.mask) != how.state ||
		    page->mapping != mapping || page->blocks != NULL)
			break;
		if (memory == memory_end) {
			vec->length += size;
		} else {
			vec++;
			vec->base = memory;
			vec->length = size;
		}
		memory_end = memory + size;
		segment->page = page;
		segment->offset = 0;
		segment->length = size;
		segment++;
		if (how.set & MPIO_PAGE_WRITEBACK)
			page->shadow = memory;
		page->pending = 1;
		page->error = 0;
		page->flags = (flags & ~how.clear) | how.set;
		pos += size;
		room -= size;
		page_at++;
	}
	build->memory_end = memory_end;
	build->segment = segment;
	build->vec = vec;
	build->room -= (uint32_t)(pos - start);
	build->end += pos - start;
	build->last_page = NULL; /* they are whole: nothing continues them */
	return (size_t)(page_at - pages);
}

#endif

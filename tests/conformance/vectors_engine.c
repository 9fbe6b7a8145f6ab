/* SPDX-License-Identifier: MIT */
/*
 * The runner's engine: get_block as the format tells it, the walk over the
 * dirty pages, and the notes. Each call is written down.
 */
#include "vectors_stage.h"

#include <string.h>

static struct vectors_stage *stage_of(struct mpio_mapping *mapping)
{
	return mapping->host;
}

/* ---- get_block ---------------------------------------------------------- */

static uint8_t *allocated(struct vectors_stage *st, uint64_t block)
{
	uint64_t blocks = vectors_page_blocks(st->s);
	size_t at = vectors_find_page(st->s, block / blocks);

	return at < st->s->page_count
		       ? &st->frames[at].allocated[block % blocks]
		       : NULL;
}

/** Return whether a block of a new extent was allocated before. */
static bool is_allocated(struct vectors_stage *st, uint64_t block)
{
	const uint8_t *mark = allocated(st, block);

	return mark && *mark;
}

/** Shorten a run of a new extent to blocks that are alike; allocate them. */
static void map_fresh(struct vectors_stage *st, struct vectors_event *call)
{
	bool was = is_allocated(st, call->offset);
	uint64_t n = 1;

	if (!was && !call->create) {
		call->count = 0;
		return;
	}
	/* Past the declared pages nothing is remembered, nor to be asked. */
	while (n < call->count && allocated(st, call->offset + n) &&
	       is_allocated(st, call->offset + n) == was)
		n++;
	call->count = n;
	call->fresh = !was;
	for (uint64_t i = 0; i < n && !was; i++) {
		uint8_t *mark = allocated(st, call->offset + i);

		if (mark)
			*mark = 1;
	}
}

/** Fill a block of a page, as an engine does with inline data. */
static void fill(struct vectors_stage *st, struct mpio_page *page,
		 uint64_t block)
{
	uint64_t pos = block * st->s->block_size;

	if (pos < page->pos || pos - page->pos >= page->size) {
		vectors_fault(st,
			      "get_block is not given the page of its block");
		return;
	}
	memset((uint8_t *)page->data + (pos - page->pos), 0xA5,
	       (size_t)st->s->block_size);
}

/** Answer a call: what the format says about get_block. */
static void answer(struct vectors_stage *st, struct vectors_event *call)
{
	const struct vectors_scenario *s = st->s;
	const struct vectors_extent *extent =
		vectors_find_extent(s, call->offset);
	uint64_t skip;

	if (vectors_is_fail(s, call->offset)) {
		call->status = -MPIO_EIO;
		return;
	}
	if (!extent) {
		call->status = call->create ? -MPIO_ENOSPC : 0;
		return;
	}
	skip = call->offset - extent->first;
	call->block = extent->block + skip;
	call->count = extent->count - skip;
	if (call->count > call->length)
		call->count = call->length;
	if (extent->fresh)
		map_fresh(st, call);
	call->boundary = extent->boundary && call->count &&
			 skip + call->count == extent->count;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct vectors_stage *st = stage_of(mapping);
	const struct vectors_extent *found = vectors_find_extent(st->s, block);
	struct vectors_event *call = vectors_add_event(st, VECTORS_CALL);

	call->offset = block;
	call->length = extent->count;
	call->create = flags & MPIO_MAP_CREATE;
	if (!st->recording || extent->count == 0 ||
	    extent->count > UINT64_MAX - block)
		vectors_fault(st, "an impossible get_block call");
	answer(st, call);
	if (call->status)
		return call->status;
	extent->count = 1; /* of a hole; its length is not told */
	if (call->count == 0)
		return 0;
	extent->block = call->block;
	extent->count = call->count;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (call->fresh)
		extent->flags |= MPIO_EXTENT_NEW;
	if (call->boundary)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
	if (found->uptodate) {
		fill(st, page, block);
		extent->flags |= MPIO_EXTENT_UPTODATE;
	}
	return 0;
}

/* ---- The rest ----------------------------------------------------------- */

static void finish(struct mpio_mapping *mapping, struct mpio_page *page,
		   int status)
{
	struct vectors_stage *st = stage_of(mapping);
	struct vectors_frame *frame = (struct vectors_frame *)page;

	frame->finished++;
	if ((status != 0) != ((page->flags & MPIO_PAGE_ERROR) != 0))
		vectors_fault(st, "a page that ends with %d, and flags 0x%x",
			      status, page->flags);
	if (!st->recording)
		vectors_fault(st,
			      "a page finished after the call has returned");
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct vectors_stage *st = stage_of(mapping);
	size_t count = 0;

	for (size_t i = 0; i < st->s->page_count && count < pages_max; i++) {
		struct mpio_page *page = &st->frames[i].page;

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[count++] = page;
	}
	return count;
}

static void new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		       uint64_t block, uint64_t count)
{
	struct vectors_stage *st = stage_of(mapping);

	if (queue != st->queue || count == 0 || count > INT32_MAX)
		vectors_fault(st, "impossible new blocks");
	for (uint64_t i = 0; i < count && count <= INT32_MAX; i++)
		vectors_add_event(st, VECTORS_ALIAS)->offset = block + i;
}

static void boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		     uint64_t block)
{
	struct vectors_stage *st = stage_of(mapping);

	if (queue != st->queue)
		vectors_fault(st, "a boundary on another queue");
	vectors_add_event(st, VECTORS_BOUNDARY)->offset = block;
}

const struct mpio_mapping_ops vectors_mapping_ops = {
	.get_block = get_block,
	.read_end = finish,
	.write_end = finish,
	.next_dirty = next_dirty,
	.new_blocks = new_blocks,
	.boundary = boundary,
};

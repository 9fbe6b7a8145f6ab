/* SPDX-License-Identifier: MIT */
/*
 * What follows from a scenario's inputs alone: which blocks are to be moved,
 * in which order, and how each page must end.
 *
 * It looks at one block at a time and knows nothing of runs, calls or I/Os.
 * Reading deals with every page; writing walks the dirty ones as the contract
 * says. A page with a block that has no place (its mapping fails, or it lies
 * past the device's end) is UNMAPPED: its other blocks may be moved or not. A
 * page with a bad block is BAD.
 */
#include "vectors.h"

#include <mpio/error.h>
#include <stdlib.h>
#include <string.h>

/* ---- Looking things up -------------------------------------------------- */

uint64_t vectors_page_blocks(const struct vectors_scenario *s)
{
	return s->page_size / s->block_size;
}

const struct vectors_extent *
vectors_find_extent(const struct vectors_scenario *s, uint64_t block)
{
	size_t low = 0;
	size_t high = s->extent_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct vectors_extent *extent = &s->extents[middle];

		if (block < extent->first)
			high = middle;
		else if (block - extent->first >= extent->count)
			low = middle + 1;
		else
			return extent;
	}
	return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static bool is_among(uint64_t number, const uint64_t *among, size_t count)
{
	return count &&
	       bsearch(&number, among, count, sizeof(number), compare_numbers);
}

bool vectors_is_fail(const struct vectors_scenario *s, uint64_t block)
{
	return is_among(block, s->fails, s->fail_count);
}

bool vectors_is_bad(const struct vectors_scenario *s, uint64_t block)
{
	return is_among(block, s->bads, s->bad_count);
}

size_t vectors_find_page(const struct vectors_scenario *s, uint64_t index)
{
	size_t low = 0;
	size_t high = s->page_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->pages[middle].index == index)
			return middle;
		if (s->pages[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return s->page_count;
}

size_t vectors_find_move(const struct vectors_plan *plan, uint64_t block)
{
	size_t low = 0;
	size_t high = plan->move_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (plan->moves[middle].block == block)
			return middle;
		if (plan->moves[middle].block < block)
			low = middle + 1;
		else
			high = middle;
	}
	return plan->move_count;
}

static uint8_t block_state(const struct vectors_scenario *s,
			   const struct vectors_page *page, uint64_t block)
{
	return page->blocks ? page->blocks[block % vectors_page_blocks(s)] : 0;
}

static bool before_eof(const struct vectors_scenario *s, uint64_t block)
{
	return block < s->file_size / s->block_size +
			       (s->file_size % s->block_size != 0);
}

bool vectors_is_needed(const struct vectors_scenario *s,
		       const struct vectors_page *page, uint64_t block)
{
	uint8_t state = block_state(s, page, block);

	if (!before_eof(s, block))
		return false;
	if (s->op == VECTORS_WRITEPAGES)
		return page->dirty &&
		       (!page->blocks || state & VECTORS_BLOCK_DIRTY);
	return !page->uptodate && !(state & VECTORS_BLOCK_UPTODATE);
}

bool vectors_in_walk(const struct vectors_scenario *s,
		     const struct vectors_page *page)
{
	const struct vectors_wbc *wbc = &s->wbc;

	if (s->op != VECTORS_WRITEPAGES || !page->dirty ||
	    (page->writeback && !wbc->sync_all))
		return false;
	if (wbc->cyclic)
		return page->index >= wbc->index;
	return wbc->start <= wbc->end &&
	       page->index >= wbc->start / s->page_size &&
	       page->index <= wbc->end / s->page_size;
}

/* ---- One block ---------------------------------------------------------- */

enum kind { KIND_HOLE, KIND_DATA, KIND_FILLED, KIND_NONE };

/** Say what a needed block is; NONE comes with an error, DATA with a place. */
static enum kind classify(const struct vectors_scenario *s,
			  const struct vectors_plan *plan,
			  const struct vectors_page *page, uint64_t block,
			  uint64_t *place, int *error)
{
	const struct vectors_extent *extent = vectors_find_extent(s, block);
	bool write = s->op == VECTORS_WRITEPAGES;

	if (!extent && !vectors_is_fail(s, block) && !write)
		return KIND_HOLE;
	if (!extent) {
		*error = vectors_is_fail(s, block) ? -MPIO_EIO : -MPIO_ENOSPC;
		return KIND_NONE;
	}
	if (extent->fresh && !write &&
	    !(block_state(s, page, block) & VECTORS_BLOCK_MAPPED))
		return KIND_HOLE;
	if (extent->uptodate)
		return KIND_FILLED;
	*place = extent->block + (block - extent->first);
	if (*place >= plan->device_blocks) {
		*error = -MPIO_EUCLEAN;
		return KIND_NONE;
	}
	return KIND_DATA;
}

static void add_move(const struct vectors_scenario *s,
		     struct vectors_plan *plan, size_t page, uint64_t block,
		     uint64_t place)
{
	uint64_t device = place * s->block_size;
	uint64_t left = s->device_size - device;
	struct vectors_move *move;

	plan->moves = vectors_grow(plan->moves, &plan->move_count,
				   sizeof(*plan->moves));
	move = &plan->moves[plan->move_count - 1];
	move->block = block;
	move->device = device;
	move->page = page;
	move->offset = (uint32_t)(block * s->block_size -
				  s->pages[page].index * s->page_size);
	move->length = (uint32_t)(left < s->block_size ? left : s->block_size);
	move->bad = vectors_is_bad(s, place);
}

/** Give a block of a read page the bytes that it must have. */
static void fill_block(const struct vectors_scenario *s, uint8_t *data,
		       enum kind kind, bool kept, uint64_t pos, uint64_t place)
{
	size_t size = (size_t)s->block_size;
	uint64_t offset = place * s->block_size;
	uint64_t left = s->device_size - offset;

	if (kept) {
		vectors_file_pattern(s, pos, data, size, false);
	} else if (kind == KIND_FILLED) {
		memset(data, 0xA5, size);
	} else {
		memset(data, 0, size);
		if (kind == KIND_DATA)
			vectors_device_pattern(offset, data,
					       left < size ? (size_t)left
							   : size);
	}
}

/* ---- One page ----------------------------------------------------------- */

static void note_m(const struct vectors_scenario *s, struct vectors_plan *plan,
		   struct vectors_outcome *outcome, uint8_t state, bool needed,
		   enum kind kind)
{
	if (!(state & VECTORS_BLOCK_MAPPED))
		return;
	if (needed)
		plan->m_needed++;
	if (s->op != VECTORS_WRITEPAGES && !(state & VECTORS_BLOCK_UPTODATE) &&
	    (!needed || kind == KIND_FILLED))
		outcome->m_differs = true;
}

/** Deal with a page: list its moves, and say how it must end. */
static void deal(const struct vectors_scenario *s, struct vectors_plan *plan,
		 size_t at, uint8_t *data)
{
	const struct vectors_page *page = &s->pages[at];
	struct vectors_outcome *outcome = &plan->outcomes[at];
	uint64_t blocks = vectors_page_blocks(s);
	size_t first_move = plan->move_count;
	bool bad = false;

	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t block = page->index * blocks + i;
		uint8_t state = block_state(s, page, block);
		bool needed = vectors_is_needed(s, page, block);
		enum kind kind = KIND_HOLE;
		uint64_t place = 0;
		int error = 0;

		if (needed)
			kind = classify(s, plan, page, block, &place, &error);
		if (kind == KIND_DATA) {
			add_move(s, plan, at, block, place);
			bad |= plan->moves[plan->move_count - 1].bad;
		}
		if (kind == KIND_NONE && !outcome->error)
			outcome->error = error;
		if (!before_eof(s, block) && state & VECTORS_BLOCK_DIRTY)
			plan->any_past_eof = true;
		note_m(s, plan, outcome, state, needed, kind);
		if (s->op != VECTORS_WRITEPAGES)
			fill_block(s, data + i * s->block_size, kind,
				   page->uptodate ||
					   state & VECTORS_BLOCK_UPTODATE,
				   block * s->block_size, place);
	}
	outcome->moves = plan->move_count - first_move;
	outcome->fate = outcome->error   ? VECTORS_UNMAPPED
			: bad            ? VECTORS_BAD
			: outcome->moves ? VECTORS_MOVED
					 : VECTORS_EMPTY;
	for (size_t i = first_move; i < plan->move_count; i++)
		plan->moves[i].optional = outcome->error != 0;
	plan->any_unmapped |= outcome->error != 0;
	plan->any_bad |= outcome->fate == VECTORS_BAD;
	if (!plan->error)
		plan->error = outcome->error;
}

/* ---- The whole ---------------------------------------------------------- */

static void plan_read(const struct vectors_scenario *s,
		      struct vectors_plan *plan, uint8_t *data)
{
	for (size_t i = 0; i < s->page_count; i++) {
		struct vectors_outcome *outcome = &plan->outcomes[i];

		outcome->wanted = true;
		deal(s, plan, i, data);
		outcome->crc = vectors_crc32(0, data, (size_t)s->page_size);
	}
}

static void plan_write(const struct vectors_scenario *s,
		       struct vectors_plan *plan, uint8_t *data)
{
	const struct vectors_wbc *wbc = &s->wbc;
	int64_t wanted = 0;
	bool failed = false;

	for (size_t i = 0; i < s->page_count; i++) {
		if (!vectors_in_walk(s, &s->pages[i]))
			continue;
		plan->outcomes[i].wanted = true;
		wanted++;
		if (!failed) {
			deal(s, plan, i, data);
			plan->stop = s->pages[i].index;
			failed = !wbc->sync_all && plan->outcomes[i].error;
			plan->written += !failed;
		}
		if (!wbc->sync_all && wanted >= wbc->nr_to_write) {
			plan->stopped = true;
			break;
		}
	}
	plan->stopped |= failed;
	for (size_t i = 0; i < s->page_count; i++) {
		if (s->pages[i].dirty && s->pages[i].index > plan->stop)
			plan->more_behind = true;
	}
}

static void checksum_written(const struct vectors_scenario *s,
			     struct vectors_plan *plan, uint8_t *data)
{
	size_t size = (size_t)s->page_size;

	for (size_t i = 0; i < s->page_count; i++) {
		uint64_t pos = s->pages[i].index * s->page_size;

		vectors_file_pattern(s, pos, data, size, false);
		plan->outcomes[i].crc = vectors_crc32(0, data, size);
		vectors_file_pattern(s, pos, data, size, true);
		plan->outcomes[i].zeroed = vectors_crc32(0, data, size);
	}
}

void vectors_plan_make(const struct vectors_scenario *s,
		       struct vectors_plan *plan)
{
	uint8_t *data = vectors_alloc((size_t)s->page_size, 1);

	*plan = (struct vectors_plan){
		.outcomes =
			vectors_alloc(s->page_count, sizeof(*plan->outcomes)),
		.eof_blocks = s->file_size / s->block_size +
			      (s->file_size % s->block_size != 0),
		.device_blocks = s->device_size / s->block_size +
				 (s->device_size % s->block_size != 0)};
	if (s->op == VECTORS_WRITEPAGES) {
		plan_write(s, plan, data);
		checksum_written(s, plan, data);
	} else {
		plan_read(s, plan, data);
	}
	free(data);
}

void vectors_plan_free(struct vectors_plan *plan)
{
	free(plan->moves);
	free(plan->outcomes);
}

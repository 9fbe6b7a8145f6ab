/* SPDX-License-Identifier: MIT */
/*
 * Pages of the test's own, written by the verbs of the core. Written is not
 * durable; it is after a flush, if neither it nor the walk nor the mapping's
 * error sequence has an error to tell.
 */
#include "world.h"

#include <stdlib.h>

#define PAGES_MAX 64u
#define WORDS_MAX 4u

struct frame {
	struct mpio_page page; /* first */
	uint64_t bits[WORDS_MAX];
};

struct pages {
	struct world *world;
	struct file *file;
	struct mpio_mapping *mapping;
	struct mpio_errseq since;
	struct frame frames[PAGES_MAX];
	uint32_t count;
	unsigned char *memory;
};

/* The mapping's host; its pages are all there, from the beginning on. */
static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct pages *all = mapping->host;
	size_t n = 0;

	for (uint32_t i = 0; i < all->count && n < pages_max; i++) {
		struct mpio_page *page = &all->frames[i].page;

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static const struct mpio_mapping_ops ops = {
	.get_block = file_get_block,
	.next_dirty = next_dirty,
};

static void open_pages(struct pages *pages, struct world *world)
{
	const struct scenario *as = &world->as;
	struct file *file = &world->files[0];

	pages->world = world;
	pages->file = file;
	pages->mapping = &file->cached.mapping;
	pages->count = as->blocks * as->block / as->page;
	assert_in_range(pages->count, 1, PAGES_MAX);
	*pages->mapping = (struct mpio_mapping){
		.ops = &ops,
		.host = pages,
		.size = file->size,
		.block_size = as->block,
	};
	pages->memory = malloc((size_t)pages->count * as->page + 8192);
	assert_non_null(pages->memory);
	for (uint32_t i = 0; i < pages->count; i++) {
		struct frame *frame = &pages->frames[i];
		uintptr_t at = ((uintptr_t)pages->memory + 4095) / 4096 * 4096;
		unsigned char *data = (unsigned char *)at +
				      (size_t)i * as->page +
				      (as->skewed ? 8 : 0);

		mpio_page_init(&frame->page, pages->mapping,
			       (uint64_t)i * as->page, data, as->page);
		frame->page.flags = MPIO_PAGE_UPTODATE;
		memcpy(data, file->bytes + (size_t)i * as->page, as->page);
		if (!as->whole) {
			frame->page.blocks = frame->bits;
			frame->bits[0] = ~UINT64_C(0);
		}
	}
}

/* ---- Writing ------------------------------------------------------------ */

static void change(struct pages *pages)
{
	struct world *world = pages->world;
	struct file *file = pages->file;
	uint32_t page_size = world->as.page;
	struct mpio_page *page;
	unsigned char bytes[16384];
	uint32_t length;
	uint64_t pos = draw_range(world, file, 2 * page_size, &length);
	uint32_t offset = (uint32_t)(pos % page_size);

	/* What is dirty as a whole would grow with the end. */
	if (world->as.whole && pos >= file->size)
		pos = offset = 0;
	page = &pages->frames[pos / page_size].page;
	if (length > page_size - offset)
		length = page_size - offset;
	if (world->as.whole && length > file->size - pos)
		length = (uint32_t)(file->size - pos);
	draw_bytes(world, bytes, length);
	memcpy((unsigned char *)page->data + offset, bytes, length);
	assert_int_equal(mpio_page_set_dirty(page, offset, length), 0);
	memcpy(file->bytes + pos, bytes, length);
	if (file->size < pos + length)
		file->size = pos + length;
	pages->mapping->size = file->size;
	if (world->as.whole)
		length = file->size - page->pos < page_size
				 ? (uint32_t)(file->size - page->pos)
				 : page_size;
	file_touch(file, world->as.whole ? page->pos : pos, length);
}

/* ---- Writing back ------------------------------------------------------- */

static void walk(struct pages *pages, struct mpio_writeback_control wbc)
{
	wbc.nr_to_write = 1 + draw(pages->world, 6);
	succeeded(pages->world,
		  mpio_writepages(pages->world->queue, pages->mapping, &wbc),
		  "mpio_writepages");
}

static void write_page(struct pages *pages)
{
	struct world *world = pages->world;
	struct mpio_page *page = &pages->frames[draw(world, pages->count)].page;
	struct mpio_writeback_control wbc = {
		.sync_mode = draw(world, 2) ? MPIO_SYNC_ALL : MPIO_SYNC_NONE,
		.reason = MPIO_REASON_SYNC,
	};
	int error = mpio_write_page(world->queue, pages->mapping, page, &wbc);

	if (error != -MPIO_EBUSY)
		succeeded(world, error, "mpio_write_page");
}

/* ---- Making durable ----------------------------------------------------- */

/* Pages of a range that are clean are durable, if nothing has gone wrong. */
static void promise(struct pages *pages, uint64_t start, uint64_t end)
{
	const uint32_t busy = MPIO_PAGE_DIRTY | MPIO_PAGE_WRITEBACK;

	for (uint32_t i = 0; i < pages->count; i++) {
		const struct mpio_page *page = &pages->frames[i].page;

		if (page->pos < end && page->pos + page->size > start &&
		    (page->flags & busy) == 0)
			file_promise(pages->file, page->pos,
				     page->pos + page->size);
	}
}

static int told(struct pages *pages)
{
	return mpio_errseq_check_and_advance(&pages->mapping->errors,
					     &pages->since);
}

static void flush(struct pages *pages)
{
	int error = flush_device(pages->world);
	int late = told(pages);

	if (succeeded(pages->world, error, "flush") &&
	    succeeded(pages->world, late, "an error told late"))
		promise(pages, 0, UINT64_MAX);
}

/* As mpio/writeback.h has it; all that is dirty now, or a range. */
static void sync_pages(struct pages *pages, uint64_t start, uint64_t end)
{
	struct world *world = pages->world;
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
		.range_start = start,
		.range_end = end == UINT64_MAX ? 0 : end - 1,
		.since = &pages->since,
	};
	int error = mpio_writepages(world->queue, pages->mapping, &wbc);
	int flushed = flush_device(world);
	int late = told(pages);

	if (error == 0)
		error = flushed != 0 ? flushed : late;
	if (!succeeded(world, error, "sync") && world->as.lie != LIE_TOLD)
		return;
	for (uint32_t i = 0; i < pages->count; i++) {
		const struct mpio_page *page = &pages->frames[i].page;

		if (error == 0 && page->pos < end &&
		    page->pos + page->size > start &&
		    (page->flags & MPIO_PAGE_DIRTY) != 0)
			trouble(world, "synced, and page %d is dirty", (int)i);
	}
	if (world->as.lie == LIE_ALL || world->as.lie == LIE_TOLD)
		file_promise(pages->file, 0, UINT64_MAX);
	else
		promise(pages, start, end);
}

static void sync_range(struct pages *pages)
{
	uint32_t length;
	uint64_t pos = draw_range(pages->world, pages->file,
				  4 * pages->world->as.page, &length);

	sync_pages(pages, pos, pos + length);
}

/* ---- The scenario ------------------------------------------------------- */

/* Several walks under one plug, and what is written between them. */
static void plugged(struct pages *pages)
{
	mpio_queue_plug(pages->world->queue);
	for (int i = 0; i < 3; i++) {
		write_page(pages);
		change(pages);
		walk(pages, (struct mpio_writeback_control){
				    .reason = MPIO_REASON_PERIODIC});
	}
	mpio_queue_unplug(pages->world->queue);
}

/* Get rid of some dirty pages, in one of the ways that there are. */
static void write_back(struct pages *pages, uint32_t flag)
{
	struct mpio_writeback_control wbc = {.reason = MPIO_REASON_BACKGROUND};

	switch (flag) {
	case DO_CYCLIC:
		wbc.range_cyclic = true;
		break;
	case DO_TAGGED:
		wbc.tagged = true;
		break;
	case DO_PAGE:
		write_page(pages);
		return;
	case DO_PLUG:
		plugged(pages);
		return;
	case 0:
		return;
	default:
		break;
	}
	walk(pages, wbc);
}

static void stray(struct world *world)
{
	unsigned char bytes[CELL] = {1};

	if (world->as.lie == LIE_STRAY)
		mpio_sim_poke(world->disks[0].sim, world->size - CELL, bytes,
			      CELL);
}

static void step(struct pages *pages)
{
	struct world *world = pages->world;
	const uint32_t later =
		DO_WORK | DO_CYCLIC | DO_TAGGED | DO_PAGE | DO_PLUG;

	change(pages);
	if (draw(world, 3) == 0)
		write_back(pages, draw_flag(world, world->as.does & later));
	if (draw(world, 4) == 0)
		mpio_queue_poll(world->queue);
	if (!is_due(world))
		return;
	switch (draw_flag(world,
			  world->as.does & (DO_SYNC | DO_RANGE | DO_FLUSH))) {
	case DO_SYNC:
		sync_pages(pages, 0, UINT64_MAX);
		break;
	case DO_RANGE:
		sync_range(pages);
		break;
	default:
		flush(pages);
	}
}

void run_core(struct world *world)
{
	struct pages *pages = calloc(1, sizeof(*pages));

	assert_non_null(pages);
	open_pages(pages, world);
	stray(world);
	for (uint32_t i = 0; i < world->as.steps && has_power(world); i++)
		step(pages);
	(void)mpio_queue_drain(world->queue);
	free(pages->memory);
	free(pages);
}

/* SPDX-License-Identifier: MIT */
/*
 * Runs a scenario on the library: sets the stage, makes the call, and looks how
 * everything stands after it.
 *
 * The queue has no plug, isolates bad blocks, and its I/Os have at most
 * max_bio_pages pieces of memory. Each page has memory of its own with guards
 * around it, so that no two pages touch.
 */
#include "vectors_stage.h"

#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, GUARD_BYTE = 0xE7, GARBAGE = 0x5C };

/* ---- Setting the stage -------------------------------------------------- */

/** Give each byte of a page what it holds before the call. */
static void fill_page(const struct vectors_scenario *s,
		      const struct vectors_page *page, uint8_t *data)
{
	size_t size = (size_t)s->block_size;
	uint64_t pos = page->index * s->page_size;
	uint64_t blocks = vectors_page_blocks(s);

	if (s->op == VECTORS_WRITEPAGES || page->uptodate) {
		vectors_file_pattern(s, pos, data, (size_t)s->page_size, false);
		return;
	}
	memset(data, GARBAGE, (size_t)s->page_size);
	for (uint64_t i = 0; page->blocks && i < blocks; i++) {
		if (page->blocks[i] & VECTORS_BLOCK_UPTODATE)
			vectors_file_pattern(s, pos + i * size, data + i * size,
					     size, false);
	}
}

static void make_blocks(const struct vectors_page *page,
			struct vectors_frame *frame)
{
	size_t words = (page->block_count + 63) / 64;

	frame->blocks = vectors_alloc(2 * words, sizeof(*frame->blocks));
	frame->page.blocks = frame->blocks;
	for (size_t i = 0; i < page->block_count; i++) {
		uint64_t bit = (uint64_t)1 << i % 64;

		if (page->blocks[i] & VECTORS_BLOCK_UPTODATE)
			frame->blocks[i / 64] |= bit;
		if (page->blocks[i] & VECTORS_BLOCK_DIRTY)
			frame->blocks[words + i / 64] |= bit;
		frame->allocated[i] =
			(page->blocks[i] & VECTORS_BLOCK_MAPPED) != 0;
	}
}

static void make_frame(struct vectors_stage *st, size_t at)
{
	const struct vectors_scenario *s = st->s;
	const struct vectors_page *page = &s->pages[at];
	struct vectors_frame *frame = &st->frames[at];
	size_t size = (size_t)s->page_size;
	size_t blocks = (size_t)vectors_page_blocks(s);

	frame->memory = vectors_alloc(size + 2 * GUARD, 1);
	memset(frame->memory, GUARD_BYTE, size + 2 * GUARD);
	fill_page(s, page, frame->memory + GUARD);
	frame->allocated = vectors_alloc(blocks, 1);
	frame->written = vectors_alloc(blocks, 1);
	mpio_page_init(&frame->page, &st->mapping, page->index * s->page_size,
		       frame->memory + GUARD, (uint32_t)size);
	if (page->blocks)
		make_blocks(page, frame);
	if (page->uptodate)
		frame->page.flags |= MPIO_PAGE_UPTODATE;
	if (page->dirty)
		frame->page.flags |= MPIO_PAGE_DIRTY;
	if (s->op != VECTORS_WRITEPAGES)
		frame->page.flags |= MPIO_PAGE_LOCKED;
	st->pages[at] = &frame->page;
}

static void leave_writeback(struct vectors_frame *frame)
{
	frame->page.flags &= ~(uint32_t)MPIO_PAGE_WRITEBACK;
	frame->under = false;
}

static void end_held(struct mpio_bio *bio)
{
	leave_writeback(bio->ctx);
	mpio_bio_put(bio);
}

static void submit_held(struct vectors_stage *st, struct vectors_frame *frame)
{
	struct mpio_bio *bio = mpio_bio_get(st->queue, MPIO_BIO_WRITE, 0);

	if (!bio) {
		vectors_fault(st, "no bio for a page under write-back");
		return;
	}
	bio->end_io = end_held;
	bio->ctx = frame;
	frame->held = bio;
	if (mpio_bio_add(bio, st->held_data, VECTORS_HELD_LENGTH) != 0 ||
	    mpio_bio_submit(bio) != 0)
		vectors_fault(st, "a write by hand is not taken");
}

/** Put the pages under write-back that are declared so. */
static void begin_writeback(struct vectors_stage *st)
{
	for (size_t i = 0; i < st->s->page_count; i++) {
		struct vectors_frame *frame = &st->frames[i];

		if (!st->s->pages[i].writeback)
			continue;
		frame->page.flags |= MPIO_PAGE_WRITEBACK;
		frame->under = true;
		if (st->s->device_size)
			submit_held(st, frame);
		else if (st->plan->outcomes[i].wanted)
			leave_writeback(frame); /* No write fits there. */
	}
}

static void open_queue(struct vectors_stage *st)
{
	struct mpio_queue_config config = {
		.segments_max = (uint32_t)st->s->max_bio_pages,
		.bios = 32,
		.event = vectors_on_event,
		.event_ctx = st};
	size_t size;

	for (size_t i = 0; i < st->s->page_count; i++)
		config.bios += st->s->pages[i].writeback;
	size = mpio_queue_size(&st->device, &config);
	st->queue_memory = vectors_alloc(size, 1);
	config.memory = st->queue_memory;
	config.memory_size = size;
	if (mpio_queue_open(&st->device, &config, &st->queue) != 0) {
		fprintf(stderr, "mpio-vectors: the queue does not open\n");
		exit(2);
	}
}

static void set_stage(struct vectors_stage *st)
{
	const struct vectors_scenario *s = st->s;

	st->device.ops = vectors_device_ops;
	st->device.size = s->device_size;
	vectors_disk_open(&st->disk, s->device_size);
	st->mapping.ops = &vectors_mapping_ops;
	st->mapping.host = st;
	st->mapping.size = s->file_size;
	st->mapping.block_size = (uint32_t)s->block_size;
	st->mapping.writeback_pos = s->wbc.index * s->page_size;
	st->frames = vectors_alloc(s->page_count, sizeof(*st->frames));
	st->pages = vectors_alloc(s->page_count, sizeof(struct mpio_page *));
	for (size_t i = 0; i < s->page_count; i++)
		make_frame(st, i);
	open_queue(st);
	begin_writeback(st);
}

static void clear_stage(struct vectors_stage *st)
{
	mpio_queue_close(st->queue);
	for (size_t i = 0; i < st->s->page_count; i++) {
		if (st->frames[i].held)
			vectors_fault(st, "a write that never ended");
		if (st->frames[i].finished != st->r->finals[i].finished)
			vectors_fault(st, "a page finished after the call");
		free(st->frames[i].memory);
		free(st->frames[i].blocks);
		free(st->frames[i].allocated);
		free(st->frames[i].written);
	}
	vectors_disk_close(&st->disk);
	free(st->frames);
	free(st->pages);
	free(st->queue_memory);
}

/* ---- The call ----------------------------------------------------------- */

static void call_write(struct vectors_stage *st)
{
	const struct vectors_wbc *in = &st->s->wbc;
	struct mpio_writeback_control wbc = {
		.sync_mode = in->sync_all ? MPIO_SYNC_ALL : MPIO_SYNC_NONE,
		.nr_to_write = in->nr_to_write,
		.range_start = in->start,
		/* There, 0 means to the end; here it is the first page. */
		.range_end = in->end == UINT64_MAX ? 0
			     : in->end             ? in->end
						   : 1,
		.range_cyclic = in->cyclic};

	st->r->code = mpio_writepages(st->queue, &st->mapping, &wbc);
	st->r->written = in->nr_to_write - wbc.nr_to_write;
}

static void call_library(struct vectors_stage *st)
{
	const struct vectors_scenario *s = st->s;
	int taken;

	st->recording = true;
	switch (s->op) {
	case VECTORS_READAHEAD:
		taken = mpio_readahead(st->queue, &st->mapping, st->pages,
				       s->page_count, MPIO_READ_AHEAD);
		if (taken < 0 || (size_t)taken != s->page_count)
			vectors_fault(st, "readahead takes %d of %zu pages",
				      taken, s->page_count);
		break;
	case VECTORS_READ_PAGE:
		st->r->code =
			mpio_read_page(st->queue, &st->mapping, st->pages[0]);
		break;
	default:
		call_write(st);
		break;
	}
	st->recording = false;
}

/** How a page stands after the call. */
static void note_final(struct vectors_stage *st, size_t at)
{
	const struct vectors_scenario *s = st->s;
	struct vectors_frame *frame = &st->frames[at];
	struct vectors_final *final = &st->r->finals[at];
	uint32_t flags = frame->page.flags;
	uint64_t first = s->pages[at].index * vectors_page_blocks(s);

	if (s->op == VECTORS_WRITEPAGES) {
		final->words =
			flags & MPIO_PAGE_DIRTY ? VECTORS_DIRTY : VECTORS_CLEAN;
		if (flags & MPIO_PAGE_WRITEBACK)
			final->words |= VECTORS_WRITEBACK;
		if (frame->finished)
			final->words |= VECTORS_WRITEBACK_DONE;
	} else {
		final->words = flags & MPIO_PAGE_UPTODATE ? VECTORS_UPTODATE
							  : VECTORS_NOTUPTODATE;
	}
	if (flags & MPIO_PAGE_ERROR)
		final->words |= VECTORS_ERROR;
	final->crc = vectors_crc32(0, frame->page.data, (size_t)s->page_size);
	final->finished = frame->finished;
	final->locked = (flags & MPIO_PAGE_LOCKED) != 0;
	if (flags & MPIO_PAGE_WRITEBACK && !frame->under)
		vectors_fault(st, "a page is still under write-back");
	for (size_t i = 0; i < vectors_page_blocks(s); i++) {
		if (s->op == VECTORS_WRITEPAGES && !frame->written[i] &&
		    vectors_is_needed(s, &s->pages[at], first + i) &&
		    !mpio_page_block_dirty(&frame->page, (uint32_t)i))
			final->lost = true;
	}
	for (size_t i = 0; i < GUARD; i++) {
		if (frame->memory[i] != GUARD_BYTE ||
		    frame->memory[GUARD + s->page_size + i] != GUARD_BYTE)
			vectors_fault(st, "memory beside a page has changed");
	}
}

void vectors_run(const struct vectors_scenario *s,
		 const struct vectors_plan *plan, struct vectors_result *r)
{
	struct vectors_stage st = {.s = s, .plan = plan, .r = r};

	*r = (struct vectors_result){
		.finals = vectors_alloc(s->page_count, sizeof(*r->finals))};
	set_stage(&st);
	call_library(&st);
	for (size_t i = 0; i < s->page_count; i++)
		note_final(&st, i);
	r->mapping_error = mpio_errseq_check(&st.mapping.errors, NULL);
	r->index = st.mapping.writeback_pos / s->page_size;
	if (s->op == VECTORS_WRITEPAGES)
		r->crc = vectors_disk_crc(&st.disk);
	if (mpio_queue_drain(st.queue) != 0)
		vectors_fault(&st, "the queue does not drain");
	clear_stage(&st);
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading, against the naive model: every page is finished once; its bytes are
 * those that its blocks name; it fails if, and with isolation only if, one of
 * its blocks cannot be had; and no run of blocks takes more I/Os than its
 * length asks for.
 */
#include "model.h"

#include <string.h>

static struct model model;
static bool strange_answers; /* still_valid says no now and then */

/* ---- The engine --------------------------------------------------------- */

static struct model_page *page_of(struct mpio_page *page)
{
	return (struct model_page *)page;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct model_page *p = page_of(page);
	uint64_t wanted = extent->count;
	int error;

	FUZZ_CHECK(mapping == &model.mapping && flags == 0);
	FUZZ_CHECK(page->flags & MPIO_PAGE_LOCKED);
	FUZZ_CHECK(block >= p->first && block < p->first + p->count);
	FUZZ_CHECK(wanted != 0 && block + wanted <= model.blocks);
	FUZZ_CHECK(p->page.blocks == NULL ||
		   !model_bit(p->before, (uint32_t)block - p->first));
	model.calls++;
	error = model_answer(&model, block, extent);
	if (error != 0 || model.map[block].kind != MODEL_FILLED)
		return error;
	extent->flags |= MPIO_EXTENT_UPTODATE;
	/* As far as the page goes, but for what is there already. */
	for (uint64_t i = block - p->first;
	     i < p->count && i < block - p->first + extent->count; i++) {
		if (p->page.blocks == NULL ||
		    !model_bit(p->before, (uint32_t)i))
			memset((char *)page->data + (i << model.shift),
			       MODEL_FILL, model.block_size);
	}
	return 0;
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct model_page *p = page_of(page);

	FUZZ_CHECK(mapping == &model.mapping && page->mapping == mapping);
	FUZZ_CHECK(p->ends++ == 0 && status <= 0);
	FUZZ_CHECK(!(page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK)));
	if (status == 0)
		FUZZ_CHECK((page->flags & MPIO_PAGE_UPTODATE) &&
			   !(page->flags & MPIO_PAGE_ERROR));
	else
		FUZZ_CHECK(page->flags & MPIO_PAGE_ERROR);
	p->status = status;
}

static bool still_valid(struct mpio_mapping *mapping,
			const struct mpio_extent *extent)
{
	(void)mapping;
	FUZZ_CHECK(extent->count != 0);
	return !fuzz_flag(&model.in);
}

/* ---- What must be ------------------------------------------------------- */

/* Whether a page had to have a block read, zeroed or filled. */
static bool is_needed(const struct model_page *p, uint32_t i)
{
	if (p->flags & MPIO_PAGE_UPTODATE)
		return false;
	return p->page.blocks == NULL || !model_bit(p->before, i);
}

static bool is_on_device(const struct model_block *b)
{
	return b->kind == MODEL_MAPPED;
}

static bool block_fails(const struct model_block *b)
{
	if (b->kind == MODEL_FAILS)
		return true;
	if (!is_on_device(b))
		return false;
	return !model_is_on_disk(&model, b) || model_is_bad(&model, b);
}

static bool page_fails(const struct model_page *p)
{
	uint32_t end = model_page_end(&model, p);

	for (uint32_t b = p->first; b < end; b++) {
		if (is_needed(p, b - p->first) && block_fails(&model.map[b]))
			return true;
	}
	return false;
}

static void check_all(const unsigned char *at, unsigned char value)
{
	for (uint32_t i = 0; i < model.block_size; i++)
		FUZZ_CHECK(at[i] == value);
}

static void check_device_bytes(const unsigned char *at,
			       const struct model_block *b)
{
	uint32_t length = model_length(&model, b);
	const unsigned char *disk =
		disk_first(b->queue, (b->block << model.shift) / SECTOR);

	FUZZ_CHECK(memcmp(at, disk, length) == 0);
	for (; length < model.block_size; length++)
		FUZZ_CHECK(at[length] == 0);
}

static void check_block(const struct model_page *p, uint32_t i)
{
	const unsigned char *at =
		(unsigned char *)p->page.data + ((size_t)i << model.shift);
	const struct model_block *b = &model.map[p->first + i];

	if (p->first + i >= model.blocks)
		check_all(at, 0);
	else if (is_on_device(b))
		check_device_bytes(at, b);
	else
		check_all(at, b->kind == MODEL_FILLED ? MODEL_FILL : 0);
}

/* Bytes that are said to be right are. */
static void check_bytes(const struct model_page *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		const unsigned char *at = (unsigned char *)p->page.data +
					  ((size_t)i << model.shift);
		bool good = p->status == 0;

		if (p->page.blocks != NULL)
			good = model_bit(p->words, i);
		if (!is_needed(p, i))
			check_all(at, MODEL_UNTOUCHED);
		else if (good)
			check_block(p, i);
		else
			FUZZ_CHECK(p->status != 0);
	}
}

static void check_page(const struct model_page *p)
{
	FUZZ_CHECK(p->ends == (p->taken ? 1u : 0u));
	if (!p->taken) {
		FUZZ_CHECK(p->page.flags == p->flags);
		for (uint32_t i = 0; i < p->count; i++)
			check_all((unsigned char *)p->page.data +
					  ((size_t)i << model.shift),
				  MODEL_UNTOUCHED);
		return;
	}
	FUZZ_CHECK(p->status == 0 || p->status == -MPIO_EIO ||
		   p->status == -MPIO_EUCLEAN || p->status == MODEL_ERROR);
	if (page_fails(p))
		FUZZ_CHECK(p->status != 0);
	else if (model_isolates(&model))
		FUZZ_CHECK(p->status == 0);
	check_bytes(p);
}

/* ---- How many I/Os ------------------------------------------------------ */

static bool joins(const struct model_page *p, uint32_t i)
{
	const struct model_block *b = &model.map[p->first + i];

	return i != 0 && is_needed(p, i - 1) && is_on_device(b - 1) &&
	       !b[-1].boundary && b[-1].queue == b->queue &&
	       b[-1].block + 1 == b->block;
}

/* Each run of a page, by itself, takes so many I/Os at most. */
static void check_ios(void)
{
	uint64_t most = 0;
	uint64_t sum = 0;
	bool is_known = true;

	for (uint32_t n = 0; n < model.page_count; n++) {
		const struct model_page *p = &model.pages[n];
		uint32_t end = model_page_end(&model, p);
		uint64_t length = 0;

		for (uint32_t b = p->first; p->taken && b < end; b++) {
			if (!is_needed(p, b - p->first) ||
			    !is_on_device(&model.map[b]) ||
			    !model_is_on_disk(&model, &model.map[b]))
				continue;
			if (!joins(p, b - p->first)) {
				most += model_ios_max(&model, length);
				length = 0;
			}
			length += model.block_size;
			is_known = is_known && model_ios_max(&model, length);
		}
		most += model_ios_max(&model, length);
	}
	for (unsigned d = 0; d < 2; d++) {
		const struct mpio_stats *stats =
			mpio_queue_stats(model.queue[d]);

		sum += stats->reads;
		FUZZ_CHECK(stats->writes == 0 && stats->flushes == 0);
	}
	FUZZ_CHECK(!is_known || sum <= most);
}

/* ---- A run -------------------------------------------------------------- */

static void prepare_pages(void)
{
	for (uint32_t i = 0; i < model.page_count; i++) {
		struct model_page *p = &model.pages[i];

		p->words[1] = 0;
		p->page.flags |= MPIO_PAGE_LOCKED;
		if (fuzz_chance(&model.in, 8))
			p->page.flags |= MPIO_PAGE_UPTODATE;
		memcpy(p->before, p->words, sizeof(p->words));
		p->flags = p->page.flags;
	}
}

/* Hand in some pages; returns how many were taken, or an error. */
static int hand_in(uint32_t from, uint32_t n, uint32_t flags)
{
	int taken;

	if (n == 1 && flags == 0) {
		int error = mpio_read_page(model.queue[0], &model.mapping,
					   model.list[from]);

		taken = error == 0 ? 1 : error;
	} else {
		taken = mpio_readahead(model.queue[0], &model.mapping,
				       model.list + from, n, flags);
	}
	for (int i = 0; i < taken; i++)
		model.pages[from + (uint32_t)i].taken = true;
	return taken;
}

static void read_all(void)
{
	uint32_t from = 0;

	while (from < model.page_count) {
		uint32_t left = model.page_count - from;
		uint32_t n = left - fuzz_below(&model.in, left);
		uint32_t flags = fuzz_below(&model.in, 8);
		int taken = hand_in(from, n, flags);

		FUZZ_CHECK(taken >= 0 && taken <= (int)n);
		/* Only a guess may find no bio. */
		FUZZ_CHECK(taken == (int)n || (flags & MPIO_READ_AHEAD));
		if (fuzz_chance(&model.in, 40))
			FUZZ_CHECK(mpio_queue_poll(model.queue[0]) >= 0);
		if (taken != (int)n)
			FUZZ_CHECK(mpio_queue_drain(model.queue[0]) == 0);
		from += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool plugged;

	if (!model_open(&model, data, size))
		return 0;
	model_choose_map(&model, false);
	model.disk[0]->read_only = model.disk[1]->read_only = true;
	strange_answers = fuzz_chance(&model.in, 60);
	model.ops.get_block = get_block;
	model.ops.read_end = read_end;
	if (strange_answers)
		model.ops.still_valid = still_valid;
	model_make_pages(&model);
	prepare_pages();
	plugged = fuzz_chance(&model.in, 80);
	if (plugged)
		mpio_queue_plug(model.queue[0]);
	read_all();
	if (plugged)
		mpio_queue_unplug(model.queue[0]);
	FUZZ_CHECK(mpio_queue_drain(model.queue[0]) == 0);
	for (uint32_t i = 0; i < model.page_count; i++)
		check_page(&model.pages[i]);
	model_check_guards(&model);
	check_ios();
	model_close(&model);
	return 0;
}

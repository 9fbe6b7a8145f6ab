/* SPDX-License-Identifier: MIT */
/*
 * get_block answers anything at all, as damaged metadata may make an engine do.
 * What is possible is done, what is not ends its page with an error; no byte
 * outside of what was answered is moved (the disk looks), nobody is asked for
 * ever, and every page is finished once.
 */
#include "model.h"

#include <string.h>

/* What the last answer about a block came to. */
enum told { TOLD_NOTHING, TOLD_HOLE, TOLD_FILLED, TOLD_DEVICE, TOLD_LIE };

struct told_block {
	uint8_t what; /* enum told */
	uint8_t queue;
	uint32_t call; /* in which call of the library it was told */
	uint64_t block;
};

static struct model model;
static struct told_block told[MODEL_BLOCKS];
static uint32_t call;
static struct mpio_queue *stranger; /* of no group */

static struct model_page *page_of(struct mpio_page *page)
{
	return (struct model_page *)page;
}

/* ---- Answers ------------------------------------------------------------ */

static struct mpio_queue *choose_queue(void)
{
	switch (fuzz_below(&model.in, 16)) {
	case 1:
	case 2:
		return model.queue[1];
	case 3:
		return model.queue[0];
	case 4:
		return stranger;
	case 5:
		return (struct mpio_queue *)(void *)&told[1];
	default:
		return NULL;
	}
}

static void choose_answer(struct mpio_extent *extent)
{
	struct fuzz_input *in = &model.in;
	uint32_t how = fuzz_byte(in);
	uint64_t wanted = extent->count;

	extent->flags = MPIO_EXTENT_MAPPED;
	if (how & 1)
		extent->flags = fuzz_byte(in) & 0x1f;
	if ((how & 0x81) == 0x81)
		extent->flags = (uint32_t)fuzz_number(in, 4);
	extent->block = fuzz_below(in, (MODEL_DISK >> model.shift) + 4);
	if ((how & 0x42) == 0x42)
		extent->block = fuzz_number(in, 8);
	if ((how & 0x42) == 0x02)
		extent->block = UINT64_MAX >> fuzz_below(in, 16);
	if (how & 4)
		extent->count = fuzz_below(in, (uint32_t)wanted + 2);
	if ((how & 0x24) == 0x24)
		extent->count = fuzz_number(in, 8);
	extent->queue = how & 8 ? choose_queue() : NULL;
	extent->cookie = how;
}

/* ---- What they come to -------------------------------------------------- */

static bool is_possible(const struct mpio_extent *extent, uint64_t wanted,
			bool create)
{
	uint32_t flags = extent->flags;
	bool mapped = flags & MPIO_EXTENT_MAPPED;

	if (flags >= MPIO_EXTENT_UNWRITTEN << 1 || extent->count == 0 ||
	    extent->count > wanted)
		return false;
	if (!mapped && flags & (MPIO_EXTENT_NEW | MPIO_EXTENT_UNWRITTEN))
		return false;
	if (create)
		return mapped && !(flags & MPIO_EXTENT_UPTODATE);
	return !(flags & MPIO_EXTENT_NEW);
}

static enum told what_of(const struct mpio_extent *extent, bool create)
{
	if (extent->flags & MPIO_EXTENT_UPTODATE)
		return TOLD_FILLED;
	if (!(extent->flags & MPIO_EXTENT_MAPPED))
		return TOLD_HOLE;
	if ((extent->flags & MPIO_EXTENT_UNWRITTEN) && !create)
		return TOLD_HOLE;
	return TOLD_DEVICE;
}

/* Whether all blocks of an answer have a place that 64 bits can tell. */
static bool has_bytes(const struct mpio_extent *extent)
{
	uint64_t most = UINT64_MAX >> model.shift;

	return extent->block <= most && extent->count <= most - extent->block;
}

static void note_device(uint64_t block, const struct mpio_extent *extent)
{
	for (uint64_t i = 0; i < extent->count; i++) {
		struct told_block *t = &told[block + i];
		uint64_t at = extent->block + i;

		t->what = TOLD_DEVICE;
		t->call = call;
		t->queue = extent->queue == model.queue[1];
		t->block = at;
		if (!has_bytes(extent) ||
		    at << model.shift >= model.disk[0]->device.size)
			t->what = TOLD_LIE;
	}
}

/* Take note of an answer; whether get_block has to fill blocks. */
static bool note(uint64_t block, const struct mpio_extent *extent,
		 uint64_t wanted, uint64_t page_end, bool create)
{
	enum told what = what_of(extent, create);
	uint64_t end = block + extent->count;
	bool known = extent->queue == NULL || extent->queue == model.queue[0] ||
		     extent->queue == model.queue[1];

	if (!is_possible(extent, wanted, create))
		return false;
	if (what == TOLD_DEVICE) {
		if (known)
			note_device(block, extent);
		return false;
	}
	if (what == TOLD_FILLED && end > page_end)
		end = page_end;
	for (uint64_t i = block; i < end; i++) {
		told[i].what = (uint8_t)what;
		told[i].call = call;
	}
	return what == TOLD_FILLED;
}

static bool is_needed(const struct model_page *p, uint32_t i)
{
	return p->page.blocks == NULL || !model_bit(p->before, i);
}

static void fill(struct model_page *p, uint64_t block, uint64_t count)
{
	for (uint32_t i = (uint32_t)block - p->first; i < p->count; i++) {
		if (count-- == 0)
			break;
		if (is_needed(p, i))
			memset((char *)p->page.data +
				       ((size_t)i << model.shift),
			       MODEL_FILL, model.block_size);
	}
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct model_page *p = page_of(page);
	uint64_t wanted = extent->count;
	int error = 0;

	(void)mapping;
	FUZZ_CHECK(model.calls++ < 4 * MODEL_BLOCKS);
	FUZZ_CHECK(block >= p->first && block < p->first + p->count);
	FUZZ_CHECK(wanted != 0 && block + wanted <= model.blocks);
	/* Nobody is asked twice, and least of all who lied. */
	FUZZ_CHECK(told[block].call != call);
	told[block].call = call;
	told[block].what = TOLD_LIE;
	choose_answer(extent);
	if (extent->cookie & 16)
		error = (int)(int32_t)fuzz_number(&model.in, 4);
	if (error == 0 &&
	    note(block, extent, wanted, p->first + p->count, flags != 0))
		fill(p, block, extent->count);
	return error;
}

/* ---- Pages -------------------------------------------------------------- */

static void page_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct model_page *p = page_of(page);

	(void)mapping;
	FUZZ_CHECK(p->ends++ == 0 && status <= 0 && status >= -4095);
	FUZZ_CHECK(!(page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK)));
	p->status = status;
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	size_t n = 0;

	(void)mapping;
	for (uint32_t i = 0; i < model.page_count && n < pages_max; i++) {
		struct mpio_page *page = model.list[i];

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static bool is_lied_about(const struct model_page *p, bool dirty)
{
	uint32_t end = model_page_end(&model, p);
	unsigned word = dirty ? 1 : 0;

	for (uint32_t b = p->first; b < end; b++) {
		bool bit = p->before[word] >> (b - p->first) & 1;

		if (p->page.blocks != NULL && bit != dirty)
			continue;
		if (told[b].what == TOLD_LIE)
			return true;
		FUZZ_CHECK(p->status != 0 || told[b].what != TOLD_NOTHING);
	}
	return false;
}

static void check_status(const struct model_page *p, bool dirty)
{
	bool lie = is_lied_about(p, dirty);

	FUZZ_CHECK((p->status != 0) == lie);
}

static void check_all(const unsigned char *at, unsigned char value,
		      uint32_t from)
{
	for (uint32_t i = from; i < model.block_size; i++)
		FUZZ_CHECK(at[i] == value);
}

static void check_block(const unsigned char *at, const struct told_block *t)
{
	uint64_t place = t->block << model.shift;
	uint64_t left = model.disk[0]->device.size - place;
	uint32_t n =
		left < model.block_size ? (uint32_t)left : model.block_size;

	if (t->what == TOLD_HOLE) {
		check_all(at, 0, 0);
	} else if (t->what == TOLD_FILLED) {
		check_all(at, MODEL_FILL, 0);
	} else {
		FUZZ_CHECK(memcmp(at, disk_first(t->queue, place / SECTOR),
				  n) == 0);
		check_all(at, 0, n);
	}
}

static void check_read(const struct model_page *p)
{
	const unsigned char *at = p->page.data;

	FUZZ_CHECK(p->ends == 1);
	check_status(p, false);
	for (uint32_t i = 0; i < p->count; i++, at += model.block_size) {
		if (!is_needed(p, i))
			check_all(at, MODEL_UNTOUCHED, 0);
		else if (p->status != 0 &&
			 (p->page.blocks == NULL ||
			  !mpio_page_block_uptodate(&p->page, i)))
			continue;
		else if (p->first + i >= model.blocks)
			check_all(at, 0, 0);
		else
			check_block(at, &told[p->first + i]);
	}
}

/* ---- Both ways ---------------------------------------------------------- */

static void read_all(void)
{
	uint32_t from = 0;
	int taken = 0;

	for (uint32_t i = 0; i < model.page_count; i++) {
		struct model_page *p = &model.pages[i];

		p->words[1] = 0;
		p->page.flags |= MPIO_PAGE_LOCKED;
		memcpy(p->before, p->words, sizeof(p->words));
	}
	model.disk[0]->read_only = model.disk[1]->read_only = true;
	for (; from < model.page_count; from += (uint32_t)taken) {
		uint32_t left = model.page_count - from;

		call++;
		taken = mpio_readahead(model.queue[0], &model.mapping,
				       model.list + from,
				       left - fuzz_below(&model.in, left), 0);
		if (taken < 0)
			return; /* blocks smaller than the disk's */
		FUZZ_CHECK(taken != 0);
	}
	FUZZ_CHECK(mpio_queue_drain(model.queue[0]) == 0);
	for (uint32_t i = 0; i < model.page_count; i++)
		check_read(&model.pages[i]);
}

/* What nobody named has not changed. */
static void check_disks(void)
{
	for (uint32_t i = 0; i < MODEL_BLOCKS; i++) {
		struct disk *disk = model.disk[told[i].queue];
		uint64_t place = told[i].block << model.shift;

		if (told[i].what == TOLD_DEVICE)
			memcpy(disk->known + place, disk->bytes + place,
			       place + model.block_size <= MODEL_DISK
				       ? model.block_size
				       : (size_t)(MODEL_DISK - place));
	}
	for (unsigned d = 0; d < 2; d++)
		FUZZ_CHECK(disk_is_known(model.disk[d]));
}

static void write_all(void)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	int result;

	model.calls = 0;
	call++;
	memset(told, 0, sizeof(told));
	model.disk[0]->read_only = model.disk[1]->read_only = false;
	for (uint32_t i = 0; i < model.page_count; i++) {
		struct model_page *p = &model.pages[i];

		p->ends = 0;
		p->words[1] = (1u << p->count) - 2 + (p->first & 1);
		p->page.flags = MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY;
		memcpy(p->before, p->words, sizeof(p->words));
	}
	result = mpio_writepages(model.queue[0], &model.mapping, &wbc);
	for (uint32_t i = 0; i < model.page_count; i++) {
		const struct model_page *p = &model.pages[i];

		FUZZ_CHECK(p->ends == 1);
		check_status(p, true);
		FUZZ_CHECK(!(p->page.flags & MPIO_PAGE_DIRTY) ==
			   (p->status == 0));
		FUZZ_CHECK(result != 0 || p->status == 0);
	}
	check_disks();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(max_align_t) unsigned char memory[16384];
	static struct disk other;
	struct mpio_queue_config config = {
		.bios = 2,
		.segments_max = 4,
		.pages_max = 4,
		.walk_pages = 1,
		.memory = memory,
		.memory_size = sizeof(memory),
	};

	if (!model_open(&model, data, size))
		return 0;
	memset(model.disk[0]->bad, 0, sizeof(model.disk[0]->bad));
	memset(model.disk[1]->bad, 0, sizeof(model.disk[1]->bad));
	if (other.device.size == 0)
		disk_init(&other, DISK_BYTES, 0);
	FUZZ_CHECK(mpio_queue_open(&other.device, &config, &stranger) == 0);
	memset(told, 0, sizeof(told));
	call = 0;
	model.ops.get_block = get_block;
	model.ops.read_end = page_end;
	model.ops.write_end = page_end;
	model.ops.next_dirty = next_dirty;
	model_make_pages(&model);
	if (!fuzz_chance(&model.in, 100))
		read_all();
	else
		write_all();
	model_check_guards(&model);
	model_close(&model);
	mpio_queue_close(stranger);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Writing back, against the naive model: every page that is taken up is
 * finished once; what is told to be written is on the disk, and nothing else
 * has changed there; a page fails if, and with isolation only if, one of its
 * dirty blocks cannot be written, and is dirty again then; a page that must
 * not tear is written by one I/O; and no run of blocks takes more I/Os than its
 * length asks for.
 */
#include "model.h"

#include <string.h>

#define ROUNDS 3u

static struct model model;
static unsigned char shadow[MODEL_BLOCKS * 2048u]; /* of pages, sealed */
static unsigned char salt; /* of the bytes that are written in this round */
static bool sealed;        /* pages are */
static bool exact;         /* only pages on what is bad fail */
static bool has_atomic;
static uint32_t accounted[MODEL_PAGES];

/* Bytes to be written, and the same as they are sealed. */
#define NOISE 8192u
static unsigned char noise[2][NOISE + SECTOR];

static void make_noise(void)
{
	for (uint32_t i = 0; i < NOISE + SECTOR; i++) {
		noise[0][i] = (unsigned char)(i * i / 7 + i / 100 * 31);
		noise[1][i] = (unsigned char)~noise[0][i];
	}
}

static struct model_page *page_of(struct mpio_page *page)
{
	return (struct model_page *)page;
}

/* ---- What is dirty ------------------------------------------------------ */

/* Whether a page had to have a block written in this round. */
static bool is_dirty(const struct model_page *p, uint32_t i)
{
	if (!(p->flags & MPIO_PAGE_DIRTY) || p->first + i >= model.blocks)
		return false;
	return p->page.blocks == NULL || (p->before[1] >> i & 1);
}

static bool is_dirty_block(uint64_t block)
{
	for (uint32_t n = 0; n < model.page_count; n++) {
		const struct model_page *p = &model.pages[n];

		if (block >= p->first && block < p->first + p->count)
			return is_dirty(p, (uint32_t)block - p->first);
	}
	return false;
}

/* What a page's memory is to hold from a place on, as far as a sector goes. */
static const unsigned char *content(uint64_t pos)
{
	return noise[0] + (pos + 1009u * salt) % NOISE;
}

/* Bytes before the end of file. */
static uint32_t before_end(uint64_t pos, uint32_t length)
{
	uint64_t size = model.mapping.size;

	if (pos >= size)
		return 0;
	return size - pos < length ? (uint32_t)(size - pos) : length;
}

/* ---- The engine --------------------------------------------------------- */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const struct model_page *p = page_of(page);
	struct model_block *b = &model.map[block];
	int error;

	FUZZ_CHECK(mapping == &model.mapping && flags == MPIO_MAP_CREATE);
	FUZZ_CHECK(page->flags & MPIO_PAGE_LOCKED);
	FUZZ_CHECK(block >= p->first && block < p->first + p->count);
	FUZZ_CHECK(extent->count != 0 && block + extent->count <= model.blocks);
	/* Nothing is allocated that nobody is going to write. */
	for (uint64_t i = 0; i < extent->count; i++)
		FUZZ_CHECK(is_dirty_block(block + i));
	model.calls++;
	error = model_answer(&model, block, extent);
	if (error != 0 || b->kind != MODEL_HOLE)
		return error;
	extent->flags |= MPIO_EXTENT_MAPPED | MPIO_EXTENT_NEW;
	for (uint64_t i = 0; i < extent->count; i++)
		b[i].kind = MODEL_MAPPED;
	return 0;
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	struct model_page *p = page_of(page);
	bool drop = mapping->flags & MPIO_MAPPING_DROP_FAILED;

	FUZZ_CHECK(mapping == &model.mapping && page->mapping == mapping);
	FUZZ_CHECK(p->ends++ == 0 && status <= 0);
	FUZZ_CHECK(p->flags & MPIO_PAGE_DIRTY);
	FUZZ_CHECK(!(page->flags & MPIO_PAGE_WRITEBACK));
	FUZZ_CHECK(!(page->flags & MPIO_PAGE_DIRTY) == (status == 0 || drop));
	FUZZ_CHECK(!(page->flags & MPIO_PAGE_ERROR) == (status == 0));
	p->status = status;
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	size_t n = 0;

	FUZZ_CHECK(mapping == &model.mapping && pages_max != 0);
	for (uint32_t i = 0; i < model.page_count && n < pages_max; i++) {
		struct mpio_page *page = model.list[i];

		if (page->pos + page->size <= pos || page->pos >= end ||
		    (page->flags & flags) != flags)
			continue;
		pages[n++] = page;
		if (fuzz_chance(&model.in, 20))
			break;
	}
	return n;
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	const unsigned char *from = page->data;
	unsigned char *to = shadow + page->pos;

	(void)mapping;
	for (uint32_t i = 0; i < page->size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, from + i, sizeof(word));
		word = ~word;
		memcpy(to + i, &word, sizeof(word));
	}
	*data = to;
	return 0;
}

static void account(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint32_t bytes)
{
	const struct model_page *p = page_of(page);
	uint32_t sum = 0;

	(void)mapping;
	for (uint32_t i = 0; i < p->count; i++)
		sum += is_dirty(p, i) ? model.block_size : 0;
	FUZZ_CHECK(bytes == sum);
	FUZZ_CHECK(accounted[p - model.pages]++ == 0);
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	(void)mapping;
	FUZZ_CHECK(length != 0);
	for (uint64_t end = pos + length; pos < end; pos += SECTOR) {
		uint64_t block = pos >> model.shift;
		struct model_block *b = &model.map[block];

		FUZZ_CHECK(is_dirty_block(block));
		FUZZ_CHECK(queue == model.queue[b->queue]);
		FUZZ_CHECK((b->block << model.shift) +
				   (pos & (model.block_size - 1)) ==
			   offset);
		if (b->kind == MODEL_UNWRITTEN)
			b->kind = MODEL_MAPPED;
		offset += SECTOR;
	}
	if (!fuzz_chance(&model.in, 20))
		return 0;
	exact = false;
	return -MPIO_EIO;
}

static void new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		       uint64_t block, uint64_t count)
{
	unsigned d = queue == model.queue[1];
	uint64_t end = model.disk[d]->device.size;

	(void)mapping;
	FUZZ_CHECK(queue == model.queue[d] && count != 0);
	FUZZ_CHECK((block + count - 1) << model.shift < end);
}

static void boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		     uint64_t block)
{
	unsigned d = queue == model.queue[1];

	(void)mapping;
	FUZZ_CHECK(queue == model.queue[d]);
	FUZZ_CHECK(block << model.shift < model.disk[d]->device.size);
}

/* ---- What must be ------------------------------------------------------- */

static bool block_fails(const struct model_block *b)
{
	return b->kind == MODEL_FAILS || !model_is_on_disk(&model, b) ||
	       model_is_bad(&model, b);
}

/* Whether all that is dirty fits in one I/O inside one atomic unit. */
static bool is_one_unit(const struct model_page *p)
{
	uint32_t unit = model.disk[0]->device.limits.atomic_unit;
	const struct model_block *first = NULL;
	uint64_t length = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct model_block *b = &model.map[p->first + i];

		if (!is_dirty(p, i))
			continue;
		if (first == NULL)
			first = b;
		if (b->queue != first->queue ||
		    (uint64_t)(b - first) << model.shift != length ||
		    b->block - first->block != (uint64_t)(b - first) ||
		    !model_is_on_disk(&model, b))
			return false;
		length += model_length(&model, b);
	}
	if (first == NULL)
		return true;
	return unit != 0 &&
	       ((first->block << model.shift) & (unit - 1)) + length <= unit &&
	       length <= mpio_queue_limits(model.queue[0])->bytes_max;
}

static bool page_fails(const struct model_page *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		if (is_dirty(p, i) && block_fails(&model.map[p->first + i]))
			return true;
	}
	return (p->flags & MPIO_PAGE_ATOMIC) && !is_one_unit(p);
}

/* Part of a sector is what the page had there, and zeros behind the end. */
static bool is_new(const struct model_page *p, uint32_t offset,
		   const unsigned char *is, uint32_t length)
{
	uint64_t pos = p->page.pos + offset;
	uint32_t n = before_end(pos, length);
	ptrdiff_t seal_by = sealed ? noise[1] - noise[0] : 0;

	if (memcmp(is, content(pos) + seal_by, n) != 0)
		return false;
	for (; n < length; n++) {
		if (is[n] != (sealed ? 0xff : 0))
			return false;
	}
	return true;
}

/*
 * Compare the places of a page's dirty blocks, and have them known: what is
 * left has not changed.
 */
static void check_block(const struct model_page *p, uint32_t i)
{
	const struct model_block *b = &model.map[p->first + i];
	uint64_t place = b->block << model.shift;
	uint32_t length;

	if (!model_is_on_disk(&model, b))
		return;
	length = model_length(&model, b);
	for (uint32_t from = 0; from < length; from += SECTOR) {
		uint32_t n = length - from < SECTOR ? length - from : SECTOR;
		struct disk *disk = model.disk[b->queue];
		unsigned char *was = disk->known + place + from;
		const unsigned char *is = disk->bytes + place + from;

		if (p->ends == 0)
			continue;
		FUZZ_CHECK(is_new(p, (i << model.shift) + from, is, n) ||
			   (p->status != 0 && memcmp(is, was, n) == 0));
		memcpy(was, is, n);
	}
}

/*
 * Whether writes change parts of the device's blocks: then they go by what a
 * slot holds, and their neighbours in a block write them once more.
 */
static bool cuts_blocks(void)
{
	return model.block_size < mpio_queue_limits(model.queue[0])->block;
}

/* All of a page that did not tear was written at the same time. */
static void check_whole(const struct model_page *p)
{
	uint64_t when = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct model_block *b = &model.map[p->first + i];
		const uint64_t *writer;

		if (!is_dirty(p, i))
			continue;
		writer = model.disk[b->queue]->writer +
			 (b->block << model.shift) / SECTOR;
		if (when == 0)
			when = writer[0];
		for (uint32_t n = 0; n * SECTOR < model_length(&model, b); n++)
			FUZZ_CHECK(writer[n] == when);
	}
}

static void check_page(const struct model_page *p)
{
	const uint32_t busy = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;

	FUZZ_CHECK(!(p->page.flags & busy));
	if (p->ends == 0) {
		FUZZ_CHECK(((p->page.flags ^ p->flags) & MPIO_PAGE_DIRTY) == 0);
		return;
	}
	if (page_fails(p))
		FUZZ_CHECK(p->status != 0);
	else if (exact)
		FUZZ_CHECK(p->status == 0);
	for (uint32_t i = 0; i < p->count; i++) {
		if (!is_dirty(p, i))
			continue;
		check_block(p, i);
		if (p->page.blocks != NULL)
			FUZZ_CHECK(p->status != 0 ||
				   !mpio_page_block_dirty(&p->page, i));
	}
	if (p->status == 0 && (p->flags & MPIO_PAGE_ATOMIC) && !cuts_blocks())
		check_whole(p);
}

/* ---- How many I/Os ------------------------------------------------------ */

static bool joins(const struct model_page *p, uint32_t i)
{
	const struct model_block *b = &model.map[p->first + i];

	return i != 0 && is_dirty(p, i - 1) && !b[-1].boundary &&
	       b[-1].queue == b->queue && b[-1].block + 1 == b->block;
}

static uint64_t most_ios(void)
{
	uint64_t most = 0;

	for (uint32_t n = 0; n < model.page_count; n++) {
		const struct model_page *p = &model.pages[n];
		uint64_t length = 0;

		for (uint32_t i = 0; p->ends != 0 && i < p->count; i++) {
			if (!is_dirty(p, i))
				continue;
			if (!joins(p, i)) {
				most += model_ios_max(&model, length);
				length = 0;
			}
			length += model.block_size;
		}
		most += model_ios_max(&model, length);
	}
	return most;
}

static uint64_t writes(void)
{
	return mpio_queue_stats(model.queue[0])->writes +
	       mpio_queue_stats(model.queue[1])->writes;
}

/* ---- A round ------------------------------------------------------------ */

/* Give a page bytes for this round; what lies behind the end is not zeros. */
static void fill_page(struct model_page *p)
{
	unsigned char *data = p->page.data;

	for (uint32_t at = 0; at < p->page.size; at += SECTOR)
		memcpy(data + at, content(p->page.pos + at), SECTOR);
}

static void prepare_page(struct model_page *p)
{
	struct fuzz_input *in = &model.in;

	p->ends = 0;
	p->status = 0;
	p->page.flags |= MPIO_PAGE_UPTODATE;
	if (!fuzz_chance(in, 60))
		p->page.flags |= MPIO_PAGE_DIRTY;
	if (fuzz_chance(in, 16))
		p->page.flags |= MPIO_PAGE_ATOMIC;
	if (p->page.flags & MPIO_PAGE_ATOMIC)
		has_atomic = true;
	if (p->page.blocks != NULL && (p->page.flags & MPIO_PAGE_DIRTY))
		p->words[1] |= UINT64_C(1) << fuzz_below(in, p->count);
	memcpy(p->before, p->words, sizeof(p->words));
	p->flags = p->page.flags;
	fill_page(p);
}

/* Errors of the round before were told. */
static void see_errors(void)
{
	struct mpio_errseq since = mpio_errseq_sample(&model.mapping.errors);

	(void)mpio_errseq_check_and_advance(&model.mapping.errors, &since);
	FUZZ_CHECK(mpio_errseq_check(&model.mapping.errors, &since) == 0);
}

static void prepare_round(void)
{
	see_errors();
	salt = (unsigned char)(salt + 77);
	has_atomic = false;
	memset(accounted, 0, sizeof(accounted));
	for (uint32_t i = 0; i < model.page_count; i++)
		prepare_page(&model.pages[i]);
	exact = model_isolates(&model) && !has_atomic;
}

static void choose_walk(struct mpio_writeback_control *wbc)
{
	struct fuzz_input *in = &model.in;

	*wbc = (struct mpio_writeback_control){
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	if (!fuzz_chance(in, 100))
		return;
	wbc->sync_mode = fuzz_flag(in) ? MPIO_SYNC_ALL : MPIO_SYNC_NONE;
	wbc->reason = (enum mpio_writeback_reason)fuzz_below(in, 4);
	wbc->nr_to_write = fuzz_below(in, 6);
	wbc->range_start = fuzz_number(in, 2);
	wbc->range_end = fuzz_number(in, 2);
	wbc->range_cyclic = fuzz_flag(in);
	wbc->tagged = fuzz_flag(in);
}

/* A sync of all finishes all, and tells of what failed. */
static void check_sync(int result)
{
	bool failed = false;

	for (uint32_t i = 0; i < model.page_count; i++) {
		const struct model_page *p = &model.pages[i];

		FUZZ_CHECK(p->ends == (p->flags & MPIO_PAGE_DIRTY ? 1u : 0u));
		failed = failed || p->status != 0;
	}
	FUZZ_CHECK((result != 0) == failed && result <= 0);
}

static void walk(void)
{
	struct mpio_writeback_control wbc;
	bool all;
	int result;

	choose_walk(&wbc);
	all = wbc.sync_mode == MPIO_SYNC_ALL && wbc.range_start == 0 &&
	      wbc.range_end == 0 && !wbc.range_cyclic;
	result = mpio_writepages(model.queue[0], &model.mapping, &wbc);
	if (all)
		check_sync(result);
}

static void write_pages_alone(void)
{
	for (uint32_t i = 0; i < model.page_count; i++) {
		struct mpio_writeback_control wbc = {
			.sync_mode = fuzz_flag(&model.in) ? MPIO_SYNC_ALL
							  : MPIO_SYNC_NONE,
		};
		int result = mpio_write_page(model.queue[0], &model.mapping,
					     model.list[i], &wbc);

		FUZZ_CHECK(result <= 0);
		if (wbc.sync_mode == MPIO_SYNC_ALL)
			FUZZ_CHECK(result != 0 || model.pages[i].status == 0);
	}
}

static void play_round(void)
{
	bool plugged = fuzz_chance(&model.in, 60);
	uint64_t ios = writes();

	prepare_round();
	if (plugged)
		mpio_queue_plug(model.queue[0]);
	if (fuzz_chance(&model.in, 40))
		write_pages_alone();
	else
		walk();
	if (plugged)
		mpio_queue_unplug(model.queue[0]);
	FUZZ_CHECK(mpio_queue_drain(model.queue[0]) == 0);
	for (uint32_t i = 0; i < model.page_count; i++)
		check_page(&model.pages[i]);
	for (unsigned d = 0; d < 2; d++)
		FUZZ_CHECK(disk_is_known(model.disk[d]));
	if (!cuts_blocks())
		FUZZ_CHECK(writes() - ios <= most_ios());
	model_check_guards(&model);
}

/* ---- A run -------------------------------------------------------------- */

static void choose_engine(void)
{
	struct fuzz_input *in = &model.in;

	model.ops.get_block = get_block;
	model.ops.write_end = write_end;
	model.ops.next_dirty = next_dirty;
	sealed = fuzz_chance(in, 50);
	if (sealed)
		model.ops.seal = seal;
	if (fuzz_chance(in, 100)) {
		model.ops.account = account;
		model.ops.written = written;
		model.ops.new_blocks = new_blocks;
		model.ops.boundary = boundary;
	}
	if (fuzz_chance(in, 20))
		model.mapping.flags = MPIO_MAPPING_DROP_FAILED;
}

/* What was bad is good again: what had failed can be written. */
static void mend(void)
{
	for (unsigned d = 0; d < 2; d++)
		model.disk[d]->bad[0] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	salt = 1;
	if (noise[1][0] == 0)
		make_noise();
	if (!model_open(&model, data, size))
		return 0;
	model_choose_map(&model, true);
	choose_engine();
	model_make_pages(&model);
	for (unsigned i = 0; i < ROUNDS; i++) {
		play_round();
		if (i != 0 || fuzz_is_empty(&model.in))
			mend();
		if (fuzz_is_empty(&model.in) && i != 0)
			break;
	}
	model_close(&model);
	return 0;
}

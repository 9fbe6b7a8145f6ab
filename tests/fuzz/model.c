/* SPDX-License-Identifier: MIT */
/*
 * The model of reading and writing.
 */
#include "model.h"

#include <string.h>

#define GUARD 48u
#define ARENA (MODEL_BLOCKS * 2048u + (MODEL_PAGES + 1) * GUARD + 64)

static struct disk disks[2];
static _Alignas(4096) unsigned char arena[ARENA];

/* ---- The map ------------------------------------------------------------ */

static uint64_t disk_blocks(const struct model *model)
{
	return MODEL_DISK >> model->shift;
}

static bool is_used(const struct model *model, unsigned d, uint64_t block)
{
	uint64_t per_block = model->block_size / SECTOR;

	return block >= disk_blocks(model) ||
	       (model->used[d] >> block * per_block & 1);
}

static void use(struct model *model, unsigned d, uint64_t block)
{
	uint64_t per_block = model->block_size / SECTOR;

	if (block < disk_blocks(model))
		model->used[d] |= ((UINT64_C(1) << per_block) - 1)
				  << block * per_block;
}

/* The first free one from a block on, round and round. */
static uint64_t find_free(const struct model *model, unsigned d, uint64_t block)
{
	uint64_t n = disk_blocks(model);

	for (uint64_t i = 0; i < n; i++) {
		if (!is_used(model, d, (block + i) % n))
			return (block + i) % n;
	}
	return UINT64_MAX;
}

static enum model_kind choose_kind(struct fuzz_input *in, bool apart,
				   bool *adjacent)
{
	uint32_t choice = fuzz_below(in, 16);

	*adjacent = choice < 6;
	if (choice < 10)
		return MODEL_MAPPED;
	if (choice < 12)
		return MODEL_HOLE;
	if (choice < 13)
		return MODEL_UNWRITTEN;
	if (choice < 14)
		return apart ? MODEL_MAPPED : MODEL_FILLED;
	return MODEL_FAILS;
}

/* One run; returns where the next one begins. */
static uint32_t choose_run(struct model *model, uint32_t i, bool apart,
			   bool two)
{
	struct fuzz_input *in = &model->in;
	bool adjacent;
	enum model_kind kind = choose_kind(in, apart, &adjacent);
	uint32_t length = 8 - fuzz_below(in, 8);
	unsigned d = two && fuzz_flag(in);
	bool boundary = fuzz_chance(in, 50);
	uint64_t block = i != 0 ? model->map[i - 1].block + 1 : 0;

	if (adjacent && i != 0)
		d = model->map[i - 1].queue;
	if (!adjacent)
		block = fuzz_below(in, (uint32_t)disk_blocks(model) + 3);
	for (; length > 0 && i < MODEL_BLOCKS; i++, length--, block++) {
		if (apart && is_used(model, d, block))
			block = find_free(model, d, block);
		if (block == UINT64_MAX)
			kind = MODEL_FAILS;
		use(model, d, block);
		model->map[i] = (struct model_block){
			.kind = (uint8_t)kind,
			.queue = (uint8_t)d,
			.block = block,
		};
	}
	model->map[i - 1].boundary = boundary && kind != MODEL_FAILS;
	return i;
}

static bool goes_on(const struct model_block *b, const struct model_block *next)
{
	if (b->kind != next->kind || b->boundary)
		return false;
	if (b->kind == MODEL_HOLE)
		return b->queue == next->queue && next->block == b->block + 1;
	return b->kind == MODEL_FILLED || b->kind == MODEL_FAILS ||
	       (b->queue == next->queue && next->block == b->block + 1);
}

void model_choose_map(struct model *model, bool apart)
{
	bool two = fuzz_flag(&model->in);
	uint32_t i = 0;

	while (i < MODEL_BLOCKS)
		i = choose_run(model, i, apart, two);
	model->map[--i].until = MODEL_BLOCKS;
	while (i-- > 0)
		model->map[i].until =
			goes_on(&model->map[i], &model->map[i + 1])
				? model->map[i + 1].until
				: i + 1;
}

int model_answer(const struct model *model, uint64_t block,
		 struct mpio_extent *extent)
{
	const struct model_block *b = &model->map[block];
	uint64_t n = b->until - block;

	if (model->answer_max != 0 && n > model->answer_max)
		n = model->answer_max;
	if (extent->count > n)
		extent->count = n;
	if (b->kind == MODEL_FAILS)
		return MODEL_ERROR;
	extent->block = b->block;
	extent->queue = b->queue != 0 ? model->queue[1] : NULL;
	if (model->map[block + extent->count - 1].boundary)
		extent->flags = MPIO_EXTENT_BOUNDARY;
	if (b->kind == MODEL_MAPPED)
		extent->flags |= MPIO_EXTENT_MAPPED;
	if (b->kind == MODEL_UNWRITTEN)
		extent->flags |= MPIO_EXTENT_MAPPED | MPIO_EXTENT_UNWRITTEN;
	return 0;
}

/* ---- All of it ---------------------------------------------------------- */

static void choose_sizes(struct model *model)
{
	struct fuzz_input *in = &model->in;

	model->shift = 9 + fuzz_below(in, 3);
	model->block_size = 1u << model->shift;
	model->blocks = MODEL_BLOCKS - fuzz_below(in, MODEL_BLOCKS);
	model->mapping.block_size = model->block_size;
	model->mapping.size = (uint64_t)model->blocks << model->shift;
	if (fuzz_flag(in))
		model->mapping.size -= fuzz_below(in, model->block_size);
	model->answer_max = fuzz_below(in, 5);
}

static bool open_queues(struct model *model)
{
	struct fuzz_input *in = &model->in;
	uint64_t size = MODEL_DISK;
	bool late = fuzz_flag(in);

	if (fuzz_flag(in))
		size -= fuzz_below(in, 5000);
	for (unsigned d = 0; d < 2; d++) {
		model->disk[d] = &disks[d];
		disk_init(&disks[d], size, (unsigned char)d);
		if (late)
			disk_make_late(&disks[d], in);
	}
	disk_choose_limits(&disks[0], in);
	disks[1].device.limits = disks[0].device.limits;
	if (fuzz_flag(in)) {
		disks[0].bad[0] = fuzz_number(in, 8);
		disks[1].bad[0] = UINT64_C(1) << fuzz_below(in, 64);
	}
	fuzz_queue_choose(&model->config, in);
	model->queue[0] = fuzz_queue_open(0, &disks[0].device, &model->config);
	if (model->queue[0] == NULL)
		return false;
	model->config.group = model->queue[0];
	model->queue[1] = fuzz_queue_open(1, &disks[1].device, &model->config);
	return true;
}

bool model_open(struct model *model, const uint8_t *data, size_t size)
{
	memset(model, 0, sizeof(*model));
	model->in = (struct fuzz_input){data, data + size};
	model->mapping.host = model;
	model->mapping.ops = &model->ops;
	choose_sizes(model);
	return open_queues(model);
}

static void make_page(struct model *model, uint32_t first, uint32_t count)
{
	struct fuzz_input *in = &model->in;
	struct model_page *p = &model->pages[model->page_count];
	uint32_t size = count << model->shift;

	if (fuzz_chance(in, 80))
		model->memory_used += 1 + fuzz_below(in, GUARD);
	mpio_page_init(&p->page, &model->mapping,
		       (uint64_t)first << model->shift,
		       arena + model->memory_used, size);
	memset(p->page.data, MODEL_UNTOUCHED, size);
	model->memory_used += size;
	p->first = first;
	p->count = count;
	if (fuzz_chance(in, 80)) {
		p->page.blocks = p->words;
		p->words[0] = fuzz_byte(in) & ((1u << count) - 1);
		p->words[1] = fuzz_byte(in) & ((1u << count) - 1);
	}
	model->list[model->page_count++] = &p->page;
}

void model_make_pages(struct model *model)
{
	struct fuzz_input *in = &model->in;
	uint32_t usual = 1 + fuzz_below(in, 8);
	uint32_t block = 0;

	model->memory_used = fuzz_below(in, 3) * 8;
	memset(arena, MODEL_UNTOUCHED, model->memory_used + GUARD);
	while (block < MODEL_BLOCKS && model->page_count < MODEL_PAGES) {
		uint32_t choice = fuzz_byte(in);
		uint32_t count = choice < 160 ? usual : choice % 8 + 1;

		if (choice > 240)
			block += choice - 240;
		if (block + count > MODEL_BLOCKS)
			break;
		memset(arena + model->memory_used, MODEL_UNTOUCHED, GUARD);
		make_page(model, block, count);
		block += count;
	}
	memset(arena + model->memory_used, MODEL_UNTOUCHED, GUARD);
}

void model_close(struct model *model)
{
	FUZZ_CHECK(mpio_queue_drain(model->queue[0]) == 0);
	for (unsigned d = 0; d < 2; d++) {
		FUZZ_CHECK(mpio_queue_stats(model->queue[d])->in_flight == 0);
		FUZZ_CHECK(disks[d].pending_count == 0);
	}
	mpio_queue_close(model->queue[1]);
	mpio_queue_close(model->queue[0]);
}

/* ---- What follows ------------------------------------------------------- */

uint32_t model_page_end(const struct model *model, const struct model_page *p)
{
	uint32_t end = p->first + p->count;

	return end < model->blocks ? end : model->blocks;
}

bool model_is_on_disk(const struct model *model, const struct model_block *b)
{
	return b->block < UINT64_MAX >> model->shift &&
	       b->block << model->shift < disks[0].device.size;
}

uint32_t model_length(const struct model *model, const struct model_block *b)
{
	uint64_t left = disks[0].device.size - (b->block << model->shift);

	return left < model->block_size ? (uint32_t)left : model->block_size;
}

bool model_is_bad(const struct model *model, const struct model_block *b)
{
	uint64_t unit = disks[0].device.limits.logical_block_size;
	uint64_t from = b->block << model->shift;
	uint64_t end = from + model_length(model, b);

	if (unit == 0)
		unit = SECTOR;
	from = from / unit * unit;
	end = (end + unit - 1) / unit * unit;
	if (end > disks[0].device.size)
		end = disks[0].device.size;
	for (uint64_t i = from / SECTOR; i * SECTOR < end; i++) {
		if (model->disk[b->queue]->bad[0] >> i & 1)
			return true;
	}
	return false;
}

bool model_isolates(const struct model *model)
{
	return !(model->config.flags & MPIO_QUEUE_NO_ISOLATION) &&
	       disks[0].device.limits.memory_alignment <= model->block_size;
}

bool model_bit(const uint64_t *words, uint32_t i)
{
	return words[0] >> i & 1;
}

static void check_untouched(const unsigned char *from, const unsigned char *to)
{
	for (; from < to; from++)
		FUZZ_CHECK(*from == MODEL_UNTOUCHED);
}

void model_check_guards(const struct model *model)
{
	const unsigned char *at = arena;

	for (uint32_t i = 0; i < model->page_count; i++) {
		const struct mpio_page *page = &model->pages[i].page;
		const unsigned char *data = page->data;

		check_untouched(at, data);
		at = data + page->size;
	}
	check_untouched(at, at + GUARD);
}

uint32_t model_ios_max(const struct model *model, uint64_t length)
{
	const struct mpio_plan_limits *limits =
		mpio_queue_limits(model->queue[0]);
	uint64_t max = limits->bytes_max;

	/* Blocks that are cut out of the device's may begin in one. */
	if (model->block_size < limits->block)
		max -= limits->block;
	if (max == 0)
		return 0;
	return (uint32_t)((length + max - 1) / max);
}

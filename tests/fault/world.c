/* SPDX-License-Identifier: MIT */
/*
 * A world is laid out once for a scenario: its disks, the map of its file, the
 * pages' memory and a model of what reading gives. world_reset() copies it all
 * back from there, so that a sweep can run a scenario thousands of times.
 *
 *     arena   | page 0 | gap | page 1 | gap | ...
 *
 * The gaps keep pages from being neighbours in memory, and show by their
 * bytes if anybody wrote there.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 1024u
#define DEVICE_SIZE (96u * 1024)
#define GAP 512u
#define GAP_BYTE 0xa5
#define STALE_BYTE 0xdd

unsigned char content(uint32_t tag, uint64_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15u + tag * 0xbf58476d1ce4e5b9u;

	x ^= x >> 29;
	x *= 0x94d049bb133111ebu;
	return (unsigned char)(x >> 40);
}

unsigned char sealed(const struct world *world, unsigned char byte)
{
	bool is_sealed = (world->scenario->hooks & HOOK_SEAL) != 0;

	return is_sealed ? byte ^ 0x5a : byte;
}

static void *get_memory(size_t size)
{
	void *memory = aligned_alloc(4096, (size + 4095) / 4096 * 4096);

	check(memory != NULL);
	return memory;
}

/* ---- The map and the pages ---------------------------------------------- */

static void lay_out_places(struct world *world)
{
	const struct run *run = world->scenario->runs;

	for (; run < world->scenario->runs + RUNS_MAX; run++) {
		for (uint32_t i = 0; i < run->count; i++) {
			struct place *place =
				&world->places[world->block_count++];

			check(world->block_count <= BLOCKS_MAX);
			*place = (struct place){
				.kind = run->kind,
				.block = run->block + i,
				.device = run->device,
			};
			if (run->kind == RUN_BOUNDARY) {
				place->kind = RUN_DATA;
				place->boundary = i + 1 == run->count;
			}
		}
	}
}

static uint32_t page_blocks(const struct scenario *scenario, uint32_t index)
{
	uint32_t n = 0;

	while (n < 4 && scenario->page_blocks[n] != 0)
		n++;
	return n != 0 ? scenario->page_blocks[index % n] : 4;
}

static void lay_out_pages(struct world *world)
{
	const struct scenario *scenario = world->scenario;
	uint32_t block_size = world->mapping.block_size;
	uint32_t mapped = world->block_count;
	uint32_t past_end = scenario->pages_past_end;
	uint32_t block = 0;

	world->arena_size = scenario->skew;
	while (block < mapped || past_end != 0) {
		struct mpio_page *page =
			&world->frames[world->frame_count].page;
		uint32_t blocks = page_blocks(scenario, world->frame_count);

		past_end -= block >= mapped;
		world->frame_count++;
		check(world->frame_count <= FRAMES_MAX);
		page->pos = (uint64_t)block * block_size;
		page->size = blocks * block_size;
		block += blocks;
		world->arena_size += page->size;
		if (!scenario->adjacent)
			world->arena_size += GAP;
	}
	check(block <= BLOCKS_MAX);
	for (uint32_t i = world->block_count; i < block; i++)
		world->places[i].kind = RUN_HOLE;
	world->block_count = block;
}

static void place_pages(struct world *world)
{
	unsigned char *at = world->arena + world->scenario->skew;
	unsigned char *shadow = world->shadows + world->scenario->skew;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct frame *frame = &world->frames[i];

		frame->page.data = at;
		frame->shadow = shadow;
		shadow += frame->page.size;
		at += frame->page.size;
		if (!world->scenario->adjacent)
			at += GAP;
	}
}

/* ---- Bytes -------------------------------------------------------------- */

static uint64_t file_blocks(const struct world *world)
{
	return (world->mapping.size + world->mapping.block_size - 1) /
	       world->mapping.block_size;
}

static bool starts_dirty(const struct scenario *scenario, uint32_t page,
			 uint32_t block)
{
	if (scenario->per_block)
		return (scenario->dirty >> block % 16 & 1) != 0 &&
		       (scenario->clean_pages >> page & 1) == 0;
	return scenario->writes && (scenario->clean_pages >> page & 1) == 0;
}

/* What reading a block gives, as the devices stand at first. */
static void model_block(struct world *world, uint32_t block)
{
	const struct place *place = &world->places[block];
	uint32_t size = world->mapping.block_size;
	unsigned char *to = world->model + (size_t)block * size;
	uint64_t offset = (uint64_t)place->block * size;
	uint64_t device_size = world->devices[place->device].device.size;

	memset(to, 0, size);
	if (block >= file_blocks(world))
		return;
	for (uint32_t i = 0; i < size; i++) {
		if (place->kind == RUN_INLINE)
			to[i] = content(TAG_INLINE, (uint64_t)block * size + i);
		else if (place->kind == RUN_DATA && offset + i < device_size)
			to[i] = world->disk0[place->device][offset + i];
	}
}

static void make_copies(struct world *world)
{
	const struct scenario *scenario = world->scenario;
	uint32_t size = world->mapping.block_size;

	if (scenario->hooks & HOOK_REREAD)
		memcpy(world->disk0[scenario->copy_device] +
			       (size_t)scenario->copy_block * size,
		       world->model, (size_t)world->block_count * size);
}

/* A block of a page, as it is at first. */
static void fill_block(struct world *world, uint32_t page, uint32_t block)
{
	const struct scenario *scenario = world->scenario;
	struct frame *frame = &world->frames[page];
	uint32_t size = world->mapping.block_size;
	uint64_t pos = (uint64_t)block * size;
	unsigned char *to = world->arena0 +
			    ((unsigned char *)frame->page.data - world->arena) +
			    (pos - frame->page.pos);
	bool uptodate =
		scenario->writes || (scenario->uptodate_pages >> page & 1) != 0;

	if (scenario->per_block)
		uptodate = (scenario->uptodate >> block % 16 & 1) != 0;
	if (starts_dirty(scenario, page, block)) {
		for (uint32_t i = 0; i < size; i++)
			to[i] = content(TAG_PAGE + 1, pos + i);
		memcpy(world->model + pos, to, size);
	} else if (uptodate) {
		memcpy(to, world->model + pos, size);
	} else {
		memset(to, STALE_BYTE, size);
	}
}

static void fill_pages(struct world *world)
{
	uint32_t size = world->mapping.block_size;

	memset(world->arena0, GAP_BYTE, world->arena_size);
	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct mpio_page *page = &world->frames[i].page;
		uint32_t first = (uint32_t)(page->pos / size);

		for (uint32_t j = 0; j < page->size / size; j++)
			fill_block(world, i, first + j);
	}
}

/* ---- What may be written ------------------------------------------------ */

static void own(struct world *world, uint32_t device, uint64_t offset,
		uint64_t length)
{
	uint64_t end = offset + length;

	if (end > world->devices[device].device.size)
		end = world->devices[device].device.size;
	for (uint64_t sector = offset / SECTOR; sector * SECTOR < end; sector++)
		world->owned[device][sector] = true;
}

static void own_all(struct world *world)
{
	const struct scenario *scenario = world->scenario;
	uint32_t size = world->mapping.block_size;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct mpio_page *page = &world->frames[i].page;
		uint32_t first = (uint32_t)(page->pos / size);

		for (uint32_t j = first; j < first + page->size / size; j++) {
			const struct place *place = &world->places[j];

			if (scenario->writes && j < file_blocks(world) &&
			    starts_dirty(scenario, i, j))
				own(world, place->device,
				    (uint64_t)place->block * size, size);
		}
	}
	for (size_t i = 0; i < scenario->raw_count; i++) {
		if (scenario->raws[i].op != MPIO_BIO_READ)
			own(world, 0, scenario->raws[i].offset,
			    scenario->raws[i].length);
	}
	if (scenario->hooks & HOOK_BOUNDARY)
		own(world, 0, METADATA_BLOCK(world) * size, size);
}

/* ---- Once for a scenario ------------------------------------------------ */

static void make_devices(struct world *world)
{
	const struct scenario *scenario = world->scenario;
	uint64_t size = scenario->device_size;

	size = size != 0 ? size : DEVICE_SIZE;
	check(size <= SECTORS_MAX * SECTOR);
	world->device_count = scenario->devices != 0 ? scenario->devices : 1;
	for (uint32_t i = 0; i < world->device_count; i++) {
		world->disk0[i] = get_memory((size_t)size);
		world->disk[i] = get_memory((size_t)size);
		world->durable[i] = get_memory((size_t)size);
		world->devices[i].device.size = size;
		for (uint64_t at = 0; at < size; at++)
			world->disk0[i][at] = content(TAG_DEVICE + i, at);
	}
}

static void make_raws(struct world *world)
{
	const struct scenario *scenario = world->scenario;
	unsigned char *at;

	world->raw_count = scenario->raw_count;
	world->raw_size = scenario->skew;
	check(world->raw_count <= RAWS_MAX);
	for (size_t i = 0; i < world->raw_count; i++)
		world->raw_size += scenario->raws[i].length + GAP;
	if (world->raw_size == 0)
		return;
	world->raw_memory = get_memory(world->raw_size);
	at = world->raw_memory + scenario->skew;
	for (size_t i = 0; i < world->raw_count; i++) {
		world->raws[i].io = scenario->raws[i];
		world->raws[i].data = at;
		at += scenario->raws[i].length + GAP;
	}
}

struct world *world_new(const struct scenario *scenario, enum mock_mode mode)
{
	struct world *world = calloc(1, sizeof(*world));
	uint64_t all;

	check(world != NULL);
	world->scenario = scenario;
	world->mode = mode;
	world->mapping.block_size =
		scenario->block_size != 0 ? scenario->block_size : BLOCK_SIZE;
	make_devices(world);
	lay_out_places(world);
	all = (uint64_t)world->block_count * world->mapping.block_size;
	world->mapping.size =
		scenario->file_size != 0 ? scenario->file_size : all;
	lay_out_pages(world);
	memcpy(world->places0, world->places, sizeof(world->places0));
	world->arena = get_memory(world->arena_size);
	world->arena0 = get_memory(world->arena_size);
	world->shadows = get_memory(world->arena_size);
	world->model = get_memory((size_t)world->block_count *
				  world->mapping.block_size);
	place_pages(world);
	for (uint32_t i = 0; i < world->block_count; i++)
		model_block(world, i);
	make_copies(world);
	fill_pages(world);
	make_raws(world);
	own_all(world);
	return world;
}

void world_free(struct world *world)
{
	for (uint32_t i = 0; i < world->device_count; i++) {
		free(world->disk0[i]);
		free(world->disk[i]);
		free(world->durable[i]);
	}
	free(world->arena);
	free(world->arena0);
	free(world->shadows);
	free(world->model);
	free(world->raw_memory);
	free(world);
}

/* ---- As at the beginning ------------------------------------------------ */

static void reset_device(struct world *world, uint32_t index)
{
	const struct scenario *scenario = world->scenario;
	struct mock *mock = &world->devices[index];
	uint64_t size = mock->device.size;

	mock_init(mock, world->mode, world->disk[index], size,
		  &world->injector);
	mock->durable = world->durable[index];
	mock->on_write = check_write;
	mock->ctx = world;
	mock->batches = scenario->batches;
	mock->depth = scenario->depth;
	mock->device.limits = scenario->limits;
	memcpy(world->disk[index], world->disk0[index], (size_t)size);
	memcpy(world->durable[index], world->disk0[index], (size_t)size);
}

static void reset_state(struct world *world, uint32_t index)
{
	const struct scenario *scenario = world->scenario;
	struct frame *frame = &world->frames[index];
	struct mpio_page *page = &frame->page;
	uint32_t blocks = page->size / world->mapping.block_size;
	uint32_t first = (uint32_t)(page->pos / world->mapping.block_size);

	check(MPIO_PAGE_BLOCK_WORDS(page->size, world->mapping.block_size) <=
	      STATE_WORDS);
	page->blocks = frame->state;
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t bit = (first + i) % 16;

		if (starts_dirty(scenario, index, first + i))
			frame->state[1] |= (uint64_t)1 << i;
		if (scenario->uptodate >> bit & 1)
			frame->state[0] |= (uint64_t)1 << i;
	}
	frame->state[0] |= frame->state[1];
	if (frame->state[1] != 0)
		page->flags |= MPIO_PAGE_DIRTY;
}

static void reset_frame(struct world *world, uint32_t index)
{
	const struct scenario *scenario = world->scenario;
	struct frame *frame = &world->frames[index];
	struct mpio_page old = frame->page;

	*frame = (struct frame){.shadow = frame->shadow, .generation = 1};
	mpio_page_init(&frame->page, &world->mapping, old.pos, old.data,
		       old.size);
	frame->page.flags = scenario->page_flags;
	if (scenario->per_block)
		reset_state(world, index);
	else if (scenario->writes || scenario->uptodate_pages >> index & 1)
		frame->page.flags |= MPIO_PAGE_UPTODATE;
	if (scenario->writes && !scenario->per_block &&
	    starts_dirty(scenario, index, 0))
		frame->page.flags |= MPIO_PAGE_DIRTY;
	frame->dirtied = (frame->page.flags & MPIO_PAGE_DIRTY) != 0;
}

static void reset_raws(struct world *world)
{
	memset(world->raw_memory, GAP_BYTE, world->raw_size);
	for (size_t i = 0; i < world->raw_count; i++) {
		struct raw *raw = &world->raws[i];

		raw->started = 0;
		raw->ends = 0;
		raw->status = 0;
		if (raw->io.op != MPIO_BIO_WRITE)
			continue;
		for (uint32_t j = 0; j < raw->io.length; j++)
			raw->data[j] = content((uint32_t)(TAG_RAW + i), j);
	}
}

void world_reset(struct world *world, const struct fault *fault, uint64_t n)
{
	uint64_t size = world->mapping.size;
	uint32_t block_size = world->mapping.block_size;

	world->injector = (struct injector){.fault = fault, .n = n};
	for (uint32_t i = 0; i < world->device_count; i++)
		reset_device(world, i);
	world->mapping = (struct mpio_mapping){
		.ops = &world->ops,
		.host = world,
		.size = size,
		.block_size = block_size,
		.flags = world->scenario->mapping_flags,
	};
	world->since = mpio_errseq_sample(&world->mapping.errors);
	memcpy(world->places, world->places0, sizeof(world->places));
	memcpy(world->arena, world->arena0, world->arena_size);
	for (uint32_t i = 0; i < world->frame_count; i++)
		reset_frame(world, i);
	if (world->raw_size != 0)
		reset_raws(world);
	world->heap = (struct heap){.injector = &world->injector};
	world->returned = 0;
	world->page_errors = 0;
	world->raw_errors = 0;
	world->write_errors = 0;
	world->hook_calls = 0;
	world->lied_page = NULL;
	engine_init(world);
}

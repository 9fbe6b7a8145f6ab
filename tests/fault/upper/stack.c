/* SPDX-License-Identifier: MIT */
/*
 * Files in a cache on a ground; the engine that says where their blocks lie;
 * and an allocator that counts. A block of a file has one place, whatever
 * happens: so the images of two runs can be compared.
 *
 * The operations that the cache hands to the core are looked through, to see
 * that each page ends once, and which could not be written.
 */
#include "upper.h"

#include "../inject.h"

#include "cache_private.h"

#include <stdlib.h>
#include <string.h>

/* Where the files begin, in blocks; a unit of file 0 takes five. */
#define FIRST 8u
#define SECOND (FIRST + FILE_BLOCKS / UNIT * (UNIT + 1) + UNIT)
#define PATIENCE 1000u

_Static_assert(SECOND + SMALL_BLOCKS / UNIT * (UNIT + 1) <= DISK_BLOCKS,
	       "the disk has room for both files");

static unsigned char byte_at(uint64_t at)
{
	return (unsigned char)((at + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* ---- Blows -------------------------------------------------------------- */

static const struct mishap *strikes(struct blow *blow, enum where site)
{
	const struct mishap *mishap = blow->mishap;

	if (mishap == NULL || mishap->site != site)
		return NULL;
	blow->seen++;
	if (blow->seen != blow->n && !(mishap->sticky && blow->seen > blow->n))
		return NULL;
	blow->fired++;
	return mishap;
}

uint64_t stack_fired(const struct stack *stack)
{
	return stack->blow.fired + stack->ground->fired();
}

uint64_t stack_faults(const struct stack *stack)
{
	return stack_fired(stack) + stack->natural;
}

/* ---- Memory ------------------------------------------------------------- */

/* In front of each block: its size, which is to be told right. */
union header {
	size_t size;
	max_align_t align;
};

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	struct stack *stack = ctx;
	union header *header = ptr;

	if (header != NULL)
		header--;
	check((header != NULL ? header->size : 0) == old_size);
	if (new_size == 0) {
		stack->blocks -= header != NULL;
		free(header);
		return NULL;
	}
	if (strikes(&stack->blow, ON_ALLOC) != NULL)
		return NULL;
	stack->blocks += header == NULL;
	header = realloc(header, sizeof(*header) + new_size);
	check(header != NULL);
	header->size = new_size;
	return header + 1;
}

/* ---- The engine --------------------------------------------------------- */

uint32_t place_of(const struct stack *stack, const struct file *file,
		  uint32_t block)
{
	uint32_t base = file == &stack->files[0] ? FIRST : SECOND;
	uint32_t units = file->blocks / UNIT;
	uint32_t unit = block / UNIT;

	switch (stack->scenario->layout) {
	case STRAIGHT:
		return base + block;
	case UNITS: /* 7 has no divisor in common with 40, nor with 12 */
		return base + unit * 7 % units * (UNIT + 1) + block % UNIT;
	default:
		return base + file->blocks - 1 - block;
	}
}

/* As far as there is room; false: not even for the first. */
static bool create(struct file *file, uint64_t block, uint64_t count)
{
	struct stack *stack = file->stack;

	for (uint64_t i = block; i < block + count; i++) {
		if (file->mapped[i])
			continue;
		if (stack->room == 0)
			break;
		if (stack->room != UINT32_MAX)
			stack->room--;
		file->mapped[i] = true;
	}
	return file->mapped[block];
}

static int refuse(struct file *file, uint32_t flags, int error)
{
	if (flags & MPIO_MAP_CREATE)
		file->failures++;
	return error;
}

static uint64_t answer_length(const struct file *file, uint64_t block,
			      uint64_t wanted)
{
	const struct stack *stack = file->stack;
	bool mapped = file->mapped[block];
	uint32_t at = place_of(stack, file, (uint32_t)block);
	uint64_t n = 1;

	while (n < wanted && file->mapped[block + n] == mapped &&
	       (!mapped ||
		place_of(stack, file, (uint32_t)(block + n)) == at + n) &&
	       !(stack->scenario->boundary && (block + n) % UNIT == 0))
		n++;
	return n;
}

int file_map(struct file *file, uint64_t block, uint32_t flags,
	     struct mpio_extent *extent)
{
	struct stack *stack = file->stack;
	const struct mishap *mishap = strikes(&stack->blow, ON_GET_BLOCK);
	bool was_mapped;

	if (mishap != NULL)
		return refuse(file, flags, mishap->status);
	check(block + extent->count <= file->blocks);
	was_mapped = file->mapped[block];
	if ((flags & MPIO_MAP_CREATE) && !was_mapped)
		extent->count = 1;
	if ((flags & MPIO_MAP_CREATE) && !create(file, block, 1)) {
		stack->natural++;
		return refuse(file, flags, -MPIO_ENOSPC);
	}
	extent->count = answer_length(file, block, extent->count);
	if (!file->mapped[block])
		return 0;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (!was_mapped)
		extent->flags |= MPIO_EXTENT_NEW;
	if (stack->scenario->boundary && (block + extent->count) % UNIT == 0)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
	extent->block = place_of(stack, file, (uint32_t)block);
	return 0;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)page;
	return file_map((struct file *)mapping, block, flags, extent);
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

static int flush(struct mpio_file *handle)
{
	struct file *file = ((struct handle *)handle)->of;
	int error = mpio_queue_flush(handle->queue);

	if (error != 0)
		file->failures++;
	return error;
}

/* ---- Between core and cache --------------------------------------------- */

static struct file *file_of(struct mpio_mapping *mapping)
{
	return (struct file *)((struct mpio_cache_lane *)mapping)->file;
}

/* The cache's own are the same for all files. */
static struct mpio_mapping_ops cache_ops;

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	check(mpio__frame_of(page)->state & MPIO__FRAME_READING);
	cache_ops.read_end(mapping, page, status);
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	check(mpio__frame_of(page)->state & MPIO__FRAME_WRITING);
	if (status != 0)
		file_of(mapping)->failures++;
	cache_ops.write_end(mapping, page, status);
}

/* ---- Opening and closing ------------------------------------------------ */

void stack_init(struct stack *stack, const struct scenario *scenario,
		const struct ground *ground)
{
	memset(stack, 0, sizeof(*stack));
	stack->scenario = scenario;
	stack->ground = ground;
	stack->allocator =
		(struct mpio_allocator){.resize = resize, .ctx = stack};
	stack->files[0].blocks = FILE_BLOCKS;
	stack->files[1].blocks = SMALL_BLOCKS;
	for (uint32_t i = 0; i < DISK_BYTES; i++)
		stack->image[i] = byte_at(i);
	for (size_t i = 0; i < sizeof(stack->noise); i++)
		stack->noise[i] = byte_at(DISK_BYTES + i);
	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &stack->files[i];

		for (uint32_t block = 0; block < file->blocks; block++)
			stack->owned[place_of(stack, file, block)] = true;
	}
}

static void reset_file(struct stack *stack, struct file *file)
{
	uint32_t every = stack->scenario->hole_every;
	uint32_t size = file == &stack->files[0] ? stack->scenario->size : 0;

	file->stack = stack;
	file->size = size != 0 ? size : file->blocks * BLOCK;
	file->failures = 0;
	memset(file->model, 0, (size_t)file->blocks * BLOCK);
	for (uint32_t i = 0; i < file->blocks; i++) {
		uint64_t start = (uint64_t)i * BLOCK;
		uint64_t left = start < file->size ? file->size - start : 0;

		file->mapped[i] =
			left != 0 && (every == 0 || i / UNIT % every != 1);
		if (file->mapped[i])
			memcpy(file->model + start,
			       stack->image + place_of(stack, file, i) * BLOCK,
			       left < BLOCK ? (size_t)left : BLOCK);
	}
}

void stack_reset(struct stack *stack, const struct mishap *mishap, uint64_t n)
{
	bool is_ours = mishap != NULL && (mishap->site == ON_ALLOC ||
					  mishap->site == ON_GET_BLOCK);

	for (uint32_t i = 0; i < FILES; i++)
		reset_file(stack, &stack->files[i]);
	stack->ground->load(stack->image);
	stack->room = UINT32_MAX;
	stack->natural = 0;
	stack->told = 0;
	stack->blow = (struct blow){.mishap = is_ours ? mishap : NULL, .n = n};
	stack->ground->arm(is_ours ? NULL : mishap, n);
}

static int open_cache(struct stack *stack)
{
	const struct scenario *scenario = stack->scenario;
	struct mpio_cache_config config = {
		.page_size = PAGE,
		.frame_count = scenario->frames != 0 ? scenario->frames : 48,
		.node_count = 16,
		.background_percent = scenario->background,
		.limit_percent = scenario->limit,
		.allocator = &stack->allocator,
	};

	return mpio_cache_open(&config, &stack->cache);
}

static void open_files(struct stack *stack)
{
	const struct scenario *scenario = stack->scenario;
	struct mpio_file_config config = {
		.readahead_min = 2 * PAGE,
		.readahead_max = scenario->ahead_max != 0 ? scenario->ahead_max
							  : 8 * PAGE,
		.straight_min = scenario->straight != 0 ? scenario->straight
							: UINT32_MAX,
		.flush = flush,
	};

	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &stack->files[i];

		file->cached.mapping = (struct mpio_mapping){
			.ops = &ops,
			.block_size = BLOCK,
			.size = file->size,
		};
		check(mpio_cache_attach(stack->cache, &file->cached) == 0);
		cache_ops = file->cached.ops;
		file->cached.ops.read_end = read_end;
		file->cached.ops.write_end = write_end;
	}
	for (uint32_t i = 0; i < HANDLES; i++) {
		struct handle *handle = &stack->handles[i];

		handle->of = &stack->files[i == HANDLES - 1];
		handle->failures = 0;
		handle->faults = 0;
		check(mpio_file_open(&handle->file, &handle->of->cached,
				     stack->queue, &config) == 0);
	}
}

static void close_queue(struct stack *stack)
{
	mpio_queue_close(stack->queue);
	stack->ground->close();
	stack->queue = NULL;
}

static int open_queue(struct stack *stack)
{
	struct mpio_queue_config config = {
		.bios = stack->scenario->bios != 0 ? stack->scenario->bios : 6,
		.segments_max = 32,
		.pages_max = 64,
		.bytes_max = stack->scenario->bytes,
		.walk_pages = 16,
		.flags = stack->scenario->whole ? MPIO_QUEUE_NO_ISOLATION : 0,
		.allocator = &stack->allocator,
	};
	int error = -MPIO_ENOMEM;

	if (stack->queue != NULL)
		return 0;
	stack->device = stack->ground->open(&stack->allocator);
	if (stack->device != NULL)
		error = mpio_queue_open(stack->device, &config, &stack->queue);
	if (error != 0) {
		stack->queue = NULL;
		stack->ground->close();
	}
	return error;
}

int stack_open(struct stack *stack)
{
	int error = open_queue(stack);

	if (error == 0) {
		error = open_cache(stack);
		if (error == 0)
			open_files(stack);
		else if (!stack->ground->stays)
			close_queue(stack);
	}
	return error;
}

void stack_close(struct stack *stack)
{
	for (uint32_t i = 0; i < HANDLES; i++)
		mpio_file_close(&stack->handles[i].file);
	for (uint32_t i = 0; i < FILES; i++)
		check(mpio_cache_detach(&stack->files[i].cached,
					stack->queue) == 0);
	mpio_cache_close(stack->cache);
	stack->cache = NULL;
	if (!stack->ground->stays)
		close_queue(stack);
}

void stack_free(struct stack *stack)
{
	if (stack->queue != NULL)
		close_queue(stack);
	check(stack->blocks == 0);
}

void stack_settle(struct stack *stack)
{
	int error = mpio_queue_drain(stack->queue);

	for (uint32_t i = 0; i < PATIENCE && error != 0; i++)
		error = mpio_queue_drain(stack->queue);
	check(error == 0);
}

void stack_forgive(struct stack *stack)
{
	stack->ground->lift();
	stack->blow.mishap = NULL;
	stack->room = UINT32_MAX;
}

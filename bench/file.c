/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench file-read and file-sync: bytes of a file through the file layer
 * and the cache, on a real device.
 */
#include "transfer.h"

#include <mpio/file.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHE_DEFAULT (UINT64_C(64) << 20)
#define READ_DEFAULT (UINT64_C(64) << 10)

struct stack {
	struct mpio_cache_mapping cached; /* first */
	struct transfer_options *options;
	struct map map;
	struct mpio_device *device;
	struct mpio_allocator allocator;
	struct mpio_queue *queue;
	struct mpio_frames frames;
	struct mpio_cache *cache;
	struct mpio_file file;
};

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const struct stack *stack = mapping->host;
	uint64_t length;

	(void)page;
	(void)flags;
	extent->block =
		map_find(&stack->map, block * PAGE_SIZE, &length) / PAGE_SIZE;
	if (extent->count > length / PAGE_SIZE)
		extent->count = length / PAGE_SIZE;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static const struct mpio_mapping_ops stack_ops = {.get_block = get_block};

/* ---- Around it ---------------------------------------------------------- */

/** Half of the file is to be dirty: room for that, and some more. */
static uint64_t cache_for_dirty(const struct transfer_options *options)
{
	uint64_t pages = options->size / PAGE_SIZE;

	return (pages / 4 * 3 + 256) * PAGE_SIZE;
}

static int cache_open(struct stack *stack)
{
	uint64_t frames = stack->options->pool / PAGE_SIZE;
	struct mpio_cache_config config = {
		.page_size = PAGE_SIZE,
		.frame_count = (uint32_t)frames,
		.node_count = (uint32_t)frames, /* pages may lie anywhere */
		.limit_percent = 100,
		.allocator = &stack->allocator,
	};
	int error =
		mpio_frames_alloc(&stack->frames, PAGE_SIZE, (size_t)frames);

	if (error != 0)
		return error;
	/* Touched before anything is measured, as that of the pool. */
	for (size_t i = 0; i < stack->frames.length; i += PAGE_SIZE)
		stack->frames.base[i] = 1;
	config.frame_memory = stack->frames.base;
	return mpio_cache_open(&config, &stack->cache);
}

static int queue_open(struct stack *stack)
{
	const struct transfer_options *options = stack->options;
	struct mpio_queue_config config = {
		.bios = 2 * (uint32_t)options->depth,
		.in_flight_max = (uint32_t)options->depth,
		.segments_max = (uint32_t)options->pieces,
		.allocator = &stack->allocator,
	};
	int error = mpio_queue_open(stack->device, &config, &stack->queue);

	if (error == 0 && options->announce)
		error = mpio_queue_register_memory(
			stack->queue, stack->frames.base, stack->frames.length);
	return error;
}

static int stack_open(struct stack *stack)
{
	struct transfer_options *options = stack->options;
	struct mpio_file_config config = {
		.readahead_max = (uint32_t)options->window,
		.straight_min = UINT32_MAX,
	};
	int error = mpio_device_open(options->device, &stack->device);

	if (error != 0)
		return error;
	if (options->size == 0 || options->size > stack->device->size)
		options->size = stack->device->size;
	if (options->pool == 0)
		options->pool = options->write ? cache_for_dirty(options)
					       : CACHE_DEFAULT;
	if (!map_open(&stack->map, options))
		return -MPIO_ENOMEM;
	if ((error = cache_open(stack)) != 0 ||
	    (error = queue_open(stack)) != 0)
		return error;
	stack->cached.mapping.size = stack->map.size;
	error = mpio_cache_attach(stack->cache, &stack->cached);
	return error != 0 ? error
			  : mpio_file_open(&stack->file, &stack->cached,
					   stack->queue, &config);
}

static void stack_close(struct stack *stack)
{
	if (stack->file.mapping != NULL) {
		mpio_file_close(&stack->file);
		(void)mpio_cache_drop(&stack->cached, stack->queue, 0,
				      UINT64_MAX);
		(void)mpio_cache_detach(&stack->cached, stack->queue);
	}
	mpio_queue_close(stack->queue);
	mpio_cache_close(stack->cache);
	mpio_frames_free(&stack->frames);
	map_close(&stack->map);
	mpio_device_close(stack->device);
}

static void note(const struct stack *stack, uint64_t bytes,
		 struct transfer_result *result)
{
	const struct mpio_stats *stats = mpio_queue_stats(stack->queue);
	const struct mpio_plan_limits *limits = mpio_queue_limits(stack->queue);

	result->bytes = bytes;
	result->ios = stats->reads + stats->writes;
	result->pieces = stats->segments;
	result->pieces_max = limits->pieces_max;
	result->io_max = limits->bytes_max;
	result->memory = stack->frames.kind;
}

/** A command: open, do, close, print; `bytes` that were moved, or an error. */
static int run(struct transfer_options *options, int argc, char **argv,
	       int64_t (*work)(struct stack *, struct transfer_result *))
{
	struct transfer_result result = {0};
	struct stack stack = {
		.options = options,
		.cached.mapping = {.ops = &stack_ops,
				   .host = &stack,
				   .block_size = PAGE_SIZE},
		.allocator = mpio_allocator_libc(),
	};
	int64_t bytes;

	bytes = stack_open(&stack);
	if (bytes == 0)
		bytes = work(&stack, &result);
	if (bytes > 0) {
		note(&stack, (uint64_t)bytes, &result);
		transfer_print(argv[0], options, &result);
	} else {
		fprintf(stderr, "mpio-bench: %s\n",
			bytes < 0 ? mpio_strerror((int)bytes) : "no bytes");
	}
	(void)argc;
	stack_close(&stack);
	return bytes > 0 ? BENCH_OK : BENCH_FAILED;
}

/* ---- Reading ------------------------------------------------------------ */

static bool are_good(const struct stack *stack, const unsigned char *bytes,
		     uint64_t pos, uint64_t length)
{
	uint64_t rest;

	for (uint64_t i = 0; i < length; i += PAGE_SIZE) {
		if (!map_check(bytes + i,
			       map_find(&stack->map, pos + i, &rest)))
			return false;
	}
	return true;
}

static int64_t read_all(struct stack *stack, struct transfer_result *result)
{
	uint64_t piece = stack->options->io;
	unsigned char *bytes = malloc((size_t)piece);
	uint64_t pos = 0;
	int64_t n = bytes != NULL ? 1 : -MPIO_ENOMEM;

	transfer_clock(result, true);
	while (n > 0 && pos < stack->map.size) {
		n = mpio_file_read(&stack->file, bytes, (size_t)piece, pos);
		if (n > 0 && stack->options->verify &&
		    !are_good(stack, bytes, pos, (uint64_t)n))
			n = -MPIO_EIO;
		pos += n > 0 ? (uint64_t)n : 0;
	}
	transfer_clock(result, false);
	free(bytes);
	return n > 0 ? (int64_t)pos : n;
}

int bench_file_read(int argc, char **argv)
{
	struct transfer_options options = {.io = READ_DEFAULT};
	int code = transfer_options_parse(&options, argc, argv);

	if (code != -1)
		return code;
	return run(&options, argc, argv, read_all);
}

/* ---- Sync --------------------------------------------------------------- */

static int64_t sync_dirty(struct stack *stack, struct transfer_result *result)
{
	size_t count = 0;
	uint32_t *numbers = transfer_dirty(stack->options,
					   stack->map.size / PAGE_SIZE, &count);
	static unsigned char page[PAGE_SIZE];
	int64_t n = numbers != NULL ? (int64_t)PAGE_SIZE : -MPIO_ENOMEM;
	uint64_t rest;

	for (size_t i = 0; i < count && n == PAGE_SIZE; i++) {
		uint64_t pos = (uint64_t)numbers[i] * PAGE_SIZE;

		map_fill(page, map_find(&stack->map, pos, &rest));
		n = mpio_file_write(&stack->file, page, PAGE_SIZE, pos);
	}
	free(numbers);
	if (n != PAGE_SIZE)
		return n < 0 ? n : -MPIO_EIO;
	transfer_clock(result, true);
	n = mpio_file_sync(&stack->file);
	transfer_clock(result, false);
	return n != 0 ? n : (int64_t)count * PAGE_SIZE;
}

int bench_file_sync(int argc, char **argv)
{
	struct transfer_options options = {.write = true};
	int code = transfer_options_parse(&options, argc, argv);

	if (code != -1)
		return code;
	return run(&options, argc, argv, sync_dirty);
}

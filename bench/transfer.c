/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench read and write: a file's pages through the library, from or to a
 * real device.
 *
 * The engine is the least one that keeps a device busy. While there are free
 * frames it hands in the next window of pages; the library itself waits while
 * `depth` I/Os are on the device; frames come back in read_end and write_end,
 * which run meanwhile. A window is a few I/Os long, and a whole number of them,
 * since its end always ends an I/O.
 *
 * Every page is watched: it must come back once, without an error, in the
 * right state, and, if that is asked for, with the right bytes.
 */
#include "transfer.h"

#include <mpio/mpio.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/** A window is not longer than so many pages, or one I/O: their descriptors are
 * to stay in the processor's cache from assign() until the library has them. */
#define WINDOW_PAGES 256u
/** A page's descriptor is to lie in one of the processor's, not in two. */
#define CACHE_LINE 64

struct engine {
	struct mpio_mapping mapping;
	const struct transfer_options *options;
	struct mpio_device *device;
	struct mpio_allocator allocator;
	struct mpio_queue *queue;
	struct map map;
	struct pool pool;
	struct mpio_page *pages;   /* one a frame */
	struct mpio_page **window; /* in ascending position */
	size_t window_count;
	size_t io_pages;  /* in the largest I/O */
	uint64_t started; /* pages */
	uint64_t ended;
	uint64_t wrong; /* ended with an error, in a wrong state, twice, or
			 * with wrong bytes */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- The mapping's operations ------------------------------------------ */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const struct engine *engine = mapping->host;
	uint64_t length;

	(void)page;
	(void)flags;
	extent->block =
		map_find(&engine->map, block * PAGE_SIZE, &length) / PAGE_SIZE;
	if (extent->count > length / PAGE_SIZE)
		extent->count = length / PAGE_SIZE;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

/** Where a page lies on the device. */
static uint64_t offset_of(const struct engine *engine,
			  const struct mpio_page *page)
{
	uint64_t length;

	return map_find(&engine->map, page->pos, &length);
}

static void take_back(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	const uint32_t mask = MPIO_PAGE_LOCKED | MPIO_PAGE_UPTODATE |
			      MPIO_PAGE_DIRTY | MPIO_PAGE_WRITEBACK |
			      MPIO_PAGE_ERROR;
	struct engine *engine = mapping->host;
	bool good = status == 0 && (page->flags & mask) == MPIO_PAGE_UPTODATE;

	engine->ended++;
	if (good && engine->options->verify && !engine->options->write)
		good = map_check(page->data, offset_of(engine, page));
	engine->wrong += !good;
	page->flags = 0; /* so that a second end is noticed */
	pool_put(&engine->pool, (size_t)(page - engine->pages));
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	const struct engine *engine = mapping->host;
	uint64_t first = engine->window[0]->pos;
	size_t i = pos > first ? (size_t)((pos - first) / PAGE_SIZE) : 0;
	size_t n = 0;

	for (; i < engine->window_count && n < pages_max; i++) {
		struct mpio_page *page = engine->window[i];

		if (page->pos >= end)
			break;
		if ((page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static const struct mpio_mapping_ops engine_ops = {
	.get_block = get_block,
	.read_end = take_back,
	.write_end = take_back,
	.next_dirty = next_dirty,
};

/* ---- What is measured --------------------------------------------------- */

/** Give a frame to a page of the file. */
static void assign(struct engine *engine, size_t frame)
{
	struct mpio_page *page = &engine->pages[frame];
	bool write = engine->options->write;

	page->pos = engine->started++ * PAGE_SIZE;
	page->flags =
		write ? MPIO_PAGE_DIRTY | MPIO_PAGE_UPTODATE : MPIO_PAGE_LOCKED;
	if (write && engine->options->verify)
		map_fill(page->data, offset_of(engine, page));
	engine->window[engine->window_count++] = page;
}

/** How many pages the next window has; 0: not even an I/O's frames are free. */
static size_t window_size(const struct engine *engine)
{
	uint64_t left = engine->map.size / PAGE_SIZE - engine->started;
	size_t size = least(pool_free_pages(&engine->pool),
			    most(WINDOW_PAGES, engine->io_pages));

	if (left <= size)
		return (size_t)left;
	return size - size % engine->io_pages;
}

static void window_fill(struct engine *engine, size_t size)
{
	engine->window_count = 0;
	while (engine->window_count < size) {
		size_t left = size - engine->window_count;
		size_t first = pool_take(&engine->pool, left);

		__builtin_prefetch(&engine->pages[pool_next(&engine->pool)], 1);

		if (left > engine->pool.run_pages)
			left = engine->pool.run_pages;
		for (size_t i = 0; i < left; i++)
			assign(engine, first + i);
	}
}

/** Bios may run out before frames do: then wait for some. */
static int window_read(struct engine *engine)
{
	size_t done = 0;

	while (done < engine->window_count) {
		int taken = mpio_readahead(
			engine->queue, &engine->mapping, engine->window + done,
			engine->window_count - done, MPIO_READ_AHEAD);

		if (taken == 0)
			taken = mpio_queue_wait(engine->queue) > 0 ? 0 : -1;
		if (taken < 0)
			return taken;
		done += (size_t)taken;
	}
	return 0;
}

static int window_write(struct engine *engine)
{
	const struct mpio_page *last = engine->window[engine->window_count - 1];
	struct mpio_writeback_control wbc = {
		.nr_to_write = MPIO_WRITE_ALL,
		.range_start = engine->window[0]->pos,
		.range_end = last->pos + PAGE_SIZE - 1,
	};

	return mpio_writepages(engine->queue, &engine->mapping, &wbc);
}

static int transfer_all(struct engine *engine)
{
	uint64_t count = engine->map.size / PAGE_SIZE;
	int error = 0;

	while (engine->started < count && error == 0) {
		size_t size = window_size(engine);

		if (size == 0) {
			error = mpio_queue_wait(engine->queue) > 0 ? 0 : -1;
			continue;
		}
		window_fill(engine, size);
		error = engine->options->write ? window_write(engine)
					       : window_read(engine);
	}
	if (error == 0)
		error = mpio_queue_drain(engine->queue);
	if (error == 0 && engine->options->write)
		error = mpio_queue_flush(engine->queue);
	return error;
}

/* ---- Around it ---------------------------------------------------------- */

/** How many pages the largest I/O has: windows are made of such. */
static size_t find_io_pages(const struct engine *engine)
{
	const struct mpio_plan_limits *limits =
		mpio_queue_limits(engine->queue);
	size_t pages = limits->bytes_max / PAGE_SIZE;

	pages = least(pages, limits->segments_max);
	pages = least(pages, limits->pieces_max * engine->pool.run_pages);
	pages = least(pages, engine->pool.frames.count / 2);
	return pages == 0 ? 1 : pages;
}

static bool queue_open(struct engine *engine)
{
	const struct transfer_options *options = engine->options;
	uint32_t depth = (uint32_t)options->depth;
	uint32_t io = options->one ? PAGE_SIZE : (uint32_t)options->io;
	const struct mpio_queue_config config = {
		.bios = 2 * depth,
		.in_flight_max = depth,
		.segments_max = (uint32_t)options->pieces,
		.pages_max = io / PAGE_SIZE,
		.bytes_max = io,
		.allocator = &engine->allocator,
	};
	int error = mpio_queue_open(engine->device, &config, &engine->queue);

	if (error == 0 && options->announce)
		error = mpio_queue_register_memory(engine->queue,
						   engine->pool.frames.base,
						   engine->pool.frames.length);
	if (error != 0)
		fprintf(stderr, "mpio-bench: queue: %s\n",
			mpio_strerror(error));
	return error == 0;
}

static bool memory_open(struct engine *engine)
{
	void *pages;
	size_t count;

	if (!pool_open(&engine->pool, engine->options))
		return false;
	count = engine->pool.frames.count;
	engine->window = calloc(count, sizeof(struct mpio_page *));
	if (engine->window == NULL ||
	    posix_memalign(&pages, CACHE_LINE, count * sizeof(*engine->pages)))
		return false;
	engine->pages = pages;
	for (size_t i = 0; i < count; i++)
		mpio_page_init(&engine->pages[i], &engine->mapping, 0,
			       pool_data(&engine->pool, i), PAGE_SIZE);
	return true;
}

static bool engine_open(struct engine *engine, struct transfer_options *options)
{
	int error = mpio_device_open(options->device, &engine->device);

	if (error != 0) {
		fprintf(stderr, "mpio-bench: %s: %s\n", options->device,
			mpio_strerror(error));
		return false;
	}
	if (options->size == 0 || options->size > engine->device->size)
		options->size = engine->device->size;
	if (!map_open(&engine->map, options) || !memory_open(engine) ||
	    !queue_open(engine))
		return false;
	engine->mapping.size = engine->map.size;
	engine->io_pages = find_io_pages(engine);
	return true;
}

static void engine_close(struct engine *engine)
{
	mpio_queue_close(engine->queue);
	free(engine->window);
	free(engine->pages);
	pool_close(&engine->pool);
	map_close(&engine->map);
	mpio_device_close(engine->device);
}

static void note(const struct engine *engine, struct transfer_result *result)
{
	const struct mpio_stats *stats = mpio_queue_stats(engine->queue);
	const struct mpio_plan_limits *limits =
		mpio_queue_limits(engine->queue);

	/* Gaps that were read across are no bytes of the file. */
	result->bytes =
		stats->bytes_read - stats->bytes_wasted + stats->bytes_written;
	result->ios = stats->reads + stats->writes;
	result->pieces = stats->segments;
	result->pieces_max = limits->pieces_max;
	result->io_max = limits->bytes_max;
	result->memory = engine->pool.frames.kind;
}

static bool is_good(const struct engine *engine, int error,
		    const struct transfer_result *result)
{
	uint64_t count = engine->map.size / PAGE_SIZE;

	if (error == 0 && engine->ended == count && engine->wrong == 0 &&
	    result->bytes == engine->map.size)
		return true;
	fprintf(stderr,
		"mpio-bench: %s; of %" PRIu64 " pages %" PRIu64
		" ended, %" PRIu64 " of them badly; %" PRIu64 " bytes\n",
		error == 0 ? "no error" : mpio_strerror(error), count,
		engine->ended, engine->wrong, result->bytes);
	return false;
}

static int run(struct transfer_options *options, int argc, char **argv)
{
	struct transfer_result result = {0};
	struct engine engine = {
		.mapping = {.ops = &engine_ops,
			    .host = &engine,
			    .block_size = PAGE_SIZE},
		.options = options,
		.allocator = mpio_allocator_libc(),
	};
	int code = transfer_options_parse(options, argc, argv);
	int error;

	if (code != -1)
		return code;
	code = BENCH_FAILED;
	if (engine_open(&engine, options)) {
		transfer_clock(&result, true);
		error = transfer_all(&engine);
		transfer_clock(&result, false);
		note(&engine, &result);
		if (is_good(&engine, error, &result)) {
			transfer_print(argv[0], options, &result);
			code = BENCH_OK;
		}
	}
	engine_close(&engine);
	return code;
}

int bench_read(int argc, char **argv)
{
	struct transfer_options options = {.write = false};

	return run(&options, argc, argv);
}

int bench_write(int argc, char **argv)
{
	struct transfer_options options = {.write = true};

	return run(&options, argc, argv);
}

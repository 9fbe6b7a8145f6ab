/* SPDX-License-Identifier: MIT */
/*
 * Reader: the bytes of a file, as pages through libmpio.
 *
 * This is the engine of the tool, and a small one: its buffer pool is a ring
 * of windows of page frames, used again and again. While the oldest one is
 * consumed the others are on their way, if the device can do that:
 *
 *     start A, B, C | wait A, consume A, start A | wait B, consume B, ...
 *
 * A device that works at once gets one window, which is then still in the
 * processor's cache when it is consumed. All frames lie in one run of memory.
 *
 * A window is handed in with one call of mpio_readahead(). Where the map says
 * that nothing is to be read for a whole window or more (a long hole, or a
 * damaged part of the map), no pages are spent on it.
 *
 * A page that cannot be read costs that page: the reader tells where it lies,
 * once for a run of such pages, and goes on.
 */
#include "extfs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Less than this is not made of huge pages. */
#define HUGE_PAGE ((size_t)2 << 20)

static struct frame *frame_of(struct mpio_page *page)
{
	return (struct frame *)(void *)((char *)page -
					offsetof(struct frame, page));
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const struct map *map = mapping->host;
	int status = map_get_block(mapping, page, block, flags, extent);

	if (status)
		frame_of(page)->trouble.detail = map->error;
	return status;
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct frame *frame = frame_of(page);

	(void)mapping;
	frame->trouble.status = status;
	frame->window->pending--;
}

static const struct mpio_mapping_ops reader_ops = {
	.get_block = get_block,
	.read_end = read_end,
};

/* Open and close. */

static int window_open(struct window *window, size_t pages)
{
	size_t i;

	window->frames = calloc(pages, sizeof(*window->frames));
	window->pages = calloc(pages, sizeof(struct mpio_page *));
	if (!window->frames || !window->pages)
		return -MPIO_ENOMEM;
	for (i = 0; i < pages; i++) {
		window->frames[i].window = window;
		window->pages[i] = &window->frames[i].page;
	}
	return 0;
}

static int windows_open(struct reader *reader, size_t count)
{
	size_t pages = reader->window_pages, i;
	int status;

	reader->windows = calloc(count, sizeof(*reader->windows));
	if (!reader->windows || count > SIZE_MAX / pages)
		return -MPIO_ENOMEM;
	reader->window_count = count;
	status = mpio_frames_alloc(&reader->memory, reader->page_size,
				   count * pages);
	for (i = 0; i < count && !status; i++) {
		reader->windows[i].memory =
			reader->memory.base + i * pages * reader->page_size;
		status = window_open(&reader->windows[i], pages);
	}
	return status;
}

static int queue_open(struct reader *reader, struct mpio_device *device,
		      const struct options *options)
{
	struct mpio_queue_config config = {
		.bios = options->depth > 32 ? options->depth : 0,
		.in_flight_max = options->depth,
		.bytes_max = options->io_bytes,
		.gap_bytes = options->gap_bytes,
		.flags = options->no_gaps ? MPIO_QUEUE_NO_GAPS : 0,
	};
	const struct mpio_frames *frames = &reader->memory;
	struct mpio_frames *memory = &reader->queue_memory;
	int status;

	if (reader->cached.cache)
		frames = &reader->cached.memory;

	/*
	 * The disk writes into some of it, too: what lies in gaps. So the
	 * queue gets memory in one run, of a huge page if that can be had.
	 */
	config.memory_size = mpio_queue_size(device, &config);
	if (config.memory_size == 0)
		return -MPIO_EINVAL;
	status = mpio_frames_alloc(memory, HUGE_PAGE,
				   (config.memory_size - 1) / HUGE_PAGE + 1);
	if (status)
		return status;
	config.memory = memory->base;
	status = mpio_queue_open(device, &config, &reader->queue);
	if (status)
		return status;
	return mpio_queue_register_memory(reader->queue, frames->base,
					  frames->length);
}

int reader_open(struct reader *reader, struct mpio_device *device,
		uint32_t block_size, const struct options *options,
		struct report *report)
{
	/* One window is consumed while as many as the depth are in flight. */
	size_t windows = device->ops.reap ? (size_t)options->depth + 1 : 1;
	int status;

	memset(reader, 0, sizeof(*reader));
	reader->report = report;
	reader->page_size = block_size > 4096 ? block_size : 4096;
	reader->page_at_a_time = options->page_at_a_time;
	reader->window_pages = (size_t)(options->window / reader->page_size);
	if (reader->window_pages == 0)
		reader->window_pages = 1;
	reader->mapping.ops = &reader_ops;
	reader->mapping.block_size = block_size;
	if (options->cache)
		status = cached_open(&reader->cached, reader->page_size,
				     options);
	else
		status = windows_open(reader, windows);
	if (!status)
		status = queue_open(reader, device, options);
	if (!status)
		return DONE;
	report_problem(report, NULL, "cannot set up the reading: %s",
		       mpio_strerror(status));
	reader_close(reader);
	return NO_IMAGE;
}

void reader_close(struct reader *reader)
{
	size_t i;

	mpio_queue_close(reader->queue);
	reader->queue = NULL;
	cached_close(&reader->cached, reader->broken);
	/* What a device that gave up still does is done to this memory. */
	if (!reader->broken) {
		mpio_frames_free(&reader->memory);
		mpio_frames_free(&reader->queue_memory);
	}
	for (i = 0; i < reader->window_count; i++) {
		free(reader->windows[i].frames);
		free(reader->windows[i].pages);
	}
	free(reader->windows);
	reader->windows = NULL;
	reader->window_count = 0;
}

/* Start a window. */

/* Blocks from `block` on that need no I/O, all for the same reason; or 0. */
static uint64_t blocks_without_io(struct map *map, uint64_t block,
				  struct trouble *trouble)
{
	struct mpio_extent extent = {.count = map->blocks - block};

	trouble->status = map_find(map, block, &extent);
	trouble->detail = trouble->status ? map->error : 0;
	if (!trouble->status && extent.flags != 0 &&
	    !(extent.flags & MPIO_EXTENT_UNWRITTEN))
		return 0;
	return extent.count;
}

uint64_t nothing_to_read(struct reader *reader, uint64_t pos,
			 struct trouble *trouble)
{
	struct map *map = reader->mapping.host;
	uint64_t first = pos / reader->mapping.block_size;
	uint64_t block = first, length, count;
	struct trouble next;

	count = blocks_without_io(map, block, trouble);
	do {
		block += count;
		if (block >= map->blocks)
			return reader->mapping.size - pos;
		count = count ? blocks_without_io(map, block, &next) : 0;
	} while (count && same_trouble(&next, trouble));
	length = (block - first) * reader->mapping.block_size;
	return length - length % reader->page_size;
}

/* The library did not take the pages from the i-th on. */
static void refuse(struct window *window, size_t i, int status)
{
	for (; i < window->count; i++) {
		window->frames[i].trouble.status = status;
		window->pending--;
	}
}

static void hand_in(struct reader *reader, struct window *window)
{
	int status = 0;
	size_t i;

	if (!reader->page_at_a_time) {
		status = mpio_readahead(reader->queue, &reader->mapping,
					window->pages, window->count, 0);
		if (status < 0)
			refuse(window, 0, status);
		else
			refuse(window, (size_t)status, -MPIO_EINVAL);
		return;
	}
	for (i = 0; i < window->count && !status; i++) {
		status = mpio_read_page(reader->queue, &reader->mapping,
					window->pages[i]);
		if (status)
			refuse(window, i, status);
	}
}

static void prepare(struct reader *reader, struct window *window, size_t i)
{
	struct frame *frame = &window->frames[i];
	uint64_t offset = (uint64_t)i * reader->page_size;

	mpio_page_init(&frame->page, &reader->mapping, window->pos + offset,
		       window->memory + offset, reader->page_size);
	frame->page.flags |= MPIO_PAGE_LOCKED;
	frame->trouble = (struct trouble){.status = -MPIO_EIO};
}

/* Start to read at `pos`; gives where the window ends. */
static uint64_t start(struct reader *reader, struct window *window,
		      uint64_t pos)
{
	uint64_t left = reader->mapping.size - pos;
	uint64_t room = (uint64_t)reader->window_pages * reader->page_size;
	double began = now();
	size_t i;

	window->pos = pos;
	window->count = 0;
	window->length = nothing_to_read(reader, pos, &window->trouble);
	if (window->length < room && window->length < left) {
		window->length = left < room ? left : room;
		window->count =
			(size_t)((window->length - 1) / reader->page_size + 1);
		window->pending = window->count;
		for (i = 0; i < window->count; i++)
			prepare(reader, window, i);
		hand_in(reader, window);
	}
	reader->seconds += now() - began;
	return pos + window->length;
}

/* Consume a window. */

/* A page with holes, and nothing but zeros, may be left out of a file. */
static enum kind kind_of(const struct frame *frame)
{
	if (frame->trouble.status)
		return KIND_BAD;
	if (!(frame->page.flags & MPIO_PAGE_MAPPED) &&
	    all_zero(frame->page.data, frame->page.size))
		return KIND_ZEROS;
	return KIND_DATA;
}

/* Pages of one kind go to the sink together. Gives the page after them. */
static size_t gather(const struct window *window, size_t i, struct run *run)
{
	const struct frame *frame = &window->frames[i];
	uint64_t left;

	run->kind = kind_of(frame);
	run->pos = frame->page.pos;
	run->data = frame->page.data;
	run->trouble = &frame->trouble;
	run->length = 0;
	do {
		run->length += frame->page.size;
		frame++;
	} while (++i < window->count && kind_of(frame) == run->kind &&
		 same_trouble(&frame->trouble, run->trouble));
	left = window->length - (run->pos - window->pos);
	if (run->length > left)
		run->length = left;
	return i;
}

/* Gives the first thing that went wrong. */
static int consume(struct reader *reader, const struct window *window,
		   const struct sink *sink, bool *stop)
{
	struct run run = {.kind = KIND_ZEROS,
			  .pos = window->pos,
			  .length = window->length,
			  .trouble = &window->trouble};
	int first = DONE, code;
	size_t i = 0;

	if (window->count == 0) {
		if (window->trouble.status)
			run.kind = KIND_BAD;
		first = give(reader, sink, &run, stop);
	}
	while (i < window->count && !*stop) {
		i = gather(window, i, &run);
		code = give(reader, sink, &run, stop);
		first = first ? first : code;
	}
	report_progress(reader->report, window->length);
	return first;
}

void reader_gave_up(struct reader *reader, int status)
{
	report_problem(reader->report, NULL, "the device gave up: %s",
		       mpio_strerror(status));
	reader->broken = true;
}

/* Wait until no page of a window is on its way. */
static void wait_for(struct reader *reader, struct window *window)
{
	double began = now();
	int status;

	while (window->pending > 0 && !reader->broken) {
		status = mpio_queue_wait(reader->queue);
		if (status <= 0)
			reader_gave_up(reader, status ? status : -MPIO_EIO);
	}
	reader->seconds += now() - began;
}

/* Give windows to the sink, in order, while those behind are on their way. */
static int read_windows(struct reader *reader, const struct sink *sink)
{
	size_t count = reader->window_count;
	uint64_t size = reader->mapping.size, pos = 0;
	uint64_t started = 0, consumed = 0;
	int first = DONE, code;
	bool stop = false;

	while (!stop && !reader->broken) {
		struct window *window = &reader->windows[consumed % count];

		for (; pos < size && started - consumed < count; started++)
			pos = start(reader, &reader->windows[started % count],
				    pos);
		if (started == consumed)
			break;
		wait_for(reader, window);
		if (reader->broken)
			break;
		code = consume(reader, window, sink, &stop);
		first = first ? first : code;
		consumed++;
	}
	return first;
}

int reader_read(struct reader *reader, struct map *map, const struct sink *sink)
{
	int first;
	size_t i;

	if (reader->broken)
		return IO_ERROR;
	reader->mapping.host = map;
	reader->mapping.size = map->node->size;
	if (reader->cached.cache)
		first = cached_read(reader, sink);
	else
		first = read_windows(reader, sink);
	for (i = 0; i < reader->window_count; i++)
		wait_for(reader, &reader->windows[i]);
	bad_end(reader, sink->path);
	return reader->broken ? IO_ERROR : first;
}

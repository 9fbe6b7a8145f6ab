/* SPDX-License-Identifier: MIT */
/*
 * Cached: the bytes of a file through libmpio's cache and file layer.
 *
 * This is the same engine with the pages left to the library: one cache for
 * the whole run, to which each file is attached while it is read. What is read
 * ahead, and when, is then the file layer's to say, and nothing is left here
 * but calls of mpio_file_read(), a buffer at a time.
 *
 * The file layer gives bytes, and no word of where they came from. What only
 * the map can tell is asked of a second one, which is where the reading is,
 * while the first one is ahead of it, and each goes forward:
 *
 *     bytes  |== read ==|-- on their way --|
 *                       ^ holes, damage    ^ get_block
 */
#include "extfs.h"

#include <mpio/open.h>
#include <string.h>

/* What is read by one call; it is still in the processor's cache then. */
#define BUFFER_MAX ((uint64_t)256 << 10)

/* Open and close. */

static int cache_open(struct cached *cached, uint32_t page_size, size_t pages)
{
	struct mpio_cache_config config = {
		.page_size = page_size,
		.frame_count = (uint32_t)pages,
		.frame_memory = cached->memory.base,
		.allocator = &cached->allocator,
	};

	cached->allocator = mpio_allocator_libc();
	return mpio_cache_open(&config, &cached->cache);
}

int cached_open(struct cached *cached, uint32_t page_size,
		const struct options *options)
{
	size_t pages = (size_t)(options->cache / page_size);
	size_t room = (size_t)(options->window < BUFFER_MAX ? options->window
							    : BUFFER_MAX);
	int status;

	if (pages == 0)
		pages = 1;
	room = room > page_size ? room / page_size : 1;
	cached->config.readahead_max = (uint32_t)options->window;
	cached->room = room * page_size;
	/* The buffer lies behind the frames. */
	status = mpio_frames_alloc(&cached->memory, page_size, pages + room);
	if (status)
		return status;
	cached->buffer = cached->memory.base + pages * page_size;
	return cache_open(cached, page_size, pages);
}

void cached_close(struct cached *cached, bool broken)
{
	mpio_cache_close(cached->cache);
	cached->cache = NULL;
	if (!broken)
		mpio_frames_free(&cached->memory);
}

static const struct mpio_mapping_ops cached_ops = {.get_block = map_get_block};

/* The map of the reader's mapping stays behind; another one answers. */
static int file_open(struct reader *reader, const char *path)
{
	const struct map *map = reader->mapping.host;
	struct cached *cached = &reader->cached;
	int code, status;

	code = map_open(&cached->map, map->image, map->node, path);
	if (code)
		return code;
	memset(&cached->mapping, 0, sizeof(cached->mapping));
	cached->mapping.mapping = (struct mpio_mapping){
		.ops = &cached_ops,
		.host = &cached->map,
		.size = reader->mapping.size,
		.block_size = reader->mapping.block_size,
	};
	status = mpio_cache_attach(cached->cache, &cached->mapping);
	if (status) {
		map_close(&cached->map);
		report_problem(reader->report, path, "cannot be cached: %s",
			       mpio_strerror(status));
		return IO_ERROR;
	}
	/* Cannot fail: the sizes fit together. */
	(void)mpio_file_open(&cached->file, &cached->mapping, reader->queue,
			     &cached->config);
	return DONE;
}

static void file_close(struct reader *reader)
{
	struct cached *cached = &reader->cached;
	struct mpio_file_stats stats = mpio_file_stats(&cached->file);
	int status;

	cached->stats.ahead += stats.ahead;
	cached->stats.wanted += stats.wanted;
	cached->stats.windows += stats.windows;
	cached->stats.straight += stats.straight;
	mpio_file_close(&cached->file);
	/* Waits for what was read ahead. */
	status = mpio_cache_detach(&cached->mapping, reader->queue);
	if (status)
		reader_gave_up(reader, status);
	map_close(&cached->map);
}

/* Read. */

/* All of a range, into the buffer; or why that cannot be. */
static int read_range(struct reader *reader, uint64_t pos, uint64_t length)
{
	struct cached *cached = &reader->cached;
	double began = now();
	uint64_t done = 0;
	int64_t n = 1;

	while (done < length && n > 0) {
		n = mpio_file_read(&cached->file, cached->buffer + done,
				   (size_t)(length - done), pos + done);
		if (n > 0)
			done += (uint64_t)n;
	}
	reader->seconds += now() - began;
	if (done == length)
		return 0;
	return n < 0 ? (int)n : -MPIO_EIO;
}

/* Whether a hole, or an unwritten extent, lies in a range. */
static bool has_hole(struct reader *reader, uint64_t pos, uint64_t length)
{
	uint32_t block_size = reader->mapping.block_size;
	uint64_t block = pos / block_size;
	uint64_t end = (pos + length - 1) / block_size + 1;
	struct mpio_extent extent;

	for (; block < end; block += extent.count) {
		extent = (struct mpio_extent){.count = end - block};
		if (map_find(reader->mapping.host, block, &extent) ||
		    !(extent.flags & MPIO_EXTENT_MAPPED) ||
		    (extent.flags & MPIO_EXTENT_UNWRITTEN))
			return true;
	}
	return false;
}

/* What the map has to say of bytes that could not be read. */
static struct trouble trouble_of(struct reader *reader, uint64_t pos,
				 uint64_t length, int status)
{
	struct trouble trouble = {.status = status};
	struct map *map = reader->mapping.host;
	uint32_t block_size = reader->mapping.block_size;
	uint64_t block = pos / block_size;
	uint64_t end = (pos + length - 1) / block_size + 1;

	for (; block < end && !trouble.detail; block++) {
		struct mpio_extent extent = {.count = 1};

		if (map_find(map, block, &extent))
			trouble.detail = map->error;
	}
	return trouble;
}

/* Gives where the page that a position lies in ends, or the range. */
static uint64_t page_end(const struct reader *reader, uint64_t pos,
			 uint64_t end)
{
	return end - pos > reader->page_size ? pos + reader->page_size : end;
}

/* The bytes of the buffer go to the sink, pages of one kind together. */
static int consume(struct reader *reader, const struct sink *sink, uint64_t pos,
		   uint64_t length, bool *stop)
{
	const unsigned char *data = reader->cached.buffer;
	uint64_t end = pos + length, next;
	struct run run = {.pos = pos, .data = data};
	enum kind kind;
	int code = DONE;

	for (; pos < end && !*stop; pos = next) {
		next = page_end(reader, pos, end);
		kind = KIND_DATA;
		if (all_zero(data, (size_t)(next - pos)) &&
		    has_hole(reader, pos, next - pos))
			kind = KIND_ZEROS;
		if (run.length > 0 && kind != run.kind) {
			code = give(reader, sink, &run, stop);
			run = (struct run){.pos = pos, .data = data};
		}
		run.kind = kind;
		run.length += next - pos;
		data += next - pos;
	}
	return *stop ? code : give(reader, sink, &run, stop);
}

/* A page that cannot be read. */
static int miss(struct reader *reader, const struct sink *sink, uint64_t pos,
		uint64_t length, int status, bool *stop)
{
	struct trouble trouble = trouble_of(reader, pos, length, status);
	struct run run = {.kind = KIND_BAD,
			  .pos = pos,
			  .length = length,
			  .trouble = &trouble};

	/* Or is it the device that does not work any more? */
	status = mpio_queue_drain(reader->queue);
	if (status) {
		reader_gave_up(reader, status);
		*stop = true;
		return IO_ERROR;
	}
	return give(reader, sink, &run, stop);
}

/* Gives the first thing that went wrong. */
static int read_pages(struct reader *reader, const struct sink *sink,
		      uint64_t pos, uint64_t length, bool *stop)
{
	uint64_t end = pos + length, next;
	int first = DONE, code, status;
	bool whole = true; /* as long as nothing fails */

	while (pos < end && !*stop) {
		next = whole ? end : page_end(reader, pos, end);
		status = read_range(reader, pos, next - pos);
		if (status && next - pos > reader->page_size) {
			whole = false;
			continue;
		}
		if (status)
			code = miss(reader, sink, pos, next - pos, status,
				    stop);
		else
			code = consume(reader, sink, pos, next - pos, stop);
		first = first ? first : code;
		pos = next;
	}
	return first;
}

/* The same of bytes for which there is nothing to be read. */
static int skip(struct reader *reader, const struct sink *sink, uint64_t pos,
		uint64_t length, const struct trouble *trouble, bool *stop)
{
	struct run run = {.kind = trouble->status ? KIND_BAD : KIND_ZEROS,
			  .pos = pos,
			  .length = length,
			  .trouble = trouble};

	return give(reader, sink, &run, stop);
}

static int read_file(struct reader *reader, const struct sink *sink)
{
	uint64_t size = reader->mapping.size, room = reader->cached.room;
	uint64_t pos, left, length;
	int first = DONE, code;
	struct trouble trouble;
	bool stop = false;

	for (pos = 0; pos < size && !stop && !reader->broken; pos += length) {
		left = size - pos;
		length = nothing_to_read(reader, pos, &trouble);
		if (length >= room || length >= left) {
			code = skip(reader, sink, pos, length, &trouble, &stop);
		} else {
			length = left < room ? left : room;
			code = read_pages(reader, sink, pos, length, &stop);
		}
		report_progress(reader->report, length);
		first = first ? first : code;
	}
	return first;
}

int cached_read(struct reader *reader, const struct sink *sink)
{
	int code;

	code = file_open(reader, sink->path);
	if (code)
		return code;
	code = read_file(reader, sink);
	file_close(reader);
	return code;
}

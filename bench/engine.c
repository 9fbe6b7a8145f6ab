/* SPDX-License-Identifier: MIT */
/*
 * The engine that `mpio-bench plan` measures the library with: what a storage
 * engine with a buffer pool of its own would write, and no more.
 *
 * A file of N pages of 4 KiB lies on the device in extents of equal length
 * with a gap as long as an extent behind each, so no two of them touch. The
 * device does nothing and ends each bio at once; the pages' memory is only
 * reserved, nobody may touch it. What remains is the library's own work and
 * what a user cannot avoid: to set up and lock or dirty each page, to name the
 * dirty ones, to map blocks, and to take each page back.
 *
 * Nothing is trusted. A page counts when it comes back for the first time and
 * in the right state, and the device counts the bytes.
 */
#include "bench.h"

#include <mpio/mpio.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE_SIZE 4096u

/** What a page must be when it is taken back, of the bits that count. */
#define STATE_MASK                                                             \
	(MPIO_PAGE_LOCKED | MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY |             \
	 MPIO_PAGE_WRITEBACK | MPIO_PAGE_ERROR)

/** A frame of the buffer pool. */
struct frame {
	struct mpio_page page; /* first: a page is cast to its frame */
	uint32_t ended;        /* it was taken back */
};

struct null_device {
	struct mpio_device device; /* first: cast */
	uint32_t bios;
	uint64_t bytes;
	uint32_t vecs;
};

struct engine {
	struct mpio_mapping mapping;
	struct null_device null;
	struct mpio_queue *queue;
	void *queue_memory;
	struct frame *frames;
	size_t frame_count;
	struct mpio_page **batch;
	unsigned char *memory; /* of the pages */
	size_t memory_size;
	size_t stride;        /* from one page's memory to the next one's */
	uint64_t extent_mask; /* blocks; where in its extent a block lies */
	uint64_t ended;       /* pages taken back */
	uint32_t wrong;       /* not 0: with an error, in a wrong state, or for
			       * a second time */
};

/* The device. */

static int null_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	struct null_device *null = (struct null_device *)device;

	(void)channel;
	null->bios++;
	null->bytes += bio->length;
	null->vecs += bio->vec_count;
	mpio_bio_end(bio, 0);
	return 0;
}

/* The mapping's operations. */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const struct engine *engine = mapping->host;
	uint64_t inside = block & engine->extent_mask;
	uint64_t left = engine->extent_mask + 1 - inside;

	(void)page;
	(void)flags;
	/* Extent i begins at block i * length of the file, and at twice that
	 * on the device. */
	extent->block = 2 * block - inside;
	if (extent->count > left)
		extent->count = left;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void take_back(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	struct engine *engine = mapping->host;
	struct frame *frame = (struct frame *)page;
	uint32_t state = page->flags & STATE_MASK;

	engine->wrong |=
		(uint32_t)status | (state ^ MPIO_PAGE_UPTODATE) | frame->ended;
	frame->ended = 1;
	engine->ended++;
}

/** How many pages start before a position. */
static uint64_t pages_before(uint64_t pos)
{
	return pos / PAGE_SIZE + (pos % PAGE_SIZE != 0);
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct engine *engine = mapping->host;
	uint64_t first = pages_before(pos);
	uint64_t last = pages_before(end);
	struct mpio_page **named = pages;
	struct frame *frame, *stop;

	if (last > engine->frame_count)
		last = engine->frame_count;
	if (first >= last || pages_max == 0)
		return 0;
	stop = engine->frames + last;
	for (frame = engine->frames + first; frame < stop; frame++) {
		if ((frame->page.flags & flags) != flags)
			continue;
		*named++ = &frame->page;
		if (named == pages + pages_max)
			break;
	}
	return (size_t)(named - pages);
}

static const struct mpio_mapping_ops engine_ops = {
	.get_block = get_block,
	.read_end = take_back,
	.write_end = take_back,
	.next_dirty = next_dirty,
};

/* What is measured. */

/** Give a fresh frame, which is zeroed memory, to a page of the file. */
static struct mpio_page *frame_assign(struct engine *engine, size_t index,
				      uint32_t flags)
{
	struct mpio_page *page = &engine->frames[index].page;

	page->pos = (uint64_t)index * PAGE_SIZE;
	page->data = engine->memory + index * engine->stride;
	page->size = PAGE_SIZE;
	page->flags = flags;
	page->mapping = &engine->mapping;
	return page;
}

static bool read_all(struct engine *engine, size_t batch_max)
{
	size_t first, i, n;

	for (first = 0; first < engine->frame_count; first += n) {
		n = engine->frame_count - first;
		if (n > batch_max)
			n = batch_max;
		for (i = 0; i < n; i++)
			engine->batch[i] = frame_assign(engine, first + i,
							MPIO_PAGE_LOCKED);
		if (mpio_readahead(engine->queue, &engine->mapping,
				   engine->batch, n,
				   MPIO_READ_AHEAD) != (int)n) {
			fprintf(stderr, "mpio-bench: pages were not taken\n");
			return false;
		}
	}
	return true;
}

static bool write_all(struct engine *engine, bool sync)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = sync ? MPIO_SYNC_ALL : MPIO_SYNC_NONE,
		.reason = sync ? MPIO_REASON_SYNC : MPIO_REASON_BACKGROUND,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	size_t i;
	int error;

	for (i = 0; i < engine->frame_count; i++)
		frame_assign(engine, i, MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY);
	error = mpio_writepages(engine->queue, &engine->mapping, &wbc);
	if (error)
		fprintf(stderr, "mpio-bench: %s\n", mpio_strerror(error));
	return !error;
}

/* Around it. */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool queue_open(struct engine *engine,
		       const struct engine_config *config)
{
	struct mpio_queue_config queue = {
		.walk_pages = (uint32_t)config->batch,
	};

	queue.memory_size = mpio_queue_size(&engine->null.device, &queue);
	queue.memory = engine->queue_memory = malloc(queue.memory_size);
	return queue.memory && mpio_queue_open(&engine->null.device, &queue,
					       &engine->queue) == 0;
}

/** All but the pages, whose set-up is measured. */
static bool engine_open(struct engine *engine,
			const struct engine_config *config)
{
	uint64_t size = (uint64_t)config->pages * PAGE_SIZE;
	uint64_t extent = (uint64_t)config->extent_blocks * config->block_size;

	*engine = (struct engine){
		.mapping = {.ops = &engine_ops,
			    .host = engine,
			    .size = size,
			    .block_size = config->block_size},
		.null = {.device = {.ops = {.submit = null_submit},
				    .size = 2 * size + extent}},
		.frame_count = config->pages,
		.stride = config->frames == ENGINE_RUNS ? PAGE_SIZE
							: 2 * PAGE_SIZE,
		.extent_mask = config->extent_blocks - 1,
	};
	engine->memory_size = config->pages * engine->stride;
	engine->memory =
		mmap(NULL, engine->memory_size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	engine->frames = calloc(config->pages, sizeof(*engine->frames));
	engine->batch = calloc(config->batch, sizeof(struct mpio_page *));
	return engine->memory != MAP_FAILED && engine->frames &&
	       engine->batch && queue_open(engine, config);
}

static void engine_close(struct engine *engine)
{
	mpio_queue_close(engine->queue);
	free(engine->queue_memory);
	free(engine->batch);
	free(engine->frames);
	if (engine->memory != MAP_FAILED)
		munmap(engine->memory, engine->memory_size);
}

static bool engine_check(const struct engine *engine,
			 const struct engine_config *config)
{
	const struct null_device *null = &engine->null;
	uint64_t pages = config->pages;
	uint64_t vecs = config->frames == ENGINE_RUNS ? null->bios : pages;

	if (engine->ended == pages && engine->wrong == 0 &&
	    null->bytes == pages * PAGE_SIZE && null->vecs == vecs)
		return true;
	fprintf(stderr,
		"mpio-bench: of %" PRIu64 " pages %" PRIu64 " ended, %s; "
		"the device got %" PRIu64 " bytes in %" PRIu32
		" I/Os of %" PRIu32 " pieces, not %" PRIu64 " bytes in %" PRIu64
		" pieces\n",
		pages, engine->ended,
		engine->wrong ? "some twice or in a wrong state" : "each well",
		null->bytes, null->bios, null->vecs, pages * PAGE_SIZE, vecs);
	return false;
}

bool engine_run(const struct engine_config *config,
		struct engine_result *result)
{
	struct engine engine;
	uint64_t start;
	bool ok;

	ok = engine_open(&engine, config);
	if (!ok) {
		fprintf(stderr, "mpio-bench: no memory for the pages\n");
		goto out_close;
	}
	start = now();
	ok = config->write ? write_all(&engine, config->sync)
			   : read_all(&engine, config->batch);
	ok = mpio_queue_drain(engine.queue) == 0 && ok;
	*result = (struct engine_result){
		.ios = engine.null.bios,
		.vecs = engine.null.vecs,
		.maps = mpio_queue_stats(engine.queue)->get_block_calls,
		.nanoseconds = now() - start,
	};
	ok = engine_check(&engine, config) && ok;
out_close:
	engine_close(&engine);
	return ok;
}

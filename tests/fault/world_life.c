/* SPDX-License-Identifier: MIT */
/*
 * The life of a world, from opening its queues to closing them. All of it may
 * be struck by a fault, and none of it gives up early: what was started has to
 * end, and that is what is being tested.
 */
#include "world.h"

#include <stdlib.h>

/* Waits that may fail before a bio is taken for lost. */
#define FAILED_WAITS_MAX 8u

/* ---- Queues ------------------------------------------------------------- */

static void *heap_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	struct heap *heap = ctx;

	heap->calls++;
	if (new_size == 0) {
		check(ptr != NULL && heap->blocks != 0);
		heap->blocks--;
		heap->bytes -= old_size;
		free(ptr);
		return NULL;
	}
	check(ptr == NULL && old_size == 0);
	if (inject(heap->injector, SITE_ALLOC) != NULL)
		return NULL;
	ptr = malloc(new_size);
	check(ptr != NULL);
	heap->blocks++;
	heap->bytes += new_size;
	return ptr;
}

struct mpio_queue_config world_config(const struct world *world, uint32_t index)
{
	struct mpio_queue_config config = world->scenario->config;

	if (config.bios == 0)
		config.bios = 6;
	if (config.segments_max == 0)
		config.segments_max = 16;
	if (config.pages_max == 0)
		config.pages_max = 16;
	if (config.walk_pages == 0)
		config.walk_pages = 16;
	if (index != 0)
		config.group = world->queues[0];
	config.allocator = &world->allocator;
	config.memory = world->memory[index];
	config.memory_size = world->memory_size[index];
	return config;
}

int world_open(struct world *world)
{
	struct mpio_queue *none = (struct mpio_queue *)world;

	world->allocator = (struct mpio_allocator){
		.resize = heap_resize,
		.ctx = &world->heap,
	};
	for (uint32_t i = 0; i < world->device_count; i++) {
		const struct mpio_queue_config config = world_config(world, i);
		struct mpio_queue *queue = none;
		int error = mpio_queue_open(&world->devices[i].device, &config,
					    &queue);

		if (error != 0) {
			check(queue == none);
			world_close(world);
			return error;
		}
		check(queue != none);
		world->queues[i] = queue;
	}
	return 0;
}

void world_close(struct world *world)
{
	for (uint32_t i = 0; i < DEVICES; i++) {
		mpio_queue_close(world->queues[i]);
		world->queues[i] = NULL;
	}
	check(world->heap.blocks == 0);
	check(world->heap.bytes == 0);
	for (uint32_t i = 0; i < world->device_count; i++) {
		check(world->devices[i].channels == 0);
		check(world->devices[i].pending_count == 0);
	}
}

/* ---- A bio of its own --------------------------------------------------- */

struct one {
	bool done;
	int status;
};

static void one_ended(struct mpio_bio *bio)
{
	struct one *one = bio->ctx;

	check(!one->done);
	one->done = true;
	one->status = bio->status;
	mpio_bio_put(bio);
}

int do_raw(struct mpio_queue *queue, enum mpio_bio_op op, uint64_t offset,
	   void *data, uint32_t length)
{
	struct one one = {.done = false};
	struct mpio_bio *bio;
	uint32_t failed = 0;

	while ((bio = mpio_bio_get(queue, op, MPIO_BIO_META)) == NULL) {
		if (mpio_queue_wait(queue) <= 0)
			return -MPIO_ENOMEM;
	}
	bio->offset = offset;
	bio->end_io = one_ended;
	bio->ctx = &one;
	check(mpio_bio_add(bio, data, length) == 0);
	check(mpio_bio_submit(bio) == 0);
	while (!one.done) {
		if (mpio_queue_wait(queue) <= 0)
			failed++;
		check(failed < FAILED_WAITS_MAX);
	}
	return one.status;
}

/* ---- From run to settled ------------------------------------------------ */

/* A page that the library dropped is the engine's to write again. */
static void dirty_dropped(struct world *world)
{
	uint32_t state = MPIO_PAGE_ERROR | MPIO_PAGE_DIRTY;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct frame *frame = &world->frames[i];

		if (!world->scenario->writes ||
		    (frame->page.flags & state) != MPIO_PAGE_ERROR)
			continue;
		check(mpio_page_set_dirty(&frame->page, 0, frame->page.size) ==
		      0);
		frame->dirtied++;
	}
}

void world_run(struct world *world)
{
	dirty_dropped(world);
	if (world->scenario->plugged)
		mpio_queue_plug(world->queues[0]);
	world->returned = world->scenario->operation(world);
	if (world->scenario->plugged)
		mpio_queue_unplug(world->queues[0]);
}

void world_drain(struct world *world)
{
	uint32_t failed = 0;

	while (mpio_queue_drain(world->queues[0]) != 0) {
		failed++;
		check(failed < FAILED_WAITS_MAX);
	}
	for (uint32_t i = 0; i < world->device_count; i++)
		check(mpio_queue_stats(world->queues[i])->in_flight == 0);
}

uint32_t world_errors(const struct world *world)
{
	uint32_t errors = world->page_errors + world->raw_errors;

	for (size_t i = 0; i < world->raw_count; i++)
		errors += world->raws[i].status != 0;
	return errors + (world->returned != 0);
}

void world_forgive(struct world *world)
{
	struct mpio_errseq *errors = &world->mapping.errors;
	int told = mpio_errseq_check_and_advance(errors, &world->since);

	check((told != 0) == (world->write_errors != 0));
	check(mpio_errseq_check_and_advance(errors, &world->since) == 0);
	world->page_errors = 0;
	world->raw_errors = 0;
	world->write_errors = 0;
}

static void read_the_rest(struct world *world)
{
	struct mpio_page *pages[FRAMES_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct frame *frame = &world->frames[i];

		if ((frame->page.flags & MPIO_PAGE_UPTODATE) ||
		    (world->scenario->writes && frame->handed == 0))
			continue;
		frame->page.flags |= MPIO_PAGE_LOCKED;
		frame->handed++;
		pages[n++] = &frame->page;
	}
	check(mpio_readahead(world->queues[0], &world->mapping, pages, n,
			     MPIO_READ_SYNC) == (int)n);
}

static void write_the_rest(struct world *world)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	uint32_t size = world->mapping.block_size;
	unsigned char *block;

	dirty_dropped(world);
	check(mpio_writepages(world->queues[0], &world->mapping, &wbc) == 0);
	if (!(world->scenario->hooks & HOOK_BOUNDARY))
		return;
	/* Boundaries may have come by fewer times than without the fault. */
	block = malloc(size);
	check(block != NULL);
	for (uint32_t i = 0; i < size; i++)
		block[i] = content(TAG_METADATA, i);
	check(do_raw(world->queues[0], MPIO_BIO_WRITE,
		     METADATA_BLOCK(world) * size, block, size) == 0);
	free(block);
}

void world_settle(struct world *world)
{
	if (world->scenario->writes)
		write_the_rest(world);
	read_the_rest(world);
	check(mpio_queue_flush(world->queues[0]) == 0);
	if (world->device_count > 1)
		check(mpio_queue_flush(world->queues[1]) == 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * What scenarios do: calls of the library as an engine makes them.
 */
#include "operations.h"

#include <string.h>

/* ---- Reading ------------------------------------------------------------ */

static void hand_in(struct frame *frame)
{
	frame->page.flags |= MPIO_PAGE_LOCKED;
	frame->handed++;
}

/* At first all pages, uptodate or not; then what is not uptodate. */
static bool wants_read(const struct frame *frame)
{
	return !(frame->page.flags & MPIO_PAGE_LOCKED) &&
	       (frame->read_ends == 0 ||
		!(frame->page.flags & MPIO_PAGE_UPTODATE));
}

int run_readahead(struct world *world)
{
	uint32_t flags = world->scenario->flags;
	struct mpio_page *pages[FRAMES_MAX];
	size_t n = 0;
	int taken;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct frame *frame = &world->frames[i];

		if (wants_read(frame)) {
			hand_in(frame);
			pages[n++] = &frame->page;
		}
	}
	taken = mpio_readahead(world->queues[0], &world->mapping, pages, n,
			       flags);
	check(taken >= 0 && (size_t)taken <= n);
	check((size_t)taken == n || (flags & MPIO_READ_AHEAD));
	/* What was not taken is ours, untouched. */
	for (size_t i = (size_t)taken; i < n; i++) {
		struct frame *frame = frame_of(pages[i]);

		check(frame->page.flags & MPIO_PAGE_LOCKED);
		frame->page.flags &= ~MPIO_PAGE_LOCKED;
		frame->handed--;
	}
	return 0;
}

int run_read_pages(struct world *world)
{
	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct frame *frame = &world->frames[i];

		if (!wants_read(frame))
			continue;
		hand_in(frame);
		check(mpio_read_page(world->queues[0], &world->mapping,
				     &frame->page) == 0);
	}
	return 0;
}

/* Read the first page, from `index` on, that wants it. */
static void read_from(struct world *world, uint32_t index)
{
	while (index < world->frame_count && !wants_read(&world->frames[index]))
		index++;
	if (index == world->frame_count)
		return;
	hand_in(&world->frames[index]);
	check(mpio_read_page(world->queues[0], &world->mapping,
			     &world->frames[index].page) == 0);
}

/* The engine's own read_end, and then the next page. */
static void chain_read_end(struct mpio_mapping *mapping, struct mpio_page *page,
			   int status)
{
	struct world *world = world_of(mapping);
	struct frame *frame = frame_of(page);

	world->read_end(mapping, page, status);
	read_from(world, (uint32_t)(frame - world->frames) + 1);
}

int run_read_chain(struct world *world)
{
	if (world->ops.read_end != chain_read_end) {
		world->read_end = world->ops.read_end;
		world->ops.read_end = chain_read_end;
	}
	read_from(world, 0);
	return 0;
}

/* ---- Writing ------------------------------------------------------------ */

int run_writepages(struct world *world)
{
	struct mpio_writeback_control wbc = world->scenario->wbc;

	if (wbc.nr_to_write == 0)
		wbc.nr_to_write = MPIO_WRITE_ALL;
	return mpio_writepages(world->queues[0], &world->mapping, &wbc);
}

int run_writepages_again(struct world *world)
{
	int result = 0;

	for (uint32_t i = 0; i < world->frame_count; i += 2) {
		struct frame *frame = &world->frames[i];
		int error;

		if (!(frame->page.flags & MPIO_PAGE_DIRTY))
			continue;
		error = mpio_write_page(world->queues[0], &world->mapping,
					&frame->page, NULL);
		if (result == 0)
			result = error;
		if (!frame->redirtied) {
			frame->redirtied = true;
			frame_dirty(world, frame);
		}
	}
	if (result != 0)
		(void)run_writepages(world);
	else
		result = run_writepages(world);
	return result;
}

int run_write_and_flush(struct world *world)
{
	int error = run_writepages(world);
	int flush_error = mpio_queue_flush(world->queues[0]);

	if (flush_error == 0)
		check(memcmp(world->durable[0], world->disk[0],
			     (size_t)world->devices[0].device.size) == 0);
	else
		world->raw_errors++;
	return error != 0 ? error : flush_error;
}

int run_write_pages(struct world *world)
{
	int result = 0;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct mpio_writeback_control wbc = world->scenario->wbc;
		struct mpio_page *page = &world->frames[i].page;
		int error = mpio_write_page(world->queues[0], &world->mapping,
					    page, &wbc);

		if (result == 0)
			result = error;
	}
	return result;
}

int run_read_and_write(struct world *world)
{
	struct mpio_page *pages[FRAMES_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		struct frame *frame = &world->frames[i];
		struct mpio_page *page = &frame->page;

		if (!(world->scenario->clean_pages >> i & 1))
			continue;
		if (frame->handed == 0) {
			page->flags &= ~MPIO_PAGE_UPTODATE;
			memset(page->data, MOCK_GARBAGE, page->size);
		}
		if (wants_read(frame)) {
			hand_in(frame);
			pages[n++] = page;
		}
	}
	check(mpio_readahead(world->queues[0], &world->mapping, pages, n, 0) ==
	      (int)n);
	return run_writepages(world);
}

/* ---- Bios of one's own -------------------------------------------------- */

static void raw_ended(struct mpio_bio *bio)
{
	struct raw *raw = bio->ctx;

	raw->ends++;
	raw->status = bio->status;
	mpio_bio_put(bio);
}

static int submit_raw(struct world *world, struct raw *raw)
{
	struct mpio_queue *queue = world->queues[0];
	struct mpio_bio *bio;
	uint32_t half = raw->io.length / 2 / SECTOR * SECTOR;

	while ((bio = mpio_bio_get(queue, raw->io.op, raw->io.flags)) == NULL) {
		if (mpio_queue_wait(queue) <= 0)
			return -MPIO_ENOMEM;
	}
	bio->offset = raw->io.offset;
	bio->end_io = raw_ended;
	bio->ctx = raw;
	if (raw->io.op == MPIO_BIO_DISCARD) {
		bio->length = raw->io.length;
	} else if (raw->io.op != MPIO_BIO_FLUSH) {
		if (half != 0)
			check(mpio_bio_add(bio, raw->data, half) == 0);
		check(mpio_bio_add(bio, raw->data + half,
				   raw->io.length - half) == 0);
	}
	raw->started++;
	check(mpio_bio_submit(bio) == 0);
	return 0;
}

int run_raws(struct world *world)
{
	int result = 0;

	for (size_t i = 0; i < world->raw_count; i++) {
		int error = submit_raw(world, &world->raws[i]);

		if (result == 0)
			result = error;
	}
	return result;
}

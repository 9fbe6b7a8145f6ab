/* SPDX-License-Identifier: MIT */
/*
 * Reading: a batch of pages becomes bios, and ended bios finish pages.
 *
 * Each page is cut into runs with the answer that get_block gave last. A run
 * is one of
 *
 *     there already   its blocks are uptodate: left alone
 *     past the end    of file, or a hole: zeroed
 *     filled          get_block has put the bytes there
 *     device bytes    gathered into a bio (build.c)
 *
 * so a page with any pattern of these takes the same way as one that lies in
 * one piece. While a page is being cut it holds one count of its own in
 * `pending`, so that it cannot be finished before it is known whole.
 */
#include "internal.h"

/* ---- The end of a page ------------------------------------------------ */

static void finish(struct mpio_page *page)
{
	struct mpio_mapping *mapping = page->mapping;
	int error = page->error;

	if (error == 0)
		page->flags = (page->flags &
			       ~(MPIO_PAGE_LOCKED | MPIO_PAGE_ERROR)) |
			      MPIO_PAGE_UPTODATE;
	else
		page->flags = (page->flags &
			       ~(MPIO_PAGE_LOCKED | MPIO_PAGE_MAPPED)) |
			      MPIO_PAGE_ERROR;
	if (mapping->ops->read_end != NULL)
		mapping->ops->read_end(mapping, page, error);
}

void mpio__read_page_end(struct mpio_queue *queue, struct mpio_page *page)
{
	const struct mpio_mapping_ops *ops = page->mapping->ops;

	if (ops->verify != NULL && page->error == 0 &&
	    (page->flags & MPIO__PAGE_DEVICE)) {
		page->error = ops->verify(page->mapping, page);
		if (page->error > 0)
			page->error = -MPIO_EIO;
	}
	if (ops->reread != NULL && page->error != 0 &&
	    page->flags >> MPIO__PAGE_ATTEMPT_SHIFT <
		    MPIO__PAGE_ATTEMPT_MAX) {
		page->next = queue->rereads;
		queue->rereads = page;
		return;
	}
	page->flags &= (1u << MPIO__PAGE_ATTEMPT_SHIFT) - 1;
	page->flags &= ~MPIO__PAGE_DEVICE;
	finish(page);
}

/* A page has one run less to wait for. */
static inline void put_page(struct mpio_queue *queue, struct mpio_page *page)
{
	const struct mpio_mapping_ops *ops = page->mapping->ops;

	if (--page->pending != 0)
		return;
	if (ops->verify != NULL || ops->reread != NULL)
		mpio__read_page_end(queue, page);
	else
		finish(page);
}

void mpio__read_end_io(struct mpio_bio *bio)
{
	struct mpio_queue *queue = bio->queue;
	const struct mpio_segment *segment = bio->segments;
	const struct mpio_segment *end = segment + bio->segment_count;
	bool good = bio->status == 0;

	for (; segment < end; segment++) {
		struct mpio_page *page = segment->page;

		if (page->blocks != NULL && good)
			mpio__bytes_set(page, MPIO__UPTODATE, segment->offset,
					segment->length, true);
		put_page(queue, page);
	}
	mpio_bio_put(bio);
}

/* ---- One page --------------------------------------------------------- */

/* Bytes that are known without the device. */
static void settle(struct mpio_page *page, uint32_t offset, uint32_t length,
		   bool zero)
{
	if (zero)
		memset((unsigned char *)page->data + offset, 0, length);
	if (page->blocks != NULL)
		mpio__bytes_set(page, MPIO__UPTODATE, offset, length, true);
}

/* Gather device bytes; the block that the device's end cuts is cut there. */
static int read_run(struct mpio__walk *walk, struct mpio_page *page,
		    uint64_t block, uint64_t n)
{
	struct mpio__map *map = &walk->map;
	uint64_t ahead = block - map->first;
	uint32_t at = (uint32_t)((block << walk->shift) - page->pos);
	uint32_t length = (uint32_t)(n << walk->shift);
	struct mpio__run run = {
		.queue = map->queue,
		.page = page,
		.offset = map->offset + (ahead << walk->shift),
		.page_offset = at,
		.length = length,
		.memory = (unsigned char *)page->data + at,
	};

	if (run.length > map->device_size - run.offset) {
		run.length = (uint32_t)(map->device_size - run.offset);
		memset(run.memory + run.length, 0, length - run.length);
	}
	if (ahead + n == map->extent.count &&
	    (map->extent.flags & MPIO_EXTENT_BOUNDARY))
		map->boundary_ahead = true;
	if (walk->ops->verify != NULL)
		page->flags |= MPIO__PAGE_DEVICE;
	return mpio__build_add(&walk->build, &run);
}

/* Blocks of a page from `block` on that are missing, up to `end`. */
static uint64_t skip_uptodate(const struct mpio__walk *walk,
			      const struct mpio_page *page, uint64_t *block,
			      uint64_t end)
{
	uint64_t first = page->pos >> walk->shift;
	uint32_t count = (uint32_t)(end - first);
	uint32_t from = (uint32_t)(*block - first);

	from = mpio__bits_run(page, MPIO__UPTODATE, from, count, true);
	*block = first + from;
	return first + mpio__bits_run(page, MPIO__UPTODATE, from, count, false);
}

/* Deal with the run that begins at a block before the end of file. */
static int read_some(struct mpio__walk *walk, struct mpio_page *page,
		     uint64_t *block, uint64_t stop, uint64_t batch_end)
{
	struct mpio__map *map = &walk->map;
	uint64_t n;
	uint32_t at;
	int error;

	if (!mpio__map_covers(map, *block)) {
		uint64_t end = mpio__min_u64(batch_end, walk->eof_block);

		error = mpio__map_ask(walk, page, *block, end - *block);
		if (error != 0)
			return error;
	}
	n = mpio__min_u64(stop - *block, map->first + map->count - *block);
	at = (uint32_t)((*block << walk->shift) - page->pos);
	if (!map->hole) {
		error = read_run(walk, page, *block, n);
	} else {
		bool filled = (map->extent.flags & MPIO_EXTENT_UPTODATE) != 0;

		settle(page, at, (uint32_t)(n << walk->shift), !filled);
		if (filled) {
			map->count = 0; /* of this page only */
			map->answered = 0;
		}
		error = 0;
	}
	*block += n;
	return error;
}

/* Cut a page into runs; whether every block of it came from the device. */
static bool read_blocks(struct mpio__walk *walk, struct mpio_page *page,
			uint64_t batch_end)
{
	uint64_t block = page->pos >> walk->shift;
	uint64_t end = block + (page->size >> walk->shift);
	bool mapped = true;

	while (block < end) {
		uint64_t stop = end;
		uint64_t at;
		int error;

		if (page->blocks != NULL)
			stop = skip_uptodate(walk, page, &block, end);
		if (block == end)
			break;
		if (block >= walk->eof_block) {
			at = (block << walk->shift) - page->pos;
			settle(page, (uint32_t)at,
			       (uint32_t)((stop - block) << walk->shift), true);
			block = stop;
			mapped = false;
			continue;
		}
		stop = mpio__min_u64(stop, walk->eof_block);
		error = read_some(walk, page, &block, stop, batch_end);
		if (error != 0) {
			if (page->error == 0)
				page->error = error;
			return false;
		}
		mapped = mapped && !walk->map.hole;
	}
	return mapped;
}

static void read_page(struct mpio__walk *walk, struct mpio_page *page,
		      uint64_t batch_end)
{
	page->pending = 1;
	page->error = 0;
	if (walk->ops->still_valid != NULL)
		mpio__map_revalidate(walk);
	if (!(page->flags & MPIO_PAGE_UPTODATE)) {
		bool mapped = read_blocks(walk, page, batch_end);

		page->flags &= ~(MPIO_PAGE_MAPPED);
		if (mapped)
			page->flags |= MPIO_PAGE_MAPPED;
	}
	put_page(walk->queue, page);
}

/* ---- The verbs -------------------------------------------------------- */

static bool has_bio(const struct mpio__walk *walk)
{
	return walk->build.bio != NULL || walk->queue->free_small != NULL ||
	       walk->queue->free_large != NULL;
}

/* The first block behind a page. */
static uint64_t page_end(const struct mpio__walk *walk,
			 const struct mpio_page *page)
{
	return (page->pos >> walk->shift) + (page->size >> walk->shift);
}

static uint32_t bio_flags(uint32_t flags)
{
	uint32_t result = 0;

	if (flags & MPIO_READ_AHEAD)
		result |= MPIO_BIO_READAHEAD;
	if (flags & MPIO_READ_SYNC)
		result |= MPIO_BIO_SYNC;
	if (flags & MPIO_READ_META)
		result |= MPIO_BIO_META;
	return result;
}

int mpio_readahead(struct mpio_queue *queue, struct mpio_mapping *mapping,
		   struct mpio_page *const *pages, size_t n, uint32_t flags)
{
	struct mpio__walk walk;
	uint64_t batch_end;
	uint64_t pos = 0;
	int taken = 0;
	int error = 0;

	if (n == 0)
		return 0;
	if (mpio__walk_init(&walk, queue, mapping, MPIO_BIO_READ,
			    bio_flags(flags)) != 0)
		return -MPIO_EINVAL;
	batch_end = page_end(&walk, pages[n - 1]);
	for (size_t i = 0; i < n && taken < INT32_MAX; i++, taken++) {
		struct mpio_page *page = pages[i];

		if (!mpio__page_fits(page, mapping) || page->pos < pos ||
		    !(page->flags & MPIO_PAGE_LOCKED)) {
			error = -MPIO_EINVAL;
			break;
		}
		if ((flags & MPIO_READ_AHEAD) && !has_bio(&walk))
			break;
		pos = page->pos + page->size;
		if (batch_end < page_end(&walk, page))
			batch_end = page_end(&walk, page);
		read_page(&walk, page, batch_end);
	}
	mpio__walk_end(&walk);
	queue->stats.pages_read += (uint64_t)taken;
	mpio__queue_finish(queue);
	return taken != 0 ? taken : error;
}

int mpio_read_page(struct mpio_queue *queue, struct mpio_mapping *mapping,
		   struct mpio_page *page)
{
	struct mpio_page *const pages[1] = {page};
	int taken = mpio_readahead(queue, mapping, pages, 1, MPIO_READ_SYNC);

	return taken < 0 ? taken : 0;
}

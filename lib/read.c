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
#include "gather.h"

/* ---- The end of a page ------------------------------------------------ */

static void finish(struct mpio_page *page)
{
	struct mpio_mapping *mapping = page->mapping;
	int error = page->error;

	/* A block that lay in two bios, or was cut, has no bit yet. */
	if (error == 0 && page->blocks != NULL)
		mpio__bytes_set(page, MPIO__UPTODATE, 0, page->size, true);
	if (error == 0)
		page->flags =
			(page->flags & ~(MPIO_PAGE_LOCKED | MPIO_PAGE_ERROR)) |
			MPIO_PAGE_UPTODATE;
	else
		page->flags =
			(page->flags & ~(MPIO_PAGE_LOCKED | MPIO_PAGE_MAPPED)) |
			MPIO_PAGE_ERROR;
	if (mapping->ops->read_end != NULL)
		mapping->ops->read_end(mapping, page, error);
}

void mpio__read_page_end(struct mpio_queue *queue, struct mpio_page *page)
{
	const struct mpio_mapping_ops *ops = page->mapping->ops;

	if (ops->verify != NULL && page->error == 0 &&
	    (page->flags & MPIO__PAGE_DEVICE)) {
		page->error = mpio__error(ops->verify(page->mapping, page));
	}
	if (ops->reread != NULL && page->error != 0 &&
	    page->flags >> MPIO__PAGE_ATTEMPT_SHIFT < MPIO__PAGE_ATTEMPT_MAX) {
		page->next = queue->rereads;
		queue->rereads = page;
		return;
	}
	page->flags &= (1u << MPIO__PAGE_ATTEMPT_SHIFT) - 1;
	page->flags &= ~MPIO__PAGE_DEVICE;
	finish(page);
}

/* The general way to end a bio. */
void mpio__verify_end_io(struct mpio_bio *bio)
{
	const struct mpio_segment *segment = bio->segments;
	struct mpio_queue *queue = bio->queue;

	for (; segment < bio->segments_end; segment++) {
		struct mpio_page *page = segment->page;

		/* What is to be verified is not uptodate before that. */
		if (page->blocks != NULL && bio->status == 0 &&
		    page->mapping->ops->verify == NULL)
			mpio__whole_uptodate(page, segment->offset,
					     segment->length);
		if (--page->pending == 0)
			mpio__settle_io(queue, page, MPIO__PAGE_READ);
	}
	mpio__bio_free(bio);
}

void mpio__read_end_io(struct mpio_bio *bio)
{
	const struct mpio_mapping_ops *ops = bio->segments->page->mapping->ops;

	if (!bio->plain || bio->status != 0 || ops->read_end == NULL) {
		mpio__verify_end_io(bio);
		return;
	}
	mpio__row_end(bio, ops->read_end,
		      MPIO_PAGE_LOCKED | MPIO_PAGE_UPTODATE);
	mpio__bio_free(bio);
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
	uint64_t pos = block << walk->shift;
	uint32_t at = (uint32_t)(pos - page->pos);
	uint32_t length = (uint32_t)(n << walk->shift);
	struct mpio__run run = {
		.queue = map->queue,
		.page = page,
		.offset = mpio__map_offset(map, pos),
		.page_offset = at,
		.length = length,
		.memory = (unsigned char *)page->data + at,
	};

	if (run.length > map->queue->device->size - run.offset) {
		run.length = (uint32_t)(map->queue->device->size - run.offset);
		memset(run.memory + run.length, 0, length - run.length);
	}
	mpio__map_note_boundary(map, block + n);
	if (walk->mapping->ops->verify != NULL)
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
		if (filled) /* of this page only */
			map->count = mpio__min_u64(
				map->count,
				((page->pos + page->size) >> walk->shift) -
					map->first);
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
		uint64_t first = block;
		uint64_t stop = end;
		uint64_t at;
		int error;

		if (page->blocks != NULL)
			stop = skip_uptodate(walk, page, &block, end);
		mapped = mapped && block == first;
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

/* There was nothing to be read; the page may well be under write-back. */
void mpio__read_known_end(struct mpio_page *page)
{
	struct mpio_mapping *mapping = page->mapping;

	page->flags &= ~(MPIO_PAGE_LOCKED | MPIO_PAGE_ERROR);
	if (mapping->ops->read_end != NULL)
		mapping->ops->read_end(mapping, page, 0);
}

MPIO__APART static void read_page(struct mpio__walk *walk,
				  struct mpio_page *page, uint64_t batch_end,
				  int error)
{
	if (page->flags & MPIO_PAGE_UPTODATE) {
		mpio__settle(walk->queue, page, MPIO__PAGE_KNOWN);
		return;
	}
	page->pending = 1;
	page->error = error;
	page->flags &= ~MPIO_PAGE_ERROR;
	mpio__walk_look(walk);
	if (walk->mapping->ops->still_valid != NULL)
		mpio__map_revalidate(walk);
	if (error == 0) {
		bool mapped = read_blocks(walk, page, batch_end);

		page->flags &= ~(MPIO_PAGE_MAPPED);
		if (mapped)
			page->flags |= MPIO_PAGE_MAPPED;
	}
	if (--page->pending != 0)
		return; /* the last of its runs to end finishes it */
	mpio__settle(walk->queue, page, MPIO__PAGE_READ);
}

/* ---- A batch ---------------------------------------------------------- */

struct batch {
	struct mpio_page *const *next; /* to be taken */
	struct mpio_page *const *end;
	uint64_t pos;     /* bytes; where the last page taken ends */
	uint64_t pos_end; /* bytes; where the last page ends */
	int error;        /* that get_block has for the next page, or 0 */
};

/* Pages that can be gathered whole are locked, and not uptodate. */
static const struct mpio__gather whole = {
	.mask = MPIO_PAGE_LOCKED | MPIO_PAGE_UPTODATE | MPIO_PAGE_WRITEBACK,
	.state = MPIO_PAGE_LOCKED,
	.clear = MPIO_PAGE_ERROR,
	.set = MPIO_PAGE_MAPPED,
};

/*
 * Ask get_block for the next page of a row, if it was not odd so far. Returns
 * whether the page lies in the straight of the answer; notes its error.
 */
static inline bool find_out(struct mpio__walk *walk, struct mpio__row *row,
			    struct batch *batch, uint64_t wanted_end)
{
	struct mpio__map *map = &walk->map;
	uint64_t block = row->pos >> walk->shift;
	int error;

	if (map->odd || row->pos < map->straight_end || block >= wanted_end ||
	    walk->queue->free_small == NULL)
		return false;
	error = mpio__map_ask_on(walk, *row->next, row->pos,
				 wanted_end - block);
	if (error != 0) {
		batch->error = error;
		return false;
	}
	row->limit = mpio__min_u64(row->stop, map->straight_end);
	return row->pos + row->step <= row->limit;
}

/* A row that is too long for a small bio begins a large one; there is one. */
MPIO__APART static struct mpio__place place_large(struct mpio__walk *walk,
						  const struct mpio__row *row,
						  uint64_t offset)
{
	struct mpio_bio *bio = mpio__bio_take(&walk->queue->free_large);

	mpio__build_open(&walk->build, bio, offset);
	bio->vec_count = 0;
	bio->segments_end = bio->segments;
	walk->build.bio = bio;
	walk->build.memory_end = (unsigned char *)bio; /* nobody's page */
	return mpio__place_open(&walk->build, row);
}

/* Find a place for the next page; false: it is to take the general way. */
static inline bool find_place(struct mpio__walk *walk,
			      const struct mpio__row *row,
			      struct mpio__place *place)
{
	struct mpio_queue *queue = walk->queue;
	struct mpio__build *build = &walk->build;
	uint64_t offset = mpio__map_offset(&walk->map, row->pos);
	struct mpio_bio *bio = build->bio;

	if (walk->map.queue != queue)
		return false;
	if (bio != NULL) {
		uint64_t gap =
			mpio__sub_modulo(offset, bio->offset + bio->length);

		/* What the answer is for has closed a bio of another queue. */
		if (bio->queue != queue)
			return false; /* GCOVR_EXCL_LINE: cannot happen */
		if (gap <= walk->gap_max) {
			if (gap != 0)
				return false;
			*place = mpio__place_open(build, row);
			return place->room >= row->size;
		}
		if (mpio__queue_is_easy(queue) && !mpio__bio_is_last(bio)) {
			queue->stats.cuts[MPIO_CUT_NOT_ADJACENT]++;
			mpio__queue_pass(queue, bio);
		} else {
			mpio__build_send(build, MPIO_CUT_NOT_ADJACENT);
		}
	}
	if (row->limit - row->pos > row->fresh &&
	    row->fresh < queue->limits.bytes_max && queue->free_large != NULL) {
		*place = place_large(walk, row, offset);
		return true;
	}
	bio = mpio__bio_take(&queue->free_small);
	build->bio = bio;
	if (bio == NULL)
		return false;
	*place = mpio__place_new(build, row, bio, offset);
	return true;
}

/* Take pages as long as they are alike, through any number of bios. */
MPIO__APART static void take_row(struct mpio__walk *walk, struct batch *batch)
{
	uint64_t wanted_end =
		mpio__min_u64(batch->pos_end >> walk->shift, walk->eof_block);
	struct mpio__row row;
	struct mpio__place place;

	if (!walk->plain ||
	    !mpio__row_begin(&row, walk, batch->next,
			     (size_t)(batch->end - batch->next), &whole))
		return;
	while (mpio__row_goes_on(&row)) {
		if (row.pos + row.step > row.limit &&
		    !find_out(walk, &row, batch, wanted_end))
			break;
		if (!find_place(walk, &row, &place))
			break;
		mpio__row_gather(&row, &walk->build, place);
	}
	batch->next = row.next;
	batch->pos = row.pos;
}

static bool has_bio(const struct mpio_queue *queue)
{
	return queue->free_small != NULL || queue->free_large != NULL;
}

/* A page that is not uptodate, yet on its way to the device, is half known. */
static bool is_being_written(const struct mpio_page *page)
{
	const uint32_t state = MPIO_PAGE_WRITEBACK | MPIO_PAGE_UPTODATE;

	return (page->flags & state) == MPIO_PAGE_WRITEBACK;
}

/*
 * Take the next page, and those that simply go on after it. Returns 1; 0: it
 * is not to be taken; or a negative errno.
 */
static int take_pages(struct mpio__walk *walk, struct batch *batch, bool if_bio)
{
	struct mpio_page *const *first = batch->next;
	struct mpio_page *page = *first;

	if (!mpio__page_fits(page, walk->mapping) || page->pos < batch->pos ||
	    !(page->flags & MPIO_PAGE_LOCKED) || is_being_written(page))
		return -MPIO_EINVAL;
	if (if_bio && !has_bio(walk->queue))
		return 0;
	if (batch->pos_end < page->pos + page->size)
		batch->pos_end = page->pos + page->size;
	take_row(walk, batch);
	if (batch->error == 0 && batch->next != first)
		return 1;
	page = *batch->next++;
	batch->pos = page->pos + page->size;
	read_page(walk, page, batch->pos_end >> walk->shift, batch->error);
	batch->error = 0;
	return 1;
}

/* ---- The verbs -------------------------------------------------------- */

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
	struct batch batch = {.next = pages};
	struct mpio__walk walk;
	int result = 1;
	int taken;

	if (n == 0)
		return 0;
	if (mpio__walk_init(&walk, queue, mapping, MPIO_BIO_READ,
			    bio_flags(flags)) != 0)
		return -MPIO_EINVAL;
	batch.end = pages + mpio__min_size(n, INT32_MAX);
	batch.pos_end = mpio__add_sat(batch.end[-1]->pos, batch.end[-1]->size);
	while (result > 0 && batch.next < batch.end)
		result = take_pages(&walk, &batch,
				    (flags & MPIO_READ_AHEAD) != 0);
	mpio__walk_end(&walk);
	taken = (int)(batch.next - pages);
	queue->stats.pages_read += (uint64_t)taken;
	mpio__queue_finish(queue);
	return taken != 0 ? taken : result;
}

int mpio_read_page(struct mpio_queue *queue, struct mpio_mapping *mapping,
		   struct mpio_page *page)
{
	struct mpio_page *const pages[1] = {page};
	int taken = mpio_readahead(queue, mapping, pages, 1, MPIO_READ_SYNC);

	return taken < 0 ? taken : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Writing: one dirty page becomes runs of bios, and ended bios finish pages.
 *
 * The page's dirty blocks up to the end of file are mapped (get_block may
 * allocate) and gathered. Before that, what lies past the end of file is
 * zeroed in the page and the engine may seal it. The dirty state is taken
 * away before the bytes leave, so that a page that is changed meanwhile is
 * dirty again, and will be written again; what fails gets it back.
 *
 * Which pages, and how far ahead they are known, is the walk's business
 * (writeback.c): it tells how many blocks get_block may be asked for.
 */
#include "gather.h"

/* ---- The end of a page ------------------------------------------------ */

/* No I/O uses it any more. Where nobody seals, rows are gathered without it. */
static inline void release_shadow(struct mpio_page *page)
{
	struct mpio_mapping *mapping = page->mapping;
	const struct mpio_mapping_ops *ops = mapping->ops;

	if (ops->release_shadow != NULL && ops->seal != NULL &&
	    page->shadow != page->data)
		ops->release_shadow(mapping, page, page->shadow);
}

static inline void finish(struct mpio_page *page)
{
	struct mpio_mapping *mapping = page->mapping;
	int error = page->error;

	release_shadow(page);
	page->flags &= ~MPIO_PAGE_WRITEBACK;
	if (error != 0) {
		page->flags |= MPIO_PAGE_ERROR;
		if (!(mapping->flags & MPIO_MAPPING_DROP_FAILED))
			page->flags |= MPIO_PAGE_DIRTY;
		if (!(mapping->flags & MPIO_MAPPING_OWN_ERRORS))
			mpio_errseq_set(&mapping->errors, error);
	}
	if (mapping->ops->write_end != NULL)
		mapping->ops->write_end(mapping, page, error);
}

void mpio__write_page_end(struct mpio_page *page)
{
	finish(page);
}

/* The engine was not told of some bytes, or refused: they stay dirty. */
static void redirty(const struct mpio_segment *segment,
		    const struct mpio_segment *end, int error)
{
	for (; segment < end; segment++) {
		struct mpio_page *page = segment->page;

		if (page->error == 0)
			page->error = mpio__error(error);
		if (page->blocks != NULL &&
		    !(page->mapping->flags & MPIO_MAPPING_DROP_FAILED))
			mpio__bytes_set(page, MPIO__DIRTY, segment->offset,
					segment->length, true);
	}
}

/*
 * Tell the engine which bytes are on the device: once for each stretch of a
 * mapping that followed each other in the bio.
 */
static void tell_written(const struct mpio_bio *bio)
{
	const struct mpio_segment *segment = bio->segments;
	uint64_t offset = bio->offset;

	while (segment < bio->segments_end) {
		const struct mpio_segment *first = segment;
		struct mpio_page *page = first->page;
		struct mpio_mapping *mapping = page->mapping;
		uint64_t pos = page->pos + first->offset;
		uint32_t length = 0;
		bool failed = false;
		int error = 0;

		do {
			failed = failed || page->error != 0;
			length += segment->length;
			if (++segment == bio->segments_end)
				break;
			page = segment->page;
		} while (page->mapping == mapping &&
			 page->pos + segment->offset == pos + length &&
			 (page->error != 0) == failed);
		if (!failed && mapping->ops->written != NULL)
			error = mapping->ops->written(mapping, pos, length,
						      bio->queue, offset);
		if (error != 0 || (failed && mapping->ops->written != NULL))
			redirty(first, segment, error);
		offset += length;
	}
}

/* The general way to end a bio. */
static void end_segments(const struct mpio_bio *bio)
{
	const struct mpio_segment *segment = bio->segments;

	tell_written(bio);
	for (; segment < bio->segments_end; segment++) {
		struct mpio_page *page = segment->page;

		if (--page->pending == 0)
			mpio__settle_io(bio->queue, page, MPIO__PAGE_WRITTEN);
	}
}

void mpio__write_end_io(struct mpio_bio *bio)
{
	const struct mpio_mapping_ops *ops = bio->segments->page->mapping->ops;

	if (bio->plain && bio->status == 0 && ops->write_end != NULL &&
	    ops->written == NULL && ops->release_shadow == NULL)
		mpio__row_end(bio, ops->write_end, MPIO_PAGE_WRITEBACK);
	else
		end_segments(bio);
	if (bio->ctx != NULL)
		--*(uint32_t *)bio->ctx; /* a walk waits for it */
	mpio__bio_free(bio);
}

/* ---- Runs of a page --------------------------------------------------- */

/* Blocks of a page that are to be written. */
struct dirty_run {
	uint64_t block;
	uint64_t end;
};

/* The next run from a block on, before `stop`; empty: none is left. */
static struct dirty_run next_run(const struct mpio__walk *walk,
				 const struct mpio_page *page, uint64_t block,
				 uint64_t stop)
{
	struct dirty_run run = {.block = block, .end = stop};
	uint64_t first = page->pos >> walk->shift;
	uint32_t count;
	uint32_t from;

	if (page->blocks == NULL)
		return run;
	count = (uint32_t)(stop - first);
	from = mpio__bits_run(page, MPIO__DIRTY, (uint32_t)(block - first),
			      count, false);
	run.block = first + from;
	run.end = first + mpio__bits_run(page, MPIO__DIRTY, from, count, true);
	return run;
}

/*
 * How far, from the end of a dirty run on, all that follows is going to be
 * written by this walk: through the rest of the pages at hand.
 */
MPIO__APART static uint64_t dirty_until(const struct mpio__walk *walk,
					const struct mpio__ahead *ahead,
					const struct mpio_page *page,
					uint64_t end)
{
	const uint32_t busy = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;
	const uint32_t mask = MPIO_PAGE_DIRTY | (ahead->sync_all ? 0 : busy);
	const struct mpio_mapping *mapping = walk->mapping;
	const uint64_t limit =
		mpio__min_u64(mapping->size, UINT64_MAX - UINT32_MAX);
	uint64_t pos = page->pos + page->size;
	size_t i;

	if (end << walk->shift != pos)
		return end; /* the page goes on, clean */
	for (i = 0; i < ahead->count; i++) {
		const struct mpio_page *next = ahead->pages[i];

		if (next->pos != pos || pos >= limit ||
		    (next->flags & mask) != MPIO_PAGE_DIRTY ||
		    next->mapping != mapping)
			break;
		if (next->blocks != NULL) {
			uint64_t block = pos >> walk->shift;
			struct dirty_run run =
				next_run(walk, next, block,
					 block + (next->size >> walk->shift));

			if (run.block == block)
				pos = run.end << walk->shift;
			if (pos != next->pos + next->size)
				break;
		} else {
			pos += next->size;
		}
	}
	return mpio__min_u64(pos >> walk->shift, walk->eof_block);
}

/* Map a dirty block; whole runs are asked for. */
static inline int map_dirty(struct mpio__walk *walk, struct mpio__ahead *ahead,
			    struct mpio_page *page, struct dirty_run run)
{
	if (mpio__map_covers(&walk->map, run.block))
		return 0;
	if (ahead->known_end < run.end)
		ahead->known_end = dirty_until(walk, ahead, page, run.end);
	return mpio__map_ask(walk, page, run.block,
			     ahead->known_end - run.block);
}

/* Bytes of mapped blocks; of the one that the device's end cuts, not all. */
static uint32_t device_length(const struct mpio__walk *walk, uint64_t block,
			      uint64_t n)
{
	const struct mpio__map *map = &walk->map;
	uint64_t offset = mpio__map_offset(map, block << walk->shift);

	return (uint32_t)mpio__min_u64(n << walk->shift,
				       map->queue->device->size - offset);
}

/* Where mapped blocks of a page lie. */
static void device_run(const struct mpio__walk *walk, struct mpio_page *page,
		       uint64_t block, uint64_t n, struct mpio__run *run)
{
	uint64_t pos = block << walk->shift;
	uint32_t at = (uint32_t)(pos - page->pos);

	*run = (struct mpio__run){
		.queue = walk->map.queue,
		.page = page,
		.offset = mpio__map_offset(&walk->map, pos),
		.page_offset = at,
		.length = device_length(walk, block, n),
		.memory = (unsigned char *)page->shadow + at,
	};
}

static uint64_t mapped_blocks(const struct mpio__walk *walk,
			      struct dirty_run run)
{
	const struct mpio__map *map = &walk->map;

	return mpio__min_u64(run.end, map->first + map->count) - run.block;
}

/* The dirty bits of some blocks, in a page that has such bits. */
static void mark(const struct mpio__walk *walk, struct mpio_page *page,
		 uint64_t block, uint64_t end, bool dirty)
{
	uint64_t first = page->pos >> walk->shift;

	if (page->blocks != NULL)
		mpio__bits_set(page, MPIO__DIRTY, (uint32_t)(block - first),
			       (uint32_t)(end - first), dirty);
}

/* ---- One page --------------------------------------------------------- */

/* Map and gather one dirty run, piece by piece as it lies on the device. */
MPIO__APART static int write_run(struct mpio__walk *walk,
				 struct mpio__ahead *ahead,
				 struct mpio_page *page, struct dirty_run run)
{
	while (run.block < run.end) {
		struct mpio__run piece;
		uint64_t n;
		int error = map_dirty(walk, ahead, page, run);

		if (error != 0)
			return error;
		n = mapped_blocks(walk, run);
		device_run(walk, page, run.block, n, &piece);
		mark(walk, page, run.block, run.block + n, false);
		error = mpio__build_add(&walk->build, &piece);
		if (error != 0) {
			mark(walk, page, run.block, run.block + n, true);
			return error;
		}
		run.block += n;
		mpio__map_note_boundary(&walk->map, run.block);
	}
	return 0;
}

/*
 * A page that must not tear: all of it is mapped before any of it is
 * gathered, for it must be one run inside one atomic unit. So a boundary inside
 * it is none: what follows that on the device is the page. The run is not
 * empty.
 */
MPIO__APART static int write_atomic(struct mpio__walk *walk,
				    struct mpio__ahead *ahead,
				    struct mpio_page *page,
				    struct dirty_run run)
{
	const struct mpio__map *map = &walk->map;
	struct mpio__run whole = {0};
	struct dirty_run rest = run;
	uint32_t unit;
	int error;

	do {
		uint64_t n;

		error = map_dirty(walk, ahead, page, rest);
		if (error != 0)
			return error;
		n = mapped_blocks(walk, rest);
		if (whole.length == 0)
			device_run(walk, page, rest.block, n, &whole);
		else if (map->queue == whole.queue &&
			 mpio__map_offset(map, rest.block << walk->shift) ==
				 whole.offset + whole.length)
			whole.length += device_length(walk, rest.block, n);
		else
			return -MPIO_EINVAL;
		rest.block += n;
	} while (rest.block < rest.end);
	unit = whole.queue->device->limits.atomic_unit;
	if (unit == 0 ||
	    (whole.offset & (unit - 1)) + (uint64_t)whole.length > unit)
		return -MPIO_EINVAL;
	whole.whole = true;
	error = mpio__build_add(&walk->build, &whole);
	if (error != 0)
		return error;
	mark(walk, page, run.block, run.end, false);
	mpio__map_note_boundary(&walk->map, run.end);
	return 0;
}

static bool is_last_run(const struct mpio__walk *walk,
			const struct mpio_page *page, struct dirty_run run,
			uint64_t stop)
{
	struct dirty_run rest = next_run(walk, page, run.end, stop);

	return rest.block == rest.end;
}

static int write_blocks(struct mpio__walk *walk, struct mpio__ahead *ahead,
			struct mpio_page *page, uint64_t stop)
{
	uint64_t block = page->pos >> walk->shift;
	bool atomic = (page->flags & MPIO_PAGE_ATOMIC) != 0;

	while (block < stop) {
		struct dirty_run run = next_run(walk, page, block, stop);
		int error;

		if (run.block == run.end)
			break;
		if (atomic && !is_last_run(walk, page, run, stop))
			return -MPIO_EINVAL; /* and none of it is written */
		if (atomic)
			error = write_atomic(walk, ahead, page, run);
		else
			error = write_run(walk, ahead, page, run);
		if (error != 0)
			return error;
		block = run.end;
	}
	return 0;
}

/* Bytes past the end of file are zeros; blocks wholly past it not dirty. */
static void trim(const struct mpio__walk *walk, struct mpio_page *page)
{
	uint64_t size = walk->mapping->size;
	uint32_t keep = 0;

	if (page->pos + page->size <= size)
		return;
	if (page->pos < size) {
		keep = (uint32_t)(size - page->pos);
		memset((unsigned char *)page->data + keep, 0,
		       page->size - keep);
	}
	if (page->blocks != NULL) {
		uint32_t mask = walk->mapping->block_size - 1;
		uint32_t from = (keep + mask) & ~mask;

		mpio__bytes_set(page, MPIO__DIRTY, from, page->size - from,
				false);
	}
}

static void account(const struct mpio__walk *walk, struct mpio_page *page,
		    uint64_t stop)
{
	uint64_t block = page->pos >> walk->shift;
	uint64_t n = 0;

	while (block < stop) {
		struct dirty_run run = next_run(walk, page, block, stop);

		n += run.end - run.block;
		block = run.end;
	}
	walk->mapping->ops->account(walk->mapping, page,
				    (uint32_t)(n << walk->shift));
}

static int write_contents(struct mpio__walk *walk, struct mpio__ahead *ahead,
			  struct mpio_page *page)
{
	const struct mpio_mapping_ops *ops = walk->mapping->ops;
	uint64_t stop = mpio__min_u64((page->pos + page->size) >> walk->shift,
				      walk->eof_block);

	trim(walk, page);
	if (page->pos >= walk->mapping->size)
		return 0;
	if (ops->account != NULL)
		account(walk, page, stop);
	if (ops->seal != NULL) {
		int error = ops->seal(walk->mapping, page, &page->shadow);

		if (error != 0) {
			page->shadow = page->data; /* whatever it named */
			return mpio__error(error);
		}
	}
	return write_blocks(walk, ahead, page, stop);
}

int mpio__write_one(struct mpio__walk *walk, struct mpio__ahead *ahead,
		    struct mpio_page *page)
{
	int error;

	page->flags = (page->flags & ~(MPIO_PAGE_DIRTY | MPIO_PAGE_TOWRITE |
				       MPIO_PAGE_ERROR)) |
		      MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;
	page->pending = 1;
	page->error = 0;
	page->shadow = page->data;
	mpio__walk_look(walk);
	if (walk->mapping->ops->still_valid != NULL)
		mpio__map_revalidate(walk);
	error = write_contents(walk, ahead, page);
	if (error != 0 && page->blocks != NULL &&
	    (walk->mapping->flags & MPIO_MAPPING_DROP_FAILED))
		mpio__bytes_set(page, MPIO__DIRTY, 0, page->size, false);
	page->flags &= ~MPIO_PAGE_LOCKED;
	if (page->error == 0)
		page->error = error;
	if (--page->pending == 0)
		mpio__settle(walk->queue, page, MPIO__PAGE_WRITTEN);
	return error;
}

/* Pages that can be gathered whole are dirty, and nobody is at them. */
static const struct mpio__gather whole = {
	.mask = MPIO_PAGE_DIRTY | MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK |
		MPIO_PAGE_ATOMIC,
	.state = MPIO_PAGE_DIRTY,
	.clear = MPIO_PAGE_DIRTY | MPIO_PAGE_TOWRITE | MPIO_PAGE_ERROR,
	.set = MPIO_PAGE_WRITEBACK,
};

static uint64_t whole_end(const struct mpio_mapping *mapping)
{
	return mapping->size & ~(uint64_t)(mapping->block_size - 1);
}

size_t mpio__write_many(struct mpio__walk *walk, struct mpio_page *const *pages,
			size_t n)
{
	const struct mpio__map *map = &walk->map;
	const struct mpio_bio *bio = walk->build.bio;
	struct mpio__row row;
	struct mpio__place place;

	if (!walk->plain || bio == NULL || bio->queue != map->queue ||
	    !mpio__row_begin(&row, walk, pages, n, &whole) ||
	    !mpio__row_goes_on(&row) ||
	    mpio__map_offset(map, row.pos) != bio->offset + bio->length)
		return 0;
	/* The block that the end of file cuts may need a look. */
	row.limit = mpio__min_u64(row.limit, whole_end(walk->mapping));
	if (row.pos + row.step > row.limit)
		return 0;
	place = mpio__place_open(&walk->build, &row);
	if (place.room < row.size)
		return 0;
	mpio__row_gather(&row, &walk->build, place);
	return (size_t)(row.next - pages);
}

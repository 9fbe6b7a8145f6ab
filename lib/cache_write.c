/* SPDX-License-Identifier: MIT */
/*
 * Changing a file in the cache: writing into pages, moving the end, and
 * forgetting pages.
 *
 * One rule keeps old bytes from showing behind an end of file that moves up
 * again: in a block that is uptodate, bytes behind the end are zeros, and so
 * they will be on the device. Reading zeroes them; writing leaves them; when
 * the end moves away from within a block, that block is made dirty first, so
 * that the device gets the zeros, too.
 *
 * What is said of blocks here is true of units: a unit is a block, or a page of
 * a file that seals them. So what is sealed is all known, and what is opened
 * later is what was sealed.
 */
#include "cache_private.h"

/* ---- Writing ------------------------------------------------------------ */

/* Blocks of the units that bytes of a page lie in. */
static uint64_t units_mask(const struct mpio_cache_mapping *file,
			   uint32_t offset, uint32_t length)
{
	return file->unit != file->mapping.block_size
		       ? file->full
		       : mpio__bytes_mask(file, offset, length);
}

/* A block that a write covers in part: read, or zeros behind the end. */
static int fill_edge(struct mpio__frame *frame, struct mpio_queue *queue,
		     uint32_t offset)
{
	struct mpio_cache_mapping *file = frame->file;
	uint32_t unit = file->unit;
	uint32_t start = offset & ~(unit - 1);
	uint64_t mask = mpio__bytes_mask(file, start, unit);
	bool behind;

	mpio__cache_lock(file->cache);
	behind = !(frame->uptodate & mask) &&
		 frame->page.pos + start >= file->mapping.size;
	if (behind) {
		memset((unsigned char *)frame->page.data + start, 0, unit);
		frame->uptodate |= mask;
	}
	mpio__cache_unlock(file->cache);
	return behind ? 0 : mpio_cache_fill(&frame->page, queue, start, unit);
}

static int fill_edges(struct mpio__frame *frame, struct mpio_queue *queue,
		      uint32_t offset, uint32_t length)
{
	uint32_t mask = frame->file->unit - 1;
	uint32_t end = offset + length;
	int error = 0;

	if ((offset & mask) != 0)
		error = fill_edge(frame, queue, offset);
	if (error == 0 && (end & mask) != 0)
		error = fill_edge(frame, queue, end);
	return error;
}

/* Frames are left to write-back, unless the page is dirty already. */
static int spare(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		 uint64_t pos)
{
	struct mpio_cache *cache = file->cache;
	int error = 0;

	mpio__cache_lock(cache);
	if (!mpio__cache_has_spare(cache) &&
	    mpio__frame_at(cache,
			   mpio__file_find(file, pos >> cache->page_shift))
			    ->dirty == 0)
		error = mpio__cache_spare(cache, queue);
	mpio__cache_unlock(cache);
	return error;
}

/* A page that may become dirty, locked: again, if others have come first. */
static int grab(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		uint64_t pos, struct mpio_page **page)
{
	for (;;) {
		int error = spare(file, queue, pos);
		bool promised;

		if (error == 0)
			error = mpio_cache_grab(file, queue, pos, page);
		if (error != 0)
			return error;
		mpio__cache_lock(file->cache);
		promised = mpio__frame_promise(mpio__frame_of(*page), queue);
		mpio__cache_unlock(file->cache);
		if (promised)
			return 0;
		mpio_cache_release(*page);
	}
}

static int begin(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		 uint64_t pos, uint32_t length, struct mpio_page **page)
{
	struct mpio_page *found;
	int error;

	mpio__cache_lock(file->cache);
	file->device = mpio_queue_device(queue);
	mpio__cache_throttle(file, queue);
	mpio__cache_unlock(file->cache);
	error = grab(file, queue, pos, &found);
	if (error != 0)
		return error;
	error = fill_edges(mpio__frame_of(found), queue,
			   (uint32_t)(pos - found->pos), length);
	if (error != 0)
		mpio_cache_release(found);
	else
		*page = found;
	return error;
}

/* A block that has no old bytes on the device needs no zeros there. */
static bool is_hole(struct mpio_page *page, struct mpio_queue *queue,
		    uint64_t pos)
{
	return mpio__cache_is_hole(mpio__frame_of(page), queue,
				   (uint32_t)(pos - page->pos));
}

/*
 * The end is about to move up from within a block: make that block dirty,
 * unless a write at `pos` will.
 */
static int settle_end(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		      uint64_t pos)
{
	uint32_t mask = file->unit - 1;
	uint64_t size = mpio_cache_end(file);
	struct mpio_page *page;
	int error;

	if ((size & mask) == 0 || pos <= (size | mask))
		return 0;
	error = begin(file, queue, size - 1, 1, &page);
	if (error == 0)
		mpio_cache_write_end(page, size - 1,
				     is_hole(page, queue, size - 1) ? 0 : 1);
	return error;
}

int mpio_cache_write_begin(struct mpio_cache_mapping *file,
			   struct mpio_queue *queue, uint64_t pos,
			   uint32_t length, struct mpio_page **page)
{
	uint32_t shift = file->cache->page_shift;
	int error;

	/* The core cannot write the last page of all: its end has no number. */
	if (length == 0 || !mpio__range_fits(pos, length, UINT64_MAX) ||
	    pos >> shift != (pos + length - 1) >> shift ||
	    pos >> shift == UINT64_MAX >> shift)
		return -MPIO_EINVAL;
	error = settle_end(file, queue, pos);
	return error != 0 ? error : begin(file, queue, pos, length, page);
}

void mpio_cache_write_end(struct mpio_page *page, uint64_t pos, uint32_t length)
{
	struct mpio__frame *frame = mpio__frame_of(page);
	struct mpio_cache_mapping *file = frame->file;
	struct mpio_cache *cache = file->cache;
	uint64_t mask;

	mpio__cache_lock(cache);
	if (length != 0) {
		mask = units_mask(file, (uint32_t)(pos - page->pos), length);
		frame->uptodate |= mask;
		mpio__frame_set_dirty(frame, frame->dirty | mask);
		if (file->mapping.size < pos + length)
			file->mapping.size = pos + length;
	}
	mpio__frame_unlock(frame);
	mpio__frame_put(frame);
	mpio__cache_unlock(cache);
}

/* ---- Forgetting --------------------------------------------------------- */

/* Forget pages of [key, end), dirty or not, when nobody is at them. */
static int forget(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		  uint64_t key, uint64_t end)
{
	uint32_t number;

	while ((number = mpio__index_next(mpio__file_index(file), &key,
					  MPIO__TAG_ANY)) != 0 &&
	       key < end) {
		struct mpio__frame *frame = mpio__frame_at(file->cache, number);
		int error;

		frame->pins++;
		error = mpio__frame_wait(frame, queue, MPIO__FRAME_BUSY);
		if (error == 0 && !(frame->state & MPIO__FRAME_ORPHAN))
			mpio__frame_forget(frame);
		mpio__frame_put(frame);
		if (error != 0)
			return error;
	}
	return 0;
}

/* Pages that begin before a position. */
static uint64_t pages_before(const struct mpio_cache *cache, uint64_t pos)
{
	return mpio__bytes_to_blocks_up(pos, cache->page_shift);
}

int mpio_cache_drop(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		    uint64_t start, uint64_t end)
{
	struct mpio_cache *cache = file->cache;
	int error;

	mpio__cache_lock(cache);
	error = mpio__walk_take(file, queue);
	if (error == 0) {
		error = forget(file, queue, start >> cache->page_shift,
			       pages_before(cache, end));
		mpio__cache_change(file, start, end);
		mpio__walk_give(file);
	}
	mpio__cache_unlock(cache);
	return error;
}

/* Forget one page if it may go: 0, or -MPIO_EBUSY; or it cannot be waited. */
static int forget_clean(struct mpio__frame *frame, struct mpio_queue *queue)
{
	int error;

	frame->pins++;
	error = mpio__frame_wait(frame, queue, MPIO__FRAME_LOCKED);
	if (error == 0 && !(frame->state & MPIO__FRAME_ORPHAN)) {
		if (frame->pins == 1 && frame->dirty == 0 &&
		    !(frame->state & MPIO__FRAME_BUSY))
			mpio__frame_forget(frame);
		else
			error = -MPIO_EBUSY;
	}
	mpio__frame_put(frame);
	return error;
}

int mpio_cache_invalidate(struct mpio_cache_mapping *file,
			  struct mpio_queue *queue, uint64_t start,
			  uint64_t end)
{
	struct mpio_cache *cache = file->cache;
	uint64_t key = start >> cache->page_shift;
	uint64_t key_end = pages_before(cache, end);
	int result = 0;
	uint32_t number;

	mpio__cache_lock(cache);
	while ((number = mpio__index_next(mpio__file_index(file), &key,
					  MPIO__TAG_ANY)) != 0 &&
	       key < key_end) {
		int error = forget_clean(mpio__frame_at(cache, number), queue);

		if (error != 0)
			result = error;
		if (error != 0 && error != -MPIO_EBUSY)
			break;
		key++;
	}
	mpio__cache_unlock(cache);
	return result;
}

/* ---- The end of file ---------------------------------------------------- */

/* The last page of all cannot be: a file ends where it begins, at most. */
static bool can_end_at(const struct mpio_cache *cache, uint64_t size)
{
	return size <= UINT64_MAX >> cache->page_shift << cache->page_shift;
}

/* Zeros from the new end to the end of its block, to be written. */
static int zero_rest(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		     uint64_t size)
{
	uint32_t rest = (uint32_t)size & (file->unit - 1);
	uint64_t old = mpio_cache_end(file);
	struct mpio_page *page;
	uint32_t length;
	bool hole;
	int error;

	if (rest == 0 || size >= old)
		return 0;
	length = (uint32_t)mpio__min_u64(file->unit - rest, old - size);
	error = begin(file, queue, size, length, &page);
	if (error != 0)
		return error;
	hole = is_hole(page, queue, size);
	memset((unsigned char *)page->data + (size - page->pos), 0, length);
	mpio_cache_write_end(page, size, hole ? 0 : length);
	return 0;
}

/* The page that the end lies in: what is behind it is neither there nor dirty.
 */
static void trim(struct mpio_cache_mapping *file, uint64_t size)
{
	struct mpio_cache *cache = file->cache;
	uint32_t number = mpio__file_find(file, size >> cache->page_shift);
	struct mpio__frame *frame;
	uint32_t keep;

	if (number == 0)
		return;
	frame = mpio__frame_at(cache, number);
	keep = (uint32_t)(size - frame->page.pos);
	memset((unsigned char *)frame->page.data + keep, 0,
	       frame->page.size - keep);
	mpio__frame_set_dirty(frame, frame->dirty & units_mask(file, 0, keep));
	mpio__reclaim_let_go(frame);
}

/* Wait for each page from a key on that somebody is at: 1 if there was one. */
static int wait_once(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		     uint64_t key)
{
	uint32_t number;
	int waited = 0;

	while ((number = mpio__index_next(mpio__file_index(file), &key,
					  MPIO__TAG_ANY)) != 0) {
		struct mpio__frame *frame = mpio__frame_at(file->cache, number);
		int error;

		key++;
		if (!(frame->state & MPIO__FRAME_BUSY))
			continue;
		waited = 1;
		error = mpio__frame_await(frame, queue, MPIO__FRAME_BUSY);
		if (error != 0)
			return error;
	}
	return waited;
}

/* All waiting comes first, so that either all is done, or nothing. */
MPIO__APART static int cut(struct mpio_cache_mapping *file,
			   struct mpio_queue *queue, uint64_t size)
{
	struct mpio_cache *cache = file->cache;
	int error = mpio__walk_take(file, queue);

	if (error != 0)
		return error;
	file->cut = size >> cache->page_shift;
	do { /* who had come before may still lock one */
		error = wait_once(file, queue, file->cut);
	} while (error > 0);
	file->cut = UINT64_MAX;
	if (error == 0 && size < file->mapping.size) {
		file->mapping.size = size;
		mpio__cache_change(file, size, UINT64_MAX);
		error = forget(file, queue, pages_before(cache, size),
			       UINT64_MAX);
		if (size & (((uint64_t)1 << cache->page_shift) - 1))
			trim(file, size);
	}
	mpio__walk_give(file);
	return error;
}

int mpio_cache_resize(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		      uint64_t size)
{
	struct mpio_cache *cache = file->cache;
	int error;

	if (!can_end_at(cache, size))
		return -MPIO_EFBIG;
	if (size > mpio_cache_end(file))
		error = settle_end(file, queue, UINT64_MAX);
	else
		error = zero_rest(file, queue, size);
	if (error != 0)
		return error;
	mpio__cache_lock(cache);
	if (size < file->mapping.size)
		error = cut(file, queue, size);
	else
		file->mapping.size = size;
	mpio__cache_unlock(cache);
	return error;
}

/* The page that the old end lies in has zeros where other bytes are now. */
int mpio_cache_renew(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		     uint64_t start, uint64_t size)
{
	uint64_t end = mpio_cache_end(file);
	int error;

	if (!can_end_at(file->cache, size))
		return -MPIO_EFBIG;
	start = mpio__min_u64(start, mpio__min_u64(size, end));
	error = mpio_cache_invalidate(file, queue, start, UINT64_MAX);
	if (error != 0)
		return error;
	mpio__cache_lock(file->cache);
	file->mapping.size = size;
	mpio__cache_change(file, start, UINT64_MAX);
	mpio__cache_unlock(file->cache);
	return 0;
}

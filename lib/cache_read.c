/* SPDX-License-Identifier: MIT */
/*
 * Reading into the cache: a page that somebody waits for, rows of pages ahead,
 * and what is watched while it is read past the cache.
 *
 * A page is handed to the core with exactly the blocks missing that are
 * wanted, whatever else is missing, too: so a write of part of a block reads
 * that block alone. A page of which all is missing has no per-block state
 * for the core, which then takes it the short way.
 */
#include "cache_private.h"

/* Pages handed to the core at once. */
#define BATCH 32u

/* ---- The end of a read -------------------------------------------------- */

/*
 * What was read behind the end of file is not the file's: the rest of the last
 * block; or of the page, for another copy of it is read whole.
 */
static void zero_behind(struct mpio__frame *frame, uint32_t keep,
			uint64_t blocks)
{
	uint32_t block_size = frame->file->mapping.block_size;
	uint32_t used = keep & (block_size - 1);
	uint32_t rest = used != 0 ? block_size - used : 0;
	uint32_t block = keep >> frame->file->block_shift;

	if (frame->file->ops.reread != NULL)
		rest = frame->page.size - keep;
	else if (!(blocks & mpio__blocks_mask(block, block + 1)))
		rest = 0;
	if (rest != 0)
		memset((unsigned char *)frame->page.data + keep, 0, rest);
}

/*
 * The end may have moved up meanwhile, if it was between two blocks, and be
 * inside one by now. (From inside a block it does not, while the page is read.)
 */
static void zero_behind_end(struct mpio__frame *frame)
{
	uint32_t keep = mpio__beside_of(frame)->keep;
	uint64_t size = frame->file->mapping.size;

	zero_behind(frame, keep, frame->moving);
	if (size > frame->page.pos + keep &&
	    size - frame->page.pos < frame->page.size)
		zero_behind(frame, (uint32_t)(size - frame->page.pos),
			    frame->moving);
}

void mpio__read_ended(struct mpio__frame *frame, int status)
{
	if (status == 0) {
		zero_behind_end(frame);
		frame->uptodate |= frame->moving;
	} else if (frame->file->ops.reread != NULL) {
		/* A copy that failed may have come over any block. */
		frame->uptodate &= frame->bits[0];
	}
	frame->page.error = status;
	frame->moving = 0;
	frame->file->cache->reading--;
	if (frame->state & MPIO__FRAME_AHEAD)
		frame->state &= ~(MPIO__FRAME_AHEAD | MPIO__FRAME_LOCKED);
	frame->state &= ~MPIO__FRAME_READING;
	mpio__reclaim_let_go(frame);
	mpio__cache_wake(frame->file->cache);
}

/* ---- Reading ------------------------------------------------------------ */

/* The page of a locked frame, as a callback or the core is to see it. */
static void lend(struct mpio__frame *frame)
{
	struct mpio_page *page = &frame->page;

	page->mapping = &frame->file->reads.mapping;
	page->flags = MPIO_PAGE_LOCKED;
	if (frame->dirty != 0)
		page->flags |= MPIO_PAGE_DIRTY;
}

/* Hand over the page of a locked frame, with some of its blocks missing. */
static void begin_read(struct mpio__frame *frame, struct mpio_queue *queue,
		       uint64_t missing)
{
	struct mpio_cache_mapping *file = frame->file;
	struct mpio__beside *beside = mpio__beside_of(frame);
	struct mpio_page *page = &frame->page;
	uint64_t size = file->mapping.size;

	frame->state |= MPIO__FRAME_READING;
	frame->moving = missing;
	beside->owner = queue;
	beside->keep =
		page->pos < size
			? (uint32_t)mpio__min_u64(size - page->pos, page->size)
			: 0;
	frame->bits[0] = ~missing;
	frame->bits[1] = frame->dirty;
	page->blocks = missing != frame->file->full ? frame->bits : NULL;
	lend(frame);
	file->cache->reading++;
}

int mpio_cache_fill(struct mpio_page *page, struct mpio_queue *queue,
		    uint32_t offset, uint32_t length)
{
	struct mpio__frame *frame = mpio__frame_of(page);
	struct mpio_cache_mapping *file = frame->file;
	struct mpio_cache *cache = file->cache;
	uint64_t missing = mpio__bytes_mask(file, offset, length);
	struct mpio__handing handing;
	int error;

	mpio__cache_lock(cache);
	mpio__handing_begin(cache, &handing, queue);
	/* A read that could not be waited for may still be going on. */
	error = mpio__frame_wait(frame, queue, MPIO__FRAME_READING);
	missing &= ~frame->uptodate;
	if (error != 0 || missing == 0)
		goto end;
	if (file->ops.verify != NULL) /* looks at the whole page */
		missing = frame->file->full & ~frame->uptodate;
	begin_read(frame, queue, missing);
	mpio__cache_unlock(cache);
	error = mpio_read_page(queue, &file->reads.mapping, page);
	mpio__cache_lock(cache);
	if (error != 0)
		mpio__read_ended(frame, error);
	error = mpio__frame_wait(frame, queue, MPIO__FRAME_READING);
	if (error == 0)
		error = frame->page.error;
end:
	mpio__handing_end(cache, &handing);
	mpio__cache_unlock(cache);
	return error;
}

/*
 * The engine is asked; but not one that seals pages, for whom a block of one
 * changes all of it. It may answer with bytes of its own, which it has put into
 * the page: they are there already, but for those behind the end.
 */
bool mpio__cache_is_hole(struct mpio__frame *frame, struct mpio_queue *queue,
			 uint32_t offset)
{
	struct mpio_cache_mapping *file = frame->file;
	struct mpio_cache *cache = file->cache;
	struct mpio_page *page = &frame->page;
	struct mpio_extent extent = {.count = 1};
	const uint32_t unwritten = MPIO_EXTENT_MAPPED | MPIO_EXTENT_UNWRITTEN;
	struct mpio__handing handing;
	int error;

	if (frame->dirty & mpio__bytes_mask(file, offset, 1) ||
	    file->ops.seal != NULL)
		return false;
	mpio__cache_lock(cache);
	lend(frame);
	mpio__handing_begin(cache, &handing, queue);
	mpio__cache_unlock(cache);
	error = file->ops.get_block(&file->reads.mapping, page,
				    (page->pos + offset) >> file->block_shift,
				    0, &extent);
	mpio__cache_lock(cache);
	mpio__handing_end(cache, &handing);
	if (extent.flags & MPIO_EXTENT_UPTODATE &&
	    file->mapping.size - page->pos < page->size)
		zero_behind(frame, (uint32_t)(file->mapping.size - page->pos),
			    UINT64_MAX);
	mpio__cache_unlock(cache);
	extent.flags &= ~MPIO_EXTENT_BOUNDARY;
	return error == 0 && extent.count == 1 && /* or it cannot be so */
	       (extent.flags == 0 || extent.flags == unwritten);
}

/* ---- Reading ahead ------------------------------------------------------ */

struct ahead {
	struct mpio_cache_mapping *file;
	struct mpio_queue *queue;
	uint32_t flags;
	uint32_t before; /* the frame of the page before, or 0 */
	uint32_t run;    /* frames that were taken: the first, */
	uint32_t left;   /* and how many */
	uint32_t n;      /* pages in the batch */
	uint64_t stop;   /* key of the first page that is not to be had */
	int error;
	struct mpio_page *pages[BATCH];
};

/* A page was not taken by the core. */
static void back_out(struct mpio__frame *frame)
{
	mpio__read_ended(frame, -MPIO_EAGAIN);
	mpio__frame_forget(frame);
}

/* Hand a batch over. */
static void send(struct ahead *ahead)
{
	struct mpio_cache *cache = ahead->file->cache;
	struct mpio__handing handing;
	uint32_t n = ahead->n;
	uint32_t i = 0;
	int taken;

	if (n == 0)
		return;
	mpio__handing_begin(cache, &handing, ahead->queue);
	mpio__cache_unlock(cache);
	taken = mpio_readahead(ahead->queue, &ahead->file->reads.mapping,
			       ahead->pages, n, ahead->flags);
	mpio__cache_lock(cache);
	mpio__handing_end(cache, &handing);
	if (taken < 0)
		ahead->error = taken;
	else
		i = (uint32_t)taken;
	if (i < n)
		ahead->stop = ahead->pages[i]->pos >> cache->page_shift;
	for (; i < n; i++)
		back_out(mpio__frame_of(ahead->pages[i]));
	ahead->n = 0;
}

/* Give a page a frame and put it into the batch. */
static bool add(struct ahead *ahead, uint64_t key, uint32_t wanted)
{
	struct mpio_cache *cache = ahead->file->cache;
	struct mpio__frame *frame;

	if (key >= ahead->file->cut)
		return false;
	if (ahead->left == 0)
		ahead->run = mpio__cache_take_run(cache, ahead->before, wanted,
						  &ahead->left);
	if (ahead->left == 0 ||
	    mpio__frame_enter(ahead->file, key, ahead->run) != 0)
		return false;
	frame = mpio__frame_at(cache, ahead->run);
	ahead->before = ahead->run++;
	ahead->left--;
	begin_read(frame, ahead->queue, frame->file->full);
	frame->state |= MPIO__FRAME_AHEAD;
	if (ahead->flags & MPIO_READ_AHEAD)
		mpio__reclaim_keep(cache, frame);
	ahead->pages[ahead->n++] = &frame->page;
	return true;
}

/* Go through the row of pages, to its end or as far as can be. */
static void read_row(struct ahead *ahead, uint64_t first)
{
	uint64_t key;

	ahead->before =
		first != 0 ? mpio__file_find(ahead->file, first - 1) : 0;
	for (key = first; key < ahead->stop; key++) {
		uint32_t there = mpio__file_find(ahead->file, key);

		if (there != 0)
			ahead->before = there;
		else if (!add(ahead, key, (uint32_t)(ahead->stop - key)))
			ahead->stop = key;
		if (ahead->n == BATCH)
			send(ahead);
	}
	send(ahead);
}

int mpio_cache_readahead(struct mpio_cache_mapping *file,
			 struct mpio_queue *queue, uint64_t pos, uint32_t count,
			 uint32_t flags)
{
	struct mpio_cache *cache = file->cache;
	uint64_t first = pos >> cache->page_shift;
	struct ahead ahead;
	uint32_t done;

	ahead.file = file;
	ahead.queue = queue;
	ahead.flags = flags;
	ahead.n = 0;
	ahead.left = 0;
	/* Positions end somewhere: no page begins behind the last one. */
	ahead.stop = mpio__min_u64(first + mpio__min_u32(count, INT32_MAX),
				   (UINT64_MAX >> cache->page_shift) + 1);
	ahead.error = 0;
	mpio_queue_plug(queue);
	mpio__cache_lock(cache);
	read_row(&ahead, first);
	for (; ahead.left > 0; ahead.left--)
		mpio__cache_give(cache, ahead.run++);
	mpio__cache_unlock(cache);
	mpio_queue_unplug(queue);
	done = (uint32_t)(ahead.stop - first);
	return done != 0 || ahead.error == 0 ? (int)done : ahead.error;
}

/* ---- Reads past the cache ----------------------------------------------- */

void mpio__cache_change(struct mpio_cache_mapping *file, uint64_t start,
			uint64_t end)
{
	struct mpio_cache_watch *watch = file->watches;

	for (; watch != NULL; watch = watch->next) {
		if (start < watch->end && watch->start < end)
			watch->changed = true;
	}
}

bool mpio_cache_watch(struct mpio_cache_mapping *file,
		      struct mpio_cache_watch *watch, uint64_t start,
		      uint64_t end)
{
	struct mpio_cache *cache = file->cache;
	uint64_t key = start >> cache->page_shift;
	bool good;

	mpio__cache_lock(cache);
	good = end <= file->mapping.size &&
	       (mpio__index_next(mpio__file_index(file), &key, MPIO__TAG_ANY) ==
			0 ||
		key << cache->page_shift >= end);
	if (good) {
		*watch = (struct mpio_cache_watch){
			.start = start,
			.end = end,
			.next = file->watches,
		};
		file->watches = watch;
	}
	mpio__cache_unlock(cache);
	return good;
}

bool mpio_cache_unwatch(struct mpio_cache_mapping *file,
			struct mpio_cache_watch *watch)
{
	struct mpio_cache_watch **at = &file->watches;

	mpio__cache_lock(file->cache);
	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	mpio__cache_unlock(file->cache);
	return !watch->changed;
}

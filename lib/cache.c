/* SPDX-License-Identifier: MIT */
/*
 * Cache: files, and the life of a frame.
 *
 * A frame is free, or taken and in its file's index and in one of the lists of
 * reclaim; or an orphan: its page was dropped while somebody had it pinned.
 */
#include "cache_private.h"

/* What a hit and its user look at is in one line. */
_Static_assert(sizeof(void *) > 8 ||
		       offsetof(struct mpio__frame, page) +
				       offsetof(struct mpio_page, flags) <=
			       MPIO__LINE,
	       "the user's part of a page is in its frame's first line");
_Static_assert(sizeof(void *) != 8 ||
		       sizeof(struct mpio__frame) == 2 * (size_t)MPIO__LINE,
	       "a frame has two lines");

/* ---- Frames ------------------------------------------------------------- */

/* A file enters or leaves the ring of those with dirty pages. */
static void ring_update(struct mpio_cache_mapping *file)
{
	struct mpio_cache *cache = file->cache;
	struct mpio_cache_mapping *head = cache->dirty_files;

	if (file->dirty != 0 && file->dirty_next == NULL) {
		if (head == NULL) {
			cache->dirty_files = head = file;
			file->dirty_prev = file;
		}
		file->dirty_next = head;
		file->dirty_prev = head->dirty_prev;
		file->dirty_prev->dirty_next = file;
		head->dirty_prev = file;
		cache->dirty_count++;
	} else if (file->dirty == 0) {
		if (head == file)
			cache->dirty_files = file->dirty_next == file
						     ? NULL
						     : file->dirty_next;
		file->dirty_prev->dirty_next = file->dirty_next;
		file->dirty_next->dirty_prev = file->dirty_prev;
		file->dirty_next = NULL;
		file->dirty_prev = NULL;
		cache->dirty_count--;
	}
}

void mpio__frame_set_dirty(struct mpio__frame *frame, uint64_t dirty)
{
	struct mpio_cache_mapping *file = frame->file;
	struct mpio__index index = mpio__file_index(file);
	uint64_t key = mpio__frame_key(file->cache, frame);
	bool was = frame->dirty != 0;

	frame->dirty = dirty;
	if (was == (dirty != 0))
		return;
	mpio__index_tag(index, key, MPIO__TAG_DIRTY, !was);
	if (was) {
		mpio__index_tag(index, key, MPIO__TAG_TOWRITE, false);
		file->dirty--;
		file->cache->stats.dirty--;
	} else {
		file->dirty++;
		file->cache->stats.dirty++;
	}
	ring_update(file);
}

static void frame_free(struct mpio__frame *frame)
{
	struct mpio_cache *cache = frame->file->cache;

	frame->file->orphans--;
	frame->file = NULL;
	mpio__cache_careful(cache, false);
	mpio__cache_give(cache, mpio__frame_number(cache, frame));
	mpio__cache_wake(cache);
}

void mpio__frame_forget(struct mpio__frame *frame)
{
	struct mpio_cache_mapping *file = frame->file;
	struct mpio_cache *cache = file->cache;

	mpio__frame_set_dirty(frame, 0);
	mpio__reclaim_remove(cache, frame);
	mpio__index_remove(mpio__file_index(file),
			   mpio__frame_key(cache, frame));
	if (file->last == mpio__frame_number(cache, frame))
		file->last = 0;
	mpio__reclaim_keep_no_more(cache, frame);
	file->pages--;
	file->orphans++;
	frame->state |= MPIO__FRAME_ORPHAN;
	mpio__cache_careful(cache, true);
	if (frame->pins == 0)
		frame_free(frame);
}

void mpio__frame_put(struct mpio__frame *frame)
{
	if (--frame->pins == 0 && (frame->state & MPIO__FRAME_ORPHAN)) {
		frame_free(frame);
	} else if (frame->pins == 0) {
		mpio__reclaim_let_go(frame);
		mpio__cache_wake(frame->file->cache);
	}
}

void mpio__frame_unlock(struct mpio__frame *frame)
{
	if (frame->state & MPIO__FRAME_PROMISED) {
		frame->state &= ~MPIO__FRAME_PROMISED;
		frame->file->cache->promised--;
	}
	/* A read that could not be waited for unlocks it when it ends. */
	if (frame->state & MPIO__FRAME_READING)
		frame->state |= MPIO__FRAME_AHEAD;
	else
		frame->state &= ~MPIO__FRAME_LOCKED;
	mpio__cache_wake(frame->file->cache);
}

int mpio__frame_enter(struct mpio_cache_mapping *file, uint64_t key,
		      uint32_t number)
{
	struct mpio_cache *cache = file->cache;
	struct mpio__frame *frame = mpio__frame_at(cache, number);
	void *data = frame->page.data;

	while (mpio__index_insert(mpio__file_index(file), key, number) != 0) {
		if (!mpio__cache_evict(cache))
			return -MPIO_ENOMEM;
	}
	*frame = (struct mpio__frame){
		.file = file,
		.state = MPIO__FRAME_LOCKED,
	};
	mpio_page_init(&frame->page, &file->reads.mapping,
		       key << cache->page_shift, data,
		       (uint32_t)1 << cache->page_shift);
	mpio__reclaim_add(cache, frame);
	file->pages++;
	return 0;
}

/* ---- Getting hold of pages ---------------------------------------------- */

/*
 * A callback may take the last nodes, too: what it finds there is needed to
 * write pages back, and dirty pages are what holds the others.
 */
static int enter(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		 uint64_t key, uint32_t number)
{
	struct mpio__pool *pool = &file->cache->pool;
	uint32_t keep = pool->keep;
	int error;

	if (mpio__is_nested(file->cache, queue))
		pool->keep = 0;
	error = mpio__frame_enter(file, key, number);
	pool->keep = keep;
	return error;
}

/* A page's frame, pinned; if it was not there, locked and *is_new. */
static int obtain(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		  uint64_t key, struct mpio__frame **frame, bool *is_new)
{
	struct mpio_cache *cache = file->cache;

	for (;;) {
		uint32_t number = mpio__file_find(file, key);
		int error = 0;

		*is_new = number == 0;
		if (number == 0) {
			number = mpio__cache_take(cache);
			error = number != 0 ? enter(file, queue, key, number)
					    : -MPIO_ENOMEM;
			if (error != 0 && number != 0)
				mpio__cache_give(cache, number);
		}
		if (error == 0) {
			*frame = mpio__frame_at(cache, number);
			(*frame)->pins++;
			return 0;
		}
		error = mpio__cache_make_room(cache, queue);
		if (error != 0)
			return error;
	}
}

/* The same, locked in any case, but not while the end moves down before it. */
static int grab(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		uint64_t key, struct mpio__frame **frame)
{
	for (;;) {
		bool is_new;
		int error = mpio__cut_wait(file, queue, key);

		if (error == 0)
			error = obtain(file, queue, key, frame, &is_new);
		if (error != 0)
			return error;
		if (!is_new)
			error = mpio__frame_wait(*frame, queue,
						 MPIO__FRAME_BUSY);
		if (error == 0 && !((*frame)->state & MPIO__FRAME_ORPHAN)) {
			(*frame)->state |= MPIO__FRAME_LOCKED;
			mpio__beside_of(*frame)->owner = queue;
			return 0;
		}
		mpio__frame_put(*frame);
		if (error != 0)
			return error;
	}
}

int mpio_cache_grab(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		    uint64_t pos, struct mpio_page **page)
{
	struct mpio_cache *cache = file->cache;
	struct mpio__frame *frame;
	int error;

	mpio__cache_lock(cache);
	error = grab(file, queue, pos >> cache->page_shift, &frame);
	if (error == 0) {
		mpio__reclaim_use(frame, false);
		*page = &frame->page;
	}
	mpio__cache_unlock(cache);
	return error;
}

void mpio_cache_release(struct mpio_page *page)
{
	struct mpio__frame *frame = mpio__frame_of(page);
	struct mpio_cache *cache = frame->file->cache;

	mpio__cache_lock(cache);
	mpio__frame_unlock(frame);
	mpio__frame_put(frame);
	mpio__cache_unlock(cache);
}

/*
 * Finding and putting a page that is there is what a cache does most. With the
 * pages of a large one it waits for memory twice, for the index and for the
 * frame, and the fewer instructions it has, the more of them the processor
 * waits for at once. So what does not happen every time is kept apart.
 */

/* With lock hooks, or where there may be more to do than to pin a page. */
MPIO__APART static int find_carefully(struct mpio_cache_mapping *file,
				      uint64_t key, bool again,
				      struct mpio_page **page)
{
	struct mpio_cache *cache = file->cache;
	struct mpio__frame *frame;
	uint32_t number;
	int error = -MPIO_ENOENT;

	mpio__cache_lock(cache);
	number = mpio__file_find(file, key);
	frame = mpio__frame_at(cache, number);
	if (number != 0 && frame->uptodate == file->full) {
		frame->pins++;
		cache->stats.hits++;
		*page = &frame->page;
		mpio__reclaim_use(frame, again);
		error = 0;
	}
	mpio__cache_unlock(cache);
	return error;
}

int mpio_cache_find(struct mpio_cache_mapping *file, uint64_t pos,
		    struct mpio_page **page)
{
	struct mpio_cache *cache = file->cache;
	uint64_t key = pos >> cache->page_shift;
	struct mpio__frame *frame;
	size_t number;

	if (cache->lock.lock != NULL)
		return find_carefully(file, key, false, page);
	number = mpio__index_find(&cache->pool, file->root, file->height, key);
	frame = mpio__frame_at(cache, number);
	if (!(frame->state & MPIO__FRAME_PLAIN))
		return find_carefully(file, key, false, page);
	frame->pins++;
	cache->stats.hits++;
	file->last = (uint32_t)number;
	*page = &frame->page;
	return 0;
}

int mpio_cache_find_again(struct mpio_cache_mapping *file, uint64_t pos,
			  struct mpio_page **page)
{
	return find_carefully(file, pos >> file->cache->page_shift, true, page);
}

int mpio_cache_get(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		   uint64_t pos, struct mpio_page **page)
{
	struct mpio_cache *cache = file->cache;
	struct mpio_page *found;
	int error;

	if (mpio_cache_find(file, pos, page) == 0)
		return 0;
	error = mpio_cache_grab(file, queue, pos, &found);
	if (error != 0)
		return error;
	error = mpio_cache_fill(found, queue, 0, found->size);
	mpio__cache_lock(cache);
	cache->stats.misses++;
	mpio__frame_unlock(mpio__frame_of(found));
	if (error != 0)
		mpio__frame_put(mpio__frame_of(found));
	else
		*page = found;
	mpio__cache_unlock(cache);
	return error;
}

void mpio_cache_pin(struct mpio_page *page)
{
	struct mpio__frame *frame = mpio__frame_of(page);

	mpio__cache_lock(frame->file->cache);
	frame->pins++;
	mpio__cache_unlock(frame->file->cache);
}

/* With lock hooks, while somebody waits, or while there are dropped pages. */
MPIO__APART static void put_carefully(struct mpio__frame *frame)
{
	struct mpio_cache *cache = frame->file->cache;

	mpio__cache_lock(cache);
	mpio__frame_put(frame);
	mpio__cache_unlock(cache);
}

void mpio_cache_put(struct mpio_page *page)
{
	struct mpio__frame *frame = mpio__frame_of(page);

	if (frame->file->cache->careful != 0)
		put_carefully(frame);
	else
		frame->pins--;
}

bool mpio_cache_is_uptodate(struct mpio_page *page, uint32_t offset,
			    uint32_t length)
{
	struct mpio__frame *frame = mpio__frame_of(page);
	struct mpio_cache *cache = frame->file->cache;
	uint64_t mask = mpio__bytes_mask(frame->file, offset, length);
	bool answer;

	mpio__cache_lock(cache);
	answer = (frame->uptodate & mask) == mask;
	mpio__cache_unlock(cache);
	return answer;
}

/* ---- Files -------------------------------------------------------------- */

int mpio_cache_attach(struct mpio_cache *cache, struct mpio_cache_mapping *file)
{
	uint32_t block_size = file->mapping.block_size;
	uint32_t page_size = (uint32_t)1 << cache->page_shift;

	if (file->cache != NULL || !mpio__is_power_of_two(block_size) ||
	    block_size > page_size ||
	    block_size < page_size / MPIO_CACHE_BLOCKS_MAX ||
	    file->mapping.ops == NULL || file->mapping.ops->get_block == NULL)
		return -MPIO_EINVAL;
	*file = (struct mpio_cache_mapping){
		.mapping = file->mapping,
		.cache = cache,
		.cut = UINT64_MAX,
		.block_shift = mpio__log2(block_size),
		/* What is sealed is a page, with all that is in it. */
		.unit = file->mapping.ops->seal != NULL ? page_size
							: block_size,
	};
	file->full = mpio__bytes_mask(file, 0, page_size);
	mpio__cache_ops_init(file);
	return 0;
}

int mpio_cache_detach(struct mpio_cache_mapping *file, struct mpio_queue *queue)
{
	struct mpio_cache *cache = file->cache;
	int error;

	if (cache == NULL)
		return -MPIO_EINVAL;
	error = mpio_cache_invalidate(file, queue, 0, UINT64_MAX);
	if (error != 0)
		return error;
	mpio__cache_lock(cache);
	error = mpio__walk_take(file, queue); /* whoever still has it */
	if (error == 0) {
		mpio__walk_give(file);
		error = file->pages + file->orphans != 0 ? -MPIO_EBUSY : 0;
	}
	mpio__cache_unlock(cache);
	if (error == 0)
		file->cache = NULL;
	return error;
}

uint64_t mpio_cache_end(struct mpio_cache_mapping *file)
{
	uint64_t size;

	mpio__cache_lock(file->cache);
	size = file->mapping.size;
	mpio__cache_unlock(file->cache);
	return size;
}

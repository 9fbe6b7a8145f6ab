/* SPDX-License-Identifier: MIT */
/*
 * Room: what to write back when a frame or a node is wanted and none can go, or
 * when too many are dirty; and whom to wait for.
 *
 * Who needs room walks files with dirty pages, whatever they are of, in turn:
 * first a few pages of each, then all that can be written. What others walk
 * already is waited for, unless it is a callback, whose own thread that may be.
 * What a callback walks is no part of the order in which the engine uses its
 * files: the callbacks of such a walk wait for no other thread at all.
 */
#include "cache_private.h"

/* Pages that a helper or a reclaimer writes. */
#define FEW_PAGES 64

/*
 * Write pages of a file that nobody walks: a few, or all that can be. Whether
 * there were as many as a few.
 */
static bool write_some(struct mpio_cache_mapping *file,
		       struct mpio_queue *queue, bool all)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = all ? MPIO_SYNC_ALL : MPIO_SYNC_NONE,
		.reason = MPIO_REASON_RECLAIM,
		.nr_to_write = FEW_PAGES,
		.range_cyclic = !all,
	};
	/* What is locked may be so by this very thread, if it is nested. */
	bool in_room = mpio__is_nested(file->cache, queue);

	(void)mpio__walk_take(file, queue); /* nobody has it */
	file->in_room = in_room;
	/* Errors are told by the error sequence. */
	(void)mpio__cache_walk(file, queue, &wbc);
	mpio__walk_give(file);
	return wbc.nr_to_write <= 0;
}

/*
 * Whether pages of a file may be written by a queue that its own users have not
 * chosen: it leads to where they write, or get_block names queues itself.
 */
static bool may_write(const struct mpio_cache_mapping *file,
		      const struct mpio_queue *queue)
{
	return file->names_queue || file->device == mpio_queue_device(queue);
}

struct mpio_cache_mapping *mpio__cache_next_file(struct mpio_cache *cache,
						 const struct mpio_queue *queue)
{
	struct mpio_cache_mapping *head = cache->dirty_files;
	struct mpio_cache_mapping *file = head;

	if (head == NULL)
		return NULL;
	while (file->walker != NULL || !may_write(file, queue)) {
		file = file->dirty_next;
		if (file == head)
			return NULL;
	}
	cache->dirty_files = file->dirty_next; /* the ring goes round */
	return file;
}

/* Whether pages of any file could be written, a few of each or all. */
MPIO__APART static bool write_any(struct mpio_cache *cache,
				  struct mpio_queue *queue, bool all)
{
	uint64_t cleaned = cache->cleaned;
	uint32_t tries = cache->dirty_count;

	/* A cyclic walk begins at 0 when it came to the end: try twice. */
	if (!all)
		tries *= 2;
	for (uint32_t i = 0; i < tries; i++) {
		struct mpio_cache_mapping *file =
			mpio__cache_next_file(cache, queue);

		if (file == NULL)
			break;
		(void)write_some(file, queue, all);
		if (cache->cleaned != cleaned)
			return true;
	}
	return false;
}

/*
 * A callback may begin a walk, to make room; but a callback of that one none,
 * or each file's walk would go round all the others.
 */
static inline bool write_back(struct mpio_cache *cache,
			      struct mpio_queue *queue)
{
	return !mpio__is_in_room(cache, queue) &&
	       (write_any(cache, queue, false) ||
		write_any(cache, queue, true));
}

/*
 * Until others that walk have written a page, or have done; whether any did
 * walk. (The thread itself does not: it is in no callback.) To walk again
 * meanwhile would be no use: what they have not claimed they may yet, and two
 * that fail would keep each other going.
 */
static bool wait_for_walkers(struct mpio_cache *cache, struct mpio_queue *queue)
{
	uint64_t cleaned = cache->cleaned;
	bool any = cache->walks != NULL;

	while (cache->cleaned == cleaned && cache->walks != NULL) {
		if (mpio__cache_wait_event(cache, queue) != 0)
			return false;
	}
	return any;
}

int mpio__cache_make_room(struct mpio_cache *cache, struct mpio_queue *queue)
{
	uint32_t free = cache->stats.free;

	if (write_back(cache, queue))
		return 0;
	/* Other threads may have been at it meanwhile. */
	if (cache->stats.free > free || mpio__cache_evict(cache))
		return 0;
	if (!mpio__is_nested(cache, queue)) {
		if (wait_for_walkers(cache, queue))
			return 0;
		if (cache->reading == 0 && cache->stats.writing == 0)
			return -MPIO_ENOMEM;
		return mpio__cache_wait_event(cache, queue) == 0 ? 0
								 : -MPIO_ENOMEM;
	}
	if (cache->reading == 0 && cache->stats.writing == 0)
		return -MPIO_ENOMEM;
	/* What is busy may be so by this very thread: it must not sleep. */
	return mpio__cache_wait_queue(cache, queue) > 0 ? 0 : -MPIO_ENOMEM;
}

/* Whether as many are dirty as may be. */
static bool is_full(const struct mpio_cache *cache)
{
	return cache->stats.dirty + cache->stats.writing >= cache->dirty_max;
}

/*
 * Who has begun to write has a page locked, and waits for the device alone. He
 * comes first, and nothing is written back for what he only may make dirty.
 */
int mpio__cache_spare(struct mpio_cache *cache, struct mpio_queue *queue)
{
	while (!mpio__cache_has_spare(cache) &&
	       !mpio__is_nested(cache, queue)) {
		bool full = is_full(cache);

		if (full && (write_back(cache, queue) || !is_full(cache) ||
			     wait_for_walkers(cache, queue)))
			continue;
		/* A walk that was given up has left some in flight. */
		if ((full && cache->stats.writing == 0) ||
		    mpio__cache_wait_event(cache, queue) != 0)
			return -MPIO_ENOMEM;
	}
	return 0;
}

bool mpio__frame_promise(struct mpio__frame *frame, struct mpio_queue *queue)
{
	struct mpio_cache *cache = frame->file->cache;

	/* Without hooks there is nobody else. */
	if (frame->dirty != 0 || cache->lock.lock == NULL)
		return true;
	if (!mpio__cache_has_spare(cache) && !mpio__is_nested(cache, queue))
		return false;
	frame->state |= MPIO__FRAME_PROMISED;
	cache->promised++;
	return true;
}

/* Pages of this one; if those are few, what others left is in the way, too. */
static void help(struct mpio_cache_mapping *file, struct mpio_queue *queue)
{
	struct mpio_cache_mapping *next;

	if (write_some(file, queue, false))
		return;
	next = mpio__cache_next_file(file->cache, queue);
	if (next != NULL)
		(void)write_some(next, queue, false);
}

void mpio__cache_throttle(struct mpio_cache_mapping *file,
			  struct mpio_queue *queue)
{
	struct mpio_cache *cache = file->cache;

	if (cache->stats.dirty < cache->limit || mpio__is_nested(cache, queue))
		return;
	cache->stats.helped++;
	do {
		struct mpio_cache_mapping *next =
			file->dirty != 0 ? file
					 : mpio__cache_next_file(cache, queue);

		if (next != NULL && next->walker == NULL) {
			help(next, queue);
			return;
		}
		/* What is left may be of another device: nobody is at it. */
	} while (cache->walks != NULL &&
		 mpio__cache_wait_event(cache, queue) == 0 &&
		 cache->stats.dirty >= cache->limit);
}

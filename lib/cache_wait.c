/* SPDX-License-Identifier: MIT */
/*
 * Waiting: what a thread is inside of when it wants to, and for whom it must
 * not wait then.
 *
 * Who waits for a frame waits for an event; each change that anybody might wait
 * for is one. A thread polls its own queue first, for what it waits for may be
 * in flight there, or what the others wait for.
 *
 * A callback is called with walks held and pages locked, by its own thread: it
 * must not sleep for those. What its thread is inside of is known by the queue:
 * the files that it walks, and what stands in the list of handings. When it
 * must not wait for other threads either is told in cache_private.h.
 */
#include "cache_private.h"

/* ---- What a thread is inside of ----------------------------------------- */

void mpio__handing_begin(struct mpio_cache *cache,
			 struct mpio__handing *handing,
			 struct mpio_queue *queue)
{
	handing->queue = queue;
	handing->file = NULL;
	handing->alone = false;
	handing->next = cache->handings;
	cache->handings = handing;
}

void mpio__handing_end(struct mpio_cache *cache,
		       const struct mpio__handing *handing)
{
	struct mpio__handing **at = &cache->handings;

	while (*at != handing)
		at = &(*at)->next;
	*at = handing->next;
}

/* Whether a queue's thread is inside a walk, and calls from a callback. */
static bool is_walking(const struct mpio_cache *cache,
		       const struct mpio_queue *queue)
{
	const struct mpio_cache_mapping *file = cache->walks;

	while (file != NULL && file->walker != queue)
		file = file->walk_next;
	return file != NULL;
}

bool mpio__is_handing(const struct mpio_cache *cache,
		      const struct mpio_queue *queue)
{
	const struct mpio__handing *handing = cache->handings;

	while (handing != NULL && handing->queue != queue)
		handing = handing->next;
	return handing != NULL;
}

bool mpio__is_beyond(const struct mpio_cache_mapping *file,
		     const struct mpio_queue *queue)
{
	const struct mpio_cache_mapping *other = file->cache->walks;

	while (other != NULL && (other == file || other->walker != queue ||
				 other->round != NULL))
		other = other->walk_next;
	return other != NULL || mpio__is_handing(file->cache, queue);
}

bool mpio__is_nested(const struct mpio_cache *cache,
		     const struct mpio_queue *queue)
{
	return mpio__is_handing(cache, queue) || is_walking(cache, queue);
}

bool mpio__is_in_room(const struct mpio_cache *cache,
		      const struct mpio_queue *queue)
{
	const struct mpio_cache_mapping *file = cache->walks;

	while (file != NULL && (file->walker != queue || !file->in_room))
		file = file->walk_next;
	return file != NULL;
}

/* ---- Waiting ------------------------------------------------------------ */

/*
 * Not inside a walk that makes room for a callback, nor where an I/O has ended
 * in the midst of another call.
 */
bool mpio__may_wait(const struct mpio_cache *cache,
		    const struct mpio_queue *queue)
{
	const struct mpio__handing *handing = cache->handings;

	while (handing != NULL && (handing->queue != queue || !handing->alone))
		handing = handing->next;
	return handing == NULL && !mpio__is_in_room(cache, queue);
}

int mpio__cache_wait_queue(struct mpio_cache *cache, struct mpio_queue *queue)
{
	int n;

	mpio__cache_unlock(cache);
	n = mpio_queue_wait(queue);
	mpio__cache_lock(cache);
	return n;
}

/* From here on events are counted; so what comes after is not slept through. */
static uint64_t begin_to_wait(struct mpio_cache *cache)
{
	cache->waiters++;
	mpio__cache_careful(cache, true);
	return cache->events;
}

static void end_to_wait(struct mpio_cache *cache)
{
	cache->waiters--;
	mpio__cache_careful(cache, false);
}

/*
 * What is in flight on the thread's own queue goes first: another thread may
 * wait for that, while this one waits for it.
 */
static int wait_since(struct mpio_cache *cache, struct mpio_queue *queue,
		      uint64_t events, bool may_sleep)
{
	int n = mpio__cache_wait_queue(cache, queue);

	if (n < 0)
		return n;
	if (n > 0 || cache->events != events)
		return 0;
	if (cache->lock.lock == NULL || !may_sleep)
		return -MPIO_EDEADLK;
	cache->lock.wait(cache->lock.ctx);
	return 0;
}

int mpio__cache_wait_event(struct mpio_cache *cache, struct mpio_queue *queue)
{
	uint64_t events = begin_to_wait(cache);
	int error = wait_since(cache, queue, events, true);

	end_to_wait(cache);
	return error;
}

/*
 * Whether a thread still has a file of a round. That whose page is just being
 * shown cannot come out, and no one may wait for it who is waited for here.
 */
static bool holds_round(const struct mpio_cache *cache,
			const struct mpio_queue *queue)
{
	const struct mpio_cache_mapping *file = cache->walks;

	for (; file != NULL; file = file->walk_next) {
		const struct mpio__handing *handing = cache->handings;

		if (file->walker != queue || file->round == NULL)
			continue;
		while (handing != NULL &&
		       (handing->queue != queue || handing->file != file))
			handing = handing->next;
		if (handing == NULL)
			return true;
	}
	return false;
}

int mpio__cache_wait_other(struct mpio_cache *cache, struct mpio_queue *queue)
{
	uint64_t events = begin_to_wait(cache);
	int error = 0;

	if (!mpio__leave_any_round(cache, queue))
		error = wait_since(cache, queue, events,
				   !holds_round(cache, queue));
	end_to_wait(cache);
	return error;
}

/*
 * Whether a frame is in a state that this very thread will end, if anybody. A
 * lock may be given to another thread, unless the thread is in a callback.
 */
static bool is_own(const struct mpio__frame *frame,
		   const struct mpio_queue *queue, uint32_t states)
{
	if (mpio__beside_of(frame)->owner != queue)
		return false;
	if (frame->state &
	    (MPIO__FRAME_READING | (states & MPIO__FRAME_WRITING)))
		return true;
	return mpio__is_handing(frame->file->cache, queue);
}

/* For what is the thread's own nobody would wake it. */
static int wait_own(const struct mpio__frame *frame, struct mpio_queue *queue,
		    uint32_t states)
{
	int n = mpio__cache_wait_queue(frame->file->cache, queue);

	if (n == 0 && (frame->state & states))
		return -MPIO_EDEADLK;
	return n < 0 ? n : 0;
}

int mpio__frame_wait(struct mpio__frame *frame, struct mpio_queue *queue,
		     uint32_t states)
{
	const struct mpio_cache_mapping *file = frame->file;
	int error = 0;

	while (error == 0 && (frame->state & states)) {
		if (is_own(frame, queue, states) ||
		    !mpio__may_wait(file->cache, queue))
			error = wait_own(frame, queue, states);
		else
			error = mpio__cache_wait_other(file->cache, queue);
	}
	return error;
}

MPIO__APART int mpio__frame_await(struct mpio__frame *frame,
				  struct mpio_queue *queue, uint32_t states)
{
	int error;

	frame->pins++;
	error = mpio__frame_wait(frame, queue, states);
	mpio__frame_put(frame);
	return error;
}

/*
 * Who cuts a file waits for all that are at pages there, and would for ever if
 * others came. A thread that has nothing locked and walks nothing can wait for
 * him: nobody waits for it. In a callback it cannot.
 */
int mpio__cut_wait(const struct mpio_cache_mapping *file,
		   struct mpio_queue *queue, uint64_t key)
{
	int error = 0;

	while (error == 0 && key >= file->cut &&
	       !mpio__is_nested(file->cache, queue))
		error = mpio__cache_wait_event(file->cache, queue);
	return error;
}

int mpio_cache_wait(struct mpio_page *page, struct mpio_queue *queue)
{
	struct mpio__frame *frame = mpio__frame_of(page);
	struct mpio_cache *cache = frame->file->cache;
	int error;

	mpio__cache_lock(cache);
	error = mpio__frame_wait(frame, queue, MPIO__FRAME_BUSY);
	mpio__cache_unlock(cache);
	return error;
}

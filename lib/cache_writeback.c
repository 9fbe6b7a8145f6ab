/* SPDX-License-Identifier: MIT */
/*
 * Write-back from the cache: which page is next, who walks, and when.
 *
 * A file is walked by one thread at a time. next_dirty claims each page that
 * it names: its state goes from the frame into the page, and from then on it
 * is the walker's alone; writers wait for it. What was named, but not reached,
 * is taken back when the walk is over. The walker waits for all that it sent
 * before it gives the walk up, so nobody ever waits for a page that nobody
 * looks after; unless its device goes on failing to say what has ended. Then
 * who walks next waits for what was left.
 *
 * A tagged walk asks twice: first for what is dirty, to mark it, then for what
 * is marked. The cache marks in its index and has nothing to say the first
 * time.
 */
#include "cache_private.h"

/* Pages that a round of work writes of a file. */
#define ROUND_PAGES 256
/* Files of a round of work. */
#define ROUND_FILES 8u
/* A device that fails to say what has ended is asked so often. */
#define PATIENCE 1000u

/* ---- Claiming pages ----------------------------------------------------- */

static void claim(struct mpio__frame *frame)
{
	struct mpio_cache_mapping *file = frame->file;
	struct mpio_cache *cache = file->cache;
	struct mpio_page *page = &frame->page;
	uint64_t full = file->full;

	frame->moving = frame->dirty;
	mpio__frame_set_dirty(frame, 0);
	frame->state &= ~MPIO__FRAME_PUT_OFF;
	frame->state |= MPIO__FRAME_WRITING;
	mpio__beside_of(frame)->owner = file->walker;
	mpio__index_tag(mpio__file_index(file), mpio__frame_key(cache, frame),
			MPIO__TAG_WRITING, true);
	file->writing++;
	cache->stats.writing++;
	frame->bits[0] = frame->uptodate;
	frame->bits[1] = frame->moving;
	page->blocks = frame->moving != full ? frame->bits : NULL;
	page->mapping = &file->writes.mapping;
	page->flags = MPIO_PAGE_DIRTY;
	if (frame->uptodate == full)
		page->flags |= MPIO_PAGE_UPTODATE;
}

/* A page is nobody's again; some blocks of it are dirty still. */
static void unclaim(struct mpio__frame *frame, uint64_t dirty)
{
	struct mpio_cache_mapping *file = frame->file;
	struct mpio_cache *cache = file->cache;

	frame->state &= ~MPIO__FRAME_WRITING;
	mpio__index_tag(mpio__file_index(file), mpio__frame_key(cache, frame),
			MPIO__TAG_WRITING, false);
	file->writing--;
	cache->stats.writing--;
	frame->moving = 0;
	mpio__frame_set_dirty(frame, dirty);
	mpio__reclaim_let_go(frame);
	mpio__cache_wake(cache);
}

/*
 * The first page at *key or after it that the walker has; or NULL. Others are
 * those that somebody sent who had to give the walk up.
 */
static struct mpio__frame *next_claimed(struct mpio_cache_mapping *file,
					uint64_t *key)
{
	struct mpio__index index = mpio__file_index(file);
	uint32_t number;

	while ((number = mpio__index_next(index, key, MPIO__TAG_WRITING)) !=
	       0) {
		struct mpio__frame *frame = mpio__frame_at(file->cache, number);

		if (mpio__beside_of(frame)->owner == file->walker)
			return frame;
		++*key;
	}
	return NULL;
}

/* Take back what was named and not reached. */
static void unclaim_rest(struct mpio_cache_mapping *file)
{
	struct mpio__frame *frame;
	uint64_t key = 0;

	for (; (frame = next_claimed(file, &key)) != NULL; key++) {
		if (!(frame->page.flags & MPIO_PAGE_WRITEBACK))
			unclaim(frame, frame->moving);
	}
}

static bool is_tagged(const struct mpio_writeback_control *wbc)
{
	return wbc->tagged || wbc->sync_mode == MPIO_SYNC_ALL;
}

static size_t collect(struct mpio_cache_mapping *file, uint64_t pos,
		      uint64_t end, enum mpio__tag tag,
		      struct mpio_page **pages, size_t pages_max)
{
	struct mpio_cache *cache = file->cache;
	uint64_t key = pos >> cache->page_shift;
	size_t n = 0;
	uint32_t number;

	while (n < pages_max &&
	       (number = mpio__index_next(mpio__file_index(file), &key, tag)) !=
		       0 &&
	       key << cache->page_shift < end) {
		struct mpio__frame *frame = mpio__frame_at(cache, number);

		if (frame->state & MPIO__FRAME_LOCKED) {
			if (file->walk->sync_mode == MPIO_SYNC_NONE)
				file->walk->pages_skipped++;
		} else {
			claim(frame);
			pages[n++] = &frame->page;
		}
		key++;
	}
	return n;
}

size_t mpio__next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			uint64_t end, uint32_t flags, struct mpio_page **pages,
			size_t pages_max)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	const struct mpio_writeback_control *wbc = file->walk;
	bool marked = (flags & MPIO_PAGE_TOWRITE) != 0;
	int64_t left = wbc->nr_to_write;
	size_t n;

	if (is_tagged(wbc) && !marked)
		return 0; /* marked by mark() */
	if (wbc->sync_mode == MPIO_SYNC_NONE && left < (int64_t)pages_max)
		pages_max = left > 1 ? (size_t)left : 1;
	mpio__cache_lock(file->cache);
	mapping->size = file->mapping.size; /* it may have grown */
	n = collect(file, pos, end,
		    marked ? MPIO__TAG_TOWRITE : MPIO__TAG_DIRTY, pages,
		    pages_max);
	mpio__cache_unlock(file->cache);
	return n;
}

/* A walk of what is marked is to come to a page again. */
static void mark_again(struct mpio__frame *frame)
{
	struct mpio_cache_mapping *file = frame->file;

	if (file->walk == NULL || file->walk->sync_mode != MPIO_SYNC_ALL)
		return;
	file->put_off++;
	mpio__index_tag(mpio__file_index(file),
			mpio__frame_key(file->cache, frame), MPIO__TAG_TOWRITE,
			true);
}

void mpio__write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	struct mpio__frame *frame = mpio__frame_of(page);
	uint64_t dirty = 0;
	bool put_off;

	mpio__cache_lock(file->cache);
	/* What was only put off has not failed, nor is it dropped. */
	put_off = mpio__is_passing(status) &&
		  (frame->state & MPIO__FRAME_PUT_OFF);
	if (put_off || (page->flags & MPIO_PAGE_DIRTY)) {
		dirty = frame->moving;
		if (page->blocks != NULL && frame->bits[1] != 0)
			dirty = frame->bits[1];
	}
	if (dirty == 0)
		file->cache->cleaned++;
	if (!put_off)
		mpio_errseq_set(&file->mapping.errors, status);
	if (file->walk_error == 0)
		file->walk_error = status;
	unclaim(frame, dirty);
	if (put_off)
		mark_again(frame);
	mpio__cache_unlock(file->cache);
}

/* ---- Walking ------------------------------------------------------------ */

void mpio__walk_give(struct mpio_cache_mapping *file)
{
	struct mpio_cache_mapping **at = &file->cache->walks;

	while (*at != file)
		at = &(*at)->walk_next;
	*at = file->walk_next;
	file->walker = NULL;
	file->in_room = false;
	file->round = NULL;
	mpio__cache_wake(file->cache);
}

/*
 * Until all that was sent has ended. Who gave the walk up before would leave
 * his pages to another walker, who may not look at them. He has to if the
 * device cannot say what has ended: then they end when his queue is polled.
 */
static int settle(struct mpio_cache_mapping *file, struct mpio_queue *queue)
{
	uint32_t failures = 0;

	while (file->writing != 0) {
		uint64_t key = 0;
		int n = mpio__cache_wait_queue(file->cache, queue);

		if (n == 0 && file->writing != 0) {
			/* What is this thread's nobody else would end. */
			if (next_claimed(file, &key) != NULL ||
			    mpio__is_beyond(file, queue))
				return -MPIO_EDEADLK;
			n = mpio__cache_wait_event(file->cache, queue);
		}
		if (n < 0 && failures++ == PATIENCE)
			return n;
	}
	return 0;
}

/*
 * Wait for what a round of work sent of a file, and give its walk up. Nobody
 * else does so meanwhile: a callback that this ends in may want the file, too.
 */
static int leave_round(struct mpio_cache_mapping *file,
		       struct mpio_queue *queue)
{
	int *result = file->round;
	int error;

	file->round = NULL;
	error = settle(file, queue);
	if (error != 0) {
		file->round = result;
		return error;
	}
	if (*result == 0)
		*result = file->walk_error;
	mpio__walk_give(file);
	return 0;
}

bool mpio__leave_any_round(const struct mpio_cache *cache,
			   struct mpio_queue *queue)
{
	struct mpio_cache_mapping *file = cache->walks;

	/* One whose page is just being shown cannot come out. */
	while (file != NULL && (file->walker != queue || file->round == NULL ||
				leave_round(file, queue) != 0))
		file = file->walk_next;
	return file != NULL;
}

/*
 * A round of work keeps the walks of files that it has passed over. A callback
 * of a later file may need one of them, to drop pages that are in flight: that
 * file comes out of the round.
 */
int mpio__walk_take(struct mpio_cache_mapping *file, struct mpio_queue *queue)
{
	struct mpio_cache *cache = file->cache;

	while (file->walker != NULL) {
		int error = -MPIO_EDEADLK;

		if (file->walker != queue && mpio__may_wait(cache, queue))
			error = mpio__cache_wait_other(cache, queue);
		else if (file->walker == queue && file->round != NULL)
			error = leave_round(file, queue);
		if (error != 0)
			return error;
	}
	file->walker = queue;
	file->walk_error = 0;
	file->walk_next = cache->walks;
	cache->walks = file;
	return 0;
}

/* Mark what is dirty now in the range of a walk. */
MPIO__APART static void mark(struct mpio_cache_mapping *file,
			     const struct mpio_writeback_control *wbc)
{
	uint32_t shift = file->cache->page_shift;
	uint64_t start = wbc->range_start;
	uint64_t end = wbc->range_end != 0 ? wbc->range_end : UINT64_MAX;

	if (wbc->range_cyclic) {
		start = file->writes.mapping.writeback_pos;
		end = UINT64_MAX;
	}
	if (start <= end)
		mpio__index_copy_tag(mpio__file_index(file), start >> shift,
				     end >> shift, MPIO__TAG_DIRTY,
				     MPIO__TAG_TOWRITE);
}

/* One pass over what is to be written. */
static int pass(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		struct mpio_writeback_control *wbc)
{
	struct mpio_cache *cache = file->cache;
	int error;

	file->walk = wbc;
	file->put_off = 0;
	file->writes.mapping.size = file->mapping.size;
	mpio__cache_unlock(cache);
	error = mpio_writepages(queue, &file->writes.mapping, wbc);
	mpio__cache_lock(cache);
	file->walk = NULL;
	unclaim_rest(file);
	return error;
}

/* The first marked page that was not put off, or is to come `again`; or 0. */
static uint32_t next_marked(struct mpio_cache_mapping *file, bool again)
{
	struct mpio__index index = mpio__file_index(file);
	uint64_t key = 0;
	uint32_t number;

	while ((number = mpio__index_next(index, &key, MPIO__TAG_TOWRITE)) !=
		       0 &&
	       !again &&
	       (mpio__frame_at(file->cache, number)->state &
		MPIO__FRAME_PUT_OFF))
		key++;
	return number;
}

/* No page is marked any more; what a walk of some did not get to. */
MPIO__APART static void unmark(struct mpio_cache_mapping *file)
{
	struct mpio__index index = mpio__file_index(file);
	uint64_t key = 0;

	while (mpio__index_next(index, &key, MPIO__TAG_TOWRITE) != 0)
		mpio__index_tag(index, key++, MPIO__TAG_TOWRITE, false);
}

/* What is left of an error when all pages that were put off come again. */
static int forget_passing(struct mpio_cache_mapping *file, int error)
{
	if (file->put_off == 0)
		return error;
	if (mpio__is_passing(file->walk_error))
		file->walk_error = 0;
	return mpio__is_passing(error) ? 0 : error;
}

/*
 * Pages that were locked come again; and those that were put off, for what has
 * been written makes room: as long as there are fewer of them each time.
 */
int mpio__cache_walk(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		     struct mpio_writeback_control *wbc)
{
	int64_t budget = wbc->nr_to_write;
	uint32_t most = UINT32_MAX;
	uint32_t number;
	bool waits;
	int error;
	int late;

	if (is_tagged(wbc))
		mark(file, wbc);
	error = pass(file, queue, wbc);
	/* Or refused before it came to any page, as all others would be. */
	waits = wbc->sync_mode == MPIO_SYNC_ALL && !file->in_room &&
		(error != -MPIO_EINVAL || wbc->nr_to_write != budget);
	late = settle(file, queue);
	while (waits && late == 0) {
		number = next_marked(file, file->put_off <= most);
		if (number == 0)
			break;
		late = mpio__frame_await(mpio__frame_at(file->cache, number),
					 queue, MPIO__FRAME_LOCKED);
		if (late == 0) {
			most = file->put_off != 0 ? file->put_off - 1
						  : UINT32_MAX;
			error = forget_passing(file, error);
			late = pass(file, queue, wbc);
			error = error != 0 ? error : late;
			late = settle(file, queue);
		}
	}
	unmark(file);
	return error != 0 ? error : late;
}

int mpio_cache_writepages(struct mpio_cache_mapping *file,
			  struct mpio_queue *queue,
			  struct mpio_writeback_control *wbc)
{
	struct mpio_cache *cache = file->cache;
	struct mpio_errseq *since = wbc->since;
	struct mpio_errseq now;
	int told = 0;
	int error;

	mpio__cache_lock(cache);
	error = mpio__walk_take(file, queue);
	if (error != 0) {
		mpio__cache_unlock(cache);
		return error;
	}
	file->device = mpio_queue_device(queue);
	now = mpio_errseq_sample(&file->mapping.errors);
	wbc->since = NULL; /* the core's sequence is not the file's */
	error = mpio__cache_walk(file, queue, wbc);
	wbc->since = since;
	if (wbc->sync_mode == MPIO_SYNC_ALL)
		told = mpio_errseq_check_and_advance(
			&file->mapping.errors, since != NULL ? since : &now);
	if (error == 0 || (told != 0 && mpio__is_passing(error)))
		error = told; /* what it told of counts as told */
	if (error == 0)
		error = file->walk_error;
	mpio__walk_give(file);
	mpio__cache_unlock(cache);
	return error;
}

int mpio_cache_sync(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		    struct mpio_errseq *since)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
		.since = since,
	};

	return mpio_cache_writepages(file, queue, &wbc);
}

/* ---- Rounds of work ------------------------------------------------------ */

/* Begin to write some pages of some files; how many. */
static int64_t start_round(struct mpio_cache *cache, struct mpio_queue *queue,
			   int *result)
{
	int64_t written = 0;

	for (uint32_t n = 0; n < ROUND_FILES; n++) {
		struct mpio_writeback_control wbc = {
			.reason = MPIO_REASON_BACKGROUND,
			.nr_to_write = ROUND_PAGES,
			.range_cyclic = true,
		};
		struct mpio_cache_mapping *file = NULL;
		bool is_late;
		int error;

		if (cache->stats.dirty >= cache->background)
			file = mpio__cache_next_file(cache, queue);
		if (file == NULL)
			break;
		(void)mpio__walk_take(file, queue); /* nobody has it */
		is_late = file->writes.mapping.writeback_pos != 0;
		error = pass(file, queue, &wbc);
		/* It may have begun behind all that is dirty. */
		if (error == 0 && is_late && wbc.nr_to_write == ROUND_PAGES)
			error = pass(file, queue, &wbc);
		if (error != 0 && *result == 0)
			*result = error;
		written += ROUND_PAGES - wbc.nr_to_write;
		file->round = result;
	}
	return written;
}

/* A file of a round, or NULL. */
static struct mpio_cache_mapping *in_round(const struct mpio_cache *cache,
					   const int *result)
{
	struct mpio_cache_mapping *file = cache->walks;

	while (file != NULL && file->round != result)
		file = file->walk_next;
	return file;
}

int mpio_cache_work(struct mpio_cache *cache, struct mpio_queue *queue)
{
	struct mpio_cache_mapping *file;
	int64_t written;
	int result = 0;

	mpio_queue_plug(queue);
	mpio__cache_lock(cache);
	written = start_round(cache, queue, &result);
	mpio__cache_unlock(cache);
	mpio_queue_unplug(queue);
	mpio__cache_lock(cache);
	while ((file = in_round(cache, &result)) != NULL) {
		int error = leave_round(file, queue);

		if (error == 0)
			continue;
		if (result == 0)
			result = error;
		mpio__walk_give(file);
	}
	mpio__cache_unlock(cache);
	return result != 0 ? result : (int)written;
}

/* ---- Errors ------------------------------------------------------------- */

struct mpio_errseq mpio_cache_errors_sample(struct mpio_cache_mapping *file)
{
	struct mpio_errseq cursor;

	mpio__cache_lock(file->cache);
	cursor = mpio_errseq_sample(&file->mapping.errors);
	mpio__cache_unlock(file->cache);
	return cursor;
}

int mpio_cache_errors_check(struct mpio_cache_mapping *file,
			    struct mpio_errseq *since)
{
	int error;

	mpio__cache_lock(file->cache);
	error = mpio_errseq_check_and_advance(&file->mapping.errors, since);
	mpio__cache_unlock(file->cache);
	return error;
}

void mpio_cache_errors_set(struct mpio_cache_mapping *file, int error)
{
	mpio__cache_lock(file->cache);
	mpio_errseq_set(&file->mapping.errors, error);
	mpio__cache_unlock(file->cache);
}

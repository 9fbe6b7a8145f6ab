/* SPDX-License-Identifier: MIT */
/*
 * File: handles; bytes in and out of cached pages; sync; advice.
 *
 * A read finds its pages in the cache one by one. At the first that is not
 * there, all that the read still wants is asked for at once, in pieces: two
 * are on their way while bytes are copied out of the first. What will be
 * wanted next is read ahead by file_ahead.c.
 */
#include "file_private.h"

#define READAHEAD_MIN (32u << 10)
#define READAHEAD_MAX (256u << 10)
/* A random read of so much goes straight if its pages are of no use later. */
#define STRAIGHT_ONCE (64u << 10)
/* An eighth of the cache at most for what lies ahead of a reader, and a
 * sixteenth of that in any case. */
#define CACHE_SHARE 8u
#define SHARE_MIN 16u

/* ---- Handles ------------------------------------------------------------ */

/* Bytes that all frames hold; half of that is where reads go straight. */
static uint64_t cache_bytes(const struct mpio_file *file)
{
	struct mpio_cache_stats stats = mpio_cache_stats(file->mapping->cache);

	return (uint64_t)stats.frames * file->page_size;
}

/* Whole pages, at least one, at most so much. */
static uint32_t window(const struct mpio_file *file, uint32_t bytes,
		       uint64_t most)
{
	uint64_t pages = mpio__page_up(file, bytes);

	pages = mpio__page_down(file, mpio__min_u64(pages, most));
	return (uint32_t)mpio__min_u64(pages != 0 ? pages : file->page_size,
				       1u << 30);
}

static void configure(struct mpio_file *file)
{
	struct mpio_file_config *config = &file->config;
	uint64_t most = cache_bytes(file) / CACHE_SHARE;
	uint32_t bio = mpio_queue_limits(file->queue)->bytes_max;

	config->readahead_max =
		window(file, config->readahead_max,
		       mpio__min_u64(most, mpio__or_default(bio, UINT32_MAX)));
	config->readahead_min =
		window(file, config->readahead_min, config->readahead_max);
	file->share_min = window(file, UINT32_MAX, most / SHARE_MIN);
	file->share_max = most;
	if (file->share_max < 2 * (uint64_t)config->readahead_max)
		file->share_max = 2 * (uint64_t)config->readahead_max;
	if (config->straight_min == 0)
		config->straight_min = (uint32_t)mpio__min_u64(
			cache_bytes(file) / 2, UINT32_MAX - 1);
}

int mpio_file_open(struct mpio_file *file, struct mpio_cache_mapping *mapping,
		   struct mpio_queue *queue,
		   const struct mpio_file_config *config)
{
	struct mpio_file_config wanted = {0};

	if (config != NULL)
		wanted = *config;
	wanted.readahead_min = mpio__or_default(
		wanted.readahead_min,
		wanted.readahead_max != 0
			? mpio__min_u32(wanted.readahead_max, READAHEAD_MIN)
			: READAHEAD_MIN);
	wanted.readahead_max = mpio__or_default(
		wanted.readahead_max,
		mpio__max_u32(wanted.readahead_min, READAHEAD_MAX));
	if (wanted.readahead_min > wanted.readahead_max ||
	    mapping->cache == NULL)
		return -MPIO_EINVAL;
	*file = (struct mpio_file){
		.mapping = mapping,
		.queue = queue,
		.config = wanted,
		.since = mpio_cache_errors_sample(mapping),
		.page_size = mpio_cache_page_size(mapping->cache),
	};
	file->page_shift = mpio__log2(file->page_size);
	configure(file);
	mpio__file_expect_nobody(file);
	return 0;
}

void mpio_file_close(struct mpio_file *file)
{
	file->mapping = NULL;
	file->queue = NULL;
}

void mpio_file_set_queue(struct mpio_file *file, struct mpio_queue *queue)
{
	file->queue = queue;
}

struct mpio_file_stats mpio_file_stats(const struct mpio_file *file)
{
	return file->stats;
}

uint64_t mpio_file_size(struct mpio_file *file)
{
	return mpio_cache_end(file->mapping);
}

/* ---- Reading ------------------------------------------------------------ */

/* A read on its way. */
struct reading {
	struct mpio_file *file;
	unsigned char *to; /* of the next byte */
	uint64_t pos;      /* of it */
	uint64_t end;
	uint64_t asked; /* pages up to here were asked for; 0: none were */
	uint64_t again; /* pages from here on, and up to there, were used by */
	uint64_t again_end; /* the read that it goes on from */
	uint64_t dropped;   /* bytes of such pages that are gone since */
	bool waited;        /* not all of it was there */
};

uint64_t mpio__file_fetch(struct mpio_file *file, uint64_t start, uint64_t end,
			  uint32_t flags)
{
	uint64_t first = mpio__page_down(file, start);
	uint64_t pages = (mpio__page_up(file, end) - first) >> file->page_shift;
	int n = mpio_cache_readahead(file->mapping, file->queue, start,
				     (uint32_t)mpio__min_u64(pages, INT32_MAX),
				     flags);

	if (n < 0)
		n = 0;
	return first + (uint64_t)n * file->page_size;
}

/* See that what is wanted next is on its way, two pieces of it. */
static void ask(struct reading *reading)
{
	uint32_t piece = reading->file->config.readahead_max;
	uint64_t start = reading->asked;
	uint64_t end = mpio__min_u64(
		mpio__add_sat(reading->pos, (uint64_t)2 * piece), reading->end);

	if (start < reading->pos)
		start = reading->pos;
	/* The cache reads a single page as well as anybody. */
	if (end - start > reading->file->page_size || start != reading->pos)
		(void)mpio__file_fetch(reading->file, start, end,
				       MPIO_READ_SYNC);
	reading->asked = end;
}

/* Copy what is wanted of a page, and let it go. */
static void take(struct reading *reading, uint64_t end, struct mpio_page *page)
{
	uint32_t offset = (uint32_t)(reading->pos - page->pos);
	size_t n =
		(size_t)mpio__min_u64(page->size - offset, end - reading->pos);

	memcpy(reading->to, (unsigned char *)page->data + offset, n);
	mpio_cache_put(page);
	reading->to += n;
	reading->pos += n;
}

/* As far as everything is there. */
static void take_hits(struct reading *reading)
{
	struct mpio_page *page;

	while (reading->pos < reading->end &&
	       mpio_cache_find(reading->file->mapping, reading->pos, &page) ==
		       0)
		take(reading, reading->end, page);
}

static bool is_again(const struct reading *reading)
{
	return reading->pos < reading->again_end &&
	       reading->pos >= reading->again;
}

static int find(struct reading *reading, struct mpio_page **page)
{
	struct mpio_cache_mapping *mapping = reading->file->mapping;

	if (is_again(reading))
		return mpio_cache_find_again(mapping, reading->pos, page);
	return mpio_cache_find(mapping, reading->pos, page);
}

static int get_page(struct reading *reading, struct mpio_page **page)
{
	struct mpio_file *file = reading->file;
	uint32_t piece = file->config.readahead_max;

	/* Who asked before asks on before what was asked for is used up. */
	if (reading->asked > reading->pos && reading->asked < reading->end &&
	    reading->asked - reading->pos <= piece)
		ask(reading);
	if (find(reading, page) == 0)
		return 0;
	reading->waited = true;
	if (is_again(reading))
		reading->dropped += file->page_size;
	if (reading->asked <= reading->pos)
		ask(reading);
	return mpio_cache_get(file->mapping, file->queue, reading->pos, page);
}

/* Up to a place, or to an error. */
static int take_all(struct reading *reading, uint64_t end)
{
	while (reading->pos < end) {
		struct mpio_page *page;
		int error = get_page(reading, &page);

		if (error != 0)
			return error;
		take(reading, end, page);
	}
	return 0;
}

/* How many bytes were read from a place on; or, if none were, the error. */
static int64_t so_far(const struct reading *reading, uint64_t pos, int error)
{
	return reading->pos != pos ? (int64_t)(reading->pos - pos) : error;
}

/*
 * Through the cache: how many bytes, or an error. A read that nobody was
 * expected to make, and of which all is there, tells nothing about others.
 */
static int64_t read_cached(struct mpio_file *file, void *buffer,
			   uint64_t length, uint64_t pos, uint64_t size,
			   bool *backward)
{
	struct mpio_file_reader *reader = mpio__file_go_on(file, pos, length);
	struct reading reading = {
		.file = file,
		.to = buffer,
		.pos = pos,
		.end = pos + length,
	};
	const struct mpio_stats *stats = mpio_queue_stats(file->queue);
	uint64_t pages = stats->pages_read;
	uint64_t ahead = file->stats.ahead;
	uint64_t last; /* the last piece begins here */
	int error = 0;

	if (reader == NULL) {
		take_hits(&reading);
		if (reading.pos == reading.end)
			return (int64_t)length;
		reader = mpio__file_begin(file, pos, length);
	}
	reading.again = reader->again;
	reading.again_end = reader->again_end;
	*backward = reader->backward;
	last = reading.end - mpio__min_u64(reading.end - reading.pos,
					   file->config.readahead_max);
	error = take_all(&reading, last);
	if (error == 0) {
		mpio__file_look_ahead(file, reader, last, size);
		error = take_all(&reading, reading.end);
	}
	if (stats->pages_read != pages)
		mpio__file_note_read(
			file, reader,
			(stats->pages_read - pages) << file->page_shift,
			file->stats.ahead - ahead + reading.dropped);
	if (reading.waited)
		mpio__file_look_further(file, reader);
	return so_far(&reading, pos, error);
}

/*
 * By a callback that a read of the same handle has led to: that one has the
 * readers in its hands.
 */
MPIO__APART static int64_t read_inside(struct mpio_file *file, void *buffer,
				       uint64_t length, uint64_t pos)
{
	struct reading reading = {
		.file = file,
		.to = buffer,
		.pos = pos,
		.end = pos + length,
	};
	int error = take_all(&reading, reading.end);

	return so_far(&reading, pos, error);
}

/*
 * Pages that were read to their end are of no use any more; or to their
 * beginning, by who goes backwards.
 */
static void forget_read(struct mpio_file *file, uint64_t pos, uint64_t end,
			uint64_t size, bool backward)
{
	if (backward)
		pos = mpio__page_up(file, pos);
	else if (end < size)
		end = mpio__page_down(file, end);
	if (pos < end) /* those that are dirty or in use stay */
		(void)mpio_cache_invalidate(file->mapping, file->queue, pos,
					    end);
}

/*
 * So long is a read that goes straight since its pages are of no use later.
 * Between two such reads nothing is in flight, as it is when pages are read
 * ahead: it is to have two pieces on their way for most of its time, or to be
 * one of those that nothing is read ahead of.
 */
static uint32_t straight_once(const struct mpio_file *file)
{
	if (file->advice == MPIO_ADVICE_RANDOM)
		return STRAIGHT_ONCE;
	return mpio__max_u32(STRAIGHT_ONCE,
			     2 * mpio__file_straight_piece(file));
}

static int64_t read_some(struct mpio_file *file, void *buffer, uint64_t length,
			 uint64_t pos, uint64_t size, bool *backward)
{
	uint32_t straight = file->config.straight_min;
	int64_t n = 0;

	if (file->reading)
		return read_inside(file, buffer, length, pos);
	if (file->once && straight != UINT32_MAX)
		straight = mpio__min_u32(straight, straight_once(file));
	file->reading = true;
	*backward = false;
	if (length >= straight && straight != UINT32_MAX)
		n = mpio__file_read_straight(file, buffer, length, pos);
	if (n == 0)
		n = read_cached(file, buffer, length, pos, size, backward);
	file->reading = false;
	return n;
}

int64_t mpio_file_read(struct mpio_file *file, void *buffer, size_t length,
		       uint64_t pos)
{
	uint64_t size = mpio_cache_end(file->mapping);
	uint64_t left;
	uint64_t done = 0;
	bool backward = false; /* so went the last piece */

	if (pos >= size)
		return 0;
	left = mpio__min_u64(mpio__min_u64(length, size - pos), INT64_MAX);
	while (left > 0) {
		int64_t n = read_some(file, (unsigned char *)buffer + done,
				      left, pos + done, size, &backward);

		if (n <= 0)
			return done != 0 ? (int64_t)done : n;
		done += (uint64_t)n;
		left -= (uint64_t)n;
	}
	if (file->once)
		forget_read(file, pos, pos + done, size, backward);
	return (int64_t)done;
}

/* ---- Writing ------------------------------------------------------------ */

int64_t mpio_file_write(struct mpio_file *file, const void *bytes,
			size_t length, uint64_t pos)
{
	const unsigned char *from = bytes;
	/* The last page of all cannot be: its end has no number. */
	uint64_t limit = mpio__page_down(file, UINT64_MAX);
	uint64_t done = 0;
	uint64_t left;

	if (length == 0)
		return 0;
	if (pos >= limit)
		return -MPIO_EFBIG;
	left = mpio__min_u64(mpio__min_u64(length, limit - pos), INT64_MAX);
	while (left > 0) {
		uint64_t at = pos + done;
		uint32_t offset = (uint32_t)(at & (file->page_size - 1));
		uint32_t n =
			(uint32_t)mpio__min_u64(file->page_size - offset, left);
		struct mpio_page *page;
		int error = mpio_cache_write_begin(file->mapping, file->queue,
						   at, n, &page);

		if (error != 0)
			return done != 0 ? (int64_t)done : error;
		memcpy((unsigned char *)page->data + offset, from + done, n);
		mpio_cache_write_end(page, at, n);
		done += n;
		left -= n;
	}
	return (int64_t)done;
}

int mpio_file_truncate(struct mpio_file *file, uint64_t size)
{
	return mpio_cache_resize(file->mapping, file->queue, size);
}

/* ---- Sync --------------------------------------------------------------- */

int mpio_file_error(struct mpio_file *file)
{
	return mpio_cache_errors_check(file->mapping, &file->since);
}

/* An error of flushing is everybody's: what it covered may be lost. */
static int flush(struct mpio_file *file)
{
	int error = file->config.flush != NULL ? file->config.flush(file)
					       : mpio_queue_flush(file->queue);
	int told;

	if (error != 0)
		mpio_cache_errors_set(file->mapping, error);
	told = mpio_file_error(file);
	return error != 0 ? error : told;
}

int mpio_file_sync_range(struct mpio_file *file, uint64_t start, uint64_t end)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
		.range_start = start,
		.range_end = end != 0 ? end - 1 : 0,
		.since = &file->since,
	};
	int error = 0;

	if (end != 0 && end < start)
		return -MPIO_EINVAL;
	if (end == 1) /* which as an inclusive end would say 'all' */
		wbc.range_end = 1;
	if (end == 0 || start < end)
		error = mpio_cache_writepages(file->mapping, file->queue, &wbc);
	return error != 0 ? error : flush(file);
}

int mpio_file_sync(struct mpio_file *file)
{
	return mpio_file_sync_range(file, 0, 0);
}

/* ---- Advice ------------------------------------------------------------- */

/* As much as may be, and a quarter of the cache at most. */
static void begin_to_read(struct mpio_file *file, uint64_t start, uint64_t end)
{
	uint64_t size = mpio_file_size(file);

	if (end == 0 || end > size)
		end = size;
	if (start < end)
		(void)mpio__file_fetch(
			file, start,
			mpio__min_u64(
				end,
				mpio__add_sat(start, cache_bytes(file) / 4)),
			MPIO_READ_AHEAD);
}

/* Pages that lie in the range with all of their bytes that are the file's. */
static int forget(struct mpio_file *file, uint64_t start, uint64_t end)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_NONE,
		.reason = MPIO_REASON_RECLAIM,
		.nr_to_write = MPIO_WRITE_ALL,
		.tagged = true,
	};
	int error;

	start = mpio__page_up(file, start);
	if (end == 0 || end >= mpio_file_size(file))
		end = UINT64_MAX;
	else
		end = mpio__page_down(file, end);
	if (start >= end)
		return 0;
	wbc.range_start = start;
	wbc.range_end = end - 1;
	error = mpio_cache_writepages(file->mapping, file->queue, &wbc);
	if (error != 0)
		return error;
	return mpio_cache_invalidate(file->mapping, file->queue, start, end);
}

int mpio_file_advise(struct mpio_file *file, uint64_t start, uint64_t end,
		     enum mpio_advice advice)
{
	if (end != 0 && end < start)
		return -MPIO_EINVAL;
	switch (advice) {
	case MPIO_ADVICE_NORMAL:
		file->once = false;
		file->advice = (uint32_t)advice;
		return 0;
	case MPIO_ADVICE_SEQUENTIAL:
	case MPIO_ADVICE_RANDOM:
		file->advice = (uint32_t)advice;
		return 0;
	case MPIO_ADVICE_NOREUSE:
		file->once = true;
		return 0;
	case MPIO_ADVICE_WILLNEED:
		begin_to_read(file, start, end);
		return 0;
	case MPIO_ADVICE_DONTNEED:
		return forget(file, start, end);
	}
	return -MPIO_EINVAL;
}

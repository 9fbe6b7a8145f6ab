/* SPDX-License-Identifier: MIT */
/*
 * File: what is read ahead of a reader.
 *
 *     pos         end    mark                    ahead
 *      | this read |      |  window n, on its way  |  window n + 1
 *      +-----------+------+------------------------+------------->
 *                  |      +-- who comes past it starts window n + 1
 *                  +-- the reader's next read is expected here
 *
 * A window is twice the one before, up to the limit, to what the ledger allows,
 * and to the reader's share of the cache.
 */
#include "file_private.h"

/* Windows on their way before one reader, at most. */
#define DEPTH_MAX 8u
/* Steps of a stride in a window. */
#define STEPS_MAX 64u

/*
 * Bytes that may lie ahead of a reader when it gets a window, which is no
 * larger than that either: a quarter of what all others, whatever handle they
 * are of, leave of the frames that the cache keeps for what was read ahead. So
 * they come to equal shares, which grow again when one goes.
 */
static void take_share(const struct mpio_file *file,
		       struct mpio_file_reader *reader)
{
	struct mpio_cache_stats stats = mpio_cache_stats(file->mapping->cache);
	uint64_t left = (uint64_t)stats.kept << file->page_shift;
	uint64_t others = (uint64_t)stats.ahead << file->page_shift;
	/* The last piece of its read may still lie there, too. */
	uint64_t piece = mpio__min_u64(reader->end - reader->pos,
				       file->config.readahead_max);
	uint64_t own = mpio__file_bytes_between(
		file, reader, reader->end - piece, reader->ahead);

	others -= mpio__min_u64(others, own);
	left -= mpio__min_u64(left, others);
	reader->share = mpio__min_u64(left / 4, file->share_max);
	if (reader->share < file->share_min)
		reader->share = file->share_min;
}

/* How large the next one is to be; 0: there is none. */
static uint32_t next_window(const struct mpio_file *file,
			    const struct mpio_file_reader *reader)
{
	const struct mpio_file_config *config = &file->config;
	uint64_t most = config->readahead_max;
	uint64_t bytes = (uint64_t)2 * reader->window;

	if (reader->window == 0)
		bytes = mpio__page_up(file, reader->length);
	if (bytes < config->readahead_min)
		bytes = config->readahead_min;
	if (file->advice == MPIO_ADVICE_SEQUENTIAL)
		most *= 2;
	else
		most = mpio__min_u64(most, mpio__file_window_max(file, reader));
	most = mpio__min_u64(most, reader->share);
	return (uint32_t)mpio__page_down(file, mpio__min_u64(bytes, most));
}

/* All that it has read lies at the beginning. */
static bool began_the_file(const struct mpio_file_reader *reader)
{
	return !reader->backward && reader->stride == 0 &&
	       reader->run == reader->end;
}

static bool is_due(const struct mpio_file *file,
		   const struct mpio_file_reader *reader)
{
	if (file->advice == MPIO_ADVICE_RANDOM)
		return false;
	if (reader->window != 0)
		return reader->end > reader->mark;
	return reader->reads >= MPIO__READS_SURE || began_the_file(reader) ||
	       file->advice == MPIO_ADVICE_SEQUENTIAL;
}

/*
 * The pages of [from, to), in a reader's places; up to where they are to be
 * had. A reader that goes forward and has nothing on its way yet asks for its
 * own read, which begins at `pos`, in the same breath.
 */
static uint64_t start_row(struct mpio_file *file,
			  const struct mpio_file_reader *reader, uint64_t from,
			  uint64_t to, uint64_t pos)
{
	uint64_t got;

	if (reader->backward) {
		(void)mpio__file_fetch(file, ~to, ~from, MPIO_READ_AHEAD);
		return to;
	}
	if (reader->ahead == reader->end)
		from = pos;
	got = mpio__file_fetch(file, from, to, MPIO_READ_AHEAD);
	return mpio__min_u64(got, to);
}

/* The same in steps; nothing is behind `size`. */
static uint64_t start_steps(struct mpio_file *file,
			    const struct mpio_file_reader *reader,
			    uint64_t from, uint64_t to, uint64_t size)
{
	mpio_queue_plug(file->queue);
	for (; from < to; from += reader->stride) {
		uint64_t end = mpio__add_sat(from, reader->length);
		uint64_t start = reader->backward ? ~end : from;

		if (start >= size)
			break;
		(void)mpio__file_fetch(
			file, start,
			mpio__min_u64(size, start + reader->length),
			MPIO_READ_AHEAD);
	}
	mpio_queue_unplug(file->queue);
	return from;
}

/* How many steps a window has. */
static uint32_t steps_in(const struct mpio_file *file,
			 const struct mpio_file_reader *reader, uint32_t bytes)
{
	uint64_t step = mpio__file_step_bytes(file, reader);

	if (step > bytes)
		return 0;
	return mpio__min_u32(bytes / (uint32_t)step, STEPS_MAX);
}

/* Where a window that begins at `from` ends; whole pages, inside the file. */
static uint64_t window_end(const struct mpio_file *file,
			   const struct mpio_file_reader *reader, uint64_t from,
			   uint32_t bytes, uint64_t size)
{
	if (reader->stride != 0) {
		uint32_t steps = steps_in(file, reader, bytes);

		for (; steps > 0 && reader->stride <= UINT64_MAX - from;
		     steps--)
			from += reader->stride;
		return from;
	}
	from = mpio__add_sat(from, bytes);
	from = mpio__file_page_end(file, reader, from);
	return reader->backward ? from : mpio__min_u64(from, size);
}

/*
 * Bytes that are to be on their way besides the next window: of other windows,
 * or of a read that is larger than one, as far as the cache's share goes. (A
 * window of steps is as large as one of them, and so as a read, at least.)
 */
static uint64_t windows_more(const struct mpio_file_reader *reader)
{
	uint64_t more = (uint64_t)(reader->depth - 1) * reader->window;
	uint64_t most = mpio__min_u64(reader->share, reader->length);

	return most > more + reader->window ? most - reader->window : more;
}

/* So many windows are more than its share by now. */
static void narrow(struct mpio_file_reader *reader)
{
	while (reader->depth > 1 &&
	       (uint64_t)reader->depth * reader->window > reader->share)
		reader->depth--;
}

/*
 * Read again what the cache needed the frames of before the reader came to it,
 * at least the next page; whether it was so. To the ledger all of that was in
 * vain the first time.
 */
static bool read_again(struct mpio_file *file,
		       const struct mpio_file_reader *reader)
{
	const struct mpio_stats *stats = mpio_queue_stats(file->queue);
	uint64_t pages = stats->pages_read;
	uint64_t from = mpio__file_page_end(file, reader, reader->end);
	uint64_t most = mpio__file_window_max(file, reader);
	uint32_t window = (uint32_t)mpio__min_u64(reader->window, most);
	uint64_t to;
	uint64_t bytes;

	if (reader->stride != 0)
		return false;
	window = mpio__max_u32(window, file->page_size);
	/* The file may have shrunk meanwhile. */
	to = window_end(file, reader, from, window, mpio_file_size(file));
	to = mpio__min_u64(to, reader->ahead);
	if (from >= to)
		return false;
	(void)start_row(file, reader, from, to, from);
	bytes = (stats->pages_read - pages) << file->page_shift;
	mpio__file_note_ahead(file, bytes);
	file->stats.ahead += bytes;
	return bytes != 0;
}

void mpio__file_note_read(struct mpio_file *file,
			  struct mpio_file_reader *reader, uint64_t bytes,
			  uint64_t others)
{
	uint64_t lost;

	others += reader->fresh;
	if (bytes <= others || reader->early == 0)
		return;
	lost = mpio__min_u64(bytes - others, reader->early);
	mpio__file_note_lost(file, reader, lost);
	file->stats.wanted -= lost;
}

void mpio__file_look_further(struct mpio_file *file,
			     struct mpio_file_reader *reader)
{
	uint64_t before;
	uint64_t more;

	if (file->advice == MPIO_ADVICE_RANDOM)
		return;
	take_share(file, reader);
	before = windows_more(reader);
	if (read_again(file, reader) || reader->fresh != 0 ||
	    reader->stride != 0 || reader->window < file->config.readahead_max)
		return;
	reader->depth = mpio__min_u32(2 * reader->depth, DEPTH_MAX);
	narrow(reader);
	more = windows_more(reader);
	if (more > before)
		reader->mark -= mpio__min_u64(reader->mark, more - before);
}

/* Start a window; whether one was, and all of it is on its way. */
static bool start_window(struct mpio_file *file,
			 struct mpio_file_reader *reader, uint64_t pos,
			 uint64_t size)
{
	uint64_t from = reader->ahead;
	uint64_t to;
	uint64_t bytes;

	if (mpio__file_bytes_between(file, reader, reader->end, from) >
	    reader->share)
		return false; /* later, when it has come to some of it */
	reader->window = next_window(file, reader);
	if (reader->wanted == from)
		from = mpio__file_page_end(file, reader, from);
	to = window_end(file, reader, from, reader->window, size);
	if (from >= to)
		return false;
	narrow(reader);
	reader->mark = from - mpio__min_u64(from, windows_more(reader));
	if (reader->wanted == reader->ahead)
		reader->wanted = from;
	if (reader->stride != 0)
		reader->ahead = start_steps(file, reader, from, to, size);
	else
		reader->ahead = start_row(file, reader, from, to, pos);
	if (reader->ahead < from)
		reader->ahead = from;
	bytes = mpio__file_bytes_between(file, reader, from, reader->ahead);
	mpio__file_note_ahead(file, bytes);
	file->stats.ahead += bytes;
	file->stats.windows += bytes != 0;
	return reader->ahead == to;
}

/*
 * A reader whose reads are as large as windows, or who lacks some of those
 * that are to be on their way, needs more than one at a time. The ledger must
 * allow all of another one: what it grants for length, it grants for one.
 */
static bool wants_another(const struct mpio_file *file,
			  const struct mpio_file_reader *reader)
{
	return reader->stride == 0 && is_due(file, reader) &&
	       next_window(file, reader) >= reader->window &&
	       (file->advice == MPIO_ADVICE_SEQUENTIAL ||
		mpio__file_may_waste(file) >= reader->window);
}

void mpio__file_look_ahead(struct mpio_file *file,
			   struct mpio_file_reader *reader, uint64_t pos,
			   uint64_t size)
{
	if (!is_due(file, reader))
		return;
	take_share(file, reader);
	while (start_window(file, reader, pos, size) &&
	       wants_another(file, reader)) {
	}
	mpio__file_expect(file, reader);
}

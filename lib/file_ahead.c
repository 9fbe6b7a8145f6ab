/* SPDX-License-Identifier: MIT */
/*
 * File: who reads where, and what is read ahead of them.
 *
 *     pos         end    mark                    ahead
 *      | this read |      |  window n, on its way  |  window n + 1
 *      +-----------+------+------------------------+------------->
 *                  |      +-- who comes past it starts window n + 1
 *                  +-- the reader's next read is expected here
 *
 * A reader is a sequence of reads: each begins where the last one ended, a few
 * pages of what was read ahead left out perhaps, or a fixed stride behind where
 * it began. One that goes backwards is the same with places counted from the
 * other side, and leaves out none. A window is twice the one before, up to the
 * limit.
 *
 * The ledger keeps guesses honest. Of what has been read ahead (A bytes), so
 * much was then wanted (W). A window of n bytes is made only as large as
 *
 *     A + n - W  <=  (A + n) / 4 + allowance
 *
 * allows: should nobody come for any of what is on its way, no more than a
 * quarter of all (and the allowance, once) was in vain. It is a little less
 * than a quarter, for what is lost before anybody comes for it. A handle that
 * used its allowance up gets no windows, until a reader shows that it goes on
 * for long: then it gets small ones. If those are wanted, larger ones are soon
 * allowed again; if not, the next reader must show more.
 */
#include "file_private.h"

/* Reads of a pattern, before its next ones are guessed. */
#define READS_SURE 3u
/* Of so many bytes that are read ahead so many must be wanted. */
#define SHARE_OF 64u
#define SHARE 49u
/* Pages that a reader may leave out. */
#define HOP_PAGES 4u
/* A sequence of so many bytes is a long one; when the ledger lacks some, it
 * must be so many times as long as these, or as LACK_MAX. */
#define LONG_RUN (256u << 10)
#define LONG_FACTOR 32u
#define LACK_MAX (128u << 10)
/* What lies so many of the largest windows back counts half. */
#define LEDGER_WINDOWS 64u
/* Windows on their way before one reader, at most. */
#define DEPTH_MAX 8u
/* Steps of a stride in a window. */
#define STEPS_MAX 64u

/* ---- Places ------------------------------------------------------------- */

/* Bytes that a reader's read of a step takes. */
static uint64_t step_bytes(const struct mpio_file *file,
			   const struct mpio_file_reader *reader)
{
	return mpio__page_up(file, reader->length);
}

/* Bytes that are read on a way from one place to another. */
static uint64_t bytes_between(const struct mpio_file *file,
			      const struct mpio_file_reader *reader,
			      uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	if (reader->stride == 0)
		return from < to ? to - from : 0;
	/* As many steps as two windows have, at most. */
	for (; from < to && reader->stride <= to - from; from += reader->stride)
		bytes += step_bytes(file, reader);
	return bytes;
}

/* ---- The ledger --------------------------------------------------------- */

/* What is missing to the share that must be wanted; 0 and less: nothing is. */
static int64_t lack(const struct mpio_file *file)
{
	return (int64_t)(file->ledger_ahead / SHARE_OF * SHARE) -
	       (int64_t)file->ledger_wanted;
}

/*
 * What is long back counts half; but not so that what was in vain is forgotten
 * and the allowance granted anew: what is missing stays.
 */
static void halve(struct mpio_file *file)
{
	int64_t missing = lack(file);

	file->ledger_ahead /= 2;
	file->ledger_wanted /= 2;
	if (missing > lack(file))
		file->ledger_wanted -= mpio__min_u64(
			file->ledger_wanted, (uint64_t)(missing - lack(file)));
}

static void note_ahead(struct mpio_file *file, uint64_t bytes)
{
	file->ledger_ahead += bytes;
	if (file->ledger_ahead / LEDGER_WINDOWS > file->config.readahead_max)
		halve(file);
}

static void note_wanted(struct mpio_file *file, uint64_t bytes)
{
	file->ledger_wanted =
		mpio__min_u64(file->ledger_wanted + bytes, file->ledger_ahead);
}

/*
 * As much as a reader needs whose windows grow and who wants all of it: two of
 * the largest may be on their way before he came to any of them.
 */
static uint64_t allowance(const struct mpio_file *file)
{
	return (uint64_t)file->config.readahead_max * 25 / 16;
}

/* What is left of the allowance; less than 0: more was in vain than that. */
static int64_t left_over(const struct mpio_file *file)
{
	return (int64_t)allowance(file) - lack(file);
}

/* The largest window that is within it. */
static uint64_t ledger_spares(const struct mpio_file *file)
{
	int64_t left = left_over(file);

	if (left <= 0)
		return 0;
	/* SHARE_OF / SHARE, and a little less */
	return (uint64_t)left + (uint64_t)left / 4;
}

/*
 * The largest window that it allows. A reader that has gone on for long may
 * have a small one in any case: the longer, the more was in vain beyond what
 * is allowed.
 */
static uint64_t ledger_allows(const struct mpio_file *file,
			      const struct mpio_file_reader *reader)
{
	int64_t left = left_over(file);
	uint64_t small = file->config.readahead_min;
	uint64_t window = ledger_spares(file);

	if (left <= 0 && reader->run / LONG_FACTOR <
				 mpio__min_u64((uint64_t)-left, LACK_MAX))
		return 0;
	return window < small && reader->run > LONG_RUN ? small : window;
}

/* ---- Readers ------------------------------------------------------------ */

/*
 * How far behind its last page a reader may go on: it may leave out a few pages
 * of what was read ahead of it, as an engine does that meets pages of another
 * kind among those that it scans.
 */
static uint64_t hop(const struct mpio_file *file,
		    const struct mpio_file_reader *reader, uint64_t last)
{
	uint64_t most = mpio__add_sat(last, HOP_PAGES * mpio__page_up(file, 1));

	return reader->ahead > last ? mpio__min_u64(most, reader->ahead) : last;
}

/* Say where a reader's next read is expected. */
static void expect(struct mpio_file *file,
		   const struct mpio_file_reader *reader)
{
	struct mpio_file_place *place = &file->places[reader - file->readers];
	/* It may read bytes again, or leave out the rest of a page. */
	uint64_t last = mpio__page_up(file, reader->end);
	uint64_t room = 0;

	place->backward = reader->backward;
	place->from = reader->backward ? ~reader->end : reader->end;
	if (reader->stride == 0 && reader->backward) {
		room = reader->end - reader->pos;
	} else if (reader->stride == 0) {
		place->from = reader->pos;
		room = hop(file, reader, last) - reader->pos;
	}
	place->room = (uint32_t)mpio__min_u64(room, UINT32_MAX);
}

/* Whether a read of [pos, end) is the one that is expected. */
static bool is_expected(const struct mpio_file_place *place, uint64_t pos,
			uint64_t end)
{
	uint64_t at = place->backward ? end : pos;

	return at >= place->from && at - place->from <= place->room;
}

/* Somebody was there before: count what was read ahead and is wanted now. */
static void come_to(struct mpio_file *file, struct mpio_file_reader *reader,
		    uint64_t end)
{
	uint64_t wanted = bytes_between(file, reader, reader->wanted,
					mpio__min_u64(end, reader->ahead));

	note_wanted(file, wanted);
	file->stats.wanted += wanted;
	reader->covered = end <= reader->ahead;
	if (reader->wanted < end)
		reader->wanted = end;
	if (reader->ahead < end)
		reader->ahead = end;
}

static void go_on(struct mpio_file *file, struct mpio_file_reader *reader,
		  uint64_t pos, uint64_t length)
{
	uint64_t begin = reader->backward ? ~(pos + length) : pos;
	uint64_t end = reader->stride != 0
			       ? mpio__add_sat(begin, reader->stride)
			       : begin + length;

	reader->goes_on = !reader->backward && begin >= reader->end;
	if (end <= reader->end) /* the same bytes again */
		return;
	/* What it left out was in vain, and it goes on for long from here. */
	if (!reader->backward && reader->stride == 0 &&
	    mpio__page_up(file, reader->wanted) < begin) {
		reader->wanted = begin;
		reader->run = 0;
	}
	come_to(file, reader, end);
	reader->run += length;
	reader->pos = begin;
	reader->end = end;
	reader->length = length;
	expect(file, reader);
	if (reader->reads < READS_SURE)
		reader->reads++;
}

/* Start a reader anew in some place. */
static void set_out(struct mpio_file *file, struct mpio_file_reader *reader,
		    uint64_t pos, uint64_t end)
{
	reader->pos = reader->backward ? ~end : pos;
	reader->end = reader->backward ? ~pos : end;
	if (reader->stride != 0)
		reader->end = mpio__add_sat(reader->pos, reader->stride);
	reader->length = end - pos;
	reader->ahead = reader->wanted = reader->end;
	reader->mark = 0;
	reader->window = 0;
	reader->depth = 1;
	reader->run += reader->length;
	expect(file, reader);
}

/*
 * A read that follows none may make a pattern of one that stands alone: it
 * ends where that began, or lies as far from it as that from the one before.
 */
static bool makes_pattern(struct mpio_file *file,
			  struct mpio_file_reader *reader, uint64_t pos,
			  uint64_t end)
{
	bool backward = pos < reader->pos;

	if (reader->reads != 1) /* and so it goes forward */
		return false;
	if (backward && end >= reader->pos) {
		reader->backward = true;
		reader->reads = 2;
	} else if (reader->guess != 0 &&
		   mpio__sub_modulo(pos, reader->pos) == reader->guess) {
		reader->backward = backward;
		reader->stride =
			backward ? reader->pos - pos : pos - reader->pos;
		reader->reads = READS_SURE;
	} else {
		return false;
	}
	set_out(file, reader, pos, end);
	return true;
}

/* The reader that was quiet for longest makes room for another. */
static struct mpio_file_reader *oldest(struct mpio_file *file)
{
	struct mpio_file_reader *found = &file->readers[0];

	for (uint32_t i = 1; i < MPIO_FILE_READERS; i++) {
		struct mpio_file_reader *reader = &file->readers[i];

		if (file->reads - reader->used > file->reads - found->used)
			found = reader;
	}
	return found;
}

void mpio__file_expect_nobody(struct mpio_file *file)
{
	for (uint32_t i = 0; i < MPIO_FILE_READERS; i++)
		file->places[i].from = UINT64_MAX;
}

struct mpio_file_reader *mpio__file_begin(struct mpio_file *file, uint64_t pos,
					  uint64_t length)
{
	struct mpio_file_reader *reader = NULL;
	uint64_t guess = file->has_last ? mpio__sub_modulo(pos, file->last) : 0;

	for (uint32_t i = 0; i < MPIO_FILE_READERS && reader == NULL; i++) {
		if (makes_pattern(file, &file->readers[i], pos, pos + length))
			reader = &file->readers[i];
	}
	file->last = pos;
	file->has_last = true;
	if (reader == NULL) {
		reader = oldest(file);
		*reader = (struct mpio_file_reader){.guess = guess, .reads = 1};
		set_out(file, reader, pos, pos + length);
	}
	reader->used = ++file->reads;
	return reader;
}

struct mpio_file_reader *mpio__file_go_on(struct mpio_file *file, uint64_t pos,
					  uint64_t length)
{
	for (uint32_t i = 0; i < MPIO_FILE_READERS; i++) {
		struct mpio_file_reader *reader = &file->readers[i];

		/* They are taken in order: behind it there is nobody either. */
		if (file->places[i].from == UINT64_MAX)
			break;
		if (is_expected(&file->places[i], pos, pos + length)) {
			go_on(file, reader, pos, length);
			reader->used = ++file->reads;
			return reader;
		}
	}
	return NULL;
}

/* ---- Windows ------------------------------------------------------------ */

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
	uint64_t own =
		bytes_between(file, reader, reader->end - piece, reader->ahead);

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
		most = mpio__min_u64(most, ledger_allows(file, reader));
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
	return reader->reads >= READS_SURE || began_the_file(reader) ||
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

/* Where the page ends that a place lies in: it is read in any case. */
static uint64_t page_end(const struct mpio_file *file,
			 const struct mpio_file_reader *reader, uint64_t place)
{
	if (reader->stride != 0)
		return place;
	if (reader->backward)
		return ~mpio__page_down(file, ~place);
	return mpio__page_up(file, place);
}

/* How many steps a window has. */
static uint32_t steps_in(const struct mpio_file *file,
			 const struct mpio_file_reader *reader, uint32_t bytes)
{
	uint64_t step = step_bytes(file, reader);

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
	from = page_end(file, reader, from);
	return reader->backward ? from : mpio__min_u64(from, size);
}

/*
 * Bytes that are to be on their way besides the next window: of other windows,
 * or of a read that is larger than one, as far as the cache's share goes.
 */
static uint64_t windows_more(const struct mpio_file_reader *reader)
{
	uint64_t more = (uint64_t)(reader->depth - 1) * reader->window;
	uint64_t most = mpio__min_u64(reader->share, reader->length);

	if (reader->stride != 0)
		return more;
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
	uint64_t from = page_end(file, reader, reader->end);
	uint64_t to =
		mpio__min_u64(reader->window, ledger_allows(file, reader));
	uint64_t bytes;

	if (to < file->page_size)
		to = file->page_size;
	to = mpio__min_u64(reader->ahead, mpio__add_sat(from, to));
	if (reader->stride != 0 || from >= to)
		return false;
	(void)start_row(file, reader, from, to, from);
	bytes = (stats->pages_read - pages) << file->page_shift;
	note_ahead(file, bytes);
	file->stats.ahead += bytes;
	return bytes != 0;
}

void mpio__file_look_further(struct mpio_file *file,
			     struct mpio_file_reader *reader)
{
	uint64_t before;
	uint64_t more;

	take_share(file, reader);
	before = windows_more(reader);
	if (read_again(file, reader) || !reader->covered ||
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

	if (bytes_between(file, reader, reader->end, from) > reader->share)
		return false; /* later, when it has come to some of it */
	reader->window = next_window(file, reader);
	if (reader->wanted == from)
		from = page_end(file, reader, from);
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
	bytes = bytes_between(file, reader, from, reader->ahead);
	note_ahead(file, bytes);
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
		ledger_spares(file) >= reader->window);
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
}

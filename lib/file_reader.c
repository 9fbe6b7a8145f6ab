/* SPDX-License-Identifier: MIT */
/*
 * File: who reads where.
 *
 * A reader is a sequence of reads: each begins where the last one ended, a few
 * pages of what was read ahead left out perhaps, or a fixed stride behind where
 * it began. One that goes backwards is the same with places counted from the
 * other side.
 */
#include "file_private.h"

/* Pages that a reader may leave out. */
#define HOP_PAGES 4u

uint64_t mpio__file_bytes_between(const struct mpio_file *file,
				  const struct mpio_file_reader *reader,
				  uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	if (reader->stride == 0)
		return from < to ? to - from : 0;
	/* As many steps as two windows have, at most. */
	for (; from < to && reader->stride <= to - from; from += reader->stride)
		bytes += mpio__file_step_bytes(file, reader);
	return bytes;
}

uint64_t mpio__file_page_end(const struct mpio_file *file,
			     const struct mpio_file_reader *reader,
			     uint64_t place)
{
	if (reader->stride != 0)
		return place;
	if (reader->backward)
		return ~mpio__page_down(file, ~place);
	return mpio__page_up(file, place);
}

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
void mpio__file_expect(struct mpio_file *file,
		       const struct mpio_file_reader *reader)
{
	struct mpio_file_place *place = &file->places[reader - file->readers];
	uint64_t from = reader->end;
	uint64_t to = from;

	/* It may read bytes again, or leave out the rest of a page. */
	if (reader->stride == 0) {
		from = reader->pos;
		to = hop(file, reader,
			 mpio__file_page_end(file, reader, reader->end));
	}
	if (reader->reads == 1) /* it may yet turn out to go backwards */
		from = mpio__page_down(file, from);
	/* Nothing lies ahead of it yet, and its reads are small perhaps. */
	if (reader->backward && reader->reads < MPIO__READS_SURE)
		to = mpio__add_sat(to, file->page_size);
	place->backward = reader->backward;
	place->from = reader->backward ? ~to : from;
	place->room = (uint32_t)mpio__min_u64(to - from, UINT32_MAX);
}

/* Whether a read of [pos, end) is the one that is expected. */
static bool is_expected(const struct mpio_file_place *place, uint64_t pos,
			uint64_t end)
{
	uint64_t at = place->backward ? end : pos;

	return at >= place->from && at - place->from <= place->room;
}

/*
 * Somebody was there before: count what was read ahead and is wanted now, as
 * many pages as he comes to.
 */
static void come_to(struct mpio_file *file, struct mpio_file_reader *reader,
		    uint64_t end)
{
	uint64_t from = mpio__file_page_end(file, reader, reader->wanted);
	uint64_t to = mpio__file_page_end(file, reader, end);

	reader->early = mpio__file_bytes_between(
		file, reader, from, mpio__min_u64(to, reader->ahead));
	reader->fresh = mpio__file_bytes_between(file, reader, from, to) -
			reader->early;
	mpio__file_note_wanted(file, reader->early);
	file->stats.wanted += reader->early;
	if (reader->wanted < end)
		reader->wanted = end;
	if (reader->ahead < end)
		reader->ahead = end;
}

/*
 * Pages that a reader leaves out were read in vain, and it goes on for long
 * from behind them. The rest of a page that it was in is no loss.
 */
static void leave_out(struct mpio_file *file, struct mpio_file_reader *reader,
		      uint64_t begin)
{
	uint64_t from = mpio__file_page_end(file, reader, reader->wanted);
	uint64_t to = reader->backward ? ~mpio__page_up(file, ~begin)
				       : mpio__page_down(file, begin);

	if (reader->stride != 0 || from >= to)
		return;
	reader->wanted = to;
	reader->run = 0;
}

/*
 * A read uses none of the pages anew that the one before it lies in; nor one
 * that it leaves the first bytes of out, going forward.
 */
static void note_again(const struct mpio_file *file,
		       struct mpio_file_reader *reader, uint64_t begin)
{
	uint64_t from = reader->pos;

	if (reader->backward)
		from = ~from - reader->length;
	reader->again_end = mpio__page_up(file, from + reader->length);
	if (!reader->backward && begin >= reader->again_end) {
		from = begin;
		reader->again_end = mpio__page_up(file, begin);
	}
	reader->again = mpio__page_down(file, from);
}

static void go_on(struct mpio_file *file, struct mpio_file_reader *reader,
		  uint64_t pos, uint64_t length)
{
	uint64_t begin = reader->backward ? ~(pos + length) : pos;
	uint64_t end = reader->stride != 0
			       ? mpio__add_sat(begin, reader->stride)
			       : begin + length;

	reader->again_end = 0;
	reader->early = 0;
	if (end <= reader->end) /* the same bytes again: another use */
		return;
	note_again(file, reader, begin);
	leave_out(file, reader, begin);
	come_to(file, reader, end);
	reader->run += length;
	reader->pos = begin;
	reader->end = end;
	reader->length = length;
	if (reader->reads < MPIO__READS_SURE)
		reader->reads++;
	mpio__file_expect(file, reader);
}

/*
 * Several reads lie in a page, and all but one find it. If one does that lies
 * before the first, it goes backwards perhaps: then the next one that does not
 * ends in the page before.
 */
static bool turns_back(const struct mpio_file *file,
		       struct mpio_file_reader *reader, uint64_t pos)
{
	uint64_t page = mpio__page_down(file, reader->pos);

	if (reader->reads != 1 || pos >= reader->pos)
		return false;
	reader->back = page - mpio__min_u64(page, file->page_size - 1);
	return true;
}

/* Start a reader anew in some place. */
static void set_out(struct mpio_file *file, struct mpio_file_reader *reader,
		    uint64_t pos, uint64_t end)
{
	reader->pos = reader->backward ? ~end : pos;
	reader->back = pos;
	reader->end = reader->backward ? ~pos : end;
	if (reader->stride != 0)
		reader->end = mpio__add_sat(reader->pos, reader->stride);
	reader->length = reader->fresh = end - pos;
	reader->ahead = reader->wanted = reader->end;
	reader->mark = 0;
	reader->window = 0;
	reader->depth = 1;
	reader->run += reader->length;
	mpio__file_expect(file, reader);
}

/*
 * A read that follows none may make a pattern of one that stands alone: it
 * ends where that began, or where that turned back to, or lies as far from it
 * as that from the one before.
 */
static bool makes_pattern(struct mpio_file *file,
			  struct mpio_file_reader *reader, uint64_t pos,
			  uint64_t end)
{
	bool backward = pos < reader->pos;
	bool follows = backward && end >= reader->back;
	bool steps = reader->guess != 0 &&
		     mpio__sub_modulo(pos, reader->pos) == reader->guess;

	if (reader->reads != 1 || !(follows || steps)) /* it goes forward */
		return false;
	note_again(file, reader, pos);
	reader->backward = backward;
	reader->reads = 2;
	if (!follows) {
		reader->stride =
			backward ? reader->pos - pos : pos - reader->pos;
		reader->reads = MPIO__READS_SURE;
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
		if (is_expected(&file->places[i], pos, pos + length) &&
		    !turns_back(file, reader, pos)) {
			go_on(file, reader, pos, length);
			reader->used = ++file->reads;
			return reader;
		}
	}
	return NULL;
}

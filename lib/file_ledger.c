/* SPDX-License-Identifier: MIT */
/*
 * File: the ledger of what is read ahead, which keeps guesses honest.
 *
 * Of what has been read ahead (A bytes), so much was then wanted, and was still
 * there (W). A window of n bytes is made only as large as
 *
 *     A + n - W  <=  (A + n) / 4 + allowance
 *
 * allows: should nobody come for any of what is on its way, no more than a
 * quarter of all (and the allowance, once) was in vain. It is a little less
 * than a quarter, for what is lost is known late: when somebody comes for it.
 * A handle that used its allowance up gets no windows, until a reader shows
 * that it goes on for long: then it gets small ones. If those are wanted,
 * larger ones are soon allowed again; if not, or if they are lost, the next
 * reader, or this one, must show more.
 */
#include "file_private.h"

/* Of so many bytes that are read ahead so many must be wanted. */
#define SHARE_OF 64u
#define SHARE 49u
/* A sequence of so many bytes is a long one; when the ledger lacks some, it
 * must be so many times as long as these, or as LACK_MAX. */
#define LONG_RUN (256u << 10)
#define LONG_FACTOR 32u
#define LACK_MAX (128u << 10)
/* What lies so many of the largest windows back counts half. */
#define LEDGER_WINDOWS 64u

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

void mpio__file_note_ahead(struct mpio_file *file, uint64_t bytes)
{
	file->ledger_ahead += bytes;
	if (file->ledger_ahead / LEDGER_WINDOWS > file->config.readahead_max)
		halve(file);
}

void mpio__file_note_wanted(struct mpio_file *file, uint64_t bytes)
{
	file->ledger_wanted =
		mpio__min_u64(file->ledger_wanted + bytes, file->ledger_ahead);
}

/* It is a long sequence still, but what the ledger lacks it must show anew. */
void mpio__file_note_lost(struct mpio_file *file,
			  struct mpio_file_reader *reader, uint64_t bytes)
{
	file->ledger_wanted -= mpio__min_u64(file->ledger_wanted, bytes);
	reader->run = mpio__min_u64(reader->run, LONG_RUN + 1);
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

uint64_t mpio__file_may_waste(const struct mpio_file *file)
{
	int64_t left = left_over(file);

	if (left <= 0)
		return 0;
	/* SHARE_OF / SHARE, and a little less */
	return (uint64_t)left + (uint64_t)left / 4;
}

uint64_t mpio__file_window_max(const struct mpio_file *file,
			       const struct mpio_file_reader *reader)
{
	int64_t left = left_over(file);
	uint64_t small = file->config.readahead_min;
	uint64_t window = mpio__file_may_waste(file);

	if (left <= 0 && reader->run / LONG_FACTOR <
				 mpio__min_u64((uint64_t)-left, LACK_MAX))
		return 0;
	return window < small && reader->run > LONG_RUN ? small : window;
}

/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the file layer share:
 *
 *     file.c            handles; bytes in and out of pages; sync; advice
 *     file_reader.c     who reads where
 *     file_ahead.c      what is read ahead of them
 *     file_ledger.c     how much of that may be in vain
 *     file_straight.c   large reads that leave no page behind
 *
 * The file layer is built on public functions: those of the cache and, past
 * it, of a queue and mpio_read_page(). Of what is the cache's own it reads
 * `mapping->cache` alone.
 */
#ifndef MPIO_FILE_PRIVATE_H
#define MPIO_FILE_PRIVATE_H

#include <mpio/error.h>
#include <mpio/file.h>
#include <mpio/read.h>

#include "arith.h"

/* The outside world. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);

#pragma GCC visibility push(hidden)

/* Down and up to the page. */
static inline uint64_t mpio__page_down(const struct mpio_file *file,
				       uint64_t pos)
{
	return pos & ~(uint64_t)(file->page_size - 1);
}

static inline uint64_t mpio__page_up(const struct mpio_file *file, uint64_t pos)
{
	uint64_t mask = file->page_size - 1;

	return mpio__add_sat(pos, mask) & ~mask;
}

/* Reads of a pattern, before its next ones are guessed. */
#define MPIO__READS_SURE 3u

/* Begin to read the pages of a range; up to where they are on their way. */
uint64_t mpio__file_fetch(struct mpio_file *file, uint64_t start, uint64_t end,
			  uint32_t flags);

/* file_reader.c */

/* Nobody reads yet. */
void mpio__file_expect_nobody(struct mpio_file *file);
/* A read is made: whose it is that goes on; NULL: nobody's. */
struct mpio_file_reader *mpio__file_go_on(struct mpio_file *file, uint64_t pos,
					  uint64_t length);
/* It is nobody's, and not all of it was there: somebody may have begun. */
struct mpio_file_reader *mpio__file_begin(struct mpio_file *file, uint64_t pos,
					  uint64_t length);
/* Say where a reader's next read is expected, by what lies ahead of it now. */
void mpio__file_expect(struct mpio_file *file,
		       const struct mpio_file_reader *reader);
/* Bytes that are read on a reader's way from one of its places to another. */
uint64_t mpio__file_bytes_between(const struct mpio_file *file,
				  const struct mpio_file_reader *reader,
				  uint64_t from, uint64_t to);

/* Where the page ends that a reader's place lies in: it is read in any case. */
uint64_t mpio__file_page_end(const struct mpio_file *file,
			     const struct mpio_file_reader *reader,
			     uint64_t place);

/* Bytes that a reader's read of a step takes. */
static inline uint64_t
mpio__file_step_bytes(const struct mpio_file *file,
		      const struct mpio_file_reader *reader)
{
	return mpio__page_up(file, reader->length);
}

/* file_ahead.c */

/*
 * Read ahead of somebody whose read has come to its last piece, which begins
 * at `pos`; nothing is behind `size`.
 */
void mpio__file_look_ahead(struct mpio_file *file,
			   struct mpio_file_reader *reader, uint64_t pos,
			   uint64_t size);

/*
 * A read has ended, and so many bytes were read meanwhile, `others` of them
 * ahead, or again: if there are more than those of pages that had not been read
 * ahead, then some that had been were lost. To the ledger they were in vain.
 */
void mpio__file_note_read(struct mpio_file *file,
			  struct mpio_file_reader *reader, uint64_t bytes,
			  uint64_t others);

/*
 * A reader had to wait. If it was for what had been read ahead, the device
 * takes longer than the reader: it gets twice as many windows in time.
 */
void mpio__file_look_further(struct mpio_file *file,
			     struct mpio_file_reader *reader);

/* file_ledger.c */

/* So much was read ahead. */
void mpio__file_note_ahead(struct mpio_file *file, uint64_t bytes);
/* So much of what had been was wanted. */
void mpio__file_note_wanted(struct mpio_file *file, uint64_t bytes);
/* So much of that was not there any more when its reader came. */
void mpio__file_note_lost(struct mpio_file *file,
			  struct mpio_file_reader *reader, uint64_t bytes);
/* The largest window of which all may be in vain. */
uint64_t mpio__file_may_waste(const struct mpio_file *file);
/*
 * The largest window that is allowed. A reader that has gone on for long may
 * have a small one in any case: the longer, the more was in vain beyond what
 * may be.
 */
uint64_t mpio__file_window_max(const struct mpio_file *file,
			       const struct mpio_file_reader *reader);

/* file_straight.c */

/* The largest piece of a straight read. */
uint32_t mpio__file_straight_piece(const struct mpio_file *file);

/*
 * Read whole blocks into the caller's memory: how many bytes, 0 if the first
 * had better be read through the cache, or what ended the waiting.
 */
int64_t mpio__file_read_straight(struct mpio_file *file, void *buffer,
				 uint64_t length, uint64_t pos);

#pragma GCC visibility pop

#endif

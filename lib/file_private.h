/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the file layer share:
 *
 *     file.c            handles; bytes in and out of pages; sync; advice
 *     file_ahead.c      who reads where, and what is read ahead of them
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

/* Begin to read the pages of a range; up to where they are on their way. */
uint64_t mpio__file_fetch(struct mpio_file *file, uint64_t start, uint64_t end,
			  uint32_t flags);

/* file_ahead.c */

/* Nobody reads yet. */
void mpio__file_expect_nobody(struct mpio_file *file);
/* A read is made: whose it is that goes on; NULL: nobody's. */
struct mpio_file_reader *mpio__file_go_on(struct mpio_file *file, uint64_t pos,
					  uint64_t length);
/* It is nobody's, and not all of it was there: somebody may have begun. */
struct mpio_file_reader *mpio__file_begin(struct mpio_file *file, uint64_t pos,
					  uint64_t length);
/*
 * Read ahead of somebody whose read has come to its last piece, which begins
 * at `pos`; nothing is behind `size`.
 */
void mpio__file_look_ahead(struct mpio_file *file,
			   struct mpio_file_reader *reader, uint64_t pos,
			   uint64_t size);

/*
 * A reader had to wait. If it was for what had been read ahead, the device
 * takes longer than the reader: it gets twice as many windows in time.
 */
void mpio__file_look_further(struct mpio_file *file,
			     struct mpio_file_reader *reader);

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

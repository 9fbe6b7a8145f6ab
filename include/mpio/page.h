/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Page: a piece of a mapping in memory.
 *
 * Intrusive: an engine embeds the struct in its own frame descriptor and
 * finds the descriptor again with offsetof(). The engine owns pages and their
 * memory; the library borrows a page from the call that takes it until
 * `read_end` or `write_end` names it, which happens exactly once.
 *
 * The life of the flags:
 *
 *     read   the engine locks the page (LOCKED, not UPTODATE) and hands it
 *            in; at its end it is unlocked, and UPTODATE or ERROR
 *     write  the engine sets DIRTY; the write-back walk takes it over to
 *            WRITEBACK; at the end WRITEBACK goes, and if the write failed
 *            the page is DIRTY again, with ERROR. The engine may set DIRTY at
 *            any time between: the page is written again by a later walk.
 */
#ifndef MPIO_PAGE_H
#define MPIO_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_mapping;

/** Page flags. Engines may set and clear LOCKED, UPTODATE, DIRTY and ATOMIC. */
/* being read, or being mapped */
#define MPIO_PAGE_LOCKED (1u << 0)
/* every byte is valid */
#define MPIO_PAGE_UPTODATE (1u << 1)
/* differs from the device */
#define MPIO_PAGE_DIRTY (1u << 2)
/* on its way to the device */
#define MPIO_PAGE_WRITEBACK (1u << 3)
/* the last read or write of it failed */
#define MPIO_PAGE_ERROR (1u << 4)
/* was read whole from mapped blocks: may be written in place (for the
 * engine's information) */
#define MPIO_PAGE_MAPPED (1u << 5)
/* named by the sweep of a tagged walk */
#define MPIO_PAGE_TOWRITE (1u << 6)
/* must be written by one bio, inside one atomic unit of the device; if that
 * cannot be, its write fails with -MPIO_EINVAL and the page stays dirty. What
 * failed or came short of such a bio is tried again in whole units: a bad block
 * fails the pages that share its unit, and no others. */
#define MPIO_PAGE_ATOMIC (1u << 7)

struct mpio_page {
	uint64_t pos;   /* bytes; place in the mapping, multiple of the block
			* size */
	void *data;     /* `size` bytes; if they are not aligned as the device's
			* limits ask, they are copied on their way */
	uint32_t size;  /* bytes; any multiple of the mapping's block size;
			* pages of one mapping may differ */
	uint32_t flags; /* MPIO_PAGE_*; all other bits are the library's */
	struct mpio_mapping *mapping; /* whose page it is */
	/*
	 * Per-block state, or NULL: the page is uptodate and dirty as a whole.
	 * MPIO_PAGE_BLOCK_WORDS() words: a bit for each block that is
	 * uptodate, then, from a new word on, a bit for each that is dirty;
	 * bit i of word w is block 64 * w + i of the page.
	 */
	uint64_t *blocks;

	/* The library's. */
	void *shadow;           /* what is written instead of data (seal) */
	struct mpio_page *next; /* in a list of the queue */
	uint32_t pending;       /* runs in flight, plus one while planned */
	int32_t error;          /* first error of the I/O going on, or 0; the
				 * user's to read when the page has ended */
};

/** Words of per-block state for a page of so many bytes in such blocks. */
#define MPIO_PAGE_BLOCK_WORDS(size, block_size)                                \
	(2 * (((size) / (block_size) + 63) / 64))

/**
 * Set up a page: clean, unlocked, not uptodate, without per-block state.
 *
 * @param page     to be set up
 * @param mapping  whose page it is to be
 * @param pos      bytes; its place, a multiple of the block size
 * @param data     its memory, the engine's
 * @param size     bytes; a multiple of the block size, not 0
 */
void mpio_page_init(struct mpio_page *page, struct mpio_mapping *mapping,
		    uint64_t pos, void *data, uint32_t size);

/**
 * Note that bytes of a page were changed.
 *
 * Sets DIRTY and, with per-block state, the dirty and uptodate bits of the
 * blocks in the range. A block that the range covers in part must be uptodate
 * already: read it first. Without per-block state the same holds for the page
 * as a whole; UPTODATE itself is the engine's to set.
 *
 * @param page    locked by the engine in whatever way it locks; may be under
 *                write-back
 * @param offset  bytes, in the page
 * @param length  bytes; `offset + length` is at most the page's size
 * @return 0, or
 * @retval -MPIO_EINVAL  the range leaves the page; nothing was changed
 * @retval -MPIO_ENODATA a block at the range's edge, or the page, is not
 *                       uptodate; nothing was changed
 */
int mpio_page_set_dirty(struct mpio_page *page, uint32_t offset,
			uint32_t length);

/**
 * Ask for the state of one block.
 *
 * @param page   with or without per-block state
 * @param index  of the block in the page
 * @return whether it is uptodate (without per-block state: the page is)
 */
bool mpio_page_block_uptodate(const struct mpio_page *page, uint32_t index);

/**
 * Ask for the state of one block.
 *
 * @param page   with or without per-block state
 * @param index  of the block in the page
 * @return whether it is dirty (without per-block state: the page is)
 */
bool mpio_page_block_dirty(const struct mpio_page *page, uint32_t index);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Mapping: what pages belong to (a file, a table, a segment), and the
 * engine's side of the translation.
 *
 * A mapping and its pages are used by one thread at a time, also when threads
 * have queues of their own: flags and counts are plain words.
 *
 * All callbacks run on the thread that called the library. Nothing of the
 * library is half changed while they run: they may start more I/O on any
 * queue of their thread and may wait for it, but may not close the queue or
 * free the mapping that they are called on.
 *
 * What a page's end starts on the same queue ends after it has returned, or
 * while it waits, be it I/O or a hole, which needs none. So a chain of pages
 * each of which hands in the next uses constant stack; not one of callbacks
 * each of which waits.
 */
#ifndef MPIO_MAPPING_H
#define MPIO_MAPPING_H

#include <mpio/errseq.h>
#include <mpio/extent.h>
#include <mpio/page.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_mapping;

/** What get_block is asked for. */
/* allocate what is not mapped yet */
#define MPIO_MAP_CREATE (1u << 0)

/** The engine's operations. Only `get_block` is required. */
struct mpio_mapping_ops {
	/**
	 * Say where a run of blocks lies.
	 *
	 * @param mapping  whose blocks
	 * @param page     the page that needs the first of them, locked
	 * @param block    the first block, in blocks of the mapping
	 * @param flags    MPIO_MAP_CREATE when writing: then the answer must
	 *                 be mapped, and only blocks are asked for that are
	 *                 about to be written, as far as the walk saw when it
	 *                 looked ahead: one that a callback cleans after that
	 *                 may still be asked for
	 * @param[in,out] extent  in: `count` blocks are wanted, all else 0;
	 *                 out: see struct mpio_extent. The answer may cover
	 *                 less than was wanted, never more. With UPTODATE it
	 *                 counts only as far as `page` goes.
	 * @return 0, or a negative errno: `page` ends with it. An answer that
	 *         cannot be ends it with -MPIO_EUCLEAN: no block, more than
	 *         wanted, past the device's end, unknown flags, a queue of
	 *         another group, UNWRITTEN or NEW without MAPPED, NEW though
	 *         nothing was to be created, not MAPPED or UPTODATE though it
	 *         was, a positive number.
	 */
	int (*get_block)(struct mpio_mapping *mapping, struct mpio_page *page,
			 uint64_t block, uint32_t flags,
			 struct mpio_extent *extent);

	/**
	 * A page's read has ended: the engine's moment to publish it.
	 *
	 * The page is the engine's again, unlocked; UPTODATE if `status` is
	 * 0, else ERROR. It may be freed here, or handed in again, as may
	 * others (mpio/read.h).
	 */
	void (*read_end)(struct mpio_mapping *mapping, struct mpio_page *page,
			 int status);

	/**
	 * A page's write-back has ended.
	 *
	 * WRITEBACK is cleared. With a `status` other than 0 the page has
	 * ERROR and is DIRTY again (unless MPIO_MAPPING_DROP_FAILED), and the
	 * mapping's error sequence has advanced (unless
	 * MPIO_MAPPING_OWN_ERRORS).
	 */
	void (*write_end)(struct mpio_mapping *mapping, struct mpio_page *page,
			  int status);

	/**
	 * Name the next dirty pages, for mpio_writepages().
	 *
	 * Pages named must not be freed or moved before the walk returns, or
	 * their `write_end`, whichever is later. Naming changes nothing: the
	 * walk may stop before it gets to them.
	 *
	 * @param mapping  whose pages
	 * @param pos      bytes; only pages that end after it
	 * @param end      bytes, exclusive; only pages that start before it
	 * @param flags    only pages that have all of these page flags
	 * @param[out] pages  to be filled, in ascending position
	 * @param pages_max   room in `pages`; fewer may be named
	 * @return how many were named; 0: there are no more
	 */
	size_t (*next_dirty)(struct mpio_mapping *mapping, uint64_t pos,
			     uint64_t end, uint32_t flags,
			     struct mpio_page **pages, size_t pages_max);

	/**
	 * Ask whether a remembered answer still holds (truncate, relocation,
	 * snapshots). NULL: answers hold for the whole call they were given
	 * in.
	 *
	 * @param extent  the answer as it was given, `cookie` included
	 */
	bool (*still_valid)(struct mpio_mapping *mapping,
			    const struct mpio_extent *extent);

	/**
	 * Blocks were newly allocated and are about to be written: drop every
	 * stale cached copy of them (an old metadata block written later
	 * would destroy the new data). `block` is on `queue`'s device, in
	 * blocks of the mapping.
	 */
	void (*new_blocks)(struct mpio_mapping *mapping,
			   struct mpio_queue *queue, uint64_t block,
			   uint64_t count);

	/**
	 * What lies before a boundary was sent: the moment to write the
	 * metadata block that follows it on the device, in order. Not for a
	 * boundary inside an atomic page, which its own bytes follow, nor for
	 * one behind an atomic page that cannot be written.
	 */
	void (*boundary)(struct mpio_mapping *mapping, struct mpio_queue *queue,
			 uint64_t block);

	/**
	 * Bytes are on the device: convert unwritten extents, move the file
	 * size. Comes before the `write_end` of the pages concerned.
	 *
	 * @param pos     bytes; place in the mapping
	 * @param length  bytes
	 * @param queue   the device they were written to
	 * @param offset  bytes; where, on that device
	 * @return 0, or a negative errno: the pages end with it
	 */
	int (*written)(struct mpio_mapping *mapping, uint64_t pos,
		       uint32_t length, struct mpio_queue *queue,
		       uint64_t offset);

	/**
	 * Who pays: called once for each page that goes under write-back,
	 * whatever is retried. `bytes` are those to be written.
	 */
	void (*account)(struct mpio_mapping *mapping, struct mpio_page *page,
			uint32_t bytes);

	/**
	 * Check a page of which bytes were read from a device (checksum,
	 * decryption in place). A page that is all hole is not shown; blocks
	 * that were uptodate before, perhaps dirty, are shown as they are.
	 *
	 * @return 0, or a negative errno: the page's error
	 */
	int (*verify)(struct mpio_mapping *mapping, struct mpio_page *page);

	/**
	 * Name another copy of a page that could not be read or verified.
	 *
	 * @param attempt  1, 2, ... 255
	 * @param[out] extent  where the copy lies: `block`, `queue`; it is
	 *                 read in one run as long as the page, which must lie
	 *                 on the device whole and fit in one bio; the device's
	 *                 blocks must not be larger than the mapping's. With
	 *                 `queue` NULL, the one that the last try ended on. A
	 *                 page that is dirty is not read again.
	 * @return 0, or a negative errno: there is no other copy, and the
	 *         page ends with the error it had
	 */
	int (*reread)(struct mpio_mapping *mapping, struct mpio_page *page,
		      uint32_t attempt, struct mpio_extent *extent);

	/**
	 * Seal a page that is about to be written (checksum, encryption).
	 *
	 * Comes after the bytes past the end of file were zeroed and before
	 * any leaves. In blocks that are not uptodate lies anything: who
	 * seals pages of several blocks fills a page before some of it is
	 * changed. (A cache does, see mpio/cache.h.)
	 *
	 * @param[in,out] data  the page's memory; may be changed to a shadow
	 *                 buffer of the page's size, which must stay as it is
	 *                 until `release_shadow`, whatever is retried
	 * @return 0, or a negative errno: the page ends with it, dirty, and
	 *         what `*data` was changed to is not used, nor released
	 */
	int (*seal)(struct mpio_mapping *mapping, struct mpio_page *page,
		    void **data);

	/**
	 * No I/O uses a shadow any more: it is the engine's again.
	 *
	 * Called once for each `seal` that returned 0 and changed `*data`,
	 * before the page's `write_end`: when its bytes are on the device,
	 * after `written`; when its write failed; and when none of them left,
	 * as the page could not be mapped. The page is still under write-back.
	 * In a cache, which calls no `write_end` of the engine, nothing else
	 * tells it. Comes in whatever call finds the end of the I/O, in a
	 * cache perhaps in several threads at once: it gives memory back and
	 * no more, starts no I/O and waits for nothing.
	 *
	 * @param page    that was sealed; its error is not known here
	 * @param shadow  what `*data` was changed to
	 */
	void (*release_shadow)(struct mpio_mapping *mapping,
			       struct mpio_page *page, void *shadow);
};

/** Mapping flags. */
/* A page whose write failed ends clean, with ERROR. The default keeps it
 * dirty, so that no data is dropped. */
#define MPIO_MAPPING_DROP_FAILED (1u << 0)
/* The engine notes by itself what its `write_end` is told, for writes of the
 * mapping may end in several threads at once: `errors` is left alone, and no
 * walk tells what has failed on the device. */
#define MPIO_MAPPING_OWN_ERRORS (1u << 1)

struct mpio_mapping {
	const struct mpio_mapping_ops *ops;
	void *host;          /* the engine's object */
	uint64_t size;       /* bytes; end of file. Raise it before pages behind
			      * the old end are written back: what lies past
			      * it is dropped. */
	uint32_t block_size; /* bytes; power of two, 512 or more; may be less
			      * than a block of the device, see
			      * mpio_bio_submit() */
	uint32_t flags;      /* MPIO_MAPPING_* flags */

	/* Written by the library; zero at first. */
	struct mpio_errseq errors; /* of write-back; see mpio/errseq.h */
	uint64_t writeback_pos;    /* bytes; where a cyclic walk goes on */
};

#ifdef __cplusplus
}
#endif
#endif

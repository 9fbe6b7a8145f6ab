/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Write-back: dirty pages out, in ascending position, in few large I/Os.
 */
#ifndef MPIO_WRITEBACK_H
#define MPIO_WRITEBACK_H

#include <mpio/errseq.h>
#include <mpio/mapping.h>
#include <mpio/page.h>
#include <mpio/queue.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mpio_sync_mode {
	MPIO_SYNC_NONE, /* get rid of some dirty pages */
	MPIO_SYNC_ALL   /* every page of the range that is dirty now, and wait
			 * for those; pages that another walk has sent, earlier
			 * or out of a callback meanwhile, and that are clean
			 * since, are not waited for (but by a flush) */
};

enum mpio_writeback_reason {
	MPIO_REASON_BACKGROUND, /* bios are marked background */
	MPIO_REASON_PERIODIC,   /* bios are marked background */
	MPIO_REASON_RECLAIM,
	MPIO_REASON_SYNC
};

/** `nr_to_write` for a walk that is not to be stopped by it. */
#define MPIO_WRITE_ALL INT64_MAX

struct mpio_writeback_control {
	enum mpio_sync_mode sync_mode;
	enum mpio_writeback_reason reason;
	/*
	 * Pages to be dealt with. Goes down by one for each, and is looked at
	 * after it, so 0 still writes one page; as does a control block that
	 * is all zero. MPIO_SYNC_NONE stops there; MPIO_SYNC_ALL goes on, and
	 * below 0.
	 */
	int64_t nr_to_write;
	int64_t pages_skipped; /* out: goes up by one for each page that was
				* locked, or under write-back already */
	uint64_t range_start;  /* bytes; rounded down to a page */
	uint64_t range_end;    /* bytes, inclusive, rounded up to a page; 0: to
				* the end; before `range_start`: nothing lies in
				* the range, and no page is rounded to */
	bool range_cyclic;     /* the range does not count: start where the last
			    * cyclic walk of this mapping stopped, go to the
			    * end, and let the next start at 0 */
	bool tagged; /* visit only pages that are dirty at the start, so that
		      * a busy writer cannot hold up the walk. Always so with
		      * MPIO_SYNC_ALL. */
	/*
	 * MPIO_SYNC_ALL: the caller's cursor in the mapping's error sequence,
	 * or NULL. An error since then is returned, once.
	 */
	struct mpio_errseq *since;
};

/**
 * Write dirty pages back, in as few I/Os as their place on the device allows.
 *
 * Written is not durable. To make a file durable (fsync), with a cursor of
 * the holder's own:
 *
 *     wbc.sync_mode = MPIO_SYNC_ALL;
 *     wbc.since = &cursor;
 *     error = mpio_writepages(queue, mapping, &wbc);
 *     flush = mpio_queue_flush(queue);
 *     late = mpio_errseq_check_and_advance(&mapping->errors, &cursor);
 *
 * and it is if all three are 0. The flush waits for everything in flight, and
 * the last line tells of pages that an earlier walk had sent and that failed
 * only now. Where extents name further queues, flush each of them.
 *
 * The engine names the pages through `ops->next_dirty`. Of a page with
 * per-block state only the dirty blocks are written. Bytes past the end of
 * file are zeroed in the page before it goes; blocks wholly past it are not
 * written, and a page wholly past it ends clean, unmapped. A page that cannot
 * be mapped or written stays dirty, with its error, and does not stop the
 * others (MPIO_SYNC_NONE: a page that cannot be mapped stops the walk; who
 * makes room that way begins the next one behind that page, or cyclic, or all
 * of them stop there).
 *
 * Blocks may be smaller than the device's: of those that a bio covers in part,
 * the rest is read first, and other queues have to leave them alone meanwhile
 * (mpio_bio_submit()).
 *
 * @param queue    where extents lie that name no queue of their own
 * @param mapping  whose pages
 * @param[in,out] wbc  what to write; counted down and up as told above
 * @par Ownership
 *   Pages stay the engine's. From the moment `next_dirty` names one until the
 *   walk has returned and its `write_end` has come, it may be dirtied again
 *   but not freed or moved.
 * @par Callbacks
 *   `next_dirty`, `get_block`, `still_valid`, `new_blocks`, `boundary`,
 *   `account` and `seal` run inside the call, the page locked; `written`,
 *   `release_shadow` and `write_end` there too, or wherever the queue's I/Os
 *   end.
 * @return 0, or, MPIO_SYNC_NONE: the error of the page that stopped the walk;
 *         MPIO_SYNC_ALL: after every page has ended, the first error of the
 *         walk, or else one of the mapping's error sequence
 * @retval -MPIO_EIO      the device failed
 * @retval -MPIO_ENOSPC   `get_block` found no room
 * @retval -MPIO_ENOMEM   no bio comes free: nothing is in flight, or the device
 *                        fails to say what has ended, whatever its error is
 * @retval -MPIO_EUCLEAN  `get_block` gave an answer that cannot be
 * @retval -MPIO_EDEADLK  a page is locked, or under write-back, and nothing
 *                        is in flight that could end it; it was skipped
 * @retval -MPIO_EINVAL   no `next_dirty` or `get_block`, a block size that is
 *                        no power of two or, on a queue without memory to
 *                        bounce through, less than the device's logical
 *                        block, or `next_dirty` named a page that is out of
 *                        order or unfit (the walk stops)
 */
int mpio_writepages(struct mpio_queue *queue, struct mpio_mapping *mapping,
		    struct mpio_writeback_control *wbc);

/**
 * Write one page back: the same with a batch of one, and no walk.
 *
 * @param queue    as for mpio_writepages()
 * @param mapping  whose page
 * @param page     dirty and, unlike a page to be read, not locked. If it is
 *                 clean nothing is written.
 * @param wbc      `sync_mode` (ALL: wait for a write-back that is going on,
 *                 and for this one), `reason` and `since` count, and the
 *                 counters are kept; NULL: none of it
 * @return 0, or a negative errno as above
 * @retval -MPIO_EBUSY  MPIO_SYNC_NONE, and the page is locked or under
 *                      write-back already
 */
int mpio_write_page(struct mpio_queue *queue, struct mpio_mapping *mapping,
		    struct mpio_page *page, struct mpio_writeback_control *wbc);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Reading: pages in, few large I/Os out.
 */
#ifndef MPIO_READ_H
#define MPIO_READ_H

#include <mpio/mapping.h>
#include <mpio/page.h>
#include <mpio/queue.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* a guess: bios say so, and pages for which no bio is free are not taken */
#define MPIO_READ_AHEAD (1u << 0)
/* somebody waits */
#define MPIO_READ_SYNC (1u << 1)
/* metadata of the engine */
#define MPIO_READ_META (1u << 2)

/**
 * Read pages, in as few I/Os as their place on the device allows.
 *
 * Holes and blocks past the end of file are zeroed without I/O; blocks that
 * are uptodate already (per-block state) are left; the rest is read, each
 * block once. The block that the end of file cuts is read whole, so a reader
 * must stop at `mapping->size` itself. A page that get_block fails for ends
 * with that error, and its neighbours are read all the same.
 *
 * Waits for the device while `in_flight_max` bios are on it and while no bio is
 * free; with MPIO_READ_AHEAD not for the first bio of a page on `queue`, nor
 * for a large one: while all of those are in use I/Os are small. Where none
 * comes free, since nothing is in flight or the device fails to say what has
 * ended, a page for which there is none ends with -MPIO_ENOMEM, whatever the
 * device's error is. A callback of a page may hand in the next ones, however
 * many do so at once: if it has to wait for a bio, pages that end meanwhile are
 * told after it has returned, and stay the library's until then. Not so one
 * that waits by itself (mpio_queue_wait(), poll, drain, a sync, a flush): below
 * it the callbacks of what ends run, and where these wait in turn they nest, as
 * deep as there are such pages, each with a bio in use.
 *
 * @param queue    where extents lie that name no queue of their own
 * @param mapping  whose pages
 * @param pages    in ascending position, not overlapping, locked, not being
 *                 read or written already; the array
 *                 is not needed after the call. A page that is uptodate ends
 *                 at once.
 * @param n        how many pages, at most INT32_MAX
 * @param flags    MPIO_READ_* flags
 * @par Ownership
 *   The pages that were taken are the library's until their `read_end`, which
 *   may come before this returns. Called from a callback of a page or bio that
 *   has ended, it comes after that has returned, or while it waits.
 * @par Callbacks
 *   `get_block` and `still_valid` run inside the call; `read_end` there too,
 *   or wherever the queue's I/Os end.
 * @return how many of the first pages were taken: those will be finished by
 *         `read_end`, the others are still the caller's, untouched. Less than
 *         `n` if bios ran out (MPIO_READ_AHEAD) or a page was unfit. Or
 * @retval -MPIO_EINVAL  the first page is unfit: not locked, out of order, of
 *                       another mapping, its `pos` or `size` not a multiple
 *                       of the block size, past the end of what can be
 *                       addressed, half known and under write-back; or the
 *                       mapping has no `get_block`, or a block size that is no
 *                       power of two or, on a queue without memory to bounce
 *                       through, less than the device's logical block
 */
int mpio_readahead(struct mpio_queue *queue, struct mpio_mapping *mapping,
		   struct mpio_page *const *pages, size_t n, uint32_t flags);

/**
 * Read one page: the same with a batch of one.
 *
 * @param queue    as for mpio_readahead()
 * @param mapping  whose page
 * @param page     locked
 * @return 0: the page will be finished by `read_end`, or was, and its error
 *         is told there and in `page->error`; or
 * @retval -MPIO_EINVAL  the page is unfit; it is still the caller's
 */
int mpio_read_page(struct mpio_queue *queue, struct mpio_mapping *mapping,
		   struct mpio_page *page);

#ifdef __cplusplus
}
#endif
#endif

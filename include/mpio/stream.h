/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Stream: looks ahead for an engine that knows which pages it will want.
 *
 * No window can guess what a bitmap scan, a list of keys or the order of a
 * sort will touch next; the engine knows. It names the positions, one after the
 * other and in the order in which it will want them; the stream reads them
 * ahead, neighbours in one I/O, and hands the pages over in that order:
 *
 *     error = mpio_stream_open(queue, &file, &config, &stream);
 *     while ((result = mpio_stream_next(stream, &page)) > 0)
 *             use(page);
 *     mpio_stream_close(stream);
 *
 * Two distances are kept apart. How much is combined into one I/O is a matter
 * of the device: pages that follow each other, or lie no further apart than the
 * queue reads across, are held back until they span `combine_bytes`, the
 * next one lies elsewhere, or they are wanted. How
 * far ahead pages are taken is a matter of the consumer: not at all at first;
 * twice as far each time it really had to wait for the device; one page less
 * far for each page that was there already. So a stream over pages that are all
 * in memory, or over a device that works at once, holds no page longer than it
 * must, and one over a slow disk soon keeps it busy.
 *
 * Optional: built on the public functions of the core, with frames of the
 * engine's own.
 */
#ifndef MPIO_STREAM_H
#define MPIO_STREAM_H

#include <mpio/allocator.h>
#include <mpio/mapping.h>
#include <mpio/page.h>
#include <mpio/queue.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_stream;

/** What `take` has found. */
enum mpio_stream_found {
	MPIO_STREAM_NO_FRAME, /* no page: no frame is free now. It is asked
			       * again when the consumer comes back. */
	MPIO_STREAM_READ,     /* to be read: LOCKED, as mpio_readahead() wants
			       * it. Its read ends by the mapping's `read_end`,
			       * which leaves the page where it is. */
	MPIO_STREAM_HIT, /* there already, not LOCKED; handed over as it is */
	MPIO_STREAM_BUSY /* LOCKED: somebody else reads it, on this queue
			       * or one of its group; to be waited for only */
};

/**
 * The engine's side. All run inside the calls of the stream, on the caller's
 * thread, nothing held; none may call the stream. `ctx` is that of the
 * configuration.
 */
struct mpio_stream_ops {
	/**
	 * Say which page will be wanted next. Asked once for each, in order,
	 * and not again after the end or an error (but for a reset).
	 *
	 * @param[out] pos  bytes; in the mapping, where a page begins
	 * @return 1: there is one; 0: the end; or a negative errno: the stream
	 *         ends with it, after the pages named before
	 */
	int (*next)(void *ctx, uint64_t *pos);

	/**
	 * Give the page for a position that was named.
	 *
	 * @param pos        bytes
	 * @param[out] page  the stream's until it is handed over or released
	 * @return enum mpio_stream_found; or a negative errno: the stream ends
	 *         with it, after the pages before. A page that is not what it
	 *         is said to be stays the engine's.
	 */
	int (*take)(void *ctx, uint64_t pos, struct mpio_page **page);

	/**
	 * Take a page back that will not be handed over: the stream is closed
	 * or reset. NULL: nothing to be done.
	 *
	 * @param page  unlocked; UPTODATE, or with ERROR, if it was read
	 */
	void (*release)(void *ctx, struct mpio_page *page);
};

/**
 * How a stream is to be. All zero is a good configuration, but for `ops` and
 * the memory: set `allocator`, or `memory` and `memory_size`.
 */
struct mpio_stream_config {
	const struct mpio_stream_ops *ops; /* `next` and `take` are required */
	void *ctx;                         /* for them */
	uint32_t combine_bytes;  /* most bytes that are read together, but
				  * for a page that is larger; 0: 128 KiB;
				  * clamped to the queue's limit, and to half
				  * of `look_ahead_max`: while one run is read
				  * another gathers */
	uint32_t look_ahead_max; /* pages; most that are taken ahead of the
				  * consumer; 0: 256, or four times what is
				  * combined, if that is more */
	uint32_t runs_max;       /* reads on their way at once, each of up to
				  * `combine_bytes`; one more where a page
				  * that is there ends it; and what is waited
				  * for is read in any case; 0: 16 */
	uint32_t page_size;      /* bytes; of the smallest page, from which
				  * follows how many may lie in
				  * `combine_bytes`; 0: 4096 */
	/*
	 * Memory: an allocator, or, if it is set, `memory` of at least
	 * mpio_stream_size() bytes, aligned for any C object, that lives until
	 * the stream is closed.
	 */
	const struct mpio_allocator *allocator;
	void *memory;
	size_t memory_size; /* bytes */
};

struct mpio_stream_stats {
	uint64_t pages;    /* handed over */
	uint64_t hits;     /* of those taken, that were there already */
	uint64_t waits;    /* times that the consumer waited for the device */
	uint64_t runs;     /* calls of mpio_readahead(): pages read together */
	uint64_t released; /* pages that were never handed over */
	uint32_t distance; /* pages; how far it looks ahead now */
	uint32_t distance_peak; /* pages; the furthest that was */
};

/**
 * Tell how much memory a stream takes.
 *
 * @param config  of the stream, or NULL for the default
 * @return bytes, or 0: the configuration is impossible
 */
size_t mpio_stream_size(const struct mpio_stream_config *config);

/**
 * Open a stream. Nothing is named, taken or read yet.
 *
 * @param queue    the calling thread's; must stay open as long as the stream
 * @param mapping  whose pages are named; must stay as long
 * @param config   read during the call only (`ops` and `ctx`: until close; the
 *                 allocator is copied, its `ctx` is used until close)
 * @param[out] stream  untouched on failure
 * @return 0, or
 * @retval -MPIO_EINVAL  `config` is NULL; no `next` or `take`, no memory
 *                       source, `memory` that is not aligned, or more than
 *                       2^20 pages ahead, reads on their way, or pages in
 *                       `combine_bytes`
 * @retval -MPIO_ENOMEM  the allocator had none, or `memory` is too small
 */
int mpio_stream_open(struct mpio_queue *queue, struct mpio_mapping *mapping,
		     const struct mpio_stream_config *config,
		     struct mpio_stream **stream);

/**
 * Hand over the next page, in the order in which they were named. Waits for
 * the device if it is on its way; before that, and before it returns, starts
 * what the look-ahead asks for.
 *
 * @param stream     any
 * @param[out] page  the caller's from now on: UPTODATE, or, if its read
 *                   failed, with ERROR and `page->error`; other pages may
 *                   still be good. Untouched unless 1 is returned.
 * @par Callbacks
 *   `next` and `take`, and what mpio_readahead() and mpio_queue_wait() run.
 * @return 1: a page; 0: the end; or a negative errno, and the call may be made
 *         again:
 * @retval -MPIO_ENOMEM  `take` has no frame, and no page is on its way
 * @retval -MPIO_EDEADLK a page is LOCKED and nothing is in flight that could
 *                       end it: it is held back by another stream, say,
 *                       whose turn it is first, or which is to send it:
 *                       mpio_stream_send()
 * @retval -MPIO_EINVAL  `take` gave a page that is unfit to be read (not
 *                       LOCKED, of another mapping or place), or said what
 *                       it can't: the stream has ended
 * @retval other         the device's, from waiting; or that of `next` or
 *                       `take`: the stream has ended
 */
int mpio_stream_next(struct mpio_stream *stream, struct mpio_page **page);

/**
 * Send what is held back now, however little that is: before its consumer wants
 * such a page by another way, say, or goes away for long. It is read then as
 * soon as the device comes to it, and waited for by mpio_queue_wait().
 *
 * @param stream  any; not from its callbacks
 * @par Callbacks
 *   What mpio_readahead() runs; `release` if it fails.
 * @return 0, or
 * @retval -MPIO_EINVAL  as mpio_stream_next(): the stream has ended
 */
int mpio_stream_send(struct mpio_stream *stream);

/**
 * Forget what was named and not handed over, and begin anew: `next` is asked
 * again. The distance stays as it is.
 *
 * @param stream  any; waits for the pages that are on their way, and releases
 *                all that it has
 * @return 0, or a negative errno of the device: some pages are still on their
 *         way; they stay the stream's, and the call may be made again. Until
 *         it is 0, do nothing else with the stream but close it.
 */
int mpio_stream_reset(struct mpio_stream *stream);

/**
 * Close a stream, as after mpio_stream_reset(). If that fails, what is still on
 * its way is lost to the engine until its `read_end`.
 *
 * @param stream  gone after the call; NULL is allowed. Not from a callback.
 */
void mpio_stream_close(struct mpio_stream *stream);

/**
 * Tell what was counted.
 *
 * @param stream  any
 * @return the counters; they change with each call on the stream
 */
const struct mpio_stream_stats *
mpio_stream_stats(const struct mpio_stream *stream);

#ifdef __cplusplus
}
#endif
#endif

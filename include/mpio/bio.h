/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Bio: one I/O on a device.
 *
 * Bios come from the pool of a queue, which is made when the queue is opened.
 * The page verbs (mpio_readahead() and its sisters) use them inside; a user
 * may also drive them by hand, for bytes that are no page of any mapping:
 *
 *     bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);
 *     bio->offset = 4096;
 *     bio->end_io = done;
 *     mpio_bio_add(bio, buffer, 512);
 *     mpio_bio_submit(bio);
 *
 * A bio ends exactly once, by its `end_io`, from inside mpio_bio_submit() (a
 * device that works at once) or from inside a later call on the same queue
 * that polls or waits.
 */
#ifndef MPIO_BIO_H
#define MPIO_BIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_page;
struct mpio_queue;
struct mpio_bio;
struct mpio_bounce;

enum mpio_bio_op {
	MPIO_BIO_READ,
	MPIO_BIO_WRITE,
	MPIO_BIO_FLUSH,  /* what was written before is to be durable */
	MPIO_BIO_DISCARD /* `length` bytes are not needed; no memory */
};

/* somebody waits for it */
#define MPIO_BIO_SYNC (1u << 0)
/* a guess; may be failed cheaply */
#define MPIO_BIO_READAHEAD (1u << 1)
/* a write or discard: durable when it ends */
#define MPIO_BIO_FUA (1u << 2)
/* a write or discard: flush the device first */
#define MPIO_BIO_PREFLUSH (1u << 3)
/* metadata of the engine */
#define MPIO_BIO_META (1u << 4)
/* nobody waits for it */
#define MPIO_BIO_BACKGROUND (1u << 5)
/* carries pages that must not tear: is only taken apart where atomic units of
 * the device begin */
#define MPIO_BIO_ATOMIC (1u << 6)

/** A piece of memory; laid out as POSIX's struct iovec. */
struct mpio_iovec {
	void *base;
	size_t length; /* bytes */
};

/** A piece of a page; the library's. */
struct mpio_segment {
	struct mpio_page *page;
	uint32_t offset; /* bytes, in the page */
	uint32_t length; /* bytes */
};

/**
 * A bio has ended: `bio->status` is 0 or a negative errno.
 *
 * The bio is its user's again: it may be refilled (mpio_bio_reset()) and
 * submitted, here or later, or put back. A chain of bios that end inside
 * submit and start the next from here uses constant stack.
 */
typedef void mpio_end_io_fn(struct mpio_bio *bio);

struct mpio_bio {
	/* What is to be done; a backend only reads these. */
	uint64_t offset;         /* bytes, on the device */
	uint32_t length;         /* bytes; the sum of the pieces of memory */
	uint8_t op;              /* enum mpio_bio_op */
	uint8_t state;           /* the library's */
	uint16_t flags;          /* MPIO_BIO_* flags */
	struct mpio_iovec *vecs; /* in order; their sum is `length` */
	uint32_t vec_count;
	int32_t status; /* 0 or a negative errno, once it has ended */
	struct mpio_queue *queue;

	/* The submitter's. */
	mpio_end_io_fn *end_io; /* NULL: the bio is put back by itself */
	void *ctx;

	/* The backend's, from submit to end. */
	uintptr_t backend[4];

	/* The library's. */
	struct mpio_bio *next;
	struct mpio_bio **pool;        /* its place when it is free */
	struct mpio_iovec *vec_pool;   /* room for all of its memory */
	struct mpio_segment *segments; /* the parts of pages, in order */
	struct mpio_segment *segments_end;
	struct mpio_iovec saved[2]; /* pieces that the window cuts */
	uint64_t full_offset;       /* of the whole bio, while a window */
	uint32_t full_length;       /* of it is driven again */
	uint32_t full_vec_count;
	uint32_t vecs_max;
	uint32_t segments_max;
	uint32_t unit;         /* bytes; isolation goes no finer */
	uint32_t done;         /* bytes that the last try moved */
	uint32_t window_start; /* bytes; of the range that is tried */
	uint32_t window_end;
	int32_t failure; /* of a window before this one */
	uint8_t stage;
	uint8_t tries; /* of this window without progress */
	uint8_t turn;  /* what others have to do with it */
	bool small;
	bool plain;     /* its pages lie whole in it, all of one mapping */
	bool gapped;    /* some of it nobody wants */
	bool bounces;   /* it goes through a slot, or waits for one */
	uint32_t waits; /* for so many bios */
	struct mpio_bounce *bounce; /* aligned memory in place of its own */
};

/**
 * Take a bio from the queue's pool. Never waits.
 *
 * @param queue  the calling thread's
 * @param op     what it is to do
 * @param flags  MPIO_BIO_* flags
 * @return an empty bio, the caller's until it is submitted or put back: a
 *         large one, or, if there is none, a small one with room for eight
 *         pieces of memory. NULL: none is free (mpio_queue_wait(), then try
 *         again)
 */
struct mpio_bio *mpio_bio_get(struct mpio_queue *queue, enum mpio_bio_op op,
			      uint32_t flags);

/**
 * Put a bio back into its pool.
 *
 * @param bio  got and not submitted, or ended
 */
void mpio_bio_put(struct mpio_bio *bio);

/**
 * Empty a bio, for another use of it. `offset`, `end_io` and `ctx` stay.
 *
 * @param bio    got and not submitted, or ended
 * @param op     what it is to do next
 * @param flags  MPIO_BIO_* flags
 */
void mpio_bio_reset(struct mpio_bio *bio, enum mpio_bio_op op, uint32_t flags);

/**
 * Add memory to a bio, behind what it has. Memory that follows the piece
 * before is joined to it.
 *
 * @param bio     not submitted yet; a read or a write
 * @param data    stays the caller's; must live until the bio ends
 * @param length  bytes
 * @return 0, or
 * @retval -MPIO_EINVAL  `length` is 0, or the bio takes no memory
 * @retval -MPIO_ENOSPC  the queue's limits (pieces, bytes) are reached;
 *                       nothing was added
 */
int mpio_bio_add(struct mpio_bio *bio, void *data, uint32_t length);

/**
 * Start a bio; under a plug, it waits there for its kind. While
 * `in_flight_max` bios are on the device, waits for one of them to end.
 *
 * Called from an `end_io`, it is pushed with all others that are, when the last
 * of the bios that had ended has been finished: one call of the device for
 * many.
 *
 * A flush, or a bio with PREFLUSH, is a barrier: it is sent when all that was
 * submitted to the queue before has ended and been told; what is submitted
 * after it is sent after it. (Where a device has no PREFLUSH, after the flush
 * that takes its place.) The caller does not wait for that. What an `end_io`
 * submits meanwhile is behind it, and so is not covered. While it waits it may
 * be cancelled, by an `end_io` of what it waits for, too: a log's record
 * failed, and what would commit it is not to be written. But where a callback
 * waits or polls, and nothing else is left that could end, it is sent before
 * that callback has returned.
 *
 * Memory may lie anywhere. What the device finds misaligned is copied through
 * memory of the queue (`bounce_bytes` of its configuration), which costs time
 * and, if there is more of it, several turns.
 *
 * Where a queue has such memory, reads and writes may begin and end inside the
 * device's blocks, too. The blocks that a read cuts are read whole, and what it
 * wants of them is copied. Those that a write cuts are read first, and then
 * written whole, with its bytes in them. FUA and PREFLUSH are the write's, not
 * the read's. If that read fails the write ends with its error; nothing of it
 * was written, or, if it is larger than the memory that it bounces through, the
 * parts before.
 *
 * Of two writes (or discards) of one queue that have a block of the device in
 * common, one of which cuts blocks, the later is sent when the earlier has
 * ended; so each finds what the other left. Reads do not wait: one that is
 * submitted before a write has ended may find what was there before it.
 *
 * What lies beside a write in the blocks that it cuts is written with it, as it
 * was. If the device fails in that, or its power does, it may be lost as well.
 * Of other queues on the device, and of other programs, nothing is known here:
 * who writes there to a block while a part of it is written here loses one or
 * the other. That is the engine's to prevent.
 *
 * @param bio  from mpio_bio_get(), filled
 * @return 0: `end_io` is called exactly once, perhaps before this returns;
 *         there also come a write to a device that is READONLY (-MPIO_EROFS)
 *         and a discard on one that has none (-MPIO_EOPNOTSUPP). Or, the bio
 *         still being the caller's,
 * @retval -MPIO_EINVAL  empty, past the device's end, or parts of the device's
 *                       blocks that are to be discarded, or for which the
 *                       queue has no memory to bounce through; or the bio was
 *                       submitted before, and has not ended: then it is not
 *                       the caller's
 * @retval -MPIO_ETIMEDOUT  by an `end_io` inside mpio_queue_close_by(), when
 *                       the deadline is over
 */
int mpio_bio_submit(struct mpio_bio *bio);

/**
 * Ask for a bio to be ended early. It ends as ever, exactly once, by its
 * `end_io`: with -MPIO_ECANCELED if the device had not begun it or could be
 * stopped, else with what came of it. Many devices cannot be stopped.
 *
 * A bio that waits in a plug, for memory to bounce through, or for another, is
 * taken out of there. One that came short or failed in passing is not driven
 * on. What a write has changed on the device when it is cancelled is not known.
 *
 * @param bio  filled by hand, and submitted; one that has ended is left alone,
 *             and so is one of pages. Its `end_io` may run inside.
 */
void mpio_bio_cancel(struct mpio_bio *bio);

/**
 * For backends: the bio has ended. Exactly once for each accepted submit; a
 * second end is ignored.
 *
 * Cheap: callbacks run later, from the queue.
 *
 * What the library makes of an errno: -MPIO_EIO, -MPIO_ENODATA, -MPIO_EILSEQ
 * and -MPIO_EREMOTEIO are taken for bad blocks, and a bio of pages is driven
 * again in halves to find them; a read or a write that ends with
 * -MPIO_EAGAIN or -MPIO_EINTR is tried again, eight times in all; any other
 * errno fails the whole bio.
 *
 * @param bio     as submitted
 * @param status  0: all of it was done; or a negative errno (a positive number
 *                counts as -MPIO_EIO)
 */
void mpio_bio_end(struct mpio_bio *bio, int status);

/**
 * For backends: only the first bytes were moved. The library drives the rest
 * with another submit.
 *
 * @param bio   as submitted
 * @param done  bytes, at most `bio->length`; 0 makes it fail with -MPIO_EIO
 */
void mpio_bio_end_partial(struct mpio_bio *bio, uint32_t done);

#ifdef __cplusplus
}
#endif
#endif

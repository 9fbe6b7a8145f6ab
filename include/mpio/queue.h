/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Queue: one thread's way into a device.
 *
 * A queue owns a pool of bios that is made when it is opened; from then until
 * it is closed nothing is allocated. It is used by one thread at a time. Work
 * is done only inside its calls: there are no hidden threads.
 */
#ifndef MPIO_QUEUE_H
#define MPIO_QUEUE_H

#include <mpio/allocator.h>
#include <mpio/bio.h>
#include <mpio/device.h>
#include <mpio/event.h>
#include <mpio/stats.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_queue;

/* A bio that fails is not taken apart to find the bad blocks: all of its
 * pages get the error, but for those that had been copied before it, if it goes
 * through smaller memory. */
#define MPIO_QUEUE_NO_ISOLATION (1u << 0)
/* No read goes across a gap, whatever the device says. */
#define MPIO_QUEUE_NO_GAPS (1u << 1)

/**
 * How a queue is to be. All zero is a good configuration, but for the memory:
 * set `allocator`, or `memory` and `memory_size`.
 *
 * The default takes about 410 KiB on a 64-bit machine, most of it for
 * `pages_max` and `segments_max`, and as much more as the device's gaps and
 * bounce memory ask for. { .bios = 2, .segments_max = 16,
 * .pages_max = 32, .walk_pages = 1 } takes less than 4 KiB, if the device asks
 * for neither.
 */
struct mpio_queue_config {
	uint32_t bios;          /* large bios in the pool, and as many small
				* ones; 0: 32; least 2, most 65536 */
	uint32_t in_flight_max; /* bios on the device at once; 0: as many as
				 * there are; clamped to that */
	uint32_t segments_max;  /* pieces of memory in a bio, neighbours
				* joined; 0: 256; clamped to the device's */
	uint32_t pages_max;     /* pages, or parts of pages, in a bio, where a
				* gap counts as one; 0: 512 or segments_max,
				* whichever is more; clamped up to
				* segments_max */
	uint32_t bytes_max;     /* bytes in a bio; 0: the device's; clamped to
				* that and to 1 GiB */
	uint32_t walk_pages;    /* dirty pages that a write-back walk looks at
				* ahead; 0: 512 */
	uint32_t flags;         /* MPIO_QUEUE_* flags */
	/*
	 * Gaps: when the next run of a read lies a little further on the
	 * device, one I/O that reads what lies between into scrap memory beats
	 * two. Not with NO_ISOLATION: a bad block in a gap would fail pages.
	 * Nor with a segments_max below 3. A disk takes scrap as one piece
	 * only if it lies in one piece of the machine's memory, too: memory
	 * of huge pages for the queue makes gaps cheaper.
	 */
	uint32_t gap_bytes;    /* largest gap; 0: the device's
				* limits.gap_bytes; clamped to 1 MiB, rounded
				* down to the alignment. The queue's memory
				* holds as much scrap. */
	uint32_t gap_percent;  /* most of an I/O that may be gaps, as it is
				* when one is crossed; 0: 75 */
	uint32_t gap_io_bytes; /* no gap is crossed by an I/O that would be
				* larger than this behind it; 0: 512 KiB or
				* eight gaps of the largest, whichever is
				* more; clamped to bytes_max */
	/*
	 * Memory that bios go through whose own is not aligned as the device
	 * asks, or that begin or end inside its blocks, piece by piece. Part
	 * of the queue's memory. It is cut into slots, four or more if it can
	 * be, of a power of two and at most 512 KiB each: so many bios bounce
	 * at once. If the device asks for alignment, a read of 16 or more
	 * pieces that are 2 KiB or less on average (32 KiB if it goes across
	 * gaps) goes through a free slot too: a copy costs less than so many
	 * pieces.
	 */
	uint32_t bounce_bytes; /* 0: 256 KiB, or 4 MiB for a device with gaps
				* that asks for alignment, or none for one that
				* does not and has blocks of 512 bytes or less;
				* at least a logical block, the memory's
				* alignment and an atomic unit */
	/*
	 * Another queue of the same thread, or NULL. Queues of a group are
	 * polled, waited for and drained together, and get_block may answer
	 * with any of them.
	 */
	struct mpio_queue *group;
	mpio_event_fn *event; /* NULL: none */
	void *event_ctx;
	/*
	 * Memory: an allocator, or, if it is set, `memory` of at least
	 * mpio_queue_size() bytes, aligned for any C object, that lives until
	 * the queue is closed.
	 */
	const struct mpio_allocator *allocator;
	void *memory;
	size_t memory_size; /* bytes */
};

/**
 * Tell how much memory a queue takes.
 *
 * @param device  to be opened; only its limits are looked at
 * @param config  or NULL for the default
 * @return bytes, or 0: the configuration is impossible
 */
size_t mpio_queue_size(const struct mpio_device *device,
		       const struct mpio_queue_config *config);

/**
 * Open a queue.
 *
 * @param device  must stay open as long as the queue
 * @param config  read during the call only (the allocator is copied; its `ctx`
 *                is used until close)
 * @param[out] queue  the queue; untouched on failure
 * @return 0, or
 * @retval -MPIO_EINVAL  a device without submit, or with reap_sends and no
 *                       reap; no memory source, `memory` that is not aligned,
 *                       limits that are no power of two, an atomic unit that
 *                       is larger than an I/O may be, or a configuration that
 *                       is impossible
 * @retval -MPIO_ENOMEM  the allocator had none, or `memory` is too small
 * @retval other         the device's, from opening a channel
 */
int mpio_queue_open(struct mpio_device *device,
		    const struct mpio_queue_config *config,
		    struct mpio_queue **queue);

/**
 * Close a queue: unplug, wait for everything in flight, free.
 *
 * @param queue  gone after the call; NULL is allowed. Pages that were handed
 *               in are finished before it returns, unless the device's reap
 *               fails: what it then still holds is lost, its memory in the
 *               device's hands, and so is what waits for it to end. Not from
 *               a callback.
 */
void mpio_queue_close(struct mpio_queue *queue);

/** What mpio_queue_close_by() asks and tells. */
struct mpio_deadline {
	/** Whether it is over; asked whenever a look at the devices found
	 * nothing new, or only an error of theirs, so it may sleep a little.
	 * Also at each mpio_bio_submit() of an end_io, be there news or not,
	 * so who sleeps does so for each bio of a chain; and while what an
	 * end_io submits has to wait, being one too many in flight. If it is
	 * over nothing more is taken (mpio_bio_submit()); who hands pages in
	 * again for ever is not stopped. NULL: it is over. */
	bool (*is_over)(void *ctx);
	/** A bio of the queue or its group that has not ended, when it was
	 * over: only to be looked at. Its op, offset and length are of what
	 * is tried now; its ctx is the user's if he filled it. NULL: nobody
	 * wants to know. */
	void (*missing)(void *ctx, const struct mpio_bio *bio);
	void *ctx;
};

/**
 * Close a queue, but do not wait for ever: for a device that may have lost an
 * I/O. It is looked at, as by mpio_queue_poll(), until nothing is in flight.
 * Each look is a single poll, and waits for nothing: on a simulated disk it
 * lets no more virtual time pass than `poll` of its configuration, and what
 * takes longer there takes as many looks.
 *
 * @param queue     not NULL; gone after the call if it returns 0, as by
 *                  mpio_queue_close(); else as it was, but unplugged, and with
 *                  what its group had plugged sent, or ended by -MPIO_ETIMEDOUT
 *                  if too many were in flight: devices still have some of the
 *                  bios, and the memory and the pages they are for. The call
 *                  may be made again
 * @param deadline  used inside the call only; callbacks of ended bios run
 *                  inside, too. Not from a callback.
 * @retval 0                everything has ended, and the queue is closed
 * @retval -MPIO_ETIMEDOUT  it is over, and `missing` was told of each bio that
 *                          had not ended
 */
int mpio_queue_close_by(struct mpio_queue *queue,
			const struct mpio_deadline *deadline);

/**
 * Begin to gather bios instead of sending them. Nests.
 *
 * For a stretch of calls, not to sleep under: but for those that wait, nothing
 * need end before the plug is removed (mpio_queue_event_fd()).
 *
 * @param queue  the calling thread's
 */
void mpio_queue_plug(struct mpio_queue *queue);

/**
 * Send what was gathered since the outermost plug, sorted by device offset,
 * neighbours (bios of pages, not those filled by hand) merged within the
 * limits, in one batch. Bios never pass a flush or a fua write; overlapping
 * ones are sent in their order if one of them writes. But what has to wait, for
 * memory to bounce through or for another write of its blocks, is sent when it
 * can be, and may be passed, by reads of what it writes, too; and what the
 * device has to be asked for twice may still end later. In which order a device
 * does what is in flight together is its own affair: between two that overlap,
 * wait for the first or flush. Only for writes one of which cuts a block does
 * the library do so (mpio_bio_submit()).
 * Waiting sends it too, and so does a plug that is full.
 *
 * @param queue  the calling thread's; callbacks of ended bios run inside
 */
void mpio_queue_unplug(struct mpio_queue *queue);

/**
 * End what the device has finished, without waiting.
 *
 * @param queue  the calling thread's; callbacks run inside
 * @return how many bios ended, on all queues of its group, and pages that
 *         needed no I/O and were handed in by the callback that polls; if none,
 *         0 or a negative errno of a device
 */
int mpio_queue_poll(struct mpio_queue *queue);

/**
 * Send what is plugged, then wait until at least one bio has ended.
 *
 * @param queue  the calling thread's; callbacks run inside. When nothing is
 *               in flight on it, the others of its group are waited for.
 * @return how many pages ended that needed no I/O and were handed in by the
 *         callback that waits; if none, how many bios ended; 0: there is
 *         nothing to wait for; or a negative errno of the device
 */
int mpio_queue_wait(struct mpio_queue *queue);

/**
 * Send what is plugged, then wait until nothing is in flight: for ever, if a
 * callback submits again each time.
 *
 * @param queue  the calling thread's; callbacks run inside
 * @return 0, or a negative errno of the device: bios may still be in flight
 */
int mpio_queue_drain(struct mpio_queue *queue);

/**
 * Make durable what was written: drain the group, then flush this queue's own
 * device and wait. Other devices of a group are flushed through their queues.
 *
 * A flush that failed is not tried again: what it should have covered may be
 * lost.
 *
 * @param queue  the calling thread's; callbacks run inside
 * @return 0, or the flush's negative errno, or that of the wait before it
 * @retval -MPIO_ENOMEM  no bio is free: all are held, and none of them is in
 *                       flight. Nothing was flushed
 */
int mpio_queue_flush(struct mpio_queue *queue);

/**
 * Give a descriptor for the user's own event loop.
 *
 * It tells of this queue alone, though mpio_queue_poll() ends what its whole
 * group has done: watch each queue of a group. A loop may look like this:
 *
 *     epoll_ctl(epoll, EPOLL_CTL_ADD, mpio_queue_event_fd(queue), &event);
 *     while (mpio_queue_stats(queue)->in_flight != 0) {
 *             epoll_wait(epoll, &event, 1, -1);
 *             mpio_queue_poll(queue);
 *     }
 *
 * Where there is none (-1: a simulated disk, say, or one with rules) such a
 * loop would sleep for ever: it calls mpio_queue_poll() by a timer, or
 * mpio_queue_wait().
 *
 * Not under a plug: remove it before sleeping. What is plugged is not on the
 * device, and a flush or a fua write, though sent, and then `in_flight`, may be
 * begun by it only at mpio_queue_unplug() or the next mpio_queue_poll(); until
 * then the descriptor is silent about them.
 *
 * @param queue  the calling thread's
 * @return a descriptor that is readable while mpio_queue_poll() would end
 *         something, and may be once for nothing, until that is called; it
 *         stays the queue's: watch it, and neither read it nor close it. -1:
 *         the device has none
 */
int mpio_queue_event_fd(struct mpio_queue *queue);

/**
 * Announce memory that pages or bios of this queue will often lie in, so that
 * a device can prepare it once (pin it, map it for the adapter) and not for
 * every I/O. A device that cannot, or may not lock so much, works as if nothing
 * had been said, and `memory_refused` of the statistics counts it, unless a
 * filter is between.
 *
 * @param queue   the calling thread's
 * @param base    of the memory; stays the caller's, and must stay as it is
 *                until the queue is closed
 * @param length  bytes
 * @return 0, or
 * @retval -MPIO_EINVAL  no memory, or it wraps around
 */
int mpio_queue_register_memory(struct mpio_queue *queue, void *base,
			       size_t length);

/**
 * Tell what was counted.
 *
 * @param queue  any
 * @return the counters; they change with each call on the queue
 */
const struct mpio_stats *mpio_queue_stats(const struct mpio_queue *queue);

/**
 * Tell which device a queue leads to.
 *
 * @param queue  any
 * @return the device
 */
struct mpio_device *mpio_queue_device(const struct mpio_queue *queue);

/**
 * Tell the limits that bios of this queue keep.
 *
 * @param queue  any
 * @return the device's limits and the configuration's, whichever is less
 */
const struct mpio_plan_limits *
mpio_queue_limits(const struct mpio_queue *queue);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * File: read and write bytes of a cached file. Optional; built on the cache.
 *
 * A struct mpio_file is an open handle: any number of them lead to one file in
 * the cache. Each remembers who reads where, so that it can read ahead, and
 * which errors of writing back it has been told.
 *
 *     struct mpio_cache_mapping cached = {.mapping = {...}};
 *     struct mpio_file file;
 *
 *     mpio_cache_attach(cache, &cached);
 *     mpio_file_open(&file, &cached, queue, NULL);
 *     n = mpio_file_read(&file, buffer, sizeof(buffer), pos);
 *     n = mpio_file_write(&file, bytes, length, pos);
 *     error = mpio_file_sync(&file);
 *     mpio_file_close(&file);
 *
 * Threads: a handle is used by one thread at a time, which is that of its
 * queue. Threads that share a cache with lock hooks open handles of their own.
 * A handle that the engine's callbacks use has the queue of the call they are
 * in: see mpio/cache.h. If that call is a read by the same handle, those of the
 * callbacks find their bytes, but are part of no pattern.
 * Reads and writes of one range by several threads at once are not kept apart:
 * each page is changed by one at a time, but a read may find some bytes of a
 * write, and not yet the others. Moving the end while others read or write
 * behind it is the same. Nor is there a write at 'the end, wherever it is': who
 * appends from several threads keeps them apart.
 *
 * What was read ahead is still in flight when a read returns, and ends when its
 * queue is polled or waited for. Until then other threads may have to wait for
 * those pages. So a thread that has read, and now sleeps or does something else
 * for long, calls mpio_queue_poll() from time to time, or mpio_queue_drain()
 * before it sleeps; and so it does before a handle gets another queue, or
 * another thread detaches the file.
 *
 * Writing copies into the cache, and costs an I/O only when too much is dirty:
 * `limit_percent` of the cache bounds that. Who does not want writers to pay
 * calls mpio_cache_work() in a thread with a queue of its own, until it returns
 * 0, whenever something was written; it begins at `background_percent`.
 *
 * A sync costs the writes of what is dirty, and a flush, which may well take
 * longer; nothing joins the flushes of several handles. Who syncs many files at
 * once gives them a `flush` that does nothing, and flushes once when all are
 * written. Where the file ends is the engine's to keep: its `flush` finds it by
 * mpio_file_size().
 *
 * Bytes can be had without a copy, too: mpio_cache_get() and
 * mpio_cache_write_begin() give the same pages, and may be mixed with this.
 * Ranges that lie scattered are best read ahead by MPIO_ADVICE_WILLNEED for
 * each, in order, between mpio_queue_plug() and mpio_queue_unplug().
 *
 * Reading ahead. A read that goes on where one of the last few ended, or at
 * most four pages behind that within what was read ahead (each such sequence is
 * a reader; a handle knows MPIO_FILE_READERS of them), goes back likewise, or
 * keeps its distance from the last two, is part of a pattern. From a reader's
 * third read on, and at once at the beginning of the file, what comes next is
 * read ahead: a window that doubles each time the reader comes to where the
 * last one began. One that has to wait for what was read ahead of it gets
 * windows earlier: up to eight of the largest are then on their way. One whose
 * reads are larger than windows gets as many of them as a read has. What lies
 * ahead of a reader, but for a window, is an eighth of the cache at most; less,
 * if much lies ahead of others in the same cache, whatever handle they are of:
 * all readers come to equal shares of what a cache keeps of it. A ledger of
 * what was read ahead and of what was then wanted, and still there, keeps the
 * share that was in vain below a quarter. Besides, once, a handle may read as
 * much in vain as the largest windows need to get going, 400 KiB by default;
 * and a sequence that goes on for long, which is 4 MiB at most, gets one more
 * of the smallest windows in any case, and others while those are not in vain.
 *
 * Where a reader's read and its next one lie in one page, since they are small
 * or overlap, that is one use of it; so a scan, whichever way it goes, drives
 * out none that others use over and over. (But where one of small reads that
 * goes backwards begins, nobody knows that yet: this one page is used twice.)
 */
#ifndef MPIO_FILE_H
#define MPIO_FILE_H

#include <mpio/cache.h>
#include <mpio/errseq.h>
#include <mpio/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How many sequences of reads a handle can tell from each other. */
#define MPIO_FILE_READERS 8u

struct mpio_file;

/** How a handle is to be. All zero is a good configuration. */
struct mpio_file_config {
	uint32_t readahead_min; /* bytes, of the first window; 0: 32 KiB */
	uint32_t readahead_max; /* bytes, of the largest; 0: 256 KiB; clamped
				 * to the queue's largest bio and an eighth of
				 * the cache. Rounded up to pages, both. */
	uint32_t straight_min;  /* bytes; a read of so many and more that finds
				 * none of its pages cached goes straight to the
				 * caller's memory and leaves none; 0: half of
				 * the cache. UINT32_MAX: never. The `page` that
				 * get_block is shown is then a piece of that
				 * memory, of up to 1 MiB, and not the cache's.
				 */
	/*
	 * Make durable what was written back: called by sync after the data
	 * are on the device, with nothing held. NULL: mpio_queue_flush() of
	 * the handle's queue. The engine's may write its metadata, and flush
	 * every device that its blocks lie on. A negative errno is told to
	 * every handle of the file; if more is to be done after it, let it be
	 * known at once, by mpio_cache_errors_set(), or a sync of another
	 * handle may end well meanwhile.
	 */
	int (*flush)(struct mpio_file *file);
	void *host; /* the engine's, for `flush` */
};

/** What a handle has read ahead. */
struct mpio_file_stats {
	uint64_t ahead;    /* bytes that were read ahead, or were there; twice
			   * if the cache needed their frames meanwhile */
	uint64_t wanted;   /* of them, that the reader came to, and found; but
			    * once */
	uint64_t windows;  /* how often some were */
	uint64_t straight; /* bytes read straight into the caller's memory */
};

/*
 * A sequence of reads; the library's. Places are counted downwards (~pos) for
 * one that goes backwards, so that all of them go up.
 */
struct mpio_file_reader {
	uint64_t pos;    /* where the last read began, */
	uint64_t end;    /* and where the next is expected */
	uint64_t stride; /* between beginnings; 0: one follows the other */
	uint64_t guess;  /* the same, if the next read is as far from the first
			  * as that was from one before; modulo 2^64 */
	uint64_t back;   /* of a first read: one that begins before it and ends
			  * here or behind makes it go backwards */
	uint64_t length; /* bytes of the last read */
	uint64_t ahead;  /* up to here was read ahead, */
	uint64_t wanted; /* and from here on nobody came for it yet */
	uint64_t mark;   /* who comes past it starts the next window */
	uint64_t share;  /* bytes of the cache's that may lie ahead of it */
	uint64_t run;    /* bytes since the sequence began */
	uint64_t early;  /* of the pages that the last read came to, bytes that
			  * had been read ahead, */
	uint64_t fresh;  /* and the others */
	uint64_t again;  /* the last read used none anew of the pages from here
			  * on, */
	uint64_t again_end; /* up to here */
	uint32_t window;    /* bytes, of the last one */
	uint32_t depth;     /* so many windows are to be on their way */
	uint32_t reads;     /* of the sequence, up to 3; 0: nobody reads here */
	uint32_t used;      /* when; by the handle's count of reads */
	bool backward;
};

/* I/Os of a read that goes straight to the caller's memory; the library's. */
#define MPIO_FILE_STRAIGHT 4u

struct mpio_file_straight {
	struct mpio_mapping mapping; /* first; what the core is shown */
	struct mpio_mapping_ops ops;
	struct mpio_cache_mapping *file;
	struct mpio_cache_watch watch;
	struct mpio_page pages[MPIO_FILE_STRAIGHT]; /* pieces of the caller's */
	bool busy[MPIO_FILE_STRAIGHT];
	uint32_t pending;
	uint64_t good; /* bytes before it are all right */
	int error;     /* of the piece there */
};

/* Where a reader's next read is expected to begin, or, of one that goes
 * backwards, to end; the library's. Apart, since every read asks all. */
struct mpio_file_place {
	uint64_t from;
	uint32_t room; /* or so many bytes behind that */
	bool backward;
};

/** An open handle. All of it is the library's; `flush` may read
 * `config.host`. */
struct mpio_file {
	struct mpio_cache_mapping *mapping;
	struct mpio_queue *queue;
	struct mpio_file_config config; /* as it came out */
	struct mpio_errseq since;       /* errors up to here were told */
	struct mpio_file_stats stats;
	struct mpio_file_place places[MPIO_FILE_READERS];
	struct mpio_file_reader readers[MPIO_FILE_READERS];
	struct mpio_file_straight straight;
	uint64_t share_min; /* bytes that may lie ahead of a reader */
	uint64_t share_max;
	uint32_t page_size;
	uint32_t page_shift;
	uint64_t ledger_ahead;  /* as in the statistics, but for what lies */
	uint64_t ledger_wanted; /* long back */
	uint64_t last;          /* where the last read began that went on from
				 * nowhere */
	uint32_t reads;         /* so many began */
	uint32_t advice;        /* MPIO_ADVICE_* that lasts */
	bool once;              /* MPIO_ADVICE_NOREUSE */
	bool has_last;
	bool reading; /* inside a read by it, perhaps in a callback */
};

/** What mpio_file_advise() may be told. */
enum mpio_advice {
	MPIO_ADVICE_NORMAL,     /* forget the three that last */
	MPIO_ADVICE_SEQUENTIAL, /* lasts: windows of twice the size, from the
				 * first read on, whatever the ledger says */
	MPIO_ADVICE_RANDOM,     /* lasts: nothing is read ahead */
	MPIO_ADVICE_NOREUSE,    /* lasts: pages that were read to their end by
				 * this handle, or to their beginning by reads
				 * that go backwards, are forgotten; reads of
				 * two of the queue's largest bios (each of
				 * 1 MiB at most), with RANDOM of 64 KiB, or
				 * more may go straight */
	MPIO_ADVICE_WILLNEED,   /* begin to read the range now */
	MPIO_ADVICE_DONTNEED    /* write the range back, and forget its pages:
				 * those that lie in it whole */
};

/* ---- Handles ------------------------------------------------------------ */

/**
 * Open a handle.
 *
 * @param[out] file  the caller's memory; must not move while it is open
 * @param mapping  attached to a cache; stays so until the handle is closed
 * @param queue    the thread's that uses the handle; stays open as long. It
 *                 leads to the device that those blocks lie on for which
 *                 get_block names no queue: see mpio/cache.h
 * @param config   copied; NULL: all zero
 * @return 0, or
 * @retval -MPIO_EINVAL  readahead_min is more than readahead_max; `mapping` is
 *                       attached to no cache
 */
int mpio_file_open(struct mpio_file *file, struct mpio_cache_mapping *mapping,
		   struct mpio_queue *queue,
		   const struct mpio_file_config *config);

/**
 * Close a handle. Writes nothing back and tells no error: sync first. What it
 * has read ahead may still be in flight on its queue.
 *
 * @param file  open; the caller's memory again
 */
void mpio_file_close(struct mpio_file *file);

/**
 * Have another queue, and with it another thread, use a handle.
 *
 * @param file   any; nothing of it is going on, and what was read ahead has
 *               ended: see mpio_queue_drain()
 * @param queue  from now on
 */
void mpio_file_set_queue(struct mpio_file *file, struct mpio_queue *queue);

/* ---- Bytes -------------------------------------------------------------- */

/**
 * Read bytes. Holes read as zeros.
 *
 * @param file    any
 * @param[out] buffer  the caller's; any alignment
 * @param length  bytes wanted
 * @param pos     bytes; where
 * @return how many were read: fewer at the end of file, or before an error
 *         that a read from there will tell; or
 * @retval -MPIO_ENOMEM  every page is pinned or cannot be written back
 * @retval -MPIO_EIO     the device failed, and other errors of reading
 * @retval other         as mpio_cache_wait(). If the device could not say over
 *                       and over what has ended, and the read went straight,
 *                       `buffer` and the handle are in its hands until the
 *                       queue is drained or closed.
 */
int64_t mpio_file_read(struct mpio_file *file, void *buffer, size_t length,
		       uint64_t pos);

/**
 * Write bytes into the cache. Behind the end of file it grows; what is then
 * between the old end and `pos` reads as zeros, unless `get_block` names blocks
 * there.
 *
 * @param file    any
 * @param bytes   the caller's; any alignment
 * @param length  how many
 * @param pos     bytes; where
 * @return how many were written: fewer before an error that a write from there
 *         will tell; or
 * @retval -MPIO_EFBIG  no byte may be written there: positions end
 * @retval other        as mpio_cache_write_begin()
 */
int64_t mpio_file_write(struct mpio_file *file, const void *bytes,
			size_t length, uint64_t pos);

/**
 * Make durable all that was written before by any handle: write it back, wait,
 * and flush the device. After 0 the bytes are on the device.
 *
 * @param file  any
 * @return 0, or the first error of it, or one of writing back that happened
 *         since this handle was opened or last told (or before it was opened,
 *         if nobody has been told). Each is told once to each handle. Pages
 *         that could not be written are still dirty, and the next sync tries
 *         them again. -MPIO_ENOMEM and -MPIO_EDEADLK of a callback that uses
 *         the cache: see mpio_cache_sync()
 */
int mpio_file_sync(struct mpio_file *file);

/**
 * The same for the pages that a range lies in.
 *
 * @param file   any
 * @param start  bytes
 * @param end    bytes, exclusive; 0: to the end of file
 * @return as mpio_file_sync(); -MPIO_EINVAL: `end` lies before `start`
 */
int mpio_file_sync_range(struct mpio_file *file, uint64_t start, uint64_t end);

/**
 * Tell the handle what it has not been told yet, as a sync would, but write
 * nothing, wait for nothing and flush nothing: to know whether writing back in
 * the background went well, or to begin anew when it is known that it did not.
 *
 * @param file  any
 * @return 0, or the newest error since it was opened or last told
 */
int mpio_file_error(struct mpio_file *file);

/**
 * Move the end of file: see mpio_cache_resize().
 *
 * @param file  any
 * @param size  bytes
 * @return as mpio_cache_resize()
 */
int mpio_file_truncate(struct mpio_file *file, uint64_t size);

/**
 * Tell where the file ends.
 *
 * @param file  any
 * @return bytes
 */
uint64_t mpio_file_size(struct mpio_file *file);

/* ---- Looking ahead ------------------------------------------------------ */

/**
 * Say how bytes will be used, or no longer.
 *
 * What lasts is for the whole handle, whatever the range; NOREUSE may come with
 * one of the others.
 *
 * @param file    any
 * @param start   bytes
 * @param end     bytes, exclusive; 0: to the end of file
 * @param advice  any
 * @return 0, or
 * @retval -MPIO_EINVAL  no such advice, or `end` lies before `start`
 * @retval -MPIO_EBUSY   DONTNEED: some pages are in use, and stay
 * @retval other         DONTNEED: of writing back; the handle's next sync tells
 *                       it, too
 */
int mpio_file_advise(struct mpio_file *file, uint64_t start, uint64_t end,
		     enum mpio_advice advice);

/**
 * Tell what was counted.
 *
 * @param file  any
 * @return the counters
 */
struct mpio_file_stats mpio_file_stats(const struct mpio_file *file);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Cache: pages of many files in fixed memory. Optional; built on the public
 * functions of the core.
 *
 * The cache owns page frames, knows which page of which file lies in which
 * frame, reads what is missing, keeps what was written until it is written
 * back, and decides which page makes room for the next one.
 *
 *     mpio_cache_open(&config, &cache);
 *     file.mapping = (struct mpio_mapping){
 *             .ops = &ops, .host = inode, .size = size, .block_size = 4096};
 *     mpio_cache_attach(cache, &file);
 *     mpio_cache_get(&file, queue, pos, &page);        read
 *     memcpy(buffer, page->data, page->size);
 *     mpio_cache_put(page);
 *     mpio_cache_write_begin(&file, queue, pos, n, &page);
 *     memcpy((char *)page->data + (pos - page->pos), bytes, n);
 *     mpio_cache_write_end(page, pos, n);              write
 *     mpio_cache_sync(&file, queue, &since);
 *     mpio_cache_detach(&file, queue);
 *
 * Of a struct mpio_page that the cache hands out, `pos`, `size` and `data` are
 * the user's to read; all else belongs to the cache and the I/O going on.
 *
 * Threads: without lock hooks a cache, its files and its pages are used by one
 * thread. With them many threads may share all of it, each with a queue of its
 * own, and the cache holds its lock over no device call and no callback, so
 * that the engine's callbacks may be called in several threads at once
 * (`get_block` for reads; those for writes once a file). A thread that has
 * reads in flight must go on polling its queue: others may wait for them.
 *
 * A callback of the engine that uses the cache
 *
 * - does so with the queue of the call that it is in (`verify` and `reread`: of
 *   that which began to read the page): by it the cache knows the thread, and
 *   does not wait for what that has begun. What `new_blocks`, `boundary` and
 *   `written` are told is the queue of the device, and may be another one of
 *   the group: by that the thread would wait for itself;
 * - gets -MPIO_EDEADLK for a file that its thread walks, or a page that it
 *   reads, fills or writes back, and -MPIO_ENOMEM where others would wait for a
 *   frame;
 * - may fail with these two when a page is written back: it stays dirty, and
 *   only who writes it back is told;
 * - holds no lock over it that `get_block`, `seal` or `written` of any file
 *   take: a call that wants a frame, or makes a page dirty, may write pages of
 *   any file back, of the same one, too, in the same thread.
 *
 * For what callbacks look up to write pages back a cache keeps 16 nodes (an
 * eighth, if it has fewer than 128) and, from 32 frames on, 8 frames: no other
 * call takes such a node, and none makes such a frame dirty. A callback that
 * makes room walks files in turn; a callback of such a walk does not, and gets
 * -MPIO_EDEADLK where it would wait for another thread.
 *
 * `written`, and `verify` and `reread` of what is read ahead, come in whatever
 * call finds the end of the I/O, be it one that a callback for another file has
 * made. An order that the engine keeps to among its files is of no help there:
 * so in the midst of a call that has a page locked, or writes another file
 * back, they get -MPIO_EDEADLK where they would wait for another thread. What
 * `written` fails with that is written again, and a page that is read ahead is
 * read again when somebody wants it.
 *
 * Devices: a block for which get_block names no queue lies on the device of the
 * queue that the call was given. Files of several devices may share a cache,
 * each used with queues to its own device. Dirty pages are also written by
 * mpio_cache_work(), and by calls for other files, to make room or to help.
 * These leave out a file that was last written or synced with a queue to
 * another struct mpio_device: so each device wants a mpio_cache_work() of its
 * own, and where all frames hold dirty pages of others there is -MPIO_ENOMEM.
 * (They pass over all such files, one by one: where thousands are dirty, a
 * cache for each device is quicker.)
 * Not left out is a file whose get_block named a queue when it was last asked
 * where to write; that must be one of the group of whatever queue calls have. A
 * get_block that names queues does so in each answer to MPIO_MAP_CREATE. If it
 * does not, in a call that would have left the file out, nothing is written
 * there, and the error is -MPIO_EUCLEAN.
 *
 * Where a device has larger blocks than a file, two queues that write to one of
 * them at a time lose what one of them wrote (see mpio_bio_submit()). A file is
 * written by one queue after the other, but several are written at a time, each
 * by any queue that the cache is used with. So files that share blocks of the
 * device are not for a cache that threads share.
 *
 * A page is locked by who fills or changes it. A thread that holds a page
 * locked may not call what waits: it may fill it, and release it. Pages are
 * stable while they are written back: who wants to change one waits.
 */
#ifndef MPIO_CACHE_H
#define MPIO_CACHE_H

#include <mpio/allocator.h>
#include <mpio/errseq.h>
#include <mpio/mapping.h>
#include <mpio/page.h>
#include <mpio/queue.h>
#include <mpio/writeback.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_cache;

/** The most blocks in a page: of each the cache knows a state of its own. */
#define MPIO_CACHE_BLOCKS_MAX 64u

/** How threads that share a cache keep out of each other's way. */
struct mpio_cache_lock {
	void (*lock)(void *ctx);   /* a plain mutex */
	void (*unlock)(void *ctx); /* of it */
	/* Give the lock up, sleep until `wake`, and take it again. May return
	 * for nothing. */
	void (*wait)(void *ctx);
	void (*wake)(void *ctx); /* all that wait; the lock is held */
	void *ctx;
};

/**
 * How a cache is to be. All zero is a good configuration, but for the memory:
 * set `allocator`, or `memory` and `memory_size`.
 */
struct mpio_cache_config {
	uint32_t page_size;   /* bytes; power of two, 512 to 1 GiB; 0: 4096 */
	uint32_t frame_count; /* pages in memory at once; 0: 1024; at most
			       * 2^31 */
	uint32_t node_count;  /* nodes of the index, about 300 bytes each, for
			       * 64 neighbouring pages or less; when they run
			       * out, pages are reclaimed until there is one.
			       * 0: 2 * frame_count + 64, about 600 bytes a
			       * frame: enough for pages that lie anywhere;
			       * frame_count / 64 + 64 are, where pages lie in
			       * long rows. Least 16, most 2^26 - 2 */
	/* Most frames that hold pages which were used more than once, so that
	 * those of a scan cannot take their place; in per cent; 0: 75 */
	uint32_t protected_percent;
	/* From so many dirty frames on, in per cent, mpio_cache_work() writes
	 * back; 0: 10 */
	uint32_t background_percent;
	/* From so many on, who writes must help to write back; 0: 40 */
	uint32_t limit_percent;
	/*
	 * Frames: frame_count * page_size bytes, aligned as the devices like
	 * it (see mpio/frames.h), the user's; or NULL: they are part of the
	 * memory below, aligned to 4096 bytes.
	 */
	void *frame_memory;
	const struct mpio_cache_lock *lock; /* copied; NULL: one thread */
	/*
	 * Memory: an allocator, or, if it is set, `memory` of at least
	 * mpio_cache_size() bytes, aligned for any C object, that lives until
	 * the cache is closed.
	 */
	const struct mpio_allocator *allocator;
	void *memory;
	size_t memory_size; /* bytes */
};

struct mpio_cache_mapping;

/** A file's way to the device; the cache's. */
struct mpio_cache_lane {
	struct mpio_mapping mapping; /* what the core is shown */
	struct mpio_cache_mapping *file;
};

/**
 * A file whose pages are cached. The engine embeds it, sets `mapping`, zeroes
 * the rest, and attaches it.
 *
 * `mapping.ops` are the engine's: `get_block` and what else it wants, but for
 * `next_dirty`, `read_end` and `write_end`, which the cache has of its own and
 * does not call. They get `&mapping` of this struct. `mapping.size` is raised
 * by writes behind the end, and else changed by mpio_cache_resize() and
 * mpio_cache_renew() only. The engine's callbacks may read it where one thread
 * uses the cache; where there are more, they ask mpio_cache_end().
 * `mapping.errors` is the sequence that handles of the file keep cursors in.
 * With a `seal` a page is one whole, however many blocks it has: before some of
 * it is written or cut off the rest is read, and then all of it is written
 * back, holes, too.
 */
struct mpio_cache_mapping {
	struct mpio_mapping mapping;

	/* The cache's. */
	struct mpio_cache *cache;
	struct mpio_mapping_ops ops;   /* what the core calls */
	struct mpio_cache_lane reads;  /* never ends: get_block knows where */
	struct mpio_cache_lane writes; /* of who holds the walk */
	struct mpio_writeback_control *walk; /* of the walk going on */
	struct mpio_queue *walker;           /* who walks; NULL: nobody */
	bool in_room; /* ... to make room for a callback */
	int *round;   /* of work that has the walk: its result; or NULL */
	struct mpio_device *device;            /* that it was written to last */
	struct mpio_cache_mapping *walk_next;  /* files that are walked */
	struct mpio_cache_mapping *dirty_next; /* files with dirty pages */
	struct mpio_cache_mapping *dirty_prev;
	uint64_t cut;         /* the first page that is being cut off, or all
			       * bits: none is */
	uint64_t full;        /* a bit for each block of a page */
	uint32_t block_shift; /* block size, as a power of two */
	uint32_t unit;        /* bytes; filled and made dirty as one */
	uint32_t root;        /* of the index */
	uint32_t height;      /* of the index */
	uint32_t pages;       /* in the index */
	uint32_t dirty;       /* of them */
	uint32_t writing;     /* of them */
	uint32_t orphans;     /* dropped, but pinned */
	uint32_t last;        /* frame used last */
	uint32_t put_off;     /* pages that callbacks failed for now */
	int32_t walk_error;   /* first of a page since the walk began */
	struct mpio_cache_watch *watches; /* of reads past the cache */
	bool names_queue; /* the last answer to CREATE named one */
};

/** A range that somebody reads past the cache. All of it is the cache's. */
struct mpio_cache_watch {
	uint64_t start; /* bytes */
	uint64_t end;   /* bytes, exclusive */
	struct mpio_cache_watch *next;
	bool changed;
};

/** What a cache has done and holds. */
struct mpio_cache_stats {
	uint64_t hits;     /* pages that get or find gave at once */
	uint64_t misses;   /* pages that get had to read or wait for; what is
			    * read ahead or written counts as neither */
	uint64_t evicted;  /* pages that made room */
	uint64_t scanned;  /* pages that were looked at, one by one, to make
			    * room: many for each that went, where most are
			    * dirty or pinned */
	uint64_t promoted; /* pages that were used a second time */
	uint64_t runs;     /* groups of neighbouring frames taken whole */
	uint64_t lost;     /* pages that made room though they were read ahead
			    * and nobody had come for them */
	uint64_t helped;   /* writers that had to help to write back */
	uint32_t frames;   /* all there are */
	uint32_t free;     /* frames that hold nothing */
	uint32_t dirty;    /* frames that are to be written back */
	uint32_t writing;  /* frames that a walk has in hand */
	uint32_t ahead;    /* frames that were read ahead (MPIO_READ_AHEAD) and
			    * that nobody came for yet */
	uint32_t kept;     /* so many of those are kept while others can go */
};

/* ---- The cache ---------------------------------------------------------- */

/**
 * Tell how much memory a cache takes.
 *
 * @param config  or NULL for the default
 * @return bytes, with the frames unless `frame_memory` is set; or 0: the
 *         configuration is impossible
 */
size_t mpio_cache_size(const struct mpio_cache_config *config);

/**
 * Open a cache.
 *
 * @param config  read during the call only (the allocator is copied; its `ctx`
 *                is used until close)
 * @param[out] cache  the cache; untouched on failure
 * @return 0, or
 * @retval -MPIO_EINVAL  `config` is NULL; no memory source, `memory` that is
 *                       not aligned, lock hooks that are not complete, or a
 *                       configuration that is impossible
 * @retval -MPIO_ENOMEM  the allocator had none, or `memory` is too small
 */
int mpio_cache_open(const struct mpio_cache_config *config,
		    struct mpio_cache **cache);

/**
 * Close a cache.
 *
 * @param cache  gone after the call; NULL is allowed. All files must have been
 *               detached.
 */
void mpio_cache_close(struct mpio_cache *cache);

/**
 * Tell what was counted.
 *
 * @param cache  any
 * @return the counters as they are now
 */
struct mpio_cache_stats mpio_cache_stats(struct mpio_cache *cache);

/**
 * Tell how large a page is.
 *
 * @param cache  any
 * @return bytes
 */
uint32_t mpio_cache_page_size(const struct mpio_cache *cache);

/* ---- Files -------------------------------------------------------------- */

/**
 * Make a file's pages known to a cache.
 *
 * @param cache  must stay open until the file is detached
 * @param file   `mapping` set, all else zero; must not move
 * @return 0, or
 * @retval -MPIO_EINVAL  it is attached already; no `get_block`; a block size
 *                       that is no power of two, is larger than a page, or
 *                       smaller than a page's MPIO_CACHE_BLOCKS_MAXth part
 */
int mpio_cache_attach(struct mpio_cache *cache,
		      struct mpio_cache_mapping *file);

/**
 * Take a file's pages out of the cache for good.
 *
 * @param file   the engine's again if this succeeds
 * @param queue  the calling thread's, to wait with
 * @return 0, or
 * @retval -MPIO_EINVAL  it is not attached
 * @retval -MPIO_EBUSY   pages are pinned or dirty (see mpio_cache_sync(),
 *                       mpio_cache_drop()): the file is still attached
 * @retval other         as mpio_cache_wait()
 */
int mpio_cache_detach(struct mpio_cache_mapping *file,
		      struct mpio_queue *queue);

/**
 * Tell where a file ends, when other threads may be writing to it.
 *
 * @param file  any
 * @return bytes
 */
uint64_t mpio_cache_end(struct mpio_cache_mapping *file);

/**
 * Move the end of a file.
 *
 * Down: pages behind the new end are dropped, dirty or not, those that are
 * pinned when they are put; what is left of the last block behind the end is
 * zeroed, and written back as zeros later, unless `get_block` says that it is a
 * hole, or UNWRITTEN. Whoever fills, changes or reads pages there is waited
 * for; who comes to lock one meanwhile waits until the end has moved, but for
 * callbacks. The engine may free the blocks behind the end when this has
 * returned. Up: what comes between reads as zeros, unless `get_block` names
 * blocks there.
 *
 * @param file   any
 * @param queue  the calling thread's
 * @param size   bytes
 * @return 0, or
 * @retval -MPIO_EFBIG  the file would end inside the page that ends where 64
 *                      bits do: nothing was changed
 * @retval other        as mpio_cache_write_begin(): the end is where it was
 *                      and no page was dropped, but the rest of the block
 *                      behind `size` may be zeros already. A cut to an end
 *                      between two blocks (pages, if they are sealed), or a
 *                      move up from one, makes no page dirty: then only as
 *                      mpio_cache_wait()
 */
int mpio_cache_resize(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		      uint64_t size);

/**
 * Forget clean pages of a range, so that they are read again.
 *
 * @param file   any
 * @param queue  the calling thread's, to wait with
 * @param start  bytes; pages that end after it
 * @param end    bytes, exclusive; pages that start before it; UINT64_MAX: all
 * @return 0, or
 * @retval -MPIO_EBUSY  some are pinned, dirty or being written: they stay, the
 *                      others are gone
 * @retval other        as mpio_cache_wait()
 */
int mpio_cache_invalidate(struct mpio_cache_mapping *file,
			  struct mpio_queue *queue, uint64_t start,
			  uint64_t end);

/**
 * Forget pages of a range, dirty or not: WHAT WAS WRITTEN TO THEM IS LOST.
 * Waits for walks. Pages that are pinned are gone when they are put.
 *
 * @param file   any, perhaps deleted
 * @param queue  the calling thread's, to wait with
 * @param start  bytes; pages that end after it
 * @param end    bytes, exclusive; pages that start before it; UINT64_MAX: all
 * @return 0, or as mpio_cache_wait()
 */
int mpio_cache_drop(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		    uint64_t start, uint64_t end);

/**
 * Take a file as somebody else has left it: another program has written to it,
 * or made it longer or shorter. Forgets clean pages, as
 * mpio_cache_invalidate(), and takes over where it ends now; unlike
 * mpio_cache_resize() this zeroes nothing, and makes no page dirty. The
 * engine sees to it that nobody else uses the file meanwhile.
 *
 * @param file   any
 * @param queue  the calling thread's, to wait with
 * @param start  bytes; from here on it has changed: 0 if all of it may have,
 *               UINT64_MAX if only the end has moved. Pages that the old and
 *               the new end lie in, or that lie behind them, have changed in
 *               any case.
 * @param size   bytes; where it ends now
 * @return 0, or as mpio_cache_invalidate(), or -MPIO_EFBIG as
 *         mpio_cache_resize(); then the end is where it was
 */
int mpio_cache_renew(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		     uint64_t start, uint64_t size);

/* ---- Pages, to read ----------------------------------------------------- */

/**
 * Give a page with all of its bytes, read if they must be.
 *
 * Bytes behind the end of file are zeros.
 *
 * @param file   any
 * @param queue  the calling thread's
 * @param pos    bytes; any in the page
 * @param[out] page  pinned: it stays where it is until mpio_cache_put(); not
 *                   locked; untouched on failure
 * @return 0, or
 * @retval -MPIO_ENOMEM  every page is pinned or cannot be written back
 * @retval -MPIO_EIO     the device failed, and other errors of reading
 * @retval other         as mpio_cache_wait()
 */
int mpio_cache_get(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		   uint64_t pos, struct mpio_page **page);

/**
 * Give a page if it is there with all of its bytes. Never waits.
 *
 * @param file  any
 * @param pos   bytes; any in the page
 * @param[out] page  pinned; untouched on failure
 * @return 0, or
 * @retval -MPIO_ENOENT  it is not
 */
int mpio_cache_find(struct mpio_cache_mapping *file, uint64_t pos,
		    struct mpio_page **page);

/**
 * The same for who goes on in a page that he used before, as in one that is
 * read in pieces: both are one use, whatever others used between. (A page that
 * is used more than once is not easily driven out.)
 *
 * @param file  any
 * @param pos   bytes; any in the page
 * @param[out] page  pinned; untouched on failure
 * @return as mpio_cache_find()
 */
int mpio_cache_find_again(struct mpio_cache_mapping *file, uint64_t pos,
			  struct mpio_page **page);

/**
 * Begin to read a range past the cache, from where the blocks lie, if no page
 * of it is there, and all of it lies before the end of file.
 *
 * Where blocks lie may change meanwhile, in other threads: one that is
 * allocated, and not written yet, holds what it held before; one that was cut
 * off may be another file's by now. mpio_cache_unwatch() tells.
 *
 * @param file   any
 * @param[out] watch  the caller's memory, until mpio_cache_unwatch()
 * @param start  bytes; pages that end after it
 * @param end    bytes, exclusive; pages that start before it
 * @return whether that is so; if not, nothing is watched
 */
bool mpio_cache_watch(struct mpio_cache_mapping *file,
		      struct mpio_cache_watch *watch, uint64_t start,
		      uint64_t end);

/**
 * End to read past the cache.
 *
 * @param file   any
 * @param watch  of mpio_cache_watch()
 * @return whether what was read is the file's: no block of the range was
 *         written back, cut off or dropped since. If not, read it again
 */
bool mpio_cache_unwatch(struct mpio_cache_mapping *file,
			struct mpio_cache_watch *watch);

/**
 * Pin a page once more.
 *
 * @param page  pinned
 */
void mpio_cache_pin(struct mpio_page *page);

/**
 * Unpin a page.
 *
 * @param page  pinned; not to be looked at any more
 */
void mpio_cache_put(struct mpio_page *page);

/**
 * Begin to read the pages of a row that are missing, into frames that are
 * neighbours as far as there are such. Waits for no page and for no frame.
 * A page that is there in part stays so; one behind the end of file takes a
 * frame, too, for zeros.
 *
 * @param file   any
 * @param queue  the calling thread's; polling it ends the reads
 * @param pos    bytes; any in the first page
 * @param count  pages
 * @param flags  MPIO_READ_* flags, most likely MPIO_READ_AHEAD
 * @return how many of the first pages are there or on their way: fewer if
 *         frames or bios ran out, or the end is being moved down before them;
 *         or a negative errno of the core
 */
int mpio_cache_readahead(struct mpio_cache_mapping *file,
			 struct mpio_queue *queue, uint64_t pos, uint32_t count,
			 uint32_t flags);

/* ---- Pages, to fill and change ------------------------------------------ */

/**
 * Give a page, there or not, locked: nobody else fills, changes or writes it.
 *
 * @param file   any
 * @param queue  the calling thread's; waits for who has the page locked, or
 *               writes it back, or moves the end down before it
 * @param pos    bytes; any in the page
 * @param[out] page  pinned and locked; let it go by mpio_cache_release()
 * @return 0, or as mpio_cache_get(), but for errors of reading
 */
int mpio_cache_grab(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		    uint64_t pos, struct mpio_page **page);

/**
 * Tell whether bytes of a page are known.
 *
 * @param page    pinned
 * @param offset  bytes, in the page
 * @param length  bytes; `offset + length` is at most the page's size
 * @return whether the blocks they lie in are uptodate
 */
bool mpio_cache_is_uptodate(struct mpio_page *page, uint32_t offset,
			    uint32_t length);

/**
 * Read what is missing of the blocks that bytes of a page lie in.
 *
 * @param page    locked by the caller
 * @param queue   the calling thread's; waits for the device
 * @param offset  bytes, in the page
 * @param length  bytes; `offset + length` is at most the page's size
 * @return 0, or a negative errno of reading, or as mpio_cache_wait()
 */
int mpio_cache_fill(struct mpio_page *page, struct mpio_queue *queue,
		    uint32_t offset, uint32_t length);

/**
 * Unlock a page and put it.
 *
 * @param page  locked by the caller
 */
void mpio_cache_release(struct mpio_page *page);

/**
 * Begin to write some bytes of one page.
 *
 * A block that they cover is not read, one that they cover in part is, unless
 * it lies behind the end; with a `seal` that is so of pages. When too many
 * pages are dirty, some of this file are written back first, and if it has
 * only a few, some of another, too. Where all frames but those kept for
 * callbacks are dirty, or about to be, other threads that have begun are
 * waited for.
 *
 * @param file    any
 * @param queue   the calling thread's
 * @param pos     bytes; where they begin
 * @param length  bytes, not 0; all in one page
 * @param[out] page  pinned and locked: to be changed there, and only there,
 *                   and let go by mpio_cache_write_end(); untouched on failure
 * @return 0, or
 * @retval -MPIO_EINVAL  no bytes, more than one page, or the page that ends
 *                       where 64 bits do
 * @retval -MPIO_ENOMEM  as mpio_cache_get(); or all frames are dirty but those
 *                       kept for callbacks, and none can be written back
 * @retval other         as mpio_cache_get()
 */
int mpio_cache_write_begin(struct mpio_cache_mapping *file,
			   struct mpio_queue *queue, uint64_t pos,
			   uint32_t length, struct mpio_page **page);

/**
 * End to write: the bytes are valid and dirty, and part of the file.
 *
 * @param page    of mpio_cache_write_begin(); unlocked and put
 * @param pos     bytes; as there
 * @param length  bytes; as there, or 0 if nothing was changed
 */
void mpio_cache_write_end(struct mpio_page *page, uint64_t pos,
			  uint32_t length);

/**
 * Wait until nobody has a page locked, and nobody writes it back.
 *
 * @param page   pinned
 * @param queue  the calling thread's: what is in flight there ends first;
 *               after that the lock hooks wait for other threads
 * @return 0, or
 * @retval -MPIO_EDEADLK  nothing is in flight, and there are no hooks, or it is
 *                        a callback that waits for what its own thread is at,
 *                        or that runs to make room for another one
 * @retval other          of the device
 */
int mpio_cache_wait(struct mpio_page *page, struct mpio_queue *queue);

/* ---- Write-back --------------------------------------------------------- */

/**
 * Write dirty pages of a file back, as mpio_writepages() does, and wait for
 * what was sent. Walks of one file come one after the other. One that is given
 * up, since the device cannot say what has ended, leaves pages in flight:
 * others wait for them, until the queue that they were sent by is polled.
 *
 * @param file   any
 * @param queue  the calling thread's
 * @param[in,out] wbc  as for mpio_writepages(). With MPIO_SYNC_ALL pages that
 *               are locked are waited for; `since` is a cursor in
 *               `mapping.errors` of the file, or NULL.
 * @par Callbacks
 *   The engine's, with no lock held; pages that are written are locked for
 *   others.
 * @return as mpio_writepages(); with MPIO_SYNC_NONE, too, the first error of
 *         the walk, which leaves the file's sequence as it is
 */
int mpio_cache_writepages(struct mpio_cache_mapping *file,
			  struct mpio_queue *queue,
			  struct mpio_writeback_control *wbc);

/**
 * Write back all that is dirty now, and wait. Written is not durable: flush
 * the queue after it.
 *
 * @param file   any
 * @param queue  the calling thread's
 * @param[in,out] since  the holder's cursor in `mapping.errors`, or NULL
 * @return 0, or the first error of the walk, or one that the holder has not
 *         been told yet, if there is none or it may go well another time;
 *         pages that failed are still dirty. Those that callbacks failed with
 *         -MPIO_ENOMEM or -MPIO_EDEADLK are tried again when others were
 *         written; what is left of that is told here alone, and may go well
 *         another time
 */
int mpio_cache_sync(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		    struct mpio_errseq *since);

/**
 * Do what a background thread would: while too many pages are dirty, write
 * some of each file back, round and round, under one plug, and wait.
 *
 * @param cache  any
 * @param queue  the calling thread's; files of other devices, whose get_block
 *               names no queue, are left out
 * @par Callbacks
 *   The engine's, with no lock held. One that drops or writes back pages of
 *   another file waits for what the round has sent of it, and one that waits
 *   for another thread for what it has sent of all; at the end of an I/O,
 *   where that may be of the very file, the first is told -MPIO_EDEADLK.
 * @return how many pages were written, bounded for a call; 0: there was
 *         nothing to do (by the threshold, for this queue); or the first
 *         error, which the files' error sequences tell, too, unless a callback
 *         failed with -MPIO_ENOMEM or -MPIO_EDEADLK: then a later walk writes
 *         the page
 */
int mpio_cache_work(struct mpio_cache *cache, struct mpio_queue *queue);

/* ---- Errors of writing back --------------------------------------------- */

/*
 * `mapping.errors` of a file may change whenever any thread writes back; these
 * are the functions of mpio/errseq.h with the cache's lock held.
 */

/**
 * Where a new holder starts.
 *
 * @param file  any
 * @return the holder's cursor: see mpio_errseq_sample()
 */
struct mpio_errseq mpio_cache_errors_sample(struct mpio_cache_mapping *file);

/**
 * Tell a holder the error that it has not been told yet.
 *
 * @param file  any
 * @param[in,out] since  the holder's cursor; moved to now
 * @return 0, or the newest error since then
 */
int mpio_cache_errors_check(struct mpio_cache_mapping *file,
			    struct mpio_errseq *since);

/**
 * Record an error for every holder, such as that of a flush.
 *
 * @param file   any
 * @param error  negative errno
 */
void mpio_cache_errors_set(struct mpio_cache_mapping *file, int error);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the cache share:
 *
 *     cache_open.c       open and close
 *     cache.c            files, grabbing and putting pages
 *     cache_wait.c       waiting, and for whom a thread must not
 *     cache_io.c         what the core calls
 *     cache_read.c       reading into pages, ahead, and past the cache
 *     cache_write.c      writing into pages, moving the end, forgetting
 *     cache_index.c      which frame holds a page; dirty tags; ordered walks
 *     cache_reclaim.c    which frame is taken for a new page
 *     cache_writeback.c  which dirty page is written next, by whom, and when
 *     cache_room.c       what is written when room is wanted
 *
 * WHO MAY TOUCH WHAT. The core changes the words of a struct mpio_page without
 * any lock. So what the cache knows of a page stands apart, in the frame, and
 * is read and changed under the cache's lock only. The page itself belongs to
 *
 *     the reader   from begin_read() until read_end          FRAME_READING
 *     the walker   from next_dirty until write_end, or until the walk is over
 *                  if it did not get that far                 FRAME_WRITING
 *     the lock     at any other time
 *
 * A page never has two of them. State goes into the page when it gets an
 * owner and comes back when it loses him; meanwhile nobody else looks at its
 * `flags`, `blocks`, `pending` or `error`. `pos`, `size` and `data` are set
 * when the frame is taken and do not change while it is pinned.
 *
 * So that the core's mapping is not shared either, a file has two: one for
 * reads, which never changes, and one for writes, which belongs to whoever
 * holds the walk (`file->walker`). Who holds it keeps it until all that was
 * sent has ended, so every write of a file ends in that thread; unless its
 * device fails to say what has ended, over and over. The next walker leaves
 * alone what is still in flight then, and waits for it; and errors are noted
 * under the lock, in the file, and not in the mapping that he has by then.
 *
 * ORDER. walk before page lock; who has a page locked waits for the device
 * alone. A callback that makes room walks files that the engine's own order
 * knows nothing of, with pages locked and other walks held; and what ends while
 * a thread waits in the midst of another call is shown to the engine out of
 * that order, too. Inside of either nobody waits for another thread. The
 * cache's lock is innermost, and is given up before anything else is called.
 */
#ifndef MPIO_CACHE_PRIVATE_H
#define MPIO_CACHE_PRIVATE_H

#include <mpio/cache.h>
#include <mpio/error.h>
#include <mpio/read.h>

#include "arith.h"

/* The outside world. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *memory, int byte, size_t size);

#pragma GCC visibility push(hidden)

/* ---- Index -------------------------------------------------------------- */

#define MPIO__FANOUT_BITS 6u
#define MPIO__FANOUT (1u << MPIO__FANOUT_BITS)

/* Tags, and last what is there at all. */
enum mpio__tag {
	MPIO__TAG_DIRTY,
	MPIO__TAG_WRITING,
	MPIO__TAG_TOWRITE,
	MPIO__TAG_ANY,
	MPIO__TAGS
};

/*
 * A node has slots, which are numbers of nodes or, at level 0, of frames; 0 is
 * none. A frame's number counts from 1; a node's is where its slots begin.
 * Bit i of a tag: something below slot i has it.
 */
struct mpio__node {
	uint64_t tags[MPIO__TAGS];
	uint32_t parent; /* 0: it is the root; in the pool, the next free one */
	uint32_t slot;   /* of the parent */
};

/* So many have numbers of 32 bits. */
#define MPIO__NODES_MAX ((UINT32_MAX >> MPIO__FANOUT_BITS) - 1)

struct mpio__pool {
	struct mpio__node *nodes;
	uint32_t *slots; /* of all nodes, and of none, which lead nowhere */
	uint32_t free;   /* the first, or 0 */
	uint32_t free_count;
	uint32_t keep; /* of them, that an insertion leaves */
};

/* A tree; all zero is an empty one. */
struct mpio__index {
	struct mpio__pool *pool;
	uint32_t *root;
	uint32_t *height;
};

/* So many nodes, and slots of one more. */
void mpio__pool_init(struct mpio__pool *pool, struct mpio__node *nodes,
		     uint32_t *slots, uint32_t count);
/* What a node, or none, leads to for a key, at a level. */
static inline size_t mpio__index_step(const uint32_t *slots, size_t number,
				      uint64_t key, uint32_t level)
{
	return slots[number +
		     (key >> MPIO__FANOUT_BITS * level & (MPIO__FANOUT - 1))];
}

/*
 * The number at a key, or 0. An empty tree has height 0 and root 0. Of all that
 * is asked for a page, this is asked most; so trees for 64 GiB and for 1 GiB of
 * small pages are written out.
 */
static inline size_t mpio__index_find(const struct mpio__pool *pool,
				      uint32_t root, uint32_t height,
				      uint64_t key)
{
	const uint32_t *slots = pool->slots;
	const uint32_t bits = MPIO__FANOUT_BITS;
	size_t number = root;

	if (height == 4) {
		if (key >> bits * 3 >= MPIO__FANOUT)
			return 0;
		number = slots[number + (size_t)(key >> bits * 3)];
	} else if (height != 3) {
		if (key >> bits * height != 0)
			return 0;
		while (height != 0)
			number = mpio__index_step(slots, number, key, --height);
		return number;
	} else if (key >> bits * 3 != 0) {
		return 0;
	}
	number = mpio__index_step(slots, number, key, 2);
	number = mpio__index_step(slots, number, key, 1);
	return mpio__index_step(slots, number, key, 0);
}

/* 0; -MPIO_ENOMEM: too few nodes; nothing was changed. The key is new. */
int mpio__index_insert(struct mpio__index index, uint64_t key, uint32_t value);
/* The key is there. Its tags go, too. */
void mpio__index_remove(struct mpio__index index, uint64_t key);
void mpio__index_tag(struct mpio__index index, uint64_t key, enum mpio__tag tag,
		     bool on);
/* The first number with a tag at *key or after it; *key is moved there. */
uint32_t mpio__index_next(struct mpio__index index, uint64_t *key,
			  enum mpio__tag tag);
/* In [first, last], what has one tag gets another, too. */
void mpio__index_copy_tag(struct mpio__index index, uint64_t first,
			  uint64_t last, enum mpio__tag from,
			  enum mpio__tag to);

/* ---- Frames ------------------------------------------------------------- */

/* somebody fills or changes it */
#define MPIO__FRAME_LOCKED (1u << 0)
/* the core reads it */
#define MPIO__FRAME_READING (1u << 1)
/* the end of reading unlocks it: nobody waits for it */
#define MPIO__FRAME_AHEAD (1u << 2)
/* a walk has it */
#define MPIO__FRAME_WRITING (1u << 3)
/* used once; in the protected list, used lately */
#define MPIO__FRAME_USED (1u << 4)
/* used twice: to be protected when its turn to go comes */
#define MPIO__FRAME_HOT (1u << 5)
/* in the protected list */
#define MPIO__FRAME_PROTECTED (1u << 6)
/* no longer in the index; free when it is put */
#define MPIO__FRAME_ORPHAN (1u << 7)
/* uptodate as a whole, used and hot: a hit has nothing to look at or to note */
#define MPIO__FRAME_PLAIN (1u << 8)
/* could not go when its turn came, and stands in neither list since */
#define MPIO__FRAME_ASIDE (1u << 9)
/* was read ahead, and nobody came for it yet */
#define MPIO__FRAME_EARLY (1u << 10)
/* a callback found no room to write it back, or somebody in the way */
#define MPIO__FRAME_PUT_OFF (1u << 11)
/* locked, and clean, but counted as if it were dirty */
#define MPIO__FRAME_PROMISED (1u << 12)
/* so many of its turns to go may still pass: a count, above all states */
#define MPIO__FRAME_TURN (1u << 13)
#define MPIO__FRAME_STATES (MPIO__FRAME_TURN - 1)

#define MPIO__FRAME_BUSY (MPIO__FRAME_LOCKED | MPIO__FRAME_WRITING)

/*
 * A hit looks at one cache line, the first: it ends with what of the page is
 * the user's to read. What the core and the end of an I/O need is in the
 * second. (Where pointers are shorter, more is in the first.)
 */
#define MPIO__LINE 64u

struct mpio__frame {
	/* NULL: the frame is free */
	_Alignas(MPIO__LINE) struct mpio_cache_mapping *file;
	uint64_t uptodate; /* a bit a block */
	uint64_t dirty;    /* a bit a block */
	uint32_t state;    /* MPIO__FRAME_* */
	uint32_t pins;
	struct mpio_page page;
	uint64_t moving;  /* blocks that the I/O is for */
	uint64_t bits[2]; /* the page's, while it has an owner */
};

/* What is known of a frame beside it: a hit has no need of it. */
struct mpio__beside {
	uint32_t prev; /* neighbours in the list; from 1 on */
	uint32_t next;
	uint32_t keep; /* bytes that are the file's, when it began to be read */
	struct mpio_queue *owner; /* while it is busy: who has it so */
};

struct mpio__list {
	uint32_t head; /* used last */
	uint32_t tail;
	uint32_t count;
};

/* Neighbouring frames, 64 KiB of them where a page is not larger. */
struct mpio__group {
	uint64_t free; /* a bit a frame */
	uint32_t prev; /* in a list; groups from 1 on */
	uint32_t next;
	uint64_t taken; /* when one of them was taken last */
};

/*
 * What a thread is in while callbacks run that it must not sleep in for itself:
 * handing a page over to be read, waiting for it, asking what lies there, or
 * showing one whose I/O has ended. On the stack.
 */
struct mpio__handing {
	struct mpio_queue *queue;
	const struct mpio_cache_mapping
		*file; /* whose page is shown, or NULL */
	bool alone;    /* nor for another thread */
	struct mpio__handing *next;
};

struct mpio_cache {
	struct mpio_cache_lock lock;     /* lock.lock NULL: no hooks */
	struct mpio_allocator allocator; /* resize is NULL: memory was given */
	size_t memory_size;

	struct mpio__pool pool;
	struct mpio__frame *frames;  /* [0] is none: it has no state */
	struct mpio__beside *beside; /* of each frame */
	struct mpio__group *groups;
	uint32_t page_shift;
	uint32_t frame_count;
	uint32_t group_shift; /* frames of a group, as a power of two */
	uint32_t group_count;

	struct mpio__list probation;
	struct mpio__list protect;
	struct mpio__list aside;
	struct mpio__list whole;   /* groups of which all is free */
	struct mpio__list partial; /* ... and some is */
	bool stuck;                /* no page can go, until one is let go */
	uint64_t taken;            /* frames, ever */
	uint32_t protected_max;
	uint32_t kept_max;   /* frames that were read ahead, at most */
	uint32_t background; /* dirty frames */
	uint32_t limit;
	uint32_t dirty_max; /* the others are left to write-back */
	uint32_t promised;  /* frames, to writers that have begun */

	uint32_t reading; /* frames */
	uint32_t waiters; /* threads inside mpio__cache_wait_event() */
	uint32_t careful; /* reasons that a put is more than a decrement */
	uint64_t events;  /* counted while somebody waits */
	uint64_t cleaned; /* frames that were written */
	struct mpio_cache_mapping *dirty_files; /* a ring */
	uint32_t dirty_count;                   /* of files in it */
	struct mpio_cache_mapping *walks;       /* files somebody walks */
	struct mpio__handing *handings;         /* calls going on */
	struct mpio_cache_stats stats;
};

static inline void mpio__cache_lock(struct mpio_cache *cache)
{
	if (cache->lock.lock != NULL)
		cache->lock.lock(cache->lock.ctx);
}

static inline void mpio__cache_unlock(struct mpio_cache *cache)
{
	if (cache->lock.lock != NULL)
		cache->lock.unlock(cache->lock.ctx);
}

/*
 * Something happened that somebody may wait for. Where nobody does, nothing is
 * written: a store to a place that is known late holds up all that follow.
 */
static inline void mpio__cache_wake(struct mpio_cache *cache)
{
	if (cache->waiters == 0)
		return;
	cache->events++;
	if (cache->lock.wake != NULL)
		cache->lock.wake(cache->lock.ctx);
}

/*
 * A reason to be careful more, or less: one that waits, or a page that was
 * dropped. Lock hooks are a reason that stays, and then nothing is counted: a
 * put reads the number without the lock.
 */
static inline void mpio__cache_careful(struct mpio_cache *cache, bool more)
{
	if (cache->lock.lock != NULL)
		return;
	if (more)
		cache->careful++;
	else
		cache->careful--;
}

static inline struct mpio__frame *mpio__frame_of(struct mpio_page *page)
{
	return (void *)((unsigned char *)page -
			offsetof(struct mpio__frame, page));
}

static inline struct mpio__frame *mpio__frame_at(struct mpio_cache *cache,
						 size_t number)
{
	return &cache->frames[number];
}

static inline uint32_t mpio__frame_number(const struct mpio_cache *cache,
					  const struct mpio__frame *frame)
{
	return (uint32_t)(frame - cache->frames);
}

static inline struct mpio__beside *mpio__beside_at(struct mpio_cache *cache,
						   uint32_t number)
{
	return &cache->beside[number - 1];
}

static inline struct mpio__beside *
mpio__beside_of(const struct mpio__frame *frame)
{
	struct mpio_cache *cache = frame->file->cache;

	return mpio__beside_at(cache, mpio__frame_number(cache, frame));
}

static inline uint64_t mpio__frame_key(const struct mpio_cache *cache,
				       const struct mpio__frame *frame)
{
	return frame->page.pos >> cache->page_shift;
}

static inline struct mpio__index
mpio__file_index(struct mpio_cache_mapping *file)
{
	return (struct mpio__index){&file->cache->pool, &file->root,
				    &file->height};
}

/* Whose lane the core was shown. */
static inline struct mpio_cache_mapping *
mpio__file_of(struct mpio_mapping *mapping)
{
	return ((struct mpio_cache_lane *)mapping)->file;
}

/* Blocks [first, end) of a page. */
static inline uint64_t mpio__blocks_mask(uint32_t first, uint32_t end)
{
	uint64_t below = end < 64 ? ((uint64_t)1 << end) - 1 : UINT64_MAX;

	return first < 64 ? below & ~(((uint64_t)1 << first) - 1) : 0;
}

/* Blocks that bytes of a page lie in. */
static inline uint64_t mpio__bytes_mask(const struct mpio_cache_mapping *file,
					uint32_t offset, uint32_t length)
{
	uint64_t end = (uint64_t)offset + length;

	return mpio__blocks_mask(
		offset >> file->block_shift,
		(uint32_t)mpio__bytes_to_blocks_up(end, file->block_shift));
}

/* Of a callback: what it was told by the cache, and may not be next time. */
static inline bool mpio__is_passing(int error)
{
	return error == -MPIO_ENOMEM || error == -MPIO_EDEADLK;
}

/* The frame of a page, or 0. */
static inline uint32_t mpio__file_find(const struct mpio_cache_mapping *file,
				       uint64_t key)
{
	return (uint32_t)mpio__index_find(&file->cache->pool, file->root,
					  file->height, key);
}

/* cache.c; the lock is held before and after, as in all of these. */

/* Take a frame out of the index; it is free when it is not pinned. */
void mpio__frame_forget(struct mpio__frame *frame);
/* Change which blocks are dirty, and all that counts them. */
void mpio__frame_set_dirty(struct mpio__frame *frame, uint64_t dirty);
/* One user less, or the lock. */
void mpio__frame_put(struct mpio__frame *frame);
void mpio__frame_unlock(struct mpio__frame *frame);
/* Give a page a frame, locked and with no pin: 0 or -MPIO_ENOMEM. */
int mpio__frame_enter(struct mpio_cache_mapping *file, uint64_t key,
		      uint32_t number);

/* cache_wait.c; what waits gives the lock up meanwhile. */

/* A thread is inside of something from here on, and until there. */
void mpio__handing_begin(struct mpio_cache *cache,
			 struct mpio__handing *handing,
			 struct mpio_queue *queue);
void mpio__handing_end(struct mpio_cache *cache,
		       const struct mpio__handing *handing);
/* Whether a queue's thread is inside of what stands in the list of those. */
bool mpio__is_handing(const struct mpio_cache *cache,
		      const struct mpio_queue *queue);
/* The same, or inside a walk: it is in a callback of the cache's. */
bool mpio__is_nested(const struct mpio_cache *cache,
		     const struct mpio_queue *queue);
/* Or inside one of another file than this, which is no round's. */
bool mpio__is_beyond(const struct mpio_cache_mapping *file,
		     const struct mpio_queue *queue);
/* Whether it is in a walk that a callback of its began, to make room. */
bool mpio__is_in_room(const struct mpio_cache *cache,
		      const struct mpio_queue *queue);
/* Whether it may wait for another thread. */
bool mpio__may_wait(const struct mpio_cache *cache,
		    const struct mpio_queue *queue);
/* Until something of the thread's own has ended: how many, as of a wait. */
int mpio__cache_wait_queue(struct mpio_cache *cache, struct mpio_queue *queue);
/* Until something has happened. */
int mpio__cache_wait_event(struct mpio_cache *cache, struct mpio_queue *queue);
/* Until another thread has got on, which may wait for a round of this one's. */
int mpio__cache_wait_other(struct mpio_cache *cache, struct mpio_queue *queue);
/*
 * Until a pinned frame has none of these states; -MPIO_EDEADLK: the thread is
 * in a callback, and has begun itself what it would wait for.
 */
int mpio__frame_wait(struct mpio__frame *frame, struct mpio_queue *queue,
		     uint32_t states);
/* The same for one that is not pinned. */
int mpio__frame_await(struct mpio__frame *frame, struct mpio_queue *queue,
		      uint32_t states);
/* Until nobody cuts off a page that a thread wants to lock. */
int mpio__cut_wait(const struct mpio_cache_mapping *file,
		   struct mpio_queue *queue, uint64_t key);

/* cache_io.c */

void mpio__cache_ops_init(struct mpio_cache_mapping *file);

/* cache_read.c */

/* The core is done with a page. */
void mpio__read_ended(struct mpio__frame *frame, int status);
/* Blocks of a range find another place, or lose theirs. */
void mpio__cache_change(struct mpio_cache_mapping *file, uint64_t start,
			uint64_t end);

/*
 * Whether a block of a page that the thread has locked is clean, and reads as
 * zeros because nothing was ever written there.
 */
bool mpio__cache_is_hole(struct mpio__frame *frame, struct mpio_queue *queue,
			 uint32_t offset);

/* cache_reclaim.c */

void mpio__reclaim_init(struct mpio_cache *cache);
/* Take a frame that is free, or make one so; 0: there is none. */
uint32_t mpio__cache_take(struct mpio_cache *cache);
/*
 * Up to `wanted` frames that are neighbours, the first of which is returned;
 * *count says how many. Best behind `before` (a frame, or 0).
 */
uint32_t mpio__cache_take_run(struct mpio_cache *cache, uint32_t before,
			      uint32_t wanted, uint32_t *count);
/* A frame that was taken is free again. */
void mpio__cache_give(struct mpio_cache *cache, uint32_t number);
/* Make one clean page go; false: there is none. */
bool mpio__cache_evict(struct mpio_cache *cache);
/* A page was put, read, written or cut: where none could go, it may. */
void mpio__reclaim_let_go(struct mpio__frame *frame);
/* A frame got a page, lost it, or was used; `again`: as part of one use. */
void mpio__reclaim_add(struct mpio_cache *cache, struct mpio__frame *frame);
void mpio__reclaim_remove(struct mpio_cache *cache, struct mpio__frame *frame);
void mpio__reclaim_use(struct mpio__frame *frame, bool again);
/* It was read ahead, and is kept till somebody comes; or is that no longer. */
void mpio__reclaim_keep(struct mpio_cache *cache, struct mpio__frame *frame);
void mpio__reclaim_keep_no_more(struct mpio_cache *cache,
				struct mpio__frame *frame);
/* So many of those frames are kept. */
uint32_t mpio__reclaim_kept_max(const struct mpio_cache *cache);

/* cache_writeback.c */

/* Get the walk of a file, waiting for who has it; the lock is held. */
int mpio__walk_take(struct mpio_cache_mapping *file, struct mpio_queue *queue);
void mpio__walk_give(struct mpio_cache_mapping *file);
/* Whether a file of a round of work has come out of it, if there was one. */
bool mpio__leave_any_round(const struct mpio_cache *cache,
			   struct mpio_queue *queue);
/*
 * A walk to its end; who says so waits for pages that are locked. The caller
 * has the walk of the file, and the lock.
 */
int mpio__cache_walk(struct mpio_cache_mapping *file, struct mpio_queue *queue,
		     struct mpio_writeback_control *wbc);
size_t mpio__next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			uint64_t end, uint32_t flags, struct mpio_page **pages,
			size_t pages_max);
void mpio__write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status);

/* cache_room.c */

/*
 * The next file with dirty pages that nobody walks, and that a queue may write,
 * or NULL.
 */
struct mpio_cache_mapping *
mpio__cache_next_file(struct mpio_cache *cache, const struct mpio_queue *queue);
/* Write some pages of any file back and wait. 0: try again; -MPIO_ENOMEM. */
int mpio__cache_make_room(struct mpio_cache *cache, struct mpio_queue *queue);
/* Whether one more page may be dirty, with what others have begun to write. */
static inline bool mpio__cache_has_spare(const struct mpio_cache *cache)
{
	return cache->stats.dirty + cache->stats.writing + cache->promised <
	       cache->dirty_max;
}
/* Until one more page may be dirty: 0 or -MPIO_ENOMEM. */
int mpio__cache_spare(struct mpio_cache *cache, struct mpio_queue *queue);
/* Whether a page that the thread has locked may be; it counts as such then. */
bool mpio__frame_promise(struct mpio__frame *frame, struct mpio_queue *queue);
/* Where a writer has to help. */
void mpio__cache_throttle(struct mpio_cache_mapping *file,
			  struct mpio_queue *queue);

#pragma GCC visibility pop

#endif

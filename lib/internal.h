/* SPDX-License-Identifier: MIT */
/*
 * What the sources of the core share; gather.h has the short way on top of it.
 * Cache and file layer have headers of their own. It names what the core needs
 * from outside, and says in one place how the pieces fit:
 *
 *     read.c, write.c   the verbs: cut pages into runs      struct mpio__walk
 *     writeback.c       which dirty pages are written, in which order
 *     reread.c          read from another copy what could not be read
 *     settle.c          pages that end without I/O, one after the other
 *     page.c            set a page up; which of its blocks are in what state
 *     map.c             ask get_block, remember its answer  struct mpio__map
 *     build.c           gather runs into bios as planned    struct mpio__build
 *     gather.h          the short way, for rows of pages    struct mpio__row
 *     plan.c, plan.h    decide where one bio ends           mpio_plan()
 *     queue.c           send bios, count, finish, wait      struct mpio_queue
 *     queue_open.c      the memory of a queue, its opening and closing
 *     queue_drain.c     wait for all, flush
 *     plug.c            hold bios back, sort and merge them
 *     redrive.c         drive again what came short or failed
 *     bounce.c          aligned memory for bios that have other
 *     turn.c            who waits: for such memory, or for another bio
 *     barrier.c         who waits: a flush, and what is behind it
 *     bio.c             one bio: pool, memory, end
 *     errseq.c          errors of a mapping, told to everybody once
 *     strerror.c        errors in words
 *     version.c         the version in words
 */
#ifndef MPIO_INTERNAL_H
#define MPIO_INTERNAL_H

#include <mpio/mpio.h>

#include "arith.h"

/* The outside world: four functions, and nothing else. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *memory, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* What follows is shared inside lib/, and never reached through a table. */
#pragma GCC visibility push(hidden)

/* What a callback or a device calls its error, as an errno that can be. */
/*@ assigns \nothing;
  @ ensures -4095 <= \result <= 0;
  @ ensures -4095 <= status <= 0 ==> \result == status; */
static inline int mpio__error(int status)
{
	return status > 0 || status < -4095 ? -MPIO_EIO : status;
}

/* ---- Pages ------------------------------------------------------------ */

/* Private page flags, above the public ones. */
#define MPIO__PAGE_DEVICE (1u << 16) /* bytes of it came from a device */
/* What ended without I/O, as the page waits in a list to be told. */
#define MPIO__PAGE_READ (1u << 17)
#define MPIO__PAGE_KNOWN (1u << 18) /* a read of what was uptodate */
#define MPIO__PAGE_WRITTEN (1u << 19)
#define MPIO__PAGE_ATTEMPT_SHIFT 24u /* rereads so far, in the top bits */
#define MPIO__PAGE_ATTEMPT_MAX 255u

enum mpio__bits { MPIO__UPTODATE, MPIO__DIRTY };

/* Block i of n from `first` on whose bit is not `value`, or n. */
uint32_t mpio__bits_run(const struct mpio_page *page, enum mpio__bits which,
			uint32_t first, uint32_t n, bool value);
void mpio__bits_set(struct mpio_page *page, enum mpio__bits which,
		    uint32_t first, uint32_t n, bool value);
/* The same for the blocks that bytes of a page lie in, wholly or in part. */
void mpio__bytes_set(struct mpio_page *page, enum mpio__bits which,
		     uint32_t offset, uint32_t length, bool value);

/* Blocks that lie wholly in some bytes of a page are uptodate. */
void mpio__whole_uptodate(struct mpio_page *page, uint32_t offset,
			  uint32_t length);

/* ---- Bios ------------------------------------------------------------- */

/* In the order of a bio's life. turn.c relies on it: from WAITING on it has a
 * place among those that take turns. */
enum mpio__bio_state {
	MPIO__BIO_FREE,    /* in the pool */
	MPIO__BIO_HELD,    /* its user's */
	MPIO__BIO_PARKED,  /* a barrier, or behind one */
	MPIO__BIO_PLUGGED, /* waits for unplug */
	MPIO__BIO_WAITING, /* waits for its turn */
	MPIO__BIO_OFFERED, /* inside the device's submit */
	MPIO__BIO_FLYING,  /* the device's */
	MPIO__BIO_DONE,    /* all of it; waits for its end_io */
	MPIO__BIO_ENDED    /* failed, or came short */
};

/*
 * What a write is doing: a flush, before or after it, on a device that does
 * none with it; or a read of what it leaves of its blocks. A discard is flushed
 * before and after, too.
 */
enum mpio__bio_stage {
	MPIO__STAGE_DATA,
	MPIO__STAGE_FILL,
	MPIO__STAGE_PREFLUSH,
	MPIO__STAGE_POSTFLUSH
};

/* Room in a small bio, in pieces and in segments. */
#define MPIO__SMALL_MAX 8u

/* Out of the pool, not yet reset; NULL: none free. */
static inline struct mpio_bio *mpio__bio_take(struct mpio_bio **list)
{
	struct mpio_bio *bio = *list;

	if (bio != NULL)
		*list = bio->next;
	return bio;
}

/* Back to it. */
static inline void mpio__bio_free(struct mpio_bio *bio)
{
	bio->state = MPIO__BIO_FREE;
	bio->next = *bio->pool;
	*bio->pool = bio;
}

static inline uint32_t mpio__segment_count(const struct mpio_bio *bio)
{
	return (uint32_t)(bio->segments_end - bio->segments);
}

/* A large bio; or a small one, or a large one in its place. NULL: none free. */
struct mpio_bio *mpio__bio_get(struct mpio_queue *queue, bool large);
/* The same, but waits while anything is in flight that may bring one. */
struct mpio_bio *mpio__bio_get_wait(struct mpio_queue *queue, bool large);

/* Make one bio of pages the other; `to` is empty and has room. */
void mpio__bio_move(struct mpio_bio *to, struct mpio_bio *from);

/* A try is over: has the bio ended, or is it to be sent again? */
bool mpio__redrive(struct mpio_queue *queue, struct mpio_bio *bio);
/* Ready a bio that bounces for its next try. */
void mpio__redrive_bounce(struct mpio_bio *bio);
/* Whether its bytes were tried before. */
bool mpio__is_retry(const struct mpio_bio *bio);
/* Begin the stages of a bio that the device can't do in one. */
void mpio__stage_begin(struct mpio_queue *queue, struct mpio_bio *bio);

/* Bytes of a bio of pages could not be moved: tell their pages. */
void mpio__segments_fail(struct mpio_bio *bio, uint32_t start, uint32_t length,
			 int status);
/* Where a gap ends that a byte lies in, or the byte itself. */
uint32_t mpio__segments_behind_gap(const struct mpio_bio *bio, uint32_t start);
/* Bytes of it were read, others perhaps not: tell blocks. */
void mpio__segments_good(struct mpio_bio *bio, uint32_t start, uint32_t length);

/* In place of a bio's tries so far: there shall be no more of them. */
#define MPIO__CANCELLED UINT8_MAX

/* ---- Bounce ----------------------------------------------------------- */

/* A slot: aligned memory that one bio at a time goes through. */
struct mpio_bounce {
	struct mpio_bounce *next;
	void *memory;
	struct mpio_iovec piece; /* what of it the device is given */
	/* The bio's own, during a try. */
	struct mpio_iovec *vecs;
	uint32_t vec_count;
	uint64_t offset;
	uint32_t length;
	uint16_t flags;  /* while the bio is a read before a write */
	uint32_t filled; /* bytes of the window's blocks, before which no more
			  * is to be read */
	uint32_t moved;  /* bytes, by the last try */
};

/* Give a bio a slot; false: there is none. */
bool mpio__bounce_take(struct mpio_queue *queue, struct mpio_bio *bio);
/* Take it back. */
void mpio__bounce_end(struct mpio_queue *queue, struct mpio_bio *bio);
/* Before a try: the slot's memory for the bio's. After it: back. */
void mpio__bounce_in(struct mpio_bio *bio);
void mpio__bounce_out(struct mpio_bio *bio);

/* ---- Turns ------------------------------------------------------------ */

/* What other bios have to do with one that has not ended. */
#define MPIO__TURN_KEEPS (1u << 0) /* changes to its blocks keep their order */
#define MPIO__TURN_AWAITED (1u << 1) /* some wait for its end */
#define MPIO__TURN_NONE (1u << 2)    /* it is never sent; nobody waits */

/* Whether a bio can be sent, with a slot if it bounces; else it waits. */
bool mpio__turn_begin(struct mpio_queue *queue, struct mpio_bio *bio,
		      bool bounces);
/* One that took part in turns has ended. */
void mpio__turn_end(struct mpio_queue *queue, struct mpio_bio *bio);
/* The next of those that wait, to be sent; or NULL. */
struct mpio_bio *mpio__turn_next(struct mpio_queue *queue);
/* It does not wait any longer. */
void mpio__turn_leave(struct mpio_queue *queue, struct mpio_bio *bio);

/* ---- Barriers --------------------------------------------------------- */

/* Whether a bio is to wait: as a barrier, or behind one. */
bool mpio__barrier_parks(struct mpio_queue *queue, struct mpio_bio *bio);
/* Send of those that wait as many as may be, barriers only if all that they
 * cover were told; whether any was. */
bool mpio__barrier_pass(struct mpio_queue *queue, bool told);
/* It does not wait any longer. */
void mpio__barrier_leave(struct mpio_queue *queue, struct mpio_bio *bio);

/* ---- Queue ------------------------------------------------------------ */

/* Why a read or write cannot be sent and finished the short way. */
#define MPIO__CARE_HOOK (1u << 0)  /* the event hook is to be told */
#define MPIO__CARE_PICKY (1u << 1) /* the device does not take every one */
#define MPIO__CARE_PLUGGED (1u << 2)
#define MPIO__CARE_FINISHING (1u << 3) /* an outer call runs the callbacks */
#define MPIO__CARE_TURNS (1u << 4)     /* some writes are not to be passed */
#define MPIO__CARE_CROWDED (1u << 5)   /* a callback waits for a free bio */
#define MPIO__CARE_BARRED (1u << 6)    /* some bios are parked */

struct mpio_queue {
	struct mpio_device *device;
	void *channel;
	struct mpio_plan_limits limits;       /* of a large bio */
	struct mpio_plan_limits small_limits; /* of a small one */
	uint32_t memory_alignment;            /* bytes; 1: any */
	uint32_t in_flight_max;
	uint32_t in_flight_known; /* so many were never too many */
	uint32_t flags;           /* MPIO_QUEUE_* flags */
	uint32_t care;            /* MPIO__CARE_* flags */
	uint32_t crowds;          /* callbacks that wait for a free bio */
	bool uncommitted;         /* submits that commit has not pushed yet */
	/* While it is closed by one, nobody waits for the device. */
	const struct mpio_deadline *deadline;

	struct mpio_bio *free_large;
	struct mpio_bio *free_small;
	struct mpio_bio *ended; /* first to be finished */
	struct mpio_bio **ended_tail;
	struct mpio_page *rereads; /* pages to be read from elsewhere */
	struct mpio_page *settled; /* to be told after a callback: the first */
	struct mpio_page **settled_tail;
	struct mpio_bio *bios; /* all there are */
	uint32_t bio_count;

	struct mpio_bounce *free_bounces;
	uint32_t bounce_size;     /* bytes; of a slot */
	uint32_t turns;           /* bios that keep their place */
	struct mpio_bio *waiting; /* first to be sent */
	struct mpio_bio **waiting_tail;

	struct mpio_bio *parked; /* at a barrier and behind it: the first */
	struct mpio_bio **parked_tail;

	struct mpio_bio **plugged;
	uint32_t plugged_count;
	uint32_t plugged_changes; /* of those, that are no reads */
	uint64_t plugged_start;   /* bytes; none of them lies before it */
	uint64_t plugged_end;     /* or behind it */
	uint32_t plugged_max;
	uint32_t plug_depth;

	struct mpio_queue *group;      /* the next of the ring */
	struct mpio_page **walk_pages; /* a write-back walk looks ahead here */
	uint32_t walk_max;
	bool walk_busy;
	struct mpio_page scrap; /* takes what lies in gaps; never finished, as
				 * it has one run too many; of no mapping */

	mpio_event_fn *event;
	void *event_ctx;
	struct mpio_event told; /* the last; here, to save stack */
	struct mpio_stats stats;

	struct mpio_allocator allocator; /* resize is NULL: memory was given */
	size_t memory_size;
};

/* Whether a range is no whole blocks of the device: some are to be cut. */
static inline bool mpio__bio_is_odd(const struct mpio_bio *bio)
{
	uint32_t block = bio->queue->limits.block;

	return !mpio__is_aligned(bio->offset, block) ||
	       (!mpio__is_aligned(bio->length, block) &&
		bio->offset + bio->length != bio->queue->device->size);
}

/*
 * To the list of those that are to be finished. Until then, what comes first is
 * fetched into the processor's cache.
 */
static inline void mpio__queue_ended(struct mpio_queue *queue,
				     struct mpio_bio *bio)
{
	if (bio->segments != bio->segments_end)
		__builtin_prefetch(bio->segments->page, 1);
	bio->next = NULL;
	*queue->ended_tail = bio;
	queue->ended_tail = &bio->next;
}

/* Whether reads and writes can be passed to the device, looking at nothing. */
static inline bool mpio__queue_is_easy(const struct mpio_queue *queue)
{
	return queue->care == 0 && queue->ended == NULL;
}

/* Pass a read or write to the device. What ends inside is finished, if good. */
void mpio__queue_pass(struct mpio_queue *queue, struct mpio_bio *bio);
/* Send a read or write, or hold it if plugged. Callbacks may run inside. */
void mpio__queue_submit(struct mpio_queue *queue, struct mpio_bio *bio);
/* The same for any bio; flushes wait for what was sent before them. */
void mpio__queue_submit_any(struct mpio_queue *queue, struct mpio_bio *bio);
/* The first try of a bio that no flush goes with. Runs no callback. */
void mpio__queue_launch(struct mpio_queue *queue, struct mpio_bio *bio);
/* Send a bio that does not wait any more for others to end, if it has memory
 * and its turn. */
void mpio__queue_start(struct mpio_queue *queue, struct mpio_bio *bio);
/* Give a bio to the device, now; retries refusals. Runs no callback. */
void mpio__queue_send(struct mpio_queue *queue, struct mpio_bio *bio);
/* End a bio that was never sent; nobody is to wait for it. */
void mpio__queue_end(struct mpio_queue *queue, struct mpio_bio *bio,
		     int status);
/* Push what was sent. */
void mpio__queue_commit(struct mpio_queue *queue);
/* The same, unless a plug or an outer call will: one push for many. */
void mpio__queue_commit_last(struct mpio_queue *queue);
/* Wait until nothing of this queue is in flight. 0 or the error. */
int mpio__queue_drain_here(struct mpio_queue *queue);
/* Finish what has ended, unless an outer call is doing so. */
void mpio__queue_finish(struct mpio_queue *queue);
/* Whether it is closed by a deadline that is over; asks who set it. */
bool mpio__queue_is_late(const struct mpio_queue *queue);
/* Whether anything is in flight, or ended and not finished. */
bool mpio__queue_is_busy(const struct mpio_queue *queue);
/* Whether nothing was sent, or is about to be, that has not ended. */
bool mpio__queue_is_quiet(const struct mpio_queue *queue);
/* Wait on this queue or, if it is idle, on another of its group. */
int mpio__group_wait(struct mpio_queue *queue);
bool mpio__group_has(const struct mpio_queue *queue,
		     const struct mpio_queue *other);

/* Whether a bio can wait beside those that do. */
bool mpio__plug_takes(const struct mpio_queue *queue,
		      const struct mpio_bio *bio);
void mpio__plug_add(struct mpio_queue *queue, struct mpio_bio *bio);
void mpio__plug_remove(struct mpio_queue *queue, struct mpio_bio *bio);
/* Send all that wait. */
void mpio__plug_send(struct mpio_queue *queue);
/* The same, and push them. */
void mpio__plug_flush(struct mpio_queue *queue);

/* Tell the hook, which there is; a bio or NULL, and further members by hand. */
void mpio__event(struct mpio_queue *queue, enum mpio_event_type type,
		 const struct mpio_bio *bio, int detail);

/* ---- One call of a verb ----------------------------------------------- */

/* The bio that is being gathered, and what all bios of the call are to be. */
struct mpio__build {
	struct mpio_bio *bio;        /* or NULL */
	unsigned char *memory_end;   /* where its last piece ends */
	struct mpio_page *last_page; /* of its last segment, or NULL */
	uint32_t last_end; /* bytes; where that segment ends in its page */
	uint32_t unit;     /* bytes; isolation goes no finer */
	mpio_end_io_fn *end_io;
	uint32_t *sent; /* counts the bios in flight, or NULL */
	uint8_t op;     /* as in the bio */
	uint16_t flags;
	uint32_t wasted; /* bytes of the bio that are gaps */
};

/*
 * What get_block said last. The straight of an answer are its whole blocks on
 * the device, before the end of file and before a boundary: a page that ends
 * there, and begins in the answer, needs no cutting.
 */
struct mpio__map {
	uint64_t first;            /* block of the mapping at which it begins */
	struct mpio_extent extent; /* as it was given */
	uint64_t count; /* blocks that can be used; 0: nothing remembered */
	bool lies;      /* it covers others, which cannot be */
	bool hole;      /* reads as zeros */
	bool boundary_ahead;   /* its last block has gone into a bio */
	bool odd;              /* asking again takes more than the question */
	uint64_t straight_end; /* bytes, in the mapping; 0: there is none */
	struct mpio_queue *queue; /* whose device it lies on */
	uint64_t delta; /* from the mapping to the device, modulo 2^64 */
};

/* Whether a bio ends where its device does: nothing can continue it. */
static inline bool mpio__bio_is_last(const struct mpio_bio *bio)
{
	return bio->offset + bio->length == bio->queue->device->size;
}

struct mpio__walk {
	struct mpio_queue *queue;
	struct mpio_mapping *mapping;
	uint32_t shift;         /* log2 of the block size */
	uint16_t map_flags;     /* MPIO_MAP_* flags */
	bool plain;             /* no hook wants to look at each page */
	uint64_t device_blocks; /* whole ones of the queue's own device */
	uint64_t eof_block;     /* the first that lies wholly past the end */
	uint64_t gap_max;       /* bytes; largest gap on the queue's device */
	struct mpio__map map;
	struct mpio__build build;
};

/* Look at the file's size again: a callback may have moved the end. */
static inline void mpio__walk_look(struct mpio__walk *walk)
{
	walk->eof_block =
		mpio__bytes_to_blocks_up(walk->mapping->size, walk->shift);
}

/* 0, or -MPIO_EINVAL for a block size that cannot be. */
int mpio__walk_init(struct mpio__walk *walk, struct mpio_queue *queue,
		    struct mpio_mapping *mapping, uint32_t op, uint32_t flags);
/* Send what is gathered, and push it. */
void mpio__walk_end(struct mpio__walk *walk);

/* What comes before a question, after an odd answer; 0 or a negative errno. */
int mpio__map_leave(struct mpio__walk *walk, uint64_t block);
/* The question, and the answer taken over; 0 or a negative errno. */
int mpio__map_put(struct mpio__walk *walk, struct mpio_page *page,
		  uint64_t block, uint64_t wanted);

/* Ask for `wanted` blocks that are not covered; 0 or a negative errno. */
static inline int mpio__map_ask(struct mpio__walk *walk, struct mpio_page *page,
				uint64_t block, uint64_t wanted)
{
	if (walk->map.odd) {
		int error = mpio__map_leave(walk, block);

		if (error != 0)
			return error;
	}
	return mpio__map_put(walk, page, block, wanted);
}

/* Take over an answer that may be any; 0 or a negative errno. */
int mpio__map_take_over(struct mpio__walk *walk, uint64_t block,
			uint64_t wanted, int status);
/* A page that the remembered answer was not asked for: may it be used? */
void mpio__map_revalidate(struct mpio__walk *walk);
/* Send what lies before a boundary, and tell the engine. */
void mpio__map_boundary(struct mpio__walk *walk);

/* Device bytes of a page. */
struct mpio__run {
	struct mpio_queue *queue;
	struct mpio_page *page;
	uint64_t offset;      /* bytes, on the device */
	uint32_t page_offset; /* bytes */
	uint32_t length;      /* bytes */
	unsigned char *memory;
	bool whole; /* one bio or none */
};

/*
 * Gather a run, which is used up. 0; -MPIO_ENOMEM: no bio; -MPIO_EINVAL: it
 * is to be whole, and too long.
 */
int mpio__build_add(struct mpio__build *build, struct mpio__run *run);
void mpio__build_send(struct mpio__build *build, enum mpio_cut cut);

/* Pages that follow the one that is being written, in a walk. */
struct mpio__ahead {
	struct mpio_page *const *pages;
	size_t count;       /* of those that the walk will deal with */
	uint64_t known_end; /* blocks before it are known to be written */
	bool sync_all;      /* busy pages are waited for, and written */
};

/* Write a dirty page that is not busy; the error that its mapping met. */
int mpio__write_one(struct mpio__walk *walk, struct mpio__ahead *ahead,
		    struct mpio_page *page);
/* Write pages that simply go on, as many as there are of n. */
size_t mpio__write_many(struct mpio__walk *walk, struct mpio_page *const *pages,
			size_t n);

/* A page has no run in flight any more. */
void mpio__read_page_end(struct mpio_queue *queue, struct mpio_page *page);
/* It was uptodate: there was nothing to be read. */
void mpio__read_known_end(struct mpio_page *page);
void mpio__write_page_end(struct mpio_page *page);
/* A page has ended without I/O (MPIO__PAGE_*): now, or after the callback. */
void mpio__settle(struct mpio_queue *queue, struct mpio_page *page,
		  uint32_t how);
/* A page has ended inside a callback: after it. */
void mpio__settle_later(struct mpio_queue *queue, struct mpio_page *page,
			uint32_t how);
/* End the first that waits to be told; false: none does. */
bool mpio__settle_next(struct mpio_queue *queue);
/* End all of a group; how many. */
int mpio__settle_group(struct mpio_queue *queue);
/* The last I/O of a page has ended. */
static inline void mpio__settle_io(struct mpio_queue *queue,
				   struct mpio_page *page, uint32_t how)
{
	if (queue->care & MPIO__CARE_CROWDED)
		mpio__settle_later(queue, page, how);
	else if (how == MPIO__PAGE_READ)
		mpio__read_page_end(queue, page);
	else
		mpio__write_page_end(page);
}

/* The next bio that reads a page from another copy, to be sent; or NULL. */
struct mpio_bio *mpio__reread(struct mpio_queue *queue);

/* Pages whose engine has no hook but read_end; and others. */
void mpio__read_end_io(struct mpio_bio *bio);
void mpio__verify_end_io(struct mpio_bio *bio);
void mpio__write_end_io(struct mpio_bio *bio);

/* Ask anew for whatever comes next. */
static inline void mpio__map_forget(struct mpio__map *map)
{
	map->count = 0;
	map->lies = false;
	map->straight_end = 0;
}

/* A page that a verb can take. */
/*@ requires \valid_read(page) && \valid_read(mapping);
  @ requires mpio_is_power(mapping->block_size);
  @ assigns \nothing;
  @ ensures \result ==> page->size > 0 &&
  @	page->pos + page->size <= UINT64_MAX; */
static inline bool mpio__page_fits(const struct mpio_page *page,
				   const struct mpio_mapping *mapping)
{
	uint64_t mask = mapping->block_size - 1;

	return page->mapping == mapping && page->size != 0 &&
	       ((page->pos | page->size) & mask) == 0 &&
	       page->pos <= UINT64_MAX - page->size;
}

/* Where a byte of the mapping that the answer covers lies on the device. */
static inline uint64_t mpio__map_offset(const struct mpio__map *map,
					uint64_t pos)
{
	return mpio__add_modulo(pos, map->delta);
}

/* Whether the remembered answer covers a block. */
static inline bool mpio__map_covers(const struct mpio__map *map, uint64_t block)
{
	return block - map->first < map->count;
}

/* Blocks of the answer, up to `end`, have gone into a bio. */
static inline void mpio__map_note_boundary(struct mpio__map *map, uint64_t end)
{
	if (end - map->first == map->extent.count &&
	    (map->extent.flags & MPIO_EXTENT_BOUNDARY))
		map->boundary_ahead = true;
}

#pragma GCC visibility pop

#endif

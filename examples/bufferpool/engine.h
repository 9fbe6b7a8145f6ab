/* SPDX-License-Identifier: MIT */
/*
 * A storage engine with frames of its own: a heap of rows, a buffer pool with a
 * clock, and a log that is written first: a ring of records at the front of the
 * device, all of it in memory. Rows are changed in their frames at once, and
 * pages may be written with changes that are not committed. So a record has the
 * row before and after: recovery does again what the log has, and undoes what
 * has no commit.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <mpio/frames.h>
#include <mpio/mpio.h>

#define PAGE 4096u
#define PAGE_ROWS 64u
#define PAGE_RECORDS 25u
#define IS_COMMIT UINT64_MAX

/* What it rests on; one of it may be left out, for the tests to find. */
enum { LOG_FIRST = 1, COMMIT, CHECKPOINT, LEAP, AGAIN };
#ifndef LEAVE_OUT
#define LEAVE_OUT 0
#endif

struct row {
	uint64_t words[8];
};

struct record {
	uint64_t lsn;     /* its number, and so its place in the ring */
	uint64_t durable; /* records before it were */
	uint64_t row;     /* or IS_COMMIT */
	struct row old, new;
	uint64_t checksum;
};

struct frame {
	struct mpio_page page; /* the first: a cast leads back */
	uint32_t pins;
	bool used; /* since the hand came by */
};

struct file { /* the log, or the heap */
	struct mpio_mapping mapping;
	size_t at, count;         /* pages on the device */
	struct mpio_page **pages; /* of each the frame, or NULL */
};

struct db {
	struct mpio_queue *queue;
	struct mpio_allocator allocator;
	struct file log, heap;
	struct mpio_frames memory;
	struct frame *frames, *clock; /* the log's and the pool's; the pool's */
	size_t pool, hand; /* frames in the clock; where its hand is */
	/* Records: room for, needed, of the transaction, not durable, to be. */
	uint64_t ring, first, begin, durable, next;
	int failed; /* the error that stopped it, or 0 */
};

/* Sees a page of rows, of which those with a bit in `map` are wanted; what it
 * returns other than 0 ends the scan. It may change rows of that page. */
typedef int db_see_fn(void *ctx, uint64_t first, uint64_t map,
		      const struct row *rows);

/* A device full of zeros is an empty heap. 0 or a negative errno. */
int db_open(struct db *db, struct mpio_device *device, uint32_t log_pages,
	    uint32_t pool);
void db_close(struct db *db); /* what was not committed never was */

int db_get(struct db *db, uint64_t row, struct row *to);
/* -MPIO_ENOSPC: too much for the log; the transaction can still be ended. */
int db_put(struct db *db, uint64_t row, const struct row *to);
int db_commit(struct db *db); /* 0: it is there for good */
int db_abort(struct db *db);
int db_checkpoint(struct db *db); /* amid a transaction, too */
/* See the rows that have a bit in a map, a word for each page. */
int db_scan(struct db *db, const uint64_t *map, uint32_t look_ahead,
	    db_see_fn *see, void *ctx);

#endif

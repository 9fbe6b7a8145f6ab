/* SPDX-License-Identifier: MIT */
/*
 * Plain files: each block lies where it is, and new ones at the end.
 *
 * Other processes change the file, by this VFS or by the default one, and what
 * is cached here is then old. The file's times and size tell, and they are
 * looked at whenever SQLite takes a lock under which it reads. The kernel's
 * clock ticks slowly: a change so soon after the last look may leave the same
 * time. Then SQLite's change counter is asked, too, which every transaction in
 * rollback mode moves; where there is none, what is cached is forgotten. After
 * writes of our own have ended the time is set once more: the kernel sets it
 * when they begin, and others may look in between.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* No kernel's clock ticks more slowly; ns. */
#define TICK INT64_C(20000000)
/* In a database's header: from the version that is needed to write it, which
 * is 2 with a write-ahead log, to behind the change counter. */
#define COUNTER_OFFSET 18
#define COUNTER_SIZE 22
#define WAL_VERSION 2

/* A transaction that makes the file so much longer has room reserved, in growing
 * pieces. */
#define PIECE_LEAST (UINT64_C(16) << 20)
#define PIECE_MOST (UINT64_C(64) << 20)

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = block;
	return 0;
}

/* ---- Who else has changed it -------------------------------------------- */

static int64_t ns(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return ns(time);
}

/* The change counter, and whether a write-ahead log is used. */
static int read_counter(const struct database *database, struct stamp *stamp)
{
	if (pread(database->fd, stamp->counter, sizeof(stamp->counter),
		  COUNTER_OFFSET) < 0)
		return mpio_error_from_host(errno);
	return 0;
}

/* `before` tells whether the counter will be wanted. */
static int take_stamp(const struct database *database, struct stamp *stamp)
{
	const struct stamp *before = &database->stamp;
	struct stamp taken;
	struct stat st;
	int error = 0;

	if (fstat(database->fd, &st) != 0)
		return mpio_error_from_host(errno);
	taken = (struct stamp){
		.size = (uint64_t)st.st_size,
		.mtime = ns(st.st_mtim),
		.ctime = ns(st.st_ctim),
		.known = true,
	};
	taken.settled = now() - taken.mtime > TICK;
	if (!taken.settled || (before->known && !before->settled))
		error = read_counter(database, &taken);
	*stamp = taken;
	return error;
}

static bool is_same(const struct stamp *old, const struct stamp *new)
{
	if (!old->known || old->size != new->size || old->mtime != new->mtime ||
	    old->ctime != new->ctime)
		return false;
	return old->settled ||
	       (new->counter[0] < WAL_VERSION &&memcmp(old->counter,
						       new->counter,
						       COUNTER_SIZE) ==
		0);
}

static int look(struct database *database, bool *changed, uint64_t *size)
{
	struct stamp stamp;
	int error = take_stamp(database, &stamp);

	if (error != 0)
		return error;
	*changed = !is_same(&database->stamp, &stamp);
	*size = stamp.size;
	database->stamp = stamp;
	return 0;
}

/* ---- Its end ------------------------------------------------------------ */

static int set_size(struct database *database)
{
	int failed;

	do {
		failed = ftruncate(database->fd, (off_t)database->size);
	} while (failed != 0 && errno == EINTR);
	return failed != 0 ? mpio_error_from_host(errno) : 0;
}

/* What was reserved and is not used goes back, and an odd end is cut. */
static int settle(struct database *database)
{
	bool spare = database->reserves && database->reserved > database->size;
	struct stat st;
	int error = 0;

	if (fstat(database->fd, &st) != 0)
		return mpio_error_from_host(errno);
	if (spare || (uint64_t)st.st_size != database->size)
		error = set_size(database);
	if (error == 0 && futimens(database->fd, NULL) != 0)
		error = mpio_error_from_host(errno);
	if (error == 0)
		error = take_stamp(database, &database->stamp);
	database->reserved = 0;
	database->piece = 0;
	database->reserves = false;
	return error;
}

static int cut(struct connection *connection, uint64_t size)
{
	sqlite3_file *real = connection->real;
	struct database *database = connection->database;
	int error;

	if (real->pMethods->xTruncate(real, (sqlite3_int64)size) != SQLITE_OK)
		return -MPIO_EIO;
	/* The default VFS may keep it in pieces of a size that was asked for. */
	error = take_stamp(database, &database->stamp);
	database->size = database->stamp.size;
	database->reserved = 0;
	return error;
}

static int reserve_to(struct database *database, uint64_t end)
{
	int failed;

	do {
		failed = fallocate(database->fd, FALLOC_FL_KEEP_SIZE,
				   (off_t)database->reserved,
				   (off_t)(end - database->reserved));
	} while (failed != 0 && errno == EINTR);
	if (failed != 0 && (errno == ENOSPC || errno == EDQUOT))
		return -MPIO_ENOSPC;
	if (failed != 0) { /* not here; the writes will tell */
		database->through = database->checkpoints;
		return 0;
	}
	database->reserved = end;
	database->reserves = true;
	return 0;
}

/* A transaction that makes the file much longer gets its room in large pieces:
 * it lies together, and a disk that is full says so now. A checkpoint gets all
 * of its room so, since afterwards it is too late. */
static int reserve(struct database *database, uint64_t end)
{
	int error;

	if (database->piece == 0) {
		database->piece = PIECE_LEAST;
		database->reserved = database->size;
		if (!database->checkpoints)
			database->reserved += PIECE_LEAST;
	}
	if (end <= database->reserved)
		return 0;
	error = reserve_to(database, end + database->piece);
	if (error != 0)
		error = reserve_to(database, end);
	if (database->piece < PIECE_MOST)
		database->piece *= 2;
	return error;
}

/* ---- Durable ------------------------------------------------------------ */

/* One flush of the file is enough, and the default VFS knows of the directory,
 * too. */
static int flush(struct connection *connection, int flags)
{
	sqlite3_file *real = connection->real;

	return real->pMethods->xSync(real, flags) == SQLITE_OK ? 0 : -MPIO_EIO;
}

const struct store_ops plain_ops = {
	.get_block = get_block,
	.look = look,
	.settle = settle,
	.cut = cut,
	.flush = flush,
	.reserve = reserve,
};

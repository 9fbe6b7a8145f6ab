/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a connection, in and out of the cache: what others have written is
 * seen, and what this one writes is seen by others when it is to be. All with
 * the database's lock held.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

int sqlite_error(struct connection *connection, int error, int otherwise)
{
	connection->error = -error;
	switch (error) {
	case 0:
		return SQLITE_OK;
	case -MPIO_ENOSPC:
	case -MPIO_EDQUOT:
		return SQLITE_FULL;
	case -MPIO_ENOMEM:
		return SQLITE_IOERR_NOMEM;
	default:
		return otherwise;
	}
}

/* ---- Seeing what others have written, and being seen ---------------------- */

int connection_look(struct connection *connection)
{
	struct database *database = connection->database;
	uint64_t size;
	bool changed;
	int error;

	/* Then a lock keeps others from writing. */
	if (database->dirty)
		return SQLITE_OK;
	error = database->ops->look(database, &changed, &size);
	if (error == 0 && changed)
		error = mpio_cache_renew(&database->mapping, database->queue, 0,
					 round_up(database, size));
	if (error == 0)
		database->size = size;
	else
		database->stamp.known = false;
	return sqlite_error(connection, error, SQLITE_IOERR_FSTAT);
}

int connection_sync(struct connection *connection, int sync_flags)
{
	struct database *database = connection->database;
	int error;

	if (database->failed != 0)
		return sqlite_error(connection, database->failed,
				    SQLITE_IOERR_WRITE);
	if (!database->dirty && sync_flags == 0)
		return SQLITE_OK;
	connection->sync_flags = sync_flags;
	error = mpio_file_sync(connection->file);
	return sqlite_error(connection, error,
			    sync_flags != 0 ? SQLITE_IOERR_FSYNC
					    : SQLITE_IOERR_WRITE);
}

/* All is written: now the size, and then the disk's cache. */
static int after_writing(struct mpio_file *file)
{
	struct connection *connection = file->config.host;
	struct database *database = connection->database;
	int error = 0;

	if (database->dirty)
		error = database->ops->settle(database);
	if (error == 0) {
		database->dirty = false;
		database->gathers = false;
		database->written = database->held = 0;
	}
	if (error == 0 && connection->sync_flags != 0)
		error = database->ops->flush(connection,
					     connection->sync_flags);
	return error;
}

/*
 * SQLite asks nobody how a checkpoint's writes ended, and goes on to cut the
 * file, which tells; but not if some frames have to stay in the log. So what
 * can be foreseen, a disk that is full, is told by the writes themselves: see
 * reserve().
 */
void connection_begin_checkpoint(struct connection *connection)
{
	connection->database->gathers = true;
	connection->database->checkpoints = true;
	connection->database->failed = 0;
}

void connection_end_checkpoint(struct connection *connection)
{
	struct database *database = connection->database;

	if (connection_sync(connection, 0) != SQLITE_OK)
		database->failed = -connection->error;
	database->gathers = false;
	database->checkpoints = false;
	database->through = false;
}

/*
 * A lock is given up, and others will read the file. What cannot be written is
 * not committed: SQLite was told so, and its journal restores the file.
 */
void connection_publish(struct connection *connection)
{
	struct database *database = connection->database;

	if (database->writer != connection)
		return;
	database->failed = 0; /* once more: it may go now */
	database->checkpoints = false;
	database->through = false;
	if (connection_sync(connection, 0) == SQLITE_OK)
		return;
	sqlite3_log(SQLITE_IOERR_WRITE, "mpio: changes are dropped: %s",
		    mpio_strerror(connection->error));
	(void)mpio_cache_drop(&database->mapping, database->queue, 0,
			      UINT64_MAX);
	database->dirty = false;
	database->gathers = false;
	database->written = database->held = 0;
	database->stamp.known = false;
}

int connection_attach(struct connection *connection)
{
	struct database *database = connection->database;
	struct mpio_file_config config = {
		.readahead_max = (uint32_t)database->readahead,
		.straight_min = UINT32_MAX,
		.flush = after_writing,
		.host = connection,
	};
	int rc;

	connection->file = malloc(sizeof(*connection->file));
	if (connection->file == NULL)
		return SQLITE_NOMEM;
	pthread_mutex_lock(&database->lock);
	rc = sqlite_error(connection,
			  mpio_file_open(connection->file, &database->mapping,
					 database->queue, &config),
			  SQLITE_CANTOPEN);
	if (rc == SQLITE_OK)
		rc = connection_look(connection);
	pthread_mutex_unlock(&database->lock);
	return rc;
}

void connection_detach(struct connection *connection)
{
	struct database *database = connection->database;

	if (database_is_strange(database))
		return;
	if (connection->file != NULL) {
		pthread_mutex_lock(&database->lock);
		connection_publish(connection);
		(void)mpio_queue_drain(database->queue);
		mpio_file_close(connection->file);
		if (database->writer == connection)
			database->writer = NULL;
		pthread_mutex_unlock(&database->lock);
	}
	free(connection->file);
	connection->file = NULL;
}

/* ---- Bytes -------------------------------------------------------------- */

/* What SQLite reads to see whether its own cache is old. */
#define COUNTER_AT 24
#define COUNTER_LENGTH 16

/* Of what is written and not committed, one part in so many is held back; of
 * more than a little, half, and at most so much. */
#define HELD_PART 16
#define LITTLE (UINT64_C(256) << 10)
#define HELD_MOST (UINT64_C(4) << 20)

int connection_read(struct connection *connection, void *buffer, int n,
		    uint64_t pos)
{
	struct database *database = connection->database;
	uint64_t wanted = (uint64_t)n, there;
	int64_t done;
	int rc = connection->unseen;

	connection->unseen = SQLITE_OK;
	if (rc != SQLITE_OK)
		return rc;
	/* Nobody keeps others from writing now, or SQLite itself wants to know
	 * whether they have. */
	if (connection->level == SQLITE_LOCK_NONE ||
	    (pos == COUNTER_AT && n == COUNTER_LENGTH))
		rc = connection_look(connection);
	if (rc != SQLITE_OK)
		return rc;
	there = pos < database->size ? database->size - pos : 0;
	if (there > wanted)
		there = wanted;
	done = mpio_file_read(connection->file, buffer, (size_t)there, pos);
	if (done < 0)
		return sqlite_error(connection, (int)done, SQLITE_IOERR_READ);
	if ((uint64_t)done < there)
		return SQLITE_IOERR_READ;
	if (there == wanted)
		return SQLITE_OK;
	connection->error = 0;
	memset((char *)buffer + there, 0, (size_t)(wanted - there));
	return SQLITE_IOERR_SHORT_READ;
}

/* What went wrong so far was told, or concerns another connection. */
static void forget_errors(struct connection *connection)
{
	(void)mpio_file_error(connection->file);
}

static void begin_to_write(struct connection *connection)
{
	struct database *database = connection->database;

	if (!database->dirty || database->writer != connection)
		forget_errors(connection);
	database->dirty = true;
	database->writer = connection;
}

/*
 * SQLite writes page 1 when it commits, and never else: then all that comes is
 * written back together, when it says that it is done. What it writes before
 * makes room in its cache, or was asked for by sqlite3_db_cacheflush(). That
 * promises the bytes to be in the file; so no more is held back than pays for
 * large writes.
 */
static int pass_on(struct connection *connection, uint64_t pos, uint64_t n)
{
	struct database *database = connection->database;
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_RECLAIM,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	uint64_t most;
	int error;

	if (pos == 0)
		database->gathers = true;
	database->written += n;
	database->held += n;
	most = database->written / (database->written < LITTLE ? HELD_PART : 2);
	if (!database->through &&
	    (database->gathers ||
	     (database->held < most && database->held < HELD_MOST)))
		return 0;
	error = mpio_cache_writepages(&database->mapping, database->queue,
				      &wbc);
	if (error == 0)
		database->held = 0;
	else /* told now, and not by the next sync again */
		forget_errors(connection);
	return error;
}

int connection_write(struct connection *connection, const void *bytes, int n,
		     uint64_t pos)
{
	struct database *database = connection->database;
	uint64_t end = pos + (uint64_t)n;
	int64_t done = 0;
	int error = 0;

	if (end > database->size)
		error = database->ops->reserve(database, end);
	if (error != 0)
		return sqlite_error(connection, error, SQLITE_IOERR_WRITE);
	begin_to_write(connection);
	done = mpio_file_write(connection->file, bytes, (size_t)n, pos);
	if (done < 0)
		return sqlite_error(connection, (int)done, SQLITE_IOERR_WRITE);
	if (done > 0 && pos + (uint64_t)done > database->size)
		database->size = pos + (uint64_t)done;
	if (done < n)
		return SQLITE_IOERR_WRITE;
	if (mpio_file_size(connection->file) % /* always in whole blocks */
		    database->mapping.mapping.block_size !=
	    0)
		error = mpio_file_truncate(connection->file,
					   round_up(database, database->size));
	if (error == 0)
		error = pass_on(connection, pos, (uint64_t)n);
	return sqlite_error(connection, error, SQLITE_IOERR_WRITE);
}

/* What is left of the last block is zeros, if the file grows again. */
static int zero_rest(struct connection *connection, uint64_t size)
{
	static const unsigned char zeros[65536];
	struct database *database = connection->database;
	size_t rest = (size_t)(round_up(database, size) - size);
	int64_t done;

	if (rest == 0 || size >= database->size)
		return 0;
	begin_to_write(connection);
	done = mpio_file_write(connection->file, zeros, rest, size);
	return done < 0 ? (int)done : 0;
}

int connection_truncate(struct connection *connection, uint64_t size)
{
	struct database *database = connection->database;
	int error = database->failed;

	if (error == 0)
		error = zero_rest(connection, size);
	if (error == 0)
		error = mpio_file_truncate(connection->file,
					   round_up(database, size));
	if (error == 0) {
		database->size = size;
		error = database->ops->cut(connection, size);
	}
	if (error == 0 && database->size > size)
		error = mpio_file_truncate(connection->file,
					   round_up(database, database->size));
	return sqlite_error(connection, error, SQLITE_IOERR_TRUNCATE);
}

/* The default VFS may have made the file longer. */
void connection_see_size(struct connection *connection)
{
	struct database *database = connection->database;
	uint64_t size = database->size;
	bool changed;

	if (database->ops->look(database, &changed, &size) != 0 ||
	    size <= database->size)
		return;
	if (mpio_file_truncate(connection->file, round_up(database, size)) == 0)
		database->size = size;
}

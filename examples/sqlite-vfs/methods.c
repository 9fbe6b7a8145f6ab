/* SPDX-License-Identifier: MIT */
/*
 * Connections: an open main database file.
 *
 * Locks, shared memory and the rest are the default VFS's file's, which is open
 * beside. What SQLite says on the way is listened to:
 *
 *     it takes a lock to read under    others may have changed the file
 *     it gives a lock up, syncs,       what it has written must be seen by
 *     has committed or checkpointed    others, and survive this process
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

static struct connection *connection_of(sqlite3_file *file)
{
	return (struct connection *)file;
}

static const sqlite3_io_methods *real_methods(const struct connection *c)
{
	return c->real->pMethods;
}

/* Whether the bytes go through libmpio; if so, the database is locked. */
static bool enter(struct connection *connection)
{
	if (connection->database == NULL || connection->mapped)
		return false;
	pthread_mutex_lock(&connection->database->lock);
	return true;
}

static void leave(struct connection *connection)
{
	pthread_mutex_unlock(&connection->database->lock);
}

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
		error = mpio_cache_invalidate(&database->mapping,
					      database->queue, 0, UINT64_MAX);
	if (error == 0 && changed)
		error = mpio_cache_resize(&database->mapping, database->queue,
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

	if (connection->told)
		return 0;
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
 * A lock is given up, and others will read the file. What cannot be written is
 * not committed: SQLite was told so, and its journal restores the file.
 */
static void publish(struct connection *connection)
{
	struct database *database = connection->database;

	if (database->writer != connection ||
	    connection_sync(connection, 0) == SQLITE_OK)
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

	if (connection->file != NULL) {
		pthread_mutex_lock(&database->lock);
		publish(connection);
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

static int read_bytes(struct connection *connection, void *buffer, int n,
		      uint64_t pos)
{
	struct database *database = connection->database;
	uint64_t wanted = (uint64_t)n, there;
	int64_t done;
	int rc = SQLITE_OK;

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

static int x_read(sqlite3_file *file, void *buffer, int n, sqlite3_int64 pos)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xRead(connection->real, buffer, n, pos);
	rc = read_bytes(connection, buffer, n, (uint64_t)pos);
	leave(connection);
	return rc;
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
	if (database->gathers ||
	    (database->held < most && database->held < HELD_MOST))
		return 0;
	error = mpio_cache_writepages(&database->mapping, database->queue,
				      &wbc);
	if (error == 0) {
		database->held = 0;
	} else { /* told now, and not by the next sync again */
		connection->told = true;
		(void)mpio_file_sync_range(connection->file, 1, 1);
		connection->told = false;
	}
	return error;
}

static int write_bytes(struct connection *connection, const void *bytes, int n,
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
	database->dirty = true;
	database->writer = connection;
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

static int x_write(sqlite3_file *file, const void *bytes, int n,
		   sqlite3_int64 pos)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xWrite(connection->real, bytes, n, pos);
	rc = write_bytes(connection, bytes, n, (uint64_t)pos);
	leave(connection);
	return rc;
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
	database->dirty = true;
	database->writer = connection;
	done = mpio_file_write(connection->file, zeros, rest, size);
	return done < 0 ? (int)done : 0;
}

static int truncate_to(struct connection *connection, uint64_t size)
{
	struct database *database = connection->database;
	int error = zero_rest(connection, size);

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

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xTruncate(connection->real, size);
	rc = truncate_to(connection, (uint64_t)size);
	leave(connection);
	return rc;
}

static int x_sync(sqlite3_file *file, int flags)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)->xSync(connection->real, flags);
	rc = connection_sync(connection, flags);
	leave(connection);
	return rc;
}

static int x_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xFileSize(connection->real, size);
	rc = connection_look(connection);
	*size = (sqlite3_int64)connection->database->size;
	leave(connection);
	return rc;
}

/* ---- Locks -------------------------------------------------------------- */

static int x_lock(sqlite3_file *file, int level)
{
	struct connection *connection = connection_of(file);
	bool begins = connection->level == SQLITE_LOCK_NONE;
	int rc = real_methods(connection)->xLock(connection->real, level);

	if (rc != SQLITE_OK)
		return rc;
	if (level > connection->level)
		connection->level = level;
	if (!begins || !enter(connection))
		return SQLITE_OK;
	rc = connection_look(connection);
	leave(connection);
	if (rc != SQLITE_OK) {
		(void)real_methods(connection)
			->xUnlock(connection->real, SQLITE_LOCK_NONE);
		connection->level = SQLITE_LOCK_NONE;
	}
	return rc;
}

static int x_unlock(sqlite3_file *file, int level)
{
	struct connection *connection = connection_of(file);

	if (connection->level >= SQLITE_LOCK_RESERVED &&
	    level < SQLITE_LOCK_RESERVED && enter(connection)) {
		publish(connection);
		leave(connection);
	}
	if (level < connection->level)
		connection->level = level;
	return real_methods(connection)->xUnlock(connection->real, level);
}

static int x_check_reserved_lock(sqlite3_file *file, int *result)
{
	struct connection *connection = connection_of(file);

	return real_methods(connection)
		->xCheckReservedLock(connection->real, result);
}

/* ---- Shared memory of the write-ahead log --------------------------------- */

static int x_shm_map(sqlite3_file *file, int region, int size, int extend,
		     void volatile **memory)
{
	struct connection *connection = connection_of(file);

	return real_methods(connection)
		->xShmMap(connection->real, region, size, extend, memory);
}

/* The first of these locks is the log's writer's, who leaves the file alone. */
#define SHM_WRITE 0

static int x_shm_lock(sqlite3_file *file, int first, int n, int flags)
{
	struct connection *connection = connection_of(file);
	int rc;

	if ((flags & SQLITE_SHM_UNLOCK) && (flags & SQLITE_SHM_EXCLUSIVE) &&
	    enter(connection)) {
		publish(connection);
		leave(connection);
	}
	rc = real_methods(connection)
		     ->xShmLock(connection->real, first, n, flags);
	if (rc == SQLITE_OK && (flags & SQLITE_SHM_LOCK) &&
	    first + n - 1 != SHM_WRITE && enter(connection)) {
		rc = connection_look(connection);
		leave(connection);
		if (rc != SQLITE_OK)
			(void)real_methods(connection)
				->xShmLock(connection->real, first, n,
					   (flags & ~SQLITE_SHM_LOCK) |
						   SQLITE_SHM_UNLOCK);
	}
	return rc;
}

static void x_shm_barrier(sqlite3_file *file)
{
	struct connection *connection = connection_of(file);

	real_methods(connection)->xShmBarrier(connection->real);
}

static int x_shm_unmap(sqlite3_file *file, int remove)
{
	struct connection *connection = connection_of(file);

	return real_methods(connection)->xShmUnmap(connection->real, remove);
}

/* ---- Mapped memory ------------------------------------------------------ */

/*
 * With mmap the default VFS does everything, as another process would. From
 * then on and back again, each sees what the other has left.
 */
static int set_mapped(struct connection *connection, void *argument)
{
	sqlite3_int64 limit = -1;
	int rc;

	if (enter(connection)) {
		publish(connection);
		leave(connection);
	}
	rc = real_methods(connection)
		     ->xFileControl(connection->real, SQLITE_FCNTL_MMAP_SIZE,
				    argument);
	(void)real_methods(connection)
		->xFileControl(connection->real, SQLITE_FCNTL_MMAP_SIZE,
			       &limit);
	connection->mapped = limit > 0;
	if (enter(connection)) {
		(void)connection_look(connection);
		leave(connection);
	}
	return rc;
}

static int x_fetch(sqlite3_file *file, sqlite3_int64 pos, int n, void **memory)
{
	struct connection *connection = connection_of(file);

	*memory = NULL;
	if (connection->database != NULL && !connection->mapped)
		return SQLITE_OK;
	return real_methods(connection)
		->xFetch(connection->real, pos, n, memory);
}

static int x_unfetch(sqlite3_file *file, sqlite3_int64 pos, void *memory)
{
	struct connection *connection = connection_of(file);

	return real_methods(connection)
		->xUnfetch(connection->real, pos, memory);
}

/* ---- What else SQLite says ------------------------------------------------ */

/* PRAGMA mpio: what was done, in words. */
static int say(struct connection *connection, char **arguments)
{
	struct database *database = connection->database;
	const struct mpio_stats *io;
	struct mpio_cache_stats cache;
	char device[512];

	if (strcmp(arguments[1], "mpio") != 0)
		return SQLITE_NOTFOUND;
	if (!enter(connection)) {
		arguments[0] = sqlite3_mprintf("the default VFS does it");
		return SQLITE_OK;
	}
	io = mpio_queue_stats(database->queue);
	cache = mpio_cache_stats(database->cache);
	(void)mpio_device_describe(database->device, device, sizeof(device));
	arguments[0] = sqlite3_mprintf(
		"reads: %llu\nbytes read: %llu\nwrites: %llu\n"
		"bytes written: %llu\nhits: %llu\nmisses: %llu\n%s",
		io->reads, io->bytes_read, io->writes, io->bytes_written,
		cache.hits, cache.misses, device);
	leave(connection);
	return SQLITE_OK;
}

/* Others see it from now on, or it has to survive this process. */
static int write_back(struct connection *connection)
{
	int rc = SQLITE_OK;

	if (enter(connection)) {
		rc = connection_sync(connection, 0);
		connection->database->gathers = false;
		leave(connection);
	}
	return rc;
}

/* The default VFS may have made the file longer. */
static void see_size(struct connection *connection)
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

static int size_hint(struct connection *connection, void *argument)
{
	int rc = real_methods(connection)
			 ->xFileControl(connection->real,
					SQLITE_FCNTL_SIZE_HINT, argument);

	if (enter(connection)) {
		if (connection->level >= SQLITE_LOCK_RESERVED)
			see_size(connection);
		leave(connection);
	}
	return rc;
}

static int x_file_control(sqlite3_file *file, int op, void *argument)
{
	struct connection *connection = connection_of(file);
	int rc = SQLITE_OK;

	switch (op) {
	case SQLITE_FCNTL_SYNC:
	case SQLITE_FCNTL_COMMIT_PHASETWO:
	case SQLITE_FCNTL_CKPT_DONE:
		rc = write_back(connection);
		break;
	case SQLITE_FCNTL_CKPT_START:
		if (enter(connection)) {
			connection->database->gathers = true;
			leave(connection);
		}
		break;
	case SQLITE_FCNTL_MMAP_SIZE:
		return set_mapped(connection, argument);
	case SQLITE_FCNTL_SIZE_HINT:
		return size_hint(connection, argument);
	case SQLITE_FCNTL_PRAGMA:
		rc = say(connection, argument);
		if (rc == SQLITE_OK)
			return rc;
		rc = SQLITE_OK;
		break;
	default:
		break;
	}
	if (rc == SQLITE_OK)
		rc = real_methods(connection)
			     ->xFileControl(connection->real, op, argument);
	if (op == SQLITE_FCNTL_VFSNAME && rc == SQLITE_OK)
		*(char **)argument =
			sqlite3_mprintf("mpio/%z", *(char **)argument);
	if (op == SQLITE_FCNTL_LAST_ERRNO && connection->error != 0)
		*(int *)argument = connection->error;
	return rc;
}

static int x_sector_size(sqlite3_file *file)
{
	struct connection *connection = connection_of(file);

	return real_methods(connection)->xSectorSize(connection->real);
}

/* Writes that are one for the file system are not, once they are cached. */
static int x_device_characteristics(sqlite3_file *file)
{
	struct connection *connection = connection_of(file);
	int all = real_methods(connection)
			  ->xDeviceCharacteristics(connection->real);

	return connection->database == NULL
		       ? all
		       : all & ~(int)SQLITE_IOCAP_BATCH_ATOMIC;
}

static int x_close(sqlite3_file *file)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (connection->database != NULL)
		connection_detach(connection);
	rc = real_methods(connection)->xClose(connection->real);
	if (connection->database != NULL)
		database_close(connection->database);
	connection->database = NULL;
	return rc;
}

const sqlite3_io_methods connection_methods = {
	.iVersion = 3,
	.xClose = x_close,
	.xRead = x_read,
	.xWrite = x_write,
	.xTruncate = x_truncate,
	.xSync = x_sync,
	.xFileSize = x_file_size,
	.xLock = x_lock,
	.xUnlock = x_unlock,
	.xCheckReservedLock = x_check_reserved_lock,
	.xFileControl = x_file_control,
	.xSectorSize = x_sector_size,
	.xDeviceCharacteristics = x_device_characteristics,
	.xShmMap = x_shm_map,
	.xShmLock = x_shm_lock,
	.xShmBarrier = x_shm_barrier,
	.xShmUnmap = x_shm_unmap,
	.xFetch = x_fetch,
	.xUnfetch = x_unfetch,
};

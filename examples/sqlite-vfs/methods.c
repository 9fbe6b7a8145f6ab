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

/* ---- Bytes -------------------------------------------------------------- */

static int x_read(sqlite3_file *file, void *buffer, int n, sqlite3_int64 pos)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xRead(connection->real, buffer, n, pos);
	rc = connection_read(connection, buffer, n, (uint64_t)pos);
	leave(connection);
	return rc;
}

static int x_write(sqlite3_file *file, const void *bytes, int n,
		   sqlite3_int64 pos)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xWrite(connection->real, bytes, n, pos);
	rc = connection_write(connection, bytes, n, (uint64_t)pos);
	leave(connection);
	return rc;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct connection *connection = connection_of(file);
	int rc;

	if (!enter(connection))
		return real_methods(connection)
			->xTruncate(connection->real, size);
	rc = connection_truncate(connection, (uint64_t)size);
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
		connection_publish(connection);
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

/* What the log has gathered lives no longer than this lock. */
static void turn_log(struct connection *connection, bool logs)
{
	if (connection->database == NULL || connection->logs == logs)
		return;
	connection->logs = logs;
	atomic_fetch_add(&connection->database->log_turn, 1);
}

static int x_shm_lock(sqlite3_file *file, int first, int n, int flags)
{
	struct connection *connection = connection_of(file);
	bool writes = first == SHM_WRITE && (flags & SQLITE_SHM_EXCLUSIVE);
	int rc;

	if ((flags & SQLITE_SHM_UNLOCK) && (flags & SQLITE_SHM_EXCLUSIVE) &&
	    enter(connection)) {
		connection_publish(connection);
		leave(connection);
	}
	if (writes && (flags & SQLITE_SHM_UNLOCK))
		turn_log(connection, false);
	rc = real_methods(connection)
		     ->xShmLock(connection->real, first, n, flags);
	if (rc == SQLITE_OK && writes && (flags & SQLITE_SHM_LOCK))
		turn_log(connection, true);
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

/*
 * Who begins to read takes a lock, looks how much of the log is in the file by
 * now, and comes here. A checkpoint may have ended since the lock was taken.
 */
static void x_shm_barrier(sqlite3_file *file)
{
	struct connection *connection = connection_of(file);

	real_methods(connection)->xShmBarrier(connection->real);
	if (enter(connection)) {
		connection->unseen = connection_look(connection);
		leave(connection);
	}
}

static int x_shm_unmap(sqlite3_file *file, int remove)
{
	struct connection *connection = connection_of(file);

	return real_methods(connection)->xShmUnmap(connection->real, remove);
}

/* ---- Mapped memory ------------------------------------------------------ */

/*
 * With mmap the default VFS does everything, as another process would. From
 * then on and back again, each sees what the other has left: in the middle of a
 * transaction, too, which loses nothing if it cannot be written back now. A
 * limit below 0 only asks. A raw device cannot be mapped.
 */
static int set_mapped(struct connection *connection, void *argument)
{
	sqlite3_int64 limit = *(sqlite3_int64 *)argument;
	int rc = SQLITE_OK;

	if (connection->database != NULL &&
	    connection->database->ops == &raw_ops) {
		*(sqlite3_int64 *)argument = 0;
		return SQLITE_OK;
	}
	if (limit > 0 && enter(connection)) {
		if (connection->database->writer == connection)
			rc = connection_sync(connection, 0);
		leave(connection);
	}
	if (rc != SQLITE_OK)
		return rc;
	limit = -1;
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

static int size_hint(struct connection *connection, void *argument)
{
	int rc = real_methods(connection)
			 ->xFileControl(connection->real,
					SQLITE_FCNTL_SIZE_HINT, argument);

	if (enter(connection)) {
		if (connection->level >= SQLITE_LOCK_RESERVED)
			connection_see_size(connection);
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
		rc = write_back(connection);
		break;
	case SQLITE_FCNTL_CKPT_START:
		if (enter(connection)) {
			connection_begin_checkpoint(connection);
			leave(connection);
		}
		break;
	case SQLITE_FCNTL_CKPT_DONE:
		if (enter(connection)) {
			connection_end_checkpoint(connection);
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

	turn_log(connection, false);
	if (connection->database != NULL)
		connection_detach(connection);
	rc = real_methods(connection)->xClose(connection->real);
	if (connection->database != NULL)
		database_close(connection->database);
	connection->database = NULL;
	return rc;
}

/* Of those of a higher version nobody calls more than the default VFS has. */
#define METHODS(version)                                                       \
	{                                                                      \
		.iVersion = version, .xClose = x_close, .xRead = x_read,       \
		.xWrite = x_write, .xTruncate = x_truncate, .xSync = x_sync,   \
		.xFileSize = x_file_size, .xLock = x_lock,                     \
		.xUnlock = x_unlock,                                           \
		.xCheckReservedLock = x_check_reserved_lock,                   \
		.xFileControl = x_file_control, .xSectorSize = x_sector_size,  \
		.xDeviceCharacteristics = x_device_characteristics,            \
		.xShmMap = x_shm_map, .xShmLock = x_shm_lock,                  \
		.xShmBarrier = x_shm_barrier, .xShmUnmap = x_shm_unmap,        \
		.xFetch = x_fetch, .xUnfetch = x_unfetch,                      \
	}

const sqlite3_io_methods *connection_methods(int version)
{
	static const sqlite3_io_methods methods[] = {
		METHODS(1),
		METHODS(2),
		METHODS(3),
	};

	return &methods[version < 3 ? version - 1 : 2];
}

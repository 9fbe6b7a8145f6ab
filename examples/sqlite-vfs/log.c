/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead log: SQLite writes a header and a page for each frame, which
 * here are one write. Nobody may look at frames before the one that commits
 * them is there; so those of a large transaction are gathered, and go to the
 * default VFS's file in large writes, the last one with that frame, which also
 * brings its error to where SQLite expects it. A small transaction may be
 * looked for in the file before it ends, and is not held back.
 *
 *     header page | header page | ... | header page | header that commits, page
 *     \__ write _/ \__ write _/       \______________ one write ____________/
 *
 * Everything else (another place, a read of them, a sync, ...) writes what is
 * gathered first, and goes the usual way.
 *
 * All this is only while this process has the lock of the log's writer. When it
 * is given up, what is still gathered was never committed: others will write
 * their frames to the same place, and it is forgotten.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "private.h"

#include <stdlib.h>
#include <string.h>

/* The default VFS writes no more at once. */
#define ROOM ((size_t)0x1ffff)

/* A transaction is a large one behind so many bytes. */
#define LITTLE (UINT64_C(256) << 10)

/* The layout of a log, as SQLite's documentation of its format has it. */
#define LOG_HEADER 32
#define FRAME_HEADER 24
#define PAGE_SIZE_AT 8   /* in the log's header, 4 bytes, the highest first */
#define COMMIT_SIZE_AT 4 /* in a frame's: 0, unless it commits */

struct log {
	sqlite3_file base;
	sqlite3_file *real;
	struct database *database; /* or NULL: nothing is gathered */
	unsigned int turn;         /* of its lock, when that began */
	unsigned char *bytes;      /* that are gathered */
	size_t length;
	sqlite3_int64 start; /* in the file */
	sqlite3_int64 end;   /* of the last write; -1: there was none */
	uint64_t frames;     /* bytes, since the last that committed */
	uint32_t page_size;  /* 0: not known yet */
	bool in_frame;       /* its header was gathered, its page is next, */
	bool commits;        /* and it commits */
};

static struct log *log_of(sqlite3_file *file)
{
	return (struct log *)file;
}

static uint32_t number_at(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

/* ---- Gathering ---------------------------------------------------------- */

/* Forget what a writer left that is none any more. Whether there is one now. */
static bool is_writing(struct log *log)
{
	unsigned int turn;

	if (log->database == NULL)
		return false;
	turn = atomic_load(&log->database->log_turn);
	if (turn != log->turn) {
		log->length = 0;
		log->frames = 0;
		log->in_frame = false;
		log->end = -1;
	}
	log->turn = turn;
	return turn % 2 != 0;
}

/* What cannot be written is SQLite's to write again: it is told. */
static int write_gathered(struct log *log)
{
	size_t length = is_writing(log) ? log->length : 0;

	log->length = 0;
	log->in_frame = false;
	if (length == 0)
		return SQLITE_OK;
	return log->real->pMethods->xWrite(log->real, log->bytes, (int)length,
					   log->start);
}

static int append(struct log *log, const void *bytes, int n, sqlite3_int64 pos)
{
	int rc;

	if (log->length + (size_t)n > ROOM) {
		rc = write_gathered(log);
		if (rc != SQLITE_OK)
			return rc;
	}
	if (log->length == 0)
		log->start = pos;
	memcpy(log->bytes + log->length, bytes, (size_t)n);
	log->length += (size_t)n;
	return SQLITE_OK;
}

static uint32_t page_size_of(struct log *log)
{
	unsigned char bytes[4];

	if (log->page_size == 0 &&
	    log->real->pMethods->xRead(log->real, bytes, sizeof(bytes),
				       PAGE_SIZE_AT) == SQLITE_OK)
		log->page_size = number_at(bytes);
	return log->page_size;
}

static bool is_frame_header(struct log *log, int n, sqlite3_int64 pos)
{
	uint32_t size;

	if (n != FRAME_HEADER || pos < LOG_HEADER)
		return false;
	size = page_size_of(log);
	return size >= 512 && size <= 65536 &&
	       (pos - LOG_HEADER) % (FRAME_HEADER + size) == 0;
}

static int write_frame_header(struct log *log, const unsigned char *bytes,
			      sqlite3_int64 pos)
{
	int rc = append(log, bytes, FRAME_HEADER, pos);

	log->in_frame = rc == SQLITE_OK;
	log->commits = number_at(bytes + COMMIT_SIZE_AT) != 0;
	return rc;
}

static int write_page(struct log *log, const void *bytes, int n,
		      sqlite3_int64 pos)
{
	int rc = append(log, bytes, n, pos);
	bool hold;

	log->in_frame = false;
	log->frames += (uint64_t)n;
	hold = !log->commits && log->frames > LITTLE;
	if (log->commits)
		log->frames = 0;
	return rc == SQLITE_OK && !hold ? write_gathered(log) : rc;
}

/*
 * Only what goes on where the last write ended is a new frame. Headers are also
 * written alone, over old ones, when frames before them were changed.
 */
static int write_any(struct log *log, const void *bytes, int n,
		     sqlite3_int64 pos)
{
	bool follows = pos == log->end;
	int rc = SQLITE_OK;

	if (log->in_frame && follows && n == (int)log->page_size)
		return write_page(log, bytes, n, pos);
	if (!follows || log->in_frame)
		rc = write_gathered(log);
	if (rc != SQLITE_OK)
		return rc;
	if (log->bytes != NULL && follows && is_frame_header(log, n, pos))
		return write_frame_header(log, bytes, pos);
	rc = write_gathered(log);
	if (rc != SQLITE_OK)
		return rc;
	return log->real->pMethods->xWrite(log->real, bytes, n, pos);
}

static int x_write(sqlite3_file *file, const void *bytes, int n,
		   sqlite3_int64 pos)
{
	struct log *log = log_of(file);
	int rc;

	if (pos == 0)
		log->page_size = 0; /* a new log begins */
	if (!is_writing(log))
		return log->real->pMethods->xWrite(log->real, bytes, n, pos);
	if (log->bytes == NULL)
		log->bytes = malloc(ROOM);
	rc = write_any(log, bytes, n, pos);
	log->end = rc == SQLITE_OK ? pos + n : -1;
	return rc;
}

/* ---- Everything else ---------------------------------------------------- */

static int x_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 pos)
{
	struct log *log = log_of(file);
	int rc = SQLITE_OK;

	if (log->length != 0 && pos + n > log->start)
		rc = write_gathered(log);
	if (rc != SQLITE_OK)
		return rc;
	return log->real->pMethods->xRead(log->real, bytes, n, pos);
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct log *log = log_of(file);
	int rc = write_gathered(log);

	log->page_size = 0;
	if (rc != SQLITE_OK)
		return rc;
	return log->real->pMethods->xTruncate(log->real, size);
}

static int x_sync(sqlite3_file *file, int flags)
{
	struct log *log = log_of(file);
	int rc = write_gathered(log);

	if (rc != SQLITE_OK)
		return rc;
	return log->real->pMethods->xSync(log->real, flags);
}

static int x_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct log *log = log_of(file);
	int rc = write_gathered(log);

	if (rc != SQLITE_OK)
		return rc;
	return log->real->pMethods->xFileSize(log->real, size);
}

static int x_close(sqlite3_file *file)
{
	struct log *log = log_of(file);
	int rc;

	rc = log->real->pMethods->xClose(log->real);
	if (log->database != NULL)
		database_close(log->database);
	free(log->bytes);
	return rc;
}

static int x_lock(sqlite3_file *file, int level)
{
	struct log *log = log_of(file);

	return log->real->pMethods->xLock(log->real, level);
}

static int x_unlock(sqlite3_file *file, int level)
{
	struct log *log = log_of(file);

	return log->real->pMethods->xUnlock(log->real, level);
}

static int x_check_reserved_lock(sqlite3_file *file, int *result)
{
	struct log *log = log_of(file);

	return log->real->pMethods->xCheckReservedLock(log->real, result);
}

static int x_file_control(sqlite3_file *file, int op, void *argument)
{
	struct log *log = log_of(file);

	return log->real->pMethods->xFileControl(log->real, op, argument);
}

static int x_sector_size(sqlite3_file *file)
{
	struct log *log = log_of(file);

	return log->real->pMethods->xSectorSize(log->real);
}

static int x_device_characteristics(sqlite3_file *file)
{
	struct log *log = log_of(file);

	return log->real->pMethods->xDeviceCharacteristics(log->real);
}

static const sqlite3_io_methods log_methods = {
	.iVersion = 1,
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
};

_Static_assert(sizeof(struct log) <= FILE_ROOM, "a file of ours has that");

/* That of the log's name without its end. */
static struct database *database_of(const char *name)
{
	static const char end[] = "-wal";
	size_t length = name != NULL ? strlen(name) : 0;
	struct database *database;
	char *path;

	if (length < strlen(end) ||
	    strcmp(name + length - strlen(end), end) != 0)
		return NULL;
	path = strndup(name, length - strlen(end));
	database = path != NULL ? database_find(path) : NULL;
	free(path);
	return database;
}

void log_init(sqlite3_file *file, sqlite3_file *real, const char *name)
{
	*log_of(file) = (struct log){
		.base.pMethods = &log_methods,
		.real = real,
		.database = database_of(name),
		.end = -1,
	};
}

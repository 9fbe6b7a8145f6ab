/* SPDX-License-Identifier: MIT */
/*
 * The VFS: main database files are ours, everything else is handed to the VFS
 * that was the default one.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

static sqlite3_vfs *below; /* the VFS that was the default */

/* ---- Opening ------------------------------------------------------------ */

_Static_assert(sizeof(struct connection) <= FILE_ROOM,
	       "a file of ours has that");

/* Whether the file below is not the one of that name any more: then the name
 * may have led to another one, which its locks do not keep. */
static bool is_replaced(const struct connection *connection)
{
	sqlite3_file *real = connection->real;
	int moved = 0;

	return real->pMethods->xFileControl(real, SQLITE_FCNTL_HAS_MOVED,
					    &moved) == SQLITE_OK &&
	       moved != 0;
}

/* The database of the file that is open by the VFS below. */
static int open_same(struct connection *connection, const char *name, int flags,
		     const struct options *options)
{
	int rc = database_open(name, (flags & SQLITE_OPEN_READWRITE) != 0,
			       options, &connection->database);

	if (rc != SQLITE_OK || !is_replaced(connection))
		return rc;
	sqlite3_log(SQLITE_WARNING, "mpio: replaced while it was opened: %s",
		    name);
	database_close(connection->database);
	connection->database = NULL;
	return SQLITE_NOTFOUND;
}

/* The file is open by the VFS below: open it by libmpio, too. */
static int join(struct connection *connection, const char *name, int flags)
{
	struct options options;
	int rc;

	if (!options_read(&options, name))
		return SQLITE_CANTOPEN;
	rc = open_same(connection, name, flags, &options);
	if (rc == SQLITE_NOTFOUND && options.device[0] == '\0')
		return SQLITE_OK;
	if (rc != SQLITE_OK)
		return rc == SQLITE_NOTFOUND ? SQLITE_CANTOPEN : rc;
	rc = connection_attach(connection);
	if (rc != SQLITE_OK) {
		connection_detach(connection);
		database_close(connection->database);
		connection->database = NULL;
	}
	return rc;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return (sqlite3_file *)((char *)file + FILE_ROOM);
}

static int open_log(const char *name, sqlite3_file *file, int flags,
		    int *flags_out)
{
	sqlite3_file *real = real_of(file);
	int rc;

	real->pMethods = NULL;
	rc = below->xOpen(below, name, real, flags, flags_out);
	if (real->pMethods != NULL)
		log_init(file, real, name);
	return rc;
}

static int open_database(const char *name, sqlite3_file *file, int flags,
			 int *flags_out)
{
	struct connection *connection = (struct connection *)file;
	int got = flags;
	int rc;

	*connection = (struct connection){
		.real = real_of(file),
	};
	connection->real->pMethods = NULL;
	rc = below->xOpen(below, name, connection->real, flags, &got);
	if (rc == SQLITE_OK && connection->real->pMethods->iVersion >= 3)
		rc = join(connection, name, got);
	if (rc != SQLITE_OK) {
		if (connection->real->pMethods != NULL)
			(void)connection->real->pMethods->xClose(
				connection->real);
		return rc;
	}
	connection->base.pMethods =
		connection_methods(connection->real->pMethods->iVersion);
	if (flags_out != NULL)
		*flags_out = got;
	return SQLITE_OK;
}

static int x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		  int flags, int *flags_out)
{
	(void)vfs;
	file->pMethods = NULL;
	if (name != NULL && (flags & SQLITE_OPEN_MAIN_DB))
		return open_database(name, file, flags, flags_out);
	if (flags & SQLITE_OPEN_WAL)
		return open_log(name, file, flags, flags_out);
	return below->xOpen(below, name, file, flags, flags_out);
}

/* ---- Handed on ---------------------------------------------------------- */

static int x_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	return below->xDelete(below, name, sync);
}

static int x_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	(void)vfs;
	return below->xAccess(below, name, flags, result);
}

static int x_full_pathname(sqlite3_vfs *vfs, const char *name, int n,
			   char *path)
{
	(void)vfs;
	return below->xFullPathname(below, name, n, path);
}

static void *x_dl_open(sqlite3_vfs *vfs, const char *name)
{
	(void)vfs;
	return below->xDlOpen(below, name);
}

static void x_dl_error(sqlite3_vfs *vfs, int n, char *message)
{
	(void)vfs;
	below->xDlError(below, n, message);
}

static void (*x_dl_sym(sqlite3_vfs *vfs, void *library,
		       const char *symbol))(void)
{
	(void)vfs;
	return below->xDlSym(below, library, symbol);
}

static void x_dl_close(sqlite3_vfs *vfs, void *library)
{
	(void)vfs;
	below->xDlClose(below, library);
}

static int x_randomness(sqlite3_vfs *vfs, int n, char *bytes)
{
	(void)vfs;
	return below->xRandomness(below, n, bytes);
}

static int x_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return below->xSleep(below, us);
}

static int x_current_time(sqlite3_vfs *vfs, double *days)
{
	(void)vfs;
	return below->xCurrentTime(below, days);
}

static int x_get_last_error(sqlite3_vfs *vfs, int n, char *message)
{
	(void)vfs;
	return below->xGetLastError(below, n, message);
}

static int x_current_time_64(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	(void)vfs;
	return below->xCurrentTimeInt64(below, ms);
}

static int x_set_system_call(sqlite3_vfs *vfs, const char *name,
			     sqlite3_syscall_ptr call)
{
	(void)vfs;
	return below->xSetSystemCall(below, name, call);
}

static sqlite3_syscall_ptr x_get_system_call(sqlite3_vfs *vfs, const char *name)
{
	(void)vfs;
	return below->xGetSystemCall(below, name);
}

static const char *x_next_system_call(sqlite3_vfs *vfs, const char *name)
{
	(void)vfs;
	return below->xNextSystemCall(below, name);
}

/* ---- Registering -------------------------------------------------------- */

static sqlite3_vfs ours = {
	.iVersion = 3,
	.zName = "mpio",
	.xOpen = x_open,
	.xDelete = x_delete,
	.xAccess = x_access,
	.xFullPathname = x_full_pathname,
	.xDlOpen = x_dl_open,
	.xDlError = x_dl_error,
	.xDlSym = x_dl_sym,
	.xDlClose = x_dl_close,
	.xRandomness = x_randomness,
	.xSleep = x_sleep,
	.xCurrentTime = x_current_time,
	.xGetLastError = x_get_last_error,
	.xCurrentTimeInt64 = x_current_time_64,
	.xSetSystemCall = x_set_system_call,
	.xGetSystemCall = x_get_system_call,
	.xNextSystemCall = x_next_system_call,
};

int mpiovfs_register(int make_default)
{
	if (sqlite3_vfs_find(ours.zName) == NULL) {
		below = sqlite3_vfs_find(NULL);
		if (below == NULL || below->iVersion < 3)
			return SQLITE_ERROR;
		if (ours.szOsFile == 0) {
			(void)atexit(database_rescue);
			database_survive_fork();
		}
		ours.szOsFile = (int)FILE_ROOM + below->szOsFile;
		ours.mxPathname = below->mxPathname;
	}
	return sqlite3_vfs_register(&ours, make_default);
}

int mpiovfs_extra_init(const char *unused)
{
	(void)unused;
	return mpiovfs_register(1);
}

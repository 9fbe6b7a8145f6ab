/* SPDX-License-Identifier: MIT */
/*
 * The two ways into programs that know nothing of this: '.load ./mpiovfs', and
 * LD_PRELOAD.
 */
#include "private.h"

#ifdef MPIOVFS_LOADABLE

SQLITE_EXTENSION_INIT1

/* By the file's name, as SQLite looks for it. */
__attribute__((visibility("default"))) int
sqlite3_mpiovfs_init(sqlite3 *db, char **message,
		     const sqlite3_api_routines *api);

int sqlite3_mpiovfs_init(sqlite3 *db, char **message,
			 const sqlite3_api_routines *api)
{
	int rc;

	(void)db;
	SQLITE_EXTENSION_INIT2(api);
	rc = mpiovfs_register(1);
	if (rc != SQLITE_OK) {
		*message = sqlite3_mprintf("no default VFS to build on");
		return rc;
	}
	return SQLITE_OK_LOAD_PERMANENTLY;
}

#else

__attribute__((constructor)) static void preloaded(void)
{
	if (sqlite3_initialize() == SQLITE_OK)
		(void)mpiovfs_register(1);
}

#endif

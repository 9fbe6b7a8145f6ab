/* SPDX-License-Identifier: MIT */
/*
 * mpiovfs: SQLite's main database files through libmpio. For programs that
 * are linked with libmpiovfs.a; a loaded extension registers itself.
 */
#ifndef MPIOVFS_H
#define MPIOVFS_H

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_device;

/* Register the VFS `mpio` on top of what is the default VFS now, and perhaps
 * make it the default. SQLITE_OK, or an error of SQLite. Again: no harm. */
int mpiovfs_register(int make_default);

/* The same as default VFS; for -DSQLITE_EXTRA_INIT=mpiovfs_extra_init. */
int mpiovfs_extra_init(const char *unused);

/*
 * Let databases be opened on a device of the program's own, by
 * 'mpio_device=NAME'. NULL takes it back. The device stays the program's; it
 * is open as long as any database is on it. One at a time, of up to 31 bytes
 * of name. 0, or -1: no such name.
 */
int mpiovfs_lend_device(const char *name, struct mpio_device *device);

#ifdef __cplusplus
}
#endif
#endif

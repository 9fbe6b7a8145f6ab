/* SPDX-License-Identifier: MIT */
/*
 * Disks: all that this process has open.
 *
 * Programs open one disk several times: to look at it, to write its journal,
 * to undo. They get one cache, or the one would not see what the other wrote.
 *
 * Some programs open a disk and then fork, to go on as a daemon; and some exit
 * without closing it. What they have written is written back before a fork, and
 * at the exit of the process that wrote it.
 */
#include "e2io.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disk *disks;

/* ---- Fork and exit ------------------------------------------------------ */

/*
 * Nothing may be in flight: it would end in the parent alone. And nothing may
 * be dirty: both would write it, and the later one might undo what the other
 * has written there since.
 */
static void before_fork(void)
{
	for (struct disk *disk = disks; disk != NULL; disk = disk->next) {
		if (disk->forked)
			continue;
		(void)mpio_queue_drain(disk->queue);
		/* What fails stays, and is told of by the next flush. */
		(void)disk_write_back(disk, 0, 0);
	}
}

static void in_child(void)
{
	for (struct disk *disk = disks; disk != NULL; disk = disk->next)
		disk->forked = true;
}

/* A child that never used its copy has nothing to write. */
static void at_exit(void)
{
	for (struct disk *disk = disks; disk != NULL; disk = disk->next) {
		if (disk->forked || disk->pid != getpid())
			continue;
		if (disk_write_back(disk, 0, 0) != 0)
			fprintf(stderr, "%s: not all could be written\n",
				disk->name);
		disk_report(disk);
	}
}

static int install_hooks(void)
{
	static bool done;

	if (done)
		return 0;
	if (pthread_atfork(before_fork, NULL, in_child) != 0 ||
	    atexit(at_exit) != 0)
		return -MPIO_ENOMEM;
	done = true;
	return 0;
}

/* ---- By name ------------------------------------------------------------ */

static bool is_same_file(const struct disk *disk, const struct stat *st)
{
	if (S_ISBLK(st->st_mode))
		return disk->block_device && disk->dev == st->st_rdev;
	return !disk->block_device && disk->dev == st->st_dev &&
	       disk->inode == st->st_ino;
}

static struct disk *find(const char *name)
{
	struct stat st;
	bool there = stat(name, &st) == 0;

	for (struct disk *disk = disks; disk != NULL; disk = disk->next) {
		if (disk->own ? there && is_same_file(disk, &st)
			      : strcmp(disk->name, name) == 0)
			return disk;
	}
	return NULL;
}

/* One that is open, for one more channel. */
static int share(struct disk *disk, int flags)
{
	int error = disk_wake(disk);

	if (error != 0)
		return error;
	if ((flags & IO_FLAG_RW) && !disk->writable)
		error = disk_make_writable(disk);
	if (error == 0)
		disk->users++;
	return error;
}

static int open_new(const char *name, int flags, struct disk **disk)
{
	struct disk *opened = malloc(sizeof(*opened));
	int error;

	if (opened == NULL)
		return -MPIO_ENOMEM;
	error = disk_open(opened, name, flags);
	if (error != 0) {
		free(opened);
		return error;
	}
	opened->users = 1;
	opened->next = disks;
	disks = opened;
	*disk = opened;
	return 0;
}

int disks_get(const char *name, int flags, struct disk **disk)
{
	int error = install_hooks();

	if (error != 0)
		return error;
	*disk = find(name);
	return *disk != NULL ? share(*disk, flags)
			     : open_new(name, flags, disk);
}

void disks_put(struct disk *disk)
{
	struct disk **place = &disks;

	if (--disk->users != 0)
		return;
	while (*place != disk)
		place = &(*place)->next;
	*place = disk->next;
	disk_close(disk);
	free(disk);
}

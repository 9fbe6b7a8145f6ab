/* SPDX-License-Identifier: MIT */
/*
 * Databases: what all connections of this process to one file share.
 *
 * One device, one queue and one cache, used under one lock: a page that one
 * connection has read, or is still reading, is there for the others.
 *
 * POSIX locks, by which the default VFS keeps processes apart, have a trap:
 * closing any descriptor of a file drops all locks that the process has on it.
 * So a database has one descriptor of its own, the device is opened through
 * that, and both are closed when the last connection is gone and nobody has a
 * lock: the program may have connections by other VFSs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct database *list;

static char lent_name[32];
static struct mpio_device *lent;

int mpiovfs_lend_device(const char *name, struct mpio_device *device)
{
	if (strlen(name) >= sizeof(lent_name) || *name == '\0')
		return -1;
	pthread_mutex_lock(&list_lock);
	memcpy(lent_name, name, strlen(name) + 1);
	lent = device;
	pthread_mutex_unlock(&list_lock);
	return 0;
}

struct mpio_device *lent_device(const char *name)
{
	return lent != NULL && strcmp(name, lent_name) == 0 ? lent : NULL;
}

/* ---- Device, queue, cache ----------------------------------------------- */

static const char *plain_backend(const struct options *options)
{
	return options->backend[0] != '\0' ? options->backend : "file";
}

static int open_plain(struct database *database, const struct options *options,
		      bool direct)
{
	const char *backend = plain_backend(options);
	char uri[128];

	snprintf(uri, sizeof(uri),
		 "%s:/proc/self/fd/%d?grows=1&direct=%d&readonly=%d%s", backend,
		 database->fd, direct, !database->writable,
		 strcmp(backend, "io_uring") == 0 ? "&roaming=1" : "");
	return mpio_device_open(uri, &database->device);
}

static int open_device(struct database *database, const struct options *options)
{
	int error;

	if (options->device[0] != '\0') {
		database->ops = &raw_ops;
		database->device = lent_device(options->device);
		database->lent = database->device != NULL;
		return database->lent ? 0
				      : mpio_device_open(options->device,
							 &database->device);
	}
	database->ops = &plain_ops;
	error = open_plain(database, options, options->direct);
	if (error != -MPIO_EINVAL || !options->direct)
		return error;
	sqlite3_log(SQLITE_WARNING, "mpio: no direct I/O on this file system");
	return open_plain(database, options, false);
}

/* As large as the database's own pages, if they are larger than memory's. */
static uint32_t choose_page_size(const struct database *database)
{
	unsigned char bytes[2] = {0, 0};
	uint32_t size;

	if (database->ops != &plain_ops ||
	    pread(database->fd, bytes, sizeof(bytes), 16) != sizeof(bytes))
		return 4096;
	size = (uint32_t)bytes[0] << 8 | bytes[1];
	if (size == 1) /* which stands for 64 KiB */
		size = 65536;
	return size > 4096 && (size & (size - 1)) == 0 ? size : 4096;
}

static int open_cache(struct database *database, const struct options *options)
{
	uint32_t page_size = choose_page_size(database);
	uint64_t count = options->cache / page_size;
	struct mpio_cache_config config = {
		.page_size = page_size,
		.allocator = &database->allocator,
	};
	int error;

	if (count > (UINT32_C(1) << 31))
		return -MPIO_ENOMEM;
	error = mpio_frames_alloc(&database->frames, page_size, (size_t)count);
	if (error != 0)
		return error;
	config.frame_count = (uint32_t)count;
	config.frame_memory = database->frames.base;
	return mpio_cache_open(&config, &database->cache);
}

/* Blocks as small as the device and the cache allow. */
static uint32_t choose_block_size(const struct database *database)
{
	uint32_t least =
		mpio_cache_page_size(database->cache) / MPIO_CACHE_BLOCKS_MAX;
	uint32_t block = database->device->limits.logical_block_size;

	if (block < 512)
		block = 512;
	return block > least ? block : least;
}

static int attach(struct database *database)
{
	uint32_t block = choose_block_size(database);

	/* A disk of larger blocks than the cache's pages has to cut them. */
	if (block > mpio_cache_page_size(database->cache))
		block = mpio_cache_page_size(database->cache);
	database->mapping_ops.get_block = database->ops->get_block;
	database->mapping.mapping = (struct mpio_mapping){
		.ops = &database->mapping_ops,
		.host = database,
		.block_size = block,
	};
	return mpio_cache_attach(database->cache, &database->mapping);
}

static int open_queue(struct database *database)
{
	struct mpio_queue_config config = {.allocator = &database->allocator};

	return mpio_queue_open(database->device, &config, &database->queue);
}

static void shut(struct database *database)
{
	if (database->mapping.cache != NULL) {
		(void)mpio_cache_drop(&database->mapping, database->queue, 0,
				      UINT64_MAX);
		(void)mpio_cache_detach(&database->mapping, database->queue);
	}
	mpio_cache_close(database->cache);
	mpio_queue_close(database->queue);
	if (!database->lent)
		mpio_device_close(database->device);
	mpio_frames_free(&database->frames);
	database->cache = NULL;
	database->queue = NULL;
	database->device = NULL;
	database->mapping = (struct mpio_cache_mapping){0};
}

static int start(struct database *database, const struct options *options)
{
	int error;

	database->allocator = mpio_allocator_libc();
	database->readahead = options->readahead;
	error = open_device(database, options);
	if (error == 0)
		error = open_queue(database);
	if (error == 0)
		error = open_cache(database, options);
	if (error == 0)
		error = attach(database);
	if (error != 0) {
		sqlite3_log(SQLITE_CANTOPEN, "mpio: cannot open: %s",
			    mpio_strerror(error));
		shut(database);
	}
	return error;
}

/* ---- The list ----------------------------------------------------------- */

bool database_is_strange(const struct database *database)
{
	return database->process != getpid();
}

static void lock_list(void)
{
	pthread_mutex_lock(&list_lock);
}

static void unlock_list(void)
{
	pthread_mutex_unlock(&list_lock);
}

void database_survive_fork(void)
{
	(void)pthread_atfork(lock_list, unlock_list, unlock_list);
}

static struct database *find(const struct stat *st)
{
	struct database *database = list;

	while (database != NULL &&
	       (database->dev != st->st_dev || database->ino != st->st_ino ||
		database_is_strange(database)))
		database = database->next;
	return database;
}

/* One device has one file of locks, and that file one device. */
static bool is_mixed_up(const struct database *database,
			const struct options *options)
{
	const struct database *other;

	if (strcmp(database->name, options->device) != 0)
		return true;
	if (database->name[0] == '\0')
		return false;
	for (other = list; other != NULL; other = other->next) {
		if (other != database && other->users != 0 &&
		    !database_is_strange(other) &&
		    strcmp(other->name, database->name) == 0)
			return true;
	}
	return false;
}

/* To write, if that can be: others may come who want to. */
static bool open_file(struct database *database, int at)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", at);
	database->fd = open(name, O_RDWR | O_CLOEXEC);
	database->writable = database->fd >= 0;
	if (database->fd < 0)
		database->fd = open(name, O_RDONLY | O_CLOEXEC);
	return database->fd >= 0;
}

static int make(const struct stat *st, int at, const struct options *options,
		struct database **made)
{
	struct database *database = calloc(1, sizeof(*database));
	int error;

	if (database == NULL)
		return SQLITE_NOMEM;
	if (!open_file(database, at)) {
		sqlite3_log(SQLITE_CANTOPEN, "mpio: cannot open: %s",
			    strerror(errno));
		free(database);
		return SQLITE_NOTFOUND;
	}
	pthread_mutex_init(&database->lock, NULL);
	database->dev = st->st_dev;
	database->ino = st->st_ino;
	database->process = getpid();
	memcpy(database->name, options->device, sizeof(database->name));
	database->next = list;
	list = database;
	*made = database;
	error = start(database, options);
	if (error == 0)
		return SQLITE_OK;
	/* Where there is no /proc or no memory, the default VFS may do. */
	return database->ops == &plain_ops &&
			       (error == -MPIO_ENOENT || error == -MPIO_ENOMEM)
		       ? SQLITE_NOTFOUND
		       : SQLITE_CANTOPEN;
}

/* Whether anybody has a lock, in this process or another. */
static bool is_locked(const struct database *database)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(database->fd, F_OFD_GETLK, &lock) == 0 &&
	       lock.l_type != F_UNLCK;
}

static void unmake(struct database *database)
{
	struct database **at = &list;

	while (*at != database)
		at = &(*at)->next;
	*at = database->next;
	if (database_is_strange(database))
		return;
	if (database->device != NULL)
		shut(database);
	close(database->fd);
	pthread_mutex_destroy(&database->lock);
	free(database);
}

/*
 * With the list locked. The name is looked up once: what is opened is what was
 * not open yet, whoever replaces it. Closing what only stands for a path, and
 * opens no file, drops no locks.
 */
static int find_or_make(const char *path, const struct options *options,
			struct database **database)
{
	int at = open(path, O_PATH | O_CLOEXEC);
	int rc = SQLITE_NOTFOUND;
	struct stat st;

	if (at < 0)
		return SQLITE_NOTFOUND;
	if (fstat(at, &st) == 0 && S_ISREG(st.st_mode)) {
		*database = find(&st);
		rc = *database != NULL ? SQLITE_OK
				       : make(&st, at, options, database);
	}
	close(at);
	return rc;
}

/* Close what nobody uses, now or when locks are gone. */
static void tidy(void)
{
	struct database *next;

	for (struct database *database = list; database != NULL;
	     database = next) {
		next = database->next;
		if (database->users == 0 &&
		    (database_is_strange(database) || !is_locked(database)))
			unmake(database);
	}
}

int database_open(const char *path, bool writable,
		  const struct options *options, struct database **database)
{
	struct database *found = NULL;
	int rc;

	pthread_mutex_lock(&list_lock);
	rc = find_or_make(path, options, &found);
	if (rc == SQLITE_OK && is_mixed_up(found, options)) {
		sqlite3_log(SQLITE_CANTOPEN,
			    "mpio: the file or the device is in use with "
			    "another one");
		rc = SQLITE_CANTOPEN;
	}
	if (rc == SQLITE_OK &&
	    (found->device == NULL || (writable && !found->writable)))
		rc = SQLITE_NOTFOUND;
	if (rc == SQLITE_OK) {
		found->users++;
		*database = found;
	}
	tidy();
	pthread_mutex_unlock(&list_lock);
	return rc;
}

struct database *database_find(const char *path)
{
	struct database *found = NULL;
	struct stat st;

	pthread_mutex_lock(&list_lock);
	if (stat(path, &st) == 0)
		found = find(&st);
	if (found != NULL)
		found->users++;
	pthread_mutex_unlock(&list_lock);
	return found;
}

void database_close(struct database *database)
{
	pthread_mutex_lock(&list_lock);
	database->users--;
	tidy();
	pthread_mutex_unlock(&list_lock);
}

static void rescue(struct database *database)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
	};

	if (mpio_cache_writepages(&database->mapping, database->queue, &wbc) ==
	    0)
		(void)database->ops->settle(database);
}

/*
 * A program that exits with a transaction open has written some pages with the
 * default VFS, and its journal says which; so it is here.
 */
void database_rescue(void)
{
	struct database *database;

	if (pthread_mutex_trylock(&list_lock) != 0)
		return;
	for (database = list; database != NULL; database = database->next) {
		if (database_is_strange(database) ||
		    pthread_mutex_trylock(&database->lock) != 0)
			continue;
		if (database->dirty && database->device != NULL)
			rescue(database);
		pthread_mutex_unlock(&database->lock);
	}
	pthread_mutex_unlock(&list_lock);
}

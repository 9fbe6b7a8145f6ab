/* SPDX-License-Identifier: MIT */
/*
 * Disk: a device with a queue and a cache over all of it, as one file whose
 * blocks lie where they lie.
 *
 * A file that is to be written after all, and one whose queue belongs to the
 * process before a fork, get another device and queue below the same cache; so
 * do some that have become larger.
 */
#include "e2io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_DEPTH 64u
#define DIRECT_UNIT 4096u /* the most that a disk wants at once */

/* ---- What the library asks ---------------------------------------------- */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping, (void)page, (void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = block;
	return 0;
}

static const struct mpio_mapping_ops mapping_ops = {.get_block = get_block};

/* An I/O has ended, perhaps for the first time of several. */
static void on_event(void *ctx, const struct mpio_event *event)
{
	struct disk *disk = ctx;
	const struct mpio_bio *bio = event->bio;

	if (event->type != MPIO_EVENT_END || bio->op != MPIO_BIO_WRITE)
		return;
	disk->unflushed = true;
	if (event->status != 0)
		failed_add(&disk->failed, bio->offset,
			   bio->offset + bio->length);
	else if (disk->failed.count != 0)
		failed_remove(&disk->failed, bio->offset,
			      bio->offset + bio->length);
}

/* ---- Device and queue --------------------------------------------------- */

/* How large the file is; 0: it is no file, or cannot be asked. */
static uint64_t file_size(const struct disk *disk)
{
	struct stat st;

	if (!disk->own || disk->block_device || fstat(disk->fd, &st) != 0)
		return 0;
	return (uint64_t)st.st_size;
}

/* A file's device grows with it if its blocks end where it does: they are
 * written whole. */
static bool ends_whole(const struct disk *disk, uint64_t size)
{
	return size % (disk->settings.direct ? DIRECT_UNIT : E2IO_BLOCK) == 0;
}

/* The URI with what this way of opening asks for. */
static int open_uri(const struct disk *disk, struct mpio_device **device)
{
	const char *options[] = {disk->settings.direct ? "direct=1" : NULL,
				 disk->writable ? NULL : "readonly=1",
				 disk->grows ? "grows=1" : NULL};
	char *uri = strdup(disk->uri);
	int error;

	for (size_t i = 0; i < 3 && disk->own && uri != NULL; i++) {
		char *plain = uri;

		if (options[i] == NULL)
			continue;
		uri = uri_with(plain, options[i]);
		free(plain);
	}
	if (uri == NULL)
		return -MPIO_ENOMEM;
	error = mpio_device_open(uri, device);
	free(uri);
	return error;
}

static int open_device(struct disk *disk, struct mpio_device **device,
		       struct mpio_queue **queue)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {
		.bios = QUEUE_DEPTH,
		.event = disk->writable ? on_event : NULL,
		.event_ctx = disk,
		.allocator = &allocator,
	};
	bool grew = disk->grows;
	int error;

	disk->grows = disk->own && !disk->block_device &&
		      disk->settings.uri == NULL &&
		      ends_whole(disk, file_size(disk));
	error = open_uri(disk, device);
	if (error == 0) {
		error = mpio_queue_open(*device, &config, queue);
		if (error != 0)
			mpio_device_close(*device);
	}
	if (error != 0)
		disk->grows = grew;
	return error;
}

static void add_stats(struct mpio_stats *sum, const struct mpio_stats *more)
{
	sum->reads += more->reads;
	sum->writes += more->writes;
	sum->flushes += more->flushes;
	sum->discards += more->discards;
	sum->bytes_read += more->bytes_read;
	sum->bytes_written += more->bytes_written;
	sum->errors += more->errors;
	sum->commits += more->commits;
	sum->waits += more->waits;
}

static void close_device(struct disk *disk)
{
	add_stats(&disk->before, mpio_queue_stats(disk->queue));
	mpio_queue_close(disk->queue);
	mpio_device_close(disk->device);
}

/*
 * Another device and queue in place of those that there are. After a fork the
 * old ones are left alone: they belong to the parent.
 */
static int exchange_device(struct disk *disk)
{
	struct mpio_device *device;
	struct mpio_queue *queue;
	int error;

	if (!disk->forked)
		(void)mpio_queue_drain(disk->queue);
	error = open_device(disk, &device, &queue);
	if (error != 0)
		return error;
	for (struct channel *channel = disk->channels; channel != NULL;
	     channel = channel->next)
		mpio_file_set_queue(&channel->file, queue);
	if (!disk->forked)
		close_device(disk);
	disk->device = device;
	disk->queue = queue;
	disk->forked = false;
	disk->pid = getpid();
	return 0;
}

int disk_wake(struct disk *disk)
{
	int error = disk->forked ? exchange_device(disk) : 0;

	if (error == 0)
		disk_send_announced(disk);
	return error;
}

/* A block device may be opened to be written, and not take it. */
static int check_writable(int fd)
{
	int readonly = 0;

	return ioctl(fd, BLKROGET, &readonly) == 0 && readonly != 0
		       ? -MPIO_EPERM
		       : 0;
}

int disk_make_writable(struct disk *disk)
{
	int fd, error;

	if (!disk->own)
		return -MPIO_EROFS;
	fd = open(disk->name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return mpio_error_from_host(errno);
	error = check_writable(fd);
	if (error == 0) {
		disk->writable = true;
		error = exchange_device(disk);
	}
	if (error != 0) {
		disk->writable = false;
		close(fd);
		return error;
	}
	/* An exclusive hold on the old one is held on. */
	if (!disk->block_device) {
		close(disk->fd);
		disk->fd = fd;
	} else {
		close(fd);
	}
	return 0;
}

/* ---- Size --------------------------------------------------------------- */

static uint64_t size_of(const struct disk *disk)
{
	return disk->grows ? file_size(disk) : disk->device->size;
}

/*
 * The page that the disk ended in is written as far as it went: behind that the
 * cache has zeros, where the file may have other bytes now.
 */
static int write_end(struct disk *disk)
{
	uint64_t size = disk->file.mapping.size;
	uint64_t page = size - size % disk->settings.page_size;

	if (page == size)
		return 0;
	(void)mpio_queue_drain(disk->queue);
	return disk_write_back(disk, page, 0);
}

/* The file has become larger; some devices have to be opened anew. */
static int take_size(struct disk *disk)
{
	int error = write_end(disk);

	if (error == 0 && (!disk->grows || !ends_whole(disk, file_size(disk))))
		error = exchange_device(disk);
	return error != 0 ? error
			  : mpio_cache_renew(&disk->file, disk->queue,
					     UINT64_MAX, size_of(disk));
}

int disk_follow(struct disk *disk)
{
	uint64_t before = disk->file.mapping.size;
	int error;

	if (file_size(disk) <= before)
		return 0;
	error = take_size(disk);
	return error != 0 ? error : disk->file.mapping.size > before;
}

int disk_grow(struct disk *disk, uint64_t size)
{
	int result;

	if (disk->file.mapping.size >= size)
		return 0;
	result = disk_follow(disk);
	if (result < 0 || disk->file.mapping.size >= size)
		return result < 0 ? result : 0;
	if (!disk->own || disk->block_device || !disk->writable ||
	    size > INT64_MAX)
		return -MPIO_ENOSPC;
	if (file_size(disk) < size && ftruncate(disk->fd, (off_t)size) != 0)
		return mpio_error_from_host(errno);
	result = take_size(disk);
	if (result == 0 && disk->file.mapping.size < size)
		return -MPIO_ENOSPC;
	return result;
}

/* ---- Opening and closing ------------------------------------------------ */

static int open_cache(struct disk *disk)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	const struct settings *settings = &disk->settings;
	uint64_t frames = settings->cache_bytes / settings->page_size;
	struct mpio_cache_config config = {
		.page_size = settings->page_size,
		.frame_count = (uint32_t)(frames < 64 ? 64 : frames),
		.allocator = &allocator,
	};
	int error;

	if (frames > UINT32_MAX / 2)
		return -MPIO_ENOMEM;
	error = mpio_cache_open(&config, &disk->cache);
	if (error != 0)
		return error;
	disk->file = (struct mpio_cache_mapping){
		.mapping = {.ops = &mapping_ops,
			    .host = disk,
			    .size = size_of(disk),
			    .block_size = E2IO_BLOCK}};
	error = mpio_cache_attach(disk->cache, &disk->file);
	if (error != 0)
		mpio_cache_close(disk->cache);
	return error;
}

/* The file itself: to hold it, to know it again, and to make it larger. */
static int open_file(struct disk *disk, int flags)
{
	int how = disk->writable ? O_RDWR : O_RDONLY;
	struct stat st;

	if (flags & IO_FLAG_EXCLUSIVE)
		how |= O_EXCL;
	disk->fd = open(disk->name, how | O_CLOEXEC);
	if (disk->fd < 0 || fstat(disk->fd, &st) != 0)
		return mpio_error_from_host(errno);
	disk->block_device = S_ISBLK(st.st_mode);
	disk->dev = disk->block_device ? st.st_rdev : st.st_dev;
	disk->inode = disk->block_device ? 0 : st.st_ino;
	return disk->writable ? check_writable(disk->fd) : 0;
}

static int open_layers(struct disk *disk, int flags)
{
	int error = disk->own ? open_file(disk, flags) : 0;

	if (error != 0)
		return error;
	error = open_device(disk, &disk->device, &disk->queue);
	if (error != 0)
		return error;
	error = open_cache(disk);
	if (error != 0)
		close_device(disk);
	return error;
}

static void free_names(struct disk *disk)
{
	if (disk->fd >= 0)
		close(disk->fd);
	free(disk->name);
	free(disk->uri);
}

int disk_open(struct disk *disk, const char *name, int flags)
{
	int error;

	*disk = (struct disk){.fd = -1, .pid = getpid()};
	error = settings_read(&disk->settings);
	if (error != 0)
		return error;
	if (flags & IO_FLAG_DIRECT_IO)
		disk->settings.direct = true;
	disk->uri = settings_uri(&disk->settings, name, &disk->own);
	disk->name = disk->own ? realpath(name, NULL) : strdup(name);
	/* What another URI leads to may not be there a second time. */
	disk->writable = (flags & IO_FLAG_RW) != 0 || !disk->own;
	if (disk->name == NULL)
		error = mpio_error_from_host(errno);
	else if (disk->uri == NULL)
		error = -MPIO_ENOMEM;
	else
		error = open_layers(disk, flags);
	if (error != 0)
		free_names(disk);
	return error;
}

static void close_layers(struct disk *disk)
{
	disk_report(disk);
	(void)mpio_queue_drain(disk->queue);
	(void)mpio_cache_drop(&disk->file, disk->queue, 0, UINT64_MAX);
	if (mpio_cache_detach(&disk->file, disk->queue) == 0)
		mpio_cache_close(disk->cache);
	close_device(disk);
}

/* A child that got no queue of its own leaves its parent's alone. */
void disk_close(struct disk *disk)
{
	if (!disk->forked)
		close_layers(disk);
	failed_clear(&disk->failed);
	free_names(disk);
}

/* ---- Write-back and figures --------------------------------------------- */

/* What failed before is tried again now, or else is nothing to this walk. */
int disk_write_back(struct disk *disk, uint64_t start, uint64_t end)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = INT64_MAX,
		.range_start = start,
		.range_end = end != 0 ? end - 1 : 0,
	};

	failed_clear(&disk->failed);
	disk->full = 0;
	return mpio_cache_writepages(&disk->file, disk->queue, &wbc);
}

struct mpio_stats disk_stats(const struct disk *disk)
{
	struct mpio_stats sum = disk->before;

	add_stats(&sum, mpio_queue_stats(disk->queue));
	return sum;
}

/* One line a disk, as names and numbers. */
void disk_report(const struct disk *disk)
{
	struct mpio_cache_stats cache = mpio_cache_stats(disk->cache);
	struct mpio_stats stats = disk_stats(disk);
	FILE *to;

	if (disk->settings.stats == NULL)
		return;
	to = fopen(disk->settings.stats, "a");
	if (to == NULL)
		return;
	fprintf(to,
		"asked_reads=%llu asked_read_bytes=%llu asked_writes=%llu "
		"asked_write_bytes=%llu reads=%llu read_bytes=%llu "
		"writes=%llu write_bytes=%llu flushes=%llu discards=%llu "
		"commits=%llu waits=%llu errors=%llu hits=%llu misses=%llu "
		"uri=%s\n",
		(unsigned long long)disk->asked_reads,
		(unsigned long long)disk->asked_read_bytes,
		(unsigned long long)disk->asked_writes,
		(unsigned long long)disk->asked_write_bytes,
		(unsigned long long)stats.reads,
		(unsigned long long)stats.bytes_read,
		(unsigned long long)stats.writes,
		(unsigned long long)stats.bytes_written,
		(unsigned long long)stats.flushes,
		(unsigned long long)stats.discards,
		(unsigned long long)stats.commits,
		(unsigned long long)stats.waits,
		(unsigned long long)stats.errors,
		(unsigned long long)cache.hits,
		(unsigned long long)cache.misses, disk->uri);
	fclose(to);
}

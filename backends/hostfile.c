/* SPDX-License-Identifier: MIT */
/*
 * Hostfile: opening, and the limits that are found out then.
 *
 * Everything the system can or cannot do with the file is asked, or tried, when
 * it is opened; after that nothing changes but the file. Direct I/O is asked
 * what it wants of memory and blocks, and where it does not say, tried. The odd
 * end of a file, which cannot be moved directly, is left to a second
 * descriptor.
 */
#include "hostfile.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/ioctl.h>
#endif

/* Most bytes that one call moves: what Linux takes, whatever is asked. */
#define CALL_BYTES_MAX 0x7ffff000u

#define SECTOR 512u

/* The most that a file can have, in whole blocks of any size. */
#define GROWN_SIZE ((uint64_t)INT64_MAX & ~(uint64_t)0xffff)

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/*
 * Whether the system knows RWF_DSYNC. Asked by a read, which it does not
 * change, behind the end, where there is nothing to be read; and before I/O is
 * made direct, since one byte is not aligned.
 */
static bool can_write_durably(int fd, uint64_t size)
{
#ifdef MPIO__HAVE_PWRITEV2
	char byte;
	struct iovec vec = {.iov_base = &byte, .iov_len = 1};

	return preadv2(fd, &vec, 1, (off_t)size, RWF_DSYNC) >= 0;
#else
	(void)fd;
	(void)size;
	return false;
#endif
}

/* ---- Direct I/O --------------------------------------------------------- */

/* What direct I/O wants; powers of two, in bytes; 0: not known. */
struct alignment {
	uint32_t memory;
	uint32_t block;
};

#ifdef STATX_DIOALIGN

/* Ask the file. Returns -MPIO_EINVAL if it says that it cannot do it. */
static int ask_alignment(int fd, struct alignment *alignment)
{
	struct statx answer;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &answer) != 0 ||
	    !(answer.stx_mask & STATX_DIOALIGN))
		return 0;
	if (answer.stx_dio_offset_align == 0 || answer.stx_dio_mem_align == 0)
		return -MPIO_EINVAL;
	alignment->memory = answer.stx_dio_mem_align;
	alignment->block = answer.stx_dio_offset_align;
	return 0;
}

#else

static int ask_alignment(int fd, struct alignment *alignment)
{
	(void)fd;
	(void)alignment;
	return 0;
}

#endif

/*
 * Find by trying what a file takes that cannot be asked: memory, length and
 * offset aligned to `size` and to no more. If nothing can be read, 4096 will
 * do for every disk.
 */
static uint32_t try_alignment(int fd)
{
	const size_t most = 4096;
	size_t size = SECTOR;
	void *memory;

	if (posix_memalign(&memory, 2 * most, 2 * most) != 0)
		return (uint32_t)most;
	while (size < most && pread(fd, (char *)memory + size, size, 0) <= 0)
		size *= 2;
	free(memory);
	return (uint32_t)size;
}

#ifndef O_DIRECT
#define O_DIRECT 0 /* a system without: it is refused */
#endif

/* Make calls on the file direct. Nothing was moved yet. */
static int go_direct(struct mpio__hostfile *file)
{
	struct mpio_limits *limits = &file->device.limits;
	struct alignment alignment = {0};
	int flags = fcntl(file->fd, F_GETFL);
	int error;

	if (O_DIRECT == 0)
		return -MPIO_EINVAL;
	if (flags < 0 || fcntl(file->fd, F_SETFL, flags | O_DIRECT) != 0)
		return mpio_error_from_host(errno);
	error = ask_alignment(file->fd, &alignment);
	if (error != 0)
		return error;
	if (alignment.block == 0) {
		alignment.block = file->block_device
					  ? limits->logical_block_size
					  : try_alignment(file->fd);
		alignment.memory = alignment.block;
	}
	file->unit = max_u32(limits->logical_block_size, alignment.block);
	limits->logical_block_size = file->unit;
	/* Many kernels want the length of each piece in whole blocks, too. */
	limits->memory_alignment = max_u32(alignment.memory, alignment.block);
	file->direct = true;
	return 0;
}

/* Open the same file once more, past direct I/O, for its last bytes. */
static int open_tail(struct mpio__hostfile *file, const char *path, int flags)
{
	struct stat first;
	struct stat second;

	file->tail_fd = open(path, flags);
	if (file->tail_fd < 0 || fstat(file->fd, &first) != 0 ||
	    fstat(file->tail_fd, &second) != 0)
		return mpio_error_from_host(errno);
	/* Reading ahead would bring more of the file into the page cache. */
	(void)posix_fadvise(file->tail_fd, 0, 0, POSIX_FADV_RANDOM);
	if (first.st_dev != second.st_dev || first.st_ino != second.st_ino)
		return -MPIO_ESTALE; /* replaced in between */
	return 0;
}

/* ---- Opening ------------------------------------------------------------ */

static bool is_sound(const struct mpio_posix_config *config)
{
	if (config->grows && config->size != 0)
		return false;
	return !config->create ||
	       ((config->size != 0 || config->grows) && !config->readonly);
}

/*
 * Open what a path names, unless it is something else than a file or a block
 * device: opening a pipe may wait for ever, a tape would be wound.
 */
static int open_path(struct mpio__hostfile *file, const char *path, int flags,
		     bool create, bool *created)
{
	struct stat st;

	if (stat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
			return -MPIO_EINVAL;
		create = false;
	} else if (errno != ENOENT || !create) {
		return mpio_error_from_host(errno);
	}
	file->fd = open(path, create ? flags | O_CREAT | O_EXCL : flags, 0666);
	if (file->fd < 0)
		return mpio_error_from_host(errno);
	*created = create;
	return 0;
}

#ifdef __linux__

/* 0, with size and sector; or a negative errno. */
static int size_up_disk(struct mpio__hostfile *file)
{
	struct mpio_device *device = &file->device;
	int sector;

	if (ioctl(file->fd, BLKGETSIZE64, &device->size) != 0 ||
	    ioctl(file->fd, BLKSSZGET, &sector) != 0)
		return mpio_error_from_host(errno);
	device->limits.logical_block_size = (uint32_t)sector;
	file->block_device = true;
	return 0;
}

#else

static int size_up_disk(struct mpio__hostfile *file)
{
	(void)file;
	return -MPIO_EINVAL;
}

#endif

/* Find size and sector; `extend` if the file is yet to become that large. */
static int size_up(struct mpio__hostfile *file,
		   const struct mpio_posix_config *config, bool *extend)
{
	struct mpio_device *device = &file->device;
	struct stat st;

	device->limits.logical_block_size = SECTOR;
	if (fstat(file->fd, &st) != 0)
		return mpio_error_from_host(errno);
	if (S_ISBLK(st.st_mode))
		return config->size != 0 || config->grows ? -MPIO_EINVAL
							  : size_up_disk(file);
	if (!S_ISREG(st.st_mode))
		return -MPIO_EINVAL; /* replaced since it was looked at */
	device->size = (uint64_t)st.st_size;
	file->grows = config->grows;
	*extend = config->size > device->size;
	if (*extend && config->readonly)
		return -MPIO_EROFS;
	if (config->size != 0)
		device->size = config->size;
	return 0;
}

/* Whether a file system knows how to discard, only a discard can tell. */
static uint32_t find_features(const struct mpio__hostfile *file, bool readonly)
{
	uint32_t features = MPIO_DEVICE_FLUSH;

	if (readonly)
		return MPIO_DEVICE_READONLY;
	if (MPIO__HAVE_DISCARD)
		features |= MPIO_DEVICE_DISCARD;
	if (can_write_durably(file->fd, file->device.size))
		features |= MPIO_DEVICE_FUA;
	return features;
}

/*
 * What one call takes, and not the disk's own limits: the kernel cuts a call
 * to those and has the parts in flight together, as separate calls of one
 * thread could not be.
 */
static void limit_calls(struct mpio_limits *limits)
{
	limits->segments_max = IOV_MAX;
	limits->bytes_max =
		CALL_BYTES_MAX - CALL_BYTES_MAX % limits->logical_block_size;
}

/* Extending the file comes last: whatever fails leaves it as it was. */
static int set_up(struct mpio__hostfile *file, const char *path,
		  const struct mpio_posix_config *config, int flags)
{
	bool extend = false;
	int error = size_up(file, config, &extend);

	if (error != 0)
		return error;
	file->device.limits.features = find_features(file, config->readonly);
	if (config->direct) {
		error = go_direct(file);
		if (error == 0 && !file->grows &&
		    file->device.size % file->unit != 0)
			error = open_tail(file, path, flags);
		if (error != 0)
			return error;
	}
	limit_calls(&file->device.limits);
	mpio__disk_find(file);
	if (config->measure)
		mpio__disk_measure(file);
	if (file->grows)
		file->device.size = GROWN_SIZE;
	if (extend && ftruncate(file->fd, (off_t)config->size) != 0)
		return mpio_error_from_host(errno);
	return 0;
}

void mpio__hostfile_close(struct mpio__hostfile *file)
{
	if (file->tail_fd >= 0)
		close(file->tail_fd);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = file->tail_fd = -1;
}

int mpio__hostfile_open(struct mpio__hostfile *file, const char *path,
			const struct mpio_posix_config *config)
{
	bool created = false;
	int flags = O_CLOEXEC;
	int error;

	if (!is_sound(config))
		return -MPIO_EINVAL;
	if (config->size > INT64_MAX)
		return -MPIO_EFBIG;
	*file = (struct mpio__hostfile){.fd = -1, .tail_fd = -1, .unit = 1};
	flags |= config->readonly ? O_RDONLY : O_RDWR;
	error = open_path(file, path, flags, config->create, &created);
	if (error == 0)
		error = set_up(file, path, config, flags);
	if (error != 0) {
		if (created)
			unlink(path);
		mpio__hostfile_close(file);
	}
	return error;
}

void mpio__hostfile_limit_to_disk(struct mpio__hostfile *file)
{
	struct mpio_limits *limits = &file->device.limits;
	const struct mpio__disk *disk = &file->disk;
	uint32_t bytes = disk->bytes_max & ~(limits->logical_block_size - 1);

	if (!file->direct)
		return;
	if (bytes != 0 && bytes < limits->bytes_max)
		limits->bytes_max = bytes;
	if (disk->segments_max != 0 &&
	    disk->segments_max < limits->segments_max)
		limits->segments_max = disk->segments_max;
}

/* SPDX-License-Identifier: MIT */
/*
 * Backend posix: a file or block device by preadv and pwritev.
 *
 * A bio is done inside submit. Its array of memory has the layout of struct
 * iovec and is handed to the system as it is: one call, nothing copied. Only
 * what cannot go so takes a second look: a call that came short, more pieces
 * than one call takes, or the end of a file that direct I/O cannot reach.
 * Then the pieces that are still to be moved are gathered into a window, which
 * belongs to the channel, and the next call moves that. So a bio ends whole or
 * with an error, and no short transfer is ever seen above.
 *
 * Everything the system can or cannot do is found out when the device is
 * opened; after that nothing changes but the file.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <mpio/backends/posix.h>
#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel's header has RWF_DSYNC even where the C library lacks the call. */
#ifdef RWF_DSYNC
#define HAVE_PWRITEV2 1
#endif
#include <linux/fs.h>

_Static_assert(sizeof(struct mpio_iovec) == sizeof(struct iovec) &&
		       offsetof(struct mpio_iovec, base) ==
			       offsetof(struct iovec, iov_base) &&
		       offsetof(struct mpio_iovec, length) ==
			       offsetof(struct iovec, iov_len),
	       "pieces of memory go to the system as they are");
_Static_assert(sizeof(off_t) == 8, "offsets need 64 bits");

/* Most bytes that one call moves: what Linux takes, whatever is asked. */
#define CALL_BYTES_MAX 0x7ffff000u

#define SECTOR 512u

struct posix {
	struct mpio_device device;
	int fd;
	int tail_fd;   /* not direct, for the last bytes; -1: not needed */
	uint32_t unit; /* bytes; what `fd` moves is a multiple of it */
	bool block_device;
};

/* What one thread needs for itself: room to gather pieces of memory. */
struct channel {
	struct iovec window[IOV_MAX];
};

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* ---- Durable writes ----------------------------------------------------- */

#ifdef HAVE_PWRITEV2

static ssize_t write_durably(int fd, const struct iovec *vecs, int count,
			     off_t offset)
{
	return pwritev2(fd, vecs, count, offset, RWF_DSYNC);
}

/*
 * Whether the system knows RWF_DSYNC. Asked by a read, which it does not
 * change, behind the end, where there is nothing to be read; and before I/O is
 * made direct, since one byte is not aligned.
 */
static bool can_write_durably(int fd, uint64_t size)
{
	char byte;
	struct iovec vec = {.iov_base = &byte, .iov_len = 1};

	return preadv2(fd, &vec, 1, (off_t)size, RWF_DSYNC) >= 0;
}

#else

static ssize_t write_durably(int fd, const struct iovec *vecs, int count,
			     off_t offset)
{
	return pwritev(fd, vecs, count, offset);
}

static bool can_write_durably(int fd, uint64_t size)
{
	(void)fd;
	(void)size;
	return false;
}

#endif

/* ---- Moving bytes ------------------------------------------------------- */

/*
 * Gather the memory of a bio's bytes from `start` to `end`, as far as the
 * window goes. Returns how many pieces there are.
 */
static int gather(struct channel *channel, const struct mpio_bio *bio,
		  size_t start, size_t end)
{
	size_t at = 0; /* bytes of the bio before this piece */
	int count = 0;

	for (uint32_t i = 0; at < end && count < IOV_MAX; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		size_t skip = start > at ? start - at : 0;
		size_t stop = end - at < vec->length ? end - at : vec->length;

		if (skip < stop) {
			channel->window[count++] = (struct iovec){
				.iov_base = (char *)vec->base + skip,
				.iov_len = stop - skip,
			};
		}
		at += vec->length;
	}
	return count;
}

static ssize_t move_once(const struct posix *posix, int fd,
			 const struct mpio_bio *bio, const struct iovec *vecs,
			 int count, uint32_t done)
{
	off_t offset = (off_t)(bio->offset + done);

	if (bio->op == MPIO_BIO_READ)
		return preadv(fd, vecs, count, offset);
	if ((bio->flags & MPIO_BIO_FUA) &&
	    (posix->device.limits.features & MPIO_DEVICE_FUA))
		return write_durably(fd, vecs, count, offset);
	return pwritev(fd, vecs, count, offset);
}

/* Move a bio's bytes from `start` to `end`; 0 or a negative errno. */
static int move(const struct posix *posix, int fd, struct channel *channel,
		const struct mpio_bio *bio, uint32_t start, uint32_t end)
{
	uint32_t done = start;

	while (done < end) {
		const struct iovec *vecs = channel->window;
		int count;
		ssize_t moved;

		if (done == 0 && end == bio->length &&
		    bio->vec_count <= IOV_MAX) {
			vecs = (const struct iovec *)bio->vecs;
			count = (int)bio->vec_count;
		} else {
			count = gather(channel, bio, done, end);
		}
		moved = move_once(posix, fd, bio, vecs, count, done);
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return mpio_error_from_host(errno);
		if (moved == 0)
			return -MPIO_EIO; /* the file has become shorter */
		done += (uint32_t)moved;
	}
	return 0;
}

/* The bytes that make no whole unit, at the device's end, go the other way. */
static int transfer(const struct posix *posix, struct channel *channel,
		    const struct mpio_bio *bio)
{
	uint32_t length = bio->length;
	uint32_t whole = length - length % posix->unit;
	int error = move(posix, posix->fd, channel, bio, 0, whole);

	if (error != 0 || whole == length)
		return error;
	if (posix->tail_fd < 0)
		return -MPIO_EINVAL; /* cut, and not by the device's end */
	return move(posix, posix->tail_fd, channel, bio, whole, length);
}

/* ---- Flush and discard -------------------------------------------------- */

static int flush(const struct posix *posix)
{
	int failed;

	do {
		failed = fdatasync(posix->fd);
	} while (failed != 0 && errno == EINTR);
	return failed == 0 ? 0 : mpio_error_from_host(errno);
}

static int discard(const struct posix *posix, const struct mpio_bio *bio)
{
	uint64_t range[2] = {bio->offset, bio->length};
	int failed;

	do {
		if (posix->block_device)
			failed = ioctl(posix->fd, BLKDISCARD, range);
		else
			failed = fallocate(
				posix->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)bio->offset, (off_t)bio->length);
	} while (failed != 0 && errno == EINTR);
	return failed == 0 ? 0 : mpio_error_from_host(errno);
}

/* ---- The device's operations -------------------------------------------- */

static int perform(const struct posix *posix, struct channel *channel,
		   const struct mpio_bio *bio)
{
	switch (bio->op) {
	case MPIO_BIO_READ:
	case MPIO_BIO_WRITE:
		return transfer(posix, channel, bio);
	case MPIO_BIO_FLUSH:
		return flush(posix);
	case MPIO_BIO_DISCARD:
		return discard(posix, bio);
	default:
		return -MPIO_EOPNOTSUPP;
	}
}

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	mpio_bio_end(bio, perform((struct posix *)device, channel, bio));
	return 0;
}

static int open_channel(struct mpio_device *device, uint32_t depth,
			void **channel)
{
	void *memory = malloc(sizeof(struct channel));

	(void)device;
	(void)depth;
	if (memory == NULL)
		return -MPIO_ENOMEM;
	*channel = memory;
	return 0;
}

static void close_channel(struct mpio_device *device, void *channel)
{
	(void)device;
	free(channel);
}

static void close_device(struct mpio_device *device)
{
	struct posix *posix = (struct posix *)device;

	if (posix->tail_fd >= 0)
		close(posix->tail_fd);
	if (posix->fd >= 0)
		close(posix->fd);
	free(posix);
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

/* Make calls on the file direct. Nothing was moved yet. */
static int go_direct(struct posix *posix)
{
	struct mpio_limits *limits = &posix->device.limits;
	struct alignment alignment = {0};
	int flags = fcntl(posix->fd, F_GETFL);
	int error;

	if (flags < 0 || fcntl(posix->fd, F_SETFL, flags | O_DIRECT) != 0)
		return mpio_error_from_host(errno);
	error = ask_alignment(posix->fd, &alignment);
	if (error != 0)
		return error;
	if (alignment.block == 0) {
		alignment.block = posix->block_device
					  ? limits->logical_block_size
					  : try_alignment(posix->fd);
		alignment.memory = alignment.block;
	}
	posix->unit = max_u32(limits->logical_block_size, alignment.block);
	limits->logical_block_size = posix->unit;
	limits->memory_alignment = alignment.memory;
	return 0;
}

/* Open the same file once more, past direct I/O, for its last bytes. */
static int open_tail(struct posix *posix, const char *path, int flags)
{
	struct stat first;
	struct stat second;

	posix->tail_fd = open(path, flags);
	if (posix->tail_fd < 0 || fstat(posix->fd, &first) != 0 ||
	    fstat(posix->tail_fd, &second) != 0)
		return mpio_error_from_host(errno);
	if (first.st_dev != second.st_dev || first.st_ino != second.st_ino)
		return -MPIO_ESTALE; /* replaced in between */
	return 0;
}

/* ---- Opening ------------------------------------------------------------ */

static bool is_sound(const struct mpio_posix_config *config)
{
	return !config->create || (config->size != 0 && !config->readonly);
}

/*
 * Open what a path names, unless it is something else than a file or a block
 * device: opening a pipe may wait for ever, a tape would be wound.
 */
static int open_path(struct posix *posix, const char *path, int flags,
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
	posix->fd = open(path, create ? flags | O_CREAT | O_EXCL : flags, 0666);
	if (posix->fd < 0)
		return mpio_error_from_host(errno);
	*created = create;
	return 0;
}

/* Find size and sector; `extend` if the file is yet to become that large. */
static int measure(struct posix *posix, const struct mpio_posix_config *config,
		   bool *extend)
{
	struct mpio_device *device = &posix->device;
	struct stat st;
	int sector;

	device->limits.logical_block_size = SECTOR;
	if (fstat(posix->fd, &st) != 0)
		return mpio_error_from_host(errno);
	if (S_ISBLK(st.st_mode)) {
		if (config->size != 0)
			return -MPIO_EINVAL;
		if (ioctl(posix->fd, BLKGETSIZE64, &device->size) != 0 ||
		    ioctl(posix->fd, BLKSSZGET, &sector) != 0)
			return mpio_error_from_host(errno);
		device->limits.logical_block_size = (uint32_t)sector;
		posix->block_device = true;
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return -MPIO_EINVAL; /* replaced since it was looked at */
	device->size = (uint64_t)st.st_size;
	*extend = config->size > device->size;
	if (*extend && config->readonly)
		return -MPIO_EROFS;
	if (config->size != 0)
		device->size = config->size;
	return 0;
}

/* Whether a file system knows how to discard, only a discard can tell. */
static uint32_t find_features(const struct posix *posix, bool readonly)
{
	uint32_t features = MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD;

	if (readonly)
		return MPIO_DEVICE_READONLY;
	if (can_write_durably(posix->fd, posix->device.size))
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
static int set_up(struct posix *posix, const char *path,
		  const struct mpio_posix_config *config, int flags)
{
	bool extend = false;
	int error = measure(posix, config, &extend);

	if (error != 0)
		return error;
	posix->device.limits.features = find_features(posix, config->readonly);
	if (config->direct) {
		error = go_direct(posix);
		if (error == 0 && posix->device.size % posix->unit != 0)
			error = open_tail(posix, path, flags);
		if (error != 0)
			return error;
	}
	limit_calls(&posix->device.limits);
	if (extend && ftruncate(posix->fd, (off_t)config->size) != 0)
		return mpio_error_from_host(errno);
	return 0;
}

int mpio_posix_open(const char *path, const struct mpio_posix_config *config,
		    struct mpio_device **device)
{
	const struct mpio_posix_config none = {0};
	struct posix *posix;
	bool created = false;
	int flags = O_CLOEXEC;
	int error;

	if (config == NULL)
		config = &none;
	if (!is_sound(config))
		return -MPIO_EINVAL;
	if (config->size > INT64_MAX)
		return -MPIO_EFBIG;
	posix = calloc(1, sizeof(*posix));
	if (posix == NULL)
		return -MPIO_ENOMEM;
	posix->fd = posix->tail_fd = -1;
	posix->unit = 1;
	posix->device.ops = (struct mpio_device_ops){
		.submit = submit,
		.channel_open = open_channel,
		.channel_close = close_channel,
		.close = close_device,
	};
	flags |= config->readonly ? O_RDONLY : O_RDWR;
	error = open_path(posix, path, flags, config->create, &created);
	if (error == 0)
		error = set_up(posix, path, config, flags);
	if (error != 0) {
		if (created)
			unlink(path);
		close_device(&posix->device);
		return error;
	}
	*device = &posix->device;
	return 0;
}

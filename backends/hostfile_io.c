/* SPDX-License-Identifier: MIT */
/*
 * Hostfile: a bio, or what is left of one, done here and now.
 *
 * A bio's array of memory has the layout of struct iovec and is handed to the
 * system as it is: one call, nothing copied. Only what cannot go so takes a
 * second look: a call that came short, more pieces than one call takes, or the
 * end of a file that direct I/O cannot reach. Then the pieces that are still to
 * be moved are gathered into a window, which belongs to the thread, and the
 * next call moves that. So a bio ends whole or with an error, and no short
 * transfer is ever seen above.
 *
 * Asynchronous backends come here with what the system would not do for them:
 * a transfer that came short, or that would have blocked.
 */
#include "hostfile.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if MPIO__HAVE_DISCARD
#include <sys/ioctl.h>
#endif

_Static_assert(sizeof(struct mpio_iovec) == sizeof(struct iovec) &&
		       offsetof(struct mpio_iovec, base) ==
			       offsetof(struct iovec, iov_base) &&
		       offsetof(struct mpio_iovec, length) ==
			       offsetof(struct iovec, iov_len),
	       "pieces of memory go to the system as they are");
_Static_assert(sizeof(off_t) == 8, "offsets need 64 bits");

/* Calls that move less than a unit are repeated so often. */
#define STUCK_MAX 64u

/* No page of the page cache is larger where it matters, nor is a block. */
#define CACHED_PIECE (64u << 10)

/* ---- Moving bytes ------------------------------------------------------- */

/*
 * Gather the memory of a bio's bytes from `start` to `end`, as far as the
 * window goes. Returns how many pieces there are.
 */
static int gather(struct mpio__window *window, const struct mpio_bio *bio,
		  size_t start, size_t end)
{
	size_t at = 0; /* bytes of the bio before this piece */
	int count = 0;

	for (uint32_t i = 0; at < end && count < IOV_MAX; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		size_t skip = start > at ? start - at : 0;
		size_t stop = end - at < vec->length ? end - at : vec->length;

		if (skip < stop) {
			window->vecs[count++] = (struct iovec){
				.iov_base = (char *)vec->base + skip,
				.iov_len = stop - skip,
			};
		}
		at += vec->length;
	}
	return count;
}

/* What lies behind the end of a file that grows. */
static void clear(const struct mpio_bio *bio, size_t start)
{
	size_t at = 0; /* bytes of the bio before this piece */

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		size_t skip = start > at ? start - at : 0;

		if (skip < vec->length)
			memset((char *)vec->base + skip, 0, vec->length - skip);
		at += vec->length;
	}
}

static ssize_t write_durably(int fd, const struct iovec *vecs, int count,
			     off_t offset)
{
#ifdef MPIO__HAVE_PWRITEV2
	return pwritev2(fd, vecs, count, offset, RWF_DSYNC);
#else
	return pwritev(fd, vecs, count, offset);
#endif
}

static ssize_t move_once(const struct mpio__hostfile *file, int fd,
			 const struct mpio_bio *bio, const struct iovec *vecs,
			 int count, uint32_t done)
{
	off_t offset = (off_t)(bio->offset + done);

	if (bio->op == MPIO_BIO_READ)
		return preadv(fd, vecs, count, offset);
	if ((bio->flags & MPIO_BIO_FUA) &&
	    (file->device.limits.features & MPIO_DEVICE_FUA))
		return write_durably(fd, vecs, count, offset);
	return pwritev(fd, vecs, count, offset);
}

/* Whether a read is short since there are no more bytes; if that cannot be
 * known, it is not. */
static bool ends_at(int fd, uint64_t end)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size <= end;
}

/*
 * Move a bio's bytes from `start` to `end` in whole units; 0 or a negative
 * errno. What a call moved of a unit is moved once more with the rest of it.
 */
static int move(const struct mpio__hostfile *file, int fd, uint32_t unit,
		struct mpio__window *window, const struct mpio_bio *bio,
		uint32_t start, uint32_t end)
{
	uint32_t done = start - start % unit;
	uint32_t stuck = 0; /* calls in a row that moved less than a unit */

	while (done < end) {
		const struct iovec *vecs = window->vecs;
		int count;
		ssize_t moved;

		if (done == 0 && end == bio->length &&
		    bio->vec_count <= IOV_MAX) {
			vecs = (const struct iovec *)bio->vecs;
			count = (int)bio->vec_count;
		} else {
			count = gather(window, bio, done, end);
		}
		moved = move_once(file, fd, bio, vecs, count, done);
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return mpio_error_from_host(errno);
		if (file->grows && bio->op == MPIO_BIO_READ &&
		    (uint32_t)moved < unit &&
		    ends_at(fd, bio->offset + done + (uint32_t)moved)) {
			clear(bio, done + (uint32_t)moved);
			return 0;
		}
		/* The file has become shorter; one that grows has become
		 * longer just now, perhaps. */
		if (moved == 0 && !file->grows)
			return -MPIO_EIO;
		stuck = (uint32_t)moved < unit ? stuck + 1 : 0;
		if (stuck == STUCK_MAX)
			return -MPIO_EIO; /* it ends inside this unit */
		done += (uint32_t)moved - (uint32_t)moved % unit;
	}
	return 0;
}

/*
 * Bytes of a bio that go directly. Where a file has an odd end, all of the last
 * piece that the page cache may hold goes through it: a direct write beside a
 * cached one of the same page would be lost when that is written back.
 */
static uint32_t direct_part(const struct mpio__hostfile *file,
			    const struct mpio_bio *bio)
{
	uint64_t cached = file->device.size - file->device.size % CACHED_PIECE;

	if (file->tail_fd < 0)
		return bio->length - bio->length % file->unit;
	if (bio->offset >= cached)
		return 0;
	return cached - bio->offset < bio->length
		       ? (uint32_t)(cached - bio->offset)
		       : bio->length;
}

/* What cannot go directly, at the device's end, goes the other way. */
static int transfer(const struct mpio__hostfile *file,
		    struct mpio__window *window, const struct mpio_bio *bio)
{
	uint32_t length = bio->length;
	uint32_t whole = direct_part(file, bio);
	int error = move(file, file->fd, file->unit, window, bio, 0, whole);

	if (error != 0 || whole == length)
		return error;
	if (file->tail_fd < 0)
		return -MPIO_EINVAL; /* cut, and not by the device's end */
	return move(file, file->tail_fd, 1, window, bio, whole, length);
}

/* ---- Flush and discard -------------------------------------------------- */

static int flush(const struct mpio__hostfile *file)
{
	int failed;

	do {
		failed = fdatasync(file->fd);
	} while (failed != 0 && errno == EINTR);
	return failed == 0 ? 0 : mpio_error_from_host(errno);
}

#if MPIO__HAVE_DISCARD

static int discard(const struct mpio__hostfile *file,
		   const struct mpio_bio *bio)
{
	uint64_t range[2] = {bio->offset, bio->length};
	int failed;

	do {
		if (file->block_device)
			failed = ioctl(file->fd, BLKDISCARD, range);
		else
			failed = fallocate(
				file->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)bio->offset, (off_t)bio->length);
	} while (failed != 0 && errno == EINTR);
	return failed == 0 ? 0 : mpio_error_from_host(errno);
}

#else

static int discard(const struct mpio__hostfile *file,
		   const struct mpio_bio *bio)
{
	(void)file;
	(void)bio;
	return -MPIO_EOPNOTSUPP;
}

#endif

/* ---- Bios --------------------------------------------------------------- */

bool mpio__hostfile_is_simple(const struct mpio__hostfile *file,
			      const struct mpio_bio *bio)
{
	return bio->op <= MPIO_BIO_WRITE &&
	       direct_part(file, bio) == bio->length &&
	       bio->vec_count <= IOV_MAX;
}

int mpio__hostfile_do(const struct mpio__hostfile *file,
		      struct mpio__window *window, const struct mpio_bio *bio)
{
	switch (bio->op) {
	case MPIO_BIO_READ:
	case MPIO_BIO_WRITE:
		return transfer(file, window, bio);
	case MPIO_BIO_FLUSH:
		return flush(file);
	case MPIO_BIO_DISCARD:
		return discard(file, bio);
	default:
		return -MPIO_EOPNOTSUPP;
	}
}

int mpio__hostfile_go_on(const struct mpio__hostfile *file,
			 struct mpio__window *window,
			 const struct mpio_bio *bio, uint32_t done)
{
	if (!mpio__hostfile_is_simple(file, bio))
		return mpio__hostfile_do(file, window, bio);
	return move(file, file->fd, file->unit, window, bio, done, bio->length);
}

int mpio__hostfile_settle(const struct mpio__hostfile *file,
			  struct mpio__window *window,
			  const struct mpio_bio *bio, long result)
{
	if (result >= 0 &&
	    (bio->op > MPIO_BIO_WRITE || (uint64_t)result >= bio->length))
		return 0;
	if (result >= 0)
		return mpio__hostfile_go_on(file, window, bio,
					    (uint32_t)result);
	if (result == -EAGAIN || result == -EINTR)
		return mpio__hostfile_go_on(file, window, bio, 0);
	return mpio_error_from_host((int)-result);
}

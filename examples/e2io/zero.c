/* SPDX-License-Identifier: MIT */
/*
 * Discard, and zeros without writing them.
 *
 * Both are done in whole pages of the cache, which forgets these first. What
 * lies before and behind, in pages that other blocks have a part of, is written
 * with zeros where zeros are promised, and else left alone.
 */
#include "e2io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* One I/O has 32 bits for its length. */
#define DISCARD_MAX (1u << 30)

/* ---- The range ---------------------------------------------------------- */

static int put_zeros(struct channel *channel, uint64_t start, uint64_t end)
{
	static const char zeros[64 * E2IO_BLOCK];
	int error = 0;

	for (; start < end && error == 0; start += sizeof(zeros)) {
		uint64_t left = end - start;

		error = channel_put(channel, zeros,
				    left < sizeof(zeros) ? (size_t)left
							 : sizeof(zeros),
				    start);
	}
	return error;
}

/* The whole pages of a range; the disk's end ends a page, too. */
static struct range inner_of(const struct disk *disk, const struct range *range)
{
	uint64_t page = disk->settings.page_size;
	uint64_t size = disk->file.mapping.size;
	struct range inner = {
		.start = (range->start + page - 1) / page * page,
		.end = range->end >= size ? size : range->end / page * page,
	};

	if (inner.end < inner.start)
		inner.end = inner.start;
	return inner;
}

/* Zeros to both sides of the whole pages. */
static int put_edges(struct channel *channel, const struct range *range,
		     const struct range *inner)
{
	uint64_t before = inner->start < range->end ? inner->start : range->end;
	int error = put_zeros(channel, range->start, before);

	if (error == 0 && inner->end > before)
		error = put_zeros(channel, inner->end, range->end);
	else if (error == 0)
		error = put_zeros(channel, before, range->end);
	return error;
}

/* ---- Discard ------------------------------------------------------------ */

static void discarded(struct mpio_bio *bio)
{
	int *result = bio->ctx;

	*result = bio->status;
	mpio_bio_put(bio);
}

static int discard_once(struct disk *disk, uint64_t start, uint32_t length)
{
	struct mpio_bio *bio;
	int result = 0, error;

	(void)mpio_queue_drain(disk->queue);
	bio = mpio_bio_get(disk->queue, MPIO_BIO_DISCARD, 0);
	if (bio == NULL)
		return -MPIO_ENOMEM;
	bio->offset = start;
	bio->length = length;
	bio->end_io = discarded;
	bio->ctx = &result;
	error = mpio_bio_submit(bio);
	if (error != 0) {
		mpio_bio_put(bio);
		return error;
	}
	error = mpio_queue_drain(disk->queue);
	return error != 0 ? error : result;
}

static int discard(struct disk *disk, const struct range *inner)
{
	uint64_t start = inner->start;
	int error = 0;

	while (start < inner->end && error == 0) {
		uint64_t left = inner->end - start;

		error = discard_once(disk, start,
				     left < DISCARD_MAX ? (uint32_t)left
							: DISCARD_MAX);
		start += DISCARD_MAX;
	}
	return error;
}

static errcode_t result_of(int error)
{
	return error == -MPIO_EOPNOTSUPP || error == -MPIO_ENOSYS
		       ? EXT2_ET_UNIMPLEMENTED
		       : errcode_of(error);
}

errcode_t channel_discard(struct channel *channel, uint64_t block,
			  uint64_t count)
{
	struct disk *disk = channel->disk;
	struct range range, inner;
	int error = disk_wake(disk);

	if (error != 0)
		return errcode_of(error);
	if (!(disk->device->limits.features & MPIO_DEVICE_DISCARD))
		return EXT2_ET_UNIMPLEMENTED;
	if (!channel->writable)
		return EBADF;
	if (!range_of(channel, block, count, &range))
		return EXT2_ET_INVALID_ARGUMENT;
	/* Behind the end of a file there is nothing to be discarded. */
	if (range.end > disk->file.mapping.size)
		range.end = disk->file.mapping.size;
	if (range.start >= range.end)
		return 0;
	inner = inner_of(disk, &range);
	error = mpio_cache_drop(&disk->file, disk->queue, inner.start,
				inner.end);
	if (inner.start == inner.end)
		error = 0;
	if (error == 0)
		error = discard(disk, &inner);
	disk->unflushed = true;
	if (error == 0 && io_channel_discard_zeroes_data(channel->io))
		error = put_edges(channel, &range, &inner);
	return result_of(error);
}

/* ---- Zeros -------------------------------------------------------------- */

static int zero_file(const struct disk *disk, off_t start, off_t length)
{
	if (fallocate(disk->fd, FALLOC_FL_ZERO_RANGE, start, length) == 0)
		return 0;
	if (errno == EOPNOTSUPP &&
	    fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      start, length) == 0)
		return 0;
	return mpio_error_from_host(errno);
}

static int zero_device(const struct disk *disk, uint64_t start, uint64_t length)
{
	uint64_t range[2] = {start, length};

	return ioctl(disk->fd, BLKZEROOUT, range) == 0
		       ? 0
		       : mpio_error_from_host(errno);
}

static int zero_inner(struct disk *disk, const struct range *inner)
{
	uint64_t length = inner->end - inner->start;
	int error;

	if (length == 0)
		return 0;
	error = mpio_cache_drop(&disk->file, disk->queue, inner->start,
				inner->end);
	if (error != 0)
		return error;
	disk->unflushed = true;
	return disk->block_device
		       ? zero_device(disk, inner->start, length)
		       : zero_file(disk, (off_t)inner->start, (off_t)length);
}

/*
 * libmpio has no such I/O, so it is the file's that is named. Through a URI it
 * is left undone: libext2fs then writes the zeros.
 */
errcode_t channel_zero(struct channel *channel, uint64_t block, uint64_t count)
{
	struct disk *disk = channel->disk;
	struct range range, inner;
	int error = disk_wake(disk);

	if (error != 0)
		return errcode_of(error);
	if (disk->settings.uri != NULL)
		return EXT2_ET_UNIMPLEMENTED;
	if (!channel->writable)
		return EBADF;
	if (!range_of(channel, block, count, &range))
		return EXT2_ET_INVALID_ARGUMENT;
	error = disk_grow(disk, range.end);
	if (error != 0)
		return errcode_of(error);
	inner = inner_of(disk, &range);
	error = zero_inner(disk, &inner);
	if (error == 0)
		error = put_edges(channel, &range, &inner);
	return result_of(error);
}

/* SPDX-License-Identifier: MIT */
/*
 * Transfer: blocks of a channel, and whom to tell of those that failed.
 *
 * A read goes through the file layer whole. If that fails it is done again
 * block by block, each by the bytes that it needs and no more; so the channel's
 * read_error hook is called with the very blocks that cannot be read.
 *
 * Writes stay in the cache until a flush, the close, or too much is dirty. That
 * is so with a write_error hook, too: the device tells which parts of it could
 * not be written, however late, and the hook is called with those blocks and
 * the bytes that should be there. It comes before the flush or close returns,
 * which is where a program that writes anything of worth looks for errors. If
 * the hook says that all is well the bytes are dropped, and the flush or close
 * still fails, once, as unix_io's does: they are not on the disk. If it does
 * not, or without a hook, they stay dirty and the next flush tries again. A
 * write-through returns what the hook says.
 */
#include "e2io.h"

#include <stdlib.h>
#include <string.h>

errcode_t errcode_of(int error)
{
	return error < 0 ? -error : error;
}

/* ---- Where -------------------------------------------------------------- */

/* A call of libext2fs: some blocks, or, with a count below 0, bytes. */
struct call {
	uint64_t block;
	uint64_t pos; /* bytes, on the disk */
	size_t length;
	size_t unit; /* bytes; what a hook is told of at once */
	int unit_count;
};

static bool locate(const struct channel *channel, uint64_t block, int count,
		   struct call *call)
{
	size_t size = (size_t)channel->io->block_size;
	uint64_t most = (uint64_t)INT64_MAX;

	call->block = block;
	call->length =
		count < 0 ? (size_t) - (int64_t)count : (size_t)count * size;
	call->unit = count < 0 ? call->length : size;
	call->unit_count = count < 0 ? count : 1;
	if (channel->offset > most - call->length ||
	    block > (most - call->length - channel->offset) / size)
		return false;
	call->pos = block * size + channel->offset;
	return true;
}

bool range_of(const struct channel *channel, uint64_t block, uint64_t count,
	      struct range *range)
{
	uint64_t size = (uint64_t)channel->io->block_size;
	uint64_t most = ((uint64_t)INT64_MAX - channel->offset) / size;

	if (channel->offset > INT64_MAX || block > most || count > most - block)
		return false;
	range->start = block * size + channel->offset;
	range->end = range->start + count * size;
	return true;
}

/* ---- Reading ------------------------------------------------------------ */

/* Bytes that came, in *done; not all of them: a negative errno, or 0 for the
 * end of the disk. */
static int read_whole(struct channel *channel, char *data,
		      const struct call *call, size_t *done)
{
	struct disk *disk = channel->disk;
	int64_t got;

	*done = 0;
	while (*done < call->length) {
		got = mpio_file_read(&channel->file, data + *done,
				     call->length - *done, call->pos + *done);
		if (got < 0)
			return (int)got;
		*done += (size_t)got;
		/* Another program may have made the file larger. */
		if (got == 0 && disk_follow(disk) <= 0)
			return 0;
	}
	return 0;
}

/* Some bytes of one page, and no other block of it. */
static int read_part(struct channel *channel, char *data, uint64_t pos,
		     uint32_t length)
{
	struct disk *disk = channel->disk;
	struct mpio_page *page;
	uint32_t offset;
	int error = mpio_cache_grab(&disk->file, disk->queue, pos, &page);

	if (error != 0)
		return error;
	offset = (uint32_t)(pos - page->pos);
	error = mpio_cache_fill(page, disk->queue, offset, length);
	if (error == 0)
		memcpy(data, (char *)page->data + offset, length);
	mpio_cache_release(page);
	return error;
}

/* Bytes that came before an error or the end, in *done; as read_whole(). */
static int read_alone(struct channel *channel, char *data, uint64_t pos,
		      size_t length, size_t *done)
{
	struct disk *disk = channel->disk;
	uint64_t size = disk->file.mapping.size;
	uint32_t page = disk->settings.page_size;

	*done = 0;
	while (*done < length && pos + *done < size) {
		uint64_t at = pos + *done;
		uint64_t part = page - at % page;
		int error;

		if (part > length - *done)
			part = length - *done;
		if (part > size - at)
			part = size - at;
		error = read_part(channel, data + *done, at, (uint32_t)part);
		if (error != 0)
			return error;
		*done += (size_t)part;
	}
	return 0;
}

/* One unit that may be bad; 0, or what is to be returned for it. */
static errcode_t read_unit(struct channel *channel, const struct call *call,
			   char *data, size_t at)
{
	io_channel io = channel->io;
	errcode_t result;
	size_t done;
	int error =
		read_alone(channel, data, call->pos + at, call->unit, &done);

	if (done == call->unit)
		return 0;
	memset(data + done, 0, call->unit - done);
	result = error != 0 ? errcode_of(error) : EXT2_ET_SHORT_READ;
	if (io->read_error == NULL)
		return result;
	return io->read_error(io, call->block + at / call->unit,
			      call->unit_count, data, call->unit, (int)done,
			      result);
}

static errcode_t read_units(struct channel *channel, const struct call *call,
			    char *data, size_t done)
{
	errcode_t first = 0, result;
	size_t at = done - done % call->unit;

	for (; at < call->length; at += call->unit) {
		result = read_unit(channel, call, data + at, at);
		first = first != 0 ? first : result;
		if (result != 0 && channel->io->read_error == NULL) {
			at += call->unit;
			memset(data + at, 0, call->length - at);
			break;
		}
	}
	return first;
}

/* The disk ends inside the call. It is told of as one: how much there was is
 * what a caller may want to know. */
static errcode_t came_short(struct channel *channel, const struct call *call,
			    int count, char *data, size_t done)
{
	io_channel io = channel->io;

	memset(data + done, 0, call->length - done);
	if (io->read_error == NULL)
		return EXT2_ET_SHORT_READ;
	return io->read_error(io, call->block, count, data, call->length,
			      (int)done, EXT2_ET_SHORT_READ);
}

errcode_t channel_read(struct channel *channel, uint64_t block, int count,
		       void *data)
{
	struct disk *disk = channel->disk;
	struct call call;
	size_t done;
	int error;

	if (!locate(channel, block, count, &call))
		return EXT2_ET_INVALID_ARGUMENT;
	error = disk_wake(disk);
	if (error != 0)
		return errcode_of(error);
	disk->asked_reads++;
	disk->asked_read_bytes += call.length;
	channel_note_read(channel, call.pos, call.length);
	error = read_whole(channel, data, &call, &done);
	if (done == call.length)
		return 0;
	return error != 0 ? read_units(channel, &call, data, done)
			  : came_short(channel, &call, count, data, done);
}

/* ---- What could not be written ------------------------------------------ */

/* A block that failed, and what should be in it. */
struct bad_block {
	struct bad_block *next;
	uint64_t block;
	char data[];
};

static void free_bad(struct bad_block *bad)
{
	while (bad != NULL) {
		struct bad_block *next = bad->next;

		free(bad);
		bad = next;
	}
}

/*
 * Those that a range of the device touches, behind the last one listed. False:
 * not all of what should be in them can be had, or it is no block of this
 * channel that failed.
 */
static bool list_range(struct channel *channel, const struct range *range,
		       struct bad_block ***last, uint64_t *next)
{
	uint64_t size = (uint64_t)channel->io->block_size;
	uint64_t block, pos;
	size_t done;

	if (range->start < channel->offset)
		return false;
	block = (range->start - channel->offset) / size;
	for (block = block < *next ? *next : block;
	     (pos = block * size + channel->offset) < range->end; block++) {
		struct bad_block *bad = calloc(1, sizeof(*bad) + size);

		if (bad == NULL)
			return false;
		bad->block = block;
		**last = bad;
		*last = &bad->next;
		*next = block + 1;
		/* The disk may end inside it. */
		if (read_alone(channel, bad->data, pos, size, &done) != 0)
			return false;
	}
	return true;
}

static struct bad_block *list_bad(struct channel *channel,
				  const struct failed *failed)
{
	struct bad_block *bad = NULL, **last = &bad;
	uint64_t next = 0;

	for (size_t i = 0; i < failed->count; i++) {
		if (!list_range(channel, &failed->ranges[i], &last, &next)) {
			free_bad(bad);
			return NULL;
		}
	}
	return bad;
}

/* Make dirty again what failed of a block, and nothing that lies beside it. */
static int put_back(struct channel *channel, const struct bad_block *bad,
		    const struct failed *failed)
{
	uint64_t size = (uint64_t)channel->io->block_size;
	uint64_t pos = bad->block * size + channel->offset;

	for (size_t i = 0; i < failed->count; i++) {
		uint64_t start = failed->ranges[i].start;
		uint64_t end = failed->ranges[i].end;
		int64_t put;

		start = start < pos ? pos : start;
		end = end > pos + size ? pos + size : end;
		if (start >= end)
			continue;
		put = mpio_file_write(&channel->file, bad->data + (start - pos),
				      (size_t)(end - start), start);
		if (put != (int64_t)(end - start))
			return put < 0 ? (int)put : -MPIO_EIO;
	}
	return 0;
}

/* Call the hook for each block; those that it does not take stay dirty. */
static errcode_t tell(struct channel *channel, const struct bad_block *bad,
		      const struct failed *failed, int error)
{
	io_channel io = channel->io;
	size_t size = (size_t)io->block_size;
	errcode_t first = 0, result;
	int lost;

	for (; bad != NULL; bad = bad->next) {
		result = errcode_of(error);
		if (io->write_error != NULL)
			result = io->write_error(io, bad->block, 1, bad->data,
						 size, 0, result);
		if (result == 0)
			continue;
		first = first != 0 ? first : result;
		lost = put_back(channel, bad, failed);
		if (lost != 0)
			channel->disk->lost = lost;
	}
	return first;
}

/*
 * What failed is taken out of the cache before anybody is told: a hook may
 * write the block itself, and that must not be lost. All that is dirty in these
 * pages has failed. If it cannot be had whole nobody is told, and it stays.
 */
static errcode_t tell_failed(struct channel *channel, int error)
{
	struct disk *disk = channel->disk;
	struct failed failed = disk->failed;
	struct bad_block *bad;
	errcode_t result;

	if (channel->io->write_error == NULL || failed.count == 0 ||
	    failed.lost)
		return errcode_of(error);
	/* To look into the cache may write, too. */
	disk->failed = (struct failed){0};
	bad = list_bad(channel, &failed);
	if (bad == NULL) {
		failed_clear(&failed);
		return errcode_of(error);
	}
	for (size_t i = 0; i < failed.count; i++)
		(void)mpio_cache_drop(&disk->file, disk->queue,
				      failed.ranges[i].start,
				      failed.ranges[i].end);
	result = tell(channel, bad, &failed, error);
	free_bad(bad);
	failed_clear(&failed);
	return result;
}

errcode_t channel_write_back(struct channel *channel, uint64_t start,
			     uint64_t end)
{
	int error = disk_write_back(channel->disk, start, end);

	return error != 0 ? tell_failed(channel, error) : 0;
}

errcode_t channel_settle(struct channel *channel)
{
	struct disk *disk = channel->disk;
	int error = disk_wake(disk);
	errcode_t result;

	if (error != 0)
		return errcode_of(error);
	error = disk_write_back(disk, 0, 0);
	if (error == 0)
		return errcode_of(disk->lost);
	result = tell_failed(channel, error);
	return result != 0 ? result : errcode_of(error);
}

/* ---- Writing ------------------------------------------------------------ */

/* Whether all of it is in the cache. */
static bool is_cached(struct disk *disk, uint64_t pos, size_t length)
{
	uint32_t page_size = disk->settings.page_size;
	uint64_t end = pos + length;
	struct mpio_page *page;

	for (pos -= pos % page_size; pos < end; pos += page_size) {
		if (mpio_cache_find(&disk->file, pos, &page) != 0)
			return false;
		mpio_cache_put(page);
	}
	return true;
}

/*
 * Write back for room in the cache. If that fails, so does each write that
 * needs room, until somebody flushes: to try it all again for each takes long.
 */
static int make_room(struct channel *channel)
{
	struct disk *disk = channel->disk;
	int error = disk_write_back(disk, 0, 0);

	if (error == 0 || tell_failed(channel, error) == 0)
		return 0;
	disk->full = error;
	return error;
}

int channel_put(struct channel *channel, const void *data, size_t length,
		uint64_t pos)
{
	size_t done = 0;
	bool again = true;
	int64_t put;

	if (channel->disk->full != 0 && !is_cached(channel->disk, pos, length))
		return channel->disk->full;
	while (done < length) {
		put = mpio_file_write(&channel->file, (const char *)data + done,
				      length - done, pos + done);
		if (put == -MPIO_ENOMEM && again) {
			again = false;
			put = make_room(channel);
		}
		if (put < 0)
			return (int)put;
		done += (size_t)put;
	}
	return 0;
}

/* Make room on the disk, and put the bytes into the cache. */
static int put_call(struct channel *channel, const struct call *call,
		    const void *data)
{
	int error = disk_wake(channel->disk);

	if (error == 0 && !channel->writable)
		error = -MPIO_EBADF;
	if (error == 0)
		error = disk_grow(channel->disk, call->pos + call->length);
	return error != 0 ? error
			  : channel_put(channel, data, call->length, call->pos);
}

errcode_t channel_write(struct channel *channel, uint64_t block, int count,
			const void *data)
{
	io_channel io = channel->io;
	struct call call;
	int error;

	if (!locate(channel, block, count, &call))
		return EXT2_ET_INVALID_ARGUMENT;
	channel->disk->asked_writes++;
	channel->disk->asked_write_bytes += call.length;
	error = put_call(channel, &call, data);
	if (error != 0 && io->write_error != NULL)
		return io->write_error(io, block, count, data, call.length, 0,
				       errcode_of(error));
	if (error != 0)
		return errcode_of(error);
	if ((io->flags & CHANNEL_FLAGS_WRITETHROUGH) && call.length != 0)
		return channel_write_back(channel, call.pos,
					  call.pos + call.length);
	return 0;
}

errcode_t channel_write_bytes(struct channel *channel, uint64_t offset,
			      size_t length, const void *data)
{
	struct call call = {.length = length};
	int error;

	if (offset > INT64_MAX || channel->offset > INT64_MAX - offset ||
	    length > INT64_MAX - offset - channel->offset)
		return EXT2_ET_INVALID_ARGUMENT;
	call.pos = offset + channel->offset;
	error = put_call(channel, &call, data);
	if (error != 0)
		return errcode_of(error);
	return (channel->io->flags & CHANNEL_FLAGS_WRITETHROUGH) && length != 0
		       ? channel_write_back(channel, call.pos,
					    call.pos + length)
		       : 0;
}

errcode_t channel_flush(struct channel *channel)
{
	struct disk *disk = channel->disk;
	int error = disk_wake(disk);
	errcode_t result;

	if (error != 0)
		return errcode_of(error);
	result = channel_settle(channel);
	if (!disk->unflushed)
		return result;
	error = mpio_queue_flush(disk->queue);
	if (error == 0)
		disk->unflushed = false;
	return result != 0 ? result : errcode_of(error);
}

/* ---- Reading ahead ------------------------------------------------------ */

errcode_t channel_read_ahead(struct channel *channel, uint64_t block,
			     uint64_t count)
{
	struct range range;

	if (channel->disk->forked)
		return errcode_of(disk_wake(channel->disk));
	if (range_of(channel, block, count, &range))
		disk_announce(channel->disk, range.start, range.end);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Manager: the functions that libext2fs calls, and the table of them.
 */
#include "e2io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern struct struct_io_manager e2io_manager;

/* What the library knows of a channel that another manager made is nothing. */
static struct channel *channel_of(io_channel io)
{
	return io->magic == EXT2_ET_MAGIC_IO_CHANNEL &&
			       io->manager == &e2io_manager
		       ? io->private_data
		       : NULL;
}

/* ---- Opening and closing ------------------------------------------------ */

static int flags_of(const struct disk *disk)
{
	int flags = 0;

	if (disk->block_device)
		flags |= CHANNEL_FLAGS_BLOCK_DEVICE;
	/* A hole is punched into a file, and reads as zeros. */
	else if (disk->own && disk->settings.uri == NULL)
		flags |= CHANNEL_FLAGS_DISCARD_ZEROES;
	return flags;
}

static io_channel new_io(const char *name, const struct disk *disk,
			 struct channel *channel)
{
	io_channel io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	io->manager = &e2io_manager;
	io->name = strdup(name);
	io->block_size = (int)E2IO_BLOCK;
	io->refcount = 1;
	io->flags = flags_of(disk);
	io->private_data = channel;
	if (io->name == NULL) {
		free(io);
		return NULL;
	}
	return io;
}

/* The disk is there. */
static int set_up(struct channel *channel, const char *name)
{
	struct disk *disk = channel->disk;
	struct mpio_file_config config = {
		.readahead_max = disk->settings.ahead_bytes,
	};
	int error;

	channel->io = new_io(name, disk, channel);
	if (channel->io == NULL)
		return -MPIO_ENOMEM;
	error = mpio_file_open(&channel->file, &disk->file, disk->queue,
			       &config);
	if (error != 0) {
		free(channel->io->name);
		free(channel->io);
		return error;
	}
	(void)mpio_file_advise(&channel->file, 0, 0, MPIO_ADVICE_RANDOM);
	channel->next = disk->channels;
	disk->channels = channel;
	return 0;
}

static errcode_t e2io_open(const char *name, int flags, io_channel *io)
{
	struct channel *channel;
	int error;

	if (name == NULL)
		return EXT2_ET_BAD_DEVICE_NAME;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return EXT2_ET_NO_MEMORY;
	channel->writable = (flags & IO_FLAG_RW) != 0;
	error = disks_get(name, flags, &channel->disk);
	if (error == 0) {
		error = set_up(channel, name);
		if (error != 0)
			disks_put(channel->disk);
	}
	if (error != 0) {
		free(channel);
		return errcode_of(error);
	}
	*io = channel->io;
	return 0;
}

static errcode_t e2io_close(io_channel io)
{
	struct channel *channel = channel_of(io);
	struct channel **place;
	errcode_t result;

	if (channel == NULL)
		return EXT2_ET_MAGIC_IO_CHANNEL;
	if (--io->refcount > 0)
		return 0;
	result = channel_settle(channel);
	place = &channel->disk->channels;
	while (*place != channel)
		place = &(*place)->next;
	*place = channel->next;
	mpio_file_close(&channel->file);
	disks_put(channel->disk);
	free(io->name);
	free(io);
	free(channel);
	return result;
}

/* ---- Options ------------------------------------------------------------ */

static errcode_t e2io_set_blksize(io_channel io, int size)
{
	if (channel_of(io) == NULL)
		return EXT2_ET_MAGIC_IO_CHANNEL;
	if (size <= 0)
		return EXT2_ET_INVALID_ARGUMENT;
	io->block_size = size;
	return 0;
}

static errcode_t set_offset(struct channel *channel, const char *text)
{
	unsigned long long offset;
	char *end;

	if (text == NULL)
		return EXT2_ET_INVALID_ARGUMENT;
	errno = 0;
	offset = strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || offset > INT64_MAX)
		return EXT2_ET_INVALID_ARGUMENT;
	channel->offset = offset;
	return 0;
}

/* Without a cache there would be no use in this; what is off is written. */
static errcode_t set_cache(struct channel *channel, const char *text)
{
	if (text != NULL && strcmp(text, "on") == 0)
		return 0;
	if (text != NULL && strcmp(text, "off") == 0)
		return channel_settle(channel);
	return EXT2_ET_INVALID_ARGUMENT;
}

static errcode_t e2io_set_option(io_channel io, const char *option,
				 const char *text)
{
	struct channel *channel = channel_of(io);

	if (channel == NULL)
		return EXT2_ET_MAGIC_IO_CHANNEL;
	if (strcmp(option, "offset") == 0)
		return set_offset(channel, text);
	if (strcmp(option, "cache") == 0)
		return set_cache(channel, text);
	return EXT2_ET_INVALID_ARGUMENT;
}

static errcode_t e2io_get_stats(io_channel io, io_stats *stats)
{
	struct channel *channel = channel_of(io);
	struct mpio_stats sum;

	if (channel == NULL)
		return EXT2_ET_MAGIC_IO_CHANNEL;
	sum = disk_stats(channel->disk);
	channel->stats.num_fields = 2;
	channel->stats.bytes_read = sum.bytes_read;
	channel->stats.bytes_written = sum.bytes_written;
	if (stats != NULL)
		*stats = &channel->stats;
	return 0;
}

/* ---- Blocks ------------------------------------------------------------- */

static errcode_t e2io_read_blk64(io_channel io, unsigned long long block,
				 int count, void *data)
{
	struct channel *channel = channel_of(io);

	return channel != NULL ? channel_read(channel, block, count, data)
			       : EXT2_ET_MAGIC_IO_CHANNEL;
}

static errcode_t e2io_read_blk(io_channel io, unsigned long block, int count,
			       void *data)
{
	return e2io_read_blk64(io, block, count, data);
}

static errcode_t e2io_write_blk64(io_channel io, unsigned long long block,
				  int count, const void *data)
{
	struct channel *channel = channel_of(io);

	return channel != NULL ? channel_write(channel, block, count, data)
			       : EXT2_ET_MAGIC_IO_CHANNEL;
}

static errcode_t e2io_write_blk(io_channel io, unsigned long block, int count,
				const void *data)
{
	return e2io_write_blk64(io, block, count, data);
}

static errcode_t e2io_write_byte(io_channel io, unsigned long offset, int count,
				 const void *data)
{
	struct channel *channel = channel_of(io);

	if (channel == NULL)
		return EXT2_ET_MAGIC_IO_CHANNEL;
	return count < 0 ? EXT2_ET_INVALID_ARGUMENT
			 : channel_write_bytes(channel, offset, (size_t)count,
					       data);
}

static errcode_t e2io_flush(io_channel io)
{
	struct channel *channel = channel_of(io);

	return channel != NULL ? channel_flush(channel)
			       : EXT2_ET_MAGIC_IO_CHANNEL;
}

static errcode_t e2io_discard(io_channel io, unsigned long long block,
			      unsigned long long count)
{
	struct channel *channel = channel_of(io);

	return channel != NULL ? channel_discard(channel, block, count)
			       : EXT2_ET_MAGIC_IO_CHANNEL;
}

static errcode_t e2io_zeroout(io_channel io, unsigned long long block,
			      unsigned long long count)
{
	struct channel *channel = channel_of(io);

	return channel != NULL ? channel_zero(channel, block, count)
			       : EXT2_ET_MAGIC_IO_CHANNEL;
}

static errcode_t e2io_cache_readahead(io_channel io, unsigned long long block,
				      unsigned long long count)
{
	struct channel *channel = channel_of(io);

	return channel != NULL ? channel_read_ahead(channel, block, count)
			       : EXT2_ET_MAGIC_IO_CHANNEL;
}

struct struct_io_manager e2io_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "mpio I/O manager",
	.open = e2io_open,
	.close = e2io_close,
	.set_blksize = e2io_set_blksize,
	.read_blk = e2io_read_blk,
	.write_blk = e2io_write_blk,
	.flush = e2io_flush,
	.write_byte = e2io_write_byte,
	.set_option = e2io_set_option,
	.get_stats = e2io_get_stats,
	.read_blk64 = e2io_read_blk64,
	.write_blk64 = e2io_write_blk64,
	.discard = e2io_discard,
	.cache_readahead = e2io_cache_readahead,
	.zeroout = e2io_zeroout,
};

__attribute__((visibility("default"))) io_manager mpio_io_manager =
	&e2io_manager;

/* SPDX-License-Identifier: MIT */
/*
 * libext2fs on an image in memory, to be read.
 */
#include "memory_io.h"

#include <ext2fs/ext2fs.h>
#include <string.h>

static struct {
	const unsigned char *bytes;
	size_t size;
} shown;

void memory_io_show(const unsigned char *bytes, size_t size)
{
	shown.bytes = bytes;
	shown.size = size;
}

static struct struct_io_manager memory;

static errcode_t open_shown(const char *name, int flags, io_channel *channel)
{
	io_channel io = calloc(1, sizeof(*io));

	(void)flags;
	if (io == NULL)
		return EXT2_ET_NO_MEMORY;
	io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	io->manager = &memory;
	io->name = strdup(name); /* ext2fs_free() looks at it */
	io->block_size = 1024;
	io->refcount = 1;
	*channel = io;
	return 0;
}

static errcode_t close_shown(io_channel io)
{
	if (--io->refcount > 0)
		return 0;
	free(io->name);
	free(io);
	return 0;
}

static errcode_t set_block_size(io_channel io, int size)
{
	io->block_size = size;
	return 0;
}

/* A count below 0 is one of bytes. */
static errcode_t read_blocks(io_channel io, unsigned long long block, int count,
			     void *data)
{
	size_t block_size = (size_t)io->block_size;
	size_t length =
		count < 0 ? (size_t) - (long)count : (size_t)count * block_size;

	if (block > shown.size / block_size ||
	    length > shown.size - (size_t)block * block_size)
		return EXT2_ET_SHORT_READ;
	memcpy(data, shown.bytes + (size_t)block * block_size, length);
	return 0;
}

static errcode_t read_blocks_32(io_channel io, unsigned long block, int count,
				void *data)
{
	return read_blocks(io, block, count, data);
}

static errcode_t write_blocks(io_channel io, unsigned long block, int count,
			      const void *data)
{
	(void)io, (void)block, (void)count, (void)data;
	return EXT2_ET_RO_FILSYS;
}

static errcode_t flush(io_channel io)
{
	(void)io;
	return 0;
}

static errcode_t set_option(io_channel io, const char *option,
			    const char *argument)
{
	(void)io, (void)option, (void)argument;
	return 0;
}

static struct struct_io_manager memory = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "an image in memory",
	.open = open_shown,
	.close = close_shown,
	.set_blksize = set_block_size,
	.read_blk = read_blocks_32,
	.read_blk64 = read_blocks,
	.write_blk = write_blocks,
	.flush = flush,
	.set_option = set_option,
};

/* In the place of libext2fs's own. */
io_manager unix_io_manager = &memory;

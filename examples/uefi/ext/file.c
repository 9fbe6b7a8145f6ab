/* SPDX-License-Identifier: MIT */
/*
 * File: an inode, where its blocks lie, and reading it into place.
 */
#include "private.h"

/* Where the table of a group's inodes begins. */
static int find_table(struct ext_volume *volume, uint32_t group,
		      uint64_t *table)
{
	uint64_t offset = (uint64_t)group * volume->descriptor_size;
	const unsigned char *descriptor;
	int status;

	status = ext_hold(volume, &volume->descriptors,
			  volume->first_block + 1u +
				  (offset >> volume->block_bits));
	if (status)
		return status;
	descriptor =
		volume->descriptors.bytes + (offset & (volume->block_size - 1));
	*table = get32(descriptor + 8);
	if (volume->descriptor_size >= 64)
		*table |= (uint64_t)get32(descriptor + 40) << 32;
	return 0;
}

static int find_inode(struct ext_volume *volume, uint32_t number,
		      const unsigned char **inode)
{
	uint32_t group, index;
	uint64_t table, offset;
	int status;

	if (number == 0 || number > volume->inodes)
		return -MPIO_EUCLEAN;
	group = (number - 1) / volume->inodes_per_group;
	index = (number - 1) % volume->inodes_per_group;
	if ((uint64_t)group * volume->blocks_per_group >=
	    volume->blocks - volume->first_block)
		return -MPIO_EUCLEAN;
	status = find_table(volume, group, &table);
	if (status)
		return status;
	/* So that adding to it cannot wrap. */
	if (!ext_is_inside(volume, table, 1))
		return -MPIO_EUCLEAN;
	offset = (uint64_t)index * volume->inode_size;
	status = ext_hold(volume, &volume->inodes_block,
			  table + (offset >> volume->block_bits));
	*inode = volume->inodes_block.bytes +
		 (offset & (volume->block_size - 1));
	return status;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct ext_file *file = (struct ext_file *)mapping;

	(void)page;
	(void)flags;
	if (file->flags & EXT_EXTENTS)
		return ext_find_extent(file, block, extent);
	return ext_find_indirect(file, block, extent);
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct ext_file *file = (struct ext_file *)mapping;

	if (status && (!file->error || page->pos < file->error_pos)) {
		file->error = status;
		file->error_pos = page->pos;
	}
}

static const struct mpio_mapping_ops file_ops = {
	.get_block = get_block,
	.read_end = read_end,
};

int ext_file_open(struct ext_volume *volume, uint32_t number,
		  struct ext_file *file)
{
	const unsigned char *inode;
	uint64_t size;
	int status;

	status = find_inode(volume, number, &inode);
	if (status)
		return status;
	file->volume = volume;
	file->number = number;
	file->mode = get16(inode);
	file->flags = get32(inode + 32);
	memcpy(file->map, inode + 40, sizeof(file->map));
	for (unsigned int i = 0; i < EXT_LEVELS; i++)
		file->levels[i].number = 0;
	file->error = 0;
	/* In old directories the upper half is something else. */
	size = get32(inode + 4);
	if ((file->mode & EXT_TYPE) == EXT_REGULAR)
		size |= (uint64_t)get32(inode + 108) << 32;
	/* The numbers of a file's blocks have 32 bits. */
	if (size > (uint64_t)UINT32_MAX << volume->block_bits)
		return -MPIO_EUCLEAN;
	if (file->flags & (EXT_INLINE | EXT_ENCRYPTED))
		return -MPIO_EOPNOTSUPP;
	file->mapping = (struct mpio_mapping){
		.ops = &file_ops,
		.size = size,
		.block_size = volume->block_size,
	};
	return 0;
}

/* Lay the window's pages over the memory; tell how many there are. */
static size_t lay_out(struct ext_file *file, const struct ext_window *window,
		      uint64_t pos, unsigned char *memory, uint64_t length)
{
	size_t n;

	for (n = 0; n < window->count && length > 0; n++) {
		struct mpio_page *page = &window->pages[n];
		uint32_t size = window->page_size;

		if (size > length)
			size = (uint32_t)length;
		mpio_page_init(page, &file->mapping, pos, memory, size);
		page->flags = MPIO_PAGE_LOCKED;
		window->batch[n] = page;
		pos += size;
		memory += size;
		length -= size;
	}
	return n;
}

int ext_read(struct ext_file *file, const struct ext_window *window,
	     uint64_t pos, void *memory, uint64_t length)
{
	struct mpio_queue *queue = file->volume->queue;
	uint64_t mask = file->volume->block_size - 1u;
	uint64_t step = window->count * (uint64_t)window->page_size;
	unsigned char *to = memory;

	if ((pos & mask) || step == 0 || (window->page_size & mask) ||
	    length > SIZE_MAX - mask || pos > UINT64_MAX - mask - length)
		return -MPIO_EINVAL;
	length = (length + mask) & ~mask;
	file->error = 0;
	for (uint64_t done = 0; done < length; done += step) {
		size_t n = lay_out(file, window, pos + done, to + (size_t)done,
				   length - done);
		int taken = mpio_readahead(queue, &file->mapping, window->batch,
					   n, MPIO_READ_SYNC);
		int status = mpio_queue_drain(queue);

		if (status) {
			/* The device still has some of the pages. */
			file->volume->lost = true;
			return status;
		}
		if (taken < 0)
			return taken;
		if ((size_t)taken < n)
			return -MPIO_EINVAL;
	}
	if (pos + length > file->mapping.size) {
		uint64_t from =
			file->mapping.size > pos ? file->mapping.size - pos : 0;

		memset(to + (size_t)from, 0, (size_t)(length - from));
	}
	return file->error;
}

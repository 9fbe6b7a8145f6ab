/* SPDX-License-Identifier: MIT */
/*
 * Directory: a file's inode by its path.
 *
 * Directories are searched entry by entry. In one with an index the blocks of
 * the index look like entries that are not in use, so it needs no care here.
 */
#include "private.h"

#define NAME_MAX 255u
#define ENTRY_HEADER 8u /* inode, length of entry, length of name, type */

/* One component of a path. */
struct name {
	const char *text;
	uint32_t length;
};

/* Search a block; 0: it is not in there. */
static int search_block(const unsigned char *bytes, uint32_t size,
			struct name name, uint32_t *inode)
{
	uint32_t at = 0;

	*inode = 0;
	while (at < size) {
		const unsigned char *entry = bytes + at;
		uint32_t length, name_length;

		if (size - at < ENTRY_HEADER)
			return -MPIO_EUCLEAN;
		length = get16(entry + 4);
		/* Without the feature `filetype` the type is the upper byte
		 * of the length, and 0. */
		name_length = entry[6];
		if (length < ENTRY_HEADER || length % 4 != 0 ||
		    length > size - at || name_length > length - ENTRY_HEADER)
			return -MPIO_EUCLEAN;
		if (get32(entry) != 0 && name_length == name.length &&
		    memcmp(entry + ENTRY_HEADER, name.text, name.length) == 0) {
			*inode = get32(entry);
			return 0;
		}
		at += length;
	}
	return 0;
}

/* The next block of a directory, and of it as much as lies together. */
static int find_block(struct ext_file *directory, uint64_t block,
		      uint64_t *number)
{
	struct mpio_extent extent = {.count = 1};
	int status = directory->mapping.ops->get_block(&directory->mapping,
						       NULL, block, 0, &extent);

	if (!status && extent.flags & MPIO_EXTENT_UNWRITTEN)
		status = -MPIO_EUCLEAN;
	/* A directory has no holes. */
	if (!status && !(extent.flags & MPIO_EXTENT_MAPPED))
		status = -MPIO_EUCLEAN;
	*number = extent.block;
	return status;
}

static int search(struct ext_file *directory, struct name name, uint32_t *inode)
{
	struct ext_volume *volume = directory->volume;
	struct ext_block *held = &volume->directory;
	uint64_t blocks = directory->mapping.size >> volume->block_bits;

	if (blocks > volume->blocks)
		return -MPIO_EUCLEAN;
	for (uint64_t block = 0; block < blocks; block++) {
		uint64_t number;
		int status = find_block(directory, block, &number);

		if (!status)
			status = ext_hold(volume, held, number);
		if (!status)
			status = search_block(held->bytes, volume->block_size,
					      name, inode);
		if (status || *inode != 0)
			return status;
	}
	return -MPIO_ENOENT;
}

/* Take a component off the front of a path; its length is 0 at the end. */
static struct name next_name(const char **path)
{
	struct name name = {0};

	while (**path == '/')
		(*path)++;
	name.text = *path;
	while (**path != '\0' && **path != '/') {
		(*path)++;
		name.length++;
	}
	return name;
}

int ext_find(struct ext_volume *volume, const char *path, struct ext_file *file)
{
	uint32_t number = EXT_ROOT_INODE;
	struct name name;
	int status;

	for (;;) {
		status = ext_file_open(volume, number, file);
		if (status)
			return status;
		if (*path == '\0')
			break;
		name = next_name(&path);
		if (name.length > NAME_MAX)
			return -MPIO_ENAMETOOLONG;
		if ((file->mode & EXT_TYPE) == EXT_SYMLINK)
			return -MPIO_EOPNOTSUPP;
		/* Nor has another file a '/' behind its name. */
		if ((file->mode & EXT_TYPE) != EXT_DIRECTORY)
			return -MPIO_ENOTDIR;
		if (name.length == 0)
			break;
		status = search(file, name, &number);
		if (status)
			return status;
	}
	if ((file->mode & EXT_TYPE) == EXT_DIRECTORY)
		return -MPIO_EISDIR;
	if ((file->mode & EXT_TYPE) != EXT_REGULAR)
		return -MPIO_EOPNOTSUPP;
	return 0;
}

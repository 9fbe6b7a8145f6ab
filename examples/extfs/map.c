/* SPDX-License-Identifier: MIT */
/*
 * Map: get_block for ext2, ext3 and ext4 files.
 *
 * A file is mapped in one of three ways: by an extent tree, by direct and
 * indirect blocks, or not at all, since its bytes lie in its inode. Each is
 * answered with a run as long as one piece of metadata tells of. What follows
 * the last extent of a leaf, or the last pointer of an indirect block, takes
 * another piece to be read; the answer says so by the boundary flag.
 *
 *     inode     0 .. 11 | 12 .. 12+N-1  | one more level | one more
 *               direct  | indirect      | double         | triple
 *                       ^ boundary      ^ boundary, and inside at each N
 *
 * Files are read forwards. So the extent tree is walked with a cursor, and of
 * each level of indirect blocks the current one is held: no block of metadata
 * is read twice. Leaves of the tree are announced to the system long before
 * they are asked for, or each read of one would stand in line behind the data
 * that is on its way. What is announced is no boundary.
 *
 * The image may be damaged. What cannot be is -MPIO_EUCLEAN; libext2fs's own
 * error, which tells more, is kept for the message.
 */
#include "extfs.h"

#include <et/com_err.h>
#include <mpio/open.h>
#include <stdlib.h>
#include <string.h>

/* Leaves of the extent tree that are announced at once. */
#define LEAVES 64

/* libext2fs's errors; numbers below its table are the system's. */
static int map_error(struct map *map, errcode_t error)
{
	map->error = error;
	if (error == EXT2_ET_NO_MEMORY)
		return -MPIO_ENOMEM;
	if (error == EXT2_ET_SHORT_READ)
		return -MPIO_EIO;
	if (error > 0 && error < 4096)
		return mpio_error_from_host((int)error);
	return -MPIO_EUCLEAN;
}

static int map_damaged(struct map *map)
{
	map->error = 0;
	return -MPIO_EUCLEAN;
}

/* Keep a run inside the file system; outside, only what is outside fails. */
static int check_range(struct map *map, struct mpio_extent *extent)
{
	struct ext2_super_block *super = map->image->fs->super;
	uint64_t first = (uint64_t)super->s_first_data_block + 1;
	uint64_t end = ext2fs_blocks_count(super);

	if (!(extent->flags & MPIO_EXTENT_MAPPED))
		return 0;
	if (extent->block < first || extent->block >= end)
		return map_damaged(map);
	if (extent->count > end - extent->block) {
		extent->count = end - extent->block;
		extent->flags &= ~(uint32_t)MPIO_EXTENT_BOUNDARY;
	}
	return 0;
}

/* Direct and indirect blocks. */

/* Hold the indirect block that lies at `block`, and give its pointers. */
static int load(struct map *map, int level, blk64_t block, uint32_t **entries)
{
	struct indirect *held = &map->indirect[level];
	ext2_filsys fs = map->image->fs;
	errcode_t error;

	*entries = held->entries;
	if (held->block == block)
		return 0;
	if (block <= fs->super->s_first_data_block ||
	    block >= ext2fs_blocks_count(fs->super))
		return map_damaged(map);
	held->block = 0;
	error = ext2fs_read_ind_block(fs, (blk_t)block, held->entries);
	if (error)
		return map_error(map, error);
	held->block = block;
	return 0;
}

/* The run that begins at a pointer: adjacent blocks, or a hole. */
static void take_run(const uint32_t *entries, size_t n, size_t slot,
		     struct mpio_extent *extent)
{
	uint64_t first = entries[slot];
	uint64_t wanted = extent->count;
	uint64_t count = 1;

	while (count < wanted && slot + count < n &&
	       entries[slot + count] == (first ? first + count : 0))
		count++;
	extent->count = count;
	if (!first)
		return;
	extent->block = first;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (slot + count == n)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
}

static int find_indirect(struct map *map, uint64_t block,
			 struct mpio_extent *extent)
{
	const uint32_t *pointers = map->node->raw.i_block;
	uint64_t n = map->image->fs->blocksize / sizeof(uint32_t);
	uint64_t index = block - EXT2_NDIR_BLOCKS;
	uint64_t span = n; /* blocks below one pointer of the inode */
	uint64_t pointer;
	uint32_t *entries;
	int level, status;

	for (level = 0; level < 2 && index >= span; level++) {
		index -= span;
		span *= n;
	}
	pointer = pointers[EXT2_IND_BLOCK + level];
	for (;; level--) {
		/* A pointer fails, or is a hole, with all that is below. */
		if (extent->count > span - index)
			extent->count = span - index;
		if (!pointer)
			return 0;
		status = load(map, level, pointer, &entries);
		if (status)
			return status;
		if (level == 0)
			break;
		span /= n;
		pointer = entries[index / span];
		index %= span;
	}
	take_run(entries, (size_t)n, (size_t)index, extent);
	return 0;
}

static int find_block_mapped(struct map *map, uint64_t block,
			     struct mpio_extent *extent)
{
	int status = 0;

	if (block < EXT2_NDIR_BLOCKS)
		take_run(map->node->raw.i_block, EXT2_NDIR_BLOCKS,
			 (size_t)block, extent);
	else
		status = find_indirect(map, block, extent);
	return status;
}

/* The extent tree. */

/* Move to an extent. -MPIO_ENODATA: there is no further one. */
static int move(struct map *map, int where)
{
	struct ext2fs_extent next;
	errcode_t error;

	error = ext2fs_extent_get(map->tree, where, &next);
	if (error == EXT2_ET_EXTENT_NO_NEXT || error == EXT2_ET_NO_CURRENT_NODE)
		return -MPIO_ENODATA;
	if (error)
		return map_error(map, error);
	if (!(next.e_flags & EXT2_EXTENT_FLAGS_LEAF) || next.e_len == 0)
		return map_damaged(map);
	/* Extents that do not ascend could lead in circles. */
	if (where == EXT2_EXTENT_NEXT_LEAF &&
	    next.e_lblk < map->extent.e_lblk + map->extent.e_len)
		return map_damaged(map);
	map->extent = next;
	return 0;
}

/* Put the cursor on the first extent that ends after `block`. */
static int position(struct map *map, uint64_t block)
{
	errcode_t error;
	int status = 0;

	if (!map->positioned || block < map->asked) {
		map->at_end = false;
		map->positioned = false;
		error = ext2fs_extent_goto(map->tree, block);
		if (error && error != EXT2_ET_EXTENT_NOT_FOUND)
			return map_error(map, error);
		/* Not found, it stands on a neighbour, if there is one. */
		status = move(map, EXT2_EXTENT_CURRENT);
	}
	map->asked = block;
	while (!status && !map->at_end &&
	       map->extent.e_lblk + map->extent.e_len <= block)
		status = move(map, EXT2_EXTENT_NEXT_LEAF);
	if (status == -MPIO_ENODATA) {
		map->at_end = true;
		status = 0;
	}
	map->positioned = status == 0;
	return status;
}

/* A node of the tree is lost: how many blocks, from this one on, with it? */
static uint64_t blocks_lost(struct map *map, uint64_t block)
{
	struct ext2_extent_info info;
	struct ext2fs_extent index;
	int level;

	map->positioned = false;
	if (ext2fs_extent_get_info(map->tree, &info))
		return UINT64_MAX;
	for (level = 1; level <= info.max_depth; level++) {
		if (ext2fs_extent_goto2(map->tree, level, block) ||
		    ext2fs_extent_get(map->tree, EXT2_EXTENT_CURRENT, &index))
			continue;
		if (index.e_lblk <= block && block - index.e_lblk < index.e_len)
			return index.e_lblk + index.e_len - block;
	}
	return UINT64_MAX;
}

/* Find the next leaf to be announced, which is behind the one before. */
static bool next_leaf(struct map *map, bool sibling, struct ext2fs_extent *leaf)
{
	ext2_extent_handle_t parents = map->parents;

	if (sibling && !ext2fs_extent_get(parents, EXT2_EXTENT_NEXT_SIB, leaf))
		return true;
	return map->announced < map->blocks &&
	       !ext2fs_extent_goto2(parents, 1, map->announced) &&
	       !ext2fs_extent_get(parents, EXT2_EXTENT_CURRENT, leaf);
}

/*
 * Announce some leaves more, and again when half of them were used. If
 * something is wrong with the tree, the cursor will find it.
 */
static void announce_leaves(struct map *map)
{
	struct ext2fs_extent leaf;
	uint64_t end;
	int i;

	map->announce_at = UINT64_MAX;
	for (i = 0; i < LEAVES && next_leaf(map, i > 0, &leaf); i++) {
		end = leaf.e_lblk + leaf.e_len;
		if (end <= map->announced)
			break;
		io_channel_cache_readahead(map->image->fs->io, leaf.e_pblk, 1);
		map->announced = end;
		if (i == LEAVES / 2)
			map->announce_at = leaf.e_lblk;
	}
}

/* Whether a block after this extent takes a leaf that nobody knows of yet. */
static bool last_of_leaf(struct map *map)
{
	struct ext2_extent_info info;

	if (map->extent.e_lblk + map->extent.e_len < map->announced)
		return false;
	if (ext2fs_extent_get_info(map->tree, &info))
		return false;
	return info.curr_level > 0 && info.curr_entry == info.num_entries;
}

static int find_extent_mapped(struct map *map, uint64_t block,
			      struct mpio_extent *extent)
{
	const struct ext2fs_extent *found = &map->extent;
	uint64_t left;
	int status;

	if (block >= map->announce_at)
		announce_leaves(map);
	status = position(map, block);
	if (status) {
		left = blocks_lost(map, block);
		if (extent->count > left)
			extent->count = left;
		return status;
	}
	if (map->at_end)
		return 0; /* a hole up to the end of file */
	if (block < found->e_lblk) {
		left = found->e_lblk - block;
		if (extent->count > left)
			extent->count = left;
		return 0;
	}
	left = found->e_lblk + found->e_len - block;
	extent->block = found->e_pblk + (block - found->e_lblk);
	extent->flags = MPIO_EXTENT_MAPPED;
	if (found->e_flags & EXT2_EXTENT_FLAGS_UNINIT)
		extent->flags |= MPIO_EXTENT_UNWRITTEN;
	if (extent->count >= left) {
		extent->count = left;
		if (last_of_leaf(map))
			extent->flags |= MPIO_EXTENT_BOUNDARY;
	}
	return 0;
}

/* Inline data: the file's first bytes; what the size has more is zeros. */

static void fill_inline(const struct map *map, struct mpio_page *page)
{
	size_t length = map->data_size;

	if (length > map->node->size)
		length = (size_t)map->node->size;
	if (length > page->size)
		length = page->size;
	memcpy(page->data, map->data, length);
	memset((char *)page->data + length, 0, page->size - length);
}

int map_find(struct map *map, uint64_t block, struct mpio_extent *extent)
{
	int status;

	extent->flags = 0;
	if (map->data) {
		if (block == 0) {
			extent->count = 1;
			extent->flags = MPIO_EXTENT_UPTODATE;
		}
		return 0;
	}
	if (map->tree)
		status = find_extent_mapped(map, block, extent);
	else
		status = find_block_mapped(map, block, extent);
	if (!status)
		status = check_range(map, extent);
	if (block + extent->count >= map->blocks)
		extent->flags &= ~(uint32_t)MPIO_EXTENT_BOUNDARY;
	return status;
}

int map_get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct map *map = mapping->host;
	int status;

	if (flags & MPIO_MAP_CREATE)
		return -MPIO_EROFS;
	status = map_find(map, block, extent);
	if (!status && (extent->flags & MPIO_EXTENT_UPTODATE))
		fill_inline(map, page);
	return status;
}

/* Open and close. */

static errcode_t open_inline(struct map *map)
{
	ext2_filsys fs = map->image->fs;
	errcode_t error;

	error = ext2fs_inline_data_size(fs, map->node->ino, &map->data_size);
	if (error)
		return error;
	map->data = calloc(1, map->data_size + 1);
	if (!map->data)
		return EXT2_ET_NO_MEMORY;
	return ext2fs_inline_data_get(fs, map->node->ino, NULL, map->data,
				      &map->data_size);
}

static errcode_t open_blocks(struct map *map)
{
	size_t size = map->image->fs->blocksize;
	int level;

	for (level = 0; level < 3; level++) {
		map->indirect[level].entries = malloc(size);
		if (!map->indirect[level].entries)
			return EXT2_ET_NO_MEMORY;
	}
	return 0;
}

static errcode_t open_extents(struct map *map)
{
	ext2_filsys fs = map->image->fs;
	errcode_t error;

	error = ext2fs_extent_open2(fs, map->node->ino, NULL, &map->tree);
	if (!error)
		error = ext2fs_extent_open2(fs, map->node->ino, NULL,
					    &map->parents);
	return error;
}

/* The most blocks that a file can have. */
static uint64_t blocks_max(const struct map *map)
{
	uint64_t n = map->image->fs->blocksize / sizeof(uint32_t);

	if (map->tree)
		return UINT64_C(1) << 32;
	return EXT2_NDIR_BLOCKS + n + n * n + n * n * n;
}

int map_open(struct map *map, const struct image *image,
	     const struct node *node, const char *path)
{
	uint32_t block_size = image->fs->blocksize;
	errcode_t error;

	memset(map, 0, sizeof(*map));
	map->image = image;
	map->node = node;
	map->blocks = node->size / block_size + (node->size % block_size != 0);
	if (node->raw.i_flags & EXT4_INLINE_DATA_FL)
		error = open_inline(map);
	else if (node->raw.i_flags & EXT4_EXTENTS_FL)
		error = open_extents(map);
	else
		error = open_blocks(map);
	if (!error && map->blocks > blocks_max(map))
		error = EXT2_ET_FILE_TOO_BIG;
	if (!error)
		return DONE;
	report_problem(image->report, path, "cannot tell where it lies: %s",
		       error_message(error));
	map_close(map);
	return image_exit_code(error);
}

void map_close(struct map *map)
{
	int level;

	if (map->tree)
		ext2fs_extent_free(map->tree);
	if (map->parents)
		ext2fs_extent_free(map->parents);
	free(map->data);
	for (level = 0; level < 3; level++)
		free(map->indirect[level].entries);
	memset(map, 0, sizeof(*map));
}

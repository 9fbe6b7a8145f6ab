/* SPDX-License-Identifier: MIT */
/*
 * The extent tree of ext4. Its root is in the inode, each other node a block:
 * a header and entries, in the order of the file's blocks. In a leaf they are
 * runs of blocks, above it they name nodes.
 *
 * A node is checked as a whole when it is come to, for the range of the file
 * that it may speak of: entries ascend and stay in the range, what they name
 * lies on the volume, and each level is one lower than the level above. After
 * that it is searched without further care.
 */
#include "private.h"

#define MAGIC 0xf30au
#define HEADER 12u
#define ENTRY 12u
#define LENGTH_MAX 32768u /* of an extent; longer: unwritten, less that */
#define LOGICAL_END ((uint64_t)1 << 32)

struct node {
	const unsigned char *bytes;
	uint32_t size;  /* bytes */
	uint32_t depth; /* 0: a leaf */
	uint32_t entries;
	struct ext_range range; /* of the file, that it may speak of */
};

static const unsigned char *entry_of(const struct node *node, uint32_t i)
{
	return node->bytes + HEADER + i * ENTRY;
}

/* The first block of the file that an entry speaks of. */
static uint64_t key_of(const struct node *node, uint32_t i)
{
	return get32(entry_of(node, i));
}

static uint32_t length_of(const unsigned char *entry)
{
	uint32_t length = get16(entry + 4);

	return length > LENGTH_MAX ? length - LENGTH_MAX : length;
}

/* What a leaf's entry names, and what one above a leaf does. */
static uint64_t start_of(const unsigned char *entry)
{
	return get32(entry + 8) | (uint64_t)get16(entry + 6) << 32;
}

static uint64_t child_of(const unsigned char *entry)
{
	return get32(entry + 4) | (uint64_t)get16(entry + 8) << 32;
}

static bool header_is_sound(const struct node *node)
{
	uint32_t room = get16(node->bytes + 4);

	return get16(node->bytes) == MAGIC &&
	       room <= (node->size - HEADER) / ENTRY && node->entries <= room &&
	       get16(node->bytes + 6) == node->depth;
}

static bool entries_are_sound(const struct ext_volume *volume,
			      const struct node *node)
{
	uint64_t next = node->range.first; /* where an entry may begin */

	for (uint32_t i = 0; i < node->entries; i++) {
		const unsigned char *entry = entry_of(node, i);
		uint64_t key = get32(entry);
		uint64_t length = 1, block = child_of(entry), blocks = 1;

		if (node->depth == 0) {
			length = blocks = length_of(entry);
			block = start_of(entry);
		}
		if (key < next || key >= node->range.end || length == 0 ||
		    length > node->range.end - key ||
		    !ext_is_inside(volume, block, blocks))
			return false;
		next = key + length;
	}
	return true;
}

/* How many of the entries begin at a block or before. */
static uint32_t count_before(const struct node *node, uint64_t block)
{
	uint32_t low = 0, high = node->entries;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (key_of(node, middle) <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The root is in the inode, and is checked each time: it has four entries. */
static int take_root(const struct ext_file *file, struct node *node)
{
	*node = (struct node){
		.bytes = file->map,
		.size = sizeof(file->map),
		.depth = get16(file->map + 6),
		.entries = get16(file->map + 2),
		.range = {.end = LOGICAL_END},
	};
	if (node->depth > EXT_LEVELS || !header_is_sound(node) ||
	    !entries_are_sound(file->volume, node))
		return -MPIO_EUCLEAN;
	return 0;
}

/* Go down from a node by one of its entries. */
static int take_child(struct ext_file *file, struct node *node, uint32_t i)
{
	struct ext_block *held = &file->levels[node->depth - 1];
	struct ext_range *checked = &file->ranges[node->depth - 1];
	uint64_t number = child_of(entry_of(node, i));
	struct node child = {
		.bytes = held->bytes,
		.size = file->volume->block_size,
		.depth = node->depth - 1,
		.range = {.first = key_of(node, i), .end = node->range.end},
	};
	bool is_new = held->number != number;
	int status;

	if (i + 1 < node->entries)
		child.range.end = key_of(node, i + 1);
	status = ext_hold(file->volume, held, number);
	if (status)
		return status;
	child.entries = get16(held->bytes + 2);
	if (is_new || checked->first != child.range.first ||
	    checked->end != child.range.end) {
		if (child.entries == 0 || !header_is_sound(&child) ||
		    !entries_are_sound(file->volume, &child)) {
			held->number = 0;
			return -MPIO_EUCLEAN;
		}
		*checked = child.range;
	}
	*node = child;
	return 0;
}

/* Between entries, before the first and behind the last are holes. */
static int take_hole(const struct node *node, uint32_t next, uint64_t block,
		     struct mpio_extent *extent)
{
	uint64_t end = node->range.end;

	if (next < node->entries)
		end = key_of(node, next);
	if (block >= end)
		return -MPIO_EUCLEAN; /* so large no file can be */
	if (extent->count > end - block)
		extent->count = end - block;
	return 0;
}

static int take_extent(const struct node *leaf, uint32_t i, uint64_t block,
		       struct mpio_extent *extent)
{
	const unsigned char *entry = entry_of(leaf, i);
	uint64_t offset = block - key_of(leaf, i);
	uint64_t length = length_of(entry);

	if (offset >= length)
		return take_hole(leaf, i + 1, block, extent);
	extent->block = start_of(entry) + offset;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (get16(entry + 4) > LENGTH_MAX)
		extent->flags |= MPIO_EXTENT_UNWRITTEN;
	if (extent->count < length - offset)
		return 0;
	extent->count = length - offset;
	/* What follows is in another leaf, which has to be read first. */
	if (i + 1 == leaf->entries && leaf->range.end < LOGICAL_END)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
	return 0;
}

int ext_find_extent(struct ext_file *file, uint64_t block,
		    struct mpio_extent *extent)
{
	struct node node;
	int status = take_root(file, &node);

	while (!status) {
		uint32_t before = count_before(&node, block);

		if (before == 0)
			return take_hole(&node, 0, block, extent);
		if (node.depth == 0)
			return take_extent(&node, before - 1, block, extent);
		status = take_child(file, &node, before - 1);
	}
	return status;
}

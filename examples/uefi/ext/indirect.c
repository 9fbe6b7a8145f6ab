/* SPDX-License-Identifier: MIT */
/*
 * Blocks named one by one, as in ext2 and ext3: twelve pointers in the inode,
 * and three more to trees of one, two and three levels of blocks of pointers.
 *
 *     file      0 .. 11 | 12 .. 11+n  | n^2 more   | n^3 more
 *               inode   | indirect    | double     | triple
 *
 * A run never goes on behind the last pointer of its block. What follows there
 * takes another block of pointers to be read, which an allocator puts right
 * behind the data: so the answer has the boundary flag.
 */
#include "private.h"

#define DIRECT 12u
/* Pointers that are looked at together. */
#define GROUP 32u

/* Is each of a group of pointers as expected? There is no way out between. */
static bool is_group(const unsigned char *pointers, uint32_t expected,
		     uint32_t step)
{
	const unsigned char *at = __builtin_assume_aligned(pointers, 4);
	uint32_t other = 0;

	for (uint32_t i = 0; i < GROUP; i++) {
		other |= get32(at + 4 * i) ^ expected;
		expected += step;
	}
	return other == 0;
}

/* So many of some pointers name adjacent blocks, or none. */
static uint32_t count_run(const unsigned char *at, uint32_t most)
{
	uint32_t first = get32(at), step = first != 0, count = 0;

	/* Behind the largest number comes no other. */
	if (first != 0 && most > UINT32_MAX - first)
		most = UINT32_MAX - first + 1;
	while (most - count >= GROUP &&
	       is_group(at + 4 * count, first + step * count, step))
		count += GROUP;
	while (count < most && get32(at + 4 * count) == first + step * count)
		count++;
	return count;
}

/* The run that begins at a pointer: adjacent blocks, or a hole. */
static int take_run(const struct ext_volume *volume,
		    const unsigned char *pointers, uint32_t n, uint32_t slot,
		    struct mpio_extent *extent)
{
	const unsigned char *at = pointers + 4 * slot;
	uint64_t most = n - slot < extent->count ? n - slot : extent->count;
	uint32_t count = count_run(at, (uint32_t)most), first = get32(at);

	extent->count = count;
	if (first == 0)
		return 0;
	if (!ext_is_inside(volume, first, count))
		return -MPIO_EUCLEAN;
	extent->block = first;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (slot + count == n)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
	return 0;
}

/* What is below a pointer that is 0, is a hole. */
static int take_hole(uint64_t length, struct mpio_extent *extent)
{
	if (extent->count > length)
		extent->count = length;
	return 0;
}

int ext_find_indirect(struct ext_file *file, uint64_t block,
		      struct mpio_extent *extent)
{
	const struct ext_volume *volume = file->volume;
	uint32_t bits = volume->block_bits - 2; /* log2 of pointers a block */
	uint64_t index = block - DIRECT;
	uint32_t depth = 1; /* of the tree, in which index is counted */
	uint32_t pointer;

	if (block < DIRECT)
		return take_run(volume, file->map, DIRECT, (uint32_t)block,
				extent);
	while (depth <= 3 && index >> (depth * bits) != 0) {
		index -= (uint64_t)1 << (depth * bits);
		depth++;
	}
	if (depth > 3)
		return -MPIO_EUCLEAN; /* so large no file can be */
	pointer = get32(file->map + 4 * (DIRECT + depth - 1));
	for (uint32_t level = depth; level > 0; level--) {
		struct ext_block *held = &file->levels[level - 1];
		uint64_t below = (uint64_t)1 << (level * bits);
		uint32_t slot;
		int status;

		index &= below - 1;
		if (pointer == 0)
			return take_hole(below - index, extent);
		status = ext_hold(file->volume, held, pointer);
		if (status)
			return status;
		slot = (uint32_t)(index >> ((level - 1) * bits));
		if (level == 1)
			return take_run(volume, held->bytes, 1u << bits, slot,
					extent);
		pointer = get32(held->bytes + 4 * slot);
	}
	return -MPIO_EUCLEAN; /* not reached: level 1 has an answer */
}

/* SPDX-License-Identifier: MIT */
/* What the parts of the reader share. */
#ifndef EXT_PRIVATE_H
#define EXT_PRIVATE_H

#include "ext.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *memory, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#define EXT_ROOT_INODE 2u

/* Of an inode's mode. */
#define EXT_TYPE 0xf000u
#define EXT_DIRECTORY 0x4000u
#define EXT_REGULAR 0x8000u
#define EXT_SYMLINK 0xa000u

/* Of an inode's flags. */
#define EXT_ENCRYPTED 0x800u
#define EXT_EXTENTS 0x80000u
#define EXT_INLINE 0x10000000u

/* Numbers on the disk: the lower byte first, whatever the machine's order. */
static inline uint32_t get16(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t get32(const unsigned char *at)
{
	uint32_t number;

	/* In one piece: of single bytes no compiler makes words side by side,
	 * which is how pointers are looked at. */
	__builtin_memcpy(&number, at, sizeof(number));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	number = __builtin_bswap32(number);
#endif
	return number;
}

/* May a file have these blocks? What lies before are the superblock's. */
static inline bool ext_is_inside(const struct ext_volume *volume,
				 uint64_t block, uint64_t count)
{
	return block > volume->first_block && block < volume->blocks &&
	       count <= volume->blocks - block;
}

/* Read bytes of metadata, and wait for them. */
int ext_read_bytes(struct ext_volume *volume, uint64_t offset, void *memory,
		   uint32_t length);

/* Hold a block. It lies inside the volume, or that is an error. */
int ext_hold(struct ext_volume *volume, struct ext_block *held,
	     uint64_t number);

/* Open an inode, as whatever it is. */
int ext_file_open(struct ext_volume *volume, uint32_t number,
		  struct ext_file *file);

/* Where a run of a file's blocks lies: the two ways that there are. */
int ext_find_extent(struct ext_file *file, uint64_t block,
		    struct mpio_extent *extent);
int ext_find_indirect(struct ext_file *file, uint64_t block,
		      struct mpio_extent *extent);

#endif

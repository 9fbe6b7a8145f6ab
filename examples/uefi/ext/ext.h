/* SPDX-License-Identifier: MIT */
/*
 * A small reader of ext2, ext3 and ext4 for boot loaders: finds a file by its
 * path and reads it into place, in as few requests as its blocks allow.
 *
 *     error = ext_open(&volume, queue);
 *     error = ext_find(&volume, "/boot/kernel", &file);
 *     error = ext_read(&file, &window, 0, memory, file.mapping.size);
 *
 * Freestanding: all memory is the caller's, and nothing is needed but libmpio's
 * core and memcpy(), memset(), memmove(), memcmp(). Metadata are read through
 * the same queue, a block at a time, and held, so that none is read twice in a
 * row.
 *
 * The volume may be damaged, or made to do harm. Every number in it is checked
 * before it is used; what cannot be is -MPIO_EUCLEAN. Each search ends: trees
 * have a greatest depth, and no directory has more blocks than the volume.
 * Checksums of metadata are not looked at, nor is the journal: what was not
 * written back before a crash is seen as it lies there.
 *
 * Not read: encrypted files, symbolic links, files and directories inside their
 * inode (with the feature inline_data, most small directories are so), volumes
 * with meta_bg or bigalloc. They are told by -MPIO_EOPNOTSUPP.
 */
#ifndef EXT_H
#define EXT_H

#include <mpio/mpio.h>

/* Largest block of a volume; the buffers below are so large. */
#define EXT_BLOCK_MAX 4096u
/* Levels of a tree below the inode, at most. */
#define EXT_LEVELS 5u

/* A block of metadata that is held. */
struct ext_block {
	uint64_t number; /* where on the volume; 0: none */
	_Alignas(16) unsigned char bytes[EXT_BLOCK_MAX];
};

struct ext_volume {
	struct mpio_queue *queue;
	uint64_t blocks;
	uint32_t block_size;
	uint32_t block_bits; /* log2 of it */
	uint32_t first_block;
	uint32_t blocks_per_group;
	uint32_t inodes;
	uint32_t inodes_per_group;
	uint32_t inode_size;
	uint32_t descriptor_size;
	uint32_t metadata_reads; /* so many blocks of metadata were read */
	bool lost;  /* a read of metadata may still be under way: never to be
		    * used again */
	bool done;  /* the last one has ended, */
	int status; /* so */
	struct ext_block descriptors;
	struct ext_block inodes_block;
	struct ext_block directory;
};

/* What a node of the extent tree was checked for. */
struct ext_range {
	uint64_t first; /* of the file's blocks */
	uint64_t end;
};

/* A file, or a directory. */
struct ext_file {
	struct mpio_mapping mapping; /* first; its size is the file's */
	struct ext_volume *volume;
	uint32_t number; /* of the inode */
	uint32_t mode;
	uint32_t flags;
	unsigned char map[60]; /* pointers, or the root of a tree */
	struct ext_block levels[EXT_LEVELS]; /* of the tree, the lowest first */
	struct ext_range ranges[EXT_LEVELS];
	int error;          /* of the last ext_read(), or 0, */
	uint64_t error_pos; /* bytes; and the first page that had it */
};

/* Pages that are read together. */
struct ext_window {
	struct mpio_page *pages;
	struct mpio_page **batch; /* room for as many pointers */
	size_t count;
	uint32_t page_size; /* bytes; a multiple of the volume's blocks */
};

/*
 * Look for a volume on a queue's device; the queue is in use until the volume
 * is done with. -MPIO_EINVAL: there is none; -MPIO_EOPNOTSUPP: there is one
 * that this reader does not know; -MPIO_EUCLEAN: a damaged one; or an error of
 * the device.
 */
int ext_open(struct ext_volume *volume, struct mpio_queue *queue);

/*
 * Find a regular file by its path from the root, with or without a '/' before
 * it. -MPIO_ENOENT, -MPIO_ENOTDIR, -MPIO_EISDIR, -MPIO_ENAMETOOLONG,
 * -MPIO_EOPNOTSUPP, -MPIO_EUCLEAN, or an error of the device.
 */
int ext_find(struct ext_volume *volume, const char *path,
	     struct ext_file *file);

/*
 * Read bytes of a file into place.
 *
 * `pos` is a multiple of the block size; `memory` has room for `length` bytes
 * rounded up to it. Past the end of the file are zeros. All of it is read, also
 * behind an error, which is told: the first one, and where it was in the file's
 * `error_pos`.
 */
int ext_read(struct ext_file *file, const struct ext_window *window,
	     uint64_t pos, void *memory, uint64_t length);

#endif

/* SPDX-License-Identifier: MIT */
/*
 *     e2io-pieces IMAGE BYTES BLOCKS
 *
 * Writes two files into an ext4 file system, /pieces and /between, BYTES each,
 * in turns of so many blocks: so each lies on the disk in pieces of so many,
 * with pieces of the other between them. Bytes are running numbers of 64 bits,
 * from 0, and from 2^32 in the other one. It is also what a program looks like
 * that is linked with the io_manager.
 */
#include "mpio_e2io.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(call) check((call), #call)

static void check(errcode_t error, const char *call)
{
	if (error == 0)
		return;
	fprintf(stderr, "%s: %s\n", call, error_message(error));
	exit(1);
}

struct file {
	const char *name;
	uint64_t number; /* to be written next */
	blk64_t block;   /* the same, of the file */
	ext2_ino_t inode;
	ext2_extent_handle_t extents;
};

static void make(ext2_filsys fs, struct file *file)
{
	struct ext2_inode inode = {.i_mode = LINUX_S_IFREG | 0644,
				   .i_links_count = 1,
				   .i_flags = EXT4_EXTENTS_FL};

	CHECK(ext2fs_new_inode(fs, EXT2_ROOT_INO, LINUX_S_IFREG | 0644, NULL,
			       &file->inode));
	CHECK(ext2fs_link(fs, EXT2_ROOT_INO, file->name, file->inode,
			  EXT2_FT_REG_FILE));
	ext2fs_inode_alloc_stats2(fs, file->inode, 1, 0);
	CHECK(ext2fs_write_new_inode(fs, file->inode, &inode));
	CHECK(ext2fs_extent_open2(fs, file->inode, &inode, &file->extents));
	ext2fs_extent_free(file->extents);
	CHECK(ext2fs_write_inode(fs, file->inode, &inode));
	CHECK(ext2fs_extent_open(fs, file->inode, &file->extents));
}

/* The next blocks of a file: the first free ones behind `goal`, which moves. */
static void write_piece(ext2_filsys fs, struct file *file, uint64_t *memory,
			unsigned int blocks, blk64_t *goal)
{
	struct ext2fs_extent extent = {.e_lblk = file->block, .e_len = blocks};
	size_t numbers = (size_t)blocks * fs->blocksize / sizeof(*memory);
	blk64_t length = blocks;

	for (size_t i = 0; i < numbers; i++)
		memory[i] = file->number++;
	CHECK(ext2fs_new_range(fs, EXT2_NEWRANGE_MIN_LENGTH, *goal, blocks,
			       NULL, &extent.e_pblk, &length));
	ext2fs_block_alloc_stats_range(fs, extent.e_pblk, blocks, 1);
	CHECK(ext2fs_extent_insert(file->extents, EXT2_EXTENT_INSERT_AFTER,
				   &extent));
	CHECK(io_channel_write_blk64(fs->io, extent.e_pblk, (int)blocks,
				     memory));
	file->block += blocks;
	*goal = extent.e_pblk + blocks;
}

/* Its size, and its blocks; those of the extent tree are counted there. */
static void finish(ext2_filsys fs, struct file *file)
{
	struct ext2_inode inode;

	ext2fs_extent_free(file->extents);
	CHECK(ext2fs_read_inode(fs, file->inode, &inode));
	CHECK(ext2fs_inode_size_set(
		fs, &inode, (ext2_off64_t)(file->block * fs->blocksize)));
	CHECK(ext2fs_iblk_add_blocks(fs, &inode, file->block));
	CHECK(ext2fs_write_inode(fs, file->inode, &inode));
}

int main(int argc, char **argv)
{
	struct file files[] = {
		{.name = "pieces"},
		{.name = "between", .number = (uint64_t)1 << 32}};
	unsigned int blocks;
	blk64_t goal, end;
	uint64_t *memory;
	ext2_filsys fs;

	if (argc != 4) {
		fprintf(stderr, "usage: %s IMAGE BYTES BLOCKS\n", argv[0]);
		return 1;
	}
	blocks = (unsigned int)strtoul(argv[3], NULL, 10);
	initialize_ext2_error_table();
	CHECK(ext2fs_open(argv[1], EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
			  mpio_io_manager, &fs));
	CHECK(ext2fs_read_bitmaps(fs));
	memory = malloc((size_t)blocks * fs->blocksize);
	if (blocks == 0 || memory == NULL)
		return 1;
	end = strtoull(argv[2], NULL, 10) / fs->blocksize;
	goal = fs->super->s_first_data_block;
	make(fs, &files[0]);
	make(fs, &files[1]);
	while (files[0].block < end) {
		write_piece(fs, &files[0], memory, blocks, &goal);
		write_piece(fs, &files[1], memory, blocks, &goal);
	}
	finish(fs, &files[0]);
	finish(fs, &files[1]);
	CHECK(ext2fs_close_free(&fs));
	free(memory);
	return 0;
}

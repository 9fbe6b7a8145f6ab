/* SPDX-License-Identifier: MIT */
/*
 *     e2io-pieces IMAGE BYTES BLOCKS
 *
 * Writes two files into a file system, /pieces and /between, BYTES each, in
 * turns of so many blocks: so each lies on the disk in pieces of so many, with
 * pieces of the other between them. Bytes are running numbers of 64 bits, from
 * 0, and from 2^32 in the other one. It is also what a program looks like that
 * is linked with the io_manager.
 */
#include "mpio_e2io.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	uint64_t next; /* number to be written */
	ext2_file_t handle;
};

static void make(ext2_filsys fs, struct file *file)
{
	struct ext2_inode inode = {.i_mode = LINUX_S_IFREG | 0644,
				   .i_links_count = 1};
	ext2_ino_t number;

	CHECK(ext2fs_new_inode(fs, EXT2_ROOT_INO, LINUX_S_IFREG | 0644, NULL,
			       &number));
	CHECK(ext2fs_link(fs, EXT2_ROOT_INO, file->name, number,
			  EXT2_FT_REG_FILE));
	ext2fs_inode_alloc_stats2(fs, number, 1, 0);
	CHECK(ext2fs_write_new_inode(fs, number, &inode));
	if (ext2fs_has_feature_extents(fs->super)) {
		ext2_extent_handle_t extents;

		inode.i_flags |= EXT4_EXTENTS_FL;
		CHECK(ext2fs_extent_open2(fs, number, &inode, &extents));
		ext2fs_extent_free(extents);
		CHECK(ext2fs_write_inode(fs, number, &inode));
	}
	CHECK(ext2fs_file_open(fs, number, EXT2_FILE_WRITE, &file->handle));
}

static void write_piece(struct file *file, uint64_t *piece, unsigned int bytes)
{
	unsigned int written;

	for (unsigned int i = 0; i < bytes / sizeof(*piece); i++)
		piece[i] = file->next++;
	CHECK(ext2fs_file_write(file->handle, piece, bytes, &written));
}

int main(int argc, char **argv)
{
	struct file files[] = {{.name = "pieces"},
			       {.name = "between", .next = (uint64_t)1 << 32}};
	unsigned long long bytes;
	unsigned int piece;
	uint64_t *memory;
	ext2_filsys fs;

	if (argc != 4) {
		fprintf(stderr, "usage: %s IMAGE BYTES BLOCKS\n", argv[0]);
		return 1;
	}
	bytes = strtoull(argv[2], NULL, 10);
	initialize_ext2_error_table();
	CHECK(ext2fs_open(argv[1], EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
			  mpio_io_manager, &fs));
	CHECK(ext2fs_read_bitmaps(fs));
	piece = fs->blocksize * (unsigned int)strtoul(argv[3], NULL, 10);
	memory = malloc(piece);
	if (piece == 0 || memory == NULL)
		return 1;
	make(fs, &files[0]);
	make(fs, &files[1]);
	for (unsigned long long at = 0; at < bytes; at += piece) {
		write_piece(&files[0], memory, piece);
		write_piece(&files[1], memory, piece);
	}
	CHECK(ext2fs_file_close(files[0].handle));
	CHECK(ext2fs_file_close(files[1].handle));
	CHECK(ext2fs_close_free(&fs));
	free(memory);
	return 0;
}

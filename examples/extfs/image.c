/* SPDX-License-Identifier: MIT */
/*
 * Image: the metadata of an ext2, ext3 or ext4 file system, by libext2fs.
 *
 * Opened read-only and never changed: a journal that was not replayed is told
 * of and left alone. Only metadata is read here (superblock, inodes,
 * directories); map.c reads the blocks that map a file, and the bytes of files
 * go through libmpio.
 */
#include "extfs.h"

#include <errno.h>
#include <et/com_err.h>
#include <stdlib.h>
#include <string.h>

int image_exit_code(errcode_t error)
{
	switch (error) {
	case 0:
		return DONE;
	case EXT2_ET_FILE_NOT_FOUND:
	case EXT2_ET_NO_DIRECTORY:
	case EXT2_ET_SYMLINK_LOOP:
		return NO_PATH;
	case EXT2_ET_SHORT_READ:
	case EIO:
		return IO_ERROR;
	default:
		return DAMAGED;
	}
}

int image_open(struct image *image, const char *path, struct report *report)
{
	errcode_t error;

	initialize_ext2_error_table();
	image->fs = NULL;
	image->path = path;
	image->report = report;
	/* Options, though none, keep a '?' in the path from being cut off. */
	error = ext2fs_open2(path, "", EXT2_FLAG_64BITS, 0, 0, unix_io_manager,
			     &image->fs);
	if (error) {
		report_problem(report, path,
			       "cannot open it as an ext2, ext3 or ext4 "
			       "image: %s",
			       error_message(error));
		image->fs = NULL;
		return NO_IMAGE;
	}
	if (ext2fs_has_feature_journal_dev(image->fs->super)) {
		report_problem(report, path,
			       "is an external journal, not a file system");
		image_close(image);
		return NO_IMAGE;
	}
	/* Of few blocks a bitmap is small, however large the file system. */
	image->fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
	if (ext2fs_has_feature_journal_needs_recovery(image->fs->super))
		report_problem(report, path,
			       "warning: the journal was not replayed, recent "
			       "changes may be missing (e2fsck replays it)");
	return DONE;
}

void image_close(struct image *image)
{
	if (image->fs)
		ext2fs_close_free(&image->fs);
}

int image_node(struct image *image, ext2_ino_t ino, const char *path,
	       struct node *node)
{
	errcode_t error;

	error = ext2fs_read_inode(image->fs, ino, &node->raw);
	if (error) {
		report_problem(image->report, path, "cannot read inode %u: %s",
			       ino, error_message(error));
		return image_exit_code(error);
	}
	if (node->raw.i_mode == 0 || node->raw.i_links_count == 0) {
		report_problem(image->report, path,
			       "damaged: inode %u is not in use", ino);
		return DAMAGED;
	}
	node->ino = ino;
	node->size = EXT2_I_SIZE(&node->raw);
	return DONE;
}

int image_lookup(struct image *image, const char *path, bool follow,
		 struct node *node)
{
	ext2_ino_t ino;
	errcode_t error;

	if (follow)
		error = ext2fs_namei_follow(image->fs, EXT2_ROOT_INO,
					    EXT2_ROOT_INO, path, &ino);
	else
		error = ext2fs_namei(image->fs, EXT2_ROOT_INO, EXT2_ROOT_INO,
				     path, &ino);
	if (error) {
		report_problem(image->report, path,
			       "not to be found in the image: %s",
			       error_message(error));
		return image_exit_code(error);
	}
	return image_node(image, ino, path, node);
}

const char *image_refusal(const struct node *node)
{
	if (node->raw.i_flags & EXT4_ENCRYPT_FL)
		return "is encrypted; without its key it cannot be read";
	if (node->raw.i_flags & EXT2_COMPRBLK_FL)
		return "is compressed (e2compr), which is not supported";
	return NULL;
}

/* Directories. */

static struct entry *entries_add(struct entries *entries)
{
	struct entry *list;
	size_t room;

	if (entries->count == entries->room) {
		room = entries->room ? 2 * entries->room : 64;
		list = realloc(entries->list, room * sizeof(*list));
		if (!list)
			return NULL;
		entries->list = list;
		entries->room = room;
	}
	return &entries->list[entries->count++];
}

void entries_free(struct entries *entries)
{
	free(entries->list);
	memset(entries, 0, sizeof(*entries));
}

struct listing {
	struct entries *entries;
	bool dots; /* '.' and '..' may come as any other name */
	bool no_memory;
};

static bool is_dots(const char *name, size_t length)
{
	return (length == 1 || length == 2) && !memcmp(name, "..", length);
}

static int list_one(ext2_ino_t dir, int kind, struct ext2_dir_entry *dirent,
		    int offset, int block_size, char *buffer, void *ctx)
{
	struct listing *listing = ctx;
	size_t length = (size_t)ext2fs_dirent_name_len(dirent);
	struct entry *entry;
	bool dots;

	(void)dir, (void)offset, (void)block_size, (void)buffer;
	if (kind == DIRENT_DOT_FILE || kind == DIRENT_DOT_DOT_FILE)
		return 0;
	dots = is_dots(dirent->name, length);
	if (dots && listing->dots)
		return 0;
	if (dots || length == 0 || memchr(dirent->name, '/', length) ||
	    memchr(dirent->name, '\0', length)) {
		listing->entries->hostile++;
		return 0;
	}
	entry = entries_add(listing->entries);
	if (!entry) {
		listing->no_memory = true;
		return DIRENT_ABORT;
	}
	entry->ino = dirent->inode;
	memcpy(entry->name, dirent->name, length);
	entry->name[length] = '\0';
	return 0;
}

/* The blocks of a directory. */
struct blocks {
	ext2fs_block_bitmap seen;
	bool twice; /* one of them comes again */
};

/* A block that cannot be is where the listing ends, too, and says so. */
static int see_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number,
		     blk64_t pointers, int slot, void *ctx)
{
	struct blocks *blocks = ctx;

	(void)number, (void)pointers, (void)slot;
	if (*block < fs->super->s_first_data_block ||
	    *block >= ext2fs_blocks_count(fs->super))
		return BLOCK_ABORT;
	blocks->twice = ext2fs_mark_block_bitmap2(blocks->seen, *block) != 0;
	return blocks->twice ? BLOCK_ABORT : 0;
}

/* A directory that has a block twice has perhaps no end: a few blocks may
 * stand for millions, and each of its names would be kept. */
static errcode_t check_blocks(ext2_filsys fs, const struct node *node,
			      bool *twice)
{
	struct blocks blocks = {.twice = false};
	errcode_t error;

	*twice = false;
	if (node->raw.i_flags & EXT4_INLINE_DATA_FL)
		return 0;
	error = ext2fs_allocate_subcluster_bitmap(fs, "blocks of a directory",
						  &blocks.seen);
	if (error)
		return error;
	(void)ext2fs_block_iterate3(fs, node->ino,
				    BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY,
				    NULL, see_block, &blocks);
	ext2fs_free_block_bitmap(blocks.seen);
	*twice = blocks.twice;
	return 0;
}

int image_list(struct image *image, const struct node *node, const char *path,
	       struct entries *entries)
{
	struct listing listing = {
		.entries = entries,
		.dots = node->raw.i_flags & EXT4_INLINE_DATA_FL,
	};
	const char *refusal = image_refusal(node);
	errcode_t error;
	bool twice;

	if (refusal) {
		report_problem(image->report, path, "%s", refusal);
		return REFUSED;
	}
	error = check_blocks(image->fs, node, &twice);
	if (!error && twice) {
		report_problem(image->report, path,
			       "damaged: this directory has a block twice; it "
			       "is not listed");
		return DAMAGED;
	}
	if (!error)
		error = ext2fs_dir_iterate2(image->fs, node->ino, 0, NULL,
					    list_one, &listing);
	if (listing.no_memory)
		error = ENOMEM;
	if (error) {
		report_problem(image->report, path,
			       "cannot list all of this directory: %s",
			       error_message(error));
		return image_exit_code(error);
	}
	if (entries->hostile) {
		report_problem(image->report, path,
			       "damaged: %lu names that no file can have "
			       "('..', or with '/') are left out",
			       entries->hostile);
		return DAMAGED;
	}
	return DONE;
}

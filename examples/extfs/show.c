/* SPDX-License-Identifier: MIT */
/*
 * Show: the commands that write to standard output.
 *
 *     ls    names with what `ls -l` tells
 *     stat  one file, with the extents that get_block answers
 *     cat   a file's bytes
 *
 * Names are escaped for terminals. With --json, main.c has begun an object;
 * the commands add members to it.
 */
#include "extfs.h"

#include <errno.h>
#include <et/com_err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Modes. */

static const char *type_name(uint16_t mode)
{
	switch (mode & LINUX_S_IFMT) {
	case LINUX_S_IFREG:
		return "file";
	case LINUX_S_IFDIR:
		return "directory";
	case LINUX_S_IFLNK:
		return "symlink";
	case LINUX_S_IFBLK:
		return "block device";
	case LINUX_S_IFCHR:
		return "character device";
	case LINUX_S_IFIFO:
		return "pipe";
	case LINUX_S_IFSOCK:
		return "socket";
	default:
		return "unknown";
	}
}

static char type_letter(uint16_t mode)
{
	static const char letters[] = "?pc?d?b?-?l?s???";

	return letters[mode >> 12];
}

static void put_mode(uint16_t mode)
{
	static const char bits[] = "rwxrwxrwx";
	char text[] = "----------";
	int i;

	text[0] = type_letter(mode);
	for (i = 0; i < 9; i++) {
		if (mode & (0400 >> i))
			text[i + 1] = bits[i];
	}
	if (mode & LINUX_S_ISUID)
		text[3] = mode & 0100 ? 's' : 'S';
	if (mode & LINUX_S_ISGID)
		text[6] = mode & 0010 ? 's' : 'S';
	if (mode & LINUX_S_ISVTX)
		text[9] = mode & 0001 ? 't' : 'T';
	fputs(text, stdout);
}

static void put_time(uint32_t seconds)
{
	time_t time = (int32_t)seconds;
	struct tm *utc = gmtime(&time);
	char text[32] = "?";

	if (utc)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", utc);
	fputs(text, stdout);
}

/* ls */

static void put_line(const struct node *node, const char *name,
		     const char *target)
{
	const struct ext2_inode *raw = &node->raw;

	put_mode(raw->i_mode);
	printf(" %3u %5u %5u %12" PRIu64 " ", raw->i_links_count,
	       inode_uid(*raw), inode_gid(*raw), node->size);
	put_time(raw->i_mtime);
	putchar(' ');
	put_name(stdout, name);
	if (*target) {
		fputs(" -> ", stdout);
		put_name(stdout, target);
	}
	putchar('\n');
}

static void put_json_node(const struct node *node, const char *name,
			  const char *target)
{
	const struct ext2_inode *raw = &node->raw;

	fputs("{\"name\": ", stdout);
	put_json_string(stdout, name);
	printf(", \"inode\": %u, \"type\": \"%s\", \"mode\": \"%04o\", "
	       "\"links\": %u, \"uid\": %u, \"gid\": %u, \"size\": %" PRIu64
	       ", \"mtime\": %" PRId32,
	       node->ino, type_name(raw->i_mode), raw->i_mode & 07777u,
	       raw->i_links_count, inode_uid(*raw), inode_gid(*raw), node->size,
	       (int32_t)raw->i_mtime);
	if (*target) {
		fputs(", \"target\": ", stdout);
		put_json_string(stdout, target);
	}
}

static int list_node(struct job *job, const struct node *node, const char *name,
		     bool json)
{
	char target[TARGET_MAX + 1] = "";
	int code = DONE;

	if (LINUX_S_ISLNK(node->raw.i_mode))
		code = job_target(job, node, name, target);
	if (json) {
		put_json_node(node, name, target);
		putchar('}');
	} else {
		put_line(node, name, target);
	}
	return code;
}

static int by_name(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int list_directory(struct job *job, const struct node *directory,
			  const char *path, bool json)
{
	struct entries entries = {0};
	struct node node;
	int first, code;
	size_t i, shown = 0;

	first = image_list(&job->image, directory, path, &entries);
	if (entries.count)
		qsort(entries.list, entries.count, sizeof(*entries.list),
		      by_name);
	for (i = 0; i < entries.count; i++) {
		const struct entry *entry = &entries.list[i];

		code = image_node(&job->image, entry->ino, entry->name, &node);
		if (!code) {
			if (json && shown++ > 0)
				fputs(",\n ", stdout);
			code = list_node(job, &node, entry->name, json);
		}
		first = first ? first : code;
	}
	entries_free(&entries);
	return first;
}

int show_ls(struct job *job, const char *path, const struct options *options)
{
	bool json = options->json;
	struct node node;
	int code;

	code = image_lookup(&job->image, path, false, &node);
	if (code)
		return code;
	if (json)
		fputs(", \"entries\": [", stdout);
	if (LINUX_S_ISDIR(node.raw.i_mode))
		code = list_directory(job, &node, path, json);
	else
		code = list_node(job, &node, path, json);
	if (json)
		fputs("]", stdout);
	return code;
}

/* stat */

static const char *kind_name(const struct mpio_extent *extent)
{
	if (extent->flags & MPIO_EXTENT_UPTODATE)
		return "inline";
	if (extent->flags & MPIO_EXTENT_UNWRITTEN)
		return "unwritten";
	return extent->flags & MPIO_EXTENT_MAPPED ? "mapped" : "hole";
}

static void put_extent(uint64_t block, const struct mpio_extent *extent)
{
	bool boundary = extent->flags & MPIO_EXTENT_BOUNDARY;

	printf("%12" PRIu64 " %12" PRIu64 " ", block, extent->count);
	if (extent->flags & MPIO_EXTENT_MAPPED)
		printf("%12" PRIu64, extent->block);
	else
		printf("%12s", "-");
	printf("  %s%s\n", kind_name(extent), boundary ? ", boundary" : "");
}

static void put_json_extent(uint64_t block, const struct mpio_extent *extent)
{
	bool boundary = extent->flags & MPIO_EXTENT_BOUNDARY;

	printf("%s{\"block\": %" PRIu64 ", \"count\": %" PRIu64
	       ", \"kind\": \"%s\"",
	       block ? ",\n  " : "", block, extent->count, kind_name(extent));
	if (extent->flags & MPIO_EXTENT_MAPPED)
		printf(", \"device_block\": %" PRIu64, extent->block);
	printf(", \"boundary\": %s}", boundary ? "true" : "false");
}

static int put_extents(struct job *job, const struct node *node,
		       const char *path, bool json)
{
	struct mpio_extent extent;
	uint64_t block;
	struct map map;
	int status = 0, code;

	code = map_open(&map, &job->image, node, path);
	if (code)
		return code;
	for (block = 0; block < map.blocks; block += extent.count) {
		extent = (struct mpio_extent){.count = map.blocks - block};
		status = map_find(&map, block, &extent);
		if (status)
			break;
		if (json)
			put_json_extent(block, &extent);
		else
			put_extent(block, &extent);
	}
	if (status) {
		report_problem(&job->report, path,
			       "damaged metadata: cannot map block %" PRIu64
			       ": %s",
			       block,
			       map.error ? error_message(map.error)
					 : "it lies outside the file system");
		code = status == -MPIO_EUCLEAN ? DAMAGED : IO_ERROR;
	}
	map_close(&map);
	return code;
}

static const char *map_name(const struct node *node)
{
	if (node->raw.i_flags & EXT4_INLINE_DATA_FL)
		return "inline";
	return node->raw.i_flags & EXT4_EXTENTS_FL ? "extents" : "blocks";
}

static void put_node(const struct node *node, const char *path,
		     const char *target, uint32_t block_size)
{
	const struct ext2_inode *raw = &node->raw;

	fputs("  Path: ", stdout);
	put_name(stdout, path);
	if (*target) {
		fputs(" -> ", stdout);
		put_name(stdout, target);
	}
	printf("\n Inode: %-10u Links: %-6u Type: %s\n  Mode: ", node->ino,
	       raw->i_links_count, type_name(raw->i_mode));
	put_mode(raw->i_mode);
	printf(" (%04o)  Uid: %u  Gid: %u\n  Size: %" PRIu64
	       "  Blocks of: %" PRIu32 "  Flags: 0x%x  Mapped by: %s\nModify: ",
	       raw->i_mode & 07777u, inode_uid(*raw), inode_gid(*raw),
	       node->size, block_size, raw->i_flags, map_name(node));
	put_time(raw->i_mtime);
	putchar('\n');
}

/* Whether the inode's map tells where bytes lie. */
static bool has_blocks(const struct node *node)
{
	struct ext2_inode raw = node->raw;

	if (LINUX_S_ISLNK(raw.i_mode))
		return !ext2fs_is_fast_symlink(&raw);
	return LINUX_S_ISREG(raw.i_mode) || LINUX_S_ISDIR(raw.i_mode);
}

int show_stat(struct job *job, const char *path, const struct options *options)
{
	uint32_t block_size = job->image.fs->blocksize;
	char target[TARGET_MAX + 1] = "";
	struct node node;
	int code, extents = DONE;

	code = image_lookup(&job->image, path, false, &node);
	if (code)
		return code;
	if (LINUX_S_ISLNK(node.raw.i_mode))
		code = job_target(job, &node, path, target);
	if (options->json) {
		fputs(", \"file\": ", stdout);
		put_json_node(&node, path, target);
		printf(", \"block_size\": %" PRIu32 ", \"flags\": %u, "
		       "\"mapped_by\": \"%s\", \"extents\": [",
		       block_size, node.raw.i_flags, map_name(&node));
	} else {
		put_node(&node, path, target, block_size);
		if (has_blocks(&node) && node.size)
			puts("       Block        Count    On device");
	}
	if (has_blocks(&node))
		extents = put_extents(job, &node, path, options->json);
	if (options->json)
		fputs("]}", stdout);
	return code ? code : extents;
}

/* cat */

static int cat_data(void *ctx, uint64_t pos, const void *data, size_t length)
{
	const char *from = data;
	ssize_t n;

	(void)pos;
	while (length > 0) {
		n = write(STDOUT_FILENO, from, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			report_problem(ctx, NULL,
				       "cannot write to standard output: %s",
				       strerror(errno));
			return NO_OUTPUT;
		}
		from += n;
		length -= (size_t)n;
	}
	return DONE;
}

static int cat_zeros(void *ctx, uint64_t pos, uint64_t length)
{
	static const char zeros[65536];
	int code = DONE;

	while (length > 0 && !code) {
		size_t n =
			length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		code = cat_data(ctx, pos, zeros, n);
		length -= n;
	}
	return code;
}

int show_cat(struct job *job, const char *path, const struct options *options)
{
	struct sink sink = {.path = path,
			    .ctx = &job->report,
			    .data = cat_data,
			    .zeros = cat_zeros,
			    .stop_at_error = true};
	struct node node;
	int code;

	(void)options;
	code = image_lookup(&job->image, path, true, &node);
	if (code)
		return code;
	if (!LINUX_S_ISREG(node.raw.i_mode)) {
		report_problem(&job->report, path, "is a %s, not a file",
			       type_name(node.raw.i_mode));
		return NO_PATH;
	}
	job->report.total = node.size;
	return job_read(job, &node, &sink);
}

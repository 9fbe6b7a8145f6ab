/* SPDX-License-Identifier: MIT */
/*
 * Tree: `get`, which copies files and trees into the host's file system, and
 * `check`, which reads them and writes nothing.
 *
 * The image may be hostile. So nothing is ever opened by a path of the image:
 * each directory is opened below its parent, without following symlinks, and
 * each file is made new in it. The list of directories only grows; it is
 * worked off from the front (which may add to it) and, for the permissions,
 * from the back, so that a read-only directory is filled first. A directory
 * that the image reaches a second time is damage, or it would have no end. Each
 * has its name and its parent's place on the list, and no path of its own: of a
 * deep chain all paths together would be far longer than the image.
 *
 * Holes stay holes. A file that cannot be read in full is kept, with zeros
 * for what is missing (one that cannot be read at all is left out), and the
 * copy goes on with the next; the exit code is that of the first failure.
 */
#include "extfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of the host that is being written. */

struct output {
	struct report *report;
	const char *path;
	int fd;
};

static int output_failed(struct output *output)
{
	report_problem(output->report, output->path, "cannot write: %s",
		       strerror(errno));
	return NO_OUTPUT;
}

static int output_data(void *ctx, uint64_t pos, const void *data, size_t length)
{
	struct output *output = ctx;
	const char *from = data;
	ssize_t n;

	while (length > 0) {
		n = pwrite(output->fd, from, length, (off_t)pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return output_failed(output);
		from += n;
		pos += (uint64_t)n;
		length -= (size_t)n;
	}
	return DONE;
}

static int output_zeros(void *ctx, uint64_t pos, uint64_t length)
{
	(void)ctx, (void)pos, (void)length;
	return DONE; /* the final size makes it a hole */
}

static int discard_data(void *ctx, uint64_t pos, const void *data,
			size_t length)
{
	(void)ctx, (void)pos, (void)data, (void)length;
	return DONE;
}

/* Only permissions: a set-uid program of the image would become the user's. */
static mode_t mode_of(const struct node *node)
{
	return node->raw.i_mode & 0777;
}

static int finish_file(struct output *output, const struct node *node, int code)
{
	if (code != NO_OUTPUT &&
	    (ftruncate(output->fd, (off_t)node->size) < 0 ||
	     fchmod(output->fd, mode_of(node)) < 0))
		code = output_failed(output);
	if (close(output->fd) < 0 && code != NO_OUTPUT)
		code = output_failed(output);
	return code;
}

/* Fill an empty file; -1 for `fd`: only read. Takes over `fd`. */
static int fill(struct job *job, struct map *map, const char *path, int fd)
{
	struct output output = {&job->report, path, fd};
	struct sink sink = {.path = path,
			    .ctx = &output,
			    .data = fd < 0 ? discard_data : output_data,
			    .zeros = output_zeros};
	int code;

	code = reader_read(&job->reader, map, &sink);
	if (fd >= 0)
		code = finish_file(&output, map->node, code);
	if (!code)
		job->report.files++;
	return code;
}

/* Open the output, which must not be the image, and empty it. */
static int open_file(struct job *job, const char *out)
{
	const char *problem = NULL;
	struct stat image, made;
	int fd;

	fd = open(out, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &made) < 0)
		problem = strerror(errno);
	else if (!S_ISREG(made.st_mode))
		problem = "it is not a regular file (try cat)";
	else if (stat(job->image.path, &image) == 0 &&
		 image.st_dev == made.st_dev && image.st_ino == made.st_ino)
		problem = "it is the image itself";
	else if (ftruncate(fd, 0) < 0)
		problem = strerror(errno);
	if (!problem)
		return fd;
	report_problem(&job->report, out, "cannot write there: %s", problem);
	if (fd >= 0)
		close(fd);
	return -1;
}

int tree_get_file(struct job *job, const struct node *node, const char *path,
		  const char *out)
{
	struct map map;
	int code, fd = -1;

	code = job_map(job, node, path, &map);
	if (!code) {
		if (out)
			fd = open_file(job, out);
		code = out && fd < 0 ? NO_OUTPUT : fill(job, &map, path, fd);
		map_close(&map);
	}
	if (code)
		job->report.failed++;
	return code;
}

/* A tree. */

struct directory {
	ext2_ino_t ino;
	mode_t mode;
	size_t parent; /* its place on the list */
	char *name;    /* of the first: its path in the image; '' is its root */
};

struct tree {
	struct job *job;
	size_t prefix; /* of paths: what the output directory stands for */
	int out;       /* its descriptor; -1: nothing is to be written */
	int first;     /* exit code of the first failure */
	struct directory *list;
	size_t count, room;
	size_t at;           /* whose turn it is */
	unsigned char *seen; /* one bit for each inode: a directory in list */
	size_t seen_size;
};

static void failed(struct tree *tree, int code)
{
	tree->job->report.failed++;
	if (!tree->first)
		tree->first = code;
}

static void host_failed(struct tree *tree, const char *path, const char *what)
{
	report_problem(&tree->job->report, path, "cannot %s: %s", what,
		       strerror(errno));
	failed(tree, NO_OUTPUT);
}

static bool first_visit(struct tree *tree, ext2_ino_t ino)
{
	unsigned char *byte = &tree->seen[ino / 8];
	unsigned char bit = (unsigned char)(1u << ino % 8);

	if (*byte & bit)
		return false;
	*byte |= bit;
	return true;
}

/* Put a directory on the list, below the one whose turn it is. */
static int remember(struct tree *tree, const struct node *node,
		    const char *name)
{
	struct directory *list = tree->list;
	size_t room = tree->room ? 2 * tree->room : 64;
	char *copy = strdup(name);

	if (copy && tree->count == tree->room) {
		list = realloc(tree->list, room * sizeof(*list));
		if (list) {
			tree->list = list;
			tree->room = room;
		}
	}
	if (!copy || !list) {
		free(copy);
		errno = ENOMEM;
		return -1;
	}
	list[tree->count++] = (struct directory){.ino = node->ino,
						 .mode = mode_of(node),
						 .parent = tree->at,
						 .name = copy};
	return 0;
}

static void forget_all(struct tree *tree)
{
	while (tree->count > 0)
		free(tree->list[--tree->count].name);
	tree->at = 0;
	memset(tree->seen, 0, tree->seen_size);
}

/* The path in the image of the i-th directory. */
static char *path_of(const struct tree *tree, size_t i)
{
	const struct directory *list = tree->list;
	size_t length = strlen(list[0].name), at, n;
	char *path;

	for (at = i; at != 0; at = list[at].parent)
		length += strlen(list[at].name) + 1;
	path = malloc(length + 1);
	if (!path)
		return NULL;
	path[length] = '\0';
	for (at = i; at != 0; at = list[at].parent) {
		n = strlen(list[at].name);
		length -= n;
		memcpy(path + length, list[at].name, n);
		path[--length] = '/';
	}
	memcpy(path, list[0].name, length);
	return path;
}

static char *join(const char *directory, const char *name)
{
	char *path = malloc(strlen(directory) + strlen(name) + 2);

	if (path)
		strcpy(stpcpy(stpcpy(path, directory), "/"), name);
	return path;
}

/* Open the host's directory for one of the image, never by a symlink. */
static int open_below(const struct tree *tree, const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	char name[EXT2_NAME_LEN + 1];
	int fd, next;
	size_t length;

	path += tree->prefix;
	fd = openat(tree->out, ".", flags);
	while (fd >= 0 && *path) {
		path += strspn(path, "/");
		length = strcspn(path, "/");
		memcpy(name, path, length);
		name[length] = '\0';
		path += length;
		next = openat(fd, name, flags);
		close(fd);
		fd = next;
	}
	return fd;
}

static void make_directory(struct tree *tree, int parent,
			   const struct node *node, const char *name,
			   const char *path)
{
	if (!first_visit(tree, node->ino)) {
		report_problem(&tree->job->report, path,
			       "damaged: this directory is in the tree a "
			       "second time; it is left out");
		failed(tree, DAMAGED);
	} else if ((parent >= 0 && mkdirat(parent, name, 0700) < 0) ||
		   remember(tree, node, name) < 0) {
		host_failed(tree, path, "make the directory");
	} else {
		tree->job->report.directories++;
	}
}

static void make_file(struct tree *tree, int parent, const struct node *node,
		      const char *name, const char *path)
{
	struct map map;
	int code, fd = -1;

	/* A file of which nothing is to be had is not made. */
	code = job_map(tree->job, node, path, &map);
	if (code) {
		failed(tree, code);
		return;
	}
	if (parent >= 0)
		fd = openat(parent, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
				    O_CLOEXEC,
			    0600);
	if (parent >= 0 && fd < 0) {
		host_failed(tree, path, "make the file");
	} else {
		code = fill(tree->job, &map, path, fd);
		if (code)
			failed(tree, code);
	}
	map_close(&map);
}

static void make_symlink(struct tree *tree, int parent, const struct node *node,
			 const char *name, const char *path)
{
	char target[TARGET_MAX + 1];
	int code;

	code = job_target(tree->job, node, path, target);
	if (code)
		failed(tree, code);
	else if (parent >= 0 && symlinkat(target, parent, name) < 0)
		host_failed(tree, path, "make the symlink");
	else
		tree->job->report.symlinks++;
}

static void make(struct tree *tree, int parent, const struct entry *entry,
		 const char *path)
{
	struct report *report = &tree->job->report;
	struct node node;
	int code;

	code = image_node(&tree->job->image, entry->ino, path, &node);
	if (code) {
		failed(tree, code);
	} else if (LINUX_S_ISDIR(node.raw.i_mode)) {
		make_directory(tree, parent, &node, entry->name, path);
	} else if (LINUX_S_ISREG(node.raw.i_mode)) {
		make_file(tree, parent, &node, entry->name, path);
	} else if (LINUX_S_ISLNK(node.raw.i_mode)) {
		make_symlink(tree, parent, &node, entry->name, path);
	} else {
		report_problem(report, path,
			       "is no file, directory or symlink; it is left "
			       "out");
		report->skipped++;
	}
}

/* Count the bytes of a file, or put a directory on the list. */
static void measure(struct tree *tree, int parent, const struct entry *entry,
		    const char *path)
{
	struct node node;

	(void)parent;
	if (image_node(&tree->job->image, entry->ino, path, &node))
		return;
	if (LINUX_S_ISREG(node.raw.i_mode))
		tree->job->report.total += node.size;
	else if (LINUX_S_ISDIR(node.raw.i_mode) && first_visit(tree, node.ino))
		remember(tree, &node, entry->name);
}

static int by_inode(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return (left->ino > right->ino) - (left->ino < right->ino);
}

typedef void deal_fn(struct tree *tree, int parent, const struct entry *entry,
		     const char *path);

/* Deal with all that is in the directory whose turn it is. */
static void visit(struct tree *tree, const char *path, int parent,
		  deal_fn *deal)
{
	struct entries entries = {0};
	struct node node;
	size_t i;
	int code;

	code = image_node(&tree->job->image, tree->list[tree->at].ino, path,
			  &node);
	if (!code)
		code = image_list(&tree->job->image, &node, path, &entries);
	if (code)
		failed(tree, code);
	/* Inodes made together lie together. */
	if (entries.count)
		qsort(entries.list, entries.count, sizeof(*entries.list),
		      by_inode);
	for (i = 0; i < entries.count; i++) {
		char *below = join(path, entries.list[i].name);

		if (below)
			deal(tree, parent, &entries.list[i], below);
		else
			failed(tree, NO_OUTPUT);
		free(below);
	}
	entries_free(&entries);
}

/* It is the turn of the i-th directory: do something with it. */
static void turn_to(struct tree *tree, size_t i,
		    void (*act)(struct tree *tree, const char *path))
{
	char *path = path_of(tree, i);

	tree->at = i;
	if (path) {
		act(tree, path);
	} else {
		errno = ENOMEM;
		host_failed(tree, tree->list[i].name, "go through the tree");
	}
	free(path);
}

static void measure_one(struct tree *tree, const char *path)
{
	visit(tree, path, -1, measure);
}

/* For the progress line: go through the tree once for its size. */
static void measure_all(struct tree *tree, const struct node *node,
			const char *path)
{
	struct report *report = &tree->job->report;
	size_t i;

	report->silent = true;
	first_visit(tree, node->ino);
	remember(tree, node, path);
	for (i = 0; i < tree->count; i++)
		turn_to(tree, i, measure_one);
	forget_all(tree);
	report->silent = false;
	report->failed = 0;
	tree->first = DONE;
}

static void make_one(struct tree *tree, const char *path)
{
	int parent = -1;

	if (tree->out >= 0) {
		parent = open_below(tree, path);
		if (parent < 0) {
			host_failed(tree, path, "open the directory again");
			return;
		}
	}
	visit(tree, path, parent, make);
	if (parent >= 0)
		close(parent);
}

static void make_all(struct tree *tree, const struct node *node,
		     const char *path)
{
	size_t i;

	first_visit(tree, node->ino);
	if (remember(tree, node, path) < 0)
		host_failed(tree, path, "make the directory");
	for (i = 0; i < tree->count && !tree->job->reader.broken; i++)
		turn_to(tree, i, make_one);
}

static void set_mode(struct tree *tree, const char *path)
{
	int fd = open_below(tree, path);

	if (fd < 0 || fchmod(fd, tree->list[tree->at].mode) < 0)
		host_failed(tree, path, "set the permissions");
	if (fd >= 0)
		close(fd);
}

static void set_modes(struct tree *tree)
{
	size_t i;

	for (i = tree->count; i-- > 0;)
		turn_to(tree, i, set_mode);
}

/* The output: a new directory, or an empty one. */

static bool is_empty(int fd)
{
	DIR *listing = fdopendir(dup(fd));
	struct dirent *entry;
	size_t names = 0;

	if (!listing)
		return false;
	while (names <= 2 && (entry = readdir(listing)))
		names++;
	closedir(listing);
	return names <= 2; /* '.' and '..' */
}

static int open_out(struct report *report, const char *out)
{
	int fd = -1;

	if (mkdir(out, 0700) == 0 || errno == EEXIST)
		fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		report_problem(report, out, "cannot make the directory: %s",
			       strerror(errno));
	} else if (!is_empty(fd)) {
		report_problem(report, out,
			       "is there already and not empty; name a new "
			       "directory");
		close(fd);
		fd = -1;
	}
	return fd;
}

int tree_get(struct job *job, const struct node *node, const char *path,
	     const char *out)
{
	struct tree tree = {.job = job, .out = -1};
	char *root;

	if (out) {
		tree.out = open_out(&job->report, out);
		if (tree.out < 0)
			return NO_OUTPUT;
	}
	root = strdup(path);
	tree.seen_size = job->image.fs->super->s_inodes_count / 8 + 1;
	tree.seen = calloc(1, tree.seen_size);
	if (root && tree.seen) {
		tree.prefix = strlen(root);
		while (tree.prefix > 0 && root[tree.prefix - 1] == '/')
			root[--tree.prefix] = '\0';
		if (job->report.progress)
			measure_all(&tree, node, root);
		make_all(&tree, node, root);
		if (out)
			set_modes(&tree);
		forget_all(&tree);
	} else {
		errno = ENOMEM;
		host_failed(&tree, path, "go through the tree");
	}
	free(tree.list);
	free(tree.seen);
	free(root);
	if (out)
		close(tree.out);
	return tree.first;
}

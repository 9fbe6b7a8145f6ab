/* SPDX-License-Identifier: MIT */
/*
 * mpio-extfs: what its source files share.
 *
 *     main.c    the command line
 *     show.c    the commands that show: ls, stat, cat
 *     tree.c    get and check: files and trees, made safely in the host's
 *               file system, or only read
 *     job.c     what every command works with, opened and closed
 *     reader.c  a file's bytes: pages through libmpio, windows in flight
 *     cached.c  the same through libmpio's cache and file layer
 *     sink.c    what becomes of them: data, zeros, and what is unreadable
 *     map.c     get_block: where a file's blocks lie
 *     image.c   metadata through libext2fs: names, inodes, directories
 *     source.c  the device that data comes from
 *     report.c  messages, progress, names for people and for JSON
 *     stats.c   what the device is, and what was counted
 *
 * Functions that return int give 0 or one of enum exit_code, and have told
 * the user why; so a caller passes it on and says no more.
 */
#ifndef EXTFS_H
#define EXTFS_H

#include <sys/types.h> /* which ext2fs.h takes for granted */

#include <ext2fs/ext2fs.h>
#include <mpio/backends/mem.h>
#include <mpio/cache.h>
#include <mpio/file.h>
#include <mpio/frames.h>
#include <mpio/mpio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** How the tool ends. */
enum exit_code {
	DONE = 0,
	BAD_USAGE = 1,
	NO_IMAGE = 2,  /* the image or the device cannot be opened */
	NO_PATH = 3,   /* no such path in the image, or of the wrong kind */
	IO_ERROR = 4,  /* bytes of the image cannot be read */
	DAMAGED = 5,   /* its metadata cannot be right */
	NO_OUTPUT = 6, /* the output cannot be written */
	REFUSED = 7    /* encrypted, compressed: not for this tool */
};

struct options {
	const char *backend; /* URI, or NULL */
	uint64_t window;     /* bytes */
	uint64_t cache;      /* bytes; 0: there is none */
	uint32_t depth;      /* I/Os in flight */
	uint32_t io_bytes;   /* of the largest I/O; 0: what the device takes */
	uint32_t gap_bytes;  /* largest gap; 0: what the device says */
	bool no_gaps;
	bool page_at_a_time, recursive, stats, json, quiet;
};

/* report.c */

struct report {
	bool progress;  /* standard error is a terminal */
	bool silent;    /* no messages */
	bool shown;     /* a progress line stands there */
	uint64_t total; /* bytes expected; 0: not known */
	uint64_t done;  /* bytes */
	double began;   /* seconds, of the monotonic clock */
	double drawn;   /* when the progress line was drawn last */

	/* Counted by `get` and `check`. */
	uint64_t files, directories, symlinks, skipped, failed;
};

#if defined(__GNUC__)
#define EXTFS_PRINTF __attribute__((format(printf, 3, 4)))
#else
#define EXTFS_PRINTF
#endif

/** Seconds of a clock that only goes forward. */
double now(void);

/** Begin. `quiet` keeps the progress line away even from a terminal. */
void report_open(struct report *report, bool quiet);

/** Say what went wrong, and with what (`path` may be NULL). */
void report_problem(struct report *report, const char *path, const char *format,
		    ...) EXTFS_PRINTF;

/** Count bytes that were dealt with, and draw the progress line. */
void report_progress(struct report *report, uint64_t bytes);

/** Wipe the progress line. */
void report_wipe(struct report *report);

/** Print a name so that no byte of it can play tricks on a terminal. */
void put_name(FILE *file, const char *name);

/** Print a JSON string, quotes included; what is not UTF-8 becomes U+FFFD. */
void put_json_string(FILE *file, const char *string);

/* stats.c */

struct cached;

/** Print what a device says of itself, for people or as a JSON object. */
void put_device(FILE *file, struct mpio_device *device);
void put_json_device(FILE *file, struct mpio_device *device);

/** Print the figures of a queue, for people or as a JSON object. */
void put_stats(FILE *file, const struct mpio_stats *stats, double seconds);
void put_json_stats(FILE *file, const struct mpio_stats *stats, double seconds);

/** Print the figures of the cache, if there is one, and of its files. */
void put_cached(FILE *file, const struct cached *cached);
void put_json_cached(FILE *file, const struct cached *cached);

/* image.c */

struct image {
	ext2_filsys fs;
	const char *path;
	struct report *report;
};

/** A file of whatever kind: its inode. */
struct node {
	ext2_ino_t ino;
	struct ext2_inode raw;
	uint64_t size; /* bytes */
};

struct entry {
	ext2_ino_t ino;
	char name[EXT2_NAME_LEN + 1];
};

/** A directory's entries, without '.' and '..'. All zero is an empty one. */
struct entries {
	struct entry *list;
	size_t count, room;
	unsigned long hostile; /* names left out: '/', NUL or nothing */
};

int image_open(struct image *image, const char *path, struct report *report);
void image_close(struct image *image);

/** Find a path, which is taken from the root; `follow` a last symlink. */
int image_lookup(struct image *image, const char *path, bool follow,
		 struct node *node);

/** Read an inode; `path` is for messages. */
int image_node(struct image *image, ext2_ino_t ino, const char *path,
	       struct node *node);

/** List a directory. What was read before an error is in `entries`. */
int image_list(struct image *image, const struct node *node, const char *path,
	       struct entries *entries);
void entries_free(struct entries *entries);

/** Say why a file's bytes are not to be had; NULL: they are. */
const char *image_refusal(const struct node *node);

/** Which exit code an error of libext2fs means. */
int image_exit_code(errcode_t error);

/* map.c */

struct indirect {
	blk64_t block;     /* on the device; 0: none is held */
	uint32_t *entries; /* one block of pointers */
};

struct map {
	const struct image *image;
	const struct node *node;
	uint64_t blocks; /* up to the end of file */
	errcode_t error; /* libext2fs's, behind the last failure; or 0 */

	/* Inline data. */
	unsigned char *data;
	size_t data_size;

	/* Extent tree: the first extent that ends after what was asked. */
	ext2_extent_handle_t tree;
	struct ext2fs_extent extent;
	uint64_t asked; /* block */
	bool positioned, at_end;

	/* Leaves of the tree that the system was told of, from the start. */
	ext2_extent_handle_t parents; /* goes through the nodes above them */
	uint64_t announced;           /* block that the next one begins with */
	uint64_t announce_at;         /* block; asked for, go on */

	/* Indirect blocks: the current one of each level. */
	struct indirect indirect[3];
};

int map_open(struct map *map, const struct image *image,
	     const struct node *node, const char *path);
void map_close(struct map *map);

/**
 * Say where a run of blocks lies; get_block and `stat` answer from here.
 *
 * @param block  the first block, before the end of file
 * @param[in,out] extent  as for get_block
 * @return 0, or a negative errno, and then `count` tells how many blocks
 *         share that fate
 */
int map_find(struct map *map, uint64_t block, struct mpio_extent *extent);

/** The get_block of a mapping whose `host` is a struct map. */
int map_get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint64_t block, uint32_t flags, struct mpio_extent *extent);

/* source.c */

struct source {
	struct mpio_device *device;
	struct mpio_mem mem; /* used for 'mem:' */
	void *memory;
};

/**
 * Open the device.
 *
 * @param uri   any that mpio_device_open() takes, or one without a path
 *              ('io_uring:?direct=1'), which means the image; NULL: 'file:'.
 *              'mem:' is a copy of the image in memory.
 * @param path  of the image
 */
int source_open(struct source *source, const char *uri, const char *path,
		struct report *report);
void source_close(struct source *source);

/* sink.c */

struct reader;

/** Where a file's bytes go, in ascending position. */
struct sink {
	const char *path; /* of the file, for messages */
	void *ctx;
	int (*data)(void *ctx, uint64_t pos, const void *data, size_t length);
	int (*zeros)(void *ctx, uint64_t pos, uint64_t length);
	bool stop_at_error; /* else unreadable bytes are left out */
};

/** Why bytes cannot be read. */
struct trouble {
	int status;       /* negative errno; 0: none */
	errcode_t detail; /* libext2fs's, or 0 */
};

enum kind { KIND_DATA, KIND_ZEROS, KIND_BAD };

/** A run of bytes of one kind. */
struct run {
	enum kind kind;
	uint64_t pos, length; /* bytes */
	const void *data;
	const struct trouble *trouble; /* of KIND_BAD */
};

/**
 * Give a run to a sink; or note that it is unreadable, to be told of.
 *
 * @param[in,out] stop  set when there is no sense in going on
 * @return what went wrong
 */
int give(struct reader *reader, const struct sink *sink, const struct run *run,
	 bool *stop);

/** Tell of unreadable bytes that were not told of yet: a file is read. */
void bad_end(struct reader *reader, const char *path);

bool same_trouble(const struct trouble *a, const struct trouble *b);

/** Whether bytes, at least one, are all zero. */
bool all_zero(const unsigned char *data, size_t length);

/* cached.c */

/** The cache of all files, and the one of them that is being read. */
struct cached {
	struct mpio_cache *cache; /* NULL: none was asked for */
	struct mpio_allocator allocator;
	struct mpio_frames memory; /* its frames, and behind them the buffer */
	unsigned char *buffer;
	uint64_t room; /* of it; bytes */
	struct mpio_file_config config;
	struct mpio_file_stats stats; /* of files that were read */
	struct mpio_cache_mapping mapping;
	struct mpio_file file;
	struct map map; /* for get_block */
};

/** Open the cache that options ask for. Gives a negative errno. */
int cached_open(struct cached *cached, uint32_t page_size,
		const struct options *options);

/** Close it, behind the queue; `broken`: the device may still fill frames. */
void cached_close(struct cached *cached, bool broken);

/** Read the file that the reader's mapping is set to. */
int cached_read(struct reader *reader, const struct sink *sink);

/* reader.c */

struct frame {
	struct mpio_page page;
	struct window *window;
	struct trouble trouble;
};

/** A piece of the file that is being read. */
struct window {
	uint64_t pos, length;   /* bytes */
	size_t count;           /* pages; 0: a hole, or unreadable */
	size_t pending;         /* pages that have not ended */
	struct trouble trouble; /* of a window without pages */
	unsigned char *memory;
	struct frame *frames;
	struct mpio_page **pages;
};

struct reader {
	struct report *report;
	struct mpio_queue *queue;
	struct mpio_frames queue_memory;
	struct mpio_mapping mapping; /* the file that is being read */
	uint32_t page_size;          /* bytes */
	size_t window_pages;
	bool page_at_a_time;
	bool broken;    /* the device gave up; pages may be in flight */
	double seconds; /* spent in libmpio and in get_block */
	struct mpio_frames memory; /* of all windows, one after the other */
	struct window *windows;    /* a ring */
	size_t window_count;
	struct cached cached; /* in place of the windows */

	/* Unreadable bytes, gathered for one message. */
	uint64_t bad_pos, bad_length;
	struct trouble bad;
	unsigned int bad_count; /* messages */
};

int reader_open(struct reader *reader, struct mpio_device *device,
		uint32_t block_size, const struct options *options,
		struct report *report);
void reader_close(struct reader *reader);

/** Bytes from `pos` on for which there is nothing to be read, and why. */
uint64_t nothing_to_read(struct reader *reader, uint64_t pos,
			 struct trouble *trouble);

/** The device does not work any more. */
void reader_gave_up(struct reader *reader, int status);

/** Read a whole file. Gives the first thing that went wrong. */
int reader_read(struct reader *reader, struct map *map,
		const struct sink *sink);

/* job.c */

/** What every command works with. */
struct job {
	struct report report;
	struct image image;
	struct source source;
	struct reader reader;
};

int job_open(struct job *job, const char *image, const struct options *options);
void job_close(struct job *job);

/** Open the map of a file whose bytes are to be had. */
int job_map(struct job *job, const struct node *node, const char *path,
	    struct map *map);

/** Read a file of the image into a sink. */
int job_read(struct job *job, const struct node *node, const struct sink *sink);

/** Read a symlink's target; room for TARGET_MAX bytes and a NUL. */
#define TARGET_MAX 4095
int job_target(struct job *job, const struct node *node, const char *path,
	       char *target);

/* show.c */

int show_ls(struct job *job, const char *path, const struct options *options);
int show_stat(struct job *job, const char *path, const struct options *options);
int show_cat(struct job *job, const char *path, const struct options *options);

/* tree.c */

/** Copy a file to the host's file `out`; NULL: only read it. */
int tree_get_file(struct job *job, const struct node *node, const char *path,
		  const char *out);

/** Copy a directory and what is below it to `out`, which must not exist, or
 * be an empty directory; NULL: only read it. */
int tree_get(struct job *job, const struct node *node, const char *path,
	     const char *out);

#endif

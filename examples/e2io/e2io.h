/* SPDX-License-Identifier: MIT */
/*
 * What the sources of e2io share:
 *
 *     manager.c   the io_manager: what libext2fs calls
 *     transfer.c  reading and writing, and whom to tell of bad blocks
 *     ahead.c     what is read ahead of whom
 *     zero.c      discard and zero-out
 *     disk.c      a disk: device, queue and cache; shared by channels
 *     disks.c     all that are open; what a fork and an exit do to them
 *     failed.c    which parts of the device could not be written
 *     settings.c  the environment; from a name to a URI
 *     preload.c   in place of unix_io_manager
 *
 *     channel --\
 *     channel ---> disk: mpio_file -> mpio_cache -> mpio_queue -> mpio_device
 *
 * Two channels of one disk in a process see each other's writes, since they
 * share its cache.
 *
 * Errors: within these sources, as libmpio has them (negative errno); what
 * libext2fs gets is an errcode_t.
 */
#ifndef E2IO_H
#define E2IO_H

#include "mpio_e2io.h"

#include <mpio/cache.h>
#include <mpio/error.h>
#include <mpio/file.h>
#include <mpio/mpio.h>
#include <mpio/open.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Blocks of the cache: the smallest that a file system has. */
#define E2IO_BLOCK 1024u

/* ---- settings.c --------------------------------------------------------- */

struct settings {
	uint64_t cache_bytes;
	uint32_t page_size;
	uint32_t ahead_bytes; /* most that is read ahead at once */
	bool direct;
	const char *backend; /* scheme for what is opened by its own name */
	const char *uri;     /* NULL: what is opened by its own name */
	const char *name;    /* only this name means `uri`; NULL: the first */
	const char *stats;   /* a file; NULL: none */
	char words[512];     /* room for `backend` */
};

/* Read the environment; a negative errno, after it was told on stderr. */
int settings_read(struct settings *settings);

/*
 * The URI of a name; to be freed, NULL: no memory. *own says whether it leads
 * to the named file, and not elsewhere.
 */
char *settings_uri(const struct settings *settings, const char *name,
		   bool *own);

/* The URI with one more option. */
char *uri_with(const char *uri, const char *option);

/* ---- failed.c ----------------------------------------------------------- */

struct range {
	uint64_t start; /* bytes, on the device */
	uint64_t end;
};

/* Parts of the device that could not be written, in ascending order. */
struct failed {
	struct range *ranges;
	size_t count;
	size_t room;
	bool lost; /* there was no memory for all of them */
};

void failed_add(struct failed *failed, uint64_t start, uint64_t end);
void failed_remove(struct failed *failed, uint64_t start, uint64_t end);
void failed_clear(struct failed *failed);

/* ---- disk.c ------------------------------------------------------------- */

struct channel;

struct disk {
	struct disk *next; /* of all that are open */
	uint32_t users;    /* channels */
	struct channel *channels;
	struct settings settings;
	char *name;
	char *uri;
	bool own;    /* the URI leads to the file that is named: */
	int fd;      /* of it; -1: there is none */
	dev_t dev;   /* of a file: file system; of a block device: itself */
	ino_t inode; /* of a file */
	bool block_device;
	bool writable;
	bool grows;     /* the device is larger than the file, whose size is
			 * that of `file` */
	bool forked;    /* the queue is another process's */
	bool unflushed; /* something was written since the last flush */
	pid_t pid;

	struct mpio_device *device;
	struct mpio_queue *queue;
	struct mpio_cache *cache;
	struct mpio_cache_mapping file;
	struct failed failed;
	int full; /* an error: the cache is full of what cannot be written */
	int lost; /* an error, for good: what failed could not be kept */
	struct range announced; /* to be read ahead; nothing: its end is 0 */

	struct mpio_stats before; /* of queues that are closed */
	uint64_t asked_reads;     /* calls of channels, and their bytes */
	uint64_t asked_writes;
	uint64_t asked_read_bytes;
	uint64_t asked_write_bytes;
};

/* Somebody who reads on and on; bytes and places on the disk. */
struct reader {
	uint64_t last;   /* up to here was read, */
	uint64_t ahead;  /* up to here was read ahead, */
	uint64_t mark;   /* and who comes past it starts the next window */
	uint64_t wanted; /* bytes that were read since the last one */
	uint64_t used;   /* when; by the channel's count of reads */
	uint32_t window; /* bytes of the last one; 0: there was none */
	uint32_t reads;  /* that went on; 0: there is nobody */
};

#define E2IO_READERS 8u
#define E2IO_LONE 16u

/* What a channel is to libext2fs is `io`; this is its private_data. */
struct channel {
	struct channel *next;
	io_channel io;
	struct disk *disk;
	struct mpio_file file;
	uint64_t offset; /* bytes; where the file system begins */
	bool writable;
	struct struct_io_stats stats;
	struct reader readers[E2IO_READERS];
	uint64_t lone[E2IO_LONE]; /* reads that were near no other; 0: none */
	uint32_t lone_next;
	uint64_t reads;
};

/* `flags` are IO_FLAG_*; 0 or a negative errno. */
int disk_open(struct disk *disk, const char *name, int flags);
/* Writes nothing back. */
void disk_close(struct disk *disk);
/* The same disk, to be written, too. */
int disk_make_writable(struct disk *disk);
/* Make it large enough; -MPIO_ENOSPC: it cannot be. */
int disk_grow(struct disk *disk, uint64_t size);
/* If somebody else has made it larger: 1; 0: no; or a negative errno. */
int disk_follow(struct disk *disk);
/* Before anything is done with it: after a fork it needs a queue. */
int disk_wake(struct disk *disk);
/* Write back what is dirty of a range; `end` 0: to the end. */
int disk_write_back(struct disk *disk, uint64_t start, uint64_t end);
void disk_report(const struct disk *disk);
struct mpio_stats disk_stats(const struct disk *disk);

/* ---- disks.c ------------------------------------------------------------ */

/* The disk of a name, which may be open already. */
int disks_get(const char *name, int flags, struct disk **disk);
/* The last channel closes it. */
void disks_put(struct disk *disk);

/* ---- transfer.c --------------------------------------------------------- */

errcode_t channel_read(struct channel *channel, uint64_t block, int count,
		       void *data);
errcode_t channel_write(struct channel *channel, uint64_t block, int count,
			const void *data);
errcode_t channel_write_bytes(struct channel *channel, uint64_t offset,
			      size_t length, const void *data);
/* Write back, and make it durable. */
errcode_t channel_flush(struct channel *channel);
/* Begin to read. */
errcode_t channel_read_ahead(struct channel *channel, uint64_t block,
			     uint64_t count);
/* Blocks to bytes of the disk; false: there are none such. */
bool range_of(const struct channel *channel, uint64_t block, uint64_t count,
	      struct range *range);
/* Write bytes into the cache, wherever they lie; a negative errno. */
int channel_put(struct channel *channel, const void *data, size_t length,
		uint64_t pos);
/* Write back, and tell whom it concerns what could not be written. */
errcode_t channel_write_back(struct channel *channel, uint64_t start,
			     uint64_t end);
/* Write all back; what failed is an error whatever a hook says. */
errcode_t channel_settle(struct channel *channel);
/* To what libext2fs knows. */
errcode_t errcode_of(int error);

/* ---- ahead.c ------------------------------------------------------------ */

/* Bytes of the disk will be wanted. They are read when something else is done
 * with the disk, or others are announced that are not near. */
void disk_announce(struct disk *disk, uint64_t start, uint64_t end);
void disk_send_announced(struct disk *disk);
/* Before a read: begin to read what will be wanted after it. */
void channel_note_read(struct channel *channel, uint64_t pos, size_t length);

/* ---- zero.c ------------------------------------------------------------- */

errcode_t channel_discard(struct channel *channel, uint64_t block,
			  uint64_t count);
errcode_t channel_zero(struct channel *channel, uint64_t block, uint64_t count);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Faults of a real kernel: what the parts of the program share.
 */
#ifndef MPIO_TESTS_REAL_H
#define MPIO_TESTS_REAL_H

#include <mpio/mpio.h>
#include <mpio/open.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u

/* A file of pages on a device, block for block. */
struct disk {
	struct mpio_device *device;
	struct mpio_queue *queue;
	struct mpio_mapping mapping;
	unsigned char *memory;
	struct mpio_page *pages;
	struct mpio_page **list;
	int *out; /* how often a page is to come back */
	size_t count;
	size_t failed;   /* pages that came back with an error */
	int error;       /* the last of them */
	size_t confused; /* came back too often or not at all; is to be 0 */
};

/* 0 or a negative errno; then there is nothing to close. */
int disk_open(struct disk *disk, const char *uri, uint64_t size);
void disk_close(struct disk *disk);

/* Change every page to what it is in a generation. */
void disk_dirty_all(struct disk *disk, uint64_t generation);
/* Write what is dirty, and wait; as mpio_writepages(). */
int disk_write(struct disk *disk);
/* Read pages, and wait. */
void disk_read(struct disk *disk, size_t first, size_t n);

/* Pages that did not come back. */
size_t disk_missing(const struct disk *disk);
/* Uptodate pages that are not what they were in a generation. */
size_t disk_wrong(const struct disk *disk, size_t first, size_t n,
		  uint64_t generation);
/* Pages that have all of some flags. */
size_t disk_with(const struct disk *disk, uint32_t flags);

#endif

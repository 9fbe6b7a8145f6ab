/* SPDX-License-Identifier: MIT */
/*
 * Measure: the same file read in several ways, with what each took.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "disk.h"
#include "ext/ext.h"

/* What a file is read with: all of it static, but for the file's place. */
struct loader {
	struct disk *disk;
	struct ext_volume *volume;
	struct ext_file *file;
	const char *path;
	struct ext_window window;
	unsigned char *memory; /* where the file goes */
	uint64_t capacity;     /* bytes */
};

/*
 * Open the volume anew, find the file and read it into place, and print a line
 * of what it took. Tells whether that went well.
 */
bool measure_read(struct loader *loader);

/*
 * Beside it, of a file that was found: the same blocks in pieces of up to 256
 * KiB, without the library, from a list of where they lie; as many bytes from
 * the beginning of the disk in pieces of 256 KiB; and, if `paged`, the file a
 * page of 4 KiB at a time, which the disk does not read ahead of.
 */
bool measure_others(struct loader *loader, bool paged);

#endif

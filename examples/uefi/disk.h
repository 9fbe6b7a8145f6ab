/* SPDX-License-Identifier: MIT */
/*
 * Disk: a libmpio device over the firmware's block protocols.
 */
#ifndef DISK_H
#define DISK_H

#include "efi.h"

#include <mpio/mpio.h>

/* Reads on their way at once. */
#define DISK_DEPTH 16u

/* Largest and smallest window. */
#define DISK_AHEAD (2u << 20)
#define DISK_AHEAD_MIN 4096u

/* The window: what was read ahead, of one place of the disk. */
struct disk_ahead {
	unsigned char *memory; /* DISK_AHEAD bytes */
	uint32_t most;         /* bytes, a power of two; 0: nothing is */
	uint32_t least;        /* bytes, too */
	uint32_t direct;       /* multiples of so many are not copied */
	uint32_t next;         /* so many the next time */
	uint32_t length;       /* that are there, */
	uint32_t used;         /* and were asked for */
	uint64_t offset;       /* of the first on the disk, or of what follows
				* the last read */
};

struct disk {
	struct mpio_device device; /* first */
	struct efi_boot_services *boot;
	struct efi_block_io *io;
	struct efi_block_io2 *io2; /* NULL: each read is waited for */
	uint32_t media_id; /* of the medium that was in it at the beginning: */
	uint32_t block_size; /* with another one, reads fail */
	uint32_t requests;   /* made of the firmware so far */
	struct efi_block_token tokens[DISK_DEPTH];
	struct mpio_bio *bios[DISK_DEPTH]; /* of each token; NULL: free */
	uint32_t under_way;                /* so many of those */
	bool sata;
	uint32_t window; /* bytes at most */
	struct disk_ahead ahead;
};

/* DISK_BEST takes BLOCK_IO2 where that is faster, the others whatever is. */
enum disk_way { DISK_BEST, DISK_SYNC, DISK_ASYNC };

/*
 * Open the disk behind a handle; false: there is none. What the firmware has
 * to allocate is allocated here. Read ahead is into memory of DISK_AHEAD bytes,
 * aligned to DISK_AHEAD_MIN.
 */
bool disk_open(struct disk *disk, struct efi_boot_services *boot,
	       efi_handle handle, enum disk_way way, void *ahead);
void disk_close(struct disk *disk);

/* Read ahead so many bytes at most from now on: a power of two from
 * DISK_AHEAD_MIN to DISK_AHEAD, or 0: nothing. What was is forgotten. */
void disk_read_ahead(struct disk *disk, uint32_t most);

/* Read whole blocks by the firmware, and wait for them. */
efi_status disk_read(struct disk *disk, uint64_t offset, void *memory,
		     size_t size);

#endif

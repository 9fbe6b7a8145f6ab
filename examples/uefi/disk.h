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

/* Bytes that are read behind what was asked for. */
#define DISK_MORE 4096u

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
	unsigned char *place; /* memory that was announced: may be written to */
	size_t place_size;
	uint64_t more_offset; /* where on the disk `more` is from, */
	uint32_t more_length; /* and how much of it there is */
	_Alignas(16) unsigned char more[DISK_MORE];
	_Alignas(16) unsigned char saved[DISK_MORE];
};

/* DISK_BEST takes BLOCK_IO2 where that is faster, the others whatever is. */
enum disk_way { DISK_BEST, DISK_SYNC, DISK_ASYNC };

/*
 * Open the disk behind a handle; false: there is none. What the firmware has
 * to allocate is allocated here.
 */
bool disk_open(struct disk *disk, struct efi_boot_services *boot,
	       efi_handle handle, enum disk_way way);
void disk_close(struct disk *disk);

/* Read whole blocks, and wait for them. */
efi_status disk_read(struct disk *disk, uint64_t offset, void *memory,
		     size_t size);

#endif

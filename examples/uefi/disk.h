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

struct disk {
	struct mpio_device device; /* first */
	struct efi_boot_services *boot;
	struct efi_block_io *io;
	struct efi_block_io2 *io2; /* NULL: each read is waited for */
	uint32_t requests;         /* made of the firmware so far */
	struct efi_block_token tokens[DISK_DEPTH];
	struct mpio_bio *bios[DISK_DEPTH]; /* of each token; NULL: free */
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

#endif

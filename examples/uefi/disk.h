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

/* Bytes that are kept of what was read without being asked for. */
#define DISK_KEPT 4096u

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
	uint32_t more_bytes;  /* so many more are read behind each read */
	uint32_t kept_length; /* of what is kept, */
	uint64_t kept_offset; /* and where on the disk it is from */
	_Alignas(DISK_KEPT) unsigned char kept[DISK_KEPT];
	_Alignas(16) unsigned char saved[DISK_KEPT];
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

/*
 * What lies behind a read, and is so long, tells where the next one is, perhaps:
 * read it, too.
 */
void disk_read_ahead(struct disk *disk, uint32_t size);

/* Read whole blocks, and wait for them. */
efi_status disk_read(struct disk *disk, uint64_t offset, void *memory,
		     size_t size);

#endif

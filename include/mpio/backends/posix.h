/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Backend posix: files and block devices by preadv and pwritev. Synchronous:
 * a bio ends inside submit.
 *
 * Short transfers are continued and interrupted calls repeated; flush is
 * fdatasync, fua is RWF_DSYNC where the system has it, discard punches a hole
 * into a file. Bytes that the device promised and the file no longer has
 * cannot be read: -MPIO_EIO; unless it `grows`, where they are zeros.
 *
 * The limits are read from the system when the device is opened. A file has
 * logical blocks of 512 bytes, the last perhaps cut by its end, and takes any
 * memory; a block device has its own sectors. Direct I/O asks more: blocks and
 * memory as the file or disk wants them. Only the last 64 KiB of a device with
 * an odd end, which cannot be moved directly, then go through the system's page
 * cache. The kernel splits what is too large for the disk and keeps the parts
 * in flight together, so a bio may be as large as one call.
 *
 * Made for Linux. On another system with preadv() there are no block devices
 * and no discard, and direct I/O is where O_DIRECT is.
 *
 * The device may be shared by threads, each with a queue of its own.
 */
#ifndef MPIO_BACKENDS_POSIX_H
#define MPIO_BACKENDS_POSIX_H

#include <mpio/device.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a file is to be opened. All zero: an existing file, read and write. */
struct mpio_posix_config {
	bool direct;   /* O_DIRECT: past the system's page cache */
	bool readonly; /* O_RDONLY; writes fail with -MPIO_EROFS */
	bool create;   /* make the file if it is not there; needs `size` or
			* `grows` */
	uint64_t size; /* bytes of the device; 0: as many as there are. A file
			* that is smaller is extended (sparse); what a larger
			* one has behind is left alone. Not for block
			* devices. */
	bool grows;    /* a file that is still to become longer, and no block
			* device: the device is as large as a file can be, what
			* lies behind the file's end reads as zeros, and a
			* write there extends it, as far as its file system
			* allows: -MPIO_EFBIG. Blocks are written whole, so
			* who wants an odd end cuts the file itself. Not with
			* `size`. */
	bool measure;  /* time a few reads of what there is, to find how
			* large a gap is read as fast as another I/O is
			* begun. That takes 18 MiB that are there, with
			* no hole between them (a block device has none);
			* with less, or without, 64 KiB are taken for a
			* disk, and 0 for a file in memory */
};

/**
 * Open a file or a block device.
 *
 * @param path    of it
 * @param config  or NULL for the default
 * @param[out] device  close it with mpio_device_close() of mpio/open.h;
 *                     untouched on failure, and then no file was made or
 *                     extended
 * @return 0, or a negative errno:
 * @retval -MPIO_EINVAL  neither a file nor a block device; it cannot do direct
 *                       I/O; or the config contradicts itself: create without
 *                       size or grows, readonly with create, a size for a
 *                       block device, grows with size or for a block device
 * @retval -MPIO_EROFS   readonly, and the file is smaller than `size`
 * @retval -MPIO_EFBIG   `size` is more than a file can have
 * @retval -MPIO_EEXIST  create, by a symbolic link to what is not there: a file
 *                       that cannot be removed by its path is not made; or
 *                       another has made it in this moment
 * @retval -MPIO_ESTALE  the path names another file than a moment ago
 * @retval -MPIO_ENOMEM  no memory
 * @retval other         as open(2) has it: -MPIO_ENOENT, -MPIO_EACCES, ...
 */
int mpio_posix_open(const char *path, const struct mpio_posix_config *config,
		    struct mpio_device **device);

#ifdef __cplusplus
}
#endif
#endif

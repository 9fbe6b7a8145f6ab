/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Backend libaio: files and block devices by Linux's native asynchronous I/O.
 * Library libmpio-libaio, target mpio::libaio.
 *
 * Each queue has an io_context of its own. What a plug or a page verb sends is
 * one io_submit for four bios or more, so that the disk works on the first
 * while the last are made; completions are read from the ring in user space
 * where its layout is known, without a system call. A submission that the
 * kernel refuses keeps its place and is tried again when something has ended;
 * with nothing in flight it is done blocking. Short transfers are continued.
 * Only direct I/O is really asynchronous: the kernel does buffered I/O inside
 * io_submit. A queue also takes a file descriptor, and the kernel takes its
 * time (tens of milliseconds) to let go of an io_context when a queue is
 * closed.
 *
 * Flush is an asynchronous fdatasync where the file system takes that, else a
 * blocking one; fua is RWF_DSYNC; discard blocks. What is said in
 * mpio/backends/posix.h of the rest holds here too. Under direct I/O a bio is
 * no larger than one request of the disk.
 *
 * After fork() a child must not use the queues that it inherits, nor close
 * them: the io_context stays with the parent.
 */
#ifndef MPIO_BACKENDS_LIBAIO_H
#define MPIO_BACKENDS_LIBAIO_H

#include <mpio/backends/posix.h>
#include <mpio/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How it is to be opened. All zero is a good configuration. */
struct mpio_libaio_config {
	struct mpio_posix_config file;
};

/**
 * Open a file or a block device.
 *
 * @param path    of it
 * @param config  or NULL for the default
 * @param[out] device  close it with mpio_device_close() of mpio/open.h;
 *                     untouched on failure
 * @return 0, or a negative errno: as mpio_posix_open(), and
 * @retval -MPIO_ENOSYS  the kernel has no such I/O
 * @retval -MPIO_EAGAIN  the system's aio-max-nr is reached; opening a queue
 *                       may fail with it too
 */
int mpio_libaio_open(const char *path, const struct mpio_libaio_config *config,
		     struct mpio_device **device);

/**
 * Open it by the two parts of its URI, as mpio_device_open() does.
 *
 * @param path     of it
 * @param options  those of 'posix:'; cut into pieces
 * @param[out] device  untouched on failure
 * @return as mpio_libaio_open(), -MPIO_EINVAL for an unknown option
 */
int mpio_libaio_open_uri(const char *path, char *options,
			 struct mpio_device **device);

#ifdef __cplusplus
}
#endif
#endif

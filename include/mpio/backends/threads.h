/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Backend threads: files and block devices by preadv and pwritev in a small
 * pool of threads. Asynchronous I/O for systems that have neither io_uring nor
 * libaio; library libmpio-threads, target mpio::threads.
 *
 * The pool belongs to the device and serves all its queues. Its threads touch
 * the memory of bios and nothing else of the library: a bio ends in the reap of
 * its own queue, in the thread that uses the queue. Bios are begun in the order
 * in which they were sent, and of two of one queue that overlap, one of them
 * not a read, the second waits for the first. What is said in
 * mpio/backends/posix.h of transfers, flush, fua, discard and direct I/O holds
 * here too.
 *
 * After fork() a child has no threads: it must not use the device, not even
 * close it.
 */
#ifndef MPIO_BACKENDS_THREADS_H
#define MPIO_BACKENDS_THREADS_H

#include <mpio/backends/posix.h>
#include <mpio/device.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How it is to be opened. All zero is a good configuration. */
struct mpio_threads_config {
	struct mpio_posix_config file;
	uint32_t threads; /* in the pool; 0: 4; at most 64 */
};

/**
 * Open a file or a block device.
 *
 * @param path    of it
 * @param config  or NULL for the default
 * @param[out] device  close it with mpio_device_close() of mpio/open.h;
 *                     untouched on failure
 * @return 0, or a negative errno: as mpio_posix_open(), and
 * @retval -MPIO_EAGAIN  the system has no thread more
 * @retval -MPIO_EINVAL  too many threads, too
 */
int mpio_threads_open(const char *path,
		      const struct mpio_threads_config *config,
		      struct mpio_device **device);

/**
 * Open it by the two parts of its URI, as mpio_device_open() does.
 *
 * @param path     of it
 * @param options  those of 'posix:', and threads=N; cut into pieces
 * @param[out] device  untouched on failure
 * @return as mpio_threads_open(), -MPIO_EINVAL for an unknown option
 */
int mpio_threads_open_uri(const char *path, char *options,
			  struct mpio_device **device);

#ifdef __cplusplus
}
#endif
#endif

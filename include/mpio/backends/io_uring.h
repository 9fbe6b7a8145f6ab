/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Backend io_uring: files and block devices by Linux's io_uring. Library
 * libmpio-io_uring, target mpio::io_uring.
 *
 * Each queue has a ring of its own, with the file registered. What a plug or a
 * page verb sends is one system call for four bios or more, so that the disk
 * works on the first while the last are made; completions are read from the
 * ring without one. A bio that lies in memory announced by
 * mpio_queue_register_memory() is a fixed read or write (one of many pieces
 * since Linux 6.15, all of them in one announced range); others are plain, or
 * readv and writev. A submission that the kernel refuses is tried again when
 * something has ended; with nothing in flight it is done blocking. Short
 * transfers are continued.
 *
 * What the kernel has is found once, when the device is opened, from the best
 * down; mpio_device_describe() says what was taken, and why not more. Where the
 * kernel has it, the ring belongs to one thread (SINGLE_ISSUER,
 * DEFER_TASKRUN): the one that submits first on the queue. No other may use it
 * from then on; its bios end with -MPIO_EEXIST. Say `roaming` for a queue that
 * goes from thread to thread; no thread may end while something that it has
 * submitted is in flight. Linux 5.6 is the least.
 *
 * Up to 64 ranges of memory may be announced on a queue, each of up to 1 GiB;
 * more memory takes several. The queue's descriptor for event loops is the
 * ring's, or an eventfd that is made when it is asked for; under polled I/O
 * there is none.
 *
 * Flush is an asynchronous fdatasync, fua is RWF_DSYNC, discard blocks. What
 * is said in mpio/backends/posix.h of the rest holds here too. Under direct
 * I/O a bio is no larger than one request of the disk.
 *
 * After fork() a child must not use the queues that it inherits, nor close
 * them: the ring stays with the parent.
 */
#ifndef MPIO_BACKENDS_IO_URING_H
#define MPIO_BACKENDS_IO_URING_H

#include <mpio/backends/posix.h>
#include <mpio/device.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How it is to be opened. All zero is a good configuration. */
struct mpio_io_uring_config {
	struct mpio_posix_config file;
	bool sqpoll;  /* a kernel thread takes submissions: no system calls, but
		       * a busy core */
	bool iopoll;  /* completions are polled for; only direct I/O, and disks
		       * that can: else it is done without. A read of the
		       * first block tells, but not if that is a hole, as in a
		       * new file: then what the disk refuses is done blocking,
		       * one by one */
	bool roaming; /* queues may go from thread to thread */
};

/**
 * Open a file or a block device.
 *
 * @param path    of it
 * @param config  or NULL for the default
 * @param[out] device  close it with mpio_device_close() of mpio/open.h;
 *                     untouched on failure
 * @return 0, or a negative errno: as mpio_posix_open(), and
 * @retval -MPIO_ENOSYS  the kernel has no io_uring, or too old a one
 * @retval -MPIO_EPERM   the system forbids it
 * @retval -MPIO_ENOMEM  no memory may be locked for the ring; opening a queue
 *                       may fail with it too
 */
int mpio_io_uring_open(const char *path,
		       const struct mpio_io_uring_config *config,
		       struct mpio_device **device);

/**
 * Open it by the two parts of its URI, as mpio_device_open() does.
 *
 * @param path     of it
 * @param options  those of 'posix:', and the switches sqpoll, iopoll and
 *                 roaming; cut into pieces
 * @param[out] device  untouched on failure
 * @return as mpio_io_uring_open(), -MPIO_EINVAL for an unknown option
 */
int mpio_io_uring_open_uri(const char *path, char *options,
			   struct mpio_device **device);

#ifdef __cplusplus
}
#endif
#endif

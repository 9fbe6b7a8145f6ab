/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Devices by name, for tools and tests. Hosted, not part of the core.
 *
 *     mem:64M                 64 MiB of memory, zeroed
 *     sim:64M?seed=7          a simulated disk (mpio/simdisk.h), and how it is
 *                             to fail: ?rules=write:nth=7:errno=EIO
 *     posix:PATH              a file or block device
 *     posix:PATH?direct=1     past the system's page cache
 *     posix:PATH?readonly=1   not to be written
 *     posix:PATH?create=1&size=1G
 *     posix:PATH?grows=1      a file that writes behind its end extend
 *     posix:PATH?measure=1    time the disk: how large a gap is cheap?
 *     threads:PATH?threads=4  the same, asynchronous by a pool of threads
 *     libaio:PATH             ... by libaio
 *     io_uring:PATH?sqpoll=1  ... by io_uring
 *     file:PATH               the first of io_uring, libaio, threads and posix
 *                             that works here; takes what posix takes
 *     fault:RULES:posix:PATH  a filter on any of them, with all that stands
 *                             behind it; also trace, delay, readonly, linear
 *                             and verify (mpio/filters.h), 16 on each other
 *
 * Options of sim, as the fields of its configuration: seed, latency, jitter,
 * per_kib, poll, cache_bytes; block, align, atomic, segments, bytes, gap (its
 * limits); readonly; cache, fua, discard (1: it has them); rules, and state,
 * the one that they begin in (mpio/fault.h). It has a lock, and so do filters:
 * threads may share them.
 *
 * What 'file:' takes is chosen when the device is opened, and may be used by a
 * queue that goes from thread to thread (io_uring with `roaming`). A queue that
 * cannot be opened on it (no memory may be locked) does not make it choose
 * again.
 *
 * A name is SCHEME:PATH, or SCHEME:PATH?OPTION=VALUE&OPTION=VALUE. Sizes are
 * decimal bytes, or with K, M, G or T behind them (powers of 1024); times ns,
 * or with us, ms or s behind them, below 4.3 s; a switch is 1 or 0. The last of
 * two equal options counts, but rules are added to those before them. A path
 * may hold any byte but NUL; a '?' in it is written '%3f', a '%' '%25', and an
 * '&' in a value '%26' (any other byte may be written so, too). A path alone,
 * without a scheme, is no name: what it meant would depend on what it looks
 * like.
 *
 * The names threads, libaio and io_uring are known if the program was linked
 * with the library that has them (mpio::threads, mpio::libaio,
 * mpio::io_uring, or by pkg-config). Who names the archives by hand has to ask
 * for it as those do, or a linker leaves it out:
 * -Wl,--undefined=mpio_libaio_open_uri, and so on. 'file:' takes what there is.
 * Who has a backend of another origin passes its scheme to
 * mpio_device_open_with().
 */
#ifndef MPIO_OPEN_H
#define MPIO_OPEN_H

#include <mpio/allocator.h>
#include <mpio/device.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Open the device that a URI names.
 *
 * @param uri  see above
 * @param[out] device  close it with mpio_device_close(); untouched on failure
 * @return 0, or a negative errno:
 * @retval -MPIO_EINVAL  the URI cannot be read: no scheme, no path, unknown
 *                       option, bad number; or the backend says so
 * @retval -MPIO_ENODEV  no such backend in this build
 * @retval -MPIO_ENOMEM  no memory
 * @retval other         of the backend
 */
int mpio_device_open(const char *uri, struct mpio_device **device);

/**
 * Close a device. Its queues must be closed before.
 *
 * @param device  gone after the call; NULL is allowed
 */
void mpio_device_close(struct mpio_device *device);

/**
 * Tell in words what a device is, and what was found and chosen when it was
 * opened: lines of 'NAME: VALUE', for people and logs.
 *
 *     backend: io_uring
 *     chosen: io_uring works
 *     size: 1073741824
 *     logical block: 512
 *     ...
 *
 * Limits come from the device as it is now; the rest from its backend.
 *
 * @param device  any
 * @param[out] text  as much of it as there is room for, ended by a NUL; may be
 *                   NULL if `size` is 0
 * @param size    bytes of room
 * @return bytes of the whole text, without the NUL
 */
size_t mpio_device_describe(struct mpio_device *device, char *text,
			    size_t size);

/**
 * Open a device from the two parts of its URI.
 *
 * @param path     what stands behind the ':', its escapes undone, not empty
 * @param options  what stands behind the '?', or an empty string; for
 *                 mpio_option_next(). It and `path` are gone after the call.
 * @param[out] device  untouched on failure
 * @return 0 or a negative errno, -MPIO_EINVAL for an option that is unknown
 */
typedef int mpio_scheme_open_fn(const char *path, char *options,
				struct mpio_device **device);

/** A kind of device that URIs may name. */
struct mpio_scheme {
	const char *name; /* what stands before the ':' */
	mpio_scheme_open_fn *open;
};

/**
 * Open the device that a URI names, with more backends to choose from.
 *
 * @param schemes  of other libraries; looked at first, so that they may also
 *                 take the place of those that are built in
 * @param n        how many
 * @param uri      as for mpio_device_open()
 * @param[out] device  close it with mpio_device_close(); untouched on failure
 * @return as mpio_device_open()
 */
int mpio_device_open_with(const struct mpio_scheme *schemes, size_t n,
			  const char *uri, struct mpio_device **device);

/**
 * Take the next option from the front of a list.
 *
 * @param[in,out] options  'NAME=VALUE&NAME=VALUE', or an empty string; moved
 *                         behind the option that is taken. The text itself is
 *                         cut into strings.
 * @param[out] name   lies in the text
 * @param[out] value  lies in the text, its escapes undone; may be empty
 * @return 1: an option was taken; 0: none is left; or
 * @retval -MPIO_EINVAL  this is no option, or an escape is broken
 */
int mpio_option_next(char **options, const char **name, const char **value);

/**
 * Read a size: decimal digits, and perhaps K, M, G or T.
 *
 * @param text  nothing but the size
 * @param[out] size  bytes; untouched on failure
 * @return 0, or
 * @retval -MPIO_EINVAL  not a size, or of more than 64 bits
 */
int mpio_size_parse(const char *text, uint64_t *size);

/**
 * An allocator on top of realloc() and free().
 *
 * @return the allocator, by value
 */
struct mpio_allocator mpio_allocator_libc(void);

/**
 * Translate the host's errno.
 *
 * @param host_errno  as in <errno.h>, positive
 * @return the negative MPIO_E* for it; -MPIO_EIO if there is none
 */
int mpio_error_from_host(int host_errno);

#ifdef __cplusplus
}
#endif
#endif

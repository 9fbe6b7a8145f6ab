/* SPDX-License-Identifier: MIT */
/*
 * Hostfile: a file or block device of the host, as posix, threads, libaio and
 * io_uring share it. Opening, limits, what is done blocking, and words; the
 * ways to have many I/Os in flight are each backend's own.
 *
 *     hostfile.c        open, size, limits, direct I/O     -> device.limits
 *     hostfile_disk.c   what the disk below says of itself; its timing
 *     hostfile_io.c     do a bio, or what is left of one, here and now
 *     hostfile_words.c  URI options in, description out
 *
 * A backend embeds struct mpio__hostfile first in its device and sets the
 * operations itself. This header comes first in every source: it asks the
 * system for all it has. What only Linux has (block devices, discard, what a
 * disk says of itself) is left out elsewhere.
 */
#ifndef MPIO_BACKENDS_HOSTFILE_H
#define MPIO_BACKENDS_HOSTFILE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include "text.h"

#include <limits.h>
#include <mpio/backends/posix.h>
#include <mpio/device.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * The kernel's header has RWF_DSYNC even where the C library lacks the calls
 * that take it, pwritev2() and preadv2().
 */
#ifdef RWF_DSYNC
#define MPIO__HAVE_PWRITEV2 1
#endif
#ifdef __linux__
#include <linux/fs.h>
#define MPIO__HAVE_DISCARD 1
#else
#define MPIO__HAVE_DISCARD 0
#endif

/* Shared between the archives of the backends, and seen by nobody else. */
#pragma GCC visibility push(hidden)

/* What the disk below a file says of itself; 0: not known. */
struct mpio__disk {
	uint32_t bytes_max;    /* of one request */
	uint32_t segments_max; /* pieces of memory of one request */
	uint32_t latency_us;   /* of a small read; 0: not measured */
	uint32_t mib_per_s;    /* of a large read; 0: not measured */
	bool too_little;       /* to be measured, and it was asked for */
};

struct mpio__hostfile {
	struct mpio_device device;
	int fd;
	int tail_fd;   /* not direct, for the last bytes; -1: not needed */
	uint32_t unit; /* bytes; what `fd` moves is a multiple of it */
	bool block_device;
	bool direct;
	bool in_memory; /* tmpfs or the like */
	bool grows;     /* behind its end it reads as zeros */
	struct mpio__disk disk;
	char chosen[160]; /* why 'file:' took this backend, or empty */
};

/* Room to gather pieces of memory for one call; one a thread. */
struct mpio__window {
	struct iovec vecs[IOV_MAX];
};

/*
 * Open what a path names: sets all but device.ops and `chosen`. 0, or as
 * mpio_posix_open(); then nothing is left open, and no file was made.
 */
int mpio__hostfile_open(struct mpio__hostfile *file, const char *path,
			const struct mpio_posix_config *config);
void mpio__hostfile_close(struct mpio__hostfile *file);

/*
 * Keep bios to what the disk takes in one request. For asynchronous backends
 * under direct I/O: larger ones would be cut by the kernel, and odd ends be
 * requests of their own. Others are left as one call takes.
 */
void mpio__hostfile_limit_to_disk(struct mpio__hostfile *file);

/* Ask the disk (sysfs), and time it if that is wanted. Sets `disk`. */
void mpio__disk_find(struct mpio__hostfile *file);
void mpio__disk_measure(struct mpio__hostfile *file);

/*
 * Whether one call on `fd` can do the bio: a read or write of whole units.
 * Everything else is done with mpio__hostfile_do(): flush, discard, and the
 * last piece of a file with an odd end under direct I/O.
 */
bool mpio__hostfile_is_simple(const struct mpio__hostfile *file,
			      const struct mpio_bio *bio);
/* Do a bio here and now; 0 or a negative errno. */
int mpio__hostfile_do(const struct mpio__hostfile *file,
		      struct mpio__window *window, const struct mpio_bio *bio);
/*
 * Do the rest of a simple bio of which the first `done` bytes were moved, here
 * and now; 0 or a negative errno. With `done` 0 all of it: the last resort
 * when the system refuses it asynchronously.
 */
int mpio__hostfile_go_on(const struct mpio__hostfile *file,
			 struct mpio__window *window,
			 const struct mpio_bio *bio, uint32_t done);
/*
 * What an asynchronous call came to: `result` is the bytes it moved, or a
 * negative errno of the host. Short and passing results are gone on with, here
 * and now. 0 or a negative MPIO_E*, for mpio_bio_end().
 */
int mpio__hostfile_settle(const struct mpio__hostfile *file,
			  struct mpio__window *window,
			  const struct mpio_bio *bio, long result);

/*
 * Whether an asynchronous backend is to send what it has gathered, without
 * waiting for commit: the device works on the first ones while the next are
 * made. A system call costs little against four I/Os, and a device that has
 * more than twice as many to do as are waiting can wait.
 */
static inline bool mpio__hostfile_should_send(uint32_t unsent, uint32_t sent)
{
	return unsent >= 4 && unsent >= sent / 2;
}

/*
 * Takes an option that not all these backends have, by its name and value: 0,
 * or -MPIO_EINVAL for one that is unknown, or whose value is none.
 */
typedef int mpio__option_fn(void *ctx, const char *name, const char *value);

/*
 * Read the options of a URI: those that all these backends have are put into
 * `config`, the others handed to `own` with `ctx`; NULL: there are no others.
 * 0 or -MPIO_EINVAL.
 */
int mpio__hostfile_options(struct mpio_posix_config *config, char *options,
			   mpio__option_fn *own, void *ctx);

/* The lines that all these backends have; `backend` is its name. */
void mpio__hostfile_say(const struct mpio__hostfile *file,
			struct mpio__text *text, const char *backend);

#pragma GCC visibility pop

#endif

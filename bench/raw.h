/* SPDX-License-Identifier: MIT */
/*
 * What `mpio-bench raw` needs of an interface of the system: I/Os are queued,
 * then sent together, then some of them are waited for.
 */
#ifndef MPIO_BENCH_RAW_H
#define MPIO_BENCH_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/** An I/O; made by raw.c. */
struct raw_io {
	struct iovec *vecs;
	unsigned count;
	uint64_t offset; /* bytes */
	uint64_t length;
	int64_t result; /* bytes, or a negative errno */
	uint32_t *frames;
	struct raw_io *next;
};

struct raw_ops {
	const char *name;
	/** Ready `fd` for `depth` I/Os in flight; NULL: it cannot be. */
	void *(*open)(int fd, unsigned depth, bool write);
	/** Queue an I/O. */
	void (*queue)(void *state, struct raw_io *io);
	/** Send all that is queued, and wait for at least one. Returns those
	 * that have ended, as a list, `result` set; NULL: the system refuses.
	 */
	struct raw_io *(*push)(void *state);
	void (*close)(void *state);
};

extern const struct raw_ops raw_libaio;
extern const struct raw_ops raw_io_uring;

#endif

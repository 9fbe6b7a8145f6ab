/* SPDX-License-Identifier: MIT */
/*
 * What the sources of backend io_uring share.
 *
 *     io_uring_open.c    what the kernel has, found out once -> the device
 *     io_uring.c         the ring of a queue
 *     io_uring_memory.c  memory that was announced to a ring
 */
#ifndef MPIO_BACKENDS_IO_URING_PRIVATE_H
#define MPIO_BACKENDS_IO_URING_PRIVATE_H

#include "hostfile.h"

#include <liburing.h>

/* Newer than some <liburing.h>; the numbers are the kernel's and fixed. */
#define MPIO__OP_READV_FIXED 60
#define MPIO__OP_WRITEV_FIXED 61

/* Places in a ring's table of announced memory. */
#define MPIO__RANGES_MAX 64u

struct mpio__range {
	uintptr_t start;
	uintptr_t end;
	uint16_t index; /* its place in the table */
};

/* Memory that the kernel has pinned for a ring. */
struct mpio__ranges {
	unsigned int count;
	struct mpio__range at[MPIO__RANGES_MAX]; /* by address */
};

struct mpio__io_uring {
	struct mpio__hostfile file;
	uint32_t setup;     /* IORING_SETUP_* of every ring */
	bool fixed_vectors; /* many pieces of announced memory can be moved at
			     * once */

	/* Why something is not there: the host's errno; 0: it is, or was not
	 * asked for. */
	int no_single_issuer;
	int no_cooperation;
	int no_sqpoll;
	int no_iopoll;
	int no_fixed_file;   /* the descriptor, registered */
	int no_fixed_memory; /* memory, too */
};

#pragma GCC visibility push(hidden)

/*
 * Open a ring. `depth` submissions and completions are wanted; there is room
 * for at least so many completions. 0 or a negative errno of the host.
 */
int mpio__ring_open(struct io_uring *ring, uint32_t setup, uint32_t depth);

/* Enable a ring that was opened disabled. 0 or a negative errno of the host. */
int mpio__ring_enable(struct io_uring *ring);

/*
 * Announce memory to a ring with a table of MPIO__RANGES_MAX places. 0 or a
 * negative MPIO_E*; then none of it is.
 */
int mpio__ranges_announce(struct mpio__ranges *ranges, struct io_uring *ring,
			  void *base, size_t length);
/* The range that all of these pieces lie in; NULL: there is none. */
const struct mpio__range *mpio__ranges_find(const struct mpio__ranges *ranges,
					    const struct mpio_iovec *vecs,
					    uint32_t count);

/* Set the operations of a queue: all but describe and close. */
void mpio__io_uring_set_ops(struct mpio_device_ops *ops);

#pragma GCC visibility pop

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A workload of some fifty bios on a file: page reads and write-back, bios
 * filled by hand, under a plug and not, flush, fua, preflush, discard, and the
 * odd end of the file. It is run with faults armed, and then every byte of the
 * file, every page and every bio is accounted for:
 *
 *     each bio and each page ends once, and a backend ends no bio twice;
 *     what was read and ended well is right;
 *     what was written and ended well is in the file, what failed is old or
 *     new, and nothing else has changed;
 *     an error is told only if one may be.
 *
 * A run that has not ended after a minute says what is in flight, and dies.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "faults.h"

#include <mpio/mpio.h>
#include <mpio/open.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define KIB 1024u
#define PATH "file"

/* One run. */
struct workload {
	/* Open the device on PATH. */
	struct mpio_device *(*open)(bool direct);
	bool direct;
	bool by_events;  /* wait by the event fd, not by the queue */
	bool spare_disk; /* see faults_spare_disk() */
	int may_tell;    /* a negative errno that may be told, and then so may
			 * be -MPIO_EIO, and -MPIO_EAGAIN of what could not be
			 * sent any more; 0: none */
	struct fault faults[2];
	unsigned fault_count;
};

/* Run it; how often faults[0] has fired. */
unsigned workload_run(const struct workload *workload);

/*
 * Run it with the fault faults[0] at the first call, the second, and so on
 * until it does not fire any more, all on one queue, which must stand it. How
 * often it has fired; that is at least once.
 */
unsigned workload_sweep(const struct workload *workload);

/* Whether files can have direct I/O here, in sectors of 512 bytes. */
bool has_direct(void);

void make_file(void);
struct mpio_queue *open_queue(struct mpio_device *device);
void close_both(struct mpio_queue *queue);

/* For cmocka: a directory of their own, and the deadline. */
int enter_directory(void **state);
int leave_directory(void **state);
void start_deadline(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A workload of some dozens of bios of all kinds, and the watch over it: each
 * ends once, what is read is what was written, and what the file holds in the
 * end is what was told. For the tests of backend io_uring.
 */
#ifndef RING_WORK_H
#define RING_WORK_H

#include "../posix_files.h"
#include "ring_faults.h"

#include <mpio/backends/io_uring.h>

#include <stdint.h>

/* The file; its end is odd. */
#define WORK_SIZE (512u * KIB + 100u)

/* A file that a workload may run on, any number of times. */
void work_make_file(void);

struct work_options {
	bool may_fail; /* errors that are told are no failure of the test */
	bool announce; /* memory, and move it by fixed I/O */
	bool volatile_only; /* no flush, and no durable write: they are slow */
};

/*
 * Open a queue, do the workload, close it. Returns how many bios and pages
 * ended with an error.
 */
unsigned int work_run(struct mpio_device *device,
		      const struct work_options *options);

/* Open the test's file; fails the test if that fails. */
struct mpio_device *work_open(const struct mpio_io_uring_config *config);

/* A device in words, until the next call. */
const char *work_describe(struct mpio_device *device);

/*
 * From now on the program fails if the case that is named has not ended after
 * 60 seconds, and says what was in flight.
 */
void work_deadline(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
void work_deadline_end(void);

/* For cmocka: a kernel without fault at first. */
int work_set_up(void **state);

#define RING_TEST(name)                                                        \
	cmocka_unit_test_setup_teardown(name, work_set_up, tear_down)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A place between backend libaio and the kernel: wrappers around io_setup,
 * io_submit and io_getevents, which the linker puts in. They ask strike() of
 * faults.h, and play a kernel that lacks something.
 */
#ifndef AIO_FAULTS_H
#define AIO_FAULTS_H

#include "faults.h"

/* The kernel that is played, and what it was given. */
struct aio_kernel {
	int setup_error;    /* of io_setup; 0: none */
	bool is_odd;        /* the ring has a layout that nobody knows */
	bool lacks_flush;   /* there is no asynchronous fdatasync */
	unsigned setups;    /* calls of io_setup */
	uint64_t sent[256]; /* offsets, as io_submit was given them */
	unsigned sent_count;
	long calls[64]; /* of io_submit: how many were sent by each */
	unsigned call_count;
};

extern struct aio_kernel kernel;

/* As it was at first. */
void aio_kernel_reset(void);

#endif

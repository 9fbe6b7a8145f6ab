/* SPDX-License-Identifier: MIT */
/*
 * A place between backend io_uring and the kernel.
 *
 * The calls of liburing go through wrappers, which the linker puts in
 * (ring_faults.cmake). They count the calls, and let one of them, or some, be
 * refused or do less than it was asked for; what is refused never reaches the
 * kernel, and what is not does. They can also play a kernel that lacks
 * something, or has smaller rings.
 */
#ifndef RING_FAULTS_H
#define RING_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* Where a fault is. */
enum ring_call {
	RING_SUBMIT,
	RING_WAIT,
	RING_COMPLETION, /* one that carries a bio */
	RING_OPEN,
	RING_ENABLE,
	RING_FILE,
	RING_TABLE,    /* room for announced memory */
	RING_ANNOUNCE, /* a place of it filled */
	RING_PROBE,
	RING_CALLS
};

/* What a fault is. */
struct ring_fault {
	enum ring_call call;
	int error;     /* the host's errno; 0: it does less: */
	uint32_t less; /* bytes less, of a completion; a submit does half */
	uint32_t most; /* bytes at most, of a completion; 0: any */
	uint32_t ops;  /* completions of these, 1 << MPIO_BIO_*; 0: of any */
};

struct ring_host {
	struct ring_fault fault;
	unsigned int first; /* call that has it; 0: none */
	unsigned int step;  /* and each so many later; 0: no other */
	_Atomic unsigned int calls[RING_CALLS];
	_Atomic unsigned int fired;

	/* The kernel that is played. */
	uint32_t lacks;         /* IORING_SETUP_* that it refuses */
	bool lacks_files;       /* nothing can be registered */
	bool lacks_memory;      /* ... */
	bool lacks_vectors;     /* no fixed I/O of many pieces */
	unsigned int entries;   /* submission rings are so small; 0: not */
	unsigned int cq_small;  /* completion rings are, and nobody knows */
	bool sleeps_on;         /* refused submits are seen, by a kernel thread
				 * that sleeps, and is not woken */
	bool spares_disk;       /* flushes do nothing: no power is cut here */
	bool is_late;           /* completions are seen once waited for */
	bool announces_nothing; /* announcements are only counted */
	bool polls;             /* rings are polled, to all appearances */
	int file; /* what is read instead of the unregistered one; 0: that */

	/* What was seen. */
	_Atomic unsigned int fixed;         /* completions of fixed I/O ... */
	_Atomic unsigned int fixed_vectors; /* ... of them, of many pieces */
	_Atomic unsigned int durable;       /* writes with RWF_DSYNC */
	_Atomic unsigned int submitted;     /* by successful calls */
};

extern struct ring_host ring_host;

/* As it was at first: a kernel without fault. */
void ring_host_reset(void);

#endif

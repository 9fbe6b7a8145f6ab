/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong with the system's calls: one plan or two, each of which
 * strikes the n-th call of a kind, once or from then on. The wrappers around
 * preadv, pwritev and fdatasync stand here; those of a backend's own calls, in
 * its test, ask strike() too.
 *
 * A call that is to come short moves no more than it says, and one that is to
 * fail moves nothing, so that a backend which believes otherwise is found out.
 */
#ifndef FAULTS_H
#define FAULTS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum call {
	CALL_NONE,
	CALL_SUBMIT,     /* io_submit */
	CALL_SUBMIT_ANY, /* of two and more */
	CALL_FETCH,      /* io_getevents */
	CALL_COMPLETION, /* what one I/O came to, */
	CALL_AIO_READ,   /* or one of this kind */
	CALL_AIO_WRITE,
	CALL_AIO_SYNC,
	CALL_READ,  /* preadv */
	CALL_WRITE, /* pwritev, pwritev2 */
	CALL_SYNC,  /* fdatasync */
	CALL_COUNT
};

/* What is to happen: an errno, or one of these. */
enum {
	KIND_NOTHING = 0,
	KIND_SHORT_BYTE = -1,
	KIND_SHORT_SECTOR = -2,
	KIND_SHORT_ALL = -3, /* 0 bytes are moved */
	KIND_MOVE_BYTE = -4, /* just one is */
	KIND_MOVE_SECTOR = -5,
	KIND_ONE = -6, /* of several, the first is taken */
	KIND_ALL_BUT_ONE = -7,
	KIND_SLOW = -8, /* it takes some time */
	KIND_MEET = -9  /* it waits until FAULTS_MEET calls do so */
};

#define FAULTS_MEET 4u

struct fault {
	enum call call;
	int kind;
	unsigned nth;   /* call of that kind; 1: the first */
	unsigned times; /* so many of them; 0: for ever */
};

/* Arm some faults, and forget what was counted. None: the system as it is. */
void faults_arm(const struct fault *faults, unsigned n);
/* From now on nothing is struck, as if what was wrong had been repaired. */
void faults_lift(void);
/* Calls that one of them has struck since. */
unsigned faults_fired(unsigned index);

/*
 * Have nothing made durable in truth: no power is cut here, and thousands of
 * runs would take minutes.
 */
void faults_spare_disk(bool spare);
bool faults_disk_is_spared(void);

/* Whether this call is struck: what is to happen to it, or KIND_NOTHING. */
int strike(enum call call);
/* What a transfer of so many bytes says that it moved; `kind` is a short one.
 */
size_t shortened(int kind, size_t length);

size_t total(const struct iovec *vecs, int count);
/* Copy the pieces, but only their first bytes; returns how many there are. */
int clip(struct iovec *to, const struct iovec *from, int count, size_t length);

#endif

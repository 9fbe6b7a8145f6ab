/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Error sequence: a failed write is told once to every holder that asks.
 *
 * Write-back happens long after the write, and often in somebody else's
 * call. So the error is kept in the mapping, and each holder (an open file
 * handle, a transaction) keeps a cursor of its own. A holder that asks learns
 * of an error exactly once, no matter how many others asked before. A holder
 * that comes later is told of an error only if nobody has seen it yet.
 *
 * One word: the newest error, a 'seen' bit, and a counter that advances with
 * the first error after a look. Not atomic: it belongs to its mapping.
 */
#ifndef MPIO_ERRSEQ_H
#define MPIO_ERRSEQ_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All zero: no error has ever happened. */
struct mpio_errseq {
	uint32_t value; /* the library's */
};

/**
 * Record an error; the newest one wins.
 *
 * @param errseq  the sequence
 * @param error   negative errno, down to -4095; 0 and others are ignored
 */
void mpio_errseq_set(struct mpio_errseq *errseq, int error);

/**
 * Where a new holder starts.
 *
 * @param errseq  the sequence
 * @return the holder's cursor. An error that nobody has seen yet lies ahead of
 *         it; one that was seen lies behind.
 */
struct mpio_errseq mpio_errseq_sample(const struct mpio_errseq *errseq);

/**
 * Look for an error after a cursor, without telling it.
 *
 * @param errseq  the sequence
 * @param since   a holder's cursor; NULL: from before the first error
 * @return 0, or the newest error since then (negative errno)
 */
int mpio_errseq_check(const struct mpio_errseq *errseq,
		      const struct mpio_errseq *since);

/**
 * Tell a holder the error that it has not been told yet.
 *
 * @param errseq         the sequence
 * @param[in,out] since  the holder's cursor; moved to now
 * @return 0, or the newest error since then (negative errno); the same call
 *         again returns 0 until another error happens
 */
int mpio_errseq_check_and_advance(struct mpio_errseq *errseq,
				  struct mpio_errseq *since);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * Error sequence: one word that holds the newest error, whether anybody has
 * seen it, and a counter.
 *
 *     31              13 12    11             0
 *     | counter         | seen | errno         |
 *
 * The counter advances with an error only if the one before was seen, so a
 * cursor that differs from the word is a holder that was not told. As long as
 * nobody looks, errors replace each other under the same count, and cannot
 * wrap it. A new holder starts at 0 if an error waits unseen: nobody's cursor
 * but one from before the first error has that value, so the error is told.
 */
#include "internal.h"

#define ERRNO_MASK 0xfffu
#define SEEN (1u << 12)
#define COUNT_ONE (1u << 13)
#define COUNT_MAX (UINT32_MAX - (COUNT_ONE - 1))

void mpio_errseq_set(struct mpio_errseq *errseq, int error)
{
	uint32_t count = errseq->value & ~(SEEN | ERRNO_MASK);

	if (error >= 0 || error < -(int)ERRNO_MASK)
		return;
	if (errseq->value & SEEN)
		count = count == COUNT_MAX ? 0 : count + COUNT_ONE;
	errseq->value = count | (uint32_t)-error;
}

struct mpio_errseq mpio_errseq_sample(const struct mpio_errseq *errseq)
{
	struct mpio_errseq cursor = {0};

	if (errseq->value & SEEN)
		cursor = *errseq;
	return cursor;
}

int mpio_errseq_check(const struct mpio_errseq *errseq,
		      const struct mpio_errseq *since)
{
	uint32_t from = since != NULL ? since->value : 0;

	if (errseq->value == from)
		return 0;
	return -(int)(errseq->value & ERRNO_MASK);
}

int mpio_errseq_check_and_advance(struct mpio_errseq *errseq,
				  struct mpio_errseq *since)
{
	int error = mpio_errseq_check(errseq, since);

	if (errseq->value != 0)
		errseq->value |= SEEN;
	*since = *errseq;
	return error;
}

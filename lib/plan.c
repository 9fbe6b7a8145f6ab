/* SPDX-License-Identifier: MIT */
/*
 * The plan: where one I/O ends and the next begins. Pure.
 *
 * Taking from each run as much as the limits allow gives the least number of
 * I/Os that keeps the runs' order: an I/O that ended earlier could only leave
 * more to those after it. The checks stand in the order in which their reasons
 * help the reader of a trace: what no limit could mend comes first.
 */
#include "internal.h"

/* Why the run cannot continue the I/O with even one byte. */
static inline enum mpio_cut obstacle(const struct mpio_plan_io *io,
				     const struct mpio_plan_run *run,
				     const struct mpio_plan_limits *limits)
{
	if (run->queue != io->queue)
		return MPIO_CUT_QUEUE;
	if (run->operation != io->operation)
		return MPIO_CUT_OPERATION;
	if (run->offset != io->end)
		return MPIO_CUT_NOT_ADJACENT;
	if (io->pieces >= limits->pieces_max && run->memory != io->memory_end)
		return MPIO_CUT_SEGMENTS;
	if (io->segments >= limits->segments_max && !run->same_segment)
		return MPIO_CUT_SEGMENTS;
	return MPIO_CUT_NONE;
}

enum mpio_cut mpio_plan(const struct mpio_plan_io *io,
			const struct mpio_plan_run *run,
			const struct mpio_plan_limits *limits, uint32_t *take)
{
	uint32_t room = limits->bytes_max;

	if (io->queue != NULL) {
		enum mpio_cut cut = obstacle(io, run, limits);

		if (cut != MPIO_CUT_NONE) {
			*take = 0;
			return cut;
		}
		room -= mpio__min_u32(room, io->length);
	}
	if (run->length <= room) {
		*take = run->length;
		return MPIO_CUT_NONE;
	}
	*take = run->whole ? 0 : room & ~(limits->block - 1);
	return run->whole ? MPIO_CUT_ATOMIC : MPIO_CUT_BYTES;
}

/* No pointers, so that the archive has no data to relocate. */
static const char cut_names[MPIO_CUT_COUNT][16] = {
	"none",     "not adjacent", "other queue", "other operation",
	"segments", "bytes",        "boundary",    "atomic",
	"device end", "batch end",
};

const char *mpio_cut_name(enum mpio_cut cut)
{
	if ((unsigned int)cut >= MPIO_CUT_COUNT)
		return "unknown";
	return cut_names[cut];
}

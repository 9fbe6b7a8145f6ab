/* SPDX-License-Identifier: MIT */
/*
 * The plan: where one I/O ends and the next begins. Pure.
 *
 * Taking from each run as much as the limits allow gives the least number of
 * I/Os that keeps the runs' order: an I/O that ended earlier could only leave
 * more to those after it. The checks stand in the order in which their reasons
 * help the reader of a trace: what no limit could mend comes first. The code
 * itself stands in internal.h, since it is asked once a page.
 */
#include "internal.h"

enum mpio_cut mpio_plan(const struct mpio_plan_io *io,
			const struct mpio_plan_run *run,
			const struct mpio_plan_limits *limits, uint32_t *take)
{
	return mpio__plan(io, run, limits, take);
}

/* No pointers, so that the archive has no data to relocate. */
static const char cut_names[MPIO_CUT_COUNT][16] = {
	"none",       "not adjacent", "other queue", "other operation",
	"segments",   "bytes",        "boundary",    "atomic",
	"device end", "batch end",    "gap",
};

const char *mpio_cut_name(enum mpio_cut cut)
{
	if ((unsigned int)cut >= MPIO_CUT_COUNT)
		return "unknown";
	return cut_names[cut];
}

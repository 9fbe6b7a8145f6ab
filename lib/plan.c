/* SPDX-License-Identifier: MIT */
/*
 * The plan: where one I/O ends and the next begins. Pure.
 *
 * Taking from each run as much as the limits allow gives the least number of
 * I/Os that keeps the runs' order: an I/O that ended earlier could only leave
 * more to those after it. The checks stand in the order in which their reasons
 * help the reader of a trace: what no limit could mend comes first. The code
 * itself stands in plan.h, since it is asked once a page.
 */
#include "internal.h"
#include "plan.h"

/*@ requires mpio_plan_reads(io, run, limits) && \valid(take);
  @ requires \separated(take, run);
  @ requires run->length > 0 && mpio_is_power(limits->block);
  @ assigns *take;
  @ ensures *take <= \old(run->length);
  @ ensures *take <= \old(mpio_plan_room(io, limits));
  @ ensures \result == MPIO_CUT_NONE <==> *take == \old(run->length);
  @ ensures *take > 0 ==> \old(io->queue == \null ||
  @	mpio_plan_follows(io, run, limits));
  @ ensures \old(run->whole) ==> *take == 0 || *take == \old(run->length);
  @ ensures \result == MPIO_CUT_GAP ==> *take == 0 && \old(
  @	io->queue != \null && run->queue == io->queue &&
  @	run->operation == io->operation && run->offset != io->end &&
  @	mpio_plan_bridges(io, run, limits));
  @ ensures \result == MPIO_CUT_BYTES ==> *take % \old(limits->block) == 0 &&
  @	\old(mpio_plan_room(io, limits)) - *take < \old(limits->block);
  @ ensures \result == MPIO_CUT_ATOMIC <==> \old(run->whole &&
  @	run->length > mpio_plan_room(io, limits) &&
  @	(io->queue == \null || mpio_plan_follows(io, run, limits))); */
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

/*@ assigns \nothing;
  @ ensures \valid_read(\result); */
const char *mpio_cut_name(enum mpio_cut cut)
{
	if ((unsigned int)cut >= MPIO_CUT_COUNT)
		return "unknown";
	return cut_names[cut];
}

/* SPDX-License-Identifier: MIT */
/*
 * The plan itself, inline, since it is asked once a page; plan.c says what it
 * is about. It knows of runs, I/Os and limits, and of nothing else.
 */
#ifndef MPIO_PLAN_INLINE_H
#define MPIO_PLAN_INLINE_H

#include <mpio/plan.h>

#include "arith.h"

/*@ predicate mpio_plan_reads(struct mpio_plan_io *io,
  @	struct mpio_plan_run *run, struct mpio_plan_limits *limits) =
  @	\valid_read(io) && \valid_read(run) && \valid_read(limits);
  @
  @ // All of a run fits behind an I/O and the gap between them.
  @ predicate mpio_plan_bridges(struct mpio_plan_io *io,
  @	struct mpio_plan_run *run, struct mpio_plan_limits *limits) =
  @	\let gap = run->offset - io->end;
  @	\let length = io->length + gap + run->length;
  @	run->may_gap && 0 <= gap <= limits->gap_max &&
  @	length <= limits->bytes_max && length <= limits->gap_io_max &&
  @	(io->wasted + gap) * 100 <= length * limits->gap_percent &&
  @	io->pieces + 2 <= limits->pieces_max &&
  @	io->segments + 2 <= limits->segments_max;
  @
  @ // Its first byte can be the next of an I/O, but for the bytes' limit.
  @ predicate mpio_plan_follows(struct mpio_plan_io *io,
  @	struct mpio_plan_run *run, struct mpio_plan_limits *limits) =
  @	run->queue == io->queue && run->operation == io->operation &&
  @	run->offset == io->end &&
  @	(io->pieces < limits->pieces_max ||
  @	 run->memory == io->memory_end) &&
  @	(io->segments < limits->segments_max || run->same_segment);
  @
  @ // The bytes that an I/O, or a new one, can still take.
  @ logic integer mpio_plan_room(struct mpio_plan_io *io,
  @	struct mpio_plan_limits *limits) = io->queue == \null ?
  @	limits->bytes_max : \max(limits->bytes_max - io->length, 0); */

/*
 * What becomes of a run behind the end of an I/O: a gap to be read across, or
 * the reason why not. A gap is to save an I/O, so all of the run must fit
 * behind it.
 */
/*@ requires mpio_plan_reads(io, run, limits);
  @ assigns \nothing;
  @ ensures \result == MPIO_CUT_GAP <==> mpio_plan_bridges(io, run, limits);
  @ ensures \result != MPIO_CUT_GAP ==>
  @	\result == MPIO_CUT_NOT_ADJACENT || \result == MPIO_CUT_SEGMENTS; */
static inline enum mpio_cut
mpio__plan_gap(const struct mpio_plan_io *io, const struct mpio_plan_run *run,
	       const struct mpio_plan_limits *limits)
{
	uint64_t gap, wasted, length;

	if (!run->may_gap || run->offset < io->end ||
	    run->offset - io->end > limits->gap_max)
		return MPIO_CUT_NOT_ADJACENT;
	gap = run->offset - io->end;
	wasted = io->wasted + gap;
	length = io->length + gap + run->length;
	if (length > mpio__min_u32(limits->bytes_max, limits->gap_io_max) ||
	    mpio__is_over_percent(wasted, length, limits->gap_percent))
		return MPIO_CUT_NOT_ADJACENT;
	if ((uint64_t)io->pieces + 2 > limits->pieces_max ||
	    (uint64_t)io->segments + 2 > limits->segments_max)
		return MPIO_CUT_SEGMENTS;
	return MPIO_CUT_GAP;
}

/* Why a run cannot continue an I/O with even one byte, as it is. */
/*@ requires mpio_plan_reads(io, run, limits);
  @ assigns \nothing;
  @ ensures \result == MPIO_CUT_NONE <==> mpio_plan_follows(io, run, limits);
  @ ensures \result != MPIO_CUT_BYTES && \result != MPIO_CUT_ATOMIC;
  @ ensures \result == MPIO_CUT_GAP ==> run->queue == io->queue &&
  @	run->operation == io->operation && run->offset != io->end &&
  @	mpio_plan_bridges(io, run, limits); */
static inline enum mpio_cut
mpio__plan_obstacle(const struct mpio_plan_io *io,
		    const struct mpio_plan_run *run,
		    const struct mpio_plan_limits *limits)
{
	if (run->queue != io->queue)
		return MPIO_CUT_QUEUE;
	if (run->operation != io->operation)
		return MPIO_CUT_OPERATION;
	if (run->offset != io->end)
		return mpio__plan_gap(io, run, limits);
	if (io->pieces >= limits->pieces_max && run->memory != io->memory_end)
		return MPIO_CUT_SEGMENTS;
	if (io->segments >= limits->segments_max && !run->same_segment)
		return MPIO_CUT_SEGMENTS;
	return MPIO_CUT_NONE;
}

/* mpio_plan(), for those who call it once a page. */
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
static inline enum mpio_cut mpio__plan(const struct mpio_plan_io *io,
				       const struct mpio_plan_run *run,
				       const struct mpio_plan_limits *limits,
				       uint32_t *take)
{
	uint32_t room = limits->bytes_max;

	if (io->queue != NULL) {
		enum mpio_cut cut = mpio__plan_obstacle(io, run, limits);

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
	*take = run->whole ? 0 : mpio__align_down(room, limits->block);
	return run->whole ? MPIO_CUT_ATOMIC : MPIO_CUT_BYTES;
}

#endif /* MPIO_PLAN_INLINE_H */

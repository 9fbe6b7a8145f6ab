/* SPDX-License-Identifier: MIT */
/*
 * The plan alone, over a grid of states.
 *
 * mpio_plan() is asked about every state of the grid, and its answer compared
 * with a specification that works differently: it tries each length that may
 * be taken, from all of the run downwards, and takes the first that breaks no
 * rule. The reason given must be one of those that hold. A second grid asks
 * about gaps.
 */
#include "enumerate.h"
#include <stdio.h>
#include <string.h>

enum { PLAN_BLOCK = 512 };

struct question {
	struct mpio_plan_io io;
	struct mpio_plan_run run;
	struct mpio_plan_limits limits;
};

static const char device_a;
static const char device_b;
static unsigned char memory[64 * PLAN_BLOCK];

/** Whether the I/O may take this much of the run. */
static bool may_take(const struct question *q, uint32_t take)
{
	const struct mpio_plan_io *io = &q->io;
	const struct mpio_plan_run *run = &q->run;
	bool none = io->queue == NULL;
	uint32_t length = none ? 0 : io->length;
	uint32_t pieces = none ? 0 : io->pieces;
	uint32_t segments = none ? 0 : io->segments;

	if (take == 0)
		return true;
	if (take != run->length && (run->whole || take % PLAN_BLOCK != 0))
		return false;
	if (!none && (io->queue != run->queue || io->end != run->offset ||
		      io->operation != run->operation))
		return false;
	if (none || io->memory_end != run->memory)
		pieces++;
	if (none || !run->same_segment)
		segments++;
	return pieces <= q->limits.pieces_max &&
	       segments <= q->limits.segments_max &&
	       length + take <= q->limits.bytes_max;
}

static uint32_t most(const struct question *q)
{
	uint32_t take = q->run.length;

	while (take > 0 && !may_take(q, take))
		take--;
	return take;
}

/** Whether the I/O ends where it does for this reason. */
static bool holds(const struct question *q, enum mpio_cut cut, uint32_t take)
{
	const struct mpio_plan_io *io = &q->io;
	const struct mpio_plan_run *run = &q->run;
	bool none = io->queue == NULL;
	uint32_t length = none ? take : io->length + take;

	switch (cut) {
	case MPIO_CUT_NONE:
		return take == run->length;
	case MPIO_CUT_NOT_ADJACENT:
		return !none && io->end != run->offset;
	case MPIO_CUT_QUEUE:
		return !none && io->queue != run->queue;
	case MPIO_CUT_OPERATION:
		return !none && io->operation != run->operation;
	case MPIO_CUT_SEGMENTS:
		return take == 0 && !none &&
		       ((io->memory_end != run->memory &&
			 io->pieces == q->limits.pieces_max) ||
			(!run->same_segment &&
			 io->segments == q->limits.segments_max));
	case MPIO_CUT_BYTES:
		return !run->whole && length + PLAN_BLOCK > q->limits.bytes_max;
	case MPIO_CUT_ATOMIC:
		return run->whole && take == 0 &&
		       length + run->length > q->limits.bytes_max;
	default:
		return false;
	}
}

static bool is_right(const struct question *q, bool verbose)
{
	uint32_t want = most(q);
	uint32_t take = 12345;
	enum mpio_cut cut = mpio_plan(&q->io, &q->run, &q->limits, &take);
	bool right = take == want && holds(q, cut, take) &&
		     (take == q->run.length) == (cut == MPIO_CUT_NONE);

	if (!right && verbose)
		printf("plan: io %s end %u op %u length %u pieces %u "
		       "segments %u; run %s offset %u op %u length %u%s%s%s; "
		       "limits %u pieces %u segments %u bytes: took %u (%s), "
		       "not %u\n",
		       q->io.queue == NULL ? "none" : "begun",
		       (unsigned)q->io.end, q->io.operation, q->io.length,
		       q->io.pieces, q->io.segments,
		       q->run.queue == q->io.queue ? "same" : "other",
		       (unsigned)q->run.offset, q->run.operation, q->run.length,
		       q->io.memory_end == q->run.memory ? " joins" : "",
		       q->run.same_segment ? " same segment" : "",
		       q->run.whole ? " whole" : "", q->limits.pieces_max,
		       q->limits.segments_max, q->limits.bytes_max, take,
		       mpio_cut_name(cut), want);
	return right;
}

/*
 * Gaps. What may be crossed is found from what may be taken: behind the gap,
 * with the gap in the I/O, all of the run is.
 */

/** Whether an I/O, lengthened by the gap, takes all and keeps its share. */
static bool may_cross(const struct question *q)
{
	struct question behind = *q;
	uint64_t gap = 0;

	if (!q->run.may_gap)
		return false;
	while (behind.io.end < q->run.offset) {
		behind.io.end++;
		behind.io.length++;
		behind.io.wasted++;
		if (++gap > q->limits.gap_max)
			return false;
	}
	behind.io.pieces++;
	behind.io.segments++;
	if (gap == 0 || most(&behind) != q->run.length)
		return false;
	behind.io.length += q->run.length;
	return behind.io.length <= q->limits.gap_io_max &&
	       100.0 * behind.io.wasted / behind.io.length <=
		       q->limits.gap_percent;
}

/** What the plan says of a run that is not adjacent. */
static enum mpio_cut gap_answer(const struct question *q)
{
	struct question roomy = *q;

	roomy.limits.pieces_max = roomy.limits.segments_max = 100;
	if (may_cross(q))
		return MPIO_CUT_GAP;
	return may_cross(&roomy) ? MPIO_CUT_SEGMENTS : MPIO_CUT_NOT_ADJACENT;
}

static bool gap_is_right(const struct question *q, bool verbose)
{
	enum mpio_cut want = gap_answer(q);
	uint32_t take = 12345;
	enum mpio_cut cut = mpio_plan(&q->io, &q->run, &q->limits, &take);
	bool right = take == 0 && cut == want;

	if (!right && verbose)
		printf("plan: io end %u length %u wasted %u pieces %u; run "
		       "offset %u length %u%s; limits %u pieces %u bytes, "
		       "gaps %u, %u %%, I/Os %u: %s, not %s\n",
		       (unsigned)q->io.end, q->io.length, q->io.wasted,
		       q->io.pieces, (unsigned)q->run.offset, q->run.length,
		       q->run.may_gap ? " may gap" : "", q->limits.pieces_max,
		       q->limits.bytes_max, q->limits.gap_max,
		       q->limits.gap_percent, q->limits.gap_io_max,
		       mpio_cut_name(cut), mpio_cut_name(want));
	return right;
}

/* The grid: a state is a number, taken apart digit by digit. */

static uint32_t digit(uint64_t *n, uint32_t count)
{
	uint32_t d = (uint32_t)(*n % count);

	*n /= count;
	return d;
}

/* Lengths of runs: whole blocks, and some that the device's end has cut. */
static const uint32_t run_lengths[] = {512,  1024, 1536, 2048, 3072,
				       4096, 8192, 1,    700,  1300};
static const uint32_t bytes_limits[] = {512, 1024, 1536, 3072, 8192};

/** Make a state. @return false: it cannot be. */
static bool make(uint64_t n, struct question *q)
{
	struct mpio_plan_io *io = &q->io;
	struct mpio_plan_run *run = &q->run;
	bool joins;

	memset(q, 0, sizeof(*q));
	q->limits.block = PLAN_BLOCK;
	q->limits.pieces_max = 1 + digit(&n, 4);
	q->limits.segments_max = 1 + digit(&n, 4);
	q->limits.bytes_max = bytes_limits[digit(&n, 5)];
	run->length = run_lengths[digit(&n, 10)];
	run->offset = 8 * PLAN_BLOCK;
	run->memory = memory + 8 * PLAN_BLOCK;
	run->whole = digit(&n, 2) != 0;
	run->queue = digit(&n, 2) != 0 ? &device_a : &device_b;
	run->operation = digit(&n, 2);
	if (digit(&n, 2) == 0) {
		/* None: what else it says must not matter. */
		io->end = run->offset;
		io->length = 4096;
		io->pieces = io->segments = 7;
		return n == 0;
	}
	io->queue = &device_a;
	io->operation = 1;
	io->end = run->offset - PLAN_BLOCK + PLAN_BLOCK * digit(&n, 3);
	io->length = PLAN_BLOCK * (1 + digit(&n, 8));
	io->pieces = 1 + digit(&n, 4);
	io->segments = 1 + digit(&n, 4);
	joins = digit(&n, 2) != 0;
	io->memory_end = memory + (joins ? 8 : 9) * PLAN_BLOCK;
	run->same_segment = digit(&n, 2) != 0;
	return io->length <= q->limits.bytes_max &&
	       io->pieces <= q->limits.pieces_max &&
	       io->segments <= q->limits.segments_max &&
	       io->pieces <= io->segments &&
	       io->length >= io->segments * PLAN_BLOCK &&
	       (joins || !run->same_segment);
}

/** Make a state with a gap, or a run before the I/O's end. */
static bool make_gap(uint64_t n, struct question *q)
{
	static const uint32_t percents[] = {0, 25, 50, 75, 100, 1000};
	static const uint32_t io_limits[] = {512, 1024, 2048, 4096, 8192};
	struct mpio_plan_io *io = &q->io;
	struct mpio_plan_run *run = &q->run;
	uint32_t distance;

	memset(q, 0, sizeof(*q));
	q->limits.block = PLAN_BLOCK;
	q->limits.pieces_max = 1 + digit(&n, 4);
	q->limits.segments_max = 1 + digit(&n, 4);
	q->limits.bytes_max = bytes_limits[digit(&n, 5)];
	q->limits.gap_max = PLAN_BLOCK * digit(&n, 4);
	q->limits.gap_percent = percents[digit(&n, 6)];
	q->limits.gap_io_max = io_limits[digit(&n, 5)];
	run->queue = io->queue = &device_a;
	run->length = run_lengths[digit(&n, 10)];
	run->memory = memory;
	run->whole = digit(&n, 2) != 0;
	run->may_gap = digit(&n, 2) != 0;
	io->end = 8 * PLAN_BLOCK;
	io->length = PLAN_BLOCK * (1 + digit(&n, 4));
	io->wasted = PLAN_BLOCK * digit(&n, 3);
	io->pieces = 1 + digit(&n, 4);
	io->segments = 1 + digit(&n, 2);
	io->memory_end = memory + PLAN_BLOCK;
	distance = digit(&n, 5);
	run->offset = io->end + PLAN_BLOCK * (distance + 1);
	if (distance == 4)
		run->offset = io->end - PLAN_BLOCK;
	return io->length <= q->limits.bytes_max &&
	       io->pieces <= q->limits.pieces_max &&
	       io->segments <= q->limits.segments_max &&
	       io->wasted < io->length;
}

/** Each reason has a name, and no two the same. */
static bool names_differ(void)
{
	for (int i = 0; i < MPIO_CUT_COUNT; i++)
		for (int j = 0; j < i; j++)
			if (strcmp(mpio_cut_name((enum mpio_cut)i),
				   mpio_cut_name((enum mpio_cut)j)) == 0)
				return false;
	return true;
}

static uint64_t enumerate_gaps(uint64_t stride, uint64_t first,
			       uint64_t *failed)
{
	const uint64_t states = (uint64_t)4 * 4 * 5 * 4 * 6 * 5 * 10 * 2 * 2 *
				4 * 3 * 4 * 2 * 5;
	uint64_t passed = 0;

	/* There are many: a part of them, another of each shard. */
	for (uint64_t n = first; n < states; n += 13 * stride) {
		struct question q;

		if (!make_gap(n, &q))
			continue;
		if (gap_is_right(&q, *failed < 5))
			passed++;
		else
			(*failed)++;
	}
	return passed;
}

uint64_t plan_enumerate(uint64_t stride, uint64_t first, uint64_t *failed)
{
	const uint64_t states = (uint64_t)4 * 4 * 5 * 10 * 2 * 2 * 2 * 2 * 3 *
				8 * 4 * 4 * 2 * 2;
	uint64_t passed = 0;

	*failed = names_differ() ? 0 : 1;
	for (uint64_t n = first; n < states; n += stride) {
		struct question q;

		if (!make(n, &q))
			continue;
		if (is_right(&q, *failed < 5))
			passed++;
		else
			(*failed)++;
	}
	return passed + enumerate_gaps(stride, first, failed);
}

/* SPDX-License-Identifier: MIT */
/*
 * Gaps: the plan alone, over every short sequence of runs.
 *
 * The plan is asked as the library asks it, run by run, with gaps on and with
 * gaps off. With gaps on there are never more I/Os; if only the share of gaps
 * is not limited, there are as few as there can be. The least number is found
 * by trying every split.
 */
#include "enumerate_gap.h"
#include <stdio.h>
#include <string.h>

enum { SEQUENCE_RUNS = 5, DISTANCES = 5, LENGTHS = 2 };

/* ---- The least number ------------------------------------------------- */

static uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/** Whether an I/O may hold the blocks from number `first` to before `end`. */
static bool is_legal(const struct gap_layout *l,
		     const struct mpio_plan_limits *m, unsigned first,
		     unsigned end)
{
	uint32_t length = 0; /* blocks */
	uint32_t pieces = 0;
	uint32_t device = 0; /* where it ends */
	unsigned start = 0;

	for (unsigned r = 0; r < l->count && start < end; r++) {
		const struct gap_run *run = &l->run[r];
		unsigned from = first > start ? first : start;
		unsigned to = min(end, start + run->blocks);

		if (from >= to) {
			start += run->blocks;
			continue;
		}
		if (length != 0 && run->at < device)
			return false;
		if (length != 0 && run->at > device) {
			uint32_t gap = run->at - device;
			uint32_t most = min(m->bytes_max, m->gap_io_max);

			length += gap;
			pieces++;
			if (gap * UNIT > m->gap_max ||
			    to != start + run->blocks ||
			    (length + run->blocks) * UNIT > most)
				return false;
		}
		length += to - from;
		device = run->at + (to - start);
		pieces++;
		start += run->blocks;
	}
	return length * UNIT <= m->bytes_max && pieces <= m->pieces_max &&
	       pieces <= m->segments_max;
}

unsigned gap_least(const struct gap_layout *layout,
		   const struct mpio_plan_limits *limits)
{
	unsigned least[GAP_RUNS_MAX * 6 + 1] = {0};
	unsigned count = 0;

	for (unsigned r = 0; r < layout->count; r++)
		count += layout->run[r].blocks;
	for (unsigned end = 1; end <= count; end++) {
		least[end] = end;
		for (unsigned first = 0; first < end; first++)
			if (least[first] + 1 < least[end] &&
			    is_legal(layout, limits, first, end))
				least[end] = least[first] + 1;
	}
	return least[count];
}

/* ---- The plan's number ------------------------------------------------ */

static const char some_device;
static const char scrap;

/** What the plan makes of a sequence. */
struct planned {
	struct mpio_plan_io io; /* the last */
	unsigned ios;
	unsigned gaps;
	const char *wrong;
};

static void cross(struct planned *p, const struct mpio_plan_run *run,
		  const struct mpio_plan_limits *m)
{
	uint64_t gap = run->offset - p->io.end;

	if (run->offset < p->io.end || gap > m->gap_max)
		p->wrong = "a gap is too large";
	p->io.end += gap;
	p->io.length += (uint32_t)gap;
	p->io.wasted += (uint32_t)gap;
	p->io.pieces++;
	p->io.segments++;
	p->io.memory_end = &scrap;
	p->gaps++;
}

static void add(struct planned *p, struct mpio_plan_run *run, uint32_t take)
{
	p->io.length += take;
	p->io.end = run->offset + take;
	p->io.pieces++;
	p->io.segments++;
	p->io.memory_end = NULL;
	run->offset += take;
	run->length -= take;
}

static void check_io(struct planned *p, const struct mpio_plan_limits *m)
{
	const struct mpio_plan_io *io = &p->io;

	if (io->length > m->bytes_max || io->pieces > m->pieces_max ||
	    io->segments > m->segments_max)
		p->wrong = "an I/O breaks a limit";
	if (io->wasted * 100 > io->length * m->gap_percent)
		p->wrong = "there are more gaps than their share";
}

static void plan_run(struct planned *p, struct mpio_plan_run *run,
		     const struct mpio_plan_limits *m)
{
	bool crossed = false;

	while (run->length != 0 && p->wrong == NULL) {
		uint32_t all = run->length;
		uint32_t take;
		enum mpio_cut cut = mpio_plan(&p->io, run, m, &take);

		if (crossed && (cut != MPIO_CUT_NONE || take != all))
			p->wrong = "behind a gap not all of a run is taken";
		crossed = cut == MPIO_CUT_GAP;
		if (crossed) {
			cross(p, run, m);
		} else if (take != 0) {
			p->ios += p->io.queue == NULL;
			p->io.queue = &some_device;
			add(p, run, take);
			check_io(p, m);
		} else {
			memset(&p->io, 0, sizeof(p->io));
		}
	}
}

static struct planned plan_all(const struct gap_layout *l,
			       const struct mpio_plan_limits *m)
{
	struct planned planned = {0};

	for (unsigned r = 0; r < l->count; r++) {
		struct mpio_plan_run run = {
			.queue = &some_device,
			.offset = (uint64_t)l->run[r].at * UNIT,
			.length = l->run[r].blocks * UNIT,
			.memory = &l->run[r],
			.may_gap = true,
		};

		plan_run(&planned, &run, m);
	}
	return planned;
}

/* ---- The grid --------------------------------------------------------- */

static uint32_t digit(uint64_t *n, uint32_t count)
{
	uint32_t d = (uint32_t)(*n % count);

	*n /= count;
	return d;
}

static void make_limits(uint64_t *n, struct mpio_plan_limits *m)
{
	static const uint32_t pieces[] = {2, 3, 4, 5, 100};
	static const uint32_t blocks[] = {3, 5, 8, 100};
	static const uint32_t percents[] = {40, 75, 100};

	m->block = UNIT;
	m->pieces_max = pieces[digit(n, 5)];
	m->segments_max = m->pieces_max;
	m->bytes_max = blocks[digit(n, 4)] * UNIT;
	m->gap_max = digit(n, 4) * UNIT;
	m->gap_percent = percents[digit(n, 3)];
	m->gap_io_max = digit(n, 2) != 0 ? 4 * UNIT : m->bytes_max;
}

static void make_layout(uint64_t *n, struct gap_layout *l)
{
	uint32_t at = 100;

	l->count = SEQUENCE_RUNS;
	for (unsigned r = 0; r < SEQUENCE_RUNS; r++) {
		uint32_t distance = digit(n, DISTANCES);

		if (distance == DISTANCES - 1)
			at -= 7; /* before the last, wherever that lies */
		else
			at += distance;
		l->run[r].at = at;
		l->run[r].blocks = 1 + digit(n, LENGTHS);
		at += l->run[r].blocks;
	}
}

static const char *check(const struct gap_layout *l, struct mpio_plan_limits *m)
{
	struct planned on = plan_all(l, m);
	struct planned off;
	unsigned least;

	if (on.wrong != NULL)
		return on.wrong;
	if (m->gap_percent >= 100) {
		least = gap_least(l, m);
		if (on.ios < least)
			return "there are fewer I/Os than there can be";
		if (on.ios > least)
			return "there are more I/Os than needed";
	}
	m->gap_max = 0;
	off = plan_all(l, m);
	if (on.ios > off.ios)
		return "there are more I/Os than with gaps off";
	if (off.gaps != 0)
		return "a gap was crossed with gaps off";
	return NULL;
}

uint64_t gap_plan_enumerate(uint64_t stride, uint64_t first, uint64_t *failed)
{
	uint64_t trials = (uint64_t)5 * 4 * 4 * 3 * 2;
	uint64_t passed = 0;

	for (unsigned r = 0; r < SEQUENCE_RUNS; r++)
		trials *= DISTANCES * LENGTHS;
	*failed = 0;
	for (uint64_t n = first; n < trials; n += stride) {
		uint64_t rest = n;
		struct mpio_plan_limits limits;
		struct gap_layout layout;
		const char *wrong;

		make_limits(&rest, &limits);
		make_layout(&rest, &layout);
		wrong = check(&layout, &limits);
		if (wrong == NULL)
			passed++;
		else if (++*failed <= 5)
			printf("gap-plan: trial %llu: %s\n",
			       (unsigned long long)n, wrong);
	}
	return passed;
}

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Plan: where one I/O ends and the next begins.
 *
 * A pure function: it does no I/O, reads no clock and touches no page. It sees
 * the I/O that is being gathered, the next run of device bytes and the limits,
 * and answers how much of the run continues the I/O, and why not all of it.
 * Taking as much as it can at each step gives the least number of I/Os that
 * keeps the order of the runs. Reading across a gap between two runs saves an
 * I/O each time, and is answered only where it does.
 */
#ifndef MPIO_PLAN_H
#define MPIO_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Why an I/O was ended where it was. */
enum mpio_cut {
	MPIO_CUT_NONE,         /* it goes on */
	MPIO_CUT_NOT_ADJACENT, /* the next run lies elsewhere */
	MPIO_CUT_QUEUE,        /* ... on another device */
	MPIO_CUT_OPERATION,    /* ... and is another operation, or flags */
	MPIO_CUT_SEGMENTS,     /* no piece of memory, or part of a page, more */
	MPIO_CUT_BYTES,        /* no byte more */
	MPIO_CUT_BOUNDARY,     /* metadata is read next */
	MPIO_CUT_ATOMIC,       /* a page that must not tear needs more room */
	MPIO_CUT_DEVICE_END,   /* ... and this one ends where the device does */
	MPIO_CUT_BATCH_END,    /* nothing more to be read or written */
	MPIO_CUT_GAP, /* no cut: it goes on across a gap (reads only) */
	MPIO_CUT_COUNT
};

/** The I/O that is being gathered. */
struct mpio_plan_io {
	const void *queue;      /* NULL: none is being gathered */
	uint64_t end;           /* bytes; where on the device it ends so far */
	uint32_t operation;     /* operation and flags, compared as a number */
	uint32_t length;        /* bytes so far */
	uint32_t pieces;        /* of memory, so far */
	uint32_t segments;      /* parts of pages, so far */
	uint32_t wasted;        /* bytes of it that are gaps, so far */
	const void *memory_end; /* where its last piece of memory ends */
};

/** Bytes that lie together on a device, and in the memory of one page. */
struct mpio_plan_run {
	const void *queue;  /* not NULL */
	uint64_t offset;    /* bytes, on the device */
	uint32_t operation; /* operation and flags */
	uint32_t length;    /* bytes, not 0 */
	const void *memory; /* where they lie in memory */
	bool whole;         /* must not be split (atomic) */
	bool same_segment;  /* continues the last part of the same page */
	bool may_gap;       /* a read: what lies before it may be read too */
};

/** Limits of one I/O; none is 0, but for gap_max. */
struct mpio_plan_limits {
	uint32_t pieces_max;   /* of memory; neighbours are one */
	uint32_t segments_max; /* parts of pages */
	uint32_t bytes_max;    /* a multiple of the logical block */
	uint32_t block;        /* bytes; a split falls on a multiple of it */
	uint32_t gap_max;      /* bytes of the largest gap; 0: none */
	uint32_t gap_percent;  /* most of an I/O that may be gaps */
	uint32_t gap_io_max;   /* bytes; none becomes larger by a gap and the
				* run behind it */
};

/**
 * Decide how a run continues an I/O.
 *
 * @param io      being gathered, or none
 * @param run     the next one
 * @param limits  of an I/O
 * @param[out] take  bytes of the run that `io` takes: all, some (the rest is
 *                   another run) or, if a cut comes first, 0
 * @return MPIO_CUT_NONE if all was taken, else why `io` ends: before the run
 *         (`*take` is 0) or after the part of it that was taken. With no I/O
 *         being gathered at least something is taken, but for a `whole` run
 *         that fits in no I/O: then 0 and MPIO_CUT_ATOMIC. MPIO_CUT_GAP, with
 *         `*take` 0, is no cut: `io` is to be extended by the bytes from its
 *         end to the run, into memory that nobody looks at (a piece and a
 *         segment of its own, counted in `wasted`), and the plan asked again:
 *         then all of the run is taken.
 */
enum mpio_cut mpio_plan(const struct mpio_plan_io *io,
			const struct mpio_plan_run *run,
			const struct mpio_plan_limits *limits, uint32_t *take);

/**
 * Name a reason, for statistics, traces and pictures.
 *
 * @param cut  a reason
 * @return a constant string such as 'not adjacent'; never NULL
 */
const char *mpio_cut_name(enum mpio_cut cut);

#ifdef __cplusplus
}
#endif
#endif

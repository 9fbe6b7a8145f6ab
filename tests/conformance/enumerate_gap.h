/* SPDX-License-Identifier: MIT */
/*
 * What enumerate_gap.c (gaps on the library) and enumerate_gap_plan.c (gaps on
 * the plan alone) share: runs in order, and the least number of I/Os for them.
 */
#ifndef ENUMERATE_GAP_H
#define ENUMERATE_GAP_H

#include "enumerate.h"

enum { GAP_RUNS_MAX = 6 };

/** Bytes that lie together on the device and in memory. */
struct gap_run {
	uint32_t at; /* block of the device */
	uint32_t blocks;
};

/** Runs in the order in which they are read; no two are one in memory. */
struct gap_layout {
	unsigned count;
	struct gap_run run[GAP_RUNS_MAX];
};

/**
 * Find the least number of I/Os that read across gaps, by trying every split.
 * The share of gaps is not looked at: an I/O that ended earlier, to keep it,
 * could be the better beginning.
 */
unsigned gap_least(const struct gap_layout *layout,
		   const struct mpio_plan_limits *limits);

/** Plan every short sequence of runs; as plan_enumerate(). */
uint64_t gap_plan_enumerate(uint64_t stride, uint64_t first, uint64_t *failed);

/** Play every layout of trials on the library; as plan_enumerate(). */
uint64_t gap_enumerate(uint64_t stride, uint64_t first, uint64_t *failed);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Ways to break a result: what vectors_selftest.c drives, and the two sources
 * that hold them.
 */
#ifndef VECTORS_SELFTEST_H
#define VECTORS_SELFTEST_H

#include "vectors.h"

/** Copies, to be broken. */
struct vectors_trial {
	struct vectors_scenario s; /* shares all arrays but `expect.pages` */
	const struct vectors_plan *plan;
	struct vectors_result r;
};

/** A way to break a result, and the rule that must then be broken. */
struct vectors_way {
	const char *name;
	enum vectors_rule rule;
	/**
	 * Break it at the n-th place that can be broken so. Return false if
	 * there is none: nothing was changed.
	 */
	bool (*apply)(struct vectors_trial *t, size_t n);
	unsigned long tried, missed;
};

extern struct vectors_way vectors_event_ways[];
extern const size_t vectors_event_way_count;
extern struct vectors_way vectors_state_ways[];
extern const size_t vectors_state_way_count;

#endif

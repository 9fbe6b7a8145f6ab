/* SPDX-License-Identifier: MIT */
/*
 * A sweep: each scenario, with a fault at the first event of its kind, at the
 * second, and so on until none is left to strike.
 */
#ifndef FAULT_SWEEP_H
#define FAULT_SWEEP_H

#include "world.h"

struct totals {
	uint64_t worlds; /* in which the fault struck at all */
	uint64_t runs;
	uint64_t fired;
	uint64_t told; /* runs in which somebody was told an error */
};

/* A scenario that was run once without any fault. */
struct trial {
	struct world *world;
	struct snapshot *done;    /* after its operation */
	struct snapshot *settled; /* and when nothing was left to do */
};

/* Whether a scenario makes sense on a device. */
bool suits(const struct scenario *scenario, enum mock_mode mode);
void trial_open(struct trial *trial, const struct scenario *scenario,
		enum mock_mode mode);
void trial_close(struct trial *trial);
/* Do what is left after a run, and compare with the first one. */
void trial_repeat(struct trial *trial);

struct sweep {
	const struct fault *fault;
	/* Which scenarios; NULL: all. */
	bool (*want)(const struct scenario *scenario);
	/* Looks, when nothing is in flight after a fault; NULL: nobody. */
	void (*inspect)(struct world *world, const struct fault *fault);
	void (*meddle)(struct world *world); /* as in struct world */
	int modes; /* how many kinds of device; 0: all */
};

/* Sweep all scenarios that are wanted, each on every device, and count. */
struct totals sweep(const struct sweep *sweep);

#endif

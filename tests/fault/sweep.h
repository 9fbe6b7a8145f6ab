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

/* The mode of the other device that a scenario is tried on. */
enum mock_mode other_mode(enum mock_mode mode);

/* Called when nothing is in flight after a fault; NULL: nobody looks. */
typedef void inspect_fn(struct world *world, const struct fault *fault);

/* Which scenarios are wanted; NULL: all are. */
typedef bool want_fn(const struct scenario *scenario);

/*
 * Sweep all scenarios that are wanted, and count: each on the device that it
 * asks for, and on one that ends bios in another way.
 */
struct totals sweep(const struct fault *fault, want_fn *want,
		    inspect_fn *inspect);

#endif

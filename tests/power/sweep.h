/* SPDX-License-Identifier: MIT */
/*
 * A sweep: a scenario is run again and again, and the power fails with each of
 * its I/Os in flight, and after each; and each state that the disks may be left
 * in is shown to the oracle.
 */
#ifndef POWER_SWEEP_H
#define POWER_SWEEP_H

#include "world.h"

/* A state of a disk after a cut; `kind` is what the simulated disk calls it. */
struct state {
	uint32_t disk;
	enum mpio_sim_cut_kind kind;
	uint64_t index;
};

/* What was found. */
struct sweep {
	uint64_t seed;
	uint32_t limit;  /* of the states of a cut that are enumerated torn */
	uint32_t stride; /* so far apart are the I/Os that are cut at */
	bool stop;       /* at the first that is wrong */
	uint64_t cuts;
	uint64_t states;
	uint64_t drawn;  /* of them */
	uint64_t wrong;  /* of them, or of runs in trouble */
	uint64_t writes; /* of the run without a cut */
	uint64_t promises;
	/* Of the first that is wrong: where it is, and a line of it. */
	struct cut cut;
	struct state state;
	char report[512];
};

void sweep(struct sweep *sweep, const struct scenario *scenario);
/* One state of one cut again: that which a sweep found to be wrong. */
void look_again(struct sweep *sweep, const struct scenario *scenario,
		struct cut cut, struct state state);
/* The same, by the arguments that a report names. */
int replay(int argc, char **argv);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A sweep. Each run of it goes
 *
 *     reset, open, operation, drain   with the fault
 *     check                           what must hold after any fault
 *     operation, settle               without it
 *     compare                         with the run that never failed
 *
 * Every other run is drained by closing its queues, which has to finish pages
 * as well.
 */
#include "sweep.h"

/* Whether a second try of the operation does all that the first did not. */
static bool is_repeatable(const struct world *world)
{
	return !world->scenario->limited &&
	       !(world->scenario->hooks & HOOK_BOUNDARY);
}

void trial_repeat(struct trial *trial)
{
	struct world *world = trial->world;

	world->injector.fault = NULL;
	if (world->queues[0] == NULL)
		check(world_open(world) == 0);
	world_forgive(world);
	world_run(world);
	world_drain(world);
	check(world_errors(world) == 0);
	world_check(world);
	if (is_repeatable(world))
		snapshot_compare(world, trial->done);
	world_settle(world);
	world_check(world);
	world_check_pools(world);
	snapshot_compare(world, trial->settled);
}

bool suits(const struct scenario *scenario, enum mock_mode mode)
{
	return !scenario->ordered || mode == MOCK_SYNC || mode == MOCK_IN_ORDER;
}

void trial_open(struct trial *trial, const struct scenario *scenario,
		enum mock_mode mode)
{
	struct world *world = world_new(scenario, mode);

	*trial = (struct trial){.world = world};
	now_trying("%s, device %u, without a fault", scenario->name,
		   (unsigned int)mode);
	world_reset(world, NULL, 0);
	check(world_open(world) == 0);
	world_run(world);
	world_drain(world);
	check(world_errors(world) == 0);
	world_check(world);
	world_check_pools(world);
	trial->done = snapshot_take(world);
	world_settle(world);
	world_check(world);
	trial->settled = snapshot_take(world);
	world_close(world);
}

void trial_close(struct trial *trial)
{
	snapshot_free(trial->done);
	snapshot_free(trial->settled);
	world_free(trial->world);
}

static void finish(struct world *world, const struct fault *fault, uint64_t n)
{
	/* What can't be reaped for ever can't be drained. */
	if (fault->site == SITE_REAP && fault->sticky)
		world->injector.fault = NULL;
	/* A device that can't be reaped can't be closed in good order. */
	if (n % 2 == 0 && fault->site != SITE_REAP) {
		world_close(world);
		return;
	}
	world_drain(world);
	world_check_pools(world);
}

/* Whether every page has a copy that it can be read from. */
static bool has_copies(const struct scenario *scenario)
{
	return (scenario->hooks & HOOK_REREAD) && scenario->dirty == 0;
}

static void check_outcome(const struct trial *trial, const struct fault *fault)
{
	const struct world *world = trial->world;
	bool told = world_errors(world) != 0;
	bool rereads = (world->scenario->hooks & HOOK_REREAD) != 0;
	bool is_cured = fault->outcome == OUTCOME_CURED;

	if (has_copies(world->scenario) && fault->outcome == OUTCOME_REREAD &&
	    !fault->sticky)
		is_cured = true;
	if (fault->outcome == OUTCOME_VISIBLE ||
	    (fault->outcome == OUTCOME_REREAD && !rereads))
		check(told);
	if (is_cured)
		check(!told);
	if (!told && is_repeatable(world))
		snapshot_compare(world, trial->done);
}

/* One run; whether the fault struck. */
static bool try_one(struct trial *trial, const struct sweep *sweep, uint64_t n,
		    struct totals *totals)
{
	const struct fault *fault = sweep->fault;
	struct world *world = trial->world;
	uint64_t fired;
	int error;

	now_trying("%s, device %u, %s, n = %u", world->scenario->name,
		   (unsigned int)world->mode, fault->name, (unsigned int)n);
	world_reset(world, fault, n);
	error = world_open(world);
	if (error == 0) {
		world_run(world);
		finish(world, fault, n);
		world_check(world);
	} else {
		check(error == fault->status);
	}
	fired = world->injector.fired;
	totals->runs++;
	totals->fired += fired;
	totals->told += world_errors(world) != 0;
	if (fired != 0 && error == 0)
		check_outcome(trial, fault);
	if (fired == 0)
		check(world_errors(world) == 0);
	if (sweep->inspect != NULL && fired != 0)
		sweep->inspect(world, fault);
	if (fired != 0)
		trial_repeat(trial);
	world_close(world);
	return fired != 0;
}

static void sweep_world(const struct scenario *scenario, enum mock_mode mode,
			const struct sweep *sweep, struct totals *totals)
{
	struct trial trial;
	uint64_t n = 1;

	if (!suits(scenario, mode))
		return;
	trial_open(&trial, scenario, mode);
	trial.world->meddle = sweep->meddle;
	while (try_one(&trial, sweep, n, totals))
		n++;
	totals->worlds += n > 1;
	trial_close(&trial);
}

struct totals sweep(const struct sweep *sweep)
{
	const struct scenario *scenario;
	struct totals totals = {0};
	int modes = sweep->modes != 0 ? sweep->modes : MOCK_MODES;

	for (size_t i = 0; (scenario = scenario_get(i)) != NULL; i++) {
		if (sweep->want != NULL && !sweep->want(scenario))
			continue;
		for (int mode = 0; mode < modes; mode++)
			sweep_world(scenario, (enum mock_mode)mode, sweep,
				    &totals);
	}
	return totals;
}

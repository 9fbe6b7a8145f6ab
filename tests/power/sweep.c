/* SPDX-License-Identifier: MIT */
/*
 * Cuts, and the states that they leave.
 */
#include "sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One run, and what is looked at after it. */
struct run {
	struct sweep *sweep;
	struct cut cut;
	struct world world;
	struct mpio_sim_snapshot *snapshot; /* of the disk being looked at */
	unsigned char *bytes;               /* of it */
};

static const char *const cut_names[] = {"none", "submit", "complete"};
static const char *const kind_names[] = {"whole", "tear-one", "tear-all",
					 "drawn"};

/* ---- Reports ------------------------------------------------------------ */

static void report(struct run *run, const struct state *state, const char *what)
{
	struct sweep *sweep = run->sweep;

	if (sweep->wrong++ != 0)
		return;
	sweep->cut = run->cut;
	sweep->state = *state;
	snprintf(sweep->report, sizeof(sweep->report),
		 "%s; power.cuts %s %" PRIu64 " %" PRIu32 " %s %" PRIu32
		 " %" PRIu32 " %s %" PRIu64,
		 what, run->world.scenario->name, sweep->seed, run->cut.disk,
		 cut_names[run->cut.kind], run->cut.n, state->disk,
		 kind_names[state->kind], state->index);
}

/* ---- States ------------------------------------------------------------- */

static void check_state(struct run *run, const struct state *state)
{
	struct world *world = &run->world;
	const struct disk *disk = &world->disks[state->disk];
	size_t size = (size_t)mpio_sim_device(disk->sim)->size;
	char what[256];
	uint64_t bad;

	assert_int_equal(mpio_sim_restore(disk->sim, run->snapshot), 0);
	assert_int_equal(mpio_sim_cut(disk->sim, state->kind, state->index), 0);
	assert_int_equal(mpio_sim_peek(disk->sim, 0, run->bytes, size), 0);
	run->sweep->states++;
	run->sweep->drawn += state->kind == MPIO_SIM_DRAWN;
	bad = oracle_check(&world->oracle, disk->offset, run->bytes, size);
	if (bad == UINT64_MAX)
		return;
	oracle_explain(&world->oracle, bad, run->bytes + (bad - disk->offset),
		       what, sizeof(what));
	report(run, state, what);
}

static void check_from_to(struct run *run, struct state state, uint64_t end)
{
	for (; state.index < end; state.index++) {
		check_state(run, &state);
		if (run->sweep->stop && run->sweep->wrong != 0)
			return;
	}
}

/*
 * Each write torn in each of its places, with all of the others there, none,
 * and some. Of the states of TEAR_ONE that have a tear, so many in a row differ
 * only in what is there of the others.
 */
static void check_tears(struct run *run, struct state state, uint32_t writes,
			uint64_t states)
{
	uint64_t row = UINT64_C(1) << (writes - 1);

	state.kind = MPIO_SIM_TEAR_ONE;
	for (uint64_t i = 2 * row; i < states; i += row) {
		state.index = i;
		check_state(run, &state);
		state.index = i + row - 1;
		check_state(run, &state);
		state.index = i + draw(&run->world, (uint32_t)row);
		check_state(run, &state);
	}
}

/* All states, as far as there are few; else all without a tear, and each
 * tear. Of too many writes they are drawn. */
static void check_states(struct run *run, struct state state)
{
	struct mpio_sim *sim = run->world.disks[state.disk].sim;
	uint32_t limit = run->sweep->limit;
	uint32_t writes = mpio_sim_unflushed(sim);
	uint64_t all = mpio_sim_cut_states(sim, MPIO_SIM_TEAR_ALL);
	uint64_t one = mpio_sim_cut_states(sim, MPIO_SIM_TEAR_ONE);

	if (all != 0 && all <= limit) {
		state.kind = MPIO_SIM_TEAR_ALL;
		check_from_to(run, state, all);
	} else if (one != 0 && one <= limit) {
		state.kind = MPIO_SIM_TEAR_ONE;
		check_from_to(run, state, one);
	} else if (one != 0) {
		check_from_to(run, state, UINT64_C(1) << writes);
		check_tears(run, state, writes, one);
	}
	state.kind = MPIO_SIM_DRAWN;
	if (writes != 0)
		check_from_to(run, state, 4 + (one != 0 ? limit / 64 : limit));
}

/* ---- Runs --------------------------------------------------------------- */

static void start(struct run *run, const struct scenario *scenario)
{
	static const struct state none;

	world_open(&run->world, scenario, run->sweep->seed, &run->cut);
	run->bytes = malloc((size_t)run->world.size);
	assert_non_null(run->bytes);
	scenario->run(&run->world);
	world_stop(&run->world);
	if (run->world.trouble[0] != '\0')
		report(run, &none, run->world.trouble);
}

static void finish(struct run *run)
{
	free(run->bytes);
	world_close(&run->world);
}

static void look(struct run *run)
{
	struct sweep *sweep = run->sweep;

	sweep->cuts++;
	for (uint32_t i = 0; i < run->world.disk_count; i++) {
		struct mpio_sim *sim = run->world.disks[i].sim;

		if (sweep->stop && sweep->wrong != 0)
			return;
		assert_int_equal(mpio_sim_snapshot(sim, &run->snapshot), 0);
		check_states(run, (struct state){.disk = i});
		mpio_sim_forget(run->snapshot);
	}
}

/* Run up to a cut, and look at what it leaves; false: there was no such. */
static bool cut_once(struct sweep *sweep, const struct scenario *scenario,
		     struct cut cut, uint32_t *disks)
{
	static struct run run;
	bool came;

	run = (struct run){.sweep = sweep, .cut = cut};
	start(&run, scenario);
	came = world_was_cut(&run.world, &cut);
	if (came)
		look(&run);
	if (cut.kind == CUT_NONE) {
		sweep->writes += run.world.writes;
		sweep->promises += run.world.promises;
		*disks = run.world.disk_count;
	}
	finish(&run);
	return came && !(sweep->stop && sweep->wrong != 0);
}

void sweep(struct sweep *sweep, const struct scenario *scenario)
{
	uint32_t disks = 0;
	struct cut cut = {0};

	cut_once(sweep, scenario, cut, &disks);
	for (cut.disk = 0; cut.disk < disks; cut.disk++) {
		for (cut.kind = CUT_SUBMIT; cut.kind <= CUT_COMPLETE;
		     cut.kind++) {
			cut.n = 1 + (uint32_t)(sweep->seed % sweep->stride);
			while (cut_once(sweep, scenario, cut, &disks))
				cut.n += sweep->stride;
		}
	}
}

/* ---- Again -------------------------------------------------------------- */

void look_again(struct sweep *sweep, const struct scenario *scenario,
		struct cut cut, struct state state)
{
	static struct run run;
	struct mpio_sim *sim;

	run = (struct run){.sweep = sweep, .cut = cut};
	start(&run, scenario);
	assert_true(state.disk < run.world.disk_count);
	sim = run.world.disks[state.disk].sim;
	assert_int_equal(mpio_sim_snapshot(sim, &run.snapshot), 0);
	check_state(&run, &state);
	mpio_sim_forget(run.snapshot);
	finish(&run);
}

static uint32_t find_name(const char *name, const char *const *names,
			  size_t count)
{
	uint32_t i = 0;

	while (i < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

static const struct scenario *find_scenario(const char *name)
{
	for (size_t i = 0; i < scenario_count; i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	}
	return NULL;
}

static uint32_t to_number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 0);
}

int replay(int argc, char **argv)
{
	const struct scenario *scenario = NULL;
	struct sweep found = {0};
	struct cut cut = {0};
	struct state state = {0};

	if (argc == 9) {
		scenario = find_scenario(argv[1]);
		found.seed = strtoull(argv[2], NULL, 0);
		cut.disk = to_number(argv[3]);
		cut.kind = find_name(argv[4], cut_names, COUNT_OF(cut_names));
		cut.n = to_number(argv[5]);
		state.disk = to_number(argv[6]);
		state.kind =
			find_name(argv[7], kind_names, COUNT_OF(kind_names));
		state.index = strtoull(argv[8], NULL, 0);
	}
	if (scenario == NULL || cut.disk >= DISKS ||
	    cut.kind == COUNT_OF(cut_names) ||
	    state.kind == COUNT_OF(kind_names)) {
		fprintf(stderr, "arguments: SCENARIO SEED DISK "
				"none|submit|complete N DISK "
				"whole|tear-one|tear-all|drawn INDEX\n");
		return 2;
	}
	look_again(&found, scenario, cut, state);
	printf("%s\n", found.wrong != 0 ? found.report : "nothing is wrong");
	return found.wrong != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Each scenario, and a power cut with each of its I/Os in flight and after
 * each: what was promised is there, what was not is as it was submitted, or as
 * it was before, and nothing else has changed.
 *
 * MPIO_SEED plays a run again; MPIO_STATES is how many states of a cut are
 * enumerated where its writes may be torn. A failure says with which arguments
 * this program shows it alone.
 */
#include "model_disk.h"
#include "sweep.h"

#include <inttypes.h>
#include <stdlib.h>

/* Under which a scenario shows little. */
#define WRITES_MIN 50u
#define PROMISES_MIN 3u
#define RUNS_MAX 20u
/* What all of them together are to look at, if nobody wants less. */
#define STATES_USUAL 100u
#define STATES_MIN UINT64_C(1000000)

static struct sweep total = {.limit = STATES_USUAL, .stride = 1};
static uint32_t ran;

static void run(void **state)
{
	const struct scenario *scenario = *state;
	struct sweep found = {.seed = total.seed,
			      .limit = total.limit,
			      .stride = total.stride};
	uint32_t runs = 0;

	/* With some seeds what fails leaves no sync to succeed. */
	do {
		sweep(&found, scenario);
		found.seed += 2; /* an even one is as the odd one behind it */
	} while (found.promises < PROMISES_MIN && ++runs < RUNS_MAX);
	print_message("%s: %" PRIu64 " writes, %" PRIu64 " promises, %" PRIu64
		      " cuts, %" PRIu64 " states, %" PRIu64 " drawn\n",
		      scenario->name, found.writes, found.promises, found.cuts,
		      found.states, found.drawn);
	total.cuts += found.cuts;
	total.states += found.states;
	total.drawn += found.drawn;
	ran++;
	if (found.wrong != 0)
		fail_msg("%" PRIu64 " wrong; %s", found.wrong, found.report);
	assert_true(found.writes >= WRITES_MIN);
	assert_true(found.promises >= PROMISES_MIN);
}

static void there_were_many(void **state)
{
	(void)state;
	print_message("%" PRIu32 " scenarios, %" PRIu64 " cuts, %" PRIu64
		      " states, %" PRIu64 " of them drawn\n",
		      ran, total.cuts, total.states, total.drawn);
	assert_int_equal(ran, scenario_count);
	if (total.limit >= STATES_USUAL && total.stride == 1)
		assert_true(total.states >= STATES_MIN);
}

int main(int argc, char **argv)
{
	const char *states = getenv("MPIO_STATES");
	struct CMUnitTest *tests;
	int failed;

	if (argc > 1)
		return replay(argc, argv);
	if (states != NULL)
		total.limit = (uint32_t)strtoul(states, NULL, 0);
	if (total.limit < STATES_USUAL)
		total.stride = STATES_USUAL / (total.limit + 1);
	total.seed = model_seed(0);
	tests = calloc(scenario_count + 1, sizeof(*tests));
	for (size_t i = 0; i < scenario_count; i++)
		tests[i] = (struct CMUnitTest){
			.name = scenarios[i].name,
			.test_func = run,
			.initial_state = (void *)(uintptr_t)&scenarios[i],
		};
	tests[scenario_count] = (struct CMUnitTest){
		.name = "there_were_many", .test_func = there_were_many};
	failed = _cmocka_run_group_tests("power.cuts", tests,
					 scenario_count + 1, NULL, NULL);
	free(tests);
	return failed;
}

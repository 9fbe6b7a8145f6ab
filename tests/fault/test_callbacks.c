/* SPDX-License-Identifier: MIT */
/*
 * Every scenario on every device, without a fault, but with an engine whose
 * callbacks poll, wait for or drain the queues that they are called from. All
 * must end as if they had not.
 */
#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void poll_all(struct world *world)
{
	check(mpio_queue_poll(world->queues[0]) >= 0);
}

static void wait_for_one(struct world *world)
{
	check(mpio_queue_wait(world->queues[0]) >= 0);
}

/* The last queue of the group, so that others are drained from there. */
static void drain_all(struct world *world)
{
	struct mpio_queue *last = world->queues[world->device_count - 1];

	check(mpio_queue_drain(last) == 0);
}

static void plug_and_unplug(struct world *world)
{
	for (uint32_t i = 0; i < world->device_count; i++) {
		mpio_queue_plug(world->queues[i]);
		mpio_queue_unplug(world->queues[i]);
	}
}

/* Once more with a meddler, and then all that is left. */
static void try_meddler(struct trial *trial, void (*meddle)(struct world *))
{
	struct world *world = trial->world;

	world_reset(world, NULL, 0);
	world->meddle = meddle;
	check(world_open(world) == 0);
	world_run(world);
	world_drain(world);
	check(world_errors(world) == 0);
	world_check(world);
	world_check_pools(world);
	trial_repeat(trial);
	world_close(world);
	world->meddle = NULL;
}

static void try_everywhere(const char *what, void (*meddle)(struct world *))
{
	const struct scenario *scenario;
	unsigned int runs = 0;

	for (size_t i = 0; (scenario = scenario_get(i)) != NULL; i++) {
		for (int mode = 0; mode < MOCK_MODES; mode++) {
			struct trial trial;

			if (!suits(scenario, (enum mock_mode)mode))
				continue;
			trial_open(&trial, scenario, (enum mock_mode)mode);
			now_trying("%s, device %d, %s", scenario->name, mode,
				   what);
			try_meddler(&trial, meddle);
			trial_close(&trial);
			runs++;
		}
	}
	print_message("%s: %u runs\n", what, runs);
}

/* Under faults all of that may fail. */
static void drain_in_vain(struct world *world)
{
	(void)mpio_queue_poll(world->queues[0]);
	(void)mpio_queue_drain(world->queues[0]);
}

static void callbacks_may_drain_when_all_fails(void **state)
{
	static const struct fault faults[] = {
		{"get_block: EIO", SITE_GET_BLOCK, ACTION_STATUS, -MPIO_EIO, 0,
		 false, OUTCOME_REREAD},
		{"submit: EAGAIN ever after", SITE_SUBMIT, ACTION_STATUS,
		 -MPIO_EAGAIN, 0, true, OUTCOME_VISIBLE},
		{"end: EIO", SITE_IO, ACTION_STATUS, -MPIO_EIO, 0, false,
		 OUTCOME_FREE},
		{"end: 1024 bytes moved ever after", SITE_IO, ACTION_PARTIAL, 0,
		 1024, true, OUTCOME_FREE},
		{"reap: EIO", SITE_REAP, ACTION_STATUS, -MPIO_EIO, 0, false,
		 OUTCOME_FREE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const struct sweep draining = {
			.fault = &faults[i],
			.meddle = drain_in_vain,
		};
		struct totals totals = sweep(&draining);

		print_message("callbacks drain, %s: %u runs, %u faults\n",
			      faults[i].name, (unsigned int)totals.runs,
			      (unsigned int)totals.fired);
		assert_true(totals.fired > 0);
	}
}

static void nobody_meddles(void **state)
{
	(void)state;
	try_everywhere("nobody meddles", NULL);
}

static void callbacks_may_poll(void **state)
{
	(void)state;
	try_everywhere("callbacks poll", poll_all);
}

static void callbacks_may_wait(void **state)
{
	(void)state;
	try_everywhere("callbacks wait", wait_for_one);
}

static void callbacks_may_drain(void **state)
{
	(void)state;
	try_everywhere("callbacks drain", drain_all);
}

static void callbacks_may_plug(void **state)
{
	(void)state;
	try_everywhere("callbacks plug and unplug", plug_and_unplug);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_meddles),
		cmocka_unit_test(callbacks_may_poll),
		cmocka_unit_test(callbacks_may_wait),
		cmocka_unit_test(callbacks_may_drain),
		cmocka_unit_test(callbacks_may_plug),
		cmocka_unit_test(callbacks_may_drain_when_all_fails),
	};

	mock_seed();
	watchdog(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

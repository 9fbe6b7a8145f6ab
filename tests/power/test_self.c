/* SPDX-License-Identifier: MIT */
/*
 * A checker that never failed proves nothing: scenarios that promise what they
 * should not, and disks that lie, are noticed, each; without the lie they are
 * not. What is reported is found again.
 */
#include "model_disk.h"
#include "sweep.h"

/* Of those that must not be noticed so many I/Os are left out. */
#define STRIDE 9u

static uint64_t seed;

static const struct scenario liars[] = {
	/* A flush is left out. */
	{.name = "core: no flush",
	 .run = run_core,
	 .does = DO_SYNC,
	 .lie = LIE_NO_FLUSH},
	{.name = "core: no flush after some walks",
	 .run = run_core,
	 .does = DO_FLUSH | DO_PAGE,
	 .lie = LIE_NO_FLUSH},
	{.name = "cache: no flush",
	 .run = run_cache,
	 .does = DO_SYNC,
	 .lie = LIE_NO_FLUSH},
	{.name = "file: no flush",
	 .run = run_file,
	 .does = DO_SYNC,
	 .lie = LIE_NO_FLUSH},
	/* A range is called all of it. */
	{.name = "core: all",
	 .run = run_core,
	 .does = DO_RANGE,
	 .lie = LIE_ALL},
	{.name = "cache: all",
	 .run = run_cache,
	 .does = DO_RANGE,
	 .lie = LIE_ALL},
	{.name = "file: all",
	 .run = run_file,
	 .does = DO_RANGE,
	 .lie = LIE_ALL},
	/* I/Os are not what they are called. */
	{.name = "raw: no FUA",
	 .run = run_raw,
	 .does = DO_FUA,
	 .lie = LIE_FLAGS},
	{.name = "raw: no PREFLUSH",
	 .run = run_raw,
	 .does = DO_PREFLUSH,
	 .lie = LIE_FLAGS,
	 .sync_every = 30},
	{.name = "core: stray",
	 .run = run_core,
	 .does = DO_SYNC,
	 .lie = LIE_STRAY},
	/* Errors are overheard. */
	{.name = "core: told",
	 .run = run_core,
	 .does = DO_SYNC,
	 .lie = LIE_TOLD,
	 .rules = "write:every=10:errno=EIO:sticky"},
	{.name = "cache: told",
	 .run = run_cache,
	 .does = DO_SYNC,
	 .lie = LIE_TOLD,
	 .rules = "flush:every=3:errno=EIO"},
	{.name = "file: told",
	 .run = run_file,
	 .does = DO_SYNC,
	 .lie = LIE_TOLD,
	 .rules = "write:nth=10:errno=EIO:sticky"},
	/* A flush is believed after one that failed. */
	{.name = "core: again",
	 .run = run_core,
	 .does = DO_SYNC,
	 .lie = LIE_AGAIN,
	 .rules = "flush:every=3:errno=EIO:lose"},
	{.name = "cache: again",
	 .run = run_cache,
	 .does = DO_SYNC,
	 .lie = LIE_AGAIN,
	 .rules = "flush:every=3:errno=EIO:lose"},
	{.name = "file: again",
	 .run = run_file,
	 .does = DO_SYNC,
	 .lie = LIE_AGAIN,
	 .rules = "flush:every=3:errno=EIO:lose"},
};

/* A disk that says that all is well. */
static const char *const lies[] = {
	"flush:drop",
	"flush:every=4:drop",
	"write:every=5:drop",
	"write:every=5:misdirect=8192",
	"write:every=5:flip=1234",
	"write:every=5:torn=0",
	"flush:every=4:lose",
};

static const struct scenario deceived[] = {
	{.name = "core: disk", .run = run_core, .does = DO_SYNC},
	{.name = "raw: disk", .run = run_raw, .does = DO_SYNC},
	{.name = "cache: disk", .run = run_cache, .does = DO_SYNC},
	{.name = "file: disk", .run = run_file, .does = DO_SYNC},
	{.name = "linear: disk",
	 .run = run_file,
	 .does = DO_SYNC,
	 .stack = STACK_LINEAR},
	{.name = "fault: disk",
	 .run = run_core,
	 .does = DO_SYNC,
	 .stack = STACK_FAULT},
};

/* ---- What is noticed ---------------------------------------------------- */

static void assert_noticed(const struct scenario *scenario)
{
	struct sweep found = {
		.seed = seed, .limit = 100, .stride = 1, .stop = true};
	struct sweep again = {.seed = seed};

	sweep(&found, scenario);
	if (found.wrong == 0)
		fail_msg("%s, %s: not noticed", scenario->name,
			 scenario->rules != NULL ? scenario->rules : "");
	look_again(&again, scenario, found.cut, found.state);
	assert_int_not_equal(again.wrong, 0);
	assert_string_equal(again.report, found.report);
}

static void assert_sound(struct scenario scenario)
{
	struct sweep found = {.seed = seed, .limit = 50, .stride = STRIDE};

	scenario.lie = LIE_NONE;
	sweep(&found, &scenario);
	if (found.wrong != 0)
		fail_msg("%s: %s", scenario.name, found.report);
}

static void each_lie_is_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(liars); i++)
		assert_noticed(&liars[i]);
}

static void without_the_lie_nothing_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(liars); i++)
		assert_sound(liars[i]);
}

static void each_disk_that_lies_is_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(deceived); i++) {
		assert_sound(deceived[i]);
		for (size_t j = 0; j < COUNT_OF(lies); j++) {
			struct scenario scenario = deceived[i];

			/* Which the filter cannot. */
			if (scenario.stack == STACK_FAULT &&
			    strstr(lies[j], "lose") != NULL)
				continue;
			scenario.rules = lies[j];
			assert_noticed(&scenario);
		}
	}
}

/* By its arguments, as a report gives them; and nonsense is refused. */
static void one_state_can_be_had_alone(void **state)
{
	char *good[] = {"power.cuts", "core-sync", "1",     "0", "submit",
			"20",         "0",         "drawn", "1"};
	char *bad[] = {"power.cuts", "core-sync", "1",    "0", "submit",
		       "20",         "0",         "torn", "1"};

	(void)state;
	assert_int_equal(replay(9, good), 0);
	assert_int_equal(replay(9, bad), 2);
	assert_int_equal(replay(3, good), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_lie_is_noticed),
		cmocka_unit_test(without_the_lie_nothing_is),
		cmocka_unit_test(each_disk_that_lies_is_noticed),
		cmocka_unit_test(one_state_can_be_had_alone),
	};

	seed = model_seed(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

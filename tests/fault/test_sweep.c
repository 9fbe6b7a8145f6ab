/* SPDX-License-Identifier: MIT */
/*
 * Every fault at every event of every scenario.
 *
 *     fault.sweep [FAULT [SCENARIO]]
 *
 * tries only what begins with these names, to see one failure again.
 */
#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct fault faults[] = {
	{"no memory", SITE_ALLOC, ACTION_STATUS, -MPIO_ENOMEM, 0, false,
	 OUTCOME_FREE},
	{"no channel", SITE_CHANNEL, ACTION_STATUS, -MPIO_EMFILE, 0, false,
	 OUTCOME_FREE},

	{"get_block: EIO", SITE_GET_BLOCK, ACTION_STATUS, -MPIO_EIO, 0, false,
	 OUTCOME_REREAD},
	{"get_block: ENOSPC", SITE_GET_BLOCK, ACTION_STATUS, -MPIO_ENOSPC, 0,
	 false, OUTCOME_REREAD},
	{"get_block: a positive value", SITE_GET_BLOCK, ACTION_STATUS, 7, 0,
	 false, OUTCOME_REREAD},
	{"get_block: EIO ever after", SITE_GET_BLOCK, ACTION_STATUS, -MPIO_EIO,
	 0, true, OUTCOME_REREAD},

	{"submit: EAGAIN", SITE_SUBMIT, ACTION_STATUS, -MPIO_EAGAIN, 0, false,
	 OUTCOME_CURED},
	{"submit: EAGAIN ever after", SITE_SUBMIT, ACTION_STATUS, -MPIO_EAGAIN,
	 0, true, OUTCOME_VISIBLE},
	{"submit: EINTR", SITE_SUBMIT, ACTION_STATUS, -MPIO_EINTR, 0, false,
	 OUTCOME_CURED},
	{"submit: EIO", SITE_SUBMIT, ACTION_STATUS, -MPIO_EIO, 0, false,
	 OUTCOME_FREE},
	{"submit: EIO ever after", SITE_SUBMIT, ACTION_STATUS, -MPIO_EIO, 0,
	 true, OUTCOME_VISIBLE},
	{"submit: ENOMEM", SITE_SUBMIT, ACTION_STATUS, -MPIO_ENOMEM, 0, false,
	 OUTCOME_REREAD},

	{"end: EIO", SITE_IO, ACTION_STATUS, -MPIO_EIO, 0, false, OUTCOME_FREE},
	{"end: EIO ever after", SITE_IO, ACTION_STATUS, -MPIO_EIO, 0, true,
	 OUTCOME_VISIBLE},
	{"end: ENOSPC", SITE_IO, ACTION_STATUS, -MPIO_ENOSPC, 0, false,
	 OUTCOME_REREAD},
	{"end: EAGAIN", SITE_IO, ACTION_STATUS, -MPIO_EAGAIN, 0, false,
	 OUTCOME_CURED},
	{"end: EAGAIN ever after", SITE_IO, ACTION_STATUS, -MPIO_EAGAIN, 0,
	 true, OUTCOME_VISIBLE},
	{"end: a positive value", SITE_IO, ACTION_STATUS, 7, 0, false,
	 OUTCOME_FREE},
	{"end: nothing moved", SITE_IO, ACTION_PARTIAL, 0, 0, false,
	 OUTCOME_FREE},
	{"end: nothing moved ever after", SITE_IO, ACTION_PARTIAL, 0, 0, true,
	 OUTCOME_VISIBLE},
	{"end: 1 byte moved", SITE_IO, ACTION_PARTIAL, 0, 1, false,
	 OUTCOME_CURED},
	{"end: 512 bytes moved", SITE_IO, ACTION_PARTIAL, 0, 512, false,
	 OUTCOME_CURED},
	{"end: 512 bytes moved ever after", SITE_IO, ACTION_PARTIAL, 0, 512,
	 true, OUTCOME_FREE},
	{"end: 1024 bytes moved ever after", SITE_IO, ACTION_PARTIAL, 0, 1024,
	 true, OUTCOME_FREE},
	{"end: all moved but one byte", SITE_IO, ACTION_ALL_BUT_ONE, 0, 0,
	 false, OUTCOME_CURED},
	{"end: twice", SITE_IO, ACTION_END_TWICE, 0, 0, false, OUTCOME_CURED},
	{"end: twice ever after", SITE_IO, ACTION_END_TWICE, 0, 0, true,
	 OUTCOME_CURED},

	{"flush: EIO", SITE_FLUSH, ACTION_STATUS, -MPIO_EIO, 0, false,
	 OUTCOME_VISIBLE},
	{"flush: EIO ever after", SITE_FLUSH, ACTION_STATUS, -MPIO_EIO, 0, true,
	 OUTCOME_VISIBLE},
	{"discard: EIO", SITE_DISCARD, ACTION_STATUS, -MPIO_EIO, 0, false,
	 OUTCOME_VISIBLE},
	{"reap: EINTR", SITE_REAP, ACTION_STATUS, -MPIO_EINTR, 0, false,
	 OUTCOME_CURED},
	{"reap: EIO", SITE_REAP, ACTION_STATUS, -MPIO_EIO, 0, false,
	 OUTCOME_FREE},

	{"verify: EILSEQ", SITE_VERIFY, ACTION_STATUS, -MPIO_EILSEQ, 0, false,
	 OUTCOME_REREAD},
	{"verify: EILSEQ ever after", SITE_VERIFY, ACTION_STATUS, -MPIO_EILSEQ,
	 0, true, OUTCOME_VISIBLE},
	{"seal: ENOMEM", SITE_SEAL, ACTION_STATUS, -MPIO_ENOMEM, 0, false,
	 OUTCOME_VISIBLE},
	{"written: ENOSPC", SITE_WRITTEN, ACTION_STATUS, -MPIO_ENOSPC, 0, false,
	 OUTCOME_VISIBLE},
	{"written: ENOSPC ever after", SITE_WRITTEN, ACTION_STATUS,
	 -MPIO_ENOSPC, 0, true, OUTCOME_VISIBLE},
};

#define FAULTS (sizeof(faults) / sizeof(*faults))

/* A device may also give wrong bytes; only who verifies can know. */
static const struct fault rot[] = {
	{"read: wrong bytes", SITE_READ, ACTION_ROT, 0, 0, false,
	 OUTCOME_REREAD},
	{"read: wrong bytes ever after", SITE_READ, ACTION_ROT, 0, 0, true,
	 OUTCOME_VISIBLE},
};

/* Nothing ends any more, so nobody may wait for a bio of their own. */
static const struct fault no_reap = {"reap: EIO ever after",
				     SITE_REAP,
				     ACTION_STATUS,
				     -MPIO_EIO,
				     0,
				     true,
				     OUTCOME_FREE};

#define ROT (sizeof(rot) / sizeof(*rot))

static const char *only_fault = "";
static const char *only_scenario = "";

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_wanted(const struct scenario *scenario)
{
	return begins_with(scenario->name, only_scenario);
}

static bool verifies(const struct scenario *scenario)
{
	return is_wanted(scenario) && (scenario->hooks & HOOK_VERIFY);
}

static bool waits_for_none(const struct scenario *scenario)
{
	return is_wanted(scenario) &&
	       !(scenario->hooks & (HOOK_METADATA | HOOK_BOUNDARY));
}

static struct totals all;

static int print_all(void **state)
{
	(void)state;
	print_message("%-32s            %5u runs, %7u faults, %5u told\n",
		      "all of them", (unsigned int)all.runs,
		      (unsigned int)all.fired, (unsigned int)all.told);
	return 0;
}

static void try_fault(const struct fault *fault,
		      bool (*want)(const struct scenario *scenario))
{
	const struct sweep one = {.fault = fault, .want = want};
	struct totals totals;

	if (!begins_with(fault->name, only_fault))
		return;
	totals = sweep(&one);
	print_message("%-32s %3u worlds, %5u runs, %7u faults, %5u told\n",
		      fault->name, (unsigned int)totals.worlds,
		      (unsigned int)totals.runs, (unsigned int)totals.fired,
		      (unsigned int)totals.told);
	all.runs += totals.runs;
	all.fired += totals.fired;
	all.told += totals.told;
	assert_true(totals.fired > 0 || *only_scenario != '\0');
}

static void whatever_fails_each_page_ends_once_and_tells(void **state)
{
	try_fault(*state, is_wanted);
}

static void wrong_bytes_are_never_uptodate(void **state)
{
	try_fault(*state, verifies);
}

static void waiting_in_vain_ends(void **state)
{
	try_fault(*state, waits_for_none);
}

static struct CMUnitTest test_of(const struct fault *fault,
				 CMUnitTestFunction function)
{
	return (struct CMUnitTest){
		.name = fault->name,
		.test_func = function,
		.initial_state = (void *)fault,
	};
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[FAULTS + ROT + 1];
	size_t n = 0;

	if (argc > 1)
		only_fault = argv[1];
	if (argc > 2)
		only_scenario = argv[2];
	for (size_t i = 0; i < FAULTS; i++)
		tests[n++] =
			test_of(&faults[i],
				whatever_fails_each_page_ends_once_and_tells);
	for (size_t i = 0; i < ROT; i++)
		tests[n++] = test_of(&rot[i], wrong_bytes_are_never_uptodate);
	tests[n++] = test_of(&no_reap, waiting_in_vain_ends);
	mock_seed();
	watchdog(60);
	return cmocka_run_group_tests(tests, NULL, print_all);
}

/* SPDX-License-Identifier: MIT */
/*
 * Each scenario, on each ground, with each mishap at the first event of its
 * kind, at the second, and so on until none is left to strike. A run goes
 *
 *     reset, open, steps, settle   with the mishap
 *     check                        what must hold after any fault
 *     tell                         each handle, once; then all is written
 *     steps, sync                  without it
 *     compare                      with the run that never failed
 *
 *     fault.upper [GROUND [SCENARIO [MISHAP [N]]]]
 *
 * tries only what begins with these names, to see one failure again: the line
 * that a failure prints. With STRIDE more than 1 not every event is struck.
 */
#include "upper.h"

#include "../inject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVER " ever after"
/* A mishap, once and sticky. */
#define BOTH(name, site, status, moved, once, sticky)                          \
	{name, site, status, moved, false, once},                              \
	{                                                                      \
		name EVER, site, status, moved, true, sticky                   \
	}
#define ERRORS(name, site, once, sticky, passing)                              \
	BOTH(name ": EIO", site, -MPIO_EIO, MOVED_ALL, once, sticky),          \
		BOTH(name ": ENOSPC", site, -MPIO_ENOSPC, MOVED_ALL, sticky,   \
		     sticky),                                                  \
		BOTH(name ": EINTR", site, -MPIO_EINTR, MOVED_ALL, passing,    \
		     sticky),                                                  \
		BOTH(name ": EAGAIN", site, -MPIO_EAGAIN, MOVED_ALL, passing,  \
		     sticky)
#define SHORT(name, site, worst)                                               \
	BOTH(name ": 0 bytes", site, 0, MOVED_NONE, FREE, worst),              \
		BOTH(name ": 1 byte", site, 0, 1, CURED, worst),               \
		BOTH(name ": 1 sector", site, 0, BLOCK, CURED, CURED),         \
		BOTH(name ": all but a byte", site, 0, MOVED_ALL_BUT_ONE,      \
		     CURED, worst)

/*
 * A medium error that strikes once is cured by isolation, where there is any;
 * what is read ahead tells nobody, and is read again when it is wanted. A
 * flush is never repeated.
 */
static const struct mishap mishaps[] = {
	BOTH("no memory", ON_ALLOC, -MPIO_ENOMEM, MOVED_ALL, FREE, FREE),
	BOTH("get_block: EIO", ON_GET_BLOCK, -MPIO_EIO, MOVED_ALL, FREE, FREE),
	BOTH("get_block: ENOSPC", ON_GET_BLOCK, -MPIO_ENOSPC, MOVED_ALL, FREE,
	     FREE),
	ERRORS("read", ON_READ, FREE, FREE, CURED),
	SHORT("read", ON_READ, FREE),
	ERRORS("write", ON_WRITE, FREE, TOLD, CURED),
	SHORT("write", ON_WRITE, TOLD),
	ERRORS("flush", ON_FLUSH, TOLD, TOLD, TOLD),
	{"reap: EIO", ON_REAP, -MPIO_EIO, MOVED_ALL, false, FREE},
};

#define MISHAPS (sizeof(mishaps) / sizeof(*mishaps))

static const char *only[4] = {"", "", "", ""};

static const char *program;

struct totals {
	uint64_t runs;
	uint64_t fired;
	uint64_t told; /* runs in which somebody was told */
};

static struct totals by_mishap[MISHAPS];
static uint32_t scenario_count;

/* A scenario that was run without any fault. */
struct trial {
	struct stack *stack;
	uint64_t told; /* for want of room */
	bool is_natural;
	/* In the end. */
	unsigned char image[DISK_BYTES];
	unsigned char models[FILES][FILE_BYTES];
	uint64_t sizes[FILES];
};

/* ---- One run ------------------------------------------------------------ */

/* The same once more, without the mishap; all is on the device. */
static void repeat(struct stack *stack)
{
	stack_forgive(stack);
	steps_tell(stack);
	stack_check_clean(stack);
	steps_do(stack);
	stack_settle(stack);
	stack_forgive(stack);
	steps_tell(stack);
	stack_check_clean(stack);
}

/* Blocks that are the files'; in what is free there may be anything. */
static void compare(const struct trial *trial)
{
	struct stack *stack = trial->stack;
	const unsigned char *image = stack->ground->image();

	for (uint32_t i = 0; i < FILES; i++) {
		const struct file *file = &stack->files[i];

		check(file->size == trial->sizes[i]);
		check(memcmp(file->model, trial->models[i],
			     (size_t)file->size) == 0);
		for (uint32_t block = 0; block < file->blocks; block++) {
			size_t at = place_of(stack, file, block) * BLOCK;

			if (file->mapped[block])
				check(memcmp(image + at, trial->image + at,
					     BLOCK) == 0);
		}
	}
}

static void check_outcome(const struct trial *trial,
			  const struct mishap *mishap)
{
	const struct stack *stack = trial->stack;
	enum consequence outcome = stack->ground->outcome != NULL
					   ? stack->ground->outcome(mishap)
					   : mishap->outcome;
	uint64_t failures = stack->files[0].failures + stack->files[1].failures;

	if (outcome == TOLD)
		check(failures != 0);
	if (outcome == CURED && !trial->is_natural)
		check(stack->told == 0 && failures == 0);
}

/* Whether the mishap struck. */
static bool try_one(struct trial *trial, const struct mishap *mishap,
		    uint64_t n, struct totals *totals)
{
	struct stack *stack = trial->stack;
	uint64_t fired;
	int error;

	now_trying("%s '%s' '%s' '%s' %u", program, stack->ground->name,
		   stack->scenario->name, mishap->name, (unsigned int)n);
	stack_reset(stack, mishap, n);
	error = stack_open(stack);
	if (error == 0) {
		steps_do(stack);
		stack_settle(stack);
		stack_check(stack);
	} else {
		check(error == -MPIO_ENOMEM && mishap->site == ON_ALLOC);
		stack->told++;
	}
	fired = stack_fired(stack);
	if (fired != 0 && error == 0)
		check_outcome(trial, mishap);
	totals->runs++;
	totals->fired += fired;
	totals->told += stack->told > trial->told;
	if (error != 0) {
		stack_reset(stack, NULL, 0);
		check(stack_open(stack) == 0);
		steps_do(stack);
		stack_settle(stack);
	}
	repeat(stack);
	compare(trial);
	stack_close(stack);
	check(stack->ground->stays || stack->blocks == 0);
	return fired != 0;
}

/* ---- All of them -------------------------------------------------------- */

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool can(const struct ground *ground, const struct mishap *mishap)
{
	/* Of what no device has to do with, those in memory are enough. */
	if (mishap->site == ON_ALLOC || mishap->site == ON_GET_BLOCK)
		return !ground->stays;
	return ground->can(mishap);
}

static void trial_run(struct trial *trial)
{
	struct stack *stack = trial->stack;

	now_trying("%s '%s' '%s', without a mishap", program,
		   stack->ground->name, stack->scenario->name);
	stack_reset(stack, NULL, 0);
	check(stack_open(stack) == 0);
	steps_do(stack);
	stack_settle(stack);
	stack_check(stack);
	trial->told = stack->told;
	trial->is_natural = stack->natural != 0;
	check(trial->told == 0 || trial->is_natural);
	repeat(stack);
	memcpy(trial->image, stack->ground->image(), DISK_BYTES);
	for (uint32_t i = 0; i < FILES; i++) {
		trial->sizes[i] = stack->files[i].size;
		memcpy(trial->models[i], stack->files[i].model, FILE_BYTES);
	}
	stack_close(stack);
	check(stack->ground->stays || stack->blocks == 0);
}

static void sweep(struct trial *trial, const struct ground *ground)
{
	uint64_t first = *only[3] != '\0' ? strtoull(only[3], NULL, 10) : 1;

	trial_run(trial);
	for (size_t i = 0; i < MISHAPS; i++) {
		const struct mishap *mishap = &mishaps[i];
		uint64_t n = first;

		if (!can(ground, mishap) || !begins_with(mishap->name, only[2]))
			continue;
		while (try_one(trial, mishap, n, &by_mishap[i]) &&
		       *only[3] == '\0')
			n += STRIDE;
	}
}

static void whatever_fails_is_told_and_nothing_is_lost(void **state)
{
	const struct scenario *scenario = *state;
	static struct stack stack;
	static struct trial trial;

	for (size_t i = 0; grounds[i] != NULL; i++) {
		if (!begins_with(grounds[i]->name, only[0]))
			continue;
		watchdog(60);
		stack_init(&stack, scenario, grounds[i]);
		trial = (struct trial){.stack = &stack};
		sweep(&trial, grounds[i]);
		stack_free(&stack);
	}
}

static int print_all(void **state)
{
	struct totals all = {0};

	(void)state;
	for (size_t i = 0; i < MISHAPS; i++) {
		const struct totals *one = &by_mishap[i];

		if (one->runs == 0)
			continue;
		print_message("%-32s %6u runs, %8u faults, %6u told\n",
			      mishaps[i].name, (unsigned int)one->runs,
			      (unsigned int)one->fired,
			      (unsigned int)one->told);
		all.runs += one->runs;
		all.fired += one->fired;
		all.told += one->told;
	}
	print_message("%u scenarios, %u runs, %u faults, %u told\n",
		      (unsigned int)scenario_count, (unsigned int)all.runs,
		      (unsigned int)all.fired, (unsigned int)all.told);
	return 0;
}

static void add_tests(struct CMUnitTest *tests,
		      const struct scenario *scenarios)
{
	for (; scenarios->name != NULL; scenarios++) {
		if (begins_with(scenarios->name, only[1]))
			tests[scenario_count++] = (struct CMUnitTest){
				.name = scenarios->name,
				.test_func =
					whatever_fails_is_told_and_nothing_is_lost,
				.initial_state = (void *)(uintptr_t)scenarios,
			};
	}
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[100];

	program = argv[0];
	for (int i = 1; i < argc && i <= 4; i++)
		only[i - 1] = argv[i];
	add_tests(tests, scenarios_file);
	add_tests(tests, scenarios_cache);
	add_tests(tests, scenarios_stream);
	return _cmocka_run_group_tests("sweeps", tests, scenario_count, NULL,
				       print_all);
}

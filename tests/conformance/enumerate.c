/* SPDX-License-Identifier: MIT */
/*
 * test_enumerate: every small mapping, exactly.
 *
 * Enumerates files of up to six blocks in up to three pages, mapped onto eight
 * device blocks, with holes, boundaries and limits; plays each trial on the
 * library and compares bytes and states with a naive model, and the number of
 * I/Os with the least there can be (enumerate.h says where).
 *
 * Trials come in families: products of axes. Two families take every map of
 * the blocks onto the device, with every set of boundaries and all limits that
 * can differ. The others take words: each letter places a block relative to
 * the one before (adjacent, elsewhere, hole, ...). That loses nothing that the
 * library can tell apart, since of two places it only asks whether one follows
 * the other, and leaves room for page shapes, file sizes, ways to answer and
 * failures. Words are split among --shard I/N.
 */
#include "enumerate.h"
#include "enumerate_families.h"
#include "enumerate_gap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/** What is being counted, and which part of it. */
struct run {
	const struct family *family;
	unsigned shard;
	unsigned shards;
	bool quick;
	uint64_t passed;
	uint64_t failed;
};

enum { FAILURES_SHOWN = 5 };

static void play(struct run *run, const struct trial *t)
{
	const char *wrong = check_trial(t, false);

	if (wrong == NULL) {
		run->passed++;
		return;
	}
	if (run->failed++ < FAILURES_SHOWN) {
		printf("%s: %s\n    test_enumerate --case ", run->family->name,
		       wrong);
		trial_print(t);
	}
}

/** Go through all values of an axis, and inside each through the next axis. */
static void walk(struct run *run, struct trial *t, unsigned axis)
{
	if (axis == axis_count) {
		play(run, t);
		return;
	}
	for (unsigned i = 0;; i++) {
		enum axis_value value = axes[axis](run->family, t, i);

		if (value == AXIS_END)
			return;
		if (value == AXIS_SET)
			walk(run, t, axis + 1);
	}
}

/** Whether the blocks lie in one run: --quick never leaves this one out. */
static bool is_straight(const struct trial *t)
{
	for (unsigned b = 0; b < BLOCKS_MAX; b++)
		if (t->block[b].kind != KIND_MAPPED ||
		    t->block[b].device != t->block[0].device + b)
			return false;
	return true;
}

static void run_family(struct run *run)
{
	uint64_t stride = run->quick ? run->family->quick : 1;
	uint64_t words = family_words(run->family);
	uint64_t count = 0;

	for (uint64_t word = 0; word < words; word++) {
		struct trial t;

		if (!family_begin(run->family, word, &t))
			continue;
		if ((count % stride == 0 || is_straight(&t)) &&
		    count / stride % run->shards == run->shard)
			walk(run, &t, 0);
		count++;
	}
}

/** Grids that are no families, in the order in which they are run. */
static const struct {
	const char *name;
	const char *about;
	uint64_t (*run)(uint64_t stride, uint64_t first, uint64_t *failed);
	unsigned quick; /* --quick: each so-many-th state */
} grids[] = {
	{"plan", "the plan alone, over a grid of states", plan_enumerate, 97},
	{"gap-plan", "the plan alone, every short sequence of runs",
	 gap_plan_enumerate, 101},
	{"gaps", "reads across gaps, every layout of six blocks", gap_enumerate,
	 211},
};

enum { GRIDS = sizeof(grids) / sizeof(grids[0]) };

static void run_grid(struct run *run, unsigned grid)
{
	uint64_t stride = run->quick ? grids[grid].quick : 1;

	run->passed = grids[grid].run(stride * run->shards, stride * run->shard,
				      &run->failed);
}

static void print_count(const char *name, const struct run *run, double start)
{
	printf("%-14s %10llu cases, %.1f s", name,
	       (unsigned long long)(run->passed + run->failed),
	       (double)clock() / CLOCKS_PER_SEC - start);
	if (run->failed != 0)
		printf(", %llu FAILED", (unsigned long long)run->failed);
	printf("\n");
	fflush(stdout);
}

/** Run all families, or the one named. @return how many trials failed. */
static uint64_t run_all(const struct run *options, const char *only)
{
	uint64_t passed = 0;
	uint64_t failed = 0;

	for (unsigned i = 0; i < family_count + GRIDS; i++) {
		const char *name = i < family_count
					   ? families[i].name
					   : grids[i - family_count].name;
		struct run run = *options;
		double start = (double)clock() / CLOCKS_PER_SEC;

		if (only != NULL && strcmp(only, name) != 0)
			continue;
		run.family = &families[i];
		if (i < family_count)
			run_family(&run);
		else
			run_grid(&run, i - family_count);
		print_count(name, &run, start);
		passed += run.passed;
		failed += run.failed;
	}
	printf("%llu passed, %llu failed\n", (unsigned long long)passed,
	       (unsigned long long)failed);
	return passed + failed == 0 ? 1 : failed;
}

static int run_case(int argc, char **argv)
{
	struct trial t;
	const char *wrong;

	if (trial_parse(&t, argc, argv) != 0) {
		fprintf(stderr, "test_enumerate: bad --case\n");
		return 2;
	}
	trial_print(&t);
	wrong = check_trial(&t, true);
	stage_close();
	if (wrong != NULL)
		printf("%s\n", wrong);
	printf("%d passed, %d failed\n", wrong == NULL, wrong != NULL);
	return wrong != NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: test_enumerate [--quick] [--shard I/N] "
			"[--family NAME]\n"
			"       test_enumerate --list\n"
			"       test_enumerate --case KEY=VALUE...\n");
	return 2;
}

static int list(void)
{
	for (unsigned i = 0; i < family_count; i++)
		printf("%-14s %s\n", families[i].name, families[i].about);
	for (unsigned i = 0; i < GRIDS; i++)
		printf("%-14s %s\n", grids[i].name, grids[i].about);
	return 0;
}

int main(int argc, char **argv)
{
	struct run options = {.shards = 1};
	const char *only = NULL;
	uint64_t failed;

	model_init();
	memcpy(stage_disk, model_disk, sizeof(stage_disk));
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--case") == 0)
			return run_case(argc - i - 1, argv + i + 1);
		if (strcmp(argv[i], "--list") == 0)
			return list();
		if (strcmp(argv[i], "--quick") == 0) {
			options.quick = true;
		} else if (strcmp(argv[i], "--family") == 0 && i + 1 < argc) {
			only = argv[++i];
		} else if (strcmp(argv[i], "--shard") == 0 && i + 1 < argc) {
			if (sscanf(argv[++i], "%u/%u", &options.shard,
				   &options.shards) != 2 ||
			    options.shard < 1 || options.shard > options.shards)
				return usage();
			options.shard--;
		} else {
			return usage();
		}
	}
	failed = run_all(&options, only);
	stage_close();
	return failed != 0;
}

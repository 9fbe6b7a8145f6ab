/* SPDX-License-Identifier: MIT */
/*
 * mpio-vectors: holds libmpio to conformance vectors.
 *
 *     mpio-vectors [--print] FILE...    run them, and compare
 *     mpio-vectors --self-test FILE...  show that the comparison can fail
 *
 * A vector file has scenarios: pages, a block map and a call, and what a
 * reference implementation did with them. README.md beside this file tells the
 * format and the rules. With --print each scenario is printed back, with
 * libmpio's own part in place of the reference's; what is wrong is told on the
 * standard error. '-' is the standard input.
 *
 * The last line is 'N passed, M failed'. The status is 0 if M is, 1 if not,
 * and 2 if a file cannot be read or understood, or the words are wrong.
 */
#include "vectors.h"

#include <string.h>

struct options {
	bool print;
	bool selftest;
};

struct totals {
	unsigned long passed, failed;
};

static int usage(void)
{
	fprintf(stderr, "usage: mpio-vectors [--print | --self-test] FILE...\n"
			"       '-' is the standard input\n");
	return 2;
}

/** Run one scenario, and do with it what is asked for. */
static void play(const struct vectors_scenario *s,
		 const struct options *options, struct totals *totals)
{
	struct vectors_plan plan;
	struct vectors_result result;
	struct vectors_verdict verdict;

	vectors_plan_make(s, &plan);
	vectors_run(s, &plan, &result);
	vectors_check(s, &plan, &result, &verdict);
	if (options->print)
		vectors_print(stdout, s, &result);
	if (verdict.rules) {
		totals->failed++;
		fprintf(stderr, "%s:%u: %s: failed\n%s", s->file, s->line,
			s->name, verdict.text);
	} else {
		totals->passed++;
		if (options->selftest)
			vectors_selftest(s, &plan, &result);
	}
	vectors_result_free(&result);
	vectors_plan_free(&plan);
}

/** Go through a file; without options it is only looked at. */
static bool go_through(struct vectors_file *file, const struct options *options,
		       struct totals *totals)
{
	struct vectors_scenario s;
	int status;

	file->next = 0;
	file->line = 0;
	while ((status = vectors_parse(file, &s)) > 0) {
		if (options)
			play(&s, options, totals);
		vectors_scenario_free(&s);
	}
	if (status < 0)
		fprintf(stderr, "%s:%u: %s\n", file->name, file->line,
			file->message);
	return status == 0;
}

/** All of a file is understood before any of it is run. */
static bool run_file(const char *name, const struct options *options,
		     struct totals *totals)
{
	struct vectors_file file;
	bool ok = vectors_file_open(&file, name);

	if (!ok)
		fprintf(stderr, "%s: %s\n", file.name, file.message);
	ok = ok && go_through(&file, NULL, NULL) &&
	     go_through(&file, options, totals);
	vectors_file_close(&file);
	return ok;
}

int main(int argc, char **argv)
{
	struct options options = {false, false};
	struct totals totals = {0, 0};
	bool ok;
	int at = 1;

	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
		if (strcmp(argv[at], "--print") == 0)
			options.print = true;
		else if (strcmp(argv[at], "--self-test") == 0)
			options.selftest = true;
		else
			return usage();
	}
	if (at == argc || (options.print && options.selftest))
		return usage();
	for (; at < argc; at++) {
		if (!run_file(argv[at], &options, &totals))
			return 2;
	}
	ok = !options.selftest || vectors_selftest_report();
	printf("%lu passed, %lu failed\n", totals.passed, totals.failed);
	return totals.failed == 0 && ok ? 0 : 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench cache: what a page costs that is in the cache.
 *
 * `hits` and `lookups` ask a cache and a hash table for the same pages in the
 * same order, in turn, for some rounds in one process, so that what the
 * machine does meanwhile hits both; `walk` writes dirty pages back among many
 * clean ones. Printed are medians of the rounds. The first round counts for
 * nothing, unless it is the only one.
 */
#include "cache.h"

#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX ((size_t)1 << 24)
#define COUNT_MAX ((size_t)1 << 30)
#define ROUNDS_MAX 1000u

enum cache_what { WHAT_HITS, WHAT_LOOKUPS, WHAT_WALK, WHATS };

static const char *const whats[WHATS] = {"hits", "lookups", "walk"};
static const char *const sides[SIDES] = {"cache", "pinned", "table", "file"};

struct options {
	enum cache_what what;
	enum cache_memory memory;
	size_t pages;
	size_t count;
	size_t dirty;
	size_t rounds;
	int only; /* a side, or -1 */
	bool json;
};

static const char usage_text[] =
	"usage: mpio-bench cache hits|lookups|walk [OPTION...]\n"
	"\n"
	"  hits     pages that are cached are found, copied and put\n"
	"  lookups  the same without the copy\n"
	"  walk     dirty pages are written back among clean ones\n"
	"\n"
	"  -n, --pages N       cached; default 1000000, of hits 1024\n"
	"  -l, --count N       pages that are asked for in a round; default\n"
	"                      1000000\n"
	"  -d, --dirty N       pages of a walk; default 1000\n"
	"  -r, --rounds N      default 9\n"
	"  -m, --memory KIND   of descriptors and tables: 'huge' (default: of\n"
	"                      mpio_frames_alloc) or 'small' (pages)\n"
	"  -s, --side NAME     only 'cache', 'pinned', 'table' or 'file'\n"
	"  -j, --json          print JSON\n"
	"  -h, --help          print this\n";

/* ---- The command line --------------------------------------------------- */

/** The place of a name in a list, or -1 with a message. */
static int one_of(const char *what, const char *text, const char *const *names,
		  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	}
	fprintf(stderr, "mpio-bench: %s: what is '%s'?\n", what, text);
	return -1;
}

static bool parse_memory(const char *text, enum cache_memory *memory)
{
	static const char *const names[] = {"huge", "small"};
	int at = one_of("--memory", text, names, 2);

	if (at >= 0)
		*memory = (enum cache_memory)at;
	return at >= 0;
}

/** Take one option; returns enum bench_exit, or -1 to go on. */
static int parse_option(int option, struct options *options)
{
	bool ok = true;

	switch (option) {
	case 'n':
		ok = bench_number("--pages", optarg, PAGES_MAX,
				  &options->pages);
		break;
	case 'l':
		ok = bench_number("--count", optarg, COUNT_MAX,
				  &options->count);
		break;
	case 'd':
		ok = bench_number("--dirty", optarg, PAGES_MAX,
				  &options->dirty);
		break;
	case 'r':
		ok = bench_number("--rounds", optarg, ROUNDS_MAX,
				  &options->rounds);
		break;
	case 'm':
		ok = parse_memory(optarg, &options->memory);
		break;
	case 's':
		options->only = one_of("--side", optarg, sides, SIDES);
		ok = options->only >= 0;
		break;
	case 'j':
		options->json = true;
		break;
	case 'h':
		fputs(usage_text, stdout);
		return BENCH_OK;
	default:
		ok = false;
		break;
	}
	return ok ? -1 : BENCH_USAGE;
}

/** What comes without a dash, and what does not fit together. */
static int parse_rest(int argc, char **argv, struct options *options)
{
	int what = -1;

	if (optind + 1 == argc)
		what = one_of("cache", argv[optind], whats, WHATS);
	else
		fputs(usage_text, stderr);
	if (what < 0)
		return BENCH_USAGE;
	options->what = (enum cache_what)what;
	if (options->pages == 0)
		options->pages = what == WHAT_HITS ? 1024 : 1000000;
	if (what == WHAT_WALK && options->dirty > options->pages) {
		fprintf(stderr, "mpio-bench: more dirty pages than pages\n");
		return BENCH_USAGE;
	}
	return -1;
}

/** Read the command line; returns enum bench_exit, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{"pages", required_argument, NULL, 'n'},
		{"count", required_argument, NULL, 'l'},
		{"dirty", required_argument, NULL, 'd'},
		{"rounds", required_argument, NULL, 'r'},
		{"memory", required_argument, NULL, 'm'},
		{"side", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, code;

	while ((option = getopt_long(argc, argv, "n:l:d:r:m:s:jh", known,
				     NULL)) != -1) {
		code = parse_option(option, options);
		if (code != -1)
			return code;
	}
	return parse_rest(argc, argv, options);
}

/* ---- Rounds ------------------------------------------------------------- */

struct times {
	uint64_t of[SIDES][ROUNDS_MAX];
};

static uint64_t run_side(struct cache_bench *bench,
			 const struct options *options, enum cache_side side,
			 size_t round)
{
	/* All sides are asked for the same pages, each round for others. */
	uint64_t seed = (round + 1) * UINT64_C(0x9e3779b97f4a7c15);

	switch (options->what) {
	case WHAT_HITS:
		return cache_copy(bench, side, options->count, seed);
	case WHAT_LOOKUPS:
		return cache_look_up(bench, side, options->count, seed);
	default:
		return cache_walk(bench, options->dirty);
	}
}

static bool wanted(const struct options *options, size_t side)
{
	if (options->what == WHAT_WALK)
		return side == SIDE_CACHE;
	if (options->what == WHAT_LOOKUPS && side == SIDE_FILE)
		return false;
	return options->only < 0 || options->only == (int)side;
}

/** All sides in turn, who begins changing, round by round. */
static bool run_rounds(struct cache_bench *bench, const struct options *options,
		       struct times *times)
{
	for (size_t round = 0; round < options->rounds; round++) {
		for (size_t i = 0; i < SIDES; i++) {
			size_t side = (round + i) % SIDES;
			uint64_t *time = &times->of[side][round];

			if (!wanted(options, side))
				continue;
			*time = run_side(bench, options, (enum cache_side)side,
					 round);
			if (*time == 0) {
				fprintf(stderr, "mpio-bench: pages are "
						"missing, or not written\n");
				return false;
			}
		}
	}
	return true;
}

static int compare(const void *one, const void *other)
{
	const double *a = one;
	const double *b = other;

	return (*a > *b) - (*a < *b);
}

static double middle(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/** Nanoseconds a page. */
static double median(const struct options *options, const struct times *times,
		     size_t side)
{
	size_t count =
		options->what == WHAT_WALK ? options->dirty : options->count;
	size_t first = options->rounds > 1 ? 1 : 0;
	double values[ROUNDS_MAX];

	for (size_t i = first; i < options->rounds; i++)
		values[i - first] = (double)times->of[side][i] / (double)count;
	return middle(values, options->rounds - first);
}

/** Times of the cache, in those of another side, round by round. */
static double ratio(const struct options *options, const struct times *times,
		    size_t side)
{
	size_t first = options->rounds > 1 ? 1 : 0;
	double values[ROUNDS_MAX];

	for (size_t i = first; i < options->rounds; i++)
		values[i - first] = (double)times->of[SIDE_CACHE][i] /
				    (double)times->of[side][i];
	return middle(values, options->rounds - first);
}

static void print(const struct options *options, const struct times *times)
{
	const char *comma = "";

	printf(options->json ? "{" : "%zu pages, ns a page: ", options->pages);
	for (size_t side = 0; side < SIDES; side++) {
		if (!wanted(options, side))
			continue;
		printf(options->json ? "%s\"%s\": %.2f" : "%s%s %.1f", comma,
		       sides[side], median(options, times, side));
		comma = ", ";
	}
	for (size_t side = SIDE_CACHE + 1; side < SIDES; side++) {
		if (!wanted(options, side) || !wanted(options, SIDE_CACHE))
			continue;
		printf(options->json ? "%s\"per_%s\": %.3f" : "%scache/%s %.2f",
		       comma, sides[side], ratio(options, times, side));
	}
	printf(options->json ? "}\n" : "\n");
}

int bench_cache(int argc, char **argv)
{
	struct options options = {
		.count = 1000000, .dirty = 1000, .rounds = 9, .only = -1};
	static struct cache_bench bench;
	static struct times times;
	int code = parse_options(argc, argv, &options);
	bool ok;

	if (code != -1)
		return code;
	ok = cache_bench_open(&bench,
			      &(struct cache_config){
				      .pages = options.pages,
				      .memory = options.memory,
				      .data = options.what == WHAT_HITS,
			      }) &&
	     run_rounds(&bench, &options, &times);
	cache_bench_close(&bench);
	if (ok)
		print(&options, &times);
	return ok ? BENCH_OK : BENCH_FAILED;
}

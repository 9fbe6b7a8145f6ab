/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench plan: what it costs to turn pages into I/Os.
 *
 * Five cases, each of which takes N pages of 4 KiB through the library on a
 * device that does nothing. The cost that counts is in instructions, which
 * the program cannot see: run it under callgrind for two N and divide the
 * difference by the difference of N (bench/instructions.sh does). What is
 * printed here is the shape of the plan, and a time for information.
 */
#include "bench.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/** Enough for any question, and little enough for 32-bit machines. */
#define PAGES_MAX ((size_t)1 << 22)
#define BATCH_MAX ((size_t)1 << 16)

struct plan_case {
	char letter;
	bool write;
	uint32_t block_size;
	uint32_t extent_blocks;
	const char *what;
};

static const struct plan_case cases[] = {
	{'a', false, 4096, 2048, "read ahead, 4K blocks, extents of 2048"},
	{'b', false, 4096, 4, "read ahead, 4K blocks, extents of 4"},
	{'c', false, 1024, 2048, "read ahead, 1K blocks, extents of 2048"},
	{'d', true, 4096, 2048, "write back, 4K blocks, extents of 2048"},
	{'e', true, 1024, 2048, "write back, 1K blocks, extents of 2048"},
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

struct plan_options {
	const char *letters; /* of the cases to run; NULL: all */
	enum engine_frames frames;
	bool sync;
	size_t pages;
	size_t batch;
};

static const char usage_text[] =
	"usage: mpio-bench plan [--all | --case LETTER] [OPTION...]\n"
	"\n"
	"Take pages through the library on a device that does nothing.\n"
	"\n"
	"  -c, --case LETTER   only this case (a, b, c, d or e)\n"
	"  -a, --all           all of them; the default\n"
	"  -n, --pages N       how many pages; default 65536\n"
	"  -b, --batch N       pages in a batch; default 512\n"
	"  -f, --frames KIND   memory of the pages: 'scattered' (default: no\n"
	"                      two touch) or 'runs' (all in one piece)\n"
	"  -s, --sync          write back with MPIO_SYNC_ALL\n"
	"  -h, --help          print this\n";

static bool parse_letters(const char *text)
{
	static const char known[] = "abcde";

	if (text[0] && strspn(text, known) == strlen(text))
		return true;
	fprintf(stderr, "mpio-bench: --case: '%s' is not of %s\n", text, known);
	return false;
}

static bool parse_frames(const char *text, enum engine_frames *frames)
{
	if (strcmp(text, "scattered") == 0) {
		*frames = ENGINE_SCATTERED;
	} else if (strcmp(text, "runs") == 0) {
		*frames = ENGINE_RUNS;
	} else {
		fprintf(stderr,
			"mpio-bench: --frames: '%s' is neither 'scattered' "
			"nor 'runs'\n",
			text);
		return false;
	}
	return true;
}

/** Take one option; returns enum bench_exit, or -1 to go on. */
static int parse_option(int option, struct plan_options *options)
{
	bool ok = true;

	switch (option) {
	case 'a':
		options->letters = NULL;
		break;
	case 'c':
		ok = parse_letters(optarg);
		options->letters = optarg;
		break;
	case 'n':
		ok = bench_number("--pages", optarg, PAGES_MAX,
				  &options->pages);
		break;
	case 'b':
		ok = bench_number("--batch", optarg, BATCH_MAX,
				  &options->batch);
		break;
	case 'f':
		ok = parse_frames(optarg, &options->frames);
		break;
	case 's':
		options->sync = true;
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

/** Read the command line; returns enum bench_exit, or -1 to go on. */
static int parse_options(int argc, char **argv, struct plan_options *options)
{
	static const struct option known[] = {
		{"all", no_argument, NULL, 'a'},
		{"case", required_argument, NULL, 'c'},
		{"pages", required_argument, NULL, 'n'},
		{"batch", required_argument, NULL, 'b'},
		{"frames", required_argument, NULL, 'f'},
		{"sync", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, code;

	while ((option = getopt_long(argc, argv, "ac:n:b:f:sh", known, NULL)) !=
	       -1) {
		code = parse_option(option, options);
		if (code != -1)
			return code;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "mpio-bench: what is '%s'?\n", argv[optind]);
	return BENCH_USAGE;
}

static bool run_case(const struct plan_case *plan_case,
		     const struct plan_options *options)
{
	struct engine_config config = {
		.write = plan_case->write,
		.sync = options->sync,
		.block_size = plan_case->block_size,
		.extent_blocks = plan_case->extent_blocks,
		.frames = options->frames,
		.pages = options->pages,
		.batch = options->batch,
	};
	struct engine_result result;

	if (!engine_run(&config, &result)) {
		fprintf(stderr, "mpio-bench: case %c failed\n",
			plan_case->letter);
		return false;
	}
	printf("%c     %-40s %8" PRIu64 " %9.1f %8" PRIu64 " %9" PRIu64
	       " %7.1f\n",
	       plan_case->letter, plan_case->what, result.ios,
	       (double)options->pages / (double)result.ios, result.vecs,
	       result.maps,
	       (double)result.nanoseconds / (double)options->pages);
	return true;
}

int bench_plan(int argc, char **argv)
{
	struct plan_options options = {.pages = 65536, .batch = 512};
	int code = parse_options(argc, argv, &options);
	bool ok = true;
	size_t i;

	if (code != -1)
		return code;
	printf("%zu pages of 4 KiB, batches of %zu, memory %s\n", options.pages,
	       options.batch,
	       options.frames == ENGINE_RUNS ? "in one piece" : "scattered");
	printf("%-5s %-40s %8s %9s %8s %9s %7s\n", "case", "what", "I/Os",
	       "pages/IO", "iovecs", "get_block", "ns/page");
	for (i = 0; i < CASE_COUNT; i++) {
		if (options.letters &&
		    !strchr(options.letters, cases[i].letter))
			continue;
		ok = run_case(&cases[i], &options) && ok;
	}
	return ok ? BENCH_OK : BENCH_FAILED;
}

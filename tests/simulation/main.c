/* SPDX-License-Identifier: MIT */
/*
 * Runs of a simulated world, each decided by a seed.
 *
 *     simulation [--seed N] [--count N] [--trace] [--repeat N]
 *
 *     --seed N     the first seed; or MPIO_SEED; else one of the clock
 *     --count N    so many seeds, one after the other; else 1 if there is
 *                  --seed, or MPIO_SEEDS, or what is usual in the tests
 *     --trace      say what is done, and what the disks do
 *     --repeat N   run each N-th seed twice: both runs must be the same; 64
 *
 * When something is not as it must be, the seed is printed, and the command
 * that plays it again. At the end it says how much has happened.
 */
#include "sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A run that takes so many seconds never ends. */
#define PATIENCE 30u

struct world world;
struct totals totals;
unsigned char sim_noise[NOISE_BYTES];
static const char *program;

/* ---- Chance ------------------------------------------------------------- */

uint64_t sim_random(void)
{
	uint64_t z = world.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t below(uint64_t limit)
{
	return limit != 0 ? (uint32_t)((sim_random() >> 11) % limit) : 0;
}

bool chance(uint32_t percent)
{
	return below(100) < percent;
}

/* ---- What is seen ------------------------------------------------------- */

void sim_note(uint64_t word)
{
	world.hash = (world.hash ^ word) * UINT64_C(0x9fb21c651e98df25);
	world.hash ^= world.hash >> 29;
}

void sim_print(const char *format, ...)
{
	va_list list;

	printf("%4" PRIu64 " ", world.now);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

static void print_replay(void)
{
	fflush(stdout);
	fprintf(stderr,
		"seed %" PRIu64 ", operation %" PRIu64
		"; play it again: %s --seed %" PRIu64 " --trace\n",
		world.seed, world.now, program, world.seed);
}

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
	const char *name = strrchr(file, '/');

	print_replay();
	fprintf(stderr, "%s:%d: not so: %s\n", name != NULL ? name + 1 : file,
		line, what);
	exit(1);
}

static void on_signal(int number)
{
	print_replay();
	fprintf(stderr, "signal %d%s\n", number,
		number == SIGALRM ? ": it does not end" : "");
	signal(number, SIG_DFL);
	raise(number);
}

static void print_totals(double seconds)
{
	printf("%" PRIu64 " seeds, %" PRIu64 " operations, %" PRIu64
	       " I/Os, %" PRIu64 " allocations in %.1f s\n",
	       totals.seeds, totals.operations, totals.ios, totals.allocations,
	       seconds);
	printf("faults:");
	for (unsigned i = 0; i < KINDS; i++)
		printf(" %s %" PRIu64, kind_names[i], totals.kinds[i]);
	printf("\n%" PRIu64 " completions out of order, %" PRIu64
	       " power cuts, %" PRIu64 " power cycles, %" PRIu64
	       " queues closed on an I/O that never ends\n",
	       totals.reordered, totals.cuts, totals.power_cycles,
	       totals.lost_closes);
	printf("%" PRIu64 " good syncs, %" PRIu64
	       " that told an error; %" PRIu64
	       " blocks were to be there after a cut, and were\n",
	       totals.syncs, totals.told, totals.durable);
}

/* ---- Runs --------------------------------------------------------------- */

struct options {
	uint64_t seed;
	uint64_t count;
	uint64_t repeat;
	bool has_seed;
	bool trace;
};

static void make_noise(void)
{
	world.random = 1;
	for (size_t i = 0; i < NOISE_BYTES; i += 8) {
		uint64_t word = sim_random();

		memcpy(sim_noise + i, &word, 8);
	}
}

/* A run that is no more than its seed is the same the second time. */
static void run_again(uint64_t seed)
{
	struct totals kept = totals;
	uint64_t hash = world.hash;

	world_run(seed, false);
	CHECK(world.hash == hash);
	totals = kept;
}

static uint64_t run_all(const struct options *options)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < options->count; i++) {
		if (i % 64 == 0)
			alarm(PATIENCE);
		world_run(options->seed + i, options->trace);
		sum = sum * 31 + world.hash;
		totals.seeds++;
		if (options->repeat != 0 && i % options->repeat == 0)
			run_again(options->seed + i);
	}
	return sum;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "%s: no number\n", text);
		exit(2);
	}
	return value;
}

static uint64_t of_environment(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text != NULL ? number(text) : usual;
}

static void set_option(struct options *options, const char *name,
		       const char *value)
{
	if (strcmp(name, "--seed") == 0) {
		options->seed = number(value);
		options->has_seed = true;
	} else if (strcmp(name, "--count") == 0) {
		options->count = number(value);
	} else if (strcmp(name, "--repeat") == 0) {
		options->repeat = number(value);
	} else {
		fprintf(stderr, "%s: no such option\n", name);
		exit(2);
	}
}

static struct options parse(int argc, char **argv)
{
	struct options options = {
		.seed = of_environment("MPIO_SEED",
				       (uint64_t)time(NULL) * 1000000),
		.repeat = 64,
	};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0) {
			options.trace = true;
			continue;
		}
		set_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : "");
		i++;
	}
	if (options.count == 0)
		options.count = options.has_seed ? 1
						 : of_environment("MPIO_SEEDS",
								  SEEDS_USUAL);
	return options;
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS,
				      SIGFPE,  SIGILL,  SIGALRM};
	struct options options = parse(argc, argv);
	clock_t begin = clock();
	uint64_t sum;

	program = argv[0];
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], on_signal);
	make_noise();
	printf("seeds %" PRIu64 " to %" PRIu64 "\n", options.seed,
	       options.seed + options.count - 1);
	sum = run_all(&options);
	print_totals((double)(clock() - begin) / CLOCKS_PER_SEC);
	printf("all is well; the sum of all is %016" PRIx64 "\n", sum);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The command line of `mpio-bench read`, `write` and `raw`, and the line that
 * they print.
 */
#include "transfer.h"

#include <mpio/open.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define DEPTH_MAX 1024
#define PIECES_MAX 1024
#define IO_MAX (UINT64_C(64) << 20)
#define SIZE_LIMIT (UINT64_C(1) << 50)

static const char usage_text[] =
	"usage: mpio-bench COMMAND --device URI [OPTION...]\n"
	"\n"
	"Move a file's pages of 4 KiB from or to a device, each once:\n"
	"  read, write            through the library\n"
	"  raw                    by hand with the system's own calls\n"
	"  file-read              in pieces of --io, through the file layer\n"
	"  file-sync              half of them, dirtied in any order before\n"
	"  hand-read, hand-sync   the same by the system's buffered read, and\n"
	"                         by pwritev of what is sorted by hand\n"
	"\n"
	"  -D, --device URI    e.g. io_uring:PATH?direct=1; of raw: "
	"libaio:PATH\n"
	"                      or io_uring:PATH, direct whether said or not\n"
	"  -s, --size BYTES    of the file; default the device's\n"
	"  -e, --extent BYTES  what one answer of get_block covers; default "
	"8M\n"
	"  -R, --random        extents lie in any order\n"
	"  -f, --frames ORDER  of memory: runs16 (default), runs64, shuffled\n"
	"                      (single pages) or huge (as it lies)\n"
	"  -i, --io BYTES      of an I/O at most; default 1M\n"
	"  -d, --depth N       I/Os in flight at most; default 4\n"
	"  -p, --pool BYTES    of frames; default 8M, or twice what may be in\n"
	"                      flight if that is more; of file-read the\n"
	"                      cache, default 64M\n"
	"  -W, --window BYTES  the largest readahead of file-read\n"
	"  -P, --pieces N      of memory in an I/O at most\n"
	"  -1, --one           one I/O a page\n"
	"  -v, --verify        check every byte that is read; write bytes "
	"that\n"
	"                      can be checked\n"
	"  -a, --announce      announce the memory to the queue\n"
	"  -w, --write         of raw: write\n"
	"  -S, --seed N        of whatever is in any order; default 1\n"
	"  -j, --json          print JSON\n"
	"  -h, --help          print this\n";

static const struct option known[] = {
	{"device", required_argument, NULL, 'D'},
	{"size", required_argument, NULL, 's'},
	{"extent", required_argument, NULL, 'e'},
	{"random", no_argument, NULL, 'R'},
	{"frames", required_argument, NULL, 'f'},
	{"io", required_argument, NULL, 'i'},
	{"depth", required_argument, NULL, 'd'},
	{"pool", required_argument, NULL, 'p'},
	{"window", required_argument, NULL, 'W'},
	{"pieces", required_argument, NULL, 'P'},
	{"one", no_argument, NULL, '1'},
	{"verify", no_argument, NULL, 'v'},
	{"announce", no_argument, NULL, 'a'},
	{"write", no_argument, NULL, 'w'},
	{"seed", required_argument, NULL, 'S'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/** A size of whole pages. */
static bool parse_size(const char *option, const char *text, uint64_t max,
		       uint64_t *size)
{
	uint64_t value;

	if (mpio_size_parse(text, &value) == 0 && value != 0 && value <= max &&
	    value % PAGE_SIZE == 0) {
		*size = value;
		return true;
	}
	fprintf(stderr,
		"mpio-bench: %s: '%s' is not whole pages of 4K, at most "
		"%" PRIu64 "M\n",
		option, text, max >> 20);
	return false;
}

static const char *const order_names[] = {"runs16", "runs64", "shuffled",
					  "huge"};

static bool parse_order(const char *text, enum pool_order *order)
{
	for (int i = 0; i < 4; i++) {
		if (strcmp(text, order_names[i]) == 0) {
			*order = (enum pool_order)i;
			return true;
		}
	}
	fprintf(stderr, "mpio-bench: --frames: no order '%s'\n", text);
	return false;
}

/** Take an option that has an argument. */
static bool take_value(struct transfer_options *options, int option)
{
	switch (option) {
	case 'D':
		options->device = optarg;
		return true;
	case 's':
		return parse_size("--size", optarg, SIZE_LIMIT, &options->size);
	case 'e':
		return parse_size("--extent", optarg, SIZE_LIMIT,
				  &options->extent);
	case 'f':
		return parse_order(optarg, &options->order);
	case 'i':
		return parse_size("--io", optarg, IO_MAX, &options->io);
	case 'p':
		return parse_size("--pool", optarg, SIZE_LIMIT, &options->pool);
	case 'W':
		return parse_size("--window", optarg, IO_MAX, &options->window);
	case 'd':
		return bench_number("--depth", optarg, DEPTH_MAX,
				    &options->depth);
	case 'P':
		return bench_number("--pieces", optarg, PIECES_MAX,
				    &options->pieces);
	case 'S':
		return bench_number("--seed", optarg, SIZE_MAX, &options->seed);
	default:
		return false;
	}
}

/** Take any option; returns enum bench_exit, or -1 to go on. */
static int take_option(struct transfer_options *options, int option)
{
	switch (option) {
	case 'R':
		options->random = true;
		return -1;
	case '1':
		options->one = true;
		return -1;
	case 'v':
		options->verify = true;
		return -1;
	case 'a':
		options->announce = true;
		return -1;
	case 'w':
		options->write = true;
		return -1;
	case 'j':
		options->json = true;
		return -1;
	case 'h':
		fputs(usage_text, stdout);
		return BENCH_OK;
	default:
		return take_value(options, option) ? -1 : BENCH_USAGE;
	}
}

int transfer_options_parse(struct transfer_options *options, int argc,
			   char **argv)
{
	int option;

	options->extent = UINT64_C(8) << 20;
	if (options->io == 0)
		options->io = UINT64_C(1) << 20;
	options->depth = 4;
	options->seed = 1;
	while ((option = getopt_long(argc, argv, "D:s:e:Rf:i:d:p:W:P:1vawS:jh",
				     known, NULL)) != -1) {
		int code = take_option(options, option);

		if (code != -1)
			return code;
	}
	if (optind != argc || options->device == NULL) {
		fprintf(stderr, "mpio-bench: %s\n",
			optind != argc ? "too many arguments" : "no --device");
		return BENCH_USAGE;
	}
	return -1;
}

/* ---- What came out ------------------------------------------------------ */

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

void transfer_clock(struct transfer_result *result, bool start)
{
	double sign = start ? -1.0 : 1.0;
	struct timespec wall;
	struct rusage usage;

	clock_gettime(CLOCK_MONOTONIC, &wall);
	getrusage(RUSAGE_SELF, &usage);
	result->seconds +=
		sign * ((double)wall.tv_sec + (double)wall.tv_nsec * 1e-9);
	result->cpu += sign * (seconds_of(&usage.ru_utime) +
			       seconds_of(&usage.ru_stime));
}

static const char *memory_name(enum mpio_frames_kind kind)
{
	switch (kind) {
	case MPIO_FRAMES_HUGETLB:
		return "hugetlb";
	case MPIO_FRAMES_TRANSPARENT:
		return "transparent";
	default:
		return "plain";
	}
}

void transfer_print(const char *command, const struct transfer_options *options,
		    const struct transfer_result *result)
{
	double ios = result->ios == 0 ? 1.0 : (double)result->ios;
	double mib = (double)result->bytes / (1 << 20);
	const char *format =
		options->json
			? "{\"command\": \"%s\", \"mib_per_s\": %.1f, "
			  "\"cpu_s_per_gib\": %.4f, \"seconds\": %.4f, "
			  "\"ios\": %" PRIu64 ", \"kib_per_io\": %.1f, "
			  "\"pieces_per_io\": %.2f, \"pieces_max\": %" PRIu64
			  ", \"io_max\": %" PRIu64 ", \"memory\": \"%s\"}\n"
			: "%s: %.1f MiB/s, %.4f CPU s/GiB, %.4f s, %" PRIu64
			  " I/Os of %.1f KiB and %.2f pieces (at most "
			  "%" PRIu64 " pieces, %" PRIu64 " bytes), memory %s\n";

	printf(format, command, mib / result->seconds,
	       result->cpu / (mib / 1024), result->seconds, result->ios,
	       mib * 1024 / ios, (double)result->pieces / ios,
	       result->pieces_max, result->io_max, memory_name(result->memory));
}

/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench: what libmpio costs. This file knows the commands; each has a
 * source of its own and reads its own options. To add one, write its source
 * and a line in the table.
 */
#include "bench.h"

#include <getopt.h>
#include <mpio/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
	const char *name;
	const char *what;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"plan", "turn pages into I/Os on a device that does nothing",
	 bench_plan},
	{"read", "read a file's pages from a real device", bench_read},
	{"write", "write a file's pages back to a real device", bench_write},
	{"cache", "find pages in a cache, and write back few of many",
	 bench_cache},
	{"raw", "the same I/Os as of read or write, by hand", bench_raw},
	{"file-read", "read a file through the file layer", bench_file_read},
	{"file-sync", "make random dirty pages of a file durable",
	 bench_file_sync},
	{"hand-read", "the same by the system's buffered read",
	 bench_hand_read},
	{"hand-sync", "the same by pwritev, sorted", bench_hand_sync},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

bool bench_number(const char *option, const char *text, size_t max,
		  size_t *value)
{
	unsigned long long number;
	char *end;

	/* What is too large comes out as the largest number there is. */
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || number == 0 ||
	    number > max) {
		fprintf(stderr,
			"mpio-bench: %s: '%s' is not a number from 1 to %zu\n",
			option, text, max);
		return false;
	}
	*value = (size_t)number;
	return true;
}

static void print_usage(FILE *out)
{
	size_t i;

	fprintf(out, "usage: mpio-bench COMMAND [OPTION...]\n\n");
	for (i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name,
			commands[i].what);
	fprintf(out, "\n  -h, --help     print this; after a command, its "
		     "options\n"
		     "  -V, --version  print the version\n");
}

static int run_command(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[0], commands[i].name) == 0) {
			/* Zero makes getopt begin anew, with this argv. */
			optind = 0;
			return commands[i].run(argc, argv);
		}
	}
	fprintf(stderr, "mpio-bench: no command '%s'\n", argv[0]);
	return BENCH_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	/* The '+' stops at the command: what follows is the command's. */
	int option = getopt_long(argc, argv, "+hV", known, NULL);

	switch (option) {
	case 'h':
		print_usage(stdout);
		return BENCH_OK;
	case 'V':
		printf("mpio-bench %d.%d.%d\n", MPIO_VERSION_MAJOR,
		       MPIO_VERSION_MINOR, MPIO_VERSION_PATCH);
		return BENCH_OK;
	case -1:
		break;
	default:
		return BENCH_USAGE;
	}
	if (optind == argc) {
		print_usage(stderr);
		return BENCH_USAGE;
	}
	return run_command(argc - optind, argv + optind);
}

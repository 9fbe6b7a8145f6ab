/* SPDX-License-Identifier: MIT */
/*
 * mpio-extfs: read files out of ext2, ext3 and ext4 images.
 *
 * An example of an engine on top of libmpio: metadata by libext2fs, all file
 * data through the library. This file has the command line; see extfs.h for
 * where the rest is.
 */
#include "extfs.h"

#include <getopt.h>
#include <inttypes.h>
#include <mpio/open.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_DEFAULT (UINT64_C(1) << 20)
#define WINDOW_MAX (UINT64_C(1) << 30)
#define IO_MAX (UINT64_C(1) << 30)
#define CACHE_MAX (UINT64_C(1) << 30)
#define GAP_MAX (UINT64_C(1) << 20)
#define DEPTH_DEFAULT 8
#define DEPTH_MAX 1024

static const char usage_text[] =
	"usage: mpio-extfs [OPTIONS] ls IMAGE [PATH]\n"
	"       mpio-extfs [OPTIONS] stat IMAGE PATH\n"
	"       mpio-extfs [OPTIONS] cat IMAGE PATH\n"
	"       mpio-extfs [OPTIONS] get [-r] IMAGE PATH OUT\n"
	"       mpio-extfs [OPTIONS] check IMAGE [PATH]\n";

static const char help_text[] =
	"\n"
	"Read files out of an ext2, ext3 or ext4 image, without mounting it.\n"
	"\n"
	"  ls     list a directory\n"
	"  stat   show a file and where its blocks lie\n"
	"  cat    write a file to standard output\n"
	"  get    copy a file to OUT; with -r a tree\n"
	"  check  read all that is below PATH, and write nothing\n"
	"\n"
	"  -r, --recursive       copy a directory and all below it; OUT must\n"
	"                        not exist, or be an empty directory\n"
	"  -b, --backend URI     the device that file data is read from; a "
	"URI\n"
	"                        without a path ('io_uring:?direct=1') means\n"
	"                        IMAGE; 'mem:' loads it into memory first;\n"
	"                        default 'file:', the best that works here\n"
	"  -w, --window BYTES    read ahead this much at once; suffixes K, M;\n"
	"                        default 1M\n"
	"  -d, --depth N         I/Os, and windows, in flight if the backend\n"
	"                        can do that; default 8\n"
	"      --io BYTES        the largest I/O; default what the device "
	"takes\n"
	"      --gap BYTES|off   the largest gap on the device that is read\n"
	"                        across; default what the device says\n"
	"      --page-at-a-time  one read for each page, for comparison\n"
	"      --cache SIZE      read through a cache of so many bytes and "
	"the\n"
	"                        file layer on it, which reads ahead up to a\n"
	"                        window; for all files\n"
	"  -s, --stats           tell about the device, pages and I/Os at the "
	"end\n"
	"      --json            results as JSON (of cat: on standard error)\n"
	"  -q, --quiet           no progress line\n"
	"  -h, --help            this text\n"
	"  -V, --version         the version\n"
	"\n"
	"Exit codes: 0 done; 1 usage; 2 the image or device cannot be opened;\n"
	"3 no such path; 4 data cannot be read (path and offset are told);\n"
	"5 damaged metadata; 6 the output cannot be written; 7 encrypted or\n"
	"compressed. Of several failures in a tree the first one counts.\n";

/* Commands. */

/* Copy or, with `out` NULL, only read. */
static int get(struct job *job, bool recursive, const char *path,
	       const char *out)
{
	struct node node;
	int code;

	code = image_lookup(&job->image, path, true, &node);
	if (code)
		return code;
	if (LINUX_S_ISREG(node.raw.i_mode)) {
		job->report.total = node.size;
		return tree_get_file(job, &node, path, out);
	}
	if (!LINUX_S_ISDIR(node.raw.i_mode)) {
		report_problem(&job->report, path,
			       "is neither a file nor a directory");
		return NO_PATH;
	}
	if (!recursive) {
		report_problem(&job->report, path,
			       "is a directory (-r copies it)");
		return NO_PATH;
	}
	return tree_get(job, &node, path, out);
}

static void put_json_counts(const struct report *report)
{
	printf(", \"files\": %" PRIu64 ", \"directories\": %" PRIu64
	       ", \"symlinks\": %" PRIu64 ", \"skipped\": %" PRIu64
	       ", \"failed\": %" PRIu64 ", \"bytes\": %" PRIu64,
	       report->files, report->directories, report->symlinks,
	       report->skipped, report->failed, report->done);
}

static int command_ls(struct job *job, const struct options *options,
		      char **arguments)
{
	return show_ls(job, arguments[1] ? arguments[1] : "/", options);
}

static int command_stat(struct job *job, const struct options *options,
			char **arguments)
{
	return show_stat(job, arguments[1], options);
}

static int command_cat(struct job *job, const struct options *options,
		       char **arguments)
{
	/* A progress line would run into the bytes. */
	if (isatty(STDOUT_FILENO))
		job->report.progress = false;
	return show_cat(job, arguments[1], options);
}

static int command_get(struct job *job, const struct options *options,
		       char **arguments)
{
	int code = get(job, options->recursive, arguments[1], arguments[2]);

	if (options->json)
		put_json_counts(&job->report);
	return code;
}

static int command_check(struct job *job, const struct options *options,
			 char **arguments)
{
	const struct report *report = &job->report;
	int code = get(job, true, arguments[1] ? arguments[1] : "/", NULL);

	report_wipe(&job->report);
	if (options->json)
		put_json_counts(report);
	else
		printf("files read in full: %" PRIu64 ", failures: %" PRIu64
		       "\n",
		       report->files, report->failed);
	return code;
}

struct command {
	const char *name;
	int arguments_min, arguments_max; /* IMAGE included */
	int (*run)(struct job *job, const struct options *options,
		   char **arguments);
};

static const struct command commands[] = {
	{"ls", 1, 2, command_ls},       {"stat", 2, 2, command_stat},
	{"cat", 2, 2, command_cat},     {"get", 3, 3, command_get},
	{"check", 1, 2, command_check},
};

/* JSON: one object, to which the command adds members. */

static void begin_json(FILE *to, const struct command *command,
		       char **arguments)
{
	fprintf(to, "{\"command\": \"%s\", \"image\": ", command->name);
	put_json_string(to, arguments[0]);
	fputs(", \"path\": ", to);
	put_json_string(to, arguments[1] ? arguments[1] : "/");
}

static void end_json(FILE *to, const struct job *job, int code)
{
	fprintf(to,
		", \"exit_code\": %d, \"seconds\": %.6f, \"device\": ", code,
		now() - job->report.began);
	put_json_device(to, job->source.device);
	fputs(", \"stats\": ", to);
	put_json_stats(to, mpio_queue_stats(job->reader.queue),
		       job->reader.seconds);
	put_json_cached(to, &job->reader.cached);
	fputs("}\n", to);
}

static void put_all_stats(struct job *job)
{
	put_device(stderr, job->source.device);
	put_stats(stderr, mpio_queue_stats(job->reader.queue),
		  job->reader.seconds);
	put_cached(stderr, &job->reader.cached);
}

static int run(const struct command *command, const struct options *options,
	       char **arguments)
{
	/* Nothing of ours may stand among the bytes of cat. */
	FILE *to = command->run == command_cat ? stderr : stdout;
	struct job job;
	int code;

	code = job_open(&job, arguments[0], options);
	if (code)
		return code;
	if (options->json)
		begin_json(to, command, arguments);
	code = command->run(&job, options, arguments);
	report_wipe(&job.report);
	if (options->json)
		end_json(to, &job, code);
	else if (options->stats)
		put_all_stats(&job);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		report_problem(&job.report, NULL,
			       "cannot write to standard output");
		code = code ? code : NO_OUTPUT;
	}
	job_close(&job);
	return code;
}

/* The command line. */

static int bad_usage(const char *what, const char *argument)
{
	fprintf(stderr, "mpio-extfs: %s%s%s\n%s", what, argument ? ": " : "",
		argument ? argument : "", usage_text);
	return BAD_USAGE;
}

enum {
	OPTION_PAGE_AT_A_TIME = 256,
	OPTION_JSON,
	OPTION_IO,
	OPTION_GAP,
	OPTION_CACHE
};

/* Options with a number, and what it may be. */
struct number {
	int option;
	uint64_t max;
	const char *complaint;
};

static const struct number numbers[] = {
	{'w', WINDOW_MAX, "--window takes 1 to 1024M bytes"},
	{'d', DEPTH_MAX, "--depth takes 1 to 1024 I/Os"},
	{OPTION_IO, IO_MAX, "--io takes 1 to 1024M bytes"},
	{OPTION_GAP, GAP_MAX, "--gap takes 'off', or 1 to 1024K bytes"},
	{OPTION_CACHE, CACHE_MAX, "--cache takes 1 to 1024M bytes"},
};

static int take_number(int option, struct options *options)
{
	const struct number *number = numbers;
	uint64_t value;

	while (number->option != option)
		number++;
	if (mpio_size_parse(optarg, &value) != 0 || value == 0 ||
	    value > number->max)
		return bad_usage(number->complaint, optarg);
	switch (option) {
	case 'w':
		options->window = value;
		break;
	case 'd':
		options->depth = (uint32_t)value;
		break;
	case OPTION_IO:
		options->io_bytes = (uint32_t)value;
		break;
	case OPTION_CACHE:
		options->cache = value;
		break;
	default:
		options->gap_bytes = (uint32_t)value;
		break;
	}
	return DONE;
}

static const struct option long_options[] = {
	{"recursive", no_argument, NULL, 'r'},
	{"backend", required_argument, NULL, 'b'},
	{"window", required_argument, NULL, 'w'},
	{"depth", required_argument, NULL, 'd'},
	{"io", required_argument, NULL, OPTION_IO},
	{"gap", required_argument, NULL, OPTION_GAP},
	{"cache", required_argument, NULL, OPTION_CACHE},
	{"page-at-a-time", no_argument, NULL, OPTION_PAGE_AT_A_TIME},
	{"stats", no_argument, NULL, 's'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* How to end, if not *go_on. */
static int take_option(int option, struct options *options, bool *go_on)
{
	int code = DONE;

	*go_on = true;
	switch (option) {
	case 'r':
		options->recursive = true;
		break;
	case 'b':
		options->backend = optarg;
		break;
	case OPTION_GAP:
		options->no_gaps = !strcmp(optarg, "off");
		if (options->no_gaps)
			break;
		/* fall through */
	case 'w':
	case 'd':
	case OPTION_IO:
	case OPTION_CACHE:
		code = take_number(option, options);
		*go_on = code == DONE;
		break;
	case OPTION_PAGE_AT_A_TIME:
		options->page_at_a_time = true;
		break;
	case 's':
		options->stats = true;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case 'q':
		options->quiet = true;
		break;
	case 'h':
		*go_on = false;
		printf("%s%s", usage_text, help_text);
		break;
	case 'V':
		*go_on = false;
		printf("mpio-extfs %d.%d.%d\n", MPIO_VERSION_MAJOR,
		       MPIO_VERSION_MINOR, MPIO_VERSION_PATCH);
		break;
	default: /* getopt has said what */
		*go_on = false;
		fputs(usage_text, stderr);
		code = BAD_USAGE;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct options options = {.window = WINDOW_DEFAULT,
				  .depth = DEPTH_DEFAULT};
	const struct command *command = NULL;
	int option, code, count;
	size_t i;
	bool go_on;

	while ((option = getopt_long(argc, argv, "rb:w:d:sqhV", long_options,
				     NULL)) != -1) {
		code = take_option(option, &options, &go_on);
		if (!go_on)
			return code;
	}
	if (optind == argc)
		return bad_usage("a command is missing", NULL);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[optind], commands[i].name))
			command = &commands[i];
	}
	if (!command)
		return bad_usage("no such command", argv[optind]);
	count = argc - optind - 1;
	if (count < command->arguments_min || count > command->arguments_max)
		return bad_usage("wrong number of arguments for",
				 command->name);
	if (options.recursive && command->run != command_get)
		return bad_usage("-r is for get", NULL);
	if (options.cache && options.page_at_a_time)
		return bad_usage("--cache and --page-at-a-time exclude each "
				 "other",
				 NULL);
	/* A write that fails is told of. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return run(command, &options, argv + optind + 1);
}

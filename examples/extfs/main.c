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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_DEFAULT (UINT64_C(1) << 20)
#define WINDOW_MAX (UINT64_C(1) << 30)

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
	"  -b, --backend URI     the device that file data is read from;\n"
	"                        default posix:IMAGE?readonly=1; 'mem:' loads\n"
	"                        the image into memory first\n"
	"  -w, --window BYTES    read ahead this much at once, two windows in\n"
	"                        flight; suffixes K, M; default 1M\n"
	"      --page-at-a-time  one read for each page, for comparison\n"
	"  -s, --stats           tell pages, I/Os and get_block calls at the "
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
	fprintf(to, ", \"exit_code\": %d, \"seconds\": %.6f, \"stats\": ", code,
		now() - job->report.began);
	put_json_stats(to, mpio_queue_stats(job->reader.queue),
		       job->reader.seconds);
	fputs("}\n", to);
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
		put_stats(stderr, mpio_queue_stats(job.reader.queue),
			  job.reader.seconds);
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

/* A size with a suffix. False: it is none, or out of bounds. */
static bool parse_window(const char *text, uint64_t *window)
{
	char *end;
	unsigned long long value;
	int shift = 0;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoull(text, &end, 10);
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	if (shift)
		end++;
	if (*end || value == 0 || value > WINDOW_MAX >> shift)
		return false;
	*window = (uint64_t)value << shift;
	return true;
}

enum { OPTION_PAGE_AT_A_TIME = 256, OPTION_JSON };

static const struct option long_options[] = {
	{"recursive", no_argument, NULL, 'r'},
	{"backend", required_argument, NULL, 'b'},
	{"window", required_argument, NULL, 'w'},
	{"page-at-a-time", no_argument, NULL, OPTION_PAGE_AT_A_TIME},
	{"stats", no_argument, NULL, 's'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* What the option asks for instead of a command, or DONE with *go_on. */
static int take_option(int option, struct options *options, bool *go_on)
{
	*go_on = true;
	switch (option) {
	case 'r':
		options->recursive = true;
		break;
	case 'b':
		options->backend = optarg;
		break;
	case 'w':
		if (parse_window(optarg, &options->window))
			break;
		*go_on = false;
		return bad_usage("--window takes 1 to 1024M bytes", optarg);
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
		return BAD_USAGE;
	}
	return DONE;
}

int main(int argc, char **argv)
{
	struct options options = {.window = WINDOW_DEFAULT};
	const struct command *command = NULL;
	int option, code, count;
	size_t i;
	bool go_on;

	while ((option = getopt_long(argc, argv, "rb:w:sqhV", long_options,
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
	/* A write that fails is told of. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return run(command, &options, argv + optind + 1);
}

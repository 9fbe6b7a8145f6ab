/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer without libFuzzer, by any compiler: inputs are played again, or
 * made at random.
 *
 *     fuzz-NAME FILE...           play files; a directory stands for the
 *                                 files in it, and FILE.corpus for those that
 *                                 were packed into it
 *     fuzz-NAME --random N [SEED] play N inputs made from a seed, which is
 *                                 printed
 *     fuzz-NAME --pack DIRECTORY  print the files of a directory as a corpus
 *     fuzz-NAME --unpack FILE.corpus DIRECTORY
 *
 * A corpus is one input after the other, each with its length before it in two
 * bytes, the lower one first.
 */
#include "fuzz.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX 65535u

static unsigned char input[INPUT_MAX];
static size_t input_size;
static unsigned long played;

static _Noreturn void give_up(const char *what, const char *path)
{
	fprintf(stderr, "%s: %s\n", path, what);
	exit(2);
}

/* ---- Playing ------------------------------------------------------------ */

/* An input that makes the program end is left behind as a file. */
static void keep_input(int signal_number)
{
	static const char name[] = "fuzz-crash";
	FILE *file = fopen(name, "wb");

	if (file != NULL) {
		fwrite(input, 1, input_size, file);
		fclose(file);
		fprintf(stderr, "input %lu is in %s\n", played, name);
	}
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void play(void)
{
	/* Exactly as large as it is, so that reads behind it are seen. */
	uint8_t *copy = malloc(input_size + 1);

	if (copy == NULL)
		give_up("no memory", "input");
	memcpy(copy + 1, input, input_size);
	LLVMFuzzerTestOneInput(copy + 1, input_size);
	free(copy);
	played++;
}

typedef void input_fn(const char *name, const char *to);

static void play_one(const char *name, const char *to)
{
	(void)name, (void)to;
	play();
}

/* ---- Files -------------------------------------------------------------- */

static FILE *open_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		give_up("cannot be opened", path);
	return file;
}

static void each_packed(const char *path, input_fn *fn, const char *to)
{
	FILE *file = open_file(path);
	unsigned char length[2];
	char name[32];
	unsigned long i = 0;

	while (fread(length, 1, 2, file) == 2) {
		input_size = length[0] | (size_t)length[1] << 8;
		if (fread(input, 1, input_size, file) != input_size)
			give_up("ends in the middle of an input", path);
		snprintf(name, sizeof(name), "%05lu", i++);
		fn(name, to);
	}
	fclose(file);
}

static void one_file(const char *path, const char *name, input_fn *fn,
		     const char *to)
{
	FILE *file = open_file(path);

	input_size = fread(input, 1, INPUT_MAX, file);
	fclose(file);
	fn(name, to);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void each_file(const char *directory, input_fn *fn, const char *to)
{
	struct dirent **list;
	char path[4096];
	int n = scandir(directory, &list, is_visible, alphasort);

	if (n < 0)
		give_up("cannot be listed", directory);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory,
			 list[i]->d_name);
		one_file(path, list[i]->d_name, fn, to);
		free(list[i]);
	}
	free(list);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) &&
	       strcmp(text + length - strlen(end), end) == 0;
}

static void each_input(const char *path, input_fn *fn, const char *to)
{
	struct stat status;

	if (stat(path, &status) != 0)
		give_up("is not there", path);
	if (S_ISDIR(status.st_mode))
		each_file(path, fn, to);
	else if (ends_with(path, ".corpus"))
		each_packed(path, fn, to);
	else
		one_file(path, path, fn, to);
}

static void print_packed(const char *name, const char *to)
{
	(void)name, (void)to;
	putchar((int)(input_size & 0xff));
	putchar((int)(input_size >> 8));
	fwrite(input, 1, input_size, stdout);
}

static void write_file(const char *name, const char *to)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", to, name);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(input, 1, input_size, file) != input_size)
		give_up("cannot be written", path);
	fclose(file);
}

/* ---- Inputs at random --------------------------------------------------- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

/* Of most bytes many are 0, which is the plain choice. */
static void make_input(uint64_t *seed)
{
	uint64_t plain = next_random(seed) % 4;

	input_size = next_random(seed) % 512;
	for (size_t i = 0; i < input_size; i++) {
		uint64_t n = next_random(seed);

		input[i] = n >> 8 & plain ? 0 : (unsigned char)n;
	}
}

static void play_random(unsigned long n, uint64_t seed)
{
	seed |= 1;
	fprintf(stderr, "seed %" PRIu64 "\n", seed);
	while (n-- > 0) {
		make_input(&seed);
		play();
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)time(NULL) * 2654435761u;

	signal(SIGABRT, keep_input);
	signal(SIGSEGV, keep_input);
	signal(SIGFPE, keep_input);
	signal(SIGILL, keep_input);
	if (argc == 3 && strcmp(argv[1], "--pack") == 0) {
		each_input(argv[2], print_packed, NULL);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "--unpack") == 0) {
		each_input(argv[2], write_file, argv[3]);
		return 0;
	}
	if (argc >= 3 && strcmp(argv[1], "--random") == 0) {
		if (argc > 3)
			seed = strtoull(argv[3], NULL, 0);
		play_random(strtoul(argv[2], NULL, 0), seed);
	} else {
		for (int i = 1; i < argc; i++)
			each_input(argv[i], play_one, NULL);
	}
	fprintf(stderr, "%lu inputs\n", played);
	return 0;
}

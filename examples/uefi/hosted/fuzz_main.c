/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer without libFuzzer: inputs at random, or from files.
 *
 *     EXT_IMAGES=IMAGE:IMAGE mpio-ext-fuzz N [SEED]
 *     EXT_IMAGES=IMAGE:IMAGE mpio-ext-fuzz play FILE...
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 512u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;

static uint32_t number(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

/* Few changes are best: more, and the first of them ends it all. */
static size_t make_input(uint8_t *data)
{
	static const uint8_t plain[] = {0, 1,    2,    3,    4,
					5, 0x7f, 0x80, 0xff, 0xf3};
	size_t size = 4 + 4 * (size_t)number(6);

	for (size_t i = 0; i < size; i++)
		data[i] = number(3) ? (uint8_t)number(256)
				    : plain[number(sizeof(plain))];
	if (number(4))
		data[1] &= 3; /* mostly a sound device */
	return size;
}

static void play(const char *path)
{
	uint8_t data[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	uint8_t data[INPUT_MAX];
	uint64_t n;

	if (argc < 2) {
		fprintf(stderr, "mpio-ext-fuzz N [SEED] | play FILE...\n");
		return 1;
	}
	LLVMFuzzerInitialize(&argc, &argv);
	if (strcmp(argv[1], "play") == 0) {
		for (int i = 2; i < argc; i++)
			play(argv[i]);
		return 0;
	}
	n = strtoull(argv[1], NULL, 10);
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	printf("%" PRIu64 " inputs, seed %" PRIu64 "\n", n, state);
	fflush(stdout);
	state = state * 0x9e3779b97f4a7c15 | 1;
	for (uint64_t i = 0; i < n; i++) {
		size_t size = make_input(data);

		LLVMFuzzerTestOneInput(data, size);
	}
	return 0;
}

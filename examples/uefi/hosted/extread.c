/* SPDX-License-Identifier: MIT */
/*
 * mpio-extread: the boot loader's reader on this machine.
 *
 *     mpio-extread [-p PAGE-SIZE] [-n PAGES] DEVICE PATH >FILE
 *
 * DEVICE is an image, or whatever mpio_device_open() takes. It is read as
 * firmware would read it: one piece of memory for each request. What it took is
 * told on the standard error. Exit code 0; 2: the file cannot be found or read,
 * and what cannot be read is zeros; 1: anything else.
 */
#define _GNU_SOURCE
#include "ext/ext.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <mpio/open.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (256u << 20)

static struct ext_volume volume;
static struct ext_file file;

static int fail(const char *what, int error)
{
	fprintf(stderr, "mpio-extread: %s: %s\n", what, mpio_strerror(error));
	return 2;
}

static bool parse(const char *text, uint64_t least, uint64_t most,
		  uint64_t *number)
{
	return mpio_size_parse(text, number) == 0 && *number >= least &&
	       *number <= most;
}

/* Read the file that was found, and write it; holes at its end cost nothing. */
static int copy(uint32_t page_size, size_t n)
{
	uint64_t size = file.mapping.size;
	const struct mpio_stats *stats = mpio_queue_stats(volume.queue);
	struct ext_window window = {.count = n, .page_size = page_size};
	unsigned char *memory = NULL;
	int error = 0;

	if (size > MEMORY_MAX)
		return fail("the file", MPIO_EFBIG);
	window.pages = calloc(n, sizeof(*window.pages));
	window.batch = calloc(n, sizeof(*window.batch));
	memory = calloc(1, (size_t)size + EXT_BLOCK_MAX);
	if (window.pages == NULL || window.batch == NULL || memory == NULL)
		error = -MPIO_ENOMEM;
	else
		error = ext_read(&file, &window, 0, memory, size);
	if (memory != NULL && fwrite(memory, 1, (size_t)size, stdout) < size)
		error = mpio_error_from_host(errno);
	fprintf(stderr,
		"%" PRIu64 " bytes, %" PRIu64 " requests, %" PRIu32
		" of metadata, %" PRIu64 " get_block calls\n",
		size, stats->reads, volume.metadata_reads,
		stats->get_block_calls);
	free(memory);
	free(window.batch);
	free(window.pages);
	return error ? fail("reading", error) : 0;
}

static int read_file(struct mpio_device *device, const char *path,
		     uint32_t page_size, size_t n)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator,
					   .segments_max = 1};
	struct mpio_queue *queue;
	int error = mpio_queue_open(device, &config, &queue);

	if (error)
		return fail("the device", error);
	error = ext_open(&volume, queue);
	if (error)
		error = fail("no volume", error);
	else if ((error = ext_find(&volume, path, &file)) != 0)
		error = fail(path, error);
	else
		error = copy(page_size, n);
	mpio_queue_close(queue);
	return error;
}

int main(int argc, char **argv)
{
	uint64_t page_size = 65536, n = 1024;
	struct mpio_device *device;
	int option, error;
	bool well = true;

	while ((option = getopt(argc, argv, "p:n:")) != -1) {
		if (option == 'p')
			well = parse(optarg, 512, 1u << 30, &page_size) && well;
		else if (option == 'n')
			well = parse(optarg, 1, 1u << 20, &n) && well;
		else
			well = false;
	}
	if (!well || argc - optind != 2) {
		fprintf(stderr, "mpio-extread [-p PAGE-SIZE] [-n PAGES] "
				"DEVICE PATH >FILE\n");
		return 1;
	}
	error = mpio_device_open(argv[optind], &device);
	if (error) {
		fail(argv[optind], error);
		return 1;
	}
	error = read_file(device, argv[optind + 1], (uint32_t)page_size,
			  (size_t)n);
	mpio_device_close(device);
	return error;
}

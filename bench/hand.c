/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench hand-read and hand-sync: what somebody without the library does.
 * hand-read reads the cold file in pieces through the operating system's page
 * cache; hand-sync sorts dirty pages, joins neighbours, writes each run by one
 * direct pwritev, and ends with fdatasync.
 */
#include "transfer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_DEFAULT (UINT64_C(64) << 10)
#define RUN_PAGES 256u

static int open_file(struct transfer_options *options, int flags)
{
	char path[PATH_MAX];
	int fd;

	transfer_path(options, path, sizeof(path));
	fd = open(path, flags);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0) {
		perror(path);
		return -1;
	}
	if (options->size == 0)
		options->size = (uint64_t)lseek(fd, 0, SEEK_END) / PAGE_SIZE *
				PAGE_SIZE;
	return fd;
}

static int finish(const char *command, const struct transfer_options *options,
		  const struct transfer_result *result, bool good)
{
	if (!good)
		perror("mpio-bench");
	else
		transfer_print(command, options, result);
	return good ? BENCH_OK : BENCH_FAILED;
}

/* ---- Reading ------------------------------------------------------------ */

static bool read_all(const struct transfer_options *options, int fd,
		     struct transfer_result *result)
{
	unsigned char *bytes = malloc((size_t)options->io);
	ssize_t n = bytes != NULL ? 1 : -1;

	while (n > 0 && result->bytes < options->size) {
		n = pread(fd, bytes, (size_t)options->io, (off_t)result->bytes);
		if (n > 0)
			result->bytes += (uint64_t)n;
		result->ios++;
	}
	free(bytes);
	return n > 0;
}

int bench_hand_read(int argc, char **argv)
{
	struct transfer_options options = {.io = READ_DEFAULT};
	struct transfer_result result = {0};
	int code = transfer_options_parse(&options, argc, argv);
	bool good;
	int fd;

	if (code != -1)
		return code;
	fd = open_file(&options, O_RDONLY);
	if (fd < 0)
		return BENCH_FAILED;
	good = fdatasync(fd) == 0 &&
	       posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
	transfer_clock(&result, true);
	good = good && read_all(&options, fd, &result);
	transfer_clock(&result, false);
	close(fd);
	return finish(argv[0], &options, &result, good);
}

/* ---- Sync --------------------------------------------------------------- */

struct dirty {
	uint32_t page;
	unsigned char *data;
};

static int by_page(const void *a, const void *b)
{
	const struct dirty *x = a;
	const struct dirty *y = b;

	return (x->page > y->page) - (x->page < y->page);
}

static bool write_run(int fd, const struct dirty *dirty, size_t count,
		      struct transfer_result *result)
{
	struct iovec vecs[RUN_PAGES];
	ssize_t length = (ssize_t)(count * PAGE_SIZE);

	for (size_t i = 0; i < count; i++)
		vecs[i] = (struct iovec){.iov_base = dirty[i].data,
					 .iov_len = PAGE_SIZE};
	result->ios++;
	result->pieces += count;
	return pwritev(fd, vecs, (int)count, (off_t)dirty->page * PAGE_SIZE) ==
	       length;
}

static bool write_sorted(int fd, struct dirty *dirty, size_t count,
			 struct transfer_result *result)
{
	size_t n;

	qsort(dirty, count, sizeof(*dirty), by_page);
	for (size_t i = 0; i < count; i += n) {
		for (n = 1; n < RUN_PAGES && i + n < count; n++) {
			if (dirty[i + n].page != dirty[i].page + n)
				break;
		}
		if (!write_run(fd, dirty + i, n, result))
			return false;
	}
	return fdatasync(fd) == 0;
}

/** The pages and their memory, in the order in which they became dirty. */
static struct dirty *make_dirty(const struct transfer_options *options,
				struct mpio_frames *frames, size_t *count)
{
	uint32_t *numbers =
		transfer_dirty(options, options->size / PAGE_SIZE, count);
	struct dirty *dirty = calloc(*count, sizeof(*dirty));

	if (numbers == NULL || dirty == NULL ||
	    mpio_frames_alloc(frames, PAGE_SIZE, *count) != 0)
		exit(BENCH_FAILED);
	for (size_t i = 0; i < *count; i++) {
		dirty[i] = (struct dirty){numbers[i],
					  frames->base + i * PAGE_SIZE};
		map_fill(dirty[i].data, (uint64_t)numbers[i] * PAGE_SIZE);
	}
	free(numbers);
	return dirty;
}

int bench_hand_sync(int argc, char **argv)
{
	struct transfer_options options = {.write = true};
	struct transfer_result result = {0};
	int code = transfer_options_parse(&options, argc, argv);
	struct mpio_frames frames = {0};
	struct dirty *dirty;
	size_t count = 0;
	bool good;
	int fd;

	if (code != -1)
		return code;
	fd = open_file(&options, O_WRONLY | O_DIRECT);
	if (fd < 0)
		return BENCH_FAILED;
	dirty = make_dirty(&options, &frames, &count);
	transfer_clock(&result, true);
	good = write_sorted(fd, dirty, count, &result);
	transfer_clock(&result, false);
	result.bytes = count * PAGE_SIZE;
	result.memory = frames.kind;
	free(dirty);
	mpio_frames_free(&frames);
	close(fd);
	return finish(argv[0], &options, &result, good);
}

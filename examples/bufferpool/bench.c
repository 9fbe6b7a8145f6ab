/* SPDX-License-Identifier: MIT */
/*
 * What a bitmap scan and a checkpoint take on a real disk, past its page cache:
 *
 *     bufferpool-bench FILE [RUNS]
 *
 * FILE is made anew, 64 MiB. Each scan is done through the stream and, in turn,
 * with one page at a time, RUNS times (default: 5), each with an empty pool;
 * times are medians.
 */
#include "engine.h"

#include <mpio/open.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG 256u
#define HEAP 16384u
#define POOL 4096u
#define RUNS_MAX 101u

static void die(const char *what, int error)
{
	fprintf(stderr, "bufferpool-bench: %s: %s\n", what,
		error != 0 ? mpio_strerror(error) : "failed");
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_size);
	return values[n / 2];
}

/* ---- The file ------------------------------------------------------------ */

/* An empty log, and a heap without holes. */
static void make_file(const char *path)
{
	static unsigned char page[PAGE];
	FILE *file = fopen(path, "wb");

	if (file == NULL)
		die(path, 0);
	for (uint32_t i = 0; i < LOG + HEAP; i++) {
		memset(page, i < LOG ? 0 : (int)(i % 255 + 1), sizeof(page));
		if (fwrite(page, sizeof(page), 1, file) != 1)
			die(path, 0);
	}
	if (fclose(file) != 0)
		die(path, 0);
}

/* ---- Scans --------------------------------------------------------------- */

struct cost {
	double ms;
	uint64_t ios;
	uint64_t sum;
};

static int add_up(void *ctx, uint64_t first, uint64_t map,
		  const struct row *rows)
{
	(void)first, (void)map;
	*(uint64_t *)ctx += rows[0].words[0];
	return 0;
}

static void by_pages(struct db *db, const uint64_t *map, uint64_t *sum)
{
	struct row row;

	for (uint64_t i = 0; i < HEAP; i++) {
		int error = map[i] != 0 ? db_get(db, i * PAGE_ROWS, &row) : 0;

		if (error != 0)
			die("reading", error);
		*sum += map[i] != 0 ? row.words[0] : 0;
	}
}

static struct cost scan(struct mpio_device *device, const uint64_t *map,
			bool by_stream)
{
	struct cost cost = {0};
	struct db db;
	int error = db_open(&db, device, LOG, POOL);

	if (error != 0)
		die("opening", error);
	cost.ios = mpio_queue_stats(db.queue)->reads;
	cost.ms = now();
	if (by_stream)
		error = db_scan(&db, map, 0, add_up, &cost.sum);
	else
		by_pages(&db, map, &cost.sum);
	if (error != 0)
		die("scanning", error);
	cost.ms = now() - cost.ms;
	cost.ios = mpio_queue_stats(db.queue)->reads - cost.ios;
	db_close(&db);
	return cost;
}

/* Of each `of` pages the first `take`. */
static void compare(struct mpio_device *device, const char *name, unsigned take,
		    unsigned of, unsigned runs)
{
	static uint64_t map[HEAP];
	double times[2][RUNS_MAX];
	struct cost last[2];
	uint64_t pages = 0;

	for (uint64_t i = 0; i < HEAP; i++) {
		map[i] = i % of < take;
		pages += map[i];
	}
	for (unsigned run = 0; run < runs; run++) {
		for (unsigned i = 0; i < 2; i++) {
			unsigned way = (i + run) % 2; /* each first in turn */

			last[way] = scan(device, map, way == 1);
			times[way][run] = last[way].ms;
		}
		if (last[0].sum != last[1].sum)
			die("the two ways differ", 0);
	}
	printf("%-9s %5u of %2u %7" PRIu64 " | %7" PRIu64 " %9.1f | %7" PRIu64
	       " %9.1f | %5.1f\n",
	       name, take, of, pages, last[0].ios, median(times[0], runs),
	       last[1].ios, median(times[1], runs),
	       median(times[0], runs) / median(times[1], runs));
}

/* ---- Checkpoints --------------------------------------------------------- */

/* Change a row in each of some pages, in no order, and commit. */
static void checkpoint(struct mpio_device *device, const char *name,
		       unsigned take, unsigned of)
{
	uint64_t writes, dirty = 0;
	struct row row = {{1}};
	struct db db;
	double ms;
	int error = db_open(&db, device, LOG, POOL);

	for (uint64_t i = 0; i < 2048 && error == 0; i++) {
		uint64_t page = i * 773 % 2048;

		if (page % of >= take)
			continue;
		error = db_put(&db, page * PAGE_ROWS, &row);
		dirty++;
	}
	if (error == 0)
		error = db_commit(&db);
	writes = mpio_queue_stats(db.queue)->writes;
	ms = now();
	if (error == 0)
		error = db_checkpoint(&db);
	if (error != 0)
		die("checkpoint", error);
	printf("%-9s %5u of %2u %7" PRIu64 " | %7" PRIu64 " %9.1f\n", name,
	       take, of, dirty, mpio_queue_stats(db.queue)->writes - writes,
	       now() - ms);
	db_close(&db);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"posix", "threads", "libaio",
					    "io_uring"};
	unsigned runs = argc > 2 ? (unsigned)atoi(argv[2]) : 5;

	if (argc < 2 || runs == 0 || runs > RUNS_MAX) {
		fprintf(stderr, "usage: bufferpool-bench FILE [RUNS]\n");
		return 2;
	}
	printf("%-9s %11s %7s | %17s | %17s | %5s\n", "scan", "", "",
	       "a page at a time", "stream", "times");
	printf("%-9s %11s %7s | %7s %9s | %7s %9s | %5s\n", "device", "wanted",
	       "pages", "I/Os", "ms", "I/Os", "ms", "fast");
	for (unsigned i = 0; i < 2 * sizeof(names) / sizeof(*names); i++) {
		const char *name = names[i / 2];
		struct mpio_device *device;
		char uri[4096];
		int error;

		make_file(argv[1]);
		snprintf(uri, sizeof(uri), "%s:%s?direct=1", name, argv[1]);
		error = mpio_device_open(uri, &device);
		if (error != 0) {
			printf("%-9s %s\n", name, mpio_strerror(error));
			i |= 1;
			continue;
		}
		if (i % 2 == 0) {
			compare(device, name, 1, 1, runs);
			compare(device, name, 1, 2, runs);
			compare(device, name, 1, 4, runs);
			compare(device, name, 1, 16, runs);
			compare(device, name, 8, 32, runs);
		} else {
			printf("%-9s %11s %7s | %17s\n", "", "", "dirty",
			       "checkpoint");
			checkpoint(device, name, 1, 1);
			checkpoint(device, name, 1, 2);
			checkpoint(device, name, 8, 32);
		}
		mpio_device_close(device);
	}
	remove(argv[1]);
	return 0;
}

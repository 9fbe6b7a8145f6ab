/* SPDX-License-Identifier: MIT */
/*
 * The device suite: runs the tests, one after the other, each on a device that
 * was opened for it, and reports.
 *
 * A failed expectation is told and counted, and the test goes on or returns as
 * it likes. A test that hangs is another matter: a thread beside it counts the
 * seconds, and at the deadline prints which I/Os have not ended and aborts,
 * since nothing that the test holds can be given back.
 */
#define _POSIX_C_SOURCE 200809L

#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEADLINE = 60, TOLD_MAX = 8, BLOCK = 512 };

static const struct ds_test *const tables[] = {
	ds_tests_bio,  ds_tests_edge,  ds_tests_order,
	ds_tests_life, ds_tests_parts, ds_tests_event,
	ds_tests_many, ds_tests_pages, ds_tests_filter,
};

/* ---- Expectations -------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

bool ds_fail(struct ds_run *run, const char *file, int line,
	     const char *expected, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&run->lock);
	if (++run->failures <= TOLD_MAX) {
		fprintf(run->out, "    %s:%d: expected %s: ", base_name(file),
			line, expected);
		va_start(args, format);
		vfprintf(run->out, format, args);
		va_end(args);
		fprintf(run->out, "\n");
	} else if (run->failures == TOLD_MAX + 1) {
		fprintf(run->out, "    and more\n");
	}
	pthread_mutex_unlock(&run->lock);
	return false;
}

bool ds_equal_at(struct ds_run *run, const char *file, int line,
		 const char *expected, long long got, long long wanted)
{
	if (got == wanted)
		return true;
	return ds_fail(run, file, line, expected, "%lld is not %lld", got,
		       wanted);
}

void ds_skip(struct ds_run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(run->skip, sizeof(run->skip), format, args);
	va_end(args);
}

/* ---- The device ---------------------------------------------------------- */

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static bool is_power(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool learn(struct ds_run *run)
{
	const struct mpio_limits *limits = &run->device->limits;
	uint64_t usable = run->device->size < ds_size(run) ? run->device->size
							   : ds_size(run);

	run->unit = limits->logical_block_size;
	if (run->unit == 0)
		run->unit = BLOCK;
	run->align = max_u32(limits->memory_alignment, 1);
	if (!ds_expect(run, is_power(run->unit) && is_power(run->align),
		       "a block of %" PRIu32 ", memory aligned to %" PRIu32,
		       run->unit, run->align))
		return false;
	run->block = max_u32(max_u32(run->unit, run->align), BLOCK);
	run->count = (uint32_t)(usable / run->block);
	run->generation = calloc(run->count + 1, sizeof(*run->generation));
	if (run->generation == NULL)
		abort();
	return ds_expect(run, run->count >= 256,
			 "only %" PRIu32 " blocks of %" PRIu32 " bytes",
			 run->count, run->block);
}

bool ds_open(struct ds_run *run, uint64_t size)
{
	int error = run->suite->open(run->suite->ctx, size, &run->device);

	if (error != 0) {
		run->device = NULL;
		return ds_expect(run, error == 0, "open: %d, %s", error,
				 mpio_strerror(error));
	}
	if (!learn(run)) {
		ds_close(run);
		return false;
	}
	return true;
}

void ds_close(struct ds_run *run)
{
	struct mpio_device *device = run->device;

	free(run->generation);
	run->generation = NULL;
	run->device = NULL;
	if (device == NULL)
		return;
	if (run->suite->close != NULL)
		run->suite->close(run->suite->ctx, device);
	else if (device->ops.close != NULL)
		device->ops.close(device);
}

/* ---- The clock ----------------------------------------------------------- */

static void give_up(struct ds_run *run, uint32_t seconds)
{
	fprintf(run->out, "    %s has not ended after %" PRIu32 " s\n",
		run->test, seconds);
	ds_print_flying(run);
	fprintf(run->out, "FAIL %s\n", run->test);
	fflush(run->out);
	abort();
}

/* Seconds are counted one by one, so that a clock set anew does no harm. */
static void *watch(void *ctx)
{
	struct ds_run *run = ctx;
	uint32_t seconds = run->suite->deadline != 0 ? run->suite->deadline
						     : (uint32_t)DEADLINE;
	uint32_t passed = 0;
	struct timespec tick;

	pthread_mutex_lock(&run->lock);
	while (run->running && passed < seconds) {
		int error = 0;

		clock_gettime(CLOCK_REALTIME, &tick);
		tick.tv_sec++;
		while (run->running && error == 0)
			error = pthread_cond_timedwait(&run->over, &run->lock,
						       &tick);
		passed++;
	}
	if (run->running)
		give_up(run, seconds);
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

/* ---- The tests ----------------------------------------------------------- */

static void run_on_device(struct ds_run *run, const struct ds_test *test)
{
	if (!(test->needs & DS_OPENS) && !ds_open(run, ds_size(run)))
		return;
	if ((test->needs & DS_WRITES) && run->device != NULL &&
	    (run->device->limits.features & MPIO_DEVICE_READONLY))
		ds_skip(run, "the device is read only");
	else
		test->run(run);
	ds_close(run);
}

static void run_watched(struct ds_run *run, const struct ds_test *test)
{
	pthread_t watcher;

	run->test = test->name;
	run->failures = 0;
	run->opened = 0;
	run->skip[0] = '\0';
	run->running = true;
	if (pthread_create(&watcher, NULL, watch, run) != 0)
		abort();
	run_on_device(run, test);
	pthread_mutex_lock(&run->lock);
	run->running = false;
	pthread_cond_signal(&run->over);
	pthread_mutex_unlock(&run->lock);
	pthread_join(watcher, NULL);
}

static const struct ds_test *find(unsigned index)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct ds_test *test = tables[i]; test->name != NULL;
		     test++) {
			if (index-- == 0)
				return test;
		}
	}
	return NULL;
}

const char *mpio_device_suite_test(unsigned index)
{
	const struct ds_test *test = find(index);

	return test != NULL ? test->name : NULL;
}

static uint64_t some_seed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec << 20 ^ (uint64_t)now.tv_nsec) &
	       0xffffffff;
}

/* A device that cannot be opened fails the suite once, not each test. */
static bool can_open(struct ds_run *run)
{
	struct mpio_device *device;
	int error = run->suite->open(run->suite->ctx, ds_size(run), &device);

	if (error != 0) {
		fprintf(run->out, "FAIL open: %d, %s\n", error,
			mpio_strerror(error));
		return false;
	}
	run->device = device;
	ds_close(run);
	return true;
}

static void run_all(struct ds_run *run, unsigned *counts)
{
	const char *only = run->suite->only;
	const struct ds_test *test;

	for (unsigned i = 0; (test = find(i)) != NULL; i++) {
		if (only != NULL && strcmp(only, test->name) != 0)
			continue;
		run_watched(run, test);
		if (run->failures != 0)
			fprintf(run->out, "FAIL %s\n", test->name);
		else if (run->skip[0] != '\0')
			fprintf(run->out, "skip %s: %s\n", test->name,
				run->skip);
		else
			fprintf(run->out, "ok %s\n", test->name);
		fflush(run->out);
		counts[run->failures != 0 ? 1 : run->skip[0] != 0 ? 2 : 0]++;
	}
}

int mpio_device_suite_run(const struct mpio_device_suite *suite, FILE *out)
{
	struct ds_run run = {
		.suite = suite,
		.out = out,
		.seed = suite->seed != 0 ? suite->seed : some_seed(),
	};
	unsigned counts[3] = {0}; /* passed, failed, skipped */

	if (pthread_mutex_init(&run.lock, NULL) != 0 ||
	    pthread_cond_init(&run.over, NULL) != 0)
		abort();
	fprintf(out, "device suite: %s, seed %" PRIu64 "\n",
		suite->name != NULL ? suite->name : "a device", run.seed);
	if (can_open(&run))
		run_all(&run, counts);
	else
		counts[1]++;
	fprintf(out, "%u passed, %u failed, %u skipped\n", counts[0], counts[1],
		counts[2]);
	fflush(out);
	pthread_cond_destroy(&run.over);
	pthread_mutex_destroy(&run.lock);
	return (int)counts[1];
}

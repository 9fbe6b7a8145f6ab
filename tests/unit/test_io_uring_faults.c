/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring and a kernel that refuses, does less than it was asked for,
 * and tells errors: each call in turn, once, from then on, and every third
 * time. Nothing is lost, nothing ends twice, nothing hangs, and what is told
 * is true.
 */
#include "io_uring/ring_work.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>

/* A kind of device that the faults are swept over. */
struct device_kind {
	const char *name;
	struct mpio_io_uring_config config;
	uint32_t lacks; /* IORING_SETUP_* */
	unsigned int entries;
	unsigned int stride; /* each so many calls */
};

/* Who looks for races needs not every call: it would take minutes. */
#ifdef __SANITIZE_THREAD__
#define SPARSE 7u
#else
#define SPARSE 1u
#endif

/* Once, from then on, every third. */
static const unsigned int steps[] = {0, 1, 3};

/* A fault at each call, until there is no such call; how many fired. */
static unsigned int sweep(struct mpio_device *device,
			  const struct device_kind *kind,
			  const struct ring_fault *fault, bool may_fail)
{
	struct work_options options = {.may_fail = may_fail, .announce = true};
	unsigned int total = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		unsigned int first = 1;

		do {
			unsigned int errors;

			options.volatile_only = steps[i] != 0;
			ring_host_reset();
			host = (struct host){0};
			ring_host.entries = kind->entries;
			ring_host.lacks = kind->lacks;
			ring_host.fault = *fault;
			/* Else a fast disk would leave nothing to wait for. */
			ring_host.is_late = fault->call == RING_WAIT;
			ring_host.first = first;
			ring_host.step = steps[i];
			work_deadline("%s: call %d, errno %d, less %u, at %u, "
				      "step %u",
				      kind->name, (int)fault->call,
				      fault->error, fault->less, first,
				      steps[i]);
			errors = work_run(device, &options);
			total += ring_host.fired;
			if (ring_host.fired == 0)
				assert_int_equal(errors, 0);
			first += kind->stride;
		} while (ring_host.fired > 0);
	}
	work_deadline_end();
	return total;
}

/*
 * The same over devices of all kinds; each has to meet it. With `sparse`, not
 * at each call: what is much like a fault that was swept already.
 */
static void sweep_kinds(const struct ring_fault *fault, bool may_fail,
			unsigned int sparse)
{
	static const struct device_kind kinds[] = {
		{.name = "cached", .stride = 1},
		{.name = "direct", .config.file.direct = true, .stride = 1},
		{.name = "cooperative",
		 .lacks = IORING_SETUP_SINGLE_ISSUER,
		 .stride = 5},
		{.name = "plain", .config.roaming = true, .stride = 5},
		{.name = "kernel thread", .config.sqpoll = true, .stride = 9},
		{.name = "small rings", .entries = 2, .stride = 5},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct device_kind kind = kinds[i];
		struct mpio_device *device;

		ring_host_reset();
		ring_host.lacks = kind.lacks;
		work_make_file();
		device = work_open(&kind.config);
		kind.stride *= sparse * SPARSE;
		if (sweep(device, &kind, fault, may_fail) == 0)
			fail_msg("%s: no fault fired", kind.name);
		mpio_device_close(device);
	}
}

/* ---- Refusals ------------------------------------------------------------- */

static const int passing[] = {EAGAIN, EINTR, EBUSY, ENOMEM};

static void submissions_that_are_refused_are_done_all_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		struct ring_fault fault = {.call = RING_SUBMIT,
					   .error = passing[i]};

		sweep_kinds(&fault, false, i == 0 ? 1 : 5);
	}
}

static void submissions_taken_in_part_lose_nothing(void **state)
{
	const struct ring_fault fault = {.call = RING_SUBMIT};

	(void)state;
	sweep_kinds(&fault, false, 1);
}

static void waits_that_are_refused_lose_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		struct ring_fault fault = {.call = RING_WAIT,
					   .error = passing[i]};

		sweep_kinds(&fault, false, i == 0 ? 1 : 5);
	}
}

/* ---- Completions ---------------------------------------------------------- */

static void short_completions_are_gone_on_with(void **state)
{
	static const uint32_t less[] = {1, 512, UINT32_MAX / 2};

	(void)state;
	for (size_t i = 0; i < sizeof(less) / sizeof(less[0]); i++) {
		struct ring_fault fault = {.call = RING_COMPLETION,
					   .less = less[i]};

		sweep_kinds(&fault, false, i == 0 ? 1 : 5);
	}
}

static void completions_that_say_again_are_done_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ring_fault fault = {.call = RING_COMPLETION,
					   .error = passing[i]};

		sweep_kinds(&fault, false, i == 0 ? 1 : 5);
	}
}

static void completions_with_an_error_tell_it(void **state)
{
	static const int errors[] = {EIO, ENOSPC};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct ring_fault fault = {.call = RING_COMPLETION,
					   .error = errors[i]};

		sweep_kinds(&fault, true, i == 0 ? 2 : 5);
	}
}

/* Each read and write that reaches the disk, as where block 0 is a hole. */
static void what_a_disk_does_not_poll_is_done_all_the_same(void **state)
{
	const struct mpio_io_uring_config config = {.iopoll = true,
						    .file.direct = true};
	struct work_options options = {.may_fail = true};

	(void)state;
	for (int polls = 1; polls >= 0; polls--) {
		struct mpio_device *device;
		unsigned int errors;

		ring_host_reset();
		ring_host.polls = polls != 0;
		ring_host.lacks = polls != 0 ? 0 : IORING_SETUP_IOPOLL;
		work_make_file();
		device = work_open(&config);
		assert_int_equal(
			strstr(work_describe(device), "polled") != NULL, polls);
		ring_host.fault = (struct ring_fault){
			.call = RING_COMPLETION, .error = EOPNOTSUPP, .ops = 3};
		ring_host.first = ring_host.step = 1;
		work_deadline("not supported, polled %d", polls);
		errors = work_run(device, &options);
		assert_true(ring_host.fired > 0);
		/* Elsewhere it is an error like others. */
		assert_int_equal(errors == 0, polls);
		work_deadline_end();
		mpio_device_close(device);
	}
}

/* ---- Nothing works any more ----------------------------------------------- */

/* The kernel refuses for ever, and what is then done blocking fails, too. */
static void errors_of_the_last_resort_are_told(void **state)
{
	struct work_options options = {.may_fail = true};
	struct mpio_device *device;

	(void)state;
	work_make_file();
	device = work_open(NULL);
	for (unsigned int first = 1; first < 40; first += 6) {
		ring_host_reset();
		ring_host.fault = (struct ring_fault){.call = RING_SUBMIT,
						      .error = EAGAIN};
		ring_host.first = ring_host.step = 1;
		host = (struct host){.fail_at = first, .fail_errno = EIO};
		work_deadline("no resort, from %u on", first);
		assert_true(work_run(device, &options) > 0);
		assert_true(ring_host.fired > 0);
		assert_true(host.calls >= first);
	}
	work_deadline_end();
	host = (struct host){0};
	mpio_device_close(device);
}

/* An error that does not pass is told, and not tried for ever. */
static void a_ring_that_is_broken_is_told(void **state)
{
	struct work_options options = {.may_fail = true};
	struct mpio_device *device;

	(void)state;
	work_make_file();
	device = work_open(NULL);
	for (unsigned int first = 1; first < 20; first += 3) {
		ring_host_reset();
		ring_host.fault = (struct ring_fault){.call = RING_SUBMIT,
						      .error = EFAULT};
		ring_host.first = first;
		ring_host.step = 1;
		work_deadline("broken from %u on", first);
		assert_true(work_run(device, &options) > 0);
		assert_true(ring_host.fired > 0);
	}
	work_deadline_end();
	mpio_device_close(device);
}

static void a_ring_that_is_not_enabled_is_done_without(void **state)
{
	struct work_options options = {0};
	struct mpio_device *device;

	(void)state;
	work_make_file();
	device = work_open(NULL);
	for (unsigned int step = 0; step < 2; step++) {
		ring_host_reset();
		ring_host.fault = (struct ring_fault){.call = RING_ENABLE,
						      .error = EAGAIN};
		ring_host.first = 1;
		ring_host.step = step;
		work_deadline("not enabled, step %u", step);
		assert_int_equal(work_run(device, &options), 0);
		assert_true(ring_host.fired > 0 ||
			    ring_host.calls[RING_ENABLE] == 0);
	}
	work_deadline_end();
	mpio_device_close(device);
}

/* ---- Opening -------------------------------------------------------------- */

/* One of the calls that open a device and a queue, refused: less, or an error
 * that is told; never more than that. */
static unsigned int open_with_a_fault(const struct ring_fault *fault,
				      unsigned int first)
{
	struct work_options options = {.announce = true};
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_device *device = NULL;
	struct mpio_queue *queue = NULL;
	int error;

	ring_host_reset();
	ring_host.fault = *fault;
	ring_host.first = first;
	error = mpio_io_uring_open(PATH, NULL, &device);
	if (error == 0)
		error = mpio_queue_open(device, &config, &queue);
	if (error != 0)
		assert_int_equal(error, mpio_error_from_host(fault->error));
	else
		mpio_queue_close(queue);
	ring_host.first = 0;
	if (device != NULL) {
		work_deadline("opened with call %d, at %u", (int)fault->call,
			      first);
		assert_int_equal(work_run(device, &options), 0);
		work_deadline_end();
	}
	mpio_device_close(device);
	return ring_host.fired;
}

static void what_fails_at_opening_is_told_or_done_without(void **state)
{
	static const enum ring_call calls[] = {RING_OPEN, RING_FILE, RING_TABLE,
					       RING_PROBE};

	(void)state;
	work_make_file();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (size_t k = 0; k < sizeof(passing) / sizeof(int); k++) {
			struct ring_fault fault = {.call = calls[i],
						   .error = passing[k]};
			unsigned int first = 1;

			while (open_with_a_fault(&fault, first) > 0)
				first++;
			assert_true(first > 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(submissions_that_are_refused_are_done_all_the_same),
		TEST(submissions_taken_in_part_lose_nothing),
		TEST(waits_that_are_refused_lose_nothing),
		TEST(short_completions_are_gone_on_with),
		TEST(completions_that_say_again_are_done_again),
		TEST(completions_with_an_error_tell_it),
		TEST(what_a_disk_does_not_poll_is_done_all_the_same),
		TEST(errors_of_the_last_resort_are_told),
		TEST(a_ring_that_is_broken_is_told),
		TEST(a_ring_that_is_not_enabled_is_done_without),
		TEST(what_fails_at_opening_is_told_or_done_without),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

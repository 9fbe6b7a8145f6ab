/* SPDX-License-Identifier: MIT */
/*
 * Backend libaio with a kernel that refuses, takes a part, interrupts, and
 * ends I/O short or with an error; with the ring read in user space, and with
 * one that may not be.
 */
#include "aio_faults.h"
#include "workload.h"

#include <errno.h>
#include <libaio.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <mpio/backends/libaio.h>

/* ---- Tools --------------------------------------------------------------- */

static struct mpio_device *open_libaio(bool direct)
{
	const struct mpio_libaio_config config = {.file.direct = direct};
	struct mpio_device *device = NULL;

	assert_int_equal(mpio_libaio_open(PATH, &config, &device), 0);
	return device;
}

static int set_up(void **state)
{
	(void)state;
	aio_kernel_reset();
	faults_arm(NULL, 0);
	return 0;
}

/*
 * Sweep one fault, once and for ever, through the page cache and, if the file
 * system has that, past it. For ever means `times` if that is not 0.
 */
static void sweep(enum call call, int kind, int may_tell, unsigned times)
{
	bool direct = has_direct();
	unsigned fired = 0;

	for (int i = 0; i < (direct ? 4 : 2); i++) {
		struct workload workload = {
			.open = open_libaio,
			.direct = i >= 2,
			/* Only what is truly flushed is waited for. */
			.spare_disk = call != CALL_FETCH,
			.may_tell = may_tell,
			.faults[0] = {.call = call,
				      .kind = kind,
				      .times = i % 2 == 0 ? 1 : times},
			.fault_count = 1,
		};

		fired += workload_sweep(&workload);
	}
	print_message("%u faults\n", fired);
}

/* The same with a ring that is read, and with one that is not. */
static void sweep_both(enum call call, int kind, int may_tell)
{
	sweep(call, kind, may_tell, 0);
	kernel.is_odd = true;
	sweep(call, kind, may_tell, 0);
	kernel.is_odd = false;
}

/* Whether a text of the device has a line. */
static bool says(struct mpio_device *device, const char *line)
{
	char text[4096];

	assert_true(mpio_device_describe(device, text, sizeof(text)) <
		    sizeof(text));
	return strstr(text, line) != NULL;
}

/* ---- Opening ------------------------------------------------------------- */

static void without_asynchronous_io_nothing_is_opened_or_made(void **state)
{
	static const int errors[][2] = {{ENOSYS, -MPIO_ENOSYS},
					{EAGAIN, -MPIO_EAGAIN},
					{ENOMEM, -MPIO_ENOMEM}};
	const struct mpio_libaio_config config = {
		.file = {.create = true, .size = 65536}};
	struct mpio_device *device = NULL;

	(void)state;
	unlink(PATH);
	for (int i = 0; i < 3; i++) {
		kernel.setup_error = errors[i][0];
		assert_int_equal(mpio_libaio_open(PATH, &config, &device),
				 errors[i][1]);
		assert_null(device);
		assert_int_equal(access(PATH, F_OK), -1);
	}
	assert_int_equal(kernel.setups, 3);
}

static void a_queue_without_context_is_refused(void **state)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_device *device;
	struct mpio_queue *queue = NULL;

	(void)state;
	make_file();
	device = open_libaio(false);
	kernel.setup_error = EAGAIN;
	assert_int_equal(mpio_queue_open(device, &config, &queue),
			 -MPIO_EAGAIN);
	assert_null(queue);
	kernel.setup_error = 0;
	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	close_both(queue);
}

static void options_are_those_of_a_file(void **state)
{
	char good[] = "direct=0&readonly=1";
	char bad[] = "threads=3";
	struct mpio_device *device = NULL;

	(void)state;
	make_file();
	assert_int_equal(mpio_libaio_open_uri(PATH, bad, &device),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_libaio_open_uri(PATH, good, &device), 0);
	assert_true(device->limits.features & MPIO_DEVICE_READONLY);
	mpio_device_close(device);
}

static void what_was_found_is_told(void **state)
{
	struct mpio_device *device;

	(void)state;
	make_file();
	device = open_libaio(false);
	assert_true(says(device, "backend: libaio\n"));
	assert_true(says(device, "flush: asynchronous\n"));
	assert_true(says(device, "reap: user space\n"));
	mpio_device_close(device);
	kernel.is_odd = true;
	kernel.lacks_flush = true;
	device = open_libaio(false);
	assert_true(says(device, "flush: blocking\n"));
	assert_true(says(device, "reap: system call\n"));
	mpio_device_close(device);
}

/* ---- Faults -------------------------------------------------------------- */

static void without_faults_all_is_well(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++) {
		struct workload workload = {.open = open_libaio,
					    .direct = (i & 1) != 0,
					    .by_events = (i & 2) != 0};

		kernel.is_odd = (i & 4) != 0;
		kernel.lacks_flush = (i & 8) != 0;
		if (!workload.direct || has_direct())
			assert_int_equal(workload_run(&workload), 0);
	}
}

static void what_is_refused_is_sent_later(void **state)
{
	(void)state;
	sweep(CALL_SUBMIT, EAGAIN, 0, 0);
	sweep(CALL_SUBMIT, EINTR, 0, 0);
	sweep(CALL_SUBMIT, EBUSY, 0, 0);
	kernel.is_odd = true;
	sweep(CALL_SUBMIT, ENOMEM, 0, 0);
}

static void what_is_refused_for_good_is_done_blocking(void **state)
{
	(void)state;
	sweep(CALL_SUBMIT, EINVAL, 0, 0);
	sweep(CALL_SUBMIT, EIO, 0, 0);
}

static struct mpio_device *open_without_flush(bool direct)
{
	struct mpio_device *device = open_libaio(direct);

	assert_true(says(device, "flush: asynchronous\n"));
	kernel.lacks_flush = true; /* on this file */
	return device;
}

static void a_flush_that_a_file_does_not_take_is_done_blocking(void **state)
{
	const struct workload workload = {
		.open = open_without_flush,
		.may_tell = -MPIO_EIO,
		.faults[0] = {.call = CALL_SYNC, .kind = EIO, .nth = 1},
		.fault_count = 1,
	};

	(void)state;
	assert_true(workload_run(&workload) > 0);
}

static void what_is_taken_in_part_is_sent_in_parts(void **state)
{
	(void)state;
	sweep(CALL_SUBMIT_ANY, KIND_ONE, 0, 0);
	kernel.is_odd = true;
	sweep(CALL_SUBMIT_ANY, KIND_ALL_BUT_ONE, 0, 0);
}

static void what_is_left_of_a_part_keeps_its_order(void **state)
{
	unsigned fired = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct workload workload = {
			.open = open_libaio,
			.spare_disk = true,
			.faults = {{.call = CALL_SUBMIT,
				    .kind = EAGAIN,
				    .times = i % 2},
				   {.call = CALL_SUBMIT_ANY,
				    .kind = i < 2 ? KIND_ONE : KIND_ALL_BUT_ONE,
				    .nth = 1}},
			.fault_count = 2,
		};

		fired += workload_sweep(&workload);
	}
	print_message("%u faults\n", fired);
}

static void what_ends_short_is_continued(void **state)
{
	(void)state;
	sweep_both(CALL_COMPLETION, KIND_SHORT_BYTE, 0);
	sweep(CALL_COMPLETION, KIND_SHORT_SECTOR, 0, 0);
	sweep(CALL_COMPLETION, KIND_SHORT_ALL, 0, 0);
}

static void what_ends_in_passing_is_done_again(void **state)
{
	(void)state;
	sweep_both(CALL_COMPLETION, EAGAIN, 0);
	sweep(CALL_COMPLETION, EINTR, 0, 0);
}

static void what_fails_is_told(void **state)
{
	(void)state;
	sweep_both(CALL_COMPLETION, EIO, -MPIO_EIO);
	sweep(CALL_COMPLETION, ENOSPC, -MPIO_ENOSPC, 0);
}

/* Where the ring can be read an interrupted wait loses no time, for ever. */
static void an_interrupted_wait_is_taken_up_again(void **state)
{
	(void)state;
	sweep(CALL_FETCH, EINTR, 0, 0);
	kernel.is_odd = true;
	sweep(CALL_FETCH, EINTR, 0, 50);
	sweep(CALL_FETCH, EAGAIN, 0, 50);
	sweep(CALL_FETCH, KIND_ONE, 0, 0);
}

static void a_wait_that_fails_loses_nothing(void **state)
{
	(void)state;
	sweep(CALL_FETCH, ENOMEM, -MPIO_ENOMEM, 0);
	kernel.is_odd = true;
	sweep(CALL_FETCH, EBUSY, -MPIO_EBUSY, 0);
}

/* Refused for ever, and what is left is in trouble too. */
static void the_last_resort_may_fail_like_any_call(void **state)
{
	static const enum call calls[] = {CALL_READ, CALL_WRITE, CALL_SYNC};
	static const int kinds[][2] = {{KIND_SHORT_BYTE, 0},
				       {KIND_SHORT_SECTOR, -MPIO_EIO},
				       {KIND_SHORT_ALL, -MPIO_EIO},
				       {EINTR, 0},
				       {EAGAIN, -MPIO_EAGAIN},
				       {ENOMEM, -MPIO_ENOMEM},
				       {EIO, -MPIO_EIO}};
	unsigned fired = 0;

	(void)state;
	for (int i = 0; i < 3 * 7; i++) {
		enum call call = calls[i / 7];
		const int *kind = kinds[i % 7];
		struct workload workload = {
			.open = open_libaio,
			.direct = i % 2 == 1 && has_direct(),
			.spare_disk = true,
			.may_tell = kind[1],
			.faults = {{.call = call, .kind = kind[0], .times = 1},
				   {.call = CALL_SUBMIT,
				    .kind = EAGAIN,
				    .nth = 1}},
			.fault_count = 2,
		};

		if (call == CALL_SYNC && kind[0] < 0)
			continue;
		fired += workload_sweep(&workload);
	}
	print_message("%u faults\n", fired);
}

/* ---- Bio by bio ---------------------------------------------------------- */

struct seen {
	unsigned ends;
	int status;
};

static void note(struct mpio_bio *bio)
{
	struct seen *seen = bio->ctx;

	seen->ends++;
	seen->status = bio->status;
	mpio_bio_put(bio);
}

static struct mpio_bio *read_block(struct mpio_queue *queue, unsigned block,
				   struct seen *seen)
{
	static _Alignas(4096) char memory[16][4096];
	struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);

	assert_non_null(bio);
	bio->offset = (uint64_t)block * 4096;
	bio->end_io = note;
	bio->ctx = seen;
	assert_int_equal(mpio_bio_add(bio, memory[block], 4096), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	return bio;
}

static void what_is_refused_keeps_its_order(void **state)
{
	const struct fault refuse = {
		.call = CALL_SUBMIT, .kind = EAGAIN, .nth = 2};
	static const unsigned order[] = {3, 9, 1, 7, 2};
	struct seen seen[5] = {{0}};
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	queue = open_queue(open_libaio(false));
	kernel.sent_count = 0;
	faults_arm(&refuse, 1);
	for (int i = 0; i < 5; i++)
		read_block(queue, order[i], &seen[i]);
	assert_int_equal(kernel.sent_count, 1);
	assert_int_equal(mpio_queue_stats(queue)->in_flight, 5);
	faults_lift();
	assert_int_equal(mpio_queue_drain(queue), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(seen[i].ends, 1);
		assert_int_equal(seen[i].status, 0);
		assert_int_equal(kernel.sent[i], order[i] * 4096);
	}
	assert_int_equal(kernel.sent_count, 5);
	close_both(queue);
	alarm(0);
}

/*
 * The disk gets four as soon as they are made. When it has something to do, as
 * many wait as are half of that: fewer system calls.
 */
static void the_busier_the_disk_the_more_are_sent_together(void **state)
{
	static const long together[] = {4, 4, 4, 6, 9, 5};
	const struct mpio_allocator allocator = mpio_allocator_libc();
	const struct mpio_queue_config config = {.allocator = &allocator};
	struct seen seen[32] = {{0}};
	struct mpio_device *device;
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	device = open_libaio(false);
	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	mpio_queue_plug(queue);
	for (unsigned i = 0; i < 32; i++)
		read_block(queue, i % 16, &seen[i]);
	kernel.call_count = 0;
	mpio_queue_unplug(queue);
	assert_int_equal(kernel.call_count, 6);
	assert_memory_equal(kernel.calls, together, sizeof(together));
	assert_int_equal(mpio_queue_drain(queue), 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(seen[i].ends, 1);
	close_both(queue);
	alarm(0);
}

static void what_is_not_sent_can_be_cancelled(void **state)
{
	const struct fault refuse = {
		.call = CALL_SUBMIT, .kind = EBUSY, .nth = 2};
	struct seen seen[4] = {{0}};
	struct mpio_bio *bios[4];
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	queue = open_queue(open_libaio(false));
	kernel.sent_count = 0;
	faults_arm(&refuse, 1);
	for (unsigned i = 0; i < 4; i++)
		bios[i] = read_block(queue, i, &seen[i]);
	mpio_bio_cancel(bios[2]);
	assert_int_equal(seen[2].ends, 1);
	assert_int_equal(seen[2].status, -MPIO_ECANCELED);
	mpio_bio_cancel(bios[0]); /* the kernel has it */
	faults_lift();
	assert_int_equal(mpio_queue_drain(queue), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(seen[i].ends, 1);
		assert_int_equal(seen[i].status, i == 2 ? -MPIO_ECANCELED : 0);
	}
	assert_int_equal(kernel.sent_count, 3);
	close_both(queue);
	alarm(0);
}

static bool is_readable(int fd, int timeout)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, timeout) == 1;
}

/* Whatever has ended before the descriptor was asked for. */
static void the_event_fd_is_readable_while_something_has_ended(void **state)
{
	const struct fault few = {
		.call = CALL_FETCH, .kind = KIND_ONE, .nth = 1};
	struct seen seen[8] = {{0}};
	struct mpio_queue *queue;
	int fd;

	(void)state;
	for (int odd = 0; odd < 2; odd++) {
		kernel.is_odd = odd == 1;
		make_file();
		start_deadline();
		queue = open_queue(open_libaio(has_direct()));
		read_block(queue, 9, &seen[0]);
		assert_int_equal(mpio_queue_drain(queue), 0);
		fd = mpio_queue_event_fd(queue);
		assert_true(fd >= 0);
		assert_false(is_readable(fd, 0));
		faults_arm(&few, 1);
		for (unsigned i = 0; i < 8; i++)
			read_block(queue, i, &seen[i]);
		while (mpio_queue_stats(queue)->in_flight != 0) {
			assert_true(is_readable(fd, -1));
			assert_true(mpio_queue_poll(queue) >= 0);
		}
		assert_int_equal(mpio_queue_poll(queue), 0);
		assert_false(is_readable(fd, 0));
		close_both(queue);
		alarm(0);
		faults_arm(NULL, 0);
	}
}

/* Asked for late, it tells of what is on its way. */
static void an_event_fd_asked_for_late_misses_nothing(void **state)
{
	struct seen seen = {0};
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	queue = open_queue(open_libaio(false));
	read_block(queue, 1, &seen); /* through the cache: it has ended */
	assert_true(is_readable(mpio_queue_event_fd(queue), -1));
	assert_int_equal(mpio_queue_poll(queue), 1);
	assert_int_equal(seen.ends, 1);
	assert_false(is_readable(mpio_queue_event_fd(queue), 0));
	close_both(queue);
	alarm(0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_asynchronous_io_nothing_is_opened_or_made),
		TEST(a_queue_without_context_is_refused),
		TEST(options_are_those_of_a_file),
		TEST(what_was_found_is_told),
		TEST(without_faults_all_is_well),
		TEST(what_is_refused_is_sent_later),
		TEST(what_is_refused_for_good_is_done_blocking),
		TEST(a_flush_that_a_file_does_not_take_is_done_blocking),
		TEST(what_is_taken_in_part_is_sent_in_parts),
		TEST(what_is_left_of_a_part_keeps_its_order),
		TEST(what_ends_short_is_continued),
		TEST(what_ends_in_passing_is_done_again),
		TEST(what_fails_is_told),
		TEST(an_interrupted_wait_is_taken_up_again),
		TEST(a_wait_that_fails_loses_nothing),
		TEST(the_last_resort_may_fail_like_any_call),
		TEST(what_is_refused_keeps_its_order),
		TEST(the_busier_the_disk_the_more_are_sent_together),
		TEST(what_is_not_sent_can_be_cancelled),
		TEST(the_event_fd_is_readable_while_something_has_ended),
		TEST(an_event_fd_asked_for_late_misses_nothing),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

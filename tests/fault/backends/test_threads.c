/* SPDX-License-Identifier: MIT */
/*
 * Backend threads: the calls of its workers fail, come short or take their
 * time, and several threads use one device.
 */
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mpio/backends/threads.h>

#define BLOCK 4096u

/* ---- Making threads ------------------------------------------------------ */

static unsigned create_fails_at; /* this call of pthread_create; 0: none */
static unsigned creates;
static uint32_t pool; /* threads that open_threads() asks for */

typedef void *thread_fn(void *data);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  thread_fn *start, void *data);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  thread_fn *start, void *data);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  thread_fn *start, void *data)
{
	if (++creates == create_fails_at)
		return EAGAIN;
	return __real_pthread_create(thread, attributes, start, data);
}

static int set_up(void **state)
{
	(void)state;
	create_fails_at = 0;
	creates = 0;
	pool = 0;
	faults_arm(NULL, 0);
	return 0;
}

static struct mpio_device *open_threads(bool direct)
{
	const struct mpio_threads_config config = {.file.direct = direct,
						   .threads = pool};
	struct mpio_device *device = NULL;

	assert_int_equal(mpio_threads_open(PATH, &config, &device), 0);
	return device;
}

/* Threads of this process. */
static unsigned threads_now(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(directory);
	return n;
}

/* One that has been joined may still be seen for a moment. */
static void wait_for_threads(unsigned n)
{
	while (threads_now() != n)
		sched_yield();
}

static void *nothing(void *data)
{
	return data;
}

/* A sanitizer's own thread comes with the first one. */
static int have_threads(void **state)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) != 0)
		return -1;
	pthread_join(thread, NULL);
	return set_up(state);
}

/* ---- Opening ------------------------------------------------------------- */

static void without_threads_nothing_is_opened_or_made(void **state)
{
	const struct mpio_threads_config config = {
		.file = {.create = true, .size = 65536}};
	struct mpio_device *device = NULL;
	unsigned before = threads_now();

	(void)state;
	unlink(PATH);
	start_deadline();
	for (create_fails_at = 1; create_fails_at <= 4; create_fails_at++) {
		creates = 0;
		assert_int_equal(mpio_threads_open(PATH, &config, &device),
				 -MPIO_EAGAIN);
		assert_null(device);
		assert_int_equal(access(PATH, F_OK), -1);
		wait_for_threads(before);
	}
	creates = 0;
	create_fails_at = 0;
	assert_int_equal(mpio_threads_open("missing", NULL, &device),
			 -MPIO_ENOENT);
	wait_for_threads(before);
	alarm(0);
}

static void options_are_those_of_a_file_and_threads(void **state)
{
	static const char *const bad[] = {"threads=65", "threads=x", "thread=1",
					  "threads=-1", "sqpoll=1"};
	struct mpio_device *device = NULL;
	unsigned before = threads_now();
	char text[4096];
	char good[] = "threads=3&readonly=1";

	(void)state;
	make_file();
	start_deadline();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(text, bad[i]);
		assert_int_equal(mpio_threads_open_uri(PATH, text, &device),
				 -MPIO_EINVAL);
	}
	assert_int_equal(mpio_threads_open_uri(PATH, good, &device), 0);
	wait_for_threads(before + 3);
	mpio_device_describe(device, text, sizeof(text));
	assert_non_null(strstr(text, "backend: threads\n"));
	assert_non_null(strstr(text, "threads: 3\n"));
	assert_true(device->limits.features & MPIO_DEVICE_READONLY);
	mpio_device_close(device);
	wait_for_threads(before);
	device = open_threads(false);
	wait_for_threads(before + 4);
	mpio_device_close(device);
	alarm(0);
}

/* ---- Faults -------------------------------------------------------------- */

static void without_faults_all_is_well(void **state)
{
	static const uint32_t pools[] = {0, 1, 2, 64};

	(void)state;
	for (int i = 0; i < 16; i++) {
		struct workload workload = {.open = open_threads,
					    .direct = (i & 1) != 0,
					    .by_events = (i & 2) != 0};

		pool = pools[i / 4];
		if (!workload.direct || has_direct())
			assert_int_equal(workload_run(&workload), 0);
	}
}

/*
 * Sweep one fault over reads, writes and flushes: so many times from the n-th
 * call on, 0 being for ever.
 */
static void sweep(int kind, unsigned times, int may_tell)
{
	static const enum call calls[] = {CALL_READ, CALL_WRITE, CALL_SYNC};
	int n = has_direct() ? 6 : 3;
	unsigned fired = 0;

	for (int i = 0; i < n; i++) {
		struct workload workload = {
			.open = open_threads,
			.direct = i >= 3,
			.spare_disk = true,
			.may_tell = may_tell,
			.faults[0] = {.call = calls[i % 3],
				      .kind = kind,
				      .times = times},
			.fault_count = 1,
		};

		if (calls[i % 3] != CALL_SYNC || kind > 0)
			fired += workload_sweep(&workload);
	}
	print_message("%u faults\n", fired);
}

static void short_calls_are_continued(void **state)
{
	(void)state;
	sweep(KIND_SHORT_BYTE, 1, 0);
	/* Of one sector nothing is left, and that is the end of a file. */
	sweep(KIND_SHORT_SECTOR, 1, -MPIO_EIO);
	sweep(KIND_SHORT_SECTOR, 0, -MPIO_EIO);
	sweep(KIND_SHORT_ALL, 1, -MPIO_EIO);
	sweep(KIND_SHORT_ALL, 0, -MPIO_EIO);
}

static void interrupted_calls_are_repeated(void **state)
{
	(void)state;
	sweep(EINTR, 1, 0);
	sweep(EINTR, 50, 0);
}

static void what_fails_is_told(void **state)
{
	static const int errors[][2] = {{EAGAIN, -MPIO_EAGAIN},
					{EBUSY, -MPIO_EBUSY},
					{ENOMEM, -MPIO_ENOMEM},
					{EIO, -MPIO_EIO}};

	(void)state;
	for (int i = 0; i < 4; i++) {
		sweep(errors[i][0], 1, errors[i][1]);
		sweep(errors[i][0], 0, errors[i][1]);
	}
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

static struct mpio_bio *begin(struct mpio_queue *queue, enum mpio_bio_op op,
			      uint64_t block, void *memory, struct seen *seen)
{
	struct mpio_bio *bio = mpio_bio_get(queue, op, 0);

	assert_non_null(bio);
	bio->offset = block * BLOCK;
	bio->end_io = note;
	bio->ctx = seen;
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	return bio;
}

/* The first is slow: without care the second would be done before it. */
static void what_is_written_twice_ends_as_written_last(void **state)
{
	const struct fault slow = {
		.call = CALL_WRITE, .kind = KIND_SLOW, .nth = 1, .times = 1};
	static unsigned char memory[4][BLOCK];
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	queue = open_queue(open_threads(false));
	for (int round = 0; round < 10; round++) {
		struct seen seen[4] = {{0}};

		memset(memory[0], 1, BLOCK);
		memset(memory[1], 2, BLOCK);
		memset(memory[2], 3, BLOCK);
		faults_arm(&slow, 1);
		begin(queue, MPIO_BIO_WRITE, 5, memory[0], &seen[0]);
		begin(queue, MPIO_BIO_WRITE, 5, memory[1], &seen[1]);
		begin(queue, MPIO_BIO_WRITE, 9, memory[2], &seen[2]);
		begin(queue, MPIO_BIO_READ, 5, memory[3], &seen[3]);
		assert_int_equal(mpio_queue_drain(queue), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(seen[i].ends, 1);
		assert_memory_equal(memory[3], memory[1], BLOCK);
		assert_int_equal(faults_fired(0), 1);
	}
	close_both(queue);
	alarm(0);
}

/* Each read waits for the three others. */
static void one_commit_keeps_all_workers_busy(void **state)
{
	const struct fault meet = {.call = CALL_READ,
				   .kind = KIND_MEET,
				   .nth = 1,
				   .times = FAULTS_MEET};
	static unsigned char memory[FAULTS_MEET][BLOCK];
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	pool = FAULTS_MEET;
	queue = open_queue(open_threads(false));
	for (int round = 0; round < 50; round++) {
		struct seen seen = {0};

		faults_arm(&meet, 1);
		mpio_queue_plug(queue);
		for (unsigned i = 0; i < FAULTS_MEET; i++)
			begin(queue, MPIO_BIO_READ, 2 * i, memory[i], &seen);
		mpio_queue_unplug(queue);
		assert_int_equal(mpio_queue_drain(queue), 0);
		assert_int_equal(seen.ends, FAULTS_MEET);
		assert_int_equal(faults_fired(0), FAULTS_MEET);
	}
	close_both(queue);
	alarm(0);
}

static void what_is_not_begun_can_be_cancelled(void **state)
{
	const struct fault slow = {
		.call = CALL_READ, .kind = KIND_SLOW, .nth = 1, .times = 1};
	static unsigned char memory[4][BLOCK];
	struct seen seen[4] = {{0}};
	struct mpio_bio *bios[4];
	struct mpio_queue *queue;

	(void)state;
	make_file();
	start_deadline();
	pool = 1;
	queue = open_queue(open_threads(false));
	faults_arm(&slow, 1);
	for (unsigned i = 0; i < 4; i++)
		bios[i] = begin(queue, MPIO_BIO_READ, i, memory[i], &seen[i]);
	for (int i = 3; i > 0; i -= 2) {
		mpio_bio_cancel(bios[i]);
		assert_int_equal(seen[i].ends, 1);
		assert_int_equal(seen[i].status, -MPIO_ECANCELED);
	}
	assert_int_equal(mpio_queue_drain(queue), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(seen[i].ends, 1);
		assert_int_equal(seen[i].status,
				 i % 2 == 1 ? -MPIO_ECANCELED : 0);
	}
	close_both(queue);
	alarm(0);
}

static bool is_readable(int fd, int timeout)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, timeout) == 1;
}

static void the_event_fd_is_readable_while_something_is_done(void **state)
{
	static unsigned char memory[8][BLOCK];
	struct seen seen[8] = {{0}};
	struct mpio_queue *queue;
	int fd;

	(void)state;
	make_file();
	start_deadline();
	queue = open_queue(open_threads(false));
	begin(queue, MPIO_BIO_READ, 1, memory[0], &seen[0]);
	fd = mpio_queue_event_fd(queue); /* of what is on its way, too */
	assert_true(is_readable(fd, -1));
	assert_int_equal(mpio_queue_poll(queue), 1);
	assert_false(is_readable(fd, 0));
	for (int round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 8; i++)
			begin(queue, MPIO_BIO_READ, i, memory[i], &seen[i]);
		while (mpio_queue_stats(queue)->in_flight != 0) {
			assert_true(is_readable(fd, -1));
			assert_true(mpio_queue_poll(queue) > 0);
		}
		assert_false(is_readable(fd, 0));
	}
	assert_int_equal(mpio_queue_event_fd(queue), fd);
	close_both(queue);
	alarm(0);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals = signals + 1;
}

static void workers_take_no_signals(void **state)
{
	struct mpio_device *device;
	sigset_t set;
	sigset_t now;

	(void)state;
	make_file();
	signal(SIGUSR1, count_signal);
	device = open_threads(false);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &now);
	assert_int_equal(sigismember(&now, SIGUSR1), 0); /* as it was */
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	mpio_device_close(device);
	assert_int_equal(signals, 0);
	pthread_sigmask(SIG_SETMASK, &now, NULL);
	assert_int_equal(signals, 1);
}

/* ---- Several threads ----------------------------------------------------- */

struct user {
	struct mpio_device *device;
	unsigned index;
	unsigned mistakes;
	pthread_t thread;
};

/* Write a block of one's own, and read it back, over and over. */
static void *use(void *data)
{
	struct user *user = data;
	struct mpio_queue *queue = open_queue(user->device);
	unsigned char memory[8][BLOCK];
	unsigned char back[BLOCK];

	for (int round = 0; round < 100; round++) {
		struct seen seen = {0};

		for (unsigned i = 0; i < 8; i++) {
			memset(memory[i], round + (int)i, BLOCK);
			begin(queue, MPIO_BIO_WRITE, user->index * 8 + i,
			      memory[i], &seen);
		}
		user->mistakes += mpio_queue_drain(queue) != 0;
		user->mistakes += seen.ends != 8 || seen.status != 0;
		for (unsigned i = 0; i < 8; i++) {
			begin(queue, MPIO_BIO_READ, user->index * 8 + i, back,
			      &seen);
			user->mistakes += mpio_queue_wait(queue) != 1;
			user->mistakes += memcmp(back, memory[i], BLOCK) != 0;
		}
	}
	mpio_queue_close(queue);
	return NULL;
}

static void several_threads_share_a_device(void **state)
{
	struct mpio_device *device;
	struct user users[6];

	(void)state;
	make_file();
	start_deadline();
	device = open_threads(false);
	for (unsigned i = 0; i < 6; i++) {
		users[i] = (struct user){.device = device, .index = i};
		assert_int_equal(
			pthread_create(&users[i].thread, NULL, use, &users[i]),
			0);
	}
	for (unsigned i = 0; i < 6; i++) {
		pthread_join(users[i].thread, NULL);
		assert_int_equal(users[i].mistakes, 0);
	}
	mpio_device_close(device);
	alarm(0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			without_threads_nothing_is_opened_or_made,
			have_threads),
		cmocka_unit_test_setup(options_are_those_of_a_file_and_threads,
				       have_threads),
		TEST(without_faults_all_is_well),
		TEST(short_calls_are_continued),
		TEST(interrupted_calls_are_repeated),
		TEST(what_fails_is_told),
		TEST(what_is_written_twice_ends_as_written_last),
		TEST(one_commit_keeps_all_workers_busy),
		TEST(what_is_not_begun_can_be_cancelled),
		TEST(the_event_fd_is_readable_while_something_is_done),
		TEST(workers_take_no_signals),
		TEST(several_threads_share_a_device),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring: opening, what is taken of what the kernel has, and
 * announced memory.
 */
#include "io_uring/ring_work.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_open_fails(const struct mpio_io_uring_config *config,
			      int error)
{
	struct mpio_device *device = (struct mpio_device *)&ring_host;

	assert_int_equal(mpio_io_uring_open(PATH, config, &device), error);
	assert_ptr_equal(device, &ring_host);
}

/* ---- Opening -------------------------------------------------------------- */

static void a_system_without_rings_says_so_and_makes_no_file(void **state)
{
	static const int errors[][2] = {{ENOSYS, -MPIO_ENOSYS},
					{EPERM, -MPIO_EPERM},
					{ENOMEM, -MPIO_ENOMEM},
					{EMFILE, -MPIO_EMFILE}};
	const struct mpio_io_uring_config create = {
		.file = {.create = true, .size = 8192}};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		ring_host_reset();
		ring_host.fault = (struct ring_fault){.call = RING_OPEN,
						      .error = errors[i][0]};
		ring_host.first = ring_host.step = 1;
		assert_open_fails(&create, errors[i][1]);
		assert_int_equal(access(PATH, F_OK), -1);
	}
	/* So old that it cannot be asked what it can. */
	ring_host_reset();
	ring_host.fault =
		(struct ring_fault){.call = RING_PROBE, .error = EINVAL};
	ring_host.first = 1;
	assert_open_fails(&create, -MPIO_ENOSYS);
	assert_int_equal(access(PATH, F_OK), -1);
}

static void a_file_that_cannot_be_opened_is_told(void **state)
{
	const struct mpio_io_uring_config no_size = {.file.create = true};

	(void)state;
	assert_open_fails(NULL, -MPIO_ENOENT);
	assert_open_fails(&no_size, -MPIO_EINVAL);
}

static void a_queue_that_gets_no_ring_is_told(void **state)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_queue *queue = NULL;
	struct mpio_device *device;

	(void)state;
	make_file(PATH, 4096);
	device = work_open(NULL);
	ring_host_reset();
	ring_host.fault =
		(struct ring_fault){.call = RING_OPEN, .error = ENOMEM};
	ring_host.first = 1;
	assert_int_equal(mpio_queue_open(device, &config, &queue),
			 -MPIO_ENOMEM);
	assert_null(queue);
	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	close_both(queue);
}

static int open_uri(const char *options, struct mpio_device **device)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", options);
	return mpio_io_uring_open_uri(PATH, text, device);
}

static void a_uri_may_say_how(void **state)
{
	static const char *const bad[] = {"sqpoll=2", "roaming",
					  "iopoll=", "threads=1", "direct=x"};
	struct mpio_device *device = NULL;

	(void)state;
	make_file(PATH, 8192);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(open_uri(bad[i], &device), -MPIO_EINVAL);
	assert_null(device);
	assert_int_equal(open_uri("roaming=1&size=4K&readonly=1", &device), 0);
	assert_non_null(strstr(work_describe(device), "ring: plain\n"));
	assert_int_equal(device->size, 4096);
	assert_true(device->limits.features & MPIO_DEVICE_READONLY);
	mpio_device_close(device);
	assert_int_equal(
		mpio_device_open("io_uring:" PATH "?direct=1", &device), 0);
	assert_memory_equal(work_describe(device), "backend: io_uring\n", 18);
	mpio_device_close(device);
}

/* ---- What is taken -------------------------------------------------------- */

struct rung {
	struct mpio_io_uring_config config;
	struct ring_host host;
	const char *said;
	const char *said_too;
};

static const struct rung rungs[] = {
	{.said = "ring: single issuer, deferred task work\n",
	 .said_too = "memory: registered when announced, many pieces\n"},
	{.config.file.direct = true,
	 .said = "ring: single issuer, deferred task work\n",
	 .said_too = "descriptor: registered\n"},
	{.host.lacks_vectors = true,
	 .said = "memory: registered when announced, one piece\n",
	 .said_too = "descriptor: registered\n"},
	{.host.lacks_memory = true,
	 .said = "memory: not registered\n",
	 .said_too = "not here: registered memory (invalid argument)\n"},
	{.host.lacks_files = true,
	 .said = "descriptor: not registered\n",
	 .said_too = "not here: registered descriptor (invalid argument)\n"},
	{.host.lacks = IORING_SETUP_DEFER_TASKRUN,
	 .said = "ring: cooperative task work\n",
	 .said_too = "not here: single issuer (invalid argument)\n"},
	{.config.file.direct = true,
	 .host.lacks = IORING_SETUP_DEFER_TASKRUN,
	 .said = "ring: cooperative task work\n",
	 .said_too = "file: regular file, direct I/O\n"},
	{.host.lacks = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
	 .said = "ring: plain\n",
	 .said_too = "not here: cooperative task work (invalid argument)\n"},
	{.config.roaming = true, .said = "ring: plain\n", .said_too = ""},
	{.config = {.roaming = true, .file.direct = true},
	 .host = {.lacks_files = true,
		  .lacks_memory = true,
		  .lacks_vectors = true},
	 .said = "ring: plain\n",
	 .said_too = "memory: not registered\n"},
	{.config.sqpoll = true,
	 .said = "ring: submissions taken by a kernel thread\n",
	 .said_too = "descriptor: registered\n"},
	{.config = {.sqpoll = true, .file.direct = true},
	 .said = "ring: submissions taken by a kernel thread\n",
	 .said_too = "descriptor: registered\n"},
	{.config.sqpoll = true,
	 .host.lacks = IORING_SETUP_SQPOLL,
	 .said = "ring: single issuer, deferred task work\n",
	 .said_too = "not here: sqpoll (invalid argument)\n"},
	{.config.iopoll = true,
	 .said = "ring: single issuer, deferred task work\n",
	 .said_too = "not here: iopoll (not supported)\n"},
	{.config = {.iopoll = true, .file.direct = true},
	 .host.lacks = IORING_SETUP_IOPOLL,
	 .said = "ring: single issuer, deferred task work\n",
	 .said_too = "not here: iopoll (invalid argument)\n"},
	/* Whether the disk can be polled or not. */
	{.config = {.iopoll = true, .file.direct = true},
	 .said = "ring: single issuer, deferred task work",
	 .said_too = "iopoll"},
	{.host.entries = 2, .said = "ring: single", .said_too = ""},
	{.config.sqpoll = true,
	 .host.entries = 2,
	 .said = "ring: sub",
	 .said_too = ""},
	{.host.cq_small = 4, .said = "ring: single", .said_too = ""},
	{.config.roaming = true,
	 .host.cq_small = 4,
	 .said = "ring: plain",
	 .said_too = ""},
};

static void assert_said(struct mpio_device *device, const char *said)
{
	const char *text = work_describe(device);

	if (strstr(text, said) == NULL && strcmp(said, "iopoll") != 0)
		fail_msg("'%s' is not in: %s", said, text);
}

/* Fixed I/O and durable writes are used exactly where they can be. */
static void assert_used(const struct rung *rung, struct mpio_device *device,
			bool announced)
{
	bool fixed = announced && !rung->host.lacks_memory;
	bool vectors =
		fixed && strstr(work_describe(device), "one piece") == NULL;

	assert_int_equal(ring_host.fixed > 0, fixed);
	assert_int_equal(ring_host.fixed_vectors > 0, vectors);
	if (device->limits.features & MPIO_DEVICE_FUA)
		assert_int_equal(ring_host.durable, 2);
	assert_in_range(ring_host.submitted, 50, 80);
	assert_in_range(ring_host.calls[RING_SUBMIT], 1, 80);
}

static void each_rung_of_the_ladder_carries_the_work(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++) {
		const struct rung *rung = &rungs[i];
		struct mpio_device *device;

		ring_host = rung->host;
		work_make_file();
		device = work_open(&rung->config);
		assert_said(device, rung->said);
		assert_said(device, rung->said_too);
		for (int announce = 0; announce < 2; announce++) {
			struct work_options options = {.announce = announce};

			ring_host = rung->host;
			work_deadline("rung %zu", i);
			assert_int_equal(work_run(device, &options), 0);
			if (rung->host.cq_small == 0 && rung->host.entries == 0)
				assert_used(rung, device, announce);
		}
		work_deadline_end();
		mpio_device_close(device);
	}
}

/* Whether the disk can be polled or not: of a new file, block 0 tells nothing. */
static void a_new_file_may_be_polled(void **state)
{
	const struct mpio_io_uring_config config = {
		.iopoll = true,
		.file = {.direct = true, .create = true, .size = 256 * KIB}};
	struct mpio_queue *queue;

	(void)state;
	queue = open_queue(work_open(&config));
	for (int round = 0; round < 2; round++) {
		assert_int_equal(
			write_pattern(queue, 0, 64 * KIB, 4096, 64 * KIB), 0);
		assert_int_equal(read_pattern(queue, 64 * KIB, 4096, 64 * KIB),
				 0);
	}
	assert_int_equal(read_zeros(queue, 0, 64 * KIB), 0);
	close_both(queue);
}

static void without_durable_writes_fua_is_a_flush(void **state)
{
	struct work_options options = {0};
	struct mpio_device *device;

	(void)state;
	work_make_file();
	device = work_open(NULL);
	device->limits.features &= ~(uint32_t)MPIO_DEVICE_FUA;
	assert_int_equal(work_run(device, &options), 0);
	assert_int_equal(ring_host.durable, 0);
	mpio_device_close(device);
}

/* ---- Announced memory ----------------------------------------------------- */

static uint64_t refused(const struct mpio_queue *queue)
{
	return mpio_queue_stats(queue)->memory_refused;
}

static void memory_that_is_refused_is_counted_and_works(void **state)
{
	unsigned char *memory = pieces(65536);
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 65536);
	queue = open_queue(work_open(NULL));
	ring_host.fault =
		(struct ring_fault){.call = RING_ANNOUNCE, .error = ENOMEM};
	ring_host.first = 1;
	assert_int_equal(mpio_queue_register_memory(queue, memory, 65536), 0);
	assert_int_equal(refused(queue), 1);
	assert_int_equal(read_into(queue, 0, memory, 65536, 65536), 0);
	assert_int_equal(ring_host.fixed, 0);
	assert_int_equal(mpio_queue_register_memory(queue, memory, 65536), 0);
	assert_int_equal(refused(queue), 1);
	assert_int_equal(read_into(queue, 0, memory, 65536, 65536), 0);
	assert_int_equal(ring_host.fixed, 1);
	for (uint32_t i = 0; i < 65536; i++)
		assert_int_equal(memory[i], byte_at(i));
	close_both(queue);
	free(memory);
}

static void only_memory_that_lies_in_it_whole_is_fixed(void **state)
{
	unsigned char *memory = pieces(65536);
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 65536);
	queue = open_queue(work_open(NULL));
	/* In an odd order, and the last a second time. */
	assert_int_equal(
		mpio_queue_register_memory(queue, memory + 24576, 8192), 0);
	assert_int_equal(mpio_queue_register_memory(queue, memory, 8192), 0);
	assert_int_equal(mpio_queue_register_memory(queue, memory, 512), 0);
	assert_int_equal(ring_host.calls[RING_ANNOUNCE], 2);
	for (uint32_t at = 0; at <= 32768; at += 512) {
		bool inside = at <= 8192 - 1024 ||
			      (at >= 24576 && at <= 32768 - 1024);

		ring_host.fixed = 0;
		assert_int_equal(read_into(queue, at, memory + at, 1024, 1024),
				 0);
		assert_int_equal(ring_host.fixed, inside);
		assert_int_equal(memory[at + 1023], byte_at(at + 1023));
	}
	close_both(queue);
	free(memory);
}

static void the_table_of_memory_may_be_full(void **state)
{
	unsigned char *memory = pieces(512 * KIB);
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 65536);
	queue = open_queue(work_open(NULL));
	for (uint32_t i = 0; i < 65; i++) {
		assert_int_equal(mpio_queue_register_memory(
					 queue, memory + i * 8192, 4096),
				 0);
		assert_int_equal(refused(queue), i == 64);
	}
	assert_int_equal(read_into(queue, 0, memory + 63 * 8192, 512, 512), 0);
	assert_int_equal(ring_host.fixed, 1);
	close_both(queue);
	free(memory);
}

static void large_memory_is_announced_in_pieces_or_not_at_all(void **state)
{
	size_t length = ((size_t)2 << 30) + 4096;
	void *memory = mmap(NULL, length, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct mpio_queue *queue;

	(void)state;
	if (memory == MAP_FAILED)
		skip();
	make_file(PATH, 65536);
	queue = open_queue(work_open(NULL));
	ring_host.announces_nothing = true;
	ring_host.fault =
		(struct ring_fault){.call = RING_ANNOUNCE, .error = ENOMEM};
	ring_host.first = 3;
	assert_int_equal(mpio_queue_register_memory(queue, memory, length), 0);
	assert_int_equal(refused(queue), 1);
	assert_int_equal(ring_host.calls[RING_ANNOUNCE], 3 + 2);
	assert_int_equal(mpio_queue_register_memory(queue, memory, length), 0);
	assert_int_equal(refused(queue), 1);
	assert_int_equal(ring_host.calls[RING_ANNOUNCE], 3 + 2 + 3);
	close_both(queue);
	munmap(memory, length);
}

/* In a process of its own: it gives up what lets root lock memory. */
static int announce_without_a_right_to(void)
{
	struct rlimit none = {.rlim_cur = 64 * KIB, .rlim_max = 64 * KIB};
	unsigned char *memory = pieces(512 * KIB);
	struct mpio_device *device = work_open(NULL);
	struct mpio_queue *queue;

	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
		return 77;
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
		return 77;
	queue = open_queue(device);
	(void)mpio_queue_register_memory(queue, memory, 512 * KIB);
	if (refused(queue) != 1 ||
	    read_into(queue, 0, memory, 65536, 65536) != 0 ||
	    memory[65535] != byte_at(65535) || ring_host.fixed != 0)
		return 1;
	close_both(queue);
	free(memory);
	return 0;
}

static void a_limit_on_locked_memory_does_no_harm(void **state)
{
	pid_t child;
	int status;

	(void)state;
	make_file(PATH, 65536);
	fflush(stdout);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(announce_without_a_right_to());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(a_system_without_rings_says_so_and_makes_no_file),
		RING_TEST(a_file_that_cannot_be_opened_is_told),
		RING_TEST(a_queue_that_gets_no_ring_is_told),
		RING_TEST(a_uri_may_say_how),
		RING_TEST(each_rung_of_the_ladder_carries_the_work),
		RING_TEST(a_new_file_may_be_polled),
		RING_TEST(without_durable_writes_fua_is_a_flush),
		RING_TEST(memory_that_is_refused_is_counted_and_works),
		RING_TEST(only_memory_that_lies_in_it_whole_is_fixed),
		RING_TEST(the_table_of_memory_may_be_full),
		RING_TEST(large_memory_is_announced_in_pieces_or_not_at_all),
		RING_TEST(a_limit_on_locked_memory_does_no_harm),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

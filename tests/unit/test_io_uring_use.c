/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring in use: threads, the event loop, cancelling.
 */
#include "io_uring/ring_work.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- Threads -------------------------------------------------------------- */

#define THREADS 4u
#define THREAD_BYTES (64u * KIB)

/* What one thread does with a queue; asserts are only for the main thread. */
struct user {
	struct mpio_device *device; /* to open a queue on, or */
	struct mpio_queue *queue;   /* one that is open */
	pthread_barrier_t *barrier; /* all are here; NULL: only this one */
	uint64_t offset;
	int first_error;
	unsigned int wrong;
	unsigned int ended;
};

static void user_ended(struct mpio_bio *bio)
{
	struct user *user = bio->ctx;
	const unsigned char *memory = bio->vecs->base;

	user->ended++;
	if (bio->status != 0 && user->first_error == 0)
		user->first_error = bio->status;
	for (uint32_t i = 0; i < bio->length; i++) {
		if (bio->op == MPIO_BIO_READ && bio->status == 0 &&
		    memory[i] != byte_at(bio->offset + i))
			user->wrong++;
	}
	mpio_bio_put(bio);
}

/* Write or read all that is the user's, by bios of 4 KiB. */
static void use(struct user *user, enum mpio_bio_op op, unsigned char *memory)
{
	for (uint32_t at = 0; at < THREAD_BYTES; at += 4096) {
		struct mpio_bio *bio = mpio_bio_get(user->queue, op, 0);

		bio->offset = user->offset + at;
		bio->end_io = user_ended;
		bio->ctx = user;
		(void)mpio_bio_add(bio, memory + at, 4096);
		(void)mpio_bio_submit(bio);
	}
	(void)mpio_queue_drain(user->queue);
}

/*
 * All rings are open before any is closed: liburing maps and unmaps them behind
 * the back of ThreadSanitizer, which takes a new one at the place of an old one
 * for the same memory.
 */
static void meet(struct user *user)
{
	if (user->barrier != NULL)
		(void)pthread_barrier_wait(user->barrier);
}

static void *write_and_read(void *argument)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct user *user = argument;
	unsigned char *memory = malloc(THREAD_BYTES);
	bool own = user->queue == NULL;

	if (own)
		user->first_error =
			mpio_queue_open(user->device, &config, &user->queue);
	meet(user);
	if (user->queue == NULL || memory == NULL)
		return NULL;
	for (uint32_t i = 0; i < THREAD_BYTES; i++)
		memory[i] = byte_at(user->offset + i);
	use(user, MPIO_BIO_WRITE, memory);
	memset(memory, 0, THREAD_BYTES);
	use(user, MPIO_BIO_READ, memory);
	meet(user);
	if (own)
		mpio_queue_close(user->queue);
	free(memory);
	return NULL;
}

static void in_a_thread(struct user *user)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_and_read, user),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void threads_share_a_device_each_with_its_queue(void **state)
{
	const struct mpio_io_uring_config config = {
		.file = {.create = true, .size = THREADS * THREAD_BYTES}};
	struct mpio_device *device = work_open(&config);
	struct user users[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;

	(void)state;
	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		users[i] = (struct user){
			.device = device,
			.barrier = &barrier,
			.offset = (uint64_t)i * THREAD_BYTES,
		};
		assert_int_equal(pthread_create(&threads[i], NULL,
						write_and_read, &users[i]),
				 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(users[i].first_error, 0);
		assert_int_equal(users[i].wrong, 0);
		assert_int_equal(users[i].ended, 2 * THREAD_BYTES / 4096);
	}
	pthread_barrier_destroy(&barrier);
	mpio_device_close(device);
	assert_file_is_pattern(PATH, THREADS * THREAD_BYTES);
}

static void a_queue_belongs_to_the_thread_that_submits_first(void **state)
{
	const struct mpio_io_uring_config config = {
		.file = {.create = true, .size = THREAD_BYTES}};
	struct user user = {.queue = open_queue(work_open(&config))};
	bool single = strstr(work_describe(mpio_queue_device(user.queue)),
			     "single issuer,") != NULL;

	(void)state;
	in_a_thread(&user);
	assert_int_equal(user.first_error, 0);
	assert_int_equal(user.wrong, 0);
	assert_int_equal(user.ended, 2 * THREAD_BYTES / 4096);
	/* Another is told so, and nothing hangs. */
	user.ended = 0;
	in_a_thread(&user);
	assert_int_equal(user.first_error, single ? -MPIO_EEXIST : 0);
	assert_int_equal(user.ended, 2 * THREAD_BYTES / 4096);
	close_both(user.queue);
}

static void a_roaming_queue_goes_from_thread_to_thread(void **state)
{
	const struct mpio_io_uring_config config = {
		.file = {.create = true, .size = THREAD_BYTES},
		.roaming = true};
	struct user user = {.queue = open_queue(work_open(&config))};

	(void)state;
	for (unsigned int i = 1; i <= 3; i++) {
		in_a_thread(&user);
		assert_int_equal(user.first_error, 0);
		assert_int_equal(user.wrong, 0);
		assert_int_equal(user.ended, i * 2 * THREAD_BYTES / 4096);
	}
	close_both(user.queue);
}

/* ---- The event loop ------------------------------------------------------- */

static int wake_ups(int loop, int timeout_ms)
{
	struct epoll_event event;
	int n;

	do {
		n = epoll_wait(loop, &event, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Read all by bios, driven by the loop alone; then the loop is quiet. */
static void read_by_loop(struct mpio_queue *queue, int loop)
{
	unsigned char *memory = malloc(THREAD_BYTES);
	struct user user = {.queue = queue};
	unsigned int wakes = 0;

	mpio_queue_plug(queue);
	for (uint32_t at = 0; at < THREAD_BYTES; at += 4096) {
		struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);

		assert_non_null(bio);
		bio->offset = at;
		bio->end_io = user_ended;
		bio->ctx = &user;
		assert_int_equal(mpio_bio_add(bio, memory + at, 4096), 0);
		assert_int_equal(mpio_bio_submit(bio), 0);
	}
	mpio_queue_unplug(queue);
	while (user.ended < THREAD_BYTES / 4096) {
		assert_int_equal(wake_ups(loop, 10000), 1);
		assert_true(mpio_queue_poll(queue) >= 0);
		wakes++;
	}
	/* One may come while another is looked at, but none for nothing. */
	assert_true(wakes <= 2 * THREAD_BYTES / 4096);
	/* After refusals it may be told once more; looking ends that. */
	if (ring_host.fired > 0)
		assert_int_equal(mpio_queue_poll(queue), 0);
	assert_int_equal(wake_ups(loop, 0), 0);
	assert_int_equal(user.first_error, 0);
	assert_int_equal(user.wrong, 0);
	free(memory);
}

static void an_event_loop_is_woken_and_does_not_spin(void **state)
{
	static const struct {
		struct mpio_io_uring_config config;
		uint32_t lacks; /* IORING_SETUP_* */
	} kinds[] = {
		{.config.file.direct = true},
		{.config.file.direct = false},
		{.config.file.direct = true,
		 .lacks = IORING_SETUP_SINGLE_ISSUER},
		{.config = {.file.direct = true, .roaming = true}},
		{.config = {.file.direct = true, .sqpoll = true}},
	};

	(void)state;
	make_file(PATH, THREAD_BYTES);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct epoll_event event = {.events = EPOLLIN};
		int loop = epoll_create1(EPOLL_CLOEXEC);
		struct mpio_queue *queue;

		ring_host_reset();
		ring_host.lacks = kinds[i].lacks;
		work_deadline("event loop %zu", i);
		queue = open_queue(work_open(&kinds[i].config));
		/* Before anybody has submitted. */
		assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD,
					   mpio_queue_event_fd(queue), &event),
				 0);
		assert_int_equal(wake_ups(loop, 0), 0);
		for (int round = 0; round < 20; round++)
			read_by_loop(queue, loop);
		close_both(queue);
		close(loop);
		work_deadline_end();
	}
}

/* Each call of the kernel refused, or taken in part, once and for ever. */
static void an_event_loop_is_woken_after_refusals(void **state)
{
	static const int errors[] = {EAGAIN, EBUSY, 0};
	unsigned int fired = 0;

	(void)state;
	make_file(PATH, THREAD_BYTES);
	for (unsigned int i = 0; i < 3 * 3; i++) {
		const struct mpio_io_uring_config direct = {
			.file.direct = i < 6, .roaming = i % 2};
		struct mpio_queue *queue = open_queue(work_open(&direct));
		struct epoll_event event = {.events = EPOLLIN};
		int loop = epoll_create1(EPOLL_CLOEXEC);

		assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD,
					   mpio_queue_event_fd(queue), &event),
				 0);
		for (unsigned int n = 1; n <= 6; n++) {
			ring_host_reset();
			ring_host.fault = (struct ring_fault){
				.call = RING_SUBMIT, .error = errors[i % 3]};
			ring_host.first = n;
			ring_host.step = i / 3;
			work_deadline("refused: %d, at %u, step %u",
				      errors[i % 3], n, i / 3);
			read_by_loop(queue, loop);
			read_by_loop(queue, loop);
			fired += ring_host.fired;
		}
		work_deadline_end();
		close_both(queue);
		close(loop);
	}
	assert_true(fired > 0);
}

/* It has been told of a submission, but not woken. */
static void a_kernel_thread_that_sleeps_is_woken_again(void **state)
{
	const struct mpio_io_uring_config config = {.sqpoll = true};
	unsigned char *memory = pieces(4096);
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 8192);
	queue = open_queue(work_open(&config));
	if (strstr(work_describe(mpio_queue_device(queue)), "kernel thread")) {
		ring_host.fault = (struct ring_fault){.call = RING_SUBMIT,
						      .error = EINTR};
		ring_host.first = ring_host.calls[RING_SUBMIT] + 1;
		ring_host.sleeps_on = true;
		work_deadline("a sleeper");
		assert_int_equal(read_into(queue, 0, memory, 4096, 4096), 0);
		work_deadline_end();
		assert_int_equal(memory[4095], byte_at(4095));
		assert_int_equal(ring_host.fired, 1);
	}
	close_both(queue);
	free(memory);
}

/* ---- Cancelling ----------------------------------------------------------- */

static int last_status;

static void note_status(struct mpio_bio *bio)
{
	last_status = bio->status;
	mpio_bio_put(bio);
}

static struct mpio_bio *make_read(struct mpio_queue *queue, void *memory)
{
	struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);

	assert_non_null(bio);
	bio->end_io = note_status;
	assert_int_equal(mpio_bio_add(bio, memory, 4096), 0);
	last_status = 1;
	return bio;
}

/* What the kernel has not taken, for now. */
static void an_unsent_bio_is_cancelled_at_once(void **state)
{
	unsigned char *memory = pieces(4096);
	struct mpio_queue *queue;
	struct mpio_bio *bio;

	(void)state;
	make_file(PATH, 8192);
	queue = open_queue(work_open(NULL));
	/* One is in flight, so the other is not done blocking. */
	assert_int_equal(mpio_bio_submit(make_read(queue, memory)), 0);
	ring_host.fault =
		(struct ring_fault){.call = RING_SUBMIT, .error = EAGAIN};
	ring_host.first = ring_host.calls[RING_SUBMIT] + 1;
	ring_host.step = 1;
	bio = make_read(queue, memory + 4096);
	assert_int_equal(mpio_bio_submit(bio), 0);
	mpio_bio_cancel(bio);
	if (ring_host.fired > 0)
		assert_int_equal(last_status, -MPIO_ECANCELED);
	ring_host_reset();
	assert_int_equal(mpio_queue_drain(queue), 0);
	close_both(queue);
	free(memory);
}

static void a_bio_that_was_interrupted_since_is_not_gone_on_with(void **state)
{
	unsigned char *memory = pieces(4096);
	struct mpio_queue *queue;
	struct mpio_bio *bio;

	(void)state;
	make_file(PATH, 8192);
	queue = open_queue(work_open(NULL));
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		ring_host_reset();
		ring_host.fault = (struct ring_fault){.call = RING_COMPLETION,
						      .error = EINTR};
		ring_host.first = 1;
		bio = make_read(queue, memory);
		assert_int_equal(mpio_bio_submit(bio), 0);
		if (cancelled)
			mpio_bio_cancel(bio);
		assert_int_equal(mpio_queue_drain(queue), 0);
		assert_int_equal(ring_host.fired, 1);
		assert_int_equal(last_status, cancelled ? -MPIO_ECANCELED : 0);
	}
	close_both(queue);
	free(memory);
}

/* A pipe never gives what the kernel is asked for. */
static void what_the_kernel_waits_for_can_be_cancelled(void **state)
{
	unsigned char *memory = pieces(4096);
	struct mpio_queue *queue;
	struct mpio_device *device;
	struct mpio_bio *bio;
	int ends[2];

	(void)state;
	make_file(PATH, 8192);
	ring_host.lacks_files = true;
	device = work_open(NULL);
	queue = open_queue(device);
	assert_int_equal(pipe(ends), 0);
	ring_host.file = ends[0];
	bio = make_read(queue, memory);
	assert_int_equal(mpio_bio_submit(bio), 0);
	work_deadline("cancel");
	assert_int_equal(mpio_queue_poll(queue), 0);
	mpio_bio_cancel(bio);
	assert_int_equal(mpio_queue_drain(queue), 0);
	work_deadline_end();
	assert_int_equal(last_status, -MPIO_ECANCELED);
	close_both(queue);
	close(ends[0]);
	close(ends[1]);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(threads_share_a_device_each_with_its_queue),
		RING_TEST(a_queue_belongs_to_the_thread_that_submits_first),
		RING_TEST(a_roaming_queue_goes_from_thread_to_thread),
		RING_TEST(an_event_loop_is_woken_and_does_not_spin),
		RING_TEST(an_event_loop_is_woken_after_refusals),
		RING_TEST(a_kernel_thread_that_sleeps_is_woken_again),
		RING_TEST(an_unsent_bio_is_cancelled_at_once),
		RING_TEST(a_bio_that_was_interrupted_since_is_not_gone_on_with),
		RING_TEST(what_the_kernel_waits_for_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

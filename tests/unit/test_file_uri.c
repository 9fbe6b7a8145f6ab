/* SPDX-License-Identifier: MIT */
/*
 * 'file:' takes the best backend that works, and says which and why. What a
 * system without io_uring, libaio or threads does is played by wrappers, which
 * the linker puts in.
 */
#define _GNU_SOURCE
#include <mpio/error.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "test_file_uri.data"

/* What the system lacks. */
static bool no_io_uring;
static bool no_enter; /* a ring can be made, but not used */
static bool no_libaio;
static bool no_threads;

struct io_uring;
struct io_uring_params;
typedef struct io_context *io_context_t;
typedef void *thread_fn(void *);

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_setup(int depth, io_context_t *context);
int __wrap_io_setup(int depth, io_context_t *context);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  thread_fn *start, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  thread_fn *start, void *arg);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	if (no_io_uring)
		return -EPERM;
	return __real_io_uring_queue_init_params(entries, ring, params);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	return no_enter ? -EPERM : __real_io_uring_submit(ring);
}

int __wrap_io_setup(int depth, io_context_t *context)
{
	return no_libaio ? -ENOSYS : __real_io_setup(depth, context);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  thread_fn *start, void *arg)
{
	if (no_threads)
		return EAGAIN;
	return __real_pthread_create(thread, attributes, start, arg);
}

/* ---- What is said -------------------------------------------------------- */

static int make_file(void **state)
{
	FILE *file = fopen(FILE_NAME, "w");

	(void)state;
	no_io_uring = no_enter = no_libaio = no_threads = false;
	if (file == NULL)
		return -1;
	for (int i = 0; i < 65536; i++)
		fputc(i / 512, file);
	return fclose(file);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(FILE_NAME);
}

/* The line that begins with a name, without it; to be freed. */
static char *line_of(struct mpio_device *device, const char *name)
{
	char text[4096];
	char *line;

	assert_true(mpio_device_describe(device, text, sizeof(text)) <
		    sizeof(text));
	line = strstr(text, name);
	assert_non_null(line);
	assert_true(line == text || line[-1] == '\n');
	line += strlen(name);
	line[strcspn(line, "\n")] = '\0';
	return strdup(line);
}

static void assert_line(struct mpio_device *device, const char *name,
			const char *expected)
{
	char *line = line_of(device, name);

	assert_string_equal(line, expected);
	free(line);
}

static void set_status(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
}

/* Whether it moves bytes, too. */
static void assert_reads(struct mpio_device *device)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_queue *queue;
	struct mpio_bio *bio;
	unsigned char data[1024];
	int status = 1;

	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);
	bio->offset = 512;
	bio->end_io = set_status;
	bio->ctx = &status;
	assert_int_equal(mpio_bio_add(bio, data, sizeof(data)), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(queue), 0);
	assert_int_equal(status, 0);
	assert_int_equal(data[0], 1);
	assert_int_equal(data[1023], 2);
	mpio_bio_put(bio);
	mpio_queue_close(queue);
}

static void assert_file_is(const char *backend, const char *why)
{
	struct mpio_device *device;

	assert_int_equal(
		mpio_device_open("file:" FILE_NAME "?readonly=1", &device), 0);
	assert_line(device, "backend: ", backend);
	assert_line(device, "chosen: ", why);
	assert_line(device, "size: ", "65536");
	assert_reads(device);
	mpio_device_close(device);
}

/* ---- Tests --------------------------------------------------------------- */

static void the_best_that_works_is_taken(void **state)
{
	(void)state;
	assert_file_is("io_uring", "io_uring works");
}

/* The end of the list is not where the backend's own option is put. */
static void options_may_end_with_an_ampersand(void **state)
{
	struct mpio_device *device;

	(void)state;
	assert_int_equal(
		mpio_device_open("file:" FILE_NAME "?readonly=1&", &device), 0);
	assert_line(device, "chosen: ", "io_uring works");
	mpio_device_close(device);
}

static void without_io_uring_it_is_libaio(void **state)
{
	(void)state;
	no_io_uring = true;
	assert_file_is("libaio",
		       "io_uring: operation not permitted; libaio works");
}

/* A sandbox may let a ring be made, and nothing be done with it. */
static void an_io_uring_that_cannot_be_used_is_none(void **state)
{
	(void)state;
	no_enter = true;
	assert_file_is("libaio",
		       "io_uring: operation not permitted; libaio works");
}

static void without_both_it_is_threads(void **state)
{
	(void)state;
	no_io_uring = no_libaio = true;
	assert_file_is("threads",
		       "io_uring: operation not permitted; libaio: not there; "
		       "threads works");
}

static void without_any_it_is_posix(void **state)
{
	char *why;
	struct mpio_device *device;

	(void)state;
	no_io_uring = no_libaio = no_threads = true;
	assert_int_equal(mpio_device_open("file:" FILE_NAME, &device), 0);
	assert_line(device, "backend: ", "posix");
	why = line_of(device, "chosen: ");
	assert_non_null(strstr(why, "threads: "));
	assert_non_null(strstr(why, "posix works"));
	free(why);
	assert_reads(device);
	mpio_device_close(device);
}

static void a_backend_that_is_named_is_taken_or_fails(void **state)
{
	struct mpio_device *device = NULL;

	(void)state;
	no_io_uring = no_libaio = no_threads = true;
	assert_int_equal(mpio_device_open("io_uring:" FILE_NAME, &device),
			 -MPIO_EPERM);
	assert_int_equal(mpio_device_open("libaio:" FILE_NAME, &device),
			 -MPIO_ENOSYS);
	assert_int_equal(mpio_device_open("threads:" FILE_NAME, &device),
			 -MPIO_EAGAIN);
	assert_null(device);
}

static void what_no_backend_can_open_is_an_error(void **state)
{
	struct mpio_device *device = NULL;

	(void)state;
	assert_int_equal(mpio_device_open("file:no/such/file", &device),
			 -MPIO_ENOENT);
	assert_int_equal(mpio_device_open("file:.", &device), -MPIO_EINVAL);
	assert_null(device);
}

/* What holds for 'file:' must hold whichever backend it takes. */
static void options_are_those_of_all(void **state)
{
	static const char *const bad[] = {
		"file:" FILE_NAME "?sqpoll=1",
		"file:" FILE_NAME "?threads=2",
		"file:" FILE_NAME "?direct=2",
		"file:" FILE_NAME "?direct",
		"threads:" FILE_NAME "?sqpoll=1",
		"libaio:" FILE_NAME "?x=1",
	};
	struct mpio_device *device = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mpio_device_open(bad[i], &device),
				 -MPIO_EINVAL);
	assert_null(device);
}

static void a_file_that_is_made_is_made_once(void **state)
{
	struct mpio_device *device;

	(void)state;
	no_io_uring = true;
	unlink(FILE_NAME ".new");
	assert_int_equal(mpio_device_open("file:" FILE_NAME
					  ".new?create=1&size=1M",
					  &device),
			 0);
	assert_int_equal(device->size, 1 << 20);
	assert_line(device, "backend: ", "libaio");
	mpio_device_close(device);
	assert_int_equal(unlink(FILE_NAME ".new"), 0);
}

static void text_that_is_too_long_is_cut(void **state)
{
	struct mpio_device *device;
	char whole[4096];
	char text[4096];
	size_t length;

	(void)state;
	assert_int_equal(mpio_device_open("file:" FILE_NAME, &device), 0);
	length = mpio_device_describe(device, whole, sizeof(whole));
	assert_int_equal(length, strlen(whole));
	assert_int_equal(mpio_device_describe(device, NULL, 0), length);
	for (size_t size = 1; size <= length + 1; size++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(mpio_device_describe(device, text, size),
				 length);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, whole, size - 1);
		assert_int_equal(text[size], 'x');
	}
	mpio_device_close(device);
}

/* Of holes there would be nothing to time. */
static void fill_file(size_t size)
{
	FILE *file = fopen(FILE_NAME, "w");

	assert_non_null(file);
	for (; size > 0; size--)
		fputc('x', file);
	assert_int_equal(fclose(file), 0);
}

/* The answer is the machine's; that there is one, and in bounds, is ours. */
static void a_disk_is_timed_if_that_is_asked_for(void **state)
{
	static const char large[] =
		"posix:" FILE_NAME ".new?create=1&size=32M&measure=1";
	struct mpio_device *device;
	char *line;

	(void)state;
	unlink(FILE_NAME ".new");
	fill_file(32 << 20);
	assert_int_equal(
		mpio_device_open("posix:" FILE_NAME "?measure=1", &device), 0);
	line = line_of(device, "gap: ");
	assert_memory_equal(line, "measured, ", 10);
	free(line);
	assert_in_range(device->limits.gap_bytes, 4096, 1 << 20);
	assert_int_equal(
		device->limits.gap_bytes & (device->limits.gap_bytes - 1), 0);
	mpio_device_close(device);
	/* Where there is too little to read, it is not. */
	assert_int_equal(truncate(FILE_NAME, 65536), 0);
	assert_int_equal(
		mpio_device_open("posix:" FILE_NAME "?measure=1", &device), 0);
	assert_line(device, "gap: ", "assumed, too little to time");
	assert_int_equal(device->limits.gap_bytes, 65536);
	mpio_device_close(device);
	/* A file that is yet to be made as large holds nothing to time. */
	assert_int_equal(mpio_device_open(large, &device), 0);
	assert_line(device, "gap: ", "assumed, too little to time");
	mpio_device_close(device);
	assert_int_equal(unlink(FILE_NAME ".new"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
	const struct CMUnitTest tests[] = {
		TEST(the_best_that_works_is_taken),
		TEST(options_may_end_with_an_ampersand),
		TEST(without_io_uring_it_is_libaio),
		TEST(an_io_uring_that_cannot_be_used_is_none),
		TEST(without_both_it_is_threads),
		TEST(without_any_it_is_posix),
		TEST(a_backend_that_is_named_is_taken_or_fails),
		TEST(what_no_backend_can_open_is_an_error),
		TEST(options_are_those_of_all),
		TEST(a_file_that_is_made_is_made_once),
		TEST(text_that_is_too_long_is_cut),
		TEST(a_disk_is_timed_if_that_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

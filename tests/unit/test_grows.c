/* SPDX-License-Identifier: MIT */
/*
 * A file that grows under its device: what lies behind its end reads as zeros,
 * by every backend, and what is written there extends it.
 */
#define _GNU_SOURCE
#include <mpio/backends/posix.h>
#include <mpio/error.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "test_grows.data"
#define PIECE 4096u

static unsigned char memory[4 * PIECE] __attribute__((aligned(PIECE)));

static void ended(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

/* Move so many bytes of `memory`, in pieces of every second block of it. */
static int move(struct mpio_queue *queue, enum mpio_bio_op op, uint64_t offset,
		uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(queue, op, 0);
	int status = 1;

	assert_non_null(bio);
	bio->offset = offset;
	bio->end_io = ended;
	bio->ctx = &status;
	for (uint32_t at = 0; at < length; at += PIECE)
		assert_int_equal(mpio_bio_add(bio, memory + 2 * at, PIECE), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(queue), 0);
	return status;
}

static void assert_bytes(const unsigned char *at, int byte, size_t length)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(at[i], byte);
}

static void assert_size(off_t size)
{
	struct stat st;

	assert_int_equal(stat(FILE_NAME, &st), 0);
	assert_int_equal(st.st_size, size);
}

static struct mpio_device *open_by(const char *scheme, int direct)
{
	struct mpio_device *device;
	char uri[128];
	int error;

	snprintf(uri, sizeof(uri), "%s:%s?grows=1&create=1&direct=%d", scheme,
		 FILE_NAME, direct);
	error = mpio_device_open(uri, &device);
	if (error != 0) {
		print_message("%s: %s\n", uri, mpio_strerror(error));
		return NULL;
	}
	return device;
}

static void grow_by(const char *scheme, int direct)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_device *device;
	struct mpio_queue *queue;
	char text[1024];

	unlink(FILE_NAME);
	device = open_by(scheme, direct);
	if (device == NULL)
		return;
	assert_true(mpio_device_describe(device, text, sizeof(text)) <
		    sizeof(text));
	assert_non_null(strstr(text, ", grows\n"));
	assert_size(0);
	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	/* Nothing is there. */
	memset(memory, 1, sizeof(memory));
	assert_int_equal(move(queue, MPIO_BIO_READ, 0, 2 * PIECE), 0);
	assert_bytes(memory, 0, PIECE);
	assert_bytes(memory + PIECE, 1, PIECE);
	assert_bytes(memory + 2 * PIECE, 0, PIECE);
	/* It is extended, across a hole. */
	memset(memory, 2, sizeof(memory));
	assert_int_equal(move(queue, MPIO_BIO_WRITE, 3 * PIECE, PIECE), 0);
	assert_size(4 * PIECE);
	/* It ends inside of a block, and of a read. */
	assert_int_equal(truncate(FILE_NAME, 3 * PIECE + 700), 0);
	memset(memory, 3, sizeof(memory));
	assert_int_equal(move(queue, MPIO_BIO_READ, 3 * PIECE, 2 * PIECE), 0);
	assert_bytes(memory, 2, 700);
	assert_bytes(memory + 700, 0, PIECE - 700);
	assert_bytes(memory + PIECE, 3, PIECE);
	assert_bytes(memory + 2 * PIECE, 0, PIECE);
	/* Far behind it, too. */
	memset(memory, 4, sizeof(memory));
	assert_int_equal(
		move(queue, MPIO_BIO_READ, UINT64_C(1) << 40, 2 * PIECE), 0);
	assert_bytes(memory, 0, PIECE);
	mpio_queue_close(queue);
	mpio_device_close(device);
	assert_size(3 * PIECE + 700);
}

static void by_every_backend(void **state)
{
	static const char schemes[][16] = {"posix", "threads", "libaio",
					   "io_uring", "file"};

	(void)state;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		grow_by(schemes[i], 0);
		grow_by(schemes[i], 1);
	}
}

static void what_contradicts_itself_is_refused(void **state)
{
	const struct mpio_posix_config sized = {.grows = true, .size = 1};
	const struct mpio_posix_config readonly = {
		.grows = true, .create = true, .readonly = true};
	struct mpio_device *device;

	(void)state;
	unlink(FILE_NAME);
	assert_int_equal(mpio_posix_open(FILE_NAME, &sized, &device),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_posix_open(FILE_NAME, &readonly, &device),
			 -MPIO_EINVAL);
	assert_int_equal(
		mpio_device_open("posix:" FILE_NAME "?grows=2", &device),
		-MPIO_EINVAL);
	assert_int_equal(access(FILE_NAME, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_every_backend),
		cmocka_unit_test(what_contradicts_itself_is_refused),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(FILE_NAME);
	return failed;
}

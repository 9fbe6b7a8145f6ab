/* SPDX-License-Identifier: MIT */
/*
 * The odd end of a file under direct I/O. It goes through the page cache, and
 * its neighbours must not pass that by: what is written directly into a page
 * that is also dirty in the cache is lost, or the flush fails.
 */
#define _GNU_SOURCE
#include <mpio/error.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "test_tail.data"
#define ODD 100u
#define SECTOR 512u
#define SIZE ((256u << 10) + 3 * SECTOR) /* the end is in the same page */
#define ROUNDS 60u

struct write {
	unsigned char *memory;
	uint64_t offset;
	uint32_t length;
	int status;
};

static void ended(struct mpio_bio *bio)
{
	struct write *write = bio->ctx;

	write->status = bio->status;
	mpio_bio_put(bio);
}

static void start(struct mpio_queue *queue, struct write *write)
{
	struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_WRITE, 0);

	assert_non_null(bio);
	bio->offset = write->offset;
	bio->end_io = ended;
	bio->ctx = write;
	write->status = 1;
	assert_int_equal(mpio_bio_add(bio, write->memory, write->length), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* What the disk holds, past the page cache of whoever wrote it. */
static void assert_on_disk(const struct write *write)
{
	FILE *file = fopen(FILE_NAME, "r");
	unsigned char found[SECTOR];

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)write->offset, SEEK_SET), 0);
	assert_int_equal(fread(found, 1, write->length, file), write->length);
	assert_memory_equal(found, write->memory, write->length);
	fclose(file);
}

/* The end and a block beside it, in flight together, again and again. */
static void neighbours_of_an_odd_end_are_kept(const char *scheme)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_device *device;
	struct mpio_queue *queue;
	struct write writes[3];
	char uri[128];
	int error;

	snprintf(uri, sizeof(uri), "%s:%s?direct=1", scheme, FILE_NAME);
	error = mpio_device_open(uri, &device);
	if (error != 0) {
		print_message("%s: %s\n", uri, mpio_strerror(error));
		skip();
	}
	if (device->limits.logical_block_size != SECTOR) {
		mpio_device_close(device);
		skip();
	}
	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	for (unsigned int i = 0; i < 3; i++) {
		writes[i].memory = aligned_alloc(4096, 4096);
		assert_non_null(writes[i].memory);
		writes[i].offset = SIZE - i * SECTOR;
		writes[i].length = i == 0 ? ODD : SECTOR;
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 3; i-- > 0;) {
			memset(writes[i].memory, (int)(round + i * 64), 4096);
			start(queue, &writes[i]);
		}
		assert_int_equal(mpio_queue_drain(queue), 0);
		assert_int_equal(mpio_queue_flush(queue), 0);
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(writes[i].status, 0);
			assert_on_disk(&writes[i]);
		}
	}
	mpio_queue_close(queue);
	mpio_device_close(device);
	for (unsigned int i = 0; i < 3; i++)
		free(writes[i].memory);
}

static void by_posix(void **state)
{
	(void)state;
	neighbours_of_an_odd_end_are_kept("posix");
}

static void by_threads(void **state)
{
	(void)state;
	neighbours_of_an_odd_end_are_kept("threads");
}

static void by_libaio(void **state)
{
	(void)state;
	neighbours_of_an_odd_end_are_kept("libaio");
}

static void by_io_uring(void **state)
{
	(void)state;
	neighbours_of_an_odd_end_are_kept("io_uring");
}

static int make_file(void **state)
{
	FILE *file = fopen(FILE_NAME, "w");

	(void)state;
	if (file == NULL)
		return -1;
	for (unsigned int i = 0; i < SIZE + ODD; i++)
		fputc((int)i, file);
	return fclose(file);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(FILE_NAME);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
	const struct CMUnitTest tests[] = {
		TEST(by_posix),
		TEST(by_threads),
		TEST(by_libaio),
		TEST(by_io_uring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

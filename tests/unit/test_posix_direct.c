/* SPDX-License-Identifier: MIT */
/*
 * Backend posix where alignment counts: direct I/O on files, and a block
 * device, which is a loop device on a file. What the machine does not have is
 * skipped, and says so.
 */
#include "posix_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/loop.h>

#define MIB (1024 * KIB)
#define LOOP_SIZE (4 * MIB)

/* ---- Direct I/O ---------------------------------------------------------- */

/* A queue on a file of some size by direct I/O, or the test is skipped. */
static struct mpio_queue *open_direct(uint64_t size)
{
	const struct mpio_posix_config config = {
		.direct = true, .create = true, .size = size};
	struct mpio_device *device;
	int error = mpio_posix_open(PATH, &config, &device);

	if (error == -MPIO_EINVAL) {
		assert_int_equal(access(PATH, F_OK), -1);
		print_message("SKIPPED: no direct I/O on this file system\n");
		skip();
	}
	assert_int_equal(error, 0);
	assert_int_equal(device->size, size);
	return open_queue(device);
}

/* The last 64 KiB of a file with an odd end share pages with that end. */
static void direct_io_passes_the_cache_but_for_an_odd_end(void **state)
{
	static const uint32_t ends[] = {0, 1, 511, 512, 1234, 4095};
	static const uint32_t sizes[] = {0, 64 * KIB, 1024 * KIB};

	(void)state;
	for (uint32_t i = 0; i < 18; i++) {
		uint32_t size = sizes[i / 6] + ends[i % 6];
		struct mpio_queue *queue;
		uint32_t block;
		uint32_t cached;

		if (size == 0)
			continue;
		queue = open_direct(size);
		block = mpio_queue_device(queue)->limits.logical_block_size;
		host = (struct host){0};
		assert_int_equal(write_pattern(queue, 0, 0, 8192, size), 0);
		cached = size % block == 0 ? 0 : size % (64 * KIB);
		assert_int_equal(host.cached_bytes, cached);
		assert_int_equal(read_pattern(queue, 0, 4096, size), 0);
		assert_int_equal(host.cached_bytes, 2 * cached);
		assert_int_equal(mpio_queue_flush(queue), 0);
		close_both(queue);
		assert_file_is_pattern(PATH, size);
		unlink(PATH);
	}
}

/* The neighbours of the end share a page of the system's cache with it. */
static void direct_writes_beside_the_odd_end_are_kept(void **state)
{
	uint32_t size = 12 * KIB + 700;
	struct mpio_queue *queue = open_direct(size);
	uint32_t block = mpio_queue_device(queue)->limits.logical_block_size;
	uint32_t tail = size - size % block;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(
			write_pattern(queue, 0, tail, 4096, size - tail), 0);
		assert_int_equal(
			write_pattern(queue, 0, tail - block, 4096, block), 0);
		assert_int_equal(read_pattern(queue, tail - block, 4096,
					      size - tail + block),
				 0);
	}
	assert_int_equal(write_pattern(queue, MPIO_BIO_FUA, 0, 4096, size), 0);
	close_both(queue);
	assert_file_is_pattern(PATH, size);
}

static void direct_io_that_comes_short_is_continued(void **state)
{
	struct mpio_queue *queue = open_direct(64 * KIB + 100);

	(void)state;
	host.most = mpio_queue_device(queue)->limits.logical_block_size;
	host.interrupt = 5;
	assert_int_equal(write_pattern(queue, 0, 0, 4096, 65636), 0);
	assert_int_equal(read_pattern(queue, 0, 8192, 65636), 0);
	close_both(queue);
	assert_file_is_pattern(PATH, 65636);
}

/* Only the file's end is one: what else comes short is not made up of zeros. */
static void a_short_read_is_no_end_of_a_file_that_grows(void **state)
{
	const struct mpio_posix_config config = {.direct = true, .grows = true};
	struct mpio_queue *queue;

	(void)state;
	close_both(open_direct(64 * KIB)); /* or it is skipped */
	make_file(PATH, 64 * KIB);
	queue = open_queue(open_device(&config));
	host.fail_at = 1; /* nothing is moved */
	assert_int_equal(read_pattern(queue, 0, 4096, 64 * KIB), -MPIO_EIO);
	/* It grows just then. */
	host.calls = 0;
	host.fail_last = 2;
	assert_int_equal(read_pattern(queue, 0, 4096, 64 * KIB), 0);
	assert_in_range(host.calls, 3, 4);
	host.fail_at = 0;
	assert_int_equal(read_pattern(queue, 0, 4096, 64 * KIB), 0);
	assert_int_equal(read_zeros(queue, 64 * KIB, 8 * KIB), 0);
	close_both(queue);
}

/* It goes through aligned memory, and still past the cache. */
static void direct_io_takes_what_is_not_aligned(void **state)
{
	struct mpio_queue *queue = open_direct(640 * KIB);
	const struct mpio_limits *limits = &mpio_queue_device(queue)->limits;
	unsigned char *memory = pieces(640 * KIB);

	(void)state;
	assert_true(limits->logical_block_size >= 512);
	assert_true(limits->memory_alignment > 1);
	assert_int_equal(write_pattern(queue, 0, 0, 1001, 640 * KIB), 0);
	assert_int_equal(read_pattern(queue, 4096, 777, 512 * KIB), 0);
	assert_int_equal(read_into(queue, 0, memory + 1, 640 * KIB, 640 * KIB),
			 0);
	for (uint32_t i = 0; i < 640 * KIB; i++)
		assert_int_equal(memory[1 + i], byte_at(i));
	assert_int_equal(memory[1 + 640 * KIB], 0xee);
	assert_int_equal(host.cached_bytes, 0);
	assert_int_equal(mpio_queue_stats(queue)->bounces, 3);
	close_both(queue);
	assert_file_is_pattern(PATH, 640 * KIB);
	free(memory);
}

static void a_file_cut_behind_direct_io_fails_from_there_on(void **state)
{
	struct mpio_queue *queue = open_direct(64 * KIB + 5);

	(void)state;
	assert_int_equal(write_pattern(queue, 0, 0, 4096, 64 * KIB + 5), 0);
	assert_int_equal(truncate(PATH, 20000), 0);
	assert_int_equal(read_pattern(queue, 0, 4096, 16384), 0);
	assert_int_equal(read_pattern(queue, 0, 4096, 32768), -MPIO_EIO);
	assert_int_equal(read_pattern(queue, 0, 4096, 65541), -MPIO_EIO);
	close_both(queue);
}

/* ---- Block devices ------------------------------------------------------- */

/* A loop device on the file; it goes when it is last closed. Its descriptor. */
static int attach_loop(char *name, size_t name_size, uint32_t sector)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open(PATH, O_RDWR | O_CLOEXEC);
	int loop = -1;

	assert_true(file >= 0);
	for (int tries = 0; control >= 0 && loop < 0 && tries < 5; tries++) {
		struct loop_config config = {
			.fd = (uint32_t)file,
			.block_size = sector,
			.info = {.lo_flags = LO_FLAGS_AUTOCLEAR},
		};
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			break;
		snprintf(name, name_size, "/dev/loop%d", number);
		loop = open(name, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) != 0) {
			close(loop); /* perhaps someone else was faster */
			loop = -1;
		}
	}
	close(file);
	if (control >= 0)
		close(control);
	return loop;
}

/* The same, or the test is skipped. */
static int attach_loop_or_skip(char *name, size_t name_size, uint32_t sector)
{
	int loop = attach_loop(name, name_size, sector);

	if (loop < 0) {
		print_message("SKIPPED: no loop device to be had "
			      "(are you root?)\n");
		skip();
	}
	return loop;
}

static void block_device_io(const char *name, bool direct, uint32_t sector)
{
	const struct mpio_posix_config config = {.direct = direct};
	struct mpio_device *device = NULL;
	struct mpio_queue *queue;

	assert_int_equal(mpio_posix_open(name, &config, &device), 0);
	assert_int_equal(device->size, LOOP_SIZE);
	assert_int_equal(device->limits.logical_block_size, sector);
	queue = open_queue(device);
	for (uint32_t at = 0; at < LOOP_SIZE; at += MIB)
		assert_int_equal(write_pattern(queue, 0, at, 4096, MIB), 0);
	assert_int_equal(write_pattern(queue, MPIO_BIO_FUA, 4096, 4096, 8192),
			 0);
	assert_int_equal(mpio_queue_flush(queue), 0);
	for (uint32_t at = 0; at < LOOP_SIZE; at += MIB)
		assert_int_equal(read_pattern(queue, at, 8192, MIB), 0);
	assert_int_equal(discard(queue, 64 * KIB, 64 * KIB), 0);
	assert_int_equal(read_zeros(queue, 64 * KIB, 64 * KIB), 0);
	assert_int_equal(read_pattern(queue, 128 * KIB, 4096, 128 * KIB), 0);
	close_both(queue);
}

static void a_block_device_has_the_size_and_sector_of_its_disk(void **state)
{
	static const uint32_t sectors[] = {512, 4096};
	const struct mpio_posix_config sized = {.size = 512};
	char name[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int loop;

		make_file(PATH, LOOP_SIZE);
		loop = attach_loop_or_skip(name, sizeof(name), sectors[i]);
		assert_refused(name, &sized, -MPIO_EINVAL);
		block_device_io(name, false, sectors[i]);
		block_device_io(name, true, sectors[i]);
		close(loop);
	}
}

static void a_block_device_is_timed(void **state)
{
	const struct mpio_posix_config config = {.measure = true};
	struct mpio_device *device = NULL;
	char name[64];
	char text[400];
	int loop;

	(void)state;
	make_file(PATH, 0);
	assert_int_equal(truncate(PATH, 24 * MIB), 0);
	loop = attach_loop_or_skip(name, sizeof(name), 512);
	assert_int_equal(mpio_posix_open(name, &config, &device), 0);
	assert_in_range(mpio_device_describe(device, text, sizeof(text)), 1,
			sizeof(text) - 1);
	assert_non_null(strstr(text, "gap: measured"));
	mpio_device_close(device);
	close(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(direct_io_passes_the_cache_but_for_an_odd_end),
		TEST(direct_writes_beside_the_odd_end_are_kept),
		TEST(direct_io_that_comes_short_is_continued),
		TEST(a_short_read_is_no_end_of_a_file_that_grows),
		TEST(direct_io_takes_what_is_not_aligned),
		TEST(a_file_cut_behind_direct_io_fails_from_there_on),
		TEST(a_block_device_has_the_size_and_sector_of_its_disk),
		TEST(a_block_device_is_timed),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

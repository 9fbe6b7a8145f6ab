/* SPDX-License-Identifier: MIT */
/*
 * Devices by name, the allocator, and the host's errors.
 *
 * Files are made in the directory where the test runs.
 */
#define _GNU_SOURCE /* strerrorname_np() */

#include <mpio/error.h>
#include <mpio/fault.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct mpio_device *open_good(const char *uri)
{
	struct mpio_device *device = NULL;
	int error = mpio_device_open(uri, &device);

	if (error != 0)
		print_error("%s: %d\n", uri, error);
	assert_int_equal(error, 0);
	return device;
}

static void assert_refused(const char *uri, int error)
{
	struct mpio_device untouched;
	struct mpio_device *device = &untouched;
	int got = mpio_device_open(uri, &device);

	if (got != error)
		print_error("%s: %d\n", uri, got);
	assert_int_equal(got, error);
	assert_ptr_equal(device, &untouched);
}

/* ---- Sizes and options --------------------------------------------------- */

static void sizes_are_decimal_with_a_suffix(void **state)
{
	static const struct {
		char text[24];
		uint64_t size;
	} cases[] = {
		{"0", 0},
		{"1", 1},
		{"007", 7},
		{"1000003", 1000003},
		{"3K", 3 * 1024},
		{"64M", 64 * 1024 * 1024},
		{"5G", UINT64_C(5) << 30},
		{"2T", UINT64_C(2) << 40},
		{"16777215T", UINT64_C(16777215) << 40},
		{"18446744073709551615", UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t size = 12345;

		assert_int_equal(mpio_size_parse(cases[i].text, &size), 0);
		assert_int_equal(size, cases[i].size);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char cases[][24] = {
		"",    "K",   " 1",   "1 ",    "+1",
		"-1",  "1k",  "1KK",  "1KB",   "1B",
		"0x1", "1.5", "1e3",  "K1",    "16777216T",
		"1,0", "1P",  "1\n",  "M64",   "18014398509481984K",
		"/",   ":",   "1M1",  "9:",    "18446744073709551616",
		"one", "1_0", "\xb2", "1\xb2", "99999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t size = 12345;

		assert_int_equal(mpio_size_parse(cases[i], &size),
				 -MPIO_EINVAL);
		assert_int_equal(size, 12345);
	}
}

static void options_are_taken_in_order_with_escapes_undone(void **state)
{
	char text[] = "a=1&name=%26%3d%25x=&empty=&last=%C3%a9";
	char *options = text;
	const char *name;
	const char *value;

	(void)state;
	assert_int_equal(mpio_option_next(&options, &name, &value), 1);
	assert_string_equal(name, "a");
	assert_string_equal(value, "1");
	assert_int_equal(mpio_option_next(&options, &name, &value), 1);
	assert_string_equal(name, "name");
	assert_string_equal(value, "&=%x=");
	assert_int_equal(mpio_option_next(&options, &name, &value), 1);
	assert_string_equal(name, "empty");
	assert_string_equal(value, "");
	assert_int_equal(mpio_option_next(&options, &name, &value), 1);
	assert_string_equal(name, "last");
	assert_string_equal(value, "\xc3\xa9");
	assert_int_equal(mpio_option_next(&options, &name, &value), 0);
	assert_int_equal(mpio_option_next(&options, &name, &value), 0);
}

static void what_is_no_option_is_refused(void **state)
{
	static const char cases[][8] = {
		"a",     "=1",    "&a=1",  "a=%",   "a=%2", "a=%2g",
		"a=%g2", "a=%00", "a%3d1", "a&b=1", "a=%%", "a=% 2",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[8];
		char *options = text;
		const char *name;
		const char *value;

		memcpy(text, cases[i], sizeof(text));
		assert_int_equal(mpio_option_next(&options, &name, &value),
				 -MPIO_EINVAL);
	}
}

/* ---- Devices by name ----------------------------------------------------- */

/* Move the last 512 bytes, or fewer, of a device. */
static void move_end(struct mpio_device *device, enum mpio_bio_op op,
		     unsigned char *memory)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_queue *queue = NULL;
	struct mpio_bio *bio;

	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	bio = mpio_bio_get(queue, op, 0);
	assert_non_null(bio);
	bio->offset = (device->size - 1) / 512 * 512;
	assert_int_equal(mpio_bio_add(bio, memory,
				      (uint32_t)(device->size - bio->offset)),
			 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(queue), 0);
	assert_int_equal(mpio_queue_stats(queue)->errors, 0);
	mpio_queue_close(queue);
}

static void mem_is_zeroed_memory_of_any_size(void **state)
{
	static const struct {
		char uri[16];
		uint64_t size;
	} cases[] = {
		{"mem:1", 1},
		{"mem:1000003", 1000003},
		{"mem:64K", 64 * 1024},
		{"mem:8M", 8 * 1024 * 1024},
		{"mem:8M?", 8 * 1024 * 1024},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mpio_device *device = open_good(cases[i].uri);
		unsigned char memory[512];
		size_t length = (cases[i].size - 1) % 512 + 1;

		assert_int_equal(device->size, cases[i].size);
		memset(memory, 0xee, sizeof(memory));
		move_end(device, MPIO_BIO_READ, memory);
		for (size_t n = 0; n < sizeof(memory); n++)
			assert_int_equal(memory[n], n < length ? 0 : 0xee);
		memset(memory, 0x5a, sizeof(memory));
		move_end(device, MPIO_BIO_WRITE, memory);
		memset(memory, 0, sizeof(memory));
		move_end(device, MPIO_BIO_READ, memory);
		assert_int_equal(memory[length - 1], 0x5a);
		mpio_device_close(device);
	}
}

static void a_uri_that_cannot_be_read_is_refused(void **state)
{
	static const char cases[][40] = {
		"",
		":",
		"mem",
		"mem:",
		"mem:0",
		"mem:x",
		"mem:1?size=1",
		"mem:16777216T",
		"mem?:1",
		"mem:?1",
		":64M",
		"posix",
		"posix:",
		"posix:?direct=1",
		"open-test-file",
		"/dev/null",
		"/dev/disk/by-path/pci-0000:00",
		"posix:open-test-%",
		"posix:open-test-%4",
		"posix:open-test-%00",
		"posix:open-test-file?direct",
		"posix:open-test-file?direct=",
		"posix:open-test-file?direct=2",
		"posix:open-test-file?direct=yes",
		"posix:open-test-file?Direct=1",
		"posix:open-test-file?unknown=1",
		"posix:open-test-file?size=1Q",
		"posix:open-test-file?&",
		"posix:open-test-file?create=1",
		"posix:open-test-file?create=1&&size=1",
		"posix:open-test-file?create=1&size=1&x",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(cases[i], -MPIO_EINVAL);
	assert_int_equal(access("open-test-file", F_OK), -1);
}

static void a_scheme_that_is_not_built_in_is_no_device(void **state)
{
	(void)state;
	assert_refused("nbd:localhost", -MPIO_ENODEV);
	assert_refused("MEM:64M", -MPIO_ENODEV);
	assert_refused("posi:file", -MPIO_ENODEV);
	assert_refused("posixx:file", -MPIO_ENODEV);
}

static void posix_takes_its_options(void **state)
{
	unsigned char memory[512];
	struct mpio_device *device;

	(void)state;
	assert_refused("posix:open-test-file", -MPIO_ENOENT);
	device = open_good("posix:open-test-file?create=1&size=9&size=5001");
	assert_int_equal(device->size, 5001);
	assert_false(device->limits.features & MPIO_DEVICE_READONLY);
	memset(memory, 0x3c, sizeof(memory));
	move_end(device, MPIO_BIO_WRITE, memory);
	mpio_device_close(device);

	device = open_good("posix:open-test-file?readonly=1&direct=0");
	assert_int_equal(device->size, 5001);
	assert_true(device->limits.features & MPIO_DEVICE_READONLY);
	memset(memory, 0, sizeof(memory));
	move_end(device, MPIO_BIO_READ, memory);
	assert_int_equal(memory[5000 % 512], 0x3c);
	mpio_device_close(device);

	device = open_good("posix:open-test-file?size=1K&readonly=1");
	assert_int_equal(device->size, 1024);
	mpio_device_close(device);
	unlink("open-test-file");
}

static void a_path_may_hold_any_byte(void **state)
{
	static const struct {
		char uri[40];
		char path[40];
	} cases[] = {
		{"posix:open-test-a%3fb%25c", "open-test-a?b%c"},
		{"posix:open-test-a:b&c=d", "open-test-a:b&c=d"},
		{"posix:%6fpen-test-%0a%C3%A9", "open-test-\n\xc3\xa9"},
		{"posix:./open-test- ", "open-test- "},
		{"posix:open-test-a%253f", "open-test-a%3f"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char uri[512];

		snprintf(uri, sizeof(uri), "%s?create=1&size=1", cases[i].uri);
		mpio_device_close(open_good(uri));
		assert_int_equal(unlink(cases[i].path), 0);
	}
}

/* ---- Backends of other libraries ----------------------------------------- */

static int open_other(const char *path, char *options,
		      struct mpio_device **device)
{
	const char *name;
	const char *value;

	if (strcmp(path, "pa?th") != 0)
		return -MPIO_ENXIO;
	if (mpio_option_next(&options, &name, &value) != 1 ||
	    strcmp(name, "depth") != 0 || strcmp(value, "4") != 0)
		return -MPIO_EINVAL;
	return mpio_device_open("mem:4K", device);
}

static void schemes_of_the_caller_come_first(void **state)
{
	const struct mpio_scheme schemes[] = {
		{.name = "other", .open = open_other},
		{.name = "posix", .open = open_other},
	};
	struct mpio_device *device = NULL;

	(void)state;
	assert_int_equal(mpio_device_open_with(
				 schemes, 2, "other:pa%3fth?depth=4", &device),
			 0);
	assert_int_equal(device->size, 4096);
	mpio_device_close(device);
	assert_int_equal(mpio_device_open_with(
				 schemes, 2, "posix:pa%3fth?depth=4", &device),
			 0);
	mpio_device_close(device);
	assert_int_equal(mpio_device_open_with(schemes, 2, "mem:1", &device),
			 0);
	mpio_device_close(device);
	device = NULL;
	assert_int_equal(mpio_device_open_with(schemes, 2, "other:x", &device),
			 -MPIO_ENXIO);
	assert_int_equal(mpio_device_open_with(schemes, 0, "other:x", &device),
			 -MPIO_ENODEV);
	assert_null(device);
}

static void closing_no_device_is_allowed(void **state)
{
	(void)state;
	mpio_device_close(NULL);
}

/* ---- Memory and errors --------------------------------------------------- */

static void the_allocator_makes_resizes_and_frees(void **state)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	unsigned char *memory;

	(void)state;
	memory = allocator.resize(allocator.ctx, NULL, 0, 100);
	assert_non_null(memory);
	assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
	memset(memory, 0x77, 100);
	memory = allocator.resize(allocator.ctx, memory, 100, 100000);
	assert_non_null(memory);
	for (int i = 0; i < 100; i++)
		assert_int_equal(memory[i], 0x77);
	memory = allocator.resize(allocator.ctx, memory, 100000, 10);
	assert_int_equal(memory[9], 0x77);
	assert_null(allocator.resize(allocator.ctx, memory, 10, 0));
}

static void errors_of_the_host_get_linux_numbers(void **state)
{
	static const int cases[][2] = {
		{EPERM, 1},       {ENOENT, 2},       {EINTR, 4},
		{EIO, 5},         {ENXIO, 6},        {EBADF, 9},
		{EAGAIN, 11},     {EWOULDBLOCK, 11}, {ENOMEM, 12},
		{EACCES, 13},     {EBUSY, 16},       {EEXIST, 17},
		{ENODEV, 19},     {ENOTDIR, 20},     {EISDIR, 21},
		{EINVAL, 22},     {EMFILE, 24},      {EFBIG, 27},
		{ENOSPC, 28},     {EROFS, 30},       {EPIPE, 32},
		{ERANGE, 34},     {EDEADLK, 35},     {ENAMETOOLONG, 36},
		{ENOSYS, 38},     {ENODATA, 61},     {EPROTO, 71},
		{EOVERFLOW, 75},  {EILSEQ, 84},      {EOPNOTSUPP, 95},
		{ENOTSUP, 95},    {ETIMEDOUT, 110},  {ESTALE, 116},
		{EUCLEAN, 117},   {EREMOTEIO, 121},  {EDQUOT, 122},
		{ECANCELED, 125}, {ENFILE, 24},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(mpio_error_from_host(cases[i][0]),
				 -cases[i][1]);
	assert_int_equal(mpio_error_from_host(0), -MPIO_EIO);
	assert_int_equal(mpio_error_from_host(-1), -MPIO_EIO);
	assert_int_equal(mpio_error_from_host(ECHILD), -MPIO_EIO);
	assert_int_equal(mpio_error_from_host(99999), -MPIO_EIO);
}

/* What has words has a number of the host, and a name in rules of faults. */
static void errors_are_known_wherever_they_are_met(void **state)
{
	struct mpio_faults faults = {0};
	uint32_t known = 0;

	(void)state;
	for (int error = 1; error < 200; error++) {
		const char *words = mpio_strerror(error);
		const char *name = strerrorname_np(error);
		char rule[64];

		if (strcmp(words, "unknown error") == 0)
			continue;
		known++;
		assert_int_equal(mpio_error_from_host(error), -error);
		assert_non_null(name);
		snprintf(rule, sizeof(rule), "read:errno=%s",
			 error == MPIO_EOPNOTSUPP ? "EOPNOTSUPP" : name);
		faults = (struct mpio_faults){0};
		assert_int_equal(mpio_faults_parse(&faults, rule, NULL), 0);
		assert_int_equal(faults.rules[0].error, error);
	}
	assert_true(known > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_decimal_with_a_suffix),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(
			options_are_taken_in_order_with_escapes_undone),
		cmocka_unit_test(what_is_no_option_is_refused),
		cmocka_unit_test(mem_is_zeroed_memory_of_any_size),
		cmocka_unit_test(a_uri_that_cannot_be_read_is_refused),
		cmocka_unit_test(a_scheme_that_is_not_built_in_is_no_device),
		cmocka_unit_test(posix_takes_its_options),
		cmocka_unit_test(a_path_may_hold_any_byte),
		cmocka_unit_test(schemes_of_the_caller_come_first),
		cmocka_unit_test(closing_no_device_is_allowed),
		cmocka_unit_test(the_allocator_makes_resizes_and_frees),
		cmocka_unit_test(errors_of_the_host_get_linux_numbers),
		cmocka_unit_test(errors_are_known_wherever_they_are_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Backend posix on regular files: opening, moving bytes, flush and discard,
 * on real files and with a system that does less than it was asked for.
 */
#include "posix_files.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Opening ------------------------------------------------------------ */

static void what_is_no_file_or_block_device_is_refused(void **state)
{
	const struct mpio_posix_config create = {.create = true, .size = 1};

	(void)state;
	make_file(PATH, 1);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("directory", 0700), 0);
	assert_refused("missing", NULL, -MPIO_ENOENT);
	assert_refused(PATH "/below", NULL, -MPIO_ENOTDIR);
	assert_int_equal(symlink("missing", "link"), 0);
	assert_refused("link", NULL, -MPIO_ENOENT);
	assert_refused("link", &create, -MPIO_EEXIST);
	assert_int_equal(access("missing", F_OK), -1);
	for (int readonly = 0; readonly < 2; readonly++) {
		struct mpio_posix_config config = {.readonly = readonly};

		assert_refused("directory", &config, -MPIO_EINVAL);
		assert_refused("fifo", &config, -MPIO_EINVAL);
		assert_refused("/dev/null", &config, -MPIO_EINVAL);
	}
	unlink("link");
	unlink("fifo");
	rmdir("directory");
}

static void a_config_that_contradicts_itself_is_refused(void **state)
{
	const struct mpio_posix_config no_size = {.create = true};
	const struct mpio_posix_config readonly = {
		.create = true, .readonly = true, .size = 1};
	const struct mpio_posix_config too_large = {.create = true,
						    .size = UINT64_C(1) << 63};

	(void)state;
	assert_refused(PATH, &no_size, -MPIO_EINVAL);
	assert_refused(PATH, &readonly, -MPIO_EINVAL);
	assert_refused(PATH, &too_large, -MPIO_EFBIG);
	assert_int_equal(access(PATH, F_OK), -1);
}

/* Files may have so many bytes and no more; 0: as many as before. */
static void limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size != 0 ? size : limit.rlim_max;
	signal(SIGXFSZ, size != 0 ? SIG_IGN : SIG_DFL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_file_is_made_only_if_asked_for_and_if_it_can_be(void **state)
{
	const struct mpio_posix_config create = {.create = true,
						 .size = 1000003};
	const struct mpio_posix_config more = {.create = true, .size = 1000004};
	struct mpio_device *device;

	(void)state;
	limit_files(1000003);
	assert_refused(PATH, &more, -MPIO_EFBIG);
	assert_int_equal(access(PATH, F_OK), -1);
	device = open_device(&create);
	assert_int_equal(device->size, 1000003);
	mpio_device_close(device);
	assert_int_equal(size_of(PATH), 1000003);
	assert_refused(PATH, &more, -MPIO_EFBIG);
	assert_int_equal(size_of(PATH), 1000003);
	limit_files(0);
}

static void size_extends_a_file_or_takes_its_first_bytes(void **state)
{
	const struct mpio_posix_config more = {.size = 5000};
	const struct mpio_posix_config less = {.size = 700, .create = true};
	const struct mpio_posix_config readonly = {.size = 9000,
						   .readonly = true};
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 4096);
	mpio_device_close(open_device(&more));
	assert_int_equal(size_of(PATH), 5000);
	assert_refused(PATH, &readonly, -MPIO_EROFS);
	queue = open_queue(open_device(&less));
	assert_int_equal(mpio_queue_device(queue)->size, 700);
	assert_int_equal(write_pattern(queue, 0, 512, 200, 188), 0);
	close_both(queue);
	assert_int_equal(size_of(PATH), 5000);
}

static void a_file_has_blocks_of_512_bytes_and_takes_any_memory(void **state)
{
	struct mpio_device *device;

	(void)state;
	make_file(PATH, 1001);
	device = open_device(NULL);
	assert_int_equal(device->size, 1001);
	assert_int_equal(device->limits.logical_block_size, 512);
	assert_in_range(device->limits.memory_alignment, 0, 1);
	assert_int_equal(device->limits.segments_max, IOV_MAX);
	assert_in_range(device->limits.bytes_max, 1u << 30, 0x7ffff000);
	assert_true(device->limits.features & MPIO_DEVICE_FLUSH);
	assert_false(device->limits.features & MPIO_DEVICE_READONLY);
	mpio_device_close(device);
}

/* ---- Moving bytes -------------------------------------------------------- */

static void bytes_come_back_up_to_an_odd_end(void **state)
{
	const struct mpio_posix_config config = {.create = true,
						 .size = 1000003};
	struct mpio_queue *queue = open_queue(open_device(&config));

	(void)state;
	assert_int_equal(write_pattern(queue, 0, 0, 4096, 512000), 0);
	assert_int_equal(write_pattern(queue, 0, 512000, 7919, 488003), 0);
	assert_file_is_pattern(PATH, 1000003);
	assert_int_equal(read_pattern(queue, 0, 4093, 1000003), 0);
	assert_int_equal(read_pattern(queue, 999936, 67, 67), 0);
	assert_int_equal(host.calls, 4);
	close_both(queue);
	assert_int_equal(size_of(PATH), 1000003);
}

static void more_pieces_than_a_call_takes_are_several_calls(void **state)
{
	const struct mpio_posix_config config = {.create = true,
						 .size = 3000 * 17};
	struct mpio_device *device = open_device(&config);
	struct mpio_queue *queue;

	(void)state;
	device->limits.segments_max = 3000; /* as it would not say by itself */
	queue = open_queue(device);
	assert_int_equal(write_pattern(queue, 0, 0, 17, 3000 * 17), 0);
	assert_file_is_pattern(PATH, 3000 * 17);
	assert_int_equal(read_pattern(queue, 0, 17, 3000 * 17), 0);
	assert_int_equal(host.calls, 6);
	close_both(queue);
}

static void short_transfers_are_continued(void **state)
{
	static const size_t most[] = {1, 7, 511, 512, 513, 4096, 20000};
	const struct mpio_posix_config config = {.create = true,
						 .size = 20 * KIB + 1};

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct mpio_queue *queue = open_queue(open_device(&config));
		uint32_t piece = 1021;

		host = (struct host){0};
		host.most = most[i];
		assert_int_equal(write_pattern(queue, 0, 0, piece, 20481), 0);
		assert_int_equal(read_pattern(queue, 0, piece, 20481), 0);
		assert_int_equal(host.calls, 2 * ((20480 + most[i]) / most[i]));
		assert_int_equal(mpio_queue_stats(queue)->retries, 0);
		close_both(queue);
		assert_file_is_pattern(PATH, 20481);
		unlink(PATH);
	}
}

static void interrupted_calls_are_repeated(void **state)
{
	const struct mpio_posix_config config = {.create = true,
						 .size = 64 * KIB};
	struct mpio_queue *queue = open_queue(open_device(&config));

	(void)state;
	host.interrupt = 2;
	host.most = 5000;
	assert_int_equal(write_pattern(queue, MPIO_BIO_FUA, 0, 4096, 65536), 0);
	assert_int_equal(read_pattern(queue, 0, 4096, 65536), 0);
	assert_int_equal(mpio_queue_flush(queue), 0);
	assert_true(host.calls > 2 * 14);
	assert_in_range(host.syncs, 2, 4);
	close_both(queue);
	assert_file_is_pattern(PATH, 65536);
}

static void an_error_ends_the_bio_even_after_some_bytes(void **state)
{
	static const int errors[][2] = {
		{EIO, -MPIO_EIO},
		{ENOSPC, -MPIO_ENOSPC},
		{EDQUOT, -MPIO_EDQUOT},
		{0, -MPIO_EIO}, /* it moves nothing */
	};
	const struct mpio_posix_config config = {.create = true,
						 .size = 64 * KIB};
	struct mpio_queue *queue = open_queue(open_device(&config));

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		host = (struct host){0};
		host.fail_errno = errors[i][0];
		host.fail_at = 1;
		assert_int_equal(write_pattern(queue, 0, 0, 4096, 65536),
				 errors[i][1]);
		assert_int_equal(read_pattern(queue, 0, 4096, 65536),
				 errors[i][1]);
		host = (struct host){0};
		host.most = 10000;
		host.fail_errno = errors[i][0];
		host.fail_at = 3;
		assert_int_equal(write_pattern(queue, 0, 0, 4096, 65536),
				 errors[i][1]);
	}
	close_both(queue);
}

static void a_file_cut_behind_the_device_fails_from_there_on(void **state)
{
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 64 * KIB);
	queue = open_queue(open_device(NULL));
	assert_int_equal(truncate(PATH, 10000), 0);
	assert_int_equal(read_pattern(queue, 0, 4096, 9728), 0);
	assert_int_equal(read_pattern(queue, 9728, 512, 512), -MPIO_EIO);
	assert_int_equal(read_pattern(queue, 0, 4096, 65536), -MPIO_EIO);
	assert_int_equal(read_pattern(queue, 32768, 512, 512), -MPIO_EIO);
	assert_int_equal(write_pattern(queue, 0, 9728, 4096, 55808), 0);
	assert_int_equal(read_pattern(queue, 0, 4096, 65536), 0);
	close_both(queue);
}

static void a_limit_on_file_size_is_told(void **state)
{
	const struct mpio_posix_config config = {.create = true,
						 .size = 64 * KIB};
	struct mpio_queue *queue = open_queue(open_device(&config));
	int status;

	(void)state;
	assert_int_equal(truncate(PATH, 0), 0);
	limit_files(10000);
	status = write_pattern(queue, 0, 0, 4096, 65536);
	limit_files(0);
	assert_int_equal(status, -MPIO_EFBIG);
	assert_int_equal(host.calls, 2); /* the first came short */
	close_both(queue);
}

static void a_readonly_device_is_not_written(void **state)
{
	const struct mpio_posix_config config = {.readonly = true};
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 4097);
	assert_int_equal(chmod(PATH, 0400), 0);
	queue = open_queue(open_device(&config));
	assert_int_equal(read_pattern(queue, 0, 512, 4097), 0);
	assert_int_equal(write_pattern(queue, 0, 0, 512, 512), -MPIO_EROFS);
	assert_int_equal(discard(queue, 0, 512), -MPIO_EOPNOTSUPP);
	assert_int_equal(mpio_queue_flush(queue), 0);
	assert_int_equal(host.syncs, 0);
	close_both(queue);
	assert_file_is_pattern(PATH, 4097);
}

/* ---- Flush, fua, discard ------------------------------------------------- */

static void flush_syncs_the_file_and_tells_its_error_once(void **state)
{
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 4096);
	queue = open_queue(open_device(NULL));
	assert_int_equal(mpio_queue_flush(queue), 0);
	assert_int_equal(host.syncs, 1);
	host.fail_errno = EIO;
	assert_int_equal(mpio_queue_flush(queue), -MPIO_EIO);
	assert_int_equal(host.syncs, 2);
	close_both(queue);
}

static void fua_is_a_durable_write_or_a_write_and_a_sync(void **state)
{
	struct mpio_device *device;
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 8192);
	device = open_device(NULL);
	queue = open_queue(device);
	if (device->limits.features & MPIO_DEVICE_FUA) {
		assert_int_equal(
			write_pattern(queue, MPIO_BIO_FUA, 0, 512, 8192), 0);
		assert_int_equal(host.durable, 1);
		assert_int_equal(host.syncs, 0);
		device->limits.features &= ~(uint32_t)MPIO_DEVICE_FUA;
		host = (struct host){0};
	} else {
		print_message("SKIPPED: this system has no RWF_DSYNC\n");
	}
	assert_int_equal(write_pattern(queue, MPIO_BIO_FUA, 0, 512, 8192), 0);
	assert_int_equal(host.durable, 0);
	assert_int_equal(host.syncs, 1);
	close_both(queue);
}

static void a_discard_punches_a_hole(void **state)
{
	struct mpio_queue *queue;
	struct stat st;
	int status;

	(void)state;
	make_file(PATH, 256 * KIB + 3);
	queue = open_queue(open_device(NULL));
	assert_int_equal(mpio_queue_flush(queue), 0);
	status = discard(queue, 64 * KIB, 64 * KIB);
	if (status == -MPIO_EOPNOTSUPP) {
		close_both(queue);
		print_message("SKIPPED: this file system punches no holes\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_int_equal(read_zeros(queue, 64 * KIB, 64 * KIB), 0);
	assert_int_equal(read_pattern(queue, 0, 4096, 64 * KIB), 0);
	assert_int_equal(read_pattern(queue, 128 * KIB, 4096, 128 * KIB + 3),
			 0);
	assert_int_equal(stat(PATH, &st), 0);
	assert_true(st.st_blocks * 512 < 256 * 1024);
	close_both(queue);
	assert_int_equal(size_of(PATH), 256 * KIB + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_file_or_block_device_is_refused),
		TEST(a_config_that_contradicts_itself_is_refused),
		TEST(a_file_is_made_only_if_asked_for_and_if_it_can_be),
		TEST(size_extends_a_file_or_takes_its_first_bytes),
		TEST(a_file_has_blocks_of_512_bytes_and_takes_any_memory),
		TEST(bytes_come_back_up_to_an_odd_end),
		TEST(more_pieces_than_a_call_takes_are_several_calls),
		TEST(short_transfers_are_continued),
		TEST(interrupted_calls_are_repeated),
		TEST(an_error_ends_the_bio_even_after_some_bytes),
		TEST(a_file_cut_behind_the_device_fails_from_there_on),
		TEST(a_limit_on_file_size_is_told),
		TEST(a_readonly_device_is_not_written),
		TEST(flush_syncs_the_file_and_tells_its_error_once),
		TEST(fua_is_a_durable_write_or_a_write_and_a_sync),
		TEST(a_discard_punches_a_hole),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

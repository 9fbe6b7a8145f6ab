/* SPDX-License-Identifier: MIT */
/*
 * What a file handle reads ahead for a sequential reader: windows double, come
 * in time, and end where the file does; and advice. Steps and backward scans:
 * test_file_readahead_patterns.c; several readers:
 * test_file_readahead_readers.c; how much is on its way:
 * test_file_readahead_depth.c; and how much is read for nobody:
 * test_file_readahead_vain.c.
 */
#include "ahead_rig.h"

/* ---- Windows ------------------------------------------------------------- */

/* Windows of a sequential run, in KiB; the last goes on. */
static void assert_windows(struct ahead_rig *rig, uint64_t pos, uint64_t length,
			   const uint32_t *expected, size_t count)
{
	size_t n = 0;

	for (uint64_t end = pos + 4 * MIB; pos < end; pos += length) {
		uint64_t bytes = ahead_read(rig, pos, length);

		if (bytes == 0)
			continue;
		/* The rest of a page that was begun counts, too. */
		assert_int_equal(bytes / PAGE, expected[n] * KIB / PAGE);
		n += n + 1 < count;
	}
	assert_int_equal(n, count - 1);
}

static void windows_double_from_the_beginning_of_the_file(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 4);
	assert_int_equal(rig->demands, 1);
	ahead_rig_close(rig);
}

static void elsewhere_from_the_third_read_on(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	assert_int_equal(ahead_read(rig, 20 * MIB, 4 * KIB), 0);
	assert_int_equal(ahead_read(rig, 20 * MIB + 4 * KIB, 4 * KIB), 0);
	assert_int_equal(rig->ios, 2);
	assert_windows(rig, 20 * MIB + 8 * KIB, 4 * KIB, expected, 4);
	assert_int_equal(rig->demands, 3);
	ahead_rig_close(rig);
}

static void small_reads_count_as_reads(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	ahead_read_run(rig, 20 * MIB, 20 * MIB + 200, 100);
	assert_int_equal(rig->ahead, 0);
	assert_windows(rig, 20 * MIB + 200, 100, expected, 4);
	ahead_rig_close(rig);
}

static void the_configuration_sets_them(void **state)
{
	static const uint32_t expected[] = {16, 32, 64};
	static const uint32_t fixed[] = {64};
	struct mpio_file_config config = {
		.readahead_min = 16 * KIB,
		.readahead_max = 64 * KIB - 100, /* goes up to pages */
	};
	struct ahead_rig *rig = ahead_rig_open(8192, 0, &config);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 3);
	ahead_rig_close(rig);
	config.readahead_min = config.readahead_max;
	rig = ahead_rig_open(8192, 0, &config);
	assert_windows(rig, 0, 4 * KIB, fixed, 1);
	ahead_rig_close(rig);
}

static void they_are_no_larger_than_a_bio(void **state)
{
	static const uint32_t expected[] = {32, 64};
	struct ahead_rig *rig = ahead_rig_open(8192, 64 * KIB, NULL);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 2);
	ahead_rig_close(rig);
}

static void nor_than_an_eighth_of_the_cache(void **state)
{
	static const uint32_t expected[] = {32, 64};
	static const uint32_t smaller[] = {8};
	struct ahead_rig *rig = ahead_rig_open(128, 0, NULL);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 2);
	ahead_rig_close(rig);
	rig = ahead_rig_open(16, 0, NULL);
	assert_windows(rig, 0, 4 * KIB, smaller, 1);
	ahead_rig_close(rig);
}

static void a_configuration_of_other_things_leaves_them_alone(void **state)
{
	static const uint32_t expected[] = {32, 64, 128, 256};
	const struct mpio_file_config config = {.straight_min = UINT32_MAX};
	struct ahead_rig *rig = ahead_rig_open(8192, 0, &config);

	(void)state;
	assert_windows(rig, 0, 4 * KIB, expected, 4);
	ahead_rig_close(rig);
}

/* ---- In time ------------------------------------------------------------- */

static void a_sequential_reader_waits_for_the_first_alone(void **state)
{
	static const uint64_t lengths[] = {
		100, 4 * KIB, 5000, 16 * KIB, 64 * KIB, 100 * KIB, 128 * KIB};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

		ahead_read_run(rig, 0, 8 * MIB, lengths[i]);
		assert_int_equal(rig->demands, 1);
		assert_in_range(rig->ios, 8 * MIB / (256 * KIB),
				8 * MIB / (256 * KIB) + 4);
		/* No byte twice, and not much behind. */
		assert_in_range(rig->bytes, 8 * MIB,
				8 * MIB + 2 * 256 * KIB + lengths[i]);
		ahead_rig_close(rig);
	}
}

static void so_in_the_midst_of_the_file(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	ahead_read_run(rig, 20 * MIB, 28 * MIB, 64 * KIB);
	assert_in_range(rig->demands, 1, 3);
	ahead_rig_close(rig);
}

/* Runs of 60 pages, and `left_out` ones between. Returns how many were. */
static uint64_t read_with_gaps(struct ahead_rig *rig, uint64_t left_out)
{
	uint64_t n = 0;

	for (uint64_t pos = 0; pos < 8 * MIB; pos += (60 + left_out) * PAGE) {
		ahead_read_run(rig, pos, pos + 60 * PAGE, PAGE);
		n += left_out;
	}
	return n - left_out; /* none behind the last run */
}

static void a_reader_may_leave_out_a_few_pages(void **state)
{
	(void)state;
	for (uint64_t left_out = 1; left_out <= 4; left_out++) {
		struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);
		uint64_t pages = read_with_gaps(rig, left_out);
		struct mpio_file_stats stats = mpio_file_stats(&rig->file);

		assert_int_equal(rig->demands, 1);
		assert_in_range(rig->ios, 8 * MIB / (256 * KIB),
				8 * MIB / (256 * KIB) + 5);
		/* Nobody wanted those. */
		assert_in_range(stats.wanted, 7 * MIB,
				stats.ahead - pages * PAGE);
		ahead_rig_close(rig);
	}
}

/* However long it went on before: what is left out stays below a quarter. */
static void who_leaves_out_most_gets_less_and_less(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);
	struct mpio_file_stats stats;

	(void)state;
	rig->slow = true;
	ahead_read_run(rig, 0, 8 * MIB, PAGE);
	for (uint64_t pos = 8 * MIB; pos < FILE_BYTES; pos += 5 * PAGE)
		ahead_read(rig, pos, PAGE);
	stats = mpio_file_stats(&rig->file);
	assert_in_range(stats.ahead - stats.wanted, 1, stats.ahead / 4);
	ahead_rig_close(rig);
}

static void who_leaves_out_more_is_somewhere_else(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	read_with_gaps(rig, 5);
	assert_in_range(rig->demands, 100, 2048);
	ahead_rig_close(rig);
}

/* Larger than any window: two pieces of it are on their way at once. */
static void a_reader_of_large_pieces_reads_no_byte_twice(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(4096, 0, NULL);

	(void)state;
	ahead_read_run(rig, 0, 32 * MIB, MIB);
	assert_in_range(rig->bytes, 32 * MIB, 33 * MIB);
	assert_in_range(rig->ios, 32, 32 * MIB / (256 * KIB) + 8);
	ahead_rig_close(rig);
}

/* A whole read of his is ahead of him, not just one window. */
static void so_he_waits_for_the_first_ones_alone(void **state)
{
	static const uint64_t lengths[] = {256 * KIB, 320 * KIB, 512 * KIB, MIB,
					   2 * MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(4096, 0, NULL);

		ahead_read_run(rig, 0, 20 * MIB, lengths[i]);
		ahead_forget_counts(rig);
		ahead_read_run(rig, 20 * MIB, 60 * MIB, lengths[i]);
		assert_int_equal(rig->demands, 0);
		assert_in_range(ahead_on_its_way(rig), lengths[i],
				lengths[i] + 256 * KIB);
		ahead_rig_close(rig);
	}
}

/* ---- The end of file ----------------------------------------------------- */

static void nothing_is_read_behind_the_end(void **state)
{
	static const uint64_t sizes[] = {1,         4 * KIB,   5000,
					 30 * KIB,  100 * KIB, 256 * KIB,
					 MIB + 100, MIB + PAGE};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);
		uint64_t size = sizes[i];

		rig->mapping.mapping.size = size;
		ahead_read_run(rig, 0, size, 4 * KIB);
		ahead_read(rig, size, 4 * KIB);
		assert_int_equal(rig->last, (size + 511) / 512 * 512);
		assert_in_range(rig->bytes, size, size + 511);
		assert_true(mpio_file_stats(&rig->file).ahead <= size);
		ahead_rig_close(rig);
	}
}

static void nor_in_steps_or_backwards(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);
	uint64_t size = 4 * MIB + 100;

	(void)state;
	rig->mapping.mapping.size = size;
	for (uint64_t pos = 0; pos < size; pos += 64 * KIB)
		ahead_read(rig, pos, 8 * KIB);
	assert_in_range(rig->last, size, size + 511);
	ahead_rig_close(rig);
	rig = ahead_rig_open(2048, 0, NULL);
	rig->mapping.mapping.size = size;
	for (uint64_t pos = size; pos >= 3000; pos -= 3000)
		ahead_read(rig, pos - 3000, 3000);
	assert_in_range(rig->last, size, size + 511);
	assert_in_range(rig->bytes, size - 3000, size + 511);
	ahead_rig_close(rig);
}

static void an_end_that_moves_up_is_followed(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	rig->mapping.mapping.size = 100 * KIB;
	ahead_read_run(rig, 0, 100 * KIB, 4 * KIB);
	assert_int_equal(mpio_file_truncate(&rig->file, 8 * MIB), 0);
	ahead_read_run(rig, 100 * KIB, 8 * MIB, 4 * KIB);
	assert_in_range(rig->demands, 1, 4);
	assert_in_range(rig->ios, 30, 8 * MIB / (256 * KIB) + 8);
	ahead_rig_close(rig);
}

/* Nor again, when the cache needed what was read ahead. */
static void nothing_is_read_behind_an_end_that_moved_down(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);
	uint64_t ahead;

	(void)state;
	ahead_read_run(rig, 0, MIB, 16 * KIB);
	assert_int_equal(mpio_file_truncate(&rig->file, MIB + 2 * PAGE), 0);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_DONTNEED);
	ahead = ahead_read(rig, MIB, PAGE);
	assert_int_equal(ahead, PAGE);
	assert_int_equal(mpio_cache_stats(rig->cache).ahead, 1);
	ahead_rig_close(rig);
}

/* ---- Advice -------------------------------------------------------------- */

static void sequential_has_larger_windows_from_the_first_read_on(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);
	uint64_t most = 0;

	(void)state;
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	for (uint64_t pos = 40 * MIB; pos < 48 * MIB; pos += 4 * KIB) {
		uint64_t bytes = ahead_read(rig, pos, 4 * KIB);

		assert_true(bytes != 0 || pos != 40 * MIB);
		most = bytes > most ? bytes : most;
	}
	assert_int_equal(most, 512 * KIB);
	assert_int_equal(rig->demands, 1);
	ahead_rig_close(rig);
}

static void random_reads_nothing_ahead_and_normal_does_again(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_RANDOM);
	ahead_read_run(rig, 0, 2 * MIB, 4 * KIB);
	assert_int_equal(rig->ahead, 0);
	assert_int_equal(rig->bytes, 2 * MIB);
	assert_int_equal(mpio_file_stats(&rig->file).windows, 0);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_NORMAL);
	ahead_forget_counts(rig);
	ahead_read_run(rig, 2 * MIB, 8 * MIB, 4 * KIB);
	assert_in_range(rig->demands, 1, 3);
	ahead_rig_close(rig);
}

/* Nor again what was read ahead before. */
static void so_it_is_from_the_next_read_on(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL);

	(void)state;
	ahead_read_run(rig, 0, MIB, 16 * KIB);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_RANDOM);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_DONTNEED);
	ahead_forget_counts(rig);
	assert_int_equal(ahead_read(rig, MIB, PAGE), 0);
	assert_int_equal(rig->bytes, PAGE);
	ahead_rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_double_from_the_beginning_of_the_file),
		cmocka_unit_test(elsewhere_from_the_third_read_on),
		cmocka_unit_test(small_reads_count_as_reads),
		cmocka_unit_test(the_configuration_sets_them),
		cmocka_unit_test(they_are_no_larger_than_a_bio),
		cmocka_unit_test(nor_than_an_eighth_of_the_cache),
		cmocka_unit_test(
			a_configuration_of_other_things_leaves_them_alone),
		cmocka_unit_test(a_sequential_reader_waits_for_the_first_alone),
		cmocka_unit_test(so_in_the_midst_of_the_file),
		cmocka_unit_test(a_reader_may_leave_out_a_few_pages),
		cmocka_unit_test(who_leaves_out_most_gets_less_and_less),
		cmocka_unit_test(who_leaves_out_more_is_somewhere_else),
		cmocka_unit_test(a_reader_of_large_pieces_reads_no_byte_twice),
		cmocka_unit_test(so_he_waits_for_the_first_ones_alone),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(nor_in_steps_or_backwards),
		cmocka_unit_test(an_end_that_moves_up_is_followed),
		cmocka_unit_test(nothing_is_read_behind_an_end_that_moved_down),
		cmocka_unit_test(
			sequential_has_larger_windows_from_the_first_read_on),
		cmocka_unit_test(
			random_reads_nothing_ahead_and_normal_does_again),
		cmocka_unit_test(so_it_is_from_the_next_read_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

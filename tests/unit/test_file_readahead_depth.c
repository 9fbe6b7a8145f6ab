/* SPDX-License-Identifier: MIT */
/*
 * How much a file handle has on its way ahead: the more, the longer the reader
 * waits for the device; but a share of the cache at most, and of that a share
 * for each of several readers.
 */
#include "ahead_rig.h"

/* Two windows do for a fast device; a slow one gets up to eight in time. */
static void who_waits_for_the_device_has_more_on_its_way(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	ahead_read_run(rig, 0, 8 * MIB, 64 * KIB);
	assert_in_range(ahead_on_its_way(rig), 1, 2 * 256 * KIB);
	rig->slow = true;
	ahead_read_run(rig, 8 * MIB, 24 * MIB, 64 * KIB);
	assert_in_range(ahead_on_its_way(rig), 7 * 256 * KIB, 9 * 256 * KIB);
	ahead_rig_close(rig);
}

/* Also if each of his reads takes a window, or several. */
static void so_has_he_whose_reads_are_large(void **state)
{
	static const uint64_t lengths[] = {256 * KIB, 320 * KIB, 512 * KIB, MIB,
					   2 * MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

		rig->slow = true;
		ahead_read_run(rig, 0, 32 * MIB, lengths[i]);
		assert_in_range(ahead_on_its_way(rig), 7 * 256 * KIB,
				9 * 256 * KIB);
		ahead_rig_close(rig);
	}
}

static void but_never_more_than_an_eighth_of_the_cache(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL); /* 8 MiB */

	(void)state;
	rig->slow = true;
	ahead_read_run(rig, 0, 24 * MIB, 64 * KIB);
	assert_in_range(ahead_on_its_way(rig), 768 * KIB, (1024 + 256) * KIB);
	ahead_rig_close(rig);
	rig = ahead_rig_open(2048, 0, NULL);
	rig->slow = true;
	ahead_read_run(rig, 0, 24 * MIB, 3 * MIB);
	assert_in_range(ahead_on_its_way(rig), 768 * KIB, (1024 + 256) * KIB);
	ahead_rig_close(rig);
}

static void who_waits_in_steps_has_no_more_on_its_way(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	rig->slow = true;
	for (uint64_t pos = MIB; pos < 129 * MIB; pos += 64 * KIB) {
		ahead_read(rig, pos, 4 * KIB);
		assert_in_range(ahead_on_its_way(rig), 0, 2 * 64 * PAGE);
	}
	assert_in_range(ahead_on_its_way(rig), 1, 2 * 64 * PAGE);
	ahead_rig_close(rig);
}

/* What is ahead of all shares it; else nobody finds what was read ahead. */
static void several_readers_do_not_drive_each_other_out(void **state)
{
	(void)state;
	for (uint64_t readers = 2; readers <= MPIO_FILE_READERS; readers *= 2) {
		struct ahead_rig *rig = ahead_rig_open(1024, 0, NULL);
		uint64_t step = FILE_BYTES / readers, most = 0;

		/* Pages that are used more than once stay. */
		for (uint32_t i = 0; i < 3; i++)
			ahead_read_run(rig, 0, 3 * MIB, 1 * MIB);
		rig->slow = true;
		rig->bytes = 0;
		for (uint64_t pos = 0; pos < 2 * MIB; pos += PAGE)
			for (uint64_t i = 0; i < readers; i++) {
				ahead_read(rig, i * step + 4 * MIB + pos, PAGE);
				if (ahead_on_its_way(rig) > most)
					most = ahead_on_its_way(rig);
			}
		assert_in_range(most, 1, 1024 * PAGE * 62 / 100);
		assert_in_range(rig->bytes, 1,
				readers * 2 * MIB * 11 / 10 +
					ahead_on_its_way(rig));
		ahead_rig_close(rig);
	}
}

/* Also if they came one after the other, and each was alone at first. */
static void who_was_alone_gives_way_to_others(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(2048, 0, NULL); /* 8 MiB */
	uint64_t step = 32 * MIB, most = 0;

	(void)state;
	rig->slow = true;
	for (uint64_t i = 0; i < 8; i++)
		ahead_read_run(rig, i * step, i * step + 16 * MIB, 16 * KIB);
	for (uint64_t pos = 16 * MIB; pos < 24 * MIB; pos += 16 * KIB)
		for (uint64_t i = 0; i < 8; i++) {
			ahead_read(rig, i * step + pos, 16 * KIB);
			if (pos > 20 * MIB && ahead_on_its_way(rig) > most)
				most = ahead_on_its_way(rig);
			if (pos == 20 * MIB && i == 7)
				rig->bytes = ahead_on_its_way(rig);
		}
	assert_in_range(most, 1, 8 * MIB * 62 / 100);
	assert_in_range(rig->bytes, 1, 8 * 4 * MIB + most);
	ahead_rig_close(rig);
}

/* Two pieces of a large read are on their way, each of them one I/O. */
static void only_for_the_last_piece_the_device_has_nothing_else(void **state)
{
	static const uint64_t lengths[] = {2 * MIB, 512 * KIB + PAGE};
	static const uint32_t ios[] = {8, 3};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ahead_rig *rig = ahead_rig_open(8192, 256 * KIB, NULL);

		rig->slow = true;
		assert_int_equal(
			mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_RANDOM),
			0);
		ahead_read(rig, QUIET, lengths[i]);
		assert_int_equal(rig->bytes, lengths[i]);
		assert_int_equal(rig->ios, ios[i]);
		assert_int_equal(rig->alone, 1);
		ahead_rig_close(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_for_the_device_has_more_on_its_way),
		cmocka_unit_test(so_has_he_whose_reads_are_large),
		cmocka_unit_test(but_never_more_than_an_eighth_of_the_cache),
		cmocka_unit_test(who_waits_in_steps_has_no_more_on_its_way),
		cmocka_unit_test(several_readers_do_not_drive_each_other_out),
		cmocka_unit_test(who_was_alone_gives_way_to_others),
		cmocka_unit_test(
			only_for_the_last_piece_the_device_has_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

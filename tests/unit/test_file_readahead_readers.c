/* SPDX-License-Identifier: MIT */
/*
 * Several readers of one file handle are told apart: each is read ahead for,
 * though others read between.
 */
#include "ahead_rig.h"

static void interleave(uint32_t readers, uint64_t distance, uint64_t length)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	for (uint64_t pos = 0; pos < 3 * MIB; pos += length) {
		/* So far apart, and each a little further. */
		for (uint32_t i = 0; i < readers; i++)
			ahead_read(rig, i * distance + i * i * 5 * PAGE + pos,
				   length);
		/* Some of them have to wait for the ledger. */
		if (pos < MIB && pos + length >= MIB) {
			assert_in_range(rig->demands, readers, 6 * readers);
			rig->demands = 0;
		}
	}
	assert_int_equal(rig->demands, 0);
	assert_in_range(rig->bytes, readers * 3 * MIB,
			readers * (3 * MIB + 2 * 256 * KIB));
	ahead_rig_close(rig);
}

static void two_readers_are_told_apart(void **state)
{
	(void)state;
	interleave(2, 20 * MIB, 4 * KIB);
	interleave(2, 20 * MIB, 64 * KIB);
}

static void so_are_eight(void **state)
{
	(void)state;
	interleave(8, 20 * MIB, 4 * KIB);
	interleave(8, 20 * MIB, 20 * KIB);
	interleave(8, 4 * MIB, 64 * KIB);
}

static void and_eight_in_any_order(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);
	uint64_t at[8] = {0};
	uint64_t sum = 0;

	(void)state;
	ahead_seed(rig);
	for (uint32_t i = 0; i < 4000; i++) {
		uint64_t reader = ahead_random(rig) % 8;
		uint64_t length = 1 + ahead_random(rig) % (16 * KIB);

		ahead_read(rig,
			   reader * 30 * MIB + reader * reader * PAGE +
				   at[reader],
			   length);
		at[reader] += length;
		sum += length;
	}
	assert_in_range(rig->demands, 8, 32);
	assert_in_range(rig->bytes, sum, sum + 8 * 2 * 256 * KIB + 8 * PAGE);
	ahead_rig_close(rig);
}

/* Their places are as far from each other as steps are. */
static void eight_at_even_distances_are_still_sequential(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	for (uint64_t pos = 0; pos < 2 * MIB; pos += 16 * KIB) {
		for (uint32_t i = 0; i < 8; i++)
			ahead_read(rig, i * 20 * MIB + pos, 16 * KIB);
	}
	assert_in_range(rig->demands, 8, 128 * 8 / 10);
	assert_in_range(rig->ahead - rig->wanted, 0,
			rig->ahead / 4 + ALLOWANCE);
	ahead_rig_close(rig);
}

static void a_handle_knows_its_own_reads_alone(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);
	struct mpio_file other;
	unsigned char byte;

	(void)state;
	assert_int_equal(
		mpio_file_open(&other, &rig->mapping, rig->queue, NULL), 0);
	ahead_read_run(rig, 0, 2 * MIB, 4 * KIB);
	assert_int_equal(mpio_file_read(&other, &byte, 1, 2 * MIB), 1);
	assert_int_equal(mpio_file_stats(&other).ahead, 0);
	mpio_file_close(&other);
	ahead_rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_readers_are_told_apart),
		cmocka_unit_test(so_are_eight),
		cmocka_unit_test(and_eight_in_any_order),
		cmocka_unit_test(eight_at_even_distances_are_still_sequential),
		cmocka_unit_test(a_handle_knows_its_own_reads_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

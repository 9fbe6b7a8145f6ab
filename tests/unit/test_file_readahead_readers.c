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

/* ---- Several handles ------------------------------------------------------ */

#define HANDLES 8u
/* In a cache of 4 MiB two of the largest windows for each are all of it. */
#define FEW_FRAMES 1024u

struct handles {
	struct ahead_rig *rig; /* its handle is the first */
	struct mpio_file others[HANDLES - 1];
};

static struct mpio_file *handle_at(struct handles *handles, uint32_t i)
{
	return i == 0 ? &handles->rig->file : &handles->others[i - 1];
}

static void handles_open(struct handles *handles)
{
	handles->rig = ahead_rig_open(FEW_FRAMES, 0, NULL);
	for (uint32_t i = 1; i < HANDLES; i++)
		assert_int_equal(mpio_file_open(handle_at(handles, i),
						&handles->rig->mapping,
						handles->rig->queue, NULL),
				 0);
}

static void handles_close(struct handles *handles)
{
	for (uint32_t i = 1; i < HANDLES; i++)
		mpio_file_close(handle_at(handles, i));
	ahead_rig_close(handles->rig);
}

/* Each in a place of its own, a page each by turns. */
static void read_by_turns(struct handles *handles, uint64_t bytes)
{
	static unsigned char page[PAGE];

	for (uint64_t pos = 0; pos < bytes; pos += PAGE) {
		ahead_read(handles->rig, pos, PAGE);
		for (uint32_t i = 1; i < HANDLES; i++)
			assert_int_equal(mpio_file_read(handle_at(handles, i),
							page, PAGE,
							i * 20 * MIB + pos),
					 PAGE);
	}
}

static void handles_do_not_drive_each_other_out(void **state)
{
	struct handles handles;
	uint64_t bytes = HANDLES * 8 * MIB;
	uint64_t ahead = 0, wanted = 0;

	(void)state;
	handles_open(&handles);
	read_by_turns(&handles, 8 * MIB);
	for (uint32_t i = 0; i < HANDLES; i++) {
		ahead += mpio_file_stats(handle_at(&handles, i)).ahead;
		wanted += mpio_file_stats(handle_at(&handles, i)).wanted;
	}
	assert_in_range(handles.rig->bytes, bytes, bytes * 5 / 4);
	assert_in_range(handles.rig->ios, 1, bytes / (64 * KIB));
	/* Nearly all was read ahead, and what was read twice is told. */
	assert_in_range(handles.rig->bytes - ahead, 0, bytes / 50);
	assert_in_range(ahead - wanted, 1, ahead / 4);
	handles_close(&handles);
}

/* Read so much that nothing else stays in the cache, also of what was read
 * ahead, which lets others go first a few times. */
static void fill_the_cache(struct ahead_rig *rig)
{
	static unsigned char bytes[64 * 1024];
	struct mpio_file other;

	assert_int_equal(
		mpio_file_open(&other, &rig->mapping, rig->queue, NULL), 0);
	mpio_file_advise(&other, 0, 0, MPIO_ADVICE_RANDOM);
	rig->pos = QUIET;
	rig->end = QUIET + 7 * FEW_FRAMES * PAGE;
	for (uint64_t pos = rig->pos; pos < rig->end; pos += sizeof(bytes))
		assert_int_equal(
			mpio_file_read(&other, bytes, sizeof(bytes), pos),
			sizeof(bytes));
	mpio_file_close(&other);
}

/* Not page by page; and to the ledger it was in vain. */
static void what_the_cache_needed_is_read_again_in_one_piece(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(FEW_FRAMES, 0, NULL);
	struct mpio_file_stats stats;
	uint64_t lost;

	(void)state;
	ahead_read_run(rig, 0, 4 * MIB, PAGE);
	lost = ahead_on_its_way(rig);
	assert_in_range(lost, 256 * KIB, 512 * KIB);
	fill_the_cache(rig);
	ahead_forget_counts(rig);
	ahead_read_run(rig, 4 * MIB, 4 * MIB + lost, PAGE);
	assert_in_range(rig->demands, 1, 3);
	stats = mpio_file_stats(&rig->file);
	assert_in_range(stats.ahead - stats.wanted - ahead_on_its_way(rig),
			lost - 4 * PAGE, lost);
	assert_int_equal(rig->file.ledger_ahead, stats.ahead);
	ahead_rig_close(rig);
}

/* Windows of a run. */
static uint64_t windows_in(struct ahead_rig *rig, uint64_t from, uint64_t to)
{
	uint64_t before = mpio_file_stats(&rig->file).windows;

	ahead_read_run(rig, from, to, 64 * KIB);
	return mpio_file_stats(&rig->file).windows - before;
}

static void who_is_alone_again_has_the_largest_windows_again(void **state)
{
	struct handles handles;
	struct ahead_rig *rig;

	(void)state;
	handles_open(&handles);
	rig = handles.rig;
	read_by_turns(&handles, 4 * MIB);
	/* What lies ahead of the others takes its part: 8 were the largest. */
	assert_in_range(windows_in(rig, 4 * MIB, 6 * MIB), 12, 512);
	fill_the_cache(rig);
	ahead_read_run(rig, 6 * MIB, 8 * MIB, 64 * KIB);
	ahead_forget_counts(rig);
	assert_in_range(windows_in(rig, 8 * MIB, 16 * MIB), 31, 33);
	assert_int_equal(rig->demands, 0);
	handles_close(&handles);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_readers_are_told_apart),
		cmocka_unit_test(so_are_eight),
		cmocka_unit_test(and_eight_in_any_order),
		cmocka_unit_test(eight_at_even_distances_are_still_sequential),
		cmocka_unit_test(a_handle_knows_its_own_reads_alone),
		cmocka_unit_test(handles_do_not_drive_each_other_out),
		cmocka_unit_test(
			what_the_cache_needed_is_read_again_in_one_piece),
		cmocka_unit_test(
			who_is_alone_again_has_the_largest_windows_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

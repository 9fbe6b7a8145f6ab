/* SPDX-License-Identifier: MIT */
/*
 * What was read ahead is kept until its reader comes, and counted: by all
 * handles of a cache together, so that they share the room.
 */
#include "ahead_rig.h"

#include <stdlib.h>

#define HANDLES_MAX 12u

struct handles {
	struct ahead_rig *rig;
	uint32_t count;
	uint64_t step; /* between their places */
	struct mpio_file files[HANDLES_MAX];
};

static struct handles *handles_open(uint32_t frames, uint32_t count)
{
	struct handles *handles = calloc(1, sizeof(*handles));

	assert_non_null(handles);
	handles->rig = ahead_rig_open(frames, 0, NULL);
	handles->count = count;
	handles->step = 20 * MIB;
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(mpio_file_open(&handles->files[i],
						&handles->rig->mapping,
						handles->rig->queue, NULL),
				 0);
	return handles;
}

static void handles_close(struct handles *handles)
{
	for (uint32_t i = 0; i < handles->count; i++)
		mpio_file_close(&handles->files[i]);
	ahead_rig_close(handles->rig);
	free(handles);
}

static void read_at(struct mpio_file *file, uint64_t pos, uint64_t length)
{
	static unsigned char buffer[1024 * 1024];

	assert_int_equal(mpio_file_read(file, buffer, (size_t)length, pos),
			 length);
}

/* Each in a place of its own, by turns. */
static void read_by_turns(struct handles *handles, uint64_t bytes,
			  uint64_t length)
{
	for (uint64_t pos = 0; pos < bytes; pos += length)
		for (uint32_t i = 0; i < handles->count; i++)
			read_at(&handles->files[i], i * handles->step + pos,
				length);
}

static struct mpio_cache_stats stats_of(const struct ahead_rig *rig)
{
	return mpio_cache_stats(rig->cache);
}

/* Read pages nobody read ahead, each once. */
static void read_others(struct ahead_rig *rig, uint64_t bytes)
{
	struct mpio_file other;

	assert_int_equal(
		mpio_file_open(&other, &rig->mapping, rig->queue, NULL), 0);
	mpio_file_advise(&other, 0, 0, MPIO_ADVICE_RANDOM);
	rig->pos = QUIET;
	rig->end = QUIET + bytes;
	for (uint64_t pos = rig->pos; pos < rig->end; pos += 64 * KIB)
		read_at(&other, pos, 64 * KIB);
	rig->pos = rig->end = 0;
	mpio_file_close(&other);
}

/* ---- Room is shared ------------------------------------------------------- */

static void handles_with_large_reads_find_what_was_read_ahead(void **state)
{
	static const uint64_t lengths[] = {64 * KIB, 256 * KIB, MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		/* Two of the largest windows for each are 6 of 8 MiB. */
		struct handles *handles = handles_open(2048, 12);
		uint64_t wanted = 12 * 8 * MIB;
		uint64_t ahead;

		read_by_turns(handles, 8 * MIB, lengths[i]);
		ahead = stats_of(handles->rig).ahead * PAGE;
		assert_in_range(handles->rig->bytes, wanted,
				wanted * 101 / 100 + ahead);
		handles_close(handles);
	}
}

static void and_so_do_two_of_a_small_cache(void **state)
{
	struct handles *handles = handles_open(512, 2);
	uint64_t wanted = 2 * 8 * MIB;

	(void)state;
	read_by_turns(handles, 8 * MIB, 64 * KIB);
	assert_in_range(handles->rig->bytes, wanted,
			wanted + stats_of(handles->rig).ahead * PAGE);
	assert_int_equal(stats_of(handles->rig).lost, 0);
	/* All was read in windows, not page by page. */
	assert_in_range(handles->rig->ios, 1, wanted / (128 * KIB));
	handles_close(handles);
}

/* Handles that stopped leave their pages; there is room enough beside. */
static void stale_pages_of_a_large_cache_make_no_window_small(void **state)
{
	struct handles *handles = handles_open(16384, 8);
	struct ahead_rig *rig = handles->rig;
	uint64_t before;

	(void)state;
	read_by_turns(handles, 2 * MIB, 64 * KIB);
	assert_in_range(stats_of(rig).ahead, 8 * 64, 8 * 3 * 64);
	ahead_read_run(rig, 200 * MIB, 202 * MIB, 64 * KIB);
	before = mpio_file_stats(&rig->file).windows;
	ahead_read_run(rig, 202 * MIB, 210 * MIB, 64 * KIB);
	assert_in_range(mpio_file_stats(&rig->file).windows - before, 31, 33);
	handles_close(handles);
}

/* ---- Pages are kept, and counted ------------------------------------------ */

static void what_was_used_goes_before_it(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(1024, 0, NULL);
	uint64_t ahead;

	(void)state;
	ahead_read_run(rig, 0, 4 * MIB, PAGE);
	ahead = ahead_on_its_way(rig);
	assert_in_range(ahead, 256 * KIB, 512 * KIB);
	assert_int_equal(stats_of(rig).ahead, ahead / PAGE);
	read_others(rig, 8 * MIB); /* twice the cache */
	assert_int_equal(stats_of(rig).ahead, ahead / PAGE);
	assert_int_equal(stats_of(rig).lost, 0);
	ahead_forget_counts(rig);
	ahead_read_run(rig, 4 * MIB, 4 * MIB + ahead, PAGE);
	assert_int_equal(rig->demands, 0);
	ahead_rig_close(rig);
}

/* Not for ever: their reader may have gone. */
static void but_in_the_end_it_goes_and_is_counted_as_lost(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(1024, 0, NULL);
	uint32_t ahead;

	(void)state;
	ahead_read_run(rig, 0, 4 * MIB, PAGE);
	ahead = stats_of(rig).ahead;
	read_others(rig, 24 * MIB);
	assert_int_equal(stats_of(rig).ahead, 0);
	assert_int_equal(stats_of(rig).lost, ahead);
	ahead_rig_close(rig);
}

static void who_comes_or_forgets_ends_it(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(1024, 0, NULL);
	uint32_t ahead;

	(void)state;
	assert_int_equal(mpio_file_advise(&rig->file, 0, 40 * PAGE,
					  MPIO_ADVICE_WILLNEED),
			 0);
	assert_int_equal(stats_of(rig).ahead, 40);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_RANDOM);
	for (uint32_t i = 0; i < 3; i++)
		ahead_read(rig, 5 * PAGE, 100);
	ahead_read(rig, 6 * PAGE + 7, 100);
	assert_int_equal(stats_of(rig).ahead, 38);
	mpio_file_write(&rig->file, "new", 3, 7 * PAGE);
	assert_int_equal(stats_of(rig).ahead, 37);
	ahead = stats_of(rig).ahead;
	assert_int_equal(mpio_file_advise(&rig->file, 20 * PAGE, 30 * PAGE,
					  MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(stats_of(rig).ahead, ahead - 10);
	assert_int_equal(mpio_file_truncate(&rig->file, 7 * PAGE), 0);
	assert_int_equal(stats_of(rig).ahead, 5);
	assert_int_equal(stats_of(rig).lost, 0);
	ahead_rig_close(rig);
}

/* More than can be kept goes in its turn, as anything else. */
static void there_may_be_more_than_can_be_kept(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(1024, 0, NULL);

	(void)state;
	for (uint64_t pos = 0; pos < 16 * MIB; pos += MIB) {
		assert_int_equal(mpio_file_advise(&rig->file, pos, pos + MIB,
						  MPIO_ADVICE_WILLNEED),
				 0);
		mpio_queue_poll(rig->queue);
	}
	assert_in_range(stats_of(rig).ahead, stats_of(rig).kept / 2, 1024);
	assert_in_range(stats_of(rig).lost, 4096 - 1024, 4096);
	ahead_read_run(rig, 0, 4 * MIB, 64 * KIB);
	ahead_rig_close(rig);
}

/* ---- Uses that are one ---------------------------------------------------- */

/* A scan in pieces leaves pages alone that others use over and over between. */
static void a_scan_in_pieces_is_still_one(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(512, 0, NULL);
	struct mpio_file other;
	uint64_t at = 0;

	(void)state;
	assert_int_equal(
		mpio_file_open(&other, &rig->mapping, rig->queue, NULL), 0);
	mpio_file_advise(&other, 0, 0, MPIO_ADVICE_RANDOM);
	for (uint64_t i = 0; i < 4 * 256; i++)
		read_at(&other, QUIET + i % 256 * PAGE, PAGE);
	ahead_forget_counts(rig);
	for (uint64_t pos = 0; pos < 16 * MIB; pos += 2 * KIB) {
		ahead_read(rig, pos, 2 * KIB);
		read_at(&other, QUIET + at++ * 7 % 256 * PAGE, 64);
	}
	assert_in_range(rig->bytes, 16 * MIB, 16 * MIB + 512 * KIB);
	mpio_file_close(&other);
	ahead_rig_close(rig);
}

/*
 * Reads of so many bytes, each a step from the one before, a negative one down;
 * and others between. How many pages were used twice that way.
 */
static uint64_t promoted_by_scan(uint64_t length, int64_t step)
{
	struct ahead_rig *rig = ahead_rig_open(512, 0, NULL);
	struct mpio_file other;
	uint64_t promoted;

	assert_int_equal(
		mpio_file_open(&other, &rig->mapping, rig->queue, NULL), 0);
	mpio_file_advise(&other, 0, 0, MPIO_ADVICE_RANDOM);
	for (uint64_t i = 0; i < 3; i++) {
		read_at(&other, QUIET, 64);
		read_at(&other, QUIET + PAGE, 64);
	}
	promoted = stats_of(rig).promoted;
	for (int64_t i = 1; i < 1000; i++) {
		ahead_read(rig, (uint64_t)(110 * (int64_t)MIB + i * step),
			   length);
		read_at(&other, QUIET, 64);
	}
	promoted = stats_of(rig).promoted - promoted;
	mpio_file_close(&other);
	ahead_rig_close(rig);
	return promoted;
}

static void so_is_one_that_goes_backwards(void **state)
{
	static const uint64_t lengths[] = {3000, 6000, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_int_equal(
			promoted_by_scan(lengths[i], -(int64_t)lengths[i]), 0);
}

/* Of several in a page; but where it began nobody knew which way it goes. */
static void also_with_small_reads(void **state)
{
	static const uint64_t lengths[] = {100, 512, 1000, 1024, 3000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_in_range(
			promoted_by_scan(lengths[i], -(int64_t)lengths[i]), 0,
			1);
}

static void and_one_of_reads_that_overlap(void **state)
{
	static const uint64_t steps[] = {10, 512, 900, 999};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(promoted_by_scan(1000, (int64_t)steps[i]), 0);
	assert_int_equal(promoted_by_scan(5000, PAGE), 0);
	assert_int_equal(promoted_by_scan(5000, -(int64_t)PAGE), 0);
}

/* But who reads the same bytes again uses them twice. */
static void the_same_bytes_again_are_another_use(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(512, 0, NULL);
	uint64_t promoted;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		promoted = stats_of(rig).promoted;
		ahead_read(rig, 10 * PAGE + 100, 100);
		ahead_read(rig, 90 * PAGE + 100, 100);
	}
	assert_int_equal(stats_of(rig).promoted, promoted + 2);
	ahead_rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			handles_with_large_reads_find_what_was_read_ahead),
		cmocka_unit_test(and_so_do_two_of_a_small_cache),
		cmocka_unit_test(
			stale_pages_of_a_large_cache_make_no_window_small),
		cmocka_unit_test(what_was_used_goes_before_it),
		cmocka_unit_test(but_in_the_end_it_goes_and_is_counted_as_lost),
		cmocka_unit_test(who_comes_or_forgets_ends_it),
		cmocka_unit_test(there_may_be_more_than_can_be_kept),
		cmocka_unit_test(a_scan_in_pieces_is_still_one),
		cmocka_unit_test(so_is_one_that_goes_backwards),
		cmocka_unit_test(also_with_small_reads),
		cmocka_unit_test(and_one_of_reads_that_overlap),
		cmocka_unit_test(the_same_bytes_again_are_another_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

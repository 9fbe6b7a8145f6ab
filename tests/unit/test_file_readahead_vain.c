/* SPDX-License-Identifier: MIT */
/*
 * How much a file handle reads ahead that nobody comes to: little, whatever the
 * reader does; and that does not keep back a long run that comes then.
 */
#include "ahead_rig.h"

#include <inttypes.h>
#include <stdlib.h>

/* In a cache that is large beside the file much is there already, by chance. */
#define FEW_FRAMES 1024u

/* ---- Workloads ----------------------------------------------------------- */

/* A workload: runs of so many reads of such lengths, then a jump. */
struct workload {
	const char *name;
	uint32_t (*run)(struct ahead_rig *rig); /* how many reads */
	uint64_t length_max;
	bool any_length; /* less, too */
};

static uint32_t single(struct ahead_rig *rig)
{
	(void)rig;
	return 1;
}

static uint32_t two(struct ahead_rig *rig)
{
	(void)rig;
	return 2;
}

static uint32_t three(struct ahead_rig *rig)
{
	(void)rig;
	return 3;
}

static uint32_t four(struct ahead_rig *rig)
{
	(void)rig;
	return 4;
}

static uint32_t up_to_32(struct ahead_rig *rig)
{
	return 1 + (uint32_t)(ahead_random(rig) % 32);
}

static uint32_t halving(struct ahead_rig *rig)
{
	uint32_t n = 1;

	while (ahead_random(rig) % 4 != 0)
		n++;
	return n;
}

/* Mostly one, now and then very many. */
static uint32_t long_tail(struct ahead_rig *rig)
{
	uint32_t n = 1;

	while (n < 2048 && ahead_random(rig) % 2 == 0)
		n *= 2;
	return n;
}

static uint32_t one_or_100(struct ahead_rig *rig)
{
	return ahead_random(rig) % 4 == 0 ? 100 : 1;
}

static const struct workload workloads[] = {
	{"single reads", single, 4 * KIB, false},
	{"single large reads", single, 128 * KIB, true},
	{"two reads", two, 4 * KIB, false},
	{"three reads", three, 4 * KIB, false},
	{"four reads", four, 16 * KIB, false},
	{"up to 32 reads", up_to_32, 4 * KIB, false},
	{"up to 32 reads of any length", up_to_32, 32 * KIB, true},
	{"a few reads", halving, 4 * KIB, false},
	{"a few large reads", halving, 64 * KIB, false},
	{"few reads or very many", long_tail, 4 * KIB, false},
	{"few reads or very many, of any length", long_tail, 16 * KIB, true},
	{"one read or 100", one_or_100, 8 * KIB, false},
};

static void do_workload(struct ahead_rig *rig, const struct workload *workload,
			uint32_t reads)
{
	while (reads != 0) {
		uint32_t n = workload->run(rig);
		uint64_t pos = ahead_random(rig) % (JUMPS / PAGE) * PAGE;

		for (; n != 0 && reads != 0; n--) {
			uint64_t length = workload->length_max;

			if (workload->any_length)
				length = 1 + ahead_random(rig) % length;
			ahead_read(rig, pos, length);
			pos += length;
			reads--;
		}
	}
}

/* ---- In vain ------------------------------------------------------------- */

static void assert_little_in_vain(struct ahead_rig *rig, const char *name)
{
	struct mpio_file_stats stats = mpio_file_stats(&rig->file);
	uint64_t device = rig->ahead - rig->wanted;
	uint64_t told = stats.ahead - stats.wanted;

	print_message("%s: %" PRIu64 " KiB ahead, %" PRIu64
		      " in vain; told %" PRIu64 ", %" PRIu64 "\n",
		      name, rig->ahead / KIB, device / KIB, stats.ahead / KIB,
		      told / KIB);
	assert_true(stats.wanted <= stats.ahead);
	if (device > rig->ahead / 4 + ALLOWANCE)
		fail_msg("%s: of %" PRIu64 " bytes %" PRIu64 " in vain", name,
			 rig->ahead, device);
	if (told > stats.ahead / 4 + ALLOWANCE)
		fail_msg("%s: of %" PRIu64 " bytes %" PRIu64 " in vain, told",
			 name, stats.ahead, told);
}

static void little_is_read_in_vain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(FEW_FRAMES, 0, NULL);

		ahead_seed(rig);
		do_workload(rig, &workloads[i], 10000);
		assert_little_in_vain(rig, workloads[i].name);
		ahead_rig_close(rig);
	}
}

static void so_it_is_when_they_come_one_after_the_other(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(FEW_FRAMES, 0, NULL);

	(void)state;
	ahead_seed(rig);
	for (uint32_t i = 0; i < 200; i++)
		do_workload(
			rig,
			&workloads[ahead_random(rig) %
				   (sizeof(workloads) / sizeof(workloads[0]))],
			200);
	assert_little_in_vain(rig, "all of them");
	ahead_rig_close(rig);
}

/* Scans that seem to go in steps, or backwards, and do not go on. */
static void patterns_that_end_are_guessed_little_in_vain(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(FEW_FRAMES, 0, NULL);

	(void)state;
	ahead_seed(rig);
	for (uint32_t i = 0; i < 4000; i++) {
		uint64_t pos = 32 * MIB +
			       ahead_random(rig) % (100 * MIB / PAGE) * PAGE;
		uint64_t step = 1 + ahead_random(rig) % 40;
		uint64_t n = 1 + ahead_random(rig) % 6;
		bool down = ahead_random(rig) % 2 != 0;

		for (uint64_t j = 0; j < n; j++)
			ahead_read(rig,
				   down ? pos - j * step * PAGE
					: pos + j * step * PAGE,
				   4 * KIB);
	}
	assert_little_in_vain(rig, "patterns that end");
	ahead_rig_close(rig);
}

/* More than one window at a time is started for them. */
static void so_it_is_when_reads_are_larger_than_windows(void **state)
{
	static const struct workload large[] = {
		{"up to 32 reads of 512 KiB", up_to_32, 512 * KIB, false},
		{"up to 32 reads of up to 1 MiB", up_to_32, MIB, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(4096, 0, NULL);

		ahead_seed(rig);
		do_workload(rig, &large[i], 2000);
		assert_little_in_vain(rig, large[i].name);
		ahead_rig_close(rig);
	}
}

/* What long reads are granted against the ledger is one small window each. */
static void a_large_read_gets_one_small_window_on_trust(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);
	uint64_t pos = QUIET;
	uint64_t bytes;

	(void)state;
	ahead_seed(rig);
	do_workload(rig, &workloads[3], 5000);
	do {
		bytes = ahead_read(rig, pos, MIB);
		pos += MIB;
	} while (bytes == 0 && pos < QUIET + 16 * MIB);
	assert_int_equal(bytes, 32 * KIB);
	ahead_rig_close(rig);
}

/* ---- Lost ---------------------------------------------------------------- */

#define MANY 32u
#define EACH (3 * MIB)

/*
 * More than the cache keeps is read ahead of many handles that read by turns,
 * each a step, of so many bytes, behind where it read before. Now and then each
 * gets a small window on trust.
 */
static void read_by_many(struct ahead_rig *rig, struct mpio_file *files,
			 uint64_t length, uint64_t step)
{
	uint64_t told = 0;
	uint64_t ahead = 0;

	for (uint64_t pos = 0; pos < EACH; pos += step)
		for (uint32_t i = 0; i < MANY; i++)
			ahead_read_by(rig, &files[i], 2 * i * EACH + pos,
				      length);
	for (uint32_t i = 0; i < MANY; i++) {
		struct mpio_file_stats stats = mpio_file_stats(&files[i]);

		assert_true(stats.wanted <= stats.ahead);
		ahead += stats.ahead;
		told += stats.ahead - stats.wanted;
	}
	print_message(
		"%" PRIu64 " each %" PRIu64 ": %" PRIu64 " KiB ahead, %" PRIu64
		" in vain; told %" PRIu64 ", %" PRIu64 "\n",
		length, step, rig->ahead / KIB,
		(rig->ahead - rig->wanted) / KIB, ahead / KIB, told / KIB);
	assert_true(rig->ahead - rig->wanted <=
		    rig->ahead / 4 + MANY * (ALLOWANCE + EACH / 16));
	assert_true(told <= ahead / 4 + MANY * (ALLOWANCE + EACH / 16));
	assert_true(rig->ahead - rig->wanted <= told);
}

/* Then one of them reads on alone, for long. */
static void many_and_one(uint64_t length, uint64_t step, uint32_t demands)
{
	struct ahead_rig *rig = ahead_rig_open(512, 0, NULL);
	struct mpio_file files[MANY];

	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(mpio_file_open(&files[i], &rig->mapping,
						rig->queue, NULL),
				 0);
	read_by_many(rig, files, length, step);
	for (uint64_t pos = QUIET; pos < QUIET + 24 * MIB; pos += step) {
		if (pos < QUIET + 16 * MIB)
			ahead_forget_counts(rig);
		ahead_read_by(rig, &files[0], pos, length);
	}
	assert_in_range(rig->demands, 0, demands);
	for (uint32_t i = 0; i < MANY; i++)
		mpio_file_close(&files[i]);
	ahead_rig_close(rig);
}

static void what_the_cache_could_not_keep_was_in_vain(void **state)
{
	(void)state;
	many_and_one(20000, 20000, 0);
	many_and_one(64 * KIB, 64 * KIB, 0);
	many_and_one(256 * KIB, 256 * KIB, 0);
}

/* But a small window has none of such steps. */
static void and_so_it_was_of_steps(void **state)
{
	(void)state;
	many_and_one(128 * KIB, 132 * KIB, UINT32_MAX);
	many_and_one(256 * KIB, 260 * KIB, UINT32_MAX);
}

/* ---- Afterwards ---------------------------------------------------------- */

/* The cache is large enough that nothing is lost before it is wanted. */
static void what_was_in_vain_does_not_keep_back_a_long_run(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		struct ahead_rig *rig = ahead_rig_open(4096, 0, NULL);
		uint64_t windows;

		ahead_seed(rig);
		do_workload(rig, &workloads[i], 5000);
		ahead_read_run(rig, QUIET, QUIET + 16 * MIB, 64 * KIB);
		ahead_forget_counts(rig);
		windows = mpio_file_stats(&rig->file).windows;
		ahead_read_run(rig, QUIET + 16 * MIB, QUIET + 24 * MIB,
			       64 * KIB);
		windows = mpio_file_stats(&rig->file).windows - windows;
		if (rig->demands != 0 || windows > 33)
			fail_msg("%s: %u demand reads, %" PRIu64 " windows",
				 workloads[i].name, (unsigned)rig->demands,
				 windows);
		assert_little_in_vain(rig, workloads[i].name);
		ahead_rig_close(rig);
	}
}

static void it_goes_against_the_ledger(void **state)
{
	struct ahead_rig *rig = ahead_rig_open(8192, 0, NULL);

	(void)state;
	ahead_seed(rig);
	do_workload(rig, &workloads[3], 5000);
	mpio_file_advise(&rig->file, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	ahead_forget_counts(rig);
	ahead_read_run(rig, QUIET, QUIET + 2 * MIB, 4 * KIB);
	assert_in_range(rig->demands, 0, 1);
	ahead_rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_is_read_in_vain),
		cmocka_unit_test(so_it_is_when_they_come_one_after_the_other),
		cmocka_unit_test(patterns_that_end_are_guessed_little_in_vain),
		cmocka_unit_test(so_it_is_when_reads_are_larger_than_windows),
		cmocka_unit_test(a_large_read_gets_one_small_window_on_trust),
		cmocka_unit_test(what_the_cache_could_not_keep_was_in_vain),
		cmocka_unit_test(and_so_it_was_of_steps),
		cmocka_unit_test(
			what_was_in_vain_does_not_keep_back_a_long_run),
		cmocka_unit_test(it_goes_against_the_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Tests of the write-ahead log on a simulated disk: an error at each I/O, and
 * the power cut at each I/O, with every state that this may leave.
 *
 *     wal-test                       all of it
 *     REPLAY='URI STATE' wal-test    one state of one cut, as a failure prints it
 */
#include "wal.h"

#include <mpio/open.h>
#include <mpio/simdisk.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRANSACTIONS 20u
#define STATES_DRAWN 200u

/* ---- What is to be there ------------------------------------------------- */

/* Transaction t changes 50 numbers to t; so a record has two sectors. */
static uint32_t changes_of(uint64_t t, struct wal_change *changes)
{
	for (uint32_t i = 0; i < 50; i++) {
		changes[i].slot = (t * 7 + i * 13) % WAL_SLOTS;
		changes[i].value = t;
	}
	return 50;
}

/* Whether a table is that of the first n transactions. */
static bool holds(const uint64_t *table, uint64_t n)
{
	uint64_t expected[WAL_SLOTS] = {0};

	for (uint64_t t = 1; t <= n; t++) {
		struct wal_change changes[WAL_CHANGES_MAX];
		uint32_t count = changes_of(t, changes);

		for (uint32_t i = 0; i < count; i++)
			expected[changes[i].slot] = changes[i].value;
	}
	return memcmp(table, expected, sizeof(expected)) == 0;
}

/* Do transactions until one fails; how many were promised to be there. */
static uint64_t work(struct mpio_device *device, int *error)
{
	struct wal wal;
	uint64_t done;

	*error = wal_open(&wal, device);
	if (*error != 0)
		return 0;
	for (done = wal.next - 1; done < TRANSACTIONS; done++) {
		struct wal_change changes[WAL_CHANGES_MAX];
		uint32_t count = changes_of(done + 1, changes);

		*error = wal_commit(&wal, changes, count);
		if (*error != 0)
			break;
	}
	wal_close(&wal);
	return done;
}

/* Open again: what was promised is there, perhaps with the one transaction
 * that was under way, and nothing in between. */
static bool recovers(struct mpio_device *device, uint64_t promised)
{
	struct wal wal;
	bool right;

	if (wal_open(&wal, device) != 0)
		return false;
	right = holds(wal.table, wal.next - 1) &&
		(wal.next - 1 == promised || wal.next - 1 == promised + 1);
	wal_close(&wal);
	return right;
}

static struct mpio_device *open_disk(const char *uri)
{
	struct mpio_device *device;
	int error = mpio_device_open(uri, &device);

	if (error != 0)
		fail_msg("%s: %s", uri, mpio_strerror(error));
	return device;
}

/* ---- Errors -------------------------------------------------------------- */

/* One write, or flush, fails; false: the run had no such any more. */
static bool fail_one(const char *event, unsigned nth)
{
	struct mpio_device *device;
	struct mpio_sim *sim;
	struct mpio_fault_rule rule;
	uint64_t promised;
	char uri[128];
	int error;

	snprintf(uri, sizeof(uri), "sim:16K?seed=1&rules=%s:nth=%u:errno=EIO",
		 event, nth);
	device = open_disk(uri);
	sim = mpio_sim_of(device);
	promised = work(device, &error);
	mpio_sim_rule(sim, 0, &rule);
	if (rule.fired != 0) {
		assert_int_equal(error, -MPIO_EIO);
		if (!recovers(device, promised))
			fail_msg("replay: %s", uri);
		/* It goes on where it was. */
		assert_int_equal(work(device, &error), TRANSACTIONS);
		assert_int_equal(error, 0);
	}
	mpio_device_close(device);
	return rule.fired != 0;
}

/* Each of them in turn; how many there were. */
static unsigned fail_each(const char *event)
{
	unsigned nth = 1;

	while (fail_one(event, nth))
		nth++;
	return nth - 1;
}

static void an_error_is_told_and_loses_nothing(void **state)
{
	unsigned writes = fail_each("write");
	unsigned flushes = fail_each("flush");

	(void)state;
	/* One that loses what it should have made durable may not be tried
	 * again: the next would say that all is well. */
	assert_int_equal(fail_each("flush:lose"), flushes);
	print_message("%u writes and %u flushes failed\n", writes, flushes);
	assert_true(writes > TRANSACTIONS);
}

/* How many bios a queue has left. */
static unsigned bios_left(struct mpio_queue *queue)
{
	struct mpio_bio *bios[64];
	unsigned n = 0, count;

	while (n < 64 &&
	       (bios[n] = mpio_bio_get(queue, MPIO_BIO_WRITE, 0)) != NULL)
		n++;
	for (count = n; n > 0; n--)
		mpio_bio_put(bios[n - 1]);
	return count;
}

/* The disk ends behind the second record: the third is not even begun. */
static void what_is_refused_gives_its_bio_back(void **state)
{
	struct mpio_device *device = open_disk("sim:10K?seed=1");
	struct wal_change changes[WAL_CHANGES_MAX];
	struct wal wal;
	unsigned before;

	(void)state;
	assert_int_equal(wal_open(&wal, device), 0);
	before = bios_left(wal.queue);
	assert_int_equal(wal_commit(&wal, changes, changes_of(1, changes)), 0);
	assert_int_equal(wal_commit(&wal, changes, changes_of(2, changes)), 0);
	assert_int_not_equal(wal_commit(&wal, changes, changes_of(3, changes)),
			     0);
	assert_int_equal(bios_left(wal.queue), before);
	wal_close(&wal);
	mpio_device_close(device);
}

/* ---- Power cuts ---------------------------------------------------------- */

/* One state that the cut may have left; the disk is as it was afterwards. */
static bool try_state(struct mpio_device *device,
		      const struct mpio_sim_snapshot *snapshot,
		      enum mpio_sim_cut_kind kind, uint64_t index,
		      uint64_t promised)
{
	struct mpio_sim *sim = mpio_sim_of(device);

	assert_int_equal(mpio_sim_restore(sim, snapshot), 0);
	assert_int_equal(mpio_sim_cut(sim, kind, index), 0);
	return recovers(device, promised);
}

/* All states of one cut, or, if it is not UINT64_MAX, the one; how many. */
static uint64_t try_cut(const char *uri, uint64_t only)
{
	struct mpio_device *device = open_disk(uri);
	struct mpio_sim *sim = mpio_sim_of(device);
	enum mpio_sim_cut_kind kind = MPIO_SIM_TEAR_ONE;
	struct mpio_sim_snapshot *snapshot;
	uint64_t promised;
	uint64_t states;
	int error;

	promised = work(device, &error);
	if (!mpio_sim_is_off(sim)) {
		mpio_device_close(device);
		return 0; /* it came to its end before */
	}
	assert_int_equal(error, -MPIO_ENXIO);
	assert_int_equal(mpio_sim_snapshot(sim, &snapshot), 0);
	states = mpio_sim_cut_states(sim, kind);
	if (states == 0) { /* too many to have them all */
		kind = MPIO_SIM_DRAWN;
		states = STATES_DRAWN;
	}
	for (uint64_t i = 0; i < states; i++) {
		if (only != UINT64_MAX && i != only)
			continue;
		if (!try_state(device, snapshot, kind, i, promised))
			fail_msg("%" PRIu64 " transactions were promised, and "
				 "are not there; replay: REPLAY='%s %" PRIu64
				 "' wal-test",
				 promised, uri, i);
	}
	mpio_sim_forget(snapshot);
	mpio_device_close(device);
	return states;
}

static void no_power_cut_loses_what_was_promised(void **state)
{
	uint64_t sum = 0;
	uint64_t states;
	unsigned nth = 0;

	(void)state;
	do {
		char uri[128];

		/* With the n-th I/O in flight, whatever it is. */
		snprintf(uri, sizeof(uri),
			 "sim:16K?seed=1&rules=submit:nth=%u:cut", ++nth);
		states = try_cut(uri, UINT64_MAX);
		sum += states;
	} while (states != 0);
	print_message("%u cuts, %" PRIu64 " states\n", nth - 1, sum);
	assert_true(nth > 2 * TRANSACTIONS);
}

static void the_one_state(void **state)
{
	char uri[256];
	uint64_t index;

	(void)state;
	if (sscanf(getenv("REPLAY"), "%255s %" SCNu64, uri, &index) != 2)
		fail_msg("REPLAY is to be 'URI STATE'");
	assert_int_not_equal(try_cut(uri, index), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_told_and_loses_nothing),
		cmocka_unit_test(what_is_refused_gives_its_bio_back),
		cmocka_unit_test(no_power_cut_loses_what_was_promised),
	};
	const struct CMUnitTest one[] = {cmocka_unit_test(the_one_state)};

	if (getenv("REPLAY") != NULL)
		return cmocka_run_group_tests(one, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

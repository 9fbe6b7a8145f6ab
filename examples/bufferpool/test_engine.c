/* SPDX-License-Identifier: MIT */
/*
 * Tests of the engine on a simulated disk: an error at each I/O, the power cut
 * at each write and flush, with the states that this may leave, and what a scan
 * and a checkpoint cost.
 *
 *     bufferpool-test [SEED]                 all of it
 *     REPLAY='RULES STATE' bufferpool-test   one state, as a failure prints it
 */
#include "engine.h"

#include <mpio/open.h>
#include <mpio/simdisk.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRANSACTIONS 25u
#define LOG 4u    /* pages: 100 records */
#define HEAP 24u  /* pages */
#define FRAMES 6u /* far less than the heap */
#define ROWS (HEAP * PAGE_ROWS)
#define STATES_MAX 128u

static unsigned seed = 1;
static const char *program = "bufferpool-test";

/* ---- What is to be there ------------------------------------------------- */

static struct row row_of(uint64_t t, uint64_t row)
{
	struct row made;

	for (uint64_t i = 0; i < 8; i++)
		made.words[i] = (t << 32) + (row << 8) + i + 1;
	return made;
}

/*
 * Of five transactions three change rows all over the heap, one changes few
 * pages, and one is undone, which fills nearly all of the log's ring.
 */
static bool is_aborted(uint64_t t)
{
	return t % 5 == 4;
}

static uint64_t rows_of(uint64_t t)
{
	return is_aborted(t) ? 48 : 1 + t * 7 % 23;
}

/* The i-th row that it changes. */
static uint64_t row_at(uint64_t t, uint64_t i)
{
	return (t * 389 + i * (t % 5 >= 3 ? 1 : 97)) % ROWS;
}

/* The heap as the first n transactions leave it. */
static const struct row *expected(uint64_t n)
{
	static struct row rows[ROWS];

	memset(rows, 0, sizeof(rows));
	for (uint64_t t = 1; t <= n; t++) {
		for (uint64_t i = 0; i < rows_of(t) && !is_aborted(t); i++)
			rows[row_at(t, i)] = row_of(t, row_at(t, i));
	}
	return rows;
}

static int compare(void *ctx, uint64_t first, uint64_t map,
		   const struct row *rows)
{
	const struct row *right = *(const struct row **)ctx;

	(void)map;
	return memcmp(right + first, rows, PAGE_ROWS * sizeof(*rows)) != 0;
}

/* 0: the heap is as it should be; 1: it is not; or a negative errno. */
static int check(struct db *db, const struct row *rows)
{
	uint64_t map[HEAP];

	memset(map, 0xff, sizeof(map));
	return db_scan(db, map, 4, compare, &rows);
}

/* ---- Work ---------------------------------------------------------------- */

/* Some with a checkpoint before, or when half of it is done. */
static int change(struct db *db, uint64_t t)
{
	uint64_t rows = rows_of(t);
	uint64_t checkpoint = is_aborted(t) ? 0 : t % 5 == 1 ? rows / 2 : rows;
	int error = 0;

	for (uint64_t i = 0; i < rows && error == 0; i++) {
		struct row row = row_of(t, row_at(t, i));

		if (i == checkpoint)
			error = db_checkpoint(db);
		if (error == 0)
			error = db_put(db, row_at(t, i), &row);
	}
	if (error != 0)
		return error;
	return is_aborted(t) ? db_abort(db) : db_commit(db);
}

/* Transactions behind the first n, until one fails; which was the last. */
static uint64_t work(struct mpio_device *device, uint64_t n, int *error)
{
	struct db db;

	*error = db_open(&db, device, LOG, FRAMES);
	if (*error != 0)
		return n;
	while (n < TRANSACTIONS && *error == 0) {
		*error = change(&db, n + 1);
		n += *error == 0;
	}
	/* One that has failed shows nothing that may not last. */
	if (db.failed != 0)
		assert_int_equal(check(&db, expected(n)), db.failed);
	if (*error == 0)
		*error = check(&db, expected(n));
	assert_int_not_equal(*error, 1);
	db_close(&db);
	return n;
}

/* Open again: what was promised is there, perhaps with the one transaction that
 * was under way, and nothing in between. -1, or how many are there. */
static int64_t recovers(struct mpio_device *device, uint64_t promised)
{
	int64_t found = -1;
	struct db db;

	if (db_open(&db, device, LOG, FRAMES) != 0)
		return -1;
	for (uint64_t n = promised; n <= promised + 1 && found < 0; n++)
		found = check(&db, expected(n)) == 0 ? (int64_t)n : -1;
	db_close(&db);
	return found;
}

static struct mpio_device *open_disk(const char *rules)
{
	struct mpio_device *device;
	char uri[512];
	int error;

	snprintf(uri, sizeof(uri), "sim:%uK?seed=%u&rules=%s",
		 (LOG + HEAP) * PAGE / 1024, seed, rules);
	error = mpio_device_open(uri, &device);
	if (error != 0)
		fail_msg("%s: %s", uri, mpio_strerror(error));
	return device;
}

/* ---- Errors -------------------------------------------------------------- */

/*
 * One I/O fails, or from it on all; false: the run had no such any more. What
 * fails once may be mended by the library, which tries parts of it again.
 */
static bool fail_one(const char *event, unsigned nth, const char *how)
{
	struct mpio_device *device;
	struct mpio_fault_rule rule;
	uint64_t promised;
	int64_t found;
	char rules[64];
	int error;

	snprintf(rules, sizeof(rules), "%s:nth=%u:errno=EIO%s", event, nth,
		 how);
	device = open_disk(rules);
	promised = work(device, 0, &error);
	mpio_sim_rule(mpio_sim_of(device), 0, &rule);
	mpio_sim_clear_rules(mpio_sim_of(device));
	if (rule.fired != 0) {
		assert_true(error == -MPIO_EIO ||
			    (error == 0 && how[0] == '\0'));
		found = recovers(device, promised);
		if (found < 0)
			fail_msg("%" PRIu64 " were promised; %s", promised,
				 rules);
		/* It goes on where it was. */
		promised = work(device, (uint64_t)found, &error);
		assert_int_equal(error, 0);
		assert_int_equal(promised, TRANSACTIONS);
	}
	mpio_device_close(device);
	return rule.fired != 0;
}

static unsigned fail_each(const char *event, const char *how)
{
	unsigned nth = 1;

	while (fail_one(event, nth, how))
		nth++;
	return nth - 1;
}

static void an_error_is_told_and_loses_nothing(void **state)
{
	unsigned reads = fail_each("read", ":sticky");
	unsigned writes = fail_each("write", ":sticky");
	unsigned flushes = fail_each("flush", ":sticky");

	(void)state;
	assert_int_equal(fail_each("write", ""), writes);
	/* One that loses what it should have made durable may not be tried
	 * again: the next would say that all is well. */
	assert_int_equal(fail_each("flush", ":lose:once"), flushes);
	print_message("seed %u: %u reads, %u writes, %u flushes failed\n", seed,
		      reads, writes, flushes);
	assert_true(writes > 2 * TRANSACTIONS);
}

/* ---- Power cuts ---------------------------------------------------------- */

/* The way to choose states that has most of them, within reason. */
static uint64_t count_states(struct mpio_sim *sim, enum mpio_sim_cut_kind *kind)
{
	uint64_t states;

	for (*kind = MPIO_SIM_TEAR_ALL;; (*kind)--) {
		states = mpio_sim_cut_states(sim, *kind);
		if (states > 0 && states <= STATES_MAX)
			return states;
		if (*kind == MPIO_SIM_WHOLE)
			break;
	}
	*kind = MPIO_SIM_DRAWN;
	return STATES_MAX;
}

/* All states of one cut, or, if it is not UINT64_MAX, the one; how many. */
static uint64_t try_cut(const char *rules, uint64_t only)
{
	struct mpio_device *device = open_disk(rules);
	struct mpio_sim *sim = mpio_sim_of(device);
	struct mpio_sim_snapshot *snapshot;
	enum mpio_sim_cut_kind kind;
	uint64_t promised;
	uint64_t states;
	int error;

	promised = work(device, 0, &error);
	if (!mpio_sim_is_off(sim)) {
		mpio_device_close(device);
		return 0; /* it came to its end before */
	}
	assert_int_equal(error, -MPIO_ENXIO);
	assert_int_equal(mpio_sim_snapshot(sim, &snapshot), 0);
	states = count_states(sim, &kind);
	if (only != UINT64_MAX && only >= states)
		fail_msg("there are %" PRIu64 " states", states);
	for (uint64_t i = 0; i < states; i++) {
		if (only != UINT64_MAX && i != only)
			continue;
		assert_int_equal(mpio_sim_restore(sim, snapshot), 0);
		assert_int_equal(mpio_sim_cut(sim, kind, i), 0);
		if (recovers(device, promised) < 0)
			fail_msg("of %" PRIu64 " transactions something is "
				 "lost, or of the next there; replay: "
				 "REPLAY='%s %" PRIu64 "' %s %u",
				 promised, rules, i, program, seed);
	}
	mpio_sim_forget(snapshot);
	mpio_device_close(device);
	return states;
}

static uint64_t cut_each(const char *event, unsigned *cuts)
{
	uint64_t sum = 0;
	uint64_t states;

	*cuts = 0;
	do {
		char rules[64];

		snprintf(rules, sizeof(rules), "%s:nth=%u:cut", event, ++*cuts);
		states = try_cut(rules, UINT64_MAX);
		sum += states;
	} while (states != 0);
	--*cuts;
	return sum;
}

static void no_power_cut_loses_what_was_committed(void **state)
{
	unsigned writes, flushes;
	uint64_t states = cut_each("flush", &flushes);

	(void)state;
	states += cut_each("write", &writes);
	print_message("seed %u: cut at %u writes and %u flushes, %" PRIu64
		      " states\n",
		      seed, writes, flushes, states);
	assert_true(flushes > TRANSACTIONS && writes > flushes);
}

/*
 * A flush fails, and all is still in the disk's cache. Then the power fails in
 * the recovery from that, at each of its writes and flushes.
 */
static uint64_t cut_recovery(unsigned nth)
{
	struct mpio_sim_snapshot *first, *second;
	struct mpio_device *device;
	enum mpio_sim_cut_kind kind;
	uint64_t promised, sum = 0;
	struct mpio_sim *sim;
	char rules[64];
	int error;

	snprintf(rules, sizeof(rules), "flush:nth=%u:errno=EIO:sticky", nth);
	device = open_disk(rules);
	sim = mpio_sim_of(device);
	promised = work(device, 0, &error);
	if (LEAVE_OUT == 0)
		assert_int_equal(error, -MPIO_EIO);
	mpio_sim_clear_rules(sim);
	assert_int_equal(mpio_sim_snapshot(sim, &first), 0);
	for (unsigned at = 1;; at++) {
		snprintf(rules, sizeof(rules), "write:nth=%u:cut", at);
		assert_int_equal(mpio_sim_restore(sim, first), 0);
		assert_int_equal(mpio_sim_add_rules(sim, rules, NULL), 0);
		(void)recovers(device, promised);
		mpio_sim_clear_rules(sim);
		if (!mpio_sim_is_off(sim))
			break;
		assert_int_equal(mpio_sim_snapshot(sim, &second), 0);
		for (uint64_t i = 0; i < count_states(sim, &kind); i++) {
			assert_int_equal(mpio_sim_cut(sim, kind, i), 0);
			if (recovers(device, promised) < 0)
				fail_msg("recovery was cut, and something is "
					 "lost: flush %u, write %u, state "
					 "%" PRIu64,
					 nth, at, i);
			assert_int_equal(mpio_sim_restore(sim, second), 0);
			sum++;
		}
		mpio_sim_forget(second);
	}
	mpio_sim_forget(first);
	mpio_device_close(device);
	return sum;
}

static void recovery_may_be_cut(void **state)
{
	uint64_t states = 0;

	(void)state;
	for (unsigned nth = 20; nth < 60; nth += 13)
		states += cut_recovery(nth);
	print_message("seed %u: recovery was cut, %" PRIu64 " states\n", seed,
		      states);
	assert_true(states > 100);
}

/* ---- Records of a lost future -------------------------------------------- */

static int put_some(struct db *db, uint64_t t, uint64_t first, uint64_t n,
		    struct row *rows)
{
	int error = 0;

	for (uint64_t row = first; row < first + n && error == 0; row++) {
		rows[row] = row_of(t, row);
		error = db_put(db, row, &rows[row]);
	}
	return error != 0 ? error : db_commit(db);
}

/* The log is at this many records of its ring's end; then a commit is cut that
 * goes round it, and smaller ones fill up what was lost. */
static uint64_t cut_round_the_end(unsigned room)
{
	static struct row rows[ROWS], before[ROWS];
	struct mpio_device *device = open_disk("read:nth=1000000:drop");
	struct mpio_sim *sim = mpio_sim_of(device);
	struct mpio_sim_snapshot *snapshot;
	enum mpio_sim_cut_kind kind;
	uint64_t states;
	struct db db;

	memset(rows, 0, sizeof(rows));
	assert_int_equal(db_open(&db, device, LOG, FRAMES), 0);
	for (unsigned t = 1; t <= 2; t++)
		assert_int_equal(
			put_some(&db, t, t * 50, t == 1 ? 40 : 56 - room, rows),
			0);
	memcpy(before, rows, sizeof(rows));
	assert_int_equal(db_checkpoint(&db), 0);
	assert_int_equal(mpio_sim_add_rules(sim, "flush:nth=1:cut", NULL), 0);
	assert_int_equal(put_some(&db, 3, 64, 30, rows), -MPIO_ENXIO);
	db_close(&db);
	mpio_sim_clear_rules(sim);
	assert_int_equal(mpio_sim_snapshot(sim, &snapshot), 0);
	states = count_states(sim, &kind);
	for (uint64_t i = 0; i < states; i++) {
		assert_int_equal(mpio_sim_restore(sim, snapshot), 0);
		assert_int_equal(mpio_sim_cut(sim, kind, i), 0);
		assert_int_equal(db_open(&db, device, LOG, FRAMES), 0);
		memcpy(rows, before, sizeof(rows));
		if (check(&db, rows) != 0) { /* all of it, then */
			for (uint64_t row = 64; row < 94; row++)
				rows[row] = row_of(3, row);
		}
		for (uint64_t t = 0; t < 20; t++) {
			if (check(&db, rows) != 0)
				fail_msg("records of a lost future came true; "
					 "room %u, state %" PRIu64,
					 room, i);
			assert_int_equal(put_some(&db, 9, 200 + t, 1, rows), 0);
			db_close(&db);
			assert_int_equal(db_open(&db, device, LOG, FRAMES), 0);
		}
		db_close(&db);
	}
	mpio_sim_forget(snapshot);
	mpio_device_close(device);
	return states;
}

static void a_lost_future_stays_lost(void **state)
{
	(void)state;
	for (unsigned room = 10; room < 14; room++)
		assert_true(cut_round_the_end(room) >= 4);
}

/* ---- What it costs, and bad input ---------------------------------------- */

static int count_rows(void *ctx, uint64_t first, uint64_t map,
		      const struct row *rows)
{
	(void)first, (void)rows;
	for (; map != 0; map &= map - 1)
		++*(uint64_t *)ctx;
	return 0;
}

static void a_scan_reads_neighbours_together(void **state)
{
	struct mpio_device *device;
	const struct mpio_stats *stats;
	uint64_t map[256] = {0}, seen = 0, before;
	struct row row;
	struct db db;

	(void)state;
	assert_int_equal(mpio_device_open("sim:1040K", &device), 0);
	assert_int_equal(db_open(&db, device, LOG, 64), 0);
	stats = mpio_queue_stats(db.queue);
	for (uint64_t i = 0; i < 256; i++)
		map[i] = i % 16 < 8 ? 3 : 0; /* runs of eight pages */
	before = stats->reads;
	assert_int_equal(db_scan(&db, map, 32, count_rows, &seen), 0);
	assert_int_equal(seen, 256);
	assert_int_equal(stats->reads - before, 16);
	before = stats->reads;
	for (uint64_t i = 0; i < 256; i++) {
		if (i % 16 < 8)
			assert_int_equal(db_get(&db, i * PAGE_ROWS, &row), 0);
	}
	/* But for what was still in the pool. */
	assert_in_range(stats->reads - before, 64, 128);
	for (size_t i = 0; i < db.pool; i++)
		assert_int_equal(db.clock[i].pins, 0);
	db_close(&db);
	mpio_device_close(device);
}

static void a_checkpoint_writes_neighbours_together(void **state)
{
	struct mpio_device *device;
	const struct mpio_stats *stats;
	struct row row = {{1}};
	uint64_t before;
	struct db db;

	(void)state;
	assert_int_equal(mpio_device_open("sim:1040K", &device), 0);
	assert_int_equal(db_open(&db, device, LOG, 64), 0);
	stats = mpio_queue_stats(db.queue);
	/* Two runs of 16 pages, dirtied in no order. */
	for (uint64_t i = 0; i < 32; i++) {
		uint64_t page = i * 5 % 32;

		page += page < 16 ? 0 : 100;
		assert_int_equal(db_put(&db, page * PAGE_ROWS, &row), 0);
	}
	assert_int_equal(db_commit(&db), 0);
	before = stats->writes;
	assert_int_equal(db_checkpoint(&db), 0);
	assert_int_equal(stats->writes - before, 2);
	db_close(&db);
	mpio_device_close(device);
}

static int put_in_scan(void *ctx, uint64_t first, uint64_t map,
		       const struct row *rows)
{
	struct row row = rows[0];

	(void)map;
	row.words[0]++;
	return db_put(ctx, first, &row);
}

static void rows_are_changed_in_a_scan(void **state)
{
	struct mpio_device *device = open_disk("read:nth=1000000:drop");
	uint64_t map[HEAP];
	struct row row;
	struct db db;

	(void)state;
	memset(map, 0xff, sizeof(map));
	assert_int_equal(db_open(&db, device, LOG, FRAMES), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(db_scan(&db, map, 4, put_in_scan, &db), 0);
		assert_int_equal(i < 3 ? db_commit(&db) : db_abort(&db), 0);
	}
	for (uint64_t i = 0; i < HEAP; i++) {
		assert_int_equal(db_get(&db, i * PAGE_ROWS, &row), 0);
		assert_int_equal(row.words[0], 3);
	}
	db_close(&db);
	mpio_device_close(device);
}

static void what_cannot_be_is_told(void **state)
{
	struct mpio_device *device = open_disk("read:range=16K+4K:errno=EIO");
	struct row row = {{1}};
	uint64_t map[HEAP] = {1, 1};
	uint64_t n = 0, seen = 0;
	struct db db;

	(void)state;
	assert_int_equal(db_open(&db, device, 0, FRAMES), -MPIO_EINVAL);
	assert_int_equal(db_open(&db, device, LOG, 0), -MPIO_EINVAL);
	assert_int_equal(db_open(&db, device, LOG + HEAP, 1), -MPIO_EINVAL);
	assert_int_equal(db_open(&db, device, LOG, FRAMES), 0);
	assert_int_equal(db_get(&db, ROWS, &row), -MPIO_EINVAL);
	assert_int_equal(db_put(&db, UINT64_MAX, &row), -MPIO_EINVAL);
	/* A page that cannot be read stops nothing but who wants it. */
	assert_int_equal(db_get(&db, 0, &row), -MPIO_EIO);
	assert_int_equal(db_put(&db, 1, &row), -MPIO_EIO);
	assert_int_equal(db_scan(&db, map, 4, count_rows, &seen), -MPIO_EIO);
	assert_int_equal(seen, 0);
	/* A transaction that the log has no room for is undone. */
	while (db_put(&db, 64 + n, &row) == 0)
		n++;
	assert_in_range(n, 40, 49);
	assert_int_equal(db_put(&db, 64, &row), -MPIO_ENOSPC);
	assert_int_equal(db_abort(&db), 0);
	assert_int_equal(db_get(&db, 64, &row), 0);
	assert_int_equal(row.words[0], 0);
	/* All frames are in use. */
	for (uint32_t i = 0; i < FRAMES; i++)
		db.clock[i].pins++;
	assert_int_equal(db_get(&db, ROWS - 1, &row), -MPIO_EBUSY);
	map[0] = map[1] = 0;
	map[HEAP - 1] = 1;
	assert_int_equal(db_scan(&db, map, 4, count_rows, &seen), -MPIO_ENOMEM);
	db_close(&db);
	/* Something else is on the device. */
	memset(&row, 0x5a, sizeof(row));
	for (uint64_t i = 0; i < LOG * PAGE; i += sizeof(row))
		assert_int_equal(mpio_sim_poke(mpio_sim_of(device), i, &row,
					       sizeof(row)),
				 0);
	assert_int_equal(db_open(&db, device, LOG, FRAMES), -MPIO_EUCLEAN);
	mpio_device_close(device);
}

static void the_one_state(void **state)
{
	char rules[256];
	uint64_t index;

	(void)state;
	if (sscanf(getenv("REPLAY"), "%255s %" SCNu64, rules, &index) != 2)
		fail_msg("REPLAY is to be 'RULES STATE'");
	assert_int_not_equal(try_cut(rules, index), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_reads_neighbours_together),
		cmocka_unit_test(a_checkpoint_writes_neighbours_together),
		cmocka_unit_test(rows_are_changed_in_a_scan),
		cmocka_unit_test(what_cannot_be_is_told),
		cmocka_unit_test(an_error_is_told_and_loses_nothing),
		cmocka_unit_test(no_power_cut_loses_what_was_committed),
		cmocka_unit_test(recovery_may_be_cut),
		cmocka_unit_test(a_lost_future_stays_lost),
	};
	/* An engine that lacks something: the test that finds it. */
	const struct CMUnitTest found[] = {
		LEAVE_OUT == LEAP    ? tests[7]
		: LEAVE_OUT == AGAIN ? tests[6]
				     : tests[5],
	};
	const struct CMUnitTest one[] = {cmocka_unit_test(the_one_state)};

	if (strrchr(argv[0], '/') != NULL)
		program = strrchr(argv[0], '/') + 1;
	if (argc > 1)
		seed = (unsigned)strtoul(argv[1], NULL, 0);
	if (getenv("REPLAY") != NULL)
		return cmocka_run_group_tests(one, NULL, NULL);
	if (LEAVE_OUT != 0)
		return cmocka_run_group_tests(found, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

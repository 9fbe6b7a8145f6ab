/* SPDX-License-Identifier: MIT */
/*
 * Power cuts of the simulated disk with writes in flight: the flush before one
 * of them was done or not, and those that overlap have any order. The states
 * are counted by hand.
 */
#include "sim_rig.h"

static struct sim_rig rig;
static char disks[1000][RIG_SECTORS + 1];

static void cut(enum mpio_sim_cut_kind kind, uint64_t index)
{
	assert_int_equal(mpio_sim_cut(rig.sim, kind, index), 0);
}

static void power_off(void)
{
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
}

static uint64_t states_of(enum mpio_sim_cut_kind kind)
{
	return mpio_sim_cut_states(rig.sim, kind);
}

static uint32_t count_disks(enum mpio_sim_cut_kind kind, uint64_t states)
{
	return sim_count_disks(&rig, kind, states, disks);
}

static void is_among(const char *letters, uint32_t count)
{
	uint32_t i = 0;

	while (i < count && strncmp(disks[i], letters, strlen(letters)) != 0)
		i++;
	if (i == count)
		fail_msg("'%s' is not among them", letters);
}

/* ---- Flushes ------------------------------------------------------------ */

/*
 * If anything is left of it, what its flush covers is there; if nothing is, the
 * flush may not have been done. By hand: 2 * 3 states, of which the two with
 * some of b and without a are as those with a.
 */
static void a_preflush_in_flight_comes_behind_its_flush(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=2:cut");
	sim_put(&rig, 0, 1, 'a');
	assert_int_equal(sim_put_flags(&rig, 2, 2, 'b', MPIO_BIO_PREFLUSH),
			 -MPIO_ENXIO);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 6);
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ALL, 6), 4);
	assert_string_equal(disks[0], "................");
	assert_string_equal(disks[1], "a...............");
	assert_string_equal(disks[2], "a.b.............");
	assert_string_equal(disks[3], "a.b.............");
	assert_string_equal(disks[4], "a.bb............");
	assert_string_equal(disks[5], "a.bb............");
	sim_rig_close(&rig);
	/* One that is not done flushes nothing. */
	sim_rig_open(&rig, "write:nth=2:drop:cut");
	sim_put(&rig, 0, 1, 'a');
	sim_put_flags(&rig, 2, 2, 'b', MPIO_BIO_PREFLUSH);
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 2);
	cut(MPIO_SIM_WHOLE, 0);
	assert_sim(&rig, "....");
	sim_rig_close(&rig);
}

/*
 * b is behind a flush of a, and c and d are not: c was submitted later, and d
 * was done later. By hand: without b, the other three are there or not, 8
 * disks; with it a is, and the other two are there or not, 4.
 */
static void the_flush_before_one_in_flight_may_be_undone(void **state)
{
	char found[5];

	(void)state;
	sim_rig_open(&rig, "write:nth=2:hold,write:nth=4:hold");
	sim_put(&rig, 0, 1, 'a');
	sim_start(&rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 1, 1, 'b');
	sim_put(&rig, 3, 1, 'd');
	sim_start(&rig, MPIO_BIO_WRITE, 0, 2, 1, 'c');
	power_off();
	assert_int_equal(mpio_sim_unflushed(rig.sim), 4);
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 16);
	assert_int_equal(count_disks(MPIO_SIM_WHOLE, 16), 12);
	is_among("..c.", 16);
	is_among("ab..", 16);
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 12);
	is_among("..c.", 1000);
	is_among("...d", 1000);
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(disks[i][0] == 'a' || disks[i][1] == '.');
	/* All, none, the last, and all but one. */
	count_disks(MPIO_SIM_DRAWN, 4);
	is_among("abcd", 4);
	is_among("....", 4);
	is_among("..c.", 4);
	cut(MPIO_SIM_DRAWN, 3);
	sim_letters(&rig, 4, found);
	/* Without what its flush covers that behind it is not there, either. */
	assert_true(strcmp(found, "..cd") == 0 || strcmp(found, "a.cd") == 0 ||
		    strcmp(found, "ab.d") == 0 || strcmp(found, "abc.") == 0);
	sim_rig_close(&rig);
}

/* Each of them is left out with some seed, and the last one is the one behind
 * the flush: it is there with what that covers. */
static void extremes_keep_what_a_flush_covers(void **state)
{
	uint32_t without_a = 0;
	uint32_t without_b = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 32; seed++) {
		struct mpio_sim_snapshot *snapshot;
		char found[3];

		sim_rig_init(&rig);
		rig.config.seed = seed;
		sim_rig_make(&rig, "");
		sim_put(&rig, 0, 1, 'a');
		sim_start(&rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 1, 1, 'b');
		power_off();
		assert_int_equal(mpio_sim_snapshot(rig.sim, &snapshot), 0);
		cut(MPIO_SIM_DRAWN, 2);
		assert_sim(&rig, "ab..");
		assert_int_equal(mpio_sim_restore(rig.sim, snapshot), 0);
		cut(MPIO_SIM_DRAWN, 3);
		sim_letters(&rig, 2, found);
		without_a += strcmp(found, "..") == 0;
		without_b += strcmp(found, "a.") == 0;
		mpio_sim_forget(snapshot);
		sim_rig_close(&rig);
	}
	assert_int_equal(without_a + without_b, 32);
	assert_in_range(without_a, 1, 31);
}

/*
 * Of two queues: b is behind a flush of a, and d behind one of a and c. By
 * hand: with d, a and c are there, and b is or not, 2 disks; without it, c is
 * or not, and of a and b none, a, or both: 2 * 3.
 */
static void each_flush_in_flight_covers_its_own(void **state)
{
	struct mpio_queue *first;

	(void)state;
	sim_rig_open(&rig, "write:nth=2:hold");
	sim_put(&rig, 0, 1, 'a');
	sim_start(&rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 1, 1, 'b');
	first = rig.queue;
	sim_rig_open_queue(&rig);
	sim_put(&rig, 2, 1, 'c');
	sim_start(&rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 3, 1, 'd');
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(first), 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 16);
	assert_int_equal(count_disks(MPIO_SIM_WHOLE, 16), 8);
	is_among("abc.", 16);
	is_among("a.cd", 16);
	is_among("..c.", 16);
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 8);
	mpio_queue_close(first);
	sim_rig_close(&rig);
}

/* ---- Order --------------------------------------------------------------- */

/*
 * Writes that are there or not, of which a and b share a sector, and b and c.
 * By hand: none, one of them, and a with c are 5 disks; a with b, and b with c,
 * are 2 each if either may be the later, and all three 4. Together 13, and 8 of
 * them in the order of their submission.
 */
static void what_was_in_flight_is_drawn_in_any_order(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.limits.atomic_unit = 8 * SECTOR;
	sim_rig_make(&rig, "");
	sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 2, 'a');
	sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 3, 'b');
	sim_start(&rig, MPIO_BIO_WRITE, 0, 3, 2, 'c');
	power_off();
	assert_int_equal(count_disks(MPIO_SIM_WHOLE, 8), 8);
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 13);
	cut(MPIO_SIM_DRAWN, 0);
	assert_sim(&rig, "abbcc.");
	/* What had been done before comes first. */
	sim_put(&rig, 0, 2, 'd');
	sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 2, 'e');
	power_off();
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 4);
	sim_rig_close(&rig);
}

/*
 * Writes that are there or not: c was done before a was submitted, and b, which
 * has a sector of a, while a was in flight. So a is over c, and either of a and
 * b over the other. By hand: without a, 4 disks of b and c; with it, 'aa' and
 * 'ab', the latter only among those that are drawn.
 */
static void what_was_done_meanwhile_may_lie_on_top(void **state)
{
	(void)state;
	for (uint32_t fua = 0; fua < 2; fua++) {
		sim_rig_init(&rig);
		rig.config.limits.atomic_unit = 8 * SECTOR;
		sim_rig_make(&rig, "write:nth=2:hold");
		sim_put(&rig, 0, 1, 'c');
		sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 2, 'a');
		sim_put_flags(&rig, 1, 1, 'b', fua != 0 ? MPIO_BIO_FUA : 0);
		power_off();
		if (fua == 0) {
			assert_int_equal(count_disks(MPIO_SIM_WHOLE, 8), 5);
			assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 6);
		} else { /* Those of them that have b, or have it below a. */
			assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 4);
		}
		is_among("ab..", 1000);
		is_among("aa..", 1000);
		sim_rig_close(&rig);
	}
}

/*
 * b, and then c were done while a was in flight, and each has a sector of it.
 * By hand: none, 'aa', '.bb' and 'c'; of a and b 'aab' and 'abb', of a and c
 * 'ca' besides, of b and c 'cbb'; and of all a may be between them, 'cab': 9.
 */
static void it_may_lie_between_what_was_done_meanwhile(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.limits.atomic_unit = 8 * SECTOR;
	sim_rig_make(&rig, "write:nth=1:hold");
	sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 2, 'a');
	sim_put(&rig, 1, 2, 'b');
	sim_put(&rig, 0, 1, 'c');
	power_off();
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 9);
	is_among("aab.", 1000);
	is_among("cab.", 1000);
	is_among("cbb.", 1000);
	sim_rig_close(&rig);
}

/*
 * Of a and d in flight, and b, done meanwhile, any may be on top in the sector
 * that all three have. By hand: none, 'aa', '.dd' and '.b'; of two of them,
 * 'aad', 'add', 'ab' and '.bd' besides; of all, 'abd': 9.
 */
static void any_of_three_may_lie_on_top(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.limits.atomic_unit = 8 * SECTOR;
	sim_rig_make(&rig, "write:nth=1:hold,write:nth=2:hold");
	sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 2, 'a');
	sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 2, 'd');
	sim_put(&rig, 1, 1, 'b');
	power_off();
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 1000), 9);
	is_among("aad.", 1000);
	is_among("add.", 1000);
	is_among("abd.", 1000);
	sim_rig_close(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_preflush_in_flight_comes_behind_its_flush),
		TEST(the_flush_before_one_in_flight_may_be_undone),
		TEST(extremes_keep_what_a_flush_covers),
		TEST(each_flush_in_flight_covers_its_own),
		TEST(what_was_in_flight_is_drawn_in_any_order),
		TEST(what_was_done_meanwhile_may_lie_on_top),
		TEST(it_may_lie_between_what_was_done_meanwhile),
		TEST(any_of_three_may_lie_on_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

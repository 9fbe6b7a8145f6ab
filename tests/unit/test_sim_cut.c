/* SPDX-License-Identifier: MIT */
/*
 * Power cuts of the simulated disk: what is durable, which states there are,
 * counted by hand, and snapshots.
 */
#include "sim_rig.h"

static struct sim_rig rig;

static void cut(enum mpio_sim_cut_kind kind, uint64_t index)
{
	assert_int_equal(mpio_sim_cut(rig.sim, kind, index), 0);
}

/* Nothing that is not durable is there. */
static void cut_all(void)
{
	cut(MPIO_SIM_WHOLE, 0);
}

/* ---- Durable -------------------------------------------------------------- */

static void a_flush_makes_durable(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 2, 'a');
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	sim_put(&rig, 1, 2, 'b');
	assert_sim(&rig, "abb.");
	cut_all();
	assert_sim(&rig, "aa..");
	assert_false(mpio_sim_is_off(rig.sim));
	sim_rig_close(&rig);
}

static void without_a_flush_nothing_is(void **state)
{
	(void)state;
	sim_rig_open(&rig, "flush:drop");
	sim_put(&rig, 0, 2, 'a');
	assert_int_equal(sim_flush(&rig), 0);
	cut_all();
	assert_sim(&rig, "....");
	sim_rig_close(&rig);
}

static void a_failed_flush_makes_nothing_durable(void **state)
{
	(void)state;
	sim_rig_open(&rig, "flush:errno=EIO");
	sim_put(&rig, 0, 2, 'a');
	assert_int_equal(sim_flush(&rig), -MPIO_EIO);
	cut_all();
	assert_sim(&rig, "....");
	sim_rig_close(&rig);
}

/* A second flush does not bring back what the first one has lost. */
static void a_flush_may_lose_what_it_covers(void **state)
{
	(void)state;
	sim_rig_open(&rig, "flush:nth=2:lose:errno=EIO,flush:nth=4:lose");
	sim_put(&rig, 0, 4, 'a');
	assert_int_equal(sim_flush(&rig), 0);
	sim_put(&rig, 0, 1, 'b');
	sim_put_flags(&rig, 1, 1, 'c', MPIO_BIO_FUA);
	sim_put(&rig, 1, 2, 'd');
	assert_sim(&rig, "bdda");
	assert_int_equal(sim_flush(&rig), -MPIO_EIO);
	assert_sim(&rig, "acaa");
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	assert_int_equal(sim_flush(&rig), 0);
	sim_put(&rig, 3, 1, 'e');
	assert_sim(&rig, "acae");
	assert_int_equal(sim_flush(&rig), 0);
	assert_sim(&rig, "acaa");
	cut_all();
	assert_sim(&rig, "acaa");
	sim_rig_close(&rig);
}

/* What is done after the flush was submitted is not lost with it. */
static void a_flush_loses_no_more_than_it_covers(void **state)
{
	(void)state;
	sim_rig_open(&rig, "flush:nth=1:hold:lose");
	sim_put(&rig, 0, 2, 'a');
	sim_start(&rig, MPIO_BIO_FLUSH, 0, 0, 0, 0);
	sim_put(&rig, 1, 2, 'b');
	mpio_sim_release(rig.sim, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_sim(&rig, ".bb.");
	assert_int_equal(sim_flush(&rig), 0);
	cut_all();
	assert_sim(&rig, ".bb.");
	sim_rig_close(&rig);
}

/* What is done after the flush was submitted is not its. */
static void a_flush_covers_what_was_done_before(void **state)
{
	struct sim_io *io;

	(void)state;
	sim_rig_open(&rig, "flush:nth=1:hold");
	sim_put(&rig, 0, 1, 'a');
	io = sim_start(&rig, MPIO_BIO_FLUSH, 0, 0, 0, 0);
	sim_put(&rig, 1, 1, 'b');
	mpio_sim_release(rig.sim, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(io->status, 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	cut_all();
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

static void a_fua_write_is_durable_alone(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 3, 'a');
	sim_put_flags(&rig, 1, 3, 'b', MPIO_BIO_FUA);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	assert_int_equal(mpio_sim_cut_states(rig.sim, MPIO_SIM_WHOLE), 2);
	cut_all();
	assert_sim(&rig, ".bbb");
	sim_rig_close(&rig);
	/* Where the older one is there, too, it lies below. */
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 3, 'a');
	sim_put_flags(&rig, 1, 3, 'b', MPIO_BIO_FUA);
	cut(MPIO_SIM_WHOLE, 1);
	assert_sim(&rig, "abbb");
	sim_rig_close(&rig);
}

static void a_preflush_makes_the_others_durable(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	sim_put_flags(&rig, 1, 1, 'b', MPIO_BIO_PREFLUSH);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	cut_all();
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

static void the_library_makes_up_for_fua(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.flags = MPIO_SIM_NO_FUA;
	sim_rig_make(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	sim_put_flags(&rig, 1, 1, 'b', MPIO_BIO_FUA);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	cut_all();
	assert_sim(&rig, "ab..");
	sim_rig_close(&rig);
}

static void without_a_cache_all_is_durable(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.flags = MPIO_SIM_NO_CACHE;
	sim_rig_make(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 1, 'b');
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	cut_all();
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

static void a_full_cache_lets_the_oldest_go(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.cache_bytes = 3 * SECTOR;
	sim_rig_make(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	sim_put(&rig, 1, 2, 'b');
	assert_int_equal(mpio_sim_unflushed(rig.sim), 2);
	sim_put(&rig, 3, 1, 'c');
	assert_int_equal(mpio_sim_unflushed(rig.sim), 2);
	cut_all();
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

/* ---- In flight ------------------------------------------------------------ */

static void what_is_in_flight_may_be_there(void **state)
{
	struct sim_io *io;

	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	io = sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 2, 'b');
	mpio_sim_power_off(rig.sim);
	assert_int_equal(io->ends, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(io->status, -MPIO_ENXIO);
	assert_int_equal(sim_put(&rig, 3, 1, 'c'), -MPIO_ENXIO);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 2);
	assert_int_equal(mpio_sim_cut_states(rig.sim, MPIO_SIM_TEAR_ONE), 6);
	cut(MPIO_SIM_WHOLE, 2);
	assert_sim(&rig, ".bb.");
	assert_int_equal(sim_put(&rig, 3, 1, 'c'), 0);
	sim_rig_close(&rig);
}

static void a_rule_cuts_the_power(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=2:cut");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_ENXIO);
	assert_true(mpio_sim_is_off(rig.sim));
	assert_int_equal(mpio_sim_unflushed(rig.sim), 2);
	cut(MPIO_SIM_WHOLE, 3);
	assert_sim(&rig, "ab..");
	sim_rig_close(&rig);
	sim_rig_open(&rig, "flush:nth=1:cut");
	sim_put(&rig, 0, 1, 'a');
	assert_int_equal(sim_flush(&rig), -MPIO_ENXIO);
	cut_all();
	assert_sim(&rig, "....");
	sim_rig_close(&rig);
	/* What comes after the power is gone meets no rule. */
	sim_rig_open(&rig, "write:cut,complete:errno=EIO");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), -MPIO_ENXIO);
	assert_int_equal(mpio_sim_fault_count(rig.sim), 1);
	sim_rig_close(&rig);
	/* The flush was done, and nobody was told. */
	sim_rig_open(&rig, "complete:nth=2:cut");
	sim_put(&rig, 0, 1, 'a');
	assert_int_equal(sim_flush(&rig), -MPIO_ENXIO);
	cut_all();
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

static void what_is_held_ends_with_the_power(void **state)
{
	struct sim_io *io;

	(void)state;
	sim_rig_open(&rig, "write:nth=1:hold,write:nth=2:never");
	io = sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	sim_start(&rig, MPIO_BIO_WRITE, 0, 1, 1, 'b');
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(io->status, -MPIO_ENXIO);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 2);
	sim_rig_close(&rig);
}

/* ---- States --------------------------------------------------------------- */

static char disks[20000][RIG_SECTORS + 1];

static uint32_t count_disks(enum mpio_sim_cut_kind kind, uint64_t states,
			    char (*found)[RIG_SECTORS + 1])
{
	return sim_count_disks(&rig, kind, states, found);
}

static uint64_t states_of(enum mpio_sim_cut_kind kind)
{
	return mpio_sim_cut_states(rig.sim, kind);
}

/*
 * Three writes apart, of 1, 2 and 4 sectors. By hand: 2^3 = 8; torn in 0, 1 and
 * 3 places, 8 + 4 * 4 = 24; 2 * 3 * 5 = 30. All are different disks.
 */
static void states_are_as_counted_by_hand(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 1);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ONE), 1);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 1);
	sim_put(&rig, 0, 1, 'a');
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 2);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ONE), 2);
	sim_put(&rig, 2, 2, 'b');
	sim_put(&rig, 6, 4, 'c');
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 8);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ONE), 24);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 30);
	assert_int_equal(states_of(MPIO_SIM_DRAWN), 0);
	assert_int_equal(count_disks(MPIO_SIM_WHOLE, 8, disks), 8);
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ONE, 24, disks), 24);
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ALL, 30, disks), 30);
	assert_string_equal(disks[0], "................");
	assert_string_equal(disks[29], "a.bb..cccc......");
	assert_string_equal(disks[28], "a.bb..ccc.......");
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 8),
			 -MPIO_EINVAL);
	assert_true(mpio_sim_is_off(rig.sim));
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_TEAR_ONE, 24),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_TEAR_ALL, 30),
			 -MPIO_EINVAL);
	cut(MPIO_SIM_TEAR_ALL, 29);
	assert_sim(&rig, "a.bb..cccc......");
	sim_rig_close(&rig);
}

/*
 * Two writes of three sectors that share two. By hand: of 4 * 4 pairs of
 * prefixes of aaa and .bbb, the disks are those of 'aaa' cut after 0 to 3 with
 * 'b's over it; the second at 1: a prefix of b hides the same of a. With b0:
 * 4 disks; b1: a0 '.b', a1 'ab', a2 'ab' again, a3 'aba': 3; b2: '.bb' and
 * 'abb' : 2; b3: 2. Together 11.
 */
static void writes_that_overlap_lie_in_their_order(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 3, 'a');
	sim_put(&rig, 1, 3, 'b');
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 16);
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ALL, 16, disks), 11);
	cut(MPIO_SIM_WHOLE, 3);
	assert_sim(&rig, "abbb");
	sim_rig_close(&rig);
}

/* A fua write among others is there in each state, and no choice of any. */
static void what_is_durable_is_in_every_state(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 2, 'a');
	sim_put_flags(&rig, 4, 2, 'b', MPIO_BIO_FUA);
	sim_put(&rig, 8, 3, 'c');
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 4);
	/* 4 + 2 * (1 + 2), and 3 * 4. */
	assert_int_equal(states_of(MPIO_SIM_TEAR_ONE), 10);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 12);
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ONE, 10, disks), 10);
	assert_string_equal(disks[0], "....bb..........");
	assert_string_equal(disks[9], "aa..bb..ccc.....");
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ALL, 12, disks), 12);
	assert_string_equal(disks[0], "....bb..........");
	count_disks(MPIO_SIM_DRAWN, 200, disks);
	for (int i = 0; i < 200; i++)
		assert_memory_equal(disks[i] + 4, "bb", 2);
	sim_rig_close(&rig);
}

static void an_atomic_unit_never_tears(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.limits.atomic_unit = 2 * SECTOR;
	sim_rig_make(&rig, "");
	sim_put(&rig, 1, 4, 'a');
	/* In 1, 2-3, 4: three pieces. */
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 4);
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ALL, 4, disks), 4);
	assert_string_equal(disks[1], ".a..............");
	assert_string_equal(disks[2], ".aaa............");
	for (uint64_t i = 4; i < 40; i++) {
		char letters[17];

		cut(MPIO_SIM_DRAWN, i);
		sim_letters(&rig, 16, letters);
		assert_int_equal(letters[2], letters[3]);
		sim_put(&rig, 1, 4, (char)('a' + i % 26));
	}
	sim_rig_close(&rig);
}

static void ten_writes_are_enumerated_and_eleven_are_not(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	for (uint32_t i = 0; i < 10; i++)
		sim_put(&rig, i, 1, 'a');
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 1024);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ONE), 1024);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 1024);
	assert_int_equal(count_disks(MPIO_SIM_WHOLE, 1024, disks), 1024);
	sim_put(&rig, 10, 2, 'b');
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 0);
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 0),
			 -MPIO_EINVAL);
	sim_rig_close(&rig);
	sim_rig_open(&rig, "");
	/* 2^10 + 2^9 * (1 + 2 + ... + 10), and 3 * 4 * ... * 12. */
	for (uint32_t i = 0; i < 10; i++)
		sim_put(&rig, 0, 2 + i, (char)('a' + i));
	assert_int_equal(states_of(MPIO_SIM_TEAR_ONE), 29184);
	assert_int_equal(states_of(MPIO_SIM_TEAR_ALL), 239500800);
	cut(MPIO_SIM_TEAR_ALL, 239500799);
	assert_sim(&rig, "jjjjjjjjjjj.");
	sim_rig_close(&rig);
}

static void drawn_states_begin_with_the_extremes(void **state)
{
	uint32_t count = 0;

	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 1, 'x');
	sim_flush(&rig);
	for (uint32_t i = 0; i < 12; i++)
		sim_put(&rig, i + 1, 1, (char)('a' + i));
	assert_int_equal(states_of(MPIO_SIM_WHOLE), 0);
	count_disks(MPIO_SIM_DRAWN, 1, disks);
	assert_string_equal(disks[0], "xabcdefghijkl...");
	assert_int_equal(count_disks(MPIO_SIM_DRAWN, 3, disks), 3);
	assert_string_equal(disks[0], "x...............");
	assert_string_equal(disks[1], "x...........l...");
	cut(MPIO_SIM_DRAWN, 3);
	for (uint32_t i = 0; i < 16; i++) {
		sim_letters(&rig, 16, disks[0]);
		count += disks[0][i] != '.';
	}
	assert_int_equal(count, 12);
	sim_rig_close(&rig);
}

static void drawn_states_are_many_and_can_be_had_again(void **state)
{
	static char again[2000][RIG_SECTORS + 1];

	(void)state;
	for (int i = 0; i < 2; i++) {
		sim_rig_open(&rig, "");
		sim_put(&rig, 0, 4, 'a');
		sim_put(&rig, 2, 4, 'b');
		assert_in_range(count_disks(MPIO_SIM_DRAWN, 2000,
					    i == 0 ? disks : again),
				50, 3 * 3 * 16);
		sim_rig_close(&rig);
	}
	assert_memory_equal(disks, again, sizeof(again));
}

/* A state that is enumerated is one of those that may be drawn, and none is
 * drawn that cannot be: each sector old or new. */
static void no_state_is_drawn_that_cannot_be(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 2, 'a');
	sim_put(&rig, 4, 2, 'b');
	count_disks(MPIO_SIM_DRAWN, 500, disks);
	for (int i = 0; i < 500; i++) {
		for (int j = 0; j < 16; j++) {
			char newer = "aa..bb.........."[j];

			assert_true(disks[i][j] == '.' || disks[i][j] == newer);
		}
	}
	sim_rig_close(&rig);
}

static void a_discard_is_a_write_of_zeros(void **state)
{
	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 4, 'a');
	sim_flush(&rig);
	sim_start(&rig, MPIO_BIO_DISCARD, 0, 1, 2, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_sim(&rig, "a..a");
	assert_int_equal(count_disks(MPIO_SIM_TEAR_ALL, 3, disks), 3);
	cut_all();
	assert_sim(&rig, "aaaa");
	sim_rig_close(&rig);
}

static void discard_durably(uint32_t flags)
{
	sim_rig_init(&rig);
	rig.config.flags = flags;
	sim_rig_make(&rig, "");
	sim_put(&rig, 0, 4, 'a');
	sim_start(&rig, MPIO_BIO_DISCARD, MPIO_BIO_PREFLUSH, 1, 1, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	sim_start(&rig, MPIO_BIO_DISCARD, MPIO_BIO_FUA, 2, 1, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 0);
	cut_all();
	assert_sim(&rig, "a..a");
	sim_rig_close(&rig);
}

/* The disk flushes with no discard: the library does, before and behind. */
static void a_discard_is_made_durable_by_flushes(void **state)
{
	(void)state;
	discard_durably(0);
	discard_durably(MPIO_SIM_NO_FUA);
	/* One in flight is no sooner durable than its flush. */
	sim_rig_open(&rig, "discard:nth=1:cut");
	sim_put(&rig, 0, 1, 'a');
	sim_start(&rig, MPIO_BIO_DISCARD, MPIO_BIO_PREFLUSH, 1, 1, 0);
	(void)mpio_queue_drain(rig.queue);
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	cut_all();
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

/* ---- Snapshots ------------------------------------------------------------ */

static void a_snapshot_is_what_was(void **state)
{
	struct mpio_sim_snapshot *a;
	struct mpio_sim_snapshot *b;

	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	sim_flush(&rig);
	sim_put(&rig, 1, 1, 'b');
	assert_int_equal(mpio_sim_snapshot(rig.sim, &a), 0);
	sim_put(&rig, 0, 3, 'c');
	sim_flush(&rig);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_sim_snapshot(rig.sim, &b), 0);
	assert_int_equal(mpio_sim_restore(rig.sim, a), 0);
	assert_sim(&rig, "ab..");
	assert_false(mpio_sim_is_off(rig.sim));
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	sim_flush(&rig);
	cut_all();
	assert_sim(&rig, "ab..");
	assert_int_equal(mpio_sim_restore(rig.sim, b), 0);
	assert_true(mpio_sim_is_off(rig.sim));
	cut_all();
	assert_sim(&rig, "ccc.");
	assert_int_equal(mpio_sim_restore(rig.sim, a), 0);
	cut_all();
	assert_sim(&rig, "a...");
	mpio_sim_forget(a);
	mpio_sim_forget(b);
	mpio_sim_forget(NULL);
	sim_rig_close(&rig);
}

static void a_snapshot_outlives_its_disk(void **state)
{
	static struct sim_rig other;
	struct mpio_sim_snapshot *snapshot;

	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 0, 2, 'a');
	assert_int_equal(mpio_sim_snapshot(rig.sim, &snapshot), 0);
	mpio_queue_close(rig.queue);
	mpio_sim_close(rig.sim);
	sim_rig_make(&rig, "");
	assert_int_equal(mpio_sim_restore(rig.sim, snapshot), 0);
	assert_sim(&rig, "aa..");
	sim_start(&rig, MPIO_BIO_READ, 0, 0, 1, '?');
	assert_int_equal(mpio_sim_restore(rig.sim, snapshot), -MPIO_EBUSY);
	sim_rig_init(&other);
	other.config.size = 4096;
	sim_rig_make(&other, "");
	assert_int_equal(mpio_sim_restore(other.sim, snapshot), -MPIO_EINVAL);
	sim_rig_close(&other);
	mpio_sim_forget(snapshot);
	sim_rig_close(&rig);
}

static void what_is_not_written_is_shared(void **state)
{
	struct mpio_sim_snapshot *snapshots[8];
	long before;

	(void)state;
	sim_rig_open(&rig, "");
	for (uint32_t i = 0; i < 4; i++)
		sim_put(&rig, 16 * i, 16, 'a');
	sim_flush(&rig);
	before = rig.blocks;
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(mpio_sim_snapshot(rig.sim, &snapshots[i]), 0);
		sim_put(&rig, 0, 1, (char)('b' + i));
		sim_flush(&rig);
	}
	/* Itself and, of both images, a list, a leaf and a chunk; not eight
	 * chunks. */
	assert_int_equal(rig.blocks - before, 8 * 7);
	for (uint32_t i = 0; i < 8; i++) {
		char letters[] = {i == 0 ? 'a' : (char)('a' + i), 'a', '\0'};

		assert_int_equal(mpio_sim_restore(rig.sim, snapshots[i]), 0);
		assert_sim(&rig, letters);
		mpio_sim_forget(snapshots[i]);
	}
	sim_rig_close(&rig);
}

/* A disk of several leaves: what one snapshot writes, no other sees. */
static void snapshots_of_a_large_disk_stay_apart(void **state)
{
	struct mpio_sim_snapshot *snapshots[40];
	unsigned char found;
	uint64_t size = 40u << 18;

	(void)state;
	sim_rig_init(&rig);
	rig.config.size = size;
	sim_rig_make(&rig, "");
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(mpio_sim_snapshot(rig.sim, &snapshots[i]), 0);
		sim_put(&rig, (size / 40 * i + size / 1600 * i) / SECTOR, 1,
			(char)('0' + i));
		sim_flush(&rig);
	}
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(mpio_sim_restore(rig.sim, snapshots[i]), 0);
		cut_all();
		for (uint32_t j = 0; j < 40; j++) {
			uint64_t at = (size / 40 * j + size / 1600 * j) /
				      SECTOR * SECTOR;

			mpio_sim_peek(rig.sim, at, &found, 1);
			assert_int_equal(found, j < i ? '0' + j : 0);
		}
		mpio_sim_forget(snapshots[i]);
	}
	sim_rig_close(&rig);
}

static void what_is_poked_lies_below_the_cache(void **state)
{
	unsigned char bytes[4 * SECTOR];

	(void)state;
	sim_rig_open(&rig, "");
	sim_put(&rig, 1, 1, 'a');
	memset(bytes, 'p', sizeof(bytes));
	assert_int_equal(mpio_sim_poke(rig.sim, 0, bytes, sizeof(bytes)), 0);
	assert_sim(&rig, "papp.");
	cut_all();
	assert_sim(&rig, "pppp.");
	sim_rig_close(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flush_makes_durable),
		TEST(without_a_flush_nothing_is),
		TEST(a_failed_flush_makes_nothing_durable),
		TEST(a_flush_may_lose_what_it_covers),
		TEST(a_flush_loses_no_more_than_it_covers),
		TEST(a_flush_covers_what_was_done_before),
		TEST(a_fua_write_is_durable_alone),
		TEST(a_preflush_makes_the_others_durable),
		TEST(the_library_makes_up_for_fua),
		TEST(without_a_cache_all_is_durable),
		TEST(a_full_cache_lets_the_oldest_go),
		TEST(what_is_in_flight_may_be_there),
		TEST(a_rule_cuts_the_power),
		TEST(what_is_held_ends_with_the_power),
		TEST(states_are_as_counted_by_hand),
		TEST(writes_that_overlap_lie_in_their_order),
		TEST(what_is_durable_is_in_every_state),
		TEST(an_atomic_unit_never_tears),
		TEST(ten_writes_are_enumerated_and_eleven_are_not),
		TEST(drawn_states_begin_with_the_extremes),
		TEST(drawn_states_are_many_and_can_be_had_again),
		TEST(no_state_is_drawn_that_cannot_be),
		TEST(a_discard_is_a_write_of_zeros),
		TEST(a_discard_is_made_durable_by_flushes),
		TEST(a_snapshot_is_what_was),
		TEST(a_snapshot_outlives_its_disk),
		TEST(what_is_not_written_is_shared),
		TEST(snapshots_of_a_large_disk_stay_apart),
		TEST(what_is_poked_lies_below_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

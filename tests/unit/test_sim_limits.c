/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk at its limits: each allocation that fails, no lock, no
 * request that is free, the power that goes in the middle of things, and what
 * cannot be asked for.
 */
#include "sim_rig.h"

static struct sim_rig rig;

/* ---- Want of memory ----------------------------------------------------- */

static int fail_at; /* this allocation fails; 0: none does */

static void *resize_some(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	if (new_size != 0 && fail_at != 0 && --fail_at == 0)
		return NULL;
	return rig.allocator.resize(ctx, ptr, old_size, new_size);
}

static struct mpio_allocator some = {.resize = resize_some, .ctx = &rig};

/* What follows is done only if what came before went well. */
static void and_then(int *error, int next)
{
	assert_true(next == 0 || next == -MPIO_ENOMEM);
	if (*error == 0)
		*error = next;
}

/* One of each that takes memory. */
static int do_all(void)
{
	struct mpio_queue_config config = {.bios = 32,
					   .allocator = &rig.allocator};
	struct mpio_sim_snapshot *snapshot = NULL;
	char letters[4] = "xyz";
	int error = mpio_sim_open(&rig.config, &rig.sim);

	if (error != 0)
		return error;
	rig.device = mpio_sim_device(rig.sim);
	error = mpio_queue_open(rig.device, &config, &rig.queue);
	if (error != 0) {
		mpio_sim_close(rig.sim);
		return error;
	}
	and_then(&error, sim_put(&rig, 0, 16, 'a'));
	and_then(&error, sim_flush(&rig));
	for (uint32_t i = 0; i < 20; i++)
		and_then(&error, sim_put(&rig, i, 1, 'b'));
	and_then(&error, sim_put_flags(&rig, 30, 1, 'c', MPIO_BIO_FUA));
	and_then(&error, sim_flush(&rig)); /* which loses all but the c */
	and_then(&error, sim_put(&rig, 1, 1, 'd'));
	if (error == 0)
		and_then(&error, mpio_sim_snapshot(rig.sim, &snapshot));
	if (snapshot != NULL)
		and_then(&error, mpio_sim_restore(rig.sim, snapshot));
	and_then(&error, mpio_sim_poke(rig.sim, 600 * SECTOR, letters, 3));
	sim_start(&rig, MPIO_BIO_WRITE, 0, 2, 1, 'e');
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	if (error == 0)
		and_then(&error, mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 3));
	if (error == 0)
		assert_sim(&rig, "adeaaaaaaaaaaaaa..............c");
	mpio_sim_forget(snapshot);
	mpio_queue_close(rig.queue);
	mpio_sim_close(rig.sim);
	return error;
}

static void each_allocation_that_fails_is_told_and_nothing_leaks(void **state)
{
	int n = 0;
	int error;

	(void)state;
	do {
		sim_rig_init(&rig);
		rig.config.size = 1 << 20;
		rig.config.allocator = &some;
		assert_int_equal(mpio_faults_parse(&rig.config.faults,
						   "flush:nth=2:lose", NULL),
				 0);
		fail_at = ++n;
		error = do_all();
		assert_int_equal(rig.blocks, 0);
		assert_int_equal(rig.held[0], 0);
	} while (fail_at == 0 && n < 1000);
	assert_int_equal(error, 0);
	assert_in_range(n, 20, 999);
}

/* ---- What there need not be --------------------------------------------- */

static void a_disk_needs_no_lock(void **state)
{
	struct mpio_sim_snapshot *snapshot;

	(void)state;
	sim_rig_init(&rig);
	rig.config.lock = NULL;
	sim_rig_make(&rig, "");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), 0);
	assert_int_equal(mpio_sim_snapshot(rig.sim, &snapshot), 0);
	mpio_sim_forget(snapshot);
	assert_sim(&rig, "aa..");
	sim_rig_close(&rig);
	mpio_sim_close(NULL);
}

static void a_channel_takes_no_more_than_it_has_room_for(void **state)
{
	struct mpio_bio bio = {.op = MPIO_BIO_READ, .length = SECTOR};
	void *channel;

	(void)state;
	sim_rig_open(&rig, "");
	assert_int_equal(rig.device->ops.channel_open(rig.device, 0, &channel),
			 0);
	assert_int_equal(rig.device->ops.submit(rig.device, channel, &bio),
			 -MPIO_EAGAIN);
	/* Nothing is in flight, so there is nothing to wait for. */
	assert_int_equal(rig.device->ops.reap(rig.device, channel, 1), 0);
	rig.device->ops.channel_close(rig.device, channel);
	sim_rig_close(&rig);
}

static void what_cannot_be_a_disk_is_refused(void **state)
{
	struct mpio_sim *sim;

	(void)state;
	for (int i = 0; i < 5; i++) {
		sim_rig_init(&rig);
		if (i == 0)
			rig.config.size = UINT64_MAX;
		else if (i == 1)
			rig.config.journal = UINT32_MAX;
		else if (i == 2)
			rig.config.faults.count = MPIO_FAULT_RULES_MAX + 1;
		else if (i == 3)
			rig.config.limits.memory_alignment = 3;
		else
			rig.config.limits.atomic_unit = 1000;
		assert_int_equal(mpio_sim_open(&rig.config, &sim),
				 -MPIO_EINVAL);
		assert_int_equal(rig.blocks, 0);
	}
}

static void bytes_outside_are_not_looked_at(void **state)
{
	static unsigned char bytes[RIG_SECTORS * SECTOR + 1];

	(void)state;
	sim_rig_open(&rig, "");
	assert_int_equal(mpio_sim_peek(rig.sim, 0, bytes, sizeof(bytes)),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_sim_poke(rig.sim, 0, bytes, sizeof(bytes)),
			 -MPIO_EINVAL);
	sim_rig_close(&rig);
}

/* ---- Discards ----------------------------------------------------------- */

static int discard(uint64_t sector, uint32_t count)
{
	const struct sim_io *io =
		sim_start(&rig, MPIO_BIO_DISCARD, 0, sector, count, 0);

	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	return io->status;
}

static void what_was_discarded_and_flushed_is_gone_for_good(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.size = 1 << 20;
	sim_rig_make(&rig, "");
	assert_int_equal(sim_put(&rig, 0, 4, 'a'), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(discard(1, 2), 0);
	assert_int_equal(discard(1000, 8), 0); /* nothing was there */
	assert_int_equal(sim_flush(&rig), 0);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 0), 0);
	assert_sim(&rig, "a..a");
	sim_rig_close(&rig);
}

static void what_is_poked_is_not_seen_below_what_is_cached(void **state)
{
	static const unsigned char bytes[4 * SECTOR] = {1};

	(void)state;
	sim_rig_open(&rig, "");
	assert_int_equal(sim_put(&rig, 0, 4, 'a'), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), 0);
	assert_int_equal(discard(2, 1), 0);
	assert_int_equal(mpio_sim_poke(rig.sim, SECTOR, bytes, SECTOR), 0);
	assert_sim(&rig, "ab.a");
	/* Without power nobody sees what is cached. */
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_sim_poke(rig.sim, SECTOR, bytes, SECTOR), 0);
	assert_sim(&rig, "a!.a");
	sim_rig_close(&rig);
}

/* ---- The power ---------------------------------------------------------- */

static void a_write_that_is_refused_may_cut_the_power(void **state)
{
	(void)state;
	sim_rig_open(&rig, "submit:nth=2:errno=EIO:cut");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_EIO);
	assert_true(mpio_sim_is_off(rig.sim));
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), -MPIO_ENXIO);
	sim_rig_close(&rig);
}

/* States of the first sectors after a cut, as many as there are. */
static uint64_t cut_after(const char *rules)
{
	uint64_t states;

	sim_rig_open(&rig, rules);
	sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	mpio_queue_poll(rig.queue);
	mpio_sim_power_off(rig.sim);
	states = mpio_sim_cut_states(rig.sim, MPIO_SIM_WHOLE);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(rig.ios[0].status, -MPIO_ENXIO);
	sim_rig_close(&rig);
	return states;
}

static void what_would_not_have_moved_is_in_no_state(void **state)
{
	(void)state;
	assert_int_equal(cut_after("write:hold"), 2);
	assert_int_equal(cut_after("write:hold:drop"), 1);
	assert_int_equal(cut_after("write:hold:errno=EIO"), 1);
	assert_int_equal(cut_after("write:hold:errno=EIO:short=512"), 2);
}

static void a_write_that_was_done_is_in_the_cache_once(void **state)
{
	(void)state;
	sim_rig_open(&rig, "complete:hold");
	sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_EDEADLK);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_sim_cut_states(rig.sim, MPIO_SIM_WHOLE), 2);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	sim_rig_close(&rig);
}

static void a_discard_in_flight_may_have_been_done(void **state)
{
	(void)state;
	sim_rig_open(&rig, "discard:hold");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), 0);
	assert_int_equal(sim_flush(&rig), 0);
	sim_start(&rig, MPIO_BIO_DISCARD, 0, 0, 1, 0);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(mpio_sim_cut_states(rig.sim, MPIO_SIM_WHOLE), 2);
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 1), 0);
	assert_sim(&rig, ".a");
	sim_rig_close(&rig);
}

#define LARGE (128 * SECTOR)

static void states_that_no_number_counts_are_none(void **state)
{
	static unsigned char bytes[LARGE];

	(void)state;
	sim_rig_init(&rig);
	rig.config.size = 16 * LARGE;
	sim_rig_make(&rig, "");
	for (uint64_t i = 0; i < 10; i++) {
		struct mpio_bio *bio =
			mpio_bio_get(rig.queue, MPIO_BIO_WRITE, 0);

		bio->offset = i * LARGE;
		assert_int_equal(mpio_bio_add(bio, bytes, LARGE), 0);
		assert_int_equal(mpio_bio_submit(bio), 0);
		assert_int_equal(mpio_queue_drain(rig.queue), 0);
	}
	assert_int_equal(mpio_sim_cut_states(rig.sim, MPIO_SIM_WHOLE), 1024);
	assert_int_equal(mpio_sim_cut_states(rig.sim, MPIO_SIM_TEAR_ALL), 0);
	sim_rig_close(&rig);
}

/* There is no room for what a write behind a flush has; it is not known any
 * more. */
/* A write is done, and one behind a flush is in flight. */
static void make_with_preflush(void)
{
	fail_at = 0;
	sim_rig_init(&rig);
	rig.config.allocator = &some;
	sim_rig_make(&rig, "");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	sim_start(&rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 1, 1, 'b');
}

static void a_cut_without_memory_for_a_flush_is_no_cut(void **state)
{
	uint32_t fails = 0;

	(void)state;
	make_with_preflush();
	fail_at = 1;
	mpio_sim_power_off(rig.sim);
	assert_int_equal(fail_at, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 0),
			 -MPIO_ENOMEM);
	sim_rig_close(&rig);
	/* Or none for what the flush covers, when it comes to the medium. */
	make_with_preflush();
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	do {
		fail_at = (int)++fails;
	} while (mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 2) == -MPIO_ENOMEM &&
		 mpio_sim_is_off(rig.sim));
	fail_at = 0;
	/* A list, a leaf and a chunk, and one more list. */
	assert_int_equal(fails, 5);
	assert_sim(&rig, "ab..");
	sim_rig_close(&rig);
}

/* ---- Held I/Os ---------------------------------------------------------- */

/* Requests are used again; their numbers tell which came first. */
static void what_is_held_is_told_in_the_order_of_its_coming(void **state)
{
	uint64_t ids[4] = {0};

	(void)state;
	sim_rig_open(&rig, "write:hold");
	for (uint32_t i = 0; i < 3; i++)
		sim_start(&rig, MPIO_BIO_WRITE, 0, i, 1, 'a');
	assert_int_equal(mpio_sim_held(rig.sim, ids, 4), 3);
	assert_int_equal(mpio_sim_release(rig.sim, ids[0]), 1);
	assert_int_equal(mpio_queue_wait(rig.queue), 1);
	sim_start(&rig, MPIO_BIO_WRITE, 0, 3, 1, 'a');
	assert_int_equal(mpio_sim_held(rig.sim, ids, 4), 3);
	assert_true(ids[0] < ids[1] && ids[1] < ids[2]);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(rig.ios[1].order, 2);
	assert_int_equal(rig.ios[2].order, 3);
	assert_int_equal(rig.ios[3].order, 4);
	sim_rig_close(&rig);
}

static void what_never_ends_is_not_let_go(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:hold:never");
	sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_EDEADLK);
	assert_int_equal(mpio_sim_release(rig.sim, 0), 1);
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_ETIMEDOUT);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	sim_rig_close(&rig);
}

static void what_is_held_or_never_ends_does_not_end_inside(void **state)
{
	static const char *const rules[] = {"write:inline:hold",
					    "write:inline:never"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		sim_rig_open(&rig, rules[i]);
		assert_int_equal(
			sim_start(&rig, MPIO_BIO_WRITE, 0, 0, 1, 'a')->ends, 0);
		mpio_sim_power_off(rig.sim);
		assert_int_equal(mpio_queue_drain(rig.queue), 0);
		sim_rig_close(&rig);
	}
}

static void nobody_ends_behind_what_does_not_end(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=1:hold,write:nth=2:never,"
			   "write:nth=3:reorder");
	for (uint32_t i = 0; i < 4; i++)
		sim_start(&rig, MPIO_BIO_WRITE, 0, i, 1, 'a');
	assert_int_equal(mpio_queue_wait(rig.queue), 1);
	assert_int_equal(mpio_queue_wait(rig.queue), 1);
	assert_int_equal(rig.ios[3].order, 1);
	assert_int_equal(rig.ios[2].order, 2);
	mpio_sim_power_off(rig.sim);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	sim_rig_close(&rig);
}

static void a_flush_does_not_come_short(void **state)
{
	(void)state;
	sim_rig_open(&rig, "complete:short=512,submit:short=512");
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(discard(0, 4), 0);
	sim_rig_close(&rig);
}

static void what_there_is_no_room_for_is_counted(void **state)
{
	const struct mpio_sim_entry entry = {.what = MPIO_SIM_OFF + 1};
	char text[200] = "";
	size_t length;

	(void)state;
	sim_rig_open(&rig, "write:nth=7:errno=EIO");
	length = mpio_sim_replay(rig.sim, NULL, 0);
	assert_in_range(length, 40, sizeof(text) - 1);
	assert_int_equal(mpio_sim_replay(rig.sim, text, sizeof(text)), length);
	assert_int_equal(strlen(text), length);
	sim_rig_close(&rig);
	mpio_sim_entry_print(&entry, text, sizeof(text));
	assert_string_equal(text, "0 at 0: ?");
}

static void a_rule_for_some_bytes_is_for_no_flush(void **state)
{
	(void)state;
	sim_rig_open(&rig, "submit:range=512+512:errno=EIO");
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_EIO);
	assert_int_equal(sim_put(&rig, 2, 1, 'c'), 0);
	assert_sim(&rig, "a.c.");
	sim_rig_close(&rig);
}

static void rules_may_begin_in_any_state(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.faults.state = 3;
	sim_rig_make(&rig, "write:state=3:errno=EIO:set=1");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), -MPIO_EIO);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	sim_rig_close(&rig);
}

static void a_flush_that_loses_nothing_is_a_flush(void **state)
{
	(void)state;
	sim_rig_open(&rig, "flush:lose");
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_sim(&rig, "a.");
	assert_int_equal(sim_flush(&rig), 0);
	assert_sim(&rig, "..");
	assert_int_equal(sim_flush(&rig), 0);
	sim_rig_close(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_allocation_that_fails_is_told_and_nothing_leaks),
		TEST(a_disk_needs_no_lock),
		TEST(a_channel_takes_no_more_than_it_has_room_for),
		TEST(what_cannot_be_a_disk_is_refused),
		TEST(bytes_outside_are_not_looked_at),
		TEST(what_was_discarded_and_flushed_is_gone_for_good),
		TEST(what_is_poked_is_not_seen_below_what_is_cached),
		TEST(a_write_that_is_refused_may_cut_the_power),
		TEST(what_would_not_have_moved_is_in_no_state),
		TEST(a_write_that_was_done_is_in_the_cache_once),
		TEST(a_discard_in_flight_may_have_been_done),
		TEST(states_that_no_number_counts_are_none),
		TEST(a_cut_without_memory_for_a_flush_is_no_cut),
		TEST(what_is_held_is_told_in_the_order_of_its_coming),
		TEST(what_never_ends_is_not_let_go),
		TEST(what_is_held_or_never_ends_does_not_end_inside),
		TEST(nobody_ends_behind_what_does_not_end),
		TEST(a_flush_does_not_come_short),
		TEST(what_there_is_no_room_for_is_counted),
		TEST(a_rule_for_some_bytes_is_for_no_flush),
		TEST(rules_may_begin_in_any_state),
		TEST(a_flush_that_loses_nothing_is_a_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk: bytes, time, order, rules, break points, and what is
 * written down of it.
 */
#include "sim_rig.h"

static struct sim_rig rig;

static struct sim_io *write_to(uint64_t sector, uint32_t count, char letter)
{
	return sim_start(&rig, MPIO_BIO_WRITE, 0, sector, count, letter);
}

static uint64_t fired(uint32_t index)
{
	struct mpio_fault_rule rule;

	assert_int_equal(mpio_sim_rule(rig.sim, index, &rule), 0);
	return rule.fired;
}

/* ---- A disk --------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
	char letters[17];

	(void)state;
	sim_rig_open(&rig, "");
	assert_int_equal(sim_put(&rig, 1, 3, 'a'), 0);
	assert_int_equal(sim_put(&rig, 2, 10, 'b'), 0);
	assert_int_equal(sim_get(&rig, 0, 16, letters), 0);
	assert_string_equal(letters, ".abbbbbbbbbb....");
	assert_int_equal(sim_start(&rig, MPIO_BIO_DISCARD, 0, 3, 8, 0)->ends,
			 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_sim(&rig, ".ab........b....");
	sim_rig_close(&rig);
}

static void a_disk_may_have_any_size(void **state)
{
	unsigned char byte[3] = "xyz";
	struct mpio_bio *bio;

	(void)state;
	sim_rig_init(&rig);
	rig.config.size = 4099;
	sim_rig_make(&rig, "");
	bio = mpio_bio_get(rig.queue, MPIO_BIO_WRITE, 0);
	bio->offset = 4096;
	assert_int_equal(mpio_bio_add(bio, byte, 3), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(mpio_sim_peek(rig.sim, 4096, byte, 4), -MPIO_EINVAL);
	assert_int_equal(mpio_sim_peek(rig.sim, 4098, byte, 1), 0);
	assert_int_equal(byte[0], 'z');
	assert_int_equal(mpio_sim_poke(rig.sim, 4098, byte, 2), -MPIO_EINVAL);
	sim_rig_close(&rig);
}

static void a_bad_configuration_is_refused(void **state)
{
	struct mpio_sim *sim = NULL;

	(void)state;
	sim_rig_init(&rig);
	rig.config.size = 0;
	assert_int_equal(mpio_sim_open(&rig.config, &sim), -MPIO_EINVAL);
	rig.config.size = 512;
	rig.config.limits.logical_block_size = 513;
	assert_int_equal(mpio_sim_open(&rig.config, &sim), -MPIO_EINVAL);
	rig.config.limits.logical_block_size = 0;
	rig.config.faults.count = 1;
	assert_int_equal(mpio_sim_open(&rig.config, &sim), -MPIO_EINVAL);
	rig.config.faults.count = 0;
	rig.config.allocator = NULL;
	assert_int_equal(mpio_sim_open(&rig.config, &sim), -MPIO_EINVAL);
	assert_null(sim);
}

/* Every n-th allocation fails; nothing is lost or leaked. */
static int budget;

static void *resize_some(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	if (new_size != 0 && budget-- <= 0)
		return NULL;
	return rig.allocator.resize(ctx, ptr, old_size, new_size);
}

static void want_of_memory_is_told(void **state)
{
	struct mpio_allocator some = {.resize = resize_some, .ctx = &rig};
	int failed = 0;

	(void)state;
	for (int n = 0; n < 40; n++) {
		struct mpio_sim_snapshot *snapshot = NULL;
		int error;

		sim_rig_init(&rig);
		rig.config.allocator = &some;
		budget = n;
		error = mpio_sim_open(&rig.config, &rig.sim);
		if (error != 0) {
			assert_int_equal(error, -MPIO_ENOMEM);
			assert_int_equal(rig.blocks, 0);
			failed++;
			continue;
		}
		budget = 1000;
		rig.device = mpio_sim_device(rig.sim);
		sim_rig_open_queue(&rig);
		budget = n - 6;
		error = sim_put(&rig, 0, 16, 'a');
		assert_true(error == 0 || error == -MPIO_ENOMEM);
		assert_sim(&rig, error == 0 ? "aaaa" : "....");
		if (error == 0)
			error = sim_flush(&rig);
		if (error == 0)
			error = mpio_sim_snapshot(rig.sim, &snapshot);
		if (error == 0)
			error = mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 0);
		if (error == 0)
			error = mpio_sim_restore(rig.sim, snapshot);
		failed += error == -MPIO_ENOMEM;
		assert_true(error == 0 || error == -MPIO_ENOMEM);
		mpio_sim_forget(snapshot);
		sim_rig_close(&rig);
	}
	assert_in_range(failed, 12, 39);
}

/* A write that is lost for want of memory is no state of the disk. */
static void a_cut_without_memory_is_no_cut(void **state)
{
	struct mpio_allocator some = {.resize = resize_some, .ctx = &rig};

	(void)state;
	sim_rig_init(&rig);
	rig.config.allocator = &some;
	budget = 1000;
	sim_rig_make(&rig, "");
	write_to(0, 16, 'a');
	budget = 0;
	mpio_sim_power_off(rig.sim);
	budget = 1000;
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(mpio_sim_cut(rig.sim, MPIO_SIM_WHOLE, 0),
			 -MPIO_ENOMEM);
	assert_true(mpio_sim_is_off(rig.sim));
	sim_rig_close(&rig);
}

/* ---- Time and order ------------------------------------------------------- */

static void play(uint64_t seed, int *order, uint64_t *time)
{
	sim_rig_init(&rig);
	rig.config.seed = seed;
	sim_rig_make(&rig, "write:p=0.5:delay=1ms");
	for (uint32_t i = 0; i < 20; i++)
		write_to(i, 1, 'a');
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	for (int i = 0; i < 20; i++)
		order[i] = rig.ios[i].order;
	*time = mpio_sim_now(rig.sim);
	sim_rig_close(&rig);
}

static void a_seed_is_an_order(void **state)
{
	int a[20];
	int b[20];
	int c[20];
	uint64_t times[3];

	(void)state;
	play(1, a, &times[0]);
	play(1, b, &times[1]);
	play(2, c, &times[2]);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(times[0], times[1]);
	assert_memory_not_equal(a, c, sizeof(a));
	assert_int_not_equal(times[0], times[2]);
}

static void time_passes_as_configured(void **state)
{
	(void)state;
	sim_rig_init(&rig);
	rig.config.latency = 1000;
	rig.config.jitter = 1;
	rig.config.per_kib = 10;
	sim_rig_make(&rig, "");
	assert_int_equal(mpio_sim_now(rig.sim), 0);
	sim_put(&rig, 0, 4, 'a');
	assert_int_equal(mpio_sim_now(rig.sim), 1020);
	sim_flush(&rig);
	assert_int_equal(mpio_sim_now(rig.sim), 2020);
	write_to(0, 2, 'a');
	assert_int_equal(mpio_queue_poll(rig.queue), 0);
	mpio_sim_advance(rig.sim, 1000);
	assert_int_equal(mpio_queue_poll(rig.queue), 1);
	sim_rig_close(&rig);
}

static void a_poll_that_goes_on_comes_to_an_end(void **state)
{
	struct sim_io *io;
	int polls = 0;

	(void)state;
	sim_rig_open(&rig, "");
	io = write_to(0, 1, 'a');
	while (io->ends == 0 && polls++ < 1000)
		mpio_queue_poll(rig.queue);
	assert_int_equal(io->ends, 1);
	assert_true(polls > 10);
	sim_rig_close(&rig);
}

/* ---- Rules ---------------------------------------------------------------- */

static void the_nth_write_fails(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=2:errno=ENOSPC");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_ENOSPC);
	assert_int_equal(sim_put(&rig, 2, 1, 'c'), 0);
	assert_sim(&rig, "a.c.");
	assert_int_equal(fired(0), 1);
	sim_rig_close(&rig);
}

static void a_sticky_one_goes_on(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=2:errno=ENOSPC:sticky");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_ENOSPC);
	assert_sim(&rig, "a...");
	sim_rig_close(&rig);
}

static void one_that_counts_fires_each_time(void **state)
{
	static const int expected[] = {0, -28, 0, 0, -28, 0, 0, -28};

	(void)state;
	sim_rig_open(&rig, "write:nth=2:every=3:errno=28");
	for (size_t i = 0; i < COUNT_OF(expected); i++)
		assert_int_equal(sim_put(&rig, 0, 1, 'a'), expected[i]);
	sim_rig_close(&rig);
	sim_rig_open(&rig, "write:every=2:errno=28:once");
	for (int i = 1; i <= 6; i++)
		assert_int_equal(sim_put(&rig, 0, 1, 'a'), i == 2 ? -28 : 0);
	sim_rig_close(&rig);
}

static void a_range_is_kept_to(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:range=1024+1024:errno=ENOSPC");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), 0);
	assert_int_equal(sim_put(&rig, 0, 3, 'b'), -MPIO_ENOSPC);
	assert_int_equal(sim_put(&rig, 3, 1, 'c'), -MPIO_ENOSPC);
	assert_int_equal(sim_put(&rig, 4, 1, 'd'), 0);
	assert_sim(&rig, "aa..d");
	sim_rig_close(&rig);
}

static void states_lead_from_rule_to_rule(void **state)
{
	(void)state;
	sim_rig_open(&rig, "flush:set=2,write:state=2:errno=ENOSPC:set=1");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), -MPIO_ENOSPC);
	assert_int_equal(sim_put(&rig, 2, 1, 'c'), 0);
	sim_rig_close(&rig);
}

static void chance_is_about_as_told(void **state)
{
	int failed = 0;

	(void)state;
	sim_rig_open(&rig, "write:p=0.25:errno=ENOSPC");
	for (int i = 0; i < 2000; i++)
		failed += sim_put(&rig, 0, 1, 'a') != 0;
	assert_in_range(failed, 400, 600);
	assert_int_equal(fired(0), failed);
	assert_int_equal(mpio_sim_fault_count(rig.sim), failed);
	sim_rig_close(&rig);
}

static void a_short_write_is_driven_on(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=1:short=1024");
	assert_int_equal(sim_put(&rig, 0, 4, 'a'), 0);
	assert_sim(&rig, "aaaa");
	assert_int_equal(mpio_queue_stats(rig.queue)->submits, 2);
	sim_rig_close(&rig);
	sim_rig_open(&rig, "write:short=4096");
	assert_int_equal(sim_put(&rig, 0, 4, 'a'), -MPIO_EIO);
	assert_sim(&rig, "....");
	sim_rig_close(&rig);
}

static void a_torn_write_has_some_sectors(void **state)
{
	char letters[9];

	(void)state;
	sim_rig_open(&rig, "write:nth=1:torn=0xb5");
	assert_int_equal(sim_put(&rig, 0, 8, 'a'), 0);
	assert_sim(&rig, "a.a.aa.a");
	assert_int_equal(sim_put(&rig, 0, 8, 'b'), 0);
	assert_sim(&rig, "bbbbbbbb");
	sim_rig_close(&rig);
	sim_rig_open(&rig, "write:torn=3:errno=ENOSPC,read:torn=2");
	assert_int_equal(sim_put(&rig, 0, 8, 'a'), -MPIO_ENOSPC);
	assert_sim(&rig, "aa......");
	assert_int_equal(sim_get(&rig, 0, 8, letters), 0);
	assert_string_equal(letters, "?a??????");
	sim_rig_close(&rig);
}

static void a_dropped_write_is_lost(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=1:drop,flush:nth=1:drop");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), 0);
	assert_int_equal(sim_flush(&rig), 0);
	assert_sim(&rig, ".b..");
	assert_int_equal(mpio_sim_unflushed(rig.sim), 1);
	sim_rig_close(&rig);
}

static void a_misdirected_write_is_elsewhere(void **state)
{
	char letters[2];

	(void)state;
	sim_rig_open(&rig, "write:nth=1:misdirect=1030,"
			   "write:nth=2:misdirect=512,"
			   "read:misdirect=1024");
	assert_int_equal(sim_put(&rig, 1, 1, 'a'), 0);
	assert_sim(&rig, "...a");
	assert_int_equal(sim_put(&rig, RIG_SECTORS - 1, 1, 'b'), 0);
	assert_sim(&rig, "b..a");
	assert_int_equal(sim_get(&rig, 1, 1, letters), 0);
	assert_string_equal(letters, "a");
	sim_rig_close(&rig);
}

static void a_bit_is_inverted(void **state)
{
	unsigned char bytes[1024];

	(void)state;
	sim_rig_open(&rig, "write:nth=1:flip=4097,read:nth=1:flip=0");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), 0);
	mpio_sim_peek(rig.sim, 0, bytes, sizeof(bytes));
	assert_int_equal(bytes[512], 'a' ^ 2);
	bytes[512] = 'a';
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 'a');
	sim_start(&rig, MPIO_BIO_READ, 0, 0, 1, '?');
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(rig.ios[1].bytes[0], 'a' ^ 1);
	assert_int_equal(rig.ios[1].bytes[1], 'a');
	sim_rig_close(&rig);
}

static void scattered_memory_goes_astray_too(void **state)
{
	unsigned char bytes[3 * SECTOR];
	struct mpio_bio *bio;

	(void)state;
	sim_rig_open(&rig, "write:torn=2:flip=4096,read:torn=2:flip=4097");
	for (int op = MPIO_BIO_WRITE; op >= MPIO_BIO_READ; op--) {
		memset(bytes, 'a', sizeof(bytes));
		bio = mpio_bio_get(rig.queue, (enum mpio_bio_op)op, 0);
		bio->offset = 0;
		mpio_bio_add(bio, bytes + 2 * SECTOR, SECTOR);
		mpio_bio_add(bio, bytes, SECTOR);
		assert_int_equal(mpio_bio_submit(bio), 0);
		assert_int_equal(mpio_queue_drain(rig.queue), 0);
	}
	assert_sim(&rig, ".!");
	assert_int_equal(bytes[0], 'a' ^ 1 ^ 2);
	assert_int_equal(bytes[1], 'a');
	assert_int_equal(bytes[2 * SECTOR], 'a');
	sim_rig_close(&rig);
}

static void a_bit_of_what_is_not_written_does_not_matter(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:torn=5:flip=4096");
	assert_int_equal(sim_put(&rig, 0, 3, 'a'), 0);
	assert_sim(&rig, "a.a.");
	sim_rig_close(&rig);
}

static void what_is_delayed_ends_later(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:delay=1ms");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_in_range(mpio_sim_now(rig.sim), 1050000, 1110000);
	sim_rig_close(&rig);
	sim_rig_open(&rig, "complete:delay=1ms");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_in_range(mpio_sim_now(rig.sim), 1050000, 1110000);
	sim_rig_close(&rig);
	sim_rig_open(&rig, "write:nth=1:delay=1ms,complete:nth=3:delay=2ms");
	for (uint32_t i = 0; i < 4; i++)
		write_to(i, 1, 'a');
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_in_range(mpio_sim_now(rig.sim), 2000000, 2200000);
	assert_int_equal(rig.ios[0].order, 3);
	sim_rig_close(&rig);
}

static void what_is_reordered_ends_last(void **state)
{
	(void)state;
	sim_rig_open(&rig, "write:nth=1:reorder");
	for (uint32_t i = 0; i < 8; i++)
		write_to(i, 1, 'a');
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(rig.ios[0].order, 8);
	/* Alone, it just ends. */
	sim_rig_close(&rig);
	sim_rig_open(&rig, "complete:reorder");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	sim_rig_close(&rig);
}

static void a_second_end_is_ignored(void **state)
{
	(void)state;
	sim_rig_open(&rig, "complete:dup,write:nth=2:dup:inline");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(write_to(1, 1, 'b')->ends, 1);
	assert_int_equal(mpio_queue_stats(rig.queue)->in_flight, 0);
	assert_sim(&rig, "ab");
	sim_rig_close(&rig);
}

static void what_never_ends_is_not_waited_for(void **state)
{
	struct sim_io *io;

	(void)state;
	sim_rig_open(&rig, "write:nth=1:never,complete:nth=2:never");
	io = write_to(0, 1, 'a');
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), 0);
	write_to(2, 1, 'c');
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_ETIMEDOUT);
	assert_int_equal(mpio_queue_drain(rig.queue), -MPIO_ETIMEDOUT);
	assert_sim(&rig, ".bc.");
	assert_int_equal(io->ends, 0);
	sim_rig_close(&rig);
}

static void an_inline_one_ends_inside_submit(void **state)
{
	(void)state;
	sim_rig_open(&rig, "submit:inline");
	assert_int_equal(write_to(0, 1, 'a')->ends, 1);
	assert_int_equal(sim_start(&rig, MPIO_BIO_FLUSH, 0, 0, 0, 0)->ends, 1);
	assert_sim(&rig, "a");
	sim_rig_close(&rig);
}

static void a_submit_is_refused(void **state)
{
	(void)state;
	sim_rig_open(&rig, "submit:nth=1:errno=EAGAIN,submit:nth=3:errno=EIO");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	assert_int_equal(mpio_queue_stats(rig.queue)->submits, 2);
	assert_int_equal(sim_put(&rig, 0, 1, 'b'), -MPIO_EIO);
	assert_sim(&rig, "a");
	sim_rig_close(&rig);
}

static void what_completes_badly_was_done(void **state)
{
	(void)state;
	sim_rig_open(&rig,
		     "complete:nth=1:errno=ENOSPC,complete:nth=2:short=9");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), -MPIO_ENOSPC);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), 0);
	assert_sim(&rig, "ab");
	sim_rig_close(&rig);
}

static void rules_add_up_and_may_be_cleared(void **state)
{
	struct mpio_fault_error error;
	struct mpio_fault_rule rule;

	(void)state;
	sim_rig_open(&rig, "write:torn=1,write:errno=ENOSPC");
	assert_int_equal(sim_put(&rig, 0, 2, 'a'), -MPIO_ENOSPC);
	assert_sim(&rig, "a.");
	mpio_sim_clear_rules(rig.sim);
	assert_int_equal(sim_put(&rig, 0, 2, 'b'), 0);
	assert_int_equal(mpio_sim_add_rules(rig.sim, "write:x", &error),
			 -MPIO_EINVAL);
	assert_int_equal(error.at, 6);
	assert_int_equal(mpio_sim_rule(rig.sim, 0, &rule), -MPIO_ENOENT);
	assert_int_equal(mpio_sim_add_rules(rig.sim, "write:drop", NULL), 0);
	assert_int_equal(sim_put(&rig, 0, 2, 'c'), 0);
	assert_sim(&rig, "bb");
	assert_int_equal(fired(0), 1);
	sim_rig_close(&rig);
}

static void a_bio_is_cancelled_before_it_is_done(void **state)
{
	struct sim_io *io;

	(void)state;
	sim_rig_open(&rig, "complete:nth=1:hold");
	io = write_to(0, 1, 'a');
	mpio_bio_cancel(io->bio);
	assert_int_equal(io->status, -MPIO_ECANCELED);
	io = write_to(1, 1, 'b');
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_EDEADLK);
	mpio_bio_cancel(io->bio);
	assert_int_equal(io->ends, 0);
	mpio_sim_release(rig.sim, 0);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(io->status, 0);
	assert_sim(&rig, ".b");
	sim_rig_close(&rig);
}

/* ---- Break points --------------------------------------------------------- */

static void an_io_is_held_before_it_is_done(void **state)
{
	struct sim_io *io;
	uint64_t ids[4];

	(void)state;
	sim_rig_open(&rig, "write:nth=2:hold");
	assert_int_equal(sim_put(&rig, 0, 1, 'a'), 0);
	io = write_to(0, 1, 'b');
	/* It has the sector when it is let go, and not before. */
	assert_int_equal(sim_put(&rig, 0, 1, 'c'), 0);
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_EDEADLK);
	assert_int_equal(mpio_sim_held(rig.sim, ids, 4), 1);
	assert_int_equal(ids[0], 2);
	assert_sim(&rig, "c");
	assert_int_equal(mpio_sim_release(rig.sim, 1), 0);
	assert_int_equal(mpio_sim_release(rig.sim, ids[0]), 1);
	assert_int_equal(mpio_sim_held(rig.sim, NULL, 0), 0);
	assert_int_equal(io->ends, 0);
	assert_int_equal(mpio_queue_poll(rig.queue), 1);
	assert_sim(&rig, "b");
	sim_rig_close(&rig);
}

static void an_io_is_held_before_it_ends(void **state)
{
	struct sim_io *io;
	uint64_t ids[4];

	(void)state;
	sim_rig_open(&rig, "complete:nth=1:hold,write:nth=3:hold");
	io = write_to(0, 1, 'a');
	assert_int_equal(mpio_queue_wait(rig.queue), -MPIO_EDEADLK);
	assert_sim(&rig, "a");
	assert_int_equal(io->ends, 0);
	assert_int_equal(sim_put(&rig, 1, 1, 'b'), 0);
	write_to(2, 1, 'c');
	assert_int_equal(mpio_sim_held(rig.sim, ids, 1), 2);
	assert_int_equal(mpio_sim_held(rig.sim, ids, 4), 2);
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[1], 3);
	assert_int_equal(mpio_sim_release(rig.sim, 0), 2);
	assert_int_equal(mpio_queue_drain(rig.queue), 0);
	assert_int_equal(io->status, 0);
	assert_sim(&rig, "abc");
	sim_rig_close(&rig);
}

/* All orders in which two writes of one sector and a read may be done. */
static void every_interleaving_can_be_had(void **state)
{
	static const int orders[][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1},
					{2, 0, 1}, {1, 2, 0}, {2, 1, 0}};
	static const char *const left[] = {"b", "a", "b", "b", "a", "a"};
	static const char *const read[] = {"b", "a", "a", ".", "b", "."};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		char letters[2];

		sim_rig_open(&rig, "submit:hold");
		write_to(0, 1, 'a');
		write_to(0, 1, 'b');
		sim_start(&rig, MPIO_BIO_READ, 0, 0, 1, '?');
		for (int j = 0; j < 3; j++) {
			mpio_sim_release(rig.sim, (uint64_t)orders[i][j] + 1);
			assert_int_equal(mpio_queue_poll(rig.queue), 1);
		}
		sim_letters_of(rig.ios[2].bytes, 1, letters);
		assert_string_equal(letters, read[i]);
		assert_sim(&rig, left[i]);
		sim_rig_close(&rig);
	}
}

/* ---- What happened -------------------------------------------------------- */

static void assert_entry(uint64_t index, const char *text)
{
	struct mpio_sim_entry entry;
	char found[128];

	assert_int_equal(mpio_sim_journal(rig.sim, index, &entry), 0);
	assert_int_equal(entry.number, index);
	entry.time = 0;
	mpio_sim_entry_print(&entry, found, sizeof(found));
	assert_string_equal(found, text);
}

static void the_journal_has_all_of_it(void **state)
{
	struct mpio_sim_entry entry;

	(void)state;
	sim_rig_open(&rig, "write:nth=2:errno=EROFS:delay=1us,"
			   "submit:nth=4:errno=ENOSPC");
	sim_put(&rig, 2, 2, 'a');
	sim_put_flags(&rig, 0, 1, 'b', MPIO_BIO_FUA | MPIO_BIO_PREFLUSH);
	sim_flush(&rig);
	sim_put(&rig, 0, 1, 'c');
	mpio_sim_power_off(rig.sim);
	assert_entry(0, "0 at 0: #1 write 1024+1024 submit");
	assert_entry(1, "1 at 0: #1 write 1024+1024 do");
	assert_entry(2, "2 at 0: #1 write 1024+1024 end");
	assert_entry(3,
		     "3 at 0: #2 write 0+512 fua preflush fault errno delay, "
		     "by rule 0");
	assert_entry(4, "4 at 0: #2 write 0+512 fua preflush submit");
	assert_entry(5, "5 at 0: #2 write 0+512 fua preflush do -30");
	assert_entry(6, "6 at 0: #2 write 0+0 fua preflush end -30");
	assert_entry(7, "7 at 0: #3 flush submit");
	assert_entry(8, "8 at 0: #1 write 1024+1024 durable");
	assert_entry(9, "9 at 0: #3 flush do");
	assert_entry(10, "10 at 0: #3 flush end");
	assert_entry(11, "11 at 0: #4 write 0+512 fault errno, by rule 1");
	assert_entry(12, "12 at 0: #4 write 0+512 refuse -28");
	assert_entry(13, "13 at 0: power off");
	assert_int_equal(mpio_sim_journal_count(rig.sim), 14);
	assert_int_equal(mpio_sim_journal(rig.sim, 14, &entry), -MPIO_ENOENT);
	assert_int_equal(mpio_sim_fault_count(rig.sim), 2);
	assert_int_equal(mpio_sim_fault(rig.sim, 1, &entry), 0);
	assert_int_equal(entry.number, 11);
	sim_rig_close(&rig);
}

static void count_entries(void *ctx, const struct mpio_sim_entry *entry)
{
	uint64_t *count = ctx;

	assert_int_equal(entry->number, (*count)++);
}

static void the_newest_entries_are_kept(void **state)
{
	struct mpio_sim_entry entry;
	uint64_t count = 0;

	(void)state;
	sim_rig_init(&rig);
	rig.config.journal = 4;
	rig.config.hook = count_entries;
	rig.config.hook_ctx = &count;
	sim_rig_make(&rig, "");
	sim_put(&rig, 0, 1, 'a');
	sim_put(&rig, 0, 1, 'b');
	assert_int_equal(mpio_sim_journal(rig.sim, 1, &entry), -MPIO_ENODATA);
	assert_int_equal(mpio_sim_journal(rig.sim, 2, &entry), 0);
	assert_int_equal(entry.number, 2);
	assert_int_equal(count, 6);
	sim_rig_close(&rig);
}

static void one_line_tells_how_to_have_it_again(void **state)
{
	char text[256];

	(void)state;
	sim_rig_open(&rig, "write:nth=7:errno=EIO:sticky");
	assert_int_equal(mpio_sim_replay(rig.sim, text, sizeof(text)), 51);
	assert_string_equal(
		text, "sim:32768?seed=7&rules=write:nth=7:errno=EIO:sticky");
	sim_rig_close(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(a_disk_may_have_any_size),
		TEST(a_bad_configuration_is_refused),
		TEST(want_of_memory_is_told),
		TEST(a_cut_without_memory_is_no_cut),
		TEST(a_seed_is_an_order),
		TEST(time_passes_as_configured),
		TEST(a_poll_that_goes_on_comes_to_an_end),
		TEST(the_nth_write_fails),
		TEST(a_sticky_one_goes_on),
		TEST(one_that_counts_fires_each_time),
		TEST(a_range_is_kept_to),
		TEST(states_lead_from_rule_to_rule),
		TEST(chance_is_about_as_told),
		TEST(a_short_write_is_driven_on),
		TEST(a_torn_write_has_some_sectors),
		TEST(a_dropped_write_is_lost),
		TEST(a_misdirected_write_is_elsewhere),
		TEST(a_bit_is_inverted),
		TEST(scattered_memory_goes_astray_too),
		TEST(a_bit_of_what_is_not_written_does_not_matter),
		TEST(what_is_delayed_ends_later),
		TEST(what_is_reordered_ends_last),
		TEST(a_second_end_is_ignored),
		TEST(what_never_ends_is_not_waited_for),
		TEST(an_inline_one_ends_inside_submit),
		TEST(a_submit_is_refused),
		TEST(what_completes_badly_was_done),
		TEST(rules_add_up_and_may_be_cleared),
		TEST(a_bio_is_cancelled_before_it_is_done),
		TEST(an_io_is_held_before_it_is_done),
		TEST(an_io_is_held_before_it_ends),
		TEST(every_interleaving_can_be_had),
		TEST(the_journal_has_all_of_it),
		TEST(the_newest_entries_are_kept),
		TEST(one_line_tells_how_to_have_it_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

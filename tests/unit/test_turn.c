/* SPDX-License-Identifier: MIT */
/*
 * Turns: writes that have a block of the device in common, one of which cuts
 * it, wait for each other; however the one that is waited for ends, and
 * whoever comes meanwhile.
 */
#include "mock.h"

#include <stdio.h>

#define SECTOR 4096u /* four blocks */

static void open_coarse(struct rig *rig, uint32_t bounce_bytes)
{
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->a.device.limits.memory_alignment = 512;
	rig->config.bounce_bytes = bounce_bytes;
	rig->together = true;
	rig->watch |= WATCH_IO;
	rig_open(rig);
}

static void open_later(struct rig *rig, uint32_t bounce_bytes)
{
	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	open_coarse(rig, bounce_bytes);
}

/* Of slots there is one, and whole blocks need none: any memory does. */
static void open_single(struct rig *rig)
{
	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->config.bounce_bytes = SECTOR;
	rig->watch |= WATCH_IO;
	rig_open(rig);
}

static const struct mpio_stats *stats(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static struct mock_io *start(struct rig *rig, uint64_t block, uint32_t count)
{
	return start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, block, count);
}

static void drain(struct rig *rig)
{
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(stats(rig)->in_flight, 0);
}

/* ---- Turns -------------------------------------------------------------- */

static void writes_of_one_block_lose_nothing(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	rig->a.lifo = true;
	for (uint64_t block = 5; block < 9; block++)
		start(rig, block, 1);
	assert_trace(rig, "read 4+4, read 8+4");
	drain(rig);
	assert_disk(&rig->a, 4, "a4 f5 f6 f7 f8 a9");
	assert_trace(rig, "write 8+4, write 4+4, read 4+4, write 4+4, "
			  "read 4+4, write 4+4");
	assert_int_equal(stats(rig)->turns, 2);
	assert_int_equal(stats(rig)->in_flight_peak, 2);
}

static void whole_blocks_wait_for_a_part_of_them(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 5, 1);
	start(rig, 4, 8);
	start(rig, 8, 4); /* cuts nothing, but is not to pass what waits */
	start(rig, 12, 4);
	assert_trace(rig, "read 4+4, write 12+4");
	drain(rig);
	assert_trace(rig, "write 4+4, write 4+8, write 8+4");
	assert_disk(&rig->a, 4, "f4 f5 f6 f7 f8 f9 f10 f11 f12");
	assert_int_equal(stats(rig)->turns, 2);
}

/* These go as they are, without a slot, and are waited for, and wait, too. */
static void aligned_memory_has_its_turn_too(void **state)
{
	struct rig *rig = *state;
	struct mock_io *ios[3];
	unsigned char *memory = aligned_alloc(SECTOR, SECTOR);

	assert_non_null(memory);
	pattern_fill(memory, 'f', SECTOR, SECTOR);
	open_later(rig, 0);
	for (size_t i = 0; i < COUNT_OF(ios); i++) {
		ios[i] = make_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 5, 1);
		memset(ios[i]->memory, 0, BLOCK);
		if (i == 1)
			continue;
		mpio_bio_reset(ios[i]->bio, MPIO_BIO_WRITE, 0);
		ios[i]->bio->offset = SECTOR;
		assert_int_equal(mpio_bio_add(ios[i]->bio, memory, SECTOR), 0);
	}
	for (size_t i = 0; i < COUNT_OF(ios); i++)
		submit_io(ios[i]);
	assert_trace(rig, "write 4+4");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "read 4+4");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_disk(&rig->a, 4, "f4 0 f6 f7");
	assert_trace(rig, "write 4+4, write 4+4");
	drain(rig);
	assert_disk(&rig->a, 4, "f4 f5 f6 f7");
	assert_int_equal(stats(rig)->turns, 2);
	assert_int_equal(stats(rig)->bounces, 1);
	free(memory);
}

static void a_part_waits_for_whole_blocks(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_later(rig, 0);
	start(rig, 4, 4);
	start(rig, 8, 4);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 12, 4);
	io = make_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 7, 6);
	memset(io->memory, 0, 6 * BLOCK);
	submit_io(io);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 4, 4);
	assert_trace(rig, "write 4+4, write 8+4, discard 12+4, read 4+4");
	drain(rig);
	assert_disk(&rig->a, 4, "f4 f5 f6 0 0 0 0 0 0 0 0 0");
	assert_trace(rig, "read 4+4, read 12+4, write 4+12");
	/* Nobody waits any more: what comes is passed straight on. */
	start(rig, 4, 4);
	start(rig, 4, 4);
	assert_trace(rig, "write 4+4, write 4+4");
	drain(rig);
}

static void neighbours_do_not_wait(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 5, 1);
	start(rig, 1, 3);
	start(rig, 8, 1);
	start(rig, 13, 3);
	assert_trace(rig, "read 4+4, read 0+4, read 8+4, read 12+4");
	drain(rig);
	assert_int_equal(stats(rig)->turns, 0);
	assert_disk(&rig->a, 0, "a0 f1 f2 f3 a4 f5 a6 a7 f8 a9");
}

static void few_slots_are_enough_for_all(void **state)
{
	struct rig *rig = *state;

	open_later(rig, SECTOR); /* one slot */
	rig->a.lifo = true;
	for (uint32_t block = 0; block < 30; block++)
		start(rig, block * 7 % 30, 1 + block % 3);
	drain(rig);
	for (uint32_t block = 0; block < 30; block++) {
		char expected[8];

		snprintf(expected, sizeof(expected), "f%d", (int)block);
		assert_disk(&rig->a, block, expected);
		assert_int_equal(rig->ios[block].ends, 1);
	}
	assert_int_equal(stats(rig)->in_flight_peak, 1);
}

static void who_waits_for_one_that_failed_goes_on(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	open_later(rig, 0);
	fault = mock_fail(&rig->a, 5, 1, -MPIO_EIO);
	fault->times = 1;
	start(rig, 5, 1);
	start(rig, 6, 1);
	start(rig, 4, 4);
	drain(rig);
	assert_int_equal(rig->ios[0].status, -MPIO_EIO);
	assert_int_equal(rig->ios[1].status, 0);
	assert_int_equal(rig->ios[2].status, 0);
	assert_disk(&rig->a, 4, "f4 f5 f6 f7");
	assert_trace(rig, "read 4+4, read 4+4, write 4+4, write 4+4");
}

static void plugged_ones_are_sorted_and_wait_as_any(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	mpio_queue_plug(rig->queue);
	start(rig, 6, 1);
	start(rig, 13, 1);
	start(rig, 5, 1);
	assert_trace(rig, "");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 4+4, read 12+4");
	drain(rig);
	assert_disk(&rig->a, 4, "a4 f5 f6 a7");
	assert_disk(&rig->a, 12, "a12 f13 a14");
}

static void closing_waits_for_all_of_it(void **state)
{
	struct rig *rig = *state;

	open_later(rig, SECTOR);
	start(rig, 5, 9);
	start(rig, 6, 1);
	start(rig, 4, 12);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	rig->is_open = false;
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(rig->ios[i].ends, 1);
		assert_int_equal(rig->ios[i].status, 0);
	}
	assert_disk(&rig->a, 3, "a3 f4 f5 f6 f7 f8");
}

/* ---- Cancelling --------------------------------------------------------- */

/* Four writes of one block, of which one is cancelled. */
static void cancelled(struct rig *rig, uint32_t which)
{
	static const char *const left[] = {"a4 f5 f6 f7", "f4 a5 f6 f7",
					   "f4 f5 a6 f7", "f4 f5 f6 a7"};

	pattern_fill(rig->a.disk + SECTOR, 'a', SECTOR, SECTOR);
	for (uint64_t block = 4; block < 8; block++)
		start(rig, block, 1);
	mpio_bio_cancel(rig->ios[which].bio);
	drain(rig);
	assert_disk(&rig->a, 4, left[which]);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(rig->ios[i].ends, 1);
		assert_int_equal(rig->ios[i].status,
				 i == which ? -MPIO_ECANCELED : 0);
	}
	mpio_queue_close(rig->queue);
	for (uint32_t i = 0; i < 4; i++)
		free(rig->ios[i].memory);
	rig->io_count = 0;
	rig->queue = NULL;
	rig->is_open = false;
}

static void one_that_is_cancelled_holds_up_nobody(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 0; i < 8; i++) {
		if (i == 4)
			mock_cancelling(&rig->a);
		open_later(rig, 0);
		cancelled(rig, i % 4);
		rig->trace[0] = '\0';
	}
}

static void what_is_cancelled_while_it_reads_does_not_write(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 5, 1);
	mpio_bio_cancel(rig->ios[0].bio);
	drain(rig);
	assert_int_equal(rig->ios[0].status, -MPIO_ECANCELED);
	assert_trace(rig, "read 4+4");
}

/* ---- From callbacks ----------------------------------------------------- */

/* What the end of a read is to do while writes of a block wait. */
struct deed {
	struct rig *rig;
	struct mock_io *cancelled; /* or NULL */
	bool discards;             /* which the device refuses */
};

static void do_it(struct mpio_bio *bio)
{
	struct deed *deed = bio->ctx;
	struct rig *rig = deed->rig;

	rig->a.lifo = false;
	if (deed->cancelled != NULL)
		mpio_bio_cancel(deed->cancelled->bio);
	if (deed->discards)
		start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 4, 4);
	start(rig, 4, 1);
	mpio_bio_put(bio);
}

/* A read beside them, that ends first. */
static void do_soon(struct deed *deed)
{
	struct rig *rig = deed->rig;
	static unsigned char memory[SECTOR];
	struct mpio_bio *bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);

	bio->offset = 8 * SECTOR;
	bio->end_io = do_it;
	bio->ctx = deed;
	assert_int_equal(mpio_bio_add(bio, memory, SECTOR), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	rig->a.lifo = true;
}

/* It has no turn, so nobody who came before it goes on when it ends. */
static void what_was_never_sent_is_not_waited_for(void **state)
{
	struct rig *rig = *state;
	struct deed deed = {.rig = rig};

	rig->a.device.limits.features &= ~MPIO_DEVICE_DISCARD;
	open_later(rig, 0);
	for (int round = 0; round < 2; round++) {
		pattern_fill(rig->a.disk + SECTOR, 'a', SECTOR, SECTOR);
		start(rig, 5, 1);
		start(rig, 6, 1);
		deed.discards = round == 0;
		deed.cancelled = round == 0 ? NULL : start(rig, 7, 1);
		do_soon(&deed);
		drain(rig);
		assert_disk(&rig->a, 4, "f4 f5 f6 a7");
	}
	assert_int_equal(rig->ios[2].status, -MPIO_EOPNOTSUPP);
	assert_int_equal(rig->ios[6].status, -MPIO_ECANCELED);
}

/* ---- Flushes ------------------------------------------------------------ */

static void flushes_go_around_both(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	open_later(rig, 0);
	start(rig, 6, 1);
	start_io(rig, rig->queue, MPIO_BIO_WRITE,
		 MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 5, 1);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_FUA, 7, 1);
	start(rig, 4, 1);
	drain(rig);
	assert_trace(rig, "read 4+4, write 4+4, flush, read 4+4, write 4+4, "
			  "flush, read 4+4, write 4+4, flush, read 4+4, "
			  "write 4+4");
	assert_disk(&rig->a, 4, "f4 f5 f6 f7");
}

static void a_flush_waits_for_those_that_wait(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_END;
	open_later(rig, 0);
	start(rig, 5, 1);
	start(rig, 6, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	drain(rig);
	assert_trace(rig, "read 4+4, write 4+4, read 4+4, end_io 0, "
			  "write 4+4, end_io 1, flush, end_io 2");
}

/* It is not waited for by others of whole blocks, whoever cuts some elsewhere. */
static void whole_blocks_beside_a_part_keep_no_place(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 5, 1);
	start(rig, 16, 4);
	start(rig, 16, 4);
	assert_trace(rig, "read 4+4, write 16+4, write 16+4");
	assert_int_equal(stats(rig)->turns, 0);
	drain(rig);
}

/* Also if it is the first of its block, and the only one that is cut. */
static void what_only_ends_inside_a_block_is_waited_for(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 4, 1);
	start(rig, 4, 4);
	assert_trace(rig, "read 4+4");
	drain(rig);
	assert_trace(rig, "write 4+4, write 4+4");
	assert_disk(&rig->a, 4, "f4 f5 f6 f7");
	assert_int_equal(stats(rig)->turns, 1);
}

/* Blocks 5, 6 and 7 are of one sector, and 9, 10 and 11 of the next. */
static void the_last_of_those_that_wait_may_go_first(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	rig->a.lifo = true;
	start(rig, 5, 1);
	start(rig, 9, 1);
	start(rig, 6, 1);
	start(rig, 7, 1);
	start(rig, 10, 1);
	drain(rig);
	assert_disk(&rig->a, 4, "a4 f5 f6 f7 a8 f9 f10 a11");
	assert_int_equal(stats(rig)->turns, 3);
}

static void who_comes_waits_behind_those_that_still_do(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	rig->a.lifo = true;
	start(rig, 5, 1);
	start(rig, 9, 1);
	start(rig, 10, 1);
	start(rig, 6, 1);
	start(rig, 7, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "read 4+4, read 8+4, write 8+4, read 8+4");
	start(rig, 11, 1);
	drain(rig);
	assert_disk(&rig->a, 4, "a4 f5 f6 f7 a8 f9 f10 f11");
	assert_int_equal(stats(rig)->turns, 4);
}

/* Its device's last block is no less whole than others. */
static void what_ends_with_the_device_keeps_no_place(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 14 * BLOCK;
	open_later(rig, 0);
	start(rig, 12, 2);
	start(rig, 12, 2);
	assert_trace(rig, "write 12+2, write 12+2");
	assert_int_equal(stats(rig)->turns, 0);
	drain(rig);
}

static void what_only_begins_inside_a_block_is_waited_for(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 6, 4);
	start(rig, 8, 4);
	assert_trace(rig, "read 4+8");
	drain(rig);
	assert_trace(rig, "write 4+8, write 8+4");
	assert_disk(&rig->a, 4, "a4 a5 f6 f7 f8 f9 f10 f11");
	assert_int_equal(stats(rig)->turns, 1);
}

/* Both what it has not come to yet, and what it has left behind. */
static void one_that_goes_in_parts_is_waited_for_as_a_whole(void **state)
{
	struct rig *rig = *state;

	open_single(rig);
	start(rig, 5, 9);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_trace(rig, "read 4+4, write 4+4");
	start(rig, 12, 4);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_trace(rig, "write 8+4");
	start(rig, 4, 4);
	drain(rig);
	assert_trace(rig, "read 12+4, write 12+4, write 12+4, write 4+4");
	assert_int_equal(stats(rig)->turns, 2);
}

static void what_is_still_being_flushed_is_waited_for(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	open_later(rig, 0);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 4, 5);
	start(rig, 4, 4);
	assert_trace(rig, "flush");
	drain(rig);
	assert_trace(rig, "read 8+4, write 4+8, write 4+4");
}

/* It is no longer the device's, but what comes next of it is to be sent. */
static void what_a_reap_has_ended_is_waited_for(void **state)
{
	struct rig *rig = *state;
	struct deed deed = {.rig = rig};

	open_later(rig, 0);
	rig->a.reap_max = 0;
	start(rig, 5, 1);
	do_soon(&deed);
	drain(rig);
	assert_trace(rig, "read 4+4, read 32+4, write 4+4, read 4+4, "
			  "write 4+4");
	assert_disk(&rig->a, 4, "f4 f5 a6 a7");
}

static void who_needs_no_slot_waits_for_none(void **state)
{
	struct rig *rig = *state;

	open_single(rig);
	start(rig, 5, 1); /* has the only one, */
	start(rig, 20, 4);
	start(rig, 4, 8);
	start(rig, 17, 1); /* and this gets it next */
	start(rig, 8, 4);
	assert_trace(rig, "read 4+4, write 20+4");
	drain(rig);
	assert_trace(rig, "write 4+4, write 4+8, read 16+4, write 8+4, "
			  "write 16+4");
}

static void a_place_is_kept_when_others_have_ended(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 5, 1);
	start(rig, 9, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "read 4+4, read 8+4, write 4+4, write 8+4");
	start(rig, 8, 4);
	assert_trace(rig, "");
	drain(rig);
	assert_trace(rig, "write 8+4");
	assert_int_equal(stats(rig)->turns, 1);
}

/* Those had none, but were waited for. */
static void a_place_is_kept_when_whole_blocks_have_ended(void **state)
{
	struct rig *rig = *state;

	open_later(rig, 0);
	start(rig, 4, 4);
	start(rig, 5, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "write 4+4, read 4+4");
	start(rig, 4, 4);
	assert_trace(rig, "");
	drain(rig);
	assert_trace(rig, "write 4+4, write 4+4");
	assert_int_equal(stats(rig)->turns, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(writes_of_one_block_lose_nothing),
		RIG_TEST(whole_blocks_wait_for_a_part_of_them),
		RIG_TEST(aligned_memory_has_its_turn_too),
		RIG_TEST(a_part_waits_for_whole_blocks),
		RIG_TEST(neighbours_do_not_wait),
		RIG_TEST(few_slots_are_enough_for_all),
		RIG_TEST(who_waits_for_one_that_failed_goes_on),
		RIG_TEST(plugged_ones_are_sorted_and_wait_as_any),
		RIG_TEST(closing_waits_for_all_of_it),
		RIG_TEST(one_that_is_cancelled_holds_up_nobody),
		RIG_TEST(what_is_cancelled_while_it_reads_does_not_write),
		RIG_TEST(what_was_never_sent_is_not_waited_for),
		RIG_TEST(flushes_go_around_both),
		RIG_TEST(a_flush_waits_for_those_that_wait),
		RIG_TEST(whole_blocks_beside_a_part_keep_no_place),
		RIG_TEST(what_only_ends_inside_a_block_is_waited_for),
		RIG_TEST(the_last_of_those_that_wait_may_go_first),
		RIG_TEST(who_comes_waits_behind_those_that_still_do),
		RIG_TEST(what_ends_with_the_device_keeps_no_place),
		RIG_TEST(what_only_begins_inside_a_block_is_waited_for),
		RIG_TEST(one_that_goes_in_parts_is_waited_for_as_a_whole),
		RIG_TEST(what_is_still_being_flushed_is_waited_for),
		RIG_TEST(what_a_reap_has_ended_is_waited_for),
		RIG_TEST(who_needs_no_slot_waits_for_none),
		RIG_TEST(a_place_is_kept_when_others_have_ended),
		RIG_TEST(a_place_is_kept_when_whole_blocks_have_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

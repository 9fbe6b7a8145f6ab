/* SPDX-License-Identifier: MIT */
/*
 * Flush, fua and preflush: what is durable when, on devices that do it
 * themselves and on those that only know a plain flush.
 */
#include "mock.h"

#define WRITE MPIO_BIO_WRITE

static void set_features(struct rig *rig, uint32_t features)
{
	rig->a.device.limits.features = features;
}

/* Fails flushes, so many times. */
static void fail_flush(struct rig *rig, uint32_t times)
{
	struct mock_fault *fault = mock_fail(&rig->a, 0, 0, -MPIO_EIO);

	fault->op = 1u << MPIO_BIO_FLUSH;
	fault->times = times;
}

/* ---- The queue's flush -------------------------------------------------- */

static void flush_drains_and_then_flushes(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.reap_max = 1;
	rig->watch = WATCH_IO | WATCH_END;
	rig_open(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, WRITE, 0, 9, 1);
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_trace(rig, "write 1+1, write 9+1, end_io 0, end_io 1, flush");
	assert_int_equal(mpio_queue_stats(rig->queue)->flushes, 1);
}

static void flush_sends_what_is_plugged_before(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_trace(rig, "write 1+1, flush");
	mpio_queue_unplug(rig->queue);
}

static void a_failed_flush_is_told_and_not_tried_again(void **state)
{
	struct rig *rig = *state;

	fail_flush(rig, 1);
	rig_open(rig);
	assert_int_equal(mpio_queue_flush(rig->queue), -MPIO_EIO);
	assert_trace(rig, "flush");
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_trace(rig, "flush");
}

static void a_device_without_a_cache_is_not_flushed(void **state)
{
	struct rig *rig = *state;

	set_features(rig, 0);
	rig_open(rig);
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_int_equal(
		start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0)->status, 0);
	assert_trace(rig, "");
}

static void flush_works_with_the_least_pool(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	for (uint64_t i = 0; i < 4; i++)
		start_io(rig, rig->queue, WRITE, 0, 10 * i, 1);
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_trace(rig, "write 0+1, write 10+1, write 20+1, write 30+1, "
			  "flush");
	for (int i = 0; i < 10; i++) {
		assert_int_equal(mpio_queue_flush(rig->queue), 0);
		assert_trace(rig, "flush");
	}
}

static void open_pending(struct rig *rig)
{
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
}

/* ---- Flushes as bios ---------------------------------------------------- */

static void a_flush_waits_for_what_was_submitted_before(void **state)
{
	struct rig *rig = *state;
	struct mock_io *before;
	struct mock_io *flush;

	open_pending(rig);
	before = start_io(rig, rig->queue, WRITE, 0, 1, 1);
	flush = start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	assert_int_equal(before->ends, 0); /* the caller does not wait */
	assert_trace(rig, "write 1+1");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(before->ends, 1);
	assert_int_equal(flush->ends, 0);
	assert_trace(rig, "flush");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(flush->ends, 1);
	assert_trace(rig, "");
}

static void a_preflush_waits_for_what_was_submitted_before(void **state)
{
	struct rig *rig = *state;

	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, WRITE, MPIO_BIO_PREFLUSH, 2, 1);
	assert_trace(rig, "write 1+1");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 2+1");
}

/* Nor does it wait for them: once it is sent, so are they. */
static void nothing_passes_a_flush_that_waits(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 8;
	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	assert_trace(rig, "write 1+1");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "flush, write 1+1, read 7+1");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void a_read_behind_a_flush_is_sent_too(void **state)
{
	struct rig *rig = *state;

	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "write 1+1, flush, read 7+1");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void flushes_wait_for_each_other_in_their_order(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 8;
	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	start_io(rig, rig->queue, WRITE, 0, 2, 1);
	start_io(rig, rig->queue, WRITE, MPIO_BIO_PREFLUSH, 3, 1);
	start_io(rig, rig->queue, WRITE, 0, 4, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "write 1+1, flush, write 2+1");
	assert_true(mpio_queue_wait(rig->queue) > 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 3+1, write 4+1");
}

static void behind_a_flush_that_was_cancelled_nobody_waits(void **state)
{
	struct rig *rig = *state;
	struct mock_io *flush;

	rig->config.bios = 8;
	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	flush = start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	start_io(rig, rig->queue, WRITE, 0, 2, 1);
	assert_trace(rig, "write 1+1");
	mpio_bio_cancel(flush->bio);
	assert_int_equal(flush->ends, 1);
	assert_int_equal(flush->status, -MPIO_ECANCELED);
	assert_trace(rig, "write 2+1");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

/* From the middle and from the end; what comes later is behind the others. */
static void what_is_behind_a_flush_may_be_cancelled(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 8;
	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	for (uint64_t i = 0; i < 3; i++)
		start_io(rig, rig->queue, WRITE, 0, 10 * i, 1);
	for (uint32_t i = 3; i < 5; i++) {
		mpio_bio_cancel(rig->ios[i].bio);
		assert_int_equal(rig->ios[i].ends, 1);
		assert_int_equal(rig->ios[i].status, -MPIO_ECANCELED);
	}
	start_io(rig, rig->queue, WRITE, 0, 30, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 1+1, flush, write 0+1, write 30+1");
}

/* Behind it goes as much as may be in flight; a poll does not wait for more. */
static void behind_a_flush_bios_go_as_there_is_room(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 8;
	rig->config.in_flight_max = 2;
	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig_open(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	for (uint64_t i = 0; i < 5; i++)
		start_io(rig, rig->queue, WRITE, 0, 10 * i, 1);
	assert_trace(rig, "write 1+1");
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_trace(rig, "flush, write 0+1");
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_trace(rig, "write 10+1");
	assert_int_equal(mpio_queue_stats(rig->queue)->waits, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 20+1, write 30+1, write 40+1");
	assert_int_equal(rig->a.pending_most, 2);
}

static struct rig *the_rig;

/* A record of a log, in a page, and what commits it, in a bio. */
static struct mpio_bio *commit;

static void give_up(struct rig *rig, struct frame *frame)
{
	if (index_of(rig, &frame->page) == 0)
		mpio_bio_cancel(commit);
}

static void read_inside(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;

	io->ends++;
	assert_int_equal(read_pages(the_rig, 1, 1, 0), 1);
	mpio_bio_put(bio);
}

/* Where another callback waits for a bio, pages are told when it returns. */
static void pages_are_told_before_a_flush_passes(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	the_rig = rig;
	rig->config.bios = 2;
	rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	rig->after_end = give_up;
	mock_asynchronous(&rig->a);
	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	mock_fail(&rig->a, 100, 4, -MPIO_EIO);
	rig_open(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
	io->bio->end_io = read_inside;
	submit_io(io);
	dirty_page(rig, 0);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), NULL),
			 0);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_PREFLUSH, 2, 1);
	commit = io->bio;
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 3, 1);
	assert_null(mpio_bio_get(rig->queue, WRITE, 0));
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->frames[0].status, -MPIO_EIO);
	assert_int_equal(io->status, -MPIO_ECANCELED);
	assert_disk(&rig->a, 2, "a2");
}

static void flush_inside(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;

	io->ends++;
	assert_int_equal(the_rig->ios[1].ends, 0);
	assert_int_equal(mpio_queue_flush(bio->queue), 0);
	assert_int_equal(the_rig->ios[1].ends, 1);
	mpio_bio_put(bio);
}

/* All that it waits for has ended, though the last has not been told yet. */
static void a_callback_that_flushes_sends_the_one_that_waits(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	the_rig = rig;
	rig->config.bios = 8;
	mock_asynchronous(&rig->a);
	rig_open(rig);
	io = make_io(rig, rig->queue, WRITE, 0, 1, 1);
	io->bio->end_io = flush_inside;
	submit_io(io);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 1+1, flush, flush");
}

static void flushes_wait_where_there_are_none(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 8;
	set_features(rig, 0);
	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	for (int i = 0; i < 2; i++)
		start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	start_io(rig, rig->queue, WRITE, 0, 2, 1);
	assert_trace(rig, "write 1+1");
	assert_int_equal(rig->ios[1].ends + rig->ios[2].ends, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->ios[1].ends + rig->ios[2].ends, 2);
	assert_trace(rig, "write 2+1");
}

static void start_another(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;

	io->ends++;
	start_io(the_rig, bio->queue, WRITE, 0, 5, 1);
	mpio_bio_put(bio);
}

static void start_what_starts_another(struct rig *rig)
{
	struct mock_io *io = make_io(rig, rig->queue, WRITE, 0, 1, 1);

	the_rig = rig;
	io->bio->end_io = start_another;
	submit_io(io);
}

/* Under a plug, too, where what callbacks submit is held. */
static void a_flush_does_not_wait_for_what_callbacks_submit(void **state)
{
	const uint32_t flags[] = {0, MPIO_BIO_PREFLUSH};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig_open(rig);
	for (int i = 0; i < 4; i++) {
		enum mpio_bio_op op = i < 2 ? MPIO_BIO_FLUSH : WRITE;

		if (i % 2)
			mpio_queue_plug(rig->queue);
		start_what_starts_another(rig);
		start_io(rig, rig->queue, op, flags[i / 2], 9, 1);
		if (i % 2)
			mpio_queue_unplug(rig->queue);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
		assert_trace(rig, i < 2 ? "write 1+1, flush, write 5+1"
					: "write 1+1, write 9+1, write 5+1");
	}
}

/* No end_io runs inside another. */
static uint32_t depth;
static uint32_t depth_most;
static uint32_t flushes_left;

static void flush_again(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;

	io->ends = 1; /* of a bio that is used again */
	depth++;
	depth_most = depth > depth_most ? depth : depth_most;
	if (flushes_left != 0) {
		flushes_left--;
		mpio_bio_reset(bio, MPIO_BIO_FLUSH, 0);
		assert_int_equal(mpio_bio_submit(bio), 0);
	} else {
		mpio_bio_put(bio);
	}
	depth--;
}

static void flush_in_ends(struct rig *rig)
{
	rig->config.bios = 8;
	rig_open(rig);
	flushes_left = 20;
	depth_most = 0;
	mpio_queue_plug(rig->queue);
	for (uint64_t i = 0; i < 6; i++) {
		struct mock_io *io =
			make_io(rig, rig->queue, WRITE, 0, 10 * i, 1);

		io->bio->end_io = flush_again;
		submit_io(io);
	}
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(flushes_left, 0);
	assert_int_equal(depth_most, 1);
}

static void flushes_that_ends_submit_run_none_inside(void **state)
{
	flush_in_ends(*state);
}

static void nor_do_they_where_the_device_takes_its_time(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	flush_in_ends(rig);
}

/* ---- Devices that do it themselves -------------------------------------- */

static void a_device_that_knows_fua_and_preflush_gets_one_io(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO | WATCH_FLAGS;
	rig_open(rig);
	start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 5,
		 1);
	assert_trace(rig, "write 5+1 fua preflush");
}

static void a_device_without_a_cache_gets_one_io(void **state)
{
	struct rig *rig = *state;

	set_features(rig, 0);
	rig_open(rig);
	assert_int_equal(start_io(rig, rig->queue, WRITE,
				  MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 5, 1)
				 ->status,
			 0);
	assert_trace(rig, "write 5+1");
}

/* ---- Devices that know only a flush ------------------------------------- */

static void a_fua_write_is_flushed_behind(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH);
	rig_open(rig);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA, 5, 2);
	assert_trace(rig, "write 5+2, flush");
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, 0);
	assert_disk(&rig->a, 5, "f5 f6 a7");
}

static void a_preflush_is_flushed_before(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH);
	rig_open(rig);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_PREFLUSH, 5, 2);
	assert_trace(rig, "flush, write 5+2");
	assert_int_equal(io->status, 0);
	assert_disk(&rig->a, 5, "f5 f6 a7");
}

static void both_are_a_flush_before_and_one_behind(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH);
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH,
		      5, 2);
	assert_trace(rig, "flush");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "write 5+2, flush");
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, 0);
	assert_disk(&rig->a, 5, "f5 f6 a7");
}

static void what_the_device_knows_is_left_to_it(void **state)
{
	struct rig *rig = *state;

	set_features(rig, MPIO_DEVICE_FLUSH | MPIO_DEVICE_FUA);
	rig->watch = WATCH_IO | WATCH_FLAGS;
	rig_open(rig);
	start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA, 5, 2);
	assert_trace(rig, "write 5+2 fua");
}

static void scattered_memory_is_whole_after_a_preflush(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[3][BLOCK];
	struct mpio_bio *bio;

	set_features(rig, MPIO_DEVICE_FLUSH);
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA);
	bio->offset = 5 * BLOCK;
	pattern_fill(memory[2], 'f', 5 * BLOCK, BLOCK);
	pattern_fill(memory[0], 'f', 6 * BLOCK, BLOCK);
	assert_int_equal(mpio_bio_add(bio, memory[2], BLOCK), 0);
	assert_int_equal(mpio_bio_add(bio, memory[0], BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_trace(rig, "flush, write 5+2 in 2, flush");
	assert_disk(&rig->a, 5, "f5 f6 a7");
}

static void a_failed_preflush_fails_the_write_unwritten(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH);
	fail_flush(rig, 1);
	rig_open(rig);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_PREFLUSH, 5, 2);
	assert_trace(rig, "flush");
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, -MPIO_EIO);
	assert_disk(&rig->a, 5, "a5 a6");
}

static void a_failed_flush_behind_fails_the_fua_write(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH);
	fail_flush(rig, 1);
	rig_open(rig);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA, 5, 2);
	assert_trace(rig, "write 5+2, flush");
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, -MPIO_EIO);
}

static void a_failed_fua_write_is_not_flushed(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH);
	mock_fail(&rig->a, 5, 1, -MPIO_EIO);
	rig_open(rig);
	io = start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA, 5, 1);
	assert_trace(rig, "write 5+1");
	assert_int_equal(io->status, -MPIO_EIO);
}

static void a_short_fua_write_is_whole_before_it_is_flushed(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 5, 4, 0);

	set_features(rig, MPIO_DEVICE_FLUSH);
	fault->done = BLOCK;
	fault->times = 1;
	rig_open(rig);
	start_io(rig, rig->queue, WRITE, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 5,
		 4);
	assert_trace(rig, "flush, write 5+4, write 6+3, flush");
	assert_disk(&rig->a, 5, "f5 f6 f7 f8 a9");
}

/* ---- Discards ----------------------------------------------------------- */

#define BOTH (MPIO_BIO_PREFLUSH | MPIO_BIO_FUA)

static void a_discard_is_flushed_before_and_behind(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD);
	open_pending(rig);
	start_io(rig, rig->queue, WRITE, 0, 1, 1);
	io = start_io(rig, rig->queue, MPIO_BIO_DISCARD, BOTH, 5, 2);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "write 1+1, flush");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "discard 5+2, flush");
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, 0);
	assert_disk(&rig->a, 4, "a4 0 0 a7");
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, MPIO_BIO_PREFLUSH, 8, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, MPIO_BIO_FUA, 10, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "flush, discard 8+1, discard 10+1, flush");
	assert_disk(&rig->a, 7, "a7 0 a9 0 a11");
}

/* No disk has a flag for it in a discard. */
static void what_a_device_knows_of_writes_is_not_of_discards(void **state)
{
	struct rig *rig = *state;

	set_features(rig, MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD |
				  MPIO_DEVICE_FUA | MPIO_DEVICE_PREFLUSH);
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, BOTH, 5, 2);
	assert_trace(rig, "flush, discard 5+2, flush");
	set_features(rig, MPIO_DEVICE_DISCARD);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, BOTH, 5, 2);
	assert_trace(rig, "discard 5+2");
}

static void a_failed_preflush_fails_the_discard_undone(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	set_features(rig, MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD);
	fail_flush(rig, 1);
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_DISCARD, BOTH, 5, 2);
	assert_trace(rig, "flush");
	assert_int_equal(io->status, -MPIO_EIO);
	assert_disk(&rig->a, 5, "a5 a6");
}

static void a_failed_discard_is_not_flushed(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 5, 1, -MPIO_EIO);
	struct mock_io *io;

	fault->op = 1u << MPIO_BIO_DISCARD;
	set_features(rig, MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD);
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_DISCARD, MPIO_BIO_FUA, 5, 1);
	assert_trace(rig, "discard 5+1");
	assert_int_equal(io->status, -MPIO_EIO);
}

static void a_flush_and_a_read_have_no_stages(void **state)
{
	struct rig *rig = *state;

	set_features(rig, MPIO_DEVICE_FLUSH);
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, BOTH, 0, 0);
	start_io(rig, rig->queue, MPIO_BIO_READ, BOTH, 3, 1);
	assert_trace(rig, "flush, read 3+1");
}

/* ------------------------------------------------------------------------- */

static void bios_of_a_fua_write_can_be_used_again(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	set_features(rig, MPIO_DEVICE_FLUSH);
	rig_open(rig);
	for (uint64_t i = 0; i < 12; i++) {
		uint32_t flags = i % 2 ? MPIO_BIO_FUA : MPIO_BIO_PREFLUSH;

		start_io(rig, rig->queue, WRITE, i % 3 ? flags : 0, i, 1);
	}
	assert_disk(&rig->a, 0, "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 a12");
}

/* Though no bio is free for it. */
static void the_error_of_waiting_comes_first(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	for (uint32_t i = 0; i < 4; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 3 * i, 1);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_queue_flush(rig->queue), -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(flush_drains_and_then_flushes),
		RIG_TEST(flush_sends_what_is_plugged_before),
		RIG_TEST(a_failed_flush_is_told_and_not_tried_again),
		RIG_TEST(a_device_without_a_cache_is_not_flushed),
		RIG_TEST(flush_works_with_the_least_pool),
		RIG_TEST(a_flush_waits_for_what_was_submitted_before),
		RIG_TEST(a_preflush_waits_for_what_was_submitted_before),
		RIG_TEST(nothing_passes_a_flush_that_waits),
		RIG_TEST(a_read_behind_a_flush_is_sent_too),
		RIG_TEST(flushes_wait_for_each_other_in_their_order),
		RIG_TEST(behind_a_flush_that_was_cancelled_nobody_waits),
		RIG_TEST(what_is_behind_a_flush_may_be_cancelled),
		RIG_TEST(behind_a_flush_bios_go_as_there_is_room),
		RIG_TEST(pages_are_told_before_a_flush_passes),
		RIG_TEST(a_callback_that_flushes_sends_the_one_that_waits),
		RIG_TEST(flushes_wait_where_there_are_none),
		RIG_TEST(a_flush_does_not_wait_for_what_callbacks_submit),
		RIG_TEST(flushes_that_ends_submit_run_none_inside),
		RIG_TEST(nor_do_they_where_the_device_takes_its_time),
		RIG_TEST(a_device_that_knows_fua_and_preflush_gets_one_io),
		RIG_TEST(a_device_without_a_cache_gets_one_io),
		RIG_TEST(a_fua_write_is_flushed_behind),
		RIG_TEST(a_preflush_is_flushed_before),
		RIG_TEST(both_are_a_flush_before_and_one_behind),
		RIG_TEST(what_the_device_knows_is_left_to_it),
		RIG_TEST(scattered_memory_is_whole_after_a_preflush),
		RIG_TEST(a_failed_preflush_fails_the_write_unwritten),
		RIG_TEST(a_failed_flush_behind_fails_the_fua_write),
		RIG_TEST(a_failed_fua_write_is_not_flushed),
		RIG_TEST(a_short_fua_write_is_whole_before_it_is_flushed),
		RIG_TEST(a_discard_is_flushed_before_and_behind),
		RIG_TEST(what_a_device_knows_of_writes_is_not_of_discards),
		RIG_TEST(a_failed_preflush_fails_the_discard_undone),
		RIG_TEST(a_failed_discard_is_not_flushed),
		RIG_TEST(a_flush_and_a_read_have_no_stages),
		RIG_TEST(bios_of_a_fua_write_can_be_used_again),
		RIG_TEST(the_error_of_waiting_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

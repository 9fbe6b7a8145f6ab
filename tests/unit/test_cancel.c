/* SPDX-License-Identifier: MIT */
/*
 * Cancelling: a bio that is asked to end early ends exactly once, as ever, and
 * is not driven on. The rig counts the ends.
 */
#include "mock.h"

static void open_asynchronous(struct rig *rig)
{
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->watch = WATCH_IO | WATCH_END;
	rig_open(rig);
}

static void open_cancelling(struct rig *rig)
{
	mock_cancelling(&rig->a);
	open_asynchronous(rig);
}

static const struct mpio_stats *stats(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static void drain(struct rig *rig)
{
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

/* ---- Not sent yet ------------------------------------------------------ */

static void what_waits_in_a_plug_is_taken_out(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_asynchronous(rig);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 1);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 20, 1);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 30, 1);
	mpio_bio_cancel(io->bio);
	assert_trace(rig, "end_io 1:-125");
	mpio_queue_unplug(rig->queue);
	drain(rig);
	assert_trace(rig, "read 10+1, read 30+1, end_io 0, end_io 2");
	assert_disk(&rig->a, 20, "a20");
	assert_int_equal(stats(rig)->errors, 1);
	assert_int_equal(stats(rig)->writes, 0);
}

static void all_that_wait_in_a_plug_can_be_taken_out(void **state)
{
	struct rig *rig = *state;

	open_asynchronous(rig);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 5; i++)
		start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 10 * i, 1);
	for (uint32_t i = 0; i < 5; i++)
		mpio_bio_cancel(rig->ios[i * 3 % 5].bio);
	assert_trace(rig, "end_io 0:-125, end_io 3:-125, end_io 1:-125, "
			  "end_io 4:-125, end_io 2:-125");
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
}

static struct mock_io *start_odd(struct rig *rig, uint64_t block)
{
	struct mock_io *io =
		make_io(rig, rig->queue, MPIO_BIO_READ, 0, block, 2);

	io->memory[2 * BLOCK] = 0xa5;
	mpio_bio_reset(io->bio, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(io->bio, io->memory + 1, 2 * BLOCK), 0);
	submit_io(io);
	return io;
}

/* The slots are of a block, so these bios take two windows. */
static void open_bouncing(struct rig *rig, uint32_t slots)
{
	rig->a.device.limits.memory_alignment = BLOCK;
	rig->config.bounce_bytes = slots * BLOCK;
}

static void what_waits_for_a_slot_is_taken_out(void **state)
{
	struct rig *rig = *state;
	static const uint32_t order[] = {3, 1, 2};

	for (uint32_t i = 0; i < 3; i++) {
		open_bouncing(rig, 1);
		open_asynchronous(rig);
		for (uint32_t j = 0; j < 4; j++)
			start_odd(rig, 10 * j);
		/* The last, the first, one between. */
		mpio_bio_cancel(rig->ios[order[i]].bio);
		assert_int_equal(rig->ios[order[i]].status, -MPIO_ECANCELED);
		for (uint32_t j = 0; j < 4; j++)
			assert_int_equal(rig->ios[j].ends, j == order[i]);
		start_odd(rig, 50);
		drain(rig);
		for (uint32_t j = 0; j < 5; j++)
			assert_int_equal(rig->ios[j].ends, 1);
		mpio_queue_close(rig->queue);
		for (uint32_t j = 0; j < 5; j++)
			free(rig->ios[j].memory);
		rig->queue = NULL;
		rig->is_open = false;
		rig->io_count = 0;
	}
}

/* ---- The device's ------------------------------------------------------ */

static void a_device_that_can_is_asked(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_cancelling(rig);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 10, 1);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 20, 1);
	mpio_bio_cancel(io->bio);
	assert_trace(rig, "write 10+1, write 20+1, end_io 1:-125");
	drain(rig);
	assert_trace(rig, "end_io 0");
	assert_disk(&rig->a, 20, "a20");
	assert_int_equal(stats(rig)->in_flight, 0);
}

static void cancel_twice(struct mpio_bio *bio)
{
	struct rig *rig =
		((struct mock_device *)mpio_queue_device(bio->queue))->rig;

	start_io(rig, bio->queue, MPIO_BIO_READ, 0, 20, 1);
	mpio_queue_plug(bio->queue);
	start_io(rig, bio->queue, MPIO_BIO_READ, 0, 30, 1);
	mpio_bio_cancel(rig->ios[2].bio);
	mpio_bio_cancel(rig->ios[1].bio);
	assert_int_equal(rig->ios[1].ends + rig->ios[2].ends, 0);
	mpio_queue_unplug(bio->queue);
	rig->ios[0].ends++;
	mpio_bio_put(bio);
}

static void a_callback_may_cancel(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_cancelling(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 1);
	io->bio->end_io = cancel_twice;
	submit_io(io);
	drain(rig);
	assert_int_equal(rig->ios[1].status, -MPIO_ECANCELED);
	assert_int_equal(rig->ios[2].status, -MPIO_ECANCELED);
}

/* The mock would complain if it were asked for a bio that was not pushed. */
static void what_was_not_pushed_is_pushed_first(void **state)
{
	struct rig *rig = *state;

	open_cancelling(rig);
	mpio_queue_plug(rig->queue);
	/* A fua write empties the plug, which does not push. */
	start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_FUA, 10, 1);
	assert_int_equal(rig->a.pending_count, 1);
	mpio_bio_cancel(rig->ios[0].bio);
	assert_int_equal(rig->ios[0].status, -MPIO_ECANCELED);
	mpio_queue_unplug(rig->queue);
}

/* Pushing may end it. */
static void what_ends_when_it_is_pushed_is_not_asked_for(void **state)
{
	struct rig *rig = *state;

	rig->a.prompt = true;
	open_cancelling(rig);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_FUA, 10, 1);
	mpio_bio_cancel(rig->ios[0].bio);
	assert_trace(rig, "write 10+1, end_io 0");
	mpio_queue_unplug(rig->queue);
}

static void a_device_that_cannot_goes_on(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_asynchronous(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 2);
	mpio_bio_cancel(io->bio);
	assert_int_equal(io->ends, 0);
	drain(rig);
	assert_int_equal(io->status, 0);
	assert_data(io->memory, "a10 a11");
}

static void what_has_ended_is_left_alone(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *bio;

	mock_cancelling(&rig->a);
	rig->watch = WATCH_CALLS | WATCH_END;
	rig_open(rig);
	bio = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 1)->bio;
	assert_trace(rig, "end_io 0");
	mpio_bio_cancel(bio);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	mpio_bio_cancel(bio);
	mpio_bio_put(bio);
	assert_trace(rig, "");
	assert_int_equal(stats(rig)->errors, 0);
}

static struct mpio_bio *seen;

static void note_bio(void *ctx, const struct mpio_event *event)
{
	(void)ctx;
	if (event->type == MPIO_EVENT_CUT)
		seen = (struct mpio_bio *)(uintptr_t)event->bio;
}

static void bios_of_pages_are_the_librarys(void **state)
{
	struct rig *rig = *state;

	mock_cancelling(&rig->a);
	rig->config.event = note_bio;
	open_slow(rig, 4, 1);
	seen = NULL;
	assert_int_equal(read_all(rig, 0), 1);
	assert_non_null(seen);
	mpio_bio_cancel(seen);
	drain(rig);
	assert_status(rig, 0, 0);
	mpio_queue_plug(rig->queue);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	mpio_bio_cancel(seen);
	mpio_queue_unplug(rig->queue);
	drain(rig);
	assert_disk(&rig->a, 100, "f0 f1 f2 f3");
}

/* ---- No more tries ----------------------------------------------------- */

static void what_came_short_is_not_driven_on(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_fail(&rig->a, 10, 4, 0)->done = BLOCK;
	open_asynchronous(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 4);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_trace(rig, "read 10+4, end_io 0:-125");
	/* Cancelled between two tries, it is whole again as well. */
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 4);
	submit_io(io);
	rig->a.reap_max = 1;
	rig->a.slow = false;
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_trace(rig, "read 10+4, read 11+3, end_io 1:-125");
	assert_int_equal(io->bio->length, 4 * BLOCK);
	assert_int_equal(io->bio->vec_count, 1);
}

static void cancel_the_other(struct mpio_bio *bio)
{
	mpio_bio_cancel(bio->ctx);
	mpio_bio_put(bio);
}

/* The device has ended both when the first is finished. */
static void what_came_short_and_was_not_finished_is_not_driven_on(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_fail(&rig->a, 20, 4, 0)->done = BLOCK;
	open_cancelling(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 1);
	io->bio->end_io = cancel_the_other;
	assert_int_equal(mpio_bio_submit(io->bio), 0);
	io->bio->ctx = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 20, 4)->bio;
	drain(rig);
	assert_trace(rig, "read 10+1, read 20+4, end_io 1:-125");
}

static void what_failed_in_passing_is_not_tried_again(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_fail(&rig->a, 10, 4, -MPIO_EAGAIN);
	open_asynchronous(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 4);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_trace(rig, "read 10+4, end_io 0:-125");
}

static void another_error_stays_as_it_is(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_fail(&rig->a, 10, 4, -MPIO_ENOSPC);
	open_asynchronous(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 10, 4);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_int_equal(io->status, -MPIO_ENOSPC);
}

static void further_windows_of_a_bounce_are_not_sent(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_bouncing(rig, 1);
	open_asynchronous(rig);
	io = start_odd(rig, 10);
	start_odd(rig, 20);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_trace(rig, "read 10+1, read 20+1, end_io 0:-125, read 21+1, "
			  "end_io 1");
}

static void a_window_that_bounces_can_be_cancelled(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_bouncing(rig, 1);
	open_cancelling(rig);
	io = start_odd(rig, 10);
	start_odd(rig, 20);
	mpio_bio_cancel(io->bio);
	assert_trace(rig, "read 10+1, read 20+1, end_io 0:-125");
	assert_data(rig->ios[0].memory + 1, "? ?");
	drain(rig);
	assert_data(rig->ios[1].memory + 1, "a20 a21");
}

static void the_flush_behind_a_write_is_not_sent(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	open_asynchronous(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_FUA, 10, 1);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_trace(rig, "write 10+1, end_io 0:-125");
	assert_int_equal(io->bio->length, BLOCK);
	assert_int_equal(io->bio->op, MPIO_BIO_WRITE);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 20,
		      1);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_trace(rig, "flush, end_io 1:-125");
	assert_disk(&rig->a, 20, "a20");
	assert_int_equal(io->bio->length, BLOCK);
	assert_int_equal(io->bio->op, MPIO_BIO_WRITE);
}

/* The log's record failed: the one that commits it is not to be written. */
static struct mock_io *commit;

static void give_up_the_commit(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;

	io->ends++;
	mpio_bio_cancel(commit->bio);
	/* Nor is it its user's yet. */
	assert_int_equal(mpio_bio_submit(commit->bio), -MPIO_EINVAL);
	mpio_bio_put(bio);
}

static void what_waits_for_others_before_it_flushes_is_not_sent(void **state)
{
	const enum mpio_bio_op ops[] = {MPIO_BIO_FLUSH, MPIO_BIO_WRITE};
	struct rig *rig = *state;

	open_asynchronous(rig);
	for (uint32_t i = 0; i < 2; i++) {
		struct mock_io *io =
			make_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 10, 1);

		commit = make_io(rig, rig->queue, ops[i],
				 i ? MPIO_BIO_PREFLUSH | MPIO_BIO_FUA : 0, 20,
				 1);
		io->bio->end_io = give_up_the_commit;
		submit_io(io);
		submit_io(commit);
		drain(rig);
		assert_int_equal(io->ends, 1);
		assert_int_equal(commit->ends, 1);
		assert_int_equal(commit->status, -MPIO_ECANCELED);
		assert_trace(rig, i ? "write 10+1, end_io 3:-125"
				    : "write 10+1, end_io 1:-125");
	}
	assert_disk(&rig->a, 20, "a20");
}

static void keep(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;

	io->ends++;
	io->status = bio->status;
}

static void a_bio_forgets_that_it_was_cancelled(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 10, 2, 0);
	struct mock_io *io;

	fault->done = BLOCK;
	open_asynchronous(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 2);
	io->bio->end_io = keep;
	for (uint32_t i = 0; i < 3; i++) {
		fault->is_over = i == 1;
		fault->times = 1;
		assert_int_equal(mpio_bio_submit(io->bio), 0);
		if (i < 2)
			mpio_bio_cancel(io->bio);
		drain(rig);
		assert_int_equal(io->status, i == 0 ? -MPIO_ECANCELED : 0);
		assert_int_equal(io->ends, i + 1);
	}
	assert_data(io->memory, "a10 a11");
	io->ends = 0;
	mpio_bio_put(io->bio);
}

/* Though it was to be tried again as it was. */
static void and_is_as_whole_as_before(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_fail(&rig->a, 10, 2, -MPIO_EAGAIN)->times = 1;
	open_asynchronous(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 2);
	io->bio->end_io = keep;
	assert_int_equal(mpio_bio_submit(io->bio), 0);
	mpio_bio_cancel(io->bio);
	drain(rig);
	assert_int_equal(io->status, -MPIO_ECANCELED);
	assert_int_equal(mpio_bio_submit(io->bio), 0);
	drain(rig);
	assert_int_equal(io->status, 0);
	assert_data(io->memory, "a10 a11");
	io->ends = 0;
	mpio_bio_put(io->bio);
}

/* What is cancelled before it is submitted is not cancelled, come what may. */
static void a_bio_that_is_not_submitted_is_left_alone(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;
	struct mock_io *io;

	rig_open(rig);
	fault = mock_fail(&rig->a, 100, 4, 0);
	fault->done = BLOCK;
	fault->times = 1;
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 4);
	mpio_bio_cancel(io->bio);
	submit_io(io);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(io->status, 0);
	assert_data(io->memory, "a100 a101 a102 a103");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_waits_in_a_plug_is_taken_out),
		RIG_TEST(all_that_wait_in_a_plug_can_be_taken_out),
		RIG_TEST(what_waits_for_a_slot_is_taken_out),
		RIG_TEST(a_device_that_can_is_asked),
		RIG_TEST(a_callback_may_cancel),
		RIG_TEST(what_was_not_pushed_is_pushed_first),
		RIG_TEST(what_ends_when_it_is_pushed_is_not_asked_for),
		RIG_TEST(a_device_that_cannot_goes_on),
		RIG_TEST(what_has_ended_is_left_alone),
		RIG_TEST(bios_of_pages_are_the_librarys),
		RIG_TEST(what_came_short_is_not_driven_on),
		RIG_TEST(what_came_short_and_was_not_finished_is_not_driven_on),
		RIG_TEST(what_failed_in_passing_is_not_tried_again),
		RIG_TEST(another_error_stays_as_it_is),
		RIG_TEST(further_windows_of_a_bounce_are_not_sent),
		RIG_TEST(a_window_that_bounces_can_be_cancelled),
		RIG_TEST(the_flush_behind_a_write_is_not_sent),
		RIG_TEST(what_waits_for_others_before_it_flushes_is_not_sent),
		RIG_TEST(a_bio_forgets_that_it_was_cancelled),
		RIG_TEST(a_bio_that_is_not_submitted_is_left_alone),
		RIG_TEST(and_is_as_whole_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

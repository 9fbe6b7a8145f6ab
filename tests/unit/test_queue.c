/* SPDX-License-Identifier: MIT */
/*
 * Queue: bios on their way, one queue or a group: sending and refusals, how
 * many are in flight, poll, wait and drain.
 */
#include "mock.h"

static void open_asynchronous(struct rig *rig)
{
	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig_open(rig);
}

static struct mock_io *start_read(struct rig *rig, uint64_t block)
{
	return start_io(rig, rig->queue, MPIO_BIO_READ, 0, block, 1);
}

static struct mock_io *start_other(struct rig *rig, uint64_t block)
{
	return start_io(rig, rig->other, MPIO_BIO_READ, 0, block, 1);
}

static uint32_t ended(const struct rig *rig)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rig->io_count; i++)
		n += rig->ios[i].ends;
	return n;
}

/* ---- Poll, wait, drain -------------------------------------------------- */

static void an_idle_queue_has_nothing_to_end(void **state)
{
	struct rig *rig = *state;

	open_asynchronous(rig);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void a_device_that_works_at_once_leaves_nothing_to_end(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	start_read(rig, 1);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void poll_ends_what_is_finished(void **state)
{
	struct rig *rig = *state;

	rig->a.reap_max = 2;
	open_asynchronous(rig);
	for (uint32_t i = 0; i < 5; i++)
		start_read(rig, i);
	assert_int_equal(ended(rig), 0);
	assert_int_equal(mpio_queue_poll(rig->queue), 2);
	assert_int_equal(ended(rig), 2);
	assert_int_equal(mpio_queue_poll(rig->queue), 2);
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_int_equal(ended(rig), 5);
}

static void poll_does_not_wait(void **state)
{
	struct rig *rig = *state;

	rig->a.slow = true;
	rig->watch = WATCH_IO | WATCH_CALLS;
	open_asynchronous(rig);
	start_read(rig, 3);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_int_equal(ended(rig), 0);
	assert_trace(rig, "read 3+1, commit, reap");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "wait");
}

static void wait_ends_at_least_one(void **state)
{
	struct rig *rig = *state;

	rig->a.slow = true;
	rig->a.reap_max = 1;
	open_asynchronous(rig);
	for (uint32_t i = 0; i < 3; i++)
		start_read(rig, i);
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(mpio_queue_wait(rig->queue), 1);
		assert_int_equal(ended(rig), i);
	}
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
}

static void wait_is_not_content_with_a_bio_that_was_sent_again(void **state)
{
	struct rig *rig = *state;

	rig->a.slow = true;
	mock_fail(&rig->a, 1, 1, -MPIO_EAGAIN)->times = 2;
	open_asynchronous(rig);
	start_read(rig, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(ended(rig), 1);
	assert_trace(rig, "read 1+1, read 1+1, read 1+1");
}

static void drain_ends_all(void **state)
{
	struct rig *rig = *state;

	rig->a.slow = true;
	rig->a.reap_max = 2;
	rig->a.lifo = true;
	open_asynchronous(rig);
	for (uint32_t i = 0; i < 9; i++)
		start_read(rig, i);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 9);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
}

static void bios_may_end_in_any_order(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_END;
	rig->a.lifo = true;
	open_asynchronous(rig);
	for (uint32_t i = 0; i < 4; i++)
		start_read(rig, 10 + i);
	assert_int_equal(mpio_queue_poll(rig->queue), 4);
	assert_trace(rig, "end_io 3, end_io 2, end_io 1, end_io 0");
	assert_data(rig->ios[2].memory, "a12");
}

static void an_error_of_the_device_is_told(void **state)
{
	struct rig *rig = *state;

	open_asynchronous(rig);
	start_read(rig, 1);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_queue_poll(rig->queue), -MPIO_EREMOTEIO);
	assert_int_equal(mpio_queue_wait(rig->queue), -MPIO_EREMOTEIO);
	assert_int_equal(mpio_queue_drain(rig->queue), -MPIO_EREMOTEIO);
	assert_int_equal(mpio_queue_flush(rig->queue), -MPIO_EREMOTEIO);
	assert_int_equal(ended(rig), 0);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 1);
}

static void waiting_sends_what_is_plugged(void **state)
{
	struct rig *rig = *state;

	open_asynchronous(rig);
	mpio_queue_plug(rig->queue);
	start_read(rig, 1);
	assert_trace(rig, "");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "read 1+1");
	start_read(rig, 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 2+1");
	mpio_queue_unplug(rig->queue);
	assert_int_equal(ended(rig), 2);
}

static void the_descriptor_is_the_devices(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.fd = 17;
	rig->two = true;
	rig_open(rig);
	assert_int_equal(mpio_queue_event_fd(rig->queue), 17);
	assert_int_equal(mpio_queue_event_fd(rig->other), -1);
}

static void a_device_that_fails_hides_no_end_on_another(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->two = true;
	rig_open(rig);
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 5, 1);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_int_equal(mpio_queue_poll(rig->queue), -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
}

static void ignore_event(void *ctx, const struct mpio_event *event)
{
	(void)ctx;
	(void)event;
}

/* Also by a queue that has more to care for. */
static void each_kind_of_bio_is_counted(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	rig->config.event = ignore_event;
	rig_open(rig);
	stats = mpio_queue_stats(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 5, 2);
	assert_int_equal(stats->writes, 1);
	assert_int_equal(stats->bytes_written, 2 * BLOCK);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 5, 3);
	assert_int_equal(stats->reads, 1);
	assert_int_equal(stats->bytes_read, 3 * BLOCK);
	assert_int_equal(stats->flushes, 0);
	assert_int_equal(stats->discards, 0);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_FUA, 9, 1);
	assert_int_equal(stats->writes, 2);
	assert_int_equal(stats->bytes_written, 3 * BLOCK);
	assert_int_equal(stats->flushes, 0);
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_int_equal(stats->flushes, 1);
	assert_int_equal(stats->writes, 2);
	assert_int_equal(stats->discards, 0);
}

/* ---- In flight ---------------------------------------------------------- */

static void no_more_bios_are_in_flight_than_may_be(void **state)
{
	struct rig *rig = *state;

	rig->config.in_flight_max = 3;
	rig->a.reap_max = 1;
	rig->a.slow = true;
	open_asynchronous(rig);
	for (uint32_t i = 0; i < 20; i++) {
		start_read(rig, i);
		assert_in_range(rig->a.pending_count, 1, 3);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 3);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 3);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 20);
}

static void one_in_flight_is_enough_for_pages(void **state)
{
	struct rig *rig = *state;

	rig->config.in_flight_max = 1;
	rig->a.slow = true;
	mock_asynchronous(&rig->a);
	rig_open(rig);
	add_pages(rig, 0, 4, 4);
	for (uint32_t i = 0; i < 16; i++)
		map_blocks(rig, i, 1, 100 + 2 * i);
	assert_int_equal(read_all(rig, 0), 4);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 1);
	assert_page(rig, 3, "a124 a126 a128 a130");
}

/* ---- How it is sent ----------------------------------------------------- */

/* Four of the eight blocks that a walk asks for are in flight at once. */
static void open_for_a_walk(struct rig *rig)
{
	rig->config.in_flight_max = 4;
	rig->watch = WATCH_IO | WATCH_CALLS;
	mock_asynchronous(&rig->a);
	rig_open(rig);
	add_pages(rig, 0, 1, 8);
	for (uint32_t i = 0; i < 8; i++)
		map_blocks(rig, i, 1, 10 + 2 * i);
}

static void what_a_walk_asks_for_is_sent_as_many_at_once_as_may_be(void **state)
{
	struct rig *rig = *state;

	open_for_a_walk(rig);
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "read 10+1, read 12+1, read 14+1, read 16+1, "
			  "commit, wait, "
			  "read 18+1, read 20+1, read 22+1, read 24+1, commit");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void a_device_whose_reap_sends_is_told_once(void **state)
{
	struct rig *rig = *state;

	rig->a.device.ops.reap_sends = 1;
	open_for_a_walk(rig);
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "read 10+1, read 12+1, read 14+1, read 16+1, wait, "
			  "read 18+1, read 20+1, read 22+1, read 24+1, commit");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "wait");
	mpio_queue_plug(rig->queue);
	start_read(rig, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_trace(rig, "read 1+1, wait");
	mpio_queue_unplug(rig->queue);
}

/* ---- Refusals ----------------------------------------------------------- */

static void a_refused_bio_is_tried_again(void **state)
{
	static const int refusals[] = {-MPIO_EAGAIN, -MPIO_EINTR};
	struct rig *rig = *state;

	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		rig->a.refuse = 3;
		rig->a.refusal = refusals[i];
		assert_int_equal(start_read(rig, 1)->status, 0);
		assert_int_equal(rig->a.refuse, 0);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->retries, 6);
	assert_int_equal(mpio_queue_stats(rig->queue)->submits, 8);
	assert_int_equal(mpio_queue_stats(rig->queue)->reads, 2);
}

static void before_it_is_tried_again_the_device_may_finish_others(void **state)
{
	struct rig *rig = *state;

	open_asynchronous(rig);
	start_read(rig, 1);
	start_read(rig, 2);
	rig->watch = WATCH_IO | WATCH_CALLS;
	rig->trace[0] = '\0';
	rig->a.refuse = 1;
	rig->a.refusal = -MPIO_EAGAIN;
	start_read(rig, 3);
	assert_trace(rig, "refuse, commit, wait, read 3+1, commit");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 3);
}

static void a_device_that_refuses_for_ever_is_given_up_on(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	rig->a.refuse = UINT32_MAX;
	rig->a.refusal = -MPIO_EAGAIN;
	assert_int_equal(start_read(rig, 1)->status, -MPIO_EAGAIN);
	assert_in_range(UINT32_MAX - rig->a.refuse, 2, 10000);
}

static void another_refusal_is_the_bios_error(void **state)
{
	struct rig *rig = *state;

	open_asynchronous(rig);
	rig->a.refuse = 1;
	rig->a.refusal = -MPIO_ENXIO;
	assert_int_equal(start_read(rig, 1)->status, -MPIO_ENXIO);
	assert_int_equal(mpio_queue_stats(rig->queue)->retries, 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
}

static void what_a_device_cannot_do_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.limits.features = MPIO_DEVICE_READONLY;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 1, 1);
	assert_int_equal(io->status, -MPIO_EROFS);
	io = start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 1, 1);
	assert_true(io->status == -MPIO_EROFS ||
		    io->status == -MPIO_EOPNOTSUPP);
	assert_int_equal(start_read(rig, 1)->status, 0);
	assert_trace(rig, "read 1+1");
	assert_disk(&rig->a, 1, "a1");
}

static void a_discard_goes_to_a_device_that_knows_it(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.limits.features = MPIO_DEVICE_DISCARD;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 1, 2);
	assert_int_equal(io->status, 0);
	assert_trace(rig, "discard 1+2");
	assert_disk(&rig->a, 0, "a0 0 0 a3");
}

static void a_discard_on_another_device_is_told(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.limits.features = 0;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 1, 2);
	assert_int_equal(io->status, -MPIO_EOPNOTSUPP);
	assert_trace(rig, "");
}

/* ---- Callbacks that go on ----------------------------------------------- */

struct follow {
	struct rig *rig;
	struct mpio_queue *queue; /* for the next */
	uint32_t left;
	uint32_t ends;
	bool waits; /* for what it starts */
	unsigned char memory[512];
};

static void start_follower(struct follow *follow);

static void follow_end(struct mpio_bio *bio)
{
	struct follow *follow = bio->ctx;

	follow->ends++;
	mpio_bio_put(bio);
	if (follow->left == 0)
		return;
	follow->left--;
	start_follower(follow);
	if (follow->waits)
		assert_true(mpio_queue_wait(follow->queue) > 0);
}

static void start_follower(struct follow *follow)
{
	struct mpio_bio *bio = mpio_bio_get(follow->queue, MPIO_BIO_READ, 0);

	assert_non_null(bio);
	bio->end_io = follow_end;
	bio->ctx = follow;
	assert_int_equal(mpio_bio_add(bio, follow->memory, 512), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void drain_ends_what_callbacks_started(void **state)
{
	struct rig *rig = *state;
	struct follow follow = {.rig = rig, .left = 9};

	open_asynchronous(rig);
	follow.queue = rig->queue;
	start_follower(&follow);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(follow.ends, 10);
	assert_int_equal(rig->a.pending_count, 0);
}

static void a_callback_may_wait(void **state)
{
	struct rig *rig = *state;
	struct follow follow = {.rig = rig, .left = 4, .waits = true};

	rig->a.slow = true;
	open_asynchronous(rig);
	follow.queue = rig->queue;
	start_follower(&follow);
	start_read(rig, 1);
	start_read(rig, 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(follow.ends, 5);
	assert_int_equal(ended(rig), 2);
}

/* ---- Groups ------------------------------------------------------------- */

static void a_group_is_polled_together(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	open_asynchronous(rig);
	start_read(rig, 1);
	start_other(rig, 2);
	assert_int_equal(mpio_queue_poll(rig->queue), 2);
	start_read(rig, 1);
	assert_int_equal(mpio_queue_poll(rig->other), 1);
	assert_int_equal(ended(rig), 3);
}

static void waiting_on_an_idle_queue_waits_for_its_group(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->b.slow = true;
	open_asynchronous(rig);
	start_other(rig, 2);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(ended(rig), 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
}

static void waiting_prefers_the_queue_itself(void **state)
{
	struct rig *rig = *state;
	struct mock_io *mine;

	rig->two = true;
	rig->a.slow = rig->b.slow = true;
	open_asynchronous(rig);
	start_other(rig, 2);
	mine = start_read(rig, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(mine->ends, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
}

static void a_group_is_drained_together(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->a.slow = rig->b.slow = true;
	open_asynchronous(rig);
	start_read(rig, 1);
	start_other(rig, 2);
	mpio_queue_plug(rig->other);
	start_other(rig, 3);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 3);
	mpio_queue_unplug(rig->other);
}

static void drain_ends_what_one_queue_started_on_the_other(void **state)
{
	struct rig *rig = *state;
	static struct follow follow;

	follow = (struct follow){.rig = rig, .left = 1};
	rig->two = true;
	open_asynchronous(rig);
	/* The first is on the second queue; what follows, on the first. */
	follow.queue = rig->other;
	start_follower(&follow);
	follow.queue = rig->queue;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(follow.ends, 2);
	assert_int_equal(rig->a.pending_count, 0);
	assert_int_equal(rig->b.pending_count, 0);
}

static void queues_that_are_no_group_leave_each_other_alone(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *alone;

	open_asynchronous(rig);
	rig->is_open = false;
	assert_int_equal(mpio_queue_open(&rig->b.device, &rig->config, &alone),
			 0);
	start_io(rig, alone, MPIO_BIO_READ, 0, 1, 1);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 0);
	mpio_queue_close(alone);
	assert_int_equal(ended(rig), 1);
}

/* It was promised no more than that, and the caller returns. */
static void a_device_that_cannot_say_gets_no_more(void **state)
{
	struct rig *rig = *state;

	rig->config.in_flight_max = 1;
	open_asynchronous(rig);
	start_read(rig, 1);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	start_read(rig, 2);
	assert_trace(rig, "read 1+1");
	assert_int_equal(ended(rig), 1);
	assert_int_equal(rig->ios[1].status, -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ended(rig), 2);
}

/* All that ends as it is pushed is finished, and what that starts, too. */
static void nothing_that_has_ended_is_left_over(void **state)
{
	struct rig *rig = *state;
	struct follow follow = {.rig = rig, .left = 9};

	rig->a.prompt = true;
	open_asynchronous(rig);
	follow.queue = rig->queue;
	start_follower(&follow);
	assert_int_equal(follow.ends, 10);
}

static void read_another(struct mpio_bio *bio)
{
	struct rig *rig = bio->ctx;

	mpio_bio_put(bio);
	start_read(rig, 30);
}

/* They end as the discard has to wait for them. */
static void what_others_start_as_they_end_is_pushed_with_a_discard(void **state)
{
	static unsigned char memory[BLOCK];
	struct rig *rig = *state;
	struct mpio_bio *bio;

	rig->config.in_flight_max = 2;
	rig->watch = WATCH_IO | WATCH_CALLS;
	open_asynchronous(rig);
	rig->trace[0] = '\0';
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_non_null(bio);
	bio->offset = 10 * BLOCK;
	bio->end_io = read_another;
	bio->ctx = rig;
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	start_read(rig, 20);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 40, 1);
	assert_trace(rig, "read 10+1, commit, read 20+1, commit, wait, "
			  "discard 40+1, read 30+1, commit");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(an_idle_queue_has_nothing_to_end),
		RIG_TEST(a_device_that_works_at_once_leaves_nothing_to_end),
		RIG_TEST(poll_ends_what_is_finished),
		RIG_TEST(poll_does_not_wait),
		RIG_TEST(wait_ends_at_least_one),
		RIG_TEST(wait_is_not_content_with_a_bio_that_was_sent_again),
		RIG_TEST(drain_ends_all),
		RIG_TEST(bios_may_end_in_any_order),
		RIG_TEST(an_error_of_the_device_is_told),
		RIG_TEST(waiting_sends_what_is_plugged),
		RIG_TEST(the_descriptor_is_the_devices),
		RIG_TEST(a_device_that_fails_hides_no_end_on_another),
		RIG_TEST(each_kind_of_bio_is_counted),
		RIG_TEST(no_more_bios_are_in_flight_than_may_be),
		RIG_TEST(one_in_flight_is_enough_for_pages),
		RIG_TEST(
			what_a_walk_asks_for_is_sent_as_many_at_once_as_may_be),
		RIG_TEST(a_device_whose_reap_sends_is_told_once),
		RIG_TEST(a_refused_bio_is_tried_again),
		RIG_TEST(before_it_is_tried_again_the_device_may_finish_others),
		RIG_TEST(a_device_that_refuses_for_ever_is_given_up_on),
		RIG_TEST(another_refusal_is_the_bios_error),
		RIG_TEST(what_a_device_cannot_do_is_refused),
		RIG_TEST(a_discard_goes_to_a_device_that_knows_it),
		RIG_TEST(a_discard_on_another_device_is_told),
		RIG_TEST(drain_ends_what_callbacks_started),
		RIG_TEST(a_callback_may_wait),
		RIG_TEST(a_group_is_polled_together),
		RIG_TEST(waiting_on_an_idle_queue_waits_for_its_group),
		RIG_TEST(waiting_prefers_the_queue_itself),
		RIG_TEST(a_group_is_drained_together),
		RIG_TEST(drain_ends_what_one_queue_started_on_the_other),
		RIG_TEST(queues_that_are_no_group_leave_each_other_alone),
		RIG_TEST(a_device_that_cannot_say_gets_no_more),
		RIG_TEST(nothing_that_has_ended_is_left_over),
		RIG_TEST(
			what_others_start_as_they_end_is_pushed_with_a_discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Devices that do not keep to their contract, and bios that no device can do.
 */
#include "mock.h"

/* ---- Devices ------------------------------------------------------------ */

static struct mpio_bio *kept;

/* It is taken, and there is no way to hear of its end. */
static int keep(struct mpio_device *device, void *channel, struct mpio_bio *bio)
{
	(void)device;
	(void)channel;
	kept = bio;
	return 0;
}

static void what_no_reap_can_end_is_not_waited_for(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.ops.submit = keep;
	rig_open(rig);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 1);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_int_equal(mpio_queue_wait(rig->queue), -MPIO_EIO);
	assert_int_equal(mpio_queue_drain(rig->queue), -MPIO_EIO);
	assert_int_equal(io->ends, 0);
	mpio_bio_end(kept, 0);
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_int_equal(io->ends, 1);
}

static int refusal;

/* It ends, and is refused as well. */
static int end_and_refuse(struct mpio_device *device, void *channel,
			  struct mpio_bio *bio)
{
	(void)device;
	(void)channel;
	mpio_bio_end(bio, -MPIO_ENODATA);
	return refusal;
}

static void what_has_ended_is_not_offered_again(void **state)
{
	struct rig *rig = *state;
	static const int refusals[] = {-MPIO_EAGAIN, -MPIO_EINTR, -MPIO_EIO};

	rig->a.device.ops.submit = end_and_refuse;
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		struct mock_io *io;

		refusal = refusals[i];
		io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 1);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
		assert_int_equal(io->ends, 1);
		assert_int_equal(io->status, -MPIO_ENODATA);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
}

static void a_look_that_is_interrupted_has_seen_nothing(void **state)
{
	static const int errors[] = {-MPIO_EINTR, -MPIO_EAGAIN};
	struct rig *rig = *state;
	const struct mock_io *io;

	mock_asynchronous(&rig->a);
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 1);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		rig->a.reap_error = errors[i];
		assert_int_equal(mpio_queue_poll(rig->queue), 0);
	}
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_queue_poll(rig->queue), -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_int_equal(io->ends, 1);
}

static int (*reap_at_last)(struct mpio_device *, void *, int);
static uint32_t interruptions;

static int interrupt(struct mpio_device *device, void *channel, int wait)
{
	if (interruptions == 0)
		return reap_at_last(device, channel, wait);
	interruptions--;
	return -MPIO_EINTR;
}

static void who_is_interrupted_waits_on_for_room(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->config.in_flight_max = 1;
	reap_at_last = rig->a.device.ops.reap;
	interruptions = 3;
	rig->a.device.ops.reap = interrupt;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 1);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 101, 1);
	assert_int_equal(interruptions, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->ios[0].status, 0);
	assert_int_equal(rig->ios[1].status, 0);
}

static int waited;

static void start_another(struct mpio_bio *bio)
{
	struct rig *rig = bio->ctx;

	mpio_bio_put(bio);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 101, 1);
	waited = mpio_queue_wait(rig->queue);
}

/* What a callback starts is sent when it waits, and may end by that alone. */
static void what_ends_as_it_is_sent_is_not_waited_for(void **state)
{
	static unsigned char memory[BLOCK];
	struct rig *rig = *state;
	struct mpio_bio *bio;

	mock_asynchronous(&rig->a);
	rig->a.prompt = true;
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	bio->end_io = start_another;
	bio->ctx = rig;
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_true(waited >= 0);
	assert_int_equal(rig->ios[0].ends, 1);
}

/* Errors that no errno is, as a device may make them up. */
static void an_error_that_is_none_is_eio(void **state)
{
	static const int errors[] = {-4096, INT32_MIN, 1, INT32_MAX};
	struct rig *rig = *state;

	rig->a.device.ops.submit = keep;
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		const struct mock_io *io =
			start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);

		mpio_bio_end(kept, errors[i]);
		assert_int_equal(mpio_queue_poll(rig->queue), 1);
		assert_int_equal(io->status, -MPIO_EIO);
	}
}

static void a_queue_needs_a_device_that_takes_bios(void **state)
{
	struct rig *rig = *state;
	struct mpio_device device = rig->a.device;
	struct mpio_queue *queue = NULL;

	assert_int_equal(mpio_queue_open(&device, NULL, &queue), -MPIO_EINVAL);
	device.ops.submit = NULL;
	assert_int_equal(mpio_queue_open(&device, &rig->config, &queue),
			 -MPIO_EINVAL);
	assert_null(queue);
}

/* ---- Bios --------------------------------------------------------------- */

static void what_no_device_can_be_asked_is_refused(void **state)
{
	static unsigned char memory[BLOCK];
	struct rig *rig = *state;
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	bio->op = MPIO_BIO_DISCARD + 1;
	assert_int_equal(mpio_bio_submit(bio), -MPIO_EINVAL);
	bio->op = MPIO_BIO_DISCARD; /* of memory */
	assert_int_equal(mpio_bio_submit(bio), -MPIO_EINVAL);
	bio->op = MPIO_BIO_FLUSH; /* of some bytes */
	assert_int_equal(mpio_bio_submit(bio), -MPIO_EINVAL);
	mpio_bio_put(bio);
	assert_trace(rig, "");
}

static void a_discard_is_all_or_nothing(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	rig_open(rig);
	fault = mock_fail(&rig->a, 100, 4, 0);
	fault->op = 1u << MPIO_BIO_DISCARD;
	fault->done = BLOCK; /* of four */
	assert_int_equal(
		start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 100, 4)->status,
		-MPIO_EIO);
	fault->status = -MPIO_EOPNOTSUPP;
	assert_int_equal(
		start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 100, 4)->status,
		-MPIO_EOPNOTSUPP);
}

static void a_write_behind_a_flush_is_refused_as_any_other(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.features |= MPIO_DEVICE_READONLY;
	rig_open(rig);
	assert_int_equal(start_io(rig, rig->queue, MPIO_BIO_WRITE,
				  MPIO_BIO_PREFLUSH, 100, 1)
				 ->status,
			 -MPIO_EROFS);
	assert_trace(rig, "");
}

static void a_flush_waits_for_what_the_device_fails_to_end(void **state)
{
	struct rig *rig = *state;
	const struct mock_io *write;
	const struct mock_io *flush;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	write = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 100, 1);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	flush = start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	assert_int_equal(mpio_queue_wait(rig->queue), -MPIO_EREMOTEIO);
	assert_int_equal(mpio_queue_drain(rig->queue), -MPIO_EREMOTEIO);
	assert_int_equal(flush->ends, 0);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(write->status, 0);
	assert_int_equal(flush->ends, 1);
	assert_int_equal(flush->status, 0);
	assert_trace(rig, "write 100+1, flush");
}

static void there_are_not_too_many_bios(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = UINT32_MAX;
	assert_int_equal(mpio_queue_size(&rig->a.device, &rig->config), 0);
	rig->config.bios = 1;
	assert_int_equal(mpio_queue_size(&rig->a.device, &rig->config), 0);
}

/* The test has all bios of a queue. */
static struct mpio_bio *bios[8];
static size_t bio_count;

static void hold_all(struct rig *rig)
{
	struct mpio_bio *bio;

	bio_count = 0;
	while ((bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0)) != NULL) {
		assert_in_range(bio_count, 0, COUNT_OF(bios) - 1);
		bios[bio_count++] = bio;
	}
}

static void let_go(void)
{
	while (bio_count > 0)
		mpio_bio_put(bios[--bio_count]);
}

static void a_flush_needs_a_bio(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	rig_open(rig);
	hold_all(rig);
	assert_int_equal(mpio_queue_flush(rig->queue), -MPIO_ENOMEM);
	assert_trace(rig, "");
	let_go();
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
	assert_trace(rig, "flush");
}

static void a_flush_that_cannot_be_waited_for_ends_some_time(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->config.bios = 2;
	rig->watch = 0;
	rig_open(rig);
	/* And gives its bio back, of which there are four. */
	for (int i = 0; i < 8; i++) {
		rig->a.reap_error = -MPIO_EREMOTEIO;
		assert_int_equal(mpio_queue_flush(rig->queue), -MPIO_EREMOTEIO);
		assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 1);
		rig->a.reap_error = 0;
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
	}
	assert_int_equal(mpio_queue_flush(rig->queue), 0);
}

static void pages_that_no_bio_writes_stay_dirty(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	hold_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOMEM);
	assert_trace(rig, "");
	assert_flags(rig, 0, "uptodate dirty error");
	let_go();
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+8");
}

/* A bio that is full is moved to a large one, for which may be waited. */
static void a_device_that_cannot_say_leaves_bios_small(void **state)
{
	struct rig *rig = *state;
	struct mpio_writeback_control wbc = {.nr_to_write = MPIO_WRITE_ALL};

	rig->config.bios = 2;
	rig->watch = WATCH_IO;
	open_slow(rig, 1, 24);
	rig->trace[0] = '\0';
	hold_all(rig);
	mpio_bio_put(bios[--bio_count]);
	mpio_bio_put(bios[--bio_count]);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	dirty_all(rig);
	assert_int_equal(mpio_writepages(rig->queue, &rig->mapping, &wbc),
			 -MPIO_ENOMEM);
	assert_trace(rig, "write 100+8, write 108+8");
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 0, "uptodate");
	assert_flags(rig, 16, "uptodate dirty error");
	let_go();
	assert_int_equal(sync_all(rig), -MPIO_ENOMEM); /* nobody was told yet */
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 116, "f16 f17 f18 f19 f20 f21 f22 f23");
}

/* A flush before it would wait for the read. */
static void what_is_refused_waits_for_nothing(void **state)
{
	struct rig *rig = *state;
	const struct mock_io *read;

	rig->a.device.limits.features |= MPIO_DEVICE_READONLY;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	read = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 5, 1);
	assert_int_equal(start_io(rig, rig->queue, MPIO_BIO_WRITE,
				  MPIO_BIO_PREFLUSH, 100, 1)
				 ->status,
			 -MPIO_EROFS);
	assert_int_equal(read->ends, 0);
	assert_trace(rig, "read 5+1");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(read->ends, 1);
}

static int (*reap_once)(struct mpio_device *, void *, int);

/* It looks, and says what went wrong. */
static int reap_and_fail(struct mpio_device *device, void *channel, int wait)
{
	if (reap_once != NULL)
		(void)reap_once(device, channel, wait);
	reap_once = NULL;
	return -MPIO_EREMOTEIO;
}

static void what_ended_in_a_look_that_failed_is_finished(void **state)
{
	int (*const looks[])(struct mpio_queue *) = {mpio_queue_poll,
						     mpio_queue_wait};
	int (*reap)(struct mpio_device *, void *, int);
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	reap = rig->a.device.ops.reap;
	rig->a.device.ops.reap = reap_and_fail;
	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(looks); i++) {
		reap_once = reap;
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 1);
		assert_int_equal(looks[i](rig->queue), 1);
		assert_int_equal(rig->ios[i].ends, 1);
		assert_int_equal(mpio_queue_poll(rig->queue), -MPIO_EREMOTEIO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_no_reap_can_end_is_not_waited_for),
		RIG_TEST(what_has_ended_is_not_offered_again),
		RIG_TEST(a_look_that_is_interrupted_has_seen_nothing),
		RIG_TEST(what_ends_as_it_is_sent_is_not_waited_for),
		RIG_TEST(an_error_that_is_none_is_eio),
		RIG_TEST(a_queue_needs_a_device_that_takes_bios),
		RIG_TEST(what_no_device_can_be_asked_is_refused),
		RIG_TEST(a_discard_is_all_or_nothing),
		RIG_TEST(a_write_behind_a_flush_is_refused_as_any_other),
		RIG_TEST(a_flush_waits_for_what_the_device_fails_to_end),
		RIG_TEST(there_are_not_too_many_bios),
		RIG_TEST(a_flush_needs_a_bio),
		RIG_TEST(a_flush_that_cannot_be_waited_for_ends_some_time),
		RIG_TEST(pages_that_no_bio_writes_stay_dirty),
		RIG_TEST(a_device_that_cannot_say_leaves_bios_small),
		RIG_TEST(what_is_refused_waits_for_nothing),
		RIG_TEST(what_ended_in_a_look_that_failed_is_finished),
		RIG_TEST(who_is_interrupted_waits_on_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

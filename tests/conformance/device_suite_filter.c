/* SPDX-License-Identifier: MIT */
/*
 * A filter that hands everything down, and a test that puts it over the device
 * to watch what goes past: bios end inside submit, commit, reap or cancel of
 * their own channel and nowhere else, reap says how many, one that is to wait
 * does, and no bio is changed. What the library promises is looked at as well.
 *
 * How a bio looks when it ends is seen by the queue's event hook, which comes
 * before anything is done about it.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct channel {
	void *lower;
	struct mpio_queue *queue; /* NULL: not known yet */
	uint32_t in_flight;       /* when the device was last left */
	bool refused;             /* the last submit was */
	bool uncommitted;
};

static struct ds_filter *filter_of(struct mpio_device *device)
{
	return (struct ds_filter *)device;
}

static uint32_t in_flight(const struct channel *channel)
{
	return mpio_queue_stats(channel->queue)->in_flight;
}

/* ---- Watching ------------------------------------------------------------ */

/* The device is entered: nothing has ended since it was left. */
static void enter(struct ds_filter *filter, struct channel *channel,
		  uint32_t offered)
{
	uint32_t wanted = channel->in_flight + offered;

	if (filter->run == NULL || channel->queue == NULL)
		return;
	if (channel->refused && in_flight(channel) + 1 == wanted)
		wanted--; /* the library has ended it */
	channel->refused = false;
	ds_expect(filter->run, in_flight(channel) == wanted,
		  "%" PRIu32 " in flight, %" PRIu32
		  " when the device was left: ended in between",
		  in_flight(channel), wanted);
}

static void leave(struct ds_filter *filter, struct channel *channel)
{
	if (filter->run != NULL && channel->queue != NULL)
		channel->in_flight = in_flight(channel);
}

/* What the library promises of each bio. */
static void check_promises(struct ds_filter *filter, const struct mpio_bio *bio)
{
	struct ds_run *run = filter->run;
	const struct mpio_limits *limits = &filter->device.limits;
	uint64_t end = bio->offset + bio->length;
	uint64_t sum = 0;
	bool at_end = end == filter->device.size;

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		bool last = i + 1 == bio->vec_count;

		sum += bio->vecs[i].length;
		ds_expect(run, bio->vecs[i].length != 0, "an empty piece");
		ds_expect(run, (uintptr_t)bio->vecs[i].base % run->align == 0,
			  "a piece at %p", bio->vecs[i].base);
		ds_expect(run, last || bio->vecs[i].length % run->align == 0,
			  "a piece of %zu", bio->vecs[i].length);
	}
	if (bio->op == MPIO_BIO_FLUSH)
		return;
	ds_expect(run, bio->op == MPIO_BIO_DISCARD || sum == bio->length,
		  "%" PRIu64 " of %" PRIu32, sum, bio->length);
	ds_expect(run, bio->length != 0 && end <= filter->device.size,
		  "%" PRIu32 " at %" PRIu64, bio->length, bio->offset);
	ds_expect(run,
		  bio->offset % run->unit == 0 &&
			  (at_end || bio->length % run->unit == 0),
		  "%" PRIu32 " at %" PRIu64, bio->length, bio->offset);
	ds_expect(run,
		  limits->segments_max == 0 ||
			  bio->vec_count <= limits->segments_max,
		  "%" PRIu32 " pieces", bio->vec_count);
	ds_expect(run,
		  limits->bytes_max == 0 || bio->op == MPIO_BIO_DISCARD ||
			  bio->length <= limits->bytes_max,
		  "%" PRIu32 " bytes", bio->length);
}

/* ---- Handing down -------------------------------------------------------- */

static int filter_submit(struct mpio_device *device, void *ctx,
			 struct mpio_bio *bio)
{
	struct ds_filter *filter = filter_of(device);
	struct channel *channel = ctx;
	bool again = channel->refused;
	int result;

	if (channel->queue == NULL) {
		channel->queue = bio->queue;
		leave(filter, channel);
	} else {
		enter(filter, channel, !again);
	}
	if (filter->run != NULL)
		check_promises(filter, bio);
	channel->uncommitted = true;
	result = filter->lower->ops.submit(filter->lower, channel->lower, bio);
	leave(filter, channel);
	channel->refused = result != 0;
	return result;
}

static int filter_commit(struct mpio_device *device, void *ctx)
{
	struct ds_filter *filter = filter_of(device);
	struct channel *channel = ctx;
	int result;

	enter(filter, channel, 0);
	channel->uncommitted = false;
	result = filter->lower->ops.commit(filter->lower, channel->lower);
	leave(filter, channel);
	return result;
}

/* What a reap came to, in words and in deeds. */
static void check_reap(struct ds_filter *filter, uint32_t ended, int wait,
		       int result)
{
	struct ds_run *run = filter->run;
	bool passing = result == -MPIO_EINTR || result == -MPIO_EAGAIN;

	ds_expect(run, result >= 0 || passing, "reap: %d, %s", result,
		  mpio_strerror(result));
	ds_expect(run, result < 0 || (uint32_t)result == ended,
		  "reap says that it ended %d, and ended %" PRIu32, result,
		  ended);
	ds_expect(run, !wait || passing || ended != 0,
		  "reap was to wait, and did not");
}

static int filter_reap(struct mpio_device *device, void *ctx, int wait)
{
	struct ds_filter *filter = filter_of(device);
	struct channel *channel = ctx;
	bool watch = filter->run != NULL && channel->queue != NULL;
	uint32_t before = watch ? in_flight(channel) : 0;
	int result;

	enter(filter, channel, 0);
	if (watch) {
		ds_expect(filter->run,
			  !channel->uncommitted || !wait ||
				  filter->lower->ops.commit == NULL,
			  "the library waits for what it has not committed");
		ds_expect(filter->run, !wait || before != 0,
			  "the library waits for nothing");
	}
	result = filter->lower->ops.reap(filter->lower, channel->lower, wait);
	if (watch)
		check_reap(filter, before - in_flight(channel), wait, result);
	leave(filter, channel);
	return result;
}

static int filter_event_fd(struct mpio_device *device, void *ctx)
{
	struct ds_filter *filter = filter_of(device);
	struct channel *channel = ctx;
	int fd;

	enter(filter, channel, 0);
	fd = filter->lower->ops.event_fd(filter->lower, channel->lower);
	enter(filter, channel, 0);
	return fd;
}

static void filter_cancel(struct mpio_device *device, void *ctx,
			  struct mpio_bio *bio)
{
	struct ds_filter *filter = filter_of(device);
	struct channel *channel = ctx;

	enter(filter, channel, 0);
	filter->lower->ops.cancel(filter->lower, channel->lower, bio);
	leave(filter, channel);
}

static int filter_register_memory(struct mpio_device *device, void *ctx,
				  void *base, size_t length)
{
	struct ds_filter *filter = filter_of(device);
	struct channel *channel = ctx;

	return filter->lower->ops.register_memory(filter->lower, channel->lower,
						  base, length);
}

static int filter_channel_open(struct mpio_device *device, uint32_t depth,
			       void **ctx)
{
	struct ds_filter *filter = filter_of(device);
	struct mpio_device *lower = filter->lower;
	struct channel *channel = calloc(1, sizeof(*channel));
	int error = 0;

	if (channel == NULL)
		return -MPIO_ENOMEM;
	if (lower->ops.channel_open != NULL)
		error = lower->ops.channel_open(lower, depth, &channel->lower);
	if (error != 0) {
		free(channel);
		return error;
	}
	*ctx = channel;
	return 0;
}

static void filter_channel_close(struct mpio_device *device, void *ctx)
{
	struct mpio_device *lower = filter_of(device)->lower;
	struct channel *channel = ctx;

	if (lower->ops.channel_close != NULL)
		lower->ops.channel_close(lower, channel->lower);
	free(channel);
}

static int filter_describe(struct mpio_device *device, char *text, size_t size)
{
	struct mpio_device *lower = filter_of(device)->lower;

	return lower->ops.describe(lower, text, size);
}

void ds_filter_init(struct ds_filter *filter, struct mpio_device *lower,
		    struct ds_run *run)
{
	const struct mpio_device_ops *has = &lower->ops;
	struct mpio_device_ops *ops = &filter->device.ops;

	*filter = (struct ds_filter){.lower = lower, .run = run};
	filter->device.limits = lower->limits;
	filter->device.size = lower->size;
	ops->submit = filter_submit;
	ops->commit = has->commit != NULL ? filter_commit : NULL;
	ops->reap = has->reap != NULL ? filter_reap : NULL;
	ops->event_fd = has->event_fd != NULL ? filter_event_fd : NULL;
	ops->cancel = has->cancel != NULL ? filter_cancel : NULL;
	ops->register_memory =
		has->register_memory != NULL ? filter_register_memory : NULL;
	ops->describe = has->describe != NULL ? filter_describe : NULL;
	ops->channel_open = filter_channel_open;
	ops->channel_close = filter_channel_close;
}

/* ---- The test ------------------------------------------------------------ */

enum { SEEN = 64, VECS = 16 };

/* A bio as it was when it was sent. */
struct seen {
	const struct mpio_bio *bio; /* NULL: none */
	struct mpio_bio was;
	struct mpio_iovec vecs[VECS];
};

struct watch {
	struct ds_run *run;
	struct seen seen[SEEN];
};

static void note(struct seen *seen, const struct mpio_bio *bio)
{
	uint32_t n = bio->vec_count < VECS ? bio->vec_count : VECS;

	seen->bio = bio;
	seen->was = *bio;
	memcpy(seen->vecs, bio->vecs, n * sizeof(*bio->vecs));
}

static void compare(struct ds_run *run, const struct seen *seen)
{
	const struct mpio_bio *bio = seen->bio;
	const struct mpio_bio *was = &seen->was;
	uint32_t n = was->vec_count < VECS ? was->vec_count : VECS;

	ds_equal(run, bio->op, was->op);
	ds_equal(run, bio->flags, was->flags);
	ds_equal(run, bio->offset, was->offset);
	ds_equal(run, bio->length, was->length);
	ds_equal(run, bio->vec_count, was->vec_count);
	ds_expect(run,
		  bio->vecs == was->vecs && bio->queue == was->queue &&
			  bio->end_io == was->end_io && bio->ctx == was->ctx,
		  "a pointer of the bio has changed");
	if (bio->vecs == was->vecs)
		ds_expect(run,
			  memcmp(bio->vecs, seen->vecs,
				 n * sizeof(*bio->vecs)) == 0,
			  "its pieces have changed");
}

static void on_event(void *ctx, const struct mpio_event *event)
{
	struct watch *watch = ctx;
	struct seen *seen = watch->seen;
	bool submit = event->type == MPIO_EVENT_SUBMIT;

	if (!submit && event->type != MPIO_EVENT_END)
		return;
	while (seen < watch->seen + SEEN &&
	       seen->bio != (submit ? NULL : event->bio))
		seen++;
	if (seen == watch->seen + SEEN)
		return; /* it was never sent */
	if (submit) {
		note(seen, event->bio);
	} else {
		compare(watch->run, seen);
		seen->bio = NULL;
	}
}

static void use_filter(struct ds_rig *rig, uint32_t round)
{
	struct ds_run *run = rig->run;
	uint32_t block = run->block;

	if (round % 2)
		mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 24; i++) {
		struct ds_io *io;

		io = ds_io_start(rig,
				 round % 3 == 0 || i % 4 == 0 ? MPIO_BIO_WRITE
							      : MPIO_BIO_READ,
				 0, (uint64_t)i * 8 * block,
				 ds_fit(rig, 1 + (i + round) % 8) * block,
				 1 + i % 6);
		if (round == 4 && i % 5 == 0 && io->bio != NULL) {
			io->cancelled = true;
			mpio_bio_cancel(io->bio);
		}
	}
	if (round % 2)
		mpio_queue_unplug(rig->queue);
	(void)mpio_queue_poll(rig->queue);
	(void)mpio_queue_event_fd(rig->queue);
	(void)mpio_queue_poll(rig->queue);
	if (round % 3 == 2)
		ds_io_start(rig, MPIO_BIO_FLUSH, 0, 0, 0, 0);
	else if (round % 3 == 1)
		ds_io_start(rig, MPIO_BIO_WRITE,
			    MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 0, block, 1);
	while (rig->flying != 0 && mpio_queue_wait(rig->queue) > 0)
		;
	ds_rig_finish(rig);
}

static void contract(struct ds_run *run)
{
	struct watch watch = {.run = run};
	const struct mpio_queue_config config = {.event = on_event,
						 .event_ctx = &watch};
	struct ds_filter filter;
	struct ds_rig *rig;

	ds_filter_init(&filter, run->device, run);
	rig = ds_rig_open(run, &filter.device, &config);
	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, 24 * 8);
	for (uint32_t round = 0; round < 12; round++) {
		use_filter(rig, round);
		/* Not known are blocks whose write was cancelled. */
		if (round == 4)
			ds_sweep(rig, MPIO_BIO_WRITE, 0, 24 * 8);
	}
	ds_sweep(rig, MPIO_BIO_READ, 0, 24 * 8);
	ds_rig_close(rig);
}

const struct ds_test ds_tests_filter[] = {
	{"contract", contract, DS_WRITES},
	{NULL, NULL, 0},
};

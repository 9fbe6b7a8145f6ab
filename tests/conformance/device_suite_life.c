/* SPDX-License-Identifier: MIT */
/*
 * The life of queues and their bios: polled for, waited for, used again by
 * their own end, cancelled, in flight when the queue is closed; many queues one
 * after the other, and several at once; and memory that was announced.
 */
#define _POSIX_C_SOURCE 200809L

#include "device_suite_rig.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 24, SLOT = 4 /* blocks */, AREA = SLOTS * SLOT };

static struct ds_io *on_slot(struct ds_rig *rig, enum mpio_bio_op op,
			     uint32_t slot)
{
	uint32_t block = rig->run->block;

	return ds_io_start(rig, op, 0, (uint64_t)slot * SLOT * block,
			   ds_fit(rig, SLOT) * block, 1 + slot % 5);
}

/* Reads and writes, each of a slot of its own. */
static void start_all(struct ds_rig *rig)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		on_slot(rig, i % 3 == 0 ? MPIO_BIO_READ : MPIO_BIO_WRITE, i);
}

/* ---- Poll and wait ------------------------------------------------------- */

static void poll_all(struct ds_rig *rig)
{
	struct ds_run *run = rig->run;
	int result = 0;

	while (result >= 0 && rig->flying != 0) {
		uint32_t before = rig->flying;

		result = mpio_queue_poll(rig->queue);
		ds_equal(run, result, before - rig->flying);
		if (result == 0)
			sched_yield();
	}
	ds_equal(run, mpio_queue_poll(rig->queue), 0);
}

static void wait_all(struct ds_rig *rig)
{
	struct ds_run *run = rig->run;
	int result = 1;

	while (result > 0 && rig->flying != 0) {
		uint32_t before = rig->flying;

		result = mpio_queue_wait(rig->queue);
		ds_expect(run, result > 0,
			  "wait: %d, with %" PRIu32 " in flight", result,
			  before);
		ds_equal(run, result, before - rig->flying);
	}
	ds_equal(run, mpio_queue_wait(rig->queue), 0);
}

static void poll_and_wait(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	ds_equal(run, mpio_queue_poll(rig->queue), 0);
	ds_equal(run, mpio_queue_wait(rig->queue), 0);
	ds_equal(run, mpio_queue_drain(rig->queue), 0);
	for (int round = 0; round < 6; round++) {
		start_all(rig);
		if (round % 2 == 0)
			poll_all(rig);
		else
			wait_all(rig);
		ds_rig_finish(rig);
	}
	ds_sweep(rig, MPIO_BIO_READ, 0, AREA);
	ds_rig_close(rig);
}

/* ---- A chain ------------------------------------------------------------- */

/*
 * A bio is used for the next I/O as soon as it has ended. A device that ended
 * it once more would end that I/O, before the bytes are there.
 */
static void next_link(struct ds_io *io)
{
	struct ds_rig *rig = io->rig;
	int *left = io->ctx;

	if ((*left)-- <= 0)
		return;
	if (!ds_io_check(io)) {
		*left = 0;
		return;
	}
	if (io->op == MPIO_BIO_READ)
		io->offset = (uint64_t)ds_below(&rig->random, SLOTS / 2) *
			     SLOT * rig->run->block;
	ds_equal(rig->run, ds_io_again(io), 0);
}

static void chain(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	int left[4];

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, AREA);
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t slot = i == 3 ? SLOTS - 1 : i;
		struct ds_io *io =
			ds_io_new(rig, i == 3 ? MPIO_BIO_WRITE : MPIO_BIO_READ,
				  0, slot * SLOT * run->block,
				  ds_fit(rig, SLOT) * run->block,
				  &(struct ds_shape){.pieces = 1 + i});

		left[i] = 150;
		io->keep = true;
		io->then = next_link;
		io->ctx = &left[i];
		ds_equal(run, ds_io_submit(io), 0);
	}
	ds_rig_finish(rig);
	for (int i = 0; i < 4; i++)
		ds_expect(run, left[i] < 0, "chain %d stopped with %d left", i,
			  left[i]);
	ds_sweep(rig, MPIO_BIO_READ, 0, AREA);
	ds_rig_close(rig);
}

/* ---- Close --------------------------------------------------------------- */

static void close_busy(struct ds_run *run, bool plugged)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, AREA);
	if (plugged)
		mpio_queue_plug(rig->queue);
	start_all(rig);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	ds_equal(run, rig->flying, 0);
	ds_rig_close(rig);
	rig = ds_rig_open(run, run->device, NULL);
	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_READ, 0, AREA);
	ds_rig_close(rig);
}

static void close_in_flight(struct ds_run *run)
{
	for (int i = 0; i < 6; i++)
		close_busy(run, false);
}

static void close_plugged(struct ds_run *run)
{
	close_busy(run, true);
	close_busy(run, true);
}

/* ---- Cancel -------------------------------------------------------------- */

/* What was cancelled may have been written or not; all else as it should. */
static void read_after_cancel(struct ds_rig *rig, const uint32_t *old,
			      const bool *cancelled)
{
	uint32_t others[AREA];

	for (uint32_t i = 0; i < AREA; i++)
		others[i] =
			cancelled[i / SLOT] ? old[i] : rig->run->generation[i];
	ds_read_either(rig, 0, AREA, others);
}

static void cancel_round(struct ds_rig *rig, bool plugged, uint32_t first)
{
	struct ds_run *run = rig->run;
	struct ds_io *ios[SLOTS];
	uint32_t old[AREA];
	bool cancelled[SLOTS] = {false};

	ds_sweep(rig, MPIO_BIO_WRITE, 0, AREA);
	for (uint32_t i = 0; i < AREA; i++)
		old[i] = run->generation[i];
	if (plugged)
		mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < SLOTS; i++) {
		ios[i] = on_slot(
			rig, i % 3 == 0 ? MPIO_BIO_READ : MPIO_BIO_WRITE, i);
		ios[i]->cancelled = true;
	}
	for (uint32_t i = first; i < SLOTS; i++) {
		if (ios[i]->bio != NULL)
			mpio_bio_cancel(ios[i]->bio);
		ds_expect(run, !plugged || ios[i]->status == -MPIO_ECANCELED,
			  "%d, and it was in the plug", ios[i]->status);
	}
	if (plugged)
		mpio_queue_unplug(rig->queue);
	ds_equal(run, mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < SLOTS; i++) {
		ds_expect(run, i >= first || ios[i]->status == 0,
			  "%d, and it was not cancelled", ios[i]->status);
		cancelled[i] = ios[i]->status == -MPIO_ECANCELED;
		/* What never left the plug is not on the device. */
		for (uint32_t j = 0; plugged && cancelled[i] && j < SLOT; j++)
			run->generation[i * SLOT + j] = old[i * SLOT + j];
	}
	ds_rig_finish(rig);
	read_after_cancel(rig, old, cancelled);
}

static void cancel(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	for (uint32_t i = 0; i < 8; i++)
		cancel_round(rig, false, 3 * i);
	ds_rig_close(rig);
}

static void cancel_plugged(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	cancel_round(rig, true, 0);
	cancel_round(rig, true, SLOTS / 2);
	ds_rig_close(rig);
}

/* One that has ended is left alone, and may be used again. */
static void cancel_ended(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	for (int op = MPIO_BIO_WRITE; op >= MPIO_BIO_READ; op--) {
		struct ds_io *io =
			ds_io_new(rig, (enum mpio_bio_op)op, 0, 0,
				  ds_fit(rig, SLOT) * run->block, NULL);

		io->keep = true;
		ds_equal(run, ds_io_submit(io), 0);
		ds_equal(run, mpio_queue_drain(rig->queue), 0);
		if (io->state == DS_ENDED) {
			mpio_bio_cancel(io->bio);
			ds_io_check(io);
			ds_equal(run, ds_io_again(io), 0);
		}
		ds_rig_finish(rig);
	}
	ds_rig_close(rig);
}

/* ---- Queues, one after the other ----------------------------------------- */

/* Descriptors of this process; 0: that cannot be told. */
static unsigned count_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	if (directory == NULL)
		return 0;
	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	return n;
}

static void use_once(struct ds_run *run, uint32_t round)
{
	const struct mpio_queue_config config = {.bios = 2 + round % 40};
	struct ds_rig *rig = ds_rig_open(run, run->device, &config);

	if (rig == NULL)
		return;
	(void)mpio_queue_event_fd(rig->queue);
	if (round % 3 != 0)
		on_slot(rig, MPIO_BIO_WRITE, round % SLOTS);
	ds_rig_finish(rig);
	if (round % 3 == 2)
		on_slot(rig, MPIO_BIO_READ, round % SLOTS);
	ds_rig_close(rig);
}

static void reopen(struct ds_run *run)
{
	unsigned before = 0;

	for (uint32_t device = 0; device < 5; device++) {
		for (uint32_t i = 0; i < 30 && run->device != NULL; i++)
			use_once(run, i);
		ds_close(run);
		if (device == 0)
			before = count_files();
		else
			ds_equal(run, count_files(), before);
		if (!ds_open(run, ds_size(run)))
			return;
	}
}

/* ---- Several at once ----------------------------------------------------- */

static uint32_t in_flight(const struct ds_rig *rig)
{
	return mpio_queue_stats(rig->queue)->in_flight;
}

/* What ends on one queue is no business of the other. */
static void two_queues(struct ds_run *run)
{
	struct ds_rig *a = ds_rig_open(run, run->device, NULL);
	struct ds_rig *b = ds_rig_open(run, run->device, NULL);

	for (uint32_t round = 0; round < 8 && a != NULL && b != NULL; round++) {
		uint32_t flying;

		for (uint32_t i = 0; i < SLOTS; i++)
			on_slot(i % 2 ? a : b,
				round % 2 ? MPIO_BIO_READ : MPIO_BIO_WRITE, i);
		flying = in_flight(b);
		ds_equal(run, mpio_queue_drain(a->queue), 0);
		ds_equal(run, a->flying, 0);
		ds_equal(run, in_flight(b), flying);
		ds_rig_finish(a);
		ds_rig_finish(b);
	}
	if (a != NULL)
		ds_rig_close(a);
	if (b != NULL)
		ds_rig_close(b);
}

/* ---- Memory that was announced ------------------------------------------- */

static void in_memory(struct ds_rig *rig, unsigned char *memory, size_t size,
		      uint32_t first)
{
	struct ds_run *run = rig->run;
	uint32_t count = ds_fit(rig, (uint32_t)(size / run->block));

	for (int op = MPIO_BIO_WRITE; op >= MPIO_BIO_READ; op--) {
		struct ds_io *io = ds_io_new(
			rig, (enum mpio_bio_op)op, 0,
			(uint64_t)first * run->block, count * run->block,
			&(struct ds_shape){.memory = memory});

		ds_equal(run, ds_io_submit(io), 0);
		ds_rig_finish(rig);
		ds_sweep(rig, MPIO_BIO_READ, first, count);
	}
}

static void announce_nothing(struct ds_rig *rig, unsigned char *memory)
{
	struct mpio_queue *queue = rig->queue;
	struct ds_run *run = rig->run;

	ds_equal(run, mpio_queue_register_memory(queue, NULL, 4096),
		 -MPIO_EINVAL);
	ds_equal(run, mpio_queue_register_memory(queue, memory, 0),
		 -MPIO_EINVAL);
	ds_equal(run, mpio_queue_register_memory(queue, memory, SIZE_MAX),
		 -MPIO_EINVAL);
}

/*
 * How many of `n` announcements may have no effect: none if the device takes
 * the memory when it is asked directly, all if it cannot be asked; and if it
 * refuses, which may be for want of something, any.
 */
static bool is_refused_rightly(struct ds_run *run, void *memory, size_t size,
			       uint64_t refused, uint64_t n)
{
	struct mpio_device *device = run->device;
	const struct mpio_device_ops *ops = &device->ops;
	void *channel = NULL;
	int error;

	if (ops->register_memory == NULL)
		return refused == n;
	if (ops->channel_open != NULL &&
	    ops->channel_open(device, 4, &channel) != 0)
		return true;
	error = ops->register_memory(device, channel, memory, size);
	if (ops->channel_close != NULL)
		ops->channel_close(device, channel);
	return error != 0 || refused == 0;
}

static void register_memory(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	size_t part;
	unsigned char *memory;
	uint64_t refused;
	int error;

	if (rig == NULL)
		return;
	part = ds_bytes_max(rig) / 4 / run->block * run->block;
	if (part == 0)
		part = run->block;
	memory = ds_memory(run, 4 * part);
	announce_nothing(rig, memory);
	for (uint32_t i = 0; i < 2; i++) {
		error = mpio_queue_register_memory(rig->queue, memory + part,
						   2 * part);
		ds_equal(run, error, 0);
		in_memory(rig, memory + part, 2 * part, 1);
		in_memory(rig, memory + 2 * part, run->block, 0);
		in_memory(rig, memory, part, 2);
		in_memory(rig, memory + part / run->block / 2 * run->block,
			  part, 3);
		in_memory(rig, memory + 3 * part - run->block, run->block, 5);
		in_memory(rig, memory, 4 * part, 1);
	}
	start_all(rig);
	ds_rig_finish(rig);
	refused = mpio_queue_stats(rig->queue)->memory_refused;
	ds_expect(run,
		  is_refused_rightly(run, memory + part, 2 * part, refused, 2),
		  "of two announcements %" PRIu64 " had no effect", refused);
	ds_rig_close(rig);
	free(memory);
}

const struct ds_test ds_tests_life[] = {
	{"poll_and_wait", poll_and_wait, DS_WRITES},
	{"chain", chain, DS_WRITES},
	{"close_in_flight", close_in_flight, DS_WRITES},
	{"close_plugged", close_plugged, DS_WRITES},
	{"cancel", cancel, DS_WRITES},
	{"cancel_plugged", cancel_plugged, DS_WRITES},
	{"cancel_ended", cancel_ended, DS_WRITES},
	{"reopen", reopen, DS_WRITES},
	{"two_queues", two_queues, DS_WRITES},
	{"register_memory", register_memory, DS_WRITES},
	{NULL, NULL, 0},
};

/* SPDX-License-Identifier: MIT */
/*
 * Many I/Os at once, and their order: a queue that is full, a plug, writes that
 * overlap, and what flush, fua and preflush promise.
 *
 * Of two writes that overlap and are in flight together either may win, unless
 * the suite was told that the device keeps the order. A write that has ended
 * counts before all that is submitted later, on every device.
 *
 * Whether something is durable can only be seen where the power can be cut.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BLOCKS = 128 };

/* Numbers from 0 to n - 1, in no order. */
static void shuffle(uint64_t *random, uint32_t *numbers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = ds_below(random, i + 1);

		numbers[i] = numbers[j];
		numbers[j] = i;
	}
}

static struct ds_io *on_blocks(struct ds_rig *rig, enum mpio_bio_op op,
			       uint32_t flags, uint32_t first, uint32_t count)
{
	count = ds_fit(rig, count);
	return ds_io_start(rig, op, flags, (uint64_t)first * rig->run->block,
			   count * rig->run->block, 1 + first % 3);
}

/* ---- A full queue -------------------------------------------------------- */

static void fill_queue(struct ds_run *run, uint32_t bios, uint32_t most)
{
	struct mpio_queue_config config = {.bios = bios, .in_flight_max = most};
	struct ds_rig *rig = ds_rig_open(run, run->device, &config);
	uint32_t order[BLOCKS / 2];
	uint32_t peak;

	if (rig == NULL)
		return;
	for (int op = MPIO_BIO_WRITE; op >= MPIO_BIO_READ; op--) {
		shuffle(&rig->random, order, BLOCKS / 2);
		for (uint32_t i = 0; i < BLOCKS / 2; i++)
			on_blocks(rig, (enum mpio_bio_op)op, 0, 2 * order[i],
				  1 + order[i] % 2);
		ds_rig_finish(rig);
	}
	peak = mpio_queue_stats(rig->queue)->in_flight_peak;
	ds_expect(run, most == 0 || peak <= most,
		  "%" PRIu32 " in flight of %" PRIu32, peak, most);
	ds_rig_close(rig);
}

static void queue_full(struct ds_run *run)
{
	fill_queue(run, 16, 4);
	fill_queue(run, 16, 1);
	fill_queue(run, 2, 0);
	fill_queue(run, 3, 2);
	fill_queue(run, 32, 0);
	fill_queue(run, 256, 0);
}

/* ---- A plug -------------------------------------------------------------- */

static void plug(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	uint32_t order[BLOCKS];

	if (rig == NULL)
		return;
	for (int round = 0; round < 12; round++) {
		enum mpio_bio_op op = (enum mpio_bio_op)(1 - round % 2);
		uint32_t n = 1 + ds_below(&rig->random, BLOCKS);
		bool twice = round % 3 == 0;

		shuffle(&rig->random, order, n);
		mpio_queue_plug(rig->queue);
		if (twice)
			mpio_queue_plug(rig->queue);
		for (uint32_t i = 0; i < n; i++)
			on_blocks(rig, op, 0, order[i], 1);
		if (twice)
			mpio_queue_unplug(rig->queue);
		mpio_queue_unplug(rig->queue);
		ds_rig_finish(rig);
	}
	ds_sweep(rig, MPIO_BIO_READ, 0, BLOCKS);
	ds_rig_close(rig);
}

/* ---- Writes that overlap ------------------------------------------------- */

static void overlap(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, BLOCKS);
	for (int i = 0; i < 60; i++) {
		uint32_t n;

		for (int j = 0; j <= i % 3; j++) {
			n = 1 + ds_below(&rig->random, ds_fit(rig, 24));
			on_blocks(rig, MPIO_BIO_WRITE, 0,
				  ds_below(&rig->random, 40 - n), n);
			ds_rig_finish(rig);
		}
		n = 1 + ds_below(&rig->random, ds_fit(rig, 24));
		on_blocks(rig, MPIO_BIO_READ, 0, ds_below(&rig->random, 40 - n),
			  n);
		ds_rig_finish(rig);
	}
	ds_sweep(rig, MPIO_BIO_READ, 0, BLOCKS);
	ds_rig_close(rig);
}

/* The latter of two has the shared blocks, or either, if there is no order. */
static void race(struct ds_rig *rig, uint32_t a, uint32_t b, uint32_t n)
{
	struct ds_run *run = rig->run;
	uint32_t others[64];

	mpio_queue_plug(rig->queue);
	on_blocks(rig, MPIO_BIO_WRITE, 0, a, n);
	for (uint32_t i = 0; i < 64; i++)
		others[i] = run->generation[i];
	on_blocks(rig, MPIO_BIO_WRITE, 0, b, n);
	for (uint32_t i = 0; i < 64; i++) {
		bool shared = i >= a && i < a + n && i >= b && i < b + n;

		if (!shared || (run->suite->flags & MPIO_DEVICE_SUITE_ORDERED))
			others[i] = run->generation[i];
	}
	mpio_queue_unplug(rig->queue);
	ds_rig_finish(rig);
	ds_read_either(rig, 0, 64, others);
}

static void overlap_in_flight(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	for (int i = 0; i < 40; i++) {
		uint32_t n = 1 + ds_below(&rig->random, ds_fit(rig, 16));
		uint32_t a = ds_below(&rig->random, 32);
		uint32_t b = a + n / 2;

		ds_sweep(rig, MPIO_BIO_WRITE, 0, 64);
		race(rig, i % 2 ? a : b, i % 2 ? b : a, n);
	}
	ds_rig_close(rig);
}

/* ---- Flush --------------------------------------------------------------- */

static void cut_power(struct ds_run *run)
{
	if (run->suite->cut != NULL)
		run->suite->cut(run->suite->ctx, run->device);
}

/* A flush ends behind all that was submitted before it. */
static void flush_between(struct ds_rig *rig, bool plugged)
{
	struct ds_run *run = rig->run;
	struct ds_io *writes[24];
	struct ds_io *flush;

	if (plugged)
		mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 24; i++)
		writes[i] = on_blocks(rig, MPIO_BIO_WRITE, 0, 3 * i, 3);
	flush = ds_io_start(rig, MPIO_BIO_FLUSH, 0, 0, 0, 0);
	for (uint32_t i = 0; i < 8; i++)
		on_blocks(rig, MPIO_BIO_WRITE, 0, 80 + i, 1);
	if (plugged)
		mpio_queue_unplug(rig->queue);
	ds_equal(run, mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < 24; i++)
		ds_expect(run, writes[i]->order < flush->order,
			  "the flush ended as number %" PRIu64
			  ", a write before it as %" PRIu64,
			  flush->order, writes[i]->order);
	ds_rig_finish(rig);
	cut_power(run);
	ds_sweep(rig, MPIO_BIO_READ, 0, 72);
}

static void flush(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	ds_equal(run, mpio_queue_flush(rig->queue), 0);
	ds_sweep(rig, MPIO_BIO_WRITE, 0, BLOCKS);
	ds_equal(run, mpio_queue_flush(rig->queue), 0);
	cut_power(run);
	ds_sweep(rig, MPIO_BIO_READ, 0, BLOCKS);
	flush_between(rig, false);
	flush_between(rig, true);
	for (int i = 0; i < 3; i++)
		ds_io_start(rig, MPIO_BIO_FLUSH, MPIO_BIO_SYNC, 0, 0, 0);
	ds_rig_finish(rig);
	ds_rig_close(rig);
}

/* A write of its own is durable when it ends. */
static void fua(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, BLOCKS);
	ds_equal(run, mpio_queue_flush(rig->queue), 0);
	for (uint32_t n = 1; n <= 16; n *= 2) {
		on_blocks(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA, 3 * n, n);
		on_blocks(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA | MPIO_BIO_META,
			  64 + n, 1);
		ds_rig_finish(rig);
		cut_power(run);
		ds_sweep(rig, MPIO_BIO_READ, 0, BLOCKS);
	}
	ds_rig_close(rig);
}

/* What had ended before is durable; with FUA the write itself, too. */
static void preflush_once(struct ds_rig *rig, uint32_t flags, uint32_t n)
{
	struct ds_run *run = rig->run;
	struct ds_io *before;
	struct ds_io *io;
	uint32_t old = run->generation[100];

	before = on_blocks(rig, MPIO_BIO_WRITE, 0, n, n);
	io = on_blocks(rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | flags, 100, 1);
	ds_equal(run, mpio_queue_drain(rig->queue), 0);
	ds_expect(run, before->order < io->order,
		  "the preflush passed the write before it");
	ds_rig_finish(rig);
	cut_power(run);
	ds_sweep(rig, MPIO_BIO_READ, 0, 100);
	if (flags & MPIO_BIO_FUA || run->suite->cut == NULL)
		old = run->generation[100];
	ds_read_either(rig, 100, 1, &old);
}

static void preflush(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, BLOCKS);
	ds_equal(run, mpio_queue_flush(rig->queue), 0);
	for (uint32_t n = 1; n <= 16; n *= 2) {
		preflush_once(rig, 0, n);
		on_blocks(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA, 100, 1);
		ds_rig_finish(rig);
		preflush_once(rig, MPIO_BIO_FUA, n);
	}
	ds_rig_close(rig);
}

const struct ds_test ds_tests_order[] = {
	{"queue_full", queue_full, DS_WRITES},
	{"plug", plug, DS_WRITES},
	{"overlap", overlap, DS_WRITES},
	{"overlap_in_flight", overlap_in_flight, DS_WRITES},
	{"flush", flush, DS_WRITES},
	{"fua", fua, DS_WRITES},
	{"preflush", preflush, DS_WRITES},
	{NULL, NULL, 0},
};

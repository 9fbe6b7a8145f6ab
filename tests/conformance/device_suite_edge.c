/* SPDX-License-Identifier: MIT */
/*
 * The edges of a device: what is asked for and cannot be, the last block and
 * one that the device's end cuts, a device that cannot be written, and blocks
 * that are not needed any more.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL = 16 };

/* ---- Refusals ------------------------------------------------------------ */

static void refused(struct ds_rig *rig, uint64_t offset, uint32_t length)
{
	struct ds_run *run = rig->run;
	struct ds_io *io =
		ds_io_new(rig, MPIO_BIO_READ, 0, offset, length, NULL);
	int result = ds_io_submit(io);
	bool large = length > mpio_queue_limits(rig->queue)->bytes_max;

	ds_expect(run, result == (large ? -MPIO_ENOSPC : -MPIO_EINVAL),
		  "%" PRIu32 " at %" PRIu64 " of %" PRIu64 ": %d", length,
		  offset, run->device->size, result);
	ds_expect(run, io->ends == 0, "it was refused, and ended %d times",
		  io->ends);
	ds_rig_finish(rig);
}

/* Parts of blocks: as discards, and as reads on a queue without slots. */
static void refused_part(struct ds_rig *rig, enum mpio_bio_op op,
			 uint64_t offset, uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(rig->queue, op, 0);
	void *memory = calloc(1, length);

	if (ds_expect(rig->run, bio != NULL && memory != NULL, "no bio")) {
		bool large = length > mpio_queue_limits(rig->queue)->bytes_max;

		bio->offset = offset;
		if (op == MPIO_BIO_DISCARD)
			bio->length = length;
		else
			ds_equal(rig->run, mpio_bio_add(bio, memory, length),
				 large ? -MPIO_ENOSPC : 0);
		ds_expect(rig->run, mpio_bio_submit(bio) == -MPIO_EINVAL,
			  "%" PRIu32 " at %" PRIu64 " is taken", length,
			  offset);
		mpio_bio_put(bio);
	}
	free(memory);
}

static void refuse_parts(struct ds_rig *rig, enum mpio_bio_op op)
{
	uint32_t block = rig->run->block;
	uint32_t unit = rig->run->unit;

	refused_part(rig, op, 1, block);
	refused_part(rig, op, unit / 2, block);
	refused_part(rig, op, 0, block + 1);
	refused_part(rig, op, 0, block - 1);
	refused_part(rig, op, 0, unit / 2);
}

static void refuse_empty(struct ds_rig *rig)
{
	for (int op = MPIO_BIO_READ; op <= MPIO_BIO_DISCARD; op++) {
		struct mpio_bio *bio =
			mpio_bio_get(rig->queue, (enum mpio_bio_op)op, 0);

		if (!ds_expect(rig->run, bio != NULL, "no bio is free"))
			return;
		if (op != MPIO_BIO_FLUSH)
			ds_equal(rig->run, mpio_bio_submit(bio), -MPIO_EINVAL);
		mpio_bio_put(bio);
	}
}

static void refusals(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	uint64_t size = run->device->size;
	uint64_t end = (size + run->unit - 1) / run->unit * run->unit;
	uint32_t block = run->block;

	if (rig == NULL)
		return;
	refuse_empty(rig);
	refused(rig, end, block);
	refused(rig, end - block, 2 * block);
	refused(rig, end + (uint64_t)1000 * block, block);
	refused(rig, UINT64_MAX - block + 1, block);
	refused(rig, (UINT64_MAX / block - 1) * block, 4 * block);
	refused(rig, (uint64_t)1 << 63, block);
	if (run->unit > 1)
		refuse_parts(rig, MPIO_BIO_DISCARD);
	if (run->unit > 1 && run->unit <= 512 && run->align == 1)
		refuse_parts(rig, MPIO_BIO_READ);
	ds_equal(run, mpio_queue_stats(rig->queue)->submits, 0);
	ds_rig_close(rig);
}

/* ---- The device's end ---------------------------------------------------- */

/* The last blocks, the very last perhaps cut, and what they hold. */
struct tail {
	struct ds_rig *rig;
	uint64_t start; /* bytes */
	uint32_t held[TAIL];
};

static void tail_io(struct tail *tail, enum mpio_bio_op op, uint32_t first,
		    uint32_t count, uint32_t pieces)
{
	struct ds_run *run = tail->rig->run;
	uint64_t offset = tail->start + (uint64_t)first * run->block;
	uint64_t end = offset + (uint64_t)count * run->block;
	struct ds_io *io;

	if (end > run->device->size)
		end = run->device->size;
	io = ds_io_start(tail->rig, op, 0, offset, (uint32_t)(end - offset),
			 pieces);
	for (uint32_t i = 0; i < count; i++) {
		if (op == MPIO_BIO_WRITE)
			tail->held[first + i] = io->generations[i];
		else
			io->generations[i] = tail->held[first + i];
	}
	ds_rig_finish(tail->rig);
}

static void tail_do(struct tail *tail, enum mpio_bio_op op, uint32_t first,
		    uint32_t count, uint32_t pieces)
{
	while (count != 0) {
		uint32_t n = ds_fit(tail->rig, count);

		tail_io(tail, op, first, n, pieces);
		first += n;
		count -= n;
	}
}

static void tail_read_all(struct tail *tail)
{
	tail_do(tail, MPIO_BIO_READ, 0, TAIL, 1);
	tail_do(tail, MPIO_BIO_READ, TAIL - 1, 1, 1);
	tail_do(tail, MPIO_BIO_READ, TAIL - 2, 2, 3);
	tail_do(tail, MPIO_BIO_READ, TAIL - 2, 1, 1);
}

static void tail_open(struct tail *tail, struct ds_run *run)
{
	uint64_t last = (run->device->size - 1) / run->block;

	tail->start = (last - (TAIL - 1)) * run->block;
	tail->rig = ds_rig_open(run, run->device, NULL);
}

static void check_tail(struct ds_run *run, struct tail *tail)
{
	tail_open(tail, run);
	if (tail->rig == NULL)
		return;
	tail_do(tail, MPIO_BIO_WRITE, 0, TAIL, 1);
	tail_read_all(tail);
	tail_do(tail, MPIO_BIO_WRITE, TAIL - 1, 1, 1);
	tail_read_all(tail);
	tail_do(tail, MPIO_BIO_WRITE, TAIL - 3, 3, 2);
	tail_do(tail, MPIO_BIO_WRITE, TAIL - 2, 1, 1);
	tail_read_all(tail);
	ds_equal(run, mpio_queue_flush(tail->rig->queue), 0);
	ds_rig_close(tail->rig);
}

static void end(struct ds_run *run)
{
	struct tail tail = {0};

	check_tail(run, &tail);
}

/* What was written is there when the device is opened again. */
static void reopen_tail(struct ds_run *run, struct tail *tail, uint64_t size)
{
	if (run->suite->flags & MPIO_DEVICE_SUITE_VOLATILE)
		return;
	ds_close(run);
	if (!ds_open(run, size))
		return;
	tail_open(tail, run);
	if (tail->rig == NULL)
		return;
	tail_read_all(tail);
	ds_rig_close(tail->rig);
}

static void odd_end(struct ds_run *run)
{
	static const uint32_t odd[] = {1, 3, 511, 512, 513, 1234, 4095, 4097};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		uint64_t size = ds_size(run) + odd[i];
		struct tail tail = {0};

		if (!ds_open(run, size))
			return;
		if (run->device->limits.features & MPIO_DEVICE_READONLY) {
			ds_skip(run, "the device is read only");
		} else if (run->device->size != size) {
			ds_skip(run, "the device has a size of its own");
		} else {
			check_tail(run, &tail);
			reopen_tail(run, &tail, size);
		}
		ds_close(run);
	}
}

/* ---- A device that is not to be written ---------------------------------- */

static int status_of(struct ds_rig *rig, enum mpio_bio_op op, uint32_t length)
{
	struct ds_io *io = ds_io_new(rig, op, 0, 0, length, NULL);
	int status;

	ds_equal(rig->run, ds_io_submit(io), 0);
	ds_equal(rig->run, mpio_queue_drain(rig->queue), 0);
	ds_equal(rig->run, io->ends, 1);
	status = io->status;
	ds_io_free(io);
	return status;
}

static void read_flat(struct ds_rig *rig, unsigned char *data, uint32_t step,
		      uint32_t length)
{
	for (uint32_t at = 0; at < length; at += step) {
		struct ds_io *io =
			ds_io_new(rig, MPIO_BIO_READ, 0, at, step,
				  &(struct ds_shape){.memory = data + at});

		ds_equal(rig->run, ds_io_submit(io), 0);
		ds_rig_collect(rig);
	}
	ds_rig_finish(rig);
}

static void readonly(struct ds_run *run)
{
	struct ds_rig *rig;
	uint32_t length = 64 * run->block;
	unsigned char *before;
	unsigned char *after;

	if (!(run->device->limits.features & MPIO_DEVICE_READONLY)) {
		ds_skip(run, "the device can be written");
		return;
	}
	rig = ds_rig_open(run, run->device, NULL);
	if (rig == NULL)
		return;
	before = ds_memory(run, length);
	after = ds_memory(run, length);
	read_flat(rig, before, ds_fit(rig, 2) * run->block, length);
	ds_equal(run, status_of(rig, MPIO_BIO_WRITE, run->block), -MPIO_EROFS);
	ds_expect(run, status_of(rig, MPIO_BIO_DISCARD, run->block) != 0,
		  "blocks were discarded");
	ds_equal(run, mpio_queue_flush(rig->queue), 0);
	read_flat(rig, after, run->block, length);
	ds_expect(run, memcmp(before, after, length) == 0,
		  "what is read has changed");
	free(before);
	free(after);
	ds_rig_close(rig);
}

/* ---- Discard ------------------------------------------------------------- */

/* Blocks may be zero now, or what they were; until they are written. */
static void read_discarded(struct ds_rig *rig, uint32_t first, uint32_t count)
{
	uint32_t others[64];

	for (uint32_t i = 0; i < 64; i++)
		others[i] = i >= first && i < first + count
				    ? DS_ZEROS
				    : rig->run->generation[i];
	ds_read_either(rig, 0, 64, others);
}

static void discard(struct ds_run *run)
{
	static const uint32_t ranges[][2] = {{16, 8}, {3, 1}, {40, 24}, {0, 2}};
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	int status;

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, 64);
	status = status_of(rig, MPIO_BIO_DISCARD, run->block);
	if (status == -MPIO_EOPNOTSUPP) {
		ds_skip(run, "the device has none");
		ds_sweep(rig, MPIO_BIO_READ, 0, 64);
		ds_rig_close(rig);
		return;
	}
	ds_equal(run, status, 0);
	ds_expect(run, run->device->limits.features & MPIO_DEVICE_DISCARD,
		  "the device did what it does not have");
	ds_sweep(rig, MPIO_BIO_WRITE, 0, 64);
	for (int i = 0; i < 4; i++) {
		uint32_t first = ranges[i][0];
		uint32_t count = ranges[i][1];

		ds_do(rig, MPIO_BIO_DISCARD, 0, (uint64_t)first * run->block,
		      count * run->block, 0);
		read_discarded(rig, first, count);
		ds_sweep(rig, MPIO_BIO_WRITE, first, count);
		ds_sweep(rig, MPIO_BIO_READ, 0, 64);
	}
	ds_rig_close(rig);
}

const struct ds_test ds_tests_edge[] = {
	{"refusals", refusals, 0},
	{"end", end, DS_WRITES},
	{"odd_end", odd_end, DS_WRITES | DS_OPENS},
	{"readonly", readonly, 0},
	{"discard", discard, DS_WRITES},
	{NULL, NULL, 0},
};

/* SPDX-License-Identifier: MIT */
/*
 * I/Os that begin and end inside the device's blocks. The library makes whole
 * blocks of them, and the device sees nothing else; but it has to take them as
 * fast as they come, and to leave alone what lies beside.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 24, BLOCKS = 16, ROUNDS = 12 };

struct parts {
	struct ds_rig *rig;
	uint32_t size;         /* bytes, from the device's begin on */
	uint32_t length_max;   /* bytes of an I/O */
	unsigned char *model;  /* what they are to be */
	unsigned char *memory; /* of I/Os that are on the way, each as large */
	int status[PARTS];
};

/* ---- One I/O ------------------------------------------------------------- */

static void end_io(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

static unsigned char *memory_of(const struct parts *parts, uint32_t index)
{
	return parts->memory + (size_t)index * parts->size + 1;
}

static void start(struct parts *parts, uint32_t index, enum mpio_bio_op op,
		  uint32_t offset, uint32_t length)
{
	struct ds_run *run = parts->rig->run;
	struct mpio_bio *bio = mpio_bio_get(parts->rig->queue, op, 0);

	parts->status[index] = -MPIO_ENOMEM;
	if (!ds_expect(run, bio != NULL, "no bio is free"))
		return;
	parts->status[index] = -MPIO_ETIMEDOUT;
	bio->offset = offset;
	bio->end_io = end_io;
	bio->ctx = &parts->status[index];
	ds_equal(run, mpio_bio_add(bio, memory_of(parts, index), length), 0);
	ds_expect(run, mpio_bio_submit(bio) == 0,
		  "%" PRIu32 " at %" PRIu32 " is refused", length, offset);
}

static void finish(struct parts *parts, uint32_t count)
{
	struct ds_run *run = parts->rig->run;

	ds_equal(run, mpio_queue_drain(parts->rig->queue), 0);
	for (uint32_t i = 0; i < count; i++)
		ds_equal(run, parts->status[i], 0);
}

/* Read something; it is to be what the model says. */
static void read_part(struct parts *parts, uint32_t offset, uint32_t length)
{
	unsigned char *memory = memory_of(parts, 0);

	memset(memory - 1, DS_GUARD, length + 2);
	start(parts, 0, MPIO_BIO_READ, offset, length);
	finish(parts, 1);
	ds_expect(parts->rig->run,
		  memcmp(memory, parts->model + offset, length) == 0,
		  "%" PRIu32 " at %" PRIu32 ": other bytes", length, offset);
	ds_expect(parts->rig->run,
		  memory[-1] == DS_GUARD && memory[length] == DS_GUARD,
		  "%" PRIu32 " at %" PRIu32 ": bytes beside it", length,
		  offset);
}

/* Read whole blocks, all there are; the model is to be so, or becomes so. */
static void read_all(struct parts *parts, bool learn)
{
	uint32_t block = parts->rig->run->block;

	for (uint32_t at = 0; at < parts->size; at += block) {
		if (learn) {
			start(parts, 0, MPIO_BIO_READ, at, block);
			finish(parts, 1);
			memcpy(parts->model + at, memory_of(parts, 0), block);
		} else {
			read_part(parts, at, block);
		}
	}
}

/* ---- The rig ------------------------------------------------------------- */

static bool parts_open(struct parts *parts, struct ds_run *run,
		       uint32_t bounce_bytes)
{
	const struct mpio_queue_config config = {.bounce_bytes = bounce_bytes};
	uint32_t blocks = run->count < BLOCKS ? run->count : BLOCKS;

	*parts = (struct parts){.rig = ds_rig_open(run, run->device, &config)};
	if (parts->rig == NULL)
		return false;
	parts->size = blocks * run->block;
	parts->length_max = ds_bytes_max(parts->rig);
	parts->model = ds_memory(run, parts->size);
	parts->memory = ds_memory(run, PARTS * (size_t)parts->size + 2);
	read_all(parts, true);
	return true;
}

/* Nobody knows any more what those blocks hold. */
static void parts_close(struct parts *parts)
{
	struct ds_run *run = parts->rig->run;

	for (uint32_t i = 0; i < parts->size / run->block; i++)
		run->generation[i] = DS_ANY;
	ds_rig_close(parts->rig);
	free(parts->model);
	free(parts->memory);
}

/* ---- The tests ----------------------------------------------------------- */

static bool has_parts(struct ds_run *run)
{
	if (run->unit == 1)
		ds_skip(run, "the device has no blocks");
	return run->unit != 1;
}

static void read_parts(struct parts *parts)
{
	uint32_t unit = parts->rig->run->unit;

	for (uint32_t at = 1; at < 2 * unit; at += unit / 3) {
		uint32_t length = at % unit + unit / 2;

		if (length > parts->length_max)
			length = parts->length_max;
		if (at + length <= parts->size)
			read_part(parts, at, length);
	}
}

/* Many at once; they overlap, and that is to be as they were started. */
static void write_parts(struct parts *parts, uint32_t length_max)
{
	uint64_t *random = &parts->rig->random;
	uint32_t unit = parts->rig->run->unit;

	for (uint32_t i = 0; i < PARTS; i++) {
		unsigned char *memory = memory_of(parts, i);
		uint32_t offset = ds_below(random, parts->size - 1);
		uint32_t length = 1 + ds_below(random, length_max);

		offset += offset % unit == 0;
		if (length > parts->size - offset)
			length = parts->size - offset;
		for (uint32_t j = 0; j < length; j++)
			memory[j] = (unsigned char)ds_below(random, 256);
		memcpy(parts->model + offset, memory, length);
		start(parts, i, MPIO_BIO_WRITE, offset, length);
	}
	finish(parts, PARTS);
}

/* Slots of a block, which most have to wait for; and as it is by default. */
static const uint32_t pools[] = {1, 1u << 18};

static void parts_of_blocks(struct ds_run *run)
{
	for (size_t i = 0; i < 2 && has_parts(run); i++) {
		struct parts parts;

		if (!parts_open(&parts, run, pools[i]))
			return;
		read_parts(&parts);
		parts_close(&parts);
	}
}

static void parts_written(struct ds_run *run)
{
	for (size_t i = 0; i < 2 && has_parts(run); i++) {
		struct parts parts;

		if (!parts_open(&parts, run, pools[i]))
			return;
		for (int round = 0; round < ROUNDS; round++) {
			write_parts(&parts, round % 2 == 0 ? run->unit / 2
							   : parts.length_max);
			read_all(&parts, false);
		}
		read_parts(&parts);
		parts_close(&parts);
	}
}

const struct ds_test ds_tests_parts[] = {
	{"parts_of_blocks", parts_of_blocks, 0},
	{"parts_written", parts_written, DS_WRITES},
	{NULL, NULL, 0},
};

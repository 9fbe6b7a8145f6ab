/* SPDX-License-Identifier: MIT */
/*
 * What the device says of itself, and what one bio may be: its size, from a
 * block to the most there may be, and its memory, in as many pieces as there
 * may be, of any length and place that the limits allow.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words --------------------------------------------------------------- */

typedef size_t describe_fn(struct mpio_device *device, char *text, size_t size);

static size_t describe_by_backend(struct mpio_device *device, char *text,
				  size_t size)
{
	return (size_t)device->ops.describe(device, text, size);
}

/* Each line is 'NAME: VALUE', and the last is ended as well. */
static void check_lines(struct ds_run *run, const char *text)
{
	const char *line = text;

	while (*line != '\0') {
		size_t length = strcspn(line, "\n");
		const char *colon = strstr(line, ": ");

		if (!ds_expect(run, line[length] == '\n', "'%s'", line))
			return;
		if (!ds_expect(run,
			       colon != NULL && colon > line &&
				       colon + 2 < line + length,
			       "no 'NAME: VALUE': '%.*s'", (int)length, line))
			return;
		line += length + 1;
	}
}

/* What there is room for is written, and nothing behind it. */
static void check_room(struct ds_run *run, describe_fn *describe,
		       const char *whole, size_t room)
{
	size_t length = strlen(whole);
	size_t fits = room <= length ? room - 1 : length;
	char *text = ds_memory(run, length + 64);
	size_t said = describe(run->device, text, room);
	size_t behind = room;

	ds_equal(run, said, length);
	ds_expect(run, memcmp(text, whole, fits) == 0 && text[fits] == '\0',
		  "with room for %zu: '%.*s'", room, (int)fits, text);
	while (behind < length + 64 && (unsigned char)text[behind] == DS_GUARD)
		behind++;
	ds_expect(run, behind == length + 64, "with room for %zu, byte %zu",
		  room, behind);
	free(text);
}

static void check_words(struct ds_run *run, describe_fn *describe,
			const char *first)
{
	size_t length = describe(run->device, NULL, 0);
	char *text;

	if (!ds_expect(run, length > 0 && length < 65536, "%zu", length))
		return;
	text = ds_memory(run, length + 1);
	ds_equal(run, describe(run->device, text, length + 1), length);
	text[length] = '\0';
	ds_equal(run, strlen(text), length);
	ds_expect(run, strncmp(text, first, strlen(first)) == 0, "'%s'", text);
	check_lines(run, text);
	check_room(run, describe, text, 1);
	check_room(run, describe, text, 2);
	check_room(run, describe, text, length / 2 + 1);
	check_room(run, describe, text, length);
	check_room(run, describe, text, length + 1);
	check_room(run, describe, text, length + 64);
	free(text);
}

static void describe(struct ds_run *run)
{
	if (run->device->ops.describe != NULL)
		check_words(run, describe_by_backend, "backend: ");
	check_words(run, mpio_device_describe, "backend: ");
}

/* ---- Limits -------------------------------------------------------------- */

static bool is_power_or_0(uint32_t n)
{
	return (n & (n - 1)) == 0;
}

static void limits(struct ds_run *run)
{
	const struct mpio_limits *limits = &run->device->limits;
	const struct mpio_device_ops *ops = &run->device->ops;
	const uint32_t known = MPIO_DEVICE_FUA | MPIO_DEVICE_PREFLUSH |
			       MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD |
			       MPIO_DEVICE_READONLY;
	uint32_t least = run->unit > run->align ? run->unit : run->align;

	ds_expect(run, ops->submit != NULL, "no submit");
	ds_expect(run, run->device->size != 0, "a device of no bytes");
	ds_expect(run, is_power_or_0(limits->logical_block_size), "%" PRIu32,
		  limits->logical_block_size);
	ds_expect(run, is_power_or_0(limits->memory_alignment), "%" PRIu32,
		  limits->memory_alignment);
	ds_expect(run, is_power_or_0(limits->atomic_unit), "%" PRIu32,
		  limits->atomic_unit);
	ds_expect(run, limits->bytes_max == 0 || limits->bytes_max >= least,
		  "%" PRIu32, limits->bytes_max);
	ds_expect(run, (limits->features & ~known) == 0, "%" PRIx32,
		  limits->features);
	ds_expect(run, ops->event_fd == NULL || ops->reap != NULL,
		  "an event descriptor, and nothing to reap");
	ds_expect(run, ops->channel_close == NULL || ops->channel_open != NULL,
		  "channels are closed that are not opened");
}

/* ---- Sizes --------------------------------------------------------------- */

/* The first blocks are there, as the model has them. */
static void write_then_read(struct ds_rig *rig, uint32_t first, uint32_t count,
			    uint32_t pieces)
{
	uint32_t block = rig->run->block;

	ds_do(rig, MPIO_BIO_WRITE, 0, (uint64_t)first * block, count * block,
	      pieces);
	ds_do(rig, MPIO_BIO_READ, 0, (uint64_t)first * block, count * block,
	      pieces);
}

static void blocks(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	uint32_t n = run->count < 96 ? run->count : 96;

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, n);
	for (uint32_t i = 0; i < 32; i++)
		write_then_read(rig, ds_below(&rig->random, n), 1, 1);
	write_then_read(rig, run->count - 1, 1, 1);
	ds_sweep(rig, MPIO_BIO_READ, 0, n);
	ds_rig_close(rig);
}

/* A queue with a limit in bytes that can be reached. */
static struct ds_rig *open_with_limit(struct ds_run *run)
{
	uint32_t bytes = run->count / 4 * run->block;

	if (bytes > 1024 * 1024)
		bytes = 1024 * 1024;
	return ds_rig_open(run, run->device,
			   &(struct mpio_queue_config){.bytes_max = bytes});
}

static void sizes(struct ds_run *run)
{
	struct ds_rig *rig = open_with_limit(run);
	uint32_t most;
	uint32_t before = 1;
	uint32_t n = 1;

	if (rig == NULL)
		return;
	most = ds_bytes_max(rig) / run->block;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, most + 3);
	while (n <= most) {
		uint32_t next = n + before;

		write_then_read(rig, 1 + n % 2, n, 1);
		ds_sweep(rig, MPIO_BIO_READ, 0, n + 3);
		before = n;
		n = next;
	}
	for (n = most > 3 ? most - 2 : 1; n <= most; n++) {
		write_then_read(rig, 2, n, 1);
		write_then_read(rig, 1, n, 7);
		ds_sweep(rig, MPIO_BIO_READ, 0, most + 3);
	}
	ds_rig_close(rig);
}

static void bytes_limit(struct ds_run *run)
{
	struct ds_rig *rig = open_with_limit(run);
	uint32_t most;

	if (rig == NULL)
		return;
	most = mpio_queue_limits(rig->queue)->bytes_max;
	ds_expect(run, most >= run->block && most % run->block == 0, "%" PRIu32,
		  most);
	for (uint32_t pieces = 1; pieces <= 3; pieces++) {
		struct ds_shape shape = {.pieces = pieces};
		struct ds_io *io = ds_io_new(rig, MPIO_BIO_WRITE, 0, 0,
					     most + run->block, &shape);

		ds_equal(run, ds_io_submit(io), -MPIO_ENOSPC);
		ds_io_free(io);
		write_then_read(rig, 1, most / run->block, pieces);
	}
	ds_rig_close(rig);
}

/* ---- Pieces of memory ---------------------------------------------------- */

/* A queue that takes as many pieces as the device does, and a few bytes. */
static struct ds_rig *open_for_pieces(struct ds_run *run)
{
	uint32_t pieces = run->device->limits.segments_max;
	const struct mpio_queue_config config = {
		.bios = 4,
		.segments_max = pieces != 0 && pieces < 2048 ? pieces : 2048,
	};

	return ds_rig_open(run, run->device, &config);
}

static uint32_t blocks_for(const struct ds_run *run, uint32_t pieces)
{
	uint64_t bytes = (uint64_t)pieces * run->align;

	return (uint32_t)((bytes + run->block - 1) / run->block);
}

static void even(struct ds_rig *rig, uint32_t pieces, int wanted)
{
	struct ds_run *run = rig->run;
	const struct ds_shape shape = {.pieces = pieces, .even = true};
	uint32_t length = blocks_for(run, pieces) * run->block;
	struct ds_io *io;

	io = ds_io_new(rig, MPIO_BIO_WRITE, 0, 0, length, &shape);
	ds_equal(run, ds_io_submit(io), wanted);
	ds_equal(run, mpio_queue_drain(rig->queue), 0);
	io = ds_io_new(rig, MPIO_BIO_READ, 0, 0, length, &shape);
	ds_equal(run, ds_io_submit(io), wanted);
	ds_rig_finish(rig);
}

static void segments_limit(struct ds_run *run)
{
	struct ds_rig *rig = open_for_pieces(run);
	uint32_t most;
	uint32_t fit;

	if (rig == NULL)
		return;
	most = mpio_queue_limits(rig->queue)->pieces_max;
	fit = ds_bytes_max(rig) / run->align;
	ds_expect(run, most != 0, "no piece of memory");
	for (uint32_t n = 1; n < most && n <= fit; n *= 2)
		even(rig, n, 0);
	for (uint32_t n = most - (most > 1); n <= most && n <= fit; n++)
		even(rig, n, 0);
	if (most < fit)
		even(rig, most + 1, -MPIO_ENOSPC);
	even(rig, 1, 0);
	ds_rig_close(rig);
}

/* Neighbours in memory are one piece, however many they are given as. */
static void neighbours(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	uint32_t n;
	unsigned char *memory;

	if (rig == NULL)
		return;
	n = ds_bytes_max(rig) / run->block;
	memory = ds_memory(run, (size_t)n * run->block);
	for (int op = MPIO_BIO_READ; op <= MPIO_BIO_WRITE; op++) {
		struct ds_io *io = ds_io_new(
			rig, (enum mpio_bio_op)(1 - op), 0, 0, n * run->block,
			&(struct ds_shape){.memory = memory});

		free(io->pieces);
		io->pieces = calloc(n, sizeof(*io->pieces));
		if (io->pieces == NULL)
			abort();
		io->piece_count = n;
		for (uint32_t i = 0; i < n; i++) {
			io->pieces[i].base = memory + (size_t)i * run->block;
			io->pieces[i].length = run->block;
		}
		ds_equal(run, ds_io_submit(io), 0);
		ds_rig_finish(rig);
	}
	ds_equal(run, mpio_queue_stats(rig->queue)->segments, 2);
	free(memory);
	ds_rig_close(rig);
}

static void odd_pieces(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	uint32_t most;

	if (rig == NULL)
		return;
	most = ds_bytes_max(rig) / run->block;
	if (most > 48)
		most = 48;
	for (int i = 0; i < 60; i++) {
		uint32_t n = 1 + ds_below(&rig->random, most);
		uint32_t first = ds_below(&rig->random, run->count - n);
		uint32_t pieces = mpio_queue_limits(rig->queue)->pieces_max;

		if (pieces > 40)
			pieces = 40;
		ds_do(rig, MPIO_BIO_WRITE, 0, (uint64_t)first * run->block,
		      n * run->block, 1 + ds_below(&rig->random, pieces));
		ds_do(rig, MPIO_BIO_READ, 0, (uint64_t)first * run->block,
		      n * run->block, 1 + ds_below(&rig->random, pieces));
	}
	ds_rig_close(rig);
}

/* ---- Memory that is not aligned ------------------------------------------ */

static void skewed(struct ds_rig *rig, uint32_t count, uint32_t pieces,
		   uint32_t skew)
{
	struct ds_run *run = rig->run;
	const struct ds_shape shape = {.pieces = pieces, .skew = skew};

	for (int op = MPIO_BIO_READ; op <= MPIO_BIO_WRITE; op++) {
		struct ds_io *io = ds_io_new(rig, (enum mpio_bio_op)(1 - op), 0,
					     3 * (uint64_t)run->block,
					     count * run->block, &shape);

		ds_equal(run, ds_io_submit(io), 0);
		ds_rig_finish(rig);
	}
	ds_sweep(rig, MPIO_BIO_READ, 0, count + 6);
}

static void misaligned(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	uint32_t most;

	if (rig == NULL)
		return;
	most = ds_bytes_max(rig) / run->block;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, most + 6);
	for (uint32_t skew = 1; skew < run->align; skew *= 2) {
		skewed(rig, 1, 1, skew);
		skewed(rig, ds_fit(rig, 9), 5, skew);
	}
	skewed(rig, most, 1, 1);
	skewed(rig, most, 7, run->align > 1 ? run->align - 1 : 1);
	ds_expect(run,
		  run->align == 1 || mpio_queue_stats(rig->queue)->bounces != 0,
		  "memory that was not aligned is not counted");
	ds_rig_close(rig);
}

const struct ds_test ds_tests_bio[] = {
	{"describe", describe, 0},
	{"limits", limits, 0},
	{"blocks", blocks, DS_WRITES},
	{"sizes", sizes, DS_WRITES},
	{"bytes_limit", bytes_limit, DS_WRITES},
	{"segments_limit", segments_limit, DS_WRITES},
	{"neighbours", neighbours, DS_WRITES},
	{"odd_pieces", odd_pieces, DS_WRITES},
	{"misaligned", misaligned, DS_WRITES},
	{NULL, NULL, 0},
};

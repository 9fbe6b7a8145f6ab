/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of bios that are no page's, and the list of all scenarios. Each of
 * them has a page or two as well, for the settling of worlds.
 */
#include "operations.h"

#define RAWS(table)                                                            \
	.raws = (table), .raw_count = sizeof(table) / sizeof(*(table)),        \
	.operation = run_raws, .runs = {{1, RUN_DATA, 70, 0}},                 \
	.page_blocks = {1}

static const struct raw_io mixed[] = {
	{MPIO_BIO_READ, 0, 512, 512},
	{MPIO_BIO_READ, MPIO_BIO_META, 4096, 8192},
	{MPIO_BIO_WRITE, 0, 16384, 3584},
	{MPIO_BIO_READ, 0, 2048, 1536},
	{MPIO_BIO_WRITE, MPIO_BIO_SYNC, 20480, 512},
	{MPIO_BIO_WRITE, MPIO_BIO_BACKGROUND, 22528, 2048},
	{MPIO_BIO_READ, 0, 40960, 4608},
};

static const struct raw_io odd_end[] = {
	{MPIO_BIO_READ, 0, 94208, 1101},
	{MPIO_BIO_WRITE, 0, 82944, 1024},
	{MPIO_BIO_WRITE, 0, 84992, 10317},
};

static const struct raw_io flushes[] = {
	{MPIO_BIO_WRITE, 0, 4096, 2048},
	{MPIO_BIO_FLUSH, 0, 0, 0},
	{MPIO_BIO_WRITE, MPIO_BIO_FUA, 8192, 4096},
	{MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 16384, 1024},
	{MPIO_BIO_WRITE, 0, 20480, 1024},
	{MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA, 24576, 3072},
	{MPIO_BIO_FLUSH, 0, 0, 0},
};

/* Some begin before the one that they are to overwrite. */
static const struct raw_io overlapping[] = {
	{MPIO_BIO_WRITE, 0, 16384, 4096},
	{MPIO_BIO_WRITE, 0, 6144, 1024},
	{MPIO_BIO_WRITE, 0, 4096, 4096},
	{MPIO_BIO_WRITE, 0, 8192, 4096},
	{MPIO_BIO_WRITE, MPIO_BIO_FUA, 17408, 512},
	{MPIO_BIO_READ, 0, 32768, 4096},
	{MPIO_BIO_READ, 0, 30720, 4096},
	{MPIO_BIO_WRITE, 0, 10240, 2048},
	{MPIO_BIO_WRITE, 0, 9216, 2048},
};

static const struct raw_io discards[] = {
	{MPIO_BIO_WRITE, 0, 4096, 2048},
	{MPIO_BIO_DISCARD, 0, 8192, 16384},
	{MPIO_BIO_DISCARD, 0, 32768, 512},
	{MPIO_BIO_WRITE, 0, 40960, 1024},
};

static const struct raw_io many[] = {
	{MPIO_BIO_WRITE, 0, 0, 512},      {MPIO_BIO_WRITE, 0, 1024, 512},
	{MPIO_BIO_WRITE, 0, 2048, 512},   {MPIO_BIO_WRITE, 0, 3072, 512},
	{MPIO_BIO_WRITE, 0, 4096, 1024},  {MPIO_BIO_WRITE, 0, 6144, 1024},
	{MPIO_BIO_READ, 0, 8192, 1024},   {MPIO_BIO_READ, 0, 10240, 1024},
	{MPIO_BIO_WRITE, 0, 12288, 2048}, {MPIO_BIO_WRITE, 0, 16384, 2048},
	{MPIO_BIO_READ, 0, 20480, 2048},  {MPIO_BIO_WRITE, 0, 24576, 2048},
};

static const struct scenario scenarios[] = {
	{
		.name = "raw: reads and writes",
		RAWS(mixed),
	},
	{
		.name = "raw: reads and writes, ended in any order",
		RAWS(mixed),
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "raw: up to the odd end of a device",
		RAWS(odd_end),
		.device_size = 93 * 1024 + 77,
		.mode = MOCK_REVERSE,
	},
	{
		.name = "raw: flushes on a device without a cache",
		RAWS(flushes),
		.mode = MOCK_IN_ORDER,
	},
	{
		.name = "raw: flushes on a device that can flush",
		RAWS(flushes),
		.limits = {.features = MPIO_DEVICE_FLUSH},
	},
	{
		.name = "raw: the same, ended in any order",
		RAWS(flushes),
		.limits = {.features = MPIO_DEVICE_FLUSH},
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "raw: flushes on a device with preflush",
		RAWS(flushes),
		.limits = {.features =
				   MPIO_DEVICE_FLUSH | MPIO_DEVICE_PREFLUSH},
		.mode = MOCK_REVERSE,
	},
	{
		.name = "raw: flushes on a device with preflush and fua",
		RAWS(flushes),
		.limits = {.features = MPIO_DEVICE_FLUSH |
				       MPIO_DEVICE_PREFLUSH | MPIO_DEVICE_FUA},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "raw: the same under a plug",
		RAWS(flushes),
		.plugged = true,
		.limits = {.features = MPIO_DEVICE_FLUSH},
		.mode = MOCK_IN_ORDER,
		.batches = true,
	},
	{
		.name = "raw: overlapping, under a plug",
		RAWS(overlapping),
		.plugged = true,
		.limited = true,
		.ordered = true,
		.limits = {.features = MPIO_DEVICE_FLUSH | MPIO_DEVICE_FUA},
		.mode = MOCK_IN_ORDER,
	},
	{
		.name = "raw: discards",
		RAWS(discards),
		.limits = {.features = MPIO_DEVICE_DISCARD},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "raw: more than there are bios, under a plug",
		RAWS(many),
		.plugged = true,
		.config = {.bios = 2},
		.mode = MOCK_REVERSE,
		.batches = true,
	},
	{
		.name = "raw: more than may be in flight",
		RAWS(many),
		.config = {.bios = 8, .in_flight_max = 1},
		.mode = MOCK_IN_ORDER,
	},
};

const struct scenario_table scenarios_raw = {
	.scenarios = scenarios,
	.count = sizeof(scenarios) / sizeof(*scenarios),
};

static const struct scenario_table *const tables[] = {
	&scenarios_read,        &scenarios_read_hooks, &scenarios_write,
	&scenarios_write_hooks, &scenarios_raw,        &scenarios_bounce,
};

const struct scenario *scenario_get(size_t index)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		if (index < tables[i]->count)
			return &tables[i]->scenarios[index];
		index -= tables[i]->count;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Scenarios on devices that want their memory aligned, which it is not: pages
 * and bios bounce. The pools are small, so that most take several windows, and
 * many have to wait for a slot.
 */
#include "operations.h"

#define SYNC_ALL                                                               \
	{                                                                      \
		.sync_mode = MPIO_SYNC_ALL                                     \
	}

static const struct raw_io flushes[] = {
	{MPIO_BIO_WRITE, 0, 4096, 2048},
	{MPIO_BIO_READ, 0, 40960, 1536},
	{MPIO_BIO_FLUSH, 0, 0, 0},
	{MPIO_BIO_WRITE, MPIO_BIO_FUA, 8192, 3072},
	{MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 16384, 1024},
	{MPIO_BIO_WRITE, 0, 20480, 1024},
	{MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA, 24576, 3072},
};

static const struct raw_io many[] = {
	{MPIO_BIO_WRITE, 0, 0, 512},    {MPIO_BIO_READ, 0, 8192, 1024},
	{MPIO_BIO_WRITE, 0, 2048, 512}, {MPIO_BIO_READ, 0, 10240, 3072},
	{MPIO_BIO_WRITE, 0, 4096, 512}, {MPIO_BIO_WRITE, 0, 16384, 2560},
};

static const struct raw_io odd_end[] = {
	{MPIO_BIO_READ, 0, 94208, 1101},
	{MPIO_BIO_WRITE, 0, 82944, 1024},
	{MPIO_BIO_WRITE, 0, 84992, 10317},
};

/* Of blocks of 4096 bytes; some have one in common. */
static const struct raw_io parts[] = {
	{MPIO_BIO_WRITE, 0, 1024, 1024},
	{MPIO_BIO_WRITE, 0, 2560, 512},
	{MPIO_BIO_WRITE, 0, 3072, 6144},
	{MPIO_BIO_READ, 0, 20992, 5632},
	{MPIO_BIO_WRITE, 0, 12288, 4096},
	{MPIO_BIO_WRITE, MPIO_BIO_FUA, 16384, 2048},
	{MPIO_BIO_WRITE, 0, 28672, 20480},
	{MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 18432, 1024},
	{MPIO_BIO_WRITE, 0, 49664, 512},
	{MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA, 19456, 512},
};

static const struct raw_io parts_at_end[] = {
	{MPIO_BIO_WRITE, 0, 94208, 512},
	{MPIO_BIO_WRITE, 0, 94720, 589},
	{MPIO_BIO_WRITE, 0, 82944, 9216},
};

#define RAWS(table)                                                            \
	.raws = (table), .raw_count = sizeof(table) / sizeof(*(table)),        \
	.operation = run_raws, .runs = {{1, RUN_DATA, 70, 0}},                 \
	.page_blocks = {1}

static const struct scenario scenarios[] = {
	{
		.name = "bounce: read",
		.operation = run_readahead,
		.runs = {{14, RUN_DATA, 4, 0},
			 {2, RUN_HOLE, 0, 0},
			 {8, RUN_DATA, 24, 0}},
		.skew = 1,
		.limits = {.memory_alignment = 512},
		.config = {.bounce_bytes = 16384},
		.mode = MOCK_IN_ORDER,
	},
	{
		.name = "bounce: read, with state of each block, one slot",
		.operation = run_readahead,
		.runs = {{9, RUN_DATA, 4, 0}, {7, RUN_DATA, 24, 0}},
		.per_block = true,
		.skew = 77,
		.limits = {.memory_alignment = 2048},
		.config = {.bounce_bytes = 1},
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "bounce: read, blocks smaller than the device's",
		.operation = run_readahead,
		.runs = {{9, RUN_DATA, 5, 0}, {7, RUN_DATA, 26, 0}},
		.limits = {.logical_block_size = 4096, .memory_alignment = 512},
		.config = {.bounce_bytes = 32768},
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "bounce: read, smaller blocks with state, one slot",
		.operation = run_readahead,
		.runs = {{3, RUN_DATA, 5, 0},
			 {2, RUN_HOLE, 0, 0},
			 {11, RUN_DATA, 27, 0}},
		.per_block = true,
		.skew = 3,
		.limits = {.logical_block_size = 2048, .memory_alignment = 512},
		.config = {.bounce_bytes = 1},
		.mode = MOCK_IN_ORDER,
	},
	{
		.name = "bounce: read, verified, a copy on another device",
		.operation = run_readahead,
		.runs = {{10, RUN_DATA, 4, 0}, {6, RUN_DATA, 24, 0}},
		.hooks = HOOK_VERIFY | HOOK_REREAD,
		.copy_block = 40,
		.copy_device = 1,
		.devices = 2,
		.skew = 8,
		.limits = {.memory_alignment = 512},
		.config = {.bounce_bytes = 2048},
		.mode = MOCK_MIXED,
	},
	{
		.name = "bounce: read, bad blocks are not isolated",
		.operation = run_readahead,
		.runs = {{16, RUN_DATA, 4, 0}},
		.skew = 4,
		.limits = {.memory_alignment = 512},
		.config = {.flags = MPIO_QUEUE_NO_ISOLATION,
			   .bounce_bytes = 8192},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "bounce: read, blocks larger than a slot",
		.operation = run_readahead,
		.runs = {{8, RUN_DATA, 1, 0}},
		.block_size = 4096,
		.page_blocks = {2},
		.device_size = 16 * 4096,
		.skew = 4,
		.limits = {.memory_alignment = 512},
		.config = {.bounce_bytes = 4096},
		.mode = MOCK_REVERSE,
	},
	{
		.name = "bounce: write, some memory is aligned",
		.operation = run_writepages,
		.wbc = SYNC_ALL,
		.writes = true,
		.runs = {{9, RUN_DATA, 4, 0}, {7, RUN_HOLE, 24, 0}},
		.limits = {.memory_alignment = 1024},
		.config = {.bounce_bytes = 2048},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "bounce: write, some blocks are dirty",
		.operation = run_writepages,
		.wbc = SYNC_ALL,
		.writes = true,
		.runs = {{16, RUN_DATA, 4, 0}},
		.per_block = true,
		.uptodate = 0x0021,
		.dirty = 0x0f34,
		.skew = 3,
		.limits = {.memory_alignment = 512},
		.config = {.bounce_bytes = 1024},
		.mode = MOCK_IN_ORDER,
		.batches = true,
	},
	{
		.name = "bounce: write, pages that must not tear",
		.operation = run_writepages,
		.wbc = SYNC_ALL,
		.writes = true,
		.runs = {{8, RUN_DATA, 4, 0}, {8, RUN_DATA, 24, 0}},
		.page_flags = MPIO_PAGE_ATOMIC,
		.skew = 16,
		.limits = {.atomic_unit = 4096, .memory_alignment = 512},
		.config = {.bounce_bytes = 8192},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "bounce: write, then flush, under a plug",
		.operation = run_write_and_flush,
		.writes = true,
		.plugged = true,
		.runs = {{10, RUN_DATA, 4, 0}, {6, RUN_DATA, 24, 0}},
		.skew = 1,
		.limits = {.features = MPIO_DEVICE_FLUSH,
			   .memory_alignment = 4},
		.config = {.bounce_bytes = 4096},
		.mode = MOCK_IN_ORDER,
		.batches = true,
	},
	{
		.name = "bounce: flushes on a device that can flush",
		RAWS(flushes),
		.skew = 5,
		.limits = {.features = MPIO_DEVICE_FLUSH,
			   .memory_alignment = 1024},
		.config = {.bounce_bytes = 1},
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "bounce: bios by hand, under a plug",
		RAWS(many),
		.plugged = true,
		.skew = 1,
		.limits = {.memory_alignment = 512},
		.config = {.bios = 3, .bounce_bytes = 1024},
		.mode = MOCK_REVERSE,
	},
	{
		.name = "bounce: up to the odd end of a device",
		RAWS(odd_end),
		.device_size = 93 * 1024 + 77,
		.skew = 1,
		.limits = {.memory_alignment = 4096},
		.config = {.bounce_bytes = 1, .in_flight_max = 1},
		.mode = MOCK_IN_ORDER,
	},
	{
		.name = "bounce: write, blocks smaller than the device's",
		.operation = run_writepages,
		.wbc = SYNC_ALL,
		.writes = true,
		.runs = {{9, RUN_DATA, 5, 0}, {7, RUN_DATA, 26, 0}},
		.limits = {.logical_block_size = 4096, .memory_alignment = 512},
		.config = {.bounce_bytes = 32768},
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "bounce: write, smaller blocks, few pieces in a bio",
		.operation = run_writepages,
		.wbc = SYNC_ALL,
		.writes = true,
		.runs = {{26, RUN_DATA, 5, 0}},
		.page_blocks = {3, 2},
		.limits = {.logical_block_size = 4096, .memory_alignment = 512},
		.config = {.bios = 2, .segments_max = 3, .bounce_bytes = 8192},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "bounce: write, some smaller blocks, one slot",
		.operation = run_writepages,
		.wbc = SYNC_ALL,
		.writes = true,
		.runs = {{9, RUN_DATA, 5, 0}, {7, RUN_HOLE, 15, 0}},
		.per_block = true,
		.uptodate = 0x4001,
		.dirty = 0x1a76,
		.skew = 3,
		.limits = {.logical_block_size = 4096, .memory_alignment = 512},
		.config = {.bounce_bytes = 1},
		.mode = MOCK_RANDOM,
	},
	{
		.name = "bounce: write, smaller blocks, then flush, plugged",
		.operation = run_write_and_flush,
		.writes = true,
		.plugged = true,
		.runs = {{3, RUN_DATA, 5, 0},
			 {5, RUN_DATA, 9, 0},
			 {3, RUN_DATA, 26, 0}},
		.page_blocks = {1},
		.limits = {.features = MPIO_DEVICE_FLUSH,
			   .logical_block_size = 4096,
			   .memory_alignment = 512},
		.config = {.bounce_bytes = 8192},
		.mode = MOCK_REVERSE,
		.batches = true,
	},
	{
		.name = "bounce: parts of blocks by hand",
		RAWS(parts),
		.skew = 512,
		.limits = {.features = MPIO_DEVICE_FLUSH,
			   .logical_block_size = 4096,
			   .memory_alignment = 512},
		.config = {.bounce_bytes = 16384},
		.mode = MOCK_RANDOM,
		.batches = true,
	},
	{
		.name = "bounce: parts of blocks up to the odd end of a device",
		RAWS(parts_at_end),
		.device_size = 93 * 1024 + 77,
		.limits = {.logical_block_size = 4096, .memory_alignment = 512},
		.config = {.bounce_bytes = 1, .in_flight_max = 1},
		.mode = MOCK_RANDOM,
	},
};

const struct scenario_table scenarios_bounce = {
	.scenarios = scenarios,
	.count = sizeof(scenarios) / sizeof(*scenarios),
};

/* SPDX-License-Identifier: MIT */
/*
 * What is done to files through handles: 0 and 1 are of one file, 2 is of the
 * other.
 */
#include "upper.h"

#define DO_READ(h, at, bytes)                                                  \
	{                                                                      \
		.verb = READ, .who = h, .pos = at, .length = bytes             \
	}
#define DO_READS(h, at, bytes, n, step)                                        \
	{                                                                      \
		.verb = READ, .who = h, .pos = at, .length = bytes,            \
		.times = n, .stride = step                                     \
	}
#define DO_WRITE(h, at, bytes)                                                 \
	{                                                                      \
		.verb = WRITE, .who = h, .pos = at, .length = bytes            \
	}
#define DO_WRITES(h, at, bytes, n, step)                                       \
	{                                                                      \
		.verb = WRITE, .who = h, .pos = at, .length = bytes,           \
		.times = n, .stride = step                                     \
	}
#define DO_SYNC(h)                                                             \
	{                                                                      \
		.verb = SYNC, .who = h                                         \
	}
#define DO_SYNC_RANGE(h, from, to)                                             \
	{                                                                      \
		.verb = SYNC_RANGE, .who = h, .pos = from, .length = to        \
	}
#define DO_TRUNCATE(h, size)                                                   \
	{                                                                      \
		.verb = TRUNCATE, .who = h, .pos = size                        \
	}
#define DO_ADVISE(h, from, to, advice)                                         \
	{                                                                      \
		.verb = ADVISE, .who = h, .pos = from, .length = to,           \
		.how = MPIO_ADVICE_##advice                                    \
	}
#define DO_ROOM(n)                                                             \
	{                                                                      \
		.verb = ROOM, .length = n                                      \
	}
#define DO(what)                                                               \
	{                                                                      \
		.verb = what                                                   \
	}

const struct scenario scenarios_file[] = {
	{
		.name = "small reads, forward",
		.steps = {DO_READS(0, 0, 1000, 40, 1000)},
	},
	{
		.name = "large reads",
		.steps = {DO_READ(0, 100, 40000), DO_READ(0, 40100, 30000),
			  DO_READ(2, 0, 24576)},
		.layout = UNITS,
		.hole_every = 4,
	},
	{
		.name = "reads that go straight",
		.steps = {DO_READ(0, 0, 40000), DO_READ(1, 8 * BLOCK, 20000),
			  DO_WRITE(0, 30000, 3000), DO_READ(1, 0, 60000)},
		.straight = 16 * KIB,
		.layout = UNITS,
	},
	{
		.name = "straight reads of a file with holes and an odd end",
		.steps = {DO_READ(0, 0, FILE_BYTES),
			  DO_READ(0, 4 * KIB, 50000)},
		.straight = 4 * KIB,
		.size = 120 * BLOCK + 5,
		.hole_every = 3,
		.whole = true,
	},
	{
		.name = "reads that go backward",
		.steps = {DO_READS(0, 39 * PAGE, 1500, 30, -1500)},
		.layout = REVERSED,
	},
	{
		.name = "reads with a stride",
		.steps = {DO_READS(0, 0, 800, 16, 5000)},
	},
	{
		.name = "reads of a handle that wants no guesses",
		.steps = {DO_ADVISE(0, 0, 0, RANDOM),
			  DO_READS(0, 0, 700, 20, 3000),
			  DO_ADVISE(0, 0, 0, NORMAL)},
		.layout = UNITS,
	},
	{
		.name = "reads of more than the cache holds, once",
		.steps = {DO_ADVISE(0, 0, 0, NOREUSE),
			  DO_READS(0, 0, 4096, 20, 4096),
			  DO_ADVISE(0, 0, 0, SEQUENTIAL),
			  DO_READS(0, 0, 3000, 10, 3000),
			  DO_ADVISE(0, 0, 0, NORMAL)},
		.frames = 12,
		.ahead_max = 4 * PAGE,
	},
	{
		.name = "two readers of one file, and one of the other",
		.steps = {DO_READS(0, 0, 2000, 6, 2000),
			  DO_READS(1, 40000, 2000, 6, 2000),
			  DO_READS(2, 0, 2000, 6, 2000),
			  DO_READS(0, 12000, 2000, 6, 2000)},
		.frames = 16,
	},
	{
		.name = "writes of whole pages, and a sync",
		.steps = {DO_WRITE(0, 0, 12 * PAGE), DO_SYNC(0), DO_SYNC(1)},
	},
	{
		.name = "writes of odd bytes, and a sync",
		.steps = {DO_WRITES(0, 333, 777, 12, 2500), DO_SYNC(1),
			  DO_READ(0, 0, 30000)},
		.layout = UNITS,
	},
	{
		.name = "writes that fail whole",
		.steps = {DO_WRITES(0, 0, 4096, 6, 8192), DO_SYNC(0),
			  DO_WRITE(1, 0, 9000), DO_SYNC(1), DO_SYNC(0)},
		.whole = true,
	},
	{
		.name = "appends",
		.steps = {DO_WRITES(0, 9000, 1234, 12, 1234), DO_SYNC(0),
			  DO_WRITES(0, 9000 + 12 * 1234, 100, 5, 100),
			  DO_SYNC(0)},
		.size = 9000,
	},
	{
		.name = "a write far behind the end",
		.steps = {DO_WRITE(0, 50000, 3000), DO_SYNC(0),
			  DO_READ(1, 18000, 40000)},
		.size = 20001,
	},
	{
		.name = "writes into holes",
		.steps = {DO_WRITES(0, 1024, 3000, 8, 6000), DO_SYNC(0),
			  DO_READ(1, 0, 50000)},
		.hole_every = 2,
		.layout = UNITS,
		.boundary = true,
	},
	{
		.name = "syncs of ranges",
		.steps = {DO_WRITES(0, 0, PAGE, 10, PAGE),
			  DO_SYNC_RANGE(0, 3 * PAGE, 5 * PAGE + 1),
			  DO_SYNC_RANGE(1, 8 * PAGE, 0),
			  DO_WRITE(0, 9 * PAGE, 500),
			  DO_SYNC_RANGE(1, 0, 2 * PAGE)},
		.limit = 90,
	},
	{
		.name = "truncates, in the middle of blocks",
		.steps = {DO_WRITE(0, 30000, 9000), DO_TRUNCATE(0, 33333),
			  DO_SYNC(0), DO_TRUNCATE(1, 50000),
			  DO_READ(0, 30000, 20000), DO_TRUNCATE(0, 12345),
			  DO_TRUNCATE(0, 12500), DO_SYNC(1)},
	},
	{
		.name = "truncates to nothing, and a new beginning",
		.steps = {DO_READ(0, 0, 20000), DO_WRITE(0, 4000, 9000),
			  DO_TRUNCATE(0, 0), DO_WRITES(0, 0, 3001, 4, 3001),
			  DO_SYNC(0), DO_TRUNCATE(1, 3 * BLOCK), DO_SYNC(1)},
		.layout = UNITS,
	},
	{
		.name = "advice that fetches and forgets",
		.steps = {DO_ADVISE(0, 0, 40000, WILLNEED),
			  DO_READ(0, 10000, 5000), DO_WRITE(0, 20000, 5000),
			  DO_ADVISE(1, 8000, 40000, DONTNEED),
			  DO_READ(0, 18000, 9000), DO_SYNC(0),
			  DO_ADVISE(2, 0, 0, WILLNEED),
			  DO_ADVISE(2, 0, 0, DONTNEED)},
		.hole_every = 5,
	},
	{
		.name = "no room, and then there is",
		.steps = {DO_ROOM(5), DO_WRITES(0, 0, 4000, 6, 4000),
			  DO_SYNC(0), DO_ROOM(UINT32_MAX), DO_SYNC(0),
			  DO_SYNC(1)},
		.hole_every = 2,
	},
	{
		.name = "no room for those who need a frame",
		.steps = {DO_ROOM(3), DO_WRITES(0, 0, PAGE, 14, PAGE),
			  DO_READ(1, 0, 20000), DO(WORK), DO_ROOM(UINT32_MAX),
			  DO_READ(1, 0, 20000), DO_SYNC(1)},
		.hole_every = 2,
		.frames = 8,
		.limit = 50,
	},
	{
		.name = "a cache much too small for its writers",
		.steps = {DO_WRITES(0, 0, 3000, 12, 6000),
			  DO_WRITES(2, 0, 2000, 8, 3000), DO_READ(1, 0, 30000),
			  DO_SYNC(2), DO_SYNC(0)},
		.frames = 8,
	},
	{
		.name = "handles that sync in turn",
		.steps = {DO_WRITE(0, 0, 3000), DO_SYNC(1),
			  DO_WRITE(1, 2000, 3000), DO_WRITE(2, 0, 3000),
			  DO_SYNC(2), DO_SYNC(0), DO_WRITE(0, 0, 10),
			  DO_SYNC(0), DO_SYNC(1)},
	},
	{
		.name = "reads among writes that are written behind",
		.steps = {DO_WRITES(0, 0, 2500, 6, 5000), DO(WORK),
			  DO_READS(1, 0, 2500, 12, 2500),
			  DO_WRITE(0, 1000, 9000), DO(WORK),
			  DO_READ(1, 0, 12000)},
		.background = 1,
		.frames = 24,
	},
	{.name = NULL},
};

/* SPDX-License-Identifier: MIT */
/*
 * What is done to files by the functions of the cache alone; syncs are those
 * of handles, since they tell.
 */
#include "upper.h"

/* `who` is a handle in the first two, and else a file. */
#define DO_SYNC(h)                                                             \
	{                                                                      \
		.verb = SYNC, .who = h                                         \
	}
#define DO_READ(h, at, bytes)                                                  \
	{                                                                      \
		.verb = READ, .who = h, .pos = at, .length = bytes             \
	}
#define DO_CHANGE(f, at, bytes)                                                \
	{                                                                      \
		.verb = CHANGE, .who = f, .pos = at, .length = bytes           \
	}
#define DO_CHANGES(f, at, bytes, n, step)                                      \
	{                                                                      \
		.verb = CHANGE, .who = f, .pos = at, .length = bytes,          \
		.times = n, .stride = step                                     \
	}
#define DO_FILLS(f, at, bytes, n, step)                                        \
	{                                                                      \
		.verb = FILL, .who = f, .pos = at, .length = bytes,            \
		.times = n, .stride = step                                     \
	}
#define DO_GETS(f, at, n, step)                                                \
	{                                                                      \
		.verb = GET, .who = f, .pos = at, .times = n, .stride = step   \
	}
#define DO_AHEAD(f, at, pages)                                                 \
	{                                                                      \
		.verb = AHEAD, .who = f, .pos = at, .length = pages            \
	}
#define DO_WALK(f, pages, ways)                                                \
	{                                                                      \
		.verb = WALK, .who = f, .length = pages, .how = ways           \
	}
#define DO_INVALIDATE(f, from, to)                                             \
	{                                                                      \
		.verb = INVALIDATE, .who = f, .pos = from, .length = to        \
	}
#define DO_TRUNCATE(h, size)                                                   \
	{                                                                      \
		.verb = TRUNCATE, .who = h, .pos = size                        \
	}
#define DO(what)                                                               \
	{                                                                      \
		.verb = what                                                   \
	}

const struct scenario scenarios_cache[] = {
	{
		.name = "pages are got, kept and put",
		.steps = {DO_GETS(0, 0, 3, 3 * PAGE), DO(PUT),
			  DO_GETS(0, 9000, 4, PAGE), DO(PUT),
			  DO_GETS(1, 0, 2, PAGE), DO(PUT)},
		.frames = 6,
	},
	{
		.name = "parts of pages are filled, block by block",
		.steps = {DO_FILLS(0, 600, 100, 6, 2100),
			  DO_FILLS(0, 0, PAGE, 5, PAGE),
			  DO_FILLS(0, 20 * PAGE + 512, 1024, 3, PAGE)},
		.layout = UNITS,
	},
	{
		.name = "parts of blocks are changed",
		.steps = {DO_CHANGES(0, 100, 300, 8, 1111),
			  DO_CHANGE(0, 2 * PAGE + 500, 600), DO_SYNC(0)},
		.hole_every = 2,
	},
	{
		.name = "rows are read ahead, and looked at",
		.steps = {DO_AHEAD(0, 0, 12), DO(POLL),
			  DO_AHEAD(0, 8 * PAGE, 12), DO_GETS(0, 0, 4, 5 * PAGE),
			  DO(PUT), DO_AHEAD(0, 30 * PAGE, 20),
			  DO_AHEAD(1, 0, 12)},
		.layout = UNITS,
		.boundary = true,
	},
	{
		.name = "rows are read ahead with few bios",
		.steps = {DO_AHEAD(0, 0, 30), DO_AHEAD(0, 0, 30),
			  DO_GETS(0, 0, 4, 9 * PAGE), DO(PUT)},
		.layout = REVERSED,
		.bios = 2,
	},
	{
		.name = "write-behind of two files",
		.steps = {DO_CHANGES(0, 0, PAGE, 8, PAGE), DO(WORK),
			  DO_CHANGES(1, 0, 700, 6, PAGE), DO(WORK), DO(WORK)},
		.background = 5,
		.limit = 90,
	},
	{
		.name = "writers who have to help",
		.steps = {DO_CHANGES(0, 0, PAGE, 12, 2 * PAGE),
			  DO_CHANGES(1, 0, PAGE, 6, PAGE), DO_SYNC(0)},
		.frames = 20,
		.background = 5,
		.limit = 25,
	},
	{
		.name = "cyclic walks, a few pages each",
		.steps = {DO_CHANGES(0, 0, PAGE, 9, 3 * PAGE),
			  DO_WALK(0, 4, WALK_CYCLIC), DO_CHANGE(0, 0, 100),
			  DO_WALK(0, 4, WALK_CYCLIC),
			  DO_WALK(0, 4, WALK_CYCLIC), DO_SYNC(1)},
		.layout = UNITS,
		.limit = 90,
	},
	{
		.name = "tagged walks",
		.steps = {DO_CHANGES(0, 0, PAGE, 10, PAGE),
			  DO_WALK(0, 3, WALK_TAGGED), DO_CHANGE(0, 700, 700),
			  DO_WALK(0, 100, WALK_TAGGED), DO_SYNC(0)},
		.limit = 90,
		.boundary = true,
		.layout = UNITS,
	},
	{
		.name = "walks of all, that nobody holds a cursor of",
		.steps = {DO_CHANGES(0, 300, 900, 8, PAGE),
			  DO_WALK(0, 1, WALK_ALL),
			  DO_CHANGES(1, 0, PAGE, 4, 2 * PAGE),
			  DO_WALK(1, 1, WALK_ALL)},
		.whole = true,
	},
	{
		.name = "reclaim under pressure",
		.steps = {DO_CHANGES(0, 0, PAGE, 5, PAGE),
			  DO_GETS(0, 12 * PAGE, 3, PAGE),
			  DO_CHANGES(0, 20 * PAGE, 512, 6, PAGE), DO(PUT),
			  DO_AHEAD(0, 0, 16), DO_CHANGES(1, 0, 1000, 6, PAGE)},
		.frames = 8,
		.limit = 100,
		.background = 100,
	},
	{
		.name = "the end moves under pages that are kept",
		.steps = {DO_GETS(0, 10 * PAGE, 3, PAGE),
			  DO_CHANGE(0, 14 * PAGE + 10, 1500),
			  DO_TRUNCATE(0, 11 * PAGE + 700), DO(PUT),
			  DO_CHANGE(0, 12 * PAGE + 900, 900),
			  DO_TRUNCATE(1, 13 * PAGE), DO_SYNC(0)},
	},
	{
		.name = "pages are forgotten, and read again",
		.steps = {DO_AHEAD(0, 0, 16),
			  DO_CHANGES(0, 0, 600, 4, 3 * PAGE),
			  DO_INVALIDATE(0, 0, 12 * PAGE),
			  DO_GETS(0, 0, 3, 2 * PAGE),
			  DO_INVALIDATE(0, 0, FILE_BYTES), DO(PUT), DO(WORK),
			  DO_SYNC(1), DO_INVALIDATE(0, 0, FILE_BYTES),
			  DO_READ(0, 0, 16 * PAGE)},
		.layout = REVERSED,
		.background = 1,
	},
	{.name = NULL},
};

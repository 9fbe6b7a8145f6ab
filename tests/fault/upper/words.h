/* SPDX-License-Identifier: MIT */
/*
 * Words for steps. `h` is a handle, `f` a file; what has `n` and `step` is
 * done so often, each time further on.
 */
#ifndef FAULT_WORDS_H
#define FAULT_WORDS_H

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
#define LOOK(pages, unasked, order)                                            \
	{                                                                      \
		.verb = STREAM, .length = pages, .pos = unasked, .how = order  \
	}

#endif

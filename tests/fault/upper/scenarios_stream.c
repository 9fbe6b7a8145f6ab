/* SPDX-License-Identifier: MIT */
/*
 * Streams: `length` pages are named in some order, and all but the last `pos`
 * are asked for; what was read ahead of those is released.
 */
#include "words.h"

const struct scenario scenarios_stream[] = {
	{
		.name = "a stream, forward",
		.steps = {LOOK(40, 0, FORWARD)},
	},
	{
		.name = "a stream over units, backward",
		.steps = {LOOK(30, 0, BACKWARD)},
		.layout = UNITS,
	},
	{
		.name = "a stream in any order",
		.steps = {LOOK(40, 0, SCATTERED)},
		.layout = UNITS,
		.boundary = true,
	},
	{
		.name = "a stream of pairs that are held back",
		.steps = {LOOK(30, 0, PAIRS)},
		.bios = 2,
	},
	{
		.name = "a stream that meets each page twice",
		.steps = {LOOK(40, 0, TWICE)},
	},
	{
		.name = "a stream with holes and an odd end",
		.steps = {LOOK(34, 0, FORWARD | STREAM_HOLD)},
		.size = 130 * BLOCK + 77,
		.hole_every = 3,
	},
	{
		.name = "a stream that is closed early",
		.steps = {LOOK(40, 17, FORWARD), LOOK(20, 9, SCATTERED)},
		.layout = UNITS,
	},
	{
		.name = "a stream that is reset",
		.steps = {LOOK(14, 0, FORWARD | STREAM_RESET),
			  LOOK(14, 3, PAIRS | STREAM_RESET | STREAM_HOLD)},
		.layout = REVERSED,
		.whole = true,
	},
	{.name = NULL},
};

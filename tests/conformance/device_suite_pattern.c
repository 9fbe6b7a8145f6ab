/* SPDX-License-Identifier: MIT */
/*
 * Patterns: what blocks are filled with, and what is wrong with one.
 *
 * Each 16 bytes of a block say which block of the device this is, of which
 * generation, which 16 bytes of it, and in which run of the suite they were
 * written. So a block that is found elsewhere, is older than it should be, is
 * torn, or shifted, is known for what it is.
 *
 *     | block: 8 bytes | generation: 4 | piece: 2 | run: 2 |
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <string.h>

enum { PIECE = 16 };

struct piece {
	uint64_t block;
	uint32_t generation;
	uint16_t index;
	uint16_t run;
};

_Static_assert(sizeof(struct piece) == PIECE, "a piece has no holes");

/* ---- Random numbers ------------------------------------------------------ */

uint64_t ds_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t ds_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((ds_random(state) >> 32) * n >> 32);
}

/* ---- Filling ------------------------------------------------------------- */

static uint16_t tag(const struct ds_run *run)
{
	return (uint16_t)(run->seed ^ run->seed >> 16 ^ 0x5afe);
}

static void make(const struct ds_run *run, uint64_t block, uint32_t generation,
		 size_t at, struct piece *piece)
{
	*piece = (struct piece){.block = block,
				.generation = generation,
				.index = (uint16_t)(at / PIECE),
				.run = tag(run)};
	if (generation == DS_ZEROS)
		memset(piece, 0, sizeof(*piece));
	else if (generation == DS_ANY)
		memset(piece, DS_GUARD, sizeof(*piece));
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

void ds_pattern_fill(const struct ds_run *run, uint64_t first,
		     const uint32_t *generations, unsigned char *data,
		     size_t length)
{
	struct piece piece;

	for (size_t at = 0; at < length; at += PIECE) {
		size_t i = at / run->block;

		make(run, first + i, generations[i], at % run->block, &piece);
		memcpy(data + at, &piece, least(PIECE, length - at));
	}
}

/* ---- Comparing ----------------------------------------------------------- */

static bool is_all(const unsigned char *data, size_t length, unsigned char byte)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] != byte)
			return false;
	}
	return true;
}

static void tell(const struct ds_run *run, const unsigned char *found,
		 size_t length, char *text, size_t size)
{
	struct piece piece = {0};

	memcpy(&piece, found, length);
	if (is_all(found, length, 0))
		snprintf(text, size, "zeros");
	else if (is_all(found, length, DS_GUARD))
		snprintf(text, size, "what was there before the read");
	else if (length == PIECE && piece.run == tag(run))
		snprintf(text, size,
			 "block %" PRIu64 " generation %" PRIu32 " piece %u",
			 piece.block, piece.generation, piece.index);
	else
		snprintf(text, size,
			 "nothing of this run: %02x %02x %02x %02x ...",
			 found[0], found[1], found[2], found[3]);
}

/* Where a block differs from one generation of it, or -1. */
static long differs(const struct ds_run *run, uint64_t block,
		    uint32_t generation, const unsigned char *data,
		    size_t length)
{
	struct piece piece;

	for (size_t at = 0; generation != DS_ANY && at < length; at += PIECE) {
		make(run, block, generation, at, &piece);
		if (memcmp(data + at, &piece, least(PIECE, length - at)) != 0)
			return (long)at;
	}
	return -1;
}

long ds_pattern_compare(const struct ds_run *run, uint64_t first,
			const uint32_t *generations, const uint32_t *others,
			const unsigned char *data, size_t length, char *text,
			size_t size)
{
	for (size_t start = 0; start < length; start += run->block) {
		size_t i = start / run->block;
		size_t n = least(run->block, length - start);
		long at = differs(run, first + i, generations[i], data + start,
				  n);
		char found[80];

		if (at < 0 ||
		    (others != NULL &&
		     differs(run, first + i, others[i], data + start, n) < 0))
			continue;
		tell(run, data + start + at, least(PIECE, n - (size_t)at),
		     found, sizeof(found));
		snprintf(text, size,
			 "block %" PRIu64 " generation %" PRIu32
			 " piece %ld was to be, there is %s",
			 first + i, generations[i], at / PIECE, found);
		return (long)start + at;
	}
	return -1;
}

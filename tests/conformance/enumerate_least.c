/* SPDX-License-Identifier: MIT */
/*
 * The least number of I/Os that keeps file order, by brute force: every way to
 * split the sequence of pieces is tried, and of those that keep the limits the
 * one with the fewest cuts counts. Nothing here takes as much as it can and
 * goes on from there, as the library does.
 *
 * The answer depends on few bits for short sequences of pieces of one block
 * each, so those answers are kept in a table that the first asker fills.
 */
#include "enumerate.h"

bool sequence_legal(const struct sequence *s, const struct sequence_limits *l,
		    uint32_t cuts)
{
	uint32_t pieces = 0;
	uint32_t parts = 0;
	uint32_t bytes = 0;

	for (unsigned i = 0; i < s->count; i++) {
		bool begins = i == 0 || (cuts >> (i - 1) & 1);

		if (begins)
			pieces = parts = bytes = 0;
		else if (s->apart >> (i - 1) & 1)
			return false;
		if (begins || (s->new_piece >> (i - 1) & 1))
			pieces++;
		if (begins || (s->new_part >> (i - 1) & 1))
			parts++;
		bytes += s->length[i];
		if ((l->pieces_max != 0 && pieces > l->pieces_max) ||
		    (l->parts_max != 0 && parts > l->parts_max) ||
		    (l->bytes_max != 0 && bytes > l->bytes_max))
			return false;
	}
	return true;
}

static unsigned bits_set(uint32_t bits)
{
	unsigned count = 0;

	for (; bits != 0; bits &= bits - 1)
		count++;
	return count;
}

static unsigned try_all(const struct sequence *s,
			const struct sequence_limits *l)
{
	unsigned least = s->count;

	for (uint32_t cuts = 0; cuts < 1u << (s->count - 1); cuts++) {
		unsigned ios = bits_set(cuts) + 1;

		if (ios < least && sequence_legal(s, l, cuts))
			least = ios;
	}
	return least;
}

/** Where the table keeps an answer; SEQUENCE_KNOWN: it does not. */
static uint32_t known_index(const struct sequence *s)
{
	uint32_t mask = (1u << (s->count - 1)) - 1;

	if (s->count > BLOCKS_MAX)
		return SEQUENCE_KNOWN;
	for (unsigned i = 1; i < s->count; i++)
		if (s->length[i] != s->length[0])
			return SEQUENCE_KNOWN;
	return (uint32_t)s->count << 15 | (s->apart & mask) << 10 |
	       (s->new_piece & mask) << 5 | (s->new_part & mask);
}

unsigned sequence_least(const struct sequence *s,
			const struct sequence_limits *l)
{
	uint32_t index;

	if (s->count == 0)
		return 0;
	index = known_index(s);
	if (l->known == NULL || index == SEQUENCE_KNOWN)
		return try_all(s, l);
	if (l->known[index] == 0)
		l->known[index] = (uint8_t)try_all(s, l);
	return l->known[index];
}

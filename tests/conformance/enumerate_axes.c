/* SPDX-License-Identifier: MIT */
/*
 * How words and axes make trials.
 *
 * A word says where each block lies, the outermost axis of every family. The
 * other axes are functions that give one member of the trial its value number
 * i; the product of all of them is walked by enumerate.c.
 */
#include "enumerate_families.h"
#include <string.h>

struct shape {
	uint8_t count;
	uint8_t blocks[PAGES_MAX];
};

/* All ways to make one to three pages of six blocks, and some to make more. */
static const struct shape shapes[] = {
	{3, {2, 2, 2}},
	{3, {1, 2, 3}},
	{3, {3, 1, 2}},
	{3, {4, 1, 1}},
	{3, {1, 1, 4}},
	{3, {1, 4, 1}},
	{3, {3, 2, 1}},
	{3, {2, 3, 1}},
	{3, {2, 1, 3}},
	{3, {1, 3, 2}},
	{2, {3, 3}},
	{2, {1, 5}},
	{2, {5, 1}},
	{2, {2, 4}},
	{2, {4, 2}},
	{1, {6}},
	{6, {1, 1, 1, 1, 1, 1}},
	{4, {1, 1, 2, 2}},
	{5, {2, 1, 1, 1, 1}},
};

_Static_assert(sizeof(shapes) / sizeof(shapes[0]) == SHAPES,
	       "the masks of shapes count them");

/* Words. */

static bool is_adjacent(char letter)
{
	return strchr("acnwx", letter) != NULL;
}

static bool is_placed(char letter)
{
	return strchr("acnwxjN", letter) != NULL;
}

static uint8_t kind_of(char letter)
{
	switch (letter) {
	case 'H':
		return KIND_HOLE;
	case 'a':
	case 'c':
	case 'j':
	case 'x':
		return KIND_MAPPED;
	case 'N':
		return KIND_NEW;
	default:
		return (uint8_t)letter;
	}
}

/** How many blocks, from `b` on, are placed in one chain of neighbours. */
static unsigned chain_length(const char *word, unsigned b)
{
	unsigned length = 0;

	do {
		length += is_placed(word[b]);
		b++;
	} while (b < BLOCKS_MAX &&
		 (!is_placed(word[b]) || is_adjacent(word[b])));
	return length;
}

/**
 * Place the blocks of a word: each chain lies right before the chain before
 * it, so that chains touch on the device and never follow each other.
 */
static void place(const char *word, struct trial *t)
{
	unsigned top = DEVICE_BLOCKS;
	unsigned next = 0;
	uint8_t queue = 0;
	bool any = false;

	for (unsigned b = 0; b < BLOCKS_MAX; b++) {
		struct trial_block *block = &t->block[b];

		block->kind = kind_of(word[b]);
		block->mark = word[b] != '-' && word[b] != 'c';
		if (!is_placed(word[b]))
			continue;
		if (!any || !is_adjacent(word[b])) {
			top -= chain_length(word, b);
			next = top;
			queue = 0;
		}
		if (any && word[b] == 'x')
			queue = !queue;
		block->device = (uint8_t)next++;
		block->queue = queue;
		any = true;
	}
}

/** Spell a word. @return false: another word says the same. */
static bool spell(const char *letters, uint64_t n, char *word)
{
	size_t count = strlen(letters);
	bool any = false;

	for (unsigned b = 0; b < BLOCKS_MAX; b++) {
		word[b] = letters[n % count];
		n /= count;
		if (!any && strchr("anx", word[b]) != NULL)
			return false;
		any = any || is_placed(word[b]);
	}
	return true;
}

/** Read a number as a map. @return false: two blocks lie at one place. */
static bool spell_map(uint64_t n, struct trial *t)
{
	unsigned used = 0;

	for (unsigned b = 0; b < BLOCKS_MAX; b++) {
		unsigned digit = (unsigned)(n % (DEVICE_BLOCKS + 1));

		n /= DEVICE_BLOCKS + 1;
		if (digit == DEVICE_BLOCKS) {
			t->block[b].kind = KIND_HOLE;
			continue;
		}
		if (used >> digit & 1)
			return false;
		used |= 1u << digit;
		t->block[b].kind = KIND_MAPPED;
		t->block[b].device = (uint8_t)digit;
		t->block[b].mark = true;
	}
	return true;
}

uint64_t family_words(const struct family *f)
{
	uint64_t letters = f->letters ? strlen(f->letters) : DEVICE_BLOCKS + 1;
	uint64_t words = 1;

	for (unsigned b = 0; b < BLOCKS_MAX; b++)
		words *= letters;
	return words;
}

bool family_begin(const struct family *f, uint64_t n, struct trial *t)
{
	char word[BLOCKS_MAX];

	memset(t, 0, sizeof(*t));
	t->op = (uint8_t)f->op;
	t->block_count = BLOCKS_MAX;
	t->block_size = f->block_size != 0 ? f->block_size : UNIT;
	if (f->letters == NULL) {
		if (!spell_map(n, t))
			return false;
	} else {
		if (!spell(f->letters, n, word))
			return false;
		place(word, t);
	}
	for (unsigned b = 0; b < BLOCKS_MAX && f->op == TRIAL_READ; b++)
		t->block[b].mark = false;
	return true;
}

/* Axes. */

/** The place of the i-th bit that is set in a mask (0: bit 0), or -1. */
static int pick(uint32_t mask, unsigned i)
{
	if (mask == 0)
		mask = 1;
	for (int bit = 0; mask != 0; bit++, mask >>= 1)
		if ((mask & 1) != 0 && i-- == 0)
			return bit;
	return -1;
}

static enum axis_value axis_size(const struct family *f, struct trial *t,
				 unsigned i)
{
	int half = pick(f->sizes != 0 ? f->sizes : 1 << 12, i);

	if (half < 0)
		return AXIS_END;
	t->file_size = (uint32_t)half * t->block_size / 2;
	if (f->letters != NULL)
		return AXIS_SET;
	/* Of a smaller file, its own blocks make the map. */
	for (unsigned b = ((unsigned)half + 1) / 2; b < BLOCKS_MAX; b++)
		if (t->block[b].kind != KIND_HOLE)
			return AXIS_SKIP;
	return AXIS_SET;
}

static enum axis_value axis_device(const struct family *f, struct trial *t,
				   unsigned i)
{
	int half = pick(f->devices != 0 ? f->devices : 1 << 16, i);

	if (half < 0)
		return AXIS_END;
	t->device_size = (uint32_t)half * t->block_size / 2;
	return AXIS_SET;
}

static enum axis_value axis_shape(const struct family *f, struct trial *t,
				  unsigned i)
{
	int shape = pick(f->shapes, i);

	if (shape < 0)
		return AXIS_END;
	t->page_count = shapes[shape].count;
	memcpy(t->page_blocks, shapes[shape].blocks, PAGES_MAX);
	return AXIS_SET;
}

static enum axis_value axis_page_states(const struct family *f, struct trial *t,
					unsigned i)
{
	static const char state[] = {PAGE_WANTED, PAGE_DONE, PAGE_ABSENT,
				     PAGE_BUSY};
	const unsigned states = f->page_states == STATES_BUSY ? 4 : 3;
	bool any = false;

	for (unsigned p = 0; p < PAGES_MAX; p++)
		t->page_state[p] = PAGE_WANTED;
	if (i == 0 || f->page_states == STATES_WANTED)
		return i == 0 ? AXIS_SET : AXIS_END;
	for (unsigned p = 0; p < t->page_count; p++) {
		t->page_state[p] = (uint8_t)state[i % states];
		any = any || t->page_state[p] != PAGE_ABSENT;
		i /= states;
	}
	if (i != 0)
		return AXIS_END;
	return any ? AXIS_SET : AXIS_SKIP;
}

/** Spread the bits of `i` over those of a mask. @return false: no room. */
static bool spread(uint32_t mask, unsigned i, uint32_t *bits)
{
	*bits = 0;
	for (uint32_t bit = 1; i != 0 && bit != 0; bit <<= 1) {
		if (!(mask & bit))
			continue;
		if (i & 1)
			*bits |= bit;
		i >>= 1;
	}
	return i == 0;
}

static enum axis_value axis_boundaries(const struct family *f, struct trial *t,
				       unsigned i)
{
	uint32_t mask = 0;
	uint32_t bits;

	for (unsigned b = 0; b < BLOCKS_MAX && f->boundaries; b++)
		if (t->block[b].kind == KIND_MAPPED)
			mask |= 1u << b;
	if (!spread(mask, i, &bits))
		return AXIS_END;
	for (unsigned b = 0; b < BLOCKS_MAX; b++)
		t->block[b].boundary = bits >> b & 1;
	return AXIS_SET;
}

static enum axis_value axis_marks(const struct family *f, struct trial *t,
				  unsigned i)
{
	uint32_t bits;

	if (!f->marks)
		return i == 0 ? AXIS_SET : AXIS_END;
	if (!spread((1u << BLOCKS_MAX) - 1, i, &bits))
		return AXIS_END;
	for (unsigned b = 0; b < BLOCKS_MAX; b++)
		t->block[b].mark = bits >> b & 1;
	return AXIS_SET;
}

static enum axis_value axis_bad(const struct family *f, struct trial *t,
				unsigned i)
{
	uint32_t mask = 0;

	for (unsigned b = 0; b < BLOCKS_MAX && f->bad; b++)
		if (t->block[b].kind == KIND_MAPPED && t->block[b].queue == 0)
			mask |= 1u << t->block[b].device;
	return spread(mask, i, &t->bad) ? AXIS_SET : AXIS_END;
}

/** An axis of small numbers. */
static enum axis_value set_number(uint32_t mask, unsigned i, uint8_t *number)
{
	int value = pick(mask, i);

	if (value < 0)
		return AXIS_END;
	*number = (uint8_t)value;
	return AXIS_SET;
}

static enum axis_value set_flag(uint32_t mask, unsigned i, bool *flag)
{
	int value = pick(mask, i);

	if (value < 0)
		return AXIS_END;
	*flag = value != 0;
	return AXIS_SET;
}

static enum axis_value axis_slices(const struct family *f, struct trial *t,
				   unsigned i)
{
	return set_number(f->slices, i, &t->slices);
}

static enum axis_value axis_layout(const struct family *f, struct trial *t,
				   unsigned i)
{
	return set_number(f->layouts, i, &t->layout);
}

static enum axis_value axis_engine(const struct family *f, struct trial *t,
				   unsigned i)
{
	return set_number(f->engines, i, &t->engine);
}

static enum axis_value axis_late(const struct family *f, struct trial *t,
				 unsigned i)
{
	return set_flag(f->late, i, &t->late);
}

static enum axis_value axis_isolate(const struct family *f, struct trial *t,
				    unsigned i)
{
	enum axis_value value = set_flag(f->no_isolation, i, &t->isolate);

	t->isolate = !t->isolate;
	return value;
}

static enum axis_value axis_single(const struct family *f, struct trial *t,
				   unsigned i)
{
	enum axis_value value = set_flag(f->singles, i, &t->single);

	if (value == AXIS_SET && t->single && t->page_count > 1)
		return AXIS_SKIP;
	return value;
}

static enum axis_value axis_sync(const struct family *f, struct trial *t,
				 unsigned i)
{
	enum axis_value value = set_flag(f->no_sync, i, &t->sync);

	t->sync = !t->sync && f->op == TRIAL_WRITE;
	return value;
}

static enum axis_value axis_nr(const struct family *f, struct trial *t,
			       unsigned i)
{
	enum axis_value value;

	if (f->op == TRIAL_READ)
		return i == 0 ? AXIS_SET : AXIS_END;
	value = set_number(f->nrs, i, &t->nr);
	t->nr = t->nr == 0 ? WRITE_ALL_PAGES : (uint8_t)(t->nr - 1);
	return value;
}

static enum axis_value axis_states(const struct family *f, struct trial *t,
				   unsigned i)
{
	static const uint8_t pages[] = {0, 0x3f, 0x15, 0x2a};
	enum axis_value value = set_number(f->states, i, &t->states);

	t->states = pages[t->states % 4];
	return value;
}

struct choice {
	uint8_t pieces;
	uint8_t halves; /* of a block */
};

static enum axis_value set_choice(const struct choice *list, unsigned count,
				  unsigned i, struct trial *t)
{
	if (i >= count)
		return AXIS_END;
	t->pieces_max = list[i].pieces;
	t->parts_max = 0;
	t->bytes_max = list[i].halves * t->block_size / 2;
	return AXIS_SET;
}

/** The product of limits: pieces, parts (not below pieces), bytes. */
static enum axis_value set_product(unsigned i, struct trial *t)
{
	static const uint8_t numbers[] = {0, 1, 2, 3, 8};

	t->pieces_max = numbers[i % 5];
	t->parts_max = numbers[i / 5 % 5];
	t->bytes_max = i / 25 % 4 * t->block_size;
	if (i >= 5 * 5 * 4)
		return AXIS_END;
	if (t->parts_max != 0 &&
	    (t->pieces_max == 0 || t->parts_max < t->pieces_max))
		return AXIS_SKIP;
	return AXIS_SET;
}

/*
 * An I/O of n blocks has at most n pieces. So of the product of 1, 2, 3 or 8
 * pieces and 1, 2, 3 or any blocks only ten can differ.
 */
static enum axis_value axis_limits(const struct family *f, struct trial *t,
				   unsigned i)
{
	static const struct choice few[] = {{0, 0}, {2, 6}, {1, 4}};
	static const struct choice different[] = {
		{1, 0}, {2, 0}, {3, 0}, {8, 0}, {1, 6},
		{2, 6}, {3, 6}, {1, 4}, {2, 4}, {1, 2},
	};
	static const struct choice halves[] = {
		{0, 3}, {0, 5}, {2, 3}, {1, 1}, {2, 7}};

	switch (f->limits) {
	case LIMITS_NONE:
		return set_choice(few, 1, i, t);
	case LIMITS_FEW:
		return set_choice(few, 3, i, t);
	case LIMITS_DIFFERENT:
		return set_choice(different, 10, i, t);
	case LIMITS_PRODUCT:
		return set_product(i, t);
	default:
		return set_choice(halves, 5, i, t);
	}
}

axis_fn *const axes[] = {
	axis_size,       axis_device, axis_shape, axis_page_states,
	axis_boundaries, axis_marks,  axis_bad,   axis_slices,
	axis_layout,     axis_engine, axis_late,  axis_isolate,
	axis_single,     axis_sync,   axis_nr,    axis_states,
	axis_limits,
};

const unsigned axis_count = sizeof(axes) / sizeof(axes[0]);

/* SPDX-License-Identifier: MIT */
/*
 * Families of trials: which values each axis of a product takes.
 */
#ifndef ENUMERATE_FAMILIES_H
#define ENUMERATE_FAMILIES_H

#include "enumerate.h"

/** The sets of limits; enumerate_axes.c lists them. */
enum limits_set {
	LIMITS_NONE,
	LIMITS_FEW,
	LIMITS_DIFFERENT,
	LIMITS_PRODUCT,
	LIMITS_HALVES
};

/** The shapes of pages; enumerate_axes.c lists them. */
enum {
	SHAPES = 19,
	SHAPES_ALL = (1 << SHAPES) - 1,
	SHAPES_THREE = (1 << 16) - 1, /* of up to three pages */
	SHAPES_TWO = 1 | 2,
	SHAPES_SOME = 1 | 2 | 4 | 1 << 10 | 1 << 15 | 1 << 16
};

/** Which states each page takes. */
enum page_states {
	STATES_WANTED,
	STATES_ANY, /* but PAGE_BUSY */
	STATES_BUSY /* that too */
};

/** A mask has a bit for each value; 0 is bit 0 alone. */
struct family {
	const char *name;
	const char *about;
	enum trial_op op;
	unsigned quick; /* --quick: each so-many-th word */
	/*
	 * The letters of the words, or NULL: every map onto the device.
	 *
	 *     -  hole, clean          H  hole, dirty
	 *     a  mapped, adjacent     j  mapped, elsewhere
	 *     c  the same as a, but clean
	 *     n  new, adjacent        N  new, elsewhere
	 *     w  unwritten, adjacent  x  adjacent by number, other device
	 *     u  filled               i  filled, on no device
	 *     F  get_block fails
	 */
	const char *letters;
	uint32_t sizes;   /* of the file, in half blocks; 0: full */
	uint32_t devices; /* their sizes, in half blocks; 0: full */
	uint32_t shapes;  /* of pages; 0: two blocks, two, two */
	uint32_t slices;
	uint32_t layouts;
	uint32_t engines;
	uint32_t late;
	uint32_t no_isolation;
	uint32_t singles;
	uint32_t no_sync;
	uint32_t nrs;    /* bit 0: WRITE_ALL_PAGES, bit i: i - 1 */
	uint32_t states; /* per-block state; bit 0: none, bit 1: all
			  * pages, bit 2: even ones, bit 3: odd ones */
	bool boundaries; /* every set of them */
	bool marks;      /* read: every set of uptodate blocks */
	bool bad;        /* every set of bad blocks */
	enum page_states page_states;
	enum limits_set limits;
	uint32_t block_size; /* 0: 512 */
};

extern const struct family families[];
extern const unsigned family_count;

/** How many words there are, those that make no sense counted too. */
uint64_t family_words(const struct family *f);

/**
 * Begin a trial from a word.
 *
 * @return whether there is such a word
 */
bool family_begin(const struct family *f, uint64_t word, struct trial *t);

enum axis_value {
	AXIS_SET,
	AXIS_SKIP, /* this value makes no sense here */
	AXIS_END   /* there is no such value */
};

/** Give an axis its value number `i`. */
typedef enum axis_value axis_fn(const struct family *f, struct trial *t,
				unsigned i);

/** The axes, in the order in which they must be set. */
extern axis_fn *const axes[];
extern const unsigned axis_count;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the simulated disk and the filters share of rules: which of them fire
 * for an I/O, and what they come to together.
 */
#ifndef MPIO_BACKENDS_FAULT_PRIVATE_H
#define MPIO_BACKENDS_FAULT_PRIVATE_H

#include <mpio/bio.h>
#include <mpio/fault.h>
#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Actions that move an I/O's bytes in a way of their own. */
#define MPIO__FAULT_MOVES                                                      \
	(MPIO_FAULT_SHORT | MPIO_FAULT_TORN | MPIO_FAULT_DROP |                \
	 MPIO_FAULT_MISDIRECT | MPIO_FAULT_LOSE)

/* Actions that no filter has. */
#define MPIO__FAULT_OF_SIM (MPIO_FAULT_CUT | MPIO_FAULT_LOSE)

/* What all rules that fired for an I/O ask for. All zero: nothing. */
struct mpio__verdict {
	uint32_t rules;   /* bit i: the i-th fired */
	uint32_t actions; /* MPIO_FAULT_* actions */
	int32_t error;
	uint32_t short_by;
	uint32_t bit;
	uint64_t sectors;
	uint64_t shift;
	uint64_t delay;
};

/* A number from a seed; the seed moves on. */
uint64_t mpio__random(uint64_t *seed);
/* One below `n`, which is not 0. */
uint32_t mpio__random_below(uint64_t *seed, uint32_t n);

/* Begin anew with a set of rules: nothing seen, nothing fired. */
void mpio__faults_reset(struct mpio_faults *faults);
/* Whether a rule can be, but for what a set has no room for. */
bool mpio__fault_is_sound(const struct mpio_fault_rule *rule);
/* An event has happened to a bio: add what that asks for. */
void mpio__faults_ask(struct mpio_faults *faults, uint64_t *seed,
		      uint32_t event, const struct mpio_bio *bio,
		      struct mpio__verdict *verdict);
/* A bit of an I/O's bytes is inverted: the one that `bit` comes to. */
void mpio__fault_flip(const struct mpio_bio *bio, uint32_t bit);
/* Whether the i-th sector of an I/O is moved. */
static inline bool mpio__fault_has_sector(const struct mpio__verdict *verdict,
					  uint64_t i)
{
	return (verdict->actions & MPIO_FAULT_TORN) == 0 ||
	       (verdict->sectors >> (i & 63) & 1) != 0;
}

/*
 * The same as mpio_faults_parse(), up to the first word that belongs to no
 * rule; `rest` is what stands there.
 */
int mpio__faults_parse_some(struct mpio_faults *faults, const char *text,
			    const char **rest, struct mpio_fault_error *error);
/* The names of the bits of `actions`, with blanks between them. */
struct mpio__put;
void mpio__put_actions(struct mpio__put *put, uint32_t actions);

#pragma GCC visibility pop

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Fault rules: which of them fire. A rule looks at an I/O in four steps, its
 * event and state, its range, its count, its luck; the first step that says no
 * ends it, so that what is drawn from the seed depends on nothing that has no
 * part in it.
 */
#include "fault_private.h"
#include "put.h"

#include <mpio/error.h>

#define CERTAIN 1000000000u

/* ---- Chance ------------------------------------------------------------- */

/* These are meant to wrap round; no other sum or product of ours is. */
static uint64_t add_modulo(uint64_t a, uint64_t b)
{
	uint64_t sum;

	(void)__builtin_add_overflow(a, b, &sum);
	return sum;
}

static uint64_t mul_modulo(uint64_t a, uint64_t b)
{
	uint64_t product;

	(void)__builtin_mul_overflow(a, b, &product);
	return product;
}

uint64_t mpio__random(uint64_t *seed)
{
	uint64_t x = add_modulo(*seed, 0x9e3779b97f4a7c15u);

	*seed = x;
	x = mul_modulo(x ^ x >> 30, 0xbf58476d1ce4e5b9u);
	x = mul_modulo(x ^ x >> 27, 0x94d049bb133111ebu);
	return x ^ x >> 31;
}

uint32_t mpio__random_below(uint64_t *seed, uint32_t n)
{
	return (uint32_t)((mpio__random(seed) >> 32) * n >> 32);
}

/* ---- Rules that can be -------------------------------------------------- */

/* What an event may lead to; what makes no sense for one is a mistake. */
static uint32_t suitable(uint32_t event)
{
	const uint32_t always = MPIO_FAULT_ERRNO | MPIO_FAULT_DELAY |
				MPIO_FAULT_REORDER | MPIO_FAULT_DUP |
				MPIO_FAULT_NEVER | MPIO_FAULT_HOLD |
				MPIO_FAULT_CUT | MPIO_FAULT_SET;
	const uint32_t moved = MPIO_FAULT_SHORT | MPIO_FAULT_TORN |
			       MPIO_FAULT_MISDIRECT | MPIO_FAULT_FLIP;
	const uint32_t before = MPIO_FAULT_DROP | MPIO_FAULT_INLINE;

	switch (event) {
	case MPIO_FAULT_ON_READ:
	case MPIO_FAULT_ON_WRITE:
	case MPIO_FAULT_ON_SUBMIT:
		return always | moved | before;
	case MPIO_FAULT_ON_FLUSH:
		return always | before | MPIO_FAULT_LOSE;
	case MPIO_FAULT_ON_DISCARD:
		return always | before;
	case MPIO_FAULT_ON_COMPLETE:
		return always | MPIO_FAULT_SHORT;
	default:
		return 0;
	}
}

bool mpio__fault_is_sound(const struct mpio_fault_rule *rule)
{
	uint32_t actions = rule->actions;

	if (actions == 0 || (actions & ~suitable(rule->event)) != 0)
		return false;
	if ((rule->flags & ~(MPIO_FAULT_ONCE | MPIO_FAULT_STICKY)) != 0 ||
	    rule->flags == (MPIO_FAULT_ONCE | MPIO_FAULT_STICKY))
		return false;
	if ((actions & MPIO_FAULT_ERRNO) != 0 &&
	    (rule->error <= 0 || rule->error > 4095))
		return false;
	if ((actions & MPIO_FAULT_SET) != 0 && rule->next_state == 0)
		return false;
	if ((actions & MPIO_FAULT_SHORT) != 0 && rule->short_by == 0)
		return false;
	return rule->probability <= CERTAIN && rule->every >> 63 == 0 &&
	       rule->delay >> 62 == 0 && rule->shift >> 62 == 0 &&
	       rule->length <= UINT64_MAX - rule->offset;
}

int mpio_faults_add(struct mpio_faults *faults,
		    const struct mpio_fault_rule *rule)
{
	struct mpio_fault_rule *own;

	if (!mpio__fault_is_sound(rule))
		return -MPIO_EINVAL;
	if (faults->count >= MPIO_FAULT_RULES_MAX)
		return -MPIO_ENOSPC;
	own = &faults->rules[faults->count++];
	*own = *rule;
	own->seen = 0;
	own->fired = 0;
	return 0;
}

void mpio__faults_reset(struct mpio_faults *faults)
{
	for (uint32_t i = 0; i < faults->count; i++) {
		faults->rules[i].seen = 0;
		faults->rules[i].fired = 0;
	}
	faults->state = faults->state != 0 ? faults->state : 1;
}

/* ---- Rules that fire ---------------------------------------------------- */

static bool touches(const struct mpio_fault_rule *rule,
		    const struct mpio_bio *bio)
{
	if (rule->length == 0)
		return true;
	return bio->op != MPIO_BIO_FLUSH &&
	       bio->offset < rule->offset + rule->length &&
	       rule->offset < bio->offset + bio->length;
}

/* Whether it is the turn of the one that was seen last. */
static bool is_turn(const struct mpio_fault_rule *rule)
{
	if (rule->seen < rule->nth)
		return false;
	if (rule->every != 0)
		return mpio__rest(rule->seen - rule->nth, rule->every) == 0;
	return rule->nth == 0 || rule->seen == rule->nth;
}

static bool fires(struct mpio_fault_rule *rule, uint64_t *seed)
{
	bool again = rule->fired != 0;

	rule->seen++;
	if (again && (rule->flags & MPIO_FAULT_ONCE) != 0)
		return false;
	if (again && (rule->flags & MPIO_FAULT_STICKY) != 0)
		return true;
	return is_turn(rule) &&
	       (rule->probability == 0 || rule->probability == CERTAIN ||
		mpio__random_below(seed, CERTAIN) < rule->probability);
}

static void add(struct mpio__verdict *verdict,
		const struct mpio_fault_rule *rule)
{
	uint32_t actions = rule->actions;

	verdict->actions |= actions;
	if ((actions & MPIO_FAULT_ERRNO) != 0)
		verdict->error = rule->error;
	if ((actions & MPIO_FAULT_SHORT) != 0)
		verdict->short_by = rule->short_by;
	if ((actions & MPIO_FAULT_TORN) != 0)
		verdict->sectors = rule->sectors;
	if ((actions & MPIO_FAULT_MISDIRECT) != 0)
		verdict->shift = rule->shift;
	if ((actions & MPIO_FAULT_FLIP) != 0)
		verdict->bit = rule->bit;
	if ((actions & MPIO_FAULT_DELAY) != 0)
		verdict->delay = rule->delay;
}

void mpio__faults_ask(struct mpio_faults *faults, uint64_t *seed,
		      uint32_t event, const struct mpio_bio *bio,
		      struct mpio__verdict *verdict)
{
	/* A rule that changes the state does not make others of its own time
	 * fire or fail. */
	uint32_t state = faults->state;

	for (uint32_t i = 0; i < faults->count; i++) {
		struct mpio_fault_rule *rule = &faults->rules[i];

		if (rule->event != event || !touches(rule, bio) ||
		    (rule->state != 0 && rule->state != state) ||
		    !fires(rule, seed))
			continue;
		rule->fired++;
		verdict->rules |= 1u << i;
		add(verdict, rule);
		if ((rule->actions & MPIO_FAULT_SET) != 0)
			faults->state = rule->next_state;
	}
}

void mpio__fault_flip(const struct mpio_bio *bio, uint32_t bit)
{
	const struct mpio_iovec *vec = bio->vecs;
	uint64_t left = mpio__rest(bit / 8, bio->length);
	unsigned char *byte;

	while (left >= vec->length)
		left -= vec++->length;
	byte = vec->base;
	byte[left] = (unsigned char)(byte[left] ^ 1u << bit % 8);
}

/* SPDX-License-Identifier: MIT */
/*
 * Swarm: each seed has some kinds of faults, and none of the others, so that
 * what hides behind one of them is seen as well.
 */
#include "sim.h"

const char *const kind_names[KINDS] = {
	[KIND_READ] = "read",         [KIND_WRITE] = "write",
	[KIND_FLUSH] = "flush",       [KIND_SHORT] = "short",
	[KIND_TORN] = "torn",         [KIND_BAD] = "bad",
	[KIND_REFUSED] = "refused",   [KIND_PASSING] = "passing",
	[KIND_COMPLETE] = "complete", [KIND_FLIP] = "flip",
	[KIND_DELAY] = "delay",       [KIND_REORDER] = "reorder",
	[KIND_DUP] = "dup",           [KIND_INLINE] = "inline",
	[KIND_HOLD] = "hold",         [KIND_NEVER] = "never",
	[KIND_CUT] = "cut",           [KIND_MAP] = "map",
	[KIND_FULL] = "full",         [KIND_LIE] = "lie",
	[KIND_HOOK] = "hook",         [KIND_MEMORY] = "memory",
};

/* What changes the order of things only. */
#define HARMLESS                                                               \
	(1u << KIND_DELAY | 1u << KIND_REORDER | 1u << KIND_DUP |              \
	 1u << KIND_INLINE | 1u << KIND_PASSING)

/* ---- Choosing ----------------------------------------------------------- */

void faults_choose(void)
{
	uint32_t how = below(10);

	world.kinds = 0;
	for (unsigned i = 0; i < KINDS; i++)
		world.kinds |= (uint32_t)chance(how < 8 ? 20 : 45) << i;
	if (how < 2)
		world.kinds &= HARMLESS;
	if (how == 2)
		world.kinds = 0;
	if (how == 3)
		world.kinds = 1u << KIND_BAD | (world.kinds & HARMLESS);
	/* A part of a block is read before it is written, and nobody looks at
	 * what was read. */
	if (world.is_odd)
		world.kinds &= ~(1u << KIND_FLIP);
	/* What was in flight needs memory to be remembered. */
	if (has_kind(KIND_CUT) || has_kind(KIND_NEVER))
		world.kinds &= ~(1u << KIND_MEMORY);
}

bool faults_are_bad_blocks(void)
{
	return (world.kinds & ~HARMLESS) == 1u << KIND_BAD;
}

bool has_kind(enum kind kind)
{
	return !world.calm && (world.kinds >> kind & 1) != 0;
}

static const int32_t errors[] = {
	MPIO_EIO,    MPIO_EIO,     MPIO_EIO,       MPIO_ENXIO,
	MPIO_EILSEQ, MPIO_ENODATA, MPIO_EREMOTEIO,
};

static int32_t some_error(void)
{
	return errors[below(sizeof(errors) / sizeof(errors[0]))];
}

static uint32_t some_bytes(void)
{
	uint32_t n = world.sector * (1 + below(4));

	return chance(80) ? n : 1 + below(n);
}

/* Add a rule, and remember what it is for. */
static void add(struct volume *volume, enum kind kind,
		struct mpio_fault_rule rule)
{
	struct mpio_faults *faults = &volume->rules;

	if (!has_kind(kind) || faults->count == MPIO_FAULT_RULES_MAX)
		return;
	if (rule.probability == 0 && rule.nth == 0 && rule.length == 0)
		rule.probability = 10000000 * (1 + below(12));
	volume->rule_kinds[faults->count] = (uint8_t)kind;
	CHECK(mpio_faults_add(faults, &rule) == 0);
}

/* An I/O that fails. */
static void add_error(struct volume *volume, enum kind kind, uint32_t event)
{
	add(volume, kind,
	    (struct mpio_fault_rule){
		    .event = event,
		    .actions = MPIO_FAULT_ERRNO,
		    .probability = kind == KIND_FLUSH ? 300000000 : 0,
		    .error = some_error(),
	    });
}

static void add_errors(struct volume *volume)
{
	uint64_t from = below(MAPS_BYTES / 2) & ~(world.sector - 1);

	add_error(volume, KIND_READ, MPIO_FAULT_ON_READ);
	add_error(volume, KIND_WRITE, MPIO_FAULT_ON_WRITE);
	add_error(volume, KIND_FLUSH, MPIO_FAULT_ON_FLUSH);
	add_error(volume, KIND_REFUSED, MPIO_FAULT_ON_SUBMIT);
	add_error(volume, KIND_COMPLETE, MPIO_FAULT_ON_COMPLETE);
	add(volume, KIND_TORN,
	    (struct mpio_fault_rule){
		    .event = MPIO_FAULT_ON_WRITE,
		    .actions = MPIO_FAULT_ERRNO | MPIO_FAULT_TORN,
		    .sectors = 1 + sim_random() / 2,
		    .error = MPIO_EIO,
	    });
	if (!has_kind(KIND_BAD))
		return;
	volume->bad_from = from;
	volume->bad_end = from + (uint64_t)world.sector * (1 + below(3));
	add(volume, KIND_BAD,
	    (struct mpio_fault_rule){
		    .event = MPIO_FAULT_ON_READ,
		    .actions = MPIO_FAULT_ERRNO,
		    .offset = volume->from + from,
		    .length = volume->bad_end - from,
		    .error = MPIO_EIO,
	    });
}

/* So seldom that no I/O meets as many as the library has patience for. */
static void add_passing(struct volume *volume)
{
	static const uint32_t events[] = {
		MPIO_FAULT_ON_SUBMIT, MPIO_FAULT_ON_READ, MPIO_FAULT_ON_WRITE};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		add(volume, KIND_PASSING,
		    (struct mpio_fault_rule){
			    .event = events[i],
			    .actions = MPIO_FAULT_ERRNO,
			    .probability = 40000000,
			    .error = chance(50) ? MPIO_EAGAIN : MPIO_EINTR,
		    });
}

/* I/Os that are done, and are told of otherwise than most. */
static void add_manners(struct volume *volume)
{
	static const struct {
		enum kind kind;
		uint32_t event;
		uint32_t action;
	} manners[] = {
		{KIND_SHORT, MPIO_FAULT_ON_READ, MPIO_FAULT_SHORT},
		{KIND_SHORT, MPIO_FAULT_ON_WRITE, MPIO_FAULT_SHORT},
		{KIND_DELAY, MPIO_FAULT_ON_SUBMIT, MPIO_FAULT_DELAY},
		{KIND_REORDER, MPIO_FAULT_ON_SUBMIT, MPIO_FAULT_REORDER},
		{KIND_DUP, MPIO_FAULT_ON_SUBMIT, MPIO_FAULT_DUP},
		{KIND_INLINE, MPIO_FAULT_ON_SUBMIT, MPIO_FAULT_INLINE},
		{KIND_HOLD, MPIO_FAULT_ON_SUBMIT, MPIO_FAULT_HOLD},
		{KIND_FLIP, MPIO_FAULT_ON_READ, MPIO_FAULT_FLIP},
	};

	for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
		struct mpio_fault_rule rule = {
			.event = manners[i].event,
			.actions = manners[i].action,
			.probability = 50000000 * (1 + below(10)),
			.short_by = some_bytes(),
			.delay = 1000 * (1 + below(500)),
			.bit = below(1u << 16),
		};

		if (manners[i].kind == KIND_HOLD)
			rule.probability = 10000000;
		if (manners[i].kind == KIND_FLIP)
			rule.probability = 100000000;
		add(volume, manners[i].kind, rule);
	}
}

/* What happens once. */
static void add_ends(struct volume *volume)
{
	add(volume, KIND_NEVER,
	    (struct mpio_fault_rule){
		    .event = chance(50) ? MPIO_FAULT_ON_SUBMIT
					: MPIO_FAULT_ON_COMPLETE,
		    .actions = MPIO_FAULT_NEVER,
		    .flags = MPIO_FAULT_ONCE,
		    .nth = 1 + below(80),
	    });
	add(volume, KIND_CUT,
	    (struct mpio_fault_rule){
		    .event = MPIO_FAULT_ON_READ + below(6),
		    .actions = MPIO_FAULT_CUT,
		    .flags = MPIO_FAULT_ONCE,
		    .nth = 1 + below(chance(50) ? 100 : 15),
	    });
}

void faults_make_rules(struct volume *volume)
{
	add_errors(volume);
	add_passing(volume);
	add_manners(volume);
	add_ends(volume);
}

/* Nothing fails: these rules cannot be taken back. */
void faults_make_filter(struct mpio_faults *faults)
{
	static const uint32_t actions[] = {MPIO_FAULT_DUP, MPIO_FAULT_REORDER,
					   MPIO_FAULT_INLINE};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct mpio_fault_rule rule = {
			.event = MPIO_FAULT_ON_SUBMIT,
			.actions = actions[i],
			.probability = 200000000,
		};

		CHECK(mpio_faults_add(faults, &rule) == 0);
	}
}

/* ---- What happened ------------------------------------------------------ */

void fault_note(enum kind kind)
{
	totals.kinds[kind]++;
	world.faults++;
}

bool fault_now(enum kind kind, uint32_t percent)
{
	if (!has_kind(kind) || !chance(percent))
		return false;
	fault_note(kind);
	return true;
}

void fault_note_rules(const struct volume *volume, uint32_t rules)
{
	for (uint32_t i = 0; i < MPIO_FAULT_RULES_MAX; i++) {
		enum kind kind = (enum kind)volume->rule_kinds[i];

		if ((rules >> i & 1) == 0)
			continue;
		if (kind == KIND_PASSING)
			totals.kinds[kind]++;
		else
			fault_note(kind);
		if (kind == KIND_HOLD || kind == KIND_NEVER)
			world.is_stuck = true;
	}
}

bool fault_is_passing(int error)
{
	return error == -MPIO_EAGAIN || error == -MPIO_EINTR;
}

bool fault_is_device(int error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (error == -errors[i])
			return true;
	}
	return fault_is_passing(error) || error == -MPIO_ENOSPC ||
	       error == -MPIO_EUCLEAN || error == -MPIO_ENOMEM ||
	       error == -MPIO_ETIMEDOUT || error == -MPIO_EDEADLK;
}

void sim_allow(int error)
{
	CHECK(error < 0 && fault_is_device(error));
	CHECK(world.faults != world.before || world.is_stuck);
}

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Fault rules: what is to go wrong with which I/O, as structs and as text.
 *
 * The simulated disk (mpio/simdisk.h) and the filter `fault` (mpio/filters.h)
 * keep to them. As text, a rule is an event and fields, with ':' between them;
 * rules are parted by ',':
 *
 *     write:nth=7:errno=EIO:sticky
 *     read:range=1M+64K:p=0.01:flip=3,flush:every=3:drop
 *
 *     event        of I/Os             fields that say when
 *     read         as they come        nth=N        the N-th of them
 *     write                            every=N      each N-th (with nth: from
 *     flush                                         that one on)
 *     discard                          p=0.25       so often, by the seed
 *     submit       any; before the     range=OFFSET+LENGTH  those that touch
 *                  four above                       these bytes
 *     complete     any; it was done,   state=N      only in this state; the
 *                  and is to be ended               first one is 1
 *                                      once         not more than once
 *                                      sticky       always, once it has fired
 *
 *     field            what happens
 *     errno=EIO        it fails, by a name or a number, and is not done; at
 *                      `submit` it is not taken, at `complete` it was done
 *     short=N          the last N bytes are not moved, and it says so; the
 *                      filter `fault` moves whole blocks only
 *     torn=MASK        bit i of MASK: sector i of it is moved; the 65th sector
 *                      is bit 0 again. It says that all is well
 *     drop             it is not done, and says that all is well
 *     misdirect=N      it is done N bytes further on (round the device's end)
 *     flip=N           bit N of its bytes is inverted (round its end)
 *     delay=5ms        it takes so much longer: ns, us, ms, s; none: ns
 *     reorder          it ends behind all that is in flight on its channel
 *     dup              it ends twice
 *     never            it does not end
 *     inline           it ends inside submit
 *     hold             it is held until it is let go: a break point. At
 *                      `complete` it was done before, else it was not
 *     cut              the power fails with it in flight (simdisk alone)
 *     lose             a flush loses what it should make durable (simdisk
 *                      alone): with errno=EIO, one that must not be repeated
 *     set=N            go to state N
 *
 * All fields of a rule count together, and so do all rules that fire for one
 * I/O; of two numbers for one action the later counts. `errno` with one of
 * short, torn, drop, misdirect or lose: that is done, and then it fails.
 * Numbers are decimal, or hexadecimal behind 0x; bytes may have K, M, G or T
 * behind them.
 */
#ifndef MPIO_FAULT_H
#define MPIO_FAULT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mpio_fault_event {
	MPIO_FAULT_ON_READ, /* in the order of enum mpio_bio_op */
	MPIO_FAULT_ON_WRITE,
	MPIO_FAULT_ON_FLUSH,
	MPIO_FAULT_ON_DISCARD,
	MPIO_FAULT_ON_SUBMIT,
	MPIO_FAULT_ON_COMPLETE
};

/* Actions of a rule. */
#define MPIO_FAULT_ERRNO (1u << 0) /* `error` */
#define MPIO_FAULT_SHORT (1u << 1) /* `short_by` */
#define MPIO_FAULT_TORN (1u << 2)  /* `sectors` */
#define MPIO_FAULT_DROP (1u << 3)
#define MPIO_FAULT_MISDIRECT (1u << 4) /* `shift` */
#define MPIO_FAULT_FLIP (1u << 5)      /* `bit` */
#define MPIO_FAULT_DELAY (1u << 6)     /* `delay` */
#define MPIO_FAULT_REORDER (1u << 7)
#define MPIO_FAULT_DUP (1u << 8)
#define MPIO_FAULT_NEVER (1u << 9)
#define MPIO_FAULT_INLINE (1u << 10)
#define MPIO_FAULT_HOLD (1u << 11)
#define MPIO_FAULT_CUT (1u << 12)
#define MPIO_FAULT_SET (1u << 13) /* `next_state` */
#define MPIO_FAULT_LOSE (1u << 14)

/* Flags of a rule. */
#define MPIO_FAULT_ONCE (1u << 0)
#define MPIO_FAULT_STICKY (1u << 1)

/** A rule. What is 0 does not matter; `event` and `actions` must be there. */
struct mpio_fault_rule {
	uint32_t event;       /* enum mpio_fault_event */
	uint32_t actions;     /* MPIO_FAULT_* actions, above */
	uint32_t flags;       /* MPIO_FAULT_ONCE, MPIO_FAULT_STICKY */
	uint32_t state;       /* it counts in */
	uint32_t next_state;  /* not 0, with SET */
	uint32_t probability; /* of 1,000,000,000 */
	uint64_t nth;
	uint64_t every;
	uint64_t offset; /* bytes; of the range */
	uint64_t length; /* bytes; 0: the whole device, and flushes */
	int32_t error;   /* enum mpio_error, positive */
	uint32_t bit;
	uint32_t short_by; /* bytes */
	uint64_t sectors;  /* a mask */
	uint64_t shift;    /* bytes, a multiple of the logical block */
	uint64_t delay;    /* ns */
	/* Counted, and set to 0 when the rule is taken into use. */
	uint64_t seen;  /* I/Os of its event, range and state */
	uint64_t fired; /* of them */
};

/** The most rules in a set. */
#define MPIO_FAULT_RULES_MAX 16u

/** A set of rules. All zero is an empty one. */
struct mpio_faults {
	struct mpio_fault_rule rules[MPIO_FAULT_RULES_MAX];
	uint32_t count;
	uint32_t state; /* the state it is in; 0 counts as 1 */
};

/** What is wrong with a text. */
struct mpio_fault_error {
	size_t at;       /* bytes from the beginning of the text */
	const char *why; /* a few words; a constant string */
};

/**
 * Read rules, and add them to a set.
 *
 * @param faults  gets the rules behind those that it has; untouched on failure
 * @param text    one rule or several
 * @param[out] error  what is wrong, on failure; NULL: of no interest
 * @return 0, or
 * @retval -MPIO_EINVAL  the text is no rule, or one that cannot be
 * @retval -MPIO_ENOSPC  there would be too many
 */
int mpio_faults_parse(struct mpio_faults *faults, const char *text,
		      struct mpio_fault_error *error);

/**
 * Add a rule to a set.
 *
 * @param faults  gets a copy, with its counters at 0
 * @param rule    as it would be read from a text
 * @return 0, or
 * @retval -MPIO_EINVAL  the rule cannot be: no action, an action that does not
 *                       suit its event, a number that is out of range
 * @retval -MPIO_ENOSPC  there are too many
 */
int mpio_faults_add(struct mpio_faults *faults,
		    const struct mpio_fault_rule *rule);

/**
 * Write rules as text that mpio_faults_parse() reads as the same rules.
 *
 * @param faults  any; what was counted is not written
 * @param[out] text  as much of it as there is room for, ended by a NUL; may be
 *                   NULL if `size` is 0
 * @param size    bytes of room
 * @return bytes of the whole text, without the NUL
 */
size_t mpio_faults_print(const struct mpio_faults *faults, char *text,
			 size_t size);

#ifdef __cplusplus
}
#endif
#endif

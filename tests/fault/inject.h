/* SPDX-License-Identifier: MIT */
/*
 * Injecting faults: something is made to fail at its n-th event.
 *
 * Everything that may fail in a test asks inject() first. An injector strikes
 * at the n-th event of its fault's site, once or, if the fault is sticky, from
 * then on. A sweep lets n go up from 1 until nothing was struck any more.
 *
 * check() is for conditions in places that cmocka's assertions know too little
 * about: when it fails, it says which scenario, fault and n were tried.
 */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

#include <stdbool.h>
#include <stdint.h>

/* Where a fault strikes. */
enum site {
	SITE_ALLOC,     /* the allocator is called */
	SITE_CHANNEL,   /* a channel is opened */
	SITE_GET_BLOCK, /* get_block is called */
	SITE_ANSWER,    /* get_block has an answer (test_lies.c) */
	SITE_SUBMIT,    /* a bio is submitted */
	SITE_IO,        /* a read or a write ends */
	SITE_READ,      /* a read ends: the same event, after SITE_IO */
	SITE_WRITE,     /* a write ends: likewise */
	SITE_FLUSH,     /* a flush ends */
	SITE_DISCARD,   /* a discard ends */
	SITE_REAP,      /* the device is reaped */
	SITE_VERIFY,    /* the hooks of a mapping are called */
	SITE_SEAL,
	SITE_WRITTEN
};

/* What a fault does there. */
enum action {
	ACTION_STATUS,      /* `status` is the result */
	ACTION_PARTIAL,     /* only the first `bytes` are moved */
	ACTION_ALL_BUT_ONE, /* ... all bytes but the last */
	ACTION_END_TWICE,   /* the bio ends well, and then ends again */
	ACTION_ROT          /* the read ends well, but with wrong bytes */
};

/* What must come of it. */
enum outcome {
	OUTCOME_FREE,    /* the library may cure it, or tell it */
	OUTCOME_CURED,   /* nobody but the statistics learns of it */
	OUTCOME_VISIBLE, /* somebody is told an error */
	OUTCOME_REREAD   /* the same, unless there is another copy to read */
};

struct fault {
	const char *name;
	enum site site;
	enum action action;
	int status; /* 0 or a negative errno, as the site's caller has it */
	uint32_t bytes;
	bool sticky; /* from the n-th event on */
	enum outcome outcome;
};

struct injector {
	const struct fault *fault; /* NULL: nothing fails */
	uint64_t n;                /* the event that is struck, from 1 on */
	uint64_t seen;             /* events of the fault's site so far */
	uint64_t fired;
};

/* The fault, if it strikes at this event; else NULL. */
const struct fault *inject(struct injector *injector, enum site site);

/* Say what is being tried, as printf() does; told if a check fails. */
void now_trying(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define check(condition)                                                       \
	((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

/* End the program, with what was being tried, if it still runs by then. */
void watchdog(unsigned int seconds);

#endif

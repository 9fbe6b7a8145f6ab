/* SPDX-License-Identifier: MIT */
/*
 * What the sources of mpio_device_open() share.
 */
#ifndef MPIO_BACKENDS_OPEN_PRIVATE_H
#define MPIO_BACKENDS_OPEN_PRIVATE_H

#include <mpio/open.h>

#pragma GCC visibility push(hidden)

/* The function behind a scheme for files; NULL: there is none here. */
mpio_scheme_open_fn *mpio__backend_find(const char *name);

/* ---- Filters ------------------------------------------------------------ */

/* A URI that is being opened, with the schemes that it may name. */
struct mpio__opening {
	const struct mpio_scheme *schemes;
	size_t n;
	unsigned int depth; /* filters that stand above */
};

/* Open what stands behind a filter. */
int mpio__open_below(const struct mpio__opening *opening, const char *uri,
		     struct mpio_device **device);

/*
 * Open a filter by all that stands behind its ':', the URI of the device below
 * with its escapes and options among it; that may be cut.
 */
typedef int mpio__filter_open_fn(const struct mpio__opening *opening,
				 char *rest, struct mpio_device **device);

/* The function behind the scheme of a filter; NULL: there is none. */
mpio__filter_open_fn *mpio__filter_find(const char *name);

/* 'sim:' */
mpio_scheme_open_fn mpio__sim_open_uri;

/* A lock to spin on, for what threads may share; to be freed by free(). NULL:
 * no memory. */
struct mpio_sim_lock;
int mpio__lock_make(struct mpio_sim_lock *lock);

#pragma GCC visibility pop

#endif

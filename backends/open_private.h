/* SPDX-License-Identifier: MIT */
/*
 * What the two sources of mpio_device_open() share.
 */
#ifndef MPIO_BACKENDS_OPEN_PRIVATE_H
#define MPIO_BACKENDS_OPEN_PRIVATE_H

#include <mpio/open.h>

/* The function behind a scheme for files; NULL: there is none here. */
__attribute__((visibility("hidden"))) mpio_scheme_open_fn *
mpio__backend_find(const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* The version of libmpio: the one place where it is written. */
#ifndef MPIO_VERSION_H
#define MPIO_VERSION_H

#define MPIO_VERSION_MAJOR 0
#define MPIO_VERSION_MINOR 1
#define MPIO_VERSION_PATCH 0

#endif

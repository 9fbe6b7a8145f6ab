/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The version of libmpio: the one place where it is written.
 */
#ifndef MPIO_VERSION_H
#define MPIO_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

#define MPIO_VERSION_MAJOR 0
#define MPIO_VERSION_MINOR 1
#define MPIO_VERSION_PATCH 0

/**
 * Tell the version of the library that is linked, where the macros tell that
 * of the headers.
 *
 * @return a constant string such as "0.1.0"
 */
const char *mpio_version(void);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/* The version, in words. */
#include "internal.h"

#define WORDS(x) #x
#define VERSION(major, minor, patch)                                           \
	WORDS(major) "." WORDS(minor) "." WORDS(patch)

const char *mpio_version(void)
{
	return VERSION(MPIO_VERSION_MAJOR, MPIO_VERSION_MINOR,
		       MPIO_VERSION_PATCH);
}

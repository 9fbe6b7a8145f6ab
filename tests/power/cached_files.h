/* SPDX-License-Identifier: MIT */
/*
 * The files of a world in a cache.
 */
#ifndef POWER_CACHED_FILES_H
#define POWER_CACHED_FILES_H

#include "world.h"

struct mpio_cache *open_cached_files(struct world *world);
/* What is dirty is lost. */
void close_cached_files(struct world *world, struct mpio_cache *cache);

#endif

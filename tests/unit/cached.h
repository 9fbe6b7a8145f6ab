/* SPDX-License-Identifier: MIT */
/*
 * A cache on top of the mock rig: a file of pages of 4 blocks, block i of which
 * lies in block 100 + i of device a, as far as the test has mapped it.
 */
#ifndef CACHED_H
#define CACHED_H

#include "mock.h"

#include <mpio/cache.h>

#define PAGE (4 * BLOCK)

struct cached {
	struct rig *rig;
	struct mpio_cache_config config;
	struct mpio_cache *cache;
	void *memory;
	struct mpio_cache_mapping file;
	struct mpio_cache_mapping other; /* the same blocks, read only */
};

/* For cmocka: the state is a struct cached. */
int cached_set_up(void **state);
int cached_tear_down(void **state);
#define CACHED_TEST(name)                                                      \
	cmocka_unit_test_setup_teardown(name, cached_set_up, cached_tear_down)

/* Open queue, cache and file: `blocks` mapped ones, and so many frames. */
void cached_open(struct cached *cached, uint32_t blocks, uint32_t frames);

/* A page with all bytes; looked at, and put. */
void use_page(struct cached *cached, uint32_t index);
bool is_cached(struct cached *cached, uint32_t index);
/* So many frames have one. */
uint32_t cached_pages(struct cached *cached);
/* Write f-bytes of some blocks; or any bytes, which end up the same. */
int write_blocks(struct cached *cached, uint32_t first, uint32_t n);
int write_bytes(struct cached *cached, uint64_t pos, uint32_t length, int byte);
int read_byte(struct cached *cached, uint64_t pos);
int sync_file(struct cached *cached);

#endif

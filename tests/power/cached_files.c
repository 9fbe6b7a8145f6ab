/* SPDX-License-Identifier: MIT */
/*
 * The files of a world in a cache.
 */
#include "cached_files.h"

#include <mpio/open.h>

static const struct mpio_mapping_ops ops = {.get_block = file_get_block};

struct mpio_cache *open_cached_files(struct world *world)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_cache_config config = {
		.page_size = world->as.page,
		.frame_count = world->as.frames,
		.node_count = 16,
		.allocator = &allocator,
	};
	struct mpio_cache *cache;

	assert_int_equal(mpio_cache_open(&config, &cache), 0);
	for (uint32_t i = 0; i < world->as.files; i++) {
		struct file *file = &world->files[i];

		file->cached.mapping = (struct mpio_mapping){
			.ops = &ops,
			.size = file->size,
			.block_size = world->as.block,
		};
		assert_int_equal(mpio_cache_attach(cache, &file->cached), 0);
	}
	return cache;
}

void close_cached_files(struct world *world, struct mpio_cache *cache)
{
	(void)mpio_queue_drain(world->queue);
	for (uint32_t i = 0; i < world->as.files; i++) {
		struct mpio_cache_mapping *cached = &world->files[i].cached;

		assert_int_equal(
			mpio_cache_drop(cached, world->queue, 0, UINT64_MAX),
			0);
		assert_int_equal(mpio_cache_detach(cached, world->queue), 0);
	}
	mpio_cache_close(cache);
}

/* SPDX-License-Identifier: MIT */
/*
 * Cache: its configuration, its memory, its opening and closing.
 *
 * One piece of memory holds it all:
 *
 *     | cache | frame descriptors | beside | groups | nodes | slots | frames |
 *
 * The frames themselves may be given.
 */
#include "cache_private.h"

#define FRAME_ALIGNMENT 4096u
#define GROUP_BYTES 65536u
/* What is left to callbacks of a write-back that use the cache. */
#define KEEP_NODES 16u
#define KEEP_FRAMES 8u
/* What was read ahead and is kept until somebody comes for it. */
#define AHEAD_PERCENT 62u

/* A configuration with its defaults, and where what lies in the memory. */
struct layout {
	uint32_t page_size;
	uint32_t frame_count;
	uint32_t node_count;
	uint32_t group_shift;
	uint32_t group_count;
	size_t frames; /* bytes, from the start; with slack to align them */
	size_t beside;
	size_t groups;
	size_t nodes;
	size_t slots;
	size_t data; /* 0: given */
	size_t size;
	bool fits; /* all that was appended; else `size` is no size */
};

static void append(struct layout *layout, size_t *at, size_t count, size_t size)
{
	layout->size = (layout->size + 15) & ~(size_t)15;
	*at = layout->size;
	layout->fits &= mpio__size_add(&layout->size, count, size);
	layout->fits &=
		layout->size < SIZE_MAX - FRAME_ALIGNMENT - MPIO__LINE - 16;
}

static bool lay_out(const struct mpio_cache_config *config,
		    struct layout *layout)
{
	uint32_t frames = mpio__or_default(config->frame_count, 1024);

	*layout = (struct layout){
		.page_size = mpio__or_default(config->page_size, 4096),
		.frame_count = frames,
		.node_count = mpio__or_default(
			config->node_count,
			(uint32_t)mpio__min_u64((uint64_t)frames * 2 + 64,
						MPIO__NODES_MAX)),
		.size = sizeof(struct mpio_cache),
		.fits = true,
	};
	if (!mpio__is_power_of_two(layout->page_size) ||
	    layout->page_size < 512 || layout->page_size > 1u << 30 ||
	    frames > 1u << 31 || layout->node_count < 16 ||
	    layout->node_count > MPIO__NODES_MAX ||
	    config->protected_percent > 100 ||
	    config->background_percent > 100 || config->limit_percent > 100)
		return false;
	while (layout->group_shift < 6 &&
	       layout->page_size << layout->group_shift < GROUP_BYTES)
		layout->group_shift++;
	layout->group_count = ((frames - 1) >> layout->group_shift) + 1;
	append(layout, &layout->frames, (size_t)frames + 1,
	       sizeof(struct mpio__frame));
	layout->size += MPIO__LINE;
	append(layout, &layout->beside, frames, sizeof(struct mpio__beside));
	append(layout, &layout->groups, layout->group_count,
	       sizeof(struct mpio__group));
	append(layout, &layout->nodes, layout->node_count,
	       sizeof(struct mpio__node));
	append(layout, &layout->slots, (size_t)layout->node_count + 1,
	       MPIO__FANOUT * sizeof(uint32_t));
	if (config->frame_memory != NULL)
		return layout->fits;
	append(layout, &layout->data, frames, layout->page_size);
	layout->size += FRAME_ALIGNMENT; /* to align them */
	return layout->fits;
}

size_t mpio_cache_size(const struct mpio_cache_config *config)
{
	static const struct mpio_cache_config none = {0};
	struct layout layout;

	return lay_out(config != NULL ? config : &none, &layout) ? layout.size
								 : 0;
}

/* So many per cent, at least one. */
static uint32_t share(uint32_t count, uint32_t percent)
{
	return mpio__max_u32(
		count / 100 * percent + count % 100 * percent / 100, 1);
}

static bool hooks_fit(const struct mpio_cache_lock *lock)
{
	return lock == NULL || (lock->lock != NULL && lock->unlock != NULL &&
				lock->wait != NULL && lock->wake != NULL);
}

static unsigned char *aligned(unsigned char *memory, size_t alignment)
{
	size_t rest = (uintptr_t)memory & (alignment - 1);

	return memory + (rest != 0 ? alignment - rest : 0);
}

static void set_up(struct mpio_cache *cache, const struct layout *layout,
		   const struct mpio_cache_config *config)
{
	unsigned char *memory = (unsigned char *)cache;
	unsigned char *data = config->frame_memory;

	memset(memory, 0, layout->nodes);
	if (config->lock != NULL) {
		cache->lock = *config->lock;
		cache->careful = 1;
	}
	if (data == NULL)
		data = aligned(memory + layout->data, FRAME_ALIGNMENT);
	cache->frames = (struct mpio__frame *)(void *)aligned(
		memory + layout->frames, MPIO__LINE);
	cache->beside =
		(struct mpio__beside *)(void *)(memory + layout->beside);
	cache->groups = (struct mpio__group *)(void *)(memory + layout->groups);
	mpio__pool_init(&cache->pool,
			(struct mpio__node *)(void *)(memory + layout->nodes),
			(uint32_t *)(void *)(memory + layout->slots),
			layout->node_count);
	cache->pool.keep = mpio__min_u32(layout->node_count / 8, KEEP_NODES);
	cache->page_shift = mpio__log2(layout->page_size);
	cache->frame_count = layout->frame_count;
	cache->group_shift = layout->group_shift;
	cache->group_count = layout->group_count;
	cache->stats.frames = layout->frame_count;
	cache->protected_max =
		share(layout->frame_count,
		      mpio__or_default(config->protected_percent, 75));
	cache->kept_max = share(layout->frame_count, AHEAD_PERCENT);
	cache->background =
		share(layout->frame_count,
		      mpio__or_default(config->background_percent, 10));
	cache->limit = share(layout->frame_count,
			     mpio__or_default(config->limit_percent, 40));
	cache->dirty_max = layout->frame_count;
	if (layout->frame_count >= 4 * KEEP_FRAMES)
		cache->dirty_max -= KEEP_FRAMES;
	for (uint32_t i = 1; i <= layout->frame_count; i++) {
		cache->frames[i].page.data = data;
		data += layout->page_size;
	}
	mpio__reclaim_init(cache);
}

int mpio_cache_open(const struct mpio_cache_config *config,
		    struct mpio_cache **cache)
{
	const struct mpio_allocator *allocator;
	struct layout layout;
	void *memory;

	if (config == NULL || !lay_out(config, &layout) ||
	    !hooks_fit(config->lock))
		return -MPIO_EINVAL;
	allocator = config->allocator;
	memory = config->memory;
	if ((memory == NULL && allocator == NULL) ||
	    (uintptr_t)memory % _Alignof(max_align_t) != 0)
		return -MPIO_EINVAL;
	if (memory == NULL)
		memory =
			allocator->resize(allocator->ctx, NULL, 0, layout.size);
	else if (config->memory_size < layout.size)
		memory = NULL;
	if (memory == NULL)
		return -MPIO_ENOMEM;
	set_up(memory, &layout, config);
	*cache = memory;
	if (config->memory == NULL) {
		(*cache)->allocator = *allocator;
		(*cache)->memory_size = layout.size;
	}
	return 0;
}

void mpio_cache_close(struct mpio_cache *cache)
{
	struct mpio_allocator allocator;

	if (cache == NULL || cache->allocator.resize == NULL)
		return;
	allocator = cache->allocator;
	allocator.resize(allocator.ctx, cache, cache->memory_size, 0);
}

uint32_t mpio_cache_page_size(const struct mpio_cache *cache)
{
	return (uint32_t)1 << cache->page_shift;
}

struct mpio_cache_stats mpio_cache_stats(struct mpio_cache *cache)
{
	struct mpio_cache_stats stats;

	mpio__cache_lock(cache);
	stats = cache->stats;
	stats.kept = mpio__reclaim_kept_max(cache);
	mpio__cache_unlock(cache);
	return stats;
}

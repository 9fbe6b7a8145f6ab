/* SPDX-License-Identifier: MIT */
/*
 * A cache on top of the mock rig.
 */
#include "cached.h"

int cached_set_up(void **state)
{
	struct cached *cached = calloc(1, sizeof(*cached));
	void *rig = NULL;

	assert_non_null(cached);
	if (rig_set_up(&rig) != 0)
		return -1;
	cached->rig = rig;
	*state = cached;
	return 0;
}

int cached_tear_down(void **state)
{
	struct cached *cached = *state;
	void *rig = cached->rig;
	int result;

	if (cached->cache != NULL) {
		struct mpio_queue *queue = cached->rig->queue;

		mpio_cache_drop(&cached->file, queue, 0, UINT64_MAX);
		assert_int_equal(mpio_cache_detach(&cached->file, queue), 0);
		assert_int_equal(mpio_cache_detach(&cached->other, queue), 0);
		mpio_cache_close(cached->cache);
	}
	free(cached->memory);
	result = rig_tear_down(&rig);
	free(cached);
	return result;
}

void cached_open(struct cached *cached, uint32_t blocks, uint32_t frames)
{
	struct mpio_cache_config *config = &cached->config;

	if (blocks != 0)
		map_blocks(cached->rig, 0, blocks, 100);
	rig_open(cached->rig);
	if (config->page_size == 0)
		config->page_size = PAGE;
	config->frame_count = frames;
	config->memory_size = mpio_cache_size(config);
	config->memory = cached->memory = malloc(config->memory_size);
	assert_non_null(config->memory);
	assert_int_equal(mpio_cache_open(config, &cached->cache), 0);
	cached->file.mapping = cached->rig->mapping;
	cached->file.mapping.size = (uint64_t)blocks * BLOCK;
	cached->other.mapping = cached->file.mapping;
	assert_int_equal(mpio_cache_attach(cached->cache, &cached->file), 0);
	assert_int_equal(mpio_cache_attach(cached->cache, &cached->other), 0);
}

void use_page(struct cached *cached, uint32_t index)
{
	struct mpio_page *page;

	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					(uint64_t)index * PAGE, &page),
			 0);
	assert_int_equal(page->pos, (uint64_t)index * PAGE);
	mpio_cache_put(page);
}

bool is_cached(struct cached *cached, uint32_t index)
{
	struct mpio_page *page;

	if (mpio_cache_find(&cached->file, (uint64_t)index * PAGE, &page) != 0)
		return false;
	mpio_cache_put(page);
	return true;
}

uint32_t cached_pages(struct cached *cached)
{
	struct mpio_cache_stats stats = mpio_cache_stats(cached->cache);

	return stats.frames - stats.free;
}

static int write_some(struct cached *cached, uint64_t pos, uint32_t length,
		      int byte)
{
	struct mpio_page *page;
	unsigned char *at;
	int error = mpio_cache_write_begin(&cached->file, cached->rig->queue,
					   pos, length, &page);

	if (error != 0)
		return error;
	at = (unsigned char *)page->data + (pos - page->pos);
	if (byte < 0)
		pattern_fill(at, 'f', pos, length);
	else
		memset(at, byte, length);
	mpio_cache_write_end(page, pos, length);
	return 0;
}

int write_blocks(struct cached *cached, uint32_t first, uint32_t n)
{
	return write_some(cached, (uint64_t)first * BLOCK, n * BLOCK, -1);
}

int write_bytes(struct cached *cached, uint64_t pos, uint32_t length, int byte)
{
	return write_some(cached, pos, length, byte);
}

int read_byte(struct cached *cached, uint64_t pos)
{
	struct mpio_page *page;
	int byte;
	int error =
		mpio_cache_get(&cached->file, cached->rig->queue, pos, &page);

	if (error != 0)
		return error;
	byte = ((unsigned char *)page->data)[pos - page->pos];
	mpio_cache_put(page);
	return byte;
}

int sync_file(struct cached *cached)
{
	return mpio_cache_sync(&cached->file, cached->rig->queue, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The cache: it is opened and closed, files come and go, and pages are
 * forgotten. Reading pages: test_cache_read.c; writing them:
 * test_cache_write.c; the end of file: test_cache_end.c. Which page goes:
 * test_cache_reclaim.c; write-back: test_cache_writeback.c.
 */
#include "cached.h"

/* ---- Opening ------------------------------------------------------------- */

static void an_empty_configuration_needs_but_memory(void **state)
{
	struct mpio_cache_config config = {0};
	struct mpio_cache *cache;

	(void)state;
	assert_true(mpio_cache_size(NULL) > 1024 * 4096);
	assert_int_equal(mpio_cache_size(NULL), mpio_cache_size(&config));
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
	assert_int_equal(mpio_cache_open(NULL, &cache), -MPIO_EINVAL);
	config.memory_size = mpio_cache_size(&config);
	config.memory = malloc(config.memory_size);
	assert_int_equal(mpio_cache_open(&config, &cache), 0);
	assert_int_equal(mpio_cache_stats(cache).frames, 1024);
	assert_int_equal(mpio_cache_stats(cache).free, 1024);
	mpio_cache_close(cache);
	config.memory_size--;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_ENOMEM);
	free(config.memory);
	mpio_cache_close(NULL);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct mpio_cache_config configs[] = {
		{.page_size = 256},          {.page_size = 5000},
		{.node_count = 5},           {.limit_percent = 101},
		{.background_percent = 101}, {.protected_percent = 101},
		{.page_size = 1u << 31},     {.frame_count = UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(configs); i++)
		assert_int_equal(mpio_cache_size(&configs[i]), 0);
}

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	*(size_t *)ctx += new_size - old_size;
	if (new_size == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, new_size);
}

static void
memory_comes_from_an_allocator_and_frames_from_elsewhere(void **state)
{
	static _Alignas(4096) unsigned char frames[8 * 4096];
	size_t used = 0;
	struct mpio_allocator allocator = {resize, &used};
	struct mpio_cache_config config = {
		.frame_count = 8,
		.frame_memory = frames,
		.allocator = &allocator,
	};
	struct mpio_cache *cache;

	(void)state;
	assert_int_equal(mpio_cache_open(&config, &cache), 0);
	assert_int_equal(used, mpio_cache_size(&config));
	assert_in_range(used, 1, sizeof(frames) + 3000);
	mpio_cache_close(cache);
	assert_int_equal(used, 0);
}

static void *no_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx, (void)ptr, (void)old_size, (void)new_size;
	return NULL;
}

static void without_memory_there_is_no_cache(void **state)
{
	struct mpio_allocator allocator = {.resize = no_resize};
	struct mpio_cache_config config = {.frame_count = 8,
					   .allocator = &allocator};
	struct mpio_cache *cache = NULL;

	(void)state;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_ENOMEM);
	assert_null(cache);
}

static void without_a_frame_none_is_taken(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[4], *page;

	cached_open(cached, 32, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue,
						(uint64_t)i * PAGE, &pages[i]),
				 0);
	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue,
					4 * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 0);
	for (uint32_t i = 0; i < 4; i++)
		mpio_cache_put(pages[i]);
	use_page(cached, 4);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 0);
}

/* ---- Files --------------------------------------------------------------- */

/* A file that is still used stays as it was. */
static void a_file_with_a_page_in_use_is_not_detached(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached_open(cached, 8, 16);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_get(&cached->other, queue, 0, &page), 0);
	assert_int_equal(mpio_cache_detach(&cached->other, queue), -MPIO_EBUSY);
	assert_non_null(cached->other.cache);
	mpio_cache_put(page);
	assert_int_equal(mpio_cache_detach(&cached->other, queue), 0);
	assert_null(cached->other.cache);
	assert_int_equal(mpio_cache_attach(cached->cache, &cached->other), 0);
}

static void a_file_that_does_not_fit_is_refused(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping file = {0};

	cached_open(cached, 8, 16);
	file.mapping = cached->rig->mapping;
	file.mapping.block_size = 2 * PAGE;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), -MPIO_EINVAL);
	file.mapping.block_size = 1000;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), -MPIO_EINVAL);
	file.mapping.block_size = 32;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), -MPIO_EINVAL);
	assert_int_equal(mpio_cache_detach(&file, cached->rig->queue),
			 -MPIO_EINVAL);
}

static void a_file_is_attached_once(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 8, 16);
	assert_int_equal(mpio_cache_attach(cached->cache, &cached->file),
			 -MPIO_EINVAL);
	assert_ptr_equal(cached->file.cache, cached->cache);
}

static void files_do_not_share_pages(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;
	struct mpio_page *same;

	cached_open(cached, 16, 16);
	mpio_cache_get(&cached->file, cached->rig->queue, 0, &page);
	assert_int_equal(mpio_cache_find(&cached->other, 0, &same),
			 -MPIO_ENOENT);
	mpio_cache_get(&cached->other, cached->rig->queue, 0, &same);
	assert_ptr_not_equal(page->data, same->data);
	mpio_cache_put(page);
	mpio_cache_put(same);
}

/* ---- Forgetting ---------------------------------------------------------- */

static void what_is_dirty_or_pinned_is_not_invalidated(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;
	struct mpio_queue *queue;

	cached_open(cached, 64, 16);
	queue = cached->rig->queue;
	use_page(cached, 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	mpio_cache_get(&cached->file, queue, 2 * PAGE, &page);
	use_page(cached, 3);
	assert_int_equal(
		mpio_cache_invalidate(&cached->file, queue, 1, 3 * PAGE + 1),
		-MPIO_EBUSY);
	assert_false(is_cached(cached, 0));
	assert_true(is_cached(cached, 1));
	assert_true(is_cached(cached, 2));
	assert_false(is_cached(cached, 3));
	assert_int_equal(mpio_cache_detach(&cached->file, queue), -MPIO_EBUSY);
	mpio_cache_put(page);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(
		mpio_cache_invalidate(&cached->file, queue, 0, UINT64_MAX), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 16);
}

static void a_dropped_page_that_is_pinned_goes_when_it_is_put(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;
	struct mpio_queue *queue;

	cached_open(cached, 64, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	mpio_cache_get(&cached->file, queue, 0, &page);
	assert_int_equal(mpio_cache_drop(&cached->file, queue, 0, PAGE), 0);
	assert_false(is_cached(cached, 0));
	assert_data(page->data, "f0 f1 f2 f3");
	assert_int_equal(mpio_cache_detach(&cached->file, queue), -MPIO_EBUSY);
	assert_int_equal(read_byte(cached, 0),
			 cached->rig->a.disk[100 * BLOCK]);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 14);
	mpio_cache_put(page);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 15);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_configuration_needs_but_memory),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(
			memory_comes_from_an_allocator_and_frames_from_elsewhere),
		cmocka_unit_test(without_memory_there_is_no_cache),
		CACHED_TEST(without_a_frame_none_is_taken),
		CACHED_TEST(a_file_with_a_page_in_use_is_not_detached),
		CACHED_TEST(a_file_that_does_not_fit_is_refused),
		CACHED_TEST(a_file_is_attached_once),
		CACHED_TEST(files_do_not_share_pages),
		CACHED_TEST(what_is_dirty_or_pinned_is_not_invalidated),
		CACHED_TEST(a_dropped_page_that_is_pinned_goes_when_it_is_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

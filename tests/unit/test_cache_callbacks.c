/* SPDX-License-Identifier: MIT */
/*
 * The cache: its lock is not held while an engine's callback or the device is
 * at work; and what a callback that uses the cache itself is told. Who waits
 * for whom: test_cache_lock.c; which callbacks there are: test_cache_hooks.c.
 */
#include "cached.h"

struct hooks {
	bool held;
	bool was_held;
	uint32_t locks;
};

static struct hooks hooks;

static void lock(void *ctx)
{
	(void)ctx;
	assert_false(hooks.held);
	hooks.held = true;
	hooks.locks++;
}

static void unlock(void *ctx)
{
	(void)ctx;
	assert_true(hooks.held);
	hooks.held = false;
}

static void wait_or_wake(void *ctx)
{
	(void)ctx;
	fail_msg("there is one thread");
}

static void look(struct rig *rig, uint64_t block)
{
	(void)rig;
	(void)block;
	hooks.was_held = hooks.was_held || hooks.held;
}

static int (*submit)(struct mpio_device *device, void *channel,
		     struct mpio_bio *bio);

static int look_and_submit(struct mpio_device *device, void *channel,
			   struct mpio_bio *bio)
{
	hooks.was_held = hooks.was_held || hooks.held;
	return submit(device, channel, bio);
}

static void the_lock_is_not_held_over_a_callback_or_the_device(void **state)
{
	static const struct mpio_cache_lock table = {lock, unlock, wait_or_wake,
						     wait_or_wake, NULL};
	struct cached *cached = *state;

	hooks = (struct hooks){0};
	cached->config.lock = &table;
	cached->config.limit_percent = 50;
	cached->rig->before_map = look;
	submit = cached->rig->a.device.ops.submit;
	cached->rig->a.device.ops.submit = look_and_submit;
	cached_open(cached, 400, 16);
	for (uint32_t i = 0; i < 90; i++) {
		use_page(cached, i);
		assert_int_equal(write_bytes(cached, i * PAGE + 5, 9, 3), 0);
	}
	assert_true(mpio_cache_work(cached->cache, cached->rig->queue) >= 0);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      95 * PAGE, 3, 0),
			 3);
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, 1000), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_false(hooks.was_held);
	assert_true(hooks.locks > 100);
}

static struct cached *nesting;
static int nested_error;

static void use_other(struct rig *rig, uint64_t block)
{
	struct mpio_page *page;

	(void)block;
	rig->before_map = NULL;
	nested_error = mpio_cache_get(&nesting->other, rig->queue, 0, &page);
}

static void a_callback_does_not_sleep_for_its_own_thread(void **state)
{
	static const struct mpio_cache_lock table = {lock, unlock, wait_or_wake,
						     wait_or_wake, NULL};
	struct cached *cached = *state;

	hooks = (struct hooks){0};
	nesting = cached;
	nested_error = 0;
	cached->config.lock = &table;
	cached->rig->before_map = use_other;
	cached_open(cached, 64, 8);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 8, 0),
			 8);
	assert_int_equal(nested_error, -MPIO_ENOMEM);
}

/* Without a lock there is none to be given up. */
static void a_callback_finds_no_room_without_a_lock_either(void **state)
{
	struct cached *cached = *state;

	nesting = cached;
	nested_error = 0;
	cached->rig->before_map = use_other;
	cached_open(cached, 64, 8);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 8, 0),
			 8);
	assert_int_equal(nested_error, -MPIO_ENOMEM);
}

static void nor_to_write_back_a_page_that_it_reads(void **state)
{
	static const struct mpio_cache_lock table = {lock, unlock, wait_or_wake,
						     wait_or_wake, NULL};
	struct cached *cached = *state;

	hooks = (struct hooks){0};
	nesting = cached;
	nested_error = 0;
	cached->config.lock = &table;
	cached_open(cached, 64, 1);
	assert_int_equal(write_blocks(cached, 0, 1), 0);
	cached->rig->before_map = use_other;
	use_page(cached, 0);
	assert_int_equal(nested_error, -MPIO_ENOMEM);
}

/* ---- Blocks that are found in the cache --------------------------------- */

static int (*rig_get_block)(struct mpio_mapping *mapping,
			    struct mpio_page *page, uint64_t block,
			    uint32_t flags, struct mpio_extent *extent);

static uint32_t depth;
static uint32_t deepest;

/* Where the file's blocks lie is told by the other's pages. */
static int look_up(struct mpio_mapping *mapping, struct mpio_page *page,
		   uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct rig *rig = mapping->host;
	struct mpio_page *map;
	int error;

	if (mapping == &nesting->other.mapping)
		return rig_get_block(mapping, page, block, flags, extent);
	if (++depth > deepest)
		deepest = depth;
	error = mpio_cache_get(&nesting->other, rig->queue, block / 8 * PAGE,
			       &map);
	depth--;
	if (error != 0)
		return error;
	mpio_cache_put(map);
	return rig_get_block(mapping, page, block, flags, extent);
}

static void open_with_a_map(struct cached *cached, uint32_t frames)
{
	nesting = cached;
	rig_get_block = cached->rig->ops.get_block;
	cached->rig->ops.get_block = look_up;
	cached->config.limit_percent = 100;
	cached_open(cached, 400, frames);
}

/* Each page is far from the others, and has nodes of its own. */
static void dirty_pages_leave_nodes_to_write_them_back(void **state)
{
	struct cached *cached = *state;

	cached->config.node_count = 24;
	for (uint32_t i = 1; i < 24; i++)
		map_blocks(cached->rig, (uint64_t)i << 12, 4, 500 + 4 * i);
	open_with_a_map(cached, 64);
	cached->file.mapping.size = (uint64_t)24 << 22;
	cached->other.mapping.size = (uint64_t)24 << 22;
	cached->rig->mapping.size = (uint64_t)24 << 22;
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 24; i++)
			assert_int_equal(write_blocks(cached, i << 12, 4), 0);
	}
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void dirty_pages_leave_frames_to_write_them_back(void **state)
{
	struct cached *cached = *state;
	uint32_t n = 0;

	mock_fail(&cached->rig->a, 100, 400, -MPIO_ENOSPC)->op =
		1u << MPIO_BIO_WRITE;
	open_with_a_map(cached, 64);
	while (n < 64 && write_blocks(cached, 4 * n, 4) == 0)
		n++;
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, n);
	assert_int_equal(n, 56);
	/* Others may be read; what is dirty may be changed. */
	use_page(cached, 90);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4 * 57, 4), -MPIO_ENOMEM);
	cached->rig->a.fault_count = 0;
	assert_int_equal(write_blocks(cached, 4 * 57, 4), 0);
	assert_int_equal(sync_file(cached), -MPIO_ENOSPC); /* told once */
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

/* The walk of each would walk all the others, and so would each of theirs. */
static void what_makes_room_inside_a_walk_goes_no_deeper(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping files[4];
	struct mpio_queue *queue;
	struct mpio_page *page;

	deepest = 0;
	open_with_a_map(cached, 16);
	queue = cached->rig->queue;
	for (uint64_t i = 0; i < 16; i++) {
		struct mpio_cache_mapping *file = &files[i / 4];

		if (i % 4 == 0) {
			*file = (struct mpio_cache_mapping){
				.mapping = cached->file.mapping};
			assert_int_equal(mpio_cache_attach(cached->cache, file),
					 0);
		}
		assert_int_equal(mpio_cache_write_begin(file, queue, i * PAGE,
							PAGE, &page),
				 0);
		mpio_cache_write_end(page, i * PAGE, PAGE);
	}
	assert_int_equal(mpio_cache_sync(&files[0], queue, NULL), -MPIO_ENOMEM);
	assert_int_equal(deepest, 2);
	for (uint32_t i = 0; i < 4; i++) {
		mpio_cache_drop(&files[i], queue, 0, UINT64_MAX);
		assert_int_equal(mpio_cache_detach(&files[i], queue), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(the_lock_is_not_held_over_a_callback_or_the_device),
		CACHED_TEST(a_callback_does_not_sleep_for_its_own_thread),
		CACHED_TEST(a_callback_finds_no_room_without_a_lock_either),
		CACHED_TEST(nor_to_write_back_a_page_that_it_reads),
		CACHED_TEST(dirty_pages_leave_nodes_to_write_them_back),
		CACHED_TEST(dirty_pages_leave_frames_to_write_them_back),
		CACHED_TEST(what_makes_room_inside_a_walk_goes_no_deeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(the_lock_is_not_held_over_a_callback_or_the_device),
		CACHED_TEST(a_callback_does_not_sleep_for_its_own_thread),
		CACHED_TEST(a_callback_finds_no_room_without_a_lock_either),
		CACHED_TEST(nor_to_write_back_a_page_that_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static void so_they_do_when_the_end_moves_up(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	uint32_t n = 0;

	mock_fail(&cached->rig->a, 100, 400, -MPIO_ENOSPC)->op =
		1u << MPIO_BIO_WRITE;
	open_with_a_map(cached, 64);
	queue = cached->rig->queue;
	cached->other.mapping.size = 90 * PAGE + 5;
	while (n < 64 && write_blocks(cached, 4 * n, 4) == 0)
		n++;
	assert_int_equal(mpio_cache_resize(&cached->other, queue, 95 * PAGE),
			 -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, n);
	cached->rig->a.fault_count = 0;
	assert_int_equal(mpio_cache_resize(&cached->other, queue, 95 * PAGE),
			 0);
	/* Where it ends with a block nothing becomes dirty. */
	assert_int_equal(mpio_cache_resize(&cached->other, queue, 96 * PAGE),
			 0);
	assert_int_equal(mpio_cache_sync(&cached->other, queue, NULL), 0);
	assert_int_equal(sync_file(cached), -MPIO_ENOSPC); /* told once */
	assert_int_equal(sync_file(cached), 0);
}

/* Other files, of which some pages are dirty, at 90 and a piece; how many. */
static uint32_t fill_up(struct cached *cached, uint32_t most)
{
	uint32_t n = 0;

	mock_fail(&cached->rig->a, 100, 400, -MPIO_ENOSPC)->op =
		1u << MPIO_BIO_WRITE;
	open_with_a_map(cached, 64);
	cached->other.mapping.size = 90 * PAGE + 5;
	while (n < most && write_blocks(cached, 4 * n, 4) == 0)
		n++;
	return n;
}

/* What could not be written is told once, and written now. */
static void sync_both(struct cached *cached)
{
	struct mpio_queue *queue = cached->rig->queue;

	(void)mpio_cache_sync(&cached->other, queue, NULL);
	assert_int_equal(mpio_cache_sync(&cached->other, queue, NULL), 0);
	(void)sync_file(cached);
	assert_int_equal(sync_file(cached), 0);
}

/* What is left of the last block would be dirty; but not of a whole one. */
static void so_they_do_when_it_moves_down(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	uint32_t n = fill_up(cached, 64);

	queue = cached->rig->queue;
	assert_int_equal(n, 56);
	assert_int_equal(
		mpio_cache_resize(&cached->other, queue, 80 * PAGE + 5),
		-MPIO_ENOMEM);
	assert_int_equal(mpio_cache_end(&cached->other), 90 * PAGE + 5);
	assert_int_equal(
		mpio_cache_resize(&cached->other, queue, 80 * PAGE + BLOCK), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 56);
	cached->rig->a.fault_count = 0;
	assert_int_equal(
		mpio_cache_resize(&cached->other, queue, 80 * PAGE + 5), 0);
	sync_both(cached);
}

/* It makes two pages dirty: that of the old end, too. */
static void so_they_do_when_a_write_comes_behind_it(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	assert_int_equal(fill_up(cached, 55), 55);
	assert_int_equal(mpio_cache_write_begin(&cached->other,
						cached->rig->queue, 95 * PAGE,
						PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 56);
	cached->rig->a.fault_count = 0;
	sync_both(cached);
}

/* All frames but `spare` hold dirty pages of four files. */
static void open_with_files(struct cached *cached,
			    struct mpio_cache_mapping *files, uint32_t spare)
{
	struct mpio_queue *queue;
	struct mpio_page *page;

	deepest = 0;
	open_with_a_map(cached, 16);
	queue = cached->rig->queue;
	for (uint64_t i = 0; i < 16 - spare; i++) {
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
}

/* The walk of each would walk all the others, and so would each of theirs. */
static void what_makes_room_inside_a_walk_goes_no_deeper(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping files[4];
	struct mpio_queue *queue;

	open_with_files(cached, files, 0);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_sync(&files[0], queue, NULL), -MPIO_ENOMEM);
	assert_int_equal(deepest, 2);
	for (uint32_t i = 0; i < 4; i++) {
		mpio_cache_drop(&files[i], queue, 0, UINT64_MAX);
		assert_int_equal(mpio_cache_detach(&files[i], queue), 0);
	}
}

/* The last frame is that of the page that is read. */
static void nor_inside_a_read(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping files[4];
	struct mpio_queue *queue;
	struct mpio_page *page;

	open_with_files(cached, files, 1);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_get(&files[0], queue, 20 * PAGE, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(deepest, 2);
	for (uint32_t i = 0; i < 4; i++)
		mpio_cache_drop(&files[i], queue, 0, UINT64_MAX);
}

/* ---- Pages that the thread itself is at --------------------------------- */

static void wake(void *ctx)
{
	(void)ctx;
	assert_true(hooks.held);
}

static const struct mpio_cache_lock lonely = {lock, unlock, wait_or_wake, wake,
					      NULL};

/* Once, a callback does this. */
static int (*once)(void);

static void use_once(void)
{
	int (*use)(void) = once;

	once = NULL;
	if (use != NULL)
		nested_error = use();
}

static void open_nesting(struct cached *cached, uint32_t blocks,
			 uint32_t frames, int (*use)(void))
{
	hooks = (struct hooks){0};
	nesting = cached;
	nested_error = 1;
	once = use;
	cached->config.lock = &lonely;
	cached_open(cached, blocks, frames);
}

static int get_other(void)
{
	struct mpio_page *page;
	int error =
		mpio_cache_get(&nesting->other, nesting->rig->queue, 0, &page);

	if (error == 0)
		mpio_cache_put(page);
	return error;
}

static int grab_other(void)
{
	struct mpio_page *page;
	int error =
		mpio_cache_grab(&nesting->other, nesting->rig->queue, 0, &page);

	if (error == 0)
		mpio_cache_release(page);
	return error;
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	(void)page;
	if (mapping == &nesting->file.mapping)
		use_once();
	return 0;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)attempt;
	(void)extent;
	use_once();
	return -MPIO_EIO;
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	(void)mapping;
	(void)pos;
	(void)length;
	(void)queue;
	(void)offset;
	use_once();
	return 0;
}

static int drop_the_file(void)
{
	return mpio_cache_drop(&nesting->file, nesting->rig->queue, 0,
			       UINT64_MAX);
}

static void use_before_map(struct rig *rig, uint64_t block)
{
	(void)rig;
	(void)block;
	use_once();
}

static void who_verifies_may_read_another_file(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = verify;
	mock_asynchronous(&cached->rig->a);
	open_nesting(cached, 64, 2, get_other);
	use_page(cached, 3);
	assert_int_equal(nested_error, 0);
}

static void but_not_into_the_frame_that_is_verified(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = verify;
	mock_asynchronous(&cached->rig->a);
	open_nesting(cached, 64, 1, get_other);
	use_page(cached, 3);
	assert_int_equal(nested_error, -MPIO_ENOMEM);
}

/* Its page ends after that: nobody else would wake the thread. */
static void a_round_of_work_is_not_waited_for_inside_its_own_end(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.written = written;
	cached->config.background_percent = 1;
	open_nesting(cached, 64, 8, drop_the_file);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue), 1);
	assert_int_equal(nested_error, -MPIO_EDEADLK);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

/* Whatever call it is that finds the end of the read. */
static void nor_into_one_that_is_read_ahead(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = verify;
	mock_asynchronous(&cached->rig->a);
	open_nesting(cached, 64, 4, get_other);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 4, 0),
			 4);
	assert_int_equal(mpio_queue_drain(cached->rig->queue), 0);
	assert_int_equal(nested_error, -MPIO_ENOMEM);
}

static void nor_into_one_that_another_copy_is_asked_for(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.reread = reread;
	mock_asynchronous(&cached->rig->a);
	mock_fail(&cached->rig->a, 100, 1, -MPIO_EIO);
	open_nesting(cached, 64, 1, get_other);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 1, 0),
			 1);
	assert_int_equal(mpio_queue_drain(cached->rig->queue), 0);
	assert_int_equal(nested_error, -MPIO_ENOMEM);
}

static int get_page_2(void)
{
	struct mpio_page *page;

	return mpio_cache_get(&nesting->file, nesting->rig->queue, 2 * PAGE,
			      &page);
}

static void a_callback_is_not_given_a_page_that_it_reads(void **state)
{
	struct cached *cached = *state;

	cached->rig->before_map = use_before_map;
	open_nesting(cached, 64, 8, get_page_2);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 4, 0),
			 4);
	assert_int_equal(nested_error, -MPIO_EDEADLK);
	assert_true(is_cached(cached, 2));
}

static int write_page_2(void)
{
	return write_blocks(nesting, 8, 1);
}

static void nor_one_that_it_writes_back(void **state)
{
	struct cached *cached = *state;

	cached->rig->before_map = use_before_map;
	open_nesting(cached, 64, 8, write_page_2);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 8, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(nested_error, -MPIO_EDEADLK);
	assert_int_equal(write_page_2(), 0); /* by now nobody is at it */
}

/* Two end at once, and that which was sent last first. */
static void end_in_reverse(struct cached *cached)
{
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->a.lifo = true;
}

static void nor_one_that_it_has_read_and_not_unlocked(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.verify = verify;
	end_in_reverse(cached);
	open_nesting(cached, 64, 8, grab_other);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      PAGE, 1, 0),
			 1);
	assert_int_equal(get_other(), 0);
	assert_int_equal(nested_error, -MPIO_EDEADLK);
}

static void read_other_on_the_way(struct rig *rig, uint64_t block)
{
	if (block != 4)
		return;
	rig->before_map = NULL;
	assert_int_equal(get_other(), 0);
}

static void nor_does_it_get_that_where_a_write_has_ended(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(cached->rig, 4, 4, 200);
	cached->rig->ops.written = written;
	cached->rig->before_map = read_other_on_the_way;
	end_in_reverse(cached);
	open_nesting(cached, 0, 8, grab_other);
	cached->file.mapping.size = cached->other.mapping.size = 2 * PAGE;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(nested_error, -MPIO_EDEADLK);
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
		CACHED_TEST(so_they_do_when_the_end_moves_up),
		CACHED_TEST(so_they_do_when_it_moves_down),
		CACHED_TEST(so_they_do_when_a_write_comes_behind_it),
		CACHED_TEST(what_makes_room_inside_a_walk_goes_no_deeper),
		CACHED_TEST(nor_inside_a_read),
		CACHED_TEST(who_verifies_may_read_another_file),
		CACHED_TEST(but_not_into_the_frame_that_is_verified),
		CACHED_TEST(
			a_round_of_work_is_not_waited_for_inside_its_own_end),
		CACHED_TEST(nor_into_one_that_is_read_ahead),
		CACHED_TEST(nor_into_one_that_another_copy_is_asked_for),
		CACHED_TEST(a_callback_is_not_given_a_page_that_it_reads),
		CACHED_TEST(nor_one_that_it_writes_back),
		CACHED_TEST(nor_one_that_it_has_read_and_not_unlocked),
		CACHED_TEST(nor_does_it_get_that_where_a_write_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

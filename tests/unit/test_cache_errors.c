/* SPDX-License-Identifier: MIT */
/*
 * The cache where something is refused or fails: what does not fit together,
 * an index without nodes, devices that cannot tell what has ended, and calls
 * from inside a callback that would wait for themselves.
 */
#include "cached.h"

#include <stdio.h>

/* ---- Opening ------------------------------------------------------------ */

static void no_hook(void *ctx)
{
	(void)ctx;
}

static void a_lock_needs_all_of_its_hooks(void **state)
{
	static _Alignas(64) unsigned char memory[65536];
	const struct mpio_cache_lock all = {no_hook, no_hook, no_hook, no_hook,
					    NULL};
	struct mpio_cache_lock lock = all;
	struct mpio_cache_config config = {
		.page_size = 512,
		.frame_count = 16,
		.memory = memory,
		.memory_size = sizeof(memory),
		.lock = &lock,
	};
	struct mpio_cache *cache;

	(void)state;
	assert_int_equal(mpio_cache_open(&config, &cache), 0);
	lock.lock = NULL;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
	lock = all;
	lock.unlock = NULL;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
	lock = all;
	lock.wait = NULL;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
	lock = all;
	lock.wake = NULL;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
}

static void memory_that_is_not_aligned_is_refused(void **state)
{
	static _Alignas(64) unsigned char memory[65536];
	struct mpio_cache_config config = {
		.page_size = 512,
		.frame_count = 16,
		.memory = memory + 1,
		.memory_size = sizeof(memory) - 1,
	};
	struct mpio_cache *cache;

	(void)state;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
	config.memory = memory;
	config.page_size = 100;
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
}

static void a_file_needs_a_way_to_its_blocks(void **state)
{
	static const struct mpio_mapping_ops none = {0};
	struct cached *cached = *state;
	struct mpio_cache_mapping file = {0};

	cached_open(cached, 8, 16);
	file.mapping.block_size = BLOCK;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), -MPIO_EINVAL);
	file.mapping.ops = &none;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), -MPIO_EINVAL);
}

static void a_write_up_to_the_last_byte_of_all_is_refused(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, UINT64_MAX - 1, 2, 1),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 16);
}

/* ---- Pages far and near ------------------------------------------------- */

static void a_page_far_behind_all_others_is_not_there(void **state)
{
	struct cached *cached = *state;
	const uint64_t far = (uint64_t)PAGE << 20;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, (uint64_t)PAGE * 5000, BLOCK, 1),
			 0);
	assert_int_equal(mpio_cache_find(&cached->file, far, &page),
			 -MPIO_ENOENT);
	assert_int_equal(
		mpio_cache_find(&cached->file, far + 5000u * PAGE, &page),
		-MPIO_ENOENT);
}

static void pages_may_have_as_many_blocks_as_there_are_bits(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.page_size = 64 * BLOCK;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 100, 16);
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page), 0);
	assert_true(mpio_cache_is_uptodate(page, 0, 64 * BLOCK));
	assert_true(mpio_cache_is_uptodate(page, 63 * BLOCK, BLOCK));
	mpio_cache_put(page);
	assert_trace(cached->rig, "read 100+64");
	assert_int_equal(write_blocks(cached, 63, 1), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 163+1");
}

/* Two pages so far apart take most nodes of the index. */
static void open_with_few_nodes(struct cached *cached)
{
	cached->config.node_count = 16;
	cached->rig->mapping.size = UINT64_MAX / 2;
	cached_open(cached, 16, 64);
	for (uint64_t i = 1; i < 4; i++)
		map_blocks(cached->rig, i << 40, 4, 200 + 4 * i);
}

static void where_the_index_is_full_pages_are_written_to_make_room(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	open_with_few_nodes(cached);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(
			write_bytes(cached, (i << 40) * BLOCK, BLOCK, (int)i),
			0);
	assert_trace(cached->rig, "write 204+1, write 208+1");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 212+1");
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(cached->rig->a.disk[(200 + 4 * i) * BLOCK], i);
}

static void
where_the_index_is_full_of_pinned_pages_there_is_no_room(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[2];
	struct mpio_page *page;

	open_with_few_nodes(cached);
	for (uint64_t i = 0; i < 2; i++)
		assert_int_equal(
			mpio_cache_grab(&cached->file, cached->rig->queue,
					((i + 1) << 40) * BLOCK, &pages[i]),
			0);
	assert_int_equal(mpio_cache_grab(&cached->file, cached->rig->queue,
					 (UINT64_C(3) << 40) * BLOCK, &page),
			 -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 62);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      (UINT64_C(3) << 40) * BLOCK, 2,
					      MPIO_READ_AHEAD),
			 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 62);
	mpio_cache_release(pages[0]);
	mpio_cache_release(pages[1]);
	assert_int_equal(mpio_cache_grab(&cached->file, cached->rig->queue,
					 (UINT64_C(3) << 40) * BLOCK, &page),
			 0);
	mpio_cache_release(page);
}

/* ---- Reads that cannot be waited for ------------------------------------ */

static void a_read_that_nobody_could_wait_for_unlocks_its_page(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 16, 16);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page),
		-MPIO_EREMOTEIO);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0, PAGE),
			 -MPIO_EREMOTEIO);
	cached->rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(cached->rig->queue), 0);
	assert_true(is_cached(cached, 0));
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0, PAGE),
			 0);
}

static void blocks_smaller_than_any_device_has_are_not_moved(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping file = {0};
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	file.mapping = cached->file.mapping;
	file.mapping.block_size = 256;
	assert_int_equal(mpio_cache_attach(cached->cache, &file), 0);
	assert_int_equal(mpio_cache_get(&file, queue, 0, &page), -MPIO_EINVAL);
	assert_int_equal(mpio_cache_readahead(&file, queue, PAGE, 2, 0),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_cache_write_begin(&file, queue, 0, 256, &page),
			 0);
	mpio_cache_write_end(page, 0, 256);
	assert_int_equal(mpio_cache_sync(&file, queue, NULL), -MPIO_EINVAL);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(mpio_cache_drop(&file, queue, 0, PAGE), 0);
	assert_int_equal(mpio_cache_detach(&file, queue), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 16);
}

/* ---- Meanwhile ---------------------------------------------------------- */

/* A bio of the test's own; what its end does happens while others wait. */
static struct cached *meanwhile;
static int said;
static unsigned char bytes[BLOCK];

static void drop_first(struct mpio_bio *bio)
{
	said = mpio_cache_drop(&meanwhile->file, meanwhile->rig->queue, 0,
			       PAGE);
	mpio_bio_put(bio);
}

static struct mpio_page *pinned;

static void put_pinned(struct mpio_bio *bio)
{
	mpio_cache_put(pinned);
	mpio_bio_put(bio);
}

static void start_bio(struct cached *cached, mpio_end_io_fn *end_io)
{
	struct mpio_bio *bio =
		mpio_bio_get(cached->rig->queue, MPIO_BIO_READ, 0);

	assert_non_null(bio);
	bio->end_io = end_io;
	assert_int_equal(mpio_bio_add(bio, bytes, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	meanwhile = cached;
	said = 1;
}

/* The first page is being read, and behind it comes the test's own bio. */
static void open_reading(struct cached *cached, mpio_end_io_fn *end_io)
{
	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 16, 16);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 1, MPIO_READ_AHEAD),
			 1);
	start_bio(cached, end_io);
}

static void a_page_that_was_dropped_meanwhile_is_grabbed_anew(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	open_reading(cached, drop_first);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page),
		0);
	assert_int_equal(said, 0);
	assert_false(mpio_cache_is_uptodate(page, 0, BLOCK));
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 15);
}

static void a_page_that_was_dropped_meanwhile_is_invalid(void **state)
{
	struct cached *cached = *state;

	open_reading(cached, drop_first);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0, PAGE),
			 0);
	assert_int_equal(said, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 16);
}

static void who_drops_pages_is_waited_for(void **state)
{
	struct cached *cached = *state;

	open_reading(cached, drop_first);
	assert_int_equal(
		mpio_cache_drop(&cached->file, cached->rig->queue, 0, 2 * PAGE),
		0);
	assert_int_equal(said, -MPIO_EDEADLK);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 16);
}

static void release_pinned(struct mpio_bio *bio)
{
	mpio_cache_release(pinned);
	mpio_bio_put(bio);
}

static void a_sync_waits_for_a_page_that_is_locked(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 8, 4), 0);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &pinned),
		0);
	cached->rig->a.lifo = true; /* the test's own bio is the last */
	start_bio(cached, release_pinned);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "read 0+1, write 108+4, write 100+4");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void what_failed_before_it_waited_is_told_after(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	mock_fail(&cached->rig->a, 108, 4, -MPIO_ENOSPC)->times = 1;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 8, 4), 0);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &pinned),
		0);
	cached->rig->a.lifo = true;
	start_bio(cached, release_pinned);
	assert_int_equal(sync_file(cached), -MPIO_ENOSPC);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	assert_int_equal(sync_file(cached), 0);
}

static void a_page_is_put_while_another_is_waited_for(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached_open(cached, 16, 16);
	assert_int_equal(mpio_cache_get(&cached->file, cached->rig->queue, PAGE,
					&pinned),
			 0);
	start_bio(cached, put_pinned);
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page), 0);
	mpio_cache_put(page);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0, 4 * PAGE),
			 0);
}

static void
pages_in_use_are_not_dropped_by_the_thread_that_has_them(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	use_page(cached, 2);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page),
		0);
	assert_int_equal(
		mpio_cache_drop(&cached->file, cached->rig->queue, 0, PAGE),
		-MPIO_EDEADLK);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	mpio_cache_release(page);
	assert_int_equal(
		mpio_cache_drop(&cached->file, cached->rig->queue, 0, PAGE), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_true(is_cached(cached, 2));
}

/* ---- Inside a walk ------------------------------------------------------ */

static int results[5];

/* get_block, which the walk of a sync calls, goes back into the cache. */
static void call_back(struct rig *rig, uint64_t block)
{
	struct mpio_cache_mapping *file = &meanwhile->file;
	struct mpio_writeback_control wbc = {.nr_to_write = 1};

	(void)block;
	rig->before_map = NULL;
	results[0] = mpio_cache_drop(file, rig->queue, 0, PAGE);
	results[1] = mpio_cache_resize(file, rig->queue, 0);
	results[2] = mpio_cache_sync(file, rig->queue, NULL);
	results[3] = mpio_cache_writepages(file, rig->other, &wbc);
	results[4] = mpio_cache_drop(file, rig->other, 0, PAGE);
}

static void a_walk_is_not_begun_inside_itself(void **state)
{
	struct cached *cached = *state;

	meanwhile = cached;
	cached->rig->two = true;
	cached->rig->before_map = call_back;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	for (size_t i = 0; i < COUNT_OF(results); i++)
		assert_int_equal(results[i], -MPIO_EDEADLK);
	assert_int_equal(mpio_cache_end(&cached->file), 16 * BLOCK);
	assert_disk(&cached->rig->a, 100, "f0 f1 f2 f3");
}

/* The callback writes more than may be dirty, as which thread it may be. */
static void write_more(struct rig *rig, uint64_t block)
{
	struct mpio_queue *queue = rig->two ? rig->other : rig->queue;
	struct mpio_page *page;

	(void)block;
	rig->before_map = NULL;
	for (int i = 0; i < 2; i++) {
		uint64_t pos = (uint64_t)i * PAGE;

		results[i] = mpio_cache_write_begin(&meanwhile->other, queue,
						    pos, PAGE, &page);
		if (results[i] == 0)
			mpio_cache_write_end(page, pos, PAGE);
	}
}

/* Three pages may be dirty, and are, when a sync begins. */
static void sync_writing_more(struct cached *cached, uint32_t helped)
{
	meanwhile = cached;
	cached->config.limit_percent = 3;
	cached->rig->before_map = write_more;
	cached->rig->config.walk_pages = 1;
	cached_open(cached, 16, 100);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).helped, 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(results[0], 0);
	assert_int_equal(results[1], 0);
	assert_int_equal(mpio_cache_stats(cached->cache).helped, helped);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 2 - helped);
	mpio_cache_drop(&cached->other, cached->rig->queue, 0, UINT64_MAX);
}

static void who_is_inside_a_walk_does_not_help(void **state)
{
	sync_writing_more(*state, 0);
}

static void any_other_thread_helps_with_what_nobody_walks(void **state)
{
	struct cached *cached = *state;

	cached->rig->two = true;
	sync_writing_more(cached, 1);
}

/* ---- Walks of no range, and of many files ------------------------------- */

static void a_range_that_ends_before_it_begins_has_no_pages(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
		.range_start = 2 * PAGE,
		.range_end = PAGE,
	};

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 3);
}

static void a_range_is_walked_as_far_as_it_goes(void **state)
{
	struct cached *cached = *state;
	struct mpio_writeback_control wbc = {
		.nr_to_write = MPIO_WRITE_ALL,
		.range_end = PAGE - 1,
	};

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(write_blocks(cached, 4 * i, 4), 0);
	assert_int_equal(
		mpio_cache_writepages(&cached->file, cached->rig->queue, &wbc),
		0);
	assert_trace(cached->rig, "write 100+4");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 2);
}

#define MANY 12u

static void work_is_done_for_some_files_at_a_time(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping files[MANY] = {0};
	struct mpio_page *page;
	int written = 0;

	cached->config.background_percent = 1;
	cached_open(cached, 16, 100);
	for (uint32_t i = 0; i < MANY; i++) {
		files[i].mapping = cached->file.mapping;
		assert_int_equal(mpio_cache_attach(cached->cache, &files[i]),
				 0);
		assert_int_equal(mpio_cache_write_begin(&files[i],
							cached->rig->queue, 0,
							PAGE, &page),
				 0);
		mpio_cache_write_end(page, 0, PAGE);
	}
	written = mpio_cache_work(cached->cache, cached->rig->queue);
	assert_in_range(written, 1, MANY - 1);
	written += mpio_cache_work(cached->cache, cached->rig->queue);
	assert_int_equal(written, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(
			mpio_cache_detach(&files[i], cached->rig->queue), 0);
}

static void work_that_cannot_be_waited_for_says_so(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->config.background_percent = 1;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	cached->rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_cache_work(cached->cache, cached->rig->queue),
			 -MPIO_EREMOTEIO);
	cached->rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(cached->rig->queue), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).writing, 0);
}

static void a_page_in_use_keeps_no_other_from_being_forgotten(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 32, 16);
	for (uint32_t i = 0; i < 6; i++)
		use_page(cached, i);
	assert_int_equal(
		mpio_cache_find(&cached->file, (uint64_t)2 * PAGE, &page), 0);
	assert_int_equal(write_blocks(cached, 16, 4), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0,
					       UINT64_MAX),
			 -MPIO_EBUSY);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(is_cached(cached, i), i == 2 || i == 4);
	mpio_cache_put(page);
}

/*
 * Nodes of all files lie in one pool. Two trees of four levels are made, one
 * right behind the other; then places far behind the first one's last page
 * would lead into the second, if they led anywhere.
 */
static void a_place_far_behind_a_file_is_no_page_of_another(void **state)
{
	struct cached *cached = *state;
	const uint64_t near = (uint64_t)1 << 18; /* a page: 4 levels */
	const uint64_t far = ((uint64_t)256 << 18) + near;
	struct mpio_page *page;
	struct mpio_page *found;

	cached_open(cached, 16, 16);
	cached->rig->mapping.size = cached->file.mapping.size =
		cached->other.mapping.size = (far + 10) * PAGE;
	assert_int_equal(mpio_cache_grab(&cached->file, cached->rig->queue,
					 near * PAGE, &page),
			 0);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_grab(&cached->other, cached->rig->queue,
					 near * PAGE, &page),
			 0);
	assert_int_equal(mpio_cache_fill(page, cached->rig->queue, 0, PAGE), 0);
	memset(page->data, 7, PAGE);
	assert_int_equal(mpio_cache_find(&cached->file, far * PAGE, &found),
			 -MPIO_ENOENT);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_resize(&cached->file, cached->rig->queue,
					   far * PAGE + BLOCK),
			 0);
	assert_int_equal(((unsigned char *)page->data)[PAGE - 1], 7);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      far * PAGE, 1, 0),
			 1);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 13);
}

/* Nor one of its own, of as many levels as most files have. */
static void nor_of_its_own(void **state)
{
	struct cached *cached = *state;
	const uint64_t near = 5000; /* a page: 3 levels */
	const uint64_t far = ((uint64_t)1 << 18) + near;

	cached_open(cached, 16, 16);
	cached->rig->mapping.size = cached->file.mapping.size =
		(far + 10) * PAGE;
	use_page(cached, near);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      far * PAGE, 1, 0),
			 1);
	assert_int_equal(cached_pages(cached), 2);
}

static void no_bytes_at_the_end_of_a_page_are_no_block(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->config.page_size = 64 * BLOCK;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 100, 16);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page),
		0);
	assert_true(mpio_cache_is_uptodate(page, 64 * BLOCK, 0));
	assert_int_equal(
		mpio_cache_fill(page, cached->rig->queue, 64 * BLOCK, 0), 0);
	assert_trace(cached->rig, "");
	mpio_cache_release(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lock_needs_all_of_its_hooks),
		cmocka_unit_test(memory_that_is_not_aligned_is_refused),
		CACHED_TEST(a_file_needs_a_way_to_its_blocks),
		CACHED_TEST(a_write_up_to_the_last_byte_of_all_is_refused),
		CACHED_TEST(a_page_far_behind_all_others_is_not_there),
		CACHED_TEST(pages_may_have_as_many_blocks_as_there_are_bits),
		CACHED_TEST(
			where_the_index_is_full_pages_are_written_to_make_room),
		CACHED_TEST(
			where_the_index_is_full_of_pinned_pages_there_is_no_room),
		CACHED_TEST(a_read_that_nobody_could_wait_for_unlocks_its_page),
		CACHED_TEST(blocks_smaller_than_any_device_has_are_not_moved),
		CACHED_TEST(a_page_that_was_dropped_meanwhile_is_grabbed_anew),
		CACHED_TEST(a_page_that_was_dropped_meanwhile_is_invalid),
		CACHED_TEST(who_drops_pages_is_waited_for),
		CACHED_TEST(a_sync_waits_for_a_page_that_is_locked),
		CACHED_TEST(what_failed_before_it_waited_is_told_after),
		CACHED_TEST(a_page_is_put_while_another_is_waited_for),
		CACHED_TEST(
			pages_in_use_are_not_dropped_by_the_thread_that_has_them),
		CACHED_TEST(a_walk_is_not_begun_inside_itself),
		CACHED_TEST(who_is_inside_a_walk_does_not_help),
		CACHED_TEST(any_other_thread_helps_with_what_nobody_walks),
		CACHED_TEST(a_range_that_ends_before_it_begins_has_no_pages),
		CACHED_TEST(a_range_is_walked_as_far_as_it_goes),
		CACHED_TEST(work_is_done_for_some_files_at_a_time),
		CACHED_TEST(work_that_cannot_be_waited_for_says_so),
		CACHED_TEST(a_page_in_use_keeps_no_other_from_being_forgotten),
		CACHED_TEST(a_place_far_behind_a_file_is_no_page_of_another),
		CACHED_TEST(no_bytes_at_the_end_of_a_page_are_no_block),
		CACHED_TEST(nor_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

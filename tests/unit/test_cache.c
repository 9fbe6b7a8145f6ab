/* SPDX-License-Identifier: MIT */
/*
 * The cache: opening, reading and writing pages, their blocks, the end of
 * file, forgetting, and the lock hooks. Which page goes: test_cache_reclaim.c;
 * write-back: test_cache_writeback.c.
 */
#include "cached.h"

/* ---- Opening ------------------------------------------------------------ */

static void an_empty_configuration_needs_but_memory(void **state)
{
	struct mpio_cache_config config = {0};
	struct mpio_cache *cache;

	(void)state;
	assert_true(mpio_cache_size(NULL) > 1024 * 4096);
	assert_int_equal(mpio_cache_size(NULL), mpio_cache_size(&config));
	assert_int_equal(mpio_cache_open(&config, &cache), -MPIO_EINVAL);
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

/* Nor when the file grows again. */
static void what_is_behind_the_end_is_not_written(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	cached_open(cached, 4, 4);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(mpio_cache_resize(&cached->file, rig->queue, BLOCK),
			 0);
	assert_int_equal(mpio_cache_resize(&cached->file, rig->queue, PAGE), 0);
	rig->watch = WATCH_IO;
	rig->trace[0] = '\0';
	assert_int_equal(sync_file(cached), 0);
	assert_trace(rig, "write 100+1");
}

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

/*
 * The end of the file moves to where no page is, as far behind one as all that
 * the index of pages has room for, of each height.
 */
static void the_end_cuts_no_page_but_its_own(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	uint64_t base = 0;

	cached_open(cached, 8, 16);
	queue = cached->rig->queue;
	cached->rig->mapping.size = (uint64_t)1 << 40;
	for (uint64_t all = 64; all <= (uint64_t)1 << 24; all *= 64) {
		uint64_t key = base + 5;
		struct mpio_page *page;

		assert_int_equal(mpio_cache_resize(&cached->file, queue,
						   (uint64_t)1 << 40),
				 0);
		assert_int_equal(
			mpio_cache_get(&cached->file, queue, key * PAGE, &page),
			0);
		memset(page->data, 0x5a, PAGE);
		assert_int_equal(mpio_cache_resize(&cached->file, queue,
						   (all + key) * PAGE + BLOCK),
				 0);
		assert_int_equal(((unsigned char *)page->data)[PAGE - 1], 0x5a);
		mpio_cache_put(page);
		base = all;
	}
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
}

/* ---- Reading ------------------------------------------------------------ */

static void a_page_is_read_once(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue, PAGE + 5,
						&page),
				 0);
		assert_int_equal(page->pos, PAGE);
		assert_data(page->data, "a104 a105 a106 a107");
		mpio_cache_put(page);
	}
	assert_trace(cached->rig, "read 104+4");
	assert_int_equal(mpio_cache_stats(cached->cache).hits, 2);
	assert_int_equal(mpio_cache_stats(cached->cache).misses, 1);
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

static void a_row_is_read_in_one_io(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 100);
	use_page(cached, 50);
	assert_trace(cached->rig, "read 300+4");
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 45, MPIO_READ_AHEAD),
			 45);
	assert_trace(cached->rig, "read 100+180");
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      40 * PAGE, 20, 0),
			 20);
	assert_trace(cached->rig, "read 280+20, read 304+36");
}

static void readahead_is_waited_for(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 400, 100);
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 4, MPIO_READ_AHEAD),
			 4);
	assert_false(is_cached(cached, 0));
	use_page(cached, 0);
	assert_true(is_cached(cached, 3));
	assert_trace(cached->rig, "read 100+16");
}

static void a_read_that_fails_is_tried_again_by_the_next(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_fail(&cached->rig->a, 101, 1, -MPIO_EIO);
	cached_open(cached, 16, 16);
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page),
		-MPIO_EIO);
	use_page(cached, 1);
	cached->rig->a.fault_count = 0;
	use_page(cached, 0);
}

static int say_one_too_many(struct mpio_mapping *mapping,
			    struct mpio_page *page, uint64_t block,
			    uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping, (void)page, (void)block, (void)flags;
	extent->count++;
	return 0;
}

/* The core asks for whole pages, and is not told where the file ends. */
static void an_answer_that_goes_behind_the_end_is_a_lie(void **state)
{
	struct cached *cached = *state;
	struct mpio_mapping_ops ops;

	cached_open(cached, 6, 16);
	ops = *cached->file.mapping.ops;
	ops.get_block = say_one_too_many;
	cached->file.mapping.ops = &ops;
	assert_int_equal(read_byte(cached, PAGE), -MPIO_EUCLEAN);
	cached->file.mapping.ops = cached->rig->mapping.ops;
	assert_in_range(read_byte(cached, PAGE), 0, 255);
}

static void bytes_behind_the_end_are_zeros(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	cached->file.mapping.size = BLOCK + 512;
	mpio_cache_get(&cached->file, cached->rig->queue, 0, &page);
	assert_data(page->data, "a100 a101/512 0 0");
	mpio_cache_put(page);
}

/* Another copy of a page lies 100 blocks on. */
static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	if (attempt > 1)
		return -MPIO_ENODATA;
	extent->block = 200 + page->pos / BLOCK;
	return 0;
}

static int find_fault(struct mpio_mapping *mapping, struct mpio_page *page)
{
	(void)mapping;
	(void)page;
	return -MPIO_EILSEQ;
}

static void another_copy_shows_nothing_behind_the_end(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	mock_fail(&cached->rig->a, 100, 2, -MPIO_EIO);
	cached->rig->ops.reread = reread;
	cached_open(cached, 16, 16);
	cached->file.mapping.size = BLOCK + 512;
	assert_int_equal(
		mpio_cache_get(&cached->file, cached->rig->queue, 0, &page), 0);
	assert_data(page->data, "a200 a201/512 0 0");
	mpio_cache_put(page);
}

static void a_copy_that_is_bad_spoils_no_block_that_was_good(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached->rig->ops.reread = reread;
	cached->rig->ops.verify = find_fault;
	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_blocks(cached, 1, 1), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_get(&cached->file, queue, 0, &page),
			 -MPIO_EILSEQ);
	assert_int_equal(mpio_cache_grab(&cached->file, queue, 0, &page), 0);
	assert_false(mpio_cache_is_uptodate(page, BLOCK, BLOCK));
	mpio_cache_release(page);
}

/* ---- Writing ------------------------------------------------------------ */

static void whole_blocks_are_written_without_a_read(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 1, 2), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 101+2");
	assert_disk(&cached->rig->a, 100, "a100 f1 f2 a103");
}

static void part_of_a_block_reads_that_block_alone(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, BLOCK + 10, 100, 7), 0);
	assert_trace(cached->rig, "read 101+1");
	assert_int_equal(write_bytes(cached, BLOCK + 500, 100, 7), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 101+1");
	mpio_cache_get(&cached->file, cached->rig->queue, 0, &page);
	assert_trace(cached->rig, "read 100+1, read 102+2");
	assert_int_equal(((unsigned char *)page->data)[BLOCK + 10], 7);
	assert_int_equal(((unsigned char *)page->data)[BLOCK + 599], 7);
	mpio_cache_put(page);
}

static void both_edges_are_read_and_what_lies_between_is_not(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, 10, 4 * BLOCK - 20, 7), 0);
	assert_trace(cached->rig, "read 100+1, read 103+1");
}

static void a_write_that_fails_to_read_changes_nothing(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 101, 1, -MPIO_EIO);
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, BLOCK + 10, 100, 7), -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(write_blocks(cached, 1, 1), 0);
}

static void a_write_of_no_page_is_refused(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, 0, 0, 1), -MPIO_EINVAL);
	assert_int_equal(write_bytes(cached, PAGE - 1, 2, 1), -MPIO_EINVAL);
	assert_int_equal(write_bytes(cached, UINT64_MAX, 2, 1), -MPIO_EINVAL);
}

static void where_positions_end_nothing_is_written_or_read_ahead(void **state)
{
	const uint64_t last = UINT64_MAX - PAGE + 1;
	struct cached *cached = *state;
	struct mpio_queue *queue;

	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_bytes(cached, last, BLOCK, 7), -MPIO_EINVAL);
	assert_int_equal(mpio_cache_readahead(&cached->file, queue, last, 8, 0),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_cache_readahead(&cached->file, queue, last - PAGE,
					      8, MPIO_READ_AHEAD),
			 1);
	assert_int_equal(mpio_cache_stats(cached->cache).free, 15);
	assert_int_equal(write_blocks(cached, 0, 1), 0);
	assert_int_equal(sync_file(cached), 0);
}

static void nothing_written_leaves_the_page_clean(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	assert_int_equal(mpio_cache_write_begin(&cached->file,
						cached->rig->queue, 0, BLOCK,
						&page),
			 0);
	mpio_cache_write_end(page, 0, 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(read_byte(cached, 0) >= 0, 1);
}

static void nothing_written_makes_no_file_longer(void **state)
{
	const uint64_t pos = 21 * BLOCK;
	struct cached *cached = *state;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	assert_int_equal(mpio_cache_write_begin(&cached->file,
						cached->rig->queue, pos, BLOCK,
						&page),
			 0);
	mpio_cache_write_end(page, pos, 0);
	assert_int_equal(cached->file.mapping.size, 16 * BLOCK);
}

static void a_page_can_be_filled_by_hand(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page),
		0);
	assert_false(mpio_cache_is_uptodate(page, 0, BLOCK));
	assert_int_equal(
		mpio_cache_fill(page, cached->rig->queue, BLOCK, 2 * BLOCK), 0);
	assert_trace(cached->rig, "read 101+2");
	assert_true(mpio_cache_is_uptodate(page, BLOCK, 2 * BLOCK));
	assert_false(mpio_cache_is_uptodate(page, BLOCK, 2 * BLOCK + 1));
	mpio_cache_pin(page);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_wait(page, cached->rig->queue), 0);
	mpio_cache_put(page);
}

static void a_page_is_not_filled_twice_at_once(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_grab(&cached->file, queue, 0, &page), 0);
	cached->rig->a.reap_error = -MPIO_EIO;
	assert_int_equal(mpio_cache_fill(page, queue, 0, BLOCK), -MPIO_EIO);
	assert_int_equal(mpio_cache_fill(page, queue, 0, PAGE), -MPIO_EIO);
	cached->rig->a.reap_error = 0;
	assert_int_equal(mpio_cache_fill(page, queue, 0, PAGE), 0);
	assert_trace(cached->rig, "read 100+1, read 101+3");
	assert_data(page->data, "a100 a101 a102 a103");
	mpio_cache_release(page);
	assert_true(is_cached(cached, 0));
}

static void a_locked_page_is_a_deadlock_for_one_thread(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;
	struct mpio_page *again;

	cached_open(cached, 16, 16);
	mpio_cache_grab(&cached->file, cached->rig->queue, 0, &page);
	assert_int_equal(
		mpio_cache_grab(&cached->file, cached->rig->queue, 0, &again),
		-MPIO_EDEADLK);
	mpio_cache_release(page);
}

/* ---- The end of file ---------------------------------------------------- */

static void writing_behind_the_end_moves_it(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 16, 16);
	cached->file.mapping.size = 0;
	assert_int_equal(write_bytes(cached, 10, 100, 7), 0);
	assert_int_equal(mpio_cache_end(&cached->file), 110);
	assert_trace(cached->rig, "");
	assert_int_equal(read_byte(cached, 9), 0);
	assert_int_equal(read_byte(cached, 110), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 100+1");
}

static void what_lay_behind_the_end_does_not_show_when_it_moves_up(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 16);
	cached->file.mapping.size = 100; /* the disk's block has more */
	assert_int_equal(write_bytes(cached, 3 * BLOCK, 10, 7), 0);
	assert_int_equal(read_byte(cached, 100), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0, PAGE),
			 0);
	assert_int_equal(read_byte(cached, 100), 0);
	assert_int_equal(read_byte(cached, BLOCK - 1), 0);
}

static void nor_when_it_moves_up_within_its_block(void **state)
{
	struct cached *cached = *state;

	cached_open(cached, 16, 16);
	cached->file.mapping.size = 100;
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, 600), 0);
	assert_int_equal(read_byte(cached, 300), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&cached->rig->a, 100, "a100/100");
}

static void cut_off_and_moved_up_again_it_is_zeros(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, 512), 0);
	assert_int_equal(mpio_cache_end(&cached->file), 512);
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&cached->rig->a, 100, "f0/512 f1");
	assert_int_equal(mpio_cache_resize(&cached->file, queue, BLOCK), 0);
	assert_int_equal(read_byte(cached, 512), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->file, queue, 0, PAGE),
			 0);
	assert_int_equal(read_byte(cached, 512), 0);
	assert_disk(&cached->rig->a, 100, "f0/512 f1");
}

static void pages_behind_the_end_are_dropped_dirty_or_not(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO;
	cached_open(cached, 40, 16);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(write_blocks(cached, 9, 1), 0);
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, 5 * BLOCK),
		0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 104+1");
	assert_false(is_cached(cached, 2));
}

static void an_end_that_cannot_move_down_stays_and_so_do_the_pages(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;
	struct mpio_page *page;

	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(write_blocks(cached, 8, 4), 0);
	assert_int_equal(mpio_cache_grab(&cached->file, queue, 2 * PAGE, &page),
			 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, BLOCK),
			 -MPIO_EDEADLK);
	assert_int_equal(mpio_cache_end(&cached->file), 16 * BLOCK);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 2);
	mpio_cache_release(page);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, BLOCK), 0);
	assert_int_equal(mpio_cache_end(&cached->file), BLOCK);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void a_hole_is_allocated_when_it_is_written_back(void **state)
{
	struct cached *cached = *state;

	cached->rig->watch = WATCH_IO | WATCH_MAP;
	map_blocks(cached->rig, 0, 4, 100)->flags |= MPIO_EXTENT_NEW;
	cached_open(cached, 0, 16);
	cached->file.mapping.size = PAGE;
	assert_int_equal(read_byte(cached, 0), 0);
	assert_int_equal(write_blocks(cached, 1, 1), 0);
	assert_trace(cached->rig, "map 0+4");
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "alloc 1+1, write 101+1");
}

/* ---- Forgetting --------------------------------------------------------- */

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

/* ---- Lock hooks --------------------------------------------------------- */

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
		cmocka_unit_test(an_empty_configuration_needs_but_memory),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(
			memory_comes_from_an_allocator_and_frames_from_elsewhere),
		cmocka_unit_test(without_memory_there_is_no_cache),
		CACHED_TEST(without_a_frame_none_is_taken),
		CACHED_TEST(what_is_behind_the_end_is_not_written),
		CACHED_TEST(a_file_with_a_page_in_use_is_not_detached),
		CACHED_TEST(the_end_cuts_no_page_but_its_own),
		CACHED_TEST(a_file_that_does_not_fit_is_refused),
		CACHED_TEST(a_page_is_read_once),
		CACHED_TEST(files_do_not_share_pages),
		CACHED_TEST(a_row_is_read_in_one_io),
		CACHED_TEST(readahead_is_waited_for),
		CACHED_TEST(a_read_that_fails_is_tried_again_by_the_next),
		CACHED_TEST(an_answer_that_goes_behind_the_end_is_a_lie),
		CACHED_TEST(bytes_behind_the_end_are_zeros),
		CACHED_TEST(another_copy_shows_nothing_behind_the_end),
		CACHED_TEST(a_copy_that_is_bad_spoils_no_block_that_was_good),
		CACHED_TEST(whole_blocks_are_written_without_a_read),
		CACHED_TEST(part_of_a_block_reads_that_block_alone),
		CACHED_TEST(both_edges_are_read_and_what_lies_between_is_not),
		CACHED_TEST(a_write_that_fails_to_read_changes_nothing),
		CACHED_TEST(a_write_of_no_page_is_refused),
		CACHED_TEST(
			where_positions_end_nothing_is_written_or_read_ahead),
		CACHED_TEST(nothing_written_leaves_the_page_clean),
		CACHED_TEST(nothing_written_makes_no_file_longer),
		CACHED_TEST(a_page_can_be_filled_by_hand),
		CACHED_TEST(a_page_is_not_filled_twice_at_once),
		CACHED_TEST(a_locked_page_is_a_deadlock_for_one_thread),
		CACHED_TEST(writing_behind_the_end_moves_it),
		CACHED_TEST(
			what_lay_behind_the_end_does_not_show_when_it_moves_up),
		CACHED_TEST(nor_when_it_moves_up_within_its_block),
		CACHED_TEST(cut_off_and_moved_up_again_it_is_zeros),
		CACHED_TEST(pages_behind_the_end_are_dropped_dirty_or_not),
		CACHED_TEST(
			an_end_that_cannot_move_down_stays_and_so_do_the_pages),
		CACHED_TEST(a_hole_is_allocated_when_it_is_written_back),
		CACHED_TEST(what_is_dirty_or_pinned_is_not_invalidated),
		CACHED_TEST(a_dropped_page_that_is_pinned_goes_when_it_is_put),
		CACHED_TEST(the_lock_is_not_held_over_a_callback_or_the_device),
		CACHED_TEST(a_callback_does_not_sleep_for_its_own_thread),
		CACHED_TEST(nor_to_write_back_a_page_that_it_reads),
		CACHED_TEST(a_callback_finds_no_room_without_a_lock_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

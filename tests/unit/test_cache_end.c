/* SPDX-License-Identifier: MIT */
/*
 * The cache: the end of file moves up and down. What lies behind it is neither
 * shown nor written, before and after.
 */
#include "cached.h"

/* ---- Up ------------------------------------------------------------------ */

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

static void where_that_cannot_be_seen_to_it_does_not_move_up(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 100, 1, -MPIO_EIO);
	cached_open(cached, 16, 16);
	cached->file.mapping.size = 100;
	assert_int_equal(write_blocks(cached, 8, 4), -MPIO_EIO);
	assert_int_equal(mpio_cache_end(&cached->file), 100);
	cached->rig->a.fault_count = 0;
	assert_int_equal(write_blocks(cached, 8, 4), 0);
	assert_int_equal(mpio_cache_end(&cached->file), 12 * BLOCK);
	assert_int_equal(read_byte(cached, 300), 0);
}

static struct cached *growing;

static void grow_into_a_block(struct rig *rig, uint64_t block)
{
	(void)block;
	rig->before_map = NULL;
	rig->answer_max = 0;
	assert_int_equal(mpio_cache_resize(&growing->file, rig->queue,
					   2 * PAGE + BLOCK + 300),
			 0);
}

/* It was between two blocks when the page was locked. */
static void nor_when_it_moves_up_while_its_page_is_read(void **state)
{
	const uint64_t end = 2 * PAGE + BLOCK + 300;
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	growing = cached;
	rig->answer_max = 4;
	rig->before_map = grow_into_a_block;
	cached_open(cached, 16, 16);
	cached->file.mapping.size = 2 * PAGE + BLOCK;
	assert_int_equal(
		mpio_cache_readahead(&cached->file, rig->queue, 0, 3, 0), 3);
	assert_int_equal(mpio_cache_end(&cached->file), end);
	assert_int_equal(read_byte(cached, end - 1),
			 rig->a.disk[109 * BLOCK + 299]);
	assert_int_equal(read_byte(cached, end), 0);
	assert_int_equal(mpio_cache_resize(&cached->file, rig->queue, 3 * PAGE),
			 0);
	assert_int_equal(read_byte(cached, end), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&rig->a, 109, "a109/300");
}

/* Where the last page of all begins, that is. */
static void it_does_not_move_to_where_no_page_can_be(void **state)
{
	const uint64_t limit = UINT64_MAX - PAGE + 1;
	struct cached *cached = *state;
	struct mpio_queue *queue;

	cached_open(cached, 16, 16);
	queue = cached->rig->queue;
	use_page(cached, 3);
	cached->file.mapping.size = 100;
	cached->rig->mapping.size = UINT64_MAX;
	assert_int_equal(mpio_cache_resize(&cached->file, queue, UINT64_MAX),
			 -MPIO_EFBIG);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, limit + 1),
			 -MPIO_EFBIG);
	assert_int_equal(mpio_cache_end(&cached->file), 100);
	assert_true(is_cached(cached, 3));
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, limit), 0);
	assert_int_equal(mpio_cache_end(&cached->file), limit);
	assert_int_equal(read_byte(cached, limit - 1), 0);
}

/* ---- Down ---------------------------------------------------------------- */

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

/* The disk is full: a block more is not to be had. */
static void an_end_in_a_hole_takes_no_block(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	cached_open(cached, 2, 16);
	rig->mapping.size = cached->file.mapping.size = 16 * BLOCK;
	assert_int_equal(
		mpio_cache_resize(&cached->file, rig->queue, 9 * BLOCK + 5), 0);
	assert_int_equal(mpio_cache_end(&cached->file), 9 * BLOCK + 5);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(
		mpio_cache_resize(&cached->file, rig->queue, 20 * BLOCK), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(read_byte(cached, 9 * BLOCK + 5), 0);
}

static void nor_does_one_in_a_block_that_reads_as_zeros(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	cached_open(cached, 16, 16);
	rig->map[0].flags |= MPIO_EXTENT_UNWRITTEN;
	assert_int_equal(
		mpio_cache_resize(&cached->file, rig->queue, 9 * BLOCK + 5), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	assert_int_equal(read_byte(cached, 9 * BLOCK), 0);
}

static int name_nothing(struct rig *rig, uint64_t block, uint32_t flags,
			struct mpio_extent *extent)
{
	(void)rig;
	(void)block;
	(void)flags;
	extent->count = 0;
	return 0;
}

/* The page is there; an answer that cannot be is no reason to lose zeros. */
static void one_that_nobody_can_say_the_place_of_does(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	cached_open(cached, 16, 16);
	use_page(cached, 2);
	rig->answer = name_nothing;
	assert_int_equal(
		mpio_cache_resize(&cached->file, rig->queue, 9 * BLOCK + 5), 0);
	rig->answer = NULL;
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&rig->a, 109, "a109/5");
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	(void)mapping;
	(void)page;
	(void)data;
	return 0;
}

/* There are others in its page, perhaps, and the page is sealed anew. */
static void one_in_a_page_that_is_sealed_does(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	rig->ops.seal = seal;
	cached_open(cached, 2, 16);
	rig->mapping.size = cached->file.mapping.size = PAGE;
	assert_int_equal(
		mpio_cache_resize(&cached->file, rig->queue, 2 * BLOCK + 5), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

/* It gets its block when it is written back, with zeros behind the end. */
static void what_was_written_to_a_hole_is_cut_off_there(void **state)
{
	struct cached *cached = *state;
	struct rig *rig = cached->rig;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_NEW;
	cached_open(cached, 0, 16);
	cached->file.mapping.size = PAGE;
	assert_int_equal(write_blocks(cached, 1, 1), 0);
	assert_int_equal(
		mpio_cache_resize(&cached->file, rig->queue, BLOCK + 100), 0);
	assert_int_equal(mpio_cache_resize(&cached->file, rig->queue, PAGE), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_disk(&rig->a, 101, "f1/100");
}

/* An engine that has bytes of its own may give more of them than the file's. */
static void bytes_of_the_engine_do_not_show_behind_the_end(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 4, 100)->flags = MPIO_EXTENT_UPTODATE;
	cached_open(cached, 0, 16);
	cached->file.mapping.size = 100;
	assert_int_equal(read_byte(cached, 99), 0x1b);
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, PAGE), 0);
	assert_int_equal(read_byte(cached, 99), 0x1b);
	assert_int_equal(read_byte(cached, 100), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

static void nor_in_the_place_of_what_was_written(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 4, 100)->flags = MPIO_EXTENT_UPTODATE;
	cached_open(cached, 0, 16);
	cached->file.mapping.size = 100;
	assert_int_equal(write_bytes(cached, 10, 5, 7), 0);
	assert_int_equal(
		mpio_cache_resize(&cached->file, cached->rig->queue, 50), 0);
	assert_int_equal(read_byte(cached, 12), 7);
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

/* However many pages lie before it. */
static void what_is_cut_off_a_page_is_zeros_when_the_end_moves_up(void **state)
{
	static const uint64_t pages[] = {4, 40, 400, 5000, 1u << 18, 1u << 24};
	struct cached *cached = *state;

	cached->config.limit_percent = 100;
	cached_open(cached, 16, 16);
	assert_int_equal(write_bytes(cached, 0, PAGE, 7), 0);
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		struct mpio_queue *queue = cached->rig->queue;
		uint64_t at = pages[i] * PAGE;

		assert_int_equal(write_bytes(cached, at, PAGE, 7), 0);
		assert_int_equal(
			mpio_cache_resize(&cached->file, queue, at + BLOCK), 0);
		assert_int_equal(
			mpio_cache_resize(&cached->file, queue, at + PAGE), 0);
		assert_int_equal(read_byte(cached, at + BLOCK - 1), 7);
		assert_int_equal(read_byte(cached, at + BLOCK), 0);
		assert_int_equal(read_byte(cached, at + PAGE - 1), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(writing_behind_the_end_moves_it),
		CACHED_TEST(
			what_lay_behind_the_end_does_not_show_when_it_moves_up),
		CACHED_TEST(nor_when_it_moves_up_within_its_block),
		CACHED_TEST(nor_when_it_moves_up_while_its_page_is_read),
		CACHED_TEST(it_does_not_move_to_where_no_page_can_be),
		CACHED_TEST(cut_off_and_moved_up_again_it_is_zeros),
		CACHED_TEST(what_is_behind_the_end_is_not_written),
		CACHED_TEST(an_end_in_a_hole_takes_no_block),
		CACHED_TEST(nor_does_one_in_a_block_that_reads_as_zeros),
		CACHED_TEST(one_that_nobody_can_say_the_place_of_does),
		CACHED_TEST(one_in_a_page_that_is_sealed_does),
		CACHED_TEST(what_was_written_to_a_hole_is_cut_off_there),
		CACHED_TEST(bytes_of_the_engine_do_not_show_behind_the_end),
		CACHED_TEST(nor_in_the_place_of_what_was_written),
		CACHED_TEST(pages_behind_the_end_are_dropped_dirty_or_not),
		CACHED_TEST(the_end_cuts_no_page_but_its_own),
		CACHED_TEST(
			an_end_that_cannot_move_down_stays_and_so_do_the_pages),
		CACHED_TEST(
			what_is_cut_off_a_page_is_zeros_when_the_end_moves_up),
		CACHED_TEST(where_that_cannot_be_seen_to_it_does_not_move_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

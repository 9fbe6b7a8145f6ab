/* SPDX-License-Identifier: MIT */
/*
 * The file layer: bytes are written to any place, before the end of file,
 * across it and behind it; and the end is moved.
 */
#include "handle.h"

/* ---- Writing ------------------------------------------------------------- */

static void whole_blocks_need_no_read(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(BLOCK, 11 * BLOCK, 'x'), 11 * BLOCK);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 101+11, flush");
	assert_disk(&cached->rig->a, 100, "a100");
	assert_disk(&cached->rig->a, 112, "a112");
	handle_assert_all(cached->rig->a.disk + 101 * BLOCK, 11 * BLOCK, 'x');
}

static void parts_of_blocks_read_those_alone(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(9 * BLOCK + 10, 100, 'x'), 100);
	assert_trace(cached->rig, "read 109+1");
	assert_int_equal(handle_write(9 * BLOCK + 200, 100, 'y'), 100);
	assert_trace(cached->rig, "");
	assert_int_equal(handle_write(14 * BLOCK + 1, 7 * BLOCK, 'z'),
			 7 * BLOCK);
	assert_trace(cached->rig, "read 114+1, read 121+1");
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 109+1, write 114+8, flush");
}

static void what_was_written_is_read(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(PAGE - 10, 20, 'x'), 20);
	assert_int_equal(handle_read(PAGE - 20, 40), 40);
	handle_assert_device(cached, handle_bytes, PAGE - 20, 10);
	handle_assert_all(handle_bytes + 10, 20, 'x');
	handle_assert_device(cached, handle_bytes + 30, PAGE + 10, 10);
	assert_int_equal(handle_write(5, 0, 'x'), 0);
	assert_int_equal(mpio_file_write(&handle, NULL, 0, 5), 0);
	assert_int_equal(mpio_file_size(&handle), 400 * BLOCK);
}

static void more_than_the_cache_holds_is_written(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 4, NULL);
	assert_int_equal(handle_write(5, 399 * BLOCK, 'x'), 399 * BLOCK);
	assert_int_equal(mpio_file_sync(&handle), 0);
	handle_assert_all(cached->rig->a.disk + 100 * BLOCK + 5, 399 * BLOCK,
			  'x');
	handle_assert_device(cached, cached->rig->a.disk + 100 * BLOCK, 0, 5);
}

/* The device has other bytes behind the end, and in what is allocated. */
static void open_short(struct cached *cached)
{
	map_blocks(cached->rig, 0, 4, 100);
	map_blocks(cached->rig, 4, 96, 104)->flags |= MPIO_EXTENT_NEW;
	handle_open(cached, 0, 64, NULL);
	cached->file.mapping.size = 3 * BLOCK + 100;
}

static void a_write_behind_the_end_leaves_zeros_between(void **state)
{
	struct cached *cached = *state;

	open_short(cached);
	assert_int_equal(handle_write(9 * BLOCK + 10, 10, 'x'), 10);
	assert_int_equal(mpio_file_size(&handle), 9 * BLOCK + 20);
	assert_int_equal(handle_read(0, 20 * BLOCK), 9 * BLOCK + 20);
	assert_data(handle_bytes, "a100 a101 a102 a103/100 0 0 0 0 0");
	handle_assert_all(handle_bytes + 9 * BLOCK, 10, 0);
	handle_assert_all(handle_bytes + 9 * BLOCK + 10, 10, 'x');
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_disk(&cached->rig->a, 103, "a103/100 a104");
	handle_assert_all(cached->rig->a.disk + 109 * BLOCK, 10, 0);
	handle_assert_all(cached->rig->a.disk + 109 * BLOCK + 10, 10, 'x');
	handle_assert_all(cached->rig->a.disk + 109 * BLOCK + 20, BLOCK - 20,
			  0);
}

static void a_write_across_the_end_moves_it(void **state)
{
	struct cached *cached = *state;

	open_short(cached);
	assert_int_equal(handle_write(3 * BLOCK + 50, 2 * BLOCK, 'x'),
			 2 * BLOCK);
	assert_int_equal(mpio_file_size(&handle), 5 * BLOCK + 50);
	assert_trace(cached->rig, "read 103+1");
	assert_int_equal(handle_write(5 * BLOCK + 50, 100, 'y'), 100);
	assert_int_equal(mpio_file_size(&handle), 5 * BLOCK + 150);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 103+3, flush");
	assert_int_equal(handle_read(3 * BLOCK, 5000), 2 * BLOCK + 150);
	handle_assert_device(cached, handle_bytes, 3 * BLOCK, 2 * BLOCK + 150);
}

static void positions_end_somewhere(void **state)
{
	struct cached *cached = *state;
	const uint64_t limit = UINT64_MAX - PAGE + 1;

	handle_open(cached, 0, 64, NULL);
	cached->rig->mapping.size = UINT64_MAX;
	assert_int_equal(handle_write(UINT64_MAX, 1, 'x'), -MPIO_EFBIG);
	assert_int_equal(handle_write(UINT64_MAX - 5, 100, 'x'), -MPIO_EFBIG);
	assert_int_equal(handle_write(limit, 1, 'x'), -MPIO_EFBIG);
	assert_int_equal(mpio_file_size(&handle), 0);
	assert_int_equal(handle_write(limit - 10, 100, 'x'), 10);
	assert_int_equal(mpio_file_size(&handle), limit);
	assert_int_equal(handle_write(limit, 90, 'x'), -MPIO_EFBIG);
	assert_int_equal(handle_read(limit - 20, 100), 20);
	handle_assert_all(handle_bytes, 10, 0);
	handle_assert_all(handle_bytes + 10, 10, 'x');
	assert_int_equal(handle_read(limit, 100), 0);
	assert_int_equal(mpio_file_truncate(&handle, limit + 1), -MPIO_EFBIG);
	assert_int_equal(mpio_file_size(&handle), limit);
	for (int i = 0; i < 5; i++) /* nothing is read ahead behind it */
		assert_int_equal(handle_read(limit - 10 + (uint64_t)i, 1), 1);
	assert_int_equal(mpio_file_truncate(&handle, 100), 0);
	assert_int_equal(handle_read(0, 200), 100);
	handle_assert_all(handle_bytes, 100, 0);
}

static void no_bytes_may_be_written_anywhere(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 0, 64, NULL);
	assert_int_equal(handle_write(PAGE, 0, 'x'), 0);
	assert_int_equal(handle_write(UINT64_MAX, 0, 'x'), 0);
	assert_int_equal(mpio_file_size(&handle), 0);
}

static void a_write_that_cannot_read_fails_there(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 109, 1, -MPIO_EIO);
	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(9 * BLOCK + 10, 10, 'x'), -MPIO_EIO);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
	/* The page before it was written. */
	assert_int_equal(handle_write(4 * BLOCK, 5 * BLOCK + 10, 'x'),
			 4 * BLOCK);
	assert_int_equal(handle_write(9 * BLOCK, BLOCK, 'x'), BLOCK);
}

/* ---- Truncate ------------------------------------------------------------ */

static void what_is_cut_off_is_zeros_when_the_end_comes_back(void **state)
{
	static const uint64_t ends[] = {
		0,    100,      BLOCK,    2 * BLOCK + 7,         PAGE - 1,
		PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + BLOCK + 512};
	struct cached *cached = *state;

	handle_open(cached, 16, 64, NULL);
	for (size_t i = COUNT_OF(ends); i-- > 0;) {
		uint64_t end = ends[i];
		/* The blocks behind the end stay mapped, with other bytes. */
		uint64_t kept = (end + BLOCK - 1) / BLOCK * BLOCK;

		assert_int_equal(mpio_file_truncate(&handle, end), 0);
		assert_int_equal(mpio_file_size(&handle), end);
		assert_int_equal(handle_read(0, 16 * BLOCK), end);
		handle_assert_device(cached, handle_bytes, 0, (size_t)end);
		handle_assert_all(handle_bytes + end, 100, 0xa5);
		assert_int_equal(mpio_file_truncate(&handle, end + 3000), 0);
		assert_int_equal(mpio_file_size(&handle), end + 3000);
		assert_int_equal(handle_read(end, 4000), 3000);
		handle_assert_all(handle_bytes, (size_t)(kept - end), 0);
		assert_int_equal(mpio_file_sync(&handle), 0);
		handle_assert_all(cached->rig->a.disk + 100 * BLOCK + end,
				  (size_t)(kept - end), 0);
	}
}

static void where_nothing_is_mapped_all_of_it_is_zeros(void **state)
{
	struct cached *cached = *state;

	open_short(cached);
	assert_int_equal(handle_write(4 * BLOCK, 9 * BLOCK, 'x'), 9 * BLOCK);
	assert_int_equal(mpio_file_truncate(&handle, 2 * BLOCK + 10), 0);
	assert_int_equal(mpio_file_truncate(&handle, 50 * BLOCK), 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(handle_read(2 * BLOCK, 90 * BLOCK), 48 * BLOCK);
	handle_assert_device(cached, handle_bytes, 2 * BLOCK, 10);
	handle_assert_all(handle_bytes + 10, BLOCK - 10, 0);
	handle_assert_all(handle_bytes + 2 * BLOCK, 46 * BLOCK, 0);
	assert_disk(&cached->rig->a, 104, "a104 a105 a106");
}

static void dirty_pages_behind_the_end_are_not_written(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(0, 12 * BLOCK, 'x'), 12 * BLOCK);
	assert_int_equal(mpio_file_truncate(&handle, 5 * BLOCK), 0);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 100+5, flush");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(whole_blocks_need_no_read),
		CACHED_TEST(parts_of_blocks_read_those_alone),
		CACHED_TEST(what_was_written_is_read),
		CACHED_TEST(more_than_the_cache_holds_is_written),
		CACHED_TEST(a_write_behind_the_end_leaves_zeros_between),
		CACHED_TEST(a_write_across_the_end_moves_it),
		CACHED_TEST(positions_end_somewhere),
		CACHED_TEST(a_write_that_cannot_read_fails_there),
		CACHED_TEST(what_is_cut_off_is_zeros_when_the_end_comes_back),
		CACHED_TEST(where_nothing_is_mapped_all_of_it_is_zeros),
		CACHED_TEST(dirty_pages_behind_the_end_are_not_written),
		CACHED_TEST(no_bytes_may_be_written_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

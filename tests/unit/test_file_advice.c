/* SPDX-License-Identifier: MIT */
/*
 * The file layer: what each advice does to the pages of the cache. What it does
 * to reading ahead is in test_file_readahead.c.
 */
#include "handle.h"

static void random_reads_only_what_is_asked_for(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(handle_read(i * PAGE, 10), 10);
	assert_trace(cached->rig,
		     "read 100+4, read 104+4, read 108+4, read 112+4");
	assert_int_equal(mpio_file_stats(&handle).ahead, 0);
	assert_int_equal(mpio_file_stats(&handle).windows, 0);
}

/* ---- Pages that will be needed ------------------------------------------- */

static void willneed_begins_to_read(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	handle_open(cached, 400, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 5 * PAGE + 7, 8 * PAGE + 1,
					  MPIO_ADVICE_WILLNEED),
			 0);
	assert_trace(cached->rig, "read 120+16");
	assert_int_equal(cached->rig->a.pending_count, 1);
	assert_int_equal(handle_read(5 * PAGE + 7, 3 * PAGE), 3 * PAGE);
	handle_assert_device(cached, handle_bytes, 5 * PAGE + 7, 3 * PAGE);
	assert_trace(cached->rig, "");
}

/* What is there may be needed, too. */
static void willneed_takes_a_quarter_of_the_cache(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(
		mpio_file_advise(&handle, PAGE, 0, MPIO_ADVICE_WILLNEED), 0);
	assert_int_equal(cached_pages(cached), 16);
}

static void willneed_ends_where_the_file_does(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 10, 64, NULL);
	assert_int_equal(
		mpio_file_advise(&handle, PAGE, 0, MPIO_ADVICE_WILLNEED), 0);
	assert_trace(cached->rig, "read 104+6");
	assert_int_equal(mpio_file_advise(&handle, 100 * BLOCK, UINT64_MAX,
					  MPIO_ADVICE_WILLNEED),
			 0);
	assert_int_equal(
		mpio_file_advise(&handle, 0, UINT64_MAX, MPIO_ADVICE_WILLNEED),
		0);
	assert_trace(cached->rig, "read 100+4");
	assert_int_equal(cached_pages(cached), 3);
}

/* ---- Pages that will not ------------------------------------------------- */

static void dontneed_writes_back_and_forgets(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_read(0, 6 * PAGE), 6 * PAGE);
	assert_int_equal(handle_write(2 * PAGE, PAGE, 'x'), PAGE);
	assert_int_equal(handle_write(5 * PAGE, PAGE, 'x'), PAGE);
	assert_trace(cached->rig, "read 100+24");
	assert_int_equal(
		mpio_file_advise(&handle, PAGE, 4 * PAGE, MPIO_ADVICE_DONTNEED),
		0);
	assert_trace(cached->rig, "write 108+4");
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(is_cached(cached, i), i == 0 || i > 3);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_trace(cached->rig, "write 120+4");
	assert_int_equal(cached_pages(cached), 0);
	assert_int_equal(handle_read(2 * PAGE, PAGE), PAGE);
	handle_assert_all(handle_bytes, PAGE, 'x');
}

/* No more of the last page is wanted than lies before the end of file. */
static void dontneed_to_the_end_forgets_a_page_that_it_cuts(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 22, 64, NULL);
	assert_int_equal(handle_read(0, 22 * BLOCK), 22 * BLOCK);
	assert_int_equal(
		mpio_file_advise(&handle, 0, 22 * BLOCK, MPIO_ADVICE_DONTNEED),
		0);
	assert_int_equal(cached_pages(cached), 0);
}

/* What lies outside may be needed. */
static void dontneed_leaves_pages_that_lie_in_part_in_the_range(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_read(0, 6 * PAGE), 6 * PAGE);
	assert_int_equal(mpio_file_advise(&handle, PAGE + 1, 5 * PAGE - 1,
					  MPIO_ADVICE_DONTNEED),
			 0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(is_cached(cached, i), i < 2 || i > 3);
	assert_int_equal(mpio_file_advise(&handle, 5 * PAGE + 1, 6 * PAGE - 1,
					  MPIO_ADVICE_DONTNEED),
			 0);
	assert_true(is_cached(cached, 5));
}

static void dontneed_of_part_of_the_first_page_writes_nothing(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(0, 2 * PAGE, 'x'), 2 * PAGE);
	assert_int_equal(
		mpio_file_advise(&handle, 0, 100, MPIO_ADVICE_DONTNEED), 0);
	assert_trace(cached->rig, "");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 2);
}

static void dontneed_waits_for_what_it_writes(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(0, 6 * PAGE, 'x'), 6 * PAGE);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(cached_pages(cached), 0);
	handle_assert_all(cached->rig->a.disk + 100 * BLOCK, 6 * PAGE, 'x');
}

static void dontneed_leaves_pages_in_use(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *page;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_read(0, 4 * PAGE), 4 * PAGE);
	assert_int_equal(mpio_cache_find(&cached->file, PAGE, &page), 0);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 -MPIO_EBUSY);
	assert_int_equal(cached_pages(cached), 1);
	mpio_cache_put(page);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
	assert_int_equal(cached_pages(cached), 0);
}

/* ---- Pages that are used once -------------------------------------------- */

static void read_in_pieces(uint64_t from, uint64_t to, size_t length)
{
	for (uint64_t pos = from; pos < to; pos += length)
		assert_int_equal(handle_read(pos, length), length);
}

static void noreuse_leaves_no_pages(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 96, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE),
			 0);
	read_in_pieces(0, 8 * PAGE, BLOCK);
	assert_int_equal(cached_pages(cached), 0);
	/* A page that was read in part stays. */
	assert_int_equal(handle_read(8 * PAGE, BLOCK), BLOCK);
	assert_true(is_cached(cached, 8));
	/* The other advice still holds: each page was read for itself. */
	assert_int_equal(mpio_file_stats(&handle).ahead, 0);
	assert_int_equal(handle_write(9 * PAGE, PAGE, 'x'), PAGE);
	read_in_pieces(8 * PAGE, 96 * BLOCK, BLOCK);
	assert_int_equal(cached_pages(cached), 1);
	assert_true(is_cached(cached, 9)); /* it is dirty */
}

/*
 * Until all of them is read they stay, as soon as it is known which way it
 * goes: when the page before the first was not there either.
 */
static void nor_does_it_when_they_are_read_backwards(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 96, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE),
			 0);
	for (uint64_t pos = 5 * PAGE - BLOCK; pos > 0; pos -= BLOCK)
		assert_int_equal(handle_read(pos - BLOCK, BLOCK), BLOCK);
	assert_trace(cached->rig,
		     "read 116+4, read 112+4, read 108+4, read 104+4, "
		     "read 100+4");
	assert_int_equal(cached_pages(cached), 1);
	assert_true(is_cached(cached, 4)); /* it began there */
	/* Forwards again, from a page's last block on. */
	read_in_pieces(6 * PAGE - BLOCK, 8 * PAGE, BLOCK);
	assert_trace(cached->rig, "read 120+4, read 124+4, read 128+4");
	assert_int_equal(cached_pages(cached), 1);
}

/* Nor does what comes after them leave a page too early. */
static void a_hit_after_them_forgets_nothing(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 96, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE),
			 0);
	use_page(cached, 0);
	for (uint64_t pos = 8 * PAGE; pos > 4 * PAGE; pos -= BLOCK)
		assert_int_equal(handle_read(pos - BLOCK, BLOCK), BLOCK);
	assert_int_equal(handle_read(0, BLOCK), BLOCK);
	assert_true(is_cached(cached, 0));
}

static void noreuse_and_sequential_come_together(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	read_in_pieces(0, 40 * PAGE, BLOCK);
	assert_true(mpio_file_stats(&handle).windows != 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_false(is_cached(cached, i));
	read_in_pieces(40 * PAGE, 400 * BLOCK, BLOCK);
	assert_int_equal(cached_pages(cached), 0);
}

/* ---- Advice that is taken back, or is none ------------------------------- */

static void normal_forgets_advice(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NOREUSE);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_NORMAL),
			 0);
	read_in_pieces(0, 20 * PAGE, PAGE);
	assert_true(is_cached(cached, 5));
	assert_true(mpio_file_stats(&handle).windows != 0);
}

static void advice_that_cannot_be_is_refused(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, (enum mpio_advice)6),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, (enum mpio_advice)99),
			 -MPIO_EINVAL);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
			mpio_file_advise(&handle, 10, 5, (enum mpio_advice)i),
			-MPIO_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(random_reads_only_what_is_asked_for),
		CACHED_TEST(willneed_begins_to_read),
		CACHED_TEST(willneed_takes_a_quarter_of_the_cache),
		CACHED_TEST(willneed_ends_where_the_file_does),
		CACHED_TEST(dontneed_writes_back_and_forgets),
		CACHED_TEST(dontneed_to_the_end_forgets_a_page_that_it_cuts),
		CACHED_TEST(
			dontneed_leaves_pages_that_lie_in_part_in_the_range),
		CACHED_TEST(dontneed_waits_for_what_it_writes),
		CACHED_TEST(dontneed_leaves_pages_in_use),
		CACHED_TEST(noreuse_leaves_no_pages),
		CACHED_TEST(nor_does_it_when_they_are_read_backwards),
		CACHED_TEST(a_hit_after_them_forgets_nothing),
		CACHED_TEST(noreuse_and_sequential_come_together),
		CACHED_TEST(normal_forgets_advice),
		CACHED_TEST(advice_that_cannot_be_is_refused),
		CACHED_TEST(dontneed_of_part_of_the_first_page_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

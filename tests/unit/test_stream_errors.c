/* SPDX-License-Identifier: MIT */
/*
 * Streams: pages that fail, an engine that does, has no frame, or gives a page
 * that cannot be read. What was named before comes all the same, and each page
 * is given back.
 */
#include "stream_reader.h"

static void a_page_that_fails_is_handed_over_and_the_others_are_good(void **s)
{
	struct reader reader = {0};
	struct rig *rig = *s;
	struct mpio_page *page;

	reader_name(&reader, 0, 1, 5);
	reader_open(&reader, rig, true);
	mock_fail(&rig->a, 104, 1, -MPIO_EIO);
	reader_expect_page(&reader, 0);
	reader_expect_page(&reader, 1);
	assert_int_equal(mpio_stream_next(reader.stream, &page), 1);
	reader.taken--;
	assert_int_equal(page->error, -MPIO_EIO);
	assert_flags(rig, 2, "error");
	reader_expect_page(&reader, 3);
	reader_expect_page(&reader, 4);
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

static void an_error_of_the_engine_comes_after_the_pages_before(void **state)
{
	struct reader reader = {.error = -MPIO_ENODEV};

	reader_name(&reader, 0, 1, 3);
	reader_open(&reader, *state, true);
	reader_expect_pages(&reader, 0, 1, 3);
	reader_expect_end(&reader, -MPIO_ENODEV);
	reader_close(&reader);
}

static void an_error_of_take_comes_after_the_pages_before(void **state)
{
	struct reader reader = {0};

	reader_name(&reader, 0, 2, 3);
	reader_open(&reader, *state, false);
	reader_expect_page(&reader, 0);
	reader.take_error = -MPIO_EIO;
	reader_expect_end(&reader, -MPIO_EIO);
	reader_close(&reader);
}

static void a_reader_without_frames_goes_on_when_it_has_some(void **state)
{
	struct reader reader = {.frames = 1, .taken = 1};

	reader_name(&reader, 0, 1, 3);
	reader_open(&reader, *state, true);
	reader_expect_end(&reader, -MPIO_ENOMEM);
	reader.taken = 0;
	reader_expect_pages(&reader, 0, 1, 3);
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

static void a_page_that_cannot_be_read_ends_the_stream(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;
	struct mpio_page stranger;

	reader_name(&reader, 0, 2, 4);
	reader_open(&reader, rig, false);
	reader_expect_page(&reader, 0);
	stranger = *page_at(rig, 3); /* not locked, and elsewhere */
	reader.instead = &stranger;
	reader_expect_end(&reader, -MPIO_EINVAL);
	reader_close(&reader);
}

static void a_page_that_is_not_locked_cannot_be_read(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 3, 1, 1);
	reader_open(&reader, rig, false);
	reader.instead = page_at(rig, 3);
	reader_expect_end(&reader, -MPIO_EINVAL);
	reader_close(&reader);
}

static void a_page_from_elsewhere_is_not_read(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 3, 1, 1);
	reader_open(&reader, rig, false);
	reader.instead = page_at(rig, 4);
	reader.instead->flags = MPIO_PAGE_LOCKED;
	reader_expect_end(&reader, -MPIO_EINVAL);
	assert_trace(rig, "");
	reader.instead->flags = 0;
	reader_close(&reader);
}

/* Neither read nor waited for, though it is locked and in its place. */
static void what_is_none_of_the_answers_ends_the_stream(void **state)
{
	struct reader reader = {.instead_found = MPIO_STREAM_BUSY + 1};
	struct rig *rig = *state;

	reader_name(&reader, 3, 1, 1);
	reader_open(&reader, rig, false);
	reader.instead = page_at(rig, 3);
	reader.instead->flags = MPIO_PAGE_LOCKED;
	reader_expect_end(&reader, -MPIO_EINVAL);
	assert_flags(rig, 3, "locked");
	reader.instead->flags = 0;
	reader_close(&reader);
}

static void a_page_unfit_to_be_read_is_given_back(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 0, 1, 4);
	reader_open(&reader, rig, false);
	rig->mapping.block_size = 4 * PAGE; /* a whole page is not a block */
	reader_expect_end(&reader, -MPIO_EINVAL);
	assert_in_range(reader.released, 1, 4);
	rig->mapping.block_size = BLOCK;
	reader_close(&reader);
}

static void also_if_it_is_told_to_go(void **state)
{
	struct reader reader = {.config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 3);
	reader_name(&reader, 50, 1, 16);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 3);
	rig->mapping.block_size = 4 * PAGE;
	assert_int_equal(mpio_stream_send(reader.stream), -MPIO_EINVAL);
	assert_int_equal(reader.released, 4);
	reader_expect_end(&reader, -MPIO_EINVAL);
	rig->mapping.block_size = BLOCK;
	reader_close(&reader);
}

static void a_page_behind_an_unfit_one_is_given_back_when_read(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	reader_name(&reader, 4, 1, 2);
	reader_open(&reader, rig, true);
	rig->mapping.block_size = 4 * PAGE;
	reader_expect_end(&reader, -MPIO_EINVAL);
	assert_int_equal(reader.released, 2);
	rig->mapping.block_size = BLOCK;
	reader_close(&reader);
}

/* It is not the stream's to be unlocked. */
static void a_page_behind_an_unfit_one_stays_locked_until_read(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	reader_name(&reader, 4, 1, 2);
	reader_open(&reader, rig, true);
	rig->mapping.block_size = 4 * PAGE;
	rig->a.reap_error = -MPIO_EIO;
	reader_expect_end(&reader, -MPIO_EINVAL);
	assert_true(page_at(rig, 5)->flags & MPIO_PAGE_LOCKED);
	assert_int_equal(reader.released, 1);
	rig->mapping.block_size = BLOCK;
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	mpio_stream_close(reader.stream);
}

/* Not only when those before it were handed over. */
static void an_unfit_page_goes_when_those_before_it_are_sent(void **state)
{
	struct reader reader = {.config.runs_max = 1};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	page_at(rig, 3)->size = PAGE - 1;
	reader_name(&reader, 0, 1, 8);
	reader_open(&reader, rig, true);
	reader_expect_page(&reader, 0);
	assert_int_equal(reader.released, 1);
	reader_expect_pages(&reader, 1, 1, 2);
	reader_expect_end(&reader, -MPIO_EINVAL);
	page_at(rig, 3)->size = PAGE;
	reader_close(&reader);
}

static void nothing_to_wait_for_is_told(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;
	struct mpio_page *page;

	reader_name(&reader, 5, 1, 1);
	reader_open(&reader, rig, true);
	page_at(rig, 5)->flags = MPIO_PAGE_LOCKED; /* by nobody */
	reader_expect_end(&reader, -MPIO_EDEADLK);
	page_at(rig, 5)->flags = 0;
	assert_int_equal(mpio_stream_next(reader.stream, &page), 1);
	reader.taken--;
	reader_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(
			a_page_that_fails_is_handed_over_and_the_others_are_good),
		RIG_TEST(an_error_of_the_engine_comes_after_the_pages_before),
		RIG_TEST(an_error_of_take_comes_after_the_pages_before),
		RIG_TEST(a_reader_without_frames_goes_on_when_it_has_some),
		RIG_TEST(a_page_that_cannot_be_read_ends_the_stream),
		RIG_TEST(a_page_that_is_not_locked_cannot_be_read),
		RIG_TEST(a_page_from_elsewhere_is_not_read),
		RIG_TEST(what_is_none_of_the_answers_ends_the_stream),
		RIG_TEST(a_page_unfit_to_be_read_is_given_back),
		RIG_TEST(also_if_it_is_told_to_go),
		RIG_TEST(a_page_behind_an_unfit_one_is_given_back_when_read),
		RIG_TEST(a_page_behind_an_unfit_one_stays_locked_until_read),
		RIG_TEST(nothing_to_wait_for_is_told),
		RIG_TEST(an_unfit_page_goes_when_those_before_it_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

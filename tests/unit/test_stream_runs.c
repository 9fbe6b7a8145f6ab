/* SPDX-License-Identifier: MIT */
/*
 * Streams: pages that lie side by side, or a small gap apart, are one run, and
 * read together; and a run that may become longer is held back.
 */
#include "stream_reader.h"

/* ---- What is read together ----------------------------------------------- */

static void neighbours_are_read_together(void **state)
{
	struct reader reader = {.config.combine_bytes = 4 * PAGE};

	reader_name(&reader, 10, 1, 6);
	reader_name(&reader, 30, 1, 2);
	reader_open(&reader, *state, false);
	reader_expect_pages(&reader, 10, 1, 6);
	reader_expect_page(&reader, 30);
	reader_expect_page(&reader, 31);
	reader_expect_end(&reader, 0);
	assert_trace(*state, "read 120+8, read 128+4, read 160+4");
	assert_int_equal(reader_stats(&reader)->runs, 3);
	reader_close(&reader);
}

static void the_queues_limit_bounds_what_is_combined(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	rig->config.bytes_max = 2 * PAGE;
	reader_name(&reader, 0, 1, 4);
	reader_open(&reader, rig, false);
	reader_expect_page(&reader, 0);
	assert_trace(rig, "read 100+4");
	for (uint32_t i = 1; i < 4; i++)
		reader_expect_page(&reader, i);
	reader_close(&reader);
}

/* Nor is more than one page read at a time. */
static void pages_may_be_larger_than_what_is_combined(void **state)
{
	struct reader reader = {.config.combine_bytes = PAGE / 2};
	struct rig *rig = *state;

	reader_name(&reader, 0, 1, 3);
	reader_open(&reader, rig, false);
	reader_expect_pages(&reader, 0, 1, 3);
	assert_trace(rig, "read 100+2, read 102+2, read 104+2");
	reader_close(&reader);
}

static void pages_named_backwards_are_read_one_by_one(void **state)
{
	struct reader reader = {.name_count = 3, .names = {2, 1, 0}};

	reader_open(&reader, *state, false);
	for (uint32_t i = 3; i > 0; i--)
		reader_expect_page(&reader, i - 1);
	assert_trace(*state, "read 104+2, read 102+2, read 100+2");
	reader_close(&reader);
}

/* ---- Gaps ---------------------------------------------------------------- */

/* Gaps of a page are crossed; one of two pages is too large. */
static void pages_a_gap_apart_are_read_together(void **state)
{
	struct reader reader = {.config.combine_bytes = 7 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = PAGE;
	reader_name(&reader, 10, 2, 5);
	reader_name(&reader, 21, 1, 1);
	reader_open(&reader, rig, false);
	for (uint32_t i = 0; i < 5; i++)
		reader_expect_page(&reader, 10 + 2 * i);
	reader_expect_page(&reader, 21);
	reader_expect_end(&reader, 0);
	assert_trace(rig, "read 120+14, read 136+2, read 142+2");
	assert_int_equal(reader_stats(&reader)->runs, 3);
	reader_close(&reader);
}

/* A gap that the queue would not cross holds nothing back. */
static void a_gap_that_is_too_much_of_a_read_ends_the_run(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 4 * PAGE;
	rig->config.gap_percent = 40;
	reader_name(&reader, 10, 3, 3);
	reader_name(&reader, 18, 1, 1);
	reader_open(&reader, rig, false);
	for (uint32_t i = 0; i < 3; i++) {
		reader_expect_page(&reader, 10 + 3 * i);
		assert_int_equal(reader_stats(&reader)->runs, i + 1);
	}
	reader_expect_page(&reader, 18);
	assert_trace(rig, "read 120+2, read 126+2, read 132+6");
	reader_close(&reader);
}

/* As the queue does, which looks at all of an I/O: a gap that is much of what
 * lies around it may be little of the run. */
static void gaps_are_a_share_of_the_whole_run(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 4 * PAGE;
	rig->config.gap_percent = 50;
	reader_name(&reader, 10, 3, 3); /* one of two pages after each */
	reader_name(&reader, 17, 1, 4);
	reader_name(&reader, 25, 1, 1); /* one of four */
	reader_open(&reader, rig, false);
	reader_expect_pages(&reader, 10, 3, 3);
	reader_expect_pages(&reader, 17, 1, 4);
	reader_expect_page(&reader, 25);
	assert_trace(rig, "read 120+8, read 132+20");
	reader_close(&reader);
}

/* And not of what was read before it. */
static void gaps_are_a_share_of_the_last_run(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 4 * PAGE;
	rig->config.gap_percent = 50;
	reader_name(&reader, 10, 1, 16); /* a whole run */
	reader_name(&reader, 40, 1, 1);
	reader_name(&reader, 42, 1, 1); /* one page of three */
	reader_open(&reader, rig, false);
	reader_expect_pages(&reader, 10, 1, 16);
	reader_expect_page(&reader, 40);
	reader_expect_page(&reader, 42);
	assert_trace(rig, "read 120+32, read 180+6");
	reader_close(&reader);
}

static void no_gap_makes_a_run_longer_than_what_is_combined(void **state)
{
	struct reader reader = {.config.combine_bytes = 4 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 3 * PAGE;
	reader_name(&reader, 0, 1, 3);
	reader_name(&reader, 6, 1, 1);
	reader_open(&reader, rig, false);
	reader_expect_pages(&reader, 0, 1, 3);
	reader_expect_page(&reader, 6);
	assert_trace(rig, "read 100+6, read 112+2");
	reader_close(&reader);
}

/* What the queue does not cross, the stream does not count as one read. */
static void nor_longer_than_the_queue_crosses_gaps_in(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = PAGE;
	rig->config.gap_io_bytes = 2 * PAGE;
	reader_name(&reader, 0, 2, 4);
	reader_open(&reader, rig, false);
	reader_expect_pages(&reader, 0, 2, 4);
	assert_int_equal(reader_stats(&reader)->runs, 4);
	assert_trace(rig, "read 100+2, read 104+2, read 108+2, read 112+2");
	reader_close(&reader);
}

/* ---- When a run is sent -------------------------------------------------- */

/* At a distance of 4, no more than 4 pages of a run of 8 are there. */
static void a_short_run_is_held_back_while_it_may_grow(void **state)
{
	struct reader reader = {.config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 3);
	reader_name(&reader, 50, 1, 16);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 3);
	assert_trace(rig, "read 100+2, read 104+2, read 108+2");
	assert_in_range(reader.taken, 1, 7); /* and they were not sent */
	reader_expect_page(&reader, 50);
	assert_trace(rig, "read 200+16");
	reader_close(&reader);
}

static void until_it_is_told_to_go(void **state)
{
	struct reader reader = {.config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 3);
	reader_name(&reader, 50, 1, 16);
	reader_open(&reader, rig, true);
	assert_int_equal(mpio_stream_send(reader.stream), 0);
	reader_expect_pages(&reader, 0, 2, 3);
	assert_trace(rig, "read 100+2, read 104+2, read 108+2");
	assert_int_equal(reader.taken, 4);
	assert_int_equal(mpio_stream_send(reader.stream), 0);
	assert_trace(rig, "read 200+8");
	assert_int_equal(mpio_stream_send(reader.stream), 0);
	assert_trace(rig, "");
	reader_expect_pages(&reader, 50, 1, 16);
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

/* Longer it can't become. */
static void a_run_that_is_full_is_not_held_back(void **state)
{
	struct reader reader = {.config.combine_bytes = 4 * PAGE};

	reader_name(&reader, 0, 2, 3);
	reader_name(&reader, 50, 1, 20);
	reader_open(&reader, *state, true);
	reader_expect_pages(&reader, 0, 2, 3);
	assert_int_equal(reader_stats(&reader)->distance, 4);
	assert_int_equal(reader.taken, 4);
	assert_int_equal(reader_stats(&reader)->runs, 4);
	reader_close(&reader);
}

/* Nothing will follow it. */
static void the_last_run_is_not_held_back(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};

	reader_name(&reader, 0, 2, 6);
	reader_name(&reader, 50, 1, 3);
	reader_open(&reader, *state, true);
	reader_expect_pages(&reader, 0, 2, 6);
	assert_int_equal(reader.taken, 3);
	assert_int_equal(reader_stats(&reader)->runs, 7);
	reader_expect_pages(&reader, 50, 1, 3);
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

/* No frame now, and nobody waits: more may come, and be read with it. */
static void what_is_held_back_waits_for_frames(void **state)
{
	struct reader reader = {.frames = 3, .config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 4);
	reader_name(&reader, 50, 1, 8);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 4);
	assert_int_equal(reader.taken, 2); /* the third was handed over last */
	assert_int_equal(reader_stats(&reader)->runs, 4);
	reader_expect_pages(&reader, 50, 1, 8);
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

/* What is there already ends the run before it, however many there are. */
static void a_hit_sends_what_is_before_it(void **state)
{
	struct reader reader = {.config.runs_max = 1};
	struct rig *rig = *state;

	rig->a.reap_max = 1;
	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 61, 1, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	reader_name(&reader, 0, 2, 4);
	reader_name(&reader, 40, 20, 2);
	reader_name(&reader, 61, 1, 2);
	reader_name(&reader, 100, 2, 8);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 4);
	reader_expect_page(&reader, 40);
	for (uint32_t i = 60; i < 63; i++)
		reader_expect_page(&reader, i);
	for (uint32_t i = 0; i < 8; i++)
		reader_expect_page(&reader, 100 + 2 * i);
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

/* Those that nobody waits for yet; the second one was held back. */
static void reads_ahead_say_so(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 3);
	reader_open(&reader, rig, true);
	rig->watch = WATCH_IO | WATCH_FLAGS;
	reader_expect_pages(&reader, 0, 2, 3);
	assert_trace(rig, "read 100+2 sync, read 104+2 sync, "
			  "read 108+2 readahead");
	reader_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(neighbours_are_read_together),
		RIG_TEST(the_queues_limit_bounds_what_is_combined),
		RIG_TEST(pages_may_be_larger_than_what_is_combined),
		RIG_TEST(pages_named_backwards_are_read_one_by_one),
		RIG_TEST(pages_a_gap_apart_are_read_together),
		RIG_TEST(a_gap_that_is_too_much_of_a_read_ends_the_run),
		RIG_TEST(gaps_are_a_share_of_the_whole_run),
		RIG_TEST(no_gap_makes_a_run_longer_than_what_is_combined),
		RIG_TEST(nor_longer_than_the_queue_crosses_gaps_in),
		RIG_TEST(a_short_run_is_held_back_while_it_may_grow),
		RIG_TEST(until_it_is_told_to_go),
		RIG_TEST(a_run_that_is_full_is_not_held_back),
		RIG_TEST(the_last_run_is_not_held_back),
		RIG_TEST(what_is_held_back_waits_for_frames),
		RIG_TEST(a_hit_sends_what_is_before_it),
		RIG_TEST(reads_ahead_say_so),
		RIG_TEST(gaps_are_a_share_of_the_last_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

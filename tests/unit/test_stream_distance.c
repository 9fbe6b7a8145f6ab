/* SPDX-License-Identifier: MIT */
/*
 * Streams: how many pages are taken ahead. The distance grows with each wait
 * for the device, and shrinks with each page that is there; and only so many
 * runs are on their way at a time.
 */
#include "stream_reader.h"

/* A device that works at once is never waited for. */
static void without_waiting_nothing_is_taken_ahead(void **state)
{
	struct reader reader = {0};

	reader_name(&reader, 0, 2, 50);
	reader_open(&reader, *state, false);
	for (uint32_t i = 0; i < 50; i++) {
		reader_expect_page(&reader, 2 * i);
		assert_int_equal(reader.taken, 0);
	}
	assert_int_equal(reader_stats(&reader)->distance_peak, 0);
	assert_int_equal(reader_stats(&reader)->waits, 0);
	reader_close(&reader);
}

/* One that ends I/Os while the consumer is at work isn't either. */
static void a_device_that_is_in_time_is_not_waited_for(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	reader_name(&reader, 0, 2, 20);
	reader_open(&reader, rig, false);
	reader_expect_pages(&reader, 0, 2, 20);
	assert_int_equal(reader_stats(&reader)->waits, 0);
	assert_int_equal(reader_stats(&reader)->distance_peak, 0);
	reader_close(&reader);
}

static void pages_that_are_there_are_taken_one_at_a_time(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_all(rig, 0), 200);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	reader_name(&reader, 0, 1, 60);
	reader_open(&reader, rig, true);
	for (uint32_t i = 0; i < 60; i++) {
		reader_expect_page(&reader, i);
		assert_int_equal(reader.taken, 0);
	}
	assert_trace(rig, "");
	assert_int_equal(reader_stats(&reader)->hits, 60);
	assert_int_equal(reader_stats(&reader)->distance, 0);
	reader_close(&reader);
}

static void each_wait_doubles_the_distance(void **state)
{
	struct reader reader = {.config.look_ahead_max = 20,
				.config.runs_max = 40};

	reader_name(&reader, 0, 2, 90);
	reader_open(&reader, *state, true);
	reader_expect_page(&reader, 0);
	assert_int_equal(reader_stats(&reader)->distance, 1);
	assert_int_equal(reader.taken, 1);
	for (uint32_t i = 1; i < 60; i++)
		reader_expect_page(&reader, 2 * i);
	assert_int_equal(reader_stats(&reader)->distance, 20);
	assert_int_equal(reader_stats(&reader)->distance_peak, 20);
	assert_int_equal(reader.taken, 20);
	reader_close(&reader);
	assert_int_equal(reader.released, 20);
}

/* However much is combined: while one run is read, another is on its way. */
static void a_run_is_never_all_that_is_taken_ahead(void **state)
{
	static const uint32_t looks[] = {2, 8, 16};

	for (uint32_t k = 0; k < 3; k++) {
		struct reader reader = {.config.combine_bytes = 64 * PAGE,
					.config.look_ahead_max = looks[k]};
		struct rig *rig = *state;
		uint32_t busy = 0; /* times that the device was, meanwhile */

		reader_name(&reader, 60 * k, 1, 60);
		reader_open(&reader, rig, true);
		for (uint32_t i = 0; i < 50; i++) {
			reader_expect_page(&reader, 60 * k + i);
			busy += rig->a.pending_count != 0;
		}
		assert_in_range(busy, 10, 50);
		reader_close(&reader);
	}
}

static void each_hit_takes_one_page_off_the_distance(void **state)
{
	struct reader reader = {.config.look_ahead_max = 4};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 100, 20, 0), 20);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	reader_name(&reader, 0, 2, 10);
	reader_name(&reader, 100, 1, 20);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 10);
	reader_expect_pages(&reader, 100, 1, 20);
	assert_int_equal(reader_stats(&reader)->distance_peak, 4);
	assert_int_equal(reader_stats(&reader)->distance, 0);
	assert_int_equal(reader_stats(&reader)->hits, 20);
	reader_close(&reader);
}

/* Whatever becomes of pages that were handed over. */
static void runs_in_flight_are_limited(void **state)
{
	struct reader reader = {.config.runs_max = 3};
	struct rig *rig = *state;

	rig->a.reap_max = 1;
	reader_name(&reader, 0, 2, 99);
	reader_open(&reader, rig, true);
	for (uint32_t i = 0; i < 60; i++) {
		reader_expect_page(&reader, 2 * i);
		page_at(rig, 2 * i)->flags |= MPIO_PAGE_LOCKED;
		assert_in_range(mpio_queue_stats(rig->queue)->in_flight,
				i < 8 ? 0 : 1, 3);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 3);
	for (uint32_t i = 0; i < 60; i++)
		page_at(rig, 2 * i)->flags &= ~MPIO_PAGE_LOCKED;
	reader_close(&reader);
}

/* But for one that a hit has sent: the next waits. */
static void runs_in_flight_are_limited_among_hits(void **state)
{
	struct reader reader = {.config.runs_max = 3};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	for (uint32_t i = 2; i < 99; i += 3) {
		assert_int_equal(read_pages(rig, i, 1, 0), 1);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
	}
	rig->a.reap_max = 1;
	reader_name(&reader, 0, 2, 20);
	for (uint32_t i = 39; i < 99; i++) /* a hit after each two */
		reader_name(&reader, i, 1, 1);
	reader_open(&reader, rig, true);
	for (uint32_t i = 0; i < reader.name_count; i++) {
		reader_expect_page(&reader, reader.names[i]);
		if (i > 24 && i < 60) /* nor does the device run dry */
			assert_in_range(mpio_queue_stats(rig->queue)->in_flight,
					2, 4);
	}
	reader_expect_end(&reader, 0);
	assert_in_range(reader_stats(&reader)->distance_peak, 8, 256);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 4);
	reader_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(without_waiting_nothing_is_taken_ahead),
		RIG_TEST(a_device_that_is_in_time_is_not_waited_for),
		RIG_TEST(pages_that_are_there_are_taken_one_at_a_time),
		RIG_TEST(each_wait_doubles_the_distance),
		RIG_TEST(a_run_is_never_all_that_is_taken_ahead),
		RIG_TEST(each_hit_takes_one_page_off_the_distance),
		RIG_TEST(runs_in_flight_are_limited),
		RIG_TEST(runs_in_flight_are_limited_among_hits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

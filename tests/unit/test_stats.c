/* SPDX-License-Identifier: MIT */
/*
 * What a queue counts: each counter where it changes, and where it does not.
 */
#include "mock.h"

static const struct mpio_stats *stats_of(struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static uint64_t all_cuts(const struct mpio_stats *stats)
{
	uint64_t n = 0;

	for (int i = 0; i < MPIO_CUT_COUNT; i++)
		n += stats->cuts[i];
	return n;
}

static void a_new_queue_has_counted_nothing(void **state)
{
	static const struct mpio_stats none;
	struct rig *rig = *state;

	rig_open(rig);
	assert_memory_equal(stats_of(rig), &none, sizeof(none));
}

static void reads_are_counted(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	map_blocks(rig, 0, 6, 100);
	map_blocks(rig, 6, 2, 200);
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	stats = stats_of(rig);
	assert_int_equal(stats->pages_read, 3);
	assert_int_equal(stats->pages_written, 0);
	assert_int_equal(stats->get_block_calls, 3);
	assert_int_equal(stats->reads, 2);
	assert_int_equal(stats->writes, 0);
	assert_int_equal(stats->bytes_read, 8 * BLOCK);
	assert_int_equal(stats->segments, 3);
	assert_int_equal(stats->cuts[MPIO_CUT_NOT_ADJACENT], 1);
	assert_int_equal(stats->cuts[MPIO_CUT_BATCH_END], 1);
	assert_int_equal(all_cuts(stats), 2);
	assert_int_equal(stats->submits, 2);
	assert_int_equal(stats->retries, 0);
	assert_int_equal(stats->errors, 0);
	assert_int_equal(stats->in_flight, 0);
	assert_int_equal(stats->in_flight_peak, 1);
}

static void writes_are_counted(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	rig->mapping.size = 9 * BLOCK;
	map_blocks(rig, 0, 12, 100);
	add_pages(rig, 0, 4, 4);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	stats = stats_of(rig);
	assert_int_equal(stats->pages_written, 4);
	assert_int_equal(stats->pages_read, 0);
	assert_int_equal(stats->get_block_calls, 1);
	assert_int_equal(stats->writes, 1);
	assert_int_equal(stats->bytes_written, 9 * BLOCK);
	assert_int_equal(stats->segments, 3);
	assert_int_equal(all_cuts(stats), 1);
}

static void pages_that_were_not_taken_are_not_counted(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	page_at(rig, 1)->size = 1;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(stats_of(rig)->pages_read, 1);
}

static void one_page_that_is_written_is_counted(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	dirty_page(rig, 0);
	rig_open(rig);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 0), NULL),
			 0);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 1), NULL),
			 0);
	assert_int_equal(stats_of(rig)->pages_written, 1);
}

static void bios_by_hand_are_counted_but_cut_by_nobody(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 2);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 1, 3);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	stats = stats_of(rig);
	assert_int_equal(stats->reads, 1);
	assert_int_equal(stats->writes, 1);
	assert_int_equal(stats->discards, 1);
	assert_int_equal(stats->flushes, 1);
	assert_int_equal(stats->bytes_read, 2 * BLOCK);
	assert_int_equal(stats->bytes_written, 3 * BLOCK);
	assert_int_equal(stats->segments, 2);
	assert_int_equal(stats->submits, 4);
	assert_int_equal(all_cuts(stats), 0);
}

static void retries_and_errors_are_counted_apart(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	mock_fail(&rig->a, 103, 1, -MPIO_EIO);
	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 1, 4);
	rig_open(rig);
	rig->a.refuse = 1;
	rig->a.refusal = -MPIO_EAGAIN;
	assert_int_equal(read_all(rig, 0), 4);
	stats = stats_of(rig);
	assert_int_equal(stats->reads, 1);
	assert_int_equal(stats->bytes_read, 4 * BLOCK);
	/* One refusal, then the halves: 2, 2, 1, 1. */
	assert_int_equal(stats->retries, 5);
	assert_int_equal(stats->submits, 6);
	assert_int_equal(stats->errors, 1);
}

static void calls_of_the_device_are_counted(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 5, 1);
	mpio_queue_unplug(rig->queue);
	stats = stats_of(rig);
	assert_int_equal(stats->submits, 2);
	assert_int_equal(stats->commits, 1);
	assert_int_equal(stats->reaps, 0);
	assert_int_equal(stats->in_flight, 2);
	assert_int_equal(mpio_queue_poll(rig->queue), 1);
	assert_int_equal(stats->reaps, 1);
	assert_int_equal(stats->waits, 0);
	assert_int_equal(stats->in_flight, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(stats->reaps, 2);
	assert_int_equal(stats->waits, 1);
	assert_int_equal(stats->in_flight, 0);
	assert_int_equal(stats->in_flight_peak, 2);
	assert_int_equal(stats->commits, 1);
}

static void merged_bios_count_as_one(void **state)
{
	struct rig *rig = *state;
	const struct mpio_stats *stats;

	map_blocks(rig, 0, 3, 100);
	add_pages(rig, 0, 1, 3);
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(read_pages(rig, i, 1, 0), 1);
	mpio_queue_unplug(rig->queue);
	stats = stats_of(rig);
	assert_int_equal(stats->merges, 2);
	assert_int_equal(stats->reads, 1);
	assert_int_equal(stats->bytes_read, 3 * BLOCK);
	assert_int_equal(stats->segments, 3);
	assert_int_equal(stats->cuts[MPIO_CUT_BATCH_END], 3);
}

/* Only what would have gone on elsewhere is cut there. */
static void a_batch_that_ends_where_the_device_does_is_a_batch(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, DISK_BLOCKS - 4);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_BATCH_END], 1);
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_DEVICE_END], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_new_queue_has_counted_nothing),
		RIG_TEST(reads_are_counted),
		RIG_TEST(writes_are_counted),
		RIG_TEST(pages_that_were_not_taken_are_not_counted),
		RIG_TEST(one_page_that_is_written_is_counted),
		RIG_TEST(bios_by_hand_are_counted_but_cut_by_nobody),
		RIG_TEST(retries_and_errors_are_counted_apart),
		RIG_TEST(calls_of_the_device_are_counted),
		RIG_TEST(merged_bios_count_as_one),
		RIG_TEST(a_batch_that_ends_where_the_device_does_is_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

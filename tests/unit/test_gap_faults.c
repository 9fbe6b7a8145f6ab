/* SPDX-License-Identifier: MIT */
/*
 * Gaps on devices that fail: what goes wrong in a gap is nobody's loss, and
 * what goes wrong beside it is found as ever.
 *
 * Most tests read pages of four blocks that lie from device block 100 on, with
 * gaps of four blocks between: 100..103, 108..111, 116..119.
 */
#include "mock.h"

#include <stdio.h>

#define PAGES 3u
#define END 120u

static const struct mpio_stats *stats_of(struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static void open_laid_out(struct rig *rig)
{
	for (uint32_t i = 0; i < PAGES; i++)
		map_blocks(rig, i * 4, 4, 100 + i * 8);
	add_pages(rig, 0, 4, PAGES);
	rig->watch = WATCH_IO;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
}

static void read_laid_out(struct rig *rig)
{
	rig->trace[0] = '\0';
	for (uint32_t i = 0; i < PAGES; i++) {
		page_at(rig, i)->flags = 0;
		memset(page_at(rig, i)->data, 0xa5, 4 * BLOCK);
	}
	assert_int_equal(read_all(rig, 0), PAGES);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(strncmp(rig->trace, "read 100+20", 11), 0);
}

static void check_page(struct rig *rig, uint32_t index)
{
	assert_status(rig, index, 0);
	assert_flags(rig, index, "uptodate mapped");
	assert_memory_equal(page_at(rig, index)->data,
			    rig->a.disk + (100 + index * 8) * BLOCK, 4 * BLOCK);
}

static bool is_in_gap(uint32_t block)
{
	return (block - 100) % 8 >= 4;
}

static uint32_t page_of(uint32_t block)
{
	return (block - 100) / 8;
}

/* ---- Bad blocks --------------------------------------------------------- */

static void a_bad_block_in_a_gap_fails_no_page(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	for (uint32_t bad = 100; bad < END; bad++) {
		if (!is_in_gap(bad))
			continue;
		rig->a.fault_count = 0;
		mock_fail(&rig->a, bad, 1, -MPIO_EIO);
		read_laid_out(rig);
		for (uint32_t i = 0; i < PAGES; i++)
			check_page(rig, i);
	}
	assert_int_equal(stats_of(rig)->errors, 0);
}

static void a_bad_block_beside_a_gap_fails_its_page(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	for (uint32_t bad = 100; bad < END; bad++) {
		if (is_in_gap(bad))
			continue;
		rig->a.fault_count = 0;
		mock_fail(&rig->a, bad, 1, -MPIO_EIO);
		read_laid_out(rig);
		for (uint32_t i = 0; i < PAGES; i++) {
			if (i == page_of(bad))
				assert_status(rig, i, -MPIO_EIO);
			else
				check_page(rig, i);
		}
	}
}

/* Each block of a gap in turn would be tried, were gaps not known. */
static void a_gap_that_is_all_bad_is_left_behind_at_once(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	mock_fail(&rig->a, 104, 4, -MPIO_EIO);
	read_laid_out(rig);
	assert_trace(rig, "read 100+20, read 100+10, read 100+5, read 100+2, "
			  "read 102+3, read 102+1, read 103+2, read 103+1, "
			  "read 108+2, read 110+10");
	for (uint32_t i = 0; i < PAGES; i++)
		check_page(rig, i);
	assert_int_equal(stats_of(rig)->errors, 0);
}

static void gaps_that_are_all_bad_fail_no_page(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	mock_fail(&rig->a, 104, 4, -MPIO_EIO);
	mock_fail(&rig->a, 112, 4, -MPIO_EILSEQ);
	read_laid_out(rig);
	for (uint32_t i = 0; i < PAGES; i++)
		check_page(rig, i);
	assert_in_range(stats_of(rig)->submits, 1, 20);
}

/* Every set of bad blocks of two pages and the gap between. */
static void any_bad_blocks_fail_their_pages_only(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	for (uint32_t set = 0; set < 1u << 12; set++) {
		rig->a.fault_count = 0;
		for (uint32_t i = 0; i < 12; i++)
			if (set >> i & 1)
				mock_fail(&rig->a, 100 + i, 1, -MPIO_EIO);
		read_laid_out(rig);
		assert_status(rig, 0, set & 0xf ? -MPIO_EIO : 0);
		assert_status(rig, 1, set & 0xf00 ? -MPIO_EIO : 0);
		check_page(rig, 2);
		if ((set & 0xf) == 0)
			check_page(rig, 0);
		if ((set & 0xf00) == 0)
			check_page(rig, 1);
	}
}

static void a_passing_error_is_sat_out(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	mock_fail(&rig->a, 105, 1, -MPIO_EAGAIN)->times = 3;
	read_laid_out(rig);
	assert_trace(rig, "read 100+20, read 100+20, read 100+20, read 100+20");
	for (uint32_t i = 0; i < PAGES; i++)
		check_page(rig, i);
}

/* ---- Short transfers ---------------------------------------------------- */

static void a_read_may_come_short_anywhere(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	for (uint32_t done = 512; done < 20 * BLOCK; done += 512) {
		struct mock_fault *fault;

		rig->a.fault_count = 0;
		fault = mock_fail(&rig->a, 100, 1, 0);
		fault->done = done;
		fault->times = 1;
		read_laid_out(rig);
		for (uint32_t i = 0; i < PAGES; i++)
			check_page(rig, i);
	}
	assert_int_equal(stats_of(rig)->errors, 0);
}

static void a_read_may_come_short_each_time(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	for (uint32_t done = 512; done < 20 * BLOCK; done += 512) {
		rig->a.fault_count = 0;
		mock_fail(&rig->a, 100, 20, 0)->done = done;
		read_laid_out(rig);
		for (uint32_t i = 0; i < PAGES; i++)
			check_page(rig, i);
	}
	assert_int_equal(stats_of(rig)->errors, 0);
}

static void what_comes_short_in_a_gap_goes_on_behind_it(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	open_laid_out(rig);
	fault = mock_fail(&rig->a, 100, 1, 0);
	fault->done = 5 * BLOCK + 512;
	read_laid_out(rig);
	assert_trace(rig, "read 100+20, read 108+12");
}

/* Its end is found, although there is nothing more in it to be moved. */
static void a_window_may_end_in_the_gap_where_it_comes_short(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	mock_fail(&rig->a, 109, 1, -MPIO_EIO);
	mock_fail(&rig->a, 100, 1, 0)->done = 4 * BLOCK;
	read_laid_out(rig);
	assert_trace(rig, "read 100+20, read 100+10, read 100+5, read 108+2, "
			  "read 108+1, read 109+1, read 110+10");
	check_page(rig, 0);
	assert_status(rig, 1, -MPIO_EIO);
	check_page(rig, 2);
}

/* As a disk does: what lies before the bad block comes, then an error. */
static void a_bad_block_in_a_gap_may_come_short_first(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig);
	for (uint32_t bad = 104; bad < 108; bad++) {
		struct mock_fault *fault;

		rig->a.fault_count = 0;
		fault = mock_fail(&rig->a, 100, 1, 0);
		fault->done = (bad - 100) * BLOCK;
		fault->times = 1;
		mock_fail(&rig->a, bad, 1, -MPIO_EIO);
		read_laid_out(rig);
		assert_trace(rig, "read 100+20, read 108+12");
		for (uint32_t i = 0; i < PAGES; i++)
			check_page(rig, i);
	}
	assert_int_equal(stats_of(rig)->errors, 0);
}

/* ---- Pages of other kinds ----------------------------------------------- */

static void blocks_with_state_are_told_from_gaps(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 8, 1);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 2, 3);
	mock_fail(&rig->a, 103, 1, -MPIO_EIO);
	mock_fail(&rig->a, 106, 1, -MPIO_EIO);
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_EIO);
	assert_bits(rig, 0, "uuuuuu-u");
	assert_data(page_at(rig, 0)->data, "a100 a101 f2 f3 f4 a105");
}

static void each_page_is_verified_once(void **state)
{
	struct rig *rig = *state;

	rig->ops.verify = rig_verify;
	open_laid_out(rig);
	rig->watch = WATCH_HOOKS;
	assert_int_equal(read_all(rig, 0), PAGES);
	assert_trace(rig, "verify 0, verify 1, verify 2");
	for (uint32_t i = 0; i < PAGES; i++) {
		check_page(rig, i);
		page_at(rig, i)->flags = 0;
	}
	mock_fail(&rig->a, 104, 4, -MPIO_EIO);
	assert_int_equal(read_all(rig, 0), PAGES);
	assert_trace(rig, "verify 0, verify 1, verify 2");
	for (uint32_t i = 0; i < PAGES; i++)
		check_page(rig, i);
}

static int copy_at_500(struct mpio_mapping *mapping, struct mpio_page *page,
		       uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	(void)attempt;
	extent->block = 500 + page->pos / BLOCK;
	return 0;
}

static void a_page_beside_a_gap_is_read_from_its_copy(void **state)
{
	struct rig *rig = *state;

	rig->ops.reread = copy_at_500;
	open_laid_out(rig);
	mock_fail(&rig->a, 105, 4, -MPIO_EIO); /* the page's first, too */
	read_laid_out(rig);
	check_page(rig, 0);
	check_page(rig, 2);
	assert_status(rig, 1, 0);
	assert_page(rig, 1, "a504 a505 a506 a507");
}

/* ---- Plug --------------------------------------------------------------- */

/* Reads with gaps, that touch: 100..103 108..111 and 112..115 120..123. */
static void open_two_reads(struct rig *rig)
{
	map_blocks(rig, 0, 4, 112);
	map_blocks(rig, 4, 4, 120);
	map_blocks(rig, 8, 4, 100);
	map_blocks(rig, 12, 4, 108);
	add_pages(rig, 0, 4, 4);
	rig->watch = WATCH_IO;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
}

static void read_two_plugged(struct rig *rig)
{
	mpio_queue_plug(rig->queue);
	assert_int_equal(read_pages(rig, 0, 2, 0), 2);
	assert_int_equal(read_pages(rig, 2, 2, 0), 2);
	mpio_queue_unplug(rig->queue);
}

static void a_plug_joins_reads_with_gaps(void **state)
{
	struct rig *rig = *state;

	open_two_reads(rig);
	read_two_plugged(rig);
	assert_trace(rig, "read 100+24");
	assert_page(rig, 0, "a112 a113 a114 a115");
	assert_page(rig, 1, "a120 a121 a122 a123");
	assert_page(rig, 2, "a100 a101 a102 a103");
	assert_page(rig, 3, "a108 a109 a110 a111");
	assert_int_equal(stats_of(rig)->merges, 1);
	assert_int_equal(stats_of(rig)->bytes_wasted, 8 * BLOCK);
}

static void joined_reads_with_bad_gaps_fail_no_page(void **state)
{
	struct rig *rig = *state;

	open_two_reads(rig);
	mock_fail(&rig->a, 104, 4, -MPIO_EIO);
	mock_fail(&rig->a, 116, 4, -MPIO_EIO);
	mock_fail(&rig->a, 123, 1, -MPIO_EIO);
	read_two_plugged(rig);
	assert_page(rig, 0, "a112 a113 a114 a115");
	assert_page(rig, 2, "a100 a101 a102 a103");
	assert_page(rig, 3, "a108 a109 a110 a111");
	for (uint32_t i = 0; i < 4; i++)
		assert_status(rig, i, i == 1 ? -MPIO_EIO : 0);
	assert_int_equal(stats_of(rig)->merges, 1);
}

/* A write into the gap of a read that waits in the plug goes behind it. */
static void a_write_into_a_gap_is_sent_as_it_comes(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_laid_out(rig);
	mpio_queue_plug(rig->queue);
	assert_int_equal(read_all(rig, 0), PAGES);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 105, 2);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+20, write 105+2");
	assert_int_equal(io->status, 0);
	for (uint32_t i = 0; i < PAGES; i++)
		check_page(rig, i);
	assert_disk(&rig->a, 104, "a104 f105 f106 a107");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_bad_block_in_a_gap_fails_no_page),
		RIG_TEST(a_bad_block_beside_a_gap_fails_its_page),
		RIG_TEST(a_gap_that_is_all_bad_is_left_behind_at_once),
		RIG_TEST(gaps_that_are_all_bad_fail_no_page),
		RIG_TEST(any_bad_blocks_fail_their_pages_only),
		RIG_TEST(a_passing_error_is_sat_out),
		RIG_TEST(a_read_may_come_short_anywhere),
		RIG_TEST(a_read_may_come_short_each_time),
		RIG_TEST(what_comes_short_in_a_gap_goes_on_behind_it),
		RIG_TEST(a_window_may_end_in_the_gap_where_it_comes_short),
		RIG_TEST(a_bad_block_in_a_gap_may_come_short_first),
		RIG_TEST(blocks_with_state_are_told_from_gaps),
		RIG_TEST(each_page_is_verified_once),
		RIG_TEST(a_page_beside_a_gap_is_read_from_its_copy),
		RIG_TEST(a_plug_joins_reads_with_gaps),
		RIG_TEST(joined_reads_with_bad_gaps_fail_no_page),
		RIG_TEST(a_write_into_a_gap_is_sent_as_it_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

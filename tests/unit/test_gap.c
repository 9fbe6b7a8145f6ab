/* SPDX-License-Identifier: MIT */
/*
 * Gaps: one read goes across what lies between two runs, where it may; and
 * nobody ever sees what it read there.
 */
#include "mock.h"

static const struct mpio_stats *stats_of(struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static uint64_t crossed(struct rig *rig)
{
	return stats_of(rig)->cuts[MPIO_CUT_GAP];
}

/* Extents from device block 100 on, each with a gap behind it. */
static void lay_out(struct rig *rig, uint32_t blocks, uint32_t gap, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		map_blocks(rig, (uint64_t)i * blocks, blocks,
			   100 + (uint64_t)i * (blocks + gap));
	add_pages(rig, 0, blocks, n);
}

static void open_laid_out(struct rig *rig, uint32_t blocks, uint32_t gap,
			  uint32_t n)
{
	lay_out(rig, blocks, gap, n);
	rig->watch = WATCH_IO;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
}

/* A page holds what the device has where it lies, and nothing else. */
static void check_page(struct rig *rig, uint32_t index, uint64_t block)
{
	const struct mpio_page *page = page_at(rig, index);

	assert_status(rig, index, 0);
	assert_flags(rig, index, "uptodate mapped");
	assert_memory_equal(page->data, rig->a.disk + block * BLOCK,
			    page->size);
}

static void check_pages(struct rig *rig, uint32_t blocks, uint32_t gap)
{
	for (uint32_t i = 0; i < rig->frame_count; i++)
		check_page(rig, i, 100 + (uint64_t)i * (blocks + gap));
}

static void unread(struct rig *rig)
{
	rig->trace[0] = '\0';
	for (uint32_t i = 0; i < rig->frame_count; i++) {
		struct mpio_page *page = page_at(rig, i);

		page->flags = 0;
		memset(page->data, 0xa5, page->size);
	}
}

/* ---- One I/O instead of two --------------------------------------------- */

static void one_read_goes_across_a_gap(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig, 4, 3, 2);
	rig->watch = WATCH_MAP | WATCH_IO | WATCH_PIECES;
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4, read 100+11 in 3");
	check_pages(rig, 4, 3);
	assert_int_equal(crossed(rig), 1);
	assert_int_equal(stats_of(rig)->bytes_wasted, 3 * BLOCK);
	assert_int_equal(stats_of(rig)->bytes_read, 11 * BLOCK);
	assert_int_equal(stats_of(rig)->reads, 1);
	assert_int_equal(stats_of(rig)->segments, 3);
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_NOT_ADJACENT], 0);
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_BATCH_END], 1);
}

static void many_gaps_are_crossed_by_one_read(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig, 2, 2, 60);
	rig->watch |= WATCH_PIECES;
	assert_int_equal(read_all(rig, 0), 60);
	assert_trace(rig, "read 100+238 in 119");
	check_pages(rig, 2, 2);
	assert_int_equal(crossed(rig), 59);
	assert_int_equal(stats_of(rig)->bytes_wasted, 118 * BLOCK);
	assert_int_equal(rig->a.large, 1);
}

/* Pages that go on from each other in between take the short way. */
static void long_runs_with_gaps_between_are_one_read(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 0; i < 4; i++)
		map_blocks(rig, i * 20, 20, 100 + i * 25);
	add_pages(rig, 0, 2, 40);
	rig->watch = WATCH_IO;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 40);
	assert_trace(rig, "read 100+95");
	for (uint32_t i = 0; i < 40; i++)
		check_page(rig, i, 100 + i / 10 * 25 + i % 10 * 2);
}

static void a_small_bio_is_changed_for_a_large_one(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig, 1, 1, 4);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+7");
	assert_int_equal(rig->a.small, 1);
	unread(rig);
	map_blocks(rig, 4, 1, 108);
	add_pages(rig, 4, 1, 1);
	assert_int_equal(read_all(rig, 0), 5);
	assert_trace(rig, "read 100+9");
	assert_int_equal(rig->a.large, 1);
	check_pages(rig, 1, 1);
}

static void the_two_parts_of_one_page_may_have_a_gap_between(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 1, 105);
	map_blocks(rig, 3, 1, 107);
	add_pages(rig, 0, 4, 1);
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, map 2+2, map 3+1, read 100+8");
	assert_page(rig, 0, "a100 a101 a105 a107");
}

static void bios_that_end_later_do_the_same(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.lifo = true;
	rig->config.segments_max = 7;
	open_laid_out(rig, 1, 1, 40);
	assert_int_equal(read_all(rig, 0), 40);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	check_pages(rig, 1, 1);
	assert_int_equal(stats_of(rig)->reads, 10);
	assert_int_equal(crossed(rig), 30);
}

/* ---- Where there is none ------------------------------------------------ */

static void a_device_without_a_gap_size_has_none(void **state)
{
	struct rig *rig = *state;

	lay_out(rig, 4, 1, 2);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 105+4");
	assert_int_equal(mpio_queue_limits(rig->queue)->gap_max, 0);
}

static void the_device_says_how_large_a_gap_may_be(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.gap_bytes = 3 * BLOCK;
	lay_out(rig, 4, 3, 2);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(mpio_queue_limits(rig->queue)->gap_max, 3 * BLOCK);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+11");
}

static void the_configuration_overrules_the_device(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.gap_bytes = 3 * BLOCK;
	rig->config.gap_bytes = 2 * BLOCK;
	lay_out(rig, 4, 3, 2);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 107+4");
}

static void flags_turn_gaps_off(void **state)
{
	struct rig *rig = *state;

	rig->config.flags = MPIO_QUEUE_NO_GAPS;
	open_laid_out(rig, 4, 3, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 107+4");
	assert_int_equal(crossed(rig), 0);
	assert_int_equal(stats_of(rig)->bytes_wasted, 0);
}

static void without_isolation_there_are_no_gaps(void **state)
{
	struct rig *rig = *state;

	rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	open_laid_out(rig, 4, 3, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 107+4");
}

static void the_largest_gap_is_crossed_and_no_larger_one(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig, 4, 8, 2);
	map_blocks(rig, 8, 4, 125);
	add_pages(rig, 8, 4, 1);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+16, read 125+4");
	check_page(rig, 2, 125);
}

static void what_lies_before_is_behind_no_gap(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 2, 104);
	map_blocks(rig, 2, 2, 100);
	map_blocks(rig, 4, 2, 101);
	add_pages(rig, 0, 2, 3);
	rig->watch = WATCH_IO;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 104+2, read 100+2, read 101+2");
	assert_page(rig, 2, "a101 a102");
}

static void gaps_are_no_more_than_their_share(void **state)
{
	struct rig *rig = *state;

	rig->config.gap_percent = 50;
	open_laid_out(rig, 2, 4, 2); /* 4 of 8 */
	map_blocks(rig, 4, 2, 113);  /* 9 of 15 */
	add_pages(rig, 4, 2, 1);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+8, read 113+2");
}

/* What the bio before wasted is not held against the next. */
static void each_bio_has_its_own_share(void **state)
{
	struct rig *rig = *state;

	rig->config.gap_percent = 50;
	for (uint32_t i = 0; i < 8; i++)
		map_blocks(rig, i * 2, 2, 100 + i / 2 * 20 + i % 2 * 6);
	add_pages(rig, 0, 2, 8);
	rig->watch = WATCH_IO;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "read 100+8, read 120+8, read 140+8, read 160+8");
}

static void the_share_is_three_quarters_unless_told(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig, 1, 6, 2); /* 6 of 8 */
	map_blocks(rig, 2, 1, 200);
	map_blocks(rig, 3, 1, 208); /* 7 of 9 */
	add_pages(rig, 2, 1, 2);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+8, read 200+1, read 208+1");
}

static void a_read_across_a_gap_is_no_larger_than_told(void **state)
{
	struct rig *rig = *state;

	rig->config.gap_io_bytes = 10 * BLOCK;
	open_laid_out(rig, 4, 2, 3);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+10, read 112+4");
	assert_int_equal(mpio_queue_limits(rig->queue)->gap_io_max, 10 * BLOCK);
}

static void unless_told_an_io_across_gaps_is_half_a_mebibyte(void **state)
{
	static const struct {
		uint32_t gap, bytes, max;
	} cases[] = {
		{8 * BLOCK, 0, 512 * 1024},
		{8 * BLOCK, 64 * BLOCK, 64 * BLOCK},
		{64 * 1024, 0, 512 * 1024},
		{128 * 1024, 0, 1024 * 1024},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct mpio_queue *queue;

		rig->config.gap_bytes = cases[i].gap;
		rig->config.bytes_max = cases[i].bytes;
		assert_int_equal(
			mpio_queue_open(&rig->a.device, &rig->config, &queue),
			0);
		assert_int_equal(mpio_queue_limits(queue)->gap_io_max,
				 cases[i].max);
		mpio_queue_close(queue);
	}
}

static void a_run_that_does_not_fit_behind_a_gap_is_not_split(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = 10 * BLOCK;
	open_laid_out(rig, 4, 3, 3);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+4, read 107+4, read 114+4");
	assert_int_equal(crossed(rig), 0);
}

static void a_gap_takes_a_piece_of_memory_and_the_run_another(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 4;
	open_laid_out(rig, 2, 1, 4);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+5, read 106+5");
	check_pages(rig, 2, 1);
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_SEGMENTS], 1);
}

static void two_pieces_are_too_few_for_gaps(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 2;
	open_laid_out(rig, 2, 1, 4);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+2, read 103+2, read 106+2, read 109+2");
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_NOT_ADJACENT], 3);
	assert_int_equal(rig->a.large, 0);
}

static void writes_never_go_across_a_gap(void **state)
{
	struct rig *rig = *state;

	open_laid_out(rig, 4, 1, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 105+4, write 110+4");
	assert_disk(&rig->a, 104, "a104");
	assert_disk(&rig->a, 109, "a109");
}

static void no_read_goes_across_a_boundary(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 4, 4, 106);
	map_blocks(rig, 8, 4, 112);
	add_pages(rig, 0, 4, 3);
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "map 0+12, read 100+4, map 4+8, map 8+4, "
			  "read 106+10");
	assert_int_equal(stats_of(rig)->cuts[MPIO_CUT_BOUNDARY], 1);
}

/* ---- Devices of a group ------------------------------------------------- */

static void on_other(struct rig *rig, struct mock_extent *extent)
{
	extent->queue = rig->other;
}

static void each_queue_of_a_group_crosses_gaps_of_its_own(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->a.device.limits.gap_bytes = 1 * BLOCK;
	rig->b.device.limits.gap_bytes = 4 * BLOCK;
	add_pages(rig, 0, 1, 6);
	rig_open(rig);
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 1, 102);
	map_blocks(rig, 2, 1, 106);
	on_other(rig, map_blocks(rig, 3, 1, 108));
	on_other(rig, map_blocks(rig, 4, 1, 112));
	map_blocks(rig, 5, 1, 114);
	assert_int_equal(read_all(rig, 0), 6);
	assert_trace(rig, "read 100+3, read 106+1, b:read 108+5, read 114+1");
	assert_page(rig, 1, "a102");
	assert_page(rig, 3, "b108");
	assert_page(rig, 4, "b112");
	assert_int_equal(crossed(rig), 1);
	assert_int_equal(mpio_queue_stats(rig->other)->cuts[MPIO_CUT_GAP], 1);
}

/* ---- Never into a page -------------------------------------------------- */

static void what_a_page_has_already_is_read_into_no_page(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	give_bits(rig, 0);
	give_bits(rig, 1);
	fill_blocks(rig, 0, 1, 2);
	dirty_blocks(rig, 1, 2, 1);
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, read 100+8");
	assert_page(rig, 0, "a100 f1 f2 a103");
	assert_page(rig, 1, "a104 a105 f6 a107");
	assert_bits(rig, 0, "uuuu");
	assert_bits(rig, 1, "uudu");
	assert_int_equal(stats_of(rig)->bytes_wasted, 3 * BLOCK);
}

static void holes_stay_zero(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 2, 1, 102);
	map_blocks(rig, 5, 2, 103);
	map_blocks(rig, 7, 1, 107);
	add_pages(rig, 0, 4, 2);
	rig->config.gap_bytes = 8 * BLOCK;
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8");
	assert_page(rig, 0, "a100 0 a102 0");
	assert_page(rig, 1, "0 a103 a104 a107");
}

static void the_end_of_the_device_cuts_only_the_last_block(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 106 * BLOCK + 512;
	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 2, 105);
	add_pages(rig, 0, 2, 2);
	rig->config.gap_bytes = 8 * BLOCK;
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+6656B");
	assert_page(rig, 1, "a105 a106/512");
}

/* ---- Scrap memory ------------------------------------------------------- */

static void the_memory_of_a_queue_holds_the_scrap(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {0};
	size_t size = mpio_queue_size(&rig->a.device, &config);

	config.gap_bytes = 64 * BLOCK;
	assert_int_equal(mpio_queue_size(&rig->a.device, &config),
			 size + 64 * BLOCK);
	config.flags = MPIO_QUEUE_NO_GAPS;
	assert_int_equal(mpio_queue_size(&rig->a.device, &config), size);
}

static void a_gap_size_is_clamped(void **state)
{
	static const struct {
		uint32_t gap, bytes, io, max;
	} cases[] = {
		{UINT32_MAX, 0, 0, 1 << 20},
		{(1 << 20) + 1, 0, 0, 1 << 20},
		{8 * BLOCK + 511, 0, 0, 8 * BLOCK},
		{511, 0, 0, 0},
		{64 * BLOCK, 16 * BLOCK, 0, 16 * BLOCK},
		{64 * BLOCK, 16 * BLOCK, 5 * BLOCK, 5 * BLOCK},
		{64 * BLOCK, 16 * BLOCK, 32 * BLOCK, 16 * BLOCK},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct mpio_queue *queue;

		rig->config.gap_bytes = cases[i].gap;
		rig->config.bytes_max = cases[i].bytes;
		rig->config.gap_io_bytes = cases[i].io;
		assert_int_equal(
			mpio_queue_open(&rig->a.device, &rig->config, &queue),
			0);
		assert_int_equal(mpio_queue_limits(queue)->gap_max,
				 cases[i].max);
		mpio_queue_close(queue);
	}
}

/* Memory that is only aligned for C objects; the mock looks at each piece. */
static void scrap_is_aligned_as_the_device_asks(void **state)
{
	struct rig *rig = *state;
	size_t size;
	char *memory;

	rig->a.device.limits.memory_alignment = 4096;
	rig->together = true;
	for (uint32_t i = 0; i < 8; i++)
		map_blocks(rig, i * 4, 4, 100 + i * 8);
	add_pages(rig, 0, 4, 8);
	rig->config.gap_bytes = 4 * BLOCK;
	size = mpio_queue_size(&rig->a.device, &rig->config);
	memory = aligned_alloc(4096, (size / 4096 + 2) * 4096);
	assert_non_null(memory);
	rig->config.allocator = NULL;
	rig->config.memory_size = size;
	for (uint32_t at = 16; at <= 4096; at *= 4) {
		rig->config.memory = memory + at;
		rig_open(rig);
		assert_int_equal(read_all(rig, 0), 8);
		check_pages(rig, 4, 4);
		assert_int_equal(crossed(rig), 7);
		mpio_queue_close(rig->queue);
		rig->queue = NULL;
		unread(rig);
	}
	free(memory);
}

/* A device that takes 4 KiB of memory at a time, and 512 bytes of disk. */
static void no_gap_makes_an_aligned_read_misaligned(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 4096;
	rig->together = true;
	open_laid_out(rig, 4, 1, 3);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+4, read 105+4, read 110+4");
	check_pages(rig, 4, 1);
}

/* Such a bio goes through aligned memory in any case. */
static void a_read_that_bounces_crosses_odd_gaps(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 4096;
	rig->together = true;
	open_laid_out(rig, 1, 1, 8);
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "read 100+15");
	check_pages(rig, 1, 1);
	assert_int_equal(stats_of(rig)->bounces, 1);
	unread(rig);
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	assert_int_equal(read_all(rig, 0), 8);
	check_pages(rig, 1, 1);
}

/* What a slot takes next may begin in a gap: it is read as it lies. */
static void parts_of_one_that_bounces_are_no_retries(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 4096;
	rig->config.bounce_bytes = 4 * 4096;
	rig->together = true;
	open_laid_out(rig, 2, 3, 3);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read 100+4, read 104+4, read 108+4");
	check_pages(rig, 2, 3);
	assert_int_equal(stats_of(rig)->retries, 0);
}

/* Many pieces, and some of what is read not to be copied: a slot costs less. */
static void a_read_across_many_gaps_is_one_piece_for_the_device(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 512;
	rig->together = true;
	open_laid_out(rig, 2, 2, 9);
	rig->watch |= WATCH_PIECES;
	assert_int_equal(read_all(rig, 0), 9);
	assert_trace(rig, "read 100+34 in 1");
	check_pages(rig, 2, 2);
	assert_int_equal(stats_of(rig)->bounces, 1);
	assert_int_equal(crossed(rig), 8);
	unread(rig);
	mock_fail(&rig->a, 102, 1, -MPIO_EIO); /* in a gap */
	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	assert_int_equal(read_all(rig, 0), 9);
	assert_status(rig, 1, -MPIO_EIO);
	for (uint32_t i = 0; i < 9; i++) {
		if (i != 1)
			check_page(rig, i, 100 + i * 4);
	}
}

/* Not so for one that takes any memory, though there are slots. */
static void unless_it_takes_any_memory(void **state)
{
	struct rig *rig = *state;

	rig->config.bounce_bytes = 256 * BLOCK;
	rig->together = true;
	open_laid_out(rig, 2, 2, 9);
	rig->watch |= WATCH_PIECES;
	assert_int_equal(read_all(rig, 0), 9);
	assert_trace(rig, "read 100+34 in 17");
	check_pages(rig, 2, 2);
	assert_int_equal(stats_of(rig)->bounces, 0);
}

static void a_read_across_few_gaps_goes_as_it_is(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 512;
	rig->together = true;
	open_laid_out(rig, 2, 2, 8);
	rig->watch |= WATCH_PIECES;
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "read 100+30 in 15");
	check_pages(rig, 2, 2);
	assert_int_equal(stats_of(rig)->bounces, 0);
}

/* The same pieces without gaps would cost as much to copy as to read. */
static void pieces_of_that_size_without_gaps_go_as_they_are(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.memory_alignment = 512;
	map_blocks(rig, 0, 60, 100);
	rig->together = true;
	add_pages(rig, 0, 3, 20);
	for (uint32_t i = 0; i < 10; i++) { /* no neighbours */
		void *data = page_at(rig, 2 * i)->data;

		page_at(rig, 2 * i)->data = page_at(rig, 2 * i + 1)->data;
		page_at(rig, 2 * i + 1)->data = data;
	}
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig->config.gap_bytes = 8 * BLOCK;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 20);
	assert_trace(rig, "read 100+60 in 20");
	assert_int_equal(stats_of(rig)->bounces, 0);
	for (uint32_t i = 0; i < 20; i++)
		check_page(rig, i, 100 + i * 3);
}

/* A page right behind the scrap is joined to it, and nothing else is. */
static void a_page_may_lie_behind_the_scrap(void **state)
{
	struct rig *rig = *state;
	size_t size;
	char *memory;

	rig->config.gap_bytes = 2 * BLOCK;
	lay_out(rig, 4, 2, 2);
	size = mpio_queue_size(&rig->a.device, &rig->config);
	memory = malloc(size + 4 * BLOCK);
	assert_non_null(memory);
	rig->config.allocator = NULL;
	rig->config.memory = memory;
	rig->config.memory_size = size;
	free(page_at(rig, 1)->data);
	rig->frames[1].own_memory = false;
	page_at(rig, 1)->data = memory + size;
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+10 in 2");
	check_pages(rig, 4, 2);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(one_read_goes_across_a_gap),
		RIG_TEST(many_gaps_are_crossed_by_one_read),
		RIG_TEST(long_runs_with_gaps_between_are_one_read),
		RIG_TEST(a_small_bio_is_changed_for_a_large_one),
		RIG_TEST(the_two_parts_of_one_page_may_have_a_gap_between),
		RIG_TEST(bios_that_end_later_do_the_same),
		RIG_TEST(a_device_without_a_gap_size_has_none),
		RIG_TEST(the_device_says_how_large_a_gap_may_be),
		RIG_TEST(the_configuration_overrules_the_device),
		RIG_TEST(flags_turn_gaps_off),
		RIG_TEST(without_isolation_there_are_no_gaps),
		RIG_TEST(the_largest_gap_is_crossed_and_no_larger_one),
		RIG_TEST(what_lies_before_is_behind_no_gap),
		RIG_TEST(gaps_are_no_more_than_their_share),
		RIG_TEST(each_bio_has_its_own_share),
		RIG_TEST(the_share_is_three_quarters_unless_told),
		RIG_TEST(a_read_across_a_gap_is_no_larger_than_told),
		RIG_TEST(unless_told_an_io_across_gaps_is_half_a_mebibyte),
		RIG_TEST(a_run_that_does_not_fit_behind_a_gap_is_not_split),
		RIG_TEST(a_gap_takes_a_piece_of_memory_and_the_run_another),
		RIG_TEST(two_pieces_are_too_few_for_gaps),
		RIG_TEST(writes_never_go_across_a_gap),
		RIG_TEST(no_read_goes_across_a_boundary),
		RIG_TEST(each_queue_of_a_group_crosses_gaps_of_its_own),
		RIG_TEST(what_a_page_has_already_is_read_into_no_page),
		RIG_TEST(holes_stay_zero),
		RIG_TEST(the_end_of_the_device_cuts_only_the_last_block),
		RIG_TEST(the_memory_of_a_queue_holds_the_scrap),
		RIG_TEST(a_gap_size_is_clamped),
		RIG_TEST(scrap_is_aligned_as_the_device_asks),
		RIG_TEST(no_gap_makes_an_aligned_read_misaligned),
		RIG_TEST(a_read_that_bounces_crosses_odd_gaps),
		RIG_TEST(a_read_across_many_gaps_is_one_piece_for_the_device),
		RIG_TEST(a_read_across_few_gaps_goes_as_it_is),
		RIG_TEST(pieces_of_that_size_without_gaps_go_as_they_are),
		RIG_TEST(a_page_may_lie_behind_the_scrap),
		RIG_TEST(parts_of_one_that_bounces_are_no_retries),
		RIG_TEST(unless_it_takes_any_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

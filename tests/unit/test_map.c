/* SPDX-License-Identifier: MIT */
/*
 * What get_block is asked, when, and how often, and how long an answer holds.
 * Answers that cannot be are in test_map_lies.c.
 */
#include "mock.h"

/* ---- Answers are remembered --------------------------------------------- */

static void one_answer_serves_all_pages_that_it_reaches(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 16);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 16);
	assert_trace(rig, "map 0+64, read 100+64");
	assert_int_equal(mpio_queue_stats(rig->queue)->get_block_calls, 1);
}

static void the_next_call_begins_where_the_answer_ended(void **state)
{
	struct rig *rig = *state;

	rig->answer_max = 5;
	map_blocks(rig, 0, 16, 100);
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "map 0+16, map 5+11, map 10+6, map 15+1, "
			  "read 100+16");
}

static void the_batch_is_wanted_up_to_the_end_of_file(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 9 * BLOCK + 1;
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "map 0+10, read 100+10");
}

static void no_answer_is_kept_for_the_next_call(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	assert_trace(rig, "map 0+4, read 100+4, map 4+4, read 104+4");
}

static void a_hole_has_a_length_too(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 10, 6, 100);
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "map 0+16, map 10+6, read 100+6");
	assert_page(rig, 2, "0 0 a100 a101");
}

static int all_is_a_hole(struct rig *rig, uint64_t block, uint32_t flags,
			 struct mpio_extent *extent)
{
	(void)rig;
	(void)block;
	(void)flags;
	(void)extent;
	return 0;
}

static void an_answer_left_as_it_came_is_a_hole_as_wanted(void **state)
{
	struct rig *rig = *state;

	rig->answer = all_is_a_hole;
	add_pages(rig, 0, 4, 4);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "map 0+16");
	assert_page(rig, 3, "0 0 0 0");
}

static void holes_told_block_by_block_are_asked_for_so(void **state)
{
	struct rig *rig = *state;

	rig->holes_untold = true;
	map_blocks(rig, 2, 2, 100);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, map 1+3, map 2+2, read 100+2");
}

/* ---- Boundaries --------------------------------------------------------- */

static void what_lies_before_a_boundary_is_sent_before_the_call(void **state)
{
	struct rig *rig = *state;

	/* As on ext2: 12 direct blocks, the indirect block, then the rest. */
	map_blocks(rig, 0, 12, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 12, 20, 113);
	add_pages(rig, 0, 4, 8);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "map 0+32, read 100+12, map 12+20, read 113+20");
	assert_int_equal(mpio_queue_stats(rig->queue)->cuts[MPIO_CUT_BOUNDARY],
			 1);
}

static void a_boundary_in_mid_page_is_honoured(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 6, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 6, 2, 107);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, read 100+6, map 6+2, read 107+2");
}

static void a_boundary_parts_even_neighbours(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 4, 4, 104);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, read 100+4, map 4+4, read 104+4");
}

static void bios_before_a_boundary_are_pushed_before_the_next_call(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 4, 4, 105);
	add_pages(rig, 0, 4, 2);
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->watch |= WATCH_CALLS;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, read 100+4, commit, map 4+4, read 105+4, "
			  "commit");
}

static void a_boundary_at_the_end_of_the_batch_needs_no_call(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read 100+4");
}

static void each_boundary_of_a_batch_is_honoured(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 4; i++)
		map_blocks(rig, 2 * i, 2, 100 + 2 * i)->flags |=
			MPIO_EXTENT_BOUNDARY;
	add_pages(rig, 0, 8, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+8, read 100+2, map 2+6, read 102+2, map 4+4, "
			  "read 104+2, map 6+2, read 106+2");
	assert_page(rig, 0, "a100 a101 a102 a103 a104 a105 a106 a107");
}

/* A run that stops short of the extent's last block is no boundary yet. */
static void a_boundary_that_is_not_reached_does_not_part(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 4, 4, 103);
	add_pages(rig, 0, 4, 2);
	give_bits(rig, 0);
	fill_blocks(rig, 0, 3, 1);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4, read 100+7");
}

/* ---- Is it still valid? ------------------------------------------------- */

static void a_further_page_asks_whether_the_answer_still_holds(void **state)
{
	struct rig *rig = *state;

	rig->ops.still_valid = rig_still_valid;
	map_blocks(rig, 0, 12, 100)->cookie = 77;
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "map 0+12, valid? 77, valid? 77, read 100+12");
}

static bool moved_away(struct rig *rig, uint64_t cookie)
{
	if (cookie != 1)
		return true;
	rig->map[0].block = 200;
	rig->map[0].cookie = 2;
	return false;
}

static void a_stale_answer_is_asked_for_anew(void **state)
{
	struct rig *rig = *state;

	rig->ops.still_valid = rig_still_valid;
	rig->is_valid = moved_away;
	map_blocks(rig, 0, 12, 100)->cookie = 1;
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "map 0+12, valid? 1, map 4+8, read 100+4, valid? 2, "
			  "read 204+8");
	assert_page(rig, 0, "a100 a101 a102 a103");
	assert_page(rig, 1, "a204 a205 a206 a207");
}

static void a_remembered_hole_may_be_stale_too(void **state)
{
	struct rig *rig = *state;

	rig->ops.still_valid = rig_still_valid;
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, valid? 0");
}

static void dirty_pages_ask_too(void **state)
{
	struct rig *rig = *state;

	rig->ops.still_valid = rig_still_valid;
	rig->is_valid = moved_away;
	map_blocks(rig, 0, 8, 100)->cookie = 1;
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "alloc 0+8, valid? 1, alloc 4+4, write 100+4, "
			  "write 204+4");
}

/* ---- Several devices ---------------------------------------------------- */

static void open_two(struct rig *rig)
{
	rig->two = true;
	rig_open(rig);
}

static void an_extent_may_lie_on_another_queue_of_the_group(void **state)
{
	struct rig *rig = *state;

	open_two(rig);
	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 104)->queue = rig->other;
	map_blocks(rig, 8, 4, 108)->queue = rig->queue;
	add_pages(rig, 0, 6, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+12, map 4+8, read 100+4, map 8+4, "
			  "b:read 104+4, read 108+4");
	assert_page(rig, 0, "a100 a101 a102 a103 b104 b105");
	assert_page(rig, 1, "b106 b107 a108 a109 a110 a111");
	assert_int_equal(mpio_queue_stats(rig->queue)->cuts[MPIO_CUT_QUEUE], 1);
	assert_int_equal(mpio_queue_stats(rig->other)->cuts[MPIO_CUT_QUEUE], 1);
	assert_int_equal(mpio_queue_stats(rig->other)->reads, 1);
}

static void bios_of_all_of_three_queues_are_pushed(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {0};
	struct mpio_queue *third;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	open_two(rig);
	config.group = rig->queue;
	config.memory_size = mpio_queue_size(&rig->b.device, &config);
	config.memory = malloc(config.memory_size);
	assert_int_equal(mpio_queue_open(&rig->b.device, &config, &third), 0);
	map_blocks(rig, 0, 4, 100)->queue = rig->other;
	map_blocks(rig, 4, 4, 104)->queue = third;
	add_pages(rig, 0, 4, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_int_equal(mpio_queue_stats(rig->other)->commits, 1);
	assert_int_equal(mpio_queue_stats(third)->commits, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	mpio_queue_close(third);
	free(config.memory);
}

static void bios_of_every_queue_are_pushed_when_the_call_returns(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->a.slow = rig->b.slow = true;
	open_two(rig);
	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 104)->queue = rig->other;
	map_blocks(rig, 8, 4, 108);
	add_pages(rig, 0, 4, 3);
	assert_int_equal(read_all(rig, 0), 3);
	assert_int_equal(rig->a.pushed, 2);
	assert_int_equal(rig->b.pushed, 1);
}

static void writes_of_every_queue_are_pushed_when_the_call_returns(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->a.slow = rig->b.slow = true;
	open_two(rig);
	map_blocks(rig, 0, 4, 100)->queue = rig->other;
	map_blocks(rig, 4, 4, 104);
	add_pages(rig, 0, 4, 2);
	dirty_all(rig);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	assert_int_equal(rig->a.pushed, 1);
	assert_int_equal(rig->b.pushed, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_disk(&rig->b, 100, "f0 f1 f2 f3");
	assert_disk(&rig->a, 104, "f4 f5 f6 f7");
}

static void a_queue_of_no_group_is_a_lie(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *foreign;

	rig_open(rig);
	rig->is_open = false;
	assert_int_equal(
		mpio_queue_open(&rig->b.device, &rig->config, &foreign), 0);
	map_blocks(rig, 0, 4, 100)->queue = foreign;
	map_blocks(rig, 4, 4, 200);
	add_pages(rig, 0, 4, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_status(rig, 0, -MPIO_EUCLEAN);
	assert_status(rig, 1, 0);
	assert_trace(rig, "map 0+8, map 4+4, read 200+4");
	mpio_queue_close(foreign);
}

/* A device may end bios when it is told to begin them. */
static void what_ends_on_another_queue_at_once_is_finished_at_once(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	mock_asynchronous(&rig->b);
	rig->b.prompt = true;
	map_blocks(rig, 0, 4, 100)->queue = rig->other;
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	rig->map[0].queue = rig->other;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(rig->frames[0].reads, 1);
	assert_page(rig, 0, "b100 b101 b102 b103");
}

/* The other device's size counts, not that of the queue of the call. */
static void the_end_of_the_device_that_holds_the_extent_counts(void **state)
{
	struct rig *rig = *state;

	rig->b.device.size = 102 * BLOCK;
	open_two(rig);
	map_blocks(rig, 0, 4, 100)->queue = rig->other;
	add_pages(rig, 0, 2, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+4, b:read 100+2");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EUCLEAN);
}

/* ---- get_block does more ------------------------------------------------ */

/* It reads a block of metadata, and waits for it. */
static void read_metadata(struct rig *rig, uint64_t block)
{
	struct mock_io *io = start_io(rig, rig->queue, MPIO_BIO_READ,
				      MPIO_BIO_META, 500 + block, 1);

	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(io->ends, 1);
}

static void get_block_may_read_and_wait(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->before_map = read_metadata;
	rig->answer_max = 3;
	map_blocks(rig, 0, 8, 100);
	add_pages(rig, 0, 4, 2);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "map 0+8, read 500+1, map 3+5, read 503+1, "
			  "map 6+2, read 506+1, read 100+8");
	assert_page(rig, 1, "a104 a105 a106 a107");
}

/* It reads pages of the same mapping, by the same queue. */
static void read_another_page(struct rig *rig, uint64_t block)
{
	if (block != 4)
		return;
	assert_int_equal(read_pages(rig, 2, 1, 0), 1);
	assert_int_equal(rig->frames[2].reads, 1);
}

static void get_block_may_read_other_pages(void **state)
{
	struct rig *rig = *state;

	rig->before_map = read_another_page;
	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 104);
	map_blocks(rig, 8, 4, 300);
	add_pages(rig, 0, 4, 3);
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, 2, 0), 2);
	assert_trace(rig, "map 0+8, map 4+4, map 8+4, read 300+4, read 100+8");
	assert_page(rig, 1, "a104 a105 a106 a107");
	assert_page(rig, 2, "a300 a301 a302 a303");
}

static void behind_the_devices_end_there_is_no_boundary(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	map_blocks(rig, 4, 4, DISK_BLOCKS - 4)->flags |= MPIO_EXTENT_BOUNDARY;
	add_pages(rig, 0, 4, 2);
	rig->ops.boundary = rig_boundary;
	rig->watch = WATCH_IO | WATCH_HOOKS;
	rig_open(rig);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, boundary 104, write 1020+4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(one_answer_serves_all_pages_that_it_reaches),
		RIG_TEST(the_next_call_begins_where_the_answer_ended),
		RIG_TEST(the_batch_is_wanted_up_to_the_end_of_file),
		RIG_TEST(no_answer_is_kept_for_the_next_call),
		RIG_TEST(a_hole_has_a_length_too),
		RIG_TEST(an_answer_left_as_it_came_is_a_hole_as_wanted),
		RIG_TEST(holes_told_block_by_block_are_asked_for_so),
		RIG_TEST(what_lies_before_a_boundary_is_sent_before_the_call),
		RIG_TEST(a_boundary_in_mid_page_is_honoured),
		RIG_TEST(a_boundary_parts_even_neighbours),
		RIG_TEST(
			bios_before_a_boundary_are_pushed_before_the_next_call),
		RIG_TEST(a_boundary_at_the_end_of_the_batch_needs_no_call),
		RIG_TEST(each_boundary_of_a_batch_is_honoured),
		RIG_TEST(a_boundary_that_is_not_reached_does_not_part),
		RIG_TEST(a_further_page_asks_whether_the_answer_still_holds),
		RIG_TEST(a_stale_answer_is_asked_for_anew),
		RIG_TEST(a_remembered_hole_may_be_stale_too),
		RIG_TEST(dirty_pages_ask_too),
		RIG_TEST(an_extent_may_lie_on_another_queue_of_the_group),
		RIG_TEST(
			what_ends_on_another_queue_at_once_is_finished_at_once),
		RIG_TEST(bios_of_every_queue_are_pushed_when_the_call_returns),
		RIG_TEST(bios_of_all_of_three_queues_are_pushed),
		RIG_TEST(
			writes_of_every_queue_are_pushed_when_the_call_returns),
		RIG_TEST(a_queue_of_no_group_is_a_lie),
		RIG_TEST(the_end_of_the_device_that_holds_the_extent_counts),
		RIG_TEST(get_block_may_read_and_wait),
		RIG_TEST(get_block_may_read_other_pages),
		RIG_TEST(behind_the_devices_end_there_is_no_boundary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Pages whose memory is not aligned as their device asks. Their bios bounce,
 * and all that holds for others holds for them: bad blocks are found, states
 * are kept block by block, copies are read.
 *
 * A pool of 4 blocks has slots of one block.
 */
#include "mock.h"

/* Pages at odd addresses, from block 100 of the device on. */
static void open_odd(struct rig *rig, uint32_t pool, uint32_t blocks,
		     uint32_t pages)
{
	rig->a.device.limits.memory_alignment = 512;
	rig->b.device.limits.memory_alignment = 512;
	rig->config.bounce_bytes = pool;
	rig->together = true;
	rig->arena_used += 1;
	rig->watch &= ~WATCH_MAP;
	open_with_pages(rig, blocks, pages);
}

static const struct mpio_stats *stats(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static void read_and_drain(struct rig *rig, int pages)
{
	assert_int_equal(read_all(rig, 0), pages);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void odd_pages_are_read(void **state)
{
	struct rig *rig = *state;

	open_odd(rig, 16 * BLOCK, 4, 2);
	read_and_drain(rig, 2);
	assert_trace(rig, "read 100+4, read 104+4");
	assert_page(rig, 0, "a100 a101 a102 a103");
	assert_page(rig, 1, "a104 a105 a106 a107");
	assert_flags(rig, 0, "uptodate mapped");
	assert_int_equal(stats(rig)->bounces, 1);
	assert_int_equal(stats(rig)->bytes_bounced, 8 * BLOCK);
	assert_int_equal(stats(rig)->reads, 1);
}

static void odd_pages_are_written(void **state)
{
	struct rig *rig = *state;

	open_odd(rig, 16 * BLOCK, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 104+4");
	assert_disk(&rig->a, 99, "a99 f0 f1 f2 f3 f4 f5 f6 f7 a108");
	assert_flags(rig, 0, "uptodate");
}

/* Many, scattered on the device, in any order, slots being few. */
static void many_of_them_end_once_each(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.lifo = true;
	rig->a.reap_max = 2;
	rig->a.device.limits.memory_alignment = 512;
	rig->config.bounce_bytes = BLOCK;
	rig->together = true;
	rig->arena_used = 1;
	for (uint32_t i = 0; i < 60; i++)
		map_blocks(rig, 3 * i, 3, 900 - 7 * i);
	add_pages(rig, 0, 4, 45);
	rig->watch = 0;
	rig_open(rig);
	read_and_drain(rig, 45);
	for (uint32_t i = 0; i < 180; i++) {
		unsigned char *data = page_at(rig, i / 4)->data;
		uint32_t block = 900 - 7 * (i / 3) + i % 3;

		assert_memory_equal(data + i % 4 * BLOCK,
				    rig->a.disk + block * BLOCK, BLOCK);
	}
	assert_int_equal(stats(rig)->bounces, stats(rig)->reads);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 899, "a899 f0 f1 f2 a903");
}

static void a_plug_merges_them(void **state)
{
	struct rig *rig = *state;

	open_odd(rig, 64 * BLOCK, 4, 4);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(read_pages(rig, 3 - i, 1, 0), 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+16");
	assert_int_equal(stats(rig)->merges, 3);
	assert_int_equal(stats(rig)->bounces, 1);
	for (uint32_t i = 0; i < 4; i++)
		assert_status(rig, i, 0);
	assert_page(rig, 3, "a112 a113 a114 a115");
}

/* ---- Bad blocks --------------------------------------------------------- */

static void a_bad_block_fails_its_page_only(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	open_odd(rig, 16 * BLOCK, 2, 4);
	read_and_drain(rig, 4);
	assert_trace(rig, "read 100+4, read 104+4, read 104+2, read 104+1, "
			  "read 105+1, read 106+2");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, 0);
	assert_status(rig, 2, -MPIO_EIO);
	assert_status(rig, 3, 0);
	assert_page(rig, 0, "a100 a101");
	assert_page(rig, 3, "a106 a107");
	assert_int_equal(stats(rig)->retries, 4);
}

static void slots_of_a_block_find_it_too(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_odd(rig, 4 * BLOCK, 4, 1);
	give_bits(rig, 0);
	read_and_drain(rig, 1);
	assert_trace(rig, "read 100+1, read 101+1, read 102+1, read 103+1");
	assert_bits(rig, 0, "u-uu");
	assert_status(rig, 0, -MPIO_EIO);
	assert_int_equal(stats(rig)->retries, 0);
}

static void a_bad_block_leaves_its_page_dirty(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 103, 1, -MPIO_EIO);
	open_odd(rig, 8 * BLOCK, 2, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_flags(rig, 0, "uptodate");
	assert_flags(rig, 1, "uptodate dirty error");
	assert_flags(rig, 2, "uptodate");
	assert_disk(&rig->a, 100, "f0 f1 f2 a103 f4 f5");
}

static void without_isolation_the_rest_fails(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	open_odd(rig, 8 * BLOCK, 2, 4);
	read_and_drain(rig, 4);
	assert_trace(rig, "read 100+2, read 102+2");
	assert_status(rig, 0, 0);
	for (uint32_t i = 1; i < 4; i++)
		assert_status(rig, i, -MPIO_EIO);
}

static void another_error_fails_the_rest(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_ENOSPC);
	open_odd(rig, 8 * BLOCK, 2, 4);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_trace(rig, "write 100+2, write 102+2");
	assert_flags(rig, 0, "uptodate");
	for (uint32_t i = 1; i < 4; i++)
		assert_flags(rig, i, "uptodate dirty error");
}

static void what_comes_short_of_a_page_is_driven_on(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 8, 0);

	fault->done = 700;
	open_odd(rig, 16 * BLOCK, 4, 2);
	read_and_drain(rig, 2);
	assert_page(rig, 0, "a100 a101 a102 a103");
	assert_page(rig, 1, "a104 a105 a106 a107");
	assert_int_equal(stats(rig)->errors, 0);
}

/* ---- Larger than a slot ------------------------------------------------- */

static int answer_blocks_of_8(struct rig *rig, uint64_t block, uint32_t flags,
			      struct mpio_extent *extent)
{
	(void)rig;
	(void)flags;
	extent->block = 10 + block;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

/* Blocks of the mapping of 8 blocks of BLOCK, slots of one. */
static void a_block_may_be_larger_than_a_slot(void **state)
{
	struct rig *rig = *state;

	rig->mapping.block_size = 8 * BLOCK;
	rig->answer = answer_blocks_of_8;
	mock_fail(&rig->a, 97, 1, -MPIO_EIO);
	open_odd(rig, 4 * BLOCK, 8, 3);
	read_and_drain(rig, 3);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, 0);
	assert_status(rig, 2, -MPIO_EIO);
	assert_page(rig, 1, "a88 a89 a90 a91 a92 a93 a94 a95");
	rig->a.fault_count = 0;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_int_equal(stats(rig)->bounces, 2);
	assert_int_equal(stats(rig)->errors, 1);
}

static void pages_that_must_not_tear_are_written_whole(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	open_odd(rig, 1, 4, 3);
	dirty_all(rig);
	for (uint32_t i = 0; i < 3; i++)
		page_at(rig, i)->flags |= MPIO_PAGE_ATOMIC;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 104+4, write 108+4");
}

/* ---- Copies ------------------------------------------------------------- */

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	struct rig *rig = mapping->host;

	if (attempt > 1)
		return -MPIO_ENODATA;
	extent->block = 300 + page->pos / BLOCK;
	extent->queue = rig->other;
	return 0;
}

static void copies_are_read_through_slots(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->ops.reread = reread;
	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	mock_fail(&rig->a, 100, 8, -MPIO_EIO);
	open_odd(rig, 4 * BLOCK, 2, 4);
	assert_int_equal(read_all(rig, 0), 4);
	while (rig->b.pending_count == 0) {
		assert_true(mpio_queue_poll(rig->other) >= 0);
		assert_int_equal(rig->b.pushed, rig->b.pending_count);
	}
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_status(rig, i, 0);
	assert_page(rig, 0, "b300 b301");
	assert_page(rig, 3, "b306 b307");
	assert_int_equal(mpio_queue_stats(rig->other)->bounces, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(odd_pages_are_read),
		RIG_TEST(odd_pages_are_written),
		RIG_TEST(many_of_them_end_once_each),
		RIG_TEST(a_plug_merges_them),
		RIG_TEST(a_bad_block_fails_its_page_only),
		RIG_TEST(slots_of_a_block_find_it_too),
		RIG_TEST(a_bad_block_leaves_its_page_dirty),
		RIG_TEST(without_isolation_the_rest_fails),
		RIG_TEST(another_error_fails_the_rest),
		RIG_TEST(what_comes_short_of_a_page_is_driven_on),
		RIG_TEST(a_block_may_be_larger_than_a_slot),
		RIG_TEST(pages_that_must_not_tear_are_written_whole),
		RIG_TEST(copies_are_read_through_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

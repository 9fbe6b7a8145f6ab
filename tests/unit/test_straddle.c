/* SPDX-License-Identifier: MIT */
/*
 * Reads that begin or end inside a block of the device: of pages whose blocks
 * are smaller, and by hand. The blocks that they cut are read whole, through a
 * slot, and nothing but what was wanted comes out of it. And the same pages
 * written (writes by hand: test_straddle_write.c).
 */
#include "mock.h"

#define SECTOR 4096u /* four blocks */

static void open_coarse(struct rig *rig, uint32_t bounce_bytes)
{
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->a.device.limits.memory_alignment = 512;
	rig->config.bounce_bytes = bounce_bytes;
	rig->together = true;
	rig->watch = WATCH_IO;
	rig_open(rig);
}

/* Read bytes by hand; what became of it. */
static int read_bytes(struct rig *rig, uint64_t offset, uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	unsigned char *memory = malloc(length + 2);
	int status;

	assert_non_null(bio);
	assert_non_null(memory);
	memset(memory, 0xc7, length + 2);
	bio->offset = offset;
	assert_int_equal(mpio_bio_add(bio, memory + 1, length), 0);
	status = mpio_bio_submit(bio);
	if (status == 0) {
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
		assert_memory_equal(memory + 1, rig->a.disk + offset, length);
	} else {
		mpio_bio_put(bio);
	}
	assert_int_equal(memory[0], 0xc7);
	assert_int_equal(memory[length + 1], 0xc7);
	free(memory);
	return status;
}

static void a_read_may_begin_and_end_inside_blocks(void **state)
{
	struct rig *rig = *state;

	open_coarse(rig, 0);
	assert_int_equal(read_bytes(rig, 5000, 1000), 0);
	assert_int_equal(read_bytes(rig, 3000, 6000), 0);
	assert_int_equal(read_bytes(rig, SECTOR, 1), 0);
	assert_int_equal(read_bytes(rig, SECTOR - 1, 1), 0);
	assert_trace(rig, "read 4+4, read 0+12, read 4+4, read 0+4");
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 4);
}

static void it_may_be_larger_than_a_slot(void **state)
{
	struct rig *rig = *state;

	open_coarse(rig, 4 * SECTOR); /* slots of one block */
	assert_int_equal(read_bytes(rig, 3000, 6000), 0);
	assert_trace(rig, "read 0+4, read 4+4, read 8+4");
	assert_int_equal(mpio_queue_stats(rig->queue)->retries, 0);
}

static void any_range_comes_out_of_any_slot(void **state)
{
	static const uint32_t lengths[] = {1,    511,  512,  513,   4095,
					   4096, 4097, 9000, 20000, 40000};
	static const uint32_t atomics[] = {0, 512, 4096, 16384};
	struct rig *rig = *state;

	for (uint32_t slots = 4 * SECTOR; slots <= 32 * SECTOR; slots *= 2) {
		rig->a.device.limits.atomic_unit =
			atomics[slots / SECTOR % COUNT_OF(atomics)];
		open_coarse(rig, slots);
		for (uint64_t offset = 0; offset < 30000; offset += 517) {
			for (size_t i = 0; i < COUNT_OF(lengths); i++)
				assert_int_equal(
					read_bytes(rig, offset, lengths[i]), 0);
			rig->trace[0] = '\0';
		}
		mpio_queue_close(rig->queue);
		rig->queue = NULL;
		rig->is_open = false;
	}
}

static void the_last_block_may_be_cut_by_the_devices_end(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size -= 1500;
	open_coarse(rig, 0);
	assert_int_equal(read_bytes(rig, rig->a.device.size - 700, 700), 0);
	assert_int_equal(read_bytes(rig, rig->a.device.size - 700, 100), 0);
	assert_int_equal(read_bytes(rig, rig->a.device.size - 9000, 9000), 0);
	assert_int_equal(read_bytes(rig, rig->a.device.size - 1, 2),
			 -MPIO_EINVAL);
}

static void a_transfer_that_comes_short_is_gone_on_with(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	open_coarse(rig, 0);
	fault = mock_fail(&rig->a, 0, 64, 0);
	fault->done = 2 * SECTOR;
	fault->times = 3;
	assert_int_equal(read_bytes(rig, 3000, 30000), 0);
}

/* A block of the disk has those of four places in the file. */
static void pages_may_have_smaller_blocks(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 0; i < 20; i++)
		map_blocks(rig, 2 * i, 2, 101 + 7 * i);
	open_coarse(rig, 0);
	add_pages(rig, 0, 2, 20);
	assert_int_equal(read_all(rig, 0), 20);
	for (uint32_t i = 0; i < 20; i++) {
		assert_status(rig, i, 0);
		assert_memory_equal(page_at(rig, i)->data,
				    rig->a.disk + (101 + 7 * i) * BLOCK,
				    2 * BLOCK);
	}
}

static void pages_that_lie_together_are_read_together(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 40, 101);
	open_coarse(rig, 0);
	add_pages(rig, 0, 2, 20);
	assert_int_equal(read_all(rig, 0), 20);
	assert_trace(rig, "read 100+44");
	assert_memory_equal(page_at(rig, 0)->data, rig->a.disk + 101 * BLOCK,
			    40 * BLOCK);
}

/* Which two of them would read. */
static void a_full_one_does_not_end_inside_a_block(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 40, 101);
	rig->config.bytes_max = 16 * BLOCK;
	open_coarse(rig, 0);
	add_pages(rig, 0, 4, 10);
	assert_int_equal(read_all(rig, 0), 10);
	assert_trace(rig, "read 100+16, read 116+12, read 128+16");
	for (uint32_t i = 0; i < 10; i++)
		assert_memory_equal(page_at(rig, i)->data,
				    rig->a.disk + (101 + 4 * i) * BLOCK,
				    4 * BLOCK);
}

static void gaps_are_crossed_there_too(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 0; i < 10; i++)
		map_blocks(rig, i, 1, 101 + 3 * i);
	rig->config.gap_bytes = 8 * BLOCK;
	open_coarse(rig, 0);
	add_pages(rig, 0, 1, 10);
	assert_int_equal(read_all(rig, 0), 10);
	for (uint32_t i = 0; i < 10; i++) {
		assert_status(rig, i, 0);
		assert_memory_equal(page_at(rig, i)->data,
				    rig->a.disk + (101 + 3 * i) * BLOCK, BLOCK);
	}
}

/* Blocks 104 to 107, with the end of the gap, are one of the disk's. */
static void isolation_goes_on_behind_a_gap_where_a_block_begins(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 1, 107);
	rig->config.gap_bytes = 8 * BLOCK;
	open_coarse(rig, 0);
	add_pages(rig, 0, 1, 2);
	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8, read 100+4, read 104+4");
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 0);
	assert_status(rig, 0, -MPIO_EIO);
	assert_status(rig, 1, 0);
	assert_page(rig, 1, "a107");
}

/* What lies behind the gap is a part of a bad block of the disk, 104 to 107, and
 * of a good one that the disk's end cuts: together no more than one. */
static void isolation_takes_apart_what_is_left_of_two_blocks(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 4, 107);
	rig->a.device.size = 111 * BLOCK;
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->a.device.limits.memory_alignment = SECTOR;
	rig->config.gap_bytes = 8 * BLOCK;
	rig->together = true;
	rig->watch = WATCH_IO;
	rig_open(rig);
	add_pages(rig, 0, 1, 5);
	mock_fail(&rig->a, 107, 1, -MPIO_EIO);
	assert_int_equal(read_all(rig, 0), 5);
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 1);
	for (uint32_t i = 0; i < 5; i++)
		assert_status(rig, i, i == 1 ? -MPIO_EIO : 0);
	assert_page(rig, 0, "a100");
	assert_page(rig, 4, "a110");
}

static void what_comes_short_goes_on_where_a_block_begins(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 1, 107);
	rig->config.gap_bytes = 8 * BLOCK;
	open_coarse(rig, 0);
	add_pages(rig, 0, 1, 2);
	fault = mock_fail(&rig->a, 100, 8, 0);
	fault->done = SECTOR;
	fault->times = 1;
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8, read 104+4");
	assert_page(rig, 0, "a100");
	assert_page(rig, 1, "a107");
}

/* A queue that an extent names takes what the one that was called does. */
static void pages_on_another_device_may_have_smaller_blocks(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->b.device.limits.logical_block_size = SECTOR;
	rig->b.device.limits.memory_alignment = 512;
	map_blocks(rig, 0, 4, 101);
	map_blocks(rig, 4, 4, 201);
	open_coarse(rig, 0);
	rig->map[1].queue = rig->other;
	add_pages(rig, 0, 4, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+8, b:read 200+8");
	assert_page(rig, 0, "a101 a102 a103 a104");
	assert_page(rig, 1, "b201 b202 b203 b204");
}

/* Blocks 108 to 111 are one of the disk's. */
static void a_bad_block_costs_the_pages_that_have_some_of_it(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 40, 101);
	open_coarse(rig, 0);
	add_pages(rig, 0, 1, 40);
	mock_fail(&rig->a, 109, 1, -MPIO_EIO);
	assert_int_equal(read_all(rig, 0), 40);
	for (uint32_t i = 0; i < 40; i++) {
		bool bad = 101 + i >= 108 && 101 + i < 112;

		assert_status(rig, i, bad ? -MPIO_EIO : 0);
		if (!bad)
			assert_memory_equal(page_at(rig, i)->data,
					    rig->a.disk + (101 + i) * BLOCK,
					    BLOCK);
	}
}

/* Where any memory does, there are slots for this alone. */
static void memory_need_not_be_aligned(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.logical_block_size = SECTOR;
	rig->watch = WATCH_IO;
	map_blocks(rig, 0, 8, 101);
	rig_open(rig);
	assert_int_equal(read_bytes(rig, 5000, 1000), 0);
	assert_int_equal(read_bytes(rig, SECTOR, SECTOR), 0);
	add_pages(rig, 0, 2, 1);
	dirty_page(rig, 0);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "read 4+4, read 4+4, read 100+4, write 100+4");
	assert_disk(&rig->a, 100, "a100 f0 f1 a103");
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 2);
}

/* Of blocks of 512 bytes nobody wants parts, unless he says so. */
static void without_slots_blocks_are_not_cut(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(read_bytes(rig, 512, 100), -MPIO_EINVAL);
	rig->mapping.block_size = 256;
	add_pages(rig, 0, 2, 1);
	page_at(rig, 0)->flags = MPIO_PAGE_LOCKED;
	assert_int_equal(
		mpio_read_page(rig->queue, &rig->mapping, page_at(rig, 0)),
		-MPIO_EINVAL);
	page_at(rig, 0)->flags = 0;
}

static void with_slots_bytes_can_be_read(void **state)
{
	struct rig *rig = *state;

	rig->config.bounce_bytes = 1;
	rig_open(rig);
	assert_int_equal(read_bytes(rig, 512, 100), 0);
	assert_int_equal(read_bytes(rig, 511, 10000), 0);
}

/* ---- Writing them ------------------------------------------------------- */

/* The first block of one page of two, the second of the next. */
static void dirty_some(struct rig *rig, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++) {
		give_bits(rig, i);
		fill_blocks(rig, i, 0, 2);
		dirty_blocks(rig, i, i % 2, 1);
	}
}

static void pages_that_lie_together_are_written_together(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 40, 101);
	open_coarse(rig, 0);
	add_pages(rig, 0, 2, 20);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "read 100+4, read 140+4, write 100+44");
	assert_flags(rig, 0, "uptodate");
	assert_disk(&rig->a, 100, "a100 f0 f1 f2");
	assert_disk(&rig->a, 139, "f38 f39 a141 a142");
	assert_int_equal(mpio_queue_stats(rig->queue)->fills, 2);
}

/* A bio that is full ends where a block does, so that none waits for it. */
static void written_in_several_ios(struct rig *rig, const char *expected)
{
	mock_asynchronous(&rig->a);
	map_blocks(rig, 0, 40, 101);
	open_coarse(rig, 0);
	rig->together = rig->config.segments_max == 0;
	add_pages(rig, 0, 4, 10);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, expected);
	for (uint32_t i = 0; i < 10; i++)
		assert_status(rig, i, 0);
	assert_disk(&rig->a, 100, "a100 f0 f1 f2");
	assert_disk(&rig->a, 119, "f18 f19 f20 f21 f22 f23 f24 f25");
	assert_disk(&rig->a, 139, "f38 f39 a141 a142");
	assert_int_equal(mpio_queue_stats(rig->queue)->turns, 0);
}

static void a_full_bio_ends_where_a_block_does(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.bytes_max = 32 * BLOCK;
	written_in_several_ios(rig, "read 100+4, read 140+4, write 100+32, "
				    "write 132+12");
}

static void so_does_one_of_many_pieces(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 5;
	written_in_several_ios(rig, "read 100+4, write 120+16, read 140+4, "
				    "write 100+20, write 136+8");
}

/* 300 bytes of block 103 are on the device. */
static void the_devices_end_may_cut_a_page(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 103 * BLOCK + 300;
	map_blocks(rig, 0, 3, 101);
	open_coarse(rig, 0);
	add_pages(rig, 0, 3, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_page(rig, 0, "a101 a102 a103/300");
	dirty_page(rig, 0);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "read 100+3372B, read 100+3372B, write 100+3372B");
	assert_disk(&rig->a, 100, "a100 f0 f1");
	assert_memory_equal(rig->a.disk + 103 * BLOCK,
			    (char *)page_at(rig, 0)->data + 2 * BLOCK, 300);
}

static void dirty_blocks_are_written_alone(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.lifo = true;
	rig->a.reap_max = 1;
	map_blocks(rig, 0, 40, 101);
	open_coarse(rig, 4 * SECTOR);
	add_pages(rig, 0, 2, 20);
	dirty_some(rig, 20);
	assert_int_equal(sync_all(rig), 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_flags(rig, i, "none");
	assert_disk(&rig->a, 100, "a100 f0 a102 a103 f3 f4 a106 a107 f7 f8");
	assert_disk(&rig->a, 139, "a139 f39 a141");
}

static void
a_bad_block_leaves_the_pages_dirty_that_have_some_of_it(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 40, 101);
	open_coarse(rig, 0);
	add_pages(rig, 0, 1, 40);
	dirty_all(rig);
	mock_fail(&rig->a, 102, 1, -MPIO_EIO)->op = 1u << MPIO_BIO_READ;
	mock_fail(&rig->a, 109, 1, -MPIO_EIO)->op = 1u << MPIO_BIO_WRITE;
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	for (uint32_t i = 0; i < 40; i++) {
		bool bad = 101 + i < 104 || (101 + i >= 108 && 101 + i < 112);

		assert_status(rig, i, bad ? -MPIO_EIO : 0);
		assert_flags(rig, i, bad ? "uptodate dirty error" : "uptodate");
	}
	rig->a.fault_count = 0;
	assert_int_equal(sync_all(rig), 0);
	assert_disk(&rig->a, 99, "a99 a100 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10");
}

static void extents_of_another_queue_may_be_as_coarse(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	rig->b.device.limits.logical_block_size = SECTOR;
	rig->b.device.limits.memory_alignment = 512;
	rig->a.device.limits.memory_alignment = 512;
	rig->watch = WATCH_IO;
	rig_open(rig);
	map_blocks(rig, 0, 2, 101)->queue = rig->other;
	add_pages(rig, 0, 2, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_page(rig, 0, "b101 b102");
	dirty_page(rig, 0);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "b:read 100+4, b:read 100+4, b:write 100+4");
	assert_disk(&rig->b, 100, "b100 f0 f1 b103");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_read_may_begin_and_end_inside_blocks),
		RIG_TEST(it_may_be_larger_than_a_slot),
		RIG_TEST(any_range_comes_out_of_any_slot),
		RIG_TEST(the_last_block_may_be_cut_by_the_devices_end),
		RIG_TEST(a_transfer_that_comes_short_is_gone_on_with),
		RIG_TEST(pages_may_have_smaller_blocks),
		RIG_TEST(pages_that_lie_together_are_read_together),
		RIG_TEST(gaps_are_crossed_there_too),
		RIG_TEST(isolation_goes_on_behind_a_gap_where_a_block_begins),
		RIG_TEST(isolation_takes_apart_what_is_left_of_two_blocks),
		RIG_TEST(what_comes_short_goes_on_where_a_block_begins),
		RIG_TEST(pages_on_another_device_may_have_smaller_blocks),
		RIG_TEST(a_bad_block_costs_the_pages_that_have_some_of_it),
		RIG_TEST(memory_need_not_be_aligned),
		RIG_TEST(without_slots_blocks_are_not_cut),
		RIG_TEST(with_slots_bytes_can_be_read),
		RIG_TEST(pages_that_lie_together_are_written_together),
		RIG_TEST(a_full_bio_ends_where_a_block_does),
		RIG_TEST(so_does_one_of_many_pieces),
		RIG_TEST(the_devices_end_may_cut_a_page),
		RIG_TEST(dirty_blocks_are_written_alone),
		RIG_TEST(
			a_bad_block_leaves_the_pages_dirty_that_have_some_of_it),
		RIG_TEST(extents_of_another_queue_may_be_as_coarse),
		RIG_TEST(a_full_one_does_not_end_inside_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

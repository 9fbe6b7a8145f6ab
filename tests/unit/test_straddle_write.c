/* SPDX-License-Identifier: MIT */
/*
 * Writes that begin or end inside a block of the device: what they leave of
 * the blocks that they cut is read first, and written with them. What has such
 * a block in common waits its turn (test_turn.c).
 */
#include "mock.h"

#define SECTOR 4096u /* four blocks */

static void open_coarse(struct rig *rig, uint32_t bounce_bytes)
{
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->a.device.limits.memory_alignment = 512;
	rig->config.bounce_bytes = bounce_bytes;
	rig->together = true;
	rig->watch |= WATCH_IO;
	rig_open(rig);
}

static const struct mpio_stats *stats(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

static void drain(struct rig *rig)
{
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(stats(rig)->in_flight, 0);
}

/* The disk is as it was before, but for some bytes. */
static void assert_written(struct rig *rig, const unsigned char *before,
			   size_t offset, const unsigned char *bytes,
			   size_t length)
{
	size_t end = offset + length;

	assert_memory_equal(rig->a.disk, before, offset);
	assert_memory_equal(rig->a.disk + offset, bytes, length);
	assert_memory_equal(rig->a.disk + end, before + end,
			    (size_t)rig->a.device.size - end);
}

/* Write bytes by hand; what became of it. Nothing else has changed. */
static int write_bytes(struct rig *rig, uint64_t offset, uint32_t length)
{
	static unsigned char before[DISK_BLOCKS * BLOCK];
	struct mock_io *io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 0,
				     length / BLOCK + 1);
	int status;

	memcpy(before, rig->a.disk, (size_t)rig->a.device.size);
	pattern_fill(io->memory, 'w', offset + length, length);
	mpio_bio_reset(io->bio, MPIO_BIO_WRITE, 0);
	io->bio->offset = offset;
	assert_int_equal(mpio_bio_add(io->bio, io->memory, length), 0);
	submit_io(io);
	drain(rig);
	assert_int_equal(io->ends, 1);
	status = io->status;
	if (status == 0)
		assert_written(rig, before, (size_t)offset, io->memory, length);
	free(io->memory);
	rig->io_count--;
	return status;
}

static void the_blocks_that_it_cuts_are_read(void **state)
{
	struct rig *rig = *state;

	open_coarse(rig, 0);
	assert_int_equal(write_bytes(rig, 5000, 1000), 0);
	assert_trace(rig, "read 4+4, write 4+4");
	assert_int_equal(write_bytes(rig, 3000, 6000), 0);
	assert_trace(rig, "read 0+4, read 8+4, write 0+12");
	assert_int_equal(write_bytes(rig, SECTOR - 1, 2), 0);
	assert_trace(rig, "read 0+8, write 0+8");
	assert_int_equal(write_bytes(rig, SECTOR, SECTOR + 1), 0);
	assert_trace(rig, "read 8+4, write 4+8");
	assert_int_equal(write_bytes(rig, SECTOR - 1, 2 * SECTOR + 1), 0);
	assert_trace(rig, "read 0+4, write 0+12");
	assert_int_equal(stats(rig)->fills, 6);
	assert_int_equal(stats(rig)->bounces, 5);
	assert_int_equal(stats(rig)->writes, 5);
	assert_int_equal(stats(rig)->reads, 0);
	assert_int_equal(stats(rig)->retries, 0);
	assert_int_equal(stats(rig)->turns, 0);
}

static void only_its_ends_are_read_if_it_is_larger_than_a_slot(void **state)
{
	struct rig *rig = *state;

	open_coarse(rig, 16 * SECTOR); /* slots of four blocks */
	assert_int_equal(write_bytes(rig, 3000, 40000), 0);
	assert_trace(rig, "read 0+4, write 0+16, write 16+16, read 40+4, "
			  "write 32+12");
	assert_int_equal(stats(rig)->retries, 0);
}

static void any_range_goes_through_any_slot(void **state)
{
	static const uint32_t lengths[] = {1,    511,  512,  513,   4095,
					   4096, 4097, 9000, 20000, 40000};
	static const uint32_t atomics[] = {0, 512, 4096, 16384};
	struct rig *rig = *state;

	rig->a.device.size = 80001;
	for (uint32_t slots = 4 * SECTOR; slots <= 32 * SECTOR; slots *= 2) {
		rig->a.device.limits.atomic_unit =
			atomics[slots / SECTOR % COUNT_OF(atomics)];
		open_coarse(rig, slots);
		for (uint64_t offset = 0; offset < 30000; offset += 517) {
			for (size_t i = 0; i < COUNT_OF(lengths); i++)
				assert_int_equal(
					write_bytes(rig, offset, lengths[i]),
					0);
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
	uint64_t size;

	rig->a.device.size = 10 * SECTOR - 1500;
	size = rig->a.device.size;
	open_coarse(rig, 0);
	assert_int_equal(write_bytes(rig, size - 700, 700), 0);
	assert_trace(rig, "read 36+2596B, write 36+2596B");
	assert_int_equal(write_bytes(rig, size - 700, 100), 0);
	assert_trace(rig, "read 36+2596B, write 36+2596B");
	assert_int_equal(write_bytes(rig, size - 9000, 9000), 0);
	assert_trace(rig, "read 28+4, write 28+10788B");
	assert_int_equal(write_bytes(rig, size - 2596, 2596), 0);
	assert_trace(rig, "write 36+2596B");
	assert_int_equal(write_bytes(rig, size - 2700, 2700), 0);
	assert_trace(rig, "read 32+4, write 32+6692B");
	assert_int_equal(write_bytes(rig, 0, (uint32_t)size - 1), 0);
	assert_trace(rig, "read 36+2596B, write 0+39460B");
}

/* Each I/O, those that read what is left of a block, too. */
static void memory_may_be_aligned_more_coarsely_than_blocks(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.logical_block_size = 512;
	rig->a.device.limits.memory_alignment = SECTOR;
	rig->config.bounce_bytes = 32 * SECTOR;
	rig->together = true;
	rig_open(rig);
	for (uint32_t length = 1; length < 3 * SECTOR; length += 509) {
		for (uint64_t offset = 0; offset < 2 * SECTOR; offset += 300) {
			struct mock_fault *fault;

			assert_int_equal(write_bytes(rig, offset, length), 0);
			fault = mock_fail(&rig->a, 0, 64, 0);
			fault->done = SECTOR + 600;
			fault->times = 3;
			assert_int_equal(write_bytes(rig, offset, length), 0);
			rig->a.fault_count = 0;
			rig->trace[0] = '\0';
		}
	}
}

static void what_comes_short_is_gone_on_with(void **state)
{
	static const uint32_t ops[] = {1u << MPIO_BIO_READ,
				       1u << MPIO_BIO_WRITE, 0};
	struct rig *rig = *state;

	open_coarse(rig, 0);
	for (uint32_t done = 1; done < 4 * SECTOR; done += SECTOR / 2) {
		for (size_t i = 0; i < COUNT_OF(ops); i++) {
			struct mock_fault *fault = mock_fail(&rig->a, 0, 64, 0);

			fault->done = done;
			fault->times = 5;
			fault->op = ops[i];
			assert_int_equal(write_bytes(rig, 3000, 30000), 0);
			assert_int_equal(write_bytes(rig, 4095, 2), 0);
			rig->a.fault_count = 0;
			rig->trace[0] = '\0';
		}
	}
	assert_true(stats(rig)->retries > 0);
}

/* It goes on where a block of the device begins, so nothing is read twice. */
static void a_short_write_is_gone_on_with_in_whole_blocks(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	open_coarse(rig, 0);
	fault = mock_fail(&rig->a, 0, 4, 0);
	fault->op = 1u << MPIO_BIO_WRITE;
	fault->done = SECTOR + 1000;
	assert_int_equal(write_bytes(rig, 3000, 6000), 0);
	assert_trace(rig, "read 0+4, read 8+4, write 0+12, read 8+4, "
			  "write 4+8");
}

/* So what began whole stays whole. */
static void whole_blocks_come_short_by_whole_blocks(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	rig->a.device.limits.memory_alignment = SECTOR; /* which it is not */
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->watch = WATCH_IO;
	rig_open(rig);
	fault = mock_fail(&rig->a, 0, 64, 0);
	fault->done = SECTOR + 1000;
	fault->times = 2;
	assert_int_equal(write_bytes(rig, SECTOR, 2 * SECTOR), 0);
	assert_trace(rig, "write 4+8, write 8+4");
	assert_int_equal(stats(rig)->bounces, 1);
	assert_int_equal(stats(rig)->fills, 0);
}

static void so_does_what_ends_with_the_device(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	rig->a.device.size = 10 * SECTOR + 1000;
	rig->a.device.limits.memory_alignment = SECTOR; /* which it is not */
	rig->a.device.limits.logical_block_size = SECTOR;
	rig->watch = WATCH_IO;
	rig_open(rig);
	fault = mock_fail(&rig->a, 36, 8, 0);
	fault->done = SECTOR + 500;
	fault->times = 1;
	assert_int_equal(write_bytes(rig, 9 * SECTOR, SECTOR + 1000), 0);
	assert_trace(rig, "write 36+5096B, write 40+1000B");
	assert_int_equal(stats(rig)->fills, 0);
}

static void what_is_left_of_a_block_is_counted_once(void **state)
{
	static const uint32_t lengths[] = {2, SECTOR + 2};
	struct rig *rig = *state;

	open_coarse(rig, 0);
	for (uint32_t i = 0; i < COUNT_OF(lengths); i++) {
		struct mock_fault *fault = mock_fail(&rig->a, 0, 64, 0);

		fault->op = 1u << MPIO_BIO_READ;
		fault->done = SECTOR + 1;
		fault->times = 1;
		assert_int_equal(write_bytes(rig, SECTOR - 1, lengths[i]), 0);
		rig->a.fault_count = 0;
	}
	assert_trace(rig, "read 0+8, read 4+4, write 0+8, "
			  "read 0+4, read 8+4, write 0+12");
	assert_int_equal(stats(rig)->fills, 3);
	assert_int_equal(stats(rig)->retries, 1);
}

static void a_device_that_moves_nothing_is_given_up_on(void **state)
{
	static const uint32_t done[] = {0, 1, SECTOR - 1};
	struct rig *rig = *state;

	open_coarse(rig, 0);
	for (size_t i = 0; i < COUNT_OF(done); i++) {
		struct mock_fault *fault = mock_fail(&rig->a, 0, 64, 0);

		fault->done = done[i];
		fault->op = 1u << MPIO_BIO_READ;
		assert_int_equal(write_bytes(rig, 3000, 30000), -MPIO_EIO);
		fault->op = 1u << MPIO_BIO_WRITE;
		assert_int_equal(write_bytes(rig, 3000, 30000), -MPIO_EIO);
		rig->a.fault_count = 0;
	}
}

static void a_device_that_reads_nothing_is_asked_once(void **state)
{
	struct rig *rig = *state;

	open_coarse(rig, 0);
	mock_fail(&rig->a, 0, 4, 0)->op = 1u << MPIO_BIO_READ;
	assert_int_equal(write_bytes(rig, 3000, 500), -MPIO_EIO);
	assert_trace(rig, "read 0+4");
}

static void a_device_that_gets_on_is_not_given_up_on(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault;

	open_coarse(rig, 0);
	mock_fail(&rig->a, 0, 8, -MPIO_EAGAIN)->times = 7;
	fault = mock_fail(&rig->a, 0, 8, 0);
	fault->done = SECTOR;
	fault->times = 1;
	assert_int_equal(write_bytes(rig, SECTOR - 1, 2), 0);
	assert_int_equal(stats(rig)->retries, 8);
}

/* ---- Errors ------------------------------------------------------------- */

static void what_cannot_be_read_is_not_written(void **state)
{
	static const uint64_t bad[] = {0, 10};
	static const int errors[] = {-MPIO_EIO, -MPIO_ENOSPC, -MPIO_EAGAIN};
	struct rig *rig = *state;

	open_coarse(rig, 0);
	for (size_t i = 0; i < COUNT_OF(bad) * COUNT_OF(errors); i++) {
		struct mock_fault *fault = mock_fail(&rig->a, bad[i % 2], 1,
						     errors[i / COUNT_OF(bad)]);

		fault->op = 1u << MPIO_BIO_READ;
		assert_int_equal(write_bytes(rig, 3000, 6000), fault->status);
		assert_null(strstr(rig->trace, "write"));
		assert_disk(&rig->a, 0, "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9");
		rig->a.fault_count = 0;
		rig->trace[0] = '\0';
	}
	assert_int_equal(stats(rig)->errors, 6);
}

static void a_passing_error_is_tried_again(void **state)
{
	static const uint32_t ops[] = {MPIO_BIO_READ, MPIO_BIO_WRITE};
	struct rig *rig = *state;

	open_coarse(rig, 0);
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		struct mock_fault *fault =
			mock_fail(&rig->a, 0, 1, -MPIO_EAGAIN);

		fault->op = 1u << ops[i];
		fault->times = 3;
		assert_int_equal(write_bytes(rig, 3000, 1000), 0);
		rig->a.fault_count = 0;
	}
	assert_trace(rig, "read 0+4, read 0+4, read 0+4, read 0+4, write 0+4, "
			  "read 0+4, write 0+4, write 0+4, write 0+4, "
			  "write 0+4");
	assert_int_equal(stats(rig)->fills, 2);
	assert_int_equal(stats(rig)->retries, 6);
	/* Reading and writing may be tried as often, each. */
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		struct mock_fault *fault =
			mock_fail(&rig->a, 0, 1, -MPIO_EAGAIN);

		fault->op = 1u << ops[i];
		fault->times = 7;
	}
	assert_int_equal(write_bytes(rig, 3000, 1000), 0);
}

/* ---- Flags -------------------------------------------------------------- */

static void flags_are_the_writes(void **state)
{
	struct rig *rig = *state;
	const uint32_t flags = MPIO_BIO_SYNC | MPIO_BIO_FUA |
			       MPIO_BIO_PREFLUSH | MPIO_BIO_META |
			       MPIO_BIO_ATOMIC;

	rig->watch = WATCH_FLAGS;
	open_coarse(rig, 0);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, flags, 5, 1);
	assert_trace(rig, "read 4+4 sync meta, "
			  "write 4+4 sync fua preflush meta atomic");
	start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_BACKGROUND, 5, 1);
	assert_trace(rig, "read 4+4 background, write 4+4 background");
}

/* ---- Without ------------------------------------------------------------ */

static void discards_do_not_cut_blocks(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_coarse(rig, 0);
	io = make_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 5, 4);
	assert_int_equal(mpio_bio_submit(io->bio), -MPIO_EINVAL);
	mpio_bio_put(io->bio);
}

static void without_slots_blocks_are_not_cut(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig_open(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 5, 1);
	io->bio->offset += 100;
	assert_int_equal(mpio_bio_submit(io->bio), -MPIO_EINVAL);
	mpio_bio_put(io->bio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(the_blocks_that_it_cuts_are_read),
		RIG_TEST(only_its_ends_are_read_if_it_is_larger_than_a_slot),
		RIG_TEST(any_range_goes_through_any_slot),
		RIG_TEST(the_last_block_may_be_cut_by_the_devices_end),
		RIG_TEST(memory_may_be_aligned_more_coarsely_than_blocks),
		RIG_TEST(what_comes_short_is_gone_on_with),
		RIG_TEST(a_short_write_is_gone_on_with_in_whole_blocks),
		RIG_TEST(whole_blocks_come_short_by_whole_blocks),
		RIG_TEST(what_is_left_of_a_block_is_counted_once),
		RIG_TEST(a_device_that_moves_nothing_is_given_up_on),
		RIG_TEST(what_cannot_be_read_is_not_written),
		RIG_TEST(a_passing_error_is_tried_again),
		RIG_TEST(flags_are_the_writes),
		RIG_TEST(discards_do_not_cut_blocks),
		RIG_TEST(without_slots_blocks_are_not_cut),
		RIG_TEST(a_device_that_reads_nothing_is_asked_once),
		RIG_TEST(a_device_that_gets_on_is_not_given_up_on),
		RIG_TEST(so_does_what_ends_with_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

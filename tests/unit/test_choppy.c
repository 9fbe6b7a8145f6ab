/* SPDX-License-Identifier: MIT */
/*
 * Reads into many small pieces of aligned memory: they go through a slot as one
 * piece where that costs nobody a wait, and else as they are.
 */
#include "mock.h"

#define PIECE 512u

static void open_aligned(struct rig *rig, uint32_t bounce_bytes)
{
	rig->a.device.limits.memory_alignment = PIECE;
	rig->config.bounce_bytes = bounce_bytes;
	rig_open(rig);
	rig->watch = WATCH_IO | WATCH_PIECES;
}

/* Aligned memory in which no two pieces touch, filled. */
static unsigned char *make_memory(uint32_t pieces, uint32_t piece)
{
	size_t size = (size_t)pieces * (piece + PIECE);
	unsigned char *memory =
		aligned_alloc(4096, (size + 4095) / 4096 * 4096);

	assert_non_null(memory);
	memset(memory, 0xc7, size);
	return memory;
}

static void check_memory(unsigned char *memory, const unsigned char *expected,
			 uint32_t pieces, uint32_t piece)
{
	for (uint32_t i = 0; i < pieces; i++) {
		unsigned char *at = memory + (size_t)i * (piece + PIECE);

		assert_memory_equal(at, expected + (size_t)i * piece, piece);
		for (uint32_t j = 0; j < PIECE; j++)
			assert_int_equal(at[piece + j], 0xc7);
	}
	free(memory);
}

static void start(struct rig *rig, enum mpio_bio_op op, uint64_t block,
		  unsigned char *memory, uint32_t pieces, uint32_t piece)
{
	struct mpio_bio *bio = mpio_bio_get(rig->queue, op, 0);

	assert_non_null(bio);
	bio->offset = block * BLOCK;
	for (uint32_t i = 0; i < pieces; i++)
		assert_int_equal(
			mpio_bio_add(bio, memory + (size_t)i * (piece + PIECE),
				     piece),
			0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void a_choppy_read_is_one_piece_for_the_device(void **state)
{
	struct rig *rig = *state;
	unsigned char *memory = make_memory(16, PIECE);

	open_aligned(rig, 0);
	start(rig, MPIO_BIO_READ, 20, memory, 16, PIECE);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 20+8 in 1");
	check_memory(memory, rig->a.disk + 20 * BLOCK, 16, PIECE);
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 1);
	assert_int_equal(mpio_queue_stats(rig->queue)->bytes_bounced,
			 16 * PIECE);
}

static void few_pieces_or_large_ones_go_as_they_are(void **state)
{
	struct rig *rig = *state;
	unsigned char *few = make_memory(14, PIECE);
	unsigned char *large = make_memory(16, 2 * BLOCK + PIECE);

	open_aligned(rig, 0);
	start(rig, MPIO_BIO_READ, 20, few, 14, PIECE);
	start(rig, MPIO_BIO_READ, 40, large, 16, 2 * BLOCK + PIECE);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 20+7 in 14, read 40+40 in 16");
	check_memory(few, rig->a.disk + 20 * BLOCK, 14, PIECE);
	check_memory(large, rig->a.disk + 40 * BLOCK, 16, 2 * BLOCK + PIECE);
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 0);
}

static void writes_go_as_they_are(void **state)
{
	struct rig *rig = *state;
	unsigned char *memory = make_memory(16, PIECE);

	open_aligned(rig, 0);
	start(rig, MPIO_BIO_WRITE, 20, memory, 16, PIECE);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 20+8 in 16");
	free(memory);
}

/* A slot that is not free, or too small, is nothing to wait for. */
static void without_a_free_slot_it_goes_as_it_is(void **state)
{
	struct rig *rig = *state;
	unsigned char *memory[3];

	mock_asynchronous(&rig->a);
	open_aligned(rig, 2 * 16 * PIECE); /* of four, none takes it whole */
	memory[0] = make_memory(16, PIECE);
	start(rig, MPIO_BIO_READ, 20, memory[0], 16, PIECE);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 20+8 in 16");
	check_memory(memory[0], rig->a.disk + 20 * BLOCK, 16, PIECE);
}

static void as_many_as_there_are_slots_go_through_them(void **state)
{
	struct rig *rig = *state;
	unsigned char *memory[5];

	mock_asynchronous(&rig->a);
	open_aligned(rig, 4 * 16 * PIECE);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 5; i++) {
		memory[i] = make_memory(16, PIECE);
		start(rig, MPIO_BIO_READ, 20 * i, memory[i], 16, PIECE);
	}
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 0+8 in 1, read 20+8 in 1, read 40+8 in 1, "
			  "read 60+8 in 1, read 80+8 in 16");
	for (uint32_t i = 0; i < 5; i++)
		check_memory(memory[i], rig->a.disk + 20 * i * BLOCK, 16,
			     PIECE);
}

static void a_device_without_alignment_has_no_slots(void **state)
{
	struct rig *rig = *state;
	unsigned char *memory = make_memory(16, PIECE);

	rig_open(rig);
	rig->watch = WATCH_IO | WATCH_PIECES;
	start(rig, MPIO_BIO_READ, 20, memory, 16, PIECE);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 20+8 in 16");
	check_memory(memory, rig->a.disk + 20 * BLOCK, 16, PIECE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_choppy_read_is_one_piece_for_the_device),
		RIG_TEST(few_pieces_or_large_ones_go_as_they_are),
		RIG_TEST(writes_go_as_they_are),
		RIG_TEST(without_a_free_slot_it_goes_as_it_is),
		RIG_TEST(as_many_as_there_are_slots_go_through_them),
		RIG_TEST(a_device_without_alignment_has_no_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

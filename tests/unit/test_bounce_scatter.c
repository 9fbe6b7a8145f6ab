/* SPDX-License-Identifier: MIT */
/*
 * Bios of pieces of any length that lie anywhere, on devices that ask for
 * aligned memory, through pools of all sizes: the bytes arrive, and none
 * beside them is touched.
 */
#include "mock.h"

static const struct mpio_stats *stats(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

#define CANARY 0xc7

/* A bio whose pieces of memory lie scattered, in other bytes. */
struct scatter {
	struct mpio_bio *bio;
	uint32_t length; /* bytes */
	uint32_t piece;  /* bytes, of each but the last */
	unsigned char *memory;
	uint32_t ends;
	int status;
};

static void scatter_end(struct mpio_bio *bio)
{
	struct scatter *scatter = bio->ctx;

	scatter->ends++;
	scatter->status = bio->status;
	mpio_bio_put(bio);
}

/* Where byte i of it lies: three bytes are between any two pieces. */
static unsigned char *place(const struct scatter *scatter, uint32_t i)
{
	return scatter->memory + 3 + i + i / scatter->piece * 3;
}

static size_t room(const struct scatter *scatter)
{
	return 6 + scatter->length + (scatter->length / scatter->piece + 1) * 3;
}

static void scatter_start(struct scatter *scatter, struct mpio_queue *queue,
			  enum mpio_bio_op op, uint64_t offset,
			  const unsigned char *bytes)
{
	struct mpio_bio *bio = mpio_bio_get(queue, op, 0);

	assert_non_null(bio);
	scatter->bio = bio;
	scatter->memory = malloc(room(scatter));
	assert_non_null(scatter->memory);
	memset(scatter->memory, CANARY, room(scatter));
	bio->offset = offset;
	bio->end_io = scatter_end;
	bio->ctx = scatter;
	for (uint32_t at = 0; at < scatter->length; at += scatter->piece) {
		uint32_t left = scatter->length - at;
		uint32_t n = left < scatter->piece ? left : scatter->piece;

		assert_int_equal(mpio_bio_add(bio, place(scatter, at), n), 0);
	}
	for (uint32_t i = 0; i < scatter->length; i++)
		*place(scatter, i) = op == MPIO_BIO_WRITE ? bytes[i] : 0xa5;
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* Its bytes are as expected, and no others were touched. */
static void scatter_check(struct scatter *scatter, const unsigned char *bytes)
{
	uint32_t i = 0;

	assert_int_equal(scatter->ends, 1);
	assert_int_equal(scatter->status, 0);
	for (size_t at = 0; at < room(scatter); at++) {
		unsigned char expected = CANARY;

		if (i < scatter->length &&
		    scatter->memory + at == place(scatter, i))
			expected = bytes[i++];
		assert_int_equal(scatter->memory[at], expected);
	}
	assert_int_equal(i, scatter->length);
	free(scatter->memory);
}

static void scatter_try(struct rig *rig, uint32_t length, uint32_t piece)
{
	static unsigned char bytes[64 * BLOCK];
	struct scatter read = {.length = length, .piece = piece};
	struct scatter write = read;
	uint64_t offset = 100 * BLOCK + 512;
	uint64_t bounced = stats(rig)->bytes_bounced;

	scatter_start(&read, rig->queue, MPIO_BIO_READ, offset, NULL);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	scatter_check(&read, rig->a.disk + offset);
	pattern_fill(bytes, 'f', length + piece, length);
	scatter_start(&write, rig->queue, MPIO_BIO_WRITE, offset, bytes);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	scatter_check(&write, bytes);
	assert_memory_equal(rig->a.disk + offset, bytes, length);
	assert_int_equal(stats(rig)->bytes_bounced - bounced, 2 * length);
}

static void scatter_all(struct rig *rig)
{
	static const uint32_t lengths[] = {512, 1024, 1536, 4096, 4608, 33280};
	static const uint32_t pieces[] = {3, 129, 511, 513, 4097, 60000};

	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		for (size_t j = 0; j < COUNT_OF(pieces); j++) {
			if (lengths[i] / pieces[j] >= 256)
				continue;
			scatter_try(rig, lengths[i], pieces[j]);
		}
	}
	assert_int_equal(stats(rig)->errors, 0);
	assert_int_equal(stats(rig)->retries, 0);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	rig->is_open = false;
}

static void memory_may_lie_anywhere(void **state)
{
	static const uint32_t alignments[] = {2, 512, 4096};
	static const uint32_t pools[] = {1, 512, 4096, 10000, 0};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT_OF(alignments); i++) {
		for (size_t j = 0; j < COUNT_OF(pools); j++) {
			rig->a.device.limits.memory_alignment = alignments[i];
			rig->config.bounce_bytes = pools[j];
			rig_open(rig);
			scatter_all(rig);
		}
	}
}

static void memory_may_lie_anywhere_if_bios_end_later(void **state)
{
	mock_asynchronous(&((struct rig *)*state)->a);
	memory_may_lie_anywhere(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(memory_may_lie_anywhere),
		RIG_TEST(memory_may_lie_anywhere_if_bios_end_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

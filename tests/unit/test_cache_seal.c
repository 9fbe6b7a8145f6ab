/* SPDX-License-Identifier: MIT */
/*
 * A cache of pages that are sealed as a whole, of several blocks each: with a
 * checksum that says what all of the page is to be when it is read again.
 */
#include "cached.h"

static uint32_t sums[8];
static bool sealed[8];

static uint32_t sum(const unsigned char *bytes)
{
	uint32_t result = 1;

	for (uint32_t i = 0; i < PAGE; i++)
		result = result * 31 + bytes[i];
	return result;
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	uint64_t i = page->pos / PAGE;

	(void)mapping;
	sums[i] = sum(*data);
	sealed[i] = true;
	return 0;
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	uint64_t i = page->pos / PAGE;

	(void)mapping;
	return !sealed[i] || sums[i] == sum(page->data) ? 0 : -MPIO_EUCLEAN;
}

/* A file of two pages that were sealed, written, and forgotten. */
static void open_sealed(struct cached *cached)
{
	memset(sealed, 0, sizeof(sealed));
	cached->rig->ops.seal = seal;
	cached->rig->ops.verify = verify;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 8, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	/* What is overwritten whole was not read. */
	assert_trace(cached->rig, "write 100+8");
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0,
					       UINT64_MAX),
			 0);
}

/* Byte `pos` after a sync, from the disk. */
static int byte_on_disk(struct cached *cached, uint64_t pos)
{
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0,
					       UINT64_MAX),
			 0);
	return read_byte(cached, pos);
}

static void a_block_of_it_is_written_with_all_of_it(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	assert_int_equal(write_bytes(cached, BLOCK, BLOCK, 7), 0);
	assert_trace(cached->rig, "read 100+4");
	assert_int_equal(byte_on_disk(cached, BLOCK), 7);
	assert_trace(cached->rig, "write 100+4, read 100+4");
}

static void what_is_dirty_is_not_taken_for_what_was_sealed(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	assert_int_equal(write_bytes(cached, BLOCK, BLOCK, 7), 0);
	assert_true(read_byte(cached, 0) >= 0);
	assert_int_equal(read_byte(cached, BLOCK), 7);
}

static void what_fails_is_written_whole_again(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	assert_int_equal(write_bytes(cached, 5, 1, 7), 0);
	mock_fail(&cached->rig->a, 102, 1, -MPIO_ENODATA);
	assert_int_equal(sync_file(cached), -MPIO_ENODATA);
	cached->rig->a.fault_count = 0;
	cached->rig->trace[0] = '\0';
	assert_int_equal(byte_on_disk(cached, 5), 7);
	assert_trace(cached->rig, "write 100+4, read 100+4");
}

static void an_end_that_moves_down_inside_it_seals_it_anew(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	open_sealed(cached);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE + BLOCK),
			 0);
	assert_true(byte_on_disk(cached, PAGE) >= 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE + 100),
			 0);
	assert_true(byte_on_disk(cached, PAGE) >= 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE), 0);
	assert_true(byte_on_disk(cached, 0) >= 0);
}

/* Where blocks are that nobody has written yet. */
static void one_that_moves_up_from_there_does_so_too(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	open_sealed(cached);
	queue = cached->rig->queue;
	sealed[0] = false;
	cached->file.mapping.size = BLOCK;
	assert_int_equal(write_bytes(cached, 0, 10, 7), 0);
	assert_int_equal(byte_on_disk(cached, 0), 7);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE), 0);
	assert_int_equal(byte_on_disk(cached, PAGE - 1), 0);
}

static void so_does_a_write_behind_the_end(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	sealed[0] = false;
	cached->file.mapping.size = 100;
	assert_int_equal(write_bytes(cached, 0, 10, 7), 0);
	assert_int_equal(byte_on_disk(cached, 0), 7);
	assert_int_equal(write_bytes(cached, 3 * BLOCK, 10, 8), 0);
	assert_int_equal(byte_on_disk(cached, BLOCK), 0);
	assert_int_equal(read_byte(cached, 3 * BLOCK), 8);
	assert_int_equal(write_bytes(cached, 2 * PAGE - 1, 1, 9), 0);
	assert_int_equal(byte_on_disk(cached, PAGE - 1), 0);
	assert_int_equal(read_byte(cached, 2 * PAGE - 1), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_block_of_it_is_written_with_all_of_it),
		CACHED_TEST(what_is_dirty_is_not_taken_for_what_was_sealed),
		CACHED_TEST(what_fails_is_written_whole_again),
		CACHED_TEST(an_end_that_moves_down_inside_it_seals_it_anew),
		CACHED_TEST(one_that_moves_up_from_there_does_so_too),
		CACHED_TEST(so_does_a_write_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

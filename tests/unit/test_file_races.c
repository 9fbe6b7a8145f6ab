/* SPDX-License-Identifier: MIT */
/*
 * What others do to a file in the middle of a read that goes straight. They are
 * played by the same thread with a queue of its own, at the moment when the
 * read asks where a block lies: no lock is held then, and no page.
 */
#include "cached.h"

#include <mpio/file.h>

static struct mpio_file handle; /* the reader's */
static struct mpio_file other;  /* that of somebody else */
static struct mpio_queue *other_queue;
static void *other_memory;
static unsigned char buffer[32 * BLOCK];

/* What is done when the read has come to a block; once. */
static void (*meanwhile)(struct rig *rig);
static uint64_t moment;

static void before_map(struct rig *rig, uint64_t block)
{
	void (*now)(struct rig *) = meanwhile;

	if (now == NULL || block != moment)
		return;
	meanwhile = NULL;
	now(rig);
}

static int tear_down(void **state)
{
	mpio_queue_close(other_queue);
	free(other_memory);
	return cached_tear_down(state);
}

#define RACE_TEST(name)                                                        \
	cmocka_unit_test_setup_teardown(name, cached_set_up, tear_down)

/* Pieces of 4 blocks; the second one finds something done. */
static void open_files(struct cached *cached, uint32_t blocks,
		       void (*does)(struct rig *rig))
{
	struct mpio_file_config config = {.straight_min = BLOCK};
	struct mpio_queue_config queue = {0};

	cached->rig->watch = 0;
	cached->rig->config.bytes_max = 4 * BLOCK;
	cached_open(cached, blocks, 64);
	queue.memory_size = mpio_queue_size(&cached->rig->a.device, &queue);
	queue.memory = other_memory = malloc(queue.memory_size);
	assert_non_null(queue.memory);
	assert_int_equal(
		mpio_queue_open(&cached->rig->a.device, &queue, &other_queue),
		0);
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 0);
	assert_int_equal(
		mpio_file_open(&other, &cached->file, other_queue, &config), 0);
	cached->rig->before_map = before_map;
	meanwhile = does;
	moment = 4;
}

static void assert_all(const unsigned char *memory, size_t length, int byte)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(memory[i], byte);
}

/* Cut off, and given to a file that has other bytes. */
static void cut_off(struct rig *rig)
{
	assert_int_equal(mpio_file_truncate(&other, 3 * BLOCK), 0);
	memset(rig->a.disk + 103 * BLOCK, 's', 13 * BLOCK);
}

static void blocks_that_were_cut_off_tell_nothing(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, cut_off);
	assert_int_equal(mpio_file_read(&handle, buffer, 16 * BLOCK, 0),
			 16 * BLOCK);
	assert_null(meanwhile);
	assert_data(buffer, "a100 a101 a102");
	assert_all(buffer + 3 * BLOCK, 13 * BLOCK, 0);
}

/* The end comes back before the read is over. */
static void cut_off_and_grow(struct rig *rig)
{
	cut_off(rig);
	rig->map_count = 0;
	assert_int_equal(mpio_file_truncate(&other, 16 * BLOCK), 0);
}

static void also_when_the_end_has_come_back(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, cut_off_and_grow);
	assert_int_equal(mpio_file_read(&handle, buffer, 16 * BLOCK, 0),
			 16 * BLOCK);
	assert_null(meanwhile);
	assert_all(buffer + 3 * BLOCK, 13 * BLOCK, 0);
}

/* All pages of it are gone again, perhaps. */
static void write_back(struct rig *rig)
{
	(void)rig;
	memset(buffer + 16 * BLOCK, 'x', 4 * BLOCK);
	assert_int_equal(
		mpio_file_write(&other, buffer + 16 * BLOCK, 4 * BLOCK, 0),
		4 * BLOCK);
	assert_int_equal(mpio_file_sync(&other), 0);
	assert_int_equal(mpio_file_advise(&other, 0, 0, MPIO_ADVICE_DONTNEED),
			 0);
}

static void what_was_written_back_is_read_again(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, write_back);
	assert_int_equal(mpio_file_read(&handle, buffer, 8 * BLOCK, 0),
			 8 * BLOCK);
	assert_null(meanwhile);
	assert_all(buffer, 4 * BLOCK, 'x');
	assert_data(buffer + 4 * BLOCK, "a104 a105 a106 a107");
}

static void drop(struct rig *rig)
{
	struct mpio_cache_mapping *file = handle.mapping;

	assert_int_equal(mpio_cache_drop(file, other_queue, 0, BLOCK), 0);
	memset(rig->a.disk + 100 * BLOCK, 's', BLOCK);
}

static void what_was_dropped_is_read_again(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, drop);
	assert_int_equal(mpio_file_read(&handle, buffer, 8 * BLOCK, 0),
			 8 * BLOCK);
	assert_null(meanwhile);
	assert_all(buffer, BLOCK, 's');
}

/* Of what others do elsewhere in the file it need not know. */
static void write_elsewhere(struct rig *rig)
{
	(void)rig;
	assert_int_equal(mpio_file_write(&other, buffer, 4 * BLOCK, 8 * BLOCK),
			 4 * BLOCK);
	assert_int_equal(mpio_file_sync(&other), 0);
	assert_int_equal(mpio_file_truncate(&other, 12 * BLOCK), 0);
}

static void what_happens_elsewhere_costs_nothing(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, write_elsewhere);
	assert_int_equal(mpio_file_read(&handle, buffer, 8 * BLOCK, 0),
			 8 * BLOCK);
	assert_null(meanwhile);
	assert_int_equal(mpio_file_stats(&handle).straight, 8 * BLOCK);
}

/* Somebody may have cut it off just before. */
static void what_lies_behind_the_end_is_not_watched(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_watch watch;

	open_files(cached, 16, NULL);
	cached->file.mapping.size = 8 * BLOCK - 1;
	assert_false(mpio_cache_watch(&cached->file, &watch, 0, 8 * BLOCK));
	assert_true(mpio_cache_watch(&cached->file, &watch, 0, 7 * BLOCK));
	assert_true(mpio_cache_unwatch(&cached->file, &watch));
}

/* They may begin and end in any order. */
static void each_range_is_watched_by_itself(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_watch watches[3];

	open_files(cached, 16, NULL);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(mpio_cache_watch(&cached->file, &watches[i],
					     i * PAGE, (i + 1) * PAGE));
	assert_int_equal(write_blocks(cached, 7, 1), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_false(mpio_cache_unwatch(&cached->file, &watches[1]));
	assert_true(mpio_cache_unwatch(&cached->file, &watches[2]));
	assert_true(mpio_cache_unwatch(&cached->file, &watches[0]));
	/* A page is there. */
	assert_false(mpio_cache_watch(&cached->file, &watches[1], 0, 2 * PAGE));
	assert_true(mpio_cache_watch(&cached->file, &watches[1], 0, PAGE));
	assert_true(mpio_cache_unwatch(&cached->file, &watches[1]));
}

/* A block that cannot be read does not make what is before it any newer. */
static void what_was_written_back_before_a_bad_block_is_read_again(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, write_back);
	mock_fail(&cached->rig->a, 106, 1, -MPIO_EIO);
	assert_int_equal(mpio_file_read(&handle, buffer, 12 * BLOCK, 0),
			 4 * BLOCK);
	assert_null(meanwhile);
	assert_all(buffer, 4 * BLOCK, 'x');
}

static void what_is_good_before_a_bad_block_is_not_read_again(void **state)
{
	struct cached *cached = *state;

	open_files(cached, 16, NULL);
	mock_fail(&cached->rig->a, 106, 1, -MPIO_EIO);
	assert_int_equal(mpio_file_read(&handle, buffer, 12 * BLOCK, 0),
			 4 * BLOCK);
	assert_data(buffer, "a100 a101 a102 a103");
	assert_int_equal(mpio_file_stats(&handle).straight, 4 * BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE_TEST(blocks_that_were_cut_off_tell_nothing),
		RACE_TEST(also_when_the_end_has_come_back),
		RACE_TEST(what_was_written_back_is_read_again),
		RACE_TEST(what_was_dropped_is_read_again),
		RACE_TEST(what_happens_elsewhere_costs_nothing),
		RACE_TEST(what_lies_behind_the_end_is_not_watched),
		RACE_TEST(each_range_is_watched_by_itself),
		RACE_TEST(
			what_was_written_back_before_a_bad_block_is_read_again),
		RACE_TEST(what_is_good_before_a_bad_block_is_not_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

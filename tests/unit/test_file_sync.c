/* SPDX-License-Identifier: MIT */
/*
 * The file layer: a sync writes what is dirty, in order, all of the file or a
 * range of it, and then flushes the device, or has the engine do it.
 */
#include "handle.h"

static void a_sync_writes_in_order_and_then_flushes(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(40 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	assert_int_equal(handle_write(20 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	assert_int_equal(handle_write(24 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	cached->rig->watch |= WATCH_FLAGS;
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig,
		     "write 120+8 sync, write 140+4 sync, flush sync");
	/* Others may have written something back. */
	cached->rig->watch = WATCH_IO;
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "flush");
}

static void on_a_slow_device_the_flush_comes_when_all_is_written(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->a.lifo = true;
	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(40 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	assert_int_equal(handle_write(20 * BLOCK, 4 * BLOCK, 'x'), 4 * BLOCK);
	cached->rig->watch = WATCH_IO | WATCH_CALLS;
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_trace(cached->rig, "write 120+4, write 140+4, commit, wait, "
				  "flush, commit, wait");
}

static void a_sync_of_a_range_writes_its_pages(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(handle_write(i * 2 * PAGE, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync_range(&handle, 2 * PAGE, 3 * PAGE), 0);
	assert_trace(cached->rig, "write 108+4, flush");
	assert_int_equal(mpio_file_sync_range(&handle, 0, 1), 0);
	assert_trace(cached->rig, "write 100+4, flush");
	assert_int_equal(mpio_file_sync_range(&handle, PAGE, 4 * PAGE), 0);
	assert_trace(cached->rig, "flush");
	/* From the last byte of one page to the first of another. */
	assert_int_equal(
		mpio_file_sync_range(&handle, 5 * PAGE - 1, 6 * PAGE + 1), 0);
	assert_trace(cached->rig, "write 116+4, write 124+4, flush");
	assert_int_equal(mpio_file_sync_range(&handle, 8 * PAGE + 5, 0), 0);
	assert_trace(cached->rig, "write 132+4, write 140+4, flush");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

static void a_range_without_bytes_writes_nothing(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(0, 3 * PAGE, 'x'), 3 * PAGE);
	assert_int_equal(mpio_file_sync_range(&handle, 5, 5), 0);
	assert_int_equal(mpio_file_sync_range(&handle, UINT64_MAX, UINT64_MAX),
			 0);
	assert_int_equal(mpio_file_sync_range(&handle, 300 * BLOCK, UINT64_MAX),
			 0);
	assert_trace(cached->rig, "flush, flush, flush");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 3);
	assert_int_equal(mpio_file_sync_range(&handle, 10, 5), -MPIO_EINVAL);
	assert_int_equal(mpio_file_sync_range(&handle, 1, UINT64_MAX), 0);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 0);
}

/* As its end is exclusive: the first byte is not in it. */
static void nor_does_one_behind_the_first_byte(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_write(0, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync_range(&handle, 1, 1), 0);
	assert_trace(cached->rig, "flush");
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
}

/* What the engine's flush saw. */
struct flushing {
	struct cached *cached;
	uint32_t calls;
	uint32_t dirty;
	int status;
};

/* Nothing is held: it may read and write. */
static int engine_flush(struct mpio_file *file)
{
	struct flushing *flushing = file->config.host;
	unsigned char byte = 0;

	assert_ptr_equal(file, &handle);
	flushing->calls++;
	flushing->dirty = mpio_cache_stats(flushing->cached->cache).dirty;
	assert_int_equal(mpio_file_read(file, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(mpio_file_write(file, &byte, 1, PAGE), 1);
	trace(flushing->cached->rig, WATCH_IO, "engine");
	return flushing->status;
}

static void the_engine_may_flush_in_its_own_way(void **state)
{
	struct flushing flushing = {.cached = *state};
	struct mpio_file_config config = {
		.flush = engine_flush,
		.host = &flushing,
	};
	struct cached *cached = *state;
	struct mpio_file other;

	handle_open(cached, 400, 64, &config);
	assert_int_equal(handle_write(0, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(flushing.calls, 1);
	assert_int_equal(flushing.dirty, 0);
	assert_trace(cached->rig, "write 100+4, read 104+1, engine");
	assert_int_equal(
		mpio_file_open(&other, &cached->file, cached->rig->queue, NULL),
		0);
	flushing.status = -MPIO_EROFS;
	assert_int_equal(mpio_file_sync(&handle), -MPIO_EROFS);
	flushing.status = 0;
	assert_int_equal(mpio_file_sync(&handle), 0);
	/* It is told to every handle; the other's own flush was fine. */
	assert_int_equal(mpio_file_sync(&other), -MPIO_EROFS);
	assert_int_equal(mpio_file_sync(&other), 0);
	assert_int_equal(mpio_file_sync_range(&handle, 0, PAGE), 0);
	assert_int_equal(flushing.calls, 4);
	mpio_file_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_sync_writes_in_order_and_then_flushes),
		CACHED_TEST(
			on_a_slow_device_the_flush_comes_when_all_is_written),
		CACHED_TEST(a_sync_of_a_range_writes_its_pages),
		CACHED_TEST(a_range_without_bytes_writes_nothing),
		CACHED_TEST(the_engine_may_flush_in_its_own_way),
		CACHED_TEST(nor_does_one_behind_the_first_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

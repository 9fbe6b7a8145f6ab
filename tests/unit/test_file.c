/* SPDX-License-Identifier: MIT */
/*
 * The file layer: bytes are read from any place, up to the end of file or to an
 * error, and handles share them. Writing, and where the file ends:
 * test_file_write.c; sync: test_file_sync.c; advice: test_file_advice.c; reads
 * that go straight: test_file_large.c. What is read ahead:
 * test_file_readahead.c; who is told which error: test_file_errors.c.
 */
#include "handle.h"

/* ---- Reading ------------------------------------------------------------- */

static void bytes_are_read_across_pages(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(handle_read(3 * BLOCK + 100, 3 * PAGE), 3 * PAGE);
	handle_assert_device(cached, handle_bytes, 3 * BLOCK + 100, 3 * PAGE);
	assert_trace(cached->rig, "read 100+16");
	assert_int_equal(handle_read(PAGE - 1, 2), 2);
	handle_assert_device(cached, handle_bytes, PAGE - 1, 2);
	assert_trace(cached->rig, "");
}

static void any_place_and_length_reads_the_same(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 48, 5, NULL);
	for (uint64_t pos = 0; pos < 48 * BLOCK; pos += 777) {
		for (size_t length = 1; length < 9000; length += 1021) {
			size_t left = (size_t)(48 * BLOCK - pos);
			size_t n = length < left ? length : left;

			assert_int_equal(handle_read_to(handle_bytes + pos % 7,
							pos, length),
					 n);
			handle_assert_device(cached, handle_bytes + pos % 7,
					     pos, n);
			assert_int_equal(handle_bytes[pos % 7 + n], 0xa5);
		}
	}
}

static void a_read_ends_at_the_end_of_file(void **state)
{
	struct cached *cached = *state;
	const uint64_t size = 10 * BLOCK + 100;

	handle_open(cached, 400, 64, NULL);
	cached->file.mapping.size = size;
	assert_int_equal(mpio_file_size(&handle), size);
	assert_int_equal(handle_read(size - 50, 100), 50);
	handle_assert_device(cached, handle_bytes, size - 50, 50);
	handle_assert_all(handle_bytes + 50, 100, 0xa5);
	assert_int_equal(handle_read(size - 1, 1), 1);
	assert_int_equal(handle_read(size, 1), 0);
	assert_int_equal(handle_read(size + PAGE, PAGE), 0);
	assert_int_equal(handle_read(UINT64_MAX, 10), 0);
	assert_int_equal(handle_read(0, 0), 0);
	assert_int_equal(mpio_file_read(&handle, NULL, 0, 5), 0);
	assert_int_equal(
		mpio_file_read(&handle, handle_bytes, SIZE_MAX, size - 1), 1);
	handle_assert_all(handle_bytes + 1, 100, 0xa5);
}

static void holes_read_as_zeros(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 2, 100);
	map_blocks(cached->rig, 5, 2, 105);
	handle_open(cached, 0, 64, NULL);
	cached->file.mapping.size = 20 * BLOCK;
	assert_int_equal(handle_read(0, 20 * BLOCK), 20 * BLOCK);
	assert_data(handle_bytes,
		    "a100 a101 0 0 0 a105 a106 0 0 0 0 0 0 0 0 0 0 0 0 "
		    "0");
	assert_trace(cached->rig, "read 100+2, read 105+2");
}

static void a_file_without_bytes_reads_nothing(void **state)
{
	struct cached *cached = *state;

	handle_open(cached, 0, 64, NULL);
	assert_int_equal(handle_read(0, 10), 0);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(mpio_file_truncate(&handle, 0), 0);
	assert_trace(cached->rig, "flush");
}

static void an_error_comes_after_the_bytes_before_it(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 118, 1, -MPIO_EIO);
	handle_open(cached, 400, 64, NULL);
	handle_assert_error(cached, 18, -MPIO_EIO);
}

static void so_it_does_when_something_is_read_ahead(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 118, 1, -MPIO_EIO);
	handle_open(cached, 400, 64, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	assert_int_equal(handle_read(0, 10), 10);
	handle_assert_error(cached, 18, -MPIO_EIO);
}

static void and_when_the_map_fails(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 18, 100);
	map_blocks(cached->rig, 18, 1, 118)->error = -MPIO_EUCLEAN;
	map_blocks(cached->rig, 19, 100, 119);
	handle_open(cached, 0, 64, NULL);
	cached->file.mapping.size = 100 * BLOCK;
	assert_in_range(handle_read(0, 40 * BLOCK), 16 * BLOCK, 18 * BLOCK);
	assert_int_equal(handle_read(18 * BLOCK, 40 * BLOCK), -MPIO_EUCLEAN);
	assert_int_equal(handle_read(20 * BLOCK, 40 * BLOCK), 40 * BLOCK);
}

static void more_than_the_cache_holds_is_read(void **state)
{
	struct cached *cached = *state;
	struct mpio_file_config config = {.straight_min = UINT32_MAX};

	handle_open(cached, 400, 4, &config);
	assert_int_equal(handle_read(5, 399 * BLOCK), 399 * BLOCK);
	handle_assert_device(cached, handle_bytes, 5, 399 * BLOCK);
	assert_int_equal(mpio_file_stats(&handle).straight, 0);
}

static void a_slow_device_is_waited_for(void **state)
{
	struct cached *cached = *state;

	mock_asynchronous(&cached->rig->a);
	cached->rig->a.slow = true;
	cached->rig->a.lifo = true;
	cached->rig->a.reap_max = 1;
	handle_open(cached, 400, 16, NULL);
	assert_int_equal(handle_read(5, 300 * BLOCK), 300 * BLOCK);
	handle_assert_device(cached, handle_bytes, 5, 300 * BLOCK);
	assert_int_equal(handle_write(100, 5 * PAGE, 'x'), 5 * PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	handle_assert_all(cached->rig->a.disk + 100 * BLOCK + 100, 5 * PAGE,
			  'x');
}

/* ---- Memory -------------------------------------------------------------- */

static void only_if_all_pages_are_pinned_is_there_no_memory(void **state)
{
	struct cached *cached = *state;
	struct mpio_page *pages[16];

	handle_open(cached, 400, 16, NULL);
	mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_SEQUENTIAL);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(mpio_cache_get(&cached->file,
						cached->rig->queue,
						(40 + i) * PAGE, &pages[i]),
				 0);
	assert_int_equal(handle_read(0, 3 * PAGE), -MPIO_ENOMEM);
	assert_int_equal(handle_write(0, 3 * PAGE, 'x'), -MPIO_ENOMEM);
	assert_int_equal(mpio_file_advise(&handle, 0, 0, MPIO_ADVICE_WILLNEED),
			 0);
	/* Pages that are there are read, and written, none the less. */
	assert_int_equal(handle_read(41 * PAGE, PAGE), PAGE);
	assert_int_equal(handle_write(41 * PAGE, PAGE, 'x'), PAGE);
	assert_int_equal(handle_read(55 * PAGE, 2 * PAGE), PAGE);
	mpio_cache_put(pages[0]);
	assert_int_equal(handle_read(0, 3 * PAGE), 3 * PAGE);
	handle_assert_device(cached, handle_bytes, 0, 3 * PAGE);
	assert_int_equal(handle_write(0, 3 * PAGE, 'y'), 3 * PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	handle_assert_all(cached->rig->a.disk + 100 * BLOCK, 3 * PAGE, 'y');
	for (uint32_t i = 1; i < 16; i++)
		mpio_cache_put(pages[i]);
}

/* ---- Handles ------------------------------------------------------------- */

static void handles_see_the_same_bytes(void **state)
{
	struct cached *cached = *state;
	struct mpio_file other;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(
		mpio_file_open(&other, &cached->file, cached->rig->queue, NULL),
		0);
	assert_int_equal(mpio_file_write(&other, "seen", 4, 7 * BLOCK), 4);
	assert_int_equal(handle_read(7 * BLOCK, 4), 4);
	assert_memory_equal(handle_bytes, "seen", 4);
	assert_int_equal(mpio_file_truncate(&other, 7 * BLOCK + 2), 0);
	assert_int_equal(mpio_file_size(&handle), 7 * BLOCK + 2);
	mpio_file_close(&other);
	assert_int_equal(handle_read(7 * BLOCK, 4), 2);
}

static void a_file_of_no_cache_is_refused(void **state)
{
	struct cached *cached = *state;
	struct mpio_cache_mapping file = {0};

	handle_open(cached, 8, 16, NULL);
	assert_int_equal(
		mpio_file_open(&handle, &file, cached->rig->queue, NULL),
		-MPIO_EINVAL);
}

static void a_window_that_cannot_be_is_refused(void **state)
{
	struct mpio_file_config config = {
		.readahead_min = 2 * PAGE,
		.readahead_max = PAGE,
	};
	struct cached *cached = *state;

	handle_open(cached, 400, 64, NULL);
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 -MPIO_EINVAL);
	config.readahead_max = 2 * PAGE;
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 0);
	/* The default of one is not more than the other. */
	config.readahead_min = 0;
	assert_int_equal(mpio_file_open(&handle, &cached->file,
					cached->rig->queue, &config),
			 0);
}

static void a_handle_can_go_to_another_queue(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue_config config = {.bios = 4};
	struct mpio_queue *queue;

	handle_open(cached, 400, 64, NULL);
	config.memory_size = mpio_queue_size(&cached->rig->a.device, &config);
	config.memory = malloc(config.memory_size);
	assert_int_equal(
		mpio_queue_open(&cached->rig->a.device, &config, &queue), 0);
	mpio_file_set_queue(&handle, queue);
	assert_int_equal(handle_read(0, PAGE), PAGE);
	assert_int_equal(handle_write(0, PAGE, 'x'), PAGE);
	assert_int_equal(mpio_file_sync(&handle), 0);
	assert_int_equal(mpio_queue_stats(queue)->pages_read, 1);
	assert_int_equal(mpio_queue_stats(queue)->pages_written, 1);
	assert_int_equal(mpio_queue_stats(cached->rig->queue)->pages_read, 0);
	mpio_queue_close(queue);
	free(config.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(bytes_are_read_across_pages),
		CACHED_TEST(any_place_and_length_reads_the_same),
		CACHED_TEST(a_read_ends_at_the_end_of_file),
		CACHED_TEST(holes_read_as_zeros),
		CACHED_TEST(a_file_without_bytes_reads_nothing),
		CACHED_TEST(an_error_comes_after_the_bytes_before_it),
		CACHED_TEST(so_it_does_when_something_is_read_ahead),
		CACHED_TEST(and_when_the_map_fails),
		CACHED_TEST(more_than_the_cache_holds_is_read),
		CACHED_TEST(a_slow_device_is_waited_for),
		CACHED_TEST(only_if_all_pages_are_pinned_is_there_no_memory),
		CACHED_TEST(handles_see_the_same_bytes),
		CACHED_TEST(a_file_of_no_cache_is_refused),
		CACHED_TEST(a_window_that_cannot_be_is_refused),
		CACHED_TEST(a_handle_can_go_to_another_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

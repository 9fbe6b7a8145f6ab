/* SPDX-License-Identifier: MIT */
/*
 * Streams: pages are handed over in the order in which they were named, from
 * opening to closing, whatever the order, the device and the limits are. Which
 * pages are read together: test_stream_runs.c; how far ahead:
 * test_stream_distance.c; what goes wrong: test_stream_errors.c and
 * test_stream_lies.c.
 */
#include "stream_reader.h"

#include <time.h>

static void pages_come_in_the_order_in_which_they_were_named(void **state)
{
	static const uint32_t order[] = {7, 8, 3, 190, 4, 5, 6, 0};
	struct reader reader = {.name_count = COUNT_OF(order)};

	memcpy(reader.names, order, sizeof(order));
	reader_open(&reader, *state, true);
	for (uint32_t i = 0; i < COUNT_OF(order); i++)
		reader_expect_page(&reader, order[i]);
	reader_expect_end(&reader, 0);
	assert_int_equal(reader_stats(&reader)->pages, COUNT_OF(order));
	reader_close(&reader);
}

static void a_page_that_somebody_else_reads_is_waited_for(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	reader_name(&reader, 4, 1, 3);
	reader_open(&reader, rig, true);
	for (uint32_t i = 4; i < 7; i++)
		reader_expect_page(&reader, i);
	assert_trace(rig, "read 108+2, read 112+2");
	reader_close(&reader);
}

/* Of one that lies on another device, too. */
static void pages_may_be_read_by_another_queue_of_the_group(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;
	struct mpio_page *page;

	rig->two = true;
	mock_asynchronous(&rig->b);
	rig->b.slow = true;
	open_slow(rig, 2, 200);
	rig->map[0].queue = rig->other;
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	reader_name(&reader, 4, 1, 20);
	reader_open(&reader, rig, true);
	for (uint32_t i = 4; i < 24; i++) {
		assert_int_equal(mpio_stream_next(reader.stream, &page), 1);
		assert_ptr_equal(page, page_at(rig, i));
		assert_flags(rig, i, "uptodate mapped");
		reader.taken--;
	}
	assert_page(rig, 5, "b110 b111");
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

/* ---- Its life ------------------------------------------------------------ */

static void closing_waits_and_releases(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 90);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 10);
	assert_true(reader.taken > 4);
	reader_close(&reader);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
}

/* The device does not tell of the first page; the second one was there. */
static void an_engine_need_not_take_pages_back(void **state)
{
	const struct mpio_stream_ops some = {.next = reader_next,
					     .take = reader_take};
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 10);
	open_slow(rig, 2, 200);
	reader_open(&reader, rig, true);
	mpio_stream_close(reader.stream);
	reader.config.ops = &some;
	assert_int_equal(mpio_stream_open(rig->queue, &rig->mapping,
					  &reader.config, &reader.stream),
			 0);
	reader_expect_page(&reader, 0);
	assert_int_equal(reader.taken, 1);
	mpio_stream_close(reader.stream);
	assert_int_equal(reader.released, 0);
	assert_int_equal(page_at(rig, 2)->flags & MPIO_PAGE_LOCKED, 0);
	rig->frames[2].handed--; /* it was never read */
}

static void closing_releases_what_is_not_on_its_way(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;
	struct mpio_page *page;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	reader_name(&reader, 0, 1, 2);
	reader_open(&reader, rig, true);
	rig->a.reap_error = -MPIO_EIO;
	assert_int_equal(mpio_stream_next(reader.stream, &page), -MPIO_EIO);
	assert_int_equal(reader.taken, 2);
	mpio_stream_close(reader.stream);
	assert_int_equal(reader.released, 1);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void a_stream_that_is_reset_begins_anew(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	reader_name(&reader, 0, 2, 40);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 10);
	assert_int_equal(mpio_stream_reset(reader.stream), 0);
	assert_int_equal(reader.taken, 0);
	reader.named = 3;
	for (uint32_t i = 3; i < 40; i++)
		reader_expect_page(&reader, 2 * i);
	reader_expect_end(&reader, 0);
	reader.named = 0;
	assert_int_equal(mpio_stream_reset(reader.stream), 0);
	reader_expect_page(&reader, 0);
	reader_close(&reader);
}

/* Pages that come all the same, until one does not. */
static void expect_failure(struct reader *reader)
{
	struct mpio_page *page;
	int result;

	reader->rig->a.reap_error = -MPIO_EIO;
	while ((result = mpio_stream_next(reader->stream, &page)) == 1)
		reader->taken--;
	assert_int_equal(result, -MPIO_EIO);
	assert_true(reader->taken > 0);
}

static void what_a_device_fails_to_tell_can_be_asked_again(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;
	uint64_t before;

	reader_name(&reader, 0, 2, 40);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 10);
	expect_failure(&reader);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(mpio_stream_reset(reader.stream), -MPIO_EIO);
	assert_true(reader.taken > 0);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_stream_reset(reader.stream), 0);
	assert_int_equal(reader.taken, 0);
	reader.named = 0;
	before = reader_stats(&reader)->pages;
	reader_expect_page(&reader, 0);
	expect_failure(&reader);
	rig->a.reap_error = 0;
	while (reader_stats(&reader)->pages < before + 30)
		reader_expect_page(
			&reader,
			reader.names[reader_stats(&reader)->pages - before]);
	reader_close(&reader);
}

static void memory_may_be_given(void **state)
{
	static _Alignas(16) char memory[8192];
	struct reader reader = {.config.look_ahead_max = 4,
				.config.combine_bytes = 4 * PAGE,
				.config.page_size = PAGE,
				.config.memory = memory};
	struct rig *rig = *state;
	size_t size = mpio_stream_size(&reader.config);

	assert_in_range(size, 1, sizeof(memory));
	reader.config.memory_size = size;
	memset(memory, 0x5a, sizeof(memory));
	reader_name(&reader, 0, 2, 9);
	reader_open(&reader, rig, true);
	reader_expect_pages(&reader, 0, 2, 9);
	reader_close(&reader);
	for (size_t i = size; i < sizeof(memory); i++)
		assert_int_equal(memory[i], 0x5a);
}

static void *count(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	size_t *bytes = ctx;

	*bytes += new_size - old_size;
	return reader_allocator.resize(NULL, ptr, old_size, new_size);
}

static void an_allocator_gets_its_memory_back(void **state)
{
	size_t bytes = 0;
	const struct mpio_allocator counting = {.resize = count, .ctx = &bytes};
	struct reader reader = {0};

	reader_open(&reader, *state, false);
	mpio_stream_close(reader.stream);
	reader.config.allocator = &counting;
	assert_int_equal(mpio_stream_open(reader.rig->queue,
					  &reader.rig->mapping, &reader.config,
					  &reader.stream),
			 0);
	assert_int_equal(bytes, mpio_stream_size(&reader.config));
	mpio_stream_close(reader.stream);
	assert_int_equal(bytes, 0);
}

static void *refuse(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)ptr;
	(void)old_size;
	(void)new_size;
	return NULL;
}

static const struct mpio_allocator no_memory = {.resize = refuse};

static void what_cannot_be_is_refused(void **state)
{
	static _Alignas(16) char memory[8192];
	const struct mpio_stream_ops no_next = {.take = reader_take};
	const struct mpio_stream_ops no_take = {.next = reader_next};
	struct rig *rig = *state;
	struct mpio_stream *stream = NULL;
	const struct {
		struct mpio_stream_config config;
		int error;
	} cases[] = {
		{{.allocator = &reader_allocator}, -MPIO_EINVAL},
		{{.ops = &no_next, .allocator = &reader_allocator},
		 -MPIO_EINVAL},
		{{.ops = &no_take, .allocator = &reader_allocator},
		 -MPIO_EINVAL},
		{{.ops = &reader_ops}, -MPIO_EINVAL},
		{{.ops = &reader_ops,
		  .memory = memory + 1,
		  .memory_size = 8000},
		 -MPIO_EINVAL},
		{{.ops = &reader_ops, .memory = memory, .memory_size = 64},
		 -MPIO_ENOMEM},
		{{.ops = &reader_ops, .allocator = &no_memory}, -MPIO_ENOMEM},
		{{.ops = &reader_ops,
		  .allocator = &reader_allocator,
		  .look_ahead_max = UINT32_MAX},
		 -MPIO_EINVAL},
		{{.ops = &reader_ops,
		  .allocator = &reader_allocator,
		  .combine_bytes = UINT32_MAX,
		  .page_size = 512},
		 -MPIO_EINVAL},
	};

	open_with_pages(rig, 2, 4);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(mpio_stream_open(rig->queue, &rig->mapping,
						  &cases[i].config, &stream),
				 cases[i].error);
		assert_null(stream);
	}
	mpio_stream_close(NULL);
}

/* ---- Anything ------------------------------------------------------------ */

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

static void name_at_random(struct reader *reader, uint64_t *seed)
{
	while (reader->name_count < 150) {
		uint32_t first = random_below(seed, 190);
		uint32_t n = 1 + random_below(seed, 9);

		/* Each page once: the rig's pages are read once. */
		for (uint32_t i = first; i < first + n && i < 200; i++) {
			bool is_new = true;

			for (uint32_t j = 0; j < reader->name_count; j++)
				is_new = is_new && reader->names[j] != i;
			if (is_new)
				reader->names[reader->name_count++] = i;
		}
	}
}

static void any_order_any_device_and_any_limits(void **state)
{
	static uint64_t runs;
	uint64_t seed = (uint64_t)time(NULL) * 1000 + runs++;
	const char *told = getenv("MPIO_SEED");
	struct reader reader = {0};
	struct rig *rig = *state;

	if (told != NULL)
		seed = strtoull(told, NULL, 10);
	print_message("MPIO_SEED=%llu\n", (unsigned long long)seed);
	rig->a.lifo = random_below(&seed, 2) != 0;
	rig->a.reap_max = random_below(&seed, 3);
	rig->config.bios = 2 + random_below(&seed, 8);
	reader.config.combine_bytes = PAGE * (1 + random_below(&seed, 9));
	reader.config.look_ahead_max = 1 + random_below(&seed, 40);
	reader.config.runs_max = 1 + random_below(&seed, 5);
	reader.frames = random_below(&seed, 2) * (1 + random_below(&seed, 30));
	name_at_random(&reader, &seed);
	open_slow(rig, 2, 200);
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t index = random_below(&seed, 200);

		if (!(page_at(rig, index)->flags & MPIO_PAGE_UPTODATE))
			read_pages(rig, index, 1, 0);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
	}
	reader_open(&reader, rig, true);
	for (uint32_t i = 0; i < reader.name_count; i++) {
		reader_expect_page(&reader, reader.names[i]);
		if (random_below(&seed, 60) == 0) {
			assert_int_equal(mpio_stream_reset(reader.stream), 0);
			reader.named = i + 1;
		}
		assert_in_range(reader.taken, 0,
				reader.config.look_ahead_max +
					reader.config.combine_bytes / PAGE);
	}
	reader_expect_end(&reader, 0);
	reader_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(pages_come_in_the_order_in_which_they_were_named),
		RIG_TEST(a_page_that_somebody_else_reads_is_waited_for),
		RIG_TEST(pages_may_be_read_by_another_queue_of_the_group),
		RIG_TEST(closing_waits_and_releases),
		RIG_TEST(an_engine_need_not_take_pages_back),
		RIG_TEST(closing_releases_what_is_not_on_its_way),
		RIG_TEST(a_stream_that_is_reset_begins_anew),
		RIG_TEST(what_a_device_fails_to_tell_can_be_asked_again),
		RIG_TEST(memory_may_be_given),
		RIG_TEST(what_cannot_be_is_refused),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(an_allocator_gets_its_memory_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

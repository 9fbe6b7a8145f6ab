/* SPDX-License-Identifier: MIT */
/*
 * Streams: pages are named, read ahead and handed over in order.
 *
 * The pages of the rig are two blocks each, and lie from device block 100 on
 * as they do in the file, so a page's number says where it is read from.
 */
#include "mock.h"

#include <mpio/stream.h>

#include <stdio.h>
#include <time.h>

#define PAGE (2 * BLOCK)
#define NAMES_MAX 400u

/* An engine that wants some pages, by their numbers, and then no more. */
struct reader {
	struct rig *rig;
	struct mpio_stream_config config;
	struct mpio_stream *stream;
	uint32_t names[NAMES_MAX];
	uint32_t name_count;
	uint32_t named;
	uint32_t frames; /* pages that may be taken at once; 0: any */
	uint32_t taken;  /* and neither handed over nor released */
	uint32_t released;
	uint32_t busy; /* one more than the page that is said to be */
	int error;     /* that the names end with */
	int take_error;
	struct mpio_page *instead; /* of the page that was named */
	int instead_found;         /* what that is said to be; 0: to be read */
};

static int next(void *ctx, uint64_t *pos)
{
	struct reader *reader = ctx;

	if (reader->named == reader->name_count)
		return reader->error;
	*pos = (uint64_t)reader->names[reader->named++] * PAGE;
	return 1;
}

static int take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	struct reader *reader = ctx;
	uint32_t index = (uint32_t)(pos / PAGE);

	if (reader->take_error != 0)
		return reader->take_error;
	if (reader->frames != 0 && reader->taken == reader->frames)
		return MPIO_STREAM_NO_FRAME;
	*page = reader->instead ? reader->instead : page_at(reader->rig, index);
	if (reader->instead)
		return reader->instead_found ? reader->instead_found
					     : MPIO_STREAM_READ;
	reader->taken++;
	if ((*page)->flags & MPIO_PAGE_UPTODATE)
		return MPIO_STREAM_HIT;
	if (reader->busy == index + 1)
		return MPIO_STREAM_BUSY;
	(*page)->flags = MPIO_PAGE_LOCKED;
	reader->rig->frames[index].handed++;
	return MPIO_STREAM_READ;
}

static void release(void *ctx, struct mpio_page *page)
{
	struct reader *reader = ctx;
	uint32_t index = index_of(reader->rig, page);

	assert_int_equal(page->flags & MPIO_PAGE_LOCKED, 0);
	if (reader->busy == index + 1)
		assert_true(page->flags & MPIO_PAGE_UPTODATE);
	reader->taken--;
	reader->released++;
	if (!(page->flags & (MPIO_PAGE_UPTODATE | MPIO_PAGE_ERROR)))
		reader->rig->frames[index].handed--; /* never read */
}

/* Not the rig's, which is to be asked only when a queue is opened. */
static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size != 0)
		return realloc(ptr, new_size);
	free(ptr);
	return NULL;
}

static void *refuse(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)ptr;
	(void)old_size;
	(void)new_size;
	return NULL;
}

static const struct mpio_allocator allocator = {.resize = resize};
static const struct mpio_allocator no_memory = {.resize = refuse};

static const struct mpio_stream_ops ops = {
	.next = next,
	.take = take,
	.release = release,
};

static const struct mpio_stream_stats *stats_of(const struct reader *reader)
{
	return mpio_stream_stats(reader->stream);
}

static void name(struct reader *reader, uint32_t first, uint32_t step,
		 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		reader->names[reader->name_count++] = first + i * step;
}

/* Of a rig whose device ends I/Os inside submit, or only when waited for. */
static void open_reader(struct reader *reader, struct rig *rig, bool slow)
{
	reader->rig = rig;
	if (!rig->is_open && slow)
		open_slow(rig, 2, 200);
	else if (!rig->is_open)
		open_with_pages(rig, 2, 200);
	rig->watch = WATCH_IO;
	reader->config.ops = &ops;
	reader->config.ctx = reader;
	reader->config.page_size = PAGE;
	reader->config.allocator = &allocator;
	assert_int_equal(mpio_stream_open(rig->queue, &rig->mapping,
					  &reader->config, &reader->stream),
			 0);
	rig->trace[0] = '\0';
}

static void close_reader(struct reader *reader)
{
	mpio_stream_close(reader->stream);
	assert_int_equal(reader->taken, 0);
}

static void expect_page(struct reader *reader, uint32_t index)
{
	struct mpio_page *page = NULL;

	assert_int_equal(mpio_stream_next(reader->stream, &page), 1);
	assert_ptr_equal(page, page_at(reader->rig, index));
	reader->taken--;
	assert_int_equal(page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_ERROR), 0);
	assert_true(page->flags & MPIO_PAGE_UPTODATE);
	assert_memory_equal(page->data,
			    reader->rig->a.disk + (100 + 2 * index) * BLOCK,
			    PAGE);
}

/* As they were named: see name(). */
static void expect_pages(struct reader *reader, uint32_t first, uint32_t step,
			 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		expect_page(reader, first + i * step);
}

static void expect_end(struct reader *reader, int result)
{
	struct mpio_page *page = NULL;

	for (int i = 0; i < 2; i++)
		assert_int_equal(mpio_stream_next(reader->stream, &page),
				 result);
	assert_null(page);
}

/* ---- Order, and what is read together ------------------------------------ */

static void pages_come_in_the_order_in_which_they_were_named(void **state)
{
	static const uint32_t order[] = {7, 8, 3, 190, 4, 5, 6, 0};
	struct reader reader = {.name_count = COUNT_OF(order)};

	memcpy(reader.names, order, sizeof(order));
	open_reader(&reader, *state, true);
	for (uint32_t i = 0; i < COUNT_OF(order); i++)
		expect_page(&reader, order[i]);
	expect_end(&reader, 0);
	assert_int_equal(stats_of(&reader)->pages, COUNT_OF(order));
	close_reader(&reader);
}

static void neighbours_are_read_together(void **state)
{
	struct reader reader = {.config.combine_bytes = 4 * PAGE};

	name(&reader, 10, 1, 6);
	name(&reader, 30, 1, 2);
	open_reader(&reader, *state, false);
	expect_pages(&reader, 10, 1, 6);
	expect_page(&reader, 30);
	expect_page(&reader, 31);
	expect_end(&reader, 0);
	assert_trace(*state, "read 120+8, read 128+4, read 160+4");
	assert_int_equal(stats_of(&reader)->runs, 3);
	close_reader(&reader);
}

static void the_queues_limit_bounds_what_is_combined(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	rig->config.bytes_max = 2 * PAGE;
	name(&reader, 0, 1, 4);
	open_reader(&reader, rig, false);
	expect_page(&reader, 0);
	assert_trace(rig, "read 100+4");
	for (uint32_t i = 1; i < 4; i++)
		expect_page(&reader, i);
	close_reader(&reader);
}

/* Gaps of a page are crossed; one of two pages is too large. */
static void pages_a_gap_apart_are_read_together(void **state)
{
	struct reader reader = {.config.combine_bytes = 7 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = PAGE;
	name(&reader, 10, 2, 5);
	name(&reader, 21, 1, 1);
	open_reader(&reader, rig, false);
	for (uint32_t i = 0; i < 5; i++)
		expect_page(&reader, 10 + 2 * i);
	expect_page(&reader, 21);
	expect_end(&reader, 0);
	assert_trace(rig, "read 120+14, read 136+2, read 142+2");
	assert_int_equal(stats_of(&reader)->runs, 3);
	close_reader(&reader);
}

/* A gap that the queue would not cross holds nothing back. */
static void a_gap_that_is_too_much_of_a_read_ends_the_run(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 4 * PAGE;
	rig->config.gap_percent = 40;
	name(&reader, 10, 3, 3);
	name(&reader, 18, 1, 1);
	open_reader(&reader, rig, false);
	for (uint32_t i = 0; i < 3; i++) {
		expect_page(&reader, 10 + 3 * i);
		assert_int_equal(stats_of(&reader)->runs, i + 1);
	}
	expect_page(&reader, 18);
	assert_trace(rig, "read 120+2, read 126+2, read 132+6");
	close_reader(&reader);
}

/* As the queue does, which looks at all of an I/O: a gap that is much of what
 * lies around it may be little of the run. */
static void gaps_are_a_share_of_the_whole_run(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 4 * PAGE;
	rig->config.gap_percent = 50;
	name(&reader, 10, 3, 3); /* one of two pages after each */
	name(&reader, 17, 1, 4);
	name(&reader, 25, 1, 1); /* one of four */
	open_reader(&reader, rig, false);
	expect_pages(&reader, 10, 3, 3);
	expect_pages(&reader, 17, 1, 4);
	expect_page(&reader, 25);
	assert_trace(rig, "read 120+8, read 132+20");
	close_reader(&reader);
}

static void no_gap_makes_a_run_longer_than_what_is_combined(void **state)
{
	struct reader reader = {.config.combine_bytes = 4 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = 3 * PAGE;
	name(&reader, 0, 1, 3);
	name(&reader, 6, 1, 1);
	open_reader(&reader, rig, false);
	expect_pages(&reader, 0, 1, 3);
	expect_page(&reader, 6);
	assert_trace(rig, "read 100+6, read 112+2");
	close_reader(&reader);
}

/* What the queue does not cross, the stream does not count as one read. */
static void nor_longer_than_the_queue_crosses_gaps_in(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};
	struct rig *rig = *state;

	rig->config.gap_bytes = PAGE;
	rig->config.gap_io_bytes = 2 * PAGE;
	name(&reader, 0, 2, 4);
	open_reader(&reader, rig, false);
	expect_pages(&reader, 0, 2, 4);
	assert_int_equal(stats_of(&reader)->runs, 4);
	assert_trace(rig, "read 100+2, read 104+2, read 108+2, read 112+2");
	close_reader(&reader);
}

static void pages_named_backwards_are_read_one_by_one(void **state)
{
	struct reader reader = {.name_count = 3, .names = {2, 1, 0}};

	open_reader(&reader, *state, false);
	for (uint32_t i = 3; i > 0; i--)
		expect_page(&reader, i - 1);
	assert_trace(*state, "read 104+2, read 102+2, read 100+2");
	close_reader(&reader);
}

/* ---- The distance -------------------------------------------------------- */

/* A device that works at once is never waited for. */
static void without_waiting_nothing_is_taken_ahead(void **state)
{
	struct reader reader = {0};

	name(&reader, 0, 2, 50);
	open_reader(&reader, *state, false);
	for (uint32_t i = 0; i < 50; i++) {
		expect_page(&reader, 2 * i);
		assert_int_equal(reader.taken, 0);
	}
	assert_int_equal(stats_of(&reader)->distance_peak, 0);
	assert_int_equal(stats_of(&reader)->waits, 0);
	close_reader(&reader);
}

/* One that ends I/Os while the consumer is at work isn't either. */
static void a_device_that_is_in_time_is_not_waited_for(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	name(&reader, 0, 2, 20);
	open_reader(&reader, rig, false);
	expect_pages(&reader, 0, 2, 20);
	assert_int_equal(stats_of(&reader)->waits, 0);
	assert_int_equal(stats_of(&reader)->distance_peak, 0);
	close_reader(&reader);
}

static void pages_that_are_there_are_taken_one_at_a_time(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_all(rig, 0), 200);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	name(&reader, 0, 1, 60);
	open_reader(&reader, rig, true);
	for (uint32_t i = 0; i < 60; i++) {
		expect_page(&reader, i);
		assert_int_equal(reader.taken, 0);
	}
	assert_trace(rig, "");
	assert_int_equal(stats_of(&reader)->hits, 60);
	assert_int_equal(stats_of(&reader)->distance, 0);
	close_reader(&reader);
}

static void each_wait_doubles_the_distance(void **state)
{
	struct reader reader = {.config.look_ahead_max = 20,
				.config.runs_max = 40};

	name(&reader, 0, 2, 90);
	open_reader(&reader, *state, true);
	expect_page(&reader, 0);
	assert_int_equal(stats_of(&reader)->distance, 1);
	assert_int_equal(reader.taken, 1);
	for (uint32_t i = 1; i < 60; i++)
		expect_page(&reader, 2 * i);
	assert_int_equal(stats_of(&reader)->distance, 20);
	assert_int_equal(stats_of(&reader)->distance_peak, 20);
	assert_int_equal(reader.taken, 20);
	close_reader(&reader);
	assert_int_equal(reader.released, 20);
}

/* However much is combined: while one run is read, another is on its way. */
static void a_run_is_never_all_that_is_taken_ahead(void **state)
{
	static const uint32_t looks[] = {2, 8, 16};

	for (uint32_t k = 0; k < 3; k++) {
		struct reader reader = {.config.combine_bytes = 64 * PAGE,
					.config.look_ahead_max = looks[k]};
		struct rig *rig = *state;
		uint32_t busy = 0; /* times that the device was, meanwhile */

		name(&reader, 60 * k, 1, 60);
		open_reader(&reader, rig, true);
		for (uint32_t i = 0; i < 50; i++) {
			expect_page(&reader, 60 * k + i);
			busy += rig->a.pending_count != 0;
		}
		assert_in_range(busy, 10, 50);
		close_reader(&reader);
	}
}

static void each_hit_takes_one_page_off_the_distance(void **state)
{
	struct reader reader = {.config.look_ahead_max = 4};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 100, 20, 0), 20);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	name(&reader, 0, 2, 10);
	name(&reader, 100, 1, 20);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 10);
	expect_pages(&reader, 100, 1, 20);
	assert_int_equal(stats_of(&reader)->distance_peak, 4);
	assert_int_equal(stats_of(&reader)->distance, 0);
	assert_int_equal(stats_of(&reader)->hits, 20);
	close_reader(&reader);
}

/* At a distance of 4, no more than 4 pages of a run of 8 are there. */
static void a_short_run_is_held_back_while_it_may_grow(void **state)
{
	struct reader reader = {.config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	name(&reader, 0, 2, 3);
	name(&reader, 50, 1, 16);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 3);
	assert_trace(rig, "read 100+2, read 104+2, read 108+2");
	assert_in_range(reader.taken, 1, 7); /* and they were not sent */
	expect_page(&reader, 50);
	assert_trace(rig, "read 200+16");
	close_reader(&reader);
}

static void until_it_is_told_to_go(void **state)
{
	struct reader reader = {.config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	name(&reader, 0, 2, 3);
	name(&reader, 50, 1, 16);
	open_reader(&reader, rig, true);
	assert_int_equal(mpio_stream_send(reader.stream), 0);
	expect_pages(&reader, 0, 2, 3);
	assert_trace(rig, "read 100+2, read 104+2, read 108+2");
	assert_int_equal(reader.taken, 4);
	assert_int_equal(mpio_stream_send(reader.stream), 0);
	assert_trace(rig, "read 200+8");
	assert_int_equal(mpio_stream_send(reader.stream), 0);
	assert_trace(rig, "");
	expect_pages(&reader, 50, 1, 16);
	expect_end(&reader, 0);
	close_reader(&reader);
}

/* Longer it can't become. */
static void a_run_that_is_full_is_not_held_back(void **state)
{
	struct reader reader = {.config.combine_bytes = 4 * PAGE};

	name(&reader, 0, 2, 3);
	name(&reader, 50, 1, 20);
	open_reader(&reader, *state, true);
	expect_pages(&reader, 0, 2, 3);
	assert_int_equal(stats_of(&reader)->distance, 4);
	assert_int_equal(reader.taken, 4);
	assert_int_equal(stats_of(&reader)->runs, 4);
	close_reader(&reader);
}

/* Those that nobody waits for yet; the second one was held back. */
static void reads_ahead_say_so(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	name(&reader, 0, 2, 3);
	open_reader(&reader, rig, true);
	rig->watch = WATCH_IO | WATCH_FLAGS;
	expect_pages(&reader, 0, 2, 3);
	assert_trace(rig, "read 100+2 sync, read 104+2 sync, "
			  "read 108+2 readahead");
	close_reader(&reader);
}

/* What is there already ends the run before it, however many there are. */
static void a_hit_sends_what_is_before_it(void **state)
{
	struct reader reader = {.config.runs_max = 1};
	struct rig *rig = *state;

	rig->a.reap_max = 1;
	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 61, 1, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	name(&reader, 0, 2, 4);
	name(&reader, 40, 20, 2);
	name(&reader, 61, 1, 2);
	name(&reader, 100, 2, 8);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 4);
	expect_page(&reader, 40);
	for (uint32_t i = 60; i < 63; i++)
		expect_page(&reader, i);
	for (uint32_t i = 0; i < 8; i++)
		expect_page(&reader, 100 + 2 * i);
	expect_end(&reader, 0);
	close_reader(&reader);
}

/* Nothing will follow it. */
static void the_last_run_is_not_held_back(void **state)
{
	struct reader reader = {.config.combine_bytes = 16 * PAGE};

	name(&reader, 0, 2, 6);
	name(&reader, 50, 1, 3);
	open_reader(&reader, *state, true);
	expect_pages(&reader, 0, 2, 6);
	assert_int_equal(reader.taken, 3);
	assert_int_equal(stats_of(&reader)->runs, 7);
	expect_pages(&reader, 50, 1, 3);
	expect_end(&reader, 0);
	close_reader(&reader);
}

/* Whatever becomes of pages that were handed over. */
static void runs_in_flight_are_limited(void **state)
{
	struct reader reader = {.config.runs_max = 3};
	struct rig *rig = *state;

	rig->a.reap_max = 1;
	name(&reader, 0, 2, 99);
	open_reader(&reader, rig, true);
	for (uint32_t i = 0; i < 60; i++) {
		expect_page(&reader, 2 * i);
		page_at(rig, 2 * i)->flags |= MPIO_PAGE_LOCKED;
		assert_in_range(mpio_queue_stats(rig->queue)->in_flight,
				i < 8 ? 0 : 1, 3);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 3);
	for (uint32_t i = 0; i < 60; i++)
		page_at(rig, 2 * i)->flags &= ~MPIO_PAGE_LOCKED;
	close_reader(&reader);
}

/* But for one that a hit has sent: the next waits. */
static void runs_in_flight_are_limited_among_hits(void **state)
{
	struct reader reader = {.config.runs_max = 3};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	for (uint32_t i = 2; i < 99; i += 3) {
		assert_int_equal(read_pages(rig, i, 1, 0), 1);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
	}
	rig->a.reap_max = 1;
	name(&reader, 0, 2, 20);
	for (uint32_t i = 39; i < 99; i++) /* a hit after each two */
		name(&reader, i, 1, 1);
	open_reader(&reader, rig, true);
	for (uint32_t i = 0; i < reader.name_count; i++) {
		expect_page(&reader, reader.names[i]);
		if (i > 24 && i < 60) /* nor does the device run dry */
			assert_in_range(mpio_queue_stats(rig->queue)->in_flight,
					2, 4);
	}
	expect_end(&reader, 0);
	assert_in_range(stats_of(&reader)->distance_peak, 8, 256);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 4);
	close_reader(&reader);
}

/* ---- What goes wrong ----------------------------------------------------- */

static void a_page_that_fails_is_handed_over_and_the_others_are_good(void **s)
{
	struct reader reader = {0};
	struct rig *rig = *s;
	struct mpio_page *page;

	name(&reader, 0, 1, 5);
	open_reader(&reader, rig, true);
	mock_fail(&rig->a, 104, 1, -MPIO_EIO);
	expect_page(&reader, 0);
	expect_page(&reader, 1);
	assert_int_equal(mpio_stream_next(reader.stream, &page), 1);
	reader.taken--;
	assert_int_equal(page->error, -MPIO_EIO);
	assert_flags(rig, 2, "error");
	expect_page(&reader, 3);
	expect_page(&reader, 4);
	expect_end(&reader, 0);
	close_reader(&reader);
}

static void an_error_of_the_engine_comes_after_the_pages_before(void **state)
{
	struct reader reader = {.error = -MPIO_ENODEV};

	name(&reader, 0, 1, 3);
	open_reader(&reader, *state, true);
	expect_pages(&reader, 0, 1, 3);
	expect_end(&reader, -MPIO_ENODEV);
	close_reader(&reader);
}

static void an_error_of_take_comes_after_the_pages_before(void **state)
{
	struct reader reader = {0};

	name(&reader, 0, 2, 3);
	open_reader(&reader, *state, false);
	expect_page(&reader, 0);
	reader.take_error = -MPIO_EIO;
	expect_end(&reader, -MPIO_EIO);
	close_reader(&reader);
}

static void a_reader_without_frames_goes_on_when_it_has_some(void **state)
{
	struct reader reader = {.frames = 1, .taken = 1};

	name(&reader, 0, 1, 3);
	open_reader(&reader, *state, true);
	expect_end(&reader, -MPIO_ENOMEM);
	reader.taken = 0;
	expect_pages(&reader, 0, 1, 3);
	expect_end(&reader, 0);
	close_reader(&reader);
}

static void a_page_that_cannot_be_read_ends_the_stream(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;
	struct mpio_page stranger;

	name(&reader, 0, 2, 4);
	open_reader(&reader, rig, false);
	expect_page(&reader, 0);
	stranger = *page_at(rig, 3); /* not locked, and elsewhere */
	reader.instead = &stranger;
	expect_end(&reader, -MPIO_EINVAL);
	close_reader(&reader);
}

static void a_page_that_is_not_locked_cannot_be_read(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	name(&reader, 3, 1, 1);
	open_reader(&reader, rig, false);
	reader.instead = page_at(rig, 3);
	expect_end(&reader, -MPIO_EINVAL);
	close_reader(&reader);
}

static void a_page_from_elsewhere_is_not_read(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	name(&reader, 3, 1, 1);
	open_reader(&reader, rig, false);
	reader.instead = page_at(rig, 4);
	reader.instead->flags = MPIO_PAGE_LOCKED;
	expect_end(&reader, -MPIO_EINVAL);
	assert_trace(rig, "");
	reader.instead->flags = 0;
	close_reader(&reader);
}

/* Neither read nor waited for, though it is locked and in its place. */
static void what_is_none_of_the_answers_ends_the_stream(void **state)
{
	struct reader reader = {.instead_found = MPIO_STREAM_BUSY + 1};
	struct rig *rig = *state;

	name(&reader, 3, 1, 1);
	open_reader(&reader, rig, false);
	reader.instead = page_at(rig, 3);
	reader.instead->flags = MPIO_PAGE_LOCKED;
	expect_end(&reader, -MPIO_EINVAL);
	assert_flags(rig, 3, "locked");
	reader.instead->flags = 0;
	close_reader(&reader);
}

/* Nor is more than one page read at a time. */
static void pages_may_be_larger_than_what_is_combined(void **state)
{
	struct reader reader = {.config.combine_bytes = PAGE / 2};
	struct rig *rig = *state;

	name(&reader, 0, 1, 3);
	open_reader(&reader, rig, false);
	expect_pages(&reader, 0, 1, 3);
	assert_trace(rig, "read 100+2, read 102+2, read 104+2");
	close_reader(&reader);
}

/* No frame now, and nobody waits: more may come, and be read with it. */
static void what_is_held_back_waits_for_frames(void **state)
{
	struct reader reader = {.frames = 3, .config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	name(&reader, 0, 2, 4);
	name(&reader, 50, 1, 8);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 4);
	assert_int_equal(reader.taken, 2); /* the third was handed over last */
	assert_int_equal(stats_of(&reader)->runs, 4);
	expect_pages(&reader, 50, 1, 8);
	expect_end(&reader, 0);
	close_reader(&reader);
}

static void a_page_unfit_to_be_read_is_given_back(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	name(&reader, 0, 1, 4);
	open_reader(&reader, rig, false);
	rig->mapping.block_size = 4 * PAGE; /* a whole page is not a block */
	expect_end(&reader, -MPIO_EINVAL);
	assert_in_range(reader.released, 1, 4);
	rig->mapping.block_size = BLOCK;
	close_reader(&reader);
}

static void also_if_it_is_told_to_go(void **state)
{
	struct reader reader = {.config.combine_bytes = 8 * PAGE};
	struct rig *rig = *state;

	name(&reader, 0, 2, 3);
	name(&reader, 50, 1, 16);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 3);
	rig->mapping.block_size = 4 * PAGE;
	assert_int_equal(mpio_stream_send(reader.stream), -MPIO_EINVAL);
	assert_int_equal(reader.released, 4);
	expect_end(&reader, -MPIO_EINVAL);
	rig->mapping.block_size = BLOCK;
	close_reader(&reader);
}

static void a_page_behind_an_unfit_one_is_given_back_when_read(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	name(&reader, 4, 1, 2);
	open_reader(&reader, rig, true);
	rig->mapping.block_size = 4 * PAGE;
	expect_end(&reader, -MPIO_EINVAL);
	assert_int_equal(reader.released, 2);
	rig->mapping.block_size = BLOCK;
	close_reader(&reader);
}

/* It is not the stream's to be unlocked. */
static void a_page_behind_an_unfit_one_stays_locked_until_read(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	name(&reader, 4, 1, 2);
	open_reader(&reader, rig, true);
	rig->mapping.block_size = 4 * PAGE;
	rig->a.reap_error = -MPIO_EIO;
	expect_end(&reader, -MPIO_EINVAL);
	assert_true(page_at(rig, 5)->flags & MPIO_PAGE_LOCKED);
	assert_int_equal(reader.released, 1);
	rig->mapping.block_size = BLOCK;
	rig->a.reap_error = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	mpio_stream_close(reader.stream);
}

static void a_page_that_somebody_else_reads_is_waited_for(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;

	open_slow(rig, 2, 200);
	assert_int_equal(read_pages(rig, 5, 1, 0), 1);
	name(&reader, 4, 1, 3);
	open_reader(&reader, rig, true);
	for (uint32_t i = 4; i < 7; i++)
		expect_page(&reader, i);
	assert_trace(rig, "read 108+2, read 112+2");
	close_reader(&reader);
}

static void nothing_to_wait_for_is_told(void **state)
{
	struct reader reader = {.busy = 6};
	struct rig *rig = *state;
	struct mpio_page *page;

	name(&reader, 5, 1, 1);
	open_reader(&reader, rig, true);
	page_at(rig, 5)->flags = MPIO_PAGE_LOCKED; /* by nobody */
	expect_end(&reader, -MPIO_EDEADLK);
	page_at(rig, 5)->flags = 0;
	assert_int_equal(mpio_stream_next(reader.stream, &page), 1);
	reader.taken--;
	close_reader(&reader);
}

/* ---- Its life ------------------------------------------------------------ */

static void closing_waits_and_releases(void **state)
{
	struct reader reader = {0};
	struct rig *rig = *state;

	name(&reader, 0, 2, 90);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 10);
	assert_true(reader.taken > 4);
	close_reader(&reader);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
}

/* The device does not tell of the first page; the second one was there. */
static void an_engine_need_not_take_pages_back(void **state)
{
	const struct mpio_stream_ops some = {.next = next, .take = take};
	struct reader reader = {0};
	struct rig *rig = *state;

	name(&reader, 0, 2, 10);
	open_slow(rig, 2, 200);
	open_reader(&reader, rig, true);
	mpio_stream_close(reader.stream);
	reader.config.ops = &some;
	assert_int_equal(mpio_stream_open(rig->queue, &rig->mapping,
					  &reader.config, &reader.stream),
			 0);
	expect_page(&reader, 0);
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
	name(&reader, 0, 1, 2);
	open_reader(&reader, rig, true);
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

	name(&reader, 0, 2, 40);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 10);
	assert_int_equal(mpio_stream_reset(reader.stream), 0);
	assert_int_equal(reader.taken, 0);
	reader.named = 3;
	for (uint32_t i = 3; i < 40; i++)
		expect_page(&reader, 2 * i);
	expect_end(&reader, 0);
	reader.named = 0;
	assert_int_equal(mpio_stream_reset(reader.stream), 0);
	expect_page(&reader, 0);
	close_reader(&reader);
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

	name(&reader, 0, 2, 40);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 10);
	expect_failure(&reader);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(mpio_stream_reset(reader.stream), -MPIO_EIO);
	assert_true(reader.taken > 0);
	rig->a.reap_error = 0;
	assert_int_equal(mpio_stream_reset(reader.stream), 0);
	assert_int_equal(reader.taken, 0);
	reader.named = 0;
	before = stats_of(&reader)->pages;
	expect_page(&reader, 0);
	expect_failure(&reader);
	rig->a.reap_error = 0;
	while (stats_of(&reader)->pages < before + 30)
		expect_page(&reader,
			    reader.names[stats_of(&reader)->pages - before]);
	close_reader(&reader);
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
	name(&reader, 4, 1, 20);
	open_reader(&reader, rig, true);
	for (uint32_t i = 4; i < 24; i++) {
		assert_int_equal(mpio_stream_next(reader.stream, &page), 1);
		assert_ptr_equal(page, page_at(rig, i));
		assert_flags(rig, i, "uptodate mapped");
		reader.taken--;
	}
	assert_page(rig, 5, "b110 b111");
	expect_end(&reader, 0);
	close_reader(&reader);
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
	name(&reader, 0, 2, 9);
	open_reader(&reader, rig, true);
	expect_pages(&reader, 0, 2, 9);
	close_reader(&reader);
	for (size_t i = size; i < sizeof(memory); i++)
		assert_int_equal(memory[i], 0x5a);
}

static void what_cannot_be_is_refused(void **state)
{
	static _Alignas(16) char memory[8192];
	const struct mpio_stream_ops no_next = {.take = take};
	const struct mpio_stream_ops no_take = {.next = next};
	struct rig *rig = *state;
	struct mpio_stream *stream = NULL;
	const struct {
		struct mpio_stream_config config;
		int error;
	} cases[] = {
		{{.allocator = &allocator}, -MPIO_EINVAL},
		{{.ops = &no_next, .allocator = &allocator}, -MPIO_EINVAL},
		{{.ops = &no_take, .allocator = &allocator}, -MPIO_EINVAL},
		{{.ops = &ops}, -MPIO_EINVAL},
		{{.ops = &ops, .memory = memory + 1, .memory_size = 8000},
		 -MPIO_EINVAL},
		{{.ops = &ops, .memory = memory, .memory_size = 64},
		 -MPIO_ENOMEM},
		{{.ops = &ops, .allocator = &no_memory}, -MPIO_ENOMEM},
		{{.ops = &ops,
		  .allocator = &allocator,
		  .look_ahead_max = UINT32_MAX},
		 -MPIO_EINVAL},
		{{.ops = &ops,
		  .allocator = &allocator,
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
	open_reader(&reader, rig, true);
	for (uint32_t i = 0; i < reader.name_count; i++) {
		expect_page(&reader, reader.names[i]);
		if (random_below(&seed, 60) == 0) {
			assert_int_equal(mpio_stream_reset(reader.stream), 0);
			reader.named = i + 1;
		}
		assert_in_range(reader.taken, 0,
				reader.config.look_ahead_max +
					reader.config.combine_bytes / PAGE);
	}
	expect_end(&reader, 0);
	close_reader(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(pages_come_in_the_order_in_which_they_were_named),
		RIG_TEST(neighbours_are_read_together),
		RIG_TEST(the_queues_limit_bounds_what_is_combined),
		RIG_TEST(pages_a_gap_apart_are_read_together),
		RIG_TEST(a_gap_that_is_too_much_of_a_read_ends_the_run),
		RIG_TEST(gaps_are_a_share_of_the_whole_run),
		RIG_TEST(no_gap_makes_a_run_longer_than_what_is_combined),
		RIG_TEST(nor_longer_than_the_queue_crosses_gaps_in),
		RIG_TEST(pages_named_backwards_are_read_one_by_one),
		RIG_TEST(without_waiting_nothing_is_taken_ahead),
		RIG_TEST(a_device_that_is_in_time_is_not_waited_for),
		RIG_TEST(pages_that_are_there_are_taken_one_at_a_time),
		RIG_TEST(each_wait_doubles_the_distance),
		RIG_TEST(a_run_is_never_all_that_is_taken_ahead),
		RIG_TEST(each_hit_takes_one_page_off_the_distance),
		RIG_TEST(a_short_run_is_held_back_while_it_may_grow),
		RIG_TEST(until_it_is_told_to_go),
		RIG_TEST(a_run_that_is_full_is_not_held_back),
		RIG_TEST(reads_ahead_say_so),
		RIG_TEST(a_hit_sends_what_is_before_it),
		RIG_TEST(the_last_run_is_not_held_back),
		RIG_TEST(runs_in_flight_are_limited),
		RIG_TEST(runs_in_flight_are_limited_among_hits),
		RIG_TEST(
			a_page_that_fails_is_handed_over_and_the_others_are_good),
		RIG_TEST(an_error_of_the_engine_comes_after_the_pages_before),
		RIG_TEST(an_error_of_take_comes_after_the_pages_before),
		RIG_TEST(a_reader_without_frames_goes_on_when_it_has_some),
		RIG_TEST(a_page_that_cannot_be_read_ends_the_stream),
		RIG_TEST(a_page_that_is_not_locked_cannot_be_read),
		RIG_TEST(a_page_from_elsewhere_is_not_read),
		RIG_TEST(what_is_none_of_the_answers_ends_the_stream),
		RIG_TEST(pages_may_be_larger_than_what_is_combined),
		RIG_TEST(what_is_held_back_waits_for_frames),
		RIG_TEST(a_page_unfit_to_be_read_is_given_back),
		RIG_TEST(also_if_it_is_told_to_go),
		RIG_TEST(a_page_behind_an_unfit_one_is_given_back_when_read),
		RIG_TEST(a_page_behind_an_unfit_one_stays_locked_until_read),
		RIG_TEST(a_page_that_somebody_else_reads_is_waited_for),
		RIG_TEST(nothing_to_wait_for_is_told),
		RIG_TEST(closing_waits_and_releases),
		RIG_TEST(an_engine_need_not_take_pages_back),
		RIG_TEST(closing_releases_what_is_not_on_its_way),
		RIG_TEST(a_stream_that_is_reset_begins_anew),
		RIG_TEST(what_a_device_fails_to_tell_can_be_asked_again),
		RIG_TEST(pages_may_be_read_by_another_queue_of_the_group),
		RIG_TEST(memory_may_be_given),
		RIG_TEST(what_cannot_be_is_refused),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(any_order_any_device_and_any_limits),
		RIG_TEST(any_order_any_device_and_any_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

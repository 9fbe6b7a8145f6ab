/* SPDX-License-Identifier: MIT */
/*
 * Pages that need no I/O, each handed in by the end of the one before: they use
 * the stack of one, as bios do.
 */
#include "mock.h"

#define LONG_WAY 100000u

/* Read or write the same page again, with each end, so many times. */
static struct {
	uint32_t left;
	uint32_t ends;
	uint32_t depth;
	uint32_t depth_most;
	int (*again)(struct rig *rig, struct mpio_page *page);
} chain;

static int read_again(struct rig *rig, struct mpio_page *page)
{
	page->flags = (page->flags & MPIO_PAGE_UPTODATE) | MPIO_PAGE_LOCKED;
	return mpio_read_page(rig->queue, &rig->mapping, page);
}

static int read_anew(struct rig *rig, struct mpio_page *page)
{
	page->flags = MPIO_PAGE_LOCKED;
	return mpio_read_page(rig->queue, &rig->mapping, page);
}

static int write_again(struct rig *rig, struct mpio_page *page)
{
	page->flags |= MPIO_PAGE_DIRTY;
	return mpio_write_page(rig->queue, &rig->mapping, page, NULL);
}

static void go_on(struct mpio_mapping *mapping, struct mpio_page *page,
		  int status)
{
	struct rig *rig = mapping->host;

	(void)status;
	chain.ends++;
	if (++chain.depth > chain.depth_most)
		chain.depth_most = chain.depth;
	if (chain.left != 0) {
		chain.left--;
		(void)chain.again(rig, page);
	}
	chain.depth--;
}

static void run(struct rig *rig,
		int (*again)(struct rig *rig, struct mpio_page *page),
		uint32_t n)
{
	memset(&chain, 0, sizeof(chain));
	chain.again = again;
	chain.left = n - 1;
	rig->ops.read_end = go_on;
	rig->ops.write_end = go_on;
	rig->watch = 0;
	(void)again(rig, page_at(rig, 0));
	assert_int_equal(chain.ends, n); /* none is left behind */
	assert_int_equal(chain.depth_most, 1);
}

static void holes_read_one_after_the_other(void **state)
{
	struct rig *rig = *state;

	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	run(rig, read_anew, LONG_WAY);
	assert_flags(rig, 0, "uptodate");
	assert_page(rig, 0, "0 0 0 0");
}

static void pages_that_are_uptodate(void **state)
{
	struct rig *rig = *state;

	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	page_at(rig, 0)->flags = MPIO_PAGE_UPTODATE;
	run(rig, read_again, LONG_WAY);
	assert_flags(rig, 0, "uptodate");
}

static void pages_that_cannot_be_mapped(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100)->error = -MPIO_ENODATA;
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	run(rig, read_anew, LONG_WAY);
	assert_flags(rig, 0, "error");
}

static void pages_past_the_end_of_file_are_written(void **state)
{
	struct rig *rig = *state;

	add_pages(rig, 0, 4, 2);
	rig->mapping.size = 0;
	rig_open(rig);
	page_at(rig, 0)->flags = MPIO_PAGE_UPTODATE;
	run(rig, write_again, LONG_WAY);
	assert_flags(rig, 0, "uptodate");
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	(void)mapping;
	(void)page;
	return 0;
}

static void holes_of_a_mapping_that_verifies(void **state)
{
	struct rig *rig = *state;

	rig->ops.verify = verify;
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	run(rig, read_anew, LONG_WAY);
}

/* By turns: a page that is read, and a hole. */
static int read_by_turns(struct rig *rig, struct mpio_page *page)
{
	rig->map[0].count = chain.left % 2 != 0 ? 4 : 0;
	return read_anew(rig, page);
}

static void holes_and_pages_by_turns(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 4, 1);
	rig_open(rig);
	run(rig, read_by_turns, 1000);
}

/* ---- What a callback sees ----------------------------------------------- */

/* A step of a test, taken once, in the first page's end. */
static void (*step)(struct rig *rig);

static void take_step(struct rig *rig, struct frame *frame)
{
	void (*now)(struct rig * rig) = step;

	if (frame == &rig->frames[0] && now != NULL) {
		step = NULL;
		now(rig);
	}
}

static void start(struct rig *rig, uint32_t pages, void (*first)(struct rig *))
{
	add_pages(rig, 0, 4, pages);
	rig->watch = WATCH_END;
	rig->after_end = take_step;
	step = first;
	rig_open(rig);
}

static void read_three(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 3, 0), 3);
	trace(rig, WATCH_END, "done");
}

static void they_end_in_their_order(void **state)
{
	struct rig *rig = *state;

	start(rig, 4, read_three);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_trace(rig, "read_end 0, done, read_end 1, read_end 2, "
			  "read_end 3");
}

static void they_end_at_once_where_nothing_nests(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 4, 4, 100);
	start(rig, 3, NULL);
	rig->watch |= WATCH_IO;
	assert_int_equal(read_all(rig, 0), 3);
	assert_trace(rig, "read_end 0, read_end 2, read 100+4, read_end 1");
}

static void after_a_page_that_a_bio_brought(void **state)
{
	struct rig *rig = *state;

	map_blocks(rig, 0, 4, 100);
	start(rig, 4, read_three);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_trace(rig, "read_end 0, done, read_end 1, read_end 2, "
			  "read_end 3");
}

static void wait_for_three(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 3, 0), 3);
	assert_int_equal(mpio_queue_wait(rig->queue), 3);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
	trace(rig, WATCH_END, "done");
}

static void poll_for_three(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 3, 0), 3);
	assert_int_equal(mpio_queue_poll(rig->queue), 3);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	trace(rig, WATCH_END, "done");
}

static void drain_three(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 3, 0), 3);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	trace(rig, WATCH_END, "done");
}

static void a_callback_can_wait_for_them(void **state)
{
	void (*const steps[])(struct rig *) = {wait_for_three, poll_for_three,
					       drain_three};
	struct rig *rig = *state;

	start(rig, 4, NULL);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		for (uint32_t j = 0; j < 4; j++)
			page_at(rig, j)->flags = 0;
		step = steps[i];
		assert_int_equal(read_pages(rig, 0, 1, 0), 1);
		assert_trace(rig, "read_end 0, read_end 1, read_end 2, "
				  "read_end 3, done");
	}
}

static void wait_for_holes_alone(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 3, 0), 3);
	assert_int_equal(mpio_queue_wait(rig->queue), 3);
	trace(rig, WATCH_END, "done");
}

static void drain_in_vain(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 3, 0), 3);
	rig->a.reap_error = -MPIO_EREMOTEIO;
	assert_int_equal(mpio_queue_drain(rig->queue), -MPIO_EREMOTEIO);
	rig->a.reap_error = 0;
	trace(rig, WATCH_END, "done");
}

/* Page 4 is in flight, and may be so for long. */
static void they_end_whatever_bios_do(void **state)
{
	void (*const steps[])(struct rig *) = {wait_for_holes_alone,
					       drain_in_vain};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	map_blocks(rig, 16, 4, 100);
	start(rig, 5, NULL);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		for (uint32_t j = 0; j < 5; j++)
			page_at(rig, j)->flags = 0;
		assert_int_equal(read_pages(rig, 4, 1, 0), 1);
		step = steps[i];
		assert_int_equal(read_pages(rig, 0, 1, 0), 1);
		assert_trace(rig, "read_end 0, read_end 1, read_end 2, "
				  "read_end 3, done");
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
		assert_trace(rig, "read_end 4");
	}
}

static void write_something(struct rig *rig, struct frame *frame)
{
	struct mpio_bio *bio = mpio_bio_get(rig->queue, MPIO_BIO_WRITE, 0);

	assert_non_null(bio);
	assert_int_equal(mpio_bio_add(bio, frame->page.data, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* There are more of them than bios. */
static void what_an_end_begins_is_finished_before_the_next(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 2;
	rig->after_end = write_something;
	add_pages(rig, 0, 4, 12);
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 12);
	assert_int_equal(mpio_queue_stats(rig->queue)->writes, 12);
}

/* The other queue of the group, in its turn. */
static void wait_on_the_other(struct rig *rig)
{
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	assert_int_equal(mpio_queue_wait(rig->other), 1);
	trace(rig, WATCH_END, "done");
}

static void waiting_on_another_queue_of_the_group_does(void **state)
{
	struct rig *rig = *state;

	rig->two = true;
	start(rig, 2, wait_on_the_other);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_trace(rig, "read_end 0, read_end 1, done");
}

/* ---- Writing ------------------------------------------------------------ */

static void write_and_read(struct rig *rig)
{
	struct mpio_page *page = page_at(rig, 1);

	page->flags |= MPIO_PAGE_DIRTY;
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping, page, NULL),
			 0);
	assert_flags(rig, 1, "uptodate writeback");
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	trace(rig, WATCH_END, "done");
}

/* It waits once for both. */
static void a_page_that_is_written_and_read(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 0;
	start(rig, 2, write_and_read);
	page_at(rig, 1)->flags = MPIO_PAGE_UPTODATE;
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_trace(rig, "read_end 0, done, write_end 1, read_end 1");
	assert_flags(rig, 1, "uptodate");
}

static void sync_one(struct rig *rig)
{
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};

	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 1), &wbc),
			 0);
}

static void write_and_wait(struct rig *rig)
{
	page_at(rig, 1)->flags = MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY;
	sync_one(rig);
	assert_flags(rig, 1, "uptodate");
	trace(rig, WATCH_END, "done");
}

static void who_waits_for_a_write_sees_it_end(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 0;
	start(rig, 2, write_and_wait);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_trace(rig, "read_end 0, write_end 1, done");
}

static void read_then_write(struct rig *rig)
{
	page_at(rig, 1)->flags = MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY;
	assert_int_equal(read_pages(rig, 1, 1, 0), 1);
	sync_one(rig);
	trace(rig, WATCH_END, "done");
}

static void a_write_waits_for_a_read_that_has_ended(void **state)
{
	struct rig *rig = *state;

	rig->mapping.size = 0;
	start(rig, 2, read_then_write);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_trace(rig, "read_end 0, read_end 1, write_end 1, done");
}

int main(void)
{
	const struct CMUnitTest tests[] = {

		RIG_TEST(holes_read_one_after_the_other),
		RIG_TEST(pages_that_are_uptodate),
		RIG_TEST(pages_that_cannot_be_mapped),
		RIG_TEST(pages_past_the_end_of_file_are_written),
		RIG_TEST(holes_of_a_mapping_that_verifies),
		RIG_TEST(holes_and_pages_by_turns),
		RIG_TEST(they_end_in_their_order),
		RIG_TEST(they_end_at_once_where_nothing_nests),
		RIG_TEST(after_a_page_that_a_bio_brought),
		RIG_TEST(a_callback_can_wait_for_them),
		RIG_TEST(they_end_whatever_bios_do),
		RIG_TEST(what_an_end_begins_is_finished_before_the_next),
		RIG_TEST(waiting_on_another_queue_of_the_group_does),
		RIG_TEST(a_page_that_is_written_and_read),
		RIG_TEST(who_waits_for_a_write_sees_it_end),
		RIG_TEST(a_write_waits_for_a_read_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

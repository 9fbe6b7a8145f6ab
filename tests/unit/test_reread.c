/* SPDX-License-Identifier: MIT */
/*
 * Pages that are verified when they were read, and read from another copy when
 * that, or the reading, failed.
 *
 * The engine here calls a page good if it is not from a list of device blocks
 * that rotted, and has copies 100 blocks behind each other.
 */
#include "mock.h"

static uint64_t rotten[4]; /* device blocks of a whose bytes went bad */
static uint32_t rotten_count;
static uint32_t copies; /* that a page has beside the first */

static bool is_rotten(const unsigned char *block)
{
	unsigned char bytes[BLOCK];

	for (uint32_t i = 0; i < rotten_count; i++) {
		pattern_fill(bytes, 'a', rotten[i] * BLOCK, BLOCK);
		if (memcmp(bytes, block, BLOCK) == 0)
			return true;
	}
	return false;
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	struct rig *rig = mapping->host;
	int status = 0;

	for (uint32_t at = 0; at < page->size; at += BLOCK) {
		if (is_rotten((unsigned char *)page->data + at))
			status = -MPIO_EILSEQ;
	}
	trace(rig, WATCH_HOOKS, "verify %u%s", index_of(rig, page),
	      status != 0 ? " bad" : "");
	if (!(page->flags & MPIO_PAGE_LOCKED))
		trouble(rig, "verify of a page that is not locked");
	return status;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "reread %u#%u", index_of(rig, page), attempt);
	if (attempt > copies)
		return -MPIO_ENODATA;
	extent->block = 100 + 100 * (uint64_t)attempt + page->pos / BLOCK;
	return 0;
}

static int set_up(void **state)
{
	rotten_count = 0;
	copies = 0;
	return rig_set_up(state);
}

static void rot(uint64_t block)
{
	rotten[rotten_count++] = block;
}

static void open_verified(struct rig *rig, uint32_t pages)
{
	rig->ops.verify = verify;
	rig->ops.reread = reread;
	map_blocks(rig, 0, 4 * (uint64_t)pages, 100);
	add_pages(rig, 0, 4, pages);
	rig->watch |= WATCH_END;
	rig_open(rig);
}

/* ---- Verify ------------------------------------------------------------- */

static void a_page_is_verified_before_it_ends(void **state)
{
	struct rig *rig = *state;

	open_verified(rig, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "map 0+8, read 100+8, verify 0, read_end 0, "
			  "verify 1, read_end 1");
	assert_flags(rig, 0, "uptodate mapped");
}

static void each_of_many_pages_is_verified(void **state)
{
	struct rig *rig = *state;

	open_verified(rig, 6);
	rig->watch = WATCH_HOOKS;
	assert_int_equal(read_all(rig, 0), 6);
	assert_trace(rig, "verify 0, verify 1, verify 2, verify 3, verify 4, "
			  "verify 5");
}

static void
a_page_in_several_ios_is_verified_once_when_it_is_whole(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.lifo = true;
	rig->a.reap_max = 1;
	open_verified(rig, 1);
	rig->map[0].count = 1;
	map_blocks(rig, 1, 3, 300);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "map 0+4, map 1+3, read 100+1, read 300+3, verify 0, "
			  "read_end 0");
}

static void the_error_of_verify_is_the_pages(void **state)
{
	struct rig *rig = *state;

	rot(105);
	open_verified(rig, 3);
	rig->ops.reread = NULL;
	assert_int_equal(read_all(rig, 0), 3);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EILSEQ);
	assert_status(rig, 2, 0);
	assert_flags(rig, 1, "error");
}

static void a_page_that_was_not_read_is_not_verified(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_verified(rig, 1);
	rig->ops.reread = NULL;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read 100+4, read 100+2, read 100+1, "
			  "read 101+1, read 102+2, read_end 0:-5");
}

static void a_page_that_is_all_hole_is_not_verified(void **state)
{
	struct rig *rig = *state;

	open_verified(rig, 1);
	rig->map_count = 0;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read_end 0");
}

/* Or bytes that are known to be wrong pass for good ones. */
static void a_page_that_was_found_wrong_is_read_and_verified_anew(void **state)
{
	struct rig *rig = *state;

	rot(102);
	open_verified(rig, 1);
	rig->ops.reread = NULL;
	give_bits(rig, 0);
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_EILSEQ);
	rig->trace[0] = '\0';
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, read 100+4, verify 0 bad, read_end 0:-84");
	assert_status(rig, 0, -MPIO_EILSEQ);
	assert_flags(rig, 0, "error");
}

/* The same, where a part of the bio was driven by itself. */
static void a_wrong_page_next_to_a_bad_block_is_verified_anew(void **state)
{
	struct rig *rig = *state;

	rot(102);
	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	open_verified(rig, 2);
	rig->ops.reread = NULL;
	give_bits(rig, 0);
	give_bits(rig, 1);
	assert_int_equal(read_all(rig, 0), 2);
	assert_status(rig, 0, -MPIO_EILSEQ);
	assert_status(rig, 1, -MPIO_EIO);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	assert_status(rig, 0, -MPIO_EILSEQ);
}

static void a_wrong_page_that_came_short_is_verified_anew(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 1, 0);

	fault->done = BLOCK;
	fault->times = 1;
	rot(102);
	open_verified(rig, 1);
	rig->ops.reread = NULL;
	give_bits(rig, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_all(rig, 0), 1);
		assert_status(rig, 0, -MPIO_EILSEQ);
	}
}

/* ---- Another copy ------------------------------------------------------- */

static void a_wrong_page_is_read_from_another_copy(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(105);
	open_verified(rig, 3);
	assert_int_equal(read_all(rig, 0), 3);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "map 0+12, read 100+12, verify 0, read_end 0, "
			  "verify 1 bad, verify 2, read_end 2, reread 1#1, "
			  "read 204+4, verify 1, read_end 1");
	assert_page(rig, 1, "a204 a205 a206 a207");
	assert_status(rig, 1, 0);
	assert_true(page_at(rig, 1)->flags & MPIO_PAGE_UPTODATE);
}

static void a_page_on_a_bad_block_is_read_from_another_copy(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_verified(rig, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_page(rig, 0, "a200 a201 a202 a203");
	assert_status(rig, 0, 0);
}

static void without_verify_too_a_bad_page_has_another_copy(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_verified(rig, 1);
	rig->ops.verify = NULL;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_page(rig, 0, "a200 a201 a202 a203");
	assert_status(rig, 0, 0);
}

static void without_verify_blocks_that_were_read_are_uptodate(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_verified(rig, 2);
	rig->ops.verify = NULL;
	give_bits(rig, 0);
	give_bits(rig, 1);
	assert_int_equal(read_all(rig, 0), 2);
	assert_status(rig, 0, -MPIO_EIO);
	assert_bits(rig, 0, "uu-u");
	assert_status(rig, 1, 0);
	assert_bits(rig, 1, "uuuu");
}

/* Nothing is in flight for it: who hands it in finds it read. */
static void
a_page_that_could_not_be_mapped_is_read_from_another_copy(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	open_verified(rig, 1);
	rig->map[0].error = -MPIO_EIO;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+4, reread 0#1, read 200+4, verify 0, "
			  "read_end 0");
	assert_page(rig, 0, "a200 a201 a202 a203");
}

static void copies_are_tried_one_after_the_other(void **state)
{
	struct rig *rig = *state;

	copies = 3;
	rot(100);
	rot(200);
	mock_fail(&rig->a, 303, 1, -MPIO_EIO);
	open_verified(rig, 1);
	rig->watch = WATCH_HOOKS;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "verify 0 bad, reread 0#1, verify 0 bad, reread 0#2, "
			  "reread 0#3, verify 0");
	assert_page(rig, 0, "a400 a401 a402 a403");
	assert_status(rig, 0, 0);
}

static int waited;

static void wait_once(struct rig *rig, struct frame *frame)
{
	rig->after_end = NULL;
	assert_ptr_equal(frame, &rig->frames[1]);
	assert_int_equal(rig->frames[0].reads, 0);
	waited = mpio_queue_wait(rig->queue);
	assert_int_equal(rig->frames[0].reads, 1);
}

/* Nothing is in flight at that moment, but something is to be. */
static void a_callback_can_wait_for_a_page_that_waits_for_its_copy(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(100);
	rig->after_end = wait_once;
	open_verified(rig, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(waited, 1);
	assert_page(rig, 0, "a200 a201 a202 a203");
}

static void the_same_if_bios_end_later(void **state)
{
	mock_asynchronous(&((struct rig *)*state)->a);
	a_callback_can_wait_for_a_page_that_waits_for_its_copy(state);
}

/* The first I/O ends before the second one is begun. */
static void a_copy_is_read_before_the_next_pages(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(100);
	map_blocks(rig, 0, 4, 100);
	map_blocks(rig, 4, 4, 500);
	rig->ops.verify = verify;
	rig->ops.reread = reread;
	add_pages(rig, 0, 4, 2);
	rig->watch = WATCH_IO;
	rig_open(rig);
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 200+4, read 500+4");
}

static void copies_of_pages_that_end_together_are_pushed_together(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(100);
	rot(104);
	mock_asynchronous(&rig->a);
	open_verified(rig, 2);
	rig->watch = WATCH_IO | WATCH_CALLS;
	assert_int_equal(read_all(rig, 0), 2);
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 2);
	assert_page(rig, 1, "a204 a205 a206 a207");
}

static void when_no_copy_is_left_the_page_ends_with_its_error(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(100);
	rot(200);
	open_verified(rig, 1);
	rig->watch = WATCH_HOOKS;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "verify 0 bad, reread 0#1, verify 0 bad, reread 0#2");
	assert_status(rig, 0, -MPIO_EILSEQ);
	assert_flags(rig, 0, "error");
	/* The next read counts anew. */
	copies = 2;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "verify 0 bad, reread 0#1, verify 0 bad, "
			  "reread 0#2, verify 0");
	assert_flags(rig, 0, "uptodate mapped");
}

static void the_255th_copy_is_the_last(void **state)
{
	struct rig *rig = *state;

	copies = UINT32_MAX;
	rig->watch = 0;
	open_verified(rig, 1);
	rig->watch = 0;
	mock_fail(&rig->a, 0, DISK_BLOCKS, -MPIO_EIO);
	rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, -MPIO_EIO);
}

static void a_copy_past_the_devices_end_is_none(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(100);
	rig->a.device.size = 203 * BLOCK;
	open_verified(rig, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "map 0+4, read 100+4, verify 0 bad, reread 0#1, "
			  "read_end 0:-84");
}

static int reread_on_other(struct mpio_mapping *mapping, struct mpio_page *page,
			   uint32_t attempt, struct mpio_extent *extent)
{
	struct rig *rig = mapping->host;

	(void)page;
	(void)attempt;
	extent->block = 40;
	extent->queue = rig->other;
	return 0;
}

static void a_copy_may_lie_on_another_device(void **state)
{
	struct rig *rig = *state;

	rot(100);
	rig->two = true;
	open_verified(rig, 1);
	rig->ops.reread = reread_on_other;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "map 0+4, read 100+4, verify 0 bad, b:read 40+4, "
			  "verify 0, read_end 0");
	assert_page(rig, 0, "b40 b41 b42 b43");
}

static struct mpio_extent said; /* of where the copy lies */

static int reread_as_said(struct mpio_mapping *mapping, struct mpio_page *page,
			  uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	*extent = said;
	return attempt == 1 ? 0 : -MPIO_ENODATA;
}

static void a_copy_that_cannot_be_read_is_none(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *foreign;

	rot(100);
	rig->two = true;
	rig->b.device.limits.logical_block_size = 4 * BLOCK;
	open_verified(rig, 1);
	rig->ops.reread = reread_as_said;
	rig->is_open = false;
	assert_int_equal(
		mpio_queue_open(&rig->a.device, &rig->config, &foreign), 0);
	for (int i = 0; i < 3; i++) {
		said = (struct mpio_extent){.block = 40};
		if (i == 0)
			said.queue = foreign; /* of no group */
		else if (i == 1)
			said.queue = rig->other; /* of larger blocks */
		else
			said.block = UINT64_MAX / 2;
		rig->trace[0] = '\0';
		page_at(rig, 0)->flags = 0;
		assert_int_equal(read_all(rig, 0), 1);
		assert_int_equal(mpio_queue_drain(rig->queue), 0);
		assert_trace(rig, "map 0+4, read 100+4, verify 0 bad, "
				  "read_end 0:-84");
	}
	mpio_queue_close(foreign);
}

static void a_page_larger_than_an_io_has_no_copy(void **state)
{
	struct rig *rig = *state;

	rot(101);
	rig->config.bytes_max = 2 * BLOCK;
	open_verified(rig, 1);
	copies = 1;
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, -MPIO_EILSEQ);
	assert_trace(rig, "map 0+4, read 100+2, read 102+2, verify 0 bad, "
			  "reread 0#1, read_end 0:-84");
}

static void a_copy_for_which_no_bio_can_come_is_none(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *held[4];

	rot(100);
	rig->two = true;
	rig->config.bios = 2;
	open_verified(rig, 1);
	rig->ops.reread = reread_on_other;
	for (int i = 0; i < 4; i++)
		held[i] = mpio_bio_get(rig->other, MPIO_BIO_READ, 0);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, -MPIO_EILSEQ);
	for (int i = 0; i < 4; i++)
		mpio_bio_put(held[i]);
}

/* The other device is busy; it will have a bio when one of its own ends. */
static void a_copy_waits_for_a_bio_of_the_other_device(void **state)
{
	struct rig *rig = *state;

	rot(100);
	rig->two = true;
	rig->config.bios = 2;
	mock_asynchronous(&rig->b);
	rig->b.slow = true;
	open_verified(rig, 1);
	rig->ops.reread = reread_on_other;
	for (uint64_t i = 0; i < 4; i++)
		start_io(rig, rig->other, MPIO_BIO_READ, 0, i, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(rig->frames[0].reads, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, 0);
	assert_page(rig, 0, "b40 b41 b42 b43");
}

/* Nothing is in flight any more, so nobody may poll once more. */
static void a_poll_finishes_a_copy_that_ended_elsewhere(void **state)
{
	struct rig *rig = *state;

	rot(100);
	rig->two = true;
	mock_asynchronous(&rig->a);
	open_verified(rig, 1);
	rig->ops.reread = reread_on_other;
	assert_int_equal(read_all(rig, 0), 1);
	assert_true(mpio_queue_poll(rig->other) > 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
	assert_int_equal(rig->frames[0].reads, 1);
	assert_status(rig, 0, 0);
}

static void a_poll_does_not_wait_for_room_for_a_copy(void **state)
{
	struct rig *rig = *state;

	rot(100);
	rig->two = true;
	rig->config.in_flight_max = 1;
	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->b.slow = true;
	open_verified(rig, 1);
	rig->ops.reread = reread_on_other;
	rig->watch = WATCH_CALLS;
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 1, 1);
	assert_int_equal(read_all(rig, 0), 1);
	while (mpio_queue_poll(rig->queue) > 0)
		;
	assert_null(strstr(rig->trace, "wait"));
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, 0);
	assert_page(rig, 0, "b40 b41 b42 b43");
}

/* Though nothing has ended. */
static void a_poll_sends_a_copy_when_there_is_a_bio_for_it(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *held[3];

	rot(100);
	rig->two = true;
	rig->config.bios = 2;
	mock_asynchronous(&rig->b);
	rig->b.slow = true;
	open_verified(rig, 1);
	rig->ops.reread = reread_on_other;
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 1, 1);
	for (size_t i = 0; i < COUNT_OF(held); i++)
		held[i] = mpio_bio_get(rig->other, MPIO_BIO_READ, 0);
	assert_int_equal(read_all(rig, 0), 1);
	rig->trace[0] = '\0';
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_trace(rig, "");
	for (size_t i = 0; i < COUNT_OF(held); i++)
		mpio_bio_put(held[i]);
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	assert_trace(rig, "b:read 40+4");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, 0);
}

static void rereads_wait_for_bios(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	mock_fail(&rig->a, 100, 48, -MPIO_EIO);
	open_verified(rig, 12);
	rig->watch = 0;
	assert_int_equal(read_all(rig, 0), 12);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < 12; i++)
		assert_status(rig, i, 0);
	assert_page(rig, 11, "a244 a245 a246 a247");
}

static void they_wait_for_bios_that_are_plugged(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rig->config.bios = 2;
	open_verified(rig, 1);
	rig->map[0].error = -MPIO_EIO;
	rig->watch = WATCH_IO;
	mpio_queue_plug(rig->queue);
	for (uint64_t i = 0; i < 4; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10 * i, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(rig->frames[0].reads, 0);
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 0+1, read 10+1, read 20+1, read 30+1, "
			  "read 200+4");
	assert_status(rig, 0, 0);
}

static void they_wait_for_bios_that_are_behind_a_flush(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	rot(100);
	rot(104);
	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	open_verified(rig, 2);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 2);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	for (uint64_t i = 0; i < 2; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10 * i, 1);
	assert_null(mpio_bio_get(rig->queue, MPIO_BIO_READ, 0));
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, 0);
}

/* What the engine wrote into the page is newer than any copy. */
static void a_copy_does_not_replace_dirty_blocks(void **state)
{
	struct rig *rig = *state;

	copies = 1;
	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_verified(rig, 1);
	rig->ops.verify = NULL;
	give_bits(rig, 0);
	dirty_blocks(rig, 0, 1, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_data((char *)page_at(rig, 0)->data + BLOCK, "f1");
	assert_true(page_at(rig, 0)->flags & MPIO_PAGE_DIRTY);
	assert_true(mpio_page_block_dirty(page_at(rig, 0), 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_is_verified_before_it_ends),
		TEST(each_of_many_pages_is_verified),
		TEST(a_page_in_several_ios_is_verified_once_when_it_is_whole),
		TEST(the_error_of_verify_is_the_pages),
		TEST(a_page_that_was_not_read_is_not_verified),
		TEST(a_page_that_is_all_hole_is_not_verified),
		TEST(a_page_that_was_found_wrong_is_read_and_verified_anew),
		TEST(a_wrong_page_next_to_a_bad_block_is_verified_anew),
		TEST(a_wrong_page_that_came_short_is_verified_anew),
		TEST(a_wrong_page_is_read_from_another_copy),
		TEST(a_page_on_a_bad_block_is_read_from_another_copy),
		TEST(without_verify_too_a_bad_page_has_another_copy),
		TEST(without_verify_blocks_that_were_read_are_uptodate),
		TEST(copies_are_tried_one_after_the_other),
		TEST(a_callback_can_wait_for_a_page_that_waits_for_its_copy),
		TEST(the_same_if_bios_end_later),
		TEST(when_no_copy_is_left_the_page_ends_with_its_error),
		TEST(the_255th_copy_is_the_last),
		TEST(a_copy_past_the_devices_end_is_none),
		TEST(a_copy_may_lie_on_another_device),
		TEST(a_copy_that_cannot_be_read_is_none),
		TEST(a_page_larger_than_an_io_has_no_copy),
		TEST(a_copy_for_which_no_bio_can_come_is_none),
		TEST(a_copy_waits_for_a_bio_of_the_other_device),
		TEST(a_poll_finishes_a_copy_that_ended_elsewhere),
		TEST(a_poll_does_not_wait_for_room_for_a_copy),
		TEST(rereads_wait_for_bios),
		TEST(a_copy_does_not_replace_dirty_blocks),
		TEST(a_poll_sends_a_copy_when_there_is_a_bio_for_it),
		RIG_TEST(a_copy_is_read_before_the_next_pages),
		RIG_TEST(copies_of_pages_that_end_together_are_pushed_together),
		RIG_TEST(
			a_page_that_could_not_be_mapped_is_read_from_another_copy),
		RIG_TEST(they_wait_for_bios_that_are_plugged),
		TEST(they_wait_for_bios_that_are_behind_a_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

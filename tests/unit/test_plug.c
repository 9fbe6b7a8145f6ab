/* SPDX-License-Identifier: MIT */
/*
 * Plug: bios gathered, sorted, merged and sent in one batch; and what they may
 * not pass.
 *
 * Bios of pages are made by reading one page at a time, so that nothing but
 * the plug can join them.
 */
#include "mock.h"

#include <stdio.h>

/* Pages of one block each, one I/O each, in the order of a list. */
static void read_blocks(struct rig *rig, const uint64_t *blocks, uint32_t n)
{
	uint32_t first = rig->frame_count;

	for (uint32_t i = 0; i < n; i++) {
		map_blocks(rig, first + i, 1, blocks[i]);
		add_pages(rig, first + i, 1, 1);
		assert_int_equal(read_pages(rig, first + i, 1, 0), 1);
	}
}

static void start_write(struct rig *rig, uint32_t flags, uint64_t block,
			uint32_t count)
{
	start_io(rig, rig->queue, MPIO_BIO_WRITE, flags, block, count);
}

static void start_read(struct rig *rig, uint64_t block, uint32_t count)
{
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, block, count);
}

static void open_watching(struct rig *rig, uint32_t watch)
{
	rig->watch = watch;
	rig_open(rig);
	mpio_queue_plug(rig->queue);
}

/* ---- Gathering ---------------------------------------------------------- */

static void nothing_is_sent_before_unplug(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_read(rig, 1, 1);
	start_write(rig, 0, 5, 1);
	assert_trace(rig, "");
	assert_int_equal(mpio_queue_poll(rig->queue), 0);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 1+1, write 5+1");
	assert_int_equal(rig->ios[0].ends, 1);
	assert_int_equal(rig->ios[1].ends, 1);
}

static void the_outermost_unplug_sends(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_read(rig, 1, 1);
	mpio_queue_plug(rig->queue);
	mpio_queue_plug(rig->queue);
	start_read(rig, 3, 1);
	mpio_queue_unplug(rig->queue);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 1+1, read 3+1");
	start_read(rig, 5, 1);
	assert_trace(rig, "read 5+1");
}

static void one_unplug_too_many_does_no_harm(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	mpio_queue_unplug(rig->queue);
	mpio_queue_unplug(rig->queue);
	mpio_queue_plug(rig->queue);
	start_read(rig, 3, 1);
	assert_trace(rig, "");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 3+1");
}

static void a_batch_is_pushed_once(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	open_watching(rig, WATCH_IO | WATCH_CALLS);
	start_read(rig, 1, 1);
	start_read(rig, 3, 1);
	start_read(rig, 5, 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 1+1, read 3+1, read 5+1, commit");
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 1);
}

static void start_again(struct mpio_bio *bio)
{
	void *memory = bio->ctx;

	if (memory == NULL)
		return;
	bio->ctx = NULL;
	mpio_bio_reset(bio, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, memory, 512), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* Without a plug: what callbacks start goes out with one call of the device. */
static void what_callbacks_start_is_pushed_once(void **state)
{
	static unsigned char memory[8][512];
	struct rig *rig = *state;
	struct mpio_bio *bios[8];

	mock_asynchronous(&rig->a);
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	for (unsigned int i = 0; i < 8; i++) {
		bios[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
		assert_non_null(bios[i]);
		bios[i]->offset = i * 4096u;
		bios[i]->end_io = start_again;
		bios[i]->ctx = memory[i];
		assert_int_equal(mpio_bio_add(bios[i], memory[i], 512), 0);
		assert_int_equal(mpio_bio_submit(bios[i]), 0);
	}
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 1);
	assert_true(mpio_queue_wait(rig->queue) > 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->reads, 16);
	assert_int_equal(mpio_queue_stats(rig->queue)->commits, 2);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (unsigned int i = 0; i < 8; i++)
		mpio_bio_put(bios[i]);
}

static void a_full_plug_sends_itself(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {90, 80, 70, 60, 50, 40, 30, 20, 10};

	rig->config.bios = 2;
	mock_asynchronous(&rig->a);
	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	assert_true(rig->trace[0] != '\0');
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->reads, 9);
	assert_page(rig, 8, "a10");
}

/* ---- Sorting ------------------------------------------------------------ */

static void bios_are_sorted_by_device_offset(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {70, 10, 50, 20, 90, 30,
					  60, 40, 80, 12, 88, 14};

	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_trace(rig,
		     "read 10+1, read 12+1, read 14+1, read 20+1, read 30+1, "
		     "read 40+1, read 50+1, read 60+1, read 70+1, read 80+1, "
		     "read 88+1, read 90+1");
	assert_page(rig, 0, "a70");
	assert_page(rig, 11, "a14");
}

static void reads_and_writes_are_sorted_together(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 9, 1);
	start_read(rig, 7, 1);
	start_write(rig, 0, 5, 1);
	start_read(rig, 3, 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 3+1, write 5+1, read 7+1, write 9+1");
}

/* ---- Merging ------------------------------------------------------------ */

static void bios_that_touch_are_made_one(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {102, 100, 101, 200, 103};

	open_watching(rig, WATCH_IO | WATCH_PIECES);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+4 in 4, read 200+1 in 1");
	assert_page(rig, 0, "a102");
	assert_page(rig, 1, "a100");
	assert_page(rig, 2, "a101");
	assert_page(rig, 3, "a200");
	assert_page(rig, 4, "a103");
	assert_int_equal(mpio_queue_stats(rig->queue)->merges, 3);
	assert_int_equal(mpio_queue_stats(rig->queue)->reads, 2);
}

static void many_small_bios_become_a_large_one(void **state)
{
	struct rig *rig = *state;
	uint64_t blocks[24];

	for (uint32_t i = 0; i < 24; i++)
		blocks[i] = 123 - i;
	open_watching(rig, WATCH_IO | WATCH_PIECES);
	read_blocks(rig, blocks, 24);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+24 in 24");
	for (uint32_t i = 0; i < 24; i++) {
		char text[8];

		snprintf(text, sizeof(text), "a%u", 123 - i);
		assert_page(rig, i, text);
	}
}

static void with_no_large_bio_free_merging_goes_on_small(void **state)
{
	struct rig *rig = *state;
	uint64_t blocks[12];
	struct mpio_bio *held[12];

	for (uint32_t i = 0; i < 12; i++)
		blocks[i] = 100 + i;
	rig->config.bios = 12;
	open_watching(rig, WATCH_IO);
	for (int i = 0; i < 12; i++)
		held[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	read_blocks(rig, blocks, 12);
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_stats(rig->queue)->bytes_read, 12 * BLOCK);
	assert_in_range(mpio_queue_stats(rig->queue)->reads, 1, 2);
	for (int i = 0; i < 12; i++)
		mpio_bio_put(held[i]);
	assert_page(rig, 11, "a111");
}

/* They are those that wait to be merged, which small ones would do for. */
static void with_all_bios_plugged_neighbours_are_one(void **state)
{
	struct rig *rig = *state;
	uint64_t blocks[24];

	for (uint32_t i = 0; i < 24; i++)
		blocks[i] = 100 + i;
	rig->config.bios = 12;
	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, 24);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+24");
	assert_page(rig, 0, "a100");
	assert_page(rig, 8, "a108");
	assert_page(rig, 23, "a123");
}

/* The only large one is the last of them; or it is no bio of pages. */
static void a_large_bio_is_traded_for_a_small_one(void **state)
{
	struct rig *rig = *state;
	uint64_t blocks[10];
	struct mpio_bio *held[8];

	for (uint32_t i = 0; i < 10; i++)
		blocks[i] = 100 + i;
	rig->config.bios = 9;
	open_watching(rig, WATCH_IO);
	for (int i = 0; i < 8; i++)
		held[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	read_blocks(rig, blocks, 10);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+10");
	assert_page(rig, 0, "a100");
	assert_page(rig, 9, "a109");
	mpio_queue_plug(rig->queue);
	start_read(rig, 200, 1);
	for (uint32_t i = 0; i < 9; i++)
		blocks[i] = 110 + i;
	read_blocks(rig, blocks, 9);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 110+8, read 118+1, read 200+1");
	for (int i = 0; i < 8; i++)
		mpio_bio_put(held[i]);
}

static void merging_ends_at_the_limit_of_bytes(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {104, 103, 102, 101, 100};

	rig->config.bytes_max = 2 * BLOCK;
	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+2, read 102+2, read 104+1");
}

static void merging_ends_at_the_limit_of_pieces(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {104, 103, 102, 101, 100};

	rig->config.segments_max = 3;
	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+3, read 103+2");
}

/* Neighbours in memory are one piece, in a merge too. */
static void merging_counts_pieces_with_neighbours_joined(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {100, 101, 102, 103};

	rig->config.segments_max = 1;
	rig->together = true;
	open_watching(rig, WATCH_IO | WATCH_PIECES);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+4 in 1");
}

static void merging_ends_at_the_limit_of_pages(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {100, 101, 102, 103};

	rig->config.segments_max = 1;
	rig->config.pages_max = 2;
	rig->together = true;
	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_true(mpio_queue_stats(rig->queue)->reads >= 2);
	assert_page(rig, 3, "a103");
}

static void a_read_and_a_write_are_not_merged(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {100};

	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, 1);
	map_blocks(rig, 1, 1, 101);
	add_pages(rig, 1, 1, 1);
	dirty_page(rig, 1);
	assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
					 page_at(rig, 1), NULL),
			 0);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+1, write 101+1");
}

static int find_well(struct mpio_mapping *mapping, struct mpio_page *page)
{
	(void)mapping;
	(void)page;
	return 0;
}

/* A bio of a page, and behind it one without, and one that ends otherwise. */
static void bios_that_end_in_other_ways_are_not_merged(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 1, 4);
	mpio_queue_plug(rig->queue);
	assert_int_equal(read_pages(rig, 0, 1, 0), 1);
	start_read(rig, 101, 1);
	assert_int_equal(read_pages(rig, 2, 1, 0), 1);
	rig->ops.verify = find_well;
	assert_int_equal(read_pages(rig, 3, 1, 0), 1);
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 100+1, read 101+1, read 102+1, read 103+1");
}

/* Page i is the other file's; each is read by a call of its own. */
static void read_one(struct rig *rig, struct mpio_mapping *mapping, uint32_t i)
{
	struct mpio_page *page = page_at(rig, i);

	page->mapping = mapping;
	page->flags = MPIO_PAGE_LOCKED;
	rig->frames[i].handed++;
	assert_int_equal(mpio_readahead(rig->queue, mapping, &page, 1, 0), 1);
}

/*
 * What the verify of one waits for may need a page of the other to end, and
 * pages of one bio end one after the other.
 */
static void reads_of_two_files_that_verify_are_not_merged(void **state)
{
	struct rig *rig = *state;
	struct mpio_mapping other;

	open_watching(rig, WATCH_IO);
	map_blocks(rig, 0, 64, 100);
	add_pages(rig, 0, 1, 4);
	other = rig->mapping;
	rig->ops.verify = find_well;
	for (uint32_t i = 0; i < 4; i++)
		read_one(rig, i < 2 ? &rig->mapping : &other, i);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+2, read 102+2");
	mpio_queue_plug(rig->queue);
	rig->ops.verify = NULL;
	for (uint32_t i = 0; i < 4; i++)
		read_one(rig, i < 2 ? &rig->mapping : &other, i);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+4");
}

static void bios_with_other_flags_are_not_merged(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	map_blocks(rig, 0, 2, 100);
	add_pages(rig, 0, 1, 2);
	assert_int_equal(read_pages(rig, 0, 1, MPIO_READ_AHEAD), 1);
	assert_int_equal(read_pages(rig, 1, 1, MPIO_READ_SYNC), 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+1, read 101+1");
}

static void dirty_pages_written_one_by_one_are_merged(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	map_blocks(rig, 0, 4, 100);
	add_pages(rig, 0, 1, 4);
	dirty_all(rig);
	for (uint32_t i = 4; i-- > 0;)
		assert_int_equal(mpio_write_page(rig->queue, &rig->mapping,
						 page_at(rig, i), NULL),
				 0);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 100+4");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 a104");
}

static void a_sync_under_a_plug_waits_for_what_was_merged(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	open_watching(rig, WATCH_IO);
	/* Backwards on the device: a bio each, until they are sorted. */
	for (uint64_t i = 0; i < 4; i++)
		map_blocks(rig, i, 1, 103 - i);
	add_pages(rig, 0, 1, 4);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4");
	for (uint32_t i = 0; i < 4; i++)
		assert_flags(rig, i, "uptodate");
	mpio_queue_unplug(rig->queue);
}

/* Of two walks, one waits; their bios are one. */
static void a_sync_waits_for_a_bio_that_another_walk_began(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	open_watching(rig, WATCH_IO);
	map_blocks(rig, 0, 2, 100);
	add_pages(rig, 0, 1, 2);
	dirty_page(rig, 0);
	assert_int_equal(write_all(rig, MPIO_SYNC_NONE), 0);
	dirty_page(rig, 1);
	assert_int_equal(sync_all(rig), 0);
	assert_flags(rig, 1, "uptodate");
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_flags(rig, 0, "uptodate");
	assert_disk(&rig->a, 100, "f0 f1 a102");
}

static void a_merged_bio_is_taken_apart_to_find_a_bad_block(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {103, 102, 101, 100};

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, 4);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 100+4, read 100+2, read 102+2, read 102+1, "
			  "read 103+1");
	assert_int_equal(rig->frames[0].status, 0);
	assert_int_equal(rig->frames[1].status, -MPIO_EIO);
	assert_int_equal(rig->frames[2].status, 0);
	assert_int_equal(rig->frames[3].status, 0);
}

/* ---- What may not be passed --------------------------------------------- */

static void nothing_passes_a_flush(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 9, 1);
	start_write(rig, 0, 8, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	start_write(rig, 0, 3, 1);
	start_write(rig, 0, 1, 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 8+1, write 9+1, flush, write 1+1, write 3+1");
}

static void nothing_passes_a_fua_write(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 9, 1);
	start_write(rig, MPIO_BIO_FUA, 5, 1);
	start_write(rig, 0, 1, 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 9+1, write 5+1, write 1+1");
}

static void nothing_passes_a_preflush(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 9, 1);
	start_write(rig, MPIO_BIO_PREFLUSH, 5, 1);
	start_write(rig, 0, 1, 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 9+1, write 5+1, write 1+1");
}

static void overlapping_writes_keep_their_order(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 5, 3);
	start_write(rig, 0, 4, 2);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 5+3, write 4+2");
}

static void a_write_over_any_that_is_held_sends_them(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	for (uint64_t block = 10; block <= 30; block += 10)
		start_write(rig, 0, block, 1);
	start_write(rig, 0, 20, 1);
	assert_trace(rig, "write 10+1, write 20+1, write 30+1");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 20+1");
}

/* The one that was held last lies before them. */
static void it_does_wherever_the_last_one_lies(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 10, 4);
	start_write(rig, 0, 0, 1);
	start_write(rig, 0, 8, 3);
	assert_trace(rig, "write 0+1, write 10+4");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 8+3");
}

static void a_read_behind_an_overlapping_write_sees_it(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 5, 3);
	start_read(rig, 4, 2);
	start_write(rig, 0, 2, 3);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 5+3, read 4+2, write 2+3");
	assert_data(rig->ios[1].memory, "a4 f5");
}

static void overlapping_reads_may_change_places(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_read(rig, 5, 3);
	start_read(rig, 4, 2);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 4+2, read 5+3");
}

static void nor_do_they_mind_a_write_elsewhere(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 20, 1);
	start_read(rig, 5, 3);
	start_read(rig, 4, 2);
	assert_trace(rig, "");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 4+2, read 5+3, write 20+1");
}

static void neighbours_do_not_overlap(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 5, 3);
	start_read(rig, 3, 2);
	start_read(rig, 8, 1);
	start_read(rig, 1, 1);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 1+1, read 3+2, write 5+3, read 8+1");
}

static void a_discard_keeps_its_place_among_overlapping_bios(void **state)
{
	struct rig *rig = *state;

	open_watching(rig, WATCH_IO);
	start_write(rig, 0, 5, 3);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 4, 2);
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 5+3, discard 4+2");
	assert_disk(&rig->a, 4, "0 0 f6 f7");
}

static void one_of_three_is_put_in_order(void **state)
{
	struct rig *rig = *state;
	static const uint64_t blocks[] = {10, 30, 20};

	open_watching(rig, WATCH_IO);
	read_blocks(rig, blocks, COUNT_OF(blocks));
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "read 10+1, read 20+1, read 30+1");
}

/* It is sent, but pushed with what comes after it. */
static void a_fua_write_is_pushed_by_unplug(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	open_watching(rig, WATCH_IO | WATCH_CALLS);
	start_write(rig, MPIO_BIO_FUA, 5, 1);
	start_write(rig, 0, 9, 1);
	assert_trace(rig, "write 5+1");
	mpio_queue_unplug(rig->queue);
	assert_trace(rig, "write 9+1, commit");
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(nothing_is_sent_before_unplug),
		RIG_TEST(the_outermost_unplug_sends),
		RIG_TEST(one_unplug_too_many_does_no_harm),
		RIG_TEST(a_batch_is_pushed_once),
		RIG_TEST(what_callbacks_start_is_pushed_once),
		RIG_TEST(a_full_plug_sends_itself),
		RIG_TEST(bios_are_sorted_by_device_offset),
		RIG_TEST(reads_and_writes_are_sorted_together),
		RIG_TEST(bios_that_touch_are_made_one),
		RIG_TEST(many_small_bios_become_a_large_one),
		RIG_TEST(with_no_large_bio_free_merging_goes_on_small),
		RIG_TEST(with_all_bios_plugged_neighbours_are_one),
		RIG_TEST(a_large_bio_is_traded_for_a_small_one),
		RIG_TEST(merging_ends_at_the_limit_of_bytes),
		RIG_TEST(merging_ends_at_the_limit_of_pieces),
		RIG_TEST(merging_counts_pieces_with_neighbours_joined),
		RIG_TEST(merging_ends_at_the_limit_of_pages),
		RIG_TEST(a_read_and_a_write_are_not_merged),
		RIG_TEST(bios_with_other_flags_are_not_merged),
		RIG_TEST(bios_that_end_in_other_ways_are_not_merged),
		RIG_TEST(reads_of_two_files_that_verify_are_not_merged),
		RIG_TEST(dirty_pages_written_one_by_one_are_merged),
		RIG_TEST(a_sync_under_a_plug_waits_for_what_was_merged),
		RIG_TEST(a_sync_waits_for_a_bio_that_another_walk_began),
		RIG_TEST(a_merged_bio_is_taken_apart_to_find_a_bad_block),
		RIG_TEST(nothing_passes_a_flush),
		RIG_TEST(nothing_passes_a_fua_write),
		RIG_TEST(nothing_passes_a_preflush),
		RIG_TEST(overlapping_writes_keep_their_order),
		RIG_TEST(a_read_behind_an_overlapping_write_sees_it),
		RIG_TEST(overlapping_reads_may_change_places),
		RIG_TEST(neighbours_do_not_overlap),
		RIG_TEST(a_discard_keeps_its_place_among_overlapping_bios),
		RIG_TEST(one_of_three_is_put_in_order),
		RIG_TEST(a_fua_write_is_pushed_by_unplug),
		RIG_TEST(a_write_over_any_that_is_held_sends_them),
		RIG_TEST(nor_do_they_mind_a_write_elsewhere),
		RIG_TEST(it_does_wherever_the_last_one_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

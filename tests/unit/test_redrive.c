/* SPDX-License-Identifier: MIT */
/*
 * Redrive: bad blocks are found by halving, short transfers go on, passing
 * errors are sat out; and every good block gets through.
 */
#include "mock.h"

#include <mpio/error.h>

#include <stdio.h>

/* ---- One bad block ------------------------------------------------------ */

static void append_io(char *text, uint32_t start, uint32_t end)
{
	sprintf(text + strlen(text), "%sread %u+%u", text[0] ? ", " : "",
		100 + start, end - start);
}

/* What isolation does with [start, end), written down the plain way. */
static void expect_halving(char *text, uint32_t start, uint32_t end,
			   uint32_t bad)
{
	uint32_t middle = start + (end - start) / 2;

	append_io(text, start, end);
	if (bad < start || bad >= end || end - start == 1)
		return;
	expect_halving(text, start, middle, bad);
	expect_halving(text, middle, end, bad);
}

static void find_one_bad_block(struct rig *rig, uint32_t bad)
{
	char expected[2048] = "";

	rig->a.fault_count = 0;
	mock_fail(&rig->a, 100 + bad, 1, -MPIO_EIO);
	for (uint32_t i = 0; i < rig->frame_count; i++)
		page_at(rig, i)->flags = 0;
	assert_int_equal(read_all(rig, 0), rig->frame_count);
	expect_halving(expected, 0, rig->frame_count, bad);
	assert_trace(rig, expected);
	for (uint32_t i = 0; i < rig->frame_count; i++)
		assert_status(rig, i, i == bad ? -MPIO_EIO : 0);
}

static void one_bad_block_of_8_is_found_by_halving(void **state)
{
	struct rig *rig = *state;

	rig->watch = WATCH_IO;
	open_with_pages(rig, 1, 8);
	for (uint32_t bad = 0; bad < 8; bad++)
		find_one_bad_block(rig, bad);
}

static void the_sequence_for_the_third_block_is_this(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 8);
	assert_int_equal(read_all(rig, 0), 8);
	assert_trace(rig, "map 0+8, read 100+8, read 100+4, read 100+2, "
			  "read 102+2, read 102+1, read 103+1, read 104+4");
	assert_int_equal(mpio_queue_stats(rig->queue)->retries, 6);
	assert_int_equal(mpio_queue_stats(rig->queue)->reads, 1);
	assert_flags(rig, 2, "error");
	assert_flags(rig, 3, "uptodate mapped");
}

static void a_bad_block_alone_is_not_tried_again(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 1);
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "map 0+1, read 100+1");
	assert_status(rig, 0, -MPIO_EIO);
}

/* ---- Any bad blocks ----------------------------------------------------- */

struct
try {
	unsigned start;
	unsigned end;
	bool failed;
};

/* Rules for all retries: see conformance, 'bad blocks'. */
static void check_tries(struct rig *rig, uint32_t blocks, uint32_t bad)
{
	struct try tries[64];
	uint32_t n = 0;

	for (char *at = strtok(rig->trace, ","); at != NULL;
	     at = strtok(NULL, ",")) {
		struct try *try = &tries[n];
		unsigned length;
		bool part = n == 0;

		assert_int_equal(
			sscanf(at, " read %u+%u", &try->start, &length), 2);
		try->start -= 100;
		try->end = try->start + length;
		try->failed = (bad >> try->start &
			       ((UINT32_C(1) << length) - 1)) != 0;
		for (uint32_t i = 0; i < n; i++) {
			part = part || (tries[i].failed &&
					tries[i].start <= try->start &&
					tries[i].end >= try->end);
			assert_false(tries[i].start == try->start &&
				     tries[i].end == try->end);
		}
		assert_true(part);
		n++;
	}
	assert_in_range(n, 1, 2 * blocks - 1);
	rig->trace[0] = '\0';
}

/* Every set of bad blocks, in pages of so many blocks. */
static void sweep(struct rig *rig, uint32_t blocks, uint32_t per_page)
{
	uint32_t page_bits = (UINT32_C(1) << per_page) - 1;

	rig->watch = WATCH_IO;
	open_with_pages(rig, per_page, blocks / per_page);
	for (uint32_t bad = 0; bad < UINT32_C(1) << blocks; bad++) {
		rig->a.fault_count = 0;
		for (uint32_t i = 0; i < blocks; i++) {
			if (bad >> i & 1)
				mock_fail(&rig->a, 100 + i, 1, -MPIO_EIO);
		}
		for (uint32_t i = 0; i < rig->frame_count; i++) {
			struct mpio_page *page = page_at(rig, i);

			page->flags = 0;
			memset(page->data, 0xa5, page->size);
		}
		assert_int_equal(read_all(rig, 0), rig->frame_count);
		check_tries(rig, blocks, bad);
		for (uint32_t i = 0; i < rig->frame_count; i++) {
			bool is_bad = bad >> i * per_page & page_bits;
			char first[8];

			assert_status(rig, i, is_bad ? -MPIO_EIO : 0);
			snprintf(first, sizeof(first), "a%u",
				 100 + i * per_page);
			if (!is_bad)
				assert_page(rig, i, first);
		}
	}
}

static void every_set_of_bad_blocks_among_7_pages_of_one(void **state)
{
	sweep(*state, 7, 1);
}

static void every_set_of_bad_blocks_among_4_pages_of_two(void **state)
{
	sweep(*state, 8, 2);
}

static void every_set_of_bad_blocks_in_pages_next_in_memory(void **state)
{
	struct rig *rig = *state;

	rig->together = true;
	sweep(rig, 6, 1);
}

static void every_set_of_bad_blocks_in_one_page(void **state)
{
	sweep(*state, 5, 5);
}

/* ---- Isolation in other places ------------------------------------------ */

static void a_bad_block_fails_only_its_page_when_writing(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	open_with_pages(rig, 2, 4);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "write 100+8, write 100+4, write 104+4, "
			  "write 104+2, write 104+1, write 105+1, "
			  "write 106+2");
	assert_flags(rig, 1, "uptodate");
	assert_flags(rig, 2, "uptodate dirty error");
	assert_flags(rig, 3, "uptodate");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 f4 a105 f6 f7 a108");
}

static void isolation_goes_on_while_others_are_in_flight(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.lifo = true;
	rig->watch = WATCH_IO;
	open_with_pages(rig, 1, 4);
	assert_int_equal(read_all(rig, 0), 4);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "read 100+4, read 1+1, read 100+2, read 102+2, "
			  "read 102+1, read 103+1");
	assert_status(rig, 2, -MPIO_EIO);
	assert_status(rig, 3, 0);
}

static void retries_keep_the_flags(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, -MPIO_EIO);
	rig->watch = WATCH_IO | WATCH_FLAGS;
	open_with_pages(rig, 1, 2);
	assert_int_equal(read_all(rig, MPIO_READ_META | MPIO_READ_SYNC), 2);
	assert_trace(rig, "read 100+2 sync meta, read 100+1 sync meta, "
			  "read 101+1 sync meta");
}

static void the_block_that_the_devices_end_cuts_is_isolated_too(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 104 * BLOCK + 512;
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_with_pages(rig, 1, 5);
	assert_int_equal(read_all(rig, 0), 5);
	assert_trace(rig, "read 100+4608B, read 100+2, read 100+1, read 101+1, "
			  "read 102+2560B");
	assert_status(rig, 1, -MPIO_EIO);
	assert_page(rig, 4, "a104/512");
}

static void the_cut_block_itself_may_be_bad(void **state)
{
	struct rig *rig = *state;

	rig->a.device.size = 103 * BLOCK + 512;
	mock_fail(&rig->a, 103, 1, -MPIO_EIO);
	rig->watch = WATCH_IO;
	open_with_pages(rig, 1, 4);
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+3584B, read 100+2, read 102+1536B, "
			  "read 102+1, read 103+512B");
	assert_status(rig, 2, 0);
	assert_status(rig, 3, -MPIO_EIO);
}

static void good_blocks_of_a_bad_page_are_kept(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "read 100+4, read 100+2, read 102+2, read 102+1, "
			  "read 103+1");
	assert_flags(rig, 0, "error");
	assert_bits(rig, 0, "uu-u");
	/* The next read asks for the bad one only. */
	rig->a.fault_count = 0;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "read 102+1");
	assert_bits(rig, 0, "uuuu");
	assert_page(rig, 0, "a100 a101 a102 a103");
}

static void halves_keep_the_devices_alignment_of_memory(void **state)
{
	struct rig *rig = *state;

	rig->together = true; /* at a multiple of 4096 */
	rig->a.device.limits.memory_alignment = 4096;
	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	open_with_pages(rig, 4, 4);
	assert_int_equal(read_all(rig, 0), 4);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
	assert_status(rig, 2, 0);
	assert_status(rig, 3, 0);
}

static void a_bio_that_found_a_bad_block_forgets_it(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 101, 1, -MPIO_EIO);

	rig->config.bios = 2;
	fault->times = 2;
	open_with_pages(rig, 1, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_status(rig, 1, -MPIO_EIO);
	assert_int_equal(mpio_queue_stats(rig->queue)->errors, 1);
	fault = mock_fail(&rig->a, 100, 2, 0);
	fault->done = BLOCK;
	for (int i = 0; i < 4; i++) {
		page_at(rig, 0)->flags = page_at(rig, 1)->flags = 0;
		fault->is_over = false;
		fault->times = 1;
		assert_int_equal(read_all(rig, 0), 2);
		assert_status(rig, 0, 0);
		assert_status(rig, 1, 0);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->errors, 1);
}

/* An I/O may end in the middle of a block of the mapping, for its bytes. */
static void a_bad_half_of_a_block_leaves_other_blocks_alone(void **state)
{
	struct rig *rig = *state;

	rig->config.bytes_max = BLOCK + BLOCK / 2;
	mock_fail(&rig->a, 101, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 4);
	assert_int_equal(read_all(rig, 0), 4);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
	assert_status(rig, 2, 0);
	assert_status(rig, 3, 0);
	assert_page(rig, 2, "a102");
}

/* ---- When there is no isolation ----------------------------------------- */

static void without_isolation_all_pages_of_the_bio_fail(void **state)
{
	struct rig *rig = *state;

	rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	mock_fail(&rig->a, 102, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 4);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+4");
	for (uint32_t i = 0; i < 4; i++)
		assert_status(rig, i, -MPIO_EIO);
	assert_int_equal(mpio_queue_stats(rig->queue)->retries, 0);
}

static void without_isolation_short_transfers_go_on_all_the_same(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 1, 0);

	rig->config.flags = MPIO_QUEUE_NO_ISOLATION;
	fault->done = BLOCK;
	open_with_pages(rig, 1, 4);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+4, read 101+3");
	assert_page(rig, 3, "a103");
}

static void each_error_of_a_medium_is_isolated(void **state)
{
	static const int errors[] = {-MPIO_EIO, -MPIO_ENODATA, -MPIO_EILSEQ,
				     -MPIO_EREMOTEIO};
	struct rig *rig = *state;

	open_with_pages(rig, 1, 4);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		rig->a.fault_count = 0;
		mock_fail(&rig->a, 102, 1, errors[i]);
		for (uint32_t j = 0; j < 4; j++)
			page_at(rig, j)->flags = 0;
		assert_int_equal(read_all(rig, 0), 4);
		for (uint32_t j = 0; j < 4; j++)
			assert_status(rig, j, j == 2 ? errors[i] : 0);
	}
}

/* What a half of it ends with, that is no error of a medium, is that half's. */
static void another_error_of_a_half_is_not_the_others(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 4, -MPIO_EIO)->times = 1;
	mock_fail(&rig->a, 100, 1, -MPIO_ENOSPC)->times = 1;
	open_with_pages(rig, 1, 4);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+4, read 100+2, read 102+2");
	assert_status(rig, 0, -MPIO_ENOSPC);
	assert_status(rig, 1, -MPIO_ENOSPC);
	assert_status(rig, 2, 0);
	assert_page(rig, 3, "a103");
}

static void no_other_error_is(void **state)
{
	struct rig *rig = *state;

	open_with_pages(rig, 1, 4);
	rig->watch = WATCH_IO;
	for (int error = 1; error < 200; error++) {
		const char *words = mpio_strerror(error);

		if (error == MPIO_EIO || error == MPIO_ENODATA ||
		    error == MPIO_EILSEQ || error == MPIO_EREMOTEIO ||
		    error == MPIO_EAGAIN || error == MPIO_EINTR ||
		    strcmp(words, "unknown error") == 0)
			continue;
		rig->a.fault_count = 0;
		mock_fail(&rig->a, 102, 1, -error);
		for (uint32_t j = 0; j < 4; j++)
			page_at(rig, j)->flags = 0;
		assert_int_equal(read_all(rig, 0), 4);
		assert_trace(rig, "read 100+4");
		assert_status(rig, 0, -error);
	}
}

static void a_full_device_is_no_bad_block(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_ENOSPC);
	open_with_pages(rig, 1, 4);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_trace(rig, "write 100+4");
	for (uint32_t i = 0; i < 4; i++)
		assert_flags(rig, i, "uptodate dirty error");
}

/* ---- Short transfers ---------------------------------------------------- */

static void a_short_read_goes_on_behind_what_was_moved(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 8, 0);

	fault->done = 3 * BLOCK;
	open_with_pages(rig, 2, 4);
	rig->watch = WATCH_IO | WATCH_PIECES;
	assert_int_equal(read_all(rig, 0), 4);
	assert_trace(rig, "read 100+8 in 4, read 103+5 in 3, read 106+2 in 1");
	assert_page(rig, 0, "a100 a101");
	assert_page(rig, 1, "a102 a103");
	assert_page(rig, 2, "a104 a105");
	assert_page(rig, 3, "a106 a107");
	assert_int_equal(mpio_queue_stats(rig->queue)->retries, 2);
	assert_int_equal(mpio_queue_stats(rig->queue)->errors, 0);
}

/* Though what is left of the page turns out to be bad. */
static void blocks_that_a_short_read_has_moved_are_kept(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 1, 0);

	fault->done = 2 * BLOCK;
	mock_fail(&rig->a, 102, 2, -MPIO_EIO);
	open_with_pages(rig, 4, 1);
	give_bits(rig, 0);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 1);
	assert_trace(rig, "read 100+4, read 102+2, read 102+1, read 103+1");
	assert_status(rig, 0, -MPIO_EIO);
	assert_bits(rig, 0, "uu--");
}

static void a_short_write_goes_on_behind_what_was_moved(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 8, 0);

	fault->done = BLOCK;
	open_with_pages(rig, 2, 2);
	dirty_all(rig);
	rig->watch = WATCH_IO;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+4, write 101+3, write 102+2, write 103+1");
	assert_disk(&rig->a, 100, "f0 f1 f2 f3 a104");
}

/* A device moves its own blocks, which may be smaller than the mapping's. */
static void a_device_that_moves_half_a_block_each_time_gets_there(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 8, 0);

	fault->done = BLOCK / 2;
	open_with_pages(rig, 2, 2);
	assert_int_equal(read_all(rig, 0), 2);
	assert_status(rig, 0, 0);
	assert_status(rig, 1, 0);
}

static void what_is_no_block_of_the_device_is_moved_again(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 4, 0);

	fault->done = 2 * BLOCK + 100;
	fault->times = 1;
	open_with_pages(rig, 2, 2);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+4, read 102+2");
	assert_page(rig, 1, "a102 a103");
}

static void a_device_that_never_moves_a_block_is_given_up_on(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 100, 1, 0)->done = 100;
	open_with_pages(rig, 1, 1);
	rig->watch = 0;
	assert_int_equal(read_all(rig, 0), 1);
	assert_status(rig, 0, -MPIO_EIO);
	assert_int_equal(mpio_queue_stats(rig->queue)->submits, 8);
}

static void no_byte_at_all_is_a_bad_block(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 101, 1, 0)->done = 0;
	open_with_pages(rig, 1, 2);
	rig->watch = WATCH_IO;
	assert_int_equal(read_all(rig, 0), 2);
	assert_trace(rig, "read 100+2, read 100+1, read 101+1");
	assert_status(rig, 0, 0);
	assert_status(rig, 1, -MPIO_EIO);
}

static void a_short_transfer_up_to_a_bad_block_finds_it(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 3, 0);

	/* It stops before the bad block, as some devices do. */
	fault->done = 3 * BLOCK;
	mock_fail(&rig->a, 103, 1, -MPIO_EIO);
	open_with_pages(rig, 1, 8);
	assert_int_equal(read_all(rig, 0), 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_status(rig, i, i == 3 ? -MPIO_EIO : 0);
	assert_page(rig, 2, "a102");
	assert_page(rig, 7, "a107");
}

/* However far it came, and wherever the bad block is. */
static void a_short_transfer_and_a_bad_block_anywhere(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	open_with_pages(rig, 1, 8);
	for (uint32_t done = 256; done < 8 * BLOCK; done += 256) {
		for (uint32_t bad = 0; bad < 8; bad++) {
			struct mock_fault *fault;

			rig->a.fault_count = 0;
			fault = mock_fail(&rig->a, 100, 8, 0);
			fault->done = done;
			fault->times = 1;
			mock_fail(&rig->a, 100 + bad, 1, -MPIO_EIO);
			for (uint32_t i = 0; i < 8; i++) {
				page_at(rig, i)->flags = 0;
				memset(page_at(rig, i)->data, 0, BLOCK);
			}
			/* The bad block stops it before it comes so far. */
			if (done > bad * BLOCK)
				fault->done = bad * BLOCK + done % 512;
			if (fault->done == 0)
				fault->is_over = true;
			assert_int_equal(read_all(rig, 0), 8);
			for (uint32_t i = 0; i < 8; i++)
				assert_status(rig, i, i == bad ? -MPIO_EIO : 0);
			if (bad != 7)
				assert_page(rig, 7, "a107");
			if (bad != 0)
				assert_page(rig, 0, "a100");
		}
	}
}

/* ---- Passing errors ----------------------------------------------------- */

static void a_passing_error_is_tried_again_as_it_was(void **state)
{
	static const int errors[] = {-MPIO_EAGAIN, -MPIO_EINTR};
	struct rig *rig = *state;

	open_with_pages(rig, 1, 4);
	rig->watch = WATCH_IO;
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		mock_fail(&rig->a, 102, 1, errors[i])->times = 2;
		for (uint32_t j = 0; j < 4; j++)
			page_at(rig, j)->flags = 0;
		assert_int_equal(read_all(rig, 0), 4);
		assert_trace(rig, "read 100+4, read 100+4, read 100+4");
		assert_status(rig, 2, 0);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->errors, 0);
}

static void an_error_that_does_not_pass_is_told_in_the_end(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 102, 1, -MPIO_EAGAIN);
	open_with_pages(rig, 1, 4);
	rig->watch = 0;
	assert_int_equal(read_all(rig, 0), 4);
	assert_status(rig, 2, -MPIO_EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(one_bad_block_of_8_is_found_by_halving),
		RIG_TEST(the_sequence_for_the_third_block_is_this),
		RIG_TEST(a_bad_block_alone_is_not_tried_again),
		RIG_TEST(every_set_of_bad_blocks_among_7_pages_of_one),
		RIG_TEST(every_set_of_bad_blocks_among_4_pages_of_two),
		RIG_TEST(every_set_of_bad_blocks_in_pages_next_in_memory),
		RIG_TEST(every_set_of_bad_blocks_in_one_page),
		RIG_TEST(a_bad_block_fails_only_its_page_when_writing),
		RIG_TEST(isolation_goes_on_while_others_are_in_flight),
		RIG_TEST(retries_keep_the_flags),
		RIG_TEST(the_block_that_the_devices_end_cuts_is_isolated_too),
		RIG_TEST(the_cut_block_itself_may_be_bad),
		RIG_TEST(good_blocks_of_a_bad_page_are_kept),
		RIG_TEST(halves_keep_the_devices_alignment_of_memory),
		RIG_TEST(a_bio_that_found_a_bad_block_forgets_it),
		RIG_TEST(a_bad_half_of_a_block_leaves_other_blocks_alone),
		RIG_TEST(without_isolation_all_pages_of_the_bio_fail),
		RIG_TEST(without_isolation_short_transfers_go_on_all_the_same),
		RIG_TEST(a_full_device_is_no_bad_block),
		RIG_TEST(each_error_of_a_medium_is_isolated),
		RIG_TEST(a_short_read_goes_on_behind_what_was_moved),
		RIG_TEST(a_short_write_goes_on_behind_what_was_moved),
		RIG_TEST(a_device_that_moves_half_a_block_each_time_gets_there),
		RIG_TEST(what_is_no_block_of_the_device_is_moved_again),
		RIG_TEST(a_device_that_never_moves_a_block_is_given_up_on),
		RIG_TEST(no_byte_at_all_is_a_bad_block),
		RIG_TEST(a_short_transfer_up_to_a_bad_block_finds_it),
		RIG_TEST(a_short_transfer_and_a_bad_block_anywhere),
		RIG_TEST(a_passing_error_is_tried_again_as_it_was),
		RIG_TEST(an_error_that_does_not_pass_is_told_in_the_end),
		RIG_TEST(another_error_of_a_half_is_not_the_others),
		RIG_TEST(no_other_error_is),
		RIG_TEST(blocks_that_a_short_read_has_moved_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

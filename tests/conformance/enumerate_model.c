/* SPDX-License-Identifier: MIT */
/*
 * The naive model: what must come out of a trial, worked out one block at a
 * time from what the headers and the contract promise. It groups nothing,
 * remembers no answer, knows no I/O, and shares no line with the library.
 *
 * Where the contract leaves a choice the model says so: a block that may be
 * moved or not, bytes that may be one thing or another, a list of errors.
 */
#include "enumerate.h"
#include <string.h>

unsigned char model_file[BLOCKS_MAX * BLOCK_SIZE_MAX];
unsigned char model_disk[QUEUES_MAX][DEVICE_BLOCKS * BLOCK_SIZE_MAX];

static unsigned char zeros[BLOCK_SIZE_MAX];
static unsigned char filled[BLOCK_SIZE_MAX];
static unsigned char garbage[BLOCK_SIZE_MAX];

/* Blocks that are pieced together: in memory, and on the device. */
static unsigned char patched[BLOCKS_MAX][BLOCK_SIZE_MAX];
static unsigned char patched_disk[BLOCKS_MAX][BLOCK_SIZE_MAX];

static void fill_pattern(unsigned char *to, size_t size, uint64_t seed)
{
	uint64_t x = seed;

	for (size_t i = 0; i < size; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		to[i] = (unsigned char)(x >> 56);
	}
}

void model_init(void)
{
	fill_pattern(model_file, sizeof(model_file), 1);
	for (unsigned q = 0; q < QUEUES_MAX; q++)
		fill_pattern(model_disk[q], sizeof(model_disk[q]), 2 + q);
	memset(filled, MODEL_FILL, sizeof(filled));
	memset(garbage, MODEL_GARBAGE, sizeof(garbage));
}

static void add_error(int *errors, unsigned *count, unsigned max, int error)
{
	for (unsigned i = 0; i < *count; i++)
		if (errors[i] == error)
			return;
	if (*count < max)
		errors[(*count)++] = error;
}

static void page_error(struct outcome_page *page, int error)
{
	add_error(page->errors, &page->error_count, ERRORS_MAX, error);
}

static uint32_t block_start(const struct trial *t, unsigned b)
{
	return b * t->block_size;
}

static const unsigned char *file_block(const struct trial *t, unsigned b)
{
	return model_file + block_start(t, b);
}

/** Bytes of a block that lie on the device; 0: it lies past its end. */
static uint32_t bytes_on_device(const struct trial *t,
				const struct trial_block *block)
{
	uint32_t start = block->device * t->block_size;

	if (start >= t->device_size)
		return 0;
	if (t->device_size - start < t->block_size)
		return t->device_size - start;
	return t->block_size;
}

/** Whether a failed I/O takes this block along for certain. */
static bool is_bad(const struct trial *t, unsigned b, uint32_t lost)
{
	const struct trial_block *block = &t->block[b];

	if (!t->isolate)
		return lost >> b & 1;
	return block->queue == 0 && (t->bad >> block->device & 1);
}

/* Reading. */

static void read_from_device(const struct trial *t, unsigned b, uint32_t lost,
			     struct outcome *out, struct outcome_page *page)
{
	const struct trial_block *block = &t->block[b];
	uint32_t length = bytes_on_device(t, block);

	if (length == 0) {
		out->failing[b] = true;
		page_error(page, -MPIO_EUCLEAN);
		return;
	}
	out->fate[b] = FATE_MOVE;
	out->length[b] = length;
	page->bytes_moved += length;
	if (is_bad(t, b, lost)) {
		out->failing[b] = true;
		page_error(page, -MPIO_EIO);
	}
	out->memory[b].bytes = model_disk[block->queue] +
			       (size_t)block->device * t->block_size;
	if (length < t->block_size) {
		memcpy(patched[b], out->memory[b].bytes, length);
		memset(patched[b] + length, 0, t->block_size - length);
		out->memory[b].bytes = patched[b];
	}
}

static void read_block(const struct trial *t, unsigned b, uint32_t lost,
		       struct outcome *out, struct outcome_page *page)
{
	if (trial_is_marked(t, b)) {
		out->memory[b].bytes = file_block(t, b);
		return;
	}
	if (block_start(t, b) >= t->file_size) {
		out->memory[b].bytes = zeros;
		return;
	}
	out->needed[b] = true;
	switch (t->block[b].kind) {
	case KIND_MAPPED:
		read_from_device(t, b, lost, out, page);
		break;
	case KIND_FILLED:
	case KIND_INLINE:
		out->memory[b].bytes = filled;
		break;
	case KIND_FAIL:
		out->failing[b] = true;
		page_error(page, -MPIO_EIO);
		break;
	default:
		out->memory[b].bytes = zeros;
	}
}

/** Whether a page that was read may be called MAPPED: it must, or must not. */
static void read_mapped_flag(const struct trial *t, unsigned first,
			     unsigned count, const struct outcome *out,
			     struct outcome_page *page)
{
	unsigned whole = 0;

	for (unsigned b = first; b < first + count; b++) {
		if (out->needed[b] && t->block[b].kind != KIND_MAPPED) {
			page->off |= MPIO_PAGE_MAPPED;
			return;
		}
		if (out->fate[b] == FATE_MOVE &&
		    out->length[b] == t->block_size)
			whole++;
	}
	if (whole == count)
		page->on |= MPIO_PAGE_MAPPED;
}

/** In a page whose mapping fails, the other blocks are free to move. */
static bool mapping_failed(const struct outcome *out, unsigned first,
			   unsigned count)
{
	for (unsigned b = first; b < first + count; b++)
		if (out->failing[b] && out->fate[b] == FATE_STAY)
			return true;
	return false;
}

static void free_the_others(struct outcome *out, unsigned first, unsigned count)
{
	for (unsigned b = first; b < first + count; b++)
		if (out->fate[b] == FATE_MOVE)
			out->fate[b] = FATE_MAY;
}

static void read_page(const struct trial *t, unsigned p, unsigned first,
		      uint32_t lost, struct outcome *out)
{
	struct outcome_page *page = &out->page[p];
	unsigned count = t->page_blocks[p];

	if (t->page_state[p] == PAGE_ABSENT) {
		for (unsigned b = first; b < first + count; b++)
			out->memory[b].bytes = garbage;
		return;
	}
	page->ends = true;
	page->off = MPIO_PAGE_LOCKED | MPIO_PAGE_DIRTY | MPIO_PAGE_WRITEBACK;
	if (t->page_state[p] == PAGE_DONE) {
		for (unsigned b = first; b < first + count; b++)
			out->memory[b].bytes = file_block(t, b);
	} else {
		for (unsigned b = first; b < first + count; b++)
			read_block(t, b, lost, out, page);
		if (mapping_failed(out, first, count))
			free_the_others(out, first, count);
	}
	if (page->error_count > 0) {
		page->on |= MPIO_PAGE_ERROR;
		page->off |= MPIO_PAGE_UPTODATE;
		return;
	}
	page->on |= MPIO_PAGE_UPTODATE;
	page->off |= MPIO_PAGE_ERROR;
	if (t->page_state[p] == PAGE_WANTED)
		read_mapped_flag(t, first, count, out, page);
}

/* Writing. */

/** The block as it is written: bytes past the end of file are zeros. */
static const unsigned char *zero_tail(const struct trial *t, unsigned b)
{
	uint32_t start = block_start(t, b);
	uint32_t keep;

	if (start >= t->file_size)
		return zeros;
	keep = t->file_size - start;
	if (keep >= t->block_size)
		return file_block(t, b);
	memcpy(patched[b], file_block(t, b), keep);
	memset(patched[b] + keep, 0, t->block_size - keep);
	return patched[b];
}

static void write_to_device(const struct trial *t, unsigned b, uint32_t length,
			    struct outcome *out)
{
	const struct trial_block *block = &t->block[b];
	struct outcome_bytes *disk = &out->disk[block->queue][block->device];
	const unsigned char *bytes = zero_tail(t, b);

	if (length < t->block_size) {
		memcpy(patched_disk[b], disk->bytes, t->block_size);
		memcpy(patched_disk[b], bytes, length);
		bytes = patched_disk[b];
	}
	disk->or_bytes = disk->bytes;
	disk->bytes = bytes;
}

/** Work out one dirty block. @return 0, or why it cannot be mapped. */
static int write_block(const struct trial *t, unsigned b, uint32_t lost,
		       struct outcome *out, struct outcome_page *page)
{
	uint32_t length;

	if (t->block[b].kind == KIND_FAIL)
		return -MPIO_EIO;
	if (t->block[b].kind == KIND_HOLE)
		return -MPIO_ENOSPC;
	length = bytes_on_device(t, &t->block[b]);
	if (length == 0)
		return -MPIO_EUCLEAN;
	out->fate[b] = FATE_MOVE;
	out->length[b] = length;
	page->bytes_moved += length;
	if (is_bad(t, b, lost)) {
		out->failing[b] = true;
		page_error(page, -MPIO_EIO);
	} else {
		write_to_device(t, b, length, out);
	}
	return 0;
}

/** What the page's memory is like after the write-back. */
static void write_memory(const struct trial *t, unsigned p, unsigned first,
			 struct outcome *out)
{
	const struct outcome_page *page = &out->page[p];
	bool written = page->bytes_moved > 0 && page->error_count == 0;

	for (unsigned b = first; b < first + t->page_blocks[p]; b++) {
		out->memory[b].bytes = zero_tail(t, b);
		if (!written && out->memory[b].bytes != file_block(t, b))
			out->memory[b].or_bytes = file_block(t, b);
	}
}

/** If all of a page went well, no byte of it is missing on the device. */
static void write_disk_is_sure(const struct trial *t, unsigned p,
			       unsigned first, struct outcome *out)
{
	if (out->page[p].error_count > 0)
		return;
	for (unsigned b = first; b < first + t->page_blocks[p]; b++)
		if (out->fate[b] == FATE_MOVE)
			out->disk[t->block[b].queue][t->block[b].device]
				.or_bytes = NULL;
}

/** Work out a page that the walk deals with. @return its mapping's error. */
static int write_page(const struct trial *t, unsigned p, unsigned first,
		      uint32_t lost, struct outcome *out)
{
	struct outcome_page *page = &out->page[p];
	int failed = 0;

	for (unsigned b = first; b < first + t->page_blocks[p]; b++) {
		int error;

		if (!out->needed[b])
			continue;
		error = write_block(t, b, lost, out, page);
		out->failing[b] = out->failing[b] || error != 0;
		if (failed == 0)
			failed = error;
	}
	if (failed != 0) {
		page_error(page, failed);
		free_the_others(out, first, t->page_blocks[p]);
	}
	page->ends = true;
	page->mapped = failed == 0;
	page->on = MPIO_PAGE_UPTODATE;
	page->off = MPIO_PAGE_WRITEBACK | MPIO_PAGE_LOCKED | MPIO_PAGE_TOWRITE;
	if (page->error_count > 0)
		page->on |= MPIO_PAGE_DIRTY | MPIO_PAGE_ERROR;
	else
		page->off |= MPIO_PAGE_DIRTY | MPIO_PAGE_ERROR;
	write_memory(t, p, first, out);
	write_disk_is_sure(t, p, first, out);
	return failed;
}

static void leave_page(const struct trial *t, unsigned p, unsigned first,
		       struct outcome *out)
{
	struct outcome_page *page = &out->page[p];

	for (unsigned b = first; b < first + t->page_blocks[p]; b++)
		out->memory[b].bytes = file_block(t, b);
	page->on = MPIO_PAGE_UPTODATE;
	page->off = MPIO_PAGE_WRITEBACK | MPIO_PAGE_LOCKED;
	if (t->page_state[p] == PAGE_BUSY) {
		page->on |= MPIO_PAGE_WRITEBACK;
		page->off &= ~(uint32_t)MPIO_PAGE_WRITEBACK;
	}
	if (t->page_state[p] == PAGE_DONE)
		page->off |= MPIO_PAGE_DIRTY;
	else
		page->on |= MPIO_PAGE_DIRTY;
}

/** Mark the blocks that the walk writes if no mapping fails. */
static void write_needs(const struct trial *t, struct outcome *out)
{
	unsigned dealt_with = 0;
	unsigned first = 0;

	for (unsigned p = 0; p < t->page_count; p++) {
		unsigned end = first + t->page_blocks[p];

		if (t->page_state[p] == PAGE_WANTED &&
		    (t->sync || t->nr == WRITE_ALL_PAGES || dealt_with == 0 ||
		     dealt_with < t->nr)) {
			dealt_with++;
			for (unsigned b = first; b < end; b++)
				out->needed[b] =
					trial_is_marked(t, b) &&
					block_start(t, b) < t->file_size;
		}
		first = end;
	}
}

/** What the whole call may return. */
static void write_result(const struct trial *t, int first_unmapped,
			 struct outcome *out)
{
	bool device_failed = false;

	for (unsigned p = 0; p < t->page_count; p++)
		for (unsigned i = 0; i < out->page[p].error_count; i++)
			out->fails = true;
	for (unsigned b = 0; b < t->block_count; b++)
		if (out->failing[b] && out->fate[b] != FATE_STAY)
			device_failed = true;
	if (first_unmapped != 0)
		add_error(out->errors, &out->error_count, ERRORS_MAX,
			  first_unmapped);
	if (device_failed && t->sync)
		add_error(out->errors, &out->error_count, ERRORS_MAX,
			  -MPIO_EIO);
}

static void write_walk(const struct trial *t, uint32_t lost,
		       struct outcome *out)
{
	int first_unmapped = 0;
	bool stopped = false;
	unsigned first = 0;

	write_needs(t, out);
	for (unsigned p = 0; p < t->page_count; p++) {
		int failed = 0;

		if (t->page_state[p] == PAGE_BUSY && !stopped)
			out->skipped++;
		if (t->page_state[p] != PAGE_WANTED || stopped)
			leave_page(t, p, first, out);
		else
			failed = write_page(t, p, first, lost, out);
		if (first_unmapped == 0)
			first_unmapped = failed;
		if (t->page_state[p] == PAGE_WANTED && !stopped) {
			if (failed == 0 || t->sync)
				out->written++;
			stopped = !t->sync &&
				  (failed != 0 || out->written >= t->nr);
		}
		first += t->page_blocks[p];
	}
	write_result(t, first_unmapped, out);
}

void model_run(const struct trial *t, uint32_t lost, struct outcome *out)
{
	unsigned first = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned q = 0; q < QUEUES_MAX; q++)
		for (unsigned d = 0; d < DEVICE_BLOCKS; d++)
			out->disk[q][d].bytes =
				model_disk[q] + (size_t)d * t->block_size;
	for (unsigned p = 0; p < t->page_count; p++) {
		for (unsigned b = 0; b < t->page_blocks[p]; b++)
			out->page_of[first + b] = p;
		if (t->op == TRIAL_READ)
			read_page(t, p, first, lost, out);
		first += t->page_blocks[p];
	}
	if (t->op == TRIAL_WRITE)
		write_walk(t, lost, out);
}

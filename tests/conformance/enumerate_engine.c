/* SPDX-License-Identifier: MIT */
/*
 * The engine of a trial: the mapping's operations. They answer from the
 * trial's table of blocks, and hold each call against what the headers
 * promise: what may be asked, in which order, with the page in which state,
 * and what must have happened before (a boundary's I/O was received, a new
 * block was announced before it is written, no page ends twice).
 */
#include "enumerate.h"
#include <stdio.h>
#include <string.h>

/* Where a block that get_block fills itself claims to lie: past any end. */
enum { LIE = DEVICE_BLOCKS + 91 };

static bool is_hole(uint8_t kind, bool create)
{
	return kind == KIND_HOLE || (kind == KIND_NEW && !create);
}

static bool is_filled(uint8_t kind)
{
	return kind == KIND_FILLED || kind == KIND_INLINE;
}

/** Whether one answer may go on from block `b` to the next. */
static bool goes_on(const struct trial *t, unsigned b, bool create)
{
	const struct trial_block *block = &t->block[b];
	const struct trial_block *next = block + 1;

	if (is_hole(block->kind, create))
		return is_hole(next->kind, create);
	if (block->kind != next->kind || block->boundary)
		return false;
	if (is_filled(block->kind))
		return !trial_is_marked(t, b + 1);
	return block->queue == next->queue && block->device + 1 == next->device;
}

/** How many blocks the answer at `b` covers. */
static unsigned answer_length(const struct trial *t, unsigned b,
			      unsigned wanted, bool create)
{
	unsigned n = 1;

	if (t->slices == SLICES_SINGLE)
		return 1;
	if (t->slices == SLICES_HOLES_SINGLE &&
	    is_hole(t->block[b].kind, create))
		return 1;
	while (n < wanted && goes_on(t, b + n - 1, create)) {
		if (t->slices == SLICES_STRADDLING && ((b + n) & 1) != 0)
			break;
		n++;
	}
	return n;
}

static unsigned page_end(const struct trial *t, const struct outcome *out,
			 unsigned b)
{
	unsigned end = 0;

	for (unsigned p = 0; p <= out->page_of[b]; p++)
		end += t->page_blocks[p];
	return end;
}

/** The block after the last one that the answer at `b` serves. */
static unsigned answer_end(const struct trial *t, const struct outcome *out,
			   unsigned b, unsigned length)
{
	unsigned end = b + length;

	if (is_filled(t->block[b].kind) && end > page_end(t, out, b))
		end = page_end(t, out, b);
	return end;
}

/** The block after the last one that a call without CREATE may ask for. */
static unsigned request_end(const struct trial *t)
{
	unsigned in_file = (t->file_size + t->block_size - 1) / t->block_size;
	unsigned end = 0;
	unsigned b = 0;

	for (unsigned p = 0; p < t->page_count; p++) {
		b += t->page_blocks[p];
		if (t->page_state[p] != PAGE_ABSENT)
			end = b;
	}
	return end < in_file ? end : in_file;
}

/** The most blocks that a call at `b` may ask for. */
static unsigned wanted_max(const struct trial *t, const struct outcome *out,
			   unsigned b)
{
	unsigned n = 0;

	if (t->op == TRIAL_READ)
		return request_end(t) - b;
	while (b + n < t->block_count && out->needed[b + n])
		n++;
	return n;
}

unsigned engine_calls_max(const struct trial *t, const struct outcome *out)
{
	bool create = t->op == TRIAL_WRITE;
	unsigned covered = 0;
	unsigned calls = 0;

	for (unsigned b = 0; b < t->block_count; b++) {
		unsigned length;

		if (!out->needed[b] || b < covered)
			continue;
		calls++;
		length = answer_length(t, b, wanted_max(t, out, b), create);
		if (create && t->block[b].kind == KIND_HOLE)
			length = 1;
		covered = answer_end(t, out, b, length);
	}
	return calls;
}

static bool on_the_device(const struct stage *s, unsigned b)
{
	uint32_t units = s->t->block_size / UNIT;
	const struct trial_block *block = &s->t->block[b];

	for (uint32_t u = 0; u < units; u++) {
		uint32_t unit = block->device * units + u;

		if (unit * UNIT < s->t->device_size &&
		    !(s->received[block->queue] >> unit & 1))
			return false;
	}
	return true;
}

/** Before a call: what lies before the last boundary must have been sent. */
static void check_boundary(struct stage *s)
{
	const struct trial *t = s->t;
	unsigned next;

	if (s->boundary < 0 || s->out->fate[s->boundary] != FATE_MOVE)
		return;
	if (!on_the_device(s, (unsigned)s->boundary))
		stage_wrong(s, "get_block comes before a boundary's I/O");
	next = t->block[s->boundary].device + 1u;
	if (t->op == TRIAL_WRITE && t->engine == ENGINE_TOLD &&
	    next * t->block_size < t->device_size &&
	    !(s->noted >> s->boundary & 1))
		stage_wrong(s, "get_block comes before boundary()");
}

static void check_call(struct stage *s, const struct mpio_page *page,
		       uint64_t block, uint32_t flags,
		       const struct mpio_extent *extent)
{
	const struct trial *t = s->t;

	if (block >= t->block_count || !s->out->needed[block]) {
		stage_wrong(s, "get_block is asked about a block not needed");
		return;
	}
	if (block < s->answered)
		stage_wrong(s, "get_block is asked again");
	if (extent->count == 0 ||
	    extent->count > wanted_max(t, s->out, (unsigned)block))
		stage_wrong(s, "get_block is asked for too many blocks");
	if (extent->block != 0 || extent->queue != NULL ||
	    extent->cookie != 0 || extent->flags != 0)
		stage_wrong(s,
			    "get_block is given an extent that is not empty");
	if (flags != (t->op == TRIAL_WRITE ? MPIO_MAP_CREATE : 0u))
		stage_wrong(s, "get_block has wrong flags");
	if (page != &s->page[s->out->page_of[block]])
		stage_wrong(s, "get_block is given another page");
	else if (!(page->flags & MPIO_PAGE_LOCKED))
		stage_wrong(s, "get_block is given a page not locked");
}

static void fill(const struct stage *s, struct mpio_page *page, unsigned b,
		 unsigned end)
{
	uint32_t size = s->t->block_size;

	memset((unsigned char *)page->data + (b * size - page->pos), MODEL_FILL,
	       (size_t)(end - b) * size);
}

static void describe_run(struct stage *s, struct mpio_page *page, unsigned b,
			 unsigned end, struct mpio_extent *extent)
{
	const struct trial_block *block = &s->t->block[b];
	unsigned last = b + (unsigned)extent->count - 1;

	extent->block = block->device;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (block->queue != 0 || (block->device & 1) != 0)
		extent->queue = s->queue[block->queue];
	if (block->kind == KIND_UNWRITTEN)
		extent->flags |= MPIO_EXTENT_UNWRITTEN;
	if (block->kind == KIND_NEW) {
		extent->flags |= MPIO_EXTENT_NEW;
		for (unsigned i = b; i <= last; i++)
			s->allocated |= 1u << i;
	}
	if (is_filled(block->kind)) {
		fill(s, page, b, end);
		extent->flags |= MPIO_EXTENT_UPTODATE;
		extent->block = LIE;
		if (block->kind == KIND_INLINE) {
			extent->flags = MPIO_EXTENT_UPTODATE;
			extent->block = 0;
		}
	} else if (s->t->block[last].boundary) {
		extent->flags |= MPIO_EXTENT_BOUNDARY;
		s->boundary = (int)last;
	}
}

static int answer(struct stage *s, struct mpio_page *page, unsigned b,
		  bool create, struct mpio_extent *extent)
{
	const struct trial *t = s->t;
	unsigned wanted = (unsigned)extent->count;
	unsigned length;

	s->answered = b + 1;
	if (t->block[b].kind == KIND_FAIL)
		return -MPIO_EIO;
	if (create && t->block[b].kind == KIND_HOLE)
		return -MPIO_ENOSPC;
	length = answer_length(t, b, wanted, create);
	extent->count = length;
	s->answered = answer_end(t, s->out, b, length);
	if (!is_hole(t->block[b].kind, create))
		describe_run(s, page, b, (unsigned)s->answered, extent);
	return 0;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct stage *s = mapping->host;
	unsigned wanted = (unsigned)extent->count;
	int error = -MPIO_EIO;

	check_boundary(s);
	s->boundary = -1;
	s->calls++;
	check_call(s, page, block, flags, extent);
	if (block < s->t->block_count && s->wrong == NULL)
		error = answer(s, page, (unsigned)block,
			       (flags & MPIO_MAP_CREATE) != 0, extent);
	if (s->verbose)
		printf("get_block %u wanted %u: %d, block %u count %u "
		       "flags %x\n",
		       (unsigned)block, wanted, error, (unsigned)extent->block,
		       (unsigned)extent->count, extent->flags);
	return error;
}

/** Note the end of a page; its flags must be those of its status. */
static void page_end_told(struct stage *s, const struct mpio_page *page,
			  int status, uint32_t good, uint32_t bad)
{
	size_t p = (size_t)(page - s->page);

	if (s->verbose)
		printf("end of page %u: %d, flags %x\n", (unsigned)p, status,
		       page->flags);
	if (p >= s->t->page_count || s->ends[p] != 0) {
		stage_wrong(s, "a page ends twice, or was never there");
		return;
	}
	s->ends[p]++;
	s->status[p] = status;
	if (page->error != status)
		stage_wrong(s, "page->error is not the status at its end");
	if ((page->flags & (good | bad)) != (status == 0 ? good : bad))
		stage_wrong(s, "a page's flags at its end are wrong");
	if (page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK))
		stage_wrong(s, "a page ends locked or under write-back");
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	page_end_told(mapping->host, page, status, MPIO_PAGE_UPTODATE,
		      MPIO_PAGE_ERROR);
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	page_end_told(mapping->host, page, status, 0,
		      MPIO_PAGE_DIRTY | MPIO_PAGE_ERROR);
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct stage *s = mapping->host;
	size_t count = 0;

	for (unsigned p = 0; p < s->t->page_count && count < pages_max; p++) {
		struct mpio_page *page = &s->page[p];

		if (s->t->page_state[p] != PAGE_ABSENT && page->pos >= pos &&
		    page->pos < end && (page->flags & flags) == flags)
			pages[count++] = page;
	}
	return count;
}

/** The block of the file that lies there, or -1. */
static int block_at(const struct stage *s, const struct mpio_queue *queue,
		    uint64_t device)
{
	for (unsigned b = 0; b < s->t->block_count; b++) {
		const struct trial_block *block = &s->t->block[b];

		if (block->device == device && block->kind != KIND_HOLE &&
		    block->kind != KIND_FAIL && s->queue[block->queue] == queue)
			return (int)b;
	}
	return -1;
}

static void new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		       uint64_t block, uint64_t count)
{
	struct stage *s = mapping->host;

	for (uint64_t i = 0; i < count; i++) {
		int b = block_at(s, queue, block + i);

		if (b < 0 || !(s->allocated >> b & 1)) {
			stage_wrong(s, "new_blocks names a block not new");
			return;
		}
		if (s->announced >> b & 1)
			stage_wrong(s, "new_blocks names a block twice");
		if (s->out->length[b] != 0 && on_the_device(s, (unsigned)b))
			stage_wrong(s, "new_blocks comes after the I/O");
		s->announced |= 1u << b;
	}
}

static void boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		     uint64_t block)
{
	struct stage *s = mapping->host;
	int b = block_at(s, queue, block - 1);

	if (s->verbose)
		printf("boundary %u\n", (unsigned)block);
	if (b < 0 || !s->t->block[b].boundary) {
		stage_wrong(s, "boundary() names a block after no boundary");
		return;
	}
	if (s->noted >> b & 1)
		stage_wrong(s, "boundary() names a block twice");
	if (!on_the_device(s, (unsigned)b))
		stage_wrong(s, "boundary() comes before its I/O");
	s->noted |= 1u << b;
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	struct stage *s = mapping->host;
	uint32_t size = s->t->block_size;

	for (uint64_t at = pos; at < pos + length; at += UNIT) {
		uint64_t unit = at / UNIT;
		uint64_t device = (offset + (at - pos)) / size;
		unsigned b = (unsigned)(at / size);

		if (b >= s->t->block_count ||
		    block_at(s, queue, device) != (int)b ||
		    (offset + (at - pos)) % size != at % size) {
			stage_wrong(s, "written() names what lies elsewhere");
			break;
		}
		if (s->told >> unit & 1)
			stage_wrong(s, "written() names bytes twice");
		if (s->ends[s->out->page_of[b]] != 0)
			stage_wrong(s, "written() comes after write_end");
		s->told |= 1u << unit;
	}
	return 0;
}

static void account(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint32_t bytes)
{
	struct stage *s = mapping->host;
	size_t p = (size_t)(page - s->page);

	if (p >= s->t->page_count) {
		stage_wrong(s, "account() is given another page");
		return;
	}
	s->accounts[p]++;
	s->accounted[p] = bytes;
}

static bool still_valid(struct mpio_mapping *mapping,
			const struct mpio_extent *extent)
{
	struct stage *s = mapping->host;

	if (extent->count == 0 || extent->count > BLOCKS_MAX)
		stage_wrong(s, "still_valid() is given no answer");
	return true;
}

/** Whether a page's bytes, up to where they must be, are the model's. */
static bool bytes_are_there(const struct stage *s, unsigned p,
			    const unsigned char *bytes)
{
	uint32_t size = s->t->block_size;
	size_t first = (size_t)(s->page[p].pos / size);

	for (size_t i = 0; i < s->t->page_blocks[p]; i++)
		if (s->out->memory[first + i].bytes == NULL ||
		    memcmp(bytes + i * size, s->out->memory[first + i].bytes,
			   size) != 0)
			return false;
	return true;
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	struct stage *s = mapping->host;
	size_t p = (size_t)(page - s->page);

	if (p >= s->t->page_count || s->seals[p]++ != 0 || s->ends[p] != 0)
		stage_wrong(s, "verify() comes twice, or too late");
	else if (!bytes_are_there(s, (unsigned)p, page->data))
		stage_wrong(s, "verify() is given a page not read whole");
	return 0;
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct stage *s = mapping->host;
	size_t p = (size_t)(page - s->page);

	if (*data != page->data)
		stage_wrong(s, "seal() is given other memory");
	if (p >= s->t->page_count || s->seals[p]++ != 0 || s->ends[p] != 0)
		stage_wrong(s, "seal() comes twice, or too late");
	else if (!bytes_are_there(s, (unsigned)p, page->data))
		stage_wrong(s, "seal() is given bytes not ready");
	*data = stage_shadow(page->data);
	memcpy(*data, page->data, page->size);
	return 0;
}

const struct mpio_mapping_ops engine_ops[ENGINE_COUNT] = {
	[ENGINE_TOLD] =
		{
			.get_block = get_block,
			.read_end = read_end,
			.write_end = write_end,
			.next_dirty = next_dirty,
			.new_blocks = new_blocks,
			.boundary = boundary,
			.written = written,
			.account = account,
		},
	[ENGINE_BARE] =
		{
			.get_block = get_block,
			.read_end = read_end,
			.write_end = write_end,
			.next_dirty = next_dirty,
		},
	[ENGINE_SEALS] =
		{
			.get_block = get_block,
			.read_end = read_end,
			.write_end = write_end,
			.next_dirty = next_dirty,
			.still_valid = still_valid,
			.verify = verify,
			.seal = seal,
		},
};

/* SPDX-License-Identifier: MIT */
/*
 * The mock engine: a block map, pages, and the callbacks of a mapping. It
 * answers from the map, tells the trace what it was asked, and checks what the
 * library promises about each page it names.
 */
#include "mock.h"

#include <inttypes.h>

uint32_t index_of(const struct rig *rig, const struct mpio_page *page)
{
	return (uint32_t)((const struct frame *)page - rig->frames);
}

struct mpio_page *page_at(struct rig *rig, uint32_t index)
{
	assert_in_range(index, 0, rig->frame_count - 1);
	return &rig->frames[index].page;
}

/* ---- The map ------------------------------------------------------------ */

struct mock_extent *map_blocks(struct rig *rig, uint64_t first, uint64_t count,
			       uint64_t block)
{
	struct mock_extent *extent = &rig->map[rig->map_count++];

	assert_in_range(rig->map_count, 1, COUNT_OF(rig->map));
	*extent = (struct mock_extent){
		.first = first,
		.count = count,
		.block = block,
		.flags = MPIO_EXTENT_MAPPED,
	};
	return extent;
}

static const struct mock_extent *find(const struct rig *rig, uint64_t block)
{
	for (uint32_t i = 0; i < rig->map_count; i++) {
		const struct mock_extent *extent = &rig->map[i];

		if (block >= extent->first &&
		    block < extent->first + extent->count)
			return extent;
	}
	return NULL;
}

/* Whether a block of an extent lies nowhere yet. */
static bool is_missing(const struct rig *rig, const struct mock_extent *extent,
		       uint64_t block)
{
	return extent == NULL ||
	       ((extent->flags & MPIO_EXTENT_NEW) && !rig->allocated[block]);
}

static int answer_hole(const struct rig *rig, uint64_t block, bool create,
		       struct mpio_extent *answer)
{
	uint64_t n = 1;

	if (create)
		return -MPIO_ENOSPC;
	while (n < answer->count &&
	       is_missing(rig, find(rig, block + n), block + n))
		n++;
	answer->count = rig->holes_untold ? 1 : n;
	return 0;
}

static void answer_mapped(struct rig *rig, const struct mock_extent *extent,
			  uint64_t block, bool create,
			  struct mpio_extent *answer)
{
	bool missing = is_missing(rig, extent, block);
	uint64_t end = extent->first + extent->count;
	uint64_t most = answer->count;
	uint64_t n = 0;

	if (rig->answer_max != 0 && most > rig->answer_max)
		most = rig->answer_max;
	while (n < most && block + n < end &&
	       is_missing(rig, extent, block + n) == missing) {
		if (missing)
			rig->allocated[block + n] = create;
		n++;
	}
	answer->block = extent->block + (block - extent->first);
	answer->count = n;
	answer->queue = extent->queue;
	answer->cookie = extent->cookie;
	answer->flags = extent->flags &
			~(uint32_t)(MPIO_EXTENT_NEW | MPIO_EXTENT_BOUNDARY);
	if (missing)
		answer->flags |= MPIO_EXTENT_NEW;
	if (block + n == end)
		answer->flags |= extent->flags & MPIO_EXTENT_BOUNDARY;
}

/* Bytes that get_block has of its own, in this page. */
static void fill_inline(struct mpio_page *page, uint64_t block, uint64_t count)
{
	uint64_t at = block * BLOCK - page->pos;

	if (count > (page->size - at) / BLOCK)
		count = (page->size - at) / BLOCK;
	memset((char *)page->data + at, 0x1b, (size_t)count * BLOCK);
}

static void check_question(struct rig *rig, const struct mpio_page *page,
			   uint64_t block, uint32_t flags,
			   const struct mpio_extent *extent)
{
	uint64_t size = rig->mapping.size;
	uint64_t end = size / BLOCK + (size % BLOCK != 0);

	if (!(page->flags & MPIO_PAGE_LOCKED))
		trouble(rig, "get_block with a page that is not locked");
	if (block * BLOCK < page->pos ||
	    block * BLOCK >= page->pos + page->size)
		trouble(rig, "get_block for a block outside its page");
	if (extent->count == 0 || block + extent->count > end)
		trouble(rig, "get_block past the end of file");
	if (extent->block != 0 || extent->flags != 0 || extent->cookie != 0 ||
	    extent->queue != NULL)
		trouble(rig, "get_block with an extent that is not zero");
	if ((flags & ~MPIO_MAP_CREATE) != 0)
		trouble(rig, "get_block with unknown flags");
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct rig *rig = mapping->host;
	bool create = (flags & MPIO_MAP_CREATE) != 0;
	const struct mock_extent *found = find(rig, block);

	trace(rig, WATCH_MAP, "%s %" PRIu64 "+%" PRIu64,
	      create ? "alloc" : "map", block, extent->count);
	check_question(rig, page, block, flags, extent);
	if (rig->before_map != NULL)
		rig->before_map(rig, block);
	if (rig->answer != NULL)
		return rig->answer(rig, block, flags, extent);
	if (found != NULL && found->error != 0)
		return found->error;
	if (found == NULL || (is_missing(rig, found, block) && !create))
		return answer_hole(rig, block, create, extent);
	answer_mapped(rig, found, block, create, extent);
	if (extent->flags & MPIO_EXTENT_UPTODATE)
		fill_inline(page, block, extent->count);
	return 0;
}

/* ---- Ends --------------------------------------------------------------- */

static void note_end(struct rig *rig, const char *name, struct frame *frame,
		     int status)
{
	uint32_t index = index_of(rig, &frame->page);

	frame->status = status;
	if (status == 0)
		trace(rig, WATCH_END, "%s %" PRIu32, name, index);
	else
		trace(rig, WATCH_END, "%s %" PRIu32 ":%d", name, index, status);
	if (frame->page.flags >= MPIO_PAGE_ATOMIC << 1)
		trouble(rig, "%s with flags %#x", name,
			(unsigned)frame->page.flags);
	if ((status != 0) != ((frame->page.flags & MPIO_PAGE_ERROR) != 0))
		trouble(rig, "%s with status %d and flags %#x", name, status,
			(unsigned)frame->page.flags);
	if (rig->after_end != NULL)
		rig->after_end(rig, frame);
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct rig *rig = mapping->host;
	struct frame *frame = (struct frame *)page;
	bool uptodate = (page->flags & MPIO_PAGE_UPTODATE) != 0;

	frame->reads++;
	if (page->flags & MPIO_PAGE_LOCKED)
		trouble(rig, "read_end of a locked page");
	if (uptodate != (status == 0))
		trouble(rig, "read_end: uptodate is %d, status %d", uptodate,
			status);
	note_end(rig, "read_end", frame, status);
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	struct rig *rig = mapping->host;
	struct frame *frame = (struct frame *)page;
	bool drop = (mapping->flags & MPIO_MAPPING_DROP_FAILED) != 0;

	frame->writes++;
	if (page->flags & MPIO_PAGE_WRITEBACK)
		trouble(rig, "write_end of a page under write-back");
	if (status != 0 && !drop && !(page->flags & MPIO_PAGE_DIRTY))
		trouble(rig, "write_end: failed and not dirty");
	note_end(rig, "write_end", frame, status);
}

/* ---- Other callbacks ---------------------------------------------------- */

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct rig *rig = mapping->host;
	size_t n = 0;

	if (rig->names_max != 0 && pages_max > rig->names_max)
		pages_max = rig->names_max;
	for (uint32_t i = 0; i < rig->frame_count && n < pages_max; i++) {
		struct mpio_page *page = &rig->frames[i].page;

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

/* What stands before a block of a device. */
static const char *prefix(const struct rig *rig, const struct mpio_queue *queue)
{
	return mpio_queue_device(queue) == &rig->b.device ? "b:" : "";
}

void rig_new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		    uint64_t block, uint64_t count)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "%snew %" PRIu64 "+%" PRIu64,
	      prefix(rig, queue), block, count);
}

void rig_boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		  uint64_t block)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "%sboundary %" PRIu64, prefix(rig, queue),
	      block);
}

int rig_written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		struct mpio_queue *queue, uint64_t offset)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "written %" PRIu64 "+%" PRIu32 "@%s%" PRIu64,
	      pos / BLOCK, length / BLOCK, prefix(rig, queue), offset / BLOCK);
	return rig->hook_error;
}

void rig_account(struct mpio_mapping *mapping, struct mpio_page *page,
		 uint32_t bytes)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "account %" PRIu32 ":%" PRIu32,
	      index_of(rig, page), bytes / BLOCK);
}

int rig_verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "verify %" PRIu32, index_of(rig, page));
	return rig->hook_error;
}

bool rig_still_valid(struct mpio_mapping *mapping,
		     const struct mpio_extent *extent)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "valid? %" PRIu64, extent->cookie);
	return rig->is_valid == NULL || rig->is_valid(rig, extent->cookie);
}

void rig_engine_init(struct rig *rig)
{
	rig->ops = (struct mpio_mapping_ops){
		.get_block = get_block,
		.read_end = read_end,
		.write_end = write_end,
		.next_dirty = next_dirty,
	};
	rig->mapping = (struct mpio_mapping){
		.ops = &rig->ops,
		.host = rig,
		.size = DISK_BLOCKS * BLOCK,
		.block_size = BLOCK,
	};
}

/* ---- Pages -------------------------------------------------------------- */

static void *get_memory(struct rig *rig, struct frame *frame, size_t size)
{
	unsigned char *memory;

	if (!rig->together) {
		frame->own_memory = true;
		memory = malloc(size);
	} else {
		if (rig->arena == NULL)
			rig->arena = aligned_alloc(4096, DISK_BLOCKS * BLOCK);
		memory = rig->arena + rig->arena_used;
		rig->arena_used += size;
		assert_in_range(rig->arena_used, 0, DISK_BLOCKS * BLOCK);
	}
	assert_non_null(memory);
	return memset(memory, 0xa5, size);
}

void add_pages(struct rig *rig, uint64_t first_block, uint32_t blocks,
	       uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++) {
		struct frame *frame = &rig->frames[rig->frame_count++];
		uint32_t size = blocks * BLOCK;
		uint64_t pos = first_block * BLOCK + (uint64_t)i * size;

		assert_in_range(rig->frame_count, 1, COUNT_OF(rig->frames));
		mpio_page_init(&frame->page, &rig->mapping, pos,
			       get_memory(rig, frame, size), size);
	}
}

void give_bits(struct rig *rig, uint32_t index)
{
	struct mpio_page *page = page_at(rig, index);

	assert_in_range(MPIO_PAGE_BLOCK_WORDS(page->size, BLOCK), 2, 4);
	page->blocks = rig->frames[index].bits;
}

void fill_blocks(struct rig *rig, uint32_t index, uint32_t first, uint32_t n)
{
	struct mpio_page *page = page_at(rig, index);
	uint32_t at = first * BLOCK;

	pattern_fill((unsigned char *)page->data + at, 'f', page->pos + at,
		     (size_t)n * BLOCK);
	if (page->blocks == NULL)
		return;
	for (uint32_t i = first; i < first + n; i++)
		page->blocks[i / 64] |= UINT64_C(1) << i % 64;
}

void dirty_blocks(struct rig *rig, uint32_t index, uint32_t first, uint32_t n)
{
	fill_blocks(rig, index, first, n);
	assert_int_equal(mpio_page_set_dirty(page_at(rig, index), first * BLOCK,
					     n * BLOCK),
			 0);
}

void dirty_page(struct rig *rig, uint32_t index)
{
	struct mpio_page *page = page_at(rig, index);

	dirty_blocks(rig, index, 0, page->size / BLOCK);
	page->flags |= MPIO_PAGE_UPTODATE;
}

void dirty_all(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->frame_count; i++)
		dirty_page(rig, i);
}

/* ---- The verbs ---------------------------------------------------------- */

int read_pages(struct rig *rig, uint32_t first, uint32_t n, uint32_t flags)
{
	struct mpio_page *pages[COUNT_OF(rig->frames)] = {0};
	uint32_t taken;
	int result;

	for (uint32_t i = 0; i < n; i++) {
		pages[i] = page_at(rig, first + i);
		pages[i]->flags |= MPIO_PAGE_LOCKED;
		rig->frames[first + i].handed++;
	}
	result = mpio_readahead(rig->queue, &rig->mapping, pages, n, flags);
	taken = result < 0 ? 0 : (uint32_t)result;
	assert_in_range(taken, 0, n);
	for (uint32_t i = taken; i < n; i++) {
		assert_true(pages[i]->flags & MPIO_PAGE_LOCKED);
		pages[i]->flags &= ~MPIO_PAGE_LOCKED;
		rig->frames[first + i].handed--;
	}
	return result;
}

int read_all(struct rig *rig, uint32_t flags)
{
	return read_pages(rig, 0, rig->frame_count, flags);
}

int write_all(struct rig *rig, enum mpio_sync_mode mode)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = mode,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
	};

	return mpio_writepages(rig->queue, &rig->mapping, &wbc);
}

int sync_all(struct rig *rig)
{
	return write_all(rig, MPIO_SYNC_ALL);
}

void open_with_pages(struct rig *rig, uint32_t blocks, uint32_t pages)
{
	map_blocks(rig, 0, (uint64_t)blocks * pages, 100);
	add_pages(rig, 0, blocks, pages);
	rig_open(rig);
}

void open_slow(struct rig *rig, uint32_t blocks, uint32_t pages)
{
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	open_with_pages(rig, blocks, pages);
}

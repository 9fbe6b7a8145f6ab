/* SPDX-License-Identifier: MIT */
/*
 * Pages of a mapping of the fuzzer's own: two blocks each, all of them mapped,
 * in two pieces of the disk that lie the wrong way round.
 */
#include "api.h"

#include <mpio/stream.h>

#include <string.h>

#define PAGE_BYTES (2 * API_BLOCK)
#define PAGES (API_PAGES_SECTORS / 2)
#define HALF (API_PAGES_SECTORS / 2)
#define SIZE (API_PAGES_SECTORS * SECTOR - 100)

struct own_page {
	struct mpio_page page; /* first */
	bool reading;
	uint32_t ends; /* since it was handed in */
	uint32_t held; /* so often by the stream */
	unsigned char memory[PAGE_BYTES];
};

static struct {
	struct mpio_mapping mapping;
	struct own_page pages[PAGES];
	unsigned char bytes[PAGES * PAGE_BYTES]; /* what the mapping holds */
	struct mpio_errseq since;
	uint64_t faults; /* when errors were told last */
	/* A stream. */
	struct mpio_stream *stream;
	uint32_t named;    /* pages */
	uint32_t expected; /* of them, handed over */
	uint32_t order[PAGES];
	uint32_t order_count;
} own;

static struct own_page *page_of(struct mpio_page *page)
{
	return (struct own_page *)page;
}

/* ---- The engine --------------------------------------------------------- */

static uint64_t place_of(uint64_t block)
{
	return API_PAGES_AT / SECTOR + (block + HALF) % API_PAGES_SECTORS;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	uint64_t left = block < HALF ? HALF - block : API_PAGES_SECTORS - block;
	int error = api_map_fault(flags);

	(void)mapping, (void)page;
	if (error != 0)
		return error;
	FUZZ_CHECK(extent->count != 0);
	extent->block = place_of(block);
	extent->flags = MPIO_EXTENT_MAPPED;
	if (extent->count > left)
		extent->count = left;
	return 0;
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct own_page *p = page_of(page);

	(void)mapping;
	FUZZ_CHECK(p->reading && p->ends++ == 0 && status <= 0);
	FUZZ_CHECK(!(page->flags & MPIO_PAGE_LOCKED));
	p->reading = false;
	if (status == 0)
		FUZZ_CHECK(memcmp(p->memory, own.bytes + page->pos,
				  page->pos + PAGE_BYTES <= SIZE
					  ? PAGE_BYTES
					  : SIZE - (size_t)page->pos) == 0);
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	(void)mapping;
	FUZZ_CHECK(!(page->flags & MPIO_PAGE_WRITEBACK));
	FUZZ_CHECK(status == 0 || (page->flags & MPIO_PAGE_DIRTY));
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	size_t n = 0;

	(void)mapping;
	for (uint32_t i = 0; i < PAGES && n < pages_max; i++) {
		struct mpio_page *page = &own.pages[i].page;

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static const struct mpio_mapping_ops ops = {
	.get_block = get_block,
	.read_end = read_end,
	.write_end = write_end,
	.next_dirty = next_dirty,
};

/* ---- Reading and writing ------------------------------------------------ */

static bool can_be_read(const struct own_page *p)
{
	const uint32_t busy = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK |
			      MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY;

	return !(p->page.flags & busy) && p->held == 0;
}

static void lock(struct own_page *p)
{
	p->page.flags |= MPIO_PAGE_LOCKED;
	p->reading = true;
	p->ends = 0;
}

static void unlock(struct mpio_page *page)
{
	page->flags &= ~MPIO_PAGE_LOCKED;
	page_of(page)->reading = false;
}

static void read_some(uint32_t from)
{
	struct mpio_page *list[PAGES];
	uint32_t n = 0;
	uint32_t most = 1 + fuzz_below(&api.in, PAGES);
	uint32_t flags = fuzz_below(&api.in, 8);
	int taken;

	for (; from < PAGES && n < most; from++) {
		if (!can_be_read(&own.pages[from]))
			continue;
		lock(&own.pages[from]);
		list[n++] = &own.pages[from].page;
	}
	taken = mpio_readahead(api.queue, &own.mapping, list, n, flags);
	FUZZ_CHECK(taken == (int)n || (flags & MPIO_READ_AHEAD));
	FUZZ_CHECK(taken >= 0 && taken <= (int)n);
	for (uint32_t i = (uint32_t)taken; i < n; i++)
		unlock(list[i]);
}

/* Dirty, perhaps while it is written. */
static void change(struct own_page *p)
{
	uint32_t offset = fuzz_below(&api.in, PAGE_BYTES);
	uint32_t length = 1 + fuzz_below(&api.in, PAGE_BYTES - offset);
	int byte = (int)fuzz_byte(&api.in);

	if (p->page.flags & MPIO_PAGE_LOCKED)
		return;
	if (!(p->page.flags & MPIO_PAGE_UPTODATE) && length != PAGE_BYTES) {
		FUZZ_CHECK(mpio_page_set_dirty(&p->page, offset, length) ==
			   -MPIO_ENODATA);
		return;
	}
	FUZZ_CHECK(mpio_page_set_dirty(&p->page, offset, length) == 0);
	p->page.flags |= MPIO_PAGE_UPTODATE;
	memset(p->memory + offset, byte, length);
	memset(own.bytes + p->page.pos + offset, byte, length);
}

/* A walk that syncs tells what its holder has not been told yet. */
static void allow_late(int error, enum mpio_sync_mode mode)
{
	if (error != 0 && error != -MPIO_EDEADLK)
		FUZZ_CHECK(error < 0 && api.faults != own.faults);
	if (mode == MPIO_SYNC_ALL)
		own.faults = api.faults;
}

static void write_some(void)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = (enum mpio_sync_mode)fuzz_below(&api.in, 2),
		.nr_to_write = fuzz_flag(&api.in) ? fuzz_below(&api.in, 9)
						  : MPIO_WRITE_ALL,
		.range_cyclic = fuzz_chance(&api.in, 60),
		.tagged = fuzz_chance(&api.in, 60),
		.since = &own.since,
	};

	if (fuzz_chance(&api.in, 80))
		wbc.range_start = fuzz_number(&api.in, 2);
	allow_late(mpio_writepages(api.queue, &own.mapping, &wbc),
		   wbc.sync_mode);
}

static void write_one(struct own_page *p)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = (enum mpio_sync_mode)fuzz_below(&api.in, 2),
	};
	int error = mpio_write_page(api.queue, &own.mapping, &p->page, &wbc);

	if (error == -MPIO_EBUSY)
		FUZZ_CHECK(wbc.sync_mode == MPIO_SYNC_NONE);
	else if (error != 0)
		FUZZ_CHECK(api.faults != own.faults || error == -MPIO_EDEADLK);
}

static void forget(struct own_page *p)
{
	if (p->page.flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK |
			     MPIO_PAGE_DIRTY) ||
	    p->held != 0)
		return;
	p->page.flags &= ~(MPIO_PAGE_UPTODATE | MPIO_PAGE_ERROR);
	memset(p->memory, 0xa5, PAGE_BYTES);
}

/* ---- Streams ------------------------------------------------------------ */

static int stream_next(void *ctx, uint64_t *pos)
{
	(void)ctx;
	if (own.named == own.order_count)
		return 0;
	*pos = own.order[own.named++] * PAGE_BYTES;
	return 1;
}

static int stream_take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	struct own_page *p = &own.pages[pos / PAGE_BYTES];
	int found = MPIO_STREAM_HIT;

	(void)ctx;
	if (fuzz_chance(&api.in, 20))
		return MPIO_STREAM_NO_FRAME;
	*page = &p->page;
	if (p->page.flags & MPIO_PAGE_LOCKED)
		found = MPIO_STREAM_BUSY;
	else if (can_be_read(p))
		found = MPIO_STREAM_READ;
	if (found == MPIO_STREAM_READ)
		lock(p);
	p->held++;
	return found;
}

static void stream_release(void *ctx, struct mpio_page *page)
{
	(void)ctx;
	FUZZ_CHECK(!(page->flags & MPIO_PAGE_LOCKED));
	FUZZ_CHECK(page_of(page)->held-- != 0);
}

static const struct mpio_stream_ops stream_ops = {
	.next = stream_next,
	.take = stream_take,
	.release = stream_release,
};

static void choose_order(void)
{
	own.order_count = 1 + fuzz_below(&api.in, PAGES);
	own.named = 0;
	own.expected = 0;
	for (uint32_t i = 0; i < own.order_count; i++) {
		own.order[i] = i != 0 ? (own.order[i - 1] + 1) % PAGES : 0;
		if (fuzz_chance(&api.in, 80))
			own.order[i] = fuzz_below(&api.in, PAGES);
	}
}

static void open_stream(void)
{
	static _Alignas(max_align_t) unsigned char memory[8192];
	struct mpio_stream_config config = {
		.ops = &stream_ops,
		.combine_bytes = fuzz_below(&api.in, 5) * PAGE_BYTES,
		.look_ahead_max = 1 + fuzz_below(&api.in, 16),
		.runs_max = 1 + fuzz_below(&api.in, 4),
		.page_size = PAGE_BYTES,
		.memory = memory,
		.memory_size = sizeof(memory),
	};

	if (config.combine_bytes == 0)
		config.combine_bytes = PAGE_BYTES;
	choose_order();
	FUZZ_CHECK(mpio_stream_size(&config) <= sizeof(memory));
	FUZZ_CHECK(mpio_stream_open(api.queue, &own.mapping, &config,
				    &own.stream) == 0);
}

static void close_stream(void)
{
	mpio_stream_close(own.stream);
	own.stream = NULL;
}

static void use_stream(void)
{
	struct mpio_page *page = NULL;
	int result;

	if (own.stream == NULL) {
		open_stream();
		return;
	}
	if (fuzz_chance(&api.in, 10)) {
		FUZZ_CHECK(mpio_stream_reset(own.stream) == 0);
		choose_order();
		return;
	}
	result = mpio_stream_next(own.stream, &page);
	if (result == 1) {
		FUZZ_CHECK(own.expected < own.named);
		FUZZ_CHECK(page->pos == own.order[own.expected++] * PAGE_BYTES);
		FUZZ_CHECK(!(page->flags & MPIO_PAGE_LOCKED));
		FUZZ_CHECK(page_of(page)->held-- != 0);
	} else if (result == 0) {
		FUZZ_CHECK(own.expected == own.order_count);
	} else {
		FUZZ_CHECK(result == -MPIO_ENOMEM || result == -MPIO_EDEADLK);
	}
	if (result == 0 || fuzz_chance(&api.in, 10))
		close_stream();
}

/* ---- All of them -------------------------------------------------------- */

void pages_begin(void)
{
	memset(&own, 0, offsetof(__typeof__(own), pages));
	own.mapping = (struct mpio_mapping){
		.ops = &ops,
		.size = SIZE,
		.block_size = API_BLOCK,
	};
	for (uint32_t i = 0; i < PAGES; i++) {
		struct own_page *p = &own.pages[i];

		mpio_page_init(&p->page, &own.mapping, i * PAGE_BYTES,
			       p->memory, PAGE_BYTES);
		p->reading = false;
		p->held = 0;
	}
	for (uint32_t i = 0; i < API_PAGES_SECTORS; i++)
		memcpy(own.bytes + i * SECTOR,
		       api.disk.bytes + place_of(i) * SECTOR, SECTOR);
	own.since = (struct mpio_errseq){0};
	own.faults = 0;
	own.stream = NULL;
}

void pages_use(void)
{
	uint32_t i = fuzz_below(&api.in, PAGES);

	switch (fuzz_below(&api.in, 8)) {
	case 0:
		read_some(i);
		break;
	case 1:
	case 2:
		change(&own.pages[i]);
		break;
	case 3:
		write_some();
		break;
	case 4:
		write_one(&own.pages[i]);
		break;
	case 5:
		forget(&own.pages[i]);
		break;
	default:
		use_stream();
	}
}

void pages_end(void)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	struct mpio_errseq since;

	close_stream();
	since = mpio_errseq_sample(&own.mapping.errors);
	(void)mpio_errseq_check_and_advance(&own.mapping.errors, &since);
	FUZZ_CHECK(mpio_writepages(api.queue, &own.mapping, &wbc) == 0);
	for (uint32_t i = 0; i < PAGES; i++)
		FUZZ_CHECK(!(own.pages[i].page.flags &
			     (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK |
			      MPIO_PAGE_DIRTY)));
	for (uint32_t i = 0; i < SIZE; i += SECTOR)
		FUZZ_CHECK(
			memcmp(api.disk.bytes + place_of(i / SECTOR) * SECTOR,
			       own.bytes + i,
			       SIZE - i < SECTOR ? SIZE - i : SECTOR) == 0);
}

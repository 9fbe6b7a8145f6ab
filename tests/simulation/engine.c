/* SPDX-License-Identifier: MIT */
/*
 * The engine's side of its pages. Each page is looked at when its read or its
 * write ends: once, and as it must be.
 */
#include "pages.h"

#include <string.h>

/* ---- The engine --------------------------------------------------------- */

/* Whether nothing but the library's own wish may hold a read back. */
static bool is_plain(const struct volume *volume)
{
	return world.plugs == 0 && !raw_bars() && !world.is_odd &&
	       world.sector == 512 && volume->filter_count == 0 &&
	       volume->gate.limits.memory_alignment <= 1;
}

/*
 * Behind a boundary nobody is asked before what lies in front of it was sent:
 * what he has to read lies there.
 */
static void check_fence(uint64_t block)
{
	const struct volume *volume = &world.volumes[own.fence.volume];
	uint64_t end = (uint64_t)own.fence.block * world.block +
		       volume_length(volume, own.fence.block);

	CHECK(own.fence_at == 0 || own.fence_at != block || world.is_stuck ||
	      volume_has_seen(volume, end));
	own.fence_at = 0;
}

/* The page is of this batch, and all of it is read. */
static bool is_read_whole(uint64_t block)
{
	const struct own_page *p = own.pages;

	while (p->page.pos + p->page.size <= block * world.block)
		p++;
	return p->batch == own.batch && p->page.blocks == NULL;
}

static void put_fence(uint64_t block, const struct mpio_extent *extent)
{
	uint64_t last = block + extent->count - 1;
	const struct place *place;

	if ((extent->flags & MPIO_EXTENT_BOUNDARY) == 0)
		return;
	place = &own.map.places[last];
	if (place->kind != MAPPED || !is_read_whole(last) ||
	    !is_plain(&world.volumes[place->volume]))
		return;
	own.fence = *place;
	own.fence_at = last + 1;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	int error;

	CHECK(mapping == &own.mapping && page->mapping == mapping);
	CHECK((page->flags & MPIO_PAGE_LOCKED) != 0);
	CHECK(block * world.block >= page->pos &&
	      block * world.block < page->pos + page->size);
	if (own.is_reading)
		check_fence(block);
	error = map_get_block(&own.map, page, block, flags, extent);
	if (error == 0 && own.is_reading)
		put_fence(block, extent);
	return error;
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	(void)mapping;
	return map_written(&own.map, pos, length, queue, offset);
}

static bool still_valid(struct mpio_mapping *mapping,
			const struct mpio_extent *extent)
{
	(void)mapping, (void)extent;
	return chance(70);
}

static void boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		     uint64_t block)
{
	(void)mapping;
	CHECK(queue != NULL && own.map.boundary != 0 && block != 0);
}

static void new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		       uint64_t block, uint64_t count)
{
	(void)mapping;
	CHECK(queue != NULL && own.map.says_new && block != 0 && count != 0);
}

/* What was sealed is opened; then it must be right, or a bit was wrong. */
static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	unsigned char *data = page->data;
	uint64_t left = own.map.size - page->pos;
	size_t n = left < page->size ? (size_t)left : page->size;

	(void)mapping;
	for (size_t i = 0; own.seals && i < n; i++)
		data[i] ^= own.map.places[(page->pos + i) / world.block].key;
	if (memcmp(data, own.map.bytes + page->pos, n) == 0)
		return 0;
	CHECK((world.kinds & 1u << KIND_FLIP) != 0);
	world.faults++;
	return -MPIO_EILSEQ;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	CHECK(attempt != 0 && !(page->flags & MPIO_PAGE_DIRTY));
	if (attempt > 2 || !map_whole(&own.map, page, extent))
		return -MPIO_EIO;
	return 0;
}

/* The bytes that leave are others than those of the page. */
static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct own_page *p = page_of(page);
	struct place *places = own.map.places + page->pos / world.block;
	uint8_t key = (uint8_t)below(256);

	(void)mapping;
	CHECK(*data == page->data);
	if (fault_now(KIND_HOOK, 5))
		return -MPIO_EIO;
	for (uint32_t i = 0; i < page->size; i++)
		p->shadow[i] = ((unsigned char *)page->data)[i] ^ key;
	for (uint32_t i = 0; i < page->size / world.block; i++)
		places[i].key = key;
	*data = p->shadow;
	return 0;
}

static void account(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint32_t bytes)
{
	struct own_page *p = page_of(page);

	(void)mapping;
	CHECK(!p->writing && bytes <= page->size);
	own.accounted++;
	p->writing = true;
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	size_t n = 0;

	(void)mapping;
	for (uint32_t i = 0; i < own.page_count && n < pages_max; i++) {
		struct mpio_page *page = &own.pages[i].page;

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

/* ---- Ends --------------------------------------------------------------- */

void pages_check(const struct mpio_page *page)
{
	const unsigned char *data = page->data;
	uint64_t size = own.map.size;
	uint64_t end = page->pos + page->size;

	if (page->pos < size)
		map_check(&own.map, page->pos, data,
			  (size_t)((end < size ? end : size) - page->pos));
}

/* Blocks behind the end are zeros, where nobody has changed them. */
static void check_behind(const struct mpio_page *page)
{
	const unsigned char *data = page->data;
	uint64_t at = end_of_block(own.map.size);

	if (at < page->pos)
		at = page->pos;
	for (; at < page->pos + page->size; at++)
		CHECK(data[at - page->pos] == 0);
}

/* Only what lies on a bad block fails. */
static bool may_fail(const struct mpio_page *page)
{
	uint64_t first = page->pos / world.block;

	for (uint64_t i = first; i < first + page->size / world.block; i++) {
		const struct place *place = &own.map.places[i];
		const struct volume *volume = &world.volumes[place->volume];
		uint64_t mask = world.sector - 1;
		uint64_t from = (uint64_t)place->block * world.block;
		uint64_t end = (from + world.block + mask) & ~mask;

		if (!volume->isolates || (place->kind == MAPPED &&
					  (from & ~mask) < volume->bad_end &&
					  end > volume->bad_from))
			return true;
	}
	return false;
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct own_page *p = page_of(page);

	CHECK(mapping == &own.mapping && status <= 0);
	CHECK(p->reading && p->ends++ == 0);
	CHECK(!(page->flags & MPIO_PAGE_LOCKED));
	CHECK(((page->flags & MPIO_PAGE_UPTODATE) != 0) == (status == 0));
	p->reading = false;
	sim_note((uint64_t)(uint32_t)status << 32 | page->pos);
	sim_say("page at %llu was read: %d", (unsigned long long)page->pos,
		status);
	if (status == 0) {
		pages_check(page);
		if (page->blocks == NULL)
			check_behind(page);
		return;
	}
	CHECK(fault_is_device(status) && world.faults != 0);
	CHECK(!faults_are_bad_blocks() || status == -MPIO_ENXIO ||
	      may_fail(page));
}

/* A page that must not be torn lay in one unit of the device. */
static void check_atomic(const struct mpio_page *page)
{
	const struct place *place = own.map.places + page->pos / world.block;
	const struct mpio_device *device = &world.volumes[place->volume].gate;
	uint64_t unit = device->limits.atomic_unit;
	uint64_t from = (uint64_t)place->block * world.block;
	uint64_t left = own.map.size - page->pos;
	uint64_t n = left < page->size ? end_of_block(left) : page->size;

	if (n > device->size - from)
		n = device->size - from;
	CHECK(unit != 0 && from / unit == (from + n - 1) / unit);
	for (uint64_t i = 1; i < n / world.block; i++)
		CHECK(place[i].volume == place->volume &&
		      place[i].block == place->block + i);
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	struct own_page *p = page_of(page);

	CHECK(mapping == &own.mapping && status <= 0);
	CHECK(!(page->flags & MPIO_PAGE_WRITEBACK));
	sim_note((uint64_t)(uint32_t)status << 32 | page->pos | 1);
	sim_say("page at %llu was written: %d", (unsigned long long)page->pos,
		status);
	p->writing = false;
	if (status == 0) {
		if ((page->flags & (MPIO_PAGE_ATOMIC | MPIO_PAGE_DIRTY)) ==
			    MPIO_PAGE_ATOMIC &&
		    page->pos < own.map.size)
			check_atomic(page);
		return;
	}
	CHECK(page->flags & MPIO_PAGE_DIRTY && page->flags & MPIO_PAGE_ERROR);
	CHECK((fault_is_device(status) && world.faults != 0) ||
	      (status == -MPIO_EINVAL && page->flags & MPIO_PAGE_ATOMIC));
	world.faults++; /* that they have not heard of yet */
	for (uint32_t i = 0; i < HOLDERS; i++)
		own.holders[i].is_owed = true;
}

/* ---- All of it ---------------------------------------------------------- */

void engine_choose(void)
{
	bool flips = has_kind(KIND_FLIP);

	own.seals = !flips && chance(20);
	own.ops = (struct mpio_mapping_ops){
		.get_block = get_block,
		.read_end = read_end,
		.write_end = write_end,
		.next_dirty = next_dirty,
		.written = written,
		.account = account,
		.still_valid = chance(20) ? still_valid : NULL,
		.boundary = chance(50) ? boundary : NULL,
		.new_blocks = chance(50) ? new_blocks : NULL,
		.verify = flips || own.seals ? verify : NULL,
		.reread = flips && chance(70) ? reread : NULL,
		.seal = own.seals ? seal : NULL,
	};
}

/* SPDX-License-Identifier: MIT */
/*
 * Pages of a mapping of the engine's own, of several sizes, with and without
 * per-block state: read, changed, written and synced.
 */
#include "pages.h"

#include <string.h>

#define ROOM (MAP_BYTES + PAGES * 64u)

struct own own;

/* As aligned as devices ask, in every build. */
static _Alignas(4096) unsigned char memory[ROOM];
static _Alignas(4096) unsigned char shadows[MAP_BYTES];

/* ---- Reading and changing ----------------------------------------------- */

bool pages_can_be_read(const struct own_page *p)
{
	uint32_t busy =
		MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK | MPIO_PAGE_UPTODATE;

	if (p->page.blocks == NULL)
		busy |= MPIO_PAGE_DIRTY;
	return !(p->page.flags & busy) && p->held == 0;
}

void pages_lock(struct own_page *p)
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
	uint32_t most = 1 + below(own.page_count);
	uint32_t flags = below(8);
	int taken;

	own.batch++;
	for (; from < own.page_count && n < most; from++) {
		if (!pages_can_be_read(&own.pages[from]))
			continue;
		pages_lock(&own.pages[from]);
		own.pages[from].batch = own.batch;
		list[n++] = &own.pages[from].page;
	}
	own.is_reading = true;
	own.map.may_lie = own.ops.still_valid == NULL;
	taken = mpio_readahead(world.volumes[0].queue, &own.mapping, list, n,
			       flags);
	own.is_reading = false;
	own.map.may_lie = false;
	own.map.lie_end = 0;
	own.fence_at = 0;
	sim_say("read %u pages, flags %u: %d", (unsigned)n, (unsigned)flags,
		taken);
	CHECK(taken == (int)n || (flags & MPIO_READ_AHEAD));
	CHECK(taken >= 0 && taken <= (int)n);
	for (uint32_t i = (uint32_t)taken; i < n; i++)
		unlock(list[i]);
}

static void read_one(struct own_page *p)
{
	if (!pages_can_be_read(p))
		return;
	pages_lock(p);
	CHECK(mpio_read_page(world.volumes[0].queue, &own.mapping, &p->page) ==
	      0);
}

/* Blocks that a range cuts must be there. */
static bool edges_are_there(const struct own_page *p, uint32_t offset,
			    uint32_t length)
{
	uint32_t end = offset + length;

	if (p->page.flags & MPIO_PAGE_UPTODATE)
		return true;
	if (p->page.blocks == NULL)
		return length == p->page.size;
	return (offset % world.block == 0 ||
		mpio_page_block_uptodate(&p->page, offset / world.block)) &&
	       (end % world.block == 0 ||
		mpio_page_block_uptodate(&p->page, end / world.block));
}

/* Perhaps while it is written. */
static void change(struct own_page *p)
{
	uint32_t offset = below(p->page.size);
	uint32_t length = 1 + below(p->page.size - offset);
	const unsigned char *bytes = sim_noise + below(NOISE_BYTES - MAP_BYTES);
	int error;

	if (p->page.flags & MPIO_PAGE_LOCKED)
		return;
	CHECK(mpio_page_set_dirty(&p->page, offset,
				  p->page.size - offset + 1) == -MPIO_EINVAL);
	if (chance(40)) {
		offset -= offset % world.block;
		length = (uint32_t)end_of_block(length);
	}
	if (chance(30)) {
		offset = 0;
		length = p->page.size;
	}
	error = edges_are_there(p, offset, length) ? 0 : -MPIO_ENODATA;
	sim_say("change page at %llu, %u+%u: %d",
		(unsigned long long)p->page.pos, (unsigned)offset,
		(unsigned)length, error);
	CHECK(mpio_page_set_dirty(&p->page, offset, length) == error);
	if (error != 0)
		return;
	if (length == p->page.size)
		p->page.flags |= MPIO_PAGE_UPTODATE;
	memcpy((char *)p->page.data + offset, bytes, length);
	memcpy(own.map.bytes + p->page.pos + offset, bytes, length);
	map_trim(&own.map, &p->page);
	own.dirty_tail |= p->page.pos + offset + length > own.map.size &&
			  p->page.pos < own.map.size &&
			  (p->page.blocks == NULL ||
			   p->page.pos + offset < end_of_block(own.map.size));
	map_touch(&own.map, p->page.pos, p->page.size);
}

static void forget(struct own_page *p)
{
	if (p->page.flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK |
			     MPIO_PAGE_DIRTY) ||
	    p->held != 0)
		return;
	p->page.flags &= MPIO_PAGE_ATOMIC;
	memset(p->words, 0, sizeof(p->words));
	memset(p->page.data, UNTOUCHED, p->page.size);
}

/* ---- Writing ------------------------------------------------------------ */

/* What a walk has told a holder, who must be told of what failed. */
static void be_told(struct holder *holder, int error)
{
	sim_say("holder %u is told: %d", (unsigned)(holder - own.holders),
		error);
	CHECK(error != 0 || !holder->is_owed);
	if (error == -MPIO_EINVAL)
		CHECK(own.has_atomic);
	else if (error != 0 && error != -MPIO_EDEADLK)
		CHECK(fault_is_device(error) && world.faults != holder->faults);
	totals.told += error != 0;
	holder->faults = world.faults;
	holder->is_owed = false;
}

/* A good walk has written what was dirty in its range. */
static void check_range(const struct mpio_writeback_control *wbc)
{
	for (uint32_t i = 0; i < own.page_count; i++) {
		const struct mpio_page *page = &own.pages[i].page;

		CHECK(!(page->flags & MPIO_PAGE_DIRTY) ||
		      page->pos + page->size <= wbc->range_start ||
		      (wbc->range_end != 0 && page->pos > wbc->range_end));
	}
}

static void choose_range(struct mpio_writeback_control *wbc)
{
	if (chance(40))
		wbc->range_start = below(MAP_BYTES);
	if (chance(40))
		wbc->range_end = wbc->range_start + below(MAP_BYTES);
	if (chance(20))
		wbc->range_end = own.pages[below(own.page_count)].page.pos;
	if (wbc->range_end < wbc->range_start)
		wbc->range_start = 0;
}

static void write_some(void)
{
	struct holder *holder = &own.holders[below(HOLDERS)];
	int64_t budget = chance(50) ? below(9) : MPIO_WRITE_ALL;
	struct mpio_writeback_control wbc = {
		.sync_mode = (enum mpio_sync_mode)below(2),
		.reason = (enum mpio_writeback_reason)below(4),
		.nr_to_write = budget,
		.range_cyclic = chance(20),
		.tagged = chance(20),
		.since = &holder->since,
	};
	int error;

	choose_range(&wbc);
	own.accounted = 0;
	error = mpio_writepages(world.volumes[0].queue, &own.mapping, &wbc);
	sim_say("write pages, mode %u: %d", (unsigned)wbc.sync_mode, error);
	/* What ends a walk does not count. */
	CHECK(budget - wbc.nr_to_write + (error != 0) >= own.accounted);
	if (wbc.sync_mode == MPIO_SYNC_ALL) {
		be_told(holder, error);
		if (error == 0 && !wbc.range_cyclic)
			check_range(&wbc);
	} else {
		CHECK(own.accounted <= (budget > 1 ? budget : 1));
		CHECK(error == 0 || world.faults != 0 || own.has_atomic);
	}
	world_unstick(error);
}

static void write_one(struct own_page *p)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = (enum mpio_sync_mode)below(2),
	};
	int error = mpio_write_page(world.volumes[0].queue, &own.mapping,
				    &p->page, &wbc);

	sim_say("write page at %llu, mode %u: %d",
		(unsigned long long)p->page.pos, (unsigned)wbc.sync_mode,
		error);
	if (error == -MPIO_EBUSY)
		CHECK(wbc.sync_mode == MPIO_SYNC_NONE);
	else if (error != 0 && error != -MPIO_EDEADLK)
		CHECK(world.faults != 0 || own.has_atomic);
	world_unstick(error);
}

/* As mpio/writeback.h tells it. */
static int sync_all(struct holder *holder)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
		.reason = MPIO_REASON_SYNC,
		.since = &holder->since,
	};
	int error = mpio_writepages(world.volumes[0].queue, &own.mapping, &wbc);
	int flushed;
	int late;

	be_told(holder, error);
	flushed = world_flush();
	late = mpio_errseq_check_and_advance(&own.mapping.errors,
					     &holder->since);
	if (error != -MPIO_EDEADLK && error != -MPIO_ETIMEDOUT)
		CHECK(late != 0 || !holder->is_owed);
	holder->is_owed = holder->is_owed && late == 0;
	holder->faults = world.faults;
	sim_say("sync pages: %d %d %d", error, flushed, late);
	if (flushed == 0)
		raw_flushed();
	if (error == 0 && flushed == 0 && late == 0)
		map_note_synced(&own.map, 0, own.map.size);
	if (!world_unstick(error))
		world_unstick(flushed);
	return error != 0 ? error : flushed != 0 ? flushed : late;
}

/* ---- Making them -------------------------------------------------------- */

static void make_pages(void)
{
	uint32_t usual = 1 + below(4);
	uint32_t block = 0;
	unsigned char *at = memory;

	own.page_count = 0;
	while (block < own.map.blocks) {
		struct own_page *p = &own.pages[own.page_count++];
		uint32_t n = chance(70) ? usual : 1 + below(8);

		if (n > own.map.blocks - block)
			n = own.map.blocks - block;
		memset(p, 0, sizeof(*p));
		if (chance(25))
			at += below(64);
		mpio_page_init(&p->page, &own.mapping,
			       (uint64_t)block * world.block, at,
			       n * world.block);
		p->shadow = shadows + p->page.pos;
		if (!own.seals && chance(40))
			p->page.blocks = p->words;
		else if (chance(10))
			p->page.flags = MPIO_PAGE_ATOMIC;
		own.has_atomic |= p->page.flags != 0;
		memset(at, UNTOUCHED, p->page.size);
		at += p->page.size;
		block += n;
	}
}

void pages_begin(void)
{
	memset(&own, 0, sizeof(own));
	engine_choose();
	map_init(&own.map, &own.mapping, &own.ops);
	map_make(&own.map);
	if (!own.seals)
		map_make_odd(&own.map);
	make_pages();
	streams_begin();
}

/* ---- All of them -------------------------------------------------------- */

void pages_use(void)
{
	uint32_t i = below(own.page_count);

	switch (below(12)) {
	case 0:
	case 1:
		read_some(i);
		break;
	case 2:
		read_one(&own.pages[i]);
		break;
	case 3:
	case 4:
	case 5:
		change(&own.pages[i]);
		break;
	case 6:
		write_some();
		break;
	case 7:
		write_one(&own.pages[i]);
		break;
	case 8:
		for (; i < own.page_count && chance(70); i++)
			forget(&own.pages[i]);
		break;
	case 9:
		sync_all(&own.holders[below(HOLDERS)]);
		break;
	default:
		streams_use();
	}
}

static void check_idle(void)
{
	for (uint32_t i = 0; i < own.page_count; i++) {
		const struct own_page *p = &own.pages[i];

		CHECK(!(p->page.flags &
			(MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK)));
		CHECK(!p->reading);
		CHECK(p->held == 0);
		CHECK(!p->writing);
	}
}

/* What lies behind the end, on the disk, in the block that it cuts. */
static void check_tail(void)
{
	uint64_t size = own.map.size;
	unsigned char kept[4096];
	size_t n = (size_t)(end_of_block(size) - size);

	if (!own.dirty_tail || n == 0)
		return;
	memcpy(kept, own.map.bytes + size, n);
	memset(own.map.bytes + size, 0, n);
	map_check_disk(&own.map, size - size % world.block, size + n);
	memcpy(own.map.bytes + size, kept, n);
}

void pages_calm(void)
{
	streams_end();
	for (uint32_t i = 0; i < own.page_count; i++)
		own.pages[i].page.flags &= ~MPIO_PAGE_ATOMIC;
	for (uint32_t i = 0; i < HOLDERS; i++)
		sync_all(&own.holders[i]);
	for (uint32_t i = 0; i < HOLDERS; i++)
		CHECK(sync_all(&own.holders[i]) == 0);
	check_idle();
	map_check_disk(&own.map, 0, own.map.size);
	if (!own.seals)
		check_tail();
	for (uint32_t i = 0; i < own.page_count; i++) {
		CHECK(!(own.pages[i].page.flags & MPIO_PAGE_DIRTY));
		forget(&own.pages[i]);
	}
	for (int i = 0; i < 4; i++)
		read_some(0);
	CHECK(mpio_queue_drain(world.volumes[0].queue) == 0);
}

void pages_check_durable(void)
{
	streams_end();
	check_idle();
	map_check_durable(&own.map);
}

void pages_end(void)
{
	check_idle();
}

/* SPDX-License-Identifier: MIT */
/*
 * Pages of the cache, looked up, pinned, filled, changed and written by hand.
 */
#include "sim.h"

#include <string.h>

static struct mpio_queue *queue(void)
{
	return world.volumes[0].queue;
}

static void check_page(const struct sim_file *file,
		       const struct mpio_page *page)
{
	const struct map *map = file_map((struct sim_file *)file);
	uint64_t left = page->pos < map->size ? map->size - page->pos : 0;
	size_t n = left < page->size ? (size_t)left : page->size;
	const unsigned char *data = page->data;

	CHECK(page->size == files_page_size());
	if (n != 0)
		map_check(map, page->pos, data, n);
	for (; n < page->size; n++)
		CHECK(data[n] == 0);
}

static void get_page(struct sim_file *file, uint64_t pos)
{
	struct mpio_page *page;
	int error = mpio_cache_get(file_cached(file), queue(), pos, &page);

	sim_say("get page at %llu: %d", (unsigned long long)pos, error);
	if (error != 0) {
		sim_allow(error);
		world_unstick(error);
		return;
	}
	check_page(file, page);
	mpio_cache_pin(page);
	mpio_cache_put(page);
	mpio_cache_put(page);
}

static void find_page(struct sim_file *file, uint64_t pos)
{
	struct mpio_page *page;
	int error = mpio_cache_find(file_cached(file), pos, &page);

	if (error != 0) {
		CHECK(error == -MPIO_ENOENT);
		return;
	}
	check_page(file, page);
	error = mpio_cache_wait(page, queue());
	if (error != 0)
		sim_allow(error);
	world_unstick(error);
	mpio_cache_put(page);
}

static void grab_page(struct sim_file *file, uint64_t pos)
{
	uint32_t size = files_page_size();
	uint32_t offset = below(size);
	uint32_t length = below(size - offset);
	struct mpio_page *page;
	int error = mpio_cache_grab(file_cached(file), queue(), pos, &page);

	sim_say("grab page at %llu: %d", (unsigned long long)pos, error);
	if (error != 0) {
		sim_allow(error);
		world_unstick(error);
		return;
	}
	error = mpio_cache_fill(page, queue(), offset, length);
	if (error != 0)
		sim_allow(error);
	else
		CHECK(mpio_cache_is_uptodate(page, offset, length));
	world_unstick(error);
	mpio_cache_release(page);
}

static void write_page(struct sim_file *file, uint64_t pos)
{
	struct map *map = file_map(file);
	uint64_t capacity = (uint64_t)map->blocks * world.block;
	uint32_t room = files_page_size() - (uint32_t)(pos % files_page_size());
	uint32_t length = 1 + below(room);
	const unsigned char *bytes = sim_noise + below(NOISE_BYTES / 2);
	struct mpio_page *page;
	uint64_t from;
	int error;

	if (pos >= capacity)
		return;
	if (length > capacity - pos)
		length = (uint32_t)(capacity - pos);
	error = mpio_cache_write_begin(file_cached(file), queue(), pos, length,
				       &page);
	sim_say("write page at %llu+%u: %d", (unsigned long long)pos,
		(unsigned)length, error);
	if (error != 0) {
		sim_allow(error);
		world_unstick(error);
		return;
	}
	if (chance(10)) {
		mpio_cache_write_end(page, pos, 0);
		return;
	}
	memcpy((char *)page->data + (pos - page->pos), bytes, length);
	mpio_cache_write_end(page, pos, length);
	from = pos < map->size ? pos : map->size;
	map_touch(map, from, pos + length - from);
	memcpy(map->bytes + pos, bytes, length);
	if (map->size < pos + length)
		map->size = pos + length;
	CHECK(mpio_cache_end(file_cached(file)) == map->size);
}

static void read_ahead(struct sim_file *file, uint64_t pos)
{
	uint32_t count = 1 + below(20);
	int n = mpio_cache_readahead(file_cached(file), queue(), pos, count,
				     chance(70) ? MPIO_READ_AHEAD : below(8));

	sim_say("read ahead at %llu: %d", (unsigned long long)pos, n);
	CHECK(n >= 0 && n <= (int)count);
}

static void walk(struct sim_file *file)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = (enum mpio_sync_mode)below(2),
		.reason = (enum mpio_writeback_reason)below(4),
		.nr_to_write = below(9),
		.range_start = chance(50) ? below(MAP_BYTES) : 0,
		.range_cyclic = chance(40),
		.tagged = chance(20),
	};
	int error;

	if (chance(30))
		wbc.range_end = wbc.range_start + below(MAP_BYTES);
	error = mpio_cache_writepages(file_cached(file), queue(), &wbc);
	sim_say("walk, mode %u: %d", (unsigned)wbc.sync_mode, error);
	CHECK(error == 0 || (fault_is_device(error) && world.faults != 0));
	files_owe(file, error);
	world_unstick(error);
}

static void work(void)
{
	int n = mpio_cache_work(files_cache(), queue());

	sim_say("work: %d", n);
	if (n < 0)
		sim_allow(n);
	world_unstick(n);
}

static void invalidate(struct sim_file *file, uint64_t pos)
{
	int error = mpio_cache_invalidate(file_cached(file), queue(), pos,
					  pos + below(MAP_BYTES));

	sim_say("invalidate from %llu: %d", (unsigned long long)pos, error);
	if (error != 0 && error != -MPIO_EBUSY)
		sim_allow(error);
	world_unstick(error);
}

void cached_use(struct sim_file *file)
{
	uint64_t pos = below(MAP_BYTES);

	switch (below(9)) {
	case 0:
		get_page(file, pos);
		break;
	case 1:
		find_page(file, pos);
		break;
	case 2:
		grab_page(file, pos);
		break;
	case 3:
	case 4:
		write_page(file, pos);
		break;
	case 5:
		read_ahead(file, pos);
		break;
	case 6:
		walk(file);
		break;
	case 7:
		work();
		break;
	default:
		invalidate(file, pos);
	}
}

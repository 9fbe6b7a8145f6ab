/* SPDX-License-Identifier: MIT */
/*
 * Files in the cache, by its own functions: writes of parts of pages, and all
 * the ways in which they are written back. Durable they are after a sync, a
 * flush, and a look at the error sequence.
 */
#include "cached_files.h"

/* ---- Writing ------------------------------------------------------------ */

static void change(struct world *world, struct file *file)
{
	uint32_t page_size = world->as.page;
	unsigned char bytes[CHANGE_MAX];
	struct mpio_page *page;
	uint32_t length;
	uint64_t pos = draw_range(world, file, page_size, &length);
	uint32_t room = page_size - (uint32_t)(pos % page_size);

	if (length > room)
		length = room;
	draw_bytes(world, bytes, length);
	file_change(file, pos, bytes, length);
	if (!succeeded(world,
		       mpio_cache_write_begin(&file->cached, world->queue, pos,
					      length, &page),
		       "mpio_cache_write_begin")) {
		file_take_back(file, 0);
		return;
	}
	memcpy((unsigned char *)page->data + (pos - page->pos), bytes, length);
	mpio_cache_write_end(page, pos, length);
}

static void look_at(struct world *world, struct file *file)
{
	uint32_t length;
	uint64_t pos = draw_range(world, file, 1, &length);
	struct mpio_page *page;

	if (pos >= file->size ||
	    !succeeded(world,
		       mpio_cache_get(&file->cached, world->queue, pos, &page),
		       "mpio_cache_get"))
		return;
	for (uint64_t i = page->pos;
	     i < page->pos + page->size && i < file->size; i++) {
		if (((unsigned char *)page->data)[i - page->pos] !=
		    file->bytes[i]) {
			trouble(world, "byte %d was read wrong", (int)i);
			break;
		}
	}
	mpio_cache_put(page);
}

/* ---- Writing back ------------------------------------------------------- */

static void walk(struct world *world, struct file *file, bool cyclic,
		 bool tagged)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_NONE,
		.reason = MPIO_REASON_PERIODIC,
		.nr_to_write = 1 + draw(world, 6),
		.range_cyclic = cyclic,
		.tagged = tagged,
	};

	succeeded(world,
		  mpio_cache_writepages(&file->cached, world->queue, &wbc),
		  "mpio_cache_writepages");
}

static void write_back(struct world *world, struct file *file, uint32_t flag)
{
	switch (flag) {
	case DO_WORK:
		succeeded(world,
			  mpio_cache_work(file->cached.cache, world->queue),
			  "mpio_cache_work");
		break;
	case DO_CYCLIC:
		walk(world, file, true, draw(world, 2) != 0);
		break;
	case DO_TAGGED:
		walk(world, file, false, true);
		break;
	case DO_READ:
		look_at(world, file);
		break;
	case DO_FORGET:
		(void)mpio_cache_invalidate(&file->cached, world->queue, 0,
					    file->size);
		break;
	default:
		break;
	}
}

/* ---- Making durable ----------------------------------------------------- */

static int write_range(struct world *world, struct file *file, uint64_t start,
		       uint64_t end, struct mpio_errseq *since)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
		.range_start = start,
		.range_end = end - 1,
		.since = since,
	};

	return mpio_cache_writepages(&file->cached, world->queue, &wbc);
}

/* Bytes of a range, in whole pages; or of all of the file. */
static void sync_file(struct world *world, struct file *file,
		      struct mpio_errseq *since, uint32_t flag)
{
	uint64_t mask = world->as.page - 1;
	uint64_t start = 0;
	uint64_t end = UINT64_MAX;
	uint32_t length;
	int error;
	int flushed;
	int late;

	if (flag == DO_RANGE) {
		start = draw_range(world, file, CHANGE_MAX, &length);
		end = (start + length + mask) & ~mask;
		start &= ~mask;
		error = write_range(world, file, start, end, since);
	} else {
		error = mpio_cache_sync(&file->cached, world->queue, since);
	}
	flushed = flush_device(world);
	if (flushed != 0)
		mpio_cache_errors_set(&file->cached, flushed);
	late = mpio_cache_errors_check(&file->cached, since);
	if (error == 0)
		error = flushed != 0 ? flushed : late;
	if (!succeeded(world, error, "sync") && world->as.lie != LIE_TOLD)
		return;
	if (world->as.lie == LIE_ALL)
		file_promise(file, 0, UINT64_MAX);
	else
		file_promise(file, start, end);
}

/* ---- The scenario ------------------------------------------------------- */

void run_cache(struct world *world)
{
	const uint32_t later =
		DO_WORK | DO_CYCLIC | DO_TAGGED | DO_READ | DO_FORGET;
	struct mpio_errseq since[FILES] = {{0}};
	struct mpio_cache *cache = open_cached_files(world);

	for (uint32_t i = 0; i < world->as.steps && has_power(world); i++) {
		uint32_t n = draw(world, world->as.files);
		struct file *file = &world->files[n];

		change(world, file);
		if (draw(world, 3) == 0)
			write_back(world, file,
				   draw_flag(world, world->as.does & later));
		if (is_due(world))
			sync_file(
				world, file, &since[n],
				draw_flag(world, world->as.does &
							 (DO_SYNC | DO_RANGE)));
	}
	close_cached_files(world, cache);
}

/* SPDX-License-Identifier: MIT */
/*
 * Files by their bytes, through two handles each. What mpio_file_sync() has
 * returned 0 for is on the device, behind a flush.
 */
#include "cached_files.h"

#include <stdlib.h>

#define HANDLES 2u

struct handles {
	struct world *world;
	struct mpio_file files[FILES][HANDLES];
	unsigned char buffer[FILE_BYTES_MAX];
};

/* The engine's flush; it may tell a lie. */
static int flush(struct mpio_file *file)
{
	return flush_device(file->config.host);
}

static void open_handles(struct handles *handles, struct world *world)
{
	struct mpio_file_config config = {
		.straight_min = 6000,
		.flush = flush,
		.host = world,
	};

	handles->world = world;
	for (uint32_t i = 0; i < world->as.files; i++) {
		for (uint32_t j = 0; j < HANDLES; j++)
			assert_int_equal(
				mpio_file_open(
					&handles->files[i][j],
					&world->files[i].cached, world->queue,
					j != 0 || world->as.lie != LIE_NONE
						? &config
						: NULL),
				0);
	}
}

/* ---- Bytes -------------------------------------------------------------- */

static void write_some(struct handles *handles, struct mpio_file *handle)
{
	struct world *world = handles->world;
	struct file *file = (struct file *)handle->mapping;
	uint32_t most = draw(world, 8) != 0 ? 3000 : CHANGE_MAX - 4096;
	uint32_t length;
	uint64_t pos = draw_range(world, file, most, &length);
	int64_t n;

	draw_bytes(world, handles->buffer, length);
	file_change(file, pos, handles->buffer, length);
	n = mpio_file_write(handle, handles->buffer, length, pos);
	succeeded(world, n, "mpio_file_write");
	if (n < (int64_t)length)
		file_take_back(file, n > 0 ? (uint32_t)n : 0);
	if (has_power(world) && mpio_file_size(handle) != file->size)
		trouble(world, "the file ends elsewhere");
}

static void read_some(struct handles *handles, struct mpio_file *handle)
{
	struct world *world = handles->world;
	struct file *file = (struct file *)handle->mapping;
	uint32_t length;
	uint64_t pos = draw_range(world, file, CHANGE_MAX, &length);
	int64_t n = mpio_file_read(handle, handles->buffer, length, pos);

	succeeded(world, n, "mpio_file_read");
	if (n > 0 && memcmp(handles->buffer, file->bytes + pos, (size_t)n) != 0)
		trouble(world, "bytes %d+%d were read wrong", (int)pos, (int)n);
}

static void truncate_file(struct world *world, struct mpio_file *handle)
{
	struct file *file = (struct file *)handle->mapping;
	uint32_t size = draw(world, file->blocks * world->as.block + 1);

	/* One that fails for want of room may have been done in part. */
	if (world->room != UINT32_MAX)
		return;
	if (draw(world, 3) == 0)
		size -= size % world->as.block;
	file_move_end(file, size);
	if (succeeded(world, mpio_file_truncate(handle, size),
		      "mpio_file_truncate"))
		file_free(file);
	else if (has_power(world))
		trouble(world, "a truncate failed");
}

static void forget(struct world *world, struct mpio_file *handle)
{
	struct file *file = (struct file *)handle->mapping;
	uint32_t length;
	uint64_t pos = draw_range(world, file, CHANGE_MAX, &length);
	int error = mpio_file_advise(handle, pos, pos + length,
				     MPIO_ADVICE_DONTNEED);

	if (error != -MPIO_EBUSY)
		succeeded(world, error, "mpio_file_advise");
}

/* ---- Syncs -------------------------------------------------------------- */

static void sync_some(struct world *world, struct mpio_file *handle,
		      uint32_t flag)
{
	struct file *file = (struct file *)handle->mapping;
	uint64_t mask = world->as.page - 1;
	uint64_t start = 0;
	uint64_t end = UINT64_MAX;
	uint32_t length;
	int error;

	if (flag == DO_RANGE) {
		start = draw_range(world, file, CHANGE_MAX, &length);
		end = start + length;
		error = mpio_file_sync_range(handle, start, end);
		start &= ~mask;
		end = (end + mask) & ~mask;
	} else {
		error = mpio_file_sync(handle);
	}
	if (error != 0 && world->as.rules != NULL &&
	    strstr(world->as.rules, "flush:") != NULL)
		note_failed_flush(world);
	if (!succeeded(world, error, "sync") && world->as.lie != LIE_TOLD)
		return;
	if (world->as.lie == LIE_ALL)
		file_promise(file, 0, UINT64_MAX);
	else
		file_promise(file, start, end);
}

/* ---- The scenario ------------------------------------------------------- */

static void do_other(struct handles *handles, struct mpio_file *handle,
		     uint32_t flag)
{
	struct world *world = handles->world;

	switch (flag) {
	case DO_READ:
		read_some(handles, handle);
		break;
	case DO_TRUNCATE:
		truncate_file(world, handle);
		break;
	case DO_TRADE:
		file_trade(world);
		break;
	case DO_FORGET:
		forget(world, handle);
		break;
	case DO_ROOM:
		world->room =
			world->room == UINT32_MAX ? draw(world, 3) : UINT32_MAX;
		break;
	case DO_WORK:
		succeeded(world,
			  mpio_cache_work(handle->mapping->cache, world->queue),
			  "mpio_cache_work");
		break;
	default:
		break;
	}
}

static void step(struct handles *handles)
{
	const uint32_t others = DO_READ | DO_TRUNCATE | DO_TRADE | DO_FORGET |
				DO_ROOM | DO_WORK;
	struct world *world = handles->world;
	uint32_t n = draw(world, world->as.files);
	struct mpio_file *handle = &handles->files[n][draw(world, HANDLES)];

	write_some(handles, handle);
	if (draw(world, 3) == 0)
		do_other(handles, handle,
			 draw_flag(world, world->as.does & others));
	if (is_due(world))
		sync_some(world, handle,
			  draw_flag(world,
				    world->as.does & (DO_SYNC | DO_RANGE)));
}

void run_file(struct world *world)
{
	struct handles *handles = calloc(1, sizeof(*handles));
	struct mpio_cache *cache = open_cached_files(world);

	assert_non_null(handles);
	open_handles(handles, world);
	for (uint32_t i = 0; i < world->as.steps && has_power(world); i++)
		step(handles);
	(void)mpio_queue_drain(world->queue);
	for (uint32_t i = 0; i < world->as.files; i++) {
		for (uint32_t j = 0; j < HANDLES; j++)
			mpio_file_close(&handles->files[i][j]);
	}
	close_cached_files(world, cache);
	free(handles);
}

/* SPDX-License-Identifier: MIT */
/*
 * Files in a cache that is too small for them, through handles and by hand.
 */
#include "api.h"

#include <mpio/file.h>

#include <string.h>

#define FILES 2u
#define HANDLES 2u
#define BLOCKS 36u
#define BYTES (BLOCKS * API_BLOCK)
#define IO_MAX 6000u
#define UNTOUCHED 0xa5

struct one_file {
	struct mpio_cache_mapping cached; /* first */
	uint32_t map[BLOCKS];             /* sector of the disk, or 0 */
	uint64_t size;
	uint64_t faults; /* when somebody was told last */
	struct mpio_file handles[HANDLES];
	uint64_t told[HANDLES]; /* faults that each was told of */
	uint64_t pos;
	unsigned char bytes[BYTES];
};

static struct {
	struct mpio_cache *cache;
	uint32_t page_size;
	uint32_t used_count;
	bool used[API_FILE_SECTORS];
	struct one_file files[FILES];
} all;

static const unsigned char zeros[API_BLOCK];
static unsigned char buffer[IO_MAX];

/* ---- The engine --------------------------------------------------------- */

static uint32_t allocate(uint32_t near)
{
	uint32_t sector = near + 1;

	if (near == 0 || fuzz_chance(&api.in, 60))
		sector = fuzz_below(&api.in, API_FILE_SECTORS);
	for (uint32_t i = 0; i < API_FILE_SECTORS; i++, sector++) {
		sector %= API_FILE_SECTORS;
		if (sector == 0 || all.used[sector])
			continue;
		all.used[sector] = true;
		return sector;
	}
	fuzz_fail(__FILE__, __LINE__, "there is room for all blocks");
}

static void free_blocks(struct one_file *file)
{
	uint64_t first = (file->size + API_BLOCK - 1) / API_BLOCK;

	for (uint64_t i = first; i < BLOCKS; i++) {
		all.used[file->map[i]] = false;
		file->map[i] = 0;
	}
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct one_file *file = (struct one_file *)mapping;
	uint32_t *map = file->map + block;
	uint64_t n = 1;
	int error = api_map_fault(flags);

	(void)page;
	if (error != 0)
		return error;
	FUZZ_CHECK(block + extent->count <= BLOCKS);
	for (uint64_t i = block; i < block + extent->count; i++) {
		if ((flags & MPIO_MAP_CREATE) && file->map[i] == 0)
			file->map[i] = allocate(i != 0 ? file->map[i - 1] : 0);
	}
	if (map[0] != 0) {
		extent->flags = MPIO_EXTENT_MAPPED;
		extent->block = map[0];
	}
	while (n < extent->count && map[n] == (map[0] != 0 ? map[0] + n : 0))
		n++;
	extent->count = n;
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* ---- What must be ------------------------------------------------------- */

static void check_disk(const unsigned char *disk, const struct one_file *file,
		       uint64_t from, uint64_t end)
{
	for (uint64_t i = from / API_BLOCK; i * API_BLOCK < end; i++) {
		uint64_t left = end - i * API_BLOCK;
		const unsigned char *is = file->map[i] != 0
						  ? disk + file->map[i] * SECTOR
						  : zeros;

		FUZZ_CHECK(memcmp(is, file->bytes + i * API_BLOCK,
				  left < API_BLOCK ? (size_t)left
						   : API_BLOCK) == 0);
	}
}

static void allow_late(struct one_file *file, uint32_t h, int error)
{
	if (error != 0)
		FUZZ_CHECK(error < 0 && api.faults != file->told[h]);
	file->told[h] = api.faults;
	file->faults = api.faults;
}

/* ---- Bytes -------------------------------------------------------------- */

static void read_some(struct one_file *file, struct mpio_file *handle)
{
	size_t length = 1 + fuzz_below(&api.in, IO_MAX);
	uint64_t pos =
		fuzz_flag(&api.in) ? fuzz_below(&api.in, BYTES) : file->pos;
	uint64_t left = pos < file->size ? file->size - pos : 0;
	size_t wanted = left < length ? (size_t)left : length;
	int64_t n;

	memset(buffer, UNTOUCHED, length);
	n = mpio_file_read(handle, buffer, length, pos);
	if (n < 0) {
		api_allow((int)n);
		return;
	}
	file->pos = pos + (uint64_t)n;
	FUZZ_CHECK((size_t)n <= wanted);
	FUZZ_CHECK((size_t)n == wanted || api.faults != api.before);
	FUZZ_CHECK(memcmp(buffer, file->bytes + pos, (size_t)n) == 0);
	for (size_t i = wanted; i < length; i++)
		FUZZ_CHECK(buffer[i] == UNTOUCHED);
}

static void note_written(struct one_file *file, uint64_t pos, uint64_t length,
			 int byte)
{
	memset(file->bytes + pos, byte, (size_t)length);
	if (file->size < pos + length)
		file->size = pos + length;
}

static void write_some(struct one_file *file, struct mpio_file *handle)
{
	uint64_t pos = fuzz_below(&api.in, BYTES);
	uint64_t length = 1 + fuzz_below(&api.in, 3000);
	int byte = (int)fuzz_byte(&api.in);
	int64_t n;

	if (fuzz_flag(&api.in))
		pos -= pos % API_BLOCK;
	if (length > BYTES - pos)
		length = BYTES - pos;
	memset(buffer, byte, (size_t)length);
	n = mpio_file_write(handle, buffer, (size_t)length, pos);
	FUZZ_CHECK(n <= (int64_t)length && n != 0);
	if (n < (int64_t)length)
		api_allow(n < 0 ? (int)n : -MPIO_EIO);
	if (n > 0)
		note_written(file, pos, (uint64_t)n, byte);
	FUZZ_CHECK(mpio_file_size(handle) == file->size);
}

static void resize(struct one_file *file, struct mpio_file *handle)
{
	uint64_t size = fuzz_below(&api.in, BYTES + 1);
	int error;

	if (fuzz_flag(&api.in))
		size -= size % API_BLOCK;
	error = mpio_file_truncate(handle, size);
	if (error != 0) {
		api_allow(error);
	} else {
		if (size < file->size)
			memset(file->bytes + size, 0,
			       (size_t)(file->size - size));
		file->size = size;
		free_blocks(file);
	}
	FUZZ_CHECK(mpio_file_size(handle) == file->size);
}

static void sync(struct one_file *file, uint32_t h)
{
	int error = mpio_file_sync(&file->handles[h]);

	allow_late(file, h, error);
	if (error == 0)
		check_disk(api.disk.known, file, 0, file->size);
}

static void sync_range(struct one_file *file, uint32_t h)
{
	uint64_t start = fuzz_below(&api.in, BYTES);
	uint64_t end = start + 1 + fuzz_below(&api.in, BYTES - (uint32_t)start);
	int error = mpio_file_sync_range(&file->handles[h], start, end);

	allow_late(file, h, error);
	if (error == 0)
		check_disk(api.disk.known, file, start,
			   end < file->size ? end : file->size);
}

static void advise(struct one_file *file, struct mpio_file *handle)
{
	enum mpio_advice advice = (enum mpio_advice)fuzz_below(&api.in, 6);
	uint64_t start = fuzz_below(&api.in, BYTES);
	int error = mpio_file_advise(handle, start, 0, advice);

	(void)file;
	FUZZ_CHECK(error <= 0);
	FUZZ_CHECK(error == 0 || advice == MPIO_ADVICE_DONTNEED);
	if (error != 0 && error != -MPIO_EBUSY)
		api_allow(error);
}

/* ---- Handles ------------------------------------------------------------ */

static void open_handle(struct one_file *file, uint32_t h)
{
	static const uint32_t straight[] = {0, 1, 2000, UINT32_MAX};
	struct mpio_file_config config = {
		.straight_min = straight[fuzz_below(&api.in, 4)],
		.readahead_max = fuzz_below(&api.in, 8192),
	};

	if (config.readahead_max != 0)
		config.readahead_min =
			1 + fuzz_below(&api.in, config.readahead_max);
	FUZZ_CHECK(mpio_file_open(&file->handles[h], &file->cached, api.queue,
				  &config) == 0);
	file->told[h] = file->faults;
}

static void open_again(struct one_file *file, uint32_t h)
{
	struct mpio_file_stats stats = mpio_file_stats(&file->handles[h]);

	FUZZ_CHECK(stats.wanted <= stats.ahead);
	mpio_file_close(&file->handles[h]);
	memset(&file->handles[h], UNTOUCHED, sizeof(file->handles[h]));
	open_handle(file, h);
}

/* ---- The cache by hand -------------------------------------------------- */

static void check_page(const struct one_file *file,
		       const struct mpio_page *page)
{
	uint64_t left = page->pos < file->size ? file->size - page->pos : 0;
	size_t n = left < page->size ? (size_t)left : page->size;
	const unsigned char *data = page->data;

	FUZZ_CHECK(page->size == all.page_size);
	if (n != 0)
		FUZZ_CHECK(memcmp(data, file->bytes + page->pos, n) == 0);
	for (; n < page->size; n++)
		FUZZ_CHECK(data[n] == 0);
}

static void get_page(struct one_file *file, uint64_t pos)
{
	struct mpio_page *page;
	int error = mpio_cache_get(&file->cached, api.queue, pos, &page);

	if (error != 0) {
		api_allow(error);
		return;
	}
	check_page(file, page);
	mpio_cache_pin(page);
	mpio_cache_put(page);
	mpio_cache_put(page);
}

static void find_page(struct one_file *file, uint64_t pos)
{
	struct mpio_page *page;
	int error = mpio_cache_find(&file->cached, pos, &page);

	if (error == 0) {
		check_page(file, page);
		FUZZ_CHECK(mpio_cache_wait(page, api.queue) == 0);
		mpio_cache_put(page);
	} else {
		FUZZ_CHECK(error == -MPIO_ENOENT);
	}
}

static void grab_page(struct one_file *file, uint64_t pos)
{
	struct mpio_page *page;
	uint32_t offset = fuzz_below(&api.in, all.page_size);
	uint32_t length = fuzz_below(&api.in, all.page_size - offset);
	int error = mpio_cache_grab(&file->cached, api.queue, pos, &page);

	if (error != 0) {
		api_allow(error);
		return;
	}
	error = mpio_cache_fill(page, api.queue, offset, length);
	if (error != 0)
		api_allow(error);
	else
		FUZZ_CHECK(mpio_cache_is_uptodate(page, offset, length));
	mpio_cache_release(page);
}

static void write_page(struct one_file *file, uint64_t pos)
{
	uint32_t room = all.page_size - (uint32_t)(pos % all.page_size);
	uint32_t length = 1 + fuzz_below(&api.in, room);
	int byte = (int)fuzz_byte(&api.in);
	struct mpio_page *page;
	int error;

	if (length > BYTES - pos)
		length = (uint32_t)(BYTES - pos);
	error = mpio_cache_write_begin(&file->cached, api.queue, pos, length,
				       &page);
	if (error != 0) {
		api_allow(error);
		return;
	}
	if (fuzz_chance(&api.in, 30)) {
		mpio_cache_write_end(page, pos, 0);
		return;
	}
	memset((char *)page->data + (pos - page->pos), byte, length);
	mpio_cache_write_end(page, pos, length);
	note_written(file, pos, length, byte);
}

static void read_ahead(struct one_file *file, uint64_t pos)
{
	int n = mpio_cache_readahead(&file->cached, api.queue, pos,
				     1 + fuzz_below(&api.in, 20),
				     fuzz_below(&api.in, 8));

	FUZZ_CHECK(n >= 0 && n <= 20);
}

static void walk(struct one_file *file)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = (enum mpio_sync_mode)fuzz_below(&api.in, 2),
		.nr_to_write = fuzz_below(&api.in, 9),
		.range_start = fuzz_below(&api.in, BYTES),
		.range_cyclic = fuzz_flag(&api.in),
	};
	int error = mpio_cache_writepages(&file->cached, api.queue, &wbc);

	FUZZ_CHECK(error == 0 || api.faults != 0);
}

static void work(void)
{
	int n = mpio_cache_work(all.cache, api.queue);

	if (n < 0)
		api_allow(n);
}

static void invalidate(struct one_file *file, uint64_t pos)
{
	int error = mpio_cache_invalidate(&file->cached, api.queue, pos,
					  pos + fuzz_below(&api.in, BYTES));

	FUZZ_CHECK(error == 0 || error == -MPIO_EBUSY);
}

static void use_cache(struct one_file *file)
{
	uint64_t pos = fuzz_below(&api.in, BYTES);

	switch (fuzz_below(&api.in, 8)) {
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
		write_page(file, pos);
		break;
	case 4:
		read_ahead(file, pos);
		break;
	case 5:
		walk(file);
		break;
	case 6:
		work();
		break;
	default:
		invalidate(file, pos);
	}
}

/* ---- All of them -------------------------------------------------------- */

void files_use(void)
{
	struct one_file *file = &all.files[fuzz_below(&api.in, FILES)];
	uint32_t h = fuzz_below(&api.in, HANDLES);
	struct mpio_file *handle = &file->handles[h];

	switch (fuzz_below(&api.in, 12)) {
	case 0:
	case 1:
		read_some(file, handle);
		break;
	case 2:
	case 3:
		write_some(file, handle);
		break;
	case 4:
		resize(file, handle);
		break;
	case 5:
		sync(file, h);
		break;
	case 6:
		sync_range(file, h);
		break;
	case 7:
		advise(file, handle);
		break;
	case 8:
		open_again(file, h);
		break;
	default:
		use_cache(file);
	}
}

/* What a file holds at first: what the disk does, with holes. */
static void fill_file(struct one_file *file)
{
	file->size = fuzz_below(&api.in, BYTES);
	for (uint32_t i = 0; i * API_BLOCK < file->size; i++) {
		uint64_t left = file->size - i * API_BLOCK;

		if (fuzz_chance(&api.in, 50))
			continue;
		file->map[i] = allocate(i != 0 ? file->map[i - 1] : 0);
		memcpy(file->bytes + i * API_BLOCK,
		       api.disk.bytes + file->map[i] * SECTOR,
		       left < API_BLOCK ? (size_t)left : API_BLOCK);
	}
}

void files_begin(void)
{
	static _Alignas(max_align_t) unsigned char memory[65536];
	struct mpio_cache_config config = {
		.page_size = 1024u << fuzz_below(&api.in, 3),
		.frame_count = 6 + fuzz_below(&api.in, 6),
		.node_count = 16,
		.memory = memory,
	};

	memset(&all, 0, sizeof(all));
	all.page_size = config.page_size;
	config.memory_size = mpio_cache_size(&config);
	FUZZ_CHECK(config.memory_size <= sizeof(memory));
	FUZZ_CHECK(mpio_cache_open(&config, &all.cache) == 0);
	FUZZ_CHECK(mpio_cache_page_size(all.cache) == config.page_size);
	for (uint32_t i = 0; i < FILES; i++) {
		struct one_file *file = &all.files[i];

		if (fuzz_flag(&api.in))
			fill_file(file);
		file->cached.mapping = (struct mpio_mapping){
			.ops = &ops,
			.size = file->size,
			.block_size = API_BLOCK,
		};
		FUZZ_CHECK(mpio_cache_attach(all.cache, &file->cached) == 0);
		for (uint32_t h = 0; h < HANDLES; h++)
			open_handle(file, h);
	}
}

static void end_file(struct one_file *file)
{
	sync(file, 0);
	FUZZ_CHECK(mpio_file_sync(&file->handles[0]) == 0);
	check_disk(api.disk.known, file, 0, file->size);
	for (uint32_t h = 0; h < HANDLES; h++)
		mpio_file_close(&file->handles[h]);
	FUZZ_CHECK(mpio_cache_detach(&file->cached, api.queue) == 0);
}

void files_end(void)
{
	struct mpio_cache_stats stats;

	for (uint32_t i = 0; i < FILES; i++)
		end_file(&all.files[i]);
	stats = mpio_cache_stats(all.cache);
	FUZZ_CHECK(stats.dirty == 0 && stats.writing == 0);
	FUZZ_CHECK(stats.free == stats.frames);
	mpio_cache_close(all.cache);
}

/* SPDX-License-Identifier: MIT */
/*
 * Files in a cache that is too small for them, through several handles of each.
 * An error of writing back is owed to every handle, until it has been told.
 */
#include "sim.h"

#include <string.h>

#define FILES 2u
#define HANDLES 3u
#define IO_MAX 9000u

struct handle {
	struct mpio_file file; /* first */
	uint64_t pos;          /* where the last read ended */
	uint64_t faults;       /* that it cannot be told of any more */
	uint64_t last; /* when it was told last, or opened; by `clock` */
	bool is_owed;  /* an error that others were told */
};

struct sim_file {
	struct mpio_cache_mapping cached; /* first */
	struct mpio_mapping_ops ops;
	uint64_t faults; /* when somebody was told last */
	struct handle handles[HANDLES];
	struct map map;
};

static struct {
	struct mpio_cache *cache;
	uint32_t page_size;
	uint64_t clock;
	struct sim_file files[FILES];
} all;

static _Alignas(4096) unsigned char buffer[IO_MAX + 64];

struct mpio_cache_mapping *file_cached(struct sim_file *file)
{
	return &file->cached;
}

struct map *file_map(struct sim_file *file)
{
	return &file->map;
}

struct mpio_cache *files_cache(void)
{
	return all.cache;
}

uint32_t files_page_size(void)
{
	return all.page_size;
}

/* ---- The engine --------------------------------------------------------- */

static struct map *map_of(struct mpio_mapping *mapping)
{
	return &((struct sim_file *)mapping)->map;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	return map_get_block(map_of(mapping), page, block, flags, extent);
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	return map_written(map_of(mapping), pos, length, queue, offset);
}

static bool still_valid(struct mpio_mapping *mapping,
			const struct mpio_extent *extent)
{
	(void)mapping, (void)extent;
	return chance(70);
}

/* A checksum: the page must be what the file is. */
static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	const struct map *map = map_of(mapping);
	const unsigned char *data = page->data;
	uint64_t left = page->pos < map->size ? map->size - page->pos : 0;
	size_t n = left < page->size ? (size_t)left : page->size;

	if (map_matches(map, page->pos, data, n))
		return 0;
	CHECK((world.kinds & 1u << KIND_FLIP) != 0);
	world.faults++;
	return -MPIO_EILSEQ;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	if (attempt > 2 || !map_whole(map_of(mapping), page, extent))
		return -MPIO_EIO;
	return 0;
}

/* A file may lie on two volumes. */
static int flush(struct mpio_file *file)
{
	(void)file;
	return world_flush();
}

/* ---- Who is told -------------------------------------------------------- */

void files_owe(struct sim_file *file, int error)
{
	if (error == 0 || error == -MPIO_EDEADLK || error == -MPIO_ETIMEDOUT)
		return;
	for (uint32_t i = 0; i < HANDLES; i++)
		file->handles[i].is_owed = true;
}

/*
 * What a sync has told. Whoever was not told for as long is owed the same
 * error, since it cannot have heard of it before. A sync that could not wait
 * for something may or may not have told another error.
 */
static void be_told(struct sim_file *file, struct handle *handle, int error)
{
	bool is_new = error != 0 && !handle->is_owed;

	if (world.is_stuck &&
	    (error == -MPIO_EDEADLK || error == -MPIO_ETIMEDOUT)) {
		handle->is_owed = false;
		handle->last = ++all.clock;
		return;
	}
	CHECK(error != 0 || !handle->is_owed);
	if (error != 0)
		CHECK(fault_is_device(error) && world.faults != handle->faults);
	for (uint32_t i = 0; i < HANDLES && is_new; i++) {
		struct handle *other = &file->handles[i];

		if (other != handle && other->last <= handle->last)
			other->is_owed = true;
	}
	totals.told += error != 0;
	handle->faults = world.faults;
	file->faults = world.faults;
	handle->is_owed = false;
	handle->last = ++all.clock;
}

/* ---- Reading and writing ------------------------------------------------ */

static uint64_t read_pos(struct sim_file *file, struct handle *handle,
			 uint64_t length)
{
	switch (below(8)) {
	case 0:
		return below(MAP_BYTES);
	case 1:
		return below(file->map.size + 1);
	case 2:
		return handle->pos > length ? handle->pos - length : 0;
	case 3:
		return handle->pos + 2 * length;
	default:
		return handle->pos;
	}
}

static void read_some(struct sim_file *file, struct handle *handle)
{
	struct map *map = &file->map;
	size_t length = 1 + below(chance(80) ? 3000 : IO_MAX);
	unsigned char *to = buffer + (chance(60) ? 0 : below(64));
	uint64_t pos = read_pos(file, handle, length);
	uint64_t left;
	size_t wanted;
	int64_t n;

	if (chance(30))
		pos -= pos % world.block;
	left = pos < map->size ? map->size - pos : 0;
	wanted = left < length ? (size_t)left : length;
	memset(to, UNTOUCHED, length);
	n = mpio_file_read(&handle->file, to, length, pos);
	sim_say("read %llu+%zu of %llu: %lld", (unsigned long long)pos, length,
		(unsigned long long)map->size, (long long)n);
	handle->pos = pos + (n > 0 ? (uint64_t)n : 0);
	CHECK(n <= (int64_t)wanted);
	if (n > 0)
		map_check(map, pos, to, (size_t)n);
	for (size_t i = wanted; n >= 0 && i < length; i++)
		CHECK(to[i] == UNTOUCHED);
	if (n < (int64_t)wanted) {
		sim_allow(n < 0 ? (int)n : -MPIO_EIO);
		world_unstick(-MPIO_EIO);
	}
}

static void note_written(struct map *map, uint64_t pos, uint64_t length,
			 const unsigned char *bytes)
{
	uint64_t from = pos < map->size ? pos : map->size;

	memcpy(map->bytes + pos, bytes, (size_t)length);
	map_touch(map, from, pos + length - from);
	for (uint64_t i = (pos + world.block - 1) / world.block;
	     (i + 1) * world.block <= pos + length; i++)
		map->unsure[i] = false;
	if (map->size < pos + length)
		map->size = pos + length;
}

static void write_some(struct sim_file *file, struct handle *handle)
{
	struct map *map = &file->map;
	uint64_t capacity = (uint64_t)map->blocks * world.block;
	uint64_t pos = below(chance(50) ? capacity : map->size);
	uint64_t length = 1 + below(chance(80) ? 3000 : IO_MAX);
	const unsigned char *bytes = sim_noise + below(NOISE_BYTES - IO_MAX);
	int64_t n;

	if (chance(50))
		pos -= pos % world.block;
	if (chance(30) && length > world.block)
		length -= length % world.block;
	if (length > capacity - pos)
		length = capacity - pos;
	n = mpio_file_write(&handle->file, bytes, (size_t)length, pos);
	sim_say("write %llu+%llu of %llu: %lld", (unsigned long long)pos,
		(unsigned long long)length, (unsigned long long)map->size,
		(long long)n);
	CHECK(n <= (int64_t)length && n != 0);
	if (n > 0)
		note_written(map, pos, (uint64_t)n, bytes);
	CHECK(mpio_file_size(&handle->file) == map->size);
	if (n < (int64_t)length) {
		sim_allow(n < 0 ? (int)n : -MPIO_EIO);
		world_unstick(-MPIO_EIO);
	}
}

/* The rest of the block behind the end that was not moved may be zeros. */
static void note_half_cut(struct map *map, uint64_t size)
{
	if (size >= map->size || size % world.block == 0)
		return;
	map->unsure[size / world.block] = true;
	map_touch(map, size, 1);
}

static void resize(struct sim_file *file, struct handle *handle)
{
	struct map *map = &file->map;
	uint64_t size = below((uint64_t)map->blocks * world.block + 1);
	int error;

	if (chance(40))
		size -= size % world.block;
	error = mpio_file_truncate(&handle->file, size);
	sim_say("truncate %llu to %llu: %d", (unsigned long long)map->size,
		(unsigned long long)size, error);
	CHECK(mpio_file_size(&handle->file) == (error == 0 ? size : map->size));
	if (error != 0) {
		note_half_cut(map, size);
		sim_allow(error);
		world_unstick(error);
		return;
	}
	if (size < map->size) {
		memset(map->bytes + size, 0, (size_t)(map->size - size));
		map_touch(map, size, map->size - size);
		for (uint64_t i = (size + world.block - 1) / world.block;
		     i < map->blocks; i++)
			map->unsure[i] = false;
	} else {
		map_touch(map, map->size, size - map->size);
	}
	map->size = size;
	map_cut(map);
}

/* ---- Syncs and advice --------------------------------------------------- */

static int sync(struct sim_file *file, struct handle *handle)
{
	int error = mpio_file_sync(&handle->file);

	sim_say("sync: %d", error);
	be_told(file, handle, error);
	if (error == 0) {
		raw_flushed();
		map_note_synced(&file->map, 0, file->map.size);
		map_check_disk(&file->map, 0, file->map.size);
	}
	world_unstick(error);
	return error;
}

/* The range goes as far as the pages that it lies in. */
static void sync_range(struct sim_file *file, struct handle *handle)
{
	uint64_t start = below(MAP_BYTES);
	uint64_t end = start + 1 + below(MAP_BYTES - start);
	bool to_end = chance(25);
	int error =
		mpio_file_sync_range(&handle->file, start, to_end ? 0 : end);

	sim_say("sync %llu to %llu: %d", (unsigned long long)start,
		to_end ? 0 : (unsigned long long)end, error);
	be_told(file, handle, error);
	start -= start % all.page_size;
	end = (end + all.page_size - 1) / all.page_size * all.page_size;
	if (to_end || end > file->map.size)
		end = file->map.size;
	if (error == 0) {
		map_note_synced(&file->map, start, end);
		map_check_disk(&file->map, start, end);
	}
	world_unstick(error);
}

static void advise(struct sim_file *file, struct handle *handle)
{
	enum mpio_advice advice = (enum mpio_advice)below(6);
	uint64_t start = below(MAP_BYTES);
	uint64_t end = start + below(MAP_BYTES - start);
	int error = mpio_file_advise(&handle->file, start, end, advice);

	(void)file;
	sim_say("advise %u: %d", (unsigned)advice, error);
	CHECK(error <= 0);
	CHECK(error == 0 || advice == MPIO_ADVICE_DONTNEED);
	if (error != 0 && error != -MPIO_EBUSY)
		sim_allow(error);
	world_unstick(error);
}

/* ---- Handles ------------------------------------------------------------ */

static void open_handle(struct sim_file *file, struct handle *handle)
{
	static const uint32_t straight[] = {0, 1, 2000, 6000, UINT32_MAX};
	struct mpio_file_config config = {
		.straight_min = straight[below(5)],
		.readahead_max = chance(50) ? 1 + below(16384) : 0,
		.flush = world.volume_count > 1 ? flush : NULL,
	};

	if (config.readahead_max != 0)
		config.readahead_min = 1 + below(config.readahead_max);
	CHECK(mpio_file_open(&handle->file, &file->cached,
			     world.volumes[0].queue, &config) == 0);
	handle->faults = file->faults;
	handle->last = ++all.clock;
	handle->is_owed = false;
	handle->pos = 0;
}

static void close_handle(struct handle *handle)
{
	struct mpio_file_stats stats = mpio_file_stats(&handle->file);

	CHECK(stats.wanted <= stats.ahead);
	CHECK(stats.windows != 0 || stats.ahead == 0);
	mpio_file_close(&handle->file);
	memset(&handle->file, UNTOUCHED, sizeof(handle->file));
}

/* ---- All of them -------------------------------------------------------- */

void files_use(void)
{
	struct sim_file *file = &all.files[below(FILES)];
	struct handle *handle = &file->handles[below(HANDLES)];

	switch (below(20)) {
	case 0:
	case 1:
	case 2:
	case 3:
		read_some(file, handle);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		write_some(file, handle);
		break;
	case 8:
		resize(file, handle);
		break;
	case 9:
	case 10:
		sync(file, handle);
		break;
	case 11:
		sync_range(file, handle);
		break;
	case 12:
		advise(file, handle);
		break;
	case 13:
		close_handle(handle);
		open_handle(file, handle);
		break;
	default:
		cached_use(file);
	}
}

static void choose_ops(struct sim_file *file)
{
	bool flips = has_kind(KIND_FLIP);

	file->ops = (struct mpio_mapping_ops){
		.get_block = get_block,
		.written = written,
		.still_valid = chance(20) ? still_valid : NULL,
		.verify = flips ? verify : NULL,
		.reread = flips && chance(70) ? reread : NULL,
	};
}

static void open_cache(void)
{
	struct mpio_cache_config config = {
		.page_size = 512u << below(5),
		.frame_count = 4 + below(12),
		.node_count = 16,
		.background_percent = chance(50) ? 1 + below(99) : 0,
		.limit_percent = chance(50) ? 1 + below(99) : 0,
		.protected_percent = chance(30) ? 1 + below(99) : 0,
		.allocator = &sim_allocator,
	};
	int error;

	while (config.page_size < world.block)
		config.page_size *= 2;
	all.page_size = config.page_size;
	do
		error = mpio_cache_open(&config, &all.cache);
	while (error == -MPIO_ENOMEM);
	CHECK(error == 0);
	CHECK(mpio_cache_page_size(all.cache) == config.page_size);
}

void files_begin(void)
{
	memset(&all, 0, sizeof(all));
	open_cache();
	for (uint32_t i = 0; i < FILES; i++) {
		struct sim_file *file = &all.files[i];

		choose_ops(file);
		map_init(&file->map, &file->cached.mapping, &file->ops);
		map_make(&file->map);
		CHECK(mpio_cache_attach(all.cache, &file->cached) == 0);
		for (uint32_t h = 0; h < HANDLES; h++)
			open_handle(file, &file->handles[h]);
	}
}

static void read_all(struct sim_file *file)
{
	struct handle *handle = &file->handles[below(HANDLES)];
	uint64_t pos = 0;

	while (pos < file->map.size) {
		size_t length = 1 + below(IO_MAX);
		int64_t n = mpio_file_read(&handle->file, buffer, length, pos);

		CHECK(n > 0);
		map_check(&file->map, pos, buffer, (size_t)n);
		pos += (uint64_t)n;
	}
	CHECK(mpio_file_read(&handle->file, buffer, 1, pos) == 0);
}

void files_calm(void)
{
	struct mpio_cache_stats stats;

	for (uint32_t i = 0; i < FILES; i++) {
		struct sim_file *file = &all.files[i];

		for (uint32_t h = 0; h < HANDLES; h++)
			sync(file, &file->handles[h]);
		for (uint32_t h = 0; h < HANDLES; h++)
			CHECK(sync(file, &file->handles[h]) == 0);
		CHECK(mpio_file_advise(&file->handles[0].file, 0, 0,
				       MPIO_ADVICE_DONTNEED) == 0);
	}
	stats = mpio_cache_stats(all.cache);
	CHECK(stats.dirty == 0 && stats.writing == 0);
	CHECK(stats.free == stats.frames);
	for (uint32_t i = 0; i < FILES; i++)
		read_all(&all.files[i]);
	CHECK(mpio_queue_drain(world.volumes[0].queue) == 0);
}

void files_check_durable(void)
{
	for (uint32_t i = 0; i < FILES; i++)
		map_check_durable(&all.files[i].map);
}

void files_end(bool drop)
{
	struct mpio_cache_stats stats;

	for (uint32_t i = 0; i < FILES; i++) {
		struct sim_file *file = &all.files[i];
		struct mpio_queue *queue = world.volumes[0].queue;

		for (uint32_t h = 0; h < HANDLES; h++)
			close_handle(&file->handles[h]);
		if (drop)
			CHECK(mpio_cache_drop(&file->cached, queue, 0,
					      UINT64_MAX) == 0);
		CHECK(mpio_cache_detach(&file->cached, queue) == 0);
	}
	stats = mpio_cache_stats(all.cache);
	CHECK(stats.free == stats.frames);
	CHECK(stats.dirty == 0 && stats.writing == 0);
	mpio_cache_close(all.cache);
}

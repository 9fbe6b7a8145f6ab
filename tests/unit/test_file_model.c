/* SPDX-License-Identifier: MIT */
/*
 * Files against plain arrays of bytes: random reads, writes, truncates, syncs
 * and advice through three handles of each of two files, in a small cache,
 * over maps that get_block makes up at random, on a device with a volatile
 * cache that ends bios out of order and, if asked, fails some, or is full.
 * After each sync that succeeds the bytes must be durable.
 *
 * An error may only be told if something has failed: by a read or a write
 * during the call, by a sync since the handle was opened or last told, or
 * before that, if nobody was told.
 *
 * MPIO_SEED plays a run again; MPIO_OPERATIONS says how long it is.
 */
#include "model_disk.h"

#include <mpio/file.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES 2u
#define HANDLES 3u
#define FILE_BLOCKS 240u
#define FILE_BYTES (FILE_BLOCKS * MODEL_BLOCK)
#define IO_MAX 20000u
/* So many operations get everywhere. */
#define LONG 20000u
/* Nothing that is read or written; in a buffer it has not been touched. */
#define UNTOUCHED 0xa5

struct handle {
	struct mpio_file file; /* first */
	uint64_t pos;          /* where the last read ended, or began */
	uint64_t faults;       /* that it cannot be told of any more */
};

struct file {
	struct mpio_cache_mapping cached; /* first */
	struct model *model;
	uint32_t map[FILE_BLOCKS]; /* block of the disk; 0: a hole */
	unsigned char bytes[FILE_BYTES];
	uint64_t size;
	uint64_t faults; /* when somebody was told last */
	struct handle handles[HANDLES];
};

/* How a run is to be. */
struct setting {
	const char *name;
	uint32_t page_size;
	uint32_t frames;
	uint32_t failures; /* of a thousand I/Os and maps */
	uint32_t blocks;   /* on the disk; 0: enough */
};

struct model {
	struct model_disk disk;
	const struct setting *setting;
	struct file files[FILES];
	struct mpio_cache *cache;
	struct mpio_queue *queue;
	void *memory;
	void *queue_memory;
	uint64_t before;            /* faults before the call going on */
	struct mpio_file_stats sum; /* of handles that were closed */
	unsigned char noise[65536];
	unsigned char buffer[IO_MAX];
};

static uint64_t below(struct model *model, uint64_t limit)
{
	return model_below(&model->disk, limit);
}

/* ---- The engine --------------------------------------------------------- */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct file *file = (struct file *)mapping;

	(void)page;
	return model_map(&file->model->disk, file->map, FILE_BLOCKS, block,
			 flags, extent);
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* What lies behind the end is given back. */
static void free_blocks(struct file *file)
{
	uint64_t first = (file->size + MODEL_BLOCK - 1) / MODEL_BLOCK;

	model_free(&file->model->disk, file->map, first, FILE_BLOCKS);
}

/* ---- Errors that may be ------------------------------------------------- */

static bool is_error_of_device(int error)
{
	return error == -MPIO_EIO || error == -MPIO_ENOSPC;
}

/* Of a call that tells what it met itself. */
static void allow(struct model *model, int error)
{
	if (model->disk.faults == model->before)
		fail_msg("error %d, and nothing has failed", error);
	/* Pages that cannot be written back leave no room. */
	if (!is_error_of_device(error) && error != -MPIO_ENOMEM)
		fail_msg("error %d", error);
}

/* Of a sync; whatever it was, the handle has been told now. */
static void allow_late(struct model *model, struct file *file,
		       struct handle *handle, int error)
{
	if (error != 0 && model->disk.faults == handle->faults)
		fail_msg("error %d, and nothing has failed", error);
	if (error != 0 && !is_error_of_device(error))
		fail_msg("error %d", error);
	handle->faults = model->disk.faults;
	file->faults = model->disk.faults;
}

/* ---- Reading and writing ------------------------------------------------ */

/* Goes on from where the last read was, most of the time. */
static uint64_t read_pos(struct model *model, struct file *file,
			 struct handle *handle, uint64_t length)
{
	switch (below(model, 8)) {
	case 0:
		return below(model, FILE_BYTES);
	case 1:
		return below(model, file->size + 1);
	case 2:
		return handle->pos > length ? handle->pos - length : 0;
	case 3:
		return handle->pos + 4 * length;
	default:
		return handle->pos;
	}
}

static void read_some(struct model *model, struct file *file,
		      struct handle *handle)
{
	uint64_t most = below(model, 8) != 0 ? 3000 : IO_MAX;
	uint64_t length = 1 + below(model, most);
	uint64_t pos = read_pos(model, file, handle, length);
	uint64_t left = pos < file->size ? file->size - pos : 0;
	uint64_t wanted = left < length ? left : length;
	int64_t n;

	memset(model->buffer, UNTOUCHED, (size_t)length);
	n = mpio_file_read(&handle->file, model->buffer, (size_t)length, pos);
	handle->pos = pos + (n > 0 ? (uint64_t)n : 0);
	if (n < 0) {
		allow(model, (int)n);
		return;
	}
	assert_true((uint64_t)n <= wanted);
	if ((uint64_t)n < wanted)
		assert_true(model->disk.faults != model->before);
	if (n > 0 && memcmp(model->buffer, file->bytes + pos, (size_t)n) != 0)
		fail_msg("bytes %" PRIu64 "+%" PRId64 " of %" PRIu64, pos, n,
			 file->size);
	/* Behind the end of file nothing is shown, whatever lies there. */
	for (uint64_t i = wanted; i < length; i++)
		assert_int_equal(model->buffer[i], UNTOUCHED);
}

static void write_some(struct model *model, struct file *file,
		       struct handle *handle)
{
	uint64_t pos = below(model, below(model, 2) ? FILE_BYTES : file->size);
	uint64_t most = below(model, 8) != 0 ? 3000 : IO_MAX;
	const unsigned char *bytes = model->noise + below(model, 65536 - most);
	uint64_t length;
	int64_t n;

	if (below(model, 2))
		pos -= pos % MODEL_BLOCK;
	if (most > FILE_BYTES - pos)
		most = FILE_BYTES - pos;
	length = 1 + below(model, most);
	if (below(model, 2) && length > MODEL_BLOCK)
		length -= length % MODEL_BLOCK;
	n = mpio_file_write(&handle->file, bytes, (size_t)length, pos);
	if (n < (int64_t)length)
		allow(model, n < 0 ? (int)n : -MPIO_EIO);
	assert_true(n <= (int64_t)length && n != 0);
	if (n > 0) {
		memcpy(file->bytes + pos, bytes, (size_t)n);
		if (file->size < pos + (uint64_t)n)
			file->size = pos + (uint64_t)n;
	}
	assert_int_equal(mpio_file_size(&handle->file), file->size);
}

static void truncate_file(struct model *model, struct file *file,
			  struct handle *handle)
{
	uint64_t size = below(model, FILE_BYTES + 1);
	int error;

	if (below(model, 3) == 0)
		size -= size % MODEL_BLOCK;
	else if (below(model, 2) == 0 && file->size < FILE_BYTES - MODEL_BLOCK)
		size = file->size + below(model, MODEL_BLOCK);
	error = mpio_file_truncate(&handle->file, size);
	if (error != 0) {
		allow(model, error);
	} else {
		if (size < file->size)
			memset(file->bytes + size, 0,
			       (size_t)(file->size - size));
		file->size = size;
		free_blocks(file);
	}
	assert_int_equal(mpio_file_size(&handle->file), file->size);
}

/* ---- Syncs and advice --------------------------------------------------- */

static void sync_file(struct model *model, struct file *file,
		      struct handle *handle)
{
	int error = mpio_file_sync(&handle->file);

	allow_late(model, file, handle, error);
	if (error == 0)
		model_check(model->disk.durable, file->map, 0, file->size,
			    file->bytes);
}

/* The range goes as far as the pages that it lies in. */
static void sync_range(struct model *model, struct file *file,
		       struct handle *handle)
{
	uint64_t page_size = model->setting->page_size;
	uint64_t start = below(model, FILE_BYTES);
	uint64_t end = start + 1 + below(model, FILE_BYTES - start);
	uint64_t stop = (end + page_size - 1) / page_size * page_size;
	bool to_end = below(model, 4) == 0;
	int error =
		mpio_file_sync_range(&handle->file, start, to_end ? 0 : end);

	allow_late(model, file, handle, error);
	if (to_end || stop > file->size)
		stop = file->size;
	if (error == 0)
		model_check(model->disk.durable, file->map,
			    start / page_size * page_size / MODEL_BLOCK, stop,
			    file->bytes);
}

static void assert_forgotten(struct file *file, uint64_t start, uint64_t end)
{
	uint64_t page_size = file->model->setting->page_size;
	struct mpio_page *page;

	start = (start + page_size - 1) / page_size * page_size;
	for (; start + page_size <= end; start += page_size)
		assert_int_equal(mpio_cache_find(&file->cached, start, &page),
				 -MPIO_ENOENT);
}

static void advise(struct model *model, struct file *file,
		   struct handle *handle)
{
	enum mpio_advice advice = (enum mpio_advice)below(model, 6);
	uint64_t start = below(model, FILE_BYTES);
	uint64_t end = start + below(model, FILE_BYTES - start);
	int error;

	if (end == 0)
		end = 1;
	error = mpio_file_advise(&handle->file, start, end, advice);
	if (error != 0) {
		assert_int_equal(advice, MPIO_ADVICE_DONTNEED);
		if (error != -MPIO_EBUSY)
			allow(model, error);
		else
			assert_true(model->disk.faults != model->before);
	} else if (advice == MPIO_ADVICE_DONTNEED) {
		assert_forgotten(file, start, end);
	}
}

/* ---- Handles ------------------------------------------------------------ */

static void close_handle(struct model *model, struct handle *handle)
{
	struct mpio_file_stats stats = mpio_file_stats(&handle->file);

	assert_true(stats.wanted <= stats.ahead);
	assert_true(stats.windows <= stats.ahead);
	assert_true(stats.windows != 0 || stats.ahead == 0);
	model->sum.ahead += stats.ahead;
	model->sum.wanted += stats.wanted;
	model->sum.straight += stats.straight;
	mpio_file_close(&handle->file);
	memset(&handle->file, UNTOUCHED, sizeof(handle->file));
}

static void open_handle(struct model *model, struct file *file,
			struct handle *handle)
{
	static const uint32_t straight[] = {0, 1, 2000, 6000, UINT32_MAX};
	struct mpio_file_config config = {
		.straight_min = straight[below(model, 5)],
	};

	if (below(model, 2)) {
		config.readahead_max = 1 + (uint32_t)below(model, 40000);
		config.readahead_min =
			1 + (uint32_t)below(model, config.readahead_max);
	}
	assert_int_equal(mpio_file_open(&handle->file, &file->cached,
					model->queue, &config),
			 0);
	handle->faults = file->faults;
}

static void open_again(struct model *model, struct file *file,
		       struct handle *handle)
{
	close_handle(model, handle);
	open_handle(model, file, handle);
}

/* ---- All of them -------------------------------------------------------- */

/* Nothing fails any more, and there is room: what failed is still there. */
static void recover(struct model *model)
{
	uint32_t failures = model->disk.failures;
	uint32_t used_max = model->disk.used_max;

	model->disk.failures = 0;
	model->disk.used_max = MODEL_BLOCKS - 1;
	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &model->files[i];
		struct handle *handle = &file->handles[below(model, HANDLES)];

		sync_file(model, file, handle);
		assert_int_equal(mpio_file_sync(&handle->file), 0);
		model_check(model->disk.durable, file->map, 0, file->size,
			    file->bytes);
		assert_int_equal(mpio_file_advise(&handle->file, 0, 0,
						  MPIO_ADVICE_DONTNEED),
				 0);
	}
	assert_int_equal(mpio_cache_stats(model->cache).dirty, 0);
	assert_int_equal(mpio_cache_stats(model->cache).free,
			 mpio_cache_stats(model->cache).frames);
	model->disk.failures = failures;
	model->disk.used_max = used_max;
}

static void seldom(struct model *model, struct file *file,
		   struct handle *handle)
{
	uint64_t pos = below(model, FILE_BYTES);
	uint64_t end = pos + below(model, FILE_BYTES);
	int result;

	switch (below(model, 9)) {
	case 0:
		truncate_file(model, file, handle);
		break;
	case 1:
		sync_file(model, file, handle);
		break;
	case 2:
		sync_range(model, file, handle);
		break;
	case 3:
		result = mpio_cache_work(model->cache, model->queue);
		if (result < 0)
			allow(model, result);
		break;
	case 4:
		result = mpio_cache_invalidate(&file->cached, model->queue, pos,
					       end);
		assert_true(result == 0 || result == -MPIO_EBUSY);
		break;
	case 5:
		open_again(model, file, handle);
		break;
	case 6:
		if (below(model, 20) == 0)
			recover(model);
		break;
	default:
		advise(model, file, handle);
	}
}

static void step(struct model *model)
{
	struct file *file = &model->files[below(model, FILES)];
	struct handle *handle = &file->handles[below(model, HANDLES)];
	uint64_t what = below(model, 16);

	model->before = model->disk.faults;
	if (what == 0)
		seldom(model, file, handle);
	else if (what == 1)
		mpio_queue_poll(model->queue);
	else if (what < 6)
		write_some(model, file, handle);
	else
		read_some(model, file, handle);
}

/* ---- Runs --------------------------------------------------------------- */

static void open_queue(struct model *model)
{
	struct mpio_queue_config config = {.bios = 8, .walk_pages = 16};

	config.memory_size = mpio_queue_size(&model->disk.device, &config);
	config.memory = model->queue_memory = malloc(config.memory_size);
	assert_int_equal(
		mpio_queue_open(&model->disk.device, &config, &model->queue),
		0);
}

static void open_file(struct model *model, struct file *file)
{
	file->model = model;
	file->size = below(model, FILE_BYTES);
	model_make_file(&model->disk, file->map, file->size, file->bytes);
	file->cached.mapping = (struct mpio_mapping){
		.ops = &ops,
		.block_size = MODEL_BLOCK,
		.size = file->size,
	};
	assert_int_equal(mpio_cache_attach(model->cache, &file->cached), 0);
	for (uint32_t i = 0; i < HANDLES; i++)
		open_handle(model, file, &file->handles[i]);
}

static void open_model(struct model *model, const struct setting *setting)
{
	struct mpio_cache_config config = {
		.page_size = setting->page_size,
		.frame_count = setting->frames,
		.node_count = 16,
	};

	model->setting = setting;
	model_disk_init(&model->disk,
			model_seed(setting->page_size + setting->frames));
	if (setting->blocks != 0)
		model->disk.used_max = setting->blocks;
	for (size_t i = 0; i < sizeof(model->noise); i++)
		model->noise[i] = (unsigned char)model_random(&model->disk);
	open_queue(model);
	config.memory_size = mpio_cache_size(&config);
	config.memory = model->memory = malloc(config.memory_size);
	assert_int_equal(mpio_cache_open(&config, &model->cache), 0);
	for (uint32_t i = 0; i < FILES; i++)
		open_file(model, &model->files[i]);
	model->disk.failures = setting->failures;
}

static void close_files(struct model *model)
{
	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &model->files[i];

		for (uint32_t j = 0; j < HANDLES; j++)
			close_handle(model, &file->handles[j]);
		assert_int_equal(mpio_cache_detach(&file->cached, model->queue),
				 0);
	}
}

/* A long run that did not get that far would show little. */
static void check_reach(const struct model *model)
{
	const struct setting *setting = model->setting;

	if (setting->failures != 0 || setting->blocks != 0)
		assert_true(model->disk.faults != 0);
	/* What fits stays, and is seldom read. */
	if (setting->page_size * setting->frames < FILES * FILE_BYTES)
		assert_true(model->sum.wanted != 0 && model->sum.straight != 0);
}

static void close_model(struct model *model)
{
	mpio_cache_close(model->cache);
	mpio_queue_close(model->queue);
	free(model->memory);
	free(model->queue_memory);
	free(model);
}

static void run(void **state)
{
	const struct setting *setting = *state;
	uint64_t n = model_operations(125000);
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	open_model(model, setting);
	for (uint64_t i = 0; i < n; i++)
		step(model);
	recover(model);
	close_files(model);
	if (n >= LONG)
		check_reach(model);
	close_model(model);
}

static const struct setting settings[] = {
	{"pages of one block", 512, 48, 0, 0},
	{"small pages in a small cache", 1024, 16, 0, 0},
	{"pages of four blocks", 2048, 24, 0, 0},
	{"all of it fits", 4096, 64, 0, 0},
	{"a device that fails now and then", 1024, 32, 2, 0},
	{"a device that fails", 2048, 16, 30, 0},
	{"a device that fails often", 4096, 24, 200, 0},
	{"a disk that is full", 1024, 40, 0, 250},
};

int main(void)
{
	struct CMUnitTest tests[sizeof(settings) / sizeof(settings[0])];

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		tests[i] = (struct CMUnitTest){
			.name = settings[i].name,
			.test_func = run,
			.initial_state = (void *)(uintptr_t)&settings[i],
		};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

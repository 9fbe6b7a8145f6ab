/* SPDX-License-Identifier: MIT */
/*
 * The cache against plain arrays of bytes: random reads, writes, resizes,
 * syncs, invalidations and readahead on two files in a small cache, over maps
 * that get_block makes up at random, on a device that ends bios out of order
 * and, if asked, fails some. After each sync that succeeds the device must
 * hold the bytes, too.
 *
 * MPIO_SEED plays a run again; MPIO_OPERATIONS says how long it is.
 */
#include "model_disk.h"

#include <mpio/cache.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES 2u
#define FILE_BLOCKS 240u
#define FILE_BYTES (FILE_BLOCKS * MODEL_BLOCK)

struct file {
	struct mpio_cache_mapping cached; /* first */
	struct model *model;
	uint32_t map[FILE_BLOCKS]; /* block of the device; 0: a hole */
	unsigned char bytes[FILE_BYTES];
	uint64_t size;
	struct mpio_errseq since;
};

struct model {
	struct model_disk disk;
	struct file files[FILES];
	struct mpio_cache *cache;
	struct mpio_queue *queue;
	void *memory;
	void *queue_memory;
	uint32_t page_size;
	uint64_t told; /* errors that were seen */
};

static uint64_t below(struct model *model, uint64_t limit)
{
	return model_below(&model->disk, limit);
}

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

/* ---- Operations --------------------------------------------------------- */

/* An error that may be, as long as something fails. */
static void allow(struct model *model, int error)
{
	assert_true(model->disk.failures != 0);
	assert_true(error == -MPIO_EIO || error == -MPIO_ENOSPC ||
		    error == -MPIO_ENOMEM);
	model->told++;
}

static void read_some(struct model *model, struct file *file)
{
	uint64_t pos = below(model, FILE_BYTES);
	struct mpio_page *page;
	int error = mpio_cache_get(&file->cached, model->queue, pos, &page);

	if (error != 0) {
		allow(model, error);
		return;
	}
	for (uint32_t i = 0; i < page->size; i++) {
		int expected = page->pos + i < file->size
				       ? file->bytes[page->pos + i]
				       : 0;

		if (((unsigned char *)page->data)[i] != expected)
			fail_msg("byte %" PRIu64 " of %" PRIu64, page->pos + i,
				 file->size);
	}
	mpio_cache_put(page);
}

static void write_some(struct model *model, struct file *file)
{
	uint64_t pos = below(model, below(model, 2) ? FILE_BYTES : file->size);
	uint64_t room = model->page_size - pos % model->page_size;
	uint32_t length;
	struct mpio_page *page;
	int byte = (int)below(model, 256);
	int error;

	if (below(model, 2))
		pos -= pos % MODEL_BLOCK;
	if (room > FILE_BYTES - pos)
		room = FILE_BYTES - pos;
	length = 1 + (uint32_t)below(model, room);
	if (below(model, 2) && length > MODEL_BLOCK)
		length -= length % MODEL_BLOCK;
	error = mpio_cache_write_begin(&file->cached, model->queue, pos, length,
				       &page);
	if (error != 0) {
		allow(model, error);
		return;
	}
	memset((unsigned char *)page->data + (pos - page->pos), byte, length);
	mpio_cache_write_end(page, pos, length);
	memset(file->bytes + pos, byte, length);
	if (file->size < pos + length)
		file->size = pos + length;
	assert_int_equal(mpio_cache_end(&file->cached), file->size);
}

static void resize(struct model *model, struct file *file)
{
	uint64_t size = below(model, FILE_BYTES + 1);
	int error;

	if (below(model, 3) == 0)
		size -= size % MODEL_BLOCK;
	else if (below(model, 3) == 0 && file->size < FILE_BYTES - MODEL_BLOCK)
		size = file->size + below(model, MODEL_BLOCK);
	error = mpio_cache_resize(&file->cached, model->queue, size);
	if (error != 0) {
		allow(model, error);
		assert_int_equal(mpio_cache_end(&file->cached), file->size);
		return;
	}
	if (size < file->size)
		memset(file->bytes + size, 0, (size_t)(FILE_BYTES - size));
	file->size = size;
	free_blocks(file);
}

static void check_disk(struct model *model, struct file *file)
{
	model_check(model->disk.bytes, file->map, 0, file->size, file->bytes);
}

static void sync_file(struct model *model, struct file *file)
{
	int error = mpio_cache_sync(&file->cached, model->queue, &file->since);

	if (error != 0)
		allow(model, error);
	else
		check_disk(model, file);
}

/* Nothing fails any more: what failed is still there, and is told once. */
static void recover(struct model *model)
{
	uint32_t failures = model->disk.failures;

	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &model->files[i];
		int error;

		model->disk.failures = 0;
		error = mpio_cache_sync(&file->cached, model->queue,
					&file->since);
		assert_true(error == 0 || failures != 0);
		assert_int_equal(mpio_cache_sync(&file->cached, model->queue,
						 &file->since),
				 0);
		assert_int_equal(mpio_cache_invalidate(&file->cached,
						       model->queue, 0,
						       UINT64_MAX),
				 0);
		check_disk(model, file);
		model->disk.failures = failures;
	}
	assert_int_equal(mpio_cache_stats(model->cache).dirty, 0);
	assert_int_equal(mpio_cache_stats(model->cache).free,
			 mpio_cache_stats(model->cache).frames);
}

static void step(struct model *model)
{
	struct file *file = &model->files[below(model, FILES)];
	uint64_t pos = below(model, FILE_BYTES);
	uint64_t end = pos + below(model, FILE_BYTES);
	int result;

	switch (below(model, 64)) {
	case 0:
		resize(model, file);
		break;
	case 1:
		sync_file(model, file);
		break;
	case 2:
		result = mpio_cache_work(model->cache, model->queue);
		if (result < 0)
			allow(model, result);
		break;
	case 3:
		result = mpio_cache_invalidate(&file->cached, model->queue, pos,
					       end);
		assert_true(result == 0 || result == -MPIO_EBUSY);
		break;
	case 4:
		if (below(model, 20) == 0)
			recover(model);
		break;
	case 5:
	case 6:
	case 7:
		result = mpio_cache_readahead(&file->cached, model->queue, pos,
					      (uint32_t)below(model, 40),
					      MPIO_READ_AHEAD);
		assert_true(result >= 0);
		break;
	case 8:
		mpio_queue_poll(model->queue);
		break;
	default:
		if (below(model, 2))
			read_some(model, file);
		else
			write_some(model, file);
	}
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

static void open_model(struct model *model, uint32_t page_size, uint32_t frames)
{
	struct mpio_cache_config config = {
		.page_size = page_size,
		.frame_count = frames,
		.node_count = 16,
	};

	model->page_size = page_size;
	open_queue(model);
	config.memory_size = mpio_cache_size(&config);
	config.memory = model->memory = malloc(config.memory_size);
	assert_int_equal(mpio_cache_open(&config, &model->cache), 0);
	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &model->files[i];

		file->model = model;
		file->cached.mapping = (struct mpio_mapping){
			.ops = &ops,
			.block_size = MODEL_BLOCK,
		};
		assert_int_equal(mpio_cache_attach(model->cache, &file->cached),
				 0);
	}
}

/* Blocks that were there before, with an end in the midst of one. */
static void make_file(struct model *model, struct file *file)
{
	file->size = below(model, FILE_BYTES);
	model_make_file(&model->disk, file->map, file->size, file->bytes);
	file->cached.mapping.size = file->size;
}

static void run(uint32_t page_size, uint32_t frames, uint32_t failures)
{
	uint64_t n = model_operations(20000);
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	model_disk_init(&model->disk, model_seed(frames));
	open_model(model, page_size, frames);
	for (uint32_t i = 0; i < FILES; i++)
		make_file(model, &model->files[i]);
	model->disk.failures = failures;
	for (uint64_t i = 0; i < n; i++)
		step(model);
	recover(model);
	assert_true(failures == 0 || model->told != 0);
	for (uint32_t i = 0; i < FILES; i++)
		assert_int_equal(mpio_cache_detach(&model->files[i].cached,
						   model->queue),
				 0);
	mpio_cache_close(model->cache);
	mpio_queue_close(model->queue);
	free(model->memory);
	free(model->queue_memory);
	free(model);
}

static void small_pages_in_a_small_cache(void **state)
{
	(void)state;
	run(2048, 12, 0);
}

static void pages_of_one_block(void **state)
{
	(void)state;
	run(512, 40, 0);
}

static void large_pages(void **state)
{
	(void)state;
	run(16384, 3, 0);
}

static void all_of_it_fits(void **state)
{
	(void)state;
	run(4096, 64, 0);
}

static void on_a_device_that_fails(void **state)
{
	(void)state;
	run(2048, 12, 30);
}

static void on_a_device_that_fails_often(void **state)
{
	(void)state;
	run(4096, 20, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_pages_in_a_small_cache),
		cmocka_unit_test(pages_of_one_block),
		cmocka_unit_test(large_pages),
		cmocka_unit_test(all_of_it_fits),
		cmocka_unit_test(on_a_device_that_fails),
		cmocka_unit_test(on_a_device_that_fails_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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
#include <mpio/cache.h>
#include <mpio/mpio.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FILES 2u
#define BLOCK_SIZE 512u
#define FILE_BLOCKS 240u
#define FILE_BYTES (FILE_BLOCKS * BLOCK_SIZE)
#define DISK_BLOCKS 2048u
#define DISK_BYTES (DISK_BLOCKS * BLOCK_SIZE)
#define PENDING_MAX 256u

struct file {
	struct mpio_cache_mapping cached; /* first */
	struct model *model;
	uint32_t map[FILE_BLOCKS]; /* block of the device; 0: a hole */
	unsigned char bytes[FILE_BYTES];
	uint64_t size;
	struct mpio_errseq since;
};

struct model {
	struct mpio_device device; /* first */
	unsigned char disk[DISK_BYTES];
	bool used[DISK_BLOCKS];
	struct mpio_bio *pending[PENDING_MAX];
	uint32_t pending_count;
	uint32_t failures; /* of a thousand I/Os and maps */
	struct file files[FILES];
	struct mpio_cache *cache;
	struct mpio_queue *queue;
	void *memory;
	void *queue_memory;
	uint32_t page_size;
	uint64_t seed;
	uint64_t told; /* errors that were seen */
};

static uint64_t next_random(struct model *model)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return model->seed >> 11;
}

static uint64_t below(struct model *model, uint64_t limit)
{
	return limit != 0 ? next_random(model) % limit : 0;
}

static bool fails(struct model *model)
{
	return below(model, 1000) < model->failures;
}

/* ---- The device --------------------------------------------------------- */

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	struct model *model = (struct model *)device;

	(void)channel;
	assert_in_range(model->pending_count, 0, PENDING_MAX - 1);
	model->pending[model->pending_count++] = bio;
	return 0;
}

static void end_one(struct model *model)
{
	uint32_t i = (uint32_t)below(model, model->pending_count);
	struct mpio_bio *bio = model->pending[i];
	unsigned char *at = model->disk + bio->offset;

	model->pending[i] = model->pending[--model->pending_count];
	if (bio->op <= MPIO_BIO_WRITE && fails(model)) {
		mpio_bio_end(bio, -MPIO_EIO);
		return;
	}
	for (uint32_t j = 0; j < bio->vec_count; j++) {
		const struct mpio_iovec *vec = &bio->vecs[j];

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, at, vec->length);
		else if (bio->op == MPIO_BIO_WRITE)
			memcpy(at, vec->base, vec->length);
		at += vec->length;
	}
	mpio_bio_end(bio, 0);
}

static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct model *model = (struct model *)device;
	uint32_t n = (uint32_t)below(model, 3) + (wait != 0);
	uint32_t ended = 0;

	(void)channel;
	while (ended < n && model->pending_count != 0) {
		end_one(model);
		ended++;
	}
	return (int)ended;
}

/* ---- The engine --------------------------------------------------------- */

static uint32_t allocate(struct model *model, uint32_t near)
{
	uint32_t block = near + 1;

	if (near == 0 || below(model, 4) == 0)
		block = (uint32_t)below(model, DISK_BLOCKS);
	while (block == 0 || block >= DISK_BLOCKS || model->used[block])
		block = block >= DISK_BLOCKS ? 1 : block + 1;
	model->used[block] = true;
	return block;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct file *file = (struct file *)mapping;
	struct model *model = file->model;
	uint64_t n = 1;

	(void)page;
	if (fails(model))
		return flags & MPIO_MAP_CREATE ? -MPIO_ENOSPC : -MPIO_EIO;
	assert_true(block + extent->count <= FILE_BLOCKS);
	for (uint64_t i = block;
	     (flags & MPIO_MAP_CREATE) && i < block + extent->count; i++) {
		if (file->map[i] == 0)
			file->map[i] =
				allocate(model, i != 0 ? file->map[i - 1] : 0);
	}
	if (file->map[block] != 0) {
		extent->flags = MPIO_EXTENT_MAPPED;
		extent->block = file->map[block];
	}
	while (n < extent->count &&
	       file->map[block + n] ==
		       (file->map[block] != 0 ? file->map[block] + n : 0))
		n++;
	extent->count = 1 + below(model, n);
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* What lies behind the end is given back. */
static void free_blocks(struct file *file)
{
	uint64_t first = (file->size + BLOCK_SIZE - 1) / BLOCK_SIZE;

	for (uint64_t i = first; i < FILE_BLOCKS; i++) {
		if (file->map[i] != 0)
			file->model->used[file->map[i]] = false;
		file->map[i] = 0;
	}
}

/* ---- Operations --------------------------------------------------------- */

/* An error that may be, as long as something fails. */
static void allow(struct model *model, int error)
{
	assert_true(model->failures != 0);
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
		pos -= pos % BLOCK_SIZE;
	if (room > FILE_BYTES - pos)
		room = FILE_BYTES - pos;
	length = 1 + (uint32_t)below(model, room);
	if (below(model, 2) && length > BLOCK_SIZE)
		length -= length % BLOCK_SIZE;
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
		size -= size % BLOCK_SIZE;
	else if (below(model, 3) == 0 && file->size < FILE_BYTES - BLOCK_SIZE)
		size = file->size + below(model, BLOCK_SIZE);
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
	for (uint64_t i = 0; i * BLOCK_SIZE < file->size; i++) {
		const unsigned char *bytes = file->bytes + i * BLOCK_SIZE;
		uint64_t length = file->size - i * BLOCK_SIZE;

		if (length > BLOCK_SIZE)
			length = BLOCK_SIZE;
		if (file->map[i] != 0) {
			assert_memory_equal(model->disk +
						    file->map[i] * BLOCK_SIZE,
					    bytes, (size_t)length);
			continue;
		}
		for (uint64_t j = 0; j < length; j++)
			assert_int_equal(bytes[j], 0);
	}
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
	uint32_t failures = model->failures;

	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &model->files[i];
		int error;

		model->failures = 0;
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
		model->failures = failures;
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

	config.memory_size = mpio_queue_size(&model->device, &config);
	config.memory = model->queue_memory = malloc(config.memory_size);
	assert_int_equal(
		mpio_queue_open(&model->device, &config, &model->queue), 0);
}

static void open_model(struct model *model, uint32_t page_size, uint32_t frames)
{
	struct mpio_cache_config config = {
		.page_size = page_size,
		.frame_count = frames,
		.node_count = 16,
	};

	model->page_size = page_size;
	model->device = (struct mpio_device){
		.ops = {.submit = submit, .reap = reap},
		.size = DISK_BYTES,
	};
	for (size_t i = 0; i < DISK_BYTES; i++)
		model->disk[i] = (unsigned char)next_random(model);
	open_queue(model);
	config.memory_size = mpio_cache_size(&config);
	config.memory = model->memory = malloc(config.memory_size);
	assert_int_equal(mpio_cache_open(&config, &model->cache), 0);
	for (uint32_t i = 0; i < FILES; i++) {
		struct file *file = &model->files[i];

		file->model = model;
		file->cached.mapping = (struct mpio_mapping){
			.ops = &ops,
			.block_size = BLOCK_SIZE,
		};
		assert_int_equal(mpio_cache_attach(model->cache, &file->cached),
				 0);
	}
}

/* Blocks that were there before, with an end in the midst of one. */
static void make_file(struct model *model, struct file *file)
{
	file->size = below(model, FILE_BYTES);
	for (uint64_t i = 0; i * BLOCK_SIZE < file->size; i++) {
		uint64_t length = file->size - i * BLOCK_SIZE;

		if (below(model, 5) == 0)
			continue;
		file->map[i] = allocate(model, i != 0 ? file->map[i - 1] : 0);
		memcpy(file->bytes + i * BLOCK_SIZE,
		       model->disk + file->map[i] * BLOCK_SIZE,
		       length < BLOCK_SIZE ? (size_t)length : BLOCK_SIZE);
	}
	file->cached.mapping.size = file->size;
}

static void run(uint32_t page_size, uint32_t frames, uint32_t failures)
{
	const char *seed = getenv("MPIO_SEED");
	const char *operations = getenv("MPIO_OPERATIONS");
	uint64_t n = operations != NULL ? strtoull(operations, NULL, 0) : 20000;
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	model->seed = seed != NULL
			      ? strtoull(seed, NULL, 0)
			      : (uint64_t)time(NULL) * 2654435761u + frames;
	model->seed |= 1;
	print_message("MPIO_SEED=%" PRIu64 "\n", model->seed);
	open_model(model, page_size, frames);
	for (uint32_t i = 0; i < FILES; i++)
		make_file(model, &model->files[i]);
	model->failures = failures;
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

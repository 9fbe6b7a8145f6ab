/* SPDX-License-Identifier: MIT */
/*
 * The disk of the model tests.
 */
#include "model_disk.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- Random numbers ----------------------------------------------------- */

uint64_t model_seed(uint64_t salt)
{
	const char *text = getenv("MPIO_SEED");
	uint64_t seed = text != NULL
				? strtoull(text, NULL, 0)
				: (uint64_t)time(NULL) * 2654435761u + salt;

	seed |= 1;
	print_message("MPIO_SEED=%" PRIu64 "\n", seed);
	return seed;
}

uint64_t model_operations(uint64_t usual)
{
	const char *text = getenv("MPIO_OPERATIONS");

	return text != NULL ? strtoull(text, NULL, 0) : usual;
}

uint64_t model_random(struct model_disk *disk)
{
	disk->seed ^= disk->seed << 13;
	disk->seed ^= disk->seed >> 7;
	disk->seed ^= disk->seed << 17;
	return disk->seed >> 11;
}

uint64_t model_below(struct model_disk *disk, uint64_t limit)
{
	return limit != 0 ? model_random(disk) % limit : 0;
}

bool model_fails(struct model_disk *disk)
{
	bool fails = model_below(disk, 1000) < disk->failures;

	disk->faults += fails;
	return fails;
}

/* ---- The device --------------------------------------------------------- */

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	struct model_disk *disk = (struct model_disk *)device;

	(void)channel;
	assert_in_range(disk->pending_count, 0, MODEL_PENDING - 1);
	disk->sent[disk->pending_count] = disk->clock;
	disk->pending[disk->pending_count++] = bio;
	return 0;
}

static void move(struct model_disk *disk, const struct mpio_bio *bio)
{
	unsigned char *at = disk->bytes + bio->offset;

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, at, vec->length);
		else
			memcpy(at, vec->base, vec->length);
		at += vec->length;
	}
}

static void note_written(struct model_disk *disk, const struct mpio_bio *bio)
{
	uint64_t first = bio->offset / MODEL_BLOCK;
	uint64_t end = (bio->offset + bio->length) / MODEL_BLOCK;

	disk->clock++;
	for (uint64_t i = first; i < end; i++)
		disk->written[i] = disk->clock;
}

/* What was written before the flush was sent is durable. */
static void flush(struct model_disk *disk, uint64_t sent)
{
	for (size_t i = 0; i < MODEL_BLOCKS; i++) {
		if (disk->written[i] == 0 || disk->written[i] > sent)
			continue;
		disk->written[i] = 0;
		memcpy(disk->durable + i * MODEL_BLOCK,
		       disk->bytes + i * MODEL_BLOCK, MODEL_BLOCK);
	}
}

static void end_one(struct model_disk *disk)
{
	uint32_t i = (uint32_t)model_below(disk, disk->pending_count);
	struct mpio_bio *bio = disk->pending[i];
	uint64_t sent = disk->sent[i];

	disk->pending_count--;
	disk->pending[i] = disk->pending[disk->pending_count];
	disk->sent[i] = disk->sent[disk->pending_count];
	if (model_fails(disk)) {
		mpio_bio_end(bio, -MPIO_EIO);
		return;
	}
	if (bio->op == MPIO_BIO_FLUSH)
		flush(disk, sent);
	else
		move(disk, bio);
	if (bio->op == MPIO_BIO_WRITE)
		note_written(disk, bio);
	mpio_bio_end(bio, 0);
}

static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct model_disk *disk = (struct model_disk *)device;
	uint32_t n = (uint32_t)model_below(disk, 3) + (wait != 0);
	uint32_t ended = 0;

	(void)channel;
	while (ended < n && disk->pending_count != 0) {
		end_one(disk);
		ended++;
	}
	return (int)ended;
}

void model_disk_init(struct model_disk *disk, uint64_t seed)
{
	disk->device = (struct mpio_device){
		.ops = {.submit = submit, .reap = reap},
		.limits = {.features = MPIO_DEVICE_FLUSH},
		.size = MODEL_BYTES,
	};
	disk->used_max = MODEL_BLOCKS - 1;
	disk->seed = seed;
	for (size_t i = 0; i < MODEL_BYTES; i++)
		disk->bytes[i] = (unsigned char)model_random(disk);
	memcpy(disk->durable, disk->bytes, MODEL_BYTES);
}

/* ---- Maps --------------------------------------------------------------- */

uint32_t model_allocate(struct model_disk *disk, uint32_t near)
{
	uint32_t block = near + 1;

	if (disk->used_count >= disk->used_max)
		return 0;
	if (near == 0 || model_below(disk, 4) == 0)
		block = (uint32_t)model_below(disk, MODEL_BLOCKS);
	while (block == 0 || block >= MODEL_BLOCKS || disk->used[block])
		block = block >= MODEL_BLOCKS ? 1 : block + 1;
	disk->used[block] = true;
	disk->used_count++;
	return block;
}

void model_free(struct model_disk *disk, uint32_t *map, uint64_t first,
		uint64_t count)
{
	for (uint64_t i = first; i < count; i++) {
		if (map[i] != 0) {
			disk->used[map[i]] = false;
			disk->used_count--;
		}
		map[i] = 0;
	}
}

/* As far as there is room; false: not even for the first. */
static bool create(struct model_disk *disk, uint32_t *map, uint64_t block,
		   uint64_t count)
{
	for (uint64_t i = block; i < block + count; i++) {
		if (map[i] == 0)
			map[i] = model_allocate(disk, i != 0 ? map[i - 1] : 0);
		if (map[i] == 0) {
			disk->faults++;
			break;
		}
	}
	return map[block] != 0;
}

int model_map(struct model_disk *disk, uint32_t *map, uint64_t count,
	      uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	uint64_t n = 1;

	if (model_fails(disk))
		return flags & MPIO_MAP_CREATE ? -MPIO_ENOSPC : -MPIO_EIO;
	assert_true(block + extent->count <= count);
	if ((flags & MPIO_MAP_CREATE) &&
	    !create(disk, map, block, extent->count))
		return -MPIO_ENOSPC;
	if (map[block] != 0) {
		extent->flags = MPIO_EXTENT_MAPPED;
		extent->block = map[block];
	}
	while (n < extent->count &&
	       map[block + n] == (map[block] != 0 ? map[block] + n : 0))
		n++;
	extent->count = 1 + model_below(disk, n);
	return 0;
}

/* Bytes of a block that lie before the end. */
static size_t before_end(uint64_t size, uint64_t block)
{
	uint64_t length = size - block * MODEL_BLOCK;

	return length < MODEL_BLOCK ? (size_t)length : MODEL_BLOCK;
}

void model_make_file(struct model_disk *disk, uint32_t *map, uint64_t size,
		     unsigned char *bytes)
{
	for (uint64_t i = 0; i * MODEL_BLOCK < size; i++) {
		if (model_below(disk, 5) == 0)
			continue;
		map[i] = model_allocate(disk, i != 0 ? map[i - 1] : 0);
		if (map[i] != 0)
			memcpy(bytes + i * MODEL_BLOCK,
			       disk->bytes + map[i] * MODEL_BLOCK,
			       before_end(size, i));
	}
}

void model_check(const unsigned char *at, const uint32_t *map, uint64_t first,
		 uint64_t size, const unsigned char *bytes)
{
	static const unsigned char zeros[MODEL_BLOCK];

	for (uint64_t i = first; i * MODEL_BLOCK < size; i++) {
		const unsigned char *is =
			map[i] != 0 ? at + map[i] * MODEL_BLOCK : zeros;

		if (memcmp(is, bytes + i * MODEL_BLOCK, before_end(size, i)) !=
		    0)
			fail_msg("block %" PRIu64 " of %" PRIu64
				 " bytes, in block %" PRIu32 " of the disk",
				 i, size, map[i]);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * A file on a device that notes what is read ahead.
 */
#include "ahead_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- The device and the engine ------------------------------------------- */

static void note_read(struct ahead_rig *rig, const struct mpio_bio *bio)
{
	uint64_t end = bio->offset + bio->length;

	rig->ios++;
	rig->bytes += bio->length;
	rig->last = end > rig->last ? end : rig->last;
	if (bio->offset < rig->end && end > rig->pos)
		rig->demands++;
	for (uint64_t at = bio->offset; at < end; at += PAGE) {
		bool early = at >= rig->end || at + PAGE <= rig->pos;

		rig->on_its_way += early * PAGE;
		rig->on_its_way -= rig->early[at / PAGE] * PAGE;
		rig->early[at / PAGE] = early;
		rig->ahead += early * PAGE;
	}
}

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	struct ahead_rig *rig = (struct ahead_rig *)device;

	(void)channel;
	assert_in_range(rig->pending_count, 0, PENDING_MAX - 1);
	if (bio->op == MPIO_BIO_READ)
		note_read(rig, bio);
	rig->pending[rig->pending_count++] = bio;
	return 0;
}

/* The bytes do not matter here. */
static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct ahead_rig *rig = (struct ahead_rig *)device;
	int n = (int)rig->pending_count;

	(void)channel;
	if (rig->slow && wait == 0)
		return 0;
	if (rig->slow && n > 0) {
		struct mpio_bio *bio = rig->pending[0];

		rig->alone += n == 1;
		memmove(rig->pending, rig->pending + 1,
			--rig->pending_count * sizeof(rig->pending[0]));
		mpio_bio_end(bio, 0);
		return 1;
	}
	while (rig->pending_count != 0)
		mpio_bio_end(rig->pending[--rig->pending_count], 0);
	return n;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = block;
	return 0;
}

static const struct mpio_mapping_ops ops = {.get_block = get_block};

/* ---- The rig ------------------------------------------------------------- */

struct ahead_rig *ahead_rig_open(uint32_t frames, uint32_t bytes_max,
				 const struct mpio_file_config *config)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config queue_config = {
		.bytes_max = bytes_max,
		.allocator = &allocator,
	};
	struct mpio_cache_config cache_config = {
		.frame_count = frames,
		.allocator = &allocator,
	};
	struct ahead_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->device = (struct mpio_device){
		.ops = {.submit = submit, .reap = reap},
		.size = FILE_BYTES,
	};
	assert_int_equal(
		mpio_queue_open(&rig->device, &queue_config, &rig->queue), 0);
	assert_int_equal(mpio_cache_open(&cache_config, &rig->cache), 0);
	rig->mapping.mapping = (struct mpio_mapping){
		.ops = &ops,
		.block_size = 512,
		.size = FILE_BYTES,
	};
	assert_int_equal(mpio_cache_attach(rig->cache, &rig->mapping), 0);
	assert_int_equal(
		mpio_file_open(&rig->file, &rig->mapping, rig->queue, config),
		0);
	return rig;
}

void ahead_rig_close(struct ahead_rig *rig)
{
	mpio_file_close(&rig->file);
	assert_int_equal(mpio_cache_detach(&rig->mapping, rig->queue), 0);
	mpio_cache_close(rig->cache);
	mpio_queue_close(rig->queue);
	free(rig);
}

uint64_t ahead_read_by(struct ahead_rig *rig, struct mpio_file *file,
		       uint64_t pos, uint64_t length)
{
	static unsigned char buffer[4 * 1024 * 1024];
	uint64_t size = mpio_file_size(file);
	uint64_t before = mpio_file_stats(file).ahead;
	uint64_t left = pos < size ? size - pos : 0;

	assert_in_range(length, 1, sizeof(buffer));
	if (left > length)
		left = length;
	rig->pos = pos;
	rig->end = pos + left;
	assert_int_equal(mpio_file_read(file, buffer, (size_t)length, pos),
			 left);
	for (uint64_t at = pos / PAGE; at * PAGE < pos + left; at++) {
		rig->wanted += rig->early[at] * PAGE;
		rig->on_its_way -= rig->early[at] * PAGE;
		rig->early[at] = 0;
	}
	rig->pos = rig->end = 0;
	mpio_queue_poll(rig->queue);
	return mpio_file_stats(file).ahead - before;
}

uint64_t ahead_read(struct ahead_rig *rig, uint64_t pos, uint64_t length)
{
	return ahead_read_by(rig, &rig->file, pos, length);
}

void ahead_read_run(struct ahead_rig *rig, uint64_t from, uint64_t to,
		    uint64_t length)
{
	for (uint64_t pos = from; pos < to; pos += length)
		ahead_read(rig, pos, length);
}

void ahead_forget_counts(struct ahead_rig *rig)
{
	rig->ios = 0;
	rig->demands = 0;
	rig->bytes = 0;
}

uint64_t ahead_on_its_way(const struct ahead_rig *rig)
{
	return rig->on_its_way;
}

uint64_t ahead_random(struct ahead_rig *rig)
{
	rig->seed ^= rig->seed << 13;
	rig->seed ^= rig->seed >> 7;
	rig->seed ^= rig->seed << 17;
	return rig->seed >> 11;
}

void ahead_seed(struct ahead_rig *rig)
{
	const char *text = getenv("MPIO_SEED");

	rig->seed = text != NULL ? strtoull(text, NULL, 0)
				 : (uint64_t)time(NULL) * 2654435761u;
	rig->seed |= 1;
	print_message("MPIO_SEED=%" PRIu64 "\n", rig->seed);
}

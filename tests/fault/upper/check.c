/* SPDX-License-Identifier: MIT */
/*
 * What must hold after any fault, when nothing is in flight:
 *
 *  - no page is locked, read, written back or pinned, and nobody walks;
 *  - what the cache counts is what there is, in its frames, lists and trees;
 *  - what it calls uptodate is what the file's bytes must be, and zeros behind
 *    the end;
 *  - what it does not call dirty is on the device: nothing was dropped; and
 *    nothing behind the end is dirty;
 *  - no byte of the device has changed that is not the files';
 *  - all bios are in their pool again.
 */
#include "upper.h"

#include "../inject.h"

#include "cache_private.h"

#include <string.h>

static const unsigned char zeros[BLOCK];

/* ---- Frames ------------------------------------------------------------- */

static void check_block(const struct file *file,
			const struct mpio__frame *frame, uint32_t index)
{
	uint64_t pos = frame->page.pos + (uint64_t)index * BLOCK;
	const unsigned char *bytes =
		(const unsigned char *)frame->page.data + index * BLOCK;
	uint64_t left = pos < file->size ? file->size - pos : 0;
	size_t length = left < BLOCK ? (size_t)left : BLOCK;

	if (length != 0)
		check(memcmp(bytes, file->model + pos, length) == 0);
	check(memcmp(bytes + length, zeros, BLOCK - length) == 0);
}

/* A frame with a page. */
static void check_frame(struct mpio_cache *cache, struct mpio__frame *frame)
{
	const struct file *file = (struct file *)frame->file;
	struct mpio__index index = mpio__file_index(frame->file);
	uint32_t number = mpio__frame_number(cache, frame);
	uint64_t key = mpio__frame_key(cache, frame);

	check(!(frame->state & (MPIO__FRAME_BUSY | MPIO__FRAME_READING |
				MPIO__FRAME_AHEAD | MPIO__FRAME_ORPHAN)));
	check(frame->pins == 0 && frame->moving == 0);
	check((frame->dirty & ~frame->uptodate) == 0);
	check(mpio__file_find(frame->file, key) == number);
	for (int tag = 0; tag < MPIO__TAG_ANY; tag++) {
		uint64_t at = key;
		bool is = mpio__index_next(index, &at, (enum mpio__tag)tag) ==
			  number;

		check(is == (tag == MPIO__TAG_DIRTY && frame->dirty != 0));
	}
	for (uint32_t i = 0; i < PAGE / BLOCK; i++) {
		if (frame->uptodate >> i & 1)
			check_block(file, frame, i);
		if (frame->dirty >> i & 1)
			check(frame->page.pos + (uint64_t)i * BLOCK <
			      file->size);
	}
}

static void check_cache(struct mpio_cache *cache)
{
	uint32_t pages[FILES] = {0};
	uint32_t dirty[FILES] = {0};
	uint32_t used = 0;
	const struct file *first = NULL;

	for (uint32_t i = 1; i <= cache->frame_count; i++) {
		struct mpio__frame *frame = mpio__frame_at(cache, i);
		const struct file *file = (struct file *)frame->file;
		uint32_t which;

		if (file == NULL)
			continue;
		first = file->stack->files;
		which = (uint32_t)(file - first);
		check_frame(cache, frame);
		used++;
		pages[which]++;
		dirty[which] += frame->dirty != 0;
	}
	check(cache->stats.free == cache->frame_count - used);
	check(cache->probation.count + cache->protect.count +
		      cache->aside.count ==
	      used);
	check(cache->stats.dirty == dirty[0] + dirty[1]);
	check(cache->stats.writing == 0 && cache->reading == 0);
	check(cache->walks == NULL && cache->handings == NULL);
	check(cache->waiters == 0);
	check((cache->dirty_files != NULL) == (cache->stats.dirty != 0));
	for (uint32_t i = 0; first != NULL && i < FILES; i++) {
		const struct mpio_cache_mapping *file = &first[i].cached;

		check(file->pages == pages[i] && file->dirty == dirty[i]);
		check(file->writing == 0 && file->orphans == 0);
		check(file->walker == NULL && file->watches == NULL);
		check((file->dirty_next != NULL) == (dirty[i] != 0));
	}
}

/* ---- The device --------------------------------------------------------- */

bool file_is_dirty(const struct file *file, uint32_t block)
{
	const struct mpio_cache *cache = file->cached.cache;
	uint32_t number =
		mpio__file_find(&file->cached, block / (PAGE / BLOCK));

	return number != 0 &&
	       (cache->frames[number].dirty >> block % (PAGE / BLOCK) & 1);
}

/* What is not dirty is there. */
static void check_file(const struct stack *stack, const struct file *file,
		       const unsigned char *image)
{
	check(file->cached.mapping.size == file->size);
	for (uint32_t i = 0; (uint64_t)i * BLOCK < file->size; i++) {
		uint64_t left = file->size - (uint64_t)i * BLOCK;
		const unsigned char *is =
			file->mapped[i]
				? image + place_of(stack, file, i) * BLOCK
				: zeros;

		if (!file_is_dirty(file, i))
			check(memcmp(is, file->model + i * BLOCK,
				     left < BLOCK ? (size_t)left : BLOCK) == 0);
	}
}

static void check_outside(const struct stack *stack, const unsigned char *image)
{
	for (uint32_t i = 0; i < DISK_BLOCKS; i++) {
		if (!stack->owned[i])
			check(memcmp(image + i * BLOCK,
				     stack->image + i * BLOCK, BLOCK) == 0);
	}
}

static void check_pool(struct stack *stack)
{
	struct mpio_bio *bios[64];
	uint32_t bios_max = stack->scenario->bios;
	uint32_t n = 0;

	check(mpio_queue_stats(stack->queue)->in_flight == 0);
	while (n < 64 &&
	       (bios[n] = mpio_bio_get(stack->queue, MPIO_BIO_READ, 0)) != NULL)
		n++;
	check(n == 2 * (bios_max != 0 ? bios_max : 6));
	while (n != 0)
		mpio_bio_put(bios[--n]);
}

void stack_check(struct stack *stack)
{
	const unsigned char *image = stack->ground->image();

	check_cache(stack->cache);
	for (uint32_t i = 0; i < FILES; i++)
		check_file(stack, &stack->files[i], image);
	check_outside(stack, image);
	check_pool(stack);
}

void stack_check_clean(struct stack *stack)
{
	stack_check(stack);
	check(mpio_cache_stats(stack->cache).dirty == 0);
}

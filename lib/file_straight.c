/* SPDX-License-Identifier: MIT */
/*
 * File: large reads straight into the caller's memory.
 *
 * The pieces of the caller's memory are pages of a mapping that is made for
 * the read: as large as the queue's largest bio, some of them in flight at
 * once, and of no cache. They begin at a block. If the end is none of a block,
 * all of the last page is left to the cache, where it stays: no later read of
 * the same bytes finds it in its way. So is a piece that failed: page by page
 * the cache finds out how many bytes of it are good.
 *
 * Other threads may write the range meanwhile, or cut it off: then blocks may
 * have been read before they were written for the first time, or when they
 * were another file's already, and all is read again through the cache.
 *
 * An engine that verifies pages, or has copies of them, speaks of the cache's
 * pages: for it there are no such reads.
 */
#include "file_private.h"

#define PIECE_MAX (1u << 20)
/* A device that fails to say what has ended is asked so often. */
#define PATIENCE 1000u

static struct mpio_file_straight *straight_of(struct mpio_mapping *mapping)
{
	return (struct mpio_file_straight *)mapping;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct mpio_mapping *engine = &straight_of(mapping)->file->mapping;

	return engine->ops->get_block(engine, page, block, flags, extent);
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct mpio_file_straight *straight = straight_of(mapping);

	straight->busy[page - straight->pages] = false;
	straight->pending--;
	if (status != 0 && page->pos < straight->good) {
		straight->good = page->pos;
		straight->error = status;
	}
}

static void set_up(struct mpio_file *file, uint64_t end)
{
	struct mpio_file_straight *straight = &file->straight;

	*straight = (struct mpio_file_straight){
		.file = file->mapping,
		.good = end,
	};
	straight->ops = (struct mpio_mapping_ops){
		.get_block = get_block,
		.read_end = read_end,
	};
	straight->mapping = (struct mpio_mapping){
		.ops = &straight->ops,
		.host = file->mapping->mapping.host,
		.size = end,
		.block_size = file->mapping->mapping.block_size,
	};
}

/* Hand a piece over, if there is a place for it. */
static bool start(struct mpio_file *file, unsigned char *memory, uint64_t pos,
		  uint32_t length)
{
	struct mpio_file_straight *straight = &file->straight;
	struct mpio_page *page;
	uint32_t i = 0;
	int error;

	while (i < MPIO_FILE_STRAIGHT && straight->busy[i])
		i++;
	if (i == MPIO_FILE_STRAIGHT)
		return false;
	page = &straight->pages[i];
	mpio_page_init(page, &straight->mapping, pos, memory, length);
	page->flags = MPIO_PAGE_LOCKED;
	straight->busy[i] = true;
	straight->pending++;
	error = mpio_read_page(file->queue, &straight->mapping, page);
	if (error != 0)
		read_end(&straight->mapping, page, error);
	return true;
}

/* Whole blocks, and a bio of the queue. */
uint32_t mpio__file_straight_piece(const struct mpio_file *file)
{
	uint32_t block_size = file->mapping->mapping.block_size;
	uint32_t bytes = mpio_queue_limits(file->queue)->bytes_max;

	bytes = mpio__min_u32(bytes, PIECE_MAX) & ~(block_size - 1);
	return mpio__max_u32(bytes, block_size);
}

/* All pieces up to the first error; 0, or what ended the waiting. */
static int move(struct mpio_file *file, unsigned char *memory, uint64_t pos,
		uint64_t end)
{
	struct mpio_file_straight *straight = &file->straight;
	uint32_t piece = mpio__file_straight_piece(file);
	uint32_t patience = PATIENCE;
	int error = 0;

	while (pos < end || straight->pending != 0) {
		uint32_t n = (uint32_t)mpio__min_u64(piece, end - pos);

		if (straight->error != 0)
			end = pos; /* what is on its way is waited for */
		if (pos < end && start(file, memory, pos, n)) {
			memory += n;
			pos += n;
			continue;
		}
		if (straight->pending == 0)
			break;
		error = mpio_queue_wait(file->queue);
		if (error >= 0)
			continue;
		if (patience == 0)
			return error;
		patience--;
	}
	return 0;
}

int64_t mpio__file_read_straight(struct mpio_file *file, void *buffer,
				 uint64_t length, uint64_t pos)
{
	const struct mpio_mapping_ops *engine = file->mapping->mapping.ops;
	uint64_t mask = file->mapping->mapping.block_size - 1;
	uint64_t end = pos + length;
	int error;

	if ((end & mask) != 0)
		end = mpio__page_down(file, end);
	if ((pos & mask) != 0 || pos >= end || engine->verify != NULL ||
	    engine->reread != NULL || file->straight.pending != 0)
		return 0;
	set_up(file, end);
	if (!mpio_cache_watch(file->mapping, &file->straight.watch, pos, end))
		return 0;
	error = move(file, buffer, pos, end);
	if (!mpio_cache_unwatch(file->mapping, &file->straight.watch) &&
	    error == 0)
		return 0;
	if (error != 0)
		return error;
	file->stats.straight += file->straight.good - pos;
	return (int64_t)(file->straight.good - pos);
}

/* SPDX-License-Identifier: MIT */
/*
 * A file of pages on a real device, whose every block says which it is: the
 * engine of the tests here. The mapping is the identity. A page that was handed
 * in is counted until it comes back, so nothing that is lost or comes twice
 * goes unnoticed.
 */
#include "real.h"

#include <mpio/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct disk *disk_of(struct mpio_mapping *mapping)
{
	return mapping->host;
}

static void came_back(struct disk *disk, struct mpio_page *page, int status)
{
	size_t i = (size_t)(page - disk->pages);

	if (disk->out[i]-- != 1)
		disk->confused++;
	if (status != 0) {
		disk->failed++;
		disk->error = status;
	}
}

static int identity(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->block = block;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void ended(struct mpio_mapping *mapping, struct mpio_page *page,
		  int status)
{
	came_back(disk_of(mapping), page, status);
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct disk *disk = disk_of(mapping);
	size_t n = 0;

	flags |= MPIO_PAGE_DIRTY;
	for (size_t i = (size_t)(pos / PAGE); i < disk->count; i++) {
		struct mpio_page *page = &disk->pages[i];

		if (n == pages_max || page->pos >= end)
			break;
		if ((page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static const struct mpio_mapping_ops ops = {
	.get_block = identity,
	.read_end = ended,
	.write_end = ended,
	.next_dirty = next_dirty,
};

/* Each 16 bytes: where they belong, and which generation they are. */
static void fill(unsigned char *data, uint64_t pos, uint64_t generation)
{
	for (uint32_t at = 0; at < PAGE; at += 16) {
		uint64_t words[2] = {pos + at, generation * 0x9e3779b97f4a7c15};

		memcpy(data + at, words, sizeof(words));
	}
}

static void *need(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "no memory\n");
		exit(2);
	}
	return memory;
}

int disk_open(struct disk *disk, const char *uri, uint64_t size)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	int error;

	*disk = (struct disk){.count = (size_t)(size / PAGE)};
	error = mpio_device_open(uri, &disk->device);
	if (error != 0)
		return error;
	error = mpio_queue_open(disk->device, &config, &disk->queue);
	if (error != 0) {
		mpio_device_close(disk->device);
		return error;
	}
	disk->mapping = (struct mpio_mapping){
		.ops = &ops,
		.host = disk,
		.size = size,
		.block_size = PAGE,
	};
	disk->memory = need(aligned_alloc(PAGE, disk->count * PAGE));
	disk->pages = need(calloc(disk->count, sizeof(*disk->pages)));
	disk->list = need(calloc(disk->count, sizeof(struct mpio_page *)));
	disk->out = need(calloc(disk->count, sizeof(*disk->out)));
	for (size_t i = 0; i < disk->count; i++) {
		mpio_page_init(&disk->pages[i], &disk->mapping, i * PAGE,
			       disk->memory + i * PAGE, PAGE);
		disk->list[i] = &disk->pages[i];
	}
	return 0;
}

void disk_close(struct disk *disk)
{
	mpio_queue_close(disk->queue);
	mpio_device_close(disk->device);
	free(disk->memory);
	free(disk->pages);
	free(disk->list);
	free(disk->out);
}

static void begin(struct disk *disk)
{
	disk->failed = 0;
	disk->error = 0;
}

void disk_dirty_all(struct disk *disk, uint64_t generation)
{
	for (size_t i = 0; i < disk->count; i++) {
		fill(disk->pages[i].data, i * PAGE, generation);
		disk->pages[i].flags |= MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY;
	}
}

int disk_write(struct disk *disk)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	int error;

	begin(disk);
	for (size_t i = 0; i < disk->count; i++) {
		if (disk->pages[i].flags & MPIO_PAGE_DIRTY)
			disk->out[i]++;
	}
	error = mpio_writepages(disk->queue, &disk->mapping, &wbc);
	disk->confused += disk_missing(disk);
	return error;
}

void disk_read(struct disk *disk, size_t first, size_t n)
{
	size_t end = first + n;

	begin(disk);
	for (size_t i = first; i < end; i++) {
		disk->pages[i].flags = MPIO_PAGE_LOCKED;
		memset(disk->pages[i].data, 0xee, PAGE);
		disk->out[i]++;
	}
	if (mpio_readahead(disk->queue, &disk->mapping, disk->list + first, n,
			   0) != (int)n)
		disk->confused++;
	if (mpio_queue_drain(disk->queue) != 0)
		disk->confused++;
	disk->confused += disk_missing(disk);
}

size_t disk_missing(const struct disk *disk)
{
	size_t n = 0;

	for (size_t i = 0; i < disk->count; i++)
		n += disk->out[i] != 0;
	return n;
}

size_t disk_wrong(const struct disk *disk, size_t first, size_t n,
		  uint64_t generation)
{
	unsigned char expected[PAGE];
	size_t wrong = 0;

	for (size_t i = first; i < first + n; i++) {
		fill(expected, i * PAGE, generation);
		if (!(disk->pages[i].flags & MPIO_PAGE_UPTODATE))
			continue;
		wrong += memcmp(disk->pages[i].data, expected, PAGE) != 0;
	}
	return wrong;
}

size_t disk_with(const struct disk *disk, uint32_t flags)
{
	size_t n = 0;

	for (size_t i = 0; i < disk->count; i++)
		n += (disk->pages[i].flags & flags) == flags;
	return n;
}

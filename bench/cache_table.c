/* SPDX-License-Identifier: MIT */
/*
 * What the cache is measured against: a good hash table of pages, made for
 * nothing else. A place is a key and a pointer, four of them to a cache line;
 * it is found by one multiplication. Descriptors lie in the order of pages,
 * which is the best they can.
 */
#include "cache.h"

#include <string.h>
#include <sys/mman.h>

bool cache_memory_get(struct mpio_frames *frames, size_t size,
		      enum cache_memory kind)
{
	size_t count = (size + CACHE_PAGE - 1) / CACHE_PAGE;

	if (mpio_frames_alloc(frames, CACHE_PAGE, count) != 0)
		return false;
#ifdef MADV_NOHUGEPAGE
	if (kind == MEMORY_SMALL)
		(void)madvise(frames->base, frames->length, MADV_NOHUGEPAGE);
#else
	(void)kind;
#endif
	/* None of it comes while time is taken. */
	memset(frames->base, 0, frames->length);
	return true;
}

bool table_open(struct table *table, size_t pages, enum cache_memory kind)
{
	uint32_t bits = 4;

	while (((size_t)1 << bits) / 8 * 5 < pages)
		bits++;
	table->shift = 64 - bits;
	table->mask = ((uint64_t)1 << bits) - 1;
	if (!cache_memory_get(&table->entry_memory,
			      sizeof(struct table_entry) << bits, kind) ||
	    !cache_memory_get(&table->frame_memory,
			      sizeof(struct table_frame) * pages, kind))
		return false;
	table->entries = (void *)table->entry_memory.base;
	table->frames = (void *)table->frame_memory.base;
	return true;
}

void table_close(struct table *table)
{
	mpio_frames_free(&table->entry_memory);
	mpio_frames_free(&table->frame_memory);
}

void table_insert(struct table *table, uint32_t file, uint32_t page,
		  unsigned char *data)
{
	struct table_frame *frame = &table->frames[page];
	uint64_t key = table_key(file, page);
	uint64_t at = table_hash(table, key);

	while (table->entries[at].key != 0)
		at = (at + 1) & table->mask;
	frame->pos = (uint64_t)page * CACHE_PAGE;
	frame->data = data;
	table->entries[at] = (struct table_entry){key, frame};
}

/* SPDX-License-Identifier: MIT */
/*
 * Page: its set-up, and its optional per-block state.
 *
 * The state is two bitmaps behind each other, uptodate and dirty, in words of
 * 64 bits:
 *
 *     blocks -> | uptodate: words | dirty: words |
 *
 * where words = blocks of the page / 64, rounded up. Runs of equal bits are
 * found word by word and, inside a word, bit by bit: pages rarely have more
 * than a few dozen blocks.
 */
#include "internal.h"

_Static_assert(sizeof(void *) > 8 || sizeof(struct mpio_page) <= 64,
	       "a page without per-block state is at most a cache line");

void mpio_page_init(struct mpio_page *page, struct mpio_mapping *mapping,
		    uint64_t pos, void *data, uint32_t size)
{
	*page = (struct mpio_page){
		.pos = pos,
		.data = data,
		.size = size,
		.mapping = mapping,
	};
}

static uint32_t block_count(const struct mpio_page *page)
{
	return page->size >> mpio__log2(page->mapping->block_size);
}

static uint64_t *bitmap(const struct mpio_page *page, enum mpio__bits which)
{
	size_t words = ((size_t)block_count(page) + 63) / 64;

	return which == MPIO__UPTODATE ? page->blocks : page->blocks + words;
}

static bool bit(const uint64_t *map, uint32_t index)
{
	return map[index / 64] >> index % 64 & 1;
}

uint32_t mpio__bits_run(const struct mpio_page *page, enum mpio__bits which,
			uint32_t first, uint32_t n, bool value)
{
	const uint64_t *map = bitmap(page, which);
	uint64_t full = value ? UINT64_MAX : 0;
	uint32_t i = first;

	while (i < n) {
		if (i % 64 == 0 && n - i >= 64 && map[i / 64] == full)
			i += 64;
		else if (bit(map, i) == value)
			i++;
		else
			break;
	}
	return i < n ? i : n;
}

void mpio__bits_set(struct mpio_page *page, enum mpio__bits which,
		    uint32_t first, uint32_t n, bool value)
{
	uint64_t *map = bitmap(page, which);

	for (uint32_t i = first; i < n; i++) {
		uint64_t mask = (uint64_t)1 << i % 64;

		if (value)
			map[i / 64] |= mask;
		else
			map[i / 64] &= ~mask;
	}
}

void mpio__bytes_set(struct mpio_page *page, enum mpio__bits which,
		     uint32_t offset, uint32_t length, bool value)
{
	uint32_t shift = mpio__log2(page->mapping->block_size);
	uint64_t end = (uint64_t)offset + length;

	mpio__bits_set(page, which, offset >> shift,
		       (uint32_t)mpio__bytes_to_blocks_up(end, shift), value);
}

void mpio__whole_uptodate(struct mpio_page *page, uint32_t offset,
			  uint32_t length)
{
	uint32_t shift = mpio__log2(page->mapping->block_size);
	uint64_t end = ((uint64_t)offset + length) >> shift;
	uint64_t first = mpio__bytes_to_blocks_up(offset, shift);

	if (first < end)
		mpio__bits_set(page, MPIO__UPTODATE, (uint32_t)first,
			       (uint32_t)end, true);
}

int mpio_page_set_dirty(struct mpio_page *page, uint32_t offset,
			uint32_t length)
{
	uint32_t shift = mpio__log2(page->mapping->block_size);
	uint32_t mask = page->mapping->block_size - 1;
	uint32_t end;

	if (!mpio__range_fits(offset, length, page->size))
		return -MPIO_EINVAL;
	if (length == 0)
		return 0;
	end = offset + length;
	if (page->blocks != NULL) {
		bool head = (offset & mask) != 0;
		bool tail = (end & mask) != 0;

		if (head && !mpio_page_block_uptodate(page, offset >> shift))
			return -MPIO_ENODATA;
		if (tail && !mpio_page_block_uptodate(page, end >> shift))
			return -MPIO_ENODATA;
		mpio__bytes_set(page, MPIO__UPTODATE, offset, length, true);
		mpio__bytes_set(page, MPIO__DIRTY, offset, length, true);
	}
	if (page->blocks == NULL && length != page->size &&
	    !(page->flags & MPIO_PAGE_UPTODATE))
		return -MPIO_ENODATA;
	page->flags |= MPIO_PAGE_DIRTY;
	return 0;
}

bool mpio_page_block_uptodate(const struct mpio_page *page, uint32_t index)
{
	if (page->flags & MPIO_PAGE_UPTODATE)
		return true;
	return page->blocks != NULL && bit(bitmap(page, MPIO__UPTODATE), index);
}

bool mpio_page_block_dirty(const struct mpio_page *page, uint32_t index)
{
	if (page->blocks == NULL)
		return (page->flags & MPIO_PAGE_DIRTY) != 0;
	return bit(bitmap(page, MPIO__DIRTY), index);
}

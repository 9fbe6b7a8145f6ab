/* SPDX-License-Identifier: MIT */
/*
 * Where the blocks of a file lie: an engine that puts them together or apart,
 * on one volume or two, leaves holes, and sometimes says what cannot be.
 */
#include "sim.h"

#include <string.h>

/* ---- Places ------------------------------------------------------------- */

static bool on_disk(const struct place *place)
{
	return place->kind == MAPPED || place->kind == UNWRITTEN;
}

/* Find a block for a place, most likely behind the one before it. */
static bool allocate(struct map *map, uint64_t i)
{
	struct place *place = &map->places[i];
	const struct place *before =
		i != 0 && on_disk(place - 1) ? place - 1 : NULL;
	uint8_t volume = (uint8_t)below(world.volume_count);
	uint32_t block;

	if (before != NULL && chance(90))
		volume = before->volume;
	block = volume_allocate(
		&world.volumes[volume],
		before != NULL && before->volume == volume ? before->block : 0);
	if (block == 0)
		return false;
	*place = (struct place){
		.kind = map->makes_unwritten ? UNWRITTEN : MAPPED,
		.volume = volume,
		.key = place->key, /* it is being written */
		.block = block,
	};
	return true;
}

static bool goes_on(const struct place *a, const struct place *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == HOLE || a->kind == FILLED ||
	       (a->volume == b->volume && a->block + 1 == b->block);
}

void map_init(struct map *map, struct mpio_mapping *mapping,
	      struct mpio_mapping_ops *ops)
{
	*mapping = (struct mpio_mapping){.ops = ops, .block_size = world.block};
	map->mapping = mapping;
	map->blocks = MAP_BYTES / world.block;
	if (map->blocks > MAP_BLOCKS)
		map->blocks = MAP_BLOCKS;
	map->boundary = chance(30) ? 1 + below(12) : 0;
	map->choppy = chance(20);
	map->makes_unwritten = chance(25);
	map->says_new = chance(25);
}

static uint32_t before_end(uint64_t block, uint64_t end)
{
	uint64_t from = block * world.block;

	if (from >= end)
		return 0;
	return end - from < world.block ? (uint32_t)(end - from) : world.block;
}

static void make_place(struct map *map, uint64_t i)
{
	struct place *place = &map->places[i];

	if (chance(15) || !allocate(map, i))
		return;
	place->kind = chance(10) ? UNWRITTEN : MAPPED;
	if (place->kind == MAPPED)
		memcpy(map->bytes + i * world.block,
		       world.volumes[place->volume].first +
			       (size_t)place->block * world.block,
		       before_end(i, map->size));
}

/* All of it was there before. */
static void note_made(struct map *map)
{
	for (uint32_t i = 0; i < map->blocks; i++)
		map->durable[i] = map->was_mapped[i] =
			map->places[i].kind == MAPPED;
	memcpy(map->synced, map->bytes, sizeof(map->synced));
	map->synced_size = map->size;
}

void map_make(struct map *map)
{
	map->size = below((uint64_t)map->blocks * world.block);
	if (chance(30))
		map->size -= map->size % world.block;
	for (uint64_t i = 0; i * world.block < map->size; i++)
		make_place(map, i);
	map->mapping->size = map->size;
	note_made(map);
}

/* Give a place up, and its bytes. */
static struct place *clear_place(struct map *map, uint64_t i)
{
	struct place *place = &map->places[i];

	if (on_disk(place))
		volume_free(&world.volumes[place->volume], place->block);
	*place = (struct place){0};
	memset(map->bytes + i * world.block, 0, world.block);
	return place;
}

static void make_filled(struct map *map, uint64_t i)
{
	clear_place(map, i)->kind = FILLED;
	memcpy(map->bytes + i * world.block, sim_noise + i * world.block,
	       before_end(i, map->size));
}

/* The block in which the volume ends. */
static void make_last(struct map *map, uint64_t i)
{
	const struct volume *volume = &world.volumes[0];
	struct place *place = clear_place(map, i);
	uint32_t n = before_end(i, map->size);

	place->kind = MAPPED;
	place->block = (uint32_t)((volume->gate.size - 1) / world.block);
	if (n > volume_length(volume, place->block))
		n = volume_length(volume, place->block);
	memcpy(map->bytes + i * world.block,
	       volume->first + (size_t)place->block * world.block, n);
}

void map_make_odd(struct map *map)
{
	uint64_t n = (map->size + world.block - 1) / world.block;

	for (uint64_t i = 0; i < n; i++) {
		if (chance(i != 0 && map->places[i - 1].kind == FILLED ? 60
								       : 5))
			make_filled(map, i);
	}
	if (n != 0 && chance(40) && world.volumes[0].gate.size > VOLUME_BYTES)
		make_last(map, below(n));
	note_made(map);
}

void map_trim(struct map *map, struct mpio_page *page)
{
	uint64_t first = page->pos / world.block;

	for (uint64_t i = first; i < first + page->size / world.block; i++) {
		const struct place *place = &map->places[i];
		uint32_t n;

		if (!on_disk(place))
			continue;
		n = volume_length(&world.volumes[place->volume], place->block);
		memset(map->bytes + i * world.block + n, 0, world.block - n);
		memset((char *)page->data + (i - first) * world.block + n, 0,
		       world.block - n);
	}
}

/* ---- Answers ------------------------------------------------------------ */

/* What no engine may say. */
static int lie(struct mpio_extent *extent, uint32_t flags)
{
	switch (below(6)) {
	case 0:
		extent->count = 0;
		break;
	case 1:
		extent->count++;
		break;
	case 2:
		extent->block = world.volumes[0].size + (1u << 20);
		extent->flags = MPIO_EXTENT_MAPPED;
		break;
	case 3:
		extent->flags = MPIO_EXTENT_MAPPED | 1u << 30;
		break;
	case 4:
		extent->flags = flags & MPIO_MAP_CREATE
					? 0
					: MPIO_EXTENT_NEW | MPIO_EXTENT_MAPPED;
		break;
	default:
		return 1 + (int)below(200);
	}
	return 0;
}

/* More than the device has behind its last block. */
static void go_too_far(struct map *map, uint64_t block,
		       struct mpio_extent *extent, uint64_t wanted)
{
	const struct place *place = &map->places[block];
	const struct volume *volume = &world.volumes[place->volume];

	if (!map->may_lie || place->kind != MAPPED || wanted == 1 ||
	    (uint64_t)(place->block + 1) * world.block < volume->gate.size ||
	    !fault_now(KIND_LIE, 50))
		return;
	extent->count = wanted;
	extent->flags &= ~MPIO_EXTENT_BOUNDARY;
	map->lie_from = block + 1;
	map->lie_end = block + wanted;
}

/* As far as there is room; returns how many of the first are new. */
static uint64_t create(struct map *map, uint64_t block, uint64_t count,
		       int *error)
{
	uint64_t fresh = 0;

	for (uint64_t i = block; i < block + count; i++) {
		if (on_disk(&map->places[i]))
			continue;
		if (!allocate(map, i)) {
			fault_note(KIND_FULL);
			break;
		}
		if (i == block + fresh)
			fresh++;
	}
	*error = on_disk(&map->places[block]) ? 0 : -MPIO_ENOSPC;
	return fresh;
}

static uint64_t run_length(const struct map *map, uint64_t block, uint64_t most)
{
	uint64_t n = 1;

	while (n < most &&
	       goes_on(&map->places[block + n - 1], &map->places[block + n])) {
		if (map->boundary != 0 && (block + n) % map->boundary == 0)
			break;
		n++;
	}
	return n;
}

/* Only that page, however far the answer goes. */
static void fill_page(const struct map *map, struct mpio_page *page,
		      uint64_t block, uint64_t count)
{
	uint64_t pos = block * world.block;
	uint64_t n = count * world.block;

	CHECK(pos >= page->pos && pos < page->pos + page->size);
	if (n > page->pos + page->size - pos)
		n = page->pos + page->size - pos;
	memcpy((char *)page->data + (pos - page->pos), map->bytes + pos,
	       (size_t)n);
}

static void answer(const struct map *map, struct mpio_page *page,
		   uint64_t block, struct mpio_extent *extent)
{
	const struct place *place = &map->places[block];
	uint64_t n = run_length(map, block, extent->count);

	if (map->choppy)
		n = 1 + below(n);
	extent->count = n;
	if (map->boundary != 0 && (block + n) % map->boundary == 0 &&
	    place->kind != FILLED)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
	if (place->kind == FILLED) {
		fill_page(map, page, block, n);
		extent->flags |= MPIO_EXTENT_UPTODATE;
	}
	if (!on_disk(place))
		return;
	extent->flags |= MPIO_EXTENT_MAPPED;
	if (place->kind == UNWRITTEN)
		extent->flags |= MPIO_EXTENT_UNWRITTEN;
	extent->block = place->block;
	if (place->volume != 0 || chance(20))
		extent->queue = world.volumes[place->volume].queue;
}

int map_get_block(struct map *map, struct mpio_page *page, uint64_t block,
		  uint32_t flags, struct mpio_extent *extent)
{
	uint64_t wanted = extent->count;
	uint64_t fresh = 0;
	int error = 0;

	CHECK(wanted != 0 && block + wanted <= map->blocks);
	CHECK(block * world.block < map->mapping->size);
	/* Nobody is asked again for what he has lied about. */
	CHECK(block < map->lie_from || block >= map->lie_end);
	map->lie_end = 0;
	if (fault_now(KIND_MAP, 8))
		return flags & MPIO_MAP_CREATE ? -MPIO_ENOSPC : -MPIO_EIO;
	if (fault_now(KIND_LIE, 5))
		return lie(extent, flags);
	if (flags & MPIO_MAP_CREATE)
		fresh = create(map, block, wanted, &error);
	if (error != 0)
		return error;
	answer(map, page, block, extent);
	if ((flags & MPIO_MAP_CREATE) == 0)
		go_too_far(map, block, extent, wanted);
	if (map->says_new && fresh != 0) {
		if (extent->count > fresh) {
			extent->count = fresh;
			extent->flags &= ~MPIO_EXTENT_BOUNDARY;
		}
		extent->flags |= MPIO_EXTENT_NEW;
	}
	return 0;
}

/* A block may be written in several I/Os; its page is dirty until the last. */
int map_written(struct map *map, uint64_t pos, uint32_t length,
		struct mpio_queue *queue, uint64_t offset)
{
	uint64_t i = pos / world.block;

	CHECK(length != 0);
	if (fault_now(KIND_HOOK, 10))
		return -MPIO_EIO;
	for (; i * world.block < pos + length; i++) {
		struct place *place = &map->places[i];

		CHECK(on_disk(place));
		CHECK(queue == world.volumes[place->volume].queue);
		CHECK(offset - pos ==
		      ((uint64_t)place->block - i) * world.block);
		place->kind = MAPPED;
	}
	return 0;
}

bool map_whole(const struct map *map, const struct mpio_page *page,
	       struct mpio_extent *extent)
{
	uint64_t first = page->pos / world.block;
	uint64_t n = page->size / world.block;
	const struct place *place = &map->places[first];

	if (page->pos + page->size > map->size)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		if (place[i].kind != MAPPED ||
		    volume_length(&world.volumes[place[i].volume],
				  place[i].block) != world.block ||
		    (i != 0 && !goes_on(&place[i - 1], &place[i])))
			return false;
	}
	extent->block = place->block;
	extent->queue = world.volumes[place->volume].queue;
	return true;
}

void map_cut(struct map *map)
{
	uint64_t i = (map->size + world.block - 1) / world.block;

	for (; i < map->blocks; i++) {
		if (on_disk(&map->places[i]))
			volume_free(&world.volumes[map->places[i].volume],
				    map->places[i].block);
		map->places[i] = (struct place){0};
	}
}

/* ---- What must be ------------------------------------------------------- */

void map_touch(struct map *map, uint64_t pos, uint64_t length)
{
	for (uint64_t i = pos / world.block; i * world.block < pos + length;
	     i++)
		map->durable[i] = false;
}

/* A byte may be zero instead, where nobody knows. */
static bool may_differ(const struct map *map, uint64_t pos,
		       const unsigned char *is, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (is[i] != map->bytes[pos + i] &&
		    (is[i] != 0 || !map->unsure[(pos + i) / world.block]))
			return false;
	}
	return true;
}

bool map_matches(const struct map *map, uint64_t pos, const unsigned char *is,
		 size_t length)
{
	return memcmp(is, map->bytes + pos, length) == 0 ||
	       may_differ(map, pos, is, length);
}

void map_check(const struct map *map, uint64_t pos, const unsigned char *is,
	       size_t length)
{
	size_t i = 0;

	if (map_matches(map, pos, is, length))
		return;
	while (is[i] == map->bytes[pos + i])
		i++;
	sim_print("byte %llu of %llu is %02x, not %02x",
		  (unsigned long long)(pos + i), (unsigned long long)map->size,
		  is[i], map->bytes[pos + i]);
	CHECK(false);
}

/* What a block holds now, or after the power failed. */
static void read_block(const struct place *place, const struct map *map,
		       uint64_t i, unsigned char *to)
{
	const struct volume *volume = &world.volumes[place->volume];

	memset(to, 0, world.block);
	if (place->kind == MAPPED)
		volume_peek(volume, (uint64_t)place->block * world.block, to,
			    volume_length(volume, place->block));
	else if (place->kind == FILLED)
		memcpy(to, map->bytes + i * world.block, world.block);
	for (uint32_t j = 0; place->key != 0 && j < world.block; j++)
		to[j] ^= place->key;
}

void map_check_disk(const struct map *map, uint64_t start, uint64_t end)
{
	unsigned char bytes[4096];

	for (uint64_t i = start / world.block; i * world.block < end; i++) {
		read_block(&map->places[i], map, i, bytes);
		map_check(map, i * world.block, bytes, before_end(i, end));
	}
}

void map_note_synced(struct map *map, uint64_t start, uint64_t end)
{
	totals.syncs++;
	for (uint64_t i = start / world.block; i * world.block < end; i++) {
		if (map->unsure[i])
			continue;
		map->durable[i] = true;
		map->was_mapped[i] = map->places[i].kind == MAPPED;
		memcpy(map->synced + i * world.block,
		       map->bytes + i * world.block, world.block);
	}
	map->synced_size = map->size;
}

void map_check_durable(const struct map *map)
{
	unsigned char bytes[4096];
	uint64_t end =
		map->synced_size < map->size ? map->synced_size : map->size;

	for (uint64_t i = 0; i * world.block < end; i++) {
		const struct place *place = &map->places[i];

		/* What was a hole is one again, if the engine is right. */
		if (!map->durable[i] || !map->was_mapped[i])
			continue;
		read_block(place, map, i, bytes);
		CHECK(memcmp(bytes, map->synced + i * world.block,
			     before_end(i, end)) == 0);
		totals.durable++;
	}
}

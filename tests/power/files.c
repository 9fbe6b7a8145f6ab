/* SPDX-License-Identifier: MIT */
/*
 * Files: what the test has put into them, and where that is to go. A block has
 * its place before anybody asks for it, so that the oracle can be told what is
 * written before the library knows where; a hole is a block whose place
 * get_block has not told yet.
 */
#include "world.h"

/* ---- Places ------------------------------------------------------------- */

/* Blocks of the device in any order, or in theirs. */
static void draw_places(struct world *world, uint32_t *places, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		places[i] = i;
	if (world->as.ordered)
		return;
	/* In runs of up to four, so that there is something to join. */
	for (uint32_t i = 0; i < count; i += 4) {
		uint32_t j = 4 * draw(world, count / 4);

		for (uint32_t k = 0; k < 4 && i + k < count; k++) {
			uint32_t place = places[i + k];

			places[i + k] = places[j + k];
			places[j + k] = place;
		}
	}
	for (uint32_t n = count / 8; n != 0; n--) {
		uint32_t i = draw(world, count);
		uint32_t j = draw(world, count);
		uint32_t place = places[i];

		places[i] = places[j];
		places[j] = place;
	}
}

static uint64_t place_of(const struct file *file, uint64_t block)
{
	return (uint64_t)file->place[block] * file->world->as.block;
}

static void map(struct file *file, uint64_t block)
{
	file->mapped[block] = true;
	oracle_map(&file->world->oracle, place_of(file, block),
		   file->world->as.block);
}

/* A file that is there: with holes, and an end inside a block. */
void file_init(struct world *world, struct file *file)
{
	const struct scenario *as = &world->as;
	uint32_t all = (uint32_t)(world->size / as->block);
	uint32_t places[4 * BLOCKS_MAX];
	uint32_t first = (uint32_t)(file - world->files) * as->blocks;
	uint64_t random = world->random;

	assert_true(as->blocks <= BLOCKS_MAX && all <= COUNT_OF(places));
	file->world = world;
	file->blocks = as->blocks;
	world->random = world->seed; /* the same places for all files */
	draw_places(world, places, all);
	world->random = random;
	memcpy(file->place, places + first, as->blocks * sizeof(places[0]));
	file->size = (uint64_t)as->blocks * as->block;
	if (!as->ordered)
		file->size -= file->size / 4 + draw(world, as->block);
	for (uint32_t i = 0; (uint64_t)i * as->block < file->size; i++) {
		uint64_t pos = (uint64_t)i * as->block;
		uint64_t left = file->size - pos;

		if (!as->ordered && draw(world, 3) == 0)
			continue;
		map(file, i);
		for (uint32_t at = 0; at < as->block; at += CELL)
			memcpy(file->bytes + pos + at,
			       oracle_newest(&world->oracle,
					     place_of(file, i) + at),
			       CELL);
		if (left < as->block)
			memset(file->bytes + file->size, 0,
			       (size_t)(as->block - left));
	}
}

int file_get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		   uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct file *file = (struct file *)mapping;
	bool is_new = !file->mapped[block];
	uint64_t n = 0;

	(void)page;
	while (n < extent->count && file->mapped[block + n] == !is_new &&
	       (n == 0 ||
		file->place[block + n] == file->place[block + n - 1] + 1)) {
		if (is_new && (flags & MPIO_MAP_CREATE) != 0) {
			if (file->world->room == 0)
				break;
			file->world->room -= file->world->room != UINT32_MAX;
		}
		n++;
	}
	if (n == 0)
		return -MPIO_ENOSPC;
	extent->count = n;
	if (is_new && (flags & MPIO_MAP_CREATE) == 0)
		return 0;
	extent->flags = MPIO_EXTENT_MAPPED | (is_new ? MPIO_EXTENT_NEW : 0);
	extent->block = file->place[block];
	for (uint64_t i = 0; i < n; i++)
		map(file, block + i);
	return 0;
}

/* ---- Bytes -------------------------------------------------------------- */

uint64_t draw_range(struct world *world, const struct file *file, uint32_t most,
		    uint32_t *length)
{
	uint32_t limit = file->blocks * world->as.block;
	uint32_t pos = draw(world, limit);
	uint32_t mask = world->as.block - 1;

	if (draw(world, 2) == 0)
		pos &= ~mask;
	*length = 1 + draw(world, most);
	if (draw(world, 2) == 0)
		*length = (*length + mask) & ~mask;
	if (*length > limit - pos)
		*length = limit - pos;
	return pos;
}

static void put_block(struct file *file, uint64_t block)
{
	uint32_t size = file->world->as.block;

	oracle_put(&file->world->oracle, place_of(file, block),
		   file->bytes + block * size, size);
}

void file_touch(struct file *file, uint64_t pos, uint64_t length)
{
	uint32_t block = file->world->as.block;

	for (uint64_t i = pos / block; i * block < pos + length; i++) {
		file->written[i] = true;
		put_block(file, i);
	}
}

/*
 * The block that a new or an old end lies in is written, so that no old bytes
 * are behind it; a hole has none.
 */
static void touch_end(struct file *file)
{
	uint64_t block = file->size / file->world->as.block;

	if (file->size % file->world->as.block != 0 &&
	    (file->mapped[block] || file->written[block]))
		file_touch(file, file->size - 1, 1);
}

void file_change(struct file *file, uint64_t pos, const unsigned char *bytes,
		 uint32_t length)
{
	struct file_undo *undo = &file->undo;

	assert_true(length <= sizeof(undo->bytes));
	memcpy(undo->written, file->written, sizeof(file->written));
	undo->pos = pos;
	undo->length = length;
	undo->size = file->size;
	memcpy(undo->bytes, file->bytes + pos, length);
	if (pos > (file->size | (file->world->as.block - 1)))
		touch_end(file);
	memcpy(file->bytes + pos, bytes, length);
	if (file->size < pos + length)
		file->size = pos + length;
	file_touch(file, pos, length);
}

void file_take_back(struct file *file, uint32_t done)
{
	const struct file_undo *undo = &file->undo;
	uint32_t block = file->world->as.block;
	uint64_t at = undo->pos + done;
	uint64_t end = undo->pos + undo->length;

	memcpy(file->bytes + at, undo->bytes + done, undo->length - done);
	file->size = undo->size > at || done == 0 ? undo->size : at;
	if (done == 0)
		memcpy(file->written, undo->written, sizeof(file->written));
	for (uint64_t i = at / block; i * block < end; i++) {
		if (i * block >= at)
			file->written[i] = undo->written[i];
		put_block(file, i);
	}
}

void file_move_end(struct file *file, uint64_t size)
{
	uint64_t old = file->size;

	if (size >= old) {
		if (size > old)
			touch_end(file);
		file->size = size;
		return;
	}
	memset(file->bytes + size, 0, (size_t)(old - size));
	file->size = size;
	touch_end(file);
}

void file_free(struct file *file)
{
	uint32_t block = file->world->as.block;

	for (uint64_t i = (file->size + block - 1) / block; i < file->blocks;
	     i++) {
		file->mapped[i] = false;
		file->written[i] = false;
	}
}

void file_promise(struct file *file, uint64_t start, uint64_t end)
{
	struct world *world = file->world;
	uint32_t block = world->as.block;

	world->promises++;
	if (end > file->size)
		end = file->size;
	for (uint64_t i = start / block; i * block < end; i++) {
		if (file->mapped[i])
			oracle_promise(&world->oracle, place_of(file, i),
				       block);
		else if (file->written[i])
			trouble(world, "synced, and block %d has no place",
				(int)i);
	}
}

void file_trade(struct world *world)
{
	struct file *a = &world->files[0];
	struct file *b = &world->files[1];

	for (uint32_t i = 0; i < a->blocks; i++) {
		bool is_free = !a->mapped[i] && !a->written[i] &&
			       !b->mapped[i] && !b->written[i];
		uint32_t place = a->place[i];

		if (!is_free)
			continue;
		a->place[i] = b->place[i];
		b->place[i] = place;
	}
}

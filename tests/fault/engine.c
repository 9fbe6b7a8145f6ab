/* SPDX-License-Identifier: MIT */
/*
 * The engine's side of a world: the operations of its mapping. They answer
 * from the map of the file, note what was called, and check what the library
 * promises to an engine.
 */
#include "world.h"

#include <string.h>

/* Copies of a page beside the one that its map names. */
#define COPIES 2u

struct world *world_of(const struct mpio_mapping *mapping)
{
	return mapping->host;
}

struct frame *frame_of(struct mpio_page *page)
{
	return (struct frame *)page;
}

static void meddle(struct world *world)
{
	if (world->meddle != NULL)
		world->meddle(world);
}

static uint64_t eof_block(const struct mpio_mapping *mapping)
{
	return (mapping->size + mapping->block_size - 1) / mapping->block_size;
}

/* ---- get_block ---------------------------------------------------------- */

/* Whether a block goes on where the one before it ends. */
static bool continues(const struct place *before, const struct place *place)
{
	if (before->boundary || place->kind != before->kind)
		return false;
	if (place->kind == RUN_HOLE && place->block == 0)
		return before->block == 0;
	return place->device == before->device &&
	       place->block == before->block + 1;
}

static uint64_t run_length(const struct world *world, uint64_t block,
			   uint64_t wanted)
{
	const struct place *place = &world->places[block];
	uint32_t max = world->scenario->answer_max;
	uint64_t n = 1;

	if (max != 0 && wanted > max)
		wanted = max;
	while (n < wanted && continues(&place[n - 1], &place[n]))
		n++;
	return n;
}

static void fill_inline(const struct world *world, struct mpio_page *page,
			uint64_t block, uint64_t count)
{
	uint64_t pos = block * world->mapping.block_size;
	uint64_t end = pos + count * world->mapping.block_size;

	if (end > page->pos + page->size)
		end = page->pos + page->size;
	for (; pos < end; pos++)
		((unsigned char *)page->data)[pos - page->pos] =
			content(TAG_INLINE, pos);
}

/* To map a block, read one of the device first, as many engines must. */
static int read_metadata(struct world *world)
{
	unsigned char bytes[4096];
	uint32_t size = world->mapping.block_size;
	uint64_t offset = METADATA_BLOCK(world) * size;
	int status =
		do_raw(world->queues[0], MPIO_BIO_READ, offset, bytes, size);

	check(status != 0 || (world->scenario->hooks & HOOK_BOUNDARY) ||
	      memcmp(bytes, world->disk0[0] + offset, size) == 0);
	return status;
}

static void answer(struct world *world, struct mpio_page *page, uint64_t block,
		   bool create, struct mpio_extent *extent)
{
	struct place *place = &world->places[block];

	extent->count = run_length(world, block, extent->count);
	extent->cookie = block + 1;
	if (place->kind == RUN_INLINE) {
		check(!create);
		fill_inline(world, page, block, extent->count);
		extent->flags = MPIO_EXTENT_UPTODATE;
		return;
	}
	if (place->kind == RUN_HOLE && !create)
		return;
	extent->block = place->block;
	extent->flags = MPIO_EXTENT_MAPPED;
	if (place->device != 0 || block % 2 != 0)
		extent->queue = world->queues[place->device];
	if (place->kind == RUN_UNWRITTEN)
		extent->flags |= MPIO_EXTENT_UNWRITTEN;
	if (place[extent->count - 1].boundary)
		extent->flags |= MPIO_EXTENT_BOUNDARY;
	if (place->kind != RUN_HOLE)
		return;
	check(place->block != 0);
	extent->flags |= MPIO_EXTENT_NEW;
	for (uint64_t i = 0; i < extent->count; i++) {
		place[i].kind = RUN_DATA;
		place[i].fresh = true;
	}
}

/* Unless the lie says otherwise, the first block is where it is. */
static void tell_lie(struct world *world, struct mpio_page *page,
		     uint64_t block, struct mpio_extent *extent)
{
	uint64_t wanted = extent->count;

	extent->block = world->places[block].block;
	extent->count = 1;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->cookie = block + 1;
	world->lie(world, wanted, extent);
	world->lied_page = page;
	world->lied_block = block;
	world->lied_end = block + extent->count;
}

static void check_question(const struct world *world,
			   const struct mpio_page *page, uint64_t block,
			   const struct mpio_extent *extent)
{
	uint64_t pos = block * world->mapping.block_size;

	check(page->flags & MPIO_PAGE_LOCKED);
	check(pos >= page->pos && pos < page->pos + page->size);
	check(extent->count != 0);
	check(block + extent->count <= eof_block(&world->mapping));
	check(extent->block == 0 && extent->queue == NULL);
	check(extent->cookie == 0 && extent->flags == 0);
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct world *world = world_of(mapping);
	const struct fault *fault = inject(&world->injector, SITE_GET_BLOCK);

	check_question(world, page, block, extent);
	if (fault != NULL)
		return fault->status;
	if (world->scenario->hooks & HOOK_METADATA) {
		int error = read_metadata(world);

		if (error != 0)
			return error;
	}
	meddle(world);
	fault = inject(&world->injector, SITE_ANSWER);
	if (fault != NULL) {
		tell_lie(world, page, block, extent);
		return fault->status;
	}
	answer(world, page, block, (flags & MPIO_MAP_CREATE) != 0, extent);
	return 0;
}

static bool still_valid(struct mpio_mapping *mapping,
			const struct mpio_extent *extent)
{
	struct world *world = world_of(mapping);

	check(extent->cookie != 0);
	return ++world->hook_calls % 3 != 0;
}

static void note_status(struct frame *frame, int status)
{
	frame->status = status;
	if (status != 0)
		frame->failure = status;
}

/* ---- Reading ------------------------------------------------------------ */

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct world *world = world_of(mapping);
	struct frame *frame = frame_of(page);
	uint32_t state = page->flags & (MPIO_PAGE_UPTODATE | MPIO_PAGE_ERROR);

	check(page->mapping == mapping);
	check(!(page->flags & MPIO_PAGE_LOCKED));
	check(status <= 0);
	check(state == (status == 0 ? MPIO_PAGE_UPTODATE : MPIO_PAGE_ERROR));
	frame->read_ends++;
	note_status(frame, status);
	check(frame->read_ends <= frame->handed);
	world->page_errors += status != 0;
	meddle(world);
}

/* A checksum would tell as much. */
static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	struct world *world = world_of(mapping);
	const struct fault *fault = inject(&world->injector, SITE_VERIFY);

	if (fault != NULL)
		return fault->status;
	if (memcmp(page->data, world->model + page->pos, page->size) != 0)
		return -MPIO_EILSEQ;
	return 0;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	struct world *world = world_of(mapping);
	const struct scenario *scenario = world->scenario;
	uint64_t block = page->pos / mapping->block_size;

	check(attempt >= 1);
	check(extent->count == page->size / mapping->block_size);
	if (attempt > COPIES)
		return -MPIO_ENOENT;
	extent->block = scenario->copy_block + block;
	extent->queue = world->queues[scenario->copy_device];
	return 0;
}

/* ---- Writing ------------------------------------------------------------ */

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct world *world = world_of(mapping);
	size_t n = 0;

	for (uint32_t i = 0; i < world->frame_count && n < pages_max; i++) {
		struct mpio_page *page = &world->frames[i].page;

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

void frame_dirty(struct world *world, struct frame *frame)
{
	struct mpio_page *page = &frame->page;
	unsigned char *data = page->data;

	/* Unless a copy is on its way, the bytes must stay as they are. */
	if (world->scenario->hooks & HOOK_SEAL) {
		frame->generation++;
		for (uint32_t i = 0; i < page->size; i++)
			data[i] = content(TAG_PAGE + frame->generation,
					  page->pos + i);
	}
	frame->dirtied += !(page->flags & MPIO_PAGE_DIRTY);
	frame->dirty_again = (page->flags & MPIO_PAGE_WRITEBACK) != 0;
	check(mpio_page_set_dirty(page, 0, page->size) == 0);
}

static void write_end(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	struct world *world = world_of(mapping);
	struct frame *frame = frame_of(page);
	bool drops = (mapping->flags & MPIO_MAPPING_DROP_FAILED) != 0;
	bool was_dirty_again;

	check(page->mapping == mapping);
	check(!(page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK)));
	check(status <= 0);
	frame->write_ends++;
	note_status(frame, status);
	check(frame->write_ends <= frame->dirtied);
	was_dirty_again = frame->dirty_again;
	frame->dirty_again = false;
	if (status != 0) {
		world->page_errors++;
		world->write_errors++;
		check(page->flags & MPIO_PAGE_ERROR);
		check(drops || (page->flags & MPIO_PAGE_DIRTY));
		frame->dirtied += !drops && !was_dirty_again;
		check(mpio_errseq_check(&mapping->errors, &world->since) != 0);
	} else if (world->scenario->hooks & HOOK_REDIRTY && !frame->redirtied) {
		frame->redirtied = true;
		frame_dirty(world, frame);
	}
	meddle(world);
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct world *world = world_of(mapping);
	struct frame *frame = frame_of(page);
	const struct fault *fault = inject(&world->injector, SITE_SEAL);
	const unsigned char *bytes = page->data;

	check(*data == page->data);
	if (fault != NULL)
		return fault->status;
	for (uint32_t i = 0; i < page->size; i++) {
		check(page->pos + i < mapping->size || bytes[i] == 0);
		frame->shadow[i] = sealed(world, bytes[i]);
	}
	*data = frame->shadow;
	return 0;
}

static void account(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint32_t bytes)
{
	struct frame *frame = frame_of(page);

	check(bytes <= page->size);
	check(bytes % mapping->block_size == 0);
	frame->accounted++;
}

/* A part of a page is on the device, as it should be. */
static void check_part(const struct world *world, struct frame *frame,
		       uint64_t pos, const unsigned char *disk, uint32_t length)
{
	const unsigned char *bytes = frame->page.data;

	if (world->scenario->hooks & HOOK_SEAL)
		bytes = frame->shadow;
	check(memcmp(bytes + (pos - frame->page.pos), disk, length) == 0);
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	struct world *world = world_of(mapping);
	const struct fault *fault = inject(&world->injector, SITE_WRITTEN);
	uint32_t size = mapping->block_size;
	uint64_t end = pos + length;

	check(length != 0 && pos % size == 0);
	for (uint64_t block = pos / size; block * size < end; block++) {
		const struct place *place = &world->places[block];
		uint64_t at = offset + (block * size - pos);
		uint64_t rest = end - block * size;

		check(queue == world->queues[place->device]);
		check(at == (uint64_t)place->block * size);
		for (uint32_t i = 0; i < world->frame_count; i++) {
			struct frame *frame = &world->frames[i];

			if (block * size - frame->page.pos < frame->page.size)
				check_part(world, frame, block * size,
					   world->disk[place->device] + at,
					   rest < size ? (uint32_t)rest : size);
		}
	}
	if (fault != NULL)
		return fault->status;
	for (uint64_t block = pos / size; block * size < end; block++)
		world->places[block].kind = RUN_DATA;
	return 0;
}

static void new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		       uint64_t block, uint64_t count)
{
	struct world *world = world_of(mapping);

	for (uint32_t i = 0; i < world->block_count; i++) {
		struct place *place = &world->places[i];

		if (queue != world->queues[place->device] ||
		    place->block - block >= count || !place->fresh)
			continue;
		check(!place->announced);
		place->announced = true;
	}
}

static void boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		     uint64_t block)
{
	struct world *world = world_of(mapping);
	unsigned char bytes[4096];
	uint32_t size = mapping->block_size;

	check(block * size < mpio_queue_device(queue)->size);
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = content(TAG_METADATA, i);
	if (do_raw(world->queues[0], MPIO_BIO_WRITE,
		   METADATA_BLOCK(world) * size, bytes, size) != 0)
		world->raw_errors++;
}

void engine_init(struct world *world)
{
	uint32_t hooks = world->scenario->hooks;
	struct mpio_mapping_ops *ops = &world->ops;

	*ops = (struct mpio_mapping_ops){
		.get_block = get_block,
		.read_end = read_end,
		.write_end = write_end,
		.next_dirty = next_dirty,
	};
	if (hooks & HOOK_VERIFY)
		ops->verify = verify;
	if (hooks & HOOK_REREAD)
		ops->reread = reread;
	if (hooks & HOOK_WRITTEN)
		ops->written = written;
	if (hooks & HOOK_SEAL)
		ops->seal = seal;
	if (hooks & HOOK_NEW_BLOCKS)
		ops->new_blocks = new_blocks;
	if (hooks & HOOK_BOUNDARY)
		ops->boundary = boundary;
	if (hooks & HOOK_ACCOUNT)
		ops->account = account;
	if (hooks & HOOK_STILL_VALID)
		ops->still_valid = still_valid;
}

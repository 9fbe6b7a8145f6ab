/* SPDX-License-Identifier: MIT */
/*
 * What must hold in a world after any fault, when nothing is in flight:
 *
 *  - every page that was handed in has ended, once, and none is busy;
 *  - what a page or a block calls uptodate is what the model says;
 *  - what is clean and was dirty is on the device, and was told as written;
 *  - what could not be written is dirty, and the mapping knows an error;
 *  - nothing was written but blocks that were to be, old bytes or new;
 *  - all bios are in their pools again.
 *
 * A snapshot holds all that can differ between two worlds of a scenario.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define BUSY (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK)

/* ---- Pages and blocks --------------------------------------------------- */

static uint32_t first_block(const struct mpio_page *page)
{
	return (uint32_t)(page->pos / page->mapping->block_size);
}

static uint32_t block_count(const struct mpio_page *page)
{
	return page->size / page->mapping->block_size;
}

static const unsigned char *block_bytes(const struct mpio_page *page,
					uint32_t index)
{
	return (const unsigned char *)page->data +
	       (size_t)index * page->mapping->block_size;
}

/* How much of a block of the file its device has room for. */
static uint32_t length_on_device(const struct world *world,
				 const struct place *place)
{
	uint32_t size = world->mapping.block_size;
	uint64_t offset = (uint64_t)place->block * size;
	uint64_t end = world->devices[place->device].device.size;

	return end - offset < size ? (uint32_t)(end - offset) : size;
}

static void check_read_page(const struct world *world,
			    const struct frame *frame)
{
	const struct mpio_page *page = &frame->page;

	check(frame->read_ends == frame->handed);
	for (uint32_t i = 0; i < block_count(page); i++) {
		size_t size = world->mapping.block_size;
		const unsigned char *model =
			world->model + (first_block(page) + i) * size;

		/* What is called mapped may be written in place. */
		if (page->flags & MPIO_PAGE_MAPPED)
			check(world->places[first_block(page) + i].kind ==
			      RUN_DATA);
		if (mpio_page_block_uptodate(page, i))
			check(memcmp(block_bytes(page, i), model, size) == 0);
	}
	if (frame->handed != 0 && frame->status == 0)
		check(page->flags & MPIO_PAGE_UPTODATE);
}

/* Whether bytes of a device are those of a page, as they leave it. */
static bool is_written(const struct world *world, const unsigned char *disk,
		       const unsigned char *bytes, uint32_t length)
{
	if (!(world->scenario->hooks & HOOK_SEAL))
		return memcmp(disk, bytes, length) == 0;
	for (uint32_t i = 0; i < length; i++) {
		if (disk[i] != sealed(world, bytes[i]))
			return false;
	}
	return true;
}

/* A block that is clean: are its bytes on the device, zeros past the end? */
static void check_clean_block(const struct world *world,
			      const struct mpio_page *page, uint32_t index)
{
	const struct place *place = &world->places[first_block(page) + index];
	uint32_t size = world->mapping.block_size;
	const unsigned char *bytes = block_bytes(page, index);
	const unsigned char *disk =
		world->disk[place->device] + (size_t)place->block * size;
	uint64_t left =
		world->mapping.size - page->pos - (uint64_t)index * size;

	check(place->kind == RUN_DATA);
	check(is_written(world, disk, bytes, length_on_device(world, place)));
	for (uint64_t i = left; i < size; i++)
		check(bytes[i] == 0);
}

static bool was_dirty(const struct world *world, uint32_t page, uint32_t index)
{
	const struct scenario *scenario = world->scenario;
	uint32_t bit = (first_block(&world->frames[page].page) + index) % 16;

	if (scenario->clean_pages >> page & 1)
		return false;
	return !scenario->per_block || (scenario->dirty >> bit & 1) != 0;
}

static void check_written_page(const struct world *world, uint32_t index)
{
	const struct scenario *scenario = world->scenario;
	const struct frame *frame = &world->frames[index];
	const struct mpio_page *page = &frame->page;
	uint32_t size = world->mapping.block_size;
	bool dirty = (page->flags & MPIO_PAGE_DIRTY) != 0;
	bool dropped = (page->flags & MPIO_PAGE_ERROR) && !dirty &&
		       frame->dirtied != 0;
	uint32_t dirty_blocks = 0;

	check(frame->write_ends + dirty == frame->dirtied);
	check(!dropped || (scenario->mapping_flags & MPIO_MAPPING_DROP_FAILED));
	for (uint32_t i = 0; i < block_count(page); i++) {
		if (page->pos + (uint64_t)i * size >= world->mapping.size)
			break;
		if (mpio_page_block_dirty(page, i))
			dirty_blocks++;
		else if (was_dirty(world, index, i) && !dropped)
			check_clean_block(world, page, i);
	}
	/* Dirty without a dirty block would be clean after the next walk. */
	check(dirty == (dirty_blocks != 0) || dropped ||
	      page->pos >= world->mapping.size);
	if (scenario->wbc.sync_mode == MPIO_SYNC_ALL && !scenario->limited)
		check(frame->write_ends != 0 || frame->dirtied == 0);
	if (scenario->hooks & HOOK_ACCOUNT)
		check(frame->accounted == frame->write_ends ||
		      page->pos >= world->mapping.size);
}

/* ---- One write ---------------------------------------------------------- */

static void check_not_torn(const struct world *world, uint32_t device,
			   uint64_t offset, uint64_t end)
{
	uint32_t size = world->mapping.block_size;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct mpio_page *page = &world->frames[i].page;
		const struct place *place = &world->places[first_block(page)];
		uint64_t start = (uint64_t)place->block * size;

		if (!(page->flags & MPIO_PAGE_ATOMIC) ||
		    place->device != device || end <= start ||
		    offset >= start + page->size)
			continue;
		check(offset <= start && start + page->size <= end);
	}
}

static void check_announced(const struct world *world, uint32_t device,
			    uint64_t offset, uint64_t end)
{
	uint64_t size = world->mapping.block_size;

	for (uint32_t i = 0; i < world->block_count; i++) {
		const struct place *place = &world->places[i];

		if (place->device == device && place->block * size >= offset &&
		    place->block * size < end && place->fresh)
			check(place->announced);
	}
}

void check_write(void *ctx, struct mock *mock, uint64_t offset, uint32_t length)
{
	const struct world *world = ctx;
	uint32_t device = (uint32_t)(mock - world->devices);

	check_not_torn(world, device, offset, offset + length);
	if (world->scenario->hooks & HOOK_NEW_BLOCKS)
		check_announced(world, device, offset, offset + length);
}

/* ---- Devices ------------------------------------------------------------ */

/* Bytes of the devices that nothing should have touched. */
static void check_outside(const struct world *world, uint32_t device)
{
	uint64_t size = world->devices[device].device.size;
	const unsigned char *now = world->disk[device];
	const unsigned char *then = world->disk0[device];

	for (uint64_t at = 0; at < size; at += SECTOR) {
		uint64_t length = size - at < SECTOR ? size - at : SECTOR;

		if (!world->owned[device][at / SECTOR])
			check(memcmp(now + at, then + at, (size_t)length) == 0);
	}
}

/* A byte of a page's block: as it was, or of a version that was written. */
static bool is_known_byte(const struct world *world, const struct frame *frame,
			  uint64_t pos, unsigned char now, unsigned char then)
{
	if (now == then)
		return true;
	if (pos >= world->mapping.size)
		return now == sealed(world, 0);
	for (uint32_t i = 1; i <= frame->generation; i++) {
		if (now == sealed(world, content(TAG_PAGE + i, pos)))
			return true;
	}
	return false;
}

static void check_inside_block(const struct world *world,
			       const struct frame *frame, uint32_t index)
{
	const struct mpio_page *page = &frame->page;
	const struct place *place = &world->places[first_block(page) + index];
	size_t offset = (size_t)place->block * page->mapping->block_size;
	const unsigned char *now = world->disk[place->device] + offset;
	const unsigned char *then = world->disk0[place->device] + offset;
	const unsigned char *bytes = block_bytes(page, index);
	uint32_t length = length_on_device(world, place);

	/* Mostly it is all of one or all of the other. */
	if (memcmp(now, then, length) == 0 ||
	    (frame->generation == 1 && is_written(world, now, bytes, length)))
		return;
	for (uint32_t i = 0; i < length; i++) {
		uint64_t pos = (uint64_t)(bytes - (unsigned char *)page->data);

		check(is_known_byte(world, frame, page->pos + pos + i, now[i],
				    then[i]));
	}
}

static void check_inside(const struct world *world, uint32_t index)
{
	const struct frame *frame = &world->frames[index];
	const struct mpio_page *page = &frame->page;
	uint32_t size = page->mapping->block_size;

	for (uint32_t i = 0; i < block_count(page); i++) {
		if (page->pos + (uint64_t)i * size >= world->mapping.size)
			break;
		if (was_dirty(world, index, i))
			check_inside_block(world, frame, i);
	}
}

static void check_gaps(const struct world *world)
{
	const unsigned char *begin = world->arena;

	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct mpio_page *page = &world->frames[i].page;
		const unsigned char *end = page->data;
		size_t at = (size_t)(begin - world->arena);

		check(memcmp(begin, world->arena0 + at,
			     (size_t)(end - begin)) == 0);
		begin = end + page->size;
	}
	check(memcmp(begin, world->arena0 + (begin - world->arena),
		     (size_t)(world->arena + world->arena_size - begin)) == 0);
}

/* ---- Raw bios ----------------------------------------------------------- */

/*
 * Whether another bio may have changed what this one wrote: a later one or, if
 * it had to be driven again, an earlier one.
 */
static bool is_overwritten(const struct world *world, size_t index)
{
	const struct raw_io *io = &world->raws[index].io;
	size_t first = world->injector.fired != 0 ? 0 : index;

	for (size_t i = first; i < world->raw_count; i++) {
		const struct raw_io *other = &world->raws[i].io;

		if (i != index && other->op != MPIO_BIO_READ &&
		    other->offset < io->offset + io->length &&
		    io->offset < other->offset + other->length)
			return true;
	}
	return false;
}

static void check_raw(const struct world *world, size_t index)
{
	const struct raw *raw = &world->raws[index];
	const struct raw_io *io = &raw->io;

	check(raw->ends == raw->started);
	if (raw->started == 0 || raw->status != 0 ||
	    is_overwritten(world, index))
		return;
	if (io->op == MPIO_BIO_READ || io->op == MPIO_BIO_WRITE)
		check(memcmp(raw->data, world->disk[0] + io->offset,
			     io->length) == 0);
	if (io->op == MPIO_BIO_WRITE && (io->flags & MPIO_BIO_FUA))
		check(memcmp(raw->data, world->durable[0] + io->offset,
			     io->length) == 0);
}

/* ---- All of it ---------------------------------------------------------- */

void world_check(const struct world *world)
{
	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct frame *frame = &world->frames[i];

		check(!(frame->page.flags & BUSY));
		if (!world->scenario->writes || frame->handed != 0)
			check_read_page(world, frame);
		if (!world->scenario->writes)
			continue;
		check_written_page(world, i);
		check_inside(world, i);
	}
	for (uint32_t i = 0; i < world->device_count; i++)
		check_outside(world, i);
	check_gaps(world);
	for (size_t i = 0; i < world->raw_count; i++)
		check_raw(world, i);
	if (world->write_errors != 0) {
		check(mpio_errseq_check(&world->mapping.errors,
					&world->since) != 0);
		check(world->scenario->wbc.sync_mode != MPIO_SYNC_ALL ||
		      world->returned != 0);
	}
}

void world_check_pools(struct world *world)
{
	struct mpio_bio *bios[2 * 64];

	for (uint32_t i = 0; i < world->device_count; i++) {
		uint32_t pool = world->scenario->config.bios;
		uint32_t n = 0;

		pool = 2 * (pool != 0 ? pool : 6);
		while (n < pool &&
		       (bios[n] = mpio_bio_get(world->queues[i], MPIO_BIO_READ,
					       0)) != NULL)
			n++;
		check(n == pool);
		check(mpio_bio_get(world->queues[i], MPIO_BIO_READ, 0) == NULL);
		while (n != 0)
			mpio_bio_put(bios[--n]);
	}
}

/* ---- Snapshots ---------------------------------------------------------- */

struct snapshot {
	unsigned char *disk[DEVICES];
	unsigned char *durable[DEVICES];
	unsigned char *arena;
	uint32_t flags[FRAMES_MAX];
	uint64_t state[FRAMES_MAX][STATE_WORDS];
	enum run_kind kinds[BLOCKS_MAX];
};

static unsigned char *copy(const unsigned char *bytes, size_t size)
{
	unsigned char *result = malloc(size);

	check(result != NULL);
	memcpy(result, bytes, size);
	return result;
}

struct snapshot *snapshot_take(const struct world *world)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	check(snapshot != NULL);
	for (uint32_t i = 0; i < world->device_count; i++) {
		size_t size = (size_t)world->devices[i].device.size;

		snapshot->disk[i] = copy(world->disk[i], size);
		snapshot->durable[i] = copy(world->durable[i], size);
	}
	snapshot->arena = copy(world->arena, world->arena_size);
	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct frame *frame = &world->frames[i];

		snapshot->flags[i] = frame->page.flags;
		memcpy(snapshot->state[i], frame->state, sizeof(frame->state));
	}
	for (uint32_t i = 0; i < world->block_count; i++)
		snapshot->kinds[i] = world->places[i].kind;
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	for (uint32_t i = 0; i < DEVICES; i++) {
		free(snapshot->disk[i]);
		free(snapshot->durable[i]);
	}
	free(snapshot->arena);
	free(snapshot);
}

/*
 * Flags of pages, but for one: whether a page is known to be mapped depends on
 * whether it was read in one go.
 */
static void compare_flags(const struct world *world, uint32_t now,
			  uint32_t then)
{
	const struct scenario *scenario = world->scenario;

	if (scenario->per_block || (scenario->hooks & HOOK_REREAD)) {
		now |= MPIO_PAGE_MAPPED;
		then |= MPIO_PAGE_MAPPED;
	}
	check(now == then);
}

void snapshot_compare(const struct world *world,
		      const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < world->device_count; i++) {
		size_t size = (size_t)world->devices[i].device.size;

		check(memcmp(world->disk[i], snapshot->disk[i], size) == 0);
		check(memcmp(world->durable[i], snapshot->durable[i], size) ==
		      0);
	}
	check(memcmp(world->arena, snapshot->arena, world->arena_size) == 0);
	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct frame *frame = &world->frames[i];

		compare_flags(world, frame->page.flags, snapshot->flags[i]);
		check(memcmp(frame->state, snapshot->state[i],
			     sizeof(frame->state)) == 0);
	}
	for (uint32_t i = 0; i < world->block_count; i++)
		check(world->places[i].kind == snapshot->kinds[i]);
}

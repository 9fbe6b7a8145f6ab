/* SPDX-License-Identifier: MIT */
/*
 * Map: get_block is asked, its answer checked and remembered.
 *
 * One answer is remembered for the call; it serves every page that it
 * reaches. What get_block says is not trusted: it may come from damaged
 * metadata.
 *
 *     answer     |------------------------------|
 *     count      |--------------------|
 *                first                 the device's end
 *
 * An answer that runs past the device's end is good up to there; what lies
 * beyond is a lie about those blocks only, and it stays remembered too, so
 * that nobody is asked again. Any other impossible answer is dropped whole.
 *
 * When the blocks up to a boundary have gone into a bio, the next answer will
 * cost a metadata read near by: the bio is sent before get_block is called.
 */
#include "gather.h"

/* Blocks smaller than the device's are parts of those, where bios bounce. */
static bool blocks_fit(const struct mpio_queue *queue, uint32_t block_size)
{
	return block_size >= queue->limits.block || queue->bounce_size != 0;
}

int mpio__walk_init(struct mpio__walk *walk, struct mpio_queue *queue,
		    struct mpio_mapping *mapping, uint32_t op, uint32_t flags)
{
	uint32_t block_size = mapping->block_size;

	if (!mpio__is_power_of_two(block_size) ||
	    !blocks_fit(queue, block_size) || mapping->ops == NULL ||
	    mapping->ops->get_block == NULL)
		return -MPIO_EINVAL;
	*walk = (struct mpio__walk){
		.queue = queue,
		.mapping = mapping,
		.shift = mpio__log2(block_size),
		.gap_max = queue->limits.gap_max,
		.plain = mapping->ops->still_valid == NULL &&
			 mapping->ops->verify == NULL &&
			 mapping->ops->seal == NULL &&
			 mapping->ops->account == NULL,
		.build =
			{
				.op = (uint8_t)op,
				.flags = (uint16_t)flags,
				.unit = block_size,
			},
	};
	walk->map.queue = queue;
	walk->map.odd = queue->event != NULL;
	walk->eof_block = mpio__bytes_to_blocks_up(mapping->size, walk->shift);
	walk->device_blocks = queue->device->size >> walk->shift;
	if (op == MPIO_BIO_WRITE) {
		walk->map_flags = MPIO_MAP_CREATE;
		walk->build.end_io = mpio__write_end_io;
	} else if (walk->mapping->ops->verify != NULL ||
		   walk->mapping->ops->reread != NULL) {
		walk->build.end_io = mpio__verify_end_io;
	} else {
		walk->build.end_io = mpio__read_end_io;
	}
	return 0;
}

void mpio__walk_end(struct mpio__walk *walk)
{
	struct mpio_queue *queue = walk->queue;

	mpio__build_send(&walk->build, MPIO_CUT_BATCH_END);
	mpio__map_boundary(walk);
	mpio__queue_commit_last(queue);
	for (queue = queue->group; queue != walk->queue; queue = queue->group) {
		mpio__queue_commit_last(queue);
		mpio__queue_finish(queue); /* commit may end bios, too */
	}
}

/* ---- Asking ----------------------------------------------------------- */

void mpio__map_boundary(struct mpio__walk *walk)
{
	struct mpio__map *map = &walk->map;
	uint64_t next;

	if (!map->boundary_ahead)
		return;
	map->boundary_ahead = false;
	next = map->extent.block + map->extent.count;
	mpio__build_send(&walk->build, MPIO_CUT_BOUNDARY);
	mpio__queue_commit(map->queue);
	if (walk->map_flags & MPIO_MAP_CREATE &&
	    walk->mapping->ops->boundary != NULL &&
	    next <= (map->queue->device->size - 1) >> walk->shift)
		walk->mapping->ops->boundary(walk->mapping, map->queue, next);
}

void mpio__map_revalidate(struct mpio__walk *walk)
{
	if ((walk->map.count != 0 || walk->map.lies) &&
	    !walk->mapping->ops->still_valid(walk->mapping, &walk->map.extent))
		mpio__map_forget(&walk->map);
}

/*@ requires \valid_read(walk) && \valid_read(extent);
  @ assigns \nothing;
  @ ensures \result ==> 1 <= extent->count <= wanted; */
static bool is_possible(const struct mpio__walk *walk,
			const struct mpio_extent *extent, uint64_t wanted)
{
	const uint32_t known = MPIO_EXTENT_MAPPED | MPIO_EXTENT_NEW |
			       MPIO_EXTENT_BOUNDARY | MPIO_EXTENT_UPTODATE |
			       MPIO_EXTENT_UNWRITTEN;
	bool create = (walk->map_flags & MPIO_MAP_CREATE) != 0;
	bool mapped = (extent->flags & MPIO_EXTENT_MAPPED) != 0;
	uint32_t if_mapped = MPIO_EXTENT_NEW | MPIO_EXTENT_UNWRITTEN;

	if ((extent->flags & ~known) != 0 || extent->count == 0 ||
	    extent->count > wanted)
		return false;
	if (create)
		return mapped && !(extent->flags & MPIO_EXTENT_UPTODATE);
	if (extent->flags & MPIO_EXTENT_NEW)
		return false;
	return mapped || !(extent->flags & if_mapped);
}

/* How many of an answer's blocks begin before its device ends, or -errno. */
static int count_blocks(const struct mpio__walk *walk, struct mpio__map *map)
{
	const struct mpio_extent *extent = &map->extent;
	struct mpio_queue *queue = map->queue;

	if (queue != walk->queue) {
		if (!mpio__group_has(walk->queue, queue))
			return -MPIO_EUCLEAN;
		if (!blocks_fit(queue, walk->mapping->block_size))
			return -MPIO_EINVAL;
	}
	map->lies = true;
	if (!mpio__blocks_have_bytes(extent->block, extent->count, walk->shift))
		return -MPIO_EUCLEAN;
	map->count = mpio__blocks_on_device(extent->block << walk->shift,
					    extent->count, walk->shift,
					    map->queue->device->size);
	map->lies = map->count < extent->count;
	return map->count != 0 ? 0 : -MPIO_EUCLEAN;
}

/* Take over an answer that names device blocks. */
static int remember(struct mpio__walk *walk, struct mpio__map *map)
{
	const struct mpio_extent *extent = &map->extent;
	uint64_t whole;
	int error;

	map->queue = extent->queue != NULL ? extent->queue : walk->queue;
	error = count_blocks(walk, map);
	if (error != 0)
		return error;
	whole = (map->queue->device->size >> walk->shift) - extent->block;
	mpio__map_straighten(map, map->first << walk->shift,
			     mpio__min_u64(map->count, whole), walk->shift);
	if ((extent->flags & MPIO_EXTENT_BOUNDARY) &&
	    map->straight_end == (map->first + extent->count) << walk->shift)
		map->straight_end--;
	if ((extent->flags & MPIO_EXTENT_NEW) &&
	    walk->mapping->ops->new_blocks != NULL)
		walk->mapping->ops->new_blocks(walk->mapping, map->queue,
					       extent->block, map->count);
	return 0;
}

/* Nothing of it is on a device: a hole, or filled by get_block. */
/*@ requires \valid_read(walk) && \valid_read(extent);
  @ assigns \nothing;
  @ ensures !\result ==> (extent->flags & MPIO_EXTENT_MAPPED) != 0 &&
  @	(extent->flags & MPIO_EXTENT_UPTODATE) == 0; */
static bool is_elsewhere(const struct mpio__walk *walk,
			 const struct mpio_extent *extent)
{
	if (!(extent->flags & MPIO_EXTENT_MAPPED) ||
	    (extent->flags & MPIO_EXTENT_UPTODATE))
		return true;
	return (extent->flags & MPIO_EXTENT_UNWRITTEN) &&
	       !(walk->map_flags & MPIO_MAP_CREATE);
}

static void tell(struct mpio__walk *walk, uint64_t block, int status)
{
	struct mpio_event *event = &walk->queue->told;

	*event = (struct mpio_event){
		.mapping = walk->mapping,
		.extent = &walk->map.extent,
		.block = block,
	};
	mpio__event(walk->queue, MPIO_EVENT_MAP, NULL, status);
}

int mpio__map_take_over(struct mpio__walk *walk, uint64_t block,
			uint64_t wanted, int status)
{
	struct mpio__map *map = &walk->map;

	map->odd = true;
	mpio__map_forget(map);
	if (walk->queue->event != NULL)
		tell(walk, block, status);
	if (status != 0)
		return status < 0 ? mpio__error(status) : -MPIO_EUCLEAN;
	if (!is_possible(walk, &map->extent, wanted))
		return -MPIO_EUCLEAN;
	map->first = block;
	map->hole = is_elsewhere(walk, &map->extent);
	if (!map->hole)
		return remember(walk, map);
	map->count = map->extent.count;
	return 0;
}

int mpio__map_leave(struct mpio__walk *walk, uint64_t block)
{
	struct mpio__map *map = &walk->map;

	if (map->lies && block - map->first < map->extent.count)
		return -MPIO_EUCLEAN; /* past the device's end */
	mpio__map_boundary(walk);
	map->hole = false;
	map->queue = walk->queue;
	map->odd = walk->queue->event != NULL;
	return 0;
}

int mpio__map_put(struct mpio__walk *walk, struct mpio_page *page,
		  uint64_t block, uint64_t wanted)
{
	int status;

	if (!walk->map.odd)
		return mpio__map_ask_on(walk, page, block << walk->shift,
					wanted);
	status = mpio__map_question(walk, page, block, wanted);
	return mpio__map_take_over(walk, block, wanted, status);
}

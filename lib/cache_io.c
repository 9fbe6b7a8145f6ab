/* SPDX-License-Identifier: MIT */
/*
 * The cache's way to the core: what the core calls.
 *
 * The core is shown mappings of the cache's own, whose operations go on to the
 * engine's. The one for reads has no end: where the file ends may change while
 * others read, so that get_block is where it is looked at, and what lies
 * behind it is a hole.
 */
#include "cache_private.h"

/* ---- Showing a page to the engine --------------------------------------- */

/*
 * A page that was read or written is shown to the engine: by the thread whose
 * I/O it is, in whatever call it polls its queue. What else has ended there,
 * ends after that. If it is a call that has nothing to do with this page, with
 * others locked or other files walked, the engine's order of files does not
 * hold.
 */
static void showing_begin(struct mpio__handing *handing,
			  const struct mpio__frame *frame)
{
	struct mpio_cache *cache = frame->file->cache;
	struct mpio_queue *queue = mpio__beside_of(frame)->owner;
	bool alone;

	mpio__cache_lock(cache);
	alone = frame->state & (MPIO__FRAME_AHEAD | MPIO__FRAME_WRITING) &&
		mpio__is_beyond(frame->file, queue);
	mpio__handing_begin(cache, handing, queue);
	handing->file = frame->file;
	handing->alone = alone;
	mpio__cache_unlock(cache);
}

static void showing_end(struct mpio_cache *cache,
			const struct mpio__handing *handing)
{
	mpio__cache_lock(cache);
	mpio__handing_end(cache, handing);
	mpio__cache_unlock(cache);
}

/* ---- What the core calls ------------------------------------------------ */

/*
 * Blocks to write to were named, for the walker. Who walks the file since it
 * named queues must not write by a queue that its users have not chosen.
 */
MPIO__APART static int look_at_queue(struct mpio_cache_mapping *file,
				     const struct mpio_extent *extent)
{
	bool names = extent->queue != NULL;
	bool wrong;

	mpio__cache_lock(file->cache);
	wrong = file->names_queue && !names &&
		file->device != mpio_queue_device(file->walker);
	file->names_queue = names;
	mpio__cache_unlock(file->cache);
	return wrong ? -MPIO_EUCLEAN : 0;
}

/* A callback has failed a page that is to be written; the error. */
static int put_off(struct mpio_page *page, int error)
{
	struct mpio__frame *frame = mpio__frame_of(page);

	mpio__cache_lock(frame->file->cache);
	if (mpio__is_passing(error))
		frame->state |= MPIO__FRAME_PUT_OFF;
	mpio__cache_unlock(frame->file->cache);
	return error;
}

/*
 * The block of a hole behind the end, by which it is known as none that the
 * engine answered with. (Of a hole of its own there the engine is asked anew.)
 */
#define BEHIND UINT64_MAX

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	uint64_t end;
	uint64_t wanted;
	int error;

	if (!(flags & MPIO_MAP_CREATE)) {
		end = mpio__bytes_to_blocks_up(mpio_cache_end(file),
					       file->block_shift);
		if (block >= end) {
			extent->block = BEHIND;
			return 0;
		}
		extent->count = mpio__min_u64(extent->count, end - block);
	} else {
		mpio__cache_lock(file->cache);
		mpio__cache_change(file, block << file->block_shift,
				   (block + extent->count)
					   << file->block_shift);
		mpio__cache_unlock(file->cache);
	}
	wanted = extent->count;
	error = file->mapping.ops->get_block(&file->mapping, page, block, flags,
					     extent);
	if (error != 0 && (flags & MPIO_MAP_CREATE))
		return put_off(page, error);
	/* The core has asked for more, and cannot tell. */
	if (error == 0 && extent->count > wanted)
		error = -MPIO_EUCLEAN;
	if (error == 0 && (flags & MPIO_MAP_CREATE))
		error = look_at_queue(file, extent);
	return error;
}

/* Only what the engine answered: where the end was, its blocks may be now. */
static bool still_valid(struct mpio_mapping *mapping,
			const struct mpio_extent *extent)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);

	return extent->block != BEHIND &&
	       file->mapping.ops->still_valid(&file->mapping, extent);
}

static void new_blocks(struct mpio_mapping *mapping, struct mpio_queue *queue,
		       uint64_t block, uint64_t count)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);

	file->mapping.ops->new_blocks(&file->mapping, queue, block, count);
}

static void boundary(struct mpio_mapping *mapping, struct mpio_queue *queue,
		     uint64_t block)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);

	file->mapping.ops->boundary(&file->mapping, queue, block);
}

/* The frame of a page that is being written. */
static struct mpio__frame *written_frame(struct mpio_cache_mapping *file,
					 uint64_t key)
{
	struct mpio__frame *frame;

	mpio__cache_lock(file->cache);
	frame = mpio__frame_at(file->cache, mpio__file_find(file, key));
	mpio__cache_unlock(file->cache);
	return frame;
}

static int written(struct mpio_mapping *mapping, uint64_t pos, uint32_t length,
		   struct mpio_queue *queue, uint64_t offset)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	struct mpio_cache *cache = file->cache;
	uint64_t key = pos >> cache->page_shift;
	uint64_t last = (pos + length - 1) >> cache->page_shift;
	struct mpio__handing handing;
	int error;

	showing_begin(&handing, written_frame(file, key));
	error = file->mapping.ops->written(&file->mapping, pos, length, queue,
					   offset);
	showing_end(cache, &handing);
	if (!mpio__is_passing(error))
		return error;
	mpio__cache_lock(cache);
	for (; key <= last; key++) /* all of them are being written */
		mpio__frame_at(cache, mpio__file_find(file, key))->state |=
			MPIO__FRAME_PUT_OFF;
	mpio__cache_unlock(cache);
	return error;
}

static void account(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint32_t bytes)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);

	file->mapping.ops->account(&file->mapping, page, bytes);
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	struct mpio__handing handing;
	int error;

	showing_begin(&handing, mpio__frame_of(page));
	error = file->mapping.ops->verify(&file->mapping, page);
	showing_end(file->cache, &handing);
	return error;
}

static int reread(struct mpio_mapping *mapping, struct mpio_page *page,
		  uint32_t attempt, struct mpio_extent *extent)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	struct mpio__handing handing;
	int error;

	showing_begin(&handing, mpio__frame_of(page));
	error = file->mapping.ops->reread(&file->mapping, page, attempt,
					  extent);
	showing_end(file->cache, &handing);
	return error;
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);
	int error = file->mapping.ops->seal(&file->mapping, page, data);

	return error != 0 ? put_off(page, error) : 0;
}

static void release_shadow(struct mpio_mapping *mapping, struct mpio_page *page,
			   void *shadow)
{
	struct mpio_cache_mapping *file = mpio__file_of(mapping);

	file->mapping.ops->release_shadow(&file->mapping, page, shadow);
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct mpio_cache *cache = mpio__file_of(mapping)->cache;

	mpio__cache_lock(cache);
	mpio__read_ended(mpio__frame_of(page), status);
	mpio__cache_unlock(cache);
}

static void lane_init(struct mpio_cache_lane *lane,
		      struct mpio_cache_mapping *file)
{
	lane->file = file;
	lane->mapping = (struct mpio_mapping){
		.ops = &file->ops,
		.host = file->mapping.host,
		.size = file->mapping.size,
		.block_size = file->mapping.block_size,
		/* Pages of a walk that was given up end in another thread. */
		.flags = file->mapping.flags | MPIO_MAPPING_OWN_ERRORS,
	};
}

void mpio__cache_ops_init(struct mpio_cache_mapping *file)
{
	const struct mpio_mapping_ops *ops = file->mapping.ops;

	file->ops = (struct mpio_mapping_ops){
		.get_block = get_block,
		.read_end = read_end,
		.write_end = mpio__write_end,
		.next_dirty = mpio__next_dirty,
		.still_valid = ops->still_valid != NULL ? still_valid : NULL,
		.new_blocks = ops->new_blocks != NULL ? new_blocks : NULL,
		.boundary = ops->boundary != NULL ? boundary : NULL,
		.written = ops->written != NULL ? written : NULL,
		.account = ops->account != NULL ? account : NULL,
		.verify = ops->verify != NULL ? verify : NULL,
		.reread = ops->reread != NULL ? reread : NULL,
		.seal = ops->seal != NULL ? seal : NULL,
		.release_shadow =
			ops->release_shadow != NULL ? release_shadow : NULL,
	};
	lane_init(&file->reads, file);
	lane_init(&file->writes, file);
	file->reads.mapping.size =
		UINT64_MAX & ~(uint64_t)(file->mapping.block_size - 1);
}

/* SPDX-License-Identifier: MIT */
/*
 * Build: runs of device bytes are gathered into bios, as the plan says.
 *
 * One bio is open at a time. Each run is shown to the plan; what the plan
 * takes is added to the open bio, and where it takes nothing, the bio is sent
 * and the run goes to a new one. A page counts its segments, the parts of
 * it that lie in bios; the last one to end finishes the page.
 */
#include "internal.h"

/* Tell the bio what was gathered into it. */
static inline void settle(struct mpio__build *build)
{
	struct mpio_bio *bio = build->bio;

	bio->length = (uint32_t)(build->end - bio->offset);
	bio->vec_count = (uint32_t)(build->vec - bio->vec_pool + 1);
	bio->segment_count = (uint32_t)(build->segment - bio->segments);
}

void mpio__build_send(struct mpio__build *build, enum mpio_cut cut)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_queue *queue;

	if (bio == NULL)
		return;
	queue = bio->queue;
	settle(build);
	build->bio = NULL;
	build->last_page = NULL;
	if (bio->length == 0) {
		mpio_bio_put(bio); /* opened, and never added to */
		return;
	}
	if (build->sent != NULL)
		++*build->sent;
	queue->stats.cuts[cut]++;
	if (queue->event != NULL)
		mpio__event(queue, MPIO_EVENT_CUT, bio, (int)cut);
	mpio__queue_submit(queue, bio);
}

/* Hold the free places of a bio ready, behind those that are filled. */
static inline void unfold(struct mpio__build *build, struct mpio_bio *bio,
			  uint32_t segments, uint32_t pieces)
{
	build->bio = bio;
	build->segment = bio->segments + segments;
	build->segments_end = bio->segments + bio->segments_max;
	build->vec = bio->vec_pool + pieces - 1;
	build->last_vec = bio->vec_pool + bio->vecs_max - 1;
}

static inline int open_bio(struct mpio__build *build, struct mpio_queue *queue,
			   uint64_t offset)
{
	struct mpio_bio *bio = mpio__bio_take(&queue->free_small);

	if (bio == NULL)
		bio = mpio__bio_get_wait(queue, 0, 0, 0);
	if (bio == NULL)
		return -MPIO_ENOMEM;
	bio->state = MPIO__BIO_HELD;
	bio->op = (uint8_t)build->operation;
	bio->flags = (uint16_t)(build->operation >> 8);
	bio->offset = offset;
	bio->plain = true;
	bio->unit = build->unit;
	bio->end_io = build->end_io;
	bio->ctx = build->sent;
	unfold(build, bio, 0, 0);
	build->end = offset;
	build->memory_end = (const unsigned char *)build; /* nobody's page */
	build->room = queue->limits.bytes_max;
	return 0;
}

/*
 * Bios begin small, so that a few pages do not take the memory of many. One
 * that is full is moved to a large one. False: it is large, or none is free.
 */
static bool enlarge(struct mpio__build *build)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_bio *large;

	if (!bio->small)
		return false;
	large = mpio__bio_get_wait(bio->queue, bio->op, bio->flags, UINT32_MAX);
	if (large == NULL)
		return false;
	settle(build);
	mpio__bio_move(large, bio);
	unfold(build, large, large->segment_count, large->vec_count);
	return true;
}

/* Whether a run continues the last segment of its own page. */
static inline bool is_same_segment(const struct mpio__build *build,
				   const struct mpio__run *run)
{
	return build->last_page == run->page &&
	       build->last_end == run->page_offset;
}

/* What the plan says of a run. */
static inline enum mpio_cut ask_plan(const struct mpio__build *build,
				     const struct mpio__run *run,
				     uint32_t *take)
{
	const struct mpio_bio *bio = build->bio;
	const struct mpio_plan_limits *limits = &run->queue->limits;
	struct mpio_plan_io io = {.operation = build->operation};
	const struct mpio_plan_run plan = {
		.queue = run->queue,
		.offset = run->offset,
		.operation = build->operation,
		.length = run->length,
		.memory = run->memory,
		.whole = run->whole,
		.same_segment = is_same_segment(build, run),
	};

	if (bio != NULL) {
		io.queue = bio->queue;
		io.end = build->end;
		io.length = (uint32_t)(build->end - bio->offset);
		io.pieces = (uint32_t)(build->vec - bio->vec_pool + 1);
		io.segments = (uint32_t)(build->segment - bio->segments);
		io.memory_end = build->memory_end;
		if (bio->small)
			limits = &bio->queue->small_limits;
	}
	return mpio__plan(&io, &plan, limits, take);
}

int mpio__build_turn(struct mpio__build *build, const struct mpio__run *run,
		     uint32_t *take)
{
	const struct mpio_bio *bio = build->bio;

	/* What the plan would say, without the words: it mostly does. */
	if (bio != NULL && bio->queue == run->queue &&
	    run->offset != build->end)
		mpio__build_send(build, MPIO_CUT_NOT_ADJACENT);
	for (;;) {
		enum mpio_cut cut = ask_plan(build, run, take);

		if (build->bio == NULL && *take == 0)
			return -MPIO_EINVAL; /* fits in no bio */
		if (build->bio == NULL)
			return open_bio(build, run->queue, run->offset);
		if (*take != 0)
			return 0;
		if (cut != MPIO_CUT_SEGMENTS || !enlarge(build))
			mpio__build_send(build, cut);
	}
}

/* Add the first bytes of a run, as many as the plan took. */
static void append(struct mpio__build *build, const struct mpio__run *run,
		   uint32_t take)
{
	if (is_same_segment(build, run) &&
	    build->segment != build->bio->segments) {
		build->segment[-1].length += take;
	} else {
		*build->segment++ = (struct mpio_segment){
			.page = run->page,
			.offset = run->page_offset,
			.length = take,
		};
		run->page->pending++;
	}
	if (run->memory == build->memory_end)
		build->vec->length += take;
	else
		*++build->vec = (struct mpio_iovec){
			.base = run->memory,
			.length = take,
		};
	if (run->whole)
		build->bio->flags =
			(uint16_t)(build->bio->flags | MPIO_BIO_ATOMIC);
	build->bio->plain = false;
	build->memory_end = run->memory + take;
	build->room -= take;
	build->end += take;
	build->last_page = run->page;
	build->last_end = run->page_offset + take;
}

int mpio__build_add(struct mpio__build *build, struct mpio__run run)
{
	while (run.length != 0) {
		uint32_t take;
		int error = mpio__build_turn(build, &run, &take);

		if (error != 0)
			return error;
		append(build, &run, take);
		run.offset += take;
		run.page_offset += take;
		run.memory += take;
		run.length -= take;
	}
	return 0;
}

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

static void settle(struct mpio__build *build)
{
	struct mpio_bio *bio = build->bio;

	bio->length = build->io.length;
	bio->vec_count = build->io.pieces;
	bio->segment_count = build->io.segments;
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
	build->io.queue = NULL;
	build->last_page = NULL;
	if (bio->length == 0) {
		mpio_bio_put(bio); /* opened, and never added to */
		return;
	}
	queue->stats.cuts[cut]++;
	if (queue->event != NULL) {
		const struct mpio_event event = {
			.type = MPIO_EVENT_CUT,
			.queue = queue,
			.bio = bio,
			.cut = cut,
		};

		mpio__event(queue, &event);
	}
	mpio__queue_submit(queue, bio);
	mpio__queue_finish(queue);
}

static int open_bio(struct mpio__build *build, struct mpio_queue *queue,
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
	bio->end_io = build->end_io;
	bio->unit = build->unit;
	build->bio = bio;
	build->limits = bio->small ? &queue->small_limits : &queue->limits;
	build->io = (struct mpio_plan_io){
		.queue = queue,
		.end = offset,
		.operation = build->operation,
	};
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
	build->bio = large;
	build->limits = &large->queue->limits;
	return true;
}

/* How the plan sees a run. */
static inline enum mpio_cut ask_plan(const struct mpio__build *build,
				     const struct mpio__run *run,
				     uint32_t *take)
{
	const struct mpio_plan_run plan = {
		.queue = run->queue,
		.offset = run->offset,
		.operation = build->operation,
		.length = run->length,
		.memory = run->memory,
		.whole = run->whole,
		.same_segment = build->last_page == run->page &&
				build->last_end == run->page_offset,
	};

	return mpio__plan(&build->io, &plan,
			  build->bio != NULL ? build->limits
					     : &run->queue->limits,
			  take);
}

int mpio__build_turn(struct mpio__build *build, const struct mpio__run *run,
		     uint32_t *take)
{
	for (;;) {
		enum mpio_cut cut = ask_plan(build, run, take);

		if (build->bio == NULL)
			return *take == 0 ? -MPIO_EINVAL
					  : open_bio(build, run->queue,
						     run->offset);
		if (*take != 0)
			return 0;
		if (cut != MPIO_CUT_SEGMENTS || !enlarge(build))
			mpio__build_send(build, cut);
	}
}

int mpio__build_add(struct mpio__build *build, struct mpio__run run)
{
	while (run.length != 0) {
		uint32_t take;
		int error = mpio__build_turn(build, &run, &take);

		if (error != 0)
			return error;
		mpio__build_append(build, run.page, run.page_offset, run.memory,
				   take,
				   build->last_page == run.page &&
					   build->last_end == run.page_offset);
		run.offset += take;
		run.page_offset += take;
		run.memory += take;
		run.length -= take;
		build->last_page = run.page;
		build->last_end = run.page_offset;
	}
	return 0;
}

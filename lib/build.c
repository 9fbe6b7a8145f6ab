/* SPDX-License-Identifier: MIT */
/*
 * Build: runs of device bytes are gathered into bios, as the plan says.
 *
 * One bio is open at a time. Each run is shown to the plan; what the plan
 * takes is added to the open bio, and where it cuts, the bio is sent and the
 * rest of the run goes to a new one. A page counts its segments, the parts of
 * it that lie in bios; the last one to end finishes the page.
 */
#include "internal.h"

static int open_bio(struct mpio__build *build, struct mpio_queue *queue,
		    uint64_t offset)
{
	struct mpio_bio *bio =
		mpio__bio_get_wait(queue, build->operation & 0xff,
				   build->operation >> 8, 0);

	if (bio == NULL)
		return -MPIO_ENOMEM;
	bio->offset = offset;
	bio->end_io = build->end_io;
	bio->unit = build->unit;
	build->bio = bio;
	build->io = (struct mpio_plan_io){
		.queue = queue,
		.end = offset,
		.operation = build->operation,
	};
	return 0;
}

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

/*
 * Bios begin small, so that a few pages do not take the memory of many. One
 * that is full is moved to a large one; if none can be had, false.
 */
static bool make_room(struct mpio__build *build)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_bio *large;

	if (build->io.pieces < bio->vecs_max &&
	    build->io.segments < bio->segments_max)
		return true;
	if (!bio->small)
		return true; /* the plan knows its limits */
	large = mpio__bio_get_wait(bio->queue, bio->op, bio->flags, UINT32_MAX);
	if (large == NULL)
		return false;
	settle(build);
	mpio__bio_move(large, bio);
	build->bio = large;
	return true;
}

/* Add to the open bio what the plan took of a run. */
static void append(struct mpio__build *build, const struct mpio_plan_run *plan,
		   const struct mpio__run *run, uint32_t take)
{
	struct mpio_plan_io *io = &build->io;
	struct mpio_bio *bio = build->bio;
	unsigned char *memory = run->memory;

	if (plan->same_segment && io->segments != 0) {
		bio->segments[io->segments - 1].length += take;
	} else {
		bio->segments[io->segments++] = (struct mpio_segment){
			.page = run->page,
			.offset = run->page_offset,
			.length = take,
		};
		run->page->pending++;
	}
	if (memory == io->memory_end && io->pieces != 0) {
		bio->vecs[io->pieces - 1].length += take;
	} else {
		bio->vecs[io->pieces++] = (struct mpio_iovec){
			.base = memory,
			.length = take,
		};
	}
	io->memory_end = memory + take;
	io->length += take;
	io->end += take;
	build->last_page = run->page;
	build->last_end = run->page_offset + take;
}

int mpio__build_add(struct mpio__build *build, const struct mpio__run *given)
{
	struct mpio__run run = *given;

	for (;;) {
		const struct mpio_plan_run plan = {
			.queue = run.queue,
			.offset = run.offset,
			.operation = build->operation,
			.length = run.length,
			.memory = run.memory,
			.whole = run.whole,
			.same_segment = build->last_page == run.page &&
					build->last_end == run.page_offset,
		};
		uint32_t take;
		enum mpio_cut cut = mpio_plan(&build->io, &plan,
					      &run.queue->limits, &take);

		if (take != 0) {
			if (build->bio != NULL && !make_room(build))
				mpio__build_send(build, MPIO_CUT_SEGMENTS);
			if (build->bio == NULL &&
			    open_bio(build, run.queue, run.offset) != 0)
				return -MPIO_ENOMEM;
			append(build, &plan, &run, take);
		}
		if (cut == MPIO_CUT_NONE)
			return 0;
		if (build->bio == NULL)
			return -MPIO_EINVAL; /* fits in no bio */
		mpio__build_send(build, cut);
		run.offset += take;
		run.page_offset += take;
		run.memory += take;
		run.length -= take;
	}
}

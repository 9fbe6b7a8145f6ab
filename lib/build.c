/* SPDX-License-Identifier: MIT */
/*
 * Build: runs of device bytes are gathered into bios, as the plan says.
 *
 * One bio is open at a time. Each run is shown to the plan; what the plan
 * takes is added to the open bio, and where it takes nothing, the bio is sent
 * and the run goes to a new one. A page counts its segments, the parts of
 * it that lie in bios; the last one to end finishes the page.
 */
#include "gather.h"
#include "plan.h"

void mpio__build_send(struct mpio__build *build, enum mpio_cut cut)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_queue *queue;

	if (bio == NULL)
		return;
	queue = bio->queue;
	build->bio = NULL;
	build->last_page = NULL;
	if (build->sent != NULL)
		++*build->sent;
	if (cut == MPIO_CUT_NOT_ADJACENT && mpio__bio_is_last(bio))
		cut = MPIO_CUT_DEVICE_END;
	queue->stats.cuts[cut]++;
	if (queue->event != NULL)
		mpio__event(queue, MPIO_EVENT_CUT, bio, (int)cut);
	mpio__queue_submit(queue, bio);
}

static int open_bio(struct mpio__build *build, struct mpio_queue *queue,
		    uint64_t offset)
{
	struct mpio_bio *bio = mpio__bio_get_wait(queue, false);

	if (bio == NULL)
		return -MPIO_ENOMEM;
	mpio__build_open(build, bio, offset);
	build->bio = bio;
	build->memory_end = (unsigned char *)bio; /* nobody's page */
	return 0;
}

/*
 * Bios begin small, so that a few pages do not take the memory of many. One
 * that is full is moved to a large one. False: it is large, or none is free; a
 * guess does not wait for one.
 */
static bool enlarge(struct mpio__build *build)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_bio *large;

	if (!bio->small)
		return false;
	large = build->flags & MPIO_BIO_READAHEAD
			? mpio__bio_get(bio->queue, true)
			: mpio__bio_get_wait(bio->queue, true);
	if (large == NULL)
		return false;
	mpio__bio_move(large, bio);
	build->bio = large;
	return true;
}

/* Whether a run continues the last segment of its own page. */
static inline bool is_same_segment(const struct mpio__build *build,
				   const struct mpio__run *run)
{
	return build->last_page == run->page &&
	       build->last_end == run->page_offset;
}

/*
 * Whether what lies before a run may be read, too. A gap of an odd length would
 * make a bio bounce whose pages need not; its ends then differ in a low bit.
 */
static bool may_gap(const struct mpio__build *build,
		    const struct mpio__run *run, uint64_t end)
{
	uint32_t alignment = run->queue->memory_alignment;

	return build->op == MPIO_BIO_READ &&
	       (mpio__is_aligned(run->offset ^ end, alignment) ||
		!mpio__is_aligned((uintptr_t)run->memory | run->length,
				  alignment));
}

/* What the plan says of a run. */
MPIO__APART static enum mpio_cut ask_plan(const struct mpio__build *build,
					  const struct mpio__run *run,
					  uint32_t *take)
{
	const struct mpio_bio *bio = build->bio;
	const struct mpio_plan_limits *limits = &run->queue->limits;
	const uint32_t operation = build->op | (uint32_t)build->flags << 8;
	struct mpio_plan_io io = {.operation = operation};
	struct mpio_plan_run plan = {
		.queue = run->queue,
		.offset = run->offset,
		.operation = operation,
		.length = run->length,
		.memory = run->memory,
		.whole = run->whole,
		.same_segment = is_same_segment(build, run),
	};

	if (bio != NULL) {
		io.queue = bio->queue;
		io.end = bio->offset + bio->length;
		io.length = bio->length;
		io.pieces = bio->vec_count;
		io.segments = mpio__segment_count(bio);
		io.wasted = build->wasted;
		io.memory_end = build->memory_end;
		plan.may_gap = may_gap(build, run, io.end);
		if (bio->small)
			limits = &bio->queue->small_limits;
	}
	return mpio__plan(&io, &plan, limits, take);
}

/* Add the first bytes of a run, as many as the plan took. */
static void append(struct mpio__build *build, const struct mpio__run *run,
		   uint32_t take)
{
	struct mpio_bio *bio = build->bio;

	if (is_same_segment(build, run)) {
		bio->segments_end[-1].length += take;
	} else {
		*bio->segments_end++ = (struct mpio_segment){
			.page = run->page,
			.offset = run->page_offset,
			.length = take,
		};
		run->page->pending++;
	}
	if (run->memory == build->memory_end)
		bio->vecs[bio->vec_count - 1].length += take;
	else
		bio->vecs[bio->vec_count++] = (struct mpio_iovec){
			.base = run->memory,
			.length = take,
		};
	if (run->whole)
		bio->flags = (uint16_t)(bio->flags | MPIO_BIO_ATOMIC);
	if (take != run->page->size || run->page->blocks != NULL)
		bio->plain = false;
	bio->length += take;
	build->memory_end = run->memory + take;
	build->last_page = run->page;
	build->last_end = run->page_offset + take;
}

/* Let the open bio go on to where a run begins. */
MPIO__APART static void bridge(struct mpio__build *build,
			       const struct mpio__run *run)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_queue *queue = bio->queue;
	uint64_t end = bio->offset + bio->length;
	uint32_t length = (uint32_t)(run->offset - end);
	const struct mpio__run gap = {
		.page = &queue->scrap,
		.memory = queue->scrap.data,
	};

	queue->stats.cuts[MPIO_CUT_GAP]++;
	queue->stats.bytes_wasted += length;
	if (queue->event != NULL)
		mpio__event(queue, MPIO_EVENT_GAP, bio, (int)length);
	append(build, &gap, length);
	bio->gapped = true;
	build->wasted += length;
}

/*
 * How much of a full bio, which the next one continues, is to go there: of a
 * block of the device that both of them cut each would read all, and the next
 * write wait for this one. Bytes, all of the last segment; 0: nothing.
 */
static uint32_t left_over(const struct mpio_bio *bio)
{
	uint64_t end = bio->offset + bio->length;
	uint32_t n = (uint32_t)(end & (bio->queue->limits.block - 1));

	if ((bio->flags & MPIO_BIO_ATOMIC) || bio->vecs_max < 2 ||
	    n >= bio->segments_end[-1].length)
		return 0;
	return n;
}

/* Take the last n bytes of the open bio to the one that comes next. */
MPIO__APART static void carry(struct mpio__build *build, struct mpio_bio *next,
			      uint32_t n)
{
	struct mpio_bio *bio = build->bio;
	struct mpio_segment *last = bio->segments_end - 1;

	last->length -= n;
	bio->vecs[bio->vec_count - 1].length -= n;
	bio->length -= n;
	bio->plain = false;
	mpio__build_open(build, next, bio->offset + bio->length);
	*next->segments_end++ = (struct mpio_segment){
		.page = last->page,
		.offset = last->offset + last->length,
		.length = n,
	};
	last->page->pending++;
	next->vecs[next->vec_count++] = (struct mpio_iovec){
		.base = build->memory_end - n,
		.length = n,
	};
	next->length = n;
	next->plain = false;
}

/* Send the open bio, which is full. */
static inline void send_full(struct mpio__build *build, enum mpio_cut cut)
{
	struct mpio_bio *next = NULL;
	uint32_t n;

	if (build->unit >= build->bio->queue->limits.block) {
		mpio__build_send(build, cut);
		return;
	}
	n = left_over(build->bio);
	if (n != 0)
		next = mpio__bio_get_wait(build->bio->queue, false);
	if (next != NULL)
		carry(build, next, n);
	mpio__build_send(build, cut);
	build->bio = next;
	if (next != NULL) {
		build->memory_end =
			(unsigned char *)next->vecs->base + next->length;
		build->last_page = next->segments->page;
		build->last_end = next->segments->offset + next->length;
	}
}

/*
 * See to it that the open bio takes bytes of a run, `take` of them: send it
 * and open another if it must be. 0 or an error as of mpio__build_add().
 */
static int turn(struct mpio__build *build, const struct mpio__run *run,
		uint32_t *take)
{
	for (;;) {
		enum mpio_cut cut = ask_plan(build, run, take);

		if (build->bio == NULL && *take == 0)
			return -MPIO_EINVAL; /* fits in no bio */
		if (build->bio == NULL)
			return open_bio(build, run->queue, run->offset);
		if (*take != 0)
			return 0;
		if (cut > MPIO_CUT_SEGMENTS) {
			if (cut == MPIO_CUT_GAP)
				bridge(build, run);
			else
				send_full(build, cut);
		} else if (cut != MPIO_CUT_SEGMENTS) {
			mpio__build_send(build, cut);
		} else if (!enlarge(build)) {
			send_full(build, cut);
		}
	}
}

int mpio__build_add(struct mpio__build *build, struct mpio__run *run)
{
	while (run->length != 0) {
		uint32_t take;
		int error = turn(build, run, &take);

		if (error != 0)
			return error;
		append(build, run, take);
		run->offset += take;
		run->page_offset += take;
		run->memory += take;
		run->length -= take;
	}
	return 0;
}

bool mpio__row_begin(struct mpio__row *row, const struct mpio__walk *walk,
		     struct mpio_page *const *pages, size_t n,
		     const struct mpio__gather *how)
{
	const struct mpio_plan_limits *small = &walk->queue->small_limits;
	const struct mpio_page *first = pages[0];
	uint32_t size = first->size;
	uint64_t length = (uint64_t)n * size;
	/* One that would go behind the end of positions is no row. */
	uint64_t stop =
		length <= UINT64_MAX - first->pos ? first->pos + length : 0;
	uint64_t fit = mpio__min_u32(small->pieces_max, small->segments_max);

	*row = (struct mpio__row){
		.next = pages,
		.mapping = walk->mapping,
		.pos = first->pos,
		.stop = stop,
		.limit = mpio__min_u64(stop, walk->map.straight_end),
		.step = size,
		.fresh = mpio__min_u64(small->bytes_max, fit * size),
		.size = size,
		.flags = first->flags,
		.new_flags = (first->flags & ~how->clear) | how->set,
	};
	return (first->flags & how->mask) == how->state && size != 0 &&
	       (size & (walk->mapping->block_size - 1)) == 0 &&
	       size <= small->bytes_max;
}

const struct mpio_segment *mpio__row_end_long(const struct mpio_bio *bio,
					      mpio__page_end_fn *end,
					      uint32_t flags)
{
	const struct mpio_segment *segment = bio->segments;
	const struct mpio_segment *last = bio->segments_end - MPIO__PAGES_AHEAD;

	for (; segment < last; segment++) {
		__builtin_prefetch(segment[MPIO__PAGES_AHEAD].page, 1);
		mpio__row_end_page(segment->page, end, flags);
	}
	return segment;
}

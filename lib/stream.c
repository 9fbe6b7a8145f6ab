/* SPDX-License-Identifier: MIT */
/*
 * Stream: pages that an engine names, read ahead and handed over in order.
 *
 * What was taken and not handed over is a queue of pages, and three counters,
 * which only go up, cut it:
 *
 *         head                 held            tail
 *     ... | sent, or there     | held back     |
 *         ^ handed over next   ^ neighbours that wait for more of them
 *
 * Pages that follow each other, or lie no further apart than the queue reads
 * across, gather behind `held`. They are sent, as one run, when they are as
 * long as may be combined, when what was named next does not follow, or when
 * the consumer has come to them. How many are taken ahead
 * of the consumer at all is the distance. It begins at 0, so that a stream
 * whose pages are there anyway takes none before it is wanted.
 *
 * Built on the public functions of the core alone.
 */
#include "arith.h"

#include <mpio/error.h>
#include <mpio/read.h>
#include <mpio/stream.h>

#define COMBINE_BYTES (128u << 10)
#define LOOK_AHEAD 256u
#define RUNS 16u
#define PAGE_SIZE 4096u
#define COUNT_MAX (1u << 20)

struct mpio_stream {
	struct mpio_queue *queue;
	struct mpio_mapping *mapping;
	const struct mpio_stream_ops *ops;
	void *ctx;
	uint32_t combine_bytes;
	uint32_t distance_max; /* pages */
	uint32_t runs_max;
	uint64_t held_bytes; /* of the pages that are held back */

	/* Positions in the queue of pages, modulo 2^32. */
	uint32_t head;
	uint32_t held;
	uint32_t tail;
	uint32_t landed;          /* before it, no page is on its way */
	uint32_t mask;            /* of a position: its place in `pages` */
	struct mpio_page **pages; /* all that were taken */
	struct mpio_page **run;   /* room for a run in one piece */
	uint32_t run_pages;

	/* Where runs end that were sent, in the same order. */
	uint32_t *run_ends;
	uint32_t run_first;
	uint32_t run_count;

	uint64_t pos;   /* named, and not taken yet */
	bool has_pos;   /* there is such */
	bool has_ended; /* nothing more is named or taken */
	int error;      /* that it ended with, or 0 */

	struct mpio_stream_stats stats;
	struct mpio_allocator allocator; /* resize is NULL: memory was given */
	size_t memory_size;              /* bytes */
};

static struct mpio_page **place(const struct mpio_stream *stream, uint32_t at)
{
	return &stream->pages[at & stream->mask];
}

static bool is_on_its_way(const struct mpio_page *page)
{
	return (page->flags & MPIO_PAGE_LOCKED) != 0;
}

static void end(struct mpio_stream *stream, int error)
{
	stream->has_ended = true;
	stream->has_pos = false;
	stream->error = error;
}

/* ---- Sending ------------------------------------------------------------- */

/* Pages that will not be handed over; none of them is on its way. */
static void give_back(struct mpio_stream *stream, uint32_t from, uint32_t to)
{
	for (; from != to; from++) {
		struct mpio_page *page = *place(stream, from);

		page->flags &= ~MPIO_PAGE_LOCKED;
		stream->stats.released++;
		if (stream->ops->release != NULL)
			stream->ops->release(stream->ctx, page);
	}
}

/* Those that are held back were never sent. */
static void drop_held(struct mpio_stream *stream)
{
	give_back(stream, stream->held, stream->tail);
	stream->tail = stream->held;
	stream->held_bytes = 0;
}

/* 0 when a page is not on its way any more, or a negative errno. */
static int wait_for(struct mpio_stream *stream, const struct mpio_page *page)
{
	int result = 1;

	while (is_on_its_way(page) && result > 0)
		result = mpio_queue_wait(stream->queue);
	if (!is_on_its_way(page))
		return 0;
	return result < 0 ? result : -MPIO_EDEADLK;
}

/* Whether a place comes before another; they are counted modulo 2^32. */
static bool is_before(uint32_t place, uint32_t other)
{
	return (int32_t)(uint32_t)mpio__sub_modulo(place, other) < 0;
}

/* How many runs are on their way, as far as that is seen in order. */
static uint32_t count_runs(struct mpio_stream *stream)
{
	if (is_before(stream->landed, stream->head))
		stream->landed = stream->head;
	while (stream->run_count != 0) {
		uint32_t run_end = stream->run_ends[stream->run_first];

		while (is_before(stream->landed, run_end) &&
		       !is_on_its_way(*place(stream, stream->landed)))
			stream->landed++;
		if (is_before(stream->landed, run_end))
			break;
		stream->run_first =
			(stream->run_first + 1) % (stream->runs_max + 1);
		stream->run_count--;
	}
	return stream->run_count;
}

/* There may be one too many; more than that count with the newest. */
static void note_run(struct mpio_stream *stream)
{
	uint32_t last;

	stream->stats.runs++;
	if (count_runs(stream) <= stream->runs_max)
		stream->run_count++;
	last = stream->run_first + stream->run_count - 1;
	stream->run_ends[last % (stream->runs_max + 1)] = stream->held;
}

/*
 * Send the run that is held back, or, if bios run out and nobody waits for it,
 * the first pages of it. False: a page of it is unfit, and the stream ends
 * before that.
 */
static bool send(struct mpio_stream *stream, uint32_t flags)
{
	uint32_t n = stream->tail - stream->held;
	int sent;

	for (uint32_t i = 0; i < n; i++)
		stream->run[i] = *place(stream, stream->held + i);
	sent = mpio_readahead(stream->queue, stream->mapping, stream->run, n,
			      flags);
	if (sent > 0) {
		stream->held += (uint32_t)sent;
		note_run(stream);
	}
	for (int i = 0; i < sent; i++)
		stream->held_bytes -= stream->run[i]->size;
	if (sent >= 0 && (flags == MPIO_READ_AHEAD || (uint32_t)sent == n))
		return true;
	end(stream, -MPIO_EINVAL);
	drop_held(stream);
	return false;
}

/* ---- Taking -------------------------------------------------------------- */

/* See to it that a position is named, if there is one. */
static bool ask(struct mpio_stream *stream)
{
	int result;

	if (stream->has_pos || stream->has_ended)
		return stream->has_pos;
	result = stream->ops->next(stream->ctx, &stream->pos);
	if (result > 0)
		stream->has_pos = true;
	else
		end(stream, result);
	return stream->has_pos;
}

/* Whether a page can be what it is said to be. */
static bool is_fit(const struct mpio_stream *stream,
		   const struct mpio_page *page, int found)
{
	return page != NULL && found <= MPIO_STREAM_BUSY &&
	       page->mapping == stream->mapping && page->pos == stream->pos &&
	       is_on_its_way(page) == (found != MPIO_STREAM_HIT);
}

/*
 * A page is there, or on its way by somebody else: what is held back before it
 * can't grow any more.
 */
static void pass_by(struct mpio_stream *stream, struct mpio_page *page,
		    int found)
{
	if (stream->held != stream->tail && !send(stream, MPIO_READ_SYNC)) {
		*place(stream, stream->tail) = page;
		if (wait_for(stream, page) == 0)
			give_back(stream, stream->tail, stream->tail + 1);
		return; /* or it stays whose read it is */
	}
	*place(stream, stream->tail++) = page;
	stream->held = stream->tail;
	if (found == MPIO_STREAM_HIT) {
		stream->stats.hits++;
		if (stream->stats.distance != 0)
			stream->stats.distance--;
	}
}

/* Take the page that was named. False: there is none to be had. */
static bool take(struct mpio_stream *stream)
{
	struct mpio_page *page = NULL;
	int found = stream->ops->take(stream->ctx, stream->pos, &page);

	if (found <= MPIO_STREAM_NO_FRAME) {
		if (found < 0)
			end(stream, found);
		return false;
	}
	if (!is_fit(stream, page, found)) {
		end(stream, -MPIO_EINVAL);
		return false;
	}
	stream->has_pos = false;
	if (found == MPIO_STREAM_READ) {
		*place(stream, stream->tail++) = page;
		stream->held_bytes += page->size;
	} else {
		pass_by(stream, page, found);
	}
	return true;
}

/*
 * Whether the page that was named can join the run that is held back: it
 * follows the last one, or the queue would read across what lies between.
 */
static bool continues(const struct mpio_stream *stream)
{
	const struct mpio_plan_limits *limits;
	const struct mpio_page *last;
	uint64_t gap, span, wasted;

	if (stream->held == stream->tail)
		return true;
	last = *place(stream, stream->tail - 1);
	if (stream->pos <= last->pos || stream->pos - last->pos < last->size)
		return false;
	gap = stream->pos - last->pos - last->size;
	if (gap == 0)
		return true;
	limits = mpio_queue_limits(stream->queue);
	span = stream->pos - (*place(stream, stream->held))->pos + last->size;
	wasted = span - last->size - stream->held_bytes;
	return gap <= limits->gap_max && span <= limits->gap_io_max &&
	       span <= stream->combine_bytes &&
	       wasted * 100 <= limits->gap_percent * span;
}

/*
 * Whether another page of the last one's size is too much for the run. What
 * lies between its pages counts, too: it may be read.
 */
static bool is_full(const struct mpio_stream *stream)
{
	const struct mpio_page *last;
	uint64_t end;

	if (stream->held == stream->tail)
		return false;
	last = *place(stream, stream->tail - 1);
	end = last->pos + 2 * (uint64_t)last->size;
	return stream->tail - stream->held >= stream->run_pages ||
	       end - (*place(stream, stream->held))->pos >
		       stream->combine_bytes;
}

/* Send what is held back, if it may go now; whether some of it has. */
static bool let_go(struct mpio_stream *stream, bool wanted)
{
	uint32_t held = stream->held;

	if (stream->held == stream->tail ||
	    (!wanted && count_runs(stream) >= stream->runs_max))
		return false;
	return send(stream, wanted ? MPIO_READ_SYNC : MPIO_READ_AHEAD) &&
	       stream->held != held;
}

/*
 * Take pages as far ahead as the distance goes, and send those that need not be
 * held back. If the consumer waits, what is held back is wanted: it grows as
 * long as it can, and is sent in any case. There is always room for a page:
 * what is wanted is no more than a run, all else no more than the distance.
 */
static void look_ahead(struct mpio_stream *stream, bool is_waited_for)
{
	for (;;) {
		bool wanted = is_waited_for && stream->held == stream->head;
		uint32_t ahead = stream->tail - stream->head;
		bool more = wanted || (ahead < stream->stats.distance &&
				       count_runs(stream) <= stream->runs_max);

		if (more && ask(stream) && continues(stream) &&
		    !is_full(stream)) {
			if (take(stream))
				continue;
			more = wanted; /* no frame: perhaps it grows later */
		}
		if (!(more || is_full(stream)) || !let_go(stream, wanted))
			return;
	}
}

/* ---- Handing over -------------------------------------------------------- */

/* The device was slower than the consumer: look further ahead. */
static void grow(struct mpio_stream *stream)
{
	struct mpio_stream_stats *stats = &stream->stats;

	stats->waits++;
	stats->distance = stats->distance == 0 ? 1 : 2 * stats->distance;
	stats->distance = mpio__min_u32(stats->distance, stream->distance_max);
	stats->distance_peak =
		mpio__max_u32(stats->distance_peak, stats->distance);
}

/* Wait for a page that is wanted now. */
static int wait_for_head(struct mpio_stream *stream,
			 const struct mpio_page *page)
{
	int error;

	if (is_on_its_way(page))
		(void)mpio_queue_poll(stream->queue);
	if (!is_on_its_way(page))
		return 0;
	error = wait_for(stream, page);
	if (error == 0)
		grow(stream);
	return error;
}

int mpio_stream_next(struct mpio_stream *stream, struct mpio_page **page)
{
	struct mpio_page *head;
	int error;

	look_ahead(stream, true);
	if (stream->head == stream->tail) {
		if (!stream->has_ended)
			return -MPIO_ENOMEM;
		return stream->error;
	}
	head = *place(stream, stream->head);
	error = wait_for_head(stream, head);
	if (error != 0)
		return error;
	stream->head++;
	(void)count_runs(stream); /* often enough for counters that wrap */
	stream->stats.pages++;
	look_ahead(stream, false); /* while the consumer is at work */
	*page = head;
	return 1;
}

int mpio_stream_send(struct mpio_stream *stream)
{
	if (stream->held == stream->tail || send(stream, MPIO_READ_SYNC))
		return 0;
	return stream->error;
}

/* ---- Opening and closing ------------------------------------------------- */

/* How large all parts of a stream are. */
struct shape {
	uint32_t combine_bytes;
	uint32_t run_pages;
	uint32_t distance_max;
	uint32_t runs_max;
	uint32_t places; /* power of two */
	size_t size;     /* bytes of memory */
};

static bool shape_of(const struct mpio_stream_config *config,
		     struct shape *shape)
{
	uint32_t page_size = mpio__or_default(config->page_size, PAGE_SIZE);
	uint32_t look_ahead;
	uint32_t wanted;

	shape->combine_bytes =
		mpio__or_default(config->combine_bytes, COMBINE_BYTES);
	shape->run_pages = mpio__max_u32(shape->combine_bytes / page_size, 1);
	shape->runs_max = mpio__or_default(config->runs_max, RUNS);
	if (shape->run_pages > COUNT_MAX ||
	    config->look_ahead_max > COUNT_MAX || shape->runs_max > COUNT_MAX)
		return false;
	/* While one run is read, another must be able to gather. */
	look_ahead = mpio__min_u32(
		mpio__max_u32(LOOK_AHEAD, 4 * shape->run_pages), COUNT_MAX);
	shape->distance_max =
		mpio__or_default(config->look_ahead_max, look_ahead);
	shape->run_pages = mpio__min_u32(
		shape->run_pages, mpio__max_u32(shape->distance_max / 2, 1));
	wanted = shape->run_pages + shape->distance_max;
	shape->places = 1;
	while (shape->places < wanted)
		shape->places *= 2;
	shape->size = sizeof(struct mpio_stream) +
		      ((size_t)shape->places + shape->run_pages) *
			      sizeof(struct mpio_page *) +
		      ((size_t)shape->runs_max + 1) * sizeof(uint32_t);
	return true;
}

size_t mpio_stream_size(const struct mpio_stream_config *config)
{
	static const struct mpio_stream_config none = {0};
	struct shape shape;

	return shape_of(config != NULL ? config : &none, &shape) ? shape.size
								 : 0;
}

static void set_up(struct mpio_stream *stream, const struct shape *shape,
		   const struct mpio_stream_config *config)
{
	struct mpio_page **pages = (struct mpio_page **)(stream + 1);

	*stream = (struct mpio_stream){
		.ops = config->ops,
		.ctx = config->ctx,
		.combine_bytes = shape->combine_bytes,
		.distance_max = shape->distance_max,
		.runs_max = shape->runs_max,
		.mask = shape->places - 1,
		.pages = pages,
		.run = pages + shape->places,
		.run_pages = shape->run_pages,
		.run_ends =
			(uint32_t *)(pages + shape->places + shape->run_pages),
		.memory_size = shape->size,
	};
}

int mpio_stream_open(struct mpio_queue *queue, struct mpio_mapping *mapping,
		     const struct mpio_stream_config *config,
		     struct mpio_stream **stream)
{
	const struct mpio_allocator *allocator;
	struct mpio_stream *made;
	struct shape shape;
	void *memory;

	if (config == NULL || config->ops == NULL ||
	    config->ops->next == NULL || config->ops->take == NULL ||
	    !shape_of(config, &shape))
		return -MPIO_EINVAL;
	allocator = config->allocator;
	memory = config->memory;
	if ((memory == NULL && allocator == NULL) ||
	    (uintptr_t)memory % _Alignof(struct mpio_stream) != 0)
		return -MPIO_EINVAL;
	if (memory != NULL && config->memory_size < shape.size)
		return -MPIO_ENOMEM;
	if (memory == NULL)
		memory = allocator->resize(allocator->ctx, NULL, 0, shape.size);
	if (memory == NULL)
		return -MPIO_ENOMEM;
	made = memory;
	set_up(made, &shape, config);
	made->queue = queue;
	made->mapping = mapping;
	made->combine_bytes = mpio__min_u32(
		made->combine_bytes, mpio_queue_limits(queue)->bytes_max);
	if (config->memory == NULL)
		made->allocator = *allocator;
	*stream = made;
	return 0;
}

int mpio_stream_reset(struct mpio_stream *stream)
{
	drop_held(stream);
	while (stream->head != stream->tail) {
		int error = wait_for(stream, *place(stream, stream->head));

		if (error != 0)
			return error;
		give_back(stream, stream->head, stream->head + 1);
		stream->head++;
	}
	(void)count_runs(stream);
	stream->has_ended = false;
	stream->has_pos = false;
	stream->error = 0;
	return 0;
}

/* The device fails: all but the pages that are still on their way. */
static void give_back_landed(struct mpio_stream *stream)
{
	for (; stream->head != stream->tail; stream->head++) {
		if (!is_on_its_way(*place(stream, stream->head)))
			give_back(stream, stream->head, stream->head + 1);
	}
}

void mpio_stream_close(struct mpio_stream *stream)
{
	struct mpio_allocator allocator;

	if (stream == NULL)
		return;
	if (mpio_stream_reset(stream) != 0)
		give_back_landed(stream);
	allocator = stream->allocator;
	if (allocator.resize != NULL)
		(void)allocator.resize(allocator.ctx, stream,
				       stream->memory_size, 0);
}

const struct mpio_stream_stats *
mpio_stream_stats(const struct mpio_stream *stream)
{
	return &stream->stats;
}

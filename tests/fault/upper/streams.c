/* SPDX-License-Identifier: MIT */
/*
 * A stream over a file: an engine with a few frames of its own names pages in
 * some order, looks at each that it is handed, and gives the frame back. Each
 * page is read once for each time that it is handed over, released once, and
 * none is left locked.
 */
#include "upper.h"

#include "../inject.h"

#include <mpio/stream.h>

#include <string.h>

#define FRAMES 20u
#define HELD 5u
#define TRIES 100u

struct stream_frame {
	struct mpio_page page;
	bool used;       /* by the stream, or by the consumer */
	bool is_reading; /* between take and read_end */
};

struct reader {
	struct mpio_mapping mapping; /* first */
	struct stack *stack;
	struct file *file;
	const struct step *step;
	struct mpio_stream *stream;
	uint32_t named; /* so many pages were */
	uint32_t handed;
	bool missed; /* a page came with an error */
	struct stream_frame frames[FRAMES];
	struct mpio_page *held[HELD];
	unsigned char memory[FRAMES][PAGE];
};

static struct reader reader;

/* ---- The order ---------------------------------------------------------- */

static uint32_t pages_of_file(void)
{
	return (uint32_t)((reader.file->size + PAGE - 1) / PAGE);
}

static uint64_t nth(uint32_t n)
{
	uint32_t pages = pages_of_file();

	switch (reader.step->how & ~(STREAM_RESET | STREAM_HOLD)) {
	case BACKWARD:
		return (uint64_t)(pages - 1 - n % pages) * PAGE;
	case SCATTERED:
		return (uint64_t)(n * 11 % pages) * PAGE;
	case PAIRS:
		return (uint64_t)((n / 2 * 6 + n % 2) % pages) * PAGE;
	case TWICE:
		return (uint64_t)(n / 2 % pages) * PAGE;
	default:
		return (uint64_t)(n % pages) * PAGE;
	}
}

/* ---- The engine --------------------------------------------------------- */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	check(flags == 0);
	return file_map(reader.file, block, flags, extent);
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct stream_frame *frame = (struct stream_frame *)page;

	check(mapping == &reader.mapping);
	check(frame->is_reading && !(page->flags & MPIO_PAGE_LOCKED));
	check((status == 0) == ((page->flags & MPIO_PAGE_UPTODATE) != 0));
	frame->is_reading = false;
}

static const struct mpio_mapping_ops ops = {
	.get_block = get_block,
	.read_end = read_end,
};

static int next(void *ctx, uint64_t *pos)
{
	(void)ctx;
	if (reader.named == reader.step->length)
		return 0;
	*pos = nth(reader.named++);
	return 1;
}

static int take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	uint32_t i = 0;

	(void)ctx;
	while (i < FRAMES && reader.frames[i].used)
		i++;
	if (i == FRAMES)
		return MPIO_STREAM_NO_FRAME;
	*page = &reader.frames[i].page;
	reader.frames[i].used = true;
	/* What nobody used since may still be there. */
	if ((*page)->mapping != NULL && (*page)->pos == pos &&
	    ((*page)->flags & MPIO_PAGE_UPTODATE))
		return MPIO_STREAM_HIT;
	mpio_page_init(*page, &reader.mapping, pos, reader.memory[i], PAGE);
	(*page)->flags = MPIO_PAGE_LOCKED;
	reader.frames[i].is_reading = true;
	return MPIO_STREAM_READ;
}

static void give_back(struct mpio_page *page)
{
	struct stream_frame *frame = (struct stream_frame *)page;

	check(frame->used);
	check(!(page->flags & MPIO_PAGE_LOCKED));
	frame->used = false;
}

/* It was perhaps never sent: then it is as it was. */
static void release(void *ctx, struct mpio_page *page)
{
	(void)ctx;
	((struct stream_frame *)page)->is_reading = false;
	give_back(page);
}

static const struct mpio_stream_ops stream_ops = {
	.next = next,
	.take = take,
	.release = release,
};

/* ---- The consumer ------------------------------------------------------- */

static void look_at(struct mpio_page *page, uint64_t before)
{
	uint64_t left = reader.file->size - page->pos;

	check(page->pos == nth(reader.handed));
	check(!(page->flags & MPIO_PAGE_LOCKED));
	check(!((struct stream_frame *)page)->is_reading);
	reader.handed++;
	if (page->flags & MPIO_PAGE_UPTODATE) {
		check(memcmp(page->data, reader.file->model + page->pos,
			     left < PAGE ? (size_t)left : PAGE) == 0);
	} else {
		check((page->flags & MPIO_PAGE_ERROR) && page->error != 0);
		allow(reader.stack, before, -MPIO_EIO);
		reader.missed = true;
	}
}

/* Some are kept for a while, or none. */
static void keep(struct mpio_page *page)
{
	uint32_t place = reader.handed % HELD;

	if (reader.step->how & STREAM_HOLD) {
		struct mpio_page *old = reader.held[place];

		reader.held[place] = page;
		page = old;
	}
	if (page != NULL)
		give_back(page);
}

/* Up to so many pages. */
static void consume(uint32_t count, uint64_t before)
{
	uint32_t tries = TRIES;

	while (reader.handed < count) {
		struct mpio_page *page;
		int result = mpio_stream_next(reader.stream, &page);

		if (result > 0) {
			look_at(page, before);
			keep(page);
			continue;
		}
		/* A device that cannot be waited for may be asked again. */
		check(result < 0 && --tries != 0);
		allow(reader.stack, before, result);
	}
}

static void reset(uint64_t before)
{
	int error = mpio_stream_reset(reader.stream);

	for (uint32_t i = 0; i < TRIES && error != 0; i++) {
		allow(reader.stack, before, error);
		error = mpio_stream_reset(reader.stream);
	}
	check(error == 0);
	reader.named = 0;
	reader.handed = 0;
}

static void put_held(void)
{
	for (uint32_t i = 0; i < HELD; i++) {
		if (reader.held[i] != NULL)
			give_back(reader.held[i]);
		reader.held[i] = NULL;
	}
}

static void set_up(struct stack *stack, const struct step *step)
{
	memset(&reader, 0, sizeof(reader));
	reader.stack = stack;
	reader.file = &stack->files[0];
	reader.step = step;
	reader.mapping = (struct mpio_mapping){
		.ops = &ops,
		.size = reader.file->size,
		.block_size = BLOCK,
	};
}

/* `length` pages are named, and all but the last `pos` are asked for. */
void stream_do(struct stack *stack, const struct step *step)
{
	struct mpio_stream_config config = {
		.ops = &stream_ops,
		.combine_bytes = 4 * PAGE,
		.look_ahead_max = 12,
		.runs_max = 3,
		.page_size = PAGE,
		.allocator = &stack->allocator,
	};
	uint64_t before = stack_faults(stack);
	int error;

	set_up(stack, step);
	error = mpio_stream_open(stack->queue, &reader.mapping, &config,
				 &reader.stream);
	allow(stack, before, error);
	if (error != 0)
		return;
	if (step->how & STREAM_RESET) {
		consume(step->length / 2, before);
		reset(before);
		consume(step->length, before); /* to the end */
		reset(before);
	}
	consume(step->length - step->pos, before);
	put_held();
	mpio_stream_close(reader.stream);
	/* What close could not wait for is the engine's, when it has ended. */
	for (uint32_t i = 0; i < FRAMES; i++)
		check(!reader.frames[i].used ||
		      ((reader.frames[i].page.flags & MPIO_PAGE_LOCKED) &&
		       stack_faults(stack) != before));
	stack_settle(stack);
	for (uint32_t i = 0; i < FRAMES; i++) {
		check(!(reader.frames[i].page.flags & MPIO_PAGE_LOCKED));
		check(!reader.frames[i].is_reading);
	}
}

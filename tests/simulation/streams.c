/* SPDX-License-Identifier: MIT */
/*
 * A stream over pages of the engine's own: handed over in the order in which
 * they were named, and each of them given back.
 */
#include "pages.h"

#include <string.h>

static struct {
	struct mpio_stream *stream; /* NULL: there is none */
	uint32_t named;
	uint32_t expected; /* of them, handed over */
	uint32_t order[PAGES];
	uint32_t order_count;
} all;

void streams_begin(void)
{
	memset(&all, 0, sizeof(all));
}

static int stream_next(void *ctx, uint64_t *pos)
{
	(void)ctx;
	if (all.named == all.order_count)
		return 0;
	*pos = own.pages[all.order[all.named++]].page.pos;
	return 1;
}

static struct own_page *page_at(uint64_t pos)
{
	for (uint32_t i = 0; i < own.page_count; i++) {
		if (own.pages[i].page.pos == pos)
			return &own.pages[i];
	}
	return NULL;
}

static int stream_take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	struct own_page *p = page_at(pos);
	int found = MPIO_STREAM_HIT;

	(void)ctx;
	CHECK(p != NULL);
	if (chance(8))
		return MPIO_STREAM_NO_FRAME;
	*page = &p->page;
	if (p->page.flags & MPIO_PAGE_LOCKED)
		found = MPIO_STREAM_BUSY;
	else if (pages_can_be_read(p))
		found = MPIO_STREAM_READ;
	if (found == MPIO_STREAM_READ)
		pages_lock(p);
	p->held++;
	sim_say("stream takes page at %llu: %d", (unsigned long long)pos,
		found);
	return found;
}

static void stream_release(void *ctx, struct mpio_page *page)
{
	(void)ctx;
	CHECK(!(page->flags & MPIO_PAGE_LOCKED));
	CHECK(page_of(page)->held-- != 0);
	/* It may have been held back, and never read. */
	page_of(page)->reading = false;
}

static const struct mpio_stream_ops stream_ops = {
	.next = stream_next,
	.take = stream_take,
	.release = stream_release,
};

static void choose_order(void)
{
	all.order_count = 1 + below(own.page_count);
	all.named = 0;
	all.expected = 0;
	for (uint32_t i = 0; i < all.order_count; i++) {
		all.order[i] = i != 0 ? (all.order[i - 1] + 1) % own.page_count
				      : below(own.page_count);
		if (chance(20))
			all.order[i] = below(own.page_count);
	}
}

static void open_stream(void)
{
	struct mpio_stream_config config = {
		.ops = &stream_ops,
		.combine_bytes = world.block * (1 + below(12)),
		.look_ahead_max = 1 + below(16),
		.runs_max = 1 + below(4),
		.page_size = world.block,
		.allocator = &sim_allocator,
	};
	int error;

	choose_order();
	error = mpio_stream_open(world.volumes[0].queue, &own.mapping, &config,
				 &all.stream);
	if (error == 0)
		return;
	CHECK(error == -MPIO_ENOMEM);
	sim_allow(error);
	all.stream = NULL;
}

void streams_end(void)
{
	mpio_stream_close(all.stream);
	all.stream = NULL;
}

/* Whoever goes on must first be rid of what does not end. */
static void reset_stream(void)
{
	int error = mpio_stream_reset(all.stream);

	if (error != 0) {
		sim_allow(error);
		CHECK(world_unstick(error));
		CHECK(mpio_stream_reset(all.stream) == 0);
	}
	choose_order();
}

void streams_use(void)
{
	struct mpio_page *page = NULL;
	int result;

	if (all.stream == NULL) {
		open_stream();
		return;
	}
	if (chance(5)) {
		reset_stream();
		return;
	}
	result = mpio_stream_next(all.stream, &page);
	sim_say("next of the stream: %d", result);
	if (result == 1) {
		CHECK(all.expected < all.named);
		CHECK(page == &own.pages[all.order[all.expected++]].page);
		CHECK(!(page->flags & MPIO_PAGE_LOCKED));
		CHECK(page_of(page)->held-- != 0);
		if (page->flags & MPIO_PAGE_UPTODATE)
			pages_check(page);
	} else if (result == 0) {
		CHECK(all.expected == all.order_count);
		streams_end();
	} else if (result != -MPIO_ENOMEM && result != -MPIO_EDEADLK) {
		sim_allow(result);
	}
	world_unstick(result);
}

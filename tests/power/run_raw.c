/* SPDX-License-Identifier: MIT */
/*
 * I/Os filled by hand, several in flight: writes, FUA, PREFLUSH, discards and
 * flushes. Those of whole sectors that overlap are not in flight together, for
 * nobody says which comes first; of those that cut sectors the library does.
 */
#include "world.h"

#include <stdlib.h>

#define IOS 6u
#define IO_MAX 8192u
#define CELLS_MAX (IO_MAX / CELL + 2)

struct raw;

struct io {
	struct raw *raw;
	bool busy;
	bool fua;
	uint8_t op;
	uint64_t offset; /* bytes */
	uint32_t length; /* bytes */
	uint64_t first;  /* bytes; where its first cell begins */
	uint32_t cells;
	uint32_t marks[CELLS_MAX]; /* versions of each, with this one */
	uint32_t *before;          /* of all cells; NULL: it is no PREFLUSH */
	unsigned char bytes[IO_MAX];
};

struct raw {
	struct world *world;
	struct io ios[IOS];
	uint32_t *marks; /* of all cells, when the flush was submitted */
	bool flushing;
};

/* ---- Ends --------------------------------------------------------------- */

static uint32_t *mark_all(const struct oracle *oracle)
{
	uint32_t *marks = calloc(oracle->count, sizeof(marks[0]));

	assert_non_null(marks);
	for (uint64_t i = 0; i < oracle->count; i++)
		marks[i] = oracle_mark(oracle, i * CELL);
	return marks;
}

/* All that was submitted before a flush had ended when it began. */
static void note_flush(struct world *world, bool good, uint32_t *marks)
{
	for (uint64_t i = 0; i < world->oracle.count; i++) {
		if (good)
			oracle_promise_to(&world->oracle, i * CELL, marks[i]);
		else if (!world->off && world->as.lie != LIE_AGAIN)
			oracle_doubt_to(&world->oracle, i * CELL, marks[i]);
	}
	world->promises += good;
	free(marks);
}

static void end_io(struct mpio_bio *bio)
{
	struct io *io = bio->ctx;
	struct world *world = io->raw->world;
	bool good = succeeded(world, bio->status, "a bio");

	if (io->before != NULL)
		note_flush(world, good, io->before);
	for (uint32_t i = 0; i < io->cells; i++) {
		uint64_t at = io->first + (uint64_t)i * CELL;

		if (good && io->fua)
			oracle_promise_to(&world->oracle, at, io->marks[i]);
		else if (!good && !world->off)
			oracle_doubt_to(&world->oracle, at, io->marks[i]);
	}
	world->promises += good && io->fua;
	io->busy = false;
	mpio_bio_put(bio);
}

static void end_flush(struct mpio_bio *bio)
{
	struct raw *raw = bio->ctx;

	note_flush(raw->world, succeeded(raw->world, bio->status, "a flush"),
		   raw->marks);
	raw->flushing = false;
	mpio_bio_put(bio);
}

/* ---- Submits ------------------------------------------------------------ */

/* Whether two have a sector in common. */
static bool overlap(const struct world *world, const struct io *a,
		    const struct io *b)
{
	uint64_t mask = ~(uint64_t)(world->as.sector - 1);
	uint64_t a_end = (a->offset + a->length - 1) | ~mask;
	uint64_t b_end = (b->offset + b->length - 1) | ~mask;

	return (a->offset & mask) <= b_end && (b->offset & mask) <= a_end;
}

static bool cuts_sectors(const struct world *world, const struct io *io)
{
	return ((io->offset | io->length) & (world->as.sector - 1)) != 0;
}

/* Wait for those that might come before or after this one. */
static void wait_for_others(struct raw *raw, const struct io *io)
{
	struct world *world = raw->world;

	if (cuts_sectors(world, io))
		return;
	for (uint32_t i = 0; i < IOS; i++) {
		struct io *other = &raw->ios[i];

		while (other != io && other->busy &&
		       !cuts_sectors(world, other) &&
		       overlap(world, io, other) &&
		       mpio_queue_wait(world->queue) > 0)
			;
	}
}

/* What its cells will hold, and how many versions of them there are then. */
static void tell_oracle(struct io *io)
{
	struct oracle *oracle = &io->raw->world->oracle;

	io->first = io->offset / CELL * CELL;
	io->cells =
		(uint32_t)((io->offset + io->length - io->first + CELL - 1) /
			   CELL);
	for (uint32_t i = 0; i < io->cells; i++) {
		uint64_t at = io->first + (uint64_t)i * CELL;
		uint64_t start = at > io->offset ? at : io->offset;
		uint64_t end = at + CELL;
		unsigned char cell[CELL];

		if (end > io->offset + io->length)
			end = io->offset + io->length;
		memcpy(cell, oracle_newest(oracle, at), CELL);
		memcpy(cell + (start - at), io->bytes + (start - io->offset),
		       (size_t)(end - start));
		oracle_put(oracle, at, cell, CELL);
		io->marks[i] = oracle_mark(oracle, at);
	}
}

static struct io *free_io(struct raw *raw)
{
	do {
		for (uint32_t i = 0; i < IOS; i++) {
			if (!raw->ios[i].busy)
				return &raw->ios[i];
		}
	} while (mpio_queue_wait(raw->world->queue) > 0);
	return NULL;
}

static void draw_place(struct world *world, struct io *io)
{
	uint32_t sector = world->as.sector;
	uint32_t size = (uint32_t)world->size;

	io->offset = draw(world, size - IO_MAX);
	io->length = 1 + draw(world, draw(world, 4) != 0 ? 3072 : IO_MAX - 1);
	if ((world->as.does & DO_PARTS) != 0 && draw(world, 4) != 0 &&
	    io->op == MPIO_BIO_WRITE) {
		/* Often where another one is. */
		if (draw(world, 2) == 0)
			io->offset %= 8192;
		return;
	}
	io->offset -= io->offset % sector;
	io->length = (io->length + sector - 1) / sector * sector;
}

static void submit(struct raw *raw)
{
	struct world *world = raw->world;
	uint32_t kinds = world->as.does & (DO_FUA | DO_PREFLUSH | DO_DISCARD);
	uint32_t kind = draw(world, 3) == 0 ? draw_flag(world, kinds) : 0;
	uint32_t flags = (kind == DO_FUA ? MPIO_BIO_FUA : 0) |
			 (kind == DO_PREFLUSH ? MPIO_BIO_PREFLUSH : 0);
	struct io *io = free_io(raw);
	struct mpio_bio *bio;

	if (io == NULL)
		return;
	io->raw = raw;
	io->op = kind == DO_DISCARD ? MPIO_BIO_DISCARD : MPIO_BIO_WRITE;
	io->fua = kind == DO_FUA;
	draw_place(world, io);
	if (kind == DO_DISCARD)
		memset(io->bytes, 0, io->length);
	else
		draw_bytes(world, io->bytes, io->length);
	wait_for_others(raw, io);
	if (world->as.lie == LIE_FLAGS)
		flags = 0;
	bio = mpio_bio_get(world->queue, io->op, flags);
	assert_non_null(bio);
	bio->offset = io->offset;
	bio->end_io = end_io;
	bio->ctx = io;
	if (kind == DO_DISCARD)
		bio->length = io->length;
	else
		assert_int_equal(mpio_bio_add(bio, io->bytes, io->length), 0);
	io->before = NULL;
	if (kind == DO_PREFLUSH) {
		io->before = mark_all(&world->oracle);
		oracle_order(&world->oracle, io->offset, io->length);
	}
	tell_oracle(io);
	io->busy = true;
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void flush(struct raw *raw)
{
	struct world *world = raw->world;
	struct mpio_bio *bio;

	while (raw->flushing && mpio_queue_wait(world->queue) > 0)
		;
	bio = mpio_bio_get(world->queue, MPIO_BIO_FLUSH, 0);
	assert_non_null(bio);
	bio->end_io = end_flush;
	bio->ctx = raw;
	raw->marks = mark_all(&world->oracle);
	raw->flushing = true;
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* ---- The scenario ------------------------------------------------------- */

void run_raw(struct world *world)
{
	struct raw *raw = calloc(1, sizeof(*raw));

	raw->world = world;
	oracle_map(&world->oracle, 0, world->size);
	for (uint32_t i = 0; i < world->as.steps && has_power(world); i++) {
		submit(raw);
		if (draw(world, 4) == 0)
			mpio_queue_poll(world->queue);
		if (is_due(world))
			flush(raw);
	}
	(void)mpio_queue_drain(world->queue);
	free(raw);
}

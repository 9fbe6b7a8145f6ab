/* SPDX-License-Identifier: MIT */
/*
 * One I/O of the simulated disk: its bytes are moved, all of them to where they
 * belong, or as the rules that fired for it want.
 */
#include "put.h"
#include "sim_private.h"

#include <mpio/error.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);

/* Bytes of an I/O that are moved in one go. */
struct run {
	uint32_t at; /* bytes, in the bio */
	uint32_t length;
};

static bool has(const struct sim_request *request, uint32_t action)
{
	return (request->verdict.actions & action) != 0;
}

static uint32_t below(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The next run behind `run->at` + `run->length`; false: there is none. */
static bool next_run(const struct mpio_sim *sim,
		     const struct sim_request *request, uint32_t end,
		     struct run *run)
{
	uint32_t sector = mpio__sim_sector(sim);
	uint32_t at = run->at + run->length;

	if (!has(request, MPIO_FAULT_TORN)) {
		*run = (struct run){at, end - at};
		return at < end;
	}
	while (at < end &&
	       !mpio__fault_has_sector(&request->verdict, at / sector))
		at += below(sector, end - at);
	*run = (struct run){at, 0};
	while (at < end &&
	       mpio__fault_has_sector(&request->verdict, at / sector))
		at += below(sector, end - at);
	run->length = at - run->at;
	return run->length != 0;
}

/* From an image to the bio's memory, or, if there is none, from there. */
static void move(const struct mpio_bio *bio, struct run run,
		 const struct sim_image *from, uint64_t offset,
		 unsigned char *to)
{
	uint32_t skip = run.at;

	for (uint32_t i = 0; run.length != 0; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		unsigned char *base = vec->base;
		uint32_t n;

		if (skip >= vec->length) {
			skip -= (uint32_t)vec->length;
			continue;
		}
		n = below((uint32_t)vec->length - skip, run.length);
		if (from != NULL)
			mpio__sim_image_read(from, offset, base + skip, n);
		else
			memcpy(to, base + skip, n);
		offset += n;
		to = to != NULL ? to + n : NULL;
		run.length -= n;
		skip = 0;
	}
}

/* Where it goes; a misdirected one stays on the disk. */
static uint64_t target(const struct mpio_sim *sim,
		       const struct sim_request *request)
{
	const struct mpio_bio *bio = request->bio;
	uint64_t offset;

	if (!has(request, MPIO_FAULT_MISDIRECT))
		return bio->offset;
	offset = mpio__rest(bio->offset + request->verdict.shift,
			    sim->device.size - bio->length + 1);
	return offset - (offset & (mpio__sim_sector(sim) - 1));
}

static void flip(const struct sim_request *request, struct run run,
		 unsigned char *bytes)
{
	uint32_t bit = request->verdict.bit;
	uint32_t at = (uint32_t)mpio__rest(bit / 8, request->bio->length);

	if (at >= run.at && at - run.at < run.length)
		bytes[at - run.at] =
			(unsigned char)(bytes[at - run.at] ^ 1u << bit % 8);
}

/* A write of what a run of the bio holds; NULL: no memory. */
static struct sim_write *take(struct mpio_sim *sim,
			      const struct sim_request *request, struct run run)
{
	const struct mpio_bio *bio = request->bio;
	bool zeros = bio->op == MPIO_BIO_DISCARD;
	struct sim_write *write = mpio__sim_write_new(
		sim, target(sim, request) + run.at, run.length, zeros);

	if (write == NULL)
		return NULL;
	write->id = request->id;
	if (!zeros) {
		move(bio, run, NULL, 0, write->bytes);
		if (has(request, MPIO_FAULT_FLIP))
			flip(request, run, write->bytes);
	}
	return write;
}

/* Whether a write, not a discard, has a flag that the disk knows. */
static bool heeds(const struct mpio_sim *sim, const struct mpio_bio *bio,
		  uint32_t flag, uint32_t feature)
{
	return bio->op == MPIO_BIO_WRITE && (bio->flags & flag) != 0 &&
	       (sim->device.limits.features & feature) != 0;
}

/* Whether it is to be written behind a flush. */
static bool has_preflush(const struct mpio_sim *sim, const struct mpio_bio *bio)
{
	return heeds(sim, bio, MPIO_BIO_PREFLUSH, MPIO_DEVICE_PREFLUSH);
}

static int do_write(struct mpio_sim *sim, const struct sim_request *request,
		    uint32_t end)
{
	bool durable = (sim->device.limits.features & MPIO_DEVICE_FLUSH) == 0 ||
		       heeds(sim, request->bio, MPIO_BIO_FUA, MPIO_DEVICE_FUA);
	struct run run = {0, 0};
	int error = 0;

	if (has_preflush(sim, request->bio))
		error = mpio__sim_cache_flush(sim, request->mark);
	while (error == 0 && next_run(sim, request, end, &run)) {
		struct sim_write *write = take(sim, request, run);

		error = write == NULL
				? -MPIO_ENOMEM
				: mpio__sim_cache_write(sim, write, durable);
	}
	return error;
}

static void do_read(const struct mpio_sim *sim,
		    const struct sim_request *request, uint32_t end)
{
	struct run run = {0, 0};

	while (next_run(sim, request, end, &run))
		move(request->bio, run, &sim->current,
		     target(sim, request) + run.at, NULL);
	if (has(request, MPIO_FAULT_FLIP))
		mpio__fault_flip(request->bio, request->verdict.bit);
}

static int do_op(struct mpio_sim *sim, const struct sim_request *request,
		 uint32_t end)
{
	switch (request->bio->op) {
	case MPIO_BIO_READ:
		do_read(sim, request, end);
		return 0;
	case MPIO_BIO_FLUSH:
		return has(request, MPIO_FAULT_LOSE)
			       ? mpio__sim_cache_lose(sim, request->mark)
			       : mpio__sim_cache_flush(sim, request->mark);
	default:
		return do_write(sim, request, end);
	}
}

void mpio__sim_do(struct mpio_sim *sim, struct sim_request *request)
{
	const struct mpio_bio *bio = request->bio;
	uint32_t actions = request->verdict.actions;
	uint32_t length = bio->length;

	request->stage = SIM_DONE;
	request->status = 0;
	if ((actions & MPIO_FAULT_SHORT) != 0 && bio->op <= MPIO_BIO_WRITE)
		length -= below(request->verdict.short_by, length);
	request->moved = length;
	if ((actions & MPIO_FAULT_DROP) == 0 &&
	    ((actions & MPIO_FAULT_ERRNO) == 0 ||
	     (actions & MPIO__FAULT_MOVES) != 0))
		request->status = do_op(sim, request, length);
	if (request->status == 0 && (actions & MPIO_FAULT_ERRNO) != 0)
		request->status = -request->verdict.error;
	mpio__sim_log(sim, MPIO_SIM_DO, request);
}

/* Whether some of it may be there after the power fails. */
static bool is_begun(const struct sim_request *request)
{
	uint32_t actions = request->verdict.actions;

	return (request->bio->op == MPIO_BIO_WRITE ||
		request->bio->op == MPIO_BIO_DISCARD) &&
	       request->stage == SIM_WAITING &&
	       (actions & MPIO_FAULT_DROP) == 0 &&
	       ((actions & MPIO_FAULT_ERRNO) == 0 ||
		(actions & MPIO__FAULT_MOVES) != 0);
}

void mpio__sim_strand(struct mpio_sim *sim, struct sim_request *request)
{
	const struct mpio_bio *bio = request->bio;
	uint64_t first = sim->done - (sim->cache.count - sim->cache.stranded);
	struct run run = {0, 0};

	if (!is_begun(request))
		return;
	while (next_run(sim, request, bio->length, &run)) {
		struct sim_write *write = take(sim, request, run);

		if (write == NULL || mpio__sim_cache_add(sim, write) != 0) {
			mpio__sim_write_put(&sim->allocator, write);
			sim->incomplete = true;
			return;
		}
		if (request->mark > first)
			write->after = (uint32_t)(request->mark - first);
		write->preflush = has_preflush(sim, bio);
		sim->cache.stranded++;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * One I/O of a filter: what of it goes to which device below, and what is made
 * of what comes back.
 */
#include "filter_private.h"
#include "put.h"

#include <mpio/error.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* Bytes of an I/O that go down in one go. */
struct run {
	uint32_t at; /* bytes, in the bio */
	uint32_t length;
};

static bool has(const struct filter_request *request, uint32_t action)
{
	return (request->verdict.actions & action) != 0;
}

static uint32_t below(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t sector_of(const struct filter *filter)
{
	return filter->device.limits.logical_block_size;
}

static void fail(struct filter_request *request, int status)
{
	if (request->status == 0)
		request->status = status;
}

/* ---- Back from below ---------------------------------------------------- */

static void let_go(struct filter_request *request)
{
	if (--request->pending == 0)
		mpio__filter_done(request);
}

/* What the queue below has tried often enough is not to be tried as often by
 * each queue above. */
static int lasting(const struct mpio_bio *bio)
{
	bool passes = bio->status == -MPIO_EAGAIN || bio->status == -MPIO_EINTR;

	return passes && bio->op <= MPIO_BIO_WRITE ? -MPIO_ETIMEDOUT
						   : bio->status;
}

static void end_below(struct mpio_bio *bio)
{
	struct filter_request *request = bio->ctx;

	if (bio->status != 0)
		fail(request, lasting(bio));
	if (request->sent == bio)
		request->sent = NULL;
	mpio_bio_put(bio);
	let_go(request);
}

/* ---- Down --------------------------------------------------------------- */

static uint32_t flags_for(const struct filter_request *request)
{
	const struct mpio_limits *limits =
		&request->channel->filter->device.limits;
	/* Of a discard, the library does all of it above. */
	bool flushed = request->bio->op == MPIO_BIO_DISCARD;
	uint32_t flags = request->bio->flags;

	/* Of a write, what the device above does not know. */
	if (flushed || (limits->features & MPIO_DEVICE_FUA) == 0)
		flags &= ~MPIO_BIO_FUA;
	if (flushed || (limits->features & MPIO_DEVICE_PREFLUSH) == 0)
		flags &= ~MPIO_BIO_PREFLUSH;
	return flags;
}

/* A bio for a device below; waits for one if all are in use. */
static struct mpio_bio *get(struct filter_request *request, uint32_t part)
{
	struct mpio_queue *queue = request->channel->queues[part];
	enum mpio_bio_op op = (enum mpio_bio_op)request->bio->op;
	uint32_t flags = op == MPIO_BIO_FLUSH ? 0 : flags_for(request);
	struct mpio_bio *bio = mpio_bio_get(queue, op, flags);

	while (bio == NULL && mpio_queue_wait(queue) > 0)
		bio = mpio_bio_get(queue, op, flags);
	if (bio == NULL) {
		fail(request, -MPIO_EIO);
		return NULL;
	}
	bio->end_io = end_below;
	bio->ctx = request;
	return bio;
}

static void submit(struct filter_request *request, struct mpio_bio *bio)
{
	int error;

	request->pending++;
	request->sent = bio;
	error = mpio_bio_submit(bio);
	if (error == 0)
		return;
	request->sent = NULL;
	fail(request, error);
	mpio_bio_put(bio);
	request->pending--;
}

/* Where in the bio's memory a byte of it lies, and how far that piece goes. */
static unsigned char *memory_at(const struct filter_request *request,
				struct run *run, unsigned char *memory)
{
	const struct mpio_iovec *vec = request->bio->vecs;
	uint32_t skip = run->at;

	if (memory != NULL)
		return memory + run->at;
	while (skip >= vec->length)
		skip -= (uint32_t)vec++->length;
	run->length = below((uint32_t)vec->length - skip, run->length);
	return (unsigned char *)vec->base + skip;
}

/* Add as much of a run as the bio takes; bytes added. */
static uint32_t fill(const struct filter_request *request, struct mpio_bio *bio,
		     struct run run, unsigned char *memory)
{
	uint32_t done = 0;

	if (request->bio->op == MPIO_BIO_DISCARD) {
		bio->length = run.length;
		return run.length;
	}
	while (done < run.length) {
		struct run piece = {run.at + done, run.length - done};
		unsigned char *at = memory_at(request, &piece, memory);

		if (mpio_bio_add(bio, at, piece.length) != 0)
			break;
		done += piece.length;
	}
	return done;
}

/* Whether an I/O may be parted here: of a write, no atomic unit may be. */
static bool is_parting(const struct filter_request *request, uint64_t offset)
{
	const struct filter *filter = request->channel->filter;
	uint32_t unit = sector_of(filter);

	if (request->bio->op == MPIO_BIO_WRITE &&
	    filter->device.limits.atomic_unit > unit)
		unit = filter->device.limits.atomic_unit;
	return (offset & (unit - 1)) == 0;
}

/* A run to one device below, by as many bios as it takes. */
static void send(struct filter_request *request, uint32_t part, struct run run,
		 uint64_t offset, unsigned char *memory)
{
	while (run.length != 0) {
		struct mpio_bio *bio = get(request, part);
		uint32_t n;

		if (bio == NULL)
			return;
		bio->offset = offset;
		n = fill(request, bio, run, memory);
		if (n < run.length &&
		    (n == 0 || !is_parting(request, offset + n))) {
			/* A small bio, and many pieces: one day there is a
			 * large one. */
			mpio_bio_put(bio);
			if (mpio_queue_wait(request->channel->queues[part]) > 0)
				continue;
			fail(request, -MPIO_EIO);
			return;
		}
		submit(request, bio);
		offset += n;
		run.at += n;
		run.length -= n;
	}
}

/* A run to the parts that it lies in. */
static void spread(struct filter_request *request, struct run run,
		   uint64_t offset, unsigned char *memory)
{
	const struct filter *filter = request->channel->filter;

	for (uint32_t i = 0; i < filter->count && run.length != 0; i++) {
		const struct mpio_filter_part *part = &filter->parts[i];
		struct run here = run;

		if (offset >= part->length) {
			offset -= part->length;
			continue;
		}
		if (part->length - offset < here.length)
			here.length = (uint32_t)(part->length - offset);
		send(request, i, here, part->offset + offset, memory);
		run.at += here.length;
		run.length -= here.length;
		offset = 0;
	}
}

/* ---- All of an I/O ------------------------------------------------------ */

/* Memory for as many bytes as the I/O has, for each device that is compared. */
static bool make_copy(struct filter_request *request)
{
	const struct filter *filter = request->channel->filter;

	request->copy =
		filter_alloc(filter, filter_copy_size(filter, request->bio));
	if (request->copy == NULL)
		fail(request, -MPIO_ENOMEM);
	return request->copy != NULL;
}

/* Its bytes with one bit inverted go down in their place. */
static bool flip_copy(struct filter_request *request)
{
	const struct mpio_bio *bio = request->bio;
	struct mpio_bio inverted = {.length = bio->length};
	struct mpio_iovec vec;
	uint32_t at = 0;

	if (!make_copy(request))
		return false;
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		memcpy(request->copy + at, bio->vecs[i].base,
		       bio->vecs[i].length);
		at += (uint32_t)bio->vecs[i].length;
	}
	vec = (struct mpio_iovec){request->copy, bio->length};
	inverted.vecs = &vec;
	inverted.vec_count = 1;
	mpio__fault_flip(&inverted, request->verdict.bit);
	return true;
}

static uint64_t target(const struct filter_request *request)
{
	const struct filter *filter = request->channel->filter;
	const struct mpio_bio *bio = request->bio;
	uint64_t offset;

	if (!has(request, MPIO_FAULT_MISDIRECT))
		return bio->offset;
	offset = mpio__rest(bio->offset + request->verdict.shift,
			    filter->device.size - bio->length + 1);
	return offset - (offset & (sector_of(filter) - 1));
}

/* The sectors that are to be moved, run by run. */
static void send_torn(struct filter_request *request, uint32_t end,
		      unsigned char *memory)
{
	uint32_t sector = sector_of(request->channel->filter);
	uint64_t offset = target(request);
	uint32_t at = 0;

	while (at < end) {
		struct run run = {at, 0};

		while (at < end &&
		       mpio__fault_has_sector(&request->verdict, at / sector))
			at += below(sector, end - at);
		run.length = at - run.at;
		spread(request, run, offset + run.at, memory);
		while (at < end &&
		       !mpio__fault_has_sector(&request->verdict, at / sector))
			at += below(sector, end - at);
	}
}

/* Where a device is to read what is compared; NULL: in the bio's memory. */
static unsigned char *copy_of(const struct filter_request *request,
			      uint32_t part)
{
	const struct filter *filter = request->channel->filter;
	size_t alignment = filter_alignment(filter);
	size_t rest = (uintptr_t)request->copy & (alignment - 1);
	size_t ahead = rest != 0 ? alignment - rest : 0;

	return request->copy == NULL
		       ? NULL
		       : request->copy + ahead +
				 part * filter_copy_stride(filter,
							   request->bio);
}

/* The bio's own memory cannot be compared: it may name some of it twice, as
 * scrap for what nobody wants. */
static void send_mirrored(struct filter_request *request)
{
	const struct mpio_bio *bio = request->bio;
	struct run run = {0, bio->length};

	if (bio->op == MPIO_BIO_READ && !make_copy(request))
		return;
	for (uint32_t part = 0; part < 2; part++)
		send(request, part, run, bio->offset, copy_of(request, part));
}

static void send_flush(struct filter_request *request)
{
	for (uint32_t i = 0; i < request->channel->filter->count; i++) {
		struct mpio_bio *bio = get(request, i);

		if (bio != NULL)
			submit(request, bio);
	}
}

static void send_all(struct filter_request *request)
{
	const struct mpio_bio *bio = request->bio;

	if (bio->op == MPIO_BIO_FLUSH) {
		send_flush(request);
		return;
	}
	if (request->channel->filter->mirror) {
		send_mirrored(request);
		return;
	}
	if (has(request, MPIO_FAULT_FLIP) && bio->op == MPIO_BIO_WRITE &&
	    !flip_copy(request))
		return;
	if (has(request, MPIO_FAULT_TORN))
		send_torn(request, request->moved, request->copy);
	else
		spread(request, (struct run){0, request->moved},
		       target(request), request->copy);
}

void mpio__filter_start(struct filter_request *request)
{
	const struct mpio_bio *bio = request->bio;

	request->stage = FILTER_SENT;
	request->channel->sent++;
	request->pending = 1;
	request->moved = bio->length;
	/* The device below moves whole blocks. */
	if (has(request, MPIO_FAULT_SHORT) && bio->op <= MPIO_BIO_WRITE) {
		request->moved -= below(request->verdict.short_by, bio->length);
		request->moved &= ~(sector_of(request->channel->filter) - 1);
	}
	if (!has(request, MPIO_FAULT_DROP) &&
	    (!has(request, MPIO_FAULT_ERRNO) ||
	     has(request, MPIO__FAULT_MOVES)))
		send_all(request);
	let_go(request);
}

/* ---- What came back ----------------------------------------------------- */

/* The devices have not said the same. */
static void mismatch(struct filter_request *request)
{
	struct filter *filter = request->channel->filter;

	fail(request, -MPIO_EILSEQ);
	filter_lock(filter);
	filter->mismatches++;
	filter_unlock(filter);
}

static void copy_out(const struct filter_request *request)
{
	const struct mpio_bio *bio = request->bio;
	const unsigned char *from = copy_of(request, 0);

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		memcpy(bio->vecs[i].base, from, bio->vecs[i].length);
		from += bio->vecs[i].length;
	}
}

void mpio__filter_look(struct filter_request *request)
{
	bool is_read = request->bio->op == MPIO_BIO_READ;

	if (has(request, MPIO_FAULT_ERRNO))
		fail(request, -request->verdict.error);
	if (request->status != 0 || !is_read)
		return;
	if (request->channel->filter->mirror) {
		copy_out(request);
		if (memcmp(copy_of(request, 0), copy_of(request, 1),
			   request->bio->length) != 0)
			mismatch(request);
	}
	if (has(request, MPIO_FAULT_FLIP))
		mpio__fault_flip(request->bio, request->verdict.bit);
}

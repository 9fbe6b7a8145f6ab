/* SPDX-License-Identifier: MIT */
/*
 * The runner's device, which writes down each I/O that it receives.
 *
 * It ends every I/O inside submit, but for the writes of pages that are
 * declared under write-back: those are submitted before the call, by hand, and
 * end when the library first waits for them, or else after the call. They carry
 * no data and are known by their memory.
 *
 * What the library must never do (an I/O outside the device, memory that
 * belongs to no page) is a fault, and the first one is kept.
 */
#include "vectors_stage.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void vectors_fault(struct vectors_stage *st, const char *format, ...)
{
	va_list args;

	if (st->r->fault[0])
		return;
	va_start(args, format);
	vsnprintf(st->r->fault, sizeof(st->r->fault), format, args);
	va_end(args);
}

struct vectors_event *vectors_add_event(struct vectors_stage *st,
					enum vectors_event_type type)
{
	struct vectors_result *r = st->r;
	struct vectors_event *event;

	r->events =
		vectors_grow(r->events, &r->event_count, sizeof(*r->events));
	event = &r->events[r->event_count - 1];
	event->type = type;
	return event;
}

/* ---- The device --------------------------------------------------------- */

/** Find the page whose memory this is, or return `page_count`. */
static size_t find_memory(struct vectors_stage *st, uintptr_t base)
{
	size_t count = st->s->page_count;

	for (size_t n = 0; n < count; n++) {
		/* Most often it is the page after the last one. */
		size_t at = (st->last_page + n) % count;

		if (base - (uintptr_t)st->frames[at].page.data <
		    st->s->page_size) {
			st->last_page = at;
			return at;
		}
	}
	return count;
}

/** Note memory of an I/O as pieces of pages. */
static bool add_pieces(struct vectors_stage *st, const struct mpio_iovec *vec,
		       struct vectors_event *event)
{
	struct vectors_result *r = st->r;
	uintptr_t base = (uintptr_t)vec->base;
	struct vectors_piece *last;
	size_t at = find_memory(st, base);
	size_t offset;

	if (at == st->s->page_count)
		return false;
	offset = base - (uintptr_t)st->frames[at].page.data;
	if (vec->length == 0 || vec->length > st->s->page_size - offset)
		return false;
	last = event->piece_count ? &r->pieces[r->piece_count - 1] : NULL;
	if (last && last->page == at && last->offset + last->length == offset) {
		last->length += (uint32_t)vec->length;
		return true;
	}
	r->pieces =
		vectors_grow(r->pieces, &r->piece_count, sizeof(*r->pieces));
	r->pieces[r->piece_count - 1] = (struct vectors_piece){
		at, (uint32_t)offset, (uint32_t)vec->length};
	event->piece_count++;
	return true;
}

/** Return whether an I/O touches a bad block. */
static bool is_bad(const struct vectors_stage *st, const struct mpio_bio *bio)
{
	uint64_t size = st->s->block_size;

	for (uint64_t block = bio->offset / size;
	     block <= (bio->offset + bio->length - 1) / size; block++) {
		if (vectors_is_bad(st->s, block))
			return true;
	}
	return false;
}

static void note_written(struct vectors_stage *st,
			 const struct vectors_event *event)
{
	const struct vectors_piece *piece = st->r->pieces + event->first_piece;
	uint32_t size = (uint32_t)st->s->block_size;

	for (size_t i = 0; i < event->piece_count; i++, piece++) {
		uint32_t end = piece->offset + piece->length;

		for (uint32_t at = piece->offset; at < end; at += size)
			st->frames[piece->page].written[at / size] = 1;
	}
}

static int transfer(struct vectors_stage *st, const struct mpio_bio *bio)
{
	uint64_t offset = bio->offset;

	if (is_bad(st, bio))
		return -MPIO_EIO;
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		if (bio->op == MPIO_BIO_WRITE)
			vectors_disk_write(&st->disk, offset, vec->base,
					   vec->length);
		else
			vectors_disk_read(&st->disk, offset, vec->base,
					  vec->length);
		offset += vec->length;
	}
	return 0;
}

/** Write an I/O down. Return false if it must not be done. */
static bool record_io(struct vectors_stage *st, const struct mpio_bio *bio)
{
	struct vectors_event *event =
		vectors_add_event(st, st->retry ? VECTORS_RETRY : VECTORS_IO);
	uint64_t length = 0;

	event->offset = bio->offset;
	event->length = bio->length;
	event->write = bio->op == MPIO_BIO_WRITE;
	event->first_piece = st->r->piece_count;
	event->status = -MPIO_EIO;
	if (bio->op != MPIO_BIO_READ && bio->op != MPIO_BIO_WRITE) {
		vectors_fault(st, "operation %u on the device", bio->op);
		return false;
	}
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		length += bio->vecs[i].length;
		if (!add_pieces(st, &bio->vecs[i], event)) {
			vectors_fault(st, "an I/O with memory of no page");
			return false;
		}
	}
	if (length != bio->length || length == 0 ||
	    bio->offset >= st->s->device_size ||
	    length > st->s->device_size - bio->offset) {
		vectors_fault(
			st, "an I/O outside the device, or of a wrong length");
		return false;
	}
	return true;
}

static int device_submit(struct mpio_device *device, void *channel,
			 struct mpio_bio *bio)
{
	struct vectors_stage *st = (struct vectors_stage *)device;
	struct vectors_event *event;

	(void)channel;
	if (bio->vec_count && bio->vecs[0].base == st->held_data)
		return 0; /* until reap */
	if (!st->recording)
		vectors_fault(st, "an I/O after the call has returned");
	if (!record_io(st, bio)) {
		mpio_bio_end(bio, -MPIO_EIO);
		return 0;
	}
	event = &st->r->events[st->r->event_count - 1];
	event->status = transfer(st, bio);
	if (event->write && event->status == 0)
		note_written(st, event);
	mpio_bio_end(bio, event->status);
	return 0;
}

/**
 * End one of the writes that were there before the call: that of the page that
 * the library must be waiting for.
 */
static int device_reap(struct mpio_device *device, void *channel, int wait)
{
	struct vectors_stage *st = (struct vectors_stage *)device;
	struct vectors_frame *found = NULL;
	struct mpio_bio *held;

	(void)channel;
	for (size_t i = 0; wait && i < st->s->page_count; i++) {
		struct vectors_frame *frame = &st->frames[i];
		bool waited = st->plan->outcomes[i].wanted;

		if (frame->held && (waited || !found)) {
			found = frame;
			if (waited)
				break;
		}
	}
	if (!found)
		return 0;
	held = found->held;
	found->held = NULL;
	mpio_bio_end(held, 0);
	return 1;
}

void vectors_on_event(void *ctx, const struct mpio_event *event)
{
	struct vectors_stage *st = ctx;

	if (event->type == MPIO_EVENT_SUBMIT)
		st->retry = event->retry != 0;
}

const struct mpio_device_ops vectors_device_ops = {
	.submit = device_submit,
	.reap = device_reap,
};

/* ---- Results ------------------------------------------------------------ */

/** Copy an array that grows, with the room that it must have. */
static void *copy(const void *from, size_t count, size_t size)
{
	size_t room = 1;
	void *to;

	while (room < count)
		room *= 2;
	to = vectors_alloc(room, size);
	if (count)
		memcpy(to, from, count * size);
	return to;
}

void vectors_result_copy(const struct vectors_scenario *s,
			 const struct vectors_result *from,
			 struct vectors_result *to)
{
	*to = *from;
	to->events =
		copy(from->events, from->event_count, sizeof(*from->events));
	to->pieces =
		copy(from->pieces, from->piece_count, sizeof(*from->pieces));
	to->finals = copy(from->finals, s->page_count, sizeof(*from->finals));
}

void vectors_result_free(struct vectors_result *r)
{
	free(r->events);
	free(r->pieces);
	free(r->finals);
}

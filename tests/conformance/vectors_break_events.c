/* SPDX-License-Identifier: MIT */
/*
 * Ways to break the trace of a result: I/Os, calls and notes that are missing,
 * too many, elsewhere or too late. Each way looks for places where the change
 * is wrong beyond doubt, whatever the contract leaves free.
 */
#include "vectors_selftest.h"

#include <string.h>

/* More than any block or place in a scenario is away from another. */
static const uint64_t FAR = 1000003;

/* ---- Helpers ------------------------------------------------------------ */

static void remove_event(struct vectors_result *r, size_t at)
{
	memmove(r->events + at, r->events + at + 1,
		(r->event_count - at - 1) * sizeof(*r->events));
	r->event_count--;
}

static void insert_event(struct vectors_result *r, size_t at,
			 struct vectors_event event)
{
	r->events =
		vectors_grow(r->events, &r->event_count, sizeof(*r->events));
	memmove(r->events + at + 1, r->events + at,
		(r->event_count - at - 1) * sizeof(*r->events));
	r->events[at] = event;
}

static void move_event(struct vectors_result *r, size_t from, size_t to)
{
	struct vectors_event event = r->events[from];

	remove_event(r, from);
	insert_event(r, to, event);
}

typedef bool place_fn(const struct vectors_trial *t, size_t at);

/** Find the n-th event that is a fit place, or return `event_count`. */
static size_t find_place(const struct vectors_trial *t, place_fn *fits,
			 size_t n)
{
	for (size_t i = 0; i < t->r.event_count; i++) {
		if (fits(t, i) && n-- == 0)
			return i;
	}
	return t->r.event_count;
}

static size_t next_of(const struct vectors_trial *t, size_t at,
		      enum vectors_event_type type)
{
	for (at++; at < t->r.event_count; at++) {
		if (t->r.events[at].type == type)
			return at;
	}
	return at;
}

static struct vectors_piece *first_piece(const struct vectors_trial *t,
					 size_t at)
{
	return &t->r.pieces[t->r.events[at].first_piece];
}

static struct vectors_piece *last_piece(const struct vectors_trial *t,
					size_t at)
{
	return first_piece(t, at) + t->r.events[at].piece_count - 1;
}

static uint64_t first_block(const struct vectors_trial *t, size_t at)
{
	const struct vectors_piece *piece = first_piece(t, at);

	return t->s.pages[piece->page].index * vectors_page_blocks(&t->s) +
	       piece->offset / t->s.block_size;
}

static uint64_t last_block(const struct vectors_trial *t, size_t at)
{
	const struct vectors_piece *piece = last_piece(t, at);

	return t->s.pages[piece->page].index * vectors_page_blocks(&t->s) +
	       (piece->offset + piece->length - 1) / t->s.block_size;
}

/* ---- Places ------------------------------------------------------------- */

static bool is_io(const struct vectors_trial *t, size_t at)
{
	return t->r.events[at].type == VECTORS_IO;
}

/** An I/O that begins with bytes that must be moved. */
static bool is_needed_io(const struct vectors_trial *t, size_t at)
{
	size_t move;

	if (!is_io(t, at))
		return false;
	move = vectors_find_move(t->plan, first_block(t, at));
	return move < t->plan->move_count && !t->plan->moves[move].optional;
}

static bool has_needed_io_behind(const struct vectors_trial *t, size_t at)
{
	size_t next = next_of(t, at, VECTORS_IO);

	return is_needed_io(t, at) && next < t->r.event_count &&
	       is_needed_io(t, next);
}

/** An I/O that ends with more than a block that must be moved. */
static bool is_long_io(const struct vectors_trial *t, size_t at)
{
	size_t move;

	if (!is_io(t, at) || last_piece(t, at)->length <= t->s.block_size)
		return false;
	move = vectors_find_move(t->plan, last_block(t, at));
	return move < t->plan->move_count && !t->plan->moves[move].optional;
}

/** An I/O whose first two blocks nothing parts. */
static bool is_whole_io(const struct vectors_trial *t, size_t at)
{
	uint64_t block;

	if (!is_io(t, at) || first_piece(t, at)->length <= t->s.block_size)
		return false;
	block = first_block(t, at);
	for (size_t i = 0; i < t->r.event_count; i++) {
		const struct vectors_event *call = &t->r.events[i];

		if (call->type == VECTORS_CALL && call->boundary &&
		    call->offset + call->count - 1 == block)
			return false;
	}
	return true;
}

/** A full I/O that the next one continues on the device. */
static bool is_full_io(const struct vectors_trial *t, size_t at)
{
	const struct vectors_event *one = &t->r.events[at];
	const struct vectors_event *two = one + 1;

	return at + 1 < t->r.event_count && is_io(t, at) && is_io(t, at + 1) &&
	       one->piece_count == t->s.max_bio_pages &&
	       one->offset + one->length == two->offset &&
	       one->first_piece + one->piece_count == two->first_piece;
}

static bool is_call(const struct vectors_trial *t, size_t at)
{
	return t->r.events[at].type == VECTORS_CALL;
}

static bool is_create(const struct vectors_trial *t, size_t at)
{
	return is_call(t, at) && t->r.events[at].create;
}

static bool is_read_call(const struct vectors_trial *t, size_t at)
{
	return is_call(t, at) && t->s.op != VECTORS_WRITEPAGES;
}

/** A run that ends at a boundary, moved before the next call. */
static bool is_boundary_run(const struct vectors_trial *t, size_t at)
{
	const struct vectors_event *call = &t->r.events[at];
	size_t next = next_of(t, at, VECTORS_CALL);
	size_t move;

	if (!is_call(t, at) || !call->boundary || next == t->r.event_count)
		return false;
	move = vectors_find_move(t->plan, call->offset + call->count - 1);
	return move < t->plan->move_count && !t->plan->moves[move].optional &&
	       next_of(t, at, VECTORS_IO) < next;
}

static bool is_boundary_note(const struct vectors_trial *t, size_t at)
{
	return t->r.events[at].type == VECTORS_BOUNDARY;
}

/** A note that must stand before a call. */
static bool is_needed_note(const struct vectors_trial *t, size_t at)
{
	return is_boundary_note(t, at) &&
	       t->r.events[at].offset < t->plan->device_blocks &&
	       next_of(t, at, VECTORS_CALL) < t->r.event_count;
}

static bool is_retry(const struct vectors_trial *t, size_t at)
{
	return t->r.events[at].type == VECTORS_RETRY;
}

static bool is_failed_io(const struct vectors_trial *t, size_t at)
{
	return is_io(t, at) && t->r.events[at].status;
}

/** An I/O in a scenario where none fails. */
static bool is_good_io(const struct vectors_trial *t, size_t at)
{
	for (size_t i = 0; i < t->r.event_count; i++) {
		if (t->r.events[i].type <= VECTORS_RETRY &&
		    t->r.events[i].status)
			return false;
	}
	return is_long_io(t, at);
}

static bool is_alias(const struct vectors_trial *t, size_t at)
{
	return t->r.events[at].type == VECTORS_ALIAS;
}

/** The note of a block that must then be written, and by whom. */
static bool find_alias_io(const struct vectors_trial *t, size_t at, size_t *io)
{
	uint64_t offset = t->r.events[at].offset * t->s.block_size;

	for (*io = at + 1; is_alias(t, at) && *io < t->r.event_count; ++*io) {
		const struct vectors_event *event = &t->r.events[*io];

		if (event->type == VECTORS_IO && event->offset <= offset &&
		    offset - event->offset < event->length)
			return true;
	}
	return false;
}

static bool is_written_alias(const struct vectors_trial *t, size_t at)
{
	size_t io;

	return find_alias_io(t, at, &io);
}

/* ---- Ways: I/Os --------------------------------------------------------- */

/** Look for the n-th place, and leave the way if there is none. */
#define PLACE(t, fits, n)                                                      \
	size_t at = find_place(t, fits, n);                                    \
	struct vectors_event *event = &(t)->r.events[at];                      \
                                                                               \
	if (at == (t)->r.event_count)                                          \
		return false;                                                  \
	(void)event

static bool drop_io(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_needed_io, n);
	remove_event(&t->r, at);
	return true;
}

static bool swap_ios(struct vectors_trial *t, size_t n)
{
	PLACE(t, has_needed_io_behind, n);
	move_event(&t->r, next_of(t, at, VECTORS_IO), at);
	return true;
}

static bool repeat_io(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_io, n);
	insert_event(&t->r, at + 1, *event);
	return true;
}

static bool shift_io(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_io, n);
	event->offset += event->offset ? -t->s.block_size : t->s.block_size;
	return true;
}

static bool shorten_io(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_long_io, n);
	last_piece(t, at)->length -= 512;
	event->length -= 512;
	return true;
}

static bool other_memory(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_io, n);
	if (t->s.page_count < 2)
		return false;
	first_piece(t, at)->page =
		(first_piece(t, at)->page + 1) % t->s.page_count;
	return true;
}

static bool leave_device(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_io, n);
	event->offset = t->s.device_size - event->length + 512;
	return true;
}

static bool turn_io(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_io, n);
	event->write = !event->write;
	return true;
}

/** Make two I/Os of one, behind the first block of it. */
static bool cut_io(struct vectors_trial *t, size_t n)
{
	uint32_t size = (uint32_t)t->s.block_size;
	struct vectors_event rest;
	struct vectors_piece piece;

	PLACE(t, is_whole_io, n);
	rest = *event;
	piece = *first_piece(t, at);
	first_piece(t, at)->length = size;
	event->length = size;
	event->piece_count = 1;
	rest.offset += size;
	rest.length -= size;
	rest.first_piece = t->r.piece_count;
	piece.offset += size;
	piece.length -= size;
	for (size_t i = 0; i < rest.piece_count; i++) {
		struct vectors_piece *from = first_piece(t, at) + i;
		struct vectors_piece next = i ? *from : piece;

		t->r.pieces = vectors_grow(t->r.pieces, &t->r.piece_count,
					   sizeof(*t->r.pieces));
		t->r.pieces[t->r.piece_count - 1] = next;
	}
	insert_event(&t->r, at + 1, rest);
	return true;
}

static bool overfill_io(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_full_io, n);
	event->length += event[1].length;
	event->piece_count += event[1].piece_count;
	remove_event(&t->r, at + 1);
	return true;
}

/* ---- Ways: calls -------------------------------------------------------- */

static bool repeat_call(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_call, n);
	insert_event(&t->r, at + 1, *event);
	return true;
}

static bool create_too_much(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_create, n);
	event->length += FAR;
	return true;
}

static bool read_past_eof(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_read_call, n);
	event->length = t->plan->eof_blocks - event->offset + 1;
	return true;
}

static bool read_outside(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_read_call, n);
	event->length = (t->s.pages[t->s.page_count - 1].index + 1) *
				vectors_page_blocks(&t->s) -
			event->offset + 1;
	return true;
}

static bool read_creates(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_read_call, n);
	event->create = true;
	return true;
}

/* ---- Ways: boundaries --------------------------------------------------- */

static bool call_too_early(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_boundary_run, n);
	move_event(&t->r, next_of(t, at, VECTORS_CALL), at + 1);
	return true;
}

static bool drop_note(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_needed_note, n);
	remove_event(&t->r, at);
	return true;
}

static bool delay_note(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_needed_note, n);
	move_event(&t->r, at, next_of(t, at, VECTORS_CALL));
	return true;
}

static bool repeat_note(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_boundary_note, n);
	insert_event(&t->r, at + 1, *event);
	return true;
}

static bool other_note(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_boundary_note, n);
	event->offset += FAR;
	return true;
}

/** Move a note to where its run was answered, before any of its I/Os. */
static bool early_note(struct vectors_trial *t, size_t n)
{
	size_t call = 0;

	PLACE(t, is_needed_note, n);
	for (size_t i = 0; i < at; i++) {
		if (is_boundary_run(t, i) &&
		    t->r.events[i].block + t->r.events[i].count ==
			    event->offset)
			call = i;
	}
	if (!is_boundary_run(t, call))
		return false;
	move_event(&t->r, at, call + 1);
	return true;
}

static bool note_on_read(struct vectors_trial *t, size_t n)
{
	struct vectors_event note = {.type = VECTORS_BOUNDARY};

	PLACE(t, is_read_call, n);
	note.offset = event->block + event->count;
	insert_event(&t->r, t->r.event_count, note);
	return true;
}

/* ---- Ways: retries ------------------------------------------------------ */

static bool repeat_retry(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_retry, n);
	insert_event(&t->r, at + 1, *event);
	return true;
}

static bool retry_whole(struct vectors_trial *t, size_t n)
{
	struct vectors_event retry;

	PLACE(t, is_failed_io, n);
	retry = *event;
	retry.type = VECTORS_RETRY;
	insert_event(&t->r, at + 1, retry);
	return true;
}

static bool retry_good(struct vectors_trial *t, size_t n)
{
	struct vectors_event retry;

	PLACE(t, is_good_io, n);
	retry = *event;
	retry.type = VECTORS_RETRY;
	retry.length = t->s.block_size;
	retry.piece_count = 0;
	insert_event(&t->r, at + 1, retry);
	return true;
}

/* ---- Ways: new blocks --------------------------------------------------- */

static bool drop_alias(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_written_alias, n);
	remove_event(&t->r, at);
	return true;
}

static bool repeat_alias(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_alias, n);
	insert_event(&t->r, at + 1, *event);
	return true;
}

static bool other_alias(struct vectors_trial *t, size_t n)
{
	PLACE(t, is_alias, n);
	event->offset += FAR;
	return true;
}

static bool late_alias(struct vectors_trial *t, size_t n)
{
	size_t io;

	PLACE(t, is_written_alias, n);
	find_alias_io(t, at, &io);
	move_event(&t->r, at, io);
	return true;
}

struct vectors_way vectors_event_ways[] = {
	{"an I/O is left out", VECTORS_RULE_ORDER, drop_io, 0, 0},
	{"two I/Os change places", VECTORS_RULE_ORDER, swap_ios, 0, 0},
	{"an I/O comes twice", VECTORS_RULE_ORDER, repeat_io, 0, 0},
	{"an I/O lies elsewhere", VECTORS_RULE_ORDER, shift_io, 0, 0},
	{"an I/O is too short", VECTORS_RULE_ORDER, shorten_io, 0, 0},
	{"an I/O has another page's memory", VECTORS_RULE_ORDER, other_memory,
	 0, 0},
	{"an I/O leaves the device", VECTORS_RULE_LIFE, leave_device, 0, 0},
	{"a read is a write, or the reverse", VECTORS_RULE_LIFE, turn_io, 0, 0},
	{"an I/O is cut in mid-page", VECTORS_RULE_COUNT, cut_io, 0, 0},
	{"an I/O has too many segments", VECTORS_RULE_COUNT, overfill_io, 0, 0},
	{"a call comes twice", VECTORS_RULE_CALLS, repeat_call, 0, 0},
	{"a call creates too much", VECTORS_RULE_CALLS, create_too_much, 0, 0},
	{"a call goes past the end of file", VECTORS_RULE_CALLS, read_past_eof,
	 0, 0},
	{"a call leaves the request", VECTORS_RULE_CALLS, read_outside, 0, 0},
	{"a read creates", VECTORS_RULE_CALLS, read_creates, 0, 0},
	{"a call comes before a boundary's I/O", VECTORS_RULE_BOUNDARY,
	 call_too_early, 0, 0},
	{"a boundary is not noted", VECTORS_RULE_BOUNDARY, drop_note, 0, 0},
	{"a boundary is noted after the call", VECTORS_RULE_BOUNDARY,
	 delay_note, 0, 0},
	{"a boundary is noted before its I/O", VECTORS_RULE_BOUNDARY,
	 early_note, 0, 0},
	{"a boundary is noted twice", VECTORS_RULE_BOUNDARY, repeat_note, 0, 0},
	{"another block is noted", VECTORS_RULE_BOUNDARY, other_note, 0, 0},
	{"a boundary is noted on a read", VECTORS_RULE_BOUNDARY, note_on_read,
	 0, 0},
	{"a retry comes twice", VECTORS_RULE_RETRIES, repeat_retry, 0, 0},
	{"a retry is no part", VECTORS_RULE_RETRIES, retry_whole, 0, 0},
	{"a retry of what succeeded", VECTORS_RULE_RETRIES, retry_good, 0, 0},
	{"a new block is not noted", VECTORS_RULE_ALIAS, drop_alias, 0, 0},
	{"a new block is noted twice", VECTORS_RULE_ALIAS, repeat_alias, 0, 0},
	{"another new block is noted", VECTORS_RULE_ALIAS, other_alias, 0, 0},
	{"a new block is noted too late", VECTORS_RULE_ALIAS, late_alias, 0, 0},
};
const size_t vectors_event_way_count =
	sizeof(vectors_event_ways) / sizeof(*vectors_event_ways);

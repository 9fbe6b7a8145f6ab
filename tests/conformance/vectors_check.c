/* SPDX-License-Identifier: MIT */
/*
 * Holds a result to the contract (README.md beside this file has the rules).
 *
 * Here are the rules that look at one kind of event each: the order of what is
 * moved (1), cuts and segments (2), get_block calls (3), retries (6), and that
 * pages are finished once. Everything is compared with the plan, which knows
 * the inputs only; what the reference did comes last, in
 * vectors_check_state.c. All rules are looked at, so that a result that breaks
 * one is told about the others too.
 */
#include "vectors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void vectors_broken(struct vectors_verdict *v, enum vectors_rule rule,
		    const char *format, ...)
{
	static const char *const names[] = {
		"pages and I/Os", "rule 1", "rule 2", "rule 3",        "rule 4",
		"rule 5",         "rule 6", "rule 7", "the reference",
	};
	char what[160];
	size_t room = sizeof(v->text) - v->length;
	va_list args;
	int n;

	v->rules |= 1u << rule;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	n = snprintf(v->text + v->length, room, "\t%s: %s\n", names[rule],
		     what);
	if (n > 0 && (size_t)n < room)
		v->length += (size_t)n;
	else
		v->text[v->length] = '\0'; /* there are enough */
}

static const struct vectors_piece *pieces_of(const struct vectors_check *c,
					     const struct vectors_event *event)
{
	return c->r->pieces + event->first_piece;
}

/* ---- Pages and I/Os ----------------------------------------------------- */

static void check_life(struct vectors_check *c)
{
	const struct vectors_scenario *s = c->s;
	bool write = s->op == VECTORS_WRITEPAGES;

	if (c->r->fault[0])
		vectors_broken(c->v, VECTORS_RULE_LIFE, "%s", c->r->fault);
	for (size_t i = 0; i < s->page_count; i++) {
		const struct vectors_final *final = &c->r->finals[i];
		const struct vectors_outcome *outcome = &c->plan->outcomes[i];
		bool moved = outcome->fate == VECTORS_MOVED ||
			     outcome->fate == VECTORS_BAD;
		unsigned least = !write || moved;
		unsigned most = !write || outcome->fate != VECTORS_LEFT;

		if (final->finished < least || final->finished > most)
			vectors_broken(c->v, VECTORS_RULE_LIFE,
				       "page %" PRIu64 " is finished %u times",
				       s->pages[i].index, final->finished);
		if (final->locked)
			vectors_broken(c->v, VECTORS_RULE_LIFE,
				       "page %" PRIu64 " stays locked",
				       s->pages[i].index);
		if (final->lost)
			vectors_broken(c->v, VECTORS_RULE_LIFE,
				       "page %" PRIu64 " loses dirty blocks",
				       s->pages[i].index);
	}
	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *event = &c->r->events[i];

		if (event->type > VECTORS_RETRY)
			continue;
		if (event->write != write || event->length == 0 ||
		    event->offset >= s->device_size ||
		    event->length > s->device_size - event->offset)
			vectors_broken(c->v, VECTORS_RULE_LIFE,
				       "impossible I/O at %" PRIu64,
				       event->offset);
	}
}

/* ---- Rule 1: same bytes, same order ------------------------------------- */

/** Where the comparison with what is to be moved has come. */
struct flow {
	size_t move;
	uint32_t done; /* bytes of it */
};

/** Go past what may be left out, up to the move that begins a piece. */
static void skip_optional(struct vectors_check *c, struct flow *flow,
			  const struct vectors_piece *piece, uint64_t device)
{
	const struct vectors_plan *plan = c->plan;

	while (flow->done == 0 && flow->move < plan->move_count) {
		const struct vectors_move *move = &plan->moves[flow->move];

		if (!move->optional ||
		    (move->page == piece->page && move->device == device &&
		     move->offset == piece->offset))
			return;
		flow->move++;
	}
}

/** Take a piece of an I/O off the list. Return false if it does not fit. */
static bool take_piece(struct vectors_check *c, struct flow *flow, size_t event,
		       struct vectors_piece piece, uint64_t device)
{
	while (piece.length) {
		const struct vectors_move *move;
		uint32_t n;

		skip_optional(c, flow, &piece, device);
		if (flow->move == c->plan->move_count)
			return false;
		move = &c->plan->moves[flow->move];
		if (move->page != piece.page ||
		    move->offset + flow->done != piece.offset ||
		    move->device + flow->done != device)
			return false;
		n = move->length - flow->done;
		if (n > piece.length)
			n = piece.length;
		c->moved_by[flow->move] = event;
		piece.offset += n;
		piece.length -= n;
		device += n;
		flow->done += n;
		if (flow->done == move->length) {
			flow->move++;
			flow->done = 0;
		}
	}
	return true;
}

static void check_flow(struct vectors_check *c)
{
	struct flow flow = {0, 0};

	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *event = &c->r->events[i];
		uint64_t device = event->offset;

		if (event->type != VECTORS_IO)
			continue;
		for (size_t k = 0; k < event->piece_count; k++) {
			struct vectors_piece piece = pieces_of(c, event)[k];

			if (!take_piece(c, &flow, i, piece, device)) {
				vectors_broken(c->v, VECTORS_RULE_ORDER,
					       "the I/O at %" PRIu64 " is not "
					       "what is to be moved next",
					       event->offset);
				return;
			}
			device += piece.length;
		}
	}
	for (; flow.move < c->plan->move_count; flow.move++, flow.done = 0) {
		if (flow.done == 0 && c->plan->moves[flow.move].optional)
			continue;
		vectors_broken(c->v, VECTORS_RULE_ORDER,
			       "block %" PRIu64 " is not moved",
			       c->plan->moves[flow.move].block);
		return;
	}
}

/* ---- Rule 2: no more I/Os ----------------------------------------------- */

/** Return whether a block is the last of a run that ends at a boundary. */
static bool ends_at_boundary(const struct vectors_check *c, uint64_t block)
{
	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *call = &c->r->events[i];

		if (call->type == VECTORS_CALL && call->boundary &&
		    call->offset + call->count - 1 == block)
			return true;
	}
	return false;
}

/**
 * Two I/Os that touch on the device: was the first full, or did a boundary
 * part them?
 */
static bool is_cut_needed(const struct vectors_check *c,
			  const struct vectors_event *one,
			  const struct vectors_event *two)
{
	const struct vectors_piece *last =
		&pieces_of(c, one)[one->piece_count - 1];
	const struct vectors_piece *next = pieces_of(c, two);
	uint64_t blocks = vectors_page_blocks(c->s);
	bool same_segment = last->page == next->page &&
			    last->offset + last->length == next->offset;

	if (!same_segment && one->piece_count == c->s->max_bio_pages)
		return true;
	return ends_at_boundary(c, c->s->pages[last->page].index * blocks +
					   (last->offset + last->length - 1) /
						   c->s->block_size);
}

static void check_cuts(struct vectors_check *c)
{
	const struct vectors_event *last = NULL;

	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *event = &c->r->events[i];

		if (event->type > VECTORS_RETRY || event->piece_count == 0)
			continue;
		if (event->piece_count > c->s->max_bio_pages)
			vectors_broken(c->v, VECTORS_RULE_COUNT,
				       "the I/O at %" PRIu64
				       " has %zu segments",
				       event->offset, event->piece_count);
		if (event->type == VECTORS_RETRY)
			continue;
		if (last && last->offset + last->length == event->offset &&
		    !is_cut_needed(c, last, event))
			vectors_broken(c->v, VECTORS_RULE_COUNT,
				       "the I/O at %" PRIu64
				       " could go on with the one before",
				       event->offset);
		last = event;
	}
}

/* ---- Rule 3: no more calls ---------------------------------------------- */

/** Return whether a call covers only blocks that the walk is to write. */
static bool covers_written(const struct vectors_check *c,
			   const struct vectors_event *call)
{
	uint64_t blocks = vectors_page_blocks(c->s);

	for (uint64_t block = call->offset; block - call->offset < call->length;
	     block++) {
		size_t at = vectors_find_page(c->s, block / blocks);

		if (at == c->s->page_count || !c->plan->outcomes[at].wanted ||
		    !vectors_is_needed(c->s, &c->s->pages[at], block))
			return false;
	}
	return true;
}

/** Return whether a call stays inside the request and the file. */
static bool covers_read(const struct vectors_check *c,
			const struct vectors_event *call)
{
	uint64_t blocks = vectors_page_blocks(c->s);
	const struct vectors_page *pages = c->s->pages;
	size_t count = c->s->page_count;

	return count && call->offset >= pages[0].index * blocks &&
	       call->length <= c->plan->eof_blocks &&
	       call->offset <= c->plan->eof_blocks - call->length &&
	       call->offset + call->length <=
		       (pages[count - 1].index + 1) * blocks;
}

static void check_calls(struct vectors_check *c)
{
	bool write = c->s->op == VECTORS_WRITEPAGES;
	uint64_t answered = 0; /* blocks before this one are known */

	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *call = &c->r->events[i];

		if (call->type != VECTORS_CALL)
			continue;
		if (call->length == 0 || (call->create && !write) ||
		    !(call->create ? covers_written(c, call)
				   : covers_read(c, call)))
			vectors_broken(c->v, VECTORS_RULE_CALLS,
				       "call %" PRIu64 " %" PRIu64 " %d asks "
				       "for what is not wanted",
				       call->offset, call->length,
				       call->create);
		if (call->offset < answered)
			vectors_broken(c->v, VECTORS_RULE_CALLS,
				       "call %" PRIu64 " asks again",
				       call->offset);
		answered = call->offset + (call->count ? call->count : 1);
	}
}

/* ---- Rule 6: retries ---------------------------------------------------- */

static bool same_place(const struct vectors_check *c,
		       const struct vectors_event *a,
		       const struct vectors_event *b)
{
	const struct vectors_piece *x = pieces_of(c, a);
	const struct vectors_piece *y = pieces_of(c, b);

	return a->offset == b->offset && a->length == b->length &&
	       x->page == y->page && x->offset == y->offset;
}

static void check_retries(struct vectors_check *c)
{
	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *retry = &c->r->events[i];
		bool proper = false;
		bool again = false;

		if (retry->type != VECTORS_RETRY)
			continue;
		for (size_t k = 0; k < i; k++) {
			const struct vectors_event *e = &c->r->events[k];

			if (e->type > VECTORS_RETRY)
				continue;
			if (e->status && e->write == retry->write &&
			    e->offset <= retry->offset &&
			    e->length > retry->length &&
			    retry->offset - e->offset <=
				    e->length - retry->length)
				proper = true;
			if (e->type == VECTORS_RETRY && same_place(c, e, retry))
				again = true;
		}
		if (!proper || again)
			vectors_broken(
				c->v, VECTORS_RULE_RETRIES,
				"retry of %" PRIu64 " at %" PRIu64 ": %s",
				retry->length, retry->offset,
				again ? "again" : "no part of what failed");
	}
}

/* ---- The whole ---------------------------------------------------------- */

void vectors_check(const struct vectors_scenario *s,
		   const struct vectors_plan *plan,
		   const struct vectors_result *r, struct vectors_verdict *v)
{
	struct vectors_check c = {.s = s, .plan = plan, .r = r, .v = v};

	*v = (struct vectors_verdict){0};
	c.moved_by = vectors_alloc(plan->move_count, sizeof(*c.moved_by));
	for (size_t i = 0; i < plan->move_count; i++)
		c.moved_by[i] = VECTORS_UNMOVED;
	check_life(&c);
	check_flow(&c);
	check_cuts(&c);
	check_calls(&c);
	check_retries(&c);
	vectors_check_order(&c);
	vectors_check_states(&c);
	if (s->expect.given)
		vectors_check_reference(&c);
	free(c.moved_by);
}

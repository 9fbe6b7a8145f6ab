/* SPDX-License-Identifier: MIT */
/*
 * The rules that look at what came before what: boundaries (5) and new blocks
 * (7).
 *
 * Both match notes with the answers of get_block that they must come from. An
 * answer is used up by its note, so that the same device block may be named by
 * two extents, each once.
 */
#include "vectors.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- Rule 5: boundary --------------------------------------------------- */

/** The event that moved the last block of a run, or VECTORS_UNMOVED. */
static size_t last_moved_by(const struct vectors_check *c,
			    const struct vectors_event *call)
{
	size_t move =
		vectors_find_move(c->plan, call->offset + call->count - 1);

	return move < c->plan->move_count ? c->moved_by[move] : VECTORS_UNMOVED;
}

static bool is_boundary_run(const struct vectors_event *event)
{
	return event->type == VECTORS_CALL && event->boundary && event->count;
}

/**
 * Find the run that a note belongs to, one whose I/O has come and that has no
 * note yet. `noted_by` has, for each event, its note.
 */
static bool match_note(const struct vectors_check *c, size_t note,
		       size_t *noted_by)
{
	for (size_t i = 0; i < note; i++) {
		const struct vectors_event *call = &c->r->events[i];
		size_t moved_by;

		if (!is_boundary_run(call) || noted_by[i] ||
		    call->block + call->count != c->r->events[note].offset)
			continue;
		moved_by = last_moved_by(c, call);
		if (moved_by != VECTORS_UNMOVED
			    ? moved_by > note
			    : call->block + call->count <
				      c->plan->device_blocks)
			continue;
		noted_by[i] = note;
		return true;
	}
	return false;
}

/** A run that ends at a boundary, and the call behind it. */
static void check_run(struct vectors_check *c, size_t at, size_t next,
		      size_t noted_by)
{
	const struct vectors_event *call = &c->r->events[at];
	uint64_t block = call->block + call->count;
	size_t moved_by = last_moved_by(c, call);

	if (moved_by == VECTORS_UNMOVED)
		return;
	if (moved_by > next)
		vectors_broken(c->v, VECTORS_RULE_BOUNDARY,
			       "call %" PRIu64 " comes before the I/O of "
			       "block %" PRIu64,
			       c->r->events[next].offset,
			       call->offset + call->count - 1);
	else if (c->s->op == VECTORS_WRITEPAGES &&
		 block < c->plan->device_blocks &&
		 (!noted_by || noted_by > next))
		vectors_broken(c->v, VECTORS_RULE_BOUNDARY,
			       "no note of boundary %" PRIu64
			       " before call %" PRIu64,
			       block, c->r->events[next].offset);
}

static void check_boundaries(struct vectors_check *c)
{
	const struct vectors_event *events = c->r->events;
	size_t count = c->r->event_count;
	size_t *noted_by = vectors_alloc(count, sizeof(*noted_by));

	for (size_t i = 0; i < count; i++) {
		if (events[i].type == VECTORS_BOUNDARY &&
		    (c->s->op != VECTORS_WRITEPAGES ||
		     !match_note(c, i, noted_by)))
			vectors_broken(c->v, VECTORS_RULE_BOUNDARY,
				       "note of boundary %" PRIu64
				       " without cause, too early, or again",
				       events[i].offset);
	}
	for (size_t i = 0; i < count; i++) {
		size_t next = i + 1;

		if (!is_boundary_run(&events[i]))
			continue;
		while (next < count && events[next].type != VECTORS_CALL)
			next++;
		if (next < count)
			check_run(c, i, next, noted_by[i]);
	}
	free(noted_by);
}

/* ---- Rule 7: alias ------------------------------------------------------ */

/** A newly allocated block. */
struct fresh {
	uint64_t block;  /* of the file */
	uint64_t device; /* block */
	size_t allocated_by;
	size_t noted_by; /* VECTORS_UNMOVED: not yet */
};

static struct fresh *list_fresh(const struct vectors_check *c, size_t *count)
{
	struct fresh *list = NULL;

	*count = 0;
	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *call = &c->r->events[i];

		if (call->type != VECTORS_CALL || !call->fresh)
			continue;
		for (uint64_t k = 0; k < call->count; k++) {
			list = vectors_grow(list, count, sizeof(*list));
			list[*count - 1] = (struct fresh){call->offset + k,
							  call->block + k, i,
							  VECTORS_UNMOVED};
		}
	}
	return list;
}

static bool match_alias(struct fresh *list, size_t count, size_t note,
			uint64_t device)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].device == device && list[i].allocated_by < note &&
		    list[i].noted_by == VECTORS_UNMOVED) {
			list[i].noted_by = note;
			return true;
		}
	}
	return false;
}

static void check_aliases(struct vectors_check *c)
{
	size_t count;
	struct fresh *list = list_fresh(c, &count);

	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *note = &c->r->events[i];

		if (note->type == VECTORS_ALIAS &&
		    !match_alias(list, count, i, note->offset))
			vectors_broken(c->v, VECTORS_RULE_ALIAS,
				       "note of alias %" PRIu64
				       " without cause, or again",
				       note->offset);
	}
	for (size_t i = 0; i < count; i++) {
		size_t move = vectors_find_move(c->plan, list[i].block);

		if (move < c->plan->move_count &&
		    c->moved_by[move] != VECTORS_UNMOVED &&
		    (list[i].noted_by == VECTORS_UNMOVED ||
		     list[i].noted_by > c->moved_by[move]))
			vectors_broken(c->v, VECTORS_RULE_ALIAS,
				       "new block %" PRIu64
				       " is written before it is noted",
				       list[i].device);
	}
	free(list);
}

void vectors_check_order(struct vectors_check *c)
{
	check_boundaries(c);
	check_aliases(c);
}

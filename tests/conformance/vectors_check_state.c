/* SPDX-License-Identifier: MIT */
/*
 * How things end (rule 4): the words and bytes of each page, the device's
 * bytes, and what the call returns. First against the plan, always; then
 * against what the reference says, as far as the contract has both agree.
 *
 * The second comparison also shows whether the plan is right: wherever the
 * contract names no difference, plan and reference must say the same.
 */
#include "vectors.h"

#include <inttypes.h>
#include <mpio/error.h>
#include <stdlib.h>
#include <string.h>

/* ---- Against the plan: pages -------------------------------------------- */

static void check_read_page(struct vectors_check *c, size_t at)
{
	const struct vectors_final *final = &c->r->finals[at];
	const struct vectors_outcome *outcome = &c->plan->outcomes[at];
	bool good = outcome->fate == VECTORS_MOVED ||
		    outcome->fate == VECTORS_EMPTY;
	uint32_t words =
		good ? VECTORS_UPTODATE : VECTORS_NOTUPTODATE | VECTORS_ERROR;

	if (final->words != words)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "page %" PRIu64 " ends in a wrong state",
			       c->s->pages[at].index);
	else if (good && final->crc != outcome->crc)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "page %" PRIu64 " has wrong bytes",
			       c->s->pages[at].index);
}

/** The words that a page of a write must and may end with. */
static void words_of(const struct vectors_page *page,
		     const struct vectors_outcome *outcome, uint32_t *must,
		     uint32_t *may)
{
	*may = VECTORS_WRITEBACK_DONE;
	switch (outcome->fate) {
	case VECTORS_LEFT:
		*may = 0;
		*must = page->dirty ? VECTORS_DIRTY : VECTORS_CLEAN;
		if (page->writeback)
			*must |= VECTORS_WRITEBACK;
		break;
	case VECTORS_EMPTY:
		*must = VECTORS_CLEAN;
		break;
	case VECTORS_MOVED:
		*must = VECTORS_CLEAN | VECTORS_WRITEBACK_DONE;
		break;
	default:
		*must = VECTORS_DIRTY | VECTORS_ERROR;
		break;
	}
	*may |= *must;
}

static bool straddles_eof(const struct vectors_scenario *s,
			  const struct vectors_page *page)
{
	return s->file_size / s->page_size == page->index &&
	       s->file_size % s->page_size != 0;
}

static void check_written_page(struct vectors_check *c, size_t at)
{
	const struct vectors_page *page = &c->s->pages[at];
	const struct vectors_final *final = &c->r->finals[at];
	const struct vectors_outcome *outcome = &c->plan->outcomes[at];
	bool past_eof = page->index >= c->s->file_size / c->s->page_size;
	bool zeroed = straddles_eof(c->s, page) &&
		      final->words & VECTORS_WRITEBACK_DONE;
	uint32_t must;
	uint32_t may;

	words_of(page, outcome, &must, &may);
	if ((final->words & must) != must || final->words & ~may)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "page %" PRIu64 " ends in a wrong state",
			       page->index);
	if (final->crc != outcome->zeroed &&
	    (zeroed || !past_eof || final->crc != outcome->crc))
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "page %" PRIu64 " has wrong bytes", page->index);
}

/* ---- Against the plan: the call ----------------------------------------- */

/** Return whether an I/O has failed for good or for a try. */
static bool io_failed(const struct vectors_check *c)
{
	for (size_t i = 0; i < c->r->event_count; i++) {
		if (c->r->events[i].type <= VECTORS_RETRY &&
		    c->r->events[i].status)
			return true;
	}
	return false;
}

static void check_return(struct vectors_check *c)
{
	const struct vectors_plan *plan = c->plan;
	bool all = c->s->wbc.sync_all;
	int64_t code = c->r->code;
	bool right;

	if (c->s->op != VECTORS_WRITEPAGES)
		right = code == 0;
	else if (!all)
		right = code == plan->error;
	else
		right = code == plan->error ? !plan->any_bad || plan->error
					    : code == -MPIO_EIO && io_failed(c);
	if (!right)
		vectors_broken(c->v, VECTORS_RULE_STATES, "returns %" PRId64,
			       code);
}

static void check_mapping_error(struct vectors_check *c)
{
	const struct vectors_plan *plan = c->plan;
	int error = c->r->mapping_error;
	bool right = error ? error == -MPIO_EIO && io_failed(c)
			   : !plan->any_bad && !plan->any_unmapped;

	for (size_t i = 0; i < c->s->page_count && !right; i++)
		right = error && plan->outcomes[i].error == error;
	if (!right)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "the mapping's error is %d", error);
}

static void check_index(struct vectors_check *c)
{
	const struct vectors_plan *plan = c->plan;
	uint64_t index = c->r->index;
	bool right;

	if (!plan->stopped)
		right = index == 0;
	else
		right = index == plan->stop || index == plan->stop + 1 ||
			(index == 0 && !plan->more_behind);
	if (!right)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "writeback_index is %" PRIu64, index);
}

/** What the I/Os that succeeded have made of the device. */
static uint32_t device_crc(const struct vectors_check *c)
{
	const struct vectors_scenario *s = c->s;
	uint8_t *data = vectors_alloc((size_t)s->page_size, 1);
	struct vectors_disk disk;
	uint32_t crc;

	vectors_disk_open(&disk, s->device_size);
	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *event = &c->r->events[i];
		uint64_t device = event->offset;

		if (event->type > VECTORS_RETRY || event->status)
			continue;
		for (size_t k = 0; k < event->piece_count; k++) {
			const struct vectors_piece *piece =
				&c->r->pieces[event->first_piece + k];

			vectors_file_pattern(s,
					     s->pages[piece->page].index *
							     s->page_size +
						     piece->offset,
					     data, piece->length, true);
			vectors_disk_write(&disk, device, data, piece->length);
			device += piece->length;
		}
	}
	crc = vectors_disk_crc(&disk);
	vectors_disk_close(&disk);
	free(data);
	return crc;
}

void vectors_check_states(struct vectors_check *c)
{
	for (size_t i = 0; i < c->s->page_count; i++) {
		if (c->s->op == VECTORS_WRITEPAGES)
			check_written_page(c, i);
		else
			check_read_page(c, i);
	}
	check_return(c);
	if (c->s->op != VECTORS_WRITEPAGES)
		return;
	if (c->r->written != c->plan->written)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "written %" PRId64 ", not %" PRId64,
			       c->r->written, c->plan->written);
	check_mapping_error(c);
	if (c->s->wbc.cyclic)
		check_index(c);
	if (c->r->crc != device_crc(c))
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "the device has wrong bytes");
}

/* ---- Against the reference: counts -------------------------------------- */

static void count_events(const struct vectors_check *c, uint64_t *ios,
			 uint64_t *calls, uint64_t *boundaries)
{
	uint64_t blocks = vectors_page_blocks(c->s);

	*ios = *calls = *boundaries = 0;
	for (size_t i = 0; i < c->r->event_count; i++) {
		const struct vectors_event *event = &c->r->events[i];

		*ios += event->type == VECTORS_IO;
		if (event->type != VECTORS_CALL)
			continue;
		++*calls;
		*boundaries += event->boundary &&
			       (event->offset + event->count) % blocks != 0;
	}
}

static void check_counts(struct vectors_check *c)
{
	const struct vectors_expect *e = &c->s->expect;
	uint64_t ios, calls, boundaries;

	count_events(c, &ios, &calls, &boundaries);
	if (ios > e->ios_max + boundaries)
		vectors_broken(c->v, VECTORS_RULE_COUNT,
			       "%" PRIu64 " I/Os, the reference has %" PRIu64
			       ", and there are %" PRIu64
			       " boundaries in mid-page",
			       ios, e->ios_max, boundaries);
	if (calls > e->calls + c->plan->m_needed)
		vectors_broken(c->v, VECTORS_RULE_CALLS,
			       "%" PRIu64 " calls, the reference has %" PRIu64
			       ", and there are %" PRIu64 " M blocks",
			       calls, e->calls, c->plan->m_needed);
}

/* ---- Against the reference: states -------------------------------------- */

/** Where the contract lets libmpio differ; see README.md. */
struct differences {
	bool lies;      /* an extent reaches past the device's end: 4d */
	bool bad;       /* 4c, 6 */
	bool unmapped;  /* 4a, 4b */
	bool past_eof;  /* 4f */
	bool m_differs; /* 4k */
};

static struct differences find_differences(const struct vectors_check *c)
{
	const struct vectors_scenario *s = c->s;
	struct differences d = {.bad = s->bad_count != 0,
				.unmapped = c->plan->any_unmapped,
				.past_eof = c->plan->any_past_eof};

	for (size_t i = 0; i < s->extent_count; i++)
		d.lies |= s->extents[i].block + s->extents[i].count >
			  c->plan->device_blocks;
	for (size_t i = 0; i < s->page_count; i++)
		d.m_differs |= c->plan->outcomes[i].m_differs;
	return d;
}

/** Add bytes to a list; those that touch the last ones are joined to them. */
static struct vectors_io *join(struct vectors_io *list, size_t *count,
			       uint64_t offset, uint64_t length)
{
	if (*count &&
	    list[*count - 1].offset + list[*count - 1].length == offset) {
		list[*count - 1].length += length;
		return list;
	}
	list = vectors_grow(list, count, sizeof(*list));
	list[*count - 1] = (struct vectors_io){offset, length};
	return list;
}

/** Rule 1 for the plan itself: the reference's I/O, flattened. */
static void check_plan(struct vectors_check *c)
{
	const struct vectors_expect *e = &c->s->expect;
	struct vectors_io *ours = NULL;
	struct vectors_io *theirs = NULL;
	size_t our_count = 0;
	size_t their_count = 0;
	bool same;

	for (size_t i = 0; i < c->plan->move_count; i++)
		ours = join(ours, &our_count, c->plan->moves[i].device,
			    c->plan->moves[i].length);
	for (size_t i = 0; i < e->io_count; i++)
		theirs = join(theirs, &their_count, e->ios[i].offset,
			      e->ios[i].length);
	same = our_count == their_count;
	for (size_t i = 0; same && i < our_count; i++)
		same = ours[i].offset == theirs[i].offset &&
		       ours[i].length == theirs[i].length;
	if (!same)
		vectors_broken(c->v, VECTORS_RULE_MODEL,
			       "moves something else than is planned");
	free(ours);
	free(theirs);
}

static void check_expected_page(struct vectors_check *c, size_t at,
				const struct differences *d)
{
	const struct vectors_expect_page *e = &c->s->expect.pages[at];
	const struct vectors_final *final = &c->r->finals[at];
	const struct vectors_outcome *outcome = &c->plan->outcomes[at];
	bool failed = outcome->fate == VECTORS_BAD ||
		      outcome->fate == VECTORS_UNMAPPED;
	uint32_t words = final->words ^ e->words;

	/* What the grouping decides in the reference: which pages share an
	 * I/O with a bad block or the device's end, and where it stops. */
	if (d->lies || (d->bad && e->words & VECTORS_ERROR))
		failed = true;
	if (outcome->fate == VECTORS_EMPTY)
		words &= ~(uint32_t)VECTORS_WRITEBACK_DONE;
	if (outcome->fate == VECTORS_UNMAPPED && !d->lies && e->words &&
	    !(e->words & VECTORS_ERROR))
		vectors_broken(c->v, VECTORS_RULE_MODEL,
			       "page %" PRIu64 " has no error",
			       c->s->pages[at].index);
	if (!failed && e->words && words)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "page %" PRIu64 " ends otherwise",
			       c->s->pages[at].index);
	if (!failed && e->has_crc && e->crc != final->crc &&
	    !outcome->m_differs)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "page %" PRIu64 " has other bytes",
			       c->s->pages[at].index);
}

static void check_expected_values(struct vectors_check *c,
				  const struct differences *d)
{
	const struct vectors_expect *e = &c->s->expect;
	const struct vectors_result *r = c->r;
	bool all = c->s->wbc.sync_all;

	if (e->has_return && !d->lies && (!d->bad || !all) &&
	    e->code != r->code)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "returns %" PRId64 ", not %" PRId64, r->code,
			       e->code);
	if (e->has_written && (!d->lies || all) && e->written != r->written)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "written %" PRId64 ", the reference says "
			       "%" PRId64,
			       r->written, e->written);
	if (!d->lies && !d->bad && !d->unmapped &&
	    e->mapping_error != r->mapping_error)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "the mapping's error is %d, not %" PRId64,
			       r->mapping_error, e->mapping_error);
	if (e->has_crc && !d->lies && !d->bad && !d->unmapped && !d->past_eof &&
	    e->crc != r->crc)
		vectors_broken(c->v, VECTORS_RULE_STATES,
			       "the device has other bytes");
}

void vectors_check_reference(struct vectors_check *c)
{
	struct differences d = find_differences(c);

	check_counts(c);
	for (size_t i = 0; i < c->s->page_count; i++)
		check_expected_page(c, i, &d);
	check_expected_values(c, &d);
	if (!d.lies && !d.unmapped && !d.past_eof && !d.m_differs)
		check_plan(c);
}

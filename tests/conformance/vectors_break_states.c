/* SPDX-License-Identifier: MIT */
/*
 * Ways to break how a result ends, pages and values; and the reference's part,
 * which must then be seen to disagree.
 */
#include "vectors_selftest.h"

#include <mpio/error.h>

/* ---- Places ------------------------------------------------------------- */

typedef bool page_fn(const struct vectors_trial *t, size_t at);

static size_t find_page(const struct vectors_trial *t, page_fn *fits, size_t n)
{
	for (size_t i = 0; i < t->s.page_count; i++) {
		if (fits(t, i) && n-- == 0)
			return i;
	}
	return t->s.page_count;
}

static bool is_write(const struct vectors_trial *t)
{
	return t->s.op == VECTORS_WRITEPAGES;
}

static bool any_page(const struct vectors_trial *t, size_t at)
{
	(void)at;
	return t->s.page_count > 0;
}

static bool is_finished(const struct vectors_trial *t, size_t at)
{
	return !is_write(t) || t->plan->outcomes[at].fate == VECTORS_MOVED;
}

static bool is_left(const struct vectors_trial *t, size_t at)
{
	return is_write(t) && t->plan->outcomes[at].fate == VECTORS_LEFT;
}

static bool has_bytes(const struct vectors_trial *t, size_t at)
{
	return is_write(t) || t->r.finals[at].words & VECTORS_UPTODATE;
}

static bool is_zeroed(const struct vectors_trial *t, size_t at)
{
	const struct vectors_outcome *outcome = &t->plan->outcomes[at];

	return is_write(t) && outcome->fate == VECTORS_MOVED &&
	       outcome->crc != outcome->zeroed;
}

/** Nothing in the scenario lets libmpio differ from the reference. */
static bool is_plain(const struct vectors_trial *t)
{
	const struct vectors_scenario *s = &t->s;
	const struct vectors_plan *plan = t->plan;

	if (!s->expect.given || s->bad_count || plan->any_unmapped ||
	    plan->any_past_eof)
		return false;
	for (size_t i = 0; i < s->page_count; i++) {
		if (plan->outcomes[i].m_differs)
			return false;
	}
	for (size_t i = 0; i < s->extent_count; i++) {
		if (s->extents[i].block + s->extents[i].count >
		    plan->device_blocks)
			return false;
	}
	return true;
}

static bool is_expected(const struct vectors_trial *t, size_t at)
{
	return is_plain(t) && t->s.expect.pages[at].words;
}

static bool is_checksummed(const struct vectors_trial *t, size_t at)
{
	return is_plain(t) && t->s.expect.pages[at].has_crc;
}

/* ---- Ways: pages -------------------------------------------------------- */

/** Look for the n-th page, and leave the way if there is none. */
#define PAGE(t, fits, n)                                                       \
	size_t at = find_page(t, fits, n);                                     \
	struct vectors_final *final = &(t)->r.finals[at];                      \
                                                                               \
	if (at == (t)->s.page_count)                                           \
		return false;                                                  \
	(void) final

static bool finish_twice(struct vectors_trial *t, size_t n)
{
	PAGE(t, is_finished, n);
	final->finished++;
	return true;
}

static bool never_finish(struct vectors_trial *t, size_t n)
{
	PAGE(t, is_finished, n);
	final->finished = 0;
	return true;
}

static bool finish_other(struct vectors_trial *t, size_t n)
{
	PAGE(t, is_left, n);
	final->finished = 1;
	return true;
}

static bool stay_locked(struct vectors_trial *t, size_t n)
{
	PAGE(t, any_page, n);
	final->locked = true;
	return true;
}

static bool lose_blocks(struct vectors_trial *t, size_t n)
{
	PAGE(t, any_page, n);
	final->lost = true;
	return true;
}

static bool flip_state(struct vectors_trial *t, size_t n)
{
	PAGE(t, any_page, n);
	final->words ^= is_write(t) ? VECTORS_DIRTY | VECTORS_CLEAN
				    : VECTORS_UPTODATE | VECTORS_NOTUPTODATE;
	return true;
}

static bool flip_error(struct vectors_trial *t, size_t n)
{
	PAGE(t, any_page, n);
	final->words ^= VECTORS_ERROR;
	return true;
}

static bool flip_writeback(struct vectors_trial *t, size_t n)
{
	PAGE(t, any_page, n);
	final->words ^= VECTORS_WRITEBACK;
	return true;
}

static bool forget_done(struct vectors_trial *t, size_t n)
{
	PAGE(t, is_finished, n);
	final->words &= ~(uint32_t)VECTORS_WRITEBACK_DONE;
	return is_write(t);
}

static bool invent_done(struct vectors_trial *t, size_t n)
{
	PAGE(t, is_left, n);
	final->words |= VECTORS_WRITEBACK_DONE;
	return true;
}

static bool change_bytes(struct vectors_trial *t, size_t n)
{
	PAGE(t, has_bytes, n);
	final->crc ^= 1;
	return true;
}

static bool keep_tail(struct vectors_trial *t, size_t n)
{
	PAGE(t, is_zeroed, n);
	final->crc = t->plan->outcomes[at].crc;
	return true;
}

/* ---- Ways: values ------------------------------------------------------- */

static bool change_device(struct vectors_trial *t, size_t n)
{
	t->r.crc ^= 1;
	return is_write(t) && n == 0;
}

static bool invent_return(struct vectors_trial *t, size_t n)
{
	t->r.code = -MPIO_EINVAL;
	return t->s.op != VECTORS_READAHEAD && n == 0;
}

static bool forget_return(struct vectors_trial *t, size_t n)
{
	bool applies = t->r.code != 0;

	t->r.code = 0;
	return applies && n == 0;
}

static bool change_written(struct vectors_trial *t, size_t n)
{
	t->r.written += n ? 1 : -1;
	return is_write(t) && n < 2;
}

static bool invent_mapping_error(struct vectors_trial *t, size_t n)
{
	bool applies = t->r.mapping_error == 0;

	t->r.mapping_error = n ? -MPIO_ENOSPC : -MPIO_EIO;
	return is_write(t) && applies && n < 2;
}

static bool forget_mapping_error(struct vectors_trial *t, size_t n)
{
	bool applies = t->r.mapping_error != 0;

	t->r.mapping_error = 0;
	return applies && n == 0;
}

static bool change_index(struct vectors_trial *t, size_t n)
{
	t->r.index = t->plan->stopped ? t->plan->stop + 2 : t->r.index + 1;
	return is_write(t) && t->s.wbc.cyclic && n == 0;
}

/* ---- Ways: the reference ------------------------------------------------ */

static bool fewer_ios(struct vectors_trial *t, size_t n)
{
	uint64_t ios = 0;
	uint64_t boundaries = 0;

	for (size_t i = 0; i < t->r.event_count; i++) {
		const struct vectors_event *event = &t->r.events[i];

		ios += event->type == VECTORS_IO;
		boundaries += event->type == VECTORS_CALL && event->boundary;
	}
	if (n || !t->s.expect.given || ios <= boundaries)
		return false;
	t->s.expect.ios_max = ios - boundaries - 1;
	return true;
}

static bool fewer_calls(struct vectors_trial *t, size_t n)
{
	uint64_t calls = 0;

	for (size_t i = 0; i < t->r.event_count; i++)
		calls += t->r.events[i].type == VECTORS_CALL;
	if (n || !t->s.expect.given || calls <= t->plan->m_needed)
		return false;
	t->s.expect.calls = calls - t->plan->m_needed - 1;
	return true;
}

static bool other_flow(struct vectors_trial *t, size_t n)
{
	if (n || !is_plain(t) || t->s.expect.io_count == 0)
		return false;
	t->s.expect.io_count--;
	return true;
}

static bool other_words(struct vectors_trial *t, size_t n)
{
	size_t at = find_page(t, is_expected, n);

	if (at == t->s.page_count)
		return false;
	t->s.expect.pages[at].words ^= VECTORS_ERROR;
	return true;
}

static bool other_bytes(struct vectors_trial *t, size_t n)
{
	size_t at = find_page(t, is_checksummed, n);

	if (at == t->s.page_count)
		return false;
	t->s.expect.pages[at].crc ^= 1;
	return true;
}

static bool other_device(struct vectors_trial *t, size_t n)
{
	t->s.expect.crc ^= 1;
	return n == 0 && is_plain(t) && t->s.expect.has_crc;
}

static bool other_return(struct vectors_trial *t, size_t n)
{
	t->s.expect.code--;
	return n == 0 && is_plain(t) && t->s.expect.has_return;
}

static bool other_written(struct vectors_trial *t, size_t n)
{
	t->s.expect.written++;
	return n == 0 && is_plain(t) && t->s.expect.has_written;
}

static bool other_error(struct vectors_trial *t, size_t n)
{
	t->s.expect.mapping_error--;
	return n == 0 && is_plain(t) && is_write(t);
}

struct vectors_way vectors_state_ways[] = {
	{"a page is finished twice", VECTORS_RULE_LIFE, finish_twice, 0, 0},
	{"a page is never finished", VECTORS_RULE_LIFE, never_finish, 0, 0},
	{"a page is finished that was left", VECTORS_RULE_LIFE, finish_other, 0,
	 0},
	{"a page stays locked", VECTORS_RULE_LIFE, stay_locked, 0, 0},
	{"dirty blocks are lost", VECTORS_RULE_LIFE, lose_blocks, 0, 0},
	{"uptodate or dirty is wrong", VECTORS_RULE_STATES, flip_state, 0, 0},
	{"error is wrong", VECTORS_RULE_STATES, flip_error, 0, 0},
	{"writeback is wrong", VECTORS_RULE_STATES, flip_writeback, 0, 0},
	{"writeback_done is missing", VECTORS_RULE_STATES, forget_done, 0, 0},
	{"writeback_done of a page that was left", VECTORS_RULE_STATES,
	 invent_done, 0, 0},
	{"a page has wrong bytes", VECTORS_RULE_STATES, change_bytes, 0, 0},
	{"bytes past the end of file stay", VECTORS_RULE_STATES, keep_tail, 0,
	 0},
	{"the device has wrong bytes", VECTORS_RULE_STATES, change_device, 0,
	 0},
	{"an error is returned", VECTORS_RULE_STATES, invent_return, 0, 0},
	{"an error is not returned", VECTORS_RULE_STATES, forget_return, 0, 0},
	{"written is wrong", VECTORS_RULE_STATES, change_written, 0, 0},
	{"an error is recorded", VECTORS_RULE_STATES, invent_mapping_error, 0,
	 0},
	{"an error is not recorded", VECTORS_RULE_STATES, forget_mapping_error,
	 0, 0},
	{"writeback_index is wrong", VECTORS_RULE_STATES, change_index, 0, 0},
	{"the reference has fewer I/Os", VECTORS_RULE_COUNT, fewer_ios, 0, 0},
	{"the reference has fewer calls", VECTORS_RULE_CALLS, fewer_calls, 0,
	 0},
	{"the reference moves less", VECTORS_RULE_MODEL, other_flow, 0, 0},
	{"the reference's page ends otherwise", VECTORS_RULE_STATES,
	 other_words, 0, 0},
	{"the reference's page has other bytes", VECTORS_RULE_STATES,
	 other_bytes, 0, 0},
	{"the reference's device has other bytes", VECTORS_RULE_STATES,
	 other_device, 0, 0},
	{"the reference returns otherwise", VECTORS_RULE_STATES, other_return,
	 0, 0},
	{"the reference counts otherwise", VECTORS_RULE_STATES, other_written,
	 0, 0},
	{"the reference records otherwise", VECTORS_RULE_STATES, other_error, 0,
	 0},
};
const size_t vectors_state_way_count =
	sizeof(vectors_state_ways) / sizeof(*vectors_state_ways);

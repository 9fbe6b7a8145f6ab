/* SPDX-License-Identifier: MIT */
/*
 * What a disk may hold after a power cut.
 */
#include "oracle.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct oracle_cell *cell_at(const struct oracle *oracle, uint64_t offset)
{
	assert_true(offset / CELL < oracle->count);
	return &oracle->cells[offset / CELL];
}

static unsigned char *version(const struct oracle_cell *cell, uint32_t index)
{
	return cell->versions + (size_t)index * CELL;
}

/* ---- What was submitted ------------------------------------------------- */

static void add(struct oracle_cell *cell, const unsigned char *bytes)
{
	if (cell->count == cell->room) {
		cell->room = cell->room * 2 + 2;
		cell->versions =
			realloc(cell->versions, (size_t)cell->room * CELL);
		assert_non_null(cell->versions);
	}
	memcpy(version(cell, cell->count++), bytes, CELL);
}

void oracle_open(struct oracle *oracle, const unsigned char *bytes,
		 size_t length)
{
	oracle->count = (uint32_t)(length / CELL);
	oracle->cells = calloc(oracle->count, sizeof(oracle->cells[0]));
	assert_non_null(oracle->cells);
	for (uint32_t i = 0; i < oracle->count; i++)
		add(&oracle->cells[i], bytes + (size_t)i * CELL);
}

void oracle_close(struct oracle *oracle)
{
	for (uint32_t i = 0; i < oracle->order_count; i++)
		free(oracle->orders[i].marks);
	for (uint32_t i = 0; i < oracle->count; i++)
		free(oracle->cells[i].versions);
	free(oracle->cells);
	*oracle = (struct oracle){0};
}

void oracle_map(struct oracle *oracle, uint64_t offset, uint64_t length)
{
	for (uint64_t at = 0; at < length; at += CELL)
		cell_at(oracle, offset + at)->mapped = true;
}

void oracle_put(struct oracle *oracle, uint64_t offset,
		const unsigned char *bytes, size_t length)
{
	assert_true(offset % CELL == 0 && length % CELL == 0);
	for (size_t at = 0; at < length; at += CELL) {
		const unsigned char *newest =
			oracle_newest(oracle, offset + at);

		if (memcmp(newest, bytes + at, CELL) != 0)
			add(cell_at(oracle, offset + at), bytes + at);
	}
}

const unsigned char *oracle_newest(const struct oracle *oracle, uint64_t offset)
{
	const struct oracle_cell *cell = cell_at(oracle, offset);

	return version(cell, cell->count - 1);
}

/* ---- What was promised -------------------------------------------------- */

uint32_t oracle_mark(const struct oracle *oracle, uint64_t offset)
{
	return cell_at(oracle, offset)->count;
}

void oracle_promise_to(struct oracle *oracle, uint64_t offset, uint32_t mark)
{
	struct oracle_cell *cell = cell_at(oracle, offset);

	if (mark > cell->doubt && mark - 1 > cell->floor)
		cell->floor = mark - 1;
}

void oracle_doubt_to(struct oracle *oracle, uint64_t offset, uint32_t mark)
{
	struct oracle_cell *cell = cell_at(oracle, offset);

	if (mark - 1 > cell->floor && mark > cell->doubt)
		cell->doubt = mark;
}

void oracle_promise(struct oracle *oracle, uint64_t offset, uint64_t length)
{
	for (uint64_t at = offset; at < offset + length; at += CELL)
		oracle_promise_to(oracle, at, oracle_mark(oracle, at));
}

void oracle_doubt(struct oracle *oracle)
{
	for (uint64_t i = 0; i < oracle->count; i++)
		oracle_doubt_to(oracle, i * CELL, oracle->cells[i].count);
}

/* ---- What goes before what ---------------------------------------------- */

/* Whether all that goes before is promised meanwhile, or in doubt. */
static bool is_settled(const struct oracle *oracle,
		       const struct oracle_order *order)
{
	for (uint32_t i = 0; i < oracle->count; i++) {
		const struct oracle_cell *cell = &oracle->cells[i];

		if (order->marks[i] > cell->floor + 1 &&
		    order->marks[i] > cell->doubt)
			return false;
	}
	return true;
}

static void forget_settled(struct oracle *oracle)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < oracle->order_count; i++) {
		if (is_settled(oracle, &oracle->orders[i]))
			free(oracle->orders[i].marks);
		else
			oracle->orders[kept++] = oracle->orders[i];
	}
	oracle->order_count = kept;
}

void oracle_order(struct oracle *oracle, uint64_t offset, uint64_t length)
{
	struct oracle_order *order;

	forget_settled(oracle);
	assert_true(oracle->order_count < ORDERS_MAX);
	order = &oracle->orders[oracle->order_count++];
	order->offset = offset;
	order->length = length;
	order->marks = calloc(oracle->count, sizeof(order->marks[0]));
	assert_non_null(order->marks);
	for (uint32_t i = 0; i < oracle->count; i++)
		order->marks[i] = oracle->cells[i].count;
}

/* ---- What may be -------------------------------------------------------- */

/* Find which versions a cell may be; false: it can be none of them. */
static bool look(struct oracle_cell *cell, const unsigned char *bytes)
{
	uint32_t end = cell->mapped ? cell->count : 1;
	bool found = false;

	for (uint32_t i = end; i-- > cell->floor;) {
		if (memcmp(version(cell, i), bytes, CELL) != 0)
			continue;
		if (!found)
			cell->newest = i;
		cell->oldest = i;
		found = true;
	}
	return found;
}

/* Whether something of what was put behind an order is there for certain. */
static bool is_begun(const struct oracle *oracle,
		     const struct oracle_order *order, uint64_t first,
		     uint64_t end)
{
	uint64_t last = (order->offset + order->length - 1) / CELL;

	for (uint64_t i = order->offset / CELL; i <= last; i++) {
		if (i >= first && i < end &&
		    oracle->cells[i].oldest >= order->marks[i])
			return true;
	}
	return false;
}

/* The first cell of [first, end) that an order is not kept for; or `end`. */
static uint64_t check_order(const struct oracle *oracle,
			    const struct oracle_order *order, uint64_t first,
			    uint64_t end)
{
	uint64_t i = first;

	if (!is_begun(oracle, order, first, end))
		return end;
	while (i < end && (oracle->cells[i].newest + 1 >= order->marks[i] ||
			   order->marks[i] <= oracle->cells[i].doubt))
		i++;
	return i;
}

uint64_t oracle_check(struct oracle *oracle, uint64_t offset,
		      const unsigned char *bytes, size_t length)
{
	uint64_t first = offset / CELL;
	uint64_t end = (offset + length) / CELL;

	for (uint64_t i = first; i < end; i++) {
		if (!look(&oracle->cells[i], bytes + (i - first) * CELL))
			return i * CELL;
	}
	for (uint32_t j = 0; j < oracle->order_count; j++) {
		uint64_t i =
			check_order(oracle, &oracle->orders[j], first, end);

		if (i < end)
			return i * CELL;
	}
	return UINT64_MAX;
}

void oracle_explain(const struct oracle *oracle, uint64_t offset,
		    const unsigned char *bytes, char *text, size_t size)
{
	const struct oracle_cell *cell = cell_at(oracle, offset);
	uint32_t i = cell->count;
	int n = snprintf(text, size, "bytes %" PRIu64 "+%u hold ", offset,
			 CELL);

	while (i > 0 && memcmp(version(cell, i - 1), bytes, CELL) != 0)
		i--;
	if (i == 0)
		snprintf(text + n, size - (size_t)n,
			 "what nobody ever submitted");
	else if (!cell->mapped)
		snprintf(text + n, size - (size_t)n,
			 "version %" PRIu32 ", though they are nobody's",
			 i - 1);
	else
		snprintf(text + n, size - (size_t)n,
			 "version %" PRIu32 ", of which %" PRIu32
			 " was promised, or what goes behind the newest of "
			 "%" PRIu32 " is there",
			 i - 1, cell->floor, cell->count);
}

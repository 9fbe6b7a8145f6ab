/* SPDX-License-Identifier: MIT */
/*
 * Failed: the parts of a device that could not be written.
 *
 * The device says of each I/O how it ended. One that failed is driven again in
 * halves, so a part is failed if the last that was said of it was an error.
 */
#include "e2io.h"

#include <stdlib.h>
#include <string.h>

/* The first range that ends behind a place. */
static size_t find(const struct failed *failed, uint64_t place)
{
	size_t low = 0, high = failed->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (failed->ranges[middle].end <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert(struct failed *failed, size_t at, struct range range)
{
	if (failed->count == failed->room) {
		size_t room = failed->room != 0 ? 2 * failed->room : 64;
		void *ranges =
			realloc(failed->ranges, room * sizeof(struct range));

		if (ranges == NULL) {
			failed->lost = true;
			return;
		}
		failed->ranges = ranges;
		failed->room = room;
	}
	memmove(&failed->ranges[at + 1], &failed->ranges[at],
		(failed->count - at) * sizeof(struct range));
	failed->ranges[at] = range;
	failed->count++;
}

static void erase(struct failed *failed, size_t at)
{
	failed->count--;
	memmove(&failed->ranges[at], &failed->ranges[at + 1],
		(failed->count - at) * sizeof(struct range));
}

void failed_remove(struct failed *failed, uint64_t start, uint64_t end)
{
	size_t at = find(failed, start);

	while (at < failed->count && failed->ranges[at].start < end) {
		struct range *range = &failed->ranges[at];
		struct range behind = {.start = end, .end = range->end};

		if (range->start >= start && range->end <= end) {
			erase(failed, at);
			continue;
		}
		if (range->start >= start) {
			range->start = end;
			return;
		}
		range->end = start;
		at++;
		if (behind.start < behind.end)
			insert(failed, at, behind);
	}
}

void failed_add(struct failed *failed, uint64_t start, uint64_t end)
{
	struct range range = {.start = start, .end = end};

	failed_remove(failed, start, end);
	insert(failed, find(failed, start), range);
}

void failed_clear(struct failed *failed)
{
	free(failed->ranges);
	*failed = (struct failed){0};
}

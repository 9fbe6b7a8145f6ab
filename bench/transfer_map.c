/* SPDX-License-Identifier: MIT */
/*
 * The file of `mpio-bench read`, `write` and `raw`: it covers the device from
 * its begin, in extents of equal length that lie there in order (the last may
 * be shorter) or, as on an old disk, in any order. Each page holds words that
 * tell its place on the device, so one that comes from elsewhere is noticed.
 */
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool map_open(struct map *map, const struct transfer_options *options)
{
	uint64_t count = options->size / options->extent;
	uint64_t pages = options->size / PAGE_SIZE;

	*map = (struct map){.size = pages * PAGE_SIZE,
			    .extent = options->extent};
	if (options->random)
		map->size = count * options->extent;
	if (map->size == 0 || count > UINT32_MAX) {
		fprintf(stderr, "mpio-bench: the file is too small or has too "
				"many extents\n");
		return false;
	}
	if (!options->random)
		return true;
	map->places = calloc((size_t)count, sizeof(*map->places));
	if (map->places == NULL) {
		fprintf(stderr, "mpio-bench: no memory for the map\n");
		return false;
	}
	transfer_shuffle(map->places, (size_t)count, options->seed);
	return true;
}

void map_close(struct map *map)
{
	free(map->places);
}

uint64_t map_find(const struct map *map, uint64_t pos, uint64_t *length)
{
	uint64_t index = pos / map->extent;
	uint64_t inside = pos % map->extent;

	*length = map->extent - inside;
	if (map->places == NULL)
		return pos;
	return map->places[index] * map->extent + inside;
}

static uint64_t word_at(uint64_t offset)
{
	return (offset + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

void map_fill(void *page, uint64_t offset)
{
	uint64_t *words = page;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		words[i] = word_at(offset + i * sizeof(*words));
}

bool map_check(const void *page, uint64_t offset)
{
	const uint64_t *words = page;
	uint64_t wrong = 0;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		wrong |= words[i] ^ word_at(offset + i * sizeof(*words));
	return wrong == 0;
}

uint32_t *transfer_dirty(const struct transfer_options *options, uint64_t pages,
			 size_t *count)
{
	uint64_t state = options->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	uint32_t *numbers = calloc((size_t)pages, sizeof(*numbers));
	size_t n = 0;

	if (numbers == NULL) {
		fprintf(stderr, "mpio-bench: no memory\n");
		return NULL;
	}
	transfer_shuffle(numbers, (size_t)pages, options->seed);
	for (size_t i = 0; i < pages; i++) {
		if (transfer_random(&state) & 1 << 20)
			numbers[n++] = numbers[i];
	}
	*count = n;
	return numbers;
}

void transfer_path(const struct transfer_options *options, char *path,
		   size_t size)
{
	size_t scheme = strcspn(options->device, ":");

	snprintf(path, size, "%s", options->device + scheme + 1);
	path[strcspn(path, "?")] = '\0';
}

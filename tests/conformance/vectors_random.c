/* SPDX-License-Identifier: MIT */
/*
 * vectors-random: random scenarios without expectations, for mpio-vectors.
 *
 *     vectors-random SEED COUNT | mpio-vectors -
 *
 * Everything that the format allows comes up sooner or later: each geometry,
 * extents that touch, jump or repeat on the device, boundaries, new and filled
 * blocks, failures, bad blocks, a device that ends early, pages with block
 * states, pages under write-back, every kind of walk, and places far out in the
 * file. The same seed makes the same scenarios; it is the first line.
 */
#include "vectors.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t state;

/** splitmix64 */
static uint64_t next(void)
{
	uint64_t x = state += 0x9E3779B97F4A7C15u;

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
	x = (x ^ x >> 27) * 0x94D049BB133111EBu;
	return x ^ x >> 31;
}

static uint64_t below(uint64_t n)
{
	return next() % n;
}

static bool chance(uint64_t percent)
{
	return below(100) < percent;
}

/** What a scenario's statements share. */
struct mould {
	uint64_t page_size, block_size, blocks; /* in a page */
	uint64_t first, count;                  /* pages */
	uint64_t device_blocks;
	uint64_t percent_hole, percent_jump, percent_flag;
	enum vectors_op op;
	struct {
		bool mapped;
	} * map; /* for each block of the pages */
};

static uint64_t block_count(const struct mould *m)
{
	return m->count * m->blocks;
}

/* ---- Sizes and the op --------------------------------------------------- */

static uint64_t file_size(const struct mould *m)
{
	uint64_t start = m->first * m->page_size;
	uint64_t length = m->count * m->page_size;

	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return start + below(length + 1);
	case 2:
		return start + below(block_count(m) + 1) * m->block_size;
	case 3:
		return start + length - below(m->block_size);
	default:
		return start + length + below(3) * m->page_size;
	}
}

static void print_sizes(struct mould *m, uint64_t number)
{
	static const unsigned limits[] = {1, 1, 2, 3, 4, 5, 8, 16, 100, 256};
	static const char *const ops[] = {"readahead", "read_page",
					  "writepages"};
	uint64_t units = (m->device_blocks * m->block_size) / 512;

	/* Now and then the device ends early, or in mid-block, or far out. */
	if (chance(30))
		units = below(units + 1);
	else if (m->op != VECTORS_WRITEPAGES && chance(10))
		units = (uint64_t)1 << 50;
	printf("scenario random-%" PRIu64 "-%s\n", number, ops[m->op]);
	printf("page_size %" PRIu64 "\nblock_size %" PRIu64 "\n", m->page_size,
	       m->block_size);
	printf("file_size %" PRIu64 "\ndevice_size %" PRIu64 "\n", file_size(m),
	       units * 512);
	printf("max_bio_pages %u\n", limits[below(10)]);
	printf("op %s", ops[m->op]);
	if (m->op == VECTORS_READAHEAD)
		printf(" %" PRIu64 " %" PRIu64, m->first, m->count);
	else if (m->op == VECTORS_READ_PAGE)
		printf(" %" PRIu64, m->first);
	printf("\n");
}

static void print_range(const struct mould *m)
{
	uint64_t start =
		m->first * m->page_size + below(m->count * m->page_size);
	uint64_t length = below(m->count * m->page_size);

	if (chance(30))
		printf(" range=%" PRIu64 "-max", start);
	else
		printf(" range=%" PRIu64 "-%" PRIu64, start, start + length);
}

static void print_wbc(const struct mould *m)
{
	if (m->op != VECTORS_WRITEPAGES || chance(10))
		return;
	printf("wbc");
	if (chance(80))
		printf(" sync=%s", chance(50) ? "all" : "none");
	if (chance(40))
		print_range(m);
	if (chance(20))
		printf(" nr_to_write=max");
	else if (chance(40))
		printf(" nr_to_write=%" PRIu64, below(m->count + 2));
	if (chance(30)) {
		printf(" cyclic=1");
		if (chance(80))
			printf(" index=%" PRIu64,
			       m->first + below(m->count + 2));
	}
	printf("\n");
}

/* ---- The map ------------------------------------------------------------ */

/** Where on the device the next extent lies, given where the last one ended. */
static uint64_t next_place(const struct mould *m, uint64_t place)
{
	if (chance(m->percent_jump) && chance(5))
		return chance(50) ? UINT64_MAX / 2 + below(1000) : next() >> 24;
	if (chance(m->percent_jump))
		return below(m->device_blocks);
	return place + (chance(20) ? 1 + below(3) : 0);
}

static uint64_t print_extent(struct mould *m, uint64_t at, uint64_t place)
{
	uint64_t left = block_count(m) - at;
	uint64_t most = chance(50) ? 4 : 4 * m->blocks;
	uint64_t count = 1 + below(most < left ? most : left);
	bool filled = m->op != VECTORS_WRITEPAGES && chance(m->percent_flag);
	bool fresh = chance(m->percent_flag);

	if (filled)
		count = 1;
	printf("map %" PRIu64 " %" PRIu64 " %" PRIu64 "%s%s%s\n",
	       m->first * m->blocks + at, place, count,
	       chance(m->percent_flag) ? " boundary" : "",
	       filled ? " uptodate" : "", fresh ? " new" : "");
	for (uint64_t i = at; i < at + count; i++) {
		m->map[i].mapped = true;
	}
	return count;
}

static void print_map(struct mould *m)
{
	uint64_t place = below(m->device_blocks);
	uint64_t at = 0;

	while (at < block_count(m)) {
		uint64_t count;

		if (chance(m->percent_hole)) {
			at += 1 + below(chance(50) ? 2 : 2 * m->blocks);
			continue;
		}
		place = next_place(m, place);
		count = print_extent(m, at, place);
		at += count;
		place += count;
	}
}

static void print_failures(const struct mould *m)
{
	if (chance(40)) {
		for (uint64_t i = 0; i < block_count(m); i++) {
			if (!m->map[i].mapped && chance(20))
				printf("fail %" PRIu64 "\n",
				       m->first * m->blocks + i);
		}
	}
	if (chance(30)) {
		for (uint64_t n = below(6); n; n--)
			printf("bad %" PRIu64 "\n", below(m->device_blocks));
	}
}

/* ---- Pages -------------------------------------------------------------- */

static void print_buffers(const struct mould *m, uint64_t page)
{
	bool all = chance(40);

	printf(" buffers");
	for (uint64_t i = 0; i < m->blocks; i++) {
		bool mapped = m->map[page * m->blocks + i].mapped;
		bool is_m = mapped && (all || chance(70));
		bool is_d = m->op == VECTORS_WRITEPAGES && (all || chance(60));
		bool is_u = m->op == VECTORS_WRITEPAGES ? all || chance(80)
							: chance(40);

		printf(" %s%s%s%s", is_m ? "M" : "", is_d ? "D" : "",
		       is_u ? "U" : "", is_m || is_d || is_u ? "" : "-");
	}
}

static void print_page(const struct mould *m, uint64_t page, bool busy,
		       uint64_t percent_buffers)
{
	printf("page %" PRIu64, m->first + page);
	if (m->op == VECTORS_WRITEPAGES) {
		if (chance(70))
			printf(" uptodate");
		if (chance(85))
			printf(" dirty");
		if (busy && chance(25))
			printf(" writeback");
	}
	if (m->op != VECTORS_WRITEPAGES || chance(percent_buffers))
		print_buffers(m, page);
	printf("\n");
}

static void print_pages(const struct mould *m)
{
	uint64_t percent_buffers = below(3) * 50;
	bool busy = chance(30);

	if (m->op == VECTORS_READ_PAGE && chance(60))
		print_page(m, 0, false, 100);
	for (uint64_t i = 0; m->op == VECTORS_WRITEPAGES && i < m->count; i++) {
		if (chance(85))
			print_page(m, i, busy, percent_buffers);
	}
}

/* ---- A scenario --------------------------------------------------------- */

/** Most files begin at 0; some are looked at far out. */
static uint64_t first_page(const struct mould *m)
{
	uint64_t places = UINT64_MAX / m->page_size;

	switch (below(8)) {
	case 0:
		return 0xFFFFFFFFu / m->page_size;
	case 1:
		return below(places / 2);
	case 2:
		return below(40);
	default:
		return 0;
	}
}

static void print_scenario(uint64_t number)
{
	struct mould m = {.percent_hole = below(4) * 12,
			  .percent_jump = below(4) * 20,
			  .percent_flag = below(4) * 12};

	m.op = (enum vectors_op)below(3);
	m.page_size = (uint64_t)512 << below(8);
	do
		m.block_size = (uint64_t)512 << below(8);
	while (m.block_size > m.page_size);
	m.blocks = m.page_size / m.block_size;
	m.count = m.op == VECTORS_READ_PAGE ? 1
					    : 1 + below(chance(5)    ? 600
							: chance(50) ? 6
								     : 40);
	if (m.count * m.page_size > (uint64_t)1 << 20)
		m.count = ((uint64_t)1 << 20) / m.page_size;
	m.first = first_page(&m);
	m.device_blocks = 1 + below(2 * m.count * m.blocks + 8);
	m.map = vectors_alloc((size_t)block_count(&m), sizeof(*m.map));
	print_sizes(&m, number);
	print_wbc(&m);
	print_map(&m);
	print_failures(&m);
	print_pages(&m);
	printf("end\n\n");
	free(m.map);
}

int main(int argc, char **argv)
{
	uint64_t count;

	if (argc != 3 || !vectors_number(argv[1], &state) ||
	    !vectors_number(argv[2], &count)) {
		fprintf(stderr, "usage: vectors-random SEED COUNT\n");
		return 2;
	}
	printf("# vectors-random %" PRIu64 " %" PRIu64 "\n\n", state, count);
	for (uint64_t i = 0; i < count; i++)
		print_scenario(i);
	return 0;
}

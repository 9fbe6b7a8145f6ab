/* SPDX-License-Identifier: MIT */
/*
 * An allocator that counts what is out, knows the size of each block, and fails
 * if the seed wants so. Its memory is the same in each run, so that nothing
 * depends on addresses.
 */
#include "sim.h"

#include <string.h>

/* What is not part of a block may not be touched; a sanitizer watches that. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)0)
#endif

#define ARENA_BYTES (64u << 20)
#define POWERS 26u

/* In front of each block. */
union header {
	struct {
		size_t size;
		union header *next;
	} block;
	max_align_t align;
};

static _Alignas(4096) unsigned char arena[ARENA_BYTES];
static size_t used;
static union header *free_blocks[POWERS];
static uint64_t out;
static uint32_t failing;

static unsigned power_of(size_t size)
{
	unsigned power = 6;

	while ((size_t)1 << power < size)
		power++;
	CHECK(power < POWERS);
	return power;
}

static void *make(size_t size)
{
	unsigned power = power_of(size + sizeof(union header));
	union header *header = free_blocks[power];

	if (failing != 0 && !world.calm && below(1000) < failing) {
		fault_note(KIND_MEMORY);
		return NULL;
	}
	if (header != NULL) {
		free_blocks[power] = header->block.next;
	} else {
		CHECK(ARENA_BYTES - used >= (size_t)1 << power);
		header = (union header *)(arena + used);
		used += (size_t)1 << power;
	}
	ASAN_POISON_MEMORY_REGION(header, (size_t)1 << power);
	ASAN_UNPOISON_MEMORY_REGION(header, sizeof(*header) + size);
	header->block.size = size;
	out++;
	totals.allocations++;
	/* Nobody may count on zeros. */
	memset(header + 1, UNTOUCHED, size < 512 ? size : 512);
	return header + 1;
}

static void drop(union header *header)
{
	unsigned power = power_of(header->block.size + sizeof(*header));

	CHECK(out != 0);
	out--;
	memset(header + 1, 0xdd,
	       header->block.size < 512 ? header->block.size : 512);
	ASAN_POISON_MEMORY_REGION(header, (size_t)1 << power);
	ASAN_UNPOISON_MEMORY_REGION(header, sizeof(*header));
	header->block.size = SIZE_MAX / 2;
	header->block.next = free_blocks[power];
	free_blocks[power] = header;
}

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	union header *header = ptr;
	void *made = NULL;

	(void)ctx;
	if (header != NULL)
		header--;
	CHECK((header != NULL ? header->block.size : 0) == old_size);
	if (new_size != 0) {
		made = make(new_size);
		if (made == NULL)
			return NULL;
	}
	if (header != NULL && made != NULL)
		memcpy(made, ptr, old_size < new_size ? old_size : new_size);
	if (header != NULL)
		drop(header);
	return made;
}

const struct mpio_allocator sim_allocator = {.resize = resize};

void memory_begin(void)
{
	ASAN_UNPOISON_MEMORY_REGION(arena, used);
	used = 0;
	out = 0;
	failing = 0;
	memset(free_blocks, 0, sizeof(free_blocks));
}

void memory_fail(uint32_t thousandth)
{
	failing = thousandth;
}

void memory_end(void)
{
	CHECK(out == 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a disk holds: a tree of two levels, leaves and chunks, each of them
 * shared by as many images as show the same bytes there, and copied by the one
 * that writes. So a snapshot takes a pointer for each leaf, and what was never
 * written takes nothing.
 */
#include "sim_private.h"

#include <mpio/error.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *memory, int byte, size_t size);

void *mpio__sim_alloc(const struct mpio_allocator *allocator, size_t size)
{
	return allocator->resize(allocator->ctx, NULL, 0, size);
}

void mpio__sim_free(const struct mpio_allocator *allocator, void *memory,
		    size_t size)
{
	if (memory != NULL)
		(void)allocator->resize(allocator->ctx, memory, size, 0);
}

static void put_chunk(const struct mpio_allocator *allocator,
		      struct sim_chunk *chunk)
{
	if (chunk != NULL && --chunk->refs == 0)
		mpio__sim_free(allocator, chunk, sizeof(*chunk));
}

static void put_leaf(const struct mpio_allocator *allocator,
		     struct sim_leaf *leaf)
{
	if (leaf == NULL || --leaf->refs != 0)
		return;
	for (uint32_t i = 0; i < SIM_LEAF; i++)
		put_chunk(allocator, leaf->chunks[i]);
	mpio__sim_free(allocator, leaf, sizeof(*leaf));
}

/* Bytes of a leaf. */
#define LEAF_BYTES ((uint64_t)SIM_LEAF * SIM_CHUNK)

static int make(const struct mpio_allocator *allocator, struct sim_image *image,
		uint64_t count)
{
	if (count > SIZE_MAX / sizeof(struct sim_leaf *))
		return -MPIO_ENOMEM; /* GCOVR_EXCL_LINE: 32-bit machines */
	image->count = (size_t)count;
	image->leaves = mpio__sim_alloc(
		allocator, image->count * sizeof(struct sim_leaf *));
	return image->leaves != NULL ? 0 : -MPIO_ENOMEM;
}

int mpio__sim_image_init(const struct mpio_allocator *allocator,
			 struct sim_image *image, uint64_t size)
{
	int error = make(allocator, image,
			 size / LEAF_BYTES + (size % LEAF_BYTES != 0));

	for (size_t i = 0; error == 0 && i < image->count; i++)
		image->leaves[i] = NULL;
	return error;
}

void mpio__sim_image_free(const struct mpio_allocator *allocator,
			  struct sim_image *image)
{
	if (image->leaves == NULL)
		return;
	for (size_t i = 0; i < image->count; i++)
		put_leaf(allocator, image->leaves[i]);
	mpio__sim_free(allocator, image->leaves,
		       image->count * sizeof(struct sim_leaf *));
	image->leaves = NULL;
}

int mpio__sim_image_share(const struct mpio_allocator *allocator,
			  const struct sim_image *image, struct sim_image *copy)
{
	int error = make(allocator, copy, image->count);

	for (size_t i = 0; error == 0 && i < image->count; i++) {
		copy->leaves[i] = image->leaves[i];
		if (copy->leaves[i] != NULL)
			copy->leaves[i]->refs++;
	}
	return error;
}

/* The chunk that an offset lies in; NULL: zeros. */
static struct sim_chunk *chunk_at(const struct sim_image *image,
				  uint64_t offset)
{
	const struct sim_leaf *leaf = image->leaves[offset / LEAF_BYTES];

	if (leaf == NULL)
		return NULL;
	return leaf->chunks[offset / SIM_CHUNK % SIM_LEAF];
}

/* Bytes from an offset to the end of its chunk, or `length`. */
static size_t piece(uint64_t offset, size_t length)
{
	size_t left = SIM_CHUNK - (size_t)(offset % SIM_CHUNK);

	return left < length ? left : length;
}

void mpio__sim_image_read(const struct sim_image *image, uint64_t offset,
			  unsigned char *to, size_t length)
{
	while (length != 0) {
		struct sim_chunk *chunk = chunk_at(image, offset);
		size_t n = piece(offset, length);

		if (chunk != NULL)
			memcpy(to, chunk->bytes + offset % SIM_CHUNK, n);
		else
			memset(to, 0, n);
		offset += n;
		to += n;
		length -= n;
	}
}

static int own_leaf(const struct mpio_allocator *allocator,
		    struct sim_leaf **place)
{
	struct sim_leaf *old = *place;
	struct sim_leaf *leaf;

	if (old != NULL && old->refs == 1)
		return 0;
	leaf = mpio__sim_alloc(allocator, sizeof(*leaf));
	if (leaf == NULL)
		return -MPIO_ENOMEM;
	leaf->refs = 1;
	for (uint32_t i = 0; i < SIM_LEAF; i++) {
		leaf->chunks[i] = old != NULL ? old->chunks[i] : NULL;
		if (leaf->chunks[i] != NULL)
			leaf->chunks[i]->refs++;
	}
	put_leaf(allocator, old);
	*place = leaf;
	return 0;
}

static int own_chunk(const struct mpio_allocator *allocator,
		     struct sim_chunk **place)
{
	struct sim_chunk *old = *place;
	struct sim_chunk *chunk;

	if (old != NULL && old->refs == 1)
		return 0;
	chunk = mpio__sim_alloc(allocator, sizeof(*chunk));
	if (chunk == NULL)
		return -MPIO_ENOMEM;
	chunk->refs = 1;
	if (old != NULL)
		memcpy(chunk->bytes, old->bytes, sizeof(chunk->bytes));
	else
		memset(chunk->bytes, 0, sizeof(chunk->bytes));
	put_chunk(allocator, old);
	*place = chunk;
	return 0;
}

int mpio__sim_image_reserve(const struct mpio_allocator *allocator,
			    struct sim_image *image, uint64_t offset,
			    size_t length, bool zeros)
{
	while (length != 0) {
		struct sim_leaf **leaf = &image->leaves[offset / LEAF_BYTES];
		size_t place = (size_t)(offset / SIM_CHUNK % SIM_LEAF);
		size_t n = piece(offset, length);
		int error = 0;

		if (!zeros || chunk_at(image, offset) != NULL)
			error = own_leaf(allocator, leaf);
		if (error == 0 && (!zeros || chunk_at(image, offset) != NULL))
			error = own_chunk(allocator, &(*leaf)->chunks[place]);
		if (error != 0)
			return error;
		offset += n;
		length -= n;
	}
	return 0;
}

void mpio__sim_image_write(struct sim_image *image, uint64_t offset,
			   const unsigned char *from, size_t length)
{
	while (length != 0) {
		struct sim_chunk *chunk = chunk_at(image, offset);
		size_t n = piece(offset, length);

		if (from != NULL)
			memcpy(chunk->bytes + offset % SIM_CHUNK, from, n);
		else if (chunk != NULL)
			memset(chunk->bytes + offset % SIM_CHUNK, 0, n);
		if (from != NULL)
			from += n;
		offset += n;
		length -= n;
	}
}

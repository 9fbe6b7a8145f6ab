/* SPDX-License-Identifier: MIT */
/*
 * What a disk holds: an array of chunks, each shared by as many images as show
 * the same bytes there, and copied by the one that writes. So a snapshot takes
 * a pointer for each chunk, and a chunk that was never written takes nothing.
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

int mpio__sim_image_init(const struct mpio_allocator *allocator,
			 struct sim_image *image, uint64_t size)
{
	uint64_t count = size / SIM_CHUNK + (size % SIM_CHUNK != 0);

	if (count > SIZE_MAX / sizeof(struct sim_chunk *))
		return -MPIO_ENOMEM;
	image->count = (size_t)count;
	image->chunks = mpio__sim_alloc(
		allocator, image->count * sizeof(struct sim_chunk *));
	if (image->chunks == NULL)
		return -MPIO_ENOMEM;
	for (size_t i = 0; i < image->count; i++)
		image->chunks[i] = NULL;
	return 0;
}

void mpio__sim_image_free(const struct mpio_allocator *allocator,
			  struct sim_image *image)
{
	if (image->chunks == NULL)
		return;
	for (size_t i = 0; i < image->count; i++)
		put_chunk(allocator, image->chunks[i]);
	mpio__sim_free(allocator, image->chunks,
		       image->count * sizeof(struct sim_chunk *));
	image->chunks = NULL;
}

int mpio__sim_image_share(const struct mpio_allocator *allocator,
			  const struct sim_image *image, struct sim_image *copy)
{
	int error = mpio__sim_image_init(allocator, copy,
					 (uint64_t)image->count * SIM_CHUNK);

	if (error != 0)
		return error;
	for (size_t i = 0; i < image->count; i++) {
		copy->chunks[i] = image->chunks[i];
		if (copy->chunks[i] != NULL)
			copy->chunks[i]->refs++;
	}
	return 0;
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
		struct sim_chunk *chunk = image->chunks[offset / SIM_CHUNK];
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
		struct sim_chunk **place = &image->chunks[offset / SIM_CHUNK];
		size_t n = piece(offset, length);
		int error = 0;

		if (!zeros || *place != NULL)
			error = own_chunk(allocator, place);
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
		struct sim_chunk *chunk = image->chunks[offset / SIM_CHUNK];
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

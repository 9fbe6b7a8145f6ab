/* SPDX-License-Identifier: MIT */
/*
 * What the library promises to a device.
 */
#include "promises.h"

#include <stdbool.h>

uint32_t promises_block(const struct mpio_device *device)
{
	uint32_t block = device->limits.logical_block_size;

	return block != 0 ? block : 512;
}

static void check_pieces(const struct mpio_device *device,
			 const struct mpio_bio *bio)
{
	const struct mpio_limits *limits = &device->limits;
	uint32_t mask = limits->memory_alignment != 0
				? limits->memory_alignment - 1
				: 0;
	uint64_t sum = 0;

	FUZZ_CHECK(limits->segments_max == 0 ||
		   bio->vec_count <= limits->segments_max);
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		FUZZ_CHECK(vec->base != NULL && vec->length != 0);
		FUZZ_CHECK(((uintptr_t)vec->base & mask) == 0);
		FUZZ_CHECK(i + 1 == bio->vec_count ||
			   (vec->length & mask) == 0);
		sum += vec->length;
	}
	FUZZ_CHECK(sum == bio->length);
}

static void check_place(const struct mpio_device *device,
			const struct mpio_bio *bio)
{
	const struct mpio_limits *limits = &device->limits;
	uint32_t mask = promises_block(device) - 1;
	uint64_t end = bio->offset + bio->length;

	FUZZ_CHECK(bio->length != 0);
	FUZZ_CHECK(bio->offset < device->size && bio->offset <= end);
	FUZZ_CHECK(end <= device->size);
	FUZZ_CHECK((bio->offset & mask) == 0);
	FUZZ_CHECK((end & mask) == 0 || end == device->size);
	FUZZ_CHECK(bio->op == MPIO_BIO_DISCARD || limits->bytes_max == 0 ||
		   bio->length <= limits->bytes_max);
}

void promises_check(const struct mpio_device *device,
		    const struct mpio_bio *bio)
{
	uint32_t features = device->limits.features;

	FUZZ_CHECK(bio->op <= MPIO_BIO_DISCARD);
	FUZZ_CHECK(bio->op != MPIO_BIO_FLUSH || (features & MPIO_DEVICE_FLUSH));
	if (bio->op == MPIO_BIO_FLUSH)
		return;
	check_place(device, bio);
	if (bio->op == MPIO_BIO_DISCARD)
		FUZZ_CHECK(features & MPIO_DEVICE_DISCARD);
	else
		check_pieces(device, bio);
	FUZZ_CHECK(bio->op == MPIO_BIO_READ ||
		   !(features & MPIO_DEVICE_READONLY));
}

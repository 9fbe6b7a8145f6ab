/* SPDX-License-Identifier: MIT */
/*
 * Checked arithmetic: every conversion between bytes and blocks, and every
 * sum that outside numbers go into, is one of these pure functions. None can
 * overflow, divide or loop without a bound; each says in its name what unit it
 * gives. Nothing else in the library multiplies or adds what it was told by a
 * caller, a callback or a device.
 */
#ifndef MPIO_ARITH_H
#define MPIO_ARITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool mpio__is_power_of_two(uint32_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* The exponent of a power of two. */
static inline uint32_t mpio__log2(uint32_t power)
{
	uint32_t shift = 0;

	while (power > 1) {
		power >>= 1;
		shift++;
	}
	return shift;
}

static inline uint32_t mpio__min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t mpio__max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint64_t mpio__min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline size_t mpio__min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline bool mpio__is_aligned(uint64_t bytes, uint32_t power)
{
	return (bytes & (power - 1)) == 0;
}

/* The sum, or the largest number if it does not fit. */
static inline uint64_t mpio__add_sat(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* Whether [offset, offset + length) lies in [0, size). */
static inline bool mpio__range_fits(uint64_t offset, uint64_t length,
				    uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* Whether [block, block + count) has byte positions at all. */
static inline bool mpio__blocks_have_bytes(uint64_t block, uint64_t count,
					   uint32_t shift)
{
	return mpio__range_fits(block, count, UINT64_MAX >> shift);
}

/* How many blocks it takes to hold so many bytes. */
static inline uint64_t mpio__bytes_to_blocks_up(uint64_t bytes, uint32_t shift)
{
	uint64_t blocks = bytes >> shift;

	return blocks << shift == bytes ? blocks : blocks + 1;
}

/*
 * How many of `count` blocks, the first of which lies at byte `offset`, begin
 * before a device of `size` bytes ends.
 */
static inline uint64_t mpio__blocks_on_device(uint64_t offset, uint64_t count,
					      uint32_t shift, uint64_t size)
{
	if (offset >= size)
		return 0;
	return mpio__min_u64(count,
			     mpio__bytes_to_blocks_up(size - offset, shift));
}

/* *sum += count * size; false, and *sum is lost, if that is no size_t. */
static inline bool mpio__size_add(size_t *sum, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return false;
	if (count * size > SIZE_MAX - *sum)
		return false;
	*sum += count * size;
	return true;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Checked arithmetic: conversions between bytes and blocks, and checks of what
 * a caller, a callback or a device said, as pure functions. None can overflow,
 * divide or loop without a bound; each says in its name what unit it gives.
 * Sums of outside numbers elsewhere follow a check made with one of these.
 *
 * The comments that begin with an @ are contracts in ACSL, proven for every
 * argument that they admit (tests/proof.sh). Numbers in them are whole ones of
 * any size: a sum there never wraps round.
 */
#ifndef MPIO_ARITH_H
#define MPIO_ARITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kept apart from its caller, which it would cost registers or stack. */
#define MPIO__APART __attribute__((noinline))

/*@ predicate mpio_is_power(integer p) =
  @	\exists integer n; 0 <= n < 32 && p == (1 << n); */

/*@ assigns \nothing;
  @ ensures \result <==> mpio_is_power(x); */
static inline bool mpio__is_power_of_two(uint32_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* The exponent of a power of two. */
/*@ requires power > 0;
  @ assigns \nothing;
  @ ensures \result < 32 && (1 << \result) <= power < 2 * (1 << \result); */
static inline uint32_t mpio__log2(uint32_t power)
{
	uint32_t shift = 0;

	/*@ loop invariant power == (\at(power, Pre) >> shift);
	  @ loop invariant power >= 1 && shift <= 31;
	  @ loop assigns power, shift;
	  @ loop variant power; */
	while (power > 1) {
		power >>= 1;
		shift++;
	}
	return shift;
}

/* A configured value, or, if it is 0, what is usual. */
/*@ assigns \nothing;
  @ ensures \result == (value != 0 ? value : usual); */
static inline uint32_t mpio__or_default(uint32_t value, uint32_t usual)
{
	return value != 0 ? value : usual;
}

/*@ assigns \nothing;
  @ ensures \result == \min(a, b); */
static inline uint32_t mpio__min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*@ assigns \nothing;
  @ ensures \result == \max(a, b); */
static inline uint32_t mpio__max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/*@ assigns \nothing;
  @ ensures \result == \min(a, b); */
static inline uint64_t mpio__min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*@ assigns \nothing;
  @ ensures \result == \min(a, b); */
static inline size_t mpio__min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*@ requires mpio_is_power(power);
  @ assigns \nothing;
  @ ensures \result <==> bytes % power == 0; */
static inline bool mpio__is_aligned(uint64_t bytes, uint32_t power)
{
	return (bytes & (power - 1)) == 0;
}

/* The largest multiple of a power of two that is no more. */
/*@ requires mpio_is_power(power);
  @ assigns \nothing;
  @ ensures \result == bytes - bytes % power; */
static inline uint32_t mpio__align_down(uint32_t bytes, uint32_t power)
{
	return bytes - (bytes & (power - 1));
}

/* Whether a part is more than so many per cent of the whole. */
/*@ requires part <= UINT64_MAX / 100 && whole <= UINT32_MAX;
  @ assigns \nothing;
  @ ensures \result <==> part * 100 > whole * percent; */
static inline bool mpio__is_over_percent(uint64_t part, uint64_t whole,
					 uint32_t percent)
{
	return part * 100 > whole * percent;
}

/* The sum, or the largest number if it does not fit. */
/*@ assigns \nothing;
  @ ensures \result == \min(a + b, UINT64_MAX); */
static inline uint64_t mpio__add_sat(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* Sums that are meant to wrap round; no others may, and a sanitizer watches. */
/*@ assigns \nothing;
  @ ensures \result == (a + b) % (UINT64_MAX + 1); */
static inline uint64_t mpio__add_modulo(uint64_t a, uint64_t b)
{
	uint64_t sum;

	(void)__builtin_add_overflow(a, b, &sum);
	return sum;
}

/*@ assigns \nothing;
  @ ensures \result == (a >= b ? a - b : a - b + UINT64_MAX + 1); */
static inline uint64_t mpio__sub_modulo(uint64_t a, uint64_t b)
{
	uint64_t difference;

	(void)__builtin_sub_overflow(a, b, &difference);
	return difference;
}

/* Whether [offset, offset + length) lies in [0, size). */
/*@ assigns \nothing;
  @ ensures \result <==> offset + length <= size; */
static inline bool mpio__range_fits(uint64_t offset, uint64_t length,
				    uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* Whether [block, block + count) has byte positions at all. */
/*@ requires shift < 32;
  @ assigns \nothing;
  @ ensures \result <==> block + count <= (UINT64_MAX >> shift);
  @ ensures \result ==> ((block + count) << shift) <= UINT64_MAX; */
static inline bool mpio__blocks_have_bytes(uint64_t block, uint64_t count,
					   uint32_t shift)
{
	return mpio__range_fits(block, count, UINT64_MAX >> shift);
}

/* How many blocks it takes to hold so many bytes. */
/*@ requires shift < 32;
  @ assigns \nothing;
  @ ensures bytes <= (\result << shift);
  @ ensures bytes > 0 ==> \result > 0 && ((\result - 1) << shift) < bytes;
  @ ensures bytes == 0 ==> \result == 0; */
static inline uint64_t mpio__bytes_to_blocks_up(uint64_t bytes, uint32_t shift)
{
	uint64_t blocks = bytes >> shift;

	return blocks << shift == bytes ? blocks : blocks + 1;
}

/*
 * How many of `count` blocks, the first of which lies at byte `offset`, begin
 * before a device of `size` bytes ends.
 */
/*@ requires shift < 32;
  @ assigns \nothing;
  @ ensures \result <= count;
  @ ensures \forall integer i; 0 <= i < count ==>
  @	(i < \result <==> offset + (i << shift) < size); */
static inline uint64_t mpio__blocks_on_device(uint64_t offset, uint64_t count,
					      uint32_t shift, uint64_t size)
{
	if (offset >= size)
		return 0;
	return mpio__min_u64(count,
			     mpio__bytes_to_blocks_up(size - offset, shift));
}

/* *sum += count * size; false, and *sum is lost, if that is no size_t. */
/*@ requires \valid(sum);
  @ assigns *sum;
  @ ensures \result <==> \old(*sum) + count * size <= SIZE_MAX;
  @ ensures \result ==> *sum == \old(*sum) + count * size; */
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

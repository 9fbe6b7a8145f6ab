/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring: memory that was announced to a ring.
 *
 * The kernel pins it once and has it in a table, so that an I/O on it need not
 * look up and hold each page. A place of the table takes 1 GiB; more memory is
 * cut, and takes several. The ranges are kept by address, so that the one of a
 * piece is found by halving. Ranges may overlap, if memory is announced again
 * in a larger piece; then the one that begins last is looked at.
 */
#include "io_uring_private.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <string.h>
#include <sys/uio.h>

/* What one place of the table takes. */
#define PLACE_BYTES ((size_t)1 << 30)

/* ---- Finding ------------------------------------------------------------- */

/* How many ranges begin at or before an address. */
static unsigned int count_before(const struct mpio__ranges *ranges,
				 uintptr_t address)
{
	unsigned int low = 0;
	unsigned int high = ranges->count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (ranges->at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool holds(const struct mpio__range *range, const struct mpio_iovec *vec)
{
	uintptr_t address = (uintptr_t)vec->base;

	return address >= range->start && address <= range->end &&
	       vec->length <= range->end - address;
}

const struct mpio__range *mpio__ranges_find(const struct mpio__ranges *ranges,
					    const struct mpio_iovec *vecs,
					    uint32_t count)
{
	unsigned int n = count_before(ranges, (uintptr_t)vecs[0].base);
	const struct mpio__range *range;

	if (n == 0)
		return NULL;
	range = &ranges->at[n - 1];
	for (uint32_t i = 0; i < count; i++) {
		if (!holds(range, &vecs[i]))
			return NULL;
	}
	return range;
}

/* ---- Announcing ---------------------------------------------------------- */

/* Fill a place of the table, or empty it. 0 or a negative MPIO_E*. */
static int set_place(struct io_uring *ring, unsigned int index, void *base,
		     size_t length)
{
	struct iovec vec = {.iov_base = base, .iov_len = length};
	__u64 tag = 0;
	int result = io_uring_register_buffers_update_tag(ring, index, &vec,
							  &tag, 1);

	if (result == 1)
		return 0;
	return result < 0 ? mpio_error_from_host(-result) : -MPIO_ENOMEM;
}

static void add(struct mpio__ranges *ranges, uintptr_t start, size_t length)
{
	unsigned int n = count_before(ranges, start);
	unsigned int index = ranges->count++;

	memmove(&ranges->at[n + 1], &ranges->at[n],
		(index - n) * sizeof(ranges->at[0]));
	ranges->at[n] = (struct mpio__range){
		.start = start,
		.end = start + length,
		.index = (uint16_t)index,
	};
}

static size_t piece_length(size_t length, unsigned int n)
{
	size_t left = length - n * PLACE_BYTES;

	return left < PLACE_BYTES ? left : PLACE_BYTES;
}

int mpio__ranges_announce(struct mpio__ranges *ranges, struct io_uring *ring,
			  void *base, size_t length)
{
	struct mpio_iovec all = {.base = base, .length = length};
	size_t count = (length - 1) / PLACE_BYTES + 1;
	unsigned int first = ranges->count;
	unsigned int done = 0;
	char *memory = base;
	int error = 0;

	if (mpio__ranges_find(ranges, &all, 1) != NULL)
		return 0;
	if (count > MPIO__RANGES_MAX - first)
		return -MPIO_ENOSPC;
	for (; done < count; done++) {
		error = set_place(ring, first + done,
				  memory + done * PLACE_BYTES,
				  piece_length(length, done));
		if (error != 0)
			break;
	}
	if (error != 0) {
		for (; done > 0; done--)
			(void)set_place(ring, first + done - 1, NULL, 0);
		return error;
	}
	for (unsigned int i = 0; i < count; i++)
		add(ranges, (uintptr_t)base + i * PLACE_BYTES,
		    piece_length(length, i));
	return 0;
}

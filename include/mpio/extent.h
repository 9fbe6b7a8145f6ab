/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Extent: `get_block`'s answer, a run of blocks on a device.
 */
#ifndef MPIO_EXTENT_H
#define MPIO_EXTENT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_queue;

/** What an extent is. No flag at all is a hole. */
/* `block` is where it lies */
#define MPIO_EXTENT_MAPPED (1u << 0)
/* allocated by this very call; with MAPPED, and only when creating */
#define MPIO_EXTENT_NEW (1u << 1)
/* to map what follows the last block, get_block has to read metadata that
 * lies near by: what is gathered is sent before it is asked, if the last block
 * itself is read or written (a hole, or one that is uptodate, is not) */
#define MPIO_EXTENT_BOUNDARY (1u << 2)
/* get_block has filled the page's bytes itself (inline data); reads only */
#define MPIO_EXTENT_UPTODATE (1u << 3)
/* with MAPPED: allocated, but reads as zeros until `written` converts it */
#define MPIO_EXTENT_UNWRITTEN (1u << 4)

struct mpio_extent {
	uint64_t block; /* on the device, in blocks of the mapping */
	uint64_t count; /* blocks; in: wanted, out: covered, 1..wanted. A HOLE
			 * HAS A LENGTH TOO: where nothing is set, all that was
			 * wanted is a hole. */
	/*
	 * The device that holds it: NULL for the one that the call works on,
	 * or another queue of the same thread and group.
	 */
	struct mpio_queue *queue;
	uint64_t cookie; /* the engine's, for `still_valid` */
	uint32_t flags;  /* MPIO_EXTENT_* flags */
};

#ifdef __cplusplus
}
#endif
#endif

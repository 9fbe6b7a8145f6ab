/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Frames: memory for pages, in long runs. Hosted, not part of the core.
 *
 * Neighbours in memory are one piece of an I/O: a readahead window whose frames
 * follow each other is a few pieces and not hundreds, and the kernel pins
 * it in a fraction of the time. So frames come from one block of memory, made
 * of huge pages where the system has them.
 */
#ifndef MPIO_FRAMES_H
#define MPIO_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How the memory came about, the best first. */
enum mpio_frames_kind {
	MPIO_FRAMES_HUGETLB,     /* reserved huge pages */
	MPIO_FRAMES_TRANSPARENT, /* aligned for huge pages; the system was asked
				  * to use them */
	MPIO_FRAMES_PLAIN        /* small pages */
};

/** Frames, all of one size, one after the other. */
struct mpio_frames {
	unsigned char *base; /* frame i begins at base + i * frame_size */
	size_t frame_size;   /* bytes */
	size_t count;
	size_t length; /* bytes from `base` on, for
			* mpio_queue_register_memory() */
	enum mpio_frames_kind kind;
};

/**
 * Get memory for frames: zeroed, aligned to at least 4096 bytes, in one run.
 *
 * @param[out] frames  untouched on failure
 * @param frame_size   bytes; a power of two, at least 512
 * @param count        how many, at least 1
 * @return 0, or
 * @retval -MPIO_EINVAL  no such size, or no frames
 * @retval -MPIO_ENOMEM  no memory, or more than can be addressed
 */
int mpio_frames_alloc(struct mpio_frames *frames, size_t frame_size,
		      size_t count);

/**
 * Give it back. I/O on it must have ended.
 *
 * @param frames  of mpio_frames_alloc(), empty afterwards; all zero is allowed
 */
void mpio_frames_free(struct mpio_frames *frames);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Where a queue gets its memory: one function and one pointer.
 */
#ifndef MPIO_ALLOCATOR_H
#define MPIO_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_allocator {
	/**
	 * Make, resize or free a block of memory, as realloc() would.
	 *
	 * @param ctx       the `ctx` below
	 * @param ptr       NULL to make a block
	 * @param old_size  bytes, as asked for before; 0 when `ptr` is NULL
	 * @param new_size  bytes; 0 frees `ptr`
	 * @return the block, aligned for any C object, or NULL: no memory
	 *         (or freed)
	 */
	void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t new_size);
	void *ctx;
};

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * A handle of the file of cached.h, and bytes that go through it: they are read
 * into handle_bytes, and compared with those that the device has for the place.
 *
 *     handle_open(cached, 400, 64, NULL);
 *     assert_int_equal(handle_read(100, PAGE), PAGE);
 *     handle_assert_device(cached, handle_bytes, 100, PAGE);
 */
#ifndef HANDLE_H
#define HANDLE_H

#include "cached.h"

#include <mpio/file.h>

#define HANDLE_BYTES (400 * BLOCK + 64)

extern struct mpio_file handle;
extern unsigned char handle_bytes[HANDLE_BYTES];

/* One that reads nothing ahead, on a file of so many blocks. */
void handle_open(struct cached *cached, uint32_t blocks, uint32_t frames,
		 const struct mpio_file_config *config);

/* Read into handle_bytes, or to a place in them; what was there is 0xa5. */
int64_t handle_read(uint64_t pos, size_t length);
int64_t handle_read_to(unsigned char *memory, uint64_t pos, size_t length);
/* Write bytes that are all the same. */
int64_t handle_write(uint64_t pos, size_t length, int byte);

/* Bytes are those that the device has for this place. */
void handle_assert_device(struct cached *cached, const unsigned char *memory,
			  uint64_t pos, size_t length);
void handle_assert_all(const unsigned char *memory, size_t length, int byte);
/* What is before an error is given first; a read from there tells it. */
void handle_assert_error(struct cached *cached, uint64_t block, int error);

#endif

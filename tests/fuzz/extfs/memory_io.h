/* SPDX-License-Identifier: MIT */
/*
 * libext2fs on an image in memory. A program that has this takes the place of
 * what libext2fs opens files with: a name is that of the image that was shown,
 * whatever it is, and no system call is made.
 */
#ifndef MEMORY_IO_H
#define MEMORY_IO_H

#include <stddef.h>

/** What the next image to be opened consists of; it stays the caller's. */
void memory_io_show(const unsigned char *bytes, size_t size);

/** All frames are free again: arena.c. */
void arena_reset(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What is missing where there is no C library: text that is written, as much
 * of it as there is room for, counted to its end, and always ended by a NUL if
 * there is room at all; and division, which on a small machine is a function
 * of the compiler's.
 */
#ifndef MPIO_BACKENDS_PUT_H
#define MPIO_BACKENDS_PUT_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct mpio__put {
	char *at;      /* or NULL, if `size` is 0 */
	size_t size;   /* room, with the NUL */
	size_t length; /* of the whole text */
};

void mpio__put_text(struct mpio__put *put, const char *text);
void mpio__put_number(struct mpio__put *put, uint64_t number);
void mpio__put_hex(struct mpio__put *put, uint64_t number);

/* `by` is not 0, and below 2^63. */
uint64_t mpio__divide(uint64_t number, uint64_t by, uint64_t *rest);
uint64_t mpio__rest(uint64_t number, uint64_t by);

#pragma GCC visibility pop

#endif

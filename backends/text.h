/* SPDX-License-Identifier: MIT */
/*
 * Text, read and written: the parts of a URI, and what is said of a device.
 *
 *     options.c  in: options, sizes, times, switches
 *     text.c     out: text that may be longer than its room
 */
#ifndef MPIO_BACKENDS_TEXT_H
#define MPIO_BACKENDS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shared between the archives of the backends, and seen by nobody else. */
#pragma GCC visibility push(hidden)

/* End a text at the first `c` and tell what stands behind; NULL: no `c`. */
char *mpio__cut_at(char *text, char c);
/* Undo %-escapes in place; false if one is broken, or would be a NUL. */
bool mpio__unescape(char *text);
/* '1' or '0'; 0 or -MPIO_EINVAL. */
int mpio__switch_parse(const char *value, bool *on);
/* Nanoseconds, or with us, ms or s behind them, as rules have it; the same. */
int mpio__time_parse(const char *text, uint32_t *ns);

/* Text that grows as snprintf() has it. */
struct mpio__text {
	char *at;      /* or NULL: only counted */
	size_t size;   /* room, with the NUL */
	size_t length; /* of the whole text */
};

__attribute__((format(printf, 2, 3))) void mpio__say(struct mpio__text *text,
						     const char *format, ...);

#pragma GCC visibility pop

#endif

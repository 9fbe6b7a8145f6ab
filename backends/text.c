/* SPDX-License-Identifier: MIT */
/*
 * Text that is written: as much of it as there is room for, and counted to its
 * end.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

void mpio__say(struct mpio__text *text, const char *format, ...)
{
	bool fits = text->at != NULL && text->length < text->size;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(fits ? text->at + text->length : NULL,
			   fits ? text->size - text->length : 0, format, args);
	va_end(args);
	if (length > 0)
		text->length += (size_t)length;
}

/* SPDX-License-Identifier: MIT */
/*
 * Text that is read: the parts of a URI, cut in place, and the values of its
 * options. Nothing is allocated, and nothing believed that cannot be read to
 * its end.
 */
#include "text.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <stdlib.h>
#include <string.h>

/* ---- Parts -------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool mpio__unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high;
		int low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = hex_digit(from[1]);
		low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || high + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	*to = '\0';
	return true;
}

char *mpio__cut_at(char *text, char c)
{
	char *at = strchr(text, c);

	if (at != NULL)
		*at++ = '\0';
	return at;
}

int mpio_option_next(char **options, const char **name, const char **value)
{
	char *option = *options;
	char *rest;
	char *text;

	if (*option == '\0')
		return 0;
	rest = mpio__cut_at(option, '&');
	if (rest == NULL)
		rest = option + strlen(option);
	text = mpio__cut_at(option, '=');
	if (text == NULL || *option == '\0' || !mpio__unescape(text))
		return -MPIO_EINVAL;
	*options = rest;
	*name = option;
	*value = text;
	return 1;
}

/* ---- Values ------------------------------------------------------------- */

int mpio__switch_parse(const char *value, bool *on)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return -MPIO_EINVAL;
	*on = value[0] == '1';
	return 0;
}

int mpio__time_parse(const char *text, uint32_t *ns)
{
	char *end;
	unsigned long long value;
	unsigned long long factor = 1;

	if (*text < '0' || *text > '9')
		return -MPIO_EINVAL;
	value = strtoull(text, &end, 10);
	if (strcmp(end, "us") == 0)
		factor = 1000;
	else if (strcmp(end, "ms") == 0)
		factor = 1000000;
	else if (strcmp(end, "s") == 0)
		factor = 1000000000;
	else if (*end != '\0' && strcmp(end, "ns") != 0)
		return -MPIO_EINVAL;
	if (value > UINT32_MAX / factor)
		return -MPIO_EINVAL;
	*ns = (uint32_t)(value * factor);
	return 0;
}

/* log2 of what a suffix multiplies by, or -1. */
static int suffix_shift(const char *suffix)
{
	if (suffix[0] == '\0')
		return 0;
	if (suffix[1] != '\0')
		return -1;
	switch (suffix[0]) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return -1;
	}
}

int mpio_size_parse(const char *text, uint64_t *size)
{
	uint64_t value = 0;
	int shift;

	if (*text < '0' || *text > '9')
		return -MPIO_EINVAL;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -MPIO_EINVAL;
		value = value * 10 + digit;
	}
	shift = suffix_shift(text);
	if (shift < 0 || value > UINT64_MAX >> shift)
		return -MPIO_EINVAL;
	*size = value << shift;
	return 0;
}

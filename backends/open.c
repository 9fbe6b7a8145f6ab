/* SPDX-License-Identifier: MIT */
/*
 * Devices by name.
 *
 * A URI is copied once and cut in place: scheme, path, options. The scheme
 * picks a function, which gets the path and takes the options off their list
 * one by one, so that it meets every one and can refuse what it does not know.
 * The schemes of this library are named in code: a table of pointers would
 * have to be relocated, and a list to register with would be global state.
 * Backends of other libraries come with the call.
 */
#include "open.h"

#include <mpio/backends/mem.h>
#include <mpio/error.h>
#include <mpio/open.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading text ------------------------------------------------------- */

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

/* Undo %-escapes in place; false if one is broken, or would be a NUL. */
static bool unescape(char *text)
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

/* End a text at the first `c` and tell what stands behind; NULL: no `c`. */
static char *cut_at(char *text, char c)
{
	char *at = strchr(text, c);

	if (at != NULL)
		*at++ = '\0';
	return at;
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

int mpio_option_next(char **options, const char **name, const char **value)
{
	char *option = *options;
	char *rest;
	char *text;

	if (*option == '\0')
		return 0;
	rest = cut_at(option, '&');
	if (rest == NULL)
		rest = option + strlen(option);
	text = cut_at(option, '=');
	if (text == NULL || *option == '\0' || !unescape(text))
		return -MPIO_EINVAL;
	*options = rest;
	*name = option;
	*value = text;
	return 1;
}

/* ---- mem: --------------------------------------------------------------- */

static void close_mem(struct mpio_device *device)
{
	struct mpio_mem *mem = (struct mpio_mem *)device;

	free(mem->data);
	free(mem);
}

static int describe_mem(struct mpio_device *device, char *text, size_t size)
{
	(void)device;
	return snprintf(text, size, "backend: mem\n");
}

static int open_mem(const char *path, char *options,
		    struct mpio_device **device)
{
	struct mpio_mem *mem;
	void *data;
	uint64_t size;

	if (*options != '\0' || mpio_size_parse(path, &size) != 0 || size == 0)
		return -MPIO_EINVAL;
	if (size > SIZE_MAX)
		return -MPIO_ENOMEM;
	data = calloc((size_t)size, 1);
	mem = malloc(sizeof(*mem));
	if (data == NULL || mem == NULL) {
		free(data);
		free(mem);
		return -MPIO_ENOMEM;
	}
	mpio_mem_init(mem, data, size);
	mem->device.ops.describe = describe_mem;
	mem->device.ops.close = close_mem;
	*device = &mem->device;
	return 0;
}

/* ---- Devices by name ---------------------------------------------------- */

static mpio_scheme_open_fn *find(const struct mpio_scheme *schemes, size_t n,
				 const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(schemes[i].name, name) == 0)
			return schemes[i].open;
	}
	if (strcmp(name, "mem") == 0)
		return open_mem;
	return mpio__backend_find(name);
}

/* The same with a URI that may be cut. */
static int open_cut(const struct mpio_scheme *schemes, size_t n, char *uri,
		    struct mpio_device **device)
{
	size_t length = strcspn(uri, ":/?");
	mpio_scheme_open_fn *open;
	char *path;
	char *options;

	if (length == 0 || uri[length] != ':')
		return -MPIO_EINVAL;
	path = cut_at(uri, ':');
	open = find(schemes, n, uri);
	if (open == NULL)
		return -MPIO_ENODEV;
	options = cut_at(path, '?');
	if (options == NULL)
		options = path + strlen(path);
	if (*path == '\0' || !unescape(path))
		return -MPIO_EINVAL;
	return open(path, options, device);
}

int mpio_device_open_with(const struct mpio_scheme *schemes, size_t n,
			  const char *uri, struct mpio_device **device)
{
	size_t size = strlen(uri) + 1;
	char *copy = malloc(size);
	int error;

	if (copy == NULL)
		return -MPIO_ENOMEM;
	memcpy(copy, uri, size);
	error = open_cut(schemes, n, copy, device);
	free(copy);
	return error;
}

int mpio_device_open(const char *uri, struct mpio_device **device)
{
	return mpio_device_open_with(NULL, 0, uri, device);
}

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
 *
 * A filter gets all that stands behind its name as it is, opens the device that
 * is named there in the same way, and puts itself on it.
 */
#include "open_private.h"
#include "text.h"

#include <mpio/backends/mem.h>
#include <mpio/error.h>
#include <mpio/open.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Filters that may stand on each other in a URI. */
#define FILTERS_MAX 16u

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
	if (strcmp(name, "sim") == 0)
		return mpio__sim_open_uri;
	return mpio__backend_find(name);
}

/* The same with a URI that may be cut. */
static int open_cut(const struct mpio__opening *opening, char *uri,
		    struct mpio_device **device)
{
	size_t length = strcspn(uri, ":/?");
	mpio__filter_open_fn *filter;
	mpio_scheme_open_fn *open;
	char *path;
	char *options;

	if (length == 0 || uri[length] != ':')
		return -MPIO_EINVAL;
	path = mpio__cut_at(uri, ':');
	open = find(opening->schemes, opening->n, uri);
	filter = open == NULL ? mpio__filter_find(uri) : NULL;
	if (filter != NULL)
		return filter(opening, path, device);
	if (open == NULL)
		return -MPIO_ENODEV;
	options = mpio__cut_at(path, '?');
	if (options == NULL)
		options = path + strlen(path);
	if (*path == '\0' || !mpio__unescape(path))
		return -MPIO_EINVAL;
	return open(path, options, device);
}

/* The same with any URI. */
static int open_copy(const struct mpio__opening *opening, const char *uri,
		     struct mpio_device **device)
{
	size_t size = strlen(uri) + 1;
	char *copy = malloc(size);
	int error;

	if (copy == NULL)
		return -MPIO_ENOMEM;
	memcpy(copy, uri, size);
	error = open_cut(opening, copy, device);
	free(copy);
	return error;
}

int mpio__open_below(const struct mpio__opening *opening, const char *uri,
		     struct mpio_device **device)
{
	const struct mpio__opening below = {.schemes = opening->schemes,
					    .n = opening->n,
					    .depth = opening->depth + 1};

	if (below.depth > FILTERS_MAX)
		return -MPIO_EINVAL;
	return open_copy(&below, uri, device);
}

int mpio_device_open_with(const struct mpio_scheme *schemes, size_t n,
			  const char *uri, struct mpio_device **device)
{
	const struct mpio__opening opening = {.schemes = schemes, .n = n};

	return open_copy(&opening, uri, device);
}

int mpio_device_open(const char *uri, struct mpio_device **device)
{
	return mpio_device_open_with(NULL, 0, uri, device);
}

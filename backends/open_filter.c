/* SPDX-License-Identifier: MIT */
/*
 * Devices by name: filters. What stands behind the name of one is its own words
 * first, and then the URI of the device below, or several between '|'.
 */
#include "filter_private.h"
#include "open_private.h"
#include "text.h"

#include <mpio/error.h>
#include <mpio/filters.h>
#include <mpio/open.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Devices below one filter in a URI. */
#define PARTS_MAX 16u

/* ---- What all of them need ---------------------------------------------- */

/* The filter closes what is below, and then its lock goes. */
static void close_filter(struct mpio_device *device)
{
	void *spin = ((struct filter *)device)->lock.ctx;

	mpio__filter_close(device);
	free(spin);
}

/* A filter's configuration, complete but for a hook. */
struct setup {
	struct mpio_allocator allocator;
	struct mpio_sim_lock lock;
	struct mpio_filter_config config;
};

static int set_up(struct setup *setup)
{
	setup->allocator = mpio_allocator_libc();
	setup->config = (struct mpio_filter_config){
		.allocator = &setup->allocator,
		.lock = &setup->lock,
		.flags = MPIO_FILTER_OWNS,
	};
	return mpio__lock_make(&setup->lock);
}

/* A filter was opened, or not. */
static int finish(struct setup *setup, int error, struct mpio_device **device)
{
	if (error != 0) {
		free(setup->lock.ctx);
		return error;
	}
	(*device)->ops.close = close_filter;
	return 0;
}

/* ---- One device below --------------------------------------------------- */

/* How one of them is opened; `ctx` is what its words came to. */
typedef int make_fn(struct mpio_device *lower,
		    const struct mpio_filter_config *config, const void *ctx,
		    struct mpio_device **device);

static int open_over(const struct mpio__opening *opening, const char *uri,
		     make_fn *make, const void *ctx,
		     struct mpio_device **device)
{
	struct mpio_device *lower;
	struct setup setup;
	int error = mpio__open_below(opening, uri, &lower);

	if (error != 0)
		return error;
	error = set_up(&setup);
	if (error == 0)
		error = finish(&setup, make(lower, &setup.config, ctx, device),
			       device);
	if (error != 0)
		mpio_device_close(lower);
	return error;
}

static void show(void *ctx, const struct mpio_sim_entry *entry)
{
	char line[256];

	(void)ctx;
	mpio_sim_entry_print(entry, line, sizeof(line));
	fprintf(stderr, "%s\n", line);
}

static int make_trace(struct mpio_device *lower,
		      const struct mpio_filter_config *config, const void *ctx,
		      struct mpio_device **device)
{
	struct mpio_filter_config shown = *config;

	(void)ctx;
	shown.hook = show;
	return mpio_filter_trace(lower, &shown, device);
}

static int open_trace(const struct mpio__opening *opening, char *rest,
		      struct mpio_device **device)
{
	return open_over(opening, rest, make_trace, NULL, device);
}

static int make_readonly(struct mpio_device *lower,
			 const struct mpio_filter_config *config,
			 const void *ctx, struct mpio_device **device)
{
	(void)ctx;
	return mpio_filter_readonly(lower, config, device);
}

static int open_readonly(const struct mpio__opening *opening, char *rest,
			 struct mpio_device **device)
{
	return open_over(opening, rest, make_readonly, NULL, device);
}

static int make_fault(struct mpio_device *lower,
		      const struct mpio_filter_config *config, const void *ctx,
		      struct mpio_device **device)
{
	return mpio_filter_fault(lower, config, ctx, device);
}

static int open_fault(const struct mpio__opening *opening, char *rest,
		      struct mpio_device **device)
{
	struct mpio_faults *faults = calloc(1, sizeof(*faults));
	struct mpio_fault_error why;
	const char *uri;
	int error;

	if (faults == NULL)
		return -MPIO_ENOMEM;
	error = mpio__faults_parse_some(faults, rest, &uri, &why);
	if (error == 0 && *uri != ':')
		error = -MPIO_EINVAL;
	if (error == 0)
		error = open_over(opening, uri + 1, make_fault, faults, device);
	free(faults);
	return error;
}

struct times {
	uint32_t delay;
	uint32_t jitter;
};

static int make_delay(struct mpio_device *lower,
		      const struct mpio_filter_config *config, const void *ctx,
		      struct mpio_device **device)
{
	const struct times *times = ctx;

	return mpio_filter_delay(lower, config, times->delay, times->jitter,
				 device);
}

/* DELAY or DELAY+JITTER. */
static int open_delay(const struct mpio__opening *opening, char *rest,
		      struct mpio_device **device)
{
	struct times times = {0};
	char *uri = mpio__cut_at(rest, ':');
	char *jitter = mpio__cut_at(rest, '+');

	if (uri == NULL || mpio__time_parse(rest, &times.delay) != 0 ||
	    (jitter != NULL && mpio__time_parse(jitter, &times.jitter) != 0))
		return -MPIO_EINVAL;
	return open_over(opening, uri, make_delay, &times, device);
}

/* ---- Several devices below ---------------------------------------------- */

static void close_parts(const struct mpio_filter_part *parts, uint32_t n)
{
	for (; n > 0; n--)
		mpio_device_close(parts[n - 1].device);
}

/* Open what stands between '|'; how many, or a negative errno. */
static int open_parts(const struct mpio__opening *opening, char *uris,
		      struct mpio_filter_part *parts)
{
	uint32_t n = 0;

	for (char *next; uris != NULL; uris = next) {
		int error = -MPIO_EINVAL;

		next = mpio__cut_at(uris, '|');
		if (n < PARTS_MAX)
			error = mpio__open_below(opening, uris,
						 &parts[n].device);
		if (error != 0) {
			close_parts(parts, n);
			return error;
		}
		n++;
	}
	return (int)n;
}

static int open_verify(const struct mpio__opening *opening, char *rest,
		       struct mpio_device **device)
{
	struct mpio_filter_part parts[PARTS_MAX] = {{0}};
	struct setup setup;
	int n = open_parts(opening, rest, parts);
	int error;

	if (n < 0)
		return n;
	error = n == 2 ? set_up(&setup) : -MPIO_EINVAL;
	if (error == 0)
		error = finish(&setup,
			       mpio_filter_verify(parts[0].device,
						  parts[1].device,
						  &setup.config, device),
			       device);
	if (error != 0)
		close_parts(parts, (uint32_t)n);
	return error;
}

/* 'OFFSET+LENGTH:', if it stands there; where the URI begins, or NULL. */
static char *cut_range(char *rest, struct mpio_filter_part *part)
{
	char *uri;
	char *length;

	if (*rest < '0' || *rest > '9')
		return rest;
	uri = mpio__cut_at(rest, ':');
	length = mpio__cut_at(rest, '+');
	if (uri == NULL || length == NULL ||
	    mpio_size_parse(rest, &part->offset) != 0 ||
	    mpio_size_parse(length, &part->length) != 0 || part->length == 0)
		return NULL;
	return uri;
}

/* One, or a negative errno. */
static int open_one(const struct mpio__opening *opening, const char *uri,
		    struct mpio_filter_part *part)
{
	int error = mpio__open_below(opening, uri, &part->device);

	return error != 0 ? error : 1;
}

static int open_linear(const struct mpio__opening *opening, char *rest,
		       struct mpio_device **device)
{
	struct mpio_filter_part parts[PARTS_MAX] = {{0}};
	struct setup setup;
	char *uris = cut_range(rest, &parts[0]);
	int error;
	int n = 1;

	if (uris == NULL)
		return -MPIO_EINVAL;
	if (parts[0].length == 0)
		n = open_parts(opening, uris, parts);
	else
		n = open_one(opening, uris, &parts[0]);
	if (n < 0)
		return n;
	error = set_up(&setup);
	if (error == 0)
		error = finish(&setup,
			       mpio_filter_linear(parts, (uint32_t)n,
						  &setup.config, device),
			       device);
	if (error != 0)
		close_parts(parts, (uint32_t)n);
	return error;
}

/* ---- By name ------------------------------------------------------------ */

mpio__filter_open_fn *mpio__filter_find(const char *name)
{
	if (strcmp(name, "fault") == 0)
		return open_fault;
	if (strcmp(name, "trace") == 0)
		return open_trace;
	if (strcmp(name, "delay") == 0)
		return open_delay;
	if (strcmp(name, "readonly") == 0)
		return open_readonly;
	if (strcmp(name, "linear") == 0)
		return open_linear;
	if (strcmp(name, "verify") == 0)
		return open_verify;
	return NULL;
}

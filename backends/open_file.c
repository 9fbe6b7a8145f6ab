/* SPDX-License-Identifier: MIT */
/*
 * Devices by name: the backends for files of the host, and 'file:', which
 * takes the best of them that works.
 *
 * All but posix are libraries of their own, and a program may be linked with
 * any of them. Weak references tell with which: no registration, which would
 * be global state, and no constructor.
 */
#include "hostfile.h"
#include "open_private.h"

#include <mpio/backends/io_uring.h>
#include <mpio/backends/libaio.h>
#include <mpio/backends/posix.h>
#include <mpio/backends/threads.h>
#include <mpio/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- posix: ------------------------------------------------------------- */

static int open_posix(const char *path, char *options,
		      struct mpio_device **device)
{
	struct mpio_posix_config config = {0};
	int error = mpio__hostfile_options(&config, options, NULL, NULL);

	return error != 0 ? error : mpio_posix_open(path, &config, device);
}

/* ---- The backends that may be linked ------------------------------------ */

/*
 * Each is a library of its own. A weak reference is NULL if the program was
 * linked without it, and does not make the linker look for it.
 */
__attribute__((weak)) mpio_scheme_open_fn mpio_io_uring_open_uri;
__attribute__((weak)) mpio_scheme_open_fn mpio_libaio_open_uri;
__attribute__((weak)) mpio_scheme_open_fn mpio_threads_open_uri;

enum place { IO_URING, LIBAIO, THREADS, POSIX };

/* The backend at a place, best first; NULL: not linked, or no such place. */
static mpio_scheme_open_fn *backend(unsigned int place)
{
	switch (place) {
	case IO_URING:
		return mpio_io_uring_open_uri;
	case LIBAIO:
		return mpio_libaio_open_uri;
	case THREADS:
		return mpio_threads_open_uri;
	case POSIX:
		return open_posix;
	default:
		return NULL;
	}
}

static const char backend_names[][16] = {"io_uring", "libaio", "threads",
					 "posix"};

#define BACKENDS (sizeof(backend_names) / sizeof(backend_names[0]))

/* ---- file: -------------------------------------------------------------- */

/*
 * The options for a backend, to be freed: its own and those given, of which the
 * last may have an '&' behind it. A queue on io_uring may go from thread to
 * thread, as it may on all others.
 */
static char *options_for(unsigned int place, const char *options)
{
	const char *own = place == IO_URING ? "roaming=1&" : "";
	size_t size = strlen(own) + strlen(options) + 1;
	char *copy = malloc(size);

	if (copy != NULL)
		snprintf(copy, size, "%s%s", own, options);
	return copy;
}

/* Open a file by one backend; the options stay whole, for the next one. */
static int try_backend(unsigned int place, const char *path,
		       const char *options, struct mpio_device **device)
{
	char *copy;
	int error;

	if (backend(place) == NULL)
		return -MPIO_ENODEV;
	copy = options_for(place, options);
	if (copy == NULL)
		return -MPIO_ENOMEM;
	error = backend(place)(path, copy, device);
	free(copy);
	return error;
}

/* The options must be such that every backend takes them. */
static int check_options(const char *options)
{
	struct mpio_posix_config config = {0};
	char *copy = strdup(options);
	int error;

	if (copy == NULL)
		return -MPIO_ENOMEM;
	error = mpio__hostfile_options(&config, copy, NULL, NULL);
	free(copy);
	return error;
}

/*
 * The first backend that works. All of them begin with a hostfile, which is
 * told why it was chosen.
 */
static int open_file(const char *path, char *options,
		     struct mpio_device **device)
{
	struct mpio__hostfile *file = NULL;
	struct mpio__text why;
	char text[sizeof(file->chosen)] = "";
	int error = check_options(options);

	if (error != 0)
		return error;
	why = (struct mpio__text){.at = text, .size = sizeof(text)};
	for (unsigned int i = 0; i < BACKENDS; i++) {
		error = try_backend(i, path, options, device);
		if (error == 0) {
			mpio__say(&why, "%s works", backend_names[i]);
			file = (struct mpio__hostfile *)*device;
			memcpy(file->chosen, text, sizeof(text));
			return 0;
		}
		if (backend(i) == NULL)
			mpio__say(&why, "%s is not linked; ", backend_names[i]);
		else
			mpio__say(&why, "%s: %s; ", backend_names[i],
				  mpio_strerror(error));
	}
	return error;
}

mpio_scheme_open_fn *mpio__backend_find(const char *name)
{
	if (strcmp(name, "file") == 0)
		return open_file;
	for (unsigned int i = 0; i < BACKENDS; i++) {
		if (strcmp(name, backend_names[i]) == 0)
			return backend(i);
	}
	return NULL;
}

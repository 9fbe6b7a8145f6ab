/* SPDX-License-Identifier: MIT */
/*
 * Source: the device that the data of files comes from.
 *
 * Without a word from the user it is the image file itself, by the best backend
 * that works here. A URI without a path ('io_uring:?direct=1') names another
 * backend for it; 'mem:' loads it into memory first. Any other URI goes to
 * mpio_device_open() as it is, and must lead to the same bytes as the image.
 */
#include "extfs.h"

#include <errno.h>
#include <fcntl.h>
#include <mpio/open.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Length of 'SCHEME:' if no path is behind it, else 0. */
static size_t bare_scheme(const char *uri)
{
	size_t length = strcspn(uri, ":");

	if (uri[length] != ':')
		return 0;
	length++;
	return uri[length] == '\0' || uri[length] == '?' ? length : 0;
}

/*
 * Put a path into 'SCHEME:?OPTIONS', whose scheme takes `length`, with what has
 * a meaning in a URI escaped. The image is never to be written.
 */
static char *insert_path(const char *bare, size_t length, const char *path)
{
	static const char option[] = "readonly=1";
	char *uri = malloc(strlen(bare) + 3 * strlen(path) + sizeof(option) +
			   sizeof("?&"));
	char *to = uri;

	if (!uri)
		return NULL;
	memcpy(to, bare, length);
	to += length;
	for (; *path; path++) {
		if (*path == '?')
			to = stpcpy(to, "%3f");
		else if (*path == '%')
			to = stpcpy(to, "%25");
		else
			*to++ = *path;
	}
	to = stpcpy(to, bare[length] ? bare + length : "?");
	if (to[-1] != '?')
		*to++ = '&';
	strcpy(to, option);
	return uri;
}

static int read_all(int fd, char *to, size_t size)
{
	ssize_t n;

	while (size > 0) {
		n = read(fd, to, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return EIO;
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Make the device a copy of the file in memory. */
static int load(struct source *source, const char *path)
{
	off_t size;
	int fd, error = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return mpio_error_from_host(errno);
	size = lseek(fd, 0, SEEK_END); /* of block devices too */
	if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
		error = errno;
	else if ((uint64_t)size >= SIZE_MAX)
		error = ENOMEM;
	if (!error) {
		source->memory = malloc((size_t)size + 1);
		error = source->memory ? 0 : ENOMEM;
	}
	if (!error)
		error = read_all(fd, source->memory, (size_t)size);
	close(fd);
	if (error)
		return mpio_error_from_host(error);
	mpio_mem_init(&source->mem, source->memory, (uint64_t)size);
	source->device = &source->mem.device;
	return 0;
}

static int open_uri(struct source *source, const char *uri, const char *path)
{
	size_t length = bare_scheme(uri);
	char *made;
	int status;

	if (!length)
		return mpio_device_open(uri, &source->device);
	made = insert_path(uri, length, path);
	status = made ? mpio_device_open(made, &source->device) : -MPIO_ENOMEM;
	free(made);
	return status;
}

int source_open(struct source *source, const char *uri, const char *path,
		struct report *report)
{
	int status;

	memset(source, 0, sizeof(*source));
	if (uri && !strcmp(uri, "mem:"))
		status = load(source, path);
	else
		status = open_uri(source, uri ? uri : "file:", path);
	if (!status)
		return DONE;
	report_problem(report, uri ? uri : path, "cannot open the device: %s%s",
		       mpio_strerror(status),
		       status == -MPIO_EACCES || status == -MPIO_EROFS
			       ? " (add readonly=1 to the URI?)"
			       : "");
	source_close(source);
	return NO_IMAGE;
}

void source_close(struct source *source)
{
	if (source->device != &source->mem.device)
		mpio_device_close(source->device);
	free(source->memory);
	memset(source, 0, sizeof(*source));
}

/* SPDX-License-Identifier: MIT */
/*
 * Backends as others link them:
 *
 *     backends FILE NAME...
 *
 * Ends with 0 if mpio_device_open() knows just these names for a file, and
 * 'file:' takes the first of them that the system allows.
 */
#include <mpio/error.h>
#include <mpio/open.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"io_uring", "libaio", "threads", "posix"};

static int is_wanted(const char *name, char **wanted)
{
	for (; *wanted; wanted++) {
		if (strcmp(name, *wanted) == 0)
			return 1;
	}
	return 0;
}

/* Open a file by a scheme, and say what it is; 0 or a negative errno. */
static int try_scheme(const char *scheme, const char *path, char *first_line)
{
	char uri[4096];
	char text[2048];
	struct mpio_device *device;
	int error;

	snprintf(uri, sizeof(uri), "%s:%s?readonly=1", scheme, path);
	error = mpio_device_open(uri, &device);
	if (error != 0)
		return error;
	mpio_device_describe(device, text, sizeof(text));
	mpio_device_close(device);
	printf("-- %s\n%s", scheme, text);
	snprintf(first_line, 64, "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

int main(int argc, char **argv)
{
	char first[64] = "";
	char line[64];
	char expected[64];

	if (argc < 3)
		return 2;
	for (int i = 0; i < 4; i++) {
		int error = try_scheme(names[i], argv[1], line);
		int wanted = is_wanted(names[i], argv + 2);

		if (wanted ? error == -MPIO_ENODEV : error != -MPIO_ENODEV) {
			printf("%s: %s\n", names[i], mpio_strerror(error));
			return 1;
		}
		snprintf(expected, sizeof(expected), "backend: %s", names[i]);
		if (error == 0 && strcmp(line, expected) != 0)
			return 1;
		if (error == 0 && first[0] == '\0')
			snprintf(first, sizeof(first), "%s", line);
	}
	return try_scheme("file", argv[1], line) != 0 ||
	       strcmp(line, first) != 0;
}

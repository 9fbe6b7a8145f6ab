/* SPDX-License-Identifier: MIT */
/*
 *     mpio-device-suite [OPTION...] URI...
 *
 * Runs the device suite on devices by name. A URI without a path, as 'posix:'
 * or 'libaio:?direct=1', gets a file of its own, which goes away afterwards;
 * 'mem:' and 'sim:' get the size they need, and of the latter the power is cut. 'filter+URI' puts a filter over the device
 * that hands everything down. What a URI with a path names is overwritten.
 *
 *     --dir DIR      where files are made; else in TMPDIR, or /var/tmp
 *     --seed N       of all that is random
 *     --size SIZE    to be used; else 8M
 *     --only TEST    this one alone
 *     --deadline N   seconds that a test may take; else 60
 *     --list         the names of the tests
 *
 * Ends with 0, with 1 if a test failed, with 2 for a bad command line, and with
 * 77 if no device was there to be tested.
 */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "device_suite_rig.h"

#include <mpio/simdisk.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILTER "filter+"

/* What one URI comes to. */
struct target {
	const char *uri;     /* as it was given */
	const char *scheme;  /* the URI behind 'filter+' */
	const char *options; /* behind its '?', or empty */
	int scheme_length;   /* up to where a path stands, with the ':' */
	bool filtered;
	bool in_memory;
	bool own; /* a path, or another device with a size, is named */
	bool readonly;
	char path[1024]; /* of our own file */
	struct ds_filter filter;
};

/* ---- A device by name ---------------------------------------------------- */

/* A file has the size that was asked for, and exactly that. */
static int make_file(const struct target *target, uint64_t size)
{
	int fd = open(target->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int error = 0;

	if (fd < 0)
		return mpio_error_from_host(errno);
	if (ftruncate(fd, (off_t)size) != 0)
		error = mpio_error_from_host(errno);
	close(fd);
	return error;
}

/* A path as it stands in a URI. */
static void escape(char *to, const char *path)
{
	for (; *path != '\0'; path++) {
		if (*path == '%' || *path == '?')
			to += sprintf(to, "%%%02x", (unsigned)*path);
		else
			*to++ = *path;
	}
	*to = '\0';
}

static int open_lower(struct target *target, uint64_t size,
		      struct mpio_device **device)
{
	char path[3 * sizeof(target->path)];
	char uri[sizeof(path) + 256];
	int error;

	if (target->own)
		return mpio_device_open(target->scheme, device);
	if (target->in_memory) {
		snprintf(uri, sizeof(uri), "%.*s%" PRIu64 "%s%s",
			 target->scheme_length, target->scheme, size,
			 target->options[0] != '\0' ? "?" : "",
			 target->options);
		return mpio_device_open(uri, device);
	}
	error = make_file(target, size);
	if (error != 0)
		return error;
	escape(path, target->path);
	snprintf(uri, sizeof(uri), "%.*s%s%s%s", target->scheme_length,
		 target->scheme, path, target->options[0] != '\0' ? "?" : "",
		 target->options);
	return mpio_device_open(uri, device);
}

static int open_target(void *ctx, uint64_t size, struct mpio_device **device)
{
	struct target *target = ctx;
	int error = open_lower(target, size, device);

	if (error != 0 || !target->filtered)
		return error;
	ds_filter_init(&target->filter, *device, NULL);
	*device = &target->filter.device;
	return 0;
}

static void close_target(void *ctx, struct mpio_device *device)
{
	struct target *target = ctx;

	mpio_device_close(target->filtered ? target->filter.lower : device);
}

/* What is not durable is gone. */
static void cut_target(void *ctx, struct mpio_device *device)
{
	struct target *target = ctx;

	if (target->filtered)
		device = target->filter.lower;
	if (mpio_sim_cut(mpio_sim_of(device), MPIO_SIM_DRAWN, 1) != 0)
		abort();
}

static bool has_scheme(const struct target *target, const char *scheme)
{
	return strncmp(target->scheme, scheme, strlen(scheme)) == 0;
}

/* Whether what it holds is gone when it is closed, filters on it or not. */
static bool is_in_memory(const struct target *target)
{
	return (strstr(target->scheme, "mem:") != NULL ||
		strstr(target->scheme, "sim:") != NULL) &&
	       strstr(target->scheme, "posix:") == NULL &&
	       strstr(target->scheme, "threads:") == NULL;
}

static void parse_uri(struct target *target, const char *uri, const char *dir)
{
	size_t length;

	*target = (struct target){.uri = uri, .scheme = uri};
	if (strncmp(uri, FILTER, strlen(FILTER)) == 0) {
		target->filtered = true;
		target->scheme = uri + strlen(FILTER);
	}
	/* The path is that of the last device of a stack. */
	length = strcspn(target->scheme, "?");
	target->scheme_length = (int)length;
	target->own = length == 0 || target->scheme[length - 1] != ':';
	target->options = strchr(target->scheme, '?');
	target->options = target->options != NULL ? target->options + 1 : "";
	target->in_memory = is_in_memory(target);
	target->readonly = strstr(target->options, "readonly=1") != NULL;
	snprintf(target->path, sizeof(target->path), "%s/mpio-device-suite.%ld",
		 dir, (long)getpid());
}

/* ---- One after the other ------------------------------------------------- */

/* Why a device cannot be tested here, or NULL: it can. */
static const char *why_not(struct target *target, uint64_t size)
{
	struct mpio_device *device;
	int error = open_target(target, size, &device);
	bool direct = strstr(target->options, "direct=1") != NULL;

	if (error == 0)
		close_target(target, device);
	if (error == -MPIO_ENODEV)
		return "this build has no such backend";
	if (error == -MPIO_ENOSYS)
		return "the system has no such I/O";
	if (error == -MPIO_EPERM)
		return "the system forbids it";
	if (error == -MPIO_EINVAL && direct && !target->own)
		return "no direct I/O on this file system";
	return NULL;
}

/* What the backends say of themselves in their headers. */
static uint32_t flags_of(const struct target *target)
{
	uint32_t flags = 0;

	if (target->in_memory)
		flags |= MPIO_DEVICE_SUITE_VOLATILE;
	if (has_scheme(target, "mem:") || has_scheme(target, "posix:") ||
	    has_scheme(target, "threads:"))
		flags |= MPIO_DEVICE_SUITE_ORDERED;
	if (strstr(target->scheme, "io_uring:") != NULL &&
	    strstr(target->options, "roaming=1") == NULL)
		flags |= MPIO_DEVICE_SUITE_ONE_THREAD;
	return flags;
}

/* 0, 1: a test failed, or 77: skipped. */
static int run_target(struct mpio_device_suite *suite, const char *uri,
		      const char *dir)
{
	struct target *target = malloc(sizeof(*target));
	uint64_t size = suite->size != 0 ? suite->size : 8u << 20;
	const char *reason;
	int result;

	if (target == NULL)
		return 1;
	parse_uri(target, uri, dir);
	reason = why_not(target, size);
	if (reason != NULL) {
		printf("SKIPPED: %s: %s\n", uri, reason);
		result = 77;
	} else {
		suite->name = uri;
		suite->open = open_target;
		suite->close = close_target;
		suite->cut = has_scheme(target, "sim:") ? cut_target : NULL;
		suite->ctx = target;
		suite->flags = flags_of(target);
		result = mpio_device_suite_run(suite, stdout) != 0;
	}
	if (!target->own && !target->in_memory)
		unlink(target->path);
	free(target);
	return result;
}

static int usage(void)
{
	fprintf(stderr, "usage: mpio-device-suite [--dir DIR] [--seed N] "
			"[--size SIZE] [--only TEST]\n"
			"                         [--deadline N] [--list] "
			"URI...\n");
	return 2;
}

static int list(void)
{
	const char *name;

	for (unsigned i = 0; (name = mpio_device_suite_test(i)) != NULL; i++)
		printf("%s\n", name);
	return 0;
}

/* One option and its value; false: there is no such option. */
static bool set_option(struct mpio_device_suite *suite, const char **dir,
		       const char *name, const char *value)
{
	if (strcmp(name, "--dir") == 0)
		*dir = value;
	else if (strcmp(name, "--seed") == 0)
		suite->seed = strtoull(value, NULL, 0);
	else if (strcmp(name, "--only") == 0)
		suite->only = value;
	else if (strcmp(name, "--deadline") == 0)
		suite->deadline = (uint32_t)strtoul(value, NULL, 10);
	else
		return strcmp(name, "--size") == 0 &&
		       mpio_size_parse(value, &suite->size) == 0;
	return true;
}

int main(int argc, char **argv)
{
	struct mpio_device_suite suite = {0};
	const char *dir = getenv("TMPDIR");
	int skipped = 0;
	int failed = 0;
	int i = 1;

	if (dir == NULL || *dir == '\0')
		dir = "/var/tmp";
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--list") == 0)
			return list();
		if (i + 1 == argc ||
		    !set_option(&suite, &dir, argv[i], argv[i + 1]))
			return usage();
	}
	if (i == argc)
		return usage();
	for (int j = i; j < argc; j++) {
		int result = run_target(&suite, argv[j], dir);

		failed += result == 1;
		skipped += result == 77;
	}
	if (failed != 0)
		return 1;
	return skipped == argc - i ? 77 : 0;
}

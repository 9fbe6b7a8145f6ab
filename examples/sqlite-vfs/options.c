/* SPDX-License-Identifier: MIT */
/*
 * Options: the environment's MPIOVFS, 'cache=64M&direct=1', and then the
 * parameters of a database's URI, 'mpio_cache=64M&mpio_direct=1'.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_DEFAULT (UINT64_C(64) << 20)
#define CACHE_LEAST (UINT64_C(256) << 10)
#define CACHE_MOST (UINT64_C(1) << 40)
#define READAHEAD_DEFAULT (UINT64_C(1) << 20)
#define READAHEAD_MOST (UINT64_C(1) << 30)

static bool take_size(uint64_t *to, const char *value, uint64_t least,
		      uint64_t most)
{
	uint64_t size;

	if (mpio_size_parse(value, &size) != 0 || size < least || size > most)
		return false;
	*to = size;
	return true;
}

static bool take_text(char *to, size_t room, const char *value)
{
	return (size_t)snprintf(to, room, "%s", value) < room;
}

static bool take_switch(bool *to, const char *value)
{
	*to = strcmp(value, "1") == 0;
	return *to || strcmp(value, "0") == 0;
}

static bool is_backend(const char *name)
{
	return strcmp(name, "posix") == 0 || strcmp(name, "threads") == 0 ||
	       strcmp(name, "libaio") == 0 || strcmp(name, "io_uring") == 0 ||
	       strcmp(name, "file") == 0;
}

static bool take(struct options *options, const char *name, const char *value)
{
	if (strcmp(name, "cache") == 0)
		return take_size(&options->cache, value, CACHE_LEAST,
				 CACHE_MOST);
	if (strcmp(name, "readahead") == 0)
		return take_size(&options->readahead, value, 1, READAHEAD_MOST);
	if (strcmp(name, "direct") == 0)
		return take_switch(&options->direct, value);
	if (strcmp(name, "backend") == 0)
		return is_backend(value) &&
		       take_text(options->backend, sizeof(options->backend),
				 value);
	if (strcmp(name, "device") == 0)
		return take_text(options->device, sizeof(options->device),
				 value);
	return false;
}

static bool take_or_say(struct options *options, const char *name,
			const char *value)
{
	if (take(options, name, value))
		return true;
	sqlite3_log(SQLITE_CANTOPEN, "mpio: bad option %s=%s", name, value);
	return false;
}

static bool from_environment(struct options *options)
{
	const char *given = getenv("MPIOVFS");
	const char *name, *value;
	char *copy, *at;
	int more;
	bool good = true;

	if (given == NULL || *given == '\0')
		return true;
	copy = strdup(given);
	if (copy == NULL)
		return false;
	at = copy;
	while (good && (more = mpio_option_next(&at, &name, &value)) != 0)
		good = more > 0 ? take_or_say(options, name, value)
				: take_or_say(options, "MPIOVFS", given);
	free(copy);
	return good;
}

bool options_read(struct options *options, const char *name)
{
	static const char names[][16] = {"backend", "cache", "device", "direct",
					 "readahead"};

	*options = (struct options){.cache = CACHE_DEFAULT,
				    .readahead = READAHEAD_DEFAULT};
	if (!from_environment(options))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char parameter[32] = "mpio_";
		const char *value;

		strcat(parameter, names[i]);
		value = sqlite3_uri_parameter(name, parameter);
		if (value != NULL && !take_or_say(options, names[i], value))
			return false;
	}
	return true;
}

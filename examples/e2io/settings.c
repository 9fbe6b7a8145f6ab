/* SPDX-License-Identifier: MIT */
/*
 * Settings: the environment, and the URI that a name becomes.
 *
 * An option string has the form that libmpio's URIs have behind the '?', so
 * the library reads it.
 */
#include "e2io.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES (64u << 20)
#define PAGE_SIZE 4096u
#define AHEAD_BYTES (4u << 20)

/* ---- The environment ---------------------------------------------------- */

static bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

static int set_size(const char *text, uint64_t least, uint64_t most,
		    uint64_t *size)
{
	uint64_t value;

	if (mpio_size_parse(text, &value) != 0 || value < least || value > most)
		return -MPIO_EINVAL;
	*size = value;
	return 0;
}

static int set_option(struct settings *settings, const char *name,
		      const char *value)
{
	uint64_t size = 0;
	int error;

	if (strcmp(name, "cache") == 0)
		return set_size(value, 1 << 20, (uint64_t)1 << 40,
				&settings->cache_bytes);
	if (strcmp(name, "page") == 0) {
		error = set_size(value, E2IO_BLOCK, 64 * E2IO_BLOCK, &size);
		settings->page_size = (uint32_t)size;
		return is_power_of_two(size) ? error : -MPIO_EINVAL;
	}
	if (strcmp(name, "ahead") == 0) {
		error = set_size(value, 32 << 10, 1 << 30, &size);
		settings->ahead_bytes = (uint32_t)size;
		return error;
	}
	if (strcmp(name, "direct") == 0) {
		error = set_size(value, 0, 1, &size);
		settings->direct = size != 0;
		return error;
	}
	if (strcmp(name, "backend") == 0 && *value != '\0') {
		settings->backend = value;
		return 0;
	}
	return -MPIO_EINVAL;
}

static int read_options(struct settings *settings, const char *text)
{
	char *rest = settings->words;
	const char *name, *value;
	int result;

	if (strlen(text) >= sizeof(settings->words))
		return -MPIO_EINVAL;
	strcpy(settings->words, text);
	while ((result = mpio_option_next(&rest, &name, &value)) > 0) {
		if (set_option(settings, name, value) != 0)
			return -MPIO_EINVAL;
	}
	return result;
}

/* One that is set, and not to nothing. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

int settings_read(struct settings *settings)
{
	const char *options = variable("MPIO_E2IO");

	*settings = (struct settings){
		.cache_bytes = CACHE_BYTES,
		.page_size = PAGE_SIZE,
		.ahead_bytes = AHEAD_BYTES,
		.backend = "file",
		.uri = variable("MPIO_E2IO_URI"),
		.name = variable("MPIO_E2IO_NAME"),
		.stats = variable("MPIO_E2IO_STATS"),
	};
	if (options != NULL && read_options(settings, options) != 0) {
		fprintf(stderr,
			"MPIO_E2IO=%s: expected cache=SIZE, page=SIZE, "
			"ahead=SIZE, direct=0 or 1, backend=SCHEME, "
			"with '&' between them\n",
			options);
		return -MPIO_EINVAL;
	}
	return 0;
}

/* ---- URIs --------------------------------------------------------------- */

static FILE *text_open(char **text, size_t *size)
{
	*text = NULL;
	return open_memstream(text, size);
}

/* Ends a text: it, or NULL if there was not enough memory. */
static char *text_close(FILE *stream, char **text)
{
	bool failed = ferror(stream) != 0;

	if (fclose(stream) != 0 || failed) {
		free(*text);
		return NULL;
	}
	return *text;
}

/* Whatever could mean something else in a URI. */
static void put_path(FILE *stream, const char *path)
{
	for (; *path != '\0'; path++) {
		if (strchr("%?&|", *path) != NULL)
			fprintf(stream, "%%%02x", (unsigned char)*path);
		else
			putc(*path, stream);
	}
}

/* A URI that has a place, '%s', for the name. */
static const char *place_in(const char *uri)
{
	return strstr(uri, "%s");
}

static char *fill_in(const char *uri, const char *name)
{
	const char *place = place_in(uri);
	size_t size;
	char *text;
	FILE *stream = text_open(&text, &size);

	if (stream == NULL)
		return NULL;
	fwrite(uri, 1, (size_t)(place - uri), stream);
	put_path(stream, name);
	fputs(place + 2, stream);
	return text_close(stream, &text);
}

static char *own_uri(const struct settings *settings, const char *name)
{
	size_t size;
	char *text;
	FILE *stream = text_open(&text, &size);

	if (stream == NULL)
		return NULL;
	fprintf(stream, "%s:", settings->backend);
	put_path(stream, name);
	if (strcmp(settings->backend, "io_uring") == 0)
		fputs("?roaming=1", stream);
	return text_close(stream, &text);
}

char *uri_with(const char *uri, const char *option)
{
	size_t size;
	char *text;
	FILE *stream = text_open(&text, &size);

	if (stream == NULL)
		return NULL;
	fprintf(stream, "%s%c%s", uri, strchr(uri, '?') != NULL ? '&' : '?',
		option);
	return text_close(stream, &text);
}

/*
 * Whether a name is the one that the environment's URI stands for: the one
 * that it names, or else the first that is opened. Others, such as a file to
 * undo by, or a journal elsewhere, are themselves.
 */
static bool is_replaced(const struct settings *settings, const char *name)
{
	static char *first;

	if (settings->name != NULL)
		return strcmp(settings->name, name) == 0;
	if (first == NULL)
		first = strdup(name);
	return first != NULL && strcmp(first, name) == 0;
}

/*
 * A daemon goes to another directory, and may have to open the file again. What
 * has no such path is not there, which opening it will tell.
 */
static char *uri_of_path(const struct settings *settings, const char *name)
{
	char *path = realpath(name, NULL);
	const char *best = path != NULL ? path : name;
	char *uri = settings->uri != NULL && place_in(settings->uri) != NULL
			    ? fill_in(settings->uri, best)
			    : own_uri(settings, best);

	free(path);
	return uri;
}

char *settings_uri(const struct settings *settings, const char *name, bool *own)
{
	const char *uri = settings->uri;

	*own = uri == NULL || place_in(uri) != NULL ||
	       !is_replaced(settings, name);
	return *own ? uri_of_path(settings, name) : strdup(uri);
}

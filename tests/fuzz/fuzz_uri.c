/* SPDX-License-Identifier: MIT */
/*
 * The parsers of text: URIs of devices, their options, sizes. What is read is
 * compared with what a naive reader makes of it.
 *
 * The first byte says which. No file is opened: the schemes of files are
 * replaced, but for one way, in which the options of 'posix:' are read and the
 * path can be none.
 */
#include "fuzz.h"

#include <mpio/open.h>

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512u

/* What the scheme that was called got. */
static struct {
	char path[TEXT_MAX];
	char options[TEXT_MAX];
	unsigned calls;
} got;

/* ---- A naive reader ----------------------------------------------------- */

static int digit_of(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) % 16 : -1;
}

/* Undo escapes; false if one is none, or stands for a NUL. */
static bool unescape(const char *from, size_t length, char *to)
{
	for (size_t i = 0; i < length; i++) {
		int high, low;

		if (from[i] != '%') {
			*to++ = from[i];
			continue;
		}
		high = i + 1 < length ? digit_of(from[i + 1]) : -1;
		low = i + 2 < length ? digit_of(from[i + 2]) : -1;
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return false;
		*to++ = (char)(high * 16 + low);
		i += 2;
	}
	*to = '\0';
	return true;
}

/* A size, in as many digits as there may be. */
static bool size_of(const char *text, uint64_t *size)
{
	static const char suffixes[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *suffix = text + digits;
	unsigned shift = 0;
	uint64_t value = 0;

	if (digits == 0)
		return false;
	if (*suffix != '\0') {
		const char *at = strchr(suffixes, *suffix);

		if (at == NULL || suffix[1] != '\0')
			return false;
		shift = 10 * (unsigned)(at - suffixes + 1);
	}
	while (*text == '0')
		text++;
	if (suffix - text > 20)
		return false;
	for (; text < suffix; text++) {
		uint64_t next = value * 10 + (uint64_t)(*text - '0');

		if (value > UINT64_MAX / 10 || next / 10 < value)
			return false;
		value = next;
	}
	*size = value << shift;
	return *size >> shift == value;
}

/* ---- Sizes and options -------------------------------------------------- */

static void try_size(const char *text)
{
	uint64_t is = 77;
	uint64_t wanted = 77;
	int error = mpio_size_parse(text, &is);

	FUZZ_CHECK((error == 0) == size_of(text, &wanted));
	FUZZ_CHECK(error == 0 || error == -MPIO_EINVAL);
	FUZZ_CHECK(error != 0 ? is == 77 : is == wanted);
}

/* One option of a list as it was; false: it is none. */
static bool option_of(const char *list, char *name, char *value, size_t *length)
{
	const char *equals;

	*length = strcspn(list, "&");
	equals = memchr(list, '=', *length);
	if (equals == NULL || equals == list)
		return false;
	memcpy(name, list, (size_t)(equals - list));
	name[equals - list] = '\0';
	return unescape(equals + 1, *length - (size_t)(equals + 1 - list),
			value);
}

static void try_options(const char *text)
{
	char copy[TEXT_MAX];
	char name[TEXT_MAX];
	char value[TEXT_MAX];
	char *rest = copy;
	const char *is_name;
	const char *is_value;
	size_t length;

	strcpy(copy, text);
	while (*text != '\0') {
		int result = mpio_option_next(&rest, &is_name, &is_value);

		if (!option_of(text, name, value, &length)) {
			FUZZ_CHECK(result == -MPIO_EINVAL);
			return;
		}
		FUZZ_CHECK(result == 1);
		FUZZ_CHECK(strcmp(is_name, name) == 0);
		FUZZ_CHECK(strcmp(is_value, value) == 0);
		text += length;
		text += *text == '&';
		FUZZ_CHECK(strcmp(rest, text) == 0);
	}
	FUZZ_CHECK(mpio_option_next(&rest, &is_name, &is_value) == 0);
}

/* ---- URIs --------------------------------------------------------------- */

static int note(const char *path, char *options, struct mpio_device **device)
{
	(void)device;
	got.calls++;
	strcpy(got.path, path);
	strcpy(got.options, options);
	return -MPIO_ENXIO;
}

static const struct mpio_scheme schemes[] = {
	{"posix", note},  {"file", note},     {"threads", note},
	{"libaio", note}, {"io_uring", note}, {"t", note},
	{"sim", note},    {"fault", note},    {"trace", note},
	{"delay", note},  {"readonly", note}, {"linear", note},
	{"verify", note}, {"mem", note},
};

#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

/* What stands before the ':' of a URI; false: there is none. */
static bool scheme_of(const char *uri, char *name)
{
	size_t length = strcspn(uri, ":/?");

	if (length == 0 || uri[length] != ':')
		return false;
	memcpy(name, uri, length);
	name[length] = '\0';
	return true;
}

static bool is_known(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(schemes[i].name, name) == 0)
			return true;
	}
	return false;
}

/* What 'mem:' must say of the rest of a URI. */
static int mem_result(const char *path, const char *options, uint64_t *size)
{
	if (*options != '\0' || !size_of(path, size) || *size == 0)
		return -MPIO_EINVAL;
	return 0;
}

static void check_mem(const struct mpio_device *device, uint64_t size)
{
	char text[TEXT_MAX];
	size_t length = mpio_device_describe((struct mpio_device *)device, text,
					     sizeof(text));

	FUZZ_CHECK(device->size == size && length < sizeof(text));
	FUZZ_CHECK(strlen(text) == length);
	for (size_t room = 0; room < 3; room++)
		FUZZ_CHECK(mpio_device_describe((struct mpio_device *)device,
						text, room) == length);
}

/* Cut a URI's rest as documented; false: it is no path. */
static bool rest_of(const char *rest, char *path, const char **options)
{
	size_t length = strcspn(rest, "?");

	*options = rest[length] != '\0' ? rest + length + 1 : "";
	return length != 0 && unescape(rest, length, path);
}

static void try_uri(const char *uri)
{
	char name[TEXT_MAX];
	char path[TEXT_MAX];
	const char *options = "";
	struct mpio_device *device = NULL;
	size_t n = SCHEMES;
	int wanted = -MPIO_EINVAL;
	uint64_t size = 0;
	int error;

	got.calls = 0;
	if (scheme_of(uri, name) && !is_known(name, n)) {
		wanted = -MPIO_ENODEV;
	} else if (scheme_of(uri, name) &&
		   rest_of(uri + strlen(name) + 1, path, &options)) {
		wanted = -MPIO_ENXIO;
		/* The real one, unless that takes too much memory. */
		if (strcmp(name, "mem") == 0 &&
		    (mem_result(path, options, &size) != 0 || size < 65536)) {
			n--;
			wanted = mem_result(path, options, &size);
		}
	}
	error = mpio_device_open_with(schemes, n, uri, &device);
	FUZZ_CHECK(error == wanted && (device != NULL) == (error == 0));
	FUZZ_CHECK(got.calls == (error == -MPIO_ENXIO ? 1u : 0u));
	if (got.calls != 0)
		FUZZ_CHECK(strcmp(got.path, path) == 0 &&
			   strcmp(got.options, options) == 0);
	if (device != NULL)
		check_mem(device, size);
	mpio_device_close(device);
}

/* Options of a file that cannot be. */
static void try_posix(const char *text)
{
	char uri[TEXT_MAX + 32] = "posix:/dev/null/none?";
	struct mpio_device *device = NULL;
	int error;

	strcat(uri, text);
	error = mpio_device_open(uri, &device);
	FUZZ_CHECK(device == NULL && error < 0);
	FUZZ_CHECK(error == -MPIO_EINVAL || error == -MPIO_EFBIG ||
		   error == -MPIO_ENOTDIR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX];

	if (size < 2 || size > TEXT_MAX)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] & 3) {
	case 0:
		try_uri(text);
		break;
	case 1:
		try_options(text);
		break;
	case 2:
		try_size(text);
		break;
	default:
		try_posix(text);
	}
	return 0;
}

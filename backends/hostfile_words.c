/* SPDX-License-Identifier: MIT */
/*
 * Hostfile in words: the options of its URIs, and what is said of it.
 */
#include "hostfile.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- In ----------------------------------------------------------------- */

int mpio__switch_parse(const char *value, bool *on)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return -MPIO_EINVAL;
	*on = value[0] == '1';
	return 0;
}

static int taken(int error)
{
	return error != 0 ? error : 1;
}

int mpio__hostfile_option(struct mpio_posix_config *config, const char *name,
			  const char *value)
{
	if (strcmp(name, "direct") == 0)
		return taken(mpio__switch_parse(value, &config->direct));
	if (strcmp(name, "readonly") == 0)
		return taken(mpio__switch_parse(value, &config->readonly));
	if (strcmp(name, "create") == 0)
		return taken(mpio__switch_parse(value, &config->create));
	if (strcmp(name, "measure") == 0)
		return taken(mpio__switch_parse(value, &config->measure));
	if (strcmp(name, "size") == 0)
		return taken(mpio_size_parse(value, &config->size));
	return 0;
}

/* ---- Out ---------------------------------------------------------------- */

void mpio__say(struct mpio__text *text, const char *format, ...)
{
	bool fits = text->at != NULL && text->length < text->size;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(fits ? text->at + text->length : NULL,
			   fits ? text->size - text->length : 0, format, args);
	va_end(args);
	if (length > 0)
		text->length += (size_t)length;
}

static void say_gap(const struct mpio__hostfile *file, struct mpio__text *text)
{
	const struct mpio__disk *disk = &file->disk;

	if (disk->latency_us != 0)
		mpio__say(text,
			  "gap: measured, %" PRIu32 " us, %" PRIu32 " MiB/s\n",
			  disk->latency_us, disk->mib_per_s);
	else if (file->in_memory)
		mpio__say(text, "gap: none, a file in memory\n");
	else
		mpio__say(text, "gap: assumed, a disk\n");
}

void mpio__hostfile_say(const struct mpio__hostfile *file,
			struct mpio__text *text, const char *backend)
{
	const struct mpio__disk *disk = &file->disk;

	mpio__say(text, "backend: %s\n", backend);
	if (file->chosen[0] != '\0')
		mpio__say(text, "chosen: %s\n", file->chosen);
	mpio__say(text, "file: %s, %s\n",
		  file->block_device ? "block device" : "regular file",
		  file->direct ? "direct I/O" : "through the page cache");
	if (disk->bytes_max != 0)
		mpio__say(text,
			  "disk: %" PRIu32 " bytes, %" PRIu32
			  " segments a request\n",
			  disk->bytes_max, disk->segments_max);
	say_gap(file, text);
}

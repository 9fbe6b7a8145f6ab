/* SPDX-License-Identifier: MIT */
/*
 * Hostfile in words: the options of its URIs, and what is said of it.
 */
#include "hostfile.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <string.h>

/* ---- In ----------------------------------------------------------------- */

static int taken(int error)
{
	return error != 0 ? error : 1;
}

/* 1: it was one that all have; 0: it is none; -MPIO_EINVAL: a bad value. */
static int take_shared(struct mpio_posix_config *config, const char *name,
		       const char *value)
{
	if (strcmp(name, "direct") == 0)
		return taken(mpio__switch_parse(value, &config->direct));
	if (strcmp(name, "readonly") == 0)
		return taken(mpio__switch_parse(value, &config->readonly));
	if (strcmp(name, "create") == 0)
		return taken(mpio__switch_parse(value, &config->create));
	if (strcmp(name, "grows") == 0)
		return taken(mpio__switch_parse(value, &config->grows));
	if (strcmp(name, "measure") == 0)
		return taken(mpio__switch_parse(value, &config->measure));
	if (strcmp(name, "size") == 0)
		return taken(mpio_size_parse(value, &config->size));
	return 0;
}

int mpio__hostfile_options(struct mpio_posix_config *config, char *options,
			   mpio__option_fn *own, void *ctx)
{
	const char *name;
	const char *value;
	int more;

	while ((more = mpio_option_next(&options, &name, &value)) > 0) {
		int found = take_shared(config, name, value);

		if (found == 0)
			found = own != NULL ? own(ctx, name, value)
					    : -MPIO_EINVAL;
		if (found < 0)
			return found;
	}
	return more;
}

/* ---- Out ---------------------------------------------------------------- */

static void say_gap(const struct mpio__hostfile *file, struct mpio__text *text)
{
	const struct mpio__disk *disk = &file->disk;

	if (disk->latency_us != 0)
		mpio__say(text,
			  "gap: measured, %" PRIu32 " us, %" PRIu32 " MiB/s\n",
			  disk->latency_us, disk->mib_per_s);
	else if (file->in_memory)
		mpio__say(text, "gap: none, a file in memory\n");
	else if (disk->too_little)
		mpio__say(text, "gap: assumed, too little to time\n");
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
	mpio__say(text, "file: %s, %s%s\n",
		  file->block_device ? "block device" : "regular file",
		  file->direct ? "direct I/O" : "through the page cache",
		  file->grows ? ", grows" : "");
	if (disk->bytes_max != 0)
		mpio__say(text,
			  "disk: %" PRIu32 " bytes, %" PRIu32
			  " segments a request\n",
			  disk->bytes_max, disk->segments_max);
	say_gap(file, text);
}

/* SPDX-License-Identifier: MIT */
/*
 * A device in words: what its backend says, and the limits that all have.
 */
#include "text.h"

#include <mpio/open.h>

#include <inttypes.h>

/* The backend's own lines, or one that says that it has none. */
static void say_backend(struct mpio_device *device, struct mpio__text *text)
{
	int length;

	if (device->ops.describe == NULL) {
		mpio__say(text, "backend: unknown\n");
		return;
	}
	length = device->ops.describe(device, text->at, text->size);
	if (length > 0)
		text->length += (size_t)length;
}

static void say_features(uint32_t features, struct mpio__text *text)
{
	mpio__say(text, "features:%s%s%s%s%s%s\n",
		  features & MPIO_DEVICE_FUA ? " fua" : "",
		  features & MPIO_DEVICE_PREFLUSH ? " preflush" : "",
		  features & MPIO_DEVICE_FLUSH ? " flush" : "",
		  features & MPIO_DEVICE_DISCARD ? " discard" : "",
		  features & MPIO_DEVICE_READONLY ? " readonly" : "",
		  features == 0 ? " none" : "");
}

size_t mpio_device_describe(struct mpio_device *device, char *text, size_t size)
{
	const struct mpio_limits *limits = &device->limits;
	struct mpio__text to = {.at = size != 0 ? text : NULL, .size = size};

	if (to.at != NULL)
		to.at[0] = '\0';
	say_backend(device, &to);
	mpio__say(&to, "size: %" PRIu64 "\n", device->size);
	mpio__say(&to, "logical block: %" PRIu32 "\n",
		  limits->logical_block_size != 0 ? limits->logical_block_size
						  : 512);
	mpio__say(&to, "memory alignment: %" PRIu32 "\n",
		  limits->memory_alignment != 0 ? limits->memory_alignment : 1);
	mpio__say(&to, "segments: %" PRIu32 "\n", limits->segments_max);
	mpio__say(&to, "bytes: %" PRIu32 "\n", limits->bytes_max);
	mpio__say(&to, "atomic unit: %" PRIu32 "\n", limits->atomic_unit);
	mpio__say(&to, "gap bytes: %" PRIu32 "\n", limits->gap_bytes);
	say_features(limits->features, &to);
	return to.length;
}

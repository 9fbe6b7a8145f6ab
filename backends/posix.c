/* SPDX-License-Identifier: MIT */
/*
 * Backend posix: a file or block device by preadv and pwritev. A bio is done
 * inside submit; what that takes is shared with the asynchronous backends, and
 * stands in hostfile_io.c. A queue's channel is the room that one thread needs
 * for it.
 */
#include "hostfile.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <stdlib.h>

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	const struct mpio__hostfile *file = (struct mpio__hostfile *)device;

	mpio_bio_end(bio, mpio__hostfile_do(file, channel, bio));
	return 0;
}

static int open_channel(struct mpio_device *device, uint32_t depth,
			void **channel)
{
	void *memory = malloc(sizeof(struct mpio__window));

	(void)device;
	(void)depth;
	if (memory == NULL)
		return -MPIO_ENOMEM;
	*channel = memory;
	return 0;
}

static void close_channel(struct mpio_device *device, void *channel)
{
	(void)device;
	free(channel);
}

static int describe(struct mpio_device *device, char *text, size_t size)
{
	struct mpio__text to = {.at = text, .size = size};

	mpio__hostfile_say((struct mpio__hostfile *)device, &to, "posix");
	return (int)to.length;
}

static void close_device(struct mpio_device *device)
{
	struct mpio__hostfile *file = (struct mpio__hostfile *)device;

	mpio__hostfile_close(file);
	free(file);
}

int mpio_posix_open(const char *path, const struct mpio_posix_config *config,
		    struct mpio_device **device)
{
	const struct mpio_posix_config none = {0};
	struct mpio__hostfile *file = malloc(sizeof(*file));
	int error;

	if (file == NULL)
		return -MPIO_ENOMEM;
	error = mpio__hostfile_open(file, path,
				    config != NULL ? config : &none);
	if (error != 0) {
		free(file);
		return error;
	}
	file->device.ops = (struct mpio_device_ops){
		.submit = submit,
		.channel_open = open_channel,
		.channel_close = close_channel,
		.describe = describe,
		.close = close_device,
	};
	*device = &file->device;
	return 0;
}

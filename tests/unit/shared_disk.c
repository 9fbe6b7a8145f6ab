/* SPDX-License-Identifier: MIT */
/*
 * What threads that share a cache stand on: see shared_disk.h.
 */
#include "shared_disk.h"

#include <mpio/bio.h>
#include <mpio/error.h>

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64u

/* ---- The device --------------------------------------------------------- */

/* What a queue has in flight. */
struct channel {
	struct mpio_bio *bios[DEPTH_MAX];
	uint32_t count;
};

static int channel_open(struct mpio_device *device, uint32_t depth,
			void **channel)
{
	(void)device;
	if (depth > DEPTH_MAX)
		return -MPIO_EINVAL;
	*channel = calloc(1, sizeof(struct channel));
	return *channel != NULL ? 0 : -MPIO_ENOMEM;
}

static void channel_close(struct mpio_device *device, void *channel)
{
	(void)device;
	free(channel);
}

static int submit(struct mpio_device *device, void *ctx, struct mpio_bio *bio)
{
	struct channel *channel = ctx;

	(void)device;
	channel->bios[channel->count++] = bio;
	return 0;
}

static void move(unsigned char *at, struct mpio_bio *bio)
{
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, at, vec->length);
		else
			memcpy(at, vec->base, vec->length);
		at += vec->length;
	}
}

/* The last that was sent ends first. */
static int reap(struct mpio_device *device, void *ctx, int wait)
{
	struct shared_disk *disk = (struct shared_disk *)device;
	struct channel *channel = ctx;
	struct mpio_bio *bio;

	(void)wait;
	if (channel->count == 0)
		return 0;
	bio = channel->bios[--channel->count];
	move(disk->bytes + bio->offset, bio);
	mpio_bio_end(bio, 0);
	return 1;
}

/* ---- The hooks ---------------------------------------------------------- */

static void lock(void *ctx)
{
	pthread_mutex_lock(&((struct shared_disk *)ctx)->mutex);
}

static void unlock(void *ctx)
{
	pthread_mutex_unlock(&((struct shared_disk *)ctx)->mutex);
}

static void wait_for(void *ctx)
{
	struct shared_disk *disk = ctx;

	pthread_cond_wait(&disk->condition, &disk->mutex);
}

static void wake(void *ctx)
{
	pthread_cond_broadcast(&((struct shared_disk *)ctx)->condition);
}

void shared_disk_init(struct shared_disk *disk, unsigned char *bytes,
		      uint64_t size)
{
	*disk = (struct shared_disk){
		.device = {.ops = {.submit = submit,
				   .reap = reap,
				   .channel_open = channel_open,
				   .channel_close = channel_close},
			   .size = size},
		.bytes = bytes,
		.hooks = {lock, unlock, wait_for, wake, disk},
	};
	pthread_mutex_init(&disk->mutex, NULL);
	pthread_cond_init(&disk->condition, NULL);
}

void shared_disk_destroy(struct shared_disk *disk)
{
	pthread_cond_destroy(&disk->condition);
	pthread_mutex_destroy(&disk->mutex);
}

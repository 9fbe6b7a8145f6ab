/* SPDX-License-Identifier: MIT */
/*
 * The broken device: how its bios begin and end. A synchronous one does them in
 * submit; an asynchronous one notes them, pushes them in commit and ends a few
 * in each reap, not in their order. A pipe is its event descriptor.
 */
#define _POSIX_C_SOURCE 200809L

#include "device_suite_broken.h"

#include <fcntl.h>
#include <mpio/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 3 /* end in one reap */, BUSY = 4, FORGOTTEN = 40 };

struct list {
	struct mpio_bio *bios[512];
	uint32_t count;
};

struct broken_channel {
	struct list gathered;
	struct list pending;
	struct mpio_bio *ended; /* the last one */
	uint64_t seen;          /* bios, since it was opened */
	uint32_t opened;        /* times, if it is shared */
	uint32_t reaps;
	bool asked;   /* for the event descriptor */
	void *memory; /* that was announced */
	size_t memory_length;
	pthread_t owner; /* who opened it */
	int files[2];
};

static void add(struct list *list, struct mpio_bio *bio)
{
	if (list->count == 512)
		abort();
	list->bios[list->count++] = bio;
}

/* One of them, and in the order in which they came; NULL: none is left. */
static struct mpio_bio *take(struct list *list, uint32_t at)
{
	struct mpio_bio *bio;

	if (at >= list->count)
		return NULL;
	bio = list->bios[at];
	list->count--;
	memmove(list->bios + at, list->bios + at + 1,
		(list->count - at) * sizeof(*list->bios));
	return bio;
}

static bool has(const struct list *list, const struct mpio_bio *bio,
		uint32_t *at)
{
	for (*at = 0; *at < list->count; ++*at) {
		if (list->bios[*at] == bio)
			return true;
	}
	return false;
}

static struct broken *broken_of(struct mpio_device *device)
{
	return (struct broken *)device;
}

/* ---- Ending bios --------------------------------------------------------- */

static bool is_skipped(struct broken *broken, struct broken_channel *channel,
		       const struct mpio_bio *bio)
{
	const char *memory = channel != NULL ? channel->memory : NULL;
	const char *base = bio->vec_count != 0 ? bio->vecs[0].base : NULL;

	if (broken->how == DROPS_WHEN_BUSY)
		return channel->pending.count >= BUSY &&
		       bio->op == MPIO_BIO_WRITE;
	if (broken->how == LOSES_AT_THE_END)
		return channel->pending.count == 0 && channel->seen >= 24 &&
		       bio->op == MPIO_BIO_WRITE;
	return broken->how == FORGETS_ANNOUNCED && memory != NULL &&
	       base >= memory && base < memory + channel->memory_length &&
	       bio->op == MPIO_BIO_READ;
}

static void finish(struct broken *broken, struct broken_channel *channel,
		   struct mpio_bio *bio)
{
	uint32_t done = broken_done(broken, bio);
	int status = 0;

	if (broken->how == FAILS_LARGE && bio->length >= 1024 * 1024)
		status = -MPIO_EINVAL;
	else if (!is_skipped(broken, channel, bio))
		status = broken_do(broken, bio);
	if (status == 0 && done < bio->length)
		mpio_bio_end_partial(bio, done);
	else
		mpio_bio_end(bio, status);
}

/* ---- Synchronous --------------------------------------------------------- */

static int submit_now(struct mpio_device *device, void *channel,
		      struct mpio_bio *bio)
{
	finish(broken_of(device), channel, bio);
	return 0;
}

/* ---- Asynchronous -------------------------------------------------------- */

static void drain_pipe(const struct broken_channel *channel)
{
	char bytes[64];

	while (read(channel->files[0], bytes, sizeof(bytes)) > 0)
		;
}

static void signal_pipe(const struct broken *broken,
			const struct broken_channel *channel)
{
	bool told = broken->how != FD_IS_SILENT &&
		    (broken->how != FD_TELLS_WHEN_ASKED || channel->asked) &&
		    (broken->how != FD_MISSES_SOME || channel->seen % 8 != 7);

	if (told && write(channel->files[1], "", 1) < 0)
		return; /* it is full, and so readable */
}

static int submit_later(struct mpio_device *device, void *ctx,
			struct mpio_bio *bio)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = ctx;

	if (broken->how == REFUSES &&
	    channel->pending.count + channel->gathered.count >= BUSY)
		return -MPIO_EBUSY;
	if (broken->how == MINDS_THE_THREAD &&
	    !pthread_equal(channel->owner, pthread_self()))
		return -MPIO_EEXIST;
	channel->seen++;
	if (broken->how == NEVER_ENDS && channel->seen == FORGOTTEN)
		return 0;
	add(&channel->gathered, bio);
	return 0;
}

static int commit(struct mpio_device *device, void *ctx)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = ctx;
	bool some = broken->device.ops.cancel == NULL; /* BROKEN_COMMITS */
	bool forgets =
		broken->how == FORGETS_BATCH && channel->gathered.count >= 8;
	struct mpio_bio *bio;

	while ((bio = take(&channel->gathered, 0)) != NULL) {
		if (forgets && channel->gathered.count == 0)
			mpio_bio_end(bio, 0);
		else if (some && channel->gathered.count % 3 == 0)
			finish(broken, channel, bio);
		else
			add(&channel->pending, bio);
	}
	if (channel->pending.count != 0)
		signal_pipe(broken, channel);
	return 0;
}

/* End once more what has ended already, and is in use again. */
static void end_again(struct broken_channel *channel)
{
	uint32_t at;

	if (channel->ended != NULL &&
	    has(&channel->pending, channel->ended, &at))
		mpio_bio_end(take(&channel->pending, at), 0);
	channel->ended = NULL;
}

/* Which of the pending ones is next: mostly the first. */
static uint32_t next(const struct broken *broken,
		     const struct broken_channel *channel)
{
	if (broken->how == LAST_COMES_FIRST && channel->pending.count != 0)
		return channel->pending.count - 1;
	return channel->seen % 4 == 3 && channel->pending.count > 2 &&
			       broken->how == HONEST
		       ? 1
		       : 0;
}

static int reap(struct mpio_device *device, void *ctx, int wait)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = ctx;
	struct mpio_bio *bio;
	int n = 0;

	if (broken->how == WAITS_NOT && wait && channel->reaps++ % 3 != 0)
		return 0;
	if (broken->how == FAILS_TO_REAP && channel->reaps++ % 16 == 15)
		return -MPIO_EIO;
	if (broken->how == ENDS_TWICE)
		end_again(channel);
	drain_pipe(channel);
	while (n < MANY &&
	       (bio = take(&channel->pending, next(broken, channel))) != NULL) {
		finish(broken, channel, bio);
		channel->ended = bio;
		n++;
	}
	if (channel->pending.count != 0 || broken->how == FD_IS_LOUD)
		signal_pipe(broken, channel);
	return n + (broken->how == MISCOUNTS);
}

static int event_fd(struct mpio_device *device, void *ctx)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = ctx;
	struct mpio_bio *bio;

	while (broken->how == ENDS_OUTSIDE &&
	       (bio = take(&channel->pending, 0)) != NULL)
		finish(broken, channel, bio);
	channel->asked = true;
	return channel->files[0];
}

static void cancel(struct mpio_device *device, void *ctx, struct mpio_bio *bio)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = ctx;
	uint32_t at;

	if (!has(&channel->pending, bio, &at) || at % 2 == 0)
		return; /* it cannot be stopped any more */
	take(&channel->pending, at);
	if (broken->how != LOSES_CANCELLED)
		mpio_bio_end(bio, broken->how == CANCELS_SILENTLY
					  ? 0
					  : -MPIO_ECANCELED);
}

/* ---- Channels ------------------------------------------------------------ */

static int channel_open(struct mpio_device *device, uint32_t depth, void **ctx)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = broken->shared;

	(void)depth;
	if (channel == NULL) {
		channel = calloc(1, sizeof(*channel));
		if (channel == NULL || pipe(channel->files) != 0)
			abort();
		for (int i = 0; i < 2; i++)
			fcntl(channel->files[i], F_SETFL, O_NONBLOCK);
	}
	channel->opened++;
	channel->owner = pthread_self();
	if (broken->how == SHARES_CHANNEL)
		broken->shared = channel;
	*ctx = channel;
	return 0;
}

static void channel_close(struct mpio_device *device, void *ctx)
{
	struct broken *broken = broken_of(device);
	struct broken_channel *channel = ctx;

	if (--channel->opened != 0)
		return;
	if (broken->how == SHARES_CHANNEL)
		broken->shared = NULL;
	close(channel->files[0]);
	if (broken->how != LEAKS_FILES)
		close(channel->files[1]);
	free(channel);
}

static int register_memory(struct mpio_device *device, void *ctx, void *base,
			   size_t length)
{
	struct broken_channel *channel = ctx;

	if (broken_of(device)->how == REFUSES_ONE_ANNOUNCED &&
	    channel->memory != NULL)
		return -MPIO_ENOSPC;
	channel->memory = base;
	channel->memory_length = length;
	return 0;
}

static int describe(struct mpio_device *device, char *text, size_t size)
{
	struct broken *broken = broken_of(device);
	int length = snprintf(text, size, "backend: broken\nhow: %d%s",
			      (int)broken->how,
			      broken->how == DESCRIBES_BADLY ? "" : "\n");

	if (broken->how == DESCRIBES_SHORT && (size_t)length >= size)
		return size != 0 ? (int)size - 1 : 0;
	return length;
}

/* ---- Opening and closing ------------------------------------------------- */

static void set_operations(struct broken *broken, uint32_t modes)
{
	struct mpio_device_ops *ops = &broken->device.ops;

	ops->describe = describe;
	ops->channel_open = channel_open;
	ops->channel_close = channel_close;
	ops->register_memory = register_memory;
	ops->submit = submit_now;
	if (!(modes & (BROKEN_ASYNC | BROKEN_COMMITS)))
		return;
	ops->submit = submit_later;
	ops->commit = commit;
	ops->reap = reap;
	ops->event_fd = event_fd;
	if (!(modes & BROKEN_COMMITS))
		ops->cancel = cancel;
}

static void set_limits(struct broken *broken, uint32_t modes)
{
	struct mpio_limits *limits = &broken->device.limits;

	limits->features = MPIO_DEVICE_DISCARD;
	if (modes & BROKEN_VOLATILE)
		limits->features |= MPIO_DEVICE_FLUSH;
	if (modes & BROKEN_FUA)
		limits->features |= MPIO_DEVICE_FUA | MPIO_DEVICE_PREFLUSH;
	if (modes & BROKEN_READONLY)
		limits->features = MPIO_DEVICE_READONLY;
	if (modes & BROKEN_TIGHT)
		*limits = (struct mpio_limits){.logical_block_size = 4096,
					       .memory_alignment = 64,
					       .segments_max = 7,
					       .bytes_max = 40960,
					       .features = limits->features,
					       .gap_bytes = 8192};
	if (modes & BROKEN_TIGHTEST)
		*limits = (struct mpio_limits){.segments_max = 1,
					       .bytes_max = 512,
					       .features = limits->features};
	if (broken->how == LIMITS_ODDLY)
		limits->atomic_unit = 3;
}

struct broken *broken_open(uint64_t size, enum broken_how how, uint32_t modes)
{
	struct broken *broken = calloc(1, sizeof(*broken));

	if (broken == NULL)
		return NULL;
	broken->how = how;
	broken->device.size = size;
	broken->data = calloc((size_t)size + 4096, 1);
	broken->scratch = calloc(4096, 1);
	broken->held = calloc(65536, 1);
	if (modes & BROKEN_VOLATILE)
		broken->durable = calloc((size_t)size, 1);
	if (broken->data == NULL || broken->scratch == NULL ||
	    broken->held == NULL ||
	    ((modes & BROKEN_VOLATILE) && broken->durable == NULL) ||
	    pthread_mutex_init(&broken->lock, NULL) != 0)
		abort();
	set_operations(broken, modes);
	set_limits(broken, modes);
	return broken;
}

void broken_close(struct broken *broken)
{
	pthread_mutex_destroy(&broken->lock);
	free(broken->data);
	free(broken->durable);
	free(broken->scratch);
	free(broken->held);
	free(broken);
}

void broken_cut(struct broken *broken)
{
	pthread_mutex_lock(&broken->lock);
	memcpy(broken->data, broken->durable, (size_t)broken->device.size);
	pthread_mutex_unlock(&broken->lock);
}

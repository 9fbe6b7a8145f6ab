/* SPDX-License-Identifier: MIT */
/*
 * The mock device: a disk in memory that ends bios at once, or later in reap,
 * fails or comes short where it is told to, and notes what it is asked for.
 *
 * An asynchronous one moves bytes only when a bio ends, and ends only what
 * commit has pushed: a library that forgot to push would wait for ever.
 */
#include "mock.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- What the library promises ------------------------------------------ */

static void check_memory(struct mock_device *mock, const struct mpio_bio *bio)
{
	const struct mpio_limits *limits = &mock->device.limits;
	uintptr_t mask = limits->memory_alignment != 0
				 ? limits->memory_alignment - 1
				 : 0;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		if (vec->length == 0)
			trouble(mock->rig, "an empty piece of memory");
		if (((uintptr_t)vec->base & mask) != 0)
			trouble(mock->rig, "misaligned memory");
		if (i + 1 < bio->vec_count && (vec->length & mask) != 0)
			trouble(mock->rig, "a misaligned length of memory");
		sum += vec->length;
	}
	if (bio->op <= MPIO_BIO_WRITE && sum != bio->length)
		trouble(mock->rig, "pieces of %" PRIu64 " bytes, not %" PRIu32,
			sum, bio->length);
	if (limits->segments_max != 0 && bio->vec_count > limits->segments_max)
		trouble(mock->rig, "%" PRIu32 " pieces", bio->vec_count);
}

static void check(struct mock_device *mock, const struct mpio_bio *bio)
{
	const struct mpio_limits *limits = &mock->device.limits;
	uint64_t mask = limits->logical_block_size - 1;
	uint64_t end = bio->offset + bio->length;

	if (bio->op == MPIO_BIO_FLUSH) {
		if (bio->length != 0 || bio->vec_count != 0)
			trouble(mock->rig, "a flush with bytes");
		return;
	}
	if (bio->length == 0)
		trouble(mock->rig, "an empty bio");
	if (end > mock->device.size)
		trouble(mock->rig, "past the device's end");
	if ((bio->offset & mask) != 0 ||
	    ((bio->length & mask) != 0 && end != mock->device.size))
		trouble(mock->rig, "no multiple of the logical block");
	if (bio->op <= MPIO_BIO_WRITE && limits->bytes_max != 0 &&
	    bio->length > limits->bytes_max)
		trouble(mock->rig, "%" PRIu32 " bytes", bio->length);
	check_memory(mock, bio);
}

/* ---- What it notes ------------------------------------------------------ */

static void put_blocks(char *text, size_t size, uint64_t bytes)
{
	if (bytes % BLOCK == 0)
		snprintf(text, size, "%" PRIu64, bytes / BLOCK);
	else
		snprintf(text, size, "%" PRIu64 "B", bytes);
}

static void put_flags(char *text, size_t size, uint32_t flags)
{
	static const char *const names[] = {
		"sync", "readahead",  "fua",   "preflush",
		"meta", "background", "atomic"};
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (flags & 1u << i)
			used += (size_t)snprintf(text + used, size - used,
						 " %s", names[i]);
	}
}

static void note(struct mock_device *mock, const struct mpio_bio *bio)
{
	static const char *const ops[] = {"read", "write", "flush", "discard"};
	char prefix[4] = "";
	char where[64] = "";
	char flags[64] = "";
	char pieces[32] = "";

	if (mock->name != 'a')
		snprintf(prefix, sizeof(prefix), "%c:", mock->name);
	if (bio->op != MPIO_BIO_FLUSH) {
		char offset[24];
		char length[24];

		put_blocks(offset, sizeof(offset), bio->offset);
		put_blocks(length, sizeof(length), bio->length);
		snprintf(where, sizeof(where), " %s+%s", offset, length);
	}
	if (mock->rig->watch & WATCH_PIECES && bio->op <= MPIO_BIO_WRITE)
		snprintf(pieces, sizeof(pieces), " in %" PRIu32,
			 bio->vec_count);
	if (mock->rig->watch & WATCH_FLAGS)
		put_flags(flags, sizeof(flags), bio->flags);
	trace(mock->rig, WATCH_IO, "%s%s%s%s%s", prefix, ops[bio->op], where,
	      pieces, flags);
	if (bio->vecs_max <= 8)
		mock->small++;
	else
		mock->large++;
}

/* ---- Doing it ----------------------------------------------------------- */

static void move(struct mock_device *mock, const struct mpio_bio *bio,
		 uint32_t length)
{
	unsigned char *at = mock->disk + bio->offset;

	for (uint32_t i = 0; i < bio->vec_count && length != 0; i++) {
		size_t n = bio->vecs[i].length < length ? bio->vecs[i].length
							: length;

		if (bio->op == MPIO_BIO_READ)
			memcpy(bio->vecs[i].base, at, n);
		else
			memcpy(at, bio->vecs[i].base, n);
		at += n;
		length -= (uint32_t)n;
	}
	if (bio->op == MPIO_BIO_DISCARD)
		memset(at, 0, bio->length);
}

static bool hits(const struct mock_fault *fault, const struct mpio_bio *bio)
{
	uint32_t ops = fault->op;

	if (ops == 0)
		ops = 1u << MPIO_BIO_READ | 1u << MPIO_BIO_WRITE;
	if (!(ops & 1u << bio->op))
		return false;
	return bio->op == MPIO_BIO_FLUSH ||
	       (bio->offset < (fault->block + fault->count) * BLOCK &&
		fault->block * BLOCK < bio->offset + bio->length);
}

/* The fault that a bio meets, or NULL. */
static struct mock_fault *meet(struct mock_device *mock,
			       const struct mpio_bio *bio)
{
	for (uint32_t i = 0; i < mock->fault_count; i++) {
		struct mock_fault *fault = &mock->faults[i];

		if (fault->is_over || !hits(fault, bio))
			continue;
		if (fault->times != 0 && --fault->times == 0)
			fault->is_over = true;
		return fault;
	}
	return NULL;
}

static void end(struct mock_device *mock, struct mpio_bio *bio)
{
	const struct mock_fault *fault = meet(mock, bio);

	if (fault != NULL && fault->status != 0) {
		mpio_bio_end(bio, fault->status);
	} else if (fault != NULL) {
		uint32_t done =
			fault->done < bio->length ? fault->done : bio->length;

		move(mock, bio, done);
		mpio_bio_end_partial(bio, done);
	} else {
		move(mock, bio, bio->length);
		mpio_bio_end(bio, 0);
	}
}

/* ---- Operations --------------------------------------------------------- */

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	struct mock_device *mock = (struct mock_device *)device;

	if (channel != &mock->channels)
		trouble(mock->rig, "not the channel that was opened");
	check(mock, bio);
	if (mock->refuse != 0) {
		mock->refuse--;
		trace(mock->rig, WATCH_CALLS, "refuse");
		return mock->refusal;
	}
	note(mock, bio);
	if (!mock->asynchronous) {
		end(mock, bio);
	} else if (mock->pending_count == COUNT_OF(mock->pending)) {
		trouble(mock->rig, "too many in flight for the mock");
		return -MPIO_EAGAIN;
	} else {
		mock->pending[mock->pending_count++] = bio;
		if (mock->pending_count > mock->pending_most)
			mock->pending_most = mock->pending_count;
	}
	return 0;
}

static int commit(struct mpio_device *device, void *channel)
{
	struct mock_device *mock = (struct mock_device *)device;

	if (channel != &mock->channels)
		trouble(mock->rig, "not the channel that was opened");
	trace(mock->rig, WATCH_CALLS, "commit");
	mock->pushed = mock->pending_count;
	while (mock->prompt && mock->pushed != 0) {
		mock->pending_count--;
		end(mock, mock->pending[--mock->pushed]);
	}
	return 0;
}

static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct mock_device *mock = (struct mock_device *)device;
	int n = 0;

	if (channel != &mock->channels)
		trouble(mock->rig, "not the channel that was opened");
	trace(mock->rig, WATCH_CALLS, wait ? "wait" : "reap");
	if (mock->reap_error != 0)
		return mock->reap_error;
	if (mock->lapses != 0) {
		mock->lapses--;
		return -MPIO_EREMOTEIO;
	}
	if (device->ops.reap_sends)
		mock->pushed = mock->pending_count;
	if (wait && mock->pushed == 0) {
		trouble(mock->rig, "waits for %" PRIu32 " that were not pushed",
			mock->pending_count);
		mock->pushed = mock->pending_count;
		return mock->pushed == 0 ? -MPIO_EIO : 0;
	}
	if (mock->slow && !wait)
		return 0;
	while (mock->pushed != 0 &&
	       (mock->reap_max == 0 || (uint32_t)n < mock->reap_max)) {
		uint32_t i = mock->lifo ? mock->pushed - 1 : 0;
		struct mpio_bio *bio = mock->pending[i];

		mock->pushed--;
		mock->pending_count--;
		memmove(&mock->pending[i], &mock->pending[i + 1],
			(mock->pending_count - i) * sizeof(bio));
		end(mock, bio);
		n++;
	}
	return n;
}

static int event_fd(struct mpio_device *device, void *channel)
{
	(void)channel;
	return ((struct mock_device *)device)->fd;
}

static int channel_open(struct mpio_device *device, uint32_t depth,
			void **channel)
{
	struct mock_device *mock = (struct mock_device *)device;

	mock->depth = depth;
	if (mock->open_error != 0)
		return mock->open_error;
	mock->channels++;
	*channel = &mock->channels;
	return 0;
}

static void channel_close(struct mpio_device *device, void *channel)
{
	struct mock_device *mock = (struct mock_device *)device;

	if (channel != &mock->channels || mock->channels == 0)
		trouble(mock->rig, "closes what is no channel");
	if (mock->pending_count != 0)
		trouble(mock->rig, "closes a channel with bios in flight");
	mock->channels--;
}

static void cancel(struct mpio_device *device, void *channel,
		   struct mpio_bio *bio)
{
	struct mock_device *mock = (struct mock_device *)device;
	uint32_t i = 0;

	if (channel != &mock->channels)
		trouble(mock->rig, "not the channel that was opened");
	trace(mock->rig, WATCH_CALLS, "cancel");
	while (i < mock->pending_count && mock->pending[i] != bio)
		i++;
	if (i >= mock->pushed) {
		trouble(mock->rig, "cancels what was not pushed");
		return;
	}
	mock->pushed--;
	mock->pending_count--;
	memmove(&mock->pending[i], &mock->pending[i + 1],
		(mock->pending_count - i) * sizeof(bio));
	mpio_bio_end(bio, -MPIO_ECANCELED);
}

static int register_memory(struct mpio_device *device, void *channel,
			   void *base, size_t length)
{
	struct mock_device *mock = (struct mock_device *)device;

	if (channel != &mock->channels)
		trouble(mock->rig, "not the channel that was opened");
	mock->registered = base;
	mock->registered_length = length;
	return mock->register_error;
}

/* ---- Setting it up ------------------------------------------------------ */

void mock_cancelling(struct mock_device *mock)
{
	mock->device.ops.cancel = cancel;
}

void mock_registering(struct mock_device *mock)
{
	mock->device.ops.register_memory = register_memory;
}

void mock_asynchronous(struct mock_device *mock)
{
	mock->asynchronous = true;
	mock->device.ops.commit = commit;
	mock->device.ops.reap = reap;
	mock->device.ops.event_fd = event_fd;
}

struct mock_fault *mock_fail(struct mock_device *mock, uint64_t block,
			     uint64_t count, int status)
{
	struct mock_fault *fault = &mock->faults[mock->fault_count++];

	assert_in_range(mock->fault_count, 1, COUNT_OF(mock->faults));
	*fault = (struct mock_fault){
		.block = block, .count = count, .status = status};
	return fault;
}

void mock_init(struct mock_device *mock, struct rig *rig, char name)
{
	*mock = (struct mock_device){
		.rig = rig,
		.name = name,
		.fd = -1,
		.disk = malloc(DISK_BLOCKS * BLOCK),
		.device =
			{
				.ops =
					{
						.submit = submit,
						.channel_open = channel_open,
						.channel_close = channel_close,
					},
				.limits =
					{
						.logical_block_size = 512,
						.features =
							MPIO_DEVICE_FUA |
							MPIO_DEVICE_PREFLUSH |
							MPIO_DEVICE_FLUSH |
							MPIO_DEVICE_DISCARD,
					},
				.size = DISK_BLOCKS * BLOCK,
			},
	};
	assert_non_null(mock->disk);
	pattern_fill(mock->disk, name, 0, DISK_BLOCKS * BLOCK);
}

void mock_free(struct mock_device *mock)
{
	free(mock->disk);
}

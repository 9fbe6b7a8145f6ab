/* SPDX-License-Identifier: MIT */
/*
 * A device for tests. From top to bottom: what the library promised, moving
 * bytes, ending one bio as the injector says, and the operations.
 */
#include "mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t seed = 12345;

void mock_seed(void)
{
	const char *text = getenv("FAULT_SEED");

	if (text != NULL)
		seed = (uint32_t)strtoul(text, NULL, 10);
	print_message("FAULT_SEED=%u\n", (unsigned int)seed);
}

/* ---- What the library promised ------------------------------------------ */

static bool is_aligned(uint64_t bytes, uint32_t power)
{
	return power == 0 || (bytes & (power - 1)) == 0;
}

static void check_memory(const struct mock *mock, const struct mpio_bio *bio)
{
	const struct mpio_limits *limits = &mock->device.limits;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		check(vec->length != 0);
		check(is_aligned((uintptr_t)vec->base,
				 limits->memory_alignment));
		check(is_aligned(vec->length, limits->memory_alignment) ||
		      i + 1 == bio->vec_count);
		sum += vec->length;
	}
	check(bio->op > MPIO_BIO_WRITE || sum == bio->length);
	check(limits->segments_max == 0 ||
	      bio->vec_count <= limits->segments_max);
}

static void check_bio(const struct mock *mock, const struct mpio_bio *bio)
{
	const struct mpio_limits *limits = &mock->device.limits;
	uint32_t block = limits->logical_block_size;
	uint64_t size = mock->device.size;

	check(bio->op <= MPIO_BIO_DISCARD);
	check(mpio_queue_device(bio->queue) == &mock->device);
	for (uint32_t i = 0; i < mock->pending_count; i++)
		check(mock->pending[i] != bio);
	if (bio->op == MPIO_BIO_FLUSH) {
		check(bio->length == 0 && bio->vec_count == 0);
		check(limits->features & MPIO_DEVICE_FLUSH);
		return;
	}
	check(bio->length != 0);
	check(limits->bytes_max == 0 || bio->length <= limits->bytes_max);
	check(bio->offset <= size && bio->length <= size - bio->offset);
	check(is_aligned(bio->offset, block != 0 ? block : 512));
	check(is_aligned(bio->length, block != 0 ? block : 512) ||
	      bio->offset + bio->length == size);
	check(bio->op == MPIO_BIO_READ ||
	      !(limits->features & MPIO_DEVICE_READONLY));
	check(bio->op != MPIO_BIO_DISCARD ||
	      (limits->features & MPIO_DEVICE_DISCARD));
	check_memory(mock, bio);
}

/* ---- Moving bytes ------------------------------------------------------- */

void mock_move(const struct mpio_bio *bio, unsigned char *disk, uint32_t length)
{
	for (uint32_t i = 0; length != 0; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		uint32_t n =
			vec->length < length ? (uint32_t)vec->length : length;

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, disk, n);
		else
			memcpy(disk, vec->base, n);
		disk += n;
		length -= n;
	}
}

/* What is left of a read that came short is garbage. */
static void spoil(const struct mpio_bio *bio, uint32_t from)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		uint32_t length = (uint32_t)vec->length;
		uint32_t keep = from > at ? from - at : 0;

		if (keep < length)
			memset((char *)vec->base + keep, MOCK_GARBAGE,
			       length - keep);
		at += length;
	}
}

static void note_fresh(struct mock *mock, uint64_t start, uint64_t end)
{
	if (start < mock->fresh_start)
		mock->fresh_start = start;
	if (end > mock->fresh_end)
		mock->fresh_end = end;
}

static void move(struct mock *mock, struct mpio_bio *bio, uint32_t length)
{
	bool cached = (mock->device.limits.features & MPIO_DEVICE_FLUSH) != 0;
	bool through = (bio->flags & MPIO_BIO_FUA) &&
		       (mock->device.limits.features & MPIO_DEVICE_FUA);

	if (bio->op == MPIO_BIO_WRITE && mock->on_write != NULL)
		mock->on_write(mock->ctx, mock, bio->offset, bio->length);
	if (bio->op == MPIO_BIO_DISCARD) {
		memset(mock->data + bio->offset, 0, length);
		cached = false;
	} else {
		mock_move(bio, mock->data + bio->offset, length);
	}
	if (bio->op == MPIO_BIO_READ)
		spoil(bio, length);
	else if (mock->durable != NULL && (!cached || through))
		memcpy(mock->durable + bio->offset, mock->data + bio->offset,
		       length);
	else
		note_fresh(mock, bio->offset, bio->offset + length);
}

static void flush(struct mock *mock)
{
	uint64_t start = mock->fresh_start;

	if (mock->durable != NULL && start < mock->fresh_end)
		memcpy(mock->durable + start, mock->data + start,
		       (size_t)(mock->fresh_end - start));
	mock->fresh_start = UINT64_MAX;
	mock->fresh_end = 0;
}

/* ---- Ending a bio ------------------------------------------------------- */

static const struct fault *pick_fault(struct mock *mock,
				      const struct mpio_bio *bio)
{
	const struct fault *fault;

	if (bio->op == MPIO_BIO_FLUSH)
		return inject(mock->injector, SITE_FLUSH);
	if (bio->op == MPIO_BIO_DISCARD)
		return inject(mock->injector, SITE_DISCARD);
	fault = inject(mock->injector, SITE_IO);
	if (fault == NULL)
		fault = inject(mock->injector, bio->op == MPIO_BIO_READ
						       ? SITE_READ
						       : SITE_WRITE);
	return fault;
}

/* A device with an atomic unit does not tear; others may. */
static uint32_t torn_length(const struct mock *mock, const struct mpio_bio *bio)
{
	if (bio->op != MPIO_BIO_WRITE || mock->device.limits.atomic_unit != 0)
		return 0;
	return bio->length / 2;
}

static void end_with(struct mock *mock, struct mpio_bio *bio,
		     const struct fault *fault)
{
	uint32_t part = fault->bytes < bio->length ? fault->bytes : bio->length;

	switch (fault->action) {
	case ACTION_STATUS:
		if (bio->op <= MPIO_BIO_WRITE)
			move(mock, bio, torn_length(mock, bio));
		mpio_bio_end(bio, fault->status);
		break;
	case ACTION_ALL_BUT_ONE:
		part = bio->length - 1;
		/* fall through */
	case ACTION_PARTIAL:
		move(mock, bio, part);
		mpio_bio_end_partial(bio, part);
		break;
	case ACTION_END_TWICE:
		move(mock, bio, bio->length);
		mpio_bio_end(bio, 0);
		mpio_bio_end(bio, -MPIO_EIO);
		mpio_bio_end_partial(bio, 0);
		break;
	case ACTION_ROT:
		move(mock, bio, bio->length);
		*(unsigned char *)bio->vecs[0].base ^= 0x55;
		mpio_bio_end(bio, 0);
		break;
	}
}

static void do_bio(struct mock *mock, struct mpio_bio *bio)
{
	uint32_t features = mock->device.limits.features;
	const struct fault *fault;

	if ((bio->flags & MPIO_BIO_PREFLUSH) &&
	    (features & MPIO_DEVICE_PREFLUSH))
		flush(mock);
	fault = pick_fault(mock, bio);
	if (fault != NULL) {
		end_with(mock, bio, fault);
		return;
	}
	if (bio->op == MPIO_BIO_FLUSH)
		flush(mock);
	else
		move(mock, bio, bio->length);
	mpio_bio_end(bio, 0);
}

/* ---- The operations ----------------------------------------------------- */

/* What is in flight can't be got rid of, so there may be more of it. */
static bool has_bad_reap(const struct mock *mock)
{
	const struct fault *fault = mock->injector->fault;

	return fault != NULL && fault->site == SITE_REAP;
}

static int mock_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	struct mock *mock = (struct mock *)device;
	const struct fault *fault;

	check(channel == (mock->mode == MOCK_SYNC ? NULL : &mock->channels));
	check_bio(mock, bio);
	if (mock->depth != 0 && mock->pending_count >= mock->depth)
		return -MPIO_EAGAIN;
	fault = inject(mock->injector, SITE_SUBMIT);
	if (fault != NULL)
		return fault->status;
	mock->submits++;
	if (mock->mode == MOCK_SYNC ||
	    (mock->mode == MOCK_MIXED && mock->submits % 2 == 0)) {
		do_bio(mock, bio);
		return 0;
	}
	check(mock->pending_count < MOCK_PENDING_MAX);
	check(mock->pending_count < mock->channel_depth || has_bad_reap(mock));
	mock->pending[mock->pending_count++] = bio;
	if (!mock->batches)
		mock->committed = mock->pending_count;
	return 0;
}

static int mock_commit(struct mpio_device *device, void *channel)
{
	struct mock *mock = (struct mock *)device;

	check(channel == &mock->channels);
	mock->committed = mock->pending_count;
	return 0;
}

static uint32_t next_random(struct mock *mock)
{
	mock->random = mock->random * 1664525 + 1013904223;
	return mock->random >> 16;
}

static void end_pending(struct mock *mock, uint32_t index)
{
	struct mpio_bio *bio = mock->pending[index];

	mock->pending_count--;
	mock->committed--;
	memmove(mock->pending + index, mock->pending + index + 1,
		(mock->pending_count - index) * sizeof(*mock->pending));
	do_bio(mock, bio);
}

/* How many this reap ends; without waiting it may be none. */
static uint32_t pick_count(struct mock *mock, int wait)
{
	switch (mock->mode) {
	case MOCK_REVERSE:
		return mock->committed;
	case MOCK_RANDOM:
		return (wait ? 1 : 0) + next_random(mock) % 3;
	default:
		return wait ? 1 : 0;
	}
}

static uint32_t pick_index(struct mock *mock)
{
	switch (mock->mode) {
	case MOCK_REVERSE:
		return mock->committed - 1;
	case MOCK_RANDOM:
		return next_random(mock) % mock->committed;
	default:
		return 0;
	}
}

static int mock_reap(struct mpio_device *device, void *channel, int wait)
{
	struct mock *mock = (struct mock *)device;
	const struct fault *fault = inject(mock->injector, SITE_REAP);
	uint32_t count;
	int ended = 0;

	check(channel == &mock->channels);
	if (fault != NULL)
		return fault->status;
	/* A wait for what was never begun would not end. */
	check(!wait || mock->committed != 0);
	for (count = pick_count(mock, wait); count != 0; count--) {
		if (mock->committed == 0)
			break;
		end_pending(mock, pick_index(mock));
		ended++;
	}
	return ended;
}

static int mock_channel_open(struct mpio_device *device, uint32_t depth,
			     void **channel)
{
	struct mock *mock = (struct mock *)device;
	const struct fault *fault = inject(mock->injector, SITE_CHANNEL);

	check(depth != 0);
	if (fault != NULL)
		return fault->status;
	mock->channels++;
	mock->channel_depth = depth;
	*channel = &mock->channels;
	return 0;
}

static void mock_channel_close(struct mpio_device *device, void *channel)
{
	struct mock *mock = (struct mock *)device;

	check(channel == &mock->channels);
	check(mock->pending_count == 0);
	mock->channels--;
}

void mock_init(struct mock *mock, enum mock_mode mode, void *data,
	       uint64_t size, struct injector *injector)
{
	*mock = (struct mock){
		.device = {.ops = {.submit = mock_submit}, .size = size},
		.data = data,
		.injector = injector,
		.mode = mode,
		.random = seed,
		.fresh_end = size, /* whatever it is made of */
	};
	if (mode != MOCK_SYNC) {
		mock->device.ops.commit = mock_commit;
		mock->device.ops.reap = mock_reap;
		mock->device.ops.channel_open = mock_channel_open;
		mock->device.ops.channel_close = mock_channel_close;
	}
}

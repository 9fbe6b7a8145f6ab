/* SPDX-License-Identifier: MIT */
/*
 * Calls of the public functions in any order, on a disk that ends bios out of
 * order and fails some, all by the bytes of the input: bios by hand with plugs,
 * flushes and cancels; pages of a mapping of the fuzzer's own, read, written and
 * streamed; files in a cache.
 *
 * Everything is compared with arrays of bytes. An error may only be told if
 * something has failed. When the input is used up the disk is a good one: what
 * could not be written is still there, and then is on the disk.
 */
#include "api.h"

#include <string.h>

struct api api;

/* ---- The disk ----------------------------------------------------------- */

static enum disk_end fault(struct disk *disk, const struct mpio_bio *bio)
{
	uint32_t choice;

	(void)disk, (void)bio;
	if (!api.faulty)
		return DISK_GOOD;
	choice = fuzz_byte(&api.in);
	if (choice < 230)
		return DISK_GOOD;
	if (choice < 236)
		return DISK_SHORT;
	/* Passing errors, too, may come too often. */
	api.faults++;
	return choice < 240 ? DISK_AGAIN : DISK_FAILS;
}

/* Not so often that the library would give up. */
static bool refuses(struct disk *disk)
{
	bool refused =
		api.faulty && api.refusals < 20 && fuzz_chance(&api.in, 8);

	(void)disk;
	api.refusals = refused ? api.refusals + 1 : 0;
	return refused;
}

/* Written before the flush was sent, and so durable when it has ended. */
static void done(struct disk *disk, const struct mpio_bio *bio, uint32_t length,
		 uint64_t sent)
{
	if (bio->op == MPIO_BIO_FLUSH) {
		for (uint32_t i = 0; i < DISK_SECTORS; i++) {
			if (disk->writer[i] != 0 && disk->writer[i] <= sent)
				memcpy(disk->known + i * SECTOR,
				       disk->bytes + i * SECTOR, SECTOR);
		}
	} else if (bio->flags & MPIO_BIO_FUA && bio->op == MPIO_BIO_WRITE) {
		memcpy(disk->known + bio->offset, disk->bytes + bio->offset,
		       length);
	}
}

void api_allow(int error)
{
	FUZZ_CHECK(error < 0 && api.faults != api.before);
	FUZZ_CHECK(error == -MPIO_EIO || error == -MPIO_ENOSPC ||
		   error == -MPIO_ENOMEM || error == -MPIO_EAGAIN);
}

int api_map_fault(uint32_t flags)
{
	if (!api.faulty || !fuzz_chance(&api.in, 6))
		return 0;
	api.faults++;
	return flags & MPIO_MAP_CREATE ? -MPIO_ENOSPC : -MPIO_EIO;
}

/* ---- The queue ---------------------------------------------------------- */

static void flush(void)
{
	int error = mpio_queue_flush(api.queue);

	if (error != 0)
		api_allow(error);
}

static void use_queue(void)
{
	switch (fuzz_below(&api.in, 8)) {
	case 0:
		FUZZ_CHECK(mpio_queue_poll(api.queue) >= 0);
		break;
	case 1:
		FUZZ_CHECK(mpio_queue_wait(api.queue) >= 0);
		break;
	case 2:
		FUZZ_CHECK(mpio_queue_drain(api.queue) == 0);
		FUZZ_CHECK(mpio_queue_stats(api.queue)->in_flight == 0);
		break;
	case 3:
		flush();
		break;
	case 4:
	case 5:
		if (api.plugs < 3) {
			api.plugs++;
			mpio_queue_plug(api.queue);
		}
		break;
	case 6:
		if (api.plugs > 0) {
			api.plugs--;
			mpio_queue_unplug(api.queue);
		}
		break;
	default:
		FUZZ_CHECK(mpio_queue_register_memory(api.queue, NULL, 0) ==
			   -MPIO_EINVAL);
		FUZZ_CHECK(mpio_queue_event_fd(api.queue) == -1);
	}
}

/* ---- Bios by hand ------------------------------------------------------- */

static unsigned char *place_of(struct api_bio *b)
{
	return b->known + (b->bio->offset - b->from);
}

static void end_io(struct mpio_bio *bio)
{
	struct api_bio *b = bio->ctx;
	int status = bio->status;

	FUZZ_CHECK(b->bio == bio && b->ends++ == 0 && status <= 0);
	if (status == -MPIO_ECANCELED)
		FUZZ_CHECK(b->cancelled);
	else if (status != 0)
		FUZZ_CHECK(api.faults != b->faults);
	if (bio->op == MPIO_BIO_WRITE || bio->op == MPIO_BIO_DISCARD) {
		if (bio->op == MPIO_BIO_WRITE)
			memcpy(place_of(b), b->memory, bio->length);
		else
			memset(place_of(b), 0, bio->length);
		b->is_known = b->is_known && status == 0;
	} else if (bio->op == MPIO_BIO_READ && status == 0 && b->is_known) {
		FUZZ_CHECK(memcmp(b->memory, place_of(b), bio->length) == 0);
	}
	b->bio = NULL;
	mpio_bio_put(bio);
}

/* A write of all of a region makes known what is there. */
static void fill_bio(struct api_bio *b, enum mpio_bio_op op)
{
	struct mpio_bio *bio = b->bio;
	uint32_t first = fuzz_below(&api.in, API_RAW_SECTORS);
	uint32_t n = API_RAW_SECTORS - first;
	uint32_t left;
	unsigned char *at = b->memory;

	if (fuzz_flag(&api.in))
		n -= fuzz_below(&api.in, n);
	left = n * SECTOR;
	bio->offset = b->from + first * SECTOR;
	bio->end_io = end_io;
	bio->ctx = b;
	if (op == MPIO_BIO_DISCARD)
		bio->length = left;
	if (op == MPIO_BIO_WRITE)
		memset(b->memory, (int)fuzz_byte(&api.in), left);
	while (op != MPIO_BIO_DISCARD && left > 0) {
		uint32_t piece = 1 + fuzz_below(&api.in, left);

		if (mpio_bio_add(bio, at, piece) != 0)
			break;
		at += piece;
		left -= piece;
	}
	if (bio->length == sizeof(b->known) && op != MPIO_BIO_READ)
		b->is_known = true;
}

static void start_bio(struct api_bio *b)
{
	static const uint32_t some_flags[] = {
		0,
		MPIO_BIO_SYNC,
		MPIO_BIO_FUA,
		MPIO_BIO_PREFLUSH,
		MPIO_BIO_FUA | MPIO_BIO_PREFLUSH,
		MPIO_BIO_META,
	};
	enum mpio_bio_op op = (enum mpio_bio_op)fuzz_below(&api.in, 4);
	uint32_t flags = some_flags[fuzz_below(&api.in, 6)];
	struct mpio_bio *bio = mpio_bio_get(api.queue, op, flags);
	int error;

	if (bio == NULL)
		return;
	b->bio = bio;
	b->ends = 0;
	b->cancelled = false;
	b->faults = api.faults;
	if (op != MPIO_BIO_FLUSH)
		fill_bio(b, op);
	bio->end_io = end_io;
	bio->ctx = b;
	error = mpio_bio_submit(bio);
	/* A write by pieces that did not all fit is no whole number of
	 * sectors. */
	if (error == 0)
		return;
	FUZZ_CHECK(error == -MPIO_EINVAL && b->bio == bio && b->ends == 0);
	FUZZ_CHECK(bio->length % SECTOR != 0 || bio->length == 0);
	b->is_known = false;
	b->bio = NULL;
	mpio_bio_put(bio);
}

static void use_bio(void)
{
	struct api_bio *b = &api.bios[fuzz_below(&api.in, API_BIOS)];

	if (b->bio == NULL) {
		start_bio(b);
	} else if (fuzz_flag(&api.in)) {
		b->cancelled = true;
		mpio_bio_cancel(b->bio);
	}
}

/* ---- A run -------------------------------------------------------------- */

static void open_queue(void)
{
	struct mpio_queue_config config;

	disk_init(&api.disk, DISK_BYTES, 0);
	api.disk.in = &api.in;
	api.disk.fault = fault;
	api.disk.refuses = refuses;
	api.disk.done = done;
	if (fuzz_flag(&api.in))
		disk_make_late(&api.disk, &api.in);
	api.disk.device.limits.features =
		MPIO_DEVICE_FLUSH | MPIO_DEVICE_DISCARD;
	if (fuzz_flag(&api.in))
		api.disk.device.limits.features |=
			MPIO_DEVICE_FUA | MPIO_DEVICE_PREFLUSH;
	if (fuzz_flag(&api.in))
		api.disk.device.limits.memory_alignment = 16;
	fuzz_queue_choose(&config, &api.in);
	if (config.bytes_max != 0 && config.bytes_max < 1024)
		config.bytes_max = 1024;
	api.queue = fuzz_queue_open(0, &api.disk.device, &config);
	FUZZ_CHECK(api.queue != NULL);
}

/* Nothing fails any more. */
static void end_well(void)
{
	api.faulty = false;
	while (api.plugs > 0) {
		api.plugs--;
		mpio_queue_unplug(api.queue);
	}
	FUZZ_CHECK(mpio_queue_drain(api.queue) == 0);
	for (uint32_t i = 0; i < API_BIOS; i++)
		FUZZ_CHECK(api.bios[i].bio == NULL);
	pages_end();
	files_end();
	FUZZ_CHECK(mpio_queue_drain(api.queue) == 0);
	mpio_queue_close(api.queue);
	FUZZ_CHECK(api.disk.pending_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&api, 0, offsetof(struct api, disk));
	api.in = (struct fuzz_input){data, data + size};
	api.faulty = fuzz_flag(&api.in);
	open_queue();
	for (uint32_t i = 0; i < API_BIOS; i++)
		api.bios[i].from = API_RAW_AT + i * API_RAW_SECTORS * SECTOR;
	pages_begin();
	files_begin();
	while (!fuzz_is_empty(&api.in)) {
		api.before = api.faults;
		switch (fuzz_below(&api.in, 8)) {
		case 0:
			use_queue();
			break;
		case 1:
		case 2:
			use_bio();
			break;
		case 3:
		case 4:
			pages_use();
			break;
		default:
			files_use();
		}
	}
	end_well();
	return 0;
}

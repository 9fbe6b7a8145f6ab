/* SPDX-License-Identifier: MIT */
/*
 * Disks and queues of the fuzzers.
 */
#include "fuzz.h"
#include "promises.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

/* ---- What the library promises ------------------------------------------ */

static void check_promises(const struct disk *disk, const struct mpio_bio *bio)
{
	for (uint32_t i = 0; i < disk->pending_count; i++)
		FUZZ_CHECK(disk->pending[i] != bio);
	promises_check(&disk->device, bio);
	FUZZ_CHECK(bio->op == MPIO_BIO_READ || !disk->read_only);
}

/* ---- Doing it ----------------------------------------------------------- */

static bool is_bad(const struct disk *disk, const struct mpio_bio *bio)
{
	uint64_t end = (bio->offset + bio->length + SECTOR - 1) / SECTOR;

	if ((disk->bad[0] | disk->bad[1]) == 0 || bio->op == MPIO_BIO_FLUSH)
		return false;
	for (uint64_t i = bio->offset / SECTOR; i < end; i++) {
		if (disk->bad[i / 64] >> i % 64 & 1)
			return true;
	}
	return false;
}

static void note_writer(struct disk *disk, const struct mpio_bio *bio,
			uint32_t length)
{
	uint64_t end = (bio->offset + length + SECTOR - 1) / SECTOR;

	for (uint64_t i = bio->offset / SECTOR; i < end; i++)
		disk->writer[i] = disk->clock;
}

/* Move the first bytes of a bio. */
static void move(struct disk *disk, const struct mpio_bio *bio, uint32_t length)
{
	unsigned char *at = disk->bytes + bio->offset;
	size_t left = length;

	if (bio->op == MPIO_BIO_FLUSH)
		return;
	if (bio->op == MPIO_BIO_DISCARD)
		memset(at, 0, length);
	for (uint32_t i = 0; i < bio->vec_count && left > 0; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];
		size_t n = vec->length < left ? vec->length : left;

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, at, n);
		else
			memcpy(at, vec->base, n);
		at += n;
		left -= n;
	}
	if (bio->op != MPIO_BIO_READ)
		note_writer(disk, bio, length);
}

/* A transfer comes short somewhere between two logical blocks. */
static uint32_t some_of(struct disk *disk, const struct mpio_bio *bio)
{
	uint32_t block = promises_block(&disk->device);
	uint32_t n = 1 + fuzz_below(disk->in, bio->length / block);

	return n * block < bio->length ? n * block : bio->length;
}

static void do_bio(struct disk *disk, struct mpio_bio *bio, uint64_t sent)
{
	enum disk_end how = DISK_GOOD;
	uint32_t length = bio->length;

	if (disk->fault != NULL)
		how = disk->fault(disk, bio);
	if (bio->op > MPIO_BIO_WRITE && how == DISK_SHORT)
		how = DISK_GOOD;
	if (is_bad(disk, bio))
		how = DISK_FAILS;
	if (how == DISK_SHORT)
		length = some_of(disk, bio);
	if (how == DISK_GOOD || how == DISK_SHORT) {
		disk->clock++;
		move(disk, bio, length);
		if (disk->done != NULL)
			disk->done(disk, bio, length, sent);
	}
	if (how == DISK_GOOD)
		mpio_bio_end(bio, 0);
	else if (how == DISK_SHORT)
		mpio_bio_end_partial(bio, length);
	else
		mpio_bio_end(bio, how == DISK_AGAIN ? -MPIO_EAGAIN : -MPIO_EIO);
}

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	struct disk *disk = (struct disk *)device;

	(void)channel;
	check_promises(disk, bio);
	if (disk->refuses != NULL && disk->refuses(disk))
		return -MPIO_EAGAIN;
	if (!disk->late) {
		do_bio(disk, bio, disk->clock);
		return 0;
	}
	FUZZ_CHECK(disk->pending_count < DISK_PENDING);
	disk->sent[disk->pending_count] = disk->clock;
	disk->pending[disk->pending_count++] = bio;
	return 0;
}

/* Take a bio that was pushed from the list. */
static struct mpio_bio *take(struct disk *disk, uint32_t i, uint64_t *sent)
{
	struct mpio_bio *bio = disk->pending[i];
	uint32_t hole = --disk->pushed;
	uint32_t last = --disk->pending_count;

	*sent = disk->sent[i];
	disk->pending[i] = disk->pending[hole];
	disk->sent[i] = disk->sent[hole];
	disk->pending[hole] = disk->pending[last];
	disk->sent[hole] = disk->sent[last];
	return bio;
}

static void end_one(struct disk *disk)
{
	uint64_t sent;
	struct mpio_bio *bio =
		take(disk, fuzz_below(disk->in, disk->pushed), &sent);

	do_bio(disk, bio, sent);
}

static int commit(struct mpio_device *device, void *channel)
{
	struct disk *disk = (struct disk *)device;

	(void)channel;
	disk->pushed = disk->pending_count;
	return 0;
}

static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct disk *disk = (struct disk *)device;
	uint32_t n = fuzz_below(disk->in, 3) + (wait != 0);
	int ended = 0;

	(void)channel;
	FUZZ_CHECK(!wait || disk->pushed != 0);
	while (n-- > 0 && disk->pushed != 0) {
		end_one(disk);
		ended++;
	}
	return ended;
}

static void cancel(struct mpio_device *device, void *channel,
		   struct mpio_bio *bio)
{
	struct disk *disk = (struct disk *)device;
	uint64_t sent;

	(void)channel;
	if (!fuzz_flag(disk->in))
		return;
	for (uint32_t i = 0; i < disk->pushed; i++) {
		if (disk->pending[i] != bio)
			continue;
		mpio_bio_end(take(disk, i, &sent), -MPIO_ECANCELED);
		return;
	}
}

/* ---- Making it ---------------------------------------------------------- */

static unsigned char first[2][DISK_BYTES];

static void fill_first(void)
{
	for (unsigned d = 0; d < 2; d++) {
		for (uint32_t i = 0; i < DISK_BYTES; i++)
			first[d][i] = (unsigned char)(i / SECTOR * 37 + i * 7 +
						      i / 256 + d * 101);
	}
}

const unsigned char *disk_first(unsigned char name, uint64_t sector)
{
	return first[name & 1] + sector * SECTOR;
}

/* All of it once, and then what the run before has written. */
static void restore(struct disk *disk, unsigned char name)
{
	bool all = disk->first != first[name & 1];

	if (first[0][1] == 0)
		fill_first();
	disk->first = first[name & 1];
	for (size_t i = 0; i < DISK_SECTORS; i++) {
		size_t at = i * SECTOR;

		if (!all && disk->writer[i] == 0)
			continue;
		memcpy(disk->bytes + at, disk->first + at, SECTOR);
		memcpy(disk->known + at, disk->first + at, SECTOR);
	}
}

bool disk_is_known(const struct disk *disk)
{
	for (size_t i = 0; i < DISK_SECTORS; i++) {
		size_t at = i * SECTOR;

		if (disk->writer[i] != 0 &&
		    memcmp(disk->known + at, disk->bytes + at, SECTOR) != 0)
			return false;
	}
	return true;
}

void disk_init(struct disk *disk, uint64_t size, unsigned char name)
{
	restore(disk, name);
	memset(disk, 0, offsetof(struct disk, bytes));
	memset(disk->bad, 0, sizeof(*disk) - offsetof(struct disk, bad));
	disk->device.ops.submit = submit;
	disk->device.size = size;
}

void disk_make_late(struct disk *disk, struct fuzz_input *in)
{
	disk->late = true;
	disk->in = in;
	disk->device.ops.commit = commit;
	disk->device.ops.reap = reap;
	disk->device.ops.cancel = cancel;
}

void disk_choose_limits(struct disk *disk, struct fuzz_input *in)
{
	static const uint32_t alignments[] = {0, 1, 2, 8, 16, 512, 1024};
	struct mpio_limits *limits = &disk->device.limits;

	if (!fuzz_flag(in))
		return;
	limits->logical_block_size =
		fuzz_flag(in) ? SECTOR << fuzz_below(in, 3) : 0;
	limits->memory_alignment = alignments[fuzz_below(
		in, sizeof(alignments) / sizeof(alignments[0]))];
	limits->segments_max = fuzz_below(in, 9);
	limits->bytes_max = fuzz_below(in, 9) * SECTOR;
	limits->atomic_unit = fuzz_flag(in) ? SECTOR << fuzz_below(in, 4) : 0;
	limits->gap_bytes = fuzz_below(in, 9) * SECTOR;
}

/* ---- Queues ------------------------------------------------------------- */

#define QUEUE_BYTES (1u << 20)

static _Alignas(max_align_t) unsigned char queue_memory[2][QUEUE_BYTES];

void fuzz_queue_choose(struct mpio_queue_config *config, struct fuzz_input *in)
{
	*config = (struct mpio_queue_config){
		.bios = 2,
		.segments_max = 16,
		.pages_max = 16,
		.walk_pages = 8,
		.bounce_bytes = 16384,
	};
	if (!fuzz_flag(in))
		return;
	config->bios = 2 + fuzz_below(in, 3);
	config->in_flight_max = fuzz_below(in, 5);
	config->segments_max = 1 + fuzz_below(in, 8);
	config->pages_max = 1 + fuzz_below(in, 8);
	config->bytes_max = fuzz_below(in, 17) * SECTOR;
	config->walk_pages = 1 + fuzz_below(in, 8);
	config->flags = fuzz_below(in, 4);
	config->gap_bytes = fuzz_below(in, 9) * SECTOR;
	config->gap_percent = fuzz_below(in, 101);
	config->gap_io_bytes = fuzz_below(in, 17) * SECTOR;
	config->bounce_bytes = 1 + fuzz_below(in, 17) * 1024;
}

struct mpio_queue *fuzz_queue_open(unsigned which, struct mpio_device *device,
				   struct mpio_queue_config *config)
{
	struct mpio_queue *queue = NULL;
	size_t size = mpio_queue_size(device, config);
	int error;

	FUZZ_CHECK(size <= QUEUE_BYTES);
	config->memory = queue_memory[which];
	config->memory_size = size;
	error = mpio_queue_open(device, config, &queue);
	FUZZ_CHECK(error == (size == 0 ? -MPIO_EINVAL : 0));
	FUZZ_CHECK((queue != NULL) == (error == 0));
	return queue;
}

/* SPDX-License-Identifier: MIT */
/*
 * A simulated disk with a queue on it, for tests.
 */
#include "sim_rig.h"

#include <stdio.h>

/* In front of each block: its size, which is to be told right. */
union header {
	size_t size;
	max_align_t align;
};

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	struct sim_rig *rig = ctx;
	union header *header = ptr;

	if (header != NULL)
		header--;
	assert_int_equal(header != NULL ? header->size : 0, old_size);
	rig->blocks -= header != NULL && new_size == 0;
	rig->blocks += header == NULL && new_size != 0;
	if (new_size == 0) {
		free(header);
		return NULL;
	}
	header = realloc(header, sizeof(*header) + new_size);
	assert_non_null(header);
	header->size = new_size;
	return header + 1;
}

/* A lock that finds out who takes it twice, or gives it back twice. */
static void take(void *ctx)
{
	int *held = ctx;

	assert_int_equal((*held)++, 0);
}

static void give(void *ctx)
{
	int *held = ctx;

	assert_int_equal((*held)--, 1);
}

void sim_rig_init(struct sim_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->lock = (struct mpio_sim_lock){take, give, &rig->held[0]};
	rig->second = (struct mpio_sim_lock){take, give, &rig->held[1]};
	rig->config.lock = &rig->lock;
	rig->allocator = (struct mpio_allocator){.resize = resize, .ctx = rig};
	rig->config.allocator = &rig->allocator;
	rig->config.size = RIG_SECTORS * SECTOR;
	rig->config.seed = 7;
}

void sim_rig_open_queue(struct sim_rig *rig)
{
	struct mpio_queue_config config = {.bios = 32,
					   .allocator = &rig->allocator};

	assert_int_equal(mpio_queue_open(rig->device, &config, &rig->queue), 0);
}

void sim_rig_make(struct sim_rig *rig, const char *rules)
{
	struct mpio_fault_error error = {0};

	if (rules[0] != '\0' &&
	    mpio_faults_parse(&rig->config.faults, rules, &error) != 0)
		fail_msg("%s: at %zu: %s", rules, error.at, error.why);
	assert_int_equal(mpio_sim_open(&rig->config, &rig->sim), 0);
	rig->device = mpio_sim_device(rig->sim);
	sim_rig_open_queue(rig);
}

void sim_rig_open(struct sim_rig *rig, const char *rules)
{
	sim_rig_init(rig);
	sim_rig_make(rig, rules);
}

void sim_rig_close(struct sim_rig *rig)
{
	mpio_queue_close(rig->queue);
	mpio_sim_close(rig->sim);
	assert_int_equal(rig->held[0], 0);
	assert_int_equal(rig->held[1], 0);
	assert_int_equal(rig->blocks, 0);
}

static void end_io(struct mpio_bio *bio)
{
	struct sim_rig *rig = (struct sim_rig *)bio->ctx;
	struct sim_io *io = NULL;

	for (int i = 0; i < rig->count; i++) {
		if (rig->ios[i].bio == bio)
			io = &rig->ios[i];
	}
	assert_non_null(io);
	io->ends++;
	io->status = bio->status;
	io->order = ++rig->ended;
	io->bio = NULL;
	mpio_bio_put(bio);
}

struct sim_io *sim_start(struct sim_rig *rig, enum mpio_bio_op op,
			 uint32_t flags, uint64_t sector, uint32_t count,
			 char letter)
{
	struct sim_io *io;
	struct mpio_bio *bio = mpio_bio_get(rig->queue, op, flags);

	/* Slots of what has ended are used again when there is no other. */
	if (rig->count == 64 && mpio_queue_stats(rig->queue)->in_flight == 0)
		rig->count = 0;
	assert_true(rig->count < 64);
	io = &rig->ios[rig->count++];
	memset(io, 0, sizeof(*io));
	assert_non_null(bio);
	io->bio = bio;
	memset(io->bytes, letter, count * SECTOR);
	bio->offset = sector * SECTOR;
	bio->end_io = end_io;
	bio->ctx = rig;
	if (op == MPIO_BIO_DISCARD)
		bio->length = count * SECTOR;
	else if (count != 0)
		assert_int_equal(mpio_bio_add(bio, io->bytes, count * SECTOR),
				 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	return io;
}

static int finish(struct sim_rig *rig, const struct sim_io *io)
{
	while (io->ends == 0 && mpio_queue_wait(rig->queue) > 0)
		;
	assert_int_equal(io->ends, 1);
	return io->status;
}

int sim_put_flags(struct sim_rig *rig, uint64_t sector, uint32_t count,
		  char letter, uint32_t flags)
{
	return finish(rig, sim_start(rig, MPIO_BIO_WRITE, flags, sector, count,
				     letter));
}

int sim_put(struct sim_rig *rig, uint64_t sector, uint32_t count, char letter)
{
	return sim_put_flags(rig, sector, count, letter, 0);
}

int sim_get(struct sim_rig *rig, uint64_t sector, uint32_t count, char *letters)
{
	struct sim_io *io =
		sim_start(rig, MPIO_BIO_READ, 0, sector, count, '?');
	int status = finish(rig, io);

	sim_letters_of(io->bytes, count, letters);
	return status;
}

int sim_flush(struct sim_rig *rig)
{
	return finish(rig, sim_start(rig, MPIO_BIO_FLUSH, 0, 0, 0, 0));
}

void sim_letters_of(const unsigned char *bytes, uint32_t sectors, char *letters)
{
	for (uint32_t i = 0; i < sectors; i++) {
		const unsigned char *at = bytes + (size_t)i * SECTOR;
		bool alike = memcmp(at, at + 1, SECTOR - 1) == 0;

		letters[i] = (char)(!alike ? '!' : *at == 0 ? '.' : *at);
	}
	letters[sectors] = '\0';
}

void sim_letters(struct sim_rig *rig, uint32_t sectors, char *letters)
{
	unsigned char bytes[RIG_SECTORS * SECTOR];

	assert_int_equal(mpio_sim_peek(rig->sim, 0, bytes, sectors * SECTOR),
			 0);
	sim_letters_of(bytes, sectors, letters);
}

void assert_sim_at(struct sim_rig *rig, const char *letters, int line)
{
	char found[RIG_SECTORS + 1];

	sim_letters(rig, (uint32_t)strlen(letters), found);
	if (strcmp(found, letters) != 0)
		fail_msg("line %d: the disk is '%s', and not '%s'", line, found,
			 letters);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

uint32_t sim_count_disks(struct sim_rig *rig, enum mpio_sim_cut_kind kind,
			 uint64_t states, char disks[][RIG_SECTORS + 1])
{
	struct mpio_sim_snapshot *snapshot;
	uint32_t distinct = 0;

	assert_int_equal(mpio_sim_snapshot(rig->sim, &snapshot), 0);
	for (uint64_t i = 0; i < states; i++) {
		assert_int_equal(mpio_sim_restore(rig->sim, snapshot), 0);
		assert_int_equal(mpio_sim_cut(rig->sim, kind, i), 0);
		sim_letters(rig, 16, disks[i]);
	}
	assert_int_equal(mpio_sim_restore(rig->sim, snapshot), 0);
	mpio_sim_forget(snapshot);
	qsort(disks, (size_t)states, sizeof(disks[0]), compare);
	for (uint64_t i = 0; i < states; i++)
		distinct += i == 0 || strcmp(disks[i], disks[i - 1]) != 0;
	return distinct;
}

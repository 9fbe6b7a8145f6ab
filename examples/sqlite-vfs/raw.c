/* SPDX-License-Identifier: MIT */
/*
 * Raw devices: a database in a partition, a block device, or a simulated disk.
 *
 *     0         4096      8192
 *     | slot 0  | slot 1  | block 0 of the database | block 1 | ...
 *
 * A device has no size that could grow, so the database's is in a superblock of
 * 64 bytes. It has two slots, written in turn; the one with the higher
 * generation counts, and one that was torn has a wrong sum. The generation also
 * tells other processes that something was written.
 *
 * Locks and shared memory still take a file, the empty one by whose name the
 * database is opened; its journal lies beside that.
 */
#include "private.h"

#include <string.h>

#define SLOT 4096u
#define START (2u * SLOT)

static const char magic[16] = "libmpio sqlite 1";

struct superblock {
	char magic[16];
	uint64_t generation;
	uint64_t size;
	uint64_t start;
	uint64_t spare[2];
	uint64_t sum;
};

/* FNV-1a, of all that stands before it. */
static uint64_t sum_of(const struct superblock *superblock)
{
	const unsigned char *bytes = (const unsigned char *)superblock;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(struct superblock, sum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const struct database *database = mapping->host;
	uint64_t first = START / mapping->block_size;
	uint64_t count = database->device->size / mapping->block_size;

	(void)page;
	if (first + block >= count)
		return flags & MPIO_MAP_CREATE ? -MPIO_ENOSPC : -MPIO_EIO;
	if (extent->count > count - first - block)
		extent->count = count - first - block;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = first + block;
	return 0;
}

/* ---- The superblock ----------------------------------------------------- */

static void ended(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

static int move(struct database *database, enum mpio_bio_op op, uint64_t offset,
		unsigned char *slot)
{
	struct mpio_bio *bio;
	int status = -MPIO_EIO;
	int error;

	while ((bio = mpio_bio_get(database->queue, op, MPIO_BIO_META)) ==
	       NULL) {
		error = mpio_queue_wait(database->queue);
		if (error <= 0)
			return error != 0 ? error : -MPIO_ENOMEM;
	}
	bio->offset = offset;
	bio->end_io = ended;
	bio->ctx = &status;
	error = mpio_bio_add(bio, slot, SLOT);
	if (error == 0)
		error = mpio_bio_submit(bio);
	if (error != 0) {
		mpio_bio_put(bio);
		return error;
	}
	error = mpio_queue_drain(database->queue);
	return error != 0 ? error : status;
}

static bool is_superblock(const struct superblock *superblock)
{
	return memcmp(superblock->magic, magic, sizeof(magic)) == 0 &&
	       superblock->sum == sum_of(superblock);
}

static bool is_blank(const unsigned char *slot)
{
	for (uint32_t i = 0; i < SLOT; i++) {
		if (slot[i] != 0)
			return false;
	}
	return true;
}

/* A device that holds something else is left alone; so is one without a whole
 * slot, unless the other was never written. */
static int look(struct database *database, bool *changed, uint64_t *size)
{
	unsigned char slot[SLOT];
	uint64_t generation = 0;
	bool foreign = false, fresh = false;

	if (database->device->size <= START)
		return -MPIO_ENOSPC;
	*size = 0;
	for (uint32_t i = 0; i < 2; i++) {
		struct superblock superblock;
		int error = move(database, MPIO_BIO_READ, i * SLOT, slot);

		if (error != 0)
			return error;
		memcpy(&superblock, slot, sizeof(superblock));
		if (is_superblock(&superblock)) {
			if (superblock.start != START)
				return -MPIO_EUCLEAN;
			if (superblock.generation > generation) {
				generation = superblock.generation;
				*size = superblock.size;
			}
		} else if (is_blank(slot)) {
			fresh = true;
		} else if (memcmp(slot, magic, sizeof(magic)) != 0) {
			foreign = true;
		}
	}
	if (generation == 0 && (foreign || !fresh))
		return -MPIO_EUCLEAN;
	*changed = !database->stamp.known || generation != database->generation;
	database->generation = generation;
	database->stamp.known = true;
	return 0;
}

static int settle(struct database *database)
{
	unsigned char slot[SLOT] = {0};
	struct superblock superblock = {
		.generation = database->generation + 1,
		.size = database->size,
		.start = START,
	};
	int error;

	memcpy(superblock.magic, magic, sizeof(magic));
	superblock.sum = sum_of(&superblock);
	memcpy(slot, &superblock, sizeof(superblock));
	error = move(database, MPIO_BIO_WRITE,
		     (superblock.generation % 2) * SLOT, slot);
	if (error == 0)
		database->generation++;
	return error;
}

static int cut(struct connection *connection, uint64_t size)
{
	(void)size; /* told when it is settled */
	connection->database->dirty = true;
	connection->database->writer = connection;
	return 0;
}

static int flush(struct connection *connection, int flags)
{
	(void)flags;
	return mpio_queue_flush(connection->database->queue);
}

static int reserve(struct database *database, uint64_t end)
{
	return end > database->device->size - START ? -MPIO_ENOSPC : 0;
}

const struct store_ops raw_ops = {
	.get_block = get_block,
	.look = look,
	.settle = settle,
	.cut = cut,
	.flush = flush,
	.reserve = reserve,
};

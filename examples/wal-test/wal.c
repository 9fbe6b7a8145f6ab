/* SPDX-License-Identifier: MIT */
/*
 * A small storage engine with a write-ahead log. What makes it safe is three
 * flushes; WAL_LEAVE_OUT names one that is not there, for the tests to find.
 */
#include "wal.h"

#include <mpio/open.h>

#include <string.h>

#ifndef WAL_LEAVE_OUT
#define WAL_LEAVE_OUT 0
#endif

#define MAGIC 0x77616c2d74657374u
#define TABLE_AT 512u
#define LOG_AT 8192u

struct header {
	uint64_t magic;
	uint64_t first;
	uint64_t checksum;
	uint64_t unused[61];
};

struct record {
	uint64_t number; /* of the transaction, from 1 on */
	uint64_t count;
	struct wal_change changes[WAL_CHANGES_MAX];
	uint64_t checksum;
	uint64_t unused;
};

_Static_assert(sizeof(struct header) == 512, "one sector");
_Static_assert(sizeof(struct record) == 1024, "two sectors");

static uint64_t checksum(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t sum = 14695981039346656037u;

	while (size-- > 0)
		sum = (sum ^ *bytes++) * 1099511628211u;
	return sum;
}

static uint64_t header_sum(const struct header *header)
{
	return checksum(header, offsetof(struct header, checksum));
}

static uint64_t record_sum(const struct record *record)
{
	return checksum(record, offsetof(struct record, checksum));
}

/* ---- I/O ---------------------------------------------------------------- */

static void end_io(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

/* Read or write, and wait. */
static int transfer(struct wal *wal, enum mpio_bio_op op, uint64_t offset,
		    void *data, uint32_t size)
{
	struct mpio_bio *bio = mpio_bio_get(wal->queue, op, 0);
	int status = -MPIO_EIO;
	int error;

	if (bio == NULL)
		return -MPIO_EBUSY;
	bio->offset = offset;
	bio->end_io = end_io;
	bio->ctx = &status;
	error = mpio_bio_add(bio, data, size);
	if (error == 0)
		error = mpio_bio_submit(bio);
	if (error != 0) {
		mpio_bio_put(bio);
		return error;
	}
	error = mpio_queue_drain(wal->queue);
	return error != 0 ? error : status;
}

/* What was written before is durable. */
static int sync_at(struct wal *wal, int place)
{
	return place == WAL_LEAVE_OUT ? 0 : mpio_queue_flush(wal->queue);
}

/* ---- Opening ------------------------------------------------------------ */

static void apply(struct wal *wal, const struct record *record)
{
	for (uint64_t i = 0; i < record->count; i++)
		wal->table[record->changes[i].slot % WAL_SLOTS] =
			record->changes[i].value;
}

/* The transactions of the log, up to the first that is not there in whole. */
static int replay(struct wal *wal)
{
	for (uint32_t i = 0; i < WAL_RECORDS; i++) {
		struct record record;
		int error = transfer(wal, MPIO_BIO_READ,
				     LOG_AT + i * sizeof(record), &record,
				     sizeof(record));

		if (error != 0)
			return error;
		if (record.number != wal->next ||
		    record.count > WAL_CHANGES_MAX ||
		    record.checksum != record_sum(&record))
			return 0;
		apply(wal, &record);
		wal->next++;
	}
	return 0;
}

static int load(struct wal *wal)
{
	struct header header;
	int error = transfer(wal, MPIO_BIO_READ, 0, &header, sizeof(header));

	if (error != 0)
		return error;
	if (header.magic == 0 && header.first == 0)
		header.first = 1; /* never written */
	else if (header.magic != MAGIC ||
		 header.checksum != header_sum(&header))
		return -MPIO_EUCLEAN;
	wal->first = header.first;
	wal->next = header.first;
	error = transfer(wal, MPIO_BIO_READ, TABLE_AT, wal->table,
			 sizeof(wal->table));
	return error != 0 ? error : replay(wal);
}

int wal_open(struct wal *wal, struct mpio_device *device)
{
	struct mpio_queue_config config = {.bios = 4};
	int error;

	memset(wal, 0, sizeof(*wal));
	wal->allocator = mpio_allocator_libc();
	config.allocator = &wal->allocator;
	error = mpio_queue_open(device, &config, &wal->queue);
	if (error != 0)
		return error;
	error = load(wal);
	if (error != 0)
		wal_close(wal);
	return error;
}

void wal_close(struct wal *wal)
{
	mpio_queue_close(wal->queue);
	wal->queue = NULL;
}

/* ---- Transactions ------------------------------------------------------- */

/* The log is full: the table takes its place. */
static int checkpoint(struct wal *wal)
{
	struct header header = {.magic = MAGIC, .first = wal->next};
	int error = transfer(wal, MPIO_BIO_WRITE, TABLE_AT, wal->table,
			     sizeof(wal->table));

	header.checksum = header_sum(&header);
	/* The header says that the table is there. */
	if (error == 0)
		error = sync_at(wal, 2);
	if (error == 0)
		error = transfer(wal, MPIO_BIO_WRITE, 0, &header,
				 sizeof(header));
	/* The next record takes the place of one that the old header needs. */
	if (error == 0)
		error = sync_at(wal, 3);
	if (error == 0)
		wal->first = wal->next;
	return error;
}

static int append(struct wal *wal, struct record *record)
{
	uint64_t place = wal->next - wal->first;
	int error =
		transfer(wal, MPIO_BIO_WRITE, LOG_AT + place * sizeof(*record),
			 record, sizeof(*record));

	/* Nobody is told before it is durable. */
	return error != 0 ? error : sync_at(wal, 1);
}

int wal_commit(struct wal *wal, const struct wal_change *changes, uint32_t n)
{
	struct record record = {.number = wal->next, .count = n};

	if (wal->failed != 0)
		return wal->failed;
	if (n > WAL_CHANGES_MAX)
		return -MPIO_EINVAL;
	memcpy(record.changes, changes, n * sizeof(*changes));
	record.checksum = record_sum(&record);
	if (wal->next - wal->first == WAL_RECORDS)
		wal->failed = checkpoint(wal);
	if (wal->failed == 0)
		wal->failed = append(wal, &record);
	if (wal->failed != 0)
		return wal->failed;
	apply(wal, &record);
	wal->next++;
	return 0;
}

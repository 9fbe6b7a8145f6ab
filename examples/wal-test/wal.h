/* SPDX-License-Identifier: MIT */
/*
 * A small storage engine with a write-ahead log: 512 numbers on a device,
 * changed by transactions that are there in whole or not at all, and there for
 * good once wal_commit() has returned 0.
 *
 *     0       header: which transaction the log begins with
 *     512     the table of numbers, as it was then
 *     8192    the log: eight records of 1 KiB, one for each transaction
 *
 * A transaction is a record in the log, made durable. When the log is full,
 * the table is written, then the header, and the log begins anew.
 */
#ifndef WAL_H
#define WAL_H

#include <mpio/mpio.h>

#define WAL_SLOTS 512u
#define WAL_CHANGES_MAX 62u
#define WAL_RECORDS 8u
#define WAL_SIZE 16384u /* bytes of the device that are used */

struct wal_change {
	uint64_t slot; /* 0 to WAL_SLOTS - 1 */
	uint64_t value;
};

struct wal {
	struct mpio_queue *queue;
	struct mpio_allocator allocator;
	uint64_t table[WAL_SLOTS]; /* as of the last transaction */
	uint64_t first;            /* transaction in the log */
	uint64_t next;             /* one to be */
	int failed;                /* the error that stopped it, or 0 */
};

/*
 * Open what is on a device; one full of zeros is an empty engine. All that was
 * committed is there. 0 or a negative errno, -MPIO_EUCLEAN if there is
 * something else on it.
 */
int wal_open(struct wal *wal, struct mpio_device *device);

/*
 * Do a transaction. 0: it is there for good. A negative errno: whether it is
 * will be known when the engine is opened again; until then it does no more.
 */
int wal_commit(struct wal *wal, const struct wal_change *changes, uint32_t n);

void wal_close(struct wal *wal);

#endif

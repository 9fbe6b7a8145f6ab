/* SPDX-License-Identifier: MIT */
/*
 * What a disk may hold after a power cut, by what the test has submitted and
 * was promised; it knows nothing of the library and of the simulated disk.
 *
 * The disk is cut into cells. Of each the oracle keeps all that was ever to be
 * there, oldest first: what it held in the beginning, then each version that
 * the test submitted. A promise (a sync that returned 0) makes versions before
 * the newest impossible. A failure that may have lost what was submitted puts
 * it in doubt: no later promise covers it, unless it is submitted again.
 */
#ifndef POWER_ORACLE_H
#define POWER_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CELL 512u

struct oracle_cell {
	unsigned char *versions; /* oldest first */
	uint32_t count;
	uint32_t room;
	uint32_t floor; /* the oldest that may still be there */
	uint32_t doubt; /* of these first versions no promise is believed */
	bool mapped;    /* was given to somebody who may write it */
	/* Of the versions that are as what was looked at last. */
	uint32_t oldest;
	uint32_t newest;
};

/* What is submitted next to a range is there only if all else is there that
 * was submitted before. */
struct oracle_order {
	uint64_t offset;
	uint64_t length;
	uint32_t *marks; /* of all cells, before it */
};

#define ORDERS_MAX 64u

struct oracle {
	struct oracle_cell *cells;
	uint32_t count;
	struct oracle_order orders[ORDERS_MAX];
	uint32_t order_count;
};

/* A disk of so many bytes, and what is on it. */
void oracle_open(struct oracle *oracle, const unsigned char *bytes,
		 size_t length);
void oracle_close(struct oracle *oracle);

/* These cells may be written from now on. */
void oracle_map(struct oracle *oracle, uint64_t offset, uint64_t length);
/* Bytes were submitted; parts of cells are not. */
void oracle_put(struct oracle *oracle, uint64_t offset,
		const unsigned char *bytes, size_t length);
/* What a cell is to hold when all is written. */
const unsigned char *oracle_newest(const struct oracle *oracle,
				   uint64_t offset);

/* How many versions there are of a cell now. */
uint32_t oracle_mark(const struct oracle *oracle, uint64_t offset);
/* The first `mark` versions of a cell are durable, or in doubt. */
void oracle_promise_to(struct oracle *oracle, uint64_t offset, uint32_t mark);
void oracle_doubt_to(struct oracle *oracle, uint64_t offset, uint32_t mark);
/* All that was submitted to a range is. */
void oracle_promise(struct oracle *oracle, uint64_t offset, uint64_t length);
/* All that is not durable is in doubt. */
void oracle_doubt(struct oracle *oracle);

/* What will be put to a range next goes behind a flush of all before it. */
void oracle_order(struct oracle *oracle, uint64_t offset, uint64_t length);

/*
 * Look at a disk, from `offset` on, that a power cut left.
 *
 * The offset of the first cell that is as it cannot be; UINT64_MAX: there is
 * none.
 */
uint64_t oracle_check(struct oracle *oracle, uint64_t offset,
		      const unsigned char *bytes, size_t length);
/* Say in words what is wrong with a cell. */
void oracle_explain(const struct oracle *oracle, uint64_t offset,
		    const unsigned char *bytes, char *text, size_t size);

#endif

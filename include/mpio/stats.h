/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What a queue has counted since it was opened; a test can assert on it.
 */
#ifndef MPIO_STATS_H
#define MPIO_STATS_H

#include <mpio/plan.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_stats {
	uint64_t pages_read;    /* pages that reads have taken */
	uint64_t pages_written; /* pages that write-back has dealt with */
	uint64_t get_block_calls;
	uint64_t reads; /* bios submitted, first tries only */
	uint64_t writes;
	uint64_t flushes;
	uint64_t discards;
	uint64_t bytes_read; /* of those bios */
	uint64_t bytes_written;
	uint64_t segments; /* pieces of memory of those bios, neighbours
				  * joined */
	uint64_t cuts[MPIO_CUT_COUNT]; /* why bios of pages ended; of GAP,
					* how many gaps they crossed */
	uint64_t bytes_wasted;  /* read in gaps; counted in bytes_read too */
	uint64_t bounces;       /* bios whose memory was not aligned, that began
				  * or ended inside a block of the device, or
				  * reads whose memory was all small pieces */
	uint64_t bytes_bounced; /* of those bios */
	uint64_t fills; /* reads of blocks that a write covers in part, before
			 * it, and again before each part of it that is
			 * driven again alone; in none of the counts of reads
			 * above */
	uint64_t turns; /* writes and discards that waited for others of the
			 * same block */
	uint64_t memory_refused; /* announcements of memory without effect */
	uint64_t merges;         /* bios that a plug joined to another */
	uint64_t retries;        /* submits again: isolation, short transfers,
				  * refusals, passing errors */
	uint64_t errors;         /* bios that ended with one */
	uint64_t submits;        /* calls of the device's submit */
	uint64_t commits;        /* calls of the device's commit */
	uint64_t reaps;          /* calls of the device's reap */
	uint64_t waits;          /* of those, that were willing to wait */
	uint32_t in_flight;      /* bios now, but for those in a plug, and those
				  * that wait for memory to bounce through or
				  * for others */
	uint32_t in_flight_peak; /* most at once */
};

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the tests of backend posix share: files with a known content in a
 * directory of their own below the one where the test runs, I/O on them in
 * scattered pieces, and a place between the backend and the system.
 *
 * The calls that move bytes go through wrappers, which the linker puts in
 * (test_posix.cmake). They count the calls and let them come short, be
 * interrupted, or fail; with nothing armed they only pass them on.
 */
#ifndef POSIX_FILES_H
#define POSIX_FILES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <mpio/backends/posix.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define KIB 1024u
#define PATH "file" /* tear_down() removes it */

/* What is to happen to the system's calls, and what has. */
struct host {
	size_t most;         /* bytes that one call moves; 0: any */
	unsigned interrupt;  /* each n-th call is interrupted; 0: none */
	unsigned fail_at;    /* this call fails, and those after it; 0: none */
	unsigned fail_last;  /* but none after this one; 0: for ever */
	int fail_errno;      /* with this; 0: it moves nothing */
	unsigned calls;      /* preadv, pwritev, pwritev2 */
	unsigned durable;    /* of them, pwritev2 with RWF_DSYNC */
	unsigned syncs;      /* fdatasync */
	size_t cached_bytes; /* moved through the page cache */
};

extern struct host host;

/* Files. */
unsigned char byte_at(uint64_t pos); /* what the test puts at a position */
void make_file(const char *path, uint64_t size);
uint64_t size_of(const char *path);
void assert_file_is_pattern(const char *path, uint64_t size);

/* Devices and queues. */
struct mpio_device *open_device(const struct mpio_posix_config *config);
void assert_refused(const char *path, const struct mpio_posix_config *config,
		    int error);
struct mpio_queue *open_queue(struct mpio_device *device);
void close_both(struct mpio_queue *queue);

/*
 * I/O, in pieces of memory that do not touch; the status that it ended with.
 * A read is compared if that is 0, and may not touch a byte beside.
 */
int write_pattern(struct mpio_queue *queue, uint32_t flags, uint64_t offset,
		  uint32_t piece, uint32_t length);
int read_pattern(struct mpio_queue *queue, uint64_t offset, uint32_t piece,
		 uint32_t length);
int read_zeros(struct mpio_queue *queue, uint64_t offset, uint32_t length);
int discard(struct mpio_queue *queue, uint64_t offset, uint32_t length);
/* The same with the caller's memory, which has a gap behind each piece. */
int read_into(struct mpio_queue *queue, uint64_t offset, void *memory,
	      uint32_t piece, uint32_t length);
unsigned char *pieces(uint32_t length); /* memory for that; free() */

/* For cmocka. */
int set_up(void **state);
int tear_down(void **state);
int enter_directory(void **state);
int leave_directory(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

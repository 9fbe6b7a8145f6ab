/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the device suite share.
 *
 *     device_suite.c          runs the tests, reports, watches the clock
 *     device_suite_pattern.c  what blocks are filled with
 *     device_suite_rig.c      queues, and I/Os that check themselves
 *     device_suite_filter.c   a filter that hands all down and watches
 *     the others              the tests, a table a file
 *
 * A rig is a queue on the device and the I/Os that were made on it. An I/O
 * knows what its memory is to hold when it has ended, has guards around each
 * piece of that memory, and counts how often it ends.
 */
#ifndef MPIO_DEVICE_SUITE_RIG_H
#define MPIO_DEVICE_SUITE_RIG_H

#include "device_suite.h"

#include <mpio/mpio.h>
#include <mpio/open.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct ds_run;
struct ds_rig;

/* ---- A run and its report ------------------------------------------------ */

/* A test needs a device that can be written. */
#define DS_WRITES (1u << 0)
/* It opens the device itself. */
#define DS_OPENS (1u << 1)

struct ds_test {
	const char *name;
	void (*run)(struct ds_run *run);
	uint32_t needs; /* DS_* flags */
};

/* Each ends with a test that is all zero. */
extern const struct ds_test ds_tests_bio[];
extern const struct ds_test ds_tests_edge[];
extern const struct ds_test ds_tests_parts[];
extern const struct ds_test ds_tests_order[];
extern const struct ds_test ds_tests_life[];
extern const struct ds_test ds_tests_event[];
extern const struct ds_test ds_tests_many[];
extern const struct ds_test ds_tests_pages[];
extern const struct ds_test ds_tests_filter[];

struct ds_run {
	const struct mpio_device_suite *suite;
	FILE *out;
	uint64_t seed;
	const char *test;     /* that is running */
	atomic_uint failures; /* of it */
	char skip[120];       /* why it is skipped, or empty */

	struct mpio_device *device;
	uint32_t unit;  /* bytes; the device's logical block */
	uint32_t block; /* bytes that a pattern fills, a multiple of it */
	uint32_t align; /* of memory; 1: any */
	uint32_t count; /* blocks that are used */
	_Atomic uint32_t *generation; /* of each of them; 0: not known */
	_Atomic uint32_t newest;      /* generation */

	pthread_mutex_t lock; /* of what is below, and of the report */
	pthread_cond_t over;
	bool running;
	uint64_t opened; /* rigs, in this test */
	struct ds_rig *rigs;
};

/* Note a failure, with values as printf() has it. Always false. */
__attribute__((format(printf, 5, 6))) bool ds_fail(struct ds_run *run,
						   const char *file, int line,
						   const char *expected,
						   const char *format, ...);
__attribute__((format(printf, 2, 3))) void ds_skip(struct ds_run *run,
						   const char *format, ...);

/* Expect something; values are told if it fails. False if it did. */
#define ds_expect(run, condition, ...)                                         \
	((condition)                                                           \
		 ? true                                                        \
		 : ds_fail(run, __FILE__, __LINE__, #condition, __VA_ARGS__))

/* Expect two numbers to be the same. */
#define ds_equal(run, got, wanted)                                             \
	ds_equal_at(run, __FILE__, __LINE__, #got " == " #wanted,              \
		    (long long)(got), (long long)(wanted))
bool ds_equal_at(struct ds_run *run, const char *file, int line,
		 const char *expected, long long got, long long wanted);

/* Open the device with some size, and learn its limits; false: a failure. */
bool ds_open(struct ds_run *run, uint64_t size);
void ds_close(struct ds_run *run);
static inline uint64_t ds_size(const struct ds_run *run)
{
	return run->suite->size != 0 ? run->suite->size : 8u << 20;
}

/* ---- Random numbers ------------------------------------------------------ */

uint64_t ds_random(uint64_t *state);
/* 0 to n - 1. */
uint32_t ds_below(uint64_t *state, uint32_t n);

/* ---- Patterns ------------------------------------------------------------ */

/* Generations with a meaning of their own. */
#define DS_ANY 0u
#define DS_ZEROS UINT32_MAX

/* What guards and memory that is to be read into are filled with. */
#define DS_GUARD 0xa5

/*
 * Fill memory with the pattern of blocks, from the first one on, a generation
 * for each; the last block may be cut. With DS_ANY, DS_GUARD.
 */
void ds_pattern_fill(const struct ds_run *run, uint64_t first,
		     const uint32_t *generations, unsigned char *data,
		     size_t length);
/*
 * Compare. `others` has what is right too, or is NULL. -1: it is right; else
 * where it is wrong, and `text` says what is there and what was to be.
 */
long ds_pattern_compare(const struct ds_run *run, uint64_t first,
			const uint32_t *generations, const uint32_t *others,
			const unsigned char *data, size_t length, char *text,
			size_t size);

/* ---- Rigs and I/Os ------------------------------------------------------- */

enum ds_state { DS_MADE, DS_FLYING, DS_ENDED };

struct ds_io {
	struct ds_io *next;
	struct ds_rig *rig;
	uint64_t offset;
	uint32_t length;
	enum mpio_bio_op op;
	uint32_t flags;
	atomic_int state; /* enum ds_state */
	atomic_int ends;
	int status;
	uint64_t order;        /* in which it ended, from 1 on; 0: not yet */
	bool keep;             /* the bio stays with it until it is freed */
	bool cancelled;        /* it may have been; ds_io_check() minds */
	struct mpio_bio *bio;  /* in flight, or kept */
	unsigned char *memory; /* with its guards */
	size_t memory_size;
	struct mpio_iovec *pieces;
	uint32_t piece_count;
	uint32_t *generations;          /* of each block, afterwards */
	uint32_t *others;               /* that are as good; NULL: none */
	void (*then)(struct ds_io *io); /* called by its end_io; or NULL */
	void *ctx;
};

/* A queue on a device, used by one thread. */
struct ds_rig {
	struct ds_rig *next;
	struct ds_run *run;
	struct mpio_queue *queue;
	struct ds_io *ios;
	uint64_t random;
	struct mpio_allocator allocator;
	uint64_t ended; /* I/Os that have ended */
	uint32_t flying;
};

/* How the memory of an I/O is to lie. */
struct ds_shape {
	uint32_t pieces; /* 0: 1; fewer if there cannot be so many */
	uint32_t skew;   /* bytes that each is away from being aligned */
	bool even;       /* pieces as equal as can be, not random ones, and
			  * perhaps more than there may be */
	void *memory;    /* the caller's, one piece, without guards; or NULL */
};

/* Open a queue; config may be NULL. NULL: a failure was noted. */
struct ds_rig *ds_rig_open(struct ds_run *run, struct mpio_device *device,
			   const struct mpio_queue_config *config);
/* Drain, check what has ended, and close. */
void ds_rig_close(struct ds_rig *rig);

/*
 * Make an I/O. A write gets generations of its own; they count as what the
 * blocks hold, for reads made later, from ds_io_submit() on.
 */
struct ds_io *ds_io_new(struct ds_rig *rig, enum mpio_bio_op op, uint32_t flags,
			uint64_t offset, uint32_t length,
			const struct ds_shape *shape);
/* Submit it, waiting for a bio if there is none. As mpio_bio_submit(). */
int ds_io_submit(struct ds_io *io);
/* Once more: an I/O that has ended, or does so right now (from `then`). */
int ds_io_again(struct ds_io *io);
/* It has ended, once, well, and its memory is as it should be. */
bool ds_io_check(struct ds_io *io);
void ds_io_free(struct ds_io *io);

/* Make and submit, in any memory; a failure is noted if it is refused. */
struct ds_io *ds_io_start(struct ds_rig *rig, enum mpio_bio_op op,
			  uint32_t flags, uint64_t offset, uint32_t length,
			  uint32_t pieces);
/* Check and free the I/Os that have ended. */
void ds_rig_collect(struct ds_rig *rig);
/* Wait for all I/Os, then check and free them. */
void ds_rig_finish(struct ds_rig *rig);
/* Do one I/O and wait for it; its status. */
int ds_do(struct ds_rig *rig, enum mpio_bio_op op, uint32_t flags,
	  uint64_t offset, uint32_t length, uint32_t pieces);
/* Write blocks, or read and compare them, in large I/Os, and wait. */
void ds_sweep(struct ds_rig *rig, enum mpio_bio_op op, uint32_t first,
	      uint32_t count);
/*
 * Read blocks, each of which is to be what the model says, or what `others`
 * say of it.
 */
void ds_read_either(struct ds_rig *rig, uint32_t first, uint32_t count,
		    const uint32_t *others);
/* The most bytes that an I/O of a rig may have, and be tested with. */
uint32_t ds_bytes_max(const struct ds_rig *rig);
/* So many blocks, or fewer if an I/O may not have as many. */
uint32_t ds_fit(const struct ds_rig *rig, uint32_t count);

/* Print the I/Os that have not ended, of all rigs. */
void ds_print_flying(struct ds_run *run);

/* Memory, aligned for the device and for anything; never NULL. */
void *ds_memory(const struct ds_run *run, size_t size);

/* ---- The filter ---------------------------------------------------------- */

/* A filter that hands everything down. With a run, it watches both sides. */
struct ds_filter {
	struct mpio_device device;
	struct mpio_device *lower;
	struct ds_run *run;
};

void ds_filter_init(struct ds_filter *filter, struct mpio_device *lower,
		    struct ds_run *run);

#endif

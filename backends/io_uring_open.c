/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring: opening a device, and what the kernel has for it.
 *
 * Each feature is tried once on a small ring, from the best down, and what was
 * taken is remembered for the rings of the queues. A kernel that lacks a
 * feature, or a system that forbids it, so costs nothing later, and never more
 * than speed: only a kernel without any ring that works is an error. That is
 * found out before the file is opened, so that no file is made for nothing.
 */
#include "io_uring_private.h"

#include <mpio/backends/io_uring.h>
#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a ring that something is tried on. */
#define TRIAL_DEPTH 2u
/* Operations that are asked after. */
#define OPS_MAX 64u

/* ---- The kind of ring ---------------------------------------------------- */

/* One thread, which the kernel does not interrupt: the best there is. */
#define SETUP_SINGLE_ISSUER                                                    \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |             \
	 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED)
#define SETUP_COOPERATIVE                                                      \
	(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

/* 0, or why there is no such ring: the host's errno. */
static int try_ring(uint32_t setup)
{
	struct io_uring ring;
	int result = mpio__ring_open(&ring, setup, TRIAL_DEPTH);

	if (result < 0)
		return -result;
	io_uring_queue_exit(&ring);
	return 0;
}

/*
 * From the best down. A thread that a queue has left would not notice that
 * there is work for it, were it not interrupted; so such queues have plain
 * rings.
 */
static int find_setup(struct mpio__io_uring *uring,
		      const struct mpio_io_uring_config *config)
{
	if (config->sqpoll) {
		uring->setup = IORING_SETUP_SQPOLL;
		uring->no_sqpoll = try_ring(uring->setup);
		if (uring->no_sqpoll == 0)
			return 0;
	}
	if (!config->roaming) {
		uring->setup = SETUP_SINGLE_ISSUER;
		uring->no_single_issuer = try_ring(uring->setup);
		if (uring->no_single_issuer == 0)
			return 0;
		uring->setup = SETUP_COOPERATIVE;
		uring->no_cooperation = try_ring(uring->setup);
		if (uring->no_cooperation == 0)
			return 0;
	}
	uring->setup = 0;
	return try_ring(uring->setup);
}

/* ---- What such a ring can do --------------------------------------------- */

union probe {
	struct io_uring_probe probe;
	char room[sizeof(struct io_uring_probe) +
		  OPS_MAX * sizeof(struct io_uring_probe_op)];
};

static bool can(const union probe *answer, unsigned int op)
{
	return op < answer->probe.ops_len &&
	       (answer->probe.ops[op].flags & IO_URING_OP_SUPPORTED) != 0;
}

/* 0, or the host's errno: ENOSYS for a kernel that is too old. */
static int find_operations(struct mpio__io_uring *uring, struct io_uring *ring)
{
	static const uint8_t needed[] = {
		IORING_OP_READV, IORING_OP_WRITEV,     IORING_OP_READ,
		IORING_OP_WRITE, IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED,
		IORING_OP_FSYNC, IORING_OP_NOP,        IORING_OP_ASYNC_CANCEL};
	union probe answer;
	int result;

	memset(&answer, 0, sizeof(answer));
	result = io_uring_register_probe(ring, &answer.probe, OPS_MAX);
	if (result == -EINVAL)
		return ENOSYS;
	if (result < 0)
		return -result;
	for (size_t i = 0; i < sizeof(needed); i++) {
		if (!can(&answer, needed[i]))
			return ENOSYS;
	}
	uring->fixed_vectors = can(&answer, MPIO__OP_READV_FIXED) &&
			       can(&answer, MPIO__OP_WRITEV_FIXED);
	return 0;
}

static void find_memory(struct mpio__io_uring *uring, struct io_uring *ring)
{
	uring->no_fixed_memory =
		-io_uring_register_buffers_sparse(ring, MPIO__RANGES_MAX);
}

/* Whether a call says that it is not there, or forbidden. */
static bool is_denied(int result)
{
	return result == -EPERM || result == -EACCES || result == -ENOSYS;
}

/*
 * A ring that can be made may yet not be used: a sandbox may allow the one call
 * and forbid the other. So nothing is done with it once, for a trial. 0, or the
 * host's errno.
 */
static int use_ring(struct io_uring *ring, uint32_t setup)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int result = 0;

	if (setup & IORING_SETUP_R_DISABLED)
		result = mpio__ring_enable(ring);
	sqe = result == 0 ? io_uring_get_sqe(ring) : NULL;
	if (sqe != NULL) {
		io_uring_prep_nop(sqe);
		result = io_uring_submit(ring);
	}
	if (result == 1)
		result = io_uring_wait_cqe(ring, &cqe);
	/* Refusals of another kind pass. */
	return is_denied(result) ? -result : 0;
}

/* All that needs no file. 0, or the host's errno. */
static int find_ring(struct mpio__io_uring *uring,
		     const struct mpio_io_uring_config *config)
{
	struct io_uring ring;
	int error = find_setup(uring, config);
	int result;

	if (error != 0)
		return error;
	result = mpio__ring_open(&ring, uring->setup, TRIAL_DEPTH);
	if (result < 0)
		return -result;
	error = use_ring(&ring, uring->setup);
	if (error == 0)
		error = find_operations(uring, &ring);
	if (error == 0)
		find_memory(uring, &ring);
	io_uring_queue_exit(&ring);
	return error;
}

/* ---- What it can do with the file ---------------------------------------- */

/* Read the first block by a ring, and wait. 0, or the host's errno. */
static int read_block(struct io_uring *ring, int fd, void *block, uint32_t size)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int result;

	if (sqe == NULL)
		return EBUSY;
	io_uring_prep_read(sqe, fd, block, size, 0);
	sqe->user_data = 1;
	result = io_uring_submit(ring);
	if (result != 1)
		return result < 0 ? -result : EAGAIN;
	do {
		result = io_uring_wait_cqe(ring, &cqe);
	} while (result == -EINTR || result == -EAGAIN);
	if (result < 0)
		return -result;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result < 0 ? -result : 0;
}

/* Whether the disk can be polled, only a read can tell. */
static int try_polling(const struct mpio__io_uring *uring, uint32_t setup)
{
	uint32_t size = uring->file.device.limits.logical_block_size;
	struct io_uring ring;
	void *block;
	int error;
	int result;

	if (!uring->file.direct || uring->file.device.size < size)
		return EOPNOTSUPP;
	if (posix_memalign(&block, size < 4096 ? 4096 : size, size) != 0)
		return ENOMEM;
	result = mpio__ring_open(&ring, setup, TRIAL_DEPTH);
	error = -result;
	if (result >= 0) {
		if (setup & IORING_SETUP_R_DISABLED)
			error = -mpio__ring_enable(&ring);
		if (error == 0)
			error = read_block(&ring, uring->file.fd, block, size);
		io_uring_queue_exit(&ring);
	}
	free(block);
	return error;
}

static void find_polling(struct mpio__io_uring *uring)
{
	uint32_t setup = uring->setup | IORING_SETUP_IOPOLL;

	uring->no_iopoll = try_polling(uring, setup);
	if (uring->no_iopoll == 0)
		uring->setup = setup;
}

static void find_fixed_file(struct mpio__io_uring *uring)
{
	struct io_uring ring;
	int result = mpio__ring_open(&ring, uring->setup, TRIAL_DEPTH);

	if (result >= 0) {
		result = io_uring_register_files(&ring, &uring->file.fd, 1);
		io_uring_queue_exit(&ring);
	}
	uring->no_fixed_file = result < 0 ? -result : 0;
}

/* ---- In words ------------------------------------------------------------ */

static const char *ring_kind(uint32_t setup)
{
	if (setup & IORING_SETUP_SQPOLL)
		return "submissions taken by a kernel thread";
	if (setup & IORING_SETUP_SINGLE_ISSUER)
		return "single issuer, deferred task work";
	if (setup & IORING_SETUP_COOP_TASKRUN)
		return "cooperative task work";
	return "plain";
}

static const char *memory_kind(const struct mpio__io_uring *uring)
{
	if (uring->no_fixed_memory != 0)
		return "not registered";
	return uring->fixed_vectors ? "registered when announced, many pieces"
				    : "registered when announced, one piece";
}

static void say_missing(struct mpio__text *text, const char *name, int error)
{
	if (error != 0)
		mpio__say(text, "not here: %s (%s)\n", name,
			  mpio_strerror(mpio_error_from_host(error)));
}

static int describe(struct mpio_device *device, char *at, size_t size)
{
	const struct mpio__io_uring *uring = (struct mpio__io_uring *)device;
	struct mpio__text text = {.at = at, .size = size};

	mpio__hostfile_say(&uring->file, &text, "io_uring");
	mpio__say(&text, "ring: %s%s\n", ring_kind(uring->setup),
		  uring->setup & IORING_SETUP_IOPOLL ? ", completions polled"
						     : "");
	mpio__say(&text, "descriptor: %s\n",
		  uring->no_fixed_file == 0 ? "registered" : "not registered");
	mpio__say(&text, "memory: %s\n", memory_kind(uring));
	say_missing(&text, "sqpoll", uring->no_sqpoll);
	say_missing(&text, "single issuer", uring->no_single_issuer);
	say_missing(&text, "cooperative task work", uring->no_cooperation);
	say_missing(&text, "iopoll", uring->no_iopoll);
	say_missing(&text, "registered descriptor", uring->no_fixed_file);
	say_missing(&text, "registered memory", uring->no_fixed_memory);
	return (int)text.length;
}

/* ---- Opening ------------------------------------------------------------- */

static void close_device(struct mpio_device *device)
{
	struct mpio__io_uring *uring = (struct mpio__io_uring *)device;

	mpio__hostfile_close(&uring->file);
	free(uring);
}

/* The ring first: without one, no file is made. */
static int set_up(struct mpio__io_uring *uring, const char *path,
		  const struct mpio_io_uring_config *config)
{
	int error = find_ring(uring, config);

	if (error != 0)
		return mpio_error_from_host(error);
	error = mpio__hostfile_open(&uring->file, path, &config->file);
	if (error != 0)
		return error;
	if (config->iopoll)
		find_polling(uring);
	find_fixed_file(uring);
	mpio__hostfile_limit_to_disk(&uring->file);
	mpio__io_uring_set_ops(&uring->file.device.ops);
	uring->file.device.ops.describe = describe;
	uring->file.device.ops.close = close_device;
	return 0;
}

int mpio_io_uring_open(const char *path,
		       const struct mpio_io_uring_config *config,
		       struct mpio_device **device)
{
	const struct mpio_io_uring_config none = {0};
	struct mpio__io_uring *uring = calloc(1, sizeof(*uring));
	int error;

	if (uring == NULL)
		return -MPIO_ENOMEM;
	error = set_up(uring, path, config != NULL ? config : &none);
	if (error != 0) {
		free(uring);
		return error;
	}
	*device = &uring->file.device;
	return 0;
}

static int take_own(void *ctx, const char *name, const char *value)
{
	struct mpio_io_uring_config *config = ctx;

	if (strcmp(name, "sqpoll") == 0)
		return mpio__switch_parse(value, &config->sqpoll);
	if (strcmp(name, "iopoll") == 0)
		return mpio__switch_parse(value, &config->iopoll);
	if (strcmp(name, "roaming") == 0)
		return mpio__switch_parse(value, &config->roaming);
	return -MPIO_EINVAL;
}

int mpio_io_uring_open_uri(const char *path, char *options,
			   struct mpio_device **device)
{
	struct mpio_io_uring_config config = {0};
	int error = mpio__hostfile_options(&config.file, options, take_own,
					   &config);

	return error != 0 ? error : mpio_io_uring_open(path, &config, device);
}

/* SPDX-License-Identifier: MIT */
/*
 * A place between backend io_uring and the kernel: see ring_faults.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "ring_faults.h"

#include <mpio/bio.h>

#include <errno.h>
#include <liburing.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#define OP_READV_FIXED 60
#define OP_WRITEV_FIXED 61

struct ring_host ring_host;
static bool was_awaited; /* since the last submission */

void ring_host_reset(void)
{
	memset(&ring_host, 0, sizeof(ring_host));
}

/* Count a call; whether the fault is due. */
static bool is_due(enum ring_call call)
{
	struct ring_host *host = &ring_host;
	unsigned int n = ++host->calls[call];

	if (host->fault.call != call || host->first == 0 || n < host->first)
		return false;
	if (n > host->first &&
	    (host->step == 0 || (n - host->first) % host->step != 0))
		return false;
	host->fired++;
	return true;
}

/* Count a call; 0 or the negative errno that it is refused with. */
static int refusal(enum ring_call call)
{
	return is_due(call) ? -ring_host.fault.error : 0;
}

/* ---- Submissions ---------------------------------------------------------- */

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait);

/* What goes to the kernel now is looked at, for the tests. */
static void look(const struct io_uring *ring)
{
	unsigned int place = *ring->sq.khead;

	if (ring->flags & IORING_SETUP_SQPOLL)
		place = *ring->sq.ktail;
	for (; place != ring->sq.sqe_tail; place++) {
		struct io_uring_sqe *sqe =
			&ring->sq.sqes[place & ring->sq.ring_mask];

		if (sqe->opcode == IORING_OP_FSYNC && ring_host.spares_disk)
			sqe->opcode = IORING_OP_NOP;
		if (sqe->user_data == 0 || sqe->opcode == IORING_OP_FSYNC ||
		    sqe->opcode == IORING_OP_NOP)
			continue;
		if (ring_host.file != 0) {
			sqe->fd = ring_host.file;
			sqe->off = 0;
		}
		ring_host.submitted++;
		ring_host.durable += sqe->rw_flags == RWF_DSYNC;
		ring_host.fixed += sqe->opcode == IORING_OP_READ_FIXED ||
				   sqe->opcode == IORING_OP_WRITE_FIXED;
		ring_host.fixed_vectors += sqe->opcode == OP_READV_FIXED ||
					   sqe->opcode == OP_WRITEV_FIXED;
	}
}

/* Half of them, rounded down, is all that the kernel sees. */
static int submit_half(struct io_uring *ring)
{
	unsigned int head = ring->flags & IORING_SETUP_SQPOLL ? *ring->sq.ktail
							      : *ring->sq.khead;
	unsigned int tail = ring->sq.sqe_tail;
	int result = 0;

	ring->sq.sqe_tail = head + (tail - head) / 2;
	look(ring);
	if (ring->sq.sqe_tail != head)
		result = __real_io_uring_submit(ring);
	ring->sq.sqe_tail = tail;
	return result;
}

/* The kernel's thread could see them, were it awake. */
static void submit_to_a_sleeper(struct io_uring *ring)
{
	while (!(IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_NEED_WAKEUP))
		usleep(1000);
	ring->sq.sqe_head = ring->sq.sqe_tail;
	io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
}

static int submit_badly(struct io_uring *ring)
{
	if (ring_host.sleeps_on)
		submit_to_a_sleeper(ring);
	if (ring_host.fault.error != 0)
		return -ring_host.fault.error;
	return submit_half(ring);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	if (is_due(RING_SUBMIT))
		return submit_badly(ring);
	if (ring_host.is_late)
		was_awaited = false;
	look(ring);
	return __real_io_uring_submit(ring);
}

/* Where not all is taken, the kernel does not wait either. */
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait)
{
	if (is_due(RING_SUBMIT))
		return submit_badly(ring);
	if (ring_host.is_late)
		was_awaited = true;
	look(ring);
	return __real_io_uring_submit_and_wait(ring, wait);
}

/* ---- Completions ---------------------------------------------------------- */

int __real___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait,
			      sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait,
			      sigset_t *mask);
unsigned int __real_io_uring_peek_batch_cqe(struct io_uring *ring,
					    struct io_uring_cqe **cqes,
					    unsigned int count);
unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring,
					    struct io_uring_cqe **cqes,
					    unsigned int count);

int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait,
			      sigset_t *mask)
{
	int result = refusal(RING_WAIT);

	if (ring_host.is_late)
		was_awaited = true; /* even in vain: time passes */
	if (result != 0)
		return result;
	return __real___io_uring_get_cqe(ring, cqe, submit, wait, mask);
}

static void spoil(struct io_uring_cqe *cqe)
{
	const struct mpio_bio *bio =
		(struct mpio_bio *)(uintptr_t)cqe->user_data;
	const struct ring_fault *fault = &ring_host.fault;
	int less = (int)fault->less;

	/* A flush cannot come short. */
	if (cqe->user_data <= 1 ||
	    (fault->error == 0 && bio->op == MPIO_BIO_FLUSH) ||
	    (fault->ops != 0 && !(fault->ops >> bio->op & 1)))
		return;
	if (!is_due(RING_COMPLETION))
		return;
	if (fault->error != 0)
		cqe->res = -fault->error;
	else if (fault->most != 0)
		cqe->res = cqe->res < (int)fault->most ? cqe->res
						       : (int)fault->most;
	else
		cqe->res = cqe->res > less ? cqe->res - less : 0;
}

unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring,
					    struct io_uring_cqe **cqes,
					    unsigned int count)
{
	unsigned int n;

	if (ring_host.is_late && !was_awaited)
		return 0;
	n = __real_io_uring_peek_batch_cqe(ring, cqes, count);
	for (unsigned int i = 0; i < n; i++)
		spoil(cqes[i]);
	return n;
}

/* ---- Opening and registering ---------------------------------------------- */

int __real_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *params);
int __real_io_uring_register(unsigned int fd, unsigned int op, const void *arg,
			     unsigned int count);
int __wrap_io_uring_register(unsigned int fd, unsigned int op, const void *arg,
			     unsigned int count);
int __real_io_uring_register_files(struct io_uring *ring, const int *files,
				   unsigned int count);
int __wrap_io_uring_register_files(struct io_uring *ring, const int *files,
				   unsigned int count);
int __real_io_uring_register_buffers_sparse(struct io_uring *ring,
					    unsigned int count);
int __wrap_io_uring_register_buffers_sparse(struct io_uring *ring,
					    unsigned int count);
int __real_io_uring_register_buffers_update_tag(struct io_uring *ring,
						unsigned int place,
						const struct iovec *vecs,
						const __u64 *tags,
						unsigned int count);
int __wrap_io_uring_register_buffers_update_tag(struct io_uring *ring,
						unsigned int place,
						const struct iovec *vecs,
						const __u64 *tags,
						unsigned int count);
int __real_io_uring_register_probe(struct io_uring *ring,
				   struct io_uring_probe *probe,
				   unsigned int count);
int __wrap_io_uring_register_probe(struct io_uring *ring,
				   struct io_uring_probe *probe,
				   unsigned int count);

int __wrap_io_uring_queue_init_params(unsigned int entries,
				      struct io_uring *ring,
				      struct io_uring_params *params)
{
	uint32_t played = ring_host.polls ? IORING_SETUP_IOPOLL : 0;
	int result = refusal(RING_OPEN);

	if (result != 0)
		return result;
	if (params->flags & ring_host.lacks)
		return -EINVAL;
	played &= params->flags;
	params->flags &= ~played;
	if (ring_host.entries != 0 && entries > ring_host.entries) {
		entries = ring_host.entries;
		params->cq_entries = 2 * entries;
	}
	if (ring_host.cq_small != 0) {
		params->cq_entries = ring_host.cq_small;
		entries = ring_host.cq_small;
	}
	result = __real_io_uring_queue_init_params(entries, ring, params);
	if (result == 0)
		ring->flags |= played;
	if (result == 0 && ring_host.cq_small != 0)
		ring->cq.ring_entries = 1u << 16;
	return result;
}

int __wrap_io_uring_register(unsigned int fd, unsigned int op, const void *arg,
			     unsigned int count)
{
	int result =
		op == IORING_REGISTER_ENABLE_RINGS ? refusal(RING_ENABLE) : 0;

	if (result != 0)
		return result;
	return __real_io_uring_register(fd, op, arg, count);
}

int __wrap_io_uring_register_files(struct io_uring *ring, const int *files,
				   unsigned int count)
{
	int result = refusal(RING_FILE);

	if (ring_host.lacks_files)
		result = -EINVAL;
	return result != 0 ? result
			   : __real_io_uring_register_files(ring, files, count);
}

int __wrap_io_uring_register_buffers_sparse(struct io_uring *ring,
					    unsigned int count)
{
	int result = refusal(RING_TABLE);

	if (ring_host.lacks_memory)
		result = -EINVAL;
	return result != 0
		       ? result
		       : __real_io_uring_register_buffers_sparse(ring, count);
}

int __wrap_io_uring_register_buffers_update_tag(struct io_uring *ring,
						unsigned int place,
						const struct iovec *vecs,
						const __u64 *tags,
						unsigned int count)
{
	int result = refusal(RING_ANNOUNCE);

	if (result != 0)
		return result;
	if (ring_host.announces_nothing)
		return 1;
	return __real_io_uring_register_buffers_update_tag(ring, place, vecs,
							   tags, count);
}

int __wrap_io_uring_register_probe(struct io_uring *ring,
				   struct io_uring_probe *probe,
				   unsigned int count)
{
	int result = refusal(RING_PROBE);

	if (result != 0)
		return result;
	result = __real_io_uring_register_probe(ring, probe, count);
	if (ring_host.lacks_vectors && probe->ops_len > OP_READV_FIXED)
		probe->ops_len = OP_READV_FIXED;
	return result;
}

/* SPDX-License-Identifier: MIT */
/*
 * Wrappers around libaio's calls: see aio_faults.h.
 */
#include "aio_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECTOR 512u
#define LIST_MAX 64

/* Results that are to be put in place of true ones. */
static struct {
	void *data;
	long result;
} spoiled[LIST_MAX];
static unsigned spoiled_count;

struct aio_kernel kernel;

void aio_kernel_reset(void)
{
	memset(&kernel, 0, sizeof(kernel));
	spoiled_count = 0;
}

struct ring {
	unsigned id, count, head, tail, magic, compat, incompat, length;
	struct io_event events[];
};

int __real_io_setup(int depth, io_context_t *context);
int __wrap_io_setup(int depth, io_context_t *context);
int __real_io_submit(io_context_t context, long n, struct iocb **list);
int __wrap_io_submit(io_context_t context, long n, struct iocb **list);
int __real_io_getevents(io_context_t context, long least, long most,
			struct io_event *events, struct timespec *timeout);
int __wrap_io_getevents(io_context_t context, long least, long most,
			struct io_event *events, struct timespec *timeout);

int __wrap_io_setup(int depth, io_context_t *context)
{
	int result;

	kernel.setups++;
	if (kernel.setup_error != 0)
		return -kernel.setup_error;
	result = __real_io_setup(depth, context);
	if (result == 0 && kernel.is_odd)
		((struct ring *)*context)->magic = 1;
	return result;
}

/* Have an event say what it is to say; false if it may say the truth. */
static bool spoil(struct io_event *event)
{
	for (unsigned i = 0; i < spoiled_count; i++) {
		if (spoiled[i].data == event->data) {
			event->res = (unsigned long)spoiled[i].result;
			spoiled[i] = spoiled[--spoiled_count];
			return true;
		}
	}
	return false;
}

/*
 * Where nobody asks for events, they are spoiled in the ring, as soon as they
 * are all there.
 */
static void spoil_ring(struct ring *ring)
{
	while (!kernel.is_odd && spoiled_count != 0) {
		unsigned tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

		for (unsigned i = ring->head; i != tail;
		     i = (i + 1) % ring->count)
			spoil(&ring->events[i]);
		sched_yield();
	}
}

/* Let an I/O read something of no interest, and say that this came of it. */
static void replace(struct iocb *iocb, long result)
{
	static _Alignas(4096) char scratch[4096];

	iocb->aio_lio_opcode = IO_CMD_PREAD;
	iocb->aio_rw_flags = 0;
	iocb->u.c.buf = scratch;
	iocb->u.c.nbytes = sizeof(scratch);
	iocb->u.c.offset = 0;
	spoiled[spoiled_count].data = iocb->data;
	spoiled[spoiled_count++].result = result;
}

/* Let an I/O move less, or nothing, and say what `kind` has it say. */
static void falsify(struct iocb *iocb, int kind, struct iovec *clipped)
{
	bool is_flush = iocb->aio_lio_opcode == IO_CMD_FDSYNC;
	const struct iovec *vecs = iocb->u.c.buf;
	size_t length = is_flush ? 0 : total(vecs, (int)iocb->u.c.nbytes);
	size_t said = kind < 0 ? shortened(kind, length) : 0;
	bool is_direct = (fcntl(iocb->aio_fildes, F_GETFL) & O_DIRECT) != 0;
	size_t moved = said - said % (is_direct ? SECTOR : 1);

	if (moved == 0) {
		replace(iocb, kind < 0 ? (long)said : -kind);
		return;
	}
	iocb->u.c.nbytes = (unsigned long)clip(clipped, vecs,
					       (int)iocb->u.c.nbytes, moved);
	iocb->u.c.buf = clipped;
	spoiled[spoiled_count].data = iocb->data;
	spoiled[spoiled_count++].result = (long)said;
}

static enum call call_of(const struct iocb *iocb)
{
	switch (iocb->aio_lio_opcode) {
	case IO_CMD_PREADV:
		return CALL_AIO_READ;
	case IO_CMD_PWRITEV:
		return CALL_AIO_WRITE;
	default:
		return CALL_AIO_SYNC;
	}
}

/* What the kernel is given in place of an I/O. */
static void pass_on(struct iocb *iocb, struct iovec *clipped)
{
	int kind = strike(CALL_COMPLETION);

	if (kind == KIND_NOTHING)
		kind = strike(call_of(iocb));
	kernel.sent[kernel.sent_count++ % 256] = (uint64_t)iocb->u.c.offset;
	if (kind != KIND_NOTHING)
		falsify(iocb, kind, clipped);
	else if (faults_disk_is_spared() &&
		 iocb->aio_lio_opcode == IO_CMD_FDSYNC)
		replace(iocb, 0);
	if (faults_disk_is_spared())
		iocb->aio_rw_flags = 0;
}

int __wrap_io_submit(io_context_t context, long n, struct iocb **list)
{
	static struct iovec vecs[LIST_MAX][1024];
	struct iocb shadows[LIST_MAX];
	struct iocb *passed[LIST_MAX];
	int kind = strike(CALL_SUBMIT);
	int result;

	kernel.calls[kernel.call_count++ % 64] = n;
	if (kernel.lacks_flush && list[0]->aio_lio_opcode == IO_CMD_FDSYNC)
		return -EINVAL;
	if (kind > 0)
		return -kind;
	kind = n > 1 ? strike(CALL_SUBMIT_ANY) : KIND_NOTHING;
	if (kind == KIND_ONE)
		n = 1;
	if (kind == KIND_ALL_BUT_ONE)
		n--;
	n = n < LIST_MAX ? n : LIST_MAX;
	for (long i = 0; i < n; i++) {
		shadows[i] = *list[i];
		passed[i] = &shadows[i];
		pass_on(passed[i], vecs[i]);
	}
	result = __real_io_submit(context, n, passed);
	assert_int_equal(result, n);
	spoil_ring((struct ring *)context);
	return result;
}

int __wrap_io_getevents(io_context_t context, long least, long most,
			struct io_event *events, struct timespec *timeout)
{
	int kind = strike(CALL_FETCH);
	int n;

	if (kind > 0)
		return -kind;
	if (kind == KIND_ONE)
		most = 1;
	n = __real_io_getevents(context, least, most, events, timeout);
	for (int i = 0; i < n; i++)
		spoil(&events[i]);
	return n;
}

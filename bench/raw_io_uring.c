/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench raw by io_uring: one system call sends all that is queued and
 * waits. The ring belongs to this thread, and the file is registered with it,
 * where the kernel has that.
 */
#include "raw.h"

#include <liburing.h>
#include <stdlib.h>

struct state {
	struct io_uring ring;
	bool write;
};

static void *open_state(int fd, unsigned depth, bool write)
{
	struct state *state = calloc(1, sizeof(*state));
	const unsigned best =
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

	if (state == NULL)
		return NULL;
	state->write = write;
	if (io_uring_queue_init(depth, &state->ring, best) != 0 &&
	    io_uring_queue_init(depth, &state->ring, 0) != 0) {
		free(state);
		return NULL;
	}
	if (io_uring_register_files(&state->ring, &fd, 1) != 0) {
		io_uring_queue_exit(&state->ring);
		free(state);
		return NULL;
	}
	return state;
}

static void close_state(void *opaque)
{
	struct state *state = opaque;

	io_uring_queue_exit(&state->ring);
	free(state);
}

static void queue(void *opaque, struct raw_io *io)
{
	struct state *state = opaque;
	/* There are as many places as I/Os. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&state->ring);

	if (state->write)
		io_uring_prep_writev(sqe, 0, io->vecs, io->count, io->offset);
	else
		io_uring_prep_readv(sqe, 0, io->vecs, io->count, io->offset);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, io);
}

static struct raw_io *push(void *opaque)
{
	struct state *state = opaque;
	struct raw_io *ended = NULL;
	struct io_uring_cqe *cqe;
	unsigned head;
	unsigned n = 0;

	if (io_uring_submit_and_wait(&state->ring, 1) < 0)
		return NULL;
	io_uring_for_each_cqe(&state->ring, head, cqe)
	{
		struct raw_io *io = io_uring_cqe_get_data(cqe);

		io->result = cqe->res;
		io->next = ended;
		ended = io;
		n++;
	}
	io_uring_cq_advance(&state->ring, n);
	return ended;
}

const struct raw_ops raw_io_uring = {
	.name = "io_uring",
	.open = open_state,
	.queue = queue,
	.push = push,
	.close = close_state,
};

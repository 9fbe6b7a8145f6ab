/* SPDX-License-Identifier: MIT */
/*
 * mpio-bench raw by libaio, as its manual has it: one io_submit for all that
 * is queued, one io_getevents for all that has ended.
 */
#include "raw.h"

#include <libaio.h>
#include <stdlib.h>

struct state {
	io_context_t context;
	int fd;
	bool write;
	unsigned depth;
	unsigned queued;
	unsigned spare; /* of iocbs */
	struct iocb *iocbs;
	struct iocb **batch;
	struct iocb **free;
	struct io_event *events;
};

static void close_state(void *opaque)
{
	struct state *state = opaque;

	if (state->context != NULL)
		io_destroy(state->context);
	free(state->iocbs);
	free(state->batch);
	free(state->free);
	free(state->events);
	free(state);
}

static void *open_state(int fd, unsigned depth, bool write)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return NULL;
	*state = (struct state){.fd = fd,
				.write = write,
				.depth = depth,
				.spare = depth,
				.iocbs = calloc(depth, sizeof(struct iocb)),
				.batch = calloc(depth, sizeof(struct iocb *)),
				.free = calloc(depth, sizeof(struct iocb *)),
				.events =
					calloc(depth, sizeof(struct io_event))};
	if (!state->iocbs || !state->batch || !state->free || !state->events ||
	    io_setup((int)depth, &state->context) != 0) {
		close_state(state);
		return NULL;
	}
	for (unsigned i = 0; i < depth; i++)
		state->free[i] = &state->iocbs[i];
	return state;
}

static void queue(void *opaque, struct raw_io *io)
{
	struct state *state = opaque;
	struct iocb *iocb = state->free[--state->spare];
	long long offset = (long long)io->offset;

	if (state->write)
		io_prep_pwritev(iocb, state->fd, io->vecs, (int)io->count,
				offset);
	else
		io_prep_preadv(iocb, state->fd, io->vecs, (int)io->count,
			       offset);
	iocb->data = io;
	state->batch[state->queued++] = iocb;
}

static bool send_all(struct state *state)
{
	unsigned sent = 0;

	while (sent < state->queued) {
		int n = io_submit(state->context, (long)(state->queued - sent),
				  state->batch + sent);

		if (n <= 0)
			return false;
		sent += (unsigned)n;
	}
	state->queued = 0;
	return true;
}

static struct raw_io *push(void *opaque)
{
	struct state *state = opaque;
	struct raw_io *ended = NULL;
	int n;

	if (!send_all(state))
		return NULL;
	n = io_getevents(state->context, 1, (long)state->depth, state->events,
			 NULL);
	for (int i = 0; i < n; i++) {
		struct raw_io *io = state->events[i].data;

		state->free[state->spare++] = state->events[i].obj;
		io->result = (int64_t)state->events[i].res;
		io->next = ended;
		ended = io;
	}
	return ended;
}

const struct raw_ops raw_libaio = {
	.name = "libaio",
	.open = open_state,
	.queue = queue,
	.push = push,
	.close = close_state,
};

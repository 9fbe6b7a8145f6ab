/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring: the ring of a queue.
 *
 *     submit        commit, reap         reap
 *       |  write       |   push            |  collect
 *       v              v                   v
 *     [ unsent ] -> [ in flight, the kernel's ] -> ended
 *       |
 *       +- take_back: done here and now, if the kernel refuses it
 *
 * A submission is written into the ring and waits there until it is pushed.
 * What the kernel does not take stays where it is, in order, and is pushed
 * again as soon as something has ended. If nothing is in flight that could
 * end, waiting would not help: the bios are then done blocking, and their
 * submissions become no-operations, which carry no bio. So nothing hangs, even
 * if the kernel refuses for ever.
 *
 * Each submission has exactly one completion. So the places of the two rings,
 * which only count up, tell how many are on their way, and one is not written
 * for whose completion there might be no room.
 */
#include "io_uring_private.h"

#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* Most submissions that wait to be pushed; more are pushed on the way. */
#define UNSENT_MAX 4096u
/* Completions that are looked at together. */
#define BATCH 32u

struct channel {
	struct io_uring ring;
	const struct mpio__io_uring *uring;
	unsigned int depth;  /* bios at most */
	unsigned int taken;  /* submissions that the kernel has taken, ever */
	unsigned int flying; /* bios that it holds */
	unsigned int ended;  /* bios, since reap began */
	int event_fd;        /* -1: nobody has asked, or the ring's own does */
	bool disabled;       /* nobody has submitted yet */
	bool fixed_file;
	bool fixed_memory;
	struct mpio__ranges ranges;
	struct mpio__window window;
};

/* In bio->backend[0]. */
enum { CANCELLED = 1 };

/* ---- Ending -------------------------------------------------------------- */

static void end(struct channel *channel, struct mpio_bio *bio, int status)
{
	channel->ended++;
	mpio_bio_end(bio, status);
}

/* A submission that no bio waits for. */
static void make_nop(struct io_uring_sqe *sqe)
{
	io_uring_prep_nop(sqe);
	sqe->user_data = 0;
}

/* What liburing has for completions serves for submissions, too. */
static struct mpio_bio *bio_of(uint64_t user_data)
{
	struct io_uring_cqe cqe = {.user_data = user_data};

	return io_uring_cqe_get_data(&cqe);
}

static void complete(struct channel *channel, struct mpio_bio *bio, int result)
{
	channel->flying--;
	if (result == -EINTR && bio->backend[0] == CANCELLED)
		result = -ECANCELED; /* and not to be gone on with */
	/* A disk that cannot be polled; the trial may have met a hole. */
	if (result == -EOPNOTSUPP &&
	    (channel->ring.flags & IORING_SETUP_IOPOLL) != 0)
		result = -EAGAIN;
	end(channel, bio,
	    mpio__hostfile_settle(&channel->uring->file, &channel->window, bio,
				  result));
}

/*
 * End what is in the completion ring. No system call, unless the kernel says
 * that it has more, or has to be asked to look.
 */
static void collect_ring(struct channel *channel)
{
	struct io_uring *ring = &channel->ring;
	struct io_uring_cqe *cqes[BATCH];
	unsigned int count;

	if ((ring->flags & IORING_SETUP_IOPOLL) && channel->flying > 0 &&
	    io_uring_cq_ready(ring) == 0)
		(void)io_uring_get_events(ring);
	while ((count = io_uring_peek_batch_cqe(ring, cqes, BATCH)) > 0) {
		for (unsigned int i = 0; i < count; i++) {
			struct mpio_bio *bio = bio_of(cqes[i]->user_data);

			if (bio != NULL)
				complete(channel, bio, cqes[i]->res);
		}
		io_uring_cq_advance(ring, count);
		if (io_uring_cq_ready(ring) == 0 &&
		    !io_uring_cq_has_overflow(ring))
			break;
	}
}

/*
 * The same with an eventfd. What is taken here is not to be told by it, and
 * what comes later is. So it is switched off meanwhile; and since the kernel
 * tells only of the first thing it has to do, nothing may be left when it is
 * switched on. If something stays, it is told here.
 */
static void collect_events(struct channel *channel)
{
	struct io_uring *ring = &channel->ring;
	const unsigned int todo = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
	unsigned int head;
	eventfd_t events;
	bool more;

	do {
		head = *ring->cq.khead;
		__atomic_store_n(ring->cq.kflags, IORING_CQ_EVENTFD_DISABLED,
				 __ATOMIC_SEQ_CST);
		(void)eventfd_read(channel->event_fd, &events);
		collect_ring(channel);
		__atomic_store_n(ring->cq.kflags, 0, __ATOMIC_SEQ_CST);
		more = (__atomic_load_n(ring->sq.kflags, __ATOMIC_SEQ_CST) &
			todo) != 0 ||
		       io_uring_cq_ready(ring) > 0;
	} while (more && head != *ring->cq.khead);
	if (more)
		(void)eventfd_write(channel->event_fd, 1);
}

static void collect(struct channel *channel)
{
	if (channel->event_fd >= 0)
		collect_events(channel);
	else
		collect_ring(channel);
}

/* ---- To the kernel ------------------------------------------------------- */

/* It may take a submission if it is asked again. */
static bool is_passing(int result)
{
	return result == -EAGAIN || result == -EBUSY || result == -ENOMEM ||
	       result == -EINTR;
}

static struct io_uring_sqe *sqe_at(struct channel *channel, unsigned int place)
{
	return &channel->ring.sq.sqes[place & channel->ring.sq.ring_mask];
}

/*
 * Note what the kernel has taken. One of its threads may take all that it can
 * see, at any time.
 */
static void note_taken(struct channel *channel)
{
	const struct io_uring *ring = &channel->ring;
	unsigned int place =
		ring->flags & IORING_SETUP_SQPOLL
			? *ring->sq.ktail
			: io_uring_smp_load_acquire(ring->sq.khead);

	for (; channel->taken != place; channel->taken++) {
		if (sqe_at(channel, channel->taken)->user_data != 0)
			channel->flying++;
	}
}

/* By its number, since not every liburing exports a function for it. */
int mpio__ring_enable(struct io_uring *ring)
{
	return io_uring_register((unsigned int)ring->ring_fd,
				 IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* The thread that submits first is the one that the ring belongs to. */
static int enable(struct channel *channel)
{
	int result = mpio__ring_enable(&channel->ring);

	if (result == 0)
		channel->disabled = false;
	return result;
}

/*
 * Offer the kernel what it has not taken, and perhaps wait for a completion. A
 * negative errno of the host: no. If it does not take all, it does not wait.
 */
static int offer(struct channel *channel, bool wait)
{
	unsigned int before = channel->taken;
	int result = channel->disabled ? enable(channel) : 0;

	if (result == 0)
		result = wait ? io_uring_submit_and_wait(&channel->ring, 1)
			      : io_uring_submit(&channel->ring);
	note_taken(channel);
	return result >= 0 && channel->taken == before ? -EAGAIN : result;
}

/*
 * End what the kernel does not take: with an error of the host, or, if it is
 * 0, done here and now.
 */
static void take_back(struct channel *channel, int error)
{
	unsigned int place = channel->taken;

	for (; place != channel->ring.sq.sqe_tail; place++) {
		struct io_uring_sqe *sqe = sqe_at(channel, place);
		struct mpio_bio *bio = bio_of(sqe->user_data);

		if (bio == NULL)
			continue;
		make_nop(sqe);
		end(channel, bio,
		    error != 0
			    ? mpio_error_from_host(error)
			    : mpio__hostfile_go_on(&channel->uring->file,
						   &channel->window, bio, 0));
	}
}

/*
 * Push what is unsent. Afterwards it is sent, or something is in flight. If
 * there was something, and it is asked for, the same call waits.
 */
static void push_and_wait(struct channel *channel, bool wait)
{
	int result = 0;

	while (result >= 0 && channel->taken != channel->ring.sq.sqe_tail)
		result = offer(channel, wait);
	if (result >= 0)
		return;
	if (!is_passing(result))
		take_back(channel, -result);
	else if (channel->flying == 0)
		take_back(channel, 0);
}

static void push(struct channel *channel)
{
	push_and_wait(channel, false);
}

/* The kernel's thread may be asleep on what it was sent. */
static int wake(struct channel *channel)
{
	int result;

	if (!(channel->ring.flags & IORING_SETUP_SQPOLL) ||
	    io_uring_sq_ready(&channel->ring) == 0)
		return 0;
	result = io_uring_submit(&channel->ring);
	note_taken(channel);
	return result;
}

/* ---- Writing submissions ------------------------------------------------- */

/* The announced memory that all of a bio lies in, if that can be used. */
static const struct mpio__range *range_of(const struct channel *channel,
					  const struct mpio_bio *bio)
{
	if (channel->ranges.count == 0 ||
	    (bio->vec_count > 1 && !channel->uring->fixed_vectors))
		return NULL;
	return mpio__ranges_find(&channel->ranges, bio->vecs, bio->vec_count);
}

static void write_move(const struct channel *channel, struct io_uring_sqe *sqe,
		       const struct mpio_bio *bio)
{
	static const uint8_t ops[2][4] = {
		{IORING_OP_READV, IORING_OP_READ, MPIO__OP_READV_FIXED,
		 IORING_OP_READ_FIXED},
		{IORING_OP_WRITEV, IORING_OP_WRITE, MPIO__OP_WRITEV_FIXED,
		 IORING_OP_WRITE_FIXED},
	};
	const struct mpio_limits *limits = &channel->uring->file.device.limits;
	const struct mpio__range *range = range_of(channel, bio);
	bool writes = bio->op == MPIO_BIO_WRITE;
	bool single = bio->vec_count == 1;
	const void *memory = single ? bio->vecs->base : bio->vecs;

	io_uring_prep_rw(ops[writes][2 * (range != NULL) + single], sqe,
			 channel->uring->file.fd, memory,
			 single ? bio->length : bio->vec_count, bio->offset);
	if (range != NULL)
		sqe->buf_index = range->index;
	if (writes && (bio->flags & MPIO_BIO_FUA) &&
	    (limits->features & MPIO_DEVICE_FUA))
		sqe->rw_flags = RWF_DSYNC;
}

static void write_sqe(struct channel *channel, struct io_uring_sqe *sqe,
		      struct mpio_bio *bio)
{
	if (bio->op == MPIO_BIO_FLUSH)
		io_uring_prep_fsync(sqe, channel->uring->file.fd,
				    IORING_FSYNC_DATASYNC);
	else
		write_move(channel, sqe, bio);
	if (channel->fixed_file) {
		sqe->fd = 0;
		sqe->flags = IOSQE_FIXED_FILE;
	}
	bio->backend[0] = 0;
	sqe->user_data = (uintptr_t)bio;
}

/* Take a place of the ring, if a completion would have one, too. */
static struct io_uring_sqe *take_place(struct channel *channel)
{
	struct io_uring *ring = &channel->ring;

	if (ring->sq.sqe_tail - *ring->cq.khead >= ring->cq.ring_entries)
		return NULL;
	return io_uring_get_sqe(ring);
}

/* The same, and make room if there is none. */
static struct io_uring_sqe *make_place(struct channel *channel)
{
	struct io_uring_sqe *sqe = take_place(channel);

	if (sqe != NULL)
		return sqe;
	push(channel);
	collect(channel);
	return take_place(channel);
}

/* ---- The device's operations --------------------------------------------- */

/* One call of the kernel can do it, and this ring. */
static bool goes_by_ring(const struct mpio__io_uring *uring,
			 const struct mpio_bio *bio)
{
	if (bio->op == MPIO_BIO_FLUSH)
		return !(uring->setup & IORING_SETUP_IOPOLL);
	return mpio__hostfile_is_simple(&uring->file, bio);
}

static int submit(struct mpio_device *device, void *memory,
		  struct mpio_bio *bio)
{
	const struct mpio__io_uring *uring = (struct mpio__io_uring *)device;
	struct channel *channel = memory;
	bool by_ring = goes_by_ring(uring, bio);
	struct io_uring_sqe *sqe = by_ring ? make_place(channel) : NULL;
	unsigned int unsent;

	if (sqe != NULL) {
		write_sqe(channel, sqe, bio);
		unsent = channel->ring.sq.sqe_tail - channel->taken;
		/* Where no more can come, what comes next pushes it. */
		if (unsent + channel->flying < channel->depth &&
		    mpio__hostfile_should_send(unsent, channel->flying))
			push(channel);
		return 0;
	}
	if (by_ring && channel->flying > 0)
		return -MPIO_EAGAIN; /* there is something to wait for */
	end(channel, bio,
	    mpio__hostfile_do(&uring->file, &channel->window, bio));
	return 0;
}

static int commit(struct mpio_device *device, void *memory)
{
	(void)device;
	push(memory);
	return 0;
}

static int wait_for_one(struct channel *channel)
{
	struct io_uring_cqe *cqe;
	int result = wake(channel);

	if (result >= 0)
		result = io_uring_wait_cqe_nr(&channel->ring, &cqe, 1);
	if (result >= 0)
		return 0;
	return is_passing(result) ? -MPIO_EAGAIN
				  : mpio_error_from_host(-result);
}

static int reap(struct mpio_device *device, void *memory, int wait)
{
	struct channel *channel = memory;
	int error = 0;

	(void)device;
	channel->ended = 0;
	push_and_wait(channel, wait && io_uring_cq_ready(&channel->ring) == 0);
	collect(channel);
	/* What wakes may be no end of a bio, but a NOP or a cancel. */
	while (wait && error == 0 && channel->ended == 0 &&
	       channel->flying > 0) {
		error = wait_for_one(channel);
		collect(channel);
	}
	/* What was refused may be taken now; if not, nothing else may come. */
	if (channel->ended > 0)
		push(channel);
	return channel->ended > 0 ? (int)channel->ended : error;
}

static int register_memory(struct mpio_device *device, void *memory, void *base,
			   size_t length)
{
	struct channel *channel = memory;

	(void)device;
	if (!channel->fixed_memory)
		return -MPIO_EOPNOTSUPP;
	return mpio__ranges_announce(&channel->ranges, &channel->ring, base,
				     length);
}

/*
 * Under polled I/O nothing happens unless the ring is looked at. The ring's own
 * descriptor is never readable for a thread that waits, while the kernel leaves
 * the end of each I/O to that thread (DEFER_TASKRUN); an eventfd is.
 */
static int event_fd(struct mpio_device *device, void *memory)
{
	struct channel *channel = memory;
	unsigned int flags = channel->ring.flags;

	(void)device;
	if (flags & IORING_SETUP_IOPOLL)
		return -1;
	if (!(flags & IORING_SETUP_DEFER_TASKRUN))
		return channel->ring.ring_fd;
	if (channel->event_fd >= 0)
		return channel->event_fd;
	/* What is in flight may have ended before there was an event. */
	channel->event_fd =
		eventfd(channel->flying > 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (channel->event_fd >= 0 &&
	    io_uring_register_eventfd(&channel->ring, channel->event_fd) != 0) {
		close(channel->event_fd);
		channel->event_fd = -1;
	}
	return channel->event_fd;
}

/*
 * What is unsent ends at once. For the rest the kernel is asked; the bio's own
 * completion tells what came of it.
 */
static void cancel(struct mpio_device *device, void *memory,
		   struct mpio_bio *bio)
{
	struct channel *channel = memory;
	unsigned int place = channel->taken;
	struct io_uring_sqe *sqe;

	(void)device;
	for (; place != channel->ring.sq.sqe_tail; place++) {
		sqe = sqe_at(channel, place);
		if (bio_of(sqe->user_data) == bio) {
			make_nop(sqe);
			end(channel, bio, -MPIO_ECANCELED);
			return;
		}
	}
	bio->backend[0] = CANCELLED;
	if (channel->ring.flags & IORING_SETUP_IOPOLL)
		return;
	sqe = make_place(channel);
	if (sqe == NULL)
		return;
	io_uring_prep_cancel64(sqe, (uintptr_t)bio, 0);
	sqe->user_data = 0;
	push(channel);
}

/* ---- Opening and closing ------------------------------------------------- */

int mpio__ring_open(struct io_uring *ring, uint32_t setup, uint32_t depth)
{
	uint32_t entries = depth < UNSENT_MAX ? depth : UNSENT_MAX;
	struct io_uring_params params = {
		.flags = setup | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
		.cq_entries = depth + entries,
	};

	return io_uring_queue_init_params(entries, ring, &params);
}

static int open_channel(struct mpio_device *device, uint32_t depth,
			void **memory)
{
	const struct mpio__io_uring *uring = (struct mpio__io_uring *)device;
	struct channel *channel = calloc(1, sizeof(*channel));
	int result;

	if (channel == NULL)
		return -MPIO_ENOMEM;
	result = mpio__ring_open(&channel->ring, uring->setup, depth);
	if (result < 0) {
		free(channel);
		return mpio_error_from_host(-result);
	}
	channel->uring = uring;
	channel->depth = depth;
	channel->event_fd = -1;
	channel->disabled = (uring->setup & IORING_SETUP_R_DISABLED) != 0;
	channel->fixed_file = uring->no_fixed_file == 0 &&
			      io_uring_register_files(&channel->ring,
						      &uring->file.fd, 1) == 0;
	channel->fixed_memory = uring->no_fixed_memory == 0 &&
				io_uring_register_buffers_sparse(
					&channel->ring, MPIO__RANGES_MAX) == 0;
	*memory = channel;
	return 0;
}

/*
 * The kernel frees a ring some time later; what is registered is given back
 * first, so that it is free when this returns.
 */
static void close_channel(struct mpio_device *device, void *memory)
{
	struct channel *channel = memory;

	(void)device;
	if (channel->fixed_memory)
		(void)io_uring_unregister_buffers(&channel->ring);
	if (channel->fixed_file)
		(void)io_uring_unregister_files(&channel->ring);
	io_uring_queue_exit(&channel->ring);
	if (channel->event_fd >= 0)
		close(channel->event_fd);
	free(channel);
}

void mpio__io_uring_set_ops(struct mpio_device_ops *ops)
{
	ops->submit = submit;
	ops->commit = commit;
	ops->reap = reap;
	ops->event_fd = event_fd;
	ops->channel_open = open_channel;
	ops->channel_close = close_channel;
	ops->cancel = cancel;
	ops->register_memory = register_memory;
	ops->reap_sends = 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * Backend libaio: Linux's native asynchronous I/O.
 *
 *     submit ---> [ unsent ] ---io_submit---> kernel ---ring---> settle, end
 *                  in order          |                              ^
 *                                    | refused, and the kernel      |
 *                                    v has nothing of ours          |
 *                              the first one, here and now ---------+
 *
 * A channel has an io_context and as many iocbs as bios may be in flight.
 * What is refused keeps its place and is sent again when something has ended.
 * While the kernel has something of ours, it will end, and be waited for; when
 * it has nothing, nothing would ever end, so the first bio is done blocking.
 * Hence there is always progress, even if io_submit is refused for ever.
 *
 * What cannot go this way (a discard, the odd end of a file under direct I/O, a
 * flush on an old kernel) is done in submit, behind all that is unsent.
 */
#include "hostfile.h"

#include <mpio/backends/libaio.h>
#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Events that one system call fetches. */
#define BATCH 32

struct libaio {
	struct mpio__hostfile file; /* first */
	bool can_flush;             /* asynchronously */
	bool has_ring;              /* that may be read */
};

/*
 * Where the kernel puts completions, mapped into every process; the io_context
 * is its address. The layout is part of the kernel's interface, and the magic
 * number says that it is this one.
 */
struct ring {
	uint32_t id;
	uint32_t count; /* of events */
	uint32_t head;  /* the next to be taken; ours to advance */
	uint32_t tail;  /* behind the last; the kernel's */
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length; /* bytes */
	struct io_event events[];
};

#define RING_MAGIC 0xa10a10a1u

struct channel {
	io_context_t context;
	struct ring *ring; /* NULL: not to be read */
	int event_fd;      /* every completion makes it readable */
	bool is_watched;   /* somebody has asked for the event fd */
	uint32_t spare_count;
	uint32_t unsent_count;
	uint32_t in_kernel;   /* sent, and not taken from the ring */
	uint32_t ended;       /* bios; counted for reap */
	struct iocb *iocbs;   /* one for each bio in flight */
	struct iocb **spare;  /* not in use */
	struct iocb **unsent; /* in the order in which they came */
	struct mpio__window window;
};

/* ---- The ring ----------------------------------------------------------- */

/*
 * The kernel writes the ring through an address of its own. Where a processor
 * does not keep both views of a page the same, it may not be read from here.
 */
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__) ||        \
	defined(__powerpc64__) || defined(__s390x__) || defined(__riscv)
#define CACHES_ARE_COHERENT true
#else
#define CACHES_ARE_COHERENT false
#endif

static struct ring *find_ring(io_context_t context)
{
	struct ring *ring = (struct ring *)context;

	if (!CACHES_ARE_COHERENT || ring->magic != RING_MAGIC ||
	    ring->incompat_features != 0 ||
	    ring->header_length != sizeof(*ring) || ring->count == 0)
		return NULL;
	return ring;
}

/* Take the next event out of the ring; false if there is none. */
static bool take(struct ring *ring, struct io_event *event)
{
	uint32_t head = ring->head;

	if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE))
		return false;
	*event = ring->events[head];
	head = head + 1 < ring->count ? head + 1 : 0;
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
	return true;
}

/* ---- Ending bios -------------------------------------------------------- */

static void end(struct channel *channel, struct iocb *iocb, int status)
{
	struct mpio_bio *bio = iocb->data;

	channel->spare[channel->spare_count++] = iocb;
	channel->ended++;
	mpio_bio_end(bio, status);
}

/* Go on with what an event leaves to be done, and end its bio. */
static void settle(struct libaio *libaio, struct channel *channel,
		   const struct io_event *event)
{
	struct mpio_bio *bio = event->data;

	channel->in_kernel--;
	end(channel, &channel->iocbs[bio->backend[0]],
	    mpio__hostfile_settle(&libaio->file, &channel->window, bio,
				  (long)event->res));
}

/* Fetch events by a system call; how many, or a negative errno of the host. */
static int fetch(struct libaio *libaio, struct channel *channel, bool wait)
{
	struct timespec now = {0};
	struct io_event events[BATCH];
	int n = io_getevents(channel->context, wait, BATCH, events,
			     wait ? NULL : &now);

	for (int i = 0; i < n; i++)
		settle(libaio, channel, &events[i]);
	return n;
}

/*
 * End what the kernel has done, after waiting for something if that is wanted.
 * 0, or the error of the system call that was needed.
 */
static int collect(struct libaio *libaio, struct channel *channel, bool wait)
{
	struct ring *ring = channel->ring;
	struct io_event event;
	int n = 0;

	if (channel->in_kernel != 0 && (ring == NULL || wait))
		n = fetch(libaio, channel, wait);
	while (ring == NULL && n > 0 && channel->in_kernel != 0)
		n = fetch(libaio, channel, false);
	while (ring != NULL && take(ring, &event))
		settle(libaio, channel, &event);
	return n < 0 ? mpio_error_from_host(-n) : 0;
}

/* ---- Sending ------------------------------------------------------------ */

/*
 * Hand the kernel what it takes. It says how many of the first ones it has
 * taken, or what is wrong with the first; if that is not for lack of resources,
 * which come back when something ends, the true error comes from doing the bio
 * blocking.
 */
static void send_unsent(struct libaio *libaio, struct channel *channel)
{
	struct iocb **next = channel->unsent;
	struct iocb **behind = next + channel->unsent_count;

	while (next < behind) {
		int n = io_submit(channel->context, behind - next, next);
		bool later = n == 0 || n == -EAGAIN || n == -EBUSY ||
			     n == -ENOMEM || n == -EINTR;

		if (later && channel->in_kernel != 0)
			break;
		if (n > 0) {
			channel->in_kernel += (uint32_t)n;
			next += n;
		} else {
			struct iocb *first = *next++;

			end(channel, first,
			    mpio__hostfile_go_on(&libaio->file,
						 &channel->window, first->data,
						 0));
		}
	}
	channel->unsent_count = (uint32_t)(behind - next);
	memmove(channel->unsent, next,
		(size_t)(behind - next) * sizeof(struct iocb *));
}

/* Send all, however often the kernel has to be waited for; 0 or the error. */
static int send_all(struct libaio *libaio, struct channel *channel)
{
	int error = 0;

	send_unsent(libaio, channel);
	while (channel->unsent_count != 0 && error == 0) {
		error = collect(libaio, channel, true);
		send_unsent(libaio, channel);
	}
	return channel->unsent_count == 0 ? 0 : error;
}

static void prepare(const struct libaio *libaio, struct iocb *iocb,
		    const struct mpio_bio *bio)
{
	const struct iovec *vecs = (const struct iovec *)bio->vecs;
	int fd = libaio->file.fd;
	int count = (int)bio->vec_count;
	long long offset = (long long)bio->offset;

	if (bio->op == MPIO_BIO_FLUSH)
		io_prep_fdsync(iocb, fd);
	else if (bio->op == MPIO_BIO_READ)
		io_prep_preadv(iocb, fd, vecs, count, offset);
	else
		io_prep_pwritev(iocb, fd, vecs, count, offset);
	if (bio->op == MPIO_BIO_WRITE && (bio->flags & MPIO_BIO_FUA) &&
	    (libaio->file.device.limits.features & MPIO_DEVICE_FUA))
		iocb->aio_rw_flags = RWF_DSYNC;
}

/* ---- The event fd ------------------------------------------------------- */

/*
 * The kernel makes it readable after a completion is in the ring. It is made
 * unreadable before the ring is looked at, so no completion goes unnoticed.
 */
static void event_clear(const struct channel *channel)
{
	uint64_t count;

	if (channel->is_watched)
		(void)!read(channel->event_fd, &count, sizeof(count));
}

static void event_set(const struct channel *channel)
{
	const uint64_t one = 1;

	if (channel->is_watched)
		(void)!write(channel->event_fd, &one, sizeof(one));
}

/* ---- The device's operations -------------------------------------------- */

static int submit(struct mpio_device *device, void *data, struct mpio_bio *bio)
{
	struct libaio *libaio = (struct libaio *)device;
	struct channel *channel = data;
	struct iocb *iocb;

	if (!mpio__hostfile_is_simple(&libaio->file, bio) &&
	    !(bio->op == MPIO_BIO_FLUSH && libaio->can_flush)) {
		int error = send_all(libaio, channel);

		if (error != 0)
			return error;
		mpio_bio_end(bio, mpio__hostfile_do(&libaio->file,
						    &channel->window, bio));
		return 0;
	}
	if (channel->spare_count == 0)
		return -MPIO_EAGAIN;
	iocb = channel->spare[--channel->spare_count];
	prepare(libaio, iocb, bio);
	/*
	 * Watched or not: the descriptor may be asked for when this is in
	 * flight, and what was sent without would never tell.
	 */
	io_set_eventfd(iocb, channel->event_fd);
	iocb->data = bio;
	bio->backend[0] = (uintptr_t)(iocb - channel->iocbs);
	channel->unsent[channel->unsent_count++] = iocb;
	if (mpio__hostfile_should_send(channel->unsent_count,
				       channel->in_kernel))
		send_unsent(libaio, channel);
	return 0;
}

static int commit(struct mpio_device *device, void *data)
{
	send_unsent((struct libaio *)device, data);
	return 0;
}

/* Bios end here also when they are done blocking. */
static int reap(struct mpio_device *device, void *data, int wait)
{
	struct libaio *libaio = (struct libaio *)device;
	struct channel *channel = data;
	int error;

	channel->ended = 0;
	event_clear(channel);
	error = collect(libaio, channel, false);
	send_unsent(libaio, channel);
	while (wait && error == 0 && channel->ended == 0 &&
	       channel->in_kernel != 0) {
		error = collect(libaio, channel, true);
		send_unsent(libaio, channel);
	}
	if (error != 0 && channel->ring == NULL)
		event_set(channel); /* there may be more than was fetched */
	return channel->ended != 0 ? (int)channel->ended : error;
}

static int event_fd(struct mpio_device *device, void *data)
{
	struct channel *channel = data;

	(void)device;
	if (!channel->is_watched) {
		channel->is_watched = true;
		event_clear(channel); /* of all that has ended before */
		if (channel->in_kernel != 0)
			event_set(channel);
	}
	return channel->event_fd;
}

/* The kernel lets go of no I/O on files; but what it does not have yet. */
static void cancel(struct mpio_device *device, void *data, struct mpio_bio *bio)
{
	struct channel *channel = data;
	struct iocb **behind = channel->unsent + channel->unsent_count;
	struct iocb **at = channel->unsent;

	(void)device;
	while (at < behind && (*at)->data != bio)
		at++;
	if (at == behind)
		return;
	end(channel, *at, -MPIO_ECANCELED);
	memmove(at, at + 1, (size_t)(behind - at - 1) * sizeof(struct iocb *));
	channel->unsent_count--;
}

/* ---- Channels ----------------------------------------------------------- */

static void close_channel(struct mpio_device *device, void *data)
{
	struct channel *channel = data;

	(void)device;
	if (channel->context != NULL)
		io_destroy(channel->context);
	if (channel->event_fd >= 0)
		close(channel->event_fd);
	free(channel->unsent);
	free(channel->spare);
	free(channel->iocbs);
	free(channel);
}

static int set_up(struct channel *channel, uint32_t depth)
{
	int result;

	channel->iocbs = calloc(depth, sizeof(*channel->iocbs));
	channel->spare = calloc(depth, sizeof(struct iocb *));
	channel->unsent = calloc(depth, sizeof(struct iocb *));
	if (channel->iocbs == NULL || channel->spare == NULL ||
	    channel->unsent == NULL)
		return -MPIO_ENOMEM;
	channel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (channel->event_fd < 0)
		return mpio_error_from_host(errno);
	result = io_setup((int)depth, &channel->context);
	if (result != 0)
		return mpio_error_from_host(-result);
	channel->ring = find_ring(channel->context);
	for (uint32_t i = depth; i > 0; i--)
		channel->spare[channel->spare_count++] = &channel->iocbs[i - 1];
	return 0;
}

static int open_channel(struct mpio_device *device, uint32_t depth, void **data)
{
	struct channel *channel;
	int error;

	if (depth > INT32_MAX)
		return -MPIO_EINVAL;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -MPIO_ENOMEM;
	channel->event_fd = -1;
	error = set_up(channel, depth);
	if (error != 0)
		close_channel(device, channel);
	else
		*data = channel;
	return error;
}

/* ---- Opening ------------------------------------------------------------ */

/*
 * Whether the kernel has asynchronous fdatasync. Tried on a file in memory: on
 * the user's own it would wait for whatever others have written there. A file
 * without it has its flushes refused when they are sent, and done blocking.
 */
static bool find_flush(io_context_t context)
{
	struct iocb iocb;
	struct iocb *list[1] = {&iocb};
	int fd = memfd_create("mpio", MFD_CLOEXEC);
	bool is_taken;

	if (fd < 0)
		return false;
	io_prep_fdsync(&iocb, fd);
	is_taken = io_submit(context, 1, list) == 1;
	close(fd);
	return is_taken;
}

/* What the kernel has; 0, or why there is no asynchronous I/O at all. */
static int ask_kernel(struct libaio *libaio)
{
	io_context_t context = NULL;
	int result = io_setup(1, &context);

	if (result != 0)
		return mpio_error_from_host(-result);
	libaio->has_ring = find_ring(context) != NULL;
	libaio->can_flush = find_flush(context);
	io_destroy(context); /* waits for what is in flight */
	return 0;
}

static int describe(struct mpio_device *device, char *text, size_t size)
{
	const struct libaio *libaio = (struct libaio *)device;
	struct mpio__text to = {.at = text, .size = size};

	mpio__hostfile_say(&libaio->file, &to, "libaio");
	mpio__say(&to, "flush: %s\n",
		  libaio->can_flush ? "asynchronous" : "blocking");
	mpio__say(&to, "reap: %s\n",
		  libaio->has_ring ? "user space" : "system call");
	return (int)to.length;
}

static void close_device(struct mpio_device *device)
{
	struct libaio *libaio = (struct libaio *)device;

	mpio__hostfile_close(&libaio->file);
	free(libaio);
}

int mpio_libaio_open(const char *path, const struct mpio_libaio_config *config,
		     struct mpio_device **device)
{
	const struct mpio_libaio_config none = {0};
	struct libaio *libaio = calloc(1, sizeof(*libaio));
	int error;

	if (libaio == NULL)
		return -MPIO_ENOMEM;
	if (config == NULL)
		config = &none;
	error = ask_kernel(libaio);
	if (error == 0)
		error = mpio__hostfile_open(&libaio->file, path, &config->file);
	if (error != 0) {
		free(libaio);
		return error;
	}
	mpio__hostfile_limit_to_disk(&libaio->file);
	libaio->file.device.ops = (struct mpio_device_ops){
		.submit = submit,
		.commit = commit,
		.reap = reap,
		.event_fd = event_fd,
		.channel_open = open_channel,
		.channel_close = close_channel,
		.cancel = cancel,
		.describe = describe,
		.close = close_device,
	};
	*device = &libaio->file.device;
	return 0;
}

int mpio_libaio_open_uri(const char *path, char *options,
			 struct mpio_device **device)
{
	struct mpio_libaio_config config = {0};
	int error = mpio__hostfile_options(&config.file, options, NULL, NULL);

	return error != 0 ? error : mpio_libaio_open(path, &config, device);
}

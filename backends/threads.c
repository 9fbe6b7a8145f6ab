/* SPDX-License-Identifier: MIT */
/*
 * Backend threads: a pool of threads that do blocking I/O.
 *
 *     submit -> [ gathered ] -commit-> [ work ] -> worker -> [ done ] -> reap
 *               of a channel        of the device          of a channel
 *
 * A channel has as many jobs as bios may be in flight. Jobs go from list to
 * list, so nothing is allocated after opening. `work` and `done` are guarded
 * by one lock, which nobody holds during I/O: a commit takes it once, a reap
 * once, a worker once a bio.
 *
 * Work is begun in its order. A bio that overlaps one which a worker is doing,
 * of the same channel and one of them not a read, waits for that, and all
 * behind it wait too: so what is written twice ends as it was written last.
 *
 * A worker touches a bio's memory and changes nothing in the bio itself. Ending
 * it is left to reap, in the thread that owns it.
 */
#include "hostfile.h"

#include <mpio/backends/threads.h>
#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_DEFAULT 4u
#define THREADS_MAX 64u

/* ---- Jobs --------------------------------------------------------------- */

struct channel;

/* What is to be done, is being done, or has been. */
struct job {
	struct job *next; /* in a list */
	struct channel *channel;
	struct mpio_bio *bio;
	int status; /* once it is done: 0 or a negative errno */
};

struct list {
	struct job *first;
	struct job *last; /* if there is a first */
};

/* Put all of `from` behind `to`. */
static void list_join(struct list *to, struct list *from)
{
	if (from->first == NULL)
		return;
	if (to->first != NULL)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	from->first = NULL;
}

static void list_add(struct list *list, struct job *job)
{
	struct list one = {.first = job, .last = job};

	job->next = NULL;
	list_join(list, &one);
}

/* The first, taken out; NULL: there is none. */
static struct job *list_take(struct list *list)
{
	struct job *job = list->first;

	if (job != NULL)
		list->first = job->next;
	return job;
}

/* Take a job out, wherever it is; false if it is not there. */
static bool list_remove(struct list *list, const struct job *job)
{
	struct list rest = {0};
	struct job *first;
	bool found = false;

	while ((first = list_take(list)) != NULL) {
		if (first == job)
			found = true;
		else
			list_add(&rest, first);
	}
	*list = rest;
	return found;
}

static bool conflicts(const struct job *one, const struct job *other)
{
	const struct mpio_bio *a = one->bio;
	const struct mpio_bio *b = other->bio;

	if (one->channel != other->channel ||
	    (a->op == MPIO_BIO_READ && b->op == MPIO_BIO_READ))
		return false;
	return a->offset < b->offset + b->length &&
	       b->offset < a->offset + a->length;
}

/* ---- What there is ------------------------------------------------------ */

struct threads;

struct worker {
	struct threads *threads;
	struct job *job; /* being done, or NULL */
	pthread_t thread;
	struct mpio__window window;
};

struct threads {
	struct mpio__hostfile file; /* first */
	pthread_mutex_t lock;       /* for what stands below, and `done` */
	pthread_cond_t work_came;
	struct list work; /* not begun */
	bool is_closing;
	uint32_t count; /* of workers; fixed */
	struct worker *workers;
};

struct channel {
	struct list spare;    /* not in use */
	struct list gathered; /* since the last commit */
	struct list done;     /* guarded by the device's lock */
	pthread_cond_t job_done;
	int event_fds[2]; /* a pipe: out, in; -1: not asked for. A byte is in
			   * it exactly while something is done. */
	struct job *jobs; /* all of them */
};

/* ---- Workers ------------------------------------------------------------ */

/* Whether there is work, and nobody is doing what it has to wait for. */
static bool can_begin(const struct threads *threads)
{
	const struct job *next = threads->work.first;

	if (next == NULL)
		return false;
	for (uint32_t i = 0; i < threads->count; i++) {
		const struct job *job = threads->workers[i].job;

		if (job != NULL && conflicts(job, next))
			return false;
	}
	return true;
}

/*
 * Wait for work and take it; NULL: the device is being closed. Who takes some
 * wakes another worker if there is more, and who has done some looks again: so
 * work that had to wait for another is begun when that is done.
 */
static struct job *begin(struct threads *threads)
{
	struct job *job;

	while (!threads->is_closing && !can_begin(threads))
		pthread_cond_wait(&threads->work_came, &threads->lock);
	if (threads->is_closing)
		return NULL;
	job = list_take(&threads->work);
	if (threads->work.first != NULL)
		pthread_cond_signal(&threads->work_came);
	return job;
}

/* A pipe with room for a byte takes it, and one that has it gives it back. */
static void event_set(const struct channel *channel)
{
	if (channel->event_fds[1] >= 0)
		(void)!write(channel->event_fds[1], "", 1);
}

static void event_clear(const struct channel *channel)
{
	char byte;

	if (channel->event_fds[0] >= 0)
		(void)!read(channel->event_fds[0], &byte, 1);
}

/* The job is its channel's again. */
static void finish(struct job *job)
{
	struct channel *channel = job->channel;

	if (channel->done.first == NULL) {
		event_set(channel);
		pthread_cond_signal(&channel->job_done);
	}
	list_add(&channel->done, job);
}

static void *work(void *data)
{
	struct worker *self = data;
	struct threads *threads = self->threads;

	pthread_mutex_lock(&threads->lock);
	while ((self->job = begin(threads)) != NULL) {
		struct job *job = self->job;

		pthread_mutex_unlock(&threads->lock);
		job->status = mpio__hostfile_do(&threads->file, &self->window,
						job->bio);
		pthread_mutex_lock(&threads->lock);
		self->job = NULL;
		finish(job);
	}
	pthread_mutex_unlock(&threads->lock);
	return NULL;
}

/* ---- The device's operations -------------------------------------------- */

static int submit(struct mpio_device *device, void *data, struct mpio_bio *bio)
{
	struct channel *channel = data;
	struct job *job = list_take(&channel->spare);

	(void)device;
	if (job == NULL)
		return -MPIO_EAGAIN;
	job->bio = bio;
	bio->backend[0] = (uintptr_t)(job - channel->jobs);
	list_add(&channel->gathered, job);
	return 0;
}

static int commit(struct mpio_device *device, void *data)
{
	struct threads *threads = (struct threads *)device;
	struct channel *channel = data;

	pthread_mutex_lock(&threads->lock);
	list_join(&threads->work, &channel->gathered);
	pthread_cond_signal(&threads->work_came);
	pthread_mutex_unlock(&threads->lock);
	return 0;
}

static void end(struct channel *channel, struct job *job, int status)
{
	list_add(&channel->spare, job);
	mpio_bio_end(job->bio, status);
}

static int reap(struct mpio_device *device, void *data, int wait)
{
	struct threads *threads = (struct threads *)device;
	struct channel *channel = data;
	struct list done = {0};
	struct job *job;
	int n = 0;

	pthread_mutex_lock(&threads->lock);
	while (wait && channel->done.first == NULL)
		pthread_cond_wait(&channel->job_done, &threads->lock);
	if (channel->done.first != NULL)
		event_clear(channel);
	list_join(&done, &channel->done);
	pthread_mutex_unlock(&threads->lock);
	for (; (job = list_take(&done)) != NULL; n++)
		end(channel, job, job->status);
	return n;
}

static int open_pipe(int fds[2])
{
	int made[2];

	if (pipe(made) != 0)
		return mpio_error_from_host(errno);
	for (int i = 0; i < 2; i++) {
		fcntl(made[i], F_SETFD, FD_CLOEXEC);
		fcntl(made[i], F_SETFL, O_NONBLOCK);
		fds[i] = made[i];
	}
	return 0;
}

static int event_fd(struct mpio_device *device, void *data)
{
	struct threads *threads = (struct threads *)device;
	struct channel *channel = data;

	pthread_mutex_lock(&threads->lock);
	if (channel->event_fds[0] < 0 && open_pipe(channel->event_fds) == 0 &&
	    channel->done.first != NULL)
		event_set(channel);
	pthread_mutex_unlock(&threads->lock);
	return channel->event_fds[0];
}

/* What no worker has begun can still be taken back. */
static void cancel(struct mpio_device *device, void *data, struct mpio_bio *bio)
{
	struct threads *threads = (struct threads *)device;
	struct channel *channel = data;
	struct job *job = &channel->jobs[bio->backend[0]];
	bool found;

	pthread_mutex_lock(&threads->lock);
	found = list_remove(&channel->gathered, job) ||
		list_remove(&threads->work, job);
	/* What stood behind it may not have to wait any longer. */
	pthread_cond_signal(&threads->work_came);
	pthread_mutex_unlock(&threads->lock);
	if (found)
		end(channel, job, -MPIO_ECANCELED);
}

/* ---- Channels ----------------------------------------------------------- */

static int open_channel(struct mpio_device *device, uint32_t depth, void **data)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	struct job *jobs = calloc(depth, sizeof(*jobs));

	(void)device;
	if (channel == NULL || jobs == NULL ||
	    pthread_cond_init(&channel->job_done, NULL) != 0) {
		free(channel);
		free(jobs);
		return -MPIO_ENOMEM;
	}
	channel->jobs = jobs;
	for (uint32_t i = 0; i < depth; i++) {
		channel->jobs[i].channel = channel;
		list_add(&channel->spare, &channel->jobs[i]);
	}
	channel->event_fds[0] = channel->event_fds[1] = -1;
	*data = channel;
	return 0;
}

static void close_channel(struct mpio_device *device, void *data)
{
	struct channel *channel = data;

	(void)device;
	for (int i = 0; i < 2; i++) {
		if (channel->event_fds[i] >= 0)
			close(channel->event_fds[i]);
	}
	pthread_cond_destroy(&channel->job_done);
	free(channel->jobs);
	free(channel);
}

/* ---- Opening and closing ------------------------------------------------ */

static int describe(struct mpio_device *device, char *text, size_t size)
{
	const struct threads *threads = (struct threads *)device;
	struct mpio__text to = {.at = text, .size = size};

	mpio__hostfile_say(&threads->file, &to, "threads");
	mpio__say(&to, "threads: %" PRIu32 "\n", threads->count);
	return (int)to.length;
}

/* Let workers end and wait for them; the first `count` were begun. */
static void stop(struct threads *threads, uint32_t count)
{
	pthread_mutex_lock(&threads->lock);
	threads->is_closing = true;
	pthread_cond_broadcast(&threads->work_came);
	pthread_mutex_unlock(&threads->lock);
	for (uint32_t i = 0; i < count; i++)
		pthread_join(threads->workers[i].thread, NULL);
}

/* Signals are for the threads of the program, which these are not. */
static int start(struct threads *threads)
{
	sigset_t all;
	sigset_t before;
	uint32_t i = 0;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (i < threads->count && error == 0) {
		struct worker *worker = &threads->workers[i];

		worker->threads = threads;
		error = pthread_create(&worker->thread, NULL, work, worker);
		i += error == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return 0;
	stop(threads, i);
	return mpio_error_from_host(error);
}

static void free_device(struct threads *threads)
{
	pthread_cond_destroy(&threads->work_came);
	pthread_mutex_destroy(&threads->lock);
	free(threads->workers);
	free(threads);
}

static void close_device(struct mpio_device *device)
{
	struct threads *threads = (struct threads *)device;

	stop(threads, threads->count);
	mpio__hostfile_close(&threads->file);
	free_device(threads);
}

static struct threads *make_device(uint32_t count)
{
	struct threads *threads = calloc(1, sizeof(*threads));
	struct worker *workers = calloc(count, sizeof(*workers));

	if (threads == NULL || workers == NULL)
		goto out_free;
	if (pthread_mutex_init(&threads->lock, NULL) != 0)
		goto out_free;
	if (pthread_cond_init(&threads->work_came, NULL) != 0)
		goto out_destroy;
	threads->workers = workers;
	threads->count = count;
	return threads;

out_destroy:
	pthread_mutex_destroy(&threads->lock);
out_free:
	free(threads);
	free(workers);
	return NULL;
}

/* The pool comes first: a file that was made cannot be unmade. */
int mpio_threads_open(const char *path,
		      const struct mpio_threads_config *config,
		      struct mpio_device **device)
{
	const struct mpio_threads_config none = {0};
	struct threads *threads;
	int error;

	if (config == NULL)
		config = &none;
	if (config->threads > THREADS_MAX)
		return -MPIO_EINVAL;
	threads = make_device(config->threads != 0 ? config->threads
						   : THREADS_DEFAULT);
	if (threads == NULL)
		return -MPIO_ENOMEM;
	error = start(threads);
	if (error == 0) {
		error = mpio__hostfile_open(&threads->file, path,
					    &config->file);
		if (error != 0)
			stop(threads, threads->count);
	}
	if (error != 0) {
		free_device(threads);
		return error;
	}
	threads->file.device.ops = (struct mpio_device_ops){
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
	*device = &threads->file.device;
	return 0;
}

static int take_own(void *ctx, const char *name, const char *value)
{
	struct mpio_threads_config *config = ctx;
	uint64_t count;

	if (strcmp(name, "threads") != 0 ||
	    mpio_size_parse(value, &count) != 0 || count > THREADS_MAX)
		return -MPIO_EINVAL;
	config->threads = (uint32_t)count;
	return 0;
}

int mpio_threads_open_uri(const char *path, char *options,
			  struct mpio_device **device)
{
	struct mpio_threads_config config = {0};
	int error = mpio__hostfile_options(&config.file, options, take_own,
					   &config);

	return error != 0 ? error : mpio_threads_open(path, &config, device);
}

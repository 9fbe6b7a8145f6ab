/* SPDX-License-Identifier: MIT */
/*
 * Queue: sends bios, counts them and finishes them, and waits for one.
 *
 *                 plug.c                    redrive.c
 *     submit -> [ plugged ] -> launch -> send -> device
 *                                         ^        |
 *                                   again |        v
 *                         end_io <- finish <- [ ended ]
 *
 * A device ends bios inside send, commit or reap; each goes to the list of
 * ended ones, and no callback runs there. The outermost call then finishes the
 * list in a loop; calls made by the callbacks only add to it. So the stack
 * stays as it is, however long a chain of I/Os that start each other. Only a
 * callback that waits finishes the list itself, below its own frame; where it
 * does so for a free bio, it tells no pages (settle.c).
 */
#include "internal.h"

/*
 * Pieces of memory of a read that is choppy, and their mean length. Across gaps
 * they may be longer: less of what is read is to be copied.
 */
#define CHOPPY_PIECES 16u
#define CHOPPY_BYTES 2048u
#define CHOPPY_BYTES_GAPPED 32768u

/* Refusals of one bio in a row, with nothing in flight, that are sat out. */
#define REFUSALS_MAX 64u

void mpio__event(struct mpio_queue *queue, enum mpio_event_type type,
		 const struct mpio_bio *bio, int detail)
{
	struct mpio_event *event = &queue->told;

	if (type != MPIO_EVENT_MAP)
		*event = (struct mpio_event){.bio = bio};
	event->type = type;
	event->queue = queue;
	if (type == MPIO_EVENT_CUT)
		event->cut = (enum mpio_cut)detail;
	else if (type == MPIO_EVENT_SUBMIT)
		event->retry = detail;
	else if (type == MPIO_EVENT_GAP)
		event->gap = (uint32_t)detail;
	else
		event->status = detail;
	queue->event(queue->event_ctx, event);
}

/* ---- To the device ---------------------------------------------------- */

void mpio__queue_commit(struct mpio_queue *queue)
{
	struct mpio_device *device = queue->device;

	if (!queue->uncommitted)
		return;
	queue->uncommitted = false;
	if (device->ops.commit == NULL)
		return;
	queue->stats.commits++;
	(void)device->ops.commit(device, queue->channel);
}

void mpio__queue_commit_last(struct mpio_queue *queue)
{
	if (!(queue->care & (MPIO__CARE_PLUGGED | MPIO__CARE_FINISHING)))
		mpio__queue_commit(queue);
}

/* Send what is not, unless reap does. */
MPIO__APART static void push(struct mpio_queue *queue)
{
	if (queue->device->ops.reap_sends)
		queue->uncommitted = false;
	else
		mpio__queue_commit(queue);
}

/*
 * End what the device has done; how many, or a negative errno. What ends as it
 * is sent is enough for one time.
 */
static int reap(struct mpio_queue *queue, bool wait)
{
	uint32_t before = queue->stats.in_flight;
	struct mpio_device *device;
	int result;

	push(queue);
	if (queue->stats.in_flight != before)
		return (int)(before - queue->stats.in_flight);
	device = queue->device;
	if (device->ops.reap == NULL)
		return wait && before != 0 ? -MPIO_EIO : 0;
	queue->stats.reaps++;
	queue->stats.waits += wait;
	result = device->ops.reap(device, queue->channel, wait);
	if (result < 0 && result != -MPIO_EINTR && result != -MPIO_EAGAIN)
		return result;
	return (int)(before - queue->stats.in_flight);
}

/*
 * The same for who has to wait for some. While a deadline closes the queue
 * nobody waits, and none is an error once it is over.
 */
static inline int reap_some(struct mpio_queue *queue)
{
	int n = reap(queue, queue->deadline == NULL);

	return n == 0 && mpio__queue_is_late(queue) ? -MPIO_ETIMEDOUT : n;
}

/*
 * How long the last piece is follows from the length of the bio. What may be
 * parted where units of the device begin is to be aligned there, too.
 */
static bool is_aligned(const struct mpio_queue *queue,
		       const struct mpio_bio *bio)
{
	uintptr_t bits = 0;

	if (queue->memory_alignment == 1)
		return true;
	if (bio->op == MPIO_BIO_WRITE && (bio->flags & MPIO_BIO_ATOMIC))
		bits = (uintptr_t)bio->offset;
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		bits |= (uintptr_t)bio->vecs[i].base;
		if (i + 1 < bio->vec_count)
			bits |= bio->vecs[i].length;
	}
	return (bits & (queue->memory_alignment - 1)) == 0;
}

/*
 * A read into many small pieces: a copy of it costs less than what the disk
 * and the system do for each piece. Only if it need not wait for a slot.
 */
static bool is_choppy(const struct mpio_queue *queue,
		      const struct mpio_bio *bio)
{
	uint32_t small = bio->gapped ? CHOPPY_BYTES_GAPPED : CHOPPY_BYTES;

	return queue->memory_alignment != 1 &&
	       bio->vec_count >= CHOPPY_PIECES && bio->op == MPIO_BIO_READ &&
	       bio->length / bio->vec_count <= small &&
	       bio->length <= queue->bounce_size && queue->free_bounces != NULL;
}

/*
 * Whether a bio can be sent, through a slot if its own memory does not do; else
 * it waits for its turn, or behind a barrier.
 */
static bool is_ready(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bool bounces = !is_aligned(queue, bio) || is_choppy(queue, bio) ||
		       mpio__bio_is_odd(bio);

	if (!bounces && !(queue->care & (MPIO__CARE_TURNS | MPIO__CARE_BARRED)))
		return true;
	if ((queue->care & MPIO__CARE_BARRED) &&
	    mpio__barrier_parks(queue, bio))
		return false;
	if (bounces) {
		queue->stats.bounces++;
		queue->stats.bytes_bounced += bio->length;
	}
	return mpio__turn_begin(queue, bio, bounces);
}

static bool has_feature(const struct mpio_queue *queue, uint32_t feature)
{
	return (queue->device->limits.features & feature) != 0;
}

static int refusal(const struct mpio_queue *queue, const struct mpio_bio *bio)
{
	if (bio->op == MPIO_BIO_DISCARD &&
	    !has_feature(queue, MPIO_DEVICE_DISCARD))
		return -MPIO_EOPNOTSUPP;
	if (bio->op != MPIO_BIO_READ && bio->op != MPIO_BIO_FLUSH &&
	    has_feature(queue, MPIO_DEVICE_READONLY))
		return -MPIO_EROFS;
	return 0;
}

/* The device does not take it now: let it get rid of something first. */
static bool sit_out(struct mpio_queue *queue, int result, uint32_t *refusals)
{
	if (result != -MPIO_EAGAIN && result != -MPIO_EINTR)
		return false;
	queue->stats.retries++;
	if (queue->stats.in_flight > 1)
		return reap_some(queue) >= 0;
	mpio__queue_commit(queue);
	return ++*refusals < REFUSALS_MAX;
}

static inline int submit(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_device *device = queue->device;

	queue->stats.submits++;
	queue->uncommitted = true;
	return device->ops.submit(device, queue->channel, bio);
}

/* A bio was refused: offer it again, or end it. */
MPIO__APART static void insist(struct mpio_queue *queue, struct mpio_bio *bio,
			       int result)
{
	uint32_t refusals = 0;

	while (result != 0 && bio->state == MPIO__BIO_OFFERED &&
	       sit_out(queue, result, &refusals))
		result = submit(queue, bio);
	if (result != 0)
		mpio_bio_end(bio, result);
}

/*
 * There are more bios in flight than ever: wait, if there are too many. False:
 * that did not help, and the bio that was to be sent has ended.
 */
MPIO__APART static bool make_room(struct mpio_queue *queue,
				  struct mpio_bio *bio)
{
	struct mpio_stats *stats = &queue->stats;

	while (stats->in_flight >= queue->in_flight_max) {
		int n = reap_some(queue);

		if (n < 0) {
			stats->in_flight++;
			bio->state = MPIO__BIO_OFFERED;
			mpio_bio_end(bio, n);
			return false;
		}
	}
	stats->in_flight_peak =
		mpio__max_u32(stats->in_flight_peak, stats->in_flight + 1);
	queue->in_flight_known =
		mpio__min_u32(stats->in_flight_peak, queue->in_flight_max);
	return true;
}

void mpio__queue_end(struct mpio_queue *queue, struct mpio_bio *bio, int status)
{
	queue->stats.in_flight++;
	bio->state = MPIO__BIO_FLYING;
	bio->turn |= MPIO__TURN_NONE;
	mpio_bio_end(bio, status);
}

/* Have the device take a bio; land() is what comes next, or the end of it. */
static inline void offer(struct mpio_queue *queue, struct mpio_bio *bio)
{
	int result;

	if (queue->stats.in_flight >= queue->in_flight_known &&
	    !make_room(queue, bio))
		return;
	queue->stats.in_flight++;
	bio->state = MPIO__BIO_OFFERED;
	result = submit(queue, bio);
	if (result != 0)
		insist(queue, bio, result);
}

/* A bio that was offered is in flight, or has ended already. */
static void land(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (bio->state == MPIO__BIO_OFFERED)
		bio->state = MPIO__BIO_FLYING;
	else
		mpio__queue_ended(queue, bio);
}

void mpio__queue_send(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (bio->bounce != NULL)
		mpio__redrive_bounce(bio);
	if (queue->event != NULL)
		mpio__event(queue, MPIO_EVENT_SUBMIT, bio, mpio__is_retry(bio));
	offer(queue, bio);
	land(queue, bio);
}

/* ---- Back from the device --------------------------------------------- */

static inline struct mpio_bio *next_ended(struct mpio_queue *queue)
{
	struct mpio_bio *bio = queue->ended;

	if (bio != NULL) {
		queue->ended = bio->next;
		if (queue->ended == NULL)
			queue->ended_tail = &queue->ended;
	}
	return bio;
}

/* The first try did it all, as most do. */
static inline bool is_done(const struct mpio_bio *bio)
{
	return bio->state == MPIO__BIO_DONE && bio->full_vec_count == 0 &&
	       bio->tries == 0 && bio->turn == 0 &&
	       !(bio->flags & (MPIO_BIO_FUA | MPIO_BIO_PREFLUSH));
}

/* Whether a bio is over; if not, it is sent again. */
static bool is_over(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_bio *next;

	if (!mpio__redrive(queue, bio)) {
		mpio__queue_send(queue, bio);
		return false;
	}
	if (bio->turn != 0)
		mpio__turn_end(queue, bio);
	while ((next = mpio__turn_next(queue)) != NULL)
		mpio__queue_send(queue, next);
	return true;
}

/* A bio is over: its user's again, or the pool's. */
static inline void hand_back(struct mpio_bio *bio)
{
	bio->state = MPIO__BIO_HELD;
	if (bio->end_io != NULL)
		bio->end_io(bio);
	else
		mpio_bio_put(bio);
}

/* A try has ended that the hook is told of, or while a callback waits. */
MPIO__APART static void note_end(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (queue->event != NULL)
		mpio__event(queue, MPIO_EVENT_END, bio, bio->status);
	if (queue->care & MPIO__CARE_CROWDED)
		bio->plain = false; /* the general way lists its pages */
}

/* A try has ended: finish the bio, or drive it again. 1 if it is finished. */
static inline int finish(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (queue->care & (MPIO__CARE_HOOK | MPIO__CARE_CROWDED))
		note_end(queue, bio);
	if (!is_done(bio) && !is_over(queue, bio))
		return 0;
	if (bio->status != 0)
		queue->stats.errors++;
	hand_back(bio);
	return 1;
}

/* A bio for a page is there; its queue may be another. */
static void reread(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (is_ready(bio->queue, bio))
		mpio__queue_send(bio->queue, bio);
	if (bio->queue != queue)
		mpio__queue_commit(bio->queue);
}

/* Some devices have no flush. */
void mpio__queue_start(struct mpio_queue *queue, struct mpio_bio *bio)
{
	bool ready = true;

	if (bio->op == MPIO_BIO_FLUSH &&
	    !has_feature(queue, MPIO_DEVICE_FLUSH)) {
		mpio__queue_end(queue, bio, 0);
		return;
	}
	if (bio->op != MPIO_BIO_FLUSH) /* with its data, not as a stage */
		ready = is_ready(queue, bio);
	mpio__stage_begin(queue, bio);
	if (ready)
		mpio__queue_send(queue, bio);
}

/* Finish all that has ended; how many. What is sent again is not pushed. */
static int finish_all(struct mpio_queue *queue)
{
	uint32_t inner = queue->care & MPIO__CARE_FINISHING;
	struct mpio_bio *bio;
	int n = 0;

	queue->care |= MPIO__CARE_FINISHING;
	do {
		while ((bio = next_ended(queue)) != NULL)
			n += finish(queue, bio);
		while (queue->rereads != NULL &&
		       (bio = mpio__reread(queue)) != NULL)
			reread(queue, bio);
	} while (queue->ended != NULL ||
		 (inner == 0 && mpio__settle_next(queue)) ||
		 (queue->parked != NULL &&
		  mpio__barrier_pass(queue, inner == 0)));
	queue->care &= ~(MPIO__CARE_FINISHING ^ inner);
	return n;
}

/* The same, and push it, which may end some, too. */
static int finish_and_push(struct mpio_queue *queue)
{
	int n = 0;

	do {
		n += finish_all(queue);
		mpio__queue_commit(queue);
	} while (queue->ended != NULL);
	return n;
}

static inline bool is_to_finish(const struct mpio_queue *queue)
{
	return (queue->ended != NULL || queue->rereads != NULL ||
		queue->settled != NULL) &&
	       !(queue->care & MPIO__CARE_FINISHING);
}

void mpio__queue_finish(struct mpio_queue *queue)
{
	if (is_to_finish(queue))
		(void)finish_and_push(queue);
}

/* For who pushes later in any case: then it goes with the rest. */
static inline void finish_only(struct mpio_queue *queue)
{
	if (is_to_finish(queue))
		(void)finish_all(queue);
}

bool mpio__queue_is_late(const struct mpio_queue *queue)
{
	const struct mpio_deadline *deadline = queue->deadline;

	return deadline != NULL &&
	       (deadline->is_over == NULL || deadline->is_over(deadline->ctx));
}

bool mpio__queue_is_busy(const struct mpio_queue *queue)
{
	return queue->stats.in_flight != 0 || queue->ended != NULL ||
	       queue->plugged_count != 0 || queue->rereads != NULL ||
	       queue->parked != NULL;
}

bool mpio__queue_is_quiet(const struct mpio_queue *queue)
{
	return queue->stats.in_flight == 0 && queue->ended == NULL &&
	       queue->waiting == NULL;
}

/* Finish what has ended, after a reap that may wait if nothing has. */
static inline int step(struct mpio_queue *queue, bool wait)
{
	int result;

	if (queue->parked != NULL && mpio__queue_is_quiet(queue))
		(void)mpio__barrier_pass(queue, true);
	wait = wait && queue->ended == NULL && queue->stats.in_flight != 0;
	result = wait ? reap_some(queue) : reap(queue, false);
	if (result < 0 && queue->ended == NULL)
		return result;
	return finish_and_push(queue);
}

/* ---- First tries ------------------------------------------------------ */

static inline void count(struct mpio_stats *stats, const struct mpio_bio *bio)
{
	if (bio->op == MPIO_BIO_READ) {
		stats->reads++;
		stats->bytes_read += bio->length;
	} else if (bio->op == MPIO_BIO_WRITE) {
		stats->writes++;
		stats->bytes_written += bio->length;
	} else if (bio->op == MPIO_BIO_FLUSH) {
		stats->flushes++;
	} else {
		stats->discards++;
	}
	stats->segments += bio->vec_count;
}

void mpio__queue_launch(struct mpio_queue *queue, struct mpio_bio *bio)
{
	int status = refusal(queue, bio);

	count(&queue->stats, bio);
	if (status != 0)
		mpio__queue_end(queue, bio, status);
	else if (is_ready(queue, bio))
		mpio__queue_send(queue, bio);
}

/* A flush, or a write that flushes go with, perhaps as stages of it. */
static void launch_barrier(struct mpio_queue *queue, struct mpio_bio *bio)
{
	int status = refusal(queue, bio);

	count(&queue->stats, bio);
	if (status != 0)
		mpio__queue_end(queue, bio, status);
	else if (!mpio__barrier_parks(queue, bio))
		mpio__queue_start(queue, bio);
}

/*
 * The short way. A bio that the device has done at once is finished here and
 * now, past the list.
 */
void mpio__queue_pass(struct mpio_queue *queue, struct mpio_bio *bio)
{
	count(&queue->stats, bio);
	offer(queue, bio);
	if (bio->state != MPIO__BIO_DONE) {
		land(queue, bio);
		return;
	}
	queue->care |= MPIO__CARE_FINISHING;
	hand_back(bio);
	queue->care &= ~MPIO__CARE_FINISHING;
}

/* Hold a bio in the plug. */
static void hold(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (!mpio__plug_takes(queue, bio))
		mpio__plug_flush(queue);
	mpio__plug_add(queue, bio);
}

void mpio__queue_submit(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (mpio__queue_is_easy(queue))
		mpio__queue_pass(queue, bio);
	else if (queue->care & MPIO__CARE_PLUGGED)
		hold(queue, bio);
	else
		mpio__queue_launch(queue, bio);
	finish_only(queue);
}

static bool takes_flush(const struct mpio_bio *bio)
{
	return bio->op == MPIO_BIO_FLUSH ||
	       (bio->flags & (MPIO_BIO_FUA | MPIO_BIO_PREFLUSH)) != 0;
}

void mpio__queue_submit_any(struct mpio_queue *queue, struct mpio_bio *bio)
{
	if (takes_flush(bio)) {
		if (queue->care & MPIO__CARE_PLUGGED)
			mpio__plug_flush(queue);
		launch_barrier(queue, bio);
	} else if (queue->care & MPIO__CARE_PLUGGED) {
		hold(queue, bio);
	} else if (bio->op == MPIO_BIO_DISCARD) {
		mpio__queue_launch(queue, bio);
	} else {
		mpio__queue_submit(queue, bio);
	}
	finish_only(queue);
}

/* ---- Waiting ---------------------------------------------------------- */

/* What one queue of a group reads again may end on another one. */
static bool has_ended(const struct mpio_queue *queue)
{
	const struct mpio_queue *other = queue;

	do {
		if (other->ended != NULL)
			return true;
		other = other->group;
	} while (other != queue);
	return false;
}

int mpio_queue_poll(struct mpio_queue *queue)
{
	struct mpio_queue *other = queue;
	int n = mpio__settle_group(queue);
	int error = 0;

	do {
		int result = step(other, false);

		if (result >= 0)
			n += result;
		else if (error == 0)
			error = result;
		other = other->group;
	} while (other != queue || has_ended(queue));
	return n != 0 ? n : error;
}

/* Wait until a bio of this queue has ended for good; 0: none is in flight. */
static int wait_here(struct mpio_queue *queue)
{
	int result = 0;

	while (result == 0 && mpio__queue_is_busy(queue)) {
		mpio__plug_send(queue);
		result = step(queue, true);
	}
	return result;
}

int mpio__group_wait(struct mpio_queue *queue)
{
	struct mpio_queue *other = queue;
	int result;

	do {
		result = wait_here(other);
		other = other->group;
	} while (result == 0 && other != queue);
	return result;
}

int mpio_queue_wait(struct mpio_queue *queue)
{
	int n = mpio__settle_group(queue);

	return n != 0 ? n : mpio__group_wait(queue);
}

int mpio__queue_drain_here(struct mpio_queue *queue)
{
	int result = 0;

	while (result >= 0 && mpio__queue_is_busy(queue)) {
		mpio__plug_send(queue);
		result = step(queue, true);
	}
	return result < 0 ? result : 0;
}

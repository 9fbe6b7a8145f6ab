/* SPDX-License-Identifier: MIT */
/*
 * A filter as a device. A bio that is submitted waits for its time, if rules or
 * a delay say so; then it goes down, as bios of queues that the filter has on
 * the devices below; then it may wait again, and ends.
 *
 *     submit ---> waiting ---> sent ---> done ---> ended
 *                 | hold                 | hold
 *                 | never, delay         | never, delay, reorder
 *
 * Without rules and delay it is sent inside submit, and ends where the last of
 * its bios below does: inside submit, or reap.
 */
#include "filter_private.h"
#include "put.h"

#include <mpio/error.h>

void *memset(void *memory, int byte, size_t size);

#define POLL_NS 1000u
#define DEPTH_MAX 65536u /* bios that a queue takes at most */

static struct filter *filter_of(struct mpio_device *device)
{
	return (struct filter *)device;
}

void mpio__filter_log(struct filter *filter, enum mpio_sim_what what,
		      const struct filter_request *request)
{
	const struct mpio_bio *bio = request->bio;
	bool flush = bio->op == MPIO_BIO_FLUSH;
	struct mpio_sim_entry entry = {
		.number = filter->entries++,
		.time = request->channel->now,
		.id = request->id,
		.offset = flush ? 0 : bio->offset,
		.length = flush ? 0 : bio->length,
		.flags = bio->flags,
		.op = bio->op,
		.what = (uint8_t)what,
	};

	if (filter->hook == NULL)
		return;
	if (what == MPIO_SIM_FAULT) {
		entry.rules = request->verdict.rules;
		entry.actions = request->verdict.actions;
	}
	if (what == MPIO_SIM_REFUSE || what == MPIO_SIM_DO ||
	    what == MPIO_SIM_END)
		entry.status = request->status;
	if (what == MPIO_SIM_END && !flush)
		entry.length = request->status == 0 ? request->moved : 0;
	filter->hook(filter->hook_ctx, &entry);
}

/* The same, where nobody holds the lock. */
static void tell(struct filter_request *request, enum mpio_sim_what what)
{
	struct filter *filter = request->channel->filter;

	if (filter->hook == NULL)
		return;
	filter_lock(filter);
	mpio__filter_log(filter, what, request);
	filter_unlock(filter);
}

/* ---- Requests that are free --------------------------------------------- */

static struct filter_request *take_request(struct filter_channel *channel)
{
	struct filter_request *request = channel->free;

	if (request != NULL)
		channel->free = request->next;
	return request;
}

static void free_request(struct filter_request *request)
{
	struct filter_channel *channel = request->channel;

	request->bio = NULL;
	request->next = channel->free;
	channel->free = request;
}

/* ---- The end of an I/O -------------------------------------------------- */

static void end(struct filter_request *request)
{
	struct filter_channel *channel = request->channel;
	struct mpio_bio *bio = request->bio;
	bool twice = (request->verdict.actions & MPIO_FAULT_DUP) != 0;
	uint32_t moved = request->moved;
	int status = request->status;

	tell(request, MPIO_SIM_END);
	filter_free(channel->filter, request->copy,
		    filter_copy_size(channel->filter, bio));
	request->copy = NULL;
	free_request(request);
	channel->count--;
	channel->ended++;
	for (int i = 0; i <= twice; i++) {
		if (status == 0 && moved < bio->length)
			mpio_bio_end_partial(bio, moved);
		else
			mpio_bio_end(bio, status);
	}
}

/* What the rules want when it is done. */
static void ask_complete(struct filter_request *request)
{
	struct filter *filter = request->channel->filter;
	struct mpio__verdict verdict = {0};
	uint32_t kept = request->verdict.actions &
			(MPIO_FAULT_DUP | MPIO_FAULT_REORDER);

	request->asked = true;
	if (filter->faults.count == 0)
		return;
	filter_lock(filter);
	mpio__faults_ask(&filter->faults, &filter->seed, MPIO_FAULT_ON_COMPLETE,
			 request->bio, &verdict);
	request->held = (verdict.actions & MPIO_FAULT_HOLD) != 0;
	if (verdict.rules != 0) {
		verdict.actions |= kept;
		request->verdict = verdict;
		mpio__filter_log(filter, MPIO_SIM_FAULT, request);
	} else {
		request->verdict.actions = kept;
	}
	filter_unlock(filter);
	if ((verdict.actions & MPIO_FAULT_ERRNO) != 0)
		request->status = -verdict.error;
	if ((verdict.actions & MPIO_FAULT_SHORT) != 0 &&
	    request->bio->op <= MPIO_BIO_WRITE)
		request->moved -= verdict.short_by < request->moved
					  ? verdict.short_by
					  : request->moved;
	request->finish += verdict.delay;
	if ((verdict.actions & MPIO_FAULT_NEVER) != 0)
		request->finish = FILTER_NEVER;
	if ((request->verdict.actions & MPIO_FAULT_REORDER) != 0)
		request->behind = request->channel->last;
}

/* Whether it has to wait for others: those that are to end before it, and do
 * not wait for others themselves. */
static bool is_behind(const struct filter_request *request)
{
	const struct filter_channel *channel = request->channel;

	for (uint32_t i = 0; request->behind != 0 && i < channel->depth; i++) {
		const struct filter_request *other = &channel->requests[i];

		if (other->bio != NULL && other != request &&
		    other->id <= request->behind && other->behind == 0 &&
		    !other->held && other->finish != FILTER_NEVER)
			return true;
	}
	return false;
}

static bool is_racing(const struct filter_request *a,
		      const struct filter_request *b)
{
	const struct mpio_bio *first = a->bio;
	const struct mpio_bio *second = b->bio;

	if (first->op == MPIO_BIO_FLUSH || second->op == MPIO_BIO_FLUSH ||
	    (first->op == MPIO_BIO_READ && second->op == MPIO_BIO_READ))
		return false;
	return first->offset < second->offset + second->length &&
	       second->offset < first->offset + first->length;
}

/* Two devices may do two I/Os that overlap in two orders, and then are no
 * mirrors of each other: the second one waits for the first. */
static bool is_blocked(const struct filter_request *request)
{
	const struct filter_channel *channel = request->channel;

	if (!channel->filter->mirror || request->stage != FILTER_WAITING)
		return false;
	for (uint32_t i = 0; i < channel->depth; i++) {
		const struct filter_request *other = &channel->requests[i];

		if (other->bio != NULL && other->id < request->id &&
		    is_racing(request, other))
			return true;
	}
	return false;
}

static bool is_due(const struct filter_request *request)
{
	return !request->held && request->finish <= request->channel->now &&
	       !is_behind(request) && !is_blocked(request);
}

void mpio__filter_done(struct filter_request *request)
{
	request->stage = FILTER_DONE;
	request->channel->sent--;
	request->finish = request->channel->now;
	mpio__filter_look(request);
	tell(request, MPIO_SIM_DO);
	ask_complete(request);
	if (is_due(request))
		end(request);
}

/* ---- Submit ------------------------------------------------------------- */

/* What the rules want of it; a negative errno: it is not taken. */
static int ask_submit(struct filter *filter, struct filter_request *request)
{
	struct mpio__verdict *verdict = &request->verdict;

	if (filter->jitter != 0)
		request->finish +=
			mpio__random_below(&filter->seed, filter->jitter);
	request->finish += filter->delay;
	if (filter->faults.count == 0)
		return 0;
	mpio__faults_ask(&filter->faults, &filter->seed, MPIO_FAULT_ON_SUBMIT,
			 request->bio, verdict);
	if ((verdict->actions & MPIO_FAULT_ERRNO) != 0)
		request->status = -verdict->error;
	else
		mpio__faults_ask(&filter->faults, &filter->seed,
				 request->bio->op, request->bio, verdict);
	if (verdict->rules != 0)
		mpio__filter_log(filter, MPIO_SIM_FAULT, request);
	request->finish += verdict->delay;
	request->held = (verdict->actions & MPIO_FAULT_HOLD) != 0;
	if ((verdict->actions & MPIO_FAULT_NEVER) != 0)
		request->finish = FILTER_NEVER;
	return request->status;
}

/* It is to end before submit returns, if it can. */
static void wait_inside(struct filter_request *request)
{
	const struct filter_channel *channel = request->channel;
	const struct mpio_bio *bio = request->bio;

	while (request->bio == bio && request->stage == FILTER_SENT &&
	       mpio_queue_wait(channel->queues[0]) > 0)
		;
}

static int filter_submit(struct mpio_device *device, void *ctx,
			 struct mpio_bio *bio)
{
	struct filter *filter = filter_of(device);
	struct filter_channel *channel = ctx;
	struct filter_request *request = take_request(channel);
	int error;

	if (request == NULL)
		return -MPIO_EAGAIN;
	*request = (struct filter_request){
		.bio = bio, .channel = channel, .finish = channel->now};
	filter_lock(filter);
	request->id = channel->last = ++filter->ids;
	error = ask_submit(filter, request);
	mpio__filter_log(filter, error != 0 ? MPIO_SIM_REFUSE : MPIO_SIM_SUBMIT,
			 request);
	filter_unlock(filter);
	if (error != 0) {
		free_request(request);
		return error;
	}
	bio->backend[0] = (uintptr_t)(request - channel->requests);
	channel->count++;
	if (is_due(request)) {
		bool inside =
			(request->verdict.actions & MPIO_FAULT_INLINE) != 0;

		mpio__filter_start(request);
		if (inside)
			wait_inside(request);
	}
	return 0;
}

/* ---- Reap --------------------------------------------------------------- */

/* The one whose time comes first, of those that wait for their time. */
static struct filter_request *earliest(struct filter_channel *channel)
{
	struct filter_request *first = NULL;

	if (channel->sent == channel->count)
		return NULL; /* as it is if nothing makes them wait */
	for (uint32_t i = 0; i < channel->depth; i++) {
		struct filter_request *request = &channel->requests[i];

		if (request->bio == NULL || request->held ||
		    request->stage == FILTER_SENT ||
		    request->finish == FILTER_NEVER || is_behind(request) ||
		    is_blocked(request))
			continue;
		if (first == NULL || request->finish < first->finish ||
		    (request->finish == first->finish &&
		     request->id < first->id))
			first = request;
	}
	return first;
}

/* All whose time has come. */
static void go_on(struct filter_channel *channel)
{
	struct filter_request *request;

	while ((request = earliest(channel)) != NULL &&
	       request->finish <= channel->now) {
		if (request->stage == FILTER_WAITING)
			mpio__filter_start(request);
		else
			end(request);
	}
}

/* Why there is nothing to wait for. */
static int stuck(const struct filter_channel *channel)
{
	for (uint32_t i = 0; i < channel->depth; i++) {
		if (channel->requests[i].bio != NULL &&
		    channel->requests[i].held)
			return -MPIO_EDEADLK;
	}
	return channel->count != 0 ? -MPIO_ETIMEDOUT : 0;
}

/* Something has to happen: below, or by letting time pass. */
static int wait_once(struct filter_channel *channel)
{
	struct filter_request *request;
	int result = 0;

	if (channel->sent != 0)
		result = mpio_queue_wait(channel->queues[0]);
	if (result > 0)
		return 0;
	request = earliest(channel);
	if (request == NULL)
		return result < 0 ? result : stuck(channel);
	if (request->finish > channel->now)
		channel->now = request->finish;
	return 0;
}

static int filter_reap(struct mpio_device *device, void *ctx, int wait)
{
	struct filter_channel *channel = ctx;
	uint32_t before = channel->ended;
	int error = 0;

	(void)device;
	(void)mpio_queue_poll(channel->queues[0]);
	go_on(channel);
	while (wait && channel->ended == before && channel->count != 0) {
		error = wait_once(channel);
		if (error != 0)
			break;
		go_on(channel);
	}
	if (channel->ended != before)
		return (int)(channel->ended - before);
	if (!wait)
		channel->now += POLL_NS;
	return error;
}

static int filter_event_fd(struct mpio_device *device, void *ctx)
{
	struct filter_channel *channel = ctx;

	(void)device;
	return mpio_queue_event_fd(channel->queues[0]);
}

static void filter_cancel(struct mpio_device *device, void *ctx,
			  struct mpio_bio *bio)
{
	struct filter_channel *channel = ctx;
	struct filter_request *request = &channel->requests[bio->backend[0]];

	(void)device;
	if (request->stage == FILTER_WAITING) {
		tell(request, MPIO_SIM_CANCEL);
		request->status = -MPIO_ECANCELED;
		end(request);
	} else if (request->stage == FILTER_SENT && request->sent != NULL &&
		   request->pending == 1 && !channel->filter->mirror) {
		tell(request, MPIO_SIM_CANCEL);
		mpio_bio_cancel(request->sent);
	}
}

static int filter_register_memory(struct mpio_device *device, void *ctx,
				  void *base, size_t length)
{
	struct filter_channel *channel = ctx;

	/* The queues below count those that refuse. */
	for (uint32_t i = 0; i < filter_of(device)->count; i++)
		(void)mpio_queue_register_memory(channel->queues[i], base,
						 length);
	return 0;
}

/* ---- Channels ----------------------------------------------------------- */

static size_t channel_size(const struct filter *filter, uint32_t depth)
{
	return sizeof(struct filter_channel) +
	       depth * sizeof(struct filter_request) +
	       filter->count * sizeof(struct mpio_queue *);
}

static void free_channel(struct filter_channel *channel)
{
	struct filter *filter = channel->filter;

	/* The first is what the others are in a group with. */
	for (uint32_t i = filter->count; i > 0; i--)
		mpio_queue_close(channel->queues[i - 1]);
	for (uint32_t i = 0; i < channel->depth; i++) {
		struct filter_request *request = &channel->requests[i];

		if (request->bio != NULL)
			filter_free(filter, request->copy,
				    filter_copy_size(filter, request->bio));
	}
	filter_free(filter, channel, channel_size(filter, channel->depth));
}

/*
 * A large bio for each I/O above, and, if those go down in parts, a few at
 * once; but no more than that, or filters on each other would each be twice as
 * deep as the one above.
 */
static int open_queues(struct filter_channel *channel)
{
	struct filter *filter = channel->filter;
	uint32_t depth = channel->depth;
	struct mpio_queue_config config = {
		.bios = depth < 2 ? 2 : depth,
		.in_flight_max = depth < 4 ? 4 : depth,
		.segments_max = filter->device.limits.segments_max,
		.pages_max = 1,
		.walk_pages = 1,
		.flags = MPIO_QUEUE_NO_GAPS,
		.allocator = &filter->allocator,
	};

	for (uint32_t i = 0; i < filter->count; i++) {
		int error = mpio_queue_open(filter->parts[i].device, &config,
					    &channel->queues[i]);

		if (error != 0)
			return error;
		config.group = channel->queues[0];
	}
	return 0;
}

static int filter_channel_open(struct mpio_device *device, uint32_t depth,
			       void **ctx)
{
	struct filter *filter = filter_of(device);
	struct filter_channel *channel;
	int error;

	if (depth > DEPTH_MAX)
		depth = DEPTH_MAX;
	if ((uint64_t)depth * sizeof(struct filter_request) > SIZE_MAX / 4)
		return -MPIO_ENOMEM; /* GCOVR_EXCL_LINE: 32-bit machines */
	channel = filter_alloc(filter, channel_size(filter, depth));
	if (channel == NULL)
		return -MPIO_ENOMEM;
	memset(channel, 0, channel_size(filter, depth));
	channel->filter = filter;
	channel->depth = depth;
	channel->queues =
		(struct mpio_queue **)(void *)&channel->requests[depth];
	for (uint32_t i = depth; i > 0; i--) {
		channel->requests[i - 1].channel = channel;
		free_request(&channel->requests[i - 1]);
	}
	error = open_queues(channel);
	if (error != 0) {
		free_channel(channel);
		return error;
	}
	filter_lock(filter);
	channel->next = filter->channels;
	filter->channels = channel;
	filter_unlock(filter);
	*ctx = channel;
	return 0;
}

static void filter_channel_close(struct mpio_device *device, void *ctx)
{
	struct filter *filter = filter_of(device);
	struct filter_channel *channel = ctx;
	struct filter_channel **place = &filter->channels;

	filter_lock(filter);
	while (*place != channel)
		place = &(*place)->next;
	*place = channel->next;
	filter_unlock(filter);
	free_channel(channel);
}

/* ---- The device --------------------------------------------------------- */

static int filter_describe(struct mpio_device *device, char *text, size_t size)
{
	struct filter *filter = filter_of(device);
	struct mpio__put put = {.at = text, .size = size};

	mpio__put_text(&put, "backend: ");
	mpio__put_text(&put, filter->name);
	mpio__put_text(&put, "\n");
	for (uint32_t i = 0; i < filter->count; i++) {
		struct mpio_device *lower = filter->parts[i].device;
		bool room = put.length < size;
		int length = 0;

		if (lower->ops.describe != NULL)
			length = lower->ops.describe(
				lower, room ? text + put.length : NULL,
				room ? size - put.length : 0);
		if (length > 0)
			put.length += (size_t)length;
	}
	return (int)put.length;
}

void mpio__filter_close(struct mpio_device *device)
{
	struct filter *filter = filter_of(device);
	struct mpio_allocator allocator = filter->allocator;

	for (uint32_t i = 0; i < filter->count; i++) {
		struct mpio_device *lower = filter->parts[i].device;
		bool again = false;

		for (uint32_t j = 0; j < i; j++)
			again |= filter->parts[j].device == lower;
		if ((filter->flags & MPIO_FILTER_OWNS) != 0 && !again &&
		    lower->ops.close != NULL)
			lower->ops.close(lower);
	}
	(void)allocator.resize(
		allocator.ctx, filter,
		sizeof(*filter) + filter->count * sizeof(filter->parts[0]), 0);
}

/* The descriptor of the only device below tells of all that ends, unless there
 * is time to be waited for. */
static bool has_event_fd(const struct filter *filter)
{
	return filter->count == 1 && filter->faults.count == 0 &&
	       filter->delay == 0 && filter->jitter == 0 &&
	       filter->parts[0].device->ops.event_fd != NULL;
}

void mpio__filter_init(struct filter *filter)
{
	struct mpio_device_ops *ops = &filter->device.ops;

	*ops = (struct mpio_device_ops){
		.submit = filter_submit,
		.reap = filter_reap,
		.channel_open = filter_channel_open,
		.channel_close = filter_channel_close,
		.cancel = filter_cancel,
		.register_memory = filter_register_memory,
		.describe = filter_describe,
		.close = mpio__filter_close,
	};
	if (has_event_fd(filter))
		ops->event_fd = filter_event_fd;
}

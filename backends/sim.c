/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk as a device. A bio that is submitted gets a time at which
 * it ends; reap lets time pass and takes those whose time has come, the
 * earliest first. An I/O is done when its time comes, not before.
 *
 *     submit ---> waiting ---> done ---> ended
 *                 | hold       | hold
 *                 | never      | never, delay, reorder
 */
#include "sim_private.h"

#include <mpio/error.h>

static struct mpio_sim *sim_of(struct mpio_device *device)
{
	return (struct mpio_sim *)device;
}

void mpio__sim_lock(struct mpio_sim *sim)
{
	if (sim->lock.lock != NULL)
		sim->lock.lock(sim->lock.ctx);
}

void mpio__sim_unlock(struct mpio_sim *sim)
{
	if (sim->lock.unlock != NULL)
		sim->lock.unlock(sim->lock.ctx);
}

void mpio__sim_leave(struct mpio_sim_lock lock, struct sim_lock_end end)
{
	bool last = end.users != NULL && --*end.users == 0;

	if (lock.unlock != NULL)
		lock.unlock(lock.ctx);
	if (last)
		end.free(lock.ctx);
}

uint32_t mpio__sim_sector(const struct mpio_sim *sim)
{
	uint32_t size = sim->device.limits.logical_block_size;

	return size != 0 ? size : 512;
}

/* ---- The power ---------------------------------------------------------- */
/* The I/O that was submitted first and that the power has not reached yet. */
static struct sim_request *next_stranded(struct mpio_sim *sim, uint64_t after)
{
	struct sim_request *first = NULL;

	for (struct sim_channel *channel = sim->channels; channel != NULL;
	     channel = channel->next) {
		for (uint32_t i = 0; i < channel->depth; i++) {
			struct sim_request *request = &channel->requests[i];

			if (request->bio != NULL && request->id > after &&
			    (first == NULL || request->id < first->id))
				first = request;
		}
	}
	return first;
}

void mpio__sim_off(struct mpio_sim *sim)
{
	struct sim_request *request;

	if (sim->off)
		return;
	sim->off = true;
	mpio__sim_log_off(sim);
	for (uint64_t id = 0; (request = next_stranded(sim, id)) != NULL;
	     id = request->id) {
		mpio__sim_strand(sim, request);
		request->status = -MPIO_ENXIO;
		request->stage = SIM_DONE;
		request->finish = sim->now;
		request->held = false;
		request->asked = true;
		request->verdict = (struct mpio__verdict){0};
	}
}

/* ---- The end of an I/O -------------------------------------------------- */
static void end(struct mpio_sim *sim, struct sim_channel *channel,
		struct sim_request *request)
{
	struct mpio_bio *bio = request->bio;
	bool twice = (request->verdict.actions & MPIO_FAULT_DUP) != 0;

	mpio__sim_log(sim, MPIO_SIM_END, request);
	request->bio = NULL;
	channel->count--;
	for (int i = 0; i <= twice; i++) {
		if (request->status == 0 && request->moved < bio->length)
			mpio_bio_end_partial(bio, request->moved);
		else
			mpio_bio_end(bio, request->status);
	}
}

/* It is to end behind all others that are in flight and will end. */
static bool put_behind(const struct sim_channel *channel,
		       struct sim_request *request)
{
	uint64_t last = 0;

	request->verdict.actions &= ~MPIO_FAULT_REORDER;
	for (uint32_t i = 0; i < channel->depth; i++) {
		const struct sim_request *other = &channel->requests[i];

		if (other != request && other->bio != NULL && !other->held &&
		    other->finish != SIM_NEVER && other->finish > last)
			last = other->finish;
	}
	if (last < request->finish)
		return false;
	request->finish = last + 1;
	return true;
}

/* What the rules want at its completion; true: it is not to end now. */
static bool ask_complete(struct mpio_sim *sim, struct sim_request *request)
{
	struct mpio__verdict verdict = {0};
	uint32_t later = MPIO_FAULT_DELAY | MPIO_FAULT_NEVER | MPIO_FAULT_HOLD;

	request->asked = true;
	mpio__faults_ask(&sim->faults, &sim->seed_faults,
			 MPIO_FAULT_ON_COMPLETE, request->bio, &verdict);
	if (verdict.rules == 0)
		return false;
	verdict.actions |= request->verdict.actions &
			   (MPIO_FAULT_DUP | MPIO_FAULT_REORDER);
	request->verdict = verdict;
	mpio__sim_log(sim, MPIO_SIM_FAULT, request);
	if ((verdict.actions & MPIO_FAULT_ERRNO) != 0)
		request->status = -verdict.error;
	if ((verdict.actions & MPIO_FAULT_SHORT) != 0 &&
	    request->bio->op <= MPIO_BIO_WRITE)
		request->moved -= verdict.short_by < request->moved
					  ? verdict.short_by
					  : request->moved;
	request->finish += verdict.delay;
	request->held = (verdict.actions & MPIO_FAULT_HOLD) != 0;
	if ((verdict.actions & MPIO_FAULT_NEVER) != 0)
		request->finish = SIM_NEVER;
	if ((verdict.actions & MPIO_FAULT_CUT) != 0)
		mpio__sim_off(sim);
	return !sim->off && (verdict.actions & later) != 0;
}

/* The time of an I/O has come; true: it has ended. */
static bool go_on(struct mpio_sim *sim, struct sim_channel *channel,
		  struct sim_request *request)
{
	if (request->stage == SIM_WAITING)
		mpio__sim_do(sim, request);
	if (!request->asked && ask_complete(sim, request))
		return false;
	if ((request->verdict.actions & MPIO_FAULT_REORDER) != 0 &&
	    put_behind(channel, request))
		return false;
	end(sim, channel, request);
	return true;
}

/* ---- Submit ------------------------------------------------------------- */
static uint64_t time_for(struct mpio_sim *sim, const struct mpio_bio *bio)
{
	const struct mpio_sim_config *config = &sim->config;
	uint64_t ns = config->latency +
		      mpio__random_below(&sim->seed_time, config->jitter);

	if (bio->op == MPIO_BIO_READ || bio->op == MPIO_BIO_WRITE)
		ns += (uint64_t)config->per_kib * bio->length >> 10;
	return ns;
}

/* What the rules want of it; a negative errno: it is not taken. */
static int ask_submit(struct mpio_sim *sim, struct sim_request *request)
{
	struct mpio__verdict *verdict = &request->verdict;
	int error = 0;

	mpio__faults_ask(&sim->faults, &sim->seed_faults, MPIO_FAULT_ON_SUBMIT,
			 request->bio, verdict);
	if ((verdict->actions & MPIO_FAULT_ERRNO) != 0)
		error = -verdict->error;
	else
		mpio__faults_ask(&sim->faults, &sim->seed_faults,
				 request->bio->op, request->bio, verdict);
	if (verdict->rules != 0)
		mpio__sim_log(sim, MPIO_SIM_FAULT, request);
	request->finish += verdict->delay;
	request->held = (verdict->actions & MPIO_FAULT_HOLD) != 0;
	if ((verdict->actions & MPIO_FAULT_NEVER) != 0)
		request->finish = SIM_NEVER;
	return error;
}

static struct sim_request *free_request(struct sim_channel *channel)
{
	for (uint32_t i = 0; i < channel->depth; i++) {
		if (channel->requests[i].bio == NULL)
			return &channel->requests[i];
	}
	return NULL;
}

static int take(struct mpio_sim *sim, struct sim_channel *channel,
		struct mpio_bio *bio)
{
	struct sim_request *request = free_request(channel);

	if (request == NULL)
		return -MPIO_EAGAIN;
	*request = (struct sim_request){
		.bio = bio, .id = ++sim->ids, .mark = sim->done};
	request->finish = sim->now + time_for(sim, bio);
	request->status = sim->off ? -MPIO_ENXIO : ask_submit(sim, request);
	if (request->status != 0) {
		mpio__sim_log(sim, MPIO_SIM_REFUSE, request);
		request->bio = NULL;
		if ((request->verdict.actions & MPIO_FAULT_CUT) != 0)
			mpio__sim_off(sim);
		return request->status;
	}
	mpio__sim_log(sim, MPIO_SIM_SUBMIT, request);
	bio->backend[0] = (uintptr_t)(request - channel->requests);
	channel->count++;
	if ((request->verdict.actions & MPIO_FAULT_CUT) != 0)
		mpio__sim_off(sim);
	else if ((request->verdict.actions & MPIO_FAULT_INLINE) != 0 &&
		 !request->held && request->finish != SIM_NEVER)
		(void)go_on(sim, channel, request);
	return 0;
}

static int sim_submit(struct mpio_device *device, void *channel,
		      struct mpio_bio *bio)
{
	struct mpio_sim *sim = sim_of(device);
	int result;

	mpio__sim_lock(sim);
	result = take(sim, channel, bio);
	mpio__sim_unlock(sim);
	return result;
}

/* ---- Reap --------------------------------------------------------------- */
/* The one whose time comes first; NULL: there is none. */
static struct sim_request *earliest(struct sim_channel *channel)
{
	struct sim_request *first = NULL;

	for (uint32_t i = 0; i < channel->depth; i++) {
		struct sim_request *request = &channel->requests[i];

		if (request->bio == NULL || request->held ||
		    request->finish == SIM_NEVER)
			continue;
		if (first == NULL || request->finish < first->finish ||
		    (request->finish == first->finish &&
		     request->id < first->id))
			first = request;
	}
	return first;
}

/* Why there is nothing to wait for. */
static int stuck(const struct sim_channel *channel)
{
	for (uint32_t i = 0; i < channel->depth; i++) {
		if (channel->requests[i].bio != NULL &&
		    channel->requests[i].held)
			return -MPIO_EDEADLK;
	}
	return channel->count != 0 ? -MPIO_ETIMEDOUT : 0;
}

static int reap(struct mpio_sim *sim, struct sim_channel *channel, bool wait)
{
	struct sim_request *request;
	int ended = 0;

	while ((request = earliest(channel)) != NULL) {
		if (request->finish > sim->now) {
			if (!wait || ended != 0)
				break;
			sim->now = request->finish;
		}
		ended += go_on(sim, channel, request);
	}
	if (ended == 0 && !wait)
		sim->now += sim->config.poll;
	return ended == 0 && wait ? stuck(channel) : ended;
}

static int sim_reap(struct mpio_device *device, void *channel, int wait)
{
	struct mpio_sim *sim = sim_of(device);
	int result;

	mpio__sim_lock(sim);
	result = reap(sim, channel, wait != 0);
	mpio__sim_unlock(sim);
	return result;
}

/* What has not been done yet will not be; it ends at once. */
static void sim_cancel(struct mpio_device *device, void *ctx,
		       struct mpio_bio *bio)
{
	struct mpio_sim *sim = sim_of(device);
	struct sim_channel *channel = ctx;
	struct sim_request *request = &channel->requests[bio->backend[0]];

	mpio__sim_lock(sim);
	if (request->stage == SIM_WAITING) {
		mpio__sim_log(sim, MPIO_SIM_CANCEL, request);
		request->status = -MPIO_ECANCELED;
		end(sim, channel, request);
	}
	mpio__sim_unlock(sim);
}

/* ---- Channels ----------------------------------------------------------- */
static size_t channel_size(uint32_t depth)
{
	return sizeof(struct sim_channel) + depth * sizeof(struct sim_request);
}

static int sim_channel_open(struct mpio_device *device, uint32_t depth,
			    void **ctx)
{
	struct mpio_sim *sim = sim_of(device);
	struct sim_channel *channel;

	if ((uint64_t)depth * sizeof(struct sim_request) > SIZE_MAX / 2)
		return -MPIO_ENOMEM; /* GCOVR_EXCL_LINE: 32-bit machines */
	mpio__sim_lock(sim);
	channel = mpio__sim_alloc(&sim->allocator, channel_size(depth));
	if (channel != NULL) {
		channel->depth = depth;
		channel->count = 0;
		for (uint32_t i = 0; i < depth; i++)
			channel->requests[i].bio = NULL;
		channel->next = sim->channels;
		sim->channels = channel;
		*ctx = channel;
	}
	mpio__sim_unlock(sim);
	return channel != NULL ? 0 : -MPIO_ENOMEM;
}

static void sim_channel_close(struct mpio_device *device, void *ctx)
{
	struct mpio_sim *sim = sim_of(device);
	struct sim_channel *channel = ctx;
	struct sim_channel **place = &sim->channels;

	mpio__sim_lock(sim);
	while (*place != channel)
		place = &(*place)->next;
	*place = channel->next;
	mpio__sim_free(&sim->allocator, channel, channel_size(channel->depth));
	mpio__sim_unlock(sim);
}

/* ---- The device --------------------------------------------------------- */
static void sim_close(struct mpio_device *device)
{
	mpio_sim_close(sim_of(device));
}

bool mpio__sim_is(const struct mpio_device *device)
{
	return device->ops.submit == sim_submit;
}

void mpio__sim_init_device(struct mpio_sim *sim)
{
	struct mpio_device *device = &sim->device;
	uint32_t flags = sim->config.flags;
	uint32_t features = sim->config.limits.features & MPIO_DEVICE_READONLY;

	if ((flags & MPIO_SIM_NO_CACHE) == 0)
		features |= MPIO_DEVICE_FLUSH;
	if ((flags & MPIO_SIM_NO_FUA) == 0)
		features |= MPIO_DEVICE_FUA | MPIO_DEVICE_PREFLUSH;
	if ((flags & MPIO_SIM_NO_DISCARD) == 0)
		features |= MPIO_DEVICE_DISCARD;
	device->ops = (struct mpio_device_ops){
		.submit = sim_submit,
		.reap = sim_reap,
		.channel_open = sim_channel_open,
		.channel_close = sim_channel_close,
		.cancel = sim_cancel,
		.describe = mpio__sim_describe,
		.close = sim_close,
	};
	device->limits = sim->config.limits;
	device->limits.features = features;
	device->size = sim->config.size;
}

/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk as tests use it: opened, given rules, looked at.
 */
#include "put.h"
#include "sim_private.h"

#include <mpio/error.h>

void *memset(void *memory, int byte, size_t size);

/* ---- Opening ------------------------------------------------------------ */
static bool is_power(uint32_t number)
{
	return number == 0 || (number & (number - 1)) == 0;
}

static uint32_t or_usual(uint32_t number, uint32_t usual)
{
	return number != 0 ? number : usual;
}

static bool is_possible(const struct mpio_sim_config *config)
{
	const struct mpio_limits *limits = &config->limits;

	if (config->allocator == NULL || config->size == 0 ||
	    config->size >> 63 != 0 || config->journal > 1u << 24 ||
	    config->faults.count > MPIO_FAULT_RULES_MAX)
		return false;
	for (uint32_t i = 0; i < config->faults.count; i++) {
		if (!mpio__fault_is_sound(&config->faults.rules[i]))
			return false;
	}
	return is_power(limits->logical_block_size) &&
	       is_power(limits->memory_alignment) &&
	       is_power(limits->atomic_unit);
}

/* What is 0 is set to what it stands for. */
static void complete(struct mpio_sim *sim)
{
	struct mpio_sim_config *config = &sim->config;

	config->latency = or_usual(config->latency, 50000);
	config->jitter = or_usual(config->jitter, 50000);
	config->per_kib = or_usual(config->per_kib, 500);
	config->poll = or_usual(config->poll, 1000);
	config->cache_bytes = or_usual(config->cache_bytes, 16u << 20);
	config->journal = or_usual(config->journal, 4096);
	sim->seed_time = config->seed ^ 0x74696d65u;
	sim->seed_faults = config->seed ^ 0x6661756c74u;
	config->faults.state = or_usual(config->faults.state, 1);
	sim->faults = config->faults;
	mpio__faults_reset(&sim->faults);
}

static int make_ring(struct mpio_sim *sim, struct sim_ring *ring, uint32_t room)
{
	ring->entries =
		mpio__sim_alloc(&sim->allocator, room * sizeof(*ring->entries));
	ring->room = room;
	return ring->entries != NULL ? 0 : -MPIO_ENOMEM;
}

int mpio_sim_open(const struct mpio_sim_config *config, struct mpio_sim **sim)
{
	struct mpio_sim *made;
	int error;

	if (!is_possible(config))
		return -MPIO_EINVAL;
	made = mpio__sim_alloc(config->allocator, sizeof(*made));
	if (made == NULL)
		return -MPIO_ENOMEM;
	memset(made, 0, sizeof(*made));
	made->allocator = *config->allocator;
	made->config = *config;
	if (config->lock != NULL)
		made->lock = *config->lock;
	complete(made);
	mpio__sim_init_device(made);
	error = mpio__sim_image_init(&made->allocator, &made->current,
				     config->size);
	if (error == 0)
		error = mpio__sim_image_init(&made->allocator, &made->medium,
					     config->size);
	if (error == 0)
		error = make_ring(made, &made->journal, made->config.journal);
	if (error == 0)
		error = make_ring(made, &made->logged, made->config.journal);
	if (error == 0)
		*sim = made;
	else
		mpio_sim_close(made);
	return error;
}

void mpio_sim_close(struct mpio_sim *sim)
{
	struct mpio_allocator allocator;
	struct mpio_sim_lock lock;
	struct sim_lock_end lock_end;

	if (sim == NULL)
		return;
	allocator = sim->allocator;
	lock = sim->lock;
	lock_end = sim->lock_end;
	mpio__sim_lock(sim);
	mpio__sim_cache_free(&allocator, &sim->cache);
	mpio__sim_image_free(&allocator, &sim->current);
	mpio__sim_image_free(&allocator, &sim->medium);
	mpio__sim_free(&allocator, sim->journal.entries,
		       sim->journal.room * sizeof(struct mpio_sim_entry));
	mpio__sim_free(&allocator, sim->logged.entries,
		       sim->logged.room * sizeof(struct mpio_sim_entry));
	mpio__sim_free(&allocator, sim, sizeof(*sim));
	mpio__sim_leave(lock, lock_end);
}

struct mpio_device *mpio_sim_device(struct mpio_sim *sim)
{
	return &sim->device;
}

struct mpio_sim *mpio_sim_of(struct mpio_device *device)
{
	return mpio__sim_is(device) ? (struct mpio_sim *)device : NULL;
}

/* ---- Rules -------------------------------------------------------------- */
int mpio_sim_add_rules(struct mpio_sim *sim, const char *text,
		       struct mpio_fault_error *error)
{
	int result;

	mpio__sim_lock(sim);
	result = mpio_faults_parse(&sim->faults, text, error);
	mpio__sim_unlock(sim);
	return result;
}

void mpio_sim_clear_rules(struct mpio_sim *sim)
{
	mpio__sim_lock(sim);
	sim->faults.count = 0;
	sim->faults.state = 1;
	sim->config.faults.state = 1; /* that of those to come */
	mpio__sim_unlock(sim);
}

int mpio_sim_rule(struct mpio_sim *sim, uint32_t index,
		  struct mpio_fault_rule *rule)
{
	int error = -MPIO_ENOENT;

	mpio__sim_lock(sim);
	if (index < sim->faults.count) {
		*rule = sim->faults.rules[index];
		error = 0;
	}
	mpio__sim_unlock(sim);
	return error;
}

/* ---- Time and break points ---------------------------------------------- */
uint64_t mpio_sim_now(struct mpio_sim *sim)
{
	uint64_t now;

	mpio__sim_lock(sim);
	now = sim->now;
	mpio__sim_unlock(sim);
	return now;
}

void mpio_sim_advance(struct mpio_sim *sim, uint64_t ns)
{
	mpio__sim_lock(sim);
	sim->now += ns;
	mpio__sim_unlock(sim);
}

/* The held one with the least id above `after`; NULL: none. */
static struct sim_request *next_held(struct mpio_sim *sim, uint64_t after)
{
	struct sim_request *first = NULL;

	for (struct sim_channel *channel = sim->channels; channel != NULL;
	     channel = channel->next) {
		for (uint32_t i = 0; i < channel->depth; i++) {
			struct sim_request *request = &channel->requests[i];

			if (request->bio != NULL && request->held &&
			    request->id > after &&
			    (first == NULL || request->id < first->id))
				first = request;
		}
	}
	return first;
}

uint32_t mpio_sim_held(struct mpio_sim *sim, uint64_t *ids, uint32_t max)
{
	struct sim_request *request;
	uint32_t count = 0;

	mpio__sim_lock(sim);
	for (uint64_t id = 0; (request = next_held(sim, id)) != NULL;
	     id = request->id) {
		if (count < max)
			ids[count] = request->id;
		count++;
	}
	mpio__sim_unlock(sim);
	return count;
}

uint32_t mpio_sim_release(struct mpio_sim *sim, uint64_t id)
{
	struct sim_request *request;
	uint32_t count = 0;

	mpio__sim_lock(sim);
	for (uint64_t at = 0; (request = next_held(sim, at)) != NULL;
	     at = request->id) {
		if (id != 0 && id != request->id)
			continue;
		request->held = false;
		if (request->finish != SIM_NEVER)
			request->finish = sim->now;
		mpio__sim_log(sim, MPIO_SIM_RELEASE, request);
		count++;
	}
	mpio__sim_unlock(sim);
	return count;
}

/* ---- The power, and what is there --------------------------------------- */
void mpio_sim_power_off(struct mpio_sim *sim)
{
	mpio__sim_lock(sim);
	mpio__sim_off(sim);
	mpio__sim_unlock(sim);
}

bool mpio_sim_is_off(struct mpio_sim *sim)
{
	bool off;

	mpio__sim_lock(sim);
	off = sim->off;
	mpio__sim_unlock(sim);
	return off;
}

static bool is_inside(const struct mpio_sim *sim, uint64_t offset,
		      size_t length)
{
	uint64_t size = sim->device.size;

	return length <= size && offset <= size - length;
}

int mpio_sim_peek(struct mpio_sim *sim, uint64_t offset, void *to,
		  size_t length)
{
	if (!is_inside(sim, offset, length))
		return -MPIO_EINVAL;
	mpio__sim_lock(sim);
	mpio__sim_image_read(&sim->current, offset, to, length);
	mpio__sim_unlock(sim);
	return 0;
}

/* What is in the cache is seen still. */
static void lay_cache(struct mpio_sim *sim)
{
	for (uint32_t i = 0; i < sim->cache.count; i++) {
		const struct sim_write *write = sim->cache.writes[i];

		if (!sim->off)
			mpio__sim_image_write(&sim->current, write->offset,
					      write->zeros ? NULL
							   : write->bytes,
					      write->length);
	}
}

int mpio_sim_poke(struct mpio_sim *sim, uint64_t offset, const void *from,
		  size_t length)
{
	int error;

	if (!is_inside(sim, offset, length))
		return -MPIO_EINVAL;
	mpio__sim_lock(sim);
	error = mpio__sim_image_reserve(&sim->allocator, &sim->current, offset,
					length, false);
	if (error == 0)
		error = mpio__sim_image_reserve(&sim->allocator, &sim->medium,
						offset, length, false);
	if (error == 0) {
		mpio__sim_image_write(&sim->current, offset, from, length);
		mpio__sim_image_write(&sim->medium, offset, from, length);
		lay_cache(sim);
	}
	mpio__sim_unlock(sim);
	return error;
}

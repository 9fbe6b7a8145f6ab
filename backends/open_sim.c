/* SPDX-License-Identifier: MIT */
/*
 * Devices by name: the simulated disk. What is opened by name may be used by
 * any thread, so it has a lock: one to spin on, since there is none in C11 that
 * every system has, and it is held for a moment only.
 */
#include "open_private.h"
#include "sim_private.h"
#include "text.h"

#include <mpio/error.h>
#include <mpio/open.h>
#include <mpio/simdisk.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- A lock ------------------------------------------------------------- */

struct spin {
	atomic_flag taken;
	uint32_t users; /* a disk and its snapshots */
};

static void take(void *ctx)
{
	struct spin *spin = ctx;

	while (atomic_flag_test_and_set_explicit(&spin->taken,
						 memory_order_acquire))
		sched_yield();
}

static void give(void *ctx)
{
	struct spin *spin = ctx;

	atomic_flag_clear_explicit(&spin->taken, memory_order_release);
}

int mpio__lock_make(struct mpio_sim_lock *lock)
{
	struct spin *spin = malloc(sizeof(*spin));

	if (spin == NULL)
		return -MPIO_ENOMEM;
	atomic_flag_clear(&spin->taken);
	spin->users = 1;
	*lock = (struct mpio_sim_lock){
		.lock = take, .unlock = give, .ctx = spin};
	return 0;
}

/* ---- Options ------------------------------------------------------------ */

/* Times of a configuration, by name. */
static uint32_t *time_of(struct mpio_sim_config *config, const char *name)
{
	if (strcmp(name, "latency") == 0)
		return &config->latency;
	if (strcmp(name, "jitter") == 0)
		return &config->jitter;
	if (strcmp(name, "per_kib") == 0)
		return &config->per_kib;
	if (strcmp(name, "poll") == 0)
		return &config->poll;
	return NULL;
}

/* Numbers. */
static uint32_t *number(struct mpio_sim_config *config, const char *name)
{
	if (strcmp(name, "cache_bytes") == 0)
		return &config->cache_bytes;
	if (strcmp(name, "block") == 0)
		return &config->limits.logical_block_size;
	if (strcmp(name, "align") == 0)
		return &config->limits.memory_alignment;
	if (strcmp(name, "atomic") == 0)
		return &config->limits.atomic_unit;
	if (strcmp(name, "segments") == 0)
		return &config->limits.segments_max;
	if (strcmp(name, "bytes") == 0)
		return &config->limits.bytes_max;
	if (strcmp(name, "gap") == 0)
		return &config->limits.gap_bytes;
	if (strcmp(name, "state") == 0)
		return &config->faults.state;
	return NULL;
}

/* Something that is there, or is not; the flag that says so. */
static int set_flag(uint32_t *flags, uint32_t flag, bool set)
{
	*flags = set ? *flags | flag : *flags & ~flag;
	return 0;
}

static int set_switch(struct mpio_sim_config *config, const char *name,
		      const char *value)
{
	bool on;

	if (mpio__switch_parse(value, &on) != 0)
		return -MPIO_EINVAL;
	if (strcmp(name, "cache") == 0)
		return set_flag(&config->flags, MPIO_SIM_NO_CACHE, !on);
	if (strcmp(name, "fua") == 0)
		return set_flag(&config->flags, MPIO_SIM_NO_FUA, !on);
	if (strcmp(name, "discard") == 0)
		return set_flag(&config->flags, MPIO_SIM_NO_DISCARD, !on);
	if (strcmp(name, "readonly") == 0)
		return set_flag(&config->limits.features, MPIO_DEVICE_READONLY,
				on);
	return -MPIO_EINVAL;
}

static int set_option(struct mpio_sim_config *config, const char *name,
		      const char *value)
{
	uint32_t *place = number(config, name);
	uint32_t *ns = time_of(config, name);
	uint64_t size;

	if (ns != NULL)
		return mpio__time_parse(value, ns);
	if (strcmp(name, "rules") == 0)
		return mpio_faults_parse(&config->faults, value, NULL);
	if (strcmp(name, "seed") == 0)
		return mpio_size_parse(value, &config->seed);
	if (place == NULL)
		return set_switch(config, name, value);
	if (mpio_size_parse(value, &size) != 0 || size > UINT32_MAX)
		return -MPIO_EINVAL;
	*place = (uint32_t)size;
	return 0;
}

static int set_options(struct mpio_sim_config *config, char *options)
{
	const char *name;
	const char *value;
	int result;

	while ((result = mpio_option_next(&options, &name, &value)) == 1) {
		int error = set_option(config, name, value);

		if (error != 0)
			return error;
	}
	return result;
}

/* ---- sim: --------------------------------------------------------------- */

static int open_configured(struct mpio_sim_config *config,
			   struct mpio_device **device)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_sim_lock lock;
	struct mpio_sim *sim;
	int error = mpio__lock_make(&lock);

	if (error != 0)
		return error;
	config->allocator = &allocator;
	config->lock = &lock;
	error = mpio_sim_open(config, &sim);
	if (error != 0) {
		free(lock.ctx);
		return error;
	}
	/* Snapshots outlive the disk, and lock, too. */
	sim->lock_end = (struct sim_lock_end){
		.users = &((struct spin *)lock.ctx)->users, .free = free};
	*device = mpio_sim_device(sim);
	return 0;
}

int mpio__sim_open_uri(const char *path, char *options,
		       struct mpio_device **device)
{
	struct mpio_sim_config *config = calloc(1, sizeof(*config));
	int error;

	if (config == NULL)
		return -MPIO_ENOMEM;
	error = mpio_size_parse(path, &config->size);
	if (error == 0)
		error = set_options(config, options);
	if (error == 0)
		error = open_configured(config, device);
	free(config);
	return error;
}

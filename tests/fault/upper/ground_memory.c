/* SPDX-License-Identifier: MIT */
/*
 * Disks in memory: the mock, which fails in the worst way, at once and in any
 * order; backend mem under the filter `fault`; and the simulated disk.
 */
#include "upper.h"

#include "../../../backends/filter_private.h"
#include "../mock.h"

#include <mpio/backends/mem.h>
#include <mpio/filters.h>
#include <mpio/simdisk.h>

#include <stdlib.h>
#include <string.h>

static unsigned char disk[DISK_BYTES];

/* ---- The mock ----------------------------------------------------------- */

static struct {
	struct mock mock;
	struct injector injector;
	struct fault fault;
	unsigned char durable[DISK_BYTES];
} mocked;

static void mocked_load(const unsigned char *image)
{
	memcpy(disk, image, DISK_BYTES);
	memcpy(mocked.durable, image, DISK_BYTES);
}

static struct mpio_device *mocked_open(enum mock_mode mode)
{
	mock_init(&mocked.mock, mode, disk, DISK_BYTES, &mocked.injector);
	mocked.mock.durable = mocked.durable;
	mocked.mock.device.limits.features = MPIO_DEVICE_FLUSH;
	return &mocked.mock.device;
}

static struct mpio_device *
mocked_open_sync(const struct mpio_allocator *allocator)
{
	(void)allocator;
	return mocked_open(MOCK_SYNC);
}

static struct mpio_device *
mocked_open_random(const struct mpio_allocator *allocator)
{
	(void)allocator;
	return mocked_open(MOCK_RANDOM);
}

static void mocked_close(void)
{
}

static void mocked_arm(const struct mishap *mishap, uint64_t n)
{
	mocked.injector = (struct injector){.n = n};
	if (mishap == NULL)
		return;
	mocked.fault = (struct fault){
		.name = mishap->name,
		.site = mishap->site == ON_READ    ? SITE_READ
			: mishap->site == ON_WRITE ? SITE_WRITE
			: mishap->site == ON_FLUSH ? SITE_FLUSH
						   : SITE_REAP,
		.action = ACTION_STATUS,
		.status = mishap->status,
		.bytes = mishap->moved,
		.sticky = mishap->sticky,
	};
	if (mishap->moved == MOVED_ALL_BUT_ONE)
		mocked.fault.action = ACTION_ALL_BUT_ONE;
	else if (mishap->moved != MOVED_ALL)
		mocked.fault.action = ACTION_PARTIAL;
	mocked.injector.fault = &mocked.fault;
}

static void mocked_lift(void)
{
	mocked.injector.fault = NULL;
}

static uint64_t mocked_fired(void)
{
	return mocked.injector.fired;
}

static const unsigned char *mocked_image(void)
{
	return disk;
}

static const unsigned char *mocked_durable(void)
{
	return mocked.durable;
}

static bool can_all(const struct mishap *mishap)
{
	(void)mishap;
	return true;
}

static bool can_all_but_reap(const struct mishap *mishap)
{
	return mishap->site != ON_REAP;
}

#define MOCKED(label, opener, able)                                            \
	{                                                                      \
		.name = label, .can = able, .open = opener,                    \
		.close = mocked_close, .arm = mocked_arm, .lift = mocked_lift, \
		.fired = mocked_fired, .load = mocked_load,                    \
		.image = mocked_image, .durable = mocked_durable,              \
	}

static const struct ground mocked_sync =
	MOCKED("at once", mocked_open_sync, can_all_but_reap);
static const struct ground mocked_random =
	MOCKED("in any order", mocked_open_random, can_all);

/* ---- Rules -------------------------------------------------------------- */

/* Rules know by how much an I/O comes short, and not how much it moves. */
static bool can_by_rules(const struct mishap *mishap)
{
	return mishap->site != ON_REAP &&
	       (mishap->moved == MOVED_ALL || mishap->moved == MOVED_NONE ||
		mishap->moved == MOVED_ALL_BUT_ONE);
}

/* A filter moves whole blocks: none, where the mishap would cut the only one.
 */
static bool can_by_filter(const struct mishap *mishap)
{
	return can_by_rules(mishap) && mishap->moved != MOVED_ALL_BUT_ONE;
}

/* What is armed, until the device is there. */
static struct mpio_faults armed;

static void arm_rules(const struct mishap *mishap, uint64_t n)
{
	struct mpio_fault_rule *rule = &armed.rules[0];

	memset(&armed, 0, sizeof(armed));
	if (mishap == NULL)
		return;
	armed.count = 1;
	rule->event = mishap->site == ON_READ    ? MPIO_FAULT_ON_READ
		      : mishap->site == ON_WRITE ? MPIO_FAULT_ON_WRITE
						 : MPIO_FAULT_ON_FLUSH;
	rule->nth = n;
	rule->flags = mishap->sticky ? MPIO_FAULT_STICKY : 0;
	rule->actions = MPIO_FAULT_ERRNO;
	rule->error = -mishap->status;
	if (mishap->moved != MOVED_ALL) {
		rule->actions = MPIO_FAULT_SHORT;
		rule->error = 0;
		rule->short_by = mishap->moved == MOVED_NONE ? UINT32_MAX : 1;
	}
}

static void load_disk(const unsigned char *image)
{
	memcpy(disk, image, DISK_BYTES);
}

/* ---- Backend mem under a filter ----------------------------------------- */

static struct {
	struct mpio_mem mem;
	struct filter *filter;
	uint64_t fired; /* by rules that are gone */
} filtered;

static struct mpio_device *filtered_open(const struct mpio_allocator *allocator)
{
	struct mpio_filter_config config = {.allocator = allocator};
	struct mpio_device *device = NULL;

	mpio_mem_init(&filtered.mem, disk, DISK_BYTES);
	if (mpio_filter_fault(&filtered.mem.device, &config, &armed, &device) !=
	    0)
		return NULL;
	filtered.filter = (struct filter *)device;
	return device;
}

static void filtered_close(void)
{
	if (filtered.filter != NULL)
		filtered.filter->device.ops.close(&filtered.filter->device);
	filtered.filter = NULL;
}

static void filtered_arm(const struct mishap *mishap, uint64_t n)
{
	filtered.fired = 0;
	arm_rules(mishap, n);
}

/* Rules of a filter are there to stay; but the test knows where. */
static void filtered_lift(void)
{
	if (filtered.filter == NULL)
		return;
	filtered.fired += filtered.filter->faults.rules[0].fired;
	filtered.filter->faults = (struct mpio_faults){.state = 1};
}

static uint64_t filtered_fired(void)
{
	uint64_t now = 0;

	if (filtered.filter != NULL)
		now = filtered.filter->faults.rules[0].fired;
	return filtered.fired + now;
}

static const struct ground filtered_mem = {
	.name = "mem",
	.can = can_by_filter,
	.open = filtered_open,
	.close = filtered_close,
	.arm = filtered_arm,
	.lift = filtered_lift,
	.fired = filtered_fired,
	.load = load_disk,
	.image = mocked_image,
};

/* ---- The simulated disk ------------------------------------------------- */

static struct {
	struct mpio_sim *sim;
	const unsigned char *first; /* what it begins with */
	uint64_t fired;             /* by rules that are gone */
} simulated;

static void simulated_load(const unsigned char *image)
{
	simulated.first = image;
}

static struct mpio_device *
simulated_open(const struct mpio_allocator *allocator)
{
	struct mpio_sim_config config = {
		.size = DISK_BYTES,
		.seed = 7,
		.journal = 8,
		.faults = armed,
		.allocator = allocator,
	};

	if (mpio_sim_open(&config, &simulated.sim) != 0)
		return NULL;
	if (mpio_sim_poke(simulated.sim, 0, simulated.first, DISK_BYTES) == 0)
		return mpio_sim_device(simulated.sim);
	mpio_sim_close(simulated.sim);
	simulated.sim = NULL;
	return NULL;
}

static void simulated_close(void)
{
	mpio_sim_close(simulated.sim);
	simulated.sim = NULL;
}

static uint64_t simulated_fired(void)
{
	struct mpio_fault_rule rule = {.fired = 0};

	if (simulated.sim != NULL)
		(void)mpio_sim_rule(simulated.sim, 0, &rule);
	return simulated.fired + rule.fired;
}

static void simulated_arm(const struct mishap *mishap, uint64_t n)
{
	simulated.fired = 0;
	arm_rules(mishap, n);
}

static void simulated_lift(void)
{
	simulated.fired = simulated_fired();
	if (simulated.sim != NULL)
		mpio_sim_clear_rules(simulated.sim);
}

static const unsigned char *simulated_image(void)
{
	if (mpio_sim_peek(simulated.sim, 0, disk, DISK_BYTES) != 0)
		abort();
	return disk;
}

static const struct ground simulated_disk = {
	.name = "sim",
	.can = can_by_rules,
	.open = simulated_open,
	.close = simulated_close,
	.arm = simulated_arm,
	.lift = simulated_lift,
	.fired = simulated_fired,
	.load = simulated_load,
	.image = simulated_image,
};

const struct ground *const grounds[] = {
	&mocked_sync, &mocked_random, &filtered_mem, &simulated_disk, NULL,
};

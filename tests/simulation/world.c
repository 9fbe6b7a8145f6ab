/* SPDX-License-Identifier: MIT */
/*
 * One run: a world is made as the seed says, used, and ended, either well or
 * by a power cut.
 */
#include "sim.h"

#include <string.h>

/* ---- Making it ---------------------------------------------------------- */

static void choose_geometry(void)
{
	world.sector = chance(50) ? 512 : 512u << below(4);
	world.block = 512u << below(4);
	if (world.block < world.sector && chance(60))
		world.block = world.sector;
	world.is_odd = world.block < world.sector;
	world.volume_count = chance(30) ? 2 : 1;
	faults_choose();
	if (has_kind(KIND_MEMORY))
		memory_fail(20);
}

static void choose_queue(struct mpio_queue_config *config)
{
	config->bios = 2 + below(7);
	config->in_flight_max = below(8);
	config->segments_max = 1 + below(16);
	config->pages_max = 1 + below(24);
	config->bytes_max = chance(40) ? 512 * (1 + below(40)) : 0;
	config->walk_pages = 1 + below(16);
	config->flags = chance(25) ? below(4) : 0;
	config->gap_bytes = 512 * below(9);
	config->gap_percent = below(101);
	config->gap_io_bytes = 512 * below(33);
	config->bounce_bytes = 2048 * (1 + below(12));
}

/* A configuration that cannot be makes way for a plain one. */
static void open_queue(struct volume *volume)
{
	struct mpio_queue_config config = {0};
	int error;

	choose_queue(&config);
	if (mpio_queue_size(&volume->gate, &config) == 0)
		config = (struct mpio_queue_config){.bios = 4,
						    .segments_max = 16,
						    .pages_max = 32,
						    .walk_pages = 8,
						    .bounce_bytes = 16384};
	config.allocator = &sim_allocator;
	config.group = volume->index != 0 ? world.volumes[0].queue : NULL;
	do
		error = mpio_queue_open(&volume->gate, &config, &volume->queue);
	while (error == -MPIO_ENOMEM);
	CHECK(error == 0);
	volume->isolates = !(config.flags & MPIO_QUEUE_NO_ISOLATION) &&
			   volume->gate.limits.memory_alignment <= world.block;
}

static void open_world(void)
{
	choose_geometry();
	for (uint32_t i = 0; i < world.volume_count; i++) {
		struct volume *volume = &world.volumes[i];

		volume->size = VOLUME_BYTES;
		volume->blocks = MAPS_BYTES / world.block;
		volume->used_max = volume->blocks - 1;
		volume_open(volume, i);
		open_queue(volume);
	}
	raw_begin();
	pages_begin();
	files_begin();
	/* There is room for what is there, and for little else. */
	for (uint32_t i = 0; has_kind(KIND_FULL) && i < world.volume_count; i++)
		world.volumes[i].used_max =
			world.volumes[i].used_count + below(12);
}

/* ---- The queue ---------------------------------------------------------- */

/* The disks lose nothing but what is in flight. */
static void power_cycle(void)
{
	bool stays_off = volume_is_off();

	totals.power_cycles++;
	for (uint32_t i = 0; i < world.volume_count; i++)
		mpio_sim_power_off(world.volumes[i].sim);
	CHECK(mpio_queue_drain(world.volumes[0].queue) == 0);
	for (uint32_t i = 0; !stays_off && i < world.volume_count; i++)
		CHECK(mpio_sim_cut(world.volumes[i].sim, MPIO_SIM_DRAWN, 0) ==
		      0);
}

void world_settle(void)
{
	for (int tries = 0; tries < 100; tries++) {
		int error = mpio_queue_drain(world.volumes[0].queue);
		uint32_t n = 0;

		if (error == 0)
			return;
		CHECK(error == -MPIO_EDEADLK || error == -MPIO_ETIMEDOUT);
		for (uint32_t i = 0; i < world.volume_count; i++)
			n += mpio_sim_release(world.volumes[i].sim, 0);
		if (n == 0)
			break;
	}
	power_cycle();
}

bool world_unstick(int error)
{
	if (error >= 0 || !world.is_stuck)
		return false;
	world_settle();
	world.is_stuck = false;
	world.faults++; /* what had failed may be seen only now */
	return true;
}

int world_flush(void)
{
	int error = 0;

	for (uint32_t i = 0; i < world.volume_count && error == 0; i++)
		error = mpio_queue_flush(world.volumes[i].queue);
	return error;
}

static void flush(void)
{
	int error = world_flush();

	sim_say("flush: %d", error);
	if (error == 0)
		raw_flushed();
	else
		sim_allow(error);
	world_unstick(error);
}

static void unplug(void)
{
	for (; world.plugs > 0; world.plugs--)
		mpio_queue_unplug(world.volumes[0].queue);
}

static void use_queue(void)
{
	struct mpio_queue *queue =
		world.volumes[below(world.volume_count)].queue;
	int result = 0;

	switch (below(8)) {
	case 0:
	case 1:
		result = mpio_queue_poll(queue);
		break;
	case 2:
		result = mpio_queue_wait(queue);
		break;
	case 3:
		result = mpio_queue_drain(queue);
		break;
	case 4:
		flush();
		return;
	case 5:
	case 6:
		if (world.plugs < 2) {
			world.plugs++;
			mpio_queue_plug(world.volumes[0].queue);
		}
		return;
	default:
		unplug();
	}
	sim_say("queue: %d", result);
	if (result < 0)
		sim_allow(result);
	world_unstick(result);
}

/* ---- Endings ------------------------------------------------------------ */

static void cut(struct mpio_sim *sim)
{
	uint64_t states = mpio_sim_cut_states(sim, MPIO_SIM_TEAR_ALL);
	enum mpio_sim_cut_kind kind = MPIO_SIM_DRAWN;
	uint64_t index = chance(40) ? 1 : below(100);

	if (states != 0 && chance(40)) {
		kind = MPIO_SIM_TEAR_ALL;
		index = (sim_random() >> 1) % states;
	}
	CHECK(mpio_sim_cut(sim, kind, index) == 0);
}

/* What was promised is there, whatever else is. */
static void end_by_cut(void)
{
	totals.cuts++;
	sim_say("the power fails");
	world.calm = true;
	for (uint32_t i = 0; i < world.volume_count; i++)
		mpio_sim_power_off(world.volumes[i].sim);
	unplug();
	world_settle();
	for (uint32_t i = 0; i < world.volume_count; i++)
		cut(world.volumes[i].sim);
	raw_check_durable();
	pages_check_durable();
	files_check_durable();
	files_end(true);
}

/* Nothing fails any more: what could not be written is still there. */
static void end_well(void)
{
	sim_say("all is well from now on");
	world.calm = true;
	for (uint32_t i = 0; i < world.volume_count; i++) {
		volume_calm(&world.volumes[i]);
		world.volumes[i].used_max = world.volumes[i].blocks - 1;
	}
	unplug();
	world_settle();
	raw_end();
	pages_calm();
	files_calm();
	files_end(false);
	if (chance(70))
		return;
	CHECK(world_flush() == 0);
	for (uint32_t i = 0; i < world.volume_count; i++)
		cut(world.volumes[i].sim);
	pages_check_durable();
	files_check_durable();
}

static void close_world(void)
{
	for (uint32_t i = 0; i < world.volume_count; i++) {
		CHECK(mpio_queue_stats(world.volumes[i].queue)->in_flight == 0);
		volume_check_unused(&world.volumes[i]);
	}
	pages_end();
	if (world.volume_count == 1 && world.volumes[0].filter_count == 0 &&
	    (world.kinds & 1u << KIND_NEVER) != 0) {
		raw_lose_one();
		raw_close_too_early();
	}
	for (uint32_t i = world.volume_count; i-- > 0;)
		mpio_queue_close(world.volumes[i].queue);
	raw_check_lost();
	for (uint32_t i = 0; i < world.volume_count; i++)
		volume_close(&world.volumes[i]);
	memory_end();
}

/* ---- All of it ---------------------------------------------------------- */

static void use(void)
{
	uint32_t what = below(20);

	world.now++;
	world.before = world.faults;
	sim_note(what);
	if (what < 2)
		use_queue();
	else if (what < 4)
		raw_use();
	else if (what < 10)
		pages_use();
	else
		files_use();
	sim_note(world.faults);
}

void world_run(uint64_t seed, bool trace)
{
	uint32_t operations;

	memset(&world, 0, sizeof(world));
	world.seed = seed;
	world.random = seed * UINT64_C(0xd1342543de82ef95) + 1;
	world.hash = seed;
	world.trace = trace;
	memory_begin();
	open_world();
	operations = 30 + below(71);
	while (world.now < operations && !volume_is_off())
		use();
	totals.operations += world.now;
	if (volume_is_off() || chance(45))
		end_by_cut();
	else
		end_well();
	close_world();
	sim_note(world.random);
}

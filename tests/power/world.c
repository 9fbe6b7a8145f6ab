/* SPDX-License-Identifier: MIT */
/*
 * Worlds: their disks, filters and queue, and what all scenarios do in them.
 */
#include "world.h"

#include <mpio/filters.h>
#include <mpio/open.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Random numbers ----------------------------------------------------- */

static uint64_t next_random(struct world *world)
{
	uint64_t x = world->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint32_t draw(struct world *world, uint32_t limit)
{
	return (uint32_t)((next_random(world) >> 32) * limit >> 32);
}

uint32_t draw_flag(struct world *world, uint32_t mask)
{
	uint32_t count = 0;
	uint32_t n;

	for (uint32_t rest = mask; rest != 0; rest &= rest - 1)
		count++;
	if (count == 0)
		return 0;
	for (n = draw(world, count); n != 0; n--)
		mask &= mask - 1;
	return mask & (~mask + 1);
}

void draw_bytes(struct world *world, unsigned char *to, size_t length)
{
	while (length != 0) {
		uint64_t word = next_random(world);
		size_t n = length < sizeof(word) ? length : sizeof(word);

		memcpy(to, &word, n);
		to += n;
		length -= n;
	}
}

/* ---- Disks -------------------------------------------------------------- */

static void count(void *ctx, const struct mpio_sim_entry *entry)
{
	struct world *world = ctx;

	if (entry->what != MPIO_SIM_SUBMIT)
		return;
	world->writes +=
		entry->op == MPIO_BIO_WRITE || entry->op == MPIO_BIO_DISCARD;
	world->flushes += entry->op == MPIO_BIO_FLUSH;
}

static void parse(struct mpio_faults *faults, const char *rules)
{
	struct mpio_fault_error error = {0};

	if (rules != NULL && mpio_faults_parse(faults, rules, &error) != 0)
		fail_msg("%s: at %zu: %s", rules, error.at, error.why);
}

static void open_disk(struct world *world, uint64_t offset, uint64_t size,
		      const unsigned char *bytes)
{
	const struct scenario *as = &world->as;
	struct disk *disk = &world->disks[world->disk_count++];
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_sim_config config = {
		.size = size,
		.seed = world->seed,
		.limits = {.logical_block_size = as->sector,
			   .memory_alignment = as->alignment},
		.flags = as->sim_flags,
		.cache_bytes = as->cache_bytes,
		.journal = 16,
		.hook = count,
		.hook_ctx = world,
		.allocator = &allocator,
	};

	if (as->stack != STACK_FAULT)
		parse(&config.faults, as->rules);
	disk->own_rules = config.faults.count;
	disk->offset = offset;
	assert_int_equal(mpio_sim_open(&config, &disk->sim), 0);
	assert_int_equal(
		mpio_sim_poke(disk->sim, 0, bytes + offset, (size_t)size), 0);
}

static void open_disks(struct world *world)
{
	unsigned char *bytes = malloc((size_t)world->size);
	enum stack stack = world->as.stack;
	uint64_t half = world->size / 2;

	assert_non_null(bytes);
	draw_bytes(world, bytes, (size_t)world->size);
	oracle_open(&world->oracle, bytes, (size_t)world->size);
	if (stack == STACK_LINEAR || stack == STACK_DELAY_LINEAR) {
		open_disk(world, 0, half, bytes);
		open_disk(world, half, half, bytes);
	} else {
		open_disk(world, 0, world->size, bytes);
		if (stack == STACK_VERIFY)
			open_disk(world, 0, world->size, bytes);
	}
	free(bytes);
}

static void set_cut(struct world *world, const struct cut *cut)
{
	char rule[64];

	if (cut->kind == CUT_NONE)
		return;
	snprintf(rule, sizeof(rule), "%s:nth=%" PRIu32 ":cut",
		 cut->kind == CUT_SUBMIT ? "submit" : "complete", cut->n);
	assert_int_equal(
		mpio_sim_add_rules(world->disks[cut->disk].sim, rule, NULL), 0);
}

bool world_was_cut(struct world *world, const struct cut *cut)
{
	const struct disk *disk = &world->disks[cut->disk];
	struct mpio_fault_rule rule;

	if (cut->kind == CUT_NONE)
		return true;
	assert_int_equal(mpio_sim_rule(disk->sim, disk->own_rules, &rule), 0);
	return rule.fired != 0;
}

/* ---- Filters ------------------------------------------------------------ */

static struct mpio_device *open_linear(struct world *world,
				       const struct mpio_filter_config *config)
{
	struct mpio_filter_part parts[DISKS] = {{0}};
	struct mpio_device *device;

	for (uint32_t i = 0; i < DISKS; i++)
		parts[i].device = mpio_sim_device(world->disks[i].sim);
	assert_int_equal(mpio_filter_linear(parts, DISKS, config, &device), 0);
	return device;
}

static struct mpio_device *add_filter(struct world *world, enum stack stack,
				      struct mpio_device *lower)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_filter_config config = {.allocator = &allocator,
					    .seed = world->seed};
	struct mpio_faults faults = {0};
	struct mpio_device *device = lower;
	int error = 0;

	switch (stack) {
	case STACK_LINEAR:
		device = open_linear(world, &config);
		break;
	case STACK_VERIFY:
		error = mpio_filter_verify(lower,
					   mpio_sim_device(world->disks[1].sim),
					   &config, &device);
		break;
	case STACK_FAULT:
		parse(&faults, world->as.rules);
		error = mpio_filter_fault(lower, &config, &faults, &device);
		break;
	default:
		error = mpio_filter_delay(lower, &config, 20000, 200000,
					  &device);
	}
	assert_int_equal(error, 0);
	world->filters[world->filter_count++] = device;
	return device;
}

static struct mpio_device *open_stack(struct world *world)
{
	struct mpio_device *device = mpio_sim_device(world->disks[0].sim);

	switch (world->as.stack) {
	case STACK_NONE:
		return device;
	case STACK_DELAY_LINEAR:
		device = add_filter(world, STACK_LINEAR, device);
		return add_filter(world, STACK_DELAY, device);
	default:
		return add_filter(world, world->as.stack, device);
	}
}

/* ---- Worlds ------------------------------------------------------------- */

static uint32_t or_default(uint32_t value, uint32_t usual)
{
	return value != 0 ? value : usual;
}

static void set_defaults(struct world *world)
{
	struct scenario *as = &world->as;

	*as = *world->scenario;
	as->steps = or_default(as->steps, 120);
	as->sector = or_default(as->sector, 512);
	as->block = or_default(as->block, 1024);
	as->page = or_default(as->page, 4096);
	as->blocks = or_default(as->blocks, (48u << 10) / as->block);
	as->files = or_default(as->files, 1);
	as->frames = or_default(as->frames, 64);
	as->sync_every = or_default(as->sync_every, 8);
	world->room = UINT32_MAX;
}

static void open_queue(struct world *world)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {
		.bios = 8,
		.segments_max = 32,
		.pages_max = 32,
		.bytes_max = 16u << 10,
		.walk_pages = 16,
		.bounce_bytes = 16u << 10,
		.allocator = &allocator,
	};

	assert_int_equal(
		mpio_queue_open(open_stack(world), &config, &world->queue), 0);
}

void world_open(struct world *world, const struct scenario *scenario,
		uint64_t seed, const struct cut *cut)
{
	memset(world, 0, sizeof(*world));
	world->scenario = scenario;
	world->seed = seed;
	world->random = seed;
	set_defaults(world);
	/* A quarter of the disk is nobody's. */
	world->size = (uint64_t)world->as.files * world->as.blocks *
		      world->as.block / 3 * 4;
	open_disks(world);
	for (uint32_t i = 0; i < world->as.files; i++)
		file_init(world, &world->files[i]);
	open_queue(world);
	set_cut(world, cut);
}

void world_stop(struct world *world)
{
	(void)mpio_queue_drain(world->queue);
	mpio_queue_close(world->queue);
	while (world->filter_count != 0) {
		struct mpio_device *filter =
			world->filters[--world->filter_count];

		filter->ops.close(filter);
	}
	for (uint32_t i = 0; i < world->disk_count; i++)
		mpio_sim_power_off(world->disks[i].sim);
}

void world_close(struct world *world)
{
	for (uint32_t i = 0; i < world->disk_count; i++)
		mpio_sim_close(world->disks[i].sim);
	oracle_close(&world->oracle);
}

/* ---- What scenarios do -------------------------------------------------- */

bool is_due(struct world *world)
{
	uint32_t every = world->as.sync_every;

	if (++world->steps < every && draw(world, 2 * every) != 0)
		return false;
	world->steps = 0;
	return true;
}

/* When one disk has no power, none has. */
bool has_power(struct world *world)
{
	for (uint32_t i = 0; i < world->disk_count && !world->off; i++)
		world->off = mpio_sim_is_off(world->disks[i].sim);
	for (uint32_t i = 0; i < world->disk_count && world->off; i++)
		mpio_sim_power_off(world->disks[i].sim);
	return !world->off;
}

void trouble(struct world *world, const char *format, ...)
{
	va_list arguments;

	if (world->trouble[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(world->trouble, sizeof(world->trouble), format, arguments);
	va_end(arguments);
}

bool succeeded(struct world *world, int64_t result, const char *what)
{
	if (result >= 0)
		return true;
	if (has_power(world)) {
		world->told++;
		if (world->as.rules == NULL && (world->as.does & DO_ROOM) == 0)
			trouble(world, "%s: error %" PRId64, what, result);
	}
	return false;
}

void note_failed_flush(struct world *world)
{
	if (world->as.lie != LIE_AGAIN && world->as.lie != LIE_TOLD)
		oracle_doubt(&world->oracle);
}

int flush_device(struct world *world)
{
	int error;

	if (world->as.lie == LIE_NO_FLUSH)
		return 0;
	error = mpio_queue_flush(world->queue);
	if (error != 0)
		note_failed_flush(world);
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * A volume: a simulated disk, filters over it, and a gate, where each bio is
 * looked at before it goes there.
 */
#include "sim.h"

#include <string.h>

/* ---- What is seen of a disk --------------------------------------------- */

/* What was asked for earlier may go wrong only now; or nothing was moved. */
static bool is_bad(const struct mpio_sim_entry *entry)
{
	bool moves = entry->op == MPIO_BIO_READ || entry->op == MPIO_BIO_WRITE;

	if (fault_is_passing(entry->status) && !world.is_stuck)
		return false;
	if (entry->what == MPIO_SIM_END)
		return entry->status != 0 || (moves && entry->length == 0);
	return entry->what == MPIO_SIM_OFF || entry->what == MPIO_SIM_REFUSE;
}

static void note_entry(const struct mpio_sim_entry *entry)
{
	char text[160];

	sim_note(entry->time);
	sim_note(entry->id << 32 | entry->length);
	sim_note(entry->offset << 16 | (uint64_t)entry->op << 8 | entry->what);
	sim_note((uint64_t)(uint32_t)entry->status << 32 | entry->actions);
	world.faults += is_bad(entry);
	if (world.trace) {
		mpio_sim_entry_print(entry, text, sizeof(text));
		sim_print("    %s", text);
	}
}

static void disk_hook(void *ctx, const struct mpio_sim_entry *entry)
{
	struct volume *volume = ctx;

	note_entry(entry);
	if (entry->what == MPIO_SIM_FAULT)
		fault_note_rules(volume, entry->rules);
	if (entry->what == MPIO_SIM_SUBMIT)
		totals.ios++;
	if (entry->what != MPIO_SIM_END)
		return;
	totals.reordered += entry->id < volume->last_ended;
	if (entry->id > volume->last_ended)
		volume->last_ended = entry->id;
}

static void filter_hook(void *ctx, const struct mpio_sim_entry *entry)
{
	(void)ctx;
	note_entry(entry);
}

/* ---- The gate ----------------------------------------------------------- */

static struct volume *volume_of(struct mpio_device *gate)
{
	return (struct volume *)((char *)gate - offsetof(struct volume, gate));
}

/* Blocks that no file has are not written, unless as parts of sectors. */
static void check_target(const struct volume *volume,
			 const struct mpio_bio *bio)
{
	uint64_t end = (uint64_t)volume->blocks * world.block;
	uint64_t i = bio->offset / world.block;

	if ((bio->op != MPIO_BIO_WRITE && bio->op != MPIO_BIO_DISCARD) ||
	    world.is_odd)
		return;
	for (; i * world.block < bio->offset + bio->length; i++)
		CHECK(i * world.block >= end || volume->used[i]);
}

static int gate_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	struct volume *volume = volume_of(device);
	int error;

	promises_check(device, bio);
	check_target(volume, bio);
	raw_seen(bio);
	if (bio->op == MPIO_BIO_READ)
		volume->seen[volume->seen_count++ % 8] =
			bio->offset + bio->length;
	error = volume->top->ops.submit(volume->top, channel, bio);
	/* There may be no place for it. */
	world.faults +=
		error != 0 && (world.is_stuck || !fault_is_passing(error));
	return error;
}

static int gate_reap(struct mpio_device *device, void *channel, int wait)
{
	struct volume *volume = volume_of(device);

	return volume->top->ops.reap(volume->top, channel, wait);
}

static int gate_commit(struct mpio_device *device, void *channel)
{
	struct volume *volume = volume_of(device);

	return volume->top->ops.commit(volume->top, channel);
}

static void gate_cancel(struct mpio_device *device, void *channel,
			struct mpio_bio *bio)
{
	struct volume *volume = volume_of(device);

	volume->top->ops.cancel(volume->top, channel, bio);
}

static int gate_channel_open(struct mpio_device *device, uint32_t depth,
			     void **channel)
{
	struct volume *volume = volume_of(device);

	return volume->top->ops.channel_open(volume->top, depth, channel);
}

static void gate_channel_close(struct mpio_device *device, void *channel)
{
	struct volume *volume = volume_of(device);

	volume->top->ops.channel_close(volume->top, channel);
}

static void make_gate(struct volume *volume)
{
	const struct mpio_device_ops *ops = &volume->top->ops;

	volume->gate = (struct mpio_device){
		.ops = {.submit = gate_submit,
			.reap = ops->reap != NULL ? gate_reap : NULL,
			.commit = ops->commit != NULL ? gate_commit : NULL,
			.cancel = ops->cancel != NULL ? gate_cancel : NULL,
			.channel_open = gate_channel_open,
			.channel_close = gate_channel_close},
		.limits = volume->top->limits,
		.size = volume->top->size,
	};
}

/* ---- Opening ------------------------------------------------------------ */

static void choose_limits(struct mpio_limits *limits)
{
	static const uint32_t alignments[] = {1, 2, 16, 512, 1024, 4096};

	*limits = (struct mpio_limits){.logical_block_size = world.sector};
	if (chance(40))
		limits->memory_alignment = alignments[below(6)];
	if (chance(40))
		limits->segments_max = 1 + below(8);
	if (chance(40))
		limits->bytes_max = world.sector * (1 + below(16));
	if (chance(20))
		limits->atomic_unit = world.sector << below(3);
	if (limits->bytes_max != 0)
		limits->bytes_max += limits->memory_alignment;
	if (limits->bytes_max != 0 && limits->atomic_unit > limits->bytes_max)
		limits->atomic_unit = 0;
	if (chance(40))
		limits->gap_bytes = world.sector * (1 + below(8));
}

static void open_disk(struct volume *volume)
{
	struct mpio_sim_config config = {
		.size = volume->from + volume->size +
			(chance(40) ? 512 * below(6) + 511 : below(3000)),
		.seed = sim_random(),
		.flags = chance(20) ? below(8) : 0,
		.latency = 1 + below(100000),
		.jitter = chance(50) ? 1 + below(200000) : 1,
		.per_kib = 1 + below(2000),
		.cache_bytes = chance(20) ? 1 + below(20000) : 0,
		.journal = 1,
		.hook = disk_hook,
		.hook_ctx = volume,
		.allocator = &sim_allocator,
	};
	int error;

	choose_limits(&config.limits);
	faults_make_rules(volume);
	config.faults = volume->rules;
	do
		error = mpio_sim_open(&config, &volume->sim);
	while (error == -MPIO_ENOMEM);
	CHECK(error == 0);
	volume->top = mpio_sim_device(volume->sim);
}

static int make_filter(struct volume *volume, struct mpio_device **device,
		       const struct mpio_filter_config *config, uint32_t what)
{
	struct mpio_filter_part part = {volume->top, volume->from, 0};
	struct mpio_faults faults = {0};
	uint32_t delay = below(50000);

	switch (what) {
	case 0:
		return mpio_filter_trace(volume->top, config, device);
	case 1:
		return mpio_filter_delay(volume->top, config, delay,
					 below(50000), device);
	case 2:
		return mpio_filter_linear(&part, 1, config, device);
	default:
		faults_make_filter(&faults);
		return mpio_filter_fault(volume->top, config, &faults, device);
	}
}

static void add_filter(struct volume *volume, uint32_t what)
{
	struct mpio_filter_config config = {
		.allocator = &sim_allocator,
		.hook = filter_hook,
		.seed = sim_random(),
	};
	struct mpio_device *device = NULL;
	int error;

	do
		error = make_filter(volume, &device, &config, what);
	while (error == -MPIO_ENOMEM);
	CHECK(error == 0);
	volume->filters[volume->filter_count++] = device;
	volume->top = device;
}

/* Bytes that nobody has written. */
static void fill(struct volume *volume)
{
	bool calm = world.calm;

	volume->first =
		sim_noise + 8 * below((NOISE_BYTES - VOLUME_BYTES - 4096) / 8);
	world.calm = true;
	CHECK(mpio_sim_poke(volume->sim, volume->from, volume->first,
			    (size_t)(mpio_sim_device(volume->sim)->size -
				     volume->from)) == 0);
	world.calm = calm;
}

void volume_open(struct volume *volume, uint32_t index)
{
	bool is_part = chance(20);

	volume->index = index;
	volume->from = is_part ? (uint64_t)world.sector * below(20) : 0;
	open_disk(volume);
	fill(volume);
	if (is_part)
		add_filter(volume, 2);
	if (chance(20))
		add_filter(volume, below(2));
	if (volume->filter_count < FILTERS && chance(10))
		add_filter(volume, 3);
	make_gate(volume);
}

void volume_close(struct volume *volume)
{
	while (volume->filter_count > 0) {
		struct mpio_device *device =
			volume->filters[--volume->filter_count];

		device->ops.close(device);
	}
	mpio_sim_close(volume->sim);
}

void volume_calm(struct volume *volume)
{
	mpio_sim_clear_rules(volume->sim);
	mpio_sim_release(volume->sim, 0);
}

/* ---- Blocks ------------------------------------------------------------- */

uint32_t volume_allocate(struct volume *volume, uint32_t near)
{
	uint32_t block = near + 1;

	if (volume->used_count >= volume->used_max)
		return 0;
	if (near == 0 || chance(25))
		block = below(volume->blocks);
	while (block == 0 || block >= volume->blocks || volume->used[block])
		block = block >= volume->blocks ? 1 : block + 1;
	volume->used[block] = true;
	volume->ever[block] = true;
	volume->used_count++;
	return block;
}

void volume_free(struct volume *volume, uint32_t block)
{
	CHECK(volume->used[block]);
	volume->used[block] = false;
	volume->used_count--;
}

/* ---- What is there ------------------------------------------------------ */

void volume_peek(const struct volume *volume, uint64_t offset, void *to,
		 size_t length)
{
	CHECK(mpio_sim_peek(volume->sim, volume->from + offset, to, length) ==
	      0);
}

bool volume_has_seen(const struct volume *volume, uint64_t end)
{
	for (uint32_t i = 0; i < 8; i++) {
		if (volume->seen[i] == end)
			return true;
	}
	return false;
}

uint32_t volume_length(const struct volume *volume, uint32_t block)
{
	uint64_t left = volume->gate.size - (uint64_t)block * world.block;

	return left < world.block ? (uint32_t)left : world.block;
}

/* What no file ever had is what it was. */
void volume_check_unused(struct volume *volume)
{
	static unsigned char now[VOLUME_BYTES];
	uint32_t i = 0;

	volume_peek(volume, 0, now, (size_t)volume->blocks * world.block);
	for (; i < volume->blocks; i++) {
		size_t at = (size_t)i * world.block;

		CHECK(volume->ever[i] ||
		      memcmp(now + at, volume->first + at, world.block) == 0);
	}
}

bool volume_is_off(void)
{
	bool off = false;

	for (uint32_t i = 0; i < world.volume_count; i++)
		off |= mpio_sim_is_off(world.volumes[i].sim);
	return off;
}

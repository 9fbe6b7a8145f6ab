/* SPDX-License-Identifier: MIT */
/*
 * What happened on a simulated disk: two rings of entries, one of everything
 * and one of faults, and the same as text.
 */
#include "put.h"
#include "sim_private.h"

#include <mpio/error.h>

/* ---- Writing it down ---------------------------------------------------- */
static void keep(struct sim_ring *ring, const struct mpio_sim_entry *entry)
{
	ring->entries[mpio__rest(ring->count++, ring->room)] = *entry;
}

static void note(struct mpio_sim *sim, struct mpio_sim_entry *entry)
{
	entry->number = sim->journal.count;
	entry->time = sim->now;
	keep(&sim->journal, entry);
	if (entry->what == MPIO_SIM_FAULT)
		keep(&sim->logged, entry);
	if (sim->config.hook != NULL)
		sim->config.hook(sim->config.hook_ctx, entry);
}

void mpio__sim_log(struct mpio_sim *sim, enum mpio_sim_what what,
		   const struct sim_request *request)
{
	const struct mpio_bio *bio = request->bio;
	struct mpio_sim_entry entry = {
		.id = request->id,
		.offset = bio->op == MPIO_BIO_FLUSH ? 0 : bio->offset,
		.length = bio->op == MPIO_BIO_FLUSH ? 0 : bio->length,
		.flags = bio->flags,
		.op = bio->op,
		.what = (uint8_t)what,
	};

	if (what == MPIO_SIM_FAULT) {
		entry.rules = request->verdict.rules;
		entry.actions = request->verdict.actions;
	}
	if (what == MPIO_SIM_REFUSE || what == MPIO_SIM_DO ||
	    what == MPIO_SIM_END)
		entry.status = request->status;
	if (what == MPIO_SIM_END && bio->op != MPIO_BIO_FLUSH)
		entry.length = request->status == 0 ? request->moved : 0;
	note(sim, &entry);
}

void mpio__sim_log_write(struct mpio_sim *sim, enum mpio_sim_what what,
			 const struct sim_write *write)
{
	struct mpio_sim_entry entry = {
		.id = write->id,
		.offset = write->offset,
		.length = write->length,
		.op = write->zeros ? MPIO_BIO_DISCARD : MPIO_BIO_WRITE,
		.what = (uint8_t)what,
	};

	note(sim, &entry);
}

void mpio__sim_log_off(struct mpio_sim *sim)
{
	struct mpio_sim_entry entry = {.what = MPIO_SIM_OFF};

	note(sim, &entry);
}

/* ---- Looking at it ------------------------------------------------------ */
static uint64_t count(struct mpio_sim *sim, const struct sim_ring *ring)
{
	uint64_t n;

	mpio__sim_lock(sim);
	n = ring->count;
	mpio__sim_unlock(sim);
	return n;
}

static int look(struct mpio_sim *sim, const struct sim_ring *ring,
		uint64_t index, struct mpio_sim_entry *entry)
{
	int error = 0;

	mpio__sim_lock(sim);
	if (index >= ring->count)
		error = -MPIO_ENOENT;
	else if (ring->count - index > ring->room)
		error = -MPIO_ENODATA;
	else
		*entry = ring->entries[mpio__rest(index, ring->room)];
	mpio__sim_unlock(sim);
	return error;
}

uint64_t mpio_sim_journal_count(struct mpio_sim *sim)
{
	return count(sim, &sim->journal);
}

uint64_t mpio_sim_fault_count(struct mpio_sim *sim)
{
	return count(sim, &sim->logged);
}

int mpio_sim_journal(struct mpio_sim *sim, uint64_t index,
		     struct mpio_sim_entry *entry)
{
	return look(sim, &sim->journal, index, entry);
}

int mpio_sim_fault(struct mpio_sim *sim, uint64_t index,
		   struct mpio_sim_entry *entry)
{
	return look(sim, &sim->logged, index, entry);
}

/* ---- As text ------------------------------------------------------------ */
static const char what_names[][12] = {"submit", "refuse",   "do",     "end",
				      "fault",  "release",  "cancel", "durable",
				      "lost",   "power off"};
static const char op_names[][8] = {"read", "write", "flush", "discard"};

static void put_io(struct mpio__put *put, const struct mpio_sim_entry *entry)
{
	mpio__put_text(put, "#");
	mpio__put_number(put, entry->id);
	mpio__put_text(put, " ");
	mpio__put_text(put, op_names[entry->op & 3]);
	if (entry->op != MPIO_BIO_FLUSH) {
		mpio__put_text(put, " ");
		mpio__put_number(put, entry->offset);
		mpio__put_text(put, "+");
		mpio__put_number(put, entry->length);
	}
	if ((entry->flags & MPIO_BIO_FUA) != 0)
		mpio__put_text(put, " fua");
	if ((entry->flags & MPIO_BIO_PREFLUSH) != 0)
		mpio__put_text(put, " preflush");
	mpio__put_text(put, " ");
}

static void put_rules(struct mpio__put *put, uint32_t rules)
{
	mpio__put_text(put, ", by rule");
	for (uint32_t i = 0; i < MPIO_FAULT_RULES_MAX; i++) {
		if ((rules >> i & 1) != 0) {
			mpio__put_text(put, " ");
			mpio__put_number(put, i);
		}
	}
}

size_t mpio_sim_entry_print(const struct mpio_sim_entry *entry, char *text,
			    size_t size)
{
	struct mpio__put put = {.at = text, .size = size};

	mpio__put_number(&put, entry->number);
	mpio__put_text(&put, " at ");
	mpio__put_number(&put, entry->time);
	mpio__put_text(&put, ": ");
	if (entry->id != 0)
		put_io(&put, entry);
	mpio__put_text(&put, entry->what <= MPIO_SIM_OFF
				     ? what_names[entry->what]
				     : "?");
	if (entry->what == MPIO_SIM_FAULT) {
		mpio__put_actions(&put, entry->actions);
		put_rules(&put, entry->rules);
	}
	if (entry->status < 0) {
		mpio__put_text(&put, " -");
		mpio__put_number(&put, (uint64_t) - (int64_t)entry->status);
	}
	return put.length;
}

/* A number of a configuration, if it is not what it is by itself. */
static void put_option(struct mpio__put *put, const char *name, uint64_t number,
		       uint64_t usual)
{
	if (number == usual)
		return;
	mpio__put_text(put, "&");
	mpio__put_text(put, name);
	mpio__put_text(put, "=");
	mpio__put_number(put, number);
}

static void put_replay(struct mpio__put *put, struct mpio_sim *sim)
{
	const struct mpio_sim_config *config = &sim->config;
	const struct mpio_limits *limits = &config->limits;
	uint32_t flags = config->flags;

	mpio__sim_lock(sim);
	mpio__put_text(put, "sim:");
	mpio__put_number(put, config->size);
	mpio__put_text(put, "?seed=");
	mpio__put_number(put, config->seed);
	put_option(put, "latency", config->latency, 50000);
	put_option(put, "jitter", config->jitter, 50000);
	put_option(put, "per_kib", config->per_kib, 500);
	put_option(put, "poll", config->poll, 1000);
	put_option(put, "cache_bytes", config->cache_bytes, 16u << 20);
	put_option(put, "cache", (flags & MPIO_SIM_NO_CACHE) == 0, 1);
	put_option(put, "fua", (flags & MPIO_SIM_NO_FUA) == 0, 1);
	put_option(put, "discard", (flags & MPIO_SIM_NO_DISCARD) == 0, 1);
	put_option(put, "block", limits->logical_block_size, 0);
	put_option(put, "align", limits->memory_alignment, 0);
	put_option(put, "atomic", limits->atomic_unit, 0);
	put_option(put, "segments", limits->segments_max, 0);
	put_option(put, "bytes", limits->bytes_max, 0);
	put_option(put, "gap", limits->gap_bytes, 0);
	put_option(put, "readonly",
		   (limits->features & MPIO_DEVICE_READONLY) != 0, 0);
	put_option(put, "state", config->faults.state, 1);
	if (sim->faults.count != 0) {
		bool room;

		mpio__put_text(put, "&rules=");
		room = put->length < put->size;
		put->length += mpio_faults_print(
			&sim->faults, room ? put->at + put->length : NULL,
			room ? put->size - put->length : 0);
	}
	mpio__sim_unlock(sim);
}

size_t mpio_sim_replay(struct mpio_sim *sim, char *text, size_t size)
{
	struct mpio__put put = {.at = text, .size = size};

	put_replay(&put, sim);
	return put.length;
}

int mpio__sim_describe(struct mpio_device *device, char *text, size_t size)
{
	struct mpio__put put = {.at = text, .size = size};

	mpio__put_text(&put, "backend: sim\nreplay: ");
	put_replay(&put, (struct mpio_sim *)device);
	mpio__put_text(&put, "\n");
	return (int)put.length;
}

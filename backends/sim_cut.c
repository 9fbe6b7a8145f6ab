/* SPDX-License-Identifier: MIT */
/*
 * Power cuts and snapshots. What a cut leaves is the medium, and over it, in
 * their order, some of the writes that were not durable, each in whole or torn.
 * A state is told by how many pieces of each write are there, and a number
 * names a state.
 *
 * A write behind a flush is never there without what that covers: where some of
 * it is, all of that is. Or the flush was not done; then nothing of the write
 * is there, and of the rest anything.
 */
#include "put.h"
#include "sim_private.h"

#include <mpio/error.h>

struct mpio_sim_snapshot {
	struct mpio_allocator allocator;
	struct mpio_sim_lock lock;
	struct sim_lock_end lock_end;
	uint64_t size; /* bytes */
	struct sim_image current;
	struct sim_image medium;
	struct sim_cache cache;
	bool off;
	bool incomplete;
};

/* A state: what is there of the writes that are not durable. */
struct state {
	enum mpio_sim_cut_kind kind;
	uint32_t count; /* of these writes */
	uint32_t pieces[MPIO_SIM_CUT_WRITES_MAX];
	uint64_t index; /* of what is drawn */
	uint64_t seed;
	uint32_t left_out;
	uint32_t flushed; /* so many of the list, the first, are all there */
	uint64_t order;   /* seed of the order of those that were in flight */
	uint32_t turn;    /* of those, the first to be done */
	bool backwards;
	uint32_t laid; /* of the count above, so far */
};

/* ---- Pieces ------------------------------------------------------------- */
/* What never tears, as a power of two. */
static uint32_t unit_shift(const struct mpio_sim *sim)
{
	uint32_t unit = mpio__sim_sector(sim);
	uint32_t shift = 0;

	if (sim->device.limits.atomic_unit > unit)
		unit = sim->device.limits.atomic_unit;
	while (unit >> shift > 1)
		shift++;
	return shift;
}

static uint32_t count_pieces(const struct mpio_sim *sim,
			     const struct sim_write *write)
{
	uint32_t shift = unit_shift(sim);
	uint64_t last = write->offset + write->length - 1;

	return (uint32_t)((last >> shift) - (write->offset >> shift)) + 1;
}

/* Where a piece begins in its write; the one behind the last: its end. */
static uint32_t piece_start(const struct mpio_sim *sim,
			    const struct sim_write *write, uint32_t piece)
{
	uint32_t shift = unit_shift(sim);
	uint64_t at = ((write->offset >> shift) + piece) << shift;

	if (at <= write->offset)
		return 0;
	return at - write->offset < write->length
		       ? (uint32_t)(at - write->offset)
		       : write->length;
}

/* Pieces of a write come to an image. */
static int lay(const struct mpio_sim *sim, struct sim_image *image,
	       const struct sim_write *write, uint32_t first, uint32_t count)
{
	uint32_t start = piece_start(sim, write, first);
	uint32_t end = piece_start(sim, write, first + count);
	int error;

	if (start == end)
		return 0;
	error = mpio__sim_image_reserve(&sim->allocator, image,
					write->offset + start, end - start,
					write->zeros);
	if (error == 0)
		mpio__sim_image_write(image, write->offset + start,
				      write->zeros ? NULL
						   : write->bytes + start,
				      end - start);
	return error;
}

/* ---- States ------------------------------------------------------------- */
static uint32_t count_writes(const struct mpio_sim *sim)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sim->cache.count; i++)
		count += !sim->cache.writes[i]->durable;
	return count;
}

/* Its places for a tear, or states when it is torn at will. */
static uint64_t choices(const struct mpio_sim *sim,
			const struct sim_write *write,
			enum mpio_sim_cut_kind kind)
{
	uint32_t pieces = count_pieces(sim, write);

	return kind == MPIO_SIM_TEAR_ONE ? pieces - 1 : pieces + 1ull;
}

static uint64_t count_states(const struct mpio_sim *sim,
			     enum mpio_sim_cut_kind kind)
{
	uint32_t k = count_writes(sim);
	uint64_t product = 1;
	uint64_t sum = 0;

	if (k > MPIO_SIM_CUT_WRITES_MAX)
		return 0;
	for (uint32_t i = 0; i < sim->cache.count; i++) {
		const struct sim_write *write = sim->cache.writes[i];
		uint64_t rest;
		uint64_t n;

		if (write->durable)
			continue;
		n = choices(sim, write, kind);
		sum += n;
		if (kind != MPIO_SIM_TEAR_ALL)
			continue;
		if (product > mpio__divide(UINT64_MAX >> 1, n, &rest))
			return 0;
		product *= n;
	}
	switch (kind) {
	case MPIO_SIM_WHOLE:
		return 1ull << k;
	case MPIO_SIM_TEAR_ONE:
		return (1ull << k) + (k != 0 ? sum << (k - 1) : 0);
	case MPIO_SIM_TEAR_ALL:
		return product;
	default:
		return 0;
	}
}

/* One of the writes is torn; the rest of the index says what is there else. */
static void choose_torn(const struct mpio_sim *sim, struct state *state,
			uint64_t index)
{
	uint32_t k = state->count;
	uint32_t candidate = 0;

	for (uint32_t i = 0; i < sim->cache.count; i++) {
		const struct sim_write *write = sim->cache.writes[i];
		uint64_t here;

		if (write->durable)
			continue;
		here = choices(sim, write, MPIO_SIM_TEAR_ONE) << (k - 1);
		if (index >= here) {
			index -= here;
			candidate++;
			continue;
		}
		for (uint32_t j = 0, bit = 0; j < k; j++) {
			if (j != candidate)
				state->pieces[j] =
					index >> bit++ & 1 ? UINT32_MAX : 0;
		}
		state->pieces[candidate] = (uint32_t)(index >> (k - 1)) + 1;
		return;
	}
}

/* The digits of the index are the pieces of the writes. */
static void choose_all(const struct mpio_sim *sim, struct state *state,
		       uint64_t index)
{
	uint32_t candidate = 0;

	for (uint32_t i = 0; i < sim->cache.count; i++) {
		const struct sim_write *write = sim->cache.writes[i];
		uint64_t digit;

		if (write->durable)
			continue;
		index = mpio__divide(
			index, choices(sim, write, MPIO_SIM_TEAR_ALL), &digit);
		state->pieces[candidate++] = (uint32_t)digit;
	}
}

/* What was in flight may have been done in any order: from one of them on, to
 * the front or to the back, which is any of up to three. */
static void choose_order(const struct mpio_sim *sim, struct state *state)
{
	state->order = state->seed ^ 0x6f72646572u;
	if (sim->cache.stranded < 2)
		return;
	state->turn = mpio__random_below(&state->order, sim->cache.stranded);
	state->backwards = mpio__random_below(&state->order, 2) != 0;
}

/* Whether the flush before a write in flight was done. The one that is left out
 * is at `left_at` of the list. */
static bool is_flushed(struct state *state, const struct sim_write *write,
		       uint32_t candidate, uint32_t left_at)
{
	if (state->kind != MPIO_SIM_DRAWN)
		return state->pieces[candidate] != 0;
	switch (state->index) {
	case 0:
		return true;
	case 1:
		return false;
	case 2:
		return candidate == state->count - 1;
	case 3:
		return write->after <= left_at;
	default:
		return (mpio__random(&state->order) >> 40 & 1) != 0;
	}
}

/* How much of the list is there for a flush that was done; later ones cover
 * more. */
static void choose_flushed(const struct mpio_sim *sim, struct state *state)
{
	uint32_t left_at = UINT32_MAX;
	uint32_t candidate = 0;

	for (uint32_t i = 0; i < sim->cache.count; i++) {
		const struct sim_write *write = sim->cache.writes[i];

		if (write->durable)
			continue;
		if (candidate == state->left_out)
			left_at = i;
		if (write->preflush &&
		    is_flushed(state, write, candidate, left_at))
			state->flushed = write->after;
		candidate++;
	}
}

static int choose(const struct mpio_sim *sim, struct state *state,
		  enum mpio_sim_cut_kind kind, uint64_t index)
{
	*state = (struct state){.kind = kind, .count = count_writes(sim)};
	if (kind == MPIO_SIM_DRAWN) {
		state->index = index;
		state->seed = sim->config.seed ^ index << 20;
		if (state->count != 0)
			state->left_out =
				mpio__random_below(&state->seed, state->count);
		if (index >= 4)
			choose_order(sim, state);
	} else if (index >= count_states(sim, kind)) {
		return -MPIO_EINVAL;
	} else if (kind == MPIO_SIM_TEAR_ALL) {
		choose_all(sim, state, index);
	} else if (index < 1ull << state->count) {
		for (uint32_t i = 0; i < state->count; i++)
			state->pieces[i] = index >> i & 1 ? UINT32_MAX : 0;
	} else {
		choose_torn(sim, state, index - (1ull << state->count));
	}
	choose_flushed(sim, state);
	return 0;
}

/* ---- The cut ------------------------------------------------------------ */
/* Each piece of a write is there or not, by the seed. */
static int lay_scattered(const struct mpio_sim *sim, struct state *state,
			 struct sim_image *image, const struct sim_write *write)
{
	uint32_t n = count_pieces(sim, write);
	int error = 0;

	for (uint32_t i = 0; i < n && error == 0; i++) {
		if ((mpio__random(&state->seed) >> 40 & 1) != 0)
			error = lay(sim, image, write, i, 1);
	}
	return error;
}

static int lay_drawn(const struct mpio_sim *sim, struct state *state,
		     struct sim_image *image, const struct sim_write *write,
		     uint32_t candidate)
{
	uint32_t n = count_pieces(sim, write);
	bool there = true;

	if (state->index >= 4) {
		switch (mpio__random_below(&state->seed, 4)) {
		case 0:
			return 0;
		case 1:
			break;
		case 2:
			n = mpio__random_below(&state->seed, n + 1);
			break;
		default:
			return lay_scattered(sim, state, image, write);
		}
	} else if (state->index == 1) {
		there = false;
	} else if (state->index == 2) {
		there = candidate == state->count - 1;
	} else if (state->index == 3) {
		there = candidate != state->left_out;
	}
	return there ? lay(sim, image, write, 0, n) : 0;
}

static int lay_write(const struct mpio_sim *sim, struct state *state,
		     struct sim_image *image, const struct sim_write *write,
		     bool flushed)
{
	uint32_t n = count_pieces(sim, write);
	uint32_t candidate = state->laid;

	if (write->durable)
		return lay(sim, image, write, 0, n);
	state->laid++;
	if (flushed)
		return lay(sim, image, write, 0, n);
	if (write->preflush && write->after > state->flushed)
		return 0;
	if (state->kind == MPIO_SIM_DRAWN)
		return lay_drawn(sim, state, image, write, candidate);
	if (state->pieces[candidate] < n)
		n = state->pieces[candidate];
	return lay(sim, image, write, 0, n);
}

/* Some of the writes that had been done. */
static int lay_done(const struct mpio_sim *sim, struct state *state,
		    struct sim_image *image, uint32_t from, uint32_t to)
{
	int error = 0;

	for (uint32_t i = from; i < to && error == 0; i++)
		error = lay_write(sim, state, image, sim->cache.writes[i],
				  i < state->flushed);
	return error;
}

/* The n-th to be laid of those that were in flight. */
static const struct sim_write *nth(const struct sim_cache *cache,
				   const struct state *state, uint32_t n)
{
	n += state->turn;
	if (n >= cache->stranded)
		n -= cache->stranded;
	if (state->backwards)
		n = cache->stranded - 1 - n;
	return cache->writes[cache->count - cache->stranded + n];
}

/* How many of those that had been done come before one that was in flight: all,
 * or, if it is drawn, some; those done before it came do, and the first `from`.
 */
static uint32_t place_of(struct state *state, const struct sim_write *write,
			 uint32_t from, uint32_t all)
{
	if (write->after > from)
		from = write->after;
	if (state->kind != MPIO_SIM_DRAWN || state->index < 4 || from == all)
		return all;
	return from + mpio__random_below(&state->order, all - from + 1);
}

static int lay_state(const struct mpio_sim *sim, struct state *state,
		     struct sim_image *image)
{
	const struct sim_cache *cache = &sim->cache;
	uint32_t all = cache->count - cache->stranded;
	uint32_t done = 0;
	int error = 0;

	for (uint32_t i = 0; i < cache->stranded && error == 0; i++) {
		const struct sim_write *write = nth(cache, state, i);
		uint32_t place = place_of(state, write, done, all);

		error = lay_done(sim, state, image, done, place);
		done = place;
		if (error == 0)
			error = lay_write(sim, state, image, write, false);
	}
	return error == 0 ? lay_done(sim, state, image, done, all) : error;
}

/* The disk has a new past: it holds what an image does, and nothing else. */
static int become(struct mpio_sim *sim, struct sim_image *image)
{
	struct sim_image current;
	int error = mpio__sim_image_share(&sim->allocator, image, &current);

	if (error != 0)
		return error;
	mpio__sim_image_free(&sim->allocator, &sim->medium);
	mpio__sim_image_free(&sim->allocator, &sim->current);
	mpio__sim_cache_free(&sim->allocator, &sim->cache);
	sim->medium = *image;
	sim->current = current;
	sim->off = false;
	return 0;
}

static int cut(struct mpio_sim *sim, enum mpio_sim_cut_kind kind,
	       uint64_t index)
{
	struct sim_image image;
	struct state state;
	int error;

	mpio__sim_off(sim);
	if (sim->incomplete)
		return -MPIO_ENOMEM;
	error = choose(sim, &state, kind, index);
	if (error == 0)
		error = mpio__sim_image_share(&sim->allocator, &sim->medium,
					      &image);
	if (error != 0)
		return error;
	error = lay_state(sim, &state, &image);
	if (error == 0)
		error = become(sim, &image);
	if (error != 0)
		mpio__sim_image_free(&sim->allocator, &image);
	return error;
}

int mpio_sim_cut(struct mpio_sim *sim, enum mpio_sim_cut_kind kind,
		 uint64_t index)
{
	int error;

	mpio__sim_lock(sim);
	error = cut(sim, kind, index);
	mpio__sim_unlock(sim);
	return error;
}

uint64_t mpio_sim_cut_states(struct mpio_sim *sim, enum mpio_sim_cut_kind kind)
{
	uint64_t states;

	mpio__sim_lock(sim);
	states = count_states(sim, kind);
	mpio__sim_unlock(sim);
	return states;
}

uint32_t mpio_sim_unflushed(struct mpio_sim *sim)
{
	uint32_t count;

	mpio__sim_lock(sim);
	count = count_writes(sim);
	mpio__sim_unlock(sim);
	return count;
}

/* ---- Snapshots ---------------------------------------------------------- */
static void drop(struct mpio_sim_snapshot *snapshot)
{
	struct mpio_allocator allocator = snapshot->allocator;

	mpio__sim_cache_free(&allocator, &snapshot->cache);
	mpio__sim_image_free(&allocator, &snapshot->medium);
	mpio__sim_image_free(&allocator, &snapshot->current);
	mpio__sim_free(&allocator, snapshot, sizeof(*snapshot));
}

static int fill(struct mpio_sim *sim, struct mpio_sim_snapshot *snapshot)
{
	const struct mpio_allocator *allocator = &sim->allocator;
	int error = mpio__sim_image_share(allocator, &sim->current,
					  &snapshot->current);

	if (error == 0)
		error = mpio__sim_image_share(allocator, &sim->medium,
					      &snapshot->medium);
	if (error == 0)
		error = mpio__sim_cache_share(allocator, &sim->cache,
					      &snapshot->cache);
	return error;
}

int mpio_sim_snapshot(struct mpio_sim *sim, struct mpio_sim_snapshot **snapshot)
{
	struct mpio_sim_snapshot *made;
	int error = -MPIO_ENOMEM;

	mpio__sim_lock(sim);
	made = mpio__sim_alloc(&sim->allocator, sizeof(*made));
	if (made != NULL) {
		*made = (struct mpio_sim_snapshot){
			.allocator = sim->allocator,
			.lock = sim->lock,
			.lock_end = sim->lock_end,
			.size = sim->device.size,
			.off = sim->off,
			.incomplete = sim->incomplete,
		};
		error = fill(sim, made);
		if (error != 0)
			drop(made);
		else if (sim->lock_end.users != NULL)
			++*sim->lock_end.users;
	}
	mpio__sim_unlock(sim);
	if (error == 0)
		*snapshot = made;
	return error;
}

static int restore(struct mpio_sim *sim,
		   const struct mpio_sim_snapshot *snapshot)
{
	const struct mpio_allocator *allocator = &sim->allocator;
	struct mpio_sim_snapshot copy = {.off = snapshot->off};
	int error;

	for (struct sim_channel *channel = sim->channels; channel != NULL;
	     channel = channel->next) {
		if (channel->count != 0)
			return -MPIO_EBUSY;
	}
	error = mpio__sim_image_share(allocator, &snapshot->current,
				      &copy.current);
	if (error == 0)
		error = mpio__sim_cache_share(allocator, &snapshot->cache,
					      &copy.cache);
	if (error == 0)
		error = mpio__sim_image_share(allocator, &snapshot->medium,
					      &copy.medium);
	if (error != 0) {
		mpio__sim_cache_free(allocator, &copy.cache);
		mpio__sim_image_free(allocator, &copy.current);
		return error;
	}
	mpio__sim_cache_free(allocator, &sim->cache);
	mpio__sim_image_free(allocator, &sim->current);
	mpio__sim_image_free(allocator, &sim->medium);
	sim->current = copy.current;
	sim->medium = copy.medium;
	sim->cache = copy.cache;
	sim->done += copy.cache.count;
	sim->off = snapshot->off;
	sim->incomplete = snapshot->incomplete;
	return 0;
}

int mpio_sim_restore(struct mpio_sim *sim,
		     const struct mpio_sim_snapshot *snapshot)
{
	int error;

	if (snapshot->size != sim->device.size)
		return -MPIO_EINVAL;
	mpio__sim_lock(sim);
	error = restore(sim, snapshot);
	mpio__sim_unlock(sim);
	return error;
}

void mpio_sim_forget(struct mpio_sim_snapshot *snapshot)
{
	struct mpio_sim_lock lock;
	struct sim_lock_end lock_end;

	if (snapshot == NULL)
		return;
	lock = snapshot->lock;
	lock_end = snapshot->lock_end;
	if (lock.lock != NULL)
		lock.lock(lock.ctx);
	drop(snapshot);
	mpio__sim_leave(lock, lock_end);
}

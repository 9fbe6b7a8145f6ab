/* SPDX-License-Identifier: MIT */
/*
 * The disk's cache: writes in the order in which they were done, seen by reads
 * and not durable. A flush takes the oldest ones to the medium, in their order;
 * so the medium and any part of the cache, laid over it in order, is a state
 * that a power cut may leave.
 *
 * A write that has to be durable at once stays behind older ones that are not:
 * it is marked, and laid over the medium in any state.
 */
#include "sim_private.h"

#include <mpio/error.h>

static size_t write_size(const struct sim_write *write)
{
	return sizeof(*write) + (write->zeros ? 0 : write->length);
}

struct sim_write *mpio__sim_write_new(struct mpio_sim *sim, uint64_t offset,
				      uint32_t length, bool zeros)
{
	struct sim_write *write = mpio__sim_alloc(
		&sim->allocator, sizeof(*write) + (zeros ? 0 : length));

	if (write == NULL)
		return NULL;
	write->refs = 1;
	write->length = length;
	write->offset = offset;
	write->id = 0;
	write->after = 0;
	write->zeros = zeros;
	write->durable = false;
	write->preflush = false;
	return write;
}

void mpio__sim_write_put(const struct mpio_allocator *allocator,
			 struct sim_write *write)
{
	if (write != NULL && --write->refs == 0)
		mpio__sim_free(allocator, write, write_size(write));
}

/* ---- The list ----------------------------------------------------------- */
void mpio__sim_cache_free(const struct mpio_allocator *allocator,
			  struct sim_cache *cache)
{
	for (uint32_t i = 0; i < cache->count; i++)
		mpio__sim_write_put(allocator, cache->writes[i]);
	mpio__sim_free(allocator, cache->writes,
		       cache->room * sizeof(struct sim_write *));
	*cache = (struct sim_cache){0};
}

/* Room for one more. */
static int make_room(const struct mpio_allocator *allocator,
		     struct sim_cache *cache)
{
	size_t size = cache->room * sizeof(struct sim_write *);
	uint32_t room = cache->room * 2 + 16;
	struct sim_write **writes;

	if (cache->count < cache->room)
		return 0;
	writes = allocator->resize(allocator->ctx, cache->writes, size,
				   room * sizeof(struct sim_write *));
	if (writes == NULL)
		return -MPIO_ENOMEM;
	cache->writes = writes;
	cache->room = room;
	return 0;
}

int mpio__sim_cache_share(const struct mpio_allocator *allocator,
			  const struct sim_cache *cache, struct sim_cache *copy)
{
	size_t size = cache->count * sizeof(struct sim_write *);

	*copy = (struct sim_cache){0};
	if (cache->count == 0)
		return 0;
	copy->writes = mpio__sim_alloc(allocator, size);
	if (copy->writes == NULL)
		return -MPIO_ENOMEM;
	copy->count = cache->count;
	copy->stranded = cache->stranded;
	copy->room = cache->count;
	copy->bytes = cache->bytes;
	for (uint32_t i = 0; i < cache->count; i++) {
		copy->writes[i] = cache->writes[i];
		copy->writes[i]->refs++;
	}
	return 0;
}

int mpio__sim_cache_add(struct mpio_sim *sim, struct sim_write *write)
{
	struct sim_cache *cache = &sim->cache;

	if (make_room(&sim->allocator, cache) != 0)
		return -MPIO_ENOMEM;
	cache->writes[cache->count++] = write;
	cache->bytes += write->length;
	return 0;
}

/* ---- To the medium ------------------------------------------------------ */
static int lay(struct mpio_sim *sim, struct sim_image *image,
	       const struct sim_write *write)
{
	int error =
		mpio__sim_image_reserve(&sim->allocator, image, write->offset,
					write->length, write->zeros);

	if (error == 0)
		mpio__sim_image_write(image, write->offset,
				      write->zeros ? NULL : write->bytes,
				      write->length);
	return error;
}

/* The first `n` writes leave the list. */
static void remove_first(struct mpio_sim *sim, uint32_t n)
{
	struct sim_cache *cache = &sim->cache;

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		cache->bytes -= cache->writes[i]->length;
		mpio__sim_write_put(&sim->allocator, cache->writes[i]);
	}
	cache->count -= n;
	for (uint32_t i = 0; i < cache->count; i++)
		cache->writes[i] = cache->writes[i + n];
}

/* Take the first `n` writes to the medium: all of them, or up to the one that
 * there is no memory for. */
static int settle(struct mpio_sim *sim, uint32_t n)
{
	uint32_t settled = 0;
	int error = 0;

	for (; settled < n; settled++) {
		const struct sim_write *write = sim->cache.writes[settled];

		error = lay(sim, &sim->medium, write);
		if (error != 0)
			break;
		mpio__sim_log_write(sim, MPIO_SIM_DURABLE, write);
	}
	remove_first(sim, settled);
	return error;
}

/* How many writes at the beginning of the list are durable already. */
static uint32_t count_durable(const struct sim_cache *cache)
{
	uint32_t n = 0;

	while (n < cache->count && cache->writes[n]->durable)
		n++;
	return n;
}

int mpio__sim_cache_flush(struct mpio_sim *sim, uint64_t mark)
{
	uint64_t first = sim->done - sim->cache.count;
	int error = 0;

	if (mark > first)
		error = settle(sim, (uint32_t)(mark - first));
	if (error == 0)
		error = settle(sim, count_durable(&sim->cache));
	return error;
}

/* The medium, and over it what of the cache is left without the first `n`
 * writes; but those of them that are durable are. */
static int see_without(struct mpio_sim *sim, uint32_t n, uint32_t count,
		       struct sim_image *image)
{
	const struct sim_cache *cache = &sim->cache;
	int error = mpio__sim_image_share(&sim->allocator, &sim->medium, image);

	if (error != 0)
		return error;
	for (uint32_t i = 0; i < count && error == 0; i++) {
		if (i >= n || cache->writes[i]->durable)
			error = lay(sim, image, cache->writes[i]);
	}
	if (error != 0)
		mpio__sim_image_free(&sim->allocator, image);
	return error;
}

int mpio__sim_cache_lose(struct mpio_sim *sim, uint64_t mark)
{
	struct sim_cache *cache = &sim->cache;
	uint64_t first = sim->done - cache->count;
	uint32_t n = mark > first ? (uint32_t)(mark - first) : 0;
	struct sim_image current;
	struct sim_image medium;
	int error = see_without(sim, n, cache->count, &current);

	if (error != 0)
		return error;
	error = see_without(sim, n, n, &medium);
	if (error != 0) {
		mpio__sim_image_free(&sim->allocator, &current);
		return error;
	}
	mpio__sim_image_free(&sim->allocator, &sim->current);
	mpio__sim_image_free(&sim->allocator, &sim->medium);
	sim->current = current;
	sim->medium = medium;
	for (uint32_t i = 0; i < n; i++)
		mpio__sim_log_write(sim,
				    cache->writes[i]->durable ? MPIO_SIM_DURABLE
							      : MPIO_SIM_LOST,
				    cache->writes[i]);
	remove_first(sim, n);
	return settle(sim, count_durable(cache));
}

/* The oldest leave when there is too much. If there is no memory, it stays. */
static void evict(struct mpio_sim *sim)
{
	struct sim_cache *cache = &sim->cache;
	uint64_t bytes = cache->bytes;
	uint32_t n = 0;

	while (n < cache->count && bytes > sim->config.cache_bytes)
		bytes -= cache->writes[n++]->length;
	if (n != 0)
		(void)settle(sim, n);
}

int mpio__sim_cache_write(struct mpio_sim *sim, struct sim_write *write,
			  bool durable)
{
	const struct mpio_allocator *allocator = &sim->allocator;
	int error =
		mpio__sim_image_reserve(allocator, &sim->current, write->offset,
					write->length, write->zeros);

	/* A durable one must find room on the medium later, too. */
	if (error == 0 && durable)
		error = mpio__sim_image_reserve(allocator, &sim->medium,
						write->offset, write->length,
						write->zeros);
	if (error == 0)
		error = mpio__sim_cache_add(sim, write);
	if (error != 0) {
		mpio__sim_write_put(allocator, write);
		return error;
	}
	write->durable = durable;
	sim->done++;
	mpio__sim_image_write(&sim->current, write->offset,
			      write->zeros ? NULL : write->bytes,
			      write->length);
	(void)settle(sim, count_durable(&sim->cache));
	evict(sim);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The filters that there are: what each sets of the one filter, and what can be
 * asked of it.
 */
#include "filter_private.h"

#include <mpio/error.h>

void *memset(void *memory, int byte, size_t size);

/* Pieces of memory that a queue of the filter's takes at least. */
#define SEGMENTS 256u

/* ---- Limits ------------------------------------------------------------- */

/* Of limits; 0 is no limit. */
static uint32_t least(uint32_t a, uint32_t b)
{
	return b != 0 && (a == 0 || b < a) ? b : a;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* What one device can take and another one as well. */
static void restrict_to(struct mpio_limits *limits,
			const struct mpio_limits *lower)
{
	uint32_t block = lower->logical_block_size;

	limits->logical_block_size =
		most(limits->logical_block_size, block != 0 ? block : 512);
	limits->memory_alignment =
		most(limits->memory_alignment, lower->memory_alignment);
	limits->segments_max = least(limits->segments_max, lower->segments_max);
	limits->bytes_max = least(limits->bytes_max, lower->bytes_max);
	/* Of these, 0 is none. */
	if (lower->gap_bytes < limits->gap_bytes)
		limits->gap_bytes = lower->gap_bytes;
	if (lower->atomic_unit < limits->atomic_unit)
		limits->atomic_unit = lower->atomic_unit;
	/* A flush is wanted if one of them wants it, the rest if all can. */
	limits->features = (limits->features & lower->features) |
			   ((limits->features | lower->features) &
			    (MPIO_DEVICE_FLUSH | MPIO_DEVICE_READONLY));
}

static void combine_limits(struct filter *filter)
{
	struct mpio_limits *limits = &filter->device.limits;

	*limits = filter->parts[0].device->limits;
	limits->segments_max = least(limits->segments_max, SEGMENTS);
	for (uint32_t i = 0; i < filter->count; i++)
		restrict_to(limits, &filter->parts[i].device->limits);
}

/* Parts that are shifted against the units of their devices break them. */
static void fit_atomic_unit(struct filter *filter)
{
	struct mpio_limits *limits = &filter->device.limits;
	uint64_t shifts = 0;
	uint64_t start = 0;

	for (uint32_t i = 0; i < filter->count; i++) {
		shifts |= filter->parts[i].offset | start;
		start += filter->parts[i].length;
	}
	while (limits->atomic_unit != 0 &&
	       (shifts & (limits->atomic_unit - 1)) != 0)
		limits->atomic_unit /= 2;
	if (limits->atomic_unit < limits->logical_block_size)
		limits->atomic_unit = 0;
}

static uint64_t length_of(const struct mpio_filter_part *part)
{
	return part->length != 0 ? part->length
				 : part->device->size - part->offset;
}

/* ---- One filter --------------------------------------------------------- */

static struct filter *make(const char *name,
			   const struct mpio_filter_config *config,
			   const struct mpio_filter_part *parts, uint32_t n)
{
	size_t size = sizeof(struct filter) + n * sizeof(*parts);
	struct filter *filter = config->allocator->resize(
		config->allocator->ctx, NULL, 0, size);

	if (filter == NULL)
		return NULL;
	memset(filter, 0, size);
	filter->name = name;
	filter->allocator = *config->allocator;
	if (config->lock != NULL)
		filter->lock = *config->lock;
	filter->flags = config->flags;
	filter->hook = config->hook;
	filter->hook_ctx = config->hook_ctx;
	filter->seed = config->seed ^ 0x66696c746572u;
	filter->count = n;
	for (uint32_t i = 0; i < n; i++) {
		filter->parts[i] = parts[i];
		filter->parts[i].length = length_of(&parts[i]);
		filter->device.size += filter->parts[i].length;
	}
	combine_limits(filter);
	mpio__filter_init(filter);
	return filter;
}

static bool is_possible(const struct mpio_device *lower,
			const struct mpio_filter_config *config)
{
	return lower != NULL && config->allocator != NULL && lower->size != 0 &&
	       lower->ops.submit != NULL;
}

/* A filter over all of one device. */
static int make_whole(const char *name, struct mpio_device *lower,
		      const struct mpio_filter_config *config,
		      struct filter **filter)
{
	const struct mpio_filter_part part = {.device = lower};

	if (!is_possible(lower, config))
		return -MPIO_EINVAL;
	*filter = make(name, config, &part, 1);
	return *filter != NULL ? 0 : -MPIO_ENOMEM;
}

int mpio_filter_trace(struct mpio_device *lower,
		      const struct mpio_filter_config *config,
		      struct mpio_device **device)
{
	struct filter *filter;
	int error = make_whole("trace", lower, config, &filter);

	if (error == 0)
		*device = &filter->device;
	return error;
}

int mpio_filter_readonly(struct mpio_device *lower,
			 const struct mpio_filter_config *config,
			 struct mpio_device **device)
{
	struct filter *filter;
	int error = make_whole("readonly", lower, config, &filter);

	if (error != 0)
		return error;
	filter->device.limits.features |= MPIO_DEVICE_READONLY;
	*device = &filter->device;
	return 0;
}

int mpio_filter_fault(struct mpio_device *lower,
		      const struct mpio_filter_config *config,
		      const struct mpio_faults *faults,
		      struct mpio_device **device)
{
	struct filter *filter;
	int error;

	if (faults->count > MPIO_FAULT_RULES_MAX)
		return -MPIO_EINVAL;
	for (uint32_t i = 0; i < faults->count; i++) {
		if (!mpio__fault_is_sound(&faults->rules[i]) ||
		    (faults->rules[i].actions & MPIO__FAULT_OF_SIM) != 0)
			return -MPIO_EINVAL;
	}
	error = make_whole("fault", lower, config, &filter);
	if (error != 0)
		return error;
	filter->faults = *faults;
	mpio__faults_reset(&filter->faults);
	mpio__filter_init(filter);
	*device = &filter->device;
	return 0;
}

int mpio_filter_delay(struct mpio_device *lower,
		      const struct mpio_filter_config *config, uint32_t delay,
		      uint32_t jitter, struct mpio_device **device)
{
	struct filter *filter;
	int error = make_whole("delay", lower, config, &filter);

	if (error != 0)
		return error;
	filter->delay = delay;
	filter->jitter = jitter;
	mpio__filter_init(filter);
	*device = &filter->device;
	return 0;
}

/* Whether a part lies in its device, and on the blocks of all of them. */
static bool is_part(const struct mpio_filter_part *part, uint32_t block,
		    bool last)
{
	uint64_t size = part->device->size;

	if (part->offset >= size || part->length > size - part->offset)
		return false;
	return (part->offset & (block - 1)) == 0 &&
	       (last || (length_of(part) & (block - 1)) == 0);
}

/* A part may not end inside a block, unless its device does there, too. */
static bool ends_well(const struct mpio_filter_part *part, uint32_t block)
{
	return part->length == 0 ||
	       part->offset + part->length == part->device->size ||
	       (part->length & (block - 1)) == 0;
}

int mpio_filter_linear(const struct mpio_filter_part *parts, uint32_t n,
		       const struct mpio_filter_config *config,
		       struct mpio_device **device)
{
	struct filter *filter;
	uint64_t sum = 0;
	uint32_t block = 512;

	if (n == 0 || n > 1024)
		return -MPIO_EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (!is_possible(parts[i].device, config))
			return -MPIO_EINVAL;
		block = most(block, parts[i].device->limits.logical_block_size);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!is_part(&parts[i], block, i + 1 == n) ||
		    !ends_well(&parts[i], block) ||
		    length_of(&parts[i]) > UINT64_MAX / 2 - sum)
			return -MPIO_EINVAL;
		sum += length_of(&parts[i]);
	}
	filter = make("linear", config, parts, n);
	if (filter == NULL)
		return -MPIO_ENOMEM;
	fit_atomic_unit(filter);
	/* What goes to one part would not flush the others; a flush does. */
	if (n > 1)
		filter->device.limits.features &= ~MPIO_DEVICE_PREFLUSH;
	*device = &filter->device;
	return 0;
}

int mpio_filter_verify(struct mpio_device *first, struct mpio_device *second,
		       const struct mpio_filter_config *config,
		       struct mpio_device **device)
{
	const struct mpio_filter_part parts[] = {{.device = first},
						 {.device = second}};
	struct filter *filter;

	if (!is_possible(first, config) || !is_possible(second, config) ||
	    first->size != second->size)
		return -MPIO_EINVAL;
	filter = make("verify", config, parts, 2);
	if (filter == NULL)
		return -MPIO_ENOMEM;
	filter->device.size = first->size;
	filter->mirror = true;
	*device = &filter->device;
	return 0;
}

/* ---- What can be asked -------------------------------------------------- */

uint64_t mpio_filter_mismatches(struct mpio_device *device)
{
	struct filter *filter = (struct filter *)device;
	uint64_t count;

	filter_lock(filter);
	count = filter->mismatches;
	filter_unlock(filter);
	return count;
}

int mpio_filter_rule(struct mpio_device *device, uint32_t index,
		     struct mpio_fault_rule *rule)
{
	struct filter *filter = (struct filter *)device;
	int error = -MPIO_ENOENT;

	filter_lock(filter);
	if (index < filter->faults.count) {
		*rule = filter->faults.rules[index];
		error = 0;
	}
	filter_unlock(filter);
	return error;
}

uint32_t mpio_filter_release(struct mpio_device *device, uint64_t id)
{
	struct filter *filter = (struct filter *)device;
	uint32_t count = 0;

	filter_lock(filter);
	for (struct filter_channel *channel = filter->channels; channel != NULL;
	     channel = channel->next) {
		for (uint32_t i = 0; i < channel->depth; i++) {
			struct filter_request *request = &channel->requests[i];

			if (request->bio == NULL || !request->held ||
			    (id != 0 && request->id != id))
				continue;
			request->held = false;
			if (request->finish != FILTER_NEVER)
				request->finish = channel->now;
			mpio__filter_log(filter, MPIO_SIM_RELEASE, request);
			count++;
		}
	}
	filter_unlock(filter);
	return count;
}

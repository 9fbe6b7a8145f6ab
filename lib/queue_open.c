/* SPDX-License-Identifier: MIT */
/*
 * The memory of a queue: how much, how it is laid out, and its end.
 *
 * One block holds everything, so that a boot loader can give it statically
 * and a server by one call of its allocator:
 *
 *     | queue | plugged | walk pages | bios | pieces | segments | scrap |
 *                                                     slots | bounce |
 *
 * Bios come in two sizes, as many of each: large ones, with room for all that
 * the limits allow, and small ones for a page or two.
 */
#include "internal.h"

#define BIOS 32u
#define BIOS_MAX (1u << 16)
#define SEGMENTS 256u
#define PAGES 512u
#define WALK_PAGES 512u
#define BYTES (1u << 30)
#define LOGICAL_BLOCK 512u
#define GAP_MAX (1u << 20)
#define GAP_PERCENT 75u
#define BOUNCE (1u << 18)
#define BOUNCE_SLOTS 4u
#define SLOT_MAX (1u << 19) /* bytes; an I/O across gaps goes through one */
#define BOUNCE_OF_A_DISK (8 * SLOT_MAX)

#if defined(__has_feature) && !defined(__SANITIZE_THREAD__)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
void AnnotateBenignRaceSized(const char *file, int line,
			     const volatile void *memory, size_t size,
			     const char *what);
#endif

/* What a configuration comes to on a device. */
struct shape {
	struct mpio_plan_limits limits;
	uint32_t memory_alignment;
	uint32_t bios; /* of each size */
	uint32_t in_flight_max;
	uint32_t walk_pages;
	size_t plugged_at; /* bytes from the block's begin */
	size_t walk_at;
	size_t bios_at;
	size_t vecs_at;
	size_t segments_at;
	size_t scrap_at; /* aligned as the device asks within the slack */
	size_t slots_at;
	size_t bounce_at;     /* the same as scrap */
	uint32_t bounce_size; /* bytes; of each slot */
	uint32_t slots;
	size_t size;
	bool fits; /* all that was placed; else `size` is no size */
};

/* The device's own limit, if it has one. */
static uint32_t clamp(uint32_t value, uint32_t limit)
{
	return limit != 0 ? mpio__min_u32(value, limit) : value;
}

/* How far gaps are read across, if at all. */
static void shape_gaps(struct shape *shape, const struct mpio_limits *device,
		       const struct mpio_queue_config *config)
{
	const uint32_t never = MPIO_QUEUE_NO_GAPS | MPIO_QUEUE_NO_ISOLATION;
	struct mpio_plan_limits *limits = &shape->limits;
	uint32_t unit = mpio__max_u32(limits->block, shape->memory_alignment);
	uint32_t gap = mpio__min_u32(
		mpio__or_default(config->gap_bytes, device->gap_bytes),
		GAP_MAX);
	uint32_t io = mpio__max_u32(SLOT_MAX, 8 * gap);

	limits->gap_percent =
		mpio__or_default(config->gap_percent, GAP_PERCENT);
	limits->gap_io_max = mpio__min_u32(
		limits->bytes_max, mpio__or_default(config->gap_io_bytes, io));
	/* A page, a gap, a page: that is three pieces. */
	if ((config->flags & never) || limits->pieces_max < 3)
		gap = 0;
	limits->gap_max = mpio__min_u32(gap, limits->gap_io_max) & ~(unit - 1);
}

static bool shape_limits(struct shape *shape, const struct mpio_limits *device,
			 const struct mpio_queue_config *config)
{
	struct mpio_plan_limits *limits = &shape->limits;
	uint32_t bytes = mpio__or_default(device->bytes_max, BYTES);

	limits->block =
		mpio__or_default(device->logical_block_size, LOGICAL_BLOCK);
	shape->memory_alignment = mpio__or_default(device->memory_alignment, 1);
	if (!mpio__is_power_of_two(limits->block) ||
	    !mpio__is_power_of_two(shape->memory_alignment) ||
	    (device->atomic_unit != 0 &&
	     !mpio__is_power_of_two(device->atomic_unit)) ||
	    device->atomic_unit > bytes)
		return false;
	limits->pieces_max =
		clamp(mpio__or_default(config->segments_max, SEGMENTS),
		      device->segments_max);
	limits->segments_max = mpio__max_u32(
		mpio__or_default(config->pages_max, PAGES), limits->pieces_max);
	limits->bytes_max =
		mpio__min_u32(mpio__or_default(config->bytes_max, bytes),
			      mpio__min_u32(bytes, BYTES));
	limits->bytes_max &=
		~(mpio__max_u32(limits->block, shape->memory_alignment) - 1);
	shape_gaps(shape, device, config);
	return limits->bytes_max != 0;
}

/*
 * Slots for bios that bounce: some, for they shall not wait for each other,
 * and large. Each must take what the device does not take apart. None where any
 * memory does, and blocks are so small that nobody's are smaller.
 */
static void shape_bounce(struct shape *shape, const struct mpio_limits *device,
			 const struct mpio_queue_config *config)
{
	bool choppy = device->gap_bytes != 0 && shape->memory_alignment != 1;
	uint32_t usual = choppy ? BOUNCE_OF_A_DISK : BOUNCE;
	uint32_t bytes = mpio__or_default(config->bounce_bytes, usual);
	uint32_t most =
		mpio__min_u32(mpio__min_u32(bytes / BOUNCE_SLOTS, SLOT_MAX),
			      shape->limits.bytes_max);
	uint32_t size =
		mpio__max_u32(shape->limits.block, shape->memory_alignment);

	if (shape->memory_alignment == 1 &&
	    shape->limits.block <= LOGICAL_BLOCK && config->bounce_bytes == 0)
		return;
	size = mpio__max_u32(size, device->atomic_unit);
	while (size <= most / 2)
		size *= 2;
	shape->bounce_size = size;
	shape->slots = mpio__min_u32(bytes / size, 2 * shape->bios);
	shape->slots = mpio__max_u32(shape->slots, 1);
}

/* Put n objects behind what there is, at *at. */
static void place(struct shape *shape, size_t *at, uint64_t n, size_t size)
{
	size_t mask = _Alignof(max_align_t) - 1;

	shape->fits &= n <= SIZE_MAX;
	shape->fits &= mpio__size_add(&shape->size, 1, mask);
	shape->size &= ~mask;
	*at = shape->size;
	shape->fits &= mpio__size_add(&shape->size, (size_t)n, size);
}

/* The same for bytes that a device is to touch, with slack to align them. */
static void place_aligned(struct shape *shape, size_t *at, uint32_t n)
{
	uint32_t slack = shape->memory_alignment - 1;

	place(shape, at, n != 0 ? (uint64_t)n + slack : 0, 1);
}

static bool shape_make(struct shape *shape, const struct mpio_device *device,
		       const struct mpio_queue_config *config)
{
	uint32_t bios = mpio__or_default(config->bios, BIOS);
	uint64_t small = MPIO__SMALL_MAX;
	size_t queue_at;

	*shape = (struct shape){.fits = true};
	if (!shape_limits(shape, &device->limits, config))
		return false;
	if (bios < 2 || bios > BIOS_MAX)
		return false;
	shape->bios = bios;
	shape->walk_pages = mpio__or_default(config->walk_pages, WALK_PAGES);
	shape->in_flight_max = clamp(2 * bios, config->in_flight_max);
	shape_bounce(shape, &device->limits, config);
	place(shape, &queue_at, 1, sizeof(struct mpio_queue));
	place(shape, &shape->plugged_at, 2 * (uint64_t)bios,
	      sizeof(struct mpio_bio *));
	place(shape, &shape->walk_at, shape->walk_pages,
	      sizeof(struct mpio_page *));
	place(shape, &shape->bios_at, 2 * (uint64_t)bios,
	      sizeof(struct mpio_bio));
	place(shape, &shape->vecs_at, bios * (shape->limits.pieces_max + small),
	      sizeof(struct mpio_iovec));
	place(shape, &shape->segments_at,
	      bios * (shape->limits.segments_max + small),
	      sizeof(struct mpio_segment));
	place_aligned(shape, &shape->scrap_at, shape->limits.gap_max);
	place(shape, &shape->slots_at, shape->slots,
	      sizeof(struct mpio_bounce));
	place_aligned(shape, &shape->bounce_at,
		      shape->slots * shape->bounce_size);
	return shape->fits;
}

/* ---- Filling the block ------------------------------------------------ */

/* Where memory that was placed with slack begins. */
static void *aligned(const struct mpio_queue *queue, void *memory)
{
	uintptr_t mask = queue->memory_alignment - 1;
	uintptr_t past = (uintptr_t)memory & mask;

	return (char *)memory + (past != 0 ? mask + 1 - past : 0);
}

static void make_bios(struct mpio_queue *queue, const struct shape *shape)
{
	char *block = (char *)queue;
	void *bios = block + shape->bios_at;
	void *vecs = block + shape->vecs_at;
	void *segments = block + shape->segments_at;
	struct mpio_bio *bio = bios;
	struct mpio_iovec *vec = vecs;
	struct mpio_segment *segment = segments;

	queue->bios = bio;
	queue->bio_count = 2 * shape->bios;
	for (uint32_t i = 0; i < queue->bio_count; i++, bio++) {
		bool small = i < shape->bios;
		const struct mpio_plan_limits *limits =
			small ? &queue->small_limits : &queue->limits;

		*bio = (struct mpio_bio){
			.queue = queue,
			.pool = small ? &queue->free_small : &queue->free_large,
			.small = small,
			.vecs = vec,
			.vec_pool = vec,
			.segments = segment,
			.vecs_max = limits->pieces_max,
			.segments_max = limits->segments_max,
		};
		vec += bio->vecs_max;
		segment += bio->segments_max;
		mpio_bio_put(bio);
	}
}

static void make_slots(struct mpio_queue *queue, const struct shape *shape)
{
	char *block = (char *)queue;
	void *slots = block + shape->slots_at;
	struct mpio_bounce *slot = slots;
	char *memory = aligned(queue, block + shape->bounce_at);

	queue->bounce_size = shape->bounce_size;
	queue->waiting_tail = &queue->waiting;
	queue->parked_tail = &queue->parked;
	for (uint32_t i = 0; i < shape->slots; i++, slot++) {
		*slot = (struct mpio_bounce){
			.next = queue->free_bounces,
			.memory = memory,
		};
		queue->free_bounces = slot;
		memory += shape->bounce_size;
	}
}

/*
 * Several reads may be writing scrap at once, and nobody looks at it. A thread
 * sanitizer that sees a backend's threads do so is to know.
 */
static void note_scrap(const volatile void *scrap, size_t size)
{
#ifdef __SANITIZE_THREAD__
	AnnotateBenignRaceSized(__FILE__, __LINE__, scrap, size, "scrap");
#else
	(void)scrap;
	(void)size;
#endif
}

static void fill(struct mpio_queue *queue, const struct shape *shape,
		 struct mpio_device *device,
		 const struct mpio_queue_config *config)
{
	char *block = (char *)queue;
	void *plugged = block + shape->plugged_at;
	void *walk_pages = block + shape->walk_at;

	*queue = (struct mpio_queue){
		.device = device,
		.limits = shape->limits,
		.memory_alignment = shape->memory_alignment,
		.in_flight_max = shape->in_flight_max,
		.flags = config->flags,
		.plugged = plugged,
		.plugged_max = 2 * shape->bios,
		.walk_pages = walk_pages,
		.walk_max = shape->walk_pages,
		.event = config->event,
		.event_ctx = config->event_ctx,
		.memory_size = shape->size,
	};
	queue->small_limits = queue->limits;
	queue->small_limits.pieces_max =
		mpio__min_u32(queue->limits.pieces_max, MPIO__SMALL_MAX);
	queue->small_limits.segments_max =
		mpio__min_u32(queue->limits.segments_max, MPIO__SMALL_MAX);
	if (queue->event != NULL)
		queue->care |= MPIO__CARE_HOOK;
	if (shape->slots != 0 ||
	    (device->limits.features & MPIO_DEVICE_READONLY))
		queue->care |= MPIO__CARE_PICKY;
	queue->ended_tail = &queue->ended;
	queue->settled_tail = &queue->settled;
	queue->plugged_start = UINT64_MAX;
	queue->scrap.data = aligned(queue, block + shape->scrap_at);
	queue->scrap.pending = 1;
	note_scrap(queue->scrap.data, queue->limits.gap_max);
	make_bios(queue, shape);
	make_slots(queue, shape);
}

/* ---- Opening and closing ---------------------------------------------- */

static int get_memory(const struct mpio_queue_config *config, size_t size,
		      void **memory)
{
	const struct mpio_allocator *allocator = config->allocator;
	uintptr_t mask = _Alignof(max_align_t) - 1;

	if (config->memory != NULL) {
		if (((uintptr_t)config->memory & mask) != 0)
			return -MPIO_EINVAL;
		*memory = config->memory;
		return size <= config->memory_size ? 0 : -MPIO_ENOMEM;
	}
	if (allocator == NULL)
		return -MPIO_EINVAL;
	*memory = allocator->resize(allocator->ctx, NULL, 0, size);
	return *memory != NULL ? 0 : -MPIO_ENOMEM;
}

static void put_memory(struct mpio_queue *queue)
{
	struct mpio_allocator allocator = queue->allocator;

	if (allocator.resize != NULL)
		(void)allocator.resize(allocator.ctx, queue, queue->memory_size,
				       0);
}

static void group_join(struct mpio_queue *queue, struct mpio_queue *member)
{
	queue->group = queue;
	if (member != NULL) {
		queue->group = member->group;
		member->group = queue;
	}
}

static void group_leave(struct mpio_queue *queue)
{
	struct mpio_queue *before = queue;

	while (before->group != queue)
		before = before->group;
	before->group = queue->group;
}

size_t mpio_queue_size(const struct mpio_device *device,
		       const struct mpio_queue_config *config)
{
	const struct mpio_queue_config none = {0};
	struct shape shape;

	if (!shape_make(&shape, device, config != NULL ? config : &none))
		return 0;
	return shape.size;
}

int mpio_queue_open(struct mpio_device *device,
		    const struct mpio_queue_config *config,
		    struct mpio_queue **queue)
{
	struct shape shape;
	struct mpio_queue *new_queue;
	void *memory;
	int error;

	if (config == NULL || device->ops.submit == NULL ||
	    (device->ops.reap_sends && device->ops.reap == NULL) ||
	    !shape_make(&shape, device, config))
		return -MPIO_EINVAL;
	error = get_memory(config, shape.size, &memory);
	if (error != 0)
		return error;
	new_queue = memory;
	fill(new_queue, &shape, device, config);
	if (config->memory == NULL)
		new_queue->allocator = *config->allocator;
	if (device->ops.channel_open != NULL) {
		error = device->ops.channel_open(device, shape.in_flight_max,
						 &new_queue->channel);
		if (error != 0) {
			put_memory(new_queue);
			return error;
		}
	}
	group_join(new_queue, config->group);
	*queue = new_queue;
	return 0;
}

/* Whatever plugs there are. */
static void unplug_all(struct mpio_queue *queue)
{
	queue->plug_depth = 0;
	queue->care &= ~MPIO__CARE_PLUGGED;
}

void mpio_queue_close(struct mpio_queue *queue)
{
	struct mpio_device *device;

	if (queue == NULL)
		return;
	device = queue->device;
	unplug_all(queue);
	(void)mpio_queue_drain(queue);
	if (device->ops.channel_close != NULL)
		device->ops.channel_close(device, queue->channel);
	group_leave(queue);
	put_memory(queue);
}

/* Tell of what has not ended, on all queues of a group. */
static void tell_missing(const struct mpio_queue *queue,
			 const struct mpio_deadline *deadline)
{
	const struct mpio_queue *other = queue;

	do {
		for (uint32_t i = 0; i < other->bio_count; i++) {
			const struct mpio_bio *bio = &other->bios[i];

			if (bio->state == MPIO__BIO_FLYING ||
			    bio->state == MPIO__BIO_WAITING ||
			    bio->state == MPIO__BIO_PARKED)
				deadline->missing(deadline->ctx, bio);
		}
		other = other->group;
	} while (other != queue);
}

/* From now on a group is closed by a deadline; NULL: no longer. */
static void set_deadline(struct mpio_queue *queue,
			 const struct mpio_deadline *deadline)
{
	struct mpio_queue *other = queue;

	do {
		other->deadline = deadline;
		other = other->group;
	} while (other != queue);
}

/* Send what is plugged on any of a group; whether one of them is busy. */
static bool is_group_busy(struct mpio_queue *queue)
{
	struct mpio_queue *other = queue;
	bool busy = false;

	do {
		mpio__plug_flush(other);
		busy |= mpio__queue_is_busy(other);
		other = other->group;
	} while (other != queue);
	return busy;
}

int mpio_queue_close_by(struct mpio_queue *queue,
			const struct mpio_deadline *deadline)
{
	bool late = false;

	unplug_all(queue);
	set_deadline(queue, deadline);
	while (!late && is_group_busy(queue))
		late = mpio_queue_poll(queue) <= 0 &&
		       mpio__queue_is_late(queue);
	set_deadline(queue, NULL);
	if (!late) {
		mpio_queue_close(queue);
		return 0;
	}
	if (deadline->missing != NULL)
		tell_missing(queue, deadline);
	return -MPIO_ETIMEDOUT;
}

/* ---- What it is ------------------------------------------------------- */

int mpio_queue_register_memory(struct mpio_queue *queue, void *base,
			       size_t length)
{
	struct mpio_device *device = queue->device;

	if (base == NULL || length == 0 ||
	    length - 1 > UINTPTR_MAX - (uintptr_t)base)
		return -MPIO_EINVAL;
	if (device->ops.register_memory == NULL ||
	    device->ops.register_memory(device, queue->channel, base, length) !=
		    0)
		queue->stats.memory_refused++;
	return 0;
}

int mpio_queue_event_fd(struct mpio_queue *queue)
{
	struct mpio_device *device = queue->device;

	if (device->ops.event_fd == NULL)
		return -1;
	return device->ops.event_fd(device, queue->channel);
}

const struct mpio_stats *mpio_queue_stats(const struct mpio_queue *queue)
{
	return &queue->stats;
}

struct mpio_device *mpio_queue_device(const struct mpio_queue *queue)
{
	return queue->device;
}

const struct mpio_plan_limits *mpio_queue_limits(const struct mpio_queue *queue)
{
	return &queue->limits;
}

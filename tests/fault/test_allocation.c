/* SPDX-License-Identifier: MIT */
/*
 * Memory of a queue: asked for once, when it is opened, and never again until
 * it is closed; or the caller's own, of which not a byte more is touched than
 * mpio_queue_size() says.
 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Calls of malloc() and its sisters ---------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *ptr);

static unsigned int malloc_calls;

void *__wrap_malloc(size_t size)
{
	malloc_calls++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	malloc_calls++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	malloc_calls++;
	return __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	malloc_calls++;
	return __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *ptr)
{
	malloc_calls++;
	__real_free(ptr);
}

/* ---- Nothing between open and close ------------------------------------- */

/* Faults that keep busy all that is there to help. */
static const struct fault trouble[] = {
	{"end: twice", SITE_IO, ACTION_END_TWICE, 0, 0, false, OUTCOME_CURED},
	{"end: EIO ever after", SITE_IO, ACTION_STATUS, -MPIO_EIO, 0, true,
	 OUTCOME_VISIBLE},
	{"end: 512 bytes moved ever after", SITE_IO, ACTION_PARTIAL, 0, 512,
	 true, OUTCOME_FREE},
	{"submit: EAGAIN ever after", SITE_SUBMIT, ACTION_STATUS, -MPIO_EAGAIN,
	 0, true, OUTCOME_VISIBLE},
};

#define TROUBLES (sizeof(trouble) / sizeof(*trouble))

static void count_allocations(const struct scenario *scenario,
			      const struct fault *fault)
{
	struct world *world = world_new(scenario, scenario->mode);
	uint32_t heap_calls;
	unsigned int before;

	now_trying("%s, %s", scenario->name, fault->name);
	world_reset(world, fault, 1);
	assert_int_equal(world_open(world), 0);
	heap_calls = world->heap.calls;
	assert_int_equal(heap_calls, world->device_count);
	before = malloc_calls;
	world_run(world);
	world_drain(world);
	assert_int_equal(malloc_calls, before);
	assert_int_equal(world->heap.calls, heap_calls);
	world_close(world);
	assert_int_equal(world->heap.calls, 2 * heap_calls);
	world_free(world);
}

static void nothing_is_allocated_between_open_and_close(void **state)
{
	const struct scenario *scenario;
	unsigned int before = malloc_calls;
	unsigned int runs = 0;

	(void)state;
	for (size_t i = 0; (scenario = scenario_get(i)) != NULL; i++) {
		for (size_t j = 0; j < TROUBLES; j++, runs++)
			count_allocations(scenario, &trouble[j]);
	}
	/* The counting works: the worlds have allocated. */
	assert_true(malloc_calls > before);
	print_message("%u runs\n", runs);
}

/* ---- Memory of one's own ------------------------------------------------ */

#define GUARD 64u
#define GUARD_BYTE 0xa7

/* A block of exactly `size` bytes, with guards around it. */
static unsigned char *guarded(size_t size)
{
	unsigned char *memory = malloc(size + 2 * GUARD);

	assert_non_null(memory);
	memset(memory, GUARD_BYTE, size + 2 * GUARD);
	return memory + GUARD;
}

static void free_guarded(unsigned char *block, size_t size)
{
	for (size_t i = 0; i < GUARD; i++) {
		assert_int_equal(block[-1 - (ptrdiff_t)i], GUARD_BYTE);
		assert_int_equal(block[size + i], GUARD_BYTE);
	}
	free(block - GUARD);
}

static size_t size_for(const struct world *world, uint32_t index)
{
	const struct mpio_queue_config config = world_config(world, index);

	return mpio_queue_size(&world->devices[index].device, &config);
}

/* All of a scenario, its queues in blocks that are just large enough. */
static void run_in_own_memory(const struct scenario *scenario, bool with_guards)
{
	struct world *world = world_new(scenario, scenario->mode);

	now_trying("%s, in memory of its own", scenario->name);
	world_reset(world, NULL, 0);
	for (uint32_t i = 0; i < world->device_count; i++) {
		size_t size = size_for(world, i);

		assert_true(size != 0);
		world->memory_size[i] = size;
		world->memory[i] = with_guards ? guarded(size) : malloc(size);
	}
	assert_int_equal(world_open(world), 0);
	world_run(world);
	world_drain(world);
	world_settle(world);
	world_check(world);
	world_check_pools(world);
	world_close(world);
	assert_int_equal(world->heap.calls, 0);
	for (uint32_t i = 0; i < world->device_count; i++) {
		if (with_guards)
			free_guarded(world->memory[i], world->memory_size[i]);
		else
			free(world->memory[i]);
	}
	world_free(world);
}

static void a_queue_keeps_to_the_memory_it_is_given(void **state)
{
	const struct scenario *scenario;

	(void)state;
	for (size_t i = 0; (scenario = scenario_get(i)) != NULL; i++) {
		run_in_own_memory(scenario, true);
		/* The sanitizer watches the edges of such a block. */
		run_in_own_memory(scenario, false);
	}
}

/* ---- Opening alone ------------------------------------------------------ */

struct opening {
	struct injector injector;
	struct mock mock;
	unsigned char disk[4096];
};

static struct mpio_queue *const none = (struct mpio_queue *)&malloc_calls;

static void make_device(struct opening *opening)
{
	memset(opening, 0, sizeof(*opening));
	mock_init(&opening->mock, MOCK_SYNC, opening->disk,
		  sizeof(opening->disk), &opening->injector);
}

static int try_open(struct opening *opening,
		    const struct mpio_queue_config *config)
{
	struct mpio_queue *queue = none;
	int error = mpio_queue_open(&opening->mock.device, config, &queue);

	assert_true((error == 0) == (queue != none));
	if (error == 0)
		mpio_queue_close(queue);
	return error;
}

static void size_is_what_it_takes_and_a_byte_less_is_not(void **state)
{
	static const struct mpio_queue_config configs[] = {
		{.bios = 0},
		{.bios = 2},
		{.bios = 3, .segments_max = 1, .pages_max = 1},
		{.bios = 7, .segments_max = 3, .pages_max = 5, .walk_pages = 1},
		{.bios = 64,
		 .segments_max = 8,
		 .pages_max = 9,
		 .walk_pages = 3},
		{.bios = 5, .segments_max = 1000, .pages_max = 10},
		{.bios = 1000, .segments_max = 2, .pages_max = 2},
	};
	struct opening opening;

	(void)state;
	make_device(&opening);
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		struct mpio_queue_config config = configs[i];
		size_t size = mpio_queue_size(&opening.mock.device, &config);
		unsigned char *memory;

		assert_true(size != 0);
		memory = guarded(size);
		config.memory = memory;
		config.memory_size = size - 1;
		assert_int_equal(try_open(&opening, &config), -MPIO_ENOMEM);
		config.memory_size = 0;
		assert_int_equal(try_open(&opening, &config), -MPIO_ENOMEM);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(memory[j], GUARD_BYTE);
		config.memory_size = size;
		assert_int_equal(try_open(&opening, &config), 0);
		free_guarded(memory, size);
	}
}

static void memory_must_be_aligned_and_there_must_be_some(void **state)
{
	struct mpio_queue_config config = {.bios = 2};
	struct opening opening;
	unsigned char *memory;
	size_t size;

	(void)state;
	make_device(&opening);
	size = mpio_queue_size(&opening.mock.device, &config);
	assert_int_equal(try_open(&opening, &config), -MPIO_EINVAL);
	assert_int_equal(try_open(&opening, NULL), -MPIO_EINVAL);
	memory = guarded(size + 1);
	config.memory = memory + 1;
	config.memory_size = size;
	assert_int_equal(try_open(&opening, &config), -MPIO_EINVAL);
	free_guarded(memory, size + 1);
}

/* Gives nothing, and remembers what it was asked for. */
static void *give_nothing(void *ctx, void *ptr, size_t old_size,
			  size_t new_size)
{
	size_t *asked = ctx;

	assert_null(ptr);
	assert_int_equal(old_size, 0);
	assert_int_equal(*asked, 0);
	*asked = new_size;
	return NULL;
}

static void the_allocator_is_asked_for_just_the_size(void **state)
{
	size_t asked = 0;
	const struct mpio_allocator allocator = {
		.resize = give_nothing,
		.ctx = &asked,
	};
	const struct mpio_queue_config config = {
		.bios = 5,
		.allocator = &allocator,
	};
	struct opening opening;

	(void)state;
	make_device(&opening);
	assert_int_equal(try_open(&opening, &config), -MPIO_ENOMEM);
	assert_int_equal(asked, mpio_queue_size(&opening.mock.device, &config));
}

static void what_cannot_be_has_no_size(void **state)
{
	static const struct mpio_queue_config configs[] = {
		{.bios = 1},
		{.bios = UINT32_MAX},
		{.bytes_max = 511},
	};
	static const struct mpio_limits limits[] = {
		{.logical_block_size = 768},
		{.memory_alignment = 24},
		{.atomic_unit = 5000},
		{.bytes_max = 100},
	};
	const struct mpio_queue_config plain = {.bios = 2};
	struct opening opening;
	struct mpio_device *device = &opening.mock.device;

	(void)state;
	make_device(&opening);
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		assert_int_equal(mpio_queue_size(device, &configs[i]), 0);
		assert_int_equal(try_open(&opening, &configs[i]), -MPIO_EINVAL);
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		device->limits = limits[i];
		assert_int_equal(mpio_queue_size(device, &plain), 0);
		assert_int_equal(try_open(&opening, &plain), -MPIO_EINVAL);
	}
}

/* Sizes that are no size_t must not wrap to small ones. */
static void a_size_does_not_wrap(void **state)
{
	static const struct mpio_queue_config large[] = {
		{.bios = 1u << 16, .segments_max = UINT32_MAX},
		{.bios = 1u << 16, .pages_max = UINT32_MAX},
		{.bios = 2,
		 .segments_max = UINT32_MAX,
		 .pages_max = UINT32_MAX},
		{.walk_pages = UINT32_MAX},
	};
	struct opening opening;

	(void)state;
	make_device(&opening);
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
		size_t size = mpio_queue_size(&opening.mock.device, &large[i]);

		assert_true(size == 0 || size > UINT32_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allocated_between_open_and_close),
		cmocka_unit_test(a_queue_keeps_to_the_memory_it_is_given),
		cmocka_unit_test(size_is_what_it_takes_and_a_byte_less_is_not),
		cmocka_unit_test(memory_must_be_aligned_and_there_must_be_some),
		cmocka_unit_test(the_allocator_is_asked_for_just_the_size),
		cmocka_unit_test(what_cannot_be_has_no_size),
		cmocka_unit_test(a_size_does_not_wrap),
	};

	watchdog(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Filters at their limits: what cannot be a filter, devices below that are
 * unlike each other or do not do what is asked of them, and no bio below that
 * is free.
 */
#include "sim_rig.h"

#include <mpio/filters.h>
#include <mpio/open.h>

/* Two mock devices, and filters over them, are enough for most of it. */
static struct mpio_allocator libc_memory;
static struct mpio_filter_config config;

static int begin(void **state)
{
	libc_memory = mpio_allocator_libc();
	config = (struct mpio_filter_config){.allocator = &libc_memory};
	return rig_set_up(state);
}

#define FILTER_TEST(name)                                                      \
	cmocka_unit_test_setup_teardown(name, begin, rig_tear_down)

/* A queue of the library on a filter. */
static struct mpio_queue *open_queue(struct mpio_device *device, uint32_t depth)
{
	const struct mpio_queue_config queue_config = {
		.bios = depth + 1,
		.in_flight_max = depth,
		.allocator = &libc_memory,
	};
	struct mpio_queue *queue;

	assert_int_equal(mpio_queue_open(device, &queue_config, &queue), 0);
	return queue;
}

/* ---- What cannot be ----------------------------------------------------- */

enum kind { TRACE, READONLY, FAULT, DELAY, LINEAR, VERIFY, KINDS };

static int make(enum kind kind, struct mpio_device *first,
		struct mpio_device *second, struct mpio_device **device)
{
	const struct mpio_filter_part parts[] = {{.device = first},
						 {.device = second}};
	const struct mpio_faults faults = {0};

	switch (kind) {
	case TRACE:
		return mpio_filter_trace(second, &config, device);
	case READONLY:
		return mpio_filter_readonly(second, &config, device);
	case FAULT:
		return mpio_filter_fault(second, &config, &faults, device);
	case DELAY:
		return mpio_filter_delay(second, &config, 5, 9, device);
	case LINEAR:
		return mpio_filter_linear(parts, 2, &config, device);
	default:
		return mpio_filter_verify(first, second, &config, device);
	}
}

static void assert_none(struct mpio_device *first, struct mpio_device *second,
			int error)
{
	struct mpio_device *device = NULL;

	for (int kind = 0; kind < KINDS; kind++) {
		assert_int_equal(make((enum kind)kind, first, second, &device),
				 error);
		assert_null(device);
	}
}

static void *resize_none(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)ptr;
	(void)old_size;
	(void)new_size;
	return NULL;
}

static void what_is_no_device_has_no_filter(void **state)
{
	static const struct mpio_allocator none = {.resize = resize_none};
	struct rig *rig = *state;
	struct mpio_device *good = &rig->a.device;
	struct mpio_device bad = rig->b.device;

	assert_none(good, NULL, -MPIO_EINVAL);
	bad.ops.submit = NULL;
	assert_none(good, &bad, -MPIO_EINVAL);
	bad = rig->b.device;
	bad.size = 0;
	assert_none(good, &bad, -MPIO_EINVAL);
	config.allocator = NULL;
	assert_none(good, &rig->b.device, -MPIO_EINVAL);
	config.allocator = &none;
	assert_none(good, &rig->b.device, -MPIO_ENOMEM);
}

static void two_that_are_no_mirrors_are_not_compared(void **state)
{
	struct rig *rig = *state;
	struct mpio_device *device;

	assert_int_equal(make(VERIFY, NULL, &rig->a.device, &device),
			 -MPIO_EINVAL);
	rig->b.device.size /= 2;
	assert_int_equal(make(VERIFY, &rig->a.device, &rig->b.device, &device),
			 -MPIO_EINVAL);
}

static void parts_are_some_and_their_sum_is_a_size(void **state)
{
	struct rig *rig = *state;
	struct mpio_filter_part parts[2000];
	struct mpio_device *device;

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		parts[i] = (struct mpio_filter_part){.device = &rig->a.device};
	assert_int_equal(mpio_filter_linear(parts, 0, &config, &device),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_filter_linear(parts, 1025, &config, &device),
			 -MPIO_EINVAL);
	rig->a.device.size = UINT64_MAX / 2 - 511;
	assert_int_equal(mpio_filter_linear(parts, 2, &config, &device),
			 -MPIO_EINVAL);
	/* Of a large device, one that grows, they may be small. */
	parts[0].length = 4 * BLOCK;
	parts[1].offset = rig->a.device.size - 8 * BLOCK;
	assert_int_equal(mpio_filter_linear(parts, 2, &config, &device), 0);
	assert_int_equal(device->size, 12 * BLOCK);
	device->ops.close(device);
	/* The last one makes it too much. */
	parts[0].length = rig->a.device.size - 7 * BLOCK;
	assert_int_equal(mpio_filter_linear(parts, 2, &config, &device),
			 -MPIO_EINVAL);
}

static void rules_that_a_filter_cannot_keep_are_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_faults faults = {0};
	struct mpio_device *device;

	assert_int_equal(mpio_faults_parse(&faults, "flush:lose", NULL), 0);
	assert_int_equal(
		mpio_filter_fault(&rig->a.device, &config, &faults, &device),
		-MPIO_EINVAL);
	faults.rules[0].actions = 0;
	assert_int_equal(
		mpio_filter_fault(&rig->a.device, &config, &faults, &device),
		-MPIO_EINVAL);
	faults.count = MPIO_FAULT_RULES_MAX + 1;
	assert_int_equal(
		mpio_filter_fault(&rig->a.device, &config, &faults, &device),
		-MPIO_EINVAL);
}

/* ---- Devices below ------------------------------------------------------ */

static void what_is_atomic_below_each_part_is_so_above(void **state)
{
	struct rig *rig = *state;
	struct mpio_device *device;

	rig->a.device.limits.atomic_unit = 4096;
	rig->b.device.limits.atomic_unit = 1024;
	assert_int_equal(make(LINEAR, &rig->a.device, &rig->b.device, &device),
			 0);
	assert_int_equal(device->limits.atomic_unit, 1024);
	device->ops.close(device);
	rig->a.device.limits.atomic_unit = 0;
	assert_int_equal(make(LINEAR, &rig->a.device, &rig->b.device, &device),
			 0);
	assert_int_equal(device->limits.atomic_unit, 0);
	device->ops.close(device);
}

/* A partition, and a second part, that begin inside a unit of their device. */
/* Not to read across gaps is a limit like others. */
static void a_gap_is_cheap_if_it_is_so_on_each_part(void **state)
{
	static const uint32_t gaps[][3] = {{0, 65536, 0},
					   {65536, 0, 0},
					   {8192, 65536, 8192},
					   {65536, 8192, 8192}};
	struct rig *rig = *state;
	struct mpio_device *device;

	for (size_t i = 0; i < COUNT_OF(gaps); i++) {
		rig->a.device.limits.gap_bytes = gaps[i][0];
		rig->b.device.limits.gap_bytes = gaps[i][1];
		assert_int_equal(
			make(LINEAR, &rig->a.device, &rig->b.device, &device),
			0);
		assert_int_equal(device->limits.gap_bytes, gaps[i][2]);
		device->ops.close(device);
		assert_int_equal(
			make(VERIFY, &rig->a.device, &rig->b.device, &device),
			0);
		assert_int_equal(device->limits.gap_bytes, gaps[i][2]);
		device->ops.close(device);
	}
}

static void an_atomic_unit_above_lies_in_one_below(void **state)
{
	static const struct {
		uint64_t offset;
		uint64_t length; /* 0: it is the only one */
		uint32_t block;
		uint32_t unit;
	} cases[] = {
		{0, 0, 0, 4096},
		{4096, 0, 0, 4096},
		{2048, 0, 0, 2048},
		{512, 0, 0, 512},
		{0, 8192, 0, 4096},
		{0, 9 * 512, 0, 512},
		{4096, 6144, 0, 2048},
		{6144, 4096, 0, 2048},
		{0, 10 * 1024, 1024, 2048},
		{1024, 4096, 1024, 1024},
		{2048, 0, 2048, 2048},
	};
	struct rig *rig = *state;
	struct mpio_device *device;

	rig->a.device.size = rig->b.device.size = 1 << 20;
	rig->a.device.limits.atomic_unit = 4096;
	rig->b.device.limits.atomic_unit = 8192;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct mpio_filter_part parts[] = {
			{&rig->a.device, cases[i].offset, cases[i].length},
			{.device = &rig->b.device},
		};

		rig->a.device.limits.logical_block_size = cases[i].block;
		rig->b.device.limits.logical_block_size = cases[i].block;
		assert_int_equal(
			mpio_filter_linear(parts, cases[i].length != 0 ? 2 : 1,
					   &config, &device),
			0);
		assert_int_equal(device->limits.atomic_unit, cases[i].unit);
		device->ops.close(device);
	}
	/* What is smaller than a block is no unit. */
	rig->a.device.limits.logical_block_size = 512;
	rig->a.device.limits.atomic_unit = 512;
	rig->b.device.limits.logical_block_size = 1024;
	assert_int_equal(make(LINEAR, &rig->a.device, &rig->b.device, &device),
			 0);
	assert_int_equal(device->limits.atomic_unit, 0);
	device->ops.close(device);
}

static void the_descriptor_below_tells_what_ends_at_once(void **state)
{
	struct rig *rig = *state;
	struct mpio_device *lower = &rig->a.device;
	struct mpio_device *device;
	struct mpio_queue *queue;

	mock_asynchronous(&rig->a);
	rig->a.fd = 7;
	assert_int_equal(make(TRACE, NULL, lower, &device), 0);
	queue = open_queue(device, 4);
	assert_int_equal(mpio_queue_event_fd(queue), 7);
	mpio_queue_close(queue);
	device->ops.close(device);
	/* Where time is to pass, it tells nothing. */
	assert_int_equal(make(DELAY, NULL, lower, &device), 0);
	assert_null(device->ops.event_fd);
	device->ops.close(device);
	assert_int_equal(mpio_filter_delay(lower, &config, 0, 3, &device), 0);
	assert_null(device->ops.event_fd);
	device->ops.close(device);
}

static int open_devices; /* those below that were closed */

static void close_below(struct mpio_device *device)
{
	(void)device;
	open_devices--;
}

static void who_owns_devices_closes_each_once(void **state)
{
	struct rig *rig = *state;
	struct mpio_device *device;

	open_devices = 1;
	config.flags = MPIO_FILTER_OWNS;
	rig->a.device.ops.close = close_below;
	assert_int_equal(make(LINEAR, &rig->a.device, &rig->a.device, &device),
			 0);
	device->ops.close(device);
	assert_int_equal(open_devices, 0);
	/* Some have nothing to close. */
	assert_int_equal(make(TRACE, NULL, &rig->b.device, &device), 0);
	device->ops.close(device);
}

static int say_nothing(struct mpio_device *device, char *text, size_t size)
{
	(void)device;
	(void)text;
	(void)size;
	return -MPIO_EOPNOTSUPP;
}

static void what_is_below_need_not_say_what_it_is(void **state)
{
	struct rig *rig = *state;
	struct mpio_device *device;
	char text[64];

	rig->b.device.ops.describe = say_nothing;
	assert_int_equal(make(LINEAR, &rig->a.device, &rig->b.device, &device),
			 0);
	device->ops.describe(device, text, sizeof(text));
	assert_string_equal(text, "backend: linear\n");
	device->ops.close(device);
}

static void memory_is_registered_with_each_device_below(void **state)
{
	static unsigned char memory[4096];
	struct rig *rig = *state;
	struct mpio_device *device;
	struct mpio_queue *queue;

	mock_registering(&rig->a);
	mock_registering(&rig->b);
	assert_int_equal(make(LINEAR, &rig->a.device, &rig->b.device, &device),
			 0);
	queue = open_queue(device, 4);
	assert_int_equal(mpio_queue_register_memory(queue, memory, 4096), 0);
	assert_ptr_equal(rig->b.registered, memory);
	rig->b.registered = NULL;
	rig->a.register_error = -MPIO_ENOMEM; /* which is its own affair */
	assert_int_equal(mpio_queue_register_memory(queue, memory, 4096), 0);
	assert_ptr_equal(rig->b.registered, memory);
	mpio_queue_close(queue);
	device->ops.close(device);
}

static void a_channel_takes_no_more_than_it_has_room_for(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio bio = {.op = MPIO_BIO_READ, .length = BLOCK};
	struct mpio_device *device;
	void *channel;

	assert_int_equal(make(TRACE, NULL, &rig->a.device, &device), 0);
	assert_int_equal(device->ops.channel_open(device, 0, &channel), 0);
	assert_int_equal(device->ops.submit(device, channel, &bio),
			 -MPIO_EAGAIN);
	assert_int_equal(device->ops.reap(device, channel, 1), 0);
	device->ops.channel_close(device, channel);
	rig->a.open_error = -MPIO_EMFILE;
	assert_int_equal(device->ops.channel_open(device, 1, &channel),
			 -MPIO_EMFILE);
	device->ops.close(device);
}

/* ---- Many on each other ------------------------------------------------- */

static size_t allocated;

static void *resize_counted(void *ctx, void *ptr, size_t old_size,
			    size_t new_size)
{
	const struct mpio_allocator libc = mpio_allocator_libc();

	(void)ctx;
	allocated += new_size - old_size;
	return libc.resize(libc.ctx, ptr, old_size, new_size);
}

/* Bytes of a queue that is so deep. */
static size_t memory_of_queue(struct mpio_device *device, uint32_t depth)
{
	size_t before = allocated;
	struct mpio_queue *queue = open_queue(device, depth);
	size_t size = allocated - before;

	mpio_queue_close(queue);
	return size;
}

/* From the second on, each takes as much memory as the one above it. */
static void filters_on_each_other_stay_as_deep(void **state)
{
	static const uint32_t depths[] = {1, 3, 4, 100};
	size_t sizes[COUNT_OF(depths)][17];
	struct mpio_device *devices[17];
	struct rig *rig = *state;

	libc_memory = (struct mpio_allocator){.resize = resize_counted};
	devices[0] = &rig->a.device;
	for (size_t n = 1; n <= 16; n++) {
		assert_int_equal(make(TRACE, NULL, devices[n - 1], &devices[n]),
				 0);
		for (size_t i = 0; i < COUNT_OF(depths); i++)
			sizes[i][n] = memory_of_queue(devices[n], depths[i]);
	}
	for (size_t i = 0; i < COUNT_OF(depths); i++) {
		for (size_t n = 4; n <= 16; n++)
			assert_int_equal(sizes[i][n] - sizes[i][n - 1],
					 sizes[i][3] - sizes[i][2]);
	}
	for (size_t n = 16; n >= 1; n--)
		devices[n]->ops.close(devices[n]);
}

/* What is deeper than a queue below can be takes no more than that. */
static void a_filter_is_as_deep_as_any_device(void **state)
{
	const struct mpio_queue_config deepest = {
		.bios = 65536,
		.segments_max = 1,
		.pages_max = 1,
		.allocator = &libc_memory,
	};
	struct rig *rig = *state;
	struct mpio_device *device;
	struct mpio_queue *queue;

	rig->a.device.limits.segments_max = 1;
	assert_int_equal(make(TRACE, NULL, &rig->a.device, &device), 0);
	assert_int_equal(mpio_queue_open(device, &deepest, &queue), 0);
	mpio_queue_close(queue);
	device->ops.close(device);
}

/* ---- Over a simulated disk ---------------------------------------------- */

static struct sim_rig sim;

/* Rules of a filter over a disk that has some as well, and atomic units. */
static void use_atomic(const char *rules, const char *lower_rules,
		       uint32_t atomic_unit)
{
	struct mpio_faults faults = {0};
	struct mpio_device *device;

	sim_rig_init(&sim);
	sim.config.limits.atomic_unit = atomic_unit;
	sim_rig_make(&sim, lower_rules);
	mpio_queue_close(sim.queue);
	libc_memory = mpio_allocator_libc();
	config = (struct mpio_filter_config){.allocator = &libc_memory};
	assert_int_equal(mpio_faults_parse(&faults, rules, NULL), 0);
	assert_int_equal(
		mpio_filter_fault(sim.device, &config, &faults, &device), 0);
	sim.device = device;
	sim.queue = open_queue(device, 1);
}

static void use(const char *rules, const char *lower_rules)
{
	use_atomic(rules, lower_rules, 0);
}

static void done(void)
{
	mpio_queue_close(sim.queue);
	sim.queue = NULL;
	sim.device->ops.close(sim.device);
	sim_rig_close(&sim);
}

/* A torn write is many below: there are four bios, and none comes back. */
static void without_a_bio_below_an_io_fails(void **state)
{
	const struct sim_io *io;

	(void)state;
	use("write:torn=0x5555", "write:hold");
	io = sim_start(&sim, MPIO_BIO_WRITE, 0, 0, 16, 'a');
	assert_int_equal(mpio_sim_release(sim.sim, 0), 4);
	assert_int_equal(mpio_queue_drain(sim.queue), 0);
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, -MPIO_EIO);
	assert_sim(&sim, "a.a.a.a.........");
	done();
}

static void where_bios_below_run_out_they_are_waited_for(void **state)
{
	(void)state;
	use("write:torn=0x5555", "");
	assert_int_equal(sim_put(&sim, 0, 16, 'a'), 0);
	assert_sim(&sim, "a.a.a.a.a.a.a.a.");
	done();
}

/* So many pieces go into a small bio in part, and that is no whole sector. */
static void without_a_large_bio_below_many_pieces_fail(void **state)
{
	static unsigned char memory[80][64];
	struct mpio_bio *bio;

	(void)state;
	use("write:torn=0x55", "write:hold");
	bio = mpio_bio_get(sim.queue, MPIO_BIO_WRITE, 0);
	for (size_t i = 0; i < 80; i++)
		assert_int_equal(mpio_bio_add(bio, memory[i], 50), 0);
	assert_int_equal(mpio_bio_add(bio, memory, 96), 0);
	assert_int_equal(bio->length, 8 * SECTOR);
	memset(memory, 'a', sizeof(memory));
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_sim_release(sim.sim, 0), 2);
	assert_int_equal(mpio_queue_drain(sim.queue), 0);
	assert_sim(&sim, "a.a.....");
	done();
}

/* A write of so many sectors, each a piece of its own. */
static void put_scattered(uint64_t offset, uint32_t sectors)
{
	static unsigned char memory[16][2 * SECTOR];
	struct mpio_bio *bio = mpio_bio_get(sim.queue, MPIO_BIO_WRITE, 0);

	bio->offset = offset;
	for (uint32_t i = 0; i < sectors; i++)
		assert_int_equal(mpio_bio_add(bio, memory[i], SECTOR), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* How many writes from an offset on the disk below was given. */
static uint32_t writes_from(uint64_t offset)
{
	struct mpio_sim_entry entry;
	uint32_t n = 0;

	for (uint64_t i = 0; i < mpio_sim_journal_count(sim.sim); i++) {
		assert_int_equal(mpio_sim_journal(sim.sim, i, &entry), 0);
		n += entry.what == MPIO_SIM_SUBMIT && entry.offset >= offset;
	}
	return n;
}

/* Though the only bios below that are free take half of it, or a unit. */
static void an_atomic_unit_is_never_parted(void **state)
{
	static const struct {
		uint32_t unit;
		uint32_t writes; /* of 16 sectors */
	} cases[] = {{16 * SECTOR, 1}, {8 * SECTOR, 2}, {0, 2}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		use_atomic("write:nth=1:torn=0x55", "", cases[i].unit);
		mpio_queue_close(sim.queue);
		sim.queue = open_queue(sim.device, 2);
		put_scattered(0, 7); /* by four bios, the large ones first */
		put_scattered(32 * SECTOR, 16);
		assert_int_equal(mpio_queue_drain(sim.queue), 0);
		assert_int_equal(writes_from(32 * SECTOR), cases[i].writes);
		done();
	}
}

static void a_device_that_became_smaller_refuses_what_is_behind(void **state)
{
	const struct sim_io *io;

	(void)state;
	use("read:drop", "");
	mpio_sim_device(sim.sim)->size = 4 * SECTOR;
	io = sim_start(&sim, MPIO_BIO_WRITE, 0, 8, 1, 'a');
	assert_int_equal(mpio_queue_drain(sim.queue), 0);
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, -MPIO_EINVAL);
	mpio_sim_device(sim.sim)->size = RIG_SECTORS * SECTOR;
	done();
}

static void what_does_not_end_below_does_not_end_inside(void **state)
{
	(void)state;
	use("write:inline", "write:hold");
	assert_int_equal(sim_start(&sim, MPIO_BIO_WRITE, 0, 0, 1, 'a')->ends,
			 0);
	assert_int_equal(mpio_queue_wait(sim.queue), -MPIO_EDEADLK);
	assert_int_equal(mpio_sim_release(sim.sim, 0), 1);
	assert_int_equal(mpio_queue_drain(sim.queue), 0);
	assert_sim(&sim, "a.");
	done();
}

static void what_never_ends_is_not_let_go(void **state)
{
	struct mpio_device *device;

	(void)state;
	use("write:hold:never", "");
	device = sim.device;
	sim_start(&sim, MPIO_BIO_WRITE, 0, 0, 1, 'a');
	assert_int_equal(mpio_queue_wait(sim.queue), -MPIO_EDEADLK);
	assert_int_equal(mpio_filter_release(device, 0), 1);
	assert_int_equal(mpio_queue_wait(sim.queue), -MPIO_ETIMEDOUT);
	mpio_bio_cancel(sim.ios[0].bio);
	assert_int_equal(mpio_queue_drain(sim.queue), 0);
	assert_int_equal(sim.ios[0].status, -MPIO_ECANCELED);
	done();
}

static void a_flush_that_is_to_come_short_is_whole(void **state)
{
	(void)state;
	use("submit:short=512,complete:short=512", "");
	assert_int_equal(sim_flush(&sim), 0);
	sim_start(&sim, MPIO_BIO_DISCARD, 0, 0, 4, 0);
	assert_int_equal(mpio_queue_drain(sim.queue), 0);
	assert_int_equal(sim.ios[1].status, 0);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILTER_TEST(what_is_no_device_has_no_filter),
		FILTER_TEST(two_that_are_no_mirrors_are_not_compared),
		FILTER_TEST(parts_are_some_and_their_sum_is_a_size),
		FILTER_TEST(rules_that_a_filter_cannot_keep_are_refused),
		FILTER_TEST(what_is_atomic_below_each_part_is_so_above),
		FILTER_TEST(a_gap_is_cheap_if_it_is_so_on_each_part),
		FILTER_TEST(an_atomic_unit_above_lies_in_one_below),
		FILTER_TEST(the_descriptor_below_tells_what_ends_at_once),
		FILTER_TEST(who_owns_devices_closes_each_once),
		FILTER_TEST(what_is_below_need_not_say_what_it_is),
		FILTER_TEST(memory_is_registered_with_each_device_below),
		FILTER_TEST(a_channel_takes_no_more_than_it_has_room_for),
		FILTER_TEST(filters_on_each_other_stay_as_deep),
		FILTER_TEST(a_filter_is_as_deep_as_any_device),
		cmocka_unit_test(without_a_bio_below_an_io_fails),
		cmocka_unit_test(where_bios_below_run_out_they_are_waited_for),
		cmocka_unit_test(without_a_large_bio_below_many_pieces_fail),
		cmocka_unit_test(an_atomic_unit_is_never_parted),
		cmocka_unit_test(
			a_device_that_became_smaller_refuses_what_is_behind),
		cmocka_unit_test(what_does_not_end_below_does_not_end_inside),
		cmocka_unit_test(what_never_ends_is_not_let_go),
		cmocka_unit_test(a_flush_that_is_to_come_short_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

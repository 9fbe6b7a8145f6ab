/* SPDX-License-Identifier: MIT */
/*
 * Queue: its configuration, its memory, its opening and closing.
 */
#include "mock.h"

static void all_zero_is_a_good_configuration(void **state)
{
	struct rig *rig = *state;
	const struct mpio_queue_config zero = {0};
	const struct mpio_plan_limits *limits;

	assert_true(mpio_queue_size(&rig->a.device, NULL) > 0);
	assert_int_equal(mpio_queue_size(&rig->a.device, NULL),
			 mpio_queue_size(&rig->a.device, &zero));
	rig_open(rig);
	limits = mpio_queue_limits(rig->queue);
	assert_int_equal(limits->pieces_max, 256);
	assert_int_equal(limits->segments_max, 512);
	assert_int_equal(limits->bytes_max, 1u << 30);
	assert_int_equal(limits->block, 512);
	assert_int_equal(rig->a.depth, 64);
	assert_ptr_equal(mpio_queue_device(rig->queue), &rig->a.device);
}

static void a_device_that_tells_no_block_has_512_bytes(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.logical_block_size = 0;
	rig_open(rig);
	assert_int_equal(mpio_queue_limits(rig->queue)->block, 512);
	rig->a.device.limits.logical_block_size = 512; /* for the mock */
}

static void limits_are_the_lesser_of_device_and_configuration(void **state)
{
	static const struct {
		uint32_t device;
		uint32_t config;
		uint32_t result;
	} cases[] = {
		{0, 1024, 1024}, {512, 1024, 512},   {4096, 1024, 1024},
		{2048, 0, 2048}, {1536, 1536, 1536},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct mpio_limits *limits = &rig->a.device.limits;
		const struct mpio_plan_limits *result;

		limits->bytes_max = cases[i].device;
		limits->segments_max = cases[i].device;
		rig->config.bytes_max = cases[i].config;
		rig->config.segments_max = cases[i].config;
		rig_open(rig);
		result = mpio_queue_limits(rig->queue);
		assert_int_equal(result->bytes_max, cases[i].result);
		if (cases[i].config != 0)
			assert_int_equal(result->pieces_max, cases[i].result);
		mpio_queue_close(rig->queue);
		rig->queue = NULL;
		rig->is_open = false;
	}
}

static void bytes_are_rounded_down_to_whole_blocks(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.logical_block_size = 4096;
	rig->config.bytes_max = 3 * 4096 - 1;
	rig_open(rig);
	assert_int_equal(mpio_queue_limits(rig->queue)->bytes_max, 2 * 4096);
}

static void there_are_no_fewer_pages_than_pieces(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 100;
	rig->config.pages_max = 7;
	rig_open(rig);
	assert_int_equal(mpio_queue_limits(rig->queue)->pieces_max, 100);
	assert_int_equal(mpio_queue_limits(rig->queue)->segments_max, 100);
}

static void more_pages_than_pieces_may_be_asked_for(void **state)
{
	struct rig *rig = *state;

	rig->config.segments_max = 1;
	rig->config.pages_max = 1000;
	rig_open(rig);
	assert_int_equal(mpio_queue_limits(rig->queue)->pieces_max, 1);
	assert_int_equal(mpio_queue_limits(rig->queue)->segments_max, 1000);
}

static void size_grows_with_what_is_asked_for(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {
		.bios = 8, .segments_max = 16, .pages_max = 16};
	size_t small = mpio_queue_size(&rig->a.device, &config);

	config.bios = 16;
	assert_true(mpio_queue_size(&rig->a.device, &config) > small);
	config.bios = 8;
	config.segments_max = 32;
	assert_true(mpio_queue_size(&rig->a.device, &config) > small);
	config.segments_max = 16;
	config.pages_max = 64;
	assert_true(mpio_queue_size(&rig->a.device, &config) > small);
	config.pages_max = 16;
	config.walk_pages = 4096;
	assert_true(mpio_queue_size(&rig->a.device, &config) > small);
}

/* A small machine gives little memory: the least queue stays below 4 KiB. */
static void the_least_queue_is_small(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {
		.bios = 2, .segments_max = 1, .pages_max = 1, .walk_pages = 1};

	assert_in_range(mpio_queue_size(&rig->a.device, &config), 1, 4096);
}

static void assert_impossible(struct rig *rig)
{
	struct mpio_queue *queue = (struct mpio_queue *)rig;

	assert_int_equal(mpio_queue_size(&rig->a.device, &rig->config), 0);
	assert_int_equal(mpio_queue_open(&rig->a.device, &rig->config, &queue),
			 -MPIO_EINVAL);
	assert_ptr_equal(queue, rig);
	assert_int_equal(rig->allocated_bytes, 0);
	assert_int_equal(rig->a.channels, 0);
}

static void impossible_configurations_are_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_limits *limits = &rig->a.device.limits;
	const struct mpio_limits good = *limits;

	rig->config.bios = 1;
	assert_impossible(rig);
	rig->config.bios = 2;
	assert_true(mpio_queue_size(&rig->a.device, &rig->config) > 0);
	limits->logical_block_size = 513;
	assert_impossible(rig);
	*limits = good;
	limits->memory_alignment = 24;
	assert_impossible(rig);
	*limits = good;
	limits->atomic_unit = 12288;
	assert_impossible(rig);
	*limits = good;
	/* No I/O could be as large as the unit that it is not to tear. */
	limits->atomic_unit = 4096;
	limits->bytes_max = 3584;
	assert_impossible(rig);
	*limits = good;
	limits->bytes_max = 511;
	assert_impossible(rig);
	*limits = good;
	rig->config.bytes_max = 511;
	assert_impossible(rig);
}

/* Who leaves it to reap to send has to have one. */
static void a_device_that_cannot_send_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *queue = (struct mpio_queue *)rig;

	rig->a.device.ops.reap_sends = true;
	rig->a.device.ops.reap = NULL;
	assert_int_equal(mpio_queue_open(&rig->a.device, &rig->config, &queue),
			 -MPIO_EINVAL);
	assert_ptr_equal(queue, rig);
	assert_int_equal(rig->allocated_bytes, 0);
}

static void a_size_that_no_machine_has_is_refused(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 65536;
	rig->config.segments_max = UINT32_MAX;
	rig->config.pages_max = UINT32_MAX;
	if (sizeof(size_t) == 4)
		assert_impossible(rig);
	else
		assert_true(mpio_queue_size(&rig->a.device, &rig->config) >
			    (size_t)65536 * UINT32_MAX * 24);
}

static void without_a_source_of_memory_nothing_is_opened(void **state)
{
	struct rig *rig = *state;
	const struct mpio_queue_config none = {0};
	struct mpio_queue *queue = NULL;

	assert_int_equal(mpio_queue_open(&rig->a.device, &none, &queue),
			 -MPIO_EINVAL);
	assert_int_equal(mpio_queue_open(&rig->a.device, NULL, &queue),
			 -MPIO_EINVAL);
	assert_null(queue);
}

static void given_memory_is_used_to_its_end_and_no_further(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {.bios = 4, .segments_max = 8};
	size_t size = mpio_queue_size(&rig->a.device, &config);
	unsigned char *memory = malloc(size + 64);

	assert_non_null(memory);
	memset(memory, 0xee, size + 64);
	config.memory = memory;
	config.memory_size = size;
	assert_int_equal(mpio_queue_open(&rig->a.device, &config, &rig->queue),
			 0);
	add_pages(rig, 0, 1, 20);
	map_blocks(rig, 0, 20, 100);
	assert_int_equal(read_all(rig, 0), 20);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	for (size_t i = size; i < size + 64; i++)
		assert_int_equal(memory[i], 0xee);
	free(memory);
}

static void memory_that_is_too_small_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {.bios = 4};
	size_t size = mpio_queue_size(&rig->a.device, &config);
	struct mpio_queue *queue = NULL;

	config.memory = malloc(size);
	config.memory_size = size - 1;
	assert_non_null(config.memory);
	assert_int_equal(mpio_queue_open(&rig->a.device, &config, &queue),
			 -MPIO_ENOMEM);
	assert_null(queue);
	free(config.memory);
}

static void memory_that_is_not_aligned_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue_config config = {.bios = 4};
	size_t size = mpio_queue_size(&rig->a.device, &config);
	unsigned char *memory = malloc(size + 1);
	struct mpio_queue *queue = NULL;

	assert_non_null(memory);
	config.memory = memory + 1;
	config.memory_size = size;
	assert_int_equal(mpio_queue_open(&rig->a.device, &config, &queue),
			 -MPIO_EINVAL);
	assert_null(queue);
	free(memory);
}

static void an_allocator_without_memory_is_told(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *queue = NULL;

	rig->no_memory = true;
	assert_int_equal(mpio_queue_open(&rig->a.device, &rig->config, &queue),
			 -MPIO_ENOMEM);
	assert_null(queue);
	assert_int_equal(rig->a.channels, 0);
}

static void an_allocator_gives_one_block_of_the_size_told(void **state)
{
	struct rig *rig = *state;
	size_t size = mpio_queue_size(&rig->a.device, &rig->config);

	rig_open(rig);
	assert_int_equal(rig->allocated_bytes, size);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	assert_int_equal(rig->allocated_bytes, 0);
}

static void a_channel_that_does_not_open_is_told(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *queue = NULL;

	rig->a.open_error = -MPIO_EMFILE;
	assert_int_equal(mpio_queue_open(&rig->a.device, &rig->config, &queue),
			 -MPIO_EMFILE);
	assert_null(queue);
	assert_int_equal(rig->allocated_bytes, 0);
}

static void a_channel_is_as_deep_as_bios_may_be_in_flight(void **state)
{
	struct rig *rig = *state;

	rig->config.bios = 8;
	rig->config.in_flight_max = 5;
	rig_open(rig);
	assert_int_equal(rig->a.depth, 5);
	assert_int_equal(rig->a.channels, 1);
}

static void a_device_without_channels_is_opened_too(void **state)
{
	struct rig *rig = *state;
	struct mpio_device_ops *ops = &rig->a.device.ops;
	struct mpio_device least = rig->a.device;

	least.ops = (struct mpio_device_ops){.submit = ops->submit};
	assert_int_equal(mpio_queue_open(&least, &rig->config, &rig->queue), 0);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
}

static void each_queue_has_a_channel_of_its_own(void **state)
{
	struct rig *rig = *state;
	struct mpio_queue *second;

	rig_open(rig);
	rig->is_open = false;
	assert_int_equal(mpio_queue_open(&rig->a.device, &rig->config, &second),
			 0);
	assert_int_equal(rig->a.channels, 2);
	mpio_queue_close(second);
	assert_int_equal(rig->a.channels, 1);
}

static void closing_nothing_is_allowed(void **state)
{
	(void)state;
	mpio_queue_close(NULL);
}

static void closing_sends_and_ends_everything(void **state)
{
	struct rig *rig = *state;
	struct mock_io *flying;
	struct mock_io *plugged;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	add_pages(rig, 0, 4, 1);
	map_blocks(rig, 0, 4, 100);
	assert_int_equal(read_all(rig, 0), 1);
	flying = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
	mpio_queue_plug(rig->queue);
	mpio_queue_plug(rig->queue);
	plugged = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 2, 1);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	assert_int_equal(flying->ends, 1);
	assert_int_equal(plugged->ends, 1);
	assert_disk(&rig->a, 2, "f2");
	assert_page(rig, 0, "a100 a101 a102 a103");
}

struct patience {
	uint32_t asked;
	uint32_t left;
	uint64_t missing[4]; /* blocks */
	uint32_t missing_count;
};

static bool is_over(void *ctx)
{
	struct patience *patience = ctx;

	patience->asked++;
	return patience->left == 0 || --patience->left == 0;
}

static void note_missing(void *ctx, const struct mpio_bio *bio)
{
	struct patience *patience = ctx;

	assert_true(patience->missing_count < 4);
	patience->missing[patience->missing_count++] = bio->offset / BLOCK;
}

static int close_by(struct rig *rig, struct patience *patience)
{
	const struct mpio_deadline deadline = {is_over, note_missing, patience};
	int error = mpio_queue_close_by(rig->queue, &deadline);

	if (error == 0)
		rig->queue = NULL;
	return error;
}

static void closing_in_time_ends_everything(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 5; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 3 * i, 1);
	assert_int_equal(close_by(rig, &patience), 0);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(rig->ios[i].ends, 1);
	assert_int_equal(patience.asked, 0);
	assert_int_equal(rig->a.channels, 0);
}

/* The device does not do anything from the first end on. */
static void flush_and_fall_asleep(struct rig *rig, struct frame *frame)
{
	(void)frame;
	rig->a.slow = true;
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
}

static void read_twice_and_fall_asleep(struct rig *rig, struct frame *frame)
{
	(void)frame;
	rig->a.slow = true;
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 9, 1);
}

static bool wakes_the_device(void *ctx)
{
	struct rig *rig = ctx;

	rig->a.slow = false;
	rig->a.refuse = 0;
	return false;
}

/* Once it was found full: each submit asks, too. */
static bool wakes_what_has_one(void *ctx)
{
	static uint32_t full;
	struct rig *rig = ctx;

	assert_in_range(rig->a.pending_count, 0, 1);
	full += rig->a.pending_count;
	return full >= 3 && wakes_the_device(rig);
}

static void open_for_an_end(struct rig *rig,
			    void (*after_end)(struct rig *, struct frame *))
{
	mock_asynchronous(&rig->a);
	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	rig->a.reap_max = 1;
	rig->after_end = after_end;
	open_with_pages(rig, 1, 1);
	assert_int_equal(read_all(rig, 0), 1);
}

static void a_flush_that_an_end_starts_has_the_time_that_is_left(void **state)
{
	struct rig *rig = *state;
	const struct mpio_deadline deadline = {wakes_the_device, NULL, rig};

	open_for_an_end(rig, flush_and_fall_asleep);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	assert_int_equal(mpio_queue_close_by(rig->queue, &deadline), 0);
	rig->queue = NULL;
	assert_int_equal(rig->ios[0].ends, 1);
	assert_int_equal(rig->ios[1].ends, 1);
	assert_int_equal(rig->ios[1].status, 0);
}

static void a_flush_that_an_end_starts_too_late_is_missing(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	open_for_an_end(rig, flush_and_fall_asleep);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(rig->ios[0].ends, 0);
	assert_int_equal(rig->ios[1].ends, 0);
	assert_int_equal(patience.missing_count, 2);
	assert_int_equal(patience.missing[0] + patience.missing[1], 7);
	rig->a.slow = false;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(rig->ios[0].ends, 1);
	assert_int_equal(rig->ios[1].ends, 1);
	assert_int_equal(rig->ios[1].status, 0);
}

static void what_an_end_starts_waits_for_room_until_the_deadline(void **state)
{
	struct rig *rig = *state;
	const struct mpio_deadline deadline = {wakes_what_has_one, NULL, rig};

	rig->config.in_flight_max = 1;
	open_for_an_end(rig, read_twice_and_fall_asleep);
	assert_int_equal(mpio_queue_close_by(rig->queue, &deadline), 0);
	rig->queue = NULL;
	assert_false(rig->a.slow); /* it was asked */
	assert_int_equal(rig->a.pending_most, 1);
	assert_int_equal(rig->ios[0].ends, 1);
	assert_int_equal(rig->ios[1].ends, 1);
}

static void closing_too_late_names_what_is_missing(void **state)
{
	const struct mpio_deadline now = {0};
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true; /* and nobody waits */
	rig->two = true;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 9, 1);
	start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 11, 1);
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(patience.asked, 3);
	assert_int_equal(patience.missing_count, 2);
	assert_int_equal(patience.missing[0] + patience.missing[1], 18);
	assert_int_equal(mpio_queue_close_by(rig->queue, &now),
			 -MPIO_ETIMEDOUT);
	rig->a.slow = false; /* late, but not lost */
	assert_int_equal(mpio_queue_poll(rig->queue), 2);
	assert_int_equal(rig->ios[0].ends, 1);
	assert_int_equal(rig->ios[2].ends, 1);
}

/* Not even to make room, for what was plugged or has to be tried again. */
static void closing_by_a_deadline_never_waits(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->config.in_flight_max = 1;
	rig->watch = WATCH_CALLS;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 9, 1);
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(patience.missing_count, 1);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 1);
	assert_int_equal(rig->ios[1].ends, 1); /* there was no room for it */
	assert_int_equal(rig->ios[1].status, -MPIO_ETIMEDOUT);
	assert_null(strstr(rig->trace, "wait"));
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

/* A device that fails keeps nobody from the others of the group. */
static void a_failing_device_does_not_hide_what_others_have_done(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->two = true;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 9, 1);
	rig->a.reap_error = -MPIO_EIO;
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(patience.missing_count, 1);
	assert_int_equal(patience.missing[0], 7);
	assert_int_equal(rig->ios[1].ends, 1);
	assert_int_equal(mpio_queue_poll(rig->queue), -MPIO_EIO);
	rig->a.reap_error = 0;
}

static void a_queue_leaves_its_group_when_it_is_closed(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->two = true;
	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig_open(rig);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	io = start_io(rig, rig->other, MPIO_BIO_READ, 0, 1, 1);
	assert_int_equal(mpio_queue_wait(rig->other), 1);
	assert_int_equal(mpio_queue_drain(rig->other), 0);
	assert_int_equal(io->status, 0);
}

/* More than the device has room for are sent one after the other. */
static void closing_in_time_keeps_to_the_depth(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig->config.in_flight_max = 2;
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 6; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 3 * i, 1);
	assert_int_equal(close_by(rig, &patience), 0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(rig->ios[i].status, 0);
	assert_int_equal(rig->a.pending_most, 2);
}

/* Who refuses what is one too many takes it when it has ended another. */
static void a_refusal_while_closing_is_sat_out(void **state)
{
	struct rig *rig = *state;
	const struct mpio_deadline deadline = {wakes_the_device, NULL, rig};

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 9, 1);
	rig->a.refuse = 1000;
	rig->a.refusal = -MPIO_EAGAIN;
	assert_int_equal(mpio_queue_close_by(rig->queue, &deadline), 0);
	rig->queue = NULL;
	assert_false(rig->a.slow); /* it was asked, and had time */
	assert_int_equal(rig->ios[0].status, 0);
	assert_int_equal(rig->ios[1].status, 0);
}

/* More often than an error that passes is tried, and though it is too late. */
static void nor_is_one_an_error_while_the_device_gets_on(void **state)
{
	struct patience patience = {.left = 1};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	rig_open(rig);
	for (uint32_t i = 0; i < 14; i++)
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 3 * i, 1);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 99, 1);
	rig->a.refuse = 12;
	rig->a.refusal = -MPIO_EAGAIN;
	assert_int_equal(close_by(rig, &patience), 0);
	for (uint32_t i = 0; i < 15; i++)
		assert_int_equal(rig->ios[i].status, 0);
}

static uint32_t agains;
static int refused;

static void submit_again(struct mpio_bio *bio)
{
	void *memory = bio->vecs->base;

	assert_true(++agains < 1000);
	mpio_bio_reset(bio, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	refused = mpio_bio_submit(bio);
	if (refused != 0)
		mpio_bio_put(bio);
}

/* However fast the device is, and whatever becomes of what is begun again. */
static void who_always_begins_again_is_stopped_by_the_deadline(void **state)
{
	static unsigned char memory[BLOCK];
	struct patience patience = {.left = 3};
	struct rig *rig = *state;
	struct mpio_bio *bio;

	agains = 0;
	mock_asynchronous(&rig->a);
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	bio->end_io = submit_again;
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(close_by(rig, &patience), 0);
	assert_int_equal(refused, -MPIO_ETIMEDOUT);
	assert_int_equal(agains, 3);
}

/* Not even if the device takes nothing for the moment. */
static void nor_for_a_device_that_refuses(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->watch = WATCH_CALLS;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 9, 1);
	rig->a.refuse = 3;
	rig->a.refusal = -MPIO_EAGAIN;
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(patience.missing_count, 2);
	assert_null(strstr(rig->trace, "wait"));
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void nor_for_one_that_never_takes_it(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	mpio_queue_plug(rig->queue);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 9, 1);
	rig->a.refuse = UINT32_MAX;
	rig->a.refusal = -MPIO_EAGAIN;
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	rig->a.refuse = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void after_that_all_queues_are_waited_for_again(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->a.slow = rig->b.slow = true;
	rig->two = true;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_READ, 0, 7, 1);
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 9, 1);
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(patience.missing_count, 2);
	assert_int_equal(mpio_queue_wait(rig->other), 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
}

/* What is read across gaps goes through slots, and those are large. */
static void a_disk_has_room_to_bounce_through(void **state)
{
	struct rig *rig = *state;
	size_t size;

	rig->a.device.limits.memory_alignment = 512;
	size = mpio_queue_size(&rig->a.device, &rig->config);
	assert_in_range(size, 256 * 1024, 1024 * 1024);
	rig->a.device.limits.gap_bytes = 64 * 1024;
	size = mpio_queue_size(&rig->a.device, &rig->config);
	assert_in_range(size, 4 * 1024 * 1024, 5 * 1024 * 1024);
	/* Not where memory may be any: only parts of blocks do then. */
	rig->a.device.limits.memory_alignment = 1;
	rig->a.device.limits.logical_block_size = 4096;
	size = mpio_queue_size(&rig->a.device, &rig->config);
	assert_in_range(size, 256 * 1024, 1024 * 1024);
}

static void nor_for_another_queue_of_the_group(void **state)
{
	struct patience patience = {.left = 3};
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
	rig->a.slow = rig->b.slow = true;
	rig->config.in_flight_max = 1;
	rig->two = true;
	rig->watch = WATCH_CALLS;
	rig_open(rig);
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 7, 1);
	mpio_queue_plug(rig->other);
	start_io(rig, rig->other, MPIO_BIO_READ, 0, 9, 1);
	assert_int_equal(close_by(rig, &patience), -MPIO_ETIMEDOUT);
	assert_int_equal(patience.missing_count, 1);
	assert_int_equal(rig->ios[1].status, -MPIO_ETIMEDOUT);
	assert_null(strstr(rig->trace, "wait"));
	mpio_queue_unplug(rig->other);
	assert_int_equal(mpio_queue_drain(rig->other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(all_zero_is_a_good_configuration),
		RIG_TEST(a_device_that_tells_no_block_has_512_bytes),
		RIG_TEST(limits_are_the_lesser_of_device_and_configuration),
		RIG_TEST(bytes_are_rounded_down_to_whole_blocks),
		RIG_TEST(there_are_no_fewer_pages_than_pieces),
		RIG_TEST(more_pages_than_pieces_may_be_asked_for),
		RIG_TEST(size_grows_with_what_is_asked_for),
		RIG_TEST(the_least_queue_is_small),
		RIG_TEST(impossible_configurations_are_refused),
		RIG_TEST(a_size_that_no_machine_has_is_refused),
		RIG_TEST(without_a_source_of_memory_nothing_is_opened),
		RIG_TEST(given_memory_is_used_to_its_end_and_no_further),
		RIG_TEST(memory_that_is_too_small_is_refused),
		RIG_TEST(an_allocator_without_memory_is_told),
		RIG_TEST(an_allocator_gives_one_block_of_the_size_told),
		RIG_TEST(a_channel_that_does_not_open_is_told),
		RIG_TEST(a_channel_is_as_deep_as_bios_may_be_in_flight),
		RIG_TEST(a_device_without_channels_is_opened_too),
		RIG_TEST(each_queue_has_a_channel_of_its_own),
		RIG_TEST(closing_nothing_is_allowed),
		RIG_TEST(closing_sends_and_ends_everything),
		RIG_TEST(closing_in_time_ends_everything),
		RIG_TEST(a_flush_that_an_end_starts_has_the_time_that_is_left),
		RIG_TEST(a_flush_that_an_end_starts_too_late_is_missing),
		RIG_TEST(what_an_end_starts_waits_for_room_until_the_deadline),
		RIG_TEST(closing_too_late_names_what_is_missing),
		RIG_TEST(closing_by_a_deadline_never_waits),
		RIG_TEST(a_failing_device_does_not_hide_what_others_have_done),
		RIG_TEST(a_queue_leaves_its_group_when_it_is_closed),
		RIG_TEST(closing_in_time_keeps_to_the_depth),
		RIG_TEST(a_refusal_while_closing_is_sat_out),
		RIG_TEST(who_always_begins_again_is_stopped_by_the_deadline),
		RIG_TEST(nor_for_a_device_that_refuses),
		RIG_TEST(after_that_all_queues_are_waited_for_again),
		RIG_TEST(a_disk_has_room_to_bounce_through),
		RIG_TEST(nor_for_another_queue_of_the_group),
		RIG_TEST(a_device_that_cannot_send_is_refused),
		RIG_TEST(nor_is_one_an_error_while_the_device_gets_on),
		RIG_TEST(nor_for_one_that_never_takes_it),
		RIG_TEST(memory_that_is_not_aligned_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

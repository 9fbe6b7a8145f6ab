/* SPDX-License-Identifier: MIT */
/*
 * A filter that makes nothing wait is no slower in a deep queue: what it does
 * for an I/O does not depend on how many others are in flight.
 */
#include <mpio/filters.h>
#include <mpio/mpio.h>
#include <mpio/open.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define IOS 20000u
#define SHALLOW 16u
#define DEEP 8192u

/* A device that ends the oldest, one at a time. */
static struct {
	struct mpio_bio *bios[DEEP];
	uint32_t first;
	uint32_t end;
} line;

static uint32_t left; /* I/Os that are to be begun */

static int line_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	(void)device;
	(void)channel;
	line.bios[line.end++ % DEEP] = bio;
	return 0;
}

static int line_reap(struct mpio_device *device, void *channel, int wait)
{
	(void)device;
	(void)channel;
	(void)wait;
	if (line.first == line.end)
		return 0;
	mpio_bio_end(line.bios[line.first++ % DEEP], 0);
	return 1;
}

static void begin_again(struct mpio_bio *bio)
{
	if (left == 0) {
		mpio_bio_put(bio);
		return;
	}
	left--;
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void fill(struct mpio_queue *queue, uint32_t depth)
{
	static unsigned char memory[512];

	for (uint32_t i = 0; i < depth; i++) {
		struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);

		assert_non_null(bio);
		bio->end_io = begin_again;
		assert_int_equal(mpio_bio_add(bio, memory, 512), 0);
		assert_int_equal(mpio_bio_submit(bio), 0);
	}
}

/* The processor's time for IOS of them, where so many are always in flight. */
static double time_of(struct mpio_device *device, uint32_t depth)
{
	const struct mpio_allocator allocator = mpio_allocator_libc();
	const struct mpio_queue_config config = {
		.bios = depth / 2, /* of either size */
		.segments_max = 1,
		.pages_max = 1,
		.walk_pages = 1,
		.allocator = &allocator,
	};
	struct mpio_queue *queue;
	clock_t start;
	clock_t end;

	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	left = IOS;
	fill(queue, depth);
	start = clock();
	while (left != 0)
		assert_true(mpio_queue_wait(queue) > 0);
	end = clock();
	assert_int_equal(mpio_queue_stats(queue)->in_flight, depth);
	mpio_queue_close(queue);
	return (double)(end - start);
}

/* What memory costs that is out of the processor's cache is let pass. */
static void an_io_does_not_cost_more_for_those_in_flight(void **state)
{
	const struct mpio_allocator allocator = mpio_allocator_libc();
	const struct mpio_filter_config config = {.allocator = &allocator};
	struct mpio_device lower = {
		.ops = {.submit = line_submit, .reap = line_reap},
		.size = 4096,
	};
	struct mpio_device *device;
	double shallow;
	double deep;

	(void)state;
	assert_int_equal(mpio_filter_trace(&lower, &config, &device), 0);
	shallow = time_of(device, SHALLOW);
	deep = time_of(device, DEEP);
	device->ops.close(device);
	if (deep > 30 * shallow)
		fail_msg("%.0f times as much", deep / shallow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_io_does_not_cost_more_for_those_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

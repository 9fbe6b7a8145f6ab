/* SPDX-License-Identifier: MIT */
/*
 * Backend mem: a disk in memory, driven through a queue.
 */
#include "mock.h"

#include <mpio/backends/mem.h>

#define DISK 65536u

static unsigned char disk[DISK];
static unsigned char before[DISK];
static struct mpio_mem mem;
static struct mpio_queue *queue;
static uint64_t memory[32768];
static int ends;
static int status;

static int set_up(void **state)
{
	struct mpio_queue_config config = {
		.bios = 4, .memory = memory, .memory_size = sizeof(memory)};

	(void)state;
	pattern_fill(disk, 'a', 0, DISK);
	memcpy(before, disk, DISK);
	mpio_mem_init(&mem, disk, DISK - 100);
	ends = 0;
	return mpio_queue_open(&mem.device, &config, &queue);
}

static int tear_down(void **state)
{
	(void)state;
	mpio_queue_close(queue);
	return 0;
}

static void end_io(struct mpio_bio *bio)
{
	ends++;
	status = bio->status;
	mpio_bio_put(bio);
}

static struct mpio_bio *a_bio(enum mpio_bio_op op, uint64_t offset)
{
	struct mpio_bio *bio = mpio_bio_get(queue, op, 0);

	assert_non_null(bio);
	bio->offset = offset;
	bio->end_io = end_io;
	return bio;
}

static void assert_ended_inside(struct mpio_bio *bio)
{
	int n = ends;

	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(ends, n + 1);
	assert_int_equal(status, 0);
}

static void a_disk_is_told_as_it_is(void **state)
{
	(void)state;
	assert_int_equal(mem.device.size, DISK - 100);
	assert_ptr_equal(mem.data, disk);
	assert_non_null(mem.device.ops.submit);
	assert_null(mem.device.ops.reap);
	assert_int_equal(mpio_queue_event_fd(queue), -1);
	assert_int_equal(mpio_queue_limits(queue)->block, 512);
}

static void reads_fill_scattered_memory(void **state)
{
	unsigned char to[2048];
	struct mpio_bio *bio = a_bio(MPIO_BIO_READ, 4096);

	(void)state;
	assert_int_equal(mpio_bio_add(bio, to + 1000, 1024), 0);
	assert_int_equal(mpio_bio_add(bio, to, 512), 0);
	assert_ended_inside(bio);
	assert_memory_equal(to + 1000, disk + 4096, 1024);
	assert_memory_equal(to, disk + 5120, 512);
	assert_memory_equal(disk, before, DISK);
}

static void writes_take_scattered_memory(void **state)
{
	unsigned char from[2048];
	struct mpio_bio *bio = a_bio(MPIO_BIO_WRITE, 4096);

	(void)state;
	pattern_fill(from, 'f', 0, sizeof(from));
	assert_int_equal(mpio_bio_add(bio, from + 1000, 1024), 0);
	assert_int_equal(mpio_bio_add(bio, from, 512), 0);
	assert_ended_inside(bio);
	assert_memory_equal(disk + 4096, from + 1000, 1024);
	assert_memory_equal(disk + 5120, from, 512);
	assert_memory_equal(disk, before, 4096);
	assert_memory_equal(disk + 5632, before + 5632, DISK - 5632);
}

static void the_last_bytes_of_an_odd_disk_are_reached(void **state)
{
	unsigned char to[512];
	struct mpio_bio *bio = a_bio(MPIO_BIO_READ, DISK - 512);

	(void)state;
	assert_int_equal(mpio_bio_add(bio, to, 512), 0);
	assert_int_equal(mpio_bio_submit(bio), -MPIO_EINVAL);
	mpio_bio_reset(bio, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, to, 412), 0);
	assert_ended_inside(bio);
	assert_memory_equal(to, disk + DISK - 512, 412);
}

static void discarded_bytes_read_as_zeros(void **state)
{
	static const unsigned char zeros[1024];
	struct mpio_bio *bio = a_bio(MPIO_BIO_DISCARD, 2048);

	(void)state;
	bio->length = 1024;
	assert_ended_inside(bio);
	assert_memory_equal(disk + 2048, zeros, 1024);
	assert_memory_equal(disk, before, 2048);
	assert_memory_equal(disk + 3072, before + 3072, DISK - 3072);
}

/* Memory has no cache that could be flushed. */
static void flushes_end_at_once(void **state)
{
	(void)state;
	assert_ended_inside(a_bio(MPIO_BIO_FLUSH, 0));
	assert_int_equal(mpio_queue_flush(queue), 0);
	assert_memory_equal(disk, before, DISK);
}

static void a_fua_write_is_one_io(void **state)
{
	unsigned char from[512] = {1};
	struct mpio_bio *bio = a_bio(MPIO_BIO_WRITE, 0);

	(void)state;
	mpio_bio_reset(bio, MPIO_BIO_WRITE, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH);
	assert_int_equal(mpio_bio_add(bio, from, 512), 0);
	assert_ended_inside(bio);
	assert_int_equal(mpio_queue_stats(queue)->submits, 1);
	assert_memory_equal(disk, from, 512);
}

static void its_limits_may_be_changed_before_a_queue_is_opened(void **state)
{
	static uint64_t more[32768];
	struct mpio_queue_config config = {
		.bios = 4, .memory = more, .memory_size = sizeof(more)};
	struct mpio_queue *other;

	(void)state;
	mem.device.limits.logical_block_size = 4096;
	mem.device.limits.bytes_max = 16384;
	assert_int_equal(mpio_queue_open(&mem.device, &config, &other), 0);
	assert_int_equal(mpio_queue_limits(other)->block, 4096);
	assert_int_equal(mpio_queue_limits(other)->bytes_max, 16384);
	mpio_queue_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_is_told_as_it_is),
		TEST(reads_fill_scattered_memory),
		TEST(writes_take_scattered_memory),
		TEST(the_last_bytes_of_an_odd_disk_are_reached),
		TEST(discarded_bytes_read_as_zeros),
		TEST(flushes_end_at_once),
		TEST(a_fua_write_is_one_io),
		TEST(its_limits_may_be_changed_before_a_queue_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

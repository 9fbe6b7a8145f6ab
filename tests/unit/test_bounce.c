/* SPDX-License-Identifier: MIT */
/*
 * Bios by hand whose memory is not aligned as their device asks. They bounce:
 * the mock device would tell of any piece of memory that is misaligned.
 *
 * With the pool of SMALL_POOL bytes that most tests have, a slot holds one
 * block.
 */
#include "mock.h"

#define SMALL_POOL (4 * BLOCK)

static void open_bouncing(struct rig *rig, uint32_t alignment, uint32_t pool)
{
	rig->a.device.limits.memory_alignment = alignment;
	rig->config.bounce_bytes = pool;
	rig->watch = WATCH_IO;
	rig_open(rig);
}

static struct mock_io *make_odd(struct rig *rig, enum mpio_bio_op op,
				uint32_t flags, uint64_t block, uint32_t count)
{
	struct mock_io *io = make_io(rig, rig->queue, op, flags, block, count);

	memmove(io->memory + 1, io->memory, count * BLOCK);
	mpio_bio_reset(io->bio, op, flags);
	assert_int_equal(mpio_bio_add(io->bio, io->memory + 1, count * BLOCK),
			 0);
	return io;
}

/* A bio of one piece of memory, at an odd address. */
static struct mock_io *start_odd(struct rig *rig, enum mpio_bio_op op,
				 uint32_t flags, uint64_t block, uint32_t count)
{
	struct mock_io *io = make_odd(rig, op, flags, block, count);

	submit_io(io);
	return io;
}

static const struct mpio_stats *stats(const struct rig *rig)
{
	return mpio_queue_stats(rig->queue);
}

/* ---- Any memory -------------------------------------------------------- */

static void a_device_that_takes_any_memory_gets_it(void **state)
{
	struct rig *rig = *state;

	open_bouncing(rig, 1, SMALL_POOL);
	start_odd(rig, MPIO_BIO_READ, 0, 100, 4);
	assert_trace(rig, "read 100+4");
	assert_int_equal(stats(rig)->bounces, 0);
}

static int take_what_is_inside(struct mpio_device *device, void *channel,
			       struct mpio_bio *bio)
{
	(void)channel;
	assert_true(bio->offset <= device->size);
	assert_true(bio->length <= device->size - bio->offset);
	mpio_bio_end(bio, 0);
	return 0;
}

/* Its last block would go on behind what 64 bits can tell. */
static void the_largest_device_is_read_to_its_end(void **state)
{
	static _Alignas(max_align_t) unsigned char room[1 << 20];
	const struct mpio_queue_config config = {.memory = room,
						 .memory_size = sizeof(room)};
	struct mpio_device device = {
		.ops = {.submit = take_what_is_inside},
		.limits = {.logical_block_size = 4096},
		.size = UINT64_MAX - 3,
	};
	unsigned char memory[20];
	struct mpio_queue *queue;
	struct mpio_bio *bio;

	(void)state;
	assert_int_equal(mpio_queue_open(&device, &config, &queue), 0);
	bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);
	bio->offset = (device.size & ~UINT64_C(4095)) + 10;
	assert_int_equal(mpio_bio_add(bio, memory, sizeof(memory)), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_stats(queue)->errors, 0);
	assert_int_equal(mpio_queue_stats(queue)->reads, 1);
	mpio_queue_close(queue);
}

/* One piece of three is at an odd address, whichever it is. */
static void each_piece_of_memory_is_looked_at(void **state)
{
	struct rig *rig = *state;
	_Alignas(512) unsigned char memory[8 * BLOCK];

	open_bouncing(rig, 512, SMALL_POOL);
	for (uint32_t odd = 0; odd < 3; odd++) {
		struct mock_io *io =
			make_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 3);

		mpio_bio_reset(io->bio, MPIO_BIO_READ, 0);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(mpio_bio_add(io->bio,
						      memory + 2 * i * BLOCK +
							      (i == odd),
						      BLOCK),
					 0);
		submit_io(io);
		assert_int_equal(stats(rig)->bounces, odd + 1);
	}
	assert_data(memory + 1 + 4 * BLOCK, "a102");
}

/* So it may be a constant, as this is. */
static void memory_that_is_written_from_stays_as_it_is(void **state)
{
	static const unsigned char zeros[BLOCK + 1];
	struct rig *rig = *state;
	struct mock_io *io;

	open_bouncing(rig, 512, SMALL_POOL);
	io = make_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 100, 1);
	mpio_bio_reset(io->bio, MPIO_BIO_WRITE, 0);
	assert_int_equal(
		mpio_bio_add(io->bio, (void *)(uintptr_t)(zeros + 1), BLOCK),
		0);
	submit_io(io);
	assert_int_equal(stats(rig)->bounces, 1);
	assert_disk(&rig->a, 99, "a99 0 a101");
}

static void memory_that_is_aligned_does_not_bounce(void **state)
{
	struct rig *rig = *state;
	_Alignas(512) unsigned char memory[4 * BLOCK];
	struct mock_io *io;

	open_bouncing(rig, 512, SMALL_POOL);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 100, 4);
	mpio_bio_reset(io->bio, MPIO_BIO_READ, 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(
			mpio_bio_add(io->bio, memory + (3 - i) * BLOCK, BLOCK),
			0);
	submit_io(io);
	assert_trace(rig, "read 100+4");
	assert_data(memory, "a103 a102 a101 a100");
	assert_int_equal(stats(rig)->bounces, 0);
	assert_int_equal(stats(rig)->bytes_bounced, 0);
}

/* Memory is aligned more coarsely than blocks are. */
static void wherever_it_is_written_to(void **state)
{
	struct rig *rig = *state;
	_Alignas(4 * BLOCK) unsigned char memory[4 * BLOCK];
	struct mock_io *io;

	open_bouncing(rig, 4 * BLOCK, SMALL_POOL);
	io = make_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 101, 4);
	memcpy(memory, io->memory, sizeof(memory));
	mpio_bio_reset(io->bio, MPIO_BIO_WRITE, 0);
	assert_int_equal(mpio_bio_add(io->bio, memory, sizeof(memory)), 0);
	submit_io(io);
	assert_trace(rig, "write 101+4");
	assert_disk(&rig->a, 101, "f101 f102 f103 f104");
	assert_int_equal(stats(rig)->bounces, 0);
}

static void a_slot_is_the_window(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_bouncing(rig, 512, SMALL_POOL);
	io = start_odd(rig, MPIO_BIO_READ, 0, 100, 3);
	assert_trace(rig, "read 100+1, read 101+1, read 102+1");
	assert_data(io->memory + 1, "a100 a101 a102");
	assert_int_equal(stats(rig)->bounces, 1);
	assert_int_equal(stats(rig)->bytes_bounced, 3 * BLOCK);
	assert_int_equal(stats(rig)->reads, 1);
	assert_int_equal(stats(rig)->bytes_read, 3 * BLOCK);
	assert_int_equal(stats(rig)->retries, 0);
}

/* Blocks of 512 bytes, and memory that is to lie at multiples of 4096. */
static void a_block_may_be_less_than_the_alignment(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_bouncing(rig, 4096, SMALL_POOL);
	io = start_odd(rig, MPIO_BIO_WRITE, 0, 101, 1);
	assert_trace(rig, "write 101+1");
	assert_int_equal(io->status, 0);
	assert_disk(&rig->a, 100, "a100 f101 a102");
}

static void the_devices_end_may_be_odd(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.size = 102 * BLOCK + 77;
	open_bouncing(rig, 512, SMALL_POOL);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 101, 2);
	mpio_bio_reset(io->bio, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(io->bio, io->memory + 1, BLOCK + 77), 0);
	submit_io(io);
	assert_trace(rig, "read 101+1, read 102+77B");
	assert_int_equal(io->status, 0);
	assert_memory_equal(io->memory + 1, rig->a.disk + 101 * BLOCK,
			    BLOCK + 77);
	assert_int_equal(io->memory[1 + BLOCK + 77], 0xa5);
}

/* ---- When something goes wrong ----------------------------------------- */

static void what_comes_short_is_driven_on(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 101, 1, 0);
	struct mock_io *io;

	fault->done = 600;
	fault->times = 1;
	open_bouncing(rig, 512, 4 * SMALL_POOL);
	io = start_odd(rig, MPIO_BIO_READ, 0, 100, 6);
	assert_trace(rig, "read 100+4, read 102912B+3584B, read 104+2");
	assert_data(io->memory + 1, "a100 a101 a102 a103 a104 a105");
	assert_int_equal(stats(rig)->retries, 1);
}

static void less_than_the_alignment_is_progress(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 4, 0);
	struct mock_io *io;

	fault->done = 512;
	open_bouncing(rig, 4096, 0);
	io = start_odd(rig, MPIO_BIO_WRITE, 0, 100, 4);
	assert_int_equal(io->status, 0);
	assert_disk(&rig->a, 99, "a99 f100 f101 f102 f103 a104");
	assert_int_equal(stats(rig)->retries, 7);
}

static void what_fails_in_passing_is_tried_again(void **state)
{
	static const int errors[] = {-MPIO_EAGAIN, -MPIO_EINTR};
	struct rig *rig = *state;

	open_bouncing(rig, 512, SMALL_POOL);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		struct mock_fault *fault =
			mock_fail(&rig->a, 101, 1, errors[i]);
		struct mock_io *io;

		fault->times = 3;
		rig->a.refuse = 2;
		rig->a.refusal = errors[i];
		io = start_odd(rig, MPIO_BIO_WRITE, 0, 100, 3);
		assert_trace(rig, "write 100+1, write 101+1, write 101+1, "
				  "write 101+1, write 101+1, write 102+1");
		assert_int_equal(io->status, 0);
		assert_disk(&rig->a, 99, "a99 f100 f101 f102 a103");
	}
}

/* As a bio does whose memory is aligned: there, it is one I/O. */
static void after_an_error_no_more_is_tried(void **state)
{
	static const int errors[] = {-MPIO_EIO, -MPIO_ENOSPC};
	struct rig *rig = *state;

	open_bouncing(rig, 512, SMALL_POOL);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		struct mock_io *io;

		mock_fail(&rig->a, 101, 1, errors[i])->times = 1;
		io = start_odd(rig, MPIO_BIO_READ, 0, 100, 4);
		assert_trace(rig, "read 100+1, read 101+1");
		assert_int_equal(io->status, errors[i]);
		assert_data(io->memory + 1, "a100 ? ?");
	}
	assert_int_equal(start_odd(rig, MPIO_BIO_READ, 0, 100, 4)->status, 0);
	assert_int_equal(stats(rig)->errors, 2);
}

/* A slot may still hold what others have read. */
static void only_what_was_moved_is_copied(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 200, 1, 0);
	struct mock_io *io;

	fault->done = 700;
	fault->times = 1;
	mock_fail(&rig->a, 200, 1, -MPIO_EIO);
	open_bouncing(rig, 512, 4 * BLOCK);
	start_odd(rig, MPIO_BIO_READ, 0, 100, 16);
	io = start_odd(rig, MPIO_BIO_READ, 0, 200, 1);
	assert_int_equal(io->status, -MPIO_EIO);
	assert_memory_equal(io->memory + 1, rig->a.disk + 200 * BLOCK, 700);
	for (uint32_t i = 700; i < BLOCK; i++)
		assert_int_equal(io->memory[1 + i], 0xa5);
}

static void a_device_that_refuses_for_good_fails_the_bio(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_bouncing(rig, 512, SMALL_POOL);
	rig->a.refuse = 1;
	rig->a.refusal = -MPIO_ENOMEM;
	io = start_odd(rig, MPIO_BIO_READ, 0, 100, 4);
	assert_int_equal(io->status, -MPIO_ENOMEM);
	assert_trace(rig, "");
}

/* ---- Order ------------------------------------------------------------- */

static void flushes_stand_before_and_behind_all_windows(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	open_bouncing(rig, 512, SMALL_POOL);
	start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA, 100, 2);
	assert_trace(rig, "write 100+1, write 101+1, flush");
	start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 100, 2);
	assert_trace(rig, "flush, write 100+1, write 101+1");
	start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA, 200,
		  2);
	assert_trace(rig, "flush, write 200+1, write 201+1, flush");
	assert_disk(&rig->a, 199, "a199 f200 f201 a202");
	assert_int_equal(stats(rig)->bytes_bounced, 6 * BLOCK);
	assert_int_equal(stats(rig)->retries, 0);
}

static void a_flush_that_fails_is_told(void **state)
{
	struct rig *rig = *state;
	const uint32_t both = MPIO_BIO_PREFLUSH | MPIO_BIO_FUA;
	struct mock_fault *fault = mock_fail(&rig->a, 0, 0, -MPIO_EIO);

	fault->op = 1u << MPIO_BIO_FLUSH;
	fault->times = 1;
	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	open_bouncing(rig, 512, SMALL_POOL);
	assert_int_equal(start_odd(rig, MPIO_BIO_WRITE, both, 100, 2)->status,
			 -MPIO_EIO);
	assert_trace(rig, "flush");
	fault->is_over = false;
	fault->times = 1;
	assert_int_equal(
		start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA, 100, 2)->status,
		-MPIO_EIO);
	/* All slots are there again. */
	for (int i = 0; i < 6; i++)
		assert_int_equal(
			start_odd(rig, MPIO_BIO_WRITE, both, 100, 2)->status,
			0);
}

static void a_flush_waits_for_those_that_wait_for_a_slot(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	open_bouncing(rig, 512, BLOCK / 2); /* one slot of 512 bytes */
	start_odd(rig, MPIO_BIO_WRITE, 0, 100, 1);
	start_odd(rig, MPIO_BIO_WRITE, 0, 110, 1);
	start_odd(rig, MPIO_BIO_WRITE, 0, 120, 1);
	start_io(rig, rig->queue, MPIO_BIO_FLUSH, 0, 0, 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 100+512B, write 102912B+512B, "
			  "write 110+512B, write 113152B+512B, "
			  "write 120+512B, write 123392B+512B, flush");
}

static void a_fua_write_may_wait_for_a_slot(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	open_bouncing(rig, BLOCK, BLOCK);
	start_odd(rig, MPIO_BIO_WRITE, 0, 100, 1);
	start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA, 110, 1);
	start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 120, 1);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_trace(rig, "write 100+1, write 110+1, flush, flush, "
			  "write 120+1");
	assert_disk(&rig->a, 110, "f110 a111");
}

/* The device promises for each aligned unit of 4 blocks that it won't tear. */
static void windows_do_not_tear_atomic_units(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	open_bouncing(rig, 512, BLOCK); /* one slot: a unit */
	io = start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_ATOMIC, 102, 11);
	assert_trace(rig, "write 102+2, write 104+4, write 108+4, write 112+1");
	assert_int_equal(io->status, 0);
	/* Nor do short transfers. */
	mock_fail(&rig->a, 105, 1, 0)->times = 1;
	rig->a.faults[0].done = BLOCK;
	io = start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_ATOMIC, 104, 8);
	assert_trace(rig, "write 104+4, write 104+4, write 108+4");
	assert_int_equal(io->status, 0);
}

/* It tears nothing, so no unit of the device is in its way. */
static void a_read_that_says_it_is_atomic_is_parted_as_any(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.limits.atomic_unit = 4 * BLOCK;
	open_bouncing(rig, 1, 0);
	mock_fail(&rig->a, 105, 1, 0)->done = BLOCK;
	io = start_odd(rig, MPIO_BIO_READ, MPIO_BIO_ATOMIC, 105, 3);
	assert_trace(rig, "read 105+3, read 106+2");
	assert_int_equal(io->status, 0);
}

static void units_are_whole_in_larger_slots_too(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.atomic_unit = 2 * BLOCK;
	open_bouncing(rig, 512, 16 * BLOCK);
	start_odd(rig, MPIO_BIO_WRITE, MPIO_BIO_ATOMIC, 101, 10);
	assert_trace(rig, "write 101+3, write 104+4, write 108+3");
}

/* ---- Waiting for a slot ------------------------------------------------ */

static void as_many_bounce_at_once_as_there_are_slots(void **state)
{
	struct rig *rig = *state;
	struct mock_io *ios[20];

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.reap_max = 1;
	open_bouncing(rig, 512, SMALL_POOL);
	for (uint32_t i = 0; i < COUNT_OF(ios); i++)
		ios[i] = start_odd(rig, MPIO_BIO_READ, 0, 100 + 10 * i, 2);
	assert_int_equal(stats(rig)->in_flight, 4);
	assert_trace(rig, "read 100+1, read 110+1, read 120+1, read 130+1");
	for (uint32_t i = 0; i < COUNT_OF(ios); i++) {
		assert_int_equal(mpio_queue_wait(rig->queue), 1);
		assert_true(stats(rig)->in_flight <= 4);
		assert_int_equal(ios[i]->ends, 1); /* in their order */
	}
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
	for (uint32_t i = 0; i < COUNT_OF(ios); i++)
		assert_memory_equal(ios[i]->memory + 1,
				    rig->a.disk + (100 + 10 * i) * BLOCK,
				    2 * BLOCK);
	assert_int_equal(stats(rig)->bounces, COUNT_OF(ios));
	assert_int_equal(stats(rig)->in_flight_peak, 4);
}

/* What an event loop does: nothing but poll. */
static void polling_is_enough(void **state)
{
	struct rig *rig = *state;
	int ended = 0;

	mock_asynchronous(&rig->a);
	rig->a.reap_max = 1;
	open_bouncing(rig, 512, BLOCK);
	for (uint32_t i = 0; i < 5; i++)
		start_odd(rig, MPIO_BIO_READ, 0, 100 + 10 * i, 4);
	for (int i = 0; i < 40; i++) {
		/* Else its descriptor would not become readable. */
		assert_int_equal(rig->a.pushed, rig->a.pending_count);
		ended += mpio_queue_poll(rig->queue);
	}
	assert_int_equal(ended, 5);
}

static void under_a_plug_too(void **state)
{
	struct rig *rig = *state;

	open_bouncing(rig, 512, BLOCK);
	mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < 10; i++)
		start_odd(rig, MPIO_BIO_READ, 0, 200 - 10 * i, 1);
	assert_trace(rig, "");
	mpio_queue_unplug(rig->queue);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(rig->ios[i].ends, 1);
		assert_int_equal(rig->ios[i].status, 0);
	}
	assert_int_equal(stats(rig)->bounces, 10);
}

static void closing_waits_for_those_that_wait(void **state)
{
	struct rig *rig = *state;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.lifo = true;
	open_bouncing(rig, 512, SMALL_POOL);
	for (uint32_t i = 0; i < 12; i++)
		start_odd(rig, MPIO_BIO_WRITE, 0, 100 + 10 * i, 3);
	mpio_queue_close(rig->queue);
	rig->queue = NULL;
	for (uint32_t i = 0; i < 12; i++) {
		assert_int_equal(rig->ios[i].ends, 1);
		assert_int_equal(rig->ios[i].status, 0);
		assert_memory_equal(rig->a.disk + (100 + 10 * i) * BLOCK,
				    rig->ios[i].memory + 1, 3 * BLOCK);
	}
}

static int waited;

static void wait_for_another(struct mpio_bio *bio)
{
	waited = mpio_queue_wait(bio->queue);
	bio->end_io = NULL;
	mpio_bio_put(bio);
}

/* The slot of the one that ends has gone to it already. */
static void a_callback_can_wait_for_one_that_waits(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	open_bouncing(rig, BLOCK, BLOCK);
	io = make_odd(rig, MPIO_BIO_READ, 0, 100, 1);
	io->bio->end_io = wait_for_another;
	waited = 0;
	assert_int_equal(mpio_bio_submit(io->bio), 0);
	io = start_odd(rig, MPIO_BIO_READ, 0, 110, 1);
	assert_trace(rig, "read 100+1");
	assert_int_equal(mpio_queue_wait(rig->queue), 1);
	assert_int_equal(waited, 1);
	assert_int_equal(io->ends, 1);
	assert_int_equal(mpio_queue_wait(rig->queue), 0);
}

static void start_another(struct mpio_bio *bio)
{
	uint32_t *left = bio->ctx;

	assert_int_equal(bio->status, 0);
	if (--*left == 0)
		mpio_bio_put(bio);
	else
		assert_int_equal(mpio_bio_submit(bio), 0);
}

static void bios_that_start_each_other_share_a_slot(void **state)
{
	struct rig *rig = *state;
	uint32_t left[3] = {1000, 1000, 1000};

	open_bouncing(rig, BLOCK, BLOCK);
	rig->watch = 0;
	for (uint32_t i = 0; i < 3; i++) {
		struct mock_io *io =
			make_odd(rig, MPIO_BIO_READ, 0, 100 + 10 * i, 3);

		io->bio->end_io = start_another;
		io->bio->ctx = &left[i];
		assert_int_equal(mpio_bio_submit(io->bio), 0);
	}
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(left[i], 0);
	assert_int_equal(stats(rig)->bounces, 3000);
}

/* ---- What is told ------------------------------------------------------ */

static void note_submit(void *ctx, const struct mpio_event *event)
{
	if (event->type == MPIO_EVENT_SUBMIT)
		trace(ctx, WATCH_IO, "%s", event->retry ? "again" : "first");
}

static void a_further_window_is_no_retry(void **state)
{
	struct rig *rig = *state;

	rig->config.event = note_submit;
	rig->config.event_ctx = rig;
	mock_fail(&rig->a, 101, 1, -MPIO_EAGAIN)->times = 1;
	open_bouncing(rig, 512, SMALL_POOL);
	start_odd(rig, MPIO_BIO_READ, 0, 100, 3);
	assert_trace(rig, "first, read 100+1, first, read 101+1, "
			  "again, read 101+1, first, read 102+1");
	assert_int_equal(stats(rig)->retries, 1);
}

static size_t size_of(struct rig *rig, uint32_t alignment, uint32_t pool)
{
	rig->a.device.limits.memory_alignment = alignment;
	rig->config.bounce_bytes = pool;
	return mpio_queue_size(&rig->a.device, &rig->config);
}

static void the_pool_is_there_for_those_who_need_it(void **state)
{
	struct rig *rig = *state;
	size_t plain = size_of(rig, 0, 0);
	size_t few = 4096 + 512; /* for slack, and the slots' descriptors */

	assert_int_equal(size_of(rig, 1, 0), plain);
	assert_in_range(size_of(rig, 1, 8192), plain + 8192,
			plain + 8192 + few);
	assert_in_range(size_of(rig, 512, 0), plain + (256 << 10),
			plain + (256 << 10) + few);
	assert_in_range(size_of(rig, 512, 8192), plain + 8192,
			plain + 8192 + few);
	assert_in_range(size_of(rig, 4096, 1), plain + 4096,
			plain + 4096 + few);
	rig->a.device.limits.logical_block_size = 1024;
	assert_in_range(size_of(rig, 1, 0), plain + (256 << 10),
			plain + (256 << 10) + few);
	rig->a.device.limits.atomic_unit = 1 << 16;
	assert_in_range(size_of(rig, 512, 1), plain + (1 << 16),
			plain + (1 << 16) + few);
}

static void there_is_no_more_in_a_slot_than_in_a_bio(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.bytes_max = 3 * BLOCK;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	open_bouncing(rig, 512, 16 * BLOCK);
	for (uint32_t i = 0; i < 9; i++)
		start_odd(rig, MPIO_BIO_READ, 0, 100 + 10 * i, 2);
	assert_int_equal(stats(rig)->in_flight, 8);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_device_that_takes_any_memory_gets_it),
		cmocka_unit_test(the_largest_device_is_read_to_its_end),
		RIG_TEST(each_piece_of_memory_is_looked_at),
		RIG_TEST(memory_that_is_written_from_stays_as_it_is),
		RIG_TEST(memory_that_is_aligned_does_not_bounce),
		RIG_TEST(a_slot_is_the_window),
		RIG_TEST(a_block_may_be_less_than_the_alignment),
		RIG_TEST(the_devices_end_may_be_odd),
		RIG_TEST(what_comes_short_is_driven_on),
		RIG_TEST(less_than_the_alignment_is_progress),
		RIG_TEST(what_fails_in_passing_is_tried_again),
		RIG_TEST(after_an_error_no_more_is_tried),
		RIG_TEST(only_what_was_moved_is_copied),
		RIG_TEST(a_device_that_refuses_for_good_fails_the_bio),
		RIG_TEST(flushes_stand_before_and_behind_all_windows),
		RIG_TEST(a_flush_that_fails_is_told),
		RIG_TEST(a_flush_waits_for_those_that_wait_for_a_slot),
		RIG_TEST(a_fua_write_may_wait_for_a_slot),
		RIG_TEST(windows_do_not_tear_atomic_units),
		RIG_TEST(a_read_that_says_it_is_atomic_is_parted_as_any),
		RIG_TEST(units_are_whole_in_larger_slots_too),
		RIG_TEST(as_many_bounce_at_once_as_there_are_slots),
		RIG_TEST(polling_is_enough),
		RIG_TEST(under_a_plug_too),
		RIG_TEST(closing_waits_for_those_that_wait),
		RIG_TEST(a_callback_can_wait_for_one_that_waits),
		RIG_TEST(bios_that_start_each_other_share_a_slot),
		RIG_TEST(a_further_window_is_no_retry),
		RIG_TEST(the_pool_is_there_for_those_who_need_it),
		RIG_TEST(there_is_no_more_in_a_slot_than_in_a_bio),
		RIG_TEST(wherever_it_is_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

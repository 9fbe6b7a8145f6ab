/* SPDX-License-Identifier: MIT */
/*
 * Bio: taken, filled, submitted, ended once, refilled, put back.
 */
#include "mock.h"

#include <sys/uio.h>

/* ---- The pool ----------------------------------------------------------- */

static uint32_t take_all(struct rig *rig, struct mpio_bio **bios, uint32_t max)
{
	uint32_t n = 0;

	while (n < max &&
	       (bios[n] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0)) != NULL)
		n++;
	return n;
}

static void a_bio_comes_empty(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_WRITE,
			   MPIO_BIO_FUA | MPIO_BIO_META);
	assert_non_null(bio);
	assert_int_equal(bio->op, MPIO_BIO_WRITE);
	assert_int_equal(bio->flags, MPIO_BIO_FUA | MPIO_BIO_META);
	assert_int_equal(bio->length, 0);
	assert_int_equal(bio->vec_count, 0);
	assert_int_equal(bio->offset, 0);
	assert_null(bio->end_io);
	assert_null(bio->ctx);
	assert_ptr_equal(bio->queue, rig->queue);
	mpio_bio_put(bio);
}

static void the_pool_has_as_many_small_bios_as_large_ones(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *bios[16];

	rig->config.bios = 3;
	rig_open(rig);
	assert_int_equal(take_all(rig, bios, 16), 6);
	assert_null(mpio_bio_get(rig->queue, MPIO_BIO_FLUSH, 0));
	mpio_bio_put(bios[2]);
	assert_non_null(bios[2] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0));
	assert_null(mpio_bio_get(rig->queue, MPIO_BIO_READ, 0));
	for (int i = 0; i < 6; i++)
		mpio_bio_put(bios[i]);
	assert_int_equal(take_all(rig, bios, 16), 6);
	for (int i = 0; i < 6; i++)
		mpio_bio_put(bios[i]);
}

static void a_bio_used_before_comes_empty_again(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *bios[4];

	rig->config.bios = 2;
	rig_open(rig);
	for (int i = 0; i < 4; i++)
		start_io(rig, rig->queue, MPIO_BIO_WRITE, MPIO_BIO_SYNC, 7, 1);
	assert_int_equal(take_all(rig, bios, 4), 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(bios[i]->op, MPIO_BIO_READ);
		assert_int_equal(bios[i]->flags, 0);
		assert_int_equal(bios[i]->length, 0);
		assert_int_equal(bios[i]->vec_count, 0);
		assert_null(bios[i]->end_io);
		mpio_bio_put(bios[i]);
	}
}

/* ---- Memory ------------------------------------------------------------- */

static void pieces_are_laid_out_as_iovec(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct mpio_iovec), sizeof(struct iovec));
	assert_int_equal(offsetof(struct mpio_iovec, base),
			 offsetof(struct iovec, iov_base));
	assert_int_equal(offsetof(struct mpio_iovec, length),
			 offsetof(struct iovec, iov_len));
}

static void memory_that_follows_is_joined(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[4096];
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, memory, 512), 0);
	assert_int_equal(mpio_bio_add(bio, memory + 512, 512), 0);
	assert_int_equal(bio->vec_count, 1);
	assert_int_equal(mpio_bio_add(bio, memory + 1536, 512), 0);
	assert_int_equal(bio->vec_count, 2);
	/* Memory before a piece is not behind it. */
	assert_int_equal(mpio_bio_add(bio, memory + 1024, 512), 0);
	assert_int_equal(bio->vec_count, 3);
	assert_int_equal(mpio_bio_add(bio, memory + 1536, 1), 0);
	assert_int_equal(bio->vec_count, 3);
	assert_int_equal(bio->length, 2049);
	assert_ptr_equal(bio->vecs[0].base, memory);
	assert_int_equal(bio->vecs[0].length, 1024);
	assert_int_equal(bio->vecs[2].length, 513);
	mpio_bio_put(bio);
}

static void no_bytes_are_no_memory(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[512];
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, memory, 0), -MPIO_EINVAL);
	assert_int_equal(bio->vec_count, 0);
	mpio_bio_put(bio);
}

static void flush_and_discard_take_no_memory(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[512];
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_FLUSH, 0);
	assert_int_equal(mpio_bio_add(bio, memory, 512), -MPIO_EINVAL);
	mpio_bio_reset(bio, MPIO_BIO_DISCARD, 0);
	assert_int_equal(mpio_bio_add(bio, memory, 512), -MPIO_EINVAL);
	assert_int_equal(bio->length, 0);
	mpio_bio_put(bio);
}

static void pieces_end_at_the_limit(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[64][2];
	struct mpio_bio *bio;

	rig->config.segments_max = 5;
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(mpio_bio_add(bio, memory[2 * i], 1), 0);
	assert_int_equal(mpio_bio_add(bio, memory[10], 1), -MPIO_ENOSPC);
	assert_int_equal(bio->vec_count, 5);
	assert_int_equal(bio->length, 5);
	/* What is joined needs no piece. */
	assert_int_equal(mpio_bio_add(bio, memory[8] + 1, 2), 0);
	assert_int_equal(bio->vec_count, 5);
	assert_int_equal(bio->length, 7);
	mpio_bio_put(bio);
}

static void bytes_end_at_the_limit(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[8192];
	struct mpio_bio *bio;

	rig->config.bytes_max = 4096;
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_int_equal(mpio_bio_add(bio, memory, 4097), -MPIO_ENOSPC);
	assert_int_equal(mpio_bio_add(bio, memory, 4095), 0);
	assert_int_equal(mpio_bio_add(bio, memory + 4095, 2), -MPIO_ENOSPC);
	assert_int_equal(mpio_bio_add(bio, memory + 4095, UINT32_MAX),
			 -MPIO_ENOSPC);
	assert_int_equal(bio->length, 4095);
	assert_int_equal(bio->vecs[0].length, 4095);
	assert_int_equal(mpio_bio_add(bio, memory + 4095, 1), 0);
	assert_int_equal(bio->length, 4096);
	mpio_bio_put(bio);
}

/* ---- Submitting --------------------------------------------------------- */

static void a_bio_ends_once_inside_submit_if_it_is_done_at_once(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 40, 2);
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, 0);
	assert_data(io->memory, "a40 a41");
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 50, 1);
	assert_int_equal(io->ends, 1);
	assert_disk(&rig->a, 49, "a49 f50 a51");
	assert_trace(rig, "read 40+2, write 50+1");
}

static void without_end_io_a_bio_is_put_back_by_itself(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[512];
	struct mpio_bio *bios[4];

	rig->config.bios = 2;
	rig_open(rig);
	for (int i = 0; i < 10; i++) {
		struct mpio_bio *bio =
			mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);

		assert_non_null(bio);
		assert_int_equal(mpio_bio_add(bio, memory, 512), 0);
		assert_int_equal(mpio_bio_submit(bio), 0);
	}
	assert_int_equal(take_all(rig, bios, 4), 4);
	for (int i = 0; i < 4; i++)
		mpio_bio_put(bios[i]);
}

/* What a refused bio looks like: still the caller's, unchanged. */
static void assert_refused(struct rig *rig, struct mpio_bio *bio)
{
	uint64_t offset = bio->offset;
	uint32_t length = bio->length;

	assert_int_equal(mpio_bio_submit(bio), -MPIO_EINVAL);
	assert_int_equal(bio->offset, offset);
	assert_int_equal(bio->length, length);
	assert_trace(rig, "");
}

static void what_the_device_cannot_do_is_refused(void **state)
{
	struct rig *rig = *state;
	static unsigned char memory[8192];
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_refused(rig, bio); /* empty */
	assert_int_equal(mpio_bio_add(bio, memory, 511), 0);
	assert_refused(rig, bio); /* half a block */
	assert_int_equal(mpio_bio_add(bio, memory + 511, 513), 0);
	bio->offset = 256;
	assert_refused(rig, bio); /* begins in a block */
	bio->offset = DISK_BLOCKS * BLOCK - 512;
	assert_refused(rig, bio); /* past the end */
	bio->offset = DISK_BLOCKS * BLOCK;
	assert_refused(rig, bio);
	bio->offset = UINT64_MAX - 511;
	assert_refused(rig, bio); /* wraps */
	/* It is still the caller's, and can be mended. */
	bio->offset = DISK_BLOCKS * BLOCK - 1024;
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_trace(rig, "read 1023+1");
	assert_data(memory, "a1023");
}

static void a_discard_may_be_larger_than_a_transfer(void **state)
{
	struct rig *rig = *state;

	rig->a.device.limits.bytes_max = BLOCK;
	rig_open(rig);
	start_io(rig, rig->queue, MPIO_BIO_DISCARD, 0, 3, 9);
	assert_trace(rig, "discard 3+9");
}

static void an_empty_discard_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mpio_bio *bio;

	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_DISCARD, 0);
	assert_refused(rig, bio);
	mpio_bio_put(bio);
}

static void the_block_that_the_devices_end_cuts_is_reached(void **state)
{
	struct rig *rig = *state;
	unsigned char memory[1024];
	struct mpio_bio *bio;

	rig->a.device.size = 10 * BLOCK + 100;
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	bio->offset = 10 * BLOCK;
	assert_int_equal(mpio_bio_add(bio, memory, 512), 0);
	assert_refused(rig, bio);
	mpio_bio_reset(bio, MPIO_BIO_READ, 0);
	bio->offset = 10 * BLOCK;
	assert_int_equal(mpio_bio_add(bio, memory, 99), 0);
	assert_refused(rig, bio); /* neither a block nor the end */
	assert_int_equal(mpio_bio_add(bio, memory + 99, 1), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_trace(rig, "read 10+100B");
}

static void a_bio_in_flight_is_not_submitted_again(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_asynchronous(&rig->a);
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
	assert_int_equal(mpio_bio_submit(io->bio), -MPIO_EINVAL);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(io->ends, 1);
	assert_trace(rig, "read 1+1");
}

/* Nobody else would finish it, if its user has an event loop. */
static void a_bio_that_commit_ends_is_finished_by_submit(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_asynchronous(&rig->a);
	rig->a.prompt = true;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
	assert_int_equal(io->ends, 1);
}

/* A bio of scattered memory; the status that it ends with. */
static int read_into(struct rig *rig, uint64_t offset, void *first,
		     uint32_t first_length, void *second,
		     uint32_t second_length)
{
	struct mock_io *io = make_io(rig, rig->queue, MPIO_BIO_READ, 0, 0, 1);

	mpio_bio_reset(io->bio, MPIO_BIO_READ, 0);
	io->bio->offset = offset;
	assert_int_equal(mpio_bio_add(io->bio, first, first_length), 0);
	assert_int_equal(mpio_bio_add(io->bio, second, second_length), 0);
	submit_io(io);
	assert_int_equal(io->ends, 1);
	return io->status;
}

static void memory_that_the_device_cannot_take_never_reaches_it(void **state)
{
	struct rig *rig = *state;
	_Alignas(64) unsigned char memory[4096];

	rig->a.device.limits.memory_alignment = 64;
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig_open(rig);
	for (uint32_t i = 1; i < 64; i *= 2) {
		unsigned char *off = memory + 1024 + i;

		assert_int_equal(read_into(rig, 0, memory, 512, off, 512), 0);
		assert_int_equal(read_into(rig, 0, off, 512, memory, 512), 0);
		assert_int_equal(read_into(rig, 0, memory, 512 - i,
					   memory + 1024, 512 + i),
				 0);
		assert_trace(rig, "read 0+1 in 1, read 0+1 in 1, "
				  "read 0+1 in 1");
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 18);
	assert_int_equal(read_into(rig, 0, memory + 1024, 64, memory, 960), 0);
	assert_trace(rig, "read 0+1 in 2");
	assert_int_equal(mpio_queue_stats(rig->queue)->bounces, 18);
}

/* The device cannot help how long its last piece is. */
static void the_piece_that_the_devices_end_cuts_may_be_odd(void **state)
{
	struct rig *rig = *state;
	_Alignas(64) unsigned char memory[4096];

	rig->a.device.limits.memory_alignment = 64;
	rig->a.device.size = 10 * BLOCK + 100;
	rig->watch = WATCH_IO | WATCH_PIECES;
	rig_open(rig);
	assert_int_equal(
		read_into(rig, 9 * BLOCK, memory, 1024, memory + 2048, 100), 0);
	assert_trace(rig, "read 9+1124B in 2");
	assert_int_equal(
		read_into(rig, 9 * BLOCK, memory, 1024, memory + 2049, 100), 0);
	assert_trace(rig, "read 9+1124B in 1");
	assert_int_equal(
		read_into(rig, 9 * BLOCK, memory, 100, memory + 2048, 1024), 0);
	assert_trace(rig, "read 9+1124B in 1");
}

/* ---- Using a bio again -------------------------------------------------- */

struct chain {
	struct rig *rig;
	unsigned char memory[512];
	uint32_t left;
	uint32_t ends;
	uintptr_t lowest; /* address on the stack */
	uintptr_t highest;
};

static void link_end(struct mpio_bio *bio)
{
	struct chain *chain = bio->ctx;
	uintptr_t here = (uintptr_t)&chain;

	chain->ends++;
	if (here < chain->lowest)
		chain->lowest = here;
	if (here > chain->highest)
		chain->highest = here;
	if (chain->left == 0) {
		mpio_bio_put(bio);
		return;
	}
	chain->left--;
	mpio_bio_reset(bio, MPIO_BIO_READ, 0);
	bio->offset = chain->left % 100 * 512;
	assert_int_equal(mpio_bio_add(bio, chain->memory, 512), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void run_chain(struct rig *rig, struct chain *chain, uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);

	*chain = (struct chain){
		.rig = rig, .left = length - 1, .lowest = UINTPTR_MAX};
	assert_non_null(bio);
	bio->end_io = link_end;
	bio->ctx = chain;
	assert_int_equal(mpio_bio_add(bio, chain->memory, 512), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(chain->ends, length);
}

static void a_bio_may_be_refilled_where_it_ends(void **state)
{
	struct rig *rig = *state;
	struct chain chain;

	rig_open(rig);
	run_chain(rig, &chain, 3);
	assert_trace(rig, "read 0+512B, read 512B+512B, read 0+512B");
}

static void a_million_ios_in_a_chain_use_constant_stack(void **state)
{
	struct rig *rig = *state;
	struct chain chain;

	rig->watch = 0;
	rig_open(rig);
	run_chain(rig, &chain, 1000000);
	assert_in_range(chain.highest - chain.lowest, 0, 1024);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight_peak, 1);
}

static void reset_empties_a_bio_and_keeps_whose_it_is(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig_open(rig);
	io = make_io(rig, rig->queue, MPIO_BIO_READ, MPIO_BIO_SYNC, 3, 1);
	mpio_bio_reset(io->bio, MPIO_BIO_WRITE, MPIO_BIO_FUA);
	assert_int_equal(io->bio->op, MPIO_BIO_WRITE);
	assert_int_equal(io->bio->flags, MPIO_BIO_FUA);
	assert_int_equal(io->bio->length, 0);
	assert_int_equal(io->bio->vec_count, 0);
	assert_int_equal(io->bio->status, 0);
	assert_ptr_equal(io->bio->ctx, io);
	assert_non_null(io->bio->end_io);
	mpio_bio_put(io->bio);
}

static void a_failed_bio_may_be_used_again(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->config.bios = 2;
	mock_fail(&rig->a, 5, 1, -MPIO_EIO)->times = 1;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 4, 4);
	assert_int_equal(io->status, -MPIO_EIO);
	for (int i = 0; i < 8; i++) {
		io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 4, 4);
		assert_int_equal(io->status, 0);
		assert_data(io->memory, "a4 a5 a6 a7");
	}
}

/* ---- Backends that end it ----------------------------------------------- */

static int submit_and_end_twice(struct mpio_device *device, void *channel,
				struct mpio_bio *bio)
{
	(void)device;
	(void)channel;
	mpio_bio_end(bio, 0);
	mpio_bio_end(bio, -MPIO_EIO);
	mpio_bio_end_partial(bio, 0);
	return 0;
}

static void a_second_end_of_a_bio_does_no_harm(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	rig->a.device.ops.submit = submit_and_end_twice;
	rig_open(rig);
	for (int i = 0; i < 3; i++) {
		io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
		assert_int_equal(io->ends, 1);
		assert_int_equal(io->status, 0);
	}
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->errors, 0);
}

static void the_rest_of_a_short_transfer_is_driven(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 10, 8, 0);
	struct mock_io *io;

	fault->done = 3 * BLOCK;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 10, 8);
	assert_trace(rig, "read 10+8, read 13+5, read 16+2");
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, 0);
	assert_data(io->memory, "a10 a11 a12 a13 a14 a15 a16 a17");
}

static void end_whole(struct mpio_bio *bio)
{
	bool *whole = bio->ctx;

	*whole = bio->offset == 10 * BLOCK && bio->length == 6 * BLOCK &&
		 bio->op == MPIO_BIO_WRITE && bio->vec_count == 3 &&
		 bio->vecs[0].length == 2 * BLOCK &&
		 bio->vecs[1].length == BLOCK &&
		 bio->vecs[2].length == 3 * BLOCK;
	mpio_bio_put(bio);
}

/* Whatever was done to it meanwhile. */
static void a_bio_is_as_it_was_submitted_when_it_ends(void **state)
{
	struct rig *rig = *state;
	static unsigned char memory[10][BLOCK];
	struct mock_fault *fault = mock_fail(&rig->a, 10, 6, 0);
	struct mpio_bio *bio;
	bool whole = false;

	fault->done = BLOCK + 512;
	rig->a.device.limits.features = MPIO_DEVICE_FLUSH;
	rig_open(rig);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_WRITE,
			   MPIO_BIO_FUA | MPIO_BIO_PREFLUSH);
	bio->offset = 10 * BLOCK;
	bio->end_io = end_whole;
	bio->ctx = &whole;
	assert_int_equal(mpio_bio_add(bio, memory[0], 2 * BLOCK), 0);
	assert_int_equal(mpio_bio_add(bio, memory[3], BLOCK), 0);
	assert_int_equal(mpio_bio_add(bio, memory[5], 3 * BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_trace(rig, "flush, write 10+6, write 11776B+4608B, "
			  "write 13+3, write 14848B+1536B, flush");
	assert_true(whole);
}

static void a_transfer_of_no_bytes_is_an_error(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	mock_fail(&rig->a, 10, 1, 0)->done = 0;
	rig_open(rig);
	io = start_io(rig, rig->queue, MPIO_BIO_WRITE, 0, 10, 1);
	assert_int_equal(io->ends, 1);
	assert_int_equal(io->status, -MPIO_EIO);
	assert_trace(rig, "write 10+1");
}

static void the_devices_errors_are_told(void **state)
{
	static const int errors[] = {MPIO_EIO, MPIO_ENOSPC, MPIO_EREMOTEIO,
				     MPIO_ETIMEDOUT, MPIO_EOPNOTSUPP};
	struct rig *rig = *state;

	rig_open(rig);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		struct mock_io *io;

		mock_fail(&rig->a, 1, 1, -errors[i])->times = 1;
		io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1);
		assert_int_equal(io->status, -errors[i]);
	}
	rig->a.refuse = 1;
	rig->a.refusal = -MPIO_ENXIO;
	assert_int_equal(
		start_io(rig, rig->queue, MPIO_BIO_READ, 0, 1, 1)->status,
		-MPIO_ENXIO);
}

/* Not even to what the bio beside it in the pool ends with. */
static void the_first_piece_is_joined_to_nothing(void **state)
{
	enum { COUNT = 2 * 4 };
	static unsigned char memory[COUNT][512];
	struct mpio_bio *bios[COUNT];
	struct rig *rig = *state;

	rig->config.bios = COUNT / 2;
	rig->config.segments_max = 1;
	rig_open(rig);
	for (int i = 0; i < COUNT; i++) {
		bios[i] = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
		assert_non_null(bios[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		int at = 0; /* among their pieces of memory */

		for (int k = 0; k < COUNT; k++)
			at += bios[k]->vecs < bios[i]->vecs;
		bios[i]->ctx = memory[at];
	}
	for (int at = 0; at < COUNT; at++) {
		for (int i = 0; i < COUNT; i++) {
			if (bios[i]->ctx == memory[at])
				assert_int_equal(
					mpio_bio_add(bios[i], memory[at], 512),
					0);
		}
	}
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(bios[i]->vec_count, 1);
		assert_int_equal(bios[i]->vecs[0].length, 512);
		mpio_bio_put(bios[i]);
	}
}

/* Those that it was for before it came to hand have nothing to do with it. */
static void what_comes_short_is_no_pages_business(void **state)
{
	struct rig *rig = *state;
	struct mock_io *io;

	open_with_pages(rig, 2, 20);
	give_bits(rig, 0);
	assert_int_equal(read_all(rig, 0), 20);
	assert_bits(rig, 0, "uu");
	memset(rig->frames[0].bits, 0, sizeof(rig->frames[0].bits));
	mock_fail(&rig->a, 8, 1, 0)->done = 2 * BLOCK;
	for (int i = 0; i < 3; i++)
		make_io(rig, rig->queue, MPIO_BIO_READ, 0, 40, 1);
	for (int i = 0; i < 3; i++) {
		mpio_bio_put(rig->ios[2 - i].bio);
		io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 4, 8);
		assert_int_equal(io->status, 0);
		assert_data(io->memory, "a4 a5 a6 a7 a8 a9 a10 a11");
	}
	assert_bits(rig, 0, "--");
	/* Nor is what fails. */
	mock_fail(&rig->a, 30, 1, -MPIO_EIO);
	io = start_io(rig, rig->queue, MPIO_BIO_READ, 0, 29, 2);
	assert_int_equal(io->status, -MPIO_EIO);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(page_at(rig, i)->error, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_bio_comes_empty),
		RIG_TEST(the_pool_has_as_many_small_bios_as_large_ones),
		RIG_TEST(a_bio_used_before_comes_empty_again),
		RIG_TEST(pieces_are_laid_out_as_iovec),
		RIG_TEST(memory_that_follows_is_joined),
		RIG_TEST(no_bytes_are_no_memory),
		RIG_TEST(flush_and_discard_take_no_memory),
		RIG_TEST(pieces_end_at_the_limit),
		RIG_TEST(bytes_end_at_the_limit),
		RIG_TEST(a_bio_ends_once_inside_submit_if_it_is_done_at_once),
		RIG_TEST(without_end_io_a_bio_is_put_back_by_itself),
		RIG_TEST(what_the_device_cannot_do_is_refused),
		RIG_TEST(a_discard_may_be_larger_than_a_transfer),
		RIG_TEST(an_empty_discard_is_refused),
		RIG_TEST(the_block_that_the_devices_end_cuts_is_reached),
		RIG_TEST(a_bio_in_flight_is_not_submitted_again),
		RIG_TEST(a_bio_that_commit_ends_is_finished_by_submit),
		RIG_TEST(memory_that_the_device_cannot_take_never_reaches_it),
		RIG_TEST(the_piece_that_the_devices_end_cuts_may_be_odd),
		RIG_TEST(a_bio_may_be_refilled_where_it_ends),
		RIG_TEST(a_million_ios_in_a_chain_use_constant_stack),
		RIG_TEST(reset_empties_a_bio_and_keeps_whose_it_is),
		RIG_TEST(a_failed_bio_may_be_used_again),
		RIG_TEST(a_second_end_of_a_bio_does_no_harm),
		RIG_TEST(the_rest_of_a_short_transfer_is_driven),
		RIG_TEST(a_bio_is_as_it_was_submitted_when_it_ends),
		RIG_TEST(a_transfer_of_no_bytes_is_an_error),
		RIG_TEST(the_devices_errors_are_told),
		RIG_TEST(the_first_piece_is_joined_to_nothing),
		RIG_TEST(what_comes_short_is_no_pages_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

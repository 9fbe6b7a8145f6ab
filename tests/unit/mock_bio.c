/* SPDX-License-Identifier: MIT */
/*
 * Bios by hand, for tests that need no pages: each with memory of its own, and
 * a note of how it ended.
 */
#include "mock.h"

#include <inttypes.h>

static void end_io(struct mpio_bio *bio)
{
	struct mock_io *io = bio->ctx;
	struct rig *rig =
		((struct mock_device *)mpio_queue_device(bio->queue))->rig;

	io->ends++;
	io->status = bio->status;
	if (bio->status == 0)
		trace(rig, WATCH_END, "end_io %td", io - rig->ios);
	else
		trace(rig, WATCH_END, "end_io %td:%" PRId32, io - rig->ios,
		      bio->status);
	mpio_bio_put(bio);
}

struct mock_io *make_io(struct rig *rig, struct mpio_queue *queue,
			enum mpio_bio_op op, uint32_t flags, uint64_t block,
			uint32_t count)
{
	struct mock_io *io = &rig->ios[rig->io_count++];
	struct mpio_bio *bio = mpio_bio_get(queue, op, flags);

	assert_in_range(rig->io_count, 1, COUNT_OF(rig->ios));
	assert_non_null(bio);
	*io = (struct mock_io){.bio = bio, .memory = malloc(count * BLOCK + 1)};
	assert_non_null(io->memory);
	bio->offset = block * BLOCK;
	bio->end_io = end_io;
	bio->ctx = io;
	if (op == MPIO_BIO_WRITE)
		pattern_fill(io->memory, 'f', block * BLOCK, count * BLOCK);
	else
		memset(io->memory, 0xa5, count * BLOCK);
	if (op == MPIO_BIO_DISCARD)
		bio->length = count * BLOCK;
	else if (op != MPIO_BIO_FLUSH)
		assert_int_equal(mpio_bio_add(bio, io->memory, count * BLOCK),
				 0);
	return io;
}

void submit_io(struct mock_io *io)
{
	io->submitted = true;
	assert_int_equal(mpio_bio_submit(io->bio), 0);
}

struct mock_io *start_io(struct rig *rig, struct mpio_queue *queue,
			 enum mpio_bio_op op, uint32_t flags, uint64_t block,
			 uint32_t count)
{
	struct mock_io *io = make_io(rig, queue, op, flags, block, count);

	submit_io(io);
	return io;
}

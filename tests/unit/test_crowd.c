/* SPDX-License-Identifier: MIT */
/*
 * Pages whose ends hand in the next ones, as many at once as there are bios, or
 * more: each waits for a bio that comes free, not inside the end of another.
 */
#include "mock.h"

#define CHAINS 9u
#define LINKS 20u

/* Page i is followed by page i + CHAINS. */
static struct {
	uint32_t depth;
	uint32_t depth_most;
	uint32_t failed;
	void (*hand_in)(struct rig *rig, uint32_t index);
} crowd;

static void read_one(struct rig *rig, uint32_t index)
{
	assert_int_equal(read_pages(rig, index, 1, 0), 1);
}

static void write_one(struct rig *rig, uint32_t index)
{
	dirty_page(rig, index);
	(void)mpio_write_page(rig->queue, &rig->mapping, page_at(rig, index),
			      NULL);
}

static void go_on(struct rig *rig, struct frame *frame)
{
	uint32_t next = index_of(rig, &frame->page) + CHAINS;

	crowd.failed += frame->status != 0;
	if (++crowd.depth > crowd.depth_most)
		crowd.depth_most = crowd.depth;
	if (next < CHAINS * LINKS)
		crowd.hand_in(rig, next);
	crowd.depth--;
}

/* Each block is an I/O of its own; the device ends all it has in one reap. */
static void prepare(struct rig *rig)
{
	add_pages(rig, 0, 1, CHAINS * LINKS);
	rig->config.bios = 2;
	rig->watch = 0;
	rig->after_end = go_on;
	mock_asynchronous(&rig->a);
	mock_asynchronous(&rig->b);
}

static int scatter(struct rig *rig, uint64_t block, uint32_t flags,
		   struct mpio_extent *extent)
{
	(void)rig;
	(void)flags;
	extent->block = 2 * block;
	extent->count = 1;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void run(struct rig *rig, void (*hand_in)(struct rig *, uint32_t))
{
	memset(&crowd, 0, sizeof(crowd));
	crowd.hand_in = hand_in;
	if (rig->answer == NULL)
		rig->answer = scatter;
	rig_open(rig);
	for (uint32_t i = 0; i < CHAINS; i++)
		hand_in(rig, i);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < CHAINS * LINKS; i++)
		assert_int_equal(rig->frames[i].reads + rig->frames[i].writes,
				 1);
	assert_int_equal(crowd.failed, 0);
}

static void reads_that_begin_reads(void **state)
{
	struct rig *rig = *state;

	prepare(rig);
	run(rig, read_one);
	assert_int_equal(crowd.depth_most, 1);
	assert_page(rig, CHAINS * LINKS - 1, "a358");
}

static void reads_that_are_verified(void **state)
{
	struct rig *rig = *state;

	prepare(rig);
	rig->ops.verify = rig_verify;
	run(rig, read_one);
	assert_int_equal(crowd.depth_most, 1);
}

static void reads_of_pages_with_blocks(void **state)
{
	struct rig *rig = *state;

	prepare(rig);
	for (uint32_t i = 0; i < CHAINS * LINKS; i++)
		give_bits(rig, i);
	run(rig, read_one);
	assert_int_equal(crowd.depth_most, 1);
	assert_bits(rig, CHAINS * LINKS - 1, "u");
}

static void writes_that_begin_writes(void **state)
{
	struct rig *rig = *state;

	prepare(rig);
	run(rig, write_one);
	assert_int_equal(crowd.depth_most, 1);
	assert_disk(&rig->a, 358, "f179");
	assert_int_equal(mpio_errseq_check(&rig->mapping.errors, NULL), 0);
}

/* Those on a device cannot be told before those on the other have a bio. */
static int by_turns(struct rig *rig, uint64_t block, uint32_t flags,
		    struct mpio_extent *extent)
{
	extent->queue = block / CHAINS % 2 != 0 ? rig->other : NULL;
	return scatter(rig, block, flags, extent);
}

static void reads_by_turns_on_two_devices(void **state)
{
	struct rig *rig = *state;

	prepare(rig);
	rig->two = true;
	rig->answer = by_turns;
	run(rig, read_one);
	assert_true(crowd.depth_most <= 2);
	assert_page(rig, CHAINS * LINKS - 1, "b358");
}

/* There is no copy to be read. */
static int no_copy(struct mpio_mapping *mapping, struct mpio_page *page,
		   uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)attempt;
	(void)extent;
	return -MPIO_ENODATA;
}

/* The end of each of the first pages reads three more. */
static void read_three(struct rig *rig, struct frame *frame)
{
	uint32_t first = CHAINS + 3 * index_of(rig, &frame->page);

	if (++crowd.depth > crowd.depth_most)
		crowd.depth_most = crowd.depth;
	if (frame < &rig->frames[CHAINS])
		assert_int_equal(read_pages(rig, first, 3, 0), 3);
	crowd.depth--;
}

static void pages_of_one_bio_that_all_are_bad(void **state)
{
	struct rig *rig = *state;

	prepare(rig);
	memset(&crowd, 0, sizeof(crowd));
	map_blocks(rig, 0, CHAINS, 100);
	for (uint32_t i = CHAINS; i < 4 * CHAINS; i++)
		map_blocks(rig, i, 1, 2 * i);
	rig->ops.verify = rig_verify;
	rig->ops.reread = no_copy;
	rig->hook_error = -MPIO_EIO;
	rig->after_end = read_three;
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, CHAINS, 0), CHAINS);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	for (uint32_t i = 0; i < 4 * CHAINS; i++)
		assert_status(rig, i, -MPIO_EIO);
	assert_int_equal(crowd.depth_most, 1);
}

/* ---- What a callback sees ----------------------------------------------- */

/* Of six pages, four are read at once; the end of the first reads two more. */
static void read_two(struct rig *rig, struct frame *frame)
{
	if (frame == &rig->frames[0]) {
		assert_int_equal(read_pages(rig, 4, 2, 0), 2);
		trace(rig, WATCH_END, "done");
	}
}

static void start(struct rig *rig,
		  void (*after_end)(struct rig *rig, struct frame *frame))
{
	prepare(rig);
	rig->answer = scatter;
	rig->after_end = after_end;
	rig->watch = WATCH_END;
	rig_open(rig);
	assert_int_equal(read_pages(rig, 0, 4, 0), 4);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
}

static void they_end_in_their_order(void **state)
{
	struct rig *rig = *state;

	start(rig, read_two);
	assert_trace(rig, "read_end 0, done, read_end 1, read_end 2, "
			  "read_end 3, read_end 4, read_end 5");
}

static void wait_for_both(struct rig *rig, struct frame *frame)
{
	if (frame != &rig->frames[0])
		return;
	assert_int_equal(read_pages(rig, 4, 2, 0), 2);
	assert_int_equal(mpio_queue_wait(rig->queue), 3); /* 1, 2 and 3 */
	assert_int_equal(mpio_queue_wait(rig->queue), 2);
	trace(rig, WATCH_END, "done");
}

static void what_it_waits_for_is_told_as_ever(void **state)
{
	struct rig *rig = *state;

	start(rig, wait_for_both);
	assert_trace(rig, "read_end 0, read_end 1, read_end 2, read_end 3, "
			  "read_end 4, read_end 5, done");
}

/* Another callback that does so meanwhile: a bio's own, which has to run. */
static void read_three_more(struct mpio_bio *bio)
{
	struct rig *rig = bio->ctx;

	mpio_bio_put(bio);
	assert_int_equal(read_pages(rig, 5, 3, 0), 3);
	trace(rig, WATCH_END, "end_io");
}

static void read_one_more(struct rig *rig, struct frame *frame)
{
	if (frame == &rig->frames[3]) {
		assert_int_equal(read_pages(rig, 4, 1, 0), 1);
		trace(rig, WATCH_END, "done");
	}
}

static void callbacks_that_wait_may_nest(void **state)
{
	static unsigned char memory[BLOCK];
	struct rig *rig = *state;
	struct mpio_bio *bio;

	prepare(rig);
	rig->a.prompt = true;
	rig->answer = scatter;
	rig->after_end = read_one_more;
	rig->watch = WATCH_END;
	rig_open(rig);
	mpio_queue_plug(rig->queue);
	assert_int_equal(read_pages(rig, 0, 2, 0), 2);
	bio = mpio_bio_get(rig->queue, MPIO_BIO_READ, 0);
	assert_non_null(bio);
	bio->offset = 5 * BLOCK;
	bio->end_io = read_three_more;
	bio->ctx = rig;
	assert_int_equal(mpio_bio_add(bio, memory, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(read_pages(rig, 3, 1, 0), 1);
	mpio_queue_unplug(rig->queue);
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_true(strncmp(rig->trace, "read_end 3, end_io, done", 24) == 0);
}

static void write_many(struct rig *rig, struct frame *frame)
{
	if (frame != &rig->frames[0])
		return;
	for (uint32_t i = 4; i < 16; i++)
		dirty_page(rig, i);
	assert_int_equal(sync_all(rig), 0);
	for (uint32_t i = 4; i < 16; i++) {
		assert_flags(rig, i, "uptodate");
		assert_int_equal(rig->frames[i].writes, 1);
	}
	assert_disk(&rig->a, 30, "f15");
}

static void a_sync_waits_for_what_it_wrote(void **state)
{
	struct rig *rig = *state;

	start(rig, write_many);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(rig->frames[i].reads, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(reads_that_begin_reads),
		RIG_TEST(reads_that_are_verified),
		RIG_TEST(reads_of_pages_with_blocks),
		RIG_TEST(writes_that_begin_writes),
		RIG_TEST(reads_by_turns_on_two_devices),
		RIG_TEST(pages_of_one_bio_that_all_are_bad),
		RIG_TEST(they_end_in_their_order),
		RIG_TEST(a_sync_waits_for_what_it_wrote),
		RIG_TEST(what_it_waits_for_is_told_as_ever),
		RIG_TEST(callbacks_that_wait_may_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

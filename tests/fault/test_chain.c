/* SPDX-License-Identifier: MIT */
/*
 * Chains: a million I/Os, each of which is started from the end of the one
 * before. However they end, inside submit or in reap, the stack must stay as
 * it is. What is measured is how far apart the frames of the callbacks lie.
 */
#include "mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINKS 1000000u
#define STACK_MAX 1024u /* bytes between the highest frame and the lowest */

#define DISK_SIZE (64u * 1024)
#define BLOCK 1024u
#define PAGE_SIZE (2u * BLOCK)
#define PAGES 8u

struct chain {
	struct mock mocks[2];
	struct injector injector;
	struct mpio_queue *queues[2];
	void *queue_memory[2];
	unsigned char disk[DISK_SIZE];
	unsigned char memory[PAGES * PAGE_SIZE];

	struct mpio_mapping_ops ops;
	struct mpio_mapping mapping;
	struct mpio_page pages[PAGES];

	uint32_t left; /* links to be started */
	uint32_t ended;
	uintptr_t lowest;
	uintptr_t highest;
};

/* ---- Measuring ---------------------------------------------------------- */

/* A link has ended; whether another is to be started. */
static bool count_link(struct chain *chain, const void *frame)
{
	uintptr_t here = (uintptr_t)frame;

	if (chain->lowest == 0 || here < chain->lowest)
		chain->lowest = here;
	if (here > chain->highest)
		chain->highest = here;
	chain->ended++;
	if (chain->left == 0)
		return false;
	chain->left--;
	return true;
}

static void assert_constant_stack(const struct chain *chain, const char *what)
{
	uintptr_t depth = chain->highest - chain->lowest;

	print_message("%-44s %8u links, %4u bytes of stack\n", what,
		      (unsigned int)chain->ended, (unsigned int)depth);
	assert_int_equal(chain->left, 0);
	assert_in_range(depth, 0, STACK_MAX);
}

/* ---- A chain's world ---------------------------------------------------- */

static int map_in_order(struct mpio_mapping *mapping, struct mpio_page *page,
			uint64_t block, uint32_t flags,
			struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->block = block;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void open_queue(struct chain *chain, unsigned int index,
		       enum mock_mode mode, uint32_t features)
{
	struct mock *mock = &chain->mocks[index];
	struct mpio_queue_config config = {
		.bios = 4,
		.segments_max = 8,
		.pages_max = 8,
		.group = index != 0 ? chain->queues[0] : NULL,
	};

	mock_init(mock, mode, chain->disk, DISK_SIZE, &chain->injector);
	mock->batches = mode == MOCK_RANDOM;
	mock->device.limits.features = features;
	config.memory_size = mpio_queue_size(&mock->device, &config);
	chain->queue_memory[index] = malloc(config.memory_size);
	config.memory = chain->queue_memory[index];
	assert_int_equal(
		mpio_queue_open(&mock->device, &config, &chain->queues[index]),
		0);
}

static struct chain *open_chain(enum mock_mode mode, uint32_t features)
{
	struct chain *chain = calloc(1, sizeof(*chain));

	assert_non_null(chain);
	chain->ops.get_block = map_in_order;
	chain->mapping = (struct mpio_mapping){
		.ops = &chain->ops,
		.host = chain,
		.size = sizeof(chain->memory),
		.block_size = BLOCK,
	};
	for (uint32_t i = 0; i < PAGES; i++)
		mpio_page_init(&chain->pages[i], &chain->mapping,
			       (uint64_t)i * PAGE_SIZE,
			       chain->memory + (size_t)i * PAGE_SIZE,
			       PAGE_SIZE);
	open_queue(chain, 0, mode, features);
	open_queue(chain, 1, mode, features);
	chain->left = LINKS;
	return chain;
}

static void close_chain(struct chain *chain)
{
	assert_int_equal(mpio_queue_drain(chain->queues[0]), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(mpio_queue_stats(chain->queues[i])->in_flight,
				 0);
		mpio_queue_close(chain->queues[i]);
		free(chain->queue_memory[i]);
	}
	free(chain);
}

/* ---- Bios --------------------------------------------------------------- */

static void fill(struct chain *chain, struct mpio_bio *bio)
{
	if (bio->op == MPIO_BIO_FLUSH)
		return;
	bio->offset = (uint64_t)(chain->left % 32) * BLOCK;
	assert_int_equal(mpio_bio_add(bio, chain->memory, BLOCK), 0);
}

/* The same bio again. */
static void next_bio(struct mpio_bio *bio)
{
	struct chain *chain = bio->ctx;

	assert_int_equal(bio->status, 0);
	if (!count_link(chain, __builtin_frame_address(0))) {
		mpio_bio_put(bio);
		return;
	}
	mpio_bio_reset(bio, (enum mpio_bio_op)bio->op, bio->flags);
	fill(chain, bio);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

/* Another one, of the other queue. */
static void next_queue(struct mpio_bio *bio)
{
	struct chain *chain = bio->ctx;
	bool is_first = bio->queue == chain->queues[0];
	bool more = count_link(chain, __builtin_frame_address(0));
	struct mpio_bio *next;

	mpio_bio_put(bio);
	if (!more)
		return;
	next = mpio_bio_get(chain->queues[is_first ? 1 : 0], MPIO_BIO_READ, 0);
	assert_non_null(next);
	next->ctx = chain;
	next->end_io = next_queue;
	fill(chain, next);
	assert_int_equal(mpio_bio_submit(next), 0);
}

static void start_bios(struct chain *chain, enum mpio_bio_op op, uint32_t flags,
		       mpio_end_io_fn *end_io, unsigned int count)
{
	while (count-- != 0) {
		struct mpio_bio *bio =
			mpio_bio_get(chain->queues[0], op, flags);

		assert_non_null(bio);
		bio->ctx = chain;
		bio->end_io = end_io;
		fill(chain, bio);
		assert_int_equal(mpio_bio_submit(bio), 0);
	}
}

static void run_bios(const char *what, struct chain *chain, enum mpio_bio_op op,
		     uint32_t flags, mpio_end_io_fn *end_io, unsigned int count)
{
	now_trying("%s", what);
	start_bios(chain, op, flags, end_io, count);
	assert_int_equal(mpio_queue_drain(chain->queues[0]), 0);
	assert_int_equal(chain->ended, LINKS + count);
	assert_constant_stack(chain, what);
	close_chain(chain);
}

static void bios_that_end_in_submit(void **state)
{
	(void)state;
	run_bios("reads, ended in submit", open_chain(MOCK_SYNC, 0),
		 MPIO_BIO_READ, 0, next_bio, 1);
	run_bios("writes, ended in submit", open_chain(MOCK_SYNC, 0),
		 MPIO_BIO_WRITE, 0, next_bio, 3);
}

static void bios_that_end_in_reap(void **state)
{
	(void)state;
	run_bios("reads, ended in reap", open_chain(MOCK_IN_ORDER, 0),
		 MPIO_BIO_READ, 0, next_bio, 1);
	run_bios("reads, ended in reap, four at once",
		 open_chain(MOCK_RANDOM, 0), MPIO_BIO_READ, 0, next_bio, 4);
	run_bios("writes, ended here and there", open_chain(MOCK_MIXED, 0),
		 MPIO_BIO_WRITE, 0, next_bio, 3);
}

static void bios_of_two_queues_in_turn(void **state)
{
	(void)state;
	run_bios("two queues in turn, ended in submit",
		 open_chain(MOCK_SYNC, 0), MPIO_BIO_READ, 0, next_queue, 1);
	run_bios("two queues in turn, ended in reap",
		 open_chain(MOCK_IN_ORDER, 0), MPIO_BIO_READ, 0, next_queue, 2);
}

static void flushes_and_what_needs_them(void **state)
{
	const uint32_t both = MPIO_BIO_PREFLUSH | MPIO_BIO_FUA;

	(void)state;
	run_bios("flushes of no cache", open_chain(MOCK_SYNC, 0),
		 MPIO_BIO_FLUSH, 0, next_bio, 1);
	run_bios("flushes, ended in submit",
		 open_chain(MOCK_SYNC, MPIO_DEVICE_FLUSH), MPIO_BIO_FLUSH, 0,
		 next_bio, 1);
	run_bios("preflush and fua, ended in submit",
		 open_chain(MOCK_SYNC, MPIO_DEVICE_FLUSH), MPIO_BIO_WRITE, both,
		 next_bio, 1);
	run_bios("preflush and fua, ended in reap",
		 open_chain(MOCK_IN_ORDER, MPIO_DEVICE_FLUSH), MPIO_BIO_WRITE,
		 both, next_bio, 1);
}

static void bios_under_a_plug(void **state)
{
	struct chain *chain = open_chain(MOCK_SYNC, 0);

	(void)state;
	mpio_queue_plug(chain->queues[0]);
	run_bios("writes under a plug", chain, MPIO_BIO_WRITE, 0, next_bio, 2);
}

/* Each I/O takes two tries. */
static void bios_that_come_short(void **state)
{
	static const struct fault short_write = {
		"512 bytes", SITE_IO, ACTION_PARTIAL, 0,
		512,         true,    OUTCOME_CURED};
	struct chain *chain = open_chain(MOCK_SYNC, 0);

	(void)state;
	chain->injector.fault = &short_write;
	chain->injector.n = 1;
	run_bios("writes that come short", chain, MPIO_BIO_WRITE, 0, next_bio,
		 1);
}

/* ---- Pages -------------------------------------------------------------- */

static void read_next(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	struct chain *chain = mapping->host;
	struct mpio_page *next = page + 1;

	assert_int_equal(status, 0);
	if (!count_link(chain, __builtin_frame_address(0)))
		return;
	if (next == chain->pages + PAGES)
		next = chain->pages;
	next->flags = MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_read_page(chain->queues[0], mapping, next), 0);
}

static void write_next(struct mpio_mapping *mapping, struct mpio_page *page,
		       int status)
{
	struct chain *chain = mapping->host;
	struct mpio_page *next = page + 1;

	assert_int_equal(status, 0);
	if (!count_link(chain, __builtin_frame_address(0)))
		return;
	if (next == chain->pages + PAGES)
		next = chain->pages;
	assert_int_equal(mpio_page_set_dirty(next, 0, PAGE_SIZE), 0);
	assert_int_equal(mpio_write_page(chain->queues[0], mapping, next, NULL),
			 0);
}

static void run_pages(const char *what, enum mock_mode mode, bool writes)
{
	struct chain *chain = open_chain(mode, 0);

	now_trying("%s", what);
	chain->ops.read_end = read_next;
	chain->ops.write_end = write_next;
	chain->pages[0].flags = writes ? MPIO_PAGE_DIRTY | MPIO_PAGE_UPTODATE
				       : MPIO_PAGE_LOCKED;
	if (writes)
		assert_int_equal(mpio_write_page(chain->queues[0],
						 &chain->mapping,
						 &chain->pages[0], NULL),
				 0);
	else
		assert_int_equal(mpio_read_page(chain->queues[0],
						&chain->mapping,
						&chain->pages[0]),
				 0);
	assert_int_equal(mpio_queue_drain(chain->queues[0]), 0);
	assert_int_equal(chain->ended, LINKS + 1);
	assert_constant_stack(chain, what);
	close_chain(chain);
}

static void pages_read_from_read_end(void **state)
{
	(void)state;
	run_pages("pages read, ended in submit", MOCK_SYNC, false);
	run_pages("pages read, ended in reap", MOCK_RANDOM, false);
}

static void pages_written_from_write_end(void **state)
{
	(void)state;
	run_pages("pages written, ended in submit", MOCK_SYNC, true);
	run_pages("pages written, ended in reap", MOCK_IN_ORDER, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bios_that_end_in_submit),
		cmocka_unit_test(bios_that_end_in_reap),
		cmocka_unit_test(bios_of_two_queues_in_turn),
		cmocka_unit_test(flushes_and_what_needs_them),
		cmocka_unit_test(bios_under_a_plug),
		cmocka_unit_test(bios_that_come_short),
		cmocka_unit_test(pages_read_from_read_end),
		cmocka_unit_test(pages_written_from_write_end),
	};

	watchdog(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

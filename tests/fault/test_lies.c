/* SPDX-License-Identifier: MIT */
/*
 * get_block lies: it gives answers that cannot be, as damaged metadata may
 * make an engine do. The pages concerned end with -EUCLEAN, their neighbours
 * as if nothing had happened; nothing is moved outside the device (the mock
 * looks), and no lie makes the library go round and round.
 */
#include "operations.h"
#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Lies in every scenario --------------------------------------------- */

static uint64_t device_blocks(const struct world *world)
{
	uint32_t size = world->mapping.block_size;

	return (world->devices[0].device.size + size - 1) / size;
}

static uint64_t at_most(uint64_t n, uint64_t max)
{
	return n < max ? n : max;
}

static void no_blocks(struct world *world, uint64_t wanted,
		      struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->count = 0;
}

static void one_too_many(struct world *world, uint64_t wanted,
			 struct mpio_extent *extent)
{
	(void)world;
	extent->block = 0;
	extent->count = wanted + 1;
}

static void all_there_are(struct world *world, uint64_t wanted,
			  struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->count = UINT64_MAX;
}

static void hole_too_long(struct world *world, uint64_t wanted,
			  struct mpio_extent *extent)
{
	(void)world;
	extent->flags = 0;
	extent->count = wanted + 1;
}

static void hole_of_nothing(struct world *world, uint64_t wanted,
			    struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags = 0;
	extent->count = 0;
}

static void just_past_the_end(struct world *world, uint64_t wanted,
			      struct mpio_extent *extent)
{
	extent->block = device_blocks(world);
	extent->count = wanted;
}

static void far_past_the_end(struct world *world, uint64_t wanted,
			     struct mpio_extent *extent)
{
	(void)world;
	extent->block = UINT64_C(1) << 40;
	extent->count = at_most(wanted, 3);
}

static void the_last_number(struct world *world, uint64_t wanted,
			    struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->block = UINT64_MAX;
}

static void wraps_around(struct world *world, uint64_t wanted,
			 struct mpio_extent *extent)
{
	(void)world;
	extent->block = UINT64_MAX - 1;
	extent->count = at_most(wanted, 4);
}

/* As a number of bytes it would be the first block. */
static void bytes_overflow(struct world *world, uint64_t wanted,
			   struct mpio_extent *extent)
{
	(void)wanted;
	extent->block = UINT64_MAX / world->mapping.block_size + 1;
}

/* Its first block has bytes, a later one has none. */
static void bytes_overflow_later(struct world *world, uint64_t wanted,
				 struct mpio_extent *extent)
{
	extent->block = UINT64_MAX / world->mapping.block_size - 1;
	extent->count = at_most(wanted, 8);
}

static void unknown_flag(struct world *world, uint64_t wanted,
			 struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags |= 1u << 5;
}

static void last_flag(struct world *world, uint64_t wanted,
		      struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags |= 1u << 31;
}

static void new_when_reading(struct world *world, uint64_t wanted,
			     struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags |= MPIO_EXTENT_NEW;
}

static void unwritten_hole(struct world *world, uint64_t wanted,
			   struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags = MPIO_EXTENT_UNWRITTEN;
}

static void filled_when_writing(struct world *world, uint64_t wanted,
				struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags |= MPIO_EXTENT_UPTODATE;
}

static void hole_when_writing(struct world *world, uint64_t wanted,
			      struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags = 0;
}

static void new_hole_when_writing(struct world *world, uint64_t wanted,
				  struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	extent->flags = MPIO_EXTENT_NEW;
}

/* No queue at all; it must not even be looked at. */
static void no_such_queue(struct world *world, uint64_t wanted,
			  struct mpio_extent *extent)
{
	(void)wanted;
	extent->queue = (struct mpio_queue *)&world->places;
}

static void nothing_but_true(struct world *world, uint64_t wanted,
			     struct mpio_extent *extent)
{
	(void)world;
	(void)wanted;
	(void)extent;
}

enum in { READS = 1, WRITES = 2, BOTH = 3 };

struct lie {
	const char *name;
	void (*tell)(struct world *world, uint64_t wanted,
		     struct mpio_extent *extent);
	enum in in;
	int status;    /* that get_block returns with it */
	bool is_large; /* concerns all blocks that it covers, not one page */
};

static const struct lie lies[] = {
	{"no blocks", no_blocks, BOTH, 0, false},
	{"one too many", one_too_many, BOTH, 0, false},
	{"all there are", all_there_are, BOTH, 0, false},
	{"a hole too long", hole_too_long, READS, 0, false},
	{"a hole of nothing", hole_of_nothing, READS, 0, false},
	{"just past the end", just_past_the_end, BOTH, 0, true},
	{"far past the end", far_past_the_end, BOTH, 0, true},
	{"the last number", the_last_number, BOTH, 0, false},
	{"wraps around", wraps_around, BOTH, 0, true},
	{"bytes overflow", bytes_overflow, BOTH, 0, false},
	{"bytes overflow later", bytes_overflow_later, BOTH, 0, true},
	{"unknown flag", unknown_flag, BOTH, 0, false},
	{"last flag", last_flag, BOTH, 0, false},
	{"new when reading", new_when_reading, READS, 0, false},
	{"an unwritten hole", unwritten_hole, BOTH, 0, false},
	{"filled when writing", filled_when_writing, WRITES, 0, false},
	{"a hole when writing", hole_when_writing, WRITES, 0, false},
	{"a new hole", new_hole_when_writing, WRITES, 0, false},
	{"no such queue", no_such_queue, BOTH, 0, false},
	{"a positive value", nothing_but_true, BOTH, 1, false},
};

/* The lie that is being swept. */
static const struct lie *lie;

/* Other copies would hide what came of it. */
static bool can_lie(const struct scenario *scenario)
{
	enum in in = scenario->writes ? WRITES : READS;

	if (scenario->operation == run_read_and_write)
		in = BOTH;
	return (lie->in & in) == in && !(scenario->hooks & HOOK_REREAD) &&
	       scenario->raw_count == 0;
}

static bool lies_about(const struct world *world, const struct mpio_page *page)
{
	uint64_t first = page->pos / world->mapping.block_size;
	uint64_t end = first + page->size / world->mapping.block_size;

	return lie->is_large && first < world->lied_end &&
	       end > world->lied_block;
}

static void only_pages_concerned_end(struct world *world,
				     const struct fault *fault)
{
	check(frame_of(world->lied_page)->failure == -MPIO_EUCLEAN);
	for (uint32_t i = 0; i < world->frame_count; i++) {
		const struct frame *frame = &world->frames[i];
		bool concerned = &frame->page == world->lied_page ||
				 lies_about(world, &frame->page);

		check(frame->failure == 0 || frame->failure == -MPIO_EUCLEAN);
		check(frame->failure == 0 || concerned || fault->sticky);
	}
	check(world->returned == 0 || world->returned == -MPIO_EUCLEAN);
}

static void start_lying(struct world *world)
{
	world->lie = lie->tell;
}

static void tell_lies(bool for_ever)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		const struct fault fault = {
			.name = lies[i].name,
			.site = SITE_ANSWER,
			.status = lies[i].status,
			.sticky = for_ever,
			.outcome = OUTCOME_VISIBLE,
		};
		const struct sweep lying = {
			.fault = &fault,
			.want = can_lie,
			.inspect = only_pages_concerned_end,
			.meddle = start_lying,
			.modes = 2,
		};
		struct totals totals;

		lie = &lies[i];
		totals = sweep(&lying);
		print_message("%-20s %3u worlds, %4u runs, %5u lies\n",
			      lies[i].name, (unsigned int)totals.worlds,
			      (unsigned int)totals.runs,
			      (unsigned int)totals.fired);
		assert_true(totals.fired > 0);
	}
}

static void a_lie_concerns_its_pages_only(void **state)
{
	(void)state;
	tell_lies(false);
}

static void a_liar_is_not_asked_for_ever(void **state)
{
	(void)state;
	tell_lies(true);
}

/* ---- The very end of a device ------------------------------------------- */

#define BLOCK 512u
#define BLOCKS 8u
/* The last block of the device is cut. */
#define DEVICE_SIZE (BLOCKS * BLOCK - 77)

/* A file of which get_block says what it is told to. */
struct fixture {
	struct mpio_mapping_ops ops;
	struct mpio_mapping mapping;
	struct mock mock;
	struct injector injector;
	struct mpio_queue *queue;
	struct mpio_page pages[BLOCKS];
	size_t page_count;
	int statuses[BLOCKS];
	unsigned int ends[BLOCKS];
	unsigned int calls;
	struct mpio_extent answer; /* for block 0 of the file */
	unsigned char memory[BLOCKS * BLOCK];
	unsigned char disk[DEVICE_SIZE];
	void *queue_memory;
};

static int answer_as_told(struct mpio_mapping *mapping, struct mpio_page *page,
			  uint64_t block, uint32_t flags,
			  struct mpio_extent *extent)
{
	struct fixture *fixture = mapping->host;

	(void)page;
	(void)flags;
	fixture->calls++;
	assert_true(block < fixture->answer.count);
	assert_true(extent->count <= fixture->answer.count - block);
	extent->block = fixture->answer.block + block;
	extent->flags = fixture->answer.flags;
	return 0;
}

static void note_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct fixture *fixture = mapping->host;
	size_t index = (size_t)(page - fixture->pages);

	fixture->ends[index]++;
	fixture->statuses[index] = status;
}

static size_t name_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct fixture *fixture = mapping->host;
	size_t n = 0;

	for (size_t i = 0; i < fixture->page_count && n < pages_max; i++) {
		struct mpio_page *page = &fixture->pages[i];

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

/* Four blocks of a file, in pages of so many, at a block of the device. */
static void open_fixture(struct fixture *fixture, uint64_t device_block,
			 uint32_t page_blocks)
{
	struct mpio_queue_config config = {
		.bios = 2, .segments_max = 4, .pages_max = 4};

	memset(fixture, 0, sizeof(*fixture));
	memset(fixture->disk, 0xd1, sizeof(fixture->disk));
	memset(fixture->memory, 0x3e, sizeof(fixture->memory));
	mock_init(&fixture->mock, MOCK_SYNC, fixture->disk, DEVICE_SIZE,
		  &fixture->injector);
	fixture->ops = (struct mpio_mapping_ops){
		.get_block = answer_as_told,
		.read_end = note_end,
		.write_end = note_end,
		.next_dirty = name_dirty,
	};
	fixture->mapping = (struct mpio_mapping){
		.ops = &fixture->ops,
		.host = fixture,
		.size = 4 * BLOCK,
		.block_size = BLOCK,
	};
	fixture->answer = (struct mpio_extent){
		.block = device_block,
		.count = 4,
		.flags = MPIO_EXTENT_MAPPED,
	};
	fixture->page_count = 4 / page_blocks;
	for (size_t i = 0; i < fixture->page_count; i++)
		mpio_page_init(&fixture->pages[i], &fixture->mapping,
			       i * page_blocks * BLOCK,
			       fixture->memory + i * page_blocks * BLOCK,
			       page_blocks * BLOCK);
	config.memory_size = mpio_queue_size(&fixture->mock.device, &config);
	fixture->queue_memory = malloc(config.memory_size);
	config.memory = fixture->queue_memory;
	assert_int_equal(mpio_queue_open(&fixture->mock.device, &config,
					 &fixture->queue),
			 0);
}

static void close_fixture(struct fixture *fixture)
{
	mpio_queue_close(fixture->queue);
	free(fixture->queue_memory);
}

static int read_all(struct fixture *fixture)
{
	struct mpio_page *pages[BLOCKS];

	for (size_t i = 0; i < fixture->page_count; i++) {
		pages[i] = &fixture->pages[i];
		pages[i]->flags |= MPIO_PAGE_LOCKED;
	}
	return mpio_readahead(fixture->queue, &fixture->mapping, pages,
			      fixture->page_count, 0);
}

static int write_all(struct fixture *fixture)
{
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.nr_to_write = MPIO_WRITE_ALL,
	};

	for (size_t i = 0; i < fixture->page_count; i++) {
		fixture->pages[i].flags |= MPIO_PAGE_UPTODATE;
		assert_int_equal(
			mpio_page_set_dirty(&fixture->pages[i], 0, BLOCK), 0);
	}
	return mpio_writepages(fixture->queue, &fixture->mapping, &wbc);
}

/* Pages before `good` end well, the others with -EUCLEAN. */
static void assert_ends(const struct fixture *fixture, size_t good)
{
	for (size_t i = 0; i < fixture->page_count; i++) {
		uint32_t flags = fixture->pages[i].flags;

		assert_int_equal(fixture->ends[i], 1);
		assert_int_equal(fixture->statuses[i],
				 i < good ? 0 : -MPIO_EUCLEAN);
		assert_int_equal((flags & MPIO_PAGE_ERROR) != 0, i >= good);
		assert_false(flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK));
	}
}

/* Blocks 6 and 7 of the device are the first two of the file; 7 is cut. */
static void an_answer_is_good_up_to_the_end_of_the_device(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, 6, 1);
	assert_int_equal(read_all(&fixture), 4);
	assert_ends(&fixture, 2);
	assert_int_equal(fixture.calls, 1);
	for (size_t i = 0; i < 2 * BLOCK; i++)
		assert_int_equal(fixture.memory[i],
				 i < 2 * BLOCK - 77 ? 0xd1 : 0);
	close_fixture(&fixture);

	open_fixture(&fixture, 6, 1);
	assert_int_equal(write_all(&fixture), -MPIO_EUCLEAN);
	assert_ends(&fixture, 2);
	assert_int_equal(fixture.calls, 1);
	for (size_t i = 0; i < DEVICE_SIZE; i++)
		assert_int_equal(fixture.disk[i], i < 6 * BLOCK ? 0xd1 : 0x3e);
	assert_true(fixture.pages[2].flags & MPIO_PAGE_DIRTY);
	assert_false(fixture.pages[1].flags & MPIO_PAGE_DIRTY);
	close_fixture(&fixture);
}

static void a_page_over_the_end_of_the_device_fails_whole(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, 6, 4);
	assert_int_equal(read_all(&fixture), 1);
	assert_ends(&fixture, 0);
	assert_int_equal(fixture.calls, 1);
	close_fixture(&fixture);

	open_fixture(&fixture, 6, 4);
	assert_int_equal(write_all(&fixture), -MPIO_EUCLEAN);
	assert_ends(&fixture, 0);
	assert_true(fixture.pages[0].flags & MPIO_PAGE_DIRTY);
	close_fixture(&fixture);
}

static void an_answer_right_behind_the_device_moves_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, BLOCKS, 2);
	assert_int_equal(read_all(&fixture), 2);
	assert_ends(&fixture, 0);
	assert_int_equal(fixture.mock.submits, 0);
	assert_int_equal(fixture.calls, 1);
	close_fixture(&fixture);

	open_fixture(&fixture, BLOCKS, 2);
	assert_int_equal(write_all(&fixture), -MPIO_EUCLEAN);
	assert_ends(&fixture, 0);
	assert_int_equal(fixture.mock.submits, 0);
	close_fixture(&fixture);
}

static void nothing_lies_on_a_device_of_no_size(void **state)
{
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, 0, 1);
	fixture.mock.device.size = 0;
	assert_int_equal(read_all(&fixture), 4);
	assert_ends(&fixture, 0);
	assert_int_equal(fixture.mock.submits, 0);
	close_fixture(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lie_concerns_its_pages_only),
		cmocka_unit_test(a_liar_is_not_asked_for_ever),
		cmocka_unit_test(an_answer_is_good_up_to_the_end_of_the_device),
		cmocka_unit_test(a_page_over_the_end_of_the_device_fails_whole),
		cmocka_unit_test(
			an_answer_right_behind_the_device_moves_nothing),
		cmocka_unit_test(nothing_lies_on_a_device_of_no_size),
	};

	mock_seed();
	watchdog(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * What an engine sets beyond get_block is called through a cache as it is
 * without one, with the engine's own mapping.
 */
#include "cached.h"

static unsigned char shadow[PAGE];

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "seal");
	pattern_fill(shadow, 'b', page->pos, PAGE);
	*data = shadow;
	return rig->hook_error;
}

static void account(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint32_t bytes)
{
	struct rig *rig = mapping->host;

	trace(rig, WATCH_HOOKS, "account %u:%u",
	      (unsigned int)(page->pos / BLOCK), (unsigned int)(bytes / BLOCK));
}

static void blocks_that_are_new_are_told_of(void **state)
{
	struct cached *cached = *state;
	struct mock_extent *extent = map_blocks(cached->rig, 0, 4, 100);

	extent->flags |= MPIO_EXTENT_NEW | MPIO_EXTENT_UNWRITTEN;
	cached->rig->ops.new_blocks = rig_new_blocks;
	cached->rig->ops.written = rig_written;
	cached->rig->watch = WATCH_IO | WATCH_HOOKS;
	cached_open(cached, 0, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "new 100+4, write 100+4, written 0+4@100");
}

static void each_page_written_is_accounted_for_once(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.account = account;
	cached->rig->watch = WATCH_HOOKS;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 5, 2), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "account 0:4, account 4:2");
}

static void metadata_behind_a_boundary_is_asked_for(void **state)
{
	struct cached *cached = *state;

	map_blocks(cached->rig, 0, 4, 100)->flags |= MPIO_EXTENT_BOUNDARY;
	cached->rig->ops.boundary = rig_boundary;
	cached->rig->watch = WATCH_IO | WATCH_HOOKS;
	cached_open(cached, 0, 16);
	cached->file.mapping.size = PAGE;
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "write 100+4, boundary 104");
}

static void what_is_sealed_is_written_in_place_of_the_page(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.seal = seal;
	cached->rig->watch = WATCH_IO | WATCH_HOOKS;
	cached_open(cached, 16, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_trace(cached->rig, "seal, write 100+4");
	assert_disk(&cached->rig->a, 100, "b0 b1 b2 b3");
	/* The page itself is as it was. */
	cached->rig->hook_error = -MPIO_ENOMEM;
	assert_int_equal(write_blocks(cached, 0, 1), 0);
	assert_int_equal(sync_file(cached), -MPIO_ENOMEM);
	assert_int_equal(mpio_cache_stats(cached->cache).dirty, 1);
	cached->rig->hook_error = 0;
}

static bool is_never_valid(struct rig *rig, uint64_t cookie)
{
	(void)rig;
	(void)cookie;
	return false;
}

static void an_answer_that_is_stale_is_asked_for_again(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.still_valid = rig_still_valid;
	cached->rig->is_valid = is_never_valid;
	cached->rig->watch = WATCH_MAP | WATCH_HOOKS;
	cached_open(cached, 8, 16);
	cached->rig->map[0].cookie = 5;
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 2, 0),
			 2);
	assert_trace(cached->rig, "map 0+8, valid? 5, map 4+4");
	assert_true(is_cached(cached, 1));
}

/* A cookie may be a pointer, and the engine gave none for what is there. */
static void a_hole_behind_the_end_is_no_answer_of_the_engine(void **state)
{
	struct cached *cached = *state;

	cached->rig->ops.still_valid = rig_still_valid;
	cached->rig->watch = WATCH_MAP | WATCH_HOOKS;
	cached_open(cached, 8, 16);
	cached->rig->map[0].cookie = 5;
	cached->file.mapping.size = 4 * PAGE;
	assert_int_equal(mpio_cache_readahead(&cached->file, cached->rig->queue,
					      0, 7, 0),
			 7);
	/* The holes before the end are the engine's; of two pages. */
	assert_trace(cached->rig, "map 0+16, valid? 5, valid? 5, map 8+8, "
				  "valid? 0, valid? 0");
	assert_int_equal(read_byte(cached, 6 * PAGE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(blocks_that_are_new_are_told_of),
		CACHED_TEST(each_page_written_is_accounted_for_once),
		CACHED_TEST(metadata_behind_a_boundary_is_asked_for),
		CACHED_TEST(what_is_sealed_is_written_in_place_of_the_page),
		CACHED_TEST(an_answer_that_is_stale_is_asked_for_again),
		CACHED_TEST(a_hole_behind_the_end_is_no_answer_of_the_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Writing what a seal has put into a shadow: whatever comes of the write, the
 * engine is told once when no I/O uses that memory any more.
 */
#include "mock.h"

/* A shadow for each page; what is released is overwritten. */
static unsigned char shadows[8][4 * BLOCK];
static bool is_lent[COUNT_OF(shadows)];
static int seal_error; /* what seal returns */

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	struct rig *rig = mapping->host;
	uint32_t i = index_of(rig, page);

	trace(rig, WATCH_HOOKS, "seal %u", i);
	if (is_lent[i])
		trouble(rig, "seal of a page whose shadow was not released");
	*data = shadows[i];
	if (seal_error != 0)
		return seal_error;
	is_lent[i] = true;
	pattern_fill(shadows[i], 'b', page->pos, page->size);
	return 0;
}

static void release_shadow(struct mpio_mapping *mapping, struct mpio_page *page,
			   void *shadow)
{
	const uint32_t state = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;
	struct rig *rig = mapping->host;
	uint32_t i = index_of(rig, page);

	trace(rig, WATCH_HOOKS, "release %u", i);
	if (shadow != shadows[i] || !is_lent[i])
		trouble(rig, "release of what no seal has named");
	if ((page->flags & state) != MPIO_PAGE_WRITEBACK)
		trouble(rig, "release with a page not under write-back");
	is_lent[i] = false;
	memset(shadows[i], 0, sizeof(shadows[i]));
}

static void set_hooks(struct rig *rig)
{
	memset(is_lent, 0, sizeof(is_lent));
	seal_error = 0;
	rig->ops.seal = seal;
	rig->ops.release_shadow = release_shadow;
	rig->watch = WATCH_IO | WATCH_HOOKS | WATCH_END;
}

static void it_is_released_before_its_page_ends(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, seal 1, write 100+8, "
			  "release 0, write_end 0, release 1, write_end 1");
	assert_disk(&rig->a, 100, "b0 b1 b2 b3 b4 b5 b6 b7 a108");
	assert_page(rig, 0, "f0 f1 f2 f3");
}

static void what_is_written_is_told_before_that(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	rig->ops.written = rig_written;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, write 100+4, written 0+4@100, release 0, "
			  "write_end 0");
	/* And if that fails. */
	rig->hook_error = -MPIO_ENOSPC;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_trace(rig, "seal 0, write 100+4, written 0+4@100, release 0, "
			  "write_end 0:-28");
}

/* Nobody is to wait for write_end. */
static void it_is_released_without_a_write_end(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	rig->ops.write_end = NULL;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, write 100+4, release 0");
	rig->frames[0].writes++;
}

static void it_is_used_until_the_last_of_several_ios(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 2, 200);
	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	mock_asynchronous(&rig->a);
	rig->a.lifo = rig->a.slow = true;
	rig->a.reap_max = 1;
	rig_open(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, write 100+2, write 200+2, release 0, "
			  "write_end 0");
	assert_disk(&rig->a, 100, "b0 b1 a102");
	assert_disk(&rig->a, 200, "b2 b3 a202");
}

/* It is sealed once. */
static void what_is_tried_again_comes_from_it(void **state)
{
	struct rig *rig = *state;
	struct mock_fault *fault = mock_fail(&rig->a, 100, 8, 0);

	fault->done = BLOCK;
	fault->times = 2;
	set_hooks(rig);
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, seal 1, write 100+8, write 101+7, "
			  "write 102+6, "
			  "release 0, write_end 0, release 1, write_end 1");
	assert_disk(&rig->a, 100, "b0 b1 b2 b3 b4 b5 b6 b7 a108");
}

static void it_is_released_if_its_write_fails(void **state)
{
	struct rig *rig = *state;

	mock_fail(&rig->a, 105, 1, -MPIO_EIO);
	set_hooks(rig);
	rig->watch = WATCH_HOOKS | WATCH_END;
	open_with_pages(rig, 4, 3);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "seal 0, seal 1, seal 2, release 0, write_end 0, "
			  "release 1, write_end 1:-5, release 2, write_end 2");
	assert_disk(&rig->a, 100, "b0 b1 b2 b3 b4 a105");
	assert_disk(&rig->a, 108, "b8 b9 b10 b11");
	assert_flags(rig, 1, "uptodate dirty error");
	/* The next time the page is sealed anew. */
	rig->a.fault_count = 0;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 1, release 1, write_end 1");
	assert_disk(&rig->a, 104, "b4 b5 b6 b7");
}

static void it_is_released_if_its_page_cannot_be_mapped(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	open_with_pages(rig, 4, 1);
	rig->map[0].error = -MPIO_ENOSPC;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_trace(rig, "seal 0, release 0, write_end 0:-28");
	assert_flags(rig, 0, "uptodate dirty error");
	rig->map[0].error = 0;
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, write 100+4, release 0, write_end 0");
}

/* What was mapped before that is on its way. */
static void what_was_sent_ends_before_that(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	map_blocks(rig, 0, 2, 100);
	map_blocks(rig, 2, 2, 200)->error = -MPIO_EIO;
	add_pages(rig, 0, 4, 1);
	dirty_all(rig);
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig_open(rig);
	assert_int_equal(sync_all(rig), -MPIO_EIO);
	assert_trace(rig, "seal 0, write 100+2, release 0, write_end 0:-5");
	assert_disk(&rig->a, 100, "b0 b1 a102");
}

static void what_a_seal_that_fails_has_named_is_not_released(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	seal_error = -MPIO_ENOMEM;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOMEM);
	assert_trace(rig, "seal 0, write_end 0:-12");
}

/* Nor is one of an earlier time. */
static void what_is_not_sealed_is_not_released(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, write 100+4, release 0, write_end 0");
	rig->mapping.size = 0;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write_end 0");
}

static int seal_in_place(struct mpio_mapping *mapping, struct mpio_page *page,
			 void **data)
{
	(void)page;
	trace(mapping->host, WATCH_HOOKS, "seal");
	memset(*data, 0, BLOCK);
	return 0;
}

static void the_page_itself_is_not_released(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	rig->ops.seal = seal_in_place;
	open_with_pages(rig, 4, 1);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal, write 100+4, write_end 0");
}

static void nor_is_a_page_that_nobody_seals(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	rig->ops.seal = NULL;
	open_with_pages(rig, 4, 4);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "write 100+16, write_end 0, write_end 1, "
			  "write_end 2, write_end 3");
}

static void a_seal_needs_no_release(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	rig->ops.release_shadow = NULL;
	open_with_pages(rig, 4, 2);
	dirty_all(rig);
	assert_int_equal(sync_all(rig), 0);
	assert_trace(rig, "seal 0, seal 1, write 100+8, write_end 0, "
			  "write_end 1");
	assert_disk(&rig->a, 100, "b0 b1 b2 b3 b4 b5 b6 b7 a108");
}

static void nor_does_one_whose_page_is_not_sent(void **state)
{
	struct rig *rig = *state;

	set_hooks(rig);
	rig->ops.release_shadow = NULL;
	open_with_pages(rig, 4, 1);
	rig->map[0].error = -MPIO_ENOSPC;
	dirty_all(rig);
	assert_int_equal(sync_all(rig), -MPIO_ENOSPC);
	assert_trace(rig, "seal 0, write_end 0:-28");
	assert_flags(rig, 0, "uptodate dirty error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(it_is_released_before_its_page_ends),
		RIG_TEST(what_is_written_is_told_before_that),
		RIG_TEST(it_is_released_without_a_write_end),
		RIG_TEST(it_is_used_until_the_last_of_several_ios),
		RIG_TEST(what_is_tried_again_comes_from_it),
		RIG_TEST(it_is_released_if_its_write_fails),
		RIG_TEST(it_is_released_if_its_page_cannot_be_mapped),
		RIG_TEST(what_was_sent_ends_before_that),
		RIG_TEST(what_a_seal_that_fails_has_named_is_not_released),
		RIG_TEST(what_is_not_sealed_is_not_released),
		RIG_TEST(the_page_itself_is_not_released),
		RIG_TEST(nor_is_a_page_that_nobody_seals),
		RIG_TEST(a_seal_needs_no_release),
		RIG_TEST(nor_does_one_whose_page_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

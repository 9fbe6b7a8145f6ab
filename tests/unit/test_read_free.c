/* SPDX-License-Identifier: MIT */
/*
 * Reading: pages that their engine frees where they end. Whoever touches one
 * after its `read_end` is caught by the address sanitizer, or by what lies
 * there then.
 */
#include "mock.h"

#define PAGES 24u

static uint32_t ends;
static uint32_t failures;

static void free_page(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	(void)mapping;
	ends++;
	failures += status != 0;
	memset(page->data, 0xdd, page->size);
	free(page->data);
	memset(page, 0xdd, sizeof(*page));
	free(page);
}

static struct mpio_page *make_page(struct rig *rig, uint64_t block,
				   uint32_t blocks)
{
	struct mpio_page *page = malloc(sizeof(*page));
	void *data = malloc(blocks * BLOCK);

	assert_non_null(page);
	assert_non_null(data);
	mpio_page_init(page, &rig->mapping, block * BLOCK, data,
		       blocks * BLOCK);
	page->flags = MPIO_PAGE_LOCKED;
	return page;
}

/* Pages of one block up to five, read in one batch. */
static void read_and_free(struct rig *rig)
{
	struct mpio_page *pages[PAGES];
	uint64_t block = 0;

	rig->ops.read_end = free_page;
	ends = failures = 0;
	for (uint32_t i = 0; i < PAGES; i++) {
		uint32_t blocks = 1 + i * 3 % 5;

		pages[i] = make_page(rig, block, blocks);
		block += blocks;
	}
	assert_int_equal(
		mpio_readahead(rig->queue, &rig->mapping, pages, PAGES, 0),
		PAGES);
	memset(pages, 0, sizeof(pages));
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(ends, PAGES);
}

/* In one run; in runs of 3 with a hole behind each; all holes. */
static void read_on_each_map(struct rig *rig)
{
	map_blocks(rig, 0, 200, 100);
	read_and_free(rig);
	rig->map_count = 0;
	for (uint64_t i = 0; i < 32; i++)
		map_blocks(rig, 4 * i, 3, 100 + 5 * i);
	read_and_free(rig);
	rig->map_count = 0;
	read_and_free(rig);
}

static void pages_may_be_freed_inside_the_call(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	rig_open(rig);
	read_on_each_map(rig);
	assert_int_equal(failures, 0);
}

static void pages_may_be_freed_while_bios_fill_up(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	rig->config.segments_max = 3;
	rig->config.pages_max = 3;
	rig->config.bytes_max = 7 * BLOCK;
	rig_open(rig);
	read_on_each_map(rig);
}

static void pages_may_be_freed_when_they_are_waited_for(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	rig->config.bios = 2;
	rig->config.bytes_max = 4 * BLOCK;
	mock_asynchronous(&rig->a);
	rig->a.slow = true;
	rig->a.lifo = true;
	rig->a.reap_max = 1;
	rig_open(rig);
	read_on_each_map(rig);
}

static void pages_may_be_freed_when_a_part_of_them_failed(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	mock_fail(&rig->a, 103, 2, -MPIO_EIO);
	mock_fail(&rig->a, 120, 1, -MPIO_EIO);
	rig_open(rig);
	read_on_each_map(rig);
}

static int no_copy(struct mpio_mapping *mapping, struct mpio_page *page,
		   uint32_t attempt, struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	extent->block = 200;
	return attempt < 3 ? 0 : -MPIO_ENODATA;
}

static void pages_may_be_freed_after_they_were_read_anew(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	rig->ops.reread = no_copy;
	mock_fail(&rig->a, 103, 20, -MPIO_EIO);
	mock_fail(&rig->a, 200, 1, -MPIO_EIO)->times = 5;
	rig_open(rig);
	read_on_each_map(rig);
}

static void pages_may_be_freed_when_get_block_failed(void **state)
{
	struct rig *rig = *state;

	rig->watch = 0;
	map_blocks(rig, 0, 1, 100);
	map_blocks(rig, 1, 1, 0)->error = -MPIO_EIO;
	map_blocks(rig, 2, 5, 102);
	map_blocks(rig, 7, 30, 0)->error = -MPIO_ESTALE;
	map_blocks(rig, 37, 60, 300);
	rig_open(rig);
	read_and_free(rig);
	assert_true(failures > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(pages_may_be_freed_inside_the_call),
		RIG_TEST(pages_may_be_freed_while_bios_fill_up),
		RIG_TEST(pages_may_be_freed_when_they_are_waited_for),
		RIG_TEST(pages_may_be_freed_when_a_part_of_them_failed),
		RIG_TEST(pages_may_be_freed_after_they_were_read_anew),
		RIG_TEST(pages_may_be_freed_when_get_block_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

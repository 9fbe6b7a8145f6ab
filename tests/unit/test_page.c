/* SPDX-License-Identifier: MIT */
/*
 * Page: set-up, and the state of its blocks.
 */
#define _GNU_SOURCE
#include "mock.h"

#include "internal.h"

#include <sys/mman.h>
#include <unistd.h>

static struct mpio_mapping mapping = {.block_size = BLOCK};
static uint64_t bits[8];
static unsigned char data[256 * BLOCK];

/* A page of so many blocks, clean and not uptodate. */
static struct mpio_page a_page(uint32_t blocks, bool with_bits)
{
	struct mpio_page page;

	mpio_page_init(&page, &mapping, 0, data, blocks * BLOCK);
	memset(bits, 0, sizeof(bits));
	if (with_bits)
		page.blocks = bits;
	return page;
}

static void set_uptodate(uint32_t block)
{
	bits[block / 64] |= UINT64_C(1) << block % 64;
}

/* Which blocks are in a state, as text: 1 or 0 for each. */
static const char *state_of(const struct mpio_page *page,
			    bool (*ask)(const struct mpio_page *, uint32_t))
{
	static char text[257];
	uint32_t n = page->size / BLOCK;

	for (uint32_t i = 0; i < n; i++)
		text[i] = ask(page, i) ? '1' : '0';
	text[n] = '\0';
	return text;
}

#define assert_dirty(page, text)                                               \
	assert_string_equal(state_of(page, mpio_page_block_dirty), text)
#define assert_uptodate(page, text)                                            \
	assert_string_equal(state_of(page, mpio_page_block_uptodate), text)

static void a_page_is_at_most_a_cache_line(void **state)
{
	(void)state;
	if (sizeof(void *) <= 8)
		assert_in_range(sizeof(struct mpio_page), 1, 64);
}

static void init_makes_a_clean_unlocked_page(void **state)
{
	struct mpio_page page;

	(void)state;
	memset(&page, 0xff, sizeof(page));
	mpio_page_init(&page, &mapping, UINT64_C(5) << 40, data, 12 * BLOCK);
	assert_int_equal(page.pos, UINT64_C(5) << 40);
	assert_int_equal(page.size, 12 * BLOCK);
	assert_ptr_equal(page.data, data);
	assert_ptr_equal(page.mapping, &mapping);
	assert_int_equal(page.flags, 0);
	assert_int_equal(page.error, 0);
	assert_null(page.blocks);
}

static void per_block_state_takes_two_bits_a_block_in_whole_words(void **state)
{
	(void)state;
	assert_int_equal(MPIO_PAGE_BLOCK_WORDS(4096, 4096), 2);
	assert_int_equal(MPIO_PAGE_BLOCK_WORDS(4096, 512), 2);
	assert_int_equal(MPIO_PAGE_BLOCK_WORDS(65536, 1024), 2);
	assert_int_equal(MPIO_PAGE_BLOCK_WORDS(65536 + 1024, 1024), 4);
	assert_int_equal(MPIO_PAGE_BLOCK_WORDS(1024 * 1024, 512), 64);
}

static void without_per_block_state_a_block_is_as_its_page(void **state)
{
	struct mpio_page page = a_page(4, false);

	(void)state;
	assert_uptodate(&page, "0000");
	assert_dirty(&page, "0000");
	page.flags = MPIO_PAGE_UPTODATE;
	assert_uptodate(&page, "1111");
	assert_dirty(&page, "0000");
	page.flags = MPIO_PAGE_DIRTY;
	assert_uptodate(&page, "0000");
	assert_dirty(&page, "1111");
}

static void a_page_without_per_block_state_gets_dirty_as_a_whole(void **state)
{
	struct mpio_page page = a_page(4, false);

	(void)state;
	page.flags = MPIO_PAGE_UPTODATE | MPIO_PAGE_LOCKED;
	assert_int_equal(mpio_page_set_dirty(&page, 1500, 1), 0);
	assert_int_equal(page.flags, MPIO_PAGE_UPTODATE | MPIO_PAGE_LOCKED |
					     MPIO_PAGE_DIRTY);
	assert_dirty(&page, "1111");
}

static void whole_blocks_get_dirty_and_uptodate(void **state)
{
	struct mpio_page page = a_page(8, true);

	(void)state;
	assert_int_equal(mpio_page_set_dirty(&page, 2 * BLOCK, 3 * BLOCK), 0);
	assert_true(page.flags & MPIO_PAGE_DIRTY);
	assert_false(page.flags & MPIO_PAGE_UPTODATE);
	assert_dirty(&page, "00111000");
	assert_uptodate(&page, "00111000");
	assert_int_equal(mpio_page_set_dirty(&page, 7 * BLOCK, BLOCK), 0);
	assert_dirty(&page, "00111001");
	assert_int_equal(mpio_page_set_dirty(&page, 0, 8 * BLOCK), 0);
	assert_dirty(&page, "11111111");
	assert_uptodate(&page, "11111111");
}

static void a_page_may_get_dirty_while_it_is_written(void **state)
{
	struct mpio_page page = a_page(4, true);

	(void)state;
	page.flags = MPIO_PAGE_WRITEBACK | MPIO_PAGE_UPTODATE;
	assert_int_equal(mpio_page_set_dirty(&page, BLOCK, BLOCK), 0);
	assert_int_equal(page.flags, MPIO_PAGE_WRITEBACK | MPIO_PAGE_UPTODATE |
					     MPIO_PAGE_DIRTY);
	assert_dirty(&page, "0100");
}

static void a_part_of_a_block_that_is_uptodate_makes_it_dirty(void **state)
{
	struct mpio_page page = a_page(4, true);

	(void)state;
	set_uptodate(1);
	set_uptodate(3);
	assert_int_equal(mpio_page_set_dirty(&page, BLOCK + 1, 2 * BLOCK), 0);
	assert_dirty(&page, "0111");
	assert_uptodate(&page, "0111");
}

static void a_piece_inside_one_block_makes_it_dirty(void **state)
{
	struct mpio_page page = a_page(4, true);

	(void)state;
	set_uptodate(2);
	assert_int_equal(mpio_page_set_dirty(&page, 2 * BLOCK + 5, 1), 0);
	assert_dirty(&page, "0010");
	assert_uptodate(&page, "0010");
}

static void an_uptodate_page_has_uptodate_edges(void **state)
{
	struct mpio_page page = a_page(4, true);

	(void)state;
	page.flags = MPIO_PAGE_UPTODATE;
	assert_int_equal(mpio_page_set_dirty(&page, 5, 2 * BLOCK), 0);
	assert_dirty(&page, "1110");
	assert_uptodate(&page, "1111");
}

/* A call refused leaves no trace. */
static void assert_refused(struct mpio_page *page, uint32_t offset,
			   uint32_t length, int error)
{
	uint64_t before[COUNT_OF(bits)];
	uint32_t flags = page->flags;

	memcpy(before, bits, sizeof(bits));
	assert_int_equal(mpio_page_set_dirty(page, offset, length), error);
	assert_int_equal(page->flags, flags);
	assert_memory_equal(before, bits, sizeof(bits));
}

static void a_part_of_a_block_that_was_not_read_is_refused(void **state)
{
	struct mpio_page page = a_page(4, true);

	(void)state;
	assert_refused(&page, 1, BLOCK - 1, -MPIO_ENODATA);
	assert_refused(&page, 0, 1, -MPIO_ENODATA);
	assert_refused(&page, 0, BLOCK + 1, -MPIO_ENODATA);
	assert_refused(&page, BLOCK - 1, BLOCK + 1, -MPIO_ENODATA);
	assert_refused(&page, 3 * BLOCK + 1, BLOCK - 1, -MPIO_ENODATA);
	set_uptodate(0);
	assert_refused(&page, 1, BLOCK, -MPIO_ENODATA);
	set_uptodate(1);
	assert_int_equal(mpio_page_set_dirty(&page, 1, BLOCK), 0);
	assert_dirty(&page, "1100");
}

static void a_range_that_leaves_the_page_is_refused(void **state)
{
	struct mpio_page with = a_page(4, true);
	struct mpio_page without = a_page(4, false);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mpio_page *page = i == 0 ? &with : &without;

		assert_refused(page, 0, 4 * BLOCK + 1, -MPIO_EINVAL);
		assert_refused(page, 4 * BLOCK, 1, -MPIO_EINVAL);
		assert_refused(page, 4 * BLOCK - 1, 2, -MPIO_EINVAL);
		assert_refused(page, UINT32_MAX, 1, -MPIO_EINVAL);
		assert_refused(page, BLOCK, UINT32_MAX - BLOCK + 1,
			       -MPIO_EINVAL);
		assert_refused(page, 1, UINT32_MAX, -MPIO_EINVAL);
	}
}

static void no_bytes_change_nothing(void **state)
{
	struct mpio_page page = a_page(4, true);

	(void)state;
	assert_refused(&page, BLOCK + 7, 0, 0);
	assert_refused(&page, 4 * BLOCK, 0, 0);
}

static void blocks_beyond_the_first_word_have_bits_of_their_own(void **state)
{
	struct mpio_page page = a_page(130, true);

	(void)state;
	assert_int_equal(MPIO_PAGE_BLOCK_WORDS(page.size, BLOCK), 6);
	assert_int_equal(mpio_page_set_dirty(&page, 63 * BLOCK, 2 * BLOCK), 0);
	assert_int_equal(mpio_page_set_dirty(&page, 129 * BLOCK, BLOCK), 0);
	assert_int_equal(bits[0], UINT64_C(1) << 63);
	assert_int_equal(bits[1], 1);
	assert_int_equal(bits[2], 2);
	assert_int_equal(bits[3], UINT64_C(1) << 63);
	assert_int_equal(bits[4], 1);
	assert_int_equal(bits[5], 2);
	for (uint32_t i = 0; i < 130; i++)
		assert_int_equal(mpio_page_block_dirty(&page, i),
				 i == 63 || i == 64 || i == 129);
}

static void state_ends_at_64_blocks_exactly(void **state)
{
	struct mpio_page page = a_page(64, true);

	(void)state;
	assert_int_equal(mpio_page_set_dirty(&page, 0, 64 * BLOCK), 0);
	assert_int_equal(bits[0], UINT64_MAX);
	assert_int_equal(bits[1], UINT64_MAX);
	assert_int_equal(bits[2], 0);
}

/* Runs of bits are followed word by word, and no bit beside is one of them. */
static void runs_of_many_blocks_end_where_they_do(void **state)
{
	uint64_t map[6] = {0};
	struct mpio_page page = {.blocks = map, .size = 192 * BLOCK};
	struct mpio_mapping small = {.block_size = BLOCK};

	(void)state;
	page.mapping = &small;
	mpio__bits_set(&page, MPIO__UPTODATE, 3, 153, true);
	assert_int_equal(mpio__bits_run(&page, MPIO__UPTODATE, 0, 192, false),
			 3);
	assert_int_equal(mpio__bits_run(&page, MPIO__UPTODATE, 3, 192, true),
			 153);
	assert_int_equal(mpio__bits_run(&page, MPIO__UPTODATE, 64, 100, true),
			 100);
	assert_int_equal(mpio__bits_run(&page, MPIO__UPTODATE, 64, 192, true),
			 153);
	assert_int_equal(mpio__bits_run(&page, MPIO__UPTODATE, 153, 192, false),
			 192);
	assert_int_equal(mpio__bits_run(&page, MPIO__DIRTY, 0, 192, false),
			 192);
	assert_int_equal(mpio__bits_run(&page, MPIO__DIRTY, 0, 192, true), 0);
}

/* Behind the bits of the last block there may be no memory at all. */
static void no_word_behind_the_last_is_looked_at(void **state)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	struct mpio_page page = a_page(64, false);
	unsigned char *memory = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_int_equal(mprotect(memory + size, size, PROT_NONE), 0);
	page.blocks = (uint64_t *)(void *)(memory + size) - 2;
	assert_int_equal(mpio__bits_run(&page, MPIO__DIRTY, 0, 64, false), 64);
	assert_int_equal(mpio__bits_run(&page, MPIO__DIRTY, 1, 64, false), 64);
	assert_int_equal(mpio_page_set_dirty(&page, 0, 64 * BLOCK), 0);
	assert_int_equal(mpio__bits_run(&page, MPIO__DIRTY, 0, 64, true), 64);
	assert_int_equal(mpio__bits_run(&page, MPIO__DIRTY, 63, 64, true), 64);
	assert_int_equal(munmap(memory, 2 * size), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_at_most_a_cache_line),
		cmocka_unit_test(init_makes_a_clean_unlocked_page),
		cmocka_unit_test(
			per_block_state_takes_two_bits_a_block_in_whole_words),
		cmocka_unit_test(
			without_per_block_state_a_block_is_as_its_page),
		cmocka_unit_test(
			a_page_without_per_block_state_gets_dirty_as_a_whole),
		cmocka_unit_test(whole_blocks_get_dirty_and_uptodate),
		cmocka_unit_test(a_page_may_get_dirty_while_it_is_written),
		cmocka_unit_test(
			a_part_of_a_block_that_is_uptodate_makes_it_dirty),
		cmocka_unit_test(a_piece_inside_one_block_makes_it_dirty),
		cmocka_unit_test(an_uptodate_page_has_uptodate_edges),
		cmocka_unit_test(
			a_part_of_a_block_that_was_not_read_is_refused),
		cmocka_unit_test(a_range_that_leaves_the_page_is_refused),
		cmocka_unit_test(no_bytes_change_nothing),
		cmocka_unit_test(
			blocks_beyond_the_first_word_have_bits_of_their_own),
		cmocka_unit_test(state_ends_at_64_blocks_exactly),
		cmocka_unit_test(runs_of_many_blocks_end_where_they_do),
		cmocka_unit_test(no_word_behind_the_last_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

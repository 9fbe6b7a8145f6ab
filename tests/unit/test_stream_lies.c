/* SPDX-License-Identifier: MIT */
/*
 * Streams of engines and mappings that cannot be, and of numbers that are too
 * large. What streams do is in test_stream.c.
 */
#include "mock.h"

#include <mpio/stream.h>

#include <stdlib.h>

#define PAGE (2 * BLOCK)

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size != 0)
		return realloc(ptr, new_size);
	free(ptr);
	return NULL;
}

static const struct mpio_allocator allocator = {.resize = resize};

/* Pages of the rig one after another; it need not hear of their release. */
struct reader {
	struct rig *rig;
	uint64_t pos;
	void (*spoil)(struct rig *rig, struct mpio_page *page);
};

static int next(void *ctx, uint64_t *pos)
{
	struct reader *reader = ctx;

	*pos = reader->pos;
	reader->pos += PAGE;
	return *pos < reader->rig->frame_count * (uint64_t)PAGE;
}

static int take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	struct reader *reader = ctx;
	uint32_t index = (uint32_t)(pos / PAGE);

	*page = page_at(reader->rig, index);
	(*page)->flags = MPIO_PAGE_LOCKED;
	if (reader->spoil != NULL)
		reader->spoil(reader->rig, *page);
	return MPIO_STREAM_READ;
}

static const struct mpio_stream_ops ops = {.next = next, .take = take};

static struct mpio_stream *open_stream(struct reader *reader, struct rig *rig)
{
	struct mpio_stream_config config = {
		.ops = &ops,
		.ctx = reader,
		.page_size = PAGE,
		.allocator = &allocator,
	};
	struct mpio_stream *stream;

	reader->rig = rig;
	rig->watch = 0;
	/* Nothing that the rig counts: pages end as they are. */
	rig->ops.read_end = NULL;
	assert_int_equal(
		mpio_stream_open(rig->queue, &rig->mapping, &config, &stream),
		0);
	return stream;
}

static void what_is_too_much_of_anything_is_refused(void **state)
{
	const struct mpio_stream_config configs[] = {
		{.combine_bytes = UINT32_MAX, .page_size = 1},
		{.look_ahead_max = UINT32_MAX},
		{.runs_max = UINT32_MAX},
	};
	struct rig *rig = *state;
	struct mpio_stream *stream = NULL;

	rig_open(rig);
	assert_int_equal(
		mpio_stream_open(rig->queue, &rig->mapping, NULL, &stream),
		-MPIO_EINVAL);
	assert_int_not_equal(mpio_stream_size(NULL), 0);
	assert_int_equal(mpio_stream_size(&(struct mpio_stream_config){0}),
			 mpio_stream_size(NULL));
	for (size_t i = 0; i < COUNT_OF(configs); i++) {
		struct mpio_stream_config config = configs[i];

		config.ops = &ops;
		config.allocator = &allocator;
		assert_int_equal(mpio_stream_size(&config), 0);
		assert_int_equal(mpio_stream_open(rig->queue, &rig->mapping,
						  &config, &stream),
				 -MPIO_EINVAL);
	}
	assert_null(stream);
}

/* Four of the runs, if that is more than 256 pages. */
static void what_is_combined_decides_how_far_it_looks_ahead(void **state)
{
	struct mpio_stream_config config = {.combine_bytes = 4u << 20};
	struct mpio_stream_config same = {.combine_bytes = 4u << 20,
					  .look_ahead_max = 4096};

	(void)state;
	assert_int_equal(mpio_stream_size(&config), mpio_stream_size(&same));
	config.combine_bytes = same.combine_bytes = 64u << 10;
	same.look_ahead_max = 256;
	assert_int_equal(mpio_stream_size(&config), mpio_stream_size(&same));
}

static void a_release_that_nobody_wants_is_not_told(void **state)
{
	struct reader reader = {0};
	struct mpio_stream *stream;
	struct mpio_page *page;

	open_with_pages(*state, 2, 16);
	stream = open_stream(&reader, *state);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(mpio_stream_next(stream, &page), 1);
		assert_ptr_equal(page, page_at(*state, i));
	}
	assert_int_equal(mpio_stream_reset(stream), 0);
	assert_int_not_equal(mpio_stream_stats(stream)->released, 0);
	mpio_stream_close(stream);
}

static struct mpio_mapping others;

static void to_other(struct rig *rig, struct mpio_page *page)
{
	others = rig->mapping;
	page->mapping = &others;
}

static void to_next(struct rig *rig, struct mpio_page *page)
{
	(void)rig;
	page->pos += PAGE;
}

static void a_page_of_elsewhere_ends_the_stream(void **state)
{
	void (*const spoil[])(struct rig *, struct mpio_page *) = {to_other,
								   to_next};
	struct rig *rig = *state;
	struct mpio_stream *stream;
	struct mpio_page *page = NULL;

	open_with_pages(rig, 2, 2);
	for (size_t i = 0; i < COUNT_OF(spoil); i++) {
		struct reader reader = {.spoil = spoil[i]};
		struct mpio_page *first = page_at(rig, 0);
		struct mpio_page good = *first;

		stream = open_stream(&reader, rig);
		assert_int_equal(mpio_stream_next(stream, &page), -MPIO_EINVAL);
		assert_null(page);
		assert_int_equal(first->flags, MPIO_PAGE_LOCKED);
		mpio_stream_close(stream);
		*first = good;
	}
}

static void to_odd(struct rig *rig, struct mpio_page *page)
{
	if (page == page_at(rig, 1))
		page->size = PAGE - 1;
}

static void a_page_of_an_odd_size_ends_the_stream_before_it(void **state)
{
	struct rig *rig = *state;
	struct reader reader = {.spoil = to_odd};
	struct mpio_stream *stream;
	struct mpio_page *page = NULL;

	open_with_pages(rig, 2, 4);
	stream = open_stream(&reader, rig);
	assert_int_equal(mpio_stream_next(stream, &page), 1);
	assert_ptr_equal(page, page_at(rig, 0));
	assert_int_equal(mpio_stream_next(stream, &page), -MPIO_EINVAL);
	mpio_stream_close(stream);
	page_at(rig, 1)->size = PAGE;
}

static int take_none(void *ctx, uint64_t pos, struct mpio_page **page)
{
	(void)ctx;
	(void)pos;
	(void)page;
	return MPIO_STREAM_READ;
}

static void no_page_is_no_page_to_read(void **state)
{
	static const struct mpio_stream_ops takes_none = {.next = next,
							  .take = take_none};
	struct rig *rig = *state;
	struct reader reader = {.rig = rig};
	const struct mpio_stream_config config = {
		.ops = &takes_none, .ctx = &reader, .allocator = &allocator};
	struct mpio_stream *stream;
	struct mpio_page *page = NULL;

	open_with_pages(rig, 2, 2);
	assert_int_equal(
		mpio_stream_open(rig->queue, &rig->mapping, &config, &stream),
		0);
	assert_int_equal(mpio_stream_next(stream, &page), -MPIO_EINVAL);
	assert_null(page);
	mpio_stream_close(stream);
}

static void a_mapping_that_cannot_be_ends_the_stream(void **state)
{
	struct rig *rig = *state;
	struct reader reader = {0};
	struct mpio_stream *stream;
	struct mpio_page *page = NULL;

	open_with_pages(rig, 2, 2);
	rig->mapping.block_size = 1000;
	stream = open_stream(&reader, rig);
	assert_int_equal(mpio_stream_next(stream, &page), -MPIO_EINVAL);
	assert_null(page);
	assert_int_equal(page_at(rig, 0)->flags & MPIO_PAGE_LOCKED, 0);
	mpio_stream_close(stream);
}

static int anywhere(struct rig *rig, uint64_t block, uint32_t flags,
		    struct mpio_extent *extent)
{
	(void)rig;
	(void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = 100 + block % 8;
	extent->count = 1;
	return 0;
}

/* The last but one of all pages, and then the first. */
static int next_around(void *ctx, uint64_t *pos)
{
	struct reader *reader = ctx;

	*pos = reader->pos;
	reader->pos = 0;
	return 1;
}

static int take_around(void *ctx, uint64_t pos, struct mpio_page **page)
{
	struct reader *reader = ctx;

	*page = page_at(reader->rig, pos != 0);
	(*page)->pos = pos;
	(*page)->flags = MPIO_PAGE_LOCKED;
	return MPIO_STREAM_READ;
}

/* From the end of positions to their beginning there is no gap. */
static void positions_do_not_go_round(void **state)
{
	static const struct mpio_stream_ops around = {.next = next_around,
						      .take = take_around};
	struct rig *rig = *state;
	struct reader reader = {.rig = rig, .pos = UINT64_MAX - 2 * PAGE + 1};
	const struct mpio_stream_config config = {.ops = &around,
						  .ctx = &reader,
						  .page_size = PAGE,
						  .allocator = &allocator};
	struct mpio_stream *stream;
	struct mpio_page *page = NULL;

	rig->config.gap_bytes = PAGE;
	rig->config.gap_percent = 50;
	rig->mapping.size = UINT64_MAX;
	rig->answer = anywhere;
	add_pages(rig, 0, 2, 2);
	rig_open(rig);
	rig->ops.read_end = NULL;
	assert_int_equal(
		mpio_stream_open(rig->queue, &rig->mapping, &config, &stream),
		0);
	assert_int_equal(mpio_stream_next(stream, &page), 1);
	assert_ptr_equal(page, page_at(rig, 1));
	assert_int_equal(mpio_stream_next(stream, &page), 1);
	assert_ptr_equal(page, page_at(rig, 0));
	mpio_stream_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_is_too_much_of_anything_is_refused),
		cmocka_unit_test(
			what_is_combined_decides_how_far_it_looks_ahead),
		RIG_TEST(a_release_that_nobody_wants_is_not_told),
		RIG_TEST(a_page_of_elsewhere_ends_the_stream),
		RIG_TEST(a_page_of_an_odd_size_ends_the_stream_before_it),
		RIG_TEST(no_page_is_no_page_to_read),
		RIG_TEST(a_mapping_that_cannot_be_ends_the_stream),
		RIG_TEST(positions_do_not_go_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

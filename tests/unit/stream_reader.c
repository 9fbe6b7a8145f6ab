/* SPDX-License-Identifier: MIT */
/*
 * A reader of a stream, on the mock rig.
 */
#include "stream_reader.h"

int reader_next(void *ctx, uint64_t *pos)
{
	struct reader *reader = ctx;

	if (reader->named == reader->name_count)
		return reader->error;
	*pos = (uint64_t)reader->names[reader->named++] * PAGE;
	return 1;
}

int reader_take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	struct reader *reader = ctx;
	uint32_t index = (uint32_t)(pos / PAGE);

	if (reader->take_error != 0)
		return reader->take_error;
	if (reader->frames != 0 && reader->taken == reader->frames)
		return MPIO_STREAM_NO_FRAME;
	*page = reader->instead ? reader->instead : page_at(reader->rig, index);
	if (reader->instead)
		return reader->instead_found ? reader->instead_found
					     : MPIO_STREAM_READ;
	reader->taken++;
	if ((*page)->flags & MPIO_PAGE_UPTODATE)
		return MPIO_STREAM_HIT;
	if (reader->busy == index + 1)
		return MPIO_STREAM_BUSY;
	(*page)->flags = MPIO_PAGE_LOCKED;
	reader->rig->frames[index].handed++;
	return MPIO_STREAM_READ;
}

static void reader_release(void *ctx, struct mpio_page *page)
{
	struct reader *reader = ctx;
	uint32_t index = index_of(reader->rig, page);

	assert_int_equal(page->flags & MPIO_PAGE_LOCKED, 0);
	if (reader->busy == index + 1)
		assert_true(page->flags & MPIO_PAGE_UPTODATE);
	reader->taken--;
	reader->released++;
	if (!(page->flags & (MPIO_PAGE_UPTODATE | MPIO_PAGE_ERROR)))
		reader->rig->frames[index].handed--; /* never read */
}

/* Not the rig's, which is to be asked only when a queue is opened. */
static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size != 0)
		return realloc(ptr, new_size);
	free(ptr);
	return NULL;
}

const struct mpio_allocator reader_allocator = {.resize = resize};

const struct mpio_stream_ops reader_ops = {
	.next = reader_next,
	.take = reader_take,
	.release = reader_release,
};

const struct mpio_stream_stats *reader_stats(const struct reader *reader)
{
	return mpio_stream_stats(reader->stream);
}

void reader_name(struct reader *reader, uint32_t first, uint32_t step,
		 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		reader->names[reader->name_count++] = first + i * step;
}

void reader_open(struct reader *reader, struct rig *rig, bool slow)
{
	reader->rig = rig;
	if (!rig->is_open && slow)
		open_slow(rig, 2, 200);
	else if (!rig->is_open)
		open_with_pages(rig, 2, 200);
	rig->watch = WATCH_IO;
	reader->config.ops = &reader_ops;
	reader->config.ctx = reader;
	reader->config.page_size = PAGE;
	reader->config.allocator = &reader_allocator;
	assert_int_equal(mpio_stream_open(rig->queue, &rig->mapping,
					  &reader->config, &reader->stream),
			 0);
	rig->trace[0] = '\0';
}

void reader_close(struct reader *reader)
{
	mpio_stream_close(reader->stream);
	assert_int_equal(reader->taken, 0);
}

void reader_expect_page(struct reader *reader, uint32_t index)
{
	struct mpio_page *page = NULL;

	assert_int_equal(mpio_stream_next(reader->stream, &page), 1);
	assert_ptr_equal(page, page_at(reader->rig, index));
	reader->taken--;
	assert_int_equal(page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_ERROR), 0);
	assert_true(page->flags & MPIO_PAGE_UPTODATE);
	assert_memory_equal(page->data,
			    reader->rig->a.disk + (100 + 2 * index) * BLOCK,
			    PAGE);
}

void reader_expect_pages(struct reader *reader, uint32_t first, uint32_t step,
			 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		reader_expect_page(reader, first + i * step);
}

void reader_expect_end(struct reader *reader, int result)
{
	struct mpio_page *page = NULL;

	for (int i = 0; i < 2; i++)
		assert_int_equal(mpio_stream_next(reader->stream, &page),
				 result);
	assert_null(page);
}

/* SPDX-License-Identifier: MIT */
/*
 * A cache of pages that are sealed as a whole, of several blocks each: with a
 * checksum that says what all of the page is to be when it is read again, or
 * into a shadow that the engine gets back.
 */
#include "cached.h"

static uint32_t sums[8];
static bool sealed[8];

static uint32_t sum(const unsigned char *bytes)
{
	uint32_t result = 1;

	for (uint32_t i = 0; i < PAGE; i++)
		result = result * 31 + bytes[i];
	return result;
}

static int seal(struct mpio_mapping *mapping, struct mpio_page *page,
		void **data)
{
	uint64_t i = page->pos / PAGE;

	(void)mapping;
	sums[i] = sum(*data);
	sealed[i] = true;
	return 0;
}

static int verify(struct mpio_mapping *mapping, struct mpio_page *page)
{
	uint64_t i = page->pos / PAGE;

	(void)mapping;
	return !sealed[i] || sums[i] == sum(page->data) ? 0 : -MPIO_EUCLEAN;
}

/* A file of two pages that were sealed, written, and forgotten. */
static void open_sealed(struct cached *cached)
{
	memset(sealed, 0, sizeof(sealed));
	cached->rig->ops.seal = seal;
	cached->rig->ops.verify = verify;
	cached->rig->watch = WATCH_IO;
	cached_open(cached, 8, 16);
	assert_int_equal(write_blocks(cached, 0, 4), 0);
	assert_int_equal(write_blocks(cached, 4, 4), 0);
	assert_int_equal(sync_file(cached), 0);
	/* What is overwritten whole was not read. */
	assert_trace(cached->rig, "write 100+8");
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0,
					       UINT64_MAX),
			 0);
}

/* Byte `pos` after a sync, from the disk. */
static int byte_on_disk(struct cached *cached, uint64_t pos)
{
	assert_int_equal(sync_file(cached), 0);
	assert_int_equal(mpio_cache_invalidate(&cached->file,
					       cached->rig->queue, 0,
					       UINT64_MAX),
			 0);
	return read_byte(cached, pos);
}

static void a_block_of_it_is_written_with_all_of_it(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	assert_int_equal(write_bytes(cached, BLOCK, BLOCK, 7), 0);
	assert_trace(cached->rig, "read 100+4");
	assert_int_equal(byte_on_disk(cached, BLOCK), 7);
	assert_trace(cached->rig, "write 100+4, read 100+4");
}

static void what_is_dirty_is_not_taken_for_what_was_sealed(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	assert_int_equal(write_bytes(cached, BLOCK, BLOCK, 7), 0);
	assert_true(read_byte(cached, 0) >= 0);
	assert_int_equal(read_byte(cached, BLOCK), 7);
}

static void what_fails_is_written_whole_again(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	assert_int_equal(write_bytes(cached, 5, 1, 7), 0);
	mock_fail(&cached->rig->a, 102, 1, -MPIO_ENODATA);
	assert_int_equal(sync_file(cached), -MPIO_ENODATA);
	cached->rig->a.fault_count = 0;
	cached->rig->trace[0] = '\0';
	assert_int_equal(byte_on_disk(cached, 5), 7);
	assert_trace(cached->rig, "write 100+4, read 100+4");
}

static void an_end_that_moves_down_inside_it_seals_it_anew(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	open_sealed(cached);
	queue = cached->rig->queue;
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE + BLOCK),
			 0);
	assert_true(byte_on_disk(cached, PAGE) >= 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE + 100),
			 0);
	assert_true(byte_on_disk(cached, PAGE) >= 0);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE), 0);
	assert_true(byte_on_disk(cached, 0) >= 0);
}

/* Where blocks are that nobody has written yet. */
static void one_that_moves_up_from_there_does_so_too(void **state)
{
	struct cached *cached = *state;
	struct mpio_queue *queue;

	open_sealed(cached);
	queue = cached->rig->queue;
	sealed[0] = false;
	cached->file.mapping.size = BLOCK;
	assert_int_equal(write_bytes(cached, 0, 10, 7), 0);
	assert_int_equal(byte_on_disk(cached, 0), 7);
	assert_int_equal(mpio_cache_resize(&cached->file, queue, PAGE), 0);
	assert_int_equal(byte_on_disk(cached, PAGE - 1), 0);
}

static void so_does_a_write_behind_the_end(void **state)
{
	struct cached *cached = *state;

	open_sealed(cached);
	sealed[0] = false;
	cached->file.mapping.size = 100;
	assert_int_equal(write_bytes(cached, 0, 10, 7), 0);
	assert_int_equal(byte_on_disk(cached, 0), 7);
	assert_int_equal(write_bytes(cached, 3 * BLOCK, 10, 8), 0);
	assert_int_equal(byte_on_disk(cached, BLOCK), 0);
	assert_int_equal(read_byte(cached, 3 * BLOCK), 8);
	assert_int_equal(write_bytes(cached, 2 * PAGE - 1, 1, 9), 0);
	assert_int_equal(byte_on_disk(cached, PAGE - 1), 0);
	assert_int_equal(read_byte(cached, 2 * PAGE - 1), 9);
}

/* ---- Into other memory -------------------------------------------------- */

static struct {
	int error; /* of the next seals, which name memory all the same */
	uint32_t named;
	uint32_t released;
	unsigned char *of[64]; /* of each page */
} shadows;

static int seal_in_shadow(struct mpio_mapping *mapping, struct mpio_page *page,
			  void **data)
{
	static unsigned char unused[PAGE];
	const unsigned char *bytes = *data;
	uint64_t i = page->pos / PAGE;

	(void)mapping;
	if (shadows.error != 0) {
		*data = unused;
		return shadows.error;
	}
	assert_null(shadows.of[i]);
	shadows.of[i] = malloc(PAGE);
	assert_non_null(shadows.of[i]);
	for (uint32_t at = 0; at < PAGE; at++)
		shadows.of[i][at] = bytes[at] ^ 0xff;
	*data = shadows.of[i];
	shadows.named++;
	return 0;
}

static void release_shadow(struct mpio_mapping *mapping, struct mpio_page *page,
			   void *shadow)
{
	struct rig *rig = mapping->host;
	uint64_t i = page->pos / PAGE;

	if (mapping->ops != &rig->ops)
		trouble(rig, "release with a mapping that is not the engine's");
	assert_non_null(shadow);
	assert_ptr_equal(shadow, shadows.of[i]);
	memset(shadow, 0, PAGE);
	free(shadow);
	shadows.of[i] = NULL;
	shadows.released++;
}

/* Some pages of a file of 64 are dirty. */
static void open_shadowed(struct cached *cached, uint32_t dirty,
			  uint32_t frames)
{
	memset(&shadows, 0, sizeof(shadows));
	cached->rig->ops.seal = seal_in_shadow;
	cached->rig->ops.release_shadow = release_shadow;
	cached->config.background_percent = 1;
	cached_open(cached, 256, frames);
	for (uint32_t i = 0; i < dirty; i++)
		assert_int_equal(write_bytes(cached, (uint64_t)i * PAGE, PAGE,
					     (int)i + 1),
				 0);
}

static void assert_shadows(uint32_t named)
{
	assert_int_equal(shadows.named, named);
	assert_int_equal(shadows.released, named);
}

static uint32_t dirty_pages(struct cached *cached)
{
	return mpio_cache_stats(cached->cache).dirty;
}

/* They are on the disk, as the shadows had them. */
static void assert_pages(struct cached *cached, uint32_t first, uint32_t n)
{
	const unsigned char *disk = cached->rig->a.disk + 100 * BLOCK;

	for (size_t at = first * PAGE; at < (first + n) * PAGE; at++)
		assert_int_equal(disk[at], (at / PAGE + 1) ^ 0xff);
}

static void no_shadow_is_left_after_a_sync(void **state)
{
	struct cached *cached = *state;

	open_shadowed(cached, 10, 16);
	assert_int_equal(sync_file(cached), 0);
	assert_shadows(10);
	assert_pages(cached, 0, 10);
	/* And again. */
	assert_int_equal(write_bytes(cached, 5, 1, 1), 0);
	assert_int_equal(sync_file(cached), 0);
	assert_shadows(11);
	assert_pages(cached, 0, 10);
}

static void nor_if_others_write(void **state)
{
	struct cached *cached = *state;
	uint32_t named;

	/* Who writes has to help, and needs room. */
	open_shadowed(cached, 64, 16);
	assert_true(shadows.named != 0);
	assert_int_equal(shadows.released, shadows.named);
	assert_true(dirty_pages(cached) != 0);
	named = shadows.named;
	assert_true(mpio_cache_work(cached->cache, cached->rig->queue) > 0);
	assert_true(shadows.named > named);
	assert_int_equal(shadows.released, shadows.named);
	assert_int_equal(sync_file(cached), 0);
	assert_shadows(64);
	assert_pages(cached, 0, 64);
}

static void nor_if_the_device_fails(void **state)
{
	struct cached *cached = *state;

	mock_fail(&cached->rig->a, 105, 1, -MPIO_EIO);
	open_shadowed(cached, 4, 16);
	assert_int_equal(sync_file(cached), -MPIO_EIO);
	assert_shadows(4);
	assert_int_equal(dirty_pages(cached), 1);
	cached->rig->a.fault_count = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_shadows(5);
	assert_pages(cached, 0, 4);
}

/* A sync tries twice, in vain. */
static void nor_if_a_page_is_put_off(void **state)
{
	struct cached *cached = *state;
	struct mpio_errseq since;

	open_shadowed(cached, 2, 16);
	since = mpio_cache_errors_sample(&cached->file);
	cached->rig->map[0].error = -MPIO_ENOMEM;
	assert_int_equal(sync_file(cached), -MPIO_ENOMEM);
	assert_true(shadows.named >= 2);
	assert_shadows(shadows.named);
	assert_int_equal(dirty_pages(cached), 2);
	assert_int_equal(mpio_cache_errors_check(&cached->file, &since), 0);
	cached->rig->map[0].error = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_shadows(shadows.named);
	assert_pages(cached, 0, 2);
}

static void nor_if_it_is_dropped_after_that(void **state)
{
	struct cached *cached = *state;

	open_shadowed(cached, 4, 16);
	cached->rig->map[0].error = -MPIO_ENOSPC;
	assert_int_equal(sync_file(cached), -MPIO_ENOSPC);
	assert_shadows(4);
	assert_int_equal(mpio_cache_drop(&cached->file, cached->rig->queue, 0,
					 UINT64_MAX),
			 0);
	assert_int_equal(dirty_pages(cached), 0);
	assert_shadows(4);
}

static void a_seal_that_fails_keeps_what_it_named(void **state)
{
	struct cached *cached = *state;

	open_shadowed(cached, 2, 16);
	shadows.error = -MPIO_ENOMEM;
	assert_int_equal(sync_file(cached), -MPIO_ENOMEM);
	assert_shadows(0);
	shadows.error = 0;
	assert_int_equal(sync_file(cached), 0);
	assert_shadows(2);
	assert_pages(cached, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHED_TEST(a_block_of_it_is_written_with_all_of_it),
		CACHED_TEST(what_is_dirty_is_not_taken_for_what_was_sealed),
		CACHED_TEST(what_fails_is_written_whole_again),
		CACHED_TEST(an_end_that_moves_down_inside_it_seals_it_anew),
		CACHED_TEST(one_that_moves_up_from_there_does_so_too),
		CACHED_TEST(so_does_a_write_behind_the_end),
		CACHED_TEST(no_shadow_is_left_after_a_sync),
		CACHED_TEST(nor_if_others_write),
		CACHED_TEST(nor_if_the_device_fails),
		CACHED_TEST(nor_if_a_page_is_put_off),
		CACHED_TEST(nor_if_it_is_dropped_after_that),
		CACHED_TEST(a_seal_that_fails_keeps_what_it_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Corners that no scenario reaches: bios that must not get to the device,
 * discards that come short, and two mappings in one bio.
 */
#include "mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK 1024u
#define BLOCKS 32u
#define FILES 2u

/* A file of one page and one block; file i lies at block i. */
struct file {
	struct mpio_mapping_ops ops;
	struct mpio_mapping mapping;
	struct mpio_page page;
	unsigned char memory[BLOCK];
	unsigned int ends;
	unsigned int told; /* times that bytes of it were called written */
	int status;
};

struct corner {
	struct injector injector;
	struct mock mock;
	struct mpio_queue *queue;
	void *queue_memory;
	struct file files[FILES];
	unsigned char disk[BLOCKS * BLOCK];
	unsigned char memory[4 * BLOCK];
};

/* ---- A corner's world --------------------------------------------------- */

static int map_file(struct mpio_mapping *mapping, struct mpio_page *page,
		    uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct corner *corner = mapping->host;

	(void)page;
	(void)flags;
	assert_int_equal(block, 0);
	extent->block = mapping == &corner->files[0].mapping ? 0 : 1;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static struct file *file_of(struct mpio_mapping *mapping)
{
	struct corner *corner = mapping->host;

	return &corner->files[mapping == &corner->files[0].mapping ? 0 : 1];
}

static void note_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	(void)page;
	file_of(mapping)->ends++;
	file_of(mapping)->status = status;
}

static int note_written(struct mpio_mapping *mapping, uint64_t pos,
			uint32_t length, struct mpio_queue *queue,
			uint64_t offset)
{
	struct file *file = file_of(mapping);
	struct corner *corner = mapping->host;

	assert_int_equal(pos, 0);
	assert_int_equal(length, BLOCK);
	assert_ptr_equal(queue, corner->queue);
	assert_int_equal(offset, (size_t)(file - corner->files) * BLOCK);
	file->told++;
	return 0;
}

static void make_file(struct corner *corner, unsigned int index)
{
	struct file *file = &corner->files[index];

	file->ops = (struct mpio_mapping_ops){
		.get_block = map_file,
		.read_end = note_end,
		.write_end = note_end,
	};
	file->mapping = (struct mpio_mapping){
		.ops = &file->ops,
		.host = corner,
		.size = BLOCK,
		.block_size = BLOCK,
	};
	memset(file->memory, 0x30 + (int)index, BLOCK);
	mpio_page_init(&file->page, &file->mapping, 0, file->memory, BLOCK);
}

static struct corner *open_corner(enum mock_mode mode,
				  struct mpio_limits limits)
{
	struct corner *corner = calloc(1, sizeof(*corner));
	struct mpio_queue_config config = {
		.bios = 2, .segments_max = 8, .pages_max = 8};

	assert_non_null(corner);
	mock_init(&corner->mock, mode, corner->disk, sizeof(corner->disk),
		  &corner->injector);
	corner->mock.device.limits = limits;
	config.memory_size = mpio_queue_size(&corner->mock.device, &config);
	corner->queue_memory = malloc(config.memory_size);
	config.memory = corner->queue_memory;
	assert_int_equal(
		mpio_queue_open(&corner->mock.device, &config, &corner->queue),
		0);
	for (unsigned int i = 0; i < FILES; i++)
		make_file(corner, i);
	return corner;
}

static void close_corner(struct corner *corner)
{
	mpio_queue_close(corner->queue);
	free(corner->queue_memory);
	free(corner);
}

/* ---- Refused before the device sees them -------------------------------- */

static void note_status(struct mpio_bio *bio)
{
	int *status = bio->ctx;

	assert_int_equal(*status, 1);
	*status = bio->status;
	mpio_bio_put(bio);
}

/* What becomes of a bio. */
static int do_bio(struct corner *corner, enum mpio_bio_op op, uint32_t flags,
		  size_t skew)
{
	struct mpio_bio *bio = mpio_bio_get(corner->queue, op, flags);
	int status = 1;

	assert_non_null(bio);
	bio->end_io = note_status;
	bio->ctx = &status;
	if (op == MPIO_BIO_DISCARD)
		bio->length = BLOCK;
	else
		assert_int_equal(
			mpio_bio_add(bio, corner->memory + skew, BLOCK), 0);
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(corner->queue), 0);
	return status;
}

/* The same; nothing may get to the device. */
static int status_of(struct corner *corner, enum mpio_bio_op op, uint32_t flags)
{
	uint64_t submits = corner->mock.submits;
	int status = do_bio(corner, op, flags, 0);

	assert_int_equal(corner->mock.submits, submits);
	return status;
}

/* The same of memory that is not aligned; so many I/Os get to the device. */
static void bounce(struct corner *corner, enum mpio_bio_op op, uint32_t flags,
		   uint64_t submits)
{
	size_t odd = 512 - (uintptr_t)corner->memory % 512 + 8;

	submits += corner->mock.submits;
	assert_int_equal(do_bio(corner, op, flags, odd), 0);
	assert_int_equal(corner->mock.submits, submits);
}

static int discard_status(struct corner *corner)
{
	struct mpio_bio *bio = mpio_bio_get(corner->queue, MPIO_BIO_DISCARD, 0);
	int status = 1;

	assert_non_null(bio);
	bio->length = BLOCK;
	bio->end_io = note_status;
	bio->ctx = &status;
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(corner->queue), 0);
	return status;
}

static void nothing_is_written_to_what_is_read_only(void **state)
{
	const struct mpio_limits limits = {.features = MPIO_DEVICE_READONLY |
						       MPIO_DEVICE_FLUSH |
						       MPIO_DEVICE_DISCARD};
	struct corner *corner = open_corner(MOCK_IN_ORDER, limits);
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};
	struct file *file = &corner->files[0];

	(void)state;
	assert_int_equal(status_of(corner, MPIO_BIO_WRITE, 0), -MPIO_EROFS);
	assert_int_equal(status_of(corner, MPIO_BIO_WRITE, MPIO_BIO_FUA),
			 -MPIO_EROFS);
	assert_int_equal(status_of(corner, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH),
			 -MPIO_EROFS);
	assert_int_equal(status_of(corner, MPIO_BIO_DISCARD, 0), -MPIO_EROFS);
	assert_int_equal(mpio_page_set_dirty(&file->page, 0, BLOCK), 0);
	assert_int_equal(mpio_write_page(corner->queue, &file->mapping,
					 &file->page, &wbc),
			 -MPIO_EROFS);
	assert_int_equal(file->ends, 1);
	assert_int_equal(file->status, -MPIO_EROFS);
	assert_int_equal(file->page.flags, MPIO_PAGE_DIRTY | MPIO_PAGE_ERROR);
	close_corner(corner);
}

static void what_the_device_cannot_take_is_not_sent(void **state)
{
	const struct mpio_limits limits = {.features = MPIO_DEVICE_FLUSH,
					   .memory_alignment = 512};
	struct corner *corner = open_corner(MOCK_SYNC, limits);

	(void)state;
	assert_int_equal(status_of(corner, MPIO_BIO_DISCARD, 0),
			 -MPIO_EOPNOTSUPP);
	bounce(corner, MPIO_BIO_READ, 0, 1);
	bounce(corner, MPIO_BIO_WRITE, 0, 1);
	bounce(corner, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH, 2);
	bounce(corner, MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA, 3);
	close_corner(corner);
}

/* A discard is all or nothing: nobody drives the rest of it. */
static void a_discard_that_comes_short_has_failed(void **state)
{
	static const struct fault shorts[] = {
		{"nothing", SITE_DISCARD, ACTION_PARTIAL, 0, 0, false,
		 OUTCOME_VISIBLE},
		{"a sector", SITE_DISCARD, ACTION_PARTIAL, 0, 512, false,
		 OUTCOME_VISIBLE},
	};
	const struct mpio_limits limits = {.features = MPIO_DEVICE_DISCARD};

	(void)state;
	for (size_t i = 0; i < sizeof(shorts) / sizeof(*shorts); i++) {
		struct corner *corner = open_corner(MOCK_SYNC, limits);

		corner->injector.fault = &shorts[i];
		corner->injector.n = 1;
		assert_int_equal(discard_status(corner), -MPIO_EIO);
		close_corner(corner);
	}
}

/* ---- Two mappings in one bio -------------------------------------------- */

/* Pages of two files that touch on the device; which want to be told? */
static void write_together(bool tell_first, bool tell_second)
{
	const struct mpio_limits limits = {.features = 0};
	struct corner *corner = open_corner(MOCK_IN_ORDER, limits);

	if (tell_first)
		corner->files[0].ops.written = note_written;
	if (tell_second)
		corner->files[1].ops.written = note_written;
	mpio_queue_plug(corner->queue);
	for (unsigned int i = 0; i < FILES; i++) {
		struct file *file = &corner->files[i];

		assert_int_equal(mpio_page_set_dirty(&file->page, 0, BLOCK), 0);
		assert_int_equal(mpio_write_page(corner->queue, &file->mapping,
						 &file->page, NULL),
				 0);
	}
	mpio_queue_unplug(corner->queue);
	assert_int_equal(mpio_queue_drain(corner->queue), 0);
	assert_int_equal(corner->mock.submits, 1);
	for (unsigned int i = 0; i < FILES; i++) {
		struct file *file = &corner->files[i];
		bool wants = i == 0 ? tell_first : tell_second;

		assert_int_equal(file->ends, 1);
		assert_int_equal(file->status, 0);
		assert_int_equal(file->told, wants ? 1 : 0);
		assert_int_equal(file->page.flags, 0);
		assert_memory_equal(corner->disk + (size_t)i * BLOCK,
				    file->memory, BLOCK);
	}
	close_corner(corner);
}

static void each_mapping_of_a_bio_is_told_what_was_written(void **state)
{
	(void)state;
	write_together(true, true);
	write_together(true, false);
	write_together(false, true);
	write_together(false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_written_to_what_is_read_only),
		cmocka_unit_test(what_the_device_cannot_take_is_not_sent),
		cmocka_unit_test(a_discard_that_comes_short_has_failed),
		cmocka_unit_test(
			each_mapping_of_a_bio_is_told_what_was_written),
	};

	watchdog(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

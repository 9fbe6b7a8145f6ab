/* SPDX-License-Identifier: MIT */
/*
 * Pages on the device, by the verbs that this library is for: a small file
 * system of one file, whose blocks lie on the device in pieces, in no order and
 * with holes between. Pages are written back and read again into other frames,
 * and each block must be where the map says, with bios as large, as scattered
 * and as merged as the device lets them be.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 48, PAGE = 4096, HOLE = -1 };

struct file {
	struct mpio_mapping mapping; /* first: the mapping is the file */
	struct ds_rig *rig;
	struct mpio_page pages[PAGES];
	unsigned char *frames;
	uint32_t block;    /* bytes */
	uint32_t page;     /* bytes */
	uint32_t per_page; /* blocks of a page */
	uint32_t count;    /* blocks of the file */
	long *place;       /* of each, on the device, or HOLE */
	long *reserved;    /* where a hole will be */
	uint32_t *held;    /* generations of the file's blocks */
	uint32_t ends;     /* calls of read_end or write_end */
	int status;        /* the first that was not 0 */
};

/* ---- The engine's side --------------------------------------------------- */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	struct file *file = (struct file *)mapping;
	long *place = file->place + block;
	uint64_t n = 1;

	(void)page;
	if ((flags & MPIO_MAP_CREATE) && *place == HOLE) {
		*place = file->reserved[block];
		extent->flags = MPIO_EXTENT_MAPPED | MPIO_EXTENT_NEW;
	} else {
		while (n < extent->count &&
		       place[n] == (*place == HOLE ? HOLE : *place + (long)n))
			n++;
		extent->flags = *place == HOLE ? 0 : MPIO_EXTENT_MAPPED;
	}
	extent->block = *place == HOLE ? 0 : (uint64_t)*place;
	extent->count = n;
	return 0;
}

static void page_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	struct file *file = (struct file *)mapping;

	(void)page;
	file->ends++;
	if (file->status == 0)
		file->status = status;
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	struct file *file = (struct file *)mapping;
	size_t n = 0;

	for (size_t i = 0; i < PAGES && n < pages_max; i++) {
		struct mpio_page *page = &file->pages[i];

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static const struct mpio_mapping_ops ops = {
	.get_block = get_block,
	.read_end = page_end,
	.write_end = page_end,
	.next_dirty = next_dirty,
};

/* ---- The file ------------------------------------------------------------ */

static void *array(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (memory == NULL)
		abort();
	return memory;
}

/* Pieces of one to twelve blocks, dealt out over the first blocks. */
static void lay_out(struct file *file)
{
	uint64_t *random = &file->rig->random;
	uint32_t at = 0;

	for (uint32_t i = 0; i < file->count; i++)
		file->reserved[i] = HOLE;
	while (at < file->count) {
		uint32_t n = 1 + ds_below(random, 12);
		uint32_t to = ds_below(random, file->count);
		bool hole = ds_below(random, 6) == 0;

		for (; n != 0 && at < file->count; n--, at++) {
			while (file->held[to] != 0)
				to = (to + 1) % file->count;
			file->held[to] = 1; /* taken, for now */
			file->reserved[at] = (long)to++;
			to %= file->count;
			file->place[at] = hole ? HOLE : file->reserved[at];
		}
	}
	memset(file->held, 0, file->count * sizeof(*file->held));
}

static void open_file(struct file *file, struct ds_rig *rig)
{
	struct ds_run *run = rig->run;
	const uint32_t block = run->block;

	*file = (struct file){.rig = rig, .block = block};
	file->page = block > PAGE ? block : PAGE;
	file->per_page = file->page / block;
	file->count = PAGES * file->per_page;
	file->place = array(file->count + 1, sizeof(*file->place));
	file->reserved = array(file->count + 1, sizeof(*file->reserved));
	file->held = array(file->count + 1, sizeof(*file->held));
	file->frames = ds_memory(run, (size_t)PAGES * file->page);
	file->mapping = (struct mpio_mapping){
		.ops = &ops,
		.block_size = block,
		.size = (uint64_t)PAGES * file->page,
	};
	lay_out(file);
}

static void close_file(struct file *file)
{
	free(file->place);
	free(file->reserved);
	free(file->held);
	free(file->frames);
}

/* Pages without contents; their frames in runs, or in no order at all. */
static void make_pages(struct file *file, bool in_order)
{
	uint32_t frame[PAGES];

	memset(file->frames, DS_GUARD, (size_t)PAGES * file->page);
	for (uint32_t i = 0; i < PAGES; i++) {
		uint32_t j = in_order ? i : ds_below(&file->rig->random, i + 1);

		frame[i] = frame[j];
		frame[j] = i;
	}
	for (uint32_t i = 0; i < PAGES; i++)
		mpio_page_init(&file->pages[i], &file->mapping,
			       (uint64_t)i * file->page,
			       file->frames + (size_t)frame[i] * file->page,
			       file->page);
	file->ends = 0;
	file->status = 0;
}

/* ---- Writing and reading ------------------------------------------------- */

/* Blocks are patterned as those of the device where they will lie. */
static void fill_page(struct file *file, uint32_t i)
{
	struct ds_run *run = file->rig->run;
	uint32_t generation = atomic_fetch_add(&run->newest, 1) + 1;
	unsigned char *data = file->pages[i].data;

	for (uint32_t b = 0; b < file->per_page; b++) {
		uint32_t block = i * file->per_page + b;
		uint32_t to = (uint32_t)file->reserved[block];

		file->held[block] = generation;
		run->generation[to] = generation;
		ds_pattern_fill(run, to, &generation,
				data + (size_t)b * file->block, file->block);
	}
}

static void write_pages(struct file *file, uint32_t step)
{
	struct ds_rig *rig = file->rig;
	struct mpio_writeback_control wbc = {
		.sync_mode = MPIO_SYNC_ALL,
		.reason = MPIO_REASON_SYNC,
		.nr_to_write = MPIO_WRITE_ALL,
	};
	uint32_t n = 0;

	make_pages(file, step == 1);
	for (uint32_t i = 0; i < PAGES; i += step, n++) {
		fill_page(file, i);
		file->pages[i].flags |= MPIO_PAGE_UPTODATE;
		ds_equal(rig->run,
			 mpio_page_set_dirty(&file->pages[i], 0, file->page),
			 0);
	}
	ds_equal(rig->run, mpio_writepages(rig->queue, &file->mapping, &wbc),
		 0);
	ds_equal(rig->run, mpio_queue_flush(rig->queue), 0);
	ds_equal(rig->run, file->ends, n);
	ds_equal(rig->run, file->status, 0);
}

static void check_page(struct file *file, uint32_t i)
{
	struct ds_run *run = file->rig->run;
	const unsigned char *data = file->pages[i].data;

	for (uint32_t b = 0; b < file->per_page; b++) {
		uint32_t block = i * file->per_page + b;
		long place = file->place[block];
		uint32_t wanted = place == HOLE ? DS_ZEROS : file->held[block];
		char text[200];
		long at = ds_pattern_compare(
			run, place == HOLE ? 0 : (uint64_t)place, &wanted, NULL,
			data + (size_t)b * file->block, file->block, text,
			sizeof(text));

		ds_expect(run, at < 0,
			  "page %" PRIu32 ", block %" PRIu32 " of it: %s", i, b,
			  text);
	}
}

/* Read all pages in two calls, whose bios a plug may merge. */
static void read_pages(struct file *file, bool in_order, bool plugged)
{
	struct ds_rig *rig = file->rig;
	struct mpio_page *pages[PAGES];

	make_pages(file, in_order);
	for (uint32_t i = 0; i < PAGES; i++) {
		file->pages[i].flags |= MPIO_PAGE_LOCKED;
		pages[i] = &file->pages[i];
	}
	if (plugged)
		mpio_queue_plug(rig->queue);
	for (uint32_t i = 0; i < PAGES; i += PAGES / 2)
		ds_equal(rig->run,
			 mpio_readahead(rig->queue, &file->mapping, pages + i,
					PAGES / 2, MPIO_READ_SYNC),
			 PAGES / 2);
	if (plugged)
		mpio_queue_unplug(rig->queue);
	ds_equal(rig->run, mpio_queue_drain(rig->queue), 0);
	ds_equal(rig->run, file->ends, PAGES);
	ds_equal(rig->run, file->status, 0);
	for (uint32_t i = 0; i < PAGES; i++)
		check_page(file, i);
}

static void use_file(struct ds_run *run, const struct mpio_queue_config *config)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, config);
	struct file file;

	if (rig == NULL)
		return;
	open_file(&file, rig);
	if (!ds_expect(run, file.count <= run->count,
		       "%" PRIu32 " blocks, a file has %" PRIu32, run->count,
		       file.count)) {
		close_file(&file);
		ds_rig_close(rig);
		return;
	}
	ds_sweep(rig, MPIO_BIO_WRITE, 0, file.count);
	for (uint32_t i = 0; i < file.count; i++)
		if (file.place[i] != HOLE)
			file.held[i] = run->generation[file.place[i]];
	for (uint32_t step = 5; step != 0; step--) {
		read_pages(&file, step % 2, step % 3 == 0);
		write_pages(&file, step);
		ds_sweep(rig, MPIO_BIO_READ, 0, file.count);
	}
	read_pages(&file, true, true);
	read_pages(&file, false, false);
	close_file(&file);
	ds_rig_close(rig);
}

static void pages(struct ds_run *run)
{
	use_file(run, NULL);
	use_file(run,
		 &(struct mpio_queue_config){.bios = 2, .segments_max = 3});
	use_file(run, &(struct mpio_queue_config){.gap_bytes = 65536});
}

const struct ds_test ds_tests_pages[] = {
	{"pages", pages, DS_WRITES},
	{NULL, NULL, 0},
};

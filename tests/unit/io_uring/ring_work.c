/* SPDX-License-Identifier: MIT */
/*
 * The workload for backend io_uring: see ring_work.h.
 *
 * The file lies in memory, too, as it should be. A write that failed leaves it
 * unknown what the file holds there, until it is read at the end. I/Os of one
 * phase do not overlap, so what a read should find is known when it ends.
 */
#include "ring_work.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JOBS 96u
#define JOB_BYTES 32768u /* of memory, for each */
#define PAGES 32u
#define PAGE 4096u
#define PAGES_AT (256u * KIB) /* of the file */

struct job {
	enum mpio_bio_op op;
	uint32_t flags;
	uint64_t offset;
	uint32_t piece;
	uint32_t length;
	unsigned char *memory;
	unsigned int started;
	unsigned int ended;
	int status;
};

static struct work {
	const struct work_options *options;
	struct mpio_queue *queue;
	unsigned char *memory; /* of jobs, then of pages */
	struct job jobs[JOBS];
	unsigned int job_count;
	struct mpio_mapping mapping;
	struct mpio_page pages[PAGES];
	unsigned int page_ends[PAGES];
	unsigned int errors;
	unsigned char generation; /* of what is written */
} work;

static unsigned char image[WORK_SIZE];
static bool unsure[WORK_SIZE];

/* ---- The deadline --------------------------------------------------------- */

static char deadline_case[160];

static void too_late(int number)
{
	(void)number;
	fprintf(stderr, "too late: %s\n", deadline_case);
	for (unsigned int i = 0; i < work.job_count; i++) {
		const struct job *job = &work.jobs[i];

		if (job->started != job->ended)
			fprintf(stderr,
				"in flight: operation %d, flags %#x, %llu + "
				"%u\n",
				(int)job->op, job->flags,
				(unsigned long long)job->offset, job->length);
	}
	for (unsigned int i = 0; i < PAGES; i++) {
		if (work.pages[i].flags &
		    (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK))
			fprintf(stderr, "in flight: page %u\n", i);
	}
	_exit(1);
}

void work_deadline(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(deadline_case, sizeof(deadline_case), format, args);
	va_end(args);
	signal(SIGALRM, too_late);
	alarm(60);
}

void work_deadline_end(void)
{
	alarm(0);
}

/* ---- The file ------------------------------------------------------------- */

void work_make_file(void)
{
	make_file(PATH, WORK_SIZE);
	for (uint32_t i = 0; i < WORK_SIZE; i++)
		image[i] = byte_at(i);
	memset(unsure, 0, sizeof(unsure));
}

/* What the file holds is what was told; from here on, it is known. */
static void check_file(void)
{
	static unsigned char found[WORK_SIZE + 1];
	FILE *file = fopen(PATH, "rb");

	assert_non_null(file);
	assert_int_equal(fread(found, 1, sizeof(found), file), WORK_SIZE);
	fclose(file);
	/* Byte by byte only if there is something to be told. */
	for (uint32_t i = memcmp(found, image, WORK_SIZE) ? 0 : WORK_SIZE;
	     i < WORK_SIZE; i++) {
		if (!unsure[i] && found[i] != image[i])
			fail_msg("%s: byte %u of the file is %u, not %u",
				 deadline_case, i, found[i], image[i]);
	}
	memcpy(image, found, WORK_SIZE);
	memset(unsure, 0, sizeof(unsure));
}

struct mpio_device *work_open(const struct mpio_io_uring_config *config)
{
	struct mpio_device *device = NULL;

	assert_int_equal(mpio_io_uring_open(PATH, config, &device), 0);
	return device;
}

const char *work_describe(struct mpio_device *device)
{
	static char text[4096];

	assert_true(mpio_device_describe(device, text, sizeof(text)) <
		    sizeof(text));
	return text;
}

int work_set_up(void **state)
{
	ring_host_reset();
	return set_up(state);
}

static void compare(const unsigned char *memory, uint64_t offset,
		    uint32_t length)
{
	for (uint32_t i = memcmp(memory, image + offset, length) ? 0 : length;
	     i < length; i++) {
		if (!unsure[offset + i] && memory[i] != image[offset + i])
			fail_msg("%s: byte %llu reads as %u, not %u",
				 deadline_case, (unsigned long long)offset + i,
				 memory[i], image[offset + i]);
	}
}

static void note_written(const unsigned char *memory, uint64_t offset,
			 uint32_t length, int status)
{
	memcpy(image + offset, memory, length);
	memset(unsure + offset, status != 0, length);
}

static void check_status(int status)
{
	if (status == 0)
		return;
	work.errors++;
	if (!work.options->may_fail)
		fail_msg("%s: ended with %d", deadline_case, status);
}

/* ---- Bios by hand --------------------------------------------------------- */

/* The n-th piece of a job's memory; none touches the next. */
static unsigned char *piece_at(const struct job *job, uint32_t n)
{
	return job->memory + (size_t)n * 2 * job->piece;
}

static uint32_t piece_length(const struct job *job, uint32_t done)
{
	uint32_t left = job->length - done;

	return left < job->piece ? left : job->piece;
}

static void job_ended(struct mpio_bio *bio)
{
	struct job *job = bio->ctx;
	uint32_t n = 0;

	if (++job->ended > job->started)
		fail_msg("%s: a bio ended twice", deadline_case);
	job->status = bio->status;
	for (uint32_t done = 0; done < job->length; done += job->piece, n++) {
		unsigned char *memory = piece_at(job, n);
		uint32_t length = piece_length(job, done);

		if (job->op == MPIO_BIO_WRITE)
			note_written(memory, job->offset + done, length,
				     job->status);
		else if (job->op == MPIO_BIO_READ && job->status == 0)
			compare(memory, job->offset + done, length);
	}
	if (job->op == MPIO_BIO_DISCARD) {
		memset(image + job->offset, 0, bio->length);
		memset(unsure + job->offset, job->status != 0, bio->length);
		if (job->status == -MPIO_EOPNOTSUPP)
			job->status = 0; /* as some file systems have it */
	}
	if (job->status != -MPIO_ECANCELED)
		check_status(job->status);
	mpio_bio_put(bio);
}

static struct mpio_bio *start(enum mpio_bio_op op, uint32_t flags,
			      uint64_t offset, uint32_t piece, uint32_t length)
{
	struct job *job = &work.jobs[work.job_count];
	struct mpio_bio *bio;
	uint32_t n = 0;

	assert_true(work.job_count < JOBS);
	if (work.options->volatile_only)
		flags = 0;
	while ((bio = mpio_bio_get(work.queue, op, flags)) == NULL)
		assert_true(mpio_queue_wait(work.queue) >= 0);
	*job = (struct job){
		.op = op,
		.flags = flags,
		.offset = offset,
		.piece = piece,
		.length = op <= MPIO_BIO_WRITE ? length : 0,
		.memory = work.memory + (size_t)work.job_count * JOB_BYTES,
		.started = 1,
	};
	work.job_count++;
	work.generation = (unsigned char)(work.generation + 31);
	for (uint32_t done = 0; done < job->length; done += piece, n++) {
		uint32_t part = piece_length(job, done);

		for (uint32_t i = 0; i < part; i++)
			piece_at(job, n)[i] =
				(unsigned char)(byte_at(offset + done + i) +
						work.generation);
		assert_int_equal(mpio_bio_add(bio, piece_at(job, n), part), 0);
	}
	bio->offset = offset;
	bio->end_io = job_ended;
	bio->ctx = job;
	if (op == MPIO_BIO_DISCARD)
		bio->length = length;
	assert_int_equal(mpio_bio_submit(bio), 0);
	return bio;
}

static void drain(void)
{
	int result = mpio_queue_drain(work.queue);

	if (result != 0)
		fail_msg("%s: drain: %d", deadline_case, result);
	for (unsigned int i = 0; i < work.job_count; i++) {
		if (work.jobs[i].ended != 1)
			fail_msg("%s: job %u ended %u times", deadline_case, i,
				 work.jobs[i].ended);
	}
}

/* ---- Pages ---------------------------------------------------------------- */

/* Runs of three pages, the last run first. */
static uint64_t place_of(uint64_t block)
{
	uint64_t run = block / 3;
	uint64_t runs = (PAGES + 2) / 3;

	return PAGES_AT / PAGE + (runs - 1 - run) * 3 + block % 3;
}

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	uint64_t left = 3 - block % 3;

	(void)mapping;
	(void)page;
	(void)flags;
	extent->block = place_of(block);
	if (extent->count > left)
		extent->count = left;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void page_read(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	(void)mapping;
	work.page_ends[page - work.pages]++;
	check_status(status);
	if (status == 0)
		compare(page->data, place_of(page->pos / PAGE) * PAGE, PAGE);
}

static void page_written(struct mpio_mapping *mapping, struct mpio_page *page,
			 int status)
{
	(void)mapping;
	work.page_ends[page - work.pages]++;
	check_status(status);
	note_written(page->data, place_of(page->pos / PAGE) * PAGE, PAGE,
		     status);
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	size_t n = 0;

	(void)mapping;
	for (uint64_t i = pos / PAGE; i < PAGES && i * PAGE < end; i++) {
		if (n < pages_max && (work.pages[i].flags & flags) == flags)
			pages[n++] = &work.pages[i];
	}
	return n;
}

static const struct mpio_mapping_ops page_ops = {
	.get_block = get_block,
	.read_end = page_read,
	.write_end = page_written,
	.next_dirty = next_dirty,
};

/* Frames in runs of two, the runs in another order than the pages. */
static void make_pages(void)
{
	unsigned char *frames = work.memory + (size_t)JOBS * JOB_BYTES;

	work.mapping = (struct mpio_mapping){
		.ops = &page_ops, .size = PAGES * PAGE, .block_size = PAGE};
	for (unsigned int i = 0; i < PAGES; i++) {
		unsigned int frame = (i / 2 * 10 + i % 2) % PAGES;

		mpio_page_init(&work.pages[i], &work.mapping,
			       (uint64_t)i * PAGE,
			       frames + (size_t)frame * PAGE, PAGE);
		work.page_ends[i] = 0;
	}
}

static void assert_pages_ended(unsigned int times)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		if (work.page_ends[i] != times)
			fail_msg("%s: page %u ended %u times", deadline_case, i,
				 work.page_ends[i]);
	}
}

static void flush(void)
{
	if (!work.options->volatile_only)
		check_status(mpio_queue_flush(work.queue));
}

/* ---- Phases --------------------------------------------------------------- */

static void write_under_a_plug(uint32_t piece)
{
	mpio_queue_plug(work.queue);
	for (uint32_t i = 0; i < 10; i++)
		(void)start(MPIO_BIO_WRITE, i == 6 ? MPIO_BIO_FUA : 0,
			    (uint64_t)(9 - i) * 16384, piece,
			    512 * (1 + 3 * i));
	mpio_queue_unplug(work.queue);
	assert_true(mpio_queue_poll(work.queue) >= 0);
	drain();
	flush();
}

static void read_under_a_plug(uint32_t piece)
{
	int result;

	mpio_queue_plug(work.queue);
	for (uint32_t i = 0; i < 12; i++)
		(void)start(MPIO_BIO_READ, 0, (uint64_t)i * 16384, piece,
			    512 * (1 + 2 * i));
	mpio_queue_unplug(work.queue);
	while ((result = mpio_queue_wait(work.queue)) > 0)
		;
	assert_int_equal(result, 0);
	drain();
}

static void mix_one_by_one(uint32_t piece)
{
	for (uint32_t i = 0; i < 8; i++)
		(void)start(i % 2 == 0 ? MPIO_BIO_WRITE : MPIO_BIO_READ, 0,
			    (uint64_t)i * 8192, piece, 4096);
	(void)start(MPIO_BIO_WRITE, MPIO_BIO_PREFLUSH | MPIO_BIO_FUA, 64 * KIB,
		    4096, 4096);
	(void)start(MPIO_BIO_DISCARD, 0, 192 * KIB, 0, 16384);
	drain();
	/* Of a single piece, and the odd end of the file. */
	(void)start(MPIO_BIO_READ, 0, 192 * KIB, 16384, 16384);
	(void)start(MPIO_BIO_WRITE, 0, 128 * KIB, 8192, 8192);
	(void)start(MPIO_BIO_WRITE, 0, WORK_SIZE - 612, 1024, 612);
	drain();
	(void)start(MPIO_BIO_READ, 0, WORK_SIZE - 1124, 512, 1124);
	mpio_bio_cancel(start(MPIO_BIO_READ, 0, 0, 512, 8192));
	mpio_queue_plug(work.queue);
	mpio_bio_cancel(start(MPIO_BIO_READ, 0, 32768, 512, 8192));
	mpio_queue_unplug(work.queue);
	drain();
}

static void page_in_and_out(void)
{
	struct mpio_page *pages[PAGES];
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL,
					     .nr_to_write = MPIO_WRITE_ALL};

	make_pages();
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i] = &work.pages[i];
		pages[i]->flags |= MPIO_PAGE_LOCKED;
	}
	assert_int_equal(
		mpio_readahead(work.queue, &work.mapping, pages, PAGES, 0),
		PAGES);
	drain();
	assert_pages_ended(1);
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i]->flags |= MPIO_PAGE_UPTODATE;
		memset(pages[i]->data, (int)(work.generation + i), PAGE);
		assert_int_equal(mpio_page_set_dirty(pages[i], 0, PAGE), 0);
	}
	(void)mpio_writepages(work.queue, &work.mapping, &wbc);
	flush();
	drain();
	assert_pages_ended(2);
}

static unsigned char *get_memory(size_t size)
{
	static unsigned char *memory; /* the same for all runs */
	void *got;

	if (memory == NULL) {
		assert_int_equal(posix_memalign(&got, 4096, size), 0);
		memory = got;
	}
	return memory;
}

unsigned int work_run(struct mpio_device *device,
		      const struct work_options *options)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.bios = 16,
					   .in_flight_max = 10,
					   .pages_max = 64,
					   .allocator = &allocator};
	size_t size = (size_t)JOBS * JOB_BYTES + (size_t)PAGES * PAGE;
	unsigned char generation = work.generation;
	uint32_t piece = device->limits.memory_alignment > 1 ? 512 : 700;

	work = (struct work){
		.options = options,
		.memory = get_memory(size),
		.generation = (unsigned char)(generation + 1),
	};
	assert_int_equal(mpio_queue_open(device, &config, &work.queue), 0);
	if (options->announce)
		assert_int_equal(mpio_queue_register_memory(work.queue,
							    work.memory, size),
				 0);
	write_under_a_plug(piece);
	read_under_a_plug(piece);
	mix_one_by_one(piece);
	page_in_and_out();
	mpio_queue_close(work.queue);
	check_file();
	return work.errors;
}

/* SPDX-License-Identifier: MIT */
/*
 * The workload, and what must be true of it: see workload.h. The file is cut
 * into regions, each for one purpose, so that each byte is written once at
 * most: it holds its old content or its new one.
 */
#include "workload.h"

#include "internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u
#define BLOCK 4096u
#define PAGE (2 * BLOCK)
#define PAGES 12u
#define UNIT 4u /* blocks that get_block answers with at once */

/* Regions, in blocks. */
#define READ_AT 0u /* 40 of them; pages are the first 24 */
#define WRITE_AT 40u
#define PAGES_AT 72u
#define DISCARD_AT 96u
#define TAIL_AT 100u
#define END_AT 102u
#define SIZE (END_AT * BLOCK + 777u)

#define IOS_MAX 64u
#define PIECES_MAX 8u   /* that every bio has room for */
#define ERRORS_MAX 100u /* told in waiting; then the faults are lifted */

/* ---- What is in the file ------------------------------------------------- */

enum { OLD, NEW, ZERO, VERSIONS };

static unsigned char byte_at(uint64_t pos, int version)
{
	uint64_t hash = (pos * VERSIONS + (uint64_t)version + 1) *
			UINT64_C(0x9e3779b97f4a7c15);

	return version == ZERO ? 0 : (unsigned char)(hash >> 56);
}

/* What each sector may hold: bits 1 << version. */
static unsigned char allowed[SIZE / SECTOR + 1];

static void allow(uint64_t offset, uint32_t length, unsigned versions)
{
	for (uint64_t at = offset; at < offset + length; at += SECTOR)
		allowed[at / SECTOR] = (unsigned char)versions;
}

static bool is_allowed(uint64_t pos, unsigned char byte)
{
	for (int version = 0; version < VERSIONS; version++) {
		if ((allowed[pos / SECTOR] & 1 << version) != 0 &&
		    byte == byte_at(pos, version))
			return true;
	}
	return false;
}

/* Past the page cache what is written need not be written back before I/O. */
static void write_file(int flags, const unsigned char *content, size_t from,
		       size_t to)
{
	int fd = open(PATH, O_RDWR | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, content + from, to - from, (off_t)from),
			 to - from);
	close(fd);
}

static void fill_file(bool direct)
{
	static _Alignas(BLOCK) unsigned char content[SIZE];
	size_t whole = direct ? SIZE - SIZE % BLOCK : 0;

	for (uint32_t i = 0; i < SIZE; i++)
		content[i] = byte_at(i, OLD);
	if (whole != 0)
		write_file(O_DIRECT, content, 0, whole);
	write_file(0, content, whole, SIZE);
	allow(0, SIZE, 1 << OLD);
}

void make_file(void)
{
	fill_file(false);
}

static void check_file(void)
{
	static unsigned char content[SIZE];
	int fd = open(PATH, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, content, SIZE), SIZE);
	close(fd);
	for (uint32_t i = 0; i < SIZE; i++) {
		if (!is_allowed(i, content[i]))
			fail_msg("byte %u of the file is wrong: 0x%02x", i,
				 content[i]);
	}
}

/* ---- The run ------------------------------------------------------------- */

/* A bio of the workload's own, or a page. */
struct io {
	const char *name;
	uint64_t offset;
	uint32_t length;
	uint32_t piece; /* of memory; they do not touch */
	enum mpio_bio_op op;
	unsigned char *memory;
	bool is_out; /* started, and not ended */
	unsigned ends;
	int status;
};

static struct {
	const struct workload *workload;
	struct mpio_queue *queue;
	struct mpio_mapping mapping;
	struct mpio_page pages[PAGES];
	struct io page_ios[PAGES];
	struct io ios[IOS_MAX];
	unsigned io_count;
	unsigned out; /* started, and not ended */
	unsigned told;
	unsigned char *arena;
	size_t used;
} run;

static void tell(int error)
{
	run.told++;
	if (run.workload->may_tell == 0 ||
	    (error != run.workload->may_tell && error != -MPIO_EIO &&
	     error != -MPIO_EAGAIN))
		fail_msg("told %d: %s", error, mpio_strerror(error));
}

static void start(struct io *io)
{
	assert_false(io->is_out);
	io->is_out = true;
	run.out++;
}

static void ended(struct io *io, int status)
{
	if (!io->is_out)
		fail_msg("%s has ended twice", io->name);
	io->is_out = false;
	io->ends++;
	io->status = status;
	run.out--;
	if (status != 0)
		tell(status);
}

static unsigned char *memory_of(size_t size)
{
	unsigned char *memory = run.arena + run.used;

	run.used += (size + BLOCK - 1) & ~(size_t)(BLOCK - 1);
	assert_true(run.used <= 8192 * KIB);
	return memory;
}

/* The place of an I/O's n-th byte in its memory. */
static unsigned char *nth(const struct io *io, uint32_t n)
{
	return io->memory + (size_t)(n / io->piece) * 2 * io->piece +
	       n % io->piece;
}

/* ---- The deadline -------------------------------------------------------- */

static void say(const struct io *io)
{
	char line[128];
	int length;

	if (!io->is_out)
		return;
	length = snprintf(line, sizeof(line), "in flight: %s, %u at %u\n",
			  io->name, io->length, (unsigned)io->offset);
	(void)!write(STDERR_FILENO, line, (size_t)length);
}

static void deadline(int number)
{
	static const char text[] = "it hangs\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	for (unsigned i = 0; i < PAGES; i++)
		say(&run.page_ios[i]);
	for (unsigned i = 0; i < run.io_count; i++)
		say(&run.ios[i]);
	_exit(1);
}

void start_deadline(void)
{
	signal(SIGALRM, deadline);
	alarm(60);
}

/* ---- Waiting ------------------------------------------------------------- */

/* Wait for something; 0, or the error that was told. */
static int wait_once(void)
{
	int result;

	if (run.workload->by_events) {
		struct pollfd fd = {.fd = mpio_queue_event_fd(run.queue),
				    .events = POLLIN};

		assert_true(fd.fd >= 0);
		poll(&fd, 1, -1);
		result = mpio_queue_poll(run.queue);
	} else {
		result = mpio_queue_wait(run.queue);
	}
	return result < 0 ? result : 0;
}

/* Until all has ended. An error of the device itself is told, not final. */
static void wait_for_all(void)
{
	unsigned errors = 0;

	while (run.out != 0 || mpio_queue_stats(run.queue)->in_flight != 0) {
		int error = wait_once();

		if (error == 0)
			continue;
		tell(error);
		if (++errors == ERRORS_MAX)
			faults_lift();
		assert_true(errors <= ERRORS_MAX);
	}
}

/* ---- Bios ---------------------------------------------------------------- */

static void bio_ended(struct mpio_bio *bio)
{
	struct io *io = bio->ctx;
	int status = bio->status;

	ended(io, status);
	for (uint32_t n = 0; io->op == MPIO_BIO_READ && n < io->length; n++) {
		if (status == 0 && !is_allowed(io->offset + n, *nth(io, n)))
			fail_msg("%s: byte %u is wrong", io->name, n);
		if (n + io->piece < io->length && nth(io, n)[io->piece] != 0xee)
			fail_msg("%s: a byte behind %u", io->name, n);
	}
	if (io->op == MPIO_BIO_WRITE)
		allow(io->offset, io->length,
		      status == 0 ? 1 << NEW : 1 << NEW | 1 << OLD);
	if (io->op == MPIO_BIO_DISCARD)
		allow(io->offset, io->length,
		      status == 0 ? 1 << ZERO : 1 << ZERO | 1 << OLD);
	mpio_bio_put(bio);
}

static struct mpio_bio *get_bio(enum mpio_bio_op op, uint32_t flags)
{
	struct mpio_bio *bio;
	unsigned errors = 0;

	while ((bio = mpio_bio_get(run.queue, op, flags)) == NULL) {
		int result = mpio_queue_wait(run.queue);

		if (result >= 0)
			continue;
		tell(result);
		if (++errors == ERRORS_MAX)
			faults_lift();
	}
	return bio;
}

static void begin(const char *name, enum mpio_bio_op op, uint32_t flags,
		  uint64_t offset, uint32_t length, uint32_t piece)
{
	struct mpio_bio *bio = get_bio(op, flags);
	struct io *io = &run.ios[run.io_count++];

	assert_true(run.io_count <= IOS_MAX);
	while (piece * PIECES_MAX < length)
		piece += SECTOR;
	*io = (struct io){.name = name,
			  .op = op,
			  .offset = offset,
			  .length = length,
			  .piece = piece};
	bio->offset = offset;
	bio->end_io = bio_ended;
	bio->ctx = io;
	if (op == MPIO_BIO_DISCARD)
		bio->length = length;
	if (op <= MPIO_BIO_WRITE) {
		io->memory = memory_of(2 * (size_t)length + piece);
		memset(io->memory, 0xee, 2 * (size_t)length + piece);
	}
	for (uint32_t n = 0; op == MPIO_BIO_WRITE && n < length; n++)
		*nth(io, n) = byte_at(offset + n, NEW);
	for (uint32_t n = 0; op <= MPIO_BIO_WRITE && n < length; n += piece)
		assert_int_equal(mpio_bio_add(bio, nth(io, n),
					      mpio__min_u32(piece, length - n)),
				 0);
	/* Until it has ended it is not known how much of it is done. */
	if (op == MPIO_BIO_WRITE)
		allow(offset, length, 1 << NEW | 1 << OLD);
	start(io);
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void some_reads(unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		begin("read", MPIO_BIO_READ, 0, SECTOR * (i * 37 % 250),
		      SECTOR * (1 + i * 11 % 60), SECTOR * (1 + i % 5));
}

static void some_writes(unsigned first, unsigned n, uint32_t flags)
{
	for (unsigned i = first; i < first + n; i++)
		begin(flags != 0 ? "durable write" : "write", MPIO_BIO_WRITE,
		      flags, WRITE_AT * BLOCK + i * 10 * KIB,
		      SECTOR * (1 + i * 7 % 20), SECTOR * (1 + i % 5));
}

static void flush(void)
{
	int error;

	wait_for_all();
	error = mpio_queue_flush(run.queue);
	if (error != 0)
		tell(error);
}

/* ---- Pages --------------------------------------------------------------- */

/* Units lie on the device in another order than in the mapping. */
static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	static const uint64_t units[] = {3, 0, 5, 1, 4, 2};
	uint64_t left = UNIT - block % UNIT;

	(void)page;
	(void)flags;
	extent->block = *(const unsigned *)mapping->host +
			units[block / UNIT] * UNIT + block % UNIT;
	extent->count = left < extent->count ? left : extent->count;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

/* Where a byte of the mapping lies on the device. */
static uint64_t place(uint64_t pos)
{
	struct mpio_extent extent = {.count = 1};

	get_block(&run.mapping, NULL, pos / BLOCK, 0, &extent);
	return extent.block * BLOCK + pos % BLOCK;
}

static void page_ended(struct mpio_mapping *mapping, struct mpio_page *page,
		       int status)
{
	(void)mapping;
	ended(&run.page_ios[page - run.pages], status);
}

static void page_read(struct mpio_mapping *mapping, struct mpio_page *page,
		      int status)
{
	const unsigned char *data = page->data;

	page_ended(mapping, page, status);
	for (uint32_t n = 0; n < PAGE && status == 0; n++)
		if (!is_allowed(place(page->pos + n), data[n]))
			fail_msg("page %u: byte %u is wrong",
				 (unsigned)(page - run.pages), n);
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t pages_max)
{
	size_t n = 0;

	(void)mapping;
	for (unsigned i = 0; i < PAGES && n < pages_max; i++) {
		struct mpio_page *page = &run.pages[i];

		if (page->pos + page->size > pos && page->pos < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

static const struct mpio_mapping_ops ops = {
	.get_block = get_block,
	.read_end = page_read,
	.write_end = page_ended,
	.next_dirty = next_dirty,
};

static void set_up_pages(const unsigned *base, const char *name)
{
	run.mapping = (struct mpio_mapping){.ops = &ops,
					    .host = (void *)base,
					    .size = (uint64_t)PAGES * PAGE,
					    .block_size = BLOCK};
	for (unsigned i = 0; i < PAGES; i++) {
		struct mpio_page *page = &run.pages[i];

		mpio_page_init(page, &run.mapping, (uint64_t)i * PAGE,
			       memory_of(PAGE), PAGE);
		run.page_ios[i] = (struct io){.name = name,
					      .offset = place(page->pos),
					      .length = PAGE};
	}
}

static void read_pages(void)
{
	static const unsigned base = READ_AT;
	struct mpio_page *pages[PAGES];
	int taken;

	set_up_pages(&base, "page read");
	for (unsigned i = 0; i < PAGES; i++) {
		pages[i] = &run.pages[i];
		pages[i]->flags |= MPIO_PAGE_LOCKED;
		start(&run.page_ios[i]);
	}
	taken = mpio_readahead(run.queue, &run.mapping, pages, PAGES, 0);
	assert_int_equal(taken, PAGES);
	wait_for_all();
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(run.page_ios[i].ends, 1);
}

/* A page that is clean has been written; another was perhaps not even begun. */
static void write_pages(void)
{
	static const unsigned base = PAGES_AT;
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};
	int error;

	set_up_pages(&base, "page write");
	for (unsigned i = 0; i < PAGES; i++) {
		struct mpio_page *page = &run.pages[i];
		unsigned char *data = page->data;

		for (uint32_t n = 0; n < PAGE; n++)
			data[n] = byte_at(place(page->pos + n), NEW);
		page->flags |= MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY;
		start(&run.page_ios[i]);
	}
	error = mpio_writepages(run.queue, &run.mapping, &wbc);
	if (error != 0)
		tell(error);
	for (unsigned i = 0; i < PAGES; i++) {
		struct io *io = &run.page_ios[i];
		uint32_t flags = run.pages[i].flags;

		if (io->is_out && !(flags & MPIO_PAGE_WRITEBACK)) {
			io->is_out = false; /* the walk did not get there */
			run.out--;
		}
	}
	wait_for_all();
	for (unsigned i = 0; i < PAGES; i++) {
		bool is_dirty = (run.pages[i].flags & MPIO_PAGE_DIRTY) != 0;
		unsigned versions = is_dirty ? 1 << NEW | 1 << OLD : 1 << NEW;

		assert_true(is_dirty ? error != 0 || run.told != 0
				     : run.page_ios[i].ends == 1);
		for (uint32_t at = 0; at < PAGE; at += BLOCK)
			allow(place(run.pages[i].pos + at), BLOCK, versions);
	}
}

/* ---- All of it ----------------------------------------------------------- */

static void plugged(void)
{
	mpio_queue_plug(run.queue);
	some_reads(0, 10);
	some_writes(0, 6, 0);
	mpio_queue_unplug(run.queue);
}

static void tail(void)
{
	uint32_t length = SIZE - TAIL_AT * BLOCK;

	begin("write of the tail", MPIO_BIO_WRITE, 0, TAIL_AT * BLOCK, length,
	      3 * SECTOR);
	wait_for_all();
	begin("read of the tail", MPIO_BIO_READ, 0, TAIL_AT * BLOCK, length,
	      2 * SECTOR);
	begin("discard", MPIO_BIO_DISCARD, 0, DISCARD_AT * BLOCK, 4 * BLOCK, 1);
}

static void all_of_it(void)
{
	plugged();
	read_pages();
	some_writes(6, 4, 0);
	some_reads(10, 4);
	some_writes(10, 1, MPIO_BIO_FUA);
	some_reads(14, 3);
	some_writes(11, 1, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH);
	flush();
	write_pages();
	tail();
	begin("flush", MPIO_BIO_FLUSH, 0, 0, 0, 1);
	wait_for_all();
	assert_int_equal(mpio_queue_stats(run.queue)->in_flight, 0);
	for (unsigned i = 0; i < run.io_count; i++)
		assert_int_equal(run.ios[i].ends, 1);
}

/*
 * Bios that read across gaps share the memory for what lies in them, which
 * nobody looks at: no mistake, but a race to those who look for any.
 */
#if defined(__SANITIZE_THREAD__)
#define QUEUE_FLAGS MPIO_QUEUE_NO_GAPS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QUEUE_FLAGS MPIO_QUEUE_NO_GAPS
#endif
#endif
#ifndef QUEUE_FLAGS
#define QUEUE_FLAGS 0
#endif

struct mpio_queue *open_queue(struct mpio_device *device)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {
		.bios = 8,
		.in_flight_max = 10,
		.flags = QUEUE_FLAGS,
		.allocator = &allocator,
	};
	struct mpio_queue *queue = NULL;

	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	return queue;
}

void close_both(struct mpio_queue *queue)
{
	struct mpio_device *device = mpio_queue_device(queue);

	mpio_queue_close(queue);
	mpio_device_close(device);
}

static unsigned run_on(struct mpio_queue *queue,
		       const struct workload *workload)
{
	static _Alignas(BLOCK) unsigned char arena[8192 * KIB];
	unsigned fired;

	memset(&run, 0, sizeof(run));
	run.arena = arena;
	run.workload = workload;
	run.queue = queue;
	fill_file(workload->direct);
	start_deadline();
	faults_arm(workload->faults, workload->fault_count);
	faults_spare_disk(workload->spare_disk);
	all_of_it();
	fired = faults_fired(0);
	faults_spare_disk(false);
	faults_arm(NULL, 0);
	check_file();
	alarm(0);
	return fired;
}

static struct mpio_queue *open_both(const struct workload *workload)
{
	make_file();
	return open_queue(workload->open(workload->direct));
}

unsigned workload_run(const struct workload *workload)
{
	struct mpio_queue *queue = open_both(workload);
	unsigned fired = run_on(queue, workload);

	start_deadline();
	close_both(queue);
	alarm(0);
	return fired;
}

unsigned workload_sweep(const struct workload *workload)
{
	struct workload one = *workload;
	struct fault *fault = &one.faults[0];
	struct mpio_queue *queue = open_both(workload);
	unsigned all = 0;
	unsigned in_vain = 0;

	for (fault->nth = 1;; fault->nth++) {
		unsigned fired;

		one.by_events = fault->nth % 2 == 0;
		fired = run_on(queue, &one);
		/* Where the disk is done before it is waited for: once more. */
		while (fired == 0 && all == 0 && in_vain++ < 100)
			fired = run_on(queue, &one);
		if (fired == 0)
			break;
		all += fired;
	}
	assert_true(all > 0);
	start_deadline();
	close_both(queue);
	alarm(0);
	return all;
}

/* ---- For cmocka ---------------------------------------------------------- */

static char directory[] = "backend-fault-XXXXXX";

int enter_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL && chdir(directory) == 0 ? 0 : -1;
}

int leave_directory(void **state)
{
	(void)state;
	unlink(PATH);
	return chdir("..") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

bool has_direct(void)
{
	struct mpio_device *device;
	bool has;

	make_file();
	if (mpio_device_open("posix:" PATH "?direct=1", &device) != 0)
		return false;
	has = device->limits.logical_block_size == SECTOR;
	mpio_device_close(device);
	return has;
}

/* SPDX-License-Identifier: MIT */
/*
 * The stage: plays one trial on the library.
 *
 * The devices are small and keep a record of every I/O that they are given,
 * down to the pieces of memory; they hold it against what device.h promises to
 * a backend. A device works at once, or ('late') ends what it was given only
 * when it is asked to, the last one first; then the limits are the device's
 * and not the queue's. Queues are opened once for each set of limits and kept,
 * since millions of trials share them.
 */
#include "enumerate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned char stage_disk[QUEUES_MAX][DEVICE_BLOCKS * BLOCK_SIZE_MAX];

enum {
	GUARD = 16,
	GUARD_BYTE = 0xca,
	LATE_MAX = 4,  /* large and small bios, two of each */
	UNLIMITED = 16 /* pieces of an I/O: more than there can be */
};

static unsigned char arena[PAGES_MAX * (BLOCKS_MAX * BLOCK_SIZE_MAX + 128)];
static unsigned char shadows[sizeof(arena)];

/** Two devices, a queue into each. */
struct rig {
	uint64_t key;
	struct test_device {
		struct mpio_device device;
		unsigned index;
		struct mpio_bio *waiting[LATE_MAX];
		unsigned waiting_count;
	} device[QUEUES_MAX];
	struct mpio_queue *queue[QUEUES_MAX];
	struct sequence_limits limits;
};

enum { RIGS_MAX = 1024 };
static struct rig *rigs[RIGS_MAX];

static struct stage *playing;

void stage_wrong(struct stage *s, const char *what)
{
	if (s->verbose)
		printf("WRONG: %s\n", what);
	if (s->wrong == NULL)
		s->wrong = what;
}

/* The devices. */

static bool touches_bad(const struct stage *s, const struct io_record *io)
{
	uint64_t first = io->offset / s->t->block_size;
	uint64_t last = (io->offset + io->length - 1) / s->t->block_size;

	if (io->queue != 0)
		return false;
	for (uint64_t block = first; block <= last; block++)
		if (s->t->bad >> block & 1)
			return true;
	return false;
}

/** A retry is a proper part of an I/O that failed, and comes once. */
static void check_retry(struct stage *s, const struct io_record *io)
{
	bool part = false;

	for (const struct io_record *old = s->io; old < io; old++) {
		if (old->queue != io->queue)
			continue;
		if (old->retry && old->offset == io->offset &&
		    old->length == io->length)
			stage_wrong(s, "the same retry comes twice");
		if (old->failed && old->length > io->length &&
		    old->offset <= io->offset &&
		    old->offset + old->length >= io->offset + io->length)
			part = true;
	}
	if (!part)
		stage_wrong(s, "an I/O names blocks of an earlier one");
	if (!s->t->isolate)
		stage_wrong(s, "a failed I/O is retried without isolation");
}

/** Note which units an I/O names, and whether it is a retry. */
static void receive(struct stage *s, struct io_record *io)
{
	uint32_t units = 0;

	for (uint64_t at = 0; at < io->length; at += UNIT)
		units |= 1u << ((io->offset + at) / UNIT);
	io->retry = (s->received[io->queue] & units) == units;
	if (!io->retry && (s->received[io->queue] & units) != 0)
		stage_wrong(s, "an I/O names new blocks and old ones");
	s->received[io->queue] |= units;
	if (io->retry)
		check_retry(s, io);
}

static void check_bio(struct stage *s, const struct mpio_bio *bio,
		      const struct mpio_device *device)
{
	const struct mpio_limits *limits = &device->limits;
	uint64_t sum = 0;

	if (bio->op !=
	    (s->t->op == TRIAL_READ ? MPIO_BIO_READ : MPIO_BIO_WRITE))
		stage_wrong(s, "a bio has the wrong operation");
	if (bio->length == 0 || bio->offset % UNIT != 0 ||
	    bio->offset + bio->length > device->size ||
	    (bio->length % UNIT != 0 &&
	     bio->offset + bio->length != device->size))
		stage_wrong(s, "a bio's bytes are not the device's");
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		sum += bio->vecs[i].length;
		if (bio->vecs[i].length == 0)
			stage_wrong(s, "a bio has an empty piece");
	}
	if (sum != bio->length)
		stage_wrong(s, "a bio's pieces are not its length");
	if ((limits->segments_max != 0 &&
	     bio->vec_count > limits->segments_max) ||
	    (limits->bytes_max != 0 && bio->length > limits->bytes_max))
		stage_wrong(s, "a bio breaks the device's limits");
}

static struct io_record *record(struct stage *s, const struct mpio_bio *bio,
				const struct test_device *device)
{
	struct io_record *io = &s->io[s->io_count];

	check_bio(s, bio, &device->device);
	if (s->io_count == IOS_MAX || bio->vec_count > UNITS_MAX ||
	    bio->offset + bio->length > sizeof(stage_disk[0])) {
		stage_wrong(s, "there are far too many I/Os or pieces");
		return NULL;
	}
	s->io_count++;
	io->offset = bio->offset;
	io->length = bio->length;
	io->queue = (uint8_t)device->index;
	io->vec_count = bio->vec_count;
	memcpy(io->vecs, bio->vecs, bio->vec_count * sizeof(*bio->vecs));
	io->failed = touches_bad(s, io);
	receive(s, io);
	if (s->verbose)
		printf("%s%s device %u offset %u length %u pieces %u%s\n",
		       io->retry ? "retry " : "",
		       bio->op == MPIO_BIO_READ ? "read" : "write", io->queue,
		       (unsigned)io->offset, io->length, io->vec_count,
		       io->failed ? " fails" : "");
	return io;
}

static void transfer(const struct mpio_bio *bio, unsigned char *disk)
{
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, disk, vec->length);
		else
			memcpy(disk, vec->base, vec->length);
		disk += vec->length;
	}
}

static void finish(struct test_device *device, struct mpio_bio *bio,
		   bool failed)
{
	if (!failed)
		transfer(bio, stage_disk[device->index] + bio->offset);
	mpio_bio_end(bio, failed ? -MPIO_EIO : 0);
}

static int submit(struct mpio_device *base, void *channel, struct mpio_bio *bio)
{
	struct test_device *device = (struct test_device *)base;
	struct io_record *io = record(playing, bio, device);

	(void)channel;
	if (io == NULL)
		return -MPIO_EIO;
	if (!playing->t->late) {
		finish(device, bio, io->failed);
		return 0;
	}
	if (device->waiting_count == LATE_MAX) {
		stage_wrong(playing, "more bios are in flight than there are");
		return -MPIO_EIO;
	}
	device->waiting[device->waiting_count++] = bio;
	return 0;
}

/** Whether the device should fail it: as its record says. */
static bool fails(const struct mpio_bio *bio, unsigned index)
{
	struct io_record io = {.offset = bio->offset,
			       .length = bio->length,
			       .queue = (uint8_t)index};

	return touches_bad(playing, &io);
}

static int reap(struct mpio_device *base, void *channel, int wait)
{
	struct test_device *device = (struct test_device *)base;
	struct mpio_bio *bio;

	(void)channel;
	(void)wait;
	if (device->waiting_count == 0)
		return 0;
	bio = device->waiting[--device->waiting_count];
	finish(device, bio, fails(bio, device->index));
	return 1;
}

/* The queues. */

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, new_size);
}

static void rig_open(struct rig *rig, const struct trial *t)
{
	const struct mpio_allocator allocator = {.resize = resize};
	struct mpio_queue_config config = {.allocator = &allocator};

	config.bios = t->late ? 2 : 8;
	config.segments_max = UNLIMITED;
	if (t->pieces_max != 0 && !t->late)
		config.segments_max = t->pieces_max;
	config.pages_max = t->parts_max != 0 ? t->parts_max : UNLIMITED;
	config.bytes_max = t->late ? 0 : t->bytes_max;
	config.flags = t->isolate ? 0 : MPIO_QUEUE_NO_ISOLATION;
	for (unsigned q = 0; q < QUEUES_MAX; q++) {
		struct test_device *device = &rig->device[q];

		device->index = q;
		device->device.ops.submit = submit;
		device->device.ops.reap = t->late ? reap : NULL;
		device->device.size = t->device_size;
		if (t->late) {
			device->device.limits.segments_max = t->pieces_max;
			device->device.limits.bytes_max = t->bytes_max;
		}
		if (mpio_queue_open(&device->device, &config, &rig->queue[q]) !=
		    0) {
			fprintf(stderr,
				"test_enumerate: cannot open a queue\n");
			exit(2);
		}
		config.group = rig->queue[0];
	}
	rig->limits.pieces_max = t->pieces_max;
	rig->limits.parts_max = t->parts_max;
	rig->limits.bytes_max = t->bytes_max;
	rig->limits.known = calloc(1, SEQUENCE_KNOWN);
}

static uint64_t rig_key(const struct trial *t)
{
	uint64_t key = 1;

	key = key << 1 | t->late;
	key = key << 1 | t->isolate;
	key = key << 5 | t->pieces_max;
	key = key << 5 | t->parts_max;
	key = key << 16 | t->bytes_max;
	key = key << 16 | t->device_size;
	return key << 12 | t->block_size;
}

static struct rig *rig_for(const struct trial *t)
{
	uint64_t key = rig_key(t);
	size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 54);

	while (rigs[at] != NULL && rigs[at]->key != key)
		at = (at + 1) % RIGS_MAX;
	if (rigs[at] == NULL) {
		rigs[at] = calloc(1, sizeof(*rigs[at]));
		if (rigs[at] == NULL)
			exit(2);
		rigs[at]->key = key;
		rig_open(rigs[at], t);
	}
	return rigs[at];
}

void stage_close(void)
{
	for (size_t i = 0; i < RIGS_MAX; i++) {
		if (rigs[i] == NULL)
			continue;
		for (unsigned q = QUEUES_MAX; q-- > 0;)
			mpio_queue_close(rigs[i]->queue[q]);
		free(rigs[i]->limits.known);
		free(rigs[i]);
		rigs[i] = NULL;
	}
}

/* The pages. */

static uint32_t page_size(const struct trial *t, unsigned p)
{
	return t->page_blocks[p] * t->block_size;
}

static void place_pages(struct stage *s)
{
	const struct trial *t = s->t;
	unsigned char *at = arena + 64;

	for (unsigned i = 0; i < t->page_count; i++) {
		unsigned p = t->layout == LAYOUT_REVERSED
				     ? t->page_count - 1 - i
				     : i;

		s->memory[p] = at;
		at += page_size(t, p);
		if (t->layout == LAYOUT_APART) {
			memset(s->memory[p] - GUARD, GUARD_BYTE, GUARD);
			memset(at, GUARD_BYTE, GUARD);
			at += 2 * GUARD;
		}
	}
	if (t->layout != LAYOUT_APART) {
		memset(arena + 64 - GUARD, GUARD_BYTE, GUARD);
		memset(at, GUARD_BYTE, GUARD);
	}
}

unsigned char *stage_shadow(unsigned char *memory)
{
	return shadows + (memory - arena);
}

static bool guard_is_whole(const unsigned char *guard)
{
	for (unsigned i = 0; i < GUARD; i++)
		if (guard[i] != GUARD_BYTE)
			return false;
	return true;
}

bool stage_guards_whole(void)
{
	const struct stage *s = playing;
	const struct trial *t = s->t;
	unsigned first = t->layout == LAYOUT_REVERSED ? t->page_count - 1u : 0;
	unsigned last = t->page_count - 1u - first;

	if (t->layout != LAYOUT_APART)
		return guard_is_whole(s->memory[first] - GUARD) &&
		       guard_is_whole(s->memory[last] + page_size(t, last));
	for (unsigned p = 0; p < t->page_count; p++)
		if (!guard_is_whole(s->memory[p] - GUARD) ||
		    !guard_is_whole(s->memory[p] + page_size(t, p)))
			return false;
	return true;
}

/** The page's bytes before the call: the file's, or nothing of worth. */
static void fill_page(struct stage *s, unsigned p, unsigned first)
{
	const struct trial *t = s->t;
	uint32_t size = t->block_size;

	if (t->op == TRIAL_WRITE || t->page_state[p] == PAGE_DONE) {
		memcpy(s->memory[p], model_file + (size_t)first * size,
		       page_size(t, p));
		return;
	}
	memset(s->memory[p], MODEL_GARBAGE, page_size(t, p));
	for (unsigned i = 0; i < t->page_blocks[p]; i++)
		if (trial_is_marked(t, first + i))
			memcpy(s->memory[p] + (size_t)i * size,
			       model_file + (size_t)(first + i) * size, size);
}

static void set_states(struct stage *s, unsigned p, unsigned first)
{
	const struct trial *t = s->t;
	uint64_t all = (1u << t->page_blocks[p]) - 1;
	uint64_t marks = 0;
	bool dirty = t->op == TRIAL_WRITE && (t->page_state[p] == PAGE_WANTED ||
					      t->page_state[p] == PAGE_BUSY);

	for (unsigned i = 0; i < t->page_blocks[p]; i++)
		if (t->block[first + i].mark)
			marks |= 1u << i;
	s->page[p].blocks = s->words[p];
	s->words[p][0] = t->op == TRIAL_WRITE || t->page_state[p] == PAGE_DONE
				 ? all
				 : marks;
	s->words[p][1] = dirty ? marks : 0;
}

static uint32_t first_flags(const struct trial *t, unsigned p)
{
	bool done = t->page_state[p] == PAGE_DONE;

	if (t->op == TRIAL_READ)
		return MPIO_PAGE_LOCKED | (done ? MPIO_PAGE_UPTODATE : 0u);
	if (t->page_state[p] == PAGE_BUSY)
		return MPIO_PAGE_UPTODATE | MPIO_PAGE_DIRTY |
		       MPIO_PAGE_WRITEBACK;
	return MPIO_PAGE_UPTODATE | (done ? 0u : MPIO_PAGE_DIRTY);
}

static void make_pages(struct stage *s)
{
	const struct trial *t = s->t;
	unsigned first = 0;

	place_pages(s);
	for (unsigned p = 0; p < t->page_count; p++) {
		struct mpio_page *page = &s->page[p];

		mpio_page_init(page, &s->mapping,
			       (uint64_t)first * t->block_size, s->memory[p],
			       page_size(t, p));
		page->flags = first_flags(t, p);
		if (t->page_state[p] == PAGE_WANTED && (p & 1) != 0) {
			/* Its last I/O failed; this one must not. */
			page->flags |= MPIO_PAGE_ERROR;
			page->error = -MPIO_ENXIO;
		}
		if (t->states >> p & 1)
			set_states(s, p, first);
		fill_page(s, p, first);
		first += t->page_blocks[p];
	}
}

/* The call. */

static void play_read(struct stage *s)
{
	const struct trial *t = s->t;
	struct mpio_page *pages[PAGES_MAX];
	size_t count = 0;

	for (unsigned p = 0; p < t->page_count; p++)
		if (t->page_state[p] != PAGE_ABSENT)
			pages[count++] = &s->page[p];
	if (t->single) {
		s->result =
			mpio_read_page(s->queue[0], &s->mapping, &s->page[0]);
		return;
	}
	s->result = mpio_readahead(s->queue[0], &s->mapping, pages, count, 0);
	if (s->result == (int)count)
		s->result = 0;
	else
		stage_wrong(s, "mpio_readahead() did not take all pages");
}

static void play_write(struct stage *s)
{
	const struct trial *t = s->t;

	s->wbc.sync_mode = t->sync ? MPIO_SYNC_ALL : MPIO_SYNC_NONE;
	s->wbc.reason = t->sync ? MPIO_REASON_SYNC : MPIO_REASON_BACKGROUND;
	s->wbc.nr_to_write = t->nr == WRITE_ALL_PAGES ? MPIO_WRITE_ALL : t->nr;
	if (t->single)
		s->result = mpio_write_page(s->queue[0], &s->mapping,
					    &s->page[0], &s->wbc);
	else
		s->result = mpio_writepages(s->queue[0], &s->mapping, &s->wbc);
}

static uint64_t ios_counted(const struct stage *s)
{
	uint64_t sum = 0;

	for (unsigned q = 0; q < QUEUES_MAX; q++) {
		const struct mpio_stats *stats = mpio_queue_stats(s->queue[q]);

		sum += stats->reads + stats->writes;
	}
	return sum;
}

static void settle(struct stage *s)
{
	for (unsigned q = 0; q < QUEUES_MAX; q++) {
		if (s->t->late && mpio_queue_drain(s->queue[q]) != 0)
			stage_wrong(s, "mpio_queue_drain() failed");
		if (mpio_queue_stats(s->queue[q])->in_flight != 0)
			stage_wrong(s, "bios are in flight at the end");
	}
}

void stage_play(struct stage *s, const struct trial *t,
		const struct outcome *out)
{
	struct rig *rig = rig_for(t);
	bool verbose = s->verbose;

	memset(s, 0, offsetof(struct stage, io));
	memset(&s->io_count, 0, sizeof(*s) - offsetof(struct stage, io_count));
	s->verbose = verbose;
	s->t = t;
	s->out = out;
	s->boundary = -1;
	s->limits = &rig->limits;
	memcpy(s->queue, rig->queue, sizeof(s->queue));
	s->mapping.ops = &engine_ops[t->engine];
	s->mapping.host = s;
	s->mapping.size = t->file_size;
	s->mapping.block_size = t->block_size;
	make_pages(s);
	playing = s;
	s->ios_before = ios_counted(s);
	if (t->op == TRIAL_READ)
		play_read(s);
	else
		play_write(s);
	settle(s);
	s->ios_before = ios_counted(s) - s->ios_before;
}

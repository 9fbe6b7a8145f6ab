/* SPDX-License-Identifier: MIT */
/*
 * Rigs: queues on the device that is tested, and I/Os that check themselves.
 *
 * The memory of an I/O is cut into pieces, each between guards. A write is
 * filled with the pattern of a new generation, a read with guards. When it has
 * ended, the pieces are gathered and compared with what they must hold, a
 * write's too: nobody may have changed them. Then the pieces are overwritten
 * with guards, and all of the memory must be one guard.
 */
#define _POSIX_C_SOURCE 200809L

#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, BYTES_MAX = 1024 * 1024 };

static const char *const op_names[] = {"read", "write", "flush", "discard"};
static const char *const state_names[] = {"not submitted", "in flight",
					  "ended"};

/* ---- Memory -------------------------------------------------------------- */

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static size_t alignment(const struct ds_run *run)
{
	return run->align > GUARD ? run->align : (size_t)GUARD;
}

void *ds_memory(const struct ds_run *run, size_t size)
{
	void *memory;

	if (posix_memalign(&memory, alignment(run), size + 1) != 0)
		abort();
	memset(memory, DS_GUARD, size);
	return memory;
}

static void *zeroed(size_t n, size_t size)
{
	void *memory = calloc(n + 1, size);

	if (memory == NULL)
		abort();
	return memory;
}

/* The length of one of the pieces that are left; `granules` are, too. */
static size_t cut(struct ds_rig *rig, const struct ds_shape *shape,
		  size_t granules, uint32_t pieces)
{
	size_t share = granules / pieces;

	if (shape->even || share <= 1)
		return share;
	return 1 + ds_below(&rig->random, (uint32_t)(2 * share - 1));
}

/* As many as are wanted, may be, and can be. */
static uint32_t count_pieces(const struct ds_io *io,
			     const struct ds_shape *shape, size_t granules)
{
	uint32_t most = mpio_queue_limits(io->rig->queue)->pieces_max;
	uint32_t n = shape->pieces;

	if (!shape->even && n > most)
		n = most;
	if (n > granules)
		n = (uint32_t)granules;
	return n != 0 ? n : 1;
}

/* Lay out the pieces; their bases are offsets for now. */
static void lay_out(struct ds_io *io, const struct ds_shape *shape)
{
	struct ds_run *run = io->rig->run;
	size_t granule = shape->skew != 0 ? 1 : run->align;
	size_t left = io->length / granule;
	size_t at = alignment(run) + shape->skew;
	uint32_t n = count_pieces(io, shape, left);

	io->pieces = zeroed(n, sizeof(*io->pieces));
	io->piece_count = n;
	for (uint32_t i = 0; i < n; i++) {
		size_t length =
			i + 1 == n ? left : cut(io->rig, shape, left, n - i);

		left -= length;
		length *= granule;
		if (i + 1 == n)
			length += io->length % granule;
		io->pieces[i].base = (void *)(uintptr_t)at;
		io->pieces[i].length = length;
		at = round_up(at + length + GUARD, alignment(run)) +
		     shape->skew;
	}
	io->memory_size = at;
}

static void make_memory(struct ds_io *io, const struct ds_shape *shape)
{
	if (shape->memory != NULL) {
		io->pieces = zeroed(1, sizeof(*io->pieces));
		io->pieces->base = shape->memory;
		io->pieces->length = io->length;
		io->piece_count = 1;
		return;
	}
	lay_out(io, shape);
	io->memory = ds_memory(io->rig->run, io->memory_size);
	for (uint32_t i = 0; i < io->piece_count; i++)
		io->pieces[i].base = io->memory + (uintptr_t)io->pieces[i].base;
}

/* Copy between the pieces and one run of bytes. */
static void gather(const struct ds_io *io, unsigned char *flat)
{
	for (uint32_t i = 0; i < io->piece_count; i++) {
		memcpy(flat, io->pieces[i].base, io->pieces[i].length);
		flat += io->pieces[i].length;
	}
}

static void scatter(const struct ds_io *io, const unsigned char *flat)
{
	for (uint32_t i = 0; i < io->piece_count; i++) {
		memcpy(io->pieces[i].base, flat, io->pieces[i].length);
		flat += io->pieces[i].length;
	}
}

/* ---- What an I/O is to hold ---------------------------------------------- */

static bool has_memory(const struct ds_io *io)
{
	return io->op == MPIO_BIO_READ || io->op == MPIO_BIO_WRITE;
}

static uint32_t blocks_of(const struct ds_io *io)
{
	uint32_t block = io->rig->run->block;

	return (uint32_t)round_up(io->length, block) / block;
}

/* Prepare what it holds now: a new generation, or guards. */
static void prepare(struct ds_io *io)
{
	struct ds_run *run = io->rig->run;
	uint32_t generation = DS_ANY;
	unsigned char *flat;

	if (!has_memory(io))
		return;
	if (io->op == MPIO_BIO_WRITE)
		generation = atomic_fetch_add(&run->newest, 1) + 1;
	for (uint32_t i = 0; i < blocks_of(io); i++)
		io->generations[i] = generation;
	flat = ds_memory(run, io->length);
	ds_pattern_fill(run, io->offset / run->block, io->generations, flat,
			io->length);
	scatter(io, flat);
	free(flat);
}

/* What the blocks hold is what a read is to bring; or a write changes it. */
static void use_model(struct ds_io *io, enum mpio_bio_op op)
{
	struct ds_run *run = io->rig->run;
	uint64_t first = io->offset / run->block;

	if (io->op != op)
		return;
	for (uint32_t i = 0; i < blocks_of(io); i++) {
		if (op == MPIO_BIO_READ)
			io->generations[i] =
				first + i < run->count
					? run->generation[first + i]
					: DS_ANY;
		else if (first + i < run->count)
			run->generation[first + i] = io->generations[i];
	}
}

static bool check_data(struct ds_io *io)
{
	struct ds_run *run = io->rig->run;
	unsigned char *flat = ds_memory(run, io->length);
	size_t wrong = 0;
	char text[200];
	long at;
	bool good;

	gather(io, flat);
	at = ds_pattern_compare(run, io->offset / run->block, io->generations,
				io->op == MPIO_BIO_READ ? io->others : NULL,
				flat, io->length, text, sizeof(text));
	good = ds_expect(run, at < 0,
			 "%s of %" PRIu32 " at %" PRIu64 " in %" PRIu32
			 " pieces, byte %ld: %s",
			 op_names[io->op], io->length, io->offset,
			 io->piece_count, at, text);
	memset(flat, DS_GUARD, io->length);
	if (io->memory != NULL)
		scatter(io, flat);
	while (wrong < io->memory_size && io->memory[wrong] == DS_GUARD)
		wrong++;
	good &= ds_expect(run, wrong == io->memory_size,
			  "%s of %" PRIu32 " at %" PRIu64
			  " changed memory between its pieces",
			  op_names[io->op], io->length, io->offset);
	free(flat);
	return good;
}

bool ds_io_check(struct ds_io *io)
{
	struct ds_run *run = io->rig->run;
	int status = io->status;

	if (io->cancelled && status == -MPIO_ECANCELED)
		status = 0;
	if (!ds_expect(run, io->ends == 1,
		       "%s of %" PRIu32 " at %" PRIu64 " ended %d times",
		       op_names[io->op], io->length, io->offset, io->ends))
		return false;
	if (!ds_expect(run, status == 0,
		       "%s of %" PRIu32 " at %" PRIu64 " in %" PRIu32
		       " pieces: %d, %s",
		       op_names[io->op], io->length, io->offset,
		       io->piece_count, status, mpio_strerror(status)))
		return false;
	if (!has_memory(io) || io->status != 0)
		return true;
	return check_data(io);
}

/* ---- The life of an I/O -------------------------------------------------- */

struct ds_io *ds_io_new(struct ds_rig *rig, enum mpio_bio_op op, uint32_t flags,
			uint64_t offset, uint32_t length,
			const struct ds_shape *shape)
{
	struct ds_io *io = zeroed(1, sizeof(*io));

	io->rig = rig;
	io->op = op;
	io->flags = flags;
	io->offset = offset;
	io->length = length;
	if (has_memory(io)) {
		io->generations =
			zeroed(blocks_of(io), sizeof(*io->generations));
		make_memory(io, shape != NULL ? shape : &(struct ds_shape){0});
		prepare(io);
	}
	pthread_mutex_lock(&rig->run->lock);
	io->next = rig->ios;
	rig->ios = io;
	pthread_mutex_unlock(&rig->run->lock);
	return io;
}

void ds_io_free(struct ds_io *io)
{
	struct ds_rig *rig = io->rig;
	struct ds_io **link = &rig->ios;

	pthread_mutex_lock(&rig->run->lock);
	while (*link != io)
		link = &(*link)->next;
	*link = io->next;
	pthread_mutex_unlock(&rig->run->lock);
	if (io->bio != NULL && rig->queue != NULL)
		mpio_bio_put(io->bio);
	free(io->memory);
	free(io->pieces);
	free(io->generations);
	free(io->others);
	free(io);
}

static void ended(struct mpio_bio *bio)
{
	struct ds_io *io = bio->ctx;

	atomic_fetch_add(&io->ends, 1);
	io->status = bio->status;
	io->order = ++io->rig->ended;
	io->rig->flying--;
	atomic_store(&io->state, DS_ENDED);
	if (!io->keep) {
		io->bio = NULL;
		mpio_bio_put(bio);
	}
	if (io->then != NULL)
		io->then(io);
}

static struct mpio_bio *take_bio(struct ds_io *io)
{
	struct mpio_bio *bio;
	int result = 1;

	if (io->bio != NULL) {
		mpio_bio_reset(io->bio, io->op, io->flags);
		return io->bio;
	}
	while ((bio = mpio_bio_get(io->rig->queue, io->op, io->flags)) ==
		       NULL &&
	       result > 0)
		result = mpio_queue_wait(io->rig->queue);
	ds_expect(io->rig->run, bio != NULL, "no bio is free: %d", result);
	return bio;
}

static int fill_and_submit(struct ds_io *io, struct mpio_bio *bio)
{
	int result = 0;

	bio->offset = io->offset;
	bio->end_io = ended;
	bio->ctx = io;
	if (io->op == MPIO_BIO_DISCARD)
		bio->length = io->length;
	for (uint32_t i = 0; result == 0 && i < io->piece_count; i++)
		result = mpio_bio_add(bio, io->pieces[i].base,
				      (uint32_t)io->pieces[i].length);
	if (result != 0)
		return result;
	io->bio = bio;
	io->order = 0;
	io->rig->flying++;
	atomic_store(&io->state, DS_FLYING);
	use_model(io, MPIO_BIO_READ);
	result = mpio_bio_submit(bio);
	if (result != 0) {
		io->rig->flying--;
		atomic_store(&io->state, DS_MADE);
	}
	return result;
}

int ds_io_submit(struct ds_io *io)
{
	struct mpio_bio *bio = take_bio(io);
	int result;

	if (bio == NULL)
		return -MPIO_EBUSY;
	result = fill_and_submit(io, bio);
	if (result != 0) {
		mpio_bio_put(bio);
		io->bio = NULL;
	} else if (io->state != DS_ENDED || io->status == 0) {
		use_model(io, MPIO_BIO_WRITE);
	}
	return result;
}

int ds_io_again(struct ds_io *io)
{
	atomic_store(&io->ends, 0);
	prepare(io);
	return ds_io_submit(io);
}

/* ---- Rigs ---------------------------------------------------------------- */

struct ds_rig *ds_rig_open(struct ds_run *run, struct mpio_device *device,
			   const struct mpio_queue_config *config)
{
	struct mpio_queue_config full = {0};
	struct ds_rig *rig = zeroed(1, sizeof(*rig));
	int error;

	if (config != NULL)
		full = *config;
	rig->run = run;
	rig->allocator = mpio_allocator_libc();
	full.allocator = &rig->allocator;
	error = mpio_queue_open(device, &full, &rig->queue);
	if (!ds_expect(run, error == 0, "mpio_queue_open: %d, %s", error,
		       mpio_strerror(error))) {
		free(rig);
		return NULL;
	}
	pthread_mutex_lock(&run->lock);
	rig->random = run->seed + 0x100000000u * ++run->opened;
	rig->next = run->rigs;
	run->rigs = rig;
	pthread_mutex_unlock(&run->lock);
	return rig;
}

void ds_rig_collect(struct ds_rig *rig)
{
	struct ds_io *next;

	for (struct ds_io *io = rig->ios; io != NULL; io = next) {
		next = io->next;
		if (io->state != DS_ENDED)
			continue;
		ds_io_check(io);
		ds_io_free(io);
	}
}

void ds_rig_finish(struct ds_rig *rig)
{
	struct ds_run *run = rig->run;
	struct ds_io *next;

	if (rig->queue != NULL)
		ds_equal(run, mpio_queue_drain(rig->queue), 0);
	ds_rig_collect(rig);
	for (struct ds_io *io = rig->ios; io != NULL; io = next) {
		next = io->next;
		ds_expect(run, io->state != DS_FLYING,
			  "%s of %" PRIu32 " at %" PRIu64 " never ended",
			  op_names[io->op], io->length, io->offset);
		if (io->state != DS_FLYING)
			ds_io_free(io);
	}
}

void ds_rig_close(struct ds_rig *rig)
{
	struct ds_run *run = rig->run;
	struct ds_rig **link = &run->rigs;

	ds_rig_finish(rig);
	if (rig->queue != NULL) {
		ds_equal(run, mpio_queue_stats(rig->queue)->in_flight, 0);
		mpio_queue_close(rig->queue);
	}
	pthread_mutex_lock(&run->lock);
	while (*link != rig)
		link = &(*link)->next;
	*link = rig->next;
	pthread_mutex_unlock(&run->lock);
	if (rig->ios == NULL)
		free(rig);
}

void ds_print_flying(struct ds_run *run)
{
	for (struct ds_rig *rig = run->rigs; rig != NULL; rig = rig->next) {
		for (struct ds_io *io = rig->ios; io != NULL; io = io->next) {
			if (io->state != DS_ENDED)
				fprintf(run->out,
					"    %s of %" PRIu32 " at %" PRIu64
					" in %" PRIu32 " pieces: %s\n",
					op_names[io->op], io->length,
					io->offset, io->piece_count,
					state_names[io->state]);
		}
	}
}

/* ---- Short ways ---------------------------------------------------------- */

uint32_t ds_bytes_max(const struct ds_rig *rig)
{
	struct ds_run *run = rig->run;
	uint64_t most = mpio_queue_limits(rig->queue)->bytes_max;
	uint64_t room = (uint64_t)run->count * run->block / 4;

	if (most > BYTES_MAX)
		most = BYTES_MAX;
	if (most > room)
		most = room;
	return (uint32_t)(most - most % run->block);
}

uint32_t ds_fit(const struct ds_rig *rig, uint32_t count)
{
	uint32_t most = ds_bytes_max(rig) / rig->run->block;

	return count < most ? count : most;
}

struct ds_io *ds_io_start(struct ds_rig *rig, enum mpio_bio_op op,
			  uint32_t flags, uint64_t offset, uint32_t length,
			  uint32_t pieces)
{
	struct ds_io *io = ds_io_new(rig, op, flags, offset, length,
				     &(struct ds_shape){.pieces = pieces});
	int result = ds_io_submit(io);

	ds_expect(rig->run, result == 0,
		  "%s of %" PRIu32 " at %" PRIu64 " was refused: %d, %s",
		  op_names[op], length, offset, result, mpio_strerror(result));
	return io;
}

int ds_do(struct ds_rig *rig, enum mpio_bio_op op, uint32_t flags,
	  uint64_t offset, uint32_t length, uint32_t pieces)
{
	struct ds_io *io = ds_io_start(rig, op, flags, offset, length, pieces);
	int status;

	ds_equal(rig->run, mpio_queue_drain(rig->queue), 0);
	status = io->state == DS_ENDED ? io->status : -MPIO_EINVAL;
	ds_rig_finish(rig);
	return status;
}

void ds_sweep(struct ds_rig *rig, enum mpio_bio_op op, uint32_t first,
	      uint32_t count)
{
	struct ds_run *run = rig->run;

	while (count != 0) {
		uint32_t n = ds_fit(rig, count);

		ds_io_start(rig, op, 0, (uint64_t)first * run->block,
			    n * run->block, 1);
		ds_rig_collect(rig);
		first += n;
		count -= n;
	}
	ds_rig_finish(rig);
}

void ds_read_either(struct ds_rig *rig, uint32_t first, uint32_t count,
		    const uint32_t *others)
{
	struct ds_run *run = rig->run;

	while (count != 0) {
		uint32_t n = ds_fit(rig, count);
		struct ds_io *io = ds_io_new(rig, MPIO_BIO_READ, 0,
					     (uint64_t)first * run->block,
					     n * run->block, NULL);

		io->others = zeroed(n, sizeof(*io->others));
		memcpy(io->others, others, n * sizeof(*others));
		ds_equal(run, ds_io_submit(io), 0);
		ds_rig_collect(rig);
		first += n;
		others += n;
		count -= n;
	}
	ds_rig_finish(rig);
}

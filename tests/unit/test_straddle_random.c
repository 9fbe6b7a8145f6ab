/* SPDX-License-Identifier: MIT */
/*
 * Random reads and writes of any bytes, and discards and flushes, many in
 * flight, from outside and from callbacks, on a device that ends them in any
 * order, comes short, refuses and fails: against a model of what each byte is
 * to be.
 *
 * Each byte knows the write that came last to it (or the discard). When that
 * has failed, the byte may be anything; all others must be right, so nothing
 * may be lost that lies beside what was written. Where two writes overlap in
 * bytes and neither cuts blocks, the device may do them in any order, and so
 * the test does not. A flush, or what has one before it, ends behind all that
 * were started before.
 */
#include "mock.h"

#include <inttypes.h>
#include <time.h>

#define SECTOR 4096u
#define AREA (12 * SECTOR)
#define OPS_MAX 40u
#define LENGTH_MAX 20000u

struct op {
	struct model *model;
	struct mpio_bio *bio; /* in flight, or NULL */
	bool taken;
	bool flushes;   /* before it, if it does anything else */
	uint32_t start; /* how many were started before it */
	uint32_t id;    /* 0: it changes nothing */
	uint64_t offset;
	uint32_t length;
	unsigned char *memory; /* with guards */
	unsigned char *data;
	uint32_t writers[LENGTH_MAX]; /* of a read's bytes, when it began */
};

struct model {
	struct rig *rig;
	uint64_t seed;
	uint64_t size;  /* bytes that are written to */
	uint32_t block; /* bytes; the device's */
	uint32_t writer[AREA];
	unsigned char bytes[AREA];
	bool unknown[AREA];
	struct op ops[OPS_MAX];
	uint32_t ids;
	uint32_t starts;
	uint32_t depth; /* of callbacks that go on with something */
	uint32_t failures;
	uint32_t discards;
	uint32_t flushes;
	uint32_t cancelled;
	uint32_t in_flight;
};

static uint64_t roll(struct model *model)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return model->seed >> 11;
}

/* 0 to n - 1. */
static uint32_t below(struct model *model, uint64_t n)
{
	return (uint32_t)(roll(model) % n);
}

/* ---- Ends --------------------------------------------------------------- */

/* Bytes that nobody has written since, nor was writing. */
static void check_read(const struct model *model, const struct op *op)
{
	for (uint32_t i = 0; i < op->length; i++) {
		uint64_t at = op->offset + i;

		if (model->writer[at] == op->writers[i] && !model->unknown[at])
			assert_int_equal(op->data[i], model->bytes[at]);
	}
}

/* The bytes that are still its own. */
static void forget_written(struct model *model, const struct op *op)
{
	for (uint32_t i = 0; i < op->length; i++) {
		if (model->writer[op->offset + i] == op->id)
			model->unknown[op->offset + i] = true;
	}
}

/* Those that were started before have ended; but it may be cancelled sooner. */
static void check_flush(const struct model *model, const struct op *op)
{
	for (size_t i = 0; i < OPS_MAX; i++) {
		const struct op *other = &model->ops[i];

		assert_true(other->bio == NULL || other->start >= op->start);
	}
}

static void go_on_inside(struct model *model);

static void op_end(struct mpio_bio *bio)
{
	struct op *op = bio->ctx;
	struct model *model = op->model;
	bool reads = bio->op == MPIO_BIO_READ;

	assert_ptr_equal(op->bio, bio);
	assert_int_equal(bio->offset, op->offset);
	assert_int_equal(bio->length, op->length);
	assert_int_equal(op->data[-1], 0xc7);
	assert_int_equal(op->data[op->length], 0xc7);
	model->failures += bio->status != 0;
	if (op->flushes && bio->status != -MPIO_ECANCELED)
		check_flush(model, op);
	if (reads && bio->status == 0)
		check_read(model, op);
	if (op->id != 0 && bio->status != 0)
		forget_written(model, op);
	mpio_bio_put(bio);
	free(op->memory);
	op->bio = NULL;
	op->taken = false;
	model->in_flight--;
	go_on_inside(model);
}

/* ---- Beginnings --------------------------------------------------------- */

static bool is_odd(const struct model *model, uint64_t offset, uint32_t length)
{
	uint64_t end = offset + length;

	return offset % model->block != 0 ||
	       (end % model->block != 0 && end != model->rig->a.device.size);
}

/* Whether the order of a write and one in flight is the device's affair. */
static bool clashes(const struct model *model, const struct op *op)
{
	for (size_t i = 0; i < OPS_MAX; i++) {
		const struct op *other = &model->ops[i];

		if (other != op && other->bio != NULL && other->id != 0 &&
		    op->offset < other->offset + other->length &&
		    other->offset < op->offset + op->length &&
		    !is_odd(model, op->offset, op->length) &&
		    !is_odd(model, other->offset, other->length))
			return true;
	}
	return false;
}

static bool is_being_written(const struct model *model, uint32_t id)
{
	for (size_t i = 0; i < OPS_MAX; i++) {
		if (model->ops[i].bio != NULL && model->ops[i].id == id)
			return true;
	}
	return false;
}

/* Remember what a read is to find; 1: anything, somebody is writing it. */
static void note_read(const struct model *model, struct op *op)
{
	uint32_t last = 0;
	bool busy = false;

	for (uint32_t i = 0; i < op->length; i++) {
		uint32_t writer = model->writer[op->offset + i];

		if (writer != last) {
			last = writer;
			busy = is_being_written(model, writer);
		}
		op->writers[i] = writer != 0 && busy ? UINT32_MAX : writer;
	}
}

static void note_write(struct model *model, const struct op *op)
{
	for (uint32_t i = 0; i < op->length; i++) {
		uint64_t at = op->offset + i;

		if (op->bio->op == MPIO_BIO_WRITE)
			op->data[i] = (unsigned char)(op->id * 31 + i * 7);
		model->bytes[at] = op->data[i];
		model->writer[at] = op->id;
		model->unknown[at] = false;
	}
}

/* Anywhere; often where blocks begin, and up to the end. */
static void choose_range(struct model *model, struct op *op)
{
	uint32_t unit = below(model, 3) == 0 ? SECTOR : 1;
	uint32_t max = below(model, 2) == 0 ? LENGTH_MAX : 3000;

	op->offset = below(model, model->size) / unit * unit;
	op->length = (1 + below(model, max)) / unit * unit;
	if (op->length == 0)
		op->length = unit;
	if (op->length > model->size - op->offset)
		op->length = (uint32_t)(model->size - op->offset);
}

/* Two pieces, or one that is aligned. */
static void add_memory(struct model *model, struct op *op)
{
	uint32_t first = 1 + below(model, op->length);

	if (op->data == op->memory + SECTOR)
		first = op->length;
	assert_int_equal(mpio_bio_add(op->bio, op->data, first), 0);
	if (first < op->length)
		assert_int_equal(mpio_bio_add(op->bio, op->data + first,
					      op->length - first),
				 0);
}

static void get_memory(struct model *model, struct op *op)
{
	size_t size = (op->length + 3 * SECTOR) / SECTOR * SECTOR;

	op->memory = aligned_alloc(SECTOR, size);
	assert_non_null(op->memory);
	memset(op->memory, 0xc7, size);
	op->data = op->memory + SECTOR + below(model, 2);
}

static struct op *take_op(struct model *model)
{
	struct op *op = model->ops;

	while (op < model->ops + OPS_MAX && op->taken)
		op++;
	if (op == model->ops + OPS_MAX)
		return NULL;
	op->taken = true;
	return op;
}

/* What a range is to be used for. */
static enum mpio_bio_op choose_op(struct model *model, struct op *op)
{
	uint32_t what = below(model, 40);

	op->id = 0;
	op->flushes = what == 0;
	if (what == 0) {
		op->length = 0;
		return MPIO_BIO_FLUSH;
	}
	if (what < 10)
		return MPIO_BIO_READ;
	op->id = ++model->ids;
	if (what < 14 && !is_odd(model, op->offset, op->length))
		return MPIO_BIO_DISCARD;
	op->flushes = what == 39;
	return MPIO_BIO_WRITE;
}

static uint32_t choose_flags(struct model *model, const struct op *op,
			     enum mpio_bio_op what)
{
	uint32_t flags = 0;

	if (what == MPIO_BIO_WRITE && op->flushes)
		flags |= MPIO_BIO_PREFLUSH;
	if (what == MPIO_BIO_WRITE && below(model, 20) == 0)
		flags |= MPIO_BIO_FUA;
	return flags;
}

/* Tell the bio and the model; from now on it may end. */
static void start(struct model *model, struct op *op)
{
	struct mpio_bio *bio = op->bio;

	bio->offset = op->offset;
	bio->end_io = op_end;
	bio->ctx = op;
	if (bio->op == MPIO_BIO_DISCARD) {
		bio->length = op->length;
		memset(op->data, 0, op->length);
	} else if (bio->op != MPIO_BIO_FLUSH) {
		add_memory(model, op);
	}
	model->discards += bio->op == MPIO_BIO_DISCARD;
	model->flushes += op->flushes;
	if (op->id != 0)
		note_write(model, op);
	else
		note_read(model, op);
	op->start = model->starts++;
	model->in_flight++;
	assert_int_equal(mpio_bio_submit(bio), 0);
}

static void begin(struct model *model)
{
	struct op *op = take_op(model);
	enum mpio_bio_op what;

	if (op == NULL)
		return;
	choose_range(model, op);
	what = choose_op(model, op);
	while (op->id != 0 && model->depth == 0 && clashes(model, op))
		assert_int_equal(mpio_queue_drain(model->rig->queue), 0);
	op->taken = op->id == 0 || !clashes(model, op);
	if (op->taken)
		op->bio = mpio_bio_get(model->rig->queue, what,
				       choose_flags(model, op, what));
	op->taken = op->bio != NULL;
	if (!op->taken)
		return;
	get_memory(model, op);
	start(model, op);
}

static void cancel_one(struct model *model)
{
	struct op *op = &model->ops[below(model, OPS_MAX)];

	model->cancelled += op->bio != NULL;
	if (op->bio != NULL)
		mpio_bio_cancel(op->bio);
}

/* In a callback: cancel something, begin something, or wait. */
static void go_on_inside(struct model *model)
{
	uint32_t what = below(model, 40);

	if (model->depth == 2)
		return;
	model->depth++;
	if (what < 3)
		cancel_one(model);
	if (what < 12)
		begin(model);
	if (what == 12)
		assert_true(mpio_queue_wait(model->rig->queue) >= 0);
	model->depth--;
}

/* ---- The device --------------------------------------------------------- */

static void trouble_ahead(struct model *model)
{
	static const int statuses[] = {-MPIO_EIO, -MPIO_EAGAIN, -MPIO_ENOSPC, 0,
				       0};
	struct rig *rig = model->rig;
	struct mock_fault *fault;

	rig->a.fault_count = 0;
	if (below(model, 3) != 0)
		return;
	fault = mock_fail(&rig->a, below(model, AREA / BLOCK), 4,
			  statuses[below(model, COUNT_OF(statuses))]);
	fault->times = 1 + below(model, 3);
	fault->done = 1 + below(model, 3 * SECTOR);
	if (below(model, 4) == 0)
		fault->op = 1u << below(model, 4);
}

static void refusals_ahead(struct model *model)
{
	static const int statuses[] = {-MPIO_EAGAIN, -MPIO_EINTR, -MPIO_EIO};
	struct rig *rig = model->rig;

	if (below(model, 20) != 0)
		return;
	rig->a.refuse = below(model, 4);
	rig->a.refusal = statuses[below(model, COUNT_OF(statuses))];
}

static void go_on(struct model *model)
{
	struct rig *rig = model->rig;

	rig->a.lifo = below(model, 2);
	rig->a.reap_max = 1 + below(model, 3);
	rig->trace[0] = '\0';
	trouble_ahead(model);
	refusals_ahead(model);
	if (below(model, 30) == 0)
		cancel_one(model);
	if (below(model, 3) == 0)
		assert_true(mpio_queue_wait(rig->queue) >= 0);
	else
		assert_true(mpio_queue_poll(rig->queue) >= 0);
}

static void check_disk(const struct model *model)
{
	const struct rig *rig = model->rig;

	for (uint32_t at = 0; at < model->size; at++) {
		if (!model->unknown[at])
			assert_int_equal(rig->a.disk[at], model->bytes[at]);
	}
}

static void run(struct model *model, uint32_t steps)
{
	struct rig *rig = model->rig;
	bool plugged = false;

	for (uint32_t step = 0; step < steps; step++) {
		uint32_t what = below(model, 100);

		if (what == 0) {
			assert_int_equal(mpio_queue_drain(rig->queue), 0);
			assert_int_equal(model->in_flight, 0);
			check_disk(model);
		} else if (what < 6) {
			(plugged ? mpio_queue_unplug
				 : mpio_queue_plug)(rig->queue);
			plugged = !plugged;
		} else if (what < 60) {
			begin(model);
		} else {
			go_on(model);
		}
	}
	rig->a.fault_count = 0;
	rig->a.refuse = 0;
	assert_int_equal(mpio_queue_drain(rig->queue), 0);
	assert_int_equal(model->in_flight, 0);
	assert_int_equal(mpio_queue_stats(rig->queue)->in_flight, 0);
	check_disk(model);
}

static uint64_t choose_seed(void)
{
	const char *seed = getenv("MPIO_SEED");
	uint64_t value = seed != NULL ? strtoull(seed, NULL, 0)
				      : (uint64_t)time(NULL) * 2654435761u;

	print_message("MPIO_SEED=%" PRIu64 "\n", value | 1);
	return value | 1;
}

static void open_random(struct model *model)
{
	static const uint32_t pools[] = {1, 4 * SECTOR, 8 * SECTOR, 0};
	static const uint32_t atomics[] = {0, 512, 4 * SECTOR};
	static const uint32_t blocks[] = {SECTOR, SECTOR, SECTOR, 1024};
	struct rig *rig = model->rig;
	struct mpio_limits *limits = &rig->a.device.limits;

	model->block = blocks[below(model, COUNT_OF(blocks))];
	limits->logical_block_size = model->block;
	limits->memory_alignment = 1u << below(model, 14);
	limits->atomic_unit = atomics[below(model, COUNT_OF(atomics))];
	limits->features =
		roll(model) &
		(MPIO_DEVICE_FUA | MPIO_DEVICE_PREFLUSH | MPIO_DEVICE_DISCARD);
	limits->features |= MPIO_DEVICE_FLUSH;
	rig->a.device.size = AREA - below(model, SECTOR);
	rig->a.device.ops.cancel = NULL;
	if (below(model, 2) == 0)
		mock_cancelling(&rig->a);
	rig->config.bounce_bytes = pools[below(model, COUNT_OF(pools))];
	rig->config.in_flight_max = below(model, 2) * (1 + below(model, 8));
	mock_asynchronous(&rig->a);
	rig->a.asynchronous = below(model, 8) != 0;
	rig->a.slow = below(model, 4) == 0;
	rig->a.prompt = below(model, 8) == 0;
	model->size = rig->a.device.size;
	memset(model->writer, 0, sizeof(model->writer));
	memset(model->unknown, 0, sizeof(model->unknown));
	memcpy(model->bytes, rig->a.disk, AREA);
	rig_open(rig);
}

static void no_byte_is_lost(void **state)
{
	static struct model model;
	uint64_t fills = 0;
	uint64_t turns = 0;

	model = (struct model){.rig = *state, .seed = choose_seed()};
	for (size_t i = 0; i < OPS_MAX; i++)
		model.ops[i].model = &model;
	for (int world = 0; world < 60; world++) {
		struct rig *rig = model.rig;

		open_random(&model);
		run(&model, 2000);
		fills += mpio_queue_stats(rig->queue)->fills;
		turns += mpio_queue_stats(rig->queue)->turns;
		mpio_queue_close(rig->queue);
		rig->queue = NULL;
		rig->is_open = false;
	}
	assert_true(fills > 1000 && turns > 1000);
	assert_true(model.failures > 100 && model.cancelled > 20);
	assert_true(model.discards > 100 && model.flushes > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(no_byte_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

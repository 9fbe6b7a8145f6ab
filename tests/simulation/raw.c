/* SPDX-License-Identifier: MIT */
/*
 * Bios filled by hand, one at a time in each region of the first volume. What a
 * byte of a region is may be known, and may be durable.
 */
#include "sim.h"

#include <string.h>

#define KNOWN 1u
#define DURABLE 2u
#define ODD_MAX 64u

struct region {
	struct mpio_bio *bio; /* NULL: it has ended */
	uint64_t from;        /* bytes; on the volume */
	uint64_t faults;      /* when it was submitted */
	uint64_t begun;       /* when the last write was, by operations */
	uint64_t ended;
	uint64_t submitted; /* the bio */
	uint64_t order;     /* of its submission */
	bool is_cached;     /* some of it may not be durable */
	bool cancelled;
	bool is_lost; /* it is not to end */
	uint32_t ends;
	unsigned char state[RAW_BYTES];
	unsigned char bytes[RAW_BYTES];
	unsigned char *memory;
	_Alignas(4096) unsigned char room[RAW_BYTES + ODD_MAX];
};

static struct region regions[RAW_COUNT];
static struct {
	struct mpio_bio *bios[2]; /* NULL: it has ended */
	uint64_t seen[2];         /* when each was sent first */
	uint64_t clock;
} pair;
static uint64_t orders;
static bool barred;       /* others may wait behind a flush */
static uint64_t ended;    /* bios */
static uint64_t expected; /* of them, when the queue is closed */

/* ---- Ends --------------------------------------------------------------- */

static bool writes(const struct mpio_bio *bio)
{
	return bio->op == MPIO_BIO_WRITE || bio->op == MPIO_BIO_DISCARD;
}

static bool flushes(const struct mpio_bio *bio)
{
	return bio->op == MPIO_BIO_FLUSH ||
	       (writes(bio) && bio->flags & MPIO_BIO_PREFLUSH);
}

/* Once there is nothing in flight, nobody waits behind one. */
bool raw_bars(void)
{
	const struct mpio_stats *stats =
		mpio_queue_stats(world.volumes[0].queue);

	barred = barred && stats->in_flight != 0;
	return barred;
}

static bool is_durable(const struct mpio_bio *bio)
{
	return writes(bio) && bio->flags & MPIO_BIO_FUA;
}

/* A flush waits for all that was submitted before it. */
static void check_flush(const struct region *flush)
{
	for (uint32_t i = 0; i < RAW_COUNT; i++)
		CHECK(regions[i].bio == NULL || &regions[i] == flush ||
		      regions[i].order > flush->order);
}

/* What had ended before `when` is durable. */
static void note_flushed(uint64_t when)
{
	for (uint32_t i = 0; i < RAW_COUNT; i++) {
		struct region *r = &regions[i];

		if (!r->is_cached || r->begun >= when || r->ended >= when)
			continue;
		r->is_cached = false;
		for (uint32_t j = 0; j < RAW_BYTES; j++) {
			if (r->state[j] & KNOWN)
				r->state[j] |= DURABLE;
		}
	}
}

static void note_written(struct region *r, const struct mpio_bio *bio)
{
	size_t at = (size_t)(bio->offset - r->from);

	r->ended = world.now;
	r->is_cached = true;
	if (bio->status != 0)
		return;
	memset(r->state + at, is_durable(bio) ? KNOWN | DURABLE : KNOWN,
	       bio->length);
	if (bio->op == MPIO_BIO_WRITE)
		memcpy(r->bytes + at, r->memory, bio->length);
	else
		memset(r->bytes + at, 0, bio->length);
}

static void check_read(const struct region *r, const struct mpio_bio *bio)
{
	size_t at = (size_t)(bio->offset - r->from);

	if (bio->status != 0 || (world.kinds & 1u << KIND_FLIP) != 0)
		return;
	for (uint32_t i = 0; i < bio->length; i++)
		CHECK(!(r->state[at + i] & KNOWN) ||
		      r->memory[i] == r->bytes[at + i]);
}

static void end_io(struct mpio_bio *bio)
{
	struct region *r = bio->ctx;
	int status = bio->status;

	CHECK(r->bio == bio && r->ends++ == 0 && status <= 0);
	CHECK(!r->is_lost);
	ended++;
	sim_note((uint64_t)(uint32_t)status);
	sim_say("bio %u has ended: %d", (unsigned)(r - regions), status);
	if (status == -MPIO_ECANCELED)
		CHECK(r->cancelled);
	else if (status == -MPIO_EOPNOTSUPP)
		CHECK(bio->op == MPIO_BIO_DISCARD);
	else if (status != 0)
		CHECK(fault_is_device(status) &&
		      (world.faults != r->faults || world.is_stuck));
	if (status == 0 && flushes(bio)) {
		check_flush(r);
		note_flushed(r->submitted);
	}
	if (writes(bio))
		note_written(r, bio);
	else if (bio->op == MPIO_BIO_READ)
		check_read(r, bio);
	r->bio = NULL;
	mpio_bio_put(bio);
}

/* ---- Beginnings --------------------------------------------------------- */

/* Where reads are wrong, nobody would see that of what lies beside a write. */
static bool may_be_odd(void)
{
	return (world.kinds & 1u << KIND_FLIP) == 0;
}

/* Whole sectors, or any bytes. */
static uint32_t choose_range(struct mpio_bio *bio, uint64_t from)
{
	uint32_t sectors = RAW_BYTES / world.sector;
	uint32_t first = below(sectors);
	uint32_t at = first * world.sector;
	uint32_t length = (1 + below(sectors - first)) * world.sector;

	if (bio->op != MPIO_BIO_DISCARD && may_be_odd() &&
	    chance(world.sector > 512 ? 40 : 5)) {
		at = below(RAW_BYTES);
		length = 1 + below(RAW_BYTES - at);
	}
	bio->offset = from + at;
	return length;
}

/* Some of it may not fit. */
static void add_memory(struct region *r, struct mpio_bio *bio, uint32_t length)
{
	unsigned char *at = r->memory;

	while (length > 0) {
		uint32_t n = !may_be_odd() || chance(50) ? length
							 : 1 + below(length);

		if (mpio_bio_add(bio, at, n) != 0)
			break;
		at += n;
		length -= n;
	}
}

static void fill_bio(struct region *r, struct mpio_bio *bio)
{
	uint32_t length = choose_range(bio, r->from);

	if (bio->op == MPIO_BIO_DISCARD) {
		bio->length = length;
		return;
	}
	memcpy(r->memory, sim_noise + below(NOISE_BYTES - RAW_BYTES), length);
	add_memory(r, bio, length);
}

static bool is_odd(const struct mpio_bio *bio)
{
	return bio->length == 0 || bio->offset % world.sector != 0 ||
	       bio->length % world.sector != 0;
}

static void start(struct region *r, enum mpio_bio_op op, uint32_t flags)
{
	struct mpio_bio *bio = mpio_bio_get(world.volumes[0].queue, op, flags);
	int error;

	if (bio == NULL)
		return;
	r->bio = bio;
	r->ends = 0;
	r->cancelled = false;
	r->faults = world.faults;
	r->submitted = world.now;
	r->order = ++orders;
	r->memory = r->room + (chance(50) ? 0 : below(ODD_MAX));
	bio->end_io = end_io;
	bio->ctx = r;
	if (op != MPIO_BIO_FLUSH)
		fill_bio(r, bio);
	if (writes(bio)) {
		memset(r->state + (bio->offset - r->from), 0, bio->length);
		r->begun = world.now;
	}
	sim_say("bio %u: op %u flags %x, %llu+%u", (unsigned)(r - regions),
		(unsigned)op, (unsigned)flags, (unsigned long long)bio->offset,
		(unsigned)bio->length);
	barred |= op == MPIO_BIO_FLUSH || flags & MPIO_BIO_PREFLUSH;
	error = mpio_bio_submit(bio);
	if (error == 0)
		return;
	CHECK(error == -MPIO_EINVAL && r->bio == bio && r->ends == 0);
	CHECK(is_odd(bio));
	r->bio = NULL;
	mpio_bio_put(bio);
}

/* One byte too far. */
static void start_behind_end(void)
{
	struct mpio_queue *queue = world.volumes[0].queue;
	struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);
	uint32_t n = 2 + below(world.sector);

	if (bio == NULL)
		return;
	bio->offset = world.volumes[0].gate.size + 1 - n;
	if (mpio_bio_add(bio, regions[0].room, n) == 0)
		CHECK(mpio_bio_submit(bio) == -MPIO_EINVAL);
	mpio_bio_put(bio);
}

/* ---- Two that overlap, under a plug ------------------------------------- */

static bool pair_is_in(const struct region *r)
{
	return (pair.bios[0] != NULL && pair.bios[0]->ctx == r) ||
	       (pair.bios[1] != NULL && pair.bios[1]->ctx == r);
}

static void end_of_pair(struct mpio_bio *bio)
{
	struct region *r = bio->ctx;
	uint32_t i = pair.bios[1] == bio;

	CHECK(pair.bios[i] == bio);
	pair.bios[i] = NULL;
	/* One of them writes, and either may have been done first. */
	memset(r->state, 0, RAW_BYTES);
	mpio_bio_put(bio);
}

void raw_seen(const struct mpio_bio *bio)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (pair.bios[i] == bio && pair.seen[i] == 0)
			pair.seen[i] = ++pair.clock;
	}
}

/*
 * Memory that the device takes as it is. The second begins before the first, so
 * that whoever sorts them has to see that they overlap.
 */
static void start_one_of_pair(uint32_t i, enum mpio_bio_op op, struct region *r)
{
	static _Alignas(4096) unsigned char memory[2][8192];
	struct mpio_bio *bio = mpio_bio_get(world.volumes[0].queue, op, 0);

	if (bio == NULL)
		return;
	bio->offset = r->from + (i == 0 ? world.sector : 0);
	bio->end_io = end_of_pair;
	bio->ctx = r;
	if (mpio_bio_add(bio, memory[i], (i + 1) * world.sector) != 0) {
		mpio_bio_put(bio); /* two are too many for the device */
		return;
	}
	pair.bios[i] = bio;
	CHECK(mpio_bio_submit(bio) == 0);
}

/* They are sent in their order. */
static void start_pair(struct region *r)
{
	bool reads_first = chance(50);

	if (r->bio != NULL || pair.bios[0] != NULL || pair.bios[1] != NULL)
		return;
	pair.seen[0] = pair.seen[1] = 0;
	memset(r->state, 0, RAW_BYTES);
	mpio_queue_plug(world.volumes[0].queue);
	start_one_of_pair(0, reads_first ? MPIO_BIO_READ : MPIO_BIO_WRITE, r);
	start_one_of_pair(1, reads_first ? MPIO_BIO_WRITE : MPIO_BIO_READ, r);
	mpio_queue_unplug(world.volumes[0].queue);
	sim_say("pair in region %u: %u %u", (unsigned)(r - regions),
		(unsigned)pair.seen[0], (unsigned)pair.seen[1]);
	CHECK(pair.seen[0] == 0 || pair.seen[1] == 0 ||
	      pair.seen[0] < pair.seen[1]);
}

/* ---- All of them -------------------------------------------------------- */

void raw_begin(void)
{
	memset(&pair, 0, sizeof(pair));
	orders = 0;
	barred = false;
	ended = 0;
	expected = 0;
	for (uint32_t i = 0; i < RAW_COUNT; i++) {
		struct region *r = &regions[i];

		memset(r, 0, offsetof(struct region, bytes));
		r->from = MAPS_BYTES + (uint64_t)i * RAW_BYTES;
		memset(r->state, KNOWN | DURABLE, RAW_BYTES);
		memcpy(r->bytes, world.volumes[0].first + r->from, RAW_BYTES);
	}
}

void raw_use(void)
{
	static const uint32_t flags[] = {
		0,
		MPIO_BIO_SYNC,
		MPIO_BIO_FUA,
		MPIO_BIO_PREFLUSH,
		MPIO_BIO_FUA | MPIO_BIO_PREFLUSH,
		MPIO_BIO_META,
	};
	static const enum mpio_bio_op ops[] = {
		MPIO_BIO_READ,  MPIO_BIO_READ,  MPIO_BIO_WRITE,  MPIO_BIO_WRITE,
		MPIO_BIO_WRITE, MPIO_BIO_FLUSH, MPIO_BIO_DISCARD};
	struct region *r = &regions[below(RAW_COUNT)];
	enum mpio_bio_op op = ops[below(7)];

	if (chance(5))
		start_behind_end();
	if (pair_is_in(r))
		return;
	if (chance(10)) {
		start_pair(r);
	} else if (r->bio == NULL) {
		start(r, op, flags[below(6)]);
	} else if (chance(40)) {
		r->cancelled = true;
		mpio_bio_cancel(r->bio);
	}
}

void raw_flushed(void)
{
	note_flushed(world.now);
}

static void check_bytes(const struct region *r, unsigned bits)
{
	unsigned char now[RAW_BYTES];

	volume_peek(&world.volumes[0], r->from, now, RAW_BYTES);
	if (memcmp(now, r->bytes, RAW_BYTES) == 0)
		return;
	for (uint32_t i = 0; i < RAW_BYTES; i++) {
		if ((r->state[i] & bits) != bits || now[i] == r->bytes[i])
			continue;
		sim_print("byte %u of region %u is %02x, not %02x", (unsigned)i,
			  (unsigned)(r - regions), now[i], r->bytes[i]);
		CHECK(false);
	}
}

void raw_check_durable(void)
{
	for (uint32_t i = 0; i < RAW_COUNT; i++) {
		CHECK(regions[i].bio == NULL && !pair_is_in(&regions[i]));
		check_bytes(&regions[i], KNOWN | DURABLE);
	}
}

void raw_end(void)
{
	for (uint32_t i = 0; i < RAW_COUNT; i++) {
		CHECK(regions[i].bio == NULL && !pair_is_in(&regions[i]));
		check_bytes(&regions[i], KNOWN);
	}
}

/* ---- An I/O that never ends --------------------------------------------- */

static uint32_t missing;

void raw_lose_one(void)
{
	totals.lost_closes++;
	world.is_stuck = true;
	world.volumes[0].rule_kinds[0] = KIND_NEVER;
	mpio_sim_clear_rules(world.volumes[0].sim);
	CHECK(mpio_sim_add_rules(world.volumes[0].sim, "submit:nth=1:never",
				 NULL) == 0);
	for (uint32_t i = 0; i < RAW_COUNT; i++) {
		struct mpio_bio *bio =
			mpio_bio_get(world.volumes[0].queue, MPIO_BIO_READ, 0);

		if (bio == NULL)
			continue;
		regions[i].bio = bio;
		regions[i].ends = 0;
		regions[i].is_lost = i == 0;
		memset(regions[i].state, 0, RAW_BYTES);
		regions[i].memory = regions[i].room;
		bio->offset = regions[i].from;
		bio->end_io = end_io;
		bio->ctx = &regions[i];
		CHECK(mpio_bio_add(bio, regions[i].room, world.sector) == 0);
		CHECK(mpio_bio_submit(bio) == 0);
	}
	expected =
		ended + mpio_queue_stats(world.volumes[0].queue)->in_flight - 1;
}

/* A second goes by, of ten. */
static bool is_over(void *ctx)
{
	uint32_t *left = ctx;

	mpio_sim_advance(world.volumes[0].sim, 1000000000);
	return --*left == 0;
}

static void note_missing(void *ctx, const struct mpio_bio *bio)
{
	const struct region *region = bio->ctx;

	(void)ctx;
	CHECK(region->is_lost && region->bio == bio);
	missing++;
}

/* Who closes by a deadline hears of that one, and of no other. */
void raw_close_too_early(void)
{
	uint32_t left = 10;
	const struct mpio_deadline deadline = {is_over, note_missing, &left};

	missing = 0;
	CHECK(mpio_queue_close_by(world.volumes[0].queue, &deadline) ==
	      -MPIO_ETIMEDOUT);
	CHECK(missing == 1);
}

/* What the device had has ended, but for that one. */
void raw_check_lost(void)
{
	CHECK(ended >= expected);
}

/* SPDX-License-Identifier: MIT */
/*
 * A mixture: reads and writes of any size in any memory, flushes, plugs, polls
 * and waits, at random; by one thread, by eight, each with a queue of its own,
 * and by two, one after the other on one queue. What is in flight together does
 * not overlap, so that a model can say what each block holds.
 */
#include "device_suite_rig.h"

#include <inttypes.h>
#include <stdlib.h>

enum { THREADS = 8, STEPS = 1200, THREAD_STEPS = 200 };

/* Who does what, where: blocks of its own, and some that all may read. */
struct mix {
	struct ds_rig *rig;
	uint32_t first;
	uint32_t count;
	uint32_t shared; /* blocks from 0 on */
	uint32_t plugged;
	/* of a thread */
	struct ds_run *run;
	pthread_t thread;
	uint64_t number;
};

static bool in_the_way(const struct ds_io *io, enum mpio_bio_op op,
		       uint64_t offset, uint32_t length)
{
	if (io->state != DS_FLYING ||
	    (io->op == MPIO_BIO_READ && op == MPIO_BIO_READ))
		return false;
	return offset < io->offset + io->length && io->offset < offset + length;
}

/* Wait until nothing that is in flight overlaps. */
static void make_way(struct ds_rig *rig, enum mpio_bio_op op, uint64_t offset,
		     uint32_t length)
{
	struct ds_io *io = rig->ios;

	while (io != NULL) {
		if (!in_the_way(io, op, offset, length)) {
			io = io->next;
			continue;
		}
		if (!ds_expect(rig->run, mpio_queue_wait(rig->queue) > 0,
			       "nothing to wait for"))
			return;
		io = rig->ios;
	}
}

static void transfer(struct mix *mix, enum mpio_bio_op op, uint32_t flags)
{
	struct ds_rig *rig = mix->rig;
	uint64_t *random = &rig->random;
	uint32_t block = rig->run->block;
	uint32_t most = ds_bytes_max(rig) / block;
	uint32_t first = mix->first;
	uint32_t count = mix->count;
	uint32_t n;

	if (op == MPIO_BIO_READ && mix->shared != 0 &&
	    ds_below(random, 3) == 0) {
		first = 0;
		count = mix->shared;
	}
	if (most > count)
		most = count;
	n = 1 +
	    ds_below(random, ds_below(random, 8) == 0 || most < 16 ? most : 16);
	first += ds_below(random, count - n + 1);
	make_way(rig, op, (uint64_t)first * block, n * block);
	ds_io_start(rig, op, flags, (uint64_t)first * block, n * block,
		    1 + ds_below(random, 8)); /* a small bio has room for 8 */
}

static void write_some(struct mix *mix)
{
	static const uint32_t flags[] = {MPIO_BIO_FUA, MPIO_BIO_PREFLUSH,
					 MPIO_BIO_FUA | MPIO_BIO_PREFLUSH,
					 MPIO_BIO_BACKGROUND};
	uint64_t *random = &mix->rig->random;

	transfer(mix, MPIO_BIO_WRITE,
		 ds_below(random, 40) == 0 ? flags[ds_below(random, 4)] : 0);
}

static void step(struct mix *mix)
{
	struct ds_rig *rig = mix->rig;
	uint32_t dice = ds_below(&rig->random, 100);

	if (dice < 45)
		transfer(mix, MPIO_BIO_READ, dice < 5 ? MPIO_BIO_SYNC : 0);
	else if (dice < 80)
		write_some(mix);
	else if (dice < 90)
		(void)mpio_queue_poll(rig->queue);
	else if (dice < 93)
		(void)mpio_queue_wait(rig->queue);
	else if (dice < 94)
		ds_io_start(rig, MPIO_BIO_FLUSH, 0, 0, 0, 0);
	else if (dice < 95)
		ds_rig_finish(rig);
	else if (dice < 97 && mix->plugged < 2) {
		mpio_queue_plug(rig->queue);
		mix->plugged++;
	} else if (mix->plugged != 0) {
		mpio_queue_unplug(rig->queue);
		mix->plugged--;
	}
	ds_rig_collect(rig);
}

static void run_mix(struct mix *mix, uint32_t steps)
{
	struct ds_rig *rig = mix->rig;

	for (uint32_t i = 0; i < steps && rig->run->failures == 0; i++)
		step(mix);
	while (mix->plugged-- != 0)
		mpio_queue_unplug(rig->queue);
	ds_rig_finish(rig);
	ds_sweep(rig, MPIO_BIO_READ, mix->first, mix->count);
}

/* ---- Alone --------------------------------------------------------------- */

static void random_mix(struct ds_run *run)
{
	static const struct mpio_queue_config configs[] = {
		{0},
		{.bios = 4, .in_flight_max = 2},
		{.bios = 128, .bytes_max = 65536},
	};

	for (int i = 0; i < 3; i++) {
		struct mix mix = {.count = run->count};

		mix.rig = ds_rig_open(run, run->device, &configs[i]);
		if (mix.rig == NULL)
			return;
		ds_sweep(mix.rig, MPIO_BIO_WRITE, 0, run->count);
		run_mix(&mix, STEPS / 3);
		ds_rig_close(mix.rig);
	}
}

/* ---- Eight of them ------------------------------------------------------- */

/* run->failures counts under the lock; a thread that sees it late goes on. */
static void *run_thread(void *ctx)
{
	struct mix *mix = ctx;
	const struct mpio_queue_config config = {.bios = 16};

	mix->rig = ds_rig_open(mix->run, mix->run->device, &config);
	if (mix->rig == NULL)
		return NULL;
	mix->rig->random = mix->run->seed + mix->number;
	ds_sweep(mix->rig, MPIO_BIO_WRITE, mix->first, mix->count);
	run_mix(mix, THREAD_STEPS);
	ds_rig_close(mix->rig);
	return NULL;
}

static void threads(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	struct mix mixes[THREADS];
	uint32_t share = run->count / (THREADS + 1);

	if (rig == NULL)
		return;
	ds_sweep(rig, MPIO_BIO_WRITE, 0, share);
	for (uint32_t i = 0; i < THREADS; i++) {
		mixes[i] = (struct mix){.run = run,
					.first = (i + 1) * share,
					.count = share,
					.shared = share,
					.number = i + 1};
		if (pthread_create(&mixes[i].thread, NULL, run_thread,
				   &mixes[i]) != 0)
			abort();
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(mixes[i].thread, NULL);
	ds_sweep(rig, MPIO_BIO_READ, 0, share * (THREADS + 1));
	ds_rig_close(rig);
}

/* ---- From hand to hand --------------------------------------------------- */

static void *use_queue(void *ctx)
{
	run_mix(ctx, THREAD_STEPS);
	return NULL;
}

/* A queue with nothing in flight may be used by another thread, and come
 * back. */
static void hand_over(struct ds_run *run)
{
	struct mix mix = {.count = run->count};

	if (run->suite->flags & MPIO_DEVICE_SUITE_ONE_THREAD) {
		ds_skip(run, "a queue belongs to one thread");
		return;
	}
	mix.rig = ds_rig_open(run, run->device, NULL);
	if (mix.rig == NULL)
		return;
	ds_sweep(mix.rig, MPIO_BIO_WRITE, 0, run->count);
	for (int i = 0; i < 3; i++) {
		mix.plugged = 0;
		if (pthread_create(&mix.thread, NULL, use_queue, &mix) != 0)
			abort();
		pthread_join(mix.thread, NULL);
		ds_sweep(mix.rig, MPIO_BIO_READ, 0, run->count);
	}
	ds_rig_close(mix.rig);
}

const struct ds_test ds_tests_many[] = {
	{"random", random_mix, DS_WRITES},
	{"threads", threads, DS_WRITES},
	{"hand_over", hand_over, DS_WRITES},
	{NULL, NULL, 0},
};

/* SPDX-License-Identifier: MIT */
/*
 * The event descriptor, under a real event loop (epoll on Linux, else poll):
 * readable when something can be ended, and not for long when nothing can.
 *
 * The loop only polls the queue when the descriptor says so. A completion that
 * is not told leaves it waiting, and the suite's deadline names the I/O.
 */
#define _POSIX_C_SOURCE 200809L

#include "device_suite_rig.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>

/* A loop with one descriptor in it; -1: that cannot be. */
static int loop_open(int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int loop = epoll_create1(EPOLL_CLOEXEC);

	if (loop >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0) {
		close(loop);
		return -1;
	}
	return loop;
}

static int loop_wait(int loop, int milliseconds)
{
	struct epoll_event event;

	return epoll_wait(loop, &event, 1, milliseconds);
}
#else
static int loop_open(int fd)
{
	return dup(fd);
}

static int loop_wait(int loop, int milliseconds)
{
	struct pollfd file = {.fd = loop, .events = POLLIN};

	return poll(&file, 1, milliseconds);
}
#endif

enum { BURST = 24 };

/*
 * It may still be readable for what was ended otherwise, but not after polls
 * that found nothing.
 */
static void expect_quiet(struct ds_rig *rig, int loop)
{
	int ready = 1;

	for (int i = 0; ready > 0 && i < 4; i++) {
		ds_equal(rig->run, mpio_queue_poll(rig->queue), 0);
		ready = loop_wait(loop, 0);
	}
	ds_expect(rig->run, ready == 0, "%d: readable, with nothing in flight",
		  ready);
}

/* End all that is in flight, by the loop alone. */
static void run_loop(struct ds_rig *rig, int loop)
{
	uint32_t in_vain = 0;
	uint64_t before = rig->ended;

	while (rig->flying != 0) {
		int ready = loop_wait(loop, -1);
		uint32_t flying = rig->flying;
		int result;

		if (ready <= 0)
			continue; /* interrupted */
		result = mpio_queue_poll(rig->queue);
		if (!ds_expect(rig->run, result >= 0, "poll: %d, %s", result,
			       mpio_strerror(result)))
			break;
		in_vain += rig->flying == flying && result == 0;
		if (!ds_expect(rig->run,
			       in_vain <= 64 + 4 * (rig->ended - before),
			       "readable %" PRIu32
			       " times with nothing to be ended",
			       in_vain))
			break;
	}
	ds_rig_finish(rig);
}

static void again(struct ds_io *io)
{
	uint32_t *left = io->ctx;

	if (*left == 0)
		return;
	--*left;
	if (ds_io_check(io))
		ds_equal(io->rig->run, ds_io_again(io), 0);
}

static void start_burst(struct ds_rig *rig, uint32_t n, uint32_t *left)
{
	struct ds_run *run = rig->run;

	for (uint32_t i = 0; i < n; i++) {
		struct ds_io *io = ds_io_new(
			rig, MPIO_BIO_READ, 0, (uint64_t)i * 4 * run->block,
			ds_fit(rig, 1 + i % 4) * run->block,
			&(struct ds_shape){.pieces = 1 + i % 3});

		if (left != NULL) {
			io->then = again;
			io->ctx = left;
		}
		ds_equal(run, ds_io_submit(io), 0);
	}
}

static void use_loop(struct ds_rig *rig, int loop)
{
	uint32_t left = 100;

	expect_quiet(rig, loop);
	for (uint32_t n = 1; n <= BURST; n = 2 * n + 1) {
		start_burst(rig, n, NULL);
		run_loop(rig, loop);
		expect_quiet(rig, loop);
	}
	mpio_queue_plug(rig->queue);
	start_burst(rig, BURST, NULL);
	mpio_queue_unplug(rig->queue);
	run_loop(rig, loop);
	start_burst(rig, 8, &left); /* each starts the next */
	run_loop(rig, loop);
	expect_quiet(rig, loop);
	/* What was ended by waiting leaves nothing behind. */
	start_burst(rig, BURST, NULL);
	ds_rig_finish(rig);
	expect_quiet(rig, loop);
	start_burst(rig, 1, NULL);
	run_loop(rig, loop);
}

/* A flush in the loop, too; it is an I/O as any other. */
static void flush_in_loop(struct ds_rig *rig, int loop)
{
	if (rig->run->device->limits.features & MPIO_DEVICE_READONLY)
		return;
	ds_io_start(rig, MPIO_BIO_WRITE, 0, 0, rig->run->block, 1);
	ds_io_start(rig, MPIO_BIO_FLUSH, 0, 0, 0, 0);
	run_loop(rig, loop);
	ds_io_start(rig, MPIO_BIO_WRITE, MPIO_BIO_FUA | MPIO_BIO_PREFLUSH, 0,
		    rig->run->block, 1);
	run_loop(rig, loop);
	expect_quiet(rig, loop);
}

static void event_fd(struct ds_run *run)
{
	struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
	int fd;
	int loop;

	if (rig == NULL)
		return;
	fd = mpio_queue_event_fd(rig->queue);
	if (fd < 0) {
		ds_equal(run, fd, -1);
		ds_skip(run, "the device has none");
		ds_rig_close(rig);
		return;
	}
	ds_equal(run, mpio_queue_event_fd(rig->queue), fd);
	loop = loop_open(fd);
	if (ds_expect(run, loop >= 0, "it is in no loop")) {
		if (!(run->device->limits.features & MPIO_DEVICE_READONLY))
			ds_sweep(rig, MPIO_BIO_WRITE, 0, 4 * BURST + 4);
		use_loop(rig, loop);
		flush_in_loop(rig, loop);
		close(loop);
	}
	ds_rig_close(rig);
}

/* Two queues in one loop: each tells of its own. */
static void event_fds(struct ds_run *run)
{
	struct ds_rig *rigs[2];
	int loops[2] = {-1, -1};

	for (int i = 0; i < 2; i++) {
		rigs[i] = ds_rig_open(run, run->device, NULL);
		if (rigs[i] != NULL && mpio_queue_event_fd(rigs[i]->queue) >= 0)
			loops[i] =
				loop_open(mpio_queue_event_fd(rigs[i]->queue));
	}
	if (loops[0] >= 0 && loops[1] >= 0) {
		for (int i = 0; i < 6; i++) {
			start_burst(rigs[0], BURST, NULL);
			start_burst(rigs[1], BURST, NULL);
			run_loop(rigs[i % 2], loops[i % 2]);
			run_loop(rigs[1 - i % 2], loops[1 - i % 2]);
		}
		expect_quiet(rigs[0], loops[0]);
		expect_quiet(rigs[1], loops[1]);
	} else {
		ds_skip(run, "the device has none");
	}
	for (int i = 0; i < 2; i++) {
		if (loops[i] >= 0)
			close(loops[i]);
		if (rigs[i] != NULL)
			ds_rig_close(rigs[i]);
	}
}

/* Asked for when I/Os are in flight, or have ended without being told. */
static void event_fd_late(struct ds_run *run)
{
	for (int i = 0; i < 8; i++) {
		struct ds_rig *rig = ds_rig_open(run, run->device, NULL);
		int fd;
		int loop;

		if (rig == NULL)
			return;
		start_burst(rig, 1 + (uint32_t)i * 3, NULL);
		fd = mpio_queue_event_fd(rig->queue);
		loop = fd >= 0 ? loop_open(fd) : -1;
		if (loop >= 0) {
			run_loop(rig, loop);
			expect_quiet(rig, loop);
			close(loop);
		} else {
			ds_skip(run, "the device has none");
		}
		ds_rig_close(rig);
	}
}

const struct ds_test ds_tests_event[] = {
	{"event_fd", event_fd, 0},
	{"event_fd_late", event_fd_late, 0},
	{"event_fds", event_fds, 0},
	{NULL, NULL, 0},
};

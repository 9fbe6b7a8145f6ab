/* SPDX-License-Identifier: MIT */
/*
 * Backend io_uring, with wrappers around its completions and around calls that
 * block.
 */
#include "ground_file.h"

#include "../../unit/io_uring/ring_faults.h"

#include <mpio/backends/io_uring.h>

static struct mpio_device *open_io_uring(const struct mpio_allocator *allocator)
{
	struct mpio_device *device = NULL;

	(void)allocator;
	(void)mpio_io_uring_open(file_make(), NULL, &device);
	return file_opened(device);
}

static uint32_t op_of(const struct mishap *mishap)
{
	return 1u << (mishap->site == ON_READ    ? MPIO_BIO_READ
		      : mishap->site == ON_WRITE ? MPIO_BIO_WRITE
						 : MPIO_BIO_FLUSH);
}

static void arm(const struct mishap *mishap, uint64_t n)
{
	struct fault fault;

	faults_spare_disk(true);
	faults_arm(NULL, 0);
	ring_host_reset();
	ring_host.spares_disk = true;
	if (mishap == NULL)
		return;
	ring_host.fault = (struct ring_fault){
		.call = RING_COMPLETION,
		.error = -mishap->status,
		.ops = op_of(mishap),
	};
	if (mishap->moved == MOVED_NONE)
		ring_host.fault.less = INT32_MAX;
	else if (mishap->moved == MOVED_ALL_BUT_ONE)
		ring_host.fault.less = 1;
	else if (mishap->moved != MOVED_ALL)
		ring_host.fault.most = mishap->moved;
	ring_host.first = (unsigned int)n;
	ring_host.step = mishap->sticky ? 1 : 0;
	fault = blocking_fault(mishap, 1);
	if (mishap->sticky)
		faults_arm(&fault, 1);
}

static void lift(void)
{
	ring_host.first = 0;
	faults_lift();
}

static uint64_t fired(void)
{
	return ring_host.fired + faults_fired(0);
}

static const struct ground io_uring = {
	.name = "io_uring",
	.can = file_can,
	.open = open_io_uring,
	.close = file_close,
	.arm = arm,
	.lift = lift,
	.fired = fired,
	.load = file_load,
	.image = file_image,
	.outcome = outcome_of_aio,
	.stays = true,
};

const struct ground *const grounds[] = {&io_uring, NULL};

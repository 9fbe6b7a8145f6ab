/* SPDX-License-Identifier: MIT */
/*
 * Backend libaio, with wrappers around its calls and around those that block.
 */
#include "ground_file.h"

#include "../backends/aio_faults.h"

#include <mpio/backends/libaio.h>

static struct mpio_device *open_libaio(const struct mpio_allocator *allocator)
{
	struct mpio_device *device = NULL;

	(void)allocator;
	(void)mpio_libaio_open(file_make(), NULL, &device);
	return file_opened(device);
}

static void arm(const struct mishap *mishap, uint64_t n)
{
	struct fault faults[2];

	faults_spare_disk(true);
	faults_arm(NULL, 0);
	if (mishap == NULL)
		return;
	faults[0] = blocking_fault(mishap, n);
	faults[0].call = mishap->site == ON_READ    ? CALL_AIO_READ
			 : mishap->site == ON_WRITE ? CALL_AIO_WRITE
						    : CALL_AIO_SYNC;
	faults[1] = blocking_fault(mishap, 1);
	faults_arm(faults, mishap->sticky ? 2 : 1);
}

static uint64_t fired(void)
{
	return faults_fired(0) + faults_fired(1);
}

static const struct ground libaio = {
	.name = "libaio",
	.can = file_can,
	.open = open_libaio,
	.close = file_close,
	.arm = arm,
	.lift = faults_lift,
	.fired = fired,
	.load = file_load,
	.image = file_image,
	.outcome = outcome_of_aio,
	.stays = true,
};

const struct ground *const grounds[] = {&libaio, NULL};

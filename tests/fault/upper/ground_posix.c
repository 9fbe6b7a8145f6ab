/* SPDX-License-Identifier: MIT */
/*
 * Backend posix, with wrappers around preadv, pwritev and fdatasync.
 */
#include "ground_file.h"

#include <mpio/backends/posix.h>

static struct mpio_device *open_posix(const struct mpio_allocator *allocator)
{
	struct mpio_device *device = NULL;

	(void)allocator;
	(void)mpio_posix_open(file_make(), NULL, &device);
	return file_opened(device);
}

static void arm(const struct mishap *mishap, uint64_t n)
{
	struct fault fault;

	faults_spare_disk(true);
	faults_arm(NULL, 0);
	if (mishap == NULL)
		return;
	fault = blocking_fault(mishap, n);
	faults_arm(&fault, 1);
}

static uint64_t fired(void)
{
	return faults_fired(0);
}

/* A flush that is interrupted is made again; one that fails is not. */
static enum consequence outcome(const struct mishap *mishap)
{
	return mishap->status == -MPIO_EINTR ? CURED : mishap->outcome;
}

static const struct ground posix = {
	.name = "posix",
	.can = file_can,
	.open = open_posix,
	.close = file_close,
	.arm = arm,
	.lift = faults_lift,
	.fired = fired,
	.load = file_load,
	.image = file_image,
	.outcome = outcome,
	.stays = true,
};

const struct ground *const grounds[] = {&posix, NULL};

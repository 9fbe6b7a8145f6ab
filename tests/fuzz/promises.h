/* SPDX-License-Identifier: MIT */
/*
 * What the library promises to a device (mpio/device.h), looked at for each bio
 * that comes there.
 */
#ifndef PROMISES_H
#define PROMISES_H

#include "check.h"

#include <mpio/mpio.h>

#include <stdint.h>

/* The logical block of a device. */
uint32_t promises_block(const struct mpio_device *device);
/* A bio keeps all limits of a device. */
void promises_check(const struct mpio_device *device,
		    const struct mpio_bio *bio);

#endif

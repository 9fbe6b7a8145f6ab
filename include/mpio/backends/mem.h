/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Backend mem: a disk in memory. Freestanding, synchronous; also the model of
 * a least backend.
 */
#ifndef MPIO_BACKENDS_MEM_H
#define MPIO_BACKENDS_MEM_H

#include <mpio/device.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_mem {
	struct mpio_device device;
	unsigned char *data; /* the disk, the caller's */
};

/**
 * Make a disk of a piece of memory.
 *
 * @param mem   to be set up; `mem->device` is the device. Its limits may be
 *              changed before a queue is opened, to play another disk.
 * @param data  the disk's bytes; stay the caller's
 * @param size  bytes
 */
void mpio_mem_init(struct mpio_mem *mem, void *data, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif

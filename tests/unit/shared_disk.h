/* SPDX-License-Identifier: MIT */
/*
 * What threads that share a cache stand on: a device in memory that ends bios
 * only when their queue is polled, so that threads wait for each other's I/O,
 * and the cache's lock hooks.
 */
#ifndef SHARED_DISK_H
#define SHARED_DISK_H

#include <mpio/cache.h>
#include <mpio/device.h>

#include <pthread.h>

struct shared_disk {
	struct mpio_device device; /* first */
	unsigned char *bytes;      /* the test's; as many as `device.size` */
	struct mpio_cache_lock hooks;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
};

void shared_disk_init(struct shared_disk *disk, unsigned char *bytes,
		      uint64_t size);
void shared_disk_destroy(struct shared_disk *disk);

#endif

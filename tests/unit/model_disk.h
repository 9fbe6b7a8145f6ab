/* SPDX-License-Identifier: MIT */
/*
 * What the model tests share: random numbers that a seed plays again, and a
 * disk with a volatile cache that ends bios out of order and fails some.
 *
 * `bytes` are what the disk would read, `durable` what would be left if the
 * power went: what was written before a flush was sent that has ended well.
 */
#ifndef MODEL_DISK_H
#define MODEL_DISK_H

#include <mpio/mpio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_BLOCK 512u
#define MODEL_BLOCKS 2048u
#define MODEL_BYTES (MODEL_BLOCKS * MODEL_BLOCK)
#define MODEL_PENDING 256u

struct model_disk {
	struct mpio_device device; /* first */
	unsigned char bytes[MODEL_BYTES];
	unsigned char durable[MODEL_BYTES];
	uint64_t clock;                 /* writes that ended */
	uint64_t written[MODEL_BLOCKS]; /* when; 0: it is durable */
	struct mpio_bio *pending[MODEL_PENDING];
	uint64_t sent[MODEL_PENDING]; /* when */
	uint32_t pending_count;
	bool used[MODEL_BLOCKS];
	uint32_t used_count;
	uint32_t used_max; /* more are not to be had */
	uint32_t failures; /* of a thousand I/Os and maps */
	uint64_t faults;   /* that there were */
	uint64_t seed;
};

/* MPIO_SEED of the environment, or one of the clock; printed. */
uint64_t model_seed(uint64_t salt);
/* MPIO_OPERATIONS of the environment, or so many. */
uint64_t model_operations(uint64_t usual);

/* All else is zero. */
void model_disk_init(struct model_disk *disk, uint64_t seed);
uint64_t model_random(struct model_disk *disk);
/* Less than the limit; 0 if that is 0. */
uint64_t model_below(struct model_disk *disk, uint64_t limit);
/* Whether this is to fail. */
bool model_fails(struct model_disk *disk);

/* A block, most likely the one behind `near`; 0: the disk is full. */
uint32_t model_allocate(struct model_disk *disk, uint32_t near);
/* Give back what a map names in [first, count). 0 is a hole. */
void model_free(struct model_disk *disk, uint32_t *map, uint64_t first,
		uint64_t count);
/* The get_block of a file that lies where `map` says, `count` blocks long. */
int model_map(struct model_disk *disk, uint32_t *map, uint64_t count,
	      uint64_t block, uint32_t flags, struct mpio_extent *extent);
/* Make a file of `size` bytes, with holes, and tell what is in it. */
void model_make_file(struct model_disk *disk, uint32_t *map, uint64_t size,
		     unsigned char *bytes);
/* Compare bytes of a file, from block `first` on as far as `size`, with those
 * at `at`, that is disk->bytes or ->durable. */
void model_check(const unsigned char *at, const uint32_t *map, uint64_t first,
		 uint64_t size, const unsigned char *bytes);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Volume: the superblock, and how blocks of metadata are read.
 */
#include "private.h"

#define SUPERBLOCK_OFFSET 1024u
#define MAGIC 0xef53u

/* Features without which a file cannot be found; others are unknown. */
#define FILETYPE 0x2u
#define RECOVER 0x4u
#define EXTENTS 0x40u
#define BITS64 0x80u
#define MMP 0x100u
#define FLEX_BG 0x200u
#define EA_INODE 0x400u
#define CSUM_SEED 0x2000u
#define LARGEDIR 0x4000u
#define INLINE_DATA 0x8000u
#define ENCRYPT 0x10000u
#define KNOWN                                                                  \
	(FILETYPE | RECOVER | EXTENTS | BITS64 | MMP | FLEX_BG | EA_INODE |    \
	 CSUM_SEED | LARGEDIR | INLINE_DATA | ENCRYPT)
/* Of those that matter to who writes, the one that matters here, too: blocks
 * are counted and given in clusters. */
#define BIGALLOC 0x200u

static void read_done(struct mpio_bio *bio)
{
	struct ext_volume *volume = bio->ctx;

	volume->status = bio->status;
	volume->done = true;
	mpio_bio_put(bio);
}

int ext_read_bytes(struct ext_volume *volume, uint64_t offset, void *memory,
		   uint32_t length)
{
	struct mpio_queue *queue = volume->queue;
	struct mpio_bio *bio;
	int status;

	if (volume->lost)
		return -MPIO_EIO;
	/* The pool may be out with reads of the file that are under way. */
	while ((bio = mpio_bio_get(queue, MPIO_BIO_READ, MPIO_BIO_META)) ==
	       NULL) {
		status = mpio_queue_wait(queue);
		if (status <= 0)
			return status < 0 ? status : -MPIO_EBUSY;
	}
	bio->offset = offset;
	bio->end_io = read_done;
	bio->ctx = volume;
	volume->done = false;
	status = mpio_bio_add(bio, memory, length);
	if (!status)
		status = mpio_bio_submit(bio);
	if (status) {
		mpio_bio_put(bio);
		return status;
	}
	volume->metadata_reads++;
	while (!volume->done) {
		status = mpio_queue_wait(queue);
		if (status <= 0) {
			volume->lost = true;
			return status < 0 ? status : -MPIO_EIO;
		}
	}
	return volume->status;
}

int ext_hold(struct ext_volume *volume, struct ext_block *held, uint64_t number)
{
	int status;

	if (held->number == number && number != 0)
		return 0;
	if (!ext_is_inside(volume, number, 1))
		return -MPIO_EUCLEAN;
	held->number = 0;
	status = ext_read_bytes(volume, number << volume->block_bits,
				held->bytes, volume->block_size);
	if (!status)
		held->number = number;
	return status;
}

/* Sizes of what is on the volume. */
static int check_sizes(struct ext_volume *volume, const unsigned char *super)
{
	uint32_t bits = get32(super + 24);
	uint32_t revision = get32(super + 76);
	uint32_t incompatible = revision > 0 ? get32(super + 96) : 0;
	uint32_t for_writers = revision > 0 ? get32(super + 100) : 0;

	if (revision > 1 || (incompatible & ~KNOWN) || for_writers & BIGALLOC)
		return -MPIO_EOPNOTSUPP;
	if (bits > 6)
		return -MPIO_EUCLEAN;
	if (1024u << bits > EXT_BLOCK_MAX)
		return -MPIO_EOPNOTSUPP;
	volume->block_bits = bits + 10;
	volume->block_size = 1024u << bits;
	volume->blocks = get32(super + 4);
	volume->descriptor_size = 32;
	if (incompatible & BITS64) {
		volume->blocks |= (uint64_t)get32(super + 336) << 32;
		volume->descriptor_size = get16(super + 254);
	}
	volume->inode_size = revision > 0 ? get16(super + 88) : 128;
	return 0;
}

static bool is_power_of_two(uint32_t number)
{
	return number != 0 && (number & (number - 1)) == 0;
}

/* Can all that be, and on this device? */
static bool is_sound(const struct ext_volume *volume)
{
	uint64_t size = mpio_queue_device(volume->queue)->size;
	uint32_t bits_in_block = 8 * volume->block_size;

	return volume->first_block == (volume->block_size == 1024) &&
	       volume->blocks > volume->first_block &&
	       volume->blocks <= size >> volume->block_bits &&
	       volume->blocks_per_group != 0 &&
	       volume->blocks_per_group <= 8 * bits_in_block &&
	       volume->inodes_per_group != 0 &&
	       volume->inodes_per_group <= bits_in_block &&
	       is_power_of_two(volume->inode_size) &&
	       volume->inode_size >= 128 &&
	       volume->inode_size <= volume->block_size &&
	       is_power_of_two(volume->descriptor_size) &&
	       volume->descriptor_size >= 32 &&
	       volume->descriptor_size <= volume->block_size;
}

int ext_open(struct ext_volume *volume, struct mpio_queue *queue)
{
	unsigned char *super = volume->inodes_block.bytes;
	int status;

	volume->queue = queue;
	volume->metadata_reads = 0;
	volume->lost = false;
	volume->descriptors.number = 0;
	volume->inodes_block.number = 0;
	volume->directory.number = 0;
	if (mpio_queue_device(queue)->size < 2 * SUPERBLOCK_OFFSET)
		return -MPIO_EINVAL;
	status = ext_read_bytes(volume, SUPERBLOCK_OFFSET, super, 1024);
	if (status)
		return status;
	if (get16(super + 56) != MAGIC)
		return -MPIO_EINVAL;
	status = check_sizes(volume, super);
	if (status)
		return status;
	volume->first_block = get32(super + 20);
	volume->blocks_per_group = get32(super + 32);
	volume->inodes = get32(super + 0);
	volume->inodes_per_group = get32(super + 40);
	return is_sound(volume) ? 0 : -MPIO_EUCLEAN;
}

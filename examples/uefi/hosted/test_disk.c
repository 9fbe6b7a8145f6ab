/* SPDX-License-Identifier: MIT */
/*
 * Tests the device, disk.c, over a firmware that is made up: a disk in memory
 * whose medium may be changed, and which may be out of events.
 */
#include "disk.h"

#include <mpio/open.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_SIZE (16u << 20)
#define LONG (8u << 20) /* long enough for BLOCK_IO2 */

#define KIB 1024u
#define MIB (1024u * KIB)

static unsigned char bytes[DISK_SIZE];
static _Alignas(DISK_AHEAD_MIN) unsigned char memory[LONG + 512];
static _Alignas(DISK_AHEAD_MIN) unsigned char ahead[DISK_AHEAD];
static struct efi_block_media media;
static size_t events, events_max; /* open ones, and how many there may be */
static uint32_t reads, reads2;    /* of BLOCK_IO and BLOCK_IO2, */
static uint64_t total;            /* of so many bytes, */
static uint32_t commands;         /* in commands of 128 KiB */
static uint32_t wrong;            /* reads as no firmware takes them */
static uint64_t bad = DISK_SIZE;  /* a byte that cannot be read */
static bool has_io2, is_sata;     /* what kind of disk it is */
static bool loses;                /* what it was told to read */

static void check(bool well, const char *what)
{
	printf("%s - %s\n", well ? "ok" : "failed", what);
	if (!well)
		exit(1);
}

/* ---- The firmware ------------------------------------------------------- */

static efi_status copy(uint32_t id, uint64_t lba, size_t size, void *to)
{
	if (id != media.id)
		return EFI_MEDIA_CHANGED;
	if (!media.present)
		return EFI_NO_MEDIA;
	total += size;
	commands += (uint32_t)((size + 128 * KIB - 1) / (128 * KIB));
	if (size == 0 || size % media.block_size != 0 ||
	    lba * media.block_size > DISK_SIZE - size ||
	    (uintptr_t)to % media.alignment != 0) {
		wrong++;
		return EFI_INVALID_PARAMETER;
	}
	if (bad - lba * media.block_size < size)
		return EFI_DEVICE_ERROR;
	memcpy(to, bytes + lba * media.block_size, size);
	return EFI_SUCCESS;
}

static efi_status read_io(struct efi_block_io *io, uint32_t id, uint64_t lba,
			  size_t size, void *to)
{
	(void)io;
	reads++;
	return copy(id, lba, size, to);
}

static efi_status read_io2(struct efi_block_io2 *io2, uint32_t id, uint64_t lba,
			   struct efi_block_token *token, size_t size, void *to)
{
	(void)io2;
	reads2++;
	token->status = copy(id, lba, size, to);
	return EFI_SUCCESS;
}

static efi_status handle_protocol(efi_handle handle,
				  const struct efi_guid *guid, void **interface)
{
	static const struct efi_guid block_io = EFI_BLOCK_IO_GUID;
	static const struct efi_guid block_io2 = EFI_BLOCK_IO2_GUID;
	static const struct efi_guid path_guid = EFI_DEVICE_PATH_GUID;
	static struct efi_device_path path[] = {
		{EFI_PATH_MESSAGING, EFI_PATH_SATA, {4, 0}},
		{EFI_PATH_END, 0xff, {4, 0}}};
	static struct efi_block_io io = {.media = &media, .read = read_io};
	static struct efi_block_io2 io2 = {.media = &media, .read = read_io2};

	(void)handle;
	*interface = NULL;
	if (memcmp(guid, &block_io, sizeof(*guid)) == 0)
		*interface = &io;
	else if (has_io2 && memcmp(guid, &block_io2, sizeof(*guid)) == 0)
		*interface = &io2;
	else if (is_sata && memcmp(guid, &path_guid, sizeof(*guid)) == 0)
		*interface = path;
	return *interface != NULL ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static efi_status create_event(uint32_t type, size_t priority, void *notify,
			       void *context, efi_event *event)
{
	(void)type;
	(void)priority;
	(void)notify;
	(void)context;
	*event = &events; /* also if there is none */
	if (events == events_max)
		return EFI_OUT_OF_RESOURCES;
	events++;
	return EFI_SUCCESS;
}

static efi_status close_event(efi_event event)
{
	(void)event;
	events--;
	return EFI_SUCCESS;
}

static efi_status check_event(efi_event event)
{
	(void)event;
	return loses ? EFI_NOT_READY : EFI_SUCCESS;
}

static efi_status wait_for_event(size_t count, efi_event *list, size_t *index)
{
	(void)count;
	(void)list;
	(void)index;
	return EFI_INVALID_PARAMETER;
}

static struct efi_boot_services boot = {
	.handle_protocol = handle_protocol,
	.create_event = create_event,
	.close_event = close_event,
	.check_event = check_event,
	.wait_for_event = wait_for_event,
};

/* ---- The tests ---------------------------------------------------------- */

static struct disk disk;
static struct mpio_queue *queue;

static void end_io(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

static int read_bytes(uint64_t offset, uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, 0);
	int status = 1;

	memset(memory, 0, length + 512);
	bio->offset = offset;
	bio->end_io = end_io;
	bio->ctx = &status;
	if (mpio_bio_add(bio, memory, length) || mpio_bio_submit(bio))
		return 1;
	if (mpio_queue_drain(queue))
		return 1;
	return status;
}

/* And nothing behind it? */
static bool is_there(uint64_t offset, uint32_t length)
{
	static const unsigned char zeros[512];

	return memcmp(memory, bytes + offset, length) == 0 &&
	       memcmp(memory + length, zeros, sizeof(zeros)) == 0;
}

static bool reads_well(uint64_t offset, uint32_t length)
{
	return read_bytes(offset, length) == 0 && is_there(offset, length);
}

/* By so many reads of the firmware, of so many bytes in all? */
static bool reads_by(uint64_t offset, uint32_t length, uint32_t by,
		     uint64_t in_all)
{
	reads = 0;
	total = 0;
	return reads_well(offset, length) && reads == by && total == in_all;
}

static void start_aligned(enum disk_way way, uint32_t alignment)
{
	static struct mpio_allocator allocator;
	struct mpio_queue_config config = {.allocator = &allocator,
					   .segments_max = 1};

	allocator = mpio_allocator_libc();
	media = (struct efi_block_media){.id = 1,
					 .present = true,
					 .block_size = 512,
					 .alignment = alignment,
					 .last_block = DISK_SIZE / 512 - 1};
	reads = reads2 = 0;
	total = 0;
	if (!disk_open(&disk, &boot, NULL, way, ahead) ||
	    mpio_queue_open(&disk.device, &config, &queue))
		check(false, "open");
}

static void start(enum disk_way way)
{
	start_aligned(way, 1);
}

static void stop(void)
{
	mpio_queue_close(queue);
	disk_close(&disk);
	check(events == 0 && disk.under_way == 0, "all events are given back");
	check(wrong == 0, "and the firmware could take each read");
}

static void change_medium(const char *what)
{
	media.id = 2;
	media.block_size = 4096;
	media.last_block = DISK_SIZE / 4096 - 1;
	check(read_bytes(8192, 4096) == -MPIO_ESTALE, what);
	check(read_bytes(0, LONG) == -MPIO_ESTALE, "nor a long one");
}

/* Read a file in pieces from one place on, and what lies between them if that is
 * metadata. */
static bool reads_pieces(uint64_t at, uint64_t end, uint32_t piece,
			 uint32_t between, bool metadata)
{
	bool well = true;

	for (; well && at < end; at += piece + between)
		well = reads_well(at, piece) &&
		       (!metadata || reads_well(at + piece, between));
	return well;
}

static void count_anew(void)
{
	reads = commands = 0;
	total = 0;
}

/* What is short is read with what follows it, as far as was of use before. */
static void test_ahead(void)
{
	start(DISK_SYNC);
	disk_read_ahead(&disk, MIB);
	check(reads_by(64 * KIB, KIB, 1, 4 * KIB) &&
		      reads_by(65 * KIB, 3 * KIB, 0, 0),
	      "what is short is read with what follows it");
	check(reads_by(32 * KIB, 8 * KIB, 1, 8 * KIB) &&
		      reads_by(96 * KIB, 600 * KIB, 1, 600 * KIB),
	      "what is longer is read alone");
	disk_read_ahead(&disk, MIB);
	count_anew();
	check(reads_pieces(0, LONG, 256 * KIB, KIB, true) && reads <= 18 &&
		      total <= LONG + 2 * MIB,
	      "a file with blocks of pointers is read by the MiB");
	count_anew();
	check(reads_pieces(KIB, LONG / 2, 256 * KIB, KIB, true) && reads <= 7,
	      "also if it goes on elsewhere");
	check(reads_pieces(LONG / 2, LONG, 3 * KIB, KIB, false) &&
		      reads_by(KIB, KIB, 1, 72 * KIB) &&
		      reads_by(DISK_SIZE / 2, KIB, 1, 4 * KIB),
	      "but what lies there may be short");
	disk_read_ahead(&disk, MIB);
	count_anew();
	check(reads_pieces(0, LONG, 300 * KIB, KIB, false) && reads <= 18,
	      "so is one in pieces");
	total = 0;
	check(reads_pieces(LONG, DISK_SIZE - 64 * KIB, 16 * KIB, 48 * KIB,
			   false) &&
		      total <= LONG / 4 + 2 * MIB,
	      "but not what lies between pieces far apart");
	check(reads_by(DISK_SIZE - 2 * KIB, KIB, 1, 2 * KIB) &&
		      reads_by(DISK_SIZE - KIB, KIB, 0, 0),
	      "behind the end of the disk is nothing");

	bad = 64 * KIB + 512;
	check(reads_by(64 * KIB, 512, 2, 4608) &&
		      read_bytes(64 * KIB, KIB) == -MPIO_EIO,
	      "what cannot be read costs nothing else");
	bad = DISK_SIZE;

	check(reads_by(128 * KIB, KIB, 1, 4 * KIB), "another medium");
	media.id = 2;
	check(read_bytes(128 * KIB, KIB) == -MPIO_ESTALE,
	      "has nothing of the one before");
	media.id = 1;
	check(reads_by(128 * KIB, KIB, 1, 4 * KIB), "nor one that is gone");
	media.present = false;
	check(read_bytes(129 * KIB, KIB) == -MPIO_ENXIO, "is read");
	stop();

	start(DISK_SYNC);
	count_anew();
	check(reads_pieces(0, LONG, 256 * KIB, KIB, true) && reads <= 14,
	      "the largest window is of two MiB");
	disk_read_ahead(&disk, DISK_AHEAD);
	check(reads_pieces(0, 2044 * KIB, 4 * KIB, 0, false) &&
		      reads_by(2044 * KIB, 3 * MIB / 2, 2, 3 * MIB),
	      "but what is as long as one MiB goes where it belongs");
	stop();

	is_sata = true;
	start(DISK_SYNC);
	count_anew();
	check(reads_pieces(0, 29 * 257 * KIB, 256 * KIB, KIB, true) &&
		      commands <= 29 * 257 / 128 + 8 &&
		      total <= (29 * 257 + 128) * KIB,
	      "by SATA commands are full, and no more of them");
	stop();
	is_sata = false;
}

static uint32_t random_below(uint32_t limit)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)limit * state >> 32);
}

/* Whatever is read of a disk with a bad byte, mostly from where the last one
 * ended or a bit behind, is what is there, and what is read without being asked
 * for is kept within bounds. */
static void test_random(uint32_t alignment)
{
	uint64_t offset = 0, asked = 0;

	start_aligned(DISK_SYNC, alignment);
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t length =
			512 + (random_below(1024 * KIB) >> random_below(12)) /
				      512 * 512;
		uint32_t how = random_below(16);
		bool is_bad;

		if (i % 64 == 0) {
			bad = random_below(2 * DISK_SIZE);
			disk_read_ahead(
				&disk,
				i % 512 == 0 ? 0 : DISK_AHEAD >> i / 64 % 6);
		}
		if (how < 2)
			offset = random_below(DISK_SIZE / 512) * 512;
		else if (how < 4)
			offset += random_below(64) * 512;
		if (offset >= DISK_SIZE)
			offset = DISK_SIZE - 512;
		if (length > DISK_SIZE - offset)
			length = (uint32_t)(DISK_SIZE - offset);
		is_bad = bad >= offset && bad - offset < length;
		if (read_bytes(offset, length) != (is_bad ? -MPIO_EIO : 0) ||
		    (!is_bad && !is_there(offset, length)))
			check(false, "other bytes");
		offset += length;
		asked += length;
	}
	check(total <= 3 * asked + (uint64_t)reads * DISK_AHEAD_MIN,
	      "reads at random are what is there");
	bad = DISK_SIZE;
	stop();
}

int main(void)
{
	for (uint32_t i = 0; i < DISK_SIZE; i++)
		bytes[i] = (unsigned char)(i / 512 * 2654435761u >> 24 ^ i);
	start(DISK_BEST);
	check(reads_well(1024, 512) && reads_well(0, LONG), "reads");
	change_medium("another medium is not read");
	stop();
	test_ahead();
	test_random(1);
	test_random(4096);

	has_io2 = true;
	events_max = DISK_DEPTH;
	start(DISK_ASYNC);
	check(reads_well(1024, 512) && reads2 == 0,
	      "a short read is waited for");
	check(reads_well(512, LONG) && reads2 > 0,
	      "a long one ends by an event");
	change_medium("nor is it by BLOCK_IO2");
	stop();

	events_max = DISK_DEPTH - 1;
	start(DISK_ASYNC);
	check(events == 0,
	      "too few events: those that there were are given back");
	check(reads_well(512, LONG) && reads2 == 0, "and BLOCK_IO reads");
	stop();

	/* Whoever closes the queue then knows that memory is still in use. */
	events_max = DISK_DEPTH;
	loses = true;
	start(DISK_ASYNC);
	check(read_bytes(512, LONG) != 0, "a read that does not end is told");
	mpio_queue_close(queue);
	check(disk.under_way > 0, "also behind the end of the queue");
	return 0;
}

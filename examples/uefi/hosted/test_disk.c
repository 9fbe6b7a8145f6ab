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

static unsigned char bytes[DISK_SIZE], memory[LONG];
static struct efi_block_media media;
static size_t events, events_max; /* open ones, and how many there may be */
static uint32_t reads, reads2;    /* of BLOCK_IO and BLOCK_IO2 */
static uint64_t bad = DISK_SIZE;  /* a byte that cannot be read */
static bool has_io2, loses;       /* what it was told to read */

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
	if (size % media.block_size != 0)
		return EFI_BAD_BUFFER_SIZE;
	if (lba * media.block_size > DISK_SIZE - size)
		return EFI_INVALID_PARAMETER;
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
	static struct efi_block_io io = {.media = &media, .read = read_io};
	static struct efi_block_io2 io2 = {.media = &media, .read = read_io2};

	(void)handle;
	*interface = NULL;
	if (memcmp(guid, &block_io, sizeof(*guid)) == 0)
		*interface = &io;
	else if (has_io2 && memcmp(guid, &block_io2, sizeof(*guid)) == 0)
		*interface = &io2;
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

static int read_as(uint32_t flags, uint64_t offset, uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(queue, MPIO_BIO_READ, flags);
	int status = 1;

	memset(memory, 0, sizeof(memory));
	bio->offset = offset;
	bio->end_io = end_io;
	bio->ctx = &status;
	if (mpio_bio_add(bio, memory, length) || mpio_bio_submit(bio))
		return 1;
	if (mpio_queue_drain(queue))
		return 1;
	return status;
}

static int read_bytes(uint64_t offset, uint32_t length)
{
	return read_as(0, offset, length);
}

static bool is_there(uint64_t offset, uint32_t length)
{
	return memcmp(memory, bytes + offset, length) == 0;
}

static bool reads_well(uint64_t offset, uint32_t length)
{
	return read_bytes(offset, length) == 0 && is_there(offset, length);
}

/* Metadata, by so many reads of the firmware. */
static bool finds(uint64_t offset, uint32_t length, uint32_t by)
{
	uint32_t before = reads;

	return read_as(MPIO_BIO_META, offset, length) == 0 &&
	       is_there(offset, length) && reads - before == by;
}

static void start(enum disk_way way)
{
	static struct mpio_allocator allocator;
	struct mpio_queue_config config = {.allocator = &allocator,
					   .segments_max = 1};

	allocator = mpio_allocator_libc();
	media = (struct efi_block_media){.id = 1,
					 .present = true,
					 .block_size = 512,
					 .last_block = DISK_SIZE / 512 - 1};
	reads2 = 0;
	if (!disk_open(&disk, &boot, NULL, way) ||
	    mpio_queue_open(&disk.device, &config, &queue))
		check(false, "open");
}

static void stop(void)
{
	mpio_queue_close(queue);
	disk_close(&disk);
	check(events == 0 && disk.under_way == 0, "all events are given back");
}

static void change_medium(const char *what)
{
	media.id = 2;
	media.block_size = 4096;
	media.last_block = DISK_SIZE / 4096 - 1;
	check(read_bytes(8192, 4096) == -MPIO_ESTALE, what);
	check(read_bytes(0, LONG) == -MPIO_ESTALE, "nor a long one");
}

static bool is_zero(uint32_t from, uint32_t to)
{
	while (from < to && memory[from] == 0)
		from++;
	return from == to;
}

/* What was not asked for, but is of use. */
static void test_more(void)
{
	start(DISK_SYNC);
	check(finds(8192 + 512, 512, 1) && finds(8192, 1024, 0) &&
		      finds(8192 + 3072, 1024, 0) && finds(8192 + 4096, 512, 1),
	      "metadata is read with its neighbours");
	check(finds(DISK_SIZE - 512, 512, 1) && finds(8192 + 2048, 4096, 1),
	      "or alone, if it is too long");
	bad = 12288;
	check(finds(12288 + 512, 512, 2), "or if a neighbour is bad");
	bad = DISK_SIZE;

	if (mpio_queue_register_memory(queue, memory, sizeof(memory)))
		check(false, "announce memory");
	disk_read_ahead(&disk, 1024);
	check(reads_well(65536, 8192) && is_zero(8192, sizeof(memory)),
	      "a read writes nowhere else");
	check(finds(65536 + 8192, 1024, 0) && finds(65536 + 8192, 2048, 1),
	      "what lies behind is there, and no more");
	media.id = 2;
	check(read_as(MPIO_BIO_META, 65536 + 8192, 1024) == -MPIO_ESTALE,
	      "but not if the medium is another one");
	media.id = 1;
	bad = 65536 + 8192;
	check(reads_well(65536, 8192), "that may be bad");
	bad = DISK_SIZE;
	reads = 0;
	check(reads_well(0, LONG) && reads_well(DISK_SIZE - 4096, 4096) &&
		      reads == 2,
	      "nothing lies behind the memory or the disk");
	stop();
}

int main(void)
{
	for (uint32_t i = 0; i < DISK_SIZE; i++)
		bytes[i] = (unsigned char)(i >> 9 ^ i);
	start(DISK_BEST);
	check(reads_well(1024, 512) && reads_well(0, LONG), "reads");
	change_medium("another medium is not read");
	stop();
	test_more();

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

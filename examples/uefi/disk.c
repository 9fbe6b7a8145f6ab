/* SPDX-License-Identifier: MIT */
/*
 * A read of the firmware takes one piece of memory; so a bio has one, too, and
 * goes on as long as its blocks follow each other both on the disk and in
 * memory. There is no largest transfer that one could ask the firmware for:
 * what is too long for an adapter is cut by its driver.
 *
 * With BLOCK_IO2 a read ends when its event is signalled. Drivers look for what
 * has ended on a tick of the firmware's timer, 10 ms perhaps, and a read that
 * waits for the adapter itself first waits for all of those. So only long reads
 * are worth it: the driver cuts one into many commands that are under way
 * together. It does for NVMe; that for AHCI sends one each tick.
 *
 * To ask for a block alone costs as much as some hundred KiB, up to a MiB. So
 * what is short is read with what follows it, into a window of the device's own,
 * and copied: a file's blocks and the blocks of pointers between them then come
 * together. How far to go is learned: twice as far as the last time if nearly
 * all of that was asked for, else as far as was of use, and a quarter of it
 * elsewhere on the disk. So not much more is read for nothing than is of use.
 * What is longer goes to its own memory, and of what takes longer to copy than to
 * ask for, whatever the window, the multiples of that; the rest is read ahead of.
 */
#include "disk.h"

/* Shorter reads are done sooner than the timer ticks. */
#define ASYNCHRONOUS_MIN (4u << 20)

/* So much takes longer to copy than to ask for. */
#define DIRECT (1u << 20)

/* The driver for SATA cuts to commands of this length, and a shorter one takes
 * as long. So this is the window there, no more and no less. */
#define SATA_COMMAND (128u << 10)

/* That for NVMe cuts to half of this, mostly, so more would not be faster, but
 * farther than what was of use. That for virtio does not cut. */
#define NVME_WINDOW (1u << 20)

void *memcpy(void *restrict to, const void *restrict from, size_t size);

static int error_of(efi_status status)
{
	switch (status) {
	case EFI_SUCCESS:
		return 0;
	case EFI_NOT_READY:
	case EFI_OUT_OF_RESOURCES:
		return -MPIO_EAGAIN;
	case EFI_INVALID_PARAMETER:
	case EFI_BAD_BUFFER_SIZE:
		return -MPIO_EINVAL;
	case EFI_NO_MEDIA:
		return -MPIO_ENXIO;
	case EFI_MEDIA_CHANGED:
		return -MPIO_ESTALE;
	case EFI_TIMEOUT:
		return -MPIO_ETIMEDOUT;
	default:
		return -MPIO_EIO;
	}
}

efi_status disk_read(struct disk *disk, uint64_t offset, void *memory,
		     size_t size)
{
	struct efi_block_io *io = disk->io;

	disk->requests++;
	return io->read(io, disk->media_id, offset / disk->block_size, size,
			memory);
}

static int read_bytes(struct disk *disk, uint64_t offset, void *memory,
		      size_t size)
{
	return error_of(disk_read(disk, offset, memory, size));
}

static void forget(struct disk_ahead *ahead, uint64_t offset)
{
	ahead->offset = offset;
	ahead->length = 0;
	ahead->used = 0;
}

/* Take what is there of the first bytes of a read; tell how many. */
static uint32_t take(struct disk *disk, const struct mpio_bio *bio)
{
	const struct efi_block_media *media = disk->io->media;
	uint32_t alignment = disk->device.limits.memory_alignment;
	struct disk_ahead *ahead = &disk->ahead;
	uint64_t at = bio->offset - ahead->offset;
	uint32_t length = bio->length;

	if (!media->present || media->id != disk->media_id)
		forget(ahead, 0);
	if (at >= ahead->length)
		return 0;
	if (length > ahead->length - at) {
		length = ahead->length - (uint32_t)at;
		if (alignment > 1) /* of where the others go */
			length &= ~(alignment - 1);
	}
	memcpy(bio->vecs->base, ahead->memory + at, length);
	ahead->used += length;
	return length;
}

/* How far to read ahead from here, by what came of the last time. */
static uint32_t length_ahead(const struct disk_ahead *ahead, uint64_t offset)
{
	uint32_t length = ahead->used;

	if (length >= ahead->length - ahead->length / 4)
		length = 2 * ahead->next;
	if (offset - ahead->offset > ahead->length + ahead->next)
		length /= 4; /* elsewhere */
	length &= ~(DISK_AHEAD_MIN - 1);
	if (length < ahead->least)
		length = ahead->least;
	return length < ahead->most ? length : ahead->most;
}

/* Read so far, and take the first bytes. What fails with others may be good
 * alone. */
static int read_ahead(struct disk *disk, uint64_t offset, void *memory,
		      uint32_t length)
{
	struct disk_ahead *ahead = &disk->ahead;

	if (ahead->next > disk->device.size - offset)
		ahead->next = (uint32_t)(disk->device.size - offset);
	if (read_bytes(disk, offset, ahead->memory, ahead->next)) {
		ahead->next = 0;
		forget(ahead, offset + length);
		return read_bytes(disk, offset, memory, length);
	}
	ahead->length = ahead->next;
	ahead->used = length;
	memcpy(memory, ahead->memory, length);
	return 0;
}

/* Read, and wait for it. */
static int read_now(struct disk *disk, const struct mpio_bio *bio)
{
	struct disk_ahead *ahead = &disk->ahead;
	uint32_t taken = take(disk, bio), length = bio->length - taken;
	unsigned char *memory = (unsigned char *)bio->vecs->base + taken;
	uint64_t offset = bio->offset + taken;
	uint32_t whole = length; /* of this so much goes to its own memory */
	int error = 0;

	if (length == 0)
		return 0;
	ahead->next = length_ahead(ahead, offset);
	if (length < ahead->next && length < ahead->direct)
		whole = 0;
	else if (ahead->next > 0 && ahead->next >= ahead->direct)
		whole -= length % ahead->direct;
	forget(ahead, offset + whole);
	if (whole > 0)
		error = read_bytes(disk, offset, memory, whole);
	if (!error && whole < length)
		error = read_ahead(disk, offset + whole, memory + whole,
				   length - whole);
	return error;
}

static int disk_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	struct disk *disk = (struct disk *)device;
	struct efi_block_io2 *io2 = disk->io2;
	uint32_t i = 0;
	int error;

	(void)channel;
	if (io2 == NULL || bio->length < ASYNCHRONOUS_MIN) {
		mpio_bio_end(bio, read_now(disk, bio));
		return 0;
	}
	while (i < DISK_DEPTH && disk->bios[i] != NULL)
		i++;
	if (i == DISK_DEPTH)
		return -MPIO_EAGAIN;
	error = error_of(
		io2->read(io2, disk->media_id, bio->offset / disk->block_size,
			  &disk->tokens[i], bio->length, bio->vecs->base));
	if (!error) {
		disk->requests++;
		disk->bios[i] = bio;
		disk->under_way++;
	}
	return error;
}

static void end(struct disk *disk, uint32_t i)
{
	struct mpio_bio *bio = disk->bios[i];

	disk->bios[i] = NULL;
	disk->under_way--;
	mpio_bio_end(bio, error_of(disk->tokens[i].status));
}

static int disk_reap(struct mpio_device *device, void *channel, int wait)
{
	struct disk *disk = (struct disk *)device;
	efi_event events[DISK_DEPTH];
	uint32_t tokens[DISK_DEPTH];
	size_t pending = 0, index;
	int ended = 0;

	(void)channel;
	for (uint32_t i = 0; i < DISK_DEPTH; i++) {
		if (disk->bios[i] == NULL)
			continue;
		if (disk->boot->check_event(disk->tokens[i].event) ==
		    EFI_SUCCESS) {
			end(disk, i);
			ended++;
		} else {
			events[pending] = disk->tokens[i].event;
			tokens[pending++] = i;
		}
	}
	if (ended > 0 || pending == 0 || !wait)
		return ended;
	if (disk->boot->wait_for_event(pending, events, &index))
		return -MPIO_EIO;
	end(disk, tokens[index]);
	return 1;
}

static bool make_events(struct disk *disk)
{
	for (uint32_t i = 0; i < DISK_DEPTH; i++) {
		if (disk->boot->create_event(0, 0, NULL, NULL,
					     &disk->tokens[i].event)) {
			disk->tokens[i].event = NULL;
			disk_close(disk);
			return false;
		}
	}
	return true;
}

/* Is it a disk of an adapter of this kind, or a part of one? */
static bool is_on(struct efi_boot_services *boot, efi_handle handle,
		  uint8_t kind)
{
	static const struct efi_guid guid = EFI_DEVICE_PATH_GUID;
	const struct efi_device_path *path;

	if (boot->handle_protocol(handle, &guid, (void **)&path))
		return false;
	while (path->type != EFI_PATH_END) {
		uint32_t length = path->length[0] | (uint32_t)path->length[1]
							    << 8;

		if (path->type == EFI_PATH_MESSAGING && path->subtype == kind)
			return true;
		if (length < sizeof(*path))
			return false;
		path = (const void *)((const char *)path + length);
	}
	return false;
}

void disk_read_ahead(struct disk *disk, uint32_t most)
{
	if (disk->block_size > DISK_AHEAD_MIN ||
	    disk->device.limits.memory_alignment > DISK_AHEAD_MIN)
		most = 0;
	if (most > disk->window)
		most = disk->window;
	disk->ahead.least = disk->sata ? most : DISK_AHEAD_MIN;
	disk->ahead.most = most;
	disk->ahead.direct = most < DIRECT ? most : DIRECT;
	disk->ahead.next = 0;
	forget(&disk->ahead, 0);
}

bool disk_open(struct disk *disk, struct efi_boot_services *boot,
	       efi_handle handle, enum disk_way way, void *ahead)
{
	static const struct efi_guid guid = EFI_BLOCK_IO_GUID;
	static const struct efi_guid guid2 = EFI_BLOCK_IO2_GUID;
	const struct efi_block_media *media;
	struct efi_block_io2 *io2;
	uint32_t alignment, size;
	bool nvme;

	*disk = (struct disk){.boot = boot, .ahead.memory = ahead};
	if (boot->handle_protocol(handle, &guid, (void **)&disk->io))
		return false;
	media = disk->io->media;
	size = media->block_size;
	if (!media->present || size < 512 || (size & (size - 1)) ||
	    media->last_block >= UINT64_MAX / size)
		return false;
	disk->media_id = media->id;
	disk->block_size = size;
	alignment = media->alignment;
	if (alignment & (alignment - 1))
		alignment = EFI_PAGE_SIZE; /* against the specification */
	nvme = is_on(boot, handle, EFI_PATH_NVME);
	disk->device = (struct mpio_device){
		.ops = {.submit = disk_submit},
		.limits = {.logical_block_size = size,
			   .memory_alignment = alignment,
			   .segments_max = 1,
			   .features = MPIO_DEVICE_READONLY},
		.size = (media->last_block + 1) * size,
	};
	if ((way == DISK_ASYNC || (way == DISK_BEST && nvme)) &&
	    !boot->handle_protocol(handle, &guid2, (void **)&io2) &&
	    make_events(disk)) {
		disk->io2 = io2;
		disk->device.ops.reap = disk_reap;
	}
	disk->sata = is_on(boot, handle, EFI_PATH_SATA);
	disk->window = disk->sata ? SATA_COMMAND
		       : nvme     ? NVME_WINDOW
				  : DISK_AHEAD;
	disk_read_ahead(disk, DISK_AHEAD);
	return true;
}

void disk_close(struct disk *disk)
{
	for (uint32_t i = 0; i < DISK_DEPTH; i++) {
		if (disk->tokens[i].event != NULL)
			disk->boot->close_event(disk->tokens[i].event);
		disk->tokens[i].event = NULL;
	}
}

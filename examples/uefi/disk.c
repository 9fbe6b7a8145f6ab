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
 * To ask for a block alone costs as much as some hundred KiB. Behind a run of a
 * file lies what tells of the next one, often: a block of pointers. So a read
 * goes on for a block, over memory that was announced, which is then put back as
 * it was; and if that block is asked for, it is there. What else is metadata is
 * read with its neighbours.
 */
#include "disk.h"

/* Shorter reads are done sooner than the timer ticks. */
#define ASYNCHRONOUS_MIN (4u << 20)

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

/* May a read go on behind its end: on the disk, and in memory, into which no
 * other read goes meanwhile? */
static bool may_read_more(const struct disk *disk, const struct mpio_bio *bio)
{
	size_t at = (uintptr_t)bio->vecs->base - (uintptr_t)disk->place;
	uint64_t end = bio->offset + bio->length;

	return disk->more_bytes > 0 && disk->under_way == 0 &&
	       !(bio->flags & MPIO_BIO_META) && at < disk->place_size &&
	       disk->place_size - at >=
		       bio->length + (size_t)disk->more_bytes &&
	       disk->device.size - end >= disk->more_bytes;
}

static int read_more(struct disk *disk, struct mpio_bio *bio)
{
	unsigned char *behind = (unsigned char *)bio->vecs->base + bio->length;
	uint32_t bytes = disk->more_bytes;
	int error;

	memcpy(disk->saved, behind, bytes);
	error = read_bytes(disk, bio->offset, bio->vecs->base,
			   bio->length + (size_t)bytes);
	if (!error) {
		memcpy(disk->kept, behind, bytes);
		disk->kept_offset = bio->offset + bio->length;
		disk->kept_length = bytes;
	}
	memcpy(behind, disk->saved, bytes);
	return error;
}

/* May it be read with its neighbours? */
static bool may_read_around(const struct disk *disk, const struct mpio_bio *bio)
{
	uint64_t at = bio->offset % DISK_KEPT;

	return bio->flags & MPIO_BIO_META && disk->block_size <= DISK_KEPT &&
	       disk->device.limits.memory_alignment <= DISK_KEPT &&
	       bio->length <= DISK_KEPT - at &&
	       disk->device.size - (bio->offset - at) >= DISK_KEPT;
}

static int read_around(struct disk *disk, const struct mpio_bio *bio)
{
	uint64_t at = bio->offset % DISK_KEPT;
	int error;

	disk->kept_length = 0;
	error = read_bytes(disk, bio->offset - at, disk->kept, DISK_KEPT);
	if (error)
		return error;
	disk->kept_offset = bio->offset - at;
	disk->kept_length = DISK_KEPT;
	memcpy(bio->vecs->base, disk->kept + at, bio->length);
	return 0;
}

/* Is it there from an earlier read? */
static bool take_kept(const struct disk *disk, const struct mpio_bio *bio)
{
	const struct efi_block_media *media = disk->io->media;
	uint64_t at = bio->offset - disk->kept_offset;

	if (!media->present || media->id != disk->media_id)
		return false;
	if (!(bio->flags & MPIO_BIO_META) || at >= disk->kept_length ||
	    bio->length > disk->kept_length - at)
		return false;
	memcpy(bio->vecs->base, disk->kept + at, bio->length);
	return true;
}

/* Read, and wait for it. What fails with others may be good alone. */
static int read_now(struct disk *disk, struct mpio_bio *bio)
{
	int error = 0;

	if (!take_kept(disk, bio) &&
	    (!may_read_more(disk, bio) || read_more(disk, bio)) &&
	    (!may_read_around(disk, bio) || read_around(disk, bio)))
		error = read_bytes(disk, bio->offset, bio->vecs->base,
				   bio->length);
	mpio_bio_end(bio, error);
	return 0;
}

static int disk_register(struct mpio_device *device, void *channel, void *base,
			 size_t length)
{
	struct disk *disk = (struct disk *)device;

	(void)channel;
	disk->place = base;
	disk->place_size = length;
	return 0;
}

static int disk_submit(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio)
{
	struct disk *disk = (struct disk *)device;
	struct efi_block_io2 *io2 = disk->io2;
	uint32_t i = 0;
	int error;

	(void)channel;
	if (io2 == NULL || bio->length < ASYNCHRONOUS_MIN)
		return read_now(disk, bio);
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

/* Is it a namespace of an NVMe adapter, or a part of one? */
static bool is_nvme(struct efi_boot_services *boot, efi_handle handle)
{
	static const struct efi_guid guid = EFI_DEVICE_PATH_GUID;
	const struct efi_device_path *path;

	if (boot->handle_protocol(handle, &guid, (void **)&path))
		return false;
	while (path->type != EFI_PATH_END) {
		uint32_t length = path->length[0] | (uint32_t)path->length[1]
							    << 8;

		if (path->type == EFI_PATH_MESSAGING &&
		    path->subtype == EFI_PATH_NVME)
			return true;
		if (length < sizeof(*path))
			return false;
		path = (const void *)((const char *)path + length);
	}
	return false;
}

bool disk_open(struct disk *disk, struct efi_boot_services *boot,
	       efi_handle handle, enum disk_way way)
{
	static const struct efi_guid guid = EFI_BLOCK_IO_GUID;
	static const struct efi_guid guid2 = EFI_BLOCK_IO2_GUID;
	const struct efi_block_media *media;
	struct efi_block_io2 *io2;
	uint32_t alignment, size;

	*disk = (struct disk){.boot = boot};
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
	disk->device = (struct mpio_device){
		.ops = {.submit = disk_submit,
			.register_memory = disk_register},
		.limits = {.logical_block_size = size,
			   .memory_alignment = alignment,
			   .segments_max = 1,
			   .features = MPIO_DEVICE_READONLY},
		.size = (media->last_block + 1) * size,
	};
	if ((way == DISK_ASYNC ||
	     (way == DISK_BEST && is_nvme(boot, handle))) &&
	    !boot->handle_protocol(handle, &guid2, (void **)&io2) &&
	    make_events(disk)) {
		disk->io2 = io2;
		disk->device.ops.reap = disk_reap;
	}
	return true;
}

void disk_read_ahead(struct disk *disk, uint32_t size)
{
	if (size <= DISK_KEPT && size % disk->block_size == 0)
		disk->more_bytes = size;
}

void disk_close(struct disk *disk)
{
	for (uint32_t i = 0; i < DISK_DEPTH; i++) {
		if (disk->tokens[i].event != NULL)
			disk->boot->close_event(disk->tokens[i].event);
		disk->tokens[i].event = NULL;
	}
}

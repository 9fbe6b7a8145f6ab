/* SPDX-License-Identifier: MIT */
/*
 * The reader on volumes that were changed. EXT_IMAGES names images, with ':'
 * between them; each holds a file /boot/kernel. What of an image is metadata is
 * found by reading that file once. An input is then
 *
 *     byte 0       which image
 *     byte 1       how the device is: 1: ends reads late; 2: the last first;
 *                  4: is cut off somewhere; 8: a sector is bad
 *     byte 2, 3    where
 *     the rest     changes, of 4 bytes or more: what to do, a place in the
 *                  metadata, a value
 *
 * Whatever the volume says, the reader comes to an end with one of its errors,
 * asks for nothing outside the device, asks a number of times that is in
 * proportion to the volume, and writes nowhere but where it was told to. An
 * input without changes gives the file as it was.
 */
#include "ext/ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES_MAX 8u
#define METADATA_MAX 65536u
#define PENDING_MAX 64u
#define CHANGES_MAX 64u
#define SECTOR 512u
#define ROOM 16384u /* bytes that are read at once */
#define PAGE 4096u
#define PAGES 2u /* so that it takes two windows */
#define GUARD 64u
#define POISON 0xa5

struct image {
	unsigned char *bytes;
	uint64_t size;
	uint32_t places[METADATA_MAX]; /* of bytes of metadata */
	uint32_t place_count;
	uint64_t file_size;
	uint64_t file_sum; /* of what was read of it */
};

struct change {
	uint32_t place;
	unsigned char was;
};

/* The device: an image, or as much of it as there is. */
struct disk {
	struct mpio_device device; /* first */
	struct image *image;
	uint64_t bad; /* bytes; a sector that cannot be read, or all ones */
	bool late, backwards, records;
	uint32_t requests;
	struct mpio_bio *pending[PENDING_MAX];
	uint32_t pending_count;
};

static struct image images[IMAGES_MAX];
static uint32_t image_count;
static struct disk disk;
static struct ext_volume volume;
static struct ext_file file;
static struct change changes[CHANGES_MAX];
static uint32_t change_count;
static _Alignas(16) unsigned char queue_memory[256 * 1024];
static _Alignas(16) unsigned char room[GUARD + ROOM + GUARD];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

/* ---- The device --------------------------------------------------------- */

static void record(struct image *image, const struct mpio_bio *bio)
{
	for (uint32_t i = 0; i < bio->length; i++) {
		if (image->place_count == METADATA_MAX)
			return;
		image->places[image->place_count++] = (uint32_t)bio->offset + i;
	}
}

static void finish(struct mpio_bio *bio)
{
	const unsigned char *from = disk.image->bytes + bio->offset;

	check(bio->op == MPIO_BIO_READ, "it only reads");
	check(bio->offset <= disk.device.size &&
		      bio->length <= disk.device.size - bio->offset,
	      "inside the device");
	if (disk.records && bio->flags & MPIO_BIO_META)
		record(disk.image, bio);
	if (disk.bad - bio->offset < bio->length) {
		mpio_bio_end(bio, -MPIO_EIO);
		return;
	}
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		memcpy(bio->vecs[i].base, from, bio->vecs[i].length);
		from += bio->vecs[i].length;
	}
	mpio_bio_end(bio, 0);
}

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	(void)device;
	(void)channel;
	disk.requests++;
	if (!disk.late)
		finish(bio);
	else if (disk.pending_count == PENDING_MAX)
		return -MPIO_EAGAIN;
	else
		disk.pending[disk.pending_count++] = bio;
	return 0;
}

static int reap(struct mpio_device *device, void *channel, int wait)
{
	struct mpio_bio *bio;

	(void)device;
	(void)channel;
	(void)wait;
	if (disk.pending_count == 0)
		return 0;
	disk.pending_count--;
	bio = disk.pending[disk.backwards ? disk.pending_count : 0];
	if (!disk.backwards)
		memmove(disk.pending, disk.pending + 1,
			disk.pending_count * sizeof(disk.pending[0]));
	finish(bio);
	return 1;
}

static void make_disk(struct image *image, const uint8_t *data)
{
	uint64_t where = (data[2] | (uint64_t)data[3] << 8) * SECTOR;

	disk = (struct disk){
		.device = {.ops = {.submit = submit, .reap = reap},
			   .limits = {.segments_max = 1},
			   .size = image->size},
		.image = image,
		.bad = UINT64_MAX,
		.late = data[1] & 1,
		.backwards = data[1] & 2,
	};
	if (!disk.late)
		disk.device.ops.reap = NULL;
	if (data[1] & 4)
		disk.device.size = where % image->size;
	if (data[1] & 8)
		disk.bad = where % image->size;
}

/* ---- Changes ------------------------------------------------------------ */

static void change(struct image *image, uint32_t index, unsigned char value)
{
	uint32_t place = image->places[index % image->place_count];

	if (change_count == CHANGES_MAX)
		return;
	changes[change_count++] =
		(struct change){.place = place, .was = image->bytes[place]};
	image->bytes[place] = value;
}

static void change_all(struct image *image, const uint8_t *data, size_t size)
{
	while (size >= 4) {
		uint32_t index = data[1] | (uint32_t)data[2] << 8;
		uint32_t count = data[0] & 3; /* 1, 2 or 4 bytes of value */

		count = count == 3 ? 4 : count == 2 ? 2 : 1;
		if (size < 3 + count)
			return;
		if (count > 1)
			index &= ~(count - 1);
		for (uint32_t i = 0; i < count; i++)
			change(image, index + i, data[3 + i]);
		data += 3 + count;
		size -= 3 + count;
	}
}

static void undo(struct image *image)
{
	while (change_count > 0) {
		change_count--;
		image->bytes[changes[change_count].place] =
			changes[change_count].was;
	}
}

/* ---- Memory that nothing is in ------------------------------------------- */

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#endif

#if defined(HAS_ASAN) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

/* What a block of this volume leaves free must not be looked at. */
static void forbid(struct ext_block *held)
{
	ASAN_UNPOISON_MEMORY_REGION(held->bytes, EXT_BLOCK_MAX);
	ASAN_POISON_MEMORY_REGION(held->bytes + volume.block_size,
				  EXT_BLOCK_MAX - volume.block_size);
}
#else
static void forbid(struct ext_block *held)
{
	(void)held;
}
#endif

static void forbid_rest(uint32_t block_size)
{
	volume.block_size = block_size;
	forbid(&volume.descriptors);
	forbid(&volume.inodes_block);
	forbid(&volume.directory);
	for (uint32_t i = 0; i < EXT_LEVELS; i++)
		forbid(&file.levels[i]);
}

/* ---- Reading ------------------------------------------------------------ */

static uint64_t add_up(uint64_t sum, const unsigned char *bytes, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

static bool is_known(int error)
{
	return error == 0 || error == -MPIO_EUCLEAN ||
	       error == -MPIO_EOPNOTSUPP || error == -MPIO_EINVAL ||
	       error == -MPIO_ENOENT || error == -MPIO_ENOTDIR ||
	       error == -MPIO_EISDIR ||
	       ((error == -MPIO_EIO) && disk.bad != UINT64_MAX);
}

/* Read some of the file, from a place on. */
static int read_at(uint64_t pos, uint64_t *sum)
{
	static struct mpio_page pages[PAGES];
	static struct mpio_page *batch[PAGES];
	struct ext_window window = {pages, batch, PAGES, PAGE};
	uint32_t mask = volume.block_size - 1;
	uint64_t rest = file.mapping.size - pos;
	uint64_t length = rest < ROOM ? rest : ROOM, full;
	int error;

	full = (length + mask) & ~(uint64_t)mask;
	memset(room + GUARD + full, POISON, GUARD);
	error = ext_read(&file, &window, pos, room + GUARD, length);
	check(is_known(error), "a known error of reading");
	for (uint32_t i = 0; i < GUARD; i++)
		check(room[i] == POISON && room[GUARD + full + i] == POISON,
		      "nothing beside the memory is written");
	for (uint64_t i = length; i < full; i++)
		check(room[GUARD + i] == 0, "past the end are zeros");
	/* Of what was changed nothing is known. */
	if (change_count == 0)
		*sum = add_up(*sum, room + GUARD, length);
	return error;
}

/* Where the ways to map blocks change, and the end. */
static int read_some(uint64_t *sum)
{
	uint32_t bits = volume.block_bits, n = 1u << (bits - 2);
	uint64_t size = file.mapping.size, mask = volume.block_size - 1u;
	uint64_t places[] = {0, (uint64_t)(12 + n - 2) << bits,
			     ((uint64_t)12 + n + (uint64_t)n * n - 2) << bits,
			     size > ROOM ? (size - ROOM) & ~mask : 0};
	int first = 0;

	*sum = 0xcbf29ce484222325;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int error = 0;

		if (places[i] < size || i == 0)
			error = read_at(places[i], sum);
		if (first == 0)
			first = error;
	}
	return first;
}

static int read_volume(uint64_t *sum)
{
	const struct mpio_queue_config config = {
		.bios = 4,
		.segments_max = 1,
		.pages_max = 32,
		.walk_pages = 1,
		.bounce_bytes = 4096,
		.memory = queue_memory,
		.memory_size = sizeof(queue_memory),
	};
	struct mpio_queue *queue;
	uint64_t most;
	int error;

	memset(room, POISON, GUARD);
	forbid_rest(EXT_BLOCK_MAX);
	error = mpio_queue_open(&disk.device, &config, &queue);
	check(error == 0, "the queue opens");
	error = ext_open(&volume, queue);
	if (!error) {
		forbid_rest(volume.block_size);
		error = ext_find(&volume, "/boot/kernel", &file);
	}
	check(is_known(error), "a known error of opening");
	if (!error)
		error = read_some(sum);
	/* Two directories, each block of them with a way down a tree; and the
	 * blocks that are read, with theirs, some of them twice. */
	most = 6 * 2 * (disk.device.size / 1024) + 8 * 4 * ROOM / 512 + 64;
	check(disk.requests <= most, "as many requests as the volume is large");
	mpio_queue_close(queue);
	check(disk.pending_count == 0, "nothing is left under way");
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image *image;
	uint64_t sum = 0;
	int error;

	if (size < 4)
		return 0;
	image = &images[data[0] % image_count];
	make_disk(image, data);
	change_all(image, data + 4, size - 4);
	error = read_volume(&sum);
	if (change_count == 0 && !(data[1] & (4 | 8)))
		check(error == 0 && file.mapping.size == image->file_size &&
			      sum == image->file_sum,
		      "without a change the file is as it was");
	undo(image);
	return 0;
}

/* ---- Images ------------------------------------------------------------- */

static void load_image(struct image *image, const char *path)
{
	static const uint8_t plain[4];
	FILE *stream = fopen(path, "rb");
	long size;

	if (stream == NULL || fseek(stream, 0, SEEK_END) ||
	    (size = ftell(stream)) <= 0 || size > 64 << 20 ||
	    fseek(stream, 0, SEEK_SET) ||
	    (image->bytes = malloc((size_t)size)) == NULL ||
	    fread(image->bytes, 1, (size_t)size, stream) != (size_t)size) {
		fprintf(stderr, "cannot read the image %s\n", path);
		exit(2);
	}
	fclose(stream);
	image->size = (uint64_t)size;
	make_disk(image, plain);
	disk.records = true;
	if (read_volume(&image->file_sum) != 0 || image->place_count == 0) {
		fprintf(stderr, "there is no /boot/kernel in %s\n", path);
		exit(2);
	}
	image->file_size = file.mapping.size;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *list = getenv("EXT_IMAGES");
	char *path;

	(void)argc;
	(void)argv;
	if (list != NULL)
		list = strdup(list);
	for (path = list; path != NULL && image_count < IMAGES_MAX;) {
		char *end = strchr(path, ':');

		if (end != NULL)
			*end++ = '\0';
		load_image(&images[image_count++], path);
		path = end;
	}
	free(list);
	if (image_count == 0) {
		fprintf(stderr, "EXT_IMAGES names no image\n");
		exit(2);
	}
	return 0;
}

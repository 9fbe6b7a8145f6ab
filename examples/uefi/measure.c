/* SPDX-License-Identifier: MIT */
/*
 * Each way is one line, which the script reads:
 *
 *     NAME: BYTES bytes, crc CRC, N requests, M of metadata, T s
 *
 * Before each and after the first and the last the second block of the disk is
 * read, alone, which nothing else does then: so that who traces the disk's
 * requests can tell them apart.
 */
#include "machine.h"
#include "measure.h"

#define PIECE (256u * 1024u)
#define PAGE 4096u
#define RUNS_MAX 16384u

/* Blocks of a file that lie together. */
struct run {
	uint64_t offset; /* bytes, on the disk */
	uint64_t pos;    /* bytes, in the file */
	uint64_t length;
};

static struct run runs[RUNS_MAX];

static uint32_t crc_of(const unsigned char *bytes, uint64_t size)
{
	static uint32_t table[256];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^
				   (table[i] & 1 ? 0xedb88320u : 0);
	}
	while (size-- > 0)
		crc = table[(crc ^ *bytes++) & 255] ^ crc >> 8;
	return ~crc;
}

static void mark(struct disk *disk)
{
	static _Alignas(4096) unsigned char block[EXT_BLOCK_MAX];
	uint32_t size = disk->block_size;

	if (size <= sizeof(block))
		disk_read(disk, size, block, size);
}

/* What is counted and timed. */
struct count {
	uint64_t ticks;
	uint32_t requests;
	uint32_t metadata;
};

static struct count begin(struct loader *loader)
{
	/* What an earlier way has left must not look like this one's. */
	for (uint64_t i = 0; i < loader->capacity; i += 512)
		loader->memory[i] ^= 0xff;
	mark(loader->disk);
	return (struct count){
		.requests = loader->disk->requests,
		.metadata = loader->volume->metadata_reads,
		.ticks = machine_ticks(),
	};
}

static void finish(struct loader *loader, const char *name, struct count before,
		   bool is_file)
{
	uint64_t ticks = machine_ticks() - before.ticks;
	uint64_t size = loader->file->mapping.size;

	print(name);
	print(": ");
	print_number(size);
	print(" bytes, crc ");
	if (is_file)
		print_hex(crc_of(loader->memory, size));
	else
		print("-");
	print(", ");
	print_number(loader->disk->requests - before.requests);
	print(" requests, ");
	print_number(loader->volume->metadata_reads - before.metadata);
	print(" of metadata, ");
	print_seconds(ticks);
	print(" s\n");
}

static bool failed(const char *name, const char *why)
{
	print(name);
	print(": failed: ");
	print(why);
	print("\n");
	return false;
}

/* With what an earlier way has read ahead this one begins anew. */
static bool read_in_windows(struct loader *loader, const char *name,
			    const struct ext_window *window, uint32_t ahead)
{
	struct mpio_queue *queue = loader->volume->queue;
	struct count before = begin(loader);
	struct ext_file *file = loader->file;
	int error;

	disk_read_ahead(loader->disk, ahead);
	error = ext_open(loader->volume, queue);
	before.metadata = 0; /* counted anew from here on */
	if (!error)
		error = ext_find(loader->volume, loader->path, file);
	if (error)
		return failed(name, mpio_strerror(error));
	if (file->mapping.size > loader->capacity)
		return failed(name, mpio_strerror(MPIO_EFBIG));
	error = ext_read(file, window, 0, loader->memory, file->mapping.size);
	if (error) {
		print("at byte ");
		print_number(file->error_pos);
		print(" of ");
		print(loader->path);
		print("\n");
		return failed(name, mpio_strerror(error));
	}
	finish(loader, name, before, true);
	return true;
}

bool measure_read(struct loader *loader)
{
	bool well =
		read_in_windows(loader, "read", &loader->window, DISK_AHEAD);

	mark(loader->disk);
	return well;
}

/* Where the file lies, as a list; 0: too much for it, or an error. */
static uint32_t list_runs(struct loader *loader)
{
	struct mpio_mapping *mapping = &loader->file->mapping;
	uint32_t bits = loader->volume->block_bits, n = 0;
	uint64_t blocks = (mapping->size + mapping->block_size - 1) >> bits;

	for (uint64_t block = 0; block < blocks;) {
		struct mpio_extent extent = {.count = blocks - block};
		struct run *last = n > 0 ? &runs[n - 1] : NULL;
		struct run run;

		if (mapping->ops->get_block(mapping, NULL, block, 0, &extent))
			return 0;
		run.offset = extent.block << bits;
		run.pos = block << bits;
		run.length = extent.count << bits;
		block += extent.count;
		if (!(extent.flags & MPIO_EXTENT_MAPPED))
			continue;
		if (last != NULL && last->offset + last->length == run.offset &&
		    last->pos + last->length == run.pos)
			last->length += run.length;
		else if (n == RUNS_MAX)
			return 0;
		else
			runs[n++] = run;
	}
	return n;
}

static bool read_runs(struct loader *loader)
{
	uint32_t n = list_runs(loader);
	struct count before = begin(loader);

	if (n == 0)
		return failed("pieces", "no list");
	for (uint32_t i = 0; i < n; i++) {
		struct run run = runs[i];

		while (run.length > 0) {
			size_t size =
				run.length < PIECE ? (size_t)run.length : PIECE;

			if (disk_read(loader->disk, run.offset,
				      loader->memory + run.pos, size))
				return failed("pieces", "device");
			run.offset += size;
			run.pos += size;
			run.length -= size;
		}
	}
	finish(loader, "pieces", before, true);
	return true;
}

static bool read_raw(struct loader *loader)
{
	uint64_t size = loader->file->mapping.size / PIECE * PIECE;
	struct count before = begin(loader);

	for (uint64_t pos = 0; pos < size; pos += PIECE)
		if (disk_read(loader->disk, pos, loader->memory + pos, PIECE))
			return failed("raw", "device");
	finish(loader, "raw", before, false);
	return true;
}

bool measure_others(struct loader *loader, bool paged)
{
	struct mpio_page page, *batch;
	struct ext_window window = {&page, &batch, 1, PAGE};
	bool well = read_runs(loader) && read_raw(loader);

	if (well && paged)
		well = read_in_windows(loader, "paged", &window, 0);
	mark(loader->disk);
	return well;
}

/* SPDX-License-Identifier: MIT */
/*
 * The bytes of the device, the patterns that the format gives device and file,
 * and checksums; memory for all sources, too.
 *
 * A disk is sparse: a chunk that was never written is made of the pattern when
 * it is read, so that a device of any size costs little.
 */
#include "vectors.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 65536 };

/* What tells the file's pattern from the device's. */
static const uint64_t FILE_KEY = 0x5749545F44495254u;

/* ---- Memory ------------------------------------------------------------- */

void *vectors_resize(void *old, size_t count, size_t size)
{
	void *new = NULL;

	if (count == 0)
		count = 1;
	if (count <= SIZE_MAX / size)
		new = realloc(old, count * size);
	if (!new) {
		fprintf(stderr, "mpio-vectors: not enough memory\n");
		exit(2);
	}
	return new;
}

void *vectors_alloc(size_t count, size_t size)
{
	void *new = calloc(count ? count : 1, size);

	return new ? new : vectors_resize(NULL, SIZE_MAX, size);
}

void *vectors_grow(void *array, size_t *count, size_t size)
{
	if ((*count & (*count - 1)) == 0)
		array = vectors_resize(array, *count ? 2 * *count : 1, size);
	memset((char *)array + *count * size, 0, size);
	(*count)++;
	return array;
}

/* ---- Patterns and checksums --------------------------------------------- */

/** The splitmix64 finaliser. */
static uint64_t mix(uint64_t x)
{
	x += 0x9E3779B97F4A7C15u;
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
	x = (x ^ x >> 27) * 0x94D049BB133111EBu;
	return x ^ x >> 31;
}

static void pattern(uint64_t offset, uint64_t key, uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint64_t word = mix(((offset + i) & ~(uint64_t)7) ^ key);

		/* A whole word at a time wherever there is one. */
		if ((offset + i) % 8 == 0 && length - i >= 8) {
			for (unsigned k = 0; k < 8; k++)
				data[i + k] = (uint8_t)(word >> 8 * k);
			i += 7;
		} else {
			data[i] = (uint8_t)(word >> 8 * ((offset + i) % 8));
		}
	}
}

void vectors_device_pattern(uint64_t offset, void *data, size_t length)
{
	pattern(offset, 0, data, length);
}

void vectors_file_pattern(const struct vectors_scenario *s, uint64_t pos,
			  void *data, size_t length, bool zero)
{
	pattern(pos, FILE_KEY, data, length);
	if (zero && pos + length > s->file_size) {
		size_t kept =
			pos < s->file_size ? (size_t)(s->file_size - pos) : 0;

		memset((char *)data + kept, 0, length - kept);
	}
}

/** Tables for eight bytes at a time: table[k] is for k zero bytes behind. */
static uint32_t crc_table[8][256];

static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
		crc_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++) {
			uint32_t crc = crc_table[k - 1][i];

			crc_table[k][i] = crc >> 8 ^ crc_table[0][crc & 0xFF];
		}
	}
}

uint32_t vectors_crc32(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	if (crc_table[0][1] == 0)
		make_crc_table();
	crc = ~crc;
	for (; length >= 8; length -= 8, bytes += 8) {
		uint32_t next = 0;

		for (int k = 0; k < 4; k++)
			next ^= crc_table[7 - k]
					 [(crc >> 8 * k ^ bytes[k]) & 0xFF];
		for (int k = 4; k < 8; k++)
			next ^= crc_table[7 - k][bytes[k]];
		crc = next;
	}
	for (; length; length--, bytes++)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *bytes) & 0xFF];
	return ~crc;
}

/* ---- Disk --------------------------------------------------------------- */

void vectors_disk_open(struct vectors_disk *disk, uint64_t size)
{
	*disk = (struct vectors_disk){.size = size};
}

void vectors_disk_close(struct vectors_disk *disk)
{
	for (size_t i = 0; i < disk->chunk_count; i++)
		free(disk->chunks[i]);
	free(disk->chunks);
}

/** A list of all chunks, of no use before the first write. */
static void make_chunks(struct vectors_disk *disk)
{
	uint64_t count = disk->size / CHUNK + 1;

	if (disk->chunks)
		return;
	disk->chunk_count = count < SIZE_MAX ? (size_t)count : SIZE_MAX;
	disk->chunks = vectors_alloc(disk->chunk_count, sizeof(uint8_t *));
}

/** How much of a transfer lies in the chunk where it begins. */
static size_t in_chunk(uint64_t offset, size_t length)
{
	size_t left = (size_t)(CHUNK - offset % CHUNK);

	return length < left ? length : left;
}

void vectors_disk_read(const struct vectors_disk *disk, uint64_t offset,
		       void *data, size_t length)
{
	uint8_t *to = data;

	while (length) {
		const uint8_t *chunk =
			disk->chunks ? disk->chunks[offset / CHUNK] : NULL;
		size_t n = in_chunk(offset, length);

		if (chunk)
			memcpy(to, chunk + offset % CHUNK, n);
		else
			vectors_device_pattern(offset, to, n);
		to += n;
		offset += n;
		length -= n;
	}
}

void vectors_disk_write(struct vectors_disk *disk, uint64_t offset,
			const void *data, size_t length)
{
	const uint8_t *from = data;

	make_chunks(disk);
	while (length) {
		uint8_t **chunk = &disk->chunks[offset / CHUNK];
		size_t n = in_chunk(offset, length);

		if (!*chunk) {
			*chunk = vectors_alloc(CHUNK, 1);
			vectors_device_pattern(offset - offset % CHUNK, *chunk,
					       CHUNK);
		}
		memcpy(*chunk + offset % CHUNK, from, n);
		from += n;
		offset += n;
		length -= n;
	}
}

uint32_t vectors_disk_crc(const struct vectors_disk *disk)
{
	uint8_t buffer[4096];
	uint32_t crc = 0;

	for (uint64_t at = 0; at < disk->size;) {
		uint64_t left = disk->size - at;
		size_t n =
			left < sizeof(buffer) ? (size_t)left : sizeof(buffer);

		vectors_disk_read(disk, at, buffer, n);
		crc = vectors_crc32(crc, buffer, n);
		at += n;
	}
	return crc;
}

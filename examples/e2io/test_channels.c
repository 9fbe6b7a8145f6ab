/* SPDX-License-Identifier: MIT */
/*
 * What channels do with a file: what they write reaches it when, what they see
 * of each other and of other programs, and which blocks options, zero-out,
 * discard and read-ahead are about.
 */
#include "tested_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_write_through(void)
{
	unsigned char data[BLOCK];
	io_channel io;

	tested_make();
	io = tested_open(NULL, IO_FLAG_RW);
	tested_fill(data, 5, 1);
	CHECK(io_channel_write_blk64(io, 5, 1, data) == 0);
	tested_look(5, data);
	CHECK(tested_is_filled(data, 5, 0));
	io->flags |= CHANNEL_FLAGS_WRITETHROUGH;
	tested_fill(data, 6, 1);
	CHECK(io_channel_write_blk64(io, 6, 1, data) == 0);
	tested_look(6, data);
	CHECK(tested_is_filled(data, 6, 1));
	CHECK(io_channel_close(io) == 0);
	tested_look(5, data);
	CHECK(tested_is_filled(data, 5, 1));
	puts("ok - write-through, and write-back at the close");
}

static void test_two_channels(void)
{
	unsigned char data[BLOCK];
	io_channel one, two;
	char path[4096];

	tested_make();
	one = tested_open(NULL, 0);
	CHECK(io_channel_read_blk64(one, 9, 1, data) == 0);
	snprintf(path, sizeof(path), "./%s", tested_name);
	if (tested_name[0] == '/')
		snprintf(path, sizeof(path), "/.%s", tested_name);
	CHECK(mpio_io_manager->open(path, IO_FLAG_RW, &two) == 0);
	CHECK(io_channel_set_blksize(two, BLOCK) == 0);
	tested_fill(data, 9, 1);
	CHECK(io_channel_write_blk64(two, 9, 1, data) == 0);
	CHECK(io_channel_read_blk64(one, 9, 1, data) == 0);
	CHECK(tested_is_filled(data, 9, 1));
	CHECK(io_channel_write_blk64(one, 9, 1, data) == 9 /* EBADF */);
	CHECK(io_channel_close(one) == 0);
	CHECK(io_channel_close(two) == 0);
	puts("ok - two channels of one file see each other's writes");
}

/* ---- A file that grows --------------------------------------------------- */

/*
 * Another program makes the file longer, which ends in the middle of a block,
 * or of a page: what it wrote is read, and is not written over.
 */
static void follow(off_t end, bool write_last)
{
	unsigned char data[4 * BLOCK], expected[4 * BLOCK];
	unsigned long long last = (unsigned long long)(end - 1) / BLOCK;
	size_t part = (size_t)(end - (off_t)last * BLOCK);
	io_channel io;
	int fd;

	tested_make();
	CHECK(truncate(tested_name, end) == 0);
	io = tested_open(NULL, IO_FLAG_RW);
	CHECK(io_channel_read_blk64(io, last, 1, data) ==
	      (part == BLOCK ? 0 : EXT2_ET_SHORT_READ));
	tested_fill(expected, last, write_last ? 1 : 0);
	if (write_last)
		CHECK(io_channel_write_blk64(io, last, -(int)part, expected) ==
		      0);
	memset(expected + part, 0x22, sizeof(expected) - part);
	fd = open(tested_name, O_RDWR);
	CHECK(fd >= 0);
	CHECK(pwrite(fd, expected + part, 3 * BLOCK, end) == 3 * BLOCK);
	close(fd);
	CHECK(io_channel_read_blk64(io, last, 3, data) == 0);
	CHECK(memcmp(data, expected, 3 * BLOCK) == 0);
	/* Beside the old end, and behind the new one. */
	CHECK(io_channel_write_blk64(io, last + 1, 1, data) == 0);
	CHECK(io_channel_write_blk64(io, last + 9, 1, data) == 0);
	CHECK(io_channel_close(io) == 0);
	memcpy(expected + BLOCK, data, BLOCK);
	for (unsigned int i = 0; i < 3; i++) {
		tested_look(last + i, data);
		CHECK(memcmp(data, expected + i * BLOCK, BLOCK) == 0);
	}
}

/* Block by block behind the end, which is whole for a disk or is not. */
static void grow(const char *settings, unsigned int step)
{
	static unsigned char data[64 * BLOCK], zeros[BLOCK];
	struct stat st;
	io_channel io;

	tested_make();
	setenv("MPIO_E2IO", settings, 1);
	io = tested_open(NULL, IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	for (unsigned int i = BLOCKS; i < BLOCKS + 64; i += step) {
		tested_fill(data, i, 1);
		CHECK(io_channel_write_blk64(io, i, 1, data) == 0);
		CHECK(stat(tested_name, &st) == 0 &&
		      st.st_size == (off_t)(i + 1) * BLOCK);
	}
	CHECK(io_channel_write_blk64(io, BLOCKS + 64, -100, data) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS, 64, data) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS + 64, 1, data) ==
	      EXT2_ET_SHORT_READ);
	CHECK(io_channel_close(io) == 0);
	CHECK(stat(tested_name, &st) == 0 &&
	      st.st_size == (off_t)(BLOCKS + 64) * BLOCK + 100);
	for (unsigned int i = BLOCKS; i < BLOCKS + 64; i++) {
		tested_look(i, data);
		CHECK((i - BLOCKS) % step == 0
			      ? tested_is_filled(data, i, 1)
			      : memcmp(data, zeros, BLOCK) == 0);
	}
}

static void test_follow(void)
{
	int fd;

	follow(1536, false);
	follow(1536, true);
	follow(5 * BLOCK, false);
	follow(8 * BLOCK - 1, true);
	follow(8 * BLOCK, true);
	/* Not every file system can do direct I/O. */
	fd = open(tested_name, O_RDONLY | O_DIRECT);
	if (fd >= 0) {
		close(fd);
		setenv("MPIO_E2IO", "direct=1", 1);
		follow(1536, true);
		follow(8 * BLOCK, true);
		unsetenv("MPIO_E2IO");
		grow("direct=1", 1);
		grow("direct=1&backend=threads", 3);
	}
	grow("page=1K", 1);
	grow("page=64K", 5);
	puts("ok - a file that grows, and what another program appends");
}

/* ---- Which blocks -------------------------------------------------------- */

static void test_offset(void)
{
	unsigned char data[2 * BLOCK];
	io_channel io;

	tested_make();
	io = tested_open(NULL, IO_FLAG_RW);
	CHECK(io_channel_set_options(io, "offset=10240") == 0);
	CHECK(io_channel_set_options(io, "offset=1x") != 0);
	CHECK(io_channel_set_options(io, "cache=off") == 0);
	CHECK(io_channel_set_options(io, "nonsense=1") != 0);
	CHECK(io_channel_read_blk64(io, 3, 1, data) == 0);
	CHECK(tested_is_filled(data, 13, 0));
	CHECK(io_channel_write_byte(io, 10, 4, "abcd") == 0);
	CHECK(io_channel_flush(io) == 0);
	tested_look(10, data);
	CHECK(memcmp(data + 10, "abcd", 4) == 0);
	CHECK(io_channel_close(io) == 0);
	puts("ok - offset, and single bytes");
}

static bool is_zero(unsigned long long block)
{
	static const unsigned char zeros[BLOCK];
	unsigned char data[BLOCK];

	tested_look(block, data);
	return memcmp(data, zeros, BLOCK) == 0;
}

/* Ranges that lie across pages of the cache, and writes before and after. */
static void test_zeros(void)
{
	unsigned char data[BLOCK];
	errcode_t error;
	io_channel io;

	tested_make();
	io = tested_open(NULL, IO_FLAG_RW);
	tested_fill(data, 50, 1);
	CHECK(io_channel_write_blk64(io, 50, 1, data) == 0);
	tested_fill(data, 41, 1);
	CHECK(io_channel_write_blk64(io, 41, 1, data) == 0);
	error = io_channel_zeroout(io, 42, 17);
	CHECK(error == 0 || error == EXT2_ET_UNIMPLEMENTED);
	CHECK(io_channel_flush(io) == 0);
	for (unsigned int i = 42; i < 59 && error == 0; i++)
		CHECK(is_zero(i));
	tested_look(41, data);
	CHECK(tested_is_filled(data, 41, 1));
	tested_look(59, data);
	CHECK(tested_is_filled(data, 59, 0));
	if (error == 0)
		CHECK(io_channel_zeroout(io, BLOCKS, 8) == 0);
	error = io_channel_discard(io, 141, 3);
	if (error == 0 && (io->flags & CHANNEL_FLAGS_DISCARD_ZEROES)) {
		CHECK(io_channel_flush(io) == 0);
		CHECK(is_zero(141) && is_zero(142) && is_zero(143));
	}
	tested_look(140, data);
	CHECK(tested_is_filled(data, 140, 0));
	CHECK(io_channel_close(io) == 0);
	puts("ok - zero-out and discard");
}

static void test_read_ahead(void)
{
	unsigned char data[BLOCK];
	io_stats before, after;
	unsigned long long bytes;
	io_channel io;

	tested_make();
	setenv("MPIO_E2IO", "ahead=32K", 1);
	io = tested_open("posix:%s", 0);
	unsetenv("MPIO_E2IO");
	CHECK(io_channel_cache_readahead(io, 256, 500) == 0);
	CHECK(io_channel_cache_readahead(io, 756, 12) == 0);
	CHECK(io_channel_read_blk64(io, 0, 1, data) == 0);
	CHECK(io->manager->get_stats(io, &before) == 0);
	bytes = before->bytes_read;
	CHECK(bytes >= 512 * BLOCK);
	for (unsigned int i = 256; i < 768; i++) {
		CHECK(io_channel_read_blk64(io, i, 1, data) == 0);
		CHECK(tested_is_filled(data, i, 0));
	}
	CHECK(io->manager->get_stats(io, &after) == 0);
	/* But for what comes behind it, nothing was read any more. */
	CHECK(after->bytes_read <= bytes + (128 << 10));
	CHECK(io_channel_close(io) == 0);
	puts("ok - what is announced is read before it is wanted");
}

int main(int argc, char **argv)
{
	tested_begin(argc, argv);
	test_write_through();
	test_two_channels();
	test_follow();
	test_offset();
	test_zeros();
	test_read_ahead();
	tested_end();
	return 0;
}

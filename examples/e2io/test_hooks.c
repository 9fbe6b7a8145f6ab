/* SPDX-License-Identifier: MIT */
/*
 * What the hooks are told, which cannot be seen by way of e2fsprogs' programs:
 * the blocks that are bad and no others, and how far a disk goes; and what
 * becomes of blocks that cannot be written.
 */
#include "tested_file.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Hooks --------------------------------------------------------------- */

static struct {
	unsigned int calls;
	unsigned long blocks[64];
	int counts[64];
	int actual;
	errcode_t errors[64];
	bool data_right;
	errcode_t answer;
} seen;

static void note(unsigned long block, int count, errcode_t error)
{
	CHECK(seen.calls < 64);
	seen.blocks[seen.calls] = block;
	seen.counts[seen.calls] = count;
	seen.errors[seen.calls++] = error;
}

static errcode_t on_read_error(io_channel io, unsigned long block, int count,
			       void *data, size_t size, int actual,
			       errcode_t error)
{
	(void)io, (void)data, (void)size;
	note(block, count, error);
	seen.actual = actual;
	return seen.answer;
}

static errcode_t on_write_error(io_channel io, unsigned long block, int count,
				const void *data, size_t size, int actual,
				errcode_t error)
{
	(void)io, (void)actual;
	note(block, count, error);
	if (size != BLOCK || !tested_is_filled(data, block, 1))
		seen.data_right = false;
	return seen.answer;
}

static void forget(errcode_t answer)
{
	memset(&seen, 0, sizeof(seen));
	seen.data_right = true;
	seen.answer = answer;
}

static bool saw(unsigned int count, const unsigned long *blocks)
{
	if (seen.calls != count)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		if (seen.blocks[i] != blocks[i] || seen.counts[i] != 1 ||
		    seen.errors[i] != 5 /* EIO */)
			return false;
	}
	return true;
}

/* Blocks 100, 101, 107 and 700. */
#define BAD(event)                                                             \
	event ":range=102400+2048:errno=EIO," event                            \
	      ":range=109568+1024:errno=EIO," event                            \
	      ":range=716800+1024:errno=EIO"
static const unsigned long bad_blocks[] = {100, 101, 107, 700};

/* ---- Bad blocks ---------------------------------------------------------- */

static void test_bad_reads(void)
{
	static unsigned char data[BLOCKS * BLOCK];
	io_channel io;

	tested_make();
	io = tested_open("fault:" BAD("read") ":posix:%s", 0);
	io->read_error = on_read_error;
	forget(0);
	CHECK(io_channel_read_blk64(io, 0, BLOCKS, data) == 0);
	CHECK(saw(4, bad_blocks));
	for (unsigned int i = 0; i < BLOCKS; i++) {
		if (i != 100 && i != 101 && i != 107 && i != 700)
			CHECK(tested_is_filled(data + i * BLOCK, i, 0));
	}
	forget(77);
	CHECK(io_channel_read_blk64(io, 99, 10, data) == 77);
	CHECK(saw(3, bad_blocks));
	CHECK(tested_is_filled(data, 99, 0));
	/* What lies beside bad blocks is to be had. */
	forget(77);
	CHECK(io_channel_read_blk64(io, 102, 5, data) == 0);
	CHECK(seen.calls == 0);
	CHECK(tested_is_filled(data, 102, 0));
	io->read_error = NULL;
	CHECK(io_channel_read_blk64(io, 700, 1, data) == 5);
	CHECK(io_channel_close(io) == 0);
	puts("ok - the read_error hook is called with the bad blocks alone");
}

static void write_all(io_channel io, unsigned int salt)
{
	unsigned char data[BLOCK];

	for (unsigned int i = 0; i < BLOCKS; i++) {
		tested_fill(data, i, salt);
		CHECK(io_channel_write_blk64(io, i, 1, data) == 0);
	}
}

static void test_bad_writes(void)
{
	unsigned char data[BLOCK];
	io_channel io;

	tested_make();
	io = tested_open("fault:" BAD("write") ":posix:%s", IO_FLAG_RW);
	io->write_error = on_write_error;
	forget(77);
	write_all(io, 1);
	CHECK(io_channel_flush(io) == 77);
	CHECK(saw(4, bad_blocks));
	CHECK(seen.data_right);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		bool bad = i == 100 || i == 101 || i == 107 || i == 700;

		tested_look(i, data);
		CHECK(tested_is_filled(data, i, bad ? 0 : 1));
	}
	/* They are kept, and tried again. */
	CHECK(io_channel_read_blk64(io, 100, 1, data) == 0);
	CHECK(tested_is_filled(data, 100, 1));
	forget(0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(saw(4, bad_blocks));
	/* The hook said that all is well: they are forgotten. */
	forget(77);
	CHECK(io_channel_flush(io) == 0);
	CHECK(io_channel_close(io) == 0);
	CHECK(seen.calls == 0);
	puts("ok - the write_error hook is called with the bad blocks alone");
}

static void test_bad_close(void)
{
	unsigned char data[BLOCK];
	io_channel io;

	tested_make();
	io = tested_open("fault:" BAD("write") ":posix:%s", IO_FLAG_RW);
	tested_fill(data, 107, 1);
	CHECK(io_channel_write_blk64(io, 107, 1, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(io_channel_close(io) == 5);
	puts("ok - without a hook flush and close fail");
}

/* Whether or not it could be written, a disk that is closed takes no memory. */
static void test_bad_closes(void)
{
	struct mallinfo2 first, last;
	unsigned char data[BLOCK];
	io_channel io;

	tested_make();
	tested_fill(data, 107, 1);
	for (int i = 0; i < 4; i++) {
		io = tested_open("fault:" BAD("write") ":posix:%s", IO_FLAG_RW);
		CHECK(io_channel_write_blk64(io, 107, 1, data) == 0);
		CHECK(io_channel_close(io) == 5);
		last = mallinfo2();
		if (i == 0)
			first = last;
	}
	CHECK(last.uordblks + last.hblkhd <
	      first.uordblks + first.hblkhd + (1 << 20));
	puts("ok - a close that fails leaves no memory behind");
}

/* Of two blocks in one page one failed before the other was written. */
static void test_bad_before(void)
{
	static const unsigned long eight[] = {8};
	unsigned char data[BLOCK];
	io_channel io;

	tested_make();
	io = tested_open("fault:write:range=0+1024:errno=EIO,"
			 "write:range=8192+1024:errno=EIO:posix:%s",
			 IO_FLAG_RW);
	tested_fill(data, 0, 1);
	CHECK(io_channel_write_blk64(io, 0, 1, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	io->write_error = on_write_error;
	tested_fill(data, 1, 1);
	CHECK(io_channel_write_blk64(io, 1, 1, data) == 0);
	forget(77);
	io->flags |= CHANNEL_FLAGS_WRITETHROUGH;
	tested_fill(data, 8, 1);
	CHECK(io_channel_write_blk64(io, 8, 1, data) == 77);
	CHECK(saw(1, eight) && seen.data_right);
	CHECK(io_channel_read_blk64(io, 1, 1, data) == 0);
	CHECK(tested_is_filled(data, 1, 1));
	forget(0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(seen.calls == 2);
	CHECK(io_channel_close(io) == 0);
	tested_look(1, data);
	CHECK(tested_is_filled(data, 1, 1));
	puts("ok - what was not tried is not dropped with what failed before");
}

/* A figure of the last disk that was closed. */
static unsigned long long counted(const char *path, const char *what)
{
	FILE *file = fopen(path, "r");
	char line[1024] = "";
	char *at;

	CHECK(file != NULL && fgets(line, sizeof(line), file) != NULL);
	fclose(file);
	unlink(path);
	at = strstr(line, what);
	CHECK(at != NULL);
	return strtoull(at + strlen(what), NULL, 10);
}

/* More than the cache can hold, to a disk that takes nothing. */
static void test_dead_disk(void)
{
	unsigned char data[BLOCK];
	char stats[4096];
	unsigned int kept = 0;
	io_channel io;

	tested_make();
	snprintf(stats, sizeof(stats), "%s.stats", tested_name);
	setenv("MPIO_E2IO_STATS", stats, 1);
	setenv("MPIO_E2IO", "cache=1M", 1);
	io = tested_open("fault:write:range=0+2M:errno=EIO:posix:%s",
			 IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	for (unsigned int i = 0; i < BLOCKS; i++) {
		errcode_t error;

		tested_fill(data, i, 1);
		error = io_channel_write_blk64(io, i, 1, data);
		CHECK(error == 5 || (error == 0 && kept == i));
		kept += error == 0;
	}
	CHECK(kept > 0 && kept < BLOCKS);
	/* What is kept is there, and may be written again. */
	CHECK(io_channel_read_blk64(io, 3, 1, data) == 0);
	CHECK(tested_is_filled(data, 3, 1));
	CHECK(io_channel_write_blk64(io, 3, 1, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(io_channel_close(io) == 5);
	unsetenv("MPIO_E2IO_STATS");
	CHECK(counted(stats, "errors=") < 2 * BLOCKS);
	puts("ok - a disk that takes nothing: an error, and few attempts");
}

/* A write of a part of a block, the rest of which cannot be read. */
static void test_bad_neighbour(void)
{
	unsigned char data[4 * BLOCK];
	io_channel io;

	tested_make();
	io = tested_open("fault:write:range=409600+1024:errno=EIO:once,"
			 "read:range=411648+512:errno=EIO:posix:%s",
			 IO_FLAG_RW);
	CHECK(io_channel_set_blksize(io, 4 * BLOCK) == 0);
	io->write_error = on_write_error;
	forget(77);
	tested_fill(data, 400, 1);
	CHECK(io_channel_write_byte(io, 400 * BLOCK, BLOCK, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(seen.calls == 0);
	CHECK(io_channel_flush(io) == 0);
	CHECK(io_channel_close(io) == 0);
	for (unsigned int i = 400; i < 404; i++) {
		tested_look(i, data);
		CHECK(tested_is_filled(data, i, i == 400 ? 1 : 0));
	}
	puts("ok - what cannot be read beside a bad block is left alone");
}

/* ---- The end ------------------------------------------------------------- */

static void test_ends(void)
{
	static unsigned char data[4 * BLOCK], zeros[2 * BLOCK];
	struct stat st;
	io_channel io;

	tested_make();
	io = tested_open(NULL, IO_FLAG_RW);
	memset(data, 1, sizeof(data));
	CHECK(io_channel_read_blk64(io, BLOCKS - 2, 4, data) ==
	      EXT2_ET_SHORT_READ);
	CHECK(tested_is_filled(data, BLOCKS - 2, 0));
	CHECK(memcmp(data + 2 * BLOCK, zeros, 2 * BLOCK) == 0);
	io->read_error = on_read_error;
	forget(77);
	CHECK(io_channel_read_blk64(io, BLOCKS - 2, 4, data) == 77);
	CHECK(seen.calls == 1 && seen.counts[0] == 4 &&
	      seen.actual == 2 * BLOCK);
	/* It grows, and what is between reads as zeros. */
	tested_fill(data, 1, 1);
	CHECK(io_channel_write_blk64(io, BLOCKS + 4000, -100, data) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS + 3998, 2, data) == 0);
	CHECK(memcmp(data, zeros, 2 * BLOCK) == 0);
	CHECK(io_channel_close(io) == 0);
	CHECK(stat(tested_name, &st) == 0 &&
	      st.st_size == (off_t)(BLOCKS + 4000) * BLOCK + 100);
	/* One that ends before its file does. */
	alarm(60);
	io = tested_open("linear:0+1M:posix:%s", IO_FLAG_RW);
	CHECK(io_channel_read_blk64(io, 1023, 2, data) == EXT2_ET_SHORT_READ);
	CHECK(io_channel_write_blk64(io, 1024, 1, data) == 28 /* ENOSPC */);
	CHECK(io_channel_close(io) == 0);
	alarm(0);
	puts("ok - the end of the file: short reads, and growing");
}

int main(int argc, char **argv)
{
	tested_begin(argc, argv);
	test_bad_reads();
	test_bad_writes();
	test_bad_close();
	test_bad_closes();
	test_bad_before();
	test_dead_disk();
	test_bad_neighbour();
	test_ends();
	tested_end();
	return 0;
}

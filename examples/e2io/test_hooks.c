/* SPDX-License-Identifier: MIT */
/*
 *     e2io-test-hooks FILE
 *
 * What cannot be seen by way of e2fsprogs' programs: which blocks the hooks are
 * called with, what reaches the file when, and what channels see of each other.
 * FILE is made anew, and removed. Prints a line for each test that is passed,
 * and ends with 1 at the first that is not.
 */
#include "mpio_e2io.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 1024
#define BLOCKS 2048

#define CHECK(what) check((what), #what, __LINE__)

static const char *name;

static void check(bool right, const char *what, int line)
{
	if (right)
		return;
	printf("not ok - line %d: %s\n", line, what);
	exit(1);
}

/* ---- The file ----------------------------------------------------------- */

static void fill(unsigned char *data, unsigned long long block,
		 unsigned int salt)
{
	for (size_t i = 0; i < BLOCK; i++)
		data[i] = (unsigned char)(block * 7 + i / 8 + salt);
}

static bool is_filled(const unsigned char *data, unsigned long long block,
		      unsigned int salt)
{
	unsigned char expected[BLOCK];

	fill(expected, block, salt);
	return memcmp(data, expected, BLOCK) == 0;
}

static void make_file(void)
{
	unsigned char data[BLOCK];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		fill(data, i, 0);
		CHECK(write(fd, data, BLOCK) == BLOCK);
	}
	close(fd);
}

/* What the file itself holds. */
static void look(unsigned long long block, unsigned char *data)
{
	int fd = open(name, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(pread(fd, data, BLOCK, (off_t)(block * BLOCK)) == BLOCK);
	close(fd);
}

static io_channel open_channel(const char *uri, int flags)
{
	io_channel io;

	if (uri != NULL)
		setenv("MPIO_E2IO_URI", uri, 1);
	else
		unsetenv("MPIO_E2IO_URI");
	CHECK(mpio_io_manager->open(name, flags, &io) == 0);
	CHECK(io_channel_set_blksize(io, BLOCK) == 0);
	return io;
}

/* ---- Hooks -------------------------------------------------------------- */

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
	if (size != BLOCK || !is_filled(data, block, 1))
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

/* ---- Tests -------------------------------------------------------------- */

static void test_bad_reads(void)
{
	static unsigned char data[BLOCKS * BLOCK];
	io_channel io;

	make_file();
	io = open_channel("fault:" BAD("read") ":posix:%s", 0);
	io->read_error = on_read_error;
	forget(0);
	CHECK(io_channel_read_blk64(io, 0, BLOCKS, data) == 0);
	CHECK(saw(4, bad_blocks));
	for (unsigned int i = 0; i < BLOCKS; i++) {
		if (i != 100 && i != 101 && i != 107 && i != 700)
			CHECK(is_filled(data + i * BLOCK, i, 0));
	}
	forget(77);
	CHECK(io_channel_read_blk64(io, 99, 10, data) == 77);
	CHECK(saw(3, bad_blocks));
	CHECK(is_filled(data, 99, 0));
	/* What lies beside bad blocks is to be had. */
	forget(77);
	CHECK(io_channel_read_blk64(io, 102, 5, data) == 0);
	CHECK(seen.calls == 0);
	CHECK(is_filled(data, 102, 0));
	io->read_error = NULL;
	CHECK(io_channel_read_blk64(io, 700, 1, data) == 5);
	CHECK(io_channel_close(io) == 0);
	puts("ok - the read_error hook is called with the bad blocks alone");
}

static void write_all(io_channel io, unsigned int salt)
{
	unsigned char data[BLOCK];

	for (unsigned int i = 0; i < BLOCKS; i++) {
		fill(data, i, salt);
		CHECK(io_channel_write_blk64(io, i, 1, data) == 0);
	}
}

static void test_bad_writes(void)
{
	unsigned char data[BLOCK];
	io_channel io;

	make_file();
	io = open_channel("fault:" BAD("write") ":posix:%s", IO_FLAG_RW);
	io->write_error = on_write_error;
	forget(77);
	write_all(io, 1);
	CHECK(io_channel_flush(io) == 77);
	CHECK(saw(4, bad_blocks));
	CHECK(seen.data_right);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		bool bad = i == 100 || i == 101 || i == 107 || i == 700;

		look(i, data);
		CHECK(is_filled(data, i, bad ? 0 : 1));
	}
	/* They are kept, and tried again. */
	CHECK(io_channel_read_blk64(io, 100, 1, data) == 0);
	CHECK(is_filled(data, 100, 1));
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

/* Whether or not it could be written, a disk that is closed takes no memory. */
static void test_bad_closes(void)
{
	struct mallinfo2 first, last;
	unsigned char data[BLOCK];
	io_channel io;

	make_file();
	fill(data, 107, 1);
	for (int i = 0; i < 4; i++) {
		io = open_channel("fault:" BAD("write") ":posix:%s",
				  IO_FLAG_RW);
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

static void test_bad_close(void)
{
	unsigned char data[BLOCK];
	io_channel io;

	make_file();
	io = open_channel("fault:" BAD("write") ":posix:%s", IO_FLAG_RW);
	fill(data, 107, 1);
	CHECK(io_channel_write_blk64(io, 107, 1, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(io_channel_close(io) == 5);
	puts("ok - without a hook flush and close fail");
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

	make_file();
	snprintf(stats, sizeof(stats), "%s.stats", name);
	setenv("MPIO_E2IO_STATS", stats, 1);
	setenv("MPIO_E2IO", "cache=1M", 1);
	io = open_channel("fault:write:range=0+2M:errno=EIO:posix:%s",
			  IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	for (unsigned int i = 0; i < BLOCKS; i++) {
		errcode_t error;

		fill(data, i, 1);
		error = io_channel_write_blk64(io, i, 1, data);
		CHECK(error == 5 || (error == 0 && kept == i));
		kept += error == 0;
	}
	CHECK(kept > 0 && kept < BLOCKS);
	/* What is kept is there, and may be written again. */
	CHECK(io_channel_read_blk64(io, 3, 1, data) == 0);
	CHECK(is_filled(data, 3, 1));
	CHECK(io_channel_write_blk64(io, 3, 1, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(io_channel_close(io) == 5);
	unsetenv("MPIO_E2IO_STATS");
	CHECK(counted(stats, "errors=") < 2 * BLOCKS);
	puts("ok - a disk that takes nothing: an error, and few attempts");
}

/* Of two blocks in one page one failed before the other was written. */
static void test_bad_before(void)
{
	static const unsigned long eight[] = {8};
	unsigned char data[BLOCK];
	io_channel io;

	make_file();
	io = open_channel("fault:write:range=0+1024:errno=EIO,"
			  "write:range=8192+1024:errno=EIO:posix:%s",
			  IO_FLAG_RW);
	fill(data, 0, 1);
	CHECK(io_channel_write_blk64(io, 0, 1, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	io->write_error = on_write_error;
	fill(data, 1, 1);
	CHECK(io_channel_write_blk64(io, 1, 1, data) == 0);
	forget(77);
	io->flags |= CHANNEL_FLAGS_WRITETHROUGH;
	fill(data, 8, 1);
	CHECK(io_channel_write_blk64(io, 8, 1, data) == 77);
	CHECK(saw(1, eight) && seen.data_right);
	CHECK(io_channel_read_blk64(io, 1, 1, data) == 0);
	CHECK(is_filled(data, 1, 1));
	forget(0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(seen.calls == 2);
	CHECK(io_channel_close(io) == 0);
	look(1, data);
	CHECK(is_filled(data, 1, 1));
	puts("ok - what was not tried is not dropped with what failed before");
}

/* A write of a part of a block, the rest of which cannot be read. */
static void test_bad_neighbour(void)
{
	unsigned char data[4 * BLOCK];
	io_channel io;

	make_file();
	io = open_channel("fault:write:range=409600+1024:errno=EIO:once,"
			  "read:range=411648+512:errno=EIO:posix:%s",
			  IO_FLAG_RW);
	CHECK(io_channel_set_blksize(io, 4 * BLOCK) == 0);
	io->write_error = on_write_error;
	forget(77);
	fill(data, 400, 1);
	CHECK(io_channel_write_byte(io, 400 * BLOCK, BLOCK, data) == 0);
	CHECK(io_channel_flush(io) == 5);
	CHECK(seen.calls == 0);
	CHECK(io_channel_flush(io) == 0);
	CHECK(io_channel_close(io) == 0);
	for (unsigned int i = 400; i < 404; i++) {
		look(i, data);
		CHECK(is_filled(data, i, i == 400 ? 1 : 0));
	}
	puts("ok - what cannot be read beside a bad block is left alone");
}

static void test_write_through(void)
{
	unsigned char data[BLOCK];
	io_channel io;

	make_file();
	io = open_channel(NULL, IO_FLAG_RW);
	fill(data, 5, 1);
	CHECK(io_channel_write_blk64(io, 5, 1, data) == 0);
	look(5, data);
	CHECK(is_filled(data, 5, 0));
	io->flags |= CHANNEL_FLAGS_WRITETHROUGH;
	fill(data, 6, 1);
	CHECK(io_channel_write_blk64(io, 6, 1, data) == 0);
	look(6, data);
	CHECK(is_filled(data, 6, 1));
	CHECK(io_channel_close(io) == 0);
	look(5, data);
	CHECK(is_filled(data, 5, 1));
	puts("ok - write-through, and write-back at the close");
}

static void test_two_channels(void)
{
	unsigned char data[BLOCK];
	io_channel one, two;
	char path[4096];

	make_file();
	one = open_channel(NULL, 0);
	CHECK(io_channel_read_blk64(one, 9, 1, data) == 0);
	snprintf(path, sizeof(path), "./%s", name);
	if (name[0] == '/')
		snprintf(path, sizeof(path), "/.%s", name);
	CHECK(mpio_io_manager->open(path, IO_FLAG_RW, &two) == 0);
	CHECK(io_channel_set_blksize(two, BLOCK) == 0);
	fill(data, 9, 1);
	CHECK(io_channel_write_blk64(two, 9, 1, data) == 0);
	CHECK(io_channel_read_blk64(one, 9, 1, data) == 0);
	CHECK(is_filled(data, 9, 1));
	CHECK(io_channel_write_blk64(one, 9, 1, data) == 9 /* EBADF */);
	CHECK(io_channel_close(one) == 0);
	CHECK(io_channel_close(two) == 0);
	puts("ok - two channels of one file see each other's writes");
}

static void test_ends(void)
{
	static unsigned char data[4 * BLOCK], zeros[2 * BLOCK];
	struct stat st;
	io_channel io;

	make_file();
	io = open_channel(NULL, IO_FLAG_RW);
	memset(data, 1, sizeof(data));
	CHECK(io_channel_read_blk64(io, BLOCKS - 2, 4, data) ==
	      EXT2_ET_SHORT_READ);
	CHECK(is_filled(data, BLOCKS - 2, 0));
	CHECK(memcmp(data + 2 * BLOCK, zeros, 2 * BLOCK) == 0);
	io->read_error = on_read_error;
	forget(77);
	CHECK(io_channel_read_blk64(io, BLOCKS - 2, 4, data) == 77);
	CHECK(seen.calls == 1 && seen.counts[0] == 4 &&
	      seen.actual == 2 * BLOCK);
	/* It grows, and what is between reads as zeros. */
	fill(data, 1, 1);
	CHECK(io_channel_write_blk64(io, BLOCKS + 4000, -100, data) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS + 3998, 2, data) == 0);
	CHECK(memcmp(data, zeros, 2 * BLOCK) == 0);
	CHECK(io_channel_close(io) == 0);
	CHECK(stat(name, &st) == 0 &&
	      st.st_size == (off_t)(BLOCKS + 4000) * BLOCK + 100);
	/* One that ends before its file does. */
	alarm(60);
	io = open_channel("linear:0+1M:posix:%s", IO_FLAG_RW);
	CHECK(io_channel_read_blk64(io, 1023, 2, data) == EXT2_ET_SHORT_READ);
	CHECK(io_channel_write_blk64(io, 1024, 1, data) == 28 /* ENOSPC */);
	CHECK(io_channel_close(io) == 0);
	alarm(0);
	puts("ok - the end of the file: short reads, and growing");
}

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

	make_file();
	CHECK(truncate(name, end) == 0);
	io = open_channel(NULL, IO_FLAG_RW);
	CHECK(io_channel_read_blk64(io, last, 1, data) ==
	      (part == BLOCK ? 0 : EXT2_ET_SHORT_READ));
	fill(expected, last, write_last ? 1 : 0);
	if (write_last)
		CHECK(io_channel_write_blk64(io, last, -(int)part, expected) ==
		      0);
	memset(expected + part, 0x22, sizeof(expected) - part);
	fd = open(name, O_RDWR);
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
		look(last + i, data);
		CHECK(memcmp(data, expected + i * BLOCK, BLOCK) == 0);
	}
}

/* Block by block behind the end, which is whole for a disk or is not. */
static void grow(const char *settings, unsigned int step)
{
	static unsigned char data[64 * BLOCK], zeros[BLOCK];
	struct stat st;
	io_channel io;

	make_file();
	setenv("MPIO_E2IO", settings, 1);
	io = open_channel(NULL, IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	for (unsigned int i = BLOCKS; i < BLOCKS + 64; i += step) {
		fill(data, i, 1);
		CHECK(io_channel_write_blk64(io, i, 1, data) == 0);
		CHECK(stat(name, &st) == 0 &&
		      st.st_size == (off_t)(i + 1) * BLOCK);
	}
	CHECK(io_channel_write_blk64(io, BLOCKS + 64, -100, data) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS, 64, data) == 0);
	CHECK(io_channel_read_blk64(io, BLOCKS + 64, 1, data) ==
	      EXT2_ET_SHORT_READ);
	CHECK(io_channel_close(io) == 0);
	CHECK(stat(name, &st) == 0 &&
	      st.st_size == (off_t)(BLOCKS + 64) * BLOCK + 100);
	for (unsigned int i = BLOCKS; i < BLOCKS + 64; i++) {
		look(i, data);
		CHECK((i - BLOCKS) % step == 0
			      ? is_filled(data, i, 1)
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
	fd = open(name, O_RDONLY | O_DIRECT);
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

static void test_offset(void)
{
	unsigned char data[2 * BLOCK];
	io_channel io;

	make_file();
	io = open_channel(NULL, IO_FLAG_RW);
	CHECK(io_channel_set_options(io, "offset=10240") == 0);
	CHECK(io_channel_set_options(io, "offset=1x") != 0);
	CHECK(io_channel_set_options(io, "cache=off") == 0);
	CHECK(io_channel_set_options(io, "nonsense=1") != 0);
	CHECK(io_channel_read_blk64(io, 3, 1, data) == 0);
	CHECK(is_filled(data, 13, 0));
	CHECK(io_channel_write_byte(io, 10, 4, "abcd") == 0);
	CHECK(io_channel_flush(io) == 0);
	look(10, data);
	CHECK(memcmp(data + 10, "abcd", 4) == 0);
	CHECK(io_channel_close(io) == 0);
	puts("ok - offset, and single bytes");
}

static bool is_zero(unsigned long long block)
{
	static const unsigned char zeros[BLOCK];
	unsigned char data[BLOCK];

	look(block, data);
	return memcmp(data, zeros, BLOCK) == 0;
}

/* Ranges that lie across pages of the cache, and writes before and after. */
static void test_zeros(void)
{
	unsigned char data[BLOCK];
	errcode_t error;
	io_channel io;

	make_file();
	io = open_channel(NULL, IO_FLAG_RW);
	fill(data, 50, 1);
	CHECK(io_channel_write_blk64(io, 50, 1, data) == 0);
	fill(data, 41, 1);
	CHECK(io_channel_write_blk64(io, 41, 1, data) == 0);
	error = io_channel_zeroout(io, 42, 17);
	CHECK(error == 0 || error == EXT2_ET_UNIMPLEMENTED);
	CHECK(io_channel_flush(io) == 0);
	for (unsigned int i = 42; i < 59 && error == 0; i++)
		CHECK(is_zero(i));
	look(41, data);
	CHECK(is_filled(data, 41, 1));
	look(59, data);
	CHECK(is_filled(data, 59, 0));
	if (error == 0)
		CHECK(io_channel_zeroout(io, BLOCKS, 8) == 0);
	error = io_channel_discard(io, 141, 3);
	if (error == 0 && (io->flags & CHANNEL_FLAGS_DISCARD_ZEROES)) {
		CHECK(io_channel_flush(io) == 0);
		CHECK(is_zero(141) && is_zero(142) && is_zero(143));
	}
	look(140, data);
	CHECK(is_filled(data, 140, 0));
	CHECK(io_channel_close(io) == 0);
	puts("ok - zero-out and discard");
}

static void test_read_ahead(void)
{
	unsigned char data[BLOCK];
	io_stats before, after;
	unsigned long long bytes;
	io_channel io;

	make_file();
	setenv("MPIO_E2IO", "ahead=32K", 1);
	io = open_channel("posix:%s", 0);
	unsetenv("MPIO_E2IO");
	CHECK(io_channel_cache_readahead(io, 256, 500) == 0);
	CHECK(io_channel_cache_readahead(io, 756, 12) == 0);
	CHECK(io_channel_read_blk64(io, 0, 1, data) == 0);
	CHECK(io->manager->get_stats(io, &before) == 0);
	bytes = before->bytes_read;
	CHECK(bytes >= 512 * BLOCK);
	for (unsigned int i = 256; i < 768; i++) {
		CHECK(io_channel_read_blk64(io, i, 1, data) == 0);
		CHECK(is_filled(data, i, 0));
	}
	CHECK(io->manager->get_stats(io, &after) == 0);
	/* But for what comes behind it, nothing was read any more. */
	CHECK(after->bytes_read <= bytes + (128 << 10));
	CHECK(io_channel_close(io) == 0);
	puts("ok - what is announced is read before it is wanted");
}

static void test_fork(void)
{
	unsigned char data[BLOCK];
	io_channel io;
	int status = 1;
	pid_t child;

	make_file();
	/* Of a pool of threads the child has none. */
	setenv("MPIO_E2IO", "backend=threads", 1);
	io = open_channel(NULL, IO_FLAG_RW);
	unsetenv("MPIO_E2IO");
	CHECK(io_channel_read_blk64(io, 1, 1, data) == 0);
	fill(data, 20, 1);
	CHECK(io_channel_write_blk64(io, 20, 1, data) == 0);
	child = fork();
	if (child == 0) {
		alarm(20);
		fill(data, 21, 1);
		if (io_channel_write_blk64(io, 21, 1, data) != 0 ||
		    io_channel_read_blk64(io, 20, 1, data) != 0 ||
		    !is_filled(data, 20, 1))
			_exit(1);
		_exit(io_channel_close(io) == 0 ? 0 : 2);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	look(20, data);
	CHECK(is_filled(data, 20, 1));
	look(21, data);
	CHECK(is_filled(data, 21, 1));
	CHECK(io_channel_close(io) == 0);
	look(21, data);
	CHECK(is_filled(data, 21, 1));
	puts("ok - a daemon goes on with what its parent opened");
}

/* A child that reads, and exits when its parent has written once more. */
static void test_fork_to_read(void)
{
	unsigned char data[BLOCK];
	int status = 1, ready[2];
	io_channel io;
	pid_t child;

	make_file();
	io = open_channel(NULL, IO_FLAG_RW);
	fill(data, 5, 1);
	CHECK(io_channel_write_blk64(io, 5, 1, data) == 0);
	CHECK(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		alarm(20);
		close(ready[1]);
		if (io_channel_read_blk64(io, 9, 1, data) != 0 ||
		    read(ready[0], data, 1) != 0)
			_exit(2);
		exit(0);
	}
	CHECK(child > 0);
	fill(data, 5, 2);
	CHECK(io_channel_write_blk64(io, 5, 1, data) == 0);
	CHECK(io_channel_flush(io) == 0);
	close(ready[0]);
	close(ready[1]);
	/* A sanitizer has a code of its own: the parent's queue is not freed. */
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	      WEXITSTATUS(status) != 2);
	look(5, data);
	CHECK(is_filled(data, 5, 2));
	CHECK(io_channel_close(io) == 0);
	puts("ok - a child that only reads undoes nothing");
}

static void test_exit(void)
{
	unsigned char data[BLOCK];
	int status = 1;
	pid_t child;

	make_file();
	child = fork();
	if (child == 0) {
		io_channel io = open_channel(NULL, IO_FLAG_RW);

		fill(data, 30, 1);
		exit(io_channel_write_blk64(io, 30, 1, data) == 0 ? 0 : 1);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	look(30, data);
	CHECK(is_filled(data, 30, 1));
	puts("ok - what an exit leaves open is written");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 1;
	}
	name = argv[1];
	initialize_ext2_error_table();
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_bad_reads();
	test_bad_writes();
	test_bad_close();
	test_bad_closes();
	test_bad_before();
	test_dead_disk();
	test_bad_neighbour();
	test_write_through();
	test_two_channels();
	test_ends();
	test_follow();
	test_offset();
	test_zeros();
	test_read_ahead();
	test_fork();
	test_fork_to_read();
	test_exit();
	unlink(name);
	return 0;
}

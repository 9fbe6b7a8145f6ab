/* SPDX-License-Identifier: MIT */
/*
 * For the tests: unix_io's way to a disk with a bad place, to compare with.
 * Preloaded, it fails what reads at BAD_SECTORS=OFFSET+LENGTH, until something
 * there was written, as a disk does that puts another sector in place of a bad
 * one; or with BAD_WRITES=1 what writes there, and then always.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static bool healed;

static bool is_bad(off_t offset, size_t length)
{
	const char *text = getenv("BAD_SECTORS");
	long long start, end;
	char *rest;

	if (text == NULL)
		return false;
	start = strtoll(text, &rest, 10);
	end = start + strtoll(rest, NULL, 10);
	return offset < end && offset + (off_t)length > start;
}

static ssize_t do_read(int fd, void *data, size_t length, off_t offset)
{
	if (!healed && getenv("BAD_WRITES") == NULL && is_bad(offset, length)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, data, length, offset);
}

static ssize_t do_write(int fd, const void *data, size_t length, off_t offset)
{
	if (is_bad(offset, length)) {
		if (getenv("BAD_WRITES") != NULL) {
			errno = EIO;
			return -1;
		}
		healed = true;
	}
	return syscall(SYS_pwrite64, fd, data, length, offset);
}

EXPORT ssize_t pread64(int fd, void *data, size_t length, off64_t offset);
EXPORT ssize_t pwrite64(int fd, const void *data, size_t length,
			off64_t offset);
EXPORT ssize_t read(int fd, void *data, size_t length);
EXPORT ssize_t write(int fd, const void *data, size_t length);

ssize_t pread64(int fd, void *data, size_t length, off64_t offset)
{
	return do_read(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	return do_write(fd, data, length, offset);
}

/* What failed is tried once more in this way. */

ssize_t read(int fd, void *data, size_t length)
{
	off_t offset = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);

	return offset >= 0 && is_bad(offset, length)
		       ? do_read(fd, data, length, offset)
		       : (ssize_t)syscall(SYS_read, fd, data, length);
}

ssize_t write(int fd, const void *data, size_t length)
{
	off_t offset = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);

	return offset >= 0 && is_bad(offset, length)
		       ? do_write(fd, data, length, offset)
		       : (ssize_t)syscall(SYS_write, fd, data, length);
}

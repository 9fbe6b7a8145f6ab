/* SPDX-License-Identifier: MIT */
/*
 * Errors in words. The table holds no pointers, so that the archive has no
 * data to relocate.
 */
#include "internal.h"

struct name {
	int error;
	char text[36];
};

static const struct name names[] = {
	{0, "success"},
	{MPIO_EPERM, "operation not permitted"},
	{MPIO_ENOENT, "no such file"},
	{MPIO_EINTR, "interrupted"},
	{MPIO_EIO, "input/output error"},
	{MPIO_ENXIO, "no such device or address"},
	{MPIO_EBADF, "bad file descriptor"},
	{MPIO_EAGAIN, "try again"},
	{MPIO_ENOMEM, "out of memory"},
	{MPIO_EACCES, "permission denied"},
	{MPIO_EBUSY, "busy"},
	{MPIO_EEXIST, "exists already"},
	{MPIO_ENODEV, "no such device"},
	{MPIO_ENOTDIR, "not a directory"},
	{MPIO_EISDIR, "is a directory"},
	{MPIO_EINVAL, "invalid argument"},
	{MPIO_EMFILE, "too many open files"},
	{MPIO_EFBIG, "file too large"},
	{MPIO_ENOSPC, "no space left"},
	{MPIO_EROFS, "read-only"},
	{MPIO_EPIPE, "broken pipe"},
	{MPIO_ERANGE, "out of range"},
	{MPIO_EDEADLK, "would wait for ever"},
	{MPIO_ENAMETOOLONG, "name too long"},
	{MPIO_ENOSYS, "not there"},
	{MPIO_ENODATA, "no data"},
	{MPIO_EPROTO, "protocol error"},
	{MPIO_EOVERFLOW, "number too large"},
	{MPIO_EILSEQ, "checksum mismatch"},
	{MPIO_EOPNOTSUPP, "not supported"},
	{MPIO_ETIMEDOUT, "timed out"},
	{MPIO_ESTALE, "stale"},
	{MPIO_EUCLEAN, "block map is damaged"},
	{MPIO_EREMOTEIO, "remote input/output error"},
	{MPIO_EDQUOT, "quota exceeded"},
	{MPIO_ECANCELED, "canceled"},
};

const char *mpio_strerror(int error)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].error == error || -names[i].error == error)
			return names[i].text;
	}
	return "unknown error";
}

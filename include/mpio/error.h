/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Errors: positive constants with Linux's numbers on every host.
 *
 * Functions of libmpio return 0 or a count, or one of these negated
 * (`return -MPIO_EIO;`). A host's own errno is translated once, in the
 * backend that met it; the core never sees it and needs no <errno.h>.
 */
#ifndef MPIO_ERROR_H
#define MPIO_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum mpio_error {
	MPIO_EPERM = 1,
	MPIO_ENOENT = 2,
	MPIO_EINTR = 4,
	MPIO_EIO = 5,
	MPIO_ENXIO = 6,
	MPIO_EBADF = 9,
	MPIO_EAGAIN = 11,
	MPIO_ENOMEM = 12,
	MPIO_EACCES = 13,
	MPIO_EBUSY = 16,
	MPIO_EEXIST = 17,
	MPIO_ENODEV = 19,
	MPIO_ENOTDIR = 20,
	MPIO_EISDIR = 21,
	MPIO_EINVAL = 22,
	MPIO_EMFILE = 24,
	MPIO_EFBIG = 27,
	MPIO_ENOSPC = 28,
	MPIO_EROFS = 30,
	MPIO_EPIPE = 32,
	MPIO_ERANGE = 34,
	MPIO_EDEADLK = 35,
	MPIO_ENAMETOOLONG = 36,
	MPIO_ENOSYS = 38,
	MPIO_ENODATA = 61,
	MPIO_EPROTO = 71,
	MPIO_EOVERFLOW = 75,
	MPIO_EILSEQ = 84,
	MPIO_EOPNOTSUPP = 95,
	MPIO_ETIMEDOUT = 110,
	MPIO_ESTALE = 116,
	MPIO_EUCLEAN = 117,
	MPIO_EREMOTEIO = 121,
	MPIO_EDQUOT = 122,
	MPIO_ECANCELED = 125
};

/**
 * Describe an error in a few English words.
 *
 * @param error  one of the constants above, negated or not; 0 is 'success'
 * @return a constant string, never NULL; 'unknown error' for other numbers.
 *         It sits in an object file of its own: unused, it is not linked.
 */
const char *mpio_strerror(int error);

#ifdef __cplusplus
}
#endif
#endif

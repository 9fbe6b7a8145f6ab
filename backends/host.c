/* SPDX-License-Identifier: MIT */
/*
 * What every hosted backend needs, and the core has no part in: the host's
 * errno translated, its allocator, and the end of a device.
 */
#include <mpio/error.h>
#include <mpio/open.h>

#include <errno.h>
#include <stdlib.h>

void mpio_device_close(struct mpio_device *device)
{
	if (device != NULL && device->ops.close != NULL)
		device->ops.close(device);
}

/* ---- Memory ------------------------------------------------------------- */

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, new_size);
}

struct mpio_allocator mpio_allocator_libc(void)
{
	return (struct mpio_allocator){.resize = resize};
}

/* ---- Errors ------------------------------------------------------------- */

/* Numbers only, so it is never relocated; some hosts have two for one. */
static const struct {
	int host;
	int error;
} translations[] = {
	{EPERM, MPIO_EPERM},           {ENOENT, MPIO_ENOENT},
	{EINTR, MPIO_EINTR},           {EIO, MPIO_EIO},
	{ENXIO, MPIO_ENXIO},           {EBADF, MPIO_EBADF},
	{EAGAIN, MPIO_EAGAIN},         {EWOULDBLOCK, MPIO_EAGAIN},
	{ENOMEM, MPIO_ENOMEM},         {EACCES, MPIO_EACCES},
	{EBUSY, MPIO_EBUSY},           {ETXTBSY, MPIO_EBUSY},
	{EEXIST, MPIO_EEXIST},         {ENODEV, MPIO_ENODEV},
	{ENOTDIR, MPIO_ENOTDIR},       {EISDIR, MPIO_EISDIR},
	{EINVAL, MPIO_EINVAL},         {EMFILE, MPIO_EMFILE},
	{ENFILE, MPIO_EMFILE},         {EFBIG, MPIO_EFBIG},
	{ENOSPC, MPIO_ENOSPC},         {EROFS, MPIO_EROFS},
	{EPIPE, MPIO_EPIPE},           {ERANGE, MPIO_ERANGE},
	{EDEADLK, MPIO_EDEADLK},       {ENAMETOOLONG, MPIO_ENAMETOOLONG},
	{ENOSYS, MPIO_ENOSYS},         {EPROTO, MPIO_EPROTO},
	{EOVERFLOW, MPIO_EOVERFLOW},   {EILSEQ, MPIO_EILSEQ},
	{EOPNOTSUPP, MPIO_EOPNOTSUPP}, {ENOTSUP, MPIO_EOPNOTSUPP},
	{ENOTTY, MPIO_EOPNOTSUPP}, /* an ioctl that a device lacks */
	{ETIMEDOUT, MPIO_ETIMEDOUT},   {ECANCELED, MPIO_ECANCELED},
#ifdef ENODATA
	{ENODATA, MPIO_ENODATA},
#endif
#ifdef ESTALE
	{ESTALE, MPIO_ESTALE},
#endif
#ifdef EUCLEAN
	{EUCLEAN, MPIO_EUCLEAN},
#endif
#ifdef EREMOTEIO
	{EREMOTEIO, MPIO_EREMOTEIO},
#endif
#ifdef EDQUOT
	{EDQUOT, MPIO_EDQUOT},
#endif
};

int mpio_error_from_host(int host_errno)
{
	for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]);
	     i++) {
		if (translations[i].host == host_errno)
			return -translations[i].error;
	}
	return -MPIO_EIO;
}

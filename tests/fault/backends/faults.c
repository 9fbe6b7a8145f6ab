/* SPDX-License-Identifier: MIT */
/*
 * The plans, and the wrappers around calls that move bytes: see faults.h. The
 * threads of a backend come here at the same time.
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#define SECTOR 512u
#define FAULTS_MAX 2u

static struct fault armed[FAULTS_MAX];
static atomic_uint calls[CALL_COUNT];
static atomic_uint fired[FAULTS_MAX];
static atomic_uint met; /* calls that have come to the meeting */
static atomic_bool lifted;
static atomic_bool disk_is_spared;

void faults_arm(const struct fault *faults, unsigned n)
{
	for (unsigned i = 0; i < FAULTS_MAX; i++) {
		armed[i] = i < n ? faults[i] : (struct fault){0};
		fired[i] = 0;
	}
	for (unsigned i = 0; i < CALL_COUNT; i++)
		calls[i] = 0;
	met = 0;
	lifted = false;
}

void faults_lift(void)
{
	lifted = true;
}

unsigned faults_fired(unsigned index)
{
	return fired[index];
}

void faults_spare_disk(bool spare)
{
	disk_is_spared = spare;
}

bool faults_disk_is_spared(void)
{
	return disk_is_spared;
}

int strike(enum call call)
{
	unsigned n = ++calls[call];

	if (lifted)
		return KIND_NOTHING;
	for (unsigned i = 0; i < FAULTS_MAX; i++) {
		const struct fault *fault = &armed[i];

		if (fault->call == call && n >= fault->nth &&
		    (fault->times == 0 || n - fault->nth < fault->times)) {
			fired[i]++;
			return fault->kind;
		}
	}
	return KIND_NOTHING;
}

size_t shortened(int kind, size_t length)
{
	size_t less = kind == KIND_SHORT_BYTE ? 1 : SECTOR;

	if (kind == KIND_MOVE_BYTE)
		return length < 1 ? length : 1;
	if (kind == KIND_MOVE_SECTOR)
		return length < SECTOR ? length : SECTOR;
	if (kind == KIND_SHORT_ALL || less > length)
		less = length;
	return length - less;
}

size_t total(const struct iovec *vecs, int count)
{
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += vecs[i].iov_len;
	return length;
}

int clip(struct iovec *to, const struct iovec *from, int count, size_t length)
{
	int n;

	for (n = 0; n < count && length > 0; n++) {
		to[n] = from[n];
		if (to[n].iov_len > length)
			to[n].iov_len = length;
		length -= to[n].iov_len;
	}
	return n;
}

/* ---- Around the calls ---------------------------------------------------- */

typedef ssize_t vector_fn(int fd, const struct iovec *vecs, int count,
			  off_t offset);
vector_fn __real_preadv64, __wrap_preadv64;
vector_fn __real_pwritev64, __wrap_pwritev64;
ssize_t __real_pwritev64v2(int fd, const struct iovec *vecs, int count,
			   off_t offset, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *vecs, int count,
			   off_t offset, int flags);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

/* What direct I/O moves is a multiple of this. */
static size_t unit_of(int fd)
{
	return fcntl(fd, F_GETFL) & O_DIRECT ? SECTOR : 1;
}

static void meet(void)
{
	met++;
	while (met % FAULTS_MEET != 0)
		sched_yield();
}

static ssize_t pass_on(enum call call, vector_fn *real, int fd,
		       const struct iovec *vecs, int count, off_t offset)
{
	int kind = strike(call);
	struct iovec clipped[IOV_MAX];
	size_t said;
	ssize_t moved;

	if (kind == KIND_SLOW)
		usleep(20000);
	if (kind == KIND_MEET)
		meet();
	if (kind == KIND_NOTHING || kind <= KIND_SLOW)
		return real(fd, vecs, count, offset);
	if (kind > 0) {
		errno = kind;
		return -1;
	}
	said = shortened(kind, total(vecs, count));
	count = clip(clipped, vecs, count, said - said % unit_of(fd));
	moved = count == 0 ? 0 : real(fd, clipped, count, offset);
	return moved < 0 ? moved : (ssize_t)said;
}

ssize_t __wrap_preadv64(int fd, const struct iovec *vecs, int count,
			off_t offset)
{
	return pass_on(CALL_READ, __real_preadv64, fd, vecs, count, offset);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *vecs, int count,
			 off_t offset)
{
	return pass_on(CALL_WRITE, __real_pwritev64, fd, vecs, count, offset);
}

static ssize_t write_durably(int fd, const struct iovec *vecs, int count,
			     off_t offset)
{
	return __real_pwritev64v2(fd, vecs, count, offset,
				  disk_is_spared ? 0 : RWF_DSYNC);
}

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *vecs, int count,
			   off_t offset, int flags)
{
	if (flags != RWF_DSYNC) {
		errno = EINVAL;
		return -1;
	}
	return pass_on(CALL_WRITE, write_durably, fd, vecs, count, offset);
}

int __wrap_fdatasync(int fd)
{
	int kind = strike(CALL_SYNC);

	if (kind <= 0)
		return disk_is_spared ? 0 : __real_fdatasync(fd);
	errno = kind;
	return -1;
}

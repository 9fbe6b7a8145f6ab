/* SPDX-License-Identifier: MIT */
/*
 * Files with a known content, I/O on them in scattered pieces, and wrappers
 * around the system's calls: see posix_files.h.
 */
#include "posix_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- Between the backend and the system --------------------------------- */

struct host host;

/* What is to happen instead of a call: true, and *result. */
static bool intervene(ssize_t *result)
{
	*result = -1;
	host.calls++;
	if (host.interrupt != 0 && host.calls % host.interrupt == 0) {
		errno = EINTR;
		return true;
	}
	if (host.fail_at == 0 || host.calls < host.fail_at ||
	    (host.fail_last != 0 && host.calls > host.fail_last))
		return false;
	errno = host.fail_errno;
	if (host.fail_errno == 0)
		*result = 0;
	return true;
}

/* Copy the pieces, but no more than may be moved; returns how many. */
static int clip(struct iovec *to, const struct iovec *from, int count)
{
	size_t left = host.most != 0 ? host.most : SIZE_MAX;
	int n;

	for (n = 0; n < count && left > 0; n++) {
		to[n] = from[n];
		if (to[n].iov_len > left)
			to[n].iov_len = left;
		left -= to[n].iov_len;
	}
	return n;
}

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

static ssize_t pass_on(vector_fn *call, int fd, const struct iovec *vecs,
		       int count, off_t offset)
{
	static struct iovec clipped[4 * IOV_MAX];
	ssize_t moved;

	if (intervene(&moved))
		return moved;
	if (count > IOV_MAX) {
		errno = EINVAL;
		return -1;
	}
	moved = call(fd, clipped, clip(clipped, vecs, count), offset);
	if (moved > 0 && !(fcntl(fd, F_GETFL) & O_DIRECT))
		host.cached_bytes += (size_t)moved;
	return moved;
}

ssize_t __wrap_preadv64(int fd, const struct iovec *vecs, int count,
			off_t offset)
{
	return pass_on(__real_preadv64, fd, vecs, count, offset);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *vecs, int count,
			 off_t offset)
{
	return pass_on(__real_pwritev64, fd, vecs, count, offset);
}

static ssize_t write_durably(int fd, const struct iovec *vecs, int count,
			     off_t offset)
{
	return __real_pwritev64v2(fd, vecs, count, offset, RWF_DSYNC);
}

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *vecs, int count,
			   off_t offset, int flags)
{
	assert_int_equal(flags, RWF_DSYNC);
	host.durable++;
	return pass_on(write_durably, fd, vecs, count, offset);
}

int __wrap_fdatasync(int fd)
{
	host.syncs++;
	if (host.interrupt != 0 && host.syncs % 2 == 1) {
		errno = EINTR;
		return -1;
	}
	if (host.fail_errno != 0) {
		errno = host.fail_errno;
		return -1;
	}
	return __real_fdatasync(fd);
}

/* ---- Tools --------------------------------------------------------------- */

static char directory[] = "posix-test-XXXXXX";

/* What lies at a position of a file, if the test put it there. */
unsigned char byte_at(uint64_t pos)
{
	return (unsigned char)((pos * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

void make_file(const char *path, uint64_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	for (uint64_t i = 0; i < size; i++)
		assert_int_not_equal(fputc(byte_at(i), file), EOF);
	assert_int_equal(fclose(file), 0);
}

uint64_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

struct mpio_device *open_device(const struct mpio_posix_config *config)
{
	struct mpio_device *device = NULL;

	assert_int_equal(mpio_posix_open(PATH, config, &device), 0);
	return device;
}

/* A call that is refused says why, and leaves its result alone. */
void assert_refused(const char *path, const struct mpio_posix_config *config,
		    int error)
{
	struct mpio_device *device = (struct mpio_device *)directory;

	assert_int_equal(mpio_posix_open(path, config, &device), error);
	assert_ptr_equal(device, directory);
}

struct mpio_queue *open_queue(struct mpio_device *device)
{
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {
		.segments_max = 4 * IOV_MAX,
		.allocator = &allocator,
	};
	struct mpio_queue *queue = NULL;

	assert_int_equal(mpio_queue_open(device, &config, &queue), 0);
	return queue;
}

void close_both(struct mpio_queue *queue)
{
	struct mpio_device *device = mpio_queue_device(queue);

	mpio_queue_close(queue);
	mpio_device_close(device);
}

static void ended(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
	mpio_bio_put(bio);
}

/* Do an I/O on memory that is cut into pieces, none of which touch. */
static int io(struct mpio_queue *queue, enum mpio_bio_op op, uint32_t flags,
	      uint64_t offset, void *memory, uint32_t piece, uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(queue, op, flags);
	char *at = memory;
	int status = 1;

	assert_non_null(bio);
	bio->offset = offset;
	bio->end_io = ended;
	bio->ctx = &status;
	if (op == MPIO_BIO_DISCARD)
		bio->length = length;
	for (uint32_t left = length; memory != NULL && left > 0;) {
		uint32_t part = left < piece ? left : piece;

		assert_int_equal(mpio_bio_add(bio, at, part), 0);
		at += 2 * (size_t)piece; /* a gap, as long as the piece */
		left -= part;
	}
	assert_int_equal(mpio_bio_submit(bio), 0);
	assert_int_equal(mpio_queue_drain(queue), 0);
	assert_int_not_equal(status, 1);
	return status;
}

/* Memory for such an I/O, aligned for any disk. */
unsigned char *pieces(uint32_t length)
{
	void *memory;

	assert_int_equal(posix_memalign(&memory, 4096, 2 * length + 8192), 0);
	memset(memory, 0xee, 2 * length + 8192);
	return memory;
}

/* The place of an I/O's n-th byte in it. */
static unsigned char *nth(unsigned char *memory, uint32_t piece, uint32_t n)
{
	return memory + n / piece * 2 * piece + n % piece;
}

int write_pattern(struct mpio_queue *queue, uint32_t flags, uint64_t offset,
		  uint32_t piece, uint32_t length)
{
	unsigned char *memory = pieces(length);
	int status;

	for (uint32_t n = 0; n < length; n++)
		*nth(memory, piece, n) = byte_at(offset + n);
	status =
		io(queue, MPIO_BIO_WRITE, flags, offset, memory, piece, length);
	free(memory);
	return status;
}

/* Read, and if that went well compare; and no byte beside may be touched. */
int read_pattern(struct mpio_queue *queue, uint64_t offset, uint32_t piece,
		 uint32_t length)
{
	unsigned char *memory = pieces(length);
	int status = io(queue, MPIO_BIO_READ, 0, offset, memory, piece, length);

	for (uint32_t n = 0; n < length && status == 0; n++) {
		assert_int_equal(*nth(memory, piece, n), byte_at(offset + n));
		if (n + piece < length)
			assert_int_equal(nth(memory, piece, n)[piece], 0xee);
	}
	free(memory);
	return status;
}

int read_into(struct mpio_queue *queue, uint64_t offset, void *memory,
	      uint32_t piece, uint32_t length)
{
	return io(queue, MPIO_BIO_READ, 0, offset, memory, piece, length);
}

int read_zeros(struct mpio_queue *queue, uint64_t offset, uint32_t length)
{
	unsigned char *memory = pieces(length);
	int status = read_into(queue, offset, memory, length, length);

	for (uint32_t i = 0; i < length && status == 0; i++)
		assert_int_equal(memory[i], 0);
	free(memory);
	return status;
}

int discard(struct mpio_queue *queue, uint64_t offset, uint32_t length)
{
	return io(queue, MPIO_BIO_DISCARD, 0, offset, NULL, 1, length);
}

void assert_file_is_pattern(const char *path, uint64_t size)
{
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	for (uint64_t i = 0; i < size; i++)
		assert_int_equal(fgetc(file), byte_at(i));
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

/* ---- For cmocka ------------------------------------------------------------ */

int set_up(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	unlink(PATH);
	return 0;
}

int enter_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL && chdir(directory) == 0 ? 0 : -1;
}

int leave_directory(void **state)
{
	(void)state;
	return chdir("..") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

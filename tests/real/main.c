/* SPDX-License-Identifier: MIT */
/*
 * Faults of a real kernel, one a call:
 *
 *     mpio-real full     URI FILLER   the file system is full, until FILLER goes
 *     mpio-real short    URI FILE     FILE becomes shorter than was promised
 *     mpio-real limit    URI          a process may not write so large a file
 *     mpio-real disk     URI          the disk below refuses writes some time
 *     mpio-real sectors  URI          a disk with sectors of 4096 bytes
 *
 * faults.sh makes the places. Each ends by itself: after a minute the I/Os that
 * are in flight are named, and the test has failed. Exit 0: as it should be; 1:
 * it is not, and it was said how; 77: this cannot be tried here.
 */
#include "real.h"

#include <mpio/error.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE (32u << 20)
#define DEADLINE 60u /* seconds */

static int failures;
static struct disk disk; /* here, so that the deadline can look at it */

static void check(int good, const char *what, long long value)
{
	if (good)
		return;
	fprintf(stderr, "    not so: %s (%lld)\n", what, value);
	failures++;
}

#define CHECK(good, value) check((good), #good, (long long)(value))

/* Nothing is expected to run after this, so it may use stdio. */
static void too_late(int signal)
{
	const struct mpio_stats *stats = mpio_queue_stats(disk.queue);

	(void)signal;
	fprintf(stderr, "    nothing ends: %u bios in flight, pages",
		stats->in_flight);
	for (size_t i = 0; i < disk.count; i++) {
		if (disk.out[i] != 0)
			fprintf(stderr, " %zu", i);
	}
	fprintf(stderr, "\n");
	_exit(1);
}

static void open_or_stop(const char *uri)
{
	int error = disk_open(&disk, uri, SIZE);

	if (error == 0)
		return;
	fprintf(stderr, "    %s: %s\n", uri, mpio_strerror(error));
	exit(error == -MPIO_ENODEV || error == -MPIO_ENOSYS ||
			     error == -MPIO_EPERM
		     ? 77
		     : 1);
}

static void read_back(uint64_t generation)
{
	disk_read(&disk, 0, disk.count);
	CHECK(disk.failed == 0, disk.failed);
	CHECK(disk_wrong(&disk, 0, disk.count, generation) == 0,
	      disk_wrong(&disk, 0, disk.count, generation));
}

/* What could not be written is dirty, and what was is not. */
static void check_failed_write(int error)
{
	CHECK(error != 0, error);
	CHECK(disk.failed != 0, disk.failed);
	CHECK(disk_with(&disk, MPIO_PAGE_DIRTY | MPIO_PAGE_ERROR) ==
		      disk.failed,
	      disk_with(&disk, MPIO_PAGE_DIRTY | MPIO_PAGE_ERROR));
	CHECK(disk_with(&disk, MPIO_PAGE_DIRTY) == disk.failed,
	      disk_with(&disk, MPIO_PAGE_DIRTY));
	CHECK(disk_with(&disk, MPIO_PAGE_WRITEBACK) == 0,
	      disk_with(&disk, MPIO_PAGE_WRITEBACK));
}

/* ---- The faults --------------------------------------------------------- */

static void full(const char *uri, const char *filler)
{
	int error;

	open_or_stop(uri);
	disk_dirty_all(&disk, 1);
	error = disk_write(&disk);
	CHECK(error == -MPIO_ENOSPC, error);
	check_failed_write(error);
	CHECK(unlink(filler) == 0, 0);
	sync();
	CHECK(disk_write(&disk) == 0, disk.error);
	CHECK(disk_with(&disk, MPIO_PAGE_DIRTY) == 0, disk.error);
	CHECK(mpio_queue_flush(disk.queue) == 0, 0);
	read_back(1);
}

static void shorter(const char *uri, const char *file)
{
	size_t half = disk.count;

	open_or_stop(uri);
	disk_dirty_all(&disk, 2);
	CHECK(disk_write(&disk) == 0, disk.error);
	half = disk.count / 2;
	CHECK(truncate(file, (off_t)(half * PAGE)) == 0, 0);
	disk_read(&disk, 0, disk.count);
	CHECK(disk.failed == disk.count - half, disk.failed);
	CHECK(disk.error == -MPIO_EIO, disk.error);
	CHECK(disk_with(&disk, MPIO_PAGE_UPTODATE) == half, disk.failed);
	CHECK(disk_wrong(&disk, 0, half, 2) == 0, 0);
	/* It may grow back. */
	disk_dirty_all(&disk, 3);
	CHECK(disk_write(&disk) == 0, disk.error);
	read_back(3);
}

static void limit(const char *uri)
{
	struct rlimit rlimit;
	int error;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &rlimit);
	open_or_stop(uri);
	rlimit.rlim_cur = SIZE / 2;
	CHECK(setrlimit(RLIMIT_FSIZE, &rlimit) == 0, 0);
	disk_dirty_all(&disk, 4);
	error = disk_write(&disk);
	CHECK(error == -MPIO_EFBIG, error);
	check_failed_write(error);
	CHECK(disk.failed >= disk.count / 2, disk.failed);
	rlimit.rlim_cur = RLIM_INFINITY;
	CHECK(setrlimit(RLIMIT_FSIZE, &rlimit) == 0, 0);
	CHECK(disk_write(&disk) == 0, disk.error);
	read_back(4);
}

/*
 * The disk takes some writes and refuses others, perhaps only when it is
 * flushed. Whoever asks is told, one way or the other.
 */
static void refusing(const char *uri)
{
	int error;
	int flushed;

	open_or_stop(uri);
	disk_dirty_all(&disk, 5);
	error = disk_write(&disk);
	flushed = mpio_queue_flush(disk.queue);
	CHECK(error != 0 || flushed != 0, flushed);
	CHECK(disk.failed == disk_with(&disk, MPIO_PAGE_DIRTY), disk.failed);
	CHECK(disk_with(&disk, MPIO_PAGE_WRITEBACK) == 0, 0);
}

static void set_status(struct mpio_bio *bio)
{
	*(int *)bio->ctx = bio->status;
}

/* Write or read one piece by hand; its status. */
static int move(enum mpio_bio_op op, uint64_t offset, void *data,
		uint32_t length)
{
	struct mpio_bio *bio = mpio_bio_get(disk.queue, op, 0);
	int status = 1;
	int error;

	bio->offset = offset;
	bio->end_io = set_status;
	bio->ctx = &status;
	error = mpio_bio_add(bio, data, length);
	if (error == 0)
		error = mpio_bio_submit(bio);
	if (error == 0)
		error = mpio_queue_drain(disk.queue);
	mpio_bio_put(bio);
	return error != 0 ? error : status;
}

static void sectors(const char *uri)
{
	static unsigned char odd[2 * PAGE + 16];
	static unsigned char back[2 * PAGE + 16];

	open_or_stop(uri);
	CHECK(disk.device->limits.logical_block_size == PAGE,
	      disk.device->limits.logical_block_size);
	disk_dirty_all(&disk, 6);
	CHECK(disk_write(&disk) == 0, disk.error);
	CHECK(mpio_queue_flush(disk.queue) == 0, 0);
	read_back(6);
	/* Memory may lie as it likes. */
	for (size_t i = 0; i < sizeof(odd); i++)
		odd[i] = (unsigned char)(i * 7 + i / 256);
	CHECK(move(MPIO_BIO_WRITE, PAGE, odd + 3, 2 * PAGE) == 0, 0);
	CHECK(move(MPIO_BIO_READ, PAGE, back + 5, 2 * PAGE) == 0, 0);
	CHECK(memcmp(odd + 3, back + 5, 2 * PAGE) == 0, 0);
	/* Parts of sectors are nothing that the disk can do; but cut of them. */
	CHECK(move(MPIO_BIO_WRITE, PAGE + 512, odd, 512) == 0, 0);
	memcpy(odd + 3 + 512, odd, 512);
	CHECK(move(MPIO_BIO_READ, PAGE + 512, back, PAGE) == 0, 0);
	CHECK(memcmp(odd + 3 + 512, back, PAGE) == 0, 0);
	CHECK(move(MPIO_BIO_READ, PAGE, back, 2 * PAGE) == 0, 0);
	CHECK(memcmp(odd + 3, back, 2 * PAGE) == 0, 0);
}

int main(int argc, char **argv)
{
	const char *name = argc > 2 ? argv[1] : "";

	signal(SIGALRM, too_late);
	alarm(DEADLINE);
	if (strcmp(name, "full") == 0 && argc == 4)
		full(argv[2], argv[3]);
	else if (strcmp(name, "short") == 0 && argc == 4)
		shorter(argv[2], argv[3]);
	else if (strcmp(name, "limit") == 0 && argc == 3)
		limit(argv[2]);
	else if (strcmp(name, "disk") == 0 && argc == 3)
		refusing(argv[2]);
	else if (strcmp(name, "sectors") == 0 && argc == 3)
		sectors(argv[2]);
	else
		return 2;
	CHECK(disk.confused == 0, disk.confused);
	disk_close(&disk);
	return failures != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The disk below a file: what it says of itself, and how fast it is.
 *
 * Linux tells a disk's largest request in sysfs, under the number of the
 * device that the file lies on; a partition has it one level up. A file system
 * without a disk of its own (in memory, on the network, over several disks)
 * has no such place, and nothing is known.
 *
 * Timing answers one question: how many bytes more can be read in the time
 * that another I/O costs? That is latency times bandwidth. A few small reads
 * and a few large ones, spread over what there is, are enough: the answer is
 * rounded to a power of two.
 */
#include "hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

#define GAP_OF_A_DISK (64u << 10)
#define GAP_MAX (1u << 20)
/* Of each size; a file needs twice as many MiB for them. */
#define READS 9u
/* Of bytes without a hole between them. */
#define RUNS_MAX 1000

/* ---- What it says ------------------------------------------------------- */

#ifdef __linux__

/* A number that sysfs has of a device's queue; 0: it has not. */
static uint32_t ask(dev_t device, const char *name)
{
	static const char places[2][4] = {"", "../"};
	unsigned long value = 0;
	char path[96];

	for (int i = 0; i < 2 && value == 0; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s",
			 major(device), minor(device), places[i], name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fscanf(file, "%lu", &value) != 1)
			value = 0;
		fclose(file);
	}
	return value <= UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* Numbers that statfs() gives for file systems in memory. */
static bool is_in_memory(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return false;
	return (uint32_t)fs.f_type == 0x01021994u || /* tmpfs */
	       (uint32_t)fs.f_type == 0x858458f6u;   /* ramfs */
}

#else

static uint32_t ask(dev_t device, const char *name)
{
	(void)device;
	(void)name;
	return 0;
}

static bool is_in_memory(int fd)
{
	(void)fd;
	return false;
}

#endif

void mpio__disk_find(struct mpio__hostfile *file)
{
	struct mpio__disk *disk = &file->disk;
	struct stat st;
	uint32_t kib;

	if (fstat(file->fd, &st) != 0)
		return;
	if (!S_ISBLK(st.st_mode))
		file->in_memory = is_in_memory(file->fd);
	else
		st.st_dev = st.st_rdev;
	kib = ask(st.st_dev, "max_sectors_kb");
	disk->bytes_max = kib <= UINT32_MAX >> 10 ? kib << 10 : 0;
	disk->segments_max = ask(st.st_dev, "max_segments");
	file->device.limits.gap_bytes = file->in_memory ? 0 : GAP_OF_A_DISK;
}

/* ---- How fast it is ----------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Where something is to be read. */
struct range {
	uint64_t start; /* bytes */
	uint64_t end;
};

#ifdef SEEK_DATA

/*
 * The longest run of bytes that are on the disk; the first begins at `start`,
 * if there is one. Where there are very many, of the first of them.
 */
static struct range longest_run(int fd, uint64_t size, off_t start)
{
	struct range longest = {0, 0};

	for (int i = 0; start >= 0 && i < RUNS_MAX; i++) {
		off_t end = lseek(fd, start, SEEK_HOLE);

		struct range run = {(uint64_t)start, (uint64_t)end};

		if (end < 0 || run.start >= size)
			break;
		if (run.end > size)
			run.end = size;
		if (run.end - run.start > longest.end - longest.start)
			longest = run;
		start = lseek(fd, end, SEEK_DATA);
	}
	return longest;
}

#endif

/*
 * What is to be read: no hole, which is read without the disk, and would be
 * timed as one that is far too fast. What knows of no holes, as block devices
 * do not, has none.
 */
static struct range find_data(int fd, uint64_t size)
{
	struct range all = {0, 0};
	off_t end;

#ifdef SEEK_DATA
	off_t start = lseek(fd, 0, SEEK_DATA);

	if (start >= 0 || errno == ENXIO)
		return longest_run(fd, size, start);
#endif
	end = lseek(fd, 0, SEEK_END);
	if (end > 0)
		all.end = (uint64_t)end;
	if (all.end > size)
		all.end = size;
	return all;
}

/*
 * How far apart reads of a range are to lie, so that no place is read twice; 0:
 * what is there is too little for that.
 */
static uint64_t find_stride(struct range range)
{
	uint64_t stride = (range.end - range.start) / READS;

	stride -= stride % GAP_MAX;
	return stride >= 2 * (uint64_t)GAP_MAX ? stride : 0;
}

/*
 * The median time of reads of `length` bytes, nanoseconds; 0: one failed. No
 * place is read twice, by this call or the next one.
 */
static uint64_t time_reads(const struct mpio__hostfile *file, uint64_t start,
			   uint64_t stride, void *memory, uint32_t length)
{
	uint64_t times[READS];

	for (unsigned int i = 0; i < READS; i++) {
		uint64_t at =
			start + i * stride + (length == GAP_MAX ? GAP_MAX : 0);
		uint64_t begin;

		/* Not from the page cache, if that can be had. */
		(void)posix_fadvise(file->fd, (off_t)at, (off_t)length,
				    POSIX_FADV_DONTNEED);
		begin = now_ns();
		if (pread(file->fd, memory, length, (off_t)at) !=
		    (ssize_t)length)
			return 0;
		times[i] = now_ns() - begin;
	}
	qsort(times, READS, sizeof(times[0]), by_size);
	return times[READS / 2] + 1;
}

void mpio__disk_measure(struct mpio__hostfile *file)
{
	const uint32_t little = 4096;
	struct mpio__disk *disk = &file->disk;
	/* A file may be yet to become as large as its device. */
	struct range data = find_data(file->fd, file->device.size);
	uint64_t stride;
	uint64_t small;
	uint64_t large;
	uint32_t gap = little;
	void *memory;

	/* As direct I/O wants it. */
	data.start = (data.start + little - 1) & ~(uint64_t)(little - 1);
	stride = data.start < data.end ? find_stride(data) : 0;
	disk->too_little = stride == 0;
	if (stride == 0 || file->unit > little ||
	    posix_memalign(&memory, little, GAP_MAX))
		return;
	(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
	small = time_reads(file, data.start, stride, memory, little);
	large = time_reads(file, data.start, stride, memory, GAP_MAX);
	(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_NORMAL);
	free(memory);
	if (small == 0 || large == 0)
		return;
	/* The bytes that the large read moved while the small one took. */
	while (gap < GAP_MAX && (uint64_t)gap * large < small * GAP_MAX)
		gap *= 2;
	disk->latency_us = (uint32_t)(small / 1000 + 1);
	disk->mib_per_s = (uint32_t)(1000000000u / large);
	file->device.limits.gap_bytes = gap;
}

/* SPDX-License-Identifier: MIT */
/*
 * Backend posix where the system refuses: each call by which a file is opened,
 * sized up and made direct, and what the backend takes a file for when the
 * system says little. The calls go through wrappers (test_posix_calls.cmake),
 * which fail, or answer in the system's place; so a regular file can be a block
 * device here, and any file can be direct.
 */
#include "posix_files.h"

#include "../../backends/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MIB (1024 * KIB)

/* ---- Between the backend and the system --------------------------------- */

static struct {
	/* This call fails, the n-th time; 0: each time. */
	const char *call;
	unsigned int at;
	int error;
	unsigned int seen;
	off_t first_read; /* by pread; 0: none, or from there */

	/* What is answered. */
	mode_t mode;           /* of a file; 0: what it is */
	ino_t inode;           /* of the first that is asked; 0: its own */
	dev_t device;          /* the same */
	uint32_t file_system;  /* 0: what it is */
	const char *sysfs;     /* what is in its files; NULL: what there is */
	bool is_asked;         /* direct I/O is asked for by statx */
	uint32_t alignment;    /* its answer; 0: it cannot be had */
	unsigned int sector;   /* of a block device */
	unsigned int discards; /* of it; so many were done */
} fake;

static bool fails(const char *call)
{
	if (fake.call == NULL || strcmp(fake.call, call) != 0)
		return false;
	fake.seen++;
	if (fake.at != 0 && fake.seen != fake.at)
		return false;
	errno = fake.error;
	return true;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_statx(int fd, const char *path, int flags, unsigned int mask,
		 struct statx *answer);
int __real_fstatfs64(int fd, struct statfs *fs);
int __wrap_fstatfs64(int fd, struct statfs *fs);
int __real_ftruncate64(int fd, off_t length);
int __wrap_ftruncate64(int fd, off_t length);
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
off_t __real_lseek64(int fd, off_t offset, int whence);
off_t __wrap_lseek64(int fd, off_t offset, int whence);
ssize_t __real_pread64(int fd, void *memory, size_t length, off_t offset);
ssize_t __wrap_pread64(int fd, void *memory, size_t length, off_t offset);
ssize_t __real_preadv64v2(int fd, const struct iovec *vecs, int count,
			  off_t offset, int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *vecs, int count,
			  off_t offset, int flags);
int __real_fallocate64(int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

int __wrap_open64(const char *path, int flags, ...)
{
	return fails("open") ? -1 : __real_open64(path, flags, 0666);
}

int __wrap_fstat64(int fd, struct stat *st)
{
	if (fails("fstat") || __real_fstat64(fd, st) != 0)
		return -1;
	if (fake.mode != 0)
		st->st_mode = fake.mode;
	if (fake.device != 0) {
		st->st_dev = fake.device;
		fake.device++;
	}
	if (fake.inode != 0) {
		st->st_ino = fake.inode;
		fake.inode++;
	}
	return 0;
}

/* Any file can be made direct; and reads as if it were not. */
int __wrap_fcntl64(int fd, int command, ...)
{
	if (fails("fcntl"))
		return -1;
	return command == F_SETFL ? 0 : __real_fcntl64(fd, command, 0);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *to;

	(void)fd;
	va_start(arguments, request);
	to = va_arg(arguments, void *);
	va_end(arguments);
	if (fails("ioctl"))
		return -1;
	if (request == BLKGETSIZE64)
		*(uint64_t *)to = MIB;
	else if (request == BLKSSZGET)
		*(int *)to = (int)fake.sector;
	else
		fake.discards++;
	return 0;
}

int __wrap_statx(int fd, const char *path, int flags, unsigned int mask,
		 struct statx *answer)
{
	(void)fd;
	(void)path;
	(void)flags;
	if (fails("statx"))
		return -1;
	memset(answer, 0, sizeof(*answer));
#ifdef STATX_DIOALIGN
	answer->stx_mask = fake.is_asked ? mask & STATX_DIOALIGN : 0;
	answer->stx_dio_mem_align = fake.alignment / 128;
	answer->stx_dio_offset_align = fake.alignment;
#else
	(void)mask;
#endif
	return 0;
}

int __wrap_fstatfs64(int fd, struct statfs *fs)
{
	if (fails("fstatfs") || __real_fstatfs64(fd, fs) != 0)
		return -1;
	if (fake.file_system != 0)
		fs->f_type = (__typeof__(fs->f_type))fake.file_system;
	return 0;
}

int __wrap_ftruncate64(int fd, off_t length)
{
	return fails("ftruncate") ? -1 : __real_ftruncate64(fd, length);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	if (fails("fopen"))
		return NULL;
	if (fake.sysfs == NULL || strncmp(path, "/sys/", 5) != 0)
		return __real_fopen64(path, mode);
	return fmemopen((void *)(uintptr_t)fake.sysfs, strlen(fake.sysfs), "r");
}

off_t __wrap_lseek64(int fd, off_t offset, int whence)
{
	return fails("lseek") ? -1 : __real_lseek64(fd, offset, whence);
}

ssize_t __wrap_pread64(int fd, void *memory, size_t length, off_t offset)
{
	if (fake.first_read == 0 || offset < fake.first_read)
		fake.first_read = offset;
	return fails("pread") ? -1 : __real_pread64(fd, memory, length, offset);
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *vecs, int count,
			  off_t offset, int flags)
{
	return fails("preadv2")
		       ? -1
		       : __real_preadv64v2(fd, vecs, count, offset, flags);
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length)
{
	return fails("fallocate")
		       ? -1
		       : __real_fallocate64(fd, mode, offset, length);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
	return fails("posix_memalign")
		       ? ENOMEM
		       : __real_posix_memalign(memory, alignment, size);
}

void *__wrap_malloc(size_t size)
{
	return fails("malloc") ? NULL : __real_malloc(size);
}

/* ---- Tools -------------------------------------------------------------- */

/* The first descriptor that is free: it tells whether one was left open. */
static int first_free(void)
{
	int fd = dup(0);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static int reset(void **state)
{
	memset(&fake, 0, sizeof(fake));
	return set_up(state);
}

static struct mpio_limits limits_of(const struct mpio_posix_config *config)
{
	struct mpio_device *device = open_device(config);
	struct mpio_limits limits = device->limits;

	mpio_device_close(device);
	return limits;
}

static void describe(struct mpio_device *device, char *text, size_t size)
{
	assert_in_range(mpio_device_describe(device, text, size), 1, size - 1);
}

/* ---- Opening ------------------------------------------------------------ */

static void whatever_refuses_to_open_says_so_and_nothing_is_left(void **state)
{
	static const struct {
		const char *call;
		unsigned int at;
		int error;
		int expected;
		bool direct;
		bool is_disk;
	} cases[] = {
		{"malloc", 1, ENOMEM, -MPIO_ENOMEM, false, false},
		{"open", 1, EACCES, -MPIO_EACCES, false, false},
		{"fstat", 1, EIO, -MPIO_EIO, false, false},
		{"ftruncate", 1, ENOSPC, -MPIO_ENOSPC, false, false},
		{"fcntl", 1, EBADF, -MPIO_EBADF, true, false},
		{"fcntl", 2, EINVAL, -MPIO_EINVAL, true, false},
		{"open", 2, EMFILE, -MPIO_EMFILE, true, false},
		{"fstat", 2, EIO, -MPIO_EIO, true, false},
		{"fstat", 3, EIO, -MPIO_EIO, true, false},
		{"ioctl", 1, EIO, -MPIO_EIO, false, true},
		{"ioctl", 2, EIO, -MPIO_EIO, false, true},
	};
	int fd = first_free();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mpio_posix_config config = {
			.direct = cases[i].direct,
			.create = !cases[i].is_disk,
			.size = cases[i].is_disk ? 0 : 10000,
		};

		reset(state);
		if (cases[i].is_disk) {
			make_file(PATH, 100);
			fake.mode = S_IFBLK;
		}
		fake.call = cases[i].call;
		fake.at = cases[i].at;
		fake.error = cases[i].error;
		assert_refused(PATH, &config, cases[i].expected);
		assert_int_equal(fake.seen, cases[i].at);
		assert_int_equal(access(PATH, F_OK), cases[i].is_disk ? 0 : -1);
		assert_int_equal(first_free(), fd);
	}
}

static void a_queue_without_memory_is_not_opened(void **state)
{
	const struct mpio_allocator allocator = mpio_allocator_libc();
	const struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_device *device;
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 4096);
	device = open_device(NULL);
	fake.call = "malloc";
	fake.at = 1;
	assert_int_equal(mpio_queue_open(device, &config, &queue),
			 -MPIO_ENOMEM);
	mpio_device_close(device);
}

static void what_was_replaced_while_it_was_opened_is_refused(void **state)
{
	const struct mpio_posix_config direct = {.direct = true};

	make_file(PATH, 10000);
	fake.mode = S_IFIFO;
	assert_refused(PATH, NULL, -MPIO_EINVAL);
	reset(state);
	fake.inode = 1;
	assert_refused(PATH, &direct, -MPIO_ESTALE);
	reset(state);
	fake.device = 1;
	assert_refused(PATH, &direct, -MPIO_ESTALE);
}

/* ---- Direct I/O --------------------------------------------------------- */

static void a_file_says_what_direct_io_takes(void **state)
{
	const struct mpio_posix_config direct = {.direct = true};
	struct mpio_limits limits;

	(void)state;
	make_file(PATH, 16384);
	fake.is_asked = true;
	fake.alignment = 1024;
	limits = limits_of(&direct);
	assert_int_equal(limits.logical_block_size, 1024);
	assert_int_equal(limits.memory_alignment, 1024);
	fake.alignment = 0;
	assert_refused(PATH, &direct, -MPIO_EINVAL);
	fake.alignment = 64; /* of memory: none */
	assert_refused(PATH, &direct, -MPIO_EINVAL);
}

static void what_a_file_does_not_say_is_found_by_trying(void **state)
{
	const struct mpio_posix_config direct = {.direct = true};

	make_file(PATH, 16384);
	assert_int_equal(limits_of(&direct).logical_block_size, 512);
	fake.call = "statx";
	fake.error = ENOSYS;
	assert_int_equal(limits_of(&direct).logical_block_size, 512);
	reset(state);
	fake.call = "pread";
	fake.at = 1;
	fake.error = EINVAL;
	assert_int_equal(limits_of(&direct).logical_block_size, 1024);
	fake.at = 0;
	assert_int_equal(limits_of(&direct).logical_block_size, 4096);
	reset(state);
	fake.call = "posix_memalign";
	assert_int_equal(limits_of(&direct).memory_alignment, 4096);
}

static void without_durable_writes_there_is_no_fua(void **state)
{
	(void)state;
	make_file(PATH, 4096);
	fake.call = "preadv2";
	fake.error = EOPNOTSUPP;
	assert_int_equal(limits_of(NULL).features & MPIO_DEVICE_FUA, 0);
}

/* ---- Block devices ------------------------------------------------------ */

static void a_block_device_has_sectors_of_its_own(void **state)
{
	const struct mpio_posix_config direct = {.direct = true};
	const struct mpio_posix_config sized = {.size = 4096};
	struct mpio_queue *queue;
	struct mpio_device *device;
	char text[400];

	(void)state;
	make_file(PATH, MIB);
	fake.mode = S_IFBLK;
	fake.sector = 4096;
	assert_refused(PATH, &sized, -MPIO_EINVAL);
	device = open_device(&direct);
	assert_int_equal(device->size, MIB);
	assert_int_equal(device->limits.logical_block_size, 4096);
	describe(device, text, sizeof(text));
	assert_non_null(strstr(text, "file: block device, direct I/O\n"));
	queue = open_queue(device);
	assert_int_equal(discard(queue, 4096, 8192), 0);
	assert_int_equal(fake.discards, 1);
	fake.call = "ioctl";
	fake.at = 1;
	fake.error = EINTR;
	assert_int_equal(discard(queue, 4096, 8192), 0);
	assert_int_equal(fake.discards, 2);
	close_both(queue);
}

/* ---- Disks -------------------------------------------------------------- */

static void a_disk_that_says_nothing_is_assumed_to_be_one(void **state)
{
	static const char *const answers[] = {"nothing", "0", NULL};
	struct mpio_device *device;
	char text[400];

	make_file(PATH, 4096);
	for (size_t i = 0; i < 3; i++) {
		reset(state);
		fake.sysfs = answers[i];
		fake.call = answers[i] == NULL ? "fopen" : NULL;
		device = open_device(NULL);
		describe(device, text, sizeof(text));
		assert_null(strstr(text, "disk: "));
		mpio_device_close(device);
	}
}

static void a_disk_says_how_large_its_requests_are(void **state)
{
	struct mpio_device *device;
	char text[400];

	(void)state;
	make_file(PATH, 4096);
	fake.sysfs = "128\n";
	device = open_device(NULL);
	describe(device, text, sizeof(text));
	assert_non_null(
		strstr(text, "disk: 131072 bytes, 128 segments a request\n"));
	mpio_device_close(device);
	/* Too large for what it is kept in. */
	fake.sysfs = "5000000\n";
	device = open_device(NULL);
	describe(device, text, sizeof(text));
	assert_null(strstr(text, "disk: "));
	mpio_device_close(device);
	fake.sysfs = "18446744073709551615\n";
	device = open_device(NULL);
	describe(device, text, sizeof(text));
	assert_null(strstr(text, "disk: "));
	mpio_device_close(device);
}

static void requests_are_kept_to_what_a_disk_takes(void **state)
{
	static const struct {
		const char *sysfs;
		bool direct;
		uint32_t bytes_max; /* 0: as it was */
		uint32_t segments_max;
	} cases[] = {
		{"128", false, 0, 0},
		{"128", true, 131072, 128},
		{"nothing", true, 0, 0},
		{"4000000", true, 0, 0},
	};

	make_file(PATH, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mpio_posix_config config = {
			.direct = cases[i].direct};
		struct mpio__hostfile file;
		struct mpio_limits limits;

		reset(state);
		fake.sysfs = cases[i].sysfs;
		assert_int_equal(mpio__hostfile_open(&file, PATH, &config), 0);
		limits = file.device.limits;
		mpio__hostfile_limit_to_disk(&file);
		if (cases[i].bytes_max != 0)
			limits.bytes_max = cases[i].bytes_max;
		if (cases[i].segments_max != 0)
			limits.segments_max = cases[i].segments_max;
		assert_int_equal(file.device.limits.bytes_max,
				 limits.bytes_max);
		assert_int_equal(file.device.limits.segments_max,
				 limits.segments_max);
		mpio__hostfile_close(&file);
	}
}

static void a_file_in_memory_has_no_gaps(void **state)
{
	static const uint32_t types[] = {0x01021994, 0x858458f6};
	struct mpio_device *device;
	char text[400];

	make_file(PATH, 4096);
	for (size_t i = 0; i < 2; i++) {
		fake.file_system = types[i];
		device = open_device(NULL);
		assert_int_equal(device->limits.gap_bytes, 0);
		describe(device, text, sizeof(text));
		assert_non_null(strstr(text, "gap: none, a file in memory\n"));
		mpio_device_close(device);
	}
	reset(state);
	fake.file_system = 0xef53;
	device = open_device(NULL);
	assert_int_equal(device->limits.gap_bytes, 64 * KIB);
	mpio_device_close(device);
	fake.call = "fstatfs";
	fake.error = EIO;
	assert_int_equal(limits_of(NULL).gap_bytes, 64 * KIB);
}

/* The second look at a file is the one for its disk. */
static void a_disk_that_cannot_be_found_has_no_gaps(void **state)
{
	(void)state;
	make_file(PATH, 4096);
	fake.call = "fstat";
	fake.at = 2;
	fake.error = EIO;
	assert_int_equal(limits_of(NULL).gap_bytes, 0);
}

/* All a hole, but for some MiB of data. */
static void add_data(off_t start, unsigned int data)
{
	static unsigned char bytes[MIB];
	int fd = open(PATH, O_WRONLY);

	memset(bytes, 'x', sizeof(bytes));
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, start, SEEK_SET), start);
	for (; data > 0; data--)
		assert_int_equal(write(fd, bytes, sizeof(bytes)),
				 sizeof(bytes));
	close(fd);
}

static void make_sparse_file(off_t start, unsigned int data, off_t size)
{
	make_file(PATH, 0);
	add_data(start, data);
	assert_int_equal(truncate(PATH, size), 0);
}

static void make_large_file(void)
{
	make_sparse_file(0, 18, 18 * (off_t)MIB);
}

/* Not every file system has holes. */
static bool has_holes(void)
{
	struct stat st;

	assert_int_equal(stat(PATH, &st), 0);
	return st.st_blocks * 512 < st.st_size;
}

static void a_disk_is_timed_only_if_it_can_be(void **state)
{
	const struct mpio_posix_config config = {.measure = true};
	struct mpio_device *device;
	char text[400];

	make_large_file();
	fake.file_system = 0xef53;
	device = open_device(&config);
	describe(device, text, sizeof(text));
	assert_non_null(strstr(text, "gap: measured"));
	assert_in_range(device->limits.gap_bytes, 4096, MIB);
	mpio_device_close(device);
	/* The small reads fail, then the large ones; or there is no memory. */
	for (unsigned int i = 0; i < 3; i++) {
		reset(state);
		fake.file_system = 0xef53;
		fake.call = i < 2 ? "pread" : "posix_memalign";
		fake.at = i == 1 ? 10 : 1;
		fake.error = EIO;
		device = open_device(&config);
		describe(device, text, sizeof(text));
		assert_non_null(strstr(text, "gap: assumed, a disk\n"));
		assert_int_equal(device->limits.gap_bytes, 64 * KIB);
		mpio_device_close(device);
	}
}

static void a_disk_of_large_blocks_is_not_timed(void **state)
{
	const struct mpio_posix_config config = {.measure = true,
						 .direct = true};
	struct mpio_device *device;
	char text[400];

	(void)state;
	make_large_file();
	fake.file_system = 0xef53;
	fake.is_asked = true;
	fake.alignment = 8192;
	device = open_device(&config);
	describe(device, text, sizeof(text));
	assert_non_null(strstr(text, "gap: assumed, a disk\n"));
	mpio_device_close(device);
}

static void assert_gap(const struct mpio_posix_config *config,
		       const char *words)
{
	struct mpio_device *device;
	char text[400];

	fake.file_system = 0xef53;
	device = open_device(config);
	describe(device, text, sizeof(text));
	assert_non_null(strstr(text, words));
	mpio_device_close(device);
}

static void of_a_large_file_only_what_the_device_has_is_timed(void **state)
{
	const struct mpio_posix_config config = {.measure = true, .size = MIB};

	(void)state;
	make_large_file();
	assert_gap(&config, "gap: assumed, too little to time\n");
}

/* They are no part of a disk, and are read far too fast. */
static void holes_are_not_timed(void **state)
{
	static const struct {
		unsigned int start; /* MiB */
		unsigned int data;
	} cases[] = {{0, 0}, {0, 17}, {3, 17}, {3, 18}};
	const struct mpio_posix_config config = {.measure = true};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		off_t start = cases[i].start * (off_t)MIB;
		bool is_enough = cases[i].data == 18;
		struct mpio_device *device;
		char text[400];

		reset(state);
		make_sparse_file(start, cases[i].data, 200 * (off_t)MIB);
		if (!has_holes())
			skip();
		fake.file_system = 0xef53;
		device = open_device(&config);
		describe(device, text, sizeof(text));
		assert_int_equal(strstr(text, "gap: measured") != NULL,
				 is_enough);
		assert_int_equal(strstr(text, "too little to time\n") != NULL,
				 !is_enough);
		assert_int_equal(fake.first_read, is_enough ? start : 0);
		mpio_device_close(device);
	}
}

/* However much lies behind the device's end. */
static void of_two_runs_that_with_more_on_the_device_is_timed(void **state)
{
	const struct mpio_posix_config config = {.measure = true,
						 .size = 41 * MIB};

	(void)state;
	make_sparse_file(0, 18, 40 * (off_t)MIB);
	add_data(40 * (off_t)MIB, 19);
	if (!has_holes())
		skip();
	assert_gap(&config, "gap: measured");
}

/* Not all that can be read knows of holes: block devices do not. */
static void what_knows_of_no_holes_is_timed_as_a_whole(void **state)
{
	static const struct {
		unsigned int at;
		int error;
		uint64_t size; /* of the device; 0: all of the file */
		const char *words;
	} cases[] = {
		{1, EINVAL, 0, "gap: measured"},
		{1, EOPNOTSUPP, 0, "gap: measured"},
		{1, EINVAL, MIB, "gap: assumed, too little to time\n"},
		/* There is no data. */
		{1, ENXIO, 0, "gap: assumed, too little to time\n"},
		{0, EINVAL, 0, "gap: assumed, too little to time\n"},
	};
	struct mpio_posix_config config = {.measure = true};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reset(state);
		make_large_file();
		fake.call = "lseek";
		fake.at = cases[i].at;
		fake.error = cases[i].error;
		config.size = cases[i].size;
		assert_gap(&config, cases[i].words);
	}
}

/* ---- Bios --------------------------------------------------------------- */

static void a_discard_that_is_interrupted_is_repeated(void **state)
{
	struct mpio_queue *queue;

	(void)state;
	make_file(PATH, 64 * KIB);
	queue = open_queue(open_device(NULL));
	fake.call = "fallocate";
	fake.at = 1;
	fake.error = EINTR;
	assert_int_equal(discard(queue, 0, 8192), 0);
	assert_int_equal(fake.seen, 2);
	assert_int_equal(read_zeros(queue, 0, 8192), 0);
	fake.at = 0;
	fake.error = EIO;
	assert_int_equal(discard(queue, 0, 8192), -MPIO_EIO);
	close_both(queue);
}

/* What an asynchronous call came to is gone on with, here and now. */
static void a_result_is_settled(void **state)
{
	static unsigned char memory[4096];
	static struct mpio__window window;
	struct mpio_iovec vec = {memory, sizeof(memory)};
	struct mpio_bio bio = {
		.op = MPIO_BIO_READ,
		.offset = 4096,
		.length = sizeof(memory),
		.vecs = &vec,
		.vec_count = 1,
	};
	struct mpio__hostfile file;
	const long passing[] = {-EAGAIN, -EINTR};

	(void)state;
	make_file(PATH, 8192);
	assert_int_equal(mpio__hostfile_open(&file, PATH,
					     &(struct mpio_posix_config){0}),
			 0);
	assert_int_equal(mpio__hostfile_settle(&file, &window, &bio, 4096), 0);
	assert_int_equal(memory[0], 0);
	assert_int_equal(mpio__hostfile_settle(&file, &window, &bio, -EIO),
			 -MPIO_EIO);
	assert_int_equal(mpio__hostfile_settle(&file, &window, &bio, 1000), 0);
	assert_int_equal(memory[999], 0);
	for (uint32_t i = 1000; i < 4096; i++)
		assert_int_equal(memory[i], byte_at(4096 + i));
	for (size_t i = 0; i < 2; i++) {
		memset(memory, 0, sizeof(memory));
		assert_int_equal(
			mpio__hostfile_settle(&file, &window, &bio, passing[i]),
			0);
		assert_int_equal(memory[999], byte_at(4096 + 999));
	}
	bio.op = MPIO_BIO_FLUSH;
	assert_int_equal(mpio__hostfile_settle(&file, &window, &bio, 0), 0);
	assert_int_equal(mpio__hostfile_settle(&file, &window, &bio, -EAGAIN),
			 0);
	assert_int_equal(host.syncs, 1);
	bio.op = MPIO_BIO_READ;
	assert_true(mpio__hostfile_is_simple(&file, &bio));
	bio.vec_count = IOV_MAX + 1; /* more than one call takes */
	assert_false(mpio__hostfile_is_simple(&file, &bio));
	bio.op = MPIO_BIO_DISCARD + 1;
	assert_int_equal(mpio__hostfile_do(&file, &window, &bio),
			 -MPIO_EOPNOTSUPP);
	mpio__hostfile_close(&file);
}

static void what_is_cut_but_not_at_the_end_is_not_read_directly(void **state)
{
	static unsigned char memory[4096];
	static struct mpio__window window;
	struct mpio_iovec vec = {memory, 1000};
	struct mpio_bio bio = {
		.op = MPIO_BIO_READ,
		.length = 1000,
		.vecs = &vec,
		.vec_count = 1,
	};
	struct mpio__hostfile file;

	(void)state;
	make_file(PATH, 8192);
	assert_int_equal(mpio__hostfile_open(
				 &file, PATH,
				 &(struct mpio_posix_config){.direct = true}),
			 0);
	assert_false(mpio__hostfile_is_simple(&file, &bio));
	assert_int_equal(mpio__hostfile_do(&file, &window, &bio), -MPIO_EINVAL);
	mpio__hostfile_close(&file);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, reset, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(whatever_refuses_to_open_says_so_and_nothing_is_left),
		CALL_TEST(a_queue_without_memory_is_not_opened),
		CALL_TEST(what_was_replaced_while_it_was_opened_is_refused),
		CALL_TEST(a_file_says_what_direct_io_takes),
		CALL_TEST(what_a_file_does_not_say_is_found_by_trying),
		CALL_TEST(without_durable_writes_there_is_no_fua),
		CALL_TEST(a_block_device_has_sectors_of_its_own),
		CALL_TEST(a_disk_that_says_nothing_is_assumed_to_be_one),
		CALL_TEST(a_disk_says_how_large_its_requests_are),
		CALL_TEST(requests_are_kept_to_what_a_disk_takes),
		CALL_TEST(a_file_in_memory_has_no_gaps),
		CALL_TEST(a_disk_that_cannot_be_found_has_no_gaps),
		CALL_TEST(a_disk_is_timed_only_if_it_can_be),
		CALL_TEST(a_disk_of_large_blocks_is_not_timed),
		CALL_TEST(of_a_large_file_only_what_the_device_has_is_timed),
		CALL_TEST(holes_are_not_timed),
		CALL_TEST(of_two_runs_that_with_more_on_the_device_is_timed),
		CALL_TEST(what_knows_of_no_holes_is_timed_as_a_whole),
		CALL_TEST(a_discard_that_is_interrupted_is_repeated),
		CALL_TEST(a_result_is_settled),
		CALL_TEST(what_is_cut_but_not_at_the_end_is_not_read_directly),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}

/* SPDX-License-Identifier: MIT */
/*
 * Frames: memory for pages, in long runs.
 *
 * The system's calls are wrapped, so that a test chooses what memory there is:
 * huge pages that were set aside are played with small ones. Every byte that
 * is mapped must be given back.
 */
#define _GNU_SOURCE
#include <mpio/error.h>
#include <mpio/frames.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define HUGE (2 * MIB)

/* What the system has; all false is one without any huge pages. */
static struct {
	bool watched;     /* a call of the library under test */
	bool reserved;    /* there are huge pages that were set aside, ... */
	bool missing;     /* but not where they are wanted */
	bool transparent; /* madvise(MADV_HUGEPAGE) is known */
	bool exhausted;   /* no memory at all */
	size_t mapped;    /* bytes, now */
	size_t huge;      /* of those, set aside */
	int maps;         /* calls that were tried */
} host;

/* The library's off_t is `long`, or that of large files. */
typedef void *map_fn(void *base, size_t length, int protection, int flags,
		     int fd, long offset);

map_fn __real_mmap, __wrap_mmap;
void *__wrap_mmap64(void *base, size_t length, int protection, int flags,
		    int fd, int64_t offset);
int __real_munmap(void *base, size_t length);
int __wrap_munmap(void *base, size_t length);
int __real_madvise(void *base, size_t length, int advice);
int __wrap_madvise(void *base, size_t length, int advice);

/* Memory that begins as a huge page would. */
static void *map_reserved(size_t length)
{
	unsigned char *base =
		__real_mmap(NULL, length + HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before = -(uintptr_t)base & (HUGE - 1);

	assert_ptr_not_equal(base, MAP_FAILED);
	assert_int_equal(length % HUGE, 0);
	if (before != 0)
		__real_munmap(base, before);
	__real_munmap(base + before + length, HUGE - before);
	host.huge = length;
	return base + before;
}

void *__wrap_mmap(void *base, size_t length, int protection, int flags, int fd,
		  long offset)
{
	if (!host.watched)
		return __real_mmap(base, length, protection, flags, fd, offset);
	host.maps++;
	if (host.exhausted || ((flags & MAP_HUGETLB) && !host.reserved)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	host.mapped += length;
	if (flags & MAP_HUGETLB)
		return map_reserved(length);
	return __real_mmap(base, length, protection, flags, fd, offset);
}

void *__wrap_mmap64(void *base, size_t length, int protection, int flags,
		    int fd, int64_t offset)
{
	assert_int_equal(offset, 0);
	return __wrap_mmap(base, length, protection, flags, fd, 0);
}

int __wrap_munmap(void *base, size_t length)
{
	if (host.watched) {
		assert_int_not_equal(length, 0);
		host.mapped -= length;
	}
	return __real_munmap(base, length);
}

int __wrap_madvise(void *base, size_t length, int advice)
{
	if (!host.watched)
		return __real_madvise(base, length, advice);
	if (advice == MADV_HUGEPAGE && host.transparent)
		return 0;
	if (advice != MADV_HUGEPAGE && !host.missing)
		return 0;
	errno = advice == MADV_HUGEPAGE ? EINVAL : EFAULT;
	return -1;
}

static int begin(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	return 0;
}

static int alloc(struct mpio_frames *frames, size_t size, size_t count)
{
	int error;

	host.watched = true;
	error = mpio_frames_alloc(frames, size, count);
	host.watched = false;
	return error;
}

/* Get frames that must be there, as a caller may rely on. */
static struct mpio_frames alloc_good(size_t size, size_t count)
{
	struct mpio_frames frames;

	assert_int_equal(alloc(&frames, size, count), 0);
	assert_int_equal(frames.frame_size, size);
	assert_int_equal(frames.count, count);
	assert_true(frames.length >= size * count);
	assert_int_equal(frames.length, host.mapped);
	assert_int_equal((uintptr_t)frames.base % 4096, 0);
	for (size_t i = 0; i < frames.length; i += 512)
		assert_int_equal(frames.base[i], 0);
	memset(frames.base, 0xa5, frames.length);
	return frames;
}

static void free_all(struct mpio_frames *frames)
{
	host.watched = true;
	mpio_frames_free(frames);
	host.watched = false;
	assert_int_equal(host.mapped, 0);
	assert_null(frames->base);
	assert_int_equal(frames->length, 0);
	assert_int_equal(frames->count, 0);
}

/* ---- What is asked for --------------------------------------------------- */

static void sizes_that_cannot_be_are_refused(void **state)
{
	static const struct {
		size_t size;
		size_t count;
		int error;
	} cases[] = {
		{0, 1, -MPIO_EINVAL},
		{256, 16, -MPIO_EINVAL},
		{4095, 1, -MPIO_EINVAL},
		{4096 + 512, 1, -MPIO_EINVAL},
		{4096, 0, -MPIO_EINVAL},
		{4096, SIZE_MAX, -MPIO_ENOMEM},
		{4096, SIZE_MAX / 4096, -MPIO_ENOMEM},
		{4096, SIZE_MAX / 4096 + 2, -MPIO_ENOMEM},
		{SIZE_MAX / 2 + 1, 1, -MPIO_ENOMEM},
	};
	struct mpio_frames before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mpio_frames frames = before;

		assert_int_equal(alloc(&frames, cases[i].size, cases[i].count),
				 cases[i].error);
		assert_memory_equal(&frames, &before, sizeof(frames));
		assert_int_equal(host.maps, 0);
	}
}

static void small_requests_do_not_take_a_huge_page(void **state)
{
	static const size_t counts[] = {1, 8, 16, 256, 447};

	(void)state;
	host.reserved = true;
	host.transparent = true;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct mpio_frames frames = alloc_good(4096, counts[i]);

		assert_int_equal(frames.kind, MPIO_FRAMES_PLAIN);
		assert_true(frames.length < counts[i] * 4096 + 65536);
		free_all(&frames);
	}
}

static void frames_may_be_of_any_power_of_two(void **state)
{
	(void)state;
	for (size_t size = 512; size <= 4 * MIB; size *= 2) {
		for (size_t count = 1; count <= 9; count += 4) {
			struct mpio_frames frames = alloc_good(size, count);

			free_all(&frames);
		}
	}
}

/* ---- What it is made of -------------------------------------------------- */

static void reserved_huge_pages_are_taken_first(void **state)
{
	struct mpio_frames frames;

	(void)state;
	host.reserved = true;
	host.transparent = true;
	frames = alloc_good(4096, 2048);
	assert_int_equal(frames.kind, MPIO_FRAMES_HUGETLB);
	assert_int_equal(frames.length, 8 * MIB);
	assert_int_equal(host.huge, 8 * MIB);
	free_all(&frames);
}

static void reserved_huge_pages_are_not_wasted(void **state)
{
	struct mpio_frames frames;

	(void)state;
	host.reserved = true;
	host.transparent = true;
	frames = alloc_good(4096, 512 + 1);
	assert_int_equal(frames.kind, MPIO_FRAMES_TRANSPARENT);
	assert_true(frames.length < HUGE + 65536 + 4096);
	free_all(&frames);
	frames = alloc_good(4096, 31 * 512 + 1);
	assert_int_equal(frames.kind, MPIO_FRAMES_HUGETLB);
	assert_int_equal(frames.length, 32 * HUGE);
	free_all(&frames);
}

static void reserved_huge_pages_that_are_missing_are_done_without(void **state)
{
	struct mpio_frames frames;

	(void)state;
	host.reserved = true;
	host.missing = true;
	host.transparent = true;
	frames = alloc_good(4096, 2048);
	assert_int_equal(frames.kind, MPIO_FRAMES_TRANSPARENT);
	free_all(&frames);
}

static void transparent_ones_are_aligned(void **state)
{
	(void)state;
	host.transparent = true;
	for (size_t count = 512; count <= 2048; count += 307) {
		struct mpio_frames frames = alloc_good(4096, count);

		assert_int_equal(frames.kind, MPIO_FRAMES_TRANSPARENT);
		assert_int_equal((uintptr_t)frames.base % HUGE, 0);
		assert_true(frames.length < count * 4096 + 65536);
		free_all(&frames);
	}
}

static void without_huge_pages_small_ones_will_do(void **state)
{
	struct mpio_frames frames;

	(void)state;
	frames = alloc_good(4096, 2048);
	assert_int_equal(frames.kind, MPIO_FRAMES_PLAIN);
	free_all(&frames);
}

static void no_memory_is_an_error(void **state)
{
	struct mpio_frames before;
	struct mpio_frames frames;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	frames = before;
	host.exhausted = true;
	assert_int_equal(alloc(&frames, 4096, 1), -MPIO_ENOMEM);
	assert_int_equal(alloc(&frames, 4096, 4096), -MPIO_ENOMEM);
	assert_true(host.maps > 2);
	assert_memory_equal(&frames, &before, sizeof(frames));
}

static void nothing_may_be_freed(void **state)
{
	struct mpio_frames frames = {0};

	(void)state;
	free_all(&frames);
	frames = alloc_good(4096, 3);
	free_all(&frames);
	free_all(&frames);
}

/* Whatever this system has: nothing is played. */
static void it_works_here(void **state)
{
	struct mpio_frames frames;

	(void)state;
	assert_int_equal(mpio_frames_alloc(&frames, 4096, 2048), 0);
	memset(frames.base, 1, frames.length);
	print_message("frames: kind %d\n", (int)frames.kind);
	mpio_frames_free(&frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sizes_that_cannot_be_are_refused, begin),
		cmocka_unit_test_setup(small_requests_do_not_take_a_huge_page,
				       begin),
		cmocka_unit_test_setup(frames_may_be_of_any_power_of_two,
				       begin),
		cmocka_unit_test_setup(reserved_huge_pages_are_taken_first,
				       begin),
		cmocka_unit_test_setup(reserved_huge_pages_are_not_wasted,
				       begin),
		cmocka_unit_test_setup(
			reserved_huge_pages_that_are_missing_are_done_without,
			begin),
		cmocka_unit_test_setup(transparent_ones_are_aligned, begin),
		cmocka_unit_test_setup(without_huge_pages_small_ones_will_do,
				       begin),
		cmocka_unit_test_setup(no_memory_is_an_error, begin),
		cmocka_unit_test_setup(nothing_may_be_freed, begin),
		cmocka_unit_test_setup(it_works_here, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

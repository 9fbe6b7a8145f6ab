/* SPDX-License-Identifier: MIT */
/*
 * Frames: memory for pages, in long runs.
 *
 * One mapping of the system holds all frames, and begins where a huge page may
 * begin. What it is made of is tried from the best down:
 *
 *     hugetlb       huge pages that the system has set aside. They are taken
 *                   at once: one that is missing later would be a signal.
 *     transparent   small ones that the system is asked to make huge
 *     plain         small ones
 *
 * Reserved pages come whole, so they are only taken where little of the last
 * one is left over; and a request smaller than a huge page asks for none. A
 * system without anonymous mappings gets memory of the C library.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <mpio/error.h>
#include <mpio/frames.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What frames are aligned to at least, whatever the system's page is. */
#define SMALL_SIZE ((size_t)4096)
/* A huge page of most machines. */
#define HUGE_SHIFT 21
#define HUGE_SIZE ((size_t)1 << HUGE_SHIFT)
/* Reserved pages may be larger than what was asked for by one part in ... */
#define WASTE_SHARE 8

/* Up to a multiple of a power of two; 0: more than can be addressed. */
static size_t round_up(size_t length, size_t unit)
{
	return length > SIZE_MAX - (unit - 1)
		       ? 0
		       : (length + unit - 1) & ~(unit - 1);
}

#ifdef MAP_ANONYMOUS

static size_t small_size(void)
{
	long size = sysconf(_SC_PAGESIZE);

	return size > (long)SMALL_SIZE ? (size_t)size : SMALL_SIZE;
}

static unsigned char *map(size_t length, int flags)
{
	void *base = mmap(NULL, length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

#if defined(MAP_HUGETLB) && defined(MAP_HUGE_SHIFT)

/* Whether the system gives every page of a mapping now. */
static bool populate(unsigned char *base, size_t length)
{
#ifdef MADV_POPULATE_WRITE
	return madvise(base, length, MADV_POPULATE_WRITE) == 0;
#else
	(void)base;
	(void)length;
	return false;
#endif
}

static bool take_reserved(struct mpio_frames *frames)
{
	size_t length = round_up(frames->length, HUGE_SIZE);
	unsigned char *base;

	if (length == 0 || length - frames->length > length / WASTE_SHARE)
		return false;
	base = map(length, MAP_HUGETLB | HUGE_SHIFT << MAP_HUGE_SHIFT);
	if (base == NULL)
		return false;
	if (!populate(base, length)) {
		(void)munmap(base, length);
		return false;
	}
	frames->base = base;
	frames->length = length;
	frames->kind = MPIO_FRAMES_HUGETLB;
	return true;
}

#else

static bool take_reserved(struct mpio_frames *frames)
{
	(void)frames;
	return false;
}

#endif

/* Ask for huge pages; whether the system knows of such. */
static bool ask_for_huge(unsigned char *base, size_t length)
{
#ifdef MADV_HUGEPAGE
	return madvise(base, length, MADV_HUGEPAGE) == 0;
#else
	(void)base;
	(void)length;
	return false;
#endif
}

/* Map more than is needed, and cut off what lies outside. */
static bool take_aligned(struct mpio_frames *frames)
{
	size_t length = frames->length;
	unsigned char *base;
	size_t before;

	if (length < HUGE_SIZE || length > SIZE_MAX - HUGE_SIZE)
		return false;
	base = map(length + HUGE_SIZE, 0);
	if (base == NULL)
		return false;
	before = (HUGE_SIZE - ((uintptr_t)base & (HUGE_SIZE - 1))) &
		 (HUGE_SIZE - 1);
	if (before != 0)
		(void)munmap(base, before);
	base += before;
	(void)munmap(base + length, HUGE_SIZE - before);
	frames->base = base;
	frames->kind = ask_for_huge(base, length) ? MPIO_FRAMES_TRANSPARENT
						  : MPIO_FRAMES_PLAIN;
	return true;
}

static bool take_plain(struct mpio_frames *frames)
{
	frames->base = map(frames->length, 0);
	frames->kind = MPIO_FRAMES_PLAIN;
	return frames->base != NULL;
}

static bool take(struct mpio_frames *frames)
{
	frames->length = round_up(frames->length, small_size());
	return frames->length != 0 &&
	       (take_reserved(frames) || take_aligned(frames) ||
		take_plain(frames));
}

static void give_back(struct mpio_frames *frames)
{
	(void)munmap(frames->base, frames->length);
}

#else

static bool take(struct mpio_frames *frames)
{
	frames->length = round_up(frames->length, SMALL_SIZE);
	frames->kind = MPIO_FRAMES_PLAIN;
	if (frames->length == 0)
		return false;
	frames->base = aligned_alloc(SMALL_SIZE, frames->length);
	if (frames->base == NULL)
		return false;
	memset(frames->base, 0, frames->length);
	return true;
}

static void give_back(struct mpio_frames *frames)
{
	free(frames->base);
}

#endif

int mpio_frames_alloc(struct mpio_frames *frames, size_t frame_size,
		      size_t count)
{
	struct mpio_frames made = {.frame_size = frame_size, .count = count};

	if (frame_size < 512 || (frame_size & (frame_size - 1)) != 0 ||
	    count == 0)
		return -MPIO_EINVAL;
	if (count > PTRDIFF_MAX / frame_size)
		return -MPIO_ENOMEM;
	made.length = frame_size * count;
	if (!take(&made))
		return -MPIO_ENOMEM;
	*frames = made;
	return 0;
}

void mpio_frames_free(struct mpio_frames *frames)
{
	if (frames->base != NULL)
		give_back(frames);
	*frames = (struct mpio_frames){0};
}

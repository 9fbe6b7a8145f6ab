/* SPDX-License-Identifier: MIT */
/*
 * Frames from one block of memory, in the place of the library's own, whose
 * system calls would take longer than all else. They are not zeroed: whoever
 * shows bytes that were not read shows those of the input before.
 */
#include "memory_io.h"

#include <mpio/error.h>
#include <mpio/frames.h>

#include <stdalign.h>

#define ARENA_SIZE ((size_t)4 << 20)

static alignas(2 << 20) unsigned char arena[ARENA_SIZE];
static size_t taken;

void arena_reset(void)
{
	taken = 0;
}

int mpio_frames_alloc(struct mpio_frames *frames, size_t frame_size,
		      size_t count)
{
	size_t at = (taken + frame_size - 1) & ~(frame_size - 1);

	if (at > ARENA_SIZE || count > (ARENA_SIZE - at) / frame_size)
		return -MPIO_ENOMEM;
	*frames = (struct mpio_frames){.base = arena + at,
				       .frame_size = frame_size,
				       .count = count,
				       .length = frame_size * count,
				       .kind = MPIO_FRAMES_PLAIN};
	taken = at + frames->length;
	return 0;
}

void mpio_frames_free(struct mpio_frames *frames)
{
	*frames = (struct mpio_frames){0};
}

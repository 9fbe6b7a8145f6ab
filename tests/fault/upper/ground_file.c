/* SPDX-License-Identifier: MIT */
/*
 * A file that devices stand on, and mishaps as faults of the system's calls:
 * see ground_file.h.
 */
#include "ground_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char name[32];
static unsigned char *bytes; /* of the file, as the page cache has them */
static const unsigned char *first;
static struct mpio_device *opened;

static void must(bool good)
{
	if (!good) {
		perror("the file of a sweep");
		abort();
	}
}

const char *file_make(void)
{
	int fd;

	snprintf(name, sizeof(name), "upper-fault-XXXXXX");
	fd = mkstemp(name);
	must(fd >= 0 && write(fd, first, DISK_BYTES) == DISK_BYTES);
	bytes = mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     0);
	must(bytes != MAP_FAILED);
	close(fd);
	return name;
}

struct mpio_device *file_opened(struct mpio_device *device)
{
	unlink(name);
	opened = device;
	return device;
}

void file_close(void)
{
	if (opened != NULL)
		opened->ops.close(opened);
	opened = NULL;
	munmap(bytes, DISK_BYTES);
	bytes = NULL;
}

/* The first time the file is not there yet: it is loaded when it is made. */
void file_load(const unsigned char *image)
{
	first = image;
	if (bytes != NULL)
		memcpy(bytes, image, DISK_BYTES);
}

const unsigned char *file_image(void)
{
	return bytes;
}

int kind_of(const struct mishap *mishap)
{
	switch (mishap->moved) {
	case MOVED_ALL:
		return -mishap->status; /* of Linux's numbers */
	case MOVED_NONE:
		return KIND_SHORT_ALL;
	case MOVED_ALL_BUT_ONE:
		return KIND_SHORT_BYTE;
	case 1:
		return KIND_MOVE_BYTE;
	default:
		return KIND_MOVE_SECTOR;
	}
}

struct fault blocking_fault(const struct mishap *mishap, uint64_t n)
{
	return (struct fault){
		.call = mishap->site == ON_READ    ? CALL_READ
			: mishap->site == ON_WRITE ? CALL_WRITE
						   : CALL_SYNC,
		.kind = kind_of(mishap),
		.nth = (unsigned)n,
		.times = mishap->sticky ? 0 : 1,
	};
}

/*
 * A call that is interrupted for ever is made for ever, and one that moves a
 * byte each time gets there, but takes its time.
 */
bool file_can(const struct mishap *mishap)
{
	if (mishap->site == ON_REAP)
		return false;
	return !mishap->sticky ||
	       (mishap->status != -MPIO_EINTR && mishap->moved != 1);
}

enum consequence outcome_of_aio(const struct mishap *mishap)
{
	bool passes = mishap->status == -MPIO_EAGAIN ||
		      mishap->status == -MPIO_EINTR || mishap->status == 0;

	return passes && !mishap->sticky ? CURED : mishap->outcome;
}

/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Device: a table of functions, and what the device can take.
 *
 * A backend embeds the struct first in its own and fills it in when it is
 * opened. The least backend is one function, `submit`, that does the bio and
 * ends it (backends/mem.c). An asynchronous one adds `commit`, `reap` and
 * perhaps `event_fd`. A device does not change once it is open, so threads may
 * share it; what a thread needs for itself is a channel, one for each queue.
 *
 * The library promises: offset and length are multiples of the logical block
 * size and inside the device, but for a last block that the device's end
 * cuts; length is not 0 but for a flush; pieces of memory are aligned as the
 * limits ask (but for the length of the last one, which takes what is left of
 * the bio's), none is empty, and their number and sum keep the limits; nothing
 * is written to a device that says READONLY, nor discarded on one that does
 * not say DISCARD; one channel is used by one thread at a time.
 *
 * The backend promises: each bio accepted ends exactly once, inside submit,
 * commit, reap or cancel of its own channel; no bio is changed; a transfer that
 * came short is continued, or ended with mpio_bio_end_partial(); errno values
 * of the host are translated.
 */
#ifndef MPIO_DEVICE_H
#define MPIO_DEVICE_H

#include <mpio/bio.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mpio_device;

struct mpio_device_ops {
	/**
	 * Do a bio, or begin it. Required.
	 *
	 * @return 0: it has ended, or will; or it was not taken:
	 * @retval -MPIO_EAGAIN  not now; the library reaps and tries again. If
	 *                       there is nothing to reap it does so some
	 *                       hundreds of times, then the bio fails with it
	 * @retval -MPIO_EINTR   the same
	 * @retval other         the bio fails with it
	 */
	int (*submit)(struct mpio_device *device, void *channel,
		      struct mpio_bio *bio);
	/**
	 * Push what submit has gathered. NULL: submit has sent it.
	 *
	 * @return 0, or a negative errno: the backend ends the bios concerned
	 *         with it, here or in its next reap
	 */
	int (*commit)(struct mpio_device *device, void *channel);
	/**
	 * End bios that the device has finished. NULL: submit ends them.
	 *
	 * @param wait  wait until at least one can be ended; never asked for
	 *              with nothing in flight, nor, but with reap_sends, before
	 *              commit was called
	 * @return how many were ended, or a negative errno; -MPIO_EINTR and
	 *         -MPIO_EAGAIN count as none. With any other a bio ends, too,
	 *         that waits for room among those in flight
	 */
	int (*reap)(struct mpio_device *device, void *channel, int wait);
	/** A descriptor that is readable when reap would end something; NULL
	 * or -1: there is none. */
	int (*event_fd)(struct mpio_device *device, void *channel);
	/** Make a channel for `depth` bios in flight. NULL: none needed. */
	int (*channel_open)(struct mpio_device *device, uint32_t depth,
			    void **channel);
	/** Close a channel that has nothing in flight. */
	void (*channel_close)(struct mpio_device *device, void *channel);
	/**
	 * End a bio early, if that can still be done. It ends as ever, inside
	 * this call or in a later reap: with -MPIO_ECANCELED, or with what
	 * came of it. NULL: nothing can be cancelled.
	 */
	void (*cancel)(struct mpio_device *device, void *channel,
		       struct mpio_bio *bio);
	/**
	 * Make I/O on some memory cheaper, from now until the channel is
	 * closed. NULL: nothing to be gained.
	 *
	 * @return 0, or a negative errno: it is used as any other memory
	 */
	int (*register_memory)(struct mpio_device *device, void *channel,
			       void *base, size_t length);
	/**
	 * Say in words what was found and chosen when the device was opened:
	 * lines of 'NAME: VALUE', each ended by a newline; the first is
	 * 'backend: NAME'. As snprintf(): returns how long the whole text is,
	 * and writes what fits, ended by a NUL. NULL: nothing to say.
	 */
	int (*describe)(struct mpio_device *device, char *text, size_t size);
	/** Close the device. NULL: nothing to do. */
	void (*close)(struct mpio_device *device);
	/** Not 0: reap sends what submit has gathered, whether it is to wait or
	 * not, as one call of its system can do both. Then commit need not
	 * have been called before. Takes a reap. */
	int reap_sends;
};

/* does MPIO_BIO_FUA of writes itself; for discards the library flushes */
#define MPIO_DEVICE_FUA (1u << 0)
/* does MPIO_BIO_PREFLUSH of writes itself; before discards the library
 * flushes */
#define MPIO_DEVICE_PREFLUSH (1u << 1)
/* has a volatile cache and flushes it; without, flushes end at once */
#define MPIO_DEVICE_FLUSH (1u << 2)
#define MPIO_DEVICE_DISCARD (1u << 3)
#define MPIO_DEVICE_READONLY (1u << 4)

/** What one bio may be; 0 means no limit, or as told. But a discard may be of
 * any length: the backend takes it apart, if it must. */
struct mpio_limits {
	uint32_t logical_block_size; /* bytes, power of two; 0: 512 */
	uint32_t memory_alignment;   /* bytes, power of two, of address and
				      * length of each piece, but for the
				      * length of the last; 0: any */
	uint32_t segments_max;       /* pieces of memory */
	uint32_t bytes_max;
	uint32_t atomic_unit; /* bytes, power of two, at most bytes_max: of a
			       * write of any length, what lies in one aligned
			       * unit never tears; 0: none */
	uint32_t features;    /* MPIO_DEVICE_* features */
	uint32_t gap_bytes;   /* so many bytes more are read as fast as
			       * another I/O is begun; 0: none */
};

struct mpio_device {
	struct mpio_device_ops ops;
	struct mpio_limits limits;
	uint64_t size; /* bytes; need not be a multiple of anything */
};

#ifdef __cplusplus
}
#endif
#endif

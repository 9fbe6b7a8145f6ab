/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The device suite: does a backend keep the contract of mpio/device.h?
 *
 * One call runs its tests on a device: all operations, sizes around every
 * limit, scattered memory, the device's end, order, flushes, cancelling, event
 * loops, threads. It needs libmpio, libc and threads, and no framework: compile
 * it with your backend. It is installed as source, with a README.
 *
 * Everything on the device is overwritten. Data are told apart by patterns
 * that name the block, its generation and the seed in each 16 bytes, so that
 * what is found in place of what was written says where it came from.
 */
#ifndef MPIO_DEVICE_SUITE_H
#define MPIO_DEVICE_SUITE_H

#include <mpio/device.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What it holds is gone when it is closed. */
#define MPIO_DEVICE_SUITE_VOLATILE (1u << 0)
/* What one channel is given is done in that order, though it may end later. */
#define MPIO_DEVICE_SUITE_ORDERED (1u << 1)
/* A queue belongs to the thread that uses it first, even when it was drained;
 * that another may use it then is not looked at. */
#define MPIO_DEVICE_SUITE_ONE_THREAD (1u << 2)

/** What is to be tested, and how. All but `open` may be 0. */
struct mpio_device_suite {
	const char *name; /* of the backend, for the report */
	/**
	 * Open the device. Called once a test, and some tests do it more often
	 * or ask for another size, never with two open at once.
	 *
	 * @param ctx   the `ctx` below
	 * @param size  bytes; a file is to be extended or cut to that. A
	 *              device with a size of its own may ignore it.
	 * @param[out] device  the device
	 * @return 0 or a negative errno
	 */
	int (*open)(void *ctx, uint64_t size, struct mpio_device **device);
	/** Close it. NULL: `device->ops.close` is called, if there is one. */
	void (*close)(void *ctx, struct mpio_device *device);
	/**
	 * Cut the power of a simulated device that has nothing in flight: what
	 * is not durable is gone. NULL: that a flush reaches the medium is not
	 * looked at, only that it succeeds.
	 */
	void (*cut)(void *ctx, struct mpio_device *device);
	void *ctx;
	uint64_t size;     /* bytes to be used, from 1 MiB on; 0: 8 MiB */
	uint32_t flags;    /* MPIO_DEVICE_SUITE_* flags */
	uint32_t deadline; /* seconds a test may take; 0: 60. Then the I/Os in
			    * flight are printed, and the process aborts. */
	uint64_t seed;     /* of all that is random; 0: another each time */
	const char *only;  /* run the test of this name; NULL: all */
};

/**
 * Run the suite.
 *
 * @param suite  what is to be tested
 * @param out    gets a line for each test, 'ok NAME', 'skip NAME: WHY' or
 *               'FAIL NAME', the latter below lines that say which
 *               expectation failed, with what values; the last line is
 *               'N passed, N failed, N skipped'
 * @return how many tests failed
 */
int mpio_device_suite_run(const struct mpio_device_suite *suite, FILE *out);

/**
 * Name a test.
 *
 * @param index  0, 1, ...
 * @return its name, or NULL: there are no more
 */
const char *mpio_device_suite_test(unsigned index);

#ifdef __cplusplus
}
#endif
#endif

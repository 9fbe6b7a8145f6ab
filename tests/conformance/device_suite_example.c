/* SPDX-License-Identifier: MIT */
/*
 * How a backend of your own runs the device suite: a device in memory stands
 * for it here. Compile this with the suite's other sources and libmpio.
 */
#include "device_suite.h"

#include <mpio/backends/mem.h>
#include <mpio/error.h>
#include <stdlib.h>

/* Open a device of `size` bytes; the suite writes all over it. */
static int open_mine(void *ctx, uint64_t size, struct mpio_device **device)
{
	struct mpio_mem *mem = malloc(sizeof(*mem));
	void *data = calloc(1, (size_t)size);

	(void)ctx;
	if (mem == NULL || data == NULL) {
		free(mem);
		free(data);
		return -MPIO_ENOMEM;
	}
	mpio_mem_init(mem, data, size);
	*device = &mem->device;
	return 0;
}

static void close_mine(void *ctx, struct mpio_device *device)
{
	struct mpio_mem *mem = (struct mpio_mem *)device;

	(void)ctx;
	free(mem->data);
	free(mem);
}

int main(void)
{
	const struct mpio_device_suite suite = {
		.name = "mine",
		.open = open_mine,
		.close = close_mine,
		.flags = MPIO_DEVICE_SUITE_VOLATILE | MPIO_DEVICE_SUITE_ORDERED,
	};

	return mpio_device_suite_run(&suite, stdout) != 0;
}

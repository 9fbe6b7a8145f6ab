/* SPDX-License-Identifier: MIT */
/*
 * Backend mem: a disk in memory, and the model of a least backend. Its one
 * function does the bio and ends it; everything else is the library's.
 */
#include <mpio/backends/mem.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *memory, int byte, size_t size);

static int mem_submit(struct mpio_device *device, void *channel,
		      struct mpio_bio *bio)
{
	struct mpio_mem *mem = (struct mpio_mem *)device;
	unsigned char *at = mem->data + bio->offset;

	(void)channel;
	if (bio->op == MPIO_BIO_DISCARD)
		memset(at, 0, bio->length);
	for (uint32_t i = 0; i < bio->vec_count; i++) {
		const struct mpio_iovec *vec = &bio->vecs[i];

		if (bio->op == MPIO_BIO_READ)
			memcpy(vec->base, at, vec->length);
		else
			memcpy(at, vec->base, vec->length);
		at += vec->length;
	}
	mpio_bio_end(bio, 0);
	return 0;
}

void mpio_mem_init(struct mpio_mem *mem, void *data, uint64_t size)
{
	*mem = (struct mpio_mem){
		.data = data,
		.device =
			{
				.ops = {.submit = mem_submit},
				.limits = {.features = MPIO_DEVICE_DISCARD |
						       MPIO_DEVICE_FUA},
				.size = size,
			},
	};
}

/* SPDX-License-Identifier: MIT */
/*
 * The least engine: two pages of a file that lies on an in-memory disk back to
 * front. Reads them, and ends with 0 if the right bytes came in two I/Os.
 */
#include <mpio/backends/mem.h>
#include <mpio/mpio.h>
#include <mpio/open.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512u

static int ended;

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags,
		     struct mpio_extent *extent)
{
	(void)mapping;
	(void)page;
	(void)flags;
	extent->block = 3 - block;
	extent->count = 1;
	extent->flags = MPIO_EXTENT_MAPPED;
	return 0;
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	(void)mapping;
	(void)page;
	if (status == 0)
		ended++;
}

int main(void)
{
	static unsigned char disk[4 * BLOCK], memory[2][BLOCK];
	static const struct mpio_mapping_ops ops = {.get_block = get_block,
						    .read_end = read_end};
	struct mpio_allocator allocator = mpio_allocator_libc();
	struct mpio_queue_config config = {.allocator = &allocator};
	struct mpio_mapping file = {
		.ops = &ops, .size = sizeof(memory), .block_size = BLOCK};
	struct mpio_page page[2], *pages[2] = {&page[0], &page[1]};
	struct mpio_queue *queue;
	struct mpio_mem mem;
	uint64_t reads;

	memset(disk + 3 * BLOCK, 'a', BLOCK);
	memset(disk + 2 * BLOCK, 'b', BLOCK);
	mpio_mem_init(&mem, disk, sizeof(disk));
	if (mpio_queue_open(&mem.device, &config, &queue) != 0)
		return 2;
	for (unsigned i = 0; i < 2; i++) {
		mpio_page_init(&page[i], &file, i * BLOCK, memory[i], BLOCK);
		page[i].flags |= MPIO_PAGE_LOCKED;
	}
	if (mpio_readahead(queue, &file, pages, 2, 0) != 2)
		return 3;
	mpio_queue_drain(queue);
	reads = mpio_queue_stats(queue)->reads;
	mpio_queue_close(queue);

	printf("%d pages, %d I/Os, %c%c, %s\n", ended, (int)reads,
	       memory[0][0], memory[1][BLOCK - 1], mpio_strerror(0));
	return !(ended == 2 && reads == 2 && memory[0][0] == 'a' &&
		 memory[1][BLOCK - 1] == 'b');
}

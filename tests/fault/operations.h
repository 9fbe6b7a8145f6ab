/* SPDX-License-Identifier: MIT */
/*
 * What scenarios do. Each takes up what an earlier call of it has left undone,
 * so that it can be repeated after a fault. Each returns 0 or the error that a
 * caller of the library was told; pages and bios may still be in flight then.
 */
#ifndef FAULT_OPERATIONS_H
#define FAULT_OPERATIONS_H

#include "world.h"

/* mpio_readahead() of all pages that are not uptodate. */
int run_readahead(struct world *world);
/* mpio_read_page() of each, not waiting between them. */
int run_read_pages(struct world *world);
/* The same, but the next is read from the read_end of the one before. */
int run_read_chain(struct world *world);

/* mpio_writepages() as the scenario's control says. */
int run_writepages(struct world *world);
/* The same, but first some pages go under write-back, and get dirty again. */
int run_writepages_again(struct world *world);
/* The same, and then mpio_queue_flush(). */
int run_write_and_flush(struct world *world);
/* mpio_write_page() of each page. */
int run_write_pages(struct world *world);
/* Dirty pages are written, the clean ones read, through the same queue. */
int run_read_and_write(struct world *world);

/* The scenario's own bios. */
int run_raws(struct world *world);

#endif

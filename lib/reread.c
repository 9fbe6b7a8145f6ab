/* SPDX-License-Identifier: MIT */
/*
 * Reread: a page that could not be read or verified is read from another copy
 * that the engine names, if it has one.
 *
 * Such a page waits in a list of a queue, for it is found where bios end and
 * none may be free there. The queue comes by after every round of ended bios.
 * If the copy lies on another queue that has no bio free, the page goes to
 * that one's list, for it is there that one will be. If nothing is in flight
 * that could bring a bio, the page ends with the error that it had.
 *
 * A copy fills the page whole. So a page that holds bytes which are on no
 * device yet is not read again.
 */
#include "internal.h"

/* Where the copy lies, or NULL: there is none that can be read. */
static struct mpio_queue *locate(struct mpio_queue *queue,
				 struct mpio_page *page, uint64_t *offset)
{
	struct mpio_mapping *mapping = page->mapping;
	uint32_t shift = mpio__log2(mapping->block_size);
	uint32_t attempt = (page->flags >> MPIO__PAGE_ATTEMPT_SHIFT) + 1;
	struct mpio_extent extent = {.count = page->size >> shift};
	struct mpio_queue *where;

	if (page->flags & (MPIO_PAGE_DIRTY | MPIO_PAGE_WRITEBACK))
		return NULL;
	if (mapping->ops->reread(mapping, page, attempt, &extent) != 0)
		return NULL;
	where = extent.queue != NULL ? extent.queue : queue;
	if (!mpio__group_has(queue, where) ||
	    mapping->block_size < where->limits.block ||
	    !mpio__blocks_have_bytes(extent.block, 0, shift))
		return NULL;
	*offset = extent.block << shift;
	if (page->size > where->limits.bytes_max ||
	    !mpio__range_fits(*offset, page->size, where->device->size))
		return NULL;
	return where;
}

/* Fill a bio, which is to read a page from a copy. */
MPIO__APART static void fill(struct mpio_bio *bio, struct mpio_page *page,
			     uint64_t offset)
{
	page->flags += 1u << MPIO__PAGE_ATTEMPT_SHIFT;
	page->flags |= MPIO__PAGE_DEVICE;
	page->pending = 1;
	page->error = 0;
	if (page->blocks != NULL)
		mpio__bytes_set(page, MPIO__UPTODATE, 0, page->size, false);
	bio->offset = offset;
	bio->flags = MPIO_BIO_SYNC;
	bio->end_io = mpio__verify_end_io;
	bio->unit = page->mapping->block_size;
	*bio->segments_end++ = (struct mpio_segment){
		.page = page,
		.length = page->size,
	};
	(void)mpio_bio_add(bio, page->data, page->size);
	bio->queue->stats.retries++;
}

/* There is no other copy: the page ends as it is. */
static void give_up(struct mpio_queue *queue, struct mpio_page *page)
{
	page->flags |= MPIO__PAGE_ATTEMPT_MAX << MPIO__PAGE_ATTEMPT_SHIFT;
	mpio__settle_io(queue, page, MPIO__PAGE_READ);
}

struct mpio_bio *mpio__reread(struct mpio_queue *queue)
{
	struct mpio_page *page;

	while ((page = queue->rereads) != NULL) {
		struct mpio_queue *where;
		struct mpio_bio *bio;
		uint64_t offset;

		queue->rereads = page->next;
		where = locate(queue, page, &offset);
		if (where == NULL) {
			give_up(queue, page);
			continue;
		}
		bio = NULL;
		if (where->stats.in_flight < where->in_flight_max)
			bio = mpio__bio_get(where, false);
		if (bio != NULL) {
			fill(bio, page, offset);
			return bio;
		}
		if (where->stats.in_flight == 0 && where->ended == NULL &&
		    where->plugged_count == 0 && where->parked == NULL) {
			give_up(queue, page);
			continue;
		}
		page->next = where->rereads;
		where->rereads = page;
		if (where == queue)
			break;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Settle: pages that end inside a callback that does not wait for them.
 *
 * Pages that end without I/O, such as holes, may hand in the next such page in
 * their callback, and that one the next. Pages that end while a callback waits
 * for a free bio may do so, and wait in turn. So both are told as those of bios
 * are: in a loop, by the outermost call. Until the callback that runs has
 * returned they wait in a list; or until it waits, or polls.
 *
 * Who waits for a free bio does not come by here: a long list of pages, each of
 * which wants one, would be as many calls deep.
 */
#include "internal.h"

void mpio__settle_later(struct mpio_queue *queue, struct mpio_page *page,
			uint32_t how)
{
	const uint32_t listed =
		MPIO__PAGE_READ | MPIO__PAGE_KNOWN | MPIO__PAGE_WRITTEN;

	if (!(page->flags & listed)) {
		page->next = NULL;
		*queue->settled_tail = page;
		queue->settled_tail = &page->next;
	}
	page->flags |= how;
}

void mpio__settle(struct mpio_queue *queue, struct mpio_page *page,
		  uint32_t how)
{
	mpio__settle_later(queue, page, how);
	if (queue->care & MPIO__CARE_FINISHING)
		return;
	queue->care |= MPIO__CARE_FINISHING;
	(void)mpio__settle_next(queue);
	queue->care &= ~MPIO__CARE_FINISHING;
	/* What its callback has begun, and what they begin. */
	mpio__queue_finish(queue);
}

bool mpio__settle_next(struct mpio_queue *queue)
{
	struct mpio_page *page = queue->settled;
	uint32_t how;

	if (page == NULL)
		return false;
	queue->settled = page->next;
	if (queue->settled == NULL)
		queue->settled_tail = &queue->settled;
	how = page->flags;
	page->flags &=
		~(MPIO__PAGE_READ | MPIO__PAGE_KNOWN | MPIO__PAGE_WRITTEN);
	/* A page may be freed when its read has ended; that comes last. */
	if (how & MPIO__PAGE_WRITTEN)
		mpio__write_page_end(page);
	if (how & MPIO__PAGE_KNOWN)
		mpio__read_known_end(page);
	if (how & MPIO__PAGE_READ)
		mpio__read_page_end(queue, page);
	return true;
}

int mpio__settle_group(struct mpio_queue *queue)
{
	struct mpio_queue *other = queue;
	int n = 0;

	do {
		while (mpio__settle_next(other))
			n++;
		other = other->group;
	} while (other != queue);
	return n;
}

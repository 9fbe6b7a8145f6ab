/* SPDX-License-Identifier: MIT */
/*
 * Write-back: which dirty pages, in which order, how many, and waiting.
 *
 * The engine names dirty pages in batches; each is looked at again when its
 * turn comes, for callbacks may have changed it. The rest of the batch is what
 * is known to follow, so that get_block can be asked for long runs without
 * allocating for pages that this walk will not write.
 *
 * Waiting for a page that is under write-back does not send the bio that is
 * being gathered, unless nothing else is in flight: the page may well continue
 * it.
 */
#include "internal.h"

/* Pages at hand when the queue's array is taken by an outer walk. */
#define FEW_PAGES 2u

/* One call of mpio_writepages(). */
struct walker {
	struct mpio__walk walk;
	struct mpio__ahead ahead;
	struct mpio_writeback_control *wbc;
	uint64_t pos;             /* bytes; the walk goes on here */
	uint64_t end;             /* bytes, exclusive */
	uint32_t flags;           /* of the pages that are to be visited */
	uint32_t sent;            /* bios in flight that are to be waited for */
	int error;                /* the first */
	struct mpio_errseq since; /* what had gone wrong before */
	bool stopped;
	bool at_start; /* the first page may begin before `pos` */
};

static void note_error(struct walker *walker, int error)
{
	if (walker->error == 0)
		walker->error = error;
}

static uint32_t bio_flags(const struct mpio_writeback_control *wbc)
{
	if (wbc->sync_mode == MPIO_SYNC_ALL)
		return MPIO_BIO_SYNC;
	if (wbc->reason == MPIO_REASON_BACKGROUND ||
	    wbc->reason == MPIO_REASON_PERIODIC)
		return MPIO_BIO_BACKGROUND;
	return 0;
}

/* ---- One page --------------------------------------------------------- */

/*
 * Wait until a page is neither locked nor under write-back. 0; the device's
 * error; or -MPIO_EDEADLK: nothing is in flight that could end that.
 */
static int wait_for_page(struct mpio__walk *walk, const struct mpio_page *page)
{
	while (page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK)) {
		int n = mpio_queue_wait(walk->queue);

		if (n < 0)
			return n;
		if (n > 0)
			continue;
		if (walk->build.bio == NULL)
			return -MPIO_EDEADLK;
		mpio__build_send(&walk->build, MPIO_CUT_BATCH_END);
	}
	return 0;
}

/* Whether a page that was named is still to be written; waits if it must. */
MPIO__APART static bool is_ready(struct walker *walker,
				 const struct mpio_page *page)
{
	const uint32_t busy = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;
	int error;

	if (page->mapping != walker->walk.mapping ||
	    !(page->flags & MPIO_PAGE_DIRTY))
		return false;
	if (!(page->flags & busy))
		return true;
	if (!walker->ahead.sync_all) {
		walker->wbc->pages_skipped++;
		return false;
	}
	error = wait_for_page(&walker->walk, page);
	if (error != 0) {
		walker->wbc->pages_skipped++;
		note_error(walker, error);
		return false;
	}
	return page->mapping == walker->walk.mapping &&
	       (page->flags & MPIO_PAGE_DIRTY);
}

/* Pages were dealt with; what nr_to_write allows is looked at after that. */
static void note_done(struct walker *walker, size_t n)
{
	struct mpio_writeback_control *wbc = walker->wbc;

	walker->walk.queue->stats.pages_written += n;
	wbc->nr_to_write -= (int64_t)n;
	if (wbc->nr_to_write <= 0 && !walker->ahead.sync_all)
		walker->stopped = true;
}

static inline void deal_with(struct walker *walker, struct mpio_page *page)
{
	int error;

	if (!is_ready(walker, page))
		return;
	error = mpio__write_one(&walker->walk, &walker->ahead, page);
	if (error != 0)
		note_error(walker, error);
	if (error != 0 && !walker->ahead.sync_all)
		walker->stopped = true;
	else
		note_done(walker, 1);
}

/* ---- The walk --------------------------------------------------------- */

/* Whether a page that was named lies where it can. */
static bool is_in_order(struct walker *walker, const struct mpio_page *page)
{
	bool fits = page->size != 0 && page->pos <= UINT64_MAX - page->size &&
		    page->pos + page->size > walker->pos &&
		    page->pos < walker->end &&
		    (page->pos >= walker->pos || walker->at_start) &&
		    (page->mapping != walker->walk.mapping ||
		     mpio__page_fits(page, walker->walk.mapping));

	if (!fits) {
		note_error(walker, -MPIO_EINVAL);
		walker->stopped = true;
	}
	return fits;
}

/* Behind a page that was visited. */
static void go_on(struct walker *walker, const struct mpio_page *page)
{
	walker->pos = page->pos + page->size;
	walker->at_start = false;
}

static size_t name_pages(struct walker *walker, struct mpio_page **pages,
			 size_t pages_max)
{
	struct mpio__walk *walk = &walker->walk;
	size_t n;

	if (walker->stopped || walker->pos >= walker->end)
		return 0;
	n = walk->mapping->ops->next_dirty(walk->mapping, walker->pos,
					   walker->end, walker->flags, pages,
					   pages_max);
	if (n <= pages_max)
		return n;
	note_error(walker, -MPIO_EINVAL);
	walker->stopped = true;
	return 0;
}

/* Mark what is dirty now, so that only that is visited. */
MPIO__APART static void tag(struct walker *walker, struct mpio_page **pages,
			    size_t pages_max)
{
	uint64_t start = walker->pos;
	size_t n;

	while ((n = name_pages(walker, pages, pages_max)) != 0) {
		for (size_t i = 0; i < n && is_in_order(walker, pages[i]);
		     i++) {
			pages[i]->flags |= MPIO_PAGE_TOWRITE;
			go_on(walker, pages[i]);
		}
	}
	walker->pos = start;
	walker->at_start = true;
}

/* How many of n pages nr_to_write allows. */
static size_t within_budget(const struct walker *walker, size_t n)
{
	int64_t left = walker->wbc->nr_to_write;

	if (walker->wbc->sync_mode == MPIO_SYNC_ALL)
		return n;
	if (left <= 0)
		return 0;
	return (uint64_t)left < n ? (size_t)left : n;
}

/* Write the next of n pages, and those that simply go on after it. */
static size_t visit_some(struct walker *walker, struct mpio_page **pages,
			 size_t n)
{
	size_t many = within_budget(walker, n);
	size_t done;

	if (!is_in_order(walker, pages[0]))
		return 0;
	walker->ahead.pages = pages + 1;
	walker->ahead.count = many != 0 ? many - 1 : 0;
	go_on(walker, pages[0]);
	deal_with(walker, pages[0]);
	if (many < 2 || walker->stopped || pages[1]->pos != walker->pos)
		return 1;
	many = within_budget(walker, n - 1);
	while (many != 0 && pages[many]->pos >= walker->end)
		many--; /* named, though past the range */
	done = mpio__write_many(&walker->walk, pages + 1, many);
	if (done != 0) {
		go_on(walker, pages[done]);
		note_done(walker, done);
	}
	return 1 + done;
}

static void visit(struct walker *walker, struct mpio_page **pages,
		  size_t pages_max)
{
	size_t n;

	while ((n = name_pages(walker, pages, pages_max)) != 0) {
		size_t i = 0;

		while (i < n && !walker->stopped)
			i += visit_some(walker, pages + i, n - i);
	}
}

static void set_range(struct walker *walker)
{
	const struct mpio_writeback_control *wbc = walker->wbc;
	uint64_t end = wbc->range_end;

	if (wbc->range_cyclic) {
		walker->pos = walker->walk.mapping->writeback_pos;
		walker->end = UINT64_MAX;
		return;
	}
	walker->pos = wbc->range_start;
	walker->end = end != 0 ? mpio__add_sat(end, 1) : UINT64_MAX;
}

static void walk_pages(struct walker *walker, struct mpio_page **pages,
		       size_t pages_max)
{
	const struct mpio_writeback_control *wbc = walker->wbc;

	walker->flags = MPIO_PAGE_DIRTY;
	set_range(walker);
	if (wbc->tagged || wbc->sync_mode == MPIO_SYNC_ALL) {
		tag(walker, pages, pages_max);
		walker->flags |= MPIO_PAGE_TOWRITE;
	}
	visit(walker, pages, pages_max);
	mpio__walk_end(&walker->walk);
	if (walker->wbc->range_cyclic)
		walker->walk.mapping->writeback_pos =
			walker->stopped ? walker->pos : 0;
	mpio__queue_finish(walker->walk.queue);
}

/* With the queue's array, or a few pages if an outer walk uses that. */
MPIO__APART static void walk_with_room(struct walker *walker)
{
	struct mpio_queue *queue = walker->walk.queue;
	struct mpio_page *few[FEW_PAGES];

	if (queue->walk_busy) {
		walk_pages(walker, few, FEW_PAGES);
		return;
	}
	queue->walk_busy = true;
	walk_pages(walker, queue->walk_pages, queue->walk_max);
	queue->walk_busy = false;
}

/* ---- The end of a call ------------------------------------------------ */

/* The walk is over, but bios of it will end: they may not count any more. */
static void disown(struct walker *walker)
{
	struct mpio_queue *queue = walker->walk.queue;

	do {
		for (uint32_t i = 0; i < queue->bio_count; i++) {
			if (queue->bios[i].ctx == &walker->sent)
				queue->bios[i].ctx = NULL;
		}
		queue = queue->group;
	} while (queue != walker->walk.queue);
}

/* Wait for what was sent, and tell what went wrong since the caller looked. */
static int sync_end(struct walker *walker)
{
	struct mpio_mapping *mapping = walker->walk.mapping;
	struct mpio_errseq *since = walker->wbc->since;
	int told;

	while (walker->sent != 0) {
		int n = mpio__group_wait(walker->walk.queue);

		if (n > 0)
			continue;
		note_error(walker, n < 0 ? n : -MPIO_EDEADLK);
		disown(walker);
		break;
	}
	(void)mpio__settle_group(walker->walk.queue);
	if (since == NULL)
		since = &walker->since;
	told = mpio_errseq_check_and_advance(&mapping->errors, since);
	/* What passes gives way, for what it told of counts as told. */
	if (told != 0 && walker->error == -MPIO_EDEADLK)
		return told;
	return walker->error != 0 ? walker->error : told;
}

static int walker_init(struct walker *walker, struct mpio_queue *queue,
		       struct mpio_mapping *mapping,
		       struct mpio_writeback_control *wbc)
{
	*walker = (struct walker){.wbc = wbc};
	walker->ahead.sync_all = wbc->sync_mode == MPIO_SYNC_ALL;
	walker->since = mpio_errseq_sample(&mapping->errors);
	walker->at_start = true;
	if (mpio__walk_init(&walker->walk, queue, mapping, MPIO_BIO_WRITE,
			    bio_flags(wbc)) != 0)
		return -MPIO_EINVAL;
	if (wbc->sync_mode == MPIO_SYNC_ALL)
		walker->walk.build.sent = &walker->sent;
	return 0;
}

int mpio_writepages(struct mpio_queue *queue, struct mpio_mapping *mapping,
		    struct mpio_writeback_control *wbc)
{
	struct walker walker;

	if (walker_init(&walker, queue, mapping, wbc) != 0 ||
	    walker.walk.mapping->ops->next_dirty == NULL)
		return -MPIO_EINVAL;
	walk_with_room(&walker);
	return walker.ahead.sync_all ? sync_end(&walker) : walker.error;
}

int mpio_write_page(struct mpio_queue *queue, struct mpio_mapping *mapping,
		    struct mpio_page *page, struct mpio_writeback_control *wbc)
{
	struct mpio_writeback_control none = {.reason = MPIO_REASON_SYNC};
	struct walker walker;
	int64_t skipped;

	if (wbc == NULL)
		wbc = &none;
	if (walker_init(&walker, queue, mapping, wbc) != 0 ||
	    !mpio__page_fits(page, mapping))
		return -MPIO_EINVAL;
	skipped = wbc->pages_skipped;
	if (walker.ahead.sync_all && (page->flags & MPIO_PAGE_WRITEBACK))
		note_error(&walker, wait_for_page(&walker.walk, page));
	if (walker.error == 0)
		deal_with(&walker, page);
	mpio__walk_end(&walker.walk);
	mpio__queue_finish(queue);
	if (walker.ahead.sync_all)
		return sync_end(&walker);
	return wbc->pages_skipped != skipped ? -MPIO_EBUSY : walker.error;
}

/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <mpio/open.h>
#include <mpio/stream.h>

#include <stdlib.h>

/* ---- Files: what the library asks for, and writing ----------------------- */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	(void)page, (void)flags;
	extent->flags = MPIO_EXTENT_MAPPED;
	extent->block = ((struct file *)mapping)->at + block;
	return 0;
}

static size_t next_dirty(struct mpio_mapping *mapping, uint64_t pos,
			 uint64_t end, uint32_t flags, struct mpio_page **pages,
			 size_t max)
{
	const struct file *file = (struct file *)mapping;
	size_t n = 0;

	for (uint64_t i = pos / PAGE; n < max && i < file->count; i++) {
		struct mpio_page *page = file->pages[i];

		if (page != NULL && i * PAGE < end &&
		    (page->flags & flags) == flags)
			pages[n++] = page;
	}
	return n;
}

/* What writes does nothing once something has failed. */
static void write_dirty(struct db *db, struct file *file)
{
	struct mpio_writeback_control wbc = {.sync_mode = MPIO_SYNC_ALL};

	if (db->failed == 0)
		db->failed = mpio_writepages(db->queue, &file->mapping, &wbc);
}

static void flush(struct db *db, int why)
{
	if (db->failed == 0)
		db->failed = why == LEAVE_OUT ? mpio_queue_drain(db->queue)
					      : mpio_queue_flush(db->queue);
}

/* ---- The log ------------------------------------------------------------- */

static struct record *record_at(const struct db *db, uint64_t lsn)
{
	uint64_t at = lsn % db->ring;

	return (struct record *)db->log.pages[at / PAGE_RECORDS]->data +
	       at % PAGE_RECORDS;
}

static uint64_t sum_of(const struct record *record)
{
	uint64_t sum = 14695981039346656037u;

	for (const uint64_t *at = &record->lsn; at < &record->checksum; at++)
		sum = ((sum ^ *at) * 1099511628211u) ^ (sum >> 32);
	return sum;
}

static void append(struct db *db, uint64_t row, const struct row *old,
		   const struct row *new)
{
	struct record *record = record_at(db, db->next);
	uint64_t page = db->next % db->ring / PAGE_RECORDS;

	*record = (struct record){db->next++, db->durable, row, *old, *new, 0};
	record->checksum = sum_of(record);
	db->log.pages[page]->flags |= MPIO_PAGE_DIRTY;
}

static void flush_log(struct db *db, int why)
{
	if (db->durable != db->next) {
		write_dirty(db, &db->log);
		flush(db, why);
		db->durable = db->next;
	}
}

/* ---- The pool ------------------------------------------------------------ */

/* Write all dirty pages, in order; the log of what was done to them first. */
static void clean(struct db *db)
{
	flush_log(db, LOG_FIRST);
	write_dirty(db, &db->heap);
}

/* The clock: a frame that nobody has used since the hand was there last. */
static struct frame *find_victim(struct db *db)
{
	for (size_t tries = 2 * db->pool; tries > 0; tries--) {
		struct frame *frame = &db->clock[db->hand++ % db->pool];

		if (frame->pins == 0 && !frame->used &&
		    !(frame->page.flags & MPIO_PAGE_LOCKED))
			return frame;
		frame->used = false;
	}
	return NULL;
}

/* The frame of a page; its flags tell whether it is to be read. */
static int claim(struct db *db, uint64_t index, struct mpio_page **page)
{
	struct frame *frame;

	if (db->failed != 0 || index >= db->heap.count)
		return db->failed != 0 ? db->failed : -MPIO_EINVAL;
	frame = (struct frame *)db->heap.pages[index];
	if (frame == NULL) {
		frame = find_victim(db);
		if (frame == NULL)
			return -MPIO_EBUSY;
		if (frame->page.flags & MPIO_PAGE_DIRTY)
			clean(db);
		if (db->failed != 0)
			return db->failed;
		if (db->heap.pages[frame->page.pos / PAGE] == &frame->page)
			db->heap.pages[frame->page.pos / PAGE] = NULL;
		db->heap.pages[index] = &frame->page;
		frame->page.pos = index * PAGE;
		frame->page.flags = 0;
	}
	frame->used = true;
	*page = &frame->page;
	return 0;
}

/* ---- Rows and transactions ----------------------------------------------- */

/* A row, to be used before the next one is asked for. */
static int find_row(struct db *db, uint64_t row, struct row **at)
{
	struct mpio_page *page;
	int error = claim(db, row / PAGE_ROWS, &page);

	if (error != 0)
		return error;
	if (!(page->flags & (MPIO_PAGE_LOCKED | MPIO_PAGE_UPTODATE))) {
		page->flags = MPIO_PAGE_LOCKED;
		error = mpio_read_page(db->queue, page->mapping, page);
	}
	if (error == 0 && (page->flags & MPIO_PAGE_LOCKED))
		error = mpio_queue_drain(db->queue);
	if (error == 0 && !(page->flags & MPIO_PAGE_UPTODATE))
		error = page->error != 0 ? page->error : -MPIO_EDEADLK;
	*at = (struct row *)page->data + row % PAGE_ROWS;
	return error;
}

/* Recovery alone changes rows without a record. */
static int change(struct db *db, uint64_t row, const struct row *to,
		  bool logged)
{
	struct row *at;
	int error = find_row(db, row, &at);

	if (error != 0)
		return error;
	if (logged)
		append(db, row, at, to);
	*at = *to;
	db->heap.pages[row / PAGE_ROWS]->flags |= MPIO_PAGE_DIRTY;
	return 0;
}

int db_get(struct db *db, uint64_t row, struct row *to)
{
	struct row *at;
	int error = find_row(db, row, &at);

	if (error == 0)
		*to = *at;
	return error;
}

int db_put(struct db *db, uint64_t row, const struct row *to)
{
	/* With records to undo all, and for the end. */
	uint64_t end = db->next + 1 + (db->next + 1 - db->begin) + 1;

	if (end > db->begin + db->ring)
		return -MPIO_ENOSPC;
	if (end > db->first + db->ring)
		db_checkpoint(db);
	return change(db, row, to, true);
}

int db_commit(struct db *db)
{
	static const struct row none;

	if (db->failed == 0 && db->begin != db->next) {
		append(db, IS_COMMIT, &none, &none);
		flush_log(db, COMMIT);
		db->begin = db->next;
	}
	return db->failed;
}

static void undo(struct db *db, bool logged)
{
	for (uint64_t i = db->next; db->failed == 0 && i-- > db->begin;)
		db->failed = change(db, record_at(db, i)->row,
				    &record_at(db, i)->old, logged);
}

int db_abort(struct db *db)
{
	undo(db, true);
	return db_commit(db);
}

/* What was done before the transaction needs its records no more. */
int db_checkpoint(struct db *db)
{
	clean(db);
	flush(db, CHECKPOINT);
	db->first = db->begin;
	return db->failed;
}

/* ---- Bitmap scan --------------------------------------------------------- */

struct scan {
	struct db *db;
	const uint64_t *map;
	uint64_t page; /* to be looked at next */
};

static int scan_next(void *ctx, uint64_t *pos)
{
	struct scan *scan = ctx;
	uint64_t count = scan->db->heap.count;

	while (scan->page < count && scan->map[scan->page] == 0)
		scan->page++;
	*pos = scan->page * PAGE;
	return scan->page++ < count;
}

static int scan_take(void *ctx, uint64_t pos, struct mpio_page **page)
{
	int error = claim(((struct scan *)ctx)->db, pos / PAGE, page);

	if (error != 0)
		return error == -MPIO_EBUSY ? MPIO_STREAM_NO_FRAME : error;
	((struct frame *)*page)->pins++;
	if ((*page)->flags & MPIO_PAGE_LOCKED)
		return MPIO_STREAM_BUSY;
	if ((*page)->flags & MPIO_PAGE_UPTODATE)
		return MPIO_STREAM_HIT;
	(*page)->flags = MPIO_PAGE_LOCKED;
	return MPIO_STREAM_READ;
}

static void unpin(void *ctx, struct mpio_page *page)
{
	(void)ctx;
	((struct frame *)page)->pins--;
}

int db_scan(struct db *db, const uint64_t *map, uint32_t look_ahead,
	    db_see_fn *see, void *ctx)
{
	static const struct mpio_stream_ops ops = {scan_next, scan_take, unpin};
	struct scan scan = {db, map, 0};
	struct mpio_stream_config config = {.ops = &ops,
					    .ctx = &scan,
					    .look_ahead_max = look_ahead,
					    .allocator = &db->allocator};
	struct mpio_stream *stream = NULL;
	struct mpio_page *page;
	int result = mpio_stream_open(db->queue, &db->heap.mapping, &config,
				      &stream);

	while (result == 0 && (result = mpio_stream_next(stream, &page)) > 0) {
		uint64_t index = page->pos / PAGE;

		result = page->error;
		if (page->flags & MPIO_PAGE_UPTODATE)
			result = see(ctx, index * PAGE_ROWS, map[index],
				     page->data);
		unpin(NULL, page);
	}
	mpio_stream_close(stream);
	return result;
}

/* ---- Recovery ------------------------------------------------------------ */

static bool is_good(const struct db *db, uint64_t lsn)
{
	const struct record *record = record_at(db, lsn);

	return record->lsn == lsn && record->checksum == sum_of(record);
}

/*
 * The newest record tells which were durable: up to there and on from there no
 * record is missing but those that never counted. Returns the newest.
 */
static uint64_t find_log(struct db *db)
{
	uint64_t last = 0, sum = 0;

	db->next = 1;
	for (uint64_t i = 0; i < db->ring; i++) {
		uint64_t lsn = record_at(db, i)->lsn;

		sum |= lsn;
		if (lsn > last && lsn % db->ring == i && is_good(db, lsn)) {
			last = lsn;
			db->next = record_at(db, i)->durable;
		}
	}
	if (last == 0 && sum != 0)
		db->failed = -MPIO_EUCLEAN;
	for (db->first = db->next; is_good(db, db->first - 1);)
		db->first--;
	while (is_good(db, db->next))
		db->next++;
	return last;
}

static void recover(struct db *db)
{
	uint64_t last = find_log(db);

	db->durable = db->next;
	db->begin = db->first;
	for (uint64_t i = db->first; db->failed == 0 && i < db->next; i++) {
		if (record_at(db, i)->row == IS_COMMIT)
			db->begin = i + 1;
		else
			db->failed = change(db, record_at(db, i)->row,
					    &record_at(db, i)->new, false);
	}
	undo(db, false);
	/* Records behind a lost one may be there: none will follow on them. */
	if (LEAVE_OUT != LEAP)
		db->next = last + 2;
	db->begin = db->durable = db->next;
	db_checkpoint(db);
}

/* ---- Opening ------------------------------------------------------------- */

static void set_up(struct db *db, struct file *file, size_t at, size_t count,
		   size_t frame, size_t end)
{
	static const struct mpio_mapping_ops ops = {.get_block = get_block,
						    .next_dirty = next_dirty};

	file->mapping = (struct mpio_mapping){.ops = &ops,
					      .size = (uint64_t)count * PAGE,
					      .block_size = PAGE};
	file->at = at;
	file->count = count;
	file->pages = db->log.pages + at;
	for (; frame < end; frame++)
		mpio_page_init(&db->frames[frame].page, &file->mapping, 0,
			       db->memory.base + frame * PAGE, PAGE);
}

static void read_log(struct db *db, struct file *log)
{
	for (size_t i = 0; i < log->count; i++) {
		log->pages[i] = &db->frames[i].page;
		log->pages[i]->pos = (uint64_t)i * PAGE;
		log->pages[i]->flags = MPIO_PAGE_LOCKED;
	}
	mpio_readahead(db->queue, &log->mapping, log->pages, log->count, 0);
	/* What was read may be in the disk's cache alone. */
	flush(db, AGAIN);
	for (size_t i = 0; i < log->count && db->failed == 0; i++)
		db->failed = log->pages[i]->error;
}

int db_open(struct db *db, struct mpio_device *device, uint32_t log_pages,
	    uint32_t pool)
{
	struct mpio_queue_config config = {.allocator = &db->allocator};
	size_t count = (size_t)(device->size / PAGE);
	size_t n = (size_t)log_pages + pool;

	if (log_pages == 0 || pool == 0 || log_pages >= count)
		return -MPIO_EINVAL;
	*db = (struct db){.allocator = mpio_allocator_libc(), .pool = pool};
	db->ring = (uint64_t)log_pages * PAGE_RECORDS;
	db->frames = calloc(n, sizeof(*db->frames));
	db->log.pages = calloc(count, sizeof(struct mpio_page *));
	db->failed = -MPIO_ENOMEM;
	if (db->frames != NULL && db->log.pages != NULL)
		db->failed = mpio_frames_alloc(&db->memory, PAGE, n);
	if (db->failed == 0)
		db->failed = mpio_queue_open(device, &config, &db->queue);
	if (db->failed == 0) {
		db->clock = db->frames + log_pages;
		set_up(db, &db->log, 0, log_pages, 0, log_pages);
		set_up(db, &db->heap, log_pages, count - log_pages, log_pages,
		       n);
		read_log(db, &db->log);
		recover(db);
	}
	if (db->failed != 0)
		db_close(db);
	return db->failed;
}

void db_close(struct db *db)
{
	mpio_queue_close(db->queue);
	mpio_frames_free(&db->memory);
	free(db->frames);
	free(db->log.pages);
}

/* SPDX-License-Identifier: MIT */
/*
 * Steps, and the model of the files that they change.
 *
 * An error may only be seen if something has failed: by a read, a write or
 * other call while it was made; by a sync, since the handle was told last. And
 * what a sync knows of it must tell: if a page could not be written or a flush
 * failed since then, it may not return 0.
 */
#include "upper.h"

#include "../inject.h"

#include "cache_private.h"

#include <string.h>

/* Nothing that is written; where a read may not write it is still there. */
#define UNTOUCHED 0xa5

/* A step, with its positions counted out. */
struct act {
	const struct step *step;
	struct stack *stack;
	struct handle *handle; /* of `who`, if it is one */
	struct file *file;     /* of the handle, or of `who` */
	uint64_t pos;
	const unsigned char *noise; /* of this step */
	uint64_t before;            /* faults before it */
};

/* ---- Errors that may be ------------------------------------------------- */

void allow(struct stack *stack, uint64_t before, int error)
{
	if (error >= 0)
		return;
	stack->told++;
	check(stack_faults(stack) != before);
}

/* What a sync has said; whatever it was, the handle knows all now. */
static void hear(struct stack *stack, struct handle *handle, int error)
{
	struct file *file = handle->of;

	if (error == 0)
		check(file->failures == handle->failures);
	else
		check(stack_faults(stack) != handle->faults);
	stack->told += error != 0;
	handle->failures = file->failures;
	handle->faults = stack_faults(stack);
}

/* Bytes that a sync has promised; `stop` is no further than the end. */
static void check_durable(const struct stack *stack, const struct file *file,
			  uint64_t start, uint64_t stop)
{
	static const unsigned char zeros[BLOCK];
	const unsigned char *disk;

	if (stack->ground->durable == NULL)
		return;
	disk = stack->ground->durable();
	for (uint64_t at = start; at < stop; at += BLOCK) {
		uint32_t block = (uint32_t)(at / BLOCK);
		size_t length = stop - at < BLOCK ? (size_t)(stop - at) : BLOCK;
		const unsigned char *is =
			file->mapped[block]
				? disk + place_of(stack, file, block) * BLOCK
				: zeros;

		check(memcmp(is, file->model + at, length) == 0);
	}
}

/* ---- Bytes -------------------------------------------------------------- */

static void do_read(const struct act *act)
{
	struct stack *stack = act->stack;
	const struct file *file = act->file;
	size_t length = act->step->length;
	uint64_t left = act->pos < file->size ? file->size - act->pos : 0;
	uint64_t wanted = left < length ? left : length;
	int64_t n;

	memset(stack->buffer, UNTOUCHED, length);
	n = mpio_file_read(&act->handle->file, stack->buffer, length, act->pos);
	/* Nothing is still on its way into the buffer. */
	check(act->handle->file.straight.pending == 0);
	if (n < (int64_t)wanted)
		allow(stack, act->before, -MPIO_EIO);
	if (n < 0)
		return;
	check(n <= (int64_t)wanted && (n != 0 || wanted == 0));
	check(memcmp(stack->buffer, file->model + act->pos, (size_t)n) == 0);
	for (uint64_t i = wanted; i < length; i++)
		check(stack->buffer[i] == UNTOUCHED);
}

/* So many bytes are the file's now. */
static void note_write(const struct act *act, size_t n)
{
	struct file *file = act->file;

	memcpy(file->model + act->pos, act->noise, n);
	if (n != 0 && file->size < act->pos + n)
		file->size = act->pos + n;
}

static void do_write(const struct act *act)
{
	size_t length = act->step->length;
	int64_t n = mpio_file_write(&act->handle->file, act->noise, length,
				    act->pos);

	if (n < (int64_t)length)
		allow(act->stack, act->before, -MPIO_EIO);
	check(n <= (int64_t)length && n != 0);
	if (n > 0)
		note_write(act, (size_t)n);
	check(mpio_file_size(&act->handle->file) == act->file->size);
}

/* The same through the cache alone, in one page. */
static void do_change(const struct act *act)
{
	uint32_t length = act->step->length;
	struct mpio_page *page;
	int error = mpio_cache_write_begin(
		&act->file->cached, act->stack->queue, act->pos, length, &page);

	allow(act->stack, act->before, error);
	if (error != 0)
		return;
	memcpy((unsigned char *)page->data + (act->pos - page->pos), act->noise,
	       length);
	mpio_cache_write_end(page, act->pos, length);
	note_write(act, length);
}

static void check_page(const struct file *file, const struct mpio_page *page,
		       uint64_t pos, uint32_t length)
{
	check(page->pos <= pos && pos + length <= page->pos + page->size);
	check(memcmp((unsigned char *)page->data + (pos - page->pos),
		     file->model + pos, length) == 0);
}

static void do_fill(const struct act *act)
{
	struct stack *stack = act->stack;
	uint32_t length = act->step->length;
	struct mpio_page *page;
	int error = mpio_cache_grab(&act->file->cached, stack->queue, act->pos,
				    &page);

	if (error == 0) {
		uint32_t offset = (uint32_t)(act->pos - page->pos);

		error = mpio_cache_fill(page, stack->queue, offset, length);
		if (error == 0) {
			check(mpio_cache_is_uptodate(page, offset, length));
			check_page(act->file, page, act->pos, length);
		}
		mpio_cache_release(page);
	}
	allow(stack, act->before, error);
}

static void do_get(const struct act *act)
{
	struct stack *stack = act->stack;
	struct mpio_page *page;
	uint32_t i = 0;
	int error = mpio_cache_get(&act->file->cached, stack->queue, act->pos,
				   &page);

	allow(stack, act->before, error);
	if (error != 0)
		return;
	check_page(act->file, page, act->pos - act->pos % PAGE, PAGE);
	while (i < PINS && stack->pins[i] != NULL)
		i++;
	check(i < PINS);
	stack->pins[i] = page;
}

static void put_all(struct stack *stack)
{
	for (uint32_t i = 0; i < PINS; i++) {
		if (stack->pins[i] != NULL)
			mpio_cache_put(stack->pins[i]);
		stack->pins[i] = NULL;
	}
}

/* ---- Writing back ------------------------------------------------------- */

static void do_sync(const struct act *act)
{
	int error = mpio_file_sync(&act->handle->file);

	hear(act->stack, act->handle, error);
	if (error == 0)
		check_durable(act->stack, act->file, 0, act->file->size);
}

static void do_sync_range(const struct act *act)
{
	uint64_t end = act->step->length;
	uint64_t stop = (end + PAGE - 1) / PAGE * PAGE;
	int error = mpio_file_sync_range(&act->handle->file, act->pos, end);

	hear(act->stack, act->handle, error);
	if (end == 0 || stop > act->file->size)
		stop = act->file->size;
	if (error == 0)
		check_durable(act->stack, act->file, act->pos - act->pos % PAGE,
			      stop);
}

static void do_walk(const struct act *act)
{
	uint32_t how = act->step->how;
	struct mpio_writeback_control wbc = {
		.sync_mode = how & WALK_ALL ? MPIO_SYNC_ALL : MPIO_SYNC_NONE,
		.reason = MPIO_REASON_PERIODIC,
		.nr_to_write = act->step->length,
		.range_cyclic = (how & WALK_CYCLIC) != 0,
		.tagged = (how & WALK_TAGGED) != 0,
	};
	uint64_t failures = act->file->failures;
	int error = mpio_cache_writepages(&act->file->cached, act->stack->queue,
					  &wbc);

	allow(act->stack, act->before, error);
	check(error != 0 || act->file->failures == failures);
}

static void do_work(const struct act *act)
{
	struct stack *stack = act->stack;
	uint64_t failures = stack->files[0].failures + stack->files[1].failures;
	int result = mpio_cache_work(stack->cache, stack->queue);

	allow(stack, act->before, result);
	check(result < 0 ||
	      failures == stack->files[0].failures + stack->files[1].failures);
}

/* ---- The end of file, and pages that go --------------------------------- */

/* It failed half-way: the rest of the last block may be zeros already. */
static void adopt_zeros(struct file *file, uint64_t size)
{
	uint64_t end = (size + BLOCK - 1) / BLOCK * BLOCK;
	struct mpio_page *page;

	if (mpio_cache_find(&file->cached, size, &page) != 0)
		return;
	if (end > file->size)
		end = file->size;
	for (uint64_t at = size; at < end; at++) {
		unsigned char byte =
			((unsigned char *)page->data)[at - page->pos];

		check(byte == 0 || byte == file->model[at]);
		file->model[at] = byte;
	}
	mpio_cache_put(page);
}

/* The rest of the last block is zeros on the device, or will be. */
static void check_rest(const struct act *act)
{
	const struct file *file = act->file;
	uint32_t block = (uint32_t)(file->size / BLOCK);
	uint32_t rest = (uint32_t)(file->size % BLOCK);
	const unsigned char *at = act->stack->ground->image();

	if (rest == 0 || !file->mapped[block] || file_is_dirty(file, block))
		return;
	at += place_of(act->stack, file, block) * BLOCK;
	for (; rest < BLOCK; rest++)
		check(at[rest] == 0);
}

static void do_truncate(const struct act *act)
{
	struct file *file = act->file;
	uint64_t size = act->pos;
	bool shrinks = size < file->size;
	int error = mpio_file_truncate(&act->handle->file, size);

	allow(act->stack, act->before, error);
	if (error != 0) {
		if (shrinks)
			adopt_zeros(file, size);
	} else {
		if (shrinks)
			memset(file->model + size, 0,
			       (size_t)(file->size - size));
		file->size = size;
		for (uint64_t i = (size + BLOCK - 1) / BLOCK; i < file->blocks;
		     i++)
			file->mapped[i] = false;
		if (shrinks)
			check_rest(act);
	}
	check(mpio_file_size(&act->handle->file) == file->size);
}

static void do_advise(const struct act *act)
{
	enum mpio_advice advice = (enum mpio_advice)act->step->how;
	int error = mpio_file_advise(&act->handle->file, act->pos,
				     act->step->length, advice);

	check(error == 0 || advice == MPIO_ADVICE_DONTNEED);
	allow(act->stack, act->before, error);
}

static void do_invalidate(const struct act *act)
{
	int error = mpio_cache_invalidate(&act->file->cached, act->stack->queue,
					  act->pos, act->step->length);

	if (error != -MPIO_EBUSY)
		allow(act->stack, act->before, error);
}

static void do_ahead(const struct act *act)
{
	int n = mpio_cache_readahead(&act->file->cached, act->stack->queue,
				     act->pos, act->step->length,
				     MPIO_READ_AHEAD);

	check(n <= (int)act->step->length);
	allow(act->stack, act->before, n);
}

/* ---- All of them -------------------------------------------------------- */

static void do_poll(const struct act *act)
{
	allow(act->stack, act->before, mpio_queue_poll(act->stack->queue));
}

static void do_put(const struct act *act)
{
	put_all(act->stack);
}

static void do_room(const struct act *act)
{
	act->stack->room = act->step->length;
}

static void do_stream(const struct act *act)
{
	stream_do(act->stack, act->step);
}

typedef void step_fn(const struct act *act);

static step_fn *const functions[] = {
	[READ] = do_read,
	[WRITE] = do_write,
	[SYNC] = do_sync,
	[SYNC_RANGE] = do_sync_range,
	[TRUNCATE] = do_truncate,
	[ADVISE] = do_advise,
	[WORK] = do_work,
	[WALK] = do_walk,
	[INVALIDATE] = do_invalidate,
	[GET] = do_get,
	[PUT] = do_put,
	[FILL] = do_fill,
	[CHANGE] = do_change,
	[AHEAD] = do_ahead,
	[POLL] = do_poll,
	[ROOM] = do_room,
	[STREAM] = do_stream,
};

static bool has_handle(enum verb verb)
{
	return verb <= ADVISE;
}

void steps_do(struct stack *stack)
{
	const struct step *step = stack->scenario->steps;

	for (uint32_t i = 0; i < STEPS_MAX && step[i].verb != END; i++) {
		struct act act = {.step = &step[i], .stack = stack};

		if (has_handle(step[i].verb)) {
			act.handle = &stack->handles[step[i].who];
			act.file = act.handle->of;
		} else {
			act.file = &stack->files[step[i].who % FILES];
		}
		act.pos = step[i].pos;
		for (uint32_t n = 0; n == 0 || n < step[i].times; n++) {
			act.noise = stack->noise + i * 1021 + act.pos;
			act.before = stack_faults(stack);
			functions[step[i].verb](&act);
			act.pos += (uint64_t)(int64_t)step[i].stride;
		}
	}
	put_all(stack);
}

void steps_tell(struct stack *stack)
{
	for (uint32_t i = 0; i < HANDLES; i++) {
		struct handle *handle = &stack->handles[i];
		bool news = handle->failures != handle->of->failures;
		int error = mpio_file_sync(&handle->file);

		check((error != 0) == news);
		hear(stack, handle, error);
		check(mpio_file_sync(&handle->file) == 0);
	}
}

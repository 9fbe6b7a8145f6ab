/* SPDX-License-Identifier: MIT */
/*
 * Plug: bios are held back, sorted, merged and sent in one batch.
 *
 * What may pass what: a flush, a preflush and a fua write are passed by
 * nothing and pass nothing, so they empty the plug before and after. Of two
 * bios that overlap, one of them writing, the second empties the plug too. All
 * others may change places, so the plug is sorted by device offset, and bios
 * that touch there are joined while the limits allow.
 */
#include "internal.h"

static bool conflicts(const struct mpio_bio *a, const struct mpio_bio *b)
{
	if (a->op == MPIO_BIO_READ && b->op == MPIO_BIO_READ)
		return false;
	return a->offset < b->offset + b->length &&
	       b->offset < a->offset + a->length;
}

/* ---- Sorting ---------------------------------------------------------- */

/* Let bios[root] sink until no child is further on the device. */
static void sink(struct mpio_bio **bios, uint32_t root, uint32_t n)
{
	struct mpio_bio *bio = bios[root];
	uint32_t child;

	while ((child = 2 * root + 1) < n) {
		if (child + 1 < n &&
		    bios[child]->offset < bios[child + 1]->offset)
			child++;
		if (bios[child]->offset <= bio->offset)
			break;
		bios[root] = bios[child];
		root = child;
	}
	bios[root] = bio;
}

/* A heap sort: in place, no recursion, and no bad case. */
static void sort(struct mpio_bio **bios, uint32_t n)
{
	for (uint32_t i = n / 2; i > 0; i--)
		sink(bios, i - 1, n);
	for (uint32_t i = n; i > 1; i--) {
		struct mpio_bio *last = bios[i - 1];

		bios[i - 1] = bios[0];
		bios[0] = last;
		sink(bios, 0, i - 1);
	}
}

static bool is_sorted(struct mpio_bio *const *bios, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		if (bios[i - 1]->offset > bios[i]->offset)
			return false;
	}
	return true;
}

/* ---- Merging ---------------------------------------------------------- */

/* Pieces of memory that two bios come to, the touching ones joined. */
static uint32_t pieces(const struct mpio_bio *a, const struct mpio_bio *b)
{
	const struct mpio_iovec *last = &a->vecs[a->vec_count - 1];
	bool joins = (char *)last->base + last->length == b->vecs[0].base;

	return a->vec_count + b->vec_count - (joins ? 1 : 0);
}

/*
 * Pages of a bio end one after the other. What a `verify` or `reread` waits for
 * may need a page of another file to end: that one is not to come behind it.
 */
static bool may_end_together(const struct mpio_bio *a, const struct mpio_bio *b)
{
	return a->end_io != mpio__verify_end_io ||
	       a->segments->page->mapping == b->segments->page->mapping;
}

/* Bios of pages that end the same way: only those can be made one. */
static bool can_merge(const struct mpio_queue *queue, const struct mpio_bio *a,
		      const struct mpio_bio *b)
{
	const struct mpio_plan_limits *limits = &queue->limits;

	return a->offset + a->length == b->offset && a->op == b->op &&
	       a->flags == b->flags && mpio__segment_count(a) != 0 &&
	       mpio__segment_count(b) != 0 && a->end_io == b->end_io &&
	       a->ctx == b->ctx && b->length <= limits->bytes_max - a->length &&
	       pieces(a, b) <= limits->pieces_max &&
	       mpio__segment_count(a) + mpio__segment_count(b) <=
		       limits->segments_max &&
	       may_end_together(a, b);
}

static bool has_room(const struct mpio_bio *a, const struct mpio_bio *b)
{
	return pieces(a, b) <= a->vecs_max &&
	       mpio__segment_count(a) + mpio__segment_count(b) <=
		       a->segments_max;
}

/* How far what was plugged is sent. */
struct batch {
	uint32_t n;
	uint32_t next;  /* the first that is neither sent nor merged */
	uint32_t spare; /* none before this one has room to spare */
};

/* A large bio of pages that would do with a small one. */
static bool is_roomy(const struct mpio_queue *queue, const struct mpio_bio *bio)
{
	const struct mpio_plan_limits *small = &queue->small_limits;
	uint32_t n = mpio__segment_count(bio);

	return !bio->small && n != 0 && n <= small->segments_max &&
	       bio->vec_count <= small->pieces_max;
}

/* The large bio of one that is still to be sent, which gets a small one. */
static struct mpio_bio *trade(struct mpio_queue *queue, struct batch *batch)
{
	uint32_t i = mpio__max_u32(batch->spare, batch->next);
	struct mpio_bio *small;

	if (queue->free_small == NULL)
		return NULL;
	while (i < batch->n && !is_roomy(queue, queue->plugged[i]))
		i++;
	batch->spare = i;
	if (i == batch->n)
		return NULL;
	small = mpio__bio_get(queue, false);
	mpio__bio_move(small, queue->plugged[i]);
	queue->plugged[i] = small;
	return mpio__bio_get(queue, true);
}

/* A bio with room for the next too: a, or a larger one; NULL: there is none. */
static struct mpio_bio *make_room(struct mpio_queue *queue, struct mpio_bio *a,
				  struct batch *batch)
{
	struct mpio_bio *large;

	if (has_room(a, queue->plugged[batch->next]))
		return a;
	large = mpio__bio_get(queue, true);
	if (large == NULL)
		large = trade(queue, batch);
	if (large != NULL)
		mpio__bio_move(large, a);
	return large;
}

/* Join the next to a. Returns the bio that is both; NULL: it cannot be. */
MPIO__APART static struct mpio_bio *
merge(struct mpio_queue *queue, struct mpio_bio *a, struct batch *batch)
{
	struct mpio_bio *b;
	uint32_t n;

	if (!can_merge(queue, a, queue->plugged[batch->next]))
		return NULL;
	a = make_room(queue, a, batch);
	if (a == NULL)
		return NULL;
	b = queue->plugged[batch->next++];
	n = mpio__segment_count(b);
	for (uint32_t i = 0; i < b->vec_count; i++)
		(void)mpio_bio_add(a, b->vecs[i].base,
				   (uint32_t)b->vecs[i].length);
	memcpy(a->segments_end, b->segments, n * sizeof(*b->segments));
	a->segments_end += n;
	a->unit = mpio__min_u32(a->unit, b->unit);
	a->gapped = a->gapped || b->gapped;
	a->plain = a->plain && b->plain &&
		   a->segments->page->mapping == b->segments->page->mapping;
	queue->stats.merges++;
	if (queue->event != NULL)
		mpio__event(queue, MPIO_EVENT_MERGE, b, 0);
	if (b->ctx != NULL)
		--*(uint32_t *)b->ctx; /* counted as one from now on */
	mpio_bio_put(b);
	return a;
}

/* ---- The plug --------------------------------------------------------- */

static void send_all(struct mpio_queue *queue)
{
	struct batch batch = {queue->plugged_count, 0, 0};

	queue->plugged_count = 0;
	queue->plugged_changes = 0;
	queue->plugged_start = UINT64_MAX;
	queue->plugged_end = 0;
	if (!is_sorted(queue->plugged, batch.n))
		sort(queue->plugged, batch.n);
	while (batch.next < batch.n) {
		struct mpio_bio *bio = queue->plugged[batch.next++];
		struct mpio_bio *both;

		while (batch.next < batch.n &&
		       (both = merge(queue, bio, &batch)) != NULL)
			bio = both;
		mpio__queue_launch(queue, bio);
	}
}

void mpio__plug_send(struct mpio_queue *queue)
{
	if (queue->plugged_count != 0)
		send_all(queue);
}

void mpio__plug_flush(struct mpio_queue *queue)
{
	mpio__plug_send(queue);
	mpio__queue_commit(queue);
}

/* Before or behind all that is plugged, as what is written in order does. */
static bool lies_apart(const struct mpio_queue *queue,
		       const struct mpio_bio *bio)
{
	return bio->offset >= queue->plugged_end ||
	       bio->offset + bio->length <= queue->plugged_start;
}

bool mpio__plug_takes(const struct mpio_queue *queue,
		      const struct mpio_bio *bio)
{
	uint32_t n = queue->plugged_count;

	/* Reads do not mind each other. */
	if (bio->op == MPIO_BIO_READ && queue->plugged_changes == 0)
		return n < queue->plugged_max;
	if (lies_apart(queue, bio))
		return n < queue->plugged_max;
	for (uint32_t i = 0; i < n; i++) {
		if (conflicts(queue->plugged[i], bio))
			return false;
	}
	return n < queue->plugged_max;
}

void mpio__plug_add(struct mpio_queue *queue, struct mpio_bio *bio)
{
	uint64_t end = bio->offset + bio->length;

	bio->state = MPIO__BIO_PLUGGED;
	queue->plugged[queue->plugged_count++] = bio;
	queue->plugged_start = mpio__min_u64(queue->plugged_start, bio->offset);
	if (end > queue->plugged_end)
		queue->plugged_end = end;
	queue->plugged_changes += bio->op != MPIO_BIO_READ;
}

void mpio__plug_remove(struct mpio_queue *queue, struct mpio_bio *bio)
{
	struct mpio_bio **bios = queue->plugged;
	uint32_t i = 0;

	while (bios[i] != bio)
		i++;
	queue->plugged_count--;
	queue->plugged_changes -= bio->op != MPIO_BIO_READ;
	memmove(&bios[i], &bios[i + 1],
		(queue->plugged_count - i) * sizeof(struct mpio_bio *));
}

void mpio_queue_plug(struct mpio_queue *queue)
{
	queue->plug_depth++;
	queue->care |= MPIO__CARE_PLUGGED;
}

void mpio_queue_unplug(struct mpio_queue *queue)
{
	if (queue->plug_depth == 0 || --queue->plug_depth != 0)
		return;
	queue->care &= ~MPIO__CARE_PLUGGED;
	mpio__plug_flush(queue);
	mpio__queue_finish(queue);
}

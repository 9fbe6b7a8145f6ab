/* SPDX-License-Identifier: MIT */
/*
 * Plays a trial and compares what came out: the I/Os with the sequence of
 * pieces that is to be moved and with the least number of I/Os, the pages and
 * the devices with the model, byte for byte.
 *
 * The I/Os are flattened first: each piece (a block, or a unit of it where the
 * limits may split blocks) must come from the right place on the device and go
 * to the right place in memory, in file order, once. Where they were split
 * must keep every limit, and no other split may have fewer parts.
 */
#include "enumerate.h"
#include <stdio.h>
#include <string.h>

/** A piece that is to be moved. */
struct piece {
	unsigned block;
	uint64_t offset; /* bytes, on the device */
	uint32_t length;
	uint8_t queue;
	bool optional;
	bool ends_block; /* it is the last one of its block */
	const unsigned char *memory;
};

static uint32_t offset_in_page(const struct stage *s, unsigned b)
{
	return (uint32_t)(b * s->t->block_size -
			  s->page[s->out->page_of[b]].pos);
}

static unsigned char *block_memory(const struct stage *s, unsigned b)
{
	return s->memory[s->out->page_of[b]] + offset_in_page(s, b);
}

/** List what is to be moved, in file order. */
static unsigned list_pieces(const struct stage *s, struct piece *pieces)
{
	const struct trial *t = s->t;
	bool halves = t->bytes_max % t->block_size != 0;
	uint32_t size = halves ? UNIT : t->block_size;
	bool sealed = t->op == TRIAL_WRITE && t->engine == ENGINE_SEALS;
	unsigned count = 0;

	for (unsigned b = 0; b < t->block_count; b++) {
		uint32_t length = s->out->length[b];
		unsigned char *memory = block_memory(s, b);

		if (s->out->fate[b] == FATE_STAY)
			continue;
		if (sealed)
			memory = stage_shadow(memory);
		for (uint32_t at = 0; at < length; at += size) {
			struct piece *piece = &pieces[count++];

			piece->block = b;
			piece->offset =
				(uint64_t)t->block[b].device * t->block_size +
				at;
			piece->length = length - at < size ? length - at : size;
			piece->queue = t->block[b].queue;
			piece->optional = s->out->fate[b] == FATE_MAY;
			piece->ends_block = at + size >= length;
			piece->memory = memory + at;
		}
	}
	return count;
}

/** Whether an I/O goes on at byte `at` with this piece, in memory too. */
static bool has_piece(const struct io_record *io, uint32_t at,
		      const struct piece *piece)
{
	uint32_t start = 0;

	if (io->queue != piece->queue || io->offset + at != piece->offset ||
	    io->length - at < piece->length)
		return false;
	for (uint32_t i = 0; i < io->vec_count; i++) {
		uint32_t length = (uint32_t)io->vecs[i].length;

		if (at >= start && at < start + length)
			return (unsigned char *)io->vecs[i].base +
					       (at - start) ==
				       piece->memory &&
			       start + length - at >= piece->length;
		start += length;
	}
	return false;
}

/** The sequence that was moved, and where it was split. */
struct moved {
	struct piece pieces[UNITS_MAX];
	unsigned count;
	uint32_t cuts;
	unsigned ios;
	unsigned vecs[UNITS_MAX]; /* of each I/O */
};

/** Take apart one I/O. @return how many of the pieces it has used up. */
static unsigned flatten_io(const struct io_record *io,
			   const struct piece *pieces, unsigned count,
			   struct moved *m)
{
	unsigned used = 0;

	for (uint32_t at = 0; at < io->length;) {
		while (used < count && pieces[used].optional &&
		       !has_piece(io, at, &pieces[used]))
			used++;
		if (used == count || !has_piece(io, at, &pieces[used]))
			return 0;
		at += pieces[used].length;
		m->pieces[m->count++] = pieces[used++];
	}
	return used;
}

static const char *flatten(const struct stage *s, struct moved *m)
{
	struct piece pieces[UNITS_MAX];
	unsigned count = list_pieces(s, pieces);
	unsigned at = 0;

	memset(m, 0, offsetof(struct moved, count));
	m->count = m->cuts = m->ios = 0;
	for (unsigned i = 0; i < s->io_count; i++) {
		const struct io_record *io = &s->io[i];
		unsigned used;

		if (io->retry)
			continue;
		if (m->count > 0)
			m->cuts |= 1u << (m->count - 1);
		used = flatten_io(io, pieces + at, count - at, m);
		if (used == 0)
			return "an I/O is not what comes next in file order";
		at += used;
		m->vecs[m->ios++] = io->vec_count;
	}
	for (; at < count; at++)
		if (!pieces[at].optional)
			return "a block was not moved";
	return NULL;
}

/** Whether a boundary lies in the blocks from `first` to before `end`. */
static bool boundary_between(const struct trial *t, unsigned first,
			     unsigned end)
{
	for (unsigned b = first; b < end; b++)
		if (t->block[b].boundary)
			return true;
	return false;
}

/**
 * Say how pieces follow each other. A boundary parts them if its block is
 * moved; if it isn't (it was uptodate already) the library may part them too,
 * and does so if `parted`.
 */
static void describe(const struct stage *s, const struct moved *m, bool parted,
		     struct sequence *q)
{
	memset(q, 0, sizeof(*q));
	q->count = m->count;
	q->length[0] = m->pieces[0].length;
	for (unsigned i = 1; i < m->count; i++) {
		const struct piece *last = &m->pieces[i - 1];
		const struct piece *next = &m->pieces[i];
		bool joins;

		q->length[i] = next->length;
		joins = last->queue == next->queue &&
			last->offset + last->length == next->offset;
		if (last->ends_block && s->t->block[last->block].boundary)
			joins = false;
		if (parted &&
		    boundary_between(s->t, last->block + 1, next->block))
			joins = false;
		if (!joins)
			q->apart |= 1u << (i - 1);
		joins = last->memory + last->length == next->memory;
		if (!joins)
			q->new_piece |= 1u << (i - 1);
		if (!joins || s->out->page_of[last->block] !=
				      s->out->page_of[next->block])
			q->new_part |= 1u << (i - 1);
	}
}

static const char *check_vecs(const struct moved *m, const struct sequence *q)
{
	unsigned io = 0;
	unsigned pieces = 1;

	if (m->count == 0)
		return NULL;
	for (unsigned i = 1; i < m->count; i++) {
		if (m->cuts >> (i - 1) & 1) {
			if (m->vecs[io++] != pieces)
				return "neighbours in memory are not joined";
			pieces = 1;
		} else if (q->new_piece >> (i - 1) & 1) {
			pieces++;
		}
	}
	if (m->vecs[io] != pieces)
		return "neighbours in memory are not joined";
	return NULL;
}

static const char *check_ios(const struct stage *s)
{
	struct moved m;
	struct sequence q;
	unsigned least;
	const char *wrong = flatten(s, &m);

	if (wrong != NULL)
		return wrong;
	if (m.ios != s->ios_before)
		return "the queue's statistics count other I/Os";
	describe(s, &m, false, &q);
	if (!sequence_legal(&q, s->limits, m.cuts))
		return "an I/O breaks a limit or passes a boundary";
	wrong = check_vecs(&m, &q);
	if (wrong != NULL)
		return wrong;
	least = sequence_least(&q, s->limits);
	if (s->verbose)
		printf("%u I/Os, the least is %u\n", m.ios, least);
	if (m.ios > least) {
		describe(s, &m, true, &q);
		least = sequence_least(&q, s->limits);
	}
	if (m.ios > least)
		return "there are more I/Os than needed";
	if (s->calls > engine_calls_max(s->t, s->out))
		return "get_block was called too often";
	return NULL;
}

/* The pages. */

static bool bytes_are(const unsigned char *got,
		      const struct outcome_bytes *want, uint32_t size)
{
	if (want->bytes == NULL)
		return false;
	if (memcmp(got, want->bytes, size) == 0)
		return true;
	return want->or_bytes != NULL && memcmp(got, want->or_bytes, size) == 0;
}

static bool is_listed(const int *errors, unsigned count, int error)
{
	if (count == 0)
		return error == 0;
	for (unsigned i = 0; i < count; i++)
		if (errors[i] == error)
			return true;
	return false;
}

static const char *check_end(const struct stage *s, unsigned p)
{
	const struct outcome_page *want = &s->out->page[p];

	if (s->ends[p] != (want->ends ? 1u : 0u))
		return "a page's end is not told, or there is none to tell";
	if (s->ends[p] != 0 &&
	    !is_listed(want->errors, want->error_count, s->status[p]))
		return "a page's status is wrong";
	if ((s->page[p].flags & want->on) != want->on ||
	    (s->page[p].flags & want->off) != 0)
		return "a page's flags are wrong";
	return NULL;
}

/** A block of a page that failed to be read: kept, or free, but no lie. */
static const char *check_failed_read(const struct stage *s, unsigned b)
{
	const struct mpio_page *page = &s->page[s->out->page_of[b]];
	uint32_t index = offset_in_page(s, b) / s->t->block_size;
	bool same = bytes_are(block_memory(s, b), &s->out->memory[b],
			      s->t->block_size);

	if (!trial_has_state(s->t, b))
		return NULL;
	if (s->t->block[b].mark && !same)
		return "a block that was uptodate has changed";
	if (!mpio_page_block_uptodate(page, index))
		return s->t->block[b].mark ? "a block is no more uptodate"
					   : NULL;
	if (s->out->failing[b] || !same)
		return "a block is called uptodate and is not";
	return NULL;
}

static const char *check_read_block(const struct stage *s, unsigned b)
{
	unsigned p = s->out->page_of[b];

	if (s->out->page[p].error_count > 0)
		return check_failed_read(s, b);
	if (!bytes_are(block_memory(s, b), &s->out->memory[b],
		       s->t->block_size))
		return "a page's bytes are wrong";
	if (trial_has_state(s->t, b) &&
	    !(s->words[p][0] >> (offset_in_page(s, b) / s->t->block_size) & 1))
		return "a block that was read is not uptodate";
	return NULL;
}

static const char *check_written_block(const struct stage *s, unsigned b)
{
	unsigned p = s->out->page_of[b];
	const struct outcome_page *want = &s->out->page[p];
	bool was = s->t->block[b].mark && (s->t->page_state[p] == PAGE_WANTED ||
					   s->t->page_state[p] == PAGE_BUSY);
	bool is;

	if (!bytes_are(block_memory(s, b), &s->out->memory[b],
		       s->t->block_size))
		return "the bytes of a written page have changed";
	if (!trial_has_state(s->t, b))
		return NULL;
	is = mpio_page_block_dirty(&s->page[p],
				   offset_in_page(s, b) / s->t->block_size);
	if (is && (!was || (want->off & MPIO_PAGE_DIRTY)))
		return "a block is dirty and should not be";
	if (!is && was && (s->out->failing[b] || !want->ends))
		return "a block was not written and is not dirty";
	return NULL;
}

static const char *check_pages(const struct stage *s)
{
	const struct trial *t = s->t;
	const char *wrong = NULL;

	for (unsigned p = 0; p < t->page_count && wrong == NULL; p++)
		if (t->page_state[p] != PAGE_ABSENT)
			wrong = check_end(s, p);
	for (unsigned b = 0; b < t->block_count && wrong == NULL; b++)
		wrong = t->op == TRIAL_READ ? check_read_block(s, b)
					    : check_written_block(s, b);
	if (wrong == NULL && !stage_guards_whole())
		wrong = "bytes beside the pages have changed";
	return wrong;
}

/* What else a write leaves. */

static const char *check_disks(const struct stage *s)
{
	const uint32_t size = s->t->block_size;

	for (unsigned q = 0; q < QUEUES_MAX; q++) {
		if (s->received[q] == 0)
			continue;
		for (unsigned d = 0; d < DEVICE_BLOCKS; d++)
			if (!bytes_are(stage_disk[q] + (size_t)d * size,
				       &s->out->disk[q][d], size))
				return "a device's bytes are wrong";
	}
	return NULL;
}

/** Every byte of a good page that was written is told, and none that wasn't. */
static const char *check_told(const struct stage *s)
{
	const uint32_t size = s->t->block_size;

	if (s->t->engine != ENGINE_TOLD)
		return NULL;
	for (unsigned b = 0; b < s->t->block_count; b++) {
		bool good = s->out->page[s->out->page_of[b]].error_count == 0;
		uint32_t must = 0;

		if (s->out->fate[b] == FATE_MOVE && good)
			must = s->out->length[b];
		for (uint32_t at = 0; at < size; at += UNIT) {
			bool told = s->told >> ((b * size + at) / UNIT) & 1;

			if (!told && at < must)
				return "written() was not told of a block";
			if (told && (s->out->fate[b] == FATE_STAY ||
				     s->out->failing[b]))
				return "written() was told of a block not so";
		}
	}
	return NULL;
}

static const char *check_accounts(const struct stage *s)
{
	if (s->t->engine != ENGINE_TOLD)
		return NULL;
	for (unsigned p = 0; p < s->t->page_count; p++) {
		const struct outcome_page *page = &s->out->page[p];

		if (s->accounts[p] > 1)
			return "account() came twice for a page";
		if (!page->mapped || page->bytes_moved == 0)
			continue;
		if (s->accounts[p] == 0)
			return "account() did not come for a page";
		if (s->accounted[p] != page->bytes_moved &&
		    s->t->device_size % s->t->block_size == 0)
			return "account() was told a wrong number of bytes";
	}
	return NULL;
}

static const char *check_announced(const struct stage *s)
{
	for (unsigned b = 0; b < s->t->block_count; b++)
		if ((s->allocated >> b & 1) && !(s->announced >> b & 1) &&
		    s->out->fate[b] == FATE_MOVE && s->t->engine == ENGINE_TOLD)
			return "new_blocks() did not come for a block";
	return NULL;
}

/** A page that moved whole was verified or sealed, if the engine does that. */
static const char *check_seals(const struct stage *s)
{
	for (unsigned p = 0; p < s->t->page_count; p++) {
		const struct outcome_page *page = &s->out->page[p];
		bool must =
			s->t->engine == ENGINE_SEALS && page->bytes_moved > 0;

		if (s->t->op == TRIAL_READ && page->error_count > 0) {
			if (s->seals[p] != 0)
				return "verify() came for a page that failed";
			continue;
		}
		if (must && page->error_count == 0 && s->seals[p] != 1)
			return "a page was not verified or sealed";
	}
	return NULL;
}

static const char *check_result(const struct stage *s)
{
	const struct outcome *out = s->out;
	int64_t nr = s->t->nr == WRITE_ALL_PAGES ? MPIO_WRITE_ALL : s->t->nr;
	int remembered = mpio_errseq_check(&s->mapping.errors, NULL);
	bool known = !out->fails && remembered == 0;

	if (!is_listed(out->errors, out->error_count, s->result))
		return "the call returns a wrong result";
	for (unsigned p = 0; p < s->t->page_count; p++)
		if (out->page[p].error_count > 0 &&
		    is_listed(out->page[p].errors, out->page[p].error_count,
			      remembered))
			known = true;
	if (!known)
		return "the mapping remembers a wrong error";
	if (s->t->op == TRIAL_READ || s->t->single)
		return NULL;
	if (s->wbc.nr_to_write != nr - (int64_t)out->written)
		return "nr_to_write is wrong";
	if (s->wbc.pages_skipped != out->skipped)
		return "pages_skipped is wrong";
	return NULL;
}

static const char *check_write(const struct stage *s)
{
	const char *wrong = check_disks(s);

	if (wrong == NULL)
		wrong = check_told(s);
	if (wrong == NULL)
		wrong = check_accounts(s);
	if (wrong == NULL)
		wrong = check_announced(s);
	return wrong;
}

/** Blocks that failed I/Os took along, for trials without isolation. */
static uint32_t lost_blocks(const struct stage *s)
{
	uint32_t lost = 0;

	for (unsigned i = 0; i < s->io_count; i++) {
		const struct io_record *io = &s->io[i];

		for (unsigned b = 0; io->failed && b < s->t->block_count; b++) {
			uint64_t at = (uint64_t)s->t->block[b].device *
				      s->t->block_size;

			if (s->out->fate[b] != FATE_STAY &&
			    s->t->block[b].queue == io->queue &&
			    at >= io->offset && at < io->offset + io->length)
				lost |= 1u << b;
		}
	}
	return lost;
}

static void restore_disks(const struct stage *s)
{
	size_t size = (size_t)DEVICE_BLOCKS * s->t->block_size;

	if (s->t->op == TRIAL_READ)
		return;
	for (unsigned q = 0; q < QUEUES_MAX; q++)
		if (s->received[q] != 0)
			memcpy(stage_disk[q], model_disk[q], size);
}

const char *check_trial(const struct trial *t, bool verbose)
{
	static struct stage stage;
	static struct outcome outcome;
	const char *wrong;

	model_run(t, 0, &outcome);
	stage.verbose = verbose;
	stage_play(&stage, t, &outcome);
	if (!t->isolate && t->bad != 0)
		model_run(t, lost_blocks(&stage), &outcome);
	wrong = stage.wrong;
	if (wrong == NULL)
		wrong = check_ios(&stage);
	if (wrong == NULL)
		wrong = check_pages(&stage);
	if (wrong == NULL)
		wrong = check_seals(&stage);
	if (wrong == NULL)
		wrong = check_result(&stage);
	if (wrong == NULL && t->op == TRIAL_WRITE)
		wrong = check_write(&stage);
	restore_disks(&stage);
	return wrong;
}

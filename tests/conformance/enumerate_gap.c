/* SPDX-License-Identifier: MIT */
/*
 * Gaps: every small layout, on the library itself.
 *
 * A file of six blocks, in pages of several shapes. A word says of each block
 * where it lies: behind the last one, a little further on, elsewhere, nowhere,
 * or in its page already. It is read with gaps on and with gaps off, on a
 * device that is good, that fails whatever touches a block that nobody asked
 * for, or that moves half of what it is asked for. Then
 *
 *     every byte of every page, and beside it, is as the naive model has it
 *     I/Os move each block that is needed once, begin and end with such a one,
 *         and keep the limits, those on gaps too
 *     there are never more I/Os than with gaps off, and, where the share of
 *         gaps is not limited, no more than there must be: every split of the
 *         sequence of runs is tried
 */
#include "enumerate_gap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_BLOCKS = 6,
	LETTERS = 7,
	REGION = 40, /* blocks of the device between two places 'elsewhere' */
	DISK_BLOCKS = REGION * (FILE_BLOCKS + 1),
	SHAPE_COUNT = 5,
	CONFIGS = 12,
	MODES = 3,
	NOWHERE = -1
};

enum mode { GOOD, BAD_GAPS, SHORT };

static const uint8_t shapes[SHAPE_COUNT][FILE_BLOCKS] = {
	{1, 1, 1, 1, 1, 1}, {2, 2, 2}, {3, 3}, {1, 4, 1}, {6},
};

/* One trial, and what became of it. */
static struct {
	enum mode mode;
	int place[FILE_BLOCKS]; /* block of the device, or NOWHERE */
	bool there[FILE_BLOCKS];
	uint8_t needed[DISK_BLOCKS]; /* how often it is still to be read */
	unsigned page_count;
	struct mpio_page page[FILE_BLOCKS];
	uint64_t words[FILE_BLOCKS][2];
	unsigned ends;
	const char *wrong;

	const struct mpio_plan_limits *limits;
	unsigned ios;
	uint64_t wasted; /* bytes */
} now;

static unsigned char disk[DISK_BLOCKS * UNIT];
static unsigned char memory[(2 * FILE_BLOCKS + 1) * UNIT];
static unsigned char expected[sizeof(memory)];

static void wrong(const char *what)
{
	if (now.wrong == NULL)
		now.wrong = what;
}

/* The device. */

/** Look at an I/O that is tried for the first time. */
static void check_io(const struct mpio_bio *bio)
{
	const struct mpio_plan_limits *limits = now.limits;
	uint32_t first = (uint32_t)(bio->offset / UNIT);
	uint32_t count = bio->length / UNIT;
	uint32_t wasted = 0;
	uint32_t gap = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (now.needed[first + i] != 0) {
			now.needed[first + i]--;
			gap = 0;
			continue;
		}
		wasted += UNIT;
		gap += UNIT;
		if (gap > limits->gap_max)
			wrong("a gap is too large");
		if (i == 0 || i == count - 1)
			wrong("an I/O begins or ends with a gap");
	}
	if (wasted * 100 > bio->length * limits->gap_percent)
		wrong("there are more gaps than their share");
	if (bio->length > limits->bytes_max ||
	    bio->vec_count > limits->pieces_max)
		wrong("an I/O breaks a limit");
	now.ios++;
	now.wasted += wasted;
}

static bool touches_a_gap(const struct mpio_bio *bio)
{
	for (uint64_t at = bio->offset; at < bio->offset + bio->length;
	     at += UNIT) {
		bool asked = false;

		for (unsigned b = 0; b < FILE_BLOCKS; b++)
			if (!now.there[b] && now.place[b] == (int)(at / UNIT))
				asked = true;
		if (!asked)
			return true;
	}
	return false;
}

static int submit(struct mpio_device *device, void *channel,
		  struct mpio_bio *bio)
{
	uint32_t length = bio->length;
	uint64_t at = bio->offset;

	(void)device;
	(void)channel;
	if (now.mode == GOOD)
		check_io(bio);
	if (now.mode == BAD_GAPS && touches_a_gap(bio)) {
		mpio_bio_end(bio, -MPIO_EIO);
		return 0;
	}
	if (now.mode == SHORT && length > UNIT)
		length = length / UNIT / 2 * UNIT;
	for (uint32_t i = 0; at < bio->offset + length; i++) {
		size_t left = (size_t)(bio->offset + length - at);
		size_t n = bio->vecs[i].length;

		memcpy(bio->vecs[i].base, disk + at, n < left ? n : left);
		at += n;
	}
	mpio_bio_end_partial(bio, length);
	return 0;
}

static struct mpio_device device = {
	.ops = {.submit = submit},
	.limits = {.logical_block_size = UNIT},
	.size = sizeof(disk),
};

/* The engine. */

static int get_block(struct mpio_mapping *mapping, struct mpio_page *page,
		     uint64_t block, uint32_t flags, struct mpio_extent *extent)
{
	const int *place = &now.place[block];
	uint64_t n = 1;

	(void)mapping;
	(void)page;
	(void)flags;
	while (n < extent->count &&
	       place[n] == (*place == NOWHERE ? NOWHERE : *place + (int)n))
		n++;
	extent->count = n;
	if (*place != NOWHERE) {
		extent->block = (uint64_t)*place;
		extent->flags = MPIO_EXTENT_MAPPED;
	}
	return 0;
}

static void read_end(struct mpio_mapping *mapping, struct mpio_page *page,
		     int status)
{
	(void)mapping;
	if (status != 0 || !(page->flags & MPIO_PAGE_UPTODATE))
		wrong("a page has failed");
	now.ends++;
}

static const struct mpio_mapping_ops ops = {
	.get_block = get_block,
	.read_end = read_end,
};

static struct mpio_mapping mapping = {
	.ops = &ops,
	.size = FILE_BLOCKS * UNIT,
	.block_size = UNIT,
};

/* Words. */

static void spell(uint64_t word)
{
	static const int further[] = {1, 2, 3, 5};
	int region = FILE_BLOCKS;
	int last = region * REGION - 1;

	for (unsigned b = 0; b < FILE_BLOCKS; b++) {
		unsigned letter = (unsigned)(word % LETTERS);

		word /= LETTERS;
		now.place[b] = NOWHERE;
		now.there[b] = letter == 6;
		if (letter == 5)
			continue; /* a hole */
		if (letter == 4)
			last = --region * REGION;
		else
			last += letter == 6 ? 1 : further[letter];
		now.place[b] = last;
	}
}

/* Pages with a block of guard bytes before each, and one behind the last. */
static void make_pages(const uint8_t *shape)
{
	unsigned b = 0;

	memset(memory, 0xee, sizeof(memory));
	memset(expected, 0xee, sizeof(expected));
	memset(now.words, 0, sizeof(now.words));
	now.page_count = 0;
	while (b < FILE_BLOCKS) {
		unsigned p = now.page_count++;
		size_t at = (b + p + 1) * UNIT;

		mpio_page_init(&now.page[p], &mapping, b * UNIT, memory + at,
			       shape[p] * (uint32_t)UNIT);
		now.page[p].flags = MPIO_PAGE_LOCKED;
		now.page[p].blocks = now.words[p];
		for (unsigned i = 0; i < shape[p]; i++, b++, at += UNIT) {
			if (now.there[b]) {
				now.words[p][0] |= 1u << i;
				memset(memory + at, 0x77, UNIT);
				memset(expected + at, 0x77, UNIT);
			} else if (now.place[b] == NOWHERE) {
				memset(expected + at, 0, UNIT);
			} else {
				memcpy(expected + at,
				       disk + now.place[b] * UNIT, UNIT);
			}
		}
		/* A page that has nothing needs no state of its blocks. */
		if (now.words[p][0] == 0)
			now.page[p].blocks = NULL;
	}
}

/* The runs that pages are cut into, in file order. */
static void list_runs(struct gap_layout *l)
{
	unsigned b = 0;

	l->count = 0;
	for (unsigned p = 0; p < now.page_count; p++) {
		unsigned end = b + now.page[p].size / UNIT;
		bool goes_on = false;

		for (; b < end; b++) {
			struct gap_run *last = &l->run[l->count];

			if (now.there[b] || now.place[b] == NOWHERE) {
				goes_on = false;
				continue;
			}
			goes_on =
				goes_on && now.place[b] == now.place[b - 1] + 1;
			if (goes_on) {
				last[-1].blocks++;
			} else {
				last->at = (uint32_t)now.place[b];
				last->blocks = 1;
				l->count++;
			}
			goes_on = true;
		}
	}
}

/* Configurations. */

static struct mpio_queue *queues[2][CONFIGS]; /* gaps off, on */
static void *queue_memory[2][CONFIGS];

/* Odd ones limit the share of gaps. */
static struct mpio_queue *open_queue(unsigned config, bool gaps)
{
	static const uint32_t gap[] = {1, 4};
	static const uint32_t pieces[] = {0, 4, 0};
	static const uint32_t blocks[] = {0, 0, 6};
	struct mpio_queue_config c = {
		.bios = 2,
		.segments_max = pieces[config / 4],
		.bytes_max = blocks[config / 4] * UNIT,
		.gap_percent = config % 2 != 0 ? 60 : 100,
		.gap_bytes = gap[config / 2 % 2] * UNIT,
		.flags = gaps ? 0 : MPIO_QUEUE_NO_GAPS,
		.walk_pages = 1,
	};

	c.memory_size = mpio_queue_size(&device, &c);
	c.memory = malloc(c.memory_size);
	queue_memory[gaps][config] = c.memory;
	if (c.memory == NULL ||
	    mpio_queue_open(&device, &c, &queues[gaps][config]) != 0)
		abort();
	return queues[gaps][config];
}

static void close_queues(void)
{
	for (unsigned i = 0; i < 2 * CONFIGS; i++) {
		mpio_queue_close(queues[i / CONFIGS][i % CONFIGS]);
		free(queue_memory[i / CONFIGS][i % CONFIGS]);
	}
}

/* A trial. */

static void play(unsigned config, bool gaps, const uint8_t *shape)
{
	struct mpio_page *pages[FILE_BLOCKS];
	struct mpio_queue *queue = queues[gaps][config];
	const struct mpio_stats *stats;
	uint64_t wasted;
	int n;

	if (queue == NULL)
		queue = open_queue(config, gaps);
	stats = mpio_queue_stats(queue);
	wasted = stats->bytes_wasted;
	make_pages(shape);
	n = (int)now.page_count;
	for (int p = 0; p < n; p++)
		pages[p] = &now.page[p];
	memset(now.needed, 0, sizeof(now.needed));
	for (unsigned b = 0; b < FILE_BLOCKS; b++)
		if (now.place[b] != NOWHERE && !now.there[b])
			now.needed[now.place[b]] = 1;
	now.limits = mpio_queue_limits(queue);
	now.ios = now.ends = 0;
	now.wasted = 0;
	if (mpio_readahead(queue, &mapping, pages, (size_t)n, 0) != n ||
	    now.ends != now.page_count)
		wrong("a page was not finished");
	if (memcmp(memory, expected, sizeof(memory)) != 0)
		wrong("bytes of a page, or beside it, are wrong");
	if (now.mode != GOOD)
		return;
	for (unsigned i = 0; i < DISK_BLOCKS; i++)
		if (now.needed[i] != 0)
			wrong("a block was not read");
	if (stats->bytes_wasted - wasted != now.wasted)
		wrong("the statistics tell another waste");
}

static const char *check(unsigned config, enum mode mode, const uint8_t *shape)
{
	struct gap_layout layout;
	unsigned off;
	unsigned least;

	now.mode = mode;
	now.wrong = NULL;
	play(config, true, shape);
	if (mode != GOOD || now.wrong != NULL)
		return now.wrong;
	list_runs(&layout);
	least = gap_least(&layout, now.limits);
	if (now.ios < least)
		return "there are fewer I/Os than there can be";
	if (config % 2 == 0 && now.ios > least)
		return "there are more I/Os than needed";
	off = now.ios;
	play(config, false, shape);
	if (now.wrong == NULL && now.ios < off)
		return "there are more I/Os than with gaps off";
	return now.wrong;
}

uint64_t gap_enumerate(uint64_t stride, uint64_t first, uint64_t *failed)
{
	const uint64_t trials = (uint64_t)LETTERS * LETTERS * LETTERS *
				LETTERS * LETTERS * LETTERS * SHAPE_COUNT *
				CONFIGS * MODES;
	uint64_t passed = 0;

	*failed = 0;
	for (size_t i = 0; i < sizeof(disk); i++)
		disk[i] = (unsigned char)(i / UNIT * 31 + i % 251 + 1);
	for (uint64_t n = first; n < trials; n += stride) {
		enum mode mode = (enum mode)(n % MODES);
		unsigned config = (unsigned)(n / MODES % CONFIGS);
		unsigned shape = (unsigned)(n / MODES / CONFIGS % SHAPE_COUNT);
		const char *what;

		spell(n / MODES / CONFIGS / SHAPE_COUNT);
		what = check(config, mode, shapes[shape]);
		if (what == NULL) {
			passed++;
			continue;
		}
		if (++*failed <= 5)
			printf("gaps: trial %llu: %s\n", (unsigned long long)n,
			       what);
	}
	close_queues();
	return passed;
}

/* SPDX-License-Identifier: MIT */
/*
 * The input statements of a scenario.
 *
 * A table names what may stand before the `expect` line and who reads it.
 * Whether the inputs fit together (sizes, places in order, states for each
 * block) is looked at when all of them are known, so that their order in the
 * file is free.
 */
#include "vectors.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 512, PAGE_MAX = 65536, SEGMENTS_MAX = 256 };

enum once {
	ONCE_PAGE_SIZE = 1u << 0,
	ONCE_BLOCK_SIZE = 1u << 1,
	ONCE_FILE_SIZE = 1u << 2,
	ONCE_DEVICE_SIZE = 1u << 3,
	ONCE_MAX_BIO_PAGES = 1u << 4,
	ONCE_OP = 1u << 5,
	ONCE_WBC = 1u << 6
};

/* ---- Words -------------------------------------------------------------- */

bool vectors_number(const char *word, uint64_t *number)
{
	uint64_t value = 0;

	if (*word == '\0')
		return false;
	for (; *word; word++) {
		uint64_t digit = (uint64_t)(unsigned char)*word - '0';

		if (*word < '0' || *word > '9' ||
		    value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

/** Read all words behind the first as numbers, exactly `count` of them. */
static bool numbers(struct vectors_draft *d, const struct vectors_line *line,
		    uint64_t *to, size_t count)
{
	if (line->count != count + 1)
		return vectors_malformed(d->file, "'%s' takes %zu number%s",
					 line->words[0], count,
					 count == 1 ? "" : "s");
	for (size_t i = 0; i < count; i++) {
		if (!vectors_number(line->words[i + 1], &to[i]))
			return vectors_malformed(d->file, "'%s' is no number",
						 line->words[i + 1]);
	}
	return true;
}

static bool once(struct vectors_draft *d, const struct vectors_line *line,
		 uint32_t which)
{
	if (d->seen & which)
		return vectors_malformed(d->file, "a second '%s'",
					 line->words[0]);
	d->seen |= which;
	return true;
}

/* ---- Input statements --------------------------------------------------- */

static bool parse_size(struct vectors_draft *d, const struct vectors_line *line)
{
	static const char *const names[] = {"page_size", "block_size",
					    "file_size", "device_size",
					    "max_bio_pages"};
	struct vectors_scenario *s = d->s;
	uint64_t *const to[] = {&s->page_size, &s->block_size, &s->file_size,
				&s->device_size, &s->max_bio_pages};
	size_t i = 0;

	while (strcmp(names[i], line->words[0]) != 0)
		i++;
	return once(d, line, 1u << i) && numbers(d, line, to[i], 1);
}

static bool parse_op(struct vectors_draft *d, const struct vectors_line *line)
{
	struct vectors_line rest = {line->words + 1, line->count - 1};
	const char *op = line->count > 1 ? line->words[1] : "";
	uint64_t places[2] = {0, 1};

	if (!once(d, line, ONCE_OP))
		return false;
	if (strcmp(op, "readahead") == 0) {
		d->s->op = VECTORS_READAHEAD;
		if (!numbers(d, &rest, places, 2))
			return false;
	} else if (strcmp(op, "read_page") == 0) {
		d->s->op = VECTORS_READ_PAGE;
		if (!numbers(d, &rest, places, 1))
			return false;
	} else if (strcmp(op, "writepages") == 0) {
		d->s->op = VECTORS_WRITEPAGES;
		if (!numbers(d, &rest, places, 0))
			return false;
	} else {
		return vectors_malformed(d->file, "no such op: '%s'", op);
	}
	d->s->op_first = places[0];
	d->s->op_count = places[1];
	return true;
}

/** Return whether a word is a number or `max`. */
static bool number_or_max(const char *word, uint64_t max, uint64_t *number)
{
	if (strcmp(word, "max") == 0) {
		*number = max;
		return true;
	}
	return vectors_number(word, number);
}

static bool parse_range(char *value, struct vectors_wbc *wbc)
{
	char *dash = strchr(value, '-');
	bool ok;

	if (!dash)
		return false;
	*dash = '\0';
	ok = vectors_number(value, &wbc->start) &&
	     number_or_max(dash + 1, UINT64_MAX, &wbc->end);
	*dash = '-';
	return ok;
}

static bool parse_key(struct vectors_wbc *wbc, size_t key, char *value)
{
	uint64_t number = 0;

	switch (key) {
	case 0:
		wbc->sync_all = strcmp(value, "all") == 0;
		return wbc->sync_all || strcmp(value, "none") == 0;
	case 1:
		if (!number_or_max(value, INT64_MAX, &number) ||
		    number > INT64_MAX)
			return false;
		wbc->nr_to_write = (int64_t)number;
		return true;
	case 2:
		return parse_range(value, wbc);
	case 3:
		wbc->cyclic = strcmp(value, "1") == 0;
		return wbc->cyclic || strcmp(value, "0") == 0;
	default:
		return vectors_number(value, &wbc->index);
	}
}

static bool parse_wbc(struct vectors_draft *d, const struct vectors_line *line)
{
	static const char *const keys[] = {
		"sync=", "nr_to_write=", "range=", "cyclic=", "index="};
	uint32_t seen = 0;

	if (!once(d, line, ONCE_WBC))
		return false;
	for (size_t i = 1; i < line->count; i++) {
		char *word = line->words[i];
		size_t key = 0;

		while (key < 5 &&
		       strncmp(word, keys[key], strlen(keys[key])) != 0)
			key++;
		if (key == 5 || seen & 1u << key ||
		    !parse_key(&d->s->wbc, key, word + strlen(keys[key])))
			return vectors_malformed(d->file, "bad key: '%s'",
						 word);
		seen |= 1u << key;
	}
	return true;
}

static bool parse_map(struct vectors_draft *d, const struct vectors_line *line)
{
	static const char *const names[] = {"boundary", "uptodate", "new"};
	struct vectors_scenario *s = d->s;
	struct vectors_line places = {line->words,
				      line->count < 4 ? line->count : 4};
	struct vectors_extent *extent;
	uint64_t at[3];
	bool flags[3] = {false, false, false};

	if (!numbers(d, &places, at, 3))
		return false;
	for (size_t i = 4; i < line->count; i++) {
		size_t k = 0;

		while (k < 3 && strcmp(line->words[i], names[k]) != 0)
			k++;
		if (k == 3 || flags[k])
			return vectors_malformed(d->file, "bad flag: '%s'",
						 line->words[i]);
		flags[k] = true;
	}
	if (at[2] == 0 || at[0] + at[2] < at[0] || at[1] + at[2] < at[1])
		return vectors_malformed(d->file, "an impossible extent");
	if (flags[1] && at[2] != 1)
		return vectors_malformed(d->file, "'uptodate' has one block");
	s->extents =
		vectors_grow(s->extents, &s->extent_count, sizeof(*s->extents));
	extent = &s->extents[s->extent_count - 1];
	*extent = (struct vectors_extent){.first = at[0],
					  .block = at[1],
					  .count = at[2],
					  .boundary = flags[0],
					  .uptodate = flags[1],
					  .fresh = flags[2]};
	if (s->extent_count > 1 &&
	    extent[-1].first + extent[-1].count > extent->first)
		return vectors_malformed(d->file,
					 "extents overlap, or out of order");
	return true;
}

static bool parse_fail(struct vectors_draft *d, const struct vectors_line *line)
{
	uint64_t block;

	if (!numbers(d, line, &block, 1))
		return false;
	d->s->fails =
		vectors_grow(d->s->fails, &d->s->fail_count, sizeof(block));
	d->s->fails[d->s->fail_count - 1] = block;
	return true;
}

static bool parse_bad(struct vectors_draft *d, const struct vectors_line *line)
{
	uint64_t block;

	if (!numbers(d, line, &block, 1))
		return false;
	d->s->bads = vectors_grow(d->s->bads, &d->s->bad_count, sizeof(block));
	d->s->bads[d->s->bad_count - 1] = block;
	return true;
}

/** Read the states of a page's blocks, from a word on. */
static bool parse_blocks(struct vectors_draft *d,
			 const struct vectors_line *line, size_t from,
			 struct vectors_page *page)
{
	static const char letters[] = "MDU";

	page->block_count = line->count - from;
	page->blocks = vectors_alloc(page->block_count + 1, 1);
	for (size_t i = 0; i < page->block_count; i++) {
		const char *word = line->words[from + i];

		if (strcmp(word, "-") == 0)
			continue;
		for (; *word; word++) {
			const char *letter = strchr(letters, *word);
			uint8_t bit;

			if (!letter)
				return vectors_malformed(
					d->file, "'%s' is no block state",
					line->words[from + i]);
			bit = (uint8_t)(1u << (letter - letters));
			if (page->blocks[i] & bit)
				return vectors_malformed(d->file,
							 "'%s' says it twice",
							 line->words[from + i]);
			page->blocks[i] |= bit;
		}
	}
	return true;
}

static bool parse_page(struct vectors_draft *d, const struct vectors_line *line)
{
	struct vectors_scenario *s = d->s;
	struct vectors_line place = {line->words,
				     line->count < 2 ? line->count : 2};
	struct vectors_page *page;
	uint64_t index;

	if (!numbers(d, &place, &index, 1))
		return false;
	s->pages = vectors_grow(s->pages, &s->page_count, sizeof(*s->pages));
	page = &s->pages[s->page_count - 1];
	page->index = index;
	page->line = d->file->line;
	for (size_t i = 2; i < line->count; i++) {
		const char *word = line->words[i];
		bool *flag = strcmp(word, "uptodate") == 0    ? &page->uptodate
			     : strcmp(word, "dirty") == 0     ? &page->dirty
			     : strcmp(word, "writeback") == 0 ? &page->writeback
							      : NULL;

		if (strcmp(word, "buffers") == 0)
			return parse_blocks(d, line, i + 1, page);
		if (!flag || *flag)
			return vectors_malformed(d->file, "bad word: '%s'",
						 word);
		*flag = true;
	}
	return true;
}

/* ---- Whether the inputs fit together ------------------------------------ */

static bool power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool check_sizes(struct vectors_draft *d)
{
	static const uint32_t needed = ONCE_PAGE_SIZE | ONCE_BLOCK_SIZE |
				       ONCE_FILE_SIZE | ONCE_DEVICE_SIZE |
				       ONCE_MAX_BIO_PAGES | ONCE_OP;
	const struct vectors_scenario *s = d->s;

	if ((d->seen & needed) != needed)
		return vectors_malformed(d->file,
					 "a size or the op is missing in '%s'",
					 s->name);
	if (!power_of_two(s->block_size) || s->block_size < BLOCK_MIN ||
	    s->block_size > s->page_size)
		return vectors_malformed(d->file, "bad block_size in '%s'",
					 s->name);
	if (!power_of_two(s->page_size) || s->page_size > PAGE_MAX)
		return vectors_malformed(d->file, "bad page_size in '%s'",
					 s->name);
	if (s->device_size % 512 != 0)
		return vectors_malformed(d->file, "bad device_size in '%s'",
					 s->name);
	if (s->max_bio_pages < 1 || s->max_bio_pages > SEGMENTS_MAX)
		return vectors_malformed(d->file, "bad max_bio_pages in '%s'",
					 s->name);
	if (s->wbc.index > UINT64_MAX / s->page_size)
		return vectors_malformed(d->file, "bad index in '%s'", s->name);
	if (d->seen & ONCE_WBC && s->op != VECTORS_WRITEPAGES)
		return vectors_malformed(d->file, "a wbc for a read in '%s'",
					 s->name);
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

static bool check_map(struct vectors_draft *d)
{
	struct vectors_scenario *s = d->s;

	if (s->fail_count)
		qsort(s->fails, s->fail_count, sizeof(*s->fails),
		      compare_numbers);
	if (s->bad_count)
		qsort(s->bads, s->bad_count, sizeof(*s->bads), compare_numbers);
	for (size_t i = 0; i < s->fail_count; i++) {
		if (vectors_find_extent(s, s->fails[i]))
			return vectors_malformed(
				d->file, "'fail' lies in an extent in '%s'",
				s->name);
	}
	for (size_t i = 0; i < s->extent_count; i++) {
		if (s->extents[i].uptodate && s->op == VECTORS_WRITEPAGES)
			return vectors_malformed(
				d->file,
				"'uptodate' extent for a write in "
				"'%s'",
				s->name);
	}
	return true;
}

/** A page that is declared: does it fit the op, and do its blocks? */
static bool check_page(struct vectors_draft *d, const struct vectors_page *page)
{
	const struct vectors_scenario *s = d->s;
	uint64_t blocks = vectors_page_blocks(s);

	d->file->line = page->line; /* for the message */
	if (s->op == VECTORS_READAHEAD)
		return vectors_malformed(d->file, "a page for a readahead");
	if (s->op == VECTORS_READ_PAGE &&
	    (page->index != s->op_first || !page->blocks))
		return vectors_malformed(d->file, "read_page takes its own "
						  "page, with buffers");
	if (!page->blocks)
		return true;
	if (page->block_count != blocks)
		return vectors_malformed(d->file, "%zu states for %llu blocks",
					 page->block_count,
					 (unsigned long long)blocks);
	for (size_t i = 0; i < page->block_count; i++) {
		if (page->blocks[i] & VECTORS_BLOCK_MAPPED &&
		    !vectors_find_extent(s, page->index * blocks + i))
			return vectors_malformed(
				d->file, "block %zu is M, but in no extent", i);
	}
	return true;
}

static int compare_pages(const void *a, const void *b)
{
	const struct vectors_page *x = a;
	const struct vectors_page *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

/** Check the declared pages, then make the list of all pages. */
static bool check_pages(struct vectors_draft *d)
{
	struct vectors_scenario *s = d->s;
	uint64_t places = UINT64_MAX / s->page_size;
	unsigned line = d->file->line;

	if (s->page_count)
		qsort(s->pages, s->page_count, sizeof(*s->pages),
		      compare_pages);
	for (size_t i = 0; i < s->page_count; i++) {
		if (s->pages[i].index >= places)
			return vectors_malformed(
				d->file, "a page too far off in '%s'", s->name);
		if (!check_page(d, &s->pages[i]))
			return false;
		if (i && s->pages[i].index == s->pages[i - 1].index)
			return vectors_malformed(
				d->file, "page %llu again",
				(unsigned long long)s->pages[i].index);
	}
	d->file->line = line;
	if (s->op == VECTORS_WRITEPAGES || s->page_count)
		return true;
	if (s->op_count > INT32_MAX || s->op_first > places - s->op_count)
		return vectors_malformed(d->file, "a page too far off in '%s'",
					 s->name);
	s->page_count = (size_t)s->op_count;
	s->pages = vectors_alloc(s->page_count, sizeof(*s->pages));
	for (size_t i = 0; i < s->page_count; i++)
		s->pages[i].index = s->op_first + i;
	return true;
}

bool vectors_check_inputs(struct vectors_draft *d)
{
	return check_sizes(d) && check_map(d) && check_pages(d);
}

/* ---- A statement -------------------------------------------------------- */

/** Keep an input statement as it was written, but for white space. */
static void keep_input(struct vectors_scenario *s,
		       const struct vectors_line *line)
{
	size_t length = 0;
	char *text;

	for (size_t i = 0; i < line->count; i++)
		length += strlen(line->words[i]) + 1;
	text = vectors_alloc(length + 1, 1);
	for (size_t i = 0; i < line->count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, line->words[i]);
	}
	s->inputs = vectors_grow(s->inputs, &s->input_count, sizeof(char *));
	s->inputs[s->input_count - 1] = text;
}

bool vectors_parse_input(struct vectors_draft *d,
			 const struct vectors_line *line)
{
	static const struct {
		const char *word;
		bool (*parse)(struct vectors_draft *d,
			      const struct vectors_line *line);
	} statements[] = {
		{"page_size", parse_size},
		{"block_size", parse_size},
		{"file_size", parse_size},
		{"device_size", parse_size},
		{"max_bio_pages", parse_size},
		{"op", parse_op},
		{"wbc", parse_wbc},
		{"map", parse_map},
		{"fail", parse_fail},
		{"bad", parse_bad},
		{"page", parse_page},
	};

	for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
		if (strcmp(statements[i].word, line->words[0]) == 0) {
			keep_input(d->s, line);
			return statements[i].parse(d, line);
		}
	}
	return vectors_malformed(d->file, "no such input statement: '%s'",
				 line->words[0]);
}

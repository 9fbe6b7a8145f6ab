/* SPDX-License-Identifier: MIT */
/*
 * The part of a scenario behind its `expect` line: what the reference did.
 *
 * Only that is kept which binds: the I/Os, the number of calls, the values and
 * the states at the end. Notes are explanations, and `retry` lines (our own
 * output, read back) are a matter of the run that wrote them.
 */
#include "vectors.h"

#include <stdlib.h>
#include <string.h>

const char *const vectors_words[VECTORS_WORD_COUNT] = {
	"uptodate", "notuptodate", "dirty",          "clean",
	"redirty",  "writeback",   "writeback_done", "error"};

static bool bad_statement(struct vectors_file *file,
			  const struct vectors_line *line)
{
	return vectors_malformed(file, "bad '%s' statement", line->words[0]);
}

/** A whole number with a sign. */
static bool signed_number(const char *word, int64_t *number)
{
	bool negative = *word == '-';
	uint64_t value;

	if (!vectors_number(word + negative, &value) || value > INT64_MAX)
		return false;
	*number = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool hex_number(const char *word, uint32_t *number)
{
	char *end;

	if (strlen(word) == 0 || strlen(word) > 8 ||
	    strspn(word, "0123456789abcdefABCDEF") != strlen(word))
		return false;
	*number = (uint32_t)strtoul(word, &end, 16);
	return true;
}

static bool parse_first(struct vectors_file *file, struct vectors_scenario *s,
			const struct vectors_line *line)
{
	struct vectors_expect *e = &s->expect;

	if (e->given)
		return vectors_malformed(file, "a second 'expect'");
	if (line->count == 3 && strcmp(line->words[1], "at_most") == 0 &&
	    vectors_number(line->words[2], &e->ios_max))
		e->has_at_most = true;
	else if (line->count != 2 || strcmp(line->words[1], "exact") != 0)
		return bad_statement(file, line);
	e->given = true;
	e->pages = vectors_alloc(s->page_count, sizeof(*e->pages));
	return true;
}

static bool parse_io(struct vectors_file *file, struct vectors_scenario *s,
		     const struct vectors_line *line)
{
	struct vectors_expect *e = &s->expect;
	bool write = s->op == VECTORS_WRITEPAGES;
	struct vectors_io io;

	if (line->count != 4 ||
	    strcmp(line->words[1], write ? "write" : "read") != 0 ||
	    !vectors_number(line->words[2], &io.offset) ||
	    !vectors_number(line->words[3], &io.length) || io.length == 0 ||
	    io.offset + io.length < io.offset)
		return bad_statement(file, line);
	if (strcmp(line->words[0], "retry") == 0)
		return true;
	e->ios = vectors_grow(e->ios, &e->io_count, sizeof(io));
	e->ios[e->io_count - 1] = io;
	if (!e->has_at_most)
		e->ios_max = e->io_count;
	return true;
}

static bool parse_call(struct vectors_file *file, struct vectors_scenario *s,
		       const struct vectors_line *line)
{
	uint64_t number[3];

	if (line->count != 4)
		return bad_statement(file, line);
	for (size_t i = 0; i < 3; i++) {
		if (!vectors_number(line->words[i + 1], &number[i]))
			return bad_statement(file, line);
	}
	if (number[2] > 1)
		return bad_statement(file, line);
	s->expect.calls++;
	return true;
}

static bool parse_value(struct vectors_file *file, struct vectors_scenario *s,
			const struct vectors_line *line)
{
	struct vectors_expect *e = &s->expect;
	const char *word = line->words[0];
	int64_t value;

	if (line->count != 2 || !signed_number(line->words[1], &value))
		return bad_statement(file, line);
	if (strcmp(word, "return") == 0) {
		e->has_return = true;
		e->code = value;
	} else if (strcmp(word, "written") == 0) {
		e->has_written = true;
		e->written = value;
	} else if (strcmp(word, "mapping_error") == 0) {
		e->mapping_error = value;
	} else {
		e->has_index = true;
		e->index = (uint64_t)value;
	}
	return true;
}

/** Find the page that a word names, or note that there is none. */
static bool find_page(struct vectors_file *file, struct vectors_scenario *s,
		      const char *word, struct vectors_expect_page **page)
{
	uint64_t index;
	size_t at;

	if (!vectors_number(word, &index))
		return vectors_malformed(file, "'%s' is no number", word);
	at = vectors_find_page(s, index);
	if (at == s->page_count)
		return vectors_malformed(file, "no page %s in '%s'", word,
					 s->name);
	*page = &s->expect.pages[at];
	return true;
}

static bool parse_final(struct vectors_file *file, struct vectors_scenario *s,
			const struct vectors_line *line)
{
	struct vectors_expect_page *page;

	if (line->count < 3)
		return bad_statement(file, line);
	if (!find_page(file, s, line->words[1], &page))
		return false;
	for (size_t i = 2; i < line->count; i++) {
		size_t w = 0;

		while (w < VECTORS_WORD_COUNT &&
		       strcmp(vectors_words[w], line->words[i]) != 0)
			w++;
		if (w == VECTORS_WORD_COUNT)
			return vectors_malformed(file, "bad word: '%s'",
						 line->words[i]);
		page->words |= 1u << w;
	}
	return true;
}

static bool parse_crc(struct vectors_file *file, struct vectors_scenario *s,
		      const struct vectors_line *line)
{
	struct vectors_expect_page *page;

	if (line->count == 3 && strcmp(line->words[1], "device") == 0) {
		s->expect.has_crc = hex_number(line->words[2], &s->expect.crc);
		return s->expect.has_crc ? true : bad_statement(file, line);
	}
	if (line->count != 4 || strcmp(line->words[1], "page") != 0)
		return bad_statement(file, line);
	if (!find_page(file, s, line->words[2], &page))
		return false;
	page->has_crc = hex_number(line->words[3], &page->crc);
	return page->has_crc ? true : bad_statement(file, line);
}

static bool parse_note(struct vectors_file *file, struct vectors_scenario *s,
		       const struct vectors_line *line)
{
	(void)s;
	return line->count > 1 ? true : bad_statement(file, line);
}

bool vectors_parse_expect(struct vectors_draft *d,
			  const struct vectors_line *line)
{
	static const struct {
		const char *word;
		bool (*parse)(struct vectors_file *file,
			      struct vectors_scenario *s,
			      const struct vectors_line *line);
	} statements[] = {
		{"expect", parse_first}, {"io", parse_io},
		{"retry", parse_io},     {"call", parse_call},
		{"return", parse_value}, {"written", parse_value},
		{"page", parse_final},   {"mapping_error", parse_value},
		{"crc32", parse_crc},    {"writeback_index", parse_value},
		{"note", parse_note},
	};

	for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
		if (strcmp(statements[i].word, line->words[0]) == 0)
			return statements[i].parse(d->file, d->s, line);
	}
	return vectors_malformed(d->file, "no such expected statement: '%s'",
				 line->words[0]);
}

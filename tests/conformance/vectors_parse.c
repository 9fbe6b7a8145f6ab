/* SPDX-License-Identifier: MIT */
/*
 * Vector files, read scenario by scenario: the lines, and which part of a
 * scenario each of them belongs to.
 *
 * A file is read whole; a line is cut into words in a copy. Whatever is wrong
 * ends in vectors_malformed(), with the line where it was seen.
 */
#include "vectors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 512 };

/* ---- Files and lines ---------------------------------------------------- */

bool vectors_malformed(struct vectors_file *file, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(file->message, sizeof(file->message), format, args);
	va_end(args);
	return false;
}

bool vectors_file_open(struct vectors_file *file, const char *name)
{
	bool standard = strcmp(name, "-") == 0;
	FILE *in = standard ? stdin : fopen(name, "rb");
	size_t room = 65536;
	bool ok;

	*file = (struct vectors_file){.name = standard ? "(stdin)" : name};
	if (!in)
		return vectors_malformed(file, "cannot be opened");
	file->text = vectors_alloc(room, 1);
	for (;;) {
		size_t n = fread(file->text + file->length, 1,
				 room - file->length - 1, in);

		if (n == 0)
			break;
		file->length += n;
		if (file->length + 1 == room) {
			room *= 2;
			file->text = vectors_resize(file->text, room, 1);
		}
	}
	file->text[file->length] = '\0';
	ok = !ferror(in);
	if (!standard)
		fclose(in);
	return ok ? true : vectors_malformed(file, "cannot be read");
}

void vectors_file_close(struct vectors_file *file)
{
	free(file->text);
	file->text = NULL;
}

/** Copy the next line, without comment, into fresh memory; NULL: none left. */
static char *next_line(struct vectors_file *file)
{
	const char *start = file->text + file->next;
	size_t left = file->length - file->next;
	const char *end = left ? memchr(start, '\n', left) : NULL;
	size_t length = end ? (size_t)(end - start) : left;
	const char *comment;
	char *copy;

	if (left == 0)
		return NULL;
	file->next += length + (end != NULL);
	file->line++;
	comment = memchr(start, '#', length);
	if (comment)
		length = (size_t)(comment - start);
	copy = vectors_alloc(length + 1, 1);
	memcpy(copy, start, length);
	for (size_t i = 0; i < length; i++) {
		if (copy[i] == '\0')
			copy[i] = '\1'; /* a word that nobody knows */
	}
	return copy;
}

/** Cut a line into words. Return false if there are too many. */
static bool split(char *text, struct vectors_line *line)
{
	const char *space = " \t\r\v\f";

	line->count = 0;
	for (char *at = text + strspn(text, space); *at;
	     at += strspn(at, space)) {
		size_t length = strcspn(at, space);

		if (line->count == WORDS_MAX)
			return false;
		line->words[line->count++] = at;
		at += length;
		if (*at == '\0')
			break;
		*at++ = '\0';
	}
	return true;
}

/* ---- Scenarios ---------------------------------------------------------- */

static bool parse_start(struct vectors_draft *d,
			const struct vectors_line *line)
{
	struct vectors_scenario *s = d->s;

	if (strcmp(line->words[0], "scenario") != 0 || line->count != 2)
		return vectors_malformed(d->file,
					 "'scenario NAME' is expected here");
	*s = (struct vectors_scenario){
		.file = d->file->name,
		.line = d->file->line,
		.wbc = {.nr_to_write = INT64_MAX, .end = UINT64_MAX}};
	s->name = vectors_alloc(strlen(line->words[1]) + 1, 1);
	strcpy(s->name, line->words[1]);
	return true;
}

/** One statement. Return 1 if it ends the scenario, -1 if it is malformed. */
static int parse_statement(struct vectors_draft *d,
			   const struct vectors_line *line)
{
	struct vectors_scenario *s = d->s;

	if (!s->name)
		return parse_start(d, line) ? 0 : -1;
	if (strcmp(line->words[0], "end") == 0) {
		if (line->count != 1) {
			vectors_malformed(d->file, "'end' takes no words");
			return -1;
		}
		return s->expect.given || vectors_check_inputs(d) ? 1 : -1;
	}
	if (strcmp(line->words[0], "expect") == 0 && !s->expect.given &&
	    !vectors_check_inputs(d))
		return -1;
	if (s->expect.given || strcmp(line->words[0], "expect") == 0)
		return vectors_parse_expect(d, line) ? 0 : -1;
	return vectors_parse_input(d, line) ? 0 : -1;
}

int vectors_parse(struct vectors_file *file, struct vectors_scenario *s)
{
	char *words[WORDS_MAX];
	struct vectors_line line = {words, 0};
	struct vectors_draft draft = {.file = file, .s = s};
	int status = 0;
	char *text;

	*s = (struct vectors_scenario){0};
	while (status == 0 && (text = next_line(file))) {
		if (!split(text, &line)) {
			vectors_malformed(file, "too many words");
			status = -1;
		} else if (line.count) {
			status = parse_statement(&draft, &line);
		}
		free(text);
	}
	if (status == 0 && s->name) {
		vectors_malformed(file, "'%s' has no end", s->name);
		status = -1;
	}
	if (status != 1)
		vectors_scenario_free(s);
	return status;
}

void vectors_scenario_free(struct vectors_scenario *s)
{
	for (size_t i = 0; i < s->page_count; i++)
		free(s->pages[i].blocks);
	for (size_t i = 0; i < s->input_count; i++)
		free(s->inputs[i]);
	free(s->name);
	free(s->extents);
	free(s->fails);
	free(s->bads);
	free(s->pages);
	free(s->inputs);
	free(s->expect.ios);
	free(s->expect.pages);
	*s = (struct vectors_scenario){0};
}

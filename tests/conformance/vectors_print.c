/* SPDX-License-Identifier: MIT */
/*
 * Prints a scenario back: its inputs as they were, then what libmpio did, in
 * the statements of the format, so that another program can judge it.
 */
#include "vectors.h"

#include <inttypes.h>

static void print_event(FILE *out, const struct vectors_event *event)
{
	switch (event->type) {
	case VECTORS_CALL:
		fprintf(out, "call %" PRIu64 " %" PRIu64 " %d\n", event->offset,
			event->length, event->create);
		break;
	case VECTORS_ALIAS:
		fprintf(out, "note alias %" PRIu64 "\n", event->offset);
		break;
	case VECTORS_BOUNDARY:
		fprintf(out, "note boundary %" PRIu64 "\n", event->offset);
		break;
	default:
		fprintf(out, "%s %s %" PRIu64 " %" PRIu64 "\n",
			event->type == VECTORS_RETRY ? "retry" : "io",
			event->write ? "write" : "read", event->offset,
			event->length);
		break;
	}
}

static void print_values(FILE *out, const struct vectors_scenario *s,
			 const struct vectors_result *r)
{
	if (s->op != VECTORS_READAHEAD)
		fprintf(out, "return %" PRId64 "\n", r->code);
	if (s->op != VECTORS_WRITEPAGES)
		return;
	fprintf(out, "written %" PRId64 "\n", r->written);
	if (r->mapping_error)
		fprintf(out, "mapping_error %d\n", r->mapping_error);
	if (s->wbc.cyclic || r->index != s->wbc.index)
		fprintf(out, "writeback_index %" PRIu64 "\n", r->index);
}

/** Return whether the format has a checksum of a page. */
static bool has_crc(const struct vectors_scenario *s, size_t at,
		    const struct vectors_final *final)
{
	if (s->op != VECTORS_WRITEPAGES)
		return final->words & VECTORS_UPTODATE;
	return s->file_size / s->page_size == s->pages[at].index &&
	       s->file_size % s->page_size != 0 &&
	       final->words & VECTORS_WRITEBACK_DONE;
}

static void print_pages(FILE *out, const struct vectors_scenario *s,
			const struct vectors_result *r)
{
	for (size_t i = 0; i < s->page_count; i++) {
		fprintf(out, "page %" PRIu64, s->pages[i].index);
		for (size_t w = 0; w < VECTORS_WORD_COUNT; w++) {
			if (r->finals[i].words & 1u << w)
				fprintf(out, " %s", vectors_words[w]);
		}
		fprintf(out, "\n");
	}
	for (size_t i = 0; i < s->page_count; i++) {
		if (has_crc(s, i, &r->finals[i]))
			fprintf(out, "crc32 page %" PRIu64 " %08" PRIx32 "\n",
				s->pages[i].index, r->finals[i].crc);
	}
	if (s->op == VECTORS_WRITEPAGES)
		fprintf(out, "crc32 device %08" PRIx32 "\n", r->crc);
}

void vectors_print(FILE *out, const struct vectors_scenario *s,
		   const struct vectors_result *r)
{
	fprintf(out, "scenario %s\n", s->name);
	for (size_t i = 0; i < s->input_count; i++)
		fprintf(out, "%s\n", s->inputs[i]);
	fprintf(out, "expect exact\n");
	for (size_t i = 0; i < r->event_count; i++)
		print_event(out, &r->events[i]);
	print_values(out, s, r);
	print_pages(out, s, r);
	fprintf(out, "end\n\n");
}

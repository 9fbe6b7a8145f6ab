/* SPDX-License-Identifier: MIT */
/*
 * Sink: what becomes of the bytes of a file, however they were read.
 *
 * They come in runs, in ascending position: data, zeros that may be left out,
 * or bytes that cannot be read. Those are told of, once for a run of them, and
 * are the sink's to go on behind, or not.
 */
#include "extfs.h"

#include <et/com_err.h>
#include <inttypes.h>
#include <string.h>

/* Messages about unreadable bytes of one file; more are only counted. */
#define BAD_MESSAGES_MAX 10

static int bad_exit_code(int status)
{
	return status == -MPIO_EUCLEAN ? DAMAGED : IO_ERROR;
}

static const char *reason(const struct trouble *trouble)
{
	if (trouble->status != -MPIO_EUCLEAN)
		return mpio_strerror(trouble->status);
	if (trouble->detail)
		return error_message(trouble->detail);
	return "it is mapped to blocks that cannot be";
}

static void bad_flush(struct reader *reader, const char *path)
{
	if (reader->bad_length == 0)
		return;
	if (reader->bad_count < BAD_MESSAGES_MAX)
		report_problem(reader->report, path,
			       "cannot read %" PRIu64
			       " bytes at offset %" PRIu64 ": %s%s",
			       reader->bad_length, reader->bad_pos,
			       reader->bad.status == -MPIO_EUCLEAN
				       ? "damaged metadata: "
				       : "",
			       reason(&reader->bad));
	reader->bad_count++;
	reader->bad_length = 0;
}

bool same_trouble(const struct trouble *a, const struct trouble *b)
{
	return a->status == b->status && a->detail == b->detail;
}

/* Note unreadable bytes; neighbours share one message. */
static int bad_add(struct reader *reader, const char *path, uint64_t pos,
		   uint64_t length, const struct trouble *trouble)
{
	if (reader->bad_length > 0 && same_trouble(trouble, &reader->bad) &&
	    pos == reader->bad_pos + reader->bad_length) {
		reader->bad_length += length;
	} else {
		bad_flush(reader, path);
		reader->bad_pos = pos;
		reader->bad_length = length;
		reader->bad = *trouble;
	}
	return bad_exit_code(trouble->status);
}

void bad_end(struct reader *reader, const char *path)
{
	bad_flush(reader, path);
	if (reader->bad_count > BAD_MESSAGES_MAX)
		report_problem(reader->report, path,
			       "cannot read %u other places either",
			       reader->bad_count - BAD_MESSAGES_MAX);
	reader->bad_count = 0;
}

bool all_zero(const unsigned char *data, size_t length)
{
	return data[0] == 0 && !memcmp(data, data + 1, length - 1);
}

int give(struct reader *reader, const struct sink *sink, const struct run *run,
	 bool *stop)
{
	int code;

	if (run->kind == KIND_BAD) {
		*stop = sink->stop_at_error;
		return bad_add(reader, sink->path, run->pos, run->length,
			       run->trouble);
	}
	if (run->kind == KIND_ZEROS)
		code = sink->zeros(sink->ctx, run->pos, run->length);
	else
		code = sink->data(sink->ctx, run->pos, run->data,
				  (size_t)run->length);
	*stop = code != DONE;
	return code;
}

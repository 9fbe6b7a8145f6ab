/* SPDX-License-Identifier: MIT */
/*
 * A reader of a stream, on the mock rig: it names pages, says of each where it
 * is to be read to, and looks at what is handed over. The pages of the rig are
 * two blocks each, and lie from device block 100 on as they do in the file, so
 * a page's number says where it is read from:
 *
 *     reader_name(&reader, 10, 1, 6);
 *     reader_open(&reader, rig, false);
 *     reader_expect_pages(&reader, 10, 1, 6);
 *     reader_expect_end(&reader, 0);
 *     assert_trace(rig, "read 120+12");
 *     reader_close(&reader);
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "mock.h"

#include <mpio/stream.h>

#define PAGE (2 * BLOCK)
#define NAMES_MAX 400u

/* An engine that wants some pages, by their numbers, and then no more. */
struct reader {
	struct rig *rig;
	struct mpio_stream_config config;
	struct mpio_stream *stream;
	uint32_t names[NAMES_MAX];
	uint32_t name_count;
	uint32_t named;
	uint32_t frames; /* pages that may be taken at once; 0: any */
	uint32_t taken;  /* and neither handed over nor released */
	uint32_t released;
	uint32_t busy; /* one more than the page that is said to be */
	int error;     /* that the names end with */
	int take_error;
	struct mpio_page *instead; /* of the page that was named */
	int instead_found;         /* what that is said to be; 0: to be read */
};

/* Its callbacks, all or by themselves; and an allocator beside the rig's. */
extern const struct mpio_stream_ops reader_ops;
int reader_next(void *ctx, uint64_t *pos);
int reader_take(void *ctx, uint64_t pos, struct mpio_page **page);
extern const struct mpio_allocator reader_allocator;

/* Name n further pages. */
void reader_name(struct reader *reader, uint32_t first, uint32_t step,
		 uint32_t n);
/* Of a rig whose device ends I/Os inside submit, or only when waited for. */
void reader_open(struct reader *reader, struct rig *rig, bool slow);
void reader_close(struct reader *reader);
const struct mpio_stream_stats *reader_stats(const struct reader *reader);

/* The next page, or pages as they were named; or none, and why. */
void reader_expect_page(struct reader *reader, uint32_t index);
void reader_expect_pages(struct reader *reader, uint32_t first, uint32_t step,
			 uint32_t n);
void reader_expect_end(struct reader *reader, int result);

#endif

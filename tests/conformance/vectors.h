/* SPDX-License-Identifier: MIT */
/*
 * What the sources of mpio-vectors share.
 *
 * A scenario is what a vector file says: inputs and, perhaps, what a reference
 * implementation did with them. From the inputs alone a plan follows: which
 * blocks are to be moved, in which order, and how each page must end. The
 * library runs the scenario and leaves a result: a trace of what happened, and
 * how each page ended. Plan, reference and result are then compared.
 *
 *     vectors_parse.c     text -> scenario: the file and the lines,
 *     vectors_inputs.c    the inputs,
 *     vectors_expect.c    and the reference's part
 *     vectors_plan.c      scenario -> plan
 *     vectors_disk.c      the device's bytes, patterns, checksums
 *     vectors_run.c       scenario -> result, with the library; on a stage with
 *     vectors_device.c    a device and
 *     vectors_engine.c    a mapping
 *     vectors_check.c     scenario + plan + result -> verdict: each kind of
 *                         event,
 *     vectors_check_order.c  what comes before what,
 *     vectors_check_state.c  and how things end
 *     vectors_print.c     result -> text
 *     vectors_selftest.c  shows that the checks can fail, with
 *     vectors_break_*.c   ways to break a result
 *     vectors_random.c    (a program of its own) makes random scenarios
 */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- scenario: what the file says ---- */

enum vectors_op { VECTORS_READAHEAD, VECTORS_READ_PAGE, VECTORS_WRITEPAGES };

struct vectors_extent {
	uint64_t first; /* block of the file */
	uint64_t block; /* of the device */
	uint64_t count; /* blocks, not 0 */
	bool boundary;
	bool uptodate; /* get_block fills it */
	bool fresh;    /* 'new': to be allocated */
};

/** State of a block of a page declared with `buffers`. */
enum vectors_block {
	VECTORS_BLOCK_MAPPED = 1,
	VECTORS_BLOCK_DIRTY = 2,
	VECTORS_BLOCK_UPTODATE = 4
};

struct vectors_page {
	uint64_t index;
	uint8_t *blocks; /* enum vectors_block, one for each; NULL: none */
	size_t block_count;
	unsigned line; /* where it is declared; 0: it is not */
	bool uptodate;
	bool dirty;
	bool writeback;
};

struct vectors_wbc {
	bool sync_all;
	bool cyclic;
	int64_t nr_to_write; /* INT64_MAX: max */
	uint64_t start;      /* bytes */
	uint64_t end;        /* bytes, inclusive; UINT64_MAX: max */
	uint64_t index;      /* page */
};

/** How a page ends: a set of words. */
enum vectors_word {
	VECTORS_UPTODATE = 1u << 0,
	VECTORS_NOTUPTODATE = 1u << 1,
	VECTORS_DIRTY = 1u << 2,
	VECTORS_CLEAN = 1u << 3,
	VECTORS_REDIRTY = 1u << 4,
	VECTORS_WRITEBACK = 1u << 5,
	VECTORS_WRITEBACK_DONE = 1u << 6,
	VECTORS_ERROR = 1u << 7,
	VECTORS_WORD_COUNT = 8
};

/** The words in the order in which they are written. */
extern const char *const vectors_words[VECTORS_WORD_COUNT];

/** What the reference says about a page; parallel to the scenario's pages. */
struct vectors_expect_page {
	uint32_t words; /* enum vectors_word; 0: nothing is said */
	uint32_t crc;
	bool has_crc;
};

struct vectors_io {
	uint64_t offset; /* bytes */
	uint64_t length; /* bytes */
};

/** The reference's part. */
struct vectors_expect {
	bool given;
	uint64_t ios_max; /* the reference's number of I/Os */
	struct vectors_io *ios;
	size_t io_count;
	uint64_t calls;
	bool has_at_most, has_return, has_written, has_index, has_crc;
	int64_t code;
	int64_t written;
	int64_t mapping_error;
	uint64_t index;
	uint32_t crc; /* of the device */
	struct vectors_expect_page *pages;
};

struct vectors_scenario {
	char *name;
	const char *file;
	unsigned line; /* of its first statement */
	uint64_t page_size, block_size, file_size, device_size, max_bio_pages;
	enum vectors_op op;
	uint64_t op_first, op_count; /* pages; reads only */
	struct vectors_wbc wbc;
	struct vectors_extent *extents; /* in ascending place, apart */
	size_t extent_count;
	uint64_t *fails; /* blocks of the file, ascending */
	size_t fail_count;
	uint64_t *bads; /* blocks of the device, ascending */
	size_t bad_count;
	struct vectors_page *pages; /* all pages of the scenario, ascending */
	size_t page_count;
	char **inputs; /* the input statements as they were written */
	size_t input_count;
	struct vectors_expect expect;
};

/** A file that is read scenario by scenario. */
struct vectors_file {
	const char *name;
	char *text;
	size_t length;
	size_t next; /* where the next line begins */
	unsigned line;
	char message[160]; /* what is wrong in `line` */
};

/** A statement, cut into words. */
struct vectors_line {
	char **words;
	size_t count;
};

/** A scenario being read. */
struct vectors_draft {
	struct vectors_file *file;
	struct vectors_scenario *s;
	uint32_t seen; /* statements that come but once */
};

/** Read a file ('-' is standard input). Return false, with a message. */
bool vectors_file_open(struct vectors_file *file, const char *name);
void vectors_file_close(struct vectors_file *file);

/** Return 1 and a scenario; 0 at the end of the file; -1: malformed. */
int vectors_parse(struct vectors_file *file, struct vectors_scenario *s);
void vectors_scenario_free(struct vectors_scenario *s);

/** Note what is wrong with a file. Return false, always. */
bool vectors_malformed(struct vectors_file *file, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

bool vectors_number(const char *word, uint64_t *number);

/** A statement before the `expect` line. Return false if it is malformed. */
bool vectors_parse_input(struct vectors_draft *d,
			 const struct vectors_line *line);
/** All inputs are known: do they fit together? Completes the scenario. */
bool vectors_check_inputs(struct vectors_draft *d);
/** The `expect` line, or a statement behind it. */
bool vectors_parse_expect(struct vectors_draft *d,
			  const struct vectors_line *line);

/* ---- plan: what follows from the inputs alone ---- */

/** Bytes of a block that are to be moved. */
struct vectors_move {
	uint64_t block;  /* of the file */
	uint64_t device; /* bytes */
	size_t page;
	uint32_t offset; /* bytes, in the page */
	uint32_t length; /* bytes: a block, or what the device's end leaves */
	bool optional;   /* in a page that cannot be mapped as a whole */
	bool bad;
};

enum vectors_fate {
	VECTORS_LEFT,  /* the walk does not deal with it */
	VECTORS_EMPTY, /* nothing is to be moved */
	VECTORS_MOVED,
	VECTORS_BAD,     /* a block to be moved is bad */
	VECTORS_UNMAPPED /* a block to be moved has no place */
};

struct vectors_outcome {
	enum vectors_fate fate;
	int error;       /* UNMAPPED: why; negative errno */
	bool wanted;     /* would be dealt with if no mapping failed */
	bool m_differs;  /* an M block is filled, or past the end of file */
	size_t moves;    /* blocks of it to be moved */
	uint32_t crc;    /* as it must end; writes: whose tail is not zeroed */
	uint32_t zeroed; /* writes: whose bytes past the end of file are zero */
};

struct vectors_plan {
	struct vectors_move *moves;
	size_t move_count;
	struct vectors_outcome *outcomes; /* parallel to the pages */
	uint64_t m_needed; /* M blocks that need a get_block call */
	int64_t written;   /* pages that count */
	int error;         /* first of a mapping, or 0 */
	bool any_unmapped;
	bool any_bad;        /* a mandatory block is bad */
	bool any_past_eof;   /* dirty blocks past the end of file */
	bool stopped;        /* the walk stops at `stop` */
	bool more_behind;    /* ... and there are dirty pages behind it */
	uint64_t stop;       /* page index */
	uint64_t eof_blocks; /* blocks of the file */
	uint64_t device_blocks;
};

void vectors_plan_make(const struct vectors_scenario *s,
		       struct vectors_plan *plan);
void vectors_plan_free(struct vectors_plan *plan);

uint64_t vectors_page_blocks(const struct vectors_scenario *s);
const struct vectors_extent *
vectors_find_extent(const struct vectors_scenario *s, uint64_t block);
bool vectors_is_fail(const struct vectors_scenario *s, uint64_t block);
bool vectors_is_bad(const struct vectors_scenario *s, uint64_t block);
/** Return the page's place in the scenario, or `page_count`. */
size_t vectors_find_page(const struct vectors_scenario *s, uint64_t index);
/** Return whether a block of a page is to be asked about and moved. */
bool vectors_is_needed(const struct vectors_scenario *s,
		       const struct vectors_page *page, uint64_t block);
/** Return whether writing deals with a page, but for limits and failures. */
bool vectors_in_walk(const struct vectors_scenario *s,
		     const struct vectors_page *page);

/* ---- disk: bytes, patterns, checksums ---- */

/** Sparse: a part that was never written has the device's pattern. */
struct vectors_disk {
	uint64_t size;
	uint8_t **chunks;
	size_t chunk_count;
};

void vectors_disk_open(struct vectors_disk *disk, uint64_t size);
void vectors_disk_close(struct vectors_disk *disk);
void vectors_disk_read(const struct vectors_disk *disk, uint64_t offset,
		       void *data, size_t length);
void vectors_disk_write(struct vectors_disk *disk, uint64_t offset,
			const void *data, size_t length);
uint32_t vectors_disk_crc(const struct vectors_disk *disk);

void vectors_device_pattern(uint64_t offset, void *data, size_t length);
/** The file's pattern, with zeros past the end of file if `zero` is set. */
void vectors_file_pattern(const struct vectors_scenario *s, uint64_t pos,
			  void *data, size_t length, bool zero);
uint32_t vectors_crc32(uint32_t crc, const void *data, size_t length);

/* ---- result: what the library did ---- */

enum vectors_event_type {
	VECTORS_IO,
	VECTORS_RETRY,
	VECTORS_CALL,
	VECTORS_ALIAS,
	VECTORS_BOUNDARY
};

/** Bytes of an I/O that follow each other in one page. */
struct vectors_piece {
	size_t page;
	uint32_t offset; /* bytes, in the page */
	uint32_t length; /* bytes */
};

struct vectors_event {
	enum vectors_event_type type;
	int status;      /* of an I/O or a call */
	uint64_t offset; /* I/O: bytes; call: block of the file; else of the
			  * device */
	uint64_t length; /* I/O: bytes; call: blocks wanted */
	bool write;      /* I/O */
	bool create;     /* call, and its answer: */
	bool fresh, boundary;
	uint64_t block, count;           /* 0 blocks: nothing is mapped */
	size_t first_piece, piece_count; /* I/O */
};

struct vectors_final {
	uint32_t words; /* enum vectors_word */
	uint32_t crc;
	unsigned finished; /* how often */
	bool locked;
	bool lost; /* clean blocks that were to be written and were not */
};

struct vectors_result {
	struct vectors_event *events;
	size_t event_count;
	struct vectors_piece *pieces;
	size_t piece_count;
	struct vectors_final *finals; /* parallel to the pages */
	int64_t code;
	int64_t written;
	int mapping_error;
	uint64_t index;
	uint32_t crc;    /* of the device */
	char fault[160]; /* a promise that was seen broken, or empty */
};

void vectors_run(const struct vectors_scenario *s,
		 const struct vectors_plan *plan, struct vectors_result *r);
void vectors_result_free(struct vectors_result *r);
void vectors_result_copy(const struct vectors_scenario *s,
			 const struct vectors_result *from,
			 struct vectors_result *to);

/* ---- verdict ---- */

enum vectors_rule {
	VECTORS_RULE_LIFE,  /* pages finished once, I/Os in bounds, ... */
	VECTORS_RULE_ORDER, /* 1 to 7 are the contract's */
	VECTORS_RULE_COUNT,
	VECTORS_RULE_CALLS,
	VECTORS_RULE_STATES,
	VECTORS_RULE_BOUNDARY,
	VECTORS_RULE_RETRIES,
	VECTORS_RULE_ALIAS,
	VECTORS_RULE_MODEL /* the plan and the reference disagree */
};

struct vectors_verdict {
	uint32_t rules;  /* a bit for each rule that is broken */
	char text[2048]; /* what is wrong, a line each */
	size_t length;
};

/** What the checks share. */
struct vectors_check {
	const struct vectors_scenario *s;
	const struct vectors_plan *plan;
	const struct vectors_result *r;
	struct vectors_verdict *v;
	size_t *moved_by; /* for each move: the event that moved it, or
			   * VECTORS_UNMOVED */
};

#define VECTORS_UNMOVED SIZE_MAX

void vectors_check(const struct vectors_scenario *s,
		   const struct vectors_plan *plan,
		   const struct vectors_result *r, struct vectors_verdict *v);

void vectors_broken(struct vectors_verdict *v, enum vectors_rule rule,
		    const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void vectors_check_order(struct vectors_check *c);     /* 5, 7 */
void vectors_check_states(struct vectors_check *c);    /* 4 */
void vectors_check_reference(struct vectors_check *c); /* 2, 3, 4 */

/** Return the move of a block of the file, or `move_count`. */
size_t vectors_find_move(const struct vectors_plan *plan, uint64_t block);

/* ---- the rest ---- */

void vectors_print(FILE *out, const struct vectors_scenario *s,
		   const struct vectors_result *r);

/** Break a result that passes, in each way that applies. */
void vectors_selftest(const struct vectors_scenario *s,
		      const struct vectors_plan *plan,
		      const struct vectors_result *r);
/** Tell how it went. Return whether every way applied and was found. */
bool vectors_selftest_report(void);

/** Memory, or the program ends with status 2. */
void *vectors_alloc(size_t count, size_t size);
void *vectors_resize(void *old, size_t count, size_t size);
/**
 * Make an array one element longer, the last one zeroed. It has room for the
 * next power of two.
 */
void *vectors_grow(void *array, size_t *count, size_t size);

#endif

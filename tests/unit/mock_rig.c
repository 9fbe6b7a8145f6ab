/* SPDX-License-Identifier: MIT */
/*
 * The rig: set up and taken down around each test, and the means to compare
 * what happened, and what lies in memory, with a line of text.
 */
#include "mock.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Trace and trouble -------------------------------------------------- */

void trace(struct rig *rig, uint32_t kind, const char *format, ...)
{
	size_t used = strlen(rig->trace);
	va_list arguments;

	if (!(rig->watch & kind) || sizeof(rig->trace) - used < 100)
		return;
	if (used != 0) {
		memcpy(rig->trace + used, ", ", 3);
		used += 2;
	}
	va_start(arguments, format);
	vsnprintf(rig->trace + used, sizeof(rig->trace) - used, format,
		  arguments);
	va_end(arguments);
}

/* The first is kept. */
void trouble(struct rig *rig, const char *format, ...)
{
	va_list arguments;

	if (rig->trouble[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(rig->trouble, sizeof(rig->trouble), format, arguments);
	va_end(arguments);
}

static void fail_at(const char *file, int line, const char *what,
		    const char *is, const char *expected)
{
	print_error("%s\n       is: %s\n expected: %s\n", what, is, expected);
	_fail(file, line);
}

void assert_trace_at(struct rig *rig, const char *expected, const char *file,
		     int line)
{
	if (strcmp(rig->trace, expected) != 0)
		fail_at(file, line, "trace", rig->trace, expected);
	rig->trace[0] = '\0';
}

/* ---- Bytes -------------------------------------------------------------- */

/* Spreads a number over 64 bits (the finaliser of splitmix64). */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void pattern_fill(unsigned char *memory, char name, uint64_t offset,
		  size_t length)
{
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = mix((offset + i) ^ (uint64_t)name << 56);

		memcpy(memory + i, &word, sizeof(word));
	}
}

/* A block as a word tells it; returns the word's end. */
static const char *make_block(unsigned char *block, const char *word)
{
	char name = *word++;
	unsigned long number = 0;
	unsigned long length = BLOCK;
	char *end;

	if (strchr("abf", name) != NULL) {
		number = strtoul(word, &end, 10);
		word = end;
	}
	if (*word == '/') {
		length = strtoul(word + 1, &end, 10);
		word = end;
	}
	assert_true(length <= BLOCK && (*word == ' ' || *word == '\0'));
	if (name == '0')
		memset(block, 0, BLOCK);
	else if (name == '?')
		memset(block, 0xa5, BLOCK);
	else if (name == 'i')
		memset(block, 0x1b, BLOCK);
	else
		pattern_fill(block, name, number * BLOCK, BLOCK);
	memset(block + length, 0, BLOCK - length);
	return *word == ' ' ? word + 1 : word;
}

/* Which word would tell a block; for messages. */
static void name_block(char *text, size_t size, const unsigned char *block)
{
	unsigned char other[BLOCK];
	static const char *const plain[] = {"0", "?", "i"};

	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		make_block(other, plain[i]);
		if (memcmp(block, other, BLOCK) == 0) {
			snprintf(text, size, "%s", plain[i]);
			return;
		}
	}
	for (const char *name = "abf"; *name != '\0'; name++) {
		for (uint64_t i = 0; i < DISK_BLOCKS; i++) {
			pattern_fill(other, *name, i * BLOCK, BLOCK);
			if (memcmp(block, other, BLOCK) == 0) {
				snprintf(text, size, "%c%" PRIu64, *name, i);
				return;
			}
		}
	}
	snprintf(text, size, "something else");
}

void assert_data_at(const void *memory, const char *expected, const char *file,
		    int line)
{
	const unsigned char *at = memory;
	const char *word = expected;
	unsigned char block[BLOCK];

	for (size_t i = 0; *word != '\0'; i++, at += BLOCK) {
		char is[32];
		char what[32];

		word = make_block(block, word);
		if (memcmp(at, block, BLOCK) == 0)
			continue;
		name_block(is, sizeof(is), at);
		snprintf(what, sizeof(what), "block %zu", i);
		fail_at(file, line, what, is, expected);
	}
}

/* ---- States ------------------------------------------------------------- */

void assert_flags_at(struct rig *rig, uint32_t index, const char *expected,
		     const char *file, int line)
{
	static const char *const names[] = {"locked",    "uptodate", "dirty",
					    "writeback", "error",    "mapped",
					    "towrite",   "atomic"};
	uint32_t flags = page_at(rig, index)->flags;
	char text[128] = "";

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (!(flags & 1u << i))
			continue;
		if (text[0] != '\0')
			strcat(text, " ");
		strcat(text, names[i]);
	}
	if (text[0] == '\0')
		strcpy(text, "none");
	if (strcmp(text, expected) != 0)
		fail_at(file, line, "flags", text, expected);
}

void assert_bits_at(struct rig *rig, uint32_t index, const char *expected,
		    const char *file, int line)
{
	const struct mpio_page *page = page_at(rig, index);
	uint32_t words = MPIO_PAGE_BLOCK_WORDS(page->size, BLOCK) / 2;
	char text[300] = "";
	uint32_t n = page->size / BLOCK;

	assert_in_range(n, 1, sizeof(text) - 1);
	for (uint32_t i = 0; i < n; i++) {
		bool uptodate = page->blocks[i / 64] >> i % 64 & 1;
		bool dirty = page->blocks[words + i / 64] >> i % 64 & 1;

		if (dirty)
			text[i] = uptodate ? 'd' : 'x';
		else
			text[i] = uptodate ? 'u' : '-';
	}
	if (strcmp(text, expected) != 0)
		fail_at(file, line, "bits", text, expected);
}

/* ---- Memory of queues --------------------------------------------------- */

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
	struct rig *rig = ctx;

	if ((ptr == NULL) != (old_size == 0))
		trouble(rig, "an old size of %zu", old_size);
	if (new_size != 0 && rig->is_open)
		trouble(rig, "memory is asked for between open and close");
	if (new_size != 0 && rig->no_memory)
		return NULL;
	rig->allocated_bytes += new_size - old_size;
	if (new_size != 0)
		return realloc(ptr, new_size);
	free(ptr);
	return NULL;
}

/* ---- Around a test ------------------------------------------------------ */

int rig_set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	mock_init(&rig->a, rig, 'a');
	mock_init(&rig->b, rig, 'b');
	rig_engine_init(rig);
	rig->watch = WATCH_MAP | WATCH_IO | WATCH_HOOKS;
	rig->allocator = (struct mpio_allocator){.resize = resize, .ctx = rig};
	rig->config.allocator = &rig->allocator;
	*state = rig;
	return 0;
}

void rig_open(struct rig *rig)
{
	assert_int_equal(
		mpio_queue_open(&rig->a.device, &rig->config, &rig->queue), 0);
	if (rig->two) {
		struct mpio_queue_config config = rig->config;

		config.group = rig->queue;
		assert_int_equal(
			mpio_queue_open(&rig->b.device, &config, &rig->other),
			0);
	}
	rig->is_open = true;
}

/* After queues are closed nothing may be left over. */
static void check_end(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->frame_count; i++) {
		const struct frame *frame = &rig->frames[i];
		uint32_t busy = MPIO_PAGE_LOCKED | MPIO_PAGE_WRITEBACK;

		if (frame->reads != frame->handed)
			trouble(rig,
				"page %" PRIu32 " was handed in %" PRIu32
				" times and finished %" PRIu32 " times",
				i, frame->handed, frame->reads);
		if (frame->page.flags & busy)
			trouble(rig, "page %" PRIu32 " is left with flags %#x",
				i, (unsigned)frame->page.flags);
	}
	for (uint32_t i = 0; i < rig->io_count; i++) {
		const struct mock_io *io = &rig->ios[i];

		if (io->ends != (uint32_t)io->submitted)
			trouble(rig, "bio %" PRIu32 " ended %" PRIu32 " times",
				i, io->ends);
	}
	if (rig->allocated_bytes != 0)
		trouble(rig, "%zu bytes are leaked", rig->allocated_bytes);
	if (rig->a.channels != 0 || rig->b.channels != 0)
		trouble(rig, "a channel is left open");
}

int rig_tear_down(void **state)
{
	struct rig *rig = *state;
	char text[sizeof(rig->trouble)];

	mpio_queue_close(rig->other);
	mpio_queue_close(rig->queue);
	check_end(rig);
	memcpy(text, rig->trouble, sizeof(text));
	for (uint32_t i = 0; i < rig->frame_count; i++) {
		if (rig->frames[i].own_memory)
			free(rig->frames[i].page.data);
	}
	for (uint32_t i = 0; i < rig->io_count; i++)
		free(rig->ios[i].memory);
	free(rig->arena);
	mock_free(&rig->a);
	mock_free(&rig->b);
	free(rig);
	if (text[0] == '\0')
		return 0;
	print_error("trouble: %s\n", text);
	return -1;
}

/* SPDX-License-Identifier: MIT */
/*
 * The parsers of fault rules, and of filters in URIs. A set of rules must read
 * the same when it was written, piece by piece, and in any room; a URI opens
 * a device or nothing, and what it opened is closed.
 *
 * The first byte says which. Then each byte is a character, or one of the words
 * of both languages.
 */
#include "fuzz.h"

#include <mpio/backends/mem.h>
#include <mpio/fault.h>
#include <mpio/open.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512u
/* Of all that a set of rules may come to, when it is written. */
#define PRINT_MAX 8192u

static const char words[][12] = {
	"read",    "write",      "flush",  "discard", "submit",    "complete",
	"nth=",    "every=",     "p=0.",   "range=",  "state=",    "once",
	"sticky",  "errno=",     "short=", "torn=",   "drop",      "misdirect=",
	"flip=",   "delay=",     "delay:", "reorder", "dup",       "never",
	"inline",  "hold",       "cut",    "set=",    "lose",      ":",
	":",       ",",          "=",      "+",       "0x",        "1",
	"7",       "4K",         "64K",    "512",     "5us",       "EIO",
	"ENOSPC",  "EREMOTEIO",  "fault:", "trace:",  "readonly:", "linear:",
	"verify:", "delay:5us:", "mem:4K", "mem:64K", "|",         "?",
};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* The text of an input. */
static void spell(struct fuzz_input *in, char *text)
{
	size_t length = 0;

	while (!fuzz_is_empty(in) && length + sizeof(words[0]) < TEXT_MAX) {
		uint32_t byte = fuzz_byte(in);

		if (byte >= 128) {
			const char *word = words[(byte - 128) % WORDS];

			memcpy(text + length, word, strlen(word));
			length += strlen(word);
		} else if (byte != 0) {
			text[length++] = (char)byte;
		}
	}
	text[length] = '\0';
}

/* Read a text that lies at the end of its memory: not a byte more is read. */
static int parse(struct mpio_faults *faults, const char *text,
		 struct mpio_fault_error *error)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);
	int result;

	FUZZ_CHECK(copy != NULL);
	memcpy(copy, text, size);
	result = mpio_faults_parse(faults, copy, error);
	free(copy);
	return result;
}

/* ---- Rules -------------------------------------------------------------- */

/* Member by member: what lies between them may be anything. */
static bool are_rules_equal(const struct mpio_fault_rule *a,
			    const struct mpio_fault_rule *b)
{
	return a->event == b->event && a->actions == b->actions &&
	       a->flags == b->flags && a->state == b->state &&
	       a->next_state == b->next_state &&
	       a->probability == b->probability && a->nth == b->nth &&
	       a->every == b->every && a->offset == b->offset &&
	       a->length == b->length && a->error == b->error &&
	       a->bit == b->bit && a->short_by == b->short_by &&
	       a->sectors == b->sectors && a->shift == b->shift &&
	       a->delay == b->delay && a->seen == b->seen &&
	       a->fired == b->fired;
}

static bool are_equal(const struct mpio_faults *a, const struct mpio_faults *b)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++) {
		if (!are_rules_equal(&a->rules[i], &b->rules[i]))
			return false;
	}
	return a->count == b->count && a->state == b->state;
}

/* What was written is read as the same, and as much as there is room for. */
static void check_print(const struct mpio_faults *faults, uint32_t room)
{
	static char text[PRINT_MAX];
	static char again[PRINT_MAX];
	struct mpio_faults read = {0};
	size_t length = mpio_faults_print(faults, text, sizeof(text));

	FUZZ_CHECK(length < sizeof(text) && strlen(text) == length);
	if (faults->count != 0) {
		FUZZ_CHECK(parse(&read, text, NULL) == 0);
		FUZZ_CHECK(are_equal(&read, faults));
	}
	memset(again, 1, sizeof(again));
	FUZZ_CHECK(mpio_faults_print(faults, again, room) == length);
	FUZZ_CHECK(again[room] == 1);
	if (room == 0)
		return;
	if (room > length)
		room = (uint32_t)length + 1;
	FUZZ_CHECK(memcmp(again, text, room - 1) == 0);
	FUZZ_CHECK(again[room - 1] == '\0');
}

/* A set is what its rules are, one by one. */
static void check_pieces(const struct mpio_faults *faults, const char *text)
{
	struct mpio_faults pieces = {0};
	struct mpio_faults added = {0};
	char piece[TEXT_MAX];

	for (const char *at = text;; at++) {
		size_t length = strcspn(at, ",");

		memcpy(piece, at, length);
		piece[length] = '\0';
		FUZZ_CHECK(parse(&pieces, piece, NULL) == 0);
		at += length;
		if (*at == '\0')
			break;
	}
	FUZZ_CHECK(are_equal(&pieces, faults));
	for (uint32_t i = 0; i < faults->count; i++)
		FUZZ_CHECK(mpio_faults_add(&added, &faults->rules[i]) == 0);
	FUZZ_CHECK(are_equal(&added, faults));
}

static void try_rules(const char *text, uint32_t room)
{
	struct mpio_faults faults = {0};
	struct mpio_faults before;
	struct mpio_fault_error error = {0};
	int result = parse(&faults, text, &error);

	if (result != 0) {
		FUZZ_CHECK(result == -MPIO_EINVAL || result == -MPIO_ENOSPC);
		FUZZ_CHECK(error.why != NULL && error.at <= strlen(text));
		FUZZ_CHECK(faults.count == 0 && faults.state == 0);
		return;
	}
	FUZZ_CHECK(faults.count != 0 && faults.count <= MPIO_FAULT_RULES_MAX);
	check_print(&faults, room);
	check_pieces(&faults, text);
	before = faults;
	result = parse(&faults, text, NULL);
	if (result == 0) {
		FUZZ_CHECK(faults.count == 2 * before.count);
		for (uint32_t i = 0; i < before.count; i++)
			FUZZ_CHECK(
				are_rules_equal(&faults.rules[before.count + i],
						&before.rules[i]));
		faults.count = before.count;
	} else {
		FUZZ_CHECK(result == -MPIO_ENOSPC);
		FUZZ_CHECK(2 * before.count > MPIO_FAULT_RULES_MAX);
	}
	FUZZ_CHECK(are_equal(&faults, &before));
}

/* ---- Numbers ------------------------------------------------------------ */

/* A naive reader of a number, and of a number of bytes. */
static bool number_of(const char *text, bool of_bytes, uint64_t *value)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	static const char suffixes[] = "KMGT";
	uint32_t base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	const char *at = base == 16 ? text + 2 : text;
	const char *first = at;
	const char *suffix;

	*value = 0;
	for (; *at != '\0'; at++) {
		const char *found = strchr(digits, *at);
		uint64_t digit =
			found != NULL ? (uint64_t)(found - digits) % 16 : 99;

		if (digit >= base)
			break;
		if (*value > (UINT64_MAX - digit) / base)
			return false;
		*value = *value * base + digit;
	}
	if (at == first)
		return false;
	suffix = of_bytes && *at != '\0' ? strchr(suffixes, *at) : NULL;
	if (suffix != NULL) {
		uint32_t shift = 10 * (uint32_t)(suffix - suffixes + 1);

		if (*value > UINT64_MAX >> shift)
			return false;
		*value <<= shift;
		at++;
	}
	return *at == '\0' && *value != 0;
}

static void try_number(const char *text)
{
	char rule[TEXT_MAX + 32];
	struct mpio_faults faults = {0};
	uint64_t value;
	bool wanted = number_of(text, false, &value);

	snprintf(rule, sizeof(rule), "write:nth=%s:drop", text);
	FUZZ_CHECK((parse(&faults, rule, NULL) == 0) == wanted);
	FUZZ_CHECK(!wanted || faults.rules[0].nth == value);
	faults = (struct mpio_faults){0};
	wanted = number_of(text, true, &value);
	snprintf(rule, sizeof(rule), "write:range=0+%s:drop", text);
	FUZZ_CHECK((parse(&faults, rule, NULL) == 0) == wanted);
	FUZZ_CHECK(!wanted || faults.rules[0].length == value);
}

/* All that stand in a text. */
static void try_numbers(const char *text)
{
	char number[TEXT_MAX];

	while (*text != '\0') {
		size_t length = strcspn(text, ":,=+");

		memcpy(number, text, length);
		number[length] = '\0';
		try_number(number);
		text += length;
		text += *text != '\0';
	}
}

/* ---- Rules that are no text --------------------------------------------- */

static uint64_t some_number(struct fuzz_input *in)
{
	return fuzz_number(in, fuzz_below(in, 9));
}

/* A set of any rules: what can be added can be written and read. */
static void try_structs(struct fuzz_input *in)
{
	struct mpio_faults faults = {0};

	while (!fuzz_is_empty(in)) {
		struct mpio_fault_rule rule = {
			.event = fuzz_below(in, 7),
			.actions = (uint32_t)fuzz_number(in, 2),
			.flags = fuzz_below(in, 5),
			.state = (uint32_t)some_number(in),
			.probability = (uint32_t)some_number(in),
			.nth = some_number(in),
			.every = some_number(in),
			.offset = some_number(in),
			.length = some_number(in),
		};
		uint32_t count = faults.count;
		int error;

		/* A value is written with its action only. */
		if (rule.length == 0)
			rule.offset = 0;
		if (rule.actions & MPIO_FAULT_ERRNO)
			rule.error = (int32_t)some_number(in);
		if (rule.actions & MPIO_FAULT_SHORT)
			rule.short_by = (uint32_t)some_number(in);
		if (rule.actions & MPIO_FAULT_TORN)
			rule.sectors = some_number(in);
		if (rule.actions & MPIO_FAULT_MISDIRECT)
			rule.shift = some_number(in);
		if (rule.actions & MPIO_FAULT_FLIP)
			rule.bit = (uint32_t)some_number(in);
		if (rule.actions & MPIO_FAULT_DELAY)
			rule.delay = some_number(in);
		if (rule.actions & MPIO_FAULT_SET)
			rule.next_state = (uint32_t)some_number(in);
		error = mpio_faults_add(&faults, &rule);
		FUZZ_CHECK(error == 0 || error == -MPIO_EINVAL ||
			   (error == -MPIO_ENOSPC &&
			    count == MPIO_FAULT_RULES_MAX));
		FUZZ_CHECK(faults.count == count + (error == 0 ? 1u : 0u));
	}
	check_print(&faults, 100);
}

/* ---- URIs --------------------------------------------------------------- */

static unsigned char bytes[65536];
static unsigned opened;

static void close_mem(struct mpio_device *device)
{
	opened--;
	free(device);
}

/* Memory of up to 64 KiB, which all share. */
static int open_mem(const char *path, char *options,
		    struct mpio_device **device)
{
	struct mpio_mem *mem;
	uint64_t size;

	if (*options != '\0' || mpio_size_parse(path, &size) != 0 || size == 0)
		return -MPIO_EINVAL;
	mem = malloc(sizeof(*mem));
	if (mem == NULL || size > sizeof(bytes)) {
		free(mem);
		return -MPIO_ENOMEM;
	}
	mpio_mem_init(mem, bytes, size);
	mem->device.ops.close = close_mem;
	*device = &mem->device;
	opened++;
	return 0;
}

/* No file is opened. */
static int refuse(const char *path, char *options, struct mpio_device **device)
{
	(void)path;
	(void)options;
	(void)device;
	return -MPIO_ENXIO;
}

static const struct mpio_scheme schemes[] = {
	{"posix", refuse},    {"file", refuse}, {"threads", refuse},
	{"libaio", refuse},   {"sim", refuse},  {"mem", open_mem},
	{"io_uring", refuse},
};

static int open_uri(const char *uri)
{
	struct mpio_device *device = NULL;
	int error = mpio_device_open_with(
		schemes, sizeof(schemes) / sizeof(schemes[0]), uri, &device);
	char text[TEXT_MAX];

	FUZZ_CHECK((device != NULL) == (error == 0));
	FUZZ_CHECK(error == 0 || error == -MPIO_EINVAL ||
		   error == -MPIO_ENODEV || error == -MPIO_ENXIO ||
		   error == -MPIO_ENOMEM);
	if (device != NULL) {
		size_t length = mpio_device_describe(device, NULL, 0);

		FUZZ_CHECK(device->size > 0 && opened > 0);
		FUZZ_CHECK(mpio_device_describe(device, text, sizeof(text)) ==
			   length);
	}
	mpio_device_close(device);
	FUZZ_CHECK(opened == 0);
	return error;
}

/* A filter takes the rules that are some, but for those of disks alone. */
static void try_filter(const char *rules)
{
	static char uri[TEXT_MAX + 32];
	struct mpio_faults faults = {0};
	int wanted = parse(&faults, rules, NULL) == 0 ? 0 : -MPIO_EINVAL;
	int error;

	for (uint32_t i = 0; i < faults.count; i++) {
		const uint32_t disk = MPIO_FAULT_CUT | MPIO_FAULT_LOSE;

		if (faults.rules[i].actions & disk)
			wanted = -MPIO_EINVAL;
	}
	snprintf(uri, sizeof(uri), "fault:%s:mem:64K", rules);
	error = open_uri(uri);
	/* What is no rule may be one and the name of a further filter. */
	if (wanted == 0)
		FUZZ_CHECK(error == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.at = data, .end = data + size};
	static char text[TEXT_MAX];
	uint32_t which = fuzz_below(&in, 4);
	uint32_t room = fuzz_byte(&in);

	if (which == 1) {
		try_structs(&in);
		return 0;
	}
	spell(&in, text);
	if (which == 0) {
		try_numbers(text);
		try_rules(text, room);
	} else if (which == 2)
		try_filter(text);
	else
		open_uri(text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Fault rules as text: read, written, refused. What is made of random pieces
 * is never believed without being read to its end.
 */
#include "mock.h"

#include <mpio/fault.h>
#include <mpio/mpio.h>

#include <stdio.h>
#include <time.h>

static void assert_same(const char *text, const char *again)
{
	struct mpio_faults faults = {0};
	struct mpio_fault_error error = {0};
	char printed[512];
	int result = mpio_faults_parse(&faults, text, &error);

	if (result != 0)
		fail_msg("'%s': at %zu: %s", text, error.at, error.why);
	assert_int_equal(mpio_faults_print(&faults, printed, sizeof(printed)),
			 strlen(again));
	assert_string_equal(printed, again);
}

static void a_rule_is_printed_as_it_was_read(void **state)
{
	static const char *const texts[] = {
		"write:nth=7:errno=EIO:sticky",
		"read:range=1048576+65536:p=0.01:flip=3",
		"flush:every=3:drop",
		"discard:state=2:errno=EOPNOTSUPP:once",
		"submit:errno=EAGAIN",
		"flush:nth=1:errno=EIO:lose",
		"complete:nth=1:short=512:dup",
		"write:nth=2:every=5:short=1:torn=0xa5:misdirect=4096",
		"read:p=1.0:delay=5000000:reorder",
		"write:never,read:inline,flush:hold",
		"write:nth=18446744073709551615:cut",
		"submit:drop:set=4294967295",
		"write:errno=1234",
		"read:p=0.000000001:never",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_same(texts[i], texts[i]);
}

static void numbers_may_be_written_in_other_ways(void **state)
{
	(void)state;
	assert_same("read:range=1M+0x200:drop", "read:range=1048576+512:drop");
	assert_same("write:delay=5ms", "write:delay=5000000");
	assert_same("write:delay=2s", "write:delay=2000000000");
	assert_same("write:delay=7us", "write:delay=7000");
	assert_same("write:delay=7ns", "write:delay=7");
	assert_same("write:torn=5", "write:torn=0x5");
	assert_same("write:errno=5", "write:errno=EIO");
	assert_same("write:sticky:errno=EIO:nth=2",
		    "write:nth=2:errno=EIO:sticky");
	assert_same("write:short=1K:p=1", "write:p=1.0:short=1024");
}

static void what_was_read_stands_in_the_rule(void **state)
{
	struct mpio_faults faults = {0};
	const struct mpio_fault_rule *rule = faults.rules;

	(void)state;
	assert_int_equal(
		mpio_faults_parse(&faults,
				  "write:nth=7:every=2:p=0.25:range=4K+8K:"
				  "state=3:set=4:errno=ENOSPC:short=9:torn=6:"
				  "misdirect=512:flip=77:delay=1us:sticky",
				  NULL),
		0);
	assert_int_equal(faults.count, 1);
	assert_int_equal(rule->event, MPIO_FAULT_ON_WRITE);
	assert_int_equal(rule->nth, 7);
	assert_int_equal(rule->every, 2);
	assert_int_equal(rule->probability, 250000000);
	assert_int_equal(rule->offset, 4096);
	assert_int_equal(rule->length, 8192);
	assert_int_equal(rule->state, 3);
	assert_int_equal(rule->next_state, 4);
	assert_int_equal(rule->error, MPIO_ENOSPC);
	assert_int_equal(rule->short_by, 9);
	assert_int_equal(rule->sectors, 6);
	assert_int_equal(rule->shift, 512);
	assert_int_equal(rule->bit, 77);
	assert_int_equal(rule->delay, 1000);
	assert_int_equal(rule->flags, MPIO_FAULT_STICKY);
	assert_int_equal(rule->actions,
			 MPIO_FAULT_ERRNO | MPIO_FAULT_SHORT | MPIO_FAULT_TORN |
				 MPIO_FAULT_MISDIRECT | MPIO_FAULT_FLIP |
				 MPIO_FAULT_DELAY | MPIO_FAULT_SET);
}

static const struct {
	const char *text;
	size_t at;
	const char *why;
} bad[] = {
	{"", 0, "begins with an event"},
	{"wrote:drop", 0, "begins with an event"},
	{"write", 5, "no action"},
	{"write:nth=7", 11, "no action"},
	{"write:drop:", 11, "no such field"},
	{"write:dropped", 6, "no such field"},
	{"write:drop:nth7", 11, "no such field"},
	{"write:drop:delay:once", 11, "value is missing"},
	{"write:delay:once", 11, "value is missing"},
	{"write:drop=1", 10, "takes no value"},
	{"write:nth", 9, "value is missing"},
	{"write:nth=", 10, "number is missing"},
	{"write:nth=x:drop", 10, "number is missing"},
	{"write:nth=0:drop", 11, "counts from 1"},
	{"write:every=0:drop", 13, "counts from 1"},
	{"write:nth=7x:drop", 11, "not a number"},
	{"write:nth=18446744073709551616:drop", 29, "too large"},
	{"write:short=4294967296", 22, "too large"},
	{"write:delay=99999999999s", 24, "too large"},
	{"write:p=2:drop", 8, "from 0 to 1"},
	{"write:p=0:drop", 9, "above 0"},
	{"write:p=1.5:drop", 11, "above 0"},
	{"write:p=0.1234567891:drop", 19, "nine digits"},
	{"write:errno=EFOO", 12, "no such errno"},
	{"write:errno=0", 13, "out of range"},
	{"write:errno=5000", 16, "too large"},
	{"write:range=4K:drop", 14, "OFFSET+LENGTH"},
	{"write:range=4K+0:drop", 16, "range is empty"},
	{"write:range=1+18446744073709551615:drop", 34, "too large"},
	{"write:drop:once:sticky", 22, "exclude each other"},
	{"flush:torn=1", 12, "no such action"},
	{"write:lose", 10, "no such action"},
	{"complete:drop", 13, "no such action"},
	{"write:set=0", 11, "out of range"},
	{"write:drop,", 11, "begins with an event"},
	{"write:drop,,read:drop", 11, "begins with an event"},
	{"write:drop=", 10, "takes no value"},
	{"write:dropped", 6, "no such field"},
	{"read:range=99999999999T+1:drop", 23, "too large"},
};

static void bad_text_is_refused_with_place_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct mpio_faults faults = {0};
		struct mpio_fault_error error = {0};
		int result = mpio_faults_parse(&faults, bad[i].text, &error);

		if (result != -MPIO_EINVAL || faults.count != 0 ||
		    strstr(error.why, bad[i].why) == NULL ||
		    error.at != bad[i].at)
			fail_msg("'%s': %d, at %zu: %s", bad[i].text, result,
				 error.at, error.why);
	}
}

static void there_is_room_for_sixteen(void **state)
{
	struct mpio_faults faults = {0};
	const struct mpio_fault_rule rule = {.event = MPIO_FAULT_ON_READ,
					     .actions = MPIO_FAULT_DROP};

	(void)state;
	for (uint32_t i = 0; i < MPIO_FAULT_RULES_MAX; i++)
		assert_int_equal(mpio_faults_parse(&faults, "read:drop", NULL),
				 0);
	assert_int_equal(mpio_faults_parse(&faults, "read:drop", NULL),
			 -MPIO_ENOSPC);
	assert_int_equal(mpio_faults_add(&faults, &rule), -MPIO_ENOSPC);
	assert_int_equal(faults.count, MPIO_FAULT_RULES_MAX);
}

static void a_rule_that_cannot_be_is_not_added(void **state)
{
	struct mpio_faults faults = {0};
	struct mpio_fault_rule rule = {.event = MPIO_FAULT_ON_READ};

	(void)state;
	assert_int_equal(mpio_faults_add(&faults, &rule), -MPIO_EINVAL);
	rule.actions = MPIO_FAULT_ERRNO;
	assert_int_equal(mpio_faults_add(&faults, &rule), -MPIO_EINVAL);
	rule.error = -MPIO_EIO;
	assert_int_equal(mpio_faults_add(&faults, &rule), -MPIO_EINVAL);
	rule.error = MPIO_EIO;
	rule.seen = 9;
	assert_int_equal(mpio_faults_add(&faults, &rule), 0);
	assert_int_equal(faults.rules[0].seen, 0);
	rule.event = 6;
	assert_int_equal(mpio_faults_add(&faults, &rule), -MPIO_EINVAL);
	assert_int_equal(faults.count, 1);
}

static void each_number_of_a_rule_is_kept_to_what_can_be(void **state)
{
	const struct mpio_fault_rule good = {
		.event = MPIO_FAULT_ON_WRITE,
		.actions = MPIO_FAULT_SHORT | MPIO_FAULT_ERRNO | MPIO_FAULT_SET,
		.error = MPIO_EIO,
		.next_state = 2,
		.short_by = 512,
	};
	struct mpio_fault_rule wrong[10];
	struct mpio_faults faults = {0};

	(void)state;
	assert_int_equal(mpio_faults_add(&faults, &good), 0);
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		wrong[i] = good;
	wrong[0].flags = MPIO_FAULT_ONCE | MPIO_FAULT_STICKY;
	wrong[1].flags = MPIO_FAULT_STICKY << 1;
	wrong[2].error = 4096;
	wrong[3].next_state = 0;
	wrong[4].short_by = 0;
	wrong[5].probability = 1000000001;
	wrong[6].every = UINT64_MAX;
	wrong[7].delay = UINT64_MAX;
	wrong[8].shift = UINT64_MAX;
	wrong[9].offset = UINT64_MAX;
	wrong[9].length = 1;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_int_equal(mpio_faults_add(&faults, &wrong[i]),
				 -MPIO_EINVAL);
	assert_int_equal(faults.count, 1);
}

static void an_event_that_is_none_is_printed_all_the_same(void **state)
{
	struct mpio_faults faults = {.count = 1};
	char text[64];

	(void)state;
	faults.rules[0].event = 99;
	faults.rules[0].actions = MPIO_FAULT_DROP;
	mpio_faults_print(&faults, text, sizeof(text));
	assert_string_equal(text, "?:drop");
}

static void text_without_room_is_counted(void **state)
{
	struct mpio_faults faults = {0};
	char text[8];

	(void)state;
	mpio_faults_parse(&faults, "write:nth=7:drop", NULL);
	assert_int_equal(mpio_faults_print(&faults, NULL, 0), 16);
	assert_int_equal(mpio_faults_print(&faults, text, sizeof(text)), 16);
	assert_string_equal(text, "write:n");
	assert_int_equal(mpio_faults_print(&faults, text, 1), 16);
	assert_string_equal(text, "");
	faults.count = 0;
	memset(text, 'x', sizeof(text));
	assert_int_equal(mpio_faults_print(&faults, text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

/* ---- Random text ---------------------------------------------------------- */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static const char *const words[] = {"read",
				    "write",
				    "flush",
				    "discard",
				    "submit",
				    "complete",
				    "nth",
				    "every",
				    "p",
				    "range",
				    "state",
				    "once",
				    "sticky",
				    "errno",
				    "short",
				    "torn",
				    "drop",
				    "misdirect",
				    "flip",
				    "delay",
				    "reorder",
				    "dup",
				    "never",
				    "inline",
				    "hold",
				    "cut",
				    "set",
				    ":",
				    ":",
				    ":",
				    ":",
				    "=",
				    "=",
				    "=",
				    ",",
				    "+",
				    "0",
				    "1",
				    "7",
				    "0x",
				    "ff",
				    "0.5",
				    "18446744073709551615",
				    "4294967295",
				    "K",
				    "T",
				    "EIO",
				    "EAGAIN",
				    "ms",
				    "s",
				    ".",
				    "\xff",
				    " ",
				    "posix"};

static const char *const fields[] = {
	":nth=7", ":every=3", ":p=0.5",     ":range=1K+2K",  ":state=2",
	":once",  ":sticky",  ":errno=EIO", ":short=1",      ":torn=0x55",
	":drop",  ":flip=9",  ":delay=1ms", ":reorder",      ":dup",
	":never", ":inline",  ":hold",      ":cut",          ":set=2",
	",write", ",read",    ",complete",  ":misdirect=512"};

/* Words and bytes; often something like a rule. */
static void make_text(char *text, size_t size)
{
	size_t length = 0;
	uint32_t n = below(14);
	bool sane = below(2) == 0;

	if (below(8) != 0)
		length = (size_t)snprintf(text, size, "%s", words[below(6)]);
	for (uint32_t i = 0; i < n; i++) {
		const char *word = words[below(COUNT_OF(words))];

		if (sane && below(20) != 0)
			word = fields[below(COUNT_OF(fields))];
		else if (below(3) == 0)
			word = i % 2 == 0 ? ":" : "=";
		if (length + strlen(word) + 2 > size)
			break;
		memcpy(text + length, word, strlen(word));
		length += strlen(word);
		if (below(40) == 0)
			text[length++] = (char)(1 + below(255));
	}
	text[length] = '\0';
}

/* The text lies at the end of its memory, so that a sanitizer sees a byte too
 * much. */
static void try_text(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);
	char first[4096];
	char second[4096];
	struct mpio_faults faults = {0};
	struct mpio_faults again = {0};
	struct mpio_fault_error error = {0};
	int result;

	assert_non_null(copy);
	memcpy(copy, text, size);
	result = mpio_faults_parse(&faults, copy, &error);
	free(copy);
	if (result != 0) {
		assert_non_null(error.why);
		assert_true(error.at < size);
		assert_int_equal(faults.count, 0);
		return;
	}
	mpio_faults_print(&faults, first, sizeof(first));
	assert_int_equal(mpio_faults_parse(&again, first, NULL), 0);
	assert_memory_equal(&again, &faults, sizeof(faults));
	mpio_faults_print(&again, second, sizeof(second));
	assert_string_equal(first, second);
}

static void no_text_makes_it_crash(void **state)
{
	const char *given = getenv("SEED");
	uint32_t good = 0;

	(void)state;
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < 100000; i++) {
		struct mpio_faults faults = {0};
		char text[200];

		make_text(text, sizeof(text));
		try_text(text);
		good += mpio_faults_parse(&faults, text, NULL) == 0;
	}
	print_message("%u of 100000 are rules\n", good);
	assert_true(good > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_is_printed_as_it_was_read),
		cmocka_unit_test(numbers_may_be_written_in_other_ways),
		cmocka_unit_test(what_was_read_stands_in_the_rule),
		cmocka_unit_test(bad_text_is_refused_with_place_and_reason),
		cmocka_unit_test(there_is_room_for_sixteen),
		cmocka_unit_test(a_rule_that_cannot_be_is_not_added),
		cmocka_unit_test(each_number_of_a_rule_is_kept_to_what_can_be),
		cmocka_unit_test(an_event_that_is_none_is_printed_all_the_same),
		cmocka_unit_test(text_without_room_is_counted),
		cmocka_unit_test(no_text_makes_it_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

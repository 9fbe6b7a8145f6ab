/* SPDX-License-Identifier: MIT */
/*
 * The oracle, by hand. A disk is a string, a letter a cell.
 */
#include "oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CELLS 4u
#define NONE (-1)

static struct oracle oracle;

static void fill(unsigned char *bytes, const char *letters)
{
	for (size_t i = 0; letters[i] != '\0'; i++)
		memset(bytes + i * CELL, letters[i], CELL);
}

static void begin(uint32_t mapped)
{
	unsigned char bytes[CELLS * CELL];

	fill(bytes, "....");
	oracle_open(&oracle, bytes, sizeof(bytes));
	if (mapped != 0)
		oracle_map(&oracle, 0, (uint64_t)mapped * CELL);
}

static void put(uint32_t cell, const char *letters)
{
	unsigned char bytes[CELLS * CELL];

	fill(bytes, letters);
	oracle_put(&oracle, (uint64_t)cell * CELL, bytes,
		   strlen(letters) * CELL);
}

/* Which cell of a disk is wrong. */
static int wrong(const char *letters)
{
	unsigned char bytes[CELLS * CELL];
	uint64_t bad;

	fill(bytes, letters);
	bad = oracle_check(&oracle, 0, bytes, sizeof(bytes));
	return bad == UINT64_MAX ? NONE : (int)(bad / CELL);
}

static void a_cell_is_old_or_was_submitted(void **state)
{
	(void)state;
	begin(CELLS);
	put(0, "ab");
	put(1, "c");
	assert_int_equal(wrong("...."), NONE);
	assert_int_equal(wrong("a..."), NONE);
	assert_int_equal(wrong(".b.."), NONE);
	assert_int_equal(wrong("ac.."), NONE);
	assert_int_equal(wrong("c..."), 0);
	assert_int_equal(wrong("a.b."), 2);
	oracle_close(&oracle);
}

/* All of its bytes are. */
static void half_a_cell_is_wrong(void **state)
{
	unsigned char bytes[CELLS * CELL];

	(void)state;
	begin(CELLS);
	put(0, "a");
	fill(bytes, "a...");
	bytes[CELL - 1] = '.';
	assert_int_equal(oracle_check(&oracle, 0, bytes, sizeof(bytes)), 0);
	oracle_close(&oracle);
}

static void what_is_promised_is_there(void **state)
{
	(void)state;
	begin(CELLS);
	put(0, "aa");
	oracle_promise(&oracle, 0, CELL);
	assert_int_equal(wrong("a..."), NONE);
	assert_int_equal(wrong("aa.."), NONE);
	assert_int_equal(wrong("...."), 0);
	put(0, "b");
	assert_int_equal(wrong("a..."), NONE);
	assert_int_equal(wrong("b..."), NONE);
	assert_int_equal(wrong("...."), 0);
	oracle_promise_to(&oracle, 0, oracle_mark(&oracle, 0) - 1);
	assert_int_equal(wrong("a..."), NONE);
	oracle_promise(&oracle, 0, CELL);
	assert_int_equal(wrong("a..."), 0);
	oracle_close(&oracle);
}

static void what_is_nobodys_stays_as_it_was(void **state)
{
	(void)state;
	begin(1);
	put(0, "aa");
	assert_int_equal(wrong("a..."), NONE);
	assert_int_equal(wrong("aa.."), 1);
	oracle_close(&oracle);
}

/* A promise after a failure covers only what was submitted after it. */
static void what_is_in_doubt_is_never_promised(void **state)
{
	(void)state;
	begin(CELLS);
	put(0, "aaa");
	oracle_promise(&oracle, 0, CELL);
	oracle_doubt(&oracle);
	put(1, "b");
	oracle_promise(&oracle, 0, (uint64_t)CELLS * CELL);
	assert_int_equal(wrong("ab.."), NONE);
	assert_int_equal(wrong("aba."), NONE);
	assert_int_equal(wrong("aa.."), 1);
	assert_int_equal(wrong(".b.."), 0);
	oracle_close(&oracle);
}

static void behind_a_flush_is_all_before_it(void **state)
{
	(void)state;
	begin(CELLS);
	put(0, "aa");
	oracle_order(&oracle, (uint64_t)2 * CELL, CELL);
	put(2, "c");
	put(1, "d");
	assert_int_equal(wrong("...."), NONE);
	assert_int_equal(wrong("a..."), NONE);
	assert_int_equal(wrong("aac."), NONE);
	assert_int_equal(wrong("adc."), NONE);
	assert_int_equal(wrong("a.c."), 1);
	assert_int_equal(wrong(".ac."), 0);
	/* What was there before it tells nothing. */
	assert_int_equal(wrong(".d.."), NONE);
	oracle_close(&oracle);
}

static void an_order_that_is_kept_is_forgotten(void **state)
{
	(void)state;
	begin(CELLS);
	for (uint32_t i = 0; i < 2 * ORDERS_MAX; i++) {
		char letters[] = {(char)('a' + i % 26), '\0'};

		put(0, letters);
		oracle_order(&oracle, CELL, CELL);
		put(1, letters);
		oracle_promise(&oracle, 0, (uint64_t)2 * CELL);
	}
	assert_true(oracle.order_count <= 2);
	oracle_close(&oracle);
}

/* Two versions are alike: it is not known which one is there. */
static void what_is_alike_begins_no_order(void **state)
{
	(void)state;
	begin(CELLS);
	put(1, "x");
	put(0, "a");
	oracle_order(&oracle, CELL, CELL);
	put(1, "y");
	put(1, "x");
	assert_int_equal(wrong(".x.."), NONE);
	assert_int_equal(wrong(".y.."), 0);
	oracle_close(&oracle);
}

static void what_is_wrong_is_told(void **state)
{
	unsigned char bytes[CELL];
	char text[200];

	(void)state;
	begin(1);
	fill(bytes, "z");
	oracle_explain(&oracle, CELL, bytes, text, sizeof(text));
	assert_string_equal(text,
			    "bytes 512+512 hold what nobody ever submitted");
	put(1, "b");
	fill(bytes, "b");
	oracle_explain(&oracle, CELL, bytes, text, sizeof(text));
	assert_string_equal(
		text, "bytes 512+512 hold version 1, though they are nobody's");
	oracle_close(&oracle);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cell_is_old_or_was_submitted),
		TEST(half_a_cell_is_wrong),
		TEST(what_is_promised_is_there),
		TEST(what_is_nobodys_stays_as_it_was),
		TEST(what_is_in_doubt_is_never_promised),
		TEST(behind_a_flush_is_all_before_it),
		TEST(an_order_that_is_kept_is_forgotten),
		TEST(what_is_alike_begins_no_order),
		TEST(what_is_wrong_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

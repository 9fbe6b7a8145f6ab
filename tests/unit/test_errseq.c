/* SPDX-License-Identifier: MIT */
/*
 * Error sequence: sequences of errors and looks, with one to three holders.
 *
 * A sequence is words; a digit is the holder, a minus means that the call
 * returns that error, without one it returns 0:
 *
 *     e5       an error -5 is recorded
 *     o1       holder 1 begins (sample)
 *     c1 c1-5  holder 1 looks without being told (check)
 *     t1 t1-5  holder 1 is told (check and advance)
 *     n n-5    somebody looks from before the first error (check, NULL)
 */
#include "mock.h"

#include <stdio.h>

static const char *const sequences[] = {
	/* No error. */
	"o1 t1 c1 n",
	"n o1 o2 t1 t2 t1",
	"o1 e0 c1 t1 n",
	/* One holder: each error is told once. */
	"o1 e5 t1-5 t1",
	"o1 e5 t1-5 t1 t1 c1",
	"o1 e5 t1-5 e5 t1-5 t1",
	"o1 e5 t1-5 e28 t1-28 t1",
	"o1 e5 t1-5 t1 e28 t1-28 t1 e5 t1-5 t1",
	/* Of several errors between looks the newest is told. */
	"o1 e5 e28 t1-28 t1",
	"o1 e28 e5 e28 e5 t1-5 t1",
	"o1 e5 t1-5 e28 e5 t1-5 t1",
	/* To look is not to be told. */
	"o1 e5 c1-5 c1-5 t1-5 c1 t1",
	"o1 e5 c1-5 o2 t2-5 t1-5 c1 c2",
	"e5 n-5 n-5 o1 t1-5 n-5 t1",
	/* Opened while an error was unseen: told, once. */
	"e5 o1 t1-5 t1",
	"e5 e28 o1 t1-28 t1",
	"e5 o1 o2 t1-5 t2-5 t1 t2",
	"o1 e5 o2 t2-5 t2 t1-5 t1",
	"e5 o1 e28 t1-28 t1",
	/* Opened after it was seen: not told. */
	"o1 e5 t1-5 o2 t2 c2 t1",
	"o1 e5 t1-5 o2 e28 t2-28 t1-28 t1 t2",
	"e5 o1 t1-5 o2 o3 t2 t3 e5 t3-5 t2-5 t1-5 t1 t2 t3",
	/* Each holder is told, no matter how many were before. */
	"o1 o2 e5 t1-5 t2-5 t1 t2",
	"o1 o2 o3 e5 t1-5 t2-5 t3-5 t1 t2 t3",
	"o1 o2 e5 t1-5 e28 t1-28 t2-28 t1 t2",
	"o1 o2 e5 t1-5 e5 t2-5 t1-5 t1 t2",
	"o1 o2 e5 t1-5 e5 t1-5 e5 t1-5 t2-5 t2 t1",
	"o1 o2 o3 e5 t1-5 t2-5 e28 t2-28 t3-28 t1-28 t1 t2 t3",
	/* An error between two openings, seen by the first only. */
	"o1 e5 o2 t1-5 o3 t2-5 t3 t1 t2 t3",
	"o1 e5 o2 t1-5 e28 o3 t3-28 t2-28 t1-28 t1 t2 t3",
	/* One that never looks until late is told once. */
	"o1 o2 e5 t1-5 e28 t1-28 e5 t1-5 o3 t3 t2-5 t2",
	/* Beginning anew forgets what was not told. */
	"o1 o2 e5 t2-5 o1 t1 e5 t1-5 t1",
	/* The largest number that an error may be. */
	"o1 e4095 t1-4095 t1",
	"o1 e1 t1-1 t1",
	/* No errors: zero, and numbers that fit no errno. */
	"o1 e4096 t1 e100000 t1 n",
	"o1 e5 t1-5 e0 e4096 t1 c1",
};

static void play(const char *sequence)
{
	struct mpio_errseq errseq = {0};
	struct mpio_errseq holders[4] = {{0}};
	const char *word = sequence;

	while (*word != '\0') {
		char what = *word++;
		char *end;
		struct mpio_errseq *holder = NULL;
		long number = 0;
		int result = 0;

		if (strchr("oct", what) != NULL)
			holder = &holders[*word++ - '0'];
		number = strtol(word, &end, 10);
		word = *end == ' ' ? end + 1 : end;
		if (what == 'e')
			mpio_errseq_set(&errseq, -(int)number);
		else if (what == 'o')
			*holder = mpio_errseq_sample(&errseq);
		else if (what == 't')
			result = mpio_errseq_check_and_advance(&errseq, holder);
		else
			result = mpio_errseq_check(&errseq, holder);
		if (what != 'e' && result != (int)number) {
			print_error("'%s': %d before '%s'\n", sequence, result,
				    word);
			fail();
		}
	}
}

static void each_error_is_told_once_to_every_holder(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sequences); i++)
		play(sequences[i]);
}

static void numbers_that_are_no_errors_are_ignored(void **state)
{
	static const int numbers[] = {0,     1,       MPIO_EIO,  4095,
				      -4096, -100000, INT32_MAX, INT32_MIN};
	struct mpio_errseq errseq = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		mpio_errseq_set(&errseq, numbers[i]);
		assert_int_equal(mpio_errseq_check(&errseq, NULL), 0);
	}
	mpio_errseq_set(&errseq, -MPIO_EIO);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		mpio_errseq_set(&errseq, numbers[i]);
		assert_int_equal(mpio_errseq_check(&errseq, NULL), -MPIO_EIO);
	}
}

/* A holder that looks each time never misses one, however many there were. */
static void a_million_errors_are_told_one_by_one(void **state)
{
	struct mpio_errseq errseq = {0};
	struct mpio_errseq holder = mpio_errseq_sample(&errseq);

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		int error = -1 - i % 4095;

		mpio_errseq_set(&errseq, error);
		assert_int_equal(
			mpio_errseq_check_and_advance(&errseq, &holder), error);
		assert_int_equal(
			mpio_errseq_check_and_advance(&errseq, &holder), 0);
	}
}

/* Unseen errors replace each other and cannot wrap the counter. */
static void a_million_unseen_errors_hide_none_from_a_holder(void **state)
{
	struct mpio_errseq errseq = {0};
	struct mpio_errseq early = mpio_errseq_sample(&errseq);
	struct mpio_errseq late;

	(void)state;
	mpio_errseq_set(&errseq, -MPIO_EIO);
	assert_int_equal(mpio_errseq_check_and_advance(&errseq, &early),
			 -MPIO_EIO);
	late = mpio_errseq_sample(&errseq);
	for (int i = 0; i < 1000000; i++) {
		struct mpio_errseq copy, other = {0};

		mpio_errseq_set(&errseq, -MPIO_EIO);
		assert_int_equal(mpio_errseq_check(&errseq, &early), -MPIO_EIO);
		/* As it would be if somebody else looked now. */
		copy = errseq;
		(void)mpio_errseq_check_and_advance(&copy, &other);
		assert_int_equal(mpio_errseq_check(&copy, &early), -MPIO_EIO);
		assert_int_equal(mpio_errseq_check(&copy, &late), -MPIO_EIO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_error_is_told_once_to_every_holder),
		cmocka_unit_test(numbers_that_are_no_errors_are_ignored),
		cmocka_unit_test(a_million_errors_are_told_one_by_one),
		cmocka_unit_test(
			a_million_unseen_errors_hide_none_from_a_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

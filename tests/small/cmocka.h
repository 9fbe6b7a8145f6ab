/* SPDX-License-Identifier: MIT */
/*
 * As much of cmocka's interface as the tests use, for where there is no cmocka:
 * other machines, and compilers that want to see all of a program. A test that
 * fails ends the program.
 */
#ifndef MPIO_SMALL_CMOCKA_H
#define MPIO_SMALL_CMOCKA_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void small_test_fn(void **state);
typedef int small_fixture_fn(void **state);
typedef small_test_fn *CMUnitTestFunction;

struct CMUnitTest {
	const char *name;
	small_test_fn *test_func;
	small_fixture_fn *setup_func;
	small_fixture_fn *teardown_func;
	void *initial_state;
};

/* clang-format off */
#define cmocka_unit_test(f) {#f, f, NULL, NULL, NULL}
#define cmocka_unit_test_setup(f, setup) {#f, f, setup, NULL, NULL}
#define cmocka_unit_test_teardown(f, end) {#f, f, NULL, end, NULL}
#define cmocka_unit_test_setup_teardown(f, setup, end) {#f, f, setup, end, NULL}
/* clang-format on */

/* Used in the source that has the tests and runs them. */
__attribute__((unused)) static jmp_buf small_skipped;

__attribute__((noreturn, format(printf, 3, 4))) static inline void
small_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static inline void small_compare(uintmax_t a, uintmax_t b, int equal,
				 const char *text, const char *file, int line)
{
	if ((a == b) != equal)
		small_fail(file, line, "%s: %#" PRIxMAX ", %#" PRIxMAX, text, a,
			   b);
}

static inline void small_true(int is, const char *text, const char *file,
			      int line)
{
	if (!is)
		small_fail(file, line, "%s", text);
}

static inline void small_in_range(uintmax_t a, uintmax_t from, uintmax_t to,
				  const char *file, int line)
{
	if (a < from || a > to)
		small_fail(file, line, "%#" PRIxMAX " is not in range", a);
}

#define SMALL_HERE __FILE__, __LINE__
#define assert_int_equal(a, b)                                                 \
	small_compare((uintmax_t)(a), (uintmax_t)(b), 1, #a " is " #b,         \
		      SMALL_HERE)
#define assert_int_not_equal(a, b)                                             \
	small_compare((uintmax_t)(a), (uintmax_t)(b), 0, #a " is not " #b,     \
		      SMALL_HERE)
#define assert_ptr_equal(a, b)                                                 \
	small_true((const void *)(a) == (const void *)(b), #a " is " #b,       \
		   SMALL_HERE)
#define assert_ptr_not_equal(a, b)                                             \
	small_true((const void *)(a) != (const void *)(b), #a " is not " #b,   \
		   SMALL_HERE)
#define assert_true(a) small_true(!!(a), #a, SMALL_HERE)
#define assert_false(a) small_true(!(a), "not " #a, SMALL_HERE)
#define assert_null(a) small_true((a) == NULL, #a " is NULL", SMALL_HERE)
#define assert_non_null(a)                                                     \
	small_true((a) != NULL, #a " is not NULL", SMALL_HERE)
#define assert_string_equal(a, b)                                              \
	small_true(strcmp(a, b) == 0, #a " is " #b, SMALL_HERE)
#define assert_string_not_equal(a, b)                                          \
	small_true(strcmp(a, b) != 0, #a " is not " #b, SMALL_HERE)
#define assert_memory_equal(a, b, size)                                        \
	small_true(memcmp(a, b, size) == 0, #a " is " #b, SMALL_HERE)
#define assert_memory_not_equal(a, b, size)                                    \
	small_true(memcmp(a, b, size) != 0, #a " is not " #b, SMALL_HERE)
#define assert_in_range(a, from, to)                                           \
	small_in_range((uintmax_t)(a), (uintmax_t)(from), (uintmax_t)(to),     \
		       SMALL_HERE)
#define fail_msg(...) small_fail(__FILE__, __LINE__, __VA_ARGS__)
#define fail() small_fail(__FILE__, __LINE__, "failed")
#define _fail(file, line) small_fail(file, line, "failed")
#define skip() longjmp(small_skipped, 1)
#define print_message(...) printf(__VA_ARGS__)
#define print_error(...) fprintf(stderr, __VA_ARGS__)

static inline int small_run(const struct CMUnitTest *tests, size_t n,
			    small_fixture_fn *setup, small_fixture_fn *teardown)
{
	void *all = NULL;

	if (setup != NULL && setup(&all) != 0)
		fail_msg("the setup of all");
	for (size_t i = 0; i < n; i++) {
		const struct CMUnitTest *test = &tests[i];
		void *own =
			test->initial_state != NULL ? test->initial_state : all;
		void *volatile state = own;

		if (test->setup_func != NULL && test->setup_func(&own) != 0)
			fail_msg("the setup of %s", test->name);
		state = own;
		if (setjmp(small_skipped) == 0)
			test->test_func(&own);
		else
			printf("skipped: %s\n", test->name);
		own = state;
		if (test->teardown_func != NULL &&
		    test->teardown_func(&own) != 0)
			fail_msg("the end of %s", test->name);
	}
	if (teardown != NULL && teardown(&all) != 0)
		fail_msg("the end of all");
	printf("%zu tests\n", n);
	return 0;
}

#define _cmocka_run_group_tests(name, tests, n, setup, teardown)               \
	small_run(tests, n, setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown)                         \
	small_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Words for errors, and Linux's numbers for their names.
 */
#include "mock.h"

#include <mpio/error.h>

static const struct {
	int error;
	int number; /* on Linux */
} errors[] = {
	{MPIO_EPERM, 1},    {MPIO_ENOENT, 2},        {MPIO_EINTR, 4},
	{MPIO_EIO, 5},      {MPIO_ENXIO, 6},         {MPIO_EBADF, 9},
	{MPIO_EAGAIN, 11},  {MPIO_ENOMEM, 12},       {MPIO_EACCES, 13},
	{MPIO_EBUSY, 16},   {MPIO_EEXIST, 17},       {MPIO_ENODEV, 19},
	{MPIO_ENOTDIR, 20}, {MPIO_EISDIR, 21},       {MPIO_EINVAL, 22},
	{MPIO_EMFILE, 24},  {MPIO_EFBIG, 27},        {MPIO_ENOSPC, 28},
	{MPIO_EROFS, 30},   {MPIO_EPIPE, 32},        {MPIO_ERANGE, 34},
	{MPIO_EDEADLK, 35}, {MPIO_ENAMETOOLONG, 36}, {MPIO_ENOSYS, 38},
	{MPIO_ENODATA, 61}, {MPIO_EPROTO, 71},       {MPIO_EOVERFLOW, 75},
	{MPIO_EILSEQ, 84},  {MPIO_EOPNOTSUPP, 95},   {MPIO_ETIMEDOUT, 110},
	{MPIO_ESTALE, 116}, {MPIO_EUCLEAN, 117},     {MPIO_EREMOTEIO, 121},
	{MPIO_EDQUOT, 122}, {MPIO_ECANCELED, 125},
};

static void errors_have_the_numbers_of_linux(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(errors); i++)
		assert_int_equal(errors[i].error, errors[i].number);
}

static bool is_known(int error)
{
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		if (errors[i].error == error)
			return true;
	}
	return false;
}

static void each_error_has_words_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		const char *words = mpio_strerror(errors[i].error);

		assert_true(words[0] != '\0');
		assert_string_not_equal(words, "unknown error");
		assert_string_not_equal(words, "success");
		assert_string_equal(mpio_strerror(-errors[i].error), words);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(mpio_strerror(errors[j].error),
						words);
	}
}

static void zero_is_success(void **state)
{
	(void)state;
	assert_string_equal(mpio_strerror(0), "success");
}

static void other_numbers_are_unknown(void **state)
{
	static const int far[] = {1000, -1000, INT32_MAX, INT32_MIN,
				  INT32_MIN + 1};

	(void)state;
	for (int i = 1; i < 300; i++) {
		if (!is_known(i)) {
			assert_string_equal(mpio_strerror(i), "unknown error");
			assert_string_equal(mpio_strerror(-i), "unknown error");
		}
	}
	for (size_t i = 0; i < COUNT_OF(far); i++)
		assert_string_equal(mpio_strerror(far[i]), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_the_numbers_of_linux),
		cmocka_unit_test(each_error_has_words_of_its_own),
		cmocka_unit_test(zero_is_success),
		cmocka_unit_test(other_numbers_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The version: words and numbers say the same. */
#include "mock.h"

#include <stdio.h>

static void words_and_numbers_say_the_same(void **state)
{
	char text[40];

	(void)state;
	snprintf(text, sizeof(text), "%d.%d.%d", MPIO_VERSION_MAJOR,
		 MPIO_VERSION_MINOR, MPIO_VERSION_PATCH);
	assert_string_equal(mpio_version(), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_numbers_say_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

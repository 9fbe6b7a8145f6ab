/* SPDX-License-Identifier: MIT */
/*
 * What must hold, for programs whose inputs are made up: if it does not, the
 * program says where and ends. Each program has its own way of saying so.
 */
#ifndef CHECK_H
#define CHECK_H

_Noreturn void fuzz_fail(const char *file, int line, const char *what);

#define FUZZ_CHECK(condition)                                                  \
	do {                                                                   \
		if (!(condition))                                              \
			fuzz_fail(__FILE__, __LINE__, #condition);             \
	} while (0)

#endif

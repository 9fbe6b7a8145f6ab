#!/bin/sh
# SPDX-License-Identifier: MIT
#
# clang-tidy has nothing to say about the library; .clang-tidy has the list.
. "$(dirname "$0")/common.sh"
need clang-tidy

if ! clang-tidy --quiet lib/*.c backends/*.c -- -std=c11 -Iinclude \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 >"$scratch/out" 2>"$scratch/err"; then
	fail "clang-tidy:"
	grep -E "(error|warning):" "$scratch/out" || cat "$scratch/err"
fi

finish "$(find lib backends -name '*.c' | wc -l) sources"

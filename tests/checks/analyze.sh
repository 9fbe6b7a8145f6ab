#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gcc's analyzer and cppcheck have nothing to say about the library; nothing
# in it tells them to be silent. (clang-tidy has a check of its own: tidy.sh.)
. "$(dirname "$0")/common.sh"
need gcc

for source in lib/*.c backends/mem.c; do
	gcc -std=c11 -O2 -fanalyzer -Wall -Wextra -Iinclude -S -o /dev/null \
		"$source" 2>>"$scratch/analyzer"
done
fail_lines "$scratch/analyzer" "gcc -fanalyzer:"

if have cppcheck; then
	cppcheck --quiet --std=c11 --enable=warning,performance,portability \
		-Iinclude lib backends/mem.c 2>"$scratch/cppcheck" || :
	fail_lines "$scratch/cppcheck" "cppcheck:"
fi

grep -rnE 'NOLINT|cppcheck-suppress|diagnostic ignored|no_sanitize' \
	lib backends/mem.c >"$scratch/silent" || :
fail_lines "$scratch/silent" "Tells a tool to be silent:"

finish "$(echo lib/*.c backends/mem.c | wc -w) sources"

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# clang-tidy has nothing to say about the library; .clang-tidy has the list.
# With --deep it looks at lib/ alone, by clang's static analyzer and the rules of
# CERT as well, which takes minutes.
. "$(dirname "$0")/common.sh"
need clang-tidy

sources='lib/*.c backends/*.c'
more=
if [ "${1-}" = --deep ]; then
	sources='lib/*.c backends/mem.c'
	# It wants memcpy_s(), which no C library here has.
	unsafe=clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
	more="--checks=clang-analyzer-*,cert-*,-$unsafe"
fi

# shellcheck disable=SC2086
if ! clang-tidy --quiet $more $sources -- -std=c11 -Iinclude \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 >"$scratch/out" 2>"$scratch/err"; then
	fail "clang-tidy:"
	grep -E "(error|warning):" "$scratch/out" || cat "$scratch/err"
fi

# shellcheck disable=SC2086
finish "$(echo $sources | wc -w) sources"

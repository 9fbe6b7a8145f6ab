#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every public header compiles first and alone, and twice, as C11 and as C++17,
# with every compiler there is, and defines no name that MPICH or Windows has
# taken.
. "$(dirname "$0")/common.sh"
need gcc

warnings='-Wall -Wextra -Wpedantic -Werror'
count=0

compile() { # COMPILER LANGUAGE STANDARD HEADER
	# shellcheck disable=SC2086
	if ! printf '#include <%s>\n#include <%s>\nextern int i;\n' "$4" "$4" |
		"$1" -x "$2" -std="$3" $warnings -Iinclude -fsyntax-only - \
			>"$scratch/out" 2>&1; then
		fail "<$4> is no $3 by itself for $1:"
		sed 's/^/    /' "$scratch/out"
	fi
	count=$((count + 1))
}

headers=$(cd include && find mpio -name '*.h' | sort)
for header in $headers; do
	for c in gcc clang; do
		if have $c; then
			compile $c c c11 "$header"
		fi
	done
	for cxx in g++ clang++; do
		if have $cxx; then
			compile $cxx c++ c++17 "$header"
		fi
	done
done

taken='MPIO_H|_MPIO_H_|MPIO_INCLUDE|MPIO_Request|MPIO_REQUEST_[A-Z_]*'
taken="$taken|MPIO_Wait|MPIO_Test|MPIO_USES_[A-Z_]*|MPIO_Err_[A-Za-z_]*"
taken="$taken|MPIO_File_[A-Za-z_]*|MPIO_IOCTL_[A-Z_]*|MPIO_PASS_THROUGH_[A-Z_]*"
grep -rnwE "$taken" include >"$scratch/taken" || :
fail_lines "$scratch/taken" 'These names belong to others:'

finish "$(echo "$headers" | wc -l) headers, $count times"

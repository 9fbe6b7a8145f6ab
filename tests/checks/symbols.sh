#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     symbols.sh [--core] ARCHIVE...
#
# The archives hold no data that can change, and give the linker no name that
# is not ours: what is global begins with mpio_, and is declared in a public
# header unless it begins with mpio__ (shared inside the library). And the
# other way round: what a header declares is there. With --core the archive
# lacks what needs an operating system, and the latter is not looked at.
. "$(dirname "$0")/common.sh"
need nm cc

core=false
if [ "$1" = --core ]; then
	core=true
	shift
fi

# FILE: TYPE NAME, without the compiler's own names for 32-bit position-
# independent code, which are hidden.
nm --defined-only -A "$@" | awk 'NF > 2 { print $1, $(NF - 1), $NF }' |
	grep -v ' __x86\.get_pc_thunk\.' >"$scratch/defined"

awk '$2 !~ /^[TtRr]$/' "$scratch/defined" >"$scratch/data"
fail_lines "$scratch/data" 'This can change:'

awk '$2 ~ /^[A-Z]$/ { print $3 }' "$scratch/defined" | sort -u \
	>"$scratch/global"
grep -v '^mpio_' "$scratch/global" >"$scratch/foreign" || :
fail_lines "$scratch/foreign" 'These do not begin with mpio_:'

# The functions that the headers declare: no comments, no function types.
find include -name '*.h' | sort | sed 's/.*/#include "&"/' |
	cc -x c -std=c11 -Iinclude -I. -E -P - | tr '\n' ' ' | tr ';' '\n' |
	grep -v typedef | grep -oE 'mpio_[a-z0-9_]+ *\(' | tr -d ' (' |
	sort -u >"$scratch/declared"

grep -v '^mpio__' "$scratch/global" |
	comm -23 - "$scratch/declared" >"$scratch/undeclared"
fail_lines "$scratch/undeclared" 'No public header declares:'
if ! $core; then
	# A backend that was left out of the build is not looked for.
	for header in include/mpio/backends/*.h; do
		name=$(basename "$header" .h)
		case $name:$* in
		mem:* | posix:* | *"/libmpio-$name.a"*) ;;
		*) sed -i "/^mpio_${name}_/d" "$scratch/declared" ;;
		esac
	done
	comm -13 "$scratch/global" "$scratch/declared" >"$scratch/missing"
	fail_lines "$scratch/missing" 'Declared, but nowhere to be found:'
fi

finish "$(wc -l <"$scratch/declared") functions declared," \
	"$(wc -l <"$scratch/global") names in the archive"

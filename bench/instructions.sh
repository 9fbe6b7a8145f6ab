#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Instructions per page, against their budgets.
#
#     sh bench/instructions.sh [BUILD]
#
# Runs each case of `mpio-bench plan` under callgrind for N and for 2 N pages
# and divides the difference of the whole programs' instructions by N, so that
# what happens once per process drops out and all that happens per page counts.
# The reference is a page-cache style implementation of the same job; half of
# it is the budget, a third the aim. Then what a hit in the cache takes, and a
# dirty page among few and among many clean ones, by rounds of `mpio-bench
# cache`. Exits with 1 if a case is over its budget.
#
# BUILD is a Release build, build/release unless told; if it is not there it
# is made. PAGES=N sets N. The profiles stay in BUILD/instructions, ready for
# callgrind_annotate.

set -eu

source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${1:-$source/build/release}
pages=${PAGES:-65536}

if ! command -v valgrind >/dev/null 2>&1; then
	echo 'instructions.sh: valgrind is missing' \
		'(Debian: apt-get install valgrind)' >&2
	exit 77
fi

if [ ! -d "$build" ]; then
	cmake -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release
	cmake --build "$build" --target mpio-bench
fi
bench=$(find "$build" -name mpio-bench -type f | head -n 1)
if [ -z "$bench" ]; then
	echo "instructions.sh: no mpio-bench in $build; build it first" >&2
	exit 2
fi
type=$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt")
if [ "$type" != Release ]; then
	echo "instructions.sh: $build is a '$type' build, not Release" >&2
	exit 2
fi
profiles=$build/instructions
mkdir -p "$profiles"

# count NAME OPTION...: instructions of the whole program
count() {
	profile=$profiles/$1.callgrind
	shift
	if ! valgrind --tool=callgrind --callgrind-out-file="$profile" \
		"$bench" "$@" >"$profile.log" 2>&1; then
		cat "$profile.log" >&2
		exit 2
	fi
	rm "$profile.log"
	sed -n 's/^totals: *\([0-9]*\).*/\1/p' "$profile"
}

# slope CASE FRAMES: instructions per page
slope() {
	count "$1-$2-$pages" \
		plan --case "$1" --frames "$2" --pages "$pages" \
		>"$profiles/few" &
	many=$(count "$1-$2-$((2 * pages))" \
		plan --case "$1" --frames "$2" --pages $((2 * pages)))
	wait $!
	per "$(cat "$profiles/few")" "$many" "$pages"
}

# rounds NAME PAGES OPTION...: instructions per page of 12 rounds of as many
rounds() {
	label=$1
	each=$2
	shift 2
	count "$label-12" cache "$@" --rounds 12 >"$profiles/few" &
	many=$(count "$label-24" cache "$@" --rounds 24)
	wait $!
	per "$(cat "$profiles/few")" "$many" $((12 * each))
}

per() {
	awk -v few="$1" -v many="$2" -v pages="$3" \
		'BEGIN { printf "%.1f", (many - few) / pages }'
}

row() {
	printf '%-4s %9s %7s %7s %9s %-8s %7s\n' "$@"
}

echo "Instructions per page of 4 KiB, between $pages and $((2 * pages)) pages;"
echo "'runs': the memory of all pages is one piece (for information)."
echo
row case reference budget aim measured verdict runs

over=0
while read -r letter reference; do
	budget=$((reference / 2))
	aim=$(awk -v n="$reference" 'BEGIN { printf "%.1f", n / 3 }')
	measured=$(slope "$letter" scattered)
	runs=$(slope "$letter" runs)
	verdict=$(awk -v n="$measured" -v budget="$budget" -v aim="$aim" \
		'BEGIN { print (n > budget ? "OVER" : n > aim ? "ok" : "aim") }')
	[ "$verdict" != OVER ] || over=1
	row "$letter" "$reference" "$budget" "$aim" \
		"$measured" "$verdict" "$runs"
done <<END
a 225
b 257
c 249
d 254
e 356
END

# The cache: budgets are a few hundredths to a tenth above what was measured.
# After 12 rounds every page has been used twice, as those have that are found
# again and again.
echo
row case '' budget '' measured verdict ''
while read -r label budget each options; do
	# shellcheck disable=SC2086 # options are words
	measured=$(rounds "$label" "$each" $options)
	verdict=$(awk -v n="$measured" -v budget="$budget" \
		'BEGIN { print (n > budget ? "OVER" : "ok") }')
	[ "$verdict" != OVER ] || over=1
	row "$label" '' "$budget" '' "$measured" "$verdict" ''
done <<END
hit 75 65536 lookups --side cache --pages 65536 --count 65536
walk 2600 1000 walk --dirty 1000 --pages 10000
many 3060 1000 walk --dirty 1000 --pages 100000
END

if [ "$over" -ne 0 ]; then
	echo
	echo 'instructions.sh: over budget. To see where they go:' >&2
	echo "  callgrind_annotate $profiles/CASE-scattered-$pages.callgrind" >&2
	echo "  callgrind_annotate $profiles/hit-12.callgrind" >&2
fi
exit "$over"

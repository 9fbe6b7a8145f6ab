#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/bufferpool/test.sh BUILD-DIR [WORK-DIR]
#
# Tests the engine of that build, of libmpio or of this folder alone: errors and
# power cuts, with another seed than ctest's, what the cuts find if something is
# left out, and what the benchmark refuses. Exit code 77: something is missing.
set -u
if [ $# -lt 1 ]; then
	sed -n '4,8s/^# \{0,1\}//p' "$0"
	exit 1
fi
build=$1
build=$(cd "$build" && pwd) || exit 1
if [ ! -x "$build/bufferpool-bench" ]; then
	echo "there is no $build/bufferpool-bench"
	exit 1
fi
if [ ! -x "$build/bufferpool-test" ]; then
	echo "skipped: built without cmocka (Debian: libcmocka-dev)"
	exit 77
fi
if [ $# -ge 2 ]; then
	mkdir -p "$2"
fi
work=$(mktemp -d ${2:+-p "$2"}) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

fail() {
	cat "$work/log"
	echo "not ok - $*"
	exit 1
}

"$build/bufferpool-test" 2 >"$work/log" 2>&1 || fail 'seed 2'
sed -n 's/^seed/ok - seed/p' "$work/log"
for rule in 1 2 3 4 5; do
	if "$build/bufferpool-test-without-$rule" >"$work/log" 2>&1; then
		fail "without rule $rule nothing was lost"
	fi
	grep -qE 'something is lost|lost future came true' "$work/log" ||
		fail "without rule $rule: another failure"
	echo "ok - without rule $rule: $(sed -n 's/^ERROR: //p' "$work/log" |
		head -n 1)"
done
for arguments in '' "$work/image 0" "$work/none/image"; do
	# shellcheck disable=SC2086
	"$build/bufferpool-bench" $arguments >"$work/log" 2>&1 &&
		fail "the benchmark took '$arguments'"
done
echo "ok - the benchmark refuses what cannot be"

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Which lines and branches of the library the tests reach: of lib/, and of the
# devices mem, posix, sim and the filters.
#
#     sh tests/coverage.sh           fails if a line is not reached, or more
#                                    than 2 of 100 branches
#     sh tests/coverage.sh --mcdc    of lib/, by clang: the conditions that were
#                                    seen to decide on their own; fails if they
#                                    are less than 95 of 100
#
# Tests whose seeds are fixed, so that the figures are the same each time. What
# is left out stands beside the line, with the reason, as GCOVR_EXCL_...; asserts
# do not count. Details are in build/coverage/report.txt, or in
# build/mcdc/report.txt.
set -eu
cd "$(dirname "$0")/.."

. tests/packages.sh

jobs=${JOBS:-$(nproc)}
preset=coverage
if [ "${1-}" = --mcdc ]; then
	preset=mcdc
fi
build=build/$preset
report=$build/report.txt

# Tests for other backends, of the tests themselves, and those that go the same
# ways many times.
tests='^(unit|fault|fuzz|vectors|enumerate|conformance\.device)\.'
others='io_uring|libaio|threads|partition|random$|text$|fuzz\.extfs'
others="$others|self-test|device\.(page|example)|fault\.(chain|callbacks)"

# One line of what a program says, or all of it if it fails.
quietly() { # COMMAND...
	if ! "$@" >"$build/log" 2>&1; then
		cat "$build/log"
		echo "failed: $*"
		exit 1
	fi
}

measure() {
	find "$build" -name '*.gcda' -o -name '*.profraw' | xargs rm -f
	FAULT_SEED=1 MPIO_SEED=1 SEED=1 MPIO_OPERATIONS=2000
	LLVM_PROFILE_FILE=$PWD/$build/profile/%p.profraw
	export FAULT_SEED MPIO_SEED SEED MPIO_OPERATIONS LLVM_PROFILE_FILE
	quietly ctest --test-dir "$build" --parallel "$jobs" \
		--output-on-failure --timeout 300 -R "$tests" -E "$others"
	tail -n 3 "$build/log" | head -n 1
}

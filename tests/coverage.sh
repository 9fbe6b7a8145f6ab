#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What of the library the tests reach.
#
#     sh tests/coverage.sh           lines and branches of lib/ and of the
#                                    devices mem, posix, sim and filters, by
#                                    gcc; fails if a line is not reached, or
#                                    more than 2 of 100 branches are not
#     sh tests/coverage.sh --mcdc    conditions of lib/ that were seen to
#                                    decide on their own, by clang; fails if
#                                    more than 5 of 100 were not
#
# Chance has fixed seeds, so that the figures stay the same. A line that no test
# can reach has GCOVR_EXCL_LINE beside it, and why. Asserts do not count. What
# was not reached is told line by line in build/coverage/report.html, and in
# build/mcdc/report.txt. JOBS=N sets how many jobs run at once.
set -eu
cd "$(dirname "$0")/.."

. tests/packages.sh

jobs=${JOBS:-$(nproc)}
preset=coverage
if [ "${1-}" = --mcdc ]; then
	preset=mcdc
fi
build=build/$preset

# Not those of other backends, of the tests themselves, and not those that go
# the same ways for long or by chance.
tests='^(unit|fault|fuzz|vectors|enumerate|conformance\.device)\.'
others='io_uring|libaio|(device|fault)\.threads|partition|extfs'
others="$others|self-test|text\$|random\$|device\\.(page|example)"
others="$others|fault\\.(sweep|upper|chain|callbacks)"

# Run a command; show what it said only if it fails.
quietly() { # COMMAND...
	if ! "$@" >"$build/log" 2>&1; then
		cat "$build/log"
		echo "failed: $*"
		return 1
	fi
}

build_and_test() {
	mkdir -p "$build"
	quietly cmake --preset "$preset"
	quietly cmake --build "$build" --parallel "$jobs"
	find "$build" -name '*.gcda' -exec rm -f {} +
	rm -rf "$build/profile"
	export FAULT_SEED=1 MPIO_SEED=1 SEED=1 MPIO_OPERATIONS=2000
	export LLVM_PROFILE_FILE="$PWD/$build/profile/%p.profraw"
	quietly ctest --test-dir "$build" --parallel "$jobs" --timeout 300 \
		--output-on-failure -R "$tests" -E "$others"
	grep 'tests passed' "$build/log"
}

# Inline functions of arith.h are seen by their own tests as well.
report_lines() {
	gcovr --root . --branches --print-summary \
		--filter lib/ --filter 'backends/(mem|posix|hostfile)' \
		--filter 'backends/(sim|fault|filter|put)' \
		--html-details "$build/report.html" \
		--txt "$build/report.txt" \
		--fail-under-line 100 --fail-under-branch 98 \
		--object-directory "$build" \
		"$build/CMakeFiles/mpio.dir" \
		"$build/tests/unit/CMakeFiles/unit.arith.dir"
}

report_conditions() {
	llvm-profdata-19 merge -o "$build/profile/all" "$build"/profile/*.profraw
	set -- "$build/mpio-vectors" -instr-profile "$build/profile/all"
	for program in "$build"/tests/unit.*; do
		set -- "$@" -object "$program"
	done
	llvm-cov-19 show --show-mcdc "$@" lib >"$build/report.txt"
	llvm-cov-19 report --show-mcdc-summary "$@" lib >"$build/table.txt"
	echo 'file                 conditions  missed    cover'
	awk '/^[a-zT]/ { printf "%-20s %10s %7s %8s\n", $1, $(NF - 2),
		$(NF - 1), $NF }' "$build/table.txt"
	awk '$1 == "TOTAL" { exit $NF + 0 < 95 }' "$build/table.txt"
}

if command -v ninja >/dev/null; then
	export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
fi
unset CC CXX CFLAGS LDFLAGS || :
mkdir -p "$build"
packages_to "$build/packages.log" libcmocka-dev
if [ "$preset" = mcdc ]; then
	packages_to "$build/packages.log" clang-19 llvm-19
	build_and_test
	report_conditions
else
	packages_to "$build/packages.log" gcovr
	build_and_test
	report_lines
	cat "$build/report.txt"
fi

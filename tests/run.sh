#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what is missing, builds libmpio in every way and runs every test.
#
#     sh tests/run.sh              all stages, one after another
#     sh tests/run.sh quick        the stage gcc alone
#     sh tests/run.sh STAGE...     some of them: gcc clang asan tsan m32
#                                  freestanding vectors enumeration budgets
#                                  examples real
#
# Stops at the first stage that fails, with what failed. Ends with a summary
# and, on a line of its own, 'N passed, N failed', counted over all tests.
# Works on Debian 12 with no more than gcc, cmake and apt; builds are made in
# build/PRESET (see CMakePresets.json). JOBS=N sets how many jobs run at once.
set -eu
cd "$(dirname "$0")/.."

all='gcc clang asan tsan m32 freestanding vectors enumeration budgets examples real'
jobs=${JOBS:-$(nproc)}
logs=build/logs
passed=0
failed=0
summary=
stage=

# ---- Packages -----------------------------------------------------------

. tests/packages.sh

packages() {
	packages_to "$logs/packages.log" "$@"
}

# cmocka for 32-bit programs comes from Debian's i386 packages.
cmocka_for_m32() {
	if dpkg --print-foreign-architectures | grep -qx i386; then
		packages libcmocka-dev:i386
		return
	fi
	echo 'adding the architecture i386'
	as_root dpkg --add-architecture i386 || return 1
	if ! packages libcmocka-dev:i386; then
		as_root dpkg --remove-architecture i386
		return 1
	fi
}

# ---- Building and testing ----------------------------------------------

# Run a command; show what it said only if it fails.
quietly() { # NAME COMMAND...
	log=$logs/$1.log
	shift
	if ! "$@" >"$log" 2>&1; then
		cat "$log"
		echo "failed: $*"
		return 1
	fi
}

build() { # PRESET CMAKE-ARGUMENTS...
	preset=$1
	shift
	quietly "$preset-configure" cmake --preset "$preset" "$@" &&
		quietly "$preset-build" cmake --build --preset "$preset" \
			--parallel "$jobs"
}

count_of() { # ATTRIBUTE FILE
	sed -n "s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

# Run tests of a preset and count them.
run_tests() { # PRESET CTEST-ARGUMENTS...
	preset=$1
	shift
	junit=$PWD/$logs/$stage-$preset.xml
	result=0
	rm -f "$junit"
	# One more than there are processors: some wait for a disk.
	ctest --preset "$preset" --parallel $((jobs + 1)) \
		--output-junit "$junit" "$@" || result=$?
	if [ ! -e "$junit" ]; then
		return 1
	fi
	bad=$(count_of failures "$junit")
	skipped=$(($(count_of skipped "$junit") + $(count_of disabled "$junit")))
	good=$(($(count_of tests "$junit") - bad - skipped))
	passed=$((passed + good))
	failed=$((failed + bad))
	counts="$good passed, $bad failed"
	if [ "$skipped" -ne 0 ]; then
		counts="$counts, $skipped skipped"
	fi
	return "$result"
}

# Run one kind of test of the Release build, and show what it printed.
show_tests() { # REGEX JOBS
	build release && run_tests release --parallel "$2" -V -R "$1"
}

# ---- Stages -------------------------------------------------------------

# Tests that have a stage of their own.
vectors='^vectors'
enumeration='^enumerat'
budgets='^instructions$'
# Long ones about the library's logic: gcc and the sanitizers have seen to it.
sweeps='^(fault\.(sweep|upper|threads)|power\.cuts|simulation\.(same|other)|unit\.io_uring_faults)'
# Of these one run is enough: tests of tests, and the longest of the system's
# calls.
once='self-test|^power\.self|^fault\.libaio'
# Those of the system's calls: no matter of how wide a pointer is.
call_sweeps='^fault\.(upper_|libaio|threads)'
# Devices like others, and what has a single thread: both take long when threads
# are watched.
alike='device\.(page|example|sim-odd|filter-mem|partition)|unit\.(cache_model|io_uring_faults)'
threads='^(conformance\.device|unit\.(threads|libaio|io_uring|posix|cache|file_threads))'

stage_gcc() {
	build release &&
		run_tests release -E "$vectors|$enumeration|$budgets"
}

stage_clang() {
	build clang && run_tests clang -E "$sweeps|$once|$budgets"
}

stage_asan() {
	build asan && run_tests asan -E "$once|$budgets"
}

# What has threads, or may be used by many.
stage_tsan() {
	build tsan && run_tests tsan -R "$threads" -E "$once|$alike"
}

stage_m32() {
	version=$(gcc -dumpversion)
	packages "gcc-$version-multilib" "lib32gcc-$version-dev" \
		libc6-dev-i386 || return 1
	cmocka='-DCMAKE_DISABLE_FIND_PACKAGE_Cmocka=OFF'
	if ! cmocka_for_m32; then
		echo 'no cmocka for 32 bits: the tests that need it are left out'
		cmocka='-DCMAKE_DISABLE_FIND_PACKAGE_Cmocka=ON
			-DCMAKE_REQUIRE_FIND_PACKAGE_Cmocka=OFF'
	fi
	# shellcheck disable=SC2086
	build m32 $cmocka && run_tests m32 -E "$call_sweeps|$once|$budgets"
}

stage_freestanding() {
	build freestanding && run_tests freestanding
}

stage_vectors() {
	show_tests "$vectors" 1
}

stage_enumeration() {
	show_tests "$enumeration" "$jobs"
}

stage_budgets() {
	show_tests "$budgets" 1
}

stage_examples() {
	if [ ! -e examples/extfs/test.sh ]; then
		echo 'there is no examples/extfs/test.sh'
		return
	fi
	# It stops by itself; if it does not, that is a failure too.
	build release && timeout 300 sh examples/extfs/test.sh build/release
}

# Software of others on the library; counts what its own summary says.
stage_real() {
	result=0
	sh tests/run-real.sh >"$logs/real.log" 2>&1 || result=$?
	cat "$logs/real.log"
	last=$(tail -n 1 "$logs/real.log")
	case $last in
	*' passed, '*' failed') ;;
	*) return 1 ;;
	esac
	passed=$((passed + ${last%% *}))
	bad=${last#*, }
	failed=$((failed + ${bad% failed}))
	counts=$last
	return "$result"
}

# ---- All of it ----------------------------------------------------------

finish() { # EXIT-STATUS
	echo
	echo "== summary"
	printf '%s' "$summary"
	echo "$passed passed, $failed failed"
	exit "$1"
}

run_stage() {
	stage=$1
	counts=
	echo
	echo "== $stage"
	begin=$(date +%s)
	before=$failed
	status=ok
	"stage_$stage" || status=FAILED
	seconds=$(($(date +%s) - begin))
	summary="$summary$(printf '%-12s %-6s %4d s  %s' \
		"$stage" "$status" "$seconds" "$counts")
"
	echo "== $stage: $status, $seconds s"
	if [ "$status" != ok ]; then
		# What failed was perhaps no test but a build.
		if [ "$failed" -eq "$before" ]; then
			failed=$((failed + 1))
		fi
		finish 1
	fi
}

case ${1-all} in
# shellcheck disable=SC2086
all) set -- $all ;;
quick) set -- gcc ;;
esac
for name in "$@"; do
	case " $all " in
	*" $name "*) ;;
	*)
		echo "no such stage: $name (there are: quick $all)" >&2
		exit 2
		;;
	esac
done

mkdir -p "$logs"
echo '== packages'
packages g++ libc6-dev make ninja-build pkg-config python3 clang clang-format cppcheck \
	clang-tidy libcmocka-dev valgrind e2fsprogs libext2fs-dev \
	libaio-dev liburing-dev
if command -v ninja >/dev/null; then
	CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
	export CMAKE_GENERATOR
fi
# What the environment asks of compilers is not what is tested here.
unset CXX CFLAGS CXXFLAGS LDFLAGS || :
CC=gcc
export CC

for name in "$@"; do
	run_stage "$name"
done
finish 0

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Valgrind's memcheck: no byte is read that was never written, none is touched
# that was given back, and none is lost. The unit programs, those of faults that
# are quick, and the vectors; nothing is suppressed.
#
#     sh tests/memcheck.sh            all of them
#     sh tests/memcheck.sh NAME...    some of them: unit.bio vectors
#
# Ends with 'N of N programs are clean'. What valgrind does not know, io_uring,
# is left out; models run fewer operations.
set -eu
cd "$(dirname "$0")/.."

. tests/packages.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
packages_to "$scratch/packages" valgrind libcmocka-dev
build=$PWD/build/release
vectors=$PWD/tests/conformance
jobs=${JOBS:-$(nproc)}
clean=0
count=0
wanted=" $* "
MPIO_OPERATIONS=${MPIO_OPERATIONS:-2000}
export MPIO_OPERATIONS

if command -v ninja >/dev/null; then
	CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
	export CMAKE_GENERATOR
fi
if ! { cmake --preset release && cmake --build --preset release \
	--parallel "$jobs"; } >"$scratch/log" 2>&1; then
	tail -n 40 "$scratch/log"
	exit 1
fi

check() { # NAME COMMAND...
	name=$1
	shift
	case $wanted in
	'  ' | *" $name "*) ;;
	*) return 0 ;;
	esac
	count=$((count + 1))
	if (cd "$scratch" && valgrind --quiet --error-exitcode=99 \
		--leak-check=full --show-leak-kinds=all \
		--errors-for-leak-kinds=all --fair-sched=yes "$@") \
		>"$scratch/log" 2>&1; then
		clean=$((clean + 1))
		echo "clean: $name"
	else
		echo "not clean: $name"
		grep -E '^==|ERROR|FAILED' "$scratch/log" | head -n 40 || :
	fi
}

for program in "$build"/tests/unit.* "$build"/tests/fault.*; do
	if [ ! -f "$program" ]; then
		continue
	fi
	name=${program##*/}
	case $name in
	# What takes io_uring, by its name or because it comes first.
	*io_uring* | unit.file_uri) ;;
	# Sweeps, and long chains, would take hours.
	fault.sweep | fault.upper* | fault.lies | fault.callbacks | fault.chain) ;;
	fault.libaio | fault.threads) ;;
	*) check "$name" "$program" ;;
	esac
done
check vectors "$build/mpio-vectors" "$vectors/curated.vec" \
	"$vectors/interplay.vec"

echo "$clean of $count programs are clean"
if [ "$clean" -ne "$count" ] || [ "$count" -eq 0 ]; then
	exit 1
fi

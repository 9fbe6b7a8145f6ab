#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Tests libmpio on software that was written by others: builds the library,
# installs it under build/real/prefix, builds the examples against that as a
# user would, and runs what each has as test.sh. Installs what is missing.
#
#     sh tests/run-real.sh           all of them, one after another
#     sh tests/run-real.sh PART...   some: bufferpool sqlite-vfs e2io uefi
#
# Goes on after a part that fails. Ends with a summary and, on a line of its
# own, 'N passed, N failed', counted over all that a part calls 'ok'. A part
# that cannot be tested here has failed.
set -eu
cd "$(dirname "$0")/.."

all='bufferpool sqlite-vfs e2io uefi'
INPUTS=${INPUTS:-2000} # hostile images for the boot loader
export INPUTS
work=build/real
jobs=${JOBS:-$(nproc)}
passed=0
failed=0
summary=

. tests/packages.sh

# Run a command; show what it said only if it fails.
quietly() { # NAME COMMAND...
	log=$work/$1.log
	shift
	if ! "$@" >"$log" 2>&1; then
		tail -n 200 "$log"
		echo "failed: $*"
		return 1
	fi
}

packages_of() { # PART
	case $1 in
	bufferpool) echo libcmocka-dev ;;
	sqlite-vfs) echo libsqlite3-dev sqlite3 ;;
	e2io) echo e2fsprogs libext2fs-dev fuse2fs ;;
	uefi) echo clang lld llvm e2fsprogs qemu-system-x86 ovmf \
		qemu-system-arm qemu-efi-aarch64 "gcc-$version-multilib" ;;
	esac
}

# One is built for other machines, and the library with it.
build_part() { # PART
	if [ "$1" = uefi ]; then
		quietly uefi-build sh examples/uefi/build.sh "$work/uefi"
		return
	fi
	quietly "$1-configure" cmake -S "examples/$1" -B "$work/$1" \
		-DCMAKE_BUILD_TYPE=Release \
		-DCMAKE_PREFIX_PATH="$PWD/$work/prefix" &&
		quietly "$1-build" cmake --build "$work/$1" --parallel "$jobs"
}

test_part() { # PART
	log=$work/$1-test.log
	result=0
	sh "examples/$1/test.sh" "$work/$1" >"$log" 2>&1 || result=$?
	cat "$log"
	good=$(grep -c '^ok ' "$log" || :)
	passed=$((passed + good))
	if [ "$result" -ne 0 ] || [ "$good" -eq 0 ]; then
		failed=$((failed + 1))
		echo "failed: examples/$1/test.sh, exit code $result"
		return 1
	fi
}

run_part() { # PART
	part=$1
	echo
	echo "== $part"
	begin=$(date +%s)
	good=0
	status=ok
	if ! build_part "$part"; then
		failed=$((failed + 1))
		status=FAILED
	elif ! test_part "$part"; then
		status=FAILED
	fi
	summary="$summary$(printf '%-12s %-6s %4d s  %s' "$part" "$status" \
		$(($(date +%s) - begin)) "$good passed")
"
}

# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
for name in "$@"; do
	if [ ! -e "examples/$name/test.sh" ]; then
		echo "no such part: $name (there are: $all)" >&2
		exit 2
	fi
done

mkdir -p "$work"
echo '== packages'
packages_to "$work/packages.log" gcc
version=$(gcc -dumpversion)
wanted='libc6-dev cmake make ninja-build pkg-config libaio-dev liburing-dev'
for name in "$@"; do
	wanted="$wanted $(packages_of "$name")"
done
# shellcheck disable=SC2086
packages_to "$work/packages.log" $wanted
if command -v ninja >/dev/null; then
	CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
	export CMAKE_GENERATOR
fi

echo '== the library'
quietly library-configure cmake -S . -B "$work/library" \
	-DCMAKE_BUILD_TYPE=Release -DLIBMPIO_BUILD_TESTS=OFF \
	-DLIBMPIO_BUILD_BENCH=OFF -DLIBMPIO_BUILD_EXAMPLES=OFF
quietly library-build cmake --build "$work/library" --parallel "$jobs"
quietly library-install cmake --install "$work/library" \
	--prefix "$work/prefix"

for name in "$@"; do
	run_part "$name"
done
echo
echo "== summary"
printf '%s' "$summary"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

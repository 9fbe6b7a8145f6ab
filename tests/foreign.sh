#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the library for machines unlike this one, and runs what tests need no
# device but memory there, in an emulator: a big-endian one (s390x), and a
# 32-bit one with other rules of alignment and calling (armhf).
#
#     sh tests/foreign.sh            both
#     sh tests/foreign.sh s390x      one of them: s390x armhf
#
# Installs what is missing (Debian 12: cross compilers, their C libraries,
# qemu-user). Builds are made in build/MACHINE. The tests are built with
# tests/small/cmocka.h, as there is no cmocka for such machines.
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}

. tests/packages.sh

packages() {
	packages_to build/packages.log "$@"
}

# What the tests call the system for, with wrappers and direct I/O, an emulator
# does not have, or has otherwise; scripts cannot start programs there at all.
not_here='posix|threads|libaio|io_uring|file_uri|open|frames|register|tail$'
not_here="$not_here|allocation|chain|sweep|device|real|instructions"
not_here="$not_here|vectors.(text|random$|self-test)|simulation.repeat"
# These have a watchdog of their own, which an emulator is too slow for.
not_here="$not_here|fault.(lies|callbacks)"

machine() { # NAME TRIPLET EMULATOR
	tree=build/$1
	mkdir -p "$tree"
	# The tests' library is in the header; cmake wants a file.
	echo 'typedef int nothing;' >"$tree/nothing.c"
	"$2-gcc" -c -o "$tree/nothing.o" "$tree/nothing.c"
	rm -f "$tree/libcmocka.a"
	"$2-ar" cr "$tree/libcmocka.a" "$tree/nothing.o"
	cmake -S . -B "$tree" -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_C_FLAGS=-O2 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$1" \
		-DCMAKE_C_COMPILER="$2-gcc" -DLIBMPIO_WERROR=ON \
		-DCMAKE_EXE_LINKER_FLAGS=-static \
		-DCMAKE_CROSSCOMPILING_EMULATOR="$3" \
		-DCMOCKA_INCLUDE_DIR="$PWD/tests/small" \
		-DCMOCKA_LIBRARY="$PWD/$tree/libcmocka.a" \
		-DLIBMPIO_BUILD_BENCH=OFF -DLIBMPIO_BUILD_EXAMPLES=OFF \
		>"$tree/log" 2>&1 &&
		cmake --build "$tree" --parallel "$jobs" >>"$tree/log" 2>&1 || {
		tail -n 40 "$tree/log"
		exit 1
	}
	echo "== $1"
	ctest --test-dir "$tree" --parallel "$jobs" --output-on-failure \
		--timeout 600 -LE check -E "$not_here"
}

mkdir -p build
if command -v ninja >/dev/null; then
	CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
	export CMAKE_GENERATOR
fi
unset CC CFLAGS LDFLAGS || :
if [ $# -eq 0 ]; then
	set -- s390x armhf
fi
for name in "$@"; do
	case $name in
	s390x)
		packages gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user
		machine s390x s390x-linux-gnu qemu-s390x
		;;
	armhf)
		packages gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user
		machine armhf arm-linux-gnueabihf qemu-arm
		;;
	*)
		echo "no such machine: $name (there are: s390x armhf)" >&2
		exit 2
		;;
	esac
done

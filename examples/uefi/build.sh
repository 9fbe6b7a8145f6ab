#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/uefi/build.sh DIRECTORY [host|x86_64|aarch64|i386]...
#
# Builds and installs the library for each kind of machine, and against that
# what is here: in DIRECTORY/KIND/prefix and DIRECTORY/KIND/app. The two in the
# middle are for UEFI, i386 is the bare kernel of examples/multiboot. Default:
# all of them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:?where?}"
to=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- host x86_64 aarch64 i386

for kind in "$@"; do
	source=$here toolchain=
	case $kind in
	host) ;;
	i386) source=$root/examples/multiboot
		toolchain=$source/toolchain.cmake ;;
	*) toolchain=$here/toolchain-$kind.cmake ;;
	esac
	mkdir -p "$to/$kind"
	{
		cmake -S "$root" -B "$to/$kind/library" \
			-DCMAKE_BUILD_TYPE=Release -DLIBMPIO_BUILD_TESTS=OFF \
			-DLIBMPIO_BUILD_BENCH=OFF -DLIBMPIO_BUILD_EXAMPLES=OFF \
			${toolchain:+-DLIBMPIO_FREESTANDING=ON} \
			${toolchain:+-DCMAKE_TOOLCHAIN_FILE="$toolchain"} &&
		cmake --build "$to/$kind/library" --parallel 2 &&
		cmake --install "$to/$kind/library" \
			--prefix "$to/$kind/prefix" &&
		cmake -S "$source" -B "$to/$kind/app" \
			-DCMAKE_BUILD_TYPE=Release \
			-DCMAKE_PREFIX_PATH="$to/$kind/prefix" \
			${toolchain:+-DCMAKE_TOOLCHAIN_FILE="$toolchain"} &&
		cmake --build "$to/$kind/app"
	} >"$to/$kind/build.log" 2>&1 || {
		cat "$to/$kind/build.log"
		exit 1
	}
done

#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/bufferpool/run.sh [DIRECTORY]
#
# From a fresh Debian 12 to a table: installs what is missing, builds libmpio and
# installs it under DIRECTORY (default: build/bufferpool), builds the engine
# against that as a user would, tests it, and measures scans and checkpoints on
# the disk that DIRECTORY is on. RUNS=N: medians of so many (default: 7).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:-$root/build/bufferpool}"
work=$(cd "${1:-$root/build/bufferpool}" && pwd)
. "$root/tests/packages.sh"
cd "$work"

quietly() { # COMMAND...
	if ! "$@" >quietly.log 2>&1; then
		cat quietly.log
		echo "failed: $*"
		exit 1
	fi
	rm -f quietly.log
}

packages_to "$work/packages.log" gcc libc6-dev cmake make libcmocka-dev \
	libaio-dev liburing-dev
quietly cmake -S "$root" -B library -DCMAKE_BUILD_TYPE=Release \
	-DLIBMPIO_BUILD_TESTS=OFF -DLIBMPIO_BUILD_BENCH=OFF \
	-DLIBMPIO_BUILD_EXAMPLES=OFF
quietly cmake --build library --parallel "$(nproc)"
quietly cmake --install library --prefix "$work/prefix"
quietly cmake -S "$root/examples/bufferpool" -B engine \
	-DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix"
quietly cmake --build engine --parallel "$(nproc)"
sh "$root/examples/bufferpool/test.sh" engine "$work"
engine/bufferpool-bench "$work/image" "${RUNS:-7}"

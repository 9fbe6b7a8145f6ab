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
. "$root/examples/common.sh"
cd "$work"

packages_to "$work/packages.log" gcc libc6-dev cmake make libcmocka-dev \
	libaio-dev liburing-dev
install_library
build_example bufferpool
sh "$root/examples/bufferpool/test.sh" bufferpool "$work"
bufferpool/bufferpool-bench "$work/image" "${RUNS:-7}"

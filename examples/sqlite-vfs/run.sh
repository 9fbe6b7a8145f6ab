#!/bin/sh
# SPDX-License-Identifier: MIT
#
#     sh examples/sqlite-vfs/run.sh [DIRECTORY]
#
# All of it on a fresh Debian 12: installs what is missing, builds the library
# and installs it into DIRECTORY/prefix (default: build/sqlite-vfs), builds the
# VFS against that, tests it, measures it against the stock VFS, and prints a
# table. SQLite's own tests are apart: see suite.sh. Takes root, or sudo, for
# packages; 3 GiB of disk.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/packages.sh"
mkdir -p "${1:-$root/build/sqlite-vfs}"
directory=$(cd "${1:-$root/build/sqlite-vfs}" && pwd)
jobs=${JOBS:-$(nproc)}

packages_to "$directory/packages.log" gcc libc6-dev cmake make pkg-config \
	libsqlite3-dev sqlite3 liburing-dev libaio-dev strace

cd "$directory"
cmake -S "$root" -B library -DCMAKE_BUILD_TYPE=Release \
	-DLIBMPIO_BUILD_TESTS=OFF \
	-DLIBMPIO_BUILD_BENCH=OFF -DLIBMPIO_BUILD_EXAMPLES=OFF >build.log
cmake --build library -j "$jobs" >>build.log
cmake --install library --prefix "$directory/prefix" >>build.log
cmake -S "$here" -B vfs -DCMAKE_PREFIX_PATH="$directory/prefix" >>build.log
cmake --build vfs -j "$jobs" >>build.log

echo "== test"
sh "$here/test.sh" vfs "$directory"
echo "== bench"
sh "$here/bench.sh" vfs "$directory"

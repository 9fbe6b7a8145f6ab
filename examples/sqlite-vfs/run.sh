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
. "$root/examples/common.sh"
mkdir -p "${1:-$root/build/sqlite-vfs}"
directory=$(cd "${1:-$root/build/sqlite-vfs}" && pwd)

packages_to "$directory/packages.log" gcc libc6-dev cmake make pkg-config \
	libsqlite3-dev sqlite3 liburing-dev libaio-dev strace

cd "$directory"
install_library
build_example sqlite-vfs

step "Tests"
sh "$here/test.sh" sqlite-vfs "$directory"
step "Against the stock VFS"
sh "$here/bench.sh" sqlite-vfs "$directory"
